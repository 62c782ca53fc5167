//! What the module holds between two calls.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{json, Value};
use twisterl::exact;
use twisterl::exported::{self, Named};
use twisterl::nn::safetensors::Tensors;
use twisterl::nn::{masked_softmax, mean_outputs, outputs, NetSpec, Network, Policy, Scratch};
use twisterl::rl::env::Env;
use twisterl::rng::Rng;
use twisterl::search::{explore, Budget};
use twisterl::solve::{solve, Asked, EvalConfig, Strategy};
use twisterl::{Error, Result};

// The memory of a module is small, and one that has no more of it is lost: so these bound it all.

/// Bytes lent to the host.
const MOST_BYTES: usize = 1 << 26;
/// Inputs or outputs of a layer.
const MOST_SIZE: usize = 1 << 16;
/// Weights of a policy. Layers may share tensors of a model, but each is packed by itself.
const MOST_WEIGHTS: u64 = 1 << 25;
/// To which sizes are rounded up at most when weights are packed.
const PADDING: usize = 16;
const MOST_WIDTH: usize = 1 << 14;
/// States of a search.
const MOST_NODES: u64 = 1 << 22;
/// Simulations of a move, times the states of each.
const MOST_SIMULATIONS: usize = 1 << 16;
const MOST_KEPT: usize = 1 << 14;
/// Numbers that the host can hold exactly.
const MOST_NUMBER: u64 = 1 << 53;

#[derive(Default)]
pub struct Session {
    /// By address.
    buffers: BTreeMap<usize, Vec<u8>>,
    policy: Option<Network>,
    env: Option<Box<dyn Env>>,
    kept: Vec<Box<dyn Env>>,
    pub output: Vec<f64>,
    pub message: String,
}

impl Session {
    pub fn lend(&mut self, length: usize) -> Result<usize> {
        let left = MOST_BYTES - self.buffers.values().map(Vec::len).sum::<usize>();
        let mut bytes = Vec::new();
        if !(1..=left).contains(&length) || bytes.try_reserve_exact(length).is_err() {
            return Err(Error::invalid("length", format!("1 to the {left} bytes left"), length));
        }
        bytes.resize(length, 0);
        let address = bytes.as_ptr() as usize;
        self.buffers.insert(address, bytes);
        Ok(address)
    }

    pub fn take_back(&mut self, address: usize) -> Result<()> {
        self.buffers.remove(&address).map(drop).ok_or_else(|| not_lent(address))
    }

    /// The first `length` bytes of the buffer at `address`.
    pub fn bytes(&self, address: usize, length: usize) -> Result<&[u8]> {
        let buffer = self.buffers.get(&address).ok_or_else(|| not_lent(address))?;
        buffer.get(..length).ok_or_else(|| {
            Error::invalid("length", format!("at most the {} bytes lent", buffer.len()), length)
        })
    }

    pub fn text(&self, address: usize, length: usize) -> Result<&str> {
        let bytes = self.bytes(address, length)?;
        std::str::from_utf8(bytes).map_err(|error| Error::invalid("text", "UTF-8", error))
    }

    /// The environment that is there stays if another one cannot be made.
    pub fn make(&mut self, address: usize, length: usize) -> Result<()> {
        let env = Named::parse(self.text(address, length)?)?.make()?;
        env.spec().acts.require_discrete("this module")?;
        (self.env, self.policy) = (Some(env), None);
        self.kept.clear();
        Ok(())
    }

    pub fn load_policy(&mut self, address: usize, length: usize) -> Result<()> {
        let tensors = Tensors::parse(self.bytes(address, length)?)?;
        check_size(&exported::spec(&tensors)?)?;
        self.policy = Some(match tensors.metadata.contains_key(exported::NETWORK) {
            true => exported::policy(&tensors, self.env()?)?,
            false => Network::from_state_dict(&tensors, Default::default())?,
        });
        Ok(())
    }

    pub fn env(&self) -> Result<&dyn Env> {
        self.env.as_deref().ok_or_else(no_env)
    }

    pub fn env_mut(&mut self) -> Result<&mut Box<dyn Env>> {
        self.env.as_mut().ok_or_else(no_env)
    }

    fn policy(&self) -> Result<&Network> {
        let missing = || Error::invalid("policy", "one that is loaded", "none");
        self.policy.as_ref().ok_or_else(missing)
    }

    pub fn describe(&self) -> Result<Value> {
        let env = self.env()?;
        let spec = env.spec();
        let entry = twisterl::envs::find(&spec.name)?;
        Ok(json!({
            "name": spec.name,
            "about": entry.about,
            "actions": spec.action_names,
            "inverse_actions": spec.inverse_actions,
            "obs_shape": spec.obs.shape(),
            "has_uniform": spec.has_uniform,
            "has_goal": spec.has_goal,
            "has_state": env.state().is_some(),
            "difficulty": env.get_difficulty(),
        }))
    }

    /// Remembers where the environment is; its number.
    pub fn keep(&mut self) -> Result<()> {
        if self.kept.len() == MOST_KEPT {
            return Err(Error::invalid("kept", format!("at most {MOST_KEPT}"), "one more"));
        }
        let copy = self.env()?.try_clone()?;
        self.kept.push(copy);
        self.output.push((self.kept.len() - 1) as f64);
        Ok(())
    }

    pub fn go_back(&mut self, number: usize) -> Result<()> {
        let Some(kept) = self.kept.get(number) else {
            let expected = format!("one of the {} kept", self.kept.len());
            return Err(Error::invalid("number", expected, number));
        };
        self.env = Some(kept.try_clone()?);
        Ok(())
    }

    pub fn forget(&mut self) {
        self.kept.clear();
    }

    pub fn set_state(&mut self, address: usize, length: usize) -> Result<()> {
        let bytes = self.bytes(address, length)?;
        if bytes.len() % 8 != 0 {
            return Err(Error::invalid("length", "8 bytes a number", bytes.len()));
        }
        let number = |bytes: &[u8]| i64::from_le_bytes(std::array::from_fn(|place| bytes[place]));
        let state: Vec<i64> = bytes.chunks_exact(8).map(number).collect();
        self.env_mut()?.try_set_state(&state)
    }

    pub fn step(&mut self, action: usize) -> Result<()> {
        let env = self.env_mut()?;
        let most = env.num_actions();
        if action >= most {
            return Err(Error::invalid("action", format!("an integer in 0..{most}"), action));
        }
        env.try_step(action)
    }

    fn numbers(&self) -> Result<Vec<i64>> {
        let name = &self.env()?.spec().name;
        let missing = || Error::invalid("state", "one that can be told", format!("that of {name}"));
        self.env()?.state().ok_or_else(missing)
    }

    pub fn state(&mut self) -> Result<()> {
        let state = self.numbers()?;
        if let Some(number) = state.iter().find(|number| number.unsigned_abs() > MOST_NUMBER) {
            return Err(Error::invalid("state", "numbers of at most 2^53", number));
        }
        self.output.extend(state.iter().map(|&number| number as f64));
        Ok(())
    }

    fn legal(&self) -> Result<Vec<bool>> {
        let env = self.env()?;
        let mut masks = vec![false; env.num_actions()];
        env.try_masks(&mut masks)?;
        Ok(masks)
    }

    pub fn masks(&mut self) -> Result<()> {
        let masks = self.legal()?;
        self.output.extend(masks.iter().map(|&mask| f64::from(u8::from(mask))));
        Ok(())
    }

    pub fn status(&mut self) -> Result<()> {
        let status = self.env()?.try_status()?;
        let flag = |flag: bool| f64::from(u8::from(flag));
        self.output.extend([
            flag(status.is_final),
            flag(status.success),
            flag(status.truncated),
            status.reward.into(),
        ]);
        Ok(())
    }

    /// The policy, and the words of what it sees.
    fn seen(&self) -> Result<(&Network, Vec<i32>)> {
        let (env, policy) = (self.env()?, self.policy()?);
        check_fit(env, policy)?;
        let mut words = Vec::new();
        env.try_observe(&mut words)?;
        Ok((policy, words))
    }

    pub fn logits(&mut self) -> Result<()> {
        let (policy, words) = self.seen()?;
        let (logits, value) = outputs(policy, &words, -1, &mut Scratch::default())?;
        self.output.extend(logits.iter().chain([&value]).map(|&number| f64::from(number)));
        Ok(())
    }

    pub fn predict(&mut self) -> Result<()> {
        let (policy, words) = self.seen()?;
        let (logits, value) = mean_outputs(policy, &words, &mut Scratch::default())?;
        let mut probabilities = vec![0.0; logits.len()];
        masked_softmax(&logits, &self.legal()?, &mut probabilities)?;
        let numbers = probabilities.iter().chain([&value]);
        self.output.extend(numbers.map(|&number| f64::from(number)));
        Ok(())
    }

    /// What is asked, within what the memory allows.
    fn asked(&self, address: usize, length: usize) -> Result<EvalConfig> {
        let asked: Asked = serde_json::from_str(self.text(address, length)?)
            .map_err(|error| Error::invalid("strategy", "an entry of evals in JSON", error))?;
        if asked.beam_width > MOST_WIDTH {
            let expected = format!("at most {MOST_WIDTH} in this module");
            return Err(Error::invalid("beam_width", expected, asked.beam_width));
        }
        let simulated = asked.num_mcts_searches.saturating_mul(asked.max_expand_depth);
        if simulated > MOST_SIMULATIONS {
            let expected = format!("at most {MOST_SIMULATIONS} states in this module");
            return Err(Error::invalid("num_mcts_searches", expected, simulated));
        }
        let nodes = asked.node_limit.unwrap_or(MOST_NODES).min(MOST_NODES);
        EvalConfig::try_from(Asked { num_cores: 1, node_limit: Some(nodes), ..asked })
    }

    pub fn solve(&mut self, address: usize, length: usize, seed: u64) -> Result<()> {
        let config = self.asked(address, length)?;
        let found = solve(self.env()?, self.policy()?, &config, seed, &mut || Ok(()))?;
        self.output.extend([f64::from(u8::from(found.success)), found.nodes as f64]);
        self.output.extend(found.actions.iter().map(|&action| action as f64));
        Ok(())
    }

    pub fn search(&mut self, address: usize, length: usize, seed: u64) -> Result<()> {
        let Strategy::Mcts(tree) = self.asked(address, length)?.strategy else {
            return Err(Error::invalid("strategy", "mcts", "another one"));
        };
        let rng = Rng::new(seed);
        let found = explore(self.env()?, self.policy()?, &tree, rng, &mut || Ok(()))?;
        self.output.extend(found.policy.iter().map(|&share| f64::from(share)));
        Ok(())
    }

    pub fn optimum(&mut self, node_limit: f64, time_limit_s: f64) -> Result<()> {
        let seconds = |seconds| {
            let expected = "seconds, infinity for no limit";
            Duration::try_from_secs_f64(seconds)
                .map_err(|_| Error::invalid("time_limit_s", expected, seconds))
        };
        let time = (time_limit_s != f64::INFINITY).then(|| seconds(time_limit_s)).transpose()?;
        let budget = Budget { nodes: Some(node_limit as u64), time };
        let found = exact::solve(self.env()?, &self.numbers()?, budget, &mut || Ok(()))?;
        let proven = f64::from(u8::from(found.actions.is_some()));
        self.output.extend([proven, found.at_least as f64]);
        self.output.extend(found.actions.iter().flatten().map(|&action| action as f64));
        Ok(())
    }
}

fn no_env() -> Error {
    Error::invalid("environment", "one that is made", "none")
}

fn not_lent(address: usize) -> Error {
    Error::invalid("address", "that of a buffer which is lent", address)
}

fn check_fit(env: &dyn Env, policy: &Network) -> Result<()> {
    let spec = env.spec();
    let expected = (spec.obs.num_features(), spec.num_actions());
    let got = (policy.num_features(), policy.num_actions());
    if expected == got && spec.obs.dtype() == policy.obs_dtype() {
        return Ok(());
    }
    let expected = format!("{} features and {} actions", expected.0, expected.1);
    Err(Error::invalid("policy", expected, format!("{} and {}", got.0, got.1)))
}

fn check_size(spec: &NetSpec) -> Result<()> {
    let mut weights = 0u64;
    for parameter in spec.parameters() {
        if let Some(size) = parameter.shape.iter().find(|&&size| size > MOST_SIZE) {
            let name = format!("tensor {}", parameter.name);
            return Err(Error::invalid(name, format!("sizes of at most {MOST_SIZE}"), size));
        }
        let padded = parameter.shape.iter().map(|size| size.next_multiple_of(PADDING) as u64);
        weights += padded.product::<u64>();
    }
    if weights > MOST_WEIGHTS {
        let expected = format!("at most {MOST_WEIGHTS} weights, each size a multiple of {PADDING}");
        return Err(Error::invalid("model", expected, weights));
    }
    Ok(())
}

//! Torch's policies that the engine has: the twins of `python/twisterl/nn/vector_policies.py`,
//! `image_policies.py` and `multi_agent.py`, parameters called as there.

use serde::Deserialize;

use super::attention::{self, Tokens};
use super::config::RunConfig;
use super::faults::Failure;
use super::policy::{arguments, head_of, linear, read, Drawing, Net};
use crate::nn::{Block, Cell, Conv, Join, NetSpec, Pool, Pooling, Recurrent};
use crate::rl::env::{Env, Twists};
use crate::spaces::{ActSpace, Dtype, ObsSpace};

/// What `made` takes.
const KNOWN: [&str; 9] = [
    "BasicPolicy",
    "Conv1dPolicy",
    "MLPPolicy",
    "ContinuousPolicy",
    "ResidualPolicy",
    "AttentionPolicy",
    "RecurrentActorCritic",
    "CNNPolicy",
    "ImpalaPolicy",
];
const AGENTS: [&str; 2] = ["SharedMultiAgentPolicy", "IndependentMultiAgentPolicy"];

#[derive(Deserialize)]
struct Vectors {
    hidden_size: usize,
}

#[derive(Deserialize)]
struct Residual {
    num_blocks: usize,
    hidden_size: usize,
}

#[derive(Deserialize)]
struct Remembering {
    core: String,
    input_size: usize,
    hidden_size: usize,
    num_layers: usize,
}

#[derive(Deserialize)]
struct Stages {
    widths: Vec<usize>,
    hidden_size: usize,
}

#[derive(Deserialize)]
struct Agents {
    num_agents: usize,
    hidden_size: usize,
}

/// The network of the class `name` for `env`; what does not fit as text.
pub(super) fn made(
    name: &str,
    config: &RunConfig,
    env: &dyn Env,
) -> Result<Result<Net, String>, Failure> {
    let seen = &env.spec().obs;
    let encoded = match name {
        "MLPPolicy" | "ContinuousPolicy" => {
            let Vectors { hidden_size: width } = arguments(config)?;
            if name == "ContinuousPolicy" && !matches!(env.spec().acts, ActSpace::Box { .. }) {
                let got = env.spec().acts.kind();
                return Ok(Err(format!("action_space: expected numbers in bounds, got {got}")));
            }
            vector(seen, &[width, width]).map(|blocks| (blocks, width))
        }
        "ResidualPolicy" => {
            let Residual { num_blocks, hidden_size: width } = arguments(config)?;
            vector(seen, &[width]).map(|mut blocks| {
                blocks.extend((3..3 + num_blocks).map(|place| {
                    let layer = |i: usize| {
                        linear(format!("module.encoder.{place}.block.{i}"), width, width)
                    };
                    Block::Residual { blocks: vec![layer(0), Block::Relu, layer(2)] }
                }));
                (blocks, width)
            })
        }
        "AttentionPolicy" => {
            let tokens: Tokens = arguments(config)?;
            tokens.blocks(seen).map(|blocks| (blocks, tokens.d_model))
        }
        "RecurrentActorCritic" => {
            let Remembering { core, input_size, hidden_size, num_layers } = arguments(config)?;
            let cell = match core.as_str() {
                "lstm" => Cell::Lstm,
                "gru" => Cell::Gru,
                _ => Cell::RnnTanh,
            };
            vector(seen, &[input_size]).map(|mut blocks| {
                blocks.push(Block::Reshape { shape: vec![1, input_size] });
                blocks.push(Block::Recurrent(Recurrent {
                    name: "module.core.net".to_owned(),
                    cell,
                    inputs: input_size,
                    size: hidden_size,
                    layers: num_layers,
                    is_cell: false,
                    bias: true,
                }));
                blocks.push(Block::Flatten);
                (blocks, hidden_size)
            })
        }
        "CNNPolicy" => {
            let Vectors { hidden_size } = arguments(config)?;
            cnn(seen, hidden_size).map(|blocks| (blocks, hidden_size))
        }
        "ImpalaPolicy" => {
            let Stages { widths, hidden_size } = arguments(config)?;
            impala(seen, &widths, hidden_size).map(|blocks| (blocks, hidden_size))
        }
        "SharedMultiAgentPolicy" | "IndependentMultiAgentPolicy" => {
            let agents: Agents = arguments(config)?;
            return Ok(together(env, &agents, name.starts_with("Shared")));
        }
        _ => {
            let known = KNOWN.iter().chain(&AGENTS).copied().collect::<Vec<_>>().join(", ");
            let problem = format!("got \"{name}\", which torch trains; expected one of {known}");
            return Err(Failure::config("config", "policy_cls", problem));
        }
    };
    Ok(encoded.map(|(encoder, width)| {
        let acts = &env.spec().acts;
        let spec = NetSpec {
            encoder,
            action: vec![linear("module.actor", width, acts.num_outputs())],
            value: vec![linear("module.critic", width, 1)],
            head: head_of(acts, "module.actor_logstd", true),
            initial_state: Vec::new(),
        };
        let mut net = Net::of(spec, Twists::default(), Drawing::Orthogonal);
        attention::order(&mut net.saved);
        net
    }))
}

/// Flat observations through layers of these widths, each with a ReLU.
fn vector(seen: &ObsSpace, widths: &[usize]) -> Result<Vec<Block>, String> {
    let features = seen.num_features();
    let mut blocks = match seen {
        ObsSpace::Sparse { .. } => {
            let name = "module.encoder.1".to_owned();
            vec![Block::Bag { name, features, out: widths[0] }]
        }
        _ => vec![read(seen)?.swap_remove(0), linear("module.encoder.1", features, widths[0])],
    };
    blocks.push(Block::Relu);
    for (i, pair) in widths.windows(2).enumerate() {
        let name = format!("module.encoder.{}", 2 * i + 3);
        blocks.extend([linear(name, pair[0], pair[1]), Block::Relu]);
    }
    Ok(blocks)
}

/// An image on its way through layers: its channels, height and width.
struct Image {
    blocks: Vec<Block>,
    shape: [usize; 3],
}

impl Image {
    fn new(seen: &ObsSpace) -> Result<Self, String> {
        if let ObsSpace::Dense { dtype: Dtype::Float32, .. } = seen {
            let expected = "expected bytes, or ones and zeros";
            return Err(format!("observation_space: {expected}; torch scales other pixels"));
        }
        match *seen.shape() {
            [channels, height, width] => {
                Ok(Self { blocks: read(seen)?, shape: [channels, height, width] })
            }
            ref shape => {
                let expected = "expected images [channels, height, width]";
                Err(format!("observation_space: {expected}, got {shape:?}"))
            }
        }
    }

    /// Convolves to `out` channels, or takes the largest of each window if there is none.
    fn window(
        &mut self,
        conv: Option<(String, usize)>,
        [kernel, stride, padding]: [usize; 3],
    ) -> Result<(), String> {
        let [channels, height, width] = self.shape;
        let side = |side: usize| {
            let room = (side + 2 * padding).checked_sub(kernel);
            room.map(|room| room / stride + 1)
        };
        let (Some(high), Some(wide)) = (side(height), side(width)) else {
            let got = self.shape;
            return Err(format!(
                "observation_space: expected larger images, got {got:?} in a layer"
            ));
        };
        let [kernel, stride, padding] = [kernel, stride, padding].map(|size| vec![size, size]);
        self.shape = [channels, high, wide];
        self.blocks.push(match conv {
            Some((name, out)) => {
                self.shape[0] = out;
                Block::Conv(Conv { name, channels, out, kernel, stride, padding, bias: true })
            }
            None => Block::Pool(Pool { of: Pooling::Max, kernel, stride, padding }),
        });
        Ok(())
    }

    /// All on one axis, and a layer with a ReLU.
    fn flat(mut self, name: String, out: usize) -> Vec<Block> {
        let inputs = self.shape.iter().product();
        self.blocks.extend([Block::Flatten, linear(name, inputs, out), Block::Relu]);
        self.blocks
    }
}

fn cnn(seen: &ObsSpace, hidden_size: usize) -> Result<Vec<Block>, String> {
    let mut image = Image::new(seen)?;
    for (i, (out, kernel, stride)) in [(32, 8, 4), (64, 4, 2), (64, 3, 1)].into_iter().enumerate() {
        let name = format!("module.encoder.{}", 2 * i + 1);
        image.window(Some((name, out)), [kernel, stride, 0])?;
        image.blocks.push(Block::Relu);
    }
    Ok(image.flat("module.encoder.8".to_owned(), hidden_size))
}

/// Espeholt et al., "IMPALA", figure 3.
fn impala(seen: &ObsSpace, widths: &[usize], hidden_size: usize) -> Result<Vec<Block>, String> {
    let mut image = Image::new(seen)?;
    for (stage, &width) in widths.iter().enumerate() {
        let place = 4 * stage + 1;
        image.window(Some((format!("module.encoder.{place}"), width)), [3, 1, 1])?;
        image.window(None, [3, 2, 1])?;
        for place in [place + 2, place + 3] {
            let outside = std::mem::take(&mut image.blocks);
            for i in [1, 3] {
                let name = format!("module.encoder.{place}.block.{i}");
                image.blocks.push(Block::Relu);
                image.window(Some((name, width)), [3, 1, 1])?;
            }
            let blocks = std::mem::replace(&mut image.blocks, outside);
            image.blocks.push(Block::Residual { blocks });
        }
    }
    image.blocks.push(Block::Relu);
    Ok(image.flat(format!("module.encoder.{}", 4 * widths.len() + 3), hidden_size))
}

/// Agents of whom each sees its part of an observation, and has its part of the choices.
fn together(env: &dyn Env, agents: &Agents, is_shared: bool) -> Result<Net, String> {
    let Agents { num_agents: count, hidden_size: width } = *agents;
    let spec = env.spec();
    let sides = spec.obs.shape();
    if sides.first().is_none_or(|side| side % count != 0) {
        let first = sides.first().map(usize::to_string).unwrap_or_default();
        let rule = format!("a divisor of ({first},), the views that an observation has");
        return Err(format!("num_agents: expected {rule}, got {count}"));
    }
    let parts = match &spec.acts {
        ActSpace::MultiDiscrete { nvec } => nvec.as_slice(),
        _ => &[],
    };
    let each = &parts[..parts.len() / count];
    if parts.is_empty() || parts != each.repeat(count) {
        let got = spec.acts.kind();
        return Err(format!(
            "num_agents: expected the same choices for each of {count}, got {got} {parts:?}"
        ));
    }
    let size = spec.obs.num_features() / count;
    let owner = |agent: usize| match is_shared {
        true => "module".to_owned(),
        false => format!("module.policies.{agent}"),
    };
    // Numbers of one agent, through layers.
    let branch = |agent: usize, size: usize, layers: Vec<Block>| {
        let slice = Block::Slice { start: agent * size, end: (agent + 1) * size };
        let whole = if count > 1 { Some(slice) } else { None };
        whole.into_iter().chain(layers).collect::<Vec<Block>>()
    };
    let all = |join: Join, of: &dyn Fn(usize) -> Vec<Block>| {
        vec![Block::Parallel { branches: (0..count).map(of).collect(), join }]
    };
    let sees = |agent: usize| {
        let name = |place: usize| format!("{}.encoder.{place}", owner(agent));
        let mut layers = vec![linear(name(1), size, width), Block::Relu];
        if !is_shared {
            layers.extend([linear(name(3), width, width), Block::Relu]);
        }
        branch(agent, size, layers)
    };
    let head = |agent: usize, head: &str, out: usize| {
        branch(agent, width, vec![linear(format!("{}.{head}", owner(agent)), width, out)])
    };
    let mut encoder = read(&spec.obs)?;
    if sides.len() > 1 {
        encoder.push(Block::Flatten);
    }
    encoder.extend(all(Join::Concat, &sees));
    let described = NetSpec {
        encoder,
        action: all(Join::Concat, &|agent| head(agent, "actor", each.iter().sum())),
        value: all(Join::Sum, &|agent| head(agent, "critic", 1)),
        head: head_of(&spec.acts, "", false),
        initial_state: Vec::new(),
    };
    let mut net = Net::of(described, Twists::default(), Drawing::Orthogonal);
    // In Python all of an agent comes before the next one.
    let agent = |name: &str| (0..count).find(|agent| name.starts_with(&(owner(*agent) + ".")));
    net.saved.sort_by_key(|saved| agent(&saved.name));
    Ok(net)
}

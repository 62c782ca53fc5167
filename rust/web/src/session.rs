//! What the module holds between two calls.

use std::collections::BTreeMap;
use std::time::Duration;

use twisterl::envs::puzzle::Puzzle;
use twisterl::nn::safetensors::Tensors;
use twisterl::nn::{NetSpec, Network};
use twisterl::search::Budget;
use twisterl::solve::{solve, BeamConfig, EvalConfig, Strategy};
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
/// States of a beam, all depths together.
const MOST_STATES: usize = 1 << 26;

#[derive(Default)]
pub struct Session {
    /// By address.
    buffers: BTreeMap<usize, Vec<u8>>,
    policy: Option<Network>,
    puzzle: Option<Puzzle>,
    pub output: Vec<i32>,
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

    pub fn load_policy(&mut self, address: usize, length: usize) -> Result<()> {
        let tensors = Tensors::parse(self.bytes(address, length)?)?;
        check_size(&NetSpec::of_state_dict(&tensors)?)?;
        self.policy = Some(Network::from_state_dict(&tensors, Default::default())?);
        Ok(())
    }

    pub fn make_puzzle(&mut self, puzzle: Puzzle) {
        self.puzzle = Some(puzzle);
    }

    pub fn puzzle(&mut self) -> Result<&mut Puzzle> {
        let missing = || Error::invalid("puzzle", "one that is made", "none");
        self.puzzle.as_mut().ok_or_else(missing)
    }

    pub fn solve(&mut self, width: usize, time_limit_s: f64) -> Result<()> {
        let missing = || Error::invalid("policy", "one that is loaded", "none");
        let policy = self.policy.clone().ok_or_else(missing)?;
        let puzzle = self.puzzle()?;
        let depth = puzzle.depth().max(1) as usize;
        let most = (MOST_STATES / depth).min(MOST_WIDTH);
        if width > most {
            let expected = format!("at most {most} where {depth} steps are left");
            return Err(Error::invalid("beam_width", expected, width));
        }
        let seconds = |seconds| {
            let expected = "seconds, infinity for no limit";
            Duration::try_from_secs_f64(seconds)
                .map_err(|_| Error::invalid("time_limit_s", expected, seconds))
        };
        let time = (time_limit_s != f64::INFINITY).then(|| seconds(time_limit_s)).transpose()?;
        let config = EvalConfig {
            strategy: Strategy::Beam(BeamConfig { width, value_weight: 0.0 }),
            deterministic: true,
            num_cores: 1,
            budget: Budget { nodes: None, time },
            ..EvalConfig::default()
        };
        let found = solve(puzzle, &policy, &config, 0, &mut || Ok(()))?;
        self.output.push(found.success.into());
        self.output.extend(found.actions.iter().map(|&action| action as i32));
        Ok(())
    }
}

fn not_lent(address: usize) -> Error {
    Error::invalid("address", "that of a buffer which is lent", address)
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

//! A policy from a safetensors file with the names of the Python `BasicPolicy`.

use std::path::Path;

use serde_json::Value;
use twisterl::nn::{EmbeddingBag, Linear, Network, Sequential};
use twisterl::rl::env::Env;
use twisterl::{Error, Result};

/// A permutation of the features and one of the actions: a twist.
pub type Perms = (Vec<usize>, Vec<usize>);

/// The policy in the file at `path` for `env`, with the twist `perms` if there is one.
///
/// # Errors
/// If the file is no safetensors file, lacks a tensor, or does not fit the environment.
pub fn policy(path: &Path, env: &dyn Env, perms: Option<Perms>) -> Result<Network> {
    let bytes = std::fs::read(path).map_err(|error| invalid("weights", "a file", error))?;
    let file = Tensors::parse(&bytes)?;
    let embeddings = file.linear("embeddings")?;
    let width = embeddings.1.len();
    let features = env.obs_shape().iter().product();
    let embeddings = EmbeddingBag::new(embeddings.0, width, embeddings.1, true, vec![features], 0)?;
    let (obs_perms, act_perms) = perms.into_iter().unzip();
    let [common, action, value] = [("common", true), ("action", false), ("value", false)]
        .map(|(name, final_relu)| file.sequential(name, final_relu));
    Network::new(embeddings, common?, action?, value?, obs_perms, act_perms)
}

fn invalid(name: &str, expected: &str, got: impl std::fmt::Display) -> Error {
    Error::invalid(name, expected, got)
}

/// Eight bytes of length, a JSON header, then the tensors.
struct Tensors<'a> {
    header: Value,
    data: &'a [u8],
}

impl<'a> Tensors<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self> {
        let short = || invalid("weights", "a safetensors file", format!("{} bytes", bytes.len()));
        let (length, rest) = bytes.split_first_chunk().ok_or_else(short)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| short())?;
        let (header, data) = rest.split_at_checked(length).ok_or_else(short)?;
        let header = serde_json::from_slice(header)
            .map_err(|error| invalid("weights", "a header in JSON", error))?;
        Ok(Self { header, data })
    }

    /// The values of a tensor of 32-bit floats.
    fn floats(&self, name: &str) -> Result<Vec<f32>> {
        let range = &self.header[name]["data_offsets"];
        let end = |i: usize| range[i].as_u64().map(|end| end as usize);
        let bytes = match (end(0), end(1), self.header[name]["dtype"].as_str()) {
            (Some(from), Some(to), Some("F32")) => self.data.get(from..to),
            _ => None,
        };
        let bytes = bytes.ok_or_else(|| invalid(name, "a tensor of F32", &self.header[name]))?;
        Ok(bytes.as_chunks().0.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect())
    }

    /// Weights `[in, out]` and bias `[out]` of a layer that the file holds as `[out, in]`.
    fn linear(&self, name: &str) -> Result<(Vec<f32>, Vec<f32>)> {
        let weights = self.floats(&format!("{name}.weight"))?;
        let bias = self.floats(&format!("{name}.bias"))?;
        let outputs = bias.len().max(1);
        let inputs = weights.len() / outputs;
        let by_input = (0..inputs).flat_map(|i| (0..outputs).map(move |o| o * inputs + i));
        Ok((by_input.map(|place| weights[place]).collect(), bias))
    }

    /// The layers `name.0`, `name.2`, ...: the odd places are their ReLUs.
    fn sequential(&self, name: &str, final_relu: bool) -> Result<Sequential> {
        let names: Vec<String> = (0..)
            .map(|i| format!("{name}.{}", 2 * i))
            .take_while(|name| self.header.get(format!("{name}.weight")).is_some())
            .collect();
        let layer = |(i, name): (usize, &String)| {
            let (weights, bias) = self.linear(name)?;
            Linear::new(weights, bias, final_relu || i + 1 < names.len())
        };
        Sequential::new(names.iter().enumerate().map(layer).collect::<Result<_>>()?)
    }
}

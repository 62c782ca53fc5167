//! A trained policy in one file, with all that it takes to play it without Python.
//!
//! `twisterl export RUN --safetensors FILE` writes it: the tensors of the network, and in the metadata
//!
//! | key | value |
//! |---|---|
//! | [`ENVIRONMENT`] | `{"env_cls": name, "env": {parameters}}`, as in the config of a run |
//! | [`NETWORK`] | a [`NetSpec`] in JSON |
//! | [`TWISTS`] | `environment`: the policy is seen through the environment's symmetries; `none` |

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::envs;
use crate::error::{Error, Result};
use crate::nn::safetensors::{Tensor, Tensors};
use crate::nn::{NetSpec, Network};
use crate::rl::env::{Env, Twists};

pub const ENVIRONMENT: &str = "twisterl.environment";
pub const NETWORK: &str = "twisterl.network";
pub const TWISTS: &str = "twisterl.twists";

/// An environment by name, as configs have it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    pub env_cls: String,
    #[serde(default)]
    pub env: Map<String, Value>,
}

impl Named {
    /// # Errors
    /// If `text` names no environment in JSON.
    pub fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .map_err(|error| Error::invalid("environment", "a name and parameters in JSON", error))
    }

    /// The environment of the crate that has this name, whatever package it stands behind.
    ///
    /// # Errors
    /// If there is none, or a parameter is wrong.
    pub fn make(&self) -> Result<Box<dyn Env>> {
        let class = self.env_cls.rsplit('.').next().unwrap_or_default();
        envs::find(class)?.make(&self.env)
    }
}

/// What the file says of its network; that of a `BasicPolicy` if it says nothing.
///
/// # Errors
/// If it is no description of a network.
pub fn spec(tensors: &Tensors) -> Result<NetSpec> {
    match tensors.metadata.get(NETWORK) {
        Some(text) => NetSpec::parse(text),
        None => NetSpec::of_state_dict(tensors),
    }
}

/// The environment of the file, solved.
///
/// # Errors
/// If the file names none, or one that is not there.
pub fn environment(tensors: &Tensors) -> Result<Box<dyn Env>> {
    Named::parse(required(tensors, ENVIRONMENT)?)?.make()
}

/// The policy of the file, for `env`.
///
/// # Errors
/// If the tensors are not those of the network, or are tied to be more than twice what the file holds.
pub fn policy(tensors: &Tensors, env: &dyn Env) -> Result<Network> {
    let stored = tensors.values().len();
    let told: usize = tensors.iter().map(Tensor::len).sum();
    if told > 2 * stored {
        let expected = format!("at most twice the {stored} values of the file");
        return Err(Error::invalid("model", expected, told));
    }
    let (obs_perms, act_perms) = match required(tensors, TWISTS)? {
        "environment" => env.spec().twists.clone(),
        "none" => Twists::default(),
        other => {
            return Err(Error::invalid(TWISTS, "\"environment\" or \"none\"", format!("{other:?}")))
        }
    };
    let get = |name: &str| tensors.get(name).map(|(shape, values)| (shape.to_vec(), values));
    Network::from_spec(&spec(tensors)?, get, obs_perms, act_perms)
}

fn required<'a>(tensors: &'a Tensors, key: &str) -> Result<&'a str> {
    let expected = "a policy of twisterl export --safetensors";
    let missing = || Error::invalid("model", expected, format!("one without {key}"));
    tensors.metadata.get(key).map(String::as_str).ok_or_else(missing)
}

//! From the section `policy` to a network, by its class.

use super::config::RunConfig;
use super::faults::Failure;
use super::policy::{arguments, Net};
use super::{basic_policy, torch_policies};
use crate::rl::env::Env;

/// The network that `config` describes, for `env`.
///
/// # Errors
/// If they do not fit, or the engine does not train it.
pub(super) fn net(config: &RunConfig, env: &dyn Env) -> Result<Net, Failure> {
    let name = config.classes[1].as_str();
    let made = match name {
        "BasicPolicy" | "Conv1dPolicy" => basic_policy::made(arguments(config)?, env),
        _ => torch_policies::made(name, config, env)?,
    };
    made.map_err(|problem| Failure::config("config", "policy", problem))
}

//! Solves a state by a trained run, without Python.
//!
//! ```sh
//! twisterl export runs/ppo_puzzle8_v1 --safetensors policy.safetensors
//! cargo run --release -p twisterl --example solve -- policy.safetensors 8 7 5 3 2 0 4 6 1
//! ```

use std::path::Path;

use twisterl::nn::safetensors::Tensors;
use twisterl::solve::{solve, BeamConfig, EvalConfig, Strategy};
use twisterl::{exported, Error, Result};

fn main() -> Result<()> {
    let mut words = std::env::args_os().skip(1);
    let path = words.next().unwrap_or_default();
    let numbers: std::result::Result<Vec<i64>, _> =
        words.map(|word| word.to_string_lossy().parse()).collect();
    let state = numbers.map_err(|error| Error::invalid("state", "integers", error))?;

    let model = Tensors::read(Path::new(&path))?;
    let mut env = exported::environment(&model)?;
    let policy = exported::policy(&model, &*env)?;
    env.try_set_state(&state)?;
    let strategy = Strategy::Beam(BeamConfig { width: 64, ..BeamConfig::default() });
    let config = EvalConfig { strategy, deterministic: true, ..EvalConfig::default() };
    let found = solve(&*env, &policy, &config, 0, &mut || Ok(()))?;

    let names = env.spec().action_names.clone();
    let moves: Vec<_> =
        found.actions.iter().map(|&action| names[action as usize].as_str()).collect();
    println!(
        "{} in {} moves: {}",
        if found.success { "solved" } else { "not solved" },
        moves.len(),
        moves.join(" ")
    );
    Ok(())
}

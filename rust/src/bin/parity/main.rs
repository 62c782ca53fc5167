//! The Rust port of the parity check: answers the requests of tests/parity, one JSON line each.
//!
//! usage: parity REQUESTS.json, a list of objects; docs/parity.md says what they are.

use std::path::Path;
use std::process::ExitCode;

use serde_json::{json, Value};
use twisterl::collector::ppo::{collect, PpoConfig, Truncation};
use twisterl::nn::safetensors::Tensors;
use twisterl::nn::{Network, Policy, Scratch};
use twisterl::rl::env::{Env, Twists};
use twisterl::rng::Rng;
use twisterl::solve::{evaluate, EvalConfig, Starts, Strategy};
use twisterl::spaces::Rows;
use twisterl::testing::requests::{self, hex, Request};
use twisterl::testing::trace::join;
use twisterl::{Error, Result};

mod models;

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: parity REQUESTS.json");
        return ExitCode::from(2);
    };
    match read(Path::new(&path)).and_then(|requests| requests.iter().try_for_each(answer)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn read(path: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read(path).map_err(|error| invalid("requests", "a file", error))?;
    serde_json::from_slice(&text).map_err(|error| invalid("requests", "a JSON list", error))
}

fn invalid(name: &str, expected: &str, got: impl std::fmt::Display) -> Error {
    Error::invalid(name, expected, got)
}

fn answer(request: &Value) -> Result<()> {
    let request = Request(request);
    let answer = match requests::answer(&request)? {
        Some(answer) => answer,
        None => match request.text("task")? {
            "network" => network(&request)?,
            "greedy" => greedy(&request)?,
            "collect" => collected(&request)?,
            "models" => models::verdicts(Path::new(request.text("pack")?))?,
            other => return Err(invalid("task", "one of docs/parity.md", other)),
        },
    };
    println!("{answer}");
    Ok(())
}

/// The policy in the file `weights`, with the one twist `perms` if there is one.
fn policy(request: &Request<'_>) -> Result<Network> {
    let twists = match request.0.get("perms") {
        None => Twists::default(),
        Some(perms) => {
            let (obs, act) = serde_json::from_value(perms.clone())
                .map_err(|error| invalid("perms", "two lists", error))?;
            (vec![obs], vec![act])
        }
    };
    Network::from_state_dict(&Tensors::read(Path::new(request.text("weights")?))?, twists)
}

/// Boards `0..count`: board `b` is the uniform start of the stream (`seed`, 1, `b`).
fn boards(request: &Request<'_>, env: &dyn Env) -> Result<Vec<Box<dyn Env>>> {
    let seed = request.word("seed")?;
    let board = |b| {
        let mut board = env.try_clone()?;
        board.try_reset_uniform(&mut Rng::stream(seed, 1, b as u64))?;
        Ok(board)
    };
    (0..request.number("boards")?).map(board).collect()
}

/// Logits `[N, A]` and values `[N]` of uniformly random boards.
fn network(request: &Request<'_>) -> Result<Value> {
    let env = request.env()?;
    let policy = policy(request)?;
    let mut rows = Rows::default();
    for board in boards(request, &*env)? {
        rows.push_with(|indices| board.try_observe(indices))?;
    }
    let (mut logits, mut values) =
        (vec![0.0; rows.len() * policy.num_actions()], vec![0.0; rows.len()]);
    let twists = (policy.num_twists() > 0).then(|| vec![0; rows.len()]);
    let scratch = &mut Scratch::default();
    policy.forward_batch(&rows, twists.as_deref(), scratch, &mut logits, &mut values)?;
    Ok(json!({ "logits": logits, "values": values }))
}

/// Greedy play from uniform starts, by `evaluate`: a digest of each episode.
fn greedy(request: &Request<'_>) -> Result<Value> {
    let env = request.env()?;
    let policy = policy(request)?;
    let config = EvalConfig {
        strategy: Strategy::Policy,
        deterministic: true,
        num_cores: 2,
        ..EvalConfig::default()
    };
    let starts = Starts::Uniform(request.number("boards")?);
    let seed = request.word("seed")?;
    let episodes = evaluate(&*env, &policy, starts, &config, seed, &mut || Ok(()))?;
    let digests: Vec<String> = episodes
        .iter()
        .map(|episode| {
            let actions = episode.actions.iter().map(|&action| action as u64);
            let end = [u64::from(episode.success), u64::from(episode.reward.to_bits())];
            hex(actions.chain(end).fold(0, join))
        })
        .collect();
    let successes = episodes.iter().filter(|episode| episode.success).count();
    let actions = request.0["board"].as_u64().map(|board| &episodes[board as usize].actions);
    Ok(json!({ "digests": digests, "successes": successes, "actions": actions }))
}

/// PPO collection: every column of the table, floats as their bits.
fn collected(request: &Request<'_>) -> Result<Value> {
    let env = request.env()?;
    let policy = policy(request)?;
    let config = PpoConfig {
        num_episodes: request.number("episodes")?,
        gamma: request.float("gamma")?,
        gae_lambda: request.float("lambda")?,
        num_cores: 2,
        truncation: match request.text("truncation")? {
            "bootstrap" => Truncation::Bootstrap,
            _ => Truncation::Terminal,
        },
        ..PpoConfig::default()
    };
    let (seed, iteration) = (request.word("seed")?, request.number("iteration")? as u64);
    let work = config.work(seed, iteration);
    let table = collect(&*env, &policy, &config, &work, &mut || Ok(()))?;
    let bits = |name: &str| -> Result<Vec<u32>> {
        Ok(table.get::<f32>(name)?.iter().map(|x| x.to_bits()).collect())
    };
    let rows = table.rows("obs")?;
    Ok(json!({ "fields": {
        "indices": rows.words(),
        "offsets": rows.offsets(),
        "masks": table.get::<bool>("masks")?.iter().map(|&mask| u8::from(mask)).collect::<Vec<_>>(),
        "logits": bits("logits")?,
        "log_probs": bits("log_probs")?,
        "values": bits("values")?,
        "rewards": bits("rewards")?,
        "actions": table.get::<i64>("actions")?,
        "advantages": bits("advantages")?,
        "returns": bits("returns")?,
        "episode_starts": table.episode_starts,
    }}))
}

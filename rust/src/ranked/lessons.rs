//! How a value is learned: from solutions that beams led by it find, of ever longer scrambles.

use std::collections::VecDeque;

use super::beam::{search, Reach};
use super::blocks::grouped;
use super::candidates::Move;
use super::value::{Value, BATCH};
use super::Preparation;
use crate::engine::pool::{num_workers, run, Poll};
use crate::error::Result;
use crate::rl::env::Env;
use crate::rl::transvections::{Rows, MOST_ROWS};
use crate::rng::Rng;

const WIDTH: usize = 32;
const SCRAMBLES: usize = 32;
/// Groups of states that a lesson goes through, drawn from the last few.
const GROUPS: usize = 190;
const LESSONS_KEPT: usize = 6;
/// Scrambles of a lesson that may stay unsolved where the next ones are longer.
const UNSOLVED: usize = 3;
const FIRST_LENGTH: f32 = 6.0;
const GROWTH: f32 = 1.3;
/// Longer scrambles that are not solved are no examples.
const LONGEST_EXAMPLE: usize = 30;

/// A state and the action from the right that solves it soonest.
type Example = (Rows, usize);

/// The lessons of one environment; longer scrambles than `6 n^2` are drawn uniformly from all states.
///
/// # Errors
/// If `env`, `told` or `poll` fails.
pub(super) fn learn(
    value: &mut Value,
    env: &dyn Env,
    prepared: Preparation,
    told: &mut dyn FnMut(usize) -> Result<()>,
    poll: Poll<'_>,
) -> Result<()> {
    let longest = (6 * value.matrices.num_qubits.pow(2)) as f32;
    let mut length = FIRST_LENGTH;
    let mut lessons = VecDeque::new();
    for round in 0..prepared.num_rounds {
        let (examples, unsolved) = lesson(value, env, prepared, round, length, &mut *poll)?;
        if unsolved <= UNSOLVED && length <= longest {
            length *= GROWTH;
        }
        lessons.push_back(examples);
        if lessons.len() > LESSONS_KEPT {
            lessons.pop_front();
        }
        let examples: Vec<Example> = lessons.iter().flatten().copied().collect();
        let rng = &mut Rng::stream(prepared.seed, 2 * round as u64 + 1, 0);
        study(value, &examples, rng, &mut *poll)?;
        told(round + 1)?;
    }
    Ok(())
}

fn study(value: &mut Value, examples: &[Example], rng: &mut Rng, poll: Poll<'_>) -> Result<()> {
    if examples.is_empty() {
        return Ok(());
    }
    for group in 0..GROUPS {
        poll()?;
        let drawn: [Example; BATCH] =
            std::array::from_fn(|_| examples[rng.below(examples.len() as u32) as usize]);
        let states = grouped(drawn.iter().map(|example| example.0));
        value.learn(&states, &drawn.map(|example| example.1), group as f32 / GROUPS as f32);
    }
    value.settle();
    Ok(())
}

/// Examples of what solves scrambles of up to `length` actions, and how many no beam solved.
fn lesson(
    value: &Value,
    env: &dyn Env,
    prepared: Preparation,
    round: usize,
    length: f32,
    poll: Poll<'_>,
) -> Result<(Vec<Example>, usize)> {
    let n = value.matrices.num_qubits;
    let reach = Reach { width: WIDTH, most_steps: 3 * n * n, num_cores: 1 };
    let is_uniform = length > (6 * n * n) as f32;
    let workers = num_workers(prepared.num_cores).min(SCRAMBLES);
    let parts = run(workers, poll, |worker, poll| {
        let mut env = env.try_clone()?;
        let mut found = Vec::new();
        for number in (worker..SCRAMBLES).step_by(workers) {
            let rng = &mut Rng::stream(prepared.seed, 2 * round as u64, number as u64);
            let (start, back) = match is_uniform {
                true => (uniform(&mut *env, rng)?, Vec::new()),
                false => scrambled(value, length, rng),
            };
            // The first values tell nothing.
            let moves = if round == 0 { None } else { search(value, start, reach, &mut *poll)? };
            let is_solved = moves.is_some();
            let is_example = !is_uniform && (is_solved || back.len() <= LONGEST_EXAMPLE);
            let shorter = moves.as_ref().is_none_or(|moves| moves.len() > back.len());
            let moves = if is_example && shorter { Some(back) } else { moves };
            found.push((number, is_solved, examples(value, start, moves.unwrap_or_default())));
        }
        Ok(found)
    })?;
    let mut found: Vec<_> = parts.into_iter().flatten().collect();
    found.sort_unstable_by_key(|each| each.0);
    let unsolved = found.iter().filter(|each| !each.1).count();
    let first = if round == 0 { 0 } else { unsolved };
    Ok((found.into_iter().flat_map(|each| each.2).collect(), first))
}

fn uniform(env: &mut dyn Env, rng: &mut Rng) -> Result<Rows> {
    env.try_reset_uniform(rng)?;
    Ok(env.matrices().map_or([0; MOST_ROWS], |(_, rows)| rows))
}

/// A state and the moves that solve it.
fn scrambled(value: &Value, length: f32, rng: &mut Rng) -> (Rows, Vec<Move>) {
    let matrices = &value.matrices;
    let length = 1 + rng.below(length as u32) as usize;
    let mut rows = matrices.goal;
    let mut actions: Vec<u16> = Vec::with_capacity(length);
    while actions.len() < length {
        let action = rng.below(matrices.actions.len() as u32) as u16;
        if actions.last() != Some(&action) || matrices.actions.len() == 1 {
            matrices.play(&mut rows, action.into());
            actions.push(action);
        }
    }
    let moves = actions.iter().rev().map(|&action| Move { action, is_before: false });
    (rows, moves.collect())
}

/// Every state on the way, seen from the end that the move is at.
fn examples(value: &Value, mut rows: Rows, moves: Vec<Move>) -> Vec<Example> {
    let matrices = &value.matrices;
    let example = |Move { action, is_before }| {
        let action = usize::from(action);
        match is_before {
            true => {
                let seen = matrices.inverse(&rows);
                matrices.play_before(&mut rows, action);
                (seen, action)
            }
            false => {
                let seen = rows;
                matrices.play(&mut rows, action);
                (seen, action)
            }
        }
    };
    moves.into_iter().map(example).collect()
}

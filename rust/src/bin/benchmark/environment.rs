//! The environment alone: reset, steps and rollouts.

use std::hint::black_box;

use twisterl::envs::puzzle::Puzzle;
use twisterl::rl::env::Env;
use twisterl::rng::Rng;
use twisterl::Result;

use crate::figure::{time, Figure, Unit};
use crate::options::Options;

pub const NUM_ACTIONS: usize = 4;
/// Of one rollout.
const ROLLOUT_STEPS: usize = 10_000;

pub fn environment(options: &Options, env: &Puzzle) -> Result<Vec<Figure>> {
    let time = |name: &str, work: &mut dyn FnMut(usize) -> Result<usize>| {
        time(name, Unit::NanosecondsEach, options, work)
    };
    let mut rng = Rng::new(1);
    let mut board = env.clone();
    let name = format!("reset ({} moves)", options.difficulty);
    let reset = time(&name, &mut |repeats| {
        for _ in 0..repeats {
            black_box(&mut board).try_reset(&mut rng)?;
        }
        Ok(repeats)
    })?;
    let actions: Vec<usize> = (0..4096).map(|_| rng.below(4) as usize).collect();
    let step = time("step", &mut |repeats| {
        for _ in 0..repeats {
            for &action in black_box(&actions) {
                board.try_step(action)?;
            }
            black_box(&board);
        }
        Ok(repeats * actions.len())
    })?;
    let mut indices = Vec::with_capacity(options.width * options.height);
    let combined = time("combined step", &mut |repeats| {
        for _ in 0..repeats {
            for &action in black_box(&actions) {
                combined_step(&mut board, &mut indices, action)?;
            }
        }
        Ok(repeats * actions.len())
    })?;
    let rollout = time("rollout, a step", &mut |repeats| {
        for _ in 0..repeats {
            rollout(&mut board, &mut indices, &mut rng)?;
        }
        Ok(repeats * ROLLOUT_STEPS)
    })?;
    Ok([reset, step, combined, rollout].into_iter().flatten().collect())
}

/// Observation, masks, step, reward and end; whether that came.
#[inline]
fn combined_step(board: &mut Puzzle, indices: &mut Vec<i32>, action: usize) -> Result<bool> {
    let mut masks = [false; NUM_ACTIONS];
    indices.clear();
    board.try_observe(indices)?;
    board.try_masks(&mut masks)?;
    black_box(&indices[..]);
    black_box(masks);
    board.try_step(action)?;
    Ok(black_box(board.try_status()?).is_final)
}

/// Steps by random actions, with a reset at the end of each episode.
fn rollout(board: &mut Puzzle, indices: &mut Vec<i32>, rng: &mut Rng) -> Result<()> {
    board.try_reset(rng)?;
    for _ in 0..ROLLOUT_STEPS {
        let action = rng.below(NUM_ACTIONS as u32) as usize;
        if combined_step(board, indices, action)? {
            board.try_reset(rng)?;
        }
    }
    Ok(())
}

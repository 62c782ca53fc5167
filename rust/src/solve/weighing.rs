//! How much the values of a policy weigh in a beam: tried on boards that are kept aside.

use super::config::{BeamConfig, EvalConfig, Strategy};
use super::{evaluate, Starts};
use crate::engine::pool::Poll;
use crate::error::{Error, Result};
use crate::nn::Policy;
use crate::rl::env::Env;
use crate::rl::start::Start;
use crate::search::Budget;

/// Keeps these boards apart from those of collection and of evaluations with the same seed.
const STREAM_TAG: u64 = 0x6b65_7074_2061_7369;
/// Most boards, and the widest beam that is tried.
const MOST_BOARDS: usize = 64;
const WIDEST: usize = 64;
const FIRST: [f32; 6] = [0.0, 1.0, 4.0, 16.0, 64.0, 256.0];
/// Times the best one, in turn.
const CLOSER: [[f32; 2]; 2] = [[0.5, 2.0], [0.75, 1.5]];

/// The `beam_value_weight` by which `policy` solves the most of `num_boards` boards, at most 64, and
/// those by the fewest moves; the smallest of equals.
///
/// Boards are drawn as `start` says, by a stream of `seed` that nothing else draws from. The beam is
/// that of `config`, at most 64 wide, without a limit of time. The result does not depend on
/// `config.num_cores`. `env` stays as it is.
///
/// # Errors
/// If `config` asks for no beam, there are no boards, and as [`evaluate`].
pub fn choose_beam_weight(
    env: &dyn Env,
    policy: &dyn Policy,
    (start, num_boards): (Start, usize),
    config: &EvalConfig,
    seed: u64,
    poll: Poll<'_>,
) -> Result<f32> {
    let Strategy::Beam(beam) = config.strategy else {
        return Err(Error::invalid("strategy", "beam", "another one"));
    };
    let starts = Starts::of(start, num_boards.min(MOST_BOARDS))?;
    let mut tried = |weight: f32| -> Result<(usize, u64)> {
        let width = beam.width.min(WIDEST);
        let strategy = Strategy::Beam(BeamConfig { width, value_weight: weight, ..beam });
        let budget = Budget { time: None, ..config.budget };
        let config = EvalConfig { strategy, budget, ..*config };
        let seed = seed ^ STREAM_TAG;
        let episodes = evaluate(env, policy, starts.clone(), &config, seed, &mut *poll)?;
        let solved = episodes.iter().filter(|episode| episode.success);
        Ok((episodes.len() - solved.clone().count(), solved.map(|episode| episode.len()).sum()))
    };
    let mut best = (tried(0.0)?, 0.0);
    let mut compare = |weight: f32, best: &mut ((usize, u64), f32)| -> Result<()> {
        let found = tried(weight)?;
        if (found, weight) < *best {
            *best = (found, weight);
        }
        Ok(())
    };
    FIRST.into_iter().skip(1).try_for_each(|weight| compare(weight, &mut best))?;
    for factors in CLOSER {
        let (_, around) = best;
        if around > 0.0 {
            factors.into_iter().try_for_each(|factor| compare(around * factor, &mut best))?;
        }
    }
    Ok(best.1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::envs::puzzle::Puzzle;

    #[test]
    fn its_boards_are_those_of_no_evaluation() {
        let env = Puzzle::new(4, 4, 1, 2, 64).unwrap();
        let board = |seed: u64, index: usize| {
            let mut env = env.clone();
            Starts::Uniform(1000).place(index, &mut env, seed).unwrap();
            env.get_state()
        };
        let judged: HashSet<_> = (0..1000).map(|index| board(7, index)).collect();
        assert_eq!(judged.len(), 1000);
        assert!((0..MOST_BOARDS).all(|index| !judged.contains(&board(7 ^ STREAM_TAG, index))));
    }
}

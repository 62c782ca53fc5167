//! Beams that solve what an environment's estimates learn from.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use super::pattern_beam::{Beam, Limits};
use crate::clock::Deadline;
use crate::engine::pool::{run, Poll};
use crate::engine::preparing::Shown;
use crate::error::Result;
use crate::rl::estimates::{Estimates, Teacher};

/// Of the beams: more states are solved by narrower ones, and worse.
const WIDTH: usize = 1 << 10;

/// What `estimates` learn from `num_states`, by `num_threads`, on which nothing depends.
///
/// # Errors
/// Only what `poll` fails with.
pub(super) fn taught(
    estimates: Arc<dyn Estimates>,
    num_states: usize,
    most_depth: usize,
    num_threads: usize,
    poll: Poll<'_>,
) -> Result<Arc<dyn Estimates>> {
    if num_states == 0 {
        return Ok(estimates);
    }
    let shown = Shown::begin("lessons of boards", num_states as u64);
    let beams = &mut Beams { most_depth, num_threads, poll, shown };
    Ok(estimates.taught(num_states, beams)?.unwrap_or(estimates))
}

struct Beams<'a> {
    most_depth: usize,
    num_threads: usize,
    poll: Poll<'a>,
    shown: Shown,
}

impl Teacher for Beams<'_> {
    /// Each state by one thread.
    fn solve(&mut self, estimates: &dyn Estimates, states: &[Vec<i64>]) -> Result<Vec<Vec<i64>>> {
        let (next, shown) = (AtomicUsize::new(0), &self.shown);
        let limits = Limits {
            width: WIDTH,
            most_depth: self.most_depth,
            most_nodes: u64::MAX,
            deadline: Deadline::NEVER,
        };
        let parts = run(self.num_threads, &mut *self.poll, |_, poll| {
            let mut beam = Beam::new(estimates, 1);
            let mut words = vec![0; estimates.num_words()];
            let mut found = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(state) = states.get(number) else { return Ok(found) };
                estimates.enter(state, &mut words);
                let actions = beam.search(&words, limits, &mut *poll)?.actions;
                found.push((number, actions.unwrap_or_default()));
                shown.advance(1);
            }
        })?;
        let mut solutions = vec![Vec::new(); states.len()];
        for (number, actions) in parts.into_iter().flatten() {
            solutions[number] = actions;
        }
        Ok(solutions)
    }

    fn most_actions(&self) -> usize {
        self.most_depth
    }

    fn poll(&mut self) -> Result<()> {
        (self.poll)()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envs::puzzle::Puzzle;
    use crate::rl::env::Env;
    use crate::rng::Rng;

    #[test]
    fn threads_change_no_solution() {
        let env = Puzzle::new(3, 3, 1, 2, 100).unwrap();
        let poll: Poll<'_> = &mut || Ok(());
        let estimates = env.estimates(1 << 12, poll).unwrap().unwrap();
        let states: Vec<_> = (0..7).map(|seed| env.random_state(&mut Rng::new(seed))).collect();
        let solved = |num_threads| {
            let (shown, poll): (_, Poll<'_>) = (Shown::begin("tests", 7), &mut || Ok(()));
            let mut beams = Beams { most_depth: 40, num_threads, poll, shown };
            beams.solve(&*estimates, &states).unwrap()
        };
        let one = solved(1);
        assert!(one.iter().all(|actions| !actions.is_empty()));
        assert_eq!(solved(3), one);
    }
}

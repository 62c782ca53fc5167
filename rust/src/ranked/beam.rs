//! The beam of a [`Value`](super::value::Value), from both ends of a circuit.

use std::collections::HashSet;
use std::num::Wrapping;

use super::blocks::{grouped, LANES};
use super::value::Value;
use crate::engine::pool::{num_workers, run, Poll};
use crate::error::Result;
use crate::rl::transvections::Rows;

/// An action from the right, or from the left.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Move {
    pub action: u16,
    pub is_before: bool,
}

/// A state of the beam, and the number of the step that led to it; 0 for none.
#[derive(Clone, Copy)]
struct Node {
    rows: Rows,
    step: u32,
}

/// A state that may be kept.
#[derive(Clone, Copy)]
struct Candidate {
    value: i16,
    node: u32,
    how: Move,
}

/// How far a search goes.
#[derive(Clone, Copy)]
pub(super) struct Reach {
    pub width: usize,
    pub most_steps: usize,
    pub num_cores: usize,
}

/// Candidates for each state that is kept, others being known already.
const CANDIDATES: usize = 4;

/// Moves that solve `start`, in the order in which they were found.
///
/// # Errors
/// If `poll` fails.
pub(super) fn search(
    value: &Value,
    start: Rows,
    reach: Reach,
    poll: Poll<'_>,
) -> Result<Option<Vec<Move>>> {
    let matrices = &value.matrices;
    if matrices.is_solved(&start) {
        return Ok(Some(Vec::new()));
    }
    let mut seen = HashSet::from([(matrices.hash)(&start)]);
    let mut steps = vec![(0, Move::default())];
    let mut nodes = vec![Node { rows: start, step: 0 }];
    for _ in 0..reach.most_steps {
        let most = reach.width.saturating_mul(CANDIDATES);
        let candidates = best(value, &nodes, most, reach.num_cores, &mut *poll)?;
        let mut next = Vec::with_capacity(reach.width);
        for Candidate { node, how, .. } in candidates {
            let Node { mut rows, step } = nodes[node as usize];
            match how.is_before {
                true => matrices.play_before(&mut rows, how.action.into()),
                false => matrices.play(&mut rows, how.action.into()),
            }
            if matrices.is_solved(&rows) {
                return Ok(Some(way(&steps, step, how)));
            }
            if seen.insert((matrices.hash)(&rows)) {
                next.push(Node { rows, step: steps.len() as u32 });
                steps.push((step, how));
                if next.len() == reach.width {
                    break;
                }
            }
        }
        nodes = next;
        if nodes.is_empty() {
            break;
        }
    }
    Ok(None)
}

/// The best of what the next moves lead to, the best first.
fn best(
    value: &Value,
    nodes: &[Node],
    most: usize,
    num_cores: usize,
    poll: Poll<'_>,
) -> Result<Vec<Candidate>> {
    let groups = nodes.len().div_ceil(LANES);
    let workers = num_workers(num_cores).min(groups);
    let parts = run(workers, poll, |worker, poll| {
        let own = groups * worker / workers..groups * (worker + 1) / workers;
        let mut candidates =
            Vec::with_capacity(own.len() * LANES * value.matrices.actions.len() * 2);
        for group in own {
            poll()?;
            let first = group * LANES;
            let states = &nodes[first..nodes.len().min(first + LANES)];
            for is_before in [false, true] {
                let rows = states.iter().map(|node| match is_before {
                    true => value.matrices.inverse(&node.rows),
                    false => node.rows,
                });
                value.children(&grouped(rows), |action, values| {
                    let how = Move { action: action as u16, is_before };
                    let of = |(lane, value): (usize, &Wrapping<i16>)| Candidate {
                        value: value.0,
                        node: (first + lane) as u32,
                        how,
                    };
                    candidates.extend(values[..states.len()].iter().enumerate().map(of));
                });
            }
        }
        keep_best(&mut candidates, most);
        Ok(candidates)
    })?;
    let mut candidates = parts.concat();
    keep_best(&mut candidates, most);
    Ok(candidates)
}

fn keep_best(candidates: &mut Vec<Candidate>, most: usize) {
    let key = |c: &Candidate| (c.node, c.how.is_before, c.how.action);
    let order =
        |a: &Candidate, b: &Candidate| a.value.cmp(&b.value).then_with(|| key(a).cmp(&key(b)));
    if candidates.len() > most {
        candidates.select_nth_unstable_by(most, order);
        candidates.truncate(most);
    }
    candidates.sort_unstable_by(order);
}

/// The moves up to the `last` one, which follows `step`.
fn way(steps: &[(u32, Move)], mut step: u32, last: Move) -> Vec<Move> {
    let mut moves = vec![last];
    while step != 0 {
        let (before, how) = steps[step as usize];
        moves.push(how);
        step = before;
    }
    moves.reverse();
    moves
}

//! The beam of a [`Value`](super::value::Value), from both ends of a circuit.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;

use super::blocks::grouped;
use super::candidates::{Best, Candidate, Move, MOST_NODES};
use super::lanes::{Words, LANES};
use super::value::Value;
use crate::engine::pool::{num_workers, run, Poll};
use crate::error::Result;
use crate::rl::transvections::{hashed, Rows};

/// A state of the beam, and the number of the step that led to it; 0 for none.
#[derive(Clone, Copy)]
struct Node {
    rows: Rows,
    step: u32,
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
/// States from which another worker is worth being woken.
const NODES_A_WORKER: usize = 128;

/// Hashes that are mixed already.
#[derive(Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {}
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

type Seen = HashSet<u64, BuildHasherDefault<Mixed>>;

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
    let (width, num_cores) = (reach.width.min(MOST_NODES), num_workers(reach.num_cores));
    let reach = Reach { width, num_cores, ..reach };
    let mut seen = Seen::from_iter([(matrices.hash)(&start)]);
    let mut steps = vec![(0, Move::default())];
    let mut nodes = vec![Node { rows: start, step: 0 }];
    for _ in 0..reach.most_steps {
        let candidates = best(value, &nodes, reach, &mut *poll)?;
        let mut next = Vec::with_capacity(reach.width.min(candidates.len()));
        let mut rest = &candidates[..];
        while next.len() < reach.width && !rest.is_empty() {
            let (chosen, others) = rest.split_at(rest.len().min(reach.width - next.len()));
            rest = others;
            let mut children = Vec::with_capacity(chosen.len());
            for candidate in chosen {
                let (how, Node { mut rows, step }) = (candidate.how(), nodes[candidate.node()]);
                match how.is_before {
                    true => matrices.play_before(&mut rows, how.action.into()),
                    false => matrices.play(&mut rows, how.action.into()),
                }
                if matrices.is_solved(&rows) {
                    return Ok(Some(way(&steps, step, how)));
                }
                // Most that are alike are the very same, by moves in another order.
                if seen.insert(!hashed(&rows)) {
                    children.push((rows, (step, how)));
                }
            }
            let hashes = hashes(value, &children, reach.num_cores, &mut *poll)?;
            for ((rows, step), hash) in children.into_iter().zip(hashes) {
                if seen.insert(hash) {
                    next.push(Node { rows, step: steps.len() as u32 });
                    steps.push(step);
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

/// Of the children, in their order.
fn hashes<T: Sync>(
    value: &Value,
    children: &[(Rows, T)],
    num_cores: usize,
    poll: Poll<'_>,
) -> Result<Vec<u64>> {
    let workers = workers(num_cores, children.len());
    let parts = run(workers, poll, |worker, poll| {
        let own = &children[share(children.len(), worker, workers)];
        let mut hashes = Vec::with_capacity(own.len());
        for part in own.chunks(NODES_A_WORKER) {
            poll()?;
            hashes.extend(part.iter().map(|(rows, _)| (value.matrices.hash)(rows)));
        }
        Ok(hashes)
    })?;
    Ok(parts.concat())
}

fn workers(num_cores: usize, num_states: usize) -> usize {
    num_cores.min(num_states / NODES_A_WORKER).max(1)
}

/// What `worker` of `workers` does of `count`.
fn share(count: usize, worker: usize, workers: usize) -> Range<usize> {
    count * worker / workers..count * (worker + 1) / workers
}

/// The best of what the next moves lead to, the best first.
fn best(value: &Value, nodes: &[Node], reach: Reach, poll: Poll<'_>) -> Result<Vec<Candidate>> {
    let groups = nodes.len().div_ceil(LANES);
    let workers = workers(reach.num_cores, nodes.len());
    let parts = run(workers, poll, |worker, poll| {
        let mut best = Best::new(reach.width.saturating_mul(CANDIDATES));
        let mut values = vec![Words::ZERO; value.matrices.actions.len()];
        for group in share(groups, worker, workers) {
            poll()?;
            let first = group * LANES;
            let states = &nodes[first..nodes.len().min(first + LANES)];
            for is_before in [false, true] {
                let rows = states.iter().map(|node| match is_before {
                    true => value.matrices.inverse(&node.rows),
                    false => node.rows,
                });
                value.children(&grouped(rows), &mut values);
                for (action, values) in values.iter().enumerate() {
                    let how = Move { action: action as u16, is_before };
                    for (&value, node) in values.0[..states.len()].iter().zip(first..) {
                        best.add(value as i16, node, how);
                    }
                }
            }
        }
        Ok(best.candidates)
    })?;
    let mut best = Best::new(reach.width.saturating_mul(CANDIDATES));
    parts.into_iter().flatten().for_each(|candidate| best.push(candidate));
    best.cut();
    best.candidates.sort_unstable();
    Ok(best.candidates)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envs::find;
    use crate::rng::Rng;
    use serde_json::json;

    #[test]
    fn the_best_are_those_of_all_children_whatever_the_threads() {
        let given = json!({"num_qubits": 3, "topology": "line"});
        let mut env = find("Clifford").unwrap().make(given.as_object().unwrap()).unwrap();
        let rng = &mut Rng::new(2);
        let mut value = Value::new(env.matrices().unwrap().0);
        // Many are worth the same, or all are.
        for num_weights in [3, 1] {
            let weights = value.weights().iter().map(|_| rng.below(num_weights) as f32).collect();
            value.set_weights(weights);
            let matrices = &value.matrices;
            let mut nodes = Vec::new();
            let mut expected = Vec::new();
            for node in 0..3 * NODES_A_WORKER {
                env.try_reset_uniform(rng).unwrap();
                let rows = env.matrices().unwrap().1;
                nodes.push(Node { rows, step: 0 });
                for action in 0..matrices.actions.len() {
                    let [mut right, mut left] = [rows; 2];
                    matrices.play(&mut right, action);
                    matrices.play_before(&mut left, action);
                    let ends = [(false, right), (true, matrices.inverse(&left))];
                    expected.extend(ends.map(|(is_before, rows)| {
                        (value.of_one(rows), node, is_before, action as u16)
                    }));
                }
            }
            expected.sort_unstable();
            expected.truncate(10 * CANDIDATES);
            for num_cores in [1, 3] {
                let reach = Reach { width: 10, most_steps: 1, num_cores };
                let best = best(&value, &nodes, reach, &mut || Ok(())).unwrap();
                let found = best.iter().map(|best| (best.node(), best.how()));
                let found =
                    found.map(|(node, Move { action, is_before })| (node, is_before, action));
                let expected = expected.iter().map(|each| (each.1, each.2, each.3));
                assert!(found.eq(expected), "{num_weights} {num_cores}");
            }
        }
    }
}

//! Few swaps that bring the tokens on a graph home, without a network: a beam led by what stands in the
//! way of every two of them (`pairs.rs`, `beam.rs`).

mod beam;
mod pairs;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use beam::Beam;
use pairs::Pairs;

use crate::engine::kept::Kept;
use crate::engine::pool::{num_workers, run, Poll};
use crate::envs::coupling::Coupling;
use crate::envs::permutation::Permutation;
use crate::error::{Error, Result};
use crate::rl::env::Env;

/// Placements at every depth, where nothing else is asked for.
pub const DEFAULT_WIDTH: usize = 1024;
/// A placement's number in its layer has 24 bits.
const MOST_WIDTH: usize = 1 << 20;

static KEPT: Kept<Graph> = Kept::new();

/// What is known of a graph.
struct Graph {
    num_vertices: usize,
    edges: Vec<(usize, usize)>,
    pairs: Pairs,
}

/// The actions that solve each of `states` of `env`, a [`Permutation`]; `None` where no beam solves it.
///
/// A beam of `width` placements searches from each state, another from its inverse, which the same swaps
/// solve in reverse; the shorter solution counts. The result does not depend on `num_cores`.
///
/// # Errors
/// If `env` is another environment, one of `states` is no state, `width` or `num_cores` is out of range,
/// or `poll` fails.
pub fn route(
    env: &dyn Env,
    states: &[Vec<i64>],
    width: usize,
    num_cores: usize,
    poll: Poll<'_>,
) -> Result<Vec<Option<Vec<usize>>>> {
    Error::check_counts([("num_cores", num_cores)])?;
    if !(1..=MOST_WIDTH).contains(&width) {
        let expected = format!("an integer in 1..={MOST_WIDTH}");
        return Err(Error::invalid("beam_width", expected, width));
    }
    let coupling = coupling(env)?;
    let starts = placements(env, states)?;
    let graph = Graph::of(coupling, poll)?;
    // No permutation takes more on a connected graph.
    let most = graph.num_vertices * (graph.num_vertices - 1) / 2;
    let next = AtomicUsize::new(0);
    let workers = num_workers(num_cores).min(starts.len());
    let parts = run(workers, poll, |_, poll| {
        let mut beam = Beam::new(graph.num_vertices, &graph.edges, &graph.pairs);
        let mut found = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(start) = starts.get(index) else { return Ok(found) };
            found.push((index, beam.search(start, width, most, poll)?));
        }
    })?;
    let mut solutions = vec![None; starts.len()];
    for (index, solution) in parts.into_iter().flatten() {
        solutions[index] = solution;
    }
    Ok(solutions.chunks_exact_mut(2).map(shorter).collect())
}

/// The first of two solutions, or the reverse of the second one if that is shorter.
fn shorter(solutions: &mut [Option<Vec<usize>>]) -> Option<Vec<usize>> {
    let [first, second] = [0, 1].map(|i| solutions[i].take());
    let second = second.map(|actions| actions.into_iter().rev().collect());
    [first, second].into_iter().flatten().min_by_key(Vec::len)
}

/// The token at every vertex of each state, and of its inverse.
fn placements(env: &dyn Env, states: &[Vec<i64>]) -> Result<Vec<Vec<u8>>> {
    let mut probe = env.try_clone()?;
    let mut found = Vec::with_capacity(2 * states.len());
    for (index, state) in states.iter().enumerate() {
        probe.try_set_state(state).map_err(|error| error.at(format!("states[{index}]")))?;
        let tokens: Vec<u8> = state.iter().map(|&token| token as u8).collect();
        let mut inverse = tokens.clone();
        for (vertex, &token) in tokens.iter().enumerate() {
            inverse[usize::from(token)] = vertex as u8;
        }
        found.extend([tokens, inverse]);
    }
    Ok(found)
}

fn coupling(env: &dyn Env) -> Result<&Coupling> {
    match env.as_any().downcast_ref::<Permutation>() {
        Some(permutation) => Ok(permutation.rules().graph()),
        None => Err(Error::invalid("env", "a Permutation", &env.spec().name)),
    }
}

impl Graph {
    /// From those that are kept if it is there.
    fn of(coupling: &Coupling, poll: Poll<'_>) -> Result<Arc<Self>> {
        let (num_vertices, edges) = (coupling.num_qubits, &coupling.edges);
        let is_same = |kept: &Self| kept.num_vertices == num_vertices && kept.edges == *edges;
        if let Some(found) = KEPT.find(is_same) {
            return Ok(found);
        }
        let pairs = Pairs::new(num_vertices, edges, poll)?;
        Ok(KEPT.keep(Self { num_vertices, edges: edges.clone(), pairs }))
    }
}

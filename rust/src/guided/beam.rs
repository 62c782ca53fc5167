//! The beam of a [`Guide`].

use std::collections::HashSet;

use super::{Guide, Limits};
use crate::engine::pool::{num_workers, run, Poll};
use crate::error::Result;
use crate::rl::env::Env;

/// Candidates that are looked up for each state that a beam keeps.
const LOOKED_UP: usize = 4;

/// A state of the beam.
struct Node {
    env: Box<dyn Env>,
    /// The number of the step that led here; 0 for none.
    step: u32,
}

/// The step before and the action.
type Step = (u32, u8);

/// A state that may be kept.
#[derive(Clone, Copy)]
struct Candidate {
    value: f32,
    node: u32,
    action: u8,
}

/// A candidate that has been played.
struct Child {
    from: Step,
    env: Box<dyn Env>,
    hash: u64,
    /// From the goal, if it is in the table.
    distance: Option<usize>,
}

/// Actions from the state that `env` is in to the goal.
///
/// # Errors
/// If the environment fails, or `poll` does.
pub(super) fn search(
    guide: &Guide,
    env: Box<dyn Env>,
    limits: Limits,
    poll: Poll<'_>,
) -> Result<Option<Vec<usize>>> {
    if let Some(actions) = guide.table.descend(&mut *env.try_clone()?)? {
        return Ok(Some(actions));
    }
    let mut seen = HashSet::from([env.class_hash()]);
    let mut steps: Vec<Step> = vec![(0, 0)];
    let mut nodes = vec![Node { env, step: 0 }];
    for _ in 0..limits.most_steps {
        let children = children_of(guide, &nodes, limits, &mut *poll)?;
        // The last layer of the table is not whole: what the next steps lead to is no nearer.
        let met = children.iter().filter(|child| child.distance.is_some());
        if let Some(nearest) = met.min_by_key(|child| child.distance) {
            if let Some(mut rest) = guide.table.descend(&mut *nearest.env.try_clone()?)? {
                let mut actions = way(&steps, nearest.from);
                actions.append(&mut rest);
                return Ok(Some(actions));
            }
        }
        nodes.clear();
        for Child { env, hash, from, .. } in children {
            if nodes.len() < limits.beam_width && seen.insert(Some(hash)) {
                nodes.push(Node { env, step: steps.len() as u32 });
                steps.push(from);
            }
        }
        if nodes.is_empty() {
            break;
        }
    }
    Ok(None)
}

/// The best children of all nodes, the best first.
fn children_of(
    guide: &Guide,
    nodes: &[Node],
    limits: Limits,
    poll: Poll<'_>,
) -> Result<Vec<Child>> {
    let workers = num_workers(limits.num_cores).min(nodes.len());
    let most = LOOKED_UP.saturating_mul(limits.beam_width);
    let parts = run(workers, &mut *poll, |worker, _| {
        best(guide, share(nodes, worker, workers), nodes.len() * worker / workers, most)
    })?;
    let mut candidates: Vec<Candidate> = parts.into_iter().flatten().collect();
    keep_best(&mut candidates, most);
    let children = run(workers, poll, |worker, _| {
        let mine = share(&candidates, worker, workers);
        mine.iter().map(|candidate| played(guide, nodes, candidate)).collect::<Result<Vec<_>>>()
    })?;
    Ok(children.into_iter().flatten().collect())
}

/// The best children of some nodes, the first of which has the number `first`.
fn best(guide: &Guide, nodes: &[Node], first: usize, most: usize) -> Result<Vec<Candidate>> {
    let mut masks = vec![false; guide.inverses.len()];
    let mut candidates = Vec::with_capacity(nodes.len() * masks.len());
    let mut traits = Vec::new();
    for (Node { env, .. }, node) in nodes.iter().zip(first as u32..) {
        env.try_masks(&mut masks)?;
        traits.clear();
        env.traits_after(&masks, &mut traits)?;
        let legal = masks.iter().zip(0..).filter(|(&legal, _)| legal).map(|(_, action)| action);
        let size = traits.len() / legal.clone().count().max(1);
        for (action, traits) in legal.zip(traits.chunks_exact(size.max(1))) {
            candidates.push(Candidate { value: guide.value.of(traits), node, action });
        }
    }
    keep_best(&mut candidates, most);
    Ok(candidates)
}

fn keep_best(candidates: &mut Vec<Candidate>, most: usize) {
    let order = |a: &Candidate, b: &Candidate| {
        a.value.total_cmp(&b.value).then(a.node.cmp(&b.node)).then(a.action.cmp(&b.action))
    };
    if candidates.len() > most {
        candidates.select_nth_unstable_by(most, order);
        candidates.truncate(most);
    }
    candidates.sort_unstable_by(order);
}

fn played(guide: &Guide, nodes: &[Node], candidate: &Candidate) -> Result<Child> {
    let node = &nodes[candidate.node as usize];
    let mut env = node.env.try_clone()?;
    env.try_step(candidate.action.into())?;
    let hash = env.class_hash().unwrap_or_default();
    let state = guide.table.find(hash.into());
    let distance = state.map(|state| guide.table.distance(state));
    Ok(Child { from: (node.step, candidate.action), env, hash, distance })
}

/// The actions up to a step.
fn way(steps: &[Step], last: Step) -> Vec<usize> {
    let mut actions = vec![usize::from(last.1)];
    let mut at = last.0;
    while at != 0 {
        let (before, action) = steps[at as usize];
        actions.push(action.into());
        at = before;
    }
    actions.reverse();
    actions
}

/// What `worker` of `workers` does of `all`.
fn share<T>(all: &[T], worker: usize, workers: usize) -> &[T] {
    &all[all.len() * worker / workers..all.len() * (worker + 1) / workers]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envs::find;
    use crate::guided::Preparation;
    use crate::rng::Rng;
    use serde_json::json;

    #[test]
    fn the_best_of_all_children_are_looked_up_whatever_the_threads() {
        let given = json!({"num_qubits": 4, "topology": "all_to_all"});
        let mut env = find("LinearFunction").unwrap().make(given.as_object().unwrap()).unwrap();
        let prepared =
            Preparation { most_classes: 5, num_walks: 50, walk_length: 5, ..Default::default() };
        let guide = Guide::new(&*env, prepared, &mut || Ok(())).unwrap();
        let rng = &mut Rng::new(3);
        let (mut nodes, mut expected) = (Vec::new(), Vec::new());
        for step in 0..50 {
            env.try_reset_uniform(rng).unwrap();
            nodes.push(Node { env: env.try_clone().unwrap(), step });
            for action in 0..env.num_actions() {
                let mut after = env.try_clone().unwrap();
                after.try_step(action).unwrap();
                let mut traits = Vec::new();
                after.traits(&mut traits);
                expected.push((guide.value.of(&traits), (step, action as u8)));
            }
        }
        expected.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for num_cores in [1, 3] {
            let limits = Limits { beam_width: 5, num_cores, ..Limits::default() };
            let children = children_of(&guide, &nodes, limits, &mut || Ok(())).unwrap();
            let found: Vec<Step> = children.iter().map(|child| child.from).collect();
            let best = expected.iter().map(|each| each.1).take(5 * LOOKED_UP);
            assert!(found.iter().copied().eq(best), "{num_cores}: {found:?}");
        }
    }
}

//! Planning with Gumbel (Danihelka et al. 2022, "Policy improvement by planning with Gumbel").
//!
//! The root draws one Gumbel variable an action, visits the `m` actions of the largest
//! `g(a) + logits(a)` and halves them by `g(a) + logits(a) + sigma(q(a))` until two are left
//! (algorithm 2); below, visits follow the improved policy (section 5). Softmax ignores what all
//! logits share, so the logarithm of the prior stands for the logit.

use super::config::TreeConfig;
use super::dirichlet::positive_unit;
use super::returns::ReturnRange;
use super::select::{below, first_largest};
use super::tree::{Edge, Node, ILLEGAL};
use crate::rng::Rng;

/// `c_visit` of equation 8.
const VISITS: f32 = 50.0;

/// What a search of one root keeps, in memory of its own.
pub(super) struct Root {
    /// A Gumbel variable for every action, all 0 for a root without chance. `[A]`.
    gumbel: Vec<f32>,
    /// Visits that the actions had when the search began, in a tree kept from the last move. They
    /// tell of the actions' values, and halving goes by the visits that follow. `[A]`.
    kept: Vec<u32>,
    halving: Halving,
}

impl Root {
    pub(super) fn new(num_actions: usize) -> Self {
        let halving = Halving::new(1, 1);
        Self { gumbel: vec![0.0; num_actions], kept: vec![0; num_actions], halving }
    }

    /// Begins a search of `num_simulations`; chance needs `rng`.
    pub(super) fn begin(
        &mut self,
        edges: &[Edge],
        (max_considered, num_simulations): (usize, usize),
        rng: Option<&mut Rng>,
    ) {
        self.kept.iter_mut().zip(edges).for_each(|(kept, edge)| *kept = edge.visits);
        let legal = edges.iter().filter(|edge| edge.child != ILLEGAL).count();
        self.halving = Halving::new(legal.min(max_considered), num_simulations);
        match rng {
            // The unit lies in (0, 1]: its logarithm may be 0, where the variable is as large as
            // one of 24 random bits can be.
            Some(rng) => self.gumbel.iter_mut().for_each(|gumbel| {
                *gumbel = -(-positive_unit(rng).ln()).max(f32::EPSILON / 4.0).ln();
            }),
            None => self.gumbel.fill(0.0),
        }
    }

    /// Visits of this search alone.
    #[inline]
    fn visits(&self, action: usize, edge: &Edge) -> u32 {
        edge.visits - self.kept[action]
    }

    /// The first action of the largest `gumbel + logits + sigma(q)` of those visited `visits`
    /// times.
    #[inline]
    fn best(&self, plan: &Plan<'_>, visits: u32) -> usize {
        let visited = |action: usize| self.visits(action, &plan.edges[action]) == visits;
        let logits = plan.logits().filter(|&(action, _)| visited(action));
        first_largest(logits.map(|(action, logit)| (action, self.gumbel[action] + logit)))
    }
}

/// How often the action of each simulation has been visited before.
///
/// A simulation goes to the best action of those with exactly so many visits. That is sequential
/// halving: a phase visits the best actions equally often, and the worse half stays behind.
struct Halving {
    num_simulations: usize,
    phases: usize,
    /// Actions that this phase visits, how many of them this round has, rounds that remain.
    left: usize,
    place: usize,
    rounds: usize,
    had: u32,
}

impl Halving {
    fn new(considered: usize, num_simulations: usize) -> Self {
        let phases = considered.next_power_of_two().ilog2().max(1) as usize;
        let rounds = Self::rounds(num_simulations, phases, considered);
        Self { num_simulations, phases, left: considered, place: 0, rounds, had: 0 }
    }

    fn rounds(num_simulations: usize, phases: usize, left: usize) -> usize {
        (num_simulations / (phases * left)).max(1)
    }

    #[inline]
    fn next(&mut self) -> u32 {
        if self.place == self.left {
            (self.place, self.had, self.rounds) = (0, self.had + 1, self.rounds - 1);
            if self.rounds == 0 {
                self.left = (self.left / 2).max(self.left.min(2));
                self.rounds = Self::rounds(self.num_simulations, self.phases, self.left);
            }
        }
        self.place += 1;
        self.had
    }
}

/// What planning says of the actions of one node.
struct Plan<'a> {
    edges: &'a [Edge],
    /// Of all actions.
    visits: u32,
    /// Value of an action without visits.
    unvisited: f32,
    /// `sigma(q) = weight * q`.
    weight: f32,
}

impl<'a> Plan<'a> {
    /// Completes the values of `edges` by the mixed value (equation 33) and weights them by
    /// `sigma(q) = (c_visit + max N(b)) * c_scale * q` (equation 8), where `q` is scaled to a
    /// range of length 1 as [`ReturnRange::scale`] says.
    #[inline]
    fn new(node: &Node, edges: &'a [Edge], config: &TreeConfig, range: &ReturnRange) -> Self {
        let (mut visits, mut most) = (0, 0);
        let (mut prior, mut expected) = (0.0, 0.0);
        for edge in edges.iter().filter(|edge| edge.visits > 0) {
            visits += edge.visits;
            most = most.max(edge.visits);
            // A probability of 0 would divide by 0 if it were the only one.
            let weight = edge.prior.max(f32::MIN_POSITIVE);
            prior += weight;
            expected += weight * edge.value;
        }
        let raw = below(node.value, node, config.gamma);
        let unvisited = match visits {
            0 => raw,
            visits => (raw + visits as f32 * (expected / prior)) / (1 + visits) as f32,
        };
        let weight = (VISITS + most as f32) * config.value_weight * 0.5 * range.scale();
        Self { edges, visits, unvisited, weight }
    }

    #[inline]
    fn sigma(&self, edge: &Edge) -> f32 {
        self.weight
            * match edge.visits {
                0 => self.unvisited,
                _ => edge.value,
            }
    }

    /// Legal actions and their logits.
    #[inline]
    fn logits(&self) -> impl Iterator<Item = (usize, f32)> + '_ {
        let legal = self.edges.iter().enumerate().filter(|(_, edge)| edge.child != ILLEGAL);
        legal.map(|(action, edge)| (action, log(edge.prior) + self.sigma(edge)))
    }

    /// The improved policy, `softmax(logits + sigma(q))`, over the legal actions.
    #[inline]
    fn improve(&self, policy: &mut [f32]) {
        let mut max = f32::NEG_INFINITY;
        for (sigma, edge) in policy.iter_mut().zip(self.edges) {
            *sigma = if edge.child == ILLEGAL { f32::NEG_INFINITY } else { self.sigma(edge) };
            max = max.max(*sigma);
        }
        let mut sum = 0.0;
        for (share, edge) in policy.iter_mut().zip(self.edges) {
            *share = edge.prior.max(f32::MIN_POSITIVE) * (*share - max).exp();
            sum += *share;
        }
        policy.iter_mut().for_each(|share| *share /= sum);
    }
}

/// Finite for every prior, so that an action the softmax has rounded to 0 can still be compared.
#[inline]
fn log(prior: f32) -> f32 {
    prior.max(f32::MIN_POSITIVE).ln()
}

/// The action of the root's next simulation.
#[inline]
pub(super) fn at_root(
    (node, edges): (&Node, &[Edge]),
    root: &mut Root,
    config: &TreeConfig,
    range: &ReturnRange,
) -> usize {
    let visits = root.halving.next();
    root.best(&Plan::new(node, edges, config, range), visits)
}

/// The action that brings the visits below the root closest to the improved policy: the largest
/// `policy(a) - N(a) / (1 + sum N(b))` (section 5), the first of equals.
#[inline]
pub(super) fn inside(
    (node, edges): (&Node, &[Edge]),
    policy: &mut [f32],
    config: &TreeConfig,
    range: &ReturnRange,
) -> usize {
    let plan = Plan::new(node, edges, config, range);
    plan.improve(policy);
    let share = 1.0 / (1 + plan.visits) as f32;
    let scored = edges.iter().zip(&*policy).enumerate();
    let legal = scored.filter(|(_, (edge, _))| edge.child != ILLEGAL);
    first_largest(legal.map(|(action, (edge, &wanted))| {
        let score = wanted - edge.visits as f32 * share;
        (action, score)
    }))
}

/// The action that sequential halving leaves over; `policy` becomes the improved policy.
pub(super) fn decide(
    (node, edges): (&Node, &[Edge]),
    root: &Root,
    policy: &mut [f32],
    config: &TreeConfig,
    range: &ReturnRange,
) -> usize {
    let plan = Plan::new(node, edges, config, range);
    plan.improve(policy);
    let visits = edges.iter().enumerate().map(|(action, edge)| root.visits(action, edge));
    root.best(&plan, visits.max().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand from algorithm 2: 4 actions and 16 simulations are two phases of 8, the first gives
    /// each of four actions 2 visits, the second each of two actions 4 more.
    #[test]
    fn halving_by_hand() {
        let row = |considered, simulations| -> Vec<u32> {
            let mut halving = Halving::new(considered, simulations);
            (0..simulations).map(|_| halving.next()).collect()
        };
        assert_eq!(row(4, 16), [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
        assert_eq!(row(3, 5), [0, 0, 0, 1, 1]);
        assert_eq!(row(1, 3), [0, 1, 2]);
        assert_eq!(row(16, 8), [0; 8]);
    }
}

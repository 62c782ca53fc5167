//! Planning with Gumbel (Danihelka et al. 2022, "Policy improvement by planning with Gumbel").
//!
//! The root draws one Gumbel variable an action, visits the `m` actions of the largest
//! `g(a) + logits(a)` and halves them by `g(a) + logits(a) + sigma(q(a))` until two are left
//! (algorithm 2); below, visits follow the improved policy (section 5). Softmax ignores what all
//! logits share, so the logarithm of the prior stands for the logit.

use super::dirichlet::positive_unit;
use super::select::{below, first_largest};
use super::tree::{Edge, Node, ILLEGAL};
use super::{TreeConfig, Value};
use crate::rng::Rng;

/// `c_visit` of equation 8.
const VISITS: f32 = 50.0;

/// Visits that the next simulation's action has had, for each simulation of a root that considers
/// `m` of its actions: `[m, simulations]`, the rows of sequential halving.
///
/// A simulation goes to the best action of those with exactly so many visits. That is sequential
/// halving: a phase visits the best actions equally often, and the worse half stays behind.
pub(super) struct Halving {
    rows: Vec<Vec<u32>>,
}

impl Halving {
    pub(super) fn new(num_actions: usize, config: &TreeConfig) -> Self {
        let most = config.max_considered_actions.min(num_actions);
        let row = |considered: usize| Self::row(considered, config.num_simulations);
        Self { rows: (0..=most).map(row).collect() }
    }

    fn row(considered: usize, num_simulations: usize) -> Vec<u32> {
        if considered <= 1 {
            return (0..num_simulations as u32).collect();
        }
        let phases = considered.next_power_of_two().ilog2() as usize;
        let mut visits = Vec::with_capacity(num_simulations + considered);
        let (mut left, mut had) = (considered, 0);
        while visits.len() < num_simulations {
            let rounds = (num_simulations / (phases * left)).max(1);
            for _ in 0..rounds {
                visits.extend(std::iter::repeat_n(had, left));
                had += 1;
            }
            left = (left / 2).max(2);
        }
        visits.truncate(num_simulations);
        visits
    }

    /// Visits that the action of simulation `simulation` has had.
    #[inline]
    fn visits(&self, edges: &[Edge], simulation: usize) -> u32 {
        let legal = edges.iter().filter(|edge| edge.child != ILLEGAL).count();
        self.rows[legal.min(self.rows.len() - 1)][simulation]
    }
}

/// Writes a Gumbel variable for every action of a root, or 0 for a root without chance.
pub(super) fn draw(gumbel: &mut [f32], rng: Option<&mut Rng>) {
    match rng {
        // The unit lies in (0, 1]: its logarithm may be 0, where the variable is as large as one
        // of 24 random bits can be.
        Some(rng) => gumbel.iter_mut().for_each(|gumbel| {
            *gumbel = -(-positive_unit(rng).ln()).max(f32::EPSILON / 4.0).ln();
        }),
        None => gumbel.fill(0.0),
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
    /// range of length 1 as [`Value::scale`] says.
    #[inline]
    fn new(node: &Node, edges: &'a [Edge], config: &TreeConfig, range: &Value) -> Self {
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

    /// The first action of the largest `gumbel + logits + sigma(q)` of those visited `visits`
    /// times.
    #[inline]
    fn best(&self, gumbel: &[f32], visits: u32) -> usize {
        let visited = self.logits().filter(|(action, _)| self.edges[*action].visits == visits);
        first_largest(visited.map(|(action, logit)| (action, gumbel[action] + logit)))
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
    gumbel: &[f32],
    halving: &Halving,
    config: &TreeConfig,
    range: &Value,
) -> usize {
    let visits = halving.visits(edges, node.visits as usize - 1);
    Plan::new(node, edges, config, range).best(gumbel, visits)
}

/// The action that brings the visits below the root closest to the improved policy: the largest
/// `policy(a) - N(a) / (1 + sum N(b))` (section 5), the first of equals.
#[inline]
pub(super) fn inside(
    (node, edges): (&Node, &[Edge]),
    policy: &mut [f32],
    config: &TreeConfig,
    range: &Value,
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
    gumbel: &[f32],
    policy: &mut [f32],
    config: &TreeConfig,
    range: &Value,
) -> usize {
    let plan = Plan::new(node, edges, config, range);
    plan.improve(policy);
    plan.best(gumbel, edges.iter().map(|edge| edge.visits).max().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand from algorithm 2: 4 actions and 16 simulations are two phases of 8, the first gives
    /// each of four actions 2 visits, the second each of two actions 4 more.
    #[test]
    fn halving_by_hand() {
        let row = Halving::row(4, 16);
        assert_eq!(row, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
        assert_eq!(Halving::row(3, 5), [0, 0, 0, 1, 1]);
        assert_eq!(Halving::row(1, 3), [0, 1, 2]);
        assert_eq!(Halving::row(16, 8), [0; 8]);
    }
}

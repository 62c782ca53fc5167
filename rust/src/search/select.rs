//! Which way a simulation goes.

use super::tree::{Edge, Node, ILLEGAL};
use super::{TreeConfig, Value};

/// The action of the largest `Q(s, a) + U(s, a)`, the first of equals;
/// `U(s, a) = C * P(s, a) * sqrt(N(s)) / (1 + N(s, a))` (Silver et al. 2017, "Mastering the game
/// of Go without human knowledge", Methods, "Select").
///
/// `N(s)` counts the evaluation of `s` itself, so that the first visit already follows the prior.
/// An action without visits is worth what its state has been worth so far, so that it is neither
/// preferred nor shunned. `Q` is scaled as [`Value::scale`] says.
#[inline]
pub(super) fn puct(node: &Node, edges: &[Edge], config: &TreeConfig, range: &Value) -> usize {
    let scale = range.scale();
    let exploration = config.exploration * (node.visits as f32).sqrt();
    let unvisited = scale * below(node.mean, node, config.gamma);
    let legal = edges.iter().enumerate().filter(|(_, edge)| edge.child != ILLEGAL);
    first_largest(legal.map(|(action, edge)| {
        let value = match edge.visits {
            0 => unvisited,
            _ => scale * edge.value,
        };
        (action, value + exploration * edge.prior / (1 + edge.visits) as f32)
    }))
}

/// The action of the largest score, the first of equals; 0 without a score.
#[inline]
pub(super) fn first_largest(scored: impl Iterator<Item = (usize, f32)>) -> usize {
    let (mut best, mut best_score) = (0, f32::NEG_INFINITY);
    for (action, score) in scored {
        if score > best_score {
            (best, best_score) = (action, score);
        }
    }
    best
}

/// What a state whose return is `value` expects of the states below.
#[inline]
pub(super) fn below(value: f32, node: &Node, gamma: f32) -> f32 {
    if gamma > 0.0 {
        (value - node.reward) / gamma
    } else {
        0.0
    }
}

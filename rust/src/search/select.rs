//! Which way a simulation goes.

use super::config::TreeConfig;
use super::tree::{Edge, Node, ILLEGAL};

/// The action of the largest `Q(s, a) + U(s, a)`, the first of equals;
/// `U(s, a) = C * P(s, a) * sqrt(N(s)) / (1 + N(s, a))` (Silver et al. 2017, "Mastering the game
/// of Go without human knowledge", Methods, "Select").
///
/// `N(s)` counts the evaluation of `s` itself, so that the first visit already follows the prior.
/// An action without visits is worth what its state has been worth so far, so that it is neither
/// preferred nor shunned. `Q` is multiplied by `scale`, that of [`super::returns::ReturnRange::scale`].
#[inline]
pub(super) fn puct(node: &Node, edges: &[Edge], config: &TreeConfig, scale: f32) -> usize {
    let exploration = config.exploration * (node.visits as f32).sqrt();
    let unvisited = scale * below(node.mean, node, config.gamma);
    // Without branches on what simulations have found, which no processor foresees. An edge without
    // visits has the value 0; visits fit into an i32, which it converts four at a time.
    let score = |edge: &Edge| {
        let value = scale * edge.value + only_if(edge.visits == 0, unvisited);
        let score = value + exploration * edge.prior / (1 + edge.visits as i32) as f32;
        score + only_if(edge.child == ILLEGAL, f32::NEG_INFINITY)
    };
    let mut best = (0, f32::NEG_INFINITY);
    let (fours, rest) = edges.as_chunks::<4>();
    for (number, four) in fours.iter().enumerate() {
        let scores = four.each_ref().map(score);
        best = scores.into_iter().zip(4 * number..).fold(best, larger);
    }
    rest.iter().map(score).zip(4 * fours.len()..).fold(best, larger).0
}

/// `number` or 0.
#[inline]
fn only_if(condition: bool, number: f32) -> f32 {
    f32::from_bits(number.to_bits() & u32::from(condition).wrapping_neg())
}

/// The larger of a score and the best so far, the earlier of equals.
#[inline]
fn larger(best: (usize, f32), (score, action): (f32, usize)) -> (usize, f32) {
    if score > best.1 {
        (action, score)
    } else {
        best
    }
}

/// The action of the largest score, the first of equals; 0 without a score.
#[inline]
pub(super) fn first_largest(scored: impl Iterator<Item = (usize, f32)>) -> usize {
    scored.map(|(action, score)| (score, action)).fold((0, f32::NEG_INFINITY), larger).0
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

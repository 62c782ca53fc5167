//! Undoing walks of moves that each flip features of the observation, without descent.
//!
//! Where such moves commute, those that lead from a state to the goal are linear in its features over GF(2)
//! (Anderson and Feil, "Turning Lights Out with Linear Algebra"): each is a parity of some of them, which
//! gradient descent does not find (Shalev-Shwartz, Shamir and Shammah 2017, "Failures of Gradient-Based
//! Deep Learning"). Elimination does, from the walks alone. A parity of k features, s of them active, is
//! a layer of k units:
//!
//! ```text
//! parity(s) = relu(s) - 2 relu(s - 1) + 2 relu(s - 2) - ... ± 2 relu(s - (k - 1))
//! ```

use super::batch::Samples;
use super::descent::Losses;
use super::learner::Learner;
use super::walk::WalkTargets;
use crate::engine::pool::Poll;
use crate::error::{Error, Result};
use crate::gf2::{add, contains, count, empty, insert, Basis, Set};
use crate::nn::Block;

/// Of an action that leads to the goal; the others have 0. A power of two leaves sums of whole numbers
/// exact, and this one the others no probability that counts.
const LOGIT: f32 = 32.0;
const SAMPLES_BETWEEN_POLLS: usize = 1 << 14;

/// Sets the weights of `learner`: actions that lead to the goal share all of the probability, and the
/// value falls with their number. Moments stay. The losses are those of [`walk::train`](super::walk::train).
///
/// # Errors
/// As [`require_layer`], if the samples do not fit each other or the network, tell of no such moves, do
/// not tell all of them, or need a wider layer; or if `poll` fails. The weights stay then.
pub fn fit(
    learner: &mut Learner,
    samples: &Samples<'_>,
    targets: &WalkTargets<'_>,
    poll: Poll<'_>,
) -> Result<Losses> {
    let (num_features, width) = require_layer(learner)?;
    let num_actions = learner.num_actions();
    samples.check(num_actions, learner.num_twists(), learner.state_size())?;
    targets.check(samples.len(), num_actions)?;
    if samples.illegal.is_some() {
        let expected = "an environment where every action is legal, to fit parities";
        return Err(Error::invalid("env", expected, "one with masks"));
    }
    let parities = parities(samples, targets, [num_features, num_actions], poll)?;
    let (losses, slope) = told(targets, num_actions);
    let num_units: usize = parities.iter().map(|parity| parity.features.len()).sum();
    if num_units > width {
        let expected = format!("at least {num_units}, for the parities of {num_actions} actions");
        return Err(Error::invalid("policy.embedding_size", expected, width));
    }
    write(learner, &parities, [num_features, width], slope)?;
    Ok(losses)
}

/// The features, and the units of the layer, of a network that parities can be written to.
///
/// # Errors
/// If it is another one: than a layer that reads sparse observations, a ReLU, and a linear one each for
/// actions and value.
pub fn require_layer(learner: &Learner) -> Result<(usize, usize)> {
    learner.require_categorical()?;
    let spec = &learner.spec;
    match (&spec.encoder[..], &spec.action[..], &spec.value[..]) {
        (
            [Block::Bag { features, out, .. }, Block::Relu],
            [Block::Linear { bias: true, .. }],
            [Block::Linear { bias: true, .. }],
        ) => Ok((*features, *out)),
        _ => {
            let expected = "a BasicPolicy of sparse observations without common_layers, \
                            policy_layers and value_layers, to fit parities";
            Err(Error::invalid("policy", expected, "another network"))
        }
    }
}

/// Whether an action leads to the goal: the parity of some features, or that it is even.
struct Parity {
    features: Vec<usize>,
    is_even: bool,
}

/// Those of all actions, as far as `samples` tell.
fn parities(
    samples: &Samples<'_>,
    targets: &WalkTargets<'_>,
    [num_features, num_actions]: [usize; 2],
    poll: Poll<'_>,
) -> Result<Vec<Parity>> {
    // One more feature is active in every state.
    let constant = num_features;
    let mut basis = Basis::default();
    // By action, those that are to be undone beside it in some state.
    let mut together = vec![empty(num_actions); num_actions];
    for (sample, (&row, undo)) in
        samples.row_of.iter().zip(targets.undo.chunks(num_actions)).enumerate()
    {
        if sample % SAMPLES_BETWEEN_POLLS == 0 {
            poll()?;
        }
        let mut features = empty(num_features + 1);
        insert(&mut features, constant);
        for &feature in samples.rows.row(row as usize) {
            match usize::try_from(feature).ok().filter(|&feature| feature < num_features) {
                Some(feature) => insert(&mut features, feature),
                None => {
                    let expected = format!("features in 0..{num_features}");
                    return Err(Error::invalid("indices", expected, feature));
                }
            }
        }
        let mut actions = empty(num_actions);
        undone(undo).for_each(|action| insert(&mut actions, action));
        for action in undone(undo) {
            let seen = &mut together[action];
            seen.iter_mut().zip(&actions).for_each(|(seen, word)| *seen |= word);
        }
        let left = basis.push(features, actions);
        if left.is_some_and(|actions| count(&actions) > 0) {
            let expected = "moves that flip the same features in every state, and none that \
                            others make together, to fit parities";
            return Err(Error::invalid("env", expected, "walks that contradict each other"));
        }
    }
    let is_told = basis.len() == num_actions + 1;
    if !is_told || together.iter().any(|beside| count(beside) < num_actions) {
        let expected = format!(
            "walks that tell {num_actions} actions apart, to fit parities: more or longer ones, of moves \
             that undo themselves, and none that others make together"
        );
        let got = format!("{} samples that do not", samples.len());
        return Err(Error::invalid("collecting", expected, got));
    }
    let sums = basis.reduced();
    let constants = sums.iter().filter(|sum| sum.first == constant);
    let mut even: Set = empty(num_actions);
    constants.for_each(|sum| add(&mut even, &sum.actions));
    let of = |action| {
        let of_it = sums.iter().filter(|sum| contains(&sum.actions, action));
        let features = of_it.map(|sum| sum.first).filter(|&first| first != constant).collect();
        Parity { features, is_even: contains(&even, action) }
    };
    Ok((0..num_actions).map(of).collect())
}

/// The actions that undo a move.
fn undone(undo: &[f32]) -> impl Iterator<Item = usize> + '_ {
    undo.iter().enumerate().filter(|(_, &share)| share > 0.0).map(|(action, _)| action)
}

/// The losses of a policy that is even over the actions that lead to the goal, with the value that fits
/// best among those that fall by an equal amount with each; and that amount.
fn told(targets: &WalkTargets<'_>, num_actions: usize) -> (Losses, f64) {
    let samples = || {
        let by_state = targets.undo.chunks(num_actions).zip(targets.values).zip(targets.weights);
        by_state.map(|((undo, &value), &weight)| {
            (undone(undo).count() as f64, 1.0 - f64::from(value), f64::from(weight))
        })
    };
    let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
        samples().map(|(moves, fall, weight)| weight * of(moves, fall)).sum()
    };
    let slope = sum(&|moves, fall| moves * fall) / sum(&|moves, _| moves * moves);
    let num_samples = targets.values.len() as f64;
    let policy = sum(&|moves, _| moves.max(1.0).ln()) / num_samples;
    let value = sum(&|moves, fall| (slope * moves - fall).powi(2)) / num_samples;
    (vec![policy, value, policy + f64::from(targets.vf_coef) * value], slope)
}

/// Writes the parities to the weights, and a value that falls by `slope` with each that is odd.
fn write(
    learner: &mut Learner,
    parities: &[Parity],
    [num_features, width]: [usize; 2],
    slope: f64,
) -> Result<()> {
    let num_actions = parities.len();
    let (mut read, mut at_least) = (vec![0.0; width * num_features], vec![0.0; width]);
    let (mut logits, mut even) = (vec![0.0; num_actions * width], vec![0.0; num_actions]);
    let (mut value, mut unit) = (vec![0.0; width], 0);
    for (action, parity) in parities.iter().enumerate() {
        let sign = if parity.is_even { -1.0 } else { 1.0 };
        even[action] = if parity.is_even { LOGIT } else { 0.0 };
        for number in 0..parity.features.len() {
            for feature in &parity.features {
                read[unit * num_features + feature] = 1.0;
            }
            at_least[unit] = -(number as f32);
            let bend = [2.0, -2.0][number % 2];
            let share = sign * if number == 0 { 1.0 } else { bend };
            logits[action * width + unit] = LOGIT * share;
            value[unit] = -(slope as f32) * share;
            unit += 1;
        }
    }
    let num_even = parities.iter().filter(|parity| parity.is_even).count() as f64;
    let start = [(1.0 - slope * num_even) as f32];
    let all = [&read[..], &at_least, &logits, &even, &value, &start];
    all.iter().enumerate().try_for_each(|(index, values)| learner.set(index, values))
}

//! Probabilities from logits, under the mask of legal actions.

use crate::error::{Error, Result};

/// Below this the exponential is 0 in f32, which takes a processor longer to find out than others.
const LEAST_EXPONENT: f32 = -104.0;

/// `probs[a] = exp(logits[a] - max) / sum`, over the actions where `mask` is true; 0 elsewhere.
///
/// All `[A]`. Masked logits are not read. Errors: no action is legal, a legal logit is not finite,
/// lengths differ.
///
/// ```
/// use twisterl::nn::masked_softmax;
/// let mut probs = [0.0; 3];
/// masked_softmax(&[1e4, 1e4, f32::NAN], &[true, true, false], &mut probs).unwrap();
/// assert_eq!(probs, [0.5, 0.5, 0.0]);
/// ```
pub fn masked_softmax(logits: &[f32], mask: &[bool], probs: &mut [f32]) -> Result<()> {
    let max = legal_max(logits, mask, probs.len())?;
    let mut sum = 0.0;
    for ((prob, &logit), &legal) in probs.iter_mut().zip(logits).zip(mask) {
        *prob = if legal { (logit - max).exp() } else { 0.0 };
        sum += *prob;
    }
    // The best action adds 1 to the sum, so this is finite.
    let scale = 1.0 / sum;
    probs.iter_mut().for_each(|prob| *prob *= scale);
    Ok(())
}

/// `log_probs[a] = logits[a] - max - log(sum of exp(logits - max))` where legal, else -infinity.
///
/// All `[A]`; errors as for [`masked_softmax`].
pub fn masked_log_softmax(logits: &[f32], mask: &[bool], log_probs: &mut [f32]) -> Result<()> {
    let max = legal_max(logits, mask, log_probs.len())?;
    let legal = logits.iter().zip(mask).filter(|(_, legal)| **legal);
    let log_sum = exp_sum_below(max, legal.map(|(&logit, _)| logit), |_| ()).ln();
    for ((log_prob, &logit), &legal) in log_probs.iter_mut().zip(logits).zip(mask) {
        *log_prob = if legal { logit - max - log_sum } else { f32::NEG_INFINITY };
    }
    Ok(())
}

/// The largest of `logits` and the sum of `exp(logit - largest)`, each of which `each` sees in turn.
///
/// The log-probability of an action is its logit less the largest and less the sum's logarithm.
#[inline]
pub(crate) fn exp_sum(
    logits: impl Iterator<Item = f32> + Clone,
    each: impl FnMut(f32),
) -> (f32, f32) {
    let max = logits.clone().fold(f32::NEG_INFINITY, f32::max);
    (max, exp_sum_below(max, logits, each))
}

#[inline]
fn exp_sum_below(max: f32, logits: impl Iterator<Item = f32>, mut each: impl FnMut(f32)) -> f32 {
    let mut sum = 0.0;
    for logit in logits {
        let exponent = logit - max;
        let weight = if exponent < LEAST_EXPONENT { 0.0 } else { exponent.exp() };
        each(weight);
        sum += weight;
    }
    sum
}

/// The first position of the largest value; 0 for none. NaN never wins.
pub fn argmax(values: &[f32]) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (i, &value) in values.iter().enumerate() {
        if value > best.1 {
            best = (i, value);
        }
    }
    best.0
}

fn legal_max(logits: &[f32], mask: &[bool], num_outputs: usize) -> Result<f32> {
    if logits.len() != mask.len() || logits.len() != num_outputs {
        let got = format!("{} logits, {} masks, {num_outputs} outputs", logits.len(), mask.len());
        return Err(Error::invalid("softmax", "equal lengths", got));
    }
    let mut max = None;
    for (&logit, _) in logits.iter().zip(mask).filter(|(_, legal)| **legal) {
        if !logit.is_finite() {
            return Err(Error::Policy(format!("expected finite logits, got {logit}")));
        }
        max = Some(max.map_or(logit, |max: f32| max.max(logit)));
    }
    max.ok_or_else(|| Error::Policy("expected a legal action, got masks that are all false".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_logits_neither_overflow_nor_vanish() {
        for logits in [[100.0, 100.0, 99.0], [1e4, 1e4, 9_999.0], [-1e4, -1e4, -10_001.0]] {
            let mut probs = [0.0; 3];
            masked_softmax(&logits, &[true; 3], &mut probs).unwrap();
            let mut log_probs = [0.0; 3];
            masked_log_softmax(&logits, &[true; 3], &mut log_probs).unwrap();
            // exp(0), exp(0), exp(-1) over their sum; 1e-6: a few roundings of f32.
            for (i, expected) in [0.422_318_8, 0.422_318_8, 0.155_362_4].into_iter().enumerate() {
                assert!((probs[i] - expected).abs() < 1e-6, "{probs:?}");
                assert!((log_probs[i].exp() - expected).abs() < 1e-6, "{log_probs:?}");
            }
        }
        let mut probs = [0.0; 2];
        masked_softmax(&[f32::MAX, f32::MIN], &[true; 2], &mut probs).unwrap();
        assert_eq!(probs, [1.0, 0.0]);
    }

    #[test]
    fn what_is_not_computed_is_zero() {
        assert_eq!(LEAST_EXPONENT.exp(), 0.0);
        assert!(exp_sum([0.0, f32::NAN].into_iter(), |_| ()).1.is_nan());
    }

    #[test]
    fn masked_actions_have_no_probability() {
        let mut probs = [9.0; 3];
        masked_softmax(&[f32::INFINITY, 0.5, f32::NAN], &[false, true, false], &mut probs).unwrap();
        assert_eq!(probs, [0.0, 1.0, 0.0]);
    }

    #[test]
    fn nothing_to_choose_from_is_an_error() {
        let mut probs = [0.0; 2];
        assert!(masked_softmax(&[0.0; 2], &[false; 2], &mut probs).is_err());
        assert!(masked_softmax(&[0.0, f32::NAN], &[true; 2], &mut probs).is_err());
        assert!(masked_softmax(&[0.0, f32::INFINITY], &[true; 2], &mut probs).is_err());
        assert!(masked_softmax(&[0.0; 3], &[true; 2], &mut probs).is_err());
        assert!(masked_log_softmax(&[0.0; 2], &[false; 2], &mut probs).is_err());
    }

    #[test]
    fn the_first_maximum_wins() {
        assert_eq!(argmax(&[0.0, 3.0, 3.0]), 1);
        assert_eq!(argmax(&[f32::NAN, -1.0]), 1);
        assert_eq!(argmax(&[]), 0);
    }
}

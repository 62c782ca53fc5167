//! Noise for the priors of a root.

use super::tree::{Edge, ILLEGAL};
use crate::rng::Rng;

/// Mixes noise from a symmetric Dirichlet distribution over the legal actions into their priors:
/// `P = (1 - fraction) * P + fraction * noise` (Silver et al. 2017, "Mastering the game of Go
/// without human knowledge", Methods, "Self-play"). `noise` is working memory.
pub(super) fn mix(
    edges: &mut [Edge],
    alpha: f32,
    fraction: f32,
    noise: &mut Vec<f32>,
    rng: &mut Rng,
) {
    let is_legal = |edge: &Edge| edge.child != ILLEGAL;
    noise.clear();
    noise.extend(edges.iter().filter(|edge| is_legal(edge)).map(|_| gamma(alpha, rng)));
    let sum: f32 = noise.iter().sum();
    // Tiny alphas may leave nothing but underflow: then there is no noise to mix in.
    if sum > 0.0 {
        for (edge, noise) in edges.iter_mut().filter(|edge| is_legal(edge)).zip(noise) {
            edge.prior = (1.0 - fraction) * edge.prior + fraction * *noise / sum;
        }
    }
}

/// A gamma variate of shape `alpha` and scale 1 (Marsaglia, Tsang 2000, "A simple method for
/// generating gamma variables"; below 1 by their section 6).
fn gamma(alpha: f32, rng: &mut Rng) -> f32 {
    if alpha < 1.0 {
        let boost = positive_unit(rng).powf(1.0 / alpha);
        return boost * gamma(alpha + 1.0, rng);
    }
    let d = alpha - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal(rng);
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && positive_unit(rng).ln() < 0.5 * x * x + d * (1.0 - v + v.ln()) {
            return d * v;
        }
    }
}

/// A standard normal variate by Box and Muller.
fn normal(rng: &mut Rng) -> f32 {
    let radius = (-2.0 * positive_unit(rng).ln()).sqrt();
    radius * (std::f32::consts::TAU * rng.unit()).cos()
}

/// A uniform number in (0, 1].
pub(super) fn positive_unit(rng: &mut Rng) -> f32 {
    1.0 - rng.unit()
}

#[cfg(test)]
mod tests {
    use super::super::tree::UNBORN;
    use super::*;

    /// Mean and variance of a gamma variate are its shape; 5 standard errors of 40,000 draws.
    #[test]
    fn gamma_variates_have_their_moments() {
        let mut rng = Rng::new(5);
        for alpha in [0.3f64, 1.0, 4.0] {
            let draws: Vec<f64> =
                (0..40_000).map(|_| f64::from(gamma(alpha as f32, &mut rng))).collect();
            let mean = draws.iter().sum::<f64>() / 4e4;
            let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 4e4;
            // The fourth central moment of the distribution is 3 alpha^2 + 6 alpha.
            let error = ((2.0 * alpha * alpha + 6.0 * alpha) / 4e4).sqrt();
            assert!((mean - alpha).abs() < 5.0 * (alpha / 4e4).sqrt(), "{alpha}: mean {mean}");
            assert!((variance - alpha).abs() < 5.0 * error, "{alpha}: variance {variance}");
        }
    }

    #[test]
    fn noise_keeps_the_sum_and_the_masks() {
        let edge = |prior, child| Edge { prior, visits: 0, value: 0.0, child };
        let mut edges = [edge(0.7, UNBORN), edge(0.0, ILLEGAL), edge(0.3, UNBORN)];
        mix(&mut edges, 0.3, 0.25, &mut Vec::new(), &mut Rng::new(1));
        let sum: f32 = edges.iter().map(|edge| edge.prior).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{edges:?}");
        assert!(edges[0].prior >= 0.75 * 0.7 - 1e-6 && edges[0].prior != 0.7, "{edges:?}");
        assert_eq!(edges[1].prior, 0.0);
    }
}

//! Elementary functions of plain arithmetic: compilers make vectors of them, and every processor
//! gives the same bits, which no system's library promises.
//!
//! Each is within a few units of the last digit, or 2e-7 where its value is small.

const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 in two parts, of which the first has few digits: a multiple of it is exact.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// A number so large that what is added to it is rounded to an integer, and the bits of it.
const ROUNDING: f32 = 12_582_912.0;
const FRAC_1_SQRT_TAU: f32 = 0.398_942_3;
/// `sqrt(2 / pi)`
const SQRT_2_OVER_PI: f32 = 0.797_884_6;
const GELU_CUBE: f32 = 0.044_715;

/// `c[0] x^n + .. + c[n]`
#[inline(always)]
fn polynomial<const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = coefficients[0];
    for coefficient in &coefficients[1..] {
        sum = sum * x + coefficient;
    }
    sum
}

/// `e^x` between the smallest and the largest normal numbers, beyond which it does not go.
///
/// Moshier, Cephes, `expf`.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.3, 88.376_26);
    let shifted = x * LOG2_E + ROUNDING;
    let n = shifted - ROUNDING;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    let tail = polynomial(
        r,
        [1.987_569_1e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5],
    );
    let exponent = shifted.to_bits().wrapping_sub(ROUNDING.to_bits()).wrapping_add(127);
    (tail * r * r + r + 1.0) * f32::from_bits(exponent << 23)
}

/// Moshier, Cephes, `tanhf`.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    let square = x * x;
    let near = polynomial(
        square,
        [-5.704_988_7e-3, 2.063_909e-2, -5.373_971_5e-2, 1.333_144_2e-1, -3.333_328e-1],
    ) * square
        * x
        + x;
    let far = (1.0 - 2.0 / (exp(2.0 * x.abs()) + 1.0)).copysign(x);
    if x.abs() < 0.625 {
        near
    } else {
        far
    }
}

#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// `log(1 + e^x)`, by the series of the inverse hyperbolic tangent.
#[inline(always)]
pub(super) fn softplus(x: f32) -> f32 {
    let u = exp(-x.abs());
    let s = u / (u + 2.0);
    let series =
        polynomial(s * s, [1.0 / 13.0, 1.0 / 11.0, 1.0 / 9.0, 1.0 / 7.0, 0.2, 1.0 / 3.0, 1.0]);
    x.max(0.0) + 2.0 * s * series
}

/// The error function, by the rational approximation of Eigen's `erf`.
#[inline(always)]
fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let square = x * x;
    let above = polynomial(
        square,
        [
            -2.726_142_3e-10,
            2.770_681_4e-8,
            -2.101_024e-6,
            -5.692_506_4e-5,
            -7.349_906_4e-4,
            -2.954_6e-3,
            -1.609_603_3e-2,
        ],
    );
    let below = polynomial(
        square,
        [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329e-3, -1.426_473_9e-2],
    );
    x * above / below
}

/// The probability that a standard normal is at most `x`.
#[inline(always)]
fn normal(x: f32) -> f32 {
    0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// `x` times the probability that a standard normal is at most `x`.
#[inline(always)]
pub(super) fn gelu(x: f32) -> f32 {
    x * normal(x)
}

#[inline(always)]
pub(super) fn gelu_slope(x: f32) -> f32 {
    normal(x) + x * FRAC_1_SQRT_TAU * exp(-0.5 * x * x)
}

/// [`gelu`] as BERT and GPT have it.
#[inline(always)]
pub(super) fn gelu_tanh(x: f32) -> f32 {
    0.5 * x * (1.0 + tanh(SQRT_2_OVER_PI * (x + GELU_CUBE * x * x * x)))
}

#[inline(always)]
pub(super) fn gelu_tanh_slope(x: f32) -> f32 {
    let t = tanh(SQRT_2_OVER_PI * (x + GELU_CUBE * x * x * x));
    let inner = SQRT_2_OVER_PI * (1.0 + 3.0 * GELU_CUBE * x * x);
    0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * inner
}

/// The sum of the numbers that `each` makes of them, in one order whatever vectors there are.
#[inline(always)]
pub(in crate::nn) fn sum(count: usize, each: impl Fn(usize) -> f32) -> f32 {
    /// Numbers that are added up beside each other.
    const TOGETHER: usize = 16;
    let mut sums = [0.0; TOGETHER];
    let whole = count / TOGETHER * TOGETHER;
    for first in (0..whole).step_by(TOGETHER) {
        for (lane, sum) in sums.iter_mut().enumerate() {
            *sum += each(first + lane);
        }
    }
    for (lane, i) in (whole..count).enumerate() {
        sums[lane] += each(i);
    }
    // In halves, which wait for fewer sums before them.
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            sums[lane] += sums[lane + half];
        }
    }
    sums[0]
}

/// Writes `x` without its mean and over its deviation to `normal`; gives `1 / deviation`.
#[inline(always)]
pub(super) fn normalise(x: &[f32], eps: f32, normal: &mut [f32]) -> f32 {
    let share = 1.0 / x.len() as f32;
    let mean = sum(x.len(), |i| x[i]) * share;
    let variance = sum(x.len(), |i| (x[i] - mean) * (x[i] - mean)) * share;
    let scale = 1.0 / (variance + eps).sqrt();
    normal.iter_mut().zip(x).for_each(|(normal, x)| *normal = (x - mean) * scale);
    scale
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `erf` by its series, in f64.
    fn exact_erf(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    #[test]
    fn close_to_the_functions_of_f64() {
        for i in -8000..=8000 {
            let x = i as f32 * 1e-3;
            let exact = f64::from(x);
            let close = |name: &str, got: f32, expected: f64| {
                let error = (f64::from(got) - expected).abs();
                assert!(error <= 5e-7 * expected.abs().max(1.0), "{name}({x}): {got} {expected}");
            };
            close("exp", exp(x), exact.exp());
            close("tanh", tanh(x), exact.tanh());
            close("sigmoid", sigmoid(x), 1.0 / (1.0 + (-exact).exp()));
            close("softplus", softplus(x), exact.exp().ln_1p());
            if x.abs() < 4.0 {
                close("erf", erf(x), exact_erf(exact));
            }
        }
    }

    #[test]
    fn what_is_large_stays_finite_and_nan_stays() {
        for x in [-1e30, -200.0, 200.0, 1e30] {
            for f in [exp, tanh, sigmoid, softplus, gelu, gelu_tanh] {
                assert!(f(x).is_finite(), "{x}");
            }
        }
        assert_eq!((tanh(50.0), sigmoid(-200.0) < 1e-37, softplus(200.0)), (1.0, true, 200.0));
        for f in [exp, tanh, sigmoid, softplus, gelu, gelu_tanh] {
            assert!(f(f32::NAN).is_nan());
        }
    }
}

//! Functions of each number: `y = f(x)`, and `dx = f'(x) dy`.

use serde::{Deserialize, Serialize};

use super::{Describe, Kept, Layer};
use crate::error::Result;
use crate::nn::buffer::Matrix;
use crate::nn::functions::{
    exp, gelu, gelu_slope, gelu_tanh, gelu_tanh_slope, sigmoid, softplus, tanh,
};
use crate::nn::kernels::Kernels;
use crate::nn::layout::Layout;

/// A function of each number, under the name of its module in torch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "function", rename_all = "snake_case", deny_unknown_fields)]
pub enum Activation {
    /// `max(x, 0)`, where it follows no linear layer.
    Relu,
    Tanh,
    Sigmoid,
    /// `x` times the probability that a standard normal is at most `x`.
    Gelu,
    /// `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`
    GeluTanh,
    /// `x sigmoid(x)`
    Silu,
    /// `x`, or `slope x` below 0.
    LeakyRelu {
        slope: f32,
    },
    /// `x`, or `alpha (e^x - 1)` below 0.
    Elu {
        alpha: f32,
    },
    /// `log(1 + e^x)`
    Softplus,
}

impl Activation {
    /// Calls `each` with `f` and `f'` of what this is.
    #[inline(always)]
    fn with(self, each: impl Apply) {
        match self {
            Self::Relu => {
                each.apply(|x| if x < 0.0 { 0.0 } else { x }, |x| if x > 0.0 { 1.0 } else { 0.0 })
            }
            Self::Tanh => each.apply(tanh, |x| 1.0 - tanh(x) * tanh(x)),
            Self::Sigmoid => each.apply(sigmoid, |x| sigmoid(x) * (1.0 - sigmoid(x))),
            Self::Gelu => each.apply(gelu, gelu_slope),
            Self::GeluTanh => each.apply(gelu_tanh, gelu_tanh_slope),
            Self::Silu => each.apply(
                |x| x * sigmoid(x),
                |x| {
                    let s = sigmoid(x);
                    s * (1.0 + x * (1.0 - s))
                },
            ),
            Self::LeakyRelu { slope } => each.apply(
                move |x| if x < 0.0 { slope * x } else { x },
                move |x| if x > 0.0 { 1.0 } else { slope },
            ),
            Self::Elu { alpha } => each.apply(
                move |x| if x < 0.0 { alpha * (exp(x) - 1.0) } else { x },
                move |x| if x < 0.0 { alpha * exp(x) } else { 1.0 },
            ),
            Self::Softplus => each.apply(softplus, sigmoid),
        }
    }
}

/// What is done with a function and its derivative.
trait Apply {
    fn apply(self, f: impl Fn(f32) -> f32, slope: impl Fn(f32) -> f32);
}

struct Forward<'a>(&'a Matrix, &'a mut Matrix);

impl Apply for Forward<'_> {
    #[inline(always)]
    fn apply(self, f: impl Fn(f32) -> f32, _: impl Fn(f32) -> f32) {
        for row in 0..self.0.num_rows() {
            let pairs = self.1.row_mut(row).iter_mut().zip(self.0.row(row));
            pairs.for_each(|(y, &x)| *y = f(x));
        }
    }
}

struct Backward<'a>(&'a Matrix, &'a Matrix, &'a mut Matrix);

impl Apply for Backward<'_> {
    #[inline(always)]
    fn apply(self, _: impl Fn(f32) -> f32, slope: impl Fn(f32) -> f32) {
        for row in 0..self.0.num_rows() {
            let numbers = self.0.row(row).iter().zip(self.1.row(row));
            let to = self.2.row_mut(row).iter_mut().zip(numbers);
            to.for_each(|(dx, (&x, &dy))| *dx = slope(x) * dy);
        }
    }
}

impl Describe for Activation {
    fn output(&self, input: &[usize]) -> Result<Vec<usize>> {
        Ok(input.to_vec())
    }

    fn layer(&self, _: &[usize], _: &mut Layout) -> Box<dyn Layer> {
        Box::new(*self)
    }
}

impl Layer for Activation {
    fn is_by_row(&self) -> bool {
        true
    }

    fn forward(&self, kernels: Kernels, input: &Matrix, kept: &mut Kept) {
        kept.output.reshape(input.num_rows(), input.num_columns());
        kernels.widely(
            #[inline(always)]
            || self.with(Forward(input, &mut kept.output)),
        );
    }

    #[cfg(feature = "learning")]
    fn backward(&self, kernels: Kernels, input: &Matrix, kept: &mut Kept, below: &mut Matrix) {
        below.reshape(input.num_rows(), input.num_columns());
        kernels.widely(
            #[inline(always)]
            || self.with(Backward(input, &kept.delta, below)),
        );
    }
}

//! Normalisation by statistics that are known: `y = (x - mean) / sqrt(var + eps)` or
//! `(x - mean) / (sqrt(var) + eps)`, and `dx = dy` by the same deviation. Nothing of it learns.

use serde::{Deserialize, Serialize};

use super::{named, Describe, Kept, Layer};
use crate::error::Result;
use crate::nn::buffer::{Aligned, Matrix};
use crate::nn::kernels::{Kernels, Packing};
use crate::nn::layout::{Flat, Layout};
use crate::nn::shapes::{mismatch, Parameter};

/// `mean [size]` and `var [size]` of the numbers of an observation, of any shape of so many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunningNorm {
    pub name: String,
    pub size: usize,
    pub eps: f32,
    /// Whether `eps` is added to the variance, or to the deviation.
    #[serde(default)]
    pub to_variance: bool,
}

impl Describe for RunningNorm {
    fn parameters(&self) -> Vec<Parameter> {
        ["mean", "var"].map(|kind| named(&self.name, kind, vec![self.size])).into()
    }

    fn output(&self, input: &[usize]) -> Result<Vec<usize>> {
        if input.iter().product::<usize>() != self.size {
            return Err(mismatch(format!("{} numbers", self.size), input));
        }
        super::check_eps(self.eps)?;
        Ok(input.to_vec())
    }

    fn layer(&self, input: &[usize], layout: &mut Layout) -> Box<dyn Layer> {
        let padded = super::columns(input.iter().product());
        let starts = [layout.reserve(padded), layout.reserve(padded)];
        for (parameter, start) in self.parameters().into_iter().zip(starts) {
            layout.place(parameter, start, padded, [1, self.size]);
        }
        let (mean, scale) = (Aligned::zeros(padded), Aligned::zeros(padded));
        Box::new(Known { starts, mean, scale, eps: self.eps, to_variance: self.to_variance })
    }
}

struct Known {
    starts: [usize; 2],
    mean: Aligned,
    scale: Aligned,
    eps: f32,
    to_variance: bool,
}

impl Layer for Known {
    fn pack<'a>(&'a mut self, _: Kernels, weights: &'a Flat, _: &mut Vec<Packing<'a>>) {
        let padded = self.mean.len();
        self.mean.copy_from_slice(&weights.0[self.starts[0]..][..padded]);
        let variances = &weights.0[self.starts[1]..][..padded];
        for (scale, variance) in self.scale.iter_mut().zip(variances) {
            *scale = match self.to_variance {
                true => 1.0 / (variance + self.eps).sqrt(),
                false => 1.0 / (variance.sqrt() + self.eps),
            };
        }
    }

    fn forward(&self, _: Kernels, input: &Matrix, kept: &mut Kept) {
        kept.output.reshape(input.num_rows(), input.num_columns());
        for row in 0..input.num_rows() {
            let known = self.mean.iter().zip(self.scale.iter());
            let numbers = kept.output.row_mut(row).iter_mut().zip(input.row(row)).zip(known);
            numbers.for_each(|((y, x), (mean, scale))| *y = (x - mean) * scale);
        }
    }

    #[cfg(feature = "learning")]
    fn backward(&self, _: Kernels, input: &Matrix, kept: &mut Kept, below: &mut Matrix) {
        below.reshape(input.num_rows(), input.num_columns());
        for row in 0..input.num_rows() {
            let numbers = below.row_mut(row).iter_mut().zip(kept.delta.row(row));
            numbers.zip(self.scale.iter()).for_each(|((dx, dy), scale)| *dx = dy * scale);
        }
    }
}

//! Layer normalisation (Ba, Kiros, Hinton): of each group of `size` numbers,
//!
//! ```text
//! n = (x - mean) / sqrt(variance + eps)        y = w n + b
//! g = w dy        dx = (g - mean(g) - n mean(g n)) / sqrt(variance + eps)
//! dw = sum of dy n        db = sum of dy
//! ```

use serde::{Deserialize, Serialize};

use super::{columns, named, Describe, Kept, Layer, Span};
use crate::error::Result;
use crate::nn::buffer::{Aligned, Matrix};
use crate::nn::functions::{normalise, sum};
use crate::nn::kernels::{Kernels, Packing};
use crate::nn::layout::{Flat, Layout};
use crate::nn::shapes::{mismatch, Parameter};

/// Over the last axes, which have `size` numbers. `weight [size]`, and `bias [size]` unless `bias` is
/// false; neither where `affine` is false.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerNorm {
    pub name: String,
    /// The last axes of its input.
    pub shape: Vec<usize>,
    pub eps: f32,
    #[serde(default = "super::yes", skip_serializing_if = "Clone::clone")]
    pub affine: bool,
    #[serde(default = "super::yes", skip_serializing_if = "Clone::clone")]
    pub bias: bool,
}

impl Describe for LayerNorm {
    fn parameters(&self) -> Vec<Parameter> {
        let parameter = |kind| named(&self.name, kind, self.shape.clone());
        match (self.affine, self.bias) {
            (false, _) => Vec::new(),
            (true, false) => vec![parameter("weight")],
            (true, true) => vec![parameter("weight"), parameter("bias")],
        }
    }

    fn output(&self, input: &[usize]) -> Result<Vec<usize>> {
        if self.shape.is_empty() || !input.ends_with(&self.shape) {
            return Err(mismatch(format!("a shape that ends with {:?}", self.shape), input));
        }
        super::check_eps(self.eps)?;
        Ok(input.to_vec())
    }

    fn layer(&self, input: &[usize], layout: &mut Layout) -> Box<dyn Layer> {
        let size: usize = self.shape.iter().product();
        let groups = input.iter().product::<usize>() / size;
        let padded = columns(size);
        let starts = [layout.reserve(padded), layout.reserve(padded)];
        for (parameter, start) in self.parameters().into_iter().zip(starts) {
            layout.place(parameter, start, padded, [1, size]);
        }
        let mut weight = Aligned::zeros(padded);
        weight.fill(1.0);
        let bias = Aligned::zeros(padded);
        Box::new(Norm {
            starts,
            size,
            groups,
            eps: self.eps,
            learns: [self.affine, self.affine && self.bias],
            weight,
            bias,
        })
    }
}

struct Norm {
    /// Of the weight and of the bias.
    starts: [usize; 2],
    size: usize,
    groups: usize,
    eps: f32,
    learns: [bool; 2],
    weight: Aligned,
    bias: Aligned,
}

impl Norm {
    /// Normalises the groups of each row; the numbers to `normal`, `1 / deviation` to `scales`.
    #[inline(always)]
    fn normalise(&self, input: &Matrix, normal: &mut Matrix, scales: &mut Matrix) {
        for row in 0..input.num_rows() {
            let groups = input.row(row).chunks_exact(self.size).take(self.groups);
            let to = normal.row_mut(row).chunks_exact_mut(self.size);
            for ((x, to), scale) in groups.zip(to).zip(scales.row_mut(row)) {
                *scale = normalise(x, self.eps, to);
            }
        }
    }

    #[inline(always)]
    fn stretch(&self, normal: &Matrix, output: &mut Matrix) {
        for row in 0..normal.num_rows() {
            let groups = normal.row(row).chunks_exact(self.size).take(self.groups);
            for (n, y) in groups.zip(output.row_mut(row).chunks_exact_mut(self.size)) {
                let affine = self.weight.iter().zip(self.bias.iter());
                y.iter_mut().zip(n).zip(affine).for_each(|((y, n), (w, b))| *y = n * w + b);
            }
        }
    }

    #[inline(always)]
    fn descend(&self, kept: &Kept, below: &mut Matrix) {
        let Kept { delta, saved: [normal, scales, ..], .. } = kept;
        let share = 1.0 / self.size as f32;
        for row in 0..delta.num_rows() {
            let groups = normal.row(row).chunks_exact(self.size).take(self.groups);
            let deltas = delta.row(row).chunks_exact(self.size);
            let to = below.row_mut(row).chunks_exact_mut(self.size);
            for (((n, dy), dx), scale) in groups.zip(deltas).zip(to).zip(scales.row(row)) {
                let w = &self.weight[..self.size];
                let mean = sum(self.size, |i| w[i] * dy[i]) * share;
                let slant = sum(self.size, |i| w[i] * dy[i] * n[i]) * share;
                for i in 0..self.size {
                    dx[i] = (w[i] * dy[i] - mean - n[i] * slant) * scale;
                }
            }
        }
    }
}

impl Layer for Norm {
    fn pack<'a>(&'a mut self, _: Kernels, weights: &'a Flat, _: &mut Vec<Packing<'a>>) {
        let padded = self.weight.len();
        if self.learns[0] {
            self.weight.copy_from_slice(&weights.0[self.starts[0]..][..padded]);
        }
        self.bias.copy_from_slice(&weights.0[self.starts[1]..][..padded]);
    }

    fn forward(&self, kernels: Kernels, input: &Matrix, kept: &mut Kept) {
        let Kept { output, saved: [normal, scales, ..], .. } = kept;
        output.reshape(input.num_rows(), input.num_columns());
        normal.reshape(input.num_rows(), input.num_columns());
        scales.reshape(input.num_rows(), columns(self.groups));
        kernels.widely(
            #[inline(always)]
            || {
                self.normalise(input, normal, scales);
                self.stretch(normal, output);
            },
        );
    }

    #[cfg(feature = "learning")]
    fn backward(&self, kernels: Kernels, input: &Matrix, kept: &mut Kept, below: &mut Matrix) {
        below.reshape(input.num_rows(), input.num_columns());
        kernels.widely(
            #[inline(always)]
            || self.descend(kept, below),
        );
    }

    fn spans(&self) -> Vec<Span> {
        let len = self.weight.len();
        let learned = self.starts.into_iter().zip(self.learns).filter(|(_, learns)| *learns);
        learned.map(|(start, _)| Span { start, len }).collect()
    }

    #[cfg(feature = "learning")]
    fn add_gradient(
        &self,
        _: Kernels,
        piece: usize,
        _: &Matrix,
        kept: &Kept,
        gradient: &mut [f32],
    ) {
        let Kept { delta, saved: [normal, ..], .. } = kept;
        for row in 0..delta.num_rows() {
            let groups = normal.row(row).chunks_exact(self.size).take(self.groups);
            for (n, dy) in groups.zip(delta.row(row).chunks_exact(self.size)) {
                let numbers = gradient.iter_mut().zip(dy.iter().zip(n));
                match piece {
                    0 => numbers.for_each(|(sum, (dy, n))| *sum += dy * n),
                    _ => numbers.for_each(|(sum, (dy, _))| *sum += dy),
                }
            }
        }
    }
}

//! Group normalisation (Wu, He): the channels of `[channels, ..]` in groups, the numbers of each group
//! together,
//!
//! ```text
//! n = (x - mean) / sqrt(variance + eps)        y = w n + b, with a w and a b for each channel
//! g = w dy        dx = (g - mean(g) - n mean(g n)) / sqrt(variance + eps)
//! dw = sum of dy n        db = sum of dy
//! ```

use serde::{Deserialize, Serialize};

use super::{columns, named, Describe, Kept, Layer, Span};
use crate::error::{Error, Result};
use crate::nn::buffer::{Aligned, Matrix};
use crate::nn::functions::{normalise, sum};
use crate::nn::kernels::{Kernels, Packing};
use crate::nn::layout::{Flat, Layout};
use crate::nn::shapes::{mismatch, Parameter};

/// `groups` of as many of the `channels`. `weight [channels]` and `bias [channels]`, neither where
/// `affine` is false.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupNorm {
    pub name: String,
    pub groups: usize,
    pub channels: usize,
    pub eps: f32,
    #[serde(default = "super::yes", skip_serializing_if = "Clone::clone")]
    pub affine: bool,
}

impl Describe for GroupNorm {
    fn parameters(&self) -> Vec<Parameter> {
        let kinds: &[&str] = if self.affine { &["weight", "bias"] } else { &[] };
        kinds.iter().map(|kind| named(&self.name, kind, vec![self.channels])).collect()
    }

    fn output(&self, input: &[usize]) -> Result<Vec<usize>> {
        if self.groups == 0 || !self.channels.is_multiple_of(self.groups) {
            let expected = format!("a divisor of the {} channels", self.channels);
            return Err(Error::invalid("groups", expected, self.groups));
        }
        if input.first() != Some(&self.channels) {
            return Err(mismatch(format!("{} channels first", self.channels), input));
        }
        super::check_eps(self.eps)?;
        Ok(input.to_vec())
    }

    fn layer(&self, input: &[usize], layout: &mut Layout) -> Box<dyn Layer> {
        let padded = columns(self.channels);
        let starts = [layout.reserve(padded), layout.reserve(padded)];
        for (parameter, start) in self.parameters().into_iter().zip(starts) {
            layout.place(parameter, start, padded, [1, self.channels]);
        }
        let mut weight = Aligned::zeros(padded);
        weight.fill(1.0);
        Box::new(Norm {
            starts,
            groups: self.groups,
            each: self.channels / self.groups,
            area: input[1..].iter().product(),
            eps: self.eps,
            affine: self.affine,
            weight,
            bias: Aligned::zeros(padded),
        })
    }
}

struct Norm {
    /// Of the weight and of the bias.
    starts: [usize; 2],
    groups: usize,
    /// Channels of a group, and numbers of a channel.
    each: usize,
    area: usize,
    eps: f32,
    affine: bool,
    weight: Aligned,
    bias: Aligned,
}

impl Norm {
    /// Numbers of a group.
    fn size(&self) -> usize {
        self.each * self.area
    }

    /// The weights and biases of the channels of a group.
    fn affine_of(&self, group: usize) -> impl Iterator<Item = (&f32, &f32)> {
        let first = group * self.each;
        let weights = &self.weight[first..][..self.each];
        weights.iter().zip(&self.bias[first..][..self.each])
    }
}

impl Layer for Norm {
    fn pack<'a>(&'a mut self, _: Kernels, weights: &'a Flat, _: &mut Vec<Packing<'a>>) {
        if self.affine {
            let padded = self.weight.len();
            self.weight.copy_from_slice(&weights.0[self.starts[0]..][..padded]);
            self.bias.copy_from_slice(&weights.0[self.starts[1]..][..padded]);
        }
    }

    fn is_by_row(&self) -> bool {
        true
    }

    fn forward(&self, kernels: Kernels, input: &Matrix, kept: &mut Kept) {
        let Kept { output, saved: [normal, scales, ..], .. } = kept;
        output.reshape(input.num_rows(), input.num_columns());
        normal.reshape(input.num_rows(), input.num_columns());
        scales.reshape(input.num_rows(), columns(self.groups));
        kernels.widely(
            #[inline(always)]
            || {
                for row in 0..input.num_rows() {
                    for group in 0..self.groups {
                        let first = group * self.size();
                        let n = &mut normal.row_mut(row)[first..][..self.size()];
                        let x = &input.row(row)[first..][..self.size()];
                        scales.row_mut(row)[group] = normalise(x, self.eps, n);
                        let y = &mut output.row_mut(row)[first..][..self.size()];
                        let channels = n.chunks_exact(self.area).zip(y.chunks_exact_mut(self.area));
                        for ((n, y), (w, b)) in channels.zip(self.affine_of(group)) {
                            y.iter_mut().zip(n).for_each(|(y, n)| *y = n * w + b);
                        }
                    }
                }
            },
        );
    }

    #[cfg(feature = "learning")]
    fn backward(&self, kernels: Kernels, input: &Matrix, kept: &mut Kept, below: &mut Matrix) {
        let Kept { delta, saved: [normal, scales, ..], .. } = kept;
        below.reshape(input.num_rows(), input.num_columns());
        let share = 1.0 / self.size() as f32;
        kernels.widely(
            #[inline(always)]
            || {
                for row in 0..input.num_rows() {
                    for group in 0..self.groups {
                        let first = group * self.size();
                        let n = &normal.row(row)[first..][..self.size()];
                        let dy = &delta.row(row)[first..][..self.size()];
                        let dx = &mut below.row_mut(row)[first..][..self.size()];
                        let channels = dx.chunks_exact_mut(self.area);
                        let channels = channels.zip(dy.chunks_exact(self.area));
                        for ((g, dy), (w, _)) in channels.zip(self.affine_of(group)) {
                            g.iter_mut().zip(dy).for_each(|(g, dy)| *g = w * dy);
                        }
                        let mean = sum(n.len(), |i| dx[i]) * share;
                        let slant = sum(n.len(), |i| dx[i] * n[i]) * share;
                        let scale = scales.row(row)[group];
                        for (dx, n) in dx.iter_mut().zip(n) {
                            *dx = (*dx - mean - n * slant) * scale;
                        }
                    }
                }
            },
        );
    }

    fn spans(&self) -> Vec<Span> {
        let len = self.weight.len();
        let learned = if self.affine { &self.starts[..] } else { &[] };
        learned.iter().map(|&start| Span { start, len }).collect()
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
            let channels = delta.row(row).chunks_exact(self.area);
            let channels = channels.zip(normal.row(row).chunks_exact(self.area));
            for (sum_of, (dy, n)) in gradient.iter_mut().zip(channels).take(self.groups * self.each)
            {
                *sum_of += match piece {
                    0 => sum(self.area, |i| dy[i] * n[i]),
                    _ => sum(self.area, |i| dy[i]),
                };
            }
        }
    }
}

//! A parameter that is added, as places are to tokens: `y = x + p`, `dx = dy`, `dp = sum of dy`.

use serde::{Deserialize, Serialize};

use super::{columns, Describe, Kept, Layer, Span};
use crate::error::Result;
use crate::nn::buffer::{Aligned, Matrix};
use crate::nn::kernels::{Kernels, Packing};
use crate::nn::layout::{Flat, Layout};
use crate::nn::shapes::{mismatch, Parameter};

/// `name [shape]`, the shape of its input, which axes of one number may come before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offset {
    pub name: String,
    pub shape: Vec<usize>,
}

impl Describe for Offset {
    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter { name: self.name.clone(), shape: self.shape.clone() }]
    }

    fn output(&self, input: &[usize]) -> Result<Vec<usize>> {
        match self.shape.strip_suffix(input) {
            Some(lead) if lead.iter().all(|&axis| axis == 1) => Ok(input.to_vec()),
            _ => Err(mismatch(format!("{:?}", self.shape), input)),
        }
    }

    fn layer(&self, input: &[usize], layout: &mut Layout) -> Box<dyn Layer> {
        let size = input.iter().product();
        let start = layout.reserve(size);
        for parameter in self.parameters() {
            layout.place(parameter, start, size, [1, size]);
        }
        Box::new(Added { start, size, numbers: Aligned::zeros(columns(size)) })
    }
}

struct Added {
    start: usize,
    size: usize,
    /// Zeros fill up the last vector.
    numbers: Aligned,
}

impl Layer for Added {
    fn pack<'a>(&'a mut self, _: Kernels, weights: &'a Flat, _: &mut Vec<Packing<'a>>) {
        self.numbers[..self.size].copy_from_slice(&weights.0[self.start..][..self.size]);
    }

    fn forward(&self, _: Kernels, input: &Matrix, kept: &mut Kept) {
        kept.output.copy_from(input);
        for row in 0..input.num_rows() {
            add(kept.output.row_mut(row), &self.numbers);
        }
    }

    #[cfg(feature = "learning")]
    fn backward(&self, _: Kernels, _: &Matrix, kept: &mut Kept, below: &mut Matrix) {
        below.copy_from(&kept.delta);
    }

    fn spans(&self) -> Vec<Span> {
        vec![Span { start: self.start, len: self.size }]
    }

    #[cfg(feature = "learning")]
    fn add_gradient(&self, _: Kernels, _: usize, _: &Matrix, kept: &Kept, gradient: &mut [f32]) {
        for row in 0..kept.delta.num_rows() {
            add(gradient, kept.delta.row(row));
        }
    }
}

/// Adds `more` to `sums`, as far as both go.
fn add(sums: &mut [f32], more: &[f32]) {
    sums.iter_mut().zip(more).for_each(|(sum, number)| *sum += number);
}

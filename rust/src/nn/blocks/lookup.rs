//! Embedding of integers: each number `i` of the input becomes row `i` of a table,
//! `y = weight[i]`. The gradient of a row of the table is the sum of those of its places.

use serde::{Deserialize, Serialize};

use super::{columns, named, Describe, Kept, Layer, Span};
use crate::error::{Error, Result};
use crate::nn::buffer::Matrix;
use crate::nn::kernels::{Kernels, Packing};
use crate::nn::layout::{Flat, Layout};
use crate::nn::shapes::Parameter;
use crate::nn::shapes::MOST_NUMBERS;

/// Integers in `0..num`, as numbers; `weight [num, out]`. From a shape `[..]` to `[.., out]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Embedding {
    pub name: String,
    pub num: usize,
    pub out: usize,
}

impl Describe for Embedding {
    fn parameters(&self) -> Vec<Parameter> {
        vec![named(&self.name, "weight", vec![self.num, self.out])]
    }

    fn output(&self, input: &[usize]) -> Result<Vec<usize>> {
        if self.num == 0 || self.num > MOST_NUMBERS {
            return Err(Error::invalid("num", format!("1 to {MOST_NUMBERS}"), self.num));
        }
        Ok([input, &[self.out]].concat())
    }

    fn layer(&self, input: &[usize], layout: &mut Layout) -> Box<dyn Layer> {
        let start = layout.reserve(self.num * self.out);
        for parameter in self.parameters() {
            // As torch has it: one row after another.
            layout.place(parameter, start, self.num * self.out, [1, self.num * self.out]);
        }
        let table = vec![0.0; self.num * self.out];
        Box::new(Table {
            start,
            num: self.num,
            out: self.out,
            table,
            count: input.iter().product(),
        })
    }
}

struct Table {
    start: usize,
    num: usize,
    out: usize,
    table: Vec<f32>,
    /// Integers of an observation.
    count: usize,
}

impl Layer for Table {
    fn pack<'a>(&'a mut self, _: Kernels, weights: &'a Flat, _: &mut Vec<Packing<'a>>) {
        self.table.copy_from_slice(&weights.0[self.start..][..self.num * self.out]);
    }

    fn check(&self, input: &Matrix) -> Result<()> {
        let is_integer = |x: &f32| (0.0..self.num as f32).contains(x) && x.fract() == 0.0;
        for row in 0..input.num_rows() {
            if let Some(number) = input.row(row)[..self.count].iter().find(|x| !is_integer(x)) {
                let expected = format!("integers in 0..{}", self.num);
                return Err(Error::invalid("numbers of an embedding", expected, number));
            }
        }
        Ok(())
    }

    fn forward(&self, _: Kernels, input: &Matrix, kept: &mut Kept) {
        kept.output.reshape(input.num_rows(), columns(self.count * self.out));
        for row in 0..input.num_rows() {
            let to = kept.output.row_mut(row).chunks_exact_mut(self.out);
            for (to, number) in to.zip(&input.row(row)[..self.count]) {
                to.copy_from_slice(&self.table[*number as usize * self.out..][..self.out]);
            }
        }
    }

    /// Integers have no gradient.
    #[cfg(feature = "learning")]
    fn backward(&self, _: Kernels, input: &Matrix, _: &mut Kept, below: &mut Matrix) {
        below.reshape(input.num_rows(), input.num_columns());
        below.clear_from(0);
    }

    fn spans(&self) -> Vec<Span> {
        vec![Span { start: self.start, len: self.num * self.out }]
    }

    #[cfg(feature = "learning")]
    fn add_gradient(&self, _: Kernels, _: usize, input: &Matrix, kept: &Kept, to: &mut [f32]) {
        for row in 0..input.num_rows() {
            let deltas = kept.delta.row(row).chunks_exact(self.out);
            for (delta, number) in deltas.zip(&input.row(row)[..self.count]) {
                let sums = to[*number as usize * self.out..].iter_mut();
                sums.zip(delta).for_each(|(sum, delta)| *sum += delta);
            }
        }
    }
}

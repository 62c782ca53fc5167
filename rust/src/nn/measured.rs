//! The products of a layer, and what a processor multiplies at most: for benchmarks.

use super::buffer::{Aligned, Matrix};
use super::kernels::{CpuLevel, Kernels, PackedLinear};
use crate::error::Result;

/// A layer of `inputs x outputs` weights and `rows` rows, by the loops of one level.
pub struct Products {
    kernels: Kernels,
    forward: PackedLinear,
    backward: PackedLinear,
    input: Matrix,
    output: Matrix,
    below: Matrix,
    gradient: Aligned,
    inputs: usize,
}

impl Products {
    /// Of numbers between 0 and 1, none of them 0; `outputs` is a multiple of 64.
    ///
    /// # Errors
    /// If this processor does not have `level`.
    pub fn new(level: CpuLevel, [rows, inputs, outputs]: [usize; 3]) -> Result<Self> {
        let kernels = Kernels::new(level)?;
        let number = |i: usize| (i % 97 + 1) as f32 / 98.0;
        let weights: Vec<f32> = (0..inputs * outputs).map(number).collect();
        let mut forward = PackedLinear::zeros(inputs, outputs, false);
        kernels.repack(&mut forward.weights, &weights, outputs, outputs);
        let mut backward = PackedLinear::zeros(outputs, inputs, false);
        kernels.repack_transposed(&mut backward.weights, &weights, outputs, inputs);
        let mut input = Matrix::default();
        input.reshape(rows, inputs);
        for row in 0..rows {
            input.row_mut(row).iter_mut().enumerate().for_each(|(i, x)| *x = number(row + i));
        }
        let mut products = Self {
            kernels,
            forward,
            backward,
            input,
            output: Matrix::default(),
            below: Matrix::default(),
            gradient: Aligned::zeros(inputs * outputs),
            inputs,
        };
        products.forward();
        Ok(products)
    }

    /// `Y = X W`.
    pub fn forward(&mut self) {
        self.kernels.multiply(&self.forward, &self.input, &mut self.output);
    }

    /// `dX = dY W^T`, with the outputs as their own gradient.
    pub fn backward(&mut self) {
        self.kernels.multiply(&self.backward, &self.output, &mut self.below);
    }

    /// `dW = X^T dY`.
    pub fn gradient(&mut self) {
        self.gradient.fill(0.0);
        let rows = 0..self.inputs;
        self.kernels.add_products(&self.input, rows, &self.output, &mut self.gradient);
    }

    /// `rounds` products with sums in registers, by whole vectors; how many there were.
    pub fn limit(&self, rounds: usize) -> usize {
        self.kernels.multiply_adds(rounds)
    }
}

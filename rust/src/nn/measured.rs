//! The products of a layer, and what a processor multiplies at most: for benchmarks.

use super::blocks::half_linear::{HalfRows, HalfWeights};
use super::buffer::{Aligned, Matrix};
use super::kernels::{Bf16Level, CpuLevel, Kernels, Numbers, PackedLinear};
use crate::error::{Error, Result};

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
        let weights = weights(inputs * outputs);
        let mut forward = PackedLinear::zeros(inputs, outputs, false);
        let packings = kernels.repack(&mut forward.weights, &weights, outputs, outputs);
        packings.for_each(|pack| pack());
        let mut backward = PackedLinear::zeros(outputs, inputs, false);
        let packings = kernels.repack_transposed(&mut backward.weights, &weights, outputs, inputs);
        packings.for_each(|pack| pack());
        let mut products = Self {
            kernels,
            forward,
            backward,
            input: input(rows, inputs),
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

/// As [`Products`], of bf16: with what it takes to round the inputs and the outputs.
pub struct Bf16Products {
    kernels: Kernels,
    level: Bf16Level,
    weights: HalfWeights,
    forward: PackedLinear,
    backward: PackedLinear,
    rows: HalfRows,
    input: Matrix,
    output: Matrix,
    below: Matrix,
    gradient: Aligned,
}

impl Bf16Products {
    /// As [`Products::new`]; `inputs` is a multiple of 64, too.
    ///
    /// # Errors
    /// If this processor does not have `level`.
    pub fn new(level: Bf16Level, [rows, inputs, outputs]: [usize; 3]) -> Result<Self> {
        if !level.is_available() {
            return Err(Error::invalid("bf16 level", "one of this processor", level.name()));
        }
        let kernels = Kernels::new(CpuLevel::detect())?;
        let numbers = weights(inputs * outputs);
        let numbers = Numbers { from: &numbers, stride: outputs, rows: inputs, columns: outputs };
        let mut weights = HalfWeights::default();
        let mut forward = PackedLinear::zeros(inputs, outputs, false);
        let mut backward = PackedLinear::zeros(outputs, inputs, false);
        let layers = [&mut forward.weights, &mut backward.weights];
        let packings = weights.pack(kernels, level, numbers, outputs, layers);
        packings.into_iter().for_each(|pack| pack());
        let mut products = Self {
            kernels,
            level,
            weights,
            forward,
            backward,
            rows: HalfRows::default(),
            input: input(rows, inputs),
            output: Matrix::default(),
            below: Matrix::default(),
            gradient: Aligned::zeros(inputs * outputs),
        };
        products.forward();
        products.gradient();
        Ok(products)
    }

    /// `Y = X W`, and `X` made ready for the gradient.
    pub fn forward(&mut self) {
        let of = (&mut self.rows, &mut self.output);
        self.weights.forward(self.kernels, self.level, &self.forward, &self.input, of);
    }

    /// `dX = dY W^T`, with the outputs as their own gradient.
    pub fn backward(&mut self) {
        let of = (&mut self.rows, &mut self.below);
        self.weights.backward(self.kernels, self.level, &self.backward, &self.output, of);
    }

    /// `dW = X^T dY`, and `dY` made ready for it.
    pub fn gradient(&mut self) {
        self.gradient.fill(0.0);
        self.rows.receive(self.kernels, self.level, &self.output);
        let gradient = (&mut self.gradient[..], self.forward.bias.len());
        self.rows.add_gradient(self.kernels, self.level, 0..self.input.num_columns(), gradient);
    }
}

fn number(i: usize) -> f32 {
    (i % 97 + 1) as f32 / 98.0
}

fn weights(count: usize) -> Vec<f32> {
    (0..count).map(number).collect()
}

fn input(rows: usize, inputs: usize) -> Matrix {
    let mut input = Matrix::default();
    input.reshape(rows, inputs);
    for row in 0..rows {
        input.row_mut(row).iter_mut().enumerate().for_each(|(i, x)| *x = number(row + i));
    }
    input
}

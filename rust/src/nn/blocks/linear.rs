//! Fully connected: `y = x W + b`, for each of the tokens where there are several; with
//! `max(y, 0)` where a ReLU follows. With `dz = dy` where `y > 0`: `dx = dz W^T`, `dW = x^T dz`, and
//! `db` is the sum of the rows of `dz`.

use std::ops::Range;

use super::half_linear::{HalfRows, HalfWeights};
use super::{columns, join, split, Kept, Layer, Span};
use crate::nn::buffer::Matrix;
use crate::nn::kernels::{Kernels, Numbers, PackedLinear, Packing, TILE_ROWS};
use crate::nn::layout::{Flat, Layout};
use crate::nn::shapes::Parameter;

/// Rows of a layer's weights whose gradient is one piece of work.
const PIECE_ROWS: usize = 8 * TILE_ROWS;

/// One linear block, or several of the same input side by side.
pub(in crate::nn) struct Affine {
    pub(in crate::nn) weights: Weights,
    halves: HalfWeights,
    tokens: usize,
    relu: bool,
}

/// A matrix and a bias: where they are in the flat vector, and as the kernels read them.
pub(in crate::nn) struct Weights {
    /// Where the matrix `[inputs, padded outputs]` and the bias start.
    matrix: usize,
    bias: usize,
    pub(in crate::nn) inputs: usize,
    pub(in crate::nn) outputs: usize,
    has_bias: bool,
    pub(in crate::nn) forward: PackedLinear,
    /// `[outputs, inputs]`
    pub(in crate::nn) backward: PackedLinear,
}

impl Weights {
    /// Places each of `parts`, its outputs and its parameters: a matrix, and a bias or none.
    pub(in crate::nn) fn new(
        inputs: usize,
        parts: Vec<(usize, Vec<Parameter>)>,
        relu: bool,
        layout: &mut Layout,
    ) -> Self {
        let outputs = parts.iter().map(|(outputs, _)| outputs).sum();
        let mut weights = Self::reserve(inputs, outputs, relu, layout);
        let mut column = 0;
        for (outputs, parameters) in parts {
            for parameter in parameters {
                weights.place(parameter, column, layout);
            }
            column += outputs;
        }
        weights
    }

    /// Room for a matrix and a bias, which [`Weights::place`] gives their parameters.
    pub(in crate::nn) fn reserve(
        inputs: usize,
        outputs: usize,
        relu: bool,
        layout: &mut Layout,
    ) -> Self {
        let padded = columns(outputs);
        let (matrix, bias) = (layout.reserve(inputs * padded), layout.reserve(padded));
        let forward = PackedLinear::zeros(inputs, outputs, relu);
        let backward = PackedLinear::zeros(outputs, inputs, false);
        Self { matrix, bias, inputs, outputs, has_bias: false, forward, backward }
    }

    /// Puts a matrix, or a bias, to the outputs from `column` on.
    pub(in crate::nn) fn place(
        &mut self,
        parameter: Parameter,
        column: usize,
        layout: &mut Layout,
    ) {
        let (padded, outputs) = (self.forward.bias.len(), parameter.shape[0]);
        let is_bias = parameter.shape.len() == 1;
        self.has_bias |= is_bias;
        match is_bias {
            true => layout.place(parameter, self.bias + column, padded, [1, outputs]),
            false => {
                layout.place(parameter, self.matrix + column, padded, [self.inputs, outputs]);
            }
        }
    }

    /// As [`Layer::pack`].
    pub(in crate::nn) fn pack<'a>(
        &'a mut self,
        kernels: Kernels,
        weights: &'a Flat,
        rest: &mut Vec<Packing<'a>>,
    ) {
        self.take_bias(weights);
        let Numbers { from, stride, .. } = self.numbers(weights);
        let Self { inputs, outputs, forward, backward, .. } = self;
        rest.extend(kernels.repack(&mut forward.weights, from, stride, *outputs));
        rest.extend(kernels.repack_transposed(&mut backward.weights, from, stride, *inputs));
    }

    fn take_bias(&mut self, weights: &Flat) {
        let padded = self.forward.bias.len();
        self.forward.bias.copy_from_slice(&weights.0[self.bias..][..padded]);
    }

    /// The matrix in the flat vector, with what fills its rows up.
    fn numbers<'a>(&self, weights: &'a Flat) -> Numbers<'a> {
        let padded = self.forward.bias.len();
        let from = &weights.0[self.matrix..][..self.inputs * padded];
        Numbers { from, stride: padded, rows: self.inputs, columns: padded }
    }

    /// Pieces of the matrix, then the bias.
    pub(in crate::nn) fn spans(&self) -> Vec<Span> {
        let padded = self.forward.bias.len();
        let rows = (0..self.inputs).step_by(PIECE_ROWS);
        let mut spans: Vec<Span> = rows
            .map(|first| {
                let rows = self.inputs.min(first + PIECE_ROWS) - first;
                Span { start: self.matrix + first * padded, len: rows * padded }
            })
            .collect();
        if self.has_bias {
            spans.push(Span { start: self.bias, len: padded });
        }
        spans
    }

    /// Adds what rows of inputs and the gradient by their sums make of piece `piece`.
    pub(in crate::nn) fn add_gradient(
        &self,
        kernels: Kernels,
        piece: usize,
        input: &Matrix,
        delta: &Matrix,
        gradient: &mut [f32],
    ) {
        match self.rows_of(piece) {
            rows if rows.is_empty() => kernels.add_rows(delta, gradient),
            rows => kernels.add_products(input, rows, delta, gradient),
        }
    }

    /// The rows of the matrix that a piece has; none: it is the bias.
    fn rows_of(&self, piece: usize) -> Range<usize> {
        let first = self.inputs.min(piece * PIECE_ROWS);
        first..self.inputs.min(first + PIECE_ROWS)
    }
}

impl Affine {
    /// `parts` as [`Weights::new`] takes them.
    pub(in crate::nn) fn new(
        tokens: usize,
        inputs: usize,
        parts: Vec<(usize, Vec<Parameter>)>,
        relu: bool,
        layout: &mut Layout,
    ) -> Self {
        let weights = Weights::new(inputs, parts, relu, layout);
        Self { weights, halves: HalfWeights::default(), tokens, relu }
    }
}

impl Affine {
    /// `output = input W + b`
    fn multiply(&self, kernels: Kernels, input: &Matrix, of: &mut HalfRows, output: &mut Matrix) {
        let layer = &self.weights.forward;
        match kernels.bf16() {
            None => kernels.multiply(layer, input, output),
            Some(level) => self.halves.forward(kernels, level, layer, input, (of, output)),
        }
    }

    /// `below = delta W^T`
    fn multiply_back(
        &self,
        kernels: Kernels,
        delta: &Matrix,
        of: &mut HalfRows,
        below: &mut Matrix,
    ) {
        let layer = &self.weights.backward;
        match kernels.bf16() {
            None => kernels.multiply(layer, delta, below),
            Some(level) => self.halves.backward(kernels, level, layer, delta, (of, below)),
        }
    }
}

impl Layer for Affine {
    fn pack<'a>(&'a mut self, kernels: Kernels, weights: &'a Flat, rest: &mut Vec<Packing<'a>>) {
        match kernels.bf16() {
            None => self.weights.pack(kernels, weights, rest),
            Some(level) => {
                self.weights.take_bias(weights);
                let matrix = self.weights.numbers(weights);
                let Weights { outputs, forward, backward, .. } = &mut self.weights;
                let layers = [&mut forward.weights, &mut backward.weights];
                rest.extend(self.halves.pack(kernels, level, matrix, *outputs, layers));
            }
        }
    }

    fn is_of_bf16(&self) -> bool {
        true
    }

    fn forward(&self, kernels: Kernels, input: &Matrix, kept: &mut Kept) {
        let Kept { output, saved: [inputs, outputs, ..], halves, .. } = kept;
        if self.tokens == 1 {
            return self.multiply(kernels, input, halves, output);
        }
        split(input, self.tokens, self.weights.inputs, inputs);
        self.multiply(kernels, inputs, halves, outputs);
        join(outputs, self.tokens, self.weights.outputs, output);
    }

    #[cfg(feature = "learning")]
    fn backward(&self, kernels: Kernels, _: &Matrix, kept: &mut Kept, below: &mut Matrix) {
        let Kept { delta, saved: [_, spare, deltas, ..], halves, .. } = kept;
        if self.tokens == 1 {
            return self.multiply_back(kernels, delta, halves, below);
        }
        self.multiply_back(kernels, deltas, halves, spare);
        join(spare, self.tokens, self.weights.inputs, below);
    }

    fn receive(&self, kernels: Kernels, kept: &mut Kept) {
        let Kept { output, delta, saved: [_, _, deltas, ..], halves, .. } = kept;
        if self.relu {
            kernels.keep_where_positive(delta, output);
        }
        if self.tokens > 1 {
            split(delta, self.tokens, self.weights.outputs, deltas);
        }
        if let Some(level) = kernels.bf16() {
            let delta = if self.tokens > 1 { deltas } else { delta };
            halves.receive(kernels, level, delta);
        }
    }

    fn spans(&self) -> Vec<Span> {
        self.weights.spans()
    }

    #[cfg(feature = "learning")]
    fn add_gradient(
        &self,
        kernels: Kernels,
        piece: usize,
        input: &Matrix,
        kept: &Kept,
        gradient: &mut [f32],
    ) {
        let (input, delta) = match self.tokens {
            1 => (input, &kept.delta),
            _ => (&kept.saved[0], &kept.saved[2]),
        };
        let rows = self.weights.rows_of(piece);
        match kernels.bf16().filter(|_| !rows.is_empty()) {
            None => self.weights.add_gradient(kernels, piece, input, delta, gradient),
            Some(level) => {
                let gradient = (gradient, self.weights.forward.bias.len());
                kept.halves.add_gradient(kernels, level, rows, gradient);
            }
        }
    }
}

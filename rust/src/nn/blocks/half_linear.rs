//! A linear block's products in bf16, with sums in f32: factors are rounded on their way, weights once
//! an update.

use crate::nn::buffer::Matrix;
use crate::nn::kernels::{Bf16Level, Halves, Kernels, Numbers, Packing};

/// A matrix of weights `W [inputs, outputs]` as bf16.
#[derive(Default)]
pub(in crate::nn) struct HalfWeights {
    forward: Halves,
    /// `W^T`
    backward: Halves,
    spare: Halves,
}

/// Rows on their way through a layer.
#[derive(Default)]
pub(in crate::nn) struct HalfRows {
    /// The rows themselves, of no meaning between calls.
    rows: Halves,
    spare: Halves,
    /// Of the gradient of the weights: the inputs `X^T [inputs, N]` and the deltas `dZ [N, outputs]`.
    inputs: Halves,
    deltas: Halves,
}

impl HalfWeights {
    /// Takes the weights `[inputs, padded outputs]` as they are now.
    pub(in crate::nn) fn pack<'a>(
        &'a mut self,
        kernels: Kernels,
        weights: Numbers<'a>,
        outputs: usize,
    ) -> [Packing<'a>; 2] {
        let Self { forward, backward, spare } = self;
        let turned = Numbers { columns: outputs, ..weights };
        [
            Box::new(move || kernels.halve_right(weights, forward)),
            Box::new(move || kernels.halve_right_turned(turned, spare, backward)),
        ]
    }

    /// `output = X W + bias`, with a ReLU where asked; keeps `X`, the first `inputs` numbers of each row.
    pub(in crate::nn) fn forward(
        &self,
        kernels: Kernels,
        level: Bf16Level,
        (input, inputs): (&Matrix, usize),
        (bias, relu): (&[f32], bool),
        (of, output): (&mut HalfRows, &mut Matrix),
    ) {
        kernels.halve_left(Numbers::of(input, inputs), &mut of.rows);
        let all = Numbers::of(input, input.num_columns());
        kernels.halve_left_turned(all, &mut of.spare, &mut of.inputs);
        kernels.multiply_halves(level, [&of.rows, &self.forward], bias, relu, output);
    }

    /// Keeps `dZ`.
    pub(in crate::nn) fn receive(&self, kernels: Kernels, delta: &Matrix, of: &mut HalfRows) {
        kernels.halve_right(Numbers::of(delta, delta.num_columns()), &mut of.deltas);
    }

    /// `below = dZ W^T`, of at most as many columns as `zeros` are.
    pub(in crate::nn) fn backward(
        &self,
        kernels: Kernels,
        level: Bf16Level,
        (delta, outputs): (&Matrix, usize),
        zeros: &[f32],
        (of, below): (&mut HalfRows, &mut Matrix),
    ) {
        kernels.halve_left(Numbers::of(delta, outputs), &mut of.rows);
        kernels.multiply_halves(level, [&of.rows, &self.backward], zeros, false, below);
    }
}

impl HalfRows {
    /// Adds rows `inputs` of `X^T dZ` to `gradient`, `[inputs, padded outputs]`.
    pub(in crate::nn) fn add_gradient(
        &self,
        kernels: Kernels,
        level: Bf16Level,
        inputs: std::ops::Range<usize>,
        (gradient, padded): (&mut [f32], usize),
    ) {
        kernels.add_halves(level, (&self.inputs, inputs), &self.deltas, (gradient, padded));
    }
}

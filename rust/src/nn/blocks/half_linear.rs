//! A linear block's products in bf16, with sums in f32: factors are rounded on their way, weights once
//! an update. They are put into words where the level reads such, else multiplied by the loops of f32.

use std::ops::Range;

use crate::nn::buffer::{Aligned, Matrix};
use crate::nn::kernels::{Bf16Level, Halves, Kernels, Numbers, Packed, PackedLinear, Packing};

/// A matrix of weights `W [inputs, outputs]` as bf16, of no use where numbers alone are rounded: then
/// the layers of [`HalfWeights::pack`] have them.
#[derive(Default)]
pub(in crate::nn) struct HalfWeights {
    forward: Halves,
    /// `W^T`
    backward: Halves,
    spare: Halves,
    /// `W` in f32, of no meaning but while the layers are packed.
    rounded: Aligned,
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
    /// `X` and `dZ` in f32.
    rounded: [Matrix; 2],
}

impl HalfWeights {
    /// Takes the weights `[inputs, padded outputs]` as they are now, into those of the `layers` forward
    /// and backward where they are multiplied as f32.
    pub(in crate::nn) fn pack<'a>(
        &'a mut self,
        kernels: Kernels,
        level: Bf16Level,
        weights: Numbers<'a>,
        outputs: usize,
        layers: [&'a mut Packed; 2],
    ) -> Vec<Packing<'a>> {
        let Self { forward, backward, spare, rounded } = self;
        if level.reads_words() {
            let turned = Numbers { columns: outputs, ..weights };
            return vec![
                Box::new(move || kernels.halve_right(weights, forward)),
                Box::new(move || kernels.halve_right_turned(turned, spare, backward)),
            ];
        }
        let Numbers { from, stride, rows, .. } = weights;
        rounded.grow(from.len());
        kernels.round(from, rounded);
        let rounded = &*rounded;
        let [forward, backward] = layers;
        let forward = kernels.repack(forward, rounded, stride, outputs);
        forward.chain(kernels.repack_transposed(backward, rounded, stride, rows)).collect()
    }

    /// `output = X W + bias`, with a ReLU where `layer` has one; keeps `X`.
    pub(in crate::nn) fn forward(
        &self,
        kernels: Kernels,
        level: Bf16Level,
        layer: &PackedLinear,
        input: &Matrix,
        (of, output): (&mut HalfRows, &mut Matrix),
    ) {
        let HalfRows { rows, spare, inputs, rounded: [rounded, _], .. } = of;
        if level.reads_words() {
            kernels.halve_left(Numbers::of(input, layer.weights.num_rows), rows);
            kernels.halve_left_turned(Numbers::of(input, input.num_columns()), spare, inputs);
            let both = [&*rows, &self.forward];
            return kernels.multiply_halves(level, both, &layer.bias, layer.relu, output);
        }
        kernels.round_rows(input, rounded);
        kernels.multiply(layer, rounded, output);
    }

    /// `below = dZ W^T` by `layer`, of the `dZ` that is kept.
    pub(in crate::nn) fn backward(
        &self,
        kernels: Kernels,
        level: Bf16Level,
        layer: &PackedLinear,
        delta: &Matrix,
        (of, below): (&mut HalfRows, &mut Matrix),
    ) {
        if level.reads_words() {
            kernels.halve_left(Numbers::of(delta, layer.weights.num_rows), &mut of.rows);
            let both = [&of.rows, &self.backward];
            return kernels.multiply_halves(level, both, &layer.bias, false, below);
        }
        kernels.multiply(layer, &of.rounded[1], below);
    }
}

impl HalfRows {
    /// Keeps `dZ`.
    pub(in crate::nn) fn receive(&mut self, kernels: Kernels, level: Bf16Level, delta: &Matrix) {
        if level.reads_words() {
            kernels.halve_right(Numbers::of(delta, delta.num_columns()), &mut self.deltas);
        } else {
            kernels.round_rows(delta, &mut self.rounded[1]);
        }
    }

    /// Adds rows `inputs` of `X^T dZ` to `gradient`, `[inputs, padded outputs]`.
    pub(in crate::nn) fn add_gradient(
        &self,
        kernels: Kernels,
        level: Bf16Level,
        inputs: Range<usize>,
        (gradient, padded): (&mut [f32], usize),
    ) {
        if level.reads_words() {
            let left = (&self.inputs, inputs);
            return kernels.add_halves(level, left, &self.deltas, (gradient, padded));
        }
        let [input, delta] = &self.rounded;
        kernels.add_products(input, inputs, delta, gradient);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::kernels::{CpuLevel, LANES};

    fn matrix(rows: usize, columns: usize, number: impl Fn(usize) -> f32) -> Matrix {
        let mut matrix = Matrix::default();
        matrix.reshape(rows, columns.next_multiple_of(LANES));
        for row in 0..rows {
            let numbers = matrix.row_mut(row).iter_mut().enumerate();
            // What fills the rows up is not read.
            numbers.for_each(|(i, to)| {
                *to = if i < columns { number(row * columns + i) } else { 1e9 }
            });
        }
        matrix
    }

    /// Those of the processor, and rounded numbers by vectors of every kind and by none.
    fn levels() -> impl Iterator<Item = (Bf16Level, Kernels)> {
        let found = Bf16Level::ALL.map(|level| (level, CpuLevel::detect()));
        let narrow = [CpuLevel::Avx2, CpuLevel::Portable].map(|cpu| (Bf16Level::Rounded, cpu));
        let found = found.into_iter().chain(narrow);
        found
            .filter(|(level, cpu)| level.is_available() && cpu.is_available())
            .map(|(level, cpu)| (level, Kernels::new(cpu).unwrap()))
    }

    /// The products of a layer of `x [rows, inputs]`, `w [inputs, outputs]` and `dz [rows, outputs]`.
    struct Made {
        /// `x w + bias`, and nothing below 0.
        output: Matrix,
        /// `dz w^T`
        below: Matrix,
        /// What was in it and `x^T dz`, `[inputs, padded outputs]`.
        gradient: Vec<f32>,
    }

    impl Made {
        fn by(
            level: Bf16Level,
            kernels: Kernels,
            [x, w, dz]: [&Matrix; 3],
            sizes: [usize; 2],
        ) -> Self {
            let [inputs, outputs] = sizes;
            let (mut weights, mut of) = (HalfWeights::default(), HalfRows::default());
            let mut forward = PackedLinear::zeros(inputs, outputs, true);
            let mut backward = PackedLinear::zeros(outputs, inputs, false);
            let numbers = Numbers::of(w, w.num_columns());
            let layers = [&mut forward.weights, &mut backward.weights];
            let packings = weights.pack(kernels, level, numbers, outputs, layers);
            packings.into_iter().for_each(|pack| pack());
            forward.bias.iter_mut().enumerate().for_each(|(i, bias)| *bias = number(i));

            let [mut output, mut below] = [(); 2].map(|()| Matrix::default());
            weights.forward(kernels, level, &forward, x, (&mut of, &mut output));
            of.receive(kernels, level, dz);
            weights.backward(kernels, level, &backward, dz, (&mut of, &mut below));
            let padded = forward.bias.len();
            let mut gradient = vec![2.0; inputs * padded];
            of.add_gradient(kernels, level, 0..inputs, (&mut gradient, padded));
            Self { output, below, gradient }
        }
    }

    /// Small and whole: their products have exact sums.
    fn number(i: usize) -> f32 {
        (i * 7919 % 31) as f32 - 15.0
    }

    #[test]
    fn every_level_has_the_sums_of_plain_loops() {
        // Tiles and parts of tiles, panels in ones, twos and fours, and nothing.
        for [rows, inputs, outputs] in
            [[1, 1, 1], [16, 32, 16], [41, 70, 33], [70, 33, 100], [64, 64, 64], [0, 9, 9]]
        {
            let (x, dz) = (matrix(rows, inputs, number), matrix(rows, outputs, |i| number(i + 7)));
            let w = matrix(inputs, outputs, |i| number(i + 3));
            let dot = |terms: &mut dyn Iterator<Item = (f32, f32)>| {
                terms.map(|(a, b)| a * b).sum::<f32>()
            };
            for (level, kernels) in levels() {
                let about = format!("{level:?} {:?} {rows} {inputs} {outputs}", kernels.level());
                let made = Made::by(level, kernels, [&x, &w, &dz], [inputs, outputs]);
                for row in 0..rows {
                    for column in 0..outputs {
                        let terms = &mut (0..inputs).map(|k| (x.row(row)[k], w.row(k)[column]));
                        let sum = (number(column) + dot(terms)).max(0.0);
                        assert_eq!(made.output.row(row)[column], sum, "{about}");
                    }
                    for input in 0..inputs {
                        let terms = &mut (0..outputs).map(|k| (dz.row(row)[k], w.row(input)[k]));
                        assert_eq!(made.below.row(row)[input], dot(terms), "{about}");
                    }
                }
                let padded = outputs.next_multiple_of(LANES);
                for (input, sums) in made.gradient.chunks(padded).enumerate() {
                    for (output, &sum) in sums[..outputs].iter().enumerate() {
                        let terms = &mut (0..rows).map(|k| (x.row(k)[input], dz.row(k)[output]));
                        assert_eq!(sum, 2.0 + dot(terms), "{about}");
                    }
                }
            }
        }
    }

    /// Numbers that are rounded: factors alike everywhere, so that only sums differ, in the last digits.
    #[test]
    fn levels_differ_in_the_order_of_sums_alone() {
        let number = |i: usize| ((i * 7919 % 1009) as f32 - 500.0) / 333.0;
        let [rows, inputs, outputs] = [37, 200, 48];
        let (x, dz) = (matrix(rows, inputs, number), matrix(rows, outputs, |i| number(i + 7)));
        let w = matrix(inputs, outputs, |i| number(i + 5));
        let half = |number: f32| {
            let bits = number.to_bits();
            f64::from(f32::from_bits((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF_0000))
        };
        let sum = |terms: &mut dyn Iterator<Item = (f32, f32)>| {
            terms.map(|(a, b)| half(a) * half(b)).sum::<f64>()
        };
        let near = |found: f32, expected: f64, about: &str| {
            assert!((f64::from(found) - expected).abs() < 3e-5, "{about}: {found} {expected}");
        };
        let mut rounded = Vec::new();
        for (level, kernels) in levels() {
            let about = format!("{level:?} {:?}", kernels.level());
            let made = Made::by(level, kernels, [&x, &w, &dz], [inputs, outputs]);
            for row in 0..rows {
                for (input, &found) in made.below.row(row)[..inputs].iter().enumerate() {
                    let terms = &mut (0..outputs).map(|k| (dz.row(row)[k], w.row(input)[k]));
                    near(found, sum(terms), &about);
                }
            }
            for (i, &found) in made.gradient.iter().enumerate() {
                let terms = &mut (0..rows).map(|k| (x.row(k)[i / outputs], dz.row(k)[i % outputs]));
                near(found, 2.0 + sum(terms), &about);
            }
            if level == Bf16Level::Rounded {
                rounded.push(made.gradient);
            }
        }
        // Of exact products every kind of vector makes the same sums.
        assert!(rounded.windows(2).all(|two| two[0] == two[1]));
    }
}

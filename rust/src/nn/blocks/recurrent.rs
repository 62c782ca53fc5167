//! Layers that remember: RNN, GRU and LSTM over sequences, each step by a [`Cell`].
//!
//! The rows are those of several sequences, step after step; at each step come the sequences that
//! last so long, the longest first. `x W_ih` is made of all rows at once, `h W_hh` step by step; the
//! way back goes through the steps from the last to the first (Werbos 1990, "Backpropagation through
//! time"), and with the gradients by both, `dW_ih = x^T de` and `dW_hh = h^T du` of all rows at once.

use serde::{Deserialize, Serialize};

use super::cells::{Back, Cell, Step};
use super::linear::Weights;
use super::{columns, named, Kept, Layer, Span};
use crate::error::{Error, Result};
use crate::nn::buffer::Matrix;
use crate::nn::kernels::{Kernels, Packing};
use crate::nn::layout::{Flat, Layout};
use crate::nn::memory::Memory;
use crate::nn::shapes::{mismatch, Parameter, MOST_NUMBERS};

/// torch's RNN, GRU and LSTM of `layers` layers, or one of its cells: `weight_ih [G size, inputs]`,
/// `weight_hh [G size, size]`, and `bias_ih`, `bias_hh [G size]` unless `bias` is false, with `_l0`,
/// `_l1`, .. behind each name unless it `is_cell`; `G` is 1, 3 or 4. Of a shape `[inputs]`, or the same
/// with axes of 1 before it.
///
/// It remembers `h [size]` of each layer, and then `c [size]` of each layer of an LSTM.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recurrent {
    pub name: String,
    pub cell: Cell,
    pub inputs: usize,
    pub size: usize,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub layers: usize,
    #[serde(default = "super::yes", skip_serializing_if = "Clone::clone")]
    pub bias: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cell: bool,
}

const MOST_LAYERS: usize = 1000;

fn one() -> usize {
    1
}

fn is_one(layers: &usize) -> bool {
    *layers == 1
}

impl Recurrent {
    pub(in crate::nn) fn parameters(&self) -> Vec<Parameter> {
        let layers = if self.is_cell { 1 } else { self.layers.min(MOST_LAYERS) };
        (0..layers).flat_map(|layer| self.parameters_of(layer)).collect()
    }

    fn parameters_of(&self, layer: usize) -> Vec<Parameter> {
        let suffix = if self.is_cell { String::new() } else { format!("_l{layer}") };
        let inputs = if layer == 0 { self.inputs } else { self.size };
        let gates = self.size.saturating_mul(self.cell.num_gates());
        let named = |kind: &str, shape| named(&self.name, &format!("{kind}{suffix}"), shape);
        let mut parameters = vec![
            named("weight_ih", vec![gates, inputs]),
            named("weight_hh", vec![gates, self.size]),
        ];
        if self.bias {
            parameters.extend(["bias_ih", "bias_hh"].map(|kind| named(kind, vec![gates])));
        }
        parameters
    }

    /// The shape of what it makes of `input`.
    pub(in crate::nn) fn output(&self, input: &[usize]) -> Result<Vec<usize>> {
        let Some((&last, tokens)) = input.split_last().filter(|(last, _)| **last == self.inputs)
        else {
            return Err(mismatch(format!("[{}]", self.inputs), input));
        };
        if tokens.iter().any(|&count| count != 1) {
            return Err(mismatch(format!("[{last}], an observation at a time"), input));
        }
        let most = if self.is_cell { 1 } else { MOST_LAYERS };
        if !(1..=most).contains(&self.layers) {
            return Err(Error::invalid("layers", format!("1 to {most}"), self.layers));
        }
        if self.size == 0 || self.size > MOST_NUMBERS / self.num_kept(1).max(1) {
            return Err(Error::invalid("size", "at least 1 and no more than fits", self.size));
        }
        Ok([tokens, &[self.size]].concat())
    }

    /// Numbers that a layer keeps of a row.
    pub(in crate::nn) fn num_kept(&self, size: usize) -> usize {
        columns(size) * 4 + 3 * columns(size.saturating_mul(self.cell.num_gates()))
    }

    /// One of its layers.
    pub(in crate::nn) fn layer(&self, layer: usize, layout: &mut Layout) -> Box<dyn Layer> {
        let parameters = self.parameters_of(layer);
        let inputs = parameters[0].shape[1];
        let gates = self.size * self.cell.num_gates();
        let mut weights =
            [inputs, self.size].map(|inputs| Weights::reserve(inputs, gates, false, layout));
        for (i, parameter) in parameters.into_iter().enumerate() {
            weights[i % 2].place(parameter, 0, layout);
        }
        let [entering, recalling] = weights;
        let num_entering = entering.spans().len();
        Box::new(Sequence { cell: self.cell, size: self.size, entering, recalling, num_entering })
    }
}

struct Sequence {
    cell: Cell,
    size: usize,
    /// From what is seen to the gates.
    entering: Weights,
    /// From what is remembered to the gates.
    recalling: Weights,
    /// Pieces of the gradient of `entering`.
    num_entering: usize,
}

impl Layer for Sequence {
    fn pack<'a>(&'a mut self, kernels: Kernels, weights: &'a Flat, rest: &mut Vec<Packing<'a>>) {
        self.entering.pack(kernels, weights, rest);
        self.recalling.pack(kernels, weights, rest);
    }

    fn forward(&self, kernels: Kernels, input: &Matrix, kept: &mut Kept) {
        let Kept { output, saved: [before, gates, cells, shown, ..], memory, spare, .. } = kept;
        let Memory { steps, h, c, .. } = memory;
        let (count, width) = (input.num_rows(), columns(self.size));
        kernels.multiply(&self.entering.forward, input, gates);
        for matrix in [&mut *output, &mut *before, &mut *cells, &mut *shown] {
            matrix.reshape(count, width);
        }
        let mut first = 0;
        for &rows in steps.iter() {
            h.reshape(rows, width);
            c.reshape(rows, width);
            kernels.multiply(&self.recalling.forward, h, spare);
            kernels.widely(
                #[inline(always)]
                || {
                    for row in 0..rows {
                        let place = first + row;
                        before.row_mut(place).copy_from_slice(h.row(row));
                        let step = Step {
                            gates: gates.row_mut(place),
                            recalled: spare.row(row),
                            h: h.row_mut(row),
                            c: c.row_mut(row),
                            kept: cells.row_mut(place),
                            shown: shown.row_mut(place),
                        };
                        self.cell.step(self.size, step);
                        output.row_mut(place).copy_from_slice(h.row(row));
                    }
                },
            );
            first += rows;
        }
        let most = steps.first().copied().unwrap_or(0);
        h.reshape(most, width);
        c.reshape(most, width);
    }

    fn receive(&self, kernels: Kernels, kept: &mut Kept) {
        let Kept { delta, saved: [before, gates, cells, shown, entered, recalled], memory, .. } =
            kept;
        let Memory { steps, by_h, beside, by_recalled, .. } = memory;
        let (count, width) = (delta.num_rows(), columns(self.size));
        let num_gates = self.size * self.cell.num_gates();
        for matrix in [&mut *entered, &mut *recalled] {
            matrix.reshape(count, columns(num_gates));
            matrix.clear_from(num_gates);
        }
        let most = steps.first().copied().unwrap_or(0);
        for matrix in [&mut *by_h, &mut *beside] {
            matrix.reshape(most, width);
            matrix.clear_from(0);
        }
        let mut end = count;
        for &rows in steps.iter().rev() {
            let first = end - rows;
            by_recalled.reshape(rows, columns(num_gates));
            by_h.reshape(rows, width);
            beside.reshape(rows, width);
            kernels.widely(
                #[inline(always)]
                || {
                    for row in 0..rows {
                        let place = first + row;
                        let dh = by_h.row_mut(row);
                        dh.iter_mut().zip(delta.row(place)).for_each(|(sum, by)| *sum += by);
                        if self.cell.adds_beside() {
                            let more = beside.row(row).iter();
                            dh.iter_mut().zip(more).for_each(|(sum, by)| *sum += by);
                        }
                        let back = Back {
                            gates: gates.row(place),
                            before: before.row(place),
                            kept: cells.row(place),
                            shown: shown.row(place),
                            dh,
                            beside: beside.row_mut(row),
                            entered: entered.row_mut(place),
                            recalled: recalled.row_mut(place),
                        };
                        self.cell.back(self.size, back);
                        let made = if self.cell.adds_beside() { &*recalled } else { &*entered };
                        by_recalled.row_mut(row).copy_from_slice(made.row(place));
                    }
                },
            );
            end = first;
            if first > 0 {
                kernels.multiply(&self.recalling.backward, by_recalled, by_h);
            }
        }
    }

    #[cfg(feature = "learning")]
    fn backward(&self, kernels: Kernels, _: &Matrix, kept: &mut Kept, below: &mut Matrix) {
        kernels.multiply(&self.entering.backward, &kept.saved[4], below);
    }

    fn spans(&self) -> Vec<Span> {
        [self.entering.spans(), self.recalling.spans()].concat()
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
        let [before, _, _, _, entered, recalled] = &kept.saved;
        match piece.checked_sub(self.num_entering) {
            None => self.entering.add_gradient(kernels, piece, input, entered, gradient),
            Some(piece) => {
                let delta = if self.cell.adds_beside() { recalled } else { entered };
                self.recalling.add_gradient(kernels, piece, before, delta, gradient);
            }
        }
    }
}

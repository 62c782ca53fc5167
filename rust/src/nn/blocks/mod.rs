//! What networks are composed of: one block a file, with its equation, shapes, forward and backward.
//!
//! A block is described by data ([`Describe`]), of which a [`Layer`] is made for inputs of one shape.
//! To add one: its file, its lines in [`Block`](super::Block), its line in
//! `python/twisterl/nn/layers.py`, and its line in `tests/reference/write_blocks.py`.
//!
//! What a layer makes of a row depends on that row alone, to the last bit.

pub(super) mod activation;
pub(super) mod attention;
pub(super) mod cells;
pub(super) mod conv;
pub(super) mod group_norm;
pub(super) mod half_linear;
pub(super) mod layer_norm;
pub(super) mod linear;
pub(super) mod lookup;
pub(super) mod offset;
pub(super) mod pool;
pub(super) mod recurrent;
pub(super) mod running_norm;

use super::buffer::Matrix;
use super::kernels::{Kernels, Packing, LANES};
use super::layout::{Flat, Layout};
use super::memory::Memory;
use super::shapes::Parameter;
use crate::error::{Error, Result};

/// A block as data.
pub(super) trait Describe {
    /// Its parameters, with the names and shapes that torch gives them.
    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }

    /// The shape of what it makes of an observation's `input`.
    ///
    /// # Errors
    /// If it takes no such input; [`mismatch`](super::shapes::mismatch) says what it expects.
    fn output(&self, input: &[usize]) -> Result<Vec<usize>>;

    /// The layer for inputs of a shape that [`Describe::output`] takes, its parameters in `layout`.
    fn layer(&self, input: &[usize], layout: &mut Layout) -> Box<dyn Layer>;
}

/// A part of the flat vector.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) len: usize,
}

/// What a layer keeps of some rows: its outputs, the gradient of the loss by them, and what it likes.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) output: Matrix,
    pub(super) delta: Matrix,
    pub(super) saved: [Matrix; 6],
    halves: half_linear::HalfRows,
    /// Of no meaning between calls.
    pub(super) spare: Matrix,
    /// Of a layer that remembers.
    pub(super) memory: Memory,
    /// Whether anything of the loss has come up to here.
    pub(super) has_delta: bool,
}

impl Kept {
    /// Adds `more` to the gradient by the outputs; what is in `more` then is unspecified.
    pub(super) fn take_delta(&mut self, more: &mut Matrix) {
        if self.has_delta {
            self.delta.add(more);
        } else {
            std::mem::swap(&mut self.delta, more);
            self.has_delta = true;
        }
    }
}

/// A block for inputs of one shape. Activations are `[N, width]`, a row's numbers in torch's order.
pub(super) trait Layer: Send + Sync {
    /// Takes the weights as they are now; what takes long is put behind `rest`, to be called.
    fn pack<'a>(&'a mut self, _: Kernels, _: &'a Flat, _rest: &mut Vec<Packing<'a>>) {}

    /// Whether its products are of bf16 where the kernels say so.
    fn is_of_bf16(&self) -> bool {
        false
    }

    /// Writes `kept.output`, and to `kept.saved` what the way back needs.
    fn forward(&self, kernels: Kernels, input: &Matrix, kept: &mut Kept);

    /// Whether it takes one row after another: it wins nothing by many at a time.
    fn is_by_row(&self) -> bool {
        false
    }

    /// Refuses inputs that are none.
    fn check(&self, _: &Matrix) -> Result<()> {
        Ok(())
    }

    /// Readies `kept.delta`, which is complete: once, before what follows.
    fn receive(&self, _: Kernels, _: &mut Kept) {}

    /// Writes to `below` the gradient by `input`.
    #[cfg(feature = "learning")]
    fn backward(&self, kernels: Kernels, input: &Matrix, kept: &mut Kept, below: &mut Matrix);

    /// The pieces that the gradient by its parameters is made in, ascending.
    fn spans(&self) -> Vec<Span> {
        Vec::new()
    }

    /// Adds to `gradient`, piece `piece` of [`Layer::spans`], what these rows say.
    #[cfg(feature = "learning")]
    fn add_gradient(&self, _: Kernels, _: usize, _: &Matrix, _: &Kept, _: &mut [f32]) {}
}

/// The parameter `kind` of the block `name`.
pub(super) fn named(name: &str, kind: &str, shape: Vec<usize>) -> Parameter {
    Parameter { name: format!("{name}.{kind}"), shape }
}

/// Columns of a matrix for `width` numbers.
pub(super) fn columns(width: usize) -> usize {
    width.next_multiple_of(LANES)
}

/// What a flag of a description is where it is left out.
pub(super) fn yes() -> bool {
    true
}

pub(super) fn check_eps(eps: f32) -> Result<()> {
    match eps.is_finite() && eps >= 0.0 {
        true => Ok(()),
        false => Err(Error::invalid("eps", "a number of at least 0", eps)),
    }
}

/// `to [N * tokens, width]` from the rows `[N, tokens * width]` of `from`.
pub(super) fn split(from: &Matrix, tokens: usize, width: usize, to: &mut Matrix) {
    to.reshape(from.num_rows() * tokens, columns(width));
    for row in 0..from.num_rows() {
        for (token, numbers) in from.row(row).chunks_exact(width).take(tokens).enumerate() {
            let to = to.row_mut(row * tokens + token);
            to[..width].copy_from_slice(numbers);
            to[width..].fill(0.0);
        }
    }
}

/// `to [N, tokens * width]` from the rows `[N * tokens, width]` of `from`.
pub(super) fn join(from: &Matrix, tokens: usize, width: usize, to: &mut Matrix) {
    to.reshape(from.num_rows() / tokens, columns(tokens * width));
    for row in 0..to.num_rows() {
        let to = to.row_mut(row);
        for (token, to) in to.chunks_exact_mut(width).take(tokens).enumerate() {
            to.copy_from_slice(&from.row(row * tokens + token)[..width]);
        }
    }
}

//! Self-attention of `tokens` of `size` numbers each, in `heads` of `d = size / heads`
//! (Vaswani and others, "Attention is all you need", 3.2). Of each head:
//!
//! ```text
//! q, k, v = x W_in + b_in        p = softmax(q k^T / sqrt(d))        y = (p v) W_out + b_out
//! dv = p^T do        dp = do v^T        ds = p (dp - sum of p dp)
//! dq = ds k / sqrt(d)        dk = ds^T q / sqrt(d)
//! ```

use serde::{Deserialize, Serialize};

use super::layer_norm::sum;
use super::linear::Weights;
use super::{columns, join, named, split, Describe, Kept, Layer, Span};
use crate::error::{Error, Result};
use crate::nn::buffer::Matrix;
use crate::nn::functions::exp;
use crate::nn::kernels::Kernels;
use crate::nn::layout::{Flat, Layout};
use crate::nn::shapes::MOST_NUMBERS;
use crate::nn::shapes::{mismatch, Parameter};

/// torch's MultiheadAttention of one sequence with itself: `in_proj_weight [3 size, size]`,
/// `out_proj.weight [size, size]`, and `in_proj_bias`, `out_proj.bias` unless `bias` is false. Of a shape
/// `[tokens, size]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attention {
    pub name: String,
    pub size: usize,
    pub heads: usize,
    #[serde(default = "super::yes", skip_serializing_if = "Clone::clone")]
    pub bias: bool,
}

impl Attention {
    fn input_parameters(&self) -> Vec<Parameter> {
        let parameter =
            |kind: &str, shape| Parameter { name: format!("{}.{kind}", self.name), shape };
        let three = self.size.saturating_mul(3);
        let mut parameters = vec![parameter("in_proj_weight", vec![three, self.size])];
        if self.bias {
            parameters.push(parameter("in_proj_bias", vec![three]));
        }
        parameters
    }

    fn output_parameters(&self) -> Vec<Parameter> {
        let name = format!("{}.out_proj", self.name);
        let mut parameters = vec![named(&name, "weight", vec![self.size, self.size])];
        if self.bias {
            parameters.push(named(&name, "bias", vec![self.size]));
        }
        parameters
    }
}

impl Describe for Attention {
    fn parameters(&self) -> Vec<Parameter> {
        [self.input_parameters(), self.output_parameters()].concat()
    }

    fn output(&self, input: &[usize]) -> Result<Vec<usize>> {
        let &[tokens, size] = input else {
            return Err(mismatch(format!("[tokens, {}]", self.size), input));
        };
        if size != self.size {
            return Err(mismatch(format!("[tokens, {}]", self.size), input));
        }
        if self.heads == 0 || !size.is_multiple_of(self.heads) {
            return Err(Error::invalid("heads", format!("a divisor of {size}"), self.heads));
        }
        let most = tokens.saturating_mul(tokens).saturating_mul(self.heads);
        match most.saturating_add(tokens.saturating_mul(columns(3 * size))) > MOST_NUMBERS {
            false => Ok(input.to_vec()),
            true => {
                let expected = format!("at most {MOST_NUMBERS} numbers in heads x tokens^2");
                Err(Error::invalid("input", expected, format!("{input:?}")))
            }
        }
    }

    fn layer(&self, input: &[usize], layout: &mut Layout) -> Box<dyn Layer> {
        let size = self.size;
        let inward = vec![(3 * size, self.input_parameters())];
        let inward = Weights::new(size, inward, false, layout);
        let outward = vec![(size, self.output_parameters())];
        let outward = Weights::new(size, outward, false, layout);
        let num_inward = inward.spans().len();
        Box::new(Heads { tokens: input[0], size, heads: self.heads, inward, outward, num_inward })
    }
}

struct Heads {
    tokens: usize,
    size: usize,
    heads: usize,
    /// To the queries, the keys and the values of all heads.
    inward: Weights,
    outward: Weights,
    /// Pieces of the gradient of `inward`.
    num_inward: usize,
}

impl Heads {
    fn width(&self) -> usize {
        self.size / self.heads
    }

    fn scale(&self) -> f32 {
        1.0 / (self.width() as f32).sqrt()
    }

    /// Where head `head` of the queries (0), the keys (1) or the values (2) begins in a token's row.
    fn column(&self, which: usize, head: usize) -> usize {
        which * self.size + head * self.width()
    }

    /// The numbers of a head in a token's row.
    #[inline(always)]
    fn part<'a>(&self, from: &'a Matrix, token: usize, which: usize, head: usize) -> &'a [f32] {
        &from.row(token)[self.column(which, head)..][..self.width()]
    }

    /// Of one observation, whose tokens begin at `first`: the probabilities `[heads, tokens, tokens]`, and
    /// the values so mixed.
    #[inline(always)]
    fn mix(&self, first: usize, read: &Matrix, probabilities: &mut [f32], mixed: &mut Matrix) {
        let (tokens, width) = (self.tokens, self.width());
        let rows = probabilities.chunks_exact_mut(tokens).take(self.heads * tokens);
        for (place, p) in rows.enumerate() {
            let (head, token) = (place / tokens, place % tokens);
            let query = self.part(read, first + token, 0, head);
            for (other, p) in p.iter_mut().enumerate() {
                let key = self.part(read, first + other, 1, head);
                *p = sum(width, |i| query[i] * key[i]) * self.scale();
            }
            let largest =
                p.iter().fold(f32::NEG_INFINITY, |most, &x| if x > most { x } else { most });
            p.iter_mut().for_each(|x| *x = exp(*x - largest));
            let share = 1.0 / sum(tokens, |i| p[i]);
            p.iter_mut().for_each(|x| *x *= share);
            let to = &mut mixed.row_mut(first + token)[self.column(0, head)..][..width];
            to.fill(0.0);
            for (other, p) in p.iter().enumerate() {
                let value = self.part(read, first + other, 2, head);
                to.iter_mut().zip(value).for_each(|(sum, v)| *sum += p * v);
            }
        }
    }

    /// The way back of [`Heads::mix`]: from the gradient by the mixed values to that by what was read.
    #[inline(always)]
    fn unmix(&self, first: usize, kept: [&Matrix; 2], probabilities: &[f32], below: &mut Matrix) {
        let [read, delta] = kept;
        let (tokens, width) = (self.tokens, self.width());
        (0..tokens).for_each(|token| below.row_mut(first + token).fill(0.0));
        let rows = probabilities.chunks_exact(tokens).take(self.heads * tokens);
        for (place, p) in rows.enumerate() {
            let (head, token) = (place / tokens, place % tokens);
            let delta = self.part(delta, first + token, 0, head);
            let by_p = |other: usize| {
                let value = self.part(read, first + other, 2, head);
                sum(width, |i| delta[i] * value[i])
            };
            let mean = sum(tokens, |other| p[other] * by_p(other));
            for (other, &p) in p.iter().enumerate() {
                let by_score = p * (by_p(other) - mean) * self.scale();
                let [query, key] = [(token, 0), (other, 1)]
                    .map(|(token, which)| self.part(read, first + token, which, head));
                let mut add = |token: usize, which: usize, factor: f32, numbers: &[f32]| {
                    let to = &mut below.row_mut(first + token)[self.column(which, head)..][..width];
                    to.iter_mut().zip(numbers).for_each(|(sum, x)| *sum += factor * x);
                };
                add(token, 0, by_score, key);
                add(other, 1, by_score, query);
                add(other, 2, p, delta);
            }
        }
    }
}

impl Layer for Heads {
    fn pack(&mut self, kernels: Kernels, weights: &Flat) {
        self.inward.pack(kernels, weights);
        self.outward.pack(kernels, weights);
    }

    fn forward(&self, kernels: Kernels, input: &Matrix, kept: &mut Kept) {
        let Kept { output, saved: [tokens, read, mixed, probabilities, made, _], .. } = kept;
        split(input, self.tokens, self.size, tokens);
        kernels.multiply(&self.inward.forward, tokens, read);
        mixed.reshape(tokens.num_rows(), columns(self.size));
        mixed.clear_from(self.size);
        let count = self.heads * self.tokens * self.tokens;
        probabilities.reshape(input.num_rows(), columns(count));
        kernels.widely(
            #[inline(always)]
            || {
                for row in 0..input.num_rows() {
                    let probabilities = probabilities.row_mut(row);
                    self.mix(row * self.tokens, read, probabilities, mixed);
                }
            },
        );
        kernels.multiply(&self.outward.forward, mixed, made);
        join(made, self.tokens, self.size, output);
    }

    fn receive(&self, kernels: Kernels, kept: &mut Kept) {
        let Kept { delta, saved: [_, read, _, probabilities, made, deltas], .. } = kept;
        split(delta, self.tokens, self.size, made);
        let mut by_mixed = std::mem::take(&mut kept.spare);
        kernels.multiply(&self.outward.backward, made, &mut by_mixed);
        deltas.reshape(read.num_rows(), read.num_columns());
        kernels.widely(
            #[inline(always)]
            || {
                for row in 0..probabilities.num_rows() {
                    let first = row * self.tokens;
                    self.unmix(first, [read, &by_mixed], probabilities.row(row), deltas);
                }
            },
        );
        kept.spare = by_mixed;
    }

    fn backward(&self, kernels: Kernels, _: &Matrix, kept: &mut Kept, below: &mut Matrix) {
        let Kept { saved: [_, _, _, _, _, deltas], spare, .. } = kept;
        kernels.multiply(&self.inward.backward, deltas, spare);
        join(spare, self.tokens, self.size, below);
    }

    fn spans(&self) -> Vec<Span> {
        [self.inward.spans(), self.outward.spans()].concat()
    }

    fn add_gradient(
        &self,
        kernels: Kernels,
        piece: usize,
        _: &Matrix,
        kept: &Kept,
        gradient: &mut [f32],
    ) {
        let [tokens, _, mixed, _, made, deltas] = &kept.saved;
        match piece.checked_sub(self.num_inward) {
            None => self.inward.add_gradient(kernels, piece, tokens, deltas, gradient),
            Some(piece) => self.outward.add_gradient(kernels, piece, mixed, made, gradient),
        }
    }
}

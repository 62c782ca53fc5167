//! Self-attention of `tokens` of `size` numbers each, in `heads` of `d = size / heads`
//! (Vaswani and others, "Attention is all you need", 3.2). Of each head:
//!
//! ```text
//! q, k, v = x W_in + b_in        p = softmax(q k^T / sqrt(d))        y = (p v) W_out + b_out
//! dv = p^T do        dp = do v^T        ds = p (dp - sum of p dp)
//! dq = ds k / sqrt(d)        dk = ds^T q / sqrt(d)
//! ```

use serde::{Deserialize, Serialize};

use super::linear::Weights;
use super::{columns, join, named, split, Describe, Kept, Layer, Span};
use crate::error::{Error, Result};
use crate::nn::buffer::Matrix;
use crate::nn::functions::{exp, sum};
use crate::nn::kernels::{Kernels, Packing, LANES};
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
        let most = tokens.saturating_mul(columns(tokens)).saturating_mul(self.heads);
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

    /// Of one observation, whose tokens begin at `first`: the scores `q k^T` of each head by key, then
    /// by query, `[heads, tokens, queries]`. `turned` is for the queries and the keys of a head,
    /// `[2 width, tokens]`.
    fn score(
        &self,
        kernels: Kernels,
        (read, first): (&Matrix, usize),
        turned: &mut Matrix,
        scores: &mut [f32],
    ) {
        let (tokens, width) = (self.tokens, self.width());
        let (queries, stride) = (turned.num_columns(), turned.stride());
        scores.fill(0.0);
        for (head, scores) in scores.chunks_exact_mut(tokens * queries).enumerate() {
            for which in [0, 1] {
                let from = read.tail(first, self.column(which, head));
                let to = turned.tail_mut(which * width);
                kernels.turn((from, read.stride()), (to, stride), [tokens, width]);
            }
            let of_keys = (turned.tail(width, 0), stride, tokens);
            let of_queries = (turned.tail(0, 0), stride, queries);
            kernels.add_strided(of_keys, of_queries, width, scores);
        }
    }

    /// Makes probabilities of scores `[tokens, queries]`: those of a query sum up to 1.
    #[inline(always)]
    fn soften(&self, scores: &mut [f32], queries: usize) {
        for first in (0..queries).step_by(LANES) {
            let mut most = [f32::NEG_INFINITY; LANES];
            for row in scores.chunks_exact(queries) {
                let pairs = most.iter_mut().zip(&row[first..][..LANES]);
                pairs.for_each(|(most, &x)| *most = if x > *most { x } else { *most });
            }
            let mut sums = [0.0; LANES];
            for row in scores.chunks_exact_mut(queries) {
                let row = &mut row[first..][..LANES];
                for ((x, most), sum) in row.iter_mut().zip(most).zip(&mut sums) {
                    *x = exp((*x - most) * self.scale());
                    *sum += *x;
                }
            }
            for row in scores.chunks_exact_mut(queries) {
                row[first..][..LANES].iter_mut().zip(sums).for_each(|(p, sum)| *p /= sum);
            }
        }
    }

    /// The values of an observation, mixed by its probabilities; `made` is for those of a head.
    fn mix(
        &self,
        kernels: Kernels,
        (read, first): (&Matrix, usize),
        probabilities: &[f32],
        made: &mut Matrix,
        mixed: &mut Matrix,
    ) {
        let (tokens, width) = (self.tokens, self.width());
        let (queries, padded) = (columns(tokens), columns(width));
        for (head, p) in probabilities.chunks_exact(tokens * queries).enumerate() {
            made.reshape(1, tokens * padded);
            let made = made.row_mut(0);
            made.fill(0.0);
            let values = (read.tail(first, self.column(2, head)), read.stride(), padded);
            kernels.add_strided((p, queries, tokens), values, tokens, made);
            for (token, made) in made.chunks_exact(padded).enumerate() {
                let to = &mut mixed.row_mut(first + token)[self.column(0, head)..][..width];
                to.copy_from_slice(&made[..width]);
            }
        }
    }

    /// The way back of [`Heads::mix`]: from the gradient by the mixed values to that by what was read.
    #[inline(always)]
    fn unmix(&self, first: usize, kept: [&Matrix; 2], probabilities: &[f32], below: &mut Matrix) {
        let [read, delta] = kept;
        let (tokens, width) = (self.tokens, self.width());
        let queries = columns(tokens);
        (0..tokens).for_each(|token| below.row_mut(first + token).fill(0.0));
        for place in 0..self.heads * tokens {
            let (head, token) = (place / tokens, place % tokens);
            let p = |other: usize| probabilities[(head * tokens + other) * queries + token];
            let delta = self.part(delta, first + token, 0, head);
            let by_p = |other: usize| {
                let value = self.part(read, first + other, 2, head);
                sum(width, |i| delta[i] * value[i])
            };
            let mean = sum(tokens, |other| p(other) * by_p(other));
            for other in 0..tokens {
                let by_score = p(other) * (by_p(other) - mean) * self.scale();
                let [query, key] = [(token, 0), (other, 1)]
                    .map(|(token, which)| self.part(read, first + token, which, head));
                let mut add = |token: usize, which: usize, factor: f32, numbers: &[f32]| {
                    let to = &mut below.row_mut(first + token)[self.column(which, head)..][..width];
                    to.iter_mut().zip(numbers).for_each(|(sum, x)| *sum += factor * x);
                };
                add(token, 0, by_score, key);
                add(other, 1, by_score, query);
                add(other, 2, p(other), delta);
            }
        }
    }
}

impl Layer for Heads {
    fn pack<'a>(&'a mut self, kernels: Kernels, weights: &'a Flat, rest: &mut Vec<Packing<'a>>) {
        self.inward.pack(kernels, weights, rest);
        self.outward.pack(kernels, weights, rest);
    }

    fn forward(&self, kernels: Kernels, input: &Matrix, kept: &mut Kept) {
        let Kept { output, spare, saved: [tokens, read, mixed, probabilities, made, _], .. } = kept;
        split(input, self.tokens, self.size, tokens);
        kernels.multiply(&self.inward.forward, tokens, read);
        mixed.reshape(tokens.num_rows(), columns(self.size));
        mixed.clear_from(self.size);
        let queries = columns(self.tokens);
        probabilities.reshape(input.num_rows(), self.heads * self.tokens * queries);
        spare.reshape(2 * self.width(), queries);
        for row in 0..input.num_rows() {
            let (from, p) = ((&*read, row * self.tokens), probabilities.row_mut(row));
            self.score(kernels, from, spare, p);
            kernels.widely(
                #[inline(always)]
                || {
                    let heads = p.chunks_exact_mut(self.tokens * queries);
                    heads.for_each(|scores| self.soften(scores, queries));
                },
            );
            self.mix(kernels, from, p, made, mixed);
        }
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

    #[cfg(feature = "learning")]
    fn backward(&self, kernels: Kernels, _: &Matrix, kept: &mut Kept, below: &mut Matrix) {
        let Kept { saved: [_, _, _, _, _, deltas], spare, .. } = kept;
        kernels.multiply(&self.inward.backward, deltas, spare);
        join(spare, self.tokens, self.size, below);
    }

    fn spans(&self) -> Vec<Span> {
        [self.inward.spans(), self.outward.spans()].concat()
    }

    #[cfg(feature = "learning")]
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

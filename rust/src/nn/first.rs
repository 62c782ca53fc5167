//! The first layer of a network, which reads observations of one kind.

use std::ops::Range;

use super::coarse::CoarseBags;
use super::embedding::{EmbeddingBag, PackedEmbedding};
use super::kernels::{Bags, Kernels, PackedLinear, LANES};
use super::linear::Linear;
use super::scratch::Scratch;
use crate::error::Result;
use crate::spaces::{check_row, numbers, unit, Dtype, Rows, SPARSE};

/// The first layer: what it is depends on the observations.
#[derive(Clone)]
pub enum First {
    /// Sums of the vectors of the active features.
    Sparse(EmbeddingBag),
    /// A fully connected layer over numbers of this kind.
    Dense(Dtype, Linear),
}

impl From<EmbeddingBag> for First {
    fn from(embeddings: EmbeddingBag) -> Self {
        Self::Sparse(embeddings)
    }
}

impl First {
    /// Number of features `F`.
    pub fn num_features(&self) -> usize {
        match self {
            Self::Sparse(bags) => bags.num_features(),
            Self::Dense(_, layer) => layer.num_inputs(),
        }
    }

    pub fn num_outputs(&self) -> usize {
        match self {
            Self::Sparse(bags) => bags.num_outputs(),
            Self::Dense(_, layer) => layer.num_outputs(),
        }
    }

    /// Columns of the widest activations, those that are read included.
    pub(super) fn num_columns(&self) -> usize {
        match self {
            Self::Sparse(bags) => bags.num_outputs(),
            Self::Dense(_, layer) => layer.num_inputs().max(layer.num_outputs()),
        }
    }

    pub(super) fn pack(&self, kernels: Kernels) -> PackedFirst {
        match self {
            Self::Sparse(bags) => PackedFirst::Sparse(bags.pack(kernels)),
            Self::Dense(dtype, layer) => PackedFirst::Dense(*dtype, layer.pack(kernels)),
        }
    }
}

/// A [`First`] as the kernels read it.
#[derive(Clone)]
pub(super) enum PackedFirst {
    Sparse(PackedEmbedding),
    Coarse(CoarseBags),
    Dense(Dtype, PackedLinear),
}

impl PackedFirst {
    /// What the numbers of the observations are called, as in [`ObsSpace::dtype`].
    ///
    /// [`ObsSpace::dtype`]: crate::spaces::ObsSpace::dtype
    pub(super) fn dtype(&self) -> &'static str {
        match self {
            Self::Sparse(_) | Self::Coarse(_) => SPARSE,
            Self::Dense(dtype, _) => dtype.name(),
        }
    }

    /// The same in bytes, as far as there is such a form.
    pub(super) fn coarse(&self, kernels: Kernels) -> Self {
        match self {
            Self::Sparse(layer) => layer.coarse(kernels).map_or_else(|| self.clone(), Self::Coarse),
            _ => self.clone(),
        }
    }

    pub(super) fn applies_relu(&self) -> bool {
        match self {
            Self::Sparse(layer) => layer.applies_relu(),
            Self::Coarse(layer) => layer.applies_relu(),
            Self::Dense(_, layer) => layer.relu,
        }
    }

    /// Writes the outputs for the rows `chunk` of `rows`, each of `num_features` moved as its
    /// permutation says, to the first activations of `scratch`.
    ///
    /// # Errors
    /// If a row is no observation of this kind.
    pub(super) fn forward<'a>(
        &self,
        kernels: Kernels,
        (rows, chunk): (&Rows, Range<usize>),
        num_features: usize,
        perm: impl Fn(usize) -> Result<Option<&'a [u32]>>,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let Scratch { bags, activations: [x, y, _], .. } = scratch;
        match self {
            Self::Sparse(_) | Self::Coarse(_) => {
                bags.clear();
                for row in chunk {
                    let features = rows.row(row);
                    check_row(row, features, num_features, None)?;
                    push_features(features, perm(row)?, bags);
                }
                match self {
                    Self::Sparse(layer) => layer.forward(kernels, bags, x),
                    Self::Coarse(layer) => layer.forward(bags, x),
                    Self::Dense(..) => {}
                }
            }
            Self::Dense(dtype, layer) => {
                x.reshape(chunk.len(), num_features.next_multiple_of(LANES));
                for (row, place) in chunk.zip(0..) {
                    let words = rows.row(row);
                    check_row(row, words, num_features, Some(*dtype))?;
                    write_numbers(words, *dtype, perm(row)?, &mut x.row_mut(place)[..num_features]);
                }
                kernels.multiply(layer, x, y);
                std::mem::swap(x, y);
            }
        }
        Ok(())
    }
}

/// Appends a row of checked features, moved as `perm` says.
#[inline]
pub(super) fn push_features(features: &[i32], perm: Option<&[u32]>, bags: &mut Bags) {
    match perm {
        None => bags.push(features.iter().map(|&feature| feature as u32)),
        Some(perm) => bags.push(features.iter().map(|&feature| perm[feature as usize])),
    }
}

/// Writes the numbers of a checked dense row to `inputs [F]`, moved as `perm` says.
#[inline]
pub(super) fn write_numbers(words: &[i32], dtype: Dtype, perm: Option<&[u32]>, inputs: &mut [f32]) {
    match (perm, dtype) {
        (None, Dtype::Float32) => {
            inputs.iter_mut().zip(words).for_each(|(to, &word)| *to = f32::from_bits(word as u32));
        }
        (None, Dtype::Uint8) => {
            for (to, word) in inputs.chunks_mut(4).zip(words) {
                to.iter_mut().zip(word.to_le_bytes()).for_each(|(to, byte)| *to = unit(byte));
            }
        }
        (Some(perm), _) => {
            perm.iter().zip(numbers(words, dtype)).for_each(|(&to, x)| inputs[to as usize] = x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Network, Policy, Sequential};
    use crate::rng::Rng;
    use crate::spaces::{push_bytes, push_floats};

    const FEATURES: usize = 83;
    const ACTIONS: usize = 5;
    /// More than a chunk.
    const ROWS: usize = 300;

    fn draw(count: usize, rng: &mut Rng) -> Vec<f32> {
        (0..count).map(|_| rng.unit() - 0.5).collect()
    }

    fn network(first: impl Into<First>, perms: &[Vec<usize>]) -> Network {
        let mut rng = Rng::new(3);
        let mut layer = |inputs: usize, outputs: usize, relu: bool| {
            let (weights, bias) = (draw(inputs * outputs, &mut rng), draw(outputs, &mut rng));
            Sequential::new(vec![Linear::new(weights, bias, relu).unwrap()]).unwrap()
        };
        let act_perms = vec![(0..ACTIONS).rev().collect(); perms.len()];
        let (common, action, value) =
            (layer(40, 24, true), layer(24, ACTIONS, false), layer(24, 1, false));
        Network::new(first, common, action, value, perms.to_vec(), act_perms).unwrap()
    }

    fn outputs(network: &Network, rows: &Rows, twists: Option<&[i32]>) -> Vec<u32> {
        let (mut logits, mut values) = (vec![0.0; rows.len() * ACTIONS], vec![0.0; rows.len()]);
        let scratch = &mut Scratch::default();
        network.forward_batch(rows, twists, scratch, &mut logits, &mut values).unwrap();
        logits.iter().chain(&values).map(|number| number.to_bits()).collect()
    }

    /// 0 and 1 as active features, as floats and as bytes are the same numbers, added in one order.
    #[test]
    fn one_observation_in_every_space_has_the_same_bits() {
        let mut rng = Rng::new(7);
        let (vectors, bias) = (draw(FEATURES * 40, &mut rng), draw(40, &mut rng));
        let bags = EmbeddingBag::new(vectors.clone(), 40, bias.clone(), true, vec![FEATURES], 0);
        let linear = Linear::new(vectors, bias, true).unwrap();
        let (mut sparse, mut floats, mut bytes) =
            (Rows::default(), Rows::default(), Rows::default());
        for _ in 0..ROWS {
            let row: Vec<u8> = (0..FEATURES).map(|_| rng.below(3) as u8 / 2).collect();
            let active = (0..FEATURES as i32).filter(|&i| row[i as usize] == 1);
            sparse.push(&active.collect::<Vec<_>>());
            let ones: Vec<f32> = row.iter().map(|&one| f32::from(one)).collect();
            floats.push_with(|words| push_floats(words, &ones));
            let full: Vec<u8> = row.iter().map(|one| one * 255).collect();
            bytes.push_with(|words| push_bytes(words, &full));
        }
        let expected = outputs(&network(bags.unwrap(), &[]), &sparse, None);
        for (dtype, rows) in [(Dtype::Float32, floats), (Dtype::Uint8, bytes)] {
            let dense = network(First::Dense(dtype, linear.clone()), &[]);
            assert_eq!(outputs(&dense, &rows, None), expected, "{dtype:?}");
        }
    }

    #[test]
    fn a_twist_moves_the_numbers_of_a_dense_observation() {
        let mut rng = Rng::new(11);
        let linear = Linear::new(draw(FEATURES * 40, &mut rng), draw(40, &mut rng), true).unwrap();
        let perm: Vec<usize> = (0..FEATURES).map(|i| (i * 5 + 2) % FEATURES).collect();
        let twisted =
            network(First::Dense(Dtype::Float32, linear.clone()), std::slice::from_ref(&perm));
        let plain = network(First::Dense(Dtype::Float32, linear), &[]);
        let row = draw(FEATURES, &mut rng);
        let mut moved = row.clone();
        perm.iter().zip(&row).for_each(|(&to, &number)| moved[to] = number);
        let rows = |numbers: &[f32]| {
            let mut rows = Rows::default();
            rows.push_with(|words| push_floats(words, numbers));
            rows
        };
        let mut expected = outputs(&plain, &rows(&moved), None);
        expected[..ACTIONS].reverse();
        assert_eq!(outputs(&twisted, &rows(&row), Some(&[0])), expected);
        let untouched = outputs(&plain, &rows(&row), None);
        assert_eq!(outputs(&twisted, &rows(&row), Some(&[-1])), untouched);
    }

    #[test]
    fn a_row_of_another_length_is_refused() {
        let linear = Linear::new(vec![0.5; FEATURES * 40], vec![0.0; 40], true).unwrap();
        let network = network(First::Dense(Dtype::Uint8, linear), &[]);
        let mut rows = Rows::default();
        rows.push_with(|words| push_bytes(words, &[9; FEATURES + 4]));
        let (mut logits, mut values) = ([0.0; ACTIONS], [0.0]);
        let scratch = &mut Scratch::default();
        let done = network.forward_batch(&rows, None, scratch, &mut logits, &mut values);
        assert_eq!(done.unwrap_err().to_string(), "observation 0: expected 21 words, got 22");
    }
}

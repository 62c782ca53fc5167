//! How a composed network reads observations: what comes of them is the input of its blocks.

use std::ops::Range;

use super::blocks::{columns, Kept, Span};
use super::buffer::{Aligned, Matrix};
use super::first::{push_features, write_numbers};
use super::kernels::{places, Bags, Conv, Kernels, Packed, Packing};
use super::layout::{Flat, Layout};
use super::shapes::MOST_NUMBERS;
use super::spec::Block;
use crate::error::{Error, Result};
use crate::spaces::{check_row, Dtype, Parts, Rows, DICT, SPARSE};

/// Pieces of work that the gradient of the vectors of a bag is cut into.
const BAG_PIECES: usize = 4;

pub(super) struct Input {
    pub(super) num_features: usize,
    kind: Kind,
    /// `max(x, 0)` of what a bag gives.
    relu: bool,
}

enum Kind {
    /// Vectors `[features, padded outputs]`.
    Bag { vectors: usize, bias: usize, packed: Packed, packed_bias: Aligned },
    /// Vectors `[channels, outputs of a place]`.
    Conv { vectors: usize, packed: Conv, bias: Aligned },
    /// The numbers of dense observations, or 1 where a feature is active and 0 elsewhere.
    Numbers(Option<Dtype>),
    /// The numbers of all parts.
    Parts(Parts),
}

impl Input {
    /// The input that `block` describes, if it describes one, and the shape of what it gives.
    pub(super) fn new(
        block: Option<&Block>,
        relu: bool,
        layout: &mut Layout,
    ) -> Result<(Self, Vec<usize>)> {
        let mut parameters = block.map(Block::parameters).unwrap_or_default().into_iter();
        let (num_features, kind, shape) = match block {
            Some(&Block::Bag { features, out, .. }) => {
                let padded = columns(out);
                let (vectors, bias) = (layout.reserve(features * padded), layout.reserve(padded));
                for (parameter, (start, inputs)) in parameters.zip([(vectors, features), (bias, 1)])
                {
                    layout.place(parameter, start, padded, [inputs, out]);
                }
                let packed = Packed::zeros(features, out);
                let packed_bias = Aligned::zeros(padded);
                (features, Kind::Bag { vectors, bias, packed, packed_bias }, vec![out])
            }
            Some(&Block::BagConv1d { shape, axis, out, .. }) => {
                let (channels, num_places) = match axis {
                    0 => (shape[0], shape[1]),
                    1 => (shape[1], shape[0]),
                    _ => return Err(Error::invalid("network: axis of bag_conv1d", "0 or 1", axis)),
                };
                let features = channels.checked_mul(num_places).filter(|&n| n <= MOST_NUMBERS);
                let outputs = out.checked_mul(num_places).filter(|&n| n <= MOST_NUMBERS);
                let (Some(features), Some(outputs)) = (features, outputs) else {
                    let expected = format!("at most {MOST_NUMBERS} features and outputs");
                    let name = "network: shape of bag_conv1d";
                    return Err(Error::invalid(name, expected, format!("{shape:?}")));
                };
                let vectors = layout.reserve(channels * out);
                if let Some(parameter) = parameters.next() {
                    layout.place(parameter, vectors, out, [channels, out]);
                }
                let bias = Aligned::zeros(columns(outputs));
                let packed = Conv {
                    vectors: vec![0.0; channels * out],
                    dim: out,
                    places: places(shape, axis, out),
                };
                let kind = Kind::Conv { vectors, packed, bias };
                (features, kind, vec![outputs])
            }
            Some(&Block::Dense { features, dtype }) => {
                (features, Kind::Numbers(Some(dtype)), vec![features])
            }
            Some(&Block::Sparse { features }) => (features, Kind::Numbers(None), vec![features]),
            Some(Block::Parts { parts }) => {
                let features = parts.num_features();
                (features, Kind::Parts(parts.clone()), vec![features])
            }
            _ => {
                let expected = "bag, bag_conv1d, dense, sparse or parts first";
                let got = block.map_or("nothing".to_owned(), |block| format!("{block:?}"));
                return Err(Error::invalid("network: encoder", expected, got));
            }
        };
        Ok((Self { num_features, kind, relu }, shape))
    }

    /// What the numbers of the observations are called, as in [`ObsSpace::dtype`].
    ///
    /// [`ObsSpace::dtype`]: crate::spaces::ObsSpace::dtype
    pub(super) fn dtype(&self) -> &'static str {
        match self.kind {
            Kind::Numbers(Some(dtype)) => dtype.name(),
            Kind::Parts(_) => DICT,
            _ => SPARSE,
        }
    }

    pub(super) fn parts(&self) -> Option<&Parts> {
        match &self.kind {
            Kind::Parts(parts) => Some(parts),
            _ => None,
        }
    }

    /// Whether it has parameters, which a gradient reaches.
    pub(super) fn learns(&self) -> bool {
        !matches!(self.kind, Kind::Numbers(_) | Kind::Parts(_))
    }

    /// Writes to `output` what comes of the rows that `views` names, each moved as its permutation
    /// says.
    ///
    /// # Errors
    /// If a row is no observation of this kind.
    pub(super) fn read<'a>(
        &self,
        kernels: Kernels,
        rows: &Rows,
        views: impl ExactSizeIterator<Item = Result<(usize, Option<&'a [u32]>)>>,
        bags: &mut Bags,
        output: &mut Matrix,
    ) -> Result<()> {
        let features = self.num_features;
        if let Kind::Numbers(dtype) = self.kind {
            output.reshape(views.len(), columns(features));
            for (place, view) in views.enumerate() {
                let (row, perm) = view?;
                let words = rows.row(row);
                check_row(row, words, features, dtype)?;
                let to = &mut output.row_mut(place)[..features];
                match dtype {
                    Some(dtype) => write_numbers(words, dtype, perm, to),
                    None => {
                        to.fill(0.0);
                        for &feature in words {
                            let feature = feature as usize;
                            to[perm.map_or(feature, |perm| perm[feature] as usize)] += 1.0;
                        }
                    }
                }
            }
            return Ok(());
        }
        if let Kind::Parts(parts) = &self.kind {
            output.reshape(views.len(), columns(features));
            for (place, view) in views.enumerate() {
                let (row, perm) = view?;
                let words = rows.row(row);
                parts.check(row, words)?;
                let to = &mut output.row_mut(place)[..features];
                to.fill(0.0);
                parts.write(words, |feature, number| {
                    to[perm.map_or(feature, |perm| perm[feature] as usize)] += number;
                });
            }
            return Ok(());
        }
        bags.clear();
        for view in views {
            let (row, perm) = view?;
            let words = rows.row(row);
            check_row(row, words, features, None)?;
            push_features(words, perm, bags);
        }
        match &self.kind {
            Kind::Bag { packed, packed_bias, .. } => {
                kernels.sum_bags(packed, packed_bias, self.relu, bags, output);
            }
            Kind::Conv { packed, bias, .. } => {
                kernels.sum_placed(packed, bias, self.relu, bags, output);
            }
            Kind::Numbers(_) | Kind::Parts(_) => (),
        }
        Ok(())
    }

    pub(super) fn receive(&self, kernels: Kernels, kept: &mut Kept) {
        if self.relu {
            kernels.keep_where_positive(&mut kept.delta, &kept.output);
        }
    }

    pub(super) fn spans(&self) -> Vec<Span> {
        match &self.kind {
            Kind::Numbers(_) | Kind::Parts(_) => Vec::new(),
            Kind::Conv { vectors, packed, .. } => {
                vec![Span { start: *vectors, len: packed.vectors.len() }]
            }
            Kind::Bag { vectors, bias, packed_bias, .. } => {
                let padded = packed_bias.len();
                let mut spans: Vec<Span> = self
                    .features_of_pieces()
                    .map(|range| Span {
                        start: vectors + range.start * padded,
                        len: range.len() * padded,
                    })
                    .collect();
                spans.push(Span { start: *bias, len: padded });
                spans
            }
        }
    }

    fn features_of_pieces(&self) -> impl Iterator<Item = Range<usize>> {
        let count = self.num_features;
        let each = count.div_ceil(BAG_PIECES).max(1);
        (0..count).step_by(each).map(move |first| first..count.min(first + each))
    }

    /// Adds the gradient by the outputs to piece `piece` of [`Input::spans`].
    pub(super) fn add_gradient(
        &self,
        kernels: Kernels,
        piece: usize,
        bags: &Bags,
        delta: &Matrix,
        gradient: &mut [f32],
    ) {
        match &self.kind {
            Kind::Numbers(_) | Kind::Parts(_) => (),
            Kind::Bag { .. } => match self.features_of_pieces().nth(piece) {
                Some(range) => kernels.add_to_bags(bags, &range, delta, gradient),
                None => kernels.add_rows(delta, gradient),
            },
            Kind::Conv { packed: Conv { places, dim, .. }, .. } => {
                for row in 0..bags.len() {
                    for &feature in bags.row(row) {
                        let place = places[feature as usize];
                        let from = &delta.row(row)[place.output as usize..][..*dim];
                        let to = &mut gradient[place.vector as usize..][..*dim];
                        to.iter_mut().zip(from).for_each(|(sum, delta)| *sum += delta);
                    }
                }
            }
        }
    }

    /// As [`Layer::pack`](super::blocks::Layer::pack).
    pub(super) fn pack<'a>(
        &'a mut self,
        kernels: Kernels,
        weights: &'a Flat,
        rest: &mut Vec<Packing<'a>>,
    ) {
        match &mut self.kind {
            Kind::Bag { vectors, bias, packed, packed_bias } => {
                let padded = packed_bias.len();
                let matrix = &weights.0[*vectors..][..self.num_features * padded];
                packed_bias.copy_from_slice(&weights.0[*bias..][..padded]);
                rest.extend(kernels.repack(packed, matrix, padded, padded));
            }
            Kind::Conv { vectors, packed, .. } => {
                let count = packed.vectors.len();
                packed.vectors.copy_from_slice(&weights.0[*vectors..][..count]);
            }
            Kind::Numbers(_) | Kind::Parts(_) => (),
        }
    }
}

//! The first layer: sums of the vectors of the active features, never a one-hot product.

use super::buffer::{Aligned, Matrix};
use super::coarse::CoarseBags;
use super::kernels::{pad, places, Bags, Conv, Kernels, Packed, Place};
use super::linear::check_finite;
use crate::error::{Error, Result};

/// Most features of a convolution, each of which takes 8 bytes whatever the weights take.
const MOST_PLACES: usize = 1 << 26;

/// The first layer of a network over binary features.
#[derive(Clone)]
pub struct EmbeddingBag {
    vectors: Vec<f32>,
    dim: usize,
    bias: Vec<f32>,
    relu: bool,
    obs_shape: Vec<usize>,
    conv_dim: usize,
    /// `[F]`: vector of a feature and the output where it is added; `None` for features = vectors.
    places: Option<Vec<Place>>,
}

impl EmbeddingBag {
    /// A layer from `vectors [R, dim]`, row-major.
    ///
    /// `obs_shape` of one number `[R]`: the output `[dim]` is `bias` plus the vectors of the active
    /// features. Of two numbers: a convolution with kernel 1 along the axis that is not `conv_dim`.
    /// Feature `i` lies at `(i / obs_shape[1], i % obs_shape[1])`; its place on axis `conv_dim`
    /// names the vector, its place `p` on the other one where it is added: `output[p * dim..]`.
    ///
    /// Errors: lengths that do not fit, a value that is not finite.
    pub fn new(
        vectors: Vec<f32>,
        dim: usize,
        bias: Vec<f32>,
        apply_relu: bool,
        obs_shape: Vec<usize>,
        conv_dim: usize,
    ) -> Result<Self> {
        let invalid = |part: &str, expected: String, got: String| {
            Err(Error::invalid(format!("EmbeddingBag: {part}"), expected, got))
        };
        if dim == 0 || vectors.is_empty() || !vectors.len().is_multiple_of(dim) {
            let expected = format!("features x dim values, dim = {dim}");
            return invalid("vectors", expected, vectors.len().to_string());
        }
        let num_vectors = vectors.len() / dim;
        let (expected_vectors, num_positions) = match (obs_shape.as_slice(), conv_dim) {
            (&[features], _) => (features, 1),
            (&[channels, positions], 0) | (&[positions, channels], 1) => (channels, positions),
            (&[_, _], _) => return invalid("conv_dim", "0 or 1".into(), conv_dim.to_string()),
            _ => {
                return invalid("obs_shape", "one or two numbers".into(), format!("{obs_shape:?}"))
            }
        };
        if num_vectors != expected_vectors {
            let expected = format!("{expected_vectors} of length {dim} (obs_shape {obs_shape:?})");
            return invalid("vectors", expected, num_vectors.to_string());
        }
        let num_outputs =
            num_positions.checked_mul(dim).filter(|outputs| u32::try_from(*outputs).is_ok());
        if num_outputs != Some(bias.len()) || bias.is_empty() {
            let expected = format!("{num_positions} x {dim} values");
            return invalid("bias", expected, bias.len().to_string());
        }
        let num_features = num_vectors.saturating_mul(num_positions);
        let most = if obs_shape.len() == 2 { MOST_PLACES } else { i32::MAX as usize };
        if num_features > most || u32::try_from(vectors.len()).is_err() {
            let expected = format!("at most {most} features");
            return invalid("obs_shape", expected, format!("{obs_shape:?}"));
        }
        check_finite("EmbeddingBag: vectors", &vectors)?;
        check_finite("EmbeddingBag: bias", &bias)?;
        let places = match obs_shape.as_slice() {
            &[rows, columns] => Some(places([rows, columns], conv_dim, dim)),
            _ => None,
        };
        Ok(Self { vectors, dim, bias, relu: apply_relu, obs_shape, conv_dim, places })
    }

    /// `[R, dim]`, row-major.
    pub fn vectors(&self) -> &[f32] {
        &self.vectors
    }

    /// Length of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    pub fn bias(&self) -> &[f32] {
        &self.bias
    }

    pub fn applies_relu(&self) -> bool {
        self.relu
    }

    /// As [`EmbeddingBag::new`] was given it.
    pub fn obs_shape(&self) -> &[usize] {
        &self.obs_shape
    }

    /// As [`EmbeddingBag::new`] was given it.
    pub fn conv_dim(&self) -> usize {
        self.conv_dim
    }

    /// Number of features `F`.
    pub fn num_features(&self) -> usize {
        self.places.as_ref().map_or(self.vectors.len() / self.dim, Vec::len)
    }

    pub fn num_outputs(&self) -> usize {
        self.bias.len()
    }

    pub(super) fn pack(&self, kernels: Kernels) -> PackedEmbedding {
        let bias = pad(&self.bias);
        let vectors = match &self.places {
            None => Vectors::Bag(kernels.pack(&self.vectors, self.dim)),
            Some(places) => Vectors::Conv(Conv {
                vectors: self.vectors.clone(),
                dim: self.dim,
                places: places.clone(),
            }),
        };
        PackedEmbedding { vectors, bias, relu: self.relu }
    }
}

/// An [`EmbeddingBag`] as the kernels read it.
#[derive(Clone)]
pub(super) struct PackedEmbedding {
    vectors: Vectors,
    bias: Aligned,
    relu: bool,
}

#[derive(Clone)]
enum Vectors {
    Bag(Packed),
    Conv(Conv),
}

impl PackedEmbedding {
    pub(super) fn applies_relu(&self) -> bool {
        self.relu
    }

    /// The same in short numbers; none for a convolution, and where sums would not fit.
    pub(super) fn coarse(&self, kernels: Kernels) -> Option<CoarseBags> {
        let Vectors::Bag(vectors) = &self.vectors else { return None };
        let vectors = kernels.unpack(vectors, self.bias.len());
        CoarseBags::new(kernels, &vectors, &self.bias, self.relu)
    }

    /// Writes one row of `output` per bag; all features are below F.
    pub(super) fn forward(&self, kernels: Kernels, bags: &Bags, output: &mut Matrix) {
        match &self.vectors {
            Vectors::Bag(vectors) => kernels.sum_bags(vectors, &self.bias, self.relu, bags, output),
            Vectors::Conv(conv) => kernels.sum_placed(conv, &self.bias, self.relu, bags, output),
        }
    }
}

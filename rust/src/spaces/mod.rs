//! What observations and actions are made of, and how they are kept.
//!
//! An observation is kept as a row of 32-bit words.
//!
//! Whatever the space, a row is a slice of `i32`. What keeps, compares, merges or sends rows need
//! not know more; what reads them asks the space:
//!
//! | space | words of a row |
//! |---|---|
//! | sparse | the active features, in any order |
//! | dense, float32 | `F` numbers, each by its bits |
//! | dense, uint8 | `F` bytes, four a word, the first in the lowest bits, the last word filled up with 0 |
//! | dict | the words of its parts one after another, those of a sparse part behind their number |
//!
//! ```
//! use twisterl::spaces::{Dtype, ObsSpace};
//! let space = ObsSpace::Dense { shape: vec![2, 3], dtype: Dtype::Uint8 };
//! assert_eq!((space.num_features(), Dtype::Uint8.num_words(6)), (6, 2));
//! let mut words = Vec::new();
//! twisterl::spaces::push_bytes(&mut words, &[1, 2, 3, 4, 5, 6]);
//! assert_eq!(words, [0x0403_0201, 0x0605]);
//! ```

mod acts;
mod features;
mod finite;
mod parts;
mod rows;

use serde::{Deserialize, Serialize};

pub use acts::{Act, ActSpace, Acts, MOST_ACTIONS};
pub use features::Features;
pub use finite::{all_finite, not_finite};
pub use parts::{Part, Parts};
pub use rows::Rows;

use crate::error::{Error, Result};

/// What the numbers of sparse observations are called, as [`Dtype::name`] calls those of others.
pub const SPARSE: &str = "sparse";
/// And what those of several parts are.
pub const DICT: &str = "dict";

/// The numbers of a dense observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// Finite numbers, which a network takes as they are.
    Float32,
    /// Bytes, which a network takes as shares of 255.
    Uint8,
}

/// The observations of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObsSpace {
    /// 0 everywhere but at the active features, which are 1.
    Sparse { shape: Vec<usize> },
    /// A number at each place, row-major.
    Dense { shape: Vec<usize>, dtype: Dtype },
    /// Parts with names, whose numbers one after another are the `F` features.
    Dict(Parts),
}

impl Dtype {
    /// The one of this name, as numpy and torch call it.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Float32, Self::Uint8].into_iter().find(|dtype| dtype.name() == name)
    }

    /// Its name, as numpy and torch call it.
    pub const fn name(self) -> &'static str {
        match self {
            Dtype::Float32 => "float32",
            Dtype::Uint8 => "uint8",
        }
    }

    /// Words that hold `count` numbers.
    pub fn num_words(self, count: usize) -> usize {
        match self {
            Dtype::Float32 => count,
            Dtype::Uint8 => count.div_ceil(4),
        }
    }
}

impl ObsSpace {
    /// The names of all kinds of numbers, [`ObsSpace::dtype`]; those of a dict are its parts'.
    pub const DTYPES: [&'static str; 3] = [SPARSE, Dtype::Float32.name(), Dtype::Uint8.name()];

    /// The space of this shape whose numbers are called `dtype`; `None` if nothing is called so.
    pub fn of(shape: Vec<usize>, dtype: &str) -> Option<Self> {
        match dtype {
            SPARSE => Some(Self::Sparse { shape }),
            _ => Dtype::of(dtype).map(|dtype| Self::Dense { shape, dtype }),
        }
    }

    pub fn shape(&self) -> &[usize] {
        match self {
            Self::Sparse { shape } | Self::Dense { shape, .. } => shape,
            Self::Dict(parts) => parts.shape(),
        }
    }

    /// What the numbers are called: one of [`ObsSpace::DTYPES`], or [`DICT`].
    pub fn dtype(&self) -> &'static str {
        match self {
            Self::Sparse { .. } => SPARSE,
            Self::Dense { dtype, .. } => dtype.name(),
            Self::Dict(_) => DICT,
        }
    }

    pub fn parts(&self) -> Option<&Parts> {
        match self {
            Self::Dict(parts) => Some(parts),
            _ => None,
        }
    }

    /// Refuses row `row` of a batch if its `words` are no observation of this space.
    pub fn check_row(&self, row: usize, words: &[i32]) -> Result<()> {
        match self {
            Self::Dict(parts) => parts.check(row, words),
            _ => check_row(row, words, self.num_features(), Dtype::of(self.dtype())),
        }
    }

    /// Writes a checked row to `to [F]` as a network takes it, which is 0 everywhere: a feature that is told
    /// twice counts twice, as in a sum of its weights.
    pub fn write(&self, words: &[i32], to: &mut [f32]) {
        match self {
            Self::Dict(parts) => parts.write(words, |feature, number| to[feature] += number),
            Self::Sparse { .. } => words.iter().for_each(|&word| to[word as usize] += 1.0),
            Self::Dense { dtype: Dtype::Float32, .. } => {
                to.iter_mut().zip(words).for_each(|(to, &word)| *to = f32::from_bits(word as u32));
            }
            Self::Dense { dtype: Dtype::Uint8, .. } => {
                for (to, word) in to.chunks_mut(4).zip(words) {
                    to.iter_mut().zip(word.to_le_bytes()).for_each(|(to, byte)| *to = unit(byte));
                }
            }
        }
    }

    /// Number of features `F`, the product of the shape.
    pub fn num_features(&self) -> usize {
        self.shape().iter().product()
    }
}

/// Refuses row `row` of a batch if its `words` are no observation of `num_features`: sparse if there is
/// no `dtype`.
#[inline]
pub fn check_row(
    row: usize,
    words: &[i32],
    num_features: usize,
    dtype: Option<Dtype>,
) -> Result<()> {
    let refused = |expected: String, got: String| {
        Err(Error::invalid(format!("observation {row}"), expected, got))
    };
    match dtype.map(|dtype| dtype.num_words(num_features)) {
        None => match words.iter().find(|&&word| word < 0 || word as usize >= num_features) {
            None => Ok(()),
            Some(feature) => refused(format!("features in 0..{num_features}"), feature.to_string()),
        },
        Some(expected) if words.len() == expected => Ok(()),
        Some(expected) => refused(format!("{expected} words"), words.len().to_string()),
    }
}

/// Appends a dense observation of 32-bit floats to `words`.
#[inline]
pub fn push_floats(words: &mut Vec<i32>, numbers: &[f32]) {
    words.extend(numbers.iter().map(|number| number.to_bits() as i32));
}

/// Appends a dense observation of bytes to `words`.
#[inline]
pub fn push_bytes(words: &mut Vec<i32>, bytes: &[u8]) {
    words.extend(bytes.chunks(4).map(|chunk| {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        i32::from_le_bytes(word)
    }));
}

/// A byte as a network takes it, 0 to 1.
#[inline]
pub fn unit(byte: u8) -> f32 {
    f32::from(byte) / 255.0
}

/// The numbers of a dense row as a network takes them, [`Dtype`]; those that fill up the last word
/// follow.
#[inline]
pub fn numbers(words: &[i32], dtype: Dtype) -> impl Iterator<Item = f32> + '_ {
    let per_word = if dtype == Dtype::Uint8 { 4 } else { 1 };
    words.iter().flat_map(move |&word| {
        let bytes = word.to_le_bytes();
        (0..per_word).map(move |place| match dtype {
            Dtype::Float32 => f32::from_bits(word as u32),
            Dtype::Uint8 => unit(bytes[place]),
        })
    })
}

//! What blocks are told by: the shapes of what they read and make, and their parameters.

use crate::error::Error;

/// Most numbers that a network makes of one observation, all its layers together: 64 MiB.
pub(super) const MOST_NUMBERS: usize = 1 << 24;

/// A named tensor of a network, row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    pub name: String,
    pub shape: Vec<usize>,
}

/// The error of a block that expects another input.
pub(super) fn mismatch(expected: impl Into<String>, got: &[usize]) -> Error {
    Error::invalid("input", expected, format!("{got:?}"))
}

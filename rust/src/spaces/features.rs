//! The features of sparse observations from outside, checked.

use std::fmt::Display;

use crate::error::{Error, Result};

/// The `count` features of a sparse space; `source` is what messages call an observation.
pub struct Features<S> {
    pub source: S,
    pub count: usize,
}

impl<S: Fn() -> String> Features<S> {
    /// An active feature.
    #[inline]
    pub fn index(&self, index: i64) -> Result<i32> {
        if (0..self.count as i64).contains(&index) {
            return Ok(index as i32);
        }
        let expected = format!("indices in 0..{}", self.count);
        Err(Error::invalid((self.source)(), expected, index))
    }

    /// Refuses a row of features that is a dense observation: as many numbers as there are
    /// features, each 0 or 1. Both features of two, or the only one, may be active.
    #[inline]
    pub fn check(&self, row: &[i32]) -> Result<()> {
        let is_full = row.len() == self.count;
        if !is_full || row.iter().any(|index| *index > 1) || matches!(row, [_] | [0, 1] | [1, 0]) {
            return Ok(());
        }
        Err(self.dense(format!("{} numbers that are 0 or 1", row.len())))
    }

    /// The error for an observation of `got`, a value for each feature.
    pub fn dense(&self, got: impl Display) -> Error {
        let expected = "the indices of the active features";
        let got = format!(
            "{got}, a dense observation; return its indices, numpy.flatnonzero(x), or have obs_dtype()"
        );
        Error::invalid((self.source)(), expected, got)
    }
}

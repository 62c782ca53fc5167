//! An environment of another library: its context, and what it said of itself.

use std::sync::{Arc, Mutex};

use super::abi::*;
use super::foreign::{call, Foreign, ForeignError, Table};
use crate::error::{Error, Result};
use crate::locks::lock;
use crate::rl::checked::CheckedSpec;
use crate::rl::deferred::Deferred;

/// An environment of another library.
pub struct ForeignEnv {
    /// The context, or why copying it failed.
    foreign: Mutex<std::result::Result<Foreign, ForeignError>>,
    pub(super) described: Arc<CheckedSpec>,
    pub(super) difficulty: usize,
    /// What methods failed with.
    pub(super) deferred: Deferred,
}

impl ForeignEnv {
    /// A copy of the environment of `table`, which messages call `class`.
    ///
    /// # Errors
    /// If its context cannot be copied, or what it says of itself does not fit.
    pub fn new(table: &Table, class: String) -> Result<Self> {
        let foreign = Foreign::copy_of(&table.0)?;
        let mut difficulty = 0;
        foreign.check(call!(&foreign, get_difficulty, &mut difficulty))?;
        let described = Arc::new(foreign.describe(class)?);
        Ok(Self::around(Ok(foreign), described, difficulty as usize))
    }

    fn around(
        foreign: std::result::Result<Foreign, ForeignError>,
        described: Arc<CheckedSpec>,
        difficulty: usize,
    ) -> Self {
        let foreign = Mutex::new(foreign);
        Self { foreign, described, difficulty, deferred: Deferred::default() }
    }

    /// The same environment with another context.
    pub(super) fn with(&self, foreign: std::result::Result<Foreign, ForeignError>) -> Self {
        Self::around(foreign, self.described.clone(), self.difficulty)
    }

    pub(super) fn call<T>(&self, work: impl FnOnce(&Foreign) -> Result<T>) -> Result<T> {
        self.deferred.report()?;
        match &*lock(&self.foreign) {
            Ok(foreign) => work(foreign),
            Err(error) => Err(Error::Environment(Box::new(error.clone()))),
        }
    }

    pub(super) fn copy_foreign(&self) -> Result<Foreign> {
        self.call(Foreign::copy)
    }

    pub(super) fn make(&self, kind: u32, value: usize, seed: u64) -> Result<()> {
        let ctx = std::ptr::null_mut();
        let batch_move = BatchMove { ctx, kind, reserved: 0, value: value as u64, seed };
        self.call(|foreign| foreign.make(&batch_move))
    }
}

impl Clone for ForeignEnv {
    fn clone(&self) -> Self {
        let failed = |error: Error| ForeignError { invalid: false, message: error.to_string() };
        let foreign = self.copy_foreign().map_err(failed);
        self.with(foreign)
    }
}

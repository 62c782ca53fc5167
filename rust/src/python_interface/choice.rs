//! Arguments that are one of a few names.

use pyo3::prelude::*;

use crate::collector::ppo::{DifficultyDistribution, Truncation};
use crate::error::Error;
use crate::search::RootSelection;

/// What an argument may be: values by name.
pub(super) struct Choice<T: 'static> {
    argument: &'static str,
    values: &'static [(&'static str, T)],
}

pub(super) const TRUNCATION: Choice<Truncation> = Choice {
    argument: "truncation",
    values: &[("terminal", Truncation::Terminal), ("bootstrap", Truncation::Bootstrap)],
};
pub(super) const DIFFICULTY_DISTRIBUTION: Choice<DifficultyDistribution> = Choice {
    argument: "difficulty_distribution",
    values: &[
        ("fixed", DifficultyDistribution::Fixed),
        ("uniform", DifficultyDistribution::Uniform),
    ],
};
pub(super) const ROOT_SELECTION: Choice<RootSelection> = Choice {
    argument: "root_selection",
    values: &[("puct", RootSelection::Puct), ("gumbel", RootSelection::Gumbel)],
};

impl<T: Copy + PartialEq> Choice<T> {
    /// # Errors
    /// ValueError if nothing is called `name`.
    pub(super) fn read(&self, name: &str) -> PyResult<T> {
        let found = self.values.iter().find(|(known, _)| *known == name);
        found.map(|&(_, value)| value).ok_or_else(|| {
            let known: Vec<String> =
                self.values.iter().map(|(known, _)| format!("{known:?}")).collect();
            not_one_of(self.argument, &known.join(" or "), name)
        })
    }

    /// What `value` is called, if it is one of them.
    pub(super) fn name(&self, value: T) -> Option<&'static str> {
        self.values.iter().find(|(_, known)| *known == value).map(|&(name, _)| name)
    }
}

pub(super) fn not_one_of(argument: &str, expected: &str, got: &str) -> PyErr {
    PyErr::from(Error::invalid(argument, expected, format!("{got:?}")))
}

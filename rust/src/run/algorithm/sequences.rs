//! Episodes in sequences, for a network that remembers: the twin of `python/twisterl/rl/sequences.py`.

use super::batch::Batch;
use crate::collector::Table;
use crate::train::Sequences;
use crate::Result;

/// The samples of a collection in `Q` sequences, an episode's last of the steps that are left.
pub(super) struct Cut {
    /// `[Q, S]`
    states: Vec<f32>,
    /// `[Q]`
    lengths: Vec<i64>,
    /// `[Q, B]`, rows of the batch.
    burn_in: Vec<i64>,
    /// `[Q]`
    has_burn_in: Vec<bool>,
}

impl Cut {
    /// Sequences of `length` steps, which `burn_in` steps before may lead into.
    pub(super) fn new(table: &Table, batch: &Batch, length: usize, burn_in: usize) -> Result<Self> {
        let remembered = table.get::<f32>("states")?;
        let size = remembered.len() / table.len().max(1);
        let last = batch.len().saturating_sub(1);
        let mut cut = Self {
            states: Vec::new(),
            lengths: Vec::new(),
            burn_in: Vec::new(),
            has_burn_in: Vec::new(),
        };
        for bounds in table.episode_starts.windows(2) {
            let (begin, end) = (bounds[0] as usize, bounds[1] as usize);
            for first in (begin..end).step_by(length) {
                let is_first = first == begin;
                let before = if is_first { first } else { first - burn_in };
                cut.states.extend_from_slice(&remembered[before * size..][..size]);
                cut.lengths.push((end - first).min(length) as i64);
                // What an episode's first sequence has there is not looked at.
                let steps = before..before + burn_in;
                cut.burn_in.extend(steps.map(|step| batch.row_of[step.min(last)]));
                cut.has_burn_in.push(!is_first && burn_in > 0);
            }
        }
        Ok(cut)
    }

    pub(super) fn sequences(&self) -> Sequences<'_> {
        Sequences {
            states: &self.states,
            lengths: &self.lengths,
            burn_in: &self.burn_in,
            has_burn_in: &self.has_burn_in,
        }
    }
}

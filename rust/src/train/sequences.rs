//! Samples in the order of their episodes, for a network that remembers.
//!
//! A sequence starts from what was remembered there when it was played (the stored state of
//! Kapturowski et al. 2019, R2D2), or some steps earlier: this burn-in makes that state anew with the
//! weights as they are, without a gradient. Gradients flow back to its first step and no further.

use super::lengths::check_len;
use crate::error::{Error, Result};
use crate::nn::{Course, Trainable};

/// `Q` sequences, one after another, which are all samples in their order.
#[derive(Clone, Copy, Debug)]
pub struct Sequences<'a> {
    /// `[Q, S]`, what is remembered before the first step, or before the burn-in.
    pub states: &'a [f32],
    /// `[Q]`, the steps of each.
    pub lengths: &'a [i64],
    /// `[Q, B]`, the observations of the steps before.
    pub burn_in: &'a [i64],
    /// `[Q]`, false for an episode's first sequence.
    pub has_burn_in: &'a [bool],
}

impl Sequences<'_> {
    /// Refuses sequences that do not fit the samples, the observations or the network.
    pub(super) fn check(
        &self,
        num_samples: usize,
        num_rows: usize,
        state_size: usize,
    ) -> Result<()> {
        let count = self.lengths.len();
        if let Some(length) = self.lengths.iter().find(|length| **length < 1) {
            return Err(Error::invalid("lengths", "at least 1", length));
        }
        let total = self.lengths.iter().try_fold(0i64, |sum, length| sum.checked_add(*length));
        if total != Some(num_samples as i64) {
            let expected = format!("lengths of {num_samples} samples");
            return Err(Error::invalid("lengths", expected, format!("{total:?}")));
        }
        check_len("states", self.states.len(), count.saturating_mul(state_size))?;
        check_len("has_burn_in", self.has_burn_in.len(), count)?;
        if !self.burn_in.len().is_multiple_of(count) {
            let expected = format!("a multiple of {count} entries");
            return Err(Error::invalid("burn_in", expected, self.burn_in.len()));
        }
        let known = 0..num_rows as i64;
        if let Some(row) = self.burn_in.iter().find(|row| !known.contains(*row)) {
            return Err(Error::invalid("burn_in", format!("in {known:?}"), row));
        }
        Ok(())
    }

    /// The sequences numbered `units` of samples with these rows, which have their twists, those of about one length together; calls `push` with the view
    /// and the number of each of their samples, in the order in which they pass through the network.
    pub(super) fn courses(
        &self,
        row_of: &[i64],
        twists: &[i64],
        units: &[u32],
        network: &Trainable,
        mut push: impl FnMut((u32, i32), u32),
    ) -> Vec<Course> {
        let mut end = 0;
        let firsts: Vec<usize> = self
            .lengths
            .iter()
            .map(|&length| {
                end += length as usize;
                end - length as usize
            })
            .collect();
        let length = |unit: u32| self.lengths[unit as usize] as usize;
        let view = |row: i64| (row as u32, twists[row as usize] as i32);
        let mut order = units.to_vec();
        order.sort_unstable_by_key(|&unit| (usize::MAX - length(unit), unit));
        let longest = order.first().map_or(0, |&unit| length(unit));
        let size = self.states.len() / self.lengths.len();
        let before = self.burn_in.len() / self.lengths.len();
        let course = |together: &[u32]| {
            let mut course = Course::default();
            for step in 0..length(together[0]) {
                let going = together.partition_point(|&unit| length(unit) > step);
                course.steps.push(going);
                for &unit in &together[..going] {
                    let sample = firsts[unit as usize] + step;
                    push(view(row_of[sample]), sample as u32);
                }
            }
            for (place, &unit) in together.iter().enumerate() {
                let unit = unit as usize;
                course.states.extend_from_slice(&self.states[unit * size..][..size]);
                if self.has_burn_in[unit] && before > 0 {
                    course.warmed.push(place);
                }
            }
            for step in 0..before {
                for &place in &course.warmed {
                    let row = self.burn_in[together[place] as usize * before + step];
                    course.burn_in.push(view(row));
                }
            }
            course
        };
        order.chunks(network.num_together(longest)).map(course).collect()
    }
}

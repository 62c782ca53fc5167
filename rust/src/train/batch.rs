//! Samples, and the minibatches that they make: each distinct observation once, its samples behind it.
//! Those of a network that remembers are in [`Sequences`], step after step.

use super::lengths::check_len;
use super::sequences::Sequences;
use crate::error::{Error, Result};
use crate::nn::{Course, Trainable};
use crate::rng::Rng;
use crate::spaces::Rows;

/// `N` samples of `U` distinct observations.
#[derive(Clone, Copy, Debug)]
pub struct Samples<'a> {
    /// `[U]`
    pub rows: &'a Rows,
    /// `[U]`, the twist that each is seen through, -1 for none.
    pub twists: &'a [i64],
    /// `[N]`, the observation of each sample, in `0..U`.
    pub row_of: &'a [i64],
    /// `[N, A]`, the actions that must not be taken; `None`: all may.
    pub illegal: Option<&'a [bool]>,
    /// How they follow each other, for a network that remembers.
    pub sequences: Option<Sequences<'a>>,
}

impl Samples<'_> {
    /// Number of samples `N`.
    pub fn len(&self) -> usize {
        self.row_of.len()
    }

    pub fn is_empty(&self) -> bool {
        self.row_of.is_empty()
    }

    /// What minibatches are drawn from: samples, or sequences of them.
    pub(super) fn num_units(&self) -> usize {
        self.sequences.map_or(self.len(), |sequences| sequences.lengths.len())
    }

    /// Refuses samples that do not fit each other or the network, which remembers `state_size`
    /// numbers.
    pub(super) fn check(
        &self,
        num_actions: usize,
        num_twists: usize,
        state_size: usize,
    ) -> Result<()> {
        let rows = self.rows.len();
        match &self.sequences {
            Some(sequences) if state_size > 0 => sequences.check(self.len(), rows, state_size)?,
            None if state_size == 0 => (),
            given => {
                let expected = if state_size > 0 { "some" } else { "none" };
                let expected =
                    format!("{expected}, for the network remembers {state_size} numbers");
                let got = given.map_or(0, |sequences| sequences.lengths.len());
                return Err(Error::invalid("sequences", expected, got));
            }
        }
        if self.is_empty() {
            return Err(Error::invalid("samples", "at least one", 0));
        }
        if self.twists.len() != rows {
            return Err(Error::invalid("perms", format!("{rows} entries"), self.twists.len()));
        }
        let twists = -1..num_twists as i64;
        if let Some(twist) = self.twists.iter().find(|twist| !twists.contains(*twist)) {
            return Err(Error::invalid("perms", format!("-1 or 0..{num_twists}"), twist));
        }
        if let Some(row) = self.row_of.iter().find(|row| !(0..rows as i64).contains(*row)) {
            return Err(Error::invalid("rows", format!("in 0..{rows}"), row));
        }
        if let Some(illegal) = self.illegal {
            check_len("illegal", illegal.len(), self.len() * num_actions)?;
        }
        Ok(())
    }

    /// The illegal actions of a sample.
    #[inline]
    pub(super) fn illegal(&self, sample: usize, num_actions: usize) -> Option<&[bool]> {
        self.illegal.map(|illegal| &illegal[sample * num_actions..][..num_actions])
    }
}

/// Some of the samples, by observation and twist.
#[derive(Default)]
pub(super) struct Minibatch {
    /// The distinct (observation, twist), ascending.
    pub(super) views: Vec<(u32, i32)>,
    /// Those of view `v` are `samples[ends[v - 1]..ends[v]]`, ascending.
    samples: Vec<u32>,
    ends: Vec<usize>,
    sorted: Vec<(u32, i32, u32)>,
    /// Of sequences, which have a view for each step.
    pub(super) courses: Vec<Course>,
}

impl Minibatch {
    /// Makes it of `units` of the samples; a number of twists to draw from replaces their own.
    pub(super) fn take(
        &mut self,
        of: &Samples<'_>,
        units: &[u32],
        network: &Trainable,
        draw: Option<(&mut Rng, u32)>,
    ) {
        match &of.sequences {
            None => self.gather(of, units, draw),
            Some(sequences) => {
                self.clear();
                self.courses =
                    sequences.courses(of.row_of, of.twists, units, network, |view, sample| {
                        self.views.push(view);
                        self.samples.push(sample);
                        self.ends.push(self.samples.len());
                    });
            }
        }
    }

    fn clear(&mut self) {
        self.views.clear();
        self.samples.clear();
        self.ends.clear();
    }

    fn gather(&mut self, of: &Samples<'_>, samples: &[u32], mut draw: Option<(&mut Rng, u32)>) {
        self.sorted.clear();
        self.sorted.extend(samples.iter().map(|&sample| {
            let row = of.row_of[sample as usize] as usize;
            let twist = match &mut draw {
                Some((rng, count)) => rng.below(*count) as i32,
                None => of.twists[row] as i32,
            };
            (row as u32, twist, sample)
        }));
        self.sorted.sort_unstable();
        self.clear();
        for &(row, twist, sample) in &self.sorted {
            if self.views.last() != Some(&(row, twist)) {
                self.views.push((row, twist));
                self.ends.push(self.samples.len());
            }
            self.samples.push(sample);
            *self.ends.last_mut().expect("a view was pushed") = self.samples.len();
        }
    }

    /// The samples of view `view`.
    #[inline]
    pub(super) fn samples(&self, view: usize) -> &[u32] {
        let first = if view == 0 { 0 } else { self.ends[view - 1] };
        &self.samples[first..self.ends[view]]
    }

    /// Number of samples.
    pub(super) fn len(&self) -> usize {
        self.samples.len()
    }
}

//! A policy that something else evaluates, once a batch: any network, wherever it is.

use std::sync::Arc;

use super::head::Head;
use super::policy::{check_outputs, Policy};
use super::scratch::Scratch;
use crate::error::{Error, Result};
use crate::spaces::{ObsSpace, Parts, Rows};

/// What evaluates the observations of a [`CalledPolicy`].
pub trait Evaluate: Send + Sync {
    /// Writes what it says of `M` observations, `[M * F]` numbers, 0 and 1 where they are sparse and shares of
    /// 255 where they are bytes; with memory, of those that come behind `states [M * S]`. Of the last ones,
    /// which fill up the batch, nobody asks.
    fn evaluate(&self, observations: Vec<f32>, states: Vec<f32>, to: Outputs<'_>) -> Result<()>;
}

/// Where `N` raw logits `[N, A]`, values `[N]` and states that follow `[N, S]` are written.
pub struct Outputs<'a> {
    pub logits: &'a mut [f32],
    pub values: &'a mut [f32],
    pub states: &'a mut [f32],
}

/// A policy of `evaluate`; of equal observations it says the same, whichever are in a batch.
#[derive(Clone)]
pub struct CalledPolicy {
    evaluate: Arc<dyn Evaluate>,
    space: ObsSpace,
    num_actions: usize,
    /// `[S]`
    initial_state: Vec<f32>,
    head: Head,
    /// A batch is filled up with zeros to a multiple of so many rows.
    block: usize,
}

impl CalledPolicy {
    /// A policy of `num_actions` outputs, which `head` reads, for observations of `space`; with a memory,
    /// unless `initial_state` is empty.
    ///
    /// # Errors
    /// If the head is none of so many outputs.
    pub fn new(
        evaluate: Arc<dyn Evaluate>,
        space: ObsSpace,
        num_actions: usize,
        initial_state: Vec<f32>,
        head: Head,
    ) -> Result<Self> {
        head.check(num_actions)?;
        Ok(Self { evaluate, space, num_actions, initial_state, head, block: 1 })
    }

    /// The same policy, asked for multiples of `block` observations alone.
    pub fn in_blocks(&self, block: usize) -> Self {
        Self { block, ..self.clone() }
    }

    /// The observations as numbers `[M * F]`.
    fn numbers(&self, rows: &Rows) -> Result<Vec<f32>> {
        let features = self.space.num_features();
        let mut all = vec![0.0; rows.len().next_multiple_of(self.block) * features];
        for (row, place) in all.chunks_exact_mut(features).take(rows.len()).enumerate() {
            self.space.check_row(row, rows.row(row))?;
            self.space.write(rows.row(row), place);
        }
        Ok(all)
    }
}

impl Policy for CalledPolicy {
    fn num_actions(&self) -> usize {
        self.num_actions
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn num_features(&self) -> usize {
        self.space.num_features()
    }

    fn obs_dtype(&self) -> &'static str {
        self.space.dtype()
    }

    fn obs_parts(&self) -> Option<&Parts> {
        self.space.parts()
    }

    fn num_twists(&self) -> usize {
        0
    }

    fn is_called_dearly(&self) -> bool {
        true
    }

    fn forward_batch(
        &self,
        rows: &Rows,
        twists: Option<&[i32]>,
        scratch: &mut Scratch,
        logits: &mut [f32],
        values: &mut [f32],
    ) -> Result<()> {
        let mut states = self.initial_state.repeat(rows.len());
        self.step_batch(rows, twists, &mut states, scratch, logits, values)
    }

    fn state_size(&self) -> usize {
        self.initial_state.len()
    }

    fn initial_state(&self, state: &mut [f32]) {
        state.copy_from_slice(&self.initial_state);
    }

    fn step_batch(
        &self,
        rows: &Rows,
        twists: Option<&[i32]>,
        states: &mut [f32],
        _scratch: &mut Scratch,
        logits: &mut [f32],
        values: &mut [f32],
    ) -> Result<()> {
        if let Some(twist) = twists.and_then(|twists| twists.iter().find(|twist| **twist != -1)) {
            return Err(Error::invalid("twist", "-1, for this policy has none", twist));
        }
        if rows.is_empty() {
            return Ok(());
        }
        let observations = self.numbers(rows)?;
        let size = rows.len().next_multiple_of(self.block) * self.initial_state.len();
        let more = self.initial_state.iter().cycle().take(size - states.len());
        let before = states.iter().chain(more).copied().collect();
        self.evaluate.evaluate(observations, before, Outputs { logits, values, states })?;
        if let Some(number) = states.iter().find(|number| !number.is_finite()) {
            return Err(Error::Policy(format!("expected finite states, got {number}")));
        }
        check_outputs(logits, self.num_actions, values)
    }

    fn share(&self) -> Arc<dyn Policy> {
        Arc::new(self.clone())
    }
}

//! Network outputs for the views of a step, through a cache that workers may share.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use super::cache::{hash_row, Cache, Found, Record};
use super::rules::PlayRules;
use crate::error::Result;
use crate::nn::{Policy, Scratch};
use crate::rl::vec_env::{LaneMove, Views};
use crate::rng::Rng;
use crate::spaces::Rows;

fn read(cache: &RwLock<Cache>) -> RwLockReadGuard<'_, Cache> {
    cache.read().unwrap_or_else(PoisonError::into_inner)
}

/// Evaluates the views of one step after another.
///
/// Workers share a cache without waiting for each other: they look up, enter and fill side by
/// side, and the lock is taken by one alone only to make room. A view whose output another worker
/// is computing is asked for last; if it still is not there, it is computed twice, to the same
/// bits.
#[derive(Default)]
pub(crate) struct Evaluator {
    /// Permutation that each view of the step was evaluated through, `[B]`, -1 for none.
    pub(crate) twists: Vec<i32>,
    /// Raw, `[B, A]`; unspecified for a view that was not evaluated.
    pub(crate) logits: Vec<f32>,
    /// `[B]`, 0 for a view that was not evaluated.
    pub(crate) values: Vec<f32>,
    /// What the policy remembers at each view `[B, S]`: given before the step is evaluated, then what it
    /// remembers after it.
    pub(crate) states: Vec<f32>,
    /// Views that are not evaluated `[B]`; empty: all are.
    pub(crate) known: Vec<bool>,
    hashes: Vec<u64>,
    /// Views whose output was not cached when the step began.
    missed: Vec<usize>,
    /// Views and the rows of the batch that answer them.
    asked: Vec<(usize, usize)>,
    /// Views whose output another worker is computing.
    pending: Vec<usize>,
    /// New records and the rows of the batch that fill them, both rising.
    records: Vec<(Record, usize)>,
    batch: Rows,
    batch_twists: Vec<i32>,
    batch_logits: Vec<f32>,
    batch_values: Vec<f32>,
    batch_states: Vec<f32>,
    state_size: usize,
    scratch: Scratch,
}

impl Evaluator {
    /// Evaluates `views`, which the lanes of `moves` see, as `rules` say.
    pub(crate) fn evaluate(
        &mut self,
        policy: &dyn Policy,
        rules: PlayRules,
        cache: &RwLock<Cache>,
        (moves, views): (&[LaneMove], &Views),
        rngs: &mut [Rng],
    ) -> Result<()> {
        self.logits.resize(moves.len() * policy.num_actions(), 0.0);
        self.values.clear();
        self.values.resize(moves.len(), 0.0);
        self.state_size = policy.state_size();
        debug_assert_eq!(self.states.len(), moves.len() * self.state_size);
        self.draw_twists(policy, rules, (moves, views), rngs);
        self.missed.clear();
        self.pending.clear();
        self.ask_nothing();
        let known = std::mem::take(&mut self.known);
        let is_known = |i: usize| known.get(i).is_some_and(|&known| known);
        let wanted = (0..moves.len()).filter(|&i| rules.wants(views.status[i]) && !is_known(i));
        // What is remembered makes nearly every view another.
        if rules.cache && self.state_size == 0 {
            let mut cached = read(cache);
            self.look_up(&cached, views, wanted);
            let (rows, words) = (self.missed.len(), views.rows.words().len());
            if rows > 0 && !cached.has_room(rows, words) {
                drop(cached);
                let mut alone = cache.write().unwrap_or_else(PoisonError::into_inner);
                alone.make_room(rows, words);
                drop(alone);
                cached = read(cache);
            }
            self.enter(&cached, views);
        } else {
            wanted.for_each(|i| self.ask(i, views));
        }
        self.known = known;
        self.compute(policy, cache)?;
        if !self.pending.is_empty() {
            self.look_again(&read(cache), views);
            self.compute(policy, cache)?;
        }
        Ok(())
    }

    /// Asks the network, keeps what it says and answers the views that asked.
    fn compute(&mut self, policy: &dyn Policy, cache: &RwLock<Cache>) -> Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.run_network(policy)?;
        if !self.records.is_empty() {
            self.keep(&read(cache));
        }
        self.answer(policy.num_actions());
        Ok(())
    }

    fn ask_nothing(&mut self) {
        self.asked.clear();
        self.records.clear();
        self.batch.clear();
        self.batch_twists.clear();
        self.batch_states.clear();
    }

    fn draw_twists(
        &mut self,
        policy: &dyn Policy,
        rules: PlayRules,
        (moves, views): (&[LaneMove], &Views),
        rngs: &mut [Rng],
    ) {
        self.twists.clear();
        self.twists.resize(moves.len(), -1);
        let num_twists = policy.num_twists() as u32;
        if num_twists == 0 {
            return;
        }
        for ((twist, LaneMove { lane, .. }), &status) in
            self.twists.iter_mut().zip(moves).zip(&views.status)
        {
            if rules.wants(status) {
                *twist = rngs[*lane].below(num_twists) as i32;
            }
        }
    }

    /// Copies the outputs that are known, and notes which are not.
    fn look_up(&mut self, cache: &Cache, views: &Views, wanted: impl Iterator<Item = usize>) {
        self.hashes.clear();
        let rows = (0..views.rows.len()).map(|i| views.rows.row(i)).zip(&self.twists);
        self.hashes.extend(rows.map(|(row, &twist)| hash_row(row, twist)));
        // All at once: what one row reads is slow to come, and that of the next rows comes meanwhile.
        self.hashes.iter().for_each(|&hash| cache.touch(hash));
        for i in wanted {
            match cache.get(self.hashes[i], views.rows.row(i), self.twists[i]) {
                Some(record) if cache.is_filled(record) => self.copy(cache, record, i),
                _ => self.missed.push(i),
            }
        }
    }

    #[inline]
    fn copy(&mut self, cache: &Cache, record: Record, i: usize) {
        let num_actions = self.logits.len() / self.values.len();
        let logits = &mut self.logits[i * num_actions..][..num_actions];
        let mut output = cache.output(record);
        logits.iter_mut().zip(&mut output).for_each(|(logit, number)| *logit = number);
        self.values[i] = output.next().unwrap_or_default();
    }

    /// Gives records to the views that have none, and asks the network for what no other worker
    /// is asking it.
    fn enter(&mut self, cache: &Cache, views: &Views) {
        let missed = std::mem::take(&mut self.missed);
        for &i in &missed {
            match cache.find(self.hashes[i], views.rows.row(i), self.twists[i]) {
                Found::New(record) => {
                    self.records.push((record, self.batch.len()));
                    self.ask(i, views);
                }
                Found::Known(record) if cache.is_filled(record) => self.copy(cache, record, i),
                Found::Known(record) => {
                    match self.records.binary_search_by_key(&record, |&(record, _)| record) {
                        Ok(known) => self.asked.push((i, self.records[known].1)),
                        Err(_) => self.pending.push(i),
                    }
                }
                Found::Full => self.ask(i, views),
            }
        }
        self.missed = missed;
    }

    /// Copies what other workers have computed meanwhile, and asks the network for the rest.
    fn look_again(&mut self, cache: &Cache, views: &Views) {
        self.ask_nothing();
        let pending = std::mem::take(&mut self.pending);
        for &i in &pending {
            match cache.get(self.hashes[i], views.rows.row(i), self.twists[i]) {
                Some(record) if cache.is_filled(record) => self.copy(cache, record, i),
                _ => self.ask(i, views),
            }
        }
        self.pending = pending;
    }

    fn ask(&mut self, i: usize, views: &Views) {
        self.asked.push((i, self.batch.len()));
        self.batch.push(views.rows.row(i));
        self.batch_twists.push(self.twists[i]);
        let size = self.state_size;
        if size > 0 {
            self.batch_states.extend_from_slice(&self.states[i * size..][..size]);
        }
    }

    fn run_network(&mut self, policy: &dyn Policy) -> Result<()> {
        let rows = self.batch.len();
        self.batch_logits.resize(rows * policy.num_actions(), 0.0);
        self.batch_values.resize(rows, 0.0);
        let twists = (policy.num_twists() > 0).then_some(&self.batch_twists[..]);
        policy.step_batch(
            &self.batch,
            twists,
            &mut self.batch_states,
            &mut self.scratch,
            &mut self.batch_logits,
            &mut self.batch_values,
        )
    }

    fn keep(&self, cache: &Cache) {
        let num_actions = self.batch_logits.len() / self.batch_values.len();
        for &(record, row) in &self.records {
            let logits = &self.batch_logits[row * num_actions..][..num_actions];
            cache.fill(record, logits.iter().copied().chain([self.batch_values[row]]));
        }
    }

    fn answer(&mut self, num_actions: usize) {
        for &(i, row) in &self.asked {
            let logits = &self.batch_logits[row * num_actions..][..num_actions];
            self.logits[i * num_actions..][..num_actions].copy_from_slice(logits);
            self.values[i] = self.batch_values[row];
            let size = self.state_size;
            if size > 0 {
                let state = &self.batch_states[row * size..][..size];
                self.states[i * size..][..size].copy_from_slice(state);
            }
        }
    }
}

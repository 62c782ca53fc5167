//! Bringing the episodes of all workers into their order, each worker copying a share.

use std::sync::{Mutex, PoisonError};

use super::rollout::Rollout;
use crate::engine::pool::{run, Poll};
use crate::error::Result;
use crate::obs::SparseRows;

/// Rows that are copied sooner than another worker is woken.
const LEAST_SHARE: usize = 1 << 14;

/// Finished episodes of one worker, in the order they ended.
#[derive(Default)]
pub(super) struct Part {
    rows: Rollout,
    /// Number of each episode, in the order of `rows.episode_starts`.
    episodes: Vec<usize>,
}

impl Part {
    pub(super) fn push(&mut self, episode: usize, rows: &Rollout) {
        self.rows.append(rows);
        self.episodes.push(episode);
    }

    /// Forgets all episodes and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.episodes.clear();
    }
}

/// Rows `from..to` of a part: one episode.
#[derive(Clone, Copy, Default)]
struct Home {
    part: usize,
    from: usize,
    to: usize,
}

/// All episodes in the order of their numbers, which are `0..E` without a gap.
pub(super) fn merge(
    parts: &[&Part],
    num_actions: usize,
    num_workers: usize,
    poll: Poll<'_>,
) -> Result<Rollout> {
    let homes = find_homes(parts);
    let rows: usize = parts.iter().map(|part| part.rows.len()).sum();
    let features: usize = parts.iter().map(|part| part.rows.rows.indices().len()).sum();
    // Zeroed memory is not touched before it is written, by the worker that writes it.
    let mut indices = vec![0; features];
    let mut offsets = vec![0; rows + 1];
    let mut merged = Rollout {
        rows: SparseRows::default(),
        masks: vec![false; rows * num_actions],
        twists: vec![0; rows],
        logits: vec![0.0; rows * num_actions],
        log_probs: vec![0.0; rows],
        values: vec![0.0; rows],
        rewards: vec![0.0; rows],
        actions: vec![0; rows],
        advantages: vec![0.0; rows],
        returns: vec![0.0; rows],
        episode_starts: episode_starts(&homes),
    };
    let mut left = Slices {
        first_feature: 0,
        indices: &mut indices,
        ends: &mut offsets[1..],
        masks: &mut merged.masks,
        twists: &mut merged.twists,
        logits: &mut merged.logits,
        log_probs: &mut merged.log_probs,
        values: &mut merged.values,
        rewards: &mut merged.rewards,
        actions: &mut merged.actions,
        advantages: &mut merged.advantages,
        returns: &mut merged.returns,
    };
    let num_workers = num_workers.min(rows.div_ceil(LEAST_SHARE)).max(1);
    let mut shares = Vec::with_capacity(num_workers);
    for homes in homes.chunks(homes.len().div_ceil(num_workers).max(1)) {
        let rows = homes.iter().map(|home| home.to - home.from).sum();
        let features = homes.iter().map(|home| num_features(parts, home)).sum();
        let share;
        (share, left) = left.split_at(rows, features, num_actions);
        shares.push(Mutex::new(Some((share, homes))));
    }
    run(shares.len(), poll, |worker, _| {
        let share = shares[worker].lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((mut share, homes)) = share {
            for home in homes {
                let rows = home.to - home.from;
                let features = num_features(parts, home);
                let episode;
                (episode, share) = share.split_at(rows, features, num_actions);
                episode.copy(&parts[home.part].rows, home, num_actions);
            }
        }
        Ok(())
    })?;
    drop(shares);
    merged.rows = SparseRows { indices, offsets };
    Ok(merged)
}

fn find_homes(parts: &[&Part]) -> Vec<Home> {
    let episodes = parts.iter().map(|part| part.episodes.len()).sum();
    let mut homes = vec![Home::default(); episodes];
    for (index, part) in parts.iter().enumerate() {
        let starts = &part.rows.episode_starts;
        for (place, &episode) in part.episodes.iter().enumerate() {
            let from = starts[place] as usize;
            let to = starts.get(place + 1).map_or(part.rows.len(), |&next| next as usize);
            homes[episode] = Home { part: index, from, to };
        }
    }
    homes
}

fn episode_starts(homes: &[Home]) -> Vec<i64> {
    let mut start = 0;
    let mut starts = vec![0];
    starts.extend(homes.iter().map(|home| {
        start += (home.to - home.from) as i64;
        start
    }));
    starts
}

fn num_features(parts: &[&Part], home: &Home) -> usize {
    let offsets = parts[home.part].rows.rows.offsets();
    (offsets[home.to] - offsets[home.from]) as usize
}

/// A range of rows of the merged arrays, to be written by one worker.
struct Slices<'a> {
    first_feature: usize,
    indices: &'a mut [i32],
    /// Where the features of each row end.
    ends: &'a mut [i64],
    masks: &'a mut [bool],
    twists: &'a mut [i64],
    logits: &'a mut [f32],
    log_probs: &'a mut [f32],
    values: &'a mut [f32],
    rewards: &'a mut [f32],
    actions: &'a mut [i64],
    advantages: &'a mut [f32],
    returns: &'a mut [f32],
}

impl<'a> Slices<'a> {
    fn split_at(self, rows: usize, features: usize, num_actions: usize) -> (Self, Self) {
        let wide = rows * num_actions;
        let indices = self.indices.split_at_mut(features);
        let ends = self.ends.split_at_mut(rows);
        let masks = self.masks.split_at_mut(wide);
        let twists = self.twists.split_at_mut(rows);
        let logits = self.logits.split_at_mut(wide);
        let log_probs = self.log_probs.split_at_mut(rows);
        let values = self.values.split_at_mut(rows);
        let rewards = self.rewards.split_at_mut(rows);
        let actions = self.actions.split_at_mut(rows);
        let advantages = self.advantages.split_at_mut(rows);
        let returns = self.returns.split_at_mut(rows);
        let head = Slices {
            first_feature: self.first_feature,
            indices: indices.0,
            ends: ends.0,
            masks: masks.0,
            twists: twists.0,
            logits: logits.0,
            log_probs: log_probs.0,
            values: values.0,
            rewards: rewards.0,
            actions: actions.0,
            advantages: advantages.0,
            returns: returns.0,
        };
        let tail = Slices {
            first_feature: self.first_feature + features,
            indices: indices.1,
            ends: ends.1,
            masks: masks.1,
            twists: twists.1,
            logits: logits.1,
            log_probs: log_probs.1,
            values: values.1,
            rewards: rewards.1,
            actions: actions.1,
            advantages: advantages.1,
            returns: returns.1,
        };
        (head, tail)
    }

    fn copy(self, from: &Rollout, home: &Home, num_actions: usize) {
        let rows = home.from..home.to;
        let wide = home.from * num_actions..home.to * num_actions;
        let offsets = &from.rows.offsets()[home.from..=home.to];
        let first = offsets[0];
        self.indices.copy_from_slice(
            &from.rows.indices()[first as usize..offsets[home.to - home.from] as usize],
        );
        for (end, offset) in self.ends.iter_mut().zip(&offsets[1..]) {
            *end = offset - first + self.first_feature as i64;
        }
        self.masks.copy_from_slice(&from.masks[wide.clone()]);
        self.logits.copy_from_slice(&from.logits[wide]);
        self.twists.copy_from_slice(&from.twists[rows.clone()]);
        self.log_probs.copy_from_slice(&from.log_probs[rows.clone()]);
        self.values.copy_from_slice(&from.values[rows.clone()]);
        self.rewards.copy_from_slice(&from.rewards[rows.clone()]);
        self.actions.copy_from_slice(&from.actions[rows.clone()]);
        self.advantages.copy_from_slice(&from.advantages[rows.clone()]);
        self.returns.copy_from_slice(&from.returns[rows]);
    }
}

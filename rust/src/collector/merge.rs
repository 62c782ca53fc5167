//! Bringing the episodes of all workers into their order, the workers copying share after share.

use std::mem::MaybeUninit;
use std::sync::{Mutex, PoisonError};

use super::rollout::Rollout;
use crate::engine::pool::{run, Poll};
use crate::error::Result;
use crate::obs::SparseRows;

/// Rows that a worker copies before it takes the next ones. A worker that is woken late finds fewer
/// left; for so few none is woken.
const SHARE: usize = 1 << 13;

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
    let rows: usize = homes.iter().map(|home| home.to - home.from).sum();
    let features: usize = homes.iter().map(|home| num_features(parts, home)).sum();
    let wide = rows * num_actions;
    let mut merged = Rollout { episode_starts: episode_starts(&homes), ..Rollout::default() };
    let SparseRows { indices, offsets } = &mut merged.rows;
    let mut left = Slices {
        first_feature: 0,
        indices: room(indices, features),
        ends: room(offsets, rows),
        masks: room(&mut merged.masks, wide),
        twists: room(&mut merged.twists, rows),
        logits: room(&mut merged.logits, wide),
        log_probs: room(&mut merged.log_probs, rows),
        values: room(&mut merged.values, rows),
        rewards: room(&mut merged.rewards, rows),
        actions: room(&mut merged.actions, rows),
        advantages: room(&mut merged.advantages, rows),
        returns: room(&mut merged.returns, rows),
    };
    let num_shares = rows.div_ceil(SHARE).max(1);
    let mut shares = Vec::with_capacity(num_shares);
    for homes in homes.chunks(homes.len().div_ceil(num_shares).max(1)) {
        let rows = homes.iter().map(|home| home.to - home.from).sum();
        let features = homes.iter().map(|home| num_features(parts, home)).sum();
        let share;
        (share, left) = left.split_at(rows, features, num_actions);
        shares.push((share, homes));
    }
    let num_workers = num_workers.min(shares.len());
    let shares = Mutex::new(shares);
    let next = || shares.lock().unwrap_or_else(PoisonError::into_inner).pop();
    run(num_workers, poll, |_, _| {
        while let Some((mut share, homes)) = next() {
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
    // SAFETY: no worker failed, so that all homes of all shares were copied: `split_at` gave every
    // home its own slices of these rooms, in order and without a gap, and `copy` writes them whole.
    // The homes together have `rows` rows and `features` features.
    unsafe {
        merged.rows.indices.set_len(features);
        merged.rows.offsets.set_len(1 + rows);
        merged.masks.set_len(wide);
        merged.twists.set_len(rows);
        merged.logits.set_len(wide);
        merged.log_probs.set_len(rows);
        merged.values.set_len(rows);
        merged.rewards.set_len(rows);
        merged.actions.set_len(rows);
        merged.advantages.set_len(rows);
        merged.returns.set_len(rows);
    }
    Ok(merged)
}

/// Memory for `len` more numbers, which zeros would be written to in vain.
fn room<T>(numbers: &mut Vec<T>, len: usize) -> &mut [MaybeUninit<T>] {
    numbers.reserve_exact(len);
    &mut numbers.spare_capacity_mut()[..len]
}

/// Writes all of `room`; `numbers` are as many.
fn fill<T: Copy>(room: &mut [MaybeUninit<T>], numbers: &[T]) {
    assert_eq!(room.len(), numbers.len());
    for (place, &number) in room.iter_mut().zip(numbers) {
        place.write(number);
    }
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
    indices: &'a mut [MaybeUninit<i32>],
    /// Where the features of each row end.
    ends: &'a mut [MaybeUninit<i64>],
    masks: &'a mut [MaybeUninit<bool>],
    twists: &'a mut [MaybeUninit<i64>],
    logits: &'a mut [MaybeUninit<f32>],
    log_probs: &'a mut [MaybeUninit<f32>],
    values: &'a mut [MaybeUninit<f32>],
    rewards: &'a mut [MaybeUninit<f32>],
    actions: &'a mut [MaybeUninit<i64>],
    advantages: &'a mut [MaybeUninit<f32>],
    returns: &'a mut [MaybeUninit<f32>],
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

    /// Writes all of it: the rows of `home`, which are as many.
    fn copy(self, from: &Rollout, home: &Home, num_actions: usize) {
        let rows = home.from..home.to;
        let wide = home.from * num_actions..home.to * num_actions;
        let offsets = &from.rows.offsets()[home.from..=home.to];
        let (first, last) = (offsets[0], offsets[home.to - home.from]);
        fill(self.indices, &from.rows.indices()[first as usize..last as usize]);
        assert_eq!(self.ends.len(), rows.len());
        for (end, offset) in self.ends.iter_mut().zip(&offsets[1..]) {
            end.write(offset - first + self.first_feature as i64);
        }
        fill(self.masks, &from.masks[wide.clone()]);
        fill(self.logits, &from.logits[wide]);
        fill(self.twists, &from.twists[rows.clone()]);
        fill(self.log_probs, &from.log_probs[rows.clone()]);
        fill(self.values, &from.values[rows.clone()]);
        fill(self.rewards, &from.rewards[rows.clone()]);
        fill(self.actions, &from.actions[rows.clone()]);
        fill(self.advantages, &from.advantages[rows.clone()]);
        fill(self.returns, &from.returns[rows]);
    }
}

//! Breadth-first search over the states of any environment whose actions can be undone.
//!
//! A state is kept as its key, the state it was reached from and the action: about 25 bytes. It
//! is not kept as an environment: one environment walks along the tree of first visits, by
//! actions and their inverses, from each state to the next one to expand.

mod stored;

use super::meter::Meter;
use crate::clock::Deadline;
use crate::engine::cache::row_key;
use crate::error::{Error, Result};
use crate::rl::env::Env;

const EMPTY: u32 = u32::MAX;
/// States that are looked up together.
const BATCH: usize = 256;
/// Keys that are entered anew between two looks at the limits.
const KEYS_BETWEEN_LOOKS: usize = 1 << 16;

/// The states around a root, numbered in the order of their distance from it.
#[derive(Debug)]
pub struct Breadth {
    keys: Keys,
    parents: Vec<u32>,
    /// The action that first led to each state.
    actions: Vec<u8>,
    /// Number of the first state of each layer, and of the next one.
    layers: Vec<usize>,
    inverse: Vec<usize>,
    told_by: ToldBy,
    /// An observation.
    row: Vec<i32>,
}

/// What tells states apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToldBy {
    /// [`Env::state_key`].
    Key,
    /// [`Env::class_key`]: one state of each class is kept.
    Class,
    /// [`Env::class_hash`].
    ClassHash,
    /// A hash of the observation, where it shows all of the state.
    Observation,
}

impl ToldBy {
    /// The classes of states, where they can be told for certain, else states.
    pub fn best(env: &dyn Env) -> Self {
        if env.class_key().is_some() {
            Self::Class
        } else {
            Self::Key
        }
    }

    /// Of the state that `env` is in, as far as it can be told; `row` is for an observation.
    #[inline]
    pub(crate) fn key(self, env: &dyn Env, row: &mut Vec<i32>) -> Result<Option<u128>> {
        Ok(match self {
            Self::Key => env.state_key(),
            Self::Class => env.class_key(),
            Self::ClassHash => env.class_hash().map(u128::from),
            Self::Observation => {
                row.clear();
                env.try_observe(row)?;
                Some(row_key(row))
            }
        })
    }
}

/// A state next to one that is kept.
struct Child {
    key: u128,
    parent: u32,
    action: u8,
    success: bool,
}

/// Why [`Breadth::grow`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grown {
    /// A whole layer was added.
    Layer,
    /// There are no further states.
    Complete,
    /// `stop` accepted this state.
    Found(usize),
    /// `most_states` are kept or the meter says stop; the last layer is not whole.
    Stopped,
}

impl Breadth {
    /// Only the state that `env` is in.
    ///
    /// # Errors
    /// If `env` has no inverse actions or nothing to tell states apart by, or fails.
    pub fn new(env: &dyn Env, told_by: ToldBy) -> Result<Self> {
        let needed = |what| {
            let expected = "an environment with inverse actions and state keys (for an exact \
                            search of its states)";
            Error::invalid("env", expected, format!("one without {what}"))
        };
        let inverse =
            env.spec().inverse_actions.clone().ok_or_else(|| needed("inverse actions"))?;
        let mut row = Vec::new();
        let key = told_by.key(env, &mut row)?.ok_or_else(|| needed("state keys"))?;
        if inverse.len() > usize::from(u8::MAX) {
            return Err(Error::invalid("env", "at most 255 actions", inverse.len()));
        }
        let mut keys = Keys::default();
        keys.reserve(1, &mut Meter::new(None, Deadline::NEVER, &mut || Ok(())))?;
        keys.insert(key);
        let (parents, actions, layers) = (vec![0], vec![0], vec![0, 1]);
        Ok(Self { keys, parents, actions, layers, inverse, told_by, row })
    }

    pub fn told_by(&self) -> ToldBy {
        self.told_by
    }

    #[inline]
    fn key(&mut self, env: &dyn Env) -> Result<u128> {
        Ok(self.told_by.key(env, &mut self.row)?.unwrap_or_default())
    }

    /// The number of the state that `env` is in, or of the one of its class.
    pub fn find_here(&self, env: &dyn Env, row: &mut Vec<i32>) -> Result<Option<usize>> {
        Ok(self.told_by.key(env, row)?.and_then(|key| self.find(key)))
    }

    pub fn num_states(&self) -> usize {
        self.parents.len()
    }

    /// The number of states at each distance from the root.
    pub fn layer_sizes(&self) -> Vec<usize> {
        self.layers.windows(2).map(|ends| ends[1] - ends[0]).collect()
    }

    /// The number of states at the largest distance.
    pub(super) fn last_layer(&self) -> usize {
        self.layers.windows(2).last().map_or(0, |ends| ends[1] - ends[0])
    }

    /// The distance up to which all states are known.
    pub fn radius(&self) -> usize {
        self.layers.len() - 2
    }

    /// The number of the state with this key, if it was reached.
    pub fn find(&self, key: u128) -> Option<usize> {
        self.keys.find(key).ok()
    }

    pub fn distance(&self, state: usize) -> usize {
        self.layers.partition_point(|&first| first <= state) - 1
    }

    /// Adds the next layer. `env` is at the root and comes back to it; `stop(key, success)` is
    /// asked about each new state.
    ///
    /// # Errors
    /// If an action is not undone by its inverse, the environment fails, or the meter does.
    pub fn grow(
        &mut self,
        env: &mut dyn Env,
        most_states: usize,
        meter: &mut Meter<'_>,
        mut stop: impl FnMut(u128, bool) -> bool,
    ) -> Result<Grown> {
        let [.., first, end] = self.layers[..] else { return Ok(Grown::Complete) };
        let mut masks = vec![false; self.inverse.len()];
        let mut children = Vec::with_capacity(BATCH + masks.len());
        let mut at = 0;
        let mut grown = Grown::Layer;
        for state in first..end {
            if !meter.count()? {
                grown = Grown::Stopped;
                break;
            }
            self.walk(env, at, state)?;
            at = state;
            self.check_key(env, state)?;
            env.try_masks(&mut masks)?;
            for (action, _) in masks.iter().enumerate().filter(|(_, &legal)| legal) {
                if state > 0 && self.undoes(action, state) {
                    continue;
                }
                env.try_step(action)?;
                let key = self.key(env)?;
                let success = env.try_status()?.success;
                env.try_step(self.inverse[action])?;
                children.push(Child { key, parent: state as u32, action: action as u8, success });
            }
            if children.len() >= BATCH || state + 1 == end {
                grown = match self.keys.reserve(children.len(), meter)? {
                    true => self.add(&children, most_states, &mut stop),
                    false => Grown::Stopped,
                };
                children.clear();
                if grown != Grown::Layer {
                    break;
                }
            }
        }
        self.walk(env, at, 0)?;
        match grown {
            Grown::Layer if self.num_states() == end => return Ok(Grown::Complete),
            Grown::Layer => self.layers.push(self.num_states()),
            _ => {}
        }
        Ok(grown)
    }

    /// Keeps those of `children` that are new.
    fn add(
        &mut self,
        children: &[Child],
        most_states: usize,
        stop: &mut impl FnMut(u128, bool) -> bool,
    ) -> Grown {
        // Each look into the index waits for memory; looks that do not depend on each other wait
        // together. Most children are found by the first one.
        let guesses: Vec<u32> = children.iter().map(|child| self.keys.guess(child.key)).collect();
        for (child, guess) in children.iter().zip(guesses) {
            if self.keys.is(guess, child.key) || !self.keys.insert(child.key) {
                continue;
            }
            self.parents.push(child.parent);
            self.actions.push(child.action);
            if stop(child.key, child.success) {
                return Grown::Found(self.num_states() - 1);
            }
            if self.num_states() >= most_states {
                return Grown::Stopped;
            }
        }
        Grown::Layer
    }

    /// The actions that lead from the state that `env` is in, which was reached or whose class was, to
    /// the root; `env` is there then. `None` if they lead elsewhere, because hashes of classes are equal
    /// by chance.
    ///
    /// # Errors
    /// If the environment fails.
    pub fn descend(&self, env: &mut dyn Env) -> Result<Option<Vec<usize>>> {
        let mut row = Vec::new();
        let Some(state) = self.find_here(env, &mut row)? else { return Ok(None) };
        if !matches!(self.told_by, ToldBy::Class | ToldBy::ClassHash) {
            let actions = self.to_root(state);
            actions.iter().try_for_each(|&action| env.try_step(action))?;
            return Ok(Some(actions));
        }
        let mut actions = Vec::with_capacity(self.distance(state));
        let mut masks = vec![false; self.inverse.len()];
        for left in (0..self.distance(state)).rev() {
            env.try_masks(&mut masks)?;
            let mut is_nearer = false;
            for (action, _) in masks.iter().enumerate().filter(|(_, &legal)| legal) {
                env.try_step(action)?;
                let next = self.find_here(env, &mut row)?;
                is_nearer = next.is_some_and(|next| self.distance(next) <= left);
                if is_nearer {
                    actions.push(action);
                    break;
                }
                env.try_step(self.inverse[action])?;
            }
            if !is_nearer {
                return Ok(None);
            }
        }
        Ok(env.try_status()?.success.then_some(actions))
    }

    /// The actions that lead from `state` to the root.
    pub fn to_root(&self, state: usize) -> Vec<usize> {
        let back = |&state: &usize| self.inverse[usize::from(self.actions[state])];
        self.ancestors(state).iter().map(back).collect()
    }

    /// The actions that lead from the root to `state`.
    pub fn from_root(&self, state: usize) -> Vec<usize> {
        let action = |&state: &usize| usize::from(self.actions[state]);
        self.ancestors(state).iter().rev().map(action).collect()
    }

    /// `state` and those it was reached through, without the root.
    fn ancestors(&self, mut state: usize) -> Vec<usize> {
        let mut chain = Vec::new();
        while state != 0 {
            chain.push(state);
            state = self.parents[state] as usize;
        }
        chain
    }

    fn undoes(&self, action: usize, state: usize) -> bool {
        self.inverse[usize::from(self.actions[state])] == action
    }

    /// Takes `env` from state `from` to state `to`, through the last state that leads to both.
    fn walk(&self, env: &mut dyn Env, from: usize, to: usize) -> Result<()> {
        let (mut up, mut down) = (from, to);
        let mut steps = Vec::new();
        while up != down {
            // A state has a higher number than the one it was reached from.
            if up > down {
                env.try_step(self.inverse[usize::from(self.actions[up])])?;
                up = self.parents[up] as usize;
            } else {
                steps.push(usize::from(self.actions[down]));
                down = self.parents[down] as usize;
            }
        }
        steps.into_iter().rev().try_for_each(|action| env.try_step(action))
    }

    fn check_key(&mut self, env: &dyn Env, state: usize) -> Result<()> {
        if self.key(env)? == self.keys.get(state) {
            return Ok(());
        }
        let expected = "an environment whose inverse actions undo its actions";
        Err(Error::invalid("env", expected, "another state after some and their inverses"))
    }
}

/// Keys in the order they came, with an index to find them.
#[derive(Debug, Default)]
struct Keys {
    /// The lower halves.
    low: Vec<u64>,
    /// The upper halves; empty as long as all are 0.
    high: Vec<u64>,
    /// Open addressing: the number of a key, at the first free slot from the key's own.
    slots: Vec<u32>,
}

impl Keys {
    fn get(&self, number: usize) -> u128 {
        let high = self.high.get(number).copied().unwrap_or(0);
        u128::from(high) << 64 | u128::from(self.low[number])
    }

    /// What the first slot for `key` holds.
    #[inline]
    fn guess(&self, key: u128) -> u32 {
        self.slots[hash(key) & (self.slots.len() - 1)]
    }

    #[inline]
    fn is(&self, number: u32, key: u128) -> bool {
        number != EMPTY && self.get(number as usize) == key
    }

    /// The number of `key`, or the slot where it belongs.
    #[inline]
    fn find(&self, key: u128) -> std::result::Result<usize, usize> {
        if self.slots.is_empty() {
            return Err(0);
        }
        let mask = self.slots.len() - 1;
        let mut slot = hash(key) & mask;
        loop {
            match self.slots[slot] {
                EMPTY => return Err(slot),
                number if self.get(number as usize) == key => return Ok(number as usize),
                _ => slot = (slot + 1) & mask,
            }
        }
    }

    /// Adds `key`, for which there is room; false if it is there.
    #[inline]
    fn insert(&mut self, key: u128) -> bool {
        let Err(slot) = self.find(key) else { return false };
        let number = self.low.len();
        let high = (key >> 64) as u64;
        if high != 0 && self.high.is_empty() {
            self.high = vec![0; number];
        }
        if high != 0 || !self.high.is_empty() {
            self.high.push(high);
        }
        self.low.push(key as u64);
        self.slots[slot] = number as u32;
        true
    }

    /// Makes room for `count` more keys; false if a limit ends it.
    fn reserve(&mut self, count: usize, meter: &mut Meter<'_>) -> Result<bool> {
        let mut size = self.slots.len().max(64);
        while (self.low.len() + count) * 8 > size * 5 {
            size *= 2;
        }
        if size == self.slots.len() {
            return Ok(true);
        }
        let mut slots = vec![EMPTY; size];
        for number in 0..self.low.len() {
            if number % KEYS_BETWEEN_LOOKS == 0 && !meter.look()? {
                return Ok(false);
            }
            let mut slot = hash(self.get(number)) & (size - 1);
            while slots[slot] != EMPTY {
                slot = (slot + 1) & (size - 1);
            }
            slots[slot] = number as u32;
        }
        self.slots = slots;
        Ok(true)
    }
}

#[inline]
fn hash(key: u128) -> usize {
    let mixed =
        (key as u64 ^ ((key >> 64) as u64).rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((mixed ^ mixed >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 20) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_one_word_and_of_two_are_found() {
        let all = [7, 8, 3 << 100, 1 << 64 | 7, 9, 1 << 64];
        let mut keys = Keys::default();
        assert!(keys
            .reserve(all.len(), &mut Meter::new(None, Deadline::NEVER, &mut || Ok(())))
            .unwrap());
        assert!(all.iter().all(|&key| keys.insert(key)));
        for (number, &key) in all.iter().enumerate() {
            assert_eq!((keys.get(number), keys.find(key)), (key, Ok(number)));
            assert!(!keys.insert(key) && keys.find(key << 1 | 1).is_err());
        }
    }
}

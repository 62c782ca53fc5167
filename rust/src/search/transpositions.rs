//! Which states a game's tree has already, so that every way to one leads to the same node: the tree
//! is a graph (Czech, Korus, Kersting 2021, "Improving AlphaZero Using Monte-Carlo Graph Search").
//!
//! A state's name holds the step of its episode. What follows is then the same by whichever way it is
//! reached, the steps that are left included, and no way leads back to a state that it comes from.

use super::config::TreeConfig;
use crate::engine::lockstep::require_no_memory;
use crate::error::{Error, Result};
use crate::nn::Policy;
use crate::rl::env::Env;

/// A bucket without a node.
const EMPTY: u32 = u32::MAX;

/// The nodes of a forest by the names of their states; open addressing, sized once.
pub(super) struct Transpositions {
    buckets: Vec<u32>,
    /// Of every node that is entered.
    keys: Vec<u128>,
    /// The walk that came by each node last.
    walks: Vec<u32>,
    walk: u32,
}

impl Transpositions {
    pub fn new(num_nodes: usize) -> Self {
        Self {
            buckets: vec![EMPTY; (2 * num_nodes).next_power_of_two()],
            keys: vec![0; num_nodes],
            walks: vec![0; num_nodes],
            walk: 0,
        }
    }

    /// The node of the state `key`.
    #[inline]
    pub fn find(&self, key: u128) -> Option<u32> {
        let node = self.buckets[self.place(key)];
        (node != EMPTY).then_some(node)
    }

    /// Makes `node` that of the state `key`, which has none.
    #[inline]
    pub fn insert(&mut self, key: u128, node: u32) {
        let place = self.place(key);
        self.keys[node as usize] = key;
        self.buckets[place] = node;
    }

    /// Forgets `node`, which is entered (Knuth, "The Art of Computer Programming", volume 3, algorithm
    /// 6.4 R).
    pub fn remove(&mut self, node: u32) {
        let mask = self.buckets.len() - 1;
        let mut hole = self.place(self.keys[node as usize]);
        let mut place = hole;
        loop {
            place = (place + 1) & mask;
            let other = self.buckets[place];
            if other == EMPTY {
                break;
            }
            let home = self.keys[other as usize] as usize;
            let steps_from = |start: usize| place.wrapping_sub(start) & mask;
            if steps_from(home) >= steps_from(hole) {
                self.buckets[hole] = other;
                hole = place;
            }
        }
        self.buckets[hole] = EMPTY;
    }

    /// The bucket of `key`, or the empty one where it would be.
    #[inline]
    fn place(&self, key: u128) -> usize {
        let mask = self.buckets.len() - 1;
        let mut place = key as usize & mask;
        while self.buckets[place] != EMPTY && self.keys[self.buckets[place] as usize] != key {
            place = (place + 1) & mask;
        }
        place
    }

    /// Begins a walk through the graph.
    pub fn begin_walk(&mut self) {
        self.walk = self.walk.wrapping_add(1);
        if self.walk == 0 {
            self.walks.fill(0);
            self.walk = 1;
        }
    }

    /// Whether the walk comes by `node` for the first time.
    #[inline]
    pub fn is_new(&mut self, node: u32) -> bool {
        std::mem::replace(&mut self.walks[node as usize], self.walk) != self.walk
    }

    pub fn memory_bytes(&self) -> usize {
        (self.buckets.capacity() + self.walks.capacity()) * size_of::<u32>()
            + self.keys.capacity() * size_of::<u128>()
    }
}

/// Refuses to share the nodes of states that only look equal.
pub(crate) fn check_transpositions(
    config: &TreeConfig,
    env: &dyn Env,
    policy: &dyn Policy,
) -> Result<()> {
    if !config.transpositions {
        return Ok(());
    }
    let spec = env.spec();
    if !spec.is_deterministic() {
        let expected = format!(
            "false ({} does not say that its moves are without chance and its states told apart by \
             what is seen: it has no inverse_actions)",
            spec.name
        );
        return Err(Error::invalid("transpositions", expected, true));
    }
    require_no_memory(policy, "a search with transpositions")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use std::collections::HashMap;

    /// Against a map, with few buckets and keys that share them.
    #[test]
    fn finds_what_is_entered_and_nothing_else() {
        let mut rng = Rng::new(4);
        let (mut nodes, mut known) = (Transpositions::new(24), HashMap::new());
        let mut free: Vec<u32> = (0..24).collect();
        for _ in 0..5_000 {
            let key = u128::from(rng.below(40)) << 4;
            assert_eq!(nodes.find(key), known.get(&key).copied());
            match known.remove(&key) {
                Some(node) => {
                    nodes.remove(node);
                    free.push(node);
                }
                None => {
                    if let Some(node) = free.pop() {
                        nodes.insert(key, node);
                        known.insert(key, node);
                    }
                }
            }
        }
        for key in (0..40).map(|key| key << 4) {
            assert_eq!(nodes.find(key), known.get(&key).copied());
        }
    }
}

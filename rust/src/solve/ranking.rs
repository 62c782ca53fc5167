//! The children of a layer of a beam by rank.

use crate::error::Result;
use crate::nn::masked_log_softmax;
use crate::spaces::Rows;

/// Children that are sorted before any is taken.
const FIRST_SORTED: usize = 128;

/// A state in the beam.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// Log-probability of the path to it.
    pub(super) score: f32,
    /// Sum of the rewards of all states up to this one.
    pub(super) reward: f32,
    pub(super) slot: usize,
    /// The action that leads back to its parent, if one is known to.
    pub(super) undo: Option<usize>,
}

/// What the network says of the children of some nodes.
#[derive(Default)]
pub(super) struct Ranking {
    /// Log-probability of the path to each child `[nodes, A]`.
    pub(super) scores: Vec<f32>,
    pub(super) candidates: Candidates,
}

impl Ranking {
    pub(super) fn clear(&mut self) {
        self.scores.clear();
        self.candidates.clear();
    }

    /// Appends the children of `nodes`, the first of which is number `first`, by the `logits
    /// [nodes, A]` and `values [nodes]` of their parents, where `masks [nodes, A]` are legal.
    ///
    /// # Errors
    /// If a state has no legal action.
    pub(super) fn rank(
        &mut self,
        first: usize,
        (nodes, masks): (&[Node], &[bool]),
        (logits, values): (&[f32], &[f32]),
        value_weight: f32,
    ) -> Result<()> {
        let num_actions = masks.len() / nodes.len().max(1);
        let Self { scores, candidates } = self;
        let start = scores.len();
        scores.resize(start + logits.len(), 0.0);
        for (i, node) in nodes.iter().enumerate() {
            let actions = i * num_actions..(i + 1) * num_actions;
            let masks = &masks[actions.clone()];
            let scores = &mut scores[start..][actions.clone()];
            masked_log_softmax(&logits[actions.clone()], masks, scores)?;
            let children = (first + i) * num_actions..;
            for ((child, score), (action, &legal)) in
                children.zip(scores).zip(masks.iter().enumerate())
            {
                *score += node.score;
                if legal && Some(action) != node.undo {
                    candidates.push(*score + value_weight * values[i], child);
                }
            }
        }
        Ok(())
    }

    /// Appends what `other` says of the nodes that follow.
    pub(super) fn extend(&mut self, other: &Self) {
        self.scores.extend_from_slice(&other.scores);
        self.candidates.keys.extend_from_slice(&other.candidates.keys);
    }
}

/// Nodes of a layer that are ranked together, whoever does it.
#[derive(Default)]
pub(super) struct Chunk {
    /// Number of the first in its layer.
    pub(super) first: usize,
    nodes: Vec<Node>,
    rows: Rows,
    masks: Vec<bool>,
    pub(super) ranking: Ranking,
    pub(super) is_ranked: bool,
}

impl Chunk {
    /// Becomes nodes of a layer, not yet ranked.
    pub(super) fn fill<'r>(
        &mut self,
        first: usize,
        nodes: &[Node],
        rows: impl Iterator<Item = &'r [i32]>,
        masks: &[bool],
    ) {
        (self.first, self.is_ranked) = (first, false);
        self.nodes.clear();
        self.nodes.extend_from_slice(nodes);
        self.rows.clear();
        rows.for_each(|row| self.rows.push(row));
        self.masks.clear();
        self.masks.extend_from_slice(masks);
    }

    pub(super) fn rows(&self) -> &Rows {
        &self.rows
    }

    /// As [`Ranking::rank`].
    pub(super) fn rank(&mut self, logits: &[f32], values: &[f32], value_weight: f32) -> Result<()> {
        self.ranking.clear();
        self.is_ranked = true;
        let of = (&self.nodes[..], &self.masks[..]);
        self.ranking.rank(self.first, of, (logits, values), value_weight)
    }
}

/// Children by rank, the best first and of equals that of the lowest number; sorted only as far as
/// they are asked for.
#[derive(Default)]
pub(super) struct Candidates {
    /// The rank's bits, so changed that larger ranks are smaller numbers, above the number.
    keys: Vec<u64>,
    num_sorted: usize,
    num_taken: usize,
}

impl Candidates {
    pub(super) fn clear(&mut self) {
        self.keys.clear();
        (self.num_sorted, self.num_taken) = (0, 0);
    }

    pub(super) fn are_taken(&self) -> bool {
        self.num_taken == self.keys.len()
    }

    /// How many there are, taken or not.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    #[inline]
    fn push(&mut self, rank: f32, number: usize) {
        let bits = rank.to_bits();
        // Bits of positive floats rise as the floats rise, bits of negative ones as they fall.
        let falling = if rank.is_sign_negative() { bits } else { !bits & (u32::MAX >> 1) };
        self.keys.push(u64::from(falling) << 32 | number as u64);
    }

    /// The next best. As many again are sorted as are: other threads work on the first meanwhile.
    pub(super) fn next(&mut self) -> Option<usize> {
        if self.num_taken == self.num_sorted {
            let rest = &mut self.keys[self.num_sorted..];
            let count = rest.len().min(self.num_sorted.max(FIRST_SORTED));
            if count < rest.len() {
                rest.select_nth_unstable(count);
            }
            rest[..count].sort_unstable();
            self.num_sorted += count;
        }
        let key = *self.keys.get(self.num_taken)?;
        self.num_taken += 1;
        Some(key as u32 as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn candidates_come_by_rank_then_number() {
        let mut rng = Rng::new(2);
        let mut candidates = Candidates::default();
        for _ in 0..3 {
            let ranks: Vec<f32> = (0..500).map(|_| rng.below(40) as f32 / 7.0 - 3.0).collect();
            candidates.clear();
            ranks.iter().enumerate().for_each(|(number, &rank)| candidates.push(rank, number));
            let mut expected: Vec<usize> = (0..ranks.len()).collect();
            expected.sort_by(|&a, &b| ranks[b].total_cmp(&ranks[a]).then(a.cmp(&b)));
            let found: Vec<usize> = std::iter::from_fn(|| candidates.next()).collect();
            assert_eq!(found, expected);
        }
    }
}

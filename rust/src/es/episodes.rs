//! The episodes of the members of the population.

use serde::{Deserialize, Serialize};

use std::ops::Range;

use super::block::{Block, LANES};
use super::board::{Board, Starts, Tables, NUM_ACTIONS};
use super::network::{embed, logits, values, Layout};
use super::noise::Noise;
use super::vectors::{run_at, Job, Simd};
use crate::engine::pool::Poll;
use crate::error::Result;
use crate::nn::CpuLevel;

/// Episodes played in turn, so that one's memory and arithmetic hide behind the others'.
const INTERLEAVED: usize = 8;
/// A millisecond or two.
const STEPS_BETWEEN_POLLS: usize = 1 << 17;

/// How an action is chosen from the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Player {
    /// The legal action with the largest logit.
    #[default]
    Policy,
    /// The legal action that leads to the state with the largest value; a solved one first.
    Value,
}

/// What a member reached over all episodes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Sum over episodes of `1.5 - 0.5 * moves / depth` if solved, else 0.
    pub fitness: f32,
    pub solved: usize,
    /// Actions played.
    pub steps: usize,
}

/// The action of [`Player::Value`].
///
/// # Safety
/// As [`embed`].
#[inline(always)]
unsafe fn best_child<S: Simd, const CELLS: usize, const CHUNKS: usize>(
    board: &Board<CELLS>,
    tables: &Tables<CELLS>,
    weights: &[Block],
) -> usize {
    let mut hidden = [[S::zero(); CHUNKS]; NUM_ACTIONS];
    let mut solved = 0u8;
    for (action, hidden) in hidden.iter_mut().enumerate() {
        if (board.legal() >> action) & 1 == 1 {
            let mut child = *board;
            child.step(tables, action);
            *hidden = embed::<S, CELLS, CHUNKS>(&child, weights);
            solved |= u8::from(child.solved()) << action;
        }
    }
    if solved != 0 {
        return solved.trailing_zeros() as usize;
    }
    S::best(values::<S, CELLS, CHUNKS>(&hidden, weights), board.legal())
}

/// Plays an episode from each start with `weights`; `moves [N]` receives the length of each solved
/// episode, -1 for the others.
///
/// # Safety
/// As [`embed`].
#[inline(always)]
unsafe fn play_here<S: Simd, const CELLS: usize, const CHUNKS: usize>(
    player: Player,
    weights: &[Block],
    starts: &Starts<CELLS>,
    moves: &mut [i32],
    poll: Poll<'_>,
) -> Result<Score> {
    let Starts { tables, boards } = starts;
    let mut lanes: Vec<(usize, Board<CELLS>)> = Vec::with_capacity(INTERLEAVED);
    let mut next = boards.iter().enumerate();
    let (mut steps, mut next_poll) = (0, 0);
    loop {
        if steps >= next_poll {
            poll()?;
            next_poll = steps + STEPS_BETWEEN_POLLS;
        }
        while lanes.len() < INTERLEAVED {
            match next.next() {
                Some((episode, board)) if board.is_final() => {
                    moves[episode] = if board.solved() { 0 } else { -1 };
                }
                Some((episode, board)) => lanes.push((episode, *board)),
                None => break,
            }
        }
        if lanes.is_empty() {
            break;
        }
        // Which lane is next does not depend on how the one before went on: that is what lets the
        // processor work on several.
        let mut ended = false;
        for (_, board) in &mut lanes {
            let action = match player {
                Player::Policy => {
                    let hidden = embed::<S, CELLS, CHUNKS>(board, weights);
                    S::best(logits::<S, CELLS, CHUNKS>(&hidden, weights), board.legal())
                }
                Player::Value => best_child::<S, CELLS, CHUNKS>(board, tables, weights),
            };
            board.step(tables, action);
            ended |= board.is_final();
        }
        steps += lanes.len();
        if ended {
            lanes.retain(|(episode, board)| {
                if board.is_final() {
                    let taken = (boards[*episode].depth - board.depth) as i32;
                    moves[*episode] = if board.solved() { taken } else { -1 };
                }
                !board.is_final()
            });
        }
    }
    let mut score = Score { steps, ..Score::default() };
    for (&taken, board) in moves.iter().zip(boards) {
        if taken >= 0 {
            // A board of difficulty 0 has no steps and is solved by none.
            score.fitness += 1.5 - 0.5 * (taken as f32 / board.depth.max(1) as f32);
            score.solved += 1;
        }
    }
    Ok(score)
}

struct Playing<'a, const CELLS: usize, const CHUNKS: usize> {
    player: Player,
    weights: &'a [Block],
    starts: &'a Starts<CELLS>,
    moves: &'a mut [i32],
    poll: Poll<'a>,
}

impl<const CELLS: usize, const CHUNKS: usize> Job for Playing<'_, CELLS, CHUNKS> {
    type Output = Result<Score>;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> Result<Score> {
        let layout = Layout { features: CELLS * CELLS, hidden: CHUNKS * LANES };
        assert_eq!(self.weights.len(), layout.blocks());
        let Self { player, weights, starts, moves, poll } = self;
        play_here::<S, CELLS, CHUNKS>(player, weights, starts, moves, poll)
    }
}

/// A [`play`], for boards of `CELLS` cells: what calls it is compiled once for all widths.
pub type Play<const CELLS: usize> =
    fn(CpuLevel, Player, &[Block], &Starts<CELLS>, &mut [i32], Poll<'_>) -> Result<Score>;

/// Plays an episode from each start with `weights`; `moves [N]` receives the length of each solved
/// episode, -1 for the others. Panics if this processor lacks `level`; fails only as `poll` does.
pub fn play<const CELLS: usize, const CHUNKS: usize>(
    level: CpuLevel,
    player: Player,
    weights: &[Block],
    starts: &Starts<CELLS>,
    moves: &mut [i32],
    poll: Poll<'_>,
) -> Result<Score> {
    run_at(level, Playing::<CELLS, CHUNKS> { player, weights, starts, moves, poll })
}

/// Two members of the population: `weights` plus and minus `half_sigma` times twice the noise.
pub struct Pair<'a> {
    pub weights: &'a [Block],
    pub noise: Noise,
    pub half_sigma: f32,
    /// Where they are written.
    pub members: [&'a mut [Block]; 2],
}

impl Job for Pair<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { weights, noise, half_sigma, members: [plus, minus] } = self;
        let both = plus.chunks_mut(2).zip(minus.chunks_mut(2));
        for (index, (weights, (plus, minus))) in weights.chunks(2).zip(both).enumerate() {
            let blocks = noise.two_blocks(index);
            for (block, (weights, (plus, minus))) in
                blocks.iter().zip(weights.iter().zip(plus.iter_mut().zip(minus)))
            {
                for (i, &doubled) in block.iter().enumerate() {
                    let doubled = doubled as f32;
                    plus.0[i] = doubled.mul_add(half_sigma, weights.0[i]);
                    minus.0[i] = doubled.mul_add(-half_sigma, weights.0[i]);
                }
            }
        }
    }
}

/// For each pair of blocks the sum over all pairs of members of difference times noise.
pub struct Sums<'a> {
    pub noises: &'a [Noise],
    pub differences: &'a [i32],
    /// In twos.
    pub blocks: Range<usize>,
}

impl Job for Sums<'_> {
    type Output = Vec<[[i32; LANES]; 2]>;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> Self::Output {
        let mut all = Vec::with_capacity(self.blocks.len());
        for index in self.blocks {
            let mut sums = [[0; LANES]; 2];
            for (noise, difference) in self.noises.iter().zip(self.differences) {
                let blocks = noise.two_blocks(index);
                for (sum, doubled) in sums.as_flattened_mut().iter_mut().zip(blocks.as_flattened())
                {
                    *sum += difference * doubled;
                }
            }
            all.push(sums);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envs::puzzle::Puzzle;
    use crate::es::block::to_blocks;
    use crate::es::State;
    use crate::rl::env::Env;
    use crate::rng::Rng;

    #[test]
    fn every_processor_plays_alike() {
        let mut puzzle = Puzzle::new(3, 3, 6, 10, 60).unwrap();
        puzzle.set_forbid_undo(true);
        let mut boards = Vec::new();
        for episode in 0..20 {
            puzzle.try_reset(&mut Rng::stream(5, 0, episode)).unwrap();
            boards.push(Board::<9>::new(&puzzle));
        }
        let starts = Starts { tables: Tables::new(&puzzle), boards };
        let weights = to_blocks(&State::new(&puzzle, 32, 5).unwrap().weights);
        for player in [Player::Policy, Player::Value] {
            let noise = Noise::new(5, 0, 0);
            let play = |level| {
                let [mut plus, mut minus] = [weights.clone(), weights.clone()];
                let members = [&mut plus[..], &mut minus[..]];
                run_at(level, Pair { weights: &weights, noise, half_sigma: 0.1, members });
                let mut moves = vec![-1; 20];
                let score =
                    super::play::<9, 2>(level, player, &plus, &starts, &mut moves, &mut || Ok(()));
                let score = score.unwrap();
                let blocks = 0..88;
                let sums = run_at(level, Sums { noises: &[noise], differences: &[3], blocks });
                (score, moves, plus, minus, sums)
            };
            let expected = play(CpuLevel::Portable);
            assert!(expected.0.solved > 0);
            for level in [CpuLevel::Avx2, CpuLevel::Avx512] {
                assert!(!level.is_available() || play(level) == expected, "{level:?}");
            }
        }
    }
}

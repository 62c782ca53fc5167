//! The episodes of the members of the population.

use super::board::{Board, Starts, Tables, NUM_ACTIONS};
use super::network::{embed, logits, values, Block, Layout, LANES};
use super::noise::Noise;
use super::vectors::{run_at, Job, Simd};
use crate::nn::CpuLevel;

/// Episodes played in turn, so that one's memory and arithmetic hide behind the others'.
const INTERLEAVED: usize = 8;

/// How an action is chosen from the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Player {
    /// The legal action with the largest logit.
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
    board: &Board<CELLS, CHUNKS>,
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
    starts: &Starts<CELLS, CHUNKS>,
    moves: &mut [i32],
) -> Score {
    let Starts { tables, boards } = starts;
    let mut lanes: Vec<(usize, Board<CELLS, CHUNKS>)> = Vec::with_capacity(INTERLEAVED);
    let mut next = boards.iter().enumerate();
    let mut steps = 0;
    loop {
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
            score.fitness += 1.5 - 0.5 * (taken as f32 / board.depth as f32);
            score.solved += 1;
        }
    }
    score
}

/// Where a member is put together, and how long its episodes were.
#[derive(Debug)]
pub struct Room {
    pub weights: Vec<Block>,
    /// `[N]`, -1 where an episode was not solved.
    pub moves: Vec<i32>,
}

/// A member of the population: `weights + half_sigma * (twice the noise)`.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    pub weights: &'a [Block],
    pub noise: Noise,
    pub half_sigma: f32,
}

impl Member<'_> {
    #[inline(always)]
    fn write(&self, to: &mut [Block]) {
        for (index, (to, weights)) in to.iter_mut().zip(self.weights).enumerate() {
            for (i, doubled) in self.noise.block(index).into_iter().enumerate() {
                to.0[i] = (doubled as f32).mul_add(self.half_sigma, weights.0[i]);
            }
        }
    }
}

struct Playing<'a, const CELLS: usize, const CHUNKS: usize> {
    player: Player,
    member: Option<Member<'a>>,
    starts: &'a Starts<CELLS, CHUNKS>,
    room: &'a mut Room,
}

impl<const CELLS: usize, const CHUNKS: usize> Job for Playing<'_, CELLS, CHUNKS> {
    type Output = Score;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> Score {
        let Self { player, member, starts, room } = self;
        if let Some(member) = member {
            member.write(&mut room.weights);
        }
        let layout = Layout { features: CELLS * CELLS, hidden: CHUNKS * LANES };
        assert_eq!(room.weights.len(), layout.blocks());
        play_here::<S, CELLS, CHUNKS>(player, &room.weights, starts, &mut room.moves)
    }
}

/// Plays an episode from each start by `member`, or by the weights that are in `room`. Panics if
/// this processor lacks `level`.
pub fn play<const CELLS: usize, const CHUNKS: usize>(
    level: CpuLevel,
    player: Player,
    member: Option<Member<'_>>,
    starts: &Starts<CELLS, CHUNKS>,
    room: &mut Room,
) -> Score {
    run_at(level, Playing::<CELLS, CHUNKS> { player, member, starts, room })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envs::puzzle::Puzzle;
    use crate::es::first_weights;
    use crate::es::network::to_blocks;
    use crate::rl::env::Env;
    use crate::rng::Rng;

    #[test]
    fn every_processor_plays_alike() {
        let mut puzzle = Puzzle::new(3, 3, 30, 2, 60).unwrap();
        puzzle.set_forbid_undo(true);
        let mut boards = Vec::new();
        for episode in 0..20 {
            puzzle.try_reset(&mut Rng::stream(5, 0, episode)).unwrap();
            boards.push(Board::<9, 2>::new(&puzzle));
        }
        let starts = Starts { tables: Tables::new(&puzzle), boards };
        let weights = to_blocks(&first_weights(81, 32, 5));
        for player in [Player::Policy, Player::Value] {
            let noise = Noise::new(5, 0, 0);
            let play = |level| {
                let member = Member { weights: &weights, noise, half_sigma: 0.1 };
                let mut room = Room { weights: weights.clone(), moves: vec![-1; 20] };
                let score = super::play::<9, 2>(level, player, Some(member), &starts, &mut room);
                (score, room.moves, room.weights)
            };
            let expected = play(CpuLevel::Portable);
            assert!(expected.0.solved > 0);
            for level in [CpuLevel::Avx2, CpuLevel::Avx512] {
                assert!(!level.is_available() || play(level) == expected, "{level:?}");
            }
        }
    }
}

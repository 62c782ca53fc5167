//! The episodes of one member of the population.

use super::board::{Board, Starts, Tables, NUM_ACTIONS};
use super::network::{embed, logits, value, Block};
use super::noise::Noise;

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

#[inline(always)]
fn best_action<const CELLS: usize, const CHUNKS: usize>(
    board: &Board<CELLS>,
    tables: &Tables,
    weights: &[Block],
) -> usize {
    let scores = logits::<CELLS, CHUNKS>(&embed(board, weights), weights);
    let masks = board.masks(tables);
    let mut best = masks.trailing_zeros() as usize;
    let mut highest = f32::NEG_INFINITY;
    for (action, &score) in scores.iter().enumerate() {
        let better = (masks >> action) & 1 == 1 && score > highest;
        highest = if better { score } else { highest };
        best = if better { action } else { best };
    }
    best
}

#[inline(always)]
fn best_child<const CELLS: usize, const CHUNKS: usize>(
    board: &Board<CELLS>,
    tables: &Tables,
    weights: &[Block],
) -> usize {
    let masks = board.masks(tables);
    let mut best = masks.trailing_zeros() as usize;
    let mut highest = f32::MIN;
    for action in (0..NUM_ACTIONS).filter(|action| (masks >> action) & 1 == 1) {
        let mut child = *board;
        child.step(tables, action);
        let hidden = embed::<CELLS, CHUNKS>(&child, weights);
        let worth = value::<CELLS, CHUNKS>(&hidden, weights);
        let worth = if child.solved() { f32::MAX } else { worth };
        if worth > highest {
            (best, highest) = (action, worth);
        }
    }
    best
}

/// Plays an episode from each start with `weights`; `moves [N]` receives the length of each solved
/// episode, -1 for the others.
#[inline(always)]
fn play_here<const CELLS: usize, const CHUNKS: usize>(
    player: Player,
    weights: &[Block],
    starts: &Starts<CELLS>,
    moves: &mut [i32],
) -> Score {
    let Starts { tables, boards } = starts;
    let mut lanes: Vec<(usize, Board<CELLS>)> = Vec::with_capacity(INTERLEAVED);
    let mut next = boards.iter().enumerate();
    let mut steps = 0;
    let mut lane = 0;
    loop {
        if lane == lanes.len() {
            // Fill up behind the last lane, then go round.
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
            lane = 0;
        }
        let (episode, board) = &mut lanes[lane];
        let action = match player {
            Player::Policy => best_action::<CELLS, CHUNKS>(board, tables, weights),
            Player::Value => best_child::<CELLS, CHUNKS>(board, tables, weights),
        };
        board.step(tables, action);
        steps += 1;
        if board.is_final() {
            let taken = (boards[*episode].depth - board.depth) as i32;
            moves[*episode] = if board.solved() { taken } else { -1 };
            lanes.swap_remove(lane);
        } else {
            lane += 1;
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

/// Where a member is put together, and how long its episodes were.
#[derive(Debug)]
pub struct Room {
    pub weights: Vec<Block>,
    /// `[N]`, -1 where an episode was not solved.
    pub moves: Vec<i32>,
}

#[inline(always)]
fn play_member_here<const CELLS: usize, const CHUNKS: usize>(
    player: Player,
    member: Option<Member<'_>>,
    starts: &Starts<CELLS>,
    room: &mut Room,
) -> Score {
    if let Some(member) = member {
        member.write(&mut room.weights);
    }
    play_here::<CELLS, CHUNKS>(player, &room.weights, starts, &mut room.moves)
}

/// Plays an episode from each start by `member`, or by the weights that are in `room`.
///
/// [`play_here`] compiled for the widest vectors that this processor has.
pub fn play<const CELLS: usize, const CHUNKS: usize>(
    player: Player,
    member: Option<Member<'_>>,
    starts: &Starts<CELLS>,
    room: &mut Room,
) -> Score {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("bmi2") {
            // SAFETY: the processor has what the function is compiled for. It is 3 times faster.
            return unsafe { play_avx512::<CELLS, CHUNKS>(player, member, starts, room) };
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: as above.
            return unsafe { play_avx2::<CELLS, CHUNKS>(player, member, starts, room) };
        }
    }
    play_member_here::<CELLS, CHUNKS>(player, member, starts, room)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,bmi1,bmi2")]
fn play_avx512<const CELLS: usize, const CHUNKS: usize>(
    player: Player,
    member: Option<Member<'_>>,
    starts: &Starts<CELLS>,
    room: &mut Room,
) -> Score {
    play_member_here::<CELLS, CHUNKS>(player, member, starts, room)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn play_avx2<const CELLS: usize, const CHUNKS: usize>(
    player: Player,
    member: Option<Member<'_>>,
    starts: &Starts<CELLS>,
    room: &mut Room,
) -> Score {
    play_member_here::<CELLS, CHUNKS>(player, member, starts, room)
}

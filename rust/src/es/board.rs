//! The sliding puzzle for Evolution Strategies: its number of cells compiled in, its tiles in the
//! bits of a few words and its rules in tables, so that a step has no branch and a known place.

use crate::envs::puzzle::Puzzle;
use crate::rl::env::Env;

pub const NUM_ACTIONS: usize = 4;
/// That 25 tiles of five bits need.
const MOST_WORDS: usize = 3;

/// Where an action leads.
#[derive(Clone, Copy, Debug)]
struct Move {
    /// The cell of the blank.
    target: u8,
    /// Bit a is set where action a may be taken there.
    legal: u8,
    /// By word: a bit where the tile that slides is and one where it comes to, so that the tile
    /// times this is what changes.
    slides: [u64; MOST_WORDS],
}

/// What all boards of one size share: the moves by the cell of the blank and the action.
#[derive(Clone, Debug)]
pub struct Tables<const CELLS: usize> {
    moves: [[Move; NUM_ACTIONS]; CELLS],
}

impl<const CELLS: usize> Tables<CELLS> {
    /// Those of `puzzle`, which has `CELLS` cells.
    pub fn new(puzzle: &Puzzle) -> Self {
        let targets = puzzle.targets();
        let arrive = |cell: usize, action: usize| {
            let target = usize::from(targets[cell][action]);
            let is_legal = |&next: &usize| {
                let is_undo = puzzle.forbids_undo() && target != cell && next == action ^ 2;
                usize::from(targets[target][next]) != target && !is_undo
            };
            let legal = (0..NUM_ACTIONS).filter(is_legal).map(|next| 1 << next).sum();
            let mut slides = [0; MOST_WORDS];
            for place in [cell, target].map(Board::<CELLS>::place) {
                slides[place.0] |= 1 << place.1;
            }
            Move { target: target as u8, legal, slides }
        };
        let moves = |cell| std::array::from_fn(|action| arrive(cell, action));
        Self { moves: std::array::from_fn(moves) }
    }
}

/// A board that legal actions are played on, equal to the [`Puzzle`] it is made from.
#[derive(Clone, Copy, Debug)]
pub struct Board<const CELLS: usize> {
    /// All are written by every step: the processor reads other episodes' boards before it knows
    /// the action, which is safe only where the action does not decide what is written.
    tiles: [u64; MOST_WORDS],
    pub depth: u32,
    blank: u8,
    legal: u8,
}

impl<const CELLS: usize> Board<CELLS> {
    /// Of a tile.
    const BITS: usize = if CELLS <= 16 { 4 } else { 5 };
    /// Tiles in a word.
    pub const PER_WORD: usize = 64 / Self::BITS;
    const WORDS: usize = CELLS.div_ceil(Self::PER_WORD);
    /// The solved state.
    const GOAL: [u64; MOST_WORDS] = {
        let mut goal = [0; MOST_WORDS];
        let mut cell = 0;
        while cell < CELLS {
            let (word, shift) = Self::place(cell);
            goal[word] |= (cell as u64) << shift;
            cell += 1;
        }
        goal
    };

    /// The word and the first bit of `cell`.
    #[inline(always)]
    const fn place(cell: usize) -> (usize, usize) {
        // Of one word the number is plain to the compiler.
        let word = if Self::WORDS == 1 { 0 } else { cell / Self::PER_WORD };
        (word, (cell - word * Self::PER_WORD) * Self::BITS)
    }

    /// The board of `puzzle`, which has `CELLS` cells and no action to undo.
    pub fn new(puzzle: &Puzzle) -> Self {
        let state = puzzle.get_state();
        let mut tiles = [0; MOST_WORDS];
        for (cell, &tile) in state.iter().enumerate() {
            let (word, shift) = Self::place(cell);
            tiles[word] |= (tile as u64) << shift;
        }
        let blank = state.iter().position(|&tile| tile == 0).unwrap_or(0) as u8;
        let bits = puzzle.masks().into_iter().enumerate();
        let legal = bits.map(|(action, legal)| u8::from(legal) << action).sum();
        Self { tiles, depth: puzzle.depth(), blank, legal }
    }

    /// The tile at `cell`; both are below `CELLS`.
    #[inline(always)]
    pub fn tile(&self, cell: usize) -> usize {
        let (word, shift) = Self::place(cell);
        (self.tiles[word] >> shift) as usize & ((1 << Self::BITS) - 1)
    }

    /// Bit a is set where action a may be taken; at least one is.
    #[inline(always)]
    pub fn legal(&self) -> u8 {
        self.legal
    }

    /// Plays `action`, which is legal, on a board that is not final.
    #[inline(always)]
    pub fn step(&mut self, tables: &Tables<CELLS>, action: usize) {
        let Move { target, legal, slides } = &tables.moves[usize::from(self.blank)][action];
        let (target, legal) = (*target, *legal);
        let tile = self.tile(usize::from(target)) as u64;
        let mut tiles = self.tiles;
        for word in 0..Self::WORDS {
            // The blank is 0.
            tiles[word] ^= tile * slides[word];
        }
        self.tiles = tiles;
        self.blank = target;
        self.legal = legal;
        self.depth -= 1;
    }

    #[inline(always)]
    pub fn solved(&self) -> bool {
        (0..Self::WORDS).all(|word| self.tiles[word] == Self::GOAL[word])
    }

    #[inline(always)]
    pub fn is_final(&self) -> bool {
        self.solved() || self.depth == 0
    }
}

/// What episodes of one generation or evaluation begin with.
#[derive(Clone, Debug)]
pub struct Starts<const CELLS: usize> {
    pub tables: Tables<CELLS>,
    pub boards: Vec<Board<CELLS>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn follows_the_puzzle<const CELLS: usize>(width: usize, height: usize) {
        let mut puzzle = Puzzle::new(width, height, 30, 4, 60).unwrap();
        puzzle.set_forbid_undo(true);
        let tables = Tables::new(&puzzle);
        let mut rng = Rng::stream(1, 0, CELLS as u64);
        for _ in 0..20 {
            puzzle.try_reset(&mut rng).unwrap();
            let mut board = Board::<CELLS>::new(&puzzle);
            while !puzzle.is_final() {
                let legal: Vec<usize> = (0..4).filter(|&action| puzzle.masks()[action]).collect();
                assert_eq!(legal.iter().map(|action| 1 << action).sum::<u8>(), board.legal());
                let action = legal[rng.below(legal.len() as u32) as usize];
                puzzle.step(action);
                board.step(&tables, action);
                let tiles: Vec<usize> = (0..CELLS).map(|cell| board.tile(cell)).collect();
                assert_eq!(tiles, puzzle.get_state());
                assert_eq!(
                    (board.depth, board.solved(), board.is_final()),
                    (puzzle.depth(), puzzle.solved(), puzzle.is_final())
                );
            }
        }
    }

    #[test]
    fn every_size_follows_the_puzzle() {
        follows_the_puzzle::<4>(2, 2);
        follows_the_puzzle::<6>(3, 2);
        follows_the_puzzle::<16>(4, 4);
        follows_the_puzzle::<20>(4, 5);
        follows_the_puzzle::<25>(5, 5);
    }
}

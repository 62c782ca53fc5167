//! The sliding puzzle for Evolution Strategies: its number of cells compiled in, its rules in tables
//! so that a step is a few loads and stores.

use super::network::Block;
use crate::envs::puzzle::{misplaced_more, Puzzle};
use crate::rl::env::Env;

pub const NUM_ACTIONS: usize = 4;

/// Where an action leads.
#[derive(Clone, Copy, Debug)]
struct Move<const CELLS: usize> {
    /// The cell of the blank.
    target: u8,
    /// Bit a is set where action a may be taken there.
    legal: u8,
    /// How many more tiles are misplaced, by the tile that slides; less where the sum wraps around.
    gained: [u8; CELLS],
}

/// What all boards of one size share: the moves by the cell of the blank and the action.
#[derive(Clone, Debug)]
pub struct Tables<const CELLS: usize> {
    moves: [[Move<CELLS>; NUM_ACTIONS]; CELLS],
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
            let gained = |tile| misplaced_more(cell, target, tile as u8) as u8;
            Move { target: target as u8, legal, gained: std::array::from_fn(gained) }
        };
        let moves = |cell| std::array::from_fn(|action| arrive(cell, action));
        Self { moves: std::array::from_fn(moves) }
    }
}

/// A board that legal actions are played on, equal to the [`Puzzle`] it is made from, for a network
/// whose hidden layer has `CHUNKS` blocks.
#[derive(Clone, Copy, Debug)]
pub struct Board<const CELLS: usize, const CHUNKS: usize> {
    rows: [u16; CELLS],
    blank: u8,
    legal: u8,
    misplaced: u8,
    pub depth: u32,
}

impl<const CELLS: usize, const CHUNKS: usize> Board<CELLS, CHUNKS> {
    /// Bytes of the weights of one feature.
    const ROW: usize = CHUNKS * size_of::<Block>();

    /// The board of `puzzle`, which has `CELLS` cells and no action to undo.
    pub fn new(puzzle: &Puzzle) -> Self {
        let state = puzzle.get_state();
        let rows: [u16; CELLS] = std::array::from_fn(|cell| (state[cell] * Self::ROW) as u16);
        let misplaced = (0..CELLS).filter(|&cell| state[cell] != cell).count() as u8;
        let blank = state.iter().position(|&tile| tile == 0).unwrap_or(0) as u8;
        let bits = puzzle.masks().into_iter().enumerate();
        let legal = bits.map(|(action, legal)| u8::from(legal) << action).sum();
        Self { rows, blank, legal, misplaced, depth: puzzle.depth() }
    }

    /// For each cell where the weights of its tile begin behind those of tile 0, in bytes; the
    /// tiles are below `CELLS`.
    #[inline(always)]
    pub fn rows(&self) -> &[u16; CELLS] {
        &self.rows
    }

    /// Bit a is set where action a may be taken; at least one is.
    #[inline(always)]
    pub fn legal(&self) -> u8 {
        self.legal
    }

    /// Plays `action`, which is legal, on a board that is not final.
    #[inline(always)]
    pub fn step(&mut self, tables: &Tables<CELLS>, action: usize) {
        let blank = usize::from(self.blank);
        let Move { target, legal, gained } = &tables.moves[blank][action];
        let (target, legal) = (*target, *legal);
        let row = std::mem::take(&mut self.rows[usize::from(target)]);
        self.rows[blank] = row;
        self.misplaced = self.misplaced.wrapping_add(gained[usize::from(row) / Self::ROW]);
        self.blank = target;
        self.legal = legal;
        self.depth -= 1;
    }

    #[inline(always)]
    pub fn solved(&self) -> bool {
        self.misplaced == 0
    }

    #[inline(always)]
    pub fn is_final(&self) -> bool {
        self.solved() || self.depth == 0
    }
}

/// What episodes of one generation or evaluation begin with.
#[derive(Clone, Debug)]
pub struct Starts<const CELLS: usize, const CHUNKS: usize> {
    pub tables: Tables<CELLS>,
    pub boards: Vec<Board<CELLS, CHUNKS>>,
}

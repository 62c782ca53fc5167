//! The sliding puzzle for Evolution Strategies: its number of cells compiled in, nothing shared.

use crate::envs::puzzle::{slide, Puzzle};
use crate::rl::env::Env;

pub const NUM_ACTIONS: usize = 4;

/// Where an action leads.
#[derive(Clone, Copy, Debug, Default)]
struct Move {
    /// The cell of the blank.
    target: u8,
    /// Bit a is set where action a may be taken there.
    legal: u8,
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
            Move { target: target as u8, legal }
        };
        let moves = |cell| std::array::from_fn(|action| arrive(cell, action));
        Self { moves: std::array::from_fn(moves) }
    }
}

/// A board that legal actions are played on; equal to the [`Puzzle`] it is made from.
#[derive(Clone, Copy, Debug)]
pub struct Board<const CELLS: usize> {
    /// The tile of each cell, below `CELLS`.
    tiles: [u8; CELLS],
    blank: u8,
    legal: u8,
    misplaced: u8,
    pub depth: u32,
}

impl<const CELLS: usize> Board<CELLS> {
    /// The board of `puzzle`, which has `CELLS` cells and no action to undo.
    pub fn new(puzzle: &Puzzle) -> Self {
        let state = puzzle.get_state();
        let tiles: [u8; CELLS] = std::array::from_fn(|cell| state[cell] as u8);
        let misplaced = (0..CELLS).filter(|&cell| usize::from(tiles[cell]) != cell).count() as u8;
        let blank = tiles.iter().position(|&tile| tile == 0).unwrap_or(0) as u8;
        let bits = puzzle.masks().into_iter().enumerate();
        let legal = bits.map(|(action, legal)| u8::from(legal) << action).sum();
        Self { tiles, blank, legal, misplaced, depth: puzzle.depth() }
    }

    /// `[CELLS]`, each below `CELLS`.
    #[inline(always)]
    pub fn tiles(&self) -> &[u8; CELLS] {
        &self.tiles
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
        let Move { target, legal } = tables.moves[blank][action];
        let gained = slide(&mut self.tiles, blank, usize::from(target));
        self.misplaced = self.misplaced.wrapping_add(gained);
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
pub struct Starts<const CELLS: usize> {
    pub tables: Tables<CELLS>,
    pub boards: Vec<Board<CELLS>>,
}

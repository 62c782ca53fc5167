//! The sliding puzzle for Evolution Strategies: its number of cells compiled in, nothing shared.

use std::sync::Arc;

use crate::envs::puzzle::Puzzle;

pub const NUM_ACTIONS: usize = 4;
/// In place of an action that is forbidden where none is.
const NO_ACTION: u8 = NUM_ACTIONS as u8;

/// What all boards of one size share.
#[derive(Debug)]
pub struct Tables {
    /// Where the blank goes from each cell by each action.
    targets: Vec<[u8; NUM_ACTIONS]>,
    /// By cell and forbidden action: bit a is set where action a may be taken.
    masks: Vec<[u8; NUM_ACTIONS + 1]>,
    forbid_undo: bool,
}

impl Tables {
    pub fn new(puzzle: &Puzzle) -> Self {
        let targets = puzzle.targets().to_vec();
        let mask = |cell: usize, targets: &[u8; NUM_ACTIONS], forbidden: usize| {
            let legal =
                |action: &usize| *action != forbidden && usize::from(targets[*action]) != cell;
            (0..NUM_ACTIONS).filter(legal).map(|action| 1 << action).sum()
        };
        let masks = targets.iter().enumerate();
        let masks = masks.map(|(cell, to)| std::array::from_fn(|f| mask(cell, to, f))).collect();
        Self { targets, masks, forbid_undo: puzzle.forbids_undo() }
    }
}

/// A board with its own steps; equal to the [`Puzzle`] it is made from.
#[derive(Clone, Copy, Debug)]
pub struct Board<const CELLS: usize> {
    pub tiles: [u8; CELLS],
    blank: u8,
    undo: u8,
    misplaced: u8,
    pub depth: u32,
}

impl<const CELLS: usize> Board<CELLS> {
    /// The board of `puzzle`, which has `CELLS` cells.
    pub fn new(puzzle: &Puzzle) -> Self {
        let state = puzzle.get_state();
        let tiles: [u8; CELLS] = std::array::from_fn(|cell| state[cell] as u8);
        let misplaced = (0..CELLS).filter(|&cell| usize::from(tiles[cell]) != cell).count() as u8;
        let blank = tiles.iter().position(|&tile| tile == 0).unwrap_or(0) as u8;
        Self { tiles, blank, undo: NO_ACTION, misplaced, depth: puzzle.depth() }
    }

    #[inline(always)]
    pub fn masks(&self, tables: &Tables) -> u8 {
        let forbidden = if tables.forbid_undo { self.undo } else { NO_ACTION };
        tables.masks[usize::from(self.blank)][usize::from(forbidden)]
    }

    #[inline(always)]
    pub fn step(&mut self, tables: &Tables, action: usize) {
        let blank = usize::from(self.blank);
        let target = usize::from(tables.targets[blank][action]);
        let tile = self.tiles[target];
        let off = |cell: usize, tile: u8| u8::from(cell != usize::from(tile));
        // For an impossible action both cells are the same and every term cancels.
        self.misplaced =
            self.misplaced + off(blank, tile) + off(target, 0) - off(blank, 0) - off(target, tile);
        self.tiles[blank] = tile;
        self.tiles[target] = 0;
        self.undo = if target == blank { self.undo } else { action as u8 ^ 2 };
        self.blank = target as u8;
        self.depth = self.depth.saturating_sub(1);
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
    pub tables: Arc<Tables>,
    pub boards: Vec<Board<CELLS>>,
}

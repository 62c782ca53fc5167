//! The sliding puzzle (8-puzzle, 15-puzzle, ...), 1x1 to 16x16.

mod environment;
#[cfg(feature = "learning")]
mod estimates;
#[cfg(feature = "learning")]
mod pairs;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::{Map, Value};

use super::parameters::{Parameter, Parameters};
use super::scrambled::{is_odd, EPISODE};
use super::Listed;
use crate::error::{Error, Result};
use crate::rl::env::Twists;
use crate::rl::spec::EnvSpec;
use crate::rng::Rng;
use crate::spaces::{ActSpace, ObsSpace};

/// Actions move the blank: 0 left, 1 up, 2 right, 3 down.
const NUM_ACTIONS: usize = 4;
const MOST_SIDE: u32 = 16;
const OUT_OF_STEPS: f32 = -0.5;
/// In place of an action that is forbidden where none is.
const NO_ACTION: u8 = NUM_ACTIONS as u8;

/// Tiles `0 .. width * height` on a board, 0 the blank; solved when tile `i` is at cell `i`.
///
/// An impossible action changes nothing but the remaining depth. Reward: 1 solved, -0.5 out of
/// depth, else `-0.5 / max_depth`. Observation: feature `cell * cells + tile` for every cell.
#[derive(Debug)]
pub struct Puzzle {
    tiles: Vec<u8>,
    blank: u8,
    /// The action that undoes the last one that moved the blank, or [`NO_ACTION`].
    undo: u8,
    /// Whether the masks forbid `undo`.
    forbid_undo: bool,
    /// Cells whose tile is not their own, blank included; 0 means solved.
    misplaced: u16,
    depth: u32,
    board: Arc<Board>,
    difficulty: usize,
    depth_slope: usize,
    max_depth: u32,
    rng: Rng,
}

impl Clone for Puzzle {
    fn clone(&self) -> Self {
        Self {
            tiles: self.tiles.clone(),
            board: self.board.clone(),
            rng: self.rng.clone(),
            ..*self
        }
    }

    /// Without allocating: searches copy a state for every node.
    #[inline]
    fn clone_from(&mut self, other: &Self) {
        let Self {
            tiles,
            blank,
            undo,
            forbid_undo,
            misplaced,
            depth,
            board,
            difficulty,
            depth_slope,
            max_depth,
            rng,
        } = self;
        tiles.clone_from(&other.tiles);
        // Counting references is shared between threads: not for a board that is there.
        if !Arc::ptr_eq(board, &other.board) {
            board.clone_from(&other.board);
        }
        rng.clone_from(&other.rng);
        (*blank, *misplaced, *depth) = (other.blank, other.misplaced, other.depth);
        (*undo, *forbid_undo) = (other.undo, other.forbid_undo);
        (*difficulty, *depth_slope, *max_depth) =
            (other.difficulty, other.depth_slope, other.max_depth);
    }
}

/// What depends on the size of the board alone.
#[derive(Debug)]
struct Board {
    width: usize,
    height: usize,
    /// Where the blank goes from each cell by each action; the cell itself when impossible.
    targets: Vec<[u8; NUM_ACTIONS]>,
    masks: Vec<[bool; NUM_ACTIONS]>,
    spec: EnvSpec,
}

impl Board {
    /// With the reflection of a square at its diagonal as a symmetry, if it is to be one.
    fn new(width: usize, height: usize, reflection: bool) -> Self {
        let cells = 0..width * height;
        let targets: Vec<_> = cells
            .map(|cell| {
                let (x, y) = (cell % width, cell / width);
                let target =
                    |possible: bool, to: usize| if possible { to as u8 } else { cell as u8 };
                [
                    target(x > 0, cell.wrapping_sub(1)),
                    target(y > 0, cell.wrapping_sub(width)),
                    target(x + 1 < width, cell + 1),
                    target(y + 1 < height, cell + width),
                ]
            })
            .collect();
        let masks = targets
            .iter()
            .enumerate()
            .map(|(cell, targets)| targets.map(|target| usize::from(target) != cell))
            .collect();
        let obs = ObsSpace::Sparse { shape: vec![width * height; 2] };
        let spec = EnvSpec {
            action_names: ["left", "up", "right", "down"].map(str::to_owned).to_vec(),
            inverse_actions: Some(vec![2, 3, 0, 1]),
            has_goal: true,
            has_uniform: true,
            tells_truncation: true,
            always_ends: true,
            version: 1,
            twists: if reflection { reflected(width) } else { Twists::default() },
            ..EnvSpec::new("Puzzle".to_owned(), obs, ActSpace::Discrete { n: NUM_ACTIONS })
        };
        Self { width, height, targets, masks, spec }
    }
}

/// A square of this `side` as it is, and with columns for rows: tile `i` is then the one whose own cell is
/// the image of that of tile `i`, so that a solved board stays one.
fn reflected(side: usize) -> Twists {
    let cells = side * side;
    let image = |cell: usize| cell % side * side + cell / side;
    let feature = |feature: usize| image(feature / cells) * cells + image(feature % cells);
    let obs_perms = vec![(0..cells * cells).collect(), (0..cells * cells).map(feature).collect()];
    // Left and up change places, and so do right and down.
    (obs_perms, vec![vec![0, 1, 2, 3], vec![1, 0, 3, 2]])
}

/// How many more tiles are misplaced once `tile` has slid from cell `target` to cell `blank`.
#[inline(always)]
fn misplaced_more(blank: usize, target: usize, tile: u8) -> i16 {
    let off = |cell: usize, tile: u8| i16::from(cell != usize::from(tile));
    // For an impossible action both cells are the same and every term cancels.
    off(blank, tile) + off(target, 0) - off(blank, 0) - off(target, tile)
}

impl Puzzle {
    /// A solved board.
    ///
    /// # Errors
    /// If a side is not in 1..=16 or `max_depth` not in 1..2^32.
    pub fn new(
        width: usize,
        height: usize,
        difficulty: usize,
        depth_slope: usize,
        max_depth: usize,
    ) -> Result<Self> {
        for (name, side) in [("width", width), ("height", height)] {
            if !(1..=MOST_SIDE as usize).contains(&side) {
                return Err(Error::invalid(name, format!("an integer in 1..={MOST_SIDE}"), side));
            }
        }
        let max_depth = match u32::try_from(max_depth) {
            Ok(depth) if depth > 0 => depth,
            _ => {
                return Err(Error::invalid("max_depth", "an integer in 1..=4294967295", max_depth))
            }
        };
        Ok(Self {
            tiles: (0..width * height).map(|tile| tile as u8).collect(),
            blank: 0,
            undo: NO_ACTION,
            forbid_undo: false,
            misplaced: 0,
            depth: 1,
            board: Arc::new(Board::new(width, height, false)),
            difficulty,
            depth_slope,
            max_depth,
            rng: Rng::new(0),
        })
    }

    /// Names the stream that [`reset`](crate::rl::env::Env::reset) draws from.
    pub fn seed(&mut self, seed: u64) {
        self.rng = Rng::new(seed);
    }

    /// Whether the masks forbid the action that undoes the last one that moved the blank.
    pub fn set_forbid_undo(&mut self, forbid_undo: bool) {
        self.forbid_undo = forbid_undo;
    }

    pub fn forbids_undo(&self) -> bool {
        self.forbid_undo
    }

    /// Makes the reflection at the diagonal from the solved blank's corner a symmetry, or not.
    ///
    /// # Errors
    /// If it is to be one of a board that is no square.
    pub fn set_reflection(&mut self, reflection: bool) -> Result<()> {
        let (width, height) = (self.width(), self.height());
        if reflection && width != height {
            let got = format!("true for a board of {width} x {height}, which is no square");
            return Err(Error::invalid("reflection", "false", got));
        }
        self.board = Arc::new(Board::new(width, height, reflection));
        Ok(())
    }

    pub fn is_reflected(&self) -> bool {
        !self.board.spec.twists.0.is_empty()
    }

    /// The reward of a state that is not final.
    pub(crate) fn running_reward(&self) -> f32 {
        OUT_OF_STEPS / self.max_depth as f32
    }

    /// Steps that are left.
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// Where the blank goes from each cell by each action; the cell itself when impossible.
    pub(crate) fn targets(&self) -> &[[u8; NUM_ACTIONS]] {
        &self.board.targets
    }

    pub fn width(&self) -> usize {
        self.board.width
    }

    pub fn height(&self) -> usize {
        self.board.height
    }

    pub fn solved(&self) -> bool {
        self.misplaced == 0
    }

    /// The tile at every cell, row by row.
    pub fn get_state(&self) -> Vec<usize> {
        self.tiles.iter().map(|&tile| usize::from(tile)).collect()
    }

    /// The tile in column `x`, row `y`; `None` outside the board.
    pub fn get_position(&self, x: usize, y: usize) -> Option<usize> {
        let inside = x < self.width() && y < self.height();
        inside.then(|| usize::from(self.tiles[y * self.width() + x]))
    }

    /// Writes `tile` in column `x`, row `y`, for building a board tile by tile.
    ///
    /// # Errors
    /// If the cell or the tile is not on the board.
    pub fn set_position(&mut self, x: usize, y: usize, tile: usize) -> Result<()> {
        for (name, value, bound) in
            [("x", x, self.width()), ("y", y, self.height()), ("val", tile, self.tiles.len())]
        {
            if value >= bound {
                return Err(Error::invalid(name, format!("an integer in 0..{bound}"), value));
            }
        }
        let cell = y * self.width() + x;
        self.tiles[cell] = tile as u8;
        if tile == 0 {
            self.blank = cell as u8;
        }
        self.undo = NO_ACTION;
        self.count_misplaced();
        Ok(())
    }

    /// A board drawn uniformly from all solvable ones.
    ///
    /// Fisher-Yates from the last cell down; an unsolvable result swaps its first two tiles,
    /// which pairs every unsolvable board with one solvable board. Of one row or column there are
    /// as many boards as cells: the blank is drawn.
    pub fn random_state(&self, rng: &mut Rng) -> Vec<i64> {
        let mut tiles: Vec<i64> = (0..self.tiles.len() as i64).collect();
        if self.is_row() {
            let blank = rng.below(tiles.len() as u32) as usize;
            tiles[..=blank].rotate_left(1);
            return tiles;
        }
        for i in (1..tiles.len()).rev() {
            tiles.swap(i, rng.below(i as u32 + 1) as usize);
        }
        if !self.is_solvable(&tiles) {
            let mut cells = (0..tiles.len()).filter(|&cell| tiles[cell] != 0);
            if let (Some(first), Some(second)) = (cells.next(), cells.next()) {
                tiles.swap(first, second);
            }
        }
        tiles
    }

    /// Whether the board is a single row or column.
    fn is_row(&self) -> bool {
        self.width() == 1 || self.height() == 1
    }

    /// What boards have that cannot be solved.
    fn disorder(&self) -> &'static str {
        match self.is_row() {
            true => "whose tiles are not in order",
            false => "whose parity is odd",
        }
    }

    /// A move is one transposition and shifts the blank by one cell, so the parity of the
    /// permutation equals the parity of the blank's distance from its corner, or never will. In a
    /// single row or column no tile passes another one.
    fn is_solvable(&self, tiles: &[i64]) -> bool {
        if self.is_row() {
            return tiles.iter().filter(|&&tile| tile != 0).is_sorted();
        }
        let blank = tiles.iter().position(|&tile| tile == 0).unwrap_or(0);
        let blank_moves = blank % self.width() + blank / self.width();
        is_odd(tiles.len(), |cell| tiles[cell] as usize) == (blank_moves % 2 == 1)
    }

    fn place(&mut self, state: &[i64]) {
        for (cell, (to, &tile)) in self.tiles.iter_mut().zip(state).enumerate() {
            *to = tile as u8;
            if tile == 0 {
                self.blank = cell as u8;
            }
        }
        self.depth = self.max_depth;
        self.undo = NO_ACTION;
        self.count_misplaced();
    }

    fn count_misplaced(&mut self) {
        let misplaced = |(cell, &tile): (usize, &u8)| cell != usize::from(tile);
        self.misplaced = self.tiles.iter().enumerate().map(|pair| u16::from(misplaced(pair))).sum();
    }

    fn scramble(&mut self, rng: &mut Rng) {
        for (cell, tile) in self.tiles.iter_mut().enumerate() {
            *tile = cell as u8;
        }
        let mut blank = 0u8;
        let mut left = self.difficulty;
        while left > 0 {
            let mut word = rng.next_u64();
            let moves = left.min(32);
            for _ in 0..moves {
                let target = self.board.targets[usize::from(blank)][(word & 3) as usize];
                self.tiles[usize::from(blank)] = self.tiles[usize::from(target)];
                self.tiles[usize::from(target)] = 0;
                blank = target;
                word >>= 2;
            }
            left -= moves;
        }
        self.blank = blank;
        self.undo = NO_ACTION;
        let depth = self.depth_slope.saturating_mul(self.difficulty);
        self.depth = u32::try_from(depth).unwrap_or(u32::MAX);
        self.count_misplaced();
    }

    #[inline]
    fn legal(&self) -> [bool; NUM_ACTIONS] {
        let mut legal = self.board.masks[usize::from(self.blank)];
        if self.forbid_undo {
            if let Some(undo) = legal.get_mut(usize::from(self.undo)) {
                *undo = false;
            }
        }
        legal
    }

    #[inline]
    fn slide(&mut self, action: usize) {
        let blank = usize::from(self.blank);
        let target = usize::from(self.board.targets[blank][action]);
        let tile = self.tiles[target];
        let more = misplaced_more(blank, target, tile);
        self.misplaced = self.misplaced.wrapping_add_signed(more);
        self.tiles[blank] = tile;
        self.tiles[target] = 0;
        self.blank = target as u8;
        self.undo = if target == blank { self.undo } else { action as u8 ^ 2 };
        self.depth = self.depth.saturating_sub(1);
    }

    fn check_state(&self, state: &[i64]) -> Result<()> {
        let cells = self.tiles.len();
        let expected = || format!("each of 0..{cells} once");
        if state.len() != cells {
            return Err(Error::invalid("state", expected(), format!("{} entries", state.len())));
        }
        let mut seen = [false; 256];
        for (cell, &tile) in state.iter().enumerate() {
            match usize::try_from(tile) {
                Ok(index) if index < cells && !seen[index] => seen[index] = true,
                Ok(index) if index < cells => {
                    return Err(Error::invalid("state", expected(), format!("{tile} twice")));
                }
                _ => {
                    return Err(Error::invalid(
                        "state",
                        expected(),
                        format!("{tile} at cell {cell}"),
                    ));
                }
            }
        }
        Ok(())
    }
}

impl Listed for Puzzle {
    fn parameters() -> Vec<Parameter> {
        let side = |name, about| Parameter::integer(name, 1, MOST_SIDE, 3, about);
        let sides = [side("width", "cells in a row"), side("height", "rows")];
        let undo = "masks the action that undoes the last one that moved the blank";
        let reflection = "a symmetry of square boards: columns for rows";
        let own = [
            Parameter::boolean("forbid_undo", false, undo),
            Parameter::boolean("reflection", false, reflection),
        ];
        [&sides[..], &EPISODE, &own].concat()
    }

    fn build(parameters: &Parameters) -> Result<Self> {
        let [width, height, difficulty, depth_slope, max_depth] =
            ["width", "height", "difficulty", "depth_slope", "max_depth"]
                .map(|name| parameters.integer(name));
        let mut puzzle = Self::new(width, height, difficulty, depth_slope, max_depth)?;
        let forbid_undo = parameters.boolean("forbid_undo");
        if forbid_undo && puzzle.is_row() {
            let got = "true, which leaves no move at the end of a single row or column";
            return Err(Error::invalid("forbid_undo", "false", got));
        }
        puzzle.set_forbid_undo(forbid_undo);
        puzzle.set_reflection(parameters.boolean("reflection"))?;
        Ok(puzzle)
    }

    fn built_from(&self) -> Map<String, Value> {
        let mut values = Map::new();
        for (name, value) in [
            ("width", self.width()),
            ("height", self.height()),
            ("difficulty", self.difficulty),
            ("depth_slope", self.depth_slope),
            ("max_depth", self.max_depth as usize),
        ] {
            values.insert(name.to_owned(), value.into());
        }
        values.insert("forbid_undo".to_owned(), self.forbid_undo.into());
        values.insert("reflection".to_owned(), self.is_reflected().into());
        values
    }
}

//! The sliding puzzle (8-puzzle, 15-puzzle, ...), 2x2 to 16x16.

use std::any::Any;
use std::sync::Arc;

use super::parameters::{Parameter, Parameters};
use super::scrambled::EPISODE;
use super::Listed;
use crate::error::{Error, Result};
use crate::rl::env::{Env, Status};
use crate::rng::Rng;

/// Actions move the blank: 0 left, 1 up, 2 right, 3 down.
const NUM_ACTIONS: usize = 4;
const SIDES: std::ops::RangeInclusive<usize> = 2..=16;
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
}

impl Board {
    fn new(width: usize, height: usize) -> Self {
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
        Self { width, height, targets, masks }
    }
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
    /// If a side is not in 2..=16 or `max_depth` not in 1..2^32.
    pub fn new(
        width: usize,
        height: usize,
        difficulty: usize,
        depth_slope: usize,
        max_depth: usize,
    ) -> Result<Self> {
        for (name, side) in [("width", width), ("height", height)] {
            if !SIDES.contains(&side) {
                return Err(Error::invalid(name, "an integer in 2..=16", side));
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
            board: Arc::new(Board::new(width, height)),
            difficulty,
            depth_slope,
            max_depth,
            rng: Rng::new(0),
        })
    }

    /// Names the stream that [`Env::reset`] draws from.
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
    /// which pairs every unsolvable board with one solvable board.
    pub fn random_state(&self, rng: &mut Rng) -> Vec<i64> {
        let mut tiles: Vec<i64> = (0..self.tiles.len() as i64).collect();
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

    /// A move is one transposition and shifts the blank by one cell, so the parity of the
    /// permutation equals the parity of the blank's distance from its corner, or never will.
    fn is_solvable(&self, tiles: &[i64]) -> bool {
        let mut seen = [false; 256];
        let mut transpositions = 0;
        let mut blank = 0;
        for start in 0..tiles.len() {
            if tiles[start] == 0 {
                blank = start;
            }
            let mut cell = start;
            while !seen[cell] {
                seen[cell] = true;
                cell = tiles[cell] as usize;
                transpositions += usize::from(!seen[cell]);
            }
        }
        let blank_moves = blank % self.width() + blank / self.width();
        transpositions % 2 == blank_moves % 2
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
        let sides = [Parameter::integer("width", 2, 16, 3), Parameter::integer("height", 2, 16, 3)];
        [&sides[..], &EPISODE, &[Parameter::boolean("forbid_undo", false)]].concat()
    }

    fn build(parameters: &Parameters) -> Result<Self> {
        let [width, height, difficulty, depth_slope, max_depth] =
            ["width", "height", "difficulty", "depth_slope", "max_depth"]
                .map(|name| parameters.integer(name));
        let mut puzzle = Self::new(width, height, difficulty, depth_slope, max_depth)?;
        puzzle.set_forbid_undo(parameters.boolean("forbid_undo"));
        Ok(puzzle)
    }
}

impl Env for Puzzle {
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
    fn num_actions(&self) -> usize {
        NUM_ACTIONS
    }
    fn obs_shape(&self) -> Vec<usize> {
        vec![self.tiles.len(); 2]
    }
    fn set_difficulty(&mut self, difficulty: usize) {
        self.difficulty = difficulty;
    }
    fn get_difficulty(&self) -> usize {
        self.difficulty
    }
    /// Ignores a state that is none; [`Env::try_set_state`] tells why.
    fn set_state(&mut self, state: Vec<i64>) {
        let _ = self.try_set_state(&state);
    }
    fn reset(&mut self) {
        let mut rng = self.rng.clone();
        self.scramble(&mut rng);
        self.rng = rng;
    }
    /// Ignores an action outside 0..4; [`Env::try_step`] refuses it.
    fn step(&mut self, action: usize) {
        let _ = self.try_step(action);
    }
    fn masks(&self) -> Vec<bool> {
        self.legal().to_vec()
    }
    fn is_final(&self) -> bool {
        self.solved() || self.depth == 0
    }
    fn success(&self) -> bool {
        self.solved()
    }
    fn reward(&self) -> f32 {
        if self.solved() {
            1.0
        } else if self.depth == 0 {
            OUT_OF_STEPS
        } else {
            self.running_reward()
        }
    }
    fn observe(&self) -> Vec<usize> {
        let cells = self.tiles.len();
        self.tiles
            .iter()
            .enumerate()
            .map(|(cell, &tile)| cell * cells + usize::from(tile))
            .collect()
    }

    fn action_names(&self) -> Vec<String> {
        ["left", "up", "right", "down"].map(str::to_owned).to_vec()
    }
    fn state(&self) -> Option<Vec<i64>> {
        Some(self.tiles.iter().map(|&tile| i64::from(tile)).collect())
    }
    /// One row a line, the blank as spaces.
    fn render(&self) -> Option<String> {
        let digits = (self.tiles.len() - 1).to_string().len();
        let cell = |&tile: &u8| match tile {
            0 => " ".repeat(digits),
            tile => format!("{tile:>digits$}"),
        };
        let row =
            |row: &[u8]| format!("|{}|\n", row.iter().map(cell).collect::<Vec<_>>().join("|"));
        Some(self.tiles.chunks(self.width()).map(row).collect())
    }

    fn try_reset(&mut self, rng: &mut Rng) -> Result<()> {
        self.scramble(rng);
        Ok(())
    }
    fn inverse_actions(&self) -> Option<Vec<usize>> {
        Some(vec![2, 3, 0, 1])
    }
    fn try_reset_goal(&mut self, _: &mut Rng) -> Result<()> {
        for (cell, tile) in self.tiles.iter_mut().enumerate() {
            *tile = cell as u8;
        }
        (self.blank, self.undo, self.misplaced, self.depth) = (0, NO_ACTION, 0, self.max_depth);
        Ok(())
    }
    /// The tiles in as many bits as each needs, from 2x2 to 5x5. What the masks forbid is no part
    /// of it: a step does the same after any other.
    fn state_key(&self) -> Option<u128> {
        let bits = (self.tiles.len() - 1).ilog2() + 1;
        let pack = |key: u128, &tile: &u8| key << bits | u128::from(tile);
        (self.tiles.len() as u32 * bits <= u128::BITS).then(|| self.tiles.iter().fold(0, pack))
    }
    fn try_reset_uniform(&mut self, rng: &mut Rng) -> Result<()> {
        let state = self.random_state(rng);
        self.place(&state);
        Ok(())
    }
    fn try_set_state(&mut self, state: &[i64]) -> Result<()> {
        self.check_state(state)?;
        self.place(state);
        Ok(())
    }
    fn check_solvable(&self) -> Result<()> {
        let tiles: Vec<i64> = self.tiles.iter().map(|&tile| i64::from(tile)).collect();
        if self.is_solvable(&tiles) {
            return Ok(());
        }
        Err(Error::invalid(
            "state",
            "a solvable board",
            format!("{tiles:?}, whose parity is odd: no moves solve it"),
        ))
    }
    #[inline]
    fn try_step(&mut self, action: usize) -> Result<()> {
        if action >= NUM_ACTIONS {
            return Err(Error::invalid("action", "an integer in 0..4", action));
        }
        self.slide(action);
        Ok(())
    }
    #[inline]
    fn try_observe(&self, indices: &mut Vec<i32>) -> Result<()> {
        let cells = self.tiles.len() as i32;
        let feature = |(cell, &tile): (usize, &u8)| cell as i32 * cells + i32::from(tile);
        indices.extend(self.tiles.iter().enumerate().map(feature));
        Ok(())
    }
    #[inline]
    fn try_masks(&self, masks: &mut [bool]) -> Result<()> {
        masks.copy_from_slice(&self.legal());
        Ok(())
    }
    #[inline]
    fn try_status(&self) -> Result<Status> {
        let success = self.solved();
        let out_of_steps = self.depth == 0;
        Ok(Status {
            reward: self.reward(),
            is_final: success || out_of_steps,
            success,
            truncated: out_of_steps && !success,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misplaced_follows_every_move() {
        let mut rng = Rng::new(1);
        let mut env = Puzzle::new(4, 3, 50, 2, 64).unwrap();
        for _ in 0..1000 {
            env.try_step(rng.below(4) as usize).unwrap();
            let counted = env.misplaced;
            env.count_misplaced();
            assert_eq!(env.misplaced, counted);
        }
    }

    #[test]
    fn parity_agrees_with_moves() {
        let mut rng = Rng::new(2);
        for (width, height) in [(2, 2), (3, 3), (4, 4), (5, 2)] {
            let mut env = Puzzle::new(width, height, 101, 2, 64).unwrap();
            for _ in 0..50 {
                env.try_reset(&mut rng).unwrap();
                env.check_solvable().unwrap();
                let mut state: Vec<i64> = env.random_state(&mut rng);
                env.try_set_state(&state).unwrap();
                env.check_solvable().unwrap();
                let cells: Vec<usize> = (0..state.len()).filter(|&cell| state[cell] != 0).collect();
                state.swap(cells[0], cells[1]);
                env.try_set_state(&state).unwrap();
                assert!(env.check_solvable().is_err());
            }
        }
    }

    #[test]
    fn a_copy_is_equal_and_independent() {
        let mut rng = Rng::new(3);
        let mut from = Puzzle::new(3, 3, 40, 2, 64).unwrap();
        from.try_reset(&mut rng).unwrap();
        let mut to = Puzzle::new(4, 3, 7, 3, 9).unwrap();
        to.clone_from(&from);
        assert_eq!(format!("{to:?}"), format!("{from:?}"));
        to.step(if to.masks()[0] { 0 } else { 2 });
        assert_ne!(to.state_key(), from.state_key());
    }

    #[test]
    fn inverse_actions_undo() {
        let mut rng = Rng::new(4);
        let mut env = Puzzle::new(4, 3, 1, 2, 64).unwrap();
        let inverse = env.inverse_actions().unwrap();
        env.try_reset_goal(&mut rng).unwrap();
        assert!(env.success());
        for _ in 0..1000 {
            let (key, action) = (env.state_key().unwrap(), rng.below(4) as usize);
            let changes = env.masks()[action];
            env.step(action);
            assert_eq!(changes, env.state_key().unwrap() != key);
            if changes {
                env.step(inverse[action]);
                assert_eq!(env.state_key().unwrap(), key);
                env.step(action);
            }
        }
        assert!(Puzzle::new(5, 5, 1, 2, 64).unwrap().state_key().is_some());
        assert!(Puzzle::new(6, 6, 1, 2, 64).unwrap().state_key().is_none());
    }

    #[test]
    fn bad_input_is_named() {
        assert!(Puzzle::new(1, 3, 1, 2, 256).unwrap_err().to_string().starts_with("width"));
        assert!(Puzzle::new(3, 1_000_000_000, 1, 2, 256)
            .unwrap_err()
            .to_string()
            .starts_with("height"));
        let mut env = Puzzle::new(2, 2, 1, 2, 256).unwrap();
        for state in [vec![0, 1, 2], vec![0, 1, 1, 2], vec![0, 1, 2, 4], vec![0, 1, 2, -1]] {
            assert!(env.try_set_state(&state).is_err());
            assert!(env.solved());
        }
        assert!(env.try_step(4).is_err());
    }
}

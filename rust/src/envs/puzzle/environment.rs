//! The puzzle as an environment.

use std::any::Any;
use std::borrow::Cow;
#[cfg(feature = "learning")]
use std::sync::Arc;

#[cfg(feature = "learning")]
use super::estimates::Board;
use super::{Puzzle, NO_ACTION, NUM_ACTIONS, OUT_OF_STEPS};
use crate::envs::scrambled::packed_order;
use crate::envs::snapshot::Episode;
use crate::error::{Error, Result};
use crate::rl::env::{check_difficulty, Env, Status, Twists};
#[cfg(feature = "learning")]
use crate::rl::estimates::Estimates;
use crate::rl::spec::EnvSpec;
use crate::rng::Rng;

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
    /// Ignores a difficulty that is none; [`Env::try_reset`] refuses it.
    fn reset(&mut self) {
        let mut rng = self.rng.clone();
        let _ = self.try_reset(&mut rng);
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

    fn twists(&self) -> Twists {
        self.board.spec.twists.clone()
    }
    /// Its steps are counted.
    fn spec(&self) -> Cow<'_, EnvSpec> {
        Cow::Borrowed(&self.board.spec)
    }
    fn try_reset(&mut self, rng: &mut Rng) -> Result<()> {
        check_difficulty(self.difficulty)?;
        self.scramble(rng);
        Ok(())
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
        packed_order(&self.tiles)
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
    #[cfg(feature = "learning")]
    fn estimates(
        &self,
        bytes: u64,
        poll: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Option<Arc<dyn Estimates>>> {
        Ok(Some(Arc::new(Board::new(self, bytes, poll)?)))
    }
    /// The blank, what `forbid_undo` forbids, and the tiles, which need not be a board: they may
    /// have been set one by one.
    fn snapshot(&self) -> Option<Vec<i64>> {
        let (depth, difficulty, rng) = (self.depth, self.difficulty, self.rng.clone());
        let board = [self.blank, self.undo].into_iter().chain(self.tiles.iter().copied());
        Some(Episode { depth, difficulty, rng }.with(board.map(i64::from).collect()))
    }
    fn restore(&mut self, snapshot: &[i64]) -> Result<()> {
        let (episode, board) = Episode::split(snapshot)?;
        let cells = self.tiles.len();
        let ([blank, undo, tiles @ ..], true) = (board, board.len() == cells + 2) else {
            let expected = format!("blank, undo and {cells} tiles");
            return Err(Error::invalid("snapshot", expected, format!("{} entries", board.len())));
        };
        let bounds = [(blank, cells - 1), (undo, usize::from(NO_ACTION))];
        let bounds = bounds.into_iter().chain(tiles.iter().map(|tile| (tile, cells - 1)));
        for (&got, most) in bounds {
            if !(0..=most as i64).contains(&got) {
                return Err(Error::invalid("snapshot", format!("an integer in 0..={most}"), got));
            }
        }
        self.place(tiles);
        (self.blank, self.undo) = (*blank as u8, *undo as u8);
        Episode { depth: self.depth, difficulty: self.difficulty, rng: self.rng } = episode;
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
            format!("{tiles:?}, {}: no moves solve it", self.disorder()),
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

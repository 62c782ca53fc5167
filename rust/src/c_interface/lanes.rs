//! Many episodes of an environment of another library, advanced by one call where it can.

use std::sync::Arc;

use super::abi::*;
use super::env::ForeignEnv;
use super::foreign::{status_of, Foreign};
use crate::error::{Error, Result};
use crate::rl::checked::CheckedSpec;
use crate::rl::env::Env;
use crate::rl::vec_env::{LaneMove, Move, VecEnv, Views};
use crate::rng::Rng;
use crate::spaces::Acts;

type Advance = unsafe extern "C" fn(*const BatchMove, usize, *mut BatchViews, *mut usize) -> Code;

pub(super) struct ForeignLanes {
    lanes: Vec<Foreign>,
    /// Number of the call that each lane last moved in.
    moved: Vec<u64>,
    call: u64,
    described: Arc<CheckedSpec>,
    moves: Vec<BatchMove>,
    indices: Vec<i32>,
    ends: Vec<usize>,
    masks: Vec<u8>,
    status: Vec<EpisodeStatus>,
}

// SAFETY: the pointers in `moves` are those of `lanes`, which are Send.
unsafe impl Send for ForeignLanes {}

impl ForeignLanes {
    pub(super) fn new(
        env: &ForeignEnv,
        described: Arc<CheckedSpec>,
        num_lanes: usize,
    ) -> Result<Self> {
        let lanes = (0..num_lanes).map(|_| env.copy_foreign()).collect::<Result<Vec<_>>>()?;
        Ok(Self {
            moved: vec![0; num_lanes],
            call: 0,
            lanes,
            described,
            moves: Vec::new(),
            indices: Vec::new(),
            ends: Vec::new(),
            masks: Vec::new(),
            status: Vec::new(),
        })
    }

    fn tell(&mut self, moves: &[LaneMove], rngs: &mut [Rng]) -> Result<()> {
        self.moves.clear();
        self.call += 1;
        for &LaneMove { lane, made } in moves {
            if std::mem::replace(&mut self.moved[lane], self.call) == self.call {
                return Err(Error::invalid("lane", "each at most once", lane));
            }
            if let Move::StepFrom { parent, .. } = made {
                self.lanes[lane] = self.lanes[parent].copy()?;
            }
            let (kind, value, seed) = match made {
                Move::Reset { difficulty } => (RESET, difficulty, rngs[lane].next_u64()),
                Move::ResetUniform => (RESET_UNIFORM, 0, rngs[lane].next_u64()),
                Move::Step { action } | Move::StepFrom { action, .. } => (STEP, action, 0),
                Move::Observe | Move::Act { .. } => (OBSERVE, 0, 0),
            };
            let ctx = self.lanes[lane].table().ctx;
            self.moves.push(BatchMove { ctx, kind, reserved: 0, value: value as u64, seed });
        }
        Ok(())
    }

    /// Makes `self.moves` one by one, where the batched call is not there or knows no such actions.
    fn make_in_turn(&self, moves: &[LaneMove], acts: &Acts, views: &mut Views) -> Result<()> {
        for (batch_move, lane_move) in self.moves.iter().zip(moves) {
            let lane = &self.lanes[lane_move.lane];
            match lane_move.made {
                Move::Act { row } => lane.act(acts.row(row))?,
                _ => lane.make(batch_move)?,
            }
            views.rows.push_with(|indices| lane.observe(&self.described, indices))?;
            let first_mask = views.masks.len();
            views.masks.resize(first_mask + self.described.num_actions, false);
            lane.masks(&mut views.masks[first_mask..])?;
            views.status.push(lane.status(&self.described)?);
        }
        Ok(())
    }

    /// Makes `self.moves` and appends what they led to; a full buffer is emptied in between.
    fn make(&mut self, advance: Advance, moves: &[LaneMove], views: &mut Views) -> Result<()> {
        let num_actions = self.described.num_actions;
        let mut first = 0;
        self.indices.resize(self.indices.len().max(moves.len() * 16), 0);
        self.ends.resize(moves.len(), 0);
        self.masks.resize(moves.len() * num_actions, 0);
        self.status.resize(moves.len(), EpisodeStatus::default());
        while first < moves.len() {
            let left = &self.moves[first..];
            let mut out = BatchViews {
                indices: self.indices.as_mut_ptr(),
                indices_capacity: self.indices.len(),
                ends: self.ends.as_mut_ptr(),
                masks: self.masks.as_mut_ptr(),
                status: self.status.as_mut_ptr(),
            };
            let mut done = 0;
            // SAFETY: the contexts are this batch's own, and different, since `tell` refuses a lane
            // that moves twice; the buffers have room for all that is left.
            let code = unsafe { advance(left.as_ptr(), left.len(), &mut out, &mut done) };
            done = done.min(left.len());
            self.take(done, views)?;
            first += done;
            match code {
                OK if first == moves.len() => {}
                TOO_SMALL if first < moves.len() => {
                    self.moves[first].kind = OBSERVE;
                    if done == 0 {
                        self.indices.resize(self.indices.len() * 2, 0);
                    }
                }
                OK => return Err(Error::invalid("advance", moves.len().to_string(), first)),
                code => {
                    let failed = moves.get(first).map_or(0, |failed| failed.lane);
                    return self.lanes[failed].check(code);
                }
            }
        }
        Ok(())
    }

    /// Appends the first `count` rows of the buffers.
    fn take(&self, count: usize, views: &mut Views) -> Result<()> {
        let mut start = 0;
        for i in 0..count {
            let end = self.ends[i].clamp(start, self.indices.len());
            let row = &self.indices[start..end];
            self.described.check_row("observe", row)?;
            views.rows.push(row);
            views.status.push(status_of(&self.described, &self.status[i])?);
            start = end;
        }
        let masks = &self.masks[..count * self.described.num_actions];
        views.masks.extend(masks.iter().map(|&mask| mask != 0));
        Ok(())
    }
}

impl VecEnv for ForeignLanes {
    fn num_lanes(&self) -> usize {
        self.lanes.len()
    }

    fn advance(
        &mut self,
        moves: &[LaneMove],
        acts: &Acts,
        rngs: &mut [Rng],
        views: &mut Views,
    ) -> Result<()> {
        self.tell(moves, rngs)?;
        match self.lanes.first().and_then(|lane| lane.table().advance) {
            Some(advance) if matches!(acts, Acts::Discrete(_)) => self.make(advance, moves, views),
            _ => self.make_in_turn(moves, acts, views),
        }
    }

    fn load(&mut self, lane: usize, env: &dyn Env) -> Result<()> {
        let env = env.as_any().downcast_ref::<ForeignEnv>();
        let other = || Error::invalid("env", "an environment of the capsule", "another kind");
        self.lanes[lane] = env.ok_or_else(other)?.copy_foreign()?;
        Ok(())
    }

    fn solution(&self, lane: usize) -> Result<Option<Vec<i64>>> {
        self.lanes[lane].solution()
    }
}

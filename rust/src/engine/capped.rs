//! Lanes whose episodes end: none is stepped past its end, and none goes on for ever.

use crate::error::{Error, Result};
use crate::rl::env::{Env, VecEnv};
use crate::rl::vec_env::{LaneMove, Move, Views};
use crate::rng::Rng;
use crate::spaces::Acts;

/// Steps of an episode, at most, where neither the caller nor the environment sets a bound.
///
/// Far beyond what can be learned from, and few enough that an environment that never ends is told
/// of within seconds and before memory is full.
pub const DEFAULT_MAX_EPISODE_STEPS: u32 = 100_000;

/// Whether a state that is reached by [`Move::StepFrom`] is a step of an episode.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Children {
    /// Of a tree: looked at only.
    Seen,
    /// Of a beam: the path to one is what is played.
    Played,
}

/// Refuses a cap of no steps.
pub(crate) fn check(max_episode_steps: Option<u32>) -> Result<()> {
    match max_episode_steps {
        Some(0) => Err(Error::invalid("max_episode_steps", "at least 1", 0)),
        _ => Ok(()),
    }
}

/// A batch of environments that refuses what no player may ask.
pub(crate) struct Capped {
    lanes: Box<dyn VecEnv>,
    children: Children,
    /// Steps of an episode, at most,
    most: u32,
    /// and how many each lane may still make; none once its episode is over.
    left: Vec<u32>,
    /// Name of the environment.
    env: String,
}

impl Capped {
    /// Lanes for the episodes of `env`.
    pub(crate) fn lanes(env: &dyn Env, num_lanes: usize, most: Option<u32>) -> Result<Self> {
        Ok(Self::around(env.lanes(num_lanes)?, env, Children::Seen, most))
    }

    /// Slots for the states of a search.
    pub(crate) fn nodes(
        env: &dyn Env,
        num_nodes: usize,
        children: Children,
        most: Option<u32>,
    ) -> Result<Self> {
        Ok(Self::around(env.nodes(num_nodes)?, env, children, most))
    }

    fn around(
        lanes: Box<dyn VecEnv>,
        env: &dyn Env,
        children: Children,
        most: Option<u32>,
    ) -> Self {
        let spec = env.spec();
        let default = if spec.always_ends { u32::MAX } else { DEFAULT_MAX_EPISODE_STEPS };
        let left = vec![0; lanes.num_lanes()];
        Self { lanes, children, most: most.unwrap_or(default), left, env: spec.name.clone() }
    }

    /// What `lane` may still do after a step, itself included.
    ///
    /// # Panics
    /// If its episode is over: a bug of the player.
    #[inline]
    fn step(&self, lane: usize) -> u32 {
        assert!(self.left[lane] > 0, "lane {lane} is stepped past the end of its episode");
        self.left[lane] - 1
    }

    #[cold]
    fn endless(&self) -> Error {
        let Self { env, most, .. } = self;
        let expected = format!(
            "the episodes of {env} to end within {most} steps (is_final() has to end them; if they \
             may be longer, raise max_episode_steps of collecting, of the evaluation or of the call)"
        );
        Error::invalid("max_episode_steps", expected, "one that goes on")
    }
}

impl VecEnv for Capped {
    fn num_lanes(&self) -> usize {
        self.lanes.num_lanes()
    }

    fn advance(
        &mut self,
        moves: &[LaneMove],
        acts: &Acts,
        rngs: &mut [Rng],
        views: &mut Views,
    ) -> Result<()> {
        for &LaneMove { lane, made } in moves {
            self.left[lane] = match made {
                Move::Reset { .. } | Move::ResetUniform => self.most,
                Move::Step { .. } | Move::Act { .. } => self.step(lane),
                Move::StepFrom { parent, .. } => match self.children {
                    Children::Seen => self.step(parent) + 1,
                    Children::Played => self.step(parent),
                },
                Move::Observe => self.left[lane],
            };
        }
        let first = views.status.len();
        self.lanes.advance(moves, acts, rngs, views)?;
        for (&LaneMove { lane, .. }, status) in moves.iter().zip(&views.status[first..]) {
            if status.is_final {
                self.left[lane] = 0;
            } else if self.left[lane] == 0 {
                return Err(self.endless());
            }
        }
        Ok(())
    }

    fn load(&mut self, lane: usize, env: &dyn Env) -> Result<()> {
        self.left[lane] = self.most;
        self.lanes.load(lane, env)
    }

    fn solution(&self, lane: usize) -> Result<Option<Vec<i64>>> {
        self.lanes.solution(lane)
    }
}

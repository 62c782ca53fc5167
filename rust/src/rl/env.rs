//! The environment: what a puzzle must tell and do.
//!
//! An environment implements the first group of methods of [`Env`]. The second group is what the
//! engine calls; its defaults are built on the first, and an environment overrides them where it
//! can answer without allocating, from a given random stream, or with an error.

use std::any::Any;
use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::estimates::Estimates;
use super::spec::EnvSpec;
use super::transvections::{Matrices, Rows};
use super::vec_env::{LaneMove, Views};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::spaces::{Act, ActSpace, Acts, ObsSpace};

pub use super::spec::Twists;
pub use super::vec_env::Status;

/// The difficulties that every environment takes, from wherever it comes: a reset that makes as many
/// moves as the most takes some milliseconds.
pub const DIFFICULTIES: RangeInclusive<u32> = 0..=1_000_000;

/// Refuses a difficulty that is outside [`DIFFICULTIES`].
pub fn check_difficulty(difficulty: usize) -> Result<()> {
    let (least, most) = DIFFICULTIES.into_inner();
    if (least as usize..=most as usize).contains(&difficulty) {
        return Ok(());
    }
    Err(Error::invalid("difficulty", format!("an integer in {least}..={most}"), difficulty))
}

/// A difficulty drawn uniformly from 1 to `most`; 0 if that is 0.
pub(crate) fn draw_difficulty(most: usize, rng: &mut Rng) -> usize {
    most.min(1 + rng.below(u32::try_from(most).unwrap_or(u32::MAX)) as usize)
}

/// A single-player environment, by default with `A` discrete actions.
///
/// ```
/// use twisterl::envs::puzzle::Puzzle;
/// use twisterl::rl::env::Env;
/// let mut env = Puzzle::new(3, 3, 1, 2, 256).unwrap();
/// env.set_state(vec![1, 0, 2, 3, 4, 5, 6, 7, 8]);
/// env.step(0);
/// assert!(env.success());
/// ```
pub trait Env: EnvObject + Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;

    /// Number of actions `A`; where [`EnvSpec::acts`] is another space, [`num_choices`](crate::spaces::ActSpace::num_choices).
    fn num_actions(&self) -> usize;
    /// Shape of the observation; its product is the number of features `F`.
    fn obs_shape(&self) -> Vec<usize>;
    /// Takes effect at the next reset, which refuses what is not in [`DIFFICULTIES`].
    fn set_difficulty(&mut self, _difficulty: usize) {}
    fn get_difficulty(&self) -> usize {
        1
    }
    /// Puts the environment into `state`, with all its steps left.
    fn set_state(&mut self, state: Vec<i64>);
    /// Starts an episode in a random state of the current difficulty.
    fn reset(&mut self);
    fn step(&mut self, action: usize);
    /// `[A]`, true where the action may be taken.
    fn masks(&self) -> Vec<bool> {
        vec![true; self.num_actions()]
    }
    fn is_final(&self) -> bool;
    fn success(&self) -> bool;
    /// Reward of being in the current state.
    fn reward(&self) -> f32;
    /// Active features, each in `0..F`; the words of the observation in a space of another kind.
    fn observe(&self) -> Vec<usize>;
    fn twists(&self) -> Twists {
        (Vec::new(), Vec::new())
    }
    /// What [`Env::set_state`] takes to come back here, if it can be told.
    fn state(&self) -> Option<Vec<i64>> {
        None
    }
    /// The state as lines of text, each ended by a line break, if it can be drawn.
    fn render(&self) -> Option<String> {
        None
    }
    /// True if [`Env::solution`] is the answer rather than the actions played.
    fn track_solution(&self) -> bool {
        false
    }
    fn solution(&self) -> Vec<usize> {
        Vec::new()
    }

    // What the engine calls.

    /// All that does not change: by default what the methods above say, see [`EnvSpec::of`].
    fn spec(&self) -> Cow<'_, EnvSpec> {
        Cow::Owned(EnvSpec::of(self))
    }

    /// [`Env::reset`] drawing from `rng` only.
    fn try_reset(&mut self, _rng: &mut Rng) -> Result<()> {
        self.reset();
        Ok(())
    }
    /// Starts an episode in a state drawn uniformly from all solvable ones, [`EnvSpec::has_uniform`].
    fn try_reset_uniform(&mut self, _rng: &mut Rng) -> Result<()> {
        Err(self.spec().no_uniform())
    }
    /// [`Env::set_state`] that refuses a state that is none; a refused call changes nothing.
    fn try_set_state(&mut self, state: &[i64]) -> Result<()> {
        self.set_state(state.to_vec());
        Ok(())
    }
    /// Refuses a state from which success is known to be out of reach.
    fn check_solvable(&self) -> Result<()> {
        Ok(())
    }
    /// [`Env::step`]; `action` is in `0..A`.
    fn try_step(&mut self, action: usize) -> Result<()> {
        self.step(action);
        Ok(())
    }
    /// [`Env::step`] where an action is more than one choice; `act` is one of [`EnvSpec::acts`].
    fn try_act(&mut self, act: Act<'_>) -> Result<()> {
        match act {
            Act::Discrete(action) => self.try_step(action),
            other => Err(Error::invalid("action", "one of 0..A (there is no try_act)", other)),
        }
    }
    /// Appends the words of the observation, see [`spaces`](crate::spaces): the active features,
    /// where [`EnvSpec::obs`] is sparse.
    ///
    /// Called once per decision; the next step is the answer to this very observation.
    fn try_observe(&self, words: &mut Vec<i32>) -> Result<()> {
        words.extend(self.observe().into_iter().map(|index| index as i32));
        Ok(())
    }
    /// Writes the masks to `masks [A]`.
    fn try_masks(&self, masks: &mut [bool]) -> Result<()> {
        copy_masks(&self.masks(), masks)
    }
    fn try_status(&self) -> Result<Status> {
        Ok(Status {
            reward: self.reward(),
            is_final: self.is_final(),
            success: self.success(),
            truncated: false,
        })
    }
    fn try_solution(&self) -> Result<Option<Vec<i64>>> {
        let to_i64 = |steps: Vec<usize>| steps.into_iter().map(|step| step as i64).collect();
        Ok(self.track_solution().then(|| to_i64(self.solution())))
    }
    /// Puts the environment into a solved state, drawn from `rng` if there are many, with all its
    /// steps left: where random walks begin, [`EnvSpec::has_goal`].
    fn try_reset_goal(&mut self, _rng: &mut Rng) -> Result<()> {
        Err(self.spec().no_goal())
    }
    /// Goes to a state in which `action` leads back to this one, or nearer to the goal, drawn from
    /// `rng`; [`EnvSpec::steps_away`].
    fn try_step_away(&mut self, _action: usize, _rng: &mut Rng) -> Result<()> {
        let expected = "an environment that can step away from the goal (try_step_away)";
        Err(Error::invalid("env", expected, format!("{} without it", self.spec().name)))
    }
    /// The state as a number: equal exactly if the futures are, steps left apart. `None` if it
    /// does not fit.
    fn state_key(&self) -> Option<u128> {
        None
    }
    /// A number that is equal exactly for the states of a class: those that symmetries map onto each
    /// other which take the goal to itself and every action to one. `None` if there is no such number;
    /// exact searches keep one state of each class where there is one.
    fn class_key(&self) -> Option<u128> {
        None
    }
    /// A number that is equal for the states of a class, and hardly ever for those of two classes:
    /// less than [`Env::class_key`] promises, and no proof.
    fn class_hash(&self) -> Option<u64> {
        None
    }
    /// Appends features of the class of the state, each in `0..num_traits`.
    fn traits(&self, _traits: &mut Vec<u32>) {}
    /// Appends the [`Env::traits`] of the state after each action that is legal by `masks [A]`, in their
    /// order; an environment overrides it where an action changes few of them.
    fn traits_after(&self, masks: &[bool], traits: &mut Vec<u32>) -> Result<()> {
        for (action, _) in masks.iter().enumerate().filter(|(_, &legal)| legal) {
            let mut after = self.try_clone()?;
            after.try_step(action)?;
            after.traits(traits);
        }
        Ok(())
    }
    /// How many [`Env::traits`] there are; 0 for none.
    fn num_traits(&self) -> usize {
        0
    }
    /// What its states are as matrices over GF(2), and the one it is in; `None` if they are none.
    #[cfg(feature = "learning")]
    fn matrices(&self) -> Option<(Matrices, Rows)> {
        None
    }
    /// Estimates of what is left to the goal from tables of at most `bytes`, which `poll` may end; `None` if
    /// there are none.
    fn estimates(
        &self,
        _bytes: u64,
        _poll: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Option<Arc<dyn Estimates>>> {
        Ok(None)
    }
    /// All that a copy has and an environment built from the same parameters has not, as numbers:
    /// the state, the steps that are left, the difficulty, random streams. `None` if they cannot
    /// be told: it cannot be sent to another process then.
    fn snapshot(&self) -> Option<Vec<i64>> {
        None
    }
    /// Puts back what [`Env::snapshot`] gave; a refused call changes nothing.
    fn restore(&mut self, _snapshot: &[i64]) -> Result<()> {
        Err(Error::invalid("env", "an environment with snapshots", "one without"))
    }
    /// A copy of this environment; fails where copying runs foreign code.
    fn try_clone(&self) -> Result<Box<dyn Env>> {
        Ok(self.clone_box())
    }
    /// A batched form that is faster than stepping copies one by one.
    fn vectorize(&self, _num_lanes: usize) -> Option<Result<Box<dyn VecEnv>>> {
        None
    }
    /// Whether a step of the batched form costs so much, beside what its lanes cost, that many should
    /// share it.
    fn is_called_dearly(&self) -> bool {
        false
    }
    /// [`Env::vectorize`] for lanes that make [`Move::StepFrom`](super::vec_env::Move::StepFrom).
    fn vectorize_nodes(&self, num_nodes: usize) -> Option<Result<Box<dyn VecEnv>>> {
        self.vectorize(num_nodes)
    }
}

impl dyn Env + '_ {
    /// A copy in `state`.
    ///
    /// # Errors
    /// If it is none or is known not to be solvable, or the environment cannot be copied.
    pub(crate) fn solvable_at(&self, state: &[i64]) -> Result<Box<dyn Env>> {
        let mut env = self.try_clone()?;
        env.try_set_state(state)?;
        env.check_solvable()?;
        Ok(env)
    }
}

impl EnvSpec {
    /// What the methods of `env` say; all else is as it is where nothing is known: no inverse actions, no
    /// starts but [`Env::reset`], episodes that may not end.
    pub fn of<E: Env + ?Sized>(env: &E) -> Self {
        let path = std::any::type_name::<E>();
        let path = path.split('<').next().unwrap_or(path);
        let spec = Self::new(
            path.rsplit("::").next().unwrap_or(path).to_owned(),
            ObsSpace::Sparse { shape: env.obs_shape() },
            ActSpace::Discrete { n: env.num_actions() },
        );
        Self { twists: env.twists(), ..spec }
    }
}

/// A batch of environments of one kind.
///
/// The engine calls [`VecEnv::advance`] once per step of all lanes, so an implementation that
/// enters another language pays for it once.
pub trait VecEnv: Send {
    fn num_lanes(&self) -> usize;
    /// Makes every move, then appends what it led to to `views`. `rngs[lane]` belongs to the lane,
    /// which moves at most once. No lane is ever seen or changed by another's move: a state is
    /// shared by two lanes only as a copy.
    ///
    /// `acts` holds the actions of [`Move::Act`](super::vec_env::Move::Act).
    fn advance(
        &mut self,
        moves: &[LaneMove],
        acts: &Acts,
        rngs: &mut [Rng],
        views: &mut Views,
    ) -> Result<()>;
    /// Puts a copy of `env` into `lane`; `env` must be of the batch's own kind.
    fn load(&mut self, lane: usize, env: &dyn Env) -> Result<()>;
    /// The tracked solution of `lane`, if the environment tracks one.
    fn solution(&self, lane: usize) -> Result<Option<Vec<i64>>>;
}

fn copy_masks(from: &[bool], to: &mut [bool]) -> Result<()> {
    if from.len() != to.len() {
        return Err(Error::invalid("masks", format!("{} entries", to.len()), from.len()));
    }
    to.copy_from_slice(from);
    Ok(())
}

/// What every `Env` that is `Clone` gets for free: the one place where its type is erased.
pub trait EnvObject {
    fn clone_box(&self) -> Box<dyn Env>;
    /// `num_lanes` copies stepped together; the loop over them is compiled for this environment.
    fn lanes(&self, num_lanes: usize) -> Result<Box<dyn VecEnv>>;
    /// `num_nodes` slots for the states of a search, each reached from another slot.
    fn nodes(&self, num_nodes: usize) -> Result<Box<dyn VecEnv>>;
}

impl Clone for Box<dyn Env> {
    fn clone(&self) -> Self {
        (**self).clone_box()
    }
}

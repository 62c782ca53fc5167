//! Environments made of tasks: rewards at every step, an end, and a limit on the steps.

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::parameters::{Kind, Parameter, Parameters};
use super::Listed;
use crate::error::{Error, Result};
use crate::rl::env::{Env, Status};
use crate::rl::spec::EnvSpec;
use crate::rng::Rng;
use crate::spaces::{Act, ActSpace, ObsSpace};

const MOST_STEPS: u32 = 1_000_000;
const MOST_RETURN: f64 = 1e9;

/// The rules of a task: how it begins, how actions change it, what they earn, when it is over.
///
/// `self` is what does not change, built once and shared by all copies; a state is a plain value,
/// so that copying it allocates nothing.
pub trait Task: Sized + Send + Sync + 'static {
    type State: Copy + Send + Sync + 'static;
    /// Name of the environment.
    const NAME: &'static str;
    /// Of the rules, [`EnvSpec::version`].
    const VERSION: u32 = 1;
    /// Besides those that every task has: `max_episode_steps`, `solved_at`.
    const PARAMETERS: &'static [Parameter] = &[];
    /// Steps after which an episode is cut off, by default.
    const MAX_STEPS: u32;
    /// The return from which on an episode counts as a success, by default.
    const SOLVED_AT: f64;

    fn new(parameters: &Parameters) -> Result<Self>;
    fn obs(&self) -> ObsSpace;
    /// The least and the most that each number of an observation can be `[F]`, where it is float32.
    fn obs_bounds(&self) -> Option<(Vec<f32>, Vec<f32>)> {
        None
    }
    fn acts(&self) -> ActSpace;
    /// Printed when actions are; no spaces. `[A]`
    fn action_names(&self) -> Vec<String>;

    fn start(&self, rng: &mut Rng) -> Self::State;
    /// Plays `act`, which is one of [`Task::acts`].
    fn play(&self, state: &mut Self::State, act: Act<'_>) -> Outcome;
    /// Writes which choices may be made.
    fn masks(&self, _state: &Self::State, masks: &mut [bool]) {
        masks.fill(true);
    }
    /// Appends the words of the observation.
    fn observe(&self, state: &Self::State, words: &mut Vec<i32>);

    /// The state as numbers, and back.
    fn numbers(&self, state: &Self::State) -> Vec<i64>;
    fn parse(&self, numbers: &[i64]) -> Result<Self::State>;
    fn render(&self, state: &Self::State) -> String;
}

/// What an action led to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    pub reward: f64,
    /// Whether the task is over, for better or worse.
    pub terminated: bool,
}

/// Episodes of the task `T`: from a start, until it is over or `max_episode_steps` are made, when it
/// is cut off. A success is an episode whose return is at least `solved_at`.
pub struct Episodic<T: Task> {
    fixed: Arc<Fixed<T>>,
    state: T::State,
    played: Played,
    rng: Rng,
}

/// What copies share.
struct Fixed<T> {
    task: T,
    parameters: Parameters,
    spec: EnvSpec,
    max_steps: u32,
    solved_at: f64,
}

/// What came of the episode so far.
#[derive(Clone, Copy, Default)]
struct Played {
    steps: u32,
    reward: f64,
    total: f64,
    terminated: bool,
}

impl<T: Task> Clone for Episodic<T> {
    fn clone(&self) -> Self {
        Self { fixed: self.fixed.clone(), rng: self.rng.clone(), ..*self }
    }

    #[inline]
    fn clone_from(&mut self, other: &Self) {
        // Counting references is shared between threads: not for a task that is there.
        if !Arc::ptr_eq(&self.fixed, &other.fixed) {
            self.fixed = other.fixed.clone();
        }
        self.rng.clone_from(&other.rng);
        (self.state, self.played) = (other.state, other.played);
    }
}

impl<T: Task> Listed for Episodic<T> {
    fn parameters() -> Vec<Parameter> {
        let limit = Parameter::integer(
            "max_episode_steps",
            1,
            MOST_STEPS,
            T::MAX_STEPS,
            "then it is cut off",
        );
        let solved = Kind::Number { min: -MOST_RETURN, max: MOST_RETURN, default: T::SOLVED_AT };
        let solved = Parameter::new("solved_at", solved, "the return that makes it a success");
        [T::PARAMETERS, &[limit, solved]].concat()
    }

    /// At a start.
    fn build(parameters: &Parameters) -> Result<Self> {
        let task = T::new(parameters)?;
        let spec = EnvSpec {
            action_names: task.action_names(),
            obs_bounds: task.obs_bounds(),
            tells_truncation: true,
            is_task: true,
            always_ends: true,
            version: T::VERSION,
            ..EnvSpec::new(T::NAME.to_owned(), task.obs(), task.acts())
        };
        let mut rng = Rng::new(0);
        let state = task.start(&mut rng);
        let max_steps = parameters.integer("max_episode_steps") as u32;
        let solved_at = parameters.number("solved_at");
        let parameters = parameters.clone();
        let fixed = Arc::new(Fixed { task, parameters, spec, max_steps, solved_at });
        Ok(Self { fixed, state, played: Played::default(), rng })
    }

    fn built_from(&self) -> Map<String, Value> {
        self.fixed.parameters.values().clone()
    }
}

impl<T: Task> Episodic<T> {
    fn place(&mut self, state: T::State) {
        (self.state, self.played) = (state, Played::default());
    }

    #[inline]
    fn play(&mut self, act: Act<'_>) {
        let Outcome { reward, terminated } = self.fixed.task.play(&mut self.state, act);
        let Played { steps, total, .. } = self.played;
        self.played =
            Played { steps: steps.saturating_add(1), reward, total: total + reward, terminated };
    }

    #[inline]
    fn status(&self) -> Status {
        let Played { steps, reward, total, terminated } = self.played;
        let truncated = !terminated && steps >= self.fixed.max_steps;
        let is_final = terminated || truncated;
        let success = is_final && total >= self.fixed.solved_at;
        Status { reward: reward as f32, is_final, success, truncated }
    }
}

impl<T: Task> Env for Episodic<T> {
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
    fn num_actions(&self) -> usize {
        self.fixed.spec.num_actions()
    }
    fn obs_shape(&self) -> Vec<usize> {
        self.fixed.spec.obs.shape().to_vec()
    }
    /// Ignores a state that is none; [`Env::try_set_state`] tells why.
    fn set_state(&mut self, state: Vec<i64>) {
        let _ = self.try_set_state(&state);
    }
    fn reset(&mut self) {
        let state = self.fixed.task.start(&mut self.rng);
        self.place(state);
    }
    /// Ignores an action that is none; [`Env::try_step`] refuses it.
    fn step(&mut self, action: usize) {
        let _ = self.try_step(action);
    }
    fn masks(&self) -> Vec<bool> {
        let mut masks = vec![true; self.num_actions()];
        self.fixed.task.masks(&self.state, &mut masks);
        masks
    }
    fn is_final(&self) -> bool {
        self.status().is_final
    }
    fn success(&self) -> bool {
        self.status().success
    }
    fn reward(&self) -> f32 {
        self.status().reward
    }
    fn observe(&self) -> Vec<usize> {
        let mut words = Vec::new();
        self.fixed.task.observe(&self.state, &mut words);
        words.into_iter().map(|word| word as usize).collect()
    }
    fn state(&self) -> Option<Vec<i64>> {
        Some(self.fixed.task.numbers(&self.state))
    }
    fn render(&self) -> Option<String> {
        Some(self.fixed.task.render(&self.state))
    }

    fn spec(&self) -> Cow<'_, EnvSpec> {
        Cow::Borrowed(&self.fixed.spec)
    }
    fn try_reset(&mut self, rng: &mut Rng) -> Result<()> {
        self.place(self.fixed.task.start(rng));
        Ok(())
    }
    fn try_set_state(&mut self, state: &[i64]) -> Result<()> {
        self.place(self.fixed.task.parse(state)?);
        Ok(())
    }
    #[inline]
    fn try_step(&mut self, action: usize) -> Result<()> {
        self.try_act(Act::Discrete(action))
    }
    #[inline]
    fn try_act(&mut self, act: Act<'_>) -> Result<()> {
        self.fixed.spec.acts.check_act("action", act)?;
        self.play(act);
        Ok(())
    }
    #[inline]
    fn try_observe(&self, words: &mut Vec<i32>) -> Result<()> {
        self.fixed.task.observe(&self.state, words);
        Ok(())
    }
    #[inline]
    fn try_masks(&self, masks: &mut [bool]) -> Result<()> {
        self.fixed.task.masks(&self.state, masks);
        Ok(())
    }
    #[inline]
    fn try_status(&self) -> Result<Status> {
        Ok(self.status())
    }
    fn snapshot(&self) -> Option<Vec<i64>> {
        let Played { steps, reward, total, terminated } = self.played;
        let played = [steps.into(), as_integer(reward), as_integer(total), terminated.into()];
        let rng = self.rng.words().map(|word| word as i64);
        Some([&played[..], &rng, &self.fixed.task.numbers(&self.state)].concat())
    }
    fn restore(&mut self, snapshot: &[i64]) -> Result<()> {
        let &[steps, reward, total, terminated, a, b, c, d, ref state @ ..] = snapshot else {
            let got = format!("{} entries", snapshot.len());
            return Err(Error::invalid("snapshot", "at least 8 entries", got));
        };
        let steps = u32::try_from(steps)
            .map_err(|_| Error::invalid("snapshot: steps", "an integer in 0..2^32", steps))?;
        self.state = self.fixed.task.parse(state)?;
        let (reward, total) = (as_number(reward), as_number(total));
        self.played = Played { steps, reward, total, terminated: terminated != 0 };
        self.rng = Rng::from_words([a, b, c, d].map(|word| word as u64));
        Ok(())
    }
}

/// `number` by its bits, as states are told.
pub(super) fn as_integer(number: f64) -> i64 {
    number.to_bits() as i64
}

/// What [`as_integer`] was given.
pub(super) fn as_number(bits: i64) -> f64 {
    f64::from_bits(bits as u64)
}

/// The state of `N` finite numbers that [`as_integer`] was given.
///
/// # Errors
/// If there are not so many, or others.
pub(super) fn finite<const N: usize>(state: &[i64]) -> Result<[f64; N]> {
    let expected = || format!("the bits of {N} finite numbers");
    let refused = |got: String| Error::invalid("state", expected(), got);
    let bits: [i64; N] =
        state.try_into().map_err(|_| refused(format!("{} entries", state.len())))?;
    let numbers = bits.map(as_number);
    match numbers.iter().find(|number| !number.is_finite()) {
        None => Ok(numbers),
        Some(number) => Err(refused(number.to_string())),
    }
}

/// Drawn uniformly from `low` to `high`, with 53 random bits.
pub(super) fn uniform(low: f64, high: f64, rng: &mut Rng) -> f64 {
    let unit = (rng.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64);
    low + (high - low) * unit
}

/// The dense float32 observations of shape `[n]`.
pub(super) fn floats(n: usize) -> ObsSpace {
    ObsSpace::Dense { shape: vec![n], dtype: crate::spaces::Dtype::Float32 }
}

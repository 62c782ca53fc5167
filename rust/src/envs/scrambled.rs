//! Environments made of rules: what an episode is, written once.

use std::any::Any;
use std::borrow::Cow;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::parameters::{Parameter, Parameters};
use super::snapshot::Episode;
use super::Listed;
use crate::error::{Error, Result};
use crate::rl::env::{check_difficulty, Env, Status, Twists, DIFFICULTIES};
use crate::rl::spec::EnvSpec;
use crate::rl::transvections::{Matrices, Rows};
use crate::rng::Rng;
use crate::spaces::{ActSpace, ObsSpace};

const OUT_OF_STEPS: f32 = -0.5;
const MOST_STEPS: u32 = 1_000_000;

/// The rules of a problem: its states, how actions change them, and which are goals.
///
/// `self` is what does not change, built once and shared by all copies; a state is a plain value,
/// so that copying it allocates nothing. Methods that a problem does not have keep their defaults,
/// which mean what they mean in [`Env`].
pub trait Rules: Sized + Send + Sync + 'static {
    type State: Copy + PartialEq + Send + Sync + 'static;
    /// Name of the environment.
    const NAME: &'static str;
    /// Of the rules, [`EnvSpec::version`].
    const VERSION: u32 = 1;
    /// [`EnvSpec::is_linear`].
    const IS_LINEAR: bool = false;
    /// Besides those that every environment has: `difficulty`, `depth_slope`, `max_depth`.
    const PARAMETERS: &'static [Parameter];

    fn new(parameters: &Parameters) -> Result<Self>;
    /// Printed when solutions are; no spaces. `[A]`
    fn action_names(&self) -> Vec<String>;
    fn num_actions(&self) -> usize;
    fn obs_shape(&self) -> Vec<usize>;

    /// A solved state, drawn if there are many.
    fn goal(&self, rng: &mut Rng) -> Self::State;
    fn is_goal(&self, state: &Self::State) -> bool;
    /// Plays `action`, in `0..A`; an impossible one changes nothing.
    fn apply(&self, state: &mut Self::State, action: usize);
    /// Goes to a state in which `action` leads back, or to one that is nearer to the goal.
    fn apply_away(&self, state: &mut Self::State, action: usize, _rng: &mut Rng) {
        self.apply(state, action);
    }
    fn masks(&self, _state: &Self::State, masks: &mut [bool]) {
        masks.fill(true);
    }
    /// Appends the active features.
    fn observe(&self, state: &Self::State, indices: &mut Vec<i32>);
    /// Drawn uniformly from all states that can be solved.
    fn uniform(&self, rng: &mut Rng) -> Self::State;

    /// The state as numbers, and back.
    fn numbers(&self, state: &Self::State) -> Vec<i64>;
    fn parse(&self, numbers: &[i64]) -> Result<Self::State>;
    fn check_solvable(&self, _state: &Self::State) -> Result<()> {
        Ok(())
    }
    fn render(&self, state: &Self::State) -> String;

    fn inverse_actions(&self) -> Option<Vec<usize>>;
    fn key(&self, state: &Self::State) -> Option<u128>;
    fn class_key(&self, _state: &Self::State) -> Option<u128> {
        None
    }
    fn class_hash(&self, _state: &Self::State) -> Option<u64> {
        None
    }
    fn traits(&self, _state: &Self::State, _traits: &mut Vec<u32>) {}
    fn traits_after(&self, state: &Self::State, masks: &[bool], traits: &mut Vec<u32>) {
        for (action, _) in masks.iter().enumerate().filter(|(_, &legal)| legal) {
            let mut after = *state;
            self.apply(&mut after, action);
            self.traits(&after, traits);
        }
    }
    fn num_traits(&self) -> usize {
        0
    }
    fn matrices(&self, _state: &Self::State) -> Option<(Matrices, Rows)> {
        None
    }
    fn twists(&self) -> Twists {
        (Vec::new(), Vec::new())
    }
}

/// Episodes of the problem `R`: from a goal, `difficulty` random actions, then
/// `depth_slope * difficulty` steps; `max_depth` steps after `set_state` and after a uniform start.
///
/// Reward: 1 solved, -0.5 out of steps, else `-0.5 / max_depth`.
pub struct Scrambled<R: Rules> {
    fixed: Arc<Fixed<R>>,
    state: R::State,
    depth: u32,
    difficulty: usize,
    depth_slope: usize,
    max_depth: u32,
    rng: Rng,
}

/// What copies share.
struct Fixed<R> {
    rules: R,
    parameters: Parameters,
    spec: EnvSpec,
}

impl<R: Rules> Clone for Scrambled<R> {
    fn clone(&self) -> Self {
        Self { fixed: self.fixed.clone(), rng: self.rng.clone(), ..*self }
    }

    /// Without allocating: searches copy a state for every node.
    #[inline]
    fn clone_from(&mut self, other: &Self) {
        // Counting references is shared between threads: not for rules that are there.
        if !Arc::ptr_eq(&self.fixed, &other.fixed) {
            self.fixed = other.fixed.clone();
        }
        self.rng.clone_from(&other.rng);
        self.state = other.state;
        self.depth = other.depth;
        self.difficulty = other.difficulty;
        self.depth_slope = other.depth_slope;
        self.max_depth = other.max_depth;
    }
}

impl<R: Rules> Listed for Scrambled<R> {
    fn parameters() -> Vec<Parameter> {
        [R::PARAMETERS, &EPISODE].concat()
    }

    /// In a goal.
    fn build(parameters: &Parameters) -> Result<Self> {
        let rules = R::new(parameters)?;
        let max_depth = parameters.integer("max_depth") as u32;
        Ok(Self {
            state: rules.goal(&mut Rng::new(0)),
            fixed: Arc::new(Fixed { spec: spec_of(&rules), parameters: parameters.clone(), rules }),
            depth: max_depth,
            difficulty: parameters.integer("difficulty"),
            depth_slope: parameters.integer("depth_slope"),
            max_depth,
            rng: Rng::new(0),
        })
    }

    fn built_from(&self) -> Map<String, Value> {
        self.fixed.parameters.at_difficulty(self.difficulty)
    }
}

/// The parameters that every environment has.
pub(super) const EPISODE: [Parameter; 3] = [
    Parameter::integer(
        "difficulty",
        *DIFFICULTIES.start(),
        *DIFFICULTIES.end(),
        1,
        "random actions that scramble a solved state",
    ),
    Parameter::integer(
        "depth_slope",
        1,
        MOST_STEPS,
        2,
        "steps of an episode for each unit of difficulty",
    ),
    Parameter::integer("max_depth", 1, MOST_STEPS, 256, "steps left after set_state"),
];

/// Its steps are counted.
fn spec_of<R: Rules>(rules: &R) -> EnvSpec {
    let obs = ObsSpace::Sparse { shape: rules.obs_shape() };
    let acts = ActSpace::Discrete { n: rules.num_actions() };
    let inverse_actions = rules.inverse_actions();
    EnvSpec {
        action_names: rules.action_names(),
        twists: rules.twists(),
        is_linear: R::IS_LINEAR,
        steps_away: inverse_actions.is_none(),
        inverse_actions,
        has_goal: true,
        has_uniform: true,
        tells_truncation: true,
        always_ends: true,
        version: R::VERSION,
        ..EnvSpec::new(R::NAME.to_owned(), obs, acts)
    }
}

impl<R: Rules> Scrambled<R> {
    pub fn rules(&self) -> &R {
        &self.fixed.rules
    }

    fn scramble(&mut self, rng: &mut Rng) -> Result<()> {
        check_difficulty(self.difficulty)?;
        self.state = self.fixed.rules.goal(rng);
        let num_actions = self.fixed.rules.num_actions() as u32;
        for _ in 0..self.difficulty {
            let action = rng.below(num_actions) as usize;
            self.fixed.rules.apply_away(&mut self.state, action, rng);
        }
        let depth = self.depth_slope.saturating_mul(self.difficulty);
        self.depth = u32::try_from(depth).unwrap_or(u32::MAX);
        Ok(())
    }

    #[inline]
    fn check_action(&self, action: usize) -> Result<()> {
        let num_actions = self.fixed.rules.num_actions();
        if action < num_actions {
            return Ok(());
        }
        Err(Error::invalid("action", format!("an integer in 0..{num_actions}"), action))
    }

    fn place(&mut self, state: R::State) {
        self.state = state;
        self.depth = self.max_depth;
    }

    #[inline]
    fn status(&self) -> Status {
        let success = self.fixed.rules.is_goal(&self.state);
        let out_of_steps = self.depth == 0;
        let reward = match (success, out_of_steps) {
            (true, _) => 1.0,
            (false, true) => OUT_OF_STEPS,
            (false, false) => OUT_OF_STEPS / self.max_depth as f32,
        };
        let is_final = success || out_of_steps;
        Status { reward, is_final, success, truncated: out_of_steps && !success }
    }
}

impl<R: Rules> Env for Scrambled<R> {
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
    fn num_actions(&self) -> usize {
        self.fixed.rules.num_actions()
    }
    fn obs_shape(&self) -> Vec<usize> {
        self.fixed.rules.obs_shape()
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
        let _ = self.scramble(&mut rng);
        self.rng = rng;
    }
    /// Ignores an action that is none; [`Env::try_step`] refuses it.
    fn step(&mut self, action: usize) {
        let _ = self.try_step(action);
    }
    fn masks(&self) -> Vec<bool> {
        let mut masks = vec![false; self.num_actions()];
        self.fixed.rules.masks(&self.state, &mut masks);
        masks
    }
    fn is_final(&self) -> bool {
        self.status().is_final
    }
    fn success(&self) -> bool {
        self.fixed.rules.is_goal(&self.state)
    }
    fn reward(&self) -> f32 {
        self.status().reward
    }
    fn observe(&self) -> Vec<usize> {
        let mut indices = Vec::new();
        self.fixed.rules.observe(&self.state, &mut indices);
        indices.into_iter().map(|index| index as usize).collect()
    }
    fn twists(&self) -> Twists {
        self.fixed.rules.twists()
    }
    fn state(&self) -> Option<Vec<i64>> {
        Some(self.fixed.rules.numbers(&self.state))
    }
    fn render(&self) -> Option<String> {
        Some(self.fixed.rules.render(&self.state))
    }

    fn spec(&self) -> Cow<'_, EnvSpec> {
        Cow::Borrowed(&self.fixed.spec)
    }
    fn try_reset(&mut self, rng: &mut Rng) -> Result<()> {
        self.scramble(rng)
    }
    fn try_reset_uniform(&mut self, rng: &mut Rng) -> Result<()> {
        self.place(self.fixed.rules.uniform(rng));
        Ok(())
    }
    fn try_reset_goal(&mut self, rng: &mut Rng) -> Result<()> {
        self.place(self.fixed.rules.goal(rng));
        Ok(())
    }
    fn try_set_state(&mut self, state: &[i64]) -> Result<()> {
        self.place(self.fixed.rules.parse(state)?);
        Ok(())
    }
    fn check_solvable(&self) -> Result<()> {
        self.fixed.rules.check_solvable(&self.state)
    }
    #[inline]
    fn try_step(&mut self, action: usize) -> Result<()> {
        self.check_action(action)?;
        self.fixed.rules.apply(&mut self.state, action);
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }
    fn try_step_away(&mut self, action: usize, rng: &mut Rng) -> Result<()> {
        self.check_action(action)?;
        self.fixed.rules.apply_away(&mut self.state, action, rng);
        self.depth = self.depth.saturating_sub(1);
        Ok(())
    }
    #[inline]
    fn try_observe(&self, indices: &mut Vec<i32>) -> Result<()> {
        self.fixed.rules.observe(&self.state, indices);
        Ok(())
    }
    #[inline]
    fn try_masks(&self, masks: &mut [bool]) -> Result<()> {
        self.fixed.rules.masks(&self.state, masks);
        Ok(())
    }
    #[inline]
    fn try_status(&self) -> Result<Status> {
        Ok(self.status())
    }
    fn snapshot(&self) -> Option<Vec<i64>> {
        let (depth, difficulty, rng) = (self.depth, self.difficulty, self.rng.clone());
        Some(Episode { depth, difficulty, rng }.with(self.fixed.rules.numbers(&self.state)))
    }
    fn restore(&mut self, snapshot: &[i64]) -> Result<()> {
        let (episode, state) = Episode::split(snapshot)?;
        self.state = self.fixed.rules.parse(state)?;
        Episode { depth: self.depth, difficulty: self.difficulty, rng: self.rng } = episode;
        Ok(())
    }
    fn state_key(&self) -> Option<u128> {
        self.fixed.rules.key(&self.state)
    }
    #[cfg(feature = "learning")]
    fn class_key(&self) -> Option<u128> {
        self.fixed.rules.class_key(&self.state)
    }
    #[cfg(feature = "learning")]
    fn class_hash(&self) -> Option<u64> {
        self.fixed.rules.class_hash(&self.state)
    }
    #[cfg(feature = "learning")]
    fn traits(&self, traits: &mut Vec<u32>) {
        self.fixed.rules.traits(&self.state, traits);
    }
    #[cfg(feature = "learning")]
    fn traits_after(&self, masks: &[bool], traits: &mut Vec<u32>) -> Result<()> {
        self.fixed.rules.traits_after(&self.state, masks, traits);
        Ok(())
    }
    #[cfg(feature = "learning")]
    fn num_traits(&self) -> usize {
        self.fixed.rules.num_traits()
    }
    #[cfg(feature = "learning")]
    fn matrices(&self) -> Option<(Matrices, Rows)> {
        self.fixed.rules.matrices(&self.state)
    }
}

/// The numbers of a state of `len` entries, each in `0..bound`.
///
/// # Errors
/// If one of them is not; the message says what was expected of all.
pub(super) fn entries(state: &[i64], len: usize, bound: usize) -> Result<&[i64]> {
    let expected = || format!("{len} integers in 0..{bound}");
    if state.len() != len {
        return Err(Error::invalid("state", expected(), format!("{} entries", state.len())));
    }
    let outside = |entry: &&i64| !usize::try_from(**entry).is_ok_and(|entry| entry < bound);
    match state.iter().find(outside) {
        None => Ok(state),
        Some(entry) => Err(Error::invalid("state", expected(), entry)),
    }
}

/// [`entries`] that are each of `0..len` once.
pub(super) fn each_once(state: &[i64], len: usize) -> Result<&[i64]> {
    let state = entries(state, len, len)?;
    let twice = |(index, entry): &(usize, &i64)| state[..*index].contains(entry);
    match state.iter().enumerate().find(twice) {
        None => Ok(state),
        Some((_, entry)) => {
            Err(Error::invalid("state", format!("each of 0..{len} once"), format!("{entry} twice")))
        }
    }
}

/// Fisher-Yates from the last place down.
pub(super) fn shuffle(items: &mut [u8], rng: &mut Rng) {
    for i in (1..items.len()).rev() {
        items.swap(i, rng.below(i as u32 + 1) as usize);
    }
}

/// Whether an odd number of swaps sorts the permutation `at` of `0..len`, which is at most 256.
pub(super) fn is_odd(len: usize, at: impl Fn(usize) -> usize) -> bool {
    let mut seen = [false; 256];
    let mut num_cycles = 0;
    for first in 0..len {
        num_cycles += usize::from(!seen[first]);
        let mut place = first;
        while !seen[place] {
            seen[place] = true;
            place = at(place);
        }
    }
    (len - num_cycles) % 2 == 1
}

/// `items` of `bits` bits each as one number, the first in the highest bits; `None` if they are too
/// many.
#[inline]
pub(super) fn packed<T: Copy + Into<u128>>(items: &[T], bits: u32) -> Option<u128> {
    let pack = |key: u128, &item: &T| key << bits | item.into();
    (items.len() as u32 * bits <= u128::BITS).then(|| items.iter().fold(0, pack))
}

/// [`packed`] `items`, each below their number.
#[inline]
pub(super) fn packed_order(items: &[u8]) -> Option<u128> {
    packed(items, (items.len().max(2) - 1).ilog2() + 1)
}

//! What does not change while an environment is played.

use crate::error::{Error, Result};
use crate::spaces::{ActSpace, ObsSpace};

/// Pairs of permutations `(obs_perms [P, F], act_perms [P, A])` that leave the problem as it is:
/// `obs'[k] = obs_perm[obs[k]]` and `logits'[a] = logits[act_perm[a]]`.
pub type Twists = (Vec<Vec<usize>>, Vec<Vec<usize>>);

/// The constants of an environment; equal for all its copies.
///
/// One that has more to tell than the methods of [`Env`](super::env::Env) say changes what [`EnvSpec::of`] gives:
///
/// ```
/// # use twisterl::{envs::puzzle::Puzzle, rl::{env::Env, spec::EnvSpec}};
/// # let env = Puzzle::new(3, 3, 1, 2, 256).unwrap();
/// let spec = EnvSpec { always_ends: true, version: 2, ..EnvSpec::of(&env) };
/// assert_eq!((spec.name.as_str(), spec.num_actions()), ("Puzzle", 4));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct EnvSpec {
    /// What messages call it.
    pub name: String,
    pub obs: ObsSpace,
    /// The least and the most that each number of a dense observation can be `[F]`, infinities included,
    /// where it is known.
    pub obs_bounds: Option<(Vec<f32>, Vec<f32>)>,
    pub acts: ActSpace,
    /// What the choices are called where solutions are printed `[A]`; no spaces.
    pub action_names: Vec<String>,
    pub twists: Twists,
    /// The action that undoes each action `[A]`, if every action that changes the state can be
    /// undone by one action whatever the state.
    pub inverse_actions: Option<Vec<usize>>,
    /// Whether every action flips features of the sparse observation, the same ones in every state, and is
    /// always legal, and what is seen tells states apart: actions undo themselves and their order does not
    /// matter.
    pub is_linear: bool,
    /// Whether [`Env::try_step_away`](super::env::Env::try_step_away) is there, for walks from the goal
    /// where no action undoes another.
    pub steps_away: bool,
    /// Whether [`Env::try_reset_goal`](super::env::Env::try_reset_goal) is there.
    pub has_goal: bool,
    /// Whether [`Env::try_reset_uniform`](super::env::Env::try_reset_uniform) is there.
    pub has_uniform: bool,
    /// Whether [`Status::truncated`](super::env::Status::truncated) is told. Where it is not, the
    /// steps may be used up in any final state that is no success.
    pub tells_truncation: bool,
    /// Whether the sum of the rewards is what counts, and the limit on the steps no part of the problem: what
    /// is cut off has a future.
    pub is_task: bool,
    /// Whether every episode is known to end, however it is played. Those of other environments are
    /// given up, with an error, after so many steps as the caller allows.
    pub always_ends: bool,
    /// Rises with every change of what the environment does; 0 where nobody counts.
    pub version: u32,
}

impl EnvSpec {
    /// Of these spaces and nothing else.
    pub fn new(name: String, obs: ObsSpace, acts: ActSpace) -> Self {
        Self {
            name,
            obs,
            obs_bounds: None,
            action_names: (0..acts.num_choices()).map(|choice| choice.to_string()).collect(),
            acts,
            twists: Twists::default(),
            inverse_actions: None,
            is_linear: false,
            steps_away: false,
            has_goal: false,
            has_uniform: false,
            tells_truncation: false,
            is_task: false,
            always_ends: false,
            version: 0,
        }
    }

    /// The choices `A` that masks may forbid, [`ActSpace::num_choices`].
    pub fn num_actions(&self) -> usize {
        self.acts.num_choices()
    }

    /// Whether steps are without chance, and states that look equal after as many steps are: what
    /// [`EnvSpec::inverse_actions`] and [`EnvSpec::steps_away`] are for says it.
    pub fn is_deterministic(&self) -> bool {
        self.inverse_actions.is_some() || self.steps_away
    }

    /// # Errors
    /// If the environment cannot be put into a state drawn uniformly.
    pub fn require_uniform(&self) -> Result<()> {
        self.has_uniform.then_some(()).ok_or_else(|| self.no_uniform())
    }

    /// # Errors
    /// If the environment cannot be put into its goal.
    pub fn require_goal(&self) -> Result<()> {
        self.has_goal.then_some(()).ok_or_else(|| self.no_goal())
    }

    pub(crate) fn no_uniform(&self) -> Error {
        let expected = format!("\"reset\" ({} has no reset_uniform)", self.name);
        Error::invalid("start", expected, "\"uniform\"")
    }

    pub(crate) fn no_goal(&self) -> Error {
        let expected = "an environment that can be put into its goal (reset_goal)";
        Error::invalid("env", expected, format!("{} without it", self.name))
    }

    /// [`EnvSpec::inverse_actions`], which `who` needs.
    ///
    /// # Errors
    /// If there are none, or they are no actions.
    pub fn require_inverses(&self) -> Result<&[usize]> {
        let num_actions = self.acts.require_discrete("moves that one action each undoes")?;
        let expected = "an environment whose moves one action each undoes (inverse_actions)";
        let inverses = self.inverse_actions.as_deref();
        let inverses = inverses.ok_or_else(|| Error::invalid("env", expected, "one without"))?;
        if inverses.len() != num_actions || inverses.iter().any(|&action| action >= num_actions) {
            let expected = format!("{num_actions} actions in 0..{num_actions}");
            return Err(Error::invalid("inverse_actions", expected, format!("{inverses:?}")));
        }
        Ok(inverses)
    }
}

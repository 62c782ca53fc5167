//! A trained network that plays: from a run folder or a checkpoint to actions.

use std::path::Path;

use super::config::RunConfig;
use super::faults::Failure;
use super::folder::{RunFolder, BASE_CONFIG};
use super::going::Training;
use crate::engine::lockstep::require_no_memory;
use crate::engine::pool::Poll;
use crate::nn::{argmax, outputs, Network, Scratch};
use crate::rl::env::Env;
use crate::solve::{solve, EvalConfig};
use crate::Error;

/// An environment, and a policy that plays it.
///
/// See the [crate's documentation](crate) for an example.
pub struct Player {
    env: Box<dyn Env>,
    policy: Network,
}

impl Training {
    /// What plays by the weights as they are.
    ///
    /// # Errors
    /// If a weight is not finite.
    pub fn player(&self) -> crate::Result<Player> {
        Ok(Player { env: self.env.try_clone()?, policy: self.net.network(&self.learner)? })
    }
}

impl Player {
    /// What the run in the folder at `path` has learned: its best weights, in whatever language it
    /// was trained.
    ///
    /// # Errors
    /// If there is no such run, or it is one that only Python can play.
    pub fn of_run(path: &Path) -> Result<Self, Failure> {
        let folder = RunFolder::new(path)?;
        let config = RunConfig::read(&folder.path.join(BASE_CONFIG), &[])?;
        Self::of_checkpoint(config, &folder.weights_path()?)
    }

    /// The policy of `config` with the weights in the safetensors file at `path`.
    ///
    /// # Errors
    /// If they do not fit.
    pub fn of_checkpoint(config: RunConfig, path: &Path) -> Result<Self, Failure> {
        let mut training = Training::new(config)?;
        training.load_weights(path)?;
        Ok(training.player()?)
    }

    /// A copy of the environment, to be played on.
    pub fn env(&self) -> Box<dyn Env> {
        self.env.clone()
    }

    pub fn policy(&self) -> &Network {
        &self.policy
    }

    /// The likeliest legal action in the state that `env` is in.
    ///
    /// # Errors
    /// If no action is legal, `env` is of another kind, its actions are no choice of one of many, or
    /// the policy remembers.
    pub fn act(&self, env: &dyn Env) -> Result<usize, Error> {
        env.spec().acts.require_discrete("Player::act")?;
        require_no_memory(&self.policy, "Player::act")?;
        let mut words = Vec::new();
        env.try_observe(&mut words)?;
        let (logits, _) = outputs(&self.policy, &words, -1, &mut Scratch::default())?;
        let mut legal = vec![false; logits.len()];
        env.try_masks(&mut legal)?;
        if !legal.contains(&true) {
            return Err(Error::Policy("expected a legal action, got none".to_owned()));
        }
        let masked = logits.iter().zip(legal);
        let masked = masked.map(|(logit, legal)| if legal { *logit } else { f32::NEG_INFINITY });
        Ok(argmax(&masked.collect::<Vec<_>>()))
    }

    /// The actions that lead from `state` to a solved one, `None` if `how` finds none.
    ///
    /// # Errors
    /// If `state` is no state of the environment, or as [`solve`].
    pub fn solve(
        &self,
        state: &[i64],
        how: &EvalConfig,
        seed: u64,
        poll: Poll<'_>,
    ) -> Result<Option<Vec<i64>>, Error> {
        let mut env = self.env.try_clone()?;
        env.try_set_state(state)?;
        let episode = solve(&*env, &self.policy, how, seed, poll)?;
        Ok(episode.success.then_some(episode.actions))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_remembers_does_not_act_on_a_state_alone() {
        let text = r#"{
            "env_cls": "TMaze", "policy_cls": "RecurrentActorCritic", "algorithm_cls": "PPO",
            "policy": {"input_size": 4, "hidden_size": 3}, "algorithm": {"evals": {}}
        }"#;
        let config = RunConfig::parse(text).expect("a config");
        let player = Training::new(config).expect("a run").player().expect("a player");
        let told = player.act(&*player.env()).unwrap_err().to_string();
        let expected = "expected one without memory, for Player::act, got one that remembers 6";
        assert!(told.contains(expected), "{told}");
    }
}

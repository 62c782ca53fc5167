//! One search, to be looked at.

use std::sync::RwLock;

use super::config::{Budget, SelfPlay, TreeConfig};
use super::play::{play, Forester, SearchRules};
use super::transpositions::check_transpositions;
use super::tree::ExploredState;
use crate::engine::cache::Cache;
use crate::engine::lockstep::{check_search, Episodes, Visit};
use crate::engine::pool::Poll;
use crate::engine::rules::Choice;
use crate::error::Result;
use crate::nn::Policy;
use crate::rl::env::{Env, Status};
use crate::rl::vec_env::{Move, VecEnv};
use crate::rng::Rng;

/// What a search of one state found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exploration {
    /// The states of the tree, the root first, each after its parent.
    pub tree: Vec<ExploredState>,
    /// What the search says of every action, `[A]`: shares of visits, or the improved policy of a
    /// Gumbel root; all 0 where the state is final.
    pub policy: Vec<f32>,
    pub action: usize,
}

/// Searches the state that `env` is in once, drawing from `rng`.
///
/// ```
/// use twisterl::{envs::puzzle::Puzzle, rl::env::Env, rng::Rng};
/// use twisterl::{search::{explore, TreeConfig}, testing::{random_policy, Widths}};
/// let mut env = Puzzle::new(3, 3, 1, 2, 64).unwrap();
/// env.set_state(vec![1, 4, 2, 3, 0, 5, 6, 7, 8]);
/// let policy = random_policy(&env, Widths { embedding: 16, common: 16 }, 0).unwrap();
/// let config = TreeConfig { num_simulations: 100, ..TreeConfig::default() };
/// let found = explore(&env, &policy, &config, Rng::new(0), &mut || Ok(())).unwrap();
/// assert_eq!(found.tree[0].visits, 101);
/// ```
///
/// # Errors
/// If the configuration is out of range, the policy does not fit the environment, no action is
/// legal in a state that is not final, the environment fails, or `poll` does.
pub fn explore(
    env: &dyn Env,
    policy: &dyn Policy,
    config: &TreeConfig,
    rng: Rng,
    poll: Poll<'_>,
) -> Result<Exploration> {
    config.check()?;
    check_search(env, policy, "a tree search")?;
    check_transpositions(config, env, policy)?;
    let rules = SearchRules {
        tree: *config,
        self_play: SelfPlay::default(),
        choice: Choice::Sample,
        follow_plans: false,
        cache: true,
        budget: Budget::default(),
    };
    let cache = RwLock::new(Cache::new(policy.num_actions() + 1));
    let mut forester = Forester::new(policy, rules, &cache, 1);
    let mut once = Once { env, rng: Some(rng), found: Exploration::default(), decided: false };
    let mut slots = forester.slots(env, None)?;
    play(&mut forester, &mut slots, &mut once, poll)?;
    Ok(Exploration { tree: forester.tree(0), ..once.found })
}

/// An episode that ends after its first decision.
struct Once<'a> {
    env: &'a dyn Env,
    rng: Option<Rng>,
    found: Exploration,
    decided: bool,
}

impl Episodes for Once<'_> {
    fn start(
        &mut self,
        lane: usize,
        envs: &mut dyn VecEnv,
        rng: &mut Rng,
        _: Poll<'_>,
    ) -> Result<Option<Move>> {
        let Some(stream) = self.rng.take() else {
            return Ok(None);
        };
        *rng = stream;
        envs.load(lane, self.env)?;
        Ok(Some(Move::Observe))
    }

    fn visit(&mut self, _: usize, visit: &Visit<'_>) -> Result<()> {
        self.decided = true;
        self.found.policy = visit.logits.to_vec();
        self.found.action = visit.act.discrete().unwrap_or_default();
        Ok(())
    }

    fn stops(&mut self, _: usize, _: u64) -> bool {
        self.decided
    }

    fn finish(&mut self, _: usize, _: &dyn VecEnv, _: Status) -> Result<()> {
        Ok(())
    }
}

//! Does everything that plays do what it says? Plays an environment by all of it and compares.
//!
//! ```
//! use twisterl::envs::puzzle::Puzzle;
//! use twisterl::testing::players::{check_players, Beginning};
//! let env = Puzzle::new(2, 2, 4, 2, 8).unwrap();
//! check_players(&env, &[vec![1, 0, 2, 3]], Beginning::Drawn).unwrap();
//! ```

use std::ops::Range;

use super::watched::Watched;
use super::{random_policy, Widths};
use crate::collector::az::{self, AzConfig};
use crate::collector::ppo::{self, PpoConfig};
use crate::collector::walk::{self, WalkConfig};
use crate::collector::Table;
use crate::error::{Error, Result};
use crate::nn::Policy;
use crate::rl::env::{Env, Status};
use crate::rng::Rng;
use crate::search::{explore, Budget, RootSelection, TreeConfig};
use crate::solve::{evaluate, solve, BeamConfig, Episode, EvalConfig, Starts, Strategy};

const EPISODES: usize = 20;
const SEED: u64 = 11;
const ITERATION: u64 = 3;

/// How a collected episode is begun again.
#[derive(Clone, Copy)]
pub enum Beginning<'a> {
    /// [`Env::try_reset`] draws from the stream that it is given alone.
    Drawn,
    /// In the state that the first observation shows, with as many steps left.
    Shown(&'a dyn Fn(&[i32]) -> Vec<i64>),
}

/// Plays `env` by every collector and search, on one thread and on two.
///
/// None may step an episode past its end, or without exactly one observation before each step; and
/// the actions that they tell, played again on a copy from the same beginning, must give the
/// observations, masks, rewards and ends that they tell. What `env`
/// draws in its steps and observations has to come from a generator that its copies carry. The
/// `states` are what evaluations start from.
///
/// # Errors
/// What was played otherwise, and by whom; what `env` fails with.
pub fn check_players(env: &dyn Env, states: &[Vec<i64>], beginning: Beginning<'_>) -> Result<()> {
    let policy = random_policy(env, Widths { embedding: 16, common: 16 }, 5)?;
    let watched = Watched::new(env)?;
    for num_cores in [1, 2] {
        for player in collectors() {
            let named = |error: Error| error.at(format!("{player:?} on {num_cores} threads"));
            player.collect(&watched, &policy, num_cores).map_err(named)?;
            let table = player.collect(env, &policy, num_cores).map_err(named)?;
            check_table(env, &table, beginning).map_err(named)?;
        }
        for player in judges() {
            let named = |error: Error| error.at(format!("{player:?} on {num_cores} threads"));
            let config = EvalConfig { num_cores, ..player };
            let play = |env: &dyn Env| {
                evaluate(env, &policy, Starts::States(states.into()), &config, SEED, &mut || Ok(()))
            };
            play(&watched).map_err(named)?;
            for (state, episode) in states.iter().zip(play(env).map_err(named)?) {
                let mut start = env.try_clone()?;
                start.try_set_state(state)?;
                let alone = solve(&*start, &policy, &config, SEED, &mut || Ok(()));
                check_episode(&*start, &alone.map_err(named)?).map_err(named)?;
                check_episode(&*start, &episode).map_err(named)?;
            }
        }
        check_walks(env, &watched, num_cores).map_err(|error| error.at("walks"))?;
    }
    for state in states {
        check_explore(env, &policy, state).map_err(|error| error.at("explore"))?;
    }
    Ok(())
}

/// Who collects.
#[derive(Clone, Debug)]
enum Collects {
    Ppo(PpoConfig),
    Az(AzConfig),
}

fn collectors() -> Vec<Collects> {
    let num_episodes = EPISODES;
    let mut all: Vec<Collects> = [true, false]
        .map(|cache| Collects::Ppo(PpoConfig { num_episodes, cache, ..PpoConfig::default() }))
        .into();
    for tree in trees() {
        all.push(Collects::Az(AzConfig { num_episodes, tree, ..AzConfig::default() }));
    }
    all
}

fn trees() -> Vec<TreeConfig> {
    let mut all = Vec::new();
    for root_selection in [RootSelection::Puct, RootSelection::Gumbel] {
        for (reuse, max_expand_depth) in [(true, 1), (false, 1), (true, 3)] {
            let num_simulations = 12;
            let tree = TreeConfig { num_simulations, root_selection, reuse, ..Default::default() };
            all.push(TreeConfig { max_expand_depth, ..tree });
        }
    }
    all
}

fn judges() -> Vec<EvalConfig> {
    let nodes = |nodes| Budget { nodes: Some(nodes), ..Budget::default() };
    let beam =
        |width| Strategy::Beam(BeamConfig { width, value_weight: 0.5, ..BeamConfig::default() });
    let mut all = vec![
        EvalConfig { deterministic: true, ..EvalConfig::default() },
        EvalConfig { num_searches: 5, ..EvalConfig::default() },
        EvalConfig { strategy: Strategy::Value, ..EvalConfig::default() },
        EvalConfig { strategy: beam(4), ..EvalConfig::default() },
        EvalConfig { strategy: beam(100), budget: nodes(800), ..EvalConfig::default() },
    ];
    for tree in trees() {
        all.push(EvalConfig { strategy: Strategy::Mcts(tree), ..EvalConfig::default() });
    }
    all
}

impl Collects {
    fn collect(&self, env: &dyn Env, policy: &dyn Policy, num_cores: usize) -> Result<Table> {
        match self {
            Collects::Ppo(config) => {
                let config = PpoConfig { num_cores, ..config.clone() };
                ppo::collect(env, policy, &config, &config.work(SEED, ITERATION), &mut || Ok(()))
            }
            Collects::Az(config) => {
                let config = AzConfig { num_cores, ..config.clone() };
                let work = config.work(SEED, ITERATION);
                Ok(az::collect(env, policy, &config, &work, &mut || Ok(()))?.0)
            }
        }
    }
}

/// What is seen of a state, in the order that is kept everywhere.
struct Seen {
    row: Vec<i32>,
    masks: Vec<bool>,
    status: Status,
}

fn look(env: &dyn Env) -> Result<Seen> {
    let (mut row, mut masks) = (Vec::new(), vec![false; env.num_actions()]);
    env.try_observe(&mut row)?;
    env.try_masks(&mut masks)?;
    Ok(Seen { row, masks, status: env.try_status()? })
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, told: T, played: T) -> Result<()> {
    match told == played {
        true => Ok(()),
        false => {
            Err(Error::invalid(what, format!("{played:?} as played again"), format!("{told:?}")))
        }
    }
}

fn check_table(env: &dyn Env, table: &Table, beginning: Beginning<'_>) -> Result<()> {
    same("episodes", table.episode_starts.len(), EPISODES + 1)?;
    for (episode, bounds) in table.episode_starts.windows(2).enumerate() {
        let rows = bounds[0] as usize..bounds[1] as usize;
        let mut again = env.try_clone()?;
        match beginning {
            Beginning::Drawn => {
                again.try_reset(&mut Rng::stream(SEED, ITERATION, episode as u64))?;
            }
            Beginning::Shown(state) => {
                again.try_set_state(&state(table.rows("obs")?.row(rows.start)))?;
            }
        }
        check_rows(&mut *again, table, rows).map_err(|error| error.at(format!("[{episode}]")))?;
    }
    Ok(())
}

fn check_rows(again: &mut dyn Env, table: &Table, rows: Range<usize>) -> Result<()> {
    let last = rows.end - 1;
    for row in rows {
        let Seen { row: observation, masks, status } = look(again)?;
        same("obs", table.rows("obs")?.row(row), &observation)?;
        same("masks", &table.get::<bool>("masks")?[row * masks.len()..][..masks.len()], &masks)?;
        same("rewards", table.get::<f32>("rewards")?[row], status.reward)?;
        same("the end", row == last, status.is_final)?;
        if row < last {
            let action = table.get::<i64>("actions")?[row] as usize;
            same("the action's mask", true, masks[action])?;
            again.try_step(action)?;
        }
    }
    Ok(())
}

fn check_episode(start: &dyn Env, episode: &Episode) -> Result<()> {
    let mut again = start.try_clone()?;
    let (mut seen, mut reward) = (look(&*again)?, 0.0);
    for &action in &episode.actions {
        reward += seen.status.reward;
        same("an early end", false, seen.status.is_final)?;
        same("the action's mask", true, seen.masks[action as usize])?;
        again.try_step(action as usize)?;
        seen = look(&*again)?;
    }
    same("reward", episode.reward, reward + seen.status.reward)?;
    same("success", episode.success, seen.status.success)
}

/// No state of a tree lies behind the end of an episode or behind an action that is not legal.
fn check_explore(env: &dyn Env, policy: &dyn Policy, state: &[i64]) -> Result<()> {
    let mut start = env.try_clone()?;
    start.try_set_state(state)?;
    for tree in trees() {
        let play = |env: &dyn Env| explore(env, policy, &tree, Rng::new(SEED), &mut || Ok(()));
        play(&Watched::new(&*start)?)?;
        let mut states = Vec::<(Box<dyn Env>, Seen)>::new();
        for explored in play(&*start)?.tree {
            let child = match states.get(explored.parent) {
                None => start.try_clone()?,
                Some((parent, seen)) => {
                    same("an early end", false, seen.status.is_final)?;
                    same("the action's mask", true, seen.masks[explored.action])?;
                    let mut child = parent.try_clone()?;
                    child.try_step(explored.action)?;
                    child
                }
            };
            let seen = look(&*child)?;
            states.push((child, seen));
        }
    }
    Ok(())
}

/// Walks of two moves, of which the samples tell all: where they led and what undoes them.
fn check_walks(env: &dyn Env, watched: &Watched, num_cores: usize) -> Result<()> {
    let spec = env.spec();
    if spec.inverse_actions.is_none() && !spec.steps_away {
        return Ok(());
    }
    let long = WalkConfig { num_walks: EPISODES, walk_length: 6, num_cores, ..Default::default() };
    walk::collect(watched, &long, &long.work(SEED, ITERATION), &mut || Ok(()))?;
    let Some(inverses) = &spec.inverse_actions else { return Ok(()) };
    let config = WalkConfig { num_walks: 1, walk_length: 2, num_cores, ..Default::default() };
    for number in 0..EPISODES as u64 {
        let mut work = config.work(SEED, ITERATION);
        work.episodes = number..number + 1;
        let walks = walk::collect(env, &config, &work, &mut || Ok(()))?;
        let mut again = env.try_clone()?;
        again.try_reset_goal(&mut Rng::stream(SEED, ITERATION, number))?;
        for row in 0..walks.rows.len() {
            let undo = &walks.undo_counts[row * inverses.len()..][..inverses.len()];
            let undo = undo.iter().position(|&count| count > 0.0);
            let action = inverses.iter().position(|&inverse| Some(inverse) == undo);
            look(&*again)?;
            again.try_step(action.unwrap_or(usize::MAX))?;
            same("obs", walks.rows.row(row), &look(&*again)?.row)?;
        }
    }
    Ok(())
}

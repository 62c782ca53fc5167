//! Simulations of self-play by search.

use twisterl::collector::az::{AzConfig, Collector};
use twisterl::envs::puzzle::Puzzle;
use twisterl::nn::Policy;
use twisterl::rl::env::Env;
use twisterl::search::{RootSelection, TreeConfig};
use twisterl::solve::{evaluate, EvalConfig, Starts};
use twisterl::testing::{random_policy, Widths};
use twisterl::Result;

use crate::figure::{difference, time, Figure, Unit};
use crate::options::Options;

/// So small that entering states into the cache takes no time.
const NO_NETWORK: Widths = Widths { embedding: 1, common: 1 };
/// Episodes without a tree that meet about as many states as those by search.
const STARTS: usize = 32_768;

/// Simulations a second of every kind of search with `policy`, and what one takes without a network:
/// selection, the environment's step, observation and masks, the look-up in the cache, the priors'
/// softmax, expansion and backup.
pub fn self_play(options: &Options, env: &Puzzle, policy: &dyn Policy) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (kind, tree, cache) in
        [("PUCT 100", puct(), false), ("PUCT 100", puct(), true), ("Gumbel 16", gumbel(), false)]
    {
        for &num_cores in &options.threads {
            let how = if cache { "cached" } else { "exact" };
            let name = format!("search, {kind}, {num_cores} threads, {how}");
            let config = config(options, tree, num_cores, cache);
            let unit = Unit::SimulationsPerSecond;
            figures.extend(time(name, unit, options, simulations(env, policy, &config))?);
        }
    }
    let no_network = random_policy(env, NO_NETWORK, 0)?;
    let unit = Unit::NanosecondsEach;
    let name = "search, a state from the cache without a tree";
    figures.extend(time(name, unit, options, states(options, env, &no_network))?);
    for (kind, tree) in [("PUCT 100", puct()), ("Gumbel 16", gumbel())] {
        let config = config(options, tree, 1, true);
        let whole = || simulations(env, &no_network, &config);
        let name = format!("search, {kind}, a simulation from the cache");
        figures.extend(time(name, unit, options, whole())?);
        let name = format!("search, {kind}, the tree alone");
        figures.extend(difference(&name, options, whole(), states(options, env, &no_network))?);
    }
    Ok(figures)
}

/// Kept trees would count simulations that were not run.
fn puct() -> TreeConfig {
    TreeConfig { num_simulations: 100, reuse: false, ..TreeConfig::default() }
}

fn gumbel() -> TreeConfig {
    TreeConfig { num_simulations: 16, root_selection: RootSelection::Gumbel, ..puct() }
}

fn config(options: &Options, tree: TreeConfig, num_cores: usize, cache: bool) -> AzConfig {
    let num_episodes = options.search_episodes;
    AzConfig { num_episodes, tree, num_cores, cache, ..AzConfig::default() }
}

/// Plays as `config` says and returns the number of simulations.
fn simulations<'a>(
    env: &'a Puzzle,
    policy: &'a dyn Policy,
    config: &'a AzConfig,
) -> impl FnMut(usize) -> Result<usize> + 'a {
    let mut collector = Collector::default();
    let mut iteration = 0;
    move |repeats| {
        let mut simulations = 0;
        for _ in 0..repeats {
            iteration += 1;
            let (_, report) =
                collector
                    .collect(env, policy, config, &config.work(0, iteration), &mut || Ok(()))?;
            simulations += report.simulations as usize;
        }
        Ok(simulations)
    }
}

/// Plays the policy's own actions and returns the number of states met.
///
/// What a state takes here, a simulation takes outside its tree: the environment's step,
/// observation, masks and reward, the look-up in the cache, the policy's softmax and, where a
/// simulation selects, the drawing of an action from it. Not here, and so counted as the tree's:
/// the copy of the parent's environment into the leaf's, and the samples that self-play records.
///
/// The cache is as large as a search's: a policy that knows nothing strays farther than a search
/// with it, from half the scramble and for half the steps it meets as many distinct states
/// (26,000 of the 3 x 3 board in a million).
fn states<'a>(
    options: &Options,
    env: &Puzzle,
    policy: &'a dyn Policy,
) -> impl FnMut(usize) -> Result<usize> + 'a {
    let mut env = env.clone();
    env.set_difficulty(options.difficulty.div_ceil(2));
    let mut seed = 0;
    move |repeats| {
        let mut states = 0;
        for _ in 0..repeats {
            seed += 1;
            let (starts, config) = (Starts::Reset(STARTS), EvalConfig::default());
            let episodes = evaluate(&env, policy, starts, &config, seed, &mut || Ok(()))?;
            // The last state of an episode is met, though the policy is not asked.
            states += episodes.iter().map(|episode| episode.nodes as usize + 1).sum::<usize>();
        }
        Ok(states)
    }
}

//! Simulations of self-play by search.

use twisterl::collector::az::{AzConfig, Collector};
use twisterl::envs::puzzle::Puzzle;
use twisterl::nn::Policy;
use twisterl::search::{RootSelection, TreeConfig};
use twisterl::testing::{random_policy, Widths};
use twisterl::Result;

use crate::figure::{time, Figure, Unit};
use crate::options::Options;

/// So small that entering states into the cache takes no time.
const NO_NETWORK: Widths = Widths { embedding: 1, common: 1 };

/// Simulations a second of every kind of search with `policy`, and what one takes without a network:
/// selection, the environment's step, observation and masks, the look-up in the cache, the priors'
/// softmax, expansion and backup.
pub fn self_play(options: &Options, env: &Puzzle, policy: &Policy) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for (kind, tree, cache) in
        [("PUCT 100", puct(), false), ("PUCT 100", puct(), true), ("Gumbel 16", gumbel(), false)]
    {
        for &num_cores in &options.threads {
            let how = if cache { "cached" } else { "exact" };
            let name = format!("search, {kind}, {num_cores} threads, {how}");
            let config = config(options, tree, num_cores, cache);
            let unit = Unit::SimulationsPerSecond;
            figures.extend(simulations(name, unit, options, env, policy, &config)?);
        }
    }
    let no_network = random_policy(env, NO_NETWORK, 0)?;
    for (kind, tree) in [("PUCT 100", puct()), ("Gumbel 16", gumbel())] {
        let name = format!("search, {kind}, a simulation from the cache");
        let config = config(options, tree, 1, true);
        let unit = Unit::NanosecondsEach;
        figures.extend(simulations(name, unit, options, env, &no_network, &config)?);
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

fn simulations(
    name: String,
    unit: Unit,
    options: &Options,
    env: &Puzzle,
    policy: &Policy,
    config: &AzConfig,
) -> Result<Option<Figure>> {
    let mut collector = Collector::default();
    let mut iteration = 0;
    time(name, unit, options, |repeats| {
        let mut simulations = 0;
        for _ in 0..repeats {
            iteration += 1;
            let (_, report) =
                collector.collect(env, policy, config, 0, iteration, &mut || Ok(()))?;
            simulations += report.simulations as usize;
        }
        Ok(simulations)
    })
}

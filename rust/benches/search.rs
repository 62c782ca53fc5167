//! Self-play by search: simulations a second, with every leaf evaluated and with the cache.

use criterion::{criterion_group, criterion_main, BenchmarkId, Criterion, Throughput};
use twisterl::collector::az::{AzConfig, Collector};
use twisterl::envs::puzzle::Puzzle;
use twisterl::search::{RootSelection, TreeConfig};
use twisterl::testing::{random_policy, Widths};

fn config(num_cores: usize, cache: bool, root_selection: RootSelection) -> AzConfig {
    let num_simulations = match root_selection {
        RootSelection::Puct => 100,
        RootSelection::Gumbel => 16,
    };
    AzConfig {
        num_episodes: 96,
        // Kept trees would count simulations that were not run.
        tree: TreeConfig { num_simulations, root_selection, reuse: false, ..TreeConfig::default() },
        num_cores,
        cache,
        ..AzConfig::default()
    }
}

fn self_play(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("search");
    group.sample_size(10);
    let env = Puzzle::new(3, 3, 32, 2, 256).unwrap();
    let tiny = Widths { embedding: 16, common: 16 };
    for (network, widths) in [("512-256", Widths::REFERENCE), ("16-16", tiny)] {
        let policy = random_policy(&env, widths, 0).unwrap();
        for cache in [false, true] {
            for root in [RootSelection::Puct, RootSelection::Gumbel] {
                for num_cores in [1, 2] {
                    let config = config(num_cores, cache, root);
                    let mut collector = Collector::default();
                    let mut run = || {
                        collector
                            .collect(&env, &policy, &config, &config.work(0, 0), &mut || Ok(()))
                            .unwrap()
                    };
                    group.throughput(Throughput::Elements(run().1.simulations));
                    let name = if cache { "cached" } else { "exact" };
                    let id = format!("{root:?}/{network}/{num_cores} threads");
                    group.bench_function(BenchmarkId::new(name, id), |b| b.iter(&mut run));
                }
            }
        }
    }
}

criterion_group!(benches, self_play);
criterion_main!(benches);

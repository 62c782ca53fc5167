//! Judging a policy and solving one board.

use criterion::{criterion_group, criterion_main, BenchmarkId, Criterion, Throughput};
use twisterl::envs::puzzle::Puzzle;
use twisterl::rl::env::Env;
use twisterl::rng::Rng;
use twisterl::solve::{evaluate, solve, EvalConfig, Starts};
use twisterl::testing::{random_policy, Widths};

const EPISODES: usize = 1000;

fn config(deterministic: bool, num_searches: usize) -> EvalConfig {
    EvalConfig { deterministic, num_searches, ..EvalConfig::default() }
}

fn thousand_episodes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("evaluate");
    group.sample_size(10);
    group.throughput(Throughput::Elements(EPISODES as u64));
    let env = Puzzle::new(3, 3, 32, 2, 256).unwrap();
    let policy = random_policy(&env, Widths::REFERENCE, 0).unwrap();
    let ways = [
        ("greedy", config(true, 1)),
        ("sampled", config(false, 1)),
        ("best of 10", config(false, 10)),
    ];
    for (name, config) in ways {
        for (start, starts) in
            [("reset", Starts::Reset(EPISODES)), ("uniform", Starts::Uniform(EPISODES))]
        {
            group.bench_function(BenchmarkId::new(name, start), |b| {
                b.iter(|| {
                    evaluate(&env, &policy, starts.clone(), &config, 0, &mut || Ok(())).unwrap()
                });
            });
        }
    }
}

/// With random weights a greedy episode goes round and round until its 64 steps are used up.
fn one_board(criterion: &mut Criterion) {
    let mut env = Puzzle::new(3, 3, 32, 2, 64).unwrap();
    let policy = random_policy(&env, Widths::REFERENCE, 0).unwrap();
    env.try_reset_uniform(&mut Rng::new(3)).unwrap();
    criterion.bench_function("solve/greedy, at most 64 steps", |b| {
        b.iter(|| solve(&env, &policy, &config(true, 1), 0, &mut || Ok(())).unwrap());
    });
}

criterion_group!(benches, thousand_episodes, one_board);
criterion_main!(benches);

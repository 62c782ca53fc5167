//! Collection with the reference network, and what is done with its rows.

use criterion::{criterion_group, criterion_main, BenchmarkId, Criterion, Throughput};
use twisterl::collector::distinct_rows;
use twisterl::collector::ppo::{collect, PpoConfig};
use twisterl::envs::puzzle::Puzzle;
use twisterl::testing::{random_policy, Widths};

fn config(num_cores: usize, cache: bool) -> PpoConfig {
    PpoConfig { num_episodes: 1024, num_cores, cache, ..PpoConfig::default() }
}

fn ppo(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("collect");
    group.sample_size(10);
    for side in [3, 4] {
        let env = Puzzle::new(side, side, 32, 2, 256).unwrap();
        let policy = random_policy(&env, Widths::REFERENCE, 0).unwrap();
        for cache in [false, true] {
            for num_cores in [1, 2] {
                let config = config(num_cores, cache);
                let run =
                    || collect(&env, &policy, &config, &config.work(0, 0), &mut || Ok(())).unwrap();
                group.throughput(Throughput::Elements(run().len() as u64));
                let name = if cache { "cached" } else { "exact" };
                let id = BenchmarkId::new(name, format!("{side}x{side}/{num_cores} threads"));
                group.bench_function(id, |b| b.iter(run));
            }
        }
    }
}

fn rows(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("distinct_rows");
    for side in [3, 4] {
        let env = Puzzle::new(side, side, 32, 2, 256).unwrap();
        let policy = random_policy(&env, Widths { embedding: 16, common: 16 }, 0).unwrap();
        let config = config(1, true);
        let table = collect(&env, &policy, &config, &config.work(0, 0), &mut || Ok(())).unwrap();
        let twists = table.get::<i64>("twists").unwrap();
        let twists: Vec<i32> = twists.iter().map(|&twist| twist as i32).collect();
        let rows = table.rows("obs").unwrap();
        group.throughput(Throughput::Elements(table.len() as u64));
        group.bench_function(format!("{side}x{side}"), |b| {
            b.iter(|| distinct_rows(rows, &twists, &mut || Ok(())));
        });
    }
}

criterion_group!(benches, ppo, rows);
criterion_main!(benches);

//! The environment's hot functions, one board at a time and in lanes.

use std::hint::black_box;

use criterion::{criterion_group, criterion_main, BenchmarkId, Criterion, Throughput};
use twisterl::envs::puzzle::Puzzle;
use twisterl::rl::env::{Env, EnvObject};
use twisterl::rl::vec_env::{LaneMove, Move, Views};
use twisterl::rng::Rng;
use twisterl::spaces::Acts;

const LANES: usize = 96;

fn puzzle(side: usize) -> Puzzle {
    Puzzle::new(side, side, 32, 2, 256).unwrap()
}

fn one_board(criterion: &mut Criterion) {
    for side in [3, 4] {
        let mut group = criterion.benchmark_group(format!("env/{side}x{side}"));
        let mut env = puzzle(side);
        let mut rng = Rng::new(1);
        group.bench_function("reset of 32 moves", |b| {
            b.iter(|| black_box(&mut env).try_reset(&mut rng));
        });
        group.bench_function("reset to a uniform state", |b| {
            b.iter(|| black_box(&mut env).try_reset_uniform(&mut rng));
        });
        let state = env.random_state(&mut rng);
        group.bench_function("set_state", |b| b.iter(|| env.try_set_state(black_box(&state))));
        let actions: Vec<usize> = (0..1024).map(|_| rng.below(4) as usize).collect();
        group.throughput(Throughput::Elements(actions.len() as u64));
        group.bench_function("1024 steps", |b| {
            b.iter(|| {
                for &action in black_box(&actions) {
                    env.try_step(action).unwrap();
                }
                black_box(&env);
            });
        });
        group.throughput(Throughput::Elements(1));
        let mut indices = Vec::with_capacity(side * side);
        group.bench_function("observe", |b| {
            b.iter(|| {
                indices.clear();
                black_box(&env).try_observe(&mut indices).unwrap();
                black_box(&indices[..]);
            });
        });
        let mut masks = [false; 4];
        group.bench_function("masks", |b| b.iter(|| black_box(&env).try_masks(&mut masks)));
        group.bench_function("status", |b| b.iter(|| black_box(&env).try_status()));
    }
}

fn lanes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("env/lanes");
    group.throughput(Throughput::Elements(LANES as u64));
    for side in [3, 4] {
        let mut lanes = puzzle(side).lanes(LANES).unwrap();
        let mut rngs: Vec<Rng> = (0..LANES as u64).map(Rng::new).collect();
        let mut draw = Rng::new(7);
        let mut views = Views::default();
        let mut moves = Vec::new();
        group.bench_function(BenchmarkId::new("advance", format!("{side}x{side}")), |b| {
            b.iter(|| {
                moves.clear();
                moves.extend((0..LANES).map(|lane| {
                    let made = Move::Step { action: draw.below(4) as usize };
                    LaneMove { lane, made }
                }));
                views.clear();
                lanes.advance(&moves, &Acts::default(), &mut rngs, &mut views).unwrap();
                black_box(&views);
            });
        });
    }
}

criterion_group!(benches, one_board, lanes);
criterion_main!(benches);

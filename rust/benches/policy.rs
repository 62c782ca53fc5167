//! The policy network: `cargo bench --bench policy`, or `... -- --peak` for one table with the
//! fraction of the processor's peak.
//!
//! The parts are told apart by networks that have more or less of them: `embedding` is the
//! reference without its wide layer, `deep` has a second one of twice the width.

use std::hint::black_box;
use std::time::Instant;

use criterion::{criterion_group, Criterion, Throughput};
use twisterl::nn::{
    CpuLevel, EmbeddingBag, Head, Linear, Network, NetworkParts, Policy, Scratch, Sequential,
};
use twisterl::rng::Rng;
use twisterl::spaces::Rows;

const FEATURES: usize = 81;
const ACTIVE: usize = 9;
const NETWORKS: [(&str, &[usize]); 3] =
    [("embedding", &[512]), ("reference", &[512, 256]), ("deep", &[512, 512, 256])];

fn policy(widths: &[usize], level: CpuLevel) -> Network {
    let mut rng = Rng::new(1);
    let mut draw = |n: usize, scale: f32| -> Vec<f32> {
        (0..n).map(|_| (2.0 * rng.unit() - 1.0) * scale).collect()
    };
    let mut linear = |inputs: usize, outputs: usize, relu| {
        let scale = (1.0 / inputs as f32).sqrt();
        Linear::new(draw(inputs * outputs, scale), draw(outputs, scale), relu).unwrap()
    };
    let common = widths.windows(2).map(|w| linear(w[0], w[1], true)).collect();
    let width = widths[widths.len() - 1];
    let mut head = |outputs| Sequential::new(vec![linear(width, outputs, false)]).unwrap();
    let (action_net, value_net) = (head(4), head(1));
    let dim = widths[0];
    let (vectors, bias) = (draw(FEATURES * dim, 0.3), draw(dim, 0.3));
    let parts = NetworkParts {
        first: EmbeddingBag::new(vectors, dim, bias, true, vec![FEATURES], 0).unwrap().into(),
        common: Sequential::new(common).unwrap(),
        action_net,
        value_net,
        head: Head::Categorical,
        obs_perms: Vec::new(),
        act_perms: Vec::new(),
    };
    Network::for_cpu(&parts, level).unwrap()
}

/// Boards of the 8-puzzle: each cell holds another tile.
fn boards(num_rows: usize) -> Rows {
    let mut rng = Rng::new(2);
    let mut rows = Rows::default();
    for _ in 0..num_rows {
        let mut tiles: [i32; ACTIVE] = std::array::from_fn(|i| i as i32);
        for i in (1..ACTIVE).rev() {
            tiles.swap(i, rng.below(i as u32 + 1) as usize);
        }
        let features: [i32; ACTIVE] = std::array::from_fn(|cell| 9 * cell as i32 + tiles[cell]);
        rows.push(&features);
    }
    rows
}

/// A policy with all that it needs to run.
struct Runner {
    policy: Network,
    rows: Rows,
    scratch: Scratch,
    logits: Vec<f32>,
    values: Vec<f32>,
}

impl Runner {
    fn new(widths: &[usize], level: CpuLevel, num_rows: usize) -> Self {
        Self {
            policy: policy(widths, level),
            rows: boards(num_rows),
            scratch: Scratch::default(),
            logits: vec![0.0; 4 * num_rows],
            values: vec![0.0; num_rows],
        }
    }

    fn run(&mut self) {
        let Self { policy, rows, scratch, logits, values } = self;
        policy.forward_batch(black_box(rows), None, scratch, logits, values).unwrap();
        black_box((logits, values));
    }
}

fn benchmark(criterion: &mut Criterion) {
    for (name, widths) in NETWORKS {
        let mut group = criterion.benchmark_group(format!("policy/{name}"));
        for num_rows in [1, 8, 64, 512] {
            let mut runner = Runner::new(widths, CpuLevel::detect(), num_rows);
            group.throughput(Throughput::Elements(num_rows as u64));
            group.bench_function(num_rows.to_string(), |bencher| bencher.iter(|| runner.run()));
        }
    }
}

/// Seconds of each task: the best of many runs in turn, each shorter than a slice of the scheduler,
/// since neighbours on a shared machine disturb the mean far more.
#[allow(clippy::disallowed_methods)]
fn best_seconds<const N: usize>(mut tasks: [&mut dyn FnMut(); N]) -> [f64; N] {
    let mut best = [f64::INFINITY; N];
    for _ in 0..400 {
        for (task, best) in tasks.iter_mut().zip(&mut best) {
            let start = Instant::now();
            task();
            *best = best.min(start.elapsed().as_secs_f64());
        }
    }
    best
}

const PEAK_ROUNDS: usize = 30_000;
const PEAK_SUMS: usize = 12;

/// Runs `PEAK_ROUNDS * PEAK_SUMS` fused multiply-adds of vectors that never leave the registers.
#[cfg(target_arch = "x86_64")]
fn multiply_add_only(level: CpuLevel) {
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f")]
    fn avx512() {
        let (a, b) = (_mm512_set1_ps(black_box(0.5)), _mm512_set1_ps(black_box(1.0)));
        let mut sums = [_mm512_setzero_ps(); PEAK_SUMS];
        for _ in 0..PEAK_ROUNDS {
            sums.iter_mut().for_each(|sum| *sum = _mm512_fmadd_ps(*sum, a, b));
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx2,fma")]
    fn avx2() {
        let (a, b) = (_mm256_set1_ps(black_box(0.5)), _mm256_set1_ps(black_box(1.0)));
        let mut sums = [_mm256_setzero_ps(); PEAK_SUMS];
        for _ in 0..PEAK_ROUNDS {
            sums.iter_mut().for_each(|sum| *sum = _mm256_fmadd_ps(*sum, a, b));
        }
        black_box(sums);
    }

    // SAFETY: the caller asks for available levels only.
    match level {
        CpuLevel::Avx512 => unsafe { avx512() },
        CpuLevel::Avx2 => unsafe { avx2() },
        CpuLevel::Portable => {}
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn multiply_add_only(_: CpuLevel) {}

fn print_peak_table() {
    println!("level     batch  states/s  ns/state  embedding  wide layer: GFLOP/s  peak  fraction");
    for level in [CpuLevel::Avx512, CpuLevel::Avx2, CpuLevel::Portable] {
        let lanes = match level {
            CpuLevel::Avx512 => 16,
            CpuLevel::Avx2 => 8,
            CpuLevel::Portable => 0,
        };
        let batches = [1, 2, 3, 4, 8, 48, 64, 512];
        for num_rows in batches.into_iter().filter(|_| level.is_available()) {
            let repeats = 1 + 511 / num_rows;
            let [mut a, mut b, mut c] = NETWORKS.map(|(_, widths)| {
                let mut runner = Runner::new(widths, level, num_rows);
                move || (0..repeats).for_each(|_| runner.run())
            });
            let mut peak = || multiply_add_only(level);
            let [embedding, whole, deep, peak] = best_seconds([&mut a, &mut b, &mut c, &mut peak]);
            let per_state = 1e9 / (repeats * num_rows) as f64;
            let (embedding, whole, deep) =
                (embedding * per_state, whole * per_state, deep * per_state);
            let wide = (2 * 512 * 512) as f64 / (deep - whole);
            let peak = 1e-9 * (2 * lanes * PEAK_SUMS * PEAK_ROUNDS) as f64 / peak;
            let fraction = if lanes > 0 { format!("{:.2}", wide / peak) } else { "-".into() };
            println!(
                "{:<9} {num_rows:5} {:9.0} {whole:9.0} {embedding:10.0} {wide:20.1} {peak:5.0} {fraction:>9}",
                format!("{level:?}"),
                1e9 / whole,
            );
        }
    }
}

criterion_group!(benches, benchmark);

fn main() {
    if std::env::args().any(|argument| argument == "--peak") {
        return print_peak_table();
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}

//! Throughput of the engine on this machine, through the crate's public API.

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{json, Value};
use twisterl::collector::ppo::{Collector, DifficultyDistribution, PpoConfig, Truncation};
use twisterl::envs::puzzle::Puzzle;
use twisterl::nn::{masked_softmax, Policy, Scratch};
use twisterl::obs::SparseRows;
use twisterl::rl::env::Env;
use twisterl::rng::Rng;
use twisterl::testing::{random_policy, signature, Widths};
use twisterl::{Error, Result};

const HELP: &str = "\
Measure environment, policy and collection on this machine.

usage: cargo run --release --bin benchmark -- [options]

  --width W --height H  board (3 3)
  --difficulty D        random moves of a scramble (32)
  --embedding E         width of the first layer (512)
  --common C            width of the second layer (256)
  --episodes N          episodes of a collection (1024)
  --threads T,T,...     thread counts of the collection (1, 2, 4, ... up to this machine)
  --batches N,N,...     boards evaluated together in the steps with a policy (1,96)
  --seconds S           time spent on each figure (0.5)
  --only NAME           the figure of this name alone
  --repeats N           do its work N times and print how much that was, without a clock:
                        for counters of instructions (valgrind)
  --json                print one JSON object instead of the table
  --signature           print the number that stands for all behaviour, and its parts, instead
  --help                print this

Each figure is the median of at least five rounds; lowest and highest follow. An episode lasts
at most 2 D steps. `combined step` is observe, masks, a random legal action, and step.";

const MIN_ROUNDS: usize = 5;
/// Short enough that other processes leave most rounds alone.
const ROUND: Duration = Duration::from_millis(2);
const NUM_ACTIONS: usize = 4;
/// Boards evaluated together in the batched figure: what a thread collects at a time.
const BATCH: usize = 96;

fn main() -> ExitCode {
    let text: Vec<String> = std::env::args().skip(1).collect();
    if text.iter().any(|argument| argument == "--help" || argument == "-h") {
        return print(&format!("{HELP}\n"));
    }
    if text.iter().any(|argument| argument == "--signature") {
        return match signature::text() {
            Ok(text) => print(&text),
            Err(error) => fail(&error),
        };
    }
    match Options::parse(&text).and_then(|options| Ok((measure(&options)?, options))) {
        Ok((figures, options)) => {
            let text = match options.json {
                true => format!("{:#}\n", options.report(&figures)),
                false => table(&options, &figures),
            };
            print(&text)
        }
        Err(error) => fail(&error),
    }
}

fn fail(error: &Error) -> ExitCode {
    eprintln!("{error}");
    ExitCode::from(2)
}

/// Fails quietly where nobody reads any more, as in `benchmark | head`.
fn print(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

struct Options {
    width: usize,
    height: usize,
    difficulty: usize,
    widths: Widths,
    episodes: usize,
    threads: Vec<usize>,
    batches: Vec<usize>,
    /// Spent on each figure.
    time: Duration,
    /// The figure that is wanted, if not all are.
    only: Option<String>,
    /// Work without a clock, this often.
    repeats: Option<usize>,
    json: bool,
}

impl Options {
    fn parse(text: &[String]) -> Result<Self> {
        let available = std::thread::available_parallelism().map_or(1, usize::from);
        let mut options = Self {
            width: 3,
            height: 3,
            difficulty: 32,
            widths: Widths::REFERENCE,
            episodes: 1024,
            threads: doublings(available),
            batches: vec![1, BATCH],
            time: Duration::from_millis(500),
            only: None,
            repeats: None,
            json: false,
        };
        let mut arguments = text.iter();
        while let Some(name) = arguments.next() {
            if name == "--json" {
                options.json = true;
                continue;
            }
            let value = arguments.next().ok_or_else(|| {
                Error::invalid(name, "a value, or another option (see --help)", "nothing")
            });
            match name.as_str() {
                "--width" => options.width = number(name, value?, 2..=16)?,
                "--height" => options.height = number(name, value?, 2..=16)?,
                "--difficulty" => options.difficulty = number(name, value?, 1..=1_000_000)?,
                "--embedding" => options.widths.embedding = number(name, value?, 1..=16_384)?,
                "--common" => options.widths.common = number(name, value?, 1..=16_384)?,
                "--episodes" => options.episodes = number(name, value?, 1..=1_000_000)?,
                "--threads" => options.threads = numbers(name, value?, 1..=1024)?,
                "--batches" => options.batches = numbers(name, value?, 1..=1_000_000)?,
                "--only" => options.only = Some(value?.clone()),
                "--repeats" => options.repeats = Some(number(name, value?, 1..=1_000_000_000)?),
                "--seconds" => {
                    let text = value?;
                    let expected = || Error::invalid(name, "a number of seconds", text);
                    let seconds: f64 = text.parse().map_err(|_| expected())?;
                    options.time = Duration::try_from_secs_f64(seconds).map_err(|_| expected())?;
                }
                _ => return Err(Error::invalid("option", "one that --help lists", name)),
            }
        }
        Ok(options)
    }

    fn report(&self, figures: &[Figure]) -> Value {
        json!({
            "width": self.width,
            "height": self.height,
            "difficulty": self.difficulty,
            "embedding": self.widths.embedding,
            "common": self.widths.common,
            "episodes": self.episodes,
            "figures": figures.iter().map(Figure::to_json).collect::<Vec<_>>(),
        })
    }

    fn env(&self) -> Result<Puzzle> {
        Puzzle::new(self.width, self.height, self.difficulty, 2, 256)
    }
}

fn number(name: &str, value: &str, range: RangeInclusive<usize>) -> Result<usize> {
    match value.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(Error::invalid(name, format!("an integer in {range:?}"), value)),
    }
}

/// Numbers with commas between them.
fn numbers(name: &str, value: &str, range: RangeInclusive<usize>) -> Result<Vec<usize>> {
    value.split(',').map(|text| number(name, text, range.clone())).collect()
}

fn doublings(most: usize) -> Vec<usize> {
    let mut counts: Vec<usize> =
        std::iter::successors(Some(1), |count| Some(count * 2)).take_while(|&c| c < most).collect();
    counts.push(most);
    counts
}

/// A median with the range of its rounds.
struct Figure {
    name: String,
    unit: &'static str,
    median: f64,
    low: f64,
    high: f64,
}

impl Figure {
    fn to_json(&self) -> Value {
        let Self { name, unit, median, low, high } = self;
        json!({ "name": name, "unit": unit, "median": median, "low": low, "high": high })
    }
}

#[derive(Clone, Copy)]
enum Unit {
    NanosecondsEach,
    PerSecond,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Unit::NanosecondsEach => "ns",
            Unit::PerSecond => "per_second",
        }
    }
}

/// Times `work(repeats)`, which returns how much it did; `None` if another figure is wanted.
fn time(
    name: impl Into<String>,
    unit: Unit,
    options: &Options,
    mut work: impl FnMut(usize) -> Result<usize>,
) -> Result<Option<Figure>> {
    let name = name.into();
    if options.only.as_ref().is_some_and(|only| *only != name) {
        return Ok(None);
    }
    if let Some(repeats) = options.repeats {
        let done = work(repeats)? as f64;
        return Ok(Some(Figure { name, unit: "times", median: done, low: done, high: done }));
    }
    let mut repeats = 1;
    loop {
        let start = Instant::now();
        work(repeats)?;
        if start.elapsed() * 2 >= ROUND || repeats >= 1 << 40 {
            break;
        }
        repeats *= 2;
    }
    let mut figures = Vec::with_capacity(MIN_ROUNDS);
    let begin = Instant::now();
    while figures.len() < MIN_ROUNDS || begin.elapsed() < options.time {
        let start = Instant::now();
        let amount = work(repeats)? as f64;
        let seconds = start.elapsed().as_secs_f64();
        figures.push(match unit {
            Unit::NanosecondsEach => seconds * 1e9 / amount,
            Unit::PerSecond => amount / seconds,
        });
    }
    figures.sort_by(f64::total_cmp);
    Ok(Some(Figure {
        name,
        unit: unit.name(),
        median: figures[figures.len() / 2],
        low: figures[0],
        high: figures[figures.len() - 1],
    }))
}

fn measure(options: &Options) -> Result<Vec<Figure>> {
    let env = options.env()?;
    let policy = random_policy(&env, options.widths, 0)?;
    let mut figures = environment(options, &env)?;
    figures.extend(with_policy(options, &env, &policy)?);
    for cache in [false, true] {
        for &num_cores in &options.threads {
            figures.extend(collection(options, &env, &policy, num_cores, cache)?);
        }
    }
    Ok(figures)
}

fn environment(options: &Options, env: &Puzzle) -> Result<Vec<Figure>> {
    let time = |name: &str, work: &mut dyn FnMut(usize) -> Result<usize>| {
        time(name, Unit::NanosecondsEach, options, work)
    };
    let mut rng = Rng::new(1);
    let mut board = env.clone();
    let name = format!("reset ({} moves)", options.difficulty);
    let reset = time(&name, &mut |repeats| {
        for _ in 0..repeats {
            black_box(&mut board).try_reset(&mut rng)?;
        }
        Ok(repeats)
    })?;
    let actions: Vec<usize> = (0..4096).map(|_| rng.below(4) as usize).collect();
    let step = time("step", &mut |repeats| {
        for _ in 0..repeats {
            for &action in black_box(&actions) {
                board.try_step(action)?;
            }
            black_box(&board);
        }
        Ok(repeats * actions.len())
    })?;
    let mut indices = Vec::with_capacity(options.width * options.height);
    let combined = time("combined step", &mut |repeats| {
        for _ in 0..repeats * 256 {
            observe_and_step(&mut board, &mut indices, &mut rng)?;
        }
        Ok(repeats * 256)
    })?;
    let mut episode = |repeats: usize, count_steps: bool| {
        let mut steps = 0;
        for _ in 0..repeats {
            board.try_reset(&mut rng)?;
            loop {
                steps += 1;
                observe_and_step(&mut board, &mut indices, &mut rng)?;
                if board.try_status()?.is_final {
                    break;
                }
            }
        }
        Ok(if count_steps { steps } else { repeats })
    };
    let rollout = time("random episode", &mut |repeats| episode(repeats, false))?;
    let rollout_step = time("random episode, a step", &mut |repeats| episode(repeats, true))?;
    Ok([reset, step, combined, rollout, rollout_step].into_iter().flatten().collect())
}

#[inline]
fn observe_and_step(board: &mut Puzzle, indices: &mut Vec<i32>, rng: &mut Rng) -> Result<()> {
    let mut masks = [false; NUM_ACTIONS];
    indices.clear();
    board.try_observe(indices)?;
    board.try_masks(&mut masks)?;
    black_box(&indices[..]);
    board.try_step(random_legal(black_box(&masks), rng))
}

/// Drawn uniformly from the legal actions.
#[inline]
fn random_legal(masks: &[bool; NUM_ACTIONS], rng: &mut Rng) -> usize {
    let legal: u32 = masks.iter().map(|&mask| u32::from(mask)).sum();
    let chosen = rng.below(legal);
    // As many actions come before the chosen one as have no more legal ones up to them.
    let mut up_to = 0;
    masks.iter().fold(0, |action, &mask| {
        up_to += u32::from(mask);
        action + usize::from(up_to <= chosen)
    })
}

/// Combined steps whose actions are drawn from the policy: one board, then a batch of boards.
fn with_policy(options: &Options, env: &Puzzle, policy: &Policy) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for &size in &options.batches {
        let mut boards = Boards::new(env, size)?;
        let name = format!("combined step with policy, batch {size}");
        figures.extend(time(name, Unit::NanosecondsEach, options, |repeats| {
            for _ in 0..repeats {
                boards.step(policy)?;
            }
            Ok(repeats * size)
        })?);
    }
    Ok(figures)
}

struct Boards {
    boards: Vec<Puzzle>,
    rows: SparseRows,
    masks: Vec<[bool; NUM_ACTIONS]>,
    logits: Vec<f32>,
    values: Vec<f32>,
    scratch: Scratch,
    rng: Rng,
}

impl Boards {
    fn new(env: &Puzzle, size: usize) -> Result<Self> {
        let mut rng = Rng::new(2);
        let mut boards = vec![env.clone(); size];
        for board in &mut boards {
            board.try_reset(&mut rng)?;
        }
        Ok(Self {
            boards,
            rows: SparseRows::default(),
            masks: vec![[false; NUM_ACTIONS]; size],
            logits: vec![0.0; size * NUM_ACTIONS],
            values: vec![0.0; size],
            scratch: Scratch::default(),
            rng,
        })
    }

    fn step(&mut self, policy: &Policy) -> Result<()> {
        self.rows.clear();
        for (board, masks) in self.boards.iter().zip(&mut self.masks) {
            self.rows.push_with(|indices| board.try_observe(indices))?;
            board.try_masks(masks)?;
        }
        let Self { rows, scratch, logits, values, .. } = self;
        policy.forward_batch(rows, None, scratch, logits, values)?;
        let outputs = self.logits.chunks_exact(NUM_ACTIONS).zip(&self.masks);
        for (board, (logits, masks)) in self.boards.iter_mut().zip(outputs) {
            let mut probs = [0.0; NUM_ACTIONS];
            masked_softmax(logits, masks, &mut probs)?;
            board.try_step(sample(&probs, self.rng.unit()))?;
            if board.try_status()?.is_final {
                board.try_reset(&mut self.rng)?;
            }
        }
        Ok(())
    }
}

fn sample(probs: &[f32], mut left: f32) -> usize {
    let mut last = 0;
    for (action, &prob) in probs.iter().enumerate().filter(|(_, &prob)| prob > 0.0) {
        last = action;
        if left < prob {
            break;
        }
        left -= prob;
    }
    last
}

fn collection(
    options: &Options,
    env: &Puzzle,
    policy: &Policy,
    num_cores: usize,
    cache: bool,
) -> Result<Option<Figure>> {
    let config = PpoConfig {
        num_episodes: options.episodes,
        gamma: 0.995,
        gae_lambda: 0.995,
        num_cores,
        truncation: Truncation::Terminal,
        difficulty_distribution: DifficultyDistribution::Fixed,
        cache,
    };
    let name =
        format!("collection, {num_cores} threads, {}", if cache { "cached" } else { "exact" });
    let mut iteration = 0;
    let mut collector = Collector::default();
    time(name, Unit::PerSecond, options, |repeats| {
        let mut steps = 0;
        for _ in 0..repeats {
            iteration += 1;
            let rollout = collector.collect(env, policy, &config, 0, iteration, &mut || Ok(()))?;
            steps += rollout.len();
        }
        Ok(steps)
    })
}

fn table(options: &Options, figures: &[Figure]) -> String {
    let Options { width, height, widths, episodes, .. } = options;
    let Widths { embedding, common } = widths;
    let mut text = format!(
        "{width} x {height} board, network {embedding} -> {common}, \
         {episodes} episodes a collection\n\n{:<38} {:>12} {:>12} {:>12}\n",
        "", "median", "lowest", "highest"
    );
    for Figure { name, unit, median, low, high } in figures {
        let unit = if *unit == "ns" { "ns" } else { "steps/s" };
        let [median, low, high] = [median, low, high].map(|&value| match unit {
            "ns" => format!("{value:.2}"),
            _ => grouped(value),
        });
        // Writing into a string cannot fail.
        let _ = writeln!(text, "{name:<38} {median:>12} {low:>12} {high:>12}  {unit}");
    }
    text
}

/// A whole number with a comma every three digits.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

//! Figures: how they are timed and shown.

use std::time::{Duration, Instant};

use serde_json::{json, Value};
use twisterl::{Error, Result};

use crate::options::Options;

const MIN_ROUNDS: usize = 5;
/// Short enough that other processes leave most rounds alone.
const ROUND: Duration = Duration::from_millis(2);

/// A median with the range of its rounds.
pub struct Figure {
    pub name: String,
    pub unit: &'static str,
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

impl Figure {
    pub fn to_json(&self) -> Value {
        let Self { name, unit, median, low, high } = self;
        json!({ "name": name, "unit": unit, "median": median, "low": low, "high": high })
    }
}

#[derive(Clone, Copy)]
pub enum Unit {
    NanosecondsEach,
    StepsPerSecond,
    SimulationsPerSecond,
    GigaflopsPerSecond,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Unit::NanosecondsEach => "ns",
            Unit::StepsPerSecond => "steps/s",
            Unit::SimulationsPerSecond => "simulations/s",
            Unit::GigaflopsPerSecond => "GFLOP/s",
        }
    }
}

/// Times `work(repeats)`, which returns how much it did; `None` if another figure is wanted.
pub fn time(
    name: impl Into<String>,
    unit: Unit,
    options: &Options,
    mut work: impl FnMut(usize) -> Result<usize>,
) -> Result<Option<Figure>> {
    let name = name.into();
    if !options.wants(&name) {
        return Ok(None);
    }
    if let Some(repeats) = options.repeats {
        let done = work(repeats)? as f64;
        return Ok(Some(Figure { name, unit: "times", median: done, low: done, high: done }));
    }
    let repeats = repeats_of_a_round(&mut work)?;
    let figures = rounds(options, || {
        let each = seconds_each(&mut work, repeats)?;
        Ok(match unit {
            Unit::NanosecondsEach => each * 1e9,
            Unit::StepsPerSecond | Unit::SimulationsPerSecond => 1.0 / each,
            Unit::GigaflopsPerSecond => 1e-9 / each,
        })
    })?;
    Ok(Some(spread(name, unit, figures)))
}

/// Nanoseconds that one of what `whole` does takes longer than one of what `part` does; their rounds
/// alternate, so that a slower machine slows both. `None` if another figure is wanted.
///
/// # Errors
/// If only work without a clock is wanted: a difference has none of its own.
pub fn difference(
    name: &str,
    options: &Options,
    mut whole: impl FnMut(usize) -> Result<usize>,
    mut part: impl FnMut(usize) -> Result<usize>,
) -> Result<Option<Figure>> {
    if !options.wants(name) {
        return Ok(None);
    }
    if options.repeats.is_some() {
        let expected = "without --repeats, or with one of the figures that it is the difference of";
        return Err(Error::invalid("--only", expected, name));
    }
    let repeats = (repeats_of_a_round(&mut whole)?, repeats_of_a_round(&mut part)?);
    let figures = rounds(options, || {
        let whole = seconds_each(&mut whole, repeats.0)?;
        Ok((whole - seconds_each(&mut part, repeats.1)?) * 1e9)
    })?;
    Ok(Some(spread(name.to_string(), Unit::NanosecondsEach, figures)))
}

/// How often `work` is done in a round.
fn repeats_of_a_round(work: &mut impl FnMut(usize) -> Result<usize>) -> Result<usize> {
    let mut repeats = 1;
    loop {
        let start = Instant::now();
        work(repeats)?;
        if start.elapsed() * 2 >= ROUND || repeats >= 1 << 30 {
            return Ok(repeats);
        }
        repeats *= 2;
    }
}

/// What one of what `work` does takes.
fn seconds_each(work: &mut impl FnMut(usize) -> Result<usize>, repeats: usize) -> Result<f64> {
    let start = Instant::now();
    let amount = work(repeats)? as f64;
    Ok(start.elapsed().as_secs_f64() / amount)
}

/// The figures of all rounds.
fn rounds(options: &Options, mut round: impl FnMut() -> Result<f64>) -> Result<Vec<f64>> {
    let mut figures = Vec::with_capacity(MIN_ROUNDS);
    let begin = Instant::now();
    while figures.len() < MIN_ROUNDS || begin.elapsed() < options.time {
        figures.push(round()?);
    }
    Ok(figures)
}

fn spread(name: String, unit: Unit, mut figures: Vec<f64>) -> Figure {
    figures.sort_by(f64::total_cmp);
    Figure {
        name,
        unit: unit.name(),
        median: figures[figures.len() / 2],
        low: figures[0],
        high: figures[figures.len() - 1],
    }
}

//! What the command line asks for.

use std::ops::RangeInclusive;
use std::time::Duration;

use twisterl::envs::puzzle::Puzzle;
use twisterl::testing::Widths;
use twisterl::{Error, Result};

/// Boards that are stepped together: as many as a thread collects at a time.
const BATCH: usize = 96;

pub struct Options {
    pub width: usize,
    pub height: usize,
    pub difficulty: usize,
    pub widths: Widths,
    pub episodes: usize,
    pub search_episodes: usize,
    /// Units of the network of the policy step.
    pub hidden: usize,
    pub threads: Vec<usize>,
    pub batches: Vec<usize>,
    /// Spent on each figure.
    pub time: Duration,
    /// The figure that is wanted, if not all are.
    pub only: Option<String>,
    /// Work without a clock, this often.
    pub repeats: Option<usize>,
    pub json: bool,
}

impl Options {
    pub fn parse(text: &[String]) -> Result<Self> {
        let available = std::thread::available_parallelism().map_or(1, usize::from);
        let mut options = Self {
            width: 3,
            height: 3,
            difficulty: 32,
            widths: Widths::REFERENCE,
            episodes: 1024,
            search_episodes: 256,
            hidden: 32,
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
                "--hidden" => options.hidden = number(name, value?, 1..=128)?,
                "--search-episodes" => {
                    options.search_episodes = number(name, value?, 1..=1_000_000)?;
                }
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

    /// Whether the figure of this name is to be measured, if it is one of many.
    pub fn wants(&self, name: &str) -> bool {
        let fits = |only: &String| only == name || only.ends_with(',') && name.starts_with(only);
        self.only.as_ref().is_none_or(fits)
    }

    pub fn env(&self) -> Result<Puzzle> {
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

//! Throughput of the engine on this machine, through the crate's public API.

mod engines;
mod environment;
#[allow(clippy::disallowed_methods)]
mod figure;
mod options;
mod policy;
mod products;
mod report;
mod self_play;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use twisterl::testing::{random_policy, signature};
use twisterl::{Error, Result};

use engines::{collection, evolution};
use environment::environment;
use figure::Figure;
use options::Options;
use policy::with_policy;
use products::products;
use report::{report, table};
use self_play::self_play;

const HELP: &str = "\
Measure environment, policy and collection on this machine.

usage: cargo run --release --bin benchmark -- [options]

  --width W --height H  board (3 3)
  --difficulty D        random moves of a scramble (32)
  --embedding E         width of the first layer (512)
  --common C            width of the second layer (256)
  --episodes N          episodes of a collection (1024)
  --search-episodes N   episodes of a collection by search (256)
  --hidden H            units of the network of the policy step: 32, 64 or 128 (32)
  --threads T,T,...     thread counts of the collection (1, 2, 4, ... up to this machine)
  --batches N,N,...     boards evaluated together in the steps with a policy (1,96)
  --seconds S           time spent on each figure (0.5)
  --only NAME           the figure of this name alone; if NAME ends in a comma, all that begin so
  --repeats N           do its work N times and print how much that was, without a clock:
                        for counters of instructions (valgrind)
  --json                print one JSON object instead of the table
  --signature           print the number that stands for all behaviour, and its parts, instead
  --help                print this

Each figure is the median of at least five rounds; lowest and highest follow. An episode lasts
at most 2 D steps. `combined step` is observe, masks, step by a random action, reward and end;
`rollout` is 10,000 of them with a reset at the end of each episode.";

fn main() -> ExitCode {
    let words = std::env::args_os().skip(1).map(OsString::into_string);
    let text = match words.collect::<std::result::Result<Vec<_>, _>>() {
        Ok(text) => text,
        Err(word) => return fail(&Error::invalid("option", "text in UTF-8", format!("{word:?}"))),
    };
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
                true => format!("{:#}\n", report(&options, &figures)),
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

fn measure(options: &Options) -> Result<Vec<Figure>> {
    let env = options.env()?;
    let policy = random_policy(&env, options.widths, 0)?;
    let mut figures = environment(options, &env)?;
    figures.extend(with_policy(options, &env, &policy)?);
    figures.extend(products(options)?);
    figures.extend(evolution(options, &env)?);
    figures.extend(self_play(options, &env, &policy)?);
    for cache in [false, true] {
        for &num_cores in &options.threads {
            figures.extend(collection(options, &env, &policy, num_cores, cache)?);
        }
    }
    Ok(figures)
}

//! Trains a policy as a config file says, without Python.

mod options;
mod signals;

use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;

use twisterl::run::{Failure, Progress, RunConfig, Training};
use twisterl::Error;

use options::Options;

const HELP: &str = "\
Train a policy as a config file says, into a run folder that `twisterl eval`, `solve` and
`train --resume` take too.

usage: cargo run --release --bin train -- --config FILE [options] [key.path=value ...]

  --config FILE                the run config, JSON; with --resume taken from the run
  --run_path DIR               run folder (default: runs/<config name>)
  --load_checkpoint_path FILE  start from these weights (.safetensors)
  --num_steps N                iterations in all, resumed ones included (default: as the config
                               or the run has planned)
  --seed S                     algorithm.seed
  --time-budget S              end after so many seconds of training: learning.time_budget_s
  --resume                     go on with the run in the run folder
  --overwrite                  drop the run in the run folder and start anew
  --dry-run                    check and print the config only
  --help                       print this

exit status: 0 done, 1 failed while running, 2 wrong input (nothing was written),
130 ended by Ctrl-C, 143 by SIGTERM, 129 by a closed terminal (all saved).";

fn main() -> ExitCode {
    match options::words().and_then(|words| run(&words)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_interruption() => ExitCode::from(signals::exit_status()),
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::from(if failure.is_input() { 2 } else { 1 })
        }
    }
}

fn run(words: &[String]) -> Result<(), Failure> {
    if words.is_empty() || words.iter().any(|word| word == "--help" || word == "-h") {
        say(HELP);
        return Ok(());
    }
    train(&Options::parse(words)?)
}

fn train(options: &Options) -> Result<(), Failure> {
    let config = RunConfig::read(&options.config, &options.overrides)?;
    if options.is_dry {
        say(&format!("{:#}", config.resolved()));
        return Training::new(config).map(drop);
    }
    let mut training = Training::new(config)?;
    if let Some(path) = &options.checkpoint {
        training.load_weights(path)?;
    }
    if let Some(count) = options.num_steps {
        training.plan(count);
    }
    let given: Vec<String> = options.overrides.iter().map(|(path, _)| path.clone()).collect();
    training.check_plan(0)?;
    signals::heed();
    training.keep_in(&options.run_path, options.existing, &given)?;
    if let Some(count) = options.num_steps {
        training.plan(count);
    }
    let planned = training.planned();
    let mut shown = Shown { planned, is_terminal: std::io::stdout().is_terminal() };
    let ended = training.learn(&mut |progress| shown.iteration(progress), &mut || {
        if signals::has_come() {
            return Err(Error::Interrupted);
        }
        Ok(())
    });
    let folder = options.run_path.display();
    let count = training.iteration();
    match ended {
        Err(failure) if failure.is_interruption() => {
            shown.line(&format!(
                "ended by {} after {count} iterations; saved in {folder}; go on with: train --resume \
                 --run_path {folder}",
                signals::name()
            ));
            Err(failure)
        }
        Err(failure) => Err(failure),
        Ok(()) => {
            shown.line(&format!("done: {count} iterations; saved in {folder}"));
            Ok(())
        }
    }
}

/// What the user sees.
struct Shown {
    planned: Option<u64>,
    is_terminal: bool,
}

impl Shown {
    fn iteration(&mut self, progress: &Progress) {
        let number = progress.iteration + 1;
        let of = self.planned.map(|planned| format!("/{planned}")).unwrap_or_default();
        let level = progress.difficulty.map_or("any".to_owned(), |level| level.to_string());
        let success = progress.success.map(|share| format!("  success {:.1} %", 100.0 * share));
        let text = format!(
            "iteration {number}{of}  difficulty {level}{}  {} steps  {:.1} s",
            success.clone().unwrap_or_default(),
            progress.total_steps,
            progress.elapsed_s
        );
        match self.is_terminal {
            // What was evaluated stays.
            true if success.is_none() => self.write(&format!("\r\x1b[K{text}")),
            _ => self.line(&text),
        }
    }

    fn line(&self, text: &str) {
        let start = if self.is_terminal { "\r\x1b[K" } else { "" };
        self.write(&format!("{start}{text}\n"));
    }

    /// Nobody need read it: a closed pipe ends no training.
    fn write(&self, text: &str) {
        let mut out = std::io::stdout();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

fn say(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

//! The words of the command line.

use std::ffi::OsString;
use std::path::PathBuf;

use serde_json::Value;
use twisterl::run::{most_iterations, Existing, Failure, Fault, Faults};

/// Options with a value, as they are compared.
const VALUED: [&str; 6] =
    ["__config", "__run_path", "__load_checkpoint_path", "__num_steps", "__seed", "__time_budget"];

/// What is asked for.
#[derive(Debug)]
pub struct Options {
    pub config: PathBuf,
    pub run_path: PathBuf,
    pub checkpoint: Option<PathBuf>,
    pub num_steps: Option<u64>,
    pub existing: Existing,
    pub overrides: Vec<(String, Value)>,
    pub is_dry: bool,
}

impl Options {
    /// # Errors
    /// With every fault.
    pub fn parse(words: &[String]) -> Result<Self, Failure> {
        let mut faults = Vec::new();
        let (mut config, mut run_path, mut checkpoint) = (None, None, None);
        let (mut num_steps, mut overrides) = (None, Vec::new());
        let (mut resumes, mut overwrites, mut is_dry) = (false, false, false);
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            let (name, text) = match word.split_once('=') {
                Some((name, text)) => (name, Some(text.to_owned())),
                None => (word.as_str(), None),
            };
            let flag = match name {
                "--resume" => Some(&mut resumes),
                "--overwrite" => Some(&mut overwrites),
                "--dry-run" | "--dry_run" => Some(&mut is_dry),
                _ => None,
            };
            if let (Some(flag), None) = (flag, &text) {
                *flag = true;
                continue;
            }
            if !name.starts_with("--") && text.is_none() {
                let problem = format!("unexpected {name:?}; expected key.path=value");
                faults.push(Fault::new("", problem));
                continue;
            }
            let option = name.replace('-', "_");
            if name.starts_with("--") && !name.contains('.') && !VALUED.contains(&option.as_str()) {
                let problem = format!("unknown option {name}; --help lists the options");
                faults.push(Fault::new("", problem));
                continue;
            }
            // As in Python, an option that follows is no value of the one before it.
            let Some(text) =
                text.or_else(|| words.next_if(|word| !word.starts_with("--")).cloned())
            else {
                faults.push(Fault::new(name, "has no value"));
                continue;
            };
            match option.as_str() {
                "__config" => config = Some(PathBuf::from(text)),
                "__run_path" => run_path = Some(PathBuf::from(text)),
                "__load_checkpoint_path" => checkpoint = Some(PathBuf::from(text)),
                "__num_steps" => match text.parse() {
                    Ok(count) if count <= most_iterations() => num_steps = Some(count),
                    _ => {
                        let expected = format!("a count of iterations, 0 to {}", most_iterations());
                        let problem = format!("got {text}; expected {expected}");
                        faults.push(Fault::new("--num_steps", problem));
                    }
                },
                "__seed" => overrides.push(("algorithm.seed".to_owned(), value(&text))),
                "__time_budget" => {
                    let path = "algorithm.learning.time_budget_s";
                    overrides.push((path.to_owned(), value(&text)));
                }
                _ => overrides.push((name.trim_start_matches("--").to_owned(), value(&text))),
            }
        }
        let existing = match (resumes, overwrites) {
            (true, true) => {
                let problem = "--resume continues the run and --overwrite drops it; give one";
                faults.push(Fault::new("", problem));
                Existing::Refuse
            }
            (true, false) => Existing::Resume,
            (false, true) => Existing::Overwrite,
            (false, false) => Existing::Refuse,
        };
        if resumes && checkpoint.is_some() {
            let problem = "--resume brings its own weights; leave --load_checkpoint_path out";
            faults.push(Fault::new("", problem));
        }
        let config = config
            .or_else(|| Some(run_path.as_ref()?.join("base_config.json")).filter(|_| resumes));
        let Some(config) = config else {
            let problem = "--config is missing; only --resume with --run_path finds it in the run";
            faults.push(Fault::new("", problem));
            return Err(refused(faults));
        };
        if !faults.is_empty() {
            return Err(refused(faults));
        }
        let stem = config.file_stem().unwrap_or_default();
        let run_path = run_path.unwrap_or_else(|| PathBuf::from("runs").join(stem));
        Ok(Self { config, run_path, checkpoint, num_steps, existing, overrides, is_dry })
    }
}

/// The words that the program was started with.
///
/// # Errors
/// For one that is no text.
pub fn words() -> Result<Vec<String>, Failure> {
    let words = std::env::args_os().skip(1).map(OsString::into_string);
    words.collect::<Result<_, _>>().map_err(|word| {
        refused(vec![Fault::new("", format!("got {word:?}; expected text in UTF-8"))])
    })
}

fn refused(faults: Vec<Fault>) -> Failure {
    Faults { source: "command line".to_owned(), faults }.into()
}

/// The JSON value that `text` is, else `text` itself.
fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

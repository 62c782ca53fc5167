//! What is wrong with an input, as data: where, what came, what was expected.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Longest value that is shown.
const LONGEST: usize = 60;

/// One fault of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The dotted JSON path, "" for the whole input.
    pub path: String,
    /// What came and what was expected.
    pub problem: String,
}

impl Fault {
    pub fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { path: path.into(), problem: problem.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => to.write_str(&self.problem),
            path => write!(to, "{path}: {}", self.problem),
        }
    }
}

/// An input that cannot be used, with every fault that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    /// What the input is called.
    pub source: String,
    pub faults: Vec<Fault>,
}

impl fmt::Display for Faults {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}: ", self.source)?;
        match self.faults.as_slice() {
            [fault] => write!(to, "{fault}"),
            all => {
                write!(to, "{} faults", all.len())?;
                all.iter().try_for_each(|fault| write!(to, "\n  {fault}"))
            }
        }
    }
}

impl std::error::Error for Faults {}

/// Why a run cannot start, or ended.
#[derive(Debug)]
pub enum Failure {
    /// What was asked for cannot be done; nothing was written.
    Config(Faults),
    /// A run folder, or a file of one, cannot be used as asked.
    Folder(String),
    /// The system failed at a file.
    System {
        path: PathBuf,
        error: io::Error,
    },
    /// A number is none; the run is that of the iteration before.
    Diverged(String),
    Engine(crate::Error),
}

impl fmt::Display for Failure {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(faults) => faults.fmt(to),
            Self::Folder(problem) | Self::Diverged(problem) => to.write_str(problem),
            Self::System { path, error } => write!(to, "{}: {error}", path.display()),
            Self::Engine(error) => error.fmt(to),
        }
    }
}

impl std::error::Error for Failure {}

impl From<Faults> for Failure {
    fn from(faults: Faults) -> Self {
        Self::Config(faults)
    }
}

impl From<crate::Error> for Failure {
    fn from(error: crate::Error) -> Self {
        Self::Engine(error)
    }
}

impl Failure {
    /// One fault of `source`.
    pub(super) fn config(
        source: impl Into<String>,
        path: impl Into<String>,
        problem: impl Into<String>,
    ) -> Self {
        let faults = vec![Fault::new(path, problem)];
        Self::Config(Faults { source: source.into(), faults })
    }

    /// Names `path` in what the system says.
    pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        |error| Self::System { path: path.to_owned(), error }
    }

    /// Whether nothing was begun, because of what was asked for.
    pub fn is_input(&self) -> bool {
        matches!(
            self,
            Self::Config(_) | Self::Folder(_) | Self::Engine(crate::Error::Invalid { .. })
        )
    }

    /// Whether somebody asked for the end.
    pub fn is_interruption(&self) -> bool {
        matches!(self, Self::Engine(crate::Error::Interrupted | crate::Error::Interruption(_)))
    }
}

/// `value` as JSON writes it, shortened to one line.
pub(super) fn shown(value: &Value) -> String {
    let text = spaced(value);
    match text.chars().count() > LONGEST {
        true => text.chars().take(LONGEST - 3).chain("...".chars()).collect(),
        false => text,
    }
}

/// JSON with a space after each comma and colon.
fn spaced(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!("[{}]", items.iter().map(spaced).collect::<Vec<_>>().join(", "))
        }
        Value::Object(members) => {
            let members = members.iter();
            let pairs = members.map(|(key, value)| format!("{}: {}", quoted(key), spaced(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The dotted path of `key` in `path`.
pub(super) fn joined(path: &str, key: &str) -> String {
    match path {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    }
}

/// The problem of an unknown name: the nearest known one of `known`, in `path`, or all of them.
pub(super) fn unknown(key: &str, known: &[&str], what: &str, path: &str) -> String {
    match nearest(key, known, 0.6) {
        Some(name) => format!("unknown {what}; did you mean {}?", joined(path, name)),
        None => format!("unknown {what}; known: {}", known.join(", ")),
    }
}

/// The known name that looks most like `key`, if any does by `cutoff`.
pub(super) fn nearest<'a>(key: &str, known: &[&'a str], cutoff: f64) -> Option<&'a str> {
    let key: Vec<char> = key.to_lowercase().chars().collect();
    let likeness = |name: &str| {
        let name: Vec<char> = name.to_lowercase().chars().collect();
        2.0 * num_matching(&key, &name) as f64 / (key.len() + name.len()).max(1) as f64
    };
    let judged = known.iter().map(|name| (likeness(name), *name));
    judged
        .filter(|(likeness, _)| *likeness >= cutoff)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, name)| name)
}

/// Letters in common, the longest stretch first (Ratcliff, Obershelp).
fn num_matching(one: &[char], other: &[char]) -> usize {
    let (mut longest, mut at) = (0, (0, 0));
    for i in 0..one.len() {
        for j in 0..other.len() {
            let same = one[i..].iter().zip(&other[j..]).take_while(|(a, b)| a == b).count();
            if same > longest {
                (longest, at) = (same, (i, j));
            }
        }
    }
    if longest == 0 {
        return 0;
    }
    longest
        + num_matching(&one[..at.0], &other[..at.1])
        + num_matching(&one[at.0 + longest..], &other[at.1 + longest..])
}

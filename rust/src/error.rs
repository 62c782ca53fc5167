//! The one error type of the crate. Each variant says what was expected and what came.

use std::any::Any;
use std::fmt;
use std::panic::{catch_unwind, AssertUnwindSafe};

/// Everything that can go wrong in the core.
#[derive(Debug)]
pub enum Error {
    /// A value from outside does not fit.
    Invalid { name: String, expected: String, got: String },
    /// The policy cannot be used on this input (non-finite output, no legal action, ...).
    Policy(String),
    /// An environment's own failure; the source survives unchanged (a Python exception, say).
    Environment(Box<dyn std::error::Error + Send + Sync>),
    /// The caller asked to stop (Ctrl-C).
    Interrupted,
    /// An environment was interrupted and says so (a Python KeyboardInterrupt, say).
    Interruption(Box<dyn std::error::Error + Send + Sync>),
    /// A worker panicked: a bug in an environment or in this crate.
    Panic(String),
}

impl fmt::Display for Error {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { name, expected, got } => {
                write!(to, "{name}: expected {expected}, got {got}")
            }
            Self::Policy(problem) => write!(to, "policy: {problem}"),
            Self::Environment(source) => write!(to, "environment: {source}"),
            Self::Interrupted => to.write_str("interrupted"),
            Self::Interruption(source) => write!(to, "interrupted: {source}"),
            Self::Panic(message) => write!(to, "a worker panicked: {message}"),
        }
    }
}

impl std::error::Error for Error {}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An [`Error::Invalid`] for the argument `name`.
    pub fn invalid(
        name: impl Into<String>,
        expected: impl Into<String>,
        got: impl fmt::Display,
    ) -> Self {
        Error::Invalid { name: name.into(), expected: expected.into(), got: got.to_string() }
    }

    /// Refuses the first of `counts` that is 0.
    pub(crate) fn check_counts<const N: usize>(counts: [(&str, usize); N]) -> Result<()> {
        match counts.into_iter().find(|(_, count)| *count == 0) {
            Some((name, _)) => Err(Self::invalid(name, "at least 1", 0)),
            None => Ok(()),
        }
    }

    /// Refuses more episodes, or walks, than a call may play: a config's bound, so that what is kept
    /// of each fits into memory.
    pub(crate) fn check_episodes(name: &str, count: usize) -> Result<()> {
        const MOST: usize = 10_000_000;
        Self::check_counts([(name, count)])?;
        if count > MOST {
            return Err(Self::invalid(name, format!("at most {MOST}"), count));
        }
        Ok(())
    }

    /// The same error, with the place of the bad value in front of its name.
    pub fn at(self, place: impl fmt::Display) -> Self {
        match self {
            Error::Invalid { name, expected, got } => {
                Error::Invalid { name: format!("{place}: {name}"), expected, got }
            }
            other => other,
        }
    }
}

/// What a panic said.
fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

/// Runs `work`; a panic in it becomes [`Error::Panic`] instead of unwinding on.
pub fn caught<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // What a panic leaves half done is a worker's own buffers, which are dropped, or an
    // environment, which stays usable memory and is set anew by the next reset or set_state.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result,
        Err(payload) => Err(Error::Panic(panic_message(payload.as_ref()))),
    }
}

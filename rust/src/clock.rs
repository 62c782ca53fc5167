//! The one place that asks for the time, and only where there is a limit.
//!
//! Where the system has no clock (`wasm32-unknown-unknown`) the host may give one, by `give`.
//! Without one everything works but a limit of time, which is refused by name.
//!
//! ```
//! use std::time::Duration;
//! use twisterl::clock::Deadline;
//! assert!(Deadline::after(Some(Duration::ZERO))?.is_over());
//! assert!(!Deadline::after(None)?.is_over());
//! # Ok::<(), twisterl::Error>(())
//! ```

use std::time::Duration;

use crate::error::{Error, Result};
use source::Moment;

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
pub use source::give;

/// When a limit of time is reached; without a limit, never, and the clock is not asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deadline(Option<Moment>);

impl Deadline {
    pub const NEVER: Self = Self(None);

    /// The end of `time` from now on; of a time too long for the clock there is none.
    ///
    /// # Errors
    /// If there is a limit and no clock.
    pub fn after(time: Option<Duration>) -> Result<Self> {
        let Some(time) = time else { return Ok(Self::NEVER) };
        Ok(Self(now()?.checked_add(time)))
    }

    #[inline]
    pub fn is_over(self) -> bool {
        self.0.is_some_and(|end| source::now().is_some_and(|now| now >= end))
    }
}

/// Tells how long something has taken; always 0 where there is no clock.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Option<Moment>);

impl Stopwatch {
    pub fn start() -> Self {
        Self(source::now())
    }

    /// Seconds since the start.
    pub fn seconds(self) -> f64 {
        let passed = self.0.and_then(|begun| source::now().map(|now| now - begun));
        passed.unwrap_or_default().as_secs_f64()
    }
}

/// Refuses a limit that no clock could tell the end of.
///
/// # Errors
/// If there is a limit and no clock.
pub(crate) fn check(time: Option<Duration>) -> Result<()> {
    time.map_or(Ok(()), |_| now().map(drop))
}

fn now() -> Result<Moment> {
    let got = "a limit where there is no clock";
    source::now().ok_or_else(|| Error::invalid("time_limit_s", "none", got))
}

#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
mod source {
    pub(super) use std::time::Instant as Moment;

    #[inline]
    #[expect(clippy::disallowed_methods, reason = "here it is allowed")]
    pub(super) fn now() -> Option<Moment> {
        Some(Moment::now())
    }
}

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
mod source {
    use std::sync::OnceLock;
    use std::time::Duration;

    /// Since a moment that is the host's.
    pub(super) type Moment = Duration;

    static NOW: OnceLock<fn() -> Duration> = OnceLock::new();

    /// Gives the core a clock that never goes back; the first one given counts.
    pub fn give(now: fn() -> Duration) {
        let _ = NOW.set(now);
    }

    pub(super) fn now() -> Option<Moment> {
        NOW.get().map(|now| now())
    }
}

//! What the collectors of training data have in common.

use std::sync::{Mutex, MutexGuard};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use twisterl::collector::{Span, Table, Work};
use twisterl::engine::pool::Poll;
use twisterl::locks::lock;
use twisterl::nn::Policy;
use twisterl::python_interface::get_env::get_env;
use twisterl::rl::env::Env;
use twisterl::rl::start::Start;
use twisterl::{Error, Result};

use crate::collected::{Names, PyCollectedData};
use crate::detached::detached;
use crate::keywords::{dictionary, Given};

/// The seed among a call's arguments.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Seed {
    pub(crate) seed: u64,
}

/// What a collection is asked for, beside its config.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Asked {
    iteration: Option<u64>,
    pub(crate) start: Start,
}

/// A collector of the core.
pub(crate) trait Collects: Default + Send {
    type Config: Default + Serialize + DeserializeOwned + Sync + 'static;
    type Report: Clone + Default + Serialize + DeserializeOwned + Send;
    const NAMES: Names;

    fn check(config: &Self::Config) -> Result<()>;

    /// All episodes of an iteration.
    fn work(config: &Self::Config, seed: u64, iteration: u64) -> Work;

    /// The episodes of `work`, which begin as `start` says.
    fn collect(
        &mut self,
        players: (&dyn Env, &dyn Policy),
        config: &Self::Config,
        start: Start,
        work: &Work,
        poll: Poll<'_>,
    ) -> Result<(Table, Self::Report)>;
}

/// The collections of one run, counted: what they draw from and what each leaves to the next.
pub(crate) struct Run<Collector: Collects> {
    pub(crate) config: Collector::Config,
    pub(crate) seed: u64,
    /// Away while it collects: another thread that collects meanwhile gets a new one. Boxed, because an
    /// object of Python's is not laid out as a collector's cache has to be.
    kept: Mutex<Box<Collector>>,
    state: Mutex<State<Collector::Report>>,
}

/// What a pickle has of a run beside its config.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct State<Report> {
    /// The iteration whose streams the next collection draws from.
    pub(crate) iteration: u64,
    /// What became of the last collection.
    pub(crate) report: Report,
}

impl<Collector: Collects> Run<Collector> {
    pub(crate) fn new(given: Given<'_>) -> PyResult<Self> {
        let Seed { seed } = given.read()?;
        let config = given.rest()?;
        Collector::check(&config)?;
        Ok(Self { config, seed, kept: Mutex::default(), state: Mutex::default() })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State<Collector::Report>> {
        lock(&self.state)
    }

    fn kept(&self) -> MutexGuard<'_, Box<Collector>> {
        lock(&self.kept)
    }

    /// What [`Run::new`] makes the run of, and its state as JSON.
    pub(crate) fn parts<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyDict>, String)> {
        let arguments = dictionary(py, &self.config)?;
        arguments.set_item("seed", self.seed)?;
        let state = serde_json::to_string(&*self.state());
        Ok((arguments, state.map_err(|error| PyTypeError::new_err(error.to_string()))?))
    }

    /// Takes over the state that [`Run::parts`] told.
    pub(crate) fn restore(&self, state: &str) -> PyResult<()> {
        let read = serde_json::from_str(state);
        *self.state() = read.map_err(|error| Error::invalid("state", "that of a run", error))?;
        Ok(())
    }

    /// Collects without the interpreter lock what `given` asks for.
    pub(crate) fn collect(&self, given: Given<'_>) -> PyResult<PyCollectedData> {
        let (env, policy) = (given.required("py_env")?, given.policy_of_many()?);
        let py = env.py();
        let span: Span = given.read()?;
        let Asked { iteration, start } = given.rest()?;
        let env = get_env(&env)?;
        let iteration = iteration.unwrap_or_else(|| self.state().iteration);
        let mut work = Collector::work(&self.config, self.seed, iteration);
        work.episodes = span.of(work.episodes.end)?;
        let mut kept = std::mem::take(&mut *self.kept());
        let players = (&*env, &*policy);
        let ((table, report), kept) = detached(py, |poll| {
            Ok((kept.collect(players, &self.config, start, &work, poll)?, kept))
        })?;
        *self.kept() = kept;
        *self.state() = State { iteration: iteration + 1, report };
        PyCollectedData::from_table(py, table, Collector::NAMES, &*policy)
    }
}

/// Declares the Python class of a collector and what [`Run`] asks of it; `$told` makes a report beside the
/// table of what it `$found`.
macro_rules! collector {
    (
        $(#[$about:meta])* $Class:ident: $Collector:ty, $Config:ty, $names:expr,
        |$found:ident| $told:expr => $Report:ty, $signature:literal
    ) => {
        $(#[$about])*
        pub struct $Class {
            run: Run<$Collector>,
        }

        impl Collects for $Collector {
            type Config = $Config;
            type Report = $Report;
            const NAMES: Names = $names;

            fn check(config: &Self::Config) -> Result<()> {
                config.check()
            }

            fn work(config: &Self::Config, seed: u64, iteration: u64) -> Work {
                config.work(seed, iteration)
            }

            fn collect(
                &mut self,
                (env, policy): (&dyn Env, &dyn Policy),
                config: &Self::Config,
                start: Start,
                work: &Work,
                poll: Poll<'_>,
            ) -> Result<(Table, Self::Report)> {
                let $found = self.collect(env, policy, &config.started(start), work, poll)?;
                Ok($told)
            }
        }

        constructor!($Class, $signature, |given| { Ok(Self { run: Run::new(given)? }) });

        #[pymethods]
        impl $Class {
            /// What makes the collector again.
            fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
                pickle::reduced(slf, slf.get().run.parts(slf.py())?)
            }

            /// What `__reduce__` told, made again.
            #[classmethod]
            fn _restored<'py>(
                cls: &Bound<'py, PyType>,
                arguments: &Bound<'py, PyDict>,
                state: &str,
            ) -> PyResult<Bound<'py, PyAny>> {
                let made = pickle::instance(cls, arguments)?;
                made.cast::<Self>()?.get().run.restore(state)?;
                Ok(made)
            }

            /// The iteration whose streams the next `collect` draws from, an integer from 0.
            #[getter]
            fn iteration(&self) -> u64 {
                self.run.state().iteration
            }

            #[setter]
            fn set_iteration(&self, iteration: &Bound<'_, PyAny>) -> PyResult<()> {
                self.run.state().iteration = integer("iteration", iteration, 0..=i64::MAX)? as u64;
                Ok(())
            }
        }

        method! {
            $Class,
            /// Plays `num_episodes` episodes of `py_env`, which stays as it is, by `policy`; the
            /// interpreter lock is released. `iteration` replaces the counted one.
            ///
            /// `start` is "reset", by the environment's difficulty, or "uniform", in any solvable
            /// state. Raises what the environment raises, and ValueError if the policy does not fit
            /// it.
            collect,
            "($self, py_env, policy, iteration=None, start=\"reset\")",
            |this, _py, given| { this.run.collect(given) } => PyCollectedData
        }

        method! {
            $Class,
            /// As `collect`, with its `py_env`, `policy`, `iteration` and `start`, the `count` episodes
            /// from number `first` on alone: the rows that they have among all. Raises ValueError too
            /// if there are no such episodes.
            collect_range,
            "($self, py_env, policy, first, count, iteration=None, start=\"reset\")",
            |this, _py, given| { this.run.collect(given) } => PyCollectedData
        }
    };
}
pub(crate) use collector;

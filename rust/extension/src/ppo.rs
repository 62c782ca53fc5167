//! PPO's collector from Python.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};
use twisterl::collector::ppo::{Collector, PpoConfig};
use twisterl::collector::{Table, Work};
use twisterl::engine::pool::Poll;
use twisterl::nn::Policy;
use twisterl::python_interface::args::integer;
use twisterl::python_interface::pickle;
use twisterl::rl::env::Env;
use twisterl::rl::start::Start;
use twisterl::Result;

use crate::collected::{Names, PyCollectedData};
use crate::keywords::{constructor, method, Given};
use crate::run::{collector, Collects, Run};

collector! {
    /// Collects PPO episodes; one object for a run, so that iterations are counted.
    ///
    /// `num_episodes` a collection, by `num_cores` threads, at most those of the machine. `gamma` is the
    /// discount and `lambda` that of GAE, both in [0, 1]. Episode `i` draws from the stream (`seed`,
    /// iteration, `i`). `truncation`: what is left when the steps are used up is worth nothing,
    /// "terminal", or the value, "bootstrap". `difficulty_distribution`: "fixed", or "uniform" up to that
    /// of the environment. `cache`: equal states are evaluated once; it changes the time alone. More than
    /// `max_episode_steps` steps are an error; without it 100,000 where an episode may never end.
    ///
    /// Raises ValueError for what is out of range.
    #[pyclass(name = "PPOCollector", module = "twisterl.twisterl.collector", subclass, frozen)]
    PyPpoCollector: Collector, PpoConfig, Names::PPO,
    |table| (table, ()) => (),
    "(num_episodes, gamma, lambda, num_cores, seed=0, truncation=\"terminal\", difficulty_distribution=\"fixed\", cache=True, max_episode_steps=None)"
}

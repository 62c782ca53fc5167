//! The environments that come with the crate: one file each, and one list of them.

use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::rl::env::Env;

mod bits;
pub mod cart_pole;
pub mod catch;
pub mod cliff_walking;
pub mod clifford;
pub mod coupling;
pub mod cube2;
mod devices;
pub mod grid;
pub mod grid_world;
pub mod lights_out;
pub mod linear_function;
pub mod mountain_car;
pub mod pancake;
pub mod parameters;
pub mod pauli_network;
pub mod pendulum;
pub mod permutation;
pub mod puzzle;
pub mod scrambled;
mod snapshot;
pub mod t_maze;
pub mod task;
pub mod top_spin;
mod topologies;
pub mod two_walkers;

use parameters::{Parameter, Parameters};

/// The list of those with goals. `$use! { ... }` gets a line `/// about` `module::Type` for each environment: the
/// Python class has the name of the type, `specs/envs` and `specs/golden` that of the module.
macro_rules! environments {
    ($use:ident) => {
        $use! {
            /// The sliding puzzle on a board of `width` x `height`.
            puzzle::Puzzle,
            /// Lights Out on `width` x `height` lamps: a press flips a lamp and its neighbours.
            lights_out::LightsOut,
            /// Rubik's 2x2x2 cube with one corner held, in quarter or half turns (`metric`).
            cube2::Cube2,
            /// Permutation routing: swaps along the edges of a graph bring every token home.
            permutation::Permutation,
            /// CNOT synthesis: an invertible matrix over GF(2), brought to the identity.
            linear_function::LinearFunction,
            /// Clifford synthesis: two-qubit rotations bring a Clifford to single-qubit ones.
            clifford::Clifford,
            /// Pauli networks: two-qubit rotations bring Paulis to single qubits, then a Clifford.
            pauli_network::PauliNetwork,
            /// An agent walks around walls to a random goal.
            grid_world::GridWorld,
            /// TopSpin: tokens on a ring, of which a turnstile turns some over.
            top_spin::TopSpin,
            /// Pancake sorting: a spatula turns over the top of a pile, plain or burnt on one side.
            pancake::Pancake,
        }
    };
}
/// The list of the environments without a goal, which earn rewards until they end: otherwise as above.
macro_rules! tasks {
    ($use:ident) => {
        $use! {
            /// A pole on a cart that is pushed to the left or the right, to be kept upright: Gymnasium's.
            cart_pole::CartPole,
            /// A pendulum that a weak torque swings up and keeps upright: Gymnasium's.
            pendulum::Pendulum,
            /// A car that must swing to get up a hill, driven by a force: Gymnasium's.
            mountain_car::MountainCarContinuous,
            /// A corridor whose first step alone shows which way to turn at its end: a test of memory.
            t_maze::TMaze,
            /// A paddle under a falling ball, seen as an image of bytes.
            catch::Catch,
            /// Two agents who each go to a place of their own and must not block each other.
            two_walkers::TwoWalkers,
            /// A walk along a cliff, which costs 100 to fall down: Gymnasium's.
            cliff_walking::CliffWalking,
        }
    };
}
#[cfg(feature = "python_bindings")]
pub(crate) use {environments, tasks};

/// An environment that is built from named parameters.
pub trait Listed: Env + Clone + Sized + 'static {
    fn parameters() -> Vec<Parameter>;
    fn build(parameters: &Parameters) -> Result<Self>;
    /// What [`Listed::build`] makes an equal environment of, its state apart.
    fn built_from(&self) -> Map<String, Value>;
}

/// An environment of the list.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Name of the class in Python and in configs.
    pub class: &'static str,
    /// Name of its spec and golden file.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    parameters: fn() -> Vec<Parameter>,
    build: fn(&Parameters) -> Result<Box<dyn Env>>,
    built_from: fn(&dyn Env) -> Option<Map<String, Value>>,
}

macro_rules! entries {
    ($(#[doc = $about:literal] $module:ident :: $Type:ident,)*) => {
        &[$(Entry {
            class: stringify!($Type),
            name: stringify!($module),
            about: $about,
            parameters: <$module::$Type as Listed>::parameters,
            build: |parameters| Ok(Box::new(<$module::$Type as Listed>::build(parameters)?)),
            built_from: |env| {
                env.as_any().downcast_ref::<$module::$Type>().map(Listed::built_from)
            },
        }),*]
    };
}

/// All environments of the crate that have goals.
pub const ENVIRONMENTS: &[Entry] = environments!(entries);

/// All that have none.
pub const TASKS: &[Entry] = tasks!(entries);

impl Entry {
    /// Everything that [`Entry::make`] takes, with bounds and defaults.
    pub fn parameters(&self) -> Vec<Parameter> {
        (self.parameters)()
    }

    /// The environment in a solved state.
    ///
    /// # Errors
    /// If a parameter is unknown or its value out of range.
    pub fn make(&self, given: &Map<String, Value>) -> Result<Box<dyn Env>> {
        (self.build)(&Parameters::new(&self.parameters(), given)?)
    }
}

/// The environment whose class or name is `name`.
///
/// # Errors
/// If none is.
///
/// ```
/// let parameters = serde_json::json!({"width": 4, "height": 3});
/// let env = twisterl::envs::find("LightsOut")?.make(parameters.as_object().unwrap())?;
/// assert_eq!(env.num_actions(), 12);
/// # Ok::<(), twisterl::Error>(())
/// ```
pub fn find(name: &str) -> Result<&'static Entry> {
    let mut all = ENVIRONMENTS.iter().chain(TASKS);
    let found = all.find(|entry| entry.class == name || entry.name == name);
    found.ok_or_else(|| {
        let classes: Vec<&str> =
            ENVIRONMENTS.iter().chain(TASKS).map(|entry| entry.class).collect();
        Error::invalid("environment", format!("one of {}", classes.join(", ")), name)
    })
}

/// The entry of an environment of the lists, and what makes an equal one, its state apart; `None` for another.
pub(crate) fn entry_of(env: &dyn Env) -> Option<(&'static Entry, Map<String, Value>)> {
    let mut all = ENVIRONMENTS.iter().chain(TASKS);
    all.find_map(|entry| Some((entry, (entry.built_from)(env)?)))
}

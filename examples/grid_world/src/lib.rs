//! An environment in a crate of its own: walk to the goal on an empty grid.
//!
//! [`Grid`] is the environment, [`GridWorld`] shows it to Python. Train it with
//! `python -m twisterl.train --config grid_world.json`.

use std::any::Any;
use std::borrow::Cow;

use twisterl::pyo3::prelude::*;
use twisterl::pyo3::types::PyDict;
use twisterl::python_interface::env::{get_env_ref, PyBaseEnv};
use twisterl::rl::env::{Env, Status, Twists};
use twisterl::rl::spec::EnvSpec;
use twisterl::rng::Rng;
use twisterl::{Error, Result};

const LEFT: usize = 0;
const UP: usize = 1;
const RIGHT: usize = 2;
const DOWN: usize = 3;
const OUT_OF_STEPS: f32 = -0.5;

/// A walker and its goal on `size` x `size` cells; solved when both are on the same cell.
///
/// Features `0..cells` say where the walker is, `cells..2 * cells` where the goal is. `reset`
/// puts the goal `difficulty` random moves away from the walker.
#[derive(Clone)]
struct Grid {
    size: usize,
    walker: usize,
    goal: usize,
    steps_left: usize,
    difficulty: usize,
    max_steps: usize,
    rng: Rng,
}

impl Grid {
    fn new(size: usize, difficulty: usize, max_steps: usize) -> Result<Self> {
        if !(2..=32).contains(&size) {
            return Err(Error::invalid("size", "an integer in 2..=32", size));
        }
        if max_steps == 0 {
            return Err(Error::invalid("max_steps", "at least 1", max_steps));
        }
        let rng = Rng::new(0);
        Ok(Self { size, walker: 0, goal: 0, steps_left: 1, difficulty, max_steps, rng })
    }

    fn cells(&self) -> usize {
        self.size * self.size
    }

    /// The cell that `action` leads to, or none at the border.
    fn neighbour(&self, cell: usize, action: usize) -> Option<usize> {
        let (x, y) = (cell % self.size, cell / self.size);
        match action {
            LEFT if x > 0 => Some(cell - 1),
            UP if y > 0 => Some(cell - self.size),
            RIGHT if x + 1 < self.size => Some(cell + 1),
            DOWN if y + 1 < self.size => Some(cell + self.size),
            _ => None,
        }
    }
}

impl Env for Grid {
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
    fn num_actions(&self) -> usize {
        4
    }
    fn obs_shape(&self) -> Vec<usize> {
        vec![2 * self.cells()]
    }
    fn set_difficulty(&mut self, difficulty: usize) {
        self.difficulty = difficulty;
    }
    fn get_difficulty(&self) -> usize {
        self.difficulty
    }
    fn set_state(&mut self, state: Vec<i64>) {
        let _ = self.try_set_state(&state);
    }
    fn reset(&mut self) {
        let mut rng = self.rng.clone();
        let _ = self.try_reset(&mut rng);
        self.rng = rng;
    }
    fn step(&mut self, action: usize) {
        self.walker = self.neighbour(self.walker, action).unwrap_or(self.walker);
        self.steps_left = self.steps_left.saturating_sub(1);
    }
    fn masks(&self) -> Vec<bool> {
        (0..4).map(|action| self.neighbour(self.walker, action).is_some()).collect()
    }
    fn is_final(&self) -> bool {
        self.success() || self.steps_left == 0
    }
    fn success(&self) -> bool {
        self.walker == self.goal
    }
    fn reward(&self) -> f32 {
        match (self.success(), self.steps_left) {
            (true, _) => 1.0,
            (false, 0) => OUT_OF_STEPS,
            _ => OUT_OF_STEPS / self.max_steps as f32,
        }
    }
    fn observe(&self) -> Vec<usize> {
        vec![self.walker, self.cells() + self.goal]
    }

    /// The grid as it is, and mirrored left to right, top to bottom, and both.
    fn twists(&self) -> Twists {
        let cells = self.cells();
        let mirrored = |flip_x: bool, flip_y: bool| -> Vec<usize> {
            let flip = |at: usize, flipped: bool| if flipped { self.size - 1 - at } else { at };
            let cell = |cell: usize| {
                flip(cell % self.size, flip_x) + self.size * flip(cell / self.size, flip_y)
            };
            (0..2 * cells)
                .map(|feature| cells * (feature / cells) + cell(feature % cells))
                .collect()
        };
        let obs_perms = vec![
            mirrored(false, false),
            mirrored(true, false),
            mirrored(false, true),
            mirrored(true, true),
        ];
        let act_perms = vec![
            vec![LEFT, UP, RIGHT, DOWN],
            vec![RIGHT, UP, LEFT, DOWN],
            vec![LEFT, DOWN, RIGHT, UP],
            vec![RIGHT, DOWN, LEFT, UP],
        ];
        (obs_perms, act_perms)
    }

    // What the engine calls. Everything above would do; these draw from the engine's seeded
    // stream, tell bad states, and do not allocate.

    fn spec(&self) -> Cow<'_, EnvSpec> {
        Cow::Owned(EnvSpec { has_uniform: true, tells_truncation: true, ..EnvSpec::of(self) })
    }
    fn try_reset(&mut self, rng: &mut Rng) -> Result<()> {
        self.goal = rng.below(self.cells() as u32) as usize;
        self.walker = self.goal;
        for _ in 0..self.difficulty {
            let action = rng.below(4) as usize;
            self.walker = self.neighbour(self.walker, action).unwrap_or(self.walker);
        }
        self.steps_left = self.max_steps;
        Ok(())
    }
    fn try_reset_uniform(&mut self, rng: &mut Rng) -> Result<()> {
        self.goal = rng.below(self.cells() as u32) as usize;
        self.walker = rng.below(self.cells() as u32) as usize;
        self.steps_left = self.max_steps;
        Ok(())
    }
    fn try_set_state(&mut self, state: &[i64]) -> Result<()> {
        let cells = 0..self.cells() as i64;
        match *state {
            [walker, goal] if cells.contains(&walker) && cells.contains(&goal) => {
                (self.walker, self.goal) = (walker as usize, goal as usize);
                self.steps_left = self.max_steps;
                Ok(())
            }
            _ => {
                let expected = format!("[walker, goal], cells in 0..{}", cells.end);
                Err(Error::invalid("state", expected, format!("{state:?}")))
            }
        }
    }
    // What a pickle keeps, besides the arguments of the constructor.
    fn snapshot(&self) -> Option<Vec<i64>> {
        let numbers = [self.walker, self.goal, self.steps_left, self.difficulty];
        let numbers = numbers.map(|number| number as i64);
        Some([numbers, self.rng.words().map(|word| word as i64)].concat())
    }
    fn restore(&mut self, snapshot: &[i64]) -> Result<()> {
        match *snapshot {
            [walker, goal, steps_left, difficulty, a, b, c, d]
                if steps_left.min(difficulty) >= 0 =>
            {
                self.try_set_state(&[walker, goal])?;
                (self.steps_left, self.difficulty) = (steps_left as usize, difficulty as usize);
                self.rng = Rng::from_words([a, b, c, d].map(|word| word as u64));
                Ok(())
            }
            _ => {
                let expected = "[walker, goal, steps_left, difficulty] and a random stream";
                Err(Error::invalid("snapshot", expected, format!("{snapshot:?}")))
            }
        }
    }
    fn try_observe(&self, indices: &mut Vec<i32>) -> Result<()> {
        indices.extend([self.walker as i32, (self.cells() + self.goal) as i32]);
        Ok(())
    }
    fn try_masks(&self, masks: &mut [bool]) -> Result<()> {
        for (action, mask) in masks.iter_mut().enumerate() {
            *mask = self.neighbour(self.walker, action).is_some();
        }
        Ok(())
    }
    fn try_status(&self) -> Result<Status> {
        let (success, out_of_steps) = (self.success(), self.steps_left == 0);
        Ok(Status {
            reward: self.reward(),
            is_final: success || out_of_steps,
            success,
            truncated: out_of_steps && !success,
        })
    }
}

/// Walk to the goal on `size` x `size` cells in at most `max_steps` steps.
#[pyclass(extends = PyBaseEnv, subclass, module = "grid_world", crate = "twisterl::pyo3")]
struct GridWorld;

#[pymethods(crate = "twisterl::pyo3")]
impl GridWorld {
    #[new]
    #[pyo3(signature = (size=8, difficulty=1, max_steps=32))]
    fn new(size: usize, difficulty: usize, max_steps: usize) -> PyResult<PyClassInitializer<Self>> {
        let env = Box::new(Grid::new(size, difficulty, max_steps)?);
        Ok(PyClassInitializer::from(PyBaseEnv { env }).add_subclass(Self))
    }

    /// The arguments that make an equal environment, its state apart.
    fn arguments<'py>(slf: PyRef<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let arguments = PyDict::new(slf.py());
        let grid = get_env_ref::<Grid>(slf.as_super())?;
        arguments.set_item("size", grid.size)?;
        arguments.set_item("difficulty", grid.difficulty)?;
        arguments.set_item("max_steps", grid.max_steps)?;
        Ok(arguments)
    }

    /// Cells of the walker and of the goal.
    fn get_state(slf: PyRef<'_, Self>) -> PyResult<(usize, usize)> {
        let grid = get_env_ref::<Grid>(slf.as_super())?;
        Ok((grid.walker, grid.goal))
    }
}

#[pymodule(crate = "twisterl::pyo3")]
fn grid_world(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<GridWorld>()
}

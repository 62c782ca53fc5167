//! `Puzzle`, the sliding puzzle in Python.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::args::integer;
use super::env::{arguments, get_env_mut, get_env_ref, PyBaseEnv};
use super::parameters::make;
use super::pickle;
use crate::envs::find;
use crate::envs::puzzle::Puzzle;
use crate::error::Error;

/// The sliding puzzle on a board of `width` x `height`, 1 to 16 each.
///
/// A state is the tile at every cell, row by row, 0 the blank; solved when tile `i` is at cell `i`.
/// Actions move the blank: 0 left, 1 up, 2 right, 3 down. `reset()` makes `difficulty` random moves
/// and leaves `depth_slope` steps for each of them; `set_state()` leaves `max_depth`. `forbid_undo`
/// masks the action that undoes the last one that moved the blank, `reflection` makes columns for rows
/// a symmetry of a square board. The reward is 1 solved, -0.5 out of steps, else -0.5 / `max_depth`.
///
/// Raises ValueError for what is out of range.
#[pyclass(name = "Puzzle", extends = PyBaseEnv, subclass, module = "twisterl.twisterl.env")]
pub struct PyPuzzle;

#[pymethods]
impl PyPuzzle {
    #[new]
    #[pyo3(
        signature = (*given, **named),
        text_signature = "(width=3, height=3, difficulty=1, depth_slope=2, max_depth=256, forbid_undo=False, reflection=False)"
    )]
    fn new(
        given: &Bound<'_, PyTuple>,
        named: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<PyClassInitializer<Self>> {
        let entry = find("Puzzle")?;
        let names: Vec<&str> = entry.parameters().iter().map(|known| known.name).collect();
        if given.len() > names.len() {
            let (most, got) = (names.len(), given.len());
            let problem = format!("Puzzle: expected at most {most} arguments, got {got}");
            return Err(PyTypeError::new_err(problem));
        }
        let mut values: Vec<_> =
            names.iter().map(|&name| name.to_owned()).zip(given.iter()).collect();
        for (name, value) in named.into_iter().flatten() {
            let name: String = name.extract()?;
            if names[..given.len()].contains(&name.as_str()) {
                let problem = format!("Puzzle: got multiple values for argument \"{name}\"");
                return Err(PyTypeError::new_err(problem));
            }
            values.push((name, value));
        }
        let env = make(entry, values)?;
        Ok(PyClassInitializer::from(PyBaseEnv { env }).add_subclass(PyPuzzle))
    }

    /// An independent copy of the same class, whose attributes are those of this one.
    fn copy<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        pickle::copy_of(slf, Self)
    }

    /// The arguments that make an equal environment, its state apart: a dictionary by name.
    fn arguments<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        arguments::<Puzzle>(slf.as_super())
    }

    /// Whether tile `i` is at cell `i`, for all of them, a boolean.
    fn solved(slf: PyRef<'_, Self>) -> PyResult<bool> {
        Ok(get_env_ref::<Puzzle>(slf.as_super())?.solved())
    }

    /// The tile in column `x`, row `y`; ValueError outside the board.
    fn get_position(
        slf: PyRef<'_, Self>,
        x: &Bound<'_, PyAny>,
        y: &Bound<'_, PyAny>,
    ) -> PyResult<usize> {
        let puzzle = get_env_ref::<Puzzle>(slf.as_super())?;
        let (x, y) = (column(puzzle, x)?, row(puzzle, y)?);
        puzzle
            .get_position(x, y)
            .ok_or_else(|| Error::invalid("x", "a column of the board", x).into())
    }

    /// Writes the tile `val` in column `x`, row `y`, for building a board tile by tile; ValueError
    /// for what is not on the board.
    fn set_position(
        mut slf: PyRefMut<'_, Self>,
        x: &Bound<'_, PyAny>,
        y: &Bound<'_, PyAny>,
        val: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let puzzle = get_env_mut::<Puzzle>(slf.as_super())?;
        let last_tile = (puzzle.width() * puzzle.height() - 1) as i64;
        let (x, y) = (column(puzzle, x)?, row(puzzle, y)?);
        puzzle.set_position(x, y, integer("val", val, 0..=last_tile)? as usize)?;
        Ok(())
    }
}

fn column(puzzle: &Puzzle, x: &Bound<'_, PyAny>) -> PyResult<usize> {
    Ok(integer("x", x, 0..=puzzle.width() as i64 - 1)? as usize)
}

fn row(puzzle: &Puzzle, y: &Bound<'_, PyAny>) -> PyResult<usize> {
    Ok(integer("y", y, 0..=puzzle.height() as i64 - 1)? as usize)
}

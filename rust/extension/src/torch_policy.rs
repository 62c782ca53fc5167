//! Networks that Python evaluates: any of them, at the price of entering the interpreter once a batch.

use numpy::ndarray::ArrayViewD;
use numpy::{IntoPyArray, PyArrayMethods, PyReadonlyArrayDyn};
use pyo3::prelude::*;

use twisterl::error::{Error, Result};
use twisterl::nn::{Evaluate, Outputs};
use twisterl::python_interface::error::wrong_type;

/// Rows by which torch gives an observation the same bits among however many others, as far as is known:
/// matrix products have kernels of their own for fewer than 16, and what is left of two vectors of 16
/// numbers goes through functions of single ones.
pub(crate) const BLOCK: usize = 32;

/// `evaluate` takes observations float32 `[N, *shape]`, 0 and 1 where they are sparse and shares of
/// 255 where they are bytes, and returns logits `[N, A]` and values `[N]` or `[N, 1]`. That of a policy
/// with memory also takes `states` `[N, S]` and returns those that follow.
pub(crate) struct Callback {
    pub(crate) evaluate: Py<PyAny>,
    pub(crate) shape: Vec<usize>,
    pub(crate) num_actions: usize,
    /// `S`
    pub(crate) state_size: usize,
}

impl Callback {
    fn ask(
        &self,
        py: Python<'_>,
        observations: Vec<f32>,
        states: Vec<f32>,
        to: Outputs<'_>,
    ) -> PyResult<()> {
        type Array<'py> = PyReadonlyArrayDyn<'py, f32>;
        let rows = observations.len() / self.shape.iter().product::<usize>();
        let observations =
            observations.into_pyarray(py).reshape([&[rows], &self.shape[..]].concat())?;
        let (actions, size) = (self.num_actions, self.state_size);
        let evaluate = self.evaluate.bind(py);
        let (logits, values): (Array<'_>, Array<'_>) = if size == 0 {
            let told = evaluate.call1((observations,))?;
            let expected = "a pair of float32 arrays, logits [N, A] and values [N]";
            told.extract().map_err(|_| wrong_type("policy", expected, &told))?
        } else {
            let states = states.into_pyarray(py).reshape([rows, size])?;
            let told = evaluate.call1((observations, states))?;
            let expected = "float32 arrays: logits [N, A], values [N] and states [N, S]";
            let (logits, values, after): (Array<'_>, Array<'_>, Array<'_>) =
                told.extract().map_err(|_| wrong_type("policy", expected, &told))?;
            copied("states", &[&[rows, size]], after.as_array(), to.states)?;
            (logits, values)
        };
        copied("logits", &[&[rows, actions]], logits.as_array(), to.logits)?;
        copied("values", &[&[rows], &[rows, 1]], values.as_array(), to.values)?;
        Ok(())
    }
}

impl Evaluate for Callback {
    fn evaluate(&self, observations: Vec<f32>, states: Vec<f32>, to: Outputs<'_>) -> Result<()> {
        Ok(Python::attach(|py| self.ask(py, observations, states, to))?)
    }
}

/// Copies the first rows of what was `told`, as many as there is room for.
fn copied(
    what: &str,
    shapes: &[&[usize]],
    told: ArrayViewD<'_, f32>,
    to: &mut [f32],
) -> Result<()> {
    if !shapes.contains(&told.shape()) {
        let (name, got) = (format!("{what} of the policy"), format!("{:?}", told.shape()));
        return Err(Error::invalid(name, format!("{:?}", shapes[0]), got));
    }
    // Columns of a wider tensor, as a module with one layer for both heads returns them, are read row by
    // row: an iterator over all of them would look up each number's place.
    let width = told.shape().last().copied().unwrap_or(1).max(1);
    for (to, row) in to.chunks_mut(width).zip(told.rows()) {
        to.iter_mut().zip(row).for_each(|(to, &from)| *to = from);
    }
    Ok(())
}

//! A policy that Python evaluates: any network, at the price of entering the interpreter once a
//! batch.

use std::sync::Arc;

use numpy::ndarray::ArrayViewD;
use numpy::{IntoPyArray, PyArrayMethods, PyReadonlyArrayDyn};
use pyo3::prelude::*;

use twisterl::error::{Error, Result};
use twisterl::nn::{check_outputs, Head, Policy, Scratch};
use twisterl::python_interface::error::wrong_type;
use twisterl::spaces::{ObsSpace, Parts, Rows};

/// `evaluate` takes observations float32 `[N, *shape]`, 0 and 1 where they are sparse and shares of
/// 255 where they are bytes, and returns logits `[N, A]` and values `[N]` or `[N, 1]`. That of a policy
/// with memory also takes `states` `[N, S]` and returns those that follow.
pub(crate) struct TorchPolicy {
    evaluate: Py<PyAny>,
    space: ObsSpace,
    num_actions: usize,
    /// `[S]`
    initial_state: Vec<f32>,
    head: Head,
    /// A batch is filled up with zeros to a multiple of so many rows.
    block: usize,
}

/// Rows by which torch gives an observation the same bits among however many others, as far as is known:
/// matrix products have kernels of their own for fewer than 16, and what is left of two vectors of 16
/// numbers goes through functions of single ones.
const BLOCK: usize = 32;

impl TorchPolicy {
    /// A policy of `num_actions` outputs, which `head` reads, for observations of `space`.
    pub(crate) fn new(
        evaluate: Py<PyAny>,
        space: ObsSpace,
        num_actions: usize,
        initial_state: Vec<f32>,
        head: Head,
    ) -> Result<Self> {
        head.check(num_actions)?;
        Ok(Self { evaluate, space, num_actions, initial_state, head, block: 1 })
    }

    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self {
            evaluate: self.evaluate.clone_ref(py),
            space: self.space.clone(),
            num_actions: self.num_actions,
            initial_state: self.initial_state.clone(),
            head: self.head.clone(),
            block: self.block,
        }
    }

    /// The policy for a game of many episodes, any part of which may be played by itself.
    pub(crate) fn of_many(&self, py: Python<'_>) -> Self {
        Self { block: BLOCK, ..self.clone_ref(py) }
    }

    /// What it was made of.
    pub(crate) fn parts(&self, py: Python<'_>) -> (Py<PyAny>, &ObsSpace, usize, &[f32]) {
        (self.evaluate.clone_ref(py), &self.space, self.num_actions, &self.initial_state)
    }

    /// The observations as numbers `[N * F]`.
    fn numbers(&self, rows: &Rows) -> Result<Vec<f32>> {
        let features = self.space.num_features();
        let mut all = vec![0.0; rows.len().next_multiple_of(self.block) * features];
        for (row, place) in all.chunks_exact_mut(features).take(rows.len()).enumerate() {
            self.space.check_row(row, rows.row(row))?;
            self.space.write(rows.row(row), place);
        }
        Ok(all)
    }

    fn ask(
        &self,
        py: Python<'_>,
        observations: Vec<f32>,
        states: &mut [f32],
        logits: &mut [f32],
        values: &mut [f32],
    ) -> PyResult<()> {
        type Array<'py> = PyReadonlyArrayDyn<'py, f32>;
        let rows = values.len().next_multiple_of(self.block);
        let shape = [&[rows], self.space.shape()].concat();
        let observations = observations.into_pyarray(py).reshape(shape)?;
        let (actions, size) = (self.num_actions, self.initial_state.len());
        let evaluate = self.evaluate.bind(py);
        let (told_logits, told_values): (Array<'_>, Array<'_>) = if size == 0 {
            let told = evaluate.call1((observations,))?;
            let expected = "a pair of float32 arrays, logits [N, A] and values [N]";
            told.extract().map_err(|_| wrong_type("policy", expected, &told))?
        } else {
            let more = self.initial_state.iter().cycle().take(rows * size - states.len());
            let before = states.iter().chain(more).copied().collect::<Vec<f32>>();
            let before = before.into_pyarray(py).reshape([rows, size])?;
            let told = evaluate.call1((observations, before))?;
            let expected = "float32 arrays: logits [N, A], values [N] and states [N, S]";
            let (logits, values, after): (Array<'_>, Array<'_>, Array<'_>) =
                told.extract().map_err(|_| wrong_type("policy", expected, &told))?;
            copied("states", &[&[rows, size]], after.as_array(), states)?;
            (logits, values)
        };
        copied("logits", &[&[rows, actions]], told_logits.as_array(), logits)?;
        copied("values", &[&[rows], &[rows, 1]], told_values.as_array(), values)?;
        Ok(())
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
        let name = format!("{what} of the policy");
        return Err(Error::invalid(
            name,
            format!("{:?}", shapes[0]),
            format!("{:?}", told.shape()),
        ));
    }
    // Columns of a wider tensor, as a module with one layer for both heads returns them, are read row by
    // row: an iterator over all of them would look up each number's place.
    let width = told.shape().last().copied().unwrap_or(1).max(1);
    for (to, row) in to.chunks_mut(width).zip(told.rows()) {
        to.iter_mut().zip(row).for_each(|(to, &from)| *to = from);
    }
    Ok(())
}

impl Policy for TorchPolicy {
    fn num_actions(&self) -> usize {
        self.num_actions
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn num_features(&self) -> usize {
        self.space.num_features()
    }

    fn obs_dtype(&self) -> &'static str {
        self.space.dtype()
    }

    fn obs_parts(&self) -> Option<&Parts> {
        self.space.parts()
    }

    fn num_twists(&self) -> usize {
        0
    }

    fn is_called_dearly(&self) -> bool {
        true
    }

    fn forward_batch(
        &self,
        rows: &Rows,
        twists: Option<&[i32]>,
        scratch: &mut Scratch,
        logits: &mut [f32],
        values: &mut [f32],
    ) -> Result<()> {
        let mut states = self.initial_state.repeat(rows.len());
        self.step_batch(rows, twists, &mut states, scratch, logits, values)
    }

    fn state_size(&self) -> usize {
        self.initial_state.len()
    }

    fn initial_state(&self, state: &mut [f32]) {
        state.copy_from_slice(&self.initial_state);
    }

    fn step_batch(
        &self,
        rows: &Rows,
        twists: Option<&[i32]>,
        states: &mut [f32],
        _scratch: &mut Scratch,
        logits: &mut [f32],
        values: &mut [f32],
    ) -> Result<()> {
        if let Some(twist) = twists.and_then(|twists| twists.iter().find(|twist| **twist != -1)) {
            return Err(Error::invalid("twist", "-1, for this policy has none", twist));
        }
        if rows.is_empty() {
            return Ok(());
        }
        let observations = self.numbers(rows)?;
        Python::attach(|py| self.ask(py, observations, states, logits, values))?;
        if let Some(number) = states.iter().find(|number| !number.is_finite()) {
            return Err(Error::Policy(format!("expected finite states, got {number}")));
        }
        check_outputs(logits, self.num_actions, values)
    }

    fn share(&self) -> Arc<dyn Policy> {
        Python::attach(|py| Arc::new(self.clone_ref(py)))
    }
}

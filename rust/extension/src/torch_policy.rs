//! A policy that Python evaluates: any network, at the price of entering the interpreter once a
//! batch.

use std::sync::Arc;

use numpy::ndarray::ArrayViewD;
use numpy::{IntoPyArray, PyArrayMethods, PyReadonlyArrayDyn};
use pyo3::prelude::*;

use twisterl::error::{Error, Result};
use twisterl::nn::{check_outputs, Policy, Scratch};
use twisterl::python_interface::error::wrong_type;
use twisterl::spaces::{check_row, numbers, Dtype, ObsSpace, Rows};

/// `evaluate` takes observations float32 `[N, *shape]`, 0 and 1 where they are sparse and shares of
/// 255 where they are bytes, and returns logits `[N, A]` and values `[N]` or `[N, 1]`.
pub(crate) struct TorchPolicy {
    evaluate: Py<PyAny>,
    space: ObsSpace,
    num_actions: usize,
}

impl TorchPolicy {
    /// A policy of `num_actions` actions for observations of `space`.
    pub(crate) fn new(evaluate: Py<PyAny>, space: ObsSpace, num_actions: usize) -> Self {
        Self { evaluate, space, num_actions }
    }

    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self::new(self.evaluate.clone_ref(py), self.space.clone(), self.num_actions)
    }

    /// What it was made of.
    pub(crate) fn parts(&self, py: Python<'_>) -> (Py<PyAny>, &ObsSpace, usize) {
        (self.evaluate.clone_ref(py), &self.space, self.num_actions)
    }

    /// The observations as numbers `[N * F]`.
    fn numbers(&self, rows: &Rows) -> Result<Vec<f32>> {
        let features = self.space.num_features();
        let dtype = Dtype::of(self.space.dtype());
        let mut all = vec![0.0; rows.len() * features];
        for (row, place) in all.chunks_exact_mut(features).enumerate() {
            let words = rows.row(row);
            check_row(row, words, features, dtype)?;
            match dtype {
                // A feature that is told twice counts twice, as in a sum of its weights.
                None => words.iter().for_each(|&feature| place[feature as usize] += 1.0),
                Some(dtype) => {
                    place.iter_mut().zip(numbers(words, dtype)).for_each(|(to, from)| *to = from);
                }
            }
        }
        Ok(all)
    }

    fn ask(
        &self,
        py: Python<'_>,
        observations: Vec<f32>,
        logits: &mut [f32],
        values: &mut [f32],
    ) -> PyResult<()> {
        let shape = [&[values.len()], self.space.shape()].concat();
        let observations = observations.into_pyarray(py).reshape(shape)?;
        let told = self.evaluate.bind(py).call1((observations,))?;
        type Told<'py> = (PyReadonlyArrayDyn<'py, f32>, PyReadonlyArrayDyn<'py, f32>);
        let expected = "a pair of float32 arrays, logits [N, A] and values [N]";
        let (told_logits, told_values): Told<'_> =
            told.extract().map_err(|_| wrong_type("policy", expected, &told))?;
        let (rows, actions) = (values.len(), self.num_actions);
        copied("logits", &[&[rows, actions]], told_logits.as_array(), logits)?;
        copied("values", &[&[rows], &[rows, 1]], told_values.as_array(), values)?;
        Ok(())
    }
}

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
    to.iter_mut().zip(told).for_each(|(to, &from)| *to = from);
    Ok(())
}

impl Policy for TorchPolicy {
    fn num_actions(&self) -> usize {
        self.num_actions
    }

    fn num_features(&self) -> usize {
        self.space.num_features()
    }

    fn obs_dtype(&self) -> &'static str {
        self.space.dtype()
    }

    fn num_twists(&self) -> usize {
        0
    }

    fn forward_batch(
        &self,
        rows: &Rows,
        twists: Option<&[i32]>,
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
        Python::attach(|py| self.ask(py, observations, logits, values))?;
        check_outputs(logits, self.num_actions, values)
    }

    fn share(&self) -> Arc<dyn Policy> {
        Python::attach(|py| Arc::new(self.clone_ref(py)))
    }
}

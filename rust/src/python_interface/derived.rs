//! What follows from the columns of collected data.

use numpy::ndarray::{Array2, ArrayView2};
use numpy::{IntoPyArray, PyReadonlyArray1};
use pyo3::prelude::*;

use super::columns::Ints;
use super::run::detached;
use crate::collector::distinct_rows;
use crate::collector::ppo::MASKED_LOGIT;
use crate::error::{Error, Result};
use crate::nn::exp_sum;
use crate::spaces::Rows;

/// # Errors
/// If the column `name` has not as many entries as there are rows.
pub(super) fn require_rows(name: &str, got: usize, rows: usize) -> Result<()> {
    if got == rows {
        return Ok(());
    }
    Err(Error::invalid(name, format!("{rows} entries as in obs"), got))
}

/// Which actions the logits `[N, A]` allow, and the log-probabilities `[N]` of `actions`.
///
/// # Errors
/// If there are not as many actions as rows, or one is none of `A`.
pub(super) fn legal_and_chosen(
    logits: ArrayView2<'_, f32>,
    actions: &[i64],
) -> Result<(Array2<bool>, Vec<f32>)> {
    require_rows("actions", actions.len(), logits.nrows())?;
    let rows = logits.outer_iter().zip(actions).enumerate();
    let log_probs = rows.map(|(row, (logits, &action))| {
        log_prob(&logits.to_vec(), action).ok_or_else(|| {
            Error::invalid(format!("actions[{row}]"), format!("0..{}", logits.len()), action)
        })
    });
    Ok((logits.mapv(|logit| logit > MASKED_LOGIT), log_probs.collect::<Result<_>>()?))
}

/// `(first, index)` int64 `[U]` and `[N]` of rows given by `indices` int32 `[K]`, `offsets` int64
/// `[N + 1]` and `perms` int32 `[N]`: the first row of each distinct one, and the distinct row that
/// each row equals.
///
/// Raises ValueError if `offsets` do not rise from 0 to `len(indices)`, one more than `perms`.
#[pyfunction(name = "distinct_rows")]
pub(super) fn distinct_rows_py(
    py: Python<'_>,
    indices: PyReadonlyArray1<'_, i32>,
    offsets: PyReadonlyArray1<'_, i64>,
    perms: PyReadonlyArray1<'_, i32>,
) -> PyResult<(Ints, Ints)> {
    let perms = perms.as_array().to_vec();
    let rows = Rows::from_parts(indices.as_array().to_vec(), offsets.as_array().to_vec());
    let Some(rows) = rows.filter(|rows| rows.len() == perms.len()) else {
        let expected = "rising from 0 to len(indices), one more than perms";
        return Err(Error::invalid("offsets", expected, "others").into());
    };
    let (first, index) = detached(py, |poll| distinct_rows(&rows, &perms, poll))?;
    Ok((first.into_pyarray(py).unbind(), index.into_pyarray(py).unbind()))
}

/// Log-softmax of `logits` at `action`; `None` if there is no such action.
fn log_prob(logits: &[f32], action: i64) -> Option<f32> {
    let taken = *logits.get(usize::try_from(action).ok()?)?;
    let (max, sum) = exp_sum(logits.iter().copied(), |_| ());
    Some(taken - max - sum.ln())
}

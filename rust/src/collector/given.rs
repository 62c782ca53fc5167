//! What follows from columns that a caller gives.

use crate::engine::lockstep::MASKED_LOGIT;
use crate::error::{Error, Result};
use crate::nn::exp_sum;

/// Refuses a column `name` of `got` entries where there are `rows` rows.
///
/// # Errors
/// If there are not as many entries as rows.
pub fn require_rows(name: &str, got: usize, rows: usize) -> Result<()> {
    if got == rows {
        return Ok(());
    }
    Err(Error::invalid(name, format!("{rows} entries as in obs"), got))
}

/// Which actions the logits `[N, A]` allow `[N, A]`, and the log-probabilities `[N]` of `actions`.
///
/// # Errors
/// If there are not as many actions as rows, or one is none of `A`.
pub fn legal_and_chosen(
    logits: &[f32],
    num_actions: usize,
    actions: &[i64],
) -> Result<(Vec<bool>, Vec<f32>)> {
    require_rows("actions", actions.len(), logits.len().checked_div(num_actions).unwrap_or(0))?;
    let rows = logits.chunks(num_actions.max(1)).zip(actions).enumerate();
    let log_probs = rows.map(|(row, (logits, &action))| {
        log_prob(logits, action).ok_or_else(|| {
            Error::invalid(format!("actions[{row}]"), format!("0..{num_actions}"), action)
        })
    });
    let log_probs = log_probs.collect::<Result<_>>()?;
    Ok((logits.iter().map(|&logit| logit > MASKED_LOGIT).collect(), log_probs))
}

/// Log-softmax of `logits` at `action`; `None` if there is no such action.
fn log_prob(logits: &[f32], action: i64) -> Option<f32> {
    let taken = *logits.get(usize::try_from(action).ok()?)?;
    let (max, sum) = exp_sum(logits.iter().copied(), |_| ());
    Some(taken - max - sum.ln())
}

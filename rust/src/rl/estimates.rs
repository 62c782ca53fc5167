//! What an environment knows of the way to its goal without a network.

use std::sync::Arc;

use crate::error::Result;

/// Estimates of the actions that are left, for states in words of the environment's own: what leads a beam of
/// the strategy `patterns`.
pub trait Estimates: Send + Sync {
    /// Words of a state.
    fn num_words(&self) -> usize;
    /// Writes the state that the environment gives as these numbers to `words [num_words]`.
    fn enter(&self, state: &[i64], words: &mut [u32]);
    /// Appends the children of the states `[N, num_words]`, in their order, but for those that their last actions
    /// came from. Of many states at once the look-ups do not wait for each other.
    fn children(&self, states: &[u32], children: &mut Vec<Child>);
    /// Makes each of the states `[N, num_words]` its child by one of `actions [N]`.
    fn step(&self, states: &mut [u32], actions: &[u8]);
    /// Estimates that have learned from `num_states` states which `teacher` solves; `None` if nothing is to be
    /// learned.
    ///
    /// # Errors
    /// Those of `teacher`.
    fn taught(
        &self,
        _num_states: usize,
        _teacher: &mut dyn Teacher,
    ) -> Result<Option<Arc<dyn Estimates>>> {
        Ok(None)
    }
}

/// Who solves states that [`Estimates`] learn from.
pub trait Teacher {
    /// The actions that solve each of `states` by these estimates, none for one that they do not solve.
    ///
    /// # Errors
    /// Only that of [`Teacher::poll`].
    fn solve(&mut self, estimates: &dyn Estimates, states: &[Vec<i64>]) -> Result<Vec<Vec<i64>>>;
    /// Those of a solution that it does not give up.
    fn most_actions(&self) -> usize;
    /// Fails if the work is to end.
    fn poll(&mut self) -> Result<()>;
}

/// A state after an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Child {
    /// The number of the state among those whose children were asked for.
    pub parent: u32,
    pub action: u8,
    /// The larger, the farther; 0 for goals alone.
    pub estimate: u16,
    /// Equal for equal states, and hardly ever for others.
    pub hash: u64,
}

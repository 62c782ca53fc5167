//! What an environment knows of the way to its goal without a network.

/// Estimates of the actions that are left, for states in words of the environment's own: what leads a beam of
/// the strategy `patterns`.
pub trait Estimates: Send + Sync {
    /// Words of a state.
    fn num_words(&self) -> usize;
    /// Writes the state that the environment gives as these numbers to `words [num_words]`.
    fn enter(&self, state: &[i64], words: &mut [u32]);
    /// Appends the children of the state but for the one that its last action came from.
    fn children(&self, words: &[u32], children: &mut Vec<Child>);
    /// Makes the state its child by `action`.
    fn step(&self, words: &mut [u32], action: u8);
}

/// A state after an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Child {
    pub action: u8,
    /// The larger, the farther; 0 for goals alone.
    pub estimate: u16,
    /// Equal for equal states, and hardly ever for others.
    pub hash: u64,
}

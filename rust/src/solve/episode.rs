//! What came of a start.

/// The best try from one start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Episode {
    pub success: bool,
    /// Sum of the rewards of all states, first and last included.
    pub reward: f32,
    /// The actions played, or what the environment says is its solution.
    pub actions: Vec<i64>,
    /// States that were given to the policy for this start, by all tries.
    pub nodes: u64,
}

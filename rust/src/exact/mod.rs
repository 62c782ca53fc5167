//! The exact optimum, for judging: shortest solutions, proven.
//!
//! Small spaces are searched once from the goal ([`breadth`]); larger ones from both ends, and those
//! whose steps cannot be undone from the state alone. Sliding puzzles of more than nine cells use
//! iterative deepening with pattern databases ([`deepening`], [`patterns`]); where actions flip features of
//! the observation, linear algebra tells the fewest. A [`Solver`] prepares what many states need; [`solve`]
//! answers for one, whose limits bound all that it does.
//!
//! ```
//! use twisterl::envs::puzzle::Puzzle;
//! use twisterl::exact::Solver;
//! use twisterl::search::Budget;
//! let env = Puzzle::new(3, 3, 1, 2, 256).unwrap();
//! let solver = Solver::new(&env, Solver::MOST_STATES, &mut || Ok(())).unwrap();
//! let state = [8, 0, 6, 5, 4, 7, 2, 3, 1];
//! let answer = solver.solve(&state, Budget::default(), &mut || Ok(())).unwrap();
//! assert_eq!(answer.actions.unwrap().len(), 31);
//! ```

pub mod breadth;
pub mod deepening;
mod flips;
mod forward;
pub(crate) mod goal_table;
pub mod meter;
mod once;
pub mod patterns;
mod solver;
pub mod views;

pub(crate) use once::from_here;
pub use once::solve;
pub use solver::{Preparation, Solver};

use crate::error::Error;

/// Draws of the goal that must agree for it to count as the only one.
const GOAL_DRAWS: u64 = 8;

/// What an exact search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// A shortest sequence of actions to the goal; `None` if the search was cut off.
    pub actions: Option<Vec<usize>>,
    /// No shorter sequence leads to the goal.
    pub at_least: usize,
}

impl Answer {
    fn found(actions: Vec<usize>) -> Self {
        Self { at_least: actions.len(), actions: Some(actions) }
    }

    fn unproven(at_least: usize) -> Self {
        Self { actions: None, at_least }
    }
}

fn out_of_reach(num_states: usize) -> Error {
    let got = format!("one of which the goal is out of reach ({num_states} states searched)");
    Error::invalid("state", "one that can be solved", got)
}

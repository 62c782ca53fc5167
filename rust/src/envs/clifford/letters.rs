//! X, Y and Z, in which actions and states tell a Pauli of one qubit.

pub(super) const LETTERS: [char; 3] = ['x', 'y', 'z'];
/// Pairs of letters.
pub(super) const PAIRS: usize = 9;

/// Whether what anticommutes with X and Z as the two bits say does so with a letter.
pub(super) const fn odd(anticommutes: usize, letter: usize) -> bool {
    match letter {
        0 => anticommutes & 1 == 1,
        1 => (anticommutes ^ anticommutes >> 1) & 1 == 1,
        _ => anticommutes >> 1 == 1,
    }
}

//! What a matrix's class shows at a glance: of each qubit's row and column how many ones they have, in
//! the matrix and in its inverse.

use super::super::bits::{counts, inverse, row, transposed, DIAGONAL, LOW};
use super::classes::MOST_QUBITS;

const COUNTS: usize = MOST_QUBITS + 1;
/// A row's ones and whether one of them is on the diagonal, of a matrix and of its inverse.
pub(super) const NUM_TRAITS: usize = (2 * COUNTS) * (2 * COUNTS);

/// A matrix and its inverse, and the transposes of both.
#[derive(Clone, Copy)]
struct Words {
    rows: [u64; 2],
    columns: [u64; 2],
}

impl Words {
    #[inline]
    fn of(matrix: u64, n: usize) -> Self {
        let rows = [matrix, inverse(matrix, n)];
        Self { rows, columns: rows.map(transposed) }
    }

    /// After row `control` was added to row `target`: from the inverse column `target` is taken off column
    /// `control`.
    #[inline]
    fn after(mut self, control: usize, target: usize) -> Self {
        let Self { rows, columns } = &mut self;
        let added = |word: u64, from: usize, to: usize| word ^ row(word, from) << (8 * to);
        let spread = |word: u64, from: usize, to: usize| word ^ (word >> from & LOW) << to;
        *rows = [added(rows[0], control, target), spread(rows[1], target, control)];
        *columns = [spread(columns[0], control, target), added(columns[1], target, control)];
        self
    }

    #[inline]
    fn traits(self, n: usize, traits: &mut Vec<u32>) {
        for words in [self.rows, self.columns] {
            let sides = words.map(|word| (counts(word), word & DIAGONAL));
            for q in 0..n {
                let look = sides
                    .map(|(counts, own)| 2 * row(counts, q) as u32 + u32::from(row(own, q) != 0));
                let [low, high] = [look[0].min(look[1]), look[0].max(look[1])];
                traits.push(low * 2 * COUNTS as u32 + high);
            }
        }
    }
}

/// Of the rows, then the columns, of a matrix of `n` qubits. Those of its inverse and of its transpose,
/// which are as far from the identity, are the same.
pub(super) fn traits(matrix: u64, n: usize, traits: &mut Vec<u32>) {
    Words::of(matrix, n).traits(n, traits);
}

/// As [`traits`] after each of `added`: a row and that which it is added to.
pub(super) fn after(
    matrix: u64,
    n: usize,
    added: impl Iterator<Item = (usize, usize)>,
    traits: &mut Vec<u32>,
) {
    let words = Words::of(matrix, n);
    added.for_each(|(control, target)| words.after(control, target).traits(n, traits));
}

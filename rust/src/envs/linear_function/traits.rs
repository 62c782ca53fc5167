//! What a matrix's class shows at a glance: of each qubit's row and column how many ones they have, in
//! the matrix and in its inverse.

use super::super::bits::{counts, inverse, row, transposed, DIAGONAL};
use super::classes::MOST_QUBITS;

const COUNTS: usize = MOST_QUBITS + 1;
/// A row's ones and whether one of them is on the diagonal, of a matrix and of its inverse.
pub(super) const NUM_TRAITS: usize = (2 * COUNTS) * (2 * COUNTS);

/// Of the rows, then the columns, of a matrix of `n` qubits. Those of its inverse and of its transpose,
/// which are as far from the identity, are the same.
pub(super) fn traits(matrix: u64, n: usize, traits: &mut Vec<u32>) {
    let inverse = inverse(matrix, n);
    for (word, other) in [(matrix, inverse), (transposed(matrix), transposed(inverse))] {
        let sides = [word, other].map(|word| (counts(word), word & DIAGONAL));
        for q in 0..n {
            let look =
                sides.map(|(counts, own)| 2 * row(counts, q) as u32 + u32::from(row(own, q) != 0));
            let [low, high] = [look[0].min(look[1]), look[0].max(look[1])];
            traits.push(low * 2 * COUNTS as u32 + high);
        }
    }
}

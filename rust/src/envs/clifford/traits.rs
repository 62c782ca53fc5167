//! What a Clifford's class shows at a glance: for each qubit's row and column of blocks, how many are
//! of which rank, and how those of rank one lie.

use super::super::bits::{counts, row, transposed};
use super::classes::MOST_QUBITS;

const COUNTS: usize = MOST_QUBITS + 1;
/// The ranks that the block on the diagonal may have.
const RANKS: usize = 3;

/// Numbers for the shapes of rows and columns: the blocks of rank one at each of the three points, in
/// whatever order, and the blocks of rank two.
pub(super) struct Shapes {
    n: usize,
    /// Whether all qubits are coupled; else shapes are numbered for each qubit anew.
    is_complete: bool,
    numbers: Vec<u16>,
    count: usize,
}

impl Shapes {
    /// `None` for too many qubits.
    pub(super) fn new(n: usize, edges: &[(usize, usize)]) -> Option<Self> {
        if n > MOST_QUBITS {
            return None;
        }
        let is_complete = edges.len() == n * (n - 1) / 2;
        let mut shapes = Self { n, is_complete, numbers: vec![0; COUNTS.pow(4)], count: 0 };
        let sizes = || 0..=n;
        let all = sizes().flat_map(|a| sizes().map(move |b| (a, b)));
        for (a, b) in all {
            for (c, two) in sizes().flat_map(|c| sizes().map(move |two| (c, two))) {
                if a <= b && b <= c && a + b + c + two <= n {
                    let orders = [[a, b, c], [a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]];
                    for [a, b, c] in orders {
                        shapes.numbers[index(a, b, c, two)] = shapes.count as u16;
                    }
                    shapes.count += 1;
                }
            }
        }
        Some(shapes)
    }

    pub(super) fn num_traits(&self) -> usize {
        self.count * RANKS * if self.is_complete { 1 } else { self.n }
    }

    /// Of all rows, then all columns; of `planes` two Paulis for each qubit, whose product is the third.
    pub(super) fn traits(&self, planes: &[[u32; 2]], traits: &mut Vec<u32>) {
        let n = self.n;
        // The blocks of rank two, and those of rank one by the row's point and by the letter.
        let mut two = 0;
        let (mut points, mut letters) = ([0; 3], [0; 3]);
        for (q, &[a, b]) in planes[..n].iter().enumerate() {
            let support = |pauli: u32| u64::from(pauli | pauli >> n) & ((1 << n) - 1);
            let supports = [support(a), support(b), support(a ^ b)];
            let whole = supports[0] & supports[1] & supports[2];
            let single = (supports[0] | supports[1]) & !whole;
            let (x, z) = (u64::from(a | b), u64::from((a | b) >> n));
            two |= whole << (8 * q);
            for (word, support) in points.iter_mut().zip(supports) {
                *word |= (single & !support) << (8 * q);
            }
            for (word, own) in letters.iter_mut().zip([x & !z, x & z, z & !x]) {
                *word |= (single & own) << (8 * q);
            }
        }
        let one = points[0] | points[1] | points[2];
        for (two, parts) in [(two, points), (transposed(two), letters.map(transposed))] {
            let twos = counts(two);
            let parts = parts.map(counts);
            for q in 0..n {
                let of = |word: u64| row(word, q) as usize;
                let shape = self.numbers[index(of(parts[0]), of(parts[1]), of(parts[2]), of(twos))];
                let diagonal = 1 << (9 * q);
                let rank = if two & diagonal != 0 { 2 } else { usize::from(one & diagonal != 0) };
                let place = if self.is_complete { 0 } else { q };
                traits.push((usize::from(shape) + self.count * (rank + RANKS * place)) as u32);
            }
        }
    }
}

#[inline]
fn index(a: usize, b: usize, c: usize, two: usize) -> usize {
    a + COUNTS * (b + COUNTS * (c + COUNTS * two))
}

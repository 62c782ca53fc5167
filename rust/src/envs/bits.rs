//! Matrices over GF(2) of up to eight rows in a word: row i in byte i, column j in bit j.

/// Bit 0 of every byte.
pub(super) const LOW: u64 = 0x0101_0101_0101_0101;
/// The identity of eight rows.
pub(super) const DIAGONAL: u64 = 0x8040_2010_0804_0201;

pub(super) fn packed(rows: impl Iterator<Item = u64>) -> u64 {
    rows.enumerate().fold(0, |word, (row, bits)| word | bits << (8 * row))
}

#[inline]
pub(super) fn row(word: u64, row: usize) -> u64 {
    word >> (8 * row) & 0xFF
}

/// Warren, "Hacker's Delight", section 7-3.
#[inline]
pub(super) fn transposed(mut word: u64) -> u64 {
    for (shift, mask) in
        [(7, 0x00AA_00AA_00AA_00AA), (14, 0x0000_CCCC_0000_CCCC), (28, 0x0000_0000_F0F0_F0F0)]
    {
        let moved = (word ^ word >> shift) & mask;
        word ^= moved ^ moved << shift;
    }
    word
}

/// Of an invertible matrix of `n` rows, by Gauss and Jordan.
#[inline]
pub(super) fn inverse(mut word: u64, n: usize) -> u64 {
    let mut inverse = DIAGONAL & u64::MAX >> (64 - 8 * n);
    for column in 0..n {
        let own = 8 * column;
        let pivots = word >> column & LOW & u64::MAX << own;
        let pivot = pivots.trailing_zeros() as usize / 8;
        if pivot != column && pivot < n {
            word ^= row(word, pivot) << own;
            inverse ^= row(inverse, pivot) << own;
        }
        let others = word >> column & LOW & !(1 << own);
        word ^= others * row(word, column);
        inverse ^= others * row(inverse, column);
    }
    inverse
}

/// The ones of each row, in its byte.
#[inline]
pub(super) fn counts(word: u64) -> u64 {
    let pairs = word - (word >> 1 & 0x5555_5555_5555_5555);
    let fours = (pairs & 0x3333_3333_3333_3333) + (pairs >> 2 & 0x3333_3333_3333_3333);
    (fours + (fours >> 4)) & 0x0F0F_0F0F_0F0F_0F0F
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn entry(word: u64, i: usize, j: usize) -> u64 {
        row(word, i) >> j & 1
    }

    fn product(a: u64, b: u64, n: usize) -> u64 {
        let of = |i| (0..n).fold(0, |sum, j| sum ^ (entry(a, i, j) * row(b, j)));
        packed((0..n).map(of))
    }

    #[test]
    fn words_are_matrices() {
        let mut rng = Rng::new(0);
        for n in 1..=8 {
            let one = DIAGONAL & u64::MAX >> (64 - 8 * n);
            let mut matrix = one;
            for _ in 0..200 {
                let (from, to) = (rng.below(n as u32) as usize, rng.below(n as u32) as usize);
                if from != to {
                    matrix ^= row(matrix, from) << (8 * to);
                }
                assert_eq!(product(matrix, inverse(matrix, n), n), one);
                let turned = transposed(matrix);
                for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
                    assert_eq!(entry(turned, i, j), entry(matrix, j, i));
                }
                let ones = |i| u64::from(row(matrix, i).count_ones());
                assert_eq!(counts(matrix), packed((0..n).map(ones)));
            }
        }
    }
}

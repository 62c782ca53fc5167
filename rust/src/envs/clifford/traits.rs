//! What a Clifford's class shows at a glance: for each qubit's row and column of blocks, how many are
//! of which rank, and how those of rank one lie.

use super::super::bits::{counts, row, transposed};
use super::classes::MOST_QUBITS;
use super::letters::{odd, PAIRS};

const COUNTS: usize = MOST_QUBITS + 1;
/// The ranks that the block on the diagonal may have.
const RANKS: usize = 3;

/// Numbers for the shapes of rows and columns: the blocks of rank one at each of the three points, in
/// whatever order, and the blocks of rank two.
pub(super) struct Shapes {
    n: usize,
    edges: Vec<(usize, usize)>,
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
        let (edges, numbers) = (edges.to_vec(), vec![0; COUNTS.pow(4)]);
        let mut shapes = Self { n, edges, is_complete, numbers, count: 0 };
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
                traits.push(u32::from(shape) + self.first_of(q, rank));
            }
        }
    }

    /// Of the first shape, in the row or column of a qubit whose block on the diagonal has this rank.
    #[inline]
    fn first_of(&self, qubit: usize, rank: usize) -> u32 {
        let place = if self.is_complete { 0 } else { qubit };
        (self.count * (rank + RANKS * place)) as u32
    }

    /// As [`Shapes::traits`] after each of the actions that are legal, [`PAIRS`] for each edge. Of the
    /// columns an action changes two alone, whose blocks after it stand in a table.
    pub(super) fn after(&self, planes: &[[u32; 2]], masks: &[bool], traits: &mut Vec<u32>) {
        let n = self.n;
        let letter = |pauli: u32, q: usize| (pauli >> (n + q) & 1 | (pauli >> q & 1) << 1) as usize;
        let mut letters = [[0; MOST_QUBITS]; MOST_QUBITS];
        let [mut rows, mut columns, mut firsts] = [[0; MOST_QUBITS]; 3];
        for (q, &[a, b]) in planes[..n].iter().enumerate() {
            for r in 0..n {
                let block = letter(a, r) | letter(b, r) << 2;
                letters[q][r] = block;
                rows[q] += BLOCKS[block].row;
                columns[r] += BLOCKS[block].column;
            }
            firsts[q] = self.first_of(q, BLOCKS[letters[q][q]].rank);
        }
        let shape = |at: u32| u32::from(self.numbers[at as usize]);
        let columns: [u32; MOST_QUBITS] =
            std::array::from_fn(|q| if q < n { shape(columns[q]) + firsts[q] } else { 0 });
        for (&(a, b), masks) in self.edges.iter().zip(masks.chunks(PAIRS)) {
            let (mut rest, mut turned) = (rows, [&TURNED[0]; MOST_QUBITS]);
            for q in 0..n {
                let blocks = [letters[q][a], letters[q][b]];
                rest[q] -= blocks.iter().map(|&block| BLOCKS[block].row).sum::<u32>();
                turned[q] = &TURNED[blocks[0] | blocks[1] << 4];
            }
            for pair in (0..PAIRS).filter(|&pair| masks[pair]) {
                let mut all = 0;
                let first = traits.len();
                traits.resize(first + 2 * n, 0);
                let own = &mut traits[first..];
                for q in 0..n {
                    let after = turned[q][pair];
                    all += after;
                    own[q] = shape(rest[q] + (after as u32 & 0xFFFF)) + firsts[q];
                }
                own[n..].copy_from_slice(&columns[..n]);
                for (q, which) in [(a, 0), (b, 1)] {
                    let rank = (turned[q][pair] >> (48 + 8 * which) & 0xFF) as usize;
                    let first = self.first_of(q, rank);
                    own[q] = own[q] - firsts[q] + first;
                    own[n + q] = shape((all >> (16 + 16 * which) & 0xFFFF) as u32) + first;
                }
            }
        }
    }
}

/// What a block adds to the [`index`] of its row and of its column.
#[derive(Clone, Copy)]
struct Block {
    row: u32,
    column: u32,
    rank: usize,
}

/// By the letters of two Paulis.
const BLOCKS: [Block; 16] = blocks();

const fn blocks() -> [Block; 16] {
    let mut table = [Block { row: 0, column: 0, rank: 0 }; 16];
    let mut at = 1;
    while at < 16 {
        let (a, b) = (at & 3, at >> 2);
        table[at] = if a != 0 && b != 0 && a != b {
            let two = index(0, 0, 0, 1) as u32;
            Block { row: two, column: two, rank: 2 }
        } else {
            // The Pauli without a letter, and the letter of the others: their bits are z, x.
            let point = if a == 0 {
                0
            } else if b == 0 {
                1
            } else {
                2
            };
            let letter = [2, 0, 1][(a | b) - 1];
            Block { row: COUNTS.pow(point) as u32, column: COUNTS.pow(letter) as u32, rank: 1 }
        };
        at += 1;
    }
    table
}

/// Of a row's two blocks at an action's edge, by their letters, `[a0, b0, a1, b1]` of two bits each, and by
/// the pair of letters of the action: what both blocks add to the row after it, then in 16 bits each what
/// the first and the second add to their columns, then in 8 bits each their ranks. What rows add does
/// not run over.
static TURNED: [[u64; PAIRS]; 256] = turned();

const fn turned() -> [[u64; PAIRS]; 256] {
    let mut table = [[0; PAIRS]; 256];
    let mut at = 0;
    while at < 256 {
        let mut pair = 0;
        while pair < PAIRS {
            let (p, q) = (pair / 3, pair % 3);
            // Both Paulis at the first qubit, and at the second.
            let (mut first, mut second) = (at & 15, at >> 4);
            let mut pauli = 0;
            while pauli < 2 {
                let letters = (first >> (2 * pauli) & 3, second >> (2 * pauli) & 3);
                if odd(letters.0, p) ^ odd(letters.1, q) {
                    first ^= [2, 3, 1][p] << (2 * pauli);
                    second ^= [2, 3, 1][q] << (2 * pauli);
                }
                pauli += 1;
            }
            let (first, second) = (BLOCKS[first], BLOCKS[second]);
            table[at][pair] = (first.row + second.row) as u64
                | (first.column as u64) << 16
                | (second.column as u64) << 32
                | (first.rank as u64) << 48
                | (second.rank as u64) << 56;
            pair += 1;
        }
        at += 1;
    }
    table
}

#[inline]
const fn index(a: usize, b: usize, c: usize, two: usize) -> usize {
    a + COUNTS * (b + COUNTS * (c + COUNTS * two))
}

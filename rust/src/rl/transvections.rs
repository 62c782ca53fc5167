//! States that are matrices over GF(2) with a row and a column, or two, for each qubit, which actions
//! change by transvections.

use crate::rng::mix;

/// Of all matrices of a state.
pub const MOST_ROWS: usize = 24;
/// Of a matrix; its rows too.
pub const MOST_COLUMNS: usize = 16;

/// The rows of all matrices of a state, one matrix after the other.
pub type Rows = [u16; MOST_ROWS];

/// From the right it adds `added` to all rows in which an odd number of the bits of `asked` are set. It
/// undoes itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transvection {
    pub asked: u16,
    pub added: u16,
}

/// What the states of an environment have in common.
pub struct Matrices {
    pub num_qubits: usize,
    /// The pairs of qubits that actions are of, each once.
    pub edges: Vec<(usize, usize)>,
    /// By action, its transvection of each matrix; it solves a state from the right.
    pub actions: Vec<Vec<Transvection>>,
    pub goal: Rows,
    pub kind: Kind,
    /// Equal for states that single-qubit gates and symmetries of the graph make of each other, hardly
    /// ever for others.
    pub hash: Box<dyn Fn(&Rows) -> u64 + Send + Sync>,
}

/// What a qubit has in a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One row q and one column q. A state is the transpose of a matrix and its inverse.
    Linear,
    /// Rows and columns q and `num_qubits + q`. A state is a symplectic matrix, up to single-qubit
    /// Cliffords.
    Symplectic,
}

impl Matrices {
    pub fn num_matrices(&self) -> usize {
        match self.kind {
            Kind::Linear => 2,
            Kind::Symplectic => 1,
        }
    }

    /// Of each matrix.
    pub fn num_rows(&self) -> usize {
        self.num_qubits * self.num_blocks()
    }

    /// Rows that a qubit has in a matrix.
    pub fn num_blocks(&self) -> usize {
        match self.kind {
            Kind::Linear => 1,
            Kind::Symplectic => 2,
        }
    }

    /// The rows, or columns, of a set of qubits.
    pub fn spread(&self, qubits: u16) -> u16 {
        match self.kind {
            Kind::Linear => qubits,
            Kind::Symplectic => qubits | qubits << self.num_qubits,
        }
    }

    /// The qubits that have some of the `columns`.
    pub fn qubits_of(&self, columns: u16) -> u16 {
        match self.kind {
            Kind::Linear => columns,
            Kind::Symplectic => {
                (columns | columns >> self.num_qubits) & ((1 << self.num_qubits) - 1)
            }
        }
    }

    /// `rows` after an action that solves them from the right.
    #[inline]
    pub fn play(&self, rows: &mut Rows, action: usize) {
        for (rows, turn) in rows.chunks_mut(self.num_rows()).zip(&self.actions[action]) {
            for row in rows {
                if (*row & turn.asked).count_ones() % 2 == 1 {
                    *row ^= turn.added;
                }
            }
        }
    }

    /// `rows` after an action from the left: what it does to their inverse from the right.
    #[inline]
    pub fn play_before(&self, rows: &mut Rows, action: usize) {
        for (rows, turn) in rows.chunks_mut(self.num_rows()).zip(&self.actions[action]) {
            let is_in = |set: u16, at: usize| set >> at & 1 == 1;
            let sum = (0..rows.len()).filter(|&i| is_in(turn.added, i)).fold(0, |s, i| s ^ rows[i]);
            (0..rows.len()).filter(|&i| is_in(turn.asked, i)).for_each(|i| rows[i] ^= sum);
        }
    }

    pub fn inverse(&self, rows: &Rows) -> Rows {
        let (n, size) = (self.num_qubits, self.num_rows());
        let mut inverse = [0; MOST_ROWS];
        match self.kind {
            Kind::Linear => {
                inverse[..n].copy_from_slice(&transposed(&rows[n..2 * n])[..n]);
                inverse[n..2 * n].copy_from_slice(&transposed(&rows[..n])[..n]);
            }
            Kind::Symplectic => {
                let (turned, full) = (transposed(&rows[..size]), self.spread((1 << n) - 1));
                for (i, row) in inverse[..size].iter_mut().enumerate() {
                    let of_partner = turned[(i + n) % size];
                    *row = (of_partner >> n | of_partner << n) & full;
                }
            }
        }
        inverse
    }

    /// Whether nothing is left but single-qubit gates.
    #[inline]
    pub fn is_solved(&self, rows: &Rows) -> bool {
        let n = self.num_qubits;
        match self.kind {
            Kind::Linear => rows[..n] == self.goal[..n],
            Kind::Symplectic => rows[..2 * n]
                .iter()
                .enumerate()
                .all(|(i, row)| row & !self.spread(1 << (i % n)) == 0),
        }
    }

    /// Actions from the right that do what `before` do from the left, in their order, where both leave
    /// `rest` of a state.
    pub fn turned(&self, before: &[usize], rest: &Rows) -> Option<Vec<usize>> {
        let image = |action: usize| match self.kind {
            Kind::Linear => Some(action),
            Kind::Symplectic => {
                let added = self.actions[action][0].added;
                let of = (0..self.num_rows()).filter(|&i| added >> i & 1 == 1);
                let added = of.fold(0, |sum, i| sum ^ rest[i]);
                self.actions.iter().position(|turns| turns[0].added == added)
            }
        };
        before.iter().rev().map(|&action| image(action)).collect()
    }
}

/// Equal for equal rows, hardly ever for others.
#[inline]
pub fn hashed(rows: &[u16]) -> u64 {
    let word = |rows: &[u16]| rows.iter().fold(0, |word, &row| word << 16 | u64::from(row));
    rows.chunks(4).fold(0, |hash, rows| mix(hash ^ word(rows)))
}

/// Bit j of row i is bit i of row j of `rows` (Warren, "Hacker's Delight", section 7-3).
#[inline]
fn transposed(rows: &[u16]) -> [u16; MOST_COLUMNS] {
    let mut turned = [0; MOST_COLUMNS];
    turned[..rows.len()].copy_from_slice(rows);
    for (size, mask) in [(8, 0x00FF), (4, 0x0F0F), (2, 0x3333), (1, 0x5555)] {
        for row in (0..MOST_COLUMNS).filter(|row| row & size == 0) {
            let moved = (turned[row] >> size ^ turned[row + size]) & mask;
            turned[row + size] ^= moved;
            turned[row] ^= moved << size;
        }
    }
    turned
}

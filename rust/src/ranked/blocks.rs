//! Ranks of blocks of matrices, of many states at once.
//!
//! A block has the rows of one set of qubits and the columns of another: single qubits, and both sides
//! of cuts that leave the graph in two connected parts. Single-qubit gates do not change ranks, and a gate
//! changes only those whose columns have one of its qubits and not the other. What a side leaves of a
//! symmetric block tells the rank of the opposite one (nullity theorem; Strang and Nguyen, "The
//! interplay of ranks of submatrices"), so that the smaller side of a cut stands for both in the rows.

use super::lanes::{Lanes, Words};
use crate::rl::transvections::{Kind, Matrices, Rows, MOST_COLUMNS, MOST_ROWS};

/// Ranks of the rows of at most half of the qubits.
pub(super) const RANKS: usize = MOST_COLUMNS / 2 + 1;
/// The most sets of qubits that rows are taken of.
const MOST_SETS: usize = 24;
/// What all actions together add to the columns of a set.
const MOST_ADDED: usize = 32;

/// The rows of all matrices of some states.
pub(super) type Group = [Words; MOST_ROWS];

/// Sets of rows, each with the next one's rows added, which are reduced together.
struct Chain {
    rows: Vec<usize>,
    /// After each of the rows the number of the set that is whole with it.
    wholes: Vec<Option<usize>>,
}

/// The columns of a set of qubits in a matrix.
pub(super) struct Columns {
    pub number: usize,
    first_row: usize,
    mask: u16,
    /// What actions add to them.
    added: Vec<u16>,
    /// The actions that change ranks, in their order.
    pub changes: Vec<Change>,
}

/// How an action changes the ranks of the blocks of some columns: by `u p^T`, if it adds p to the rows
/// that are asked for by the columns elsewhere.
pub(super) struct Change {
    pub action: usize,
    /// The number of p.
    added: usize,
    /// A bit of the columns elsewhere, or of what [`Blocks::folded`] makes of them.
    bit: usize,
    is_folded: bool,
}

/// A block of each state, its rows reduced.
#[derive(Clone, Copy)]
pub(super) struct Block<L> {
    pub set: usize,
    pub rank: L,
    /// Of its chain; what actions add stands after them.
    num_rows: usize,
    /// The columns elsewhere, and pairs of them, that no sum of the block's columns makes.
    outside: [L; 2],
}

/// What [`Blocks::reduce`] works on.
pub(super) struct Scratch<L> {
    rows: [L; MOST_COLUMNS / 2 + MOST_ADDED],
    asked: [[L; 2]; MOST_ADDED],
    changes: [L; MOST_ADDED],
    bits: [L; MOST_COLUMNS],
}

impl<L: Lanes> Scratch<L> {
    /// # Safety
    /// As for [`Lanes`].
    #[inline(always)]
    pub(super) unsafe fn new() -> Self {
        let zero = L::all(0);
        let mut bits = [zero; MOST_COLUMNS];
        for (bit, word) in bits.iter_mut().enumerate() {
            *word = L::all(1 << bit);
        }
        Self {
            rows: [zero; MOST_COLUMNS / 2 + MOST_ADDED],
            asked: [[zero; 2]; MOST_ADDED],
            changes: [zero; MOST_ADDED],
            bits,
        }
    }
}

pub(super) struct Blocks {
    num_qubits: usize,
    /// Whether actions ask for pairs of columns.
    has_pairs: bool,
    pub num_sets: usize,
    chains: Vec<Chain>,
    pub columns: Vec<Columns>,
}

impl Blocks {
    pub(super) fn new(matrices: &Matrices) -> Self {
        let n = matrices.num_qubits;
        let sets = sets_of(n, &matrices.edges);
        let full = all(n);
        let mut sides = sets.clone();
        let is_cut = |&set: &u16| is_connected(full & !set, &matrices.edges);
        let others: Vec<u16> =
            sets.iter().filter(|set| is_cut(set)).map(|set| full & !set).collect();
        sides.extend(others.into_iter().filter(|side| !sets.contains(side)));
        let columns = (0..matrices.num_matrices())
            .flat_map(|matrix| sides.iter().map(move |&side| (matrix, side)))
            .enumerate()
            .map(|(number, (matrix, side))| Columns::new(number, matrix, side, matrices))
            .collect();
        let chains = chains(&sets, matrices);
        let has_pairs = matrices.kind == Kind::Symplectic;
        Self { num_qubits: n, has_pairs, num_sets: sets.len(), chains, columns }
    }

    /// The number of blocks.
    pub(super) fn len(&self) -> usize {
        self.columns.len() * self.num_sets
    }

    /// A column z of two for each qubit is exchanged for its sum with x.
    #[inline(always)]
    unsafe fn folded<L: Lanes>(&self, word: L) -> L {
        word.xor(word.shifted(self.num_qubits as u32))
    }

    /// Calls `told(block, scratch)` for the blocks of some columns, of the lanes from `first` on.
    ///
    /// # Safety
    /// As for [`Lanes`].
    #[inline(always)]
    pub(super) unsafe fn reduce<L: Lanes>(
        &self,
        (group, first): (&Group, usize),
        columns: &Columns,
        scratch: &mut Scratch<L>,
        mut told: impl FnMut(Block<L>, &mut Scratch<L>),
    ) {
        let (zero, one, mask) = (L::all(0), L::all(1), L::all(columns.mask));
        let group = &group[columns.first_row..];
        for chain in &self.chains {
            let size = chain.rows.len();
            let rows = &mut scratch.rows[..size + columns.added.len()];
            for (i, &from) in chain.rows.iter().enumerate() {
                rows[i] = L::load(&group[from], first);
            }
            for (i, &added) in columns.added.iter().enumerate() {
                rows[size + i] = L::all(added);
            }
            let mut block = Block { set: 0, rank: zero, num_rows: size, outside: [zero; 2] };
            for (i, whole) in chain.wholes.iter().enumerate() {
                let rows = &mut scratch.rows[i..size + columns.added.len()];
                let (&mut pivot, below) = rows.split_first_mut().expect("a row is left");
                let is_new = pivot.have(mask);
                let own = pivot.and(mask);
                let lowest = own.and(zero.minus(own));
                for row in below {
                    *row = row.xor(L::choose(row.have(lowest), pivot, zero));
                }
                block.rank = block.rank.plus(L::choose(is_new, one, zero));
                let rest = L::choose(is_new, zero, pivot);
                block.outside[0] = block.outside[0].or(rest);
                if self.has_pairs {
                    block.outside[1] = block.outside[1].or(self.folded(rest));
                }
                if let &Some(set) = whole {
                    block.set = set;
                    told(block, scratch);
                }
            }
        }
    }

    /// Calls `told(number, change, mask, amount)` for all changes of the columns of a `block` that was
    /// just reduced: the lanes of `mask` have `amount` more, which is `up` or `down`.
    ///
    /// With p the rank grows by one if p is no sum of rows and u none of columns, and falls by one if both
    /// are and the sum for p has an odd part in u; else it stays.
    ///
    /// # Safety
    /// As for [`Lanes`].
    #[inline(always)]
    pub(super) unsafe fn changes<L: Lanes>(
        &self,
        columns: &Columns,
        block: Block<L>,
        [up, down]: [L; 2],
        scratch: &mut Scratch<L>,
        mut told: impl FnMut(usize, &Change, L::Mask, L),
    ) {
        let mask = L::all(columns.mask);
        let Scratch { rows, asked, changes, bits } = scratch;
        let sums = &rows[block.num_rows..];
        let [plain, folded] = block.outside;
        for (i, &sum) in sums[..columns.added.len()].iter().enumerate() {
            let is_new = sum.have(mask);
            asked[i][0] = L::choose(is_new, plain, sum.without(plain));
            if self.has_pairs {
                asked[i][1] = L::choose(is_new, folded, self.folded(sum).without(folded));
            }
            changes[i] = L::choose(is_new, up, down);
        }
        for (number, change) in columns.changes.iter().enumerate() {
            let word = asked[change.added % MOST_ADDED][usize::from(change.is_folded)];
            let is_asked = word.have(bits[change.bit % MOST_COLUMNS]);
            told(number, change, is_asked, changes[change.added % MOST_ADDED]);
        }
    }
}

impl Columns {
    fn new(number: usize, matrix: usize, side: u16, matrices: &Matrices) -> Self {
        let mask = matrices.spread(side);
        let (mut all_added, mut changes) = (Vec::new(), Vec::new());
        for (action, turns) in matrices.actions.iter().enumerate() {
            let (added, outside) = (turns[matrix].added & mask, turns[matrix].asked & !mask);
            if added == 0 || outside == 0 {
                continue;
            }
            let known = all_added.iter().position(|&other| other == added);
            let added = known.unwrap_or_else(|| {
                all_added.push(added);
                all_added.len() - 1
            });
            let (bit, is_folded) = (outside.trailing_zeros() as usize, outside.count_ones() > 1);
            changes.push(Change { action, added, bit, is_folded });
        }
        let first_row = matrix * matrices.num_rows();
        Self { number, first_row, mask, added: all_added, changes }
    }
}

/// At most [`LANES`](super::lanes::LANES) states side by side.
pub(super) fn grouped(states: impl Iterator<Item = Rows>) -> Group {
    let mut group = [Words::ZERO; MOST_ROWS];
    for (lane, rows) in states.enumerate() {
        group.iter_mut().zip(rows).for_each(|(words, row)| words.0[lane] = row);
    }
    group
}

fn all(num_qubits: usize) -> u16 {
    u16::MAX >> (16 - num_qubits)
}

/// Single qubits, then the smaller sides of cuts, those of the fewest edges first.
fn sets_of(n: usize, edges: &[(usize, usize)]) -> Vec<u16> {
    let mut cuts: Vec<(usize, u16)> = (1..all(n))
        .filter(|set| set.count_ones() > 1 && 2 * set.count_ones() as usize <= n)
        .filter(|set| 2 * (set.count_ones() as usize) < n || set & 1 == 1)
        .filter(|&set| is_connected(set, edges) && is_connected(all(n) & !set, edges))
        .map(|set| (edges.iter().filter(|(a, b)| (set >> a ^ set >> b) & 1 == 1).count(), set))
        .collect();
    cuts.sort_unstable();
    let singles = (0..n).map(|qubit| 1 << qubit);
    singles.chain(cuts.into_iter().map(|(_, set)| set)).take(MOST_SETS.max(n)).collect()
}

fn is_connected(set: u16, edges: &[(usize, usize)]) -> bool {
    let mut reached = set & set.wrapping_neg();
    loop {
        let grown =
            edges.iter().map(|&(a, b)| 1 << a | 1 << b).fold(reached, |reached, edge: u16| {
                if edge & !set == 0 && edge & reached != 0 {
                    reached | edge
                } else {
                    reached
                }
            });
        if grown == reached {
            return reached == set;
        }
        reached = grown;
    }
}

/// The largest sets first, each with what is a part of it and in no chain yet.
fn chains(sets: &[u16], matrices: &Matrices) -> Vec<Chain> {
    let mut left: Vec<usize> = (0..sets.len()).collect();
    left.sort_by_key(|&set| std::cmp::Reverse(sets[set].count_ones()));
    let mut chains = Vec::new();
    while !left.is_empty() {
        let mut nested = vec![left.remove(0)];
        while let Some(at) =
            left.iter().position(|&set| sets[set] & !sets[nested[nested.len() - 1]] == 0)
        {
            nested.push(left.remove(at));
        }
        let mut chain = Chain { rows: Vec::new(), wholes: Vec::new() };
        let mut before = 0;
        for set in nested.into_iter().rev() {
            let rows = matrices.spread(sets[set] & !before);
            chain.rows.extend((0..MOST_COLUMNS).filter(|row| rows >> row & 1 == 1));
            chain.wholes.resize(chain.rows.len(), None);
            *chain.wholes.last_mut().expect("a set has rows") = Some(set);
            before = sets[set];
        }
        chains.push(chain);
    }
    chains
}

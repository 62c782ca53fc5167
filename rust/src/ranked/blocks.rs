//! Ranks of blocks of matrices, of many states at once.
//!
//! A block has the rows of one set of qubits and the columns of another: single qubits, and both sides
//! of cuts that leave the graph in two connected parts. Single-qubit gates do not change ranks, and a gate
//! changes only those whose columns have one of its qubits and not the other. What a side leaves of a
//! symmetric block tells the rank of the opposite one (nullity theorem; Strang and Nguyen, "The
//! interplay of ranks of submatrices"), so that the smaller side of a cut stands for both in the rows.

use crate::rl::transvections::{Matrices, Rows, MOST_ROWS};

/// States that are looked at together.
pub(super) const LANES: usize = 16;
/// Ranks of the rows of at most half of the qubits.
pub(super) const RANKS: usize = MOST_ROWS / 2 + 1;
/// The most sets of qubits that rows are taken of.
const MOST_SETS: usize = 24;
/// Both sides of sets in two matrices.
pub(super) const MOST_COLUMNS: usize = 4 * MOST_SETS;

pub(super) type Lanes = [u16; LANES];
/// The rows of all matrices of some states.
pub(super) type Group = [Lanes; MOST_ROWS];

/// Sets of rows, each with the next one's rows added, which are reduced together.
struct Chain {
    rows: Vec<usize>,
    /// After each of the rows the number of the set that is whole with it.
    wholes: Vec<Option<usize>>,
}

/// The columns of a set of qubits in a matrix.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    pub number: usize,
    first_row: usize,
    mask: u16,
}

pub(super) struct Blocks {
    num_rows: usize,
    num_sets: usize,
    chains: Vec<Chain>,
    pub columns: Vec<Columns>,
    /// By action the columns whose blocks it changes.
    pub changed: Vec<Vec<Columns>>,
    /// By set, of its rows.
    most_ranks: Vec<usize>,
}

impl Blocks {
    pub(super) fn new(matrices: &Matrices) -> Self {
        let (n, num_rows) = (matrices.num_qubits, matrices.num_rows());
        let sets = sets_of(n, &matrices.edges);
        let full = all(n);
        let mut sides = sets.clone();
        let is_cut = |&set: &u16| is_connected(full & !set, &matrices.edges);
        let others: Vec<u16> =
            sets.iter().filter(|set| is_cut(set)).map(|set| full & !set).collect();
        sides.extend(others.into_iter().filter(|side| !sets.contains(side)));
        let columns: Vec<Columns> = (0..matrices.num_matrices())
            .flat_map(|matrix| sides.iter().map(move |&side| (matrix * num_rows, side)))
            .enumerate()
            .map(|(number, (first_row, side))| Columns {
                number,
                first_row,
                mask: matrices.spread(side),
            })
            .collect();
        let changed = matrices.actions.iter().map(|turns| {
            let is_changed = |columns: &&Columns| {
                let turn = turns[columns.first_row / num_rows];
                let outside = turn.asked & !columns.mask != 0;
                turn.added & columns.mask != 0 && outside
            };
            columns.iter().filter(is_changed).copied().collect()
        });
        let changed = changed.collect();
        let most_ranks =
            sets.iter().map(|&set| matrices.spread(set).count_ones() as usize).collect();
        let chains = chains(&sets, matrices);
        Self { num_rows, num_sets: sets.len(), chains, columns, changed, most_ranks }
    }

    /// The number of blocks.
    pub(super) fn len(&self) -> usize {
        self.columns.len() * self.num_sets
    }

    /// That a block can have.
    #[inline]
    pub(super) fn most_rank(&self, block: usize) -> usize {
        self.most_ranks[block % self.num_sets]
    }

    /// Calls `told(block, ranks)` for the blocks of some columns.
    #[inline(always)]
    pub(super) fn ranks(
        &self,
        group: &Group,
        columns: Columns,
        mut told: impl FnMut(usize, &Lanes),
    ) {
        let rows = &group[columns.first_row..columns.first_row + self.num_rows];
        for chain in &self.chains {
            let mut left = [[0; LANES]; MOST_ROWS / 2];
            for (row, &from) in left.iter_mut().zip(&chain.rows) {
                for lane in 0..LANES {
                    row[lane] = rows[from][lane] & columns.mask;
                }
            }
            let left = &mut left[..chain.rows.len()];
            let mut ranks = [0; LANES];
            for (i, whole) in chain.wholes.iter().enumerate() {
                let (pivot, below) = left[i..].split_first_mut().expect("a row is left");
                let mut lowest = [0; LANES];
                for lane in 0..LANES {
                    lowest[lane] = pivot[lane] & pivot[lane].wrapping_neg();
                    ranks[lane] += u16::from(pivot[lane] != 0);
                }
                for row in below {
                    for lane in 0..LANES {
                        let has = row[lane] & lowest[lane] != 0;
                        row[lane] ^= if has { pivot[lane] } else { 0 };
                    }
                }
                if let Some(set) = whole {
                    told(columns.number * self.num_sets + set, &ranks);
                }
            }
        }
    }

    /// `group` after an action.
    #[inline(always)]
    pub(super) fn after(&self, group: &Group, matrices: &Matrices, action: usize) -> Group {
        let mut after = *group;
        for (rows, turn) in after.chunks_mut(self.num_rows).zip(&matrices.actions[action]) {
            for row in rows {
                for bits in row {
                    let mut odd = *bits & turn.asked;
                    odd ^= odd >> 8;
                    odd ^= odd >> 4;
                    odd ^= odd >> 2;
                    odd ^= odd >> 1;
                    *bits ^= turn.added & 0_u16.wrapping_sub(odd & 1);
                }
            }
        }
        after
    }
}

/// At most [`LANES`] states side by side.
pub(super) fn grouped(states: impl Iterator<Item = Rows>) -> Group {
    let mut group = [[0; LANES]; MOST_ROWS];
    for (lane, rows) in states.enumerate() {
        group.iter_mut().zip(rows).for_each(|(lanes, row)| lanes[lane] = row);
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
            chain.rows.extend((0..MOST_ROWS).filter(|row| rows >> row & 1 == 1));
            chain.wholes.resize(chain.rows.len(), None);
            *chain.wholes.last_mut().expect("a set has rows") = Some(set);
            before = sets[set];
        }
        chains.push(chain);
    }
    chains
}

//! Cliffords whose circuits differ by the names of the qubits and by single-qubit gates before and after.
//!
//! A state is a graph. Its points are the three Paulis of each qubit, once as those whose images the
//! state keeps (rows) and once as letters of these images (columns). Where a row's images have letters
//! at another qubit, either two of the three have the same one, and an edge joins the third with this
//! letter, or all have different ones, and three edges join each with its own (Bravyi, Latone and
//! Maslov, "6-qubit optimal Clifford circuits", section 2). Hashes are those of colour refinement
//! (Weisfeiler and Leman): graphs that it does not tell apart have equal ones.

use crate::rng::mix;

/// The most qubits whose classes are told.
pub(super) const MOST_QUBITS: usize = 8;
const MOST_POINTS: usize = 3 * MOST_QUBITS;
/// Rounds of refinement.
const ROUNDS: usize = 3;
/// How far a colour is rotated where an edge is one of three,
const ONE_OF_THREE: u32 = 21;
/// and where it joins a qubit with itself.
const OF_ITSELF: u32 = 11;

/// Of three points of each qubit.
type Points = [u64; MOST_POINTS];

#[derive(Clone, Copy)]
struct Colours {
    rows: Points,
    columns: Points,
}

impl Colours {
    #[inline]
    fn of_qubit(&self, q: usize) -> u64 {
        sum_of(&self.rows, q).wrapping_add(sum_of(&self.columns, q))
    }
}

/// What the edges of a qubit's points show, by [`Ends`].
#[inline]
fn seen(points: &Points) -> [[u64; 8]; MOST_QUBITS] {
    let mut seen = [[0; 8]; MOST_QUBITS];
    for (seen, colours) in seen.iter_mut().zip(points.chunks(3)) {
        for (at, &colour) in colours.iter().enumerate() {
            seen[1 + at] = colour;
            seen[5 + at] = colour.rotate_left(ONE_OF_THREE);
        }
    }
    seen
}

#[inline]
fn sum_of(points: &Points, q: usize) -> u64 {
    points[3 * q..3 * q + 3].iter().fold(0, |sum, &colour| sum.wrapping_add(colour))
}

/// Of each of three points of a qubit, in three bits, with which point of another qubit an edge joins
/// it: none, that of a number from 1 on, or with 4 more that of an edge that is one of three.
type Ends = u16;

/// By the letters of two Paulis the ends of the rows, and of the columns.
const ENDS: [[Ends; 2]; 16] = ends();

const fn ends() -> [[Ends; 2]; 16] {
    let mut table = [[0; 2]; 16];
    let mut at = 0;
    while at < 16 {
        let (a, b) = (at & 3, at >> 2);
        let letters = [a, b, a ^ b];
        let is_one_of_three = a != 0 && b != 0 && a != b;
        let mut row = 0;
        while row < 3 {
            let letter = if is_one_of_three { letters[row] } else { a | b };
            if letter != 0 && is_one_of_three != (letters[row] == 0) {
                let kind = if is_one_of_three { 4 } else { 0 };
                table[at][0] |= (kind + letter as u16) << (3 * row);
                table[at][1] |= (kind + row as u16 + 1) << (3 * (letter - 1));
            }
            row += 1;
        }
        at += 1;
    }
    table
}

/// The ends of the points of each qubit at each qubit, `[rows, columns]`.
type Graph = [[[Ends; MOST_QUBITS]; MOST_QUBITS]; 2];

/// Of Cliffords of a number of qubits.
#[derive(Clone)]
pub(super) struct Classes {
    n: usize,
    /// By qubit those that it is coupled with, unless all are with all.
    coupled: Option<Vec<Vec<usize>>>,
}

impl Classes {
    /// `None` for too many qubits.
    pub(super) fn new(n: usize, edges: &[(usize, usize)]) -> Option<Self> {
        if n > MOST_QUBITS {
            return None;
        }
        let with = |q| {
            let other = |&(a, b): &(usize, usize)| match (a == q, b == q) {
                (true, _) => Some(b),
                (_, true) => Some(a),
                _ => None,
            };
            edges.iter().filter_map(other).collect()
        };
        let is_complete = edges.len() == n * (n - 1) / 2;
        let coupled = (!is_complete).then(|| (0..n).map(with).collect());
        Some(Self { n, coupled })
    }

    /// Equal for the states of a class; of `planes` two Paulis for each qubit, whose product is the third.
    pub(super) fn hash(&self, planes: &[[u32; 2]]) -> u64 {
        let graph = self.graph_of(planes);
        let mut colours = Colours { rows: [1; MOST_POINTS], columns: [2; MOST_POINTS] };
        for _ in 0..ROUNDS {
            colours = self.refined(&colours, &graph);
        }
        (0..self.n).fold(0, |sum, q| sum.wrapping_add(mix(colours.of_qubit(q))))
    }

    fn graph_of(&self, planes: &[[u32; 2]]) -> Graph {
        let n = self.n;
        let letter = |pauli: u32, q: usize| (pauli >> (n + q) & 1 | (pauli >> q & 1) << 1) as usize;
        let mut graph = [[[0; MOST_QUBITS]; MOST_QUBITS]; 2];
        for (q, &[a, b]) in planes[..n].iter().enumerate() {
            for r in 0..n {
                let [row, column] = ENDS[letter(a, r) | letter(b, r) << 2];
                graph[0][q][r] = row;
                graph[1][r][q] = column;
            }
        }
        graph
    }

    /// Each point with what its qubit looks like and what the points look like that edges join it with.
    fn refined(&self, colours: &Colours, graph: &Graph) -> Colours {
        let n = self.n;
        let mut own = *colours;
        for points in [&mut own.rows, &mut own.columns] {
            points[..3 * n].iter_mut().for_each(|colour| *colour = mix(*colour));
        }
        let seen = [seen(&own.columns), seen(&own.rows)];
        let mut next = own;
        for q in 0..n {
            let qubit = mix(own.of_qubit(q).wrapping_add(self.around(&own, q)));
            for (side, points) in [&mut next.rows, &mut next.columns].into_iter().enumerate() {
                let (ends, mut sums) = (&graph[side][q], [qubit; 3]);
                for (r, (&ends, seen)) in ends[..n].iter().zip(&seen[side]).enumerate() {
                    let rotation = if r == q { OF_ITSELF } else { 0 };
                    for (at, sum) in sums.iter_mut().enumerate() {
                        let colour = seen[usize::from(ends >> (3 * at) & 7)];
                        *sum = sum.wrapping_add(colour.rotate_left(rotation));
                    }
                }
                for (point, sum) in points[3 * q..3 * q + 3].iter_mut().zip(sums) {
                    *point = point.wrapping_mul(3).wrapping_add(sum);
                }
            }
        }
        next
    }

    /// What the qubits that are coupled with `q` look like.
    #[inline]
    fn around(&self, colours: &Colours, q: usize) -> u64 {
        let Some(coupled) = &self.coupled else { return 0 };
        let look = |&other: &usize| mix(colours.of_qubit(other)).rotate_left(7);
        coupled[q].iter().map(look).fold(0, u64::wrapping_add)
    }
}

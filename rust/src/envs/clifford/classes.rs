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
const MOST_EDGES: usize = 3 * MOST_QUBITS * MOST_QUBITS;
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

#[inline]
fn sum_of(points: &Points, q: usize) -> u64 {
    points[3 * q..3 * q + 3].iter().fold(0, |sum, &colour| sum.wrapping_add(colour))
}

#[derive(Clone, Copy, Default)]
struct Edge {
    row: u8,
    column: u8,
    rotation: u8,
}

struct Graph {
    edges: [Edge; MOST_EDGES],
    count: usize,
}

impl Graph {
    #[inline]
    fn join(&mut self, row: usize, column: usize, rotation: u32) {
        let (row, column, rotation) = (row as u8, column as u8, rotation as u8);
        self.edges[self.count] = Edge { row, column, rotation };
        self.count += 1;
    }
}

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
        let mut graph = Graph { edges: [Edge::default(); MOST_EDGES], count: 0 };
        for (q, &[a, b]) in planes[..n].iter().enumerate() {
            for r in 0..n {
                let (a, b) = (letter(a, r), letter(b, r));
                let rotation = if q == r { OF_ITSELF } else { 0 };
                let letters = [a, b, a ^ b];
                if a != 0 && b != 0 && a != b {
                    for (i, letter) in letters.into_iter().enumerate() {
                        graph.join(3 * q + i, 3 * r + letter - 1, rotation + ONE_OF_THREE);
                    }
                } else if a | b != 0 {
                    let none = letters.iter().position(|&letter| letter == 0).unwrap_or(0);
                    graph.join(3 * q + none, 3 * r + (a | b) - 1, rotation);
                }
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
        let mut next = own;
        for q in 0..n {
            let qubit = mix(own.of_qubit(q).wrapping_add(self.around(&own, q)));
            for points in [&mut next.rows, &mut next.columns] {
                for point in &mut points[3 * q..3 * q + 3] {
                    *point = point.wrapping_mul(3).wrapping_add(qubit);
                }
            }
        }
        for &Edge { row, column, rotation } in &graph.edges[..graph.count] {
            let (row, column) = (usize::from(row), usize::from(column));
            let seen = [own.columns[column], own.rows[row]].map(|c| c.rotate_left(rotation.into()));
            next.rows[row] = next.rows[row].wrapping_add(seen[0]);
            next.columns[column] = next.columns[column].wrapping_add(seen[1]);
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

//! Cliffords whose circuits differ by the names of the qubits and by single-qubit gates before and after.
//!
//! A state is a graph. Its points are the three Paulis of each qubit, once as those whose images the
//! state keeps (rows) and once as letters of these images (columns). Where a row's images have letters
//! at another qubit, either two of the three have the same one, and an edge joins the third with this
//! letter, or all have different ones, and three edges join each with its own (Bravyi, Latone and
//! Maslov, "6-qubit optimal Clifford circuits", section 2). Hashes are those of colour refinement
//! (Weisfeiler and Leman): graphs that it does not tell apart have equal ones.

mod eight;

use eight::{in_eights, Eight};

use crate::nn::CpuLevel;
/// The most qubits whose classes are told.
pub(super) const MOST_QUBITS: usize = 8;
/// Rounds of refinement.
const ROUNDS: usize = 3;
/// How far a colour is rotated where an edge is one of three,
const ONE_OF_THREE: u32 = 21;
/// and where it joins a qubit with itself.
const OF_ITSELF: u32 = 11;

/// By qubit, by how much a colour is rotated that an edge joins with that qubit.
const AT_ITSELF: [[u64; MOST_QUBITS]; MOST_QUBITS] = {
    let mut rotations = [[0; MOST_QUBITS]; MOST_QUBITS];
    let mut q = 0;
    while q < MOST_QUBITS {
        rotations[q][q] = OF_ITSELF as u64;
        q += 1;
    }
    rotations
};
/// By [`Ends`], by how much a colour is rotated.
const BY_ENDS: [u64; 8] = {
    let three = ONE_OF_THREE as u64;
    [0, 0, 0, 0, three, three, three, three]
};

/// Of each of three points, of all qubits.
type Points<E> = [E; 3];

/// What the edges of a qubit's points show, by [`Ends`].
///
/// # Safety
/// As for [`Eight`].
#[inline(always)]
unsafe fn seen<E: Eight>(points: Points<E>, qubit: usize) -> E {
    let (at, [x, y, z]) = (E::all(qubit as u64), points);
    let each = at.looked_up(x).only(0b0010_0010);
    let each = each.plus(at.looked_up(y).only(0b0100_0100));
    each.plus(at.looked_up(z).only(0b1000_1000)).rotated(E::load(&BY_ENDS))
}

/// [`mix`](crate::rng::mix) of each.
///
/// # Safety
/// As for [`Eight`].
#[inline(always)]
unsafe fn mixed<E: Eight>(z: E) -> E {
    let z = z.xor(z.shifted::<30>()).times(0xBF58_476D_1CE4_E5B9);
    let z = z.xor(z.shifted::<27>()).times(0x94D0_49BB_1331_11EB);
    z.xor(z.shifted::<31>())
}

/// Of each of three points of a qubit, in three bits, with which point of another qubit an edge joins
/// it: none, that of a number from 1 on, or with 4 more that of an edge that is one of three.
type Ends = u64;

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
                table[at][0] |= (kind + letter as u64) << (3 * row);
                table[at][1] |= (kind + row as u64 + 1) << (3 * (letter - 1));
            }
            row += 1;
        }
        at += 1;
    }
    table
}

/// The ends at each qubit of the points of each qubit, `[rows, columns]`.
type Graph = [[[Ends; MOST_QUBITS]; MOST_QUBITS]; 2];

/// Of Cliffords of a number of qubits.
#[derive(Clone)]
pub(super) struct Classes {
    n: usize,
    /// By qubit those that it is coupled with, unless all are with all.
    coupled: Option<Vec<Vec<usize>>>,
    level: CpuLevel,
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
        Some(Self { n, coupled, level: CpuLevel::detect() })
    }

    /// Equal for the states of a class; of `planes` two Paulis for each qubit, whose product is the third.
    pub(super) fn hash(&self, planes: &[[u32; 2]]) -> u64 {
        let graph = self.graph_of(planes);
        in_eights!(self.level, E, self.hash_of::<E>(&graph))
    }

    fn graph_of(&self, planes: &[[u32; 2]]) -> Graph {
        let n = self.n;
        let letter = |pauli: u32, q: usize| (pauli >> (n + q) & 1 | (pauli >> q & 1) << 1) as usize;
        let mut graph = [[[0; MOST_QUBITS]; MOST_QUBITS]; 2];
        for (q, &[a, b]) in planes[..n].iter().enumerate() {
            for r in 0..n {
                let [row, column] = ENDS[letter(a, r) | letter(b, r) << 2];
                graph[0][r][q] = row;
                graph[1][q][r] = column;
            }
        }
        graph
    }

    /// # Safety
    /// As for [`Eight`].
    #[inline(always)]
    unsafe fn hash_of<E: Eight>(&self, graph: &Graph) -> u64 {
        let mut sides = [[E::all(1); 3], [E::all(2); 3]];
        for _ in 0..ROUNDS {
            sides = self.refined(sides, graph);
        }
        let qubits = mixed(of_qubits(sides)).stored();
        qubits[..self.n].iter().fold(0, |sum, &qubit| sum.wrapping_add(qubit))
    }

    /// Each point with what its qubit looks like and what the points look like that edges join it with.
    ///
    /// # Safety
    /// As for [`Eight`].
    #[inline(always)]
    unsafe fn refined<E: Eight>(&self, sides: [Points<E>; 2], graph: &Graph) -> [Points<E>; 2] {
        // Loops, since what a closure does is not compiled for the processor.
        let mut own = sides;
        for points in &mut own {
            for colours in points {
                *colours = mixed(*colours);
            }
        }
        let qubits = of_qubits(own);
        let qubits = mixed(match &self.coupled {
            None => qubits,
            Some(coupled) => qubits.plus(around(qubits, coupled)),
        });
        let mut next = own;
        for (side, points) in next.iter_mut().enumerate() {
            let mut sums = [qubits; 3];
            for r in 0..self.n {
                let (ends, seen) = (E::load(&graph[side][r]), seen(own[1 - side], r));
                let at_itself = E::load(&AT_ITSELF[r]);
                let shows = [ends, ends.shifted::<3>(), ends.shifted::<6>()];
                for (sum, end) in sums.iter_mut().zip(shows) {
                    *sum = sum.plus(end.looked_up(seen).rotated(at_itself));
                }
            }
            for (colours, sum) in points.iter_mut().zip(sums) {
                *colours = colours.plus(*colours).plus(*colours).plus(sum);
            }
        }
        next
    }
}

/// # Safety
/// As for [`Eight`].
#[inline(always)]
unsafe fn of_qubits<E: Eight>([rows, columns]: [Points<E>; 2]) -> E {
    let mut sum = E::all(0);
    for colours in [rows, columns].as_flattened() {
        sum = sum.plus(*colours);
    }
    sum
}

/// What the qubits that each is coupled with look like.
///
/// # Safety
/// As for [`Eight`].
#[inline(always)]
unsafe fn around<E: Eight>(qubits: E, coupled: &[Vec<usize>]) -> E {
    let looks = mixed(qubits).stored();
    let mut sums = [0_u64; MOST_QUBITS];
    for (sum, coupled) in sums.iter_mut().zip(coupled) {
        let look = |&other: &usize| looks[other].rotate_left(7);
        *sum = coupled.iter().map(look).fold(0, u64::wrapping_add);
    }
    E::load(&sums)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn hashes_do_not_depend_on_the_processor() {
        let rng = &mut Rng::new(4);
        for n in 2..=MOST_QUBITS {
            let line: Vec<_> = (1..n).map(|q| (q - 1, q)).collect();
            let mut classes = Classes::new(n, &line).unwrap();
            let most = (1 << (2 * n)) - 1;
            let planes =
                [[0; 2]; MOST_QUBITS].map(|own| own.map(|_: u32| rng.next_u64() as u32 & most));
            classes.level = CpuLevel::Portable;
            let expected = classes.hash(&planes);
            for level in [CpuLevel::Avx512, CpuLevel::Avx2] {
                classes.level = level;
                assert!(
                    !level.is_available() || classes.hash(&planes) == expected,
                    "{n} {level:?}"
                );
            }
        }
    }
}

//! Linear-function synthesis: an invertible matrix over GF(2), brought to the identity by CNOTs.

mod classes;
mod traits;

use std::collections::BTreeSet;

use classes::Classes;

use super::bits;
use super::coupling::{self, Coupling, Direction};
use super::parameters::{Parameter, Parameters};
use super::scrambled::{entries, packed, Rules, Scrambled};
use crate::error::{Error, Result};
use crate::rl::env::Twists;
use crate::rl::transvections::{hashed, Kind, Matrices, Rows, Transvection, MOST_ROWS};
use crate::rng::Rng;

const MOST_QUBITS: usize = 16;

/// Synthesis of linear reversible circuits. Action `cx(c,t)`, for each directed edge of the
/// coupling graph, adds row `c` to row `t`; solved at the identity. Feature
/// `row * num_qubits + column` for every 1 of the matrix.
///
/// CNOTs undo themselves, so the actions that solve a matrix, in reverse order, are a circuit of
/// it (Patel, Markov and Hayes, "Optimal synthesis of linear reversible circuits").
pub type LinearFunction = Scrambled<Cnots>;

/// The rules of [`LinearFunction`].
pub struct Cnots {
    graph: Coupling,
    classes: Option<Classes>,
}

/// Bit `column` of every row; rows and columns that are not there are those of the identity.
type Matrix = [u16; MOST_QUBITS];

fn identity() -> Matrix {
    std::array::from_fn(|row| 1 << row)
}

fn is_invertible(mut matrix: Matrix) -> bool {
    for column in 0..MOST_QUBITS {
        let Some(pivot) = (column..MOST_QUBITS).find(|&row| matrix[row] >> column & 1 == 1) else {
            return false;
        };
        matrix.swap(column, pivot);
        for row in column + 1..MOST_QUBITS {
            if matrix[row] >> column & 1 == 1 {
                matrix[row] ^= matrix[column];
            }
        }
    }
    true
}

/// Of an invertible matrix, by Gauss and Jordan.
fn inverse(mut matrix: Matrix) -> Matrix {
    let mut inverse = identity();
    for column in 0..MOST_QUBITS {
        let pivot = (column..MOST_QUBITS).find(|&row| matrix[row] >> column & 1 == 1);
        let Some(pivot) = pivot else { return inverse };
        matrix.swap(column, pivot);
        inverse.swap(column, pivot);
        for row in (0..MOST_QUBITS).filter(|&row| row != column) {
            if matrix[row] >> column & 1 == 1 {
                matrix[row] ^= matrix[column];
                inverse[row] ^= inverse[column];
            }
        }
    }
    inverse
}

impl Cnots {
    /// Of the transpose and the inverse, of at most 12 qubits.
    fn rows(&self, matrix: &Matrix) -> Rows {
        let n = self.graph.num_qubits;
        let inverse = inverse(*matrix);
        std::array::from_fn(|at| match at {
            _ if at < n => (0..n).fold(0, |row, i| row | (matrix[i] >> at & 1) << i),
            _ if at < 2 * n => inverse[at - n],
            _ => 0,
        })
    }
    /// Of at most 8 qubits.
    fn word(&self, matrix: &Matrix) -> u64 {
        bits::packed(matrix[..self.graph.num_qubits].iter().map(|&row| u64::from(row)))
    }
    fn is_one(&self, matrix: &Matrix, entry: usize) -> bool {
        let n = self.graph.num_qubits;
        matrix[entry / n] >> (entry % n) & 1 == 1
    }
}

impl Rules for Cnots {
    type State = Matrix;
    const NAME: &'static str = "LinearFunction";
    const PARAMETERS: &'static [Parameter] =
        &coupling::parameters(MOST_QUBITS as u32, "rows of the matrix");

    fn new(parameters: &Parameters) -> Result<Self> {
        let graph = Coupling::new(parameters, Direction::OneWay)?;
        Ok(Self { classes: Classes::new(&graph), graph })
    }

    fn action_names(&self) -> Vec<String> {
        self.graph.edges.iter().map(|(control, target)| format!("cx({control},{target})")).collect()
    }
    #[inline]
    fn num_actions(&self) -> usize {
        self.graph.edges.len()
    }
    fn obs_shape(&self) -> Vec<usize> {
        vec![self.graph.num_qubits; 2]
    }

    fn goal(&self, _: &mut Rng) -> Matrix {
        identity()
    }
    #[inline]
    fn is_goal(&self, matrix: &Matrix) -> bool {
        *matrix == identity()
    }
    #[inline]
    fn apply(&self, matrix: &mut Matrix, action: usize) {
        let (control, target) = self.graph.edges[action];
        matrix[target] ^= matrix[control];
    }
    #[inline]
    fn observe(&self, matrix: &Matrix, indices: &mut Vec<i32>) {
        let n = self.graph.num_qubits;
        for (row, &bits) in matrix[..n].iter().enumerate() {
            let mut bits = bits;
            while bits != 0 {
                indices.push((row * n) as i32 + bits.trailing_zeros() as i32);
                bits &= bits - 1;
            }
        }
    }
    /// Rows of random bits, one word each, until they are invertible: 3.5 tries on average.
    fn uniform(&self, rng: &mut Rng) -> Matrix {
        let n = self.graph.num_qubits;
        loop {
            let mut matrix = identity();
            for row in &mut matrix[..n] {
                *row = (rng.next_u64() & ((1 << n) - 1)) as u16;
            }
            if is_invertible(matrix) {
                return matrix;
            }
        }
    }

    fn numbers(&self, matrix: &Matrix) -> Vec<i64> {
        (0..self.graph.num_qubits.pow(2)).map(|e| i64::from(self.is_one(matrix, e))).collect()
    }
    fn parse(&self, numbers: &[i64]) -> Result<Matrix> {
        let n = self.graph.num_qubits;
        let mut matrix = identity();
        for (row, entries) in matrix.iter_mut().zip(entries(numbers, n * n, 2)?.chunks(n)) {
            *row = entries.iter().rev().fold(0, |row, &bit| row << 1 | bit as u16);
        }
        Ok(matrix)
    }
    fn check_solvable(&self, matrix: &Matrix) -> Result<()> {
        if is_invertible(*matrix) {
            return Ok(());
        }
        let got = format!("{:?}, whose rows depend on each other", self.numbers(matrix));
        Err(Error::invalid("state", "an invertible matrix", got))
    }
    /// One row a line, `.` for 0.
    fn render(&self, matrix: &Matrix) -> String {
        let n = self.graph.num_qubits;
        let draw = |entry: usize| if self.is_one(matrix, entry) { "1" } else { "." };
        let row = |row: usize| (0..n).map(|c| draw(row * n + c)).collect::<Vec<_>>().join(" ");
        (0..n).map(|index| row(index) + "\n").collect()
    }

    fn inverse_actions(&self) -> Option<Vec<usize>> {
        Some((0..self.num_actions()).collect())
    }
    /// Up to 11 qubits.
    fn key(&self, matrix: &Matrix) -> Option<u128> {
        let n = self.graph.num_qubits;
        packed(&matrix[..n], n as u32)
    }
    /// Up to 8 qubits.
    fn class_key(&self, matrix: &Matrix) -> Option<u128> {
        self.classes.as_ref().map(|classes| classes.key(self.word(matrix)).into())
    }
    /// Up to 8 qubits.
    fn class_hash(&self, matrix: &Matrix) -> Option<u64> {
        self.classes.as_ref().map(|classes| classes.key(self.word(matrix)))
    }
    /// Up to 8 qubits, all of which are coupled.
    fn traits(&self, matrix: &Matrix, traits: &mut Vec<u32>) {
        traits::traits(self.word(matrix), self.graph.num_qubits, traits);
    }
    fn traits_after(&self, matrix: &Matrix, masks: &[bool], traits: &mut Vec<u32>) {
        let legal = self.graph.edges.iter().zip(masks).filter(|(_, &legal)| legal);
        let added = legal.map(|(&edge, _)| edge);
        traits::after(self.word(matrix), self.graph.num_qubits, added, traits);
    }
    fn num_traits(&self) -> usize {
        self.classes
            .as_ref()
            .filter(|classes| classes.is_complete())
            .map_or(0, |_| traits::NUM_TRAITS)
    }
    /// Up to 12 qubits.
    fn matrices(&self, matrix: &Matrix) -> Option<(Matrices, Rows)> {
        let n = self.graph.num_qubits;
        if 2 * n > MOST_ROWS {
            return None;
        }
        let turns = |&(control, target): &(usize, usize)| {
            let (control, target) = (1 << control, 1 << target);
            let of = |asked, added| Transvection { asked, added };
            vec![of(control, target), of(target, control)]
        };
        let edges = self.graph.edges.iter().map(|&(a, b)| (a.min(b), a.max(b)));
        let matrices = Matrices {
            num_qubits: n,
            edges: edges.collect::<BTreeSet<_>>().into_iter().collect(),
            actions: self.graph.edges.iter().map(turns).collect(),
            goal: self.rows(&identity()),
            kind: Kind::Linear,
            hash: Box::new(move |rows| hashed(&rows[..n])),
        };
        Some((matrices, self.rows(matrix)))
    }
    /// The symmetries of a named topology: rows and columns relabelled alike.
    fn twists(&self) -> Twists {
        self.graph.twists(Direction::OneWay)
    }
}

//! Clifford synthesis: a symplectic matrix, brought to single-qubit Cliffords by two-qubit gates.

mod classes;
mod letters;
mod traits;

use classes::Classes;
use letters::{odd, LETTERS, PAIRS};
use traits::Shapes;

use super::coupling::{self, Coupling, Direction};
use super::parameters::{Parameter, Parameters};
use super::scrambled::{entries, packed, Rules, Scrambled};
use crate::error::{Error, Result};
use crate::rl::env::Twists;
use crate::rl::transvections::{Kind, Matrices, Rows, Transvection};
use crate::rng::Rng;

pub(super) const MOST_QUBITS: usize = 16;
/// Of the letters X, Y, Z; the identity first.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// Synthesis of Clifford circuits up to Paulis, where only two-qubit gates cost. Action `zx(a,b)`,
/// for each edge and each pair of letters, is `exp(i pi/4 Z_a X_b)`, a CNOT up to single-qubit
/// gates.
///
/// Of a Clifford C the state keeps, for each qubit q, which three Paulis C⁻¹ takes those of q to:
/// single-qubit gates after C do not change it. Solved where they are those of q. The actions that
/// solve a state are then, in their order, the two-qubit gates of a circuit of C, up to
/// single-qubit gates at its end (Bravyi, Latone and Maslov, "6-qubit optimal Clifford circuits").
pub type Clifford = Scrambled<Rotations>;

/// The rules of [`Clifford`].
pub struct Rotations {
    graph: Coupling,
    /// By action, its Pauli and [`Rotations::swapped`].
    axes: Vec<(Pauli, Pauli)>,
    /// By `a * num_qubits + b`, the first action of an edge.
    first_actions: Vec<Option<usize>>,
    classes: Option<Classes>,
    shapes: Option<Shapes>,
}

/// Bit q is X at qubit q, bit `num_qubits + q` Z; both are Y.
pub(super) type Pauli = u32;

/// The two smallest Paulis of each qubit's three, the smaller one first; the third is their product.
pub(super) type Planes = [[Pauli; 2]; MOST_QUBITS];

/// Of the Paulis `a`, `b` and their product the two smallest.
#[inline]
pub(super) fn plane(a: Pauli, b: Pauli) -> [Pauli; 2] {
    let (low, high) = (a.min(b), a.max(b));
    let third = a ^ b;
    match (third < low, third < high) {
        (true, _) => [third, low],
        (false, true) => [low, third],
        (false, false) => [low, high],
    }
}

/// How a letter is written in the bits x, z.
fn bits(letter: usize) -> (Pauli, Pauli) {
    [(1, 0), (1, 1), (0, 1)][letter]
}

impl Rotations {
    pub(super) fn n(&self) -> usize {
        self.graph.num_qubits
    }

    pub(super) fn at(&self, qubit: usize, letter: usize) -> Pauli {
        let (x, z) = bits(letter);
        x << qubit | z << (self.n() + qubit)
    }

    /// With its x and z exchanged: `p` anticommutes with `q` where `p & swapped(q)` is odd.
    #[inline]
    fn swapped(&self, pauli: Pauli) -> Pauli {
        let n = self.n();
        (pauli >> n) | (pauli & ((1 << n) - 1)) << n
    }

    #[inline]
    pub(super) fn anticommutes(&self, a: Pauli, b: Pauli) -> bool {
        (a & self.swapped(b)).count_ones() % 2 == 1
    }

    /// The letter of `pauli` at a qubit as two bits: whether it anticommutes with X, with Z there.
    #[inline]
    pub(super) fn letter(&self, pauli: Pauli, qubit: usize) -> usize {
        let n = self.n();
        (pauli >> (n + qubit) & 1 | (pauli >> qubit & 1) << 1) as usize
    }

    /// The action of a pair of letters at `a < b`, whose edge may be written the other way round.
    #[inline]
    fn action(&self, a: usize, b: usize, pair: usize) -> Option<usize> {
        let first = |a, b| self.first_actions[a * self.graph.num_qubits + b];
        let turned = 3 * (pair % 3) + pair / 3;
        first(a, b).map(|first| first + pair).or_else(|| Some(first(b, a)? + turned))
    }

    /// Of the features of a plane: pairs of qubits, then single ones.
    pub(super) fn num_features(&self) -> usize {
        let n = self.n();
        PAIRS * n * (n - 1) / 2 + n
    }

    /// `pauli` after an action.
    #[inline]
    pub(super) fn turned(&self, pauli: Pauli, action: usize) -> Pauli {
        let (axis, swapped) = self.axes[action];
        pauli ^ axis & 0_u32.wrapping_sub((pauli & swapped).count_ones() & 1)
    }

    /// The two Paulis of an end of an action's edge that it does not leave as they are.
    pub(super) fn turned_at(&self, action: usize, end: usize) -> [Pauli; 2] {
        let (a, b) = self.graph.edges[action / PAIRS];
        let (qubit, own) = [(a, action % PAIRS / 3), (b, action % 3)][end];
        [(own + 1) % 3, (own + 2) % 3].map(|letter| self.at(qubit, letter))
    }

    /// A letter for each qubit, `.` where `pauli` does nothing.
    pub(super) fn text(&self, pauli: Pauli) -> String {
        (0..self.n()).map(|q| ['.', 'Z', 'X', 'Y'][self.letter(pauli, q)]).collect()
    }

    /// Where the twists, in their order, take each qubit and each letter.
    pub(super) fn relabellings(&self) -> impl Iterator<Item = (Vec<usize>, [usize; 3])> + '_ {
        let maps = self.graph.automorphisms.iter();
        maps.flat_map(|map| ORDERS.iter().map(|&order| (map.clone(), order)))
    }

    /// The first feature of the qubits `a < b`.
    #[inline]
    fn first_feature(&self, a: usize, b: usize) -> usize {
        let n = self.n();
        PAIRS * (a * (2 * n - a - 1) / 2 + b - a - 1)
    }
}

/// For the letters of two Paulis at two qubits, `[a0, b0, a1, b1]` of two bits each, the pairs of
/// letters (P, Q), bit `3 P + Q`, with `<a,P><b,Q> + <b,P><a,Q>` odd.
const WEDGE: [u16; 256] = wedge();

const fn wedge() -> [u16; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let (a0, b0, a1, b1) = (at & 3, at >> 2 & 3, at >> 4 & 3, at >> 6);
        let mut pair = 0;
        while pair < PAIRS {
            let (p, q) = (pair / 3, pair % 3);
            if (odd(a0, p) & odd(b1, q)) ^ (odd(b0, p) & odd(a1, q)) {
                table[at] |= 1 << pair;
            }
            pair += 1;
        }
        at += 1;
    }
    table
}

/// The planes whose first Paulis are the first `n` rows.
fn pairs_of(rows: &Rows, n: usize) -> [[Pauli; 2]; classes::MOST_QUBITS] {
    std::array::from_fn(|q| if q < n { [rows[q].into(), rows[n + q].into()] } else { [0; 2] })
}

impl Rules for Rotations {
    type State = Planes;
    const NAME: &'static str = "Clifford";
    const PARAMETERS: &'static [Parameter] = &coupling::parameters(MOST_QUBITS as u32, "qubits");

    fn new(parameters: &Parameters) -> Result<Self> {
        let graph = Coupling::new(parameters, Direction::BothWays)?;
        let n = graph.num_qubits;
        let (classes, shapes) = (Classes::new(n, &graph.edges), Shapes::new(n, &graph.edges));
        let first_actions = vec![None; n * n];
        let mut rules = Self { graph, axes: Vec::new(), first_actions, classes, shapes };
        for &(a, b) in &rules.graph.edges {
            rules.first_actions[a * n + b] = Some(rules.axes.len());
            for pair in 0..PAIRS {
                let axis = rules.at(a, pair / 3) | rules.at(b, pair % 3);
                rules.axes.push((axis, rules.swapped(axis)));
            }
        }
        Ok(rules)
    }

    fn action_names(&self) -> Vec<String> {
        let edges = self.graph.edges.iter();
        let name = |(a, b): &(usize, usize), pair: usize| {
            format!("{}{}({a},{b})", LETTERS[pair / 3], LETTERS[pair % 3])
        };
        edges.flat_map(|edge| (0..PAIRS).map(move |pair| name(edge, pair))).collect()
    }
    #[inline]
    fn num_actions(&self) -> usize {
        self.axes.len()
    }
    fn obs_shape(&self) -> Vec<usize> {
        vec![self.n(), self.num_features()]
    }

    fn goal(&self, _: &mut Rng) -> Planes {
        let n = self.n();
        // What is not there is like nothing that is.
        std::array::from_fn(|q| if q < n { plane(self.at(q, 0), self.at(q, 2)) } else { [0; 2] })
    }
    #[inline]
    fn is_goal(&self, planes: &Planes) -> bool {
        let n = self.n();
        planes[..n].iter().enumerate().all(|(q, &[x, z])| (x, z) == (1 << q, 1 << (n + q)))
    }
    #[inline]
    fn apply(&self, planes: &mut Planes, action: usize) {
        for [a, b] in &mut planes[..self.graph.num_qubits] {
            [*a, *b] = plane(self.turned(*a, action), self.turned(*b, action));
        }
    }
    /// All but those that change nothing, whose axis is one of the state's own Paulis.
    #[inline]
    fn masks(&self, planes: &Planes, masks: &mut [bool]) {
        masks.fill(true);
        let n = self.graph.num_qubits;
        for &[a, b] in &planes[..n] {
            for own in [a, b, a ^ b] {
                let (x, z) = (own & ((1 << n) - 1), own >> n);
                let qubits = x | z;
                if qubits.count_ones() == 2 {
                    let (low, high) = (qubits.trailing_zeros(), qubits.ilog2());
                    let letter = |q: u32| [0, 2, 0, 1][self.letter(own, q as usize)];
                    let pair = 3 * letter(low) + letter(high);
                    if let Some(action) = self.action(low as usize, high as usize, pair) {
                        masks[action] = false;
                    }
                }
            }
        }
    }
    #[inline]
    fn observe(&self, planes: &Planes, indices: &mut Vec<i32>) {
        let n = self.n();
        let mut letters = [0; MOST_QUBITS];
        for (q, &[a, b]) in planes[..n].iter().enumerate() {
            for (r, letters) in letters[..n].iter_mut().enumerate() {
                *letters = self.letter(a, r) | self.letter(b, r) << 2;
            }
            let mut first = (q * self.num_features()) as i32;
            for r in 0..n {
                for s in r + 1..n {
                    let mut odd = WEDGE[letters[r] | letters[s] << 4];
                    while odd != 0 {
                        indices.push(first + odd.trailing_zeros() as i32);
                        odd &= odd - 1;
                    }
                    first += PAIRS as i32;
                }
            }
            let whole = |&r: &usize| WEDGE[letters[r] | letters[r] << 4] >> 2 & 1 == 1;
            indices.extend((0..n).filter(whole).map(|r| first + r as i32));
        }
    }
    /// Two words for each qubit in turn, their low bits made to commute with the qubits before;
    /// drawn anew until they anticommute.
    fn uniform(&self, rng: &mut Rng) -> Planes {
        let n = self.n();
        let mut planes = [[0; 2]; MOST_QUBITS];
        let mut q = 0;
        while q < n {
            let [a, b] = [0; 2].map(|_: Pauli| {
                let drawn = (rng.next_u64() & ((1 << (2 * n)) - 1)) as Pauli;
                planes[..q].iter().fold(drawn, |pauli, &[x, z]| {
                    let with_x = if self.anticommutes(drawn, x) { z } else { 0 };
                    let with_z = if self.anticommutes(drawn, z) { x } else { 0 };
                    pauli ^ with_x ^ with_z
                })
            });
            if self.anticommutes(a, b) {
                planes[q] = plane(a, b);
                q += 1;
            }
        }
        planes
    }

    fn numbers(&self, planes: &Planes) -> Vec<i64> {
        let n = self.n();
        let row = |pauli: Pauli| (0..2 * n).map(move |bit| i64::from(pauli >> bit & 1));
        (0..2).flat_map(|which| planes[..n].iter().flat_map(move |p| row(p[which]))).collect()
    }
    fn parse(&self, numbers: &[i64]) -> Result<Planes> {
        let n = self.n();
        let rows: Vec<Pauli> = entries(numbers, 4 * n * n, 2)?
            .chunks(2 * n)
            .map(|row| row.iter().rev().fold(0, |pauli, &bit| pauli << 1 | bit as Pauli))
            .collect();
        let of = |q| if q < n { plane(rows[q], rows[n + q]) } else { [0; 2] };
        Ok(std::array::from_fn(of))
    }
    fn check_solvable(&self, planes: &Planes) -> Result<()> {
        let rows = planes[..self.n()].as_flattened();
        for (i, &a) in rows.iter().enumerate() {
            for (j, &b) in rows.iter().enumerate().skip(i + 1) {
                let partners = i / 2 == j / 2;
                if self.anticommutes(a, b) != partners {
                    let word = if partners { "commute" } else { "anticommute" };
                    let got = format!("Paulis of qubits {} and {} that {word}", i / 2, j / 2);
                    return Err(Error::invalid("state", "a symplectic matrix", got));
                }
            }
        }
        Ok(())
    }
    /// The Paulis of each qubit, `.` where they do nothing.
    fn render(&self, planes: &Planes) -> String {
        let planes = planes[..self.n()].iter();
        planes.map(|&[a, b]| format!("{} {}\n", self.text(a), self.text(b))).collect()
    }

    fn inverse_actions(&self) -> Option<Vec<usize>> {
        Some((0..self.num_actions()).collect())
    }
    /// All planes but the last, which commutes with them; up to 6 qubits.
    fn key(&self, planes: &Planes) -> Option<u128> {
        let n = self.n();
        packed(planes[..n - 1].as_flattened(), 2 * n as u32)
    }
    /// Up to 8 qubits.
    fn class_hash(&self, planes: &Planes) -> Option<u64> {
        self.classes.as_ref().map(|classes| classes.hash(planes))
    }
    /// Up to 8 qubits.
    fn traits(&self, planes: &Planes, traits: &mut Vec<u32>) {
        if let Some(shapes) = &self.shapes {
            shapes.traits(planes, traits);
        }
    }
    fn traits_after(&self, planes: &Planes, masks: &[bool], traits: &mut Vec<u32>) {
        if let Some(shapes) = &self.shapes {
            shapes.after(planes, masks, traits);
        }
    }
    fn num_traits(&self) -> usize {
        self.shapes.as_ref().map_or(0, Shapes::num_traits)
    }
    /// Up to 8 qubits.
    fn matrices(&self, planes: &Planes) -> Option<(Matrices, Rows)> {
        let n = self.n();
        let classes = self.classes.clone()?;
        let turn = |&(axis, swapped): &(Pauli, Pauli)| {
            vec![Transvection { asked: swapped as u16, added: axis as u16 }]
        };
        let matrices = Matrices {
            num_qubits: n,
            edges: self.graph.edges.clone(),
            actions: self.axes.iter().map(turn).collect(),
            goal: std::array::from_fn(|row| if row < 2 * n { 1 << row } else { 0 }),
            kind: Kind::Symplectic,
            hash: Box::new(move |rows| classes.hash(&pairs_of(rows, n))),
        };
        let row = |row: usize| if row < 2 * n { planes[row % n][row / n] as u16 } else { 0 };
        Some((matrices, std::array::from_fn(row)))
    }
    /// The symmetries of a named topology, and the six orders of the letters for all qubits alike.
    fn twists(&self) -> Twists {
        let (mut observations, mut actions) = Twists::default();
        let n = self.n();
        for (map, order) in self.relabellings() {
            // Where a pair of letters at the vertices r, s goes.
            let image = |r: usize, s: usize, pair: usize| {
                let (p, q) = (order[pair / 3], order[pair % 3]);
                if map[r] < map[s] {
                    (map[r], map[s], 3 * p + q)
                } else {
                    (map[s], map[r], 3 * q + p)
                }
            };
            let mut to = Vec::with_capacity(n * self.num_features());
            for q in 0..n {
                let first = map[q] * self.num_features();
                for (r, s) in (0..n).flat_map(|r| (r + 1..n).map(move |s| (r, s))) {
                    to.extend((0..PAIRS).map(|pair| {
                        let (r, s, pair) = image(r, s, pair);
                        first + self.first_feature(r, s) + pair
                    }));
                }
                to.extend((0..n).map(|r| first + self.num_features() - n + map[r]));
            }
            observations.push(to);
            actions.push(
                (0..self.num_actions())
                    .map(|action| {
                        let (a, b) = self.graph.edges[action / PAIRS];
                        let (a, b, pair) = image(a, b, action % PAIRS);
                        self.action(a, b, pair).expect("an automorphism maps edges to edges")
                    })
                    .collect(),
            );
        }
        (observations, actions)
    }
}

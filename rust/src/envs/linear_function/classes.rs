//! Matrices whose circuits differ by the names of the qubits, or in control and target of every CNOT,
//! which inverts and transposes the matrix.
//!
//! Inverses alone are as far from the identity, but the actions lead elsewhere from them.

use super::super::bits::{counts, inverse, row, transposed, DIAGONAL};
use super::super::coupling::Coupling;
use crate::rng::mix;

/// The most qubits whose matrices fit into a word.
pub(super) const MOST_QUBITS: usize = 8;
/// More symmetries of a graph than this may not be all that there are.
const MOST_LABELLINGS: usize = 63;
/// Rounds after which qubits that still look alike are tried in all orders.
const ROUNDS: usize = 2;

type Order = [u8; MOST_QUBITS];

pub(super) struct Classes {
    n: usize,
    labellings: Labellings,
    is_mutual: bool,
}

enum Labellings {
    /// All qubits are coupled.
    Any,
    These(Vec<Order>),
}

/// A matrix, its transpose, its inverse and the transpose of that.
type View = [u64; 4];

impl Classes {
    /// Of a graph of edges in one direction each; `None` if its qubits are too many.
    pub(super) fn new(graph: &Coupling) -> Option<Self> {
        let n = graph.num_qubits;
        if n > MOST_QUBITS {
            return None;
        }
        let labellings = if graph.edges.len() == n * (n - 1) {
            Labellings::Any
        } else {
            let order = |map: &Vec<usize>| {
                std::array::from_fn(|at| map.get(at).map_or(at, |&image| image) as u8)
            };
            let maps = &graph.automorphisms;
            let are_all = (1..=MOST_LABELLINGS).contains(&maps.len());
            let identity = vec![std::array::from_fn(|at| at as u8)];
            Labellings::These(if are_all { maps.iter().map(order).collect() } else { identity })
        };
        let is_mutual = graph.edges.iter().all(|&(a, b)| graph.edges.contains(&(b, a)));
        Some(Self { n, labellings, is_mutual })
    }

    /// Whether all qubits are coupled.
    pub(super) fn is_complete(&self) -> bool {
        matches!(self.labellings, Labellings::Any)
    }

    /// The least word of all matrices that are in the class of `matrix`.
    pub(super) fn key(&self, matrix: u64) -> u64 {
        let inverse = inverse(matrix, self.n);
        let (turned, inverse_turned) = (transposed(matrix), transposed(inverse));
        let views =
            [[matrix, turned, inverse, inverse_turned], [inverse_turned, inverse, turned, matrix]];
        let views = &views[..if self.is_mutual { 2 } else { 1 }];
        match &self.labellings {
            Labellings::These(orders) => {
                let of = |view: &View| orders.iter().map(|order| relabelled(view, order)).min();
                views.iter().filter_map(of).min().unwrap_or(matrix)
            }
            Labellings::Any => self.least(views),
        }
    }

    /// Of all labellings of `views` the least word, among those whose qubits are in the order of what
    /// tells them apart.
    fn least(&self, views: &[View]) -> u64 {
        let mut looks = [([0; MOST_QUBITS], 0); 2];
        for (look, view) in looks.iter_mut().zip(views) {
            let colours = self.colours(view);
            let sum = colours[..self.n].iter().fold(0_u64, |sum, &c| sum.wrapping_add(mix(c)));
            *look = (colours, sum);
        }
        let looks = &looks[..views.len()];
        let first = looks.iter().map(|look| look.1).min();
        let chosen = looks.iter().zip(views).filter(|(look, _)| Some(look.1) == first);
        chosen
            .map(|((colours, _), view)| self.least_of(view, *colours))
            .min()
            .unwrap_or(views[0][0])
    }

    /// What a qubit looks like by itself.
    fn colours(&self, view: &View) -> [u64; MOST_QUBITS] {
        let counts = view.map(counts);
        let diagonals = [view[0] & DIAGONAL, view[2] & DIAGONAL];
        std::array::from_fn(|q| {
            let [a, b, c, d] = counts.map(|word| row(word, q));
            let [own, inverse] = diagonals.map(|word| u64::from(row(word, q) != 0));
            a | b << 4 | c << 8 | d << 12 | own << 16 | inverse << 17
        })
    }

    fn least_of(&self, view: &View, mut colours: [u64; MOST_QUBITS]) -> u64 {
        let n = self.n;
        let mut order: Order = std::array::from_fn(|at| at as u8);
        for round in 0..=ROUNDS {
            order[..n].sort_unstable_by_key(|&q| colours[usize::from(q)]);
            let look = |at: usize| colours[usize::from(order[at])];
            if round == ROUNDS || (1..n).all(|at| look(at - 1) != look(at)) {
                break;
            }
            colours = self.refined(view, &colours);
        }
        let looks = order.map(|q| colours[usize::from(q)]);
        // The places of each run of qubits that look alike.
        let mut runs = [(0, 0); MOST_QUBITS];
        let mut num_runs = 0;
        let mut first = 0;
        for at in 1..=n {
            if at == n || looks[at] != looks[first] {
                if at - first > 1 {
                    runs[num_runs] = (first, at);
                    order[first..at].sort_unstable();
                    num_runs += 1;
                }
                first = at;
            }
        }
        let mut least = relabelled(view, &order);
        while runs[..num_runs].iter().any(|&(first, end)| to_next(&mut order[first..end])) {
            least = least.min(relabelled(view, &order));
        }
        least
    }

    /// With what the qubits look like that share a one of the matrices.
    fn refined(&self, view: &View, colours: &[u64; MOST_QUBITS]) -> [u64; MOST_QUBITS] {
        let mixed_colours = colours.map(mix);
        std::array::from_fn(|q| {
            let mut colour = mixed_colours[q].rotate_left(1);
            for (side, &word) in view.iter().enumerate() {
                let mut others = row(word, q);
                while others != 0 {
                    let other = mixed_colours[others.trailing_zeros() as usize];
                    colour = colour.wrapping_add(other.rotate_left(16 * side as u32));
                    others &= others - 1;
                }
            }
            mix(colour)
        })
    }
}

/// The matrix of `view` with qubit `order[at]` called `at`.
#[inline]
fn relabelled(view: &View, order: &Order) -> u64 {
    let gathered = |word: u64| {
        order.iter().enumerate().fold(0, |rows, (at, &q)| rows | row(word, q.into()) << (8 * at))
    };
    gathered(transposed(gathered(view[1])))
}

/// The next order in the lexicographic sense; false, with the first one, after the last.
fn to_next(order: &mut [u8]) -> bool {
    let Some(at) = (1..order.len()).rev().find(|&at| order[at - 1] < order[at]) else {
        order.reverse();
        return false;
    };
    let larger = (at..order.len()).rev().find(|&other| order[other] > order[at - 1]);
    order.swap(at - 1, larger.unwrap_or(at));
    order[at..].reverse();
    true
}

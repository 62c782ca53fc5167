//! Coupling graphs: which qubits can act on which, and their symmetries.

use super::parameters::{Kind, Parameter, Parameters};
use super::topologies::{named, num_qubits_of, TOPOLOGIES};
use crate::error::{Error, Result};
use crate::rl::env::Twists;

/// Edges between `num_qubits` vertices, an action each.
#[derive(Debug)]
pub struct Coupling {
    pub num_qubits: usize,
    pub edges: Vec<(usize, usize)>,
    /// Where symmetries of the graph take each vertex; the identity first, empty if none is known.
    pub automorphisms: Vec<Vec<usize>>,
}

/// Whether the edge from a to b is also the one from b to a.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    OneWay,
    BothWays,
}

/// The parameters of a coupling of at most `most` qubits, which are `what`: a named `topology`, or
/// `edges` instead.
pub const fn parameters(most: u32, what: &'static str) -> [Parameter; 3] {
    [
        Parameter::integer("num_qubits", 2, most, 5, what),
        Parameter::new(
            "topology",
            Kind::Choice { names: TOPOLOGIES, default: TOPOLOGIES[0] },
            "which pairs are coupled",
        ),
        Parameter::new("edges", Kind::Pairs, "in place of the topology's"),
    ]
}

impl Coupling {
    /// The edges of a topology are there in both directions.
    ///
    /// # Errors
    /// If an edge is none, comes twice, some vertex cannot be reached from another one, or a device
    /// has another number of qubits.
    pub fn new(parameters: &Parameters, direction: Direction) -> Result<Self> {
        let num_qubits = parameters.integer("num_qubits");
        let (edges, automorphisms) = match parameters.pairs("edges") {
            Some(edges) => (edges, Vec::new()),
            None => {
                let topology = parameters.choice("topology");
                if let Some(own) = num_qubits_of(topology).filter(|&own| own != num_qubits) {
                    let expected = format!("{own}, the qubits of {topology}");
                    return Err(Error::invalid("num_qubits", expected, num_qubits));
                }
                let (edges, automorphisms) = named(topology, num_qubits);
                let back = |(a, b): (usize, usize)| match direction {
                    Direction::OneWay => vec![(a, b), (b, a)],
                    Direction::BothWays => vec![(a, b)],
                };
                (edges.into_iter().flat_map(back).collect(), automorphisms)
            }
        };
        let graph = Self { num_qubits, edges, automorphisms };
        graph.check(direction)?;
        Ok(graph)
    }

    fn check(&self, direction: Direction) -> Result<()> {
        let n = self.num_qubits;
        for (index, &(a, b)) in self.edges.iter().enumerate() {
            let refuse = |expected: String| {
                Err(Error::invalid(format!("edges[{index}]"), expected, format!("[{a}, {b}]")))
            };
            if a >= n || b >= n || a == b {
                return refuse(format!("two different vertices in 0..{n}"));
            }
            let again = |&(c, d): &(usize, usize)| {
                (c, d) == (a, b) || direction == Direction::BothWays && (d, c) == (a, b)
            };
            if self.edges[..index].iter().any(again) {
                return refuse("each edge once".to_owned());
            }
        }
        let forth = self.edges.iter().copied();
        let back = self.edges.iter().map(|&(a, b)| (b, a));
        let ways: Vec<Vec<(usize, usize)>> = match direction {
            Direction::OneWay => vec![forth.collect(), back.collect()],
            Direction::BothWays => vec![forth.chain(back).collect()],
        };
        for edges in ways {
            if let Some(vertex) = unreached(n, &edges) {
                let got = format!("vertex {vertex} apart from vertex 0");
                return Err(Error::invalid("edges", "a connected graph", got));
            }
        }
        Ok(())
    }

    /// Twists of an observation `[num_qubits, num_qubits]` that relabel both of its sides.
    pub fn twists(&self, direction: Direction) -> Twists {
        let n = self.num_qubits;
        let features = |map: &Vec<usize>| (0..n * n).map(|i| map[i / n] * n + map[i % n]).collect();
        let edge = |map: &[usize], &(a, b): &(usize, usize)| {
            let image = (map[a], map[b]);
            let same = |&(c, d): &(usize, usize)| {
                (c, d) == image || direction == Direction::BothWays && (d, c) == image
            };
            self.edges.iter().position(same).expect("an automorphism maps edges to edges")
        };
        let actions =
            |map: &Vec<usize>| self.edges.iter().map(|pair| edge(map, pair)).collect::<Vec<_>>();
        let maps = &self.automorphisms;
        (maps.iter().map(features).collect(), maps.iter().map(actions).collect())
    }
}

/// A vertex that no path over `edges` leads to from vertex 0.
fn unreached(num_vertices: usize, edges: &[(usize, usize)]) -> Option<usize> {
    let mut reached = vec![false; num_vertices];
    reached[0] = true;
    // Each round reaches one vertex more, or it is the last.
    for _ in 0..num_vertices {
        edges.iter().for_each(|&(from, to)| reached[to] |= reached[from]);
    }
    reached.iter().position(|&reached| !reached)
}

//! Permutation routing: tokens on the vertices of a graph, swapped along its edges.

use super::coupling::{self, Coupling, Direction};
use super::parameters::{Parameter, Parameters};
use super::scrambled::{each_once, packed_order, shuffle, Rules, Scrambled};
use crate::error::Result;
use crate::rl::env::Twists;
use crate::rng::Rng;

const MOST_QUBITS: usize = 65;

/// Permutation routing. An action swaps the tokens at the ends of an edge; solved when token `v`
/// is at vertex `v`. Feature `vertex * num_qubits + token` for every vertex.
///
/// The actions that solve a state are the swaps that bring every token home.
pub type Permutation = Scrambled<Routing>;

/// The rules of [`Permutation`].
pub struct Routing {
    graph: Coupling,
}

impl Routing {
    pub fn graph(&self) -> &Coupling {
        &self.graph
    }
}

/// The token at every vertex; vertices that are not there hold their own.
type Tokens = [u8; MOST_QUBITS];

fn home() -> Tokens {
    std::array::from_fn(|vertex| vertex as u8)
}

impl Rules for Routing {
    type State = Tokens;
    const NAME: &'static str = "Permutation";
    const PARAMETERS: &'static [Parameter] =
        &coupling::parameters(MOST_QUBITS as u32, "vertices, tokens");

    fn new(parameters: &Parameters) -> Result<Self> {
        Ok(Self { graph: Coupling::new(parameters, Direction::BothWays)? })
    }

    fn action_names(&self) -> Vec<String> {
        self.graph.edges.iter().map(|(a, b)| format!("swap({a},{b})")).collect()
    }
    #[inline]
    fn num_actions(&self) -> usize {
        self.graph.edges.len()
    }
    fn obs_shape(&self) -> Vec<usize> {
        vec![self.graph.num_qubits; 2]
    }

    fn goal(&self, _: &mut Rng) -> Tokens {
        home()
    }
    #[inline]
    fn is_goal(&self, tokens: &Tokens) -> bool {
        *tokens == home()
    }
    #[inline]
    fn apply(&self, tokens: &mut Tokens, action: usize) {
        let (a, b) = self.graph.edges[action];
        tokens.swap(a, b);
    }
    #[inline]
    fn observe(&self, tokens: &Tokens, indices: &mut Vec<i32>) {
        let n = self.graph.num_qubits;
        let feature = |(vertex, &token): (usize, &u8)| (vertex * n) as i32 + i32::from(token);
        indices.extend(tokens[..n].iter().enumerate().map(feature));
    }
    fn uniform(&self, rng: &mut Rng) -> Tokens {
        let mut tokens = home();
        shuffle(&mut tokens[..self.graph.num_qubits], rng);
        tokens
    }

    fn numbers(&self, tokens: &Tokens) -> Vec<i64> {
        tokens[..self.graph.num_qubits].iter().map(|&token| token.into()).collect()
    }
    fn parse(&self, numbers: &[i64]) -> Result<Tokens> {
        let mut tokens = home();
        for (to, &token) in tokens.iter_mut().zip(each_once(numbers, self.graph.num_qubits)?) {
            *to = token as u8;
        }
        Ok(tokens)
    }
    /// The vertices above, their tokens below.
    fn render(&self, tokens: &Tokens) -> String {
        let row = |numbers: Vec<usize>| {
            numbers.iter().map(|number| format!("{number:>3}")).collect::<String>() + "\n"
        };
        let n = self.graph.num_qubits;
        let tokens = tokens[..n].iter().map(|&token| usize::from(token)).collect();
        format!("vertex{}token {}", row((0..n).collect()), row(tokens))
    }

    fn inverse_actions(&self) -> Option<Vec<usize>> {
        Some((0..self.num_actions()).collect())
    }
    /// The tokens in as many bits as each needs, up to 25 qubits.
    fn key(&self, tokens: &Tokens) -> Option<u128> {
        packed_order(&tokens[..self.graph.num_qubits])
    }
    /// The symmetries of a named topology.
    fn twists(&self) -> Twists {
        self.graph.twists(Direction::BothWays)
    }
}

//! The number of states at each distance from the goal, against published counts.
//!
//! Smaller ones are in specs/golden. What takes longer is ignored but by `make parity-long`.

use std::collections::HashSet;

use serde_json::{json, Value};
use twisterl::envs::clifford::Clifford;
use twisterl::envs::cube2::Cube2;
use twisterl::envs::lights_out::LightsOut;
use twisterl::envs::linear_function::LinearFunction;
use twisterl::envs::pancake::Pancake;
use twisterl::envs::parameters::Parameters;
use twisterl::envs::Listed;
use twisterl::rng::Rng;

/// Keys that were met: one bit each where they are small.
#[derive(Clone)]
enum Seen {
    Bits(Vec<u64>),
    Set(HashSet<u128>),
}

impl Seen {
    fn insert(&mut self, key: u128) -> bool {
        match self {
            Seen::Set(set) => set.insert(key),
            Seen::Bits(bits) => {
                let (word, bit) = (&mut bits[key as usize / 64], 1 << (key % 64));
                let is_new = *word & bit == 0;
                *word |= bit;
                is_new
            }
        }
    }
}

fn layers<E: Listed>(parameters: Value, mut seen: Seen) -> Vec<usize> {
    let given = parameters.as_object().unwrap();
    let mut env = E::build(&Parameters::new(&E::parameters(), given).unwrap()).unwrap();
    env.try_reset_goal(&mut Rng::new(0)).unwrap();
    seen.insert(env.state_key().unwrap());
    let mut frontier = vec![env.clone()];
    let mut counts = Vec::new();
    while !frontier.is_empty() {
        counts.push(frontier.len());
        let mut next = Vec::new();
        for from in &frontier {
            for action in 0..env.num_actions() {
                env.clone_from(from);
                env.try_step(action).unwrap();
                if seen.insert(env.state_key().unwrap()) {
                    next.push(env.clone());
                }
            }
        }
        frontier = next;
    }
    counts
}

fn bits(key_bits: u32) -> Seen {
    Seen::Bits(vec![0; (1 << key_bits) / 64])
}

/// Jaap Scherphuis, "Mini Cube, the 2x2x2 Rubik's Cube".
#[test]
#[ignore = "4 million states, which exact::the_cube_has_its_known_layers counts too"]
fn every_cube() {
    let half = layers::<Cube2>(json!({"metric": "half"}), Seen::Set(HashSet::new()));
    let known = [1, 9, 54, 321, 1847, 9992, 50136, 227536, 870072, 1887748, 623800, 2644];
    assert_eq!(half, known);
}

#[test]
#[ignore = "4 million states once more"]
fn every_cube_by_quarter_turns() {
    let quarter = layers::<Cube2>(json!({"metric": "quarter"}), Seen::Set(HashSet::new()));
    let known = [
        1, 6, 27, 120, 534, 2256, 8969, 33058, 114149, 360508, 930588, 1350852, 782536, 90280, 276,
    ];
    assert_eq!(quarter, known);
}

/// A quarter of all patterns (Anderson and Feil, "Turning Lights Out with Linear Algebra"), and
/// never more than 15 presses.
#[test]
#[ignore = "8 million states and more"]
fn every_solvable_pattern_of_25_lamps() {
    let counts = layers::<LightsOut>(json!({"width": 5, "height": 5}), bits(25));
    assert_eq!(counts.iter().sum::<usize>(), 1 << 23);
    assert_eq!(counts.len() - 1, 15);
}

/// The order of GL(n, 2), `(2^n - 1)(2^n - 2)(2^n - 4)...`, whatever the coupling.
#[test]
fn every_linear_function() {
    for (num_qubits, topology, states) in
        [(2, "line", 6), (3, "line", 168), (3, "ring", 168), (4, "grid", 20160)]
    {
        let parameters = json!({"num_qubits": num_qubits, "topology": topology});
        let counts = layers::<LinearFunction>(parameters, bits(16));
        assert_eq!(counts.iter().sum::<usize>(), states, "{num_qubits} {topology}");
    }
}

/// The means that breadth-first search gives on a line and all-to-all.
#[test]
fn linear_functions_are_as_far_as_they_should() {
    means_of_linear_functions(4, bits(16), 20160, [9.119, 5.685]);
}

#[test]
#[ignore = "8 million states and more"]
fn linear_functions_of_five_qubits_are_as_far_as_they_should() {
    means_of_linear_functions(5, bits(25), 9_999_360, [15.505, 8.145]);
}

fn means_of_linear_functions(num_qubits: usize, seen: Seen, states: usize, means: [f64; 2]) {
    for (topology, mean) in ["line", "all_to_all"].into_iter().zip(means) {
        let parameters = json!({"num_qubits": num_qubits, "topology": topology});
        let counts = layers::<LinearFunction>(parameters, seen.clone());
        assert_eq!(counts.iter().sum::<usize>(), states, "{topology}");
        let sum: usize =
            counts.iter().enumerate().map(|(distance, states)| distance * states).sum();
        assert!((sum as f64 / states as f64 - mean).abs() < 0.0006, "{topology}");
    }
}

/// The order of Sp(2n, 2), `2^(n n) (4 - 1)(16 - 1)...`, by the `6^n` local ones.
#[test]
fn every_clifford_up_to_local_ones() {
    for (num_qubits, topology, states) in [(2, "line", 20), (3, "line", 6720), (3, "ring", 6720)] {
        let parameters = json!({"num_qubits": num_qubits, "topology": topology});
        let counts = layers::<Clifford>(parameters, Seen::Set(HashSet::new()));
        assert_eq!(counts.iter().sum::<usize>(), states, "{num_qubits} {topology}");
    }
}

/// All `n!` orders, `2^n` times as many if burnt, and the pancake numbers (OEIS A058986, A078942).
#[test]
fn every_pile_of_pancakes() {
    for (num_pancakes, burnt, states, farthest) in [
        (8, false, 40320, 9),
        (9, false, 362_880, 10),
        (6, true, 46080, 12),
        (7, true, 645_120, 14),
    ] {
        let parameters = json!({"num_pancakes": num_pancakes, "burnt": burnt});
        let counts = layers::<Pancake>(parameters, Seen::Set(HashSet::new()));
        assert_eq!(counts.iter().sum::<usize>(), states, "{num_pancakes} {burnt}");
        assert_eq!(counts.len() - 1, farthest, "{num_pancakes} {burnt}");
    }
}

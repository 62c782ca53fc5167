//! Classes of states: told by their keys as by the symmetries themselves, and searched as states are.

use std::collections::{HashMap, HashSet};

use serde_json::{json, Value};
use twisterl::envs::clifford::Clifford;
use twisterl::envs::find;
use twisterl::envs::linear_function::LinearFunction;
use twisterl::envs::parameters::Parameters;
use twisterl::envs::Listed;
use twisterl::exact::breadth::{Breadth, Grown, ToldBy};
use twisterl::exact::meter::Meter;
use twisterl::exact::Solver;
use twisterl::guided::{Guide, Limits, Preparation};
use twisterl::rl::env::Env;
use twisterl::rng::Rng;
use twisterl::search::Budget;

type Matrix = Vec<Vec<i64>>;
type Symmetry = fn(&Matrix) -> Matrix;

fn built<E: Listed>(parameters: Value) -> Box<dyn Env> {
    let given = parameters.as_object().unwrap();
    Box::new(E::build(&Parameters::new(&E::parameters(), given).unwrap()).unwrap())
}

/// The states of `env`, and how many there are at each distance from the goal.
fn all(env: &dyn Env) -> (Vec<Vec<i64>>, Vec<usize>) {
    let mut env = env.try_clone().unwrap();
    env.try_reset_goal(&mut Rng::new(0)).unwrap();
    let mut seen = HashMap::from([(env.state_key(), 0)]);
    let mut states = vec![env.state().unwrap()];
    let mut distances = vec![0];
    let mut at = 0;
    while at < states.len() {
        for action in 0..env.num_actions() {
            env.try_set_state(&states[at]).unwrap();
            env.try_step(action).unwrap();
            let next = seen.len();
            if *seen.entry(env.state_key()).or_insert(next) == next {
                states.push(env.state().unwrap());
                distances.push(distances[at] + 1);
            }
        }
        at += 1;
    }
    (states, distances)
}

/// The number of classes that `symmetries` make of the states, having checked that `key` is that of
/// their class.
fn num_classes(
    env: &dyn Env,
    states: &[Vec<i64>],
    symmetries: &[Symmetry],
    key: impl Fn(&dyn Env) -> u128,
) -> usize {
    let mut env = env.try_clone().unwrap();
    let side = states[0].len().isqrt();
    let mut numbers = HashMap::new();
    let mut keys = Vec::new();
    for (number, state) in states.iter().enumerate() {
        env.try_set_state(state).unwrap();
        numbers.insert(env.state_key(), number);
        keys.push(key(&*env));
    }
    let mut seen = vec![false; states.len()];
    let mut classes = HashSet::new();
    let mut count = 0;
    for first in 0..states.len() {
        if seen[first] {
            continue;
        }
        count += 1;
        assert!(classes.insert(keys[first]), "two classes have one key");
        let mut left = vec![first];
        seen[first] = true;
        while let Some(state) = left.pop() {
            let matrix: Matrix = states[state].chunks(side).map(<[i64]>::to_vec).collect();
            for symmetry in symmetries {
                env.try_set_state(&symmetry(&matrix).concat()).unwrap();
                let image = numbers[&env.state_key()];
                assert_eq!(keys[image], keys[first], "a class has two keys");
                if !seen[image] {
                    seen[image] = true;
                    left.push(image);
                }
            }
        }
    }
    count
}

/// The layers of the table that is told by `told_by`.
fn layers(env: &dyn Env, told_by: ToldBy) -> Vec<usize> {
    let mut env = env.try_clone().unwrap();
    env.try_reset_goal(&mut Rng::new(0)).unwrap();
    let mut states = Breadth::new(&*env, told_by).unwrap();
    let mut go_on = || Ok(());
    let meter = &mut Meter::new(None, twisterl::clock::Deadline::NEVER, &mut go_on);
    while states.grow(&mut *env, usize::MAX, meter, |_, _| false).unwrap() == Grown::Layer {}
    states.layer_sizes()
}

fn inverse_transposed(matrix: &Matrix) -> Matrix {
    transposed(&inverse(matrix))
}

fn transposed(matrix: &Matrix) -> Matrix {
    let side = matrix.len();
    (0..side).map(|i| (0..side).map(|j| matrix[j][i]).collect()).collect()
}

/// By Gauss and Jordan.
fn inverse(matrix: &Matrix) -> Matrix {
    let side = matrix.len();
    let mut rows: Matrix = matrix.clone();
    for (i, row) in rows.iter_mut().enumerate() {
        row.extend((0..side).map(|j| i64::from(i == j)));
    }
    for column in 0..side {
        let pivot = (column..side).find(|&row| rows[row][column] == 1).unwrap();
        rows.swap(column, pivot);
        let own = rows[column].clone();
        for row in (0..side).filter(|&row| row != column) {
            if rows[row][column] == 1 {
                rows[row].iter_mut().zip(&own).for_each(|(entry, own)| *entry ^= own);
            }
        }
    }
    rows.into_iter().map(|row| row[side..].to_vec()).collect()
}

/// With the first two qubits exchanged, of `n` of which each has a row and a column in every block.
fn exchanged(matrix: &Matrix, n: usize) -> Matrix {
    let image = |at: usize| at - at % n + [1, 0].get(at % n).copied().unwrap_or(at % n);
    let side = matrix.len();
    (0..side).map(|i| (0..side).map(|j| matrix[image(i)][image(j)]).collect()).collect()
}

/// With every qubit called as the next one.
fn turned(matrix: &Matrix, n: usize) -> Matrix {
    let image = |at: usize| at - at % n + (at + 1) % n;
    let side = matrix.len();
    (0..side).map(|i| (0..side).map(|j| matrix[image(i)][image(j)]).collect()).collect()
}

/// With every qubit called as that on the other end.
fn mirrored(matrix: &Matrix, n: usize) -> Matrix {
    let image = |at: usize| at - at % n + n - 1 - at % n;
    let side = matrix.len();
    (0..side).map(|i| (0..side).map(|j| matrix[image(i)][image(j)]).collect()).collect()
}

#[test]
fn keys_of_linear_functions_are_those_of_their_classes() {
    let of_all: &[Symmetry] =
        &[inverse_transposed, |m| exchanged(m, m.len()), |m| turned(m, m.len())];
    let of_line: &[Symmetry] = &[inverse_transposed, |m| mirrored(m, m.len())];
    // Of given edges no symmetries are sought; in one direction alone they have not that of inverses.
    let of_circle: &[Symmetry] = &[];
    let circle = json!({"num_qubits": 3, "edges": [[0, 1], [1, 2], [2, 0]]});
    let named = |num_qubits, topology| json!({"num_qubits": num_qubits, "topology": topology});
    for (parameters, symmetries) in [
        (named(3, "all_to_all"), of_all),
        (named(3, "line"), of_line),
        (circle, of_circle),
        (named(4, "all_to_all"), of_all),
        (named(4, "line"), of_line),
    ] {
        let env = built::<LinearFunction>(parameters.clone());
        let (states, distances) = all(&*env);
        let key = |env: &dyn Env| env.class_key().unwrap();
        let count = num_classes(&*env, &states, symmetries, key);
        assert_eq!(layers(&*env, ToldBy::Class).iter().sum::<usize>(), count, "{parameters}");
        // Few classes around the goal, then many: the lengths are those of all states.
        for most_states in [count.div_ceil(3), 1_000_000] {
            let solver = Solver::new(&*env, most_states, &mut || Ok(())).unwrap();
            for (state, &distance) in states.iter().zip(&distances).step_by(97) {
                let answer = solver.solve(state, Budget::default(), &mut || Ok(())).unwrap();
                match answer.actions {
                    Some(actions) => assert_eq!(played(&*env, state, &actions), distance),
                    None => assert!(most_states < count && answer.at_least <= distance),
                }
            }
        }
    }
}

/// How many `actions` there are, which must solve `state`.
fn played(env: &dyn Env, state: &[i64], actions: &[usize]) -> usize {
    let mut env = env.try_clone().unwrap();
    env.try_set_state(state).unwrap();
    actions.iter().for_each(|&action| env.try_step(action).unwrap());
    assert!(env.try_status().unwrap().success);
    actions.len()
}

/// With letters X and Z of a qubit exchanged.
fn with_hadamard(matrix: &Matrix, qubit: usize) -> Matrix {
    let mut matrix = matrix.clone();
    let n = matrix.len() / 2;
    matrix.iter_mut().for_each(|row| row.swap(qubit % n, n + qubit % n));
    matrix
}

/// Where several groups of qubits look alike, in each of which any may be called first.
#[test]
fn keys_do_not_tell_the_names_of_qubits() {
    let mut env = built::<LinearFunction>(json!({"num_qubits": 6, "topology": "all_to_all"}));
    let rng = &mut Rng::new(1);
    let two_ways: &[(usize, usize)] = &[(0, 1), (1, 2), (3, 4), (4, 5)];
    for gates in [two_ways, &[(0, 1), (2, 3)], &[(0, 1), (0, 2), (3, 4), (3, 5), (1, 4)]] {
        let mut matrix: Matrix =
            (0..6).map(|i| (0..6).map(|j| i64::from(i == j)).collect()).collect();
        for &(from, to) in gates {
            let row = matrix[from].clone();
            matrix[to].iter_mut().zip(row).for_each(|(entry, other)| *entry ^= other);
        }
        let mut keys = HashSet::new();
        let mut names: Vec<usize> = (0..6).collect();
        for _ in 0..200 {
            (1..6).rev().for_each(|i| names.swap(i, rng.below(i as u32 + 1) as usize));
            let named: Vec<i64> = names
                .iter()
                .flat_map(|&i| names.iter().map(|&j| matrix[i][j]).collect::<Vec<_>>())
                .collect();
            env.try_set_state(&named).unwrap();
            keys.insert(env.class_key().unwrap());
        }
        assert_eq!(keys.len(), 1, "{gates:?}");
    }
}

/// With letters X and Y of a qubit exchanged.
fn with_phase(matrix: &Matrix, qubit: usize) -> Matrix {
    let mut matrix = matrix.clone();
    let n = matrix.len() / 2;
    matrix.iter_mut().for_each(|row| row[n + qubit % n] ^= row[qubit % n]);
    matrix
}

const LOCAL: [Symmetry; 6] = [
    |m| with_hadamard(m, 0),
    |m| with_hadamard(m, 1),
    |m| with_hadamard(m, 2),
    |m| with_phase(m, 0),
    |m| with_phase(m, 1),
    |m| with_phase(m, 2),
];

#[test]
fn hashes_of_cliffords_are_those_of_their_classes() {
    let named: [Symmetry; 2] = [|m| exchanged(m, m.len() / 2), |m| turned(m, m.len() / 2)];
    let ends: [Symmetry; 1] = [|m| mirrored(m, m.len() / 2)];
    let of_all = &[&LOCAL[..], &named].concat()[..];
    let of_line = &[&LOCAL[..], &ends].concat()[..];
    for (num_qubits, topology, symmetries) in
        [(2, "line", of_all), (3, "all_to_all", of_all), (3, "line", of_line)]
    {
        let parameters = json!({"num_qubits": num_qubits, "topology": topology});
        let env = built::<Clifford>(parameters);
        let (states, distances) = all(&*env);
        let key = |env: &dyn Env| env.class_hash().unwrap().into();
        let count = num_classes(&*env, &states, symmetries, key);
        let prepared = Preparation { num_walks: 200, walk_length: 6, ..Preparation::default() };
        let guide = Guide::new(&*env, prepared, &mut || Ok(())).unwrap();
        assert_eq!(guide.layer_sizes().iter().sum::<usize>(), count, "{topology}");
        let few = Preparation { most_classes: 3, ..prepared };
        let few = Guide::new(&*env, few, &mut || Ok(())).unwrap();
        for (state, &distance) in states.iter().zip(&distances).step_by(97) {
            for (guide, width) in [(&guide, 1), (&few, 100)] {
                let limits = Limits { beam_width: width, num_cores: 1, ..Limits::default() };
                let actions = guide.solve(state, limits, &mut || Ok(())).unwrap().unwrap();
                assert_eq!(played(&*env, state, &actions), distance, "{topology}");
            }
        }
    }
}

#[test]
fn traits_after_an_action_are_those_of_the_state_there() {
    for (name, num_qubits, topology) in [
        ("Clifford", 2, "all_to_all"),
        ("Clifford", 5, "line"),
        ("Clifford", 8, "all_to_all"),
        ("LinearFunction", 3, "all_to_all"),
        ("LinearFunction", 8, "all_to_all"),
    ] {
        let given = json!({"num_qubits": num_qubits, "topology": topology});
        let mut env = find(name).unwrap().make(given.as_object().unwrap()).unwrap();
        let rng = &mut Rng::new(5);
        for length in 0..40 {
            env.try_reset_goal(rng).unwrap();
            for _ in 0..length {
                env.try_step(rng.below(env.num_actions() as u32) as usize).unwrap();
            }
            // Some that are legal, as if they were not.
            let mut masks = env.masks();
            let (mut found, mut expected) = (vec![7], vec![7]);
            for (action, legal) in masks.iter_mut().enumerate() {
                *legal &= action % 7 != length % 7;
                if *legal {
                    let mut after = env.try_clone().unwrap();
                    after.try_step(action).unwrap();
                    after.traits(&mut expected);
                }
            }
            env.traits_after(&masks, &mut found).unwrap();
            assert_eq!(found, expected, "{name} {given} {length}");
        }
    }
}

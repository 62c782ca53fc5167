//! Few swaps without a network, against the optimum where it is known.

use serde_json::{json, Map};
use twisterl::envs::find;
use twisterl::exact::Solver;
use twisterl::rl::env::Env;
use twisterl::rng::Rng;
use twisterl::routing::route;
use twisterl::search::Budget;
use twisterl::{Error, Result};

fn graph(num_qubits: usize, topology: &str) -> Box<dyn Env> {
    let given = json!({ "num_qubits": num_qubits, "topology": topology });
    find("Permutation").unwrap().make(given.as_object().unwrap()).unwrap()
}

fn drawn(env: &dyn Env, count: u64) -> Vec<Vec<i64>> {
    let mut env = env.try_clone().unwrap();
    let state = |seed| {
        env.try_reset_uniform(&mut Rng::new(seed)).unwrap();
        env.state().unwrap()
    };
    (0..count).map(state).collect()
}

/// How many swaps each state takes; they are played.
fn lengths(env: &dyn Env, states: &[Vec<i64>], width: usize, num_cores: usize) -> Vec<usize> {
    let mut env = env.try_clone().unwrap();
    let solutions = route(&*env, states, width, num_cores, &mut || Ok(())).unwrap();
    assert_eq!(solutions.len(), states.len());
    let played = |(state, actions): (&Vec<i64>, Option<Vec<usize>>)| {
        let actions = actions.expect("a solution");
        env.try_set_state(state).unwrap();
        actions.iter().for_each(|&action| env.step(action));
        assert!(env.success());
        actions.len()
    };
    states.iter().zip(solutions).map(played).collect()
}

#[test]
fn a_beam_as_wide_as_the_space_is_optimal() {
    for topology in ["line", "ring", "star", "all_to_all", "falcon_5"] {
        let env = graph(5, topology);
        let solver = Solver::new(&*env, 120, &mut || Ok(())).unwrap();
        let states = drawn(&*env, 200);
        let found = lengths(&*env, &states, 120, 1);
        for (state, length) in states.iter().zip(found) {
            let answer = solver.solve(state, Budget::default(), &mut || Ok(())).unwrap();
            assert_eq!(length, answer.at_least, "{topology}: {state:?}");
        }
    }
}

#[test]
fn on_a_line_it_is_the_inversions() {
    let env = graph(30, "line");
    let states = drawn(&*env, 4);
    let inversions = |state: &Vec<i64>| {
        let after = |i: usize| state[i..].iter().filter(|&&token| token < state[i]).count();
        (0..state.len()).map(after).sum::<usize>()
    };
    let expected: Vec<usize> = states.iter().map(inversions).collect();
    assert_eq!(lengths(&*env, &states, 16, 1), expected);
}

/// The token swapper of qiskit 2.6.2, with five trials, takes 2,325 swaps for these.
#[test]
fn a_narrow_beam_is_shorter_than_token_swapping_whatever_the_threads() {
    let env = graph(20, "heavy_hex");
    let states = drawn(&*env, 40);
    let found = lengths(&*env, &states, 64, 1);
    assert_eq!(found, lengths(&*env, &states, 64, 2));
    assert!(found.iter().sum::<usize>() <= 2107, "{found:?}");
    // Its own inverse is searched too.
    let inverse = |state: &Vec<i64>| {
        let mut inverse = vec![0; state.len()];
        state.iter().enumerate().for_each(|(at, &token)| inverse[token as usize] = at as i64);
        inverse
    };
    let inverses: Vec<Vec<i64>> = states[..8].iter().map(inverse).collect();
    assert_eq!(found[..8], lengths(&*env, &inverses, 64, 1));
}

#[test]
fn what_it_cannot_route_is_refused() {
    let (env, home) = (graph(4, "line"), vec![0, 1, 2, 3]);
    let poll = &mut || Ok(());
    let refused = |found: Result<_>| found.unwrap_err().to_string();
    assert!(refused(route(&*env, &[], 0, 1, poll)).starts_with("beam_width"));
    assert!(refused(route(&*env, &[], 1 << 21, 1, poll)).starts_with("beam_width"));
    assert!(refused(route(&*env, &[], 1, 0, poll)).starts_with("num_cores"));
    let states = [home.clone(), vec![0, 1, 2, 2]];
    assert!(refused(route(&*env, &states, 1, 1, poll)).starts_with("states[1]"));
    let other = find("LightsOut").unwrap().make(&Map::new()).unwrap();
    let told = refused(route(&*other, &[], 1, 1, poll));
    assert!(told.contains("a Permutation") && told.contains("LightsOut"), "{told}");
    assert_eq!(route(&*env, &[], 1, 1, poll).unwrap(), Vec::<Option<Vec<usize>>>::new());
    assert_eq!(route(&*env, &[home], 1, 1, poll).unwrap(), [Some(Vec::new())]);
    let stopped = route(&*env, &[vec![3, 2, 1, 0]], 1, 1, &mut || Err(Error::Interrupted));
    assert!(matches!(stopped, Err(Error::Interrupted)));
}

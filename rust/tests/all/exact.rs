//! The exact optimum against published facts and against searches written another way.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use twisterl::clock::Deadline;
use twisterl::envs::puzzle::Puzzle;
use twisterl::exact::breadth::{Breadth, ToldBy};
use twisterl::exact::deepening::shortest;
use twisterl::exact::meter::Meter;
use twisterl::exact::patterns::Patterns;
use twisterl::exact::{self, Answer, Preparation, Solver};
use twisterl::rl::env::Env;
use twisterl::rng::Rng;
use twisterl::search::Budget;
use twisterl::solve::Starts;
use twisterl::Error;

fn puzzle(width: usize, height: usize) -> Puzzle {
    Puzzle::new(width, height, 1, 2, 1000).unwrap()
}

fn solver(env: &dyn Env, most_states: usize) -> Solver {
    Solver::new(env, most_states, &mut || Ok(())).unwrap()
}

fn solve(solver: &Solver, state: &[i64], nodes: Option<u64>) -> Answer {
    solver.solve(state, Budget { nodes, time: None }, &mut || Ok(())).unwrap()
}

/// From scratch, and how often the poll was asked.
fn once(env: &dyn Env, state: &[i64], budget: Budget) -> (Answer, usize) {
    let mut polls = 0;
    let poll = &mut || {
        polls += 1;
        Ok(())
    };
    let answer = exact::solve(env, state, budget, poll).unwrap();
    (answer, polls)
}

/// Plays the answer: it must solve, and say its own length.
fn checked_length(env: &Puzzle, state: &[i64], answer: Answer) -> usize {
    let actions = answer.actions.expect("no limit, so a solution");
    let mut env = env.clone();
    env.try_set_state(state).unwrap();
    for &action in &actions {
        assert!(env.masks()[action]);
        env.step(action);
    }
    assert!(env.solved());
    assert_eq!(answer.at_least, actions.len());
    actions.len()
}

/// The layers of the golden file, which a Python search wrote.
fn golden_layers(width: usize, height: usize) -> Vec<usize> {
    let golden = crate::common::spec("golden/puzzle.json");
    let layers = golden["layers"].as_array().unwrap();
    let config = serde_json::json!({ "width": width, "height": height });
    let of_size = layers.iter().find(|layer| layer["config"] == config).unwrap();
    let boards = of_size["states"].as_array().unwrap();
    boards.iter().map(|count| count.as_u64().unwrap() as usize).collect()
}

#[test]
fn the_8_puzzle_has_its_known_layers() {
    let layers = solver(&puzzle(3, 3), Solver::MOST_STATES).layer_sizes().unwrap();
    assert_eq!(layers, golden_layers(3, 3));
    assert_eq!((layers.len() - 1, layers[31], layers.iter().sum::<usize>()), (31, 2, 181_440));
    let moves: usize = layers.iter().enumerate().map(|(depth, count)| depth * count).sum();
    assert_eq!(format!("{:.2}", moves as f64 / 181_440.0), "21.97");
}

/// The published numbers of positions of the 2x2x2 cube at each distance, by half and quarter turns.
#[test]
fn the_cube_has_its_known_layers() {
    let half = [1, 9, 54, 321, 1847, 9992, 50136, 227536, 870072, 1887748, 623800, 2644];
    let quarter = [
        1, 6, 27, 120, 534, 2256, 8969, 33058, 114149, 360508, 930588, 1350852, 782536, 90280, 276,
    ];
    for (metric, layers) in [("half", &half[..]), ("quarter", &quarter)] {
        let serde_json::Value::Object(given) = serde_json::json!({ "metric": metric }) else {
            unreachable!()
        };
        let env = twisterl::envs::find("Cube2").unwrap().make(&given).unwrap();
        assert_eq!(solver(&*env, Solver::MOST_STATES).layer_sizes().unwrap(), layers);
    }
}

/// Environments of the list that have an exact solver, against a search without their table.
#[test]
fn every_listed_environment_is_solved_from_both_ends() {
    for entry in twisterl::envs::ENVIRONMENTS {
        let env = entry.make(&serde_json::Map::new()).unwrap();
        if env.spec().inverse_actions.is_none() {
            continue;
        }
        let (more, fewer) = (solver(&*env, 60_000), solver(&*env, 15_000));
        let mut rng = Rng::new(7);
        for _ in 0..10 {
            let mut start = env.try_clone().unwrap();
            start.try_reset_goal(&mut rng).unwrap();
            for _ in 0..6 {
                start.try_step(rng.below(env.num_actions() as u32) as usize).unwrap();
            }
            let state = start.state().unwrap();
            let [one, other] = [&more, &fewer].map(|solver| solve(solver, &state, None));
            let answers = [one, other, once(&*env, &state, Budget::default()).0];
            let lengths = answers.each_ref().map(|answer| answer.at_least);
            assert_eq!(lengths, [lengths[0]; 3], "{} {state:?}", entry.class);
            for actions in answers.into_iter().filter_map(|answer| answer.actions) {
                let mut played = env.try_clone().unwrap();
                played.try_set_state(&state).unwrap();
                actions.iter().for_each(|&action| played.try_step(action).unwrap());
                assert!(played.success() && actions.len() <= 6, "{} {state:?}", entry.class);
            }
        }
    }
}

#[test]
fn what_no_action_undoes_is_searched_forward() {
    let given = serde_json::json!({"num_qubits": 3, "topology": "ring", "num_rotations": 2});
    let entry = twisterl::envs::find("PauliNetwork").unwrap();
    let env = entry.make(given.as_object().unwrap()).unwrap();
    let solver = solver(&*env, Solver::MOST_STATES);
    let mut start = env.clone();
    start.try_reset_uniform(&mut Rng::new(0)).unwrap();
    let state = start.state().unwrap();
    // By whole states, until one is solved.
    let (mut layer, mut seen, mut length) = (vec![start], HashSet::from([state.clone()]), 0);
    while !layer.iter().any(|env| env.success()) {
        let mut next = Vec::new();
        for (env, action) in layer.iter().flat_map(|env| (0..27).map(move |a| (env, a))) {
            let mut child = env.clone();
            child.step(action);
            next.extend(seen.insert(child.state().unwrap()).then_some(child));
        }
        (layer, length) = (next, length + 1);
    }
    for answer in [solve(&solver, &state, None), once(&*env, &state, Budget::default()).0] {
        assert_eq!(answer.at_least, length);
        let mut played = env.clone();
        played.try_set_state(&state).unwrap();
        answer.actions.unwrap().iter().for_each(|&action| played.step(action));
        assert!(played.success());
    }
    let few = Budget { nodes: Some(20), ..Budget::default() };
    let answer = once(&*env, &state, few).0;
    assert!(answer.actions.is_none() && answer.at_least <= length);
}

#[test]
fn every_small_board_is_solved_at_its_distance() {
    for (width, height) in [(2, 2), (2, 3), (3, 2), (2, 4)] {
        let env = puzzle(width, height);
        let table = solver(&env, Solver::MOST_STATES);
        let never = &mut || Ok(());
        let patterns =
            Patterns::of(width, height, None, &mut Meter::new(None, Deadline::NEVER, never))
                .unwrap();
        let patterns = patterns.unwrap();
        for (state, &depth) in &distances(&env, usize::MAX) {
            assert_eq!(checked_length(&env, state, solve(&table, state, None)), depth);
            assert_eq!(checked_length(&env, state, deepen(&patterns, state)), depth);
            let (answer, _) = once(&env, state, Budget::default());
            assert_eq!(checked_length(&env, state, answer), depth);
        }
    }
}

fn deepen(patterns: &Patterns, state: &[i64]) -> Answer {
    let tiles: Vec<u8> = state.iter().map(|&tile| tile as u8).collect();
    deepen_by(1, patterns, &tiles)
}

fn deepen_by(num_threads: usize, patterns: &Patterns, tiles: &[u8]) -> Answer {
    let never = &mut || Ok(());
    let meter = &mut Meter::new(None, Deadline::NEVER, never);
    shortest(patterns, tiles, num_threads, meter).unwrap()
}

#[test]
fn threads_that_share_a_board_find_the_same() {
    let never = &mut || Ok(());
    let meter = &mut Meter::new(None, Deadline::NEVER, never);
    let patterns = Patterns::of(4, 4, None, meter).unwrap().unwrap();
    for seed in [5, 6] {
        let state = puzzle(4, 4).random_state(&mut Rng::new(seed));
        let tiles: Vec<u8> = state.iter().map(|&tile| tile as u8).collect();
        let [alone, shared] = [1, 3].map(|threads| deepen_by(threads, &patterns, &tiles));
        assert_eq!(alone, shared);
    }
}

/// All boards up to `radius` moves from solved, by a search that keeps whole boards.
fn distances(env: &Puzzle, radius: usize) -> HashMap<Vec<i64>, usize> {
    let state = |env: &Puzzle| env.get_state().into_iter().map(|tile| tile as i64).collect();
    let mut solved = env.clone();
    solved.try_reset_goal(&mut Rng::new(0)).unwrap();
    let mut found = HashMap::from([(state(&solved), 0)]);
    let mut layer = vec![solved];
    for depth in 1..=radius {
        let mut next = Vec::new();
        for (env, action) in layer.iter().flat_map(|env| (0..4).map(move |action| (env, action))) {
            let mut moved = env.clone();
            moved.step(action);
            if let std::collections::hash_map::Entry::Vacant(entry) = found.entry(state(&moved)) {
                entry.insert(depth);
                next.push(moved);
            }
        }
        if next.is_empty() {
            break;
        }
        layer = next;
    }
    found
}

#[test]
fn larger_boards_agree_with_breadth_first_search() {
    let sizes = [(3, 4, 15), (4, 3, 15), (4, 4, 12), (5, 2, 18), (9, 8, 7)];
    for (width, height, radius) in sizes {
        let env = puzzle(width, height);
        let deepening = solver(&env, 1);
        for (index, (state, &depth)) in distances(&env, radius).iter().enumerate() {
            if index % 16 == 0 {
                assert_eq!(checked_length(&env, state, solve(&deepening, state, None)), depth);
                let (answer, _) = once(&env, state, Budget::default());
                assert_eq!(checked_length(&env, state, answer), depth);
            }
        }
    }
}

fn korf() -> Vec<(usize, Vec<i64>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/korf_15_puzzle.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let line = |line: &str| {
        let mut numbers = line.split(' ').map(|word| word.parse::<i64>().unwrap());
        (numbers.next().unwrap() as usize, numbers.collect())
    };
    text.lines().filter(|line| !line.starts_with('#')).map(line).collect()
}

/// Their mean is published as 53.05.
#[test]
fn all_of_korfs_boards() {
    let boards = korf();
    assert_eq!(boards.len(), 100);
    assert_eq!(boards.iter().map(|(length, _)| length).sum::<usize>(), 5305);
    let env = puzzle(4, 4);
    let solver = solver(&env, 1);
    for (length, state) in boards {
        assert_eq!(checked_length(&env, &state, solve(&solver, &state, None)), length, "{state:?}");
    }
    let (length, state) = &korf()[0];
    assert_eq!(checked_length(&env, state, once(&env, state, Budget::default()).0), *length);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Both searches from both ends, with a table too small for the whole space, against the table.
    #[test]
    fn searches_that_meet_are_exact(seed: u64, most_states in 1usize..12_000) {
        let env = puzzle(2, 4);
        let whole = solver(&env, Solver::MOST_STATES);
        let part = solver(&env, most_states);
        prop_assert!(part.layer_sizes().is_none());
        let state = env.random_state(&mut Rng::new(seed));
        let length = solve(&whole, &state, None).at_least;
        let answer = solve(&part, &state, None);
        match answer.actions {
            Some(_) => prop_assert_eq!(checked_length(&env, &state, answer), length),
            None => prop_assert!(answer.at_least <= length),
        }
    }

    /// A bound that was not proven to be the optimum is never above it.
    #[test]
    fn limits_are_honest(seed: u64, nodes in 1u64..40_000) {
        let env = puzzle(3, 4);
        let deepening = solver(&env, 1);
        let state = env.random_state(&mut Rng::new(seed));
        let cut = solve(&deepening, &state, Some(nodes));
        let length = checked_length(&env, &state, solve(&deepening, &state, None));
        prop_assert!(cut.at_least <= length);
        prop_assert!(cut.actions.is_none_or(|actions| actions.len() == length));
        for env in [&env, &puzzle(2, 4)] {
            let state = env.random_state(&mut Rng::new(seed));
            let length = once(env, &state, Budget::default()).0.at_least;
            let (cut, _) = once(env, &state, Budget { nodes: Some(nodes), time: None });
            prop_assert!(cut.at_least <= length);
            prop_assert!(cut.actions.is_none_or(|actions| actions.len() == length));
        }
    }
}

#[test]
fn all_starts_at_once_are_those_of_an_evaluation() {
    let env = puzzle(3, 4);
    let solver = solver(&env, 1);
    let all = |num_cores| {
        solver.solve_all(Starts::Uniform(40), 3, num_cores, Budget::default(), &mut || Ok(()))
    };
    let answers = all(1).unwrap();
    assert_eq!(all(2).unwrap(), answers);
    for (index, answer) in answers.into_iter().enumerate() {
        let mut start = env.clone();
        Starts::Uniform(40).place(index, &mut start, 3).unwrap();
        let state: Vec<i64> = start.get_state().into_iter().map(|tile| tile as i64).collect();
        checked_length(&env, &state, answer);
    }
}

#[test]
fn time_and_interrupts_end_a_hopeless_search() {
    let env = puzzle(6, 6);
    let solver = solver(&env, 1);
    let state = env.random_state(&mut Rng::new(1));
    let budget = Budget { nodes: None, time: Some(Duration::from_millis(20)) };
    let answer = solver.solve(&state, budget, &mut || Ok(())).unwrap();
    assert!(answer.actions.is_none() && answer.at_least > 50);
    let error = solver.solve(&state, Budget::default(), &mut || Err(Error::Interrupted));
    assert!(matches!(error, Err(Error::Interrupted)));
    for size in [(3, 3), (5, 4)] {
        let error = Solver::new(&puzzle(size.0, size.1), 1 << 20, &mut || Err(Error::Interrupted));
        assert!(matches!(error.err(), Some(Error::Interrupted)));
    }
}

fn lamps() -> Box<dyn Env> {
    let serde_json::Value::Object(given) = serde_json::json!({"width": 6, "height": 6}) else {
        unreachable!()
    };
    twisterl::envs::find("LightsOut").unwrap().make(&given).unwrap()
}

/// The tables of the puzzle and the states around the lamps' goal take hundreds of polls.
#[test]
fn limits_bound_what_is_prepared_too() {
    let boards = [puzzle(4, 4), puzzle(6, 6)].map(|env| (Box::new(env) as Box<dyn Env>, 300_000));
    for (mut env, nodes) in boards.into_iter().chain([(lamps(), 30_000)]) {
        env.try_reset_uniform(&mut Rng::new(3)).unwrap();
        let state = env.state().unwrap();
        let nodes = Budget { nodes: Some(nodes), time: None };
        let time = Budget { nodes: None, time: Some(Duration::from_millis(5)) };
        for budget in [nodes, time] {
            let (answer, polls) = once(&*env, &state, budget);
            assert!(polls < 200 && answer.at_least > 1, "{polls} polls, {answer:?}");
        }
        let (first, _) = once(&*env, &state, nodes);
        let time = Some(Duration::ZERO);
        let limits = Preparation { time, ..Preparation::default() };
        let quick = Solver::prepared(&*env, limits, &mut || Ok(())).unwrap();
        assert_eq!(quick.layer_sizes(), None);
        // Tables that another search has built meanwhile make no difference.
        solver(&*env, 1);
        assert_eq!(once(&*env, &state, nodes).0, first);
    }
}

#[test]
fn less_prepared_is_no_less_exact() {
    let mut near = puzzle(4, 4);
    let limits = Preparation { time: Some(Duration::ZERO), ..Preparation::default() };
    let quick = Solver::prepared(&near, limits, &mut || Ok(())).unwrap();
    for seed in 0..20 {
        near.set_difficulty(30);
        near.try_reset(&mut Rng::new(seed)).unwrap();
        let state = near.state().unwrap();
        let length = once(&near, &state, Budget::default()).0.at_least;
        assert_eq!(checked_length(&near, &state, solve(&quick, &state, None)), length);
    }
}

#[test]
fn what_cannot_be_solved_is_refused() {
    for (width, height) in [(2, 2), (4, 4)] {
        let env = puzzle(width, height);
        let solver = solver(&env, Solver::MOST_STATES);
        let mut state: Vec<i64> = (0..(width * height) as i64).collect();
        state.swap(1, 2);
        for (state, said) in [(&state[..], "parity"), (&state[1..], "entries")] {
            let error = solver.solve(state, Budget::default(), &mut || Ok(())).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
            let mut poll = || -> twisterl::Result<()> { panic!("no work before the check") };
            let error = exact::solve(&env, state, Budget::default(), &mut poll).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
    }
    assert!(Breadth::new(&puzzle(6, 6), ToldBy::Key)
        .unwrap_err()
        .to_string()
        .contains("state keys"));
}

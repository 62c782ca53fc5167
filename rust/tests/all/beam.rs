//! Beam search: what it finds, against a slow one and against the exact optimum.

use std::collections::HashMap;
use std::time::Duration;

use crate::common::random_policy;
use serde_json::{json, Map};
use twisterl::envs::find;
use twisterl::envs::puzzle::Puzzle;
use twisterl::nn::{masked_log_softmax, PlayPrecision, Policy, Scratch};
use twisterl::rl::env::Env;
use twisterl::rng::Rng;
use twisterl::search::{Budget, RootSelection, TreeConfig};
use twisterl::solve::{evaluate, BeamConfig, Episode, EvalConfig, Starts, Strategy};
use twisterl::spaces::Rows;

fn config(width: usize) -> EvalConfig {
    weighted(width, 0.0)
}

fn weighted(width: usize, value_weight: f32) -> EvalConfig {
    let strategy = Strategy::Beam(BeamConfig { width, value_weight, ..BeamConfig::default() });
    EvalConfig { strategy, ..EvalConfig::default() }
}

fn search(env: &dyn Env, starts: Starts, config: &EvalConfig) -> Vec<Episode> {
    evaluate(env, &random_policy(env, 5), starts, config, 3, &mut || Ok(())).unwrap()
}

fn boards(env: &Puzzle, count: u64) -> Vec<Vec<i64>> {
    (0..count).map(|seed| env.random_state(&mut Rng::new(seed))).collect()
}

#[test]
fn impossible_beams_are_refused() {
    let env = Puzzle::new(3, 3, 8, 2, 64).unwrap();
    let beams = [
        (weighted(0, 0.0), "beam_width"),
        // Memory for twice as many states is made ready.
        (weighted(10_000_001, 0.0), "beam_width"),
        (weighted(usize::MAX, 0.0), "beam_width"),
        (weighted(8, f32::NAN), "beam_value_weight"),
        (weighted(8, -1.0), "beam_value_weight"),
    ];
    for (config, name) in beams {
        let policy = random_policy(&env, 5);
        let refused = evaluate(&env, &policy, Starts::Reset(1), &config, 3, &mut || Ok(()));
        assert!(refused.is_err_and(|error| error.to_string().starts_with(name)), "{config:?}");
    }
}

/// Moves to the solved board by breadth-first search from it.
fn distances(env: &Puzzle) -> HashMap<Vec<usize>, usize> {
    let mut known = HashMap::from([(env.get_state(), 0)]);
    let mut layer = vec![env.clone()];
    for distance in 1.. {
        let mut next = Vec::new();
        for parent in &layer {
            for action in (0..4).filter(|&action| parent.masks()[action]) {
                let mut child = parent.clone();
                child.step(action);
                known.entry(child.get_state()).or_insert_with(|| {
                    next.push(child);
                    distance
                });
            }
        }
        if next.is_empty() {
            break;
        }
        layer = next;
    }
    known
}

#[test]
fn a_beam_as_wide_as_the_space_is_optimal() {
    let env = Puzzle::new(3, 2, 1, 2, 100).unwrap();
    let distances = distances(&env);
    assert_eq!(distances.len(), 360);
    let boards = boards(&env, 60);
    for (board, episode) in
        boards.iter().zip(search(&env, Starts::States(boards.clone().into()), &config(400)))
    {
        let key: Vec<usize> = board.iter().map(|&tile| tile as usize).collect();
        assert!(episode.success);
        assert_eq!(episode.actions.len(), distances[&key], "{board:?}");
    }
}

/// The rule as the module states it, with clones, linear searches and one evaluation a state.
fn slow_search(env: &Puzzle, policy: &dyn Policy, width: usize, weight: f32) -> Option<Vec<i64>> {
    type State = (f32, f32, Vec<i64>, Puzzle);
    let inverses = env.spec().inverse_actions.clone().unwrap();
    let mut layer: Vec<State> = vec![(0.0, 0.0, Vec::new(), env.clone())];
    for _ in 0..60 {
        let mut children: Vec<State> = Vec::new();
        for (score, _, path, state) in &layer {
            let mut rows = Rows::default();
            rows.push_with(|indices| state.try_observe(indices)).unwrap();
            let (mut logits, mut value, mut log_probs) = ([0.0; 4], [0.0], [0.0; 4]);
            let scratch = &mut Scratch::default();
            policy.forward_batch(&rows, None, scratch, &mut logits, &mut value).unwrap();
            masked_log_softmax(&logits, &state.masks(), &mut log_probs).unwrap();
            for action in (0..4).filter(|&action| state.masks()[action]) {
                if path.last().is_some_and(|&last| inverses[last as usize] == action) {
                    continue;
                }
                let mut child = state.clone();
                child.step(action);
                let path = path.iter().copied().chain([action as i64]).collect();
                let score = score + log_probs[action];
                children.push((score, score + weight * value[0], path, child));
            }
        }
        children.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mut next: Vec<State> = Vec::new();
        for child in children {
            let same = |other: &State| other.3.get_state() == child.3.get_state();
            if next.len() < width && !next.iter().any(same) && !layer.iter().any(same) {
                if child.3.solved() {
                    return Some(child.2);
                }
                next.push(child);
            }
        }
        layer = next;
    }
    None
}

#[test]
fn equals_the_slow_search() {
    let env = Puzzle::new(3, 2, 1, 2, 60).unwrap();
    let policy = random_policy(&env, 5);
    let boards = boards(&env, 12);
    let mut solved = 0;
    for (width, weight) in [(1, 0.0), (7, 0.0), (40, 0.0), (7, 2.5), (40, 0.3)] {
        let found = search(&env, Starts::States(boards.clone().into()), &weighted(width, weight));
        for (board, episode) in boards.iter().zip(found) {
            let mut start = env.clone();
            start.try_set_state(board).unwrap();
            let expected = slow_search(&start, &policy, width, weight);
            assert_eq!(episode.success.then_some(episode.actions), expected, "{board:?}");
            solved += usize::from(expected.is_some());
        }
    }
    assert!(solved > 12, "{solved} of 60");
}

#[test]
fn neither_threads_nor_company_change_anything() {
    let env = Puzzle::new(3, 3, 1, 2, 60).unwrap();
    let boards = boards(&env, 40);
    for width in [3, 100, 500] {
        let together = search(&env, Starts::States(boards.clone().into()), &config(width));
        let threads = EvalConfig { num_cores: 2, ..config(width) };
        assert_eq!(search(&env, Starts::States(boards.clone().into()), &threads), together);
        for (index, board) in boards.iter().enumerate().take(5) {
            // A single start is evaluated by both threads.
            let alone = search(&env, Starts::States([board.clone()].into()), &threads);
            assert_eq!(alone[..], together[index..=index]);
        }
    }
}

/// Short numbers lead elsewhere now and then, by beam and by tree, whatever the threads.
#[test]
fn short_numbers_play() {
    let env = Puzzle::new(3, 3, 1, 2, 60).unwrap();
    let starts = Starts::States(boards(&env, 40).into());
    let tree = TreeConfig { num_simulations: 8, ..TreeConfig::default() };
    for strategy in [config(20).strategy, Strategy::Mcts(tree)] {
        let exact = EvalConfig { strategy, deterministic: true, ..EvalConfig::default() };
        let short = EvalConfig { precision: PlayPrecision::Int8, num_cores: 1, ..exact };
        let found = search(&env, starts.clone(), &short);
        assert_eq!(found, search(&env, starts.clone(), &EvalConfig { num_cores: 2, ..short }));
        assert_ne!(found, search(&env, starts.clone(), &exact));
    }
}

#[test]
fn a_budget_ends_it_with_the_best_so_far() {
    let env = Puzzle::new(3, 3, 1, 2, 60).unwrap();
    let boards = boards(&env, 20);
    let budget = Budget { nodes: Some(100), ..Budget::default() };
    for (board, episode) in boards.iter().zip(search(
        &env,
        Starts::States(boards.clone().into()),
        &EvalConfig { budget, ..config(16) },
    )) {
        assert!(episode.nodes <= 100);
        let mut replay = env.clone();
        replay.try_set_state(board).unwrap();
        let mut reward = replay.reward();
        for &action in &episode.actions {
            assert!(replay.masks()[action as usize]);
            replay.step(action as usize);
            reward += replay.reward();
        }
        assert_eq!((replay.solved(), reward), (episode.success, episode.reward));
        assert!(episode.success || episode.actions.len() > 5);
    }
    let budget = Budget { time: Some(Duration::from_nanos(1)), ..Budget::default() };
    let found =
        search(&env, Starts::States(boards.clone().into()), &EvalConfig { budget, ..config(16) });
    assert!(found.iter().all(|episode| episode.actions.is_empty()));
}

#[test]
fn with_a_budget_it_widens_and_keeps_the_best() {
    let env = Puzzle::new(3, 3, 1, 2, 60).unwrap();
    let boards = boards(&env, 20);
    let starts = Starts::States(boards.clone().into());
    let narrow = search(&env, starts.clone(), &config(16));
    let wide = search(&env, starts.clone(), &config(400));
    let limited = |nodes| {
        let budget = Budget { nodes: Some(nodes), ..Budget::default() };
        search(&env, starts.clone(), &EvalConfig { budget, num_cores: 2, ..config(400) })
    };
    // As the narrow ones with little, nowhere worse than the wide ones with much.
    let (little, much) = (limited(1_500), limited(u64::MAX));
    let worth = |episode: &Episode| (episode.success, episode.reward);
    let mut widened = 0;
    for (i, episode) in little.iter().enumerate() {
        assert!(episode.nodes <= 1_500);
        assert!(worth(episode) >= worth(&narrow[i]));
        assert!(worth(&much[i]) >= worth(&wide[i]));
        assert!(much[i].nodes > wide[i].nodes);
        widened += usize::from(worth(&much[i]) > worth(episode));
        if worth(&much[i]) == worth(&narrow[i]) {
            // Of equals the one that was found first.
            assert_eq!(much[i].actions, narrow[i].actions);
        }
    }
    assert!(widened > 0);
    assert_eq!(limited(1_500), little);
}

#[test]
fn used_up_steps_end_it() {
    let env = Puzzle::new(3, 3, 1, 2, 9).unwrap();
    let episode =
        &search(&env, Starts::States([vec![8, 7, 6, 5, 4, 3, 2, 1, 0]].into()), &config(30))[0];
    assert!(!episode.success);
    assert_eq!(episode.actions.len(), 9);
    assert!((episode.reward - (9.0 * -0.5 / 9.0 - 0.5)).abs() < 1e-6, "{}", episode.reward);
}

#[test]
fn a_solved_start_needs_nothing() {
    let env = Puzzle::new(3, 3, 1, 2, 9).unwrap();
    let episode = &search(&env, Starts::States([(0..9).collect()].into()), &config(30))[0];
    assert_eq!((episode.success, episode.actions.len(), episode.nodes), (true, 0, 0));
}

/// A line of cells to walk to cell 0, whose steps slip at random and whose ends are masked.
#[derive(Clone)]
struct Slippery {
    cell: usize,
    left: usize,
    rng: Rng,
    played: Vec<usize>,
    no_action: bool,
}

impl Env for Slippery {
    as_any!();
    fn num_actions(&self) -> usize {
        2
    }
    fn obs_shape(&self) -> Vec<usize> {
        vec![20]
    }
    fn set_state(&mut self, state: Vec<i64>) {
        self.cell = state[0] as usize;
    }
    fn reset(&mut self) {}
    fn step(&mut self, action: usize) {
        let to = if action == 0 { self.cell - 1 } else { self.cell + 1 };
        if self.rng.below(3) > 0 {
            self.cell = to;
        }
        self.left -= 1;
        self.played.push(100 * self.cell + action);
    }
    fn masks(&self) -> Vec<bool> {
        vec![self.cell > 0 && !self.no_action, self.cell < 19 && !self.no_action]
    }
    fn is_final(&self) -> bool {
        self.cell == 0 || self.left == 0
    }
    fn success(&self) -> bool {
        self.cell == 0
    }
    fn reward(&self) -> f32 {
        f32::from(u8::from(self.success()))
    }
    fn observe(&self) -> Vec<usize> {
        vec![self.cell]
    }
    fn track_solution(&self) -> bool {
        true
    }
    fn solution(&self) -> Vec<usize> {
        self.played.clone()
    }
}

#[test]
fn states_are_carried_not_replayed() {
    let env =
        Slippery { cell: 5, left: 60, rng: Rng::new(1), played: Vec::new(), no_action: false };
    let episode = &search(&env, Starts::Current, &config(8))[0];
    assert!(episode.success);
    // What the solved copy says it played, slips included.
    assert_eq!(episode.actions.last(), Some(&0));
    assert!(episode.actions.iter().all(|played| played / 100 < 20));
    assert_eq!((env.cell, env.played.len()), (5, 0));
}

#[test]
fn no_legal_action_is_an_error() {
    let env = Slippery { cell: 5, left: 60, rng: Rng::new(1), played: Vec::new(), no_action: true };
    let policy = random_policy(&env, 5);
    let found = evaluate(&env, &policy, Starts::Current, &config(8), 0, &mut || Ok(()));
    assert!(found.unwrap_err().to_string().contains("legal action"));
}

/// With a table of `states` of those around the goal.
fn tabled(width: usize, states: u64) -> EvalConfig {
    EvalConfig { goal_table_bytes: 64 * states, ..config(width) }
}

#[test]
fn a_table_ends_beams_early_and_proves_what_is_short() {
    let env = Puzzle::new(3, 2, 1, 2, 100).unwrap();
    let distances = distances(&env);
    let boards = boards(&env, 60);
    let optimum = |board: &[i64]| {
        distances[&board.iter().map(|&tile| tile as usize).collect::<Vec<_>>()] as u64
    };
    let search = |config| search(&env, Starts::States(boards.clone().into()), &config);
    let without = search(config(400));
    for (width, states) in [(400, 100), (3, 100), (400, 1000), (400, 1)] {
        let mut proven = 0;
        for ((board, episode), without) in
            boards.iter().zip(search(tabled(width, states))).zip(&without)
        {
            let mut replay = env.clone();
            replay.try_set_state(board).unwrap();
            let mut reward = replay.reward();
            for &action in &episode.actions {
                assert!(replay.masks()[action as usize] && !replay.solved());
                replay.step(action as usize);
                reward += replay.reward();
            }
            assert_eq!((replay.solved(), reward), (episode.success, episode.reward));
            assert!(episode.at_least <= optimum(board) && optimum(board) <= episode.len());
            proven += usize::from(episode.at_least == episode.len());
            assert!(width < 400 || episode.nodes <= without.nodes);
        }
        // A narrow beam proves nothing beyond its table.
        assert_eq!(proven == boards.len(), width == 400, "{width} {states}: {proven}");
    }
    assert!(search(tabled(3, 1000)).iter().all(|episode| episode.nodes == 0));
}

/// Of GL(4, 2): its order, and the mean distances that breadth-first search has.
#[test]
fn a_table_of_all_linear_functions_answers_at_once() {
    for (topology, mean) in [("line", 9.119), ("all_to_all", 5.685)] {
        let env = linear_function(4, topology);
        let matrices = (0..1 << 16).map(|m: i64| (0..16).map(|bit| m >> bit & 1).collect());
        let is_invertible = |matrix: &Vec<i64>| {
            let mut env = env.clone();
            env.try_set_state(matrix).is_ok() && env.check_solvable().is_ok()
        };
        let states: Vec<Vec<i64>> = matrices.filter(is_invertible).collect();
        assert_eq!(states.len(), 20160);
        let found = search(&*env, Starts::States(states.into()), &tabled(1, 30_000));
        assert!(found.iter().all(|e| e.success && e.nodes == 0 && e.at_least == e.len()));
        let sum: u64 = found.iter().map(Episode::len).sum();
        assert!((sum as f64 / 20160.0 - mean).abs() < 0.001, "{topology}");
    }
}

#[test]
fn a_table_does_not_lengthen_an_episode() {
    let env = Puzzle::new(3, 2, 1, 2, 10).unwrap();
    let distances = distances(&env);
    let mut by_steps = [0; 2];
    for (board, &distance) in &distances {
        let board = board.iter().map(|&tile| tile as i64).collect();
        let episode = &search(&env, Starts::States([board].into()), &tabled(400, 1000))[0];
        assert_eq!(episode.success, distance <= 10);
        assert!(episode.len() <= 10 && episode.at_least == distance as u64);
        by_steps[usize::from(episode.success)] += 1;
    }
    assert!(by_steps[0] > 50 && by_steps[1] > 50, "{by_steps:?}");
}

#[test]
fn a_table_needs_one_goal_and_a_way_back() {
    let slippery =
        Slippery { cell: 5, left: 60, rng: Rng::new(1), played: Vec::new(), no_action: false };
    let open = find("GridWorld").unwrap().make(&Map::new()).unwrap();
    let too_much = EvalConfig { goal_table_bytes: u64::MAX, ..config(8) };
    for (env, config, text) in [
        (&slippery as &dyn Env, tabled(8, 100), "inverse_actions"),
        (&*open, tabled(8, 100), "goal_table_bytes: expected 0, or an environment with one goal"),
        (&*open, too_much, "goal_table_bytes: expected an integer in 0..="),
    ] {
        let policy = random_policy(env, 5);
        let error = evaluate(env, &policy, Starts::Current, &config, 0, &mut || Ok(()));
        let error = error.unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
}

fn linear_function(num_qubits: usize, topology: &str) -> Box<dyn Env> {
    let parameters = json!({"num_qubits": num_qubits, "topology": topology});
    find("LinearFunction").unwrap().make(parameters.as_object().unwrap()).unwrap()
}

#[test]
fn all_views_together_see_a_state_and_its_image_alike() {
    let env = linear_function(5, "line");
    let (features, actions) = env.spec().twists.clone();
    assert_eq!(features.len(), 2);
    let mut different = 0;
    for seed in 0..20 {
        let mut drawn = env.clone();
        drawn.try_reset_uniform(&mut Rng::new(seed)).unwrap();
        let state = drawn.state().unwrap();
        let mut image = state.clone();
        state.iter().zip(&features[1]).for_each(|(&entry, &to)| image[to] = entry);
        for views in [1, 2, 9] {
            let beam = BeamConfig { width: 20, views, ..BeamConfig::default() };
            let config = EvalConfig { strategy: Strategy::Beam(beam), ..EvalConfig::default() };
            let starts = Starts::States([state.clone(), image.clone()].into());
            let [first, second] = &search(&*env, starts, &config)[..] else { panic!() };
            let mirrored: Vec<i64> =
                first.actions.iter().map(|&action| actions[1][action as usize] as i64).collect();
            if views == 1 {
                different += usize::from(mirrored != second.actions);
            } else {
                assert_eq!((first.success, mirrored), (second.success, second.actions.clone()));
            }
        }
    }
    assert!(different > 10, "{different} of 20");
}

#[test]
fn tree_searches_end_at_the_table_too() {
    let env = Puzzle::new(3, 2, 1, 2, 100).unwrap();
    let distances = distances(&env);
    let boards = boards(&env, 60);
    let tree = TreeConfig { num_simulations: 60, ..TreeConfig::default() };
    for root_selection in [RootSelection::Puct, RootSelection::Gumbel] {
        let strategy = Strategy::Mcts(TreeConfig { root_selection, ..tree });
        let play = |goal_table_bytes| {
            let config = EvalConfig { strategy, goal_table_bytes, ..EvalConfig::default() };
            search(&env, Starts::States(boards.clone().into()), &config)
        };
        let mut solved = [0, 0];
        for (count, bytes) in solved.iter_mut().zip([0, 64 * 100]) {
            for (board, episode) in boards.iter().zip(play(bytes)) {
                let mut replay = env.clone();
                replay.try_set_state(board).unwrap();
                episode.actions.iter().for_each(|&action| replay.step(action as usize));
                assert_eq!(replay.solved(), episode.success);
                *count += usize::from(episode.success);
            }
        }
        assert!(solved[1] > solved[0] + 10, "{solved:?}");
        for (board, episode) in boards.iter().zip(play(64 * 1000)) {
            let key: Vec<usize> = board.iter().map(|&tile| tile as usize).collect();
            assert_eq!((episode.success, episode.actions.len()), (true, distances[&key]));
        }
    }
}

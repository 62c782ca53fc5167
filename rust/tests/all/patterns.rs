//! Beams that pattern databases lead, and optima by elimination, against other searches.

use twisterl::clock::Deadline;
use twisterl::envs::puzzle::Puzzle;
use twisterl::error::Result;
use twisterl::exact::breadth::{Breadth, Grown, ToldBy};
use twisterl::exact::meter::Meter;
use twisterl::exact::patterns::Patterns;
use twisterl::exact::{self, Solver};
use twisterl::rl::env::Env;
use twisterl::rl::estimates::{Estimates, Teacher};
use twisterl::rng::Rng;
use twisterl::search::Budget;
use twisterl::solve::{evaluate_alone, Episode, EvalConfig, Starts, Strategy};

fn puzzle(width: usize, height: usize) -> Puzzle {
    Puzzle::new(width, height, 1, 2, 1000).unwrap()
}

fn played(env: &dyn Env, starts: usize, config: EvalConfig) -> Vec<Episode> {
    evaluate_alone(env, Starts::Uniform(starts), &config, 0, &mut || Ok(())).unwrap()
}

fn by(width: usize) -> EvalConfig {
    EvalConfig { strategy: Strategy::Patterns { width }, ..EvalConfig::default() }
}

/// What estimates say after an action is what they say of the state itself.
#[test]
fn estimates_follow_their_board() {
    for (width, height, bytes) in [(3, 3, 1 << 12), (4, 3, 1 << 16), (5, 1, 100), (4, 4, 1 << 13)] {
        let mut env = puzzle(width, height);
        let estimates = env.estimates(bytes, &mut || Ok(())).unwrap().unwrap();
        let mut rng = Rng::new(3);
        let [mut state, mut anew] = [(); 2].map(|()| vec![0; estimates.num_words()]);
        estimates.enter(&env.state().unwrap(), &mut state);
        assert!(env.success() && state[1] == 0);
        env.try_reset_uniform(&mut rng).unwrap();
        state.fill(7);
        estimates.enter(&env.state().unwrap(), &mut state);
        if width == 3 {
            // That of the board and that of its reflection: neither is more than there is to do.
            let numbers = env.state().unwrap();
            let answer = exact::solve(&env, &numbers, Budget::default(), &mut || Ok(())).unwrap();
            assert!(state[1] as usize <= 2 * answer.at_least && state[1] > 0);
        }
        let mut children = Vec::new();
        let mut undo = None;
        for _ in 0..200 {
            children.clear();
            estimates.children(&state, &mut children);
            let legal = env.masks().iter().filter(|&&legal| legal).count();
            assert_eq!(children.len(), legal - usize::from(undo.is_some()));
            assert!(children.iter().all(|child| Some(usize::from(child.action)) != undo));
            let Some(&child) = children.get(rng.below(children.len().max(1) as u32) as usize)
            else {
                break;
            };
            env.step(child.action.into());
            undo = Some([2, 3, 0, 1][usize::from(child.action)]);
            estimates.step(&mut state, &[child.action]);
            estimates.enter(&env.state().unwrap(), &mut anew);
            // The first word has where the blank came from.
            assert_eq!(state[1..], anew[1..]);
            assert_eq!((child.estimate == 0, u32::from(child.estimate)), (env.success(), state[1]));
            let hash = u64::from(state[3]) << 32 | u64::from(state[2]);
            assert_eq!(child.hash, hash);
        }
    }
}

/// Solves states shortest.
struct Perfect<'a>(&'a Solver);

impl Teacher for Perfect<'_> {
    fn solve(&mut self, _: &dyn Estimates, states: &[Vec<i64>]) -> Result<Vec<Vec<i64>>> {
        let solve = |state: &Vec<i64>| {
            let answer = self.0.solve(state, Budget::default(), &mut || Ok(()))?;
            Ok(answer.actions.unwrap().into_iter().map(|action| action as i64).collect())
        };
        states.iter().map(solve).collect()
    }
    fn most_actions(&self) -> usize {
        31
    }
    fn poll(&mut self) -> Result<()> {
        Ok(())
    }
}

#[test]
fn what_is_learned_of_pairs_comes_closer_to_the_optimum() {
    let mut env = puzzle(3, 3);
    let solver = Solver::new(&env, Solver::MOST_STATES, &mut || Ok(())).unwrap();
    let sums = env.estimates(72, &mut || Ok(())).unwrap().unwrap();
    let taught = sums.taught(300, &mut Perfect(&solver)).unwrap().unwrap();
    let (mut rng, mut found) = (Rng::new(1), Vec::new());
    env.try_reset_uniform(&mut rng).unwrap();
    let mut words = vec![0; taught.num_words()];
    taught.enter(&env.state().unwrap(), &mut words);
    for _ in 0..400 {
        let [mut by_sums, mut by_pairs, mut anew] = [(); 3].map(|()| Vec::new());
        taught.children(&words, &mut by_pairs);
        for (estimates, children) in [(&sums, &mut by_sums), (&taught, &mut anew)] {
            let mut words = vec![0; estimates.num_words()];
            estimates.enter(&env.state().unwrap(), &mut words);
            estimates.children(&words, children);
        }
        // What was added step by step is what the board alone says.
        assert!(by_pairs.iter().all(|child| anew.contains(child)));
        let child = by_pairs[rng.below(by_pairs.len() as u32) as usize];
        let sum = by_sums.iter().find(|other| other.action == child.action).unwrap().estimate;
        taught.step(&mut words, &[child.action]);
        env.step(child.action.into());
        let state = env.state().unwrap();
        let optimum = solver.solve(&state, Budget::default(), &mut || Ok(())).unwrap().at_least;
        assert_eq!(child.estimate == 0, optimum == 0);
        found.push([optimum as f64, sum.into(), child.estimate.into()]);
    }
    let [by_sums, by_pairs] = [1, 2].map(|column| correlation(&found, column));
    assert!(by_sums > 0.4 && by_pairs > by_sums + 0.15, "{by_sums} {by_pairs}");
}

/// Of the first number of each row and that of a column.
fn correlation(rows: &[[f64; 3]], column: usize) -> f64 {
    let mean = |of: &dyn Fn(&[f64; 3]) -> f64| rows.iter().map(of).sum::<f64>() / rows.len() as f64;
    let (x, y) = (mean(&|row| row[0]), mean(&|row| row[column]));
    let product = mean(&|row| (row[0] - x) * (row[column] - y));
    let squares = mean(&|row| (row[0] - x).powi(2)) * mean(&|row| (row[column] - y).powi(2));
    product / squares.sqrt()
}

#[test]
fn beams_find_short_ways_whatever_the_threads() {
    let env = puzzle(3, 3);
    let shortest = played(&env, 12, EvalConfig { strategy: Strategy::Optimal, ..by(1) });
    let sum = |episodes: &[Episode]| episodes.iter().map(Episode::len).sum::<u64>() as f64;
    let best = sum(&shortest);
    // All states of a depth are kept by the last, which is then a proof.
    for (width, most) in [(16, 1.05), (1 << 14, 1.0)] {
        let bytes = 1 << 14;
        let config = EvalConfig { num_cores: 1, pattern_bytes: Some(bytes), ..by(width) };
        let one = played(&env, 12, config);
        assert!(one.iter().all(|episode| episode.success), "{width}");
        assert!((1.0..=most).contains(&(sum(&one) / best)), "{width}: {}", sum(&one) / best);
        for (num_cores, starts) in [(2, 12), (3, 2)] {
            let more = played(&env, starts, EvalConfig { num_cores, ..config });
            assert_eq!(more, one[..starts]);
        }
    }
}

#[test]
fn lessons_make_narrow_beams_better() {
    let env = puzzle(4, 3);
    let config = EvalConfig { pattern_bytes: Some(132), ..by(32) };
    let taught = EvalConfig { pattern_boards: 60, ..config };
    let length = |episodes: &[Episode]| {
        assert!(episodes.iter().all(|episode| episode.success));
        episodes.iter().map(Episode::len).sum::<u64>()
    };
    let [by_sums, by_pairs] = [config, taught].map(|config| played(&env, 20, config));
    assert!(length(&by_pairs) < length(&by_sums));
}

#[test]
fn budgets_widen_beams() {
    let env = puzzle(4, 4);
    let of = |nodes| Budget { nodes: Some(nodes), ..Budget::default() };
    let small = EvalConfig { pattern_bytes: Some(240), num_cores: 2, ..by(1 << 12) };
    let lengths = |budget| {
        let episodes = played(&env, 2, EvalConfig { budget, ..small });
        let solved = episodes.iter().filter(|episode| episode.success);
        assert!(episodes.iter().all(|episode| episode.nodes > 0));
        (solved.clone().count(), solved.map(Episode::len).sum::<u64>())
    };
    let (few, first) = lengths(of(80_000));
    let (all, best) = lengths(of(100_000_000));
    assert_eq!((few, all, lengths(of(100)).0), (2, 2, 0));
    assert!(best < first, "{best} {first}");
}

#[test]
fn memory_decides_how_large_groups_are() {
    let of = |bytes| {
        let never = &mut || Ok(());
        let meter = &mut Meter::new(None, Deadline::NEVER, never);
        Patterns::of(4, 3, Some(bytes), meter).map(Option::unwrap)
    };
    let [single, pairs, threes] = [140, 1000, 7000].map(|bytes| of(bytes).unwrap());
    assert_eq!([&single, &pairs, &threes].map(|p| p.tables.len()), [11, 6, 4]);
    assert!(pairs.bytes() <= 1000 && threes.bytes() <= 7000);
    let error = of(131).unwrap_err();
    assert_eq!(
        error.to_string(),
        "pattern_bytes: expected at least 132, for tables of 4 x 3, got 131"
    );
    // Larger groups know more, and no group more than there is.
    let sum = |patterns: &Patterns, state: &[i64]| -> u32 {
        let mut placements = vec![0; patterns.tables.len()];
        for (cell, &tile) in state.iter().enumerate().filter(|(_, &tile)| tile != 0) {
            placements[usize::from(patterns.group[tile as usize])] +=
                patterns.weight[tile as usize] as usize * cell;
        }
        let costs = patterns.tables.iter().zip(placements).map(|(table, number)| table[number]);
        costs.map(u32::from).sum()
    };
    let env = puzzle(4, 3);
    let solver = Solver::new(&env, 1, &mut || Ok(())).unwrap();
    let mut all = [0; 3];
    for seed in 0..20 {
        let state = env.random_state(&mut Rng::new(seed));
        let sums = [&single, &pairs, &threes].map(|patterns| sum(patterns, &state));
        let optimum = solver.solve(&state, Budget::default(), &mut || Ok(())).unwrap().at_least;
        assert!(sums
            .iter()
            .all(|&sum| sum as usize <= optimum && (optimum - sum as usize).is_multiple_of(2)));
        all = [0, 1, 2].map(|i| all[i] + sums[i]);
    }
    assert!(all.is_sorted() && all[0] < all[2], "{all:?}");
}

#[test]
fn elimination_finds_the_fewest_presses() {
    for (width, height) in [(3, 3), (4, 4), (2, 3)] {
        let given = serde_json::json!({"width": width, "height": height});
        let mut env =
            twisterl::envs::find("LightsOut").unwrap().make(given.as_object().unwrap()).unwrap();
        let solver = Solver::new(&*env, Solver::MOST_STATES, &mut || Ok(())).unwrap();
        let mut layers = Breadth::new(&*env, ToldBy::Key).unwrap();
        let never = &mut || Ok(());
        let meter = &mut Meter::new(None, Deadline::NEVER, never);
        while layers.grow(&mut *env, usize::MAX, meter, |_, _| false).unwrap() == Grown::Layer {}
        let mut rng = Rng::new(0);
        for _ in 0..50 {
            env.try_reset_uniform(&mut rng).unwrap();
            let state = env.state().unwrap();
            let distance = layers.distance(layers.find(env.state_key().unwrap()).unwrap());
            let once = exact::solve(&*env, &state, Budget::default(), &mut || Ok(())).unwrap();
            let answer = solver.solve(&state, Budget::default(), &mut || Ok(())).unwrap();
            assert_eq!((answer.at_least, &answer), (distance, &once));
            answer.actions.unwrap().into_iter().for_each(|action| env.step(action));
            assert!(env.success());
        }
    }
}

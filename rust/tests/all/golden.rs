//! Replays specs/golden, which a slow reference in Python wrote (tests/reference).

use std::collections::HashSet;
use std::path::Path;

use crate::common::{items, spec};
use serde_json::{json, Map, Value};
use twisterl::envs::{ENVIRONMENTS, TASKS};
use twisterl::nn::Network;
use twisterl::rl::env::Env;
use twisterl::rng::Rng;
use twisterl::search::{explore, RootSelection, TreeConfig, Truncation};
use twisterl::solve::{evaluate, EvalConfig, Starts, Strategy};
use twisterl::testing::{untwisted_policy, Widths};

fn word(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap(), 16).unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

#[test]
fn seeds_and_streams() {
    let golden = spec("golden/rng.json");
    for case in items(&golden["seeds"]) {
        let mut rng = Rng::new(word(&case["seed"]));
        for expected in items(&case["words"]) {
            assert_eq!(rng.next_u64(), word(expected), "{case}");
        }
    }
    for case in items(&golden["streams"]) {
        let [iteration, lane] = ["iteration", "lane"].map(|key| number(&case[key]));
        let mut rng = Rng::stream(word(&case["seed"]), iteration, lane);
        for expected in items(&case["words"]) {
            assert_eq!(rng.next_u64(), word(expected), "{case}");
        }
    }
}

#[test]
fn bounded_draws_floats_and_shuffles() {
    let golden = spec("golden/rng.json");
    let below = &golden["below"];
    let mut rng = Rng::new(number(&below["seed"]));
    for (bound, draw) in items(&below["bounds"]).iter().zip(items(&below["draws"])) {
        assert_eq!(u64::from(rng.below(number(bound) as u32)), number(draw), "below {bound}");
    }
    let mut rng = Rng::new(number(&golden["unit"]["seed"]));
    for draw in items(&golden["unit"]["times_2_to_24"]) {
        assert_eq!(rng.unit() * (1u32 << 24) as f32, number(draw) as f32);
    }
    for case in items(&golden["shuffles"]) {
        let mut rng = Rng::new(number(&case["seed"]));
        let mut order: Vec<u64> = (0..number(&case["length"])).collect();
        for i in (1..order.len()).rev() {
            order.swap(i, rng.below(i as u32 + 1) as usize);
        }
        let expected: Vec<u64> = items(&case["order"]).iter().map(number).collect();
        assert_eq!(order, expected);
    }
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap()
}

fn numbers(value: &Value) -> Vec<i64> {
    items(value).iter().map(|number| number.as_i64().unwrap()).collect()
}

#[test]
fn every_environment_has_a_spec_and_every_spec_an_environment() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs/envs");
    let mut specs: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let listed = ENVIRONMENTS.iter().chain(TASKS);
    let mut names: Vec<_> = listed.map(|entry| entry.name.to_owned()).collect();
    specs.sort();
    names.sort();
    assert_eq!(specs, names);
}

/// Parameters, their bounds and defaults.
#[test]
fn specs_are_what_is_built() {
    for entry in ENVIRONMENTS {
        let spec = spec(&format!("envs/{}.json", entry.name));
        assert_eq!(spec["name"], entry.name);
        let mut declared = Map::new();
        for parameter in entry.parameters() {
            let mut declaration = object(&parameter.declaration()).clone();
            declaration.remove("name");
            assert_ne!(declaration.remove("about"), Some("".into()), "{}", parameter.name);
            declared.insert(parameter.name.to_owned(), declaration.into());
        }
        let mut specified = object(&spec["parameters"]).clone();
        for parameter in specified.values_mut() {
            parameter.as_object_mut().unwrap().remove("meaning");
        }
        assert_eq!(specified, declared, "{}", entry.name);
        let env = entry.make(&Map::new()).unwrap();
        let told = env.spec();
        assert_eq!((json!(told.version), &*told.name), (spec["version"].clone(), entry.class));
        if let Some(names) = spec["actions"].as_array() {
            assert_eq!(told.action_names, *names, "{}", entry.name);
        }
    }
}

#[test]
fn descriptions() {
    for entry in ENVIRONMENTS {
        let golden = spec(&format!("golden/{}.json", entry.name));
        for case in items(&golden["descriptions"]) {
            let env = entry.make(object(&case["config"])).unwrap();
            assert_eq!(json!(env.obs_shape()), case["obs_shape"], "{case}");
            assert_eq!(json!(env.spec().action_names), case["action_names"], "{case}");
        }
    }
}

#[test]
fn traces() {
    for entry in ENVIRONMENTS {
        for case in items(&spec(&format!("golden/{}.json", entry.name))["traces"]) {
            replay(&mut *entry.make(object(&case["config"])).unwrap(), case);
        }
    }
}

fn replay(env: &mut dyn Env, case: &Value) {
    let stream = |lane| Rng::stream(number(&case["seed"]), 0, lane);
    let mut play = stream(2);
    match case["start"].as_str().unwrap() {
        "uniform" => env.try_reset_uniform(&mut stream(1)).unwrap(),
        _ => env.try_reset(&mut stream(1)).unwrap(),
    }
    let mut masks = vec![false; env.num_actions()];
    let actions = items(&case["actions"]);
    for t in 0..=actions.len() {
        if let Some(states) = case["states"].as_array() {
            assert_eq!(env.state(), Some(numbers(&states[t])), "state {t} of {case}");
        }
        env.try_masks(&mut masks).unwrap();
        let digits: String = masks.iter().map(|&mask| if mask { '1' } else { '0' }).collect();
        assert_eq!(digits, case["masks"][t].as_str().unwrap(), "masks {t} of {case}");
        let status = env.try_status().unwrap();
        let reward = case["rewards"][t].as_f64().unwrap() as f32;
        let [is_final, success] = ["final", "success"].map(|k| case[k][t].as_bool().unwrap());
        assert_eq!(status.reward, reward, "reward {t} of {case}");
        assert_eq!((status.is_final, status.success), (is_final, success), "{t} of {case}");
        assert_eq!(status.truncated, is_final && !success, "{t} of {case}");
        if let Some(action) = actions.get(t) {
            assert_eq!(u64::from(play.below(masks.len() as u32)), number(action));
            env.try_step(number(action) as usize).unwrap();
        }
    }
    assert_eq!(env.state(), Some(numbers(&case["last_state"])), "{case}");
    assert_eq!(json!(env.observe()), case["last_observation"], "{case}");
}

/// The number of states at each distance from the goal.
#[test]
fn layers() {
    for entry in ENVIRONMENTS {
        for case in items(&spec(&format!("golden/{}.json", entry.name))["layers"]) {
            let mut env = entry.make(object(&case["config"])).unwrap();
            env.try_reset_goal(&mut Rng::new(0)).unwrap();
            let mut frontier = vec![env.state().unwrap()];
            let mut seen: HashSet<_> = frontier.iter().cloned().collect();
            for (distance, states) in items(&case["states"]).iter().enumerate() {
                assert_eq!(frontier.len() as u64, number(states), "{case} at {distance}");
                let mut next = Vec::new();
                for state in &frontier {
                    for action in 0..env.num_actions() {
                        env.try_set_state(state).unwrap();
                        env.try_step(action).unwrap();
                        let reached = env.state().unwrap();
                        if seen.insert(reached.clone()) {
                            next.push(reached);
                        }
                    }
                }
                frontier = next;
            }
        }
    }
}

fn real(value: &Value) -> f32 {
    value.as_f64().unwrap() as f32
}

fn tree_config(search: &Value) -> TreeConfig {
    let count = |key: &str| number(&search[key]) as usize;
    TreeConfig {
        num_simulations: count("num_simulations"),
        exploration: real(&search["exploration"]),
        max_expand_depth: count("max_expand_depth"),
        root_selection: match search["root_selection"].as_str().unwrap() {
            "gumbel" => RootSelection::Gumbel,
            _ => RootSelection::Puct,
        },
        max_considered_actions: count("max_considered_actions"),
        value_weight: real(&search["value_weight"]),
        gamma: real(&search["gamma"]),
        truncation: match search["truncation"].as_str().unwrap() {
            "bootstrap" => Truncation::Bootstrap,
            _ => Truncation::Terminal,
        },
        reuse: true,
        transpositions: search["transpositions"] == true,
    }
}

/// The environment of `case` in its state, its policy and its seed.
fn searched(case: &Value) -> (Box<dyn Env>, Network, u64) {
    let entry = twisterl::envs::find(case["env"].as_str().unwrap()).unwrap();
    let mut env = entry.make(object(&case["config"])).unwrap();
    env.try_set_state(&numbers(&case["state"])).unwrap();
    let seed = number(&case["seed"]);
    let policy = untwisted_policy(&*env, Widths { embedding: 8, common: 8 }, seed).unwrap();
    (env, policy, seed)
}

/// Every move of a game whose searches go on with the last one's tree.
#[test]
fn games_of_kept_trees() {
    for case in items(&spec("golden/mcts.json")["games"]) {
        let (env, policy, seed) = searched(case);
        let strategy = Strategy::Mcts(tree_config(&case["search"]));
        let config = EvalConfig { strategy, deterministic: true, ..EvalConfig::default() };
        let states = [numbers(&case["state"])];
        let starts = Starts::States(states.into());
        let found = evaluate(&*env, &policy, starts, &config, 0, &mut || Ok(())).unwrap();
        assert_eq!(found[0].actions, numbers(&case["actions"]), "game {seed}");
    }
}

/// Whole trees: who was visited how often is exact, values and shares to the 1e-4 that 32 bits
/// keep of sums of some hundred numbers.
#[test]
fn searches() {
    for case in items(&spec("golden/mcts.json")["searches"]) {
        let (env, policy, seed) = searched(case);
        let config = tree_config(&case["search"]);
        let rng = Rng::stream(seed, 0, 0);
        let found = explore(&*env, &policy, &config, rng, &mut || Ok(())).unwrap();
        let tree = items(&case["tree"]);
        assert_eq!(found.tree.len(), tree.len(), "search {seed}");
        for (i, (state, expected)) in found.tree.iter().zip(tree).enumerate() {
            let [parent, action, prior, visits, value] = items(expected) else { panic!("{case}") };
            let seen = (state.parent as u64, state.action as u64, u64::from(state.visits));
            let expected = (number(parent), number(action), number(visits));
            assert_eq!(seen, expected, "search {seed}, state {i}");
            assert!((state.prior - real(prior)).abs() < 1e-4, "search {seed}, state {i}");
            assert!((state.value - real(value)).abs() < 1e-4, "search {seed}: {state:?}");
        }
        for (share, expected) in found.policy.iter().zip(items(&case["policy"])) {
            assert!((share - real(expected)).abs() < 1e-4, "search {seed}: {:?}", found.policy);
        }
        if let Some(action) = case["action"].as_u64() {
            assert_eq!(found.action as u64, action, "search {seed}");
        }
    }
}

//! Replays specs/golden, which a slow reference in Python wrote (tests/reference).

use std::collections::HashSet;
use std::path::Path;

use serde_json::Value;
use twisterl::envs::puzzle::Puzzle;
use twisterl::rl::env::Env;
use twisterl::rng::Rng;

fn spec(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn word(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().unwrap(), 16).unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().unwrap()
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

fn puzzle(config: &Value) -> Puzzle {
    let size = |key: &str| number(&config[key]) as usize;
    let [width, height, difficulty] = ["width", "height", "difficulty"].map(size);
    Puzzle::new(width, height, difficulty, size("depth_slope"), size("max_depth")).unwrap()
}

fn state(value: &Value) -> Vec<usize> {
    items(value).iter().map(|tile| number(tile) as usize).collect()
}

#[test]
fn puzzle_traces() {
    for case in items(&spec("golden/puzzle.json")["traces"]) {
        let mut env = puzzle(&case["config"]);
        let stream = |lane| Rng::stream(number(&case["seed"]), 0, lane);
        let mut play = stream(2);
        match case["start"].as_str().unwrap() {
            "uniform" => env.try_reset_uniform(&mut stream(1)).unwrap(),
            _ => env.try_reset(&mut stream(1)).unwrap(),
        }
        let actions = items(&case["actions"]);
        for t in 0..=actions.len() {
            if let Some(states) = case["states"].as_array() {
                assert_eq!(env.get_state(), state(&states[t]), "state {t} of {case}");
            }
            let mut masks = [false; 4];
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
                assert_eq!(u64::from(play.below(4)), number(action));
                env.try_step(number(action) as usize).unwrap();
            }
        }
        assert_eq!(env.get_state(), state(&case["last_state"]), "{case}");
        assert_eq!(env.observe(), state(&case["last_observation"]), "{case}");
    }
}

/// The number of boards at each distance from solved (for 3x3: 181,440 boards, 31 moves at most).
#[test]
fn puzzle_layers() {
    for case in items(&spec("golden/puzzle.json")["layers"]) {
        let [width, height] = ["width", "height"].map(|key| number(&case[key]) as usize);
        let mut env = Puzzle::new(width, height, 1, 1, 1).unwrap();
        let mut seen = HashSet::from([env.get_state()]);
        let mut frontier = vec![env.get_state()];
        for (distance, boards) in items(&case["boards"]).iter().enumerate() {
            assert_eq!(frontier.len() as u64, number(boards), "{width}x{height} at {distance}");
            let mut next = Vec::new();
            for board in &frontier {
                let board: Vec<i64> = board.iter().map(|&tile| tile as i64).collect();
                for action in 0..4 {
                    env.try_set_state(&board).unwrap();
                    env.try_step(action).unwrap();
                    if seen.insert(env.get_state()) {
                        next.push(env.get_state());
                    }
                }
            }
            frontier = next;
        }
    }
}

#[test]
fn puzzle_sizes() {
    let spec = spec("envs/puzzle.json");
    let side = &spec["parameters"]["width"];
    let [min, max] = ["min", "max"].map(|key| number(&side[key]) as usize);
    for (size, fits) in [(min - 1, false), (min, true), (max, true), (max + 1, false)] {
        assert_eq!(Puzzle::new(size, min, 1, 2, 256).is_ok(), fits, "width {size}");
        assert_eq!(Puzzle::new(min, size, 1, 2, 256).is_ok(), fits, "height {size}");
    }
    let env = Puzzle::new(min, max, 1, 2, 256).unwrap();
    assert_eq!(items(&spec["actions"]).len(), env.num_actions());
    assert_eq!(env.obs_shape(), [min * max; 2]);
}

//! Evolution Strategies equal specs/golden/es.json bit for bit, with any number of threads.

use crate::common::{items, spec};
use serde_json::Value;
use twisterl::envs::puzzle::Puzzle;
use twisterl::es::{
    evaluate, rank_differences, Decline, EsConfig, Evolving, Noise, Optimizer, Player, Rule, Score,
    State, Update,
};
use twisterl::rl::start::{DifficultyDistribution, Start};

fn golden() -> Value {
    spec("golden/es.json")
}

fn count(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

fn floats(value: &Value) -> Vec<f32> {
    items(value).iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

#[test]
fn noise() {
    for case in items(&golden()["noise"]) {
        let name = ["seed", "generation"].map(|key| count(&case[key]) as u64);
        let noise = Noise::new(name[0], name[1], count(&case["pair"]));
        let found: Vec<i64> =
            (0..5).flat_map(|block| noise.block(block)).map(i64::from).take(70).collect();
        let expected: Vec<i64> =
            items(&case["doubled"]).iter().map(|entry| entry.as_i64().unwrap()).collect();
        assert_eq!(found, expected, "{name:?}");
    }
}

#[test]
fn ranks() {
    for case in items(&golden()["ranks"]) {
        let score = |fitness| Score { fitness, ..Score::default() };
        let scores: Vec<Score> = floats(&case["fitness"]).into_iter().map(score).collect();
        let found: Vec<i64> = rank_differences(&scores).into_iter().map(i64::from).collect();
        assert_eq!(serde_json::json!(found), case["differences"]);
    }
}

fn optimizer(case: &Value) -> Optimizer {
    let number = |key: &str| case[key].as_f64().unwrap();
    Optimizer {
        rule: if case["rule"] == "adam" { Rule::Adam } else { Rule::Momentum },
        rate: number("rate"),
        decline: Decline::Constant,
        decline_generations: 1,
        final_ratio: 0.0,
        betas: (case["betas"][0].as_f64().unwrap(), case["betas"][1].as_f64().unwrap()),
        epsilon: number("epsilon"),
        weight_decay: number("weight_decay"),
    }
}

#[test]
fn updates() {
    for case in items(&golden()["updates"]) {
        let update = Update::new(&optimizer(case), count(&case["generation"]) as u64);
        let names = ["weights", "first", "second"];
        let [mut weights, mut first, mut second] = names.map(|name| floats(&case["before"][name]));
        for (i, gradient) in floats(&case["gradient"]).into_iter().enumerate() {
            update.apply(gradient, &mut weights[i], &mut first[i], &mut second[i]);
        }
        let [expected_weights, expected_first, expected_second] =
            names.map(|name| floats(&case["after"][name]));
        assert_eq!(weights, expected_weights);
        assert_eq!(first, expected_first);
        assert_eq!(second, expected_second);
    }
}

#[test]
fn generations() {
    for case in items(&golden()["runs"]) {
        for num_cores in [1, 2] {
            replay(case, num_cores);
        }
    }
}

fn replay(case: &Value, num_cores: usize) {
    let settings = &case["settings"];
    let size = |key: &str| count(&settings[key]);
    let config = EsConfig {
        num_pairs: size("num_pairs"),
        num_episodes: size("num_episodes"),
        sigma: settings["sigma"].as_f64().unwrap(),
        difficulty_distribution: match settings["uniform_difficulty"].as_bool().unwrap() {
            true => DifficultyDistribution::Uniform,
            false => DifficultyDistribution::Fixed,
        },
        player: if settings["player"] == "policy" { Player::Policy } else { Player::Value },
        num_cores,
    };
    let side = count(&case["side"]);
    let mut env =
        Puzzle::new(side, side, count(&case["difficulty"]), count(&case["depth_slope"]), 16)
            .unwrap();
    env.set_forbid_undo(true);
    let seed = count(&case["seed"]) as u64;
    let mut state = State::new(&env, size("hidden"), seed).unwrap();
    for expected in items(&case["generations"]) {
        let scores = Evolving::Board(&env)
            .step(&mut state, &config, &optimizer(settings), seed, &mut || Ok(()))
            .unwrap();
        let members = items(expected).iter().map(|member| Score {
            fitness: member["fitness"].as_f64().unwrap() as f32,
            solved: count(&member["solved"]),
            steps: count(&member["steps"]),
        });
        assert_eq!(scores, members.collect::<Vec<_>>());
    }
    let sampled: Vec<f32> = state.weights.iter().copied().step_by(7).collect();
    assert_eq!(sampled, floats(&case["weights"]));
    let judge = |num_cores| {
        let config = EsConfig { num_episodes: 37, num_cores, ..config };
        evaluate(&env, &state.weights, &config, Start::Uniform, 1, &mut || Ok(())).unwrap()
    };
    assert_eq!(judge(1).len(), 37);
    assert_eq!(judge(1), judge(2));
}

#[test]
fn rates_decline_and_sizes_without_code_are_refused() {
    let config = EsConfig {
        num_pairs: 1,
        num_episodes: 1,
        sigma: 0.1,
        difficulty_distribution: DifficultyDistribution::Fixed,
        player: Player::Policy,
        num_cores: 1,
    };
    let optimizer = Optimizer {
        rule: Rule::Adam,
        rate: 0.1,
        decline: Decline::Linear,
        decline_generations: 10,
        final_ratio: 0.5,
        betas: (0.9, 0.9),
        epsilon: 1e-8,
        weight_decay: 0.0,
    };
    assert_eq!([0, 5, 10, 99].map(|t| optimizer.rate_at(t) as f32), [0.1, 0.075, 0.05, 0.05]);
    let puzzle = |side| Puzzle::new(side, side, 1, 2, 16).unwrap();
    for (side, hidden) in [(6, 32), (3, 48), (3, 24)] {
        assert!(State::new(&puzzle(side), hidden, 0).is_err());
    }
    let mut state = State::new(&puzzle(3), 32, 0).unwrap();
    let before = state.clone();
    let board = puzzle(6);
    let stepped = Evolving::Board(&board).step(&mut state, &config, &optimizer, 0, &mut || Ok(()));
    assert!(stepped.is_err());
    assert_eq!(state, before);
}

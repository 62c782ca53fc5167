//! Configs are JSON, as in the sections of a run config.

use serde::de::DeserializeOwned;
use serde::Serialize;
use serde_json::{from_value, json, to_value};
use twisterl::collector::az::AzConfig;
use twisterl::collector::ppo::PpoConfig;
use twisterl::collector::walk::WalkConfig;
use twisterl::es::{Decline, Rule, Settings};
use twisterl::search::RootSelection;
use twisterl::solve::{Asked, EvalConfig, Strategy};

/// Nothing but the fields that a whole config has can be given, and each of these alone.
fn check<T: Default + Serialize + DeserializeOwned>() {
    let whole = to_value(T::default()).unwrap();
    assert_eq!(to_value(from_value::<T>(json!({})).unwrap()).unwrap(), whole);
    for (name, value) in whole.as_object().unwrap() {
        assert_eq!(to_value(from_value::<T>(json!({ name: value })).unwrap()).unwrap(), whole);
        let wrong = from_value::<T>(json!({ name: {"an": "object"} }));
        assert!(wrong.is_err(), "{name}");
    }
    let unknown = from_value::<T>(json!({"colour": 1})).err().unwrap().to_string();
    assert!(unknown.contains("unknown field `colour`"), "{unknown}");
}

#[test]
fn each_reads_what_it_writes_and_refuses_the_rest() {
    check::<PpoConfig>();
    check::<AzConfig>();
    check::<WalkConfig>();
    check::<Settings>();
    check::<Asked>();
}

#[test]
fn keys_are_those_of_the_sections() {
    let az = json!({
        "num_episodes": 3, "num_mcts_searches": 7, "C": 0.5, "root_selection": "gumbel",
        "temperature_moves": 2, "max_moves": null, "truncation": "bootstrap",
    });
    let az: AzConfig = from_value(az).unwrap();
    assert_eq!((az.num_episodes, az.tree.num_simulations, az.tree.exploration), (3, 7, 0.5));
    assert_eq!((az.tree.root_selection, az.max_moves), (RootSelection::Gumbel, None));
    assert_eq!(az.self_play.temperature_moves, Some(2));
    assert!(az.check().is_ok());
    let ppo: PpoConfig = from_value(json!({"lambda": 0.25})).unwrap();
    assert_eq!(ppo.gae_lambda, 0.25);
    let es: Settings =
        from_value(json!({"lr": 0.5, "rule": "momentum", "decline": "cosine"})).unwrap();
    assert_eq!((es.optimizer.rate, es.optimizer.rule), (0.5, Rule::Momentum));
    assert_eq!(es.optimizer.decline, Decline::Cosine);
}

#[test]
fn an_entry_of_evals_names_its_strategy_or_means_one() {
    let config = |entry| EvalConfig::try_from(from_value::<Asked>(entry).unwrap());
    let strategy = |entry| config(entry).unwrap().strategy;
    assert_eq!(strategy(json!({})), Strategy::Policy);
    assert!(
        matches!(strategy(json!({"num_mcts_searches": 3})), Strategy::Mcts(tree) if tree.num_simulations == 3)
    );
    assert!(
        matches!(strategy(json!({"strategy": "beam"})), Strategy::Beam(beam) if beam.width == 64)
    );
    assert_eq!(strategy(json!({"strategy": "greedy", "num_mcts_searches": 3})), Strategy::Policy);
    assert!(config(json!({"strategy": "greedy"})).unwrap().deterministic);
    assert!(!config(json!({"strategy": "sample", "deterministic": true})).unwrap().deterministic);
    for (entry, name) in [
        (json!({"strategy": "mcts"}), "num_mcts_searches"),
        (json!({"gamma": 2.0}), "gamma"),
        (json!({"beam_width": 0}), "beam_width"),
        (json!({"num_cores": 0}), "num_cores"),
        (json!({"time_limit_s": 0.0}), "time_limit_s"),
        (json!({"node_limit": 0}), "node_limit"),
    ] {
        assert!(config(entry).unwrap_err().to_string().starts_with(name), "{name}");
    }
}

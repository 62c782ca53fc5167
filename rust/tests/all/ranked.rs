//! Searches by ranks of blocks: short, the same by any number of threads, and from both ends.

use serde_json::{json, Value};
use twisterl::envs::find;
use twisterl::exact::Solver;
use twisterl::guided::Limits;
use twisterl::ranked::{Preparation, Ranked};
use twisterl::rl::env::Env;
use twisterl::rng::Rng;
use twisterl::search::Budget;
use twisterl::Error;

fn env(name: &str, given: &Value) -> Box<dyn Env> {
    find(name).unwrap().make(given.as_object().unwrap()).unwrap()
}

#[test]
fn solutions_are_nearly_as_short_as_can_be() {
    let lined = json!({"num_qubits": 4, "topology": "line"});
    let own = json!({"num_qubits": 3, "edges": [[1, 0], [2, 0]]});
    let limits = Limits { beam_width: 256, ..Limits::default() };
    for (name, given) in [("LinearFunction", &lined), ("Clifford", &own)] {
        let mut env = env(name, given);
        let prepared = Preparation { num_rounds: 10, seed: 1, num_cores: 2 };
        let mut rounds = Vec::new();
        let told = &mut |done| {
            rounds.push(done);
            Ok(())
        };
        let ranked = Ranked::new(&*env, prepared, told, &mut || Ok(())).unwrap();
        assert!(rounds.iter().copied().eq(1..=10));
        let alone = Preparation { num_cores: 1, ..prepared };
        let again = Ranked::new(&*env, alone, &mut |_| Ok(()), &mut || Ok(())).unwrap();
        assert_eq!(ranked.weights(), again.weights());
        let again = Ranked::with_weights(&*env, ranked.weights().to_vec()).unwrap();
        let solver = Solver::new(&*env, 100_000, &mut || Ok(())).unwrap();
        let (mut sum, mut least) = (0, 0);
        for seed in 0..30 {
            env.try_reset_uniform(&mut Rng::new(seed)).unwrap();
            let state = env.state().unwrap();
            let actions = ranked.solve(&state, limits, &mut || Ok(())).unwrap().unwrap();
            actions.iter().for_each(|&action| env.try_step(action).unwrap());
            assert!(env.try_status().unwrap().success);
            let few = Limits { num_cores: 1, ..limits };
            let same = again.solve(&state, few, &mut || Ok(())).unwrap();
            assert_eq!(same.as_ref(), Some(&actions));
            let best = solver.solve(&state, Budget::default(), &mut || Ok(())).unwrap();
            sum += actions.len();
            least += best.actions.unwrap().len();
        }
        assert!(sum >= least && sum * 50 <= least * 51, "{name} {given}: {sum} for {least}");
    }
}

fn untaught(env: &dyn Env, prepared: Preparation) -> Error {
    Ranked::new(env, prepared, &mut |_| Ok(()), &mut || Ok(())).err().unwrap()
}

#[test]
fn what_cannot_be_searched_is_named() {
    let line = |n: usize| json!({"num_qubits": n, "topology": "line"});
    let prepared = Preparation { num_rounds: 1, ..Preparation::default() };
    for (name, n) in [("Clifford", 9), ("LinearFunction", 13), ("Permutation", 4)] {
        let refused = untaught(&*env(name, &line(n)), prepared);
        assert!(refused.to_string().contains("an environment of matrices"), "{refused}");
    }
    let small = env("Clifford", &line(3));
    let none = Preparation { num_rounds: 0, ..prepared };
    let refused = untaught(&*small, none);
    assert!(refused.to_string().contains("num_rounds"), "{refused}");
    for weights in [vec![0.0], vec![f32::NAN; 3000]] {
        let refused = Ranked::with_weights(&*small, weights).err().unwrap();
        assert!(refused.to_string().contains("weights"), "{refused}");
    }
}

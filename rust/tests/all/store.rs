//! What was prepared, kept by a store and found again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::{json, Value};
use twisterl::engine::store::{keep_in, Array, Arrays, Key, Store};
use twisterl::envs::find;
use twisterl::exact::Solver;
use twisterl::guided::{Guide, Preparation};
use twisterl::ranked::{self, Ranked};
use twisterl::rl::env::Env;
use twisterl::{Error, Result};

/// No other test of this process has such environments.
const OWN: &str = "\"max_depth\":777";

#[derive(Default)]
struct Memory {
    kept: Mutex<HashMap<String, Arrays>>,
    said: Mutex<Vec<String>>,
}

impl Memory {
    fn said(&self) -> Vec<String> {
        std::mem::take(&mut *self.said.lock().unwrap())
    }

    fn change(&self, kind: &str, change: impl Fn(&mut Arrays)) {
        let mut kept = self.kept.lock().unwrap();
        kept.iter_mut()
            .filter(|(made_of, _)| made_of.contains(kind))
            .for_each(|(_, arrays)| change(arrays));
    }
}

impl Store for Memory {
    fn find(&self, key: &Key) -> Result<Option<Arrays>> {
        Ok(self.kept.lock().unwrap().get(&key.made_of).cloned())
    }

    fn judged(&self, key: &Key, problem: Option<&Error>) -> Result<()> {
        let problem = problem.map_or("used".to_owned(), |problem| format!("refused: {problem}"));
        self.said.lock().unwrap().push(format!("{} {} {problem}", key.kind, key.name));
        Ok(())
    }

    fn keep(&self, key: &Key, arrays: Arrays, seconds: f64) -> Result<()> {
        assert!(seconds >= 0.0);
        if key.made_of.contains(OWN) {
            self.said.lock().unwrap().push(format!("{} {} kept", key.kind, key.name));
            self.kept.lock().unwrap().insert(key.made_of.clone(), arrays);
        }
        Ok(())
    }
}

fn clifford(topology: &str) -> Box<dyn Env> {
    let given: Value = json!({"num_qubits": 3, "topology": topology, "max_depth": 777});
    find("Clifford").unwrap().make(given.as_object().unwrap()).unwrap()
}

fn guide(env: &dyn Env, seed: u64) -> Guide {
    let prepared = Preparation { most_classes: 20, num_walks: 50, walk_length: 4, seed };
    Guide::new(env, prepared, &mut || Ok(())).unwrap()
}

fn solver(env: &dyn Env, most_states: usize) -> Solver {
    Solver::new(env, most_states, &mut || Ok(())).unwrap()
}

fn ranked(env: &dyn Env, num_rounds: usize) -> Ranked {
    let prepared = ranked::Preparation { num_rounds, seed: 0, num_cores: 1 };
    Ranked::new(env, prepared, &mut |_| Ok(()), &mut || Ok(())).unwrap()
}

#[test]
fn what_was_prepared_is_not_made_again() {
    let memory = Arc::new(Memory::default());
    let (line, ring) = (clifford("line"), clifford("ring"));
    let unkept = (guide(&*line, 0), solver(&*line, 10_000), ranked(&*line, 2));
    keep_in(Some(memory.clone()));
    let layers = unkept.1.layer_sizes();
    assert_eq!(layers.as_ref().unwrap().iter().sum::<usize>(), 6720);
    for word in ["kept", "used"] {
        let found = (guide(&*line, 0), solver(&*line, 10_000), ranked(&*line, 2));
        assert_eq!(found.0.layer_sizes(), unkept.0.layer_sizes());
        assert_eq!(found.1.layer_sizes(), layers);
        assert_eq!(found.2.weights(), unkept.2.weights());
        let kinds = ["classes", "states", "ranks"];
        assert_eq!(memory.said(), kinds.map(|kind| format!("{kind} clifford-3 {word}")));
        for seed in 0..4 {
            let mut env = line.try_clone().unwrap();
            env.try_reset_uniform(&mut twisterl::rng::Rng::new(seed)).unwrap();
            let state = env.state().unwrap();
            let answer = |solver: &Solver| solver.solve(&state, Default::default(), &mut || Ok(()));
            assert_eq!(answer(&found.1).unwrap(), answer(&unkept.1).unwrap());
            let way = |guide: &Guide| guide.solve(&state, Default::default(), &mut || Ok(()));
            assert_eq!(way(&found.0).unwrap(), way(&unkept.0).unwrap());
        }
    }
    // Other options and other environments are other things.
    guide(&*line, 1);
    solver(&*line, 100);
    ranked(&*line, 1);
    solver(&*ring, 10_000);
    assert!(memory.said().iter().all(|said| said.ends_with("kept")));
    assert_eq!(memory.kept.lock().unwrap().len(), 7);
    // What is damaged is refused and made again.
    memory.change("1 classes", |arrays| {
        arrays.0.insert("weights".to_owned(), Array::F32(vec![f32::NAN]));
    });
    memory.change("1 states", |arrays| {
        arrays.0.remove("parents");
    });
    memory.change("1 ranks", |arrays| {
        arrays.0.insert("weights".to_owned(), Array::U64(vec![7]));
    });
    let found = (guide(&*line, 0), solver(&*line, 10_000), ranked(&*line, 2));
    assert_eq!(found.0.layer_sizes(), unkept.0.layer_sizes());
    assert_eq!(found.1.layer_sizes(), layers);
    assert_eq!(found.2.weights(), unkept.2.weights());
    let said = memory.said();
    let ends: Vec<_> = said.iter().map(|said| said.split(' ').nth(2).unwrap()).collect();
    assert_eq!(ends, ["refused:", "kept"].repeat(3), "{said:?}");
    guide(&*line, 0);
    assert_eq!(memory.said(), ["classes clifford-3 used"]);
    keep_in(None);
    solver(&*line, 200);
    assert!(memory.said().is_empty());
}

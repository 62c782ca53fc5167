//! What every environment of the list promises, on every size that its golden file names.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use crate::common::{items, spec};
use serde_json::{Map, Value};
use twisterl::envs::ENVIRONMENTS;
use twisterl::rl::env::Env;
use twisterl::rl::vec_env::{LaneMove, Move, Views};
use twisterl::rng::Rng;
use twisterl::spaces::Acts;

/// Runs `check` on every environment and size, with its name for messages and a stream.
fn for_each(check: impl Fn(&str, Box<dyn Env>, &mut Rng)) {
    for entry in ENVIRONMENTS {
        let golden = spec(&format!("golden/{}.json", entry.name));
        for (seed, case) in items(&golden["descriptions"]).iter().enumerate() {
            let mut given: Map<String, Value> = case["config"].as_object().unwrap().clone();
            given.extend([("difficulty".into(), 20.into()), ("max_depth".into(), 9.into())]);
            let name = format!("{} {}", entry.class, case["config"]);
            check(&name, entry.make(&given).unwrap(), &mut Rng::new(seed as u64));
        }
    }
}

fn features(env: &dyn Env) -> Vec<i32> {
    let mut indices = Vec::new();
    env.try_observe(&mut indices).unwrap();
    indices
}

/// Everything that can be seen of a state.
fn seen(env: &dyn Env) -> (Vec<i64>, Vec<i32>, Vec<bool>, String, Option<u128>) {
    let status = format!("{:?}", env.try_status().unwrap());
    (env.state().unwrap(), features(env), env.masks(), status, env.state_key())
}

/// Puts `env` into a random state: scrambled, or any.
fn scatter(env: &mut dyn Env, rng: &mut Rng) {
    match rng.below(2) {
        0 => env.try_reset(rng).unwrap(),
        _ => env.try_reset_uniform(rng).unwrap(),
    }
}

#[test]
fn difficulties_out_of_range_are_refused() {
    for_each(|name, mut env, rng| {
        scatter(&mut *env, rng);
        let before = seen(&*env);
        for difficulty in [1_000_001, u32::MAX as usize, usize::MAX] {
            env.set_difficulty(difficulty);
            let error = env.try_reset(rng).unwrap_err().to_string();
            let expected =
                format!("difficulty: expected an integer in 0..=1000000, got {difficulty}");
            assert_eq!(error, expected, "{name}");
            env.reset();
            assert_eq!(seen(&*env), before, "{name}");
        }
        env.set_difficulty(1_000_000);
        env.try_reset(rng).unwrap();
        env.set_difficulty(0);
        env.try_reset(rng).unwrap();
        assert!(env.success() && env.is_final(), "{name}");
    });
}

#[test]
fn short_and_long_forms_agree() {
    for_each(|name, mut env, rng| {
        for _ in 0..20 {
            scatter(&mut *env, rng);
            let status = env.try_status().unwrap();
            assert_eq!(status.reward, env.reward(), "{name}");
            assert_eq!((status.is_final, status.success), (env.is_final(), env.success()));
            let long: Vec<i32> = env.observe().into_iter().map(|index| index as i32).collect();
            assert_eq!(long, features(&*env), "{name}");
            let mut masks = vec![false; env.num_actions()];
            env.try_masks(&mut masks).unwrap();
            assert_eq!(masks, env.masks(), "{name}");
        }
    });
}

#[test]
fn features_and_names_are_sound() {
    for_each(|name, mut env, rng| {
        let names = &env.spec().action_names;
        assert_eq!(names.len(), env.num_actions(), "{name}");
        for (action, label) in names.iter().enumerate() {
            assert!(!label.is_empty() && !label.contains(char::is_whitespace), "{name}: {label}");
            assert!(!names[..action].contains(label), "{name}: {label} twice");
        }
        let count: usize = env.obs_shape().iter().product();
        for _ in 0..50 {
            scatter(&mut *env, rng);
            let mut active = features(&*env);
            assert!(active.iter().all(|&index| (0..count as i32).contains(&index)), "{name}");
            let len = active.len();
            active.sort_unstable();
            active.dedup();
            assert_eq!(active.len(), len, "{name}: a feature twice");
            let text = env.render().unwrap();
            assert!(text.trim_end().len() > 1 && text.ends_with('\n'), "{name}: {text}");
        }
    });
}

#[test]
fn states_are_numbers_that_come_back() {
    for_each(|name, mut env, rng| {
        for _ in 0..20 {
            scatter(&mut *env, rng);
            let state = env.state().unwrap();
            let (shown, key) = (features(&*env), env.state_key());
            let drawn = env.render();
            env.try_reset(rng).unwrap();
            env.try_set_state(&state).unwrap();
            assert_eq!(env.state(), Some(state.clone()), "{name}");
            assert_eq!((features(&*env), env.state_key(), env.render()), (shown, key, drawn));
            let before = seen(&*env);
            for bad in [vec![], vec![-1; state.len()], vec![1 << 40; state.len()]] {
                assert!(env.try_set_state(&bad).is_err(), "{name}: {bad:?}");
                assert_eq!(seen(&*env), before, "{name}: a refused state changed something");
            }
        }
    });
}

#[test]
fn equal_keys_are_equal_states() {
    for_each(|name, mut env, rng| {
        let mut met = HashMap::new();
        for _ in 0..300 {
            scatter(&mut *env, rng);
            let Some(key) = env.state_key() else { return };
            let state = env.state().unwrap();
            assert_eq!(*met.entry(key).or_insert_with(|| state.clone()), state, "{name}");
        }
        let states: HashSet<_> = met.values().collect();
        assert_eq!(states.len(), met.len(), "{name}: a state with two keys");
    });
}

#[test]
fn starts_are_what_they_say() {
    for_each(|name, mut env, rng| {
        for episode in 0..20 {
            env.try_reset_goal(rng).unwrap();
            assert!(env.success() && env.is_final(), "{name}");
            env.try_reset_uniform(rng).unwrap();
            env.check_solvable().unwrap_or_else(|error| panic!("{name}: {error}"));
            let [mut one, mut other] = [Rng::new(episode), Rng::new(episode)];
            let mut copy = env.clone();
            env.try_reset(&mut one).unwrap();
            copy.try_reset(&mut other).unwrap();
            assert_eq!(seen(&*env), seen(&*copy), "{name}");
            env.check_solvable().unwrap_or_else(|error| panic!("{name}: {error}"));
            // depth_slope is 2.
            env.set_difficulty(3);
            env.try_reset(rng).unwrap();
            let mut steps = 0;
            while !env.try_status().unwrap().is_final {
                env.try_step(rng.below(env.num_actions() as u32) as usize).unwrap();
                steps += 1;
            }
            let status = env.try_status().unwrap();
            assert!(steps <= 6 && (status.success || steps == 6), "{name}: {steps}");
            assert_eq!(status.truncated, !status.success, "{name}");
            env.set_difficulty(20);
        }
    });
}

#[test]
fn legal_actions_change_the_state_and_their_inverses_undo_them() {
    for_each(|name, mut env, rng| {
        let inverse = env.spec().inverse_actions.clone();
        env.try_reset_uniform(rng).unwrap();
        let forbids_undo = name.contains("\"forbid_undo\":true");
        let mut before = None;
        for _ in 0..200 {
            let state = env.state().unwrap();
            let action = rng.below(env.num_actions() as u32) as usize;
            let legal = env.masks()[action];
            env.try_step(action).unwrap();
            let after = env.state().unwrap();
            // The one action that is masked although it would do something goes straight back.
            let undone = forbids_undo && before.as_ref() == Some(&after) && after != state;
            assert_eq!(after != state, legal || undone, "{name}: action {action}");
            assert!(!(legal && undone), "{name}: action {action}");
            if after != state {
                before = Some(state.clone());
            }
            if let Some(inverse) = inverse.as_ref().filter(|_| legal) {
                env.try_step(inverse[action]).unwrap();
                assert_eq!(env.state().unwrap(), state, "{name}: action {action}");
                env.try_step(action).unwrap();
            }
        }
        assert!(env.try_step(env.num_actions()).is_err(), "{name}");
    });
}

#[test]
fn copies_are_equal_and_independent() {
    for_each(|name, mut env, rng| {
        scatter(&mut *env, rng);
        let copy = env.clone();
        assert_eq!(seen(&*copy), seen(&*env), "{name}");
        // A node becomes a copy of another one by `clone_from`, and steps.
        let mut nodes = env.nodes(2).unwrap();
        let (mut other, mut rngs) = (env.clone(), [Rng::new(0), Rng::new(1)]);
        for _ in 0..20 {
            scatter(&mut *env, rng);
            scatter(&mut *other, rng);
            nodes.load(0, &*env).unwrap();
            nodes.load(1, &*other).unwrap();
            let before = seen(&*env);
            let action = rng.below(env.num_actions() as u32) as usize;
            let mut views = Views::default();
            let step = [LaneMove { lane: 1, made: Move::StepFrom { parent: 0, action } }];
            nodes.advance(&step, &Acts::default(), &mut rngs, &mut views).unwrap();
            let look = [LaneMove { lane: 0, made: Move::Observe }];
            nodes.advance(&look, &Acts::default(), &mut rngs, &mut views).unwrap();
            assert_eq!(views.rows.row(1), before.1, "{name}: the parent moved");
            env.try_step(action).unwrap();
            assert_eq!(views.rows.row(0), features(&*env), "{name}");
            assert_eq!(views.status[0], env.try_status().unwrap(), "{name}");
        }
        assert_ne!(copy.state(), None);
    });
}

/// `obs'[k] = obs_perm[obs[k]]` and `logits'[a] = logits[act_perm[a]]`: the twisted state seen
/// after `act_perm[a]` is the state after `a`, twisted.
///
/// A problem with many goals needs the one that looks like the twisted one; where there are too
/// many to meet it by chance, as on a large grid with random walls, smaller sizes are tested.
#[test]
fn twists_are_symmetries() {
    let tested = RefCell::new(HashSet::new());
    let most = RefCell::new(HashMap::new());
    for_each(|name, mut env, rng| {
        let (obs_perms, act_perms) = env.twists();
        assert_eq!(obs_perms.len(), act_perms.len(), "{name}");
        let class = ENVIRONMENTS.iter().find(|entry| name.starts_with(entry.class)).unwrap().class;
        let mut most = most.borrow_mut();
        let known = most.entry(class).or_insert(0);
        *known = obs_perms.len().max(*known);
        for (obs_perm, act_perm) in obs_perms.iter().zip(&act_perms) {
            for (perm, size) in
                [(obs_perm, env.obs_shape().iter().product()), (act_perm, env.num_actions())]
            {
                let mut sorted = perm.clone();
                sorted.sort_unstable();
                assert!(sorted.into_iter().eq(0..size), "{name}: no permutation");
            }
            let twisted = |env: &dyn Env| {
                let mut active: Vec<i32> =
                    features(env).iter().map(|&index| obs_perm[index as usize] as i32).collect();
                active.sort_unstable();
                active
            };
            let sorted = |env: &dyn Env| {
                let mut active = features(env);
                active.sort_unstable();
                active
            };
            env.try_reset_goal(rng).unwrap();
            let wanted = twisted(&*env);
            let mut mirror = env.clone();
            let mut tries = 0..20_000;
            while sorted(&*mirror) != wanted && tries.next().is_some() {
                mirror.try_reset_goal(rng).unwrap();
            }
            if sorted(&*mirror) != wanted {
                continue;
            }
            tested.borrow_mut().insert((name.to_owned(), act_perm.clone()));
            for _ in 0..100 {
                let action = rng.below(env.num_actions() as u32) as usize;
                assert_eq!(env.masks()[action], mirror.masks()[act_perm[action]], "{name}");
                env.try_step(action).unwrap();
                mirror.try_step(act_perm[action]).unwrap();
                assert_eq!(sorted(&*mirror), twisted(&*env), "{name}");
                assert_eq!(env.try_status().unwrap(), mirror.try_status().unwrap(), "{name}");
            }
        }
        // No two are the same, and one of them changes nothing.
        for (index, perm) in obs_perms.iter().enumerate() {
            assert!(!obs_perms[..index].contains(perm), "{name}: a twist twice");
        }
        let identity = |perm: &Vec<usize>| perm.iter().copied().eq(0..perm.len());
        assert_eq!(obs_perms.iter().any(identity), !obs_perms.is_empty(), "{name}");
    });
    // The size of a class that has the most of them is tested with all.
    let (tested, most) = (tested.into_inner(), most.into_inner());
    for (class, most) in most {
        let of_class = tested.iter().filter(|(name, _)| name.starts_with(class));
        let mut sizes = HashMap::new();
        of_class.for_each(|(name, _)| *sizes.entry(name).or_insert(0) += 1);
        assert_eq!(sizes.into_values().max().unwrap_or(0), most, "{class}");
    }
}

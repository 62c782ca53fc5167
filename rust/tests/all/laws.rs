//! Laws of every environment of the list, on parameters, states and moves that are drawn at random.
//!
//! A failure prints the smallest case that was found, and the seed that repeats it.

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestCaseError};
use serde_json::{json, Map, Value};
use twisterl::envs::parameters::{Kind, Parameter};
use twisterl::envs::{find, Entry, ENVIRONMENTS};
use twisterl::rl::env::{Env, Status};
use twisterl::rng::Rng;

type Check = std::result::Result<(), TestCaseError>;

/// A value that `parameter` takes, small where an integer sizes the board.
fn value(parameter: &Parameter, rng: &mut Rng) -> Value {
    match parameter.kind {
        Kind::Integer { min, max, .. } => (min + rng.below(max.min(min + 3) - min + 1)).into(),
        Kind::Number { min, max, .. } => (min + (max - min) * f64::from(rng.below(5)) / 4.0).into(),
        Kind::Boolean { .. } => (rng.below(2) == 1).into(),
        Kind::Choice { names, .. } => names[rng.below(names.len() as u32) as usize].into(),
        Kind::Numbers | Kind::Pairs => Value::Null,
    }
}

/// An environment of `entry` with parameters drawn from `rng`, and what it was made from.
fn drawn(entry: &Entry, rng: &mut Rng) -> (String, Box<dyn Env>) {
    loop {
        let parameters = entry.parameters();
        let mut given: Map<String, Value> =
            parameters.iter().map(|p| (p.name.to_owned(), value(p, rng))).collect();
        let episode = json!({"difficulty": 1 + rng.below(30), "max_depth": 1 + rng.below(12)});
        given.extend(episode.as_object().unwrap().clone());
        // Some values exclude each other.
        if let Ok(env) = entry.make(&given) {
            return (format!("{} {}", entry.class, Value::from(given)), env);
        }
    }
}

/// Everything that can be seen of a state.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    state: Vec<i64>,
    features: Vec<i32>,
    masks: Vec<bool>,
    status: Status,
    key: Option<u128>,
    text: Option<String>,
}

fn seen(env: &dyn Env) -> Seen {
    let mut features = Vec::new();
    env.try_observe(&mut features).unwrap();
    Seen {
        state: env.state().unwrap(),
        features,
        masks: env.masks(),
        status: env.try_status().unwrap(),
        key: env.state_key(),
        text: env.render(),
    }
}

/// Reward, end and success fit each other; features are distinct and in range.
fn sound(name: &str, env: &dyn Env, seen: &Seen) -> Check {
    let Status { reward, is_final, success, truncated } = seen.status;
    prop_assert!(reward.is_finite(), "{name}: {reward}");
    prop_assert_eq!(success, reward == 1.0, "{}", name);
    prop_assert_eq!(truncated, is_final && !success, "{}", name);
    prop_assert!(is_final || !success, "{name}: solved and going on");
    prop_assert!(!truncated || reward == -0.5, "{name}: {reward} out of steps");
    prop_assert_eq!((reward, is_final, success), (env.reward(), env.is_final(), env.success()));
    let count = env.obs_shape().iter().product::<usize>() as i32;
    let distinct: HashSet<i32> = seen.features.iter().copied().collect();
    prop_assert_eq!(distinct.len(), seen.features.len(), "{}: a feature twice", name);
    prop_assert!(distinct.iter().all(|index| (0..count).contains(index)), "{name}");
    prop_assert_eq!(seen.masks.len(), env.num_actions(), "{}", name);
    // Who is walled in by `set_state` cannot move; nothing is solved or trained from there.
    let can_go_on = seen.masks.contains(&true) || env.check_solvable().is_err();
    prop_assert!(is_final || can_go_on, "{name}: no action and no end");
    Ok(())
}

/// Puts `env` into the start that `start` names.
fn start(env: &mut dyn Env, start: u8, rng: &mut Rng) {
    match start {
        0 => env.try_reset_goal(rng).unwrap(),
        1 => env.try_reset_uniform(rng).unwrap(),
        _ => env.try_reset(rng).unwrap(),
    }
}

/// Random play from a start; `moves` are words that choose an action.
fn plays(number: usize, seed: u64, first: u8, moves: &[u32]) -> Check {
    let rng = &mut Rng::new(seed);
    let (name, mut env) = drawn(&ENVIRONMENTS[number], rng);
    let name = name.as_str();
    let forbids_undo = name.contains("\"forbid_undo\":true");
    let mut twin = env.clone();
    let [mut one, mut other] = [Rng::new(seed), Rng::new(seed)];
    start(&mut *env, first, &mut one);
    start(&mut *twin, first, &mut other);
    prop_assert_eq!(one.next_u64(), other.next_u64(), "{}: a start drew more or less", name);
    let mut now = seen(&*env);
    let mut before: Option<Vec<i64>> = None;
    sound(name, &*env, &now)?;
    for &word in moves {
        let action = word as usize % env.num_actions();
        // A copy made before a step keeps what it was.
        let copy = env.clone();
        env.try_step(action).unwrap();
        twin.step(action);
        let after = seen(&*env);
        sound(name, &*env, &after)?;
        prop_assert_eq!(&seen(&*twin), &after, "{}: same seed, other game", name);
        prop_assert_eq!(&seen(&*copy), &now, "{}: a copy moved", name);
        let changed = after.state != now.state;
        let undone = changed && forbids_undo && before.as_ref() == Some(&after.state);
        prop_assert_eq!(changed && !undone, now.masks[action], "{}: action {}", name, action);
        if changed {
            undoes(name, &*env, action, &now)?;
            before = Some(now.state);
        }
        prop_assert_eq!(after.key == now.key, !changed || now.key.is_none(), "{}", name);
        now = after;
    }
    restores(name, &*env, moves, rng)?;
    returns(name, &mut *env, &now, rng)
}

/// A snapshot put into an environment of the same parameters goes on as the original; one that is
/// refused changes nothing, and any other is played.
fn restores(name: &str, env: &dyn Env, moves: &[u32], rng: &mut Rng) -> Check {
    let (class, given) = name.split_once(' ').unwrap();
    let given: Map<String, Value> = serde_json::from_str(given).unwrap();
    let mut again = find(class).unwrap().make(&given).unwrap();
    let mut env = env.clone_box();
    env.set_difficulty(9);
    for _ in 0..3 {
        again.restore(&env.snapshot().unwrap()).unwrap();
        prop_assert_eq!(seen(&*again), seen(&*env), "{}: restored otherwise", name);
        for each in [&mut env, &mut again] {
            moves.iter().for_each(|&word| each.step(word as usize % each.num_actions()));
        }
        prop_assert_eq!(seen(&*again), seen(&*env), "{}: goes on otherwise", name);
        env.reset();
        again.reset();
        prop_assert_eq!(again.snapshot(), env.snapshot(), "{}: begins otherwise", name);
    }
    for _ in 0..4 {
        let mut numbers = env.snapshot().unwrap();
        let place = rng.below(numbers.len() as u32) as usize;
        match rng.below(3) {
            0 => drop(numbers.remove(place)),
            1 => numbers.push(0),
            _ => numbers[place] = rng.next_u64() as i64 >> rng.below(64),
        }
        let before = again.snapshot();
        match again.restore(&numbers) {
            Err(_) => prop_assert_eq!(again.snapshot(), before, "{}: {:?}", name, numbers),
            Ok(()) => moves.iter().for_each(|&w| again.step(w as usize % again.num_actions())),
        }
    }
    Ok(())
}

/// The inverse of `action` leads back to `before`.
fn undoes(name: &str, after: &dyn Env, action: usize, before: &Seen) -> Check {
    let Some(inverses) = after.spec().inverse_actions.clone() else { return Ok(()) };
    let inverse = inverses[action];
    prop_assert_eq!(inverses[inverse], action, "{}", name);
    let mut back = after.clone_box();
    back.try_step(inverse).unwrap();
    let back = seen(&*back);
    prop_assert_eq!(&back.state, &before.state, "{}: action {}", name, action);
    prop_assert_eq!(&back.features, &before.features, "{}: action {}", name, action);
    Ok(())
}

/// `set_state` comes back to a state; one that is refused changes nothing.
fn returns(name: &str, env: &mut dyn Env, now: &Seen, rng: &mut Rng) -> Check {
    let mut other = env.clone_box();
    other.try_reset(rng).unwrap();
    other.try_set_state(&now.state).unwrap();
    let set = seen(&*other);
    prop_assert_eq!((&set.state, &set.features), (&now.state, &now.features), "{}", name);
    prop_assert_eq!((&set.key, &set.text), (&now.key, &now.text), "{}", name);
    for _ in 0..8 {
        let mut numbers = now.state.clone();
        let place = rng.below(numbers.len() as u32) as usize;
        match rng.below(4) {
            0 => drop(numbers.remove(place)),
            1 => numbers.push(0),
            2 => numbers[place] = rng.next_u64() as i64,
            _ => numbers[place] += i64::from(rng.below(5)) - 2,
        }
        let before = seen(env);
        match env.try_set_state(&numbers) {
            Err(_) => prop_assert_eq!(seen(env), before, "{}: {:?} changed it", name, numbers),
            Ok(()) => is_state(name, env, numbers)?,
        }
    }
    Ok(())
}

/// What `set_state` took is the state, in an order that it keeps.
fn is_state(name: &str, env: &mut dyn Env, mut numbers: Vec<i64>) -> Check {
    let mut state = env.state().unwrap();
    env.try_set_state(&state).unwrap();
    prop_assert_eq!(env.state().unwrap(), state.clone(), "{}", name);
    // Of all matrices that are one state up to single-qubit gates, Clifford tells one, and of a
    // network what is left to do.
    if !name.starts_with("Clifford") && !name.starts_with("PauliNetwork") {
        numbers.sort_unstable();
        state.sort_unstable();
        prop_assert_eq!(numbers, state, "{}", name);
    }
    Ok(())
}

/// Twists are permutations; a goal that looks like the twisted one goes on to.
fn twists(number: usize, seed: u64, moves: &[u32]) -> Check {
    let rng = &mut Rng::new(seed);
    let (name, mut env) = drawn(&ENVIRONMENTS[number], rng);
    let (obs_perms, act_perms) = env.twists();
    prop_assert_eq!(obs_perms.len(), act_perms.len(), "{}", name);
    let sorted = |mut values: Vec<i32>| {
        values.sort_unstable();
        values
    };
    for (obs_perm, act_perm) in obs_perms.iter().zip(&act_perms) {
        for (perm, size) in
            [(obs_perm, env.obs_shape().iter().product()), (act_perm, env.num_actions())]
        {
            let distinct: HashSet<usize> = perm.iter().copied().collect();
            let is_permutation = perm.len() == size && distinct.len() == size;
            prop_assert!(is_permutation && distinct.iter().all(|&p| p < size), "{name}");
        }
        let twisted = |seen: &Seen| {
            sorted(seen.features.iter().map(|&k| obs_perm[k as usize] as i32).collect())
        };
        env.try_reset_goal(rng).unwrap();
        let mut mirror = env.clone();
        let mut tries = 0..200;
        while sorted(seen(&*mirror).features) != twisted(&seen(&*env)) && tries.next().is_some() {
            mirror.try_reset_goal(rng).unwrap();
        }
        if tries.is_empty() {
            continue;
        }
        for &word in moves {
            let action = word as usize % env.num_actions();
            let masks = (env.masks()[action], mirror.masks()[act_perm[action]]);
            prop_assert_eq!(masks.0, masks.1, "{}", name);
            env.try_step(action).unwrap();
            mirror.try_step(act_perm[action]).unwrap();
            let (one, other) = (seen(&*env), seen(&*mirror));
            prop_assert_eq!(sorted(other.features.clone()), twisted(&one), "{}", name);
            prop_assert_eq!(one.status, other.status, "{}", name);
        }
    }
    Ok(())
}

/// 10,000 cases of all laws, always the same; PROPTEST_CASES and PROPTEST_RNG_SEED ask for others.
fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    let rng_seed = match asked.rng_seed {
        RngSeed::Random => RngSeed::Fixed(0),
        fixed => fixed,
    };
    ProptestConfig { cases: asked.cases.max(2_500), rng_seed, ..asked }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn play_is_lawful(
        number in 0..ENVIRONMENTS.len(),
        seed: u64,
        first in 0_u8..4,
        moves in prop::collection::vec(any::<u32>(), 0..25),
    ) {
        plays(number, seed, first, &moves)?;
    }

    #[test]
    fn twists_are_lawful(
        number in 0..ENVIRONMENTS.len(),
        seed: u64,
        moves in prop::collection::vec(any::<u32>(), 0..12),
    ) {
        twists(number, seed, &moves)?;
    }

    #[test]
    fn any_numbers_are_refused_or_a_state(
        number in 0..ENVIRONMENTS.len(),
        seed: u64,
        numbers in prop::collection::vec(-2_i64..40, 0..40),
    ) {
        let (name, mut env) = drawn(&ENVIRONMENTS[number], &mut Rng::new(seed));
        let before = seen(&*env);
        match env.try_set_state(&numbers) {
            Err(_) => prop_assert_eq!(seen(&*env), before, "{}", name),
            Ok(()) => is_state(&name, &mut *env, numbers)?,
        }
        sound(&name, &*env, &seen(&*env))?;
    }

    #[test]
    fn an_action_that_is_none_changes_nothing(
        number in 0..ENVIRONMENTS.len(),
        seed: u64,
        beyond in prop::sample::select(vec![0, 1, 255, usize::MAX / 2]),
    ) {
        let (name, mut env) = drawn(&ENVIRONMENTS[number], &mut Rng::new(seed));
        let before = seen(&*env);
        prop_assert!(env.try_step(env.num_actions() + beyond).is_err(), "{name}");
        prop_assert_eq!(seen(&*env), before, "{}", name);
    }
}

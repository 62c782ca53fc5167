//! What must hold for any bytes: the fuzz targets find them, `rust/tests/all/fuzz_seeds.rs` plays those
//! that were found.

use twisterl::envs::find;
use twisterl::nn::safetensors::{Tensors, TIED};
use twisterl::nn::{NetSpec, Network, Policy, Scratch};
use twisterl::rl::env::{Env, Twists};
use twisterl::rng::Rng;
use twisterl::spaces::{Dtype, Rows};

const MOST_WEIGHTS: usize = 1 << 16;

/// Any bytes as a model file: refused, or written again and read the same; then a network.
pub fn safetensors(bytes: &[u8]) {
    let Ok(model) = Tensors::parse(bytes) else { return };
    let again = Tensors::parse(&model.to_bytes()).expect("what we write is read");
    for tensor in model.iter() {
        assert_eq!(again.get(&tensor.name), model.get(&tensor.name));
    }
    assert_eq!(again.iter().len(), model.iter().len());
    let notes = |model: &Tensors| model.metadata.iter().filter(|(key, _)| *key != TIED).count();
    assert_eq!(notes(&again), notes(&model));
    let Ok(network) = Network::from_state_dict(&model, Twists::default()) else { return };
    let mut rows = Rows::default();
    rows.push(&[0]);
    let (mut logits, mut values) = (vec![0.0; network.num_actions()], [0.0]);
    let _ = network.forward_batch(&rows, None, &mut Scratch::default(), &mut logits, &mut values);
}

/// Any text as the description of a network, with weights of the shapes that it asks for.
pub fn network(text: &str) {
    let Ok(spec) = NetSpec::parse(text) else { return };
    let parameters = spec.parameters();
    let weights = |name: &str| {
        let found = parameters.iter().find(|parameter| parameter.name == name)?;
        let count = found.shape.iter().try_fold(1, |n: usize, &size| n.checked_mul(size))?;
        let values = (0..count).map(|i| (i % 7) as f32 - 3.0);
        (count <= MOST_WEIGHTS).then(|| (found.shape.clone(), values.collect::<Vec<_>>()))
    };
    let Ok(network) = Network::from_spec(&spec, weights, vec![], vec![]) else { return };
    let mut rows = Rows::default();
    match Dtype::of(network.obs_dtype()) {
        None => rows.push(&[0, (network.num_features() - 1) as i32]),
        Some(dtype) => rows.push(&vec![0; dtype.num_words(network.num_features())]),
    }
    let (mut logits, mut values) = (vec![0.0; network.num_actions()], [0.0]);
    let _ = network.forward_batch(&rows, None, &mut Scratch::default(), &mut logits, &mut values);
}

/// Any parameters, states and moves: `CLASS {parameters}` in a line, then bytes.
pub fn environment(bytes: &[u8]) {
    let Some(end) = bytes.iter().position(|&byte| byte == b'\n') else { return };
    let (line, rest) = (String::from_utf8_lossy(&bytes[..end]), &bytes[end + 1..]);
    let (name, parameters) = line.split_once(' ').unwrap_or((&line, "{}"));
    let Ok(given) = serde_json::from_str::<serde_json::Map<_, _>>(parameters) else { return };
    let Ok(mut env) = find(name).and_then(|entry| entry.make(&given)) else { return };
    // Scrambling is as long as it is asked to be.
    env.set_difficulty(env.get_difficulty().min(1000));
    let mut rng = Rng::new(bytes.len() as u64);
    for (index, chunk) in rest.chunks(9).enumerate() {
        let number = chunk.iter().skip(1).fold(0_i64, |n, &byte| n << 8 | i64::from(byte));
        match chunk[0] % 8 {
            0 => env.try_reset(&mut rng).expect("a reset"),
            1 => env.try_reset_uniform(&mut rng).expect("a start"),
            2 => env.try_reset_goal(&mut rng).expect("a goal"),
            3 => set_state(&mut *env, |state| {
                let place = index % state.len().max(1);
                state.iter_mut().skip(place).take(1).for_each(|value| *value = number);
            }),
            4 => set_state(&mut *env, |state| state.resize(number as usize % 70, number >> 32)),
            5 => set_state(&mut *env, |state| {
                *state = chunk.iter().map(|&byte| i64::from(byte)).collect();
            }),
            _ => {
                let action = usize::from(*chunk.last().expect("a byte"));
                let valid = action < env.num_actions();
                assert_eq!(env.try_step(action).is_ok(), valid);
            }
        }
        check(&*env);
    }
}

/// A refused state changes nothing.
fn set_state(env: &mut dyn Env, change: impl Fn(&mut Vec<i64>)) {
    let before = (env.state(), env.masks(), env.try_status().expect("a status"));
    let mut state = before.0.clone().expect("a state");
    change(&mut state);
    if env.try_set_state(&state).is_err() {
        assert_eq!((env.state(), env.masks(), env.try_status().expect("a status")), before);
    }
}

fn check(env: &dyn Env) {
    let mut features = Vec::new();
    env.try_observe(&mut features).expect("an observation");
    let count = env.obs_shape().iter().product::<usize>() as i32;
    assert!(features.iter().all(|index| (0..count).contains(index)));
    features.sort_unstable();
    assert!(features.windows(2).all(|pair| pair[0] != pair[1]));
    assert_eq!(env.masks().len(), env.num_actions());
    assert!(env.try_status().expect("a status").reward.is_finite());
    let _ = (env.render(), env.state_key(), env.check_solvable().is_ok());
}

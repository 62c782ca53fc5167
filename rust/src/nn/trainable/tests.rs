//! Against torch, by `specs/golden/blocks.json`.

use serde_json::Value;

use super::*;
use crate::nn::{CpuLevel, Parameter, Scratch};
use crate::spaces::push_floats;

/// The sum of the outputs, each with a factor of its own.
struct Factors {
    factors: Vec<f32>,
    num_actions: usize,
}

impl Loss for Factors {
    const NUM_TERMS: usize = 0;

    fn row(
        &self,
        row: usize,
        _: &[f32],
        _: f32,
        gradient: &mut [f32],
        _: &mut Vec<f32>,
        _: &mut [f64],
    ) -> f32 {
        let factors = &self.factors[row * (self.num_actions + 1)..];
        gradient.copy_from_slice(&factors[..self.num_actions]);
        factors[self.num_actions]
    }
}

/// As `tests/reference/write_blocks.py` has them.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let raw = |i: u64| ((i + 1) * 2_654_435_761 + seed * 40_503) % (1 << 32);
    (0..count as u64).map(|i| (raw(i) as f64 / f64::from(1u32 << 31) - 1.0) as f32).collect()
}

fn floats(value: &Value) -> Vec<f32> {
    let numbers = value.as_array().unwrap().iter();
    numbers.map(|number| number.as_f64().unwrap() as f32).collect()
}

fn require_close(name: &str, got: &[f32], expected: &[f32]) {
    let largest = expected.iter().fold(1.0, |most: f32, x| most.max(x.abs()));
    assert_eq!(got.len(), expected.len(), "{name}");
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() <= 1e-5 * largest, "{name}: {got}, not {expected}");
    }
}

#[test]
fn every_block_gives_the_outputs_and_the_gradients_of_torch() {
    let text = include_str!("../../../../specs/golden/blocks.json");
    let golden: Value = serde_json::from_str(text).unwrap();
    for case in golden["cases"].as_array().unwrap() {
        let spec = NetSpec::parse(&case["spec"].to_string()).unwrap();
        let weights = weights_of(case, &spec);
        levels().for_each(|level| check(case, &spec, &weights, level));
    }
}

fn levels() -> impl Iterator<Item = CpuLevel> {
    let levels = [CpuLevel::Avx512, CpuLevel::Avx2, CpuLevel::Portable];
    levels.into_iter().filter(|level| level.is_available())
}

fn weights_of(case: &Value, spec: &NetSpec) -> Vec<(Parameter, Vec<f32>)> {
    let weights: Vec<(Parameter, Vec<f32>)> = (1..)
        .zip(spec.parameters())
        .map(|(seed, parameter)| {
            let mut values = numbers(parameter.shape.iter().product(), seed);
            if parameter.name == "body.var" {
                values.iter_mut().for_each(|value| *value = value.abs() + 0.5);
            }
            (parameter, values)
        })
        .collect();
    let listed: Vec<Value> = weights
        .iter()
        .map(|(parameter, _)| serde_json::json!([parameter.name, parameter.shape]))
        .collect();
    assert_eq!(case["parameters"], Value::from(listed));
    weights
}

#[test]
fn every_memory_gives_the_outputs_the_states_and_the_gradients_of_torch() {
    let text = include_str!("../../../../specs/golden/blocks.json");
    let golden: Value = serde_json::from_str(text).unwrap();
    let cases = golden["memories"].as_array().unwrap();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let spec = NetSpec::parse(&case["spec"].to_string()).unwrap();
        let weights = weights_of(case, &spec);
        levels().for_each(|level| check_memory(case, &spec, &weights, level));
    }
}

fn check_memory(case: &Value, spec: &NetSpec, weights: &[(Parameter, Vec<f32>)], level: CpuLevel) {
    let name = format!("{} {level:?}", case["name"]);
    let get = |name: &str| {
        let found = weights.iter().find(|(parameter, _)| parameter.name == name)?;
        Some((found.0.shape.clone(), &found.1))
    };
    let network = Network::from_spec_for_cpu(spec, get, Twists::default(), level).unwrap();
    let (size, states) = (network.state_size(), floats(&case["states"]));
    let lengths: Vec<usize> =
        floats(&case["lengths"]).into_iter().map(|length| length as usize).collect();
    let firsts: Vec<usize> =
        (0..lengths.len()).map(|i| lengths[..i].iter().sum::<usize>()).collect();
    let mut rows = Rows::default();
    for row in floats(&case["observations"]).chunks(network.num_features()) {
        rows.push_with(|words| push_floats(words, row));
    }
    let (outputs, after) = (floats(&case["outputs"]), floats(&case["after"]));
    let width = network.num_actions() + 1;

    // Played, step by step.
    let mut played = states.clone();
    for ((&first, &length), state) in firsts.iter().zip(&lengths).zip(played.chunks_exact_mut(size))
    {
        for row in first..first + length {
            let mut one = Rows::default();
            one.push(rows.row(row));
            let (mut logits, mut values) = (vec![0.0; width - 1], [0.0]);
            let scratch = &mut Scratch::default();
            network.step_batch(&one, None, state, scratch, &mut logits, &mut values).unwrap();
            logits.extend(values);
            require_close(&format!("{name} row {row}"), &logits, &outputs[row * width..][..width]);
        }
    }
    require_close(&format!("{name} states"), &played, &after);

    // In training, all of them together, the longest first.
    let mut trainable = loaded(spec, weights, level);
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&i| usize::MAX - lengths[i]);
    let mut course = Course::default();
    course.states.extend(order.iter().flat_map(|&i| &states[i * size..][..size]));
    let mut views = Vec::new();
    for step in 0..lengths[order[0]] {
        let going = order.iter().filter(|&&i| lengths[i] > step);
        let before = views.len();
        views.extend(going.map(|&i| ((firsts[i] + step) as u32, -1)));
        course.steps.push(views.len() - before);
    }
    let told = numbers(rows.len() * width, 1000);
    let factors = views.iter().flat_map(|(row, _)| &told[*row as usize * width..][..width]);
    let loss = Factors { factors: factors.copied().collect(), num_actions: width - 1 };
    let seen = Seen { rows: &rows, views: &views, courses: &[course] };
    require_gradients(&name, case, weights, &mut trainable, seen, &loss);
}

/// The network of `spec` with these weights, packed.
fn loaded(spec: &NetSpec, weights: &[(Parameter, Vec<f32>)], level: CpuLevel) -> Trainable {
    let mut trainable = Trainable::new(spec, &Twists::default()).unwrap();
    trainable.kernels = Kernels::new(level).unwrap();
    for (index, (_, values)) in weights.iter().enumerate() {
        trainable.set(index, values).unwrap();
    }
    trainable.pack().into_iter().for_each(|pack| pack());
    trainable
}

fn require_gradients(
    name: &str,
    case: &Value,
    weights: &[(Parameter, Vec<f32>)],
    trainable: &mut Trainable,
    seen: Seen<'_>,
    loss: &Factors,
) {
    let mut chunks = Vec::new();
    let chunks = trainable.cut(seen, &mut chunks);
    for chunk in chunks.iter_mut() {
        trainable.pass(seen, loss, chunk).unwrap();
    }
    let mut gradient = trainable.layout().zeros();
    for mut piece in trainable.pieces(&mut gradient) {
        trainable.fill(chunks.iter(), &mut piece);
    }
    for (index, (parameter, values)) in weights.iter().enumerate() {
        if case["name"] == "running_norm" && parameter.name.starts_with("body") {
            continue; // Statistics do not learn.
        }
        let mut found = vec![0.0; values.len()];
        trainable.layout().read(index, &gradient, &mut found).unwrap();
        let expected = floats(&case["gradients"][&parameter.name]);
        let name = format!("{name}: gradient by {}", parameter.name);
        require_close(&name, &found[..expected.len()], &expected);
    }
}

fn check(case: &Value, spec: &NetSpec, weights: &[(Parameter, Vec<f32>)], level: CpuLevel) {
    let name = format!("{} {level:?}", case["name"]);
    let get = |name: &str| {
        let found = weights.iter().find(|(parameter, _)| parameter.name == name)?;
        Some((found.0.shape.clone(), &found.1))
    };
    let network = Network::from_spec_for_cpu(spec, get, Twists::default(), level).unwrap();
    let mut rows = Rows::default();
    for row in floats(&case["observations"]).chunks(network.num_features()) {
        rows.push_with(|words| push_floats(words, row));
    }
    let num_actions = network.num_actions();
    let outputs = |rows: &Rows| {
        let (mut logits, mut values) = (vec![0.0; rows.len() * num_actions], vec![0.0; rows.len()]);
        let scratch = &mut Scratch::default();
        network.forward_batch(rows, None, scratch, &mut logits, &mut values).unwrap();
        (logits, values)
    };
    let (logits, values) = outputs(&rows);
    require_close(&format!("{name} logits"), &logits, &floats(&case["logits"]));
    require_close(&format!("{name} values"), &values, &floats(&case["values"]));
    // A row's outputs are its own: among many others, and alone.
    let mut many = Rows::default();
    (0..100).for_each(|i| many.push(rows.row(i % rows.len())));
    let (many_logits, _) = outputs(&many);
    assert_eq!(many_logits[99 * num_actions..], logits[..num_actions], "{name}");
    let mut alone = Rows::default();
    alone.push(rows.row(2));
    assert_eq!(outputs(&alone).0, logits[2 * num_actions..], "{name}");

    let factors = numbers(rows.len() * (num_actions + 1), 1000);
    let loss = Factors { factors, num_actions };
    let views: Vec<(u32, i32)> = (0..rows.len() as u32).map(|row| (row, -1)).collect();
    let seen = Seen { rows: &rows, views: &views, courses: &[] };
    let mut trainable = loaded(spec, weights, level);
    require_gradients(&name, case, weights, &mut trainable, seen, &loss);
}

//! The policy network against plain loops in f64, on every processor level there is.

use crate::nn_reference::{random_rows, Reference};
use twisterl::nn::{
    CpuLevel, EmbeddingBag, Linear, NetSpec, Network, PlayPrecision, Policy, Scratch, Sequential,
};
use twisterl::rng::Rng;
use twisterl::spaces::Rows;
use twisterl::Error;

fn levels() -> impl Iterator<Item = CpuLevel> {
    [CpuLevel::Avx512, CpuLevel::Avx2, CpuLevel::Portable]
        .into_iter()
        .filter(|level| level.is_available())
}

fn forward(policy: &dyn Policy, rows: &Rows, twists: Option<&[i32]>) -> (Vec<f32>, Vec<f32>) {
    let mut logits = vec![f32::NAN; rows.len() * policy.num_actions()];
    let mut values = vec![f32::NAN; rows.len()];
    policy.forward_batch(rows, twists, &mut Scratch::default(), &mut logits, &mut values).unwrap();
    (logits, values)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// Compares all levels with the reference: f32 sums of some hundred terms near 1 stay within 1e-5.
fn check(reference: &Reference, num_rows: usize, active: usize, twists: Option<&[i32]>) {
    let rows = random_rows(&mut Rng::new(99), num_rows, reference.num_features(), active);
    for level in levels() {
        let (logits, values) = forward(&reference.policy(level), &rows, twists);
        let actions = logits.len() / num_rows;
        for row in 0..num_rows {
            let twist = twists.map_or(-1, |twists| twists[row]);
            let (expected, value) = reference.evaluate(rows.row(row), twist);
            let got = logits[row * actions..][..actions].iter().chain(&values[row..=row]);
            for (got, expected) in got.zip(expected.iter().chain([&value])) {
                let error = (f64::from(*got) - expected).abs();
                assert!(error < 1e-5, "{level:?} row {row}: {got} for {expected}");
            }
        }
    }
}

#[test]
fn agrees_with_plain_loops_for_every_shape() {
    check(&Reference::new(1, 81, 512, &[256], &[], 4), 70, 9, None);
    check(&Reference::new(2, 16, 7, &[5], &[3], 6), 13, 4, None);
    check(&Reference::new(3, 30, 100, &[130, 33], &[40, 65], 9), 8, 5, None);
    check(&Reference::new(4, 5, 1, &[1], &[], 1), 3, 2, None);
    check(&Reference::new(5, 20, 48, &[], &[], 70), 67, 3, None);
    check(&Reference::new(6, 20, 16, &[300], &[17], 2), 5, 0, None);
    check(&Reference::new(7, 20, 16, &[30], &[], 40), 29, 3, None);
}

#[test]
fn heads_without_layers_show_the_shared_output() {
    let mut reference = Reference::new(7, 10, 12, &[6], &[], 3);
    reference.action.clear();
    check(&reference, 9, 3, None);
    let mut reference = Reference::new(8, 10, 1, &[], &[], 3);
    reference.value.clear();
    check(&reference, 9, 3, None);
}

#[test]
fn convolution_reads_both_axes() {
    for (shape, conv_dim) in [([9, 5], 0), ([9, 5], 1), ([3, 20], 0), ([3, 20], 1)] {
        let positions: usize = shape[1 - conv_dim];
        let reference = Reference::new(10, shape[0] * shape[1], positions * 13, &[40], &[], 4);
        let mut reference = reference.conv(shape, conv_dim);
        check(&reference, 20, 7, None);
        reference.obs_perms = vec![(0..reference.num_features()).rev().collect()];
        reference.act_perms = vec![vec![3, 2, 1, 0]];
        check(&reference, 4, 7, Some(&[0, -1, 0, 0]));
    }
}

fn twisted() -> Reference {
    let mut reference = Reference::new(11, 81, 64, &[32], &[], 6);
    let multiplied = (0..81).map(|i| i * 2 % 81).collect();
    reference.obs_perms = vec![(0..81).collect(), (0..81).rev().collect(), multiplied];
    // The second is no bijection.
    reference.act_perms = vec![(0..6).collect(), vec![1, 1, 3, 3, 5, 5], vec![5, 4, 3, 2, 1, 0]];
    reference
}

#[test]
fn twists_apply_row_by_row() {
    let twists: Vec<i32> = (0..100).map(|i| i % 4 - 1).collect();
    check(&twisted(), 100, 9, Some(&twists));
    let mut apart = twisted();
    apart.value = Reference::new(5, 1, 32, &[], &[8], 1).value;
    check(&apart, 100, 9, Some(&twists));
}

#[test]
fn a_row_has_the_same_bits_in_every_batch() {
    let wide = Reference::new(12, 81, 512, &[256], &[], 4);
    let odd = Reference::new(13, 40, 70, &[50, 90], &[20], 5);
    for reference in [wide, odd] {
        let rows = random_rows(&mut Rng::new(4), 134, reference.num_features(), 9);
        for level in levels() {
            let policy = reference.policy(level);
            let (all_logits, all_values) = forward(&policy, &rows, None);
            let actions = policy.num_actions();
            for size in [1, 2, 3, 4, 5, 6, 7, 8, 11, 13, 64, 66, 67, 133] {
                for first in (0..134).step_by(size) {
                    let range = first..134.min(first + size);
                    let mut part = Rows::default();
                    range.clone().for_each(|row| part.push(rows.row(row)));
                    let (logits, values) = forward(&policy, &part, None);
                    let expected = &all_logits[range.start * actions..range.end * actions];
                    assert_eq!(bits(&logits), bits(expected), "{level:?} {range:?}");
                    let expected = &all_values[range.clone()];
                    assert_eq!(bits(&values), bits(expected), "{level:?} {range:?}");
                }
            }
        }
    }
}

#[test]
fn levels_with_fused_multiply_add_agree_in_every_bit() {
    let reference = Reference::new(14, 81, 200, &[72], &[33], 5);
    let rows = random_rows(&mut Rng::new(6), 31, 81, 9);
    let fused = levels().filter(|level| *level != CpuLevel::Portable);
    let results: Vec<_> =
        fused.map(|level| forward(&reference.policy(level), &rows, None)).collect();
    for pair in results.windows(2) {
        assert_eq!(bits(&pair[0].0), bits(&pair[1].0));
        assert_eq!(bits(&pair[0].1), bits(&pair[1].1));
    }
}

/// Without head layers the outputs are the hidden ones, which are the same on all levels.
#[test]
fn short_numbers_are_near_and_alike_everywhere() {
    let mut reference = Reference::new(9, 90, 150, &[200, 7], &[], 7);
    reference.action.clear();
    let rows = random_rows(&mut Rng::new(5), 70, 90, 12);
    let exact = forward(&reference.policy(CpuLevel::detect()), &rows, None);
    let mut seen = Vec::new();
    for level in levels() {
        let policy = reference.policy(level).at(PlayPrecision::Int8).unwrap();
        let all = forward(&*policy, &rows, None);
        let mut one = Rows::default();
        one.push(rows.row(69));
        assert_eq!(bits(&forward(&*policy, &one, None).0), bits(&all.0[69 * 7..]));
        let most = exact.0.iter().fold(0.0f32, |most, logit| most.max(logit.abs()));
        let wrong = exact.0.iter().zip(&all.0).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(wrong > 0.0 && wrong < 0.02 * most, "{level:?}: {wrong} of {most}");
        seen.push(bits(&all.0));
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn a_used_scratch_changes_nothing() {
    let large = Reference::new(15, 81, 512, &[256], &[], 4);
    let small = Reference::new(16, 9, 20, &[30], &[8], 3);
    for level in levels() {
        let mut scratch = Scratch::default();
        for (reference, num_rows) in [(&large, 70), (&small, 5), (&large, 3), (&small, 130)] {
            let policy = reference.policy(level);
            let rows = random_rows(&mut Rng::new(8), num_rows, policy.num_features(), 4);
            let mut logits = vec![0.0; num_rows * policy.num_actions()];
            let mut values = vec![0.0; num_rows];
            policy.forward_batch(&rows, None, &mut scratch, &mut logits, &mut values).unwrap();
            assert_eq!((logits, values), forward(&policy, &rows, None));
        }
    }
}

#[test]
fn an_empty_batch_is_fine() {
    let policy = twisted().policy(CpuLevel::Portable);
    assert_eq!(forward(&policy, &Rows::default(), Some(&[])), (vec![], vec![]));
}

#[test]
fn bad_rows_are_refused() {
    for level in levels() {
        let policy = twisted().policy(level);
        let run = |row: &[i32], twists: Option<&[i32]>, num_logits: usize| {
            let mut rows = Rows::default();
            rows.push(row);
            let (mut logits, mut scratch) = (vec![0.0; num_logits], Scratch::default());
            policy
                .forward_batch(&rows, twists, &mut scratch, &mut logits, &mut [0.0])
                .err()
                .map_or(String::new(), |error| error.to_string())
        };
        assert_eq!(run(&[3, 80], None, 6), "");
        let outside = "observation 0: expected features in 0..81, got ";
        assert_eq!(run(&[3, 81], None, 6), format!("{outside}81"));
        assert_eq!(run(&[-1], Some(&[1]), 6), format!("{outside}-1"));
        assert_eq!(run(&[i32::MAX], None, 6), format!("{outside}{}", i32::MAX));
        assert_eq!(run(&[i32::MIN], None, 6), format!("{outside}{}", i32::MIN));
        assert_eq!(run(&[1], Some(&[3]), 6), "twist of row 0: expected -1 or 0..3, got 3");
        assert_eq!(run(&[1], Some(&[-2]), 6), "twist of row 0: expected -1 or 0..3, got -2");
        assert_eq!(run(&[1], Some(&[0, 0]), 6), "length of twists: expected 1, got 2");
        assert_eq!(run(&[1], None, 5), "length of logits: expected 6, got 5");
    }
}

#[test]
fn overflow_is_an_error_wherever_it_happens() {
    let huge = |values: &mut [f32]| values.iter_mut().for_each(|v| *v = v.signum() * f32::MAX);
    for level in levels() {
        for place in 0..4 {
            let mut reference = Reference::new(17, 10, 20, &[20, 20], &[], 4);
            match place {
                0 => huge(&mut reference.vectors),
                // Sums of both infinities: a NaN that ReLU must not turn into 0.
                1 | 2 => huge(&mut reference.common[place - 1].weights),
                _ => huge(&mut reference.value[0].weights),
            }
            let rows = random_rows(&mut Rng::new(1), 1, 10, 9);
            let policy = reference.policy(level);
            let (mut logits, mut values) = ([0.0; 4], [0.0; 1]);
            let mut scratch = Scratch::default();
            let result = policy.forward_batch(&rows, None, &mut scratch, &mut logits, &mut values);
            let is_policy = matches!(result, Err(Error::Policy(_)));
            assert!(is_policy, "{level:?} {place} {logits:?} {values:?}");
        }
    }
}

fn message<T>(result: twisterl::Result<T>) -> String {
    result.err().expect("expected an error").to_string()
}

fn linear(inputs: usize, outputs: usize) -> Linear {
    Linear::new(vec![0.5; inputs * outputs], vec![0.0; outputs], true).unwrap()
}

fn net(inputs: usize, outputs: usize) -> Sequential {
    Sequential::new(vec![linear(inputs, outputs)]).unwrap()
}

fn bag() -> EmbeddingBag {
    EmbeddingBag::new(vec![0.5; 6], 3, vec![0.0; 3], true, vec![2], 0).unwrap()
}

#[test]
fn layers_that_do_not_fit_are_named() {
    assert_eq!(
        message(Sequential::new(vec![linear(3, 4), linear(5, 2)])),
        "Sequential: inputs of layer 1: expected 4, the outputs of layer 0, got 5"
    );
    let build =
        |common, action, value| message(Network::new(bag(), common, action, value, vec![], vec![]));
    assert_eq!(
        build(net(4, 5), net(5, 2), net(5, 1)),
        "Policy: inputs of common: expected 3, got 4"
    );
    assert_eq!(
        build(net(3, 5), net(4, 2), net(5, 1)),
        "Policy: inputs of action_net: expected 5, got 4"
    );
    assert_eq!(
        build(net(3, 5), net(5, 2), net(6, 1)),
        "Policy: inputs of value_net: expected 5, got 6"
    );
    assert_eq!(
        build(net(3, 5), net(5, 2), net(5, 2)),
        "Policy: outputs of value_net: expected 1, got 2"
    );
}

#[test]
fn permutations_that_do_not_fit_are_named() {
    let perms = |obs: &[&[usize]], act: &[&[usize]]| {
        let [obs, act] = [obs, act].map(|perms| perms.iter().map(|perm| perm.to_vec()).collect());
        message(Network::new(bag(), net(3, 5), net(5, 4), net(5, 1), obs, act))
    };
    assert_eq!(
        perms(&[&[0, 1]], &[]),
        "Policy: number of act_perms: expected 1, as many as obs_perms, got 0"
    );
    assert_eq!(perms(&[&[0]], &[&[0; 4]]), "Policy: obs_perms[0]: expected 2 entries, got 1");
    assert_eq!(
        perms(&[&[0, 2]], &[&[0; 4]]),
        "Policy: obs_perms[0]: expected entries in 0..2, got 2"
    );
    assert_eq!(perms(&[&[0, 1]], &[&[0; 3]]), "Policy: act_perms[0]: expected 4 entries, got 3");
    assert_eq!(
        perms(&[&[0, 1]], &[&[4; 4]]),
        "Policy: act_perms[0]: expected entries in 0..4, got 4"
    );
}

#[test]
fn weights_that_are_no_layer_are_refused() {
    let linear = |weights: Vec<f32>, bias: Vec<f32>| message(Linear::new(weights, bias, false));
    assert_eq!(
        linear(vec![1.0, f32::NAN], vec![0.0]),
        "Linear: weights[1]: expected a finite value (did training diverge?), got NaN"
    );
    assert!(linear(vec![1.0], vec![f32::INFINITY]).starts_with("Linear: bias[0]:"));
    assert!(linear(vec![1.0; 5], vec![0.0; 2]).starts_with("Linear: weights:"));
    assert!(linear(vec![], vec![0.0; 2]).starts_with("Linear: weights:"));
    assert!(linear(vec![], vec![]).starts_with("Linear: bias:"));

    // What is wrong; then values, dim, biases, obs_shape and conv_dim.
    type Case<'a> = (&'a str, usize, usize, usize, &'a [usize], usize);
    let cases: [Case; 10] = [
        ("vectors:", 5, 2, 2, &[2], 0),
        ("vectors:", 0, 2, 2, &[2], 0),
        ("vectors:", 4, 0, 2, &[2], 0),
        ("vectors:", 4, 2, 2, &[3], 0),
        ("bias:", 4, 2, 3, &[2], 0),
        ("bias:", 4, 2, 2, &[2, 3], 0),
        ("bias:", 4, 2, 0, &[2, 0], 0),
        ("bias:", 4, 2, 2, &[2, usize::MAX], 0),
        ("conv_dim:", 4, 2, 2, &[2, 3], 2),
        ("obs_shape:", 4, 2, 2, &[1, 2, 3], 0),
    ];
    for (part, values, dim, bias, shape, conv_dim) in cases {
        let bias = vec![0.0; bias];
        let bag = EmbeddingBag::new(vec![0.0; values], dim, bias, true, shape.to_vec(), conv_dim);
        let got = message(bag);
        assert!(got.starts_with(&format!("EmbeddingBag: {part}")), "{got}");
    }
    let bag = EmbeddingBag::new(vec![f32::NAN; 4], 2, vec![0.0; 2], true, vec![2], 0);
    assert!(message(bag).starts_with("EmbeddingBag: vectors[0]:"));
}

/// What sizes an allocation is in the weights, or small.
#[test]
fn a_description_alone_takes_no_memory() {
    let given = |places: usize, channels: usize| {
        let head = |name: &str| {
            format!(r#"[{{"block": "linear", "name": "{name}", "inputs": 1, "out": 1}}]"#)
        };
        let (action, value) = (head("action.0"), head("value.0"));
        let text = format!(
            r#"{{"encoder": [
                {{"block": "bag_conv1d", "name": "c", "shape": [{channels}, {places}], "axis": 0,
                  "out": 1}}, {{"block": "relu"}}], "action": {action}, "value": {value}}}"#
        );
        let spec = NetSpec::parse(&text).unwrap();
        let weights = |name: &str| {
            let found = spec.parameters().into_iter().find(|parameter| parameter.name == name)?;
            Some((found.shape.clone(), vec![0.5; found.shape.iter().product()]))
        };
        Network::from_spec(&spec, weights, vec![], vec![]).err().unwrap().to_string()
    };
    for places in [1 << 25, 9_000_000_000, usize::MAX / 4, usize::MAX] {
        assert!(given(places, 1).contains("at most 16777216 outputs"), "{}", given(places, 1));
    }
    assert!(given(1 << 23, 16).contains("at most 67108864 features"), "{}", given(1 << 23, 16));
}

/// Descriptions of composed networks that are none: the place, what was expected, what came.
#[test]
fn blocks_that_do_not_join_are_refused_by_place() {
    let refused = |first: &str, blocks: &str| {
        let text = format!(
            r#"{{"encoder": [{first}, {blocks}],
                "action": [{{"block": "linear", "name": "a", "inputs": 4, "out": 2}}],
                "value": [{{"block": "linear", "name": "v", "inputs": 4, "out": 1}}]}}"#
        );
        let spec = match NetSpec::parse(&text) {
            Ok(spec) => spec,
            Err(error) => return error.to_string(),
        };
        let parameters = spec.parameters();
        let weights = |name: &str| {
            let found = parameters.iter().find(|parameter| parameter.name == name)?;
            let sizes = found.shape.iter();
            let count =
                sizes.copied().try_fold(1usize, usize::checked_mul).filter(|n| *n < 1 << 20);
            Some((found.shape.clone(), vec![0.5; count?]))
        };
        Network::from_spec(&spec, weights, vec![], vec![]).err().unwrap().to_string()
    };
    let dense = r#"{"block": "dense", "features": 12, "dtype": "float32"}"#;
    let image = format!(r#"{dense}, {{"block": "reshape", "shape": [3, 4]}}"#);
    let huge = 1usize << 40;
    let wide = (0..30).map(|_| r#"{"block": "parallel", "join": "concat", "branches": [[], []]}"#);
    let wide = wide.collect::<Vec<_>>().join(", ");
    for (first, blocks, expected) in [
        (
            dense,
            r#"{"block": "spline"}"#.to_owned(),
            "network: encoder.1: expected a description in JSON, got unknown variant `spline`",
        ),
        (
            dense,
            r#"{"block": "parallel", "join": "sum", "branches": [[], [{"block": "relu"}, {"block": "slice"}]]}"#
                .to_owned(),
            "network: encoder.1.branches.1.1: expected a description in JSON, got missing field `start`",
        ),
        (
            dense,
            r#"{"block": "layer_norm", "name": "n", "shape": [5], "eps": 1e-5}"#.to_owned(),
            "network: encoder.1: layer_norm: input: expected a shape that ends with [5], got [12]",
        ),
        (
            dense,
            r#"{"block": "linear", "name": "l", "inputs": 11, "out": 4}"#.to_owned(),
            "network: encoder.1: linear: input: expected 11 along the last axis, got [12]",
        ),
        (
            dense,
            r#"{"block": "residual", "blocks": [{"block": "slice", "start": 0, "end": 4}]}"#.to_owned(),
            "network: encoder.1: residual: input: expected blocks that give [12], got [4]",
        ),
        (
            &image,
            r#"{"block": "residual", "blocks": [{"block": "attention", "name": "m", "size": 5, "heads": 1}]}"#
                .to_owned(),
            "network: encoder.2.blocks.0: attention: input: expected [tokens, 5], got [3, 4]",
        ),
        (
            &image,
            r#"{"block": "conv", "name": "c", "channels": 3, "out": 2, "kernel": [9], "stride": [1], "padding": [0]}"#
                .to_owned(),
            "network: encoder.2: conv: input: expected at least the kernel",
        ),
        (
            &image,
            r#"{"block": "pool", "of": "max", "kernel": [0], "stride": [1], "padding": [0]}"#.to_owned(),
            "network: encoder.2: pool: kernel: expected one or two numbers of at least 1, got [0]",
        ),
        (
            &image,
            format!(r#"{{"block": "pool", "of": "max", "kernel": [1], "stride": [1], "padding": [{huge}]}}"#),
            "network: encoder.2: pool: padding: expected one or two numbers of at least 0",
        ),
        (dense, wide, "numbers"),
        (dense, r#"{"block": "flatten"}, {"block": "dense", "features": 4, "dtype": "uint8"}"#.to_owned(), "network: encoder.2: dense: block: expected one that reads no observations"),
        (dense, format!(r#"{{"block": "embedding", "name": "e", "num": {huge}, "out": 1}}"#), "e.weight: expected a tensor"),
    ] {
        let told = refused(first, &blocks);
        assert!(told.contains(expected), "{told}\nnot\n{expected}");
    }
    let nothing = format!(r#"{{"block": "dense", "features": {huge}, "dtype": "float32"}}"#);
    assert!(refused(&nothing, r#"{"block": "flatten"}"#).contains("numbers"));
}

#[test]
fn numbers_that_are_no_integers_have_no_embedding() {
    let text = r#"{"encoder": [{"block": "dense", "features": 2, "dtype": "float32"},
            {"block": "embedding", "name": "e", "num": 3, "out": 2}, {"block": "flatten"}],
        "action": [{"block": "linear", "name": "a", "inputs": 4, "out": 2}],
        "value": [{"block": "linear", "name": "v", "inputs": 4, "out": 1}]}"#;
    let spec = NetSpec::parse(text).unwrap();
    let weights = |name: &str| {
        let found = spec.parameters().into_iter().find(|parameter| parameter.name == name)?;
        Some((found.shape.clone(), vec![0.5; found.shape.iter().product()]))
    };
    let network = Network::from_spec(&spec, weights, vec![], vec![]).unwrap();
    for (number, is_fine) in
        [(2.0f32, true), (3.0, false), (-1.0, false), (0.5, false), (f32::NAN, false)]
    {
        let mut rows = Rows::default();
        rows.push(&[0, number.to_bits() as i32]);
        let (mut logits, mut values) = ([0.0; 2], [0.0]);
        let done =
            network.forward_batch(&rows, None, &mut Scratch::default(), &mut logits, &mut values);
        assert_eq!(done.is_ok(), is_fine, "{number}");
    }
}

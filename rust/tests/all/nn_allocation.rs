//! A warm policy allocates nothing.

use crate::counting::allocations;
use crate::nn_reference::{random_rows, Reference};
use twisterl::nn::{CpuLevel, NetSpec, Network, Policy, Scratch};
use twisterl::rng::Rng;
use twisterl::spaces::Rows;

#[test]
fn a_warm_policy_allocates_nothing() {
    let mut reference = Reference::new(1, 81, 512, &[256], &[], 4);
    reference.obs_perms = vec![(0..81).rev().collect()];
    reference.act_perms = vec![vec![3, 2, 1, 0]];
    let policy = reference.policy(CpuLevel::detect());
    require_none(&policy, |num_rows| random_rows(&mut Rng::new(2), num_rows, 81, 9), 1);
}

/// Every block of the golden file.
#[test]
fn a_warm_composed_policy_allocates_nothing() {
    let golden = include_str!("../../../specs/golden/blocks.json");
    let golden: serde_json::Value = serde_json::from_str(golden).unwrap();
    let cases = ["cases", "memories"].map(|list| golden[list].as_array().unwrap());
    for case in cases.into_iter().flatten() {
        let spec = NetSpec::parse(&case["spec"].to_string()).unwrap();
        let parameters = spec.parameters();
        let weights = |name: &str| {
            let found = parameters.iter().find(|parameter| parameter.name == name)?;
            Some((found.shape.clone(), vec![0.25; found.shape.iter().product()]))
        };
        let policy = Network::from_spec(&spec, weights, vec![], vec![]).unwrap();
        let rows = |num_rows| {
            let mut rows = Rows::default();
            // Ones: an embedding takes integers.
            let words = vec![1.0f32.to_bits() as i32; policy.num_features()];
            (0..num_rows).for_each(|_| rows.push(&words));
            rows
        };
        require_none(&policy, rows, 0);
    }
}

fn require_none(policy: &dyn Policy, rows: impl Fn(usize) -> Rows, num_twists: i32) {
    let num_actions = policy.num_actions();
    let mut scratch = Scratch::default();
    let mut counts = Vec::with_capacity(16);
    // 66 is the most that pass through the network at once.
    for num_rows in [66, 66, 100, 1, 3] {
        let rows = rows(num_rows);
        let twists: Vec<i32> = (0..num_rows as i32).map(|row| row % (num_twists + 1) - 1).collect();
        let (mut logits, mut values) = (vec![0.0; num_actions * num_rows], vec![0.0; num_rows]);
        counts.push(allocations(|| {
            let outputs = (&mut logits[..], &mut values[..]);
            policy.forward_batch(&rows, Some(&twists), &mut scratch, outputs.0, outputs.1).unwrap();
        }));
    }
    assert!(counts[0] > 0, "the first call fills the scratch: does the allocator count?");
    assert_eq!(counts[1..], [0; 4]);
}

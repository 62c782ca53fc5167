//! Heads against torch.distributions, whose numbers tests/reference/write_heads.py wrote.

use crate::common::{items, spec};
use serde_json::Value;
use twisterl::nn::Head;
use twisterl::spaces::{Act, ActSpace, Acts};

fn floats(value: &Value) -> Vec<f32> {
    items(value).iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

#[test]
fn log_probabilities_and_entropies() {
    for case in items(&spec("golden/heads.json")["cases"]) {
        let head = Head::parse(&case["head"].to_string()).unwrap();
        assert_eq!(Head::parse(&head.to_json()).unwrap(), head);
        let outputs = floats(&case["outputs"]);
        let masks: Vec<bool> =
            items(&case["masks"]).iter().map(|mask| mask.as_bool().unwrap()).collect();
        let (mut choices, mut numbers) = (Vec::new(), Vec::new());
        let act = match &head {
            Head::Categorical => Act::Discrete(case["action"].as_u64().unwrap() as usize),
            Head::Product { .. } => {
                choices.extend(items(&case["action"]).iter().map(|n| n.as_i64().unwrap()));
                Act::Multi(&choices)
            }
            Head::Normal { .. } => {
                numbers.extend(floats(&case["action"]));
                Act::Box(&numbers)
            }
        };
        let told = [
            head.log_prob(&outputs, &masks, act).unwrap(),
            head.entropy(&outputs, &masks).unwrap(),
        ];
        let expected = ["log_prob", "entropy"].map(|name| case[name].as_f64().unwrap() as f32);
        for (told, expected) in told.into_iter().zip(expected) {
            // 32-bit sums; a mean by the trapezoidal rule.
            let error = (told - expected).abs() / expected.abs().max(1.0);
            assert!(error < 3e-5, "{case}: {told}, expected {expected}");
        }
    }
}

#[test]
fn what_is_drawn_is_bounded() {
    let space = ActSpace::Box { low: vec![-2.0, 0.0], high: vec![2.0, 1.0] };
    for (squash, expected) in [(false, [-2.0, 0.5]), (true, [-2.0, 0.731_058_6])] {
        let head = Head::Normal { log_std: vec![0.0; 2], squash };
        let mut bounded = Acts::of(&space);
        head.bound(&space, Act::Box(&[-30.0, 0.5]), &mut bounded);
        let Act::Box(numbers) = bounded.row(0) else { panic!("numbers") };
        assert!(numbers.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{numbers:?}");
        space.check_act("action", bounded.row(0)).unwrap();
    }
}

#[test]
fn a_head_for_other_actions_says_so() {
    let space = ActSpace::Box { low: vec![-2.0], high: vec![2.0] };
    let told = |head: &Head, outputs| head.check_fit(outputs, &space).unwrap_err().to_string();
    let expected = "policy: actions: expected numbers from [-2.0] to [2.0] as the environment has";
    assert_eq!(told(&Head::Categorical, 1), format!("{expected}, got a categorical head"));
    let head = |dims| Head::Normal { log_std: vec![0.0; dims], squash: true };
    assert_eq!(told(&head(2), 2), "policy: actions: expected 1 as the environment has, got 2");
    assert!(head(1).check_fit(1, &space).is_ok());
    let other = head(1).log_prob(&[0.0], &[], Act::Discrete(0)).unwrap_err().to_string();
    assert_eq!(other, "action: expected one of a tanh-normal head of 1 dimensions, got 0");
}

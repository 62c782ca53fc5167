//! Any text as the description of a network, with weights of the shapes that it asks for.

#![no_main]

use libfuzzer_sys::fuzz_target;
use twisterl::nn::{NetSpec, Network, Policy, Scratch};
use twisterl::spaces::Rows;

const MOST_WEIGHTS: usize = 1 << 16;

fuzz_target!(|text: &str| {
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
    rows.push(&[0, (network.num_features() - 1) as i32]);
    let (mut logits, mut values) = (vec![0.0; network.num_actions()], [0.0]);
    let _ = network.forward_batch(&rows, None, &mut Scratch::default(), &mut logits, &mut values);
});

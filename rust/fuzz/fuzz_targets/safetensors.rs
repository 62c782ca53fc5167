//! Any bytes as a model file: refused, or written again and read the same; then a network.

#![no_main]

use libfuzzer_sys::fuzz_target;
use twisterl::nn::safetensors::{Tensors, TIED};
use twisterl::nn::{Network, Policy, Scratch};
use twisterl::spaces::Rows;
use twisterl::rl::env::Twists;

fuzz_target!(|bytes: &[u8]| {
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
});

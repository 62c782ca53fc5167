//! A small random policy for the tests of the public API.

use twisterl::nn::{EmbeddingBag, Linear, Policy, Sequential};
use twisterl::rl::env::Env;
use twisterl::rng::Rng;

fn weights(count: usize, scale: f32, rng: &mut Rng) -> Vec<f32> {
    (0..count).map(|_| (rng.unit() * 2.0 - 1.0) * scale).collect()
}

fn linear(inputs: usize, outputs: usize, relu: bool, rng: &mut Rng) -> Linear {
    let scale = (6.0 / inputs as f32).sqrt();
    Linear::new(weights(inputs * outputs, scale, rng), weights(outputs, 0.1, rng), relu).unwrap()
}

/// `F -> 64 -> 32 -> (A, 1)` with weights drawn from `seed`, seen through the twists of `env`.
pub fn random_policy(env: &dyn Env, seed: u64) -> Policy {
    let mut rng = Rng::new(seed);
    let features: usize = env.obs_shape().iter().product();
    let vectors = weights(features * 64, 0.5, &mut rng);
    let bias = weights(64, 0.1, &mut rng);
    let embeddings = EmbeddingBag::new(vectors, 64, bias, true, vec![features], 0).unwrap();
    let common = Sequential::new(vec![linear(64, 32, true, &mut rng)]).unwrap();
    let action_net = Sequential::new(vec![linear(32, env.num_actions(), false, &mut rng)]).unwrap();
    let value_net = Sequential::new(vec![linear(32, 1, false, &mut rng)]).unwrap();
    let (obs_perms, act_perms) = env.twists();
    Policy::new(embeddings, common, action_net, value_net, obs_perms, act_perms).unwrap()
}

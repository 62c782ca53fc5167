//! A small random policy for the tests of the public API.

use twisterl::nn::Policy;
use twisterl::rl::env::Env;
use twisterl::testing::Widths;

/// `F -> 64 -> 32 -> (A, 1)` with weights drawn from `seed`, seen through the twists of `env`.
pub fn random_policy(env: &dyn Env, seed: u64) -> Policy {
    twisterl::testing::random_policy(env, Widths { embedding: 64, common: 32 }, seed).unwrap()
}

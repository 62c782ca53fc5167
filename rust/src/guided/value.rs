//! A value of states that is a sum over their traits, learned from random walks.

use crate::engine::pool::Poll;
use crate::error::{Error, Result};
use crate::rl::env::Env;
use crate::rng::Rng;

/// How far a weight goes towards what a walk says, at the first and at the last.
const RATES: [f32; 2] = [0.2, 0.002];
const WALKS_BETWEEN_LOOKS: usize = 256;

/// Weights `[num_traits]`; their sum over the traits of a state is about its distance from the goal.
pub(super) struct Value {
    weights: Vec<f32>,
}

impl Value {
    /// The distance of a state of a walk is taken for the number of its actions, by normalized least
    /// mean squares (Widrow and Hoff, "Adaptive switching circuits"). What no walk shows stays far.
    ///
    /// # Errors
    /// If the environment fails, or `poll` does.
    pub(super) fn of_walks(
        env: &mut dyn Env,
        num_walks: usize,
        walk_length: usize,
        seed: u64,
        poll: Poll<'_>,
    ) -> Result<Self> {
        let inverses = env.spec().require_inverses()?.to_vec();
        let (mut traits, mut legal) = (Vec::new(), Vec::new());
        let mut masks = vec![false; inverses.len()];
        env.traits(&mut traits);
        let far = walk_length as f32 / traits.len() as f32;
        let mut value = Self { weights: vec![far; env.num_traits()] };
        for walk in 0..num_walks {
            if walk % WALKS_BETWEEN_LOOKS == 0 {
                poll()?;
            }
            let rate = RATES[0] * (RATES[1] / RATES[0]).powf(walk as f32 / num_walks as f32);
            let rng = &mut Rng::stream(seed, 1, walk as u64);
            env.try_reset_goal(rng)?;
            let mut undo = None;
            for step in 1..=walk_length {
                env.try_masks(&mut masks)?;
                legal.clear();
                legal.extend((0..masks.len()).filter(|&a| masks[a] && Some(a) != undo));
                if legal.is_empty() {
                    break;
                }
                let action = legal[rng.below(legal.len() as u32) as usize];
                env.try_step(action)?;
                undo = Some(inverses[action]);
                traits.clear();
                env.traits(&mut traits);
                let change = rate * (step as f32 - value.of(&traits)) / traits.len() as f32;
                traits.iter().for_each(|&number| value.weights[number as usize] += change);
            }
        }
        Ok(value)
    }

    /// That with the [`Value::weights`] of another one for `env`.
    ///
    /// # Errors
    /// If they are none.
    pub(super) fn of_weights(env: &dyn Env, weights: Vec<f32>) -> Result<Self> {
        let expected = env.num_traits();
        if weights.len() != expected || !weights.iter().all(|weight| weight.is_finite()) {
            let got = format!("{} numbers, or some that are not finite", weights.len());
            return Err(Error::invalid("weights", format!("{expected} numbers"), got));
        }
        Ok(Self { weights })
    }

    pub(super) fn weights(&self) -> &[f32] {
        &self.weights
    }

    #[inline]
    pub(super) fn of(&self, traits: &[u32]) -> f32 {
        traits.iter().map(|&number| self.weights[number as usize]).sum()
    }
}

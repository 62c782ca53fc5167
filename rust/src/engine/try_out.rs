//! Whether an environment keeps to what it declares: a reset and a step, as the engine makes them.

use crate::error::Result;
use crate::rl::env::Env;
use crate::rl::vec_env::{LaneMove, Move, Views};
use crate::rng::Rng;
use crate::spaces::{Act, ActSpace, Acts};

/// Resets a lane of `env`, which stays as it is, and moves it by the first action that is legal.
///
/// # Errors
/// What the environment raises, and what is said of an answer that is none.
pub fn try_out(env: &dyn Env) -> Result<()> {
    let mut lanes = env.lanes(1)?;
    let (mut views, mut rngs) = (Views::default(), [Rng::new(0)]);
    let space = env.spec().acts.clone();
    let mut acts = Acts::of(&space);
    let reset = Move::Reset { difficulty: env.get_difficulty() };
    lanes.advance(&[LaneMove { lane: 0, made: reset }], &acts, &mut rngs, &mut views)?;
    let is_final = views.status.iter().all(|status| status.is_final);
    let Some(action) = first_legal(&space, &views.masks, &mut acts).filter(|_| !is_final) else {
        return Ok(());
    };
    views.clear();
    lanes.advance(&[LaneMove { lane: 0, made: action }], &acts, &mut rngs, &mut views)
}

/// The first action that `masks` allow, or the middle of a box; none if there is none.
fn first_legal(space: &ActSpace, masks: &[bool], acts: &mut Acts) -> Option<Move> {
    match space {
        ActSpace::Discrete { .. } => {
            return Some(Move::Step { action: masks.iter().position(|&legal| legal)? });
        }
        ActSpace::MultiDiscrete { nvec } => {
            let mut rest = masks;
            let choices = nvec.iter().map(|&count| {
                let (part, others) = rest.split_at(count.min(rest.len()));
                rest = others;
                part.iter().position(|&legal| legal).map(|choice| choice as i64)
            });
            acts.push(Act::Multi(&choices.collect::<Option<Vec<_>>>()?));
        }
        ActSpace::Box { low, high } => {
            let middle = low.iter().zip(high).map(|(low, high)| low / 2.0 + high / 2.0);
            acts.push(Act::Box(&middle.collect::<Vec<_>>()));
        }
    }
    Some(Move::Act { row: 0 })
}

//! Where episodes that are judged begin.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::rl::env::{draw_difficulty, Env};
use crate::rl::start::Start;
use crate::rng::Rng;

/// Keeps the streams of evaluation apart from those of collection with the same seed.
const STREAM_TAG: u64 = 0x6576_616C_7561_7465;

/// Where the episodes begin.
#[derive(Clone, Debug)]
pub enum Starts {
    /// `env.reset()` at its difficulty, this many times.
    Reset(usize),
    /// `env.reset()` at a difficulty drawn from 1 to `most`, `count` times.
    Varied { count: usize, most: usize },
    /// A uniformly random solvable state, this many times.
    Uniform(usize),
    /// These states, in this order.
    States(Arc<[Vec<i64>]>),
    /// The state that the environment is in.
    Current,
    /// `count` of the starts `of` from number `first` on, which are what they are among all.
    Part { of: Box<Starts>, first: usize, count: usize },
}

impl Starts {
    /// `count` of them, from 1 on.
    ///
    /// # Errors
    /// If there are none.
    pub fn of(start: Start, count: usize) -> Result<Self> {
        match (count, start) {
            (0, _) => Err(Error::invalid("num_episodes", "at least 1", 0)),
            (_, Start::Reset) => Ok(Self::Reset(count)),
            (_, Start::Uniform) => Ok(Self::Uniform(count)),
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Starts::Reset(count) | Starts::Uniform(count) | Starts::Varied { count, .. } => *count,
            Starts::States(states) => states.len(),
            Starts::Current => 1,
            Starts::Part { count, .. } => *count,
        }
    }

    /// `count` of them from number `first` on.
    ///
    /// # Errors
    /// If there are not so many.
    pub fn part(self, first: usize, count: usize) -> Result<Self> {
        let len = self.len();
        if first.checked_add(count).is_none_or(|end| end > len) {
            return Err(Error::invalid("first + count", format!("at most {len}"), first + count));
        }
        if first == 0 && count == len {
            return Ok(self);
        }
        Ok(Self::Part { of: Box::new(self), first, count })
    }

    /// The number of start `index` among all.
    fn number(&self, index: usize) -> usize {
        match self {
            Starts::Part { of, first, .. } => of.number(first + index),
            _ => index,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Refuses bad starts before anything is played.
    ///
    /// # Errors
    /// If a start is no state, one that is known to have no solution, or one that `env` cannot draw,
    /// or there are more than 10 million.
    pub fn check(&self, env: &dyn Env) -> Result<()> {
        if !self.is_empty() {
            Error::check_episodes("num_episodes", self.len())?;
        }
        match self {
            Starts::States(states) => {
                let mut probe = env.try_clone()?;
                for (index, state) in states.iter().enumerate() {
                    let fits = probe.try_set_state(state).and_then(|()| probe.check_solvable());
                    fits.map_err(|error| error.at(format!("states[{index}]")))?;
                }
                Ok(())
            }
            Starts::Current => env.check_solvable(),
            Starts::Uniform(_) => env.spec().require_uniform(),
            Starts::Reset(_) | Starts::Varied { .. } => Ok(()),
            Starts::Part { of, .. } => of.check(env),
        }
    }

    /// Puts `root`, a copy of the environment, into start `index`.
    ///
    /// # Errors
    /// If the environment fails.
    pub fn place(&self, index: usize, root: &mut dyn Env, seed: u64) -> Result<()> {
        let mut rng = self.stream(seed, 0, index);
        match self {
            Starts::Reset(_) => root.try_reset(&mut rng),
            Starts::Varied { most, .. } => {
                root.set_difficulty(draw_difficulty(*most, &mut rng));
                root.try_reset(&mut rng)
            }
            Starts::Uniform(_) => root.try_reset_uniform(&mut rng),
            Starts::States(states) => root.try_set_state(&states[index]),
            Starts::Current => Ok(()),
            Starts::Part { of, first, .. } => of.place(first + index, root, seed),
        }
    }

    /// The stream of try `number`, from 1 on, at start `index`.
    pub fn stream(&self, seed: u64, number: usize, index: usize) -> Rng {
        Rng::stream(seed ^ STREAM_TAG, number as u64, self.number(index) as u64)
    }
}

//! A T-maze: what is seen at the first step alone says which way to turn at the end.

use super::parameters::{Parameter, Parameters};
use super::task::{floats, Episodic, Outcome, Task};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::spaces::{push_floats, Act, ActSpace, ObsSpace};

/// The T-maze (Bakker 2001, "Reinforcement learning with Long Short-Term Memory"): a corridor of
/// `length` steps to a junction with two arms. The right one is seen once, at the first step, so that
/// a policy without memory succeeds in half of the episodes. An arm earns 1 or -1, every other step
/// -0.5 / `max_episode_steps`.
pub type TMaze = Episodic<Corridor>;

/// The rules of [`TMaze`].
pub struct Corridor {
    length: u16,
    step: f64,
}

/// Where the agent is, and what it was told.
#[derive(Clone, Copy)]
pub struct Walk {
    place: u16,
    is_up: bool,
    is_first: bool,
    /// The arm it has gone into.
    is_over: bool,
}

const UP: usize = 0;
const RIGHT: usize = 1;
const DOWN: usize = 2;
const LEFT: usize = 3;

impl Task for Corridor {
    type State = Walk;
    const NAME: &'static str = "TMaze";
    const PARAMETERS: &'static [Parameter] =
        &[Parameter::integer("length", 1, 10_000, 10, "steps from the start to the junction")];
    const MAX_STEPS: u32 = 100;
    const SOLVED_AT: f64 = 0.5;

    fn new(parameters: &Parameters) -> Result<Self> {
        let [length, steps] = ["length", "max_episode_steps"].map(|name| parameters.integer(name));
        if steps <= length {
            let expected = format!("more than the length {length}, to reach an arm");
            return Err(Error::invalid("max_episode_steps", expected, steps));
        }
        Ok(Self { length: length as u16, step: -0.5 / steps as f64 })
    }
    fn obs(&self) -> ObsSpace {
        floats(4)
    }
    fn obs_bounds(&self) -> Option<(Vec<f32>, Vec<f32>)> {
        Some((vec![0.0; 4], vec![1.0; 4]))
    }
    fn acts(&self) -> ActSpace {
        ActSpace::Discrete { n: 4 }
    }
    fn action_names(&self) -> Vec<String> {
        ["up", "right", "down", "left"].map(str::to_owned).to_vec()
    }

    fn start(&self, rng: &mut Rng) -> Walk {
        Walk { place: 0, is_up: rng.below(2) == 1, is_first: true, is_over: false }
    }
    #[inline]
    fn play(&self, walk: &mut Walk, act: Act<'_>) -> Outcome {
        walk.is_first = false;
        let at_junction = walk.place == self.length;
        match act.discrete() {
            Some(RIGHT) => walk.place = self.length.min(walk.place + 1),
            Some(LEFT) => walk.place = walk.place.saturating_sub(1),
            Some(turn @ (UP | DOWN)) if at_junction => {
                walk.is_over = true;
                let reward = if (turn == UP) == walk.is_up { 1.0 } else { -1.0 };
                return Outcome { reward, terminated: true };
            }
            _ => {}
        }
        Outcome { reward: self.step, terminated: false }
    }
    /// Whether up or down is right, at the first step; whether this is a corridor or the junction.
    #[inline]
    fn observe(&self, walk: &Walk, words: &mut Vec<i32>) {
        let at_junction = walk.place == self.length;
        let seen =
            [walk.is_first && walk.is_up, walk.is_first && !walk.is_up, !at_junction, at_junction];
        push_floats(words, &seen.map(|seen| f32::from(u8::from(seen))));
    }

    fn numbers(&self, walk: &Walk) -> Vec<i64> {
        vec![walk.place.into(), walk.is_up.into(), walk.is_first.into(), walk.is_over.into()]
    }
    fn parse(&self, numbers: &[i64]) -> Result<Walk> {
        let place = numbers.first().and_then(|&place| u16::try_from(place).ok());
        match (place, numbers) {
            (Some(place), [_, up @ (0 | 1), first @ (0 | 1), over @ (0 | 1)])
                if place <= self.length =>
            {
                Ok(Walk { place, is_up: *up == 1, is_first: *first == 1, is_over: *over == 1 })
            }
            _ => {
                let expected = format!("a place in 0..={}, and three flags of 0 or 1", self.length);
                Err(Error::invalid("state", expected, format!("{numbers:?}")))
            }
        }
    }
    fn render(&self, walk: &Walk) -> String {
        let length = usize::from(self.length);
        let arm = |is_right: bool| match (is_right, walk.is_first) {
            (true, true) => "!",
            _ => ".",
        };
        let corridor = (0..=length).map(|at| if at == usize::from(walk.place) { "A" } else { "." });
        let corridor: String = corridor.collect();
        let gap = " ".repeat(length);
        format!("{gap}{}\n{corridor}\n{gap}{}\n", arm(walk.is_up), arm(!walk.is_up))
    }
}

//! CliffWalking: the shortest way leads along a cliff.

use super::parameters::{Parameter, Parameters};
use super::task::{Episodic, Outcome, Task};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::spaces::{Act, ActSpace, ObsSpace};

/// CliffWalking of Gymnasium (Sutton and Barto, "Reinforcement Learning", example 6.6): from the first
/// cell of the last row to the last one, between which is the cliff. A step costs 1; one into the cliff
/// costs 100 and leads back to the start. An observation is the cell.
pub type CliffWalking = Episodic<Cliff>;

/// The rules of [`CliffWalking`].
pub struct Cliff {
    width: u16,
    height: u16,
}

impl Cliff {
    fn start(&self) -> u16 {
        self.width * (self.height - 1)
    }

    fn goal(&self) -> u16 {
        self.width * self.height - 1
    }
}

impl Task for Cliff {
    type State = u16;
    const NAME: &'static str = "CliffWalking";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::integer("width", 2, 64, 12, "cells in a row"),
        Parameter::integer("height", 2, 64, 4, "rows"),
    ];
    const MAX_STEPS: u32 = 200;
    const SOLVED_AT: f64 = -15.0;

    fn new(parameters: &Parameters) -> Result<Self> {
        let [width, height] = ["width", "height"].map(|name| parameters.integer(name) as u16);
        Ok(Self { width, height })
    }
    fn obs(&self) -> ObsSpace {
        ObsSpace::Sparse { shape: vec![usize::from(self.width * self.height)] }
    }
    fn acts(&self) -> ActSpace {
        ActSpace::Discrete { n: 4 }
    }
    fn action_names(&self) -> Vec<String> {
        ["up", "right", "down", "left"].map(str::to_owned).to_vec()
    }

    fn start(&self, _: &mut Rng) -> u16 {
        self.start()
    }
    #[inline]
    fn play(&self, cell: &mut u16, act: Act<'_>) -> Outcome {
        let (column, row) = (*cell % self.width, *cell / self.width);
        let to = match act.discrete() {
            Some(0) if row > 0 => *cell - self.width,
            Some(1) if column + 1 < self.width => *cell + 1,
            Some(2) if row + 1 < self.height => *cell + self.width,
            Some(3) if column > 0 => *cell - 1,
            _ => *cell,
        };
        if to > self.start() && to < self.goal() {
            *cell = self.start();
            return Outcome { reward: -100.0, terminated: false };
        }
        *cell = to;
        Outcome { reward: -1.0, terminated: to == self.goal() }
    }
    #[inline]
    fn observe(&self, cell: &u16, words: &mut Vec<i32>) {
        words.push(i32::from(*cell));
    }

    fn numbers(&self, cell: &u16) -> Vec<i64> {
        vec![i64::from(*cell)]
    }
    fn parse(&self, numbers: &[i64]) -> Result<u16> {
        let goal = i64::from(self.goal());
        match *numbers {
            [cell] if (0..=goal).contains(&cell) => Ok(cell as u16),
            _ => {
                let expected = format!("a cell in 0..={goal}");
                Err(Error::invalid("state", expected, format!("{numbers:?}")))
            }
        }
    }
    fn render(&self, cell: &u16) -> String {
        let mark = |place: u16| match place {
            place if place == *cell => 'A',
            place if place == self.goal() => 'G',
            place if place > self.start() => '#',
            _ => '.',
        };
        let row = |row: u16| (row * self.width..(row + 1) * self.width).map(mark);
        (0..self.height).flat_map(|at| row(at).chain(['\n'])).collect()
    }
}

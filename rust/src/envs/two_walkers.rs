//! Two agents on one board, each with a place to go to, who must not get into each other's way.

use super::parameters::{Parameter, Parameters};
use super::task::{Episodic, Outcome, Task};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::spaces::{Act, ActSpace, ObsSpace};

const NUM_AGENTS: usize = 2;
/// Up, right, down, left, stay.
const NUM_MOVES: usize = 5;
/// Of a view: the agent itself, the other one, its own place to go to.
const NUM_PLANES: usize = 3;

/// Cooperative path finding of two agents. Both move at once, an action being a choice for each; who
/// would leave the board stays, and if both would stand on one cell, or change places, both stay. When
/// each is where it has to go, both earn 1, else -0.5 / `max_episode_steps`. An observation is two views
/// of the board, each agent's own: where it is, where the other is, where it has to go.
pub type TwoWalkers = Episodic<Floor>;

/// The rules of [`TwoWalkers`].
pub struct Floor {
    width: u8,
    height: u8,
    step: f64,
}

/// The cells where the agents are, and those that they go to.
#[derive(Clone, Copy, PartialEq)]
pub struct Walkers {
    at: [u16; NUM_AGENTS],
    to: [u16; NUM_AGENTS],
}

impl Floor {
    fn cells(&self) -> u16 {
        u16::from(self.width) * u16::from(self.height)
    }

    /// Where `choice` leads from `cell`.
    fn moved(&self, cell: u16, choice: i64) -> u16 {
        let (width, height) = (u16::from(self.width), u16::from(self.height));
        let (column, row) = (cell % width, cell / width);
        match choice {
            0 if row > 0 => cell - width,
            1 if column + 1 < width => cell + 1,
            2 if row + 1 < height => cell + width,
            3 if column > 0 => cell - 1,
            _ => cell,
        }
    }

    /// Two different cells.
    fn pair(&self, rng: &mut Rng) -> [u16; NUM_AGENTS] {
        let first = rng.below(self.cells().into()) as u16;
        let second = rng.below(u32::from(self.cells()) - 1) as u16;
        [first, second + u16::from(second >= first)]
    }
}

impl Task for Floor {
    type State = Walkers;
    const NAME: &'static str = "TwoWalkers";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::integer("width", 2, 32, 4, "cells in a row"),
        Parameter::integer("height", 1, 32, 4, "rows"),
    ];
    const MAX_STEPS: u32 = 50;
    const SOLVED_AT: f64 = 0.5;

    fn new(parameters: &Parameters) -> Result<Self> {
        let [width, height, steps] =
            ["width", "height", "max_episode_steps"].map(|name| parameters.integer(name));
        Ok(Self { width: width as u8, height: height as u8, step: -0.5 / steps as f64 })
    }
    fn obs(&self) -> ObsSpace {
        ObsSpace::Sparse { shape: vec![NUM_AGENTS * NUM_PLANES, self.cells().into()] }
    }
    fn acts(&self) -> ActSpace {
        ActSpace::MultiDiscrete { nvec: vec![NUM_MOVES; NUM_AGENTS] }
    }
    fn action_names(&self) -> Vec<String> {
        let moves = ["up", "right", "down", "left", "stay"];
        (0..NUM_AGENTS).flat_map(|agent| moves.map(|name| format!("{agent}:{name}"))).collect()
    }

    fn start(&self, rng: &mut Rng) -> Walkers {
        let at = self.pair(rng);
        loop {
            let to = self.pair(rng);
            if to != at {
                return Walkers { at, to };
            }
        }
    }
    #[inline]
    fn play(&self, walkers: &mut Walkers, act: Act<'_>) -> Outcome {
        let [first, second] = walkers.at;
        if let Act::Multi(&[one, other]) = act {
            let next = [self.moved(first, one), self.moved(second, other)];
            let is_blocked = next[0] == next[1] || next == [second, first];
            walkers.at = if is_blocked { walkers.at } else { next };
        }
        let terminated = walkers.at == walkers.to;
        Outcome { reward: if terminated { 1.0 } else { self.step }, terminated }
    }
    #[inline]
    fn observe(&self, Walkers { at, to }: &Walkers, words: &mut Vec<i32>) {
        let planes = [at[0], at[1], to[0], at[1], at[0], to[1]];
        let cells = self.cells();
        words.extend(planes.iter().zip(0..).map(|(&cell, plane)| i32::from(plane * cells + cell)));
    }

    fn numbers(&self, Walkers { at, to }: &Walkers) -> Vec<i64> {
        [at[0], at[1], to[0], to[1]].map(i64::from).to_vec()
    }
    fn parse(&self, numbers: &[i64]) -> Result<Walkers> {
        let cells = i64::from(self.cells());
        match *numbers {
            [a, b, c, d] if a != b && c != d && numbers.iter().all(|n| (0..cells).contains(n)) => {
                let [at, to] = [[a, b], [c, d]].map(|pair| pair.map(|cell| cell as u16));
                Ok(Walkers { at, to })
            }
            _ => {
                let expected = format!("two cells in 0..{cells} and two to go to");
                Err(Error::invalid("state", expected, format!("{numbers:?}")))
            }
        }
    }
    /// Agents as capitals, where they go in small letters.
    fn render(&self, Walkers { at, to }: &Walkers) -> String {
        let mark = |cell: u16| {
            let place = |cells: &[u16; NUM_AGENTS]| cells.iter().position(|&at| at == cell);
            match (place(at), place(to)) {
                (Some(agent), _) => ['A', 'B'][agent],
                (None, Some(agent)) => ['a', 'b'][agent],
                (None, None) => '.',
            }
        };
        let width = u16::from(self.width);
        let line =
            |row| (row * width..(row + 1) * width).map(mark).chain(['\n']).collect::<String>();
        (0..u16::from(self.height)).map(line).collect()
    }
}

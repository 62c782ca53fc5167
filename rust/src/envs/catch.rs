//! Catch: a paddle under a falling ball, seen as an image.

use super::parameters::{Parameter, Parameters};
use super::task::{Episodic, Outcome, Task};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::spaces::{push_bytes, Act, ActSpace, Dtype, ObsSpace};

const MOST_SIDE: usize = 64;

/// Catch (Mnih et al. 2014, "Recurrent models of visual attention"): a ball falls straight down, one
/// row a step, and the paddle in the last row moves by one column or stays. Catching it earns 1,
/// missing it -1. An observation is an image of one channel, ball and paddle white.
pub type Catch = Episodic<Board>;

/// The rules of [`Catch`].
pub struct Board {
    width: u8,
    height: u8,
    /// Side of a cell in the image.
    pixels: u8,
}

/// Column and row of the ball, column of the paddle.
#[derive(Clone, Copy)]
pub struct Fall {
    ball: [u8; 2],
    paddle: u8,
}

impl Board {
    fn at(&self, column: u8, row: u8) -> usize {
        usize::from(row) * usize::from(self.width) + usize::from(column)
    }
    /// Height and width of the image.
    fn sides(&self) -> [usize; 2] {
        [self.height, self.width].map(|side| usize::from(side) * usize::from(self.pixels))
    }
}

impl Task for Board {
    type State = Fall;
    const NAME: &'static str = "Catch";
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::integer("width", 2, MOST_SIDE as u32, 10, "columns"),
        Parameter::integer("height", 2, MOST_SIDE as u32, 10, "rows"),
        Parameter::integer("pixels", 1, MOST_SIDE as u32 / 2, 1, "side of a cell in the image"),
    ];
    const MAX_STEPS: u32 = MOST_SIDE as u32;
    const SOLVED_AT: f64 = 1.0;

    fn new(parameters: &Parameters) -> Result<Self> {
        let [width, height, pixels] =
            ["width", "height", "pixels"].map(|name| parameters.integer(name) as u8);
        let most = MOST_SIDE as u8 / width.max(height);
        if pixels > most {
            let expected = format!("at most {most}, for an image of {MOST_SIDE} x {MOST_SIDE}");
            return Err(Error::invalid("pixels", expected, pixels));
        }
        Ok(Self { width, height, pixels })
    }
    fn obs(&self) -> ObsSpace {
        ObsSpace::Dense { shape: [&[1], &self.sides()[..]].concat(), dtype: Dtype::Uint8 }
    }
    fn acts(&self) -> ActSpace {
        ActSpace::Discrete { n: 3 }
    }
    fn action_names(&self) -> Vec<String> {
        ["left", "stay", "right"].map(str::to_owned).to_vec()
    }

    fn start(&self, rng: &mut Rng) -> Fall {
        Fall { ball: [rng.below(self.width.into()) as u8, 0], paddle: self.width / 2 }
    }
    #[inline]
    fn play(&self, fall: &mut Fall, act: Act<'_>) -> Outcome {
        let paddle = (fall.paddle + act.discrete().unwrap_or(1) as u8).saturating_sub(1);
        fall.paddle = paddle.min(self.width - 1);
        fall.ball[1] = (fall.ball[1] + 1).min(self.height - 1);
        if fall.ball[1] + 1 < self.height {
            return Outcome { reward: 0.0, terminated: false };
        }
        let reward = if fall.ball[0] == fall.paddle { 1.0 } else { -1.0 };
        Outcome { reward, terminated: true }
    }
    #[inline]
    fn observe(&self, fall: &Fall, words: &mut Vec<i32>) {
        let mut image = [0u8; MOST_SIDE * MOST_SIDE];
        let ([height, width], pixels) = (self.sides(), usize::from(self.pixels));
        for [column, row] in
            [fall.ball, [fall.paddle, self.height - 1]].map(|at| at.map(usize::from))
        {
            for line in row * pixels..(row + 1) * pixels {
                image[line * width + column * pixels..][..pixels].fill(255);
            }
        }
        push_bytes(words, &image[..height * width]);
    }

    fn numbers(&self, fall: &Fall) -> Vec<i64> {
        [fall.ball[0], fall.ball[1], fall.paddle].map(i64::from).to_vec()
    }
    fn parse(&self, numbers: &[i64]) -> Result<Fall> {
        let (width, height) = (i64::from(self.width), i64::from(self.height));
        match *numbers {
            [column, row, paddle]
                if (0..width).contains(&column)
                    && (0..height).contains(&row)
                    && (0..width).contains(&paddle) =>
            {
                Ok(Fall { ball: [column as u8, row as u8], paddle: paddle as u8 })
            }
            _ => {
                let expected = format!(
                    "column in 0..{width} and row in 0..{height} of the ball, column of the paddle"
                );
                Err(Error::invalid("state", expected, format!("{numbers:?}")))
            }
        }
    }
    fn render(&self, fall: &Fall) -> String {
        let mark = |place: usize| match place {
            place if place == self.at(fall.ball[0], fall.ball[1]) => 'o',
            place if place == self.at(fall.paddle, self.height - 1) => '=',
            _ => '.',
        };
        let line = |row| {
            let places = self.at(0, row)..self.at(0, row + 1);
            places.map(mark).chain(['\n']).collect::<String>()
        };
        (0..self.height).map(line).collect()
    }
}

//! Pendulum: to be swung up by a torque that is too weak to lift it at once.

use std::f64::consts::{PI, TAU};

use super::parameters::{Kind, Parameter, Parameters};
use super::task::{as_integer, finite, floats, uniform, Episodic, Outcome, Task};
use crate::error::Result;
use crate::rng::Rng;
use crate::spaces::{push_floats, Act, ActSpace, ObsSpace};

const MOST_SPEED: f64 = 8.0;
const MOST_TORQUE: f32 = 2.0;
/// Seconds of a step.
const STEP: f64 = 0.05;
const FASTEST_START: f64 = 1.0;

/// Pendulum of Gymnasium, of mass and length 1. An observation is cosine and sine of the angle from
/// upright, and the angular velocity; a reward is minus what angle, velocity and torque cost.
pub type Pendulum = Episodic<Rod>;

/// The rules of [`Pendulum`].
pub struct Rod {
    gravity: f64,
}

/// Angle from upright, angular velocity.
type State = [f64; 2];

impl Task for Rod {
    type State = State;
    const NAME: &'static str = "Pendulum";
    const PARAMETERS: &'static [Parameter] = &[Parameter::new(
        "g",
        Kind::Number { min: 0.0, max: 1000.0, default: 10.0 },
        "gravity, m/s^2",
    )];
    const MAX_STEPS: u32 = 200;
    const SOLVED_AT: f64 = -200.0;

    fn new(parameters: &Parameters) -> Result<Self> {
        Ok(Self { gravity: parameters.number("g") })
    }
    fn obs(&self) -> ObsSpace {
        floats(3)
    }
    fn obs_bounds(&self) -> Option<(Vec<f32>, Vec<f32>)> {
        let most = vec![1.0, 1.0, MOST_SPEED as f32];
        Some((most.iter().map(|most| -most).collect(), most))
    }
    fn acts(&self) -> ActSpace {
        ActSpace::Box { low: vec![-MOST_TORQUE], high: vec![MOST_TORQUE] }
    }
    fn action_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn start(&self, rng: &mut Rng) -> State {
        [uniform(-PI, PI, rng), uniform(-FASTEST_START, FASTEST_START, rng)]
    }
    /// In 32 bits where Gymnasium's are.
    #[inline]
    fn play(&self, state: &mut State, act: Act<'_>) -> Outcome {
        let torque = if let Act::Box(&[torque]) = act { torque } else { 0.0 };
        let [angle, speed] = *state;
        let off = (angle + PI).rem_euclid(TAU) - PI;
        let cost = off * off + 0.1 * (speed * speed) + f64::from(0.001 * (torque * torque));
        let acceleration = 3.0 * self.gravity / 2.0 * angle.sin() + f64::from(3.0 * torque);
        let speed = (speed + acceleration * STEP).clamp(-MOST_SPEED, MOST_SPEED);
        *state = [angle + speed * STEP, speed];
        Outcome { reward: -cost, terminated: false }
    }
    #[inline]
    fn observe(&self, &[angle, speed]: &State, words: &mut Vec<i32>) {
        push_floats(words, &[angle.cos() as f32, angle.sin() as f32, speed as f32]);
    }

    fn numbers(&self, state: &State) -> Vec<i64> {
        state.map(as_integer).to_vec()
    }
    fn parse(&self, numbers: &[i64]) -> Result<State> {
        finite(numbers)
    }
    /// Its end among the four rows and columns around its pivot.
    fn render(&self, [angle, _]: &State) -> String {
        let at = |number: f64| (4.0 + 4.0 * number).round() as usize;
        let (row, column) = (at(-angle.cos()), at(-angle.sin()));
        let mark = |place| match place {
            place if place == (row, column) => 'o',
            (4, 4) => '+',
            _ => '.',
        };
        let line = |row| (0..9).map(|column| mark((row, column))).chain(['\n']).collect::<String>();
        (0..9).map(line).collect()
    }
}

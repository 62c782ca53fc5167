//! MountainCarContinuous: a car whose engine is too weak for the hill, until it has swung.

use super::parameters::{Kind, Parameter, Parameters};
use super::task::{as_integer, finite, floats, uniform, Episodic, Outcome, Task};
use crate::error::Result;
use crate::rng::Rng;
use crate::spaces::{push_floats, Act, ActSpace, ObsSpace};

const LEAST_POSITION: f32 = -1.2;
const MOST_POSITION: f32 = 0.6;
const MOST_SPEED: f32 = 0.07;
const GOAL: f32 = 0.45;
const POWER: f32 = 0.0015;

/// MountainCarContinuous of Gymnasium (Moore 1990). An observation is position and velocity; a step
/// costs a tenth of the squared action, and the goal earns 100.
pub type MountainCarContinuous = Episodic<Hill>;

/// The rules of [`MountainCarContinuous`].
pub struct Hill {
    goal_speed: f32,
}

/// Position, velocity: as in Gymnasium of 32 bits, but for the position of a start.
type State = [f64; 2];

impl Task for Hill {
    type State = State;
    const NAME: &'static str = "MountainCarContinuous";
    const PARAMETERS: &'static [Parameter] = &[Parameter::new(
        "goal_velocity",
        Kind::Number { min: -1.0, max: 1.0, default: 0.0 },
        "the least that counts at the goal",
    )];
    const MAX_STEPS: u32 = 999;
    const SOLVED_AT: f64 = 90.0;

    fn new(parameters: &Parameters) -> Result<Self> {
        Ok(Self { goal_speed: parameters.number("goal_velocity") as f32 })
    }
    fn obs(&self) -> ObsSpace {
        floats(2)
    }
    fn obs_bounds(&self) -> Option<(Vec<f32>, Vec<f32>)> {
        Some((vec![LEAST_POSITION, -MOST_SPEED], vec![MOST_POSITION, MOST_SPEED]))
    }
    fn acts(&self) -> ActSpace {
        ActSpace::Box { low: vec![-1.0], high: vec![1.0] }
    }
    fn action_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn start(&self, rng: &mut Rng) -> State {
        [uniform(-0.6, -0.4, rng), 0.0]
    }
    #[inline]
    fn play(&self, state: &mut State, act: Act<'_>) -> Outcome {
        let force = if let Act::Box(&[force]) = act { force } else { 0.0 };
        let [place, speed] = *state;
        let is_start = f64::from(place as f32) != place;
        let angle = if is_start { 3.0 * place } else { f64::from(3.0 * place as f32) };
        let push = force * POWER - (0.0025 * angle.cos()) as f32;
        let (mut place, mut speed) = if is_start {
            let speed = (speed + f64::from(push)).clamp((-MOST_SPEED).into(), MOST_SPEED.into());
            ((place + speed) as f32, speed as f32)
        } else {
            let speed = (speed as f32 + push).clamp(-MOST_SPEED, MOST_SPEED);
            (place as f32 + speed, speed)
        };
        place = place.clamp(LEAST_POSITION, MOST_POSITION);
        if place == LEAST_POSITION && speed < 0.0 {
            speed = 0.0;
        }
        *state = [place.into(), speed.into()];
        let terminated = place >= GOAL && speed >= self.goal_speed;
        let cost = f64::from(force) * f64::from(force) * 0.1;
        Outcome { reward: f64::from(u8::from(terminated)) * 100.0 - cost, terminated }
    }
    #[inline]
    fn observe(&self, state: &State, words: &mut Vec<i32>) {
        push_floats(words, &state.map(|number| number as f32));
    }

    fn numbers(&self, state: &State) -> Vec<i64> {
        state.map(as_integer).to_vec()
    }
    fn parse(&self, numbers: &[i64]) -> Result<State> {
        finite(numbers)
    }
    /// The hill in six rows, its goal and the car on it.
    fn render(&self, [place, _]: &State) -> String {
        const COLUMNS: usize = 61;
        let column = |x: f64| (((x - f64::from(LEAST_POSITION)) / 1.8 * 60.0).round()) as usize;
        let height = |x: f64| ((3.0 * x).sin() * 2.5 + 2.5).round() as usize;
        let mark = |row: usize, at: usize| {
            let x = f64::from(LEAST_POSITION) + at as f64 * 0.03;
            match height(x) == row {
                false => ' ',
                true if at == column(*place) => 'o',
                true if at == column(GOAL.into()) => '!',
                true => '.',
            }
        };
        let line = |row| (0..COLUMNS).map(|at| mark(row, at)).chain(['\n']).collect::<String>();
        (0..6).rev().map(line).collect()
    }
}

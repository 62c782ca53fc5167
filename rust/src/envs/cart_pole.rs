//! CartPole: a pole on a cart, which pushes from the left or the right keep upright.

use super::parameters::{Parameter, Parameters};
use super::task::{as_integer, finite, floats, uniform, Episodic, Outcome, Task};
use crate::error::Result;
use crate::rng::Rng;
use crate::spaces::{push_floats, Act, ActSpace, ObsSpace};

const GRAVITY: f64 = 9.8;
const POLE_MASS: f64 = 0.1;
const TOTAL_MASS: f64 = POLE_MASS + 1.0;
/// Half the pole's length.
const LENGTH: f64 = 0.5;
const POLE_MOMENT: f64 = POLE_MASS * LENGTH;
const FORCE: f64 = 10.0;
/// Seconds of a step.
const STEP: f64 = 0.02;
const FARTHEST: f64 = 2.4;
/// 12 degrees.
const STEEPEST: f64 = 12.0 * 2.0 * std::f64::consts::PI / 360.0;

/// CartPole of Gymnasium (Barto, Sutton, Anderson 1983, "Neuronlike adaptive elements that can solve
/// difficult learning control problems"), by Euler's method. An observation is the state, float32.
pub type CartPole = Episodic<Cart>;

/// The rules of [`CartPole`].
pub struct Cart {
    /// Reward of a step that the pole stands, and of the one by which it falls.
    rewards: [f64; 2],
}

/// Position, velocity, angle from upright, angular velocity.
type State = [f64; 4];

impl Task for Cart {
    type State = State;
    const NAME: &'static str = "CartPole";
    const PARAMETERS: &'static [Parameter] = &[Parameter::boolean(
        "sutton_barto_reward",
        false,
        "0 while the pole stands and -1 when it falls, in place of 1 for every step",
    )];
    const MAX_STEPS: u32 = 500;
    const SOLVED_AT: f64 = 475.0;

    fn new(parameters: &Parameters) -> Result<Self> {
        let is_punished = parameters.boolean("sutton_barto_reward");
        Ok(Self { rewards: if is_punished { [0.0, -1.0] } else { [1.0, 1.0] } })
    }
    fn obs(&self) -> ObsSpace {
        floats(4)
    }
    fn obs_bounds(&self) -> Option<(Vec<f32>, Vec<f32>)> {
        let most =
            vec![(2.0 * FARTHEST) as f32, f32::INFINITY, (2.0 * STEEPEST) as f32, f32::INFINITY];
        Some((most.iter().map(|most| -most).collect(), most))
    }
    fn acts(&self) -> ActSpace {
        ActSpace::Discrete { n: 2 }
    }
    fn action_names(&self) -> Vec<String> {
        ["left", "right"].map(str::to_owned).to_vec()
    }

    fn start(&self, rng: &mut Rng) -> State {
        [(); 4].map(|()| uniform(-0.05, 0.05, rng))
    }
    #[inline]
    fn play(&self, state: &mut State, act: Act<'_>) -> Outcome {
        let [x, x_dot, theta, theta_dot] = *state;
        let force = if act == Act::Discrete(1) { FORCE } else { -FORCE };
        let (sin, cos) = (theta.sin(), theta.cos());
        let temp = (force + POLE_MOMENT * (theta_dot * theta_dot) * sin) / TOTAL_MASS;
        let theta_acc = (GRAVITY * sin - cos * temp)
            / (LENGTH * (4.0 / 3.0 - POLE_MASS * (cos * cos) / TOTAL_MASS));
        let x_acc = temp - POLE_MOMENT * theta_acc * cos / TOTAL_MASS;
        let (x, theta) = (x + STEP * x_dot, theta + STEP * theta_dot);
        *state = [x, x_dot + STEP * x_acc, theta, theta_dot + STEP * theta_acc];
        let terminated = x.abs() > FARTHEST || theta.abs() > STEEPEST;
        Outcome { reward: self.rewards[usize::from(terminated)], terminated }
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
    fn render(&self, [x, _, theta, _]: &State) -> String {
        let cart = ((x / FARTHEST + 1.0) * 20.0).clamp(0.0, 40.0) as usize;
        let lean = (theta / STEEPEST * 4.0).clamp(-4.0, 4.0);
        let pole = |up: f64| (cart as f64 + lean * up).clamp(0.0, 40.0).round() as usize;
        let row = |at: usize, mark: char| format!("{}{mark}\n", " ".repeat(at));
        [row(pole(1.0), 'o'), row(pole(0.5), '|'), row(cart, '#'), "-".repeat(41), "\n".into()]
            .concat()
    }
}

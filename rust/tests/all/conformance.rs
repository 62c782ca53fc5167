//! Everything that plays tells what it plays, with every kind of environment.

use std::borrow::Cow;
use std::sync::Mutex;

use crate::common::{items, spec};
use serde_json::{Map, Value};
use twisterl::envs::ENVIRONMENTS;
use twisterl::rl::env::Env;
use twisterl::rl::spec::EnvSpec;
use twisterl::rng::Rng;
use twisterl::spaces::{push_bytes, push_floats, Dtype, ObsSpace, Part, Parts};
use twisterl::testing::players::{check_players, Beginning};
use twisterl::Result;

/// On a ring of cells, left or right to cell 0, in so many steps.
///
/// It is written by the methods that every environment has. `slips` may take a step twice, `mirrors`
/// turns left and right round in what is seen and undoes it in the step that follows; what that
/// takes is drawn from a generator that copies carry.
struct Ring {
    cell: usize,
    left: usize,
    slips: bool,
    mirrors: bool,
    draws: Mutex<(Rng, bool)>,
}

const CELLS: usize = 9;
const STEPS: usize = 12;

impl Ring {
    fn new(slips: bool, mirrors: bool) -> Self {
        let draws = Mutex::new((Rng::new(7), false));
        Self { cell: 0, left: STEPS, slips, mirrors, draws }
    }

    fn draw(&self, bound: u32) -> usize {
        self.draws.lock().unwrap().0.below(bound) as usize
    }

    fn is_mirrored(&self) -> bool {
        self.draws.lock().unwrap().1
    }
}

impl Clone for Ring {
    fn clone(&self) -> Self {
        let draws = Mutex::new(self.draws.lock().unwrap().clone());
        Self { draws, ..*self }
    }
}

impl Env for Ring {
    as_any!();
    fn num_actions(&self) -> usize {
        2
    }
    fn obs_shape(&self) -> Vec<usize> {
        vec![CELLS + STEPS + 1]
    }
    fn set_state(&mut self, state: Vec<i64>) {
        (self.cell, self.left) = (state[0] as usize, STEPS);
    }
    fn reset(&mut self) {
        (self.cell, self.left) = (1 + self.draw(CELLS as u32 - 1), STEPS);
    }
    fn step(&mut self, action: usize) {
        let right = (action == 1) != self.is_mirrored();
        let steps = if self.slips && self.draw(3) == 0 { 2 } else { 1 };
        for _ in 0..steps {
            self.cell = (self.cell + if right { 1 } else { CELLS - 1 }) % CELLS;
        }
        self.left = self.left.checked_sub(1).expect("steps are left");
    }
    /// Cell 5 is a dead end to the right.
    fn masks(&self) -> Vec<bool> {
        let mut masks = vec![true, self.cell != 5];
        if self.is_mirrored() {
            masks.reverse();
        }
        masks
    }
    fn is_final(&self) -> bool {
        self.success() || self.left == 0
    }
    fn success(&self) -> bool {
        self.cell == 0
    }
    fn reward(&self) -> f32 {
        if self.success() {
            1.0
        } else {
            -0.125 * self.cell as f32
        }
    }
    fn observe(&self) -> Vec<usize> {
        if self.mirrors {
            let mirrored = self.draw(2) == 1;
            self.draws.lock().unwrap().1 = mirrored;
        }
        let cell = if self.is_mirrored() { (CELLS - self.cell) % CELLS } else { self.cell };
        vec![cell, CELLS + self.left]
    }
}

/// A [`Ring`] whose resets draw from the stream that they are given, and begin its own generator; seen
/// in a space.
#[derive(Clone)]
struct Seeded(Ring, ObsSpace);

/// Its cell and the steps left as features, as numbers of a type, and as a part of each kind.
fn spaces() -> [ObsSpace; 4] {
    let shape = vec![CELLS + STEPS + 1];
    let part = |name: &str, dtype, size| Part { name: name.into(), dtype, shape: vec![size] };
    let parts = vec![
        part("left", Some(Dtype::Uint8), 3),
        part("cell", None, CELLS),
        part("half", Some(Dtype::Float32), 1),
    ];
    [
        ObsSpace::Sparse { shape: shape.clone() },
        ObsSpace::Dense { shape: shape.clone(), dtype: Dtype::Float32 },
        ObsSpace::Dense { shape, dtype: Dtype::Uint8 },
        ObsSpace::Dict(Parts::new(parts).unwrap()),
    ]
}

impl Env for Seeded {
    as_any!();
    fn num_actions(&self) -> usize {
        self.0.num_actions()
    }
    fn obs_shape(&self) -> Vec<usize> {
        self.1.shape().to_vec()
    }
    fn set_state(&mut self, state: Vec<i64>) {
        self.0.set_state(state);
    }
    fn reset(&mut self) {
        self.0.reset();
    }
    fn try_reset(&mut self, rng: &mut Rng) -> Result<()> {
        self.0.draws = Mutex::new((Rng::new(rng.next_u64()), false));
        self.reset();
        Ok(())
    }
    fn step(&mut self, action: usize) {
        self.0.step(action);
    }
    fn masks(&self) -> Vec<bool> {
        self.0.masks()
    }
    fn is_final(&self) -> bool {
        self.0.is_final()
    }
    fn success(&self) -> bool {
        self.0.success()
    }
    fn reward(&self) -> f32 {
        self.0.reward()
    }
    fn observe(&self) -> Vec<usize> {
        self.0.observe()
    }
    fn spec(&self) -> Cow<'_, EnvSpec> {
        Cow::Owned(EnvSpec { obs: self.1.clone(), ..EnvSpec::of(self) })
    }
    fn try_observe(&self, words: &mut Vec<i32>) -> Result<()> {
        let active = self.observe();
        let is_active = |feature: usize| active.contains(&feature);
        let features = 0..self.obs_shape()[0];
        match self.1 {
            ObsSpace::Sparse { .. } => words.extend(active.iter().map(|&feature| feature as i32)),
            ObsSpace::Dict(_) => {
                push_bytes(words, &[(active[1] - CELLS) as u8, 3, 255]);
                words.extend([1, active[0] as i32]);
                push_floats(words, &[active[0] as f32 / 2.0]);
            }
            ObsSpace::Dense { dtype: Dtype::Float32, .. } => {
                let number = |feature| if is_active(feature) { 0.5 } else { -0.25 };
                push_floats(words, &features.map(number).collect::<Vec<f32>>());
            }
            ObsSpace::Dense { dtype: Dtype::Uint8, .. } => {
                let number = |feature| if is_active(feature) { 200 } else { 7 };
                push_bytes(words, &features.map(number).collect::<Vec<u8>>());
            }
        }
        Ok(())
    }
}

const STATES: [i64; 4] = [1, 4, 5, 0];

#[test]
fn those_of_the_list() {
    for entry in ENVIRONMENTS {
        let golden = spec(&format!("golden/{}.json", entry.name));
        let case = &items(&golden["descriptions"])[0];
        let mut given: Map<String, Value> = case["config"].as_object().unwrap().clone();
        given.extend([("difficulty".into(), 6.into()), ("max_depth".into(), 12.into())]);
        let mut env = entry.make(&given).unwrap();
        let spec = env.spec();
        assert_eq!((spec.name.as_str(), spec.always_ends), (entry.class, true));
        let mut rng = Rng::new(1);
        let mut state = || {
            env.try_reset(&mut rng).unwrap();
            env.state().unwrap()
        };
        let states: Vec<Vec<i64>> = (0..4).map(|_| state()).collect();
        check_players(&*env, &states, Beginning::Drawn)
            .unwrap_or_else(|error| panic!("{}: {error}", entry.class));
    }
}

#[test]
fn one_of_a_crate_that_knows_no_streams() {
    let states = STATES.map(|cell| vec![cell]);
    let shown = |row: &[i32]| vec![i64::from(row[0])];
    check_players(&Ring::new(false, false), &states, Beginning::Shown(&shown)).unwrap();
}

#[test]
fn random_steps_and_stateful_observations() {
    let states = STATES.map(|cell| vec![cell]);
    for (slips, mirrors) in [(false, false), (true, false), (false, true), (true, true)] {
        for space in spaces() {
            let env = Seeded(Ring::new(slips, mirrors), space);
            check_players(&env, &states, Beginning::Drawn).unwrap_or_else(|error| {
                panic!("slips {slips}, mirrors {mirrors}, {:?}: {error}", env.1)
            });
        }
    }
}

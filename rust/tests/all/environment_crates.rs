//! A crate written for TwisteRL 0.5.1 compiles unchanged: the names and forms it uses.

// The pair of a class and its base is the form of that time.
#![allow(deprecated)]

use pyo3::prelude::*;
use twisterl::python_interface::env::{get_env_mut, get_env_ref, PyBaseEnv};
use twisterl::rl::env::Env;
use twisterl::rng::Rng;

#[derive(Clone)]
struct Counter {
    count: usize,
    target: usize,
}

impl Env for Counter {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
    fn as_any_mut(&mut self) -> &mut dyn std::any::Any {
        self
    }
    fn num_actions(&self) -> usize {
        2
    }
    fn obs_shape(&self) -> Vec<usize> {
        vec![self.target + 1]
    }
    fn set_state(&mut self, state: Vec<i64>) {
        self.count = state[0] as usize;
    }
    fn reset(&mut self) {
        self.count = 0;
    }
    fn step(&mut self, action: usize) {
        self.count += action;
    }
    fn is_final(&self) -> bool {
        self.success()
    }
    fn success(&self) -> bool {
        self.count >= self.target
    }
    fn reward(&self) -> f32 {
        f32::from(self.success())
    }
    fn observe(&self) -> Vec<usize> {
        vec![self.count]
    }
    fn track_solution(&self) -> bool {
        true
    }
    fn solution(&self) -> Vec<usize> {
        vec![1 << 40]
    }
}

#[pyclass(name = "Counter", extends = PyBaseEnv)]
struct PyCounter;

#[pymethods]
impl PyCounter {
    #[new]
    fn new(target: usize) -> (Self, PyBaseEnv) {
        (PyCounter, PyBaseEnv { env: Box::new(Counter { count: 0, target }) })
    }

    fn get(slf: PyRef<'_, Self>) -> PyResult<usize> {
        Ok(get_env_ref::<Counter>(slf.as_ref())?.count)
    }

    fn put(mut slf: PyRefMut<'_, Self>, count: usize) -> PyResult<()> {
        get_env_mut::<Counter>(slf.as_mut())?.count = count;
        Ok(())
    }
}

#[test]
fn the_short_form_is_enough_for_the_engine() {
    let env: Box<dyn Env> = Box::new(Counter { count: 0, target: 2 });
    let mut copy = env.clone();
    copy.try_reset(&mut Rng::new(0)).unwrap();
    copy.try_step(1).unwrap();
    let (mut row, mut masks) = (Vec::new(), [false; 2]);
    copy.try_observe(&mut row).unwrap();
    copy.try_masks(&mut masks).unwrap();
    assert_eq!((row, masks), (vec![1], [true; 2]));
    assert!(!copy.try_status().unwrap().is_final);
    assert_eq!(copy.try_solution().unwrap(), Some(vec![1 << 40]));
    assert_eq!((copy.get_difficulty(), copy.twists().0.len()), (1, 0));
    assert_eq!(env.observe(), [0]);
}

#[test]
fn the_inside_is_reached_by_its_type() {
    let mut base = PyBaseEnv { env: Box::new(Counter { count: 0, target: 2 }) };
    get_env_mut::<Counter>(&mut base).unwrap().count = 1;
    assert_eq!(get_env_ref::<Counter>(&base).unwrap().count, 1);
    assert!(get_env_ref::<String>(&base).is_err());
}

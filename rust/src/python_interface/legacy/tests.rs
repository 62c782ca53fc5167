//! The layout as this compiler makes it, and everything that must be refused.

use super::*;
use crate::envs::puzzle::Puzzle;
use crate::rng::Rng;

/// The trait of those wheels: the same methods in the same order. They are called through the
/// vtable only, which the compiler cannot see.
#[allow(dead_code)]
trait OldEnv: Send + Sync {
    fn clone_box(&self) -> Box<dyn OldEnv>;
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
    fn num_actions(&self) -> usize;
    fn obs_shape(&self) -> Vec<usize>;
    fn set_difficulty(&mut self, difficulty: usize);
    fn get_difficulty(&self) -> usize;
    fn set_state(&mut self, state: Vec<i64>);
    fn reset(&mut self);
    fn step(&mut self, action: usize);
    fn masks(&self) -> Vec<bool>;
    fn is_final(&self) -> bool;
    fn success(&self) -> bool;
    fn reward(&self) -> f32;
    fn observe(&self) -> Vec<usize>;
    fn twists(&self) -> Twists;
    fn track_solution(&self) -> bool;
    fn solution(&self) -> Vec<usize>;
}

macro_rules! forward {
    ($($name:ident(&self) -> $kind:ty;)*) => { $(fn $name(&self) -> $kind { Env::$name(&self.0) })* };
}

#[allow(dead_code)]
struct Old(Puzzle);

impl OldEnv for Old {
    fn clone_box(&self) -> Box<dyn OldEnv> {
        Box::new(Old(self.0.clone()))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
    forward! {
        num_actions(&self) -> usize;
        obs_shape(&self) -> Vec<usize>;
        get_difficulty(&self) -> usize;
        masks(&self) -> Vec<bool>;
        is_final(&self) -> bool;
        success(&self) -> bool;
        reward(&self) -> f32;
        observe(&self) -> Vec<usize>;
    }
    fn set_difficulty(&mut self, difficulty: usize) {
        self.0.set_difficulty(difficulty);
    }
    fn set_state(&mut self, state: Vec<i64>) {
        self.0.set_state(state);
    }
    fn reset(&mut self) {
        self.0.reset();
    }
    fn step(&mut self, action: usize) {
        self.0.step(action);
    }
    fn twists(&self) -> Twists {
        (vec![(0..81).collect()], vec![vec![1, 1, 3, 3]])
    }
    fn track_solution(&self) -> bool {
        true
    }
    fn solution(&self) -> Vec<usize> {
        vec![1 << 40, 7]
    }
}

#[allow(clippy::borrowed_box)] // The address of the box itself is what those wheels hand out.
fn address_of<T: ?Sized>(boxed: &Box<T>) -> usize {
    boxed as *const Box<T> as usize
}

#[test]
fn plays_a_box_of_the_known_shape() {
    let old: Box<dyn OldEnv> = Box::new(Old(Puzzle::new(3, 3, 4, 2, 64).unwrap()));
    let candidate = Candidate::at(address_of(&old)).unwrap();
    assert_eq!((candidate.num_actions, candidate.difficulty), (4, 4));
    let mut env = candidate.accept("Old".to_owned()).unwrap();
    drop(old);
    let mut twin = Puzzle::new(3, 3, 4, 2, 64).unwrap();
    let mut rng = Rng::new(1);
    for _ in 0..100 {
        let state = twin.random_state(&mut rng);
        env.try_set_state(&state).unwrap();
        twin.try_set_state(&state).unwrap();
        for _ in 0..10 {
            let mut copy = env.clone();
            let action = rng.below(4) as usize;
            copy.try_step(action).unwrap();
            twin.try_step(action).unwrap();
            env = copy;
            assert_eq!((env.observe(), env.masks()), (twin.observe(), twin.masks()));
            assert_eq!(env.try_status().unwrap().reward, twin.reward());
        }
    }
    env.set_difficulty(9);
    assert_eq!(env.get_difficulty(), 9);
    env.reset();
    assert_eq!(env.try_solution().unwrap(), Some(vec![1 << 40, 7]));
    assert_eq!(env.twists().1, [[1, 1, 3, 3]]);
}

#[test]
fn refuses_other_shapes() {
    let other: Box<dyn Any + Send> = Box::new(7u64);
    assert!(Candidate::at(address_of(&other)).is_err());
    let ours: Box<dyn Env> = Box::new(Puzzle::new(3, 3, 4, 2, 64).unwrap());
    assert!(Candidate::at(address_of(&ours)).is_err());
    let words = [0usize; 64];
    let words = words.as_ptr() as usize;
    for address in (words..words + 256).step_by(4).chain([0, 1, 8, usize::MAX - 7]) {
        assert!(Candidate::at(address).is_err());
    }
    let mut rng = Rng::new(2);
    for _ in 0..1000 {
        assert!(Candidate::at(rng.next_u64() as usize & 0x7fff_ffff_fff8).is_err());
    }
}

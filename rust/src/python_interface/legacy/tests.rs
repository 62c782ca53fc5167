//! The layout as this compiler makes it, and everything that must be refused.

use super::*;
use crate::envs::puzzle::Puzzle;
use crate::rng::Rng;
use crate::testing::players::{check_players, Beginning};

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
    ($($name:ident(&self) -> $kind:ty;)*) => { $(fn $name(&self) -> $kind { Env::$name(&self.puzzle) })* };
}

#[allow(dead_code)]
struct Old {
    puzzle: Puzzle,
    tracks: bool,
}

impl OldEnv for Old {
    fn clone_box(&self) -> Box<dyn OldEnv> {
        Box::new(Old { puzzle: self.puzzle.clone(), tracks: self.tracks })
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
        self.puzzle.set_difficulty(difficulty);
    }
    fn set_state(&mut self, state: Vec<i64>) {
        self.puzzle.set_state(state);
    }
    fn reset(&mut self) {
        self.puzzle.reset();
    }
    fn step(&mut self, action: usize) {
        self.puzzle.step(action);
    }
    fn twists(&self) -> Twists {
        let num_features = Env::obs_shape(&self.puzzle).iter().product();
        // No bijection, as in some of those wheels.
        let actions = if self.tracks { [1, 1, 3, 3] } else { [0, 1, 2, 3] };
        (vec![(0..num_features).collect()], vec![actions.to_vec()])
    }
    fn track_solution(&self) -> bool {
        self.tracks
    }
    fn solution(&self) -> Vec<usize> {
        vec![1 << 40, 7]
    }
}

#[allow(clippy::borrowed_box)] // The address of the box itself is what those wheels hand out.
fn address_of<T: ?Sized>(boxed: &Box<T>) -> usize {
    boxed as *const Box<T> as usize
}

/// A box, with a copy of its vtable and what lies behind that: a linker puts there what it likes.
struct Laid {
    words: [usize; 2],
    _vtable: Box<[usize; NUM_WORDS + 3]>,
    _boxed: Box<dyn OldEnv>,
}

impl Laid {
    fn new(boxed: Box<dyn OldEnv>, behind: [usize; 3]) -> Self {
        // SAFETY: a box of a trait is two words, the second the address of this vtable.
        let [data, vtable]: [usize; 2] = unsafe { std::mem::transmute_copy(&boxed) };
        let known = unsafe { *(vtable as *const [usize; NUM_WORDS]) };
        let mut copied = Box::new([0; NUM_WORDS + 3]);
        copied[..NUM_WORDS].copy_from_slice(&known);
        copied[NUM_WORDS..].copy_from_slice(&behind);
        Self { words: [data, copied.as_ptr() as usize], _vtable: copied, _boxed: boxed }
    }

    fn candidate(&self) -> std::result::Result<Candidate, String> {
        Candidate::at(self.words.as_ptr() as usize)
    }
}

#[test]
fn plays_a_box_of_the_known_shape() {
    let puzzle = Puzzle::new(3, 3, 4, 2, 64).unwrap();
    let old = Laid::new(Box::new(Old { puzzle, tracks: true }), [0; 3]);
    let candidate = old.candidate().unwrap();
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
fn what_is_told_is_what_was_played() {
    let puzzle = Puzzle::new(2, 2, 8, 2, 16).unwrap();
    let old = Laid::new(Box::new(Old { puzzle, tracks: false }), [0; 3]);
    let env = old.candidate().unwrap().accept("Old".to_owned()).unwrap();
    let states = [[1, 0, 2, 3], [1, 3, 2, 0], [3, 2, 1, 0]].map(Vec::from);
    let shown = |row: &[i32]| row.iter().map(|feature| i64::from(feature % 4)).collect();
    check_players(&env, &states, Beginning::Shown(&shown)).unwrap();
}

#[test]
fn one_method_more_is_another_shape_but_the_next_vtable_is_not() {
    let code = refuses_other_shapes as fn() as usize;
    for (behind, is_accepted) in [([code, 24, 8], true), ([code, code, code], false)] {
        let puzzle = Puzzle::new(2, 2, 8, 2, 16).unwrap();
        let old = Laid::new(Box::new(Old { puzzle, tracks: false }), behind);
        assert_eq!(old.candidate().map(drop).is_ok(), is_accepted);
    }
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

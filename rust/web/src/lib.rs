//! The engine as a WebAssembly module: one puzzle and one policy, behind plain functions.
//!
//! ```sh
//! RUSTFLAGS="-C target-feature=+simd128" \
//!     cargo build -p twisterl-web --profile web --target wasm32-unknown-unknown
//! ```
//!
//! A call returns how many numbers (i32, at [`output_address`]) it gives, or a negative code: -1 for
//! an argument or a model that does not fit, -2 for a policy that cannot be used, -3 for the rest.
//! The reason is text (UTF-8, at [`message_address`], [`message_length`] bytes). Both stay until the
//! next call. What the host hands over lies in a buffer that [`alloc`] lent it.
//!
//! The module imports `host.seconds() -> f64`, a clock that never goes back. It is not asked before
//! [`use_clock`] is called; until then a limit of time is refused.

mod session;

use std::cell::RefCell;

use session::Session;
use twisterl::envs::puzzle::Puzzle;
use twisterl::rl::env::Env;
use twisterl::rng::Rng;
use twisterl::{Error, Result};

thread_local! {
    static SESSION: RefCell<Session> = RefCell::default();
}

fn with<T>(work: impl FnOnce(&mut Session) -> T) -> T {
    SESSION.with_borrow_mut(work)
}

fn answer(work: impl FnOnce(&mut Session) -> Result<()>) -> i32 {
    with(|session| {
        session.output.clear();
        session.message.clear();
        let Err(error) = work(session) else { return session.output.len() as i32 };
        session.output.clear();
        session.message = error.to_string();
        match error {
            Error::Invalid { .. } => -1,
            Error::Policy(_) => -2,
            _ => -3,
        }
    })
}

/// The address of a new buffer of `length` zero bytes; 0, with a message, if there is no room.
#[no_mangle]
pub extern "C" fn alloc(length: usize) -> usize {
    let mut address = 0;
    answer(|session| {
        address = session.lend(length)?;
        Ok(())
    });
    address
}

/// Takes a buffer back.
#[no_mangle]
pub extern "C" fn free(address: usize) -> i32 {
    answer(|session| session.take_back(address))
}

/// Reads the policy from the first `length` bytes of a buffer: a model as `twisterl` saves it.
#[no_mangle]
pub extern "C" fn load_policy(address: usize, length: usize) -> i32 {
    answer(|session| session.load_policy(address, length))
}

/// Makes a sliding puzzle, solved; the arguments are those of `Puzzle::new`.
#[no_mangle]
pub extern "C" fn make_puzzle(
    width: usize,
    height: usize,
    difficulty: usize,
    depth_slope: usize,
    max_depth: usize,
) -> i32 {
    answer(|session| {
        session.make_puzzle(Puzzle::new(width, height, difficulty, depth_slope, max_depth)?);
        Ok(())
    })
}

/// Begins an episode of the puzzle's difficulty, drawn from the stream of `seed`.
#[no_mangle]
pub extern "C" fn reset(seed: u64) -> i32 {
    answer(|session| session.puzzle()?.try_reset(&mut Rng::new(seed)))
}

/// Begins an episode at a board drawn uniformly from all solvable ones, from the stream of `seed`.
#[no_mangle]
pub extern "C" fn reset_uniform(seed: u64) -> i32 {
    answer(|session| session.puzzle()?.try_reset_uniform(&mut Rng::new(seed)))
}

/// Puts the puzzle into a state: a tile (u8) for each cell, in the first `length` bytes of a buffer.
#[no_mangle]
pub extern "C" fn set_state(address: usize, length: usize) -> i32 {
    answer(|session| {
        let tiles: Vec<i64> = session.bytes(address, length)?.iter().map(|&x| x.into()).collect();
        session.puzzle()?.try_set_state(&tiles)
    })
}

/// Moves the blank: 0 left, 1 up, 2 right, 3 down.
#[no_mangle]
pub extern "C" fn step(action: usize) -> i32 {
    answer(|session| session.puzzle()?.try_step(action))
}

/// Gives the tile of each cell.
#[no_mangle]
pub extern "C" fn state() -> i32 {
    answer(|session| {
        session.output = session.puzzle()?.get_state().iter().map(|&tile| tile as i32).collect();
        Ok(())
    })
}

/// Gives 1 for each action that may be taken, else 0.
#[no_mangle]
pub extern "C" fn masks() -> i32 {
    answer(|session| {
        session.output = session.puzzle()?.masks().iter().map(|&mask| mask.into()).collect();
        Ok(())
    })
}

/// Gives whether the episode is over, whether the puzzle is solved, and the steps left, at most 2^31 - 1.
#[no_mangle]
pub extern "C" fn status() -> i32 {
    answer(|session| {
        let puzzle = session.puzzle()?;
        let left = i32::try_from(puzzle.depth()).unwrap_or(i32::MAX);
        session.output = vec![puzzle.is_final().into(), puzzle.solved().into(), left];
        Ok(())
    })
}

/// Searches from the puzzle's state by a beam of `width` states, at most `time_limit_s` seconds
/// (infinity: no limit). Gives whether it is solved, then the actions.
#[no_mangle]
pub extern "C" fn solve(width: usize, time_limit_s: f64) -> i32 {
    answer(|session| session.solve(width, time_limit_s))
}

#[no_mangle]
pub extern "C" fn output_address() -> usize {
    with(|session| session.output.as_ptr() as usize)
}

#[no_mangle]
pub extern "C" fn message_address() -> usize {
    with(|session| session.message.as_ptr() as usize)
}

#[no_mangle]
pub extern "C" fn message_length() -> usize {
    with(|session| session.message.len())
}

/// From now on the host's clock is asked where there is a limit of time.
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
#[no_mangle]
pub extern "C" fn use_clock() {
    use std::time::Duration;

    #[link(wasm_import_module = "host")]
    extern "C" {
        fn seconds() -> f64;
    }
    // SAFETY: it takes nothing, and every number is one.
    twisterl::clock::give(|| Duration::try_from_secs_f64(unsafe { seconds() }).unwrap_or_default());
}

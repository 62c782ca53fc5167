//! The engine as a WebAssembly module: one environment and one policy, behind plain functions.
//!
//! `make web-module` builds it into the package, for the pages of `twisterl web`.
//!
//! A call returns how many numbers (f64, at [`output_address`]) it gives, or a negative code: -1 for
//! an argument or a model that does not fit, -2 for a policy that cannot be used, -3 for the rest.
//! The reason is text (UTF-8, at [`message_address`], [`message_length`] bytes). Both stay until the
//! next call. What the host hands over lies in a buffer that [`alloc`] lent it.
//!
//! The module imports `host.seconds() -> f64`, a clock that never goes back. It is not asked before
//! [`use_clock`] is called; until then a limit of time is refused.

mod session;

use std::cell::RefCell;

use session::Session;
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

pub(crate) fn said(work: impl FnOnce(&mut Session) -> Result<String>) -> i32 {
    let mut text = String::new();
    let code = answer(|session| {
        text = work(session)?;
        Ok(())
    });
    if code >= 0 {
        with(|session| session.message = text);
    }
    code
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

/// Makes an environment of the crate, solved: `{"env_cls": name, "env": {parameters}}`, JSON in the
/// first `length` bytes of a buffer. The policy and what was kept are forgotten.
#[no_mangle]
pub extern "C" fn make(address: usize, length: usize) -> i32 {
    answer(|session| session.make(address, length))
}

/// Reads the policy from the first `length` bytes of a buffer: what `twisterl export --safetensors`
/// writes for the environment, or the weights of a `BasicPolicy`.
#[no_mangle]
pub extern "C" fn load_policy(address: usize, length: usize) -> i32 {
    answer(|session| session.load_policy(address, length))
}

/// Says what the environment is as a message in JSON.
#[no_mangle]
pub extern "C" fn describe() -> i32 {
    said(|session| Ok(session.describe()?.to_string()))
}

/// Draws the state as a message of lines of text; empty if it cannot be drawn.
#[no_mangle]
pub extern "C" fn render() -> i32 {
    said(|session| Ok(session.env()?.render().unwrap_or_default()))
}

/// Begins an episode of the environment's difficulty, drawn from the stream of `seed`.
#[no_mangle]
pub extern "C" fn reset(seed: u64) -> i32 {
    answer(|session| session.env_mut()?.try_reset(&mut Rng::new(seed)))
}

/// Begins an episode in a state drawn uniformly from all solvable ones, from the stream of `seed`.
#[no_mangle]
pub extern "C" fn reset_uniform(seed: u64) -> i32 {
    answer(|session| session.env_mut()?.try_reset_uniform(&mut Rng::new(seed)))
}

/// Begins an episode in a solved state, drawn from the stream of `seed` if there are many.
#[no_mangle]
pub extern "C" fn reset_goal(seed: u64) -> i32 {
    answer(|session| session.env_mut()?.try_reset_goal(&mut Rng::new(seed)))
}

/// Puts the environment into a state: 8 bytes (i64) a number, in the first `length` of a buffer.
#[no_mangle]
pub extern "C" fn set_state(address: usize, length: usize) -> i32 {
    answer(|session| session.set_state(address, length))
}

#[no_mangle]
pub extern "C" fn step(action: usize) -> i32 {
    answer(|session| session.step(action))
}

/// Gives the numbers of the state.
#[no_mangle]
pub extern "C" fn state() -> i32 {
    answer(Session::state)
}

/// Gives 1 for each action that may be taken, else 0.
#[no_mangle]
pub extern "C" fn masks() -> i32 {
    answer(Session::masks)
}

/// Gives whether the episode is over, whether it is solved, whether it ran out of steps, and the
/// reward of the state.
#[no_mangle]
pub extern "C" fn status() -> i32 {
    answer(Session::status)
}

/// Keeps a copy of the environment as it is now; gives its number.
#[no_mangle]
pub extern "C" fn keep() -> i32 {
    answer(Session::keep)
}

/// Goes back to the copy of this number, which stays.
#[no_mangle]
pub extern "C" fn go_back(number: usize) -> i32 {
    answer(|session| session.go_back(number))
}

/// Drops all copies.
#[no_mangle]
pub extern "C" fn forget() -> i32 {
    answer(|session| {
        session.forget();
        Ok(())
    })
}

/// Gives the logits of the network, through no symmetry, and the value.
#[no_mangle]
pub extern "C" fn logits() -> i32 {
    answer(Session::logits)
}

/// Gives the probability of each action, by the mean over the symmetries, and the value.
#[no_mangle]
pub extern "C" fn predict() -> i32 {
    answer(Session::predict)
}

/// Solves the state as an entry of `evals` says, which is JSON in a buffer. Gives whether it is
/// solved, how many states were looked at, then the actions.
#[no_mangle]
pub extern "C" fn solve(address: usize, length: usize, seed: u64) -> i32 {
    answer(|session| session.solve(address, length, seed))
}

/// Searches the state once, by such an entry for `mcts`. Gives each action's share of the visits.
#[no_mangle]
pub extern "C" fn search(address: usize, length: usize, seed: u64) -> i32 {
    answer(|session| session.search(address, length, seed))
}

/// Looks for a shortest solution by at most so many nodes and seconds (infinity: no limit). Gives
/// whether it is found and proven, how long one is at least, then the actions.
#[no_mangle]
pub extern "C" fn optimum(node_limit: f64, time_limit_s: f64) -> i32 {
    answer(|session| session.optimum(node_limit, time_limit_s))
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

//! What a context of ours points to, and the batched call.
//!
//! Panics are caught here, on the environment's own side.

use std::ffi::c_void;
use std::slice;

use super::abi::*;
use super::host::Source;
use crate::error::{caught, Error, Result};
use crate::rl::checked::check_action;
use crate::rl::env::Env;
use crate::rng::Rng;

/// What a context points to.
pub(super) struct Handle {
    pub(super) env: Box<dyn Env>,
    pub(super) rng: Rng,
    /// The observation; kept until it is fetched or the environment moves.
    pub(super) row: Vec<i32>,
    pub(super) has_row: bool,
    pub(super) message: String,
    /// What the environment raised.
    pub(super) exception: Option<Source>,
}

impl Handle {
    pub(super) fn new(env: Box<dyn Env>, rng: Rng) -> Self {
        Self { env, rng, row: Vec::new(), has_row: false, message: String::new(), exception: None }
    }

    pub(super) fn into_ctx(self) -> *mut c_void {
        Box::into_raw(Box::new(self)).cast()
    }

    fn fail(&mut self, error: Error) -> Code {
        self.message = error.to_string();
        match error {
            Error::Invalid { .. } | Error::Policy(_) => INVALID,
            Error::Interrupted => INTERRUPTED,
            Error::Panic(message) => {
                self.message = message;
                PANICKED
            }
            Error::Environment(source) | Error::Interruption(source) => {
                self.exception = Some(source);
                FAILED
            }
        }
    }

    /// The environment, about to move: what was observed before is void.
    pub(super) fn moving(&mut self) -> &mut dyn Env {
        self.has_row = false;
        self.env.as_mut()
    }

    pub(super) fn observe(&mut self) -> Result<&[i32]> {
        if !self.has_row {
            self.row.clear();
            self.env.try_observe(&mut self.row)?;
            self.has_row = true;
        }
        Ok(&self.row)
    }
}

/// Runs `work` on the handle of `ctx`; errors and panics become a code.
///
/// # Safety
/// `ctx` came from [`Handle::into_ctx`], was not dropped, and no other thread uses it now.
pub(super) unsafe fn with(
    ctx: *mut c_void,
    work: impl FnOnce(&mut Handle) -> Result<Code>,
) -> Code {
    // SAFETY: as above; null is refused.
    let Some(handle) = (unsafe { ctx.cast::<Handle>().as_mut() }) else {
        return INVALID;
    };
    handle.exception = None;
    match caught(|| work(handle)) {
        Ok(code) => code,
        Err(error) => handle.fail(error),
    }
}

/// Writes `values` to a buffer of the caller, and how many there are.
///
/// # Safety
/// `buffer` has room for `capacity` elements (it may be null if that is 0); `len` is writable.
pub(super) unsafe fn write<T: Copy>(
    values: &[T],
    buffer: *mut T,
    capacity: usize,
    len: *mut usize,
) -> Code {
    // SAFETY: as above, and nothing is written beyond `capacity`.
    unsafe {
        *len = values.len();
        if values.len() > capacity {
            return TOO_SMALL;
        }
        if !values.is_empty() {
            buffer.copy_from_nonoverlapping(values.as_ptr(), values.len());
        }
    }
    OK
}

/// # Safety
/// `buffer` has room for `num_actions` bytes.
pub(super) unsafe fn masks(handle: &mut Handle, buffer: *mut u8, num_actions: usize) -> Result<()> {
    // SAFETY: zeroed bytes are valid booleans, and a boolean is a byte that is 0 or 1.
    let masks = unsafe {
        buffer.write_bytes(0, num_actions);
        slice::from_raw_parts_mut(buffer.cast::<bool>(), num_actions)
    };
    handle.env.try_masks(masks)
}

pub(super) fn status(handle: &Handle) -> Result<EpisodeStatus> {
    let status = handle.env.try_status()?;
    Ok(EpisodeStatus {
        reward: status.reward,
        is_final: status.is_final.into(),
        success: status.success.into(),
        truncated: status.truncated.into(),
        reserved: 0,
    })
}

/// # Safety
/// `moves` has `count` entries of different contexts, the buffers of `views` the sizes that
/// [`BatchViews`] states; `done` is writable.
pub(super) unsafe extern "C" fn advance(
    moves: *const BatchMove,
    count: usize,
    views: *mut BatchViews,
    done: *mut usize,
) -> Code {
    if count == 0 {
        // SAFETY: `done` is writable.
        unsafe { *done = 0 };
        return OK;
    }
    // SAFETY: as above.
    let (moves, views) = unsafe { (slice::from_raw_parts(moves, count), &*views) };
    let mut end = 0;
    for (i, batch_move) in moves.iter().enumerate() {
        // SAFETY: as above; row `i` of every buffer is inside it, indices are checked by `write`.
        let code = unsafe {
            *done = i;
            with(batch_move.ctx, |handle| {
                make(handle, batch_move)?;
                let mut len = 0;
                let room = views.indices_capacity - end;
                let row = handle.observe()?;
                if write(row, views.indices.add(end), room, &mut len) == TOO_SMALL {
                    return Ok(TOO_SMALL);
                }
                handle.has_row = false;
                end += len;
                *views.ends.add(i) = end;
                let num_actions = handle.env.num_actions();
                masks(handle, views.masks.add(i * num_actions), num_actions)?;
                *views.status.add(i) = status(handle)?;
                Ok(OK)
            })
        };
        if code != OK {
            return code;
        }
    }
    // SAFETY: `done` is writable.
    unsafe { *done = count };
    OK
}

fn make(handle: &mut Handle, batch_move: &BatchMove) -> Result<()> {
    if batch_move.kind == OBSERVE {
        return Ok(());
    }
    let env = handle.moving();
    match batch_move.kind {
        STEP => {
            let action = check_action(batch_move.value, env.num_actions())?;
            env.try_step(action)
        }
        RESET => {
            env.set_difficulty(batch_move.value as usize);
            env.try_reset(&mut Rng::new(batch_move.seed))
        }
        RESET_UNIFORM => env.try_reset_uniform(&mut Rng::new(batch_move.seed)),
        kind => Err(Error::invalid("kind", "an integer in 0..4", kind)),
    }
}

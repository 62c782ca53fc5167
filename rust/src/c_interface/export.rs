//! Our environments as capsules: extern "C" functions over a boxed [`Handle`].

use std::ffi::c_void;
use std::slice;

use super::abi::*;
use super::handle::{advance, masks, status, with, write, Handle};
use super::host::{host, Host, Source};
use crate::error::{caught, Error};
use crate::rl::checked::check_action;
use crate::rl::env::Env;
use crate::rng::Rng;
use crate::spaces::ObsSpace;

/// Makes an `unsafe extern "C" fn(ctx, ...) -> Code` whose body sees the handle.
///
/// SAFETY of all of them: the rules of [`super::abi`], which their callers keep; `with` checks
/// null, and buffers are written only inside the capacity that the caller gave.
macro_rules! entry {
    (|$handle:ident $(, $name:ident: $kind:ty)*| $body:block) => {{
        unsafe extern "C" fn entry(ctx: *mut c_void $(, $name: $kind)*) -> Code {
            // SAFETY: see the macro.
            #[allow(unused_unsafe)]
            unsafe { with(ctx, |$handle| unsafe { $body }) }
        }
        Some(entry)
    }};
}

unsafe extern "C" fn drop_ctx(ctx: *mut c_void) -> Code {
    if ctx.is_null() {
        return INVALID;
    }
    // SAFETY: the caller gives the context back; it came from `into_ctx`.
    let drop_handle = || drop(unsafe { Box::from_raw(ctx.cast::<Handle>()) });
    match caught(|| {
        drop_handle();
        Ok(OK)
    }) {
        Ok(code) => code,
        Err(_) => PANICKED,
    }
}

unsafe extern "C" fn last_error(
    ctx: *mut c_void,
    buffer: *mut u8,
    capacity: usize,
    len: *mut usize,
) -> Code {
    // SAFETY: the rules of the interface; this one leaves the exception where it is.
    unsafe {
        match ctx.cast::<Handle>().as_ref() {
            Some(handle) => write(handle.message.as_bytes(), buffer, capacity, len),
            None => INVALID,
        }
    }
}

unsafe extern "C" fn take_exception(ctx: *mut c_void, out: *mut *mut c_void) -> Code {
    // SAFETY: the rules of the interface; the caller holds the interpreter lock.
    unsafe {
        let Some(handle) = ctx.cast::<Handle>().as_mut() else {
            return INVALID;
        };
        let given = |(source, host): (Source, &'static dyn Host)| host.given(source);
        let raised = handle.exception.take().zip(host());
        *out = raised.map_or(std::ptr::null_mut(), given);
    }
    OK
}

/// Rows of equal length written one after another, if they fit exactly.
///
/// # Safety
/// `buffer` has room for `capacity` elements.
unsafe fn write_rows(rows: &[Vec<usize>], buffer: *mut u64, capacity: usize) -> Code {
    let flat: Vec<u64> = rows.iter().flatten().map(|&entry| entry as u64).collect();
    // SAFETY: as above.
    unsafe { write(&flat, buffer, capacity, &mut 0) }
}

fn table(env: Box<dyn Env>) -> EnvTable {
    let flag = |holds, bit| if holds { bit } else { 0 };
    let spec = env.spec();
    let flags = flag(spec.always_ends, ALWAYS_ENDS)
        | flag(spec.tells_truncation, TELLS_TRUNCATION)
        | flag(spec.has_goal, HAS_GOAL)
        | flag(spec.has_uniform, HAS_UNIFORM);
    drop(spec);
    let ctx = Handle::new(env, Rng::new(0)).into_ctx();
    EnvTable {
        abi_version: ABI_VERSION,
        struct_size: size_of::<EnvTable>() as u32,
        flags,
        ctx,
        clone: entry!(|handle, out: *mut *mut c_void| {
            let copy = Handle::new(handle.env.try_clone()?, handle.rng.clone());
            *out = Handle { row: handle.row.clone(), has_row: handle.has_row, ..copy }.into_ctx();
            Ok(OK)
        }),
        drop: Some(drop_ctx),
        last_error: Some(last_error),
        take_exception: Some(take_exception),
        sizes: entry!(|handle, out: *mut Sizes| {
            let shape = handle.env.obs_shape();
            *out = Sizes {
                num_actions: handle.env.num_actions() as u64,
                num_dims: shape.len() as u64,
                num_twists: handle.env.twists().0.len() as u64,
                num_features: shape.iter().product::<usize>() as u64,
            };
            Ok(OK)
        }),
        obs_shape: entry!(|handle, buffer: *mut u64, capacity: usize| {
            Ok(write_rows(&[handle.env.obs_shape()], buffer, capacity))
        }),
        twists: entry!(|handle,
                        obs_perms: *mut u64,
                        obs_capacity: usize,
                        act_perms: *mut u64,
                        act_capacity: usize| {
            let (obs, act) = handle.env.twists();
            match write_rows(&obs, obs_perms, obs_capacity) {
                OK => Ok(write_rows(&act, act_perms, act_capacity)),
                code => Ok(code),
            }
        }),
        get_difficulty: entry!(|handle, out: *mut u64| {
            *out = handle.env.get_difficulty() as u64;
            Ok(OK)
        }),
        set_difficulty: entry!(|handle, difficulty: u64| {
            handle.env.set_difficulty(difficulty as usize);
            Ok(OK)
        }),
        seed: entry!(|handle, seed: u64| {
            handle.rng = Rng::new(seed);
            Ok(OK)
        }),
        reset: entry!(|handle| {
            handle.has_row = false;
            handle.env.try_reset(&mut handle.rng).map(|()| OK)
        }),
        reset_uniform: entry!(|handle| {
            handle.has_row = false;
            handle.env.try_reset_uniform(&mut handle.rng).map(|()| OK)
        }),
        set_state: entry!(|handle, state: *const i64, len: usize| {
            let state = if len == 0 { &[] } else { slice::from_raw_parts(state, len) };
            handle.moving().try_set_state(state).map(|()| OK)
        }),
        step: entry!(|handle, value: u64| {
            let action = check_action(value, handle.env.num_actions())?;
            handle.moving().try_step(action).map(|()| OK)
        }),
        observe: entry!(|handle, buffer: *mut i32, capacity: usize, len: *mut usize| {
            let code = write(handle.observe()?, buffer, capacity, len);
            // Fetched: the next call observes anew, as it does without the capsule.
            handle.has_row = code == TOO_SMALL;
            Ok(code)
        }),
        masks: entry!(|handle, buffer: *mut u8, capacity: usize| {
            let num_actions = handle.env.num_actions();
            if capacity != num_actions {
                return Err(Error::invalid("masks", format!("{num_actions} entries"), capacity));
            }
            masks(handle, buffer, num_actions).map(|()| OK)
        }),
        status: entry!(|handle, out: *mut EpisodeStatus| {
            *out = status(handle)?;
            Ok(OK)
        }),
        check_solvable: entry!(|handle| { handle.env.check_solvable().map(|()| OK) }),
        solution: entry!(|handle,
                          buffer: *mut i64,
                          capacity: usize,
                          len: *mut usize,
                          tracked: *mut u8| {
            let solution = handle.env.try_solution()?;
            *tracked = solution.is_some().into();
            Ok(write(&solution.unwrap_or_default(), buffer, capacity, len))
        }),
        advance: Some(advance),
        inverse_actions: entry!(|handle, buffer: *mut u64, capacity: usize, known: *mut u8| {
            let inverses = handle.env.spec().inverse_actions.clone();
            *known = inverses.is_some().into();
            Ok(write_rows(&[inverses.unwrap_or_default()], buffer, capacity))
        }),
        reset_goal: entry!(|handle| {
            handle.has_row = false;
            handle.env.try_reset_goal(&mut handle.rng).map(|()| OK)
        }),
        obs_dtype: entry!(|handle, out: *mut u32| {
            let dtype = handle.env.spec().obs.dtype();
            *out = ObsSpace::DTYPES.iter().take_while(|&&known| known != dtype).count() as u32;
            Ok(OK)
        }),
        act_space: entry!(|handle,
                           kind: *mut u32,
                           buffer: *mut f64,
                           capacity: usize,
                           len: *mut usize| {
            let (code, numbers) = super::acts::told(&handle.env.spec().acts);
            *kind = code;
            Ok(write(&numbers, buffer, capacity, len))
        }),
        act: entry!(|handle, numbers: *const f64, count: usize| {
            let numbers = if count == 0 { &[] } else { slice::from_raw_parts(numbers, count) };
            let acts = super::acts::read(&handle.env.spec().acts, numbers)?;
            handle.moving().try_act(acts.row(0)).map(|()| OK)
        }),
        obs_parts: entry!(|handle, buffer: *mut u8, capacity: usize, len: *mut usize| {
            let text = match handle.env.spec().obs.parts().map(serde_json::to_string) {
                Some(Ok(text)) => text,
                Some(Err(error)) => return Err(Error::invalid("obs_parts", "text", error)),
                None => String::new(),
            };
            Ok(write(text.as_bytes(), buffer, capacity, len))
        }),
    }
}

/// An environment of ours as a table, which frees its context.
#[repr(transparent)]
pub struct OwnTable(EnvTable);

// SAFETY: the handle behind the context is Send, and the table is only read.
unsafe impl Send for OwnTable {}

impl OwnTable {
    pub fn new(env: Box<dyn Env>) -> Self {
        Self(table(env))
    }

    /// What is handed over, while this lives.
    pub fn table(&self) -> &EnvTable {
        &self.0
    }
}

impl Drop for OwnTable {
    fn drop(&mut self) {
        // SAFETY: the context is this table's own; users of the table copy it before use.
        unsafe { drop_ctx(self.0.ctx) };
    }
}

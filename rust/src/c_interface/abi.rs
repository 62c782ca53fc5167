//! The C interface. Any language can offer it; fields are only ever appended.
//!
//! Rules. Every function returns a [`Code`] and never unwinds. A context is used by one thread
//! at a time, any thread; different contexts of one table by several threads at once, and
//! without the interpreter lock. Outputs go to buffers of the caller. After a code other than
//! `OK` and `TOO_SMALL`, `last_error` of the same context tells what happened, and the context
//! stays usable.

use std::ffi::{c_void, CStr};

pub const NAME: &CStr = c"twisterl.env.v1";
pub const ABI_VERSION: u32 = 1;

/// Flag of an environment whose episodes all end, however they are played.
pub const ALWAYS_ENDS: u64 = 1;
/// Flag of an environment that tells `truncated`, which is 0 everywhere for others.
pub const TELLS_TRUNCATION: u64 = 2;
/// Flags of an environment that has `reset_goal`, and `reset_uniform`, where there is `act_space`; without
/// it nothing is known before they are called.
pub const HAS_GOAL: u64 = 4;
pub const HAS_UNIFORM: u64 = 8;

/// What a call came to.
pub type Code = i32;
pub const OK: Code = 0;
/// An argument does not fit.
pub const INVALID: Code = 1;
/// The environment failed.
pub const FAILED: Code = 2;
pub const INTERRUPTED: Code = 3;
/// The environment panicked; a bug in it.
pub const PANICKED: Code = 4;
/// The buffer is too small; the length that is needed was written. Calling again with a larger
/// one continues: nothing is observed or moved twice.
pub const TOO_SMALL: Code = 5;

/// Number of actions, of dimensions of the observation, of twists, and of features.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Sizes {
    pub num_actions: u64,
    pub num_dims: u64,
    pub num_twists: u64,
    pub num_features: u64,
}

/// State of an episode; the flags are 0 or 1.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct EpisodeStatus {
    pub reward: f32,
    pub is_final: u8,
    pub success: u8,
    pub truncated: u8,
    pub reserved: u8,
}

pub const RESET: u32 = 0;
pub const STEP: u32 = 1;
pub const OBSERVE: u32 = 2;
pub const RESET_UNIFORM: u32 = 3;

/// One context's move in a batch: `RESET` with difficulty `value` and seed `seed`, `STEP` with
/// action `value`, `OBSERVE` for none, `RESET_UNIFORM` with seed `seed`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct BatchMove {
    pub ctx: *mut c_void,
    pub kind: u32,
    pub reserved: u32,
    pub value: u64,
    pub seed: u64,
}

/// Where a batch writes what it sees.
#[repr(C)]
#[derive(Debug)]
pub struct BatchViews {
    /// Active features of all rows, one after another.
    pub indices: *mut i32,
    pub indices_capacity: usize,
    /// `[count]`, where each row ends in `indices`.
    pub ends: *mut usize,
    /// `[count, num_actions]`, 0 or 1.
    pub masks: *mut u8,
    /// `[count]`
    pub status: *mut EpisodeStatus,
}

type Ctx = *mut c_void;

/// The environment: `ctx` and what can be done with it. All functions before `advance` are required.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct EnvTable {
    pub abi_version: u32,
    /// Size of this struct where it was built; fields beyond it are absent.
    pub struct_size: u32,
    /// [`ALWAYS_ENDS`], [`TELLS_TRUNCATION`], [`HAS_GOAL`] and [`HAS_UNIFORM`]; other bits have no meaning.
    pub flags: u64,
    pub ctx: Ctx,
    /// Writes a new context that is an independent copy.
    pub clone: Option<unsafe extern "C" fn(Ctx, *mut Ctx) -> Code>,
    /// Frees the context.
    pub drop: Option<unsafe extern "C" fn(Ctx) -> Code>,
    /// Copies the message of the last failure, UTF-8: (buffer, capacity, needed length).
    pub last_error: Option<unsafe extern "C" fn(Ctx, *mut u8, usize, *mut usize) -> Code>,
    /// Moves out the Python exception behind the last failure, an owned PyObject* or null; the
    /// caller holds the interpreter lock.
    pub take_exception: Option<unsafe extern "C" fn(Ctx, *mut *mut c_void) -> Code>,
    pub sizes: Option<unsafe extern "C" fn(Ctx, *mut Sizes) -> Code>,
    /// `[num_dims]`
    pub obs_shape: Option<unsafe extern "C" fn(Ctx, *mut u64, usize) -> Code>,
    /// `[num_twists, num_features]` and `[num_twists, num_actions]`, each with its capacity.
    pub twists: Option<unsafe extern "C" fn(Ctx, *mut u64, usize, *mut u64, usize) -> Code>,
    pub get_difficulty: Option<unsafe extern "C" fn(Ctx, *mut u64) -> Code>,
    pub set_difficulty: Option<unsafe extern "C" fn(Ctx, u64) -> Code>,
    /// Names the random stream of the resets that follow.
    pub seed: Option<unsafe extern "C" fn(Ctx, u64) -> Code>,
    pub reset: Option<unsafe extern "C" fn(Ctx) -> Code>,
    pub reset_uniform: Option<unsafe extern "C" fn(Ctx) -> Code>,
    /// A refused state changes nothing.
    pub set_state: Option<unsafe extern "C" fn(Ctx, *const i64, usize) -> Code>,
    pub step: Option<unsafe extern "C" fn(Ctx, u64) -> Code>,
    /// Active features: (buffer, capacity, length). Once per decision; the next step answers it.
    pub observe: Option<unsafe extern "C" fn(Ctx, *mut i32, usize, *mut usize) -> Code>,
    /// `[num_actions]`, 0 or 1.
    pub masks: Option<unsafe extern "C" fn(Ctx, *mut u8, usize) -> Code>,
    pub status: Option<unsafe extern "C" fn(Ctx, *mut EpisodeStatus) -> Code>,
    pub check_solvable: Option<unsafe extern "C" fn(Ctx) -> Code>,
    /// The tracked solution: (buffer, capacity, length, 1 if there is one).
    pub solution: Option<unsafe extern "C" fn(Ctx, *mut i64, usize, *mut usize, *mut u8) -> Code>,
    /// Moves and observes `count` different contexts of this table and writes how many it
    /// finished. `TOO_SMALL`: the context that follows has moved; go on with it by `OBSERVE` and
    /// more room. Another failure belongs to the context that follows.
    pub advance:
        Option<unsafe extern "C" fn(*const BatchMove, usize, *mut BatchViews, *mut usize) -> Code>,
    /// The action that undoes each `[num_actions]`: (buffer, capacity, 1 if there are such).
    pub inverse_actions: Option<unsafe extern "C" fn(Ctx, *mut u64, usize, *mut u8) -> Code>,
    /// To a solved state, from which random walks begin.
    pub reset_goal: Option<unsafe extern "C" fn(Ctx) -> Code>,
    /// What observations are made of, by its place in [`ObsSpace::DTYPES`]: 0 sparse, as where this
    /// function is absent, 1 float32, 2 uint8; 3 several parts, which `obs_parts` tells. The words of dense ones stand where active features
    /// do, see [`spaces`](crate::spaces).
    ///
    /// [`ObsSpace::DTYPES`]: crate::spaces::ObsSpace::DTYPES
    pub obs_dtype: Option<unsafe extern "C" fn(Ctx, *mut u32) -> Code>,
    /// What actions are made of: (kind, buffer, capacity, length). 0 discrete, as where this function is
    /// absent, with their number; 1 of parts, with the choices of each, which are `num_actions` in all;
    /// 2 numbers, with all lower bounds, then all upper ones, and `num_actions` 0.
    pub act_space: Option<unsafe extern "C" fn(Ctx, *mut u32, *mut f64, usize, *mut usize) -> Code>,
    /// `step` by an action of `count` choices or numbers.
    pub act: Option<unsafe extern "C" fn(Ctx, *const f64, usize) -> Code>,
    /// The parts of an observation, JSON in UTF-8: (buffer, capacity, length), a list of
    /// `{"name": .., "dtype": .., "shape": [..]}` whose dtype is one of [`ObsSpace::DTYPES`]. Empty where there
    /// are none, as where this function is absent. `obs_shape` is the number of features of all.
    ///
    /// [`ObsSpace::DTYPES`]: crate::spaces::ObsSpace::DTYPES
    pub obs_parts: Option<unsafe extern "C" fn(Ctx, *mut u8, usize, *mut usize) -> Code>,
}

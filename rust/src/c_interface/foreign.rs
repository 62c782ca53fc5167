//! A context of another library, its functions called and its answers checked.

use std::ffi::c_void;
use std::fmt;
use std::ptr::NonNull;

use super::abi::*;
use super::{acts, host};
use crate::error::{Error, Result};
use crate::rl::checked::CheckedSpec;
use crate::rl::env::Status;
use crate::rl::spec::EnvSpec;
use crate::spaces::{Act, ActSpace, ObsSpace, Parts, MOST_ACTIONS};

/// Longer descriptions of observations are none.
const MOST_TEXT: usize = 1 << 24;

/// A failure told by an environment of another library.
#[derive(Clone, Debug)]
pub struct ForeignError {
    /// Whether an argument was at fault.
    pub invalid: bool,
    pub message: String,
}

impl fmt::Display for ForeignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ForeignError {}

/// A context of another library and the functions for it.
pub(super) struct Foreign {
    pub(super) table: EnvTable,
}

// SAFETY: the interface lets a context move between threads; `Foreign` is not Sync, and every
// method that enters the context is called by one thread at a time.
unsafe impl Send for Foreign {}

/// Calls a function of the table; the fields were checked to be there.
macro_rules! call {
    ($foreign:expr, $function:ident $(, $argument:expr)*) => {{
        let foreign: &Foreign = $foreign;
        match foreign.table.$function {
            // SAFETY: the context is this table's own and used by this thread alone; buffers are
            // valid for the capacities that are passed with them.
            Some(function) => unsafe { function(foreign.table.ctx $(, $argument)*) },
            None => FAILED,
        }
    }};
}

pub(super) use call;

impl Foreign {
    /// A context of its own, copied from that of `table`.
    pub(super) fn copy_of(table: &EnvTable) -> Result<Self> {
        let original = std::mem::ManuallyDrop::new(Self { table: *table });
        let mut ctx = std::ptr::null_mut::<c_void>();
        original.check(call!(&original, clone, &mut ctx))?;
        if ctx.is_null() {
            return Err(Error::invalid("clone of the capsule", "a context", "null"));
        }
        Ok(Self { table: EnvTable { ctx, ..*table } })
    }

    pub(super) fn copy(&self) -> Result<Self> {
        Self::copy_of(&self.table)
    }

    pub(super) fn table(&self) -> &EnvTable {
        &self.table
    }

    /// The error that `code` means, with the message or the exception of this context.
    pub(super) fn check(&self, code: Code) -> Result<()> {
        if code == OK {
            return Ok(());
        }
        let mut message = vec![0u8; 4096];
        let mut len = 0;
        let told = call!(self, last_error, message.as_mut_ptr(), message.len(), &mut len);
        message.truncate(if told == OK { len } else { 0 });
        let message = match String::from_utf8_lossy(&message) {
            text if text.is_empty() => format!("code {code}"),
            text => text.into_owned(),
        };
        match code {
            INTERRUPTED => Err(Error::Interrupted),
            PANICKED => Err(Error::Panic(message)),
            _ => Err(match self.exception() {
                Some(raised) => raised,
                None => {
                    Error::Environment(Box::new(ForeignError { invalid: code == INVALID, message }))
                }
            }),
        }
    }

    fn exception(&self) -> Option<Error> {
        host::host()?.taken(&mut || {
            let mut raised = std::ptr::null_mut::<c_void>();
            match call!(self, take_exception, &mut raised) {
                OK => raised,
                _ => std::ptr::null_mut(),
            }
        })
    }

    pub(super) fn describe(&self, class: String) -> Result<CheckedSpec> {
        let mut sizes = Sizes::default();
        self.check(call!(self, sizes, &mut sizes))?;
        let too_large = |what: &str, size: u64| {
            Error::invalid(format!("{what} of {class}"), "a size that fits memory", size)
        };
        if sizes.num_dims > 16 {
            return Err(too_large("obs_shape", sizes.num_dims));
        }
        let mut shape = vec![0u64; sizes.num_dims as usize];
        self.check(call!(self, obs_shape, shape.as_mut_ptr(), shape.len()))?;
        let entries = |width: u64| {
            let entries = sizes.num_twists.checked_mul(width).filter(|&entries| entries < 1 << 28);
            entries.ok_or_else(|| too_large("twists", sizes.num_twists))
        };
        let mut obs_perms = vec![0u64; entries(sizes.num_features)? as usize];
        let acts = self.act_space(&class, sizes.num_actions)?;
        let num_outputs = acts.num_outputs() as u64;
        let mut act_perms = vec![0u64; entries(num_outputs)? as usize];
        let (obs_len, act_len) = (obs_perms.len(), act_perms.len());
        let (obs, act) = (obs_perms.as_mut_ptr(), act_perms.as_mut_ptr());
        self.check(call!(self, twists, obs, obs_len, act, act_len))?;
        let twists = (rows(&obs_perms, sizes.num_features), rows(&act_perms, num_outputs));
        let shape = shape.into_iter().map(|side| side as usize).collect();
        let mut dtype = 0;
        if self.table.obs_dtype.is_some() {
            self.check(call!(self, obs_dtype, &mut dtype))?;
        }
        let space = match ObsSpace::DTYPES.get(dtype as usize) {
            Some(name) => ObsSpace::of(shape, name),
            None if dtype as usize == ObsSpace::DTYPES.len() => {
                Some(self.obs_parts(&class, shape)?)
            }
            None => None,
        };
        let space = space.ok_or_else(|| {
            let expected = format!("at most {}", ObsSpace::DTYPES.len());
            Error::invalid(format!("obs_dtype of {class}"), expected, dtype)
        })?;
        let flags = self.table.flags;
        let tells_starts = self.table.act_space.is_some();
        let described = CheckedSpec::new(EnvSpec {
            twists,
            tells_truncation: flags & TELLS_TRUNCATION != 0,
            always_ends: flags & ALWAYS_ENDS != 0,
            has_goal: if tells_starts { flags & HAS_GOAL != 0 } else { self.has_reset_goal() },
            has_uniform: !tells_starts || flags & HAS_UNIFORM != 0,
            ..EnvSpec::new(class, space, acts)
        })?;
        let inverse_actions = self.inverse_actions(described.num_actions)?;
        Ok(CheckedSpec { spec: EnvSpec { inverse_actions, ..described.spec }, ..described })
    }

    /// What actions are made of; `num_actions` of them where the library does not say.
    fn act_space(&self, class: &str, num_actions: u64) -> Result<ActSpace> {
        if self.table.act_space.is_none() || self.table.act.is_none() {
            return Ok(ActSpace::Discrete { n: num_actions as usize });
        }
        let mut kind = 0;
        let numbers = self.filled(64, 2 * MOST_ACTIONS, |buffer, room, len| {
            call!(self, act_space, &mut kind, buffer, room, len)
        })?;
        let space = acts::space(class, kind, &numbers)?;
        if space.num_choices() as u64 == num_actions {
            return Ok(space);
        }
        let name = format!("num_actions of {class}");
        Err(Error::invalid(name, space.num_choices().to_string(), num_actions))
    }

    /// What `ask` writes to a buffer: asked again with the room that it needs, while that is at most `most`.
    fn filled<T: Clone + Default>(
        &self,
        mut room: usize,
        most: usize,
        mut ask: impl FnMut(*mut T, usize, &mut usize) -> Code,
    ) -> Result<Vec<T>> {
        loop {
            let (mut buffer, mut len) = (vec![T::default(); room], 0);
            match ask(buffer.as_mut_ptr(), room, &mut len) {
                TOO_SMALL if len > room && len <= most => room = len,
                code => {
                    self.check(code)?;
                    buffer.truncate(len);
                    return Ok(buffer);
                }
            }
        }
    }

    /// The parts of an observation, whose features are `shape`.
    fn obs_parts(&self, class: &str, shape: Vec<usize>) -> Result<ObsSpace> {
        let name = || format!("obs_parts of {class}");
        let text: Vec<u8> = self.filled(1024, MOST_TEXT, |buffer, room, len| {
            call!(self, obs_parts, buffer, room, len)
        })?;
        let parts: Parts = serde_json::from_slice(&text)
            .map_err(|error| Error::invalid(name(), "a list of parts in JSON", error))?;
        match shape == parts.shape() {
            true => Ok(ObsSpace::Dict(parts)),
            false => {
                Err(Error::invalid(name(), format!("{shape:?} features"), parts.num_features()))
            }
        }
    }

    fn has_reset_goal(&self) -> bool {
        self.table.reset_goal.is_some()
    }

    /// Plays `act`, where it is more than one choice.
    pub(super) fn act(&self, act: Act<'_>) -> Result<()> {
        let numbers = acts::numbers(act);
        self.check(call!(self, act, numbers.as_ptr(), numbers.len()))
    }

    /// Makes a move of this context; `batch_move.ctx` is not looked at.
    pub(super) fn make(&self, batch_move: &BatchMove) -> Result<()> {
        match batch_move.kind {
            STEP => self.check(call!(self, step, batch_move.value)),
            RESET => {
                self.check(call!(self, set_difficulty, batch_move.value))?;
                self.check(call!(self, seed, batch_move.seed))?;
                self.check(call!(self, reset))
            }
            RESET_UNIFORM => {
                self.check(call!(self, seed, batch_move.seed))?;
                self.check(call!(self, reset_uniform))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn observe(&self, described: &CheckedSpec, indices: &mut Vec<i32>) -> Result<()> {
        let first = indices.len();
        let mut room = 64;
        loop {
            indices.resize(first + room, 0);
            let mut len = 0;
            let buffer = indices[first..].as_mut_ptr();
            match call!(self, observe, buffer, room, &mut len) {
                TOO_SMALL if len > room => room = len,
                OK => {
                    indices.truncate(first + len.min(room));
                    break;
                }
                code => {
                    indices.truncate(first);
                    return self.check(code);
                }
            }
        }
        described.check_row("observe", &indices[first..])
    }

    pub(super) fn masks(&self, masks: &mut [bool]) -> Result<()> {
        let mut bytes = vec![0u8; masks.len()];
        self.check(call!(self, masks, bytes.as_mut_ptr(), bytes.len()))?;
        masks.iter_mut().zip(bytes).for_each(|(mask, byte)| *mask = byte != 0);
        Ok(())
    }

    pub(super) fn status(&self, described: &CheckedSpec) -> Result<Status> {
        let mut status = EpisodeStatus::default();
        self.check(call!(self, status, &mut status))?;
        status_of(described, &status)
    }

    /// What undoes each action, if the library is new enough to say and there are such.
    pub(super) fn inverse_actions(&self, num_actions: usize) -> Result<Option<Vec<usize>>> {
        if self.table.inverse_actions.is_none() {
            return Ok(None);
        }
        let (mut actions, mut known) = (vec![0u64; num_actions], 0);
        let code = call!(self, inverse_actions, actions.as_mut_ptr(), num_actions, &mut known);
        self.check(code)?;
        let actions = actions.into_iter().map(|action| action as usize).collect();
        Ok((known != 0).then_some(actions))
    }

    /// To the goal, drawn by the stream `seed`.
    pub(super) fn reset_goal(&self, seed: u64) -> Result<()> {
        if !self.has_reset_goal() {
            let expected = "an environment that can be put into its goal";
            return Err(Error::invalid("env", expected, "one of a library without reset_goal"));
        }
        self.check(call!(self, seed, seed))?;
        self.check(call!(self, reset_goal))
    }

    pub(super) fn solution(&self) -> Result<Option<Vec<i64>>> {
        let mut tracked = 0;
        let steps = self.filled(256, usize::MAX, |buffer, room, len| {
            call!(self, solution, buffer, room, len, &mut tracked)
        })?;
        Ok((tracked != 0).then_some(steps))
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        call!(self, drop);
    }
}

fn rows(flat: &[u64], width: u64) -> Vec<Vec<usize>> {
    let row = |row: &[u64]| row.iter().map(|&entry| entry as usize).collect();
    flat.chunks(width.max(1) as usize).map(row).collect()
}

pub(super) fn status_of(described: &CheckedSpec, status: &EpisodeStatus) -> Result<Status> {
    Ok(Status {
        reward: described.reward("reward", status.reward.into())?,
        is_final: status.is_final != 0,
        success: status.success != 0,
        truncated: status.truncated != 0,
    })
}

/// A table of functions, the required ones checked to be there.
pub struct Table(pub(super) EnvTable);

impl Table {
    /// The table at `pointer`; else what is there, as text.
    ///
    /// # Safety
    /// `pointer` is that of an [`EnvTable`] of any version and size, whose context lives as long as this.
    pub unsafe fn at(pointer: NonNull<c_void>) -> std::result::Result<Self, String> {
        let head = pointer.cast::<[u32; 2]>();
        // SAFETY: as above: the first words never change. It may be shorter or longer than ours: no more
        // than its own size is read.
        let (version, size) = unsafe { (head.read()[0], head.read()[1] as usize) };
        let needed = std::mem::offset_of!(EnvTable, advance);
        if version != ABI_VERSION || size < needed {
            return Err(format!("version {version} of {size} bytes; rebuild its package"));
        }
        let mut table = std::mem::MaybeUninit::<EnvTable>::zeroed();
        let shared = size.min(size_of::<EnvTable>());
        // SAFETY: both are valid for `shared` bytes; all zeros is a table without functions.
        let table = unsafe {
            let bytes = table.as_mut_ptr().cast::<u8>();
            bytes.copy_from_nonoverlapping(pointer.cast().as_ptr(), shared);
            table.assume_init()
        };
        match missing_function(&table) {
            Some(name) => Err(format!("one without the function {name}")),
            None => Ok(Self(table)),
        }
    }
}

fn missing_function(table: &EnvTable) -> Option<&'static str> {
    macro_rules! missing {
        ($($name:ident)*) => { [$((stringify!($name), table.$name.is_none())),*] };
    }
    let missing = missing!(
        clone drop last_error take_exception sizes obs_shape twists get_difficulty set_difficulty
        seed reset reset_uniform set_state step observe masks status check_solvable solution
    );
    missing.into_iter().find(|(_, missing)| *missing).map(|(name, _)| name)
}

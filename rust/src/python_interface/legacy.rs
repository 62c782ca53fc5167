//! Environments of wheels built against TwisteRL 0.3 to 0.5, which know only
//! `__extract_env__()`: the address of their `Box<dyn Env>` as an integer.
//!
//! Rust promises nothing about that layout, so this is done only where it was looked up and
//! tried: x86-64 Linux, wheels of three compiler versions. Before anything is called, the words
//! at the address must look exactly like such a box in this process's memory map; before anything
//! is played, the answers must agree with the object's own Python methods. Everything else is
//! refused with the advice to rebuild. A panic inside such an environment ends the process: it
//! cannot be caught across libraries.

#![cfg(all(target_arch = "x86_64", target_os = "linux"))]

use std::any::Any;
use std::borrow::Cow;
use std::ffi::c_void;
use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

use super::args::sizes;
use super::memory_map::MemoryMap;
use crate::error::Result;
use crate::rl::checked::CheckedSpec;
use crate::rl::env::{Env, Status, Twists};
use crate::rl::spec::EnvSpec;
use crate::spaces::{ActSpace, ObsSpace};

const NUM_WORDS: usize = size_of::<Methods>() / size_of::<usize>();
/// The first word that is a method.
const FIRST_METHOD: usize = 3;

// SAFETY of all calls below: `Shape` was checked when the environment came in. The methods were
// compiled with the Rust calling convention, which for these signatures equals the C one on this
// platform in all builds looked at: scalars in registers, a Vec or tuple through a hidden first
// pointer, a Box<dyn Env> in two registers.
type This = *mut c_void;
type GetCount = unsafe extern "C" fn(This) -> usize;
type GetBool = unsafe extern "C" fn(This) -> bool;
type GetFloat = unsafe extern "C" fn(This) -> f32;
type GetVec = unsafe extern "C" fn(*mut RawVec, This);
type GetTwists = unsafe extern "C" fn(*mut [RawVec; 2], This);
type CloneBox = unsafe extern "C" fn(This) -> RawBox;
type Act = unsafe extern "C" fn(This);
type ActWith = unsafe extern "C" fn(This, usize);
type SetState = unsafe extern "C" fn(This, *mut RawVec);

extern "C" {
    fn malloc(size: usize) -> *mut c_void;
    fn free(pointer: *mut c_void);
}

/// A `Vec` of that library: its buffer is malloc's.
#[repr(C)]
#[derive(Clone, Copy)]
struct RawVec {
    capacity: usize,
    pointer: *mut c_void,
    len: usize,
}

const EMPTY: RawVec = RawVec { capacity: 0, pointer: std::ptr::null_mut(), len: 0 };

impl RawVec {
    /// Copies the elements out and frees the buffer.
    ///
    /// # Safety
    /// A method of a checked environment wrote this as its `Vec<T>`.
    unsafe fn take<T: Copy>(self) -> Vec<T> {
        if self.len == 0 {
            // SAFETY: as above.
            unsafe { self.release() };
            return Vec::new();
        }
        // SAFETY: as above; the pointer is that of `len` elements.
        unsafe {
            let elements = std::slice::from_raw_parts(self.pointer.cast::<T>(), self.len).to_vec();
            self.release();
            elements
        }
    }

    /// # Safety
    /// As [`RawVec::take`], and the elements need no drop.
    unsafe fn release(self) {
        if self.capacity > 0 {
            // SAFETY: a Vec with capacity owns a buffer from malloc.
            unsafe { free(self.pointer) };
        }
    }
}

/// A `Box<dyn Env>` of that library.
#[repr(C)]
#[derive(Clone, Copy)]
struct RawBox {
    data: This,
    vtable: *const Methods,
}

/// The vtable of one type of that library's environments, word by word.
#[derive(Clone, Copy)]
#[repr(C)]
struct Methods {
    drop: Option<Act>,
    size: usize,
    _align: usize,
    clone_box: CloneBox,
    _as_any: [usize; 2],
    num_actions: GetCount,
    obs_shape: GetVec,
    set_difficulty: ActWith,
    get_difficulty: GetCount,
    set_state: SetState,
    reset: Act,
    step: ActWith,
    masks: GetVec,
    is_final: GetBool,
    success: GetBool,
    reward: GetFloat,
    observe: GetVec,
    twists: GetTwists,
    track_solution: GetBool,
    solution: GetVec,
}

/// The box at `address`, if the memory there looks exactly like one.
fn box_at(address: usize) -> std::result::Result<RawBox, String> {
    let map = MemoryMap::of_this_process().map_err(|error| error.to_string())?;
    let Some([data, vtable]) = map.words::<2>(address) else {
        return Err("an address that is not mapped".to_owned());
    };
    let Some(words) = map.words::<NUM_WORDS>(vtable) else {
        return Err("a box whose vtable is not mapped".to_owned());
    };
    let [drop, size, align, ..] = words;
    let plausible = align.is_power_of_two() && align <= 4096 && size % align == 0;
    if !plausible || (drop != 0 && !map.is_code(drop)) {
        return Err("a box without a vtable".to_owned());
    }
    if data == 0 || data % align != 0 || !map.is_readable(data, size.max(1)) {
        return Err("a box whose data is not mapped".to_owned());
    }
    let num_methods = words[FIRST_METHOD..].iter().take_while(|word| map.is_code(**word)).count();
    if num_methods < NUM_WORDS - FIRST_METHOD {
        return Err(format!("an environment with {num_methods} methods"));
    }
    // One word more may be code only if it begins the next vtable.
    if let Some([next, size, align]) = map.words::<3>(vtable + NUM_WORDS * size_of::<usize>()) {
        let begins_vtable = align.is_power_of_two() && align <= 4096 && size % align == 0;
        if map.is_code(next) && !begins_vtable {
            return Err("an environment with more than 18 methods".to_owned());
        }
    }
    Ok(RawBox { data: data as This, vtable: vtable as *const Methods })
}

/// An environment of an older wheel, played through its own methods.
pub struct LegacyEnv {
    data: This,
    methods: Methods,
    described: Arc<CheckedSpec>,
}

// SAFETY: that library's trait demands Send and Sync of every environment.
unsafe impl Send for LegacyEnv {}
unsafe impl Sync for LegacyEnv {}

/// A box of the known shape, not yet compared with what its object says.
struct Candidate {
    raw: RawBox,
    methods: Methods,
    num_actions: usize,
    difficulty: usize,
    obs_shape: Vec<usize>,
}

impl Candidate {
    /// What lies at `address`, whose owner lives and is not in use.
    fn at(address: usize) -> std::result::Result<Self, String> {
        let raw = box_at(address)?;
        // SAFETY: the vtable was just found mapped and of the known shape, and these three
        // methods only read.
        unsafe {
            let methods = *raw.vtable;
            let mut shape = EMPTY;
            let num_actions = (methods.num_actions)(raw.data);
            let difficulty = (methods.get_difficulty)(raw.data);
            (methods.obs_shape)(&mut shape, raw.data);
            Ok(Self { raw, methods, num_actions, difficulty, obs_shape: shape.take() })
        }
    }

    /// A copy to play.
    fn accept(self, class: String) -> Result<LegacyEnv> {
        let Self { raw, methods, num_actions, obs_shape, .. } = self;
        // SAFETY: as in `at`.
        let twists = unsafe { twists(&methods, raw) };
        let space = ObsSpace::Sparse { shape: obs_shape };
        let acts = ActSpace::Discrete { n: num_actions };
        let described =
            Arc::new(CheckedSpec::new(EnvSpec { twists, ..EnvSpec::new(class, space, acts) })?);
        // SAFETY: as in `at`; the copy is ours.
        let copy = unsafe { (methods.clone_box)(raw.data) };
        Ok(LegacyEnv { data: copy.data, methods, described })
    }
}

impl LegacyEnv {
    /// A copy of the environment of `object`, whose `__extract_env__()` gave `address`.
    ///
    /// # Errors
    /// TypeError saying how to rebuild, if what lies there is not exactly what is expected.
    pub fn new(object: &Bound<'_, PyAny>, address: usize) -> PyResult<Self> {
        let class = object.get_type().name()?.to_string();
        let refuse = |found: String| {
            PyTypeError::new_err(format!(
                "env: __extract_env__() of {class} gave {found}; rebuild its package against \
                 twisterl 0.5.10 or later, whose environments come as __twisterl_env__()"
            ))
        };
        // The object lives, and its methods do not run now: this thread holds the lock.
        let candidate = Candidate::at(address).map_err(refuse)?;
        let told = (
            object.call_method0("num_actions")?.extract::<usize>()?,
            object.getattr("difficulty")?.extract::<usize>()?,
            sizes("obs_shape", &object.call_method0("obs_shape")?)?,
        );
        if told != (candidate.num_actions, candidate.difficulty, candidate.obs_shape.clone()) {
            return Err(refuse("an environment that disagrees with its own methods".to_owned()));
        }
        Ok(candidate.accept(class)?)
    }

    fn read<T: Copy>(&self, method: GetVec) -> Vec<T> {
        let mut out = EMPTY;
        // SAFETY: see the top of the file; `data` is ours.
        unsafe {
            method(&mut out, self.data);
            out.take()
        }
    }
}

/// # Safety
/// `raw` is a checked environment with these methods.
unsafe fn twists(methods: &Methods, raw: RawBox) -> Twists {
    let mut out = [EMPTY; 2];
    // SAFETY: as above; each part is a Vec of Vecs of numbers.
    unsafe {
        (methods.twists)(&mut out, raw.data);
        let rows = |part: RawVec| part.take::<RawVec>().into_iter().map(|row| row.take()).collect();
        (rows(out[0]), rows(out[1]))
    }
}

impl Clone for LegacyEnv {
    fn clone(&self) -> Self {
        // SAFETY: see the top of the file; the copy is of the same type.
        let copy = unsafe { (self.methods.clone_box)(self.data) };
        Self { data: copy.data, methods: self.methods, described: self.described.clone() }
    }
}

impl Drop for LegacyEnv {
    fn drop(&mut self) {
        // SAFETY: `data` is ours, and what clone_box allocated came from malloc.
        unsafe {
            if let Some(drop) = self.methods.drop {
                drop(self.data);
            }
            if self.methods.size > 0 {
                free(self.data);
            }
        }
    }
}

// SAFETY of the calls in this block: see the top of the file; `data` is this copy's own.
impl Env for LegacyEnv {
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
    fn num_actions(&self) -> usize {
        self.described.num_actions
    }
    fn obs_shape(&self) -> Vec<usize> {
        self.described.spec.obs.shape().to_vec()
    }
    fn twists(&self) -> Twists {
        self.described.spec.twists.clone()
    }
    fn set_difficulty(&mut self, difficulty: usize) {
        unsafe { (self.methods.set_difficulty)(self.data, difficulty) }
    }
    fn get_difficulty(&self) -> usize {
        unsafe { (self.methods.get_difficulty)(self.data) }
    }
    fn set_state(&mut self, state: Vec<i64>) {
        // SAFETY: the callee frees the buffer, so it is malloc's; malloc failing aborts as any
        // failed allocation does.
        unsafe {
            let mut raw = RawVec { capacity: 0, pointer: 8 as *mut c_void, len: 0 };
            if !state.is_empty() {
                let pointer = malloc(size_of_val(state.as_slice()));
                assert!(!pointer.is_null(), "out of memory");
                pointer.cast::<i64>().copy_from_nonoverlapping(state.as_ptr(), state.len());
                raw = RawVec { capacity: state.len(), pointer, len: state.len() };
            }
            (self.methods.set_state)(self.data, &mut raw);
        }
    }
    fn reset(&mut self) {
        unsafe { (self.methods.reset)(self.data) }
    }
    fn step(&mut self, action: usize) {
        unsafe { (self.methods.step)(self.data, action) }
    }
    fn masks(&self) -> Vec<bool> {
        self.read::<u8>(self.methods.masks).into_iter().map(|mask| mask != 0).collect()
    }
    fn is_final(&self) -> bool {
        unsafe { (self.methods.is_final)(self.data) }
    }
    fn success(&self) -> bool {
        unsafe { (self.methods.success)(self.data) }
    }
    fn reward(&self) -> f32 {
        unsafe { (self.methods.reward)(self.data) }
    }
    fn observe(&self) -> Vec<usize> {
        self.read(self.methods.observe)
    }
    fn track_solution(&self) -> bool {
        unsafe { (self.methods.track_solution)(self.data) }
    }
    fn solution(&self) -> Vec<usize> {
        self.read(self.methods.solution)
    }

    fn spec(&self) -> Cow<'_, EnvSpec> {
        Cow::Borrowed(&self.described.spec)
    }
    fn try_observe(&self, indices: &mut Vec<i32>) -> Result<()> {
        let first = indices.len();
        for index in self.observe() {
            let index = i64::try_from(index).unwrap_or(i64::MAX);
            indices.push(self.described.features("observe").index(index)?);
        }
        self.described.features("observe").check(&indices[first..])
    }
    fn try_status(&self) -> Result<Status> {
        Ok(Status {
            reward: self.described.reward("reward", self.reward().into())?,
            is_final: self.is_final(),
            success: self.success(),
            truncated: false,
        })
    }
}

#[cfg(test)]
mod tests;

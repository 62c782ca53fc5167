//! Lights Out: a press flips a lamp and its neighbours, and all are to be off.
//!
//!     rustc --target wasm32-unknown-unknown --crate-type cdylib -O -C panic=abort lights_out.rs
//!
//! The interface is that of `twisterl_env.h`, said again in Rust.

#![no_std]

use core::slice;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}

const OK: i32 = 0;
const INVALID: i32 = 1;
const ALWAYS_ENDS: i32 = 1;
const TELLS_TRUNCATION: i32 = 2;
const HAS_GOAL: i32 = 4;
const HAS_UNIFORM: i32 = 8;
const RESET: u32 = 0;
const STEP: u32 = 1;
const RESET_UNIFORM: u32 = 3;
const RESET_GOAL: u32 = 4;

#[repr(C)]
pub struct Move {
    state: *mut Lamps,
    kind: u32,
    value: u64,
    seed: u64,
}

#[repr(C)]
pub struct Status {
    reward: f32,
    is_final: u8,
    success: u8,
    truncated: u8,
    reserved: u8,
}

#[repr(C)]
pub struct Views {
    indices: *mut i32,
    capacity: u32,
    ends: *mut u32,
    masks: *mut u8,
    status: *mut Status,
}

/// An episode: a bit a lamp, set where it is on.
#[repr(C)]
pub struct Lamps {
    on: u64,
    steps_left: u64,
}

static WIDTH: AtomicUsize = AtomicUsize::new(3);
static MAX_STEPS: AtomicUsize = AtomicUsize::new(20);

fn count() -> usize {
    let width = WIDTH.load(Relaxed);
    width * width
}

impl Lamps {
    fn press(&mut self, action: usize) {
        let width = WIDTH.load(Relaxed);
        let (row, column) = (action / width, action % width);
        for lamp in 0..width * width {
            let distance = row.abs_diff(lamp / width) + column.abs_diff(lamp % width);
            self.on ^= u64::from(distance <= 1) << lamp;
        }
    }

    fn turn_off(&mut self) {
        (self.on, self.steps_left) = (0, MAX_STEPS.load(Relaxed) as u64);
    }

    fn make(&mut self, told: &Move) {
        let mut seed = told.seed;
        match told.kind {
            STEP => {
                self.press(told.value as usize);
                self.steps_left = self.steps_left.saturating_sub(1);
            }
            RESET => {
                self.turn_off();
                (0..told.value).for_each(|_| self.press(draw(&mut seed) as usize % count()));
            }
            RESET_UNIFORM => {
                // Every board that can be solved comes from some set of presses, equally often.
                self.turn_off();
                let presses = draw(&mut seed);
                (0..count()).filter(|lamp| presses >> lamp & 1 == 1).for_each(|lamp| self.press(lamp));
            }
            RESET_GOAL => self.turn_off(),
            _ => {}
        }
    }
}

/// SplitMix64: Steele, Lea and Flood, Fast splittable pseudorandom number generators, 2014.
fn draw(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ *seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

#[no_mangle]
pub extern "C" fn twisterl_env() -> i32 {
    1
}

#[no_mangle]
pub extern "C" fn parameter_width(value: i64) -> i32 {
    if !(2..=8).contains(&value) {
        return INVALID;
    }
    WIDTH.store(value as usize, Relaxed);
    OK
}

#[no_mangle]
pub extern "C" fn parameter_max_steps(value: i64) -> i32 {
    if !(1..=1_000_000).contains(&value) {
        return INVALID;
    }
    MAX_STEPS.store(value as usize, Relaxed);
    OK
}

#[no_mangle]
pub extern "C" fn num_actions() -> i32 {
    count() as i32
}

#[no_mangle]
pub extern "C" fn num_features() -> i32 {
    2 * count() as i32
}

#[no_mangle]
pub extern "C" fn most_active() -> i32 {
    count() as i32
}

#[no_mangle]
pub extern "C" fn state_size() -> i32 {
    size_of::<Lamps>() as i32
}

#[no_mangle]
pub extern "C" fn flags() -> i32 {
    ALWAYS_ENDS | TELLS_TRUNCATION | HAS_GOAL | HAS_UNIFORM
}

/// # Safety
/// The host gives room for `num_actions()` of them.
#[no_mangle]
pub unsafe extern "C" fn inverse_actions(actions: *mut i32) -> i32 {
    let actions = slice::from_raw_parts_mut(actions, count());
    (0..).zip(actions).for_each(|(action, inverse)| *inverse = action);
    OK
}

/// # Safety
/// The host gives a state and `length` numbers.
#[no_mangle]
pub unsafe extern "C" fn set_state(state: *mut Lamps, numbers: *const i64, length: u32) -> i32 {
    let numbers = slice::from_raw_parts(numbers, length as usize);
    if numbers.len() != count() || numbers.iter().any(|lamp| !(0..=1).contains(lamp)) {
        return INVALID;
    }
    let lamps = &mut *state;
    lamps.turn_off();
    lamps.on = numbers.iter().enumerate().map(|(lamp, &on)| (on as u64) << lamp).sum();
    OK
}

/// # Safety
/// The host gives `length` moves of different states, and views with room for them.
#[no_mangle]
pub unsafe extern "C" fn advance(moves: *const Move, length: u32, views: *mut Views) -> i32 {
    let (moves, views, lamps) = (slice::from_raw_parts(moves, length as usize), &*views, count());
    let indices = slice::from_raw_parts_mut(views.indices, views.capacity as usize);
    let ends = slice::from_raw_parts_mut(views.ends, moves.len());
    let masks = slice::from_raw_parts_mut(views.masks, moves.len() * lamps);
    let status = slice::from_raw_parts_mut(views.status, moves.len());
    masks.fill(1);
    for (row, told) in moves.iter().enumerate() {
        let board = &mut *told.state;
        board.make(told);
        for lamp in 0..lamps {
            indices[row * lamps + lamp] = (2 * lamp) as i32 + (board.on >> lamp & 1) as i32;
        }
        ends[row] = ((row + 1) * lamps) as u32;
        let success = board.on == 0;
        let truncated = !success && board.steps_left == 0;
        status[row] = Status {
            reward: if success { 1.0 } else { -0.05 },
            is_final: u8::from(success || truncated),
            success: u8::from(success),
            truncated: u8::from(truncated),
            reserved: 0,
        };
    }
    OK
}

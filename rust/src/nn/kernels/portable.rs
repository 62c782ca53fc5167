//! Plain arithmetic for every other processor: tiles of 2 rows x 16 columns, or of 1 x 32.

use std::ops::Range;

use super::super::buffer::Matrix;
use super::packed::{Bags, Conv};
use super::simd::{self, BagPanel, Panel, Places, Products, Simd, Turned};

struct Portable;

const LANES: usize = 4;

/// `a * b + c`, rounded once where that is an instruction: the library call is 30 times slower.
#[inline(always)]
fn multiply_add(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
        a.mul_add(b, c)
    } else {
        a * b + c
    }
}

impl Simd for Portable {
    type Vector = [f32; LANES];
    const LANES: usize = LANES;

    #[inline(always)]
    unsafe fn splat(value: f32) -> [f32; LANES] {
        [value; LANES]
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> [f32; LANES] {
        from.cast::<[f32; LANES]>().read()
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, vector: [f32; LANES]) {
        to.cast::<[f32; LANES]>().write(vector)
    }
    #[inline(always)]
    unsafe fn add(a: [f32; LANES], b: [f32; LANES]) -> [f32; LANES] {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn multiply_add(a: [f32; LANES], b: [f32; LANES], c: [f32; LANES]) -> [f32; LANES] {
        std::array::from_fn(|i| multiply_add(a[i], b[i], c[i]))
    }
    #[inline(always)]
    unsafe fn relu(a: [f32; LANES]) -> [f32; LANES] {
        a.map(|value| if value < 0.0 { 0.0 } else { value })
    }
}

/// # Safety
/// The panel's pointers are good for its sizes; `columns` is 16 or 32.
pub(super) unsafe fn multiply(panel: &Panel) {
    match panel.columns {
        32 => simd::multiply::<Portable, 1, 8>(panel),
        _ => simd::multiply::<Portable, 2, 4>(panel),
    }
}

/// # Safety
/// As for [`multiply`]; every start with every offset is in the panel's input.
pub(super) unsafe fn multiply_placed(panel: &Panel, places: Places) {
    match panel.columns {
        32 => simd::multiply_placed::<Portable, 1, 8>(panel, places),
        _ => simd::multiply_placed::<Portable, 2, 4>(panel, places),
    }
}

/// # Safety
/// As for [`multiply`]; every feature names a vector of the panel, every bag a row of its output.
pub(super) unsafe fn sum_bags(panel: &BagPanel, bags: &Bags) {
    match panel.columns {
        32 => simd::sum_bags::<Portable, 8>(panel, bags),
        _ => simd::sum_bags::<Portable, 4>(panel, bags),
    }
}

/// # Safety
/// None: all is checked.
pub(super) unsafe fn sum_placed(conv: &Conv, features: &[u32], relu: bool, output: &mut [f32]) {
    simd::sum_placed::<Portable>(conv, features, relu, output)
}

/// # Safety
/// The block's pointers are good for its sizes; `columns` is 16 or 32.
pub(super) unsafe fn products(block: &Products) {
    match block.columns {
        32 => simd::products::<Portable, 8>(block),
        _ => simd::products::<Portable, 4>(block),
    }
}

/// # Safety
/// Every feature in `range` has a vector, every bag a row of `delta`.
pub(super) unsafe fn add_to_bags(
    bags: &Bags,
    range: &Range<usize>,
    delta: &Matrix,
    vectors: &mut [f32],
) {
    simd::add_to_bags::<Portable>(bags, range, delta, vectors)
}

/// # Safety
/// The pointers are good for the sizes.
pub(super) unsafe fn turn(matrix: &Turned) {
    simd::turn::<Portable>(matrix)
}

/// # Safety
/// None: all is checked.
pub(super) unsafe fn multiply_adds(rounds: usize) -> usize {
    simd::multiply_adds::<Portable>(rounds)
}

//! 512-bit vectors: tiles of 6 rows x 64 columns, 24 sums in the 32 registers.

// Rows and columns are told apart by their letters.
#![allow(clippy::needless_range_loop)]

use std::arch::x86_64::*;
use std::ops::Range;

use super::super::buffer::Matrix;
use super::packed::{Bags, Conv};
use super::simd::{self, BagPanel, Panel, Places, Products, Simd, Turned};

struct Avx512;

impl Simd for Avx512 {
    type Vector = __m512;
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m512 {
        _mm512_set1_ps(value)
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m512 {
        _mm512_loadu_ps(from)
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, vector: __m512) {
        _mm512_storeu_ps(to, vector)
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        _mm512_add_ps(a, b)
    }
    #[inline(always)]
    unsafe fn multiply_add(a: __m512, b: __m512, c: __m512) -> __m512 {
        _mm512_fmadd_ps(a, b, c)
    }
    #[inline(always)]
    unsafe fn relu(a: __m512) -> __m512 {
        // The second operand is the result where one is NaN.
        _mm512_max_ps(_mm512_setzero_ps(), a)
    }
    #[inline(always)]
    unsafe fn turn((from, step): (*const f32, usize), (to, stride): (*mut f32, usize)) {
        let mut rows = [_mm512_setzero_ps(); 16];
        for i in 0..16 {
            rows[i] = _mm512_loadu_ps(from.add(i * step));
        }
        // Quarter `q` of `fours[g + k]` has column `4 q + k` of the rows `g..g + 4`.
        let mut fours = rows;
        for g in [0, 4, 8, 12] {
            let a = _mm512_castps_pd(_mm512_unpacklo_ps(rows[g], rows[g + 1]));
            let b = _mm512_castps_pd(_mm512_unpacklo_ps(rows[g + 2], rows[g + 3]));
            let c = _mm512_castps_pd(_mm512_unpackhi_ps(rows[g], rows[g + 1]));
            let d = _mm512_castps_pd(_mm512_unpackhi_ps(rows[g + 2], rows[g + 3]));
            fours[g] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            fours[g + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
            fours[g + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(c, d));
            fours[g + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(c, d));
        }
        for k in 0..4 {
            let (a, b, c, d) = (fours[k], fours[4 + k], fours[8 + k], fours[12 + k]);
            let (low, high) = (_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(c, d, 0x88));
            _mm512_storeu_ps(to.add(k * stride), _mm512_shuffle_f32x4(low, high, 0x88));
            _mm512_storeu_ps(to.add((8 + k) * stride), _mm512_shuffle_f32x4(low, high, 0xDD));
            let (low, high) = (_mm512_shuffle_f32x4(a, b, 0xDD), _mm512_shuffle_f32x4(c, d, 0xDD));
            _mm512_storeu_ps(to.add((4 + k) * stride), _mm512_shuffle_f32x4(low, high, 0x88));
            _mm512_storeu_ps(to.add((12 + k) * stride), _mm512_shuffle_f32x4(low, high, 0xDD));
        }
    }
}

/// # Safety
/// The processor has AVX-512F; the panel's pointers are good for its sizes; `columns` is 16 to 64.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn multiply(panel: &Panel) {
    match panel.columns {
        64 => simd::multiply::<Avx512, 6, 4>(panel),
        48 => simd::multiply::<Avx512, 8, 3>(panel),
        32 => simd::multiply::<Avx512, 8, 2>(panel),
        _ => simd::multiply::<Avx512, 8, 1>(panel),
    }
}

/// # Safety
/// As for [`multiply`]; every start with every offset is in the panel's input.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn multiply_placed(panel: &Panel, places: Places) {
    match panel.columns {
        64 => simd::multiply_placed::<Avx512, 6, 4>(panel, places),
        48 => simd::multiply_placed::<Avx512, 8, 3>(panel, places),
        32 => simd::multiply_placed::<Avx512, 8, 2>(panel, places),
        _ => simd::multiply_placed::<Avx512, 8, 1>(panel, places),
    }
}

/// # Safety
/// As for [`multiply`]; every feature names a vector of the panel, every bag a row of its output.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn sum_bags(panel: &BagPanel, bags: &Bags) {
    match panel.columns {
        64 => simd::sum_bags::<Avx512, 4>(panel, bags),
        48 => simd::sum_bags::<Avx512, 3>(panel, bags),
        32 => simd::sum_bags::<Avx512, 2>(panel, bags),
        _ => simd::sum_bags::<Avx512, 1>(panel, bags),
    }
}

/// # Safety
/// The processor has AVX-512F.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn sum_placed(conv: &Conv, features: &[u32], relu: bool, output: &mut [f32]) {
    simd::sum_placed::<Avx512>(conv, features, relu, output)
}

/// # Safety
/// The processor has AVX-512F; the block's pointers are good for its sizes; `columns` is 16 to 64.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn products(block: &Products) {
    match block.columns {
        64 => simd::products::<Avx512, 4>(block),
        48 => simd::products::<Avx512, 3>(block),
        32 => simd::products::<Avx512, 2>(block),
        _ => simd::products::<Avx512, 1>(block),
    }
}

/// # Safety
/// The processor has AVX-512F; every feature in `range` has a vector, every bag a row of `delta`.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn add_to_bags(
    bags: &Bags,
    range: &Range<usize>,
    delta: &Matrix,
    vectors: &mut [f32],
) {
    simd::add_to_bags::<Avx512>(bags, range, delta, vectors)
}

/// # Safety
/// The processor has AVX-512F; the pointers are good for the sizes.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn turn(matrix: &Turned) {
    simd::turn::<Avx512>(matrix)
}

/// # Safety
/// The processor has AVX-512F.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn multiply_adds(rounds: usize) -> usize {
    simd::multiply_adds::<Avx512>(rounds)
}

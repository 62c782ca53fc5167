//! 256-bit vectors: tiles of 6 rows x 16 columns, 12 sums in the 16 registers.

// Rows and columns are told apart by their letters.
#![allow(clippy::needless_range_loop)]

use std::arch::x86_64::*;
use std::ops::Range;

use super::super::buffer::Matrix;
use super::packed::{Bags, Conv};
use super::simd::{self, BagPanel, Panel, Places, Products, Simd, Turned};

struct Avx2;

impl Simd for Avx2 {
    type Vector = __m256;
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn splat(value: f32) -> __m256 {
        _mm256_set1_ps(value)
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        _mm256_loadu_ps(from)
    }
    #[inline(always)]
    unsafe fn store(to: *mut f32, vector: __m256) {
        _mm256_storeu_ps(to, vector)
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        _mm256_add_ps(a, b)
    }
    #[inline(always)]
    unsafe fn multiply_add(a: __m256, b: __m256, c: __m256) -> __m256 {
        _mm256_fmadd_ps(a, b, c)
    }
    #[inline(always)]
    unsafe fn relu(a: __m256) -> __m256 {
        // The second operand is the result where one is NaN.
        _mm256_max_ps(_mm256_setzero_ps(), a)
    }
    #[inline(always)]
    unsafe fn turn((from, step): (*const f32, usize), (to, stride): (*mut f32, usize)) {
        let mut rows = [_mm256_setzero_ps(); 8];
        for i in 0..8 {
            rows[i] = _mm256_loadu_ps(from.add(i * step));
        }
        // Half `h` of `fours[g + k]` has column `4 h + k` of the rows `g..g + 4`.
        let mut fours = rows;
        for g in [0, 4] {
            let a = _mm256_castps_pd(_mm256_unpacklo_ps(rows[g], rows[g + 1]));
            let b = _mm256_castps_pd(_mm256_unpacklo_ps(rows[g + 2], rows[g + 3]));
            let c = _mm256_castps_pd(_mm256_unpackhi_ps(rows[g], rows[g + 1]));
            let d = _mm256_castps_pd(_mm256_unpackhi_ps(rows[g + 2], rows[g + 3]));
            fours[g] = _mm256_castpd_ps(_mm256_unpacklo_pd(a, b));
            fours[g + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(a, b));
            fours[g + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(c, d));
            fours[g + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(c, d));
        }
        for k in 0..4 {
            let (low, high) = (fours[k], fours[4 + k]);
            _mm256_storeu_ps(to.add(k * stride), _mm256_permute2f128_ps(low, high, 0x20));
            _mm256_storeu_ps(to.add((4 + k) * stride), _mm256_permute2f128_ps(low, high, 0x31));
        }
    }
}

/// # Safety
/// The processor has AVX2 and FMA; the panel's pointers are good for its sizes; `columns` is 16.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn multiply(panel: &Panel) {
    simd::multiply::<Avx2, 6, 2>(panel)
}

/// # Safety
/// As for [`multiply`]; every start with every offset is in the panel's input.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn multiply_placed(panel: &Panel, places: Places) {
    simd::multiply_placed::<Avx2, 6, 2>(panel, places)
}

/// # Safety
/// As for [`multiply`]; every feature names a vector of the panel, every bag a row of its output.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn sum_bags(panel: &BagPanel, bags: &Bags) {
    simd::sum_bags::<Avx2, 2>(panel, bags)
}

/// # Safety
/// The processor has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn sum_placed(conv: &Conv, features: &[u32], relu: bool, output: &mut [f32]) {
    simd::sum_placed::<Avx2>(conv, features, relu, output)
}

/// # Safety
/// The processor has AVX2 and FMA; the block's pointers are good for its sizes; `columns` is 16.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn products(block: &Products) {
    simd::products::<Avx2, 2>(block)
}

/// # Safety
/// The processor has AVX2 and FMA; every feature in `range` has a vector, every bag a row of `delta`.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn add_to_bags(
    bags: &Bags,
    range: &Range<usize>,
    delta: &Matrix,
    vectors: &mut [f32],
) {
    simd::add_to_bags::<Avx2>(bags, range, delta, vectors)
}

/// # Safety
/// The processor has AVX2 and FMA; the pointers are good for the sizes.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn turn(matrix: &Turned) {
    simd::turn::<Avx2>(matrix)
}

/// # Safety
/// The processor has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn multiply_adds(rounds: usize) -> usize {
    simd::multiply_adds::<Avx2>(rounds)
}

//! 256-bit vectors: tiles of 6 rows x 16 columns, 12 sums in the 16 registers.

use std::arch::x86_64::*;
use std::ops::Range;

use super::super::buffer::Matrix;
use super::packed::{Bags, Conv};
use super::simd::{self, BagPanel, Panel, Products, Simd};

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
}

/// # Safety
/// The processor has AVX2 and FMA; the panel's pointers are good for its sizes; `columns` is 16.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn multiply(panel: &Panel) {
    simd::multiply::<Avx2, 6, 2>(panel)
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
/// The processor has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn widely(work: impl FnOnce()) {
    work();
}

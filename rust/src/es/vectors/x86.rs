//! The registers of x86-64 processors.

use std::arch::x86_64::*;

use super::super::block::Block;
use super::{Simd, FOLDED};

impl Simd for __m512 {
    #[inline(always)]
    unsafe fn load(block: &Block) -> Self {
        _mm512_load_ps(block.0.as_ptr())
    }
    #[inline(always)]
    unsafe fn zero() -> Self {
        _mm512_setzero_ps()
    }
    #[inline(always)]
    unsafe fn add(self, block: &Block) -> Self {
        _mm512_add_ps(self, Self::load(block))
    }
    #[inline(always)]
    unsafe fn relu(self) -> Self {
        // The second operand is the result where one is NaN.
        _mm512_max_ps(self, Self::zero())
    }
    #[inline(always)]
    unsafe fn multiply(self, factors: &Block) -> Self {
        _mm512_mul_ps(self, Self::load(factors))
    }
    #[inline(always)]
    unsafe fn multiply_add(self, factors: &Block, sums: Self) -> Self {
        _mm512_fmadd_ps(self, Self::load(factors), sums)
    }
    #[inline(always)]
    unsafe fn fold(each: [Self; FOLDED], bias: [f32; FOLDED]) -> [f32; FOLDED] {
        let mut halves = [_mm256_setzero_ps(); FOLDED];
        for (half, sums) in halves.iter_mut().zip(each) {
            let upper = _mm512_shuffle_f32x4::<0b11_10_11_10>(sums, sums);
            *half = _mm256_add_ps(_mm512_castps512_ps256(sums), _mm512_castps512_ps256(upper));
        }
        fold_halves(halves, bias)
    }
    #[inline(always)]
    unsafe fn best(scores: [f32; FOLDED], legal: u8) -> usize {
        best_of_four(scores, legal)
    }
}

impl Simd for [__m256; 2] {
    #[inline(always)]
    unsafe fn load(block: &Block) -> Self {
        [_mm256_load_ps(block.0.as_ptr()), _mm256_load_ps(block.0[8..].as_ptr())]
    }
    #[inline(always)]
    unsafe fn zero() -> Self {
        [_mm256_setzero_ps(); 2]
    }
    #[inline(always)]
    unsafe fn add(self, block: &Block) -> Self {
        let [low, high] = Self::load(block);
        [_mm256_add_ps(self[0], low), _mm256_add_ps(self[1], high)]
    }
    #[inline(always)]
    unsafe fn relu(self) -> Self {
        let zero = _mm256_setzero_ps();
        [_mm256_max_ps(self[0], zero), _mm256_max_ps(self[1], zero)]
    }
    #[inline(always)]
    unsafe fn multiply(self, factors: &Block) -> Self {
        let [low, high] = Self::load(factors);
        [_mm256_mul_ps(self[0], low), _mm256_mul_ps(self[1], high)]
    }
    #[inline(always)]
    unsafe fn multiply_add(self, factors: &Block, sums: Self) -> Self {
        let [low, high] = Self::load(factors);
        [_mm256_fmadd_ps(self[0], low, sums[0]), _mm256_fmadd_ps(self[1], high, sums[1])]
    }
    #[inline(always)]
    unsafe fn fold(each: [Self; FOLDED], bias: [f32; FOLDED]) -> [f32; FOLDED] {
        let mut halves = [_mm256_setzero_ps(); FOLDED];
        for (half, [low, high]) in halves.iter_mut().zip(each) {
            *half = _mm256_add_ps(low, high);
        }
        fold_halves(halves, bias)
    }
    #[inline(always)]
    unsafe fn best(scores: [f32; FOLDED], legal: u8) -> usize {
        best_of_four(scores, legal)
    }
}

/// As [`Simd::fold`], from eight floats each on.
#[inline(always)]
unsafe fn fold_halves(each: [__m256; FOLDED], bias: [f32; FOLDED]) -> [f32; FOLDED] {
    // No closures: they would be compiled without the instructions of their caller.
    let mut quarters = [_mm_setzero_ps(); FOLDED];
    for (quarter, sums) in quarters.iter_mut().zip(each) {
        *quarter = _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps::<1>(sums));
    }
    let [a, b, c, d] = quarters;
    // Two at a time: what is left of each fills half a register.
    let ab = _mm_add_ps(_mm_movelh_ps(a, b), _mm_movehl_ps(b, a));
    let cd = _mm_add_ps(_mm_movelh_ps(c, d), _mm_movehl_ps(d, c));
    let even = _mm_shuffle_ps::<0b10_00_10_00>(ab, cd);
    let sums = _mm_add_ps(even, _mm_shuffle_ps::<0b11_01_11_01>(ab, cd));
    let mut biased = [0.0; FOLDED];
    _mm_storeu_ps(biased.as_mut_ptr(), _mm_add_ps(sums, _mm_loadu_ps(bias.as_ptr())));
    biased
}

/// By set of legal scores: infinity for those, minus infinity for the others.
const CEILINGS: [[f32; FOLDED]; 16] = {
    let mut ceilings = [[f32::NEG_INFINITY; FOLDED]; 16];
    let mut at = 0;
    while at < 16 * FOLDED {
        if ((at / FOLDED) >> (at % FOLDED)) & 1 == 1 {
            ceilings[at / FOLDED][at % FOLDED] = f32::INFINITY;
        }
        at += 1;
    }
    ceilings
};

/// As [`Simd::best`], without a branch: which action is best cannot be predicted.
#[inline(always)]
unsafe fn best_of_four(scores: [f32; FOLDED], legal: u8) -> usize {
    let scores = _mm_loadu_ps(scores.as_ptr());
    // The second operand is the result where one is NaN.
    let scores = _mm_max_ps(scores, _mm_set1_ps(f32::NEG_INFINITY));
    let ceiling = &CEILINGS[usize::from(legal) % CEILINGS.len()];
    let scores = _mm_min_ps(scores, _mm_loadu_ps(ceiling.as_ptr()));
    let highest = _mm_max_ps(scores, _mm_shuffle_ps::<0b01_00_11_10>(scores, scores));
    let highest = _mm_max_ps(highest, _mm_shuffle_ps::<0b10_11_00_01>(highest, highest));
    let equal = _mm_movemask_ps(_mm_cmpeq_ps(scores, highest)) & i32::from(legal);
    equal.trailing_zeros() as usize % FOLDED
}

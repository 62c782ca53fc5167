//! Sixteen floats in the registers of each kind of processor, and what is compiled for each.
//!
//! Every operation is exact or rounded once, the same on all of them, so that results do not
//! depend on the processor.

use super::network::{Block, LANES};
use crate::nn::CpuLevel;

/// Dot products that are folded together.
pub const FOLDED: usize = 4;

/// `LANES` floats.
///
/// # Safety
/// The methods are called only on processors that have the instructions, and inlined into a
/// function that enables them.
pub trait Simd: Copy {
    unsafe fn load(block: &Block) -> Self;
    unsafe fn zero() -> Self;
    unsafe fn add(self, block: &Block) -> Self;
    /// The larger of each and 0; 0 for NaN.
    unsafe fn relu(self) -> Self;
    unsafe fn multiply(self, factors: &Block) -> Self;
    /// `self * factors + sums`, rounded once.
    unsafe fn multiply_add(self, factors: &Block, sums: Self) -> Self;
    /// The sum of each, upper half on lower half until one float is left, and its `bias`.
    unsafe fn fold(each: [Self; FOLDED], bias: [f32; FOLDED]) -> [f32; FOLDED];
    /// The largest of `scores` among those whose bit is set in `legal`, which is below 16; the
    /// first of equals, and where all are NaN.
    #[inline(always)]
    unsafe fn best(scores: [f32; FOLDED], legal: u8) -> usize {
        let mut best = legal.trailing_zeros() as usize % FOLDED;
        let mut highest = f32::NEG_INFINITY;
        for (index, &score) in scores.iter().enumerate() {
            if (legal >> index) & 1 == 1 && score > highest {
                (best, highest) = (index, score);
            }
        }
        best
    }
}

/// Work that is compiled for every kind of processor.
pub trait Job {
    type Output;
    /// The work; `inline(always)`, or it is compiled for the oldest processor.
    ///
    /// # Safety
    /// The processor has what `S` needs.
    unsafe fn run<S: Simd>(self) -> Self::Output;
}

/// Runs `job` with the instructions of `level`. Panics if this processor lacks them.
pub fn run_at<J: Job>(level: CpuLevel, job: J) -> J::Output {
    assert!(level.is_available(), "{level:?} is not available");
    // SAFETY: the processor has the level's instructions, as was just asserted. Intrinsics keep
    // sums in registers, which the compiler does not by itself: three times faster.
    unsafe {
        match level {
            #[cfg(target_arch = "x86_64")]
            CpuLevel::Avx512 => x86::run_avx512(job),
            #[cfg(target_arch = "x86_64")]
            CpuLevel::Avx2 => x86::run_avx2(job),
            _ => job.run::<Plain>(),
        }
    }
}

/// What every processor can do.
#[derive(Clone, Copy)]
struct Plain([f32; LANES]);

impl Simd for Plain {
    #[inline(always)]
    unsafe fn load(block: &Block) -> Self {
        Self(block.0)
    }
    #[inline(always)]
    unsafe fn zero() -> Self {
        Self([0.0; LANES])
    }
    #[inline(always)]
    unsafe fn add(self, block: &Block) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + block.0[i]))
    }
    #[inline(always)]
    unsafe fn relu(self) -> Self {
        Self(self.0.map(|sum| if sum > 0.0 { sum } else { 0.0 }))
    }
    #[inline(always)]
    unsafe fn multiply(self, factors: &Block) -> Self {
        Self(std::array::from_fn(|i| self.0[i] * factors.0[i]))
    }
    #[inline(always)]
    unsafe fn multiply_add(self, factors: &Block, sums: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i].mul_add(factors.0[i], sums.0[i])))
    }
    #[inline(always)]
    unsafe fn fold(each: [Self; FOLDED], bias: [f32; FOLDED]) -> [f32; FOLDED] {
        std::array::from_fn(|index| {
            let Self(mut sums) = each[index];
            for width in [8, 4, 2, 1] {
                for i in 0..width {
                    sums[i] += sums[i + width];
                }
            }
            sums[0] + bias[index]
        })
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Block, Job, Simd, FOLDED};

    /// # Safety
    /// The processor has AVX-512F.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn run_avx512<J: Job>(job: J) -> J::Output {
        job.run::<__m512>()
    }

    /// # Safety
    /// The processor has AVX2 and FMA.
    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn run_avx2<J: Job>(job: J) -> J::Output {
        job.run::<[__m256; 2]>()
    }

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
}

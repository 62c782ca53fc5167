//! Sixteen floats in the registers of each kind of processor, and what is compiled for each.
//!
//! Every operation is exact or rounded once, the same on all of them, so that results do not
//! depend on the processor.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m512};

use super::block::{Block, LANES};
use crate::nn::CpuLevel;
#[cfg(target_arch = "x86_64")]
use crate::nn::{by_avx2, by_avx512};

#[cfg(target_arch = "x86_64")]
mod x86;

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
    // Intrinsics keep sums in registers, which the compiler does not by itself: three times faster.
    // SAFETY: each enables its level's instructions, if the processor has them.
    match level {
        #[cfg(target_arch = "x86_64")]
        CpuLevel::Avx512 => by_avx512(
            #[inline(always)]
            || unsafe { job.run::<__m512>() },
        ),
        #[cfg(target_arch = "x86_64")]
        CpuLevel::Avx2 => by_avx2(
            #[inline(always)]
            || unsafe { job.run::<[__m256; 2]>() },
        ),
        _ => unsafe { job.run::<Plain>() },
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
    // Sixteen calls of a function where there is no such instruction: not once more for every product.
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
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

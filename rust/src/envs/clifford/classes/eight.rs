//! Words of 64 bits, one of each qubit, in the registers of each kind of processor.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// Eight words.
///
/// # Safety
/// The methods are called only on processors that have the instructions, and inlined into a
/// function that enables them.
pub(super) trait Eight: Copy {
    unsafe fn load(words: &[u64; 8]) -> Self;
    unsafe fn stored(self) -> [u64; 8];
    unsafe fn all(word: u64) -> Self;
    unsafe fn plus(self, other: Self) -> Self;
    unsafe fn xor(self, other: Self) -> Self;
    unsafe fn times(self, factor: u64) -> Self;
    /// To the right.
    unsafe fn shifted<const BY: u32>(self) -> Self;
    /// To the left, each by its own number of bits.
    unsafe fn rotated(self, by: Self) -> Self;
    /// Of `table` the words that the three lowest bits of each say.
    unsafe fn looked_up(self, table: Self) -> Self;
    /// Those of the bits of `which`, 0 for the others.
    unsafe fn only(self, which: u8) -> Self;
}

/// `$work` with `$Eight` for the registers of `$level`, compiled for it where it is inlined.
macro_rules! in_eights {
    ($level:expr, $Eight:ident, $work:expr) => {{
        #[cfg(target_arch = "x86_64")]
        use $crate::nn::{by_avx2, by_avx512, CpuLevel};
        // SAFETY: each enables its level's instructions, if the processor has them.
        match $level {
            #[cfg(target_arch = "x86_64")]
            CpuLevel::Avx512 => by_avx512(
                #[inline(always)]
                || {
                    type $Eight = std::arch::x86_64::__m512i;
                    unsafe { $work }
                },
            ),
            #[cfg(target_arch = "x86_64")]
            CpuLevel::Avx2 => by_avx2(
                #[inline(always)]
                || {
                    type $Eight = [u64; 8];
                    unsafe { $work }
                },
            ),
            _ => {
                type $Eight = [u64; 8];
                unsafe { $work }
            }
        }
    }};
}
pub(super) use in_eights;

impl Eight for [u64; 8] {
    #[inline(always)]
    unsafe fn load(words: &[u64; 8]) -> Self {
        *words
    }
    #[inline(always)]
    unsafe fn stored(self) -> [u64; 8] {
        self
    }
    #[inline(always)]
    unsafe fn all(word: u64) -> Self {
        [word; 8]
    }
    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        std::array::from_fn(|i| self[i].wrapping_add(other[i]))
    }
    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        std::array::from_fn(|i| self[i] ^ other[i])
    }
    #[inline(always)]
    unsafe fn times(self, factor: u64) -> Self {
        self.map(|word| word.wrapping_mul(factor))
    }
    #[inline(always)]
    unsafe fn shifted<const BY: u32>(self) -> Self {
        self.map(|word| word >> BY)
    }
    #[inline(always)]
    unsafe fn rotated(self, by: Self) -> Self {
        std::array::from_fn(|i| self[i].rotate_left(by[i] as u32))
    }
    #[inline(always)]
    unsafe fn looked_up(self, table: Self) -> Self {
        self.map(|word| table[(word & 7) as usize])
    }
    #[inline(always)]
    unsafe fn only(self, which: u8) -> Self {
        std::array::from_fn(|i| if which >> i & 1 == 1 { self[i] } else { 0 })
    }
}

#[cfg(target_arch = "x86_64")]
impl Eight for __m512i {
    #[inline(always)]
    unsafe fn load(words: &[u64; 8]) -> Self {
        _mm512_loadu_si512(words.as_ptr().cast())
    }
    #[inline(always)]
    unsafe fn stored(self) -> [u64; 8] {
        let mut words = [0; 8];
        _mm512_storeu_si512(words.as_mut_ptr().cast(), self);
        words
    }
    #[inline(always)]
    unsafe fn all(word: u64) -> Self {
        _mm512_set1_epi64(word as i64)
    }
    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        _mm512_add_epi64(self, other)
    }
    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        _mm512_xor_si512(self, other)
    }
    #[inline(always)]
    unsafe fn times(self, factor: u64) -> Self {
        _mm512_mullo_epi64(self, Self::all(factor))
    }
    #[inline(always)]
    unsafe fn shifted<const BY: u32>(self) -> Self {
        _mm512_srli_epi64::<BY>(self)
    }
    #[inline(always)]
    unsafe fn rotated(self, by: Self) -> Self {
        _mm512_rolv_epi64(self, by)
    }
    #[inline(always)]
    unsafe fn looked_up(self, table: Self) -> Self {
        _mm512_permutexvar_epi64(self, table)
    }
    #[inline(always)]
    unsafe fn only(self, which: u8) -> Self {
        _mm512_maskz_mov_epi64(which, self)
    }
}

//! The registers of x86-64 processors.

use std::arch::x86_64::*;

use super::{Lanes, Table, Words};

impl Lanes for __m512i {
    const COUNT: usize = 32;
    type Mask = __mmask32;
    #[inline(always)]
    unsafe fn load(words: &Words, first: usize) -> Self {
        _mm512_loadu_si512(words.0[first..][..Self::COUNT].as_ptr().cast())
    }
    #[inline(always)]
    unsafe fn store(self, words: &mut Words, first: usize) {
        _mm512_storeu_si512(words.0[first..][..Self::COUNT].as_mut_ptr().cast(), self);
    }
    #[inline(always)]
    unsafe fn all(word: u16) -> Self {
        _mm512_set1_epi16(word as i16)
    }
    #[inline(always)]
    unsafe fn and(self, other: Self) -> Self {
        _mm512_and_si512(self, other)
    }
    #[inline(always)]
    unsafe fn without(self, bits: Self) -> Self {
        _mm512_andnot_si512(bits, self)
    }
    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        _mm512_or_si512(self, other)
    }
    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        _mm512_xor_si512(self, other)
    }
    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        _mm512_add_epi16(self, other)
    }
    #[inline(always)]
    unsafe fn minus(self, other: Self) -> Self {
        _mm512_sub_epi16(self, other)
    }
    #[inline(always)]
    unsafe fn shifted(self, by: u32) -> Self {
        _mm512_srl_epi16(self, _mm_cvtsi32_si128(by as i32))
    }
    #[inline(always)]
    unsafe fn have(self, bits: Self) -> __mmask32 {
        _mm512_test_epi16_mask(self, bits)
    }
    #[inline(always)]
    unsafe fn choose(mask: __mmask32, those: Self, others: Self) -> Self {
        _mm512_mask_blend_epi16(mask, others, those)
    }
    #[inline(always)]
    unsafe fn looked_up(self, table: &Table) -> Self {
        // The upper half is never asked for.
        let table = _mm512_castsi256_si512(_mm256_load_si256(table.0.as_ptr().cast()));
        _mm512_permutexvar_epi16(self, table)
    }
}

impl Lanes for __m256i {
    const COUNT: usize = 16;
    /// All bits of the words that are not meant.
    type Mask = __m256i;
    #[inline(always)]
    unsafe fn load(words: &Words, first: usize) -> Self {
        _mm256_loadu_si256(words.0[first..][..Self::COUNT].as_ptr().cast())
    }
    #[inline(always)]
    unsafe fn store(self, words: &mut Words, first: usize) {
        _mm256_storeu_si256(words.0[first..][..Self::COUNT].as_mut_ptr().cast(), self);
    }
    #[inline(always)]
    unsafe fn all(word: u16) -> Self {
        _mm256_set1_epi16(word as i16)
    }
    #[inline(always)]
    unsafe fn and(self, other: Self) -> Self {
        _mm256_and_si256(self, other)
    }
    #[inline(always)]
    unsafe fn without(self, bits: Self) -> Self {
        _mm256_andnot_si256(bits, self)
    }
    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        _mm256_or_si256(self, other)
    }
    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        _mm256_xor_si256(self, other)
    }
    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        _mm256_add_epi16(self, other)
    }
    #[inline(always)]
    unsafe fn minus(self, other: Self) -> Self {
        _mm256_sub_epi16(self, other)
    }
    #[inline(always)]
    unsafe fn shifted(self, by: u32) -> Self {
        _mm256_srl_epi16(self, _mm_cvtsi32_si128(by as i32))
    }
    #[inline(always)]
    unsafe fn have(self, bits: Self) -> __m256i {
        _mm256_cmpeq_epi16(_mm256_and_si256(self, bits), _mm256_setzero_si256())
    }
    #[inline(always)]
    unsafe fn choose(mask: __m256i, those: Self, others: Self) -> Self {
        _mm256_blendv_epi8(those, others, mask)
    }
    #[inline(always)]
    unsafe fn looked_up(self, table: &Table) -> Self {
        // The two bytes of each entry.
        let at = _mm256_mullo_epi16(self, _mm256_set1_epi16(0x0202));
        let at = _mm256_add_epi16(at, _mm256_set1_epi16(0x0100));
        let whole = _mm256_load_si256(table.0.as_ptr().cast());
        let low = _mm256_shuffle_epi8(_mm256_permute4x64_epi64::<0b01_00_01_00>(whole), at);
        let high = _mm256_shuffle_epi8(_mm256_permute4x64_epi64::<0b11_10_11_10>(whole), at);
        _mm256_blendv_epi8(low, high, _mm256_cmpgt_epi16(self, _mm256_set1_epi16(7)))
    }
}

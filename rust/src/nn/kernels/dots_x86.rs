//! The products of bytes by vectors of 512 and of 256 bits.

use std::arch::x86_64::*;

use super::bytes::{Dot, Product, Work};

struct Vnni512;

impl Dot for Vnni512 {
    type Sums = __m512i;
    type Weights = __m512i;

    #[inline(always)]
    unsafe fn start(_: *const u32) -> __m512i {
        _mm512_setzero_si512()
    }
    #[inline(always)]
    unsafe fn load(from: *const u32) -> __m512i {
        _mm512_loadu_si512(from.cast())
    }
    #[inline(always)]
    unsafe fn add(sums: __m512i, word: [u8; 4], weights: __m512i) -> __m512i {
        _mm512_dpbusd_epi32(sums, _mm512_set1_epi32(i32::from_le_bytes(word)), weights)
    }
    #[inline(always)]
    unsafe fn store(to: *mut u32, sums: __m512i) {
        _mm512_storeu_si512(to.cast(), sums);
    }
}

/// Two vectors of 256 bits, by what adds four products of bytes to each word.
macro_rules! bytes256 {
    ($name:ident, |$sums:ident, $word:ident, $weights:ident| $add:expr) => {
        struct $name;

        impl Dot for $name {
            type Sums = [__m256i; 2];
            type Weights = [__m256i; 2];

            #[inline(always)]
            unsafe fn start(_: *const u32) -> [__m256i; 2] {
                [_mm256_setzero_si256(); 2]
            }
            #[inline(always)]
            unsafe fn load(from: *const u32) -> [__m256i; 2] {
                [0, 8].map(|first| _mm256_loadu_si256(from.add(first).cast()))
            }
            #[inline(always)]
            unsafe fn add(
                mut sums: [__m256i; 2],
                word: [u8; 4],
                weights: [__m256i; 2],
            ) -> [__m256i; 2] {
                let $word = _mm256_set1_epi32(i32::from_le_bytes(word));
                for (sum, $weights) in sums.iter_mut().zip(weights) {
                    let $sums = *sum;
                    *sum = $add;
                }
                sums
            }
            #[inline(always)]
            unsafe fn store(to: *mut u32, sums: [__m256i; 2]) {
                _mm256_storeu_si256(to.cast(), sums[0]);
                _mm256_storeu_si256(to.add(8).cast(), sums[1]);
            }
        }
    };
}

bytes256!(Vnni256, |sums, word, weights| _mm256_dpbusd_avx_epi32(sums, word, weights));
bytes256!(Avx2, |sums, word, weights| {
    let pairs = _mm256_maddubs_epi16(word, weights);
    _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
});

/// # Safety
/// The processor has AVX-512 F and BW.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) unsafe fn run512(work: impl Work) {
    work.run();
}

/// # Safety
/// The processor has AVX2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn run256(work: impl Work) {
    work.run();
}

/// # Safety
/// The processor has AVX512-VNNI; the product's pointers are good for its sizes.
#[target_feature(enable = "avx512f,avx512vnni")]
pub(super) unsafe fn vnni512(product: &Product) {
    product.run::<Vnni512, 6, 4>();
}

/// # Safety
/// The processor has AVX-VNNI; the product's pointers are good for its sizes.
#[target_feature(enable = "avx2,avxvnni")]
pub(super) unsafe fn vnni256(product: &Product) {
    product.run::<Vnni256, 4, 1>();
}

/// # Safety
/// The processor has AVX2; the product's pointers are good for its sizes.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn avx2(product: &Product) {
    product.run::<Avx2, 4, 1>();
}

//! Words of 16 bits, one of each state, in the registers of each kind of processor.

#[cfg(target_arch = "x86_64")]
mod x86;

/// States that are looked at together.
pub(super) const LANES: usize = 32;

/// A word of each state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub(super) struct Words(pub [u16; LANES]);

impl Words {
    pub const ZERO: Self = Self([0; LANES]);
}

/// What words up to 15 stand for.
#[derive(Clone, Copy, Default)]
#[repr(align(32))]
pub(super) struct Table(pub [u16; 16]);

/// The words of some lanes.
///
/// # Safety
/// The methods are called only on processors that have the instructions, and inlined into a
/// function that enables them.
pub(super) trait Lanes: Copy {
    const COUNT: usize;
    /// Some of the lanes.
    type Mask: Copy;
    unsafe fn load(words: &Words, first: usize) -> Self;
    unsafe fn store(self, words: &mut Words, first: usize);
    unsafe fn all(word: u16) -> Self;
    unsafe fn and(self, other: Self) -> Self;
    unsafe fn without(self, bits: Self) -> Self;
    unsafe fn or(self, other: Self) -> Self;
    unsafe fn xor(self, other: Self) -> Self;
    unsafe fn plus(self, other: Self) -> Self;
    unsafe fn minus(self, other: Self) -> Self;
    /// To the right.
    unsafe fn shifted(self, by: u32) -> Self;
    /// Those with one of the `bits`.
    unsafe fn have(self, bits: Self) -> Self::Mask;
    unsafe fn choose(mask: Self::Mask, those: Self, others: Self) -> Self;
    /// The words are below 16.
    unsafe fn looked_up(self, table: &Table) -> Self;
}

/// `$work` with `$Lanes` for the registers of `$level`, compiled for it where it is inlined.
macro_rules! in_lanes {
    ($level:expr, $Lanes:ident, $work:expr) => {{
        #[cfg(target_arch = "x86_64")]
        use crate::nn::{by_avx2, by_avx512, CpuLevel};
        // SAFETY: each enables its level's instructions, if the processor has them.
        match $level {
            #[cfg(target_arch = "x86_64")]
            CpuLevel::Avx512 => by_avx512(
                #[inline(always)]
                || {
                    type $Lanes = std::arch::x86_64::__m512i;
                    unsafe { $work }
                },
            ),
            #[cfg(target_arch = "x86_64")]
            CpuLevel::Avx2 => by_avx2(
                #[inline(always)]
                || {
                    type $Lanes = std::arch::x86_64::__m256i;
                    unsafe { $work }
                },
            ),
            _ => {
                type $Lanes = $crate::ranked::lanes::Plain;
                unsafe { $work }
            }
        }
    }};
}
pub(super) use in_lanes;

/// What every processor can do.
#[derive(Clone, Copy)]
pub(super) struct Plain([u16; 16]);

impl Plain {
    #[inline(always)]
    fn with(self, other: Self, of: impl Fn(u16, u16) -> u16) -> Self {
        Self(std::array::from_fn(|lane| of(self.0[lane], other.0[lane])))
    }
}

impl Lanes for Plain {
    const COUNT: usize = 16;
    type Mask = [bool; 16];
    #[inline(always)]
    unsafe fn load(words: &Words, first: usize) -> Self {
        Self(std::array::from_fn(|lane| words.0[first + lane]))
    }
    #[inline(always)]
    unsafe fn store(self, words: &mut Words, first: usize) {
        words.0[first..first + 16].copy_from_slice(&self.0);
    }
    #[inline(always)]
    unsafe fn all(word: u16) -> Self {
        Self([word; 16])
    }
    #[inline(always)]
    unsafe fn and(self, other: Self) -> Self {
        self.with(other, |a, b| a & b)
    }
    #[inline(always)]
    unsafe fn without(self, bits: Self) -> Self {
        self.with(bits, |a, b| a & !b)
    }
    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        self.with(other, |a, b| a | b)
    }
    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        self.with(other, |a, b| a ^ b)
    }
    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        self.with(other, u16::wrapping_add)
    }
    #[inline(always)]
    unsafe fn minus(self, other: Self) -> Self {
        self.with(other, u16::wrapping_sub)
    }
    #[inline(always)]
    unsafe fn shifted(self, by: u32) -> Self {
        Self(self.0.map(|word| word >> by))
    }
    #[inline(always)]
    unsafe fn have(self, bits: Self) -> [bool; 16] {
        self.and(bits).0.map(|word| word != 0)
    }
    #[inline(always)]
    unsafe fn choose(mask: [bool; 16], those: Self, others: Self) -> Self {
        Self(std::array::from_fn(|lane| if mask[lane] { those.0[lane] } else { others.0[lane] }))
    }
    #[inline(always)]
    unsafe fn looked_up(self, table: &Table) -> Self {
        Self(self.0.map(|word| table.0[usize::from(word % 16)]))
    }
}

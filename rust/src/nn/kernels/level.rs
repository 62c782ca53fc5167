//! Which vector instructions there are.

/// What a processor offers, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuLevel {
    /// 512-bit vectors of bytes, words and numbers (x86-64-v4).
    Avx512,
    /// 256-bit vectors with fused multiply-add.
    Avx2,
    /// Whatever the compiler makes of plain arithmetic; without fused multiply-add on x86-64.
    Portable,
}

impl CpuLevel {
    const ALL: [CpuLevel; 3] = [CpuLevel::Avx512, CpuLevel::Avx2, CpuLevel::Portable];

    /// The best level of this processor.
    pub fn detect() -> Self {
        Self::ALL.into_iter().find(|level| level.is_available()).unwrap_or(CpuLevel::Portable)
    }

    /// What it is called, and how it rounds: levels that round alike agree in every bit.
    pub fn name(self) -> &'static str {
        match self {
            CpuLevel::Avx512 => "avx512",
            CpuLevel::Avx2 => "avx2",
            CpuLevel::Portable => "portable",
        }
    }

    /// "fused" where a product and its sum are rounded once, "plain" where twice.
    pub fn rounding(self) -> &'static str {
        match self {
            CpuLevel::Avx512 | CpuLevel::Avx2 => "fused",
            CpuLevel::Portable => "plain",
        }
    }

    /// True if this processor can run it.
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            CpuLevel::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
            #[cfg(target_arch = "x86_64")]
            CpuLevel::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            CpuLevel::Portable => true,
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// Runs `work`, compiled for this level where it is inlined, closures too, and for every other one.
    /// Panics if this processor lacks it.
    pub(crate) fn run<T>(self, work: impl FnOnce() -> T) -> T {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => by_avx512(work),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => by_avx2(work),
            _ => {
                self.require();
                work()
            }
        }
    }

    fn require(self) {
        assert!(self.is_available(), "{self:?} is not available");
    }
}

/// Runs `work`, compiled for [`CpuLevel::Avx512`] alone where it is inlined, closures too. Panics if this
/// processor lacks it.
#[cfg(target_arch = "x86_64")]
pub(crate) fn by_avx512<T>(work: impl FnOnce() -> T) -> T {
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    fn run<T>(work: impl FnOnce() -> T) -> T {
        work()
    }
    CpuLevel::Avx512.require();
    // SAFETY: the processor has the instructions, as was just asserted.
    unsafe { run(work) }
}

/// As [`by_avx512`], for [`CpuLevel::Avx2`].
#[cfg(target_arch = "x86_64")]
pub(crate) fn by_avx2<T>(work: impl FnOnce() -> T) -> T {
    #[target_feature(enable = "avx2,fma")]
    fn run<T>(work: impl FnOnce() -> T) -> T {
        work()
    }
    CpuLevel::Avx2.require();
    // SAFETY: as above.
    unsafe { run(work) }
}

/// By what products of bf16 are made, best first: of two numbers of 16 bits with a sum of 32.
///
/// All round to bf16 alike, to the nearest and the even one of two. A product of two is exact. In which
/// order they are added up differs, and the processors' instructions make 0 of numbers below the smallest
/// normal one: the last digits are those of the level. So a run has the same bytes for any number of
/// threads, and is resumed bit for bit, on processors of one level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bf16Level {
    /// Tiles of 16 rows and 16 columns (Intel's AMX-BF16). Sums of 32 products are made apart, the even
    /// ones and the odd ones.
    Amx,
    /// 512-bit vectors (AVX512-BF16). A sum takes its products one after another, of two the second
    /// first.
    Avx512,
    /// The loops of f32 over numbers that are rounded: as fast as f32.
    Rounded,
}

impl Bf16Level {
    /// All of them, the best first.
    pub const ALL: [Bf16Level; 3] = [Bf16Level::Amx, Bf16Level::Avx512, Bf16Level::Rounded];

    /// The best of this processor that `level` includes.
    pub fn of(level: CpuLevel) -> Self {
        match level {
            CpuLevel::Avx512 if Self::Amx.is_available() => Self::Amx,
            CpuLevel::Avx512 if Self::Avx512.is_available() && is_of_amd() => Self::Avx512,
            _ => Self::Rounded,
        }
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amx => "amx",
            Self::Avx512 => "avx512",
            Self::Rounded => "rounded",
        }
    }

    /// True if this processor, and the system, can run it.
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx => super::halves_x86::has_amx(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512bf16"),
            Self::Rounded => true,
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// Whether it multiplies numbers of 16 bits, two to a word.
    pub(in crate::nn) fn reads_words(self) -> bool {
        self != Self::Rounded
    }
}

/// Whose `vdpbf16ps` has twice the products of a multiply-add of f32. Intel's takes four times as long
/// as one, so that f32's loops are faster: see the products of `updates` in benchmarks/results.
#[cfg(target_arch = "x86_64")]
fn is_of_amd() -> bool {
    // SAFETY: every processor of 64 bits has the instruction.
    #[allow(unused_unsafe)]
    let found = unsafe { std::arch::x86_64::__cpuid(0) };
    [found.ebx, found.edx, found.ecx].map(u32::to_le_bytes).concat() == *b"AuthenticAMD"
}

#[cfg(not(target_arch = "x86_64"))]
fn is_of_amd() -> bool {
    false
}

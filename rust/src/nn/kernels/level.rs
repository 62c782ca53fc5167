//! Which vector instructions there are.

/// What a processor offers, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuLevel {
    /// 512-bit vectors.
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
            CpuLevel::Avx512 => is_x86_feature_detected!("avx512f"),
            #[cfg(target_arch = "x86_64")]
            CpuLevel::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            CpuLevel::Portable => true,
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }
}

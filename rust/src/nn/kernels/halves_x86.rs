//! The products of bf16 by vectors of 512 bits, and by tiles.

use std::arch::asm;
use std::arch::x86_64::*;
use std::sync::OnceLock;

use super::bytes::{Dot, Product, PANEL};

struct Bf16;

impl Dot for Bf16 {
    type Sums = __m512;
    type Weights = __m512i;

    #[inline(always)]
    unsafe fn start(at: *const u32) -> __m512 {
        _mm512_loadu_ps(at.cast())
    }
    #[inline(always)]
    unsafe fn load(from: *const u32) -> __m512i {
        _mm512_loadu_si512(from.cast())
    }
    #[inline(always)]
    unsafe fn add(sums: __m512, word: [u8; 4], weights: __m512i) -> __m512 {
        let word = _mm512_set1_epi32(i32::from_le_bytes(word));
        // Any 512 bits are 32 numbers.
        let word: __m512bh = std::mem::transmute(word);
        let weights: __m512bh = std::mem::transmute(weights);
        _mm512_dpbf16_ps(sums, word, weights)
    }
    #[inline(always)]
    unsafe fn store(to: *mut u32, sums: __m512) {
        _mm512_storeu_ps(to.cast(), sums);
    }
}

/// # Safety
/// The processor has AVX512-BF16; the product's pointers are good for its sizes.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) unsafe fn avx512(product: &Product) {
    product.run::<Bf16, 6, 4>();
}

/// Rows of a tile, each of which is a line of the cache.
const ROWS: usize = 16;
const LINE: usize = 64;

/// Whether the processor has AMX-BF16 and the system lets this process use it, which is asked for once.
pub(super) fn has_amx() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| is_x86_feature_detected!("avx512f") && is_announced() && is_permitted())
}

#[allow(unused_unsafe)]
fn is_announced() -> bool {
    const BF16: u32 = 1 << 22;
    const TILES: u32 = 1 << 24;
    // SAFETY: every processor of 64 bits has the instruction.
    let found = unsafe {
        if __cpuid(0).eax < 7 {
            return false;
        }
        __cpuid_count(7, 0).edx
    };
    found & (BF16 | TILES) == BF16 | TILES
}

/// Linux saves tiles for processes that ask for it, with all their threads (arch_prctl, 5.16).
fn is_permitted() -> bool {
    #[cfg(target_os = "linux")]
    {
        const ARCH_PRCTL: i64 = 158;
        const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
        const TILE_DATA: u64 = 18;
        let result: i64;
        // SAFETY: this call changes nothing but what the system saves.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") ARCH_PRCTL => result,
                in("rdi") ARCH_REQ_XCOMP_PERM,
                in("rsi") TILE_DATA,
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack),
            );
        }
        result == 0
    }
    #[cfg(not(target_os = "linux"))]
    false
}

/// As LDTILECFG reads it: palette, bytes of a row and rows of each tile.
#[repr(C, align(64))]
struct TileConfig([u8; 64]);

/// Tiles of 16 words a row; `rows` of them in those of sums and of the left factor, 0 to 4.
unsafe fn configure(rows: usize) {
    let mut config = TileConfig([0; 64]);
    config.0[0] = 1;
    for tile in 0..8 {
        config.0[16 + 2 * tile] = LINE as u8;
        config.0[48 + tile] = if tile < 5 { rows } else { ROWS } as u8;
    }
    asm!("ldtilecfg [{}]", in(reg) &config, options(nostack, readonly));
}

/// # Safety
/// [`has_amx`]; the product's pointers are good for its sizes, and its depth is whole lines.
pub(super) unsafe fn amx(product: &Product) {
    let &Product { num_rows, num_panels, .. } = product;
    let whole = num_rows / ROWS * ROWS;
    let square = if num_panels > 1 { num_rows / (2 * ROWS) * 2 * ROWS } else { 0 };
    configure(ROWS);
    for panel in (0..num_panels / 2 * 2).step_by(2) {
        for row in (0..square).step_by(2 * ROWS) {
            two_by_two(product, row, panel);
        }
    }
    if num_panels % 2 == 1 {
        (0..square).step_by(ROWS).for_each(|row| one_by_one(product, row, num_panels - 1));
    }
    (square..whole).step_by(ROWS).for_each(|row| line(product, row));
    if whole < num_rows {
        configure(num_rows - whole);
        line(product, whole);
    }
    asm!("tilerelease", options(nostack, nomem));
}

/// The rows of a tile times all panels.
unsafe fn line(product: &Product, row: usize) {
    let fours = product.num_panels / 4 * 4;
    (0..fours).step_by(4).for_each(|panel| one_by_four(product, row, panel));
    (fours..product.num_panels).for_each(|panel| one_by_one(product, row, panel));
}

impl Product {
    /// The rows of a tile, and a panel.
    unsafe fn factors(&self, row: usize, panel: usize) -> (*const u8, *const u8) {
        let rows = self.rows.add(row * self.depth);
        (rows.cast(), self.weights.add(panel * PANEL * self.depth).cast())
    }

    /// What the sums of both start with, and where they go.
    unsafe fn sums(&self, row: usize, panel: usize) -> (*const u8, *mut u8) {
        let start = self.start.add(row * self.start_stride + panel * PANEL);
        (start.cast(), self.output.add(row * self.stride + panel * PANEL).cast())
    }
}

/// Two tiles of rows times two panels.
unsafe fn two_by_two(product: &Product, row: usize, panel: usize) {
    let (left, right) = product.factors(row, panel);
    let (below, beside) = product.factors(row + ROWS, panel + 1);
    let (start, sums) = product.sums(row, panel);
    asm!(
        "tileloadd tmm0, [{start} + {step}*1]",
        "tileloadd tmm1, [{start} + {step}*1 + 64]",
        "mov {line}, {step}",
        "shl {line}, 4",
        "add {start}, {line}",
        "tileloadd tmm2, [{start} + {step}*1]",
        "tileloadd tmm3, [{start} + {step}*1 + 64]",
        "mov {line}, 64",
        "2:",
        "tileloadd tmm4, [{left} + {depth}*1]",
        "tileloadd tmm6, [{right} + {line}*1]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        "tileloadd tmm7, [{beside} + {line}*1]",
        "tdpbf16ps tmm1, tmm4, tmm7",
        "tileloadd tmm5, [{below} + {depth}*1]",
        "tdpbf16ps tmm2, tmm5, tmm6",
        "tdpbf16ps tmm3, tmm5, tmm7",
        "add {left}, 64",
        "add {below}, 64",
        "add {right}, 1024",
        "add {beside}, 1024",
        "dec {count}",
        "jnz 2b",
        "tilestored [{sums} + {stride}*1], tmm0",
        "tilestored [{sums} + {stride}*1 + 64], tmm1",
        "mov {line}, {stride}",
        "shl {line}, 4",
        "add {sums}, {line}",
        "tilestored [{sums} + {stride}*1], tmm2",
        "tilestored [{sums} + {stride}*1 + 64], tmm3",
        start = inout(reg) start => _,
        step = in(reg) 4 * product.start_stride,
        sums = inout(reg) sums => _,
        stride = in(reg) 4 * product.stride,
        left = inout(reg) left => _,
        below = inout(reg) below => _,
        depth = in(reg) 4 * product.depth,
        right = inout(reg) right => _,
        beside = inout(reg) beside => _,
        line = out(reg) _,
        count = inout(reg) product.depth / ROWS => _,
        out("tmm0") _,
        out("tmm1") _,
        out("tmm2") _,
        out("tmm3") _,
        out("tmm4") _,
        out("tmm5") _,
        out("tmm6") _,
        out("tmm7") _,
        options(nostack),
    );
}

/// One tile of rows times four panels, whose sums do not wait for each other.
unsafe fn one_by_four(product: &Product, row: usize, panel: usize) {
    let (left, right) = product.factors(row, panel);
    let (start, sums) = product.sums(row, panel);
    let next = 4 * PANEL * product.depth;
    asm!(
        "tileloadd tmm0, [{start} + {step}*1]",
        "tileloadd tmm1, [{start} + {step}*1 + 64]",
        "tileloadd tmm2, [{start} + {step}*1 + 128]",
        "tileloadd tmm3, [{start} + {step}*1 + 192]",
        "mov {step}, 64",
        "2:",
        "tileloadd tmm4, [{left} + {depth}*1]",
        "tileloadd tmm5, [{first} + {step}*1]",
        "tdpbf16ps tmm0, tmm4, tmm5",
        "tileloadd tmm6, [{second} + {step}*1]",
        "tdpbf16ps tmm1, tmm4, tmm6",
        "tileloadd tmm7, [{third} + {step}*1]",
        "tdpbf16ps tmm2, tmm4, tmm7",
        "tileloadd tmm5, [{fourth} + {step}*1]",
        "tdpbf16ps tmm3, tmm4, tmm5",
        "add {left}, 64",
        "add {first}, 1024",
        "add {second}, 1024",
        "add {third}, 1024",
        "add {fourth}, 1024",
        "dec {count}",
        "jnz 2b",
        "tilestored [{sums} + {stride}*1], tmm0",
        "tilestored [{sums} + {stride}*1 + 64], tmm1",
        "tilestored [{sums} + {stride}*1 + 128], tmm2",
        "tilestored [{sums} + {stride}*1 + 192], tmm3",
        start = in(reg) start,
        step = inout(reg) 4 * product.start_stride => _,
        sums = in(reg) sums,
        stride = in(reg) 4 * product.stride,
        left = inout(reg) left => _,
        depth = in(reg) 4 * product.depth,
        first = inout(reg) right => _,
        second = inout(reg) right.add(next) => _,
        third = inout(reg) right.add(2 * next) => _,
        fourth = inout(reg) right.add(3 * next) => _,
        count = inout(reg) product.depth / ROWS => _,
        out("tmm0") _,
        out("tmm1") _,
        out("tmm2") _,
        out("tmm3") _,
        out("tmm4") _,
        out("tmm5") _,
        out("tmm6") _,
        out("tmm7") _,
        options(nostack),
    );
}

unsafe fn one_by_one(product: &Product, row: usize, panel: usize) {
    let (left, right) = product.factors(row, panel);
    let (start, sums) = product.sums(row, panel);
    asm!(
        "tileloadd tmm0, [{start} + {step}*1]",
        "mov {step}, 64",
        "2:",
        "tileloadd tmm4, [{left} + {depth}*1]",
        "tileloadd tmm5, [{right} + {step}*1]",
        "tdpbf16ps tmm0, tmm4, tmm5",
        "add {left}, 64",
        "add {right}, 1024",
        "dec {count}",
        "jnz 2b",
        "tilestored [{sums} + {stride}*1], tmm0",
        start = in(reg) start,
        step = inout(reg) 4 * product.start_stride => _,
        sums = in(reg) sums,
        stride = in(reg) 4 * product.stride,
        left = inout(reg) left => _,
        depth = in(reg) 4 * product.depth,
        right = inout(reg) right => _,
        count = inout(reg) product.depth / ROWS => _,
        out("tmm0") _,
        out("tmm4") _,
        out("tmm5") _,
        options(nostack),
    );
}

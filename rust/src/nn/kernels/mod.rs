//! The inner loops, for the processor at hand.
//!
//! `simd.rs` has each loop once, over a vector type; `avx512.rs`, `avx2.rs` and `portable.rs`
//! give the vector type and compile the loops for it.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod level;
mod packed;
mod portable;
mod simd;

use std::ops::Range;

use super::buffer::{Aligned, Matrix};
use crate::error::{Error, Result};

pub use level::CpuLevel;
pub(super) use packed::{pad, Bags, Conv, Packed, PackedLinear, Place, LANES};

/// Rows of a tile, at which batches are best cut.
pub(super) const TILE_ROWS: usize = 6;

/// Rows of the weights that all rows of the input pass over before the next ones: a panel of that
/// many fits the second-level cache. Shorter blocks cost more in loading and storing sums.
const BLOCK_DEPTH: usize = 512;

/// Up to so many rows of input, inputs that are zero in all of them are skipped: half of the
/// weights behind a ReLU, which for so few rows take longer to load than to multiply.
const MAX_SPARSE_ROWS: usize = 3;

/// The loops of one level that this processor has.
#[derive(Clone, Copy)]
pub(super) struct Kernels {
    /// Only ever an available level: every call of a loop below relies on it.
    level: CpuLevel,
}

/// Calls a function of the level's module.
macro_rules! dispatch {
    ($kernels:expr, $function:ident($($argument:expr),*)) => {
        match $kernels.level {
            #[cfg(target_arch = "x86_64")]
            CpuLevel::Avx512 => avx512::$function($($argument),*),
            #[cfg(target_arch = "x86_64")]
            CpuLevel::Avx2 => avx2::$function($($argument),*),
            _ => portable::$function($($argument),*),
        }
    };
}

impl Kernels {
    pub(super) fn new(level: CpuLevel) -> Result<Self> {
        match level.is_available() {
            true => Ok(Self { level }),
            false => {
                let expected = format!("{:?} or below", CpuLevel::detect());
                Err(Error::invalid("CPU level", expected, format!("{level:?}")))
            }
        }
    }

    pub(super) fn level(self) -> CpuLevel {
        self.level
    }

    /// Columns of a panel of packed weights: those of a tile.
    fn panel_columns(self) -> usize {
        match self.level {
            CpuLevel::Avx512 => 64,
            CpuLevel::Avx2 | CpuLevel::Portable => 16,
        }
    }

    /// `matrix [rows, num_columns]`, row-major, as the loops of this level read it.
    pub(super) fn pack(self, matrix: &[f32], num_columns: usize) -> Packed {
        Packed::new(matrix, num_columns, self.panel_columns())
    }

    /// `output = input x weights + bias` for all rows of `input`; reshapes `output`.
    pub(super) fn multiply(self, layer: &PackedLinear, input: &Matrix, output: &mut Matrix) {
        let Packed { data, num_rows: depth, padded_columns } = &layer.weights;
        let (depth, rows) = (*depth, input.num_rows());
        assert!(input.num_columns() >= depth && layer.bias.len() == *padded_columns);
        assert!(data.len() == depth * padded_columns);
        output.reshape(rows, *padded_columns);
        let mut nonzero = [0; BLOCK_DEPTH];
        for start in (0..depth).step_by(BLOCK_DEPTH) {
            let end = depth.min(start + BLOCK_DEPTH);
            let nonzero =
                (rows <= MAX_SPARSE_ROWS).then(|| find_nonzero(input, start..end, &mut nonzero));
            for first in (0..*padded_columns).step_by(self.panel_columns()) {
                let columns = self.panel_columns().min(padded_columns - first);
                // SAFETY: the panel of columns `first..first + columns` starts at `first * depth`
                // and has `depth` rows of `columns`; `input` and `output` have `rows` rows of at
                // least `depth` and `padded_columns` columns; `bias` has `padded_columns` values;
                // `nonzero` is below `end - start`. The level is available.
                unsafe {
                    let panel = simd::Panel {
                        input: input.as_ptr().add(start),
                        input_stride: input.stride(),
                        weights: data.as_ptr().add(first * depth + start * columns),
                        depth: end - start,
                        nonzero,
                        bias: (start == 0).then(|| layer.bias.as_ptr().add(first)),
                        output: output.as_mut_ptr().add(first),
                        output_stride: output.stride(),
                        finish: (end == depth).then_some(layer.relu),
                        rows,
                        columns,
                    };
                    dispatch!(self, multiply(&panel));
                }
            }
        }
    }

    /// `output[row] = bias + sum of vectors[feature]` over the features of each bag; reshapes
    /// `output`. Panics if a feature is out of range.
    pub(super) fn sum_bags(
        self,
        vectors: &Packed,
        bias: &Aligned,
        relu: bool,
        bags: &Bags,
        output: &mut Matrix,
    ) {
        let Packed { data, num_rows, padded_columns } = vectors;
        assert!(bias.len() == *padded_columns && data.len() == num_rows * padded_columns);
        assert!(bags.features().iter().all(|&feature| (feature as usize) < *num_rows));
        output.reshape(bags.len(), *padded_columns);
        for first in (0..*padded_columns).step_by(self.panel_columns()) {
            let columns = self.panel_columns().min(padded_columns - first);
            // SAFETY: as in `multiply`; features are below `num_rows` (checked above), `output` has
            // a row for each bag. The level is available.
            unsafe {
                let panel = simd::BagPanel {
                    vectors: data.as_ptr().add(first * num_rows),
                    bias: bias.as_ptr().add(first),
                    output: output.as_mut_ptr().add(first),
                    output_stride: output.stride(),
                    columns,
                    relu,
                };
                dispatch!(self, sum_bags(&panel, bags));
            }
        }
    }

    /// `output[row] = bias + sum of the vectors of its features, each at its place`; reshapes
    /// `output`. Panics if a feature is out of range.
    pub(super) fn sum_placed(
        self,
        conv: &Conv,
        bias: &Aligned,
        relu: bool,
        bags: &Bags,
        output: &mut Matrix,
    ) {
        output.reshape(bags.len(), bias.len());
        for row in 0..bags.len() {
            let (features, output) = (bags.row(row), output.row_mut(row));
            output.copy_from_slice(bias);
            // SAFETY: the level is available.
            unsafe { dispatch!(self, sum_placed(conv, features, relu, output)) };
        }
    }
}

/// The columns among `columns` where any row is not zero, counted from the first; in `found`.
fn find_nonzero<'a>(input: &Matrix, columns: Range<usize>, found: &'a mut [u16]) -> &'a [u16] {
    let mut any = [0u32; BLOCK_DEPTH];
    for row in 0..input.num_rows() {
        for (any, value) in any.iter_mut().zip(&input.row(row)[columns.clone()]) {
            // Without the sign: -0 is zero, too.
            *any |= value.to_bits() << 1;
        }
    }
    let mut num_found = 0;
    for (column, any) in any[..columns.len()].iter().enumerate() {
        found[num_found] = column as u16;
        num_found += usize::from(*any != 0);
    }
    &found[..num_found]
}

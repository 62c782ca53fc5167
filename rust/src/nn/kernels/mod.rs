//! The inner loops, for the processor at hand.
//!
//! `simd.rs` has each loop once, over a vector type; `avx512.rs`, `avx2.rs` and `portable.rs`
//! give the vector type and compile the loops for it.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod bytes;
mod dots;
#[cfg(target_arch = "x86_64")]
mod dots_x86;
mod halves;
#[cfg(target_arch = "x86_64")]
mod halves_x86;
mod level;
mod packed;
mod portable;
mod simd;

use std::ops::Range;

use super::buffer::{Aligned, Matrix};
use crate::error::{Error, Result};

pub(super) use bytes::{Words, Work};
pub(super) use dots::Dots;
pub(super) use halves::{Halves, Numbers};
#[cfg(target_arch = "x86_64")]
pub(crate) use level::{by_avx2, by_avx512};
pub use level::{Bf16Level, CpuLevel};
use packed::PanelMut;
pub(super) use packed::{
    pad, places, Bags, Conv, Overlaid, Packed, PackedLinear, Packing, Place, LANES,
};

/// Rows of a tile, at which batches are best cut.
pub(super) const TILE_ROWS: usize = 6;

/// Rows of the weights that all rows of the input pass over before the next ones: a panel of that
/// many fits the second-level cache. Shorter blocks cost more in loading and storing sums.
const BLOCK_DEPTH: usize = 512;

/// Rows whose products are added up before the next ones: what a panel has of both matrices for that
/// many fits the first-level cache.
const SUM_DEPTH: usize = 66;

/// Up to so many rows of input, inputs that are zero in all of them are skipped: half of the
/// weights behind a ReLU, which for so few rows take longer to load than to multiply.
const MAX_SPARSE_ROWS: usize = 3;

/// Rows that skip zeros each for itself, see [`Kernels::multiply_by`]. Vectors of WebAssembly are so
/// short that a row alone takes as long as one of a tile, so that what it skips is won.
const ROWS_APART: usize = if cfg!(target_family = "wasm") { 16 } else { 1 };

/// Columns of a panel of the portable loops: those of two rows of sums, or of twice as many of one.
const PORTABLE_COLUMNS: usize = if cfg!(target_family = "wasm") { 32 } else { 16 };

/// The loops of one level that this processor has.
#[derive(Clone, Copy)]
pub(crate) struct Kernels {
    /// Only ever an available level: every call of a loop below relies on it.
    level: CpuLevel,
    /// By what the products are made that are to be of bf16, if any.
    bf16: Option<Bf16Level>,
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
            true => Ok(Self { level, bf16: None }),
            false => {
                let expected = format!("{:?} or below", CpuLevel::detect());
                Err(Error::invalid("CPU level", expected, format!("{level:?}")))
            }
        }
    }

    pub(super) fn level(self) -> CpuLevel {
        self.level
    }

    pub(super) fn bf16(self) -> Option<Bf16Level> {
        self.bf16
    }

    /// The same loops, with products of bf16 by `bf16` where there are any.
    pub(super) fn with_bf16(self, bf16: Option<Bf16Level>) -> Self {
        Self { bf16, ..self }
    }

    /// Columns of a panel of packed weights: those of a tile.
    fn panel_columns(self) -> usize {
        match self.level {
            CpuLevel::Avx512 => 64,
            CpuLevel::Avx2 => 16,
            CpuLevel::Portable => PORTABLE_COLUMNS,
        }
    }

    /// `matrix [rows, num_columns]`, row-major, as the loops of this level read it.
    pub(super) fn pack(self, matrix: &[f32], num_columns: usize) -> Packed {
        Packed::new(matrix, num_columns, self.panel_columns())
    }

    /// The first `columns` numbers of each row of what [`Kernels::pack`] made.
    pub(super) fn unpack(self, packed: &Packed, columns: usize) -> Vec<f32> {
        let panel = self.panel_columns();
        let place = |row: usize, column: usize| {
            let first = column / panel * panel;
            let width = panel.min(packed.padded_columns - first);
            packed.data[first * packed.num_rows + row * width + column - first]
        };
        let rows = 0..packed.num_rows;
        rows.flat_map(|row| (0..columns).map(move |column| place(row, column))).collect()
    }

    /// Runs `work`, compiled for this level where it is inlined. Its bits are those of every level.
    pub(crate) fn widely(self, work: impl FnOnce()) {
        self.level.run(work);
    }

    /// Puts 0 into `matrix` where `other`, which has as many rows and columns, is not positive.
    pub(super) fn keep_where_positive(self, matrix: &mut Matrix, other: &Matrix) {
        self.widely(
            #[inline(always)]
            || {
                for row in 0..matrix.num_rows() {
                    let pairs = matrix.row_mut(row).iter_mut().zip(other.row(row));
                    pairs.for_each(|(value, sign)| *value = if *sign > 0.0 { *value } else { 0.0 });
                }
            },
        );
    }

    /// Adds all rows of `matrix` to `sums`, one after another.
    pub(super) fn add_rows(self, matrix: &Matrix, sums: &mut [f32]) {
        self.widely(
            #[inline(always)]
            || {
                for row in 0..matrix.num_rows() {
                    sums.iter_mut().zip(matrix.row(row)).for_each(|(sum, value)| *sum += value);
                }
            },
        );
    }

    /// `rounds` of products with sums that wait for nothing but each other's registers; how many.
    pub(super) fn multiply_adds(self, rounds: usize) -> usize {
        // SAFETY: the level is available.
        unsafe { dispatch!(self, multiply_adds(rounds)) }
    }

    /// Packs `matrix` anew, whose rows are `stride` apart, panel by panel.
    pub(super) fn repack<'a>(
        self,
        packed: &'a mut Packed,
        matrix: &'a [f32],
        stride: usize,
        columns: usize,
    ) -> impl Iterator<Item = Packing<'a>> {
        let panels = packed.panels_mut(self.panel_columns());
        panels
            .map(move |panel| Box::new(move || panel.fill(matrix, stride, columns)) as Packing<'a>)
    }

    /// [`Kernels::repack`] of the transpose of `matrix`, which has `columns` rows.
    pub(super) fn repack_transposed<'a>(
        self,
        packed: &'a mut Packed,
        matrix: &'a [f32],
        stride: usize,
        columns: usize,
    ) -> impl Iterator<Item = Packing<'a>> {
        let num_rows = packed.num_rows;
        packed.panels_mut(self.panel_columns()).map(move |PanelMut { first, width, data }| {
            let size = [width.min(columns - first), num_rows];
            let turn = move || self.turn((&matrix[first * stride..], stride), (data, width), size);
            Box::new(turn) as Packing<'a>
        })
    }

    /// `output[i][j] += sum over all rows k of a[k][i] b[k][j]` for the columns `rows` of `a`, the
    /// rows in order; `output` has a row of as many columns as `b` for each of them.
    pub(super) fn add_products(
        self,
        a: &Matrix,
        rows: Range<usize>,
        b: &Matrix,
        output: &mut [f32],
    ) {
        assert!(a.num_rows() == b.num_rows() && rows.end <= a.num_columns());
        let (from, columns) = (a.tail(0, rows.start), b.num_columns());
        let of_b = (b.tail(0, 0), b.stride(), columns);
        self.add_strided((from, a.stride(), rows.len()), of_b, a.num_rows(), output);
    }

    /// [`Kernels::add_products`] of matrices in slices: numbers, from one of the `depth` rows to the
    /// next, and columns, of `b` whole vectors; `output` has the columns of `b`.
    pub(super) fn add_strided(
        self,
        (a, a_stride, rows): (&[f32], usize, usize),
        (b, b_stride, columns): (&[f32], usize, usize),
        depth: usize,
        output: &mut [f32],
    ) {
        let Some(last) = depth.checked_sub(1) else { return };
        assert!(last * a_stride + rows <= a.len() && last * b_stride + columns <= b.len());
        assert!(output.len() == rows * columns && columns.is_multiple_of(LANES));
        let blocks = (0..columns).step_by(self.panel_columns());
        let blocks =
            blocks.flat_map(|first| (0..depth).step_by(SUM_DEPTH).map(move |k| (first, k)));
        for (first, start) in blocks {
            // SAFETY: the rows and columns of all three are in bounds, as asserted. The level is
            // available.
            unsafe {
                let block = simd::Products {
                    a: a.as_ptr().add(start * a_stride),
                    a_stride,
                    b: b.as_ptr().add(start * b_stride + first),
                    b_stride,
                    depth: SUM_DEPTH.min(depth - start),
                    output: output.as_mut_ptr().add(first),
                    output_stride: columns,
                    rows,
                    columns: self.panel_columns().min(columns - first),
                };
                dispatch!(self, products(&block));
            }
        }
    }

    /// The first `columns` numbers of each of `rows` rows of `from` become columns of `to`; rows are as
    /// far apart as the second of each says. Panics if they are not in bounds.
    pub(super) fn turn(
        self,
        (from, from_stride): (&[f32], usize),
        (to, to_stride): (&mut [f32], usize),
        [rows, columns]: [usize; 2],
    ) {
        if rows == 0 || columns == 0 {
            return;
        }
        assert!((rows - 1) * from_stride + columns <= from.len());
        assert!((columns - 1) * to_stride + rows <= to.len());
        let (from, to) = (from.as_ptr(), to.as_mut_ptr());
        let matrix = simd::Turned { from, from_stride, to, to_stride, rows, columns };
        // SAFETY: as asserted. The level is available.
        unsafe { dispatch!(self, turn(&matrix)) };
    }

    /// `output = input x weights + bias` for all rows of `input`; reshapes `output`.
    pub(super) fn multiply(self, layer: &PackedLinear, input: &Matrix, output: &mut Matrix) {
        self.multiply_by::<ROWS_APART>(layer, input, output);
    }

    /// [`Kernels::multiply`], to the bit. Groups of `APART` rows skip their zeros, each row its own,
    /// unless they are few; for `APART` 1 those that all rows share, where that is worth it.
    fn multiply_by<const APART: usize>(
        self,
        layer: &PackedLinear,
        input: &Matrix,
        output: &mut Matrix,
    ) {
        let Packed { data, num_rows: depth, padded_columns } = &layer.weights;
        let (depth, rows) = (*depth, input.num_rows());
        assert!(input.num_columns() >= depth && layer.bias.len() == *padded_columns);
        assert!(data.len() == depth * padded_columns);
        output.reshape(rows, *padded_columns);
        let group_rows = if APART > 1 { APART } else { rows.max(1) };
        let mut found = [[0; BLOCK_DEPTH]; APART];
        for start in (0..depth).step_by(BLOCK_DEPTH) {
            let end = depth.min(start + BLOCK_DEPTH);
            for row in (0..rows).step_by(group_rows) {
                let group = row..rows.min(row + group_rows);
                let mut part_rows = if APART > 1 { 1 } else { group.len() };
                let mut nonzero = [None; APART];
                if part_rows <= MAX_SPARSE_ROWS {
                    let parts = group.clone().step_by(part_rows).zip(&mut found);
                    for ((row, found), nonzero) in parts.zip(&mut nonzero) {
                        *nonzero =
                            Some(find_nonzero(input, row..row + part_rows, start..end, found));
                    }
                }
                let count = nonzero.iter().flatten().map(|found| found.len()).sum::<usize>();
                if APART > 1 && count > group.len() * (end - start) / 4 * 3 {
                    (part_rows, nonzero) = (group.len(), [None; APART]);
                }
                for first in (0..*padded_columns).step_by(self.panel_columns()) {
                    let columns = self.panel_columns().min(padded_columns - first);
                    for (row, nonzero) in group.clone().step_by(part_rows).zip(nonzero) {
                        // SAFETY: the panel of columns `first..first + columns` starts at
                        // `first * depth` and has `depth` rows of `columns`; `input` and `output` have
                        // `part_rows` rows from `row` on, of at least `depth` and `padded_columns`
                        // columns; `bias` has `padded_columns` values; `nonzero` is below
                        // `end - start`. The level is available.
                        unsafe {
                            let panel = simd::Panel {
                                input: input.as_ptr().add(row * input.stride() + start),
                                input_stride: input.stride(),
                                weights: data.as_ptr().add(first * depth + start * columns),
                                depth: end - start,
                                nonzero,
                                bias: (start == 0).then(|| layer.bias.as_ptr().add(first)),
                                output: output.as_mut_ptr().add(row * output.stride() + first),
                                output_stride: output.stride(),
                                finish: (end == depth).then_some(layer.relu),
                                rows: part_rows,
                                columns,
                            };
                            dispatch!(self, multiply(&panel));
                        }
                    }
                }
            }
        }
    }

    /// [`Kernels::multiply`] of rows that lie over each other in `input`. Panics if a place is out of
    /// range; reshapes `output`.
    pub(super) fn multiply_placed(
        self,
        layer: &PackedLinear,
        input: &[f32],
        places: &Overlaid,
        output: &mut Matrix,
    ) {
        let Packed { data, num_rows: depth, padded_columns } = &layer.weights;
        let (starts, offsets) = (places.starts(), places.offsets());
        let (depth, rows) = (*depth, starts.len());
        assert!(offsets.len() == depth && places.reach() <= input.len());
        assert!(data.len() == depth * padded_columns && layer.bias.len() == *padded_columns);
        output.reshape(rows, *padded_columns);
        for start in (0..depth).step_by(BLOCK_DEPTH) {
            let end = depth.min(start + BLOCK_DEPTH);
            for first in (0..*padded_columns).step_by(self.panel_columns()) {
                let columns = self.panel_columns().min(padded_columns - first);
                // SAFETY: as in `multiply`; every start with every offset is in `input`, as asserted.
                // The level is available.
                unsafe {
                    let panel = simd::Panel {
                        input: input.as_ptr(),
                        input_stride: 0,
                        weights: data.as_ptr().add(first * depth + start * columns),
                        depth: end - start,
                        nonzero: None,
                        bias: (start == 0).then(|| layer.bias.as_ptr().add(first)),
                        output: output.as_mut_ptr().add(first),
                        output_stride: output.stride(),
                        finish: (end == depth).then_some(layer.relu),
                        rows,
                        columns,
                    };
                    let places = simd::Places { starts, offsets: &offsets[start..end] };
                    dispatch!(self, multiply_placed(&panel, places));
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

    /// Adds each row of `delta` to the vectors of its features in `range`; `vectors` has those of the
    /// range. The rows in order.
    pub(super) fn add_to_bags(
        self,
        bags: &Bags,
        range: &Range<usize>,
        delta: &Matrix,
        vectors: &mut [f32],
    ) {
        assert!(bags.len() == delta.num_rows() && delta.num_columns().is_multiple_of(LANES));
        assert!(vectors.len() == range.len() * delta.num_columns());
        // SAFETY: as asserted. The level is available.
        unsafe { dispatch!(self, add_to_bags(bags, range, delta, vectors)) };
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

/// The columns among `columns` where any of `rows` is not zero, counted from the first; in `found`.
fn find_nonzero<'a>(
    input: &Matrix,
    rows: Range<usize>,
    columns: Range<usize>,
    found: &'a mut [u16],
) -> &'a [u16] {
    // Without the sign: -0 is zero, too.
    let bits = |value: &f32| value.to_bits() << 1;
    if rows.len() == 1 {
        let values = &input.row(rows.start)[columns];
        return find(values.iter().map(bits), found);
    }
    let mut any = [0u32; BLOCK_DEPTH];
    let any = &mut any[..columns.len()];
    for row in rows {
        let values = &input.row(row)[columns.clone()];
        any.iter_mut().zip(values).for_each(|(any, value)| *any |= bits(value));
    }
    find(any.iter().copied(), found)
}

/// The places of `bits` that are not zero; in `found`.
fn find(bits: impl Iterator<Item = u32>, found: &mut [u16]) -> &[u16] {
    let mut num_found = 0;
    for (place, bits) in bits.enumerate() {
        found[num_found] = place as u16;
        num_found += usize::from(bits != 0);
    }
    &found[..num_found]
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVELS: [CpuLevel; 3] = [CpuLevel::Avx512, CpuLevel::Avx2, CpuLevel::Portable];

    /// Small whole numbers, whose sums are exact.
    fn number(i: usize) -> f32 {
        (i * 7919 % 31) as f32 - 15.0
    }

    #[test]
    fn rows_become_columns() {
        for kernels in LEVELS.into_iter().filter_map(|level| Kernels::new(level).ok()) {
            for [rows, columns] in [[1, 1], [16, 16], [37, 21], [21, 50], [64, 3]] {
                let (step, stride) = (columns + 5, rows + 3);
                let from: Vec<f32> = (0..rows * step).map(|i| i as f32).collect();
                let mut to = vec![-1.0; columns * stride];
                kernels.turn((&from, step), (&mut to, stride), [rows, columns]);
                for (i, &value) in to.iter().enumerate() {
                    let (column, row) = (i / stride, i % stride);
                    let expected = if row < rows { from[row * step + column] } else { -1.0 };
                    assert_eq!(value, expected, "{:?} {rows} {columns}", kernels.level());
                }
            }
        }
    }

    /// The rows of a browser: dense groups, sparse ones, zeros alone, and more than a block deep.
    #[test]
    fn rows_apart_have_the_bits_of_rows_together() {
        for kernels in LEVELS.into_iter().filter_map(|level| Kernels::new(level).ok()) {
            for (rows, depth, outputs) in [(1, 40, 5), (21, 48, 70), (35, BLOCK_DEPTH + 32, 16)] {
                let matrix: Vec<f32> = (0..depth * outputs).map(|i| number(i) / 7.0).collect();
                let weights = kernels.pack(&matrix, outputs);
                let layer = PackedLinear { weights, bias: pad(&vec![0.3; outputs]), relu: true };
                let mut input = Matrix::default();
                input.reshape(rows, depth.next_multiple_of(LANES));
                for row in 0..rows {
                    for (k, to) in input.row_mut(row).iter_mut().enumerate() {
                        let is_zero = row > 8 && (k + row) % 4 > 0 || row % 5 == 0;
                        *to = if is_zero { -0.0 } else { number(k + row) / 3.0 };
                    }
                }
                let bits = |made: &Matrix| {
                    let rows = (0..rows).flat_map(|row| &made.row(row)[..outputs]);
                    rows.map(|value| value.to_bits()).collect::<Vec<_>>()
                };
                let (mut together, mut apart) = (Matrix::default(), Matrix::default());
                kernels.multiply_by::<1>(&layer, &input, &mut together);
                kernels.multiply_by::<16>(&layer, &input, &mut apart);
                assert!(bits(&together).iter().any(|&bits| bits > 0));
                assert_eq!(bits(&apart), bits(&together), "{:?} {rows}", kernels.level());
            }
        }
    }

    #[test]
    fn placed_rows_are_multiplied() {
        for kernels in LEVELS.into_iter().filter_map(|level| Kernels::new(level).ok()) {
            for (rows, depth, outputs) in [(1, 3, 5), (29, 20, 40), (13, 2 * BLOCK_DEPTH + 1, 70)] {
                let starts: Vec<u32> = (0..rows as u32).map(|row| row * 3 % 11).collect();
                let offsets: Vec<u32> = (0..depth as u32).map(|k| k * 5 % 97).collect();
                let input: Vec<f32> = (0..110).map(number).collect();
                let matrix: Vec<f32> = (0..depth * outputs).map(number).collect();
                let weights = kernels.pack(&matrix, outputs);
                let bias = pad(&(0..outputs).map(number).collect::<Vec<_>>());
                let layer = PackedLinear { weights, bias, relu: false };
                let mut made = Matrix::default();
                let places = Overlaid::new(starts.clone(), offsets.clone());
                kernels.multiply_placed(&layer, &input, &places, &mut made);
                for row in 0..rows {
                    for (output, &value) in made.row(row)[..outputs].iter().enumerate() {
                        let products = offsets.iter().enumerate().map(|(k, &offset)| {
                            input[(starts[row] + offset) as usize] * matrix[k * outputs + output]
                        });
                        let expected = number(output) + products.sum::<f32>();
                        assert_eq!(value, expected, "{:?} {row} {output}", kernels.level());
                    }
                }
            }
        }
    }
}

//! Matrix products of bf16, two of them to a word of 32 bits, with sums of f32.
//!
//! A word pairs two numbers that a product adds up one after the other: neighbours in a row of the
//! left matrix, and in a column of the right one. Tiles of AMX read both as they are here.

// Numbers and words are told apart by one index.
#![allow(clippy::needless_range_loop)]

use std::ops::Range;

use super::super::buffer::{Aligned, Matrix};
use super::bytes::{Product, PANEL};
use super::level::Bf16Level;
use super::Kernels;

/// Words along which numbers are added up come in so many: a row of AMX's tiles.
const DEPTH: usize = 16;

/// A matrix in words, as one of the two factors of a product.
#[derive(Clone, Default)]
pub(in crate::nn) struct Halves {
    /// The words in the bits of f32: `[count, depth]` of a left factor, `[count / 16, depth, 16]` of a
    /// right one.
    words: Aligned,
    /// Rows of a left factor, columns of a right one.
    count: usize,
    depth: usize,
}

impl Halves {
    fn reshape(&mut self, count: usize, numbers: usize) {
        self.count = count;
        self.depth = numbers.div_ceil(2).max(1).next_multiple_of(DEPTH);
        self.words.grow(self.count * self.depth);
    }

    fn words(&self) -> &[f32] {
        &self.words[..self.count * self.depth]
    }
}

/// The first numbers of rows that are `stride` apart.
#[derive(Clone, Copy)]
pub(in crate::nn) struct Numbers<'a> {
    pub(in crate::nn) from: &'a [f32],
    pub(in crate::nn) stride: usize,
    pub(in crate::nn) rows: usize,
    pub(in crate::nn) columns: usize,
}

impl<'a> Numbers<'a> {
    pub(in crate::nn) fn of(matrix: &'a Matrix, columns: usize) -> Self {
        let (stride, rows) = (matrix.stride(), matrix.num_rows());
        Self { from: matrix.tail(0, 0), stride, rows, columns }
    }

    #[inline(always)]
    fn row(&self, row: usize) -> &'a [f32] {
        &self.from[row * self.stride..][..self.columns]
    }
}

impl Kernels {
    /// `numbers`, as far as there is room for them, rounded to bf16.
    pub(in crate::nn) fn round(self, numbers: &[f32], to: &mut [f32]) {
        self.widely(
            #[inline(always)]
            || to.iter_mut().zip(numbers).for_each(|(to, &number)| *to = rounded(number)),
        );
    }

    /// `to` becomes `matrix`, rounded to bf16.
    pub(in crate::nn) fn round_rows(self, matrix: &Matrix, to: &mut Matrix) {
        to.reshape(matrix.num_rows(), matrix.num_columns());
        for row in 0..matrix.num_rows() {
            self.round(matrix.row(row), to.row_mut(row));
        }
    }

    /// `matrix` as a left factor.
    pub(in crate::nn) fn halve_left(self, matrix: Numbers<'_>, left: &mut Halves) {
        left.reshape(matrix.rows, matrix.columns);
        let depth = left.depth;
        self.widely(
            #[inline(always)]
            || {
                for (row, words) in left.words.chunks_exact_mut(depth).take(matrix.rows).enumerate()
                {
                    let (pairs, last) = matrix.row(row).as_chunks::<2>();
                    let (whole, rest) = words.split_at_mut(pairs.len());
                    for (word, &[first, second]) in whole.iter_mut().zip(pairs) {
                        *word = pair(first, second);
                    }
                    rest.fill(0.0);
                    rest.iter_mut().zip(last).for_each(|(word, &last)| *word = pair(last, 0.0));
                }
            },
        );
    }

    /// `matrix`, whose columns are whole panels, as a right factor.
    pub(in crate::nn) fn halve_right(self, matrix: Numbers<'_>, right: &mut Halves) {
        right.reshape(matrix.columns, matrix.rows);
        let depth = right.depth;
        self.widely(
            #[inline(always)]
            || {
                let panels = right.words.chunks_exact_mut(depth * PANEL);
                for (panel, words) in panels.take(matrix.columns / PANEL).enumerate() {
                    pair_rows(matrix, panel * PANEL, words.as_chunks_mut::<PANEL>().0);
                }
            },
        );
    }

    /// The transpose of `matrix`, whose columns are whole panels, as a left factor; works in `spare`.
    pub(in crate::nn) fn halve_left_turned(
        self,
        matrix: Numbers<'_>,
        spare: &mut Halves,
        left: &mut Halves,
    ) {
        self.halve_right(matrix, spare);
        left.reshape(matrix.columns, matrix.rows);
        let depth = left.depth;
        for first in (0..matrix.columns).step_by(PANEL) {
            let (from, to) = (&spare.words[first * depth..], &mut left.words[first * depth..]);
            self.turn((from, PANEL), (to, depth), [depth, PANEL]);
        }
    }

    /// The transpose of `matrix`, its columns filled up to whole panels, as a right factor; works in
    /// `spare`.
    pub(in crate::nn) fn halve_right_turned(
        self,
        matrix: Numbers<'_>,
        spare: &mut Halves,
        right: &mut Halves,
    ) {
        self.halve_left(matrix, spare);
        right.reshape(matrix.rows.next_multiple_of(PANEL), matrix.columns);
        let depth = right.depth;
        for first in (0..matrix.rows).step_by(PANEL) {
            let to = &mut right.words[first * depth..][..depth * PANEL];
            let rows = PANEL.min(matrix.rows - first);
            if rows < PANEL {
                to.fill(0.0);
            }
            self.turn((&spare.words[first * depth..], depth), (to, PANEL), [rows, depth]);
        }
    }

    /// `output = left x right + bias`, with `max(x, 0)` of that where `relu`; reshapes `output`.
    pub(in crate::nn) fn multiply_halves(
        self,
        level: Bf16Level,
        [left, right]: [&Halves; 2],
        bias: &[f32],
        relu: bool,
        output: &mut Matrix,
    ) {
        output.reshape(left.count, right.count);
        let (stride, start) = (output.stride(), Some(bias));
        self.start_halves(level, (left, 0..left.count), right, start, (output.tail_mut(0), stride));
        if relu {
            self.widely(
                #[inline(always)]
                || {
                    for row in 0..output.num_rows() {
                        // NaN stays.
                        let row = output.row_mut(row).iter_mut();
                        row.for_each(|x| *x = if *x < 0.0 { 0.0 } else { *x });
                    }
                },
            );
        }
    }

    /// Adds rows `rows` of `left` times `right` to the rows of `output`, as far apart as the second of it
    /// says.
    pub(in crate::nn) fn add_halves(
        self,
        level: Bf16Level,
        left: (&Halves, Range<usize>),
        right: &Halves,
        output: (&mut [f32], usize),
    ) {
        self.start_halves(level, left, right, None, output);
    }

    /// The sums of each row start with `start`, or else with what is in `output`.
    fn start_halves(
        self,
        level: Bf16Level,
        (left, rows): (&Halves, Range<usize>),
        right: &Halves,
        start: Option<&[f32]>,
        (output, stride): (&mut [f32], usize),
    ) {
        assert!(left.depth == right.depth && rows.end <= left.count && stride >= right.count);
        assert!(right.count.is_multiple_of(PANEL) && level.is_available());
        assert!(start.is_none_or(|start| start.len() >= right.count));
        let Some(last) = rows.len().checked_sub(1) else { return };
        assert!(last * stride + right.count <= output.len());
        let output = output.as_mut_ptr();
        let product = Product {
            rows: left.words()[rows.start * left.depth..].as_ptr().cast(),
            num_rows: rows.len(),
            weights: right.words().as_ptr().cast(),
            depth: left.depth,
            num_panels: right.count / PANEL,
            start: start.map_or(output.cast_const(), <[f32]>::as_ptr).cast(),
            start_stride: if start.is_some() { 0 } else { stride },
            output: output.cast(),
            stride,
        };
        // SAFETY: all are in bounds, as asserted, and the level is available.
        unsafe { loops(level)(&product) };
    }
}

/// Those that read words.
fn loops(level: Bf16Level) -> unsafe fn(&Product) {
    match level {
        #[cfg(target_arch = "x86_64")]
        Bf16Level::Amx => super::halves_x86::amx,
        #[cfg(target_arch = "x86_64")]
        Bf16Level::Avx512 => super::halves_x86::avx512,
        _ => unreachable!("{level:?} reads no words"),
    }
}

/// Two numbers as bf16.
#[inline(always)]
fn pair(first: f32, second: f32) -> f32 {
    f32::from_bits(rounded(first).to_bits() >> 16 | rounded(second).to_bits())
}

/// The next number of bf16, of two the even one; NaN stays NaN.
#[inline(always)]
fn rounded(number: f32) -> f32 {
    let bits = number.to_bits();
    let bits = match number.is_nan() {
        // A quiet one, so that its upper half is no infinity.
        true => bits | 0x0040_0000,
        false => bits.wrapping_add(0x7FFF + (bits >> 16 & 1)),
    };
    f32::from_bits(bits & 0xFFFF_0000)
}

/// A panel of a right factor: the columns of `matrix` from `first` on.
#[inline(always)]
fn pair_rows(matrix: Numbers<'_>, first: usize, lines: &mut [[f32; PANEL]]) {
    let (whole, rest) = lines.split_at_mut(matrix.rows / 2);
    for (k, line) in whole.iter_mut().enumerate() {
        let (upper, lower) =
            (&matrix.row(2 * k)[first..][..PANEL], &matrix.row(2 * k + 1)[first..][..PANEL]);
        for i in 0..PANEL {
            line[i] = pair(upper[i], lower[i]);
        }
    }
    rest.fill([0.0; PANEL]);
    if let (Some(line), 1) = (rest.first_mut(), matrix.rows % 2) {
        let last = &matrix.row(matrix.rows - 1)[first..][..PANEL];
        line.iter_mut().zip(last).for_each(|(word, &last)| *word = pair(last, 0.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_the_nearest_and_the_even_of_two() {
        for (bits, expected) in [
            (0x3F80_0000, 0x3F80),
            (0x3F80_7FFF, 0x3F80),
            (0x3F80_8000, 0x3F80),
            (0x3F80_8001, 0x3F81),
            (0x3F81_8000, 0x3F82),
            (0xBF81_8000, 0xBF82),
            (0x8000_0000, 0x8000),
            // Below the smallest normal number; above the largest one; infinity.
            (0x0000_8001, 0x0001),
            (0x7F7F_FFFF, 0x7F80),
            (0xFF80_0000, 0xFF80),
            // No numbers, which would be infinities by their upper halves.
            (0x7F80_0001, 0x7FC0),
            (0xFFFF_FFFF, 0xFFFF),
        ] {
            assert_eq!(rounded(f32::from_bits(bits)).to_bits(), expected << 16, "{bits:x}");
            let word = pair(f32::from_bits(bits), 1.0).to_bits();
            assert_eq!(word, 0x3F80_0000 | expected, "{bits:x}");
        }
    }
}

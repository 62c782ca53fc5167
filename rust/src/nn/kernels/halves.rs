//! Matrix products of bf16, two of them to a word of 32 bits, with sums of f32.
//!
//! A word pairs two numbers that a product adds up one after the other: neighbours in a row of the
//! left matrix, and in a column of the right one. Tiles of AMX read both as they are here.

// Numbers and words are told apart by one index.
#![allow(clippy::needless_range_loop)]

use std::ops::Range;

use super::super::buffer::{Aligned, Matrix};
use super::bytes::{Dot, Product, PANEL};
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
        unsafe {
            match level {
                #[cfg(target_arch = "x86_64")]
                Bf16Level::Amx => super::halves_x86::amx(&product),
                #[cfg(target_arch = "x86_64")]
                Bf16Level::Avx512 => super::halves_x86::avx512(&product),
                _ => self.widely(
                    #[inline(always)]
                    || product.run::<PlainHalves, 2, 1>(),
                ),
            }
        }
    }
}

/// Two numbers as bf16, rounded to the nearest and the even one of two; NaN stays NaN.
#[inline(always)]
fn pair(first: f32, second: f32) -> f32 {
    f32::from_bits(rounded(first) >> 16 | rounded(second) & 0xFFFF_0000)
}

/// The number in the upper half of the bits.
#[inline(always)]
fn rounded(number: f32) -> u32 {
    let bits = number.to_bits();
    match number.is_nan() {
        // A quiet one, so that its upper half is no infinity.
        true => bits | 0x0040_0000,
        false => bits.wrapping_add(0x7FFF + (bits >> 16 & 1)),
    }
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

struct PlainHalves;

/// The number that is in the upper half of a word.
#[inline(always)]
fn upper(word: u32) -> f32 {
    f32::from_bits(word & 0xFFFF_0000)
}

impl Dot for PlainHalves {
    type Sums = [f32; PANEL];
    type Weights = [u32; PANEL];

    #[inline(always)]
    unsafe fn start(at: *const u32) -> [f32; PANEL] {
        at.cast::<[f32; PANEL]>().read()
    }
    #[inline(always)]
    unsafe fn load(from: *const u32) -> [u32; PANEL] {
        from.cast::<[u32; PANEL]>().read()
    }
    #[inline(always)]
    unsafe fn add(mut sums: [f32; PANEL], word: [u8; 4], weights: [u32; PANEL]) -> [f32; PANEL] {
        let word = u32::from_le_bytes(word);
        let (first, second) = (upper(word << 16), upper(word));
        for (sum, weights) in sums.iter_mut().zip(weights) {
            *sum += second * upper(weights);
            *sum += first * upper(weights << 16);
        }
        sums
    }
    #[inline(always)]
    unsafe fn store(to: *mut u32, sums: [f32; PANEL]) {
        to.cast::<[f32; PANEL]>().write(sums);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::kernels::CpuLevel;

    fn matrix(rows: usize, columns: usize, number: impl Fn(usize) -> f32) -> Matrix {
        let mut matrix = Matrix::default();
        matrix.reshape(rows, columns.next_multiple_of(PANEL));
        for row in 0..rows {
            let numbers = matrix.row_mut(row).iter_mut().enumerate();
            // What fills the rows up is not read.
            numbers.for_each(|(i, to)| {
                *to = if i < columns { number(row * columns + i) } else { 1e9 }
            });
        }
        matrix
    }

    /// Those of the processor, and plain loops compiled for no vectors.
    fn levels() -> impl Iterator<Item = (Bf16Level, Kernels)> {
        let found = Bf16Level::ALL.into_iter().filter(|level| level.is_available());
        let found = found.map(|level| (level, CpuLevel::detect()));
        let plain = (Bf16Level::Portable, CpuLevel::Portable);
        found.chain([plain]).map(|(level, cpu)| (level, Kernels::new(cpu).unwrap()))
    }

    /// All three products of a layer, by every level: small whole numbers, whose sums are exact.
    #[test]
    fn every_level_has_the_sums_of_plain_loops() {
        let number = |i: usize| (i * 7919 % 31) as f32 - 15.0;
        // Tiles and parts of tiles, panels in ones, twos and fours, and nothing.
        for [rows, inputs, outputs] in
            [[1, 1, 1], [16, 32, 16], [41, 70, 33], [70, 33, 100], [64, 64, 64], [0, 9, 9]]
        {
            let (x, w) = (matrix(rows, inputs, number), matrix(inputs, outputs, |i| number(i + 3)));
            let z = matrix(rows, outputs, |i| number(i + 7));
            let padded = |count: usize| count.next_multiple_of(PANEL);
            let bias: Vec<f32> = (0..padded(outputs)).map(number).collect();
            let zeros = vec![0.0; padded(inputs)];
            for (level, kernels) in levels() {
                let [mut left, mut right, mut spare] = [(); 3].map(|()| Halves::default());
                let mut made = Matrix::default();
                let about = format!("{level:?} {:?} {rows} {inputs} {outputs}", kernels.level());
                let check = |made: &Matrix, columns: usize, sum: &dyn Fn(usize, usize) -> f32| {
                    for row in 0..made.num_rows() {
                        for column in 0..columns {
                            assert_eq!(made.row(row)[column], sum(row, column), "{about}");
                        }
                    }
                };
                let dot = |terms: &mut dyn Iterator<Item = (f32, f32)>| {
                    terms.map(|(a, b)| a * b).sum::<f32>()
                };

                kernels.halve_left(Numbers::of(&x, inputs), &mut left);
                kernels.halve_right(Numbers::of(&w, padded(outputs)), &mut right);
                kernels.multiply_halves(level, [&left, &right], &bias, true, &mut made);
                check(&made, outputs, &|row, column| {
                    let terms = &mut (0..inputs).map(|k| (x.row(row)[k], w.row(k)[column]));
                    (bias[column] + dot(terms)).max(0.0)
                });

                kernels.halve_left(Numbers::of(&z, outputs), &mut left);
                kernels.halve_right_turned(Numbers::of(&w, outputs), &mut spare, &mut right);
                kernels.multiply_halves(level, [&left, &right], &zeros, false, &mut made);
                check(&made, inputs, &|row, column| {
                    dot(&mut (0..outputs).map(|k| (z.row(row)[k], w.row(column)[k])))
                });

                kernels.halve_left_turned(Numbers::of(&x, padded(inputs)), &mut spare, &mut left);
                kernels.halve_right(Numbers::of(&z, padded(outputs)), &mut right);
                let mut sums = vec![2.0; inputs * padded(outputs)];
                let output = (&mut sums[..], padded(outputs));
                kernels.add_halves(level, (&left, 0..inputs), &right, output);
                for (input, sums) in sums.chunks(padded(outputs)).enumerate() {
                    for (output, &sum) in sums[..outputs].iter().enumerate() {
                        let terms = &mut (0..rows).map(|k| (x.row(k)[input], z.row(k)[output]));
                        assert_eq!(sum, 2.0 + dot(terms), "{about}");
                    }
                }
            }
        }
    }

    /// Numbers that are rounded: factors alike everywhere, so that only sums differ, in the last digits.
    #[test]
    fn levels_differ_in_the_order_of_sums_alone() {
        let number = |i: usize| ((i * 7919 % 1009) as f32 - 500.0) / 333.0;
        let (x, w) = (matrix(37, 200, number), matrix(200, 48, |i| number(i + 5)));
        let of = |level, kernels: Kernels| {
            let [mut left, mut right] = [(); 2].map(|()| Halves::default());
            let mut made = Matrix::default();
            kernels.halve_left(Numbers::of(&x, 200), &mut left);
            kernels.halve_right(Numbers::of(&w, 48), &mut right);
            kernels.multiply_halves(level, [&left, &right], &[0.0; 48], false, &mut made);
            (0..37).flat_map(|row| made.row(row).to_vec()).collect::<Vec<f32>>()
        };
        let half = |number: f32| f64::from(upper(rounded(number)));
        let sums = |row: usize, column: usize| {
            (0..200).map(|k| half(x.row(row)[k]) * half(w.row(k)[column])).sum::<f64>()
        };
        for (level, kernels) in levels() {
            for (i, sum) in of(level, kernels).into_iter().enumerate() {
                let expected = sums(i / 48, i % 48);
                assert!((f64::from(sum) - expected).abs() < 3e-5, "{level:?}: {sum} {expected}");
            }
        }
    }

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
            assert_eq!(rounded(f32::from_bits(bits)) >> 16, expected, "{bits:x}");
            let word = pair(f32::from_bits(bits), 1.0).to_bits();
            assert_eq!(word, 0x3F80_0000 | expected, "{bits:x}");
        }
    }
}

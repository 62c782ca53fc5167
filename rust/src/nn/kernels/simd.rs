//! The loops over a vector type. All of it is inlined into functions that enable the processor's
//! features; nothing here may be called from elsewhere.

// Rows, columns and vectors of a tile are told apart by their letters.
#![allow(clippy::needless_range_loop)]

use std::hint::black_box;
use std::ops::Range;

use super::super::buffer::Matrix;
use super::packed::{Bags, Conv, Place};

/// A vector of `LANES` f32.
///
/// # Safety
/// The methods are called only on processors that have the instructions, and inlined into a
/// function that enables them; pointers are good for `LANES` floats.
pub(super) trait Simd {
    type Vector: Copy;
    const LANES: usize;
    unsafe fn splat(value: f32) -> Self::Vector;
    unsafe fn load(from: *const f32) -> Self::Vector;
    unsafe fn store(to: *mut f32, vector: Self::Vector);
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a * b + c`
    unsafe fn multiply_add(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    /// The larger of `a` and 0; NaN stays NaN.
    unsafe fn relu(a: Self::Vector) -> Self::Vector;
    /// Column `i` of the `LANES` rows at `from` becomes row `i` at `to`, for all `LANES`; rows are as
    /// far apart as the second of each says.
    unsafe fn turn((from, step): (*const f32, usize), (to, stride): (*mut f32, usize)) {
        for row in 0..Self::LANES {
            for column in 0..Self::LANES {
                *to.add(column * stride + row) = *from.add(row * step + column);
            }
        }
    }
}

/// A matrix whose rows become columns.
pub(super) struct Turned {
    /// `[rows, columns]`
    pub(super) from: *const f32,
    pub(super) from_stride: usize,
    /// `[columns, rows]`
    pub(super) to: *mut f32,
    pub(super) to_stride: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// A block of one panel of a matrix product.
pub(super) struct Panel<'a> {
    /// `[rows, depth]`
    pub(super) input: *const f32,
    pub(super) input_stride: usize,
    /// `[depth, columns]`
    pub(super) weights: *const f32,
    pub(super) depth: usize,
    /// The inputs that are not zero in all rows, ascending, below `depth`; none: not known.
    pub(super) nonzero: Option<&'a [u16]>,
    /// `[columns]`, where the sums start; none: they start at what is in `output`.
    pub(super) bias: Option<*const f32>,
    /// `[rows, columns]`
    pub(super) output: *mut f32,
    pub(super) output_stride: usize,
    /// The last block of its panel: sums are final, with ReLU if true.
    pub(super) finish: Option<bool>,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// Where the rows of a panel are in an input that they share: number `k` of row `r` is at
/// `starts[r] + offsets[k]`.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    /// `[rows]`
    pub(super) starts: &'a [u32],
    /// `[depth]`
    pub(super) offsets: &'a [u32],
}

/// One panel of the sums of vectors.
pub(super) struct BagPanel {
    /// `[R, columns]`
    pub(super) vectors: *const f32,
    /// `[columns]`
    pub(super) bias: *const f32,
    /// `[bags, columns]`
    pub(super) output: *mut f32,
    pub(super) output_stride: usize,
    pub(super) columns: usize,
    pub(super) relu: bool,
}

/// A block of the products of two matrices' columns, `output[i][j] += sum over k of a[k][i] b[k][j]`:
/// what a layer's weights get from its inputs and the gradients of its outputs.
pub(super) struct Products {
    /// `[depth, rows]`
    pub(super) a: *const f32,
    pub(super) a_stride: usize,
    /// `[depth, columns]`
    pub(super) b: *const f32,
    pub(super) b_stride: usize,
    pub(super) depth: usize,
    /// `[rows, columns]`
    pub(super) output: *mut f32,
    pub(super) output_stride: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// The value as it is stored: -0 becomes +0, so that skipped zeros cannot be told from added ones.
#[inline(always)]
unsafe fn finished<S: Simd>(value: S::Vector, relu: bool) -> S::Vector {
    let value = S::add(value, S::splat(0.0));
    if relu {
        S::relu(value)
    } else {
        value
    }
}

/// Steps of the inner loop between updates of its pointers. These take the ports that multiply.
const UNROLL: usize = 4;

type Sums<S, const R: usize, const V: usize> = [[<S as Simd>::Vector; V]; R];

/// `R` pointers that are `stride` apart. No closure, which some builds do not inline.
#[inline(always)]
fn apart<const R: usize>(first: *const f32, stride: usize) -> [*const f32; R] {
    let mut pointers = [first; R];
    for r in 1..R {
        pointers[r] = first.wrapping_add(r * stride);
    }
    pointers
}

#[inline(always)]
fn moved<const R: usize>(mut pointers: [*const f32; R], by: usize) -> [*const f32; R] {
    for r in 0..R {
        pointers[r] = pointers[r].wrapping_add(by);
    }
    pointers
}

/// `sums[r] += input[r] * weights` for one input of each row.
#[inline(always)]
unsafe fn step<S: Simd, const R: usize, const V: usize>(
    sums: &mut Sums<S, R, V>,
    inputs: [*const f32; R],
    weights: *const f32,
) {
    let mut columns = [S::splat(0.0); V];
    for v in 0..V {
        columns[v] = S::load(weights.add(v * S::LANES));
    }
    for r in 0..R {
        let factor = S::splat(*inputs[r]);
        for v in 0..V {
            sums[r][v] = S::multiply_add(factor, columns[v], sums[r][v]);
        }
    }
}

/// Where the sums of `R` rows from `row` on start.
#[inline(always)]
unsafe fn start<S: Simd, const R: usize, const V: usize>(
    panel: &Panel,
    row: usize,
) -> Sums<S, R, V> {
    let output = panel.output.add(row * panel.output_stride);
    let mut sums = [[S::splat(0.0); V]; R];
    for r in 0..R {
        let start = panel.bias.unwrap_or(output.add(r * panel.output_stride).cast_const());
        for v in 0..V {
            sums[r][v] = S::load(start.add(v * S::LANES));
        }
    }
    sums
}

/// Stores the sums of `R` rows from `row` on.
#[inline(always)]
unsafe fn finish<S: Simd, const R: usize, const V: usize>(
    panel: &Panel,
    row: usize,
    mut sums: Sums<S, R, V>,
) {
    let output = panel.output.add(row * panel.output_stride);
    for r in 0..R {
        for v in 0..V {
            if let Some(relu) = panel.finish {
                sums[r][v] = finished::<S>(sums[r][v], relu);
            }
            S::store(output.add(r * panel.output_stride + v * S::LANES), sums[r][v]);
        }
    }
}

/// `R` rows from `row` on, times all `V` vectors of columns of the panel.
#[inline(always)]
unsafe fn tile<S: Simd, const R: usize, const V: usize>(panel: &Panel, row: usize) {
    let width = V * S::LANES;
    let inputs = apart(panel.input.wrapping_add(row * panel.input_stride), panel.input_stride);
    let mut sums = start::<S, R, V>(panel, row);
    if let (Some(nonzero), true) = (panel.nonzero, R <= 3) {
        for &k in nonzero {
            let k = usize::from(k);
            let weights = panel.weights.add(k * width);
            step::<S, R, V>(&mut sums, moved(inputs, k), weights);
        }
    } else {
        let mut k = 0;
        while k + UNROLL <= panel.depth {
            let (inputs, weights) = (moved(inputs, k), panel.weights.add(k * width));
            for u in 0..UNROLL {
                step::<S, R, V>(&mut sums, moved(inputs, u), weights.add(u * width));
            }
            k += UNROLL;
        }
        while k < panel.depth {
            let weights = panel.weights.add(k * width);
            step::<S, R, V>(&mut sums, moved(inputs, k), weights);
            k += 1;
        }
    }
    finish::<S, R, V>(panel, row, sums);
}

/// As [`tile`], of rows that are at `places`.
#[inline(always)]
unsafe fn placed_tile<S: Simd, const R: usize, const V: usize>(
    panel: &Panel,
    places: Places,
    row: usize,
) {
    let mut starts = [0; R];
    for r in 0..R {
        starts[r] = *places.starts.get_unchecked(row + r) as usize;
    }
    let mut sums = start::<S, R, V>(panel, row);
    let mut weights = panel.weights;
    for &offset in places.offsets {
        let input = panel.input.add(offset as usize);
        let mut inputs = [input; R];
        for r in 0..R {
            inputs[r] = input.add(starts[r]);
        }
        step::<S, R, V>(&mut sums, inputs, weights);
        weights = weights.add(V * S::LANES);
    }
    finish::<S, R, V>(panel, row, sums);
}

/// All rows of a panel of `V` vectors, `R` rows at a time while there are, then in halves.
#[inline(always)]
pub(super) unsafe fn multiply<S: Simd, const R: usize, const V: usize>(panel: &Panel) {
    debug_assert_eq!(panel.columns, V * S::LANES);
    let mut row = 0;
    while row + R <= panel.rows && (R > 6 || panel.rows - row == R || panel.rows - row >= 2 * R) {
        tile::<S, R, V>(panel, row);
        row += R;
    }
    while R > 1 && row < panel.rows {
        let rest = panel.rows - row;
        let rows = if rest > 6 { rest.div_ceil(2).min(6) } else { rest };
        match rows {
            1 => tile::<S, 1, V>(panel, row),
            2 => tile::<S, 2, V>(panel, row),
            3 => tile::<S, 3, V>(panel, row),
            4 => tile::<S, 4, V>(panel, row),
            5 => tile::<S, 5, V>(panel, row),
            _ => tile::<S, 6, V>(panel, row),
        }
        row += rows;
    }
}

/// As [`multiply`], of rows that are at `places`.
#[inline(always)]
pub(super) unsafe fn multiply_placed<S: Simd, const R: usize, const V: usize>(
    panel: &Panel,
    places: Places,
) {
    debug_assert_eq!(panel.columns, V * S::LANES);
    let mut row = 0;
    while row + R <= panel.rows {
        placed_tile::<S, R, V>(panel, places, row);
        row += R;
    }
    while R > 1 && row < panel.rows {
        let rows = (panel.rows - row).min(4);
        match rows {
            1 => placed_tile::<S, 1, V>(panel, places, row),
            2 => placed_tile::<S, 2, V>(panel, places, row),
            3 => placed_tile::<S, 3, V>(panel, places, row),
            _ => placed_tile::<S, 4, V>(panel, places, row),
        }
        row += rows;
    }
}

/// `R` rows from `row` on, times all `V` vectors of columns of the block.
#[inline(always)]
unsafe fn products_tile<S: Simd, const R: usize, const V: usize>(block: &Products, row: usize) {
    let output = block.output.add(row * block.output_stride);
    let mut sums = [[S::splat(0.0); V]; R];
    for r in 0..R {
        for v in 0..V {
            sums[r][v] = S::load(output.add(r * block.output_stride + v * S::LANES));
        }
    }
    let (mut a, mut b) = (block.a.add(row), block.b);
    for _ in 0..block.depth / UNROLL {
        for u in 0..UNROLL {
            let a = a.wrapping_add(u * block.a_stride);
            step::<S, R, V>(&mut sums, apart(a, 1), b.wrapping_add(u * block.b_stride));
        }
        a = a.wrapping_add(UNROLL * block.a_stride);
        b = b.wrapping_add(UNROLL * block.b_stride);
    }
    for _ in 0..block.depth % UNROLL {
        step::<S, R, V>(&mut sums, apart(a, 1), b);
        a = a.wrapping_add(block.a_stride);
        b = b.wrapping_add(block.b_stride);
    }
    for r in 0..R {
        for v in 0..V {
            S::store(output.add(r * block.output_stride + v * S::LANES), sums[r][v]);
        }
    }
}

/// All rows of a block of `V` vectors, six at a time.
#[inline(always)]
pub(super) unsafe fn products<S: Simd, const V: usize>(block: &Products) {
    debug_assert_eq!(block.columns, V * S::LANES);
    let mut row = 0;
    while row + 6 <= block.rows {
        products_tile::<S, 6, V>(block, row);
        row += 6;
    }
    match block.rows - row {
        0 => (),
        1 => products_tile::<S, 1, V>(block, row),
        2 => products_tile::<S, 2, V>(block, row),
        3 => products_tile::<S, 3, V>(block, row),
        4 => products_tile::<S, 4, V>(block, row),
        _ => products_tile::<S, 5, V>(block, row),
    }
}

/// One panel of `V` vectors of the sums of all bags.
#[inline(always)]
pub(super) unsafe fn sum_bags<S: Simd, const V: usize>(panel: &BagPanel, bags: &Bags) {
    debug_assert_eq!(panel.columns, V * S::LANES);
    let mut output = panel.output;
    let mut features = bags.features().as_ptr();
    let mut start = 0;
    for &end in bags.ends() {
        let mut sums = [S::splat(0.0); V];
        for v in 0..V {
            sums[v] = S::load(panel.bias.add(v * S::LANES));
        }
        for _ in start..end {
            let vector = panel.vectors.add(*features as usize * (V * S::LANES));
            for v in 0..V {
                sums[v] = S::add(sums[v], S::load(vector.add(v * S::LANES)));
            }
            features = features.add(1);
        }
        for v in 0..V {
            S::store(output.add(v * S::LANES), finished::<S>(sums[v], panel.relu));
        }
        start = end;
        output = output.add(panel.output_stride);
    }
}

/// Adds each row of `delta` to the vectors of its features in `range`, of which `vectors` has the first.
#[inline(always)]
pub(super) unsafe fn add_to_bags<S: Simd>(
    bags: &Bags,
    range: &Range<usize>,
    delta: &Matrix,
    vectors: &mut [f32],
) {
    let columns = delta.num_columns();
    for row in 0..bags.len() {
        let from = delta.row(row).as_ptr();
        for &feature in bags.row(row) {
            let feature = feature as usize;
            if range.contains(&feature) {
                let to = vectors.as_mut_ptr().add((feature - range.start) * columns);
                for column in (0..columns).step_by(S::LANES) {
                    let to = to.add(column);
                    S::store(to, S::add(S::load(to), S::load(from.add(column))));
                }
            }
        }
    }
}

/// Adds the vectors of `features` to `output [columns]`, each at its place.
#[inline(always)]
pub(super) unsafe fn sum_placed<S: Simd>(
    conv: &Conv,
    features: &[u32],
    relu: bool,
    output: &mut [f32],
) {
    for &feature in features {
        let Place { vector, output: first } = conv.places[feature as usize];
        let vector = &conv.vectors[vector as usize..][..conv.dim];
        for (sum, value) in output[first as usize..][..conv.dim].iter_mut().zip(vector) {
            *sum += value;
        }
    }
    for vector in output.chunks_exact_mut(S::LANES) {
        let vector = vector.as_mut_ptr();
        S::store(vector, finished::<S>(S::load(vector), relu));
    }
}

/// Squares of `LANES` rows and columns, then what is left.
#[inline(always)]
pub(super) unsafe fn turn<S: Simd>(matrix: &Turned) {
    let &Turned { from, from_stride, to, to_stride, rows, columns } = matrix;
    let squares = [rows, columns].map(|count| count / S::LANES * S::LANES);
    for row in (0..rows).step_by(S::LANES) {
        let first = if row < squares[0] { squares[1] } else { 0 };
        for column in (0..first).step_by(S::LANES) {
            let (from, to) =
                (from.add(row * from_stride + column), to.add(column * to_stride + row));
            S::turn((from, from_stride), (to, to_stride));
        }
        for column in first..columns {
            for row in row..rows.min(row + S::LANES) {
                *to.add(column * to_stride + row) = *from.add(row * from_stride + column);
            }
        }
    }
}

/// Chains of products with sums that are enough to fill all units.
const CHAINS: usize = 12;

/// `rounds` of each chain's; how many there were.
///
/// # Safety
/// The processor has what `S` needs.
#[inline(always)]
pub(super) unsafe fn multiply_adds<S: Simd>(rounds: usize) -> usize {
    let (by, more) = (S::splat(black_box(0.999)), S::splat(black_box(0.001)));
    let mut sums = [S::splat(black_box(0.5)); CHAINS];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = S::multiply_add(*sum, by, more);
        }
    }
    black_box(&sums);
    rounds * CHAINS * S::LANES
}

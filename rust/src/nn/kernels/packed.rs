//! What the loops read: weights in panels, and the checked features of sparse rows.

use super::super::buffer::Aligned;

/// Columns are padded to a multiple of this: the widest vector.
pub(in crate::nn) const LANES: usize = 16;

/// A matrix `[rows, columns]` in panels of columns, each panel row-major, the columns padded with
/// zeros to whole vectors: panel `[rows, width]` starts at `first column * rows`.
#[derive(Clone)]
pub(in crate::nn) struct Packed {
    pub(in crate::nn) data: Aligned,
    pub(in crate::nn) num_rows: usize,
    pub(in crate::nn) padded_columns: usize,
}

impl Packed {
    /// `panel` columns a panel, but for the last.
    pub(in crate::nn) fn new(matrix: &[f32], num_columns: usize, panel: usize) -> Self {
        let num_rows = matrix.len() / num_columns;
        let mut packed = Self::zeros(num_rows, num_columns);
        packed.fill(matrix, num_columns, num_columns, panel);
        packed
    }

    pub(in crate::nn) fn zeros(num_rows: usize, num_columns: usize) -> Self {
        let padded_columns = num_columns.next_multiple_of(LANES);
        Self { data: Aligned::zeros(num_rows * padded_columns), num_rows, padded_columns }
    }

    /// Takes the first `num_columns` values of each row of `matrix`, whose rows are `stride` apart.
    pub(in crate::nn) fn fill(
        &mut self,
        matrix: &[f32],
        stride: usize,
        num_columns: usize,
        panel: usize,
    ) {
        for (row, values) in matrix.chunks(stride).take(self.num_rows).enumerate() {
            for (i, part) in values[..num_columns].chunks(panel).enumerate() {
                let first = i * panel;
                let width = panel.min(self.padded_columns - first);
                self.data[first * self.num_rows + row * width..][..part.len()]
                    .copy_from_slice(part);
            }
        }
    }
}

/// A fully connected layer as the kernels read it.
#[derive(Clone)]
pub(in crate::nn) struct PackedLinear {
    pub(in crate::nn) weights: Packed,
    pub(in crate::nn) bias: Aligned,
    pub(in crate::nn) relu: bool,
}

impl PackedLinear {
    /// Weights and biases of 0.
    pub(in crate::nn) fn zeros(inputs: usize, outputs: usize, relu: bool) -> Self {
        let weights = Packed::zeros(inputs, outputs);
        let bias = Aligned::zeros(weights.padded_columns);
        Self { weights, bias, relu }
    }
}

/// Where rows are that lie over each other in an input: number `k` of row `r` is at
/// `starts[r] + offsets[k]`.
pub(in crate::nn) struct Overlaid {
    starts: Vec<u32>,
    offsets: Vec<u32>,
    /// Numbers that an input has at least.
    reach: usize,
}

impl Overlaid {
    pub(in crate::nn) fn new(starts: Vec<u32>, offsets: Vec<u32>) -> Self {
        let last = |numbers: &[u32]| numbers.iter().max().map_or(0, |&number| number as usize);
        let reach = last(&starts) + last(&offsets) + 1;
        Self { starts, offsets, reach }
    }

    pub(in crate::nn) fn starts(&self) -> &[u32] {
        &self.starts
    }

    pub(in crate::nn) fn offsets(&self) -> &[u32] {
        &self.offsets
    }

    pub(in crate::nn) fn reach(&self) -> usize {
        self.reach
    }
}

pub(in crate::nn) fn pad(bias: &[f32]) -> Aligned {
    let mut padded = Aligned::zeros(bias.len().next_multiple_of(LANES));
    padded[..bias.len()].copy_from_slice(bias);
    padded
}

/// Where the vector of a feature is added.
#[derive(Clone, Copy)]
pub(in crate::nn) struct Place {
    /// First value of the vector.
    pub(in crate::nn) vector: u32,
    pub(in crate::nn) output: u32,
}

/// Vectors `[R, dim]` that are added at one of several places of the output.
#[derive(Clone)]
pub(in crate::nn) struct Conv {
    pub(in crate::nn) vectors: Vec<f32>,
    pub(in crate::nn) dim: usize,
    pub(in crate::nn) places: Vec<Place>,
}

/// The place of every feature of an observation of a shape whose axis `axis` is the channels.
pub(in crate::nn) fn places(shape: [usize; 2], axis: usize, dim: usize) -> Vec<Place> {
    let place = |feature: usize| {
        let axes = [feature / shape[1], feature % shape[1]];
        Place { vector: (axes[axis] * dim) as u32, output: (axes[1 - axis] * dim) as u32 }
    };
    (0..shape[0] * shape[1]).map(place).collect()
}

/// Checked features of some rows: `features[ends[i - 1]..ends[i]]` are those of row `i`.
///
/// The kernels rely on it that `ends` rises and stops at `features.len()`.
#[derive(Default)]
pub(in crate::nn) struct Bags {
    features: Vec<u32>,
    ends: Vec<usize>,
}

impl Bags {
    pub(in crate::nn) fn clear(&mut self) {
        self.features.clear();
        self.ends.clear();
    }

    pub(in crate::nn) fn push(&mut self, features: impl Iterator<Item = u32>) {
        self.features.extend(features);
        self.ends.push(self.features.len());
    }

    pub(in crate::nn) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(in crate::nn) fn features(&self) -> &[u32] {
        &self.features
    }

    pub(in crate::nn) fn ends(&self) -> &[usize] {
        &self.ends
    }

    pub(in crate::nn) fn row(&self, row: usize) -> &[u32] {
        let first = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.features[first..self.ends[row]]
    }
}

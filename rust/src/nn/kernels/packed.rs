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
        let padded_columns = num_columns.next_multiple_of(LANES);
        let mut data = Aligned::zeros(num_rows * padded_columns);
        for (row, values) in matrix.chunks_exact(num_columns).enumerate() {
            for (i, part) in values.chunks(panel).enumerate() {
                let first = i * panel;
                let width = panel.min(padded_columns - first);
                data[first * num_rows + row * width..][..part.len()].copy_from_slice(part);
            }
        }
        Self { data, num_rows, padded_columns }
    }
}

/// A fully connected layer as the kernels read it.
#[derive(Clone)]
pub(in crate::nn) struct PackedLinear {
    pub(in crate::nn) weights: Packed,
    pub(in crate::nn) bias: Aligned,
    pub(in crate::nn) relu: bool,
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

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
        let panels = packed.panels_mut(panel);
        panels.for_each(|panel| panel.fill(matrix, num_columns, num_columns));
        packed
    }

    pub(in crate::nn) fn zeros(num_rows: usize, num_columns: usize) -> Self {
        let padded_columns = num_columns.next_multiple_of(LANES);
        Self { data: Aligned::zeros(num_rows * padded_columns), num_rows, padded_columns }
    }

    /// Its panels of `columns` columns, the last of which may have fewer.
    pub(in crate::nn) fn panels_mut(
        &mut self,
        columns: usize,
    ) -> impl Iterator<Item = PanelMut<'_>> + Send {
        let num_rows = self.num_rows.max(1);
        let panels = self.data.chunks_mut(num_rows * columns).enumerate();
        panels.map(move |(i, data)| PanelMut {
            first: i * columns,
            width: data.len() / num_rows,
            data,
        })
    }
}

/// A part of some weights on its way to where the loops read it: any thread may call it.
pub(crate) type Packing<'a> = Box<dyn FnOnce() + Send + 'a>;

/// The columns of a [`Packed`] from `first` on, `[rows, width]`.
pub(in crate::nn) struct PanelMut<'a> {
    pub(in crate::nn) first: usize,
    pub(in crate::nn) width: usize,
    pub(in crate::nn) data: &'a mut [f32],
}

impl PanelMut<'_> {
    /// Takes what it has of the first `num_columns` values of each row of `matrix`, whose rows are
    /// `stride` apart.
    pub(in crate::nn) fn fill(self, matrix: &[f32], stride: usize, num_columns: usize) {
        let columns = self.first..num_columns.min(self.first + self.width);
        for (to, values) in self.data.chunks_exact_mut(self.width).zip(matrix.chunks(stride)) {
            to[..columns.len()].copy_from_slice(&values[columns.clone()]);
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

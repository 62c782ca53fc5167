//! Sparse observations: batches of index lists, never one-hot matrices.

/// A batch of `N` observations, each a list of active features.
///
/// Row `i` holds `indices[offsets[i]..offsets[i + 1]]`; `offsets` has `N + 1` entries and starts
/// with 0. Without its last entry it is the `offsets` argument of torch's `embedding_bag`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SparseRows {
    pub(crate) indices: Vec<i32>,
    pub(crate) offsets: Vec<i64>,
}

impl Default for SparseRows {
    fn default() -> Self {
        Self { indices: Vec::new(), offsets: vec![0] }
    }
}

impl SparseRows {
    /// Rows from their parts; `offsets` must start at 0, rise, and end at `indices.len()`.
    pub fn from_parts(indices: Vec<i32>, offsets: Vec<i64>) -> Option<Self> {
        let ends_match =
            offsets.first() == Some(&0) && offsets.last() == Some(&(indices.len() as i64));
        let rises = offsets.windows(2).all(|pair| pair[0] <= pair[1]);
        (ends_match && rises).then_some(Self { indices, offsets })
    }

    /// Number of rows `N`.
    #[inline]
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The active features of row `row`.
    #[inline]
    pub fn row(&self, row: usize) -> &[i32] {
        &self.indices[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }

    /// Appends a row.
    #[inline]
    pub fn push(&mut self, row: &[i32]) {
        self.indices.extend_from_slice(row);
        self.offsets.push(self.indices.len() as i64);
    }

    /// Appends a row that `write` adds to the index buffer.
    #[inline]
    pub fn push_with<T>(&mut self, write: impl FnOnce(&mut Vec<i32>) -> T) -> T {
        let result = write(&mut self.indices);
        self.offsets.push(self.indices.len() as i64);
        result
    }

    /// Appends the rows of `other`.
    pub fn extend_from(&mut self, other: &SparseRows) {
        let shift = self.indices.len() as i64;
        self.indices.extend_from_slice(&other.indices);
        self.offsets.extend(other.offsets[1..].iter().map(|offset| offset + shift));
    }

    /// Removes all rows and keeps the memory.
    #[inline]
    pub fn clear(&mut self) {
        self.indices.clear();
        self.offsets.truncate(1);
    }

    pub fn indices(&self) -> &[i32] {
        &self.indices
    }

    pub fn offsets(&self) -> &[i64] {
        &self.offsets
    }

    /// The buffers, to be moved out without a copy.
    pub fn into_parts(self) -> (Vec<i32>, Vec<i64>) {
        (self.indices, self.offsets)
    }
}

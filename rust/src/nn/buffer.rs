//! Floats on cache line boundaries, so that no vector load crosses one.

use std::ops::{Deref, DerefMut};

const LINE: usize = 16;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// Floats whose first lies on a 64-byte boundary.
#[derive(Clone, Default)]
pub(super) struct Aligned {
    lines: Vec<Line>,
    len: usize,
}

impl Aligned {
    pub(super) fn zeros(len: usize) -> Self {
        let mut buffer = Self::default();
        buffer.grow(len);
        buffer
    }

    /// Makes room for at least `len` floats; what is there keeps its value.
    pub(super) fn grow(&mut self, len: usize) {
        if len > self.len {
            self.lines.resize(len.div_ceil(LINE), Line([0.0; LINE]));
            self.len = len;
        }
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: `lines` holds at least `len` consecutive, initialised f32 (`Line` is repr(C),
        // 64 bytes in size and alignment, so there is no padding between lines).
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`; the borrow of `self` is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

/// A row-major matrix of activations whose rows start on 64-byte boundaries.
#[derive(Default)]
pub(super) struct Matrix {
    data: Aligned,
    num_rows: usize,
    num_columns: usize,
}

impl Matrix {
    /// Becomes `[num_rows, num_columns]` with unspecified values; allocates only to grow.
    ///
    /// `num_columns` is a multiple of 16.
    pub(super) fn reshape(&mut self, num_rows: usize, num_columns: usize) {
        debug_assert_eq!(num_columns % LINE, 0);
        (self.num_rows, self.num_columns) = (num_rows, num_columns);
        self.data.grow(num_rows * self.stride());
    }

    pub(super) fn num_rows(&self) -> usize {
        self.num_rows
    }

    pub(super) fn num_columns(&self) -> usize {
        self.num_columns
    }

    /// Distance of two rows: one line more than the columns, since powers of two would put all
    /// rows into the same sets of the cache.
    pub(super) fn stride(&self) -> usize {
        self.num_columns + LINE
    }

    #[inline(always)]
    pub(super) fn row(&self, row: usize) -> &[f32] {
        &self.data[row * self.stride()..][..self.num_columns]
    }

    #[inline(always)]
    pub(super) fn row_mut(&mut self, row: usize) -> &mut [f32] {
        let stride = self.stride();
        &mut self.data[row * stride..][..self.num_columns]
    }

    /// All numbers from `column` of `row` on, with what lies between the rows.
    pub(super) fn tail(&self, row: usize, column: usize) -> &[f32] {
        &self.data[row * self.stride() + column..]
    }

    /// All numbers from `row` on, with what lies between the rows.
    pub(super) fn tail_mut(&mut self, row: usize) -> &mut [f32] {
        let stride = self.stride();
        &mut self.data[row * stride..]
    }

    /// Adds `other`, which has as many rows and columns.
    pub(super) fn add(&mut self, other: &Matrix) {
        for row in 0..self.num_rows {
            let pairs = self.row_mut(row).iter_mut().zip(other.row(row));
            pairs.for_each(|(sum, value)| *sum += value);
        }
    }

    /// Becomes `other`.
    pub(super) fn copy_from(&mut self, other: &Matrix) {
        self.reshape(other.num_rows, other.num_columns);
        for row in 0..self.num_rows {
            self.row_mut(row).copy_from_slice(other.row(row));
        }
    }

    /// Puts `width` numbers of each row of `from`, from `start` on, to column `column` and after.
    pub(super) fn put(&mut self, column: usize, width: usize, from: &Matrix, start: usize) {
        for row in 0..self.num_rows {
            self.row_mut(row)[column..][..width].copy_from_slice(&from.row(row)[start..][..width]);
        }
    }

    /// Puts 0 into the columns from `column` on.
    pub(super) fn clear_from(&mut self, column: usize) {
        if column < self.num_columns {
            (0..self.num_rows).for_each(|row| self.row_mut(row)[column..].fill(0.0));
        }
    }

    pub(super) fn as_ptr(&self) -> *const f32 {
        self.data.as_ptr()
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut f32 {
        self.data.as_mut_ptr()
    }
}

//! Batches of observations: rows of words, one after another.

/// A batch of `N` observations, each a row of 32-bit words, see [`spaces`](super).
///
/// Row `i` holds `words[offsets[i]..offsets[i + 1]]`; `offsets` has `N + 1` entries and starts with
/// 0. Of sparse observations the words are the active features, and `offsets` without its last
/// entry is that argument of torch's `embedding_bag`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    pub(crate) words: Vec<i32>,
    pub(crate) offsets: Vec<i64>,
}

impl Default for Rows {
    fn default() -> Self {
        Self { words: Vec::new(), offsets: vec![0] }
    }
}

impl Rows {
    /// Rows from their parts; `offsets` must start at 0, rise, and end at `words.len()`.
    pub fn from_parts(words: Vec<i32>, offsets: Vec<i64>) -> Option<Self> {
        let ends_match =
            offsets.first() == Some(&0) && offsets.last() == Some(&(words.len() as i64));
        let rises = offsets.windows(2).all(|pair| pair[0] <= pair[1]);
        (ends_match && rises).then_some(Self { words, offsets })
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

    /// The words of row `row`.
    #[inline]
    pub fn row(&self, row: usize) -> &[i32] {
        &self.words[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }

    /// Appends a row.
    #[inline]
    pub fn push(&mut self, row: &[i32]) {
        self.words.extend_from_slice(row);
        self.offsets.push(self.words.len() as i64);
    }

    /// Appends a row that `write` adds to the words.
    #[inline]
    pub fn push_with<T>(&mut self, write: impl FnOnce(&mut Vec<i32>) -> T) -> T {
        let result = write(&mut self.words);
        self.offsets.push(self.words.len() as i64);
        result
    }

    /// Appends the rows of `other`.
    pub fn extend_from(&mut self, other: &Rows) {
        let shift = self.words.len() as i64;
        self.words.extend_from_slice(&other.words);
        self.offsets.extend(other.offsets[1..].iter().map(|offset| offset + shift));
    }

    /// Removes all rows and keeps the memory.
    #[inline]
    pub fn clear(&mut self) {
        self.words.clear();
        self.offsets.truncate(1);
    }

    pub fn words(&self) -> &[i32] {
        &self.words
    }

    pub fn offsets(&self) -> &[i64] {
        &self.offsets
    }

    /// The words and the offsets, to be moved out without a copy.
    pub fn into_parts(self) -> (Vec<i32>, Vec<i64>) {
        (self.words, self.offsets)
    }
}

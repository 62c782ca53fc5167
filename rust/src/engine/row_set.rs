//! Observations by number: each distinct one is kept once, in the order of their arrival.

use super::cache::hash_row;
use crate::spaces::Rows;

const EMPTY: u32 = u32::MAX;
const SMALLEST: usize = 64;

/// Distinct rows; compared in full, so that two observations are never taken for one.
pub(crate) struct RowSet {
    rows: Rows,
    hashes: Vec<u64>,
    /// Open addressing: numbers of rows, at most half of the table.
    table: Vec<u32>,
}

impl Default for RowSet {
    fn default() -> Self {
        Self { rows: Rows::default(), hashes: Vec::new(), table: vec![EMPTY; SMALLEST] }
    }
}

impl RowSet {
    pub(crate) fn rows(&self) -> &Rows {
        &self.rows
    }

    pub(crate) fn into_rows(self) -> Rows {
        self.rows
    }

    #[inline]
    pub(crate) fn contains(&self, row: &[i32]) -> bool {
        self.find(row, hash_row(row, -1)).is_ok()
    }

    /// The number of `row`, and whether it is new and was appended.
    #[inline]
    pub(crate) fn insert(&mut self, row: &[i32]) -> (usize, bool) {
        let hash = hash_row(row, -1);
        let place = match self.find(row, hash) {
            Ok(number) => return (number, false),
            Err(place) => place,
        };
        let number = self.rows.len();
        self.table[place] = number as u32;
        self.rows.push(row);
        self.hashes.push(hash);
        if self.hashes.len() * 2 > self.table.len() {
            self.grow();
        }
        (number, true)
    }

    /// Removes all rows and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.hashes.clear();
        self.table.fill(EMPTY);
    }

    /// The number of `row`, or where in the table it belongs.
    #[inline]
    fn find(&self, row: &[i32], hash: u64) -> Result<usize, usize> {
        let mask = self.table.len() - 1;
        let mut place = hash as usize & mask;
        loop {
            match self.table[place] {
                EMPTY => return Err(place),
                number => {
                    let number = number as usize;
                    if self.hashes[number] == hash && self.rows.row(number) == row {
                        return Ok(number);
                    }
                }
            }
            place = (place + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let mask = self.table.len() * 4 - 1;
        self.table.clear();
        self.table.resize(mask + 1, EMPTY);
        for (number, &hash) in self.hashes.iter().enumerate() {
            let mut place = hash as usize & mask;
            while self.table[place] != EMPTY {
                place = (place + 1) & mask;
            }
            self.table[place] = number as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::rng::Rng;

    #[test]
    fn numbers_rows_in_the_order_of_their_arrival() {
        let mut rng = Rng::new(5);
        let mut set = RowSet::default();
        for _ in 0..2 {
            let mut known = HashMap::new();
            for _ in 0..20_000 {
                let row: Vec<i32> = (0..rng.below(6)).map(|_| rng.below(5) as i32).collect();
                assert_eq!(set.contains(&row), known.contains_key(&row));
                let next = known.len();
                let (number, is_new) = set.insert(&row);
                assert_eq!(is_new, number == next);
                assert_eq!(*known.entry(row).or_insert(next), number);
            }
            assert_eq!(set.rows().len(), known.len());
            set.clear();
        }
    }
}

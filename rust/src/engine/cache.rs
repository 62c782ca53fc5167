//! Network outputs by observation, while the weights stand still.
//!
//! Puzzles meet the same states again and again. A hit returns exactly what the network would
//! compute, because a row's result does not depend on its batch.

use crate::obs::SparseRows;

/// Above this many rows nothing more is kept: about 60 MB with 16 features a row.
const MAX_ROWS: usize = 1 << 19;
const EMPTY: u32 = u32::MAX;

/// What [`Cache::find`] says of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Its output is, or will be, in this slot.
    Known(u32),
    /// It was given this slot; the caller fills it.
    New(u32),
    /// No room for it.
    Full,
}

/// Open addressing over exact keys: the observation's indices and the twist.
pub(crate) struct Cache {
    table: Vec<u32>,
    hashes: Vec<u64>,
    keys: SparseRows,
    twists: Vec<i32>,
}

impl Cache {
    pub(crate) fn new() -> Self {
        Self {
            table: vec![EMPTY; 64],
            hashes: Vec::new(),
            keys: SparseRows::default(),
            twists: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// Finds or inserts `row` seen through `twist`.
    pub(crate) fn find(&mut self, row: &[i32], twist: i32) -> Found {
        let hash = hash_row(row, twist);
        let mask = self.table.len() - 1;
        let mut place = hash as usize & mask;
        loop {
            let slot = self.table[place];
            if slot == EMPTY {
                break;
            }
            let known = slot as usize;
            if self.hashes[known] == hash
                && self.twists[known] == twist
                && self.keys.row(known) == row
            {
                return Found::Known(slot);
            }
            place = (place + 1) & mask;
        }
        if self.len() >= MAX_ROWS {
            return Found::Full;
        }
        let slot = self.len() as u32;
        self.table[place] = slot;
        self.hashes.push(hash);
        self.keys.push(row);
        self.twists.push(twist);
        if self.len() * 2 > self.table.len() {
            self.grow();
        }
        Found::New(slot)
    }

    fn grow(&mut self) {
        let mask = self.table.len() * 4 - 1;
        self.table.clear();
        self.table.resize(mask + 1, EMPTY);
        for (slot, &hash) in self.hashes.iter().enumerate() {
            let mut place = hash as usize & mask;
            while self.table[place] != EMPTY {
                place = (place + 1) & mask;
            }
            self.table[place] = slot as u32;
        }
    }
}

/// A multiply-xorshift hash of two indices a round.
#[inline]
fn hash_row(row: &[i32], twist: i32) -> u64 {
    const MULTIPLIER: u64 = 0xD6E8_FEB8_6659_FD93;
    let mut hash = (twist as u32 as u64) ^ ((row.len() as u64) << 32);
    let mut round = |word: u64| {
        hash = (hash ^ word).wrapping_mul(MULTIPLIER);
        hash ^= hash >> 32;
    };
    let mut pairs = row.chunks_exact(2);
    for pair in &mut pairs {
        round(pair[0] as u32 as u64 | (pair[1] as u32 as u64) << 32);
    }
    if let [last] = pairs.remainder() {
        round(*last as u32 as u64);
    }
    hash
}

/// The distinct rows of a batch: `(first [U], index [N])`, where `first[u]` is the first row equal
/// to distinct row `u` and `index[n]` the distinct row that row `n` equals.
pub fn distinct_rows(rows: &SparseRows, twists: &[i32]) -> (Vec<i64>, Vec<i64>) {
    let mut table = vec![EMPTY; (rows.len() * 2).next_power_of_two().max(64)];
    let mask = table.len() - 1;
    let (mut first, mut hashes) = (Vec::new(), Vec::new());
    let mut index = Vec::with_capacity(rows.len());
    for row in 0..rows.len() {
        let hash = hash_row(rows.row(row), twists[row]);
        let mut place = hash as usize & mask;
        let distinct = loop {
            let slot = table[place];
            if slot == EMPTY {
                table[place] = first.len() as u32;
                first.push(row as i64);
                hashes.push(hash);
                break first.len() as i64 - 1;
            }
            let other = first[slot as usize] as usize;
            let same = hashes[slot as usize] == hash && twists[other] == twists[row];
            if same && rows.row(other) == rows.row(row) {
                break i64::from(slot);
            }
            place = (place + 1) & mask;
        };
        index.push(distinct);
    }
    (first, index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn finds_what_was_inserted_and_nothing_else() {
        let mut rng = Rng::new(3);
        let mut cache = Cache::new();
        let mut known = std::collections::HashMap::new();
        for _ in 0..20_000 {
            let row: Vec<i32> = (0..rng.below(5)).map(|_| rng.below(6) as i32).collect();
            let twist = rng.below(3) as i32 - 1;
            let next = known.len() as u32;
            let found = match known.get(&(row.clone(), twist)) {
                Some(&slot) => Found::Known(slot),
                None => Found::New(next),
            };
            assert_eq!(cache.find(&row, twist), found);
            known.entry((row, twist)).or_insert(next);
        }
        assert_eq!(cache.len(), known.len());
    }

    #[test]
    fn distinct_rows_rebuild_the_batch() {
        let mut rng = Rng::new(4);
        let mut rows = SparseRows::default();
        let mut twists = Vec::new();
        for _ in 0..5000 {
            rows.push(&[rng.below(9) as i32, 9 + rng.below(9) as i32]);
            twists.push(rng.below(2) as i32);
        }
        let (first, index) = distinct_rows(&rows, &twists);
        assert!(first.len() <= 162);
        for row in 0..rows.len() {
            let other = first[index[row] as usize] as usize;
            assert!(
                other <= row && rows.row(other) == rows.row(row) && twists[other] == twists[row]
            );
        }
    }
}

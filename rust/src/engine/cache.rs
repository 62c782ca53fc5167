//! Network outputs by observation, while the weights stand still.
//!
//! Puzzles meet the same states again and again. A hit returns exactly what the network would
//! compute, because a row's result does not depend on its batch.

use crate::obs::SparseRows;

/// Above this many rows nothing more is kept: about 60 MB with 16 features a row.
const MAX_ROWS: usize = 1 << 19;
/// A record's words before its features: the twist and their number.
const HEAD: usize = 2;
/// A word of an output that is not there yet: no network output, those are finite.
const UNFILLED: u32 = u32::MAX;

/// What [`Cache::find`] says of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Its output is, or will be, in this record.
    Known(Record),
    /// It was given this record; the caller fills it.
    New(Record),
    /// No room for it.
    Full,
}

/// Where the output of a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Record {
    output: u32,
}

/// A bucket of the table: a record and the upper half of its hash.
#[derive(Clone, Copy)]
struct Bucket {
    tag: u32,
    record: u32,
}

const EMPTY: Bucket = Bucket { tag: 0, record: u32::MAX };

/// Open addressing over exact keys: the observation's features and the twist.
///
/// A record is one run of 32-bit words (twist, number of features, features, output), so that a
/// hit costs two cache misses: its bucket and its record.
pub(crate) struct Cache {
    buckets: Vec<Bucket>,
    words: Vec<u32>,
    len: usize,
    output_len: usize,
}

impl Default for Cache {
    /// Of outputs of no numbers, until it is [`Cache::clear`]ed.
    fn default() -> Self {
        Self::new(0)
    }
}

impl Cache {
    /// A cache of outputs of `output_len` numbers.
    pub(crate) fn new(output_len: usize) -> Self {
        Self { buckets: vec![EMPTY; 64], words: Vec::new(), len: 0, output_len }
    }

    /// Becomes an empty cache of outputs of `output_len` numbers and keeps the memory.
    pub(crate) fn clear(&mut self, output_len: usize) {
        self.output_len = output_len;
        self.buckets.fill(EMPTY);
        self.words.clear();
        self.len = 0;
    }

    /// What it takes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.buckets.capacity() * size_of::<Bucket>() + self.words.capacity() * size_of::<u32>()
    }

    /// Finds or inserts `row` seen through `twist`.
    #[inline]
    pub(crate) fn find(&mut self, row: &[i32], twist: i32) -> Found {
        let hash = hash_row(row, twist);
        let place = match self.look_up(hash, row, twist) {
            Ok(record) => return Found::Known(record),
            Err(place) => place,
        };
        match u32::try_from(self.words.len()) {
            Ok(record) if self.len < MAX_ROWS => {
                self.buckets[place] = Bucket { tag: tag(hash), record };
                self.insert(row, twist);
                Found::New(self.record(record, row.len()))
            }
            _ => Found::Full,
        }
    }

    /// The record of `row` seen through `twist`, if it is there; `hash` is their [`hash_row`].
    #[inline]
    pub(crate) fn get(&self, hash: u64, row: &[i32], twist: i32) -> Option<Record> {
        self.look_up(hash, row, twist).ok()
    }

    /// The record, or the bucket where it belongs.
    #[inline]
    fn look_up(&self, hash: u64, row: &[i32], twist: i32) -> std::result::Result<Record, usize> {
        let mask = self.buckets.len() - 1;
        let mut place = hash as usize & mask;
        loop {
            let bucket = self.buckets[place];
            if bucket.record == EMPTY.record {
                return Err(place);
            }
            if bucket.tag == tag(hash) && self.is(bucket.record as usize, row, twist) {
                return Ok(self.record(bucket.record, row.len()));
            }
            place = (place + 1) & mask;
        }
    }

    #[inline]
    fn is(&self, record: usize, row: &[i32], twist: i32) -> bool {
        let words = &self.words[record..];
        words[0] == twist as u32
            && words[1] == row.len() as u32
            && words[HEAD..HEAD + row.len()].iter().zip(row).all(|(&word, &k)| word == k as u32)
    }

    fn record(&self, record: u32, row_len: usize) -> Record {
        Record { output: record + (HEAD + row_len) as u32 }
    }

    fn insert(&mut self, row: &[i32], twist: i32) {
        self.words.extend([twist as u32, row.len() as u32]);
        self.words.extend(row.iter().map(|&k| k as u32));
        self.words.resize(self.words.len() + self.output_len, UNFILLED);
        self.len += 1;
        if self.len * 2 > self.buckets.len() {
            self.grow();
        }
    }

    fn grow(&mut self) {
        let mask = self.buckets.len() * 4 - 1;
        let old = std::mem::replace(&mut self.buckets, vec![EMPTY; mask + 1]);
        for bucket in old.into_iter().filter(|bucket| bucket.record != EMPTY.record) {
            let mut place = self.hash_of(bucket.record as usize) as usize & mask;
            while self.buckets[place].record != EMPTY.record {
                place = (place + 1) & mask;
            }
            self.buckets[place] = bucket;
        }
    }

    fn hash_of(&self, record: usize) -> u64 {
        let (twist, len) = (self.words[record], self.words[record + 1] as usize);
        hash_words(&self.words[record + HEAD..][..len], twist)
    }

    /// Whether the output in `record` has been written.
    #[inline]
    pub(crate) fn is_filled(&self, record: Record) -> bool {
        self.words[record.output as usize] != UNFILLED
    }

    /// The output in `record`, as last written.
    #[inline]
    pub(crate) fn output(&self, record: Record) -> impl Iterator<Item = f32> + '_ {
        let words = &self.words[record.output as usize..][..self.output_len];
        words.iter().map(|&word| f32::from_bits(word))
    }

    /// Writes the output of `record`.
    pub(crate) fn fill(&mut self, record: Record, output: impl Iterator<Item = f32>) {
        let words = &mut self.words[record.output as usize..][..self.output_len];
        words.iter_mut().zip(output).for_each(|(word, number)| *word = number.to_bits());
    }
}

/// The bits of a hash that do not choose the bucket.
#[inline]
fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// What [`Cache::get`] is asked with.
#[inline]
pub(crate) fn hash_row(row: &[i32], twist: i32) -> u64 {
    hash(row.len(), row.iter().map(|&k| k as u32), twist as u32)
}

fn hash_words(row: &[u32], twist: u32) -> u64 {
    hash(row.len(), row.iter().copied(), twist)
}

/// A multiply-xorshift hash, two features a round.
#[inline]
fn hash(len: usize, mut row: impl Iterator<Item = u32>, twist: u32) -> u64 {
    const MULTIPLIER: u64 = 0xD6E8_FEB8_6659_FD93;
    let mut hash = u64::from(twist) ^ ((len as u64) << 32);
    for _ in 0..len.div_ceil(2) {
        let (first, second) = (row.next().unwrap_or(0), row.next().unwrap_or(0));
        hash ^= u64::from(first) | u64::from(second) << 32;
        hash = hash.wrapping_mul(MULTIPLIER);
        hash ^= hash >> 32;
    }
    hash
}

/// The distinct rows of a batch: `(first [U], index [N])`, where `first[u]` is the first row equal
/// to distinct row `u` and `index[n]` the distinct row that row `n` equals.
pub fn distinct_rows(rows: &SparseRows, twists: &[i32]) -> (Vec<i64>, Vec<i64>) {
    const EMPTY: u32 = u32::MAX;
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
        let mut cache = Cache::new(2);
        let mut known = std::collections::HashMap::new();
        for _ in 0..20_000 {
            let row: Vec<i32> = (0..rng.below(5)).map(|_| rng.below(6) as i32).collect();
            let twist = rng.below(3) as i32 - 1;
            let number = known.len() as f32;
            match cache.find(&row, twist) {
                Found::Known(record) => {
                    let expected: f32 = known[&(row, twist)];
                    assert!(cache.output(record).eq([expected, -expected]));
                }
                Found::New(record) => {
                    cache.fill(record, [number, -number].into_iter());
                    assert_eq!(known.insert((row, twist), number), None);
                }
                Found::Full => panic!("full after {number} rows"),
            }
        }
        assert_eq!(cache.len, known.len());
        for ((row, twist), _) in known {
            let found = cache.get(hash_row(&row, twist), &row, twist);
            assert!(found.is_some_and(|record| cache.is_filled(record)));
        }
        cache.clear(2);
        assert_eq!(cache.get(hash_row(&[1], 0), &[1], 0), None);
        let found = cache.find(&[1], 0);
        assert!(matches!(found, Found::New(record) if !cache.is_filled(record)));
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

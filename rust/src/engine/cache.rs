//! Network outputs by observation, while the weights stand still.
//!
//! Puzzles meet the same states again and again. A hit returns exactly what the network would
//! compute, because a row's result does not depend on its batch.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize};

use super::pool::Poll;
use crate::error::Result;
use crate::spaces::Rows;

/// Above this many rows nothing more is kept: about 70 MB with 16 features a row.
const MAX_ROWS: usize = 1 << 19;
/// A record's words before its features: the twist and their number.
const HEAD: usize = 2;
/// A word of an output that is not there yet: no network output, those are finite.
const UNFILLED: u32 = u32::MAX;
const SMALLEST: usize = 64;
/// Words of a line of the processor's cache.
const LINE: usize = 16;

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

/// A bucket without a record; others hold a hash's tag above the record's first word.
const EMPTY: u64 = u64::MAX;

/// Open addressing over exact keys: the observation's features and the twist.
///
/// Workers look up, enter and fill side by side without locks; only making room takes the cache
/// for itself. A record is one run of 32-bit words (twist, number of features, features, output),
/// so that a hit costs two cache misses: its bucket and its record, which begins with a line. Its
/// key is published with its bucket, its output with its output's first word.
pub(crate) struct Cache {
    buckets: Vec<AtomicU64>,
    words: Vec<AtomicU32>,
    counts: Counts,
    output_len: usize,
}

/// Written with every record: on a line of its own, or workers that only look up would read the
/// rest of the cache's fields anew each time.
#[repr(align(128))]
#[derive(Default)]
struct Counts {
    /// Words given to records; more than there are once one did not fit.
    used: AtomicUsize,
    len: AtomicUsize,
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
        Self {
            buckets: empty_buckets(SMALLEST),
            words: Vec::new(),
            counts: Counts::default(),
            output_len,
        }
    }

    /// Becomes an empty cache of outputs of `output_len` numbers and keeps the memory.
    pub(crate) fn clear(&mut self, output_len: usize) {
        self.output_len = output_len;
        self.buckets.iter_mut().for_each(|bucket| *bucket.get_mut() = EMPTY);
        *self.counts.used.get_mut() = self.first_line();
        *self.counts.len.get_mut() = 0;
    }

    /// Words before the first line.
    fn first_line(&self) -> usize {
        self.words.as_ptr().align_offset(LINE * size_of::<AtomicU32>()) % LINE
    }

    /// Words of a record: whole lines.
    #[inline]
    fn record_words(&self, row_len: usize) -> usize {
        (HEAD + row_len + self.output_len).next_multiple_of(LINE)
    }

    /// What it takes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.buckets.capacity() * size_of::<AtomicU64>()
            + self.words.capacity() * size_of::<AtomicU32>()
    }

    /// Whether `rows` more rows of `features` features in all can be entered, or never will.
    pub(crate) fn has_room(&self, rows: usize, features: usize) -> bool {
        let (len, words) = self.needed(rows, features);
        len > MAX_ROWS || (len * 2 <= self.buckets.len() && words <= self.words.len())
    }

    /// Makes [`Cache::has_room`] true.
    pub(crate) fn make_room(&mut self, rows: usize, features: usize) {
        if self.has_room(rows, features) {
            return;
        }
        let (len, words) = self.needed(rows, features);
        let used = self.counts.used.get_mut();
        *used = (*used).min(self.words.len());
        if words > self.words.len() {
            // Half as much again: what is entered step by step must not be copied at each.
            let room = words.max(words + words / 2).min(u32::MAX as usize);
            self.words.resize_with(room, AtomicU32::default);
        }
        if *self.counts.len.get_mut() == 0 {
            *self.counts.used.get_mut() = self.first_line();
        }
        if len * 2 > self.buckets.len() {
            self.grow((len * 2).next_power_of_two());
        }
    }

    /// Rows and words that there will be.
    fn needed(&self, rows: usize, features: usize) -> (usize, usize) {
        let used = self.counts.used.load(Relaxed).min(self.words.len());
        // No record is longer than its features and what a row without any takes, and a line.
        let words = used + LINE + rows * (self.record_words(0) + LINE) + features;
        (self.counts.len.load(Relaxed) + rows, words)
    }

    fn grow(&mut self, num_buckets: usize) {
        let mask = num_buckets - 1;
        let old = std::mem::replace(&mut self.buckets, empty_buckets(num_buckets));
        for bucket in old.into_iter().map(AtomicU64::into_inner).filter(|&it| it != EMPTY) {
            let mut place = self.hash_of(bucket as u32 as usize) as usize & mask;
            while *self.buckets[place].get_mut() != EMPTY {
                place = (place + 1) & mask;
            }
            *self.buckets[place].get_mut() = bucket;
        }
    }

    fn hash_of(&self, record: usize) -> u64 {
        let word = |place: usize| self.words[place].load(Relaxed);
        let len = word(record + 1) as usize;
        hash(len, (record + HEAD..record + HEAD + len).map(word), word(record))
    }

    /// Finds or enters `row` seen through `twist`; `hash` is their [`hash_row`].
    #[inline]
    pub(crate) fn find(&self, hash: u64, row: &[i32], twist: i32) -> Found {
        let first = hash as usize & (self.buckets.len() - 1);
        match self.look_up(first, hash, row, twist) {
            Ok(record) => Found::Known(record),
            Err(place) => self.enter(place, hash, row, twist),
        }
    }

    /// Enters a row that is not there as far as the empty bucket `place`, when that was looked at.
    #[inline]
    fn enter(&self, mut place: usize, hash: u64, row: &[i32], twist: i32) -> Found {
        let Some(record) = self.write(row, twist) else {
            return Found::Full;
        };
        let bucket = hash & !u64::from(u32::MAX) | u64::from(record);
        while self.buckets[place].compare_exchange(EMPTY, bucket, Release, Relaxed).is_err() {
            // Another worker was here first, maybe with the same row.
            match self.look_up(place, hash, row, twist) {
                Ok(known) => {
                    self.counts.len.fetch_sub(1, Relaxed);
                    return Found::Known(known);
                }
                Err(next) => place = next,
            }
        }
        Found::New(Record { output: record + (HEAD + row.len()) as u32 })
    }

    /// The record of `row` seen through `twist`, if it is there; `hash` is their [`hash_row`].
    #[inline]
    pub(crate) fn get(&self, hash: u64, row: &[i32], twist: i32) -> Option<Record> {
        self.look_up(hash as usize & (self.buckets.len() - 1), hash, row, twist).ok()
    }

    /// Reads what [`Cache::get`] of this hash reads first, to have it near then.
    #[inline]
    pub(crate) fn touch(&self, hash: u64) {
        let bucket = self.buckets[hash as usize & (self.buckets.len() - 1)].load(Relaxed);
        if let Some(word) = self.words.get(bucket as u32 as usize) {
            std::hint::black_box(word.load(Relaxed));
        }
    }

    /// The record, or the first empty bucket from `place` on.
    #[inline]
    fn look_up(
        &self,
        mut place: usize,
        hash: u64,
        row: &[i32],
        twist: i32,
    ) -> std::result::Result<Record, usize> {
        let mask = self.buckets.len() - 1;
        loop {
            let bucket = self.buckets[place & mask].load(Acquire);
            if bucket == EMPTY {
                return Err(place & mask);
            }
            if tag(bucket) == tag(hash) && self.is(bucket as u32 as usize, row, twist) {
                return Ok(Record { output: bucket as u32 + (HEAD + row.len()) as u32 });
            }
            place += 1;
        }
    }

    #[inline]
    fn is(&self, record: usize, row: &[i32], twist: i32) -> bool {
        let is = |word: &AtomicU32, number: u32| word.load(Relaxed) == number;
        let words = &self.words[record..];
        is(&words[0], twist as u32)
            && is(&words[1], row.len() as u32)
            && words[HEAD..HEAD + row.len()].iter().zip(row).all(|(word, &k)| is(word, k as u32))
    }

    /// Writes an unfilled record that no bucket names yet, if there is room.
    #[inline]
    fn write(&self, row: &[i32], twist: i32) -> Option<u32> {
        let len = self.counts.len.fetch_add(1, Relaxed) + 1;
        if len > MAX_ROWS || len * 2 > self.buckets.len() {
            self.counts.len.fetch_sub(1, Relaxed);
            return None;
        }
        let size = self.record_words(row.len());
        let record = self.counts.used.fetch_add(size, Relaxed);
        let Some(words) = self.words.get(record..record + size) else {
            self.counts.len.fetch_sub(1, Relaxed);
            return None;
        };
        let (key, output) = words.split_at(HEAD + row.len());
        let numbers = [twist as u32, row.len() as u32].into_iter();
        let numbers = numbers.chain(row.iter().map(|&k| k as u32));
        key.iter().zip(numbers).for_each(|(word, number)| word.store(number, Relaxed));
        output[0].store(UNFILLED, Relaxed);
        Some(record as u32)
    }

    /// Whether the output in `record` has been written.
    #[inline]
    pub(crate) fn is_filled(&self, record: Record) -> bool {
        self.words[record.output as usize].load(Acquire) != UNFILLED
    }

    /// The output in `record`, which is filled.
    #[inline]
    pub(crate) fn output(&self, record: Record) -> impl Iterator<Item = f32> + '_ {
        let words = &self.words[record.output as usize..][..self.output_len];
        words.iter().map(|word| f32::from_bits(word.load(Relaxed)))
    }

    /// Writes the output of `record`: at least one number, the first of which tells that all are
    /// there.
    pub(crate) fn fill(&self, record: Record, mut output: impl Iterator<Item = f32>) {
        let words = &self.words[record.output as usize..][..self.output_len];
        let first = output.next();
        words[1..].iter().zip(output).for_each(|(word, number)| {
            word.store(number.to_bits(), Relaxed);
        });
        if let Some(first) = first {
            words[0].store(first.to_bits(), Release);
        }
    }
}

fn empty_buckets(count: usize) -> Vec<AtomicU64> {
    (0..count).map(|_| AtomicU64::new(EMPTY)).collect()
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

/// A name of `row` in 128 bits: two that differ do not share it but by a chance of 1 in 2^128.
#[inline]
pub(crate) fn row_key(row: &[i32]) -> u128 {
    row.iter().fold(row.len() as u128, |key, &word| longer_key(key, u64::from(word as u32)))
}

/// The name of what `key` names and one word more.
#[inline]
pub(crate) fn longer_key(key: u128, word: u64) -> u128 {
    const MULTIPLIER: u128 = 0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645;
    let key = (key ^ u128::from(word)).wrapping_mul(MULTIPLIER);
    key ^ key >> 64
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
///
/// # Errors
/// Only what `poll` fails with.
pub fn distinct_rows(rows: &Rows, twists: &[i32], poll: Poll<'_>) -> Result<(Vec<i64>, Vec<i64>)> {
    const EMPTY: u32 = u32::MAX;
    const ROWS_BETWEEN_POLLS: usize = 1 << 14;
    let mut table = vec![EMPTY; (rows.len() * 2).next_power_of_two().max(64)];
    let mask = table.len() - 1;
    let (mut first, mut hashes) = (Vec::new(), Vec::new());
    let mut index = Vec::with_capacity(rows.len());
    for row in 0..rows.len() {
        if row % ROWS_BETWEEN_POLLS == 0 {
            poll()?;
        }
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
    Ok((first, index))
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
            cache.make_room(1, row.len());
            match cache.find(hash_row(&row, twist), &row, twist) {
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
        assert_eq!(cache.counts.len.load(Relaxed), known.len());
        for ((row, twist), _) in known {
            let found = cache.get(hash_row(&row, twist), &row, twist);
            assert!(found.is_some_and(|record| cache.is_filled(record)));
        }
        cache.clear(2);
        assert_eq!(cache.get(hash_row(&[1], 0), &[1], 0), None);
        let found = cache.find(hash_row(&[1], 0), &[1], 0);
        assert!(matches!(found, Found::New(record) if !cache.is_filled(record)));
    }

    /// Every row is new to exactly one of the workers that enter it at the same time, and what is
    /// filled holds the whole output.
    #[test]
    fn workers_enter_side_by_side() {
        const ROWS: i32 = 20_000;
        let mut cache = Cache::new(2);
        cache.make_room(2 * ROWS as usize, 4 * ROWS as usize);
        let enter = || {
            let mut new = 0;
            for k in 0..ROWS {
                let (row, number) = ([k, k / 3], k as f32);
                match cache.find(hash_row(&row, -1), &row, -1) {
                    Found::New(record) => {
                        new += 1;
                        cache.fill(record, [number, -number].into_iter());
                    }
                    Found::Known(record) if cache.is_filled(record) => {
                        assert!(cache.output(record).eq([number, -number]));
                    }
                    Found::Known(_) => {}
                    Found::Full => panic!("full at {k}"),
                }
            }
            new
        };
        let new: i32 = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..4).map(|_| scope.spawn(enter)).collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).sum()
        });
        assert_eq!((new, cache.counts.len.load(Relaxed)), (ROWS, ROWS as usize));
    }

    /// Two workers that found the same bucket empty, whatever comes between that and entering.
    #[test]
    fn the_second_of_two_finds_what_the_first_entered() {
        let mut cache = Cache::new(1);
        cache.make_room(3, 3);
        let hash = hash_row(&[1], 0);
        let place = cache.look_up(hash as usize & (cache.buckets.len() - 1), hash, &[1], 0);
        let place = place.unwrap_err();
        let Found::New(record) = cache.enter(place, hash, &[1], 0) else {
            panic!("the first is new")
        };
        assert_eq!(cache.enter(place, hash, &[1], 0), Found::Known(record));
        // Another row of the same hash goes to the next bucket and hides nothing.
        let Found::New(other) = cache.enter(place, hash, &[2], 0) else {
            panic!("the other row is new")
        };
        assert_eq!(cache.enter(place, hash, &[2], 0), Found::Known(other));
        assert_eq!(cache.enter(place, hash, &[1], 0), Found::Known(record));
        assert_eq!(cache.counts.len.load(Relaxed), 2);
    }

    #[test]
    fn a_full_cache_says_so_and_still_finds() {
        let mut cache = Cache::new(1);
        assert_eq!(cache.find(hash_row(&[0], 0), &[0], 0), Found::Full);
        cache.make_room(1, 1);
        assert!(cache.has_room(1, 1));
        let mut entered = 0;
        while let Found::New(_) = cache.find(hash_row(&[entered], 0), &[entered], 0) {
            entered += 1;
        }
        assert!(entered > 0 && !cache.has_room(1, 1));
        assert!(cache.get(hash_row(&[0], 0), &[0], 0).is_some());
        cache.make_room(1, 1);
        assert!(matches!(cache.find(hash_row(&[entered], 0), &[entered], 0), Found::New(_)));
    }

    #[test]
    fn distinct_rows_rebuild_the_batch() {
        let mut rng = Rng::new(4);
        let mut rows = Rows::default();
        let mut twists = Vec::new();
        for _ in 0..5000 {
            rows.push(&[rng.below(9) as i32, 9 + rng.below(9) as i32]);
            twists.push(rng.below(2) as i32);
        }
        let (first, index) = distinct_rows(&rows, &twists, &mut || Ok(())).unwrap();
        assert!(first.len() <= 162);
        for row in 0..rows.len() {
            let other = first[index[row] as usize] as usize;
            assert!(
                other <= row && rows.row(other) == rows.row(row) && twists[other] == twists[row]
            );
        }
    }
}

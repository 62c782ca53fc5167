//! Bringing the episodes of all workers into their order, the workers copying share after share.

use std::mem::MaybeUninit;
use std::sync::Mutex;

use super::table::{Cell, Cells, Column, ColumnRef, Table};
use crate::engine::pool::{run, Poll};
use crate::error::Result;
use crate::locks::lock;
use crate::spaces::Rows;

/// Rows that a worker copies before it takes the next ones. A worker that is woken late finds fewer
/// left; for so few none is woken.
const SHARE: usize = 1 << 13;
/// A millisecond or two.
const JOBS_BETWEEN_POLLS: usize = 32;

/// Finished episodes of one worker, in the order they ended.
#[derive(Default)]
pub(super) struct Finished {
    table: Table,
    /// Number of each episode, in the order of `table.episode_starts`.
    episodes: Vec<usize>,
}

impl Finished {
    pub(super) fn push<'a>(
        &mut self,
        episode: usize,
        columns: impl IntoIterator<Item = (&'static str, ColumnRef<'a>)>,
    ) {
        self.table.append(columns);
        self.episodes.push(episode);
    }

    /// The numbers of column `index`, which is one of `T`.
    fn cells<T: Cell>(&self, index: usize) -> &[T] {
        let column = self.table.columns.get(index);
        column.and_then(|(_, column)| T::cells(column)).map_or(&[], |cells| &cells.data)
    }

    /// The observations of column `index`.
    fn rows(&self, index: usize) -> &Rows {
        match &self.table.columns[index].1 {
            Column::Rows(rows) => rows,
            _ => unreachable!("a column changed its kind"),
        }
    }

    /// Forgets all episodes and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.table.clear();
        self.episodes.clear();
    }
}

/// Rows `from..to` of a part: one episode.
#[derive(Clone, Copy, Default)]
struct Home {
    part: usize,
    from: usize,
    to: usize,
}

impl Home {
    fn len(&self) -> usize {
        self.to - self.from
    }
}

/// One share of one column, to be written by one worker.
struct Job<'a> {
    column: usize,
    homes: &'a [Home],
    room: Room<'a>,
}

/// Where a share goes.
enum Room<'a> {
    F32(&'a mut [MaybeUninit<f32>]),
    I64(&'a mut [MaybeUninit<i64>]),
    Bool(&'a mut [MaybeUninit<bool>]),
    Rows {
        words: &'a mut [MaybeUninit<i32>],
        /// Where the words of each row end,
        ends: &'a mut [MaybeUninit<i64>],
        /// of which so many come before.
        first: usize,
    },
}

impl Job<'_> {
    /// Writes all of the room.
    fn run(self, parts: &[&Finished]) {
        let Self { column, homes, room } = self;
        match room {
            Room::F32(room) => copy(parts, column, homes, room),
            Room::I64(room) => copy(parts, column, homes, room),
            Room::Bool(room) => copy(parts, column, homes, room),
            Room::Rows { words, ends, first } => {
                copy_rows(parts, column, homes, words, ends, first);
            }
        }
    }
}

/// All episodes in the order of their numbers, which are `0..E` without a gap.
pub(super) fn merge(parts: &[&Finished], num_workers: usize, poll: Poll<'_>) -> Result<Table> {
    let homes = find_homes(parts);
    let mut merged = Table { columns: Vec::new(), episode_starts: episode_starts(&homes) };
    let Some(filled) = parts.iter().find(|part| !part.episodes.is_empty()) else {
        return Ok(merged);
    };
    merged.columns = filled.table.columns().map(|(name, like)| (name, like.empty())).collect();
    let num_shares = num_rows(&homes).div_ceil(SHARE).max(1);
    let shares: Vec<&[Home]> = homes.chunks(homes.len().div_ceil(num_shares)).collect();
    let mut jobs = Vec::with_capacity(shares.len() * merged.columns.len());
    for (index, (_, column)) in merged.columns.iter_mut().enumerate() {
        match column {
            Column::F32(into) => jobs.extend(plan(into, index, &shares, Room::F32)),
            Column::I64(into) => jobs.extend(plan(into, index, &shares, Room::I64)),
            Column::Bool(into) => jobs.extend(plan(into, index, &shares, Room::Bool)),
            Column::Rows(into) => jobs.extend(plan_rows(into, parts, index, &shares)),
        }
    }
    let jobs = Mutex::new(jobs);
    let next = || lock(&jobs).pop();
    run(num_workers.min(shares.len()), poll, |_, poll| {
        for (count, job) in std::iter::from_fn(&next).enumerate() {
            if count % JOBS_BETWEEN_POLLS == JOBS_BETWEEN_POLLS - 1 {
                poll()?;
            }
            job.run(parts);
        }
        Ok(())
    })?;
    drop(jobs);
    let rows = num_rows(&homes);
    for (index, (_, column)) in merged.columns.iter_mut().enumerate() {
        // SAFETY: no worker failed, so that all jobs of all columns ran. The shares are all homes in
        // their order; each job had the room of its share alone and wrote all of it.
        unsafe {
            match column {
                Column::F32(cells) => cells.data.set_len(rows * cells.width),
                Column::I64(cells) => cells.data.set_len(rows * cells.width),
                Column::Bool(cells) => cells.data.set_len(rows * cells.width),
                Column::Rows(into) => {
                    into.words.set_len(num_words(parts, index, &homes));
                    into.offsets.set_len(1 + rows);
                }
            }
        }
    }
    Ok(merged)
}

/// A job for each share of a column of cells.
fn plan<'a, T: Cell>(
    into: &'a mut Cells<T>,
    column: usize,
    shares: &'a [&'a [Home]],
    to_room: fn(&'a mut [MaybeUninit<T>]) -> Room<'a>,
) -> impl Iterator<Item = Job<'a>> {
    let width = into.width;
    let rows: usize = shares.iter().map(|homes| num_rows(homes)).sum();
    let mut left = room(&mut into.data, rows * width);
    shares.iter().map(move |homes| {
        let room = to_room(take(&mut left, num_rows(homes) * width));
        Job { column, homes, room }
    })
}

/// A job for each share of a column of observations.
fn plan_rows<'a>(
    into: &'a mut Rows,
    parts: &'a [&'a Finished],
    column: usize,
    shares: &'a [&'a [Home]],
) -> impl Iterator<Item = Job<'a>> {
    let rows: usize = shares.iter().map(|homes| num_rows(homes)).sum();
    let count: usize = shares.iter().map(|homes| num_words(parts, column, homes)).sum();
    let mut words = room(&mut into.words, count);
    let mut ends = room(&mut into.offsets, rows);
    let mut first = 0;
    shares.iter().map(move |homes| {
        let count = num_words(parts, column, homes);
        let room = Room::Rows {
            words: take(&mut words, count),
            ends: take(&mut ends, num_rows(homes)),
            first,
        };
        first += count;
        Job { column, homes, room }
    })
}

/// Writes the cells of `homes` to all of `room`.
fn copy<T: Cell>(parts: &[&Finished], column: usize, homes: &[Home], room: &mut [MaybeUninit<T>]) {
    let width = room.len() / num_rows(homes).max(1);
    let mut left = room;
    for home in homes {
        let cells = &parts[home.part].cells::<T>(column)[home.from * width..home.to * width];
        fill(take(&mut left, cells.len()), cells);
    }
}

/// Writes the observations of `homes` to all of `words` and `ends`.
fn copy_rows(
    parts: &[&Finished],
    column: usize,
    homes: &[Home],
    mut words: &mut [MaybeUninit<i32>],
    mut ends: &mut [MaybeUninit<i64>],
    first: usize,
) {
    let mut before = first as i64;
    for home in homes {
        let from = parts[home.part].rows(column);
        let offsets = &from.offsets()[home.from..=home.to];
        let range = offsets[0] as usize..offsets[home.len()] as usize;
        for (place, offset) in take(&mut ends, home.len()).iter_mut().zip(&offsets[1..]) {
            place.write(offset - offsets[0] + before);
        }
        before += range.len() as i64;
        fill(take(&mut words, range.len()), &from.words()[range]);
    }
}

/// Memory for `len` more numbers, which zeros would be written to in vain.
fn room<T>(numbers: &mut Vec<T>, len: usize) -> &mut [MaybeUninit<T>] {
    numbers.reserve_exact(len);
    &mut numbers.spare_capacity_mut()[..len]
}

/// The first `len` places of `left`, which keeps the others.
fn take<'a, T>(left: &mut &'a mut [T], len: usize) -> &'a mut [T] {
    let (first, rest) = std::mem::take(left).split_at_mut(len);
    *left = rest;
    first
}

/// Writes all of `room`; `numbers` are as many.
fn fill<T: Copy>(room: &mut [MaybeUninit<T>], numbers: &[T]) {
    assert_eq!(room.len(), numbers.len());
    for (place, &number) in room.iter_mut().zip(numbers) {
        place.write(number);
    }
}

fn find_homes(parts: &[&Finished]) -> Vec<Home> {
    let episodes = parts.iter().map(|part| part.episodes.len()).sum();
    let mut homes = vec![Home::default(); episodes];
    for (index, part) in parts.iter().enumerate() {
        let starts = &part.table.episode_starts;
        for (place, &episode) in part.episodes.iter().enumerate() {
            let from = starts[place] as usize;
            let to = starts.get(place + 1).map_or(part.table.len(), |&next| next as usize);
            homes[episode] = Home { part: index, from, to };
        }
    }
    homes
}

fn episode_starts(homes: &[Home]) -> Vec<i64> {
    let mut start = 0;
    let mut starts = vec![0];
    starts.extend(homes.iter().map(|home| {
        start += home.len() as i64;
        start
    }));
    starts
}

fn num_rows(homes: &[Home]) -> usize {
    homes.iter().map(Home::len).sum()
}

fn num_words(parts: &[&Finished], index: usize, homes: &[Home]) -> usize {
    let of = |home: &Home| {
        let offsets = parts[home.part].rows(index).offsets();
        (offsets[home.to] - offsets[home.from]) as usize
    };
    homes.iter().map(of).sum()
}

//! Additive pattern databases for sliding puzzles (Korf, Felner, "Disjoint pattern database
//! heuristics", section 4).
//!
//! The tiles are split into groups. For every placement of a group's tiles a table holds the
//! fewest moves of these tiles that bring them home, with the other tiles free to be anywhere.
//! Moves of different groups are different moves, so the sum over the groups is a lower bound.

mod stored;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::meter::{Meter, INTERVAL};
use crate::clock::Deadline;
use crate::engine::pool::{num_workers, run, Poll};
use crate::engine::preparing::Shown;
use crate::engine::store::Slot;
use crate::error::{Error, Result};
use crate::locks::lock;

/// Placements of a group that one table holds where no memory is named: 4x4 boards get groups of five
/// tiles.
const MOST_PLACEMENTS: u64 = 1 << 20;
/// A group's blank regions are sets of cells in one word.
const MOST_CELLS: usize = 64;
const UNSEEN: u8 = u8::MAX;

/// By sides of the board and tiles of a group.
type Kept = HashMap<(usize, usize, usize), Arc<Patterns>>;

/// Built when first needed.
static KEPT: Mutex<Option<Kept>> = Mutex::new(None);

/// Where a tile may stand and what its moves change, for one size of board.
#[derive(Debug)]
pub struct Patterns {
    pub width: usize,
    pub height: usize,
    /// `(action, cell)` for each way the blank can go from a cell.
    pub moves: Vec<Vec<(u8, u8)>>,
    /// The group of each tile; of the blank it means nothing.
    pub group: Vec<u8>,
    /// What a tile adds to the placement number of its group, for each cell it is beyond the first.
    pub weight: Vec<u32>,
    /// By group and placement number: the fewest moves of the group.
    pub tables: Vec<Vec<u8>>,
    /// What building them counts for.
    pub nodes: u64,
}

impl Patterns {
    /// Tables of the largest groups that fit into `bytes`, together, or else of a million placements each;
    /// `None` if a limit of `meter` is reached. They are kept for the next call, and in the
    /// [`Store`](crate::engine::store::Store) of the process for other ones.
    ///
    /// # Errors
    /// If `bytes` are too few for single tiles, and what the poll of `meter` fails with.
    pub fn of(
        width: usize,
        height: usize,
        bytes: Option<u64>,
        meter: &mut Meter<'_>,
    ) -> Result<Option<Arc<Self>>> {
        let cells = width * height;
        let size = group_size(cells, bytes);
        let least = table_bytes(cells, 1);
        if let Some(bytes) = bytes.filter(|&bytes| bytes < least) {
            let expected = format!("at least {least}, for tables of {width} x {height}");
            return Err(Error::invalid("pattern_bytes", expected, bytes));
        }
        // Two that need the same ones at the same time both build them: neither waits without a limit.
        let kept = || lock(&KEPT);
        let found = kept().get_or_insert_default().get(&(width, height, size)).cloned();
        if let Some(patterns) = found {
            // As if they were built now: a limit of nodes means the same the first time and later.
            return Ok(meter.charge(patterns.nodes)?.then_some(patterns));
        }
        let slot = Slot::of(|| Some(stored::key(width, height, size)));
        let patterns = match slot.find(|arrays| Self::read(width, height, size, arrays))? {
            Some(patterns) => patterns,
            None => match Self::of_groups(width, height, size, meter)? {
                Some(patterns) => {
                    slot.keep(|| patterns.arrays())?;
                    patterns
                }
                None => return Ok(None),
            },
        };
        let patterns = Arc::new(patterns);
        kept().get_or_insert_default().insert((width, height, size), patterns.clone());
        Ok(Some(patterns))
    }

    /// Tables of single tiles, which count for nothing.
    pub fn of_single_tiles(width: usize, height: usize) -> Self {
        let never = &mut || Ok(());
        let built =
            Self::of_groups(width, height, 1, &mut Meter::new(None, Deadline::NEVER, never));
        built.ok().flatten().unwrap_or_else(|| unreachable!("nothing ends it"))
    }

    /// Whether the tables of a board are of single tiles anyway.
    pub fn are_single_tiles(width: usize, height: usize) -> bool {
        group_size(width * height, None) == 1
    }

    fn of_groups(
        width: usize,
        height: usize,
        size: usize,
        meter: &mut Meter<'_>,
    ) -> Result<Option<Self>> {
        let cells = width * height;
        let Grouped { groups, group, weight } = Grouped::new(width, height, size);
        let moves = moves(width, height);
        let next = AtomicUsize::new(0);
        let total = groups.iter().map(|tiles| arrangements(cells, tiles.len())).sum();
        let counter = Counter {
            shown: Shown::begin("pattern databases", total),
            nodes: AtomicU64::new(0),
            most_nodes: meter.nodes_left(),
            deadline: meter.deadline(),
        };
        let workers = if size == 1 { 1 } else { num_workers(groups.len()) };
        let parts = run(workers, meter.poll(), |_, stop| {
            let mut built = Vec::new();
            while let Some(tiles) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
                match table(tiles, width, height, &moves, &counter, stop)? {
                    Some(table) => built.push((tiles[0], table)),
                    None => break,
                }
            }
            Ok(built)
        })?;
        let nodes = counter.nodes.into_inner();
        let mut tables = vec![Vec::new(); groups.len()];
        for (tile, table) in parts.into_iter().flatten() {
            tables[usize::from(group[usize::from(tile)])] = table;
        }
        let is_whole = meter.charge(nodes)? && tables.iter().all(|table| !table.is_empty());
        Ok(is_whole.then_some(Self { width, height, moves, group, weight, tables, nodes }))
    }

    pub fn bytes(&self) -> usize {
        self.tables.iter().map(Vec::len).sum()
    }
}

/// Tiles in groups of a size, see [`Patterns`].
struct Grouped {
    groups: Vec<Vec<u8>>,
    group: Vec<u8>,
    weight: Vec<u32>,
}

impl Grouped {
    fn new(width: usize, height: usize, size: usize) -> Self {
        let cells = width * height;
        let groups: Vec<Vec<u8>> = home_order(width, height).chunks(size).map(Vec::from).collect();
        let (mut group, mut weight) = (vec![0; cells], vec![0; cells]);
        for (number, tiles) in groups.iter().enumerate() {
            for (place, &tile) in tiles.iter().enumerate() {
                group[usize::from(tile)] = number as u8;
                weight[usize::from(tile)] = (cells as u32).pow(place as u32);
            }
        }
        Self { groups, group, weight }
    }
}

/// What all tables of a board count together.
struct Counter {
    /// Placements that were met.
    shown: Shown,
    nodes: AtomicU64,
    most_nodes: u64,
    deadline: Deadline,
}

impl Counter {
    /// Adds `nodes` and the placements that they met first; false when a limit is reached.
    fn count(&self, nodes: u64, met: u64) -> bool {
        self.shown.advance(met);
        let all = self.nodes.fetch_add(nodes, Ordering::Relaxed) + nodes;
        !self.deadline.is_over() && all < self.most_nodes
    }
}

fn group_size(cells: usize, bytes: Option<u64>) -> usize {
    if cells > MOST_CELLS {
        return 1;
    }
    let fits = |&size: &usize| match bytes {
        None => placements(cells, size) <= MOST_PLACEMENTS,
        Some(bytes) => {
            placements(cells, size) <= u32::MAX.into() && table_bytes(cells, size) <= bytes
        }
    };
    (1..cells).take_while(fits).last().unwrap_or(1)
}

/// What tables of groups of `size` tiles take.
fn table_bytes(cells: usize, size: usize) -> u64 {
    let (whole, rest) = ((cells - 1) / size, (cells - 1) % size);
    let rest = if rest == 0 { 0 } else { placements(cells, rest) };
    placements(cells, size).saturating_mul(whole as u64).saturating_add(rest)
}

fn placements(cells: usize, tiles: usize) -> u64 {
    (cells as u64).saturating_pow(tiles as u32)
}

/// Ways to place `tiles` on different cells.
fn arrangements(cells: usize, tiles: usize) -> u64 {
    (0..tiles).map(|placed| (cells - placed) as u64).product()
}

/// The tiles by their home cells, along strips of two rows there and back: neighbours stay close,
/// so that a group is a compact patch of the board.
fn home_order(width: usize, height: usize) -> Vec<u8> {
    let mut order = Vec::with_capacity(width * height);
    for (strip, top) in (0..height).step_by(2).enumerate() {
        for column in 0..width {
            let x = if strip % 2 == 0 { column } else { width - 1 - column };
            order.extend((top..height.min(top + 2)).map(|y| (y * width + x) as u8));
        }
    }
    order.retain(|&tile| tile != 0);
    order
}

fn moves(width: usize, height: usize) -> Vec<Vec<(u8, u8)>> {
    let ways = |cell: usize| {
        let (x, y) = (cell % width, cell / width);
        let possible = [x > 0, y > 0, x + 1 < width, y + 1 < height];
        let target =
            [cell.wrapping_sub(1), cell.wrapping_sub(width), cell + 1, cell.wrapping_add(width)];
        (0..4).filter(|&way| possible[way]).map(|way| (way as u8, target[way] as u8)).collect()
    };
    (0..width * height).map(ways).collect()
}

/// The fewest moves of `tiles` for each of their placements, by breadth-first search from home;
/// `None` if a limit of `counter` is reached.
///
/// A node is a placement with a region of empty cells that the blank can roam in without moving
/// any of the tiles, which costs nothing.
fn table(
    tiles: &[u8],
    width: usize,
    height: usize,
    moves: &[Vec<(u8, u8)>],
    counter: &Counter,
    poll: Poll<'_>,
) -> Result<Option<Vec<u8>>> {
    let cells = width * height;
    let placements = cells.pow(tiles.len() as u32);
    if let &[tile] = tiles {
        return Ok(Some(manhattan(tile, width, cells)));
    }
    let grid = Grid::new(width, height);
    let home = tiles.iter().rev().fold(0, |number, &tile| number * cells + usize::from(tile));
    let taken = tiles.iter().fold(0, |taken, &tile| taken | 1u64 << tile);
    let mut fewest = vec![UNSEEN; placements];
    fewest[home] = 0;
    let mut seen = Seen::new(placements, cells);
    seen.insert(home, grid.region(0, taken));
    let (mut layer, mut next) = (vec![(home as u32, 0u8)], Vec::new());
    let mut met = 1;
    for moved in 1u8.. {
        for nodes in layer.chunks(INTERVAL as usize) {
            poll()?;
            if !counter.count(nodes.len() as u64, std::mem::take(&mut met)) {
                return Ok(None);
            }
            for &(placement, blank) in nodes {
                let (mut places, mut rest, mut taken) = ([0u8; MOST_CELLS], placement as usize, 0);
                for place in &mut places[..tiles.len()] {
                    *place = (rest % cells) as u8;
                    rest /= cells;
                    taken |= 1u64 << *place;
                }
                let region = grid.region(blank, taken);
                let mut weight = 1;
                for &place in &places[..tiles.len()] {
                    for &(_, to) in &moves[usize::from(place)] {
                        if region >> to & 1 == 0 {
                            continue;
                        }
                        let step = weight * (i64::from(to) - i64::from(place));
                        let after = (i64::from(placement) + step) as usize;
                        if !seen.contains(after, place) {
                            let taken = taken ^ 1 << place ^ 1 << to;
                            seen.insert(after, grid.region(place, taken));
                            met += u64::from(fewest[after] == UNSEEN);
                            fewest[after] = fewest[after].min(moved);
                            next.push((after as u32, place));
                        }
                    }
                    weight *= cells as i64;
                }
            }
        }
        if next.is_empty() {
            break;
        }
        std::mem::swap(&mut layer, &mut next);
        next.clear();
    }
    Ok(Some(fewest))
}

/// The nodes that a search has met: bit `placement * cells + blank`.
struct Seen {
    words: Vec<u64>,
    cells: usize,
}

impl Seen {
    fn new(placements: usize, cells: usize) -> Self {
        Self { words: vec![0; (placements * cells).div_ceil(64)], cells }
    }

    #[inline]
    fn contains(&self, placement: usize, blank: u8) -> bool {
        let bit = placement * self.cells + usize::from(blank);
        self.words[bit / 64] >> (bit % 64) & 1 == 1
    }

    #[inline]
    fn insert(&mut self, placement: usize, region: u64) {
        let (word, shift) = (placement * self.cells / 64, placement * self.cells % 64);
        self.words[word] |= region << shift;
        if shift + self.cells > 64 {
            self.words[word + 1] |= region >> (64 - shift);
        }
    }
}

/// A single tile never waits for the blank.
fn manhattan(tile: u8, width: usize, cells: usize) -> Vec<u8> {
    let (x, y) = (usize::from(tile) % width, usize::from(tile) / width);
    (0..cells).map(|cell| (x.abs_diff(cell % width) + y.abs_diff(cell / width)) as u8).collect()
}

/// Flooding the cells of a board as bits of a word.
struct Grid {
    width: usize,
    all: u64,
    not_left: u64,
    not_right: u64,
}

impl Grid {
    fn new(width: usize, height: usize) -> Self {
        let column = |x: usize| (0..height).fold(0, |bits, y| bits | 1u64 << (y * width + x));
        let all = (0..width).fold(0, |bits, x| bits | column(x));
        Self { width, all, not_left: all & !column(0), not_right: all & !column(width - 1) }
    }

    /// The cells that can be reached from `start` without entering `taken`.
    #[inline]
    fn region(&self, start: u8, taken: u64) -> u64 {
        let free = self.all & !taken;
        let mut region = 1u64 << start;
        loop {
            let sideways = (region & self.not_right) << 1 | (region & self.not_left) >> 1;
            let grown = (region | sideways | region << self.width | region >> self.width) & free;
            if grown == region {
                return region;
            }
            region = grown;
        }
    }
}

//! What additive pattern databases say of the board and of its reflection.

use std::sync::Arc;

use super::Puzzle;
use crate::clock::Deadline;
use crate::error::{Error, Result};
use crate::exact::meter::Meter;
use crate::exact::patterns::Patterns;
use crate::rl::estimates::{Child, Estimates};
use crate::rng::Rng;

/// The largest board: its cells are bits of a word.
const MOST_CELLS: usize = 64;
const NO_CELL: u32 = 0xFF;
/// Words of a state: the blank's cell with the one it came from above it,
const BLANK: usize = 0;
const ESTIMATE: usize = 1;
/// of two words,
const HASH: usize = 2;
/// and from here on the tile of every cell in a byte.
const TILES: usize = 4;

/// After the tiles a state has, for each group of them on the board and then on its reflection, what its table
/// says in a byte, then the number of its placement in a word.
pub(super) struct Board {
    patterns: Arc<Patterns>,
    views: Vec<View>,
    /// By tile and cell.
    keys: Vec<u64>,
    cells: usize,
    /// Of all views.
    num_groups: usize,
}

/// By tile: what it is among the groups of a view.
struct View {
    places: Vec<Place>,
    /// Of each cell.
    images: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Place {
    /// Among those of all views.
    group: u32,
    table: u32,
    weight: u32,
}

impl Board {
    /// The mean of both views is larger than either where they differ, and tells more boards apart: their sum is
    /// the estimate.
    pub(super) fn new(
        puzzle: &Puzzle,
        bytes: u64,
        poll: &mut dyn FnMut() -> Result<()>,
    ) -> Result<Self> {
        let (width, height) = (puzzle.width(), puzzle.height());
        let cells = width * height;
        if !(2..=MOST_CELLS).contains(&cells) {
            let expected = format!("a board of 2 to {MOST_CELLS} cells (for pattern databases)");
            return Err(Error::invalid("env", expected, format!("one of {cells}")));
        }
        let meter = &mut Meter::new(None, Deadline::NEVER, poll);
        let built = Patterns::of(width, height, Some(bytes), meter)?;
        let patterns = built.unwrap_or_else(|| unreachable!("no limit ends it"));
        let mut images = vec![(0..cells).collect::<Vec<_>>()];
        if width == height {
            images.push((0..cells).map(|cell| cell % width * width + cell / width).collect());
        }
        let num_tables = patterns.tables.len();
        let view = |(number, images): (usize, Vec<usize>)| {
            let place = |tile: &usize| {
                let table = u32::from(patterns.group[*tile]);
                let group = (number * num_tables) as u32 + table;
                Place { group, table, weight: patterns.weight[*tile] }
            };
            let places = images.iter().map(place).collect();
            View { places, images: images.into_iter().map(|cell| cell as u32).collect() }
        };
        let views: Vec<View> = images.into_iter().enumerate().map(view).collect();
        let mut rng = Rng::new(0);
        let keys = (0..cells * cells).map(|_| rng.next_u64()).collect();
        Ok(Self { num_groups: views.len() * num_tables, patterns, views, keys, cells })
    }

    /// The first word of what tables say.
    fn costs(&self) -> usize {
        TILES + self.cells.div_ceil(4)
    }

    /// The first word of placements.
    fn placements(&self) -> usize {
        self.costs() + self.num_groups.div_ceil(4)
    }

    fn key(&self, tile: usize, cell: usize) -> u64 {
        self.keys[tile * self.cells + cell]
    }

    /// What changes in a view when `tile` slides: its group, the placement and what the table says.
    #[inline]
    fn slide(&self, words: &[u32], view: &View, tile: usize, [from, to]: [usize; 2]) -> Change {
        let Place { group, table, weight } = view.places[tile];
        let step = view.images[to].wrapping_sub(view.images[from]);
        let placement = words[self.placements() + group as usize];
        let placement = placement.wrapping_add(weight.wrapping_mul(step));
        let cost = self.patterns.tables[table as usize][placement as usize];
        Change { group: group as usize, placement, cost }
    }
}

struct Change {
    group: usize,
    placement: u32,
    cost: u8,
}

impl Estimates for Board {
    fn num_words(&self) -> usize {
        self.placements() + self.num_groups
    }

    fn enter(&self, state: &[i64], words: &mut [u32]) {
        words.fill(0);
        let mut hash = 0;
        let (costs, placements) = (self.costs(), self.placements());
        for (cell, &tile) in state.iter().enumerate() {
            let tile = tile as usize;
            set_byte(&mut words[TILES..], cell, tile as u8);
            if tile == 0 {
                words[BLANK] = NO_CELL << 8 | cell as u32;
                continue;
            }
            hash ^= self.key(tile, cell);
            for view in &self.views {
                let Place { group, weight, .. } = view.places[tile];
                words[placements + group as usize] += weight * view.images[cell];
            }
        }
        let num_tables = self.patterns.tables.len();
        for group in 0..self.num_groups {
            let placement = words[placements + group] as usize;
            let cost = self.patterns.tables[group % num_tables][placement];
            set_byte(&mut words[costs..], group, cost);
            words[ESTIMATE] += u32::from(cost);
        }
        set_hash(words, hash);
    }

    fn children(&self, words: &[u32], children: &mut Vec<Child>) {
        let (blank, last) = ((words[BLANK] & 0xFF) as usize, words[BLANK] >> 8);
        let costs = &words[self.costs()..];
        for &(action, target) in &self.patterns.moves[blank] {
            if u32::from(target) == last {
                continue;
            }
            let target = usize::from(target);
            let tile = usize::from(byte(&words[TILES..], target));
            let mut estimate = words[ESTIMATE];
            for view in &self.views {
                let change = self.slide(words, view, tile, [target, blank]);
                estimate += u32::from(change.cost);
                estimate -= u32::from(byte(costs, change.group));
            }
            let hash = hash(words) ^ self.key(tile, target) ^ self.key(tile, blank);
            children.push(Child { action, estimate: estimate as u16, hash });
        }
    }

    fn step(&self, words: &mut [u32], action: u8) {
        let blank = (words[BLANK] & 0xFF) as usize;
        let moves = &self.patterns.moves[blank];
        let Some(&(_, target)) = moves.iter().find(|&&(other, _)| other == action) else { return };
        let target = usize::from(target);
        let tile = usize::from(byte(&words[TILES..], target));
        let (costs, placements) = (self.costs(), self.placements());
        for view in &self.views {
            let Change { group, placement, cost } = self.slide(words, view, tile, [target, blank]);
            words[ESTIMATE] += u32::from(cost);
            words[ESTIMATE] -= u32::from(byte(&words[costs..], group));
            set_byte(&mut words[costs..], group, cost);
            words[placements + group] = placement;
        }
        set_hash(words, hash(words) ^ self.key(tile, target) ^ self.key(tile, blank));
        set_byte(&mut words[TILES..], blank, tile as u8);
        set_byte(&mut words[TILES..], target, 0);
        words[BLANK] = (blank as u32) << 8 | target as u32;
    }
}

#[inline]
fn byte(words: &[u32], number: usize) -> u8 {
    (words[number / 4] >> (8 * (number % 4))) as u8
}

#[inline]
fn set_byte(words: &mut [u32], number: usize, byte: u8) {
    let shift = 8 * (number % 4);
    let word = &mut words[number / 4];
    *word = *word & !(0xFF << shift) | u32::from(byte) << shift;
}

#[inline]
fn hash(words: &[u32]) -> u64 {
    u64::from(words[HASH + 1]) << 32 | u64::from(words[HASH])
}

#[inline]
fn set_hash(words: &mut [u32], hash: u64) {
    (words[HASH], words[HASH + 1]) = (hash as u32, (hash >> 32) as u32);
}

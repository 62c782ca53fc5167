//! What additive pattern databases say of the board and of its reflection, and what pairs of tiles add.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::pairs::{Lessons, Pairs};
use super::Puzzle;
use crate::clock::Deadline;
use crate::engine::store::{Arrays, Key, Slot};
use crate::error::{Error, Result};
use crate::exact::meter::Meter;
use crate::exact::patterns::Patterns;
use crate::exact::views::View;
use crate::locks::lock;
use crate::rl::estimates::{Child, Estimates, Teacher};
use crate::rng::Rng;

/// The largest board: its cells are bits of a word.
const MOST_CELLS: usize = 64;
const MOST_VIEWS: usize = 2;
const MOST_MOVES: usize = 4;
/// States whose tables are looked up together, so that none waits for the memory of another.
const AT_ONCE: usize = 16;
const NO_CELL: u32 = 0xFF;
/// Words of a state: the blank's cell with the one it came from above it,
const BLANK: usize = 0;
const ESTIMATE: usize = 1;
/// of two words,
const HASH: usize = 2;
/// what pairs add, and from here on the tile of every cell in a byte.
const PAIRS: usize = 4;
const TILES: usize = 5;

/// By sides of the board, number of tables and of boards that were lessons, and the most actions that solve one.
type Kept = HashMap<(usize, usize, usize, usize, usize), Arc<Pairs>>;

/// Learned when first needed.
static KEPT: Mutex<Option<Kept>> = Mutex::new(None);

/// After the tiles a state has, for each group of them on the board and then on its reflection, what its table
/// says in a byte, then the number of its placement in a word.
#[derive(Clone)]
pub(super) struct Board {
    puzzle: Puzzle,
    patterns: Arc<Patterns>,
    pairs: Option<Arc<Pairs>>,
    views: Vec<View>,
    /// By tile and cell.
    keys: Vec<u64>,
    cells: usize,
    /// Of all views.
    num_groups: usize,
}

/// A tile that goes to where the blank is.
#[derive(Clone, Copy, Default)]
struct Slide {
    action: u8,
    tile: usize,
    from: usize,
    blank: usize,
}

/// What a slide changes in a view.
#[derive(Clone, Copy, Default)]
struct Change {
    placement: u32,
    table: u8,
    /// Among those of all views.
    group: u8,
    /// What the table says.
    cost: u8,
}

impl Board {
    /// The mean of both views is larger than either where they differ, and tells more boards apart: their sum is
    /// the estimate where nothing was learned.
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
        let views = View::all(&patterns);
        let mut rng = Rng::new(0);
        let keys = (0..cells * cells).map(|_| rng.next_u64()).collect();
        let (puzzle, num_groups) = (puzzle.clone(), views.len() * patterns.tables.len());
        Ok(Self { puzzle, patterns, pairs: None, views, keys, cells, num_groups })
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

    /// What a slide changes in each view, but for what the tables say.
    #[inline]
    fn changes<'a>(
        &'a self,
        words: &'a [u32],
        Slide { tile, from, blank, .. }: Slide,
    ) -> impl Iterator<Item = Change> + 'a {
        let placements = self.placements();
        self.views.iter().enumerate().map(move |(number, view)| {
            let table = view.group(tile);
            let group = number * self.patterns.tables.len() + table;
            let placement = view.slid(words[placements + group], tile, [from, blank]);
            Change { placement, table: table as u8, group: group as u8, cost: 0 }
        })
    }

    /// Looks up what the tables say: in a loop of its own, where none waits for another.
    #[inline]
    fn look_up(&self, changes: &mut [Change]) {
        for change in changes {
            change.cost =
                self.patterns.tables[usize::from(change.table)][change.placement as usize];
        }
    }

    /// The hash of the state after a slide.
    #[inline]
    fn hash_after(&self, words: &[u32], Slide { tile, from, blank, .. }: Slide) -> u64 {
        hash(words) ^ self.key(tile, from) ^ self.key(tile, blank)
    }

    /// What pairs add after a slide.
    #[inline]
    fn pairs_after(&self, words: &[u32], Slide { action, tile, blank, .. }: Slide) -> i32 {
        let Some(pairs) = &self.pairs else { return 0 };
        let tiles = (0..self.cells).map(|cell| byte(&words[TILES..], cell).into());
        words[PAIRS] as i32 + pairs.change(tiles, blank, action, tile)
    }

    /// The children of at most [`AT_ONCE`] states, the first of which has the number `first`.
    fn some_children(&self, first: u32, states: &[u32], children: &mut Vec<Child>) {
        let begin = children.len();
        let mut changes = [Change::default(); AT_ONCE * MOST_MOVES * MOST_VIEWS];
        let mut pairs = [0; AT_ONCE * MOST_MOVES];
        let mut count = 0;
        for (parent, words) in (first..).zip(states.chunks_exact(self.num_words())) {
            let (blank, last) = ((words[BLANK] & 0xFF) as usize, words[BLANK] >> 8);
            for &(action, from) in &self.patterns.moves[blank] {
                if u32::from(from) == last {
                    continue;
                }
                let from = usize::from(from);
                let tile = usize::from(byte(&words[TILES..], from));
                let slide = Slide { action, tile, from, blank };
                let mut estimate = words[ESTIMATE];
                for change in self.changes(words, slide) {
                    estimate -= u32::from(byte(&words[self.costs()..], change.group.into()));
                    changes[count] = change;
                    count += 1;
                }
                pairs[children.len() - begin] = self.pairs_after(words, slide);
                let (estimate, hash) = (estimate as u16, self.hash_after(words, slide));
                children.push(Child { parent, action, estimate, hash });
            }
        }
        let changes = &mut changes[..count];
        self.look_up(changes);
        let each = changes.chunks_exact(self.views.len());
        for ((child, changes), added) in children[begin..].iter_mut().zip(each).zip(pairs) {
            child.estimate += changes.iter().map(|change| u16::from(change.cost)).sum::<u16>();
            if let Some(pairs) = &self.pairs {
                child.estimate = pairs.estimate(child.estimate.into(), added);
            }
        }
    }

    /// [`Board::learned`], or what another process has kept of it.
    fn lessons(&self, num_boards: usize, teacher: &mut dyn Teacher) -> Result<Option<Arc<Pairs>>> {
        const WEIGHTS: &str = "weights";
        let Patterns { width, height, ref tables, ref moves, .. } = *self.patterns;
        let slot = Slot::of(|| {
            let (num_tables, most_actions) = (tables.len(), teacher.most_actions());
            let made_of = format!("{width} {height} {num_tables} {num_boards} {most_actions}");
            Some(Key::new("lessons", format!("{width}x{height}-{num_boards}"), made_of))
        });
        let found = slot.find(|mut arrays| Pairs::of_bytes(&arrays.take::<u8>(WEIGHTS)?, moves))?;
        if let Some(found) = found {
            return Ok(Some(Arc::new(found)));
        }
        let learned = self.learned(num_boards, teacher)?;
        if let Some(pairs) = &learned {
            slot.keep(|| Arrays::default().with(WEIGHTS, pairs.bytes()))?;
        }
        Ok(learned)
    }

    /// An eighth of the boards is solved by the tables alone, and then as many as there were by what those have
    /// taught.
    fn learned(&self, num_boards: usize, teacher: &mut dyn Teacher) -> Result<Option<Arc<Pairs>>> {
        let mut rng = Rng::new(0);
        let mut lessons = Lessons::default();
        let mut taught = self.clone();
        let mut solved = 0;
        for end in [8, 4, 2, 1].map(|part: usize| num_boards.div_ceil(part)) {
            let mut boards: Vec<_> =
                (solved..end).map(|_| self.puzzle.random_state(&mut rng)).collect();
            solved = end;
            boards.retain(|board| !board.is_sorted());
            let solutions = teacher.solve(&taught, &boards)?;
            for (board, actions) in boards.iter().zip(&solutions) {
                self.note(board, actions, &mut lessons);
            }
            let image = self.views.get(1).map(View::images);
            let poll = &mut || teacher.poll();
            taught.pairs = Some(Pairs::fitted(&lessons, &self.patterns.moves, image, poll)?.into());
        }
        Ok(taught.pairs)
    }

    /// The boards on the way of a solution.
    fn note(&self, board: &[i64], actions: &[i64], lessons: &mut Lessons) {
        let mut words = vec![0; self.num_words()];
        self.enter(board, &mut words);
        for (number, &action) in actions.iter().enumerate() {
            let tiles = (0..self.cells).map(|cell| byte(&words[TILES..], cell));
            lessons.boards.extend(tiles);
            lessons.sums.push(words[ESTIMATE] as f32);
            lessons.left.push((actions.len() - number) as f32);
            self.some_steps(&mut words, &[action as u8]);
        }
    }

    /// [`Estimates::step`] for at most [`AT_ONCE`] states.
    fn some_steps(&self, states: &mut [u32], actions: &[u8]) {
        let (num_words, num_views) = (self.num_words(), self.views.len());
        let mut slides = [Slide::default(); AT_ONCE];
        let mut changes = [Change::default(); AT_ONCE * MOST_VIEWS];
        let each = slides.iter_mut().zip(changes.chunks_exact_mut(num_views));
        for ((words, &action), (slide, changes)) in
            states.chunks_exact(num_words).zip(actions).zip(each)
        {
            let blank = (words[BLANK] & 0xFF) as usize;
            let way = self.patterns.moves[blank].iter().find(|&&(other, _)| other == action);
            let from = way.map_or(blank, |&(_, from)| from.into());
            *slide = Slide { action, tile: byte(&words[TILES..], from).into(), from, blank };
            for (change, new) in changes.iter_mut().zip(self.changes(words, *slide)) {
                *change = new;
            }
        }
        self.look_up(&mut changes[..actions.len() * num_views]);
        let each = slides.iter().zip(changes.chunks_exact(num_views));
        for (words, (&slide, changes)) in states.chunks_exact_mut(num_words).zip(each) {
            let (costs, placements) = (self.costs(), self.placements());
            for &Change { group, placement, cost, .. } in changes {
                let group = usize::from(group);
                words[ESTIMATE] += u32::from(cost);
                words[ESTIMATE] -= u32::from(byte(&words[costs..], group));
                set_byte(&mut words[costs..], group, cost);
                words[placements + group] = placement;
            }
            let Slide { tile, from, blank, .. } = slide;
            words[PAIRS] = self.pairs_after(words, slide) as u32;
            set_hash(words, self.hash_after(words, slide));
            set_byte(&mut words[TILES..], blank, tile as u8);
            set_byte(&mut words[TILES..], from, 0);
            words[BLANK] = (blank as u32) << 8 | from as u32;
        }
    }
}

impl Estimates for Board {
    fn num_words(&self) -> usize {
        self.placements() + self.num_groups
    }

    fn enter(&self, state: &[i64], words: &mut [u32]) {
        words.fill(0);
        let (costs, placements) = (self.costs(), self.placements());
        let num_tables = self.patterns.tables.len();
        let mut hash = 0;
        for (cell, &tile) in state.iter().enumerate() {
            let tile = tile as usize;
            set_byte(&mut words[TILES..], cell, tile as u8);
            match tile {
                0 => words[BLANK] = NO_CELL << 8 | cell as u32,
                _ => hash ^= self.key(tile, cell),
            }
        }
        set_hash(words, hash);
        let each = words[placements..].chunks_exact_mut(num_tables);
        for (view, placements) in self.views.iter().zip(each) {
            view.placements(state.iter().map(|&tile| tile as usize), placements);
        }
        for group in 0..self.num_groups {
            let placement = words[placements + group] as usize;
            let cost = self.patterns.tables[group % num_tables][placement];
            set_byte(&mut words[costs..], group, cost);
            words[ESTIMATE] += u32::from(cost);
        }
        if let Some(pairs) = &self.pairs {
            words[PAIRS] = pairs.of(state) as u32;
        }
    }

    fn children(&self, states: &[u32], children: &mut Vec<Child>) {
        let parts = states.chunks(AT_ONCE * self.num_words());
        for (first, part) in (0..).step_by(AT_ONCE).zip(parts) {
            self.some_children(first, part, children);
        }
    }

    fn step(&self, states: &mut [u32], actions: &[u8]) {
        let parts = states.chunks_mut(AT_ONCE * self.num_words());
        for (part, actions) in parts.zip(actions.chunks(AT_ONCE)) {
            self.some_steps(part, actions);
        }
    }

    /// From uniformly random boards.
    fn taught(
        &self,
        num_boards: usize,
        teacher: &mut dyn Teacher,
    ) -> Result<Option<Arc<dyn Estimates>>> {
        let Patterns { width, height, ref tables, .. } = *self.patterns;
        let key = (width, height, tables.len(), num_boards, teacher.most_actions());
        let kept = || lock(&KEPT);
        let found = kept().get_or_insert_default().get(&key).cloned();
        let pairs = match found {
            Some(pairs) => Some(pairs),
            None => self.lessons(num_boards, teacher)?,
        };
        if let Some(pairs) = &pairs {
            kept().get_or_insert_default().insert(key, pairs.clone());
        }
        Ok(Some(Arc::new(Self { pairs, ..self.clone() })))
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

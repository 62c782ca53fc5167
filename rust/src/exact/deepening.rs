//! Iterative-deepening A* on a sliding puzzle (Korf, "Depth-first iterative-deepening: an optimal
//! admissible tree search", section 5), bounded below by pattern databases.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use super::meter::Meter;
use super::patterns::Patterns;
use super::views::View;
use super::Answer;
use crate::engine::pool::run;
use crate::error::Result;

/// An iteration that looks at more nodes is shared by threads in the next.
const NODES_ALONE: u64 = 1 << 14;
/// Moves after which a shared iteration is cut into parts: some hundred.
const MOVES_TO_PART: usize = 9;

/// A shortest solution of the board with tile `tiles[cell]` at every cell, which must be solvable: the first in the
/// order of actions, by as many threads as there may be where no limit of nodes is set.
///
/// # Errors
/// Only what the poll of `meter` fails with.
pub fn shortest(
    patterns: &Patterns,
    tiles: &[u8],
    num_threads: usize,
    meter: &mut Meter<'_>,
) -> Result<Answer> {
    let mut search = Search::new(patterns, tiles);
    let blank = tiles.iter().position(|&tile| tile == 0).unwrap_or(0);
    let mut bound = search.seen.iter().map(|seen| seen.sum).max().unwrap_or(0);
    let may_share = num_threads > 1 && meter.nodes_left() == u64::MAX - meter.nodes();
    let mut last = 0;
    loop {
        let before = meter.nodes();
        let outcome = match may_share && last > NODES_ALONE {
            true => search.share(blank, bound, num_threads, meter)?,
            false => search.descend(blank, usize::MAX, bound, meter)?,
        };
        last = meter.nodes() - before;
        match outcome {
            Outcome::Solved => {
                search.actions.reverse();
                return Ok(Answer::found(search.actions));
            }
            Outcome::Stopped => return Ok(Answer::unproven(bound as usize)),
            // The length of all solutions of a board is even, or of all is odd.
            Outcome::Nothing => bound += 2,
        }
    }
}

enum Outcome {
    Solved,
    Nothing,
    Stopped,
}

/// What the tables say of the board in a view.
#[derive(Clone)]
struct Seen {
    /// By group: the placement number and the moves that its table says.
    placements: Vec<u32>,
    costs: Vec<u8>,
    sum: u32,
}

impl Seen {
    fn new(patterns: &Patterns, tiles: &[u8], view: &View) -> Self {
        let mut placements = vec![0; patterns.tables.len()];
        view.placements(tiles.iter().map(|&tile| tile.into()), &mut placements);
        let cost = |(table, &number): (&Vec<u8>, &u32)| table[number as usize];
        let costs: Vec<u8> = patterns.tables.iter().zip(&placements).map(cost).collect();
        let sum = costs.iter().map(|&cost| u32::from(cost)).sum();
        Self { placements, costs, sum }
    }
}

/// What a move changes in each view: the group, its placement and what its table says.
type Change = [(usize, u32, u8); 2];

#[derive(Clone)]
struct Search<'a> {
    patterns: &'a Patterns,
    tiles: Vec<u8>,
    views: Arc<[View]>,
    /// By view.
    seen: Vec<Seen>,
    /// The actions found, last first.
    actions: Vec<usize>,
}

impl<'a> Search<'a> {
    fn new(patterns: &'a Patterns, tiles: &[u8]) -> Self {
        let views = View::all(patterns);
        let seen = views.iter().map(|view| Seen::new(patterns, tiles, view)).collect();
        let (views, tiles) = (views.into(), tiles.to_vec());
        Self { patterns, tiles, views, seen, actions: Vec::new() }
    }

    /// Looks for a solution of at most `left` moves that does not begin by going to `previous`.
    fn descend(
        &mut self,
        blank: usize,
        previous: usize,
        left: u32,
        meter: &mut Meter<'_>,
    ) -> Result<Outcome> {
        if self.seen[0].sum == 0 {
            return Ok(Outcome::Solved);
        }
        if !meter.count()? {
            return Ok(Outcome::Stopped);
        }
        let patterns = self.patterns;
        for &(action, target) in &patterns.moves[blank] {
            let target = usize::from(target);
            if target == previous {
                continue;
            }
            let Some(mut change) = self.slide(blank, target, left) else { continue };
            match self.descend(target, blank, left - 1, meter)? {
                Outcome::Solved => {
                    self.actions.push(usize::from(action));
                    return Ok(Outcome::Solved);
                }
                Outcome::Stopped => return Ok(Outcome::Stopped),
                Outcome::Nothing => {}
            }
            self.undo(blank, target, &mut change);
        }
        Ok(Outcome::Nothing)
    }

    /// [`Search::descend`] by threads: each takes the next of the ways of some moves that may lead on. The first way
    /// that has a solution counts, as it does for one thread.
    fn share(
        &mut self,
        blank: usize,
        bound: u32,
        num_threads: usize,
        meter: &mut Meter<'_>,
    ) -> Result<Outcome> {
        let mut ways = Vec::new();
        self.part(blank, usize::MAX, bound, &mut Vec::new(), &mut ways);
        let (next, first_solved) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
        let (deadline, root) = (meter.deadline(), &*self);
        let parts = run(num_threads, meter.poll(), |_, poll| {
            let mut meter = Meter::new(None, deadline, poll);
            let mut found = None;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(way) = ways.get(number) else { break };
                if number > first_solved.load(Ordering::Relaxed) {
                    break;
                }
                let mut search = root.clone();
                let [mut previous, mut at] = [usize::MAX, blank];
                let mut left = bound;
                for &(_, target) in way {
                    search.slide(at, target.into(), left);
                    [previous, at] = [at, target.into()];
                    left -= 1;
                }
                match search.descend(at, previous, left, &mut meter)? {
                    Outcome::Solved => {
                        first_solved.fetch_min(number, Ordering::Relaxed);
                        let made = way.iter().rev().map(|&(action, _)| usize::from(action));
                        search.actions.extend(made);
                        found = Some((number, search.actions));
                        break;
                    }
                    Outcome::Stopped => return Ok((meter.nodes(), true, found)),
                    Outcome::Nothing => {}
                }
            }
            Ok((meter.nodes(), false, found))
        })?;
        let nodes = parts.iter().map(|&(nodes, _, _)| nodes).sum();
        let is_stopped = parts.iter().any(|&(_, is_stopped, _)| is_stopped);
        let found = parts.into_iter().filter_map(|(_, _, found)| found);
        meter.charge(nodes)?;
        match found.min_by_key(|&(number, _)| number) {
            _ if is_stopped => Ok(Outcome::Stopped),
            Some((_, actions)) => {
                self.actions = actions;
                Ok(Outcome::Solved)
            }
            None => Ok(Outcome::Nothing),
        }
    }

    /// Adds to `ways` all of [`MOVES_TO_PART`] moves, or fewer to the goal, in the order of [`Search::descend`].
    fn part(
        &mut self,
        blank: usize,
        previous: usize,
        left: u32,
        way: &mut Vec<(u8, u8)>,
        ways: &mut Vec<Vec<(u8, u8)>>,
    ) {
        if way.len() == MOVES_TO_PART || self.seen[0].sum == 0 {
            return ways.push(way.clone());
        }
        let patterns = self.patterns;
        for &(action, target) in &patterns.moves[blank] {
            let to = usize::from(target);
            if to == previous {
                continue;
            }
            let Some(mut change) = self.slide(blank, to, left) else { continue };
            way.push((action, target));
            self.part(to, blank, left - 1, way, ways);
            way.pop();
            self.undo(blank, to, &mut change);
        }
    }

    /// Moves the blank to `target`, if `left` moves may be enough then, this one among them.
    #[inline(always)]
    fn slide(&mut self, blank: usize, target: usize, left: u32) -> Option<Change> {
        let patterns = self.patterns;
        let tile = self.tiles[target];
        let mut change = Change::default();
        for (number, view) in self.views.iter().enumerate() {
            let seen = &self.seen[number];
            let group = view.group(tile.into());
            let placement = view.slid(seen.placements[group], tile.into(), [target, blank]);
            let cost = patterns.tables[group][placement as usize];
            if seen.sum - u32::from(seen.costs[group]) + u32::from(cost) >= left {
                return None;
            }
            change[number] = (group, placement, cost);
        }
        self.exchange(&mut change);
        self.tiles[blank] = tile;
        Some(change)
    }

    /// Takes [`Search::slide`] back.
    #[inline(always)]
    fn undo(&mut self, blank: usize, target: usize, change: &mut Change) {
        self.tiles[target] = self.tiles[blank];
        self.exchange(change);
    }

    /// Swaps what each view says of a group with `other`.
    #[inline]
    fn exchange(&mut self, other: &mut Change) {
        for (number, seen) in self.seen.iter_mut().enumerate() {
            let (group, placement, cost) = &mut other[number];
            std::mem::swap(&mut seen.placements[*group], placement);
            std::mem::swap(&mut seen.costs[*group], cost);
            seen.sum = seen.sum + u32::from(seen.costs[*group]) - u32::from(*cost);
        }
    }
}

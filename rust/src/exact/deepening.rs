//! Iterative-deepening A* on a sliding puzzle (Korf, "Depth-first iterative-deepening: an optimal
//! admissible tree search", section 5), bounded below by pattern databases.

use super::meter::Meter;
use super::patterns::Patterns;
use super::Answer;
use crate::error::Result;

/// A shortest solution of the board with tile `tiles[cell]` at every cell, which must be solvable.
///
/// # Errors
/// Only what the poll of `meter` fails with.
pub fn shortest(patterns: &Patterns, tiles: &[u8], meter: &mut Meter<'_>) -> Result<Answer> {
    let mut search = Search::new(patterns, tiles, meter);
    let blank = tiles.iter().position(|&tile| tile == 0).unwrap_or(0);
    let mut bound = search.views.iter().map(|view| view.sum).max().unwrap_or(0);
    loop {
        match search.descend(blank, usize::MAX, bound)? {
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

/// The board as the tables see it: itself, or mirrored on the diagonal if it is a square.
struct View {
    /// The tile and the cell that stand for a tile and a cell.
    renamed: Vec<u8>,
    /// By group: the placement number and the moves that its table says.
    placements: Vec<u32>,
    costs: Vec<u8>,
    sum: u32,
}

impl View {
    fn new(patterns: &Patterns, tiles: &[u8], renamed: Vec<u8>) -> Self {
        let mut placements = vec![0; patterns.tables.len()];
        for (cell, &tile) in tiles.iter().enumerate().filter(|(_, &tile)| tile != 0) {
            let tile = usize::from(renamed[usize::from(tile)]);
            placements[usize::from(patterns.group[tile])] +=
                patterns.weight[tile] * u32::from(renamed[cell]);
        }
        let cost = |(table, &number): (&Vec<u8>, &u32)| table[number as usize];
        let costs: Vec<u8> = patterns.tables.iter().zip(&placements).map(cost).collect();
        let sum = costs.iter().map(|&cost| u32::from(cost)).sum();
        Self { renamed, placements, costs, sum }
    }

    /// `(group, placement, cost)` after `tile` went from one cell to another.
    #[inline]
    fn after(&self, patterns: &Patterns, tile: u8, from: usize, to: usize) -> (usize, u32, u8) {
        let tile = usize::from(self.renamed[usize::from(tile)]);
        let group = usize::from(patterns.group[tile]);
        let step = u32::from(self.renamed[to]).wrapping_sub(u32::from(self.renamed[from]));
        let placement =
            self.placements[group].wrapping_add(patterns.weight[tile].wrapping_mul(step));
        (group, placement, patterns.tables[group][placement as usize])
    }
}

struct Search<'a, 'm> {
    patterns: &'a Patterns,
    tiles: Vec<u8>,
    views: Vec<View>,
    /// The actions found, last first.
    actions: Vec<usize>,
    meter: &'a mut Meter<'m>,
}

impl<'a, 'm> Search<'a, 'm> {
    fn new(patterns: &'a Patterns, tiles: &[u8], meter: &'a mut Meter<'m>) -> Self {
        let (width, cells) = (patterns.width, tiles.len());
        let mut names = vec![(0..cells).map(|cell| cell as u8).collect::<Vec<_>>()];
        if width == patterns.height {
            names
                .push((0..cells).map(|cell| (cell % width * width + cell / width) as u8).collect());
        }
        let views = names.into_iter().map(|renamed| View::new(patterns, tiles, renamed)).collect();
        Self { patterns, tiles: tiles.to_vec(), views, actions: Vec::new(), meter }
    }

    /// Looks for a solution of at most `left` moves that does not begin by going to `previous`.
    fn descend(&mut self, blank: usize, previous: usize, left: u32) -> Result<Outcome> {
        if self.views[0].sum == 0 {
            return Ok(Outcome::Solved);
        }
        if !self.meter.count()? {
            return Ok(Outcome::Stopped);
        }
        let patterns = self.patterns;
        for &(action, target) in &patterns.moves[blank] {
            let target = usize::from(target);
            if target == previous {
                continue;
            }
            let tile = self.tiles[target];
            let mut change = [(0, 0, 0); 2];
            let fits = self.views.iter().zip(&mut change).all(|(view, change)| {
                *change = view.after(patterns, tile, target, blank);
                view.sum - u32::from(view.costs[change.0]) + u32::from(change.2) < left
            });
            if !fits {
                continue;
            }
            self.exchange(&mut change);
            self.tiles[blank] = tile;
            match self.descend(target, blank, left - 1)? {
                Outcome::Solved => {
                    self.actions.push(usize::from(action));
                    return Ok(Outcome::Solved);
                }
                Outcome::Stopped => return Ok(Outcome::Stopped),
                Outcome::Nothing => {}
            }
            self.tiles[target] = tile;
            self.exchange(&mut change);
        }
        Ok(Outcome::Nothing)
    }

    /// Swaps what each view says of a group with `other`.
    #[inline]
    fn exchange(&mut self, other: &mut [(usize, u32, u8); 2]) {
        for (view, (group, placement, cost)) in self.views.iter_mut().zip(other) {
            std::mem::swap(&mut view.placements[*group], placement);
            std::mem::swap(&mut view.costs[*group], cost);
            view.sum = view.sum + u32::from(view.costs[*group]) - u32::from(*cost);
        }
    }
}

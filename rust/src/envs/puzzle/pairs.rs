//! What pairs of tiles add to the sums of pattern databases: a quadratic function of where the tiles are,
//! fitted to the moves that solved boards took.

use crate::engine::pool::Poll;
use crate::error::{Error, Result};
use crate::rng::Rng;

/// What a move that a table says counts for in an estimate: of a square there are two views, so that one on the board
/// counts for about two of these.
const SCALE: i32 = 8;
/// No estimate is negative.
const OFFSET: i32 = 640;
/// Four weights, which a slide changes, fit into a byte together.
const MOST_WEIGHT: f32 = 31.0;
/// So many steps are made where the epochs are within these bounds.
const STEPS: usize = 1 << 20;
const EPOCHS: [usize; 2] = [4, 40];
const STEPS_BETWEEN_LOOKS: usize = 1 << 13;
/// Of the first epoch, for the error of a board; each later one is lower, down to almost nothing.
const RATE: f32 = 0.1;

/// Boards of solutions.
#[derive(Default)]
pub(super) struct Lessons {
    /// The tile of every cell.
    pub boards: Vec<u8>,
    /// What tables say of each, all views together, and the moves that were left.
    pub sums: Vec<f32>,
    pub left: Vec<f32>,
}

pub(super) struct Pairs {
    cells: usize,
    /// By tile, its cell, another tile and its cell.
    weights: Vec<i8>,
    /// By the blank's cell, action, tile that slides, cell and the tile there: what it changes.
    changes: Vec<i8>,
}

impl Pairs {
    /// `moves` are those of the blank from each cell, `image` the cells of the board's reflection, if it has one.
    pub(super) fn fitted(
        lessons: &Lessons,
        moves: &[Vec<(u8, u8)>],
        image: Option<&[u32]>,
        poll: Poll<'_>,
    ) -> Result<Self> {
        let cells = moves.len();
        let mut fit = Fit::new(lessons, cells);
        let mut order: Vec<usize> = (0..lessons.left.len()).collect();
        let mut rng = Rng::new(0);
        let mut board = vec![0; cells];
        let epochs = (STEPS / order.len().max(1)).clamp(EPOCHS[0], EPOCHS[1]);
        for epoch in 0..epochs {
            for last in (1..order.len()).rev() {
                order.swap(last, rng.below(last as u32 + 1) as usize);
            }
            let rate = RATE * (1.0 - epoch as f32 / epochs as f32);
            for (step, &number) in order.iter().enumerate() {
                if step.is_multiple_of(STEPS_BETWEEN_LOOKS) {
                    poll()?;
                }
                let tiles = &lessons.boards[number * cells..][..cells];
                match image.filter(|_| rng.below(2) == 0) {
                    None => board.copy_from_slice(tiles),
                    Some(image) => {
                        for (cell, &tile) in tiles.iter().enumerate() {
                            board[image[cell] as usize] = image[usize::from(tile)] as u8;
                        }
                    }
                }
                fit.learn(&board, lessons.sums[number], lessons.left[number], rate);
            }
        }
        Ok(Self::new(Self::rounded(&fit), moves))
    }

    fn rounded(fit: &Fit) -> Vec<i8> {
        let cells = fit.cells;
        let places = cells * cells;
        let unit = SCALE as f32 / fit.slope;
        let mut weights = vec![0i8; places * places];
        for one in 0..places {
            for other in (one / cells + 1) * cells..places {
                let weight = (unit * fit.weights[one * places + other]).round();
                let weight = weight.clamp(-MOST_WEIGHT, MOST_WEIGHT) as i8;
                weights[one * places + other] = weight;
                weights[other * places + one] = weight;
            }
        }
        weights
    }

    fn new(weights: Vec<i8>, moves: &[Vec<(u8, u8)>]) -> Self {
        let cells = moves.len();
        let places = cells * cells;
        let mut pairs = Self { cells, weights, changes: Vec::new() };
        pairs.changes = vec![0; 4 * cells * places * cells];
        for (blank, ways) in moves.iter().enumerate() {
            for &(action, from) in ways {
                for tile in 1..cells {
                    let row = pairs.row(blank, action, tile);
                    pairs.fill(row, tile, [from.into(), blank]);
                }
            }
        }
        pairs
    }

    /// The weights, each in the bits of a signed one.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.weights.iter().map(|&weight| weight as u8).collect()
    }

    /// Those that have given `bytes`, on a board with these `moves`.
    ///
    /// # Errors
    /// If they are too many or too few, or too large for what a slide changes.
    pub(super) fn of_bytes(bytes: &[u8], moves: &[Vec<(u8, u8)>]) -> Result<Self> {
        let count = moves.len().pow(4);
        let weights: Vec<i8> = bytes.iter().map(|&byte| byte as i8).collect();
        let is_small = |weight: &i8| f32::from(weight.unsigned_abs()) <= MOST_WEIGHT;
        if weights.len() != count || !weights.iter().all(is_small) {
            let expected = format!("{count} numbers in -{MOST_WEIGHT}..={MOST_WEIGHT}");
            let got = format!("{} numbers, or larger ones", weights.len());
            return Err(Error::invalid("weights", expected, got));
        }
        Ok(Self::new(weights, moves))
    }

    /// What the slide of `tile` changes, by cell and the tile there: the blank goes the other way.
    fn fill(&mut self, row: usize, tile: usize, [from, to]: [usize; 2]) {
        let cells = self.cells;
        for cell in (0..cells).filter(|&cell| cell != from && cell != to) {
            for other in (1..cells).filter(|&other| other != tile) {
                let pair = |one: usize, at: usize| self.weight([one, at], [other, cell]);
                let change = pair(tile, to) - pair(tile, from) + pair(0, from) - pair(0, to);
                self.changes[row + cell * cells + other] = change;
            }
        }
        self.changes[row + to * cells] =
            self.weight([tile, to], [0, from]) - self.weight([tile, from], [0, to]);
    }

    fn weight(&self, [one, at]: [usize; 2], [other, cell]: [usize; 2]) -> i8 {
        let cells = self.cells;
        self.weights[(one * cells + at) * cells * cells + other * cells + cell]
    }

    fn row(&self, blank: usize, action: u8, tile: usize) -> usize {
        ((blank * 4 + usize::from(action)) * self.cells + tile) * self.cells * self.cells
    }

    /// Of the board with the tile `tiles` gives at every cell.
    pub(super) fn of(&self, tiles: &[i64]) -> i32 {
        let mut sum = 0;
        for (cell, &tile) in tiles.iter().enumerate() {
            let others = tiles.iter().enumerate().skip(cell + 1);
            let weights =
                others.map(|(at, &other)| self.weight([tile as usize, cell], [other as usize, at]));
            sum += weights.map(i32::from).sum::<i32>();
        }
        sum
    }

    /// What the action changes that moves `tile` to the cell `blank`; `tiles` are those before, by cell.
    #[inline]
    pub(super) fn change(
        &self,
        tiles: impl Iterator<Item = usize>,
        blank: usize,
        action: u8,
        tile: usize,
    ) -> i32 {
        let row = &self.changes[self.row(blank, action, tile)..][..self.cells * self.cells];
        let weights = row.chunks_exact(self.cells).zip(tiles).map(|(row, tile)| row[tile]);
        weights.map(i32::from).sum()
    }

    /// 0 for the goal alone, of which the tables say 0.
    #[inline]
    pub(super) fn estimate(&self, sum: u32, pairs: i32) -> u16 {
        if sum == 0 {
            return 0;
        }
        (OFFSET + SCALE * sum as i32 + pairs).clamp(1, u16::MAX.into()) as u16
    }
}

/// A line through the sums of the tables, and the weights of pairs that are left to learn.
struct Fit {
    cells: usize,
    slope: f32,
    start: f32,
    /// By two tiles with their cells, the smaller tile first.
    weights: Vec<f32>,
    /// Of a board by tile: `tile * cells + cell`.
    places: Vec<usize>,
}

impl Fit {
    /// The line by least squares.
    fn new(lessons: &Lessons, cells: usize) -> Self {
        let count = lessons.left.len().max(1) as f64;
        let mean = |numbers: &[f32]| numbers.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
        let (x, y) = (mean(&lessons.sums), mean(&lessons.left));
        let (mut xx, mut xy) = (0.0, 0.0);
        for (&sum, &left) in lessons.sums.iter().zip(&lessons.left) {
            let off = f64::from(sum) - x;
            (xx, xy) = (xx + off * off, xy + off * (f64::from(left) - y));
        }
        let slope = if xx > 0.0 && xy > 0.0 { xy / xx } else { 0.5 };
        let places = cells * cells;
        Self {
            cells,
            slope: slope as f32,
            start: (y - slope * x) as f32,
            weights: vec![0.0; places * places],
            places: vec![0; cells],
        }
    }

    /// A step of gradient descent: all pairs of a board share `rate` of its error.
    fn learn(&mut self, board: &[u8], sum: f32, left: f32, rate: f32) {
        let (cells, all) = (self.cells, self.cells * self.cells);
        for (cell, &tile) in board.iter().enumerate() {
            self.places[usize::from(tile)] = usize::from(tile) * cells + cell;
        }
        let mut error = left - self.start - self.slope * sum;
        for (one, &place) in self.places.iter().enumerate() {
            let row = &self.weights[place * all..][..all];
            error -= self.places[one + 1..].iter().map(|&other| row[other]).sum::<f32>();
        }
        let step = rate * error / (cells * (cells - 1) / 2) as f32;
        for (one, &place) in self.places.iter().enumerate() {
            let row = &mut self.weights[place * all..][..all];
            self.places[one + 1..].iter().for_each(|&other| row[other] += step);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_come_back_and_no_others_do() {
        // Of three cells in a row.
        let moves = vec![vec![(2, 1)], vec![(0, 0), (2, 2)], vec![(0, 1)]];
        let lessons = Lessons {
            boards: vec![1, 2, 0, 1, 0, 2, 0, 1, 2],
            sums: vec![2.0, 1.0, 1.0],
            left: vec![2.0, 1.0, 9.0],
        };
        let made = Pairs::fitted(&lessons, &moves, None, &mut || Ok(())).unwrap();
        assert!(made.weights.iter().any(|&weight| weight != 0));
        let again = Pairs::of_bytes(&made.bytes(), &moves).unwrap();
        assert_eq!((&again.weights, &again.changes), (&made.weights, &made.changes));
        for bytes in [vec![0; 80], vec![32; 81], vec![0x80; 81]] {
            let error = Pairs::of_bytes(&bytes, &moves).err().unwrap().to_string();
            assert!(error.starts_with("weights: expected 81 numbers in -31..=31"), "{error}");
        }
    }
}

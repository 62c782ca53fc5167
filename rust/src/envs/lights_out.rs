//! Lights Out: pressing a lamp flips it and its neighbours; solved when all are off.

use super::grid::{symmetries, Cells};
use super::parameters::{Parameter, Parameters};
use super::scrambled::{entries, Rules, Scrambled};
use crate::error::{Error, Result};
use crate::rl::env::Twists;
use crate::rng::Rng;

/// Lights Out on a rectangle. Action `y * width + x` presses a lamp; the observation
/// `[height, width]` has a feature for each lamp that is on.
///
/// Presses commute and undo themselves, so a state is solvable if it is a sum of presses over
/// GF(2) (Anderson and Feil, "Turning Lights Out with Linear Algebra").
pub type LightsOut = Scrambled<Lamps>;

/// The rules of [`LightsOut`].
pub struct Lamps {
    width: usize,
    height: usize,
    /// What each press flips.
    presses: Vec<Cells>,
    /// Sums of presses with a leading lamp each, none of which another one has.
    basis: Vec<(usize, Cells)>,
}

impl Lamps {
    /// `lamps` without what presses can switch off.
    fn remainder(&self, mut lamps: Cells) -> Cells {
        for (lead, row) in &self.basis {
            if lamps.contains(*lead) {
                lamps.flip(row);
            }
        }
        lamps
    }
}

impl Rules for Lamps {
    type State = Cells;
    const NAME: &'static str = "LightsOut";
    const IS_LINEAR: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        Parameter::integer("width", 2, 16, 5, "cells in a row"),
        Parameter::integer("height", 2, 16, 5, "rows"),
    ];

    fn new(parameters: &Parameters) -> Result<Self> {
        let (width, height) = (parameters.integer("width"), parameters.integer("height"));
        let mut presses = vec![Cells::default(); width * height];
        for (cell, press) in presses.iter_mut().enumerate() {
            let (x, y) = (cell % width, cell / width);
            for (other_x, other_y) in
                [(x, y), (x.wrapping_sub(1), y), (x + 1, y), (x, y.wrapping_sub(1)), (x, y + 1)]
            {
                if other_x < width && other_y < height {
                    press.insert(other_y * width + other_x);
                }
            }
        }
        let mut rules = Self { width, height, basis: Vec::new(), presses };
        for &press in &rules.presses.clone() {
            let row = rules.remainder(press);
            let lead = row.iter().next();
            if let Some(lead) = lead {
                for (_, other) in rules.basis.iter_mut().filter(|(_, other)| other.contains(lead)) {
                    other.flip(&row);
                }
                rules.basis.push((lead, row));
            }
        }
        Ok(rules)
    }

    fn action_names(&self) -> Vec<String> {
        (0..self.presses.len()).map(|c| format!("{},{}", c % self.width, c / self.width)).collect()
    }
    #[inline]
    fn num_actions(&self) -> usize {
        self.presses.len()
    }
    fn obs_shape(&self) -> Vec<usize> {
        vec![self.height, self.width]
    }

    fn goal(&self, _: &mut Rng) -> Cells {
        Cells::default()
    }
    #[inline]
    fn is_goal(&self, lamps: &Cells) -> bool {
        lamps.is_empty()
    }
    #[inline]
    fn apply(&self, lamps: &mut Cells, action: usize) {
        lamps.flip(&self.presses[action]);
    }
    #[inline]
    fn observe(&self, lamps: &Cells, indices: &mut Vec<i32>) {
        indices.extend(lamps.iter().map(|lamp| lamp as i32));
    }
    /// Every lamp pressed or not, by one bit: each solvable state in equally many ways.
    fn uniform(&self, rng: &mut Rng) -> Cells {
        let mut lamps = Cells::default();
        for presses in self.presses.chunks(64) {
            let word = rng.next_u64();
            for (bit, press) in presses.iter().enumerate() {
                if word >> bit & 1 == 1 {
                    lamps.flip(press);
                }
            }
        }
        lamps
    }

    fn numbers(&self, lamps: &Cells) -> Vec<i64> {
        (0..self.presses.len()).map(|lamp| i64::from(lamps.contains(lamp))).collect()
    }
    fn parse(&self, numbers: &[i64]) -> Result<Cells> {
        let mut lamps = Cells::default();
        let lit = entries(numbers, self.presses.len(), 2)?.iter().enumerate();
        lit.filter(|(_, &on)| on == 1).for_each(|(lamp, _)| lamps.insert(lamp));
        Ok(lamps)
    }
    fn check_solvable(&self, lamps: &Cells) -> Result<()> {
        if self.remainder(*lamps).is_empty() {
            return Ok(());
        }
        let lit: Vec<usize> = lamps.iter().collect();
        let got = format!("lamps {lit:?}, which no presses switch off");
        Err(Error::invalid("state", "a solvable pattern", got))
    }
    /// One row a line, `#` for a lamp that is on.
    fn render(&self, lamps: &Cells) -> String {
        let draw = |cell: usize| if lamps.contains(cell) { '#' } else { '.' };
        let row = |y: usize| {
            let cells = (0..self.width).map(|x| draw(y * self.width + x).to_string());
            cells.collect::<Vec<_>>().join(" ") + "\n"
        };
        (0..self.height).map(row).collect()
    }

    fn inverse_actions(&self) -> Option<Vec<usize>> {
        Some((0..self.presses.len()).collect())
    }
    /// Up to 128 lamps.
    fn key(&self, lamps: &Cells) -> Option<u128> {
        lamps.key(self.presses.len(), 128)
    }
    /// The symmetries of the rectangle.
    fn twists(&self) -> Twists {
        let maps = symmetries(self.width, self.height);
        (maps.clone(), maps)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Squares whose presses depend on each other (OEIS A159257): 4, 5, 9, 11, 14 and 16 to a side.
    #[test]
    fn ranks_are_those_published() {
        let dependent = [(4, 4), (5, 2), (9, 8), (11, 6), (14, 4), (16, 8)];
        for side in 2..=16 {
            let given = json!({"width": side, "height": side});
            let parameters =
                Parameters::new(Lamps::PARAMETERS, given.as_object().unwrap()).unwrap();
            let lamps = Lamps::new(&parameters).unwrap();
            let nullity = dependent.iter().find(|(at, _)| *at == side).map_or(0, |(_, n)| *n);
            assert_eq!(lamps.basis.len(), side * side - nullity, "{side}");
        }
    }
}

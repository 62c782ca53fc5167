//! Collected samples, each distinct observation kept once.

use crate::collector::{distinct_rows, Table};
use crate::engine::pool::Poll;
use crate::spaces::Rows;
use crate::train::Samples;
use crate::Result;

/// `N` samples of `U` distinct observations, in the order of their first appearance.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Batch {
    pub(super) rows: Rows,
    /// `[U]`, -1 for none.
    pub(super) twists: Vec<i64>,
    /// `[N]`
    pub(super) row_of: Vec<i64>,
    /// `[N, A]`
    pub(super) illegal: Vec<bool>,
}

impl Batch {
    /// The samples of `table`, seen through the twists of their collection if `keep_twists`.
    pub(super) fn collected(table: &Table, keep_twists: bool, poll: Poll<'_>) -> Result<Self> {
        let twists: Vec<i64> = match keep_twists {
            true => table.get("twists")?.to_vec(),
            false => vec![-1; table.len()],
        };
        let illegal = table.get::<bool>("masks")?.iter().map(|legal| !legal).collect();
        let row_of = (0..table.len() as i64).collect();
        let rows = table.rows("obs")?;
        distinct(rows, &Self { rows: Rows::default(), twists, row_of, illegal }, poll)
    }

    /// The samples of both, `other`'s last.
    pub(super) fn joined(&self, other: &Self, poll: Poll<'_>) -> Result<Self> {
        let mut rows = self.rows.clone();
        rows.extend_from(&other.rows);
        let before = self.rows.len() as i64;
        let others = other.row_of.iter().map(|row| row + before);
        let both = Self {
            rows: Rows::default(),
            twists: [&self.twists[..], &other.twists].concat(),
            row_of: self.row_of.iter().copied().chain(others).collect(),
            illegal: [&self.illegal[..], &other.illegal].concat(),
        };
        distinct(&rows, &both, poll)
    }

    /// The samples from number `first` on, with just the observations that they need.
    pub(super) fn from(&self, first: usize) -> Self {
        let num_actions = self.illegal.len() / self.row_of.len().max(1);
        let kept = &self.row_of[first..];
        let mut place = vec![-1; self.rows.len()];
        kept.iter().for_each(|row| place[*row as usize] = 0);
        let (mut rows, mut twists) = (Rows::default(), Vec::new());
        for (row, place) in place.iter_mut().enumerate().filter(|(_, place)| **place == 0) {
            *place = rows.len() as i64;
            rows.push(self.rows.row(row));
            twists.push(self.twists[row]);
        }
        Self {
            rows,
            twists,
            row_of: kept.iter().map(|row| place[*row as usize]).collect(),
            illegal: self.illegal[first * num_actions..].to_vec(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.row_of.len()
    }

    /// All of them; masks that hide nothing are left out if `drop_masks`.
    pub(super) fn samples(&self, drop_masks: bool) -> Samples<'_> {
        let hides = !drop_masks || self.illegal.iter().any(|illegal| *illegal);
        Samples {
            rows: &self.rows,
            twists: &self.twists,
            row_of: &self.row_of,
            illegal: hides.then_some(&self.illegal),
            sequences: None,
        }
    }
}

/// `of`, whose numbers are those of `rows`, with each distinct one once.
fn distinct(rows: &Rows, of: &Batch, poll: Poll<'_>) -> Result<Batch> {
    let narrow: Vec<i32> = of.twists.iter().map(|twist| *twist as i32).collect();
    let (first, index) = distinct_rows(rows, &narrow, poll)?;
    let mut kept = Rows::default();
    first.iter().for_each(|row| kept.push(rows.row(*row as usize)));
    Ok(Batch {
        rows: kept,
        twists: first.iter().map(|row| of.twists[*row as usize]).collect(),
        row_of: of.row_of.iter().map(|row| index[*row as usize]).collect(),
        illegal: of.illegal.clone(),
    })
}

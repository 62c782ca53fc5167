//! What a collection gives: named columns with one row for each visited state.

use crate::error::{Error, Result};
use crate::spaces::Rows;

/// Cells of `width` numbers a row, row after row.
#[derive(Clone, Debug, PartialEq)]
pub struct Cells<T> {
    pub data: Vec<T>,
    pub width: usize,
}

/// A column; its rows are those of the table.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    F32(Cells<f32>),
    I64(Cells<i64>),
    Bool(Cells<bool>),
    Rows(Rows),
}

/// A column that is read: slices of `[N, width]`, or rows.
#[derive(Clone, Copy)]
pub(crate) enum ColumnRef<'a> {
    F32(&'a [f32], usize),
    I64(&'a [i64], usize),
    Bool(&'a [bool], usize),
    Rows(&'a Rows),
}

/// Named columns of `N` rows, episode after episode.
///
/// What collects, merges, sends or trains on a table need not know the names:
///
/// ```
/// use twisterl::collector::ppo::{collect, PpoConfig};
/// use twisterl::{envs::puzzle::Puzzle, testing::{random_policy, Widths}};
/// # fn main() -> twisterl::Result<()> {
/// let env = Puzzle::new(3, 3, 4, 2, 64)?;
/// let policy = random_policy(&env, Widths { embedding: 16, common: 16 }, 0)?;
/// let config = PpoConfig { num_episodes: 2, ..PpoConfig::default() };
/// let table = collect(&env, &policy, &config, &config.work(0, 0), &mut || Ok(()))?;
/// assert_eq!(table.episode_starts.len(), 3);
/// assert_eq!(table.get::<f32>("logits")?.len(), table.len() * 4);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub(super) columns: Vec<(&'static str, Column)>,
    /// First row of every episode, then `N`: `[E + 1]`; in an unfinished table without `N`.
    pub episode_starts: Vec<i64>,
}

impl Table {
    /// Number of rows `N`.
    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, |(_, column)| column.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The columns in their order.
    pub fn columns(&self) -> impl Iterator<Item = (&'static str, &Column)> {
        self.columns.iter().map(|(name, column)| (*name, column))
    }

    /// The columns, to be moved out without a copy.
    pub fn into_columns(self) -> Vec<(&'static str, Column)> {
        self.columns
    }

    /// The column `name`.
    ///
    /// # Errors
    /// If there is none.
    pub fn column(&self, name: &str) -> Result<&Column> {
        let found = self.columns().find(|(known, _)| *known == name);
        found.map(|(_, column)| column).ok_or_else(|| {
            let names: Vec<&str> = self.columns().map(|(known, _)| known).collect();
            Error::invalid("column", format!("one of {}", names.join(", ")), name)
        })
    }

    /// The cells `[N, width]` of a column of 32-bit floats, 64-bit integers or flags.
    ///
    /// # Errors
    /// If there is no such column, or it is of another kind; likewise below.
    pub fn get<T: Cell>(&self, name: &str) -> Result<&[T]> {
        let column = self.column(name)?;
        match T::cells(column) {
            Some(cells) => Ok(&cells.data),
            None => Err(column.is_not(T::KIND, name)),
        }
    }

    /// The observations of a column.
    pub fn rows(&self, name: &str) -> Result<&Rows> {
        match self.column(name)? {
            Column::Rows(rows) => Ok(rows),
            other => Err(other.is_not(OBSERVATIONS, name)),
        }
    }

    /// Moves the cells of a column out, and leaves none.
    pub fn take<T: Cell>(&mut self, name: &str) -> Result<Vec<T>> {
        self.get::<T>(name)?;
        let column = self.columns.iter_mut().find(|(known, _)| *known == name);
        let cells = column.and_then(|(_, column)| T::cells_mut(column));
        Ok(cells.map(|cells| std::mem::take(&mut cells.data)).unwrap_or_default())
    }

    /// Moves the observations of a column out, and leaves none.
    pub fn take_rows(&mut self, name: &str) -> Result<Rows> {
        self.rows(name)?;
        Ok(match self.columns.iter_mut().find(|(known, _)| *known == name) {
            Some((_, Column::Rows(rows))) => std::mem::take(rows),
            _ => Rows::default(),
        })
    }

    /// Appends an episode; `columns` are those that came first, in their order.
    pub(super) fn append<'a>(
        &mut self,
        columns: impl IntoIterator<Item = (&'static str, ColumnRef<'a>)>,
    ) {
        self.episode_starts.push(self.len() as i64);
        let is_first = self.episode_starts.len() == 1;
        for (index, (name, column)) in columns.into_iter().enumerate() {
            match self.columns.get_mut(index) {
                None => self.columns.push((name, column.empty())),
                // What is kept may be of another environment.
                Some((_, kept)) if is_first && !column.is_like(kept) => *kept = column.empty(),
                Some(_) => {}
            }
            self.columns[index].1.extend(column);
        }
    }

    /// Removes all rows and keeps the columns' memory.
    pub(super) fn clear(&mut self) {
        self.episode_starts.clear();
        self.columns.iter_mut().for_each(|(_, column)| column.clear());
    }
}

impl Column {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Column::F32(cells) => cells.len(),
            Column::I64(cells) => cells.len(),
            Column::Bool(cells) => cells.len(),
            Column::Rows(rows) => rows.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn is_not(&self, expected: &str, name: &str) -> Error {
        let kind = match self {
            Column::F32(_) => f32::KIND,
            Column::I64(_) => i64::KIND,
            Column::Bool(_) => bool::KIND,
            Column::Rows(_) => OBSERVATIONS,
        };
        Error::invalid(format!("column {name}"), expected, kind)
    }

    /// A column of this kind without rows.
    pub(super) fn empty(&self) -> Self {
        match self {
            Column::F32(Cells { width, .. }) => Column::F32(Cells::new(*width)),
            Column::I64(Cells { width, .. }) => Column::I64(Cells::new(*width)),
            Column::Bool(Cells { width, .. }) => Column::Bool(Cells::new(*width)),
            Column::Rows(_) => Column::Rows(Rows::default()),
        }
    }

    /// Columns of one table agree in kind, since one place names them.
    fn extend(&mut self, from: ColumnRef<'_>) {
        match (self, from) {
            (Column::F32(to), ColumnRef::F32(data, _)) => to.data.extend_from_slice(data),
            (Column::I64(to), ColumnRef::I64(data, _)) => to.data.extend_from_slice(data),
            (Column::Bool(to), ColumnRef::Bool(data, _)) => to.data.extend_from_slice(data),
            (Column::Rows(to), ColumnRef::Rows(rows)) => to.extend_from(rows),
            _ => unreachable!("a column changed its kind"),
        }
    }

    fn clear(&mut self) {
        match self {
            Column::F32(cells) => cells.data.clear(),
            Column::I64(cells) => cells.data.clear(),
            Column::Bool(cells) => cells.data.clear(),
            Column::Rows(rows) => rows.clear(),
        }
    }
}

impl<T> Cells<T> {
    fn new(width: usize) -> Self {
        Self { data: Vec::new(), width }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.data.len() / self.width.max(1)
    }

    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }
}

impl ColumnRef<'_> {
    /// Whether the rows of `column` are of the same kind and width.
    fn is_like(self, column: &Column) -> bool {
        match (self, column) {
            (ColumnRef::F32(_, width), Column::F32(cells)) => width == cells.width,
            (ColumnRef::I64(_, width), Column::I64(cells)) => width == cells.width,
            (ColumnRef::Bool(_, width), Column::Bool(cells)) => width == cells.width,
            (ColumnRef::Rows(_), Column::Rows(_)) => true,
            _ => false,
        }
    }

    /// A column of this kind without rows.
    fn empty(self) -> Column {
        match self {
            ColumnRef::F32(_, width) => Column::F32(Cells::new(width)),
            ColumnRef::I64(_, width) => Column::I64(Cells::new(width)),
            ColumnRef::Bool(_, width) => Column::Bool(Cells::new(width)),
            ColumnRef::Rows(_) => Column::Rows(Rows::default()),
        }
    }
}

/// What the columns of one kind hold: `f32`, `i64` or `bool`.
pub trait Cell: Copy + Send + Sync + 'static {
    /// In the words of an error.
    const KIND: &'static str;
    /// The cells of `column`, if it is of this kind.
    fn cells(column: &Column) -> Option<&Cells<Self>>;
    fn cells_mut(column: &mut Column) -> Option<&mut Cells<Self>>;
}

macro_rules! cell {
    ($number:ty, $column:ident, $kind:literal) => {
        impl Cell for $number {
            const KIND: &'static str = $kind;
            fn cells(column: &Column) -> Option<&Cells<Self>> {
                match column {
                    Column::$column(cells) => Some(cells),
                    _ => None,
                }
            }
            fn cells_mut(column: &mut Column) -> Option<&mut Cells<Self>> {
                match column {
                    Column::$column(cells) => Some(cells),
                    _ => None,
                }
            }
        }
    };
}

cell!(f32, F32, "32-bit floats");
cell!(i64, I64, "64-bit integers");
cell!(bool, Bool, "flags");

const OBSERVATIONS: &str = "observations";

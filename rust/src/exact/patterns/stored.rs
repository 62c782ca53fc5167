//! Pattern databases as arrays, for another process.

use super::{arrangements, moves, Grouped, Patterns, UNSEEN};
use crate::engine::store::{Arrays, Key};
use crate::error::{Error, Result};

const NODES: &str = "nodes";

/// Of the tables of groups of `size` tiles.
pub(super) fn key(width: usize, height: usize, size: usize) -> Key {
    let name = format!("{width}x{height}-{size}");
    Key::new("patterns", name, format!("{width} {height} {size}"))
}

fn table_name(group: usize) -> String {
    format!("table.{group}")
}

impl Patterns {
    pub(super) fn arrays(&self) -> Arrays {
        let nodes = Arrays::default().with(NODES, vec![self.nodes]);
        let tables = self.tables.iter().enumerate();
        tables.fold(nodes, |arrays, (group, table)| arrays.with(&table_name(group), table.clone()))
    }

    /// Those that have given `arrays`.
    ///
    /// # Errors
    /// If they are no tables of such groups.
    pub(super) fn read(
        width: usize,
        height: usize,
        size: usize,
        mut arrays: Arrays,
    ) -> Result<Self> {
        let cells = width * height;
        let Grouped { groups, group, weight } = Grouped::new(width, height, size);
        let mut tables = Vec::with_capacity(groups.len());
        for (number, tiles) in groups.iter().enumerate() {
            let name = table_name(number);
            let table: Vec<u8> = arrays.take_all(&name, cells.pow(tiles.len() as u32))?;
            let home: u32 =
                tiles.iter().map(|&tile| weight[usize::from(tile)] * u32::from(tile)).sum();
            let reached = table.iter().filter(|&&moves| moves != UNSEEN).count() as u64;
            let expected = arrangements(cells, tiles.len());
            if table[home as usize] != 0 || reached != expected {
                let expected = format!("0 at home and moves of {expected} placements");
                let got = format!("{} and {reached}", table[home as usize]);
                return Err(Error::invalid(name, expected, got));
            }
            tables.push(table);
        }
        let most_nodes = tables.iter().map(|table| (table.len() * cells) as u64).sum();
        let nodes = arrays.take_all(NODES, 1)?[0];
        if nodes > most_nodes {
            return Err(Error::invalid(NODES, format!("at most {most_nodes}"), nodes));
        }
        Ok(Self { width, height, moves: moves(width, height), group, weight, tables, nodes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Deadline;
    use crate::exact::meter::Meter;

    #[test]
    fn tables_come_back_and_no_others_do() {
        let poll = &mut || Ok(());
        let meter = &mut Meter::new(None, Deadline::NEVER, poll);
        let made = Patterns::of_groups(3, 3, 3, meter).unwrap().unwrap();
        let again = Patterns::read(3, 3, 3, made.arrays()).unwrap();
        assert_eq!((&again.tables, again.nodes), (&made.tables, made.nodes));
        assert_eq!((&again.group, &again.weight), (&made.group, &made.weight));
        let refused = |change: fn(&mut Arrays), name: &str| {
            let mut arrays = made.arrays();
            change(&mut arrays);
            let error = Patterns::read(3, 3, 3, arrays).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{name}: expected")), "{error}");
        };
        refused(|arrays| drop(arrays.take::<u8>("table.2")), "table.2");
        refused(
            |arrays| *arrays = std::mem::take(arrays).with("table.0", vec![0u8; 728]),
            "table.0",
        );
        refused(
            |arrays| *arrays = std::mem::take(arrays).with("table.0", vec![0u8; 729]),
            "table.0",
        );
        refused(
            |arrays| *arrays = std::mem::take(arrays).with("table.0", vec![0u32; 729]),
            "table.0",
        );
        refused(|arrays| *arrays = std::mem::take(arrays).with(NODES, vec![u64::MAX]), NODES);
        assert!(Patterns::read(3, 4, 3, made.arrays()).is_err());
    }
}

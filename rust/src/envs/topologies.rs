//! Coupling graphs by name: their edges, each once, and their symmetries.

use std::collections::HashSet;

use super::devices::DEVICES;
use super::grid::symmetries;

/// The first six are there for any number of qubits, those of `DEVICES` for their own.
pub(super) const TOPOLOGIES: &[&str] = &[
    "line",
    "ring",
    "grid",
    "star",
    "heavy_hex",
    "all_to_all",
    "yorktown",
    "falcon_5",
    "falcon_7",
    "melbourne",
    "falcon_16",
    "almaden",
    "falcon_27",
    "rochester",
    "hummingbird_65",
    "rueschlikon",
    "johannesburg",
    "tokyo",
    "cambridge",
    "prague",
];
/// Symmetries that are looked for: trees have too many to list.
const MOST_SYMMETRIES: usize = 64;

type Edges = Vec<(usize, usize)>;
type Maps = Vec<Vec<usize>>;

/// Of a device; `None` for the name of a topology of any size.
pub(super) fn num_qubits_of(topology: &str) -> Option<usize> {
    DEVICES.iter().find(|(name, ..)| *name == topology).map(|&(_, num_qubits, _)| num_qubits)
}

/// Edges and where symmetries take each vertex. A grid is as square as its number of vertices
/// allows, with at least as many columns as rows; a star has vertex 0 in its middle, and of the
/// symmetries of its leaves, as of those of all-to-all, only turns and mirror images of their circle.
pub(super) fn named(topology: &str, n: usize) -> (Edges, Maps) {
    let line = || (1..n).map(|b| (b - 1, b));
    let (edges, mut maps): (Edges, Maps) = match topology {
        "ring" if n > 2 => (line().chain([(n - 1, 0)]).collect(), circle(n)),
        "star" => {
            let leaf = |turned: Vec<usize>| {
                std::iter::once(0).chain(turned.into_iter().map(|leaf| leaf + 1)).collect()
            };
            ((1..n).map(|leaf| (0, leaf)).collect(), circle(n - 1).into_iter().map(leaf).collect())
        }
        "grid" => {
            let rows =
                (1..=n).rev().find(|rows| rows * rows <= n && n.is_multiple_of(*rows)).unwrap_or(1);
            let columns = n / rows;
            let right = (0..n).filter(|v| (v + 1) % columns != 0).map(|v| (v, v + 1));
            let down = (0..n - columns).map(|v| (v, v + columns));
            (right.chain(down).collect(), symmetries(columns, rows))
        }
        "all_to_all" => {
            let pairs = (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b)));
            (pairs.collect(), circle(n))
        }
        "heavy_hex" => with_symmetries(heavy_hex(n), n),
        "line" | "ring" => (line().collect(), vec![(0..n).collect(), (0..n).rev().collect()]),
        device => {
            let found = DEVICES.iter().find(|(name, ..)| *name == device);
            let (_, _, edges) = found.expect("a name of the list");
            with_symmetries(edges.to_vec(), n)
        }
    };
    // Small graphs have fewer symmetries than their kind.
    let mut seen = HashSet::new();
    maps.retain(|map| seen.insert(map.clone()));
    (edges, maps)
}

/// Turns and mirror images of a circle of `n` vertices.
fn circle(n: usize) -> Maps {
    let turn = |by: usize| move |v: usize| (v + by) % n;
    let turns = (0..n).map(|by| (0..n).map(turn(by)).collect());
    let mirrors = (0..n).map(|by| (0..n).rev().map(turn(by)).collect());
    turns.chain(mirrors).collect()
}

/// The `n` vertices of a heavy-hexagonal lattice that are nearest to a corner of it.
///
/// The lattice has whole rows, joined by single vertices between them: at every fourth column,
/// from 0 on and from 2 on in turn.
fn heavy_hex(n: usize) -> Edges {
    let is_there = |(row, column): (usize, usize)| match row % 4 {
        1 => column.is_multiple_of(4),
        3 => column % 4 == 2,
        _ => true,
    };
    let are_joined = |(row, column): (usize, usize), (below, other): (usize, usize)| {
        row.is_multiple_of(2) && row == below && column.abs_diff(other) == 1
            || row.abs_diff(below) == 1 && column == other
    };
    let mut chosen: Vec<(usize, usize)> = Vec::new();
    let mut layer = vec![(0, 0)];
    while chosen.len() < n {
        chosen.extend(&layer);
        let mut next = Vec::new();
        for &(row, column) in &layer {
            let around = [
                (row, column + 1),
                (row + 1, column),
                (row.wrapping_sub(1), column),
                (row, column.wrapping_sub(1)),
            ];
            next.extend(around.into_iter().filter(|&place| {
                place.0.max(place.1) <= n
                    && is_there(place)
                    && are_joined((row, column), place)
                    && !chosen.contains(&place)
            }));
        }
        next.sort_unstable();
        next.dedup();
        layer = next;
    }
    chosen.truncate(n);
    chosen.sort_unstable();
    let pairs = (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b)));
    pairs.filter(|&(a, b)| are_joined(chosen[a], chosen[b])).collect()
}

/// With the first symmetries in the order of their maps, the identity first.
fn with_symmetries(edges: Edges, n: usize) -> (Edges, Maps) {
    let mut joined = vec![vec![false; n]; n];
    for &(a, b) in &edges {
        (joined[a][b], joined[b][a]) = (true, true);
    }
    let degree = |v: usize| joined[v].iter().filter(|&&joined| joined).count();
    let degrees: Vec<usize> = (0..n).map(degree).collect();
    let mut maps = Maps::new();
    let mut map = Vec::with_capacity(n);
    extend(&mut map, &joined, &degrees, &mut maps);
    (edges, maps)
}

/// Completes `map`, the images of the first vertices, in every way.
fn extend(map: &mut Vec<usize>, joined: &[Vec<bool>], degrees: &[usize], maps: &mut Maps) {
    let vertex = map.len();
    if vertex == degrees.len() {
        maps.push(map.clone());
        return;
    }
    for image in 0..degrees.len() {
        let fits = degrees[image] == degrees[vertex]
            && !map.contains(&image)
            && map.iter().enumerate().all(|(v, &at)| joined[v][vertex] == joined[at][image]);
        if fits && maps.len() < MOST_SYMMETRIES {
            map.push(image);
            extend(map, joined, degrees, maps);
            map.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_symmetry_keeps_the_edges() {
        for &topology in TOPOLOGIES {
            let n = num_qubits_of(topology).unwrap_or(13);
            let (edges, maps) = named(topology, n);
            let joined: HashSet<_> = edges.iter().flat_map(|&(a, b)| [(a, b), (b, a)]).collect();
            assert_eq!(maps[0], (0..n).collect::<Vec<_>>(), "{topology}");
            for map in &maps {
                assert!(edges.iter().all(|&(a, b)| joined.contains(&(map[a], map[b]))));
            }
        }
        let count = |topology, n| named(topology, n).1.len();
        // Of the bowtie, the T, the H; a single hexagon with its ends has only the diagonal of none.
        assert_eq!((count("yorktown", 5), count("falcon_5", 5), count("falcon_7", 7)), (8, 2, 8));
    }
}

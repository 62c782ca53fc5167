//! A board as the tables of [`Patterns`] see it: itself, or mirrored on the diagonal if it is a square.

use super::patterns::Patterns;

/// What stands in a view for each tile and cell.
#[derive(Clone, Debug)]
pub struct View {
    places: Vec<Place>,
    images: Vec<u32>,
}

/// A tile among the groups of a view.
#[derive(Clone, Copy, Debug)]
struct Place {
    group: u32,
    weight: u32,
}

impl View {
    /// All of a board: one, or two of a square.
    pub fn all(patterns: &Patterns) -> Vec<Self> {
        let (width, cells) = (patterns.width, patterns.group.len());
        let mut images: Vec<Vec<usize>> = vec![(0..cells).collect()];
        if width == patterns.height {
            images.push((0..cells).map(|cell| cell % width * width + cell / width).collect());
        }
        let place = |&tile: &usize| Place {
            group: patterns.group[tile].into(),
            weight: patterns.weight[tile],
        };
        let view = |images: Vec<usize>| Self {
            places: images.iter().map(place).collect(),
            images: images.into_iter().map(|cell| cell as u32).collect(),
        };
        images.into_iter().map(view).collect()
    }

    /// By group: the numbers of the placements on the board with `tiles[cell]` at every cell.
    pub fn placements(&self, tiles: impl Iterator<Item = usize>, placements: &mut [u32]) {
        placements.fill(0);
        for (cell, tile) in tiles.enumerate().filter(|&(_, tile)| tile != 0) {
            let Place { group, weight } = self.places[tile];
            placements[group as usize] += weight * self.images[cell];
        }
    }

    /// What stands in the view for each cell, or its tile.
    pub fn images(&self) -> &[u32] {
        &self.images
    }

    #[inline]
    pub fn group(&self, tile: usize) -> usize {
        self.places[tile].group as usize
    }

    /// The number of its group's placement after `tile` went from one cell to another.
    #[inline]
    pub fn slid(&self, placement: u32, tile: usize, [from, to]: [usize; 2]) -> u32 {
        let step = self.images[to].wrapping_sub(self.images[from]);
        placement.wrapping_add(self.places[tile].weight.wrapping_mul(step))
    }
}

//! Rectangles of at most 256 cells: sets of cells and symmetries.

/// A set of cells, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cells([u64; 4]);

impl Cells {
    #[inline]
    pub fn contains(&self, cell: usize) -> bool {
        self.0[cell / 64] >> (cell % 64) & 1 == 1
    }

    #[inline]
    pub fn insert(&mut self, cell: usize) {
        self.0[cell / 64] |= 1 << (cell % 64);
    }

    /// The cells that are in one of the two sets alone.
    #[inline]
    pub fn flip(&mut self, other: &Cells) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word ^= other);
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }

    /// The cells in ascending order.
    #[inline]
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..4).flat_map(move |word| {
            let mut bits = self.0[word];
            std::iter::from_fn(move || {
                let bit = bits.trailing_zeros() as usize;
                bits &= bits.wrapping_sub(1);
                (bit < 64).then_some(word * 64 + bit)
            })
        })
    }

    /// The set as a number, if its cells are below `count` of at most `bits` bits.
    #[inline]
    pub fn key(&self, count: usize, bits: usize) -> Option<u128> {
        (count <= bits).then(|| u128::from(self.0[1]) << 64 | u128::from(self.0[0]))
    }
}

/// Where each symmetry of the rectangle takes each cell `y * width + x`, the identity first:
/// 8 for a square, 4 for another rectangle.
pub fn symmetries(width: usize, height: usize) -> Vec<Vec<usize>> {
    let turns = if width == height { 2 } else { 1 };
    let mut maps = Vec::new();
    for transpose in 0..turns {
        for (mirror_x, mirror_y) in [(false, false), (true, false), (false, true), (true, true)] {
            let image = |cell: usize| {
                let (x, y) = (cell % width, cell / width);
                let x = if mirror_x { width - 1 - x } else { x };
                let y = if mirror_y { height - 1 - y } else { y };
                if transpose == 1 {
                    x * width + y
                } else {
                    y * width + x
                }
            };
            maps.push((0..width * height).map(image).collect());
        }
    }
    maps
}

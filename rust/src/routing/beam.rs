//! A beam of token placements, led by what their pairs cost.
//!
//! Each depth keeps the `width` distinct placements whose pairs cost least; of those that cost the
//! same, chance decides, but always alike. What every swap would cost is known before it is made: for each
//! token and vertex the state has the sum of the token's costs there with all others.

use std::ops::Range;

use super::pairs::Pairs;
use crate::engine::pool::Poll;
use crate::error::Result;
use crate::rng::Rng;

/// No edge.
const NONE: u16 = u16::MAX;
const IMPOSSIBLE: i32 = i32::MAX;

/// Placements of tokens on a graph, the search for the goal, and its memory.
pub struct Beam<'a> {
    num_vertices: usize,
    edges: &'a [(usize, usize)],
    pairs: &'a Pairs,
    /// A random number of each token on each vertex `[vertex, token]`; a placement is told by those of
    /// its own, exclusive or (Zobrist 1970).
    names: Vec<u64>,
    layer: Layer,
    next: Layer,
    /// What the pairs cost after each swap `[placements, edges]`.
    totals: Vec<i32>,
    /// How many of them cost as much, from the least possible one on.
    histogram: Vec<u32>,
    candidates: Vec<Candidate>,
    /// Names of the layer before this one, of this one, and of the next.
    seen: [Names; 3],
    /// By depth, the parent and the edge of each placement.
    history: Vec<Vec<(u32, u16)>>,
}

#[derive(Default)]
struct Layer {
    /// `[placements, vertices]`
    tokens: Vec<u8>,
    /// `[placements, vertex, token]`
    sums: Vec<i16>,
    totals: Vec<i32>,
    names: Vec<u64>,
    /// The swap that led here.
    edges: Vec<u16>,
}

impl Layer {
    fn clear(&mut self) {
        self.tokens.clear();
        self.sums.clear();
        self.totals.clear();
        self.names.clear();
        self.edges.clear();
    }

    fn len(&self) -> usize {
        self.totals.len()
    }
}

impl<'a> Beam<'a> {
    pub fn new(num_vertices: usize, edges: &'a [(usize, usize)], pairs: &'a Pairs) -> Self {
        let mut rng = Rng::new(0);
        Self {
            num_vertices,
            edges,
            pairs,
            names: (0..num_vertices * num_vertices).map(|_| rng.next_u64()).collect(),
            layer: Layer::default(),
            next: Layer::default(),
            totals: Vec::new(),
            histogram: Vec::new(),
            candidates: Vec::new(),
            seen: Default::default(),
            history: Vec::new(),
        }
    }

    /// The edges, at most `most`, whose swaps bring `tokens` home, if the beam finds them.
    ///
    /// # Errors
    /// Only what `poll` fails with.
    pub fn search(
        &mut self,
        tokens: &[u8],
        width: usize,
        most: usize,
        poll: Poll<'_>,
    ) -> Result<Option<Vec<usize>>> {
        self.begin(tokens, width);
        if self.layer.totals[0] == 0 {
            return Ok(Some(Vec::new()));
        }
        for _ in 0..most {
            poll()?;
            self.weigh();
            if let Some(child) = self.totals.iter().position(|&total| total == 0) {
                return Ok(Some(self.path(child)));
            }
            self.choose(width);
            if self.next.len() == 0 {
                break;
            }
            std::mem::swap(&mut self.layer, &mut self.next);
            self.seen.rotate_left(1);
        }
        Ok(None)
    }

    fn begin(&mut self, tokens: &[u8], width: usize) {
        let n = self.num_vertices;
        let layer = &mut self.layer;
        layer.clear();
        layer.tokens.extend_from_slice(tokens);
        layer.sums.extend_from_slice(self.pairs.alone());
        let mut name = 0;
        for (vertex, &token) in tokens.iter().enumerate() {
            let excesses = self.pairs.with(vertex, token.into());
            layer
                .sums
                .iter_mut()
                .zip(excesses)
                .for_each(|(sum, &excess)| *sum += i16::from(excess));
            name ^= self.names[vertex * n + usize::from(token)];
        }
        layer.totals.push(self.pairs.total(tokens));
        layer.names.push(name);
        layer.edges.push(NONE);
        self.history.clear();
        self.seen.iter_mut().for_each(|names| names.clear(width));
        self.seen[1].insert(name);
    }

    /// What every swap of the layer leads to.
    fn weigh(&mut self) {
        let n = self.num_vertices;
        let Self { layer, totals, .. } = self;
        totals.clear();
        let placements = layer.tokens.chunks_exact(n).zip(layer.sums.chunks_exact(n * n));
        for (i, (tokens, sums)) in placements.enumerate() {
            let first = totals.len();
            totals.extend(self.edges.iter().map(|&(x, y)| {
                let (a, b) = (usize::from(tokens[x]), usize::from(tokens[y]));
                let alone = i32::from(sums[y * n + a]) - i32::from(sums[x * n + a])
                    + i32::from(sums[x * n + b])
                    - i32::from(sums[y * n + b]);
                // Their own pair is in the sums of both where they are, not where they go.
                let before = self.pairs.with(x, a)[y * n + b];
                let after = self.pairs.with(x, b)[y * n + a];
                layer.totals[i] + alone + i32::from(before) + i32::from(after)
            }));
            // Back to where it came from.
            if layer.edges[i] != NONE {
                totals[first + usize::from(layer.edges[i])] = IMPOSSIBLE;
            }
        }
    }

    /// Makes the best children, as many as are distinct and new, at most `width`.
    fn choose(&mut self, width: usize) {
        self.next.clear();
        self.seen[2].clear(width);
        self.history.push(Vec::with_capacity(width));
        let least = self.totals.iter().copied().min().unwrap_or(IMPOSSIBLE);
        self.count(least);
        // Those that cost from `low` on, and less than `high`.
        let (mut low, mut high) = (0, 0);
        while self.next.len() < width && high < self.histogram.len() {
            let mut open = 0;
            while high < self.histogram.len() && open < width - self.next.len() {
                open += self.histogram[high] as usize;
                high += 1;
            }
            self.gather(least + low as i32..least + high as i32);
            for i in 0..self.candidates.len() {
                if self.next.len() == width {
                    break;
                }
                self.make(self.candidates[i]);
            }
            low = high;
        }
    }

    fn count(&mut self, least: i32) {
        self.histogram.clear();
        for &total in self.totals.iter().filter(|&&total| total != IMPOSSIBLE) {
            let cost = (total - least) as usize;
            if cost >= self.histogram.len() {
                self.histogram.resize(cost + 1, 0);
            }
            self.histogram[cost] += 1;
        }
    }

    /// The children of these costs, sorted.
    fn gather(&mut self, costs: Range<i32>) {
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.clear();
        for (parent, totals) in self.totals.chunks_exact(self.edges.len()).enumerate() {
            for (edge, &total) in
                totals.iter().enumerate().filter(|(_, total)| costs.contains(total))
            {
                let name = self.name(parent, edge);
                candidates.push(Candidate::new(total - costs.start, name, parent, edge));
            }
        }
        candidates.sort_unstable();
        self.candidates = candidates;
    }

    #[inline]
    fn name(&self, parent: usize, edge: usize) -> u64 {
        let n = self.num_vertices;
        let (x, y) = self.edges[edge];
        let tokens = &self.layer.tokens[parent * n..][..n];
        let (a, b) = (usize::from(tokens[x]), usize::from(tokens[y]));
        let of = |vertex: usize, token: usize| self.names[vertex * n + token];
        self.layer.names[parent] ^ of(x, a) ^ of(y, b) ^ of(x, b) ^ of(y, a)
    }

    /// Appends a child to the next layer, if it is new.
    fn make(&mut self, child: Candidate) {
        let (parent, edge) = (child.parent(), child.edge());
        let name = self.name(parent, edge);
        if self.seen[0].contains(name) || !self.seen[2].insert(name) {
            return;
        }
        let (n, num_edges) = (self.num_vertices, self.edges.len());
        let (x, y) = self.edges[edge];
        let Self { layer, next, pairs, history, .. } = self;
        let first = next.tokens.len();
        next.tokens.extend_from_slice(&layer.tokens[parent * n..][..n]);
        let tokens = &mut next.tokens[first..];
        let (a, b) = (usize::from(tokens[x]), usize::from(tokens[y]));
        tokens.swap(x, y);
        let new = pairs.with(x, b).iter().zip(pairs.with(y, a));
        let old = pairs.with(x, a).iter().zip(pairs.with(y, b));
        let sums = &layer.sums[parent * n * n..][..n * n];
        next.sums.extend(sums.iter().zip(new.zip(old)).map(|(&sum, ((xb, ya), (xa, yb)))| {
            sum + i16::from(xb.wrapping_sub(*yb).wrapping_add(ya.wrapping_sub(*xa)) as i8)
        }));
        next.totals.push(self.totals[parent * num_edges + edge]);
        next.names.push(name);
        next.edges.push(edge as u16);
        if let Some(steps) = history.last_mut() {
            steps.push((parent as u32, edge as u16));
        }
    }

    /// The edges that lead to a child of the layer.
    fn path(&self, child: usize) -> Vec<usize> {
        let mut path = vec![child % self.edges.len()];
        let mut at = child / self.edges.len();
        for steps in self.history.iter().rev() {
            let (parent, edge) = steps[at];
            path.push(usize::from(edge));
            at = parent as usize;
        }
        path.reverse();
        path
    }
}

/// A child by rank: 12 bits of what it costs more than others, 12 by chance, then its parent's 24 and its
/// edge's 16.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate(u64);

impl Candidate {
    fn new(cost: i32, name: u64, parent: usize, edge: usize) -> Self {
        let rank = (cost.min(0xFFF) as u64) << 12 | name & 0xFFF;
        Self(rank << 40 | (parent as u64) << 16 | edge as u64)
    }

    fn parent(self) -> usize {
        (self.0 >> 16 & 0xFF_FFFF) as usize
    }

    fn edge(self) -> usize {
        (self.0 & 0xFFFF) as usize
    }
}

/// A set of names, none of which is 0; there is room for twice as many as are meant to come.
#[derive(Default)]
struct Names(Vec<u64>);

impl Names {
    fn clear(&mut self, width: usize) {
        self.0.clear();
        self.0.resize((2 * width + 2).next_power_of_two(), 0);
    }

    /// Where `name` is, or belongs.
    #[inline]
    fn slot(&self, name: u64) -> usize {
        let mask = self.0.len() - 1;
        let mut slot = (name >> 20) as usize & mask;
        while self.0[slot] != 0 && self.0[slot] != name {
            slot = (slot + 1) & mask;
        }
        slot
    }

    #[inline]
    fn contains(&self, name: u64) -> bool {
        self.0[self.slot(name)] == name
    }

    /// False if it was there.
    #[inline]
    fn insert(&mut self, name: u64) -> bool {
        let slot = self.slot(name);
        let is_new = self.0[slot] != name;
        self.0[slot] = name;
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hexagon with a tail.
    const EDGES: [(usize, usize); 8] =
        [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 5), (5, 6), (6, 7)];

    #[test]
    fn what_swaps_cost_is_what_their_placements_do() {
        let poll = &mut || Ok(());
        let pairs = Pairs::new(8, &EDGES, poll).unwrap();
        let mut beam = Beam::new(8, &EDGES, &pairs);
        beam.begin(&[7, 3, 6, 1, 0, 2, 5, 4], 400);
        let mut before = Vec::new();
        for depth in 0..6 {
            beam.weigh();
            beam.choose(400);
            assert!(beam.next.len() <= 400 && (depth < 4 || beam.next.len() == 400));
            let placements: Vec<&[u8]> = beam.next.tokens.chunks_exact(8).collect();
            for (i, tokens) in placements.iter().enumerate() {
                assert_eq!(beam.next.totals[i], pairs.total(tokens));
                assert!(!placements[..i].contains(tokens) && !before.contains(&tokens.to_vec()));
            }
            before = beam.layer.tokens.chunks_exact(8).map(<[u8]>::to_vec).collect();
            assert!(beam.next.totals.is_sorted());
            std::mem::swap(&mut beam.layer, &mut beam.next);
            beam.seen.rotate_left(1);
        }
    }
}

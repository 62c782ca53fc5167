//! What is in the way of tokens on a graph, told from two of them at a time.
//!
//! Were two tokens alone, a step of one along an edge would cost 1 and an exchange of the two
//! `2 + CROSSING`. What the least cost of bringing both home exceeds their distances from it by is
//! that the two have to pass each other, or to make room. Those excesses of all pairs, and `STEP` for each step
//! of each token's distance, say how far a placement is from the goal.

use crate::engine::pool::Poll;
use crate::error::Result;

/// Of two tokens that change places, besides their steps.
const CROSSING: usize = 4;
/// What a step towards home is worth in excesses: the best of 4 to 8 on heavy-hexagonal graphs.
const STEP: usize = 6;
const MOST_EXCESS: usize = 63;

/// What tokens cost by themselves, and what two of them cost besides.
#[derive(Debug)]
pub struct Pairs {
    num_vertices: usize,
    /// `[vertex, token]`
    alone: Vec<i16>,
    /// `[vertex, token, vertex, token]`; 0 where vertices or tokens are the same.
    excesses: Vec<u8>,
}

impl Pairs {
    /// On a connected graph of `num_vertices` and `edges`.
    ///
    /// # Errors
    /// Only what `poll` fails with.
    pub fn new(num_vertices: usize, edges: &[(usize, usize)], poll: Poll<'_>) -> Result<Self> {
        let n = num_vertices;
        let mut search = Search::new(n, edges);
        let distances = search.distances();
        let mut excesses = vec![0; n.pow(4)];
        for (home, other) in (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b))) {
            poll()?;
            search.run(home, other);
            for (place, &cost) in search.costs.iter().enumerate() {
                let (at, its) = (place / n, place % n);
                if at != its {
                    let direct = distances[at * n + home] + distances[its * n + other];
                    let excess = (usize::from(cost) - direct).min(MOST_EXCESS) as u8;
                    excesses[(at * n + home) * n * n + its * n + other] = excess;
                    excesses[(its * n + other) * n * n + at * n + home] = excess;
                }
            }
        }
        let alone = distances.into_iter().map(|steps| (STEP * steps) as i16).collect();
        Ok(Self { num_vertices, alone, excesses })
    }

    /// What each token costs by itself on each vertex `[vertex, token]`.
    pub fn alone(&self) -> &[i16] {
        &self.alone
    }

    /// What all others cost besides `[vertex, token]` with `token` at `vertex`.
    #[inline]
    pub fn with(&self, vertex: usize, token: usize) -> &[u8] {
        let size = self.num_vertices * self.num_vertices;
        &self.excesses[(vertex * self.num_vertices + token) * size..][..size]
    }

    /// What `tokens` cost together.
    pub fn total(&self, tokens: &[u8]) -> i32 {
        let n = self.num_vertices;
        let mut total = 0;
        for (vertex, &token) in tokens.iter().enumerate() {
            let token = usize::from(token);
            total += i32::from(self.alone[vertex * n + token]);
            let excesses = self.with(vertex, token);
            let before = tokens[..vertex].iter().enumerate();
            let excess = |(at, &its): (usize, &u8)| i32::from(excesses[at * n + usize::from(its)]);
            total += before.map(excess).sum::<i32>();
        }
        total
    }
}

/// Least costs from all pairs of vertices to one (Dial 1969).
struct Search {
    num_vertices: usize,
    neighbours: Vec<Vec<usize>>,
    /// `[vertex, vertex]`
    costs: Vec<u16>,
    /// Pairs to be looked at, by cost modulo their number.
    waiting: Vec<Vec<(usize, usize)>>,
    num_waiting: usize,
}

impl Search {
    fn new(num_vertices: usize, edges: &[(usize, usize)]) -> Self {
        let mut neighbours = vec![Vec::new(); num_vertices];
        for &(a, b) in edges {
            neighbours[a].push(b);
            neighbours[b].push(a);
        }
        let costs = vec![0; num_vertices * num_vertices];
        Self {
            num_vertices,
            neighbours,
            costs,
            waiting: vec![Vec::new(); CROSSING + 3],
            num_waiting: 0,
        }
    }

    /// Edges between each two vertices `[vertex, vertex]`.
    fn distances(&self) -> Vec<usize> {
        let n = self.num_vertices;
        let mut distances = vec![0; n * n];
        for from in 0..n {
            let mut reached = vec![from];
            let mut is_known = vec![false; n];
            is_known[from] = true;
            let mut next = 0;
            while let Some(&vertex) = reached.get(next) {
                for &to in &self.neighbours[vertex] {
                    if !std::mem::replace(&mut is_known[to], true) {
                        distances[from * n + to] = distances[from * n + vertex] + 1;
                        reached.push(to);
                    }
                }
                next += 1;
            }
        }
        distances
    }

    fn run(&mut self, home: usize, other: usize) {
        self.costs.fill(u16::MAX);
        self.reach(home, other, 0);
        let mut cost = 0;
        while self.num_waiting > 0 {
            let bucket = cost % self.waiting.len();
            while let Some((a, b)) = self.waiting[bucket].pop() {
                self.num_waiting -= 1;
                if usize::from(self.costs[a * self.num_vertices + b]) == cost {
                    self.leave(a, b, cost);
                }
            }
            cost += 1;
        }
    }

    /// Reaches what is next to tokens at `a` and `b`.
    fn leave(&mut self, a: usize, b: usize, cost: usize) {
        for i in 0..self.neighbours[a].len() {
            match self.neighbours[a][i] {
                next if next == b => self.reach(b, a, cost + 2 + CROSSING),
                next => self.reach(next, b, cost + 1),
            }
        }
        for i in 0..self.neighbours[b].len() {
            let next = self.neighbours[b][i];
            if next != a {
                self.reach(a, next, cost + 1);
            }
        }
    }

    fn reach(&mut self, a: usize, b: usize, cost: usize) {
        let known = &mut self.costs[a * self.num_vertices + b];
        if cost < usize::from(*known) {
            *known = cost as u16;
            let bucket = cost % self.waiting.len();
            self.waiting[bucket].push((a, b));
            self.num_waiting += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_in_the_way_where_they_have_to_pass() {
        // A line of four with a branch in the middle: 0 - 1 - 2 - 3, 1 - 4.
        let pairs = Pairs::new(5, &[(0, 1), (1, 2), (2, 3), (1, 4)], &mut || Ok(())).unwrap();
        let excess = |a: [usize; 2], b: [usize; 2]| {
            let both =
                [pairs.with(a[0], a[1])[b[0] * 5 + b[1]], pairs.with(b[0], b[1])[a[0] * 5 + a[1]]];
            assert_eq!(both[0], both[1]);
            usize::from(both[0])
        };
        // [from, to] of two tokens: neither is in the other's way, also not one behind the other.
        assert_eq!(excess([0, 1], [3, 2]), 0);
        assert_eq!(excess([0, 2], [1, 3]), 0);
        // They pass each other: one steps aside and back.
        assert_eq!(excess([0, 2], [2, 0]), 2);
        // Where the branch is too far they change places.
        assert_eq!(excess([2, 3], [3, 2]), CROSSING);
        // One is at home in the way of the other, and comes back.
        assert_eq!(excess([1, 1], [0, 2]), 2);
        assert_eq!(pairs.total(&[0, 1, 2, 3, 4]), 0);
        assert_eq!(pairs.total(&[0, 1, 3, 2, 4]), (2 * STEP + CROSSING) as i32);
    }
}

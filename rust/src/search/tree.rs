//! The trees of all games in one arena, sized once.

use super::returns::ReturnRange;
use super::transpositions::Transpositions;

/// An edge that no simulation has taken.
pub(super) const UNBORN: u32 = u32::MAX;
/// An edge that the masks forbid.
pub(super) const ILLEGAL: u32 = u32::MAX - 1;

/// A state of a tree as [`explore`](super::explore) shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExploredState {
    /// Where it was reached from, and by which action; the root is its own parent.
    pub parent: usize,
    pub action: usize,
    /// The policy's probability of that action.
    pub prior: f32,
    pub visits: u32,
    /// Mean of the returns from here on, its own reward included.
    pub value: f32,
}

/// A state of a tree. Its index is also the slot of the environment that is in this state.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Node {
    /// Simulations that ended here or went on from here, its own evaluation included.
    pub visits: u32,
    /// Mean of the returns from here on.
    pub mean: f32,
    /// What the policy says of it, or of a final state what it is worth.
    pub value: f32,
    /// Reward of being in it.
    pub reward: f32,
    /// Names what is seen of the state, where a later search may begin from it.
    pub key: u64,
    pub is_final: bool,
    pub success: bool,
}

impl Node {
    #[inline]
    fn include(&mut self, value: f32) {
        self.visits += 1;
        self.mean += (value - self.mean) / self.visits as f32;
    }
}

/// An action of a state; four of them fill a cache line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    /// The policy's probability; 0 where masked.
    pub prior: f32,
    pub visits: u32,
    /// Mean of the returns from the state it leads to.
    pub value: f32,
    /// The node it leads to, [`UNBORN`] or [`ILLEGAL`].
    pub child: u32,
}

const NO_EDGE: Edge = Edge { prior: 0.0, visits: 0, value: 0.0, child: ILLEGAL };

/// An edge on the way down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub node: u32,
    pub action: u32,
}

/// The trees of `G` games. Node `g < G` is the root of game `g`, the others come from the game's
/// own supply, so that a game never takes another's memory.
pub(super) struct Forest {
    pub nodes: Vec<Node>,
    edges: Vec<Edge>,
    num_actions: usize,
    nodes_per_game: usize,
    /// Unused nodes of each game.
    supply: Vec<Vec<u32>>,
    /// What [`Forest::reroot`] walks through.
    pending: Vec<u32>,
    /// Where ways that meet lead to one node.
    shared: Option<Transpositions>,
}

impl Forest {
    pub fn new(num_games: usize, nodes_per_game: usize, num_actions: usize, shares: bool) -> Self {
        let num_nodes = num_games * (1 + nodes_per_game);
        let supply = |game: usize| {
            let first = (num_games + game * nodes_per_game) as u32;
            (first..first + nodes_per_game as u32).rev().collect()
        };
        Self {
            nodes: vec![Node::default(); num_nodes],
            edges: vec![NO_EDGE; num_nodes * num_actions],
            num_actions,
            nodes_per_game,
            supply: (0..num_games).map(supply).collect(),
            pending: Vec::with_capacity(nodes_per_game),
            shared: shares.then(|| Transpositions::new(num_nodes)),
        }
    }

    #[inline]
    pub fn edges(&self, node: u32) -> &[Edge] {
        &self.edges[node as usize * self.num_actions..][..self.num_actions]
    }

    #[inline]
    pub fn edges_mut(&mut self, node: u32) -> &mut [Edge] {
        &mut self.edges[node as usize * self.num_actions..][..self.num_actions]
    }

    /// Nodes of a game, its root aside.
    pub fn nodes_per_game(&self) -> usize {
        self.nodes_per_game
    }

    /// How many nodes [`Forest::take`] still has for `game`.
    #[inline]
    pub fn left(&self, game: usize) -> usize {
        self.supply[game].len()
    }

    /// A node of `game` that no state is in. Its supply covers all simulations of a move.
    #[inline]
    pub fn take(&mut self, game: usize) -> u32 {
        self.supply[game].pop().expect("a game's nodes cover all its simulations")
    }

    /// Whether a state has one node, whichever way leads to it.
    #[inline]
    pub fn shares(&self) -> bool {
        self.shared.is_some()
    }

    /// The node of the state `key`.
    #[inline]
    pub fn find(&self, key: u128) -> Option<u32> {
        self.shared.as_ref().and_then(|shared| shared.find(key))
    }

    /// Makes `node` that of the state `key`, which has none.
    #[inline]
    pub fn enter(&mut self, key: u128, node: u32) {
        if let Some(shared) = &mut self.shared {
            shared.insert(key, node);
        }
    }

    /// Makes the edge of `step` lead to `known`, and returns the node that it led to, whose state
    /// it is, to the supply of `game`.
    pub fn join(&mut self, game: usize, Step { node, action }: Step, known: u32) {
        let edge = &mut self.edges_mut(node)[action as usize];
        let twin = std::mem::replace(&mut edge.child, known);
        self.supply[game].push(twin);
    }

    /// Gives the edges of `node` their priors and forgets what they led to.
    #[inline]
    pub fn expand(&mut self, node: u32, priors: &[f32], mask: &[bool]) {
        for ((edge, &prior), &legal) in self.edges_mut(node).iter_mut().zip(priors).zip(mask) {
            let child = if legal { UNBORN } else { ILLEGAL };
            *edge = Edge { prior, visits: 0, value: 0.0, child };
        }
    }

    /// Says that nothing follows `node`.
    pub fn close(&mut self, node: u32) {
        self.edges_mut(node).fill(NO_EDGE);
    }

    /// Adds the return that the last node of `path` is worth to all that led to it.
    ///
    /// A return is `r_t + gamma * r_{t+1} + ...`, where `r_t` belongs to being in state `t`.
    #[inline]
    pub fn back_up(&mut self, path: &[Step], last: u32, gamma: f32, range: &mut ReturnRange) {
        let value = self.nodes[last as usize].value;
        self.nodes[last as usize].include(value);
        if self.shares() {
            let Node { mean, visits, .. } = self.nodes[last as usize];
            self.raise(path, (mean, visits), value, gamma, range);
        } else {
            self.raise_in_tree(path, value, gamma, range);
        }
    }

    /// What [`Forest::raise`] comes to where an edge is the only one to its state, in fewer steps.
    #[inline]
    fn raise_in_tree(
        &mut self,
        path: &[Step],
        mut value: f32,
        gamma: f32,
        range: &mut ReturnRange,
    ) {
        for &Step { node, action } in path.iter().rev() {
            range.include(value);
            let edge = &mut self.edges[node as usize * self.num_actions + action as usize];
            edge.visits += 1;
            edge.value += (value - edge.value) / edge.visits as f32;
            let node = &mut self.nodes[node as usize];
            value = node.reward + gamma * value;
            node.include(value);
        }
    }

    /// Tells all that `path` led through what other ways have found at its end, `last`, since the last
    /// edge was taken.
    #[inline]
    pub fn catch_up(&mut self, path: &[Step], last: u32, gamma: f32, range: &mut ReturnRange) {
        let mean = self.nodes[last as usize].mean;
        self.raise(path, (mean, u32::MAX), mean, gamma, range);
    }

    /// Counts a simulation on every edge of `path`. The state that it ends in has the mean and the visits
    /// `below`, and is worth `seen` to this simulation.
    ///
    /// An edge's value is the mean of the state that it leads to. Where other ways lead there too,
    /// it changes by more than this simulation found, and what goes on up is by how much the sum of
    /// the edge's returns changes: a node's mean stays that over its edges by their visits (Czech et al.
    /// 2021, algorithm 1).
    #[inline]
    fn raise(
        &mut self,
        path: &[Step],
        below: (f32, u32),
        mut seen: f32,
        gamma: f32,
        range: &mut ReturnRange,
    ) {
        let (mut mean, mut visits) = below;
        let mut change = seen;
        for &Step { node, action } in path.iter().rev() {
            range.include(seen);
            let edge = &mut self.edges[node as usize * self.num_actions + action as usize];
            if visits != edge.visits + 1 {
                change = mean + edge.visits as f32 * (mean - edge.value);
            }
            edge.visits += 1;
            edge.value = mean;
            let node = &mut self.nodes[node as usize];
            seen = node.reward + gamma * seen;
            change = node.reward + gamma * change;
            node.include(change);
            (mean, visits) = (node.mean, node.visits);
        }
    }

    /// Returns every node below `root` to the supply of `game`.
    pub fn clear(&mut self, game: usize, root: u32) {
        self.release_below(game, root, UNBORN);
        self.close(root);
    }

    /// Makes the tree below `child`, a child of `root`, the tree of `root`; returns all other
    /// nodes to the supply of `game`.
    pub fn reroot(&mut self, game: usize, root: u32, child: u32) {
        self.release_below(game, root, child);
        self.nodes[root as usize] = self.nodes[child as usize];
        let first = child as usize * self.num_actions;
        let to = root as usize * self.num_actions;
        self.edges.copy_within(first..first + self.num_actions, to);
        self.supply[game].push(child);
        if let Some(shared) = &mut self.shared {
            shared.remove(child);
        }
    }

    /// Returns what is below `root` but neither `kept` nor below it.
    fn release_below(&mut self, game: usize, root: u32, kept: u32) {
        let Self { edges, num_actions, supply, pending, shared, .. } = self;
        let born = |node: u32| {
            edges[node as usize * *num_actions..][..*num_actions]
                .iter()
                .map(|edge| edge.child)
                .filter(|&child| child < ILLEGAL)
        };
        let supply = &mut supply[game];
        let before = supply.len();
        pending.clear();
        if let Some(shared) = shared {
            shared.begin_walk();
            pending.extend(Some(kept).filter(|&kept| kept < ILLEGAL && shared.is_new(kept)));
            while let Some(node) = pending.pop() {
                pending.extend(born(node).filter(|&child| shared.is_new(child)));
            }
        }
        let mut is_released = |child: u32| match shared {
            Some(shared) => shared.is_new(child),
            None => child != kept,
        };
        pending.extend(born(root).filter(|&child| is_released(child)));
        while let Some(node) = pending.pop() {
            supply.push(node);
            pending.extend(born(node).filter(|&child| is_released(child)));
        }
        if let Some(shared) = shared {
            supply[before..].iter().for_each(|&node| shared.remove(node));
        }
    }

    /// What the trees take.
    pub fn memory_bytes(&self) -> usize {
        let supply: usize = self.supply.iter().map(Vec::capacity).sum();
        let shared = self.shared.as_ref().map_or(0, Transpositions::memory_bytes);
        shared
            + self.nodes.capacity() * size_of::<Node>()
            + self.edges.capacity() * size_of::<Edge>()
            + (supply + self.pending.capacity()) * size_of::<u32>()
    }
}

//! The trees of all games in one arena, sized once.

use super::returns::ReturnRange;

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
    /// Unused nodes of each game.
    supply: Vec<Vec<u32>>,
    /// What [`Forest::reroot`] walks through.
    pending: Vec<u32>,
}

impl Forest {
    pub fn new(num_games: usize, nodes_per_game: usize, num_actions: usize) -> Self {
        let num_nodes = num_games * (1 + nodes_per_game);
        let supply = |game: usize| {
            let first = (num_games + game * nodes_per_game) as u32;
            (first..first + nodes_per_game as u32).rev().collect()
        };
        Self {
            nodes: vec![Node::default(); num_nodes],
            edges: vec![NO_EDGE; num_nodes * num_actions],
            num_actions,
            supply: (0..num_games).map(supply).collect(),
            pending: Vec::with_capacity(nodes_per_game),
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
        let mut value = self.nodes[last as usize].value;
        self.nodes[last as usize].include(value);
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
    }

    /// Returns what is below `root` but not below `kept`, `kept` itself excepted.
    fn release_below(&mut self, game: usize, root: u32, kept: u32) {
        let Self { edges, num_actions, supply, pending, .. } = self;
        let born = |node: u32| {
            edges[node as usize * *num_actions..][..*num_actions]
                .iter()
                .map(|edge| edge.child)
                .filter(|&child| child < ILLEGAL)
        };
        pending.clear();
        pending.extend(born(root).filter(|&child| child != kept));
        while let Some(node) = pending.pop() {
            supply[game].push(node);
            pending.extend(born(node));
        }
    }

    /// What the trees take.
    pub fn memory_bytes(&self) -> usize {
        let supply: usize = self.supply.iter().map(Vec::capacity).sum();
        self.nodes.capacity() * size_of::<Node>()
            + self.edges.capacity() * size_of::<Edge>()
            + (supply + self.pending.capacity()) * size_of::<u32>()
    }
}

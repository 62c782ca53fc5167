//! The loop that plays by searching: every game runs one simulation a wave, and all leaves of the
//! wave are one batch of the network.

mod decide;
mod grow;

use std::collections::HashSet;
use std::sync::{Arc, RwLock};

use super::config::{Budget, SelfPlay, TreeConfig, Truncation};
use super::gumbel;
use super::returns::ReturnRange;
use super::tree::{ExploredState, Forest, Step, ILLEGAL};

use crate::engine::cache::Cache;
use crate::engine::capped::{Capped, Children};
use crate::engine::evaluator::Evaluator;
use crate::engine::lockstep::{advance, check_views, Episodes};
use crate::engine::pool::Poll;
use crate::engine::rules::{Choice, PlayRules};
use crate::error::Result;
use crate::exact::goal_table::GoalTable;
use crate::nn::Policy;
use crate::rl::env::{Env, Status};
use crate::rl::vec_env::{LaneMove, Move, VecEnv, Views};
use crate::rng::Rng;
use crate::spaces::Acts;

/// Most states that all games of a worker hold, roots aside, unless one game holds more.
const MOST_NODES: usize = 1 << 18;
/// More states than a game reaches in a second, with every output in the cache.
const NODES_PER_SECOND: f64 = (1 << 23) as f64;

/// How games are played by searching.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SearchRules {
    pub tree: TreeConfig,
    pub self_play: SelfPlay,
    /// How a root's visits become an action.
    pub choice: Choice,
    /// Play the way to the best solved state that a search has met, as long as it leads where the
    /// tree says, instead of searching on.
    pub follow_plans: bool,
    /// Evaluate each distinct observation once.
    pub cache: bool,
    /// What an episode may use: no more memory is made ready. `Episodes::stops` tells when it is
    /// spent.
    pub budget: Budget,
}

impl SearchRules {
    /// Whether chance has a say in move `number` of an episode.
    fn draws(&self, number: usize) -> bool {
        self.choice == Choice::Sample
            && self.self_play.temperature_moves.is_none_or(|moves| number < moves)
    }

    /// Whether a move may lead to what the tree expected, and go on from there.
    fn remembers(&self) -> bool {
        self.follow_plans || self.tree.reuse
    }
}

/// What a game is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The state an episode begins in.
    Start,
    /// The state that the action played leads to, which the tree may know at this node.
    Moved { child: u32 },
    /// This new node; so many more states belong to the same simulation.
    Leaf { node: u32, left: usize },
    /// Nothing: its root is known.
    Search,
}

struct Game {
    phase: Phase,
    /// What was seen of the root.
    row: Vec<i32>,
    mask: Vec<bool>,
    twist: i32,
    status: Status,
    /// Moves made.
    moves: usize,
    path: Vec<Step>,
    range: ReturnRange,
    /// Simulations that this move's search has still to make.
    simulations: usize,
    gumbel: gumbel::Root,
    /// States given to the policy that have not been reported.
    nodes: u64,
    /// Actions to the best solved state that the search has met, the last first.
    plan: Vec<u32>,
    /// Sum of the rewards on that way.
    plan_reward: f32,
    /// The plan is played instead of searching.
    follows_plan: bool,
}

/// Games that a worker plays side by side, and all the memory it takes.
pub(crate) struct Forester<'a> {
    policy: &'a dyn Policy,
    rules: SearchRules,
    games: Vec<Game>,
    forest: Forest,
    /// What the policy remembers after each node `[nodes, S]`.
    states: Vec<f32>,
    /// Simulations run.
    pub(crate) simulations: u64,
    /// States from which the way to the goal is known: a search that meets one ends.
    pub(crate) table: Option<Arc<GoalTable>>,
    rngs: Vec<Rng>,
    network: PlayRules,
    cache: &'a RwLock<Cache>,
    evaluator: Evaluator,
    views: Views,
    /// With transpositions: what names the state of each view, and the node that its game has for it.
    keys: Vec<u128>,
    met: Vec<Option<u32>>,
    priors: Vec<f32>,
    noise: Vec<f32>,
    target: Vec<f32>,
}

/// How many of `wanted` games a worker plays side by side within its memory.
fn num_games(per_game: usize, wanted: usize) -> usize {
    (MOST_NODES / per_game).clamp(1, wanted.max(1))
}

/// States below a root, at most: what simulations, nodes and time allow.
fn nodes_per_game(config: &TreeConfig, budget: Budget, num_actions: usize) -> usize {
    let mut most = config.num_nodes();
    if let Some(nodes) = budget.nodes {
        // The last simulation may go beyond the budget, and final states are not given to the
        // policy, but each is the child of a state that is.
        let nodes = usize::try_from(nodes).unwrap_or(usize::MAX);
        let given = nodes.saturating_add(config.max_expand_depth);
        most = most.min(given.saturating_mul(num_actions));
    }
    if let Some(time) = budget.time {
        let reached = (time.as_secs_f64() * NODES_PER_SECOND) as usize;
        most = most.min(reached.max(config.max_expand_depth));
    }
    most
}

impl<'a> Forester<'a> {
    pub(crate) fn new(
        policy: &'a dyn Policy,
        rules: SearchRules,
        cache: &'a RwLock<Cache>,
        wanted: usize,
    ) -> Self {
        let num_actions = policy.num_actions();
        let per_game = nodes_per_game(&rules.tree, rules.budget, num_actions);
        let num_games = num_games(per_game, wanted);
        let game = |_| Game {
            phase: Phase::Start,
            row: Vec::new(),
            mask: vec![false; num_actions],
            twist: -1,
            status: Status::default(),
            moves: 0,
            path: Vec::with_capacity(per_game),
            range: ReturnRange::default(),
            simulations: 0,
            gumbel: gumbel::Root::new(num_actions),
            nodes: 0,
            plan: Vec::new(),
            plan_reward: f32::NEG_INFINITY,
            follows_plan: false,
        };
        let forest = Forest::new(num_games, per_game, num_actions, rules.tree.transpositions);
        let evaluate_final = rules.tree.truncation == Truncation::Bootstrap;
        let network = PlayRules { choice: rules.choice, cache: rules.cache, evaluate_final };
        Self {
            policy,
            rules,
            games: (0..num_games).map(game).collect(),
            states: vec![0.0; forest.nodes.len() * policy.state_size()],
            forest,
            simulations: 0,
            table: None,
            rngs: vec![Rng::new(0); num_games],
            network,
            cache,
            evaluator: Evaluator::default(),
            views: Views::default(),
            keys: Vec::with_capacity(num_games),
            met: Vec::with_capacity(num_games),
            priors: vec![0.0; num_actions],
            noise: Vec::with_capacity(num_actions),
            target: vec![0.0; num_actions],
        }
    }

    /// The tree of `game`, breadth first; a state that several ways lead to stands at the first.
    pub(super) fn tree(&self, game: usize) -> Vec<ExploredState> {
        let mut order = vec![game as u32];
        let mut listed = HashSet::new();
        let mut tree =
            vec![ExploredState { parent: 0, action: 0, prior: 1.0, visits: 0, value: 0.0 }];
        let mut parent = 0;
        while parent < order.len() {
            let node = self.forest.nodes[order[parent] as usize];
            (tree[parent].visits, tree[parent].value) = (node.visits, node.mean);
            let edges = self.forest.edges(order[parent]);
            for (action, edge) in edges.iter().enumerate() {
                if edge.child >= ILLEGAL || !listed.insert(edge.child) {
                    continue;
                }
                order.push(edge.child);
                tree.push(ExploredState {
                    parent,
                    action,
                    prior: edge.prior,
                    visits: 0,
                    value: 0.0,
                });
            }
            parent += 1;
        }
        tree
    }

    /// What the trees take.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.forest.memory_bytes() + self.states.capacity() * size_of::<f32>()
    }

    /// Slots for all states: game `g` is played in slot `g`.
    pub(crate) fn slots(&self, env: &dyn Env, max_episode_steps: Option<u32>) -> Result<Capped> {
        Capped::nodes(env, self.forest.nodes.len(), Children::Seen, max_episode_steps)
    }
}

/// Plays until `episodes` has no more; each game draws only from its own stream.
pub(crate) fn play(
    forester: &mut Forester<'_>,
    envs: &mut dyn VecEnv,
    episodes: &mut impl Episodes,
    poll: Poll<'_>,
) -> Result<()> {
    let num_games = forester.games.len();
    let mut moves = Vec::with_capacity(num_games);
    // Whose move each is, for the network: games draw twists, slots do not.
    let mut owners = Vec::with_capacity(num_games);
    let mut next_moves = Vec::with_capacity(num_games);
    let mut next_owners = Vec::with_capacity(num_games);
    let owner = |game: usize, made: Move| LaneMove { lane: game, made };
    for game in 0..num_games {
        if let Some(made) = episodes.start(game, envs, &mut forester.rngs[game], poll)? {
            moves.push(LaneMove { lane: game, made });
            owners.push(owner(game, made));
        }
    }
    let num_actions = forester.policy.num_actions();
    let none = Acts::default();
    while !moves.is_empty() {
        forester.views.clear();
        let most_difficulty = episodes.most_difficulty();
        let told = (&moves[..], &none);
        advance(envs, told, most_difficulty, &mut forester.rngs, &mut forester.views, poll)?;
        check_views(&forester.views, moves.len(), num_actions)?;
        forester.recall(&owners);
        forester.recognise(&owners);
        let Forester { policy, network, cache, evaluator, views, rngs, .. } = &mut *forester;
        evaluator.evaluate(*policy, *network, cache, (&owners, views), rngs)?;
        next_moves.clear();
        next_owners.clear();
        for (i, &LaneMove { lane: game, .. }) in owners.iter().enumerate() {
            forester.receive(game, i)?;
            if let Some(told) = forester.next(game, envs, episodes, poll)? {
                next_moves.push(told);
                next_owners.push(owner(game, told.made));
            }
        }
        std::mem::swap(&mut moves, &mut next_moves);
        std::mem::swap(&mut owners, &mut next_owners);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn memory_is_made_ready_for_the_smallest_limit() {
        let tree = TreeConfig { num_simulations: 1000, max_expand_depth: 2, ..Default::default() };
        let nodes = |nodes, time| nodes_per_game(&tree, Budget { nodes, time }, 4);
        assert_eq!(nodes(None, None), 2001);
        assert_eq!(nodes(Some(100), None), 408);
        assert_eq!(nodes(Some(u64::MAX), Some(Duration::MAX)), 2001);
        assert_eq!(nodes(Some(100), Some(Duration::from_micros(10))), 83);
        assert_eq!(nodes(None, Some(Duration::ZERO)), 2);
    }
}

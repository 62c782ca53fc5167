//! The loop that plays by searching: every game runs one simulation a wave, and all leaves of the
//! wave are one batch of the network.

use super::dirichlet;
use super::gumbel::{self, Halving};
use super::select::puct;
use super::tree::{Edge, Forest, Node, Step, ILLEGAL, UNBORN};
use super::{ExploredState, RootSelection, SelfPlay, TreeConfig, Truncation, Value};
use std::sync::RwLock;

use crate::engine::cache::{hash_row, Cache};
use crate::engine::evaluator::Evaluator;
use crate::engine::lockstep::{check_views, draw, Choice, Episodes, Rules, Visit};
use crate::engine::pool::Poll;
use crate::error::{Error, Result};
use crate::nn::{argmax, masked_softmax, Policy};
use crate::rl::env::{Env, Status};
use crate::rl::vec_env::{LaneMove, Move, VecEnv, Views};
use crate::rng::Rng;

/// Most states that all games of a worker hold, roots aside.
const MOST_NODES: usize = 1 << 18;

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
}

impl SearchRules {
    /// Whether chance has a say in move `number` of an episode.
    fn draws(&self, number: usize) -> bool {
        self.choice == Choice::Sample && number < self.self_play.temperature_moves
    }

    fn reuses(&self) -> bool {
        self.tree.reuse && self.tree.root_selection == RootSelection::Puct
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
    range: Value,
    /// Of the root's actions, `[A]`.
    gumbel: Vec<f32>,
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
    policy: &'a Policy,
    rules: SearchRules,
    games: Vec<Game>,
    forest: Forest,
    halving: Halving,
    /// Simulations run.
    pub(crate) simulations: u64,
    rngs: Vec<Rng>,
    network: Rules,
    cache: &'a RwLock<Cache>,
    evaluator: Evaluator,
    views: Views,
    priors: Vec<f32>,
    noise: Vec<f32>,
    target: Vec<f32>,
}

/// How many of `wanted` games a worker plays side by side within its memory.
fn num_games(config: &TreeConfig, wanted: usize) -> usize {
    (MOST_NODES / nodes_per_game(config)).clamp(1, wanted.max(1))
}

/// States below a root, at most: of `num_simulations + 1` visits the first may be the root's own,
/// or the one that reached a root kept from the last move, which then holds one of its states.
fn nodes_per_game(config: &TreeConfig) -> usize {
    let visits = config.num_simulations.saturating_add(1);
    visits.saturating_mul(config.max_expand_depth) - 1
}

impl<'a> Forester<'a> {
    pub(crate) fn new(
        policy: &'a Policy,
        rules: SearchRules,
        cache: &'a RwLock<Cache>,
        wanted: usize,
    ) -> Self {
        let num_actions = policy.num_actions();
        let num_games = num_games(&rules.tree, wanted);
        let per_game = nodes_per_game(&rules.tree);
        let game = |_| Game {
            phase: Phase::Start,
            row: Vec::new(),
            mask: vec![false; num_actions],
            twist: -1,
            status: Status::default(),
            moves: 0,
            path: Vec::with_capacity(per_game),
            range: Value::default(),
            gumbel: vec![0.0; num_actions],
            nodes: 0,
            plan: Vec::new(),
            plan_reward: f32::NEG_INFINITY,
            follows_plan: false,
        };
        let evaluate_final = rules.tree.truncation == Truncation::Bootstrap;
        let network = Rules { choice: rules.choice, cache: rules.cache, evaluate_final };
        Self {
            policy,
            rules,
            games: (0..num_games).map(game).collect(),
            forest: Forest::new(num_games, per_game, num_actions),
            halving: Halving::new(num_actions, &rules.tree),
            simulations: 0,
            rngs: vec![Rng::new(0); num_games],
            network,
            cache,
            evaluator: Evaluator::default(),
            views: Views::default(),
            priors: vec![0.0; num_actions],
            noise: Vec::with_capacity(num_actions),
            target: vec![0.0; num_actions],
        }
    }

    /// The tree of `game`, breadth first.
    pub(super) fn tree(&self, game: usize) -> Vec<ExploredState> {
        let mut order = vec![game as u32];
        let mut tree =
            vec![ExploredState { parent: 0, action: 0, prior: 1.0, visits: 0, value: 0.0 }];
        let mut parent = 0;
        while parent < order.len() {
            let node = self.forest.nodes[order[parent] as usize];
            (tree[parent].visits, tree[parent].value) = (node.visits, node.mean);
            let edges = self.forest.edges(order[parent]);
            for (action, edge) in edges.iter().enumerate().filter(|(_, edge)| edge.child < ILLEGAL)
            {
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
        self.forest.memory_bytes()
    }

    /// Slots for all states: game `g` is played in slot `g`.
    pub(crate) fn slots(&self, env: &dyn Env) -> Result<Box<dyn VecEnv>> {
        env.nodes(self.forest.nodes.len())
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
    let owner = |game: usize, action: Move| LaneMove { lane: game, action };
    for game in 0..num_games {
        if let Some(action) = episodes.start(game, envs, &mut forester.rngs[game])? {
            moves.push(LaneMove { lane: game, action });
            owners.push(owner(game, action));
        }
    }
    let num_actions = forester.policy.num_actions();
    while !moves.is_empty() {
        poll()?;
        forester.views.clear();
        envs.advance(&moves, &mut forester.rngs, &mut forester.views)?;
        check_views(&forester.views, moves.len(), num_actions)?;
        let Forester { policy, network, cache, evaluator, views, rngs, .. } = &mut *forester;
        evaluator.evaluate(policy, *network, cache, (&owners, views), rngs)?;
        next_moves.clear();
        next_owners.clear();
        for (i, &LaneMove { lane: game, .. }) in owners.iter().enumerate() {
            forester.receive(game, i)?;
            if let Some(told) = forester.next(game, envs, episodes)? {
                next_moves.push(told);
                next_owners.push(owner(game, told.action));
            }
        }
        std::mem::swap(&mut moves, &mut next_moves);
        std::mem::swap(&mut owners, &mut next_owners);
    }
    Ok(())
}

impl Forester<'_> {
    /// Takes what view `i` shows into `game`'s tree.
    fn receive(&mut self, game: usize, i: usize) -> Result<()> {
        let root = game as u32;
        match self.games[game].phase {
            Phase::Start => {
                self.games[game].moves = 0;
                self.games[game].follows_plan = false;
                self.see_root(game, i);
                self.forest.clear(game, root);
                self.plant(game, root, i)?;
                self.begin(game);
            }
            Phase::Moved { child } => {
                self.games[game].moves += 1;
                self.see_root(game, i);
                let expected = self.forest.nodes[child as usize].key == self.key(i);
                // The plan is for the state that the tree expected, and for no other.
                let state = &mut self.games[game];
                state.follows_plan &= expected && !state.plan.is_empty();
                if expected && (self.rules.reuses() || state.follows_plan) {
                    self.forest.reroot(game, root, child);
                } else {
                    self.forest.clear(game, root);
                    self.plant(game, root, i)?;
                }
                self.begin(game);
            }
            Phase::Leaf { node, left } => {
                self.plant(game, node, i)?;
                self.grow(game, node, left);
            }
            Phase::Search => {}
        }
        Ok(())
    }

    /// Remembers what the decision at the root answers.
    fn see_root(&mut self, game: usize, i: usize) {
        let num_actions = self.policy.num_actions();
        let game = &mut self.games[game];
        game.row.clear();
        game.row.extend_from_slice(self.views.rows.row(i));
        game.mask.copy_from_slice(&self.views.masks[i * num_actions..][..num_actions]);
        game.twist = self.evaluator.twists[i];
        game.status = self.views.status[i];
    }

    /// Names what is seen in view `i`.
    fn key(&self, i: usize) -> u64 {
        let num_actions = self.policy.num_actions();
        let Status { reward, is_final, success, truncated } = self.views.status[i];
        let flags = u64::from(is_final) | u64::from(success) << 1 | u64::from(truncated) << 2;
        let status = u64::from(reward.to_bits()) << 3 | flags;
        let masks = &self.views.masks[i * num_actions..][..num_actions];
        let key = masks.iter().fold(status, |key, &mask| key.rotate_left(1) ^ u64::from(mask));
        hash_row(self.views.rows.row(i), -1) ^ key.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    /// Makes `node` the state of view `i`, with its value and priors.
    fn plant(&mut self, game: usize, node: u32, i: usize) -> Result<()> {
        let key = self.key(i);
        let num_actions = self.policy.num_actions();
        let status = self.views.status[i];
        let mask = &self.views.masks[i * num_actions..][..num_actions];
        let bootstrap = status.truncated && self.rules.tree.truncation == Truncation::Bootstrap;
        let value = match !status.is_final || bootstrap {
            true => self.evaluator.values[i],
            false => status.reward,
        };
        let Status { reward, is_final, success, .. } = status;
        self.forest.nodes[node as usize] =
            Node { visits: 0, mean: 0.0, value, reward, key, is_final, success };
        if is_final {
            self.forest.close(node);
            return Ok(());
        }
        if !mask.contains(&true) {
            let row = self.views.rows.row(i);
            return Err(Error::Policy(format!(
                "the state with the features {row:?} is not final and its masks allow no action"
            )));
        }
        let logits = &self.evaluator.logits[i * num_actions..][..num_actions];
        masked_softmax(logits, mask, &mut self.priors)?;
        self.forest.expand(node, &self.priors, mask);
        self.games[game].nodes += 1;
        Ok(())
    }

    /// Begins the search of the decision at the root.
    fn begin(&mut self, game: usize) {
        let root = game as u32;
        let state = &mut self.games[game];
        state.phase = Phase::Search;
        state.range = Value::default();
        if !state.follows_plan {
            state.plan.clear();
            state.plan_reward = f32::NEG_INFINITY;
        }
        let node = &mut self.forest.nodes[game];
        if node.visits == 0 {
            (node.visits, node.mean) = (1, node.value);
        }
        if node.is_final || state.follows_plan {
            return;
        }
        let SelfPlay { dirichlet_alpha, exploration_fraction, .. } = self.rules.self_play;
        let rng = &mut self.rngs[game];
        match self.rules.tree.root_selection {
            RootSelection::Gumbel => {
                let drawn = self.rules.draws(state.moves).then_some(rng);
                gumbel::draw(&mut state.gumbel, drawn);
            }
            RootSelection::Puct if exploration_fraction > 0.0 => {
                let edges = self.forest.edges_mut(root);
                dirichlet::mix(edges, dirichlet_alpha, exploration_fraction, &mut self.noise, rng);
            }
            RootSelection::Puct => {}
        }
    }

    /// Goes on with a simulation that has reached the new `node`.
    fn grow(&mut self, game: usize, node: u32, left: usize) {
        if left == 0 || self.forest.nodes[node as usize].is_final {
            return self.back_up(game, node);
        }
        // Below its first new state a simulation follows the policy.
        let edges = self.forest.edges(node);
        self.priors.iter_mut().zip(edges).for_each(|(prior, edge)| *prior = edge.prior);
        let action = draw(&self.priors, 1.0, &mut self.rngs[game]) as u32;
        self.reach(game, Step { node, action }, left - 1);
    }

    fn back_up(&mut self, game: usize, last: u32) {
        if self.rules.follow_plans && self.forest.nodes[last as usize].success {
            self.plan(game, last);
        }
        let Game { path, range, phase, .. } = &mut self.games[game];
        self.forest.back_up(path, last, self.rules.tree.gamma, range);
        path.clear();
        *phase = Phase::Search;
    }

    /// Plans the way to the solved state `last` if it is the best.
    fn plan(&mut self, game: usize, last: u32) {
        let Game { path, plan, plan_reward, .. } = &mut self.games[game];
        let nodes = path.iter().map(|step| step.node).chain([last]);
        let reward = nodes.map(|node| self.forest.nodes[node as usize].reward).sum();
        if reward > *plan_reward {
            *plan_reward = reward;
            plan.clear();
            plan.extend(path.iter().rev().map(|step| step.action));
        }
    }

    /// Asks for the state behind an edge that no simulation has taken.
    fn reach(&mut self, game: usize, step: Step, left: usize) {
        let node = self.forest.take(game);
        self.forest.edges_mut(step.node)[step.action as usize].child = node;
        self.games[game].path.push(step);
        self.games[game].phase = Phase::Leaf { node, left };
    }

    /// What `game` does next, until it needs a state or there is no more to play.
    fn next(
        &mut self,
        game: usize,
        envs: &mut dyn VecEnv,
        episodes: &mut impl Episodes,
    ) -> Result<Option<LaneMove>> {
        loop {
            if let Phase::Leaf { node, .. } = self.games[game].phase {
                let Some(&Step { node: parent, action }) = self.games[game].path.last() else {
                    return Err(Error::Panic("a leaf without a path".to_string()));
                };
                let action = Move::StepFrom { parent: parent as usize, action: action as usize };
                return Ok(Some(LaneMove { lane: node as usize, action }));
            }
            let root = self.forest.nodes[game];
            if root.is_final {
                self.visit(game, 0, episodes)?;
                return self.restart(game, envs, episodes);
            }
            if !self.games[game].follows_plan {
                let stops = self.stops(game, episodes);
                if !stops && root.visits as usize <= self.rules.tree.num_simulations {
                    self.simulate(game);
                    continue;
                }
                self.games[game].follows_plan = !self.games[game].plan.is_empty();
                if stops && !self.games[game].follows_plan {
                    return self.restart(game, envs, episodes);
                }
            }
            let action = self.decide(game);
            self.visit(game, action, episodes)?;
            if !self.games[game].follows_plan && self.stops(game, episodes) {
                return self.restart(game, envs, episodes);
            }
            let child = self.forest.edges(game as u32)[action].child;
            self.games[game].phase = Phase::Moved { child };
            return Ok(Some(LaneMove { lane: game, action: Move::Step { action } }));
        }
    }

    fn stops(&mut self, game: usize, episodes: &mut impl Episodes) -> bool {
        episodes.stops(game, std::mem::take(&mut self.games[game].nodes))
    }

    /// Descends to a state that is new, or to a final one, whose worth is known.
    fn simulate(&mut self, game: usize) {
        self.simulations += 1;
        let mut node = game as u32;
        loop {
            let state = &self.forest.nodes[node as usize];
            if state.is_final {
                return self.back_up(game, node);
            }
            let edges = self.forest.edges(node);
            let (config, Game { gumbel, range, .. }) = (&self.rules.tree, &self.games[game]);
            let action = match config.root_selection {
                RootSelection::Puct => puct(state, edges, config, range),
                RootSelection::Gumbel if node as usize == game => {
                    gumbel::at_root((state, edges), gumbel, &self.halving, config, range)
                }
                RootSelection::Gumbel => {
                    gumbel::inside((state, edges), &mut self.priors, config, range)
                }
            };
            let child = edges[action].child;
            let step = Step { node, action: action as u32 };
            if child == UNBORN {
                return self.reach(game, step, self.rules.tree.max_expand_depth - 1);
            }
            self.games[game].path.push(step);
            node = child;
        }
    }

    /// The action that the search answers with; `target` becomes what it says of all actions.
    fn decide(&mut self, game: usize) -> usize {
        let state = &mut self.games[game];
        if state.follows_plan {
            // The plan is what is played, whatever the search says of other actions.
            self.target.fill(0.0);
            let action = state.plan.pop().map_or(0, |action| action as usize);
            self.target[action] = 1.0;
            return action;
        }
        let (node, edges) = (&self.forest.nodes[game], self.forest.edges(game as u32));
        if self.rules.tree.root_selection == RootSelection::Gumbel {
            let Game { gumbel, range, .. } = state;
            let target = &mut self.target;
            return gumbel::decide((node, edges), gumbel, target, &self.rules.tree, range);
        }
        let sum: u32 = edges.iter().map(|edge| edge.visits).sum();
        let share = |edge: &Edge| edge.visits as f32 / sum as f32;
        self.target.iter_mut().zip(edges).for_each(|(target, edge)| *target = share(edge));
        match self.rules.draws(state.moves) {
            true => draw(&self.target, 1.0, &mut self.rngs[game]),
            false => argmax(&self.target),
        }
    }

    /// Reports the root and its answer; a final state has none.
    fn visit(&mut self, game: usize, action: usize, episodes: &mut impl Episodes) -> Result<()> {
        let root = self.forest.nodes[game];
        if root.is_final {
            self.target.fill(0.0);
        }
        let state = &self.games[game];
        let visit = Visit {
            row: &state.row,
            mask: &state.mask,
            twist: state.twist,
            logits: &self.target,
            log_prob: if root.is_final { 0.0 } else { self.target[action].ln() },
            value: root.mean,
            action,
            status: state.status,
            nodes: 0,
        };
        episodes.visit(game, &visit)
    }

    /// Ends the episode of `game` and begins its next one.
    fn restart(
        &mut self,
        game: usize,
        envs: &mut dyn VecEnv,
        episodes: &mut impl Episodes,
    ) -> Result<Option<LaneMove>> {
        episodes.finish(game, envs, self.games[game].status)?;
        self.games[game].phase = Phase::Start;
        let action = episodes.start(game, envs, &mut self.rngs[game])?;
        Ok(action.map(|action| LaneMove { lane: game, action }))
    }
}

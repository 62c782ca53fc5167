//! How the games' trees grow: what was seen becomes a root or a leaf, and its return goes up.

use std::sync::Arc;

use super::{Forester, Game, Phase};
use crate::engine::cache::{hash_row, longer_key, row_key};
use crate::engine::lockstep::{draw, no_action};
use crate::error::Result;
use crate::exact::goal_table::GoalTable;
use crate::nn::masked_softmax;
use crate::rl::env::Status;
use crate::rl::vec_env::LaneMove;
use crate::search::config::{RootSelection, SelfPlay, Truncation};
use crate::search::dirichlet;
use crate::search::returns::ReturnRange;
use crate::search::tree::{Node, Step, ILLEGAL};

impl Forester<'_> {
    /// Gives the network what is remembered before the views that `owners` see.
    pub(super) fn recall(&mut self, owners: &[LaneMove]) {
        let Self { policy, games, states, evaluator, .. } = self;
        if states.is_empty() {
            return;
        }
        let size = policy.state_size();
        evaluator.states.resize(owners.len() * size, 0.0);
        for (state, owner) in evaluator.states.chunks_exact_mut(size).zip(owners) {
            let game = &games[owner.lane];
            let before = match (game.phase, game.path.last()) {
                (Phase::Start, _) => {
                    policy.initial_state(state);
                    continue;
                }
                (Phase::Leaf { .. }, Some(step)) => step.node as usize,
                _ => owner.lane,
            };
            state.copy_from_slice(&states[before * size..][..size]);
        }
    }

    /// Remembers at `node` what the policy does after view `i`.
    fn remember(&mut self, node: u32, i: usize) {
        if self.states.is_empty() {
            return;
        }
        let size = self.policy.state_size();
        let after = &self.evaluator.states[i * size..][..size];
        self.states[node as usize * size..][..size].copy_from_slice(after);
    }

    /// Finds the states among the views of `owners` that their games have a node for: they need no
    /// evaluation.
    pub(super) fn recognise(&mut self, owners: &[LaneMove]) {
        if !self.forest.shares() {
            return;
        }
        self.keys.clear();
        self.met.clear();
        for (i, &LaneMove { lane: game, .. }) in owners.iter().enumerate() {
            let is_leaf = matches!(self.games[game].phase, Phase::Leaf { .. });
            let key = if is_leaf { self.leaf_key(game, i) } else { 0 };
            self.keys.push(key);
            self.met.push(self.forest.find(key).filter(|_| is_leaf));
        }
        self.evaluator.known.clear();
        self.evaluator.known.extend(self.met.iter().map(Option::is_some));
    }

    /// Names what is seen of the leaf of `game` in view `i` and the step of the episode it is at: two that
    /// differ do not share it but by a chance of 1 in 2^128.
    fn leaf_key(&self, game: usize, i: usize) -> u128 {
        let num_actions = self.policy.num_actions();
        let step = self.games[game].moves + self.games[game].path.len();
        let Status { reward, is_final, success, truncated } = self.views.status[i];
        let flags = u64::from(is_final) | u64::from(success) << 1 | u64::from(truncated) << 2;
        let masks = self.views.masks[i * num_actions..][..num_actions].chunks(64);
        let bits = masks.map(|chunk| chunk.iter().fold(1, |bits, &bit| bits << 1 | u64::from(bit)));
        let rest = [game as u64, step as u64, u64::from(reward.to_bits()) << 3 | flags];
        rest.into_iter().chain(bits).fold(row_key(self.views.rows.row(i)), longer_key)
    }

    /// Takes what view `i` shows into `game`'s tree.
    pub(super) fn receive(&mut self, game: usize, i: usize) -> Result<()> {
        let root = game as u32;
        match self.games[game].phase {
            Phase::Start => {
                self.games[game].moves = 0;
                self.games[game].follows_plan = false;
                self.see_root(game, i);
                self.forest.clear(game, root);
                self.plant(game, root, i)?;
                self.begin(game);
                self.look_up(game);
            }
            Phase::Moved { child } => {
                self.games[game].moves += 1;
                self.see_root(game, i);
                // A way out of the table leads where the tree has no state.
                let is_known = self.rules.remembers() && child < ILLEGAL;
                let expected = is_known && self.forest.nodes[child as usize].key == self.key(i);
                // The plan is for the state that the tree expected, and for no other.
                let state = &mut self.games[game];
                state.follows_plan &= expected && !state.plan.is_empty();
                let tree = &self.rules.tree;
                let follows_plan = state.follows_plan;
                let kept = || tree.keeps(self.forest.nodes[child as usize].visits as usize);
                let mut is_kept = expected && (follows_plan || kept());
                if is_kept {
                    self.forest.reroot(game, root, child);
                    is_kept = follows_plan || self.has_room(game);
                }
                if !is_kept {
                    self.forest.clear(game, root);
                    self.plant(game, root, i)?;
                }
                self.begin(game);
                self.look_up(game);
            }
            Phase::Leaf { node, left } => {
                if let Some(&Some(known)) = self.met.get(i) {
                    self.meet(game, known);
                    return Ok(());
                }
                self.remember(node, i);
                self.plant(game, node, i)?;
                if let Some(&key) = self.keys.get(i) {
                    self.forest.enter(key, node);
                }
                let row = self.views.rows.row(i);
                let knows = |table: &Arc<GoalTable>| table.find(row).is_some();
                let is_final = self.forest.nodes[node as usize].is_final;
                if !is_final && self.table.as_ref().is_some_and(knows) {
                    self.plan(game, node);
                    self.games[game].simulations = 0;
                    self.back_up(game, node);
                } else {
                    self.grow(game, node, left);
                }
            }
            Phase::Search => {}
        }
        Ok(())
    }

    /// Ends a simulation that has come to a state with a node by a way that is new.
    fn meet(&mut self, game: usize, known: u32) {
        if let Some(&step) = self.games[game].path.last() {
            self.forest.join(game, step, known);
        }
        if self.forest.nodes[known as usize].is_final {
            self.back_up(game, known);
        } else {
            self.catch_up(game, known);
        }
    }

    /// Whether the states that a search may add find room beside those below a kept root, which other
    /// ways than its own may have found.
    fn has_room(&self, game: usize) -> bool {
        let tree = &self.rules.tree;
        let simulations = tree.simulations_of(self.forest.nodes[game].visits as usize);
        let is_bounded = self.forest.nodes_per_game() < tree.num_nodes();
        is_bounded || self.forest.left(game) >= simulations * tree.max_expand_depth
    }

    /// Goes on by the table, if it has the root.
    fn look_up(&mut self, game: usize) {
        let Some(table) = &self.table else { return };
        let state = &mut self.games[game];
        if self.forest.nodes[game].is_final {
            return;
        }
        if let Some((found, _)) = table.find(&state.row) {
            state.plan.clear();
            state.plan.extend(table.way(found).iter().rev().map(|&action| action as u32));
            state.follows_plan = true;
        }
    }

    /// Remembers what the decision at the root answers.
    fn see_root(&mut self, game: usize, i: usize) {
        self.remember(game as u32, i);
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
        let key = if self.rules.remembers() { self.key(i) } else { 0 };
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
            // The words of numbers are their bits.
            let is_sparse = self.policy.obs_dtype() == "sparse";
            return Err(no_action(is_sparse.then(|| self.views.rows.row(i))));
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
        state.range = ReturnRange::default();
        if !state.follows_plan {
            state.plan.clear();
            state.plan_reward = f32::NEG_INFINITY;
        }
        let node = &mut self.forest.nodes[game];
        if node.visits == 0 {
            (node.visits, node.mean) = (1, node.value);
        }
        state.simulations = self.rules.tree.simulations_of(node.visits as usize);
        if node.is_final || state.follows_plan {
            return;
        }
        let SelfPlay { dirichlet_alpha, exploration_fraction, .. } = self.rules.self_play;
        let rng = &mut self.rngs[game];
        match self.rules.tree.root_selection {
            RootSelection::Gumbel => {
                let drawn = self.rules.draws(state.moves).then_some(rng);
                let counts = (self.rules.tree.max_considered_actions, state.simulations);
                state.gumbel.begin(self.forest.edges(root), counts, drawn);
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

    pub(super) fn back_up(&mut self, game: usize, last: u32) {
        if self.rules.follow_plans && self.forest.nodes[last as usize].success {
            self.plan(game, last);
        }
        let Game { path, range, phase, .. } = &mut self.games[game];
        self.forest.back_up(path, last, self.rules.tree.gamma, range);
        path.clear();
        *phase = Phase::Search;
    }

    pub(super) fn catch_up(&mut self, game: usize, last: u32) {
        let Game { path, range, phase, .. } = &mut self.games[game];
        self.forest.catch_up(path, last, self.rules.tree.gamma, range);
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
    pub(super) fn reach(&mut self, game: usize, step: Step, left: usize) {
        let node = self.forest.take(game);
        self.forest.edges_mut(step.node)[step.action as usize].child = node;
        self.games[game].path.push(step);
        self.games[game].phase = Phase::Leaf { node, left };
    }
}

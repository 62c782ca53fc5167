//! What a game does next: where its simulations go, and which move it plays after them.

use super::{Forester, Game, Phase};
use crate::engine::lockstep::{draw, Episodes, Visit};
use crate::engine::pool::Poll;
use crate::error::{Error, Result};
use crate::nn::argmax;
use crate::rl::vec_env::{LaneMove, Move, VecEnv};
use crate::search::select::puct;
use crate::search::tree::{Edge, Step, UNBORN};
use crate::search::{gumbel, RootSelection};
use crate::spaces::Act;

/// Simulations that end in states of the tree take a fraction of a microsecond each.
const SIMULATIONS_BETWEEN_POLLS: u64 = 1 << 12;

impl Forester<'_> {
    /// What `game` does next, until it needs a state or there is no more to play.
    pub(super) fn next(
        &mut self,
        game: usize,
        envs: &mut dyn VecEnv,
        episodes: &mut impl Episodes,
        poll: Poll<'_>,
    ) -> Result<Option<LaneMove>> {
        loop {
            if let Phase::Leaf { node, .. } = self.games[game].phase {
                let Some(&Step { node: parent, action }) = self.games[game].path.last() else {
                    return Err(Error::Panic("a leaf without a path".to_string()));
                };
                let made = Move::StepFrom { parent: parent as usize, action: action as usize };
                return Ok(Some(LaneMove { lane: node as usize, made }));
            }
            let root = self.forest.nodes[game];
            if root.is_final {
                self.visit(game, 0, episodes)?;
                return self.restart(game, envs, episodes, poll);
            }
            if !self.games[game].follows_plan {
                let max_expand_depth = self.rules.tree.max_expand_depth;
                let searches = self.games[game].simulations > 0;
                // Where time is the budget, the memory that it may take can end before it.
                let is_full = searches && self.forest.left(game) < max_expand_depth;
                let stops = self.stops(game, episodes) || is_full;
                if searches && !stops {
                    // Where all states are known, no simulation waits for one.
                    if self.simulations.is_multiple_of(SIMULATIONS_BETWEEN_POLLS) {
                        poll()?;
                    }
                    self.simulate(game);
                    continue;
                }
                self.games[game].follows_plan = !self.games[game].plan.is_empty();
                if stops && !self.games[game].follows_plan {
                    return self.restart(game, envs, episodes, poll);
                }
            }
            let action = self.decide(game);
            self.visit(game, action, episodes)?;
            if !self.games[game].follows_plan && self.stops(game, episodes) {
                return self.restart(game, envs, episodes, poll);
            }
            let child = self.forest.edges(game as u32)[action].child;
            self.games[game].phase = Phase::Moved { child };
            return Ok(Some(LaneMove { lane: game, made: Move::Step { action } }));
        }
    }

    fn stops(&mut self, game: usize, episodes: &mut impl Episodes) -> bool {
        episodes.stops(game, std::mem::take(&mut self.games[game].nodes))
    }

    /// Descends to a state that is new, or to a final one, whose worth is known.
    fn simulate(&mut self, game: usize) {
        self.simulations += 1;
        self.games[game].simulations -= 1;
        let scale = self.games[game].range.scale();
        let mut node = game as u32;
        // By the edge that led to the state.
        let mut visits = u32::MAX;
        loop {
            let state = &self.forest.nodes[node as usize];
            if state.is_final {
                return self.back_up(game, node);
            }
            if visits < state.visits {
                return self.catch_up(game, node);
            }
            let edges = self.forest.edges(node);
            let (config, Game { gumbel, range, .. }) = (&self.rules.tree, &mut self.games[game]);
            let action = match config.root_selection {
                RootSelection::Puct => puct(state, edges, config, scale),
                RootSelection::Gumbel if node as usize == game => {
                    gumbel::at_root((state, edges), gumbel, config, range)
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
            visits = edges[action].visits;
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
            state: &[],
            act: Act::Discrete(action),
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
        poll: Poll<'_>,
    ) -> Result<Option<LaneMove>> {
        episodes.finish(game, envs, self.games[game].status)?;
        self.games[game].phase = Phase::Start;
        let made = episodes.start(game, envs, &mut self.rngs[game], poll)?;
        Ok(made.map(|made| LaneMove { lane: game, made }))
    }
}

//! Play towards the largest value: the state after every legal action is given to the network, and
//! the episode goes on in the best of them.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::config::EvalConfig;
use super::episode::Episode;
use super::starts::Starts;
use crate::clock::Deadline;
use crate::engine::capped::{Capped, Children};
use crate::engine::lockstep::{advance, check_views, no_action, num_players};
use crate::engine::pool::{run_foreign, Poll};
use crate::error::Result;
use crate::nn::{Policy, Scratch};
use crate::rl::env::Env;
use crate::rl::vec_env::{LaneMove, Move, VecEnv, Views};
use crate::rng::Rng;
use crate::search::Budget;
use crate::spaces::Acts;

/// States that a worker evaluates together, where its starts have that many.
const BATCH_ROWS: usize = 256;

/// Plays one episode from every start; `config.num_searches` is not looked at, since every other
/// one would be the same.
///
/// A solved state comes first, of equal values that of the lowest action. States are seen through no
/// permutation. The result does not depend on `config.num_cores`, a limit of time aside. `env` stays
/// as it is.
pub(super) fn play(
    env: &dyn Env,
    policy: &dyn Policy,
    starts: Starts,
    config: &EvalConfig,
    seed: u64,
    poll: Poll<'_>,
) -> Result<Vec<Episode>> {
    let num_starts = starts.len();
    let workers = num_players(policy, config.num_cores.min(num_starts));
    let num_slots = env.num_actions() + 1;
    let num_games = (BATCH_ROWS / num_slots).clamp(1, num_starts.div_ceil(workers));
    let next_start = AtomicUsize::new(0);
    let (env, policy, config) = (env.try_clone()?, policy.share(), *config);
    let found = run_foreign(workers, poll, move |_, poll| {
        let most = config.max_episode_steps;
        let mut worker = Worker {
            envs: Capped::nodes(&*env, num_games * num_slots, Children::Played, most)?,
            root: env.try_clone()?,
            policy: &*policy,
            starts: &starts,
            next_start: &next_start,
            budget: config.budget,
            seed,
            rngs: vec![Rng::new(0); num_games * num_slots],
            moves: Vec::new(),
            views: Views::default(),
            logits: Vec::new(),
            values: Vec::new(),
            scratch: Scratch::default(),
            found: Vec::new(),
        };
        worker.play((0..num_games).map(|game| Game::new(game * num_slots, num_slots)), poll)?;
        Ok(worker.found)
    })?;
    let mut episodes = vec![Episode::default(); num_starts];
    for (start, episode) in found.into_iter().flatten() {
        episodes[start] = episode;
    }
    Ok(episodes)
}

/// An episode that is being played.
struct Game {
    start: usize,
    deadline: Deadline,
    /// The state in the first of them; the others are for those that follow it, by action.
    slots: Vec<usize>,
    /// Legal actions.
    actions: Vec<usize>,
    episode: Episode,
}

impl Game {
    fn new(first_slot: usize, num_slots: usize) -> Self {
        Self {
            start: 0,
            deadline: Deadline::NEVER,
            slots: (first_slot..first_slot + num_slots).collect(),
            actions: Vec::new(),
            episode: Episode::default(),
        }
    }

    /// Comes to the state in row `row` of `views`; whether the episode ends there.
    fn enter(&mut self, views: &Views, row: usize) -> Result<bool> {
        let (status, num_actions) = (views.status[row], self.slots.len() - 1);
        let masks = &views.masks[row * num_actions..][..num_actions];
        self.episode.reward += status.reward;
        self.episode.success = status.success;
        self.actions.clear();
        self.actions.extend((0..num_actions).filter(|&action| masks[action]));
        if self.actions.is_empty() && !status.is_final {
            return Err(no_action(None));
        }
        Ok(status.is_final)
    }
}

struct Worker<'a> {
    envs: Capped,
    root: Box<dyn Env>,
    policy: &'a dyn Policy,
    starts: &'a Starts,
    next_start: &'a AtomicUsize,
    budget: Budget,
    seed: u64,
    rngs: Vec<Rng>,
    moves: Vec<LaneMove>,
    views: Views,
    /// `[N, A]`
    logits: Vec<f32>,
    /// `[N]`
    values: Vec<f32>,
    scratch: Scratch,
    found: Vec<(usize, Episode)>,
}

impl Worker<'_> {
    fn play(&mut self, games: impl Iterator<Item = Game>, poll: Poll<'_>) -> Result<()> {
        let mut busy = Vec::new();
        for mut game in games {
            if self.begin(&mut game, poll)? {
                busy.push(game);
            }
        }
        while !busy.is_empty() {
            self.look_ahead(&busy, poll)?;
            let mut first = 0;
            let mut going = Vec::with_capacity(busy.len());
            for mut game in busy {
                let end = first + game.actions.len();
                if !self.step(&mut game, first)? || self.begin(&mut game, poll)? {
                    going.push(game);
                }
                first = end;
            }
            busy = going;
        }
        Ok(())
    }

    /// Puts `game` at the next start that can be played on; false if there is none left.
    fn begin(&mut self, game: &mut Game, poll: Poll<'_>) -> Result<bool> {
        loop {
            let start = self.next_start.fetch_add(1, Ordering::Relaxed);
            if start >= self.starts.len() {
                return Ok(false);
            }
            self.starts.place(start, &mut *self.root, self.seed)?;
            self.envs.load(game.slots[0], &*self.root)?;
            let mut view = Views::default();
            let look = [LaneMove { lane: game.slots[0], made: Move::Observe }];
            let look = (&look[..], &Acts::default());
            advance(&mut self.envs, look, 0, &mut self.rngs, &mut view, poll)?;
            check_views(&view, 1, self.policy.num_actions())?;
            game.deadline = Deadline::after(self.budget.time)?;
            (game.start, game.episode) = (start, Episode::default());
            if !game.enter(&view, 0)? && !self.is_spent(game) {
                return Ok(true);
            }
            self.finish(game)?;
        }
    }

    /// Makes and evaluates the states that may follow those of `games`.
    fn look_ahead(&mut self, games: &[Game], poll: Poll<'_>) -> Result<()> {
        self.moves.clear();
        for Game { slots, actions, .. } in games {
            self.moves.extend(actions.iter().map(|&action| LaneMove {
                lane: slots[1 + action],
                made: Move::StepFrom { parent: slots[0], action },
            }));
        }
        self.views.clear();
        let told = (&self.moves[..], &Acts::default());
        advance(&mut self.envs, told, 0, &mut self.rngs, &mut self.views, poll)?;
        let num_actions = self.policy.num_actions();
        check_views(&self.views, self.moves.len(), num_actions)?;
        self.logits.resize(self.moves.len() * num_actions, 0.0);
        self.values.resize(self.moves.len(), 0.0);
        let (logits, values) = (&mut self.logits, &mut self.values);
        self.policy.forward_batch(&self.views.rows, None, &mut self.scratch, logits, values)
    }

    /// Goes on to the best state of those from row `first` of the views on; whether the episode is
    /// over, which is kept then.
    fn step(&mut self, game: &mut Game, first: usize) -> Result<bool> {
        let mut best = 0;
        for i in 0..game.actions.len() {
            let rank = |i: usize| (self.views.status[first + i].success, self.values[first + i]);
            if rank(i) > rank(best) {
                best = i;
            }
        }
        let action = game.actions[best];
        game.episode.nodes += game.actions.len() as u64;
        game.episode.actions.push(action as i64);
        game.slots.swap(0, 1 + action);
        let is_over = game.enter(&self.views, first + best)? || self.is_spent(game);
        if is_over {
            self.finish(game)?;
        }
        Ok(is_over)
    }

    /// Whether there is no budget left to look ahead.
    fn is_spent(&self, game: &Game) -> bool {
        let nodes = self.budget.nodes;
        nodes.is_some_and(|most| game.episode.nodes + game.actions.len() as u64 > most)
            || game.deadline.is_over()
    }

    fn finish(&mut self, game: &mut Game) -> Result<()> {
        let mut episode = std::mem::take(&mut game.episode);
        if let Some(solution) = self.envs.solution(game.slots[0])? {
            episode.actions = solution;
        }
        self.found.push((game.start, episode));
        Ok(())
    }
}

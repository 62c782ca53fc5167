//! What a network says of the states one move on: the right side of Bellman's equation.

use crate::engine::capped::{Capped, Children};
use crate::engine::lockstep::{advance, check_fit, check_views, require_no_memory};
use crate::engine::pool::Poll;
use crate::engine::row_set::RowSet;
use crate::error::Result;
use crate::nn::{Policy, Scratch};
use crate::rl::env::Env;
use crate::rl::vec_env::{LaneMove, Move, VecEnv, Views};
use crate::rng::Rng;
use crate::spaces::{Acts, Rows};

/// Next states that are evaluated together.
const BATCH_ROWS: usize = 1 << 10;
/// The value of the goal.
const SOLVED: f32 = 1.0;

/// Refuses a policy that cannot say what states of `env` are worth.
pub(super) fn check(env: &dyn Env, policy: &dyn Policy) -> Result<()> {
    check_fit(env, policy)?;
    require_no_memory(policy, "learning from the next states' values")
}

/// Looks one move ahead of states, each distinct one once.
pub(super) struct Ahead<'a> {
    policy: &'a dyn Policy,
    /// The state in slot 0, what its actions lead to behind it.
    envs: Capped,
    rngs: Vec<Rng>,
    moves: Vec<LaneMove>,
    views: Views,
    pub(super) known: RowSet,
    /// The largest value of the next states of each, -infinity where all of them end badly.
    pub(super) best: Vec<f32>,
    /// Next states that are to be evaluated, and the number of the state that each is of.
    rows: Rows,
    of: Vec<usize>,
    logits: Vec<f32>,
    values: Vec<f32>,
    scratch: Scratch,
}

impl<'a> Ahead<'a> {
    pub(super) fn new(env: &dyn Env, policy: &'a dyn Policy) -> Result<Self> {
        let num_slots = env.num_actions() + 1;
        Ok(Self {
            policy,
            envs: Capped::nodes(env, num_slots, Children::Seen, None)?,
            rngs: vec![Rng::new(0); num_slots],
            moves: Vec::new(),
            views: Views::default(),
            known: RowSet::default(),
            best: Vec::new(),
            rows: Rows::default(),
            of: Vec::new(),
            logits: Vec::new(),
            values: Vec::new(),
            scratch: Scratch::default(),
        })
    }

    /// Takes the state of `env`, seen as `row`, where `masks` are legal.
    pub(super) fn see(
        &mut self,
        env: &dyn Env,
        row: &[i32],
        masks: &[bool],
        poll: Poll<'_>,
    ) -> Result<()> {
        let (state, is_new) = self.known.insert(row);
        if !is_new {
            return Ok(());
        }
        self.best.push(f32::NEG_INFINITY);
        self.envs.load(0, env)?;
        self.moves.clear();
        let legal = (0..masks.len()).filter(|&action| masks[action]);
        let step = |action| Move::StepFrom { parent: 0, action };
        self.moves.extend(legal.map(|action| LaneMove { lane: 1 + action, made: step(action) }));
        self.views.clear();
        let told = (&self.moves[..], &Acts::default());
        advance(&mut self.envs, told, 0, &mut self.rngs, &mut self.views, &mut *poll)?;
        check_views(&self.views, self.moves.len(), masks.len())?;
        for (next, status) in self.views.status.iter().enumerate() {
            if status.success {
                self.best[state] = SOLVED;
            } else if !status.is_final {
                self.rows.push(self.views.rows.row(next));
                self.of.push(state);
            }
        }
        match self.of.len() < BATCH_ROWS {
            true => Ok(()),
            false => self.evaluate(poll),
        }
    }

    /// Evaluates what is left.
    pub(super) fn evaluate(&mut self, poll: Poll<'_>) -> Result<()> {
        poll()?;
        let Self { policy, rows, of, best, logits, values, scratch, .. } = self;
        logits.resize(rows.len() * policy.num_actions(), 0.0);
        values.resize(rows.len(), 0.0);
        policy.forward_batch(rows, None, scratch, logits, values)?;
        for (&state, &value) in of.iter().zip(&*values) {
            best[state] = best[state].max(value);
        }
        rows.clear();
        of.clear();
        Ok(())
    }
}

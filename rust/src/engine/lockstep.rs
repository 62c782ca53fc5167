//! The loop that plays: observe all lanes, evaluate them in one batch, choose, move.

use std::sync::RwLock;

pub use super::actor::MASKED_LOGIT;
pub(crate) use super::actor::{draw, no_action};
use super::actor::{Actor, DiscreteActor, RowActor};
use super::cache::Cache;
use super::evaluator::Evaluator;
use super::pool::{num_workers, Poll};
use super::rules::PlayRules;
use crate::error::{Error, Result};
use crate::nn::{Head, Policy};
use crate::rl::env::{Env, Status};
use crate::rl::vec_env::{LaneMove, Move, VecEnv, Views};
use crate::rng::Rng;
use crate::spaces::{Act, ActSpace, Acts};

/// One decision of one lane.
pub(crate) struct Visit<'a> {
    pub row: &'a [i32],
    pub mask: &'a [bool],
    /// Index of the permutation the state was seen through, -1 for none.
    pub twist: i32,
    /// What the policy says `[A]`: [`MASKED_LOGIT`] where a choice is masked.
    pub logits: &'a [f32],
    /// Of the chosen action.
    pub log_prob: f32,
    pub value: f32,
    /// What the policy remembered before it saw the state, `[S]`.
    pub state: &'a [f32],
    /// As it was drawn; a final state's is nominal.
    pub act: Act<'a>,
    pub status: Status,
    /// States given to the policy for this decision, as far as [`Episodes::stops`] has not told.
    pub nodes: u64,
}

/// Where episodes come from and where they go.
pub(crate) trait Episodes {
    /// Prepares the next episode in `lane`; `None` when there is none left. Who makes moves for it here
    /// asks `poll` first.
    fn start(
        &mut self,
        lane: usize,
        envs: &mut dyn VecEnv,
        rng: &mut Rng,
        poll: Poll<'_>,
    ) -> Result<Option<Move>>;
    /// A state was seen and an action chosen; at a final state the action is nominal.
    fn visit(&mut self, lane: usize, visit: &Visit<'_>) -> Result<()>;
    /// Whether the episode ends before its environment says so, after `nodes` more states were
    /// given to the policy; asked after every decision, and in a search before every simulation.
    fn stops(&mut self, _lane: usize, _nodes: u64) -> bool {
        false
    }
    /// No episode begins with a reset of more difficulty than this.
    fn most_difficulty(&self) -> usize {
        0
    }
    /// The episode in `lane` has ended.
    fn finish(&mut self, lane: usize, envs: &dyn VecEnv, status: Status) -> Result<()>;
}

/// Plays until `episodes` has no more; each lane draws only from its own stream.
pub(crate) fn play(
    envs: &mut dyn VecEnv,
    acts: &ActSpace,
    policy: &dyn Policy,
    rules: PlayRules,
    episodes: &mut impl Episodes,
    poll: Poll<'_>,
) -> Result<()> {
    let cache = RwLock::new(Cache::new(policy.num_actions() + 1));
    Player { acts, policy, rules, cache: &cache, memory: &mut Memory::default() }
        .play(envs, episodes, poll)
}

/// What [`Player::play`] works in; kept between calls, it is allocated only once.
#[derive(Default)]
pub(crate) struct Memory {
    rngs: Vec<Rng>,
    moves: Vec<LaneMove>,
    next: Vec<LaneMove>,
    views: Views,
    evaluator: Evaluator,
    /// What the policy remembers in each lane `[lanes, S]`.
    states: Vec<f32>,
    weights: Vec<f32>,
}

/// Who plays: workers that play with the same policy may share a cache.
pub(crate) struct Player<'a> {
    /// What the environments take, and the policy fits.
    pub acts: &'a ActSpace,
    pub policy: &'a dyn Policy,
    pub rules: PlayRules,
    pub cache: &'a RwLock<Cache>,
    pub memory: &'a mut Memory,
}

impl Player<'_> {
    /// See [`play`].
    pub(crate) fn play(
        mut self,
        envs: &mut dyn VecEnv,
        episodes: &mut impl Episodes,
        poll: Poll<'_>,
    ) -> Result<()> {
        let mut weights = std::mem::take(&mut self.memory.weights);
        weights.resize(self.policy.num_actions(), 0.0);
        let choice = self.rules.choice;
        match self.policy.head() {
            Head::Categorical => {
                let weights = &mut weights;
                let mut actor = DiscreteActor { choice, weights, action: 0, none: Acts::default() };
                self.play_by(&mut actor, envs, episodes, poll)?;
            }
            head => {
                let head = head.clone();
                let mut actor = RowActor::new(choice, head, self.acts, &mut weights);
                self.play_by(&mut actor, envs, episodes, poll)?;
            }
        }
        self.memory.weights = weights;
        Ok(())
    }

    fn play_by(
        &mut self,
        actor: &mut impl Actor,
        envs: &mut dyn VecEnv,
        episodes: &mut impl Episodes,
        poll: Poll<'_>,
    ) -> Result<()> {
        let Player { acts, policy, rules, cache, memory } = self;
        let Memory { rngs, moves, next, views, evaluator, states, .. } = &mut **memory;
        let (num_outputs, num_choices) = (policy.num_actions(), acts.num_choices());
        let size = policy.state_size();
        let at = |place: usize| place * size..(place + 1) * size;
        states.resize(envs.num_lanes() * size, 0.0);
        rngs.resize(envs.num_lanes(), Rng::new(0));
        moves.clear();
        for (lane, rng) in rngs.iter_mut().enumerate() {
            if let Some(made) = episodes.start(lane, envs, rng, poll)? {
                moves.push(LaneMove { lane, made });
                policy.initial_state(&mut states[at(lane)]);
            }
        }
        while !moves.is_empty() {
            views.clear();
            let told = (&moves[..], actor.acts());
            advance(envs, told, episodes.most_difficulty(), rngs, views, poll)?;
            check_views(views, moves.len(), num_choices)?;
            evaluator.states.clear();
            if size > 0 {
                let lanes = moves.iter().map(|told| &states[at(told.lane)]);
                lanes.for_each(|state| evaluator.states.extend_from_slice(state));
            }
            evaluator.evaluate(*policy, *rules, cache, (moves, views), rngs)?;
            next.clear();
            for (i, &LaneMove { lane, .. }) in moves.iter().enumerate() {
                let status = views.status[i];
                let mask = &views.masks[i * num_choices..][..num_choices];
                let (twist, value) = (evaluator.twists[i], evaluator.values[i]);
                let logits = &mut evaluator.logits[i * num_outputs..][..num_outputs];
                let mut log_prob = 0.0;
                if rules.wants(status) {
                    log_prob = actor.decide(mask, status.is_final, logits, &mut rngs[lane])?;
                } else {
                    actor.skip();
                }
                let (row, act, nodes) = (views.rows.row(i), actor.act(), 1);
                let state = &states[at(lane)];
                episodes.visit(
                    lane,
                    &Visit { row, mask, twist, logits, log_prob, value, state, act, status, nodes },
                )?;
                let following = if status.is_final || episodes.stops(lane, 0) {
                    episodes.finish(lane, envs, status)?;
                    if size > 0 {
                        policy.initial_state(&mut states[at(lane)]);
                    }
                    episodes.start(lane, envs, &mut rngs[lane], poll)?
                } else {
                    if size > 0 {
                        states[at(lane)].copy_from_slice(&evaluator.states[at(i)]);
                    }
                    Some(actor.step())
                };
                next.extend(following.map(|made| LaneMove { lane, made }));
            }
            std::mem::swap(moves, next);
        }
        Ok(())
    }
}

/// What is made between two looks at the poll: a few milliseconds' worth of random moves.
const WORK_BETWEEN_POLLS: usize = 1 << 18;
/// A move that is observed costs as much as so many that are not.
const WORK_OF_A_MOVE: usize = 16;

/// Makes all moves, `acts` the actions that they name by rows, and appends what they lead to to `views`. `poll` is asked every few milliseconds,
/// however many moves there are and however far they scramble: `most_difficulty` at most.
pub(crate) fn advance(
    envs: &mut dyn VecEnv,
    (moves, acts): (&[LaneMove], &Acts),
    most_difficulty: usize,
    rngs: &mut [Rng],
    views: &mut Views,
    poll: Poll<'_>,
) -> Result<()> {
    let most_work = most_difficulty.max(WORK_OF_A_MOVE);
    let mut rest = moves;
    while !rest.is_empty() {
        poll()?;
        let mut work = 0;
        let fits = |told: &&LaneMove| {
            let is_room = work < WORK_BETWEEN_POLLS;
            work += match told.made {
                Move::Reset { difficulty } => difficulty.max(WORK_OF_A_MOVE),
                _ => WORK_OF_A_MOVE,
            };
            is_room
        };
        // To look at each move would take longer than the shortest ones take.
        let count = match rest.len().saturating_mul(most_work) <= WORK_BETWEEN_POLLS {
            true => rest.len(),
            false => rest.iter().take_while(fits).count(),
        };
        let (now, later) = rest.split_at(count);
        envs.advance(now, acts, rngs, views)?;
        rest = later;
    }
    Ok(())
}

/// How many of `num_cores` workers play with `policy`: one where a call is dear, whose results may depend
/// on what shares it. Which episodes those are is then the same in every run.
pub(crate) fn num_players(policy: &dyn Policy, num_cores: usize) -> usize {
    if policy.is_called_dearly() {
        1
    } else {
        num_workers(num_cores)
    }
}

/// Refuses a policy for another environment before anything is played.
pub(crate) fn check_fit(env: &dyn Env, policy: &dyn Policy) -> Result<()> {
    let spec = env.spec();
    if spec.obs.dtype() != policy.obs_dtype() {
        let expected = format!("{} as the environment has", spec.obs.dtype());
        return Err(Error::invalid("policy: observations", expected, policy.obs_dtype()));
    }
    if let (Some(expected), Some(got)) = (spec.obs.parts(), policy.obs_parts()) {
        expected.require_equal("policy: observations", got)?;
    }
    policy.head().check_fit(policy.num_actions(), &spec.acts)?;
    let (expected, got) = (spec.obs.num_features(), policy.num_features());
    if expected != got {
        let expected = format!("{expected} as the environment has");
        return Err(Error::invalid("policy: features", expected, got));
    }
    Ok(())
}

/// [`check_fit`] of a search, which has a branch for each of `A` actions.
pub(crate) fn check_search(env: &dyn Env, policy: &dyn Policy, who: &str) -> Result<()> {
    env.spec().acts.require_discrete(who)?;
    check_fit(env, policy)
}

/// Refuses a policy with memory to `who`, which shows it states out of the order of their episodes.
pub(crate) fn require_no_memory(policy: &dyn Policy, who: &str) -> Result<()> {
    match policy.state_size() {
        0 => Ok(()),
        size => {
            let expected = format!("one without memory, for {who}");
            Err(Error::invalid("policy", expected, format!("one that remembers {size} numbers")))
        }
    }
}

pub(crate) fn check_views(views: &Views, expected: usize, num_actions: usize) -> Result<()> {
    let counts = (views.rows.len(), views.masks.len(), views.status.len());
    if counts != (expected, expected * num_actions, expected) {
        let expected = format!("{expected} observations and states and {num_actions} masks each");
        return Err(Error::invalid("advance", expected, format!("{counts:?}")));
    }
    if let Some(status) = views.status.iter().find(|status| !status.reward.is_finite()) {
        return Err(Error::invalid("reward", "a finite number", status.reward));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes how many moves each call makes.
    #[derive(Default)]
    struct Noting(Vec<usize>);

    impl VecEnv for Noting {
        fn num_lanes(&self) -> usize {
            0
        }
        fn advance(
            &mut self,
            moves: &[LaneMove],
            _: &Acts,
            _: &mut [Rng],
            _: &mut Views,
        ) -> Result<()> {
            self.0.push(moves.len());
            Ok(())
        }
        fn load(&mut self, _: usize, _: &dyn Env) -> Result<()> {
            Ok(())
        }
        fn solution(&self, _: usize) -> Result<Option<Vec<i64>>> {
            Ok(None)
        }
    }

    fn calls(count: usize, made: Move) -> (Vec<usize>, usize) {
        let difficulty = match made {
            Move::Reset { difficulty } => difficulty,
            _ => 0,
        };
        let moves: Vec<LaneMove> = (0..count).map(|lane| LaneMove { lane, made }).collect();
        let (mut envs, mut polls) = (Noting::default(), 0);
        let poll = &mut || {
            polls += 1;
            Ok(())
        };
        advance(
            &mut envs,
            (&moves, &Acts::default()),
            difficulty,
            &mut [],
            &mut Views::default(),
            poll,
        )
        .unwrap();
        (envs.0, polls)
    }

    #[test]
    fn much_work_is_done_part_by_part() {
        assert_eq!(calls(96, Move::Reset { difficulty: 1_000_000 }), (vec![1; 96], 96));
        assert_eq!(calls(96, Move::Reset { difficulty: 200 }), (vec![96], 1));
        assert_eq!(calls(256, Move::Step { action: 0 }), (vec![256], 1));
        let part = WORK_BETWEEN_POLLS / WORK_OF_A_MOVE;
        assert_eq!(calls(2 * part + 1, Move::Observe), (vec![part, part, 1], 3));
        assert_eq!(calls(0, Move::Observe), (vec![], 0));
    }
}

//! Policies that remember: each episode from its first observation on, wherever it is played.

use std::sync::Arc;

use twisterl::collector::ppo::{collect, PpoConfig};
use twisterl::collector::{az, Table};
use twisterl::nn::{Policy, Scratch};
use twisterl::rl::env::Env;
use twisterl::rng::Rng;
use twisterl::search::{explore, TreeConfig};
use twisterl::solve::{evaluate, BeamConfig, EvalConfig, Starts, Strategy};
use twisterl::spaces::Rows;
use twisterl::{Error, Result};

const STEPS: usize = 7;

/// Shows how many steps were made, and what the last action was; ends after some.
#[derive(Clone, Default)]
struct Walk {
    steps: usize,
    last: usize,
}

impl Env for Walk {
    as_any!();
    fn num_actions(&self) -> usize {
        3
    }
    fn obs_shape(&self) -> Vec<usize> {
        vec![STEPS + 1 + 3]
    }
    fn set_state(&mut self, state: Vec<i64>) {
        (self.steps, self.last) = (state[0] as usize, 0);
    }
    fn reset(&mut self) {
        *self = Self::default();
    }
    fn step(&mut self, action: usize) {
        (self.steps, self.last) = (self.steps + 1, action);
    }
    fn is_final(&self) -> bool {
        self.steps >= STEPS - self.last
    }
    fn success(&self) -> bool {
        self.is_final() && self.last == 0
    }
    fn reward(&self) -> f32 {
        self.last as f32
    }
    fn observe(&self) -> Vec<usize> {
        vec![self.steps, STEPS + 1 + self.last]
    }
}

/// Remembers how many observations it saw and the last action that the last showed, and fails where
/// that does not fit what it sees. A value is the number of observations.
#[derive(Clone)]
struct Counting;

const FIRST: [f32; 2] = [100.0, -1.0];

impl Policy for Counting {
    fn num_actions(&self) -> usize {
        3
    }
    fn num_features(&self) -> usize {
        STEPS + 1 + 3
    }
    fn num_twists(&self) -> usize {
        0
    }
    fn state_size(&self) -> usize {
        2
    }
    fn initial_state(&self, state: &mut [f32]) {
        state.copy_from_slice(&FIRST);
    }
    fn forward_batch(
        &self,
        rows: &Rows,
        twists: Option<&[i32]>,
        scratch: &mut Scratch,
        logits: &mut [f32],
        values: &mut [f32],
    ) -> Result<()> {
        let mut states = FIRST.repeat(rows.len());
        self.step_batch(rows, twists, &mut states, scratch, logits, values)
    }
    fn step_batch(
        &self,
        rows: &Rows,
        _: Option<&[i32]>,
        states: &mut [f32],
        _: &mut Scratch,
        logits: &mut [f32],
        values: &mut [f32],
    ) -> Result<()> {
        logits.fill(0.0);
        assert_eq!(states.len(), 2 * rows.len());
        for (row, state) in states.chunks_exact_mut(2).enumerate() {
            let expected = FIRST[0] + rows.row(row)[0] as f32;
            if state[0] != expected {
                return Err(Error::invalid("state", expected.to_string(), state[0]));
            }
            values[row] = state[0];
            state.copy_from_slice(&[state[0] + 1.0, rows.row(row)[1] as f32]);
        }
        Ok(())
    }
    fn share(&self) -> Arc<dyn Policy> {
        Arc::new(self.clone())
    }
}

fn collected(num_cores: usize, cache: bool) -> Table {
    let config = PpoConfig { num_episodes: 150, num_cores, cache, ..PpoConfig::default() };
    collect(&Walk::default(), &Counting, &config, &config.work(3, 1), &mut || Ok(())).unwrap()
}

#[test]
fn each_lane_remembers_its_episode_alone() {
    let table = collected(1, true);
    let states = table.get::<f32>("states").unwrap();
    let rows = table.rows("obs").unwrap();
    for bounds in table.episode_starts.windows(2) {
        let (from, to) = (bounds[0] as usize, bounds[1] as usize);
        for row in from..to {
            let before = match row == from {
                true => FIRST[1],
                false => rows.row(row - 1)[1] as f32,
            };
            assert_eq!(states[2 * row..][..2], [FIRST[0] + (row - from) as f32, before]);
        }
    }
    for (num_cores, cache) in [(2, true), (1, false), (2, false)] {
        assert_eq!(collected(num_cores, cache), table);
    }
}

/// The policy fails where it is not given what it remembered on the way to a state.
#[test]
fn a_search_remembers_the_way_to_each_state() {
    for max_expand_depth in [1, 3] {
        let tree = TreeConfig { num_simulations: 60, max_expand_depth, ..TreeConfig::default() };
        let found = explore(&Walk::default(), &Counting, &tree, Rng::new(0), &mut || Ok(()));
        assert!(found.unwrap().tree.len() > 30);
        for reuse in [false, true] {
            let tree = TreeConfig { reuse, ..tree };
            let config = EvalConfig { strategy: Strategy::Mcts(tree), ..EvalConfig::default() };
            let starts = Starts::Reset(5);
            let played =
                evaluate(&Walk::default(), &Counting, starts, &config, 0, &mut || Ok(())).unwrap();
            assert!(played.iter().all(|episode| episode.actions.len() >= STEPS - 2));
        }
    }
}

#[test]
fn what_jumps_between_states_refuses_a_memory() {
    let starts = || Starts::Reset(1);
    let refused = |strategy| {
        let config = EvalConfig { strategy, ..EvalConfig::default() };
        evaluate(&Walk::default(), &Counting, starts(), &config, 0, &mut || Ok(()))
            .unwrap_err()
            .to_string()
    };
    let text =
        "policy: expected one without memory, for a beam search, got one that remembers 2 numbers";
    assert_eq!(refused(Strategy::Beam(BeamConfig::default())), text);
    let text = "policy: expected one without memory, for looking ahead by values, got one that remembers 2 numbers";
    assert_eq!(refused(Strategy::Value), text);
    let config = az::AzConfig::default();
    let played =
        az::collect(&Walk::default(), &Counting, &config, &config.work(0, 0), &mut || Ok(()));
    let text = "policy: expected one without memory, for self-play by searching, got one that remembers 2 numbers";
    assert_eq!(played.unwrap_err().to_string(), text);
}

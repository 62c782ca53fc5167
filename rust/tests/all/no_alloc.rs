//! Nothing is allocated per step.

use serde_json::json;
use twisterl::collector::az::{self, AzConfig};
use twisterl::collector::ppo::{collect, PpoConfig};
use twisterl::envs::puzzle::Puzzle;
use twisterl::envs::{ENVIRONMENTS, TASKS};
use twisterl::rl::env::EnvObject;
use twisterl::rl::vec_env::{LaneMove, Move, Views};
use twisterl::rng::Rng;
use twisterl::search::{RootSelection, SelfPlay, TreeConfig};
use twisterl::spaces::{Act, ActSpace, Acts};
use twisterl::testing::{random_policy, Widths};

use crate::counting::allocations;

#[test]
fn environments_step_without_allocating() {
    for entry in ENVIRONMENTS {
        let given = json!({"difficulty": 32, "max_depth": 64});
        let mut env = entry.make(given.as_object().unwrap()).unwrap();
        let mut nodes = env.nodes(2).unwrap();
        let num_actions = env.num_actions() as u32;
        let mut rngs = [1, 2].map(Rng::new);
        let mut rng = Rng::new(3);
        let mut indices = Vec::with_capacity(env.obs_shape().iter().product());
        let mut masks = vec![false; env.num_actions()];
        let mut views = Views::default();
        let mut play = |steps: usize| {
            for step in 0..steps {
                match step % 50 {
                    0 => env.try_reset(&mut rng).unwrap(),
                    25 => env.try_reset_uniform(&mut rng).unwrap(),
                    _ => {}
                }
                indices.clear();
                env.try_observe(&mut indices).unwrap();
                env.try_masks(&mut masks).unwrap();
                std::hint::black_box(env.try_status().unwrap());
                env.try_step(rng.below(num_actions) as usize).unwrap();
                views.clear();
                let action = rng.below(num_actions) as usize;
                let (parent, lane) = (step % 2, 1 - step % 2);
                let moves = [LaneMove { lane, made: Move::StepFrom { parent, action } }];
                nodes.advance(&moves, &Acts::default(), &mut rngs, &mut views).unwrap();
            }
        };
        // Until the buffers have seen the longest observations.
        play(5000);
        let counted = allocations(|| play(10_000));
        // A uniform board of the sliding puzzle is drawn into a vector.
        let allowed = if entry.class == "Puzzle" { 10_000 / 50 } else { 0 };
        assert!(counted <= allowed, "{}: {counted} allocations", entry.class);
    }
}

#[test]
fn tasks_step_without_allocating() {
    for entry in TASKS {
        let mut env = entry.make(&Default::default()).unwrap();
        let acts = middle(&env.spec().acts);
        let mut nodes = env.nodes(2).unwrap();
        let (mut rng, mut rngs) = (Rng::new(3), [1, 2].map(Rng::new));
        let mut views = Views::default();
        let mut words = Vec::with_capacity(env.obs_shape().iter().product());
        let mut play = |steps: usize| {
            for _ in 0..steps {
                env.try_act(acts.row(0)).unwrap();
                if env.try_status().unwrap().is_final {
                    env.try_reset(&mut rng).unwrap();
                }
                words.clear();
                env.try_observe(&mut words).unwrap();
                views.clear();
                let step = match acts.row(0) {
                    Act::Discrete(action) => Move::Step { action },
                    _ => Move::Act { row: 0 },
                };
                let moves = [LaneMove { lane: 0, made: step }];
                nodes.advance(&moves, &acts, &mut rngs, &mut views).unwrap();
            }
        };
        play(200);
        assert_eq!(allocations(|| play(1000)), 0, "{}", entry.class);
    }
}

/// An action of `space`.
fn middle(space: &ActSpace) -> Acts {
    let mut acts = Acts::of(space);
    match space {
        ActSpace::Discrete { .. } => acts.push(Act::Discrete(1)),
        ActSpace::MultiDiscrete { nvec } => acts.push(Act::Multi(&vec![1; nvec.len()])),
        ActSpace::Box { low, .. } => acts.push(Act::Box(&vec![0.0; low.len()])),
    }
    acts
}

#[test]
fn lanes_advance_without_allocating() {
    let env = Puzzle::new(3, 3, 32, 2, 64).unwrap();
    let num_lanes = 64;
    let mut lanes = env.lanes(num_lanes).unwrap();
    let mut rngs: Vec<Rng> = (0..num_lanes as u64).map(Rng::new).collect();
    let mut views = Views::default();
    let mut moves: Vec<LaneMove> = (0..num_lanes)
        .map(|lane| LaneMove { lane, made: Move::Reset { difficulty: 32 } })
        .collect();
    let mut draw = Rng::new(9);
    let mut advance = |steps: usize| {
        for _ in 0..steps {
            views.clear();
            lanes.advance(&moves, &Acts::default(), &mut rngs, &mut views).unwrap();
            for (LaneMove { made, .. }, status) in moves.iter_mut().zip(&views.status) {
                *made = match status.is_final {
                    true => Move::Reset { difficulty: 32 },
                    false => Move::Step { action: draw.below(4) as usize },
                };
            }
        }
    };
    advance(2);
    assert_eq!(allocations(|| advance(1000)), 0);
}

/// Eight times the episodes take eight times the steps. Buffers that hold the result double
/// now and then, and that alone: a vector of 2^20 elements has grown 20 times.
#[test]
fn collection_allocates_for_its_result_alone() {
    let env = Puzzle::new(3, 3, 32, 2, 256).unwrap();
    let policy = random_policy(&env, Widths { embedding: 16, common: 16 }, 3).unwrap();
    for cache in [false, true] {
        let run = |num_episodes: usize| {
            let config = PpoConfig { num_episodes, num_cores: 1, cache, ..PpoConfig::default() };
            let mut steps = 0;
            let counted = allocations(|| {
                steps = collect(&env, &policy, &config, &config.work(0, 0), &mut || Ok(()))
                    .unwrap()
                    .len();
            });
            (steps, counted)
        };
        // Both runs fill all lanes, whose recordings grow to the longest episode once.
        let (few_steps, few) = run(512);
        let (many_steps, many) = run(512 * 8);
        assert!(many_steps > few_steps + 50_000, "{few_steps} and {many_steps} steps");
        assert!(many < few + 200, "cache {cache}: {few} allocations, then {many}");
    }
}

/// Four times the simulations a move: the trees are larger, and that alone costs allocations,
/// a few for each game and none for a simulation.
#[test]
fn a_simulation_allocates_nothing() {
    let env = Puzzle::new(3, 3, 8, 2, 64).unwrap();
    let policy = random_policy(&env, Widths { embedding: 16, common: 16 }, 3).unwrap();
    for root_selection in [RootSelection::Puct, RootSelection::Gumbel] {
        for cache in [false, true] {
            let run = |num_simulations: usize| {
                let tree = TreeConfig { num_simulations, root_selection, ..TreeConfig::default() };
                let config = AzConfig {
                    num_episodes: 200,
                    tree,
                    self_play: SelfPlay { exploration_fraction: 0.25, ..SelfPlay::default() },
                    max_moves: Some(12),
                    num_cores: 1,
                    cache,
                    ..AzConfig::default()
                };
                let mut simulations = 0;
                let counted = allocations(|| {
                    let run =
                        az::collect(&env, &policy, &config, &config.work(0, 0), &mut || Ok(()));
                    simulations = run.unwrap().1.simulations;
                });
                // Every slot of the environment is a copy with a board of its own; below a Gumbel
                // root trees are kept that hold four moves' simulations.
                let moves = if root_selection == RootSelection::Gumbel { 4 } else { 1 };
                let slots = 32 * (moves * num_simulations + 1);
                (simulations, counted - slots)
            };
            let (few_simulations, few) = run(16);
            let (many_simulations, many) = run(64);
            assert!(many_simulations > few_simulations + 20_000, "{many_simulations}");
            assert!(many < few + 400, "{root_selection:?}, cache {cache}: {few}, then {many}");
        }
    }
}

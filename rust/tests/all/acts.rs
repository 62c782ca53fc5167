//! Actions of parts and of numbers in the core: drawn, bounded, played, recorded.

use std::borrow::Cow;

use twisterl::collector::az::{self, AzConfig};
use twisterl::collector::ppo::{collect, Collector, PpoConfig};
use twisterl::collector::walk::{self, WalkConfig};
use twisterl::envs::puzzle::Puzzle;
use twisterl::exact::{self, Solver};
use twisterl::nn::Policy;
use twisterl::rl::env::Env;
use twisterl::rl::spec::EnvSpec;
use twisterl::rng::Rng;
use twisterl::search::{explore, Budget, TreeConfig};
use twisterl::solve::{evaluate, solve, BeamConfig, EvalConfig, Starts, Strategy};
use twisterl::spaces::{Act, ActSpace};
use twisterl::testing::{random_policy, Widths};
use twisterl::Result;

const STEPS: usize = 3;

/// Three steps, each of which is worth the sum of the numbers or choices played.
#[derive(Clone)]
struct Sum {
    space: ActSpace,
    steps: usize,
    sum: f32,
}

impl Sum {
    fn of(space: ActSpace) -> Self {
        Self { space, steps: 0, sum: 0.0 }
    }
    fn numbers() -> Self {
        Self::of(ActSpace::Box { low: vec![-0.5, 0.0], high: vec![0.5, 2.0] })
    }
    fn parts() -> Self {
        Self::of(ActSpace::MultiDiscrete { nvec: vec![3, 2] })
    }
}

impl Env for Sum {
    as_any!();
    fn num_actions(&self) -> usize {
        self.space.num_choices()
    }
    fn obs_shape(&self) -> Vec<usize> {
        vec![STEPS + 1]
    }
    fn set_state(&mut self, _: Vec<i64>) {
        (self.steps, self.sum) = (0, 0.0);
    }
    fn reset(&mut self) {
        self.set_state(vec![]);
    }
    fn step(&mut self, _: usize) {
        panic!("not one of a list");
    }
    /// The first choice of the first part is forbidden.
    fn try_masks(&self, masks: &mut [bool]) -> Result<()> {
        masks.fill(true);
        masks.iter_mut().take(1).for_each(|mask| *mask = false);
        Ok(())
    }
    fn is_final(&self) -> bool {
        self.steps == STEPS
    }
    fn success(&self) -> bool {
        false
    }
    fn reward(&self) -> f32 {
        self.sum
    }
    fn observe(&self) -> Vec<usize> {
        vec![self.steps]
    }
    fn spec(&self) -> Cow<'_, EnvSpec> {
        Cow::Owned(EnvSpec { acts: self.space.clone(), ..EnvSpec::of(self) })
    }
    fn try_act(&mut self, act: Act<'_>) -> Result<()> {
        self.space.check_act("action", act)?;
        self.steps += 1;
        self.sum = match act {
            Act::Multi(choices) => choices.iter().sum::<i64>() as f32,
            Act::Box(numbers) => numbers.iter().sum(),
            Act::Discrete(_) => panic!("not one of a list"),
        };
        Ok(())
    }
}

fn config(num_cores: usize) -> PpoConfig {
    PpoConfig { num_episodes: 40, num_cores, ..PpoConfig::default() }
}

fn policy(env: &dyn Env) -> twisterl::nn::Network {
    random_policy(env, Widths { embedding: 16, common: 16 }, 3).unwrap()
}

#[test]
fn what_is_recorded_is_what_was_drawn_and_its_bounded_form_was_played() {
    for env in [Sum::numbers(), Sum::parts()] {
        let (policy, config) = (policy(&env), config(2));
        let table = collect(&env, &policy, &config, &config.work(1, 0), &mut || Ok(())).unwrap();
        let again = PpoConfig { cache: false, ..self::config(1) };
        assert_eq!(
            table,
            collect(&env, &policy, &again, &config.work(1, 0), &mut || Ok(())).unwrap()
        );
        let (outputs, choices) = (policy.num_actions(), env.num_actions());
        assert_eq!(table.len(), 40 * (STEPS + 1));
        let [logits, log_probs, rewards] =
            ["logits", "log_probs", "rewards"].map(|name| table.get::<f32>(name).unwrap());
        let masks = table.get::<bool>("masks").unwrap();
        assert_eq!(masks.len(), table.len() * choices);
        let mut different = std::collections::HashSet::new();
        for row in 0..table.len() {
            if row % (STEPS + 1) == STEPS {
                continue;
            }
            let (ints, floats) = match &env.space {
                ActSpace::Box { .. } => {
                    (vec![], table.get::<f32>("actions").unwrap()[2 * row..][..2].to_vec())
                }
                _ => (table.get::<i64>("actions").unwrap()[2 * row..][..2].to_vec(), vec![]),
            };
            let act = if ints.is_empty() { Act::Box(&floats) } else { Act::Multi(&ints) };
            let (x, m) = (&logits[row * outputs..][..outputs], &masks[row * choices..][..choices]);
            let told = policy.head().log_prob(x, m, act).unwrap();
            assert!((told - log_probs[row]).abs() < 1e-5, "{told} {}", log_probs[row]);
            let played: f32 = match act {
                Act::Box(x) => x[0].clamp(-0.5, 0.5) + x[1].clamp(0.0, 2.0),
                _ => (ints[0] + ints[1]) as f32,
            };
            assert!(ints.is_empty() || ints[0] > 0);
            assert!((played - rewards[row + 1]).abs() < 1e-6);
            different.insert(played.to_bits());
        }
        assert!(different.len() > 2);
    }
}

/// Columns are kept between collections, and become those of another environment.
#[test]
fn a_collector_goes_from_one_environment_to_another() {
    let mut collector = Collector::default();
    let puzzle = Puzzle::new(2, 2, 3, 2, 16).unwrap();
    let envs: [Box<dyn Env>; 4] = [
        Box::new(Sum::numbers()),
        Box::new(puzzle),
        Box::new(Sum::parts()),
        Box::new(Sum::of(ActSpace::MultiDiscrete { nvec: vec![2, 2, 2] })),
    ];
    for env in &envs {
        let (policy, config) = (policy(&**env), config(1));
        let work = config.work(2, 0);
        let kept = collector.collect(&**env, &policy, &config, &work, &mut || Ok(())).unwrap();
        assert_eq!(kept, collect(&**env, &policy, &config, &work, &mut || Ok(())).unwrap());
    }
}

/// Of a normal distribution the likeliest are the means, which take no draws.
#[test]
fn evaluation_plays_the_likeliest() {
    let env = Sum::numbers();
    let config = EvalConfig { deterministic: true, ..EvalConfig::default() };
    let judged = |seed| {
        evaluate(&env, &policy(&env), Starts::Reset(3), &config, seed, &mut || Ok(())).unwrap()
    };
    assert_eq!(judged(1), judged(2));
    assert_eq!((judged(1)[0].len(), judged(1)[0].actions.len()), (STEPS as u64, 0));
}

#[test]
fn what_needs_a_list_of_actions_says_so() {
    for env in [Sum::numbers(), Sum::parts()] {
        let (policy, poll) = (policy(&env), &mut || Ok(()));
        let az = AzConfig { num_episodes: 1, ..AzConfig::default() };
        let walks = WalkConfig { num_walks: 1, walk_length: 1, num_cores: 1, ..Default::default() };
        let mut told = vec![
            az::collect(&env, &policy, &az, &az.work(0, 0), poll).map(drop),
            walk::collect(&env, &walks, &walks.work(0, 0), poll).map(drop),
            explore(&env, &policy, &TreeConfig::default(), Rng::new(0), poll).map(drop),
            solve(&env, &policy, &EvalConfig::default(), 0, poll).map(drop),
            Solver::new(&env, 10, poll).map(drop),
            exact::solve(&env, &[], Budget::default(), poll).map(drop),
        ];
        let beam = BeamConfig { width: 2, value_weight: 0.0, ..BeamConfig::default() };
        for strategy in
            [Strategy::Mcts(TreeConfig::default()), Strategy::Value, Strategy::Beam(beam)]
        {
            let config = EvalConfig { strategy, ..EvalConfig::default() };
            told.push(evaluate(&env, &policy, Starts::Reset(1), &config, 0, poll).map(drop));
        }
        for (place, told) in told.into_iter().enumerate() {
            let told = told.unwrap_err().to_string();
            let expected = "env: expected an environment with discrete actions (for ";
            assert!(told.starts_with(expected), "{place}: {told}");
        }
    }
}

#[test]
fn starts_that_are_not_there() {
    let env = Sum::parts();
    let config = EvalConfig::default();
    let told = evaluate(&env, &policy(&env), Starts::Uniform(1), &config, 0, &mut || Ok(()));
    let expected = "start: expected \"reset\" (Sum has no reset_uniform), got \"uniform\"";
    assert_eq!(told.unwrap_err().to_string(), expected);
    let mut env = env;
    assert!(env.try_reset_uniform(&mut Rng::new(0)).is_err());
    let told = env.try_reset_goal(&mut Rng::new(0)).unwrap_err().to_string();
    assert!(told.contains("(reset_goal), got Sum without it"), "{told}");
}

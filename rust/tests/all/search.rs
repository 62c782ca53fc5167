//! Searching, and playing by it: what it promises whatever the threads and the cache.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::Duration;

use crate::common::random_policy;
use twisterl::collector::az::{collect, AzConfig};
use twisterl::collector::ppo::DifficultyDistribution;
use twisterl::collector::Table;
use twisterl::envs::puzzle::Puzzle;
use twisterl::nn::PlayPrecision;
use twisterl::rl::env::Env;
use twisterl::rng::Rng;
use twisterl::search::{Budget, RootSelection, SelfPlay, TreeConfig, Truncation};
use twisterl::solve::{evaluate, Episode, EvalConfig, Starts, Strategy};
use twisterl::Result;

fn config() -> AzConfig {
    AzConfig {
        num_episodes: 60,
        tree: TreeConfig { num_simulations: 12, gamma: 0.9, ..TreeConfig::default() },
        self_play: SelfPlay { exploration_fraction: 0.25, ..SelfPlay::default() },
        num_cores: 1,
        difficulty_distribution: DifficultyDistribution::Uniform,
        max_moves: Some(20),
        resign_threshold: None,
        resign_exempt: 0.0,
        max_episode_steps: None,
        cache: true,
        precision: PlayPrecision::F32,
    }
}

fn collected(env: &dyn Env, config: &AzConfig, iteration: u64) -> Result<Table> {
    let work = config.work(11, iteration);
    Ok(collect(env, &random_policy(env, 5), config, &work, &mut || Ok(()))?.0)
}

#[test]
fn threads_and_cache_change_nothing() {
    let env = Puzzle::new(3, 3, 12, 2, 64).unwrap();
    for (max_expand_depth, root_selection) in
        [(1, RootSelection::Puct), (3, RootSelection::Puct), (1, RootSelection::Gumbel)]
    {
        let mut config = config();
        config.tree = TreeConfig { max_expand_depth, root_selection, ..config.tree };
        let one = collected(&env, &config, 0).unwrap();
        for (num_cores, cache) in [(2, true), (1, false), (2, false)] {
            let other = AzConfig { num_cores, cache, ..config.clone() };
            assert_eq!(collected(&env, &other, 0).unwrap(), one);
        }
        assert_ne!(collected(&env, &config, 1).unwrap(), one);
        assert_eq!(one.episode_starts.len(), 61);
        assert!(env.solved(), "the caller's environment was touched");
    }
}

#[test]
fn targets_are_visits_and_discounted_rewards() {
    let env = Puzzle::new(3, 3, 12, 2, 64).unwrap();
    let table = collected(&env, &config(), 0).unwrap();
    let floats = |name| table.get::<f32>(name).unwrap();
    let (rewards, returns, visits) = (floats("rewards"), floats("returns"), floats("visits"));
    let (masks, actions) =
        (table.get::<bool>("masks").unwrap(), table.get::<i64>("actions").unwrap());
    let mut longest = 0;
    for pair in table.episode_starts.windows(2) {
        let (from, to) = (pair[0] as usize, pair[1] as usize);
        longest = longest.max(to - from);
        let mut following = 0.0;
        for row in (from..to).rev() {
            following = rewards[row] + 0.9 * following;
            assert!((returns[row] - following).abs() < 1e-5);
            let ended = [1.0, -0.5].contains(&rewards[row]);
            let target = &visits[row * 4..][..4];
            let masks = &masks[row * 4..][..4];
            let sum: f32 = target.iter().sum();
            assert!((sum - if ended { 0.0 } else { 1.0 }).abs() < 1e-6, "{target:?}");
            assert!(target.iter().zip(masks).all(|(&share, &legal)| legal || share == 0.0));
            // Twelve simulations, none lost.
            assert!(target
                .iter()
                .all(|share| (share * 12.0 - (share * 12.0).round()).abs() < 1e-5));
            assert!(ended || target[actions[row] as usize] > 0.0);
        }
    }
    assert_eq!(longest, 20, "max_moves");
}

#[test]
fn a_search_solves_more_than_its_policy() {
    let env = Puzzle::new(3, 3, 10, 2, 64).unwrap();
    let policy = random_policy(&env, 5);
    let solved = |strategy, num_cores| {
        let config =
            EvalConfig { strategy, num_cores, deterministic: true, ..EvalConfig::default() };
        let starts = Starts::Reset(200);
        let episodes = evaluate(&env, &policy, starts, &config, 3, &mut || Ok(())).unwrap();
        episodes.iter().filter(|episode| episode.success).count()
    };
    let tree = TreeConfig { num_simulations: 64, ..TreeConfig::default() };
    let searched = solved(Strategy::Mcts(tree), 1);
    assert_eq!(solved(Strategy::Mcts(tree), 2), searched);
    assert!(searched > solved(Strategy::Policy, 1) + 20, "{searched} of 200");
}

/// On the board of four tiles that forbids to undo, a tree is a line and is kept whole: its memory
/// is needed to the last state.
#[test]
fn a_kept_tree_saves_states_and_keeps_to_its_memory() {
    let wide = Puzzle::new(4, 4, 80, 2, 64).unwrap();
    let mut line = Puzzle::new(2, 2, 40, 2, 64).unwrap();
    line.set_forbid_undo(true);
    for (env, saved) in [(&wide, 0.95), (&line, 1.0)] {
        let policy = random_policy(env, 5);
        for root_selection in [RootSelection::Puct, RootSelection::Gumbel] {
            for (num_simulations, max_expand_depth) in [(1, 1), (2, 3), (5, 1), (7, 2), (16, 1)] {
                let states_a_move = |reuse| {
                    let tree = TreeConfig {
                        num_simulations,
                        max_expand_depth,
                        root_selection,
                        reuse,
                        ..TreeConfig::default()
                    };
                    let config =
                        EvalConfig { strategy: Strategy::Mcts(tree), ..EvalConfig::default() };
                    let starts = Starts::Uniform(20);
                    let found = evaluate(env, &policy, starts, &config, 3, &mut || Ok(())).unwrap();
                    let moves: usize = found.iter().map(|episode| episode.actions.len()).sum();
                    let states: u64 = found.iter().map(|episode| episode.nodes).sum();
                    states as f64 / moves as f64
                };
                let (kept, anew) = (states_a_move(true), states_a_move(false));
                assert!(kept <= saved * anew, "{kept} {anew} {root_selection:?} {num_simulations}");
            }
        }
    }
}

/// A line of places `0..10`, solved at 0. Every observation may mirror it, which the next step
/// undoes; observing a state twice, or stepping one that was not observed, is refused. With
/// `chance` a step may also fail.
#[derive(Clone)]
struct Mirrored {
    at: usize,
    left: usize,
    /// How often the state has been observed, and whether it is mirrored.
    seen: Arc<Seen>,
    /// What no seed reaches.
    chance: Option<Arc<AtomicUsize>>,
    no_action: bool,
    played: Vec<usize>,
}

#[derive(Default)]
struct Seen {
    times: AtomicUsize,
    mirrored: AtomicBool,
}

impl Mirrored {
    fn new(at: usize) -> Self {
        let (seen, played) = (Arc::default(), Vec::new());
        Self { at, left: 12, seen, chance: None, no_action: false, played }
    }

    fn flip(&self) -> bool {
        self.seen.mirrored.load(Ordering::Relaxed)
    }
}

impl Env for Mirrored {
    as_any!();
    fn num_actions(&self) -> usize {
        2
    }
    fn obs_shape(&self) -> Vec<usize> {
        vec![20]
    }
    fn set_state(&mut self, state: Vec<i64>) {
        let Self { chance, no_action, .. } = self.clone();
        *self = Self { chance, no_action, ..Self::new(state[0] as usize) };
    }
    fn reset(&mut self) {
        self.set_state(vec![4]);
    }
    fn step(&mut self, action: usize) {
        assert_eq!(self.seen.times.load(Ordering::Relaxed), 1, "stepped without one observation");
        let fails =
            |chance: &Arc<AtomicUsize>| chance.fetch_add(1, Ordering::Relaxed).is_multiple_of(3);
        if !self.chance.as_ref().is_some_and(fails) {
            let right = (action == 1) != self.flip();
            self.at = if right { (self.at + 1).min(9) } else { self.at - 1 };
        }
        self.left -= 1;
        self.played.push(action);
        self.seen = Arc::default();
    }
    fn masks(&self) -> Vec<bool> {
        vec![!self.no_action; 2]
    }
    fn is_final(&self) -> bool {
        self.at == 0 || self.left == 0
    }
    fn success(&self) -> bool {
        self.at == 0
    }
    fn reward(&self) -> f32 {
        if self.success() {
            1.0
        } else {
            -0.01
        }
    }
    fn observe(&self) -> Vec<usize> {
        assert_eq!(self.seen.times.fetch_add(1, Ordering::Relaxed), 0, "observed twice");
        // Which states are mirrored is as good as random: it depends on how they were reached.
        let way: usize = self.played.iter().fold(self.at, |hash, action| hash * 31 + action * 7);
        let mirrored = way % 5 < 2;
        self.seen.mirrored.store(mirrored, Ordering::Relaxed);
        vec![self.at + if mirrored { 10 } else { 0 }]
    }
    fn track_solution(&self) -> bool {
        true
    }
    fn solution(&self) -> Vec<usize> {
        self.played.clone()
    }
}

#[test]
fn stateful_and_random_environments_are_searched_as_they_are() {
    // Broad enough to meet the goal, four moves away, whatever the untrained policy says.
    let broad = TreeConfig { exploration: 20.0, value_weight: 0.0, ..TreeConfig::default() };
    let tree = TreeConfig { num_simulations: 200, ..broad };
    for root_selection in [RootSelection::Puct, RootSelection::Gumbel] {
        for chance in [None, Some(Arc::default())] {
            let env = Mirrored { chance: chance.clone(), ..Mirrored::new(4) };
            let tree = TreeConfig { root_selection, ..tree };
            let strategy = Strategy::Mcts(tree);
            let config = EvalConfig { strategy, deterministic: true, ..EvalConfig::default() };
            let starts = Starts::Reset(20);
            let policy = random_policy(&env, 2);
            let episodes = evaluate(&env, &policy, starts, &config, 0, &mut || Ok(())).unwrap();
            let solved: Vec<_> = episodes.iter().filter(|episode| episode.success).collect();
            assert!(solved.len() >= 15, "{} solved, chance {chance:?}", solved.len());
            // The environment's own record is the answer, and has a step for every move made.
            let most = if chance.is_some() { 12 } else { 4 };
            assert!(solved.iter().all(|episode| (4..=most).contains(&episode.actions.len())));
            let config = AzConfig { tree, num_episodes: 20, max_moves: Some(30), ..self::config() };
            let table = collected(&env, &config, 0).unwrap();
            assert!(table.get::<f32>("returns").unwrap().contains(&1.0));
        }
    }
}

/// One move decides, by a coin that no search can see: each of eight actions wins half the time.
#[derive(Clone)]
struct Coin {
    coin: Arc<AtomicUsize>,
    won: Option<bool>,
}

impl Env for Coin {
    as_any!();
    fn num_actions(&self) -> usize {
        8
    }
    fn obs_shape(&self) -> Vec<usize> {
        vec![3]
    }
    fn set_state(&mut self, _: Vec<i64>) {
        self.won = None;
    }
    fn reset(&mut self) {
        self.won = None;
    }
    fn step(&mut self, _: usize) {
        // A multiplicative hash of how many coins were tossed: no short pattern.
        let toss = self.coin.fetch_add(1, Ordering::Relaxed) as u64;
        self.won = Some(Rng::new(toss).below(2) == 0);
    }
    fn is_final(&self) -> bool {
        self.won.is_some()
    }
    fn success(&self) -> bool {
        self.won == Some(true)
    }
    fn reward(&self) -> f32 {
        f32::from(u8::from(self.success()))
    }
    fn observe(&self) -> Vec<usize> {
        vec![self.won.map_or(0, |won| 1 + usize::from(won))]
    }
}

/// A search that played into the very outcome it has seen would win 255 of 256 games.
#[test]
fn the_move_made_is_not_the_one_foreseen() {
    let env = Coin { coin: Arc::default(), won: None };
    let policy = random_policy(&env, 2);
    let tree = TreeConfig { num_simulations: 32, exploration: 4.0, ..TreeConfig::default() };
    let config = EvalConfig { strategy: Strategy::Mcts(tree), ..EvalConfig::default() };
    let episodes = evaluate(&env, &policy, Starts::Reset(400), &config, 0, &mut || Ok(())).unwrap();
    let won = episodes.iter().filter(|episode| episode.success).count();
    // 400 fair coins: 200, give or take five standard deviations.
    assert!((150..=250).contains(&won), "{won} of 400");
}

#[test]
fn a_state_without_actions_is_named() {
    let env = Mirrored { no_action: true, ..Mirrored::new(4) };
    let error = collected(&env, &config(), 0).map(|table| table.len()).unwrap_err().to_string();
    assert!(error.contains("features [") && error.contains("no action"), "{error}");
}

#[test]
fn a_budget_ends_a_search() {
    let env = Puzzle::new(4, 4, 80, 2, 256).unwrap();
    let policy = random_policy(&env, 5);
    let tree = TreeConfig { num_simulations: 5_000, ..TreeConfig::default() };
    let play = |budget, num_cores| {
        let strategy = Strategy::Mcts(tree);
        let config = EvalConfig { strategy, budget, num_cores, ..EvalConfig::default() };
        evaluate(&env, &policy, Starts::Uniform(4), &config, 3, &mut || Ok(())).unwrap()
    };
    let nodes = Budget { nodes: Some(300), time: None };
    let episodes = play(nodes, 1);
    assert!(episodes.iter().all(|episode| episode.nodes == 300 && !episode.success));
    assert_eq!(play(nodes, 2), episodes);
    let time = Budget { nodes: None, time: Some(Duration::from_millis(1)) };
    assert!(play(time, 1).iter().all(|episode| episode.nodes < 1_000_000));
}

/// The first try begins in any case; it ends at its first move, and no other one follows.
#[test]
fn a_limit_of_time_ends_tries() {
    let env = Puzzle::new(4, 4, 80, 2, 256).unwrap();
    let policy = random_policy(&env, 5);
    let tree = TreeConfig { num_simulations: 5, ..TreeConfig::default() };
    let budget = Budget { nodes: None, time: Some(Duration::ZERO) };
    for strategy in [Strategy::Policy, Strategy::Mcts(tree)] {
        let config = EvalConfig { strategy, num_searches: 20, budget, ..EvalConfig::default() };
        let starts = Starts::Uniform(3);
        let found = evaluate(&env, &policy, starts, &config, 3, &mut || Ok(())).unwrap();
        let is_short = |episode: &Episode| episode.nodes <= 2 && episode.actions.len() <= 1;
        assert!(found.iter().all(is_short), "{strategy:?} {found:?}");
    }
}

/// Trees for all simulations would take a gigabyte a start, and minutes.
#[test]
fn a_budget_bounds_the_memory_of_a_search() {
    let env = Puzzle::new(4, 4, 80, 2, 256).unwrap();
    let policy = random_policy(&env, 5);
    for max_expand_depth in [1, 3] {
        let tree =
            TreeConfig { num_simulations: 1_000_000, max_expand_depth, ..TreeConfig::default() };
        let strategy = Strategy::Mcts(tree);
        for budget in [
            Budget { nodes: Some(300), time: None },
            Budget { nodes: None, time: Some(Duration::from_micros(100)) },
        ] {
            let config = EvalConfig { strategy, budget, ..EvalConfig::default() };
            let starts = Starts::Uniform(3);
            let found = evaluate(&env, &policy, starts, &config, 3, &mut || Ok(())).unwrap();
            let most = budget.nodes.map_or(2_000, |nodes| nodes + 2);
            assert!(found.iter().all(|episode| episode.nodes <= most), "{budget:?} {found:?}");
        }
    }
}

/// Short numbers lead elsewhere now and then, to the same episodes whatever the threads and the cache.
#[test]
fn short_numbers_teach() {
    let env = Puzzle::new(3, 3, 12, 2, 64).unwrap();
    let exact = collected(&env, &config(), 0).unwrap();
    let short = AzConfig { precision: PlayPrecision::Int8, ..config() };
    let found = collected(&env, &short, 0).unwrap();
    for (num_cores, cache) in [(2, true), (1, false)] {
        let other = AzConfig { num_cores, cache, ..short.clone() };
        assert_eq!(collected(&env, &other, 0).unwrap(), found);
    }
    assert_ne!(found, exact);
}

#[test]
fn hopeless_episodes_are_given_up_but_for_the_exempt() {
    let env = Puzzle::new(3, 3, 12, 2, 64).unwrap();
    let policy = random_policy(&env, 5);
    let report = |resign_threshold, resign_exempt| {
        let config = AzConfig { resign_threshold, resign_exempt, ..config() };
        collect(&env, &policy, &config, &config.work(11, 0), &mut || Ok(())).unwrap()
    };
    let (never, plain) = report(None, 0.0);
    assert_eq!((plain.resigned, plain.spared, plain.episodes), (0, 0, 60));
    assert!(plain.simulations > 0 && plain.nodes > 0 && plain.memory_bytes > 0);
    let (always, given_up) = report(Some(f32::MAX), 0.0);
    assert_eq!(given_up.resigned, 60 - given_up.solved);
    assert!(always.len() < never.len());
    let floats = |name| always.get::<f32>(name).unwrap();
    let (rewards, returns, values) = (floats("rewards"), floats("returns"), floats("values"));
    for pair in always.episode_starts.windows(2) {
        let last = pair[1] as usize - 1;
        let solved = rewards[last] == 1.0;
        assert!(solved || returns[last] == values[last]);
    }
    let (_, spared) = report(Some(f32::MAX), 1.0);
    // Some begin in the solved state, where there is nothing to give up.
    assert!(spared.resigned == 0 && spared.spared >= spared.spared_solved);
    assert!(0 < spared.spared_solved && spared.spared_solved < spared.solved);
}

/// A game is many episodes, one after the other; what became of one is nothing to the next.
#[test]
fn giving_up_does_not_depend_on_the_episode_before() {
    let env = Puzzle::new(3, 3, 12, 2, 64).unwrap();
    let policy = random_policy(&env, 5);
    let played = |num_cores, threshold| {
        let config =
            AzConfig { num_cores, resign_threshold: Some(threshold), num_episodes: 90, ..config() };
        collect(&env, &policy, &config, &config.work(11, 0), &mut || Ok(())).unwrap()
    };
    // One value or another divides the episodes.
    let thresholds: Vec<f32> = (-8..8).map(|tenth| tenth as f32 / 10.0).collect();
    let mut divided = 0;
    for threshold in thresholds {
        let (table, report) = played(1, threshold);
        divided += usize::from(report.resigned > 0 && report.resigned + report.solved < 90);
        assert_eq!(played(2, threshold).0, table);
    }
    assert!(divided > 0);
}

#[test]
fn an_episode_that_is_cut_off_is_worth_what_its_last_value_says() {
    let env = Puzzle::new(3, 3, 12, 2, 64).unwrap();
    let tree = TreeConfig { truncation: Truncation::Bootstrap, ..config().tree };
    let config = AzConfig { max_moves: Some(3), tree, ..config() };
    let table = collected(&env, &config, 0).unwrap();
    let floats = |name| table.get::<f32>(name).unwrap();
    let (rewards, returns, values) = (floats("rewards"), floats("returns"), floats("values"));
    let mut cut = 0;
    for pair in table.episode_starts.windows(2) {
        let last = pair[1] as usize - 1;
        let solved = rewards[last] == 1.0;
        assert_eq!(returns[last], if solved { 1.0 } else { values[last] });
        cut += usize::from(!solved);
    }
    assert!(cut > 0);
}

#[test]
fn after_the_moves_that_are_drawn_the_most_visited_is_played() {
    let env = Puzzle::new(3, 3, 12, 2, 64).unwrap();
    for drawn in [0, 1] {
        let self_play = SelfPlay { temperature_moves: Some(drawn), ..config().self_play };
        let table = collected(&env, &AzConfig { self_play, ..config() }, 0).unwrap();
        let (visits, actions) =
            (table.get::<f32>("visits").unwrap(), table.get::<i64>("actions").unwrap());
        let mut others = 0;
        for pair in table.episode_starts.windows(2) {
            for row in pair[0] as usize..pair[1] as usize - 1 {
                let target = &visits[row * 4..][..4];
                let is_most = target.iter().all(|&share| share <= target[actions[row] as usize]);
                assert!(is_most || row < pair[0] as usize + drawn);
                others += usize::from(!is_most);
            }
        }
        assert_eq!(others > 0, drawn > 0);
    }
}

#[test]
fn bad_input_is_refused_before_any_work() {
    let env = Puzzle::new(3, 3, 12, 2, 64).unwrap();
    let message = |config: AzConfig| collected(&env, &config, 0).unwrap_err().to_string();
    let tree = |tree: TreeConfig| message(AzConfig { tree, ..config() });
    let self_play = |self_play: SelfPlay| message(AzConfig { self_play, ..config() });
    assert!(message(AzConfig { num_episodes: 0, ..config() }).starts_with("num_episodes"));
    assert!(message(AzConfig { max_moves: Some(0), ..config() }).starts_with("max_moves"));
    assert!(message(AzConfig { resign_exempt: 2.0, ..config() }).starts_with("resign_exempt"));
    let default = TreeConfig::default();
    assert!(tree(TreeConfig { num_simulations: 0, ..default }).starts_with("num_mcts_searches"));
    let endless = TreeConfig { num_simulations: usize::MAX, ..default };
    assert!(tree(endless).starts_with("num_mcts_searches"));
    let strategy = Strategy::Mcts(endless);
    let config = EvalConfig { strategy, ..EvalConfig::default() };
    let policy = random_policy(&env, 5);
    let refused = evaluate(&env, &policy, Starts::Uniform(1), &config, 3, &mut || Ok(()));
    assert!(refused.unwrap_err().to_string().starts_with("num_mcts_searches"));
    assert!(tree(TreeConfig { gamma: f32::NAN, ..default }).starts_with("gamma"));
    assert!(tree(TreeConfig { exploration: -1.0, ..default }).starts_with('C'));
    let default = SelfPlay::default();
    let alpha = SelfPlay { dirichlet_alpha: 0.0, ..default };
    assert!(self_play(alpha).starts_with("dirichlet_alpha"));
    let fraction = SelfPlay { exploration_fraction: 1.5, ..default };
    assert!(self_play(fraction).starts_with("exploration_fraction"));
}

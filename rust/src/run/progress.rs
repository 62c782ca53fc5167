//! One iteration of a run as those who watch it see it.

use serde_json::{json, Map, Value};

use crate::es::Played;
use crate::solve::Episode;

/// The quantile of the normal distribution that 95 % lie within.
const Z95: f64 = 1.959_963_984_540_054;

/// What an evaluation found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluated {
    /// Share of the episodes that were solved.
    pub success: f64,
    /// Mean sum of rewards.
    pub reward: f64,
    /// Mean moves of the solved episodes.
    pub mean_length: Option<f64>,
    pub num_episodes: usize,
}

impl Evaluated {
    pub(super) fn of(episodes: &[Episode]) -> Self {
        let count = episodes.len() as f64;
        let solved: Vec<&Episode> = episodes.iter().filter(|episode| episode.success).collect();
        let moves: u64 = solved.iter().map(|episode| episode.len()).sum();
        let rewards: f64 = episodes.iter().map(|episode| f64::from(episode.reward)).sum();
        Self {
            success: solved.len() as f64 / count,
            reward: rewards / count,
            mean_length: (!solved.is_empty()).then(|| moves as f64 / solved.len() as f64),
            num_episodes: episodes.len(),
        }
    }

    /// Of episodes of Evolution Strategies.
    pub(super) fn of_played(episodes: &[Played]) -> Self {
        let count = episodes.len() as f64;
        let solved: Vec<f64> =
            episodes.iter().filter(|p| p.moves >= 0).map(|p| f64::from(p.moves)).collect();
        let rewards: f64 = episodes.iter().map(|played| f64::from(played.reward)).sum();
        Self {
            success: solved.len() as f64 / count,
            reward: rewards / count,
            mean_length: (!solved.is_empty())
                .then(|| solved.iter().sum::<f64>() / solved.len() as f64),
            num_episodes: episodes.len(),
        }
    }

    /// The 95 % interval of the success (Wilson 1927, "Probable inference").
    pub fn interval(&self) -> [f64; 2] {
        let (n, z2) = (self.num_episodes as f64, Z95 * Z95);
        let rate = (self.success * n).round_ties_even() / n;
        let center = (rate + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let within = (rate * (1.0 - rate) / n + z2 / (4.0 * n * n)).sqrt();
        let half = Z95 / (1.0 + z2 / n) * within;
        [(center - half).max(0.0), (center + half).min(1.0)]
    }
}

/// The state of a run after an iteration.
#[derive(Clone, Debug)]
pub struct Progress {
    /// From 0 on, over the whole run.
    pub iteration: u64,
    /// That the iteration was played at; `None` if none bounded its starts.
    pub difficulty: Option<usize>,
    /// Those of the curriculum's metric, where it was evaluated.
    pub success: Option<f64>,
    pub reward: Option<f64>,
    pub evals: Vec<(String, Evaluated)>,
    /// Means over the last epoch, and the rate "lr".
    pub losses: Vec<(&'static str, f64)>,
    /// Seconds.
    pub times: Vec<(String, f64)>,
    /// Steps of the environment.
    pub num_steps: usize,
    pub total_steps: u64,
    pub elapsed_s: f64,
    /// Whether the metric is the best so far.
    pub improved: bool,
}

impl Progress {
    /// The line of `metrics.jsonl`.
    pub fn to_json(&self) -> Value {
        let (mut evals, mut losses, mut times) = (Map::new(), Map::new(), Map::new());
        for (name, found) in &self.evals {
            let entry = json!({
                "success": found.success,
                "interval": found.interval(),
                "reward": found.reward,
                "mean_length": found.mean_length,
            });
            evals.insert(name.clone(), entry);
        }
        for (name, loss) in &self.losses {
            losses.insert((*name).to_owned(), (*loss).into());
        }
        for (name, seconds) in &self.times {
            times.insert(name.clone(), rounded(*seconds, 1e6).into());
        }
        json!({
            "iteration": self.iteration,
            "difficulty": self.difficulty,
            "success": self.success,
            "reward": self.reward,
            "evals": evals,
            "losses": losses,
            "times": times,
            "num_steps": self.num_steps,
            "total_steps": self.total_steps,
            "elapsed_s": rounded(self.elapsed_s, 1e3),
            "improved": self.improved,
        })
    }
}

fn rounded(seconds: f64, scale: f64) -> f64 {
    (seconds * scale).round() / scale
}

//! The training loop that every algorithm shares:
//!
//! ```text
//! collect -> update -> evaluate -> curriculum -> save
//! ```
//!
//! An iteration counts wholly or not at all: if it fails or is interrupted, all is as before it.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::algorithm::{Found, Iteration};
use super::config::{Evaluation, Kind};
use super::curriculum::compared;
use super::faults::Failure;
use super::files::write_atomic;
use super::folder::{Existing, RunFolder, BASE_CONFIG, BEST, FULL_CONFIG, LAST, METRICS};
use super::going::{Counters, Kept, Training};
use super::lock::RunLock;
use super::progress::{Evaluated, Progress};
use super::state;
use super::{plan, warn};
use crate::clock::Stopwatch;
use crate::engine::pool::Poll;
use crate::nn::safetensors::Tensors;
use crate::nn::Network;
use crate::rl::start::Start;
use crate::solve::{choose_beam_weight, evaluate, Starts};
use crate::Error;

impl Training {
    /// Starts from the weights in the safetensors file at `path`.
    ///
    /// # Errors
    /// If they are not those of the policy.
    pub fn load_weights(&mut self, path: &Path) -> Result<(), Failure> {
        let tensors = Tensors::read(path)?;
        let source = path.display().to_string();
        let weight = state::beam_value_weight(&tensors, &source)?;
        state::load_weights(&self.net, &mut self.learner, &tensors, &source)?;
        self.beam_value_weight = weight;
        self.started_from = Some(source);
        Ok(())
    }

    /// Keeps the run in the folder at `path`, or goes on with the one that is there; keys of the
    /// config named by the dotted paths `given` take effect even where they do not differ.
    ///
    /// # Errors
    /// If the folder cannot be used so; nothing was written.
    pub fn keep_in(
        &mut self,
        path: &Path,
        existing: Existing,
        given: &[String],
    ) -> Result<(), Failure> {
        let folder = RunFolder::new(path)?;
        if folder.path.is_dir() {
            RunLock::require_free(&folder.path)?;
        }
        folder.require_usable(existing)?;
        let lock = RunLock::take(&folder.path)?;
        // Another training may have come and gone since this was checked.
        folder.require_usable(existing)?;
        if existing == Existing::Resume {
            let commit = folder.commits.load()?;
            state::restore(self, &folder.path, &commit, given)?;
        }
        folder.prepare(existing)?;
        write_atomic(&folder.path.join(BASE_CONFIG), &self.config.text)?;
        folder.write_json(FULL_CONFIG, &self.config.algorithm.clone().into())?;
        folder.keep_metrics(self.counters.iteration)?;
        self.kept = Some(Kept { folder, _lock: lock });
        Ok(())
    }

    /// The folder that keeps the run.
    pub fn folder(&self) -> Option<PathBuf> {
        self.kept.as_ref().map(|kept| kept.folder.path.clone())
    }

    /// Plans the run to end after `num_iterations`, resumed ones included.
    pub fn plan(&mut self, num_iterations: u64) {
        self.num_iterations = Some(num_iterations);
    }

    /// Where the run is planned to end.
    pub fn planned(&self) -> Option<u64> {
        self.num_iterations
    }

    /// Iterations that were made.
    pub fn iteration(&self) -> u64 {
        self.counters.iteration
    }

    /// That of the episodes now; `None` if no difficulty bounds their starts any more.
    pub fn difficulty(&self) -> Option<usize> {
        (!self.curriculum.is_unbounded).then(|| self.env.get_difficulty())
    }

    /// Trains to the planned end of the run, or for ever; `watch` is told of every iteration.
    ///
    /// An error of `poll` drops the running iteration, saves what there is, and is returned.
    ///
    /// # Errors
    /// If a schedule has no length, a number becomes none, or a file cannot be written. The run is
    /// saved as it was after the last whole iteration.
    pub fn learn(
        &mut self,
        watch: &mut dyn FnMut(&Progress),
        poll: Poll<'_>,
    ) -> Result<(), Failure> {
        let end = self.num_iterations.unwrap_or(u64::MAX);
        self.check_plan(end)?;
        if end > self.counters.iteration && self.schedule_iterations.is_none() {
            self.schedule_iterations = self.num_iterations;
        }
        let mut recorder = self.recorder()?;
        let ended = loop {
            if self.counters.iteration >= end || self.is_used_up() {
                break Ok(());
            }
            let step = self.iterate(&mut *poll).and_then(|progress| {
                recorder.keep(self, &progress)?;
                watch(&progress);
                Ok(())
            });
            if step.is_err() {
                break step;
            }
        };
        match (ended, recorder.finish(self)) {
            (Ok(()), saved) => saved,
            (Err(first), Ok(())) => Err(first),
            (Err(first), Err(lost)) if first.is_interruption() => Err(lost),
            (Err(first), Err(lost)) => {
                warn(&format!("the run could not be saved: {lost}"));
                Err(first)
            }
        }
    }

    /// Refuses a schedule without a length; says once what the plan does not reach.
    pub fn check_plan(&self, end: u64) -> Result<(), Failure> {
        if self.config.learning.final_diff_is_none {
            if let Err(error) = self.env.spec().require_uniform() {
                let text = "learning.final_diff_is_none: the difficulty will stay at diff_max";
                warn(&format!("{text}: {error}"));
            }
        }
        if let Some(text) = plan::beyond(&self.config, self.schedule_plan(), end)? {
            warn(&text);
        }
        Ok(())
    }

    fn schedule_plan(&self) -> Option<u64> {
        self.schedule_iterations.or(self.num_iterations)
    }

    /// Whether the target is reached, or the budget of time or the patience is used up.
    fn is_used_up(&self) -> bool {
        let (learning, counters) = (&self.config.learning, &self.counters);
        self.is_on_target
            || learning.time_budget_s.is_some_and(|budget| counters.elapsed_s >= budget)
            || learning.patience.is_some_and(|most| counters.num_without_improvement >= most)
    }

    fn iterate(&mut self, poll: Poll<'_>) -> Result<Progress, Failure> {
        poll()?;
        let iteration = self.counters.iteration;
        let (saved, difficulty) = (self.learner.saved(), self.env.get_difficulty());
        let before = (self.counters, self.curriculum, self.best, self.beam_value_weight);
        self.try_iterate(poll).map_err(|failure| {
            self.learner.restore(saved);
            self.algorithm.undo();
            self.env.set_difficulty(difficulty);
            (self.counters, self.curriculum, self.best, self.beam_value_weight) = before;
            match failure {
                Failure::Engine(Error::Policy(problem))
                    if problem.starts_with("expected finite ") =>
                {
                    Failure::Diverged(format!(
                        "iteration {iteration}: policy: {problem}; training stops, the weights are \
                         those of the iteration before"
                    ))
                }
                other => other,
            }
        })
    }

    fn try_iterate(&mut self, poll: Poll<'_>) -> Result<Progress, Failure> {
        let watch = Stopwatch::start();
        let Counters { iteration, .. } = self.counters;
        let difficulty = self.difficulty();
        let schedule_length = plan::length(&self.config, self.schedule_plan())?;
        let share_done = plan::share_done(&self.config, self.schedule_plan(), iteration)?;
        let schedule = &self.config.schedule;
        let factor = plan::factor(schedule.kind, schedule.final_ratio, share_done);
        let lr = self.config.optimizer.lr * factor;
        let policy = self.net.network(&self.learner)?;
        let start = if self.curriculum.is_unbounded { Start::Uniform } else { Start::Reset };
        let of = Iteration {
            env: &*self.env,
            policy: &policy,
            learner: &mut self.learner,
            start,
            seed: self.config.seed,
            iteration,
            lr,
            share_done,
            schedule_length,
        };
        let Found { mut losses, num_steps, times } = self.algorithm.iterate(of, &mut *poll)?;
        if self.config.kind != Kind::Es {
            losses.push(("lr", lr));
        }
        if let Some((name, loss)) = losses.iter().find(|(_, loss)| !loss.is_finite()) {
            return Err(Failure::Diverged(format!(
                "iteration {iteration}: the loss {name} is {loss}; training stops, the weights are \
                 those of the iteration before"
            )));
        }
        state::require_finite(&self.learner, &format!("iteration {iteration}"))?;
        let mut times: Vec<(String, f64)> =
            times.into_iter().map(|(name, seconds)| (name.to_owned(), seconds)).collect();
        let evals = self.evaluations(start, &mut times, poll)?;
        let metric = self.config.learning.diff_metric.as_ref();
        let found = evals.iter().find(|(name, _)| Some(name) == metric).map(|(_, found)| *found);
        let improved = found.is_some_and(|found| self.judge(difficulty, &found));
        let seconds = watch.seconds();
        times.push(("total".to_owned(), seconds));
        let counters = &mut self.counters;
        counters.total_steps += num_steps as u64;
        counters.elapsed_s += seconds;
        counters.iteration += 1;
        Ok(Progress {
            iteration,
            difficulty,
            success: found.map(|found| found.success),
            reward: found.map(|found| found.reward),
            evals,
            losses,
            times,
            num_steps,
            total_steps: counters.total_steps,
            elapsed_s: counters.elapsed_s,
            improved,
        })
    }

    /// Those that are due after the running iteration, by the weights that it has made. The one that
    /// judges comes first, if it lets the weight of values in a beam be chosen.
    fn evaluations(
        &mut self,
        start: Start,
        times: &mut Vec<(String, f64)>,
        poll: Poll<'_>,
    ) -> Result<Vec<(String, Evaluated)>, Failure> {
        let next = self.counters.iteration + 1;
        let is_due = |freq: u64| self.num_iterations == Some(next) || next.is_multiple_of(freq);
        let watch = Stopwatch::start();
        let policy: Network = self.net.network(&self.learner)?;
        times.push(("to_rust".to_owned(), watch.seconds()));
        let begin = |entry: &Evaluation| match entry.start {
            Start::Reset => start,
            Start::Uniform => Start::Uniform,
        };
        let metric = self.config.learning.diff_metric.as_ref();
        let judge = metric.and_then(|name| self.config.evals.get(name));
        let weighs = |entry: &&Evaluation| entry.is_open && self.config.kind != Kind::Es;
        if let Some(entry) = judge.filter(weighs).filter(|entry| is_due(entry.freq)) {
            let watch = Stopwatch::start();
            let boards = (begin(entry), entry.num_episodes);
            let (env, seed) = (&*self.env, self.config.seed);
            let weight = choose_beam_weight(env, &policy, boards, &entry.play, seed, &mut *poll)?;
            self.beam_value_weight = Some(weight);
            times.push(("beam_value_weight".to_owned(), watch.seconds()));
        }
        let mut found = Vec::new();
        for (name, entry) in self.config.evals.iter().filter(|(_, entry)| is_due(entry.freq)) {
            let watch = Stopwatch::start();
            let starts = Starts::of(begin(entry), entry.num_episodes)?;
            let own = self.algorithm.evaluate(&*self.env, &self.learner, entry, &mut *poll)?;
            let evaluated = match own {
                Some(evaluated) => evaluated,
                None => {
                    let play =
                        entry.weighing(self.algorithm.playing(entry), self.beam_value_weight);
                    let env = &*self.env;
                    let episodes = evaluate(env, &policy, starts, &play, entry.seed, &mut *poll)?;
                    Evaluated::of(&episodes)
                }
            };
            found.push((name.clone(), evaluated));
            times.push((format!("eval_{name}"), watch.seconds()));
        }
        Ok(found)
    }

    /// Whether this is the best so far; raises the difficulty where it is due.
    fn judge(&mut self, difficulty: Option<usize>, found: &Evaluated) -> bool {
        let target = self.config.learning.target_reward;
        self.is_on_target = target.is_some_and(|target| found.reward >= target);
        let metrics = (difficulty, found.success, found.reward);
        let is_task = self.env.spec().is_task;
        let (is_better, is_as_good) =
            self.best.map_or((true, true), |best| compared(&metrics, &best, is_task));
        if is_as_good {
            self.best = Some(metrics);
        }
        // The newest of equals is kept as the best, but has brought nothing.
        let count = &mut self.counters.num_without_improvement;
        *count = if is_better { 0 } else { *count + 1 };
        self.curriculum.advance(&self.config.learning, &mut *self.env, found.success);
        is_as_good
    }

    fn recorder(&self) -> Result<Recorder, Failure> {
        let metrics = match &self.kept {
            None => None,
            Some(kept) => {
                let path = kept.folder.path.join(METRICS);
                let file = OpenOptions::new().append(true).create(true).open(&path);
                Some(file.map_err(Failure::at(&path))?)
            }
        };
        Ok(Recorder { metrics, committed: None })
    }

    /// Commits the run to its folder, so that it can go on.
    fn save(&self) -> Result<(), Failure> {
        let Some(Kept { folder, .. }) = &self.kept else { return Ok(()) };
        let weights = folder.commits.add(&state::commit_of(self)?)?;
        write_atomic(&folder.path.join(LAST), &weights)?;
        folder.commits.drop(self.config.logging.keep_last, self.config.logging.keep_every);
        Ok(())
    }
}

/// What a run leaves behind while it learns.
struct Recorder {
    metrics: Option<File>,
    /// Iterations of the last commit.
    committed: Option<u64>,
}

impl Recorder {
    /// Writes what an iteration has brought, and saves the run when it is time.
    fn keep(&mut self, run: &Training, progress: &Progress) -> Result<(), Failure> {
        let (Some(file), Some(kept)) = (&mut self.metrics, &run.kept) else { return Ok(()) };
        let path = &kept.folder.path;
        let line = format!("{}\n", progress.to_json());
        file.write_all(line.as_bytes()).map_err(Failure::at(&path.join(METRICS)))?;
        if progress.improved {
            let weights = state::weights(run)?;
            write_atomic(&path.join(BEST), &weights.to_bytes())?;
        }
        match plan::is_time_to_save(&run.config, run.counters.iteration) {
            true => self.save(run),
            false => Ok(()),
        }
    }

    fn save(&mut self, run: &Training) -> Result<(), Failure> {
        run.save()?;
        self.committed = Some(run.counters.iteration);
        Ok(())
    }

    /// Saves the last iterations.
    fn finish(&mut self, run: &Training) -> Result<(), Failure> {
        match self.committed == Some(run.counters.iteration) {
            true => Ok(()),
            false => self.save(run),
        }
    }
}

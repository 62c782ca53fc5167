//! The folder of a run, the same for all languages; `python/twisterl/runs/folder.py` lists its files.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::commits::Commits;
use super::faults::Failure;
use super::files::write_atomic;

pub(super) const BASE_CONFIG: &str = "base_config.json";
pub(super) const FULL_CONFIG: &str = "full_algorithm_config.json";
pub(super) const LAST: &str = "checkpoint_last.safetensors";
pub(super) const BEST: &str = "checkpoint_best.safetensors";
pub(super) const METRICS: &str = "metrics.jsonl";
pub(super) const LOCK: &str = "lock";
const CURVE: &str = "learning_curve.png";
const RESUME: &str = "resume";
/// What a run leaves and a fresh one would overwrite.
const LEFT: [&str; 6] = [BASE_CONFIG, FULL_CONFIG, LAST, BEST, METRICS, RESUME];

/// What is to become of a run that is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// It is kept: no run may be there.
    #[default]
    Refuse,
    /// It goes on.
    Resume,
    /// It is dropped.
    Overwrite,
}

/// The files of one run.
#[derive(Clone, Debug)]
pub(super) struct RunFolder {
    pub(super) path: PathBuf,
    pub(super) commits: Commits,
}

impl RunFolder {
    pub(super) fn new(path: &Path) -> Result<Self, Failure> {
        if path.as_os_str().is_empty() {
            let problem = "run folder: got ''; expected the name of a folder";
            return Err(Failure::Folder(problem.to_owned()));
        }
        // Where it is now: a program may go to another folder while the run goes on.
        let path = std::path::absolute(path).map_err(Failure::at(path))?;
        Ok(Self { commits: Commits::new(path.join(RESUME)), path })
    }

    /// Refuses a folder where a run cannot start; changes nothing.
    pub(super) fn require_usable(&self, existing: Existing) -> Result<(), Failure> {
        let path = self.path.display();
        for name in LEFT.into_iter().chain([CURVE, LOCK]) {
            if self.path.join(name).is_symlink() {
                let problem = "is a symbolic link; expected what a run has written, or nothing";
                return Err(Failure::Folder(format!("{path}/{name}: {problem}")));
            }
        }
        if self.path.exists() && !self.path.is_dir() {
            return Err(Failure::Folder(format!(
                "{path}: is a file; expected a folder for the run"
            )));
        }
        let is_resumable = !self.commits.folders().is_empty();
        let holds_run = LEFT.iter().any(|name| self.path.join(name).exists());
        match existing {
            Existing::Resume if !is_resumable => {
                Err(Failure::Folder(format!("{path}: holds no run to resume")))
            }
            Existing::Refuse if holds_run => {
                // A run that was killed before its first commit cannot be continued.
                let ways = if is_resumable { "--resume continues it, " } else { "" };
                let text = format!("{path}: already holds a run; {ways}--overwrite drops it");
                Err(Failure::Folder(text))
            }
            _ => Ok(()),
        }
    }

    /// Makes the folder; drops what a killed run left, and the whole run if it is to be.
    pub(super) fn prepare(&self, existing: Existing) -> Result<(), Failure> {
        fs::create_dir_all(&self.path).map_err(Failure::at(&self.path))?;
        for folder in [&self.path, &self.path.join(RESUME)] {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let is_ours = LEFT.contains(&&*name) || name == CURVE || is_events(&name);
                let is_dropped = existing == Existing::Overwrite && *folder == self.path && is_ours;
                if is_dropped || is_temporary(&name) {
                    remove(&entry.path())?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn write_json(&self, name: &str, value: &Value) -> Result<(), Failure> {
        write_atomic(&self.path.join(name), super::json::to_text(value).as_bytes())
    }

    /// Drops the lines of `metrics.jsonl` after the first `num_iterations` iterations.
    pub(super) fn keep_metrics(&self, num_iterations: u64) -> Result<(), Failure> {
        let path = self.path.join(METRICS);
        if !path.is_file() {
            return Ok(());
        }
        let text = fs::read(&path).map_err(Failure::at(&path))?;
        let is_kept = |line: &&str| {
            let line: Result<Value, _> = serde_json::from_str(line);
            let iteration = line.ok().and_then(|line| line["iteration"].as_u64());
            iteration.is_some_and(|iteration| iteration < num_iterations)
        };
        let text = String::from_utf8_lossy(&text);
        let kept: String = text.lines().filter(is_kept).flat_map(|line| [line, "\n"]).collect();
        write_atomic(&path, kept.as_bytes())
    }

    /// The best checkpoint, or the last where there is no best.
    pub(super) fn weights_path(&self) -> Result<PathBuf, Failure> {
        let paths = [BEST, LAST].map(|name| self.path.join(name));
        paths.into_iter().find(|path| path.is_file()).ok_or_else(|| {
            let path = self.path.display();
            Failure::Folder(format!("{path}: holds no checkpoint; expected {BEST}"))
        })
    }
}

/// What a process that was killed has been writing.
fn is_temporary(name: &str) -> bool {
    name.rsplit_once(".tmp-")
        .is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// What TensorBoard's writer leaves in a run folder.
fn is_events(name: &str) -> bool {
    let groups = ["Benchmark_Detail", "Losses", "Times"];
    name.starts_with("events.out.tfevents.")
        || groups.iter().any(|group| name.starts_with(group) && name.contains('_'))
}

fn remove(path: &Path) -> Result<(), Failure> {
    let is_folder = path.is_dir() && !path.is_symlink();
    let removed = if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.map_err(Failure::at(path))
}

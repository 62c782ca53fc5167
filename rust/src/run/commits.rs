//! The commits of a run: all that continues it, each in a folder of its own.
//!
//! A commit counts once its folder has its name, which is the last step of writing it; its manifest
//! holds a SHA-256 per file, so that a flipped bit is an error on load.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::faults::Failure;
use super::files::{read_regular, sync_folder, write_atomic};
use super::json;
use super::tensors::{self, StoredTensors};
use crate::nn::safetensors::{sha256, Tensors};

const WEIGHTS: &str = "weights.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";
const STATE: &str = "state.json";
const MANIFEST: &str = "manifest.json";

/// Everything that continues a run.
pub(super) struct Commit {
    /// The policy's state dict.
    pub(super) weights: Tensors,
    /// Of the optimizer, of torch's generators and of what the algorithm remembers.
    pub(super) optimizer: StoredTensors,
    /// The rest.
    pub(super) state: Value,
}

/// Those in a folder, which is made with the first one.
#[derive(Clone, Debug)]
pub(super) struct Commits {
    path: PathBuf,
}

impl Commits {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Their folders, the oldest first.
    pub(super) fn folders(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        let is_commit = |entry: &fs::DirEntry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            (1..=18).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_digit())
                && entry.path().is_dir()
        };
        let mut folders: Vec<PathBuf> =
            entries.filter(is_commit).map(|entry| entry.path()).collect();
        folders.sort();
        folders
    }

    /// Writes `commit`, whose numbers are finite, and returns its weights as a file.
    pub(super) fn add(&self, commit: &Commit) -> Result<Vec<u8>, Failure> {
        let weights = commit.weights.to_bytes();
        let mut files = vec![
            (WEIGHTS, weights.clone()),
            (OPTIMIZER, tensors::to_bytes(&commit.optimizer)),
            (STATE, json::to_text(&commit.state).into_bytes()),
        ];
        let digests: BTreeMap<&str, String> =
            files.iter().map(|(name, content)| (*name, sha256(content))).collect();
        let manifest = serde_json::to_value(digests).expect("text by names");
        files.push((MANIFEST, json::to_text(&manifest).into_bytes()));
        if self.path.is_symlink() {
            return Err(Failure::Folder(format!("{}: is a symbolic link", self.path.display())));
        }
        fs::create_dir_all(&self.path).map_err(Failure::at(&self.path))?;
        let newest = self.folders().iter().filter_map(|folder| serial(folder)).max();
        let serial = 1 + newest.unwrap_or(0);
        let aside = self.path.join(format!("{serial:08}.tmp-{}", std::process::id()));
        let written = || -> Result<(), Failure> {
            // A killed process of the same number may have left one; the lock is ours.
            let _ = fs::remove_dir_all(&aside);
            fs::create_dir(&aside).map_err(Failure::at(&aside))?;
            files
                .iter()
                .try_for_each(|(name, content)| write_atomic(&aside.join(name), content))?;
            let folder = self.path.join(format!("{serial:08}"));
            fs::rename(&aside, &folder).map_err(Failure::at(&folder))
        };
        written().inspect_err(|_| {
            let _ = fs::remove_dir_all(&aside);
        })?;
        sync_folder(&self.path)?;
        Ok(weights)
    }

    /// Drops all but the newest, and those after every so many iterations if not 0.
    pub(super) fn drop(&self, keep_last: usize, keep_every: u64) {
        let folders = self.folders();
        for folder in &folders[..folders.len().saturating_sub(keep_last)] {
            let iteration = json::read_bytes(&folder.join(STATE))
                .and_then(|bytes| json::parse(&bytes, STATE))
                .ok()
                .and_then(|state| state["iteration"].as_u64());
            let is_kept = |iteration: u64| keep_every > 0 && iteration.is_multiple_of(keep_every);
            if !iteration.is_some_and(is_kept) {
                let _ = fs::remove_dir_all(folder);
            }
        }
    }

    /// The newest one whose files are what its manifest says.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn load(&self) -> Result<Commit, Failure> {
        let mut problems = Vec::new();
        for folder in self.folders().iter().rev() {
            match load(folder) {
                Ok(commit) => return Ok(commit),
                Err(problem) => problems.push(problem),
            }
        }
        let detail = match problems.is_empty() {
            true => "no commit was written".to_owned(),
            false => problems.join("; "),
        };
        let run = self.path.parent().unwrap_or(&self.path).display();
        Err(Failure::Folder(format!("{run}: cannot be resumed: {detail}")))
    }
}

fn serial(folder: &Path) -> Option<u64> {
    folder.file_name()?.to_str()?.parse().ok()
}

/// The commit in `folder`, or what is wrong with it.
fn load(folder: &Path) -> Result<Commit, String> {
    let named = |name: &str| folder.join(name).display().to_string();
    let read = |name: &str| {
        read_regular(&folder.join(name), usize::MAX)
            .map_err(|error| format!("{}: {error}", named(name)))
    };
    let parsed = |name: &str, content: &[u8]| {
        json::parse(content, &named(name)).map_err(|error| error.to_string())
    };
    let manifest = parsed(MANIFEST, &read(MANIFEST)?)?;
    let listed: Vec<&String> = manifest.as_object().into_iter().flat_map(|m| m.keys()).collect();
    if listed != [OPTIMIZER, STATE, WEIGHTS] {
        return Err(format!("{} lists other files", named(MANIFEST)));
    }
    let whole = |name: &str| {
        let content = read(name)?;
        match manifest[name] == sha256(&content) {
            true => Ok(content),
            false => Err(format!("{} is not what was written (SHA-256 differs)", named(name))),
        }
    };
    let (weights, optimizer, state) = (whole(WEIGHTS)?, whole(OPTIMIZER)?, whole(STATE)?);
    Ok(Commit {
        weights: Tensors::parse(&weights)
            .map_err(|error| format!("{}: {error}", named(WEIGHTS)))?,
        optimizer: tensors::parse(&optimizer)
            .map_err(|error| format!("{}: {error}", named(OPTIMIZER)))?,
        state: parsed(STATE, &state)?,
    })
}

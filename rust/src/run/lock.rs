//! The right to write into a run folder, which one training at a time has, in whatever language.
//!
//! The system holds the lock for the open file, so that it ends with the process, however that ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use super::faults::Failure;
use super::folder::LOCK;

/// Held as long as it lives.
pub(super) struct RunLock(File);

impl RunLock {
    /// The lock of `folder`, which is made.
    ///
    /// # Errors
    /// If another training has it.
    pub(super) fn take(folder: &Path) -> Result<Self, Failure> {
        fs::create_dir_all(folder).map_err(Failure::at(folder))?;
        let path = folder.join(LOCK);
        let mut file = locked(folder, OpenOptions::new().create(true))?;
        file.set_len(0)
            .and_then(|()| writeln!(file, "process {}", std::process::id()))
            .map_err(Failure::at(&path))?;
        Ok(Self(file))
    }

    /// Refuses a `folder` that a training is writing into; changes nothing.
    pub(super) fn require_free(folder: &Path) -> Result<(), Failure> {
        match folder.join(LOCK).is_file() {
            true => locked(folder, &mut OpenOptions::new()).map(drop),
            false => Ok(()),
        }
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // Whoever held it is of no interest any more.
        let _ = self.0.set_len(0);
    }
}

fn locked(folder: &Path, options: &mut OpenOptions) -> Result<File, Failure> {
    let path = folder.join(LOCK);
    let opened = options.read(true).write(true).truncate(false).open(&path);
    let mut file = opened.map_err(Failure::at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.rewind().and_then(|()| (&file).take(200).read_to_string(&mut holder));
            let holder = holder.trim();
            let who = if holder.is_empty() { "another process" } else { holder };
            let folder = folder.display();
            let text = format!("{folder}: {who} is writing here; wait, or choose another folder");
            Err(Failure::Folder(text))
        }
        Err(TryLockError::Error(error)) => {
            super::warn(&format!(
                "the run folder cannot be locked here ({error}); let one training at a time write \
                 into it"
            ));
            Ok(file)
        }
    }
}

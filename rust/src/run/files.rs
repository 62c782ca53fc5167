//! Files that no crash leaves torn, and no link leads astray.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use super::faults::Failure;

/// Replaces the file at `path` by `content`, wholly or not at all: written aside, flushed to the
/// disk, renamed, and the folder flushed.
pub(super) fn write_atomic(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = path.with_file_name(format!("{name}.tmp-{}", std::process::id()));
    let _ = fs::remove_file(&aside);
    let written = || -> io::Result<()> {
        // A new file: no link that somebody has put there is followed.
        let mut file = OpenOptions::new().write(true).create_new(true).open(&aside)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&aside, path)
    };
    written().map_err(|error| {
        let _ = fs::remove_file(&aside);
        Failure::at(path)(error)
    })?;
    match path.parent() {
        Some(folder) => sync_folder(folder),
        None => Ok(()),
    }
}

/// Flushes the names in `folder` to the disk.
pub(super) fn sync_folder(folder: &Path) -> Result<(), Failure> {
    if cfg!(windows) {
        return Ok(());
    }
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder).and_then(|opened| opened.sync_all()).map_err(Failure::at(folder))
}

/// The first `most` bytes of the regular file at `path`; a pipe is never waited for.
pub(super) fn read_regular(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut content = Vec::new();
    File::open(path)?.take(most as u64).read_to_end(&mut content)?;
    Ok(content)
}

/// What the system says, without its number.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

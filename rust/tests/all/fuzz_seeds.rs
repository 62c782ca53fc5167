//! The seeds of the fuzz targets, with what they have found, through the checks of the targets.

#[path = "../../fuzz/checks.rs"]
mod checks;

use std::fs;
use std::path::Path;

/// Calls `check` with every seed of the target `name`, and with all beginnings of it.
fn play(name: &str, check: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
    let seeds: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(seeds.len() > 3);
    for seed in seeds {
        let bytes = fs::read(&seed).unwrap();
        (0..=bytes.len()).for_each(|end| check(&bytes[..end]));
    }
}

#[test]
fn environments() {
    play("environment", checks::environment);
}

#[test]
fn networks() {
    play("network", |bytes| {
        let _ = std::str::from_utf8(bytes).map(checks::network);
    });
}

#[test]
fn model_files() {
    for case in crate::common::items(&crate::common::spec("models.json")) {
        checks::safetensors(&crate::common::bytes_of(case));
    }
}

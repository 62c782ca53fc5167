//! Links our programs and tests with the Python library where they share the crate with a module: what is
//! compiled for an interpreter to load brings none.

use std::env;
use std::path::Path;
use std::process::Command;

const LIBRARY: &str =
    "from sysconfig import get_config_var as of; print(of('LIBDIR') + '/' + of('LDLIBRARY'))";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PYO3_BUILD_EXTENSION_MODULE");
    let is_set = |name: &str| env::var_os(name).is_some();
    let is_linux = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux");
    if is_linux && is_set("CARGO_FEATURE_PYTHON_BINDINGS") && is_set("PYO3_BUILD_EXTENSION_MODULE")
    {
        let python = env::var_os("PYO3_PYTHON").unwrap_or_else(|| "python3".into());
        let Ok(told) = Command::new(python).args(["-c", LIBRARY]).output() else { return };
        let library = String::from_utf8_lossy(&told.stdout);
        // Without a shared one nothing of ours that calls Python can be linked.
        if library.trim().ends_with(".so") && Path::new(library.trim()).exists() {
            println!("cargo::rustc-link-arg={}", library.trim());
        }
    }
}

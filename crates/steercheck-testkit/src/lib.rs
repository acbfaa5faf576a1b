//! What the tests of all crates share: where the fixtures and the real models are.
//!
//! What is missing is printed as "1 parity test did not run", and the test passes; with `CI` set it fails.

use std::path::{Path, PathBuf};

use steercheck_hub::Options;

fn missing<T>(what: &str) -> Option<T> {
    assert!(std::env::var_os("CI").is_none(), "{what}");
    println!("1 parity test did not run: {what}");
    None
}

/// The folder with fixtures, oracle jobs and published data sets: `STEERCHECK_SHARED`, else `../shared` beside the project.
pub fn shared() -> Option<PathBuf> {
    let path = std::env::var_os("STEERCHECK_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    if path.join("fixtures").is_dir() {
        return Some(path);
    }
    missing("the shared fixtures are not there (set STEERCHECK_SHARED)")
}

/// The file of a catalogue model, downloaded on first use. Its licence is accepted here: tests are run by people who build
/// the program.
pub fn real_model(name: &str) -> Option<PathBuf> {
    let found = Options::from_env()
        .and_then(|options| steercheck_hub::resolve(name, &Options { accept_licence: true, ..options }));
    match found {
        Ok(found) => Some(found.path),
        Err(e) => missing(&format!("{name}: {e}")),
    }
}

//! Where the reference files are, and small tensors.

use std::{env, path::Path, path::PathBuf};

use steercheck_oracle::{Array, Values};

/// The models that have golden results.
#[allow(dead_code)] // every test file uses its own part of this module
pub(crate) const GOLDEN: [&str; 4] = ["gemma2", "gpt_neox_parallel", "llama_llama3rope", "smollm2"];

/// The folder of job files and golden results, from `STEERCHECK_SHARED` or beside the repository. Without it the tests
/// that need it pass, and say that they did not run; in CI they fail.
#[allow(dead_code)]
pub(crate) fn jobs_folder() -> Option<PathBuf> {
    let shared = env::var_os("STEERCHECK_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let folder = shared.join("oracle/jobs");
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(env::var_os("CI").is_none(), "the reference files are missing: set STEERCHECK_SHARED");
    println!("parity tests did not run: no folder {}", folder.display());
    None
}

#[allow(dead_code)]
pub(crate) fn f32s(shape: &[usize], values: &[f32]) -> Array {
    Array::new(shape, Values::F32(values.to_vec()))
}

#[allow(dead_code)]
pub(crate) fn f64s(shape: &[usize], values: &[f64]) -> Array {
    Array::new(shape, Values::F64(values.to_vec()))
}

#[allow(dead_code)]
pub(crate) fn i64s(shape: &[usize], values: &[i64]) -> Array {
    Array::new(shape, Values::I64(values.to_vec()))
}

#[allow(dead_code)]
pub(crate) fn u8s(shape: &[usize], values: &[u8]) -> Array {
    Array::new(shape, Values::U8(values.to_vec()))
}

//! Where the reference files are, and small tensors.

use std::path::PathBuf;

use steercheck_oracle::{Array, Values};

/// The models that have golden results.
#[allow(dead_code)] // every test file uses its own part of this module
pub(crate) const GOLDEN: [&str; 4] = ["gemma2", "gpt_neox_parallel", "llama_llama3rope", "smollm2"];

/// The folder of job files and golden results.
#[allow(dead_code)]
pub(crate) fn jobs_folder() -> Option<PathBuf> {
    Some(steercheck_testkit::shared()?.join("oracle/jobs"))
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

//! What these tests share: fixtures, and copies of them with something changed.
#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use steercheck_model::{LoadOptions, Loaded, Model};
use tempfile::TempDir;

/// The names of all fixture folders.
pub(crate) fn fixtures(shared: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(shared.join("fixtures")).unwrap().map(|e| e.unwrap());
    let with_golden = entries.filter(|e| e.path().join("golden.safetensors").exists());
    let mut names: Vec<String> = with_golden.map(|e| e.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The model of a folder.
pub(crate) fn open(folder: &Path) -> Model {
    match Loaded::open(folder, &LoadOptions::default()) {
        Ok(loaded) => loaded.model,
        Err(e) => panic!("{}: {e}", folder.display()),
    }
}

/// A new folder with these files of another.
pub(crate) fn copy(folder: &Path, files: &[&str]) -> TempDir {
    let new = TempDir::new().unwrap();
    for file in files {
        let bytes = std::fs::read(folder.join(file)).unwrap();
        std::fs::write(new.path().join(file), bytes).unwrap();
    }
    new
}

/// Changes the tensors of a file.
pub(crate) fn rewrite(path: &Path, change: impl Fn(&mut HashMap<String, Tensor>)) {
    let mut all = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    change(&mut all);
    candle_core::safetensors::save(&all, path).unwrap();
}

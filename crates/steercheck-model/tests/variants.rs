//! Other settings of every family than the fixtures have, made by `scripts/make_variants.py` into the folder that
//! `STEERCHECK_VARIANTS` names: each gives transformers' numbers, or is refused with the key. The variants are made with
//! transformers, which is too large for every run: `just nightly` makes them and runs this.

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Device;
use common::from_golden;
use steercheck_model::{LoadOptions, Loaded, ModelError};

const TOLERANCE: f32 = 1e-4;

fn compare(folder: &Path, config: &str) -> Result<BTreeMap<&'static str, f32>, ModelError> {
    let model = Loaded::open_folder(folder, config, &LoadOptions::default())?.model;
    let gold = candle_core::safetensors::load(folder.join("golden.safetensors"), &Device::Cpu).unwrap();
    Ok(from_golden(&model, &gold, usize::MAX))
}

#[test]
fn every_variant_agrees_with_transformers_or_is_refused_by_the_key() {
    let Some(root) = std::env::var_os("STEERCHECK_VARIANTS") else {
        println!("did not run: STEERCHECK_VARIANTS names no folder of variants");
        return;
    };
    let mut folders: Vec<_> = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).collect();
    folders.sort();
    let (mut agree, mut refused, mut failures) = (0, Vec::new(), Vec::new());
    for folder in folders.iter().filter(|f| f.join("golden.safetensors").exists()) {
        for config in ["config.json", "config_v5.json"] {
            if !folder.join(config).exists() {
                continue;
            }
            let name = format!("{}/{config}", folder.file_name().unwrap().to_string_lossy());
            match compare(folder, config) {
                Ok(worst) if worst.len() == 3 && worst.values().all(|d| *d <= TOLERANCE) => agree += 1,
                Ok(worst) => failures.push(format!("{name}: {worst:?}")),
                Err(e @ ModelError::Config { .. }) => refused.push(format!("{name}: {e}")),
                Err(e) => failures.push(format!("{name}: {e}")),
            }
        }
    }
    println!("{agree} agree, {} are refused:\n{}", refused.len(), refused.join("\n"));
    assert!(agree > 0, "no variants there");
    assert!(failures.is_empty(), "{} fail:\n{}", failures.len(), failures.join("\n"));
}

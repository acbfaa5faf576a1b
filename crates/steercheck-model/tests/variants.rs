//! Other settings of every family than the fixtures have, made by `scripts/make_variants.py` into the folder that
//! `STEERCHECK_VARIANTS` names: each gives transformers' numbers, or is refused with the key. The variants are made with
//! transformers, which is too large for every run: `just nightly` makes them and runs this.

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use common::{difference, prompts};
use steercheck_model::{FinalNorm, HeadKind, LoadOptions, Loaded, ModelError, Reads};

const TOLERANCE: f32 = 1e-4;

fn compare(folder: &Path, config: &str) -> Result<BTreeMap<&'static str, f32>, ModelError> {
    let model = Loaded::open_folder(folder, config, &LoadOptions::default())?.model;
    let gold = candle_core::safetensors::load(folder.join("golden.safetensors"), &Device::Cpu).unwrap();
    let ids = prompts(&gold, "input_ids");
    let mut worst = BTreeMap::new();
    let mut note = |what: &'static str, ours: &Tensor, theirs: &Tensor| {
        let w = worst.entry(what).or_insert(0f32);
        *w = w.max(difference(ours, theirs));
    };
    let depth = model.spec.depth();
    for (i, trace) in model.trace(&ids, &Reads::ALL)?.into_iter().enumerate() {
        let of = |key: &str| gold[key].get(i).unwrap();
        let (residual, heads) = (trace.residual.unwrap(), trace.heads.unwrap());
        for b in 0..=depth {
            note("residual", &residual.get(b).unwrap(), &of(&format!("hidden.{b}")));
        }
        for b in 0..depth {
            note("heads", &heads.get(b).unwrap().flatten_from(1).unwrap(), &of(&format!("attn_proj_in.{b}")));
        }
        let top = residual.get(depth).unwrap();
        note("logits", &model.logits(&top, FinalNorm::Apply, HeadKind::Full)?, &of("logits"));
    }
    Ok(worst)
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

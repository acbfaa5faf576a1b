//! GGUF files that llama.cpp's own converter wrote from small models with golden tensors. `scripts/llama_cpp_convert.py` makes
//! them into the folder that `STEERCHECK_GGUF` names, from the models in `STEERCHECK_GGUF_GOLDEN`; the converter and what it
//! needs are too large for every run: `just nightly` makes them and runs this.

mod common;

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use common::{difference, prompts};
use steercheck_model::{FinalNorm, HeadKind, LoadOptions, Loaded, Reads};

const TOLERANCE: f32 = 1e-4;
/// The file says 6 for `max_alibi_bias`, as its configuration does, and is read so; transformers computes with 8 whatever
/// the configuration says.
const DIFFERS: &str = "mpt";

#[test]
fn every_file_of_the_real_converter_agrees_with_the_golden_tensors() {
    let folder = |key: &str| std::env::var_os(key).map(std::path::PathBuf::from);
    let Some((files, golden)) = folder("STEERCHECK_GGUF").zip(folder("STEERCHECK_GGUF_GOLDEN")) else {
        println!("did not run: STEERCHECK_GGUF and STEERCHECK_GGUF_GOLDEN name no folders");
        return;
    };
    let mut paths: Vec<_> = std::fs::read_dir(files).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    let (mut failures, mut agree) = (Vec::new(), 0);
    for path in paths.iter().filter(|p| p.extension().is_some_and(|e| e == "gguf")) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let gold = candle_core::safetensors::load(golden.join(&name).join("golden.safetensors"), &Device::Cpu).unwrap();
        let model = match Loaded::open(path, &LoadOptions::default()) {
            Ok(loaded) => loaded.model,
            Err(e) => {
                failures.push(format!("{name}: {e}"));
                continue;
            }
        };
        let ids = prompts(&gold, "input_ids");
        let mut worst: BTreeMap<&'static str, f32> = BTreeMap::new();
        let mut note = |what: &'static str, ours: &Tensor, theirs: &Tensor| {
            let w = worst.entry(what).or_insert(0f32);
            *w = w.max(difference(ours, theirs));
        };
        let depth = model.spec.depth();
        for (i, trace) in model.trace(&ids, &Reads::ALL).unwrap().into_iter().enumerate() {
            let of = |key: &str| gold[key].get(i).unwrap();
            let (residual, heads) = (trace.residual.unwrap(), trace.heads.unwrap());
            for b in 0..=depth {
                note("residual", &residual.get(b).unwrap(), &of(&format!("hidden.{b}")));
            }
            for b in 0..depth {
                note("heads", &heads.get(b).unwrap().flatten_from(1).unwrap(), &of(&format!("attn_proj_in.{b}")));
            }
            let top = residual.get(depth).unwrap();
            note("logits", &model.logits(&top, FinalNorm::Apply, HeadKind::Full).unwrap(), &of("logits"));
        }
        println!("{name:28} {worst:?}");
        let within = worst.values().all(|d| *d <= TOLERANCE) && model.info.unused_tensors.is_empty();
        let expected = name != DIFFERS;
        if within == expected {
            agree += usize::from(within);
        } else {
            failures.push(format!("{name}: {worst:?} unused {:?}", model.info.unused_tensors));
        }
    }
    println!("{agree} agree");
    assert!(agree > 0, "no files there");
    assert!(failures.is_empty(), "{} fail:\n{}", failures.len(), failures.join("\n"));
}

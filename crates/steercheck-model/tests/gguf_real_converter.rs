//! GGUF files that llama.cpp's own converter wrote from small models with golden tensors. `scripts/llama_cpp_convert.py` makes
//! them into the folder that `STEERCHECK_GGUF` names, from the models in `STEERCHECK_GGUF_GOLDEN`; the converter and what it
//! needs are too large for every run: `just nightly` makes them and runs this.

mod common;

use candle_core::Device;
use common::from_golden;
use steercheck_model::{LoadOptions, Loaded};

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
        let worst = from_golden(&model, &gold, usize::MAX);
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

//! What the tests of this crate share: where the fixtures are, and how tensors are compared.
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod convert;
pub(crate) mod edits;
pub(crate) mod gguf_writer;
pub(crate) mod random;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use serde_json::Value;
use steercheck_model::{FinalNorm, HeadKind, LoadOptions, Loaded, Model, Reads};

/// Fixture folders: every family.
pub(crate) const FIXTURES: &[&str] = &[
    "bloom",
    "bloom_hub_names",
    "cohere",
    "deepseek_llama_linear",
    "falcon_40b_style",
    "falcon_7b_style",
    "falcon_rw_style",
    "gemma2",
    "gemma3_text",
    "gemma_mqa",
    "glm",
    "gpt2",
    "gpt2_hub_names",
    "gpt_neo_local",
    "gpt_neox_hub_buffers",
    "gpt_neox_parallel",
    "gptj",
    "granite",
    "internlm2",
    "llama_bf16_sharded",
    "llama_dynamic",
    "llama_llama3rope",
    "llama_yarn",
    "mistral_sliding",
    "mixtral",
    "mpt",
    "olmo2",
    "olmo_clip",
    "olmoe",
    "opt",
    "opt_350m_style",
    "phi",
    "phi3_longrope",
    "qwen2_moe",
    "qwen2_tied",
    "qwen3",
    "smollm3",
    "stablelm",
    "starcoder2",
];

/// A fixture's model by one of its configurations.
pub(crate) fn open(shared: &Path, name: &str, config: &str, options: &LoadOptions) -> Model {
    let folder = shared.join("fixtures").join(name);
    match Loaded::open_folder(&folder, config, options) {
        Ok(loaded) => loaded.model,
        Err(e) => panic!("{name}/{config}: {e}"),
    }
}

/// Golden tensors of a fixture.
pub(crate) fn golden(shared: &Path, name: &str) -> HashMap<String, Tensor> {
    let path = shared.join("fixtures").join(name).join("golden.safetensors");
    candle_core::safetensors::load(path, &Device::Cpu).expect("golden tensors load")
}

/// The batch of a fixture.
pub(crate) fn prompts(golden: &HashMap<String, Tensor>, name: &str) -> Vec<Vec<u32>> {
    let ids = golden[name].to_dtype(DType::I64).unwrap().to_vec2::<i64>().unwrap();
    ids.into_iter().map(|row| row.into_iter().map(|i| u32::try_from(i).unwrap()).collect()).collect()
}

/// Largest absolute difference; infinite if a number is not finite.
pub(crate) fn difference(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.dims(), b.dims(), "shapes differ");
    let d = (a.to_dtype(DType::F32).unwrap() - b.to_dtype(DType::F32).unwrap()).unwrap();
    let all = d.abs().unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    all.into_iter().fold(0.0, |m, x| if x.is_finite() { m.max(x) } else { f32::INFINITY })
}

/// Configuration and weights of a fixture's folder.
pub(crate) fn fixture(folder: &Path) -> (Value, random::Tensors) {
    let config = serde_json::from_str(&std::fs::read_to_string(folder.join("config.json")).unwrap()).unwrap();
    let mut tensors = random::Tensors::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        if file.starts_with("model") && file.ends_with(".safetensors") {
            tensors.extend(candle_core::safetensors::load(&path, &Device::Cpu).unwrap());
        }
    }
    assert!(!tensors.is_empty(), "{}", folder.display());
    (config, tensors)
}

/// Largest difference of a model's residuals, heads and logits from golden tensors at the first `positions` positions.
pub(crate) fn from_golden(
    model: &Model,
    gold: &HashMap<String, Tensor>,
    positions: usize,
) -> BTreeMap<&'static str, f32> {
    let mut ids = prompts(gold, "input_ids");
    for row in &mut ids {
        row.truncate(positions);
    }
    let mut worst = BTreeMap::new();
    let mut note = |what: &'static str, ours: &Tensor, theirs: &Tensor| {
        let w = worst.entry(what).or_insert(0f32);
        *w = w.max(difference(ours, theirs));
    };
    let depth = model.spec.depth();
    for (i, trace) in model.trace(&ids, &Reads::ALL).unwrap().into_iter().enumerate() {
        let of = |key: &str| gold[key].get(i).unwrap().narrow(0, 0, ids[i].len()).unwrap();
        let (residual, heads) = (trace.residual.unwrap(), trace.heads.unwrap());
        for b in 0..=depth {
            note("residual", &residual.get(b).unwrap(), &of(&format!("hidden.{b}")));
        }
        for b in 0..depth {
            note("heads", &heads.get(b).unwrap().flatten_from(1).unwrap(), &of(&format!("attn_proj_in.{b}")));
        }
        let logits = model.logits(&residual.get(depth).unwrap(), FinalNorm::Apply, HeadKind::Full).unwrap();
        note("logits", &logits, &of("logits"));
    }
    worst
}

/// A real model of the catalogue, see [`steercheck_testkit::real_model`].
pub(crate) fn real_model(name: &str, options: &LoadOptions) -> Option<Loaded> {
    steercheck_testkit::real_model(name).map(|path| Loaded::open(&path, options).expect("a catalogue model loads"))
}

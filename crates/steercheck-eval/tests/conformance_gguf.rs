//! A GGUF file against the golden tensors that were computed from the same model in Hugging Face's layout.

mod common;
/// The writer of GGUF files in the converter's layout belongs to the tests of the engine.
#[path = "../../steercheck-model/tests/common/mod.rs"]
mod engine;

use engine::convert::convert;
use engine::gguf_writer::Kind;
use steercheck_eval::conformance::{Check, Golden, Grade, KINDS};

/// The golden checks of a fixture's model as a GGUF file with matrices of this kind.
fn converted(name: &str, kind: Kind) -> Option<Vec<Check>> {
    let folder = steercheck_testkit::shared()?.join("fixtures").join(name);
    let config = serde_json::from_str(&std::fs::read_to_string(folder.join("config.json")).unwrap()).unwrap();
    let path = folder.join("model.safetensors");
    let tensors = candle_core::safetensors::load(path, &candle_core::Device::Cpu).unwrap().into_iter().collect();
    let new = tempfile::TempDir::new().unwrap();
    let file = new.path().join("model.gguf");
    std::fs::write(&file, convert(&config, &tensors, kind).write().bytes).unwrap();
    let model = common::open(&file);
    Some(Golden::read(&folder, &model).unwrap().compare(&model).unwrap())
}

#[test]
fn a_gguf_file_agrees_with_the_golden_tensors_of_its_fixture() {
    for name in ["llama_llama3rope", "qwen2_tied", "qwen3"] {
        let Some(checks) = converted(name, Kind::F32) else { return };
        assert_eq!(checks.len(), KINDS.len(), "{name}");
        assert!(checks.iter().all(|c| c.grade == Grade::Passed), "{name}: {checks:#?}");
    }
}

#[test]
fn a_gguf_file_of_rounded_weights_does_not() {
    let Some(checks) = converted("llama_llama3rope", Kind::Bf16) else { return };
    let logits = checks.iter().find(|c| c.name == "golden logits").unwrap();
    assert!(logits.grade == Grade::Failed && logits.difference.unwrap() > 1e-3, "{logits:?}");
}

//! Models read from GGUF files, in the layout of llama.cpp's converter, equal the same models in Hugging Face's layout.

#[path = "../common/mod.rs"]
mod common;

mod fixtures;
mod metadata;
mod refusals;
mod settings;
mod types;

use std::path::Path;

use common::difference;
use common::gguf_writer::Writer;
use common::random::{self, Tensors};
use serde_json::Value;
use steercheck_model::{FinalNorm, HeadKind, LoadOptions, Loaded, Model, ModelError, Precision, Reads};
use tempfile::TempDir;

const PRECISIONS: [Precision; 2] = [Precision::F32, Precision::Stored];

fn open(path: &Path, precision: Precision) -> Model {
    let options = LoadOptions { precision, ..LoadOptions::default() };
    match Loaded::open(path, &options) {
        Ok(loaded) => loaded.model,
        Err(e) => panic!("{}: {e}", path.display()),
    }
}

fn try_open_gguf(file: &Writer, precision: Precision) -> Result<Model, ModelError> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, file.write().bytes).unwrap();
    let options = LoadOptions { precision, ..LoadOptions::default() };
    Loaded::open(&path, &options).map(|loaded| loaded.model)
}

fn open_gguf(file: &Writer, precision: Precision) -> Model {
    try_open_gguf(file, precision).unwrap_or_else(|e| panic!("{e}"))
}

fn open_folder(config: &Value, tensors: &Tensors) -> Model {
    let folder = TempDir::new().unwrap();
    random::write_folder(folder.path(), config, tensors);
    open(folder.path(), Precision::F32)
}

/// Largest difference of all that two models give for the same prompts.
fn between(a: &Model, b: &Model) -> f32 {
    between_on(a, b, &random::prompts(a.spec.vocab_size, &[1, 9, 13], 3))
}

fn between_on(a: &Model, b: &Model, prompts: &[Vec<u32>]) -> f32 {
    let run = |m: &Model| {
        let mut all = Vec::new();
        for trace in m.trace(prompts, &Reads::ALL).unwrap() {
            let residual = trace.residual.unwrap();
            let top = residual.get(m.spec.depth()).unwrap();
            all.push(m.logits(&top, FinalNorm::Apply, HeadKind::Full).unwrap());
            all.extend([residual, trace.heads.unwrap(), trace.attention.unwrap(), trace.mlp.unwrap()]);
        }
        all
    };
    run(a).iter().zip(&run(b)).map(|(a, b)| difference(a, b)).fold(0.0, f32::max)
}

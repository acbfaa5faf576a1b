//! PyTorch files of the fixtures: the same numbers to the bit as from their safetensors.

mod common;
#[path = "common/torch_writer.rs"]
mod torch_writer;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use common::{difference, golden, prompts};
use steercheck_model::{FinalNorm, HeadKind, LoadOptions, Loaded, Model, Precision, Reads};
use steercheck_testkit::shared;
use tempfile::TempDir;
use torch_writer::{Saved, pickle, unaligned};

const TOLERANCE: f32 = 1e-4;
const SINGLE: &str = "pytorch_model.bin";
const INDEX: &str = "pytorch_model.bin.index.json";

/// Fixtures of families that have older checkpoints, and one in two shards.
const NAMES: [&str; 6] = ["gptj", "falcon_7b_style", "mpt", "gpt2_hub_names", "gpt_neo_local", "llama_bf16_sharded"];

fn open(folder: &Path, precision: Precision) -> Model {
    match Loaded::open(folder, &LoadOptions { precision, ..LoadOptions::default() }) {
        Ok(loaded) => loaded.model,
        Err(e) => panic!("{}: {e}", folder.display()),
    }
}

/// Residuals at every block and logits, one after the other, of each prompt.
fn numbers(model: &Model, ids: &[Vec<u32>]) -> Vec<(Tensor, Tensor)> {
    let traces = model.trace(ids, &Reads::ALL).unwrap();
    traces
        .into_iter()
        .map(|trace| {
            let residual = trace.residual.unwrap();
            let top = residual.get(model.spec.depth()).unwrap();
            let logits = model.logits(&top, FinalNorm::Apply, HeadKind::Full).unwrap();
            (residual, logits)
        })
        .collect()
}

fn bits(t: &Tensor) -> Vec<u32> {
    t.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}

/// What old checkpoints of GPT-2, GPT-Neo and GPT-J carry in every block.
fn add_masks(saved: &mut Saved) {
    for (name, storage, data) in [
        ("transformer.h.0.attn.bias", "ByteStorage", vec![1; 4]),
        ("transformer.h.0.attn.attention.bias", "BoolStorage", vec![1; 4]),
        ("transformer.h.1.attn.positions", "LongStorage", vec![0; 32]),
        ("transformer.h.1.attn.doubles", "DoubleStorage", vec![0; 32]),
    ] {
        saved.add(name, storage, &[1, 1, 2, 2], &data);
    }
    saved.add("transformer.h.0.attn.masked_bias", "FloatStorage", &[], &(-1e9f32).to_le_bytes());
}

/// The files of a folder of this ending, in name order.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    all.retain(|p| p.file_name().is_some_and(|n| n.to_string_lossy().ends_with(ending) && n != "golden.safetensors"));
    all.sort();
    all
}

/// A fixture with its tensors as PyTorch files, shards for shards.
fn converted(fixture: &Path) -> TempDir {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::copy(fixture.join("config.json"), at("config.json")).unwrap();
    let shards = files(fixture, ".safetensors");
    let mut weight_map = serde_json::Map::new();
    for (i, shard) in shards.iter().enumerate() {
        let mut saved = Saved::of_safetensors(shard);
        if i == 0 {
            add_masks(&mut saved);
            saved.entries[0].parameter = true;
        }
        let name = if shards.len() == 1 {
            SINGLE.to_string()
        } else {
            format!("pytorch_model-{:05}-of-{:05}.bin", i + 1, shards.len())
        };
        weight_map.extend(saved.entries.iter().map(|e| (e.name.clone(), name.as_str().into())));
        saved.write(&at(&name));
    }
    if shards.len() > 1 {
        std::fs::write(at(INDEX), serde_json::json!({"metadata": {}, "weight_map": weight_map}).to_string()).unwrap();
    }
    folder
}

#[test]
fn pytorch_files_of_the_fixtures_give_the_bits_of_safetensors_and_the_golden_tensors() {
    let Some(shared) = shared() else { return };
    for name in NAMES {
        let fixture = shared.join("fixtures").join(name);
        let folder = converted(&fixture);
        let gold = golden(&shared, name);
        let ids = prompts(&gold, "input_ids");
        for precision in [Precision::F32, Precision::Stored] {
            let (theirs, ours) = (open(&fixture, precision), open(folder.path(), precision));
            assert_eq!((theirs.info.format.as_str(), ours.info.format.as_str()), ("safetensors", "pytorch"));
            assert_eq!(theirs.info.stored_types, ours.info.stored_types, "{name}");
            let mut worst = 0f32;
            for (i, (a, b)) in numbers(&theirs, &ids).iter().zip(numbers(&ours, &ids)).enumerate() {
                assert_eq!(bits(&a.0), bits(&b.0), "{name} {precision:?}: residuals");
                assert_eq!(bits(&a.1), bits(&b.1), "{name} {precision:?}: logits");
                worst = worst.max(difference(&b.1, &gold["logits"].get(i).unwrap()));
                for block in 0..=ours.spec.depth() {
                    let want = gold[&format!("hidden.{block}")].get(i).unwrap();
                    worst = worst.max(difference(&b.0.get(block).unwrap(), &want));
                }
            }
            println!("{name} {precision:?}: {worst:e}");
            assert!(worst <= TOLERANCE, "{name} {precision:?}: {worst}");
        }
    }
}

#[test]
fn masks_of_other_types_are_not_there_and_the_hash_is_that_of_the_files() {
    let Some(shared) = shared() else { return };
    let fixture = shared.join("fixtures/llama_bf16_sharded");
    let folder = converted(&fixture);
    let model = open(folder.path(), Precision::Stored);
    let unused: BTreeSet<&str> = model.info.unused_tensors.iter().map(String::as_str).collect();
    assert!(unused.is_empty(), "{unused:?}");
    let all = files(folder.path(), ".bin").iter().map(|p| std::fs::read(p).unwrap()).collect::<Vec<_>>().concat();
    assert_eq!(model.info.weights_hash, blake3::hash(&all).to_hex().to_string());
    assert_eq!(model.info.file_bytes, all.len() as u64);
}

/// The bits of a fixture's first logits from one PyTorch file.
fn first_logits(fixture: &Path, file: &[u8], ids: &[Vec<u32>]) -> Vec<u32> {
    let folder = TempDir::new().unwrap();
    std::fs::copy(fixture.join("config.json"), folder.path().join("config.json")).unwrap();
    std::fs::write(folder.path().join(SINGLE), file).unwrap();
    bits(&numbers(&open(folder.path(), Precision::Stored), ids)[0].1)
}

#[test]
fn storages_may_be_shared_and_lie_at_any_byte() {
    let Some(shared) = shared() else { return };
    let name = "gpt2_hub_names";
    let fixture = shared.join("fixtures").join(name);
    let ids = prompts(&golden(&shared, name), "input_ids");
    let want = bits(&numbers(&open(&fixture, Precision::Stored), &ids)[0].1);
    let saved = Saved::of_safetensors(&fixture.join("model.safetensors"));
    assert_eq!(first_logits(&fixture, &saved.clone().in_one_storage().bytes(), &ids), want, "one storage");
    // The head of a tied model is the embedding's storage once more.
    let mut tied = saved.clone();
    let mut head = tied.entry("wte.weight").clone();
    head.name = "lm_head.weight".into();
    tied.entries.push(head);
    assert_eq!(first_logits(&fixture, &tied.bytes(), &ids), want, "tied");
    let mut odd = saved;
    odd.storages.push(vec![0; 3]);
    odd.storages.rotate_right(1);
    for entry in &mut odd.entries {
        entry.key = (entry.key.parse::<usize>().unwrap() + 1).to_string();
    }
    for (what, file) in [("unaligned", unaligned(&pickle(&odd.entries), &odd.storages)), ("aligned", odd.bytes())] {
        assert_eq!(first_logits(&fixture, &file, &ids), want, "{what}");
    }
}

#[test]
fn safetensors_are_preferred() {
    let Some(shared) = shared() else { return };
    let fixture = shared.join("fixtures/gptj");
    let folder = converted(&fixture);
    assert_eq!(open(folder.path(), Precision::Stored).info.format, "pytorch");
    std::fs::copy(fixture.join("model.safetensors"), folder.path().join("model.safetensors")).unwrap();
    assert_eq!(open(folder.path(), Precision::Stored).info.format, "safetensors");
}

/// The same numbers from `pt/pytorch_model.bin` as from `st/model.safetensors`, and the golden ones where nothing was rounded.
fn compare(folder: &Path) {
    let (ours, theirs) = (open(&folder.join("pt"), Precision::Stored), open(&folder.join("st"), Precision::Stored));
    assert_eq!((ours.info.format.as_str(), theirs.info.format.as_str()), ("pytorch", "safetensors"));
    assert_eq!(ours.info.stored_types, theirs.info.stored_types);
    let gold = candle_core::safetensors::load(folder.join("golden.safetensors"), &Device::Cpu).unwrap();
    let ids = prompts(&gold, "input_ids");
    let mut worst = 0f32;
    for (i, (a, b)) in numbers(&theirs, &ids).iter().zip(numbers(&ours, &ids)).enumerate() {
        assert_eq!(bits(&a.1), bits(&b.1), "{}", folder.display());
        worst = worst.max(difference(&b.1, &gold["logits"].get(i).unwrap()));
    }
    println!("{}: {:?}, from the golden logits {worst:e}", folder.display(), ours.info.stored_types);
    if ours.info.stored_types.keys().all(|t| t == "F32") {
        assert!(worst <= TOLERANCE, "{}: {worst}", folder.display());
    }
}

#[test]
fn files_of_pytorch_itself_hold_what_it_saved_or_are_refused() {
    let Some(root) = std::env::var_os("STEERCHECK_TORCH_FILES") else {
        println!("did not run: STEERCHECK_TORCH_FILES names no folder of scripts/make_torch_files.py");
        return;
    };
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).collect();
    folders.sort();
    let (refused, sound): (Vec<_>, Vec<_>) = folders.iter().partition(|f| f.join("refused.txt").exists());
    assert!(!refused.is_empty() && !sound.is_empty(), "no files there");
    for folder in sound {
        compare(folder);
    }
    for folder in refused {
        let words = std::fs::read_to_string(folder.join("refused.txt")).unwrap();
        match Loaded::open(&folder.join("pt"), &LoadOptions::default()) {
            Ok(_) => panic!("{}: accepted", folder.display()),
            Err(e) => {
                println!("{}: {e}", folder.display());
                assert!(e.to_string().contains(&words), "'{words}' is not in: {e}");
            }
        }
    }
}

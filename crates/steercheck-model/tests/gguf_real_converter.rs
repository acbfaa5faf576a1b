//! GGUF files that llama.cpp's own converter wrote from small models with golden tensors: they agree with those, and with what
//! the tests' own converter writes. `scripts/llama_cpp_convert.py` makes them into the folder that `STEERCHECK_GGUF` names, from
//! the models in `STEERCHECK_GGUF_GOLDEN`, which have settings that it writes (`scripts/gguf_specs.py`). The converter and what
//! it needs are too large for every run: `just nightly converter` makes them and runs this.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::{Device, Tensor};
use common::convert::convert;
use common::gguf_writer::Kind;
use common::{fixture, from_golden};
use steercheck_model::{LoadOptions, Loaded};

const TOLERANCE: f32 = 1e-4;
/// The converter's files and the models they were made from.
fn folders() -> Option<(Vec<PathBuf>, PathBuf)> {
    let folder = |key: &str| std::env::var_os(key).map(PathBuf::from);
    let Some((files, golden)) = folder("STEERCHECK_GGUF").zip(folder("STEERCHECK_GGUF_GOLDEN")) else {
        println!("did not run: STEERCHECK_GGUF and STEERCHECK_GGUF_GOLDEN name no folders");
        return None;
    };
    let mut paths: Vec<_> = std::fs::read_dir(files).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "gguf"));
    paths.sort();
    Some((paths, golden))
}

fn name_of(path: &Path) -> String {
    path.file_stem().unwrap().to_string_lossy().into_owned()
}

#[test]
fn every_file_of_the_real_converter_agrees_with_the_golden_tensors() {
    let Some((paths, golden)) = folders() else { return };
    let (mut failures, mut agree) = (Vec::new(), 0);
    for path in &paths {
        let name = name_of(path);
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
        if within {
            agree += 1;
        } else {
            failures.push(format!("{name}: {worst:?} unused {:?}", model.info.unused_tensors));
        }
    }
    println!("{agree} agree");
    assert!(agree > 0, "no files there");
    assert!(failures.is_empty(), "{} fail:\n{}", failures.len(), failures.join("\n"));
}

/// Keys that say nothing of the model's numbers: what it is called, and its tokenizer, which the fixtures do not have.
fn apart(key: &str) -> bool {
    key.starts_with("tokenizer.") || (key.starts_with("general.") && key != "general.architecture")
}

/// Keys of a file as text, and its tensors, by candle's reader.
fn contents(bytes: &[u8]) -> (BTreeMap<String, Value>, BTreeMap<String, Tensor>) {
    let mut reader = std::io::Cursor::new(bytes);
    let content = Content::read(&mut reader).unwrap();
    let mut tensors = BTreeMap::new();
    for name in content.tensor_infos.keys() {
        let tensor = content.tensor(&mut reader, name, &Device::Cpu).unwrap();
        tensors.insert(name.clone(), tensor.dequantize(&Device::Cpu).unwrap());
    }
    let keys = content.metadata.into_iter().filter(|(key, _)| !apart(key)).collect();
    (keys, tensors)
}

/// Whether numbers are the same but for the last bit of an f32, which is where Python's arithmetic may differ.
fn near(a: f32, b: f32) -> bool {
    (a - b).abs() <= 1e-6 * a.abs().max(b.abs())
}

fn same_value(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::F32(a), Value::F32(b)) => near(*a, *b),
        _ => format!("{a:?}") == format!("{b:?}"),
    }
}

/// Computed numbers (the divisors of the frequencies) are near, all others have the same bits.
fn same_tensor(name: &str, a: &Tensor, b: &Tensor) -> bool {
    let numbers = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let computed = name.starts_with("rope_");
    let same = |a: f32, b: f32| if computed { near(a, b) } else { a.to_bits() == b.to_bits() };
    a.dims() == b.dims() && numbers(a).into_iter().zip(numbers(b)).all(|(a, b)| same(a, b))
}

/// What differs between two maps.
fn differences<T>(
    what: &str,
    real: &BTreeMap<String, T>,
    ours: &BTreeMap<String, T>,
    same: impl Fn(&str, &T, &T) -> bool,
) -> Vec<String> {
    let missing = real.keys().filter(|k| !ours.contains_key(*k)).map(|k| format!("{what} {k} is missing in ours"));
    let added = ours.keys().filter(|k| !real.contains_key(*k)).map(|k| format!("{what} {k} is in ours alone"));
    let other = real
        .iter()
        .filter(|(k, r)| ours.get(*k).is_some_and(|o| !same(k, r, o)))
        .map(|(k, _)| format!("{what} {k} differs"));
    missing.chain(added).chain(other).collect()
}

#[test]
fn the_tests_converter_writes_the_keys_and_tensors_that_the_real_one_writes() {
    let Some((paths, models)) = folders() else { return };
    let mut failures = Vec::new();
    for path in &paths {
        let name = name_of(path);
        let (config, tensors) = fixture(&models.join(&name));
        let (keys, data) = contents(&std::fs::read(path).unwrap());
        let (our_keys, our_data) = contents(&convert(&config, &tensors, Kind::F32).write().bytes);
        let mut found = differences("key", &keys, &our_keys, |_, a, b| same_value(a, b));
        found.extend(differences("tensor", &data, &our_data, same_tensor));
        println!("{name:28} {} keys, {} tensors: {} differences", keys.len(), data.len(), found.len());
        failures.extend(found.into_iter().map(|d| format!("{name}: {d}")));
    }
    assert!(!paths.is_empty(), "no files there");
    assert!(failures.is_empty(), "{} differences:\n{}", failures.len(), failures.join("\n"));
}

//! Safetensors files and their index that are cut short, flipped or lie.

use std::path::Path;

use serde_json::{Value, json};
use steercheck_model::ModelError;
use tempfile::TempDir;

use super::common::random::{self, Numbers, Sizes};
use super::{Tally, is_about, memory_was_bounded, options, use_model};

const TINY: Sizes = Sizes { vocab: 8, hidden: 8, inner: 8, blocks: 1, heads: 2, kv_heads: 1, head_dim: 4 };

const MODEL: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// A folder with a sound model.
fn sound() -> TempDir {
    let folder = TempDir::new().unwrap();
    let config = random::config("llama", TINY);
    random::write_folder(folder.path(), &config, &random::tensors(&config, 3));
    folder
}

fn open(folder: &Path) -> Result<(), ModelError> {
    use_model(folder, &options(0))
}

fn error(folder: &Path) -> ModelError {
    open(folder).expect_err("this must be refused")
}

/// Header and data of a file.
fn parts(bytes: &[u8]) -> (Value, Vec<u8>) {
    let n = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (serde_json::from_slice(&bytes[8..8 + n]).unwrap(), bytes[8 + n..].to_vec())
}

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let mut out = (header.len() as u64).to_le_bytes().to_vec();
    out.extend(header.as_bytes());
    out.extend(data);
    out
}

#[test]
fn a_file_cut_anywhere_is_said_to_be_incomplete() {
    let folder = sound();
    let path = folder.path().join(MODEL);
    let bytes = std::fs::read(&path).unwrap();
    open(folder.path()).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let cuts = (0..10).chain((10..header + 10).step_by(7)).chain([header + 7, header + 8, header + 9, bytes.len() - 1]);
    for cut in cuts {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        is_about(&format!("cut at {cut}"), &error(folder.path()), "Damaged", "model.safetensors is damaged");
    }
    let longer = [bytes, vec![0]].concat();
    std::fs::write(&path, longer).unwrap();
    is_about("one byte more", &error(folder.path()), "Damaged", "incomplete");
}

#[test]
fn a_header_length_that_lies_is_refused() {
    let folder = sound();
    let path = folder.path().join(MODEL);
    let bytes = std::fs::read(&path).unwrap();
    let n = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    for lie in [0, 1, n - 1, n + 1, bytes.len() as u64, 99_999_999, 100_000_001, 1 << 40, u64::MAX - 8, u64::MAX] {
        let mut bytes = bytes.clone();
        bytes[..8].copy_from_slice(&lie.to_le_bytes());
        std::fs::write(&path, bytes).unwrap();
        is_about(&format!("{lie}"), &error(folder.path()), "Damaged", "download it again");
    }
    memory_was_bounded();
}

#[test]
fn flipped_header_bits_are_used_or_refused() {
    let folder = sound();
    let path = folder.path().join(MODEL);
    let bytes = std::fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut numbers = Numbers(9);
    let mut tally = Tally::default();
    for i in 0..3000 {
        let mut bytes = bytes.clone();
        let bits: Vec<usize> = (0..=i % 2).map(|_| numbers.below(header * 8)).collect();
        for bit in &bits {
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        std::fs::write(&path, bytes).unwrap();
        tally.attempt(|| format!("bits {bits:?}"), || use_model(folder.path(), &options(i)));
    }
    tally.settle("flipped safetensors");
}

#[test]
fn shapes_types_and_offsets_that_lie_are_refused() {
    let folder = sound();
    let path = folder.path().join(MODEL);
    let (header, data) = parts(&std::fs::read(&path).unwrap());
    let norm = "model.norm.weight";
    let query = "model.layers.0.self_attn.q_proj.weight";
    let huge = 1u64 << 60;
    let cases: [(&str, &str, &str, Value, &str, &str); 13] = [
        ("another shape", query, "shape", json!([4, 16]), "Tensor", "[4, 16] where [8, 8]"),
        ("a flat shape", query, "shape", json!([64]), "Tensor", "q_proj"),
        ("a deep shape", query, "shape", json!([8, 2, 4]), "Tensor", "q_proj"),
        ("a larger shape", query, "shape", json!([8, 9]), "Damaged", "shape"),
        ("a shape that overflows", query, "shape", json!([1u64 << 40, 1u64 << 40]), "Damaged", "overflow"),
        ("a negative shape", query, "shape", json!([-8, 8]), "Damaged", "JSON"),
        ("a type of another size", norm, "dtype", json!("F16"), "Damaged", "type"),
        ("a type that does not exist", norm, "dtype", json!("F33"), "Damaged", "F33"),
        ("integers", norm, "dtype", json!("I32"), "Tensor", "'model.norm.weight' is stored as I32"),
        ("no offsets", norm, "data_offsets", json!([]), "Damaged", "JSON"),
        ("offsets out of order", norm, "data_offsets", json!([8, 0]), "Damaged", "offset"),
        ("offsets past the end", norm, "data_offsets", json!([0, huge]), "Damaged", "past the end"),
        ("offsets up to 2^64", norm, "data_offsets", json!([u64::MAX - 32, u64::MAX]), "Damaged", "past the end"),
    ];
    for (what, tensor, key, value, variant, word) in cases {
        let mut header = header.clone();
        header[tensor][key] = value;
        std::fs::write(&path, file(&header.to_string(), &data)).unwrap();
        is_about(what, &error(folder.path()), variant, word);
    }
    memory_was_bounded();
}

#[test]
fn offsets_whose_sum_overflows_are_refused() {
    let folder = sound();
    // Eight tensors of 2^61 - 1 bytes end just below 2^64.
    let size = (1u64 << 61) - 1;
    let tensors: serde_json::Map<String, Value> = (0..8)
        .map(|i| (format!("t{i}"), json!({"dtype": "U8", "shape": [size], "data_offsets": [i * size, (i + 1) * size]})))
        .collect();
    std::fs::write(folder.path().join(MODEL), file(&Value::from(tensors).to_string(), &[])).unwrap();
    is_about("the sum", &error(folder.path()), "Damaged", "past the end");
}

#[test]
fn weights_in_a_type_that_is_not_read_are_named_with_their_type() {
    let folder = sound();
    let path = folder.path().join(MODEL);
    let (header, data) = parts(&std::fs::read(&path).unwrap());
    let name = "model.layers.0.self_attn.q_proj.weight";
    for (dtype, inner) in [("F8_E4M3", 32), ("F64", 4)] {
        let mut header = header.clone();
        header[name]["dtype"] = json!(dtype);
        header[name]["shape"] = json!([8, inner]);
        std::fs::write(&path, file(&header.to_string(), &data)).unwrap();
        is_about(dtype, &error(folder.path()), "Tensor", &format!("is stored as {dtype}"));
    }
}

#[test]
fn headers_that_are_not_a_directory_of_tensors_are_refused() {
    let folder = sound();
    let path = folder.path().join(MODEL);
    let nested = "[".repeat(100_000);
    for header in ["", "[]", "null", "7", "{", "{\"a\": 1}", "{\"a\": {}}", nested.as_str(), "\u{feff}{}"] {
        std::fs::write(&path, file(header, &[])).unwrap();
        is_about(&header[..header.len().min(20)], &error(folder.path()), "Damaged", "model.safetensors is damaged");
    }
    // Nothing in it is a directory too, of a model that has no weights.
    std::fs::write(&path, file("{}", &[])).unwrap();
    is_about("empty", &error(folder.path()), "Tensor", "'model.embed_tokens.weight' is missing");
    let lines = file("{\"a\\nb\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [4, 8]}}", &[0; 4]);
    std::fs::write(&path, lines).unwrap();
    is_about("a name of two lines", &error(folder.path()), "Damaged", "a?b");
}

#[test]
fn masks_and_other_buffers_are_passed_over() {
    let folder = sound();
    let path = folder.path().join(MODEL);
    let (mut header, mut data) = parts(&std::fs::read(&path).unwrap());
    let end = data.len();
    header["model.layers.0.self_attn.mask"] = json!({"dtype": "BOOL", "shape": [2, 2], "data_offsets": [end, end + 4]});
    header["model.empty"] = json!({"dtype": "F32", "shape": [0, 1u64 << 20], "data_offsets": [end + 4, end + 4]});
    header["model.scalar"] = json!({"dtype": "F32", "shape": [], "data_offsets": [end + 4, end + 8]});
    data.extend([0; 8]);
    std::fs::write(&path, file(&header.to_string(), &data)).unwrap();
    open(folder.path()).unwrap();
}

#[test]
fn an_index_that_cannot_be_followed_is_refused() {
    let folder = sound();
    let dir = folder.path();
    std::fs::rename(dir.join(MODEL), dir.join("one.safetensors")).unwrap();
    let names: Vec<String> = {
        let (header, _) = parts(&std::fs::read(dir.join("one.safetensors")).unwrap());
        header.as_object().unwrap().keys().cloned().collect()
    };
    let index = |file: &str| {
        let map: serde_json::Map<String, Value> = names.iter().map(|n| (n.clone(), json!(file))).collect();
        json!({"metadata": {}, "weight_map": map}).to_string()
    };
    std::fs::write(dir.join(INDEX), index("one.safetensors")).unwrap();
    open(dir).unwrap();
    std::fs::create_dir(dir.join("sub")).unwrap();
    std::fs::copy(dir.join("one.safetensors"), dir.join("sub/one.safetensors")).unwrap();
    let absolute = dir.join("one.safetensors").display().to_string();
    for (what, text, variant, word) in [
        ("a missing shard", index("two.safetensors"), "Io", "shard of the index is missing"),
        ("a folder above", index("../one.safetensors"), "Damaged", "outside of the folder"),
        ("a folder below", index("sub/one.safetensors"), "Damaged", "outside of the folder"),
        ("backslashes", index("..\\one.safetensors"), "Damaged", "outside of the folder"),
        ("an absolute path", index(&absolute), "Damaged", "outside of the folder"),
        ("the folder above", index(".."), "Damaged", "outside of the folder"),
        ("the folder itself", index("."), "Damaged", "outside of the folder"),
        ("no name", index(""), "Damaged", "outside of the folder"),
        ("a zero byte", index("one\0"), "Io", "missing"),
        ("a folder", index("sub"), "Io", "not a regular file"),
        ("a configuration", index("config.json"), "Damaged", "config.json is damaged"),
        ("not JSON", "weights".into(), "Damaged", "index.json"),
        ("nothing", String::new(), "Damaged", "index.json"),
        ("a list", "[]".into(), "Damaged", "weight_map"),
        ("no map", "{}".into(), "Damaged", "weight_map"),
        ("a list as map", json!({"weight_map": ["a"]}).to_string(), "Damaged", "weight_map"),
        ("an empty map", json!({"weight_map": {}}).to_string(), "Damaged", "is empty"),
        ("a number as file", json!({"weight_map": {"a": 1}}).to_string(), "Damaged", "names no file"),
    ] {
        std::fs::write(dir.join(INDEX), text).unwrap();
        is_about(what, &error(dir), variant, word);
    }
    std::fs::write(dir.join(INDEX), [0xff, 0xfe, 0]).unwrap();
    is_about("not UTF-8", &error(dir), "Io", "UTF-8");
    std::fs::copy(dir.join("one.safetensors"), dir.join("two.safetensors")).unwrap();
    let both = json!({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}).to_string();
    std::fs::write(dir.join(INDEX), both).unwrap();
    is_about("the same tensor twice", &error(dir), "Damaged", "appears in two shards");
}

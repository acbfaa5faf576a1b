//! Token ids against llama.cpp's, from vocabularies that need no download (and Qwen's where its folder is named).
//! How the golden files were made: `tests/tokenizer_golden/README.md`.

mod common;

use serde_json::Value;
use std::path::{Path, PathBuf};

use steercheck_model::tokenizer::{GgufVocab, from_gguf, pre_tokenizer_names};
use steercheck_model::{LoadOptions, Precision};
use tokenizers::Tokenizer;

fn read(path: &Path) -> Value {
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&bytes).expect("valid JSON")
}

fn golden(name: &str) -> Value {
    read(&PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/tokenizer_golden").join(name))
}

fn list<T: serde::de::DeserializeOwned>(value: &Value) -> Vec<T> {
    serde_json::from_value(value.clone()).expect("a list of the right type")
}

fn check(tokenizer: &Tokenizer, golden: &Value) {
    for case in list::<Value>(&golden["cases"]) {
        let text = case["text"].as_str().expect("a text");
        let ids = tokenizer.encode(text, false).expect("text encodes");
        assert_eq!(ids.get_ids(), list::<u32>(&case["ids"]), "{text:?}");
    }
}

#[test]
fn a_small_sentencepiece_vocabulary_gives_the_ids_of_llama_cpp() {
    let golden = golden("spm_small.json");
    let vocab = GgufVocab {
        model: "llama".into(),
        tokens: list(&golden["vocabulary"]["tokens"]),
        scores: Some(list(&golden["vocabulary"]["scores"])),
        token_types: Some(list(&golden["vocabulary"]["token_types"])),
        add_space_prefix: Some(true),
        ..GgufVocab::default()
    };
    check(&from_gguf(&vocab).expect("a sound vocabulary"), &golden);
}

#[test]
fn smollm2_and_gemma_give_the_ids_of_llama_cpp_and_decode_to_the_text() {
    for (model, file) in [("smollm2-135m-instruct", "smollm2.json"), ("gemma-3-270m", "gemma3.json")] {
        let Some(loaded) =
            common::real_model(model, &LoadOptions { precision: Precision::Stored, ..LoadOptions::default() })
        else {
            continue;
        };
        let tokenizer = loaded.tokenizer.expect("the file carries a tokenizer");
        let mut changed = Vec::new();
        for case in list::<Value>(&golden(file)["cases"]) {
            let text = case["text"].as_str().expect("a text");
            let ids = tokenizer.encode_plain(text).expect("text encodes");
            assert_eq!(ids, list::<u32>(&case["ids"]), "{model} {text:?}");
            if tokenizer.decode(&ids).expect("ids decode") != text {
                changed.push(text.to_string());
            }
            let full = tokenizer.encode(text).expect("text encodes");
            let bos: Vec<u32> = tokenizer.bos().filter(|_| tokenizer.adds_bos()).into_iter().collect();
            assert_eq!(full, [bos, ids].concat());
        }
        // What llama.cpp loses as well: tests/tokenizer_golden/README.md.
        assert!(changed.len() <= 1, "{model}: {changed:?}");
        assert_eq!(tokenizer.adds_bos(), model.starts_with("gemma"), "{}", tokenizer.policy());
    }
}

#[test]
fn qwen_gives_the_ids_of_llama_cpp() {
    let Some(folder) = std::env::var_os("STEERCHECK_QWEN2_TOKENIZER") else {
        assert!(std::env::var_os("CI").is_none(), "STEERCHECK_QWEN2_TOKENIZER names no folder");
        println!(
            "1 parity test did not run: STEERCHECK_QWEN2_TOKENIZER names no folder (tests/tokenizer_golden/README.md)"
        );
        return;
    };
    let file = read(&Path::new(&folder).join("models/tokenizer.json"));
    let mut rows: Vec<(u64, String, i32)> = Vec::new();
    for (text, id) in file["model"]["vocab"].as_object().expect("a vocabulary") {
        rows.push((id.as_u64().expect("an id"), text.clone(), 1));
    }
    for token in list::<Value>(&file["added_tokens"]) {
        let kind = if token["special"] == true { 3 } else { 4 };
        let text = token["content"].as_str().expect("a text").to_owned();
        rows.push((token["id"].as_u64().expect("an id"), text, kind));
    }
    rows.sort();
    assert!(rows.iter().zip(0..).all(|((id, ..), n)| *id == n), "ids without a gap");
    let vocab = GgufVocab {
        model: "gpt2".into(),
        pre: Some("qwen2".into()),
        tokens: rows.iter().map(|(_, text, _)| text.clone()).collect(),
        token_types: Some(rows.iter().map(|(_, _, kind)| *kind).collect()),
        merges: Some(list::<[String; 2]>(&file["model"]["merges"]).iter().map(|pair| pair.join(" ")).collect()),
        ..GgufVocab::default()
    };
    check(&from_gguf(&vocab).expect("a sound vocabulary"), &golden("qwen2.json"));
}

/// The probe vocabulary: the 256 byte characters, then every pair of them, merged in a mixed order.
fn probe(pre: &str) -> GgufVocab {
    let mut shifted = (256u32..).filter_map(char::from_u32);
    let chars: Vec<char> = (0..=255u8)
        .map(|byte| match byte {
            0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF => char::from(byte),
            _ => shifted.next().expect("256 characters at most"),
        })
        .collect();
    let pairs = (0..65536usize).map(|pair| format!("{}{}", chars[pair / 256], chars[pair % 256]));
    let merges =
        (0..65536usize).map(|n| 40503 * n % 65536).map(|pair| format!("{} {}", chars[pair / 256], chars[pair % 256]));
    GgufVocab {
        model: "gpt2".into(),
        pre: Some(pre.into()),
        tokens: chars.iter().map(char::to_string).chain(pairs).collect(),
        merges: Some(merges.collect()),
        ..GgufVocab::default()
    }
}

#[test]
fn every_pre_tokenizer_splits_where_llama_cpp_does() {
    let golden = golden("pre_tokenizers.json");
    let texts: Vec<String> = list(&golden["texts"]);
    let mut seen = Vec::new();
    for group in list::<Value>(&golden["groups"]) {
        let lengths: Vec<String> = list(&group["lengths"]);
        for pre in list::<String>(&group["pre"]) {
            let tokenizer = from_gguf(&probe(&pre)).expect("a known name");
            for (text, want) in texts.iter().zip(&lengths) {
                let ids = tokenizer.encode(text.as_str(), false).expect("text encodes");
                let got: String = ids.get_ids().iter().map(|&id| if id < 256 { '1' } else { '2' }).collect();
                assert_eq!(got, *want, "{pre}: {text:?}");
                assert_eq!(tokenizer.decode(ids.get_ids(), false).expect("ids decode"), *text, "{pre}");
            }
            seen.push(pre);
        }
    }
    let untested: Vec<&str> = pre_tokenizer_names().filter(|name| !seen.iter().any(|s| s == name)).collect();
    assert_eq!(untested, ["glm5"], "names without a golden case");
}

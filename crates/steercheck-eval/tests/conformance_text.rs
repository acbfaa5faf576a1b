//! The conformance checks of tokenizers, on tokenizers made to hold and to break what is checked.

mod common;

use candle_core::{DType, Device, Tensor};
use common::{copy, rewrite};
use serde_json::{Value, json};
use steercheck_eval::conformance::{Check, Grade, answer_boundary, round_trip, special_tokens};
use steercheck_model::{LoadOptions, Loaded, Model, Tokenizer};
use steercheck_testkit::shared;

/// GPT-2's characters for bytes: printable ones stand for themselves, the others follow from 256 on.
fn byte_characters() -> Vec<char> {
    let printable = |b: u32| (33..=126).contains(&b) || (161..=172).contains(&b) || (174..=255).contains(&b);
    let mut next = 256;
    let mut one = |b: u32| {
        if printable(b) {
            return char::from_u32(b).unwrap();
        }
        next += 1;
        char::from_u32(next - 1).unwrap()
    };
    (0..256).map(&mut one).collect()
}

/// A tokenizer of bytes, `<s>` (256) and `</s>` (257), with these keys of tokenizer.json replaced.
fn bytes_with(changes: &Value) -> Value {
    let vocab: serde_json::Map<String, Value> =
        byte_characters().iter().enumerate().map(|(id, c)| (c.to_string(), json!(id))).collect();
    let special = |id: u32, text: &str| json!({"id": id, "content": text, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true});
    let level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    let mut all = json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [special(256, "<s>"), special(257, "</s>")],
        "normalizer": null, "pre_tokenizer": level, "post_processor": null, "decoder": level,
        "model": {"type": "BPE", "vocab": vocab, "merges": []}
    });
    for (key, value) in changes.as_object().unwrap() {
        all[key] = value.clone();
    }
    all
}

/// A tokenizer that comes with a model of 400 tokens, both from files; `config` is its `tokenizer_config.json`.
fn load(tokenizer: &Value, config: &Value) -> Option<(Model, Tokenizer)> {
    let folder = copy(&shared()?.join("fixtures/llama_llama3rope"), &["config.json", "model.safetensors"]);
    let path = folder.path().join("config.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"vocab_size\": 160", "\"vocab_size\": 400")).unwrap();
    rewrite(&folder.path().join("model.safetensors"), |all| {
        for name in ["model.embed_tokens.weight", "lm_head.weight"] {
            let more = Tensor::ones((240, all[name].dim(1).unwrap()), DType::F32, &Device::Cpu).unwrap();
            let longer = Tensor::cat(&[&all[name], &more], 0).unwrap();
            all.insert(name.to_string(), longer);
        }
    });
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    std::fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    let loaded = Loaded::open(folder.path(), &LoadOptions::default()).unwrap();
    Some((loaded.model, loaded.tokenizer.unwrap()))
}

/// Asserts a grade and what the detail says.
fn is(check: &Check, grade: Grade, parts: &[&str]) {
    assert_eq!(check.grade, grade, "{check:?}");
    for part in parts {
        assert!(check.detail.contains(part), "no {part:?} in: {}", check.detail);
    }
}

fn texts(changes: &Value) -> Option<Check> {
    let (_, tokenizer) = load(&bytes_with(changes), &json!({}))?;
    Some(round_trip(&tokenizer).unwrap())
}

#[test]
fn a_tokenizer_of_bytes_gives_every_text_back() {
    let Some(check) = texts(&json!({})) else { return };
    is(&check, Grade::Passed, &["24 texts come back as they were"]);
}

#[test]
fn a_tokenizer_that_lowers_case_or_composes_accents_is_noted_and_not_failed() {
    let Some(check) = texts(&json!({"normalizer": {"type": "Lowercase"}})) else { return };
    is(&check, Grade::Noted, &["texts are changed", "\"The cat", "becomes \"the cat"]);
    let Some(check) = texts(&json!({"normalizer": {"type": "NFC"}})) else { return };
    is(&check, Grade::Noted, &["1 of 24 texts are changed"]);
}

#[test]
fn a_tokenizer_that_loses_letters_or_changes_more_at_every_round_fails() {
    let replace = json!({"type": "Replace", "pattern": {"String": "cat"}, "content": "dog"});
    let Some(check) = texts(&json!({"normalizer": replace})) else { return };
    is(&check, Grade::Failed, &["The cat", "The dog"]);
    let Some(check) = texts(&json!({"normalizer": {"type": "Prepend", "prepend": " "}})) else { return };
    is(&check, Grade::Failed, &["\"a\" comes back as \" a\""]);
    let Some(check) = texts(&json!({"decoder": null})) else { return };
    is(&check, Grade::Failed, &["comes back as"]);
}

fn policy(changes: &Value, config: &Value) -> Option<Check> {
    let (_, tokenizer) = load(&bytes_with(changes), config)?;
    Some(special_tokens(&tokenizer).unwrap())
}

/// A post-processor that puts `<s>` before and, if asked, `</s>` after a text.
fn template(after: &[Value]) -> Value {
    let mut single =
        vec![json!({"SpecialToken": {"id": "<s>", "type_id": 0}}), json!({"Sequence": {"id": "A", "type_id": 0}})];
    single.extend_from_slice(after);
    let token = |text: &str, id: u32| json!({"id": text, "ids": [id], "tokens": [text]});
    json!({"post_processor": {
        "type": "TemplateProcessing", "single": single, "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {"<s>": token("<s>", 256), "</s>": token("</s>", 257)}
    }})
}

#[test]
fn the_policy_on_special_tokens_is_told_and_what_differs_from_the_files_is_noted() {
    let none = json!({});
    let Some(check) = policy(&none, &json!({"bos_token": "<s>", "add_bos_token": false})) else { return };
    is(&check, Grade::Passed, &["no BOS, no EOS", "<s> in a text becomes the token"]);
    let check = policy(&none, &json!({"bos_token": "<s>", "add_bos_token": true})).unwrap();
    is(&check, Grade::Noted, &["BOS <s> (256) before every prompt", "gets a second one"]);
    let check = policy(&none, &json!({"add_bos_token": true})).unwrap();
    is(&check, Grade::Noted, &["a BOS is asked for, but none is named"]);
    let check = policy(&none, &json!({"add_eos_token": true})).unwrap();
    is(&check, Grade::Noted, &["ask for an EOS"]);
    let eos = json!({"SpecialToken": {"id": "</s>", "type_id": 0}});
    let check = policy(&template(&[eos]), &none).unwrap();
    is(&check, Grade::Noted, &["BOS <s> (256) before every prompt", "ask for an EOS"]);
    let check = policy(&template(&[]), &json!({"add_bos_token": false})).unwrap();
    is(&check, Grade::Noted, &["no BOS, no EOS", "says not to and is followed"]);
}

#[test]
fn a_bos_that_is_doubled_or_there_against_the_policy_fails() {
    // `<s>` is put before every text and merged into the token, as a tokenizer does that adds its BOS by itself.
    let mut model = bytes_with(&json!({}))["model"].clone();
    model["vocab"]["<s"] = json!(258);
    model["vocab"]["<s>"] = json!(256);
    model["merges"] = json!([["<", "s"], ["<s", ">"]]);
    let prepends = json!({"model": model, "normalizer": {"type": "Prepend", "prepend": "<s>"}, "added_tokens": []});
    let Some(check) = policy(&prepends, &json!({"bos_token": "<s>", "add_bos_token": true})) else { return };
    is(&check, Grade::Failed, &["begins with 2 BOS tokens instead of 1"]);
    let check = policy(&prepends, &json!({"bos_token": "<s>", "add_bos_token": false})).unwrap();
    is(&check, Grade::Failed, &["begins with 1 BOS tokens instead of 0"]);
}

#[test]
fn a_token_across_the_boundary_is_counted_and_noted() {
    let Some((model, tokenizer)) = load(&bytes_with(&json!({})), &json!({})) else { return };
    let check = answer_boundary(&model, &tokenizer).unwrap();
    is(&check, Grade::Passed, &["prompts of 11 tasks, no token spans the boundary"]);
    // `:` and the space of the answer are one token.
    let mut merging = bytes_with(&json!({}));
    merging["model"]["vocab"][":Ġ"] = json!(258);
    merging["model"]["merges"] = json!([[":", "Ġ"]]);
    let (model, tokenizer) = load(&merging, &json!({})).unwrap();
    let check = answer_boundary(&model, &tokenizer).unwrap();
    is(&check, Grade::Noted, &["prompts a token spans the boundary, first \" "]);
}

#[test]
fn an_answer_without_tokens_and_ids_that_spell_something_else_fail() {
    let vanishing = json!({"normalizer": {"type": "Replace", "pattern": {"Regex": "->.*$"}, "content": "->"}});
    let Some((model, tokenizer)) = load(&bytes_with(&vanishing), &json!({})) else { return };
    is(&answer_boundary(&model, &tokenizer).unwrap(), Grade::Failed, &["has no tokens of its own"]);
    // After an arrow, and only there, the letters are others.
    let other = json!({"normalizer": {"type": "Replace", "pattern": {"Regex": "->( ?)[A-Z]"}, "content": "->X"}});
    let (model, tokenizer) = load(&bytes_with(&other), &json!({})).unwrap();
    is(&answer_boundary(&model, &tokenizer).unwrap(), Grade::Failed, &["the ids of", "spell"]);
}

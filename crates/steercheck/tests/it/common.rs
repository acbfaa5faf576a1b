//! The binary, a model small enough to be run in a second, and what is asked of every refusal.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;

use assert_cmd::Command;
use serde_json::{Value, json};
use steercheck_eval::Record;

/// The default model of the catalogue.
pub(crate) const REAL: &str = "smollm2-135m-instruct";

/// The binary, run in a folder, with a fixed width of the terminal.
pub(crate) fn steercheck(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_steercheck"));
    command.current_dir(folder).env("COLUMNS", "100");
    command
}

/// An empty folder.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder can be made")
}

/// Runs the binary in a folder.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    steercheck(folder).args(arguments).output().expect("the binary starts")
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("standard output is UTF-8")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("standard error is UTF-8")
}

/// Standard output of a command that must succeed.
pub(crate) fn succeeds(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    stdout(&output)
}

/// Asserts a refusal: the exit code, one error of at most a few sentences, nothing on standard output, no record. Returns
/// the error's text.
pub(crate) fn refused(output: &Output, code: i32, folder: &Path) -> String {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert_eq!(stdout(output), "", "{text}");
    assert!(!text.contains("panicked") && !text.contains('\u{1b}'), "{text}");
    let errors: Vec<&str> = text.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{text}");
    assert!(errors[0].len() < 700 && errors[0].split_whitespace().count() > 3, "{text}");
    assert_eq!(records(folder).len(), 0, "a record was written");
    text
}

/// Runs a command that must be refused with exit code 2; returns the error's text.
pub(crate) fn refusal(folder: &Path, arguments: &[&str]) -> String {
    refused(&run(folder, arguments), 2, folder)
}

/// Asserts that a text holds every part.
pub(crate) fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in: {text}");
    }
}

/// The record files that the default `--out` of a folder holds.
pub(crate) fn record_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder.join("steercheck-out/records")) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|e| e.expect("the folder is readable").path()).collect();
    paths.sort();
    paths
}

/// The records that the default `--out` of a folder holds, by task and seed. Each is one that the reader accepts.
pub(crate) fn records(folder: &Path) -> Vec<Value> {
    let read = |path: &PathBuf| {
        let record = Record::read(path).expect("a record is whole");
        serde_json::from_str::<Value>(&record.to_json()).expect("a record is JSON")
    };
    let mut records: Vec<Value> = record_files(folder).iter().map(read).collect();
    let order = |r: &Value| (r["about"]["task"]["name"].to_string(), r["plan"]["seed"].as_u64());
    records.sort_by_key(order);
    records
}

/// A record without what may differ between two runs.
pub(crate) fn comparable(record: &Value) -> Value {
    let mut record = record.clone();
    let timings = record.as_object_mut().expect("a record is an object").remove("timings");
    assert!(timings.is_some_and(|t| t["total"].as_f64().is_some_and(|s| s > 0.0)));
    record.as_object_mut().expect("a record is an object").remove("digest");
    record
}

/// Every comparable record of a folder.
pub(crate) fn all_comparable(folder: &Path) -> Vec<Value> {
    records(folder).iter().map(comparable).collect()
}

/// Standard output with an empty cache.
pub(crate) fn with_empty_cache(arguments: &[&str]) -> String {
    let cache = folder();
    let output = steercheck(cache.path())
        .env("STEERCHECK_CACHE", cache.path())
        .env("HF_HOME", cache.path())
        .args(arguments)
        .output()
        .expect("the binary starts");
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    stdout(&output)
}

/// The arm of this name.
pub(crate) fn arm<'a>(record: &'a Value, name: &str) -> &'a Value {
    let arms = record["results"]["arms"].as_array().expect("arms are a list");
    arms.iter().find(|a| a["name"] == name).unwrap_or_else(|| panic!("no arm {name}"))
}

/// The entries of a list.
pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

/// The file of the default model, downloaded on first use; `None` where that is not possible.
pub(crate) fn real_model() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(|| steercheck_testkit::real_model(REAL)).as_deref()
}

/// Words that the tiny model's tokenizer knows.
const WORDS: usize = 150;

/// A tokenizer of `words` words and the few signs of the prompts.
pub(crate) fn word_tokenizer(words: usize) -> Value {
    let signs = ["?", "example", ":", "->", "\n", " "].map(String::from);
    let texts = signs.into_iter().chain((0..words).map(|i| format!("w{i}")));
    let vocab: serde_json::Map<String, Value> = texts.enumerate().map(|(id, text)| (text, json!(id))).collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "\\w+|->|\\W"}, "behavior": "Isolated", "invert": false},
        "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "?"}
    })
}

/// Puts a llama of three blocks with random weights (vocabulary 160, 64 positions) and a tokenizer of words into
/// `folder/tiny`; `None` where the shared fixtures are missing.
pub(crate) fn tiny_model(folder: &Path) -> Option<PathBuf> {
    tiny_model_of(folder, "tiny", "llama_llama3rope")
}

/// The same of another fixture, under a name of its own.
pub(crate) fn tiny_model_of(folder: &Path, name: &str, fixture: &str) -> Option<PathBuf> {
    let fixture = steercheck_testkit::shared()?.join("fixtures").join(fixture);
    let tiny = folder.join(name);
    std::fs::create_dir_all(&tiny).expect("the folder can be made");
    for file in ["config.json", "model.safetensors"] {
        let bytes = std::fs::read(fixture.join(file)).expect("the fixture is readable");
        std::fs::write(tiny.join(file), bytes).expect("the copy can be written");
    }
    std::fs::write(tiny.join("tokenizer.json"), word_tokenizer(WORDS).to_string())
        .expect("the tokenizer can be written");
    Some(tiny)
}

/// The same with room for 512 positions: ten demonstrations are longer than the fixtures' contexts.
pub(crate) fn roomy_model_of(folder: &Path, name: &str, fixture: &str) -> Option<PathBuf> {
    let model = tiny_model_of(folder, name, fixture)?;
    let config = model.join("config.json");
    let mut json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&config).expect("the configuration is readable")).expect("it is JSON");
    json["max_position_embeddings"] = 512.into();
    std::fs::write(&config, json.to_string()).expect("the configuration can be written");
    Some(model)
}

/// Writes `n` items for the tiny model: two words to one word, without sense.
pub(crate) fn word_task(folder: &Path, file: &str, n: usize) {
    let line = |i: usize| format!("w{} w{}\tw{}\n", i % WORDS, i / WORDS, (i * 37 + 11) % WORDS);
    let text: String = (0..n).map(line).collect();
    std::fs::write(folder.join(file), text).expect("the task can be written");
}

/// A safetensors file of f32 tensors: names, shapes, numbers.
pub(crate) fn write_tensors(path: &Path, tensors: &[(String, Vec<usize>, Vec<f32>)]) {
    use safetensors::tensor::{Dtype, TensorView, serialize_to_file};
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|(_, _, x)| x.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, shape, _), bytes)| (name.clone(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    serialize_to_file(views, None, path).unwrap();
}

/// A tokenizer.json that knows words and cuts texts by a pattern.
pub(crate) fn pattern_tokenizer(pattern: &str, vocab: &serde_json::Map<String, Value>) -> Value {
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false},
        "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "?"}
    })
}

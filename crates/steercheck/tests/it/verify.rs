//! `steercheck models verify`, and the short form of it before a check.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::common::{
    REAL, folder, list, real_model, records, refusal, refused, run, says, stderr, stdout, succeeds, tiny_model,
    word_task,
};

/// Fixtures of families that differ in kind: multipliers and norms, parallel blocks, linear biases, experts, learned positions.
const FAMILIES: [&str; 6] = ["gemma2", "falcon_40b_style", "bloom", "qwen2_moe", "opt_350m_style", "granite"];

fn fixture(name: &str) -> Option<PathBuf> {
    Some(steercheck_testkit::shared()?.join("fixtures").join(name))
}

/// A copy of the llama fixture that may be changed.
fn copied() -> Option<TempDir> {
    let from = fixture("llama_llama3rope")?;
    let to = folder();
    for file in ["config.json", "model.safetensors", "golden.safetensors"] {
        std::fs::write(to.path().join(file), std::fs::read(from.join(file)).unwrap()).unwrap();
    }
    Some(to)
}

/// Changes a tensor of 32-bit floats in a safetensors file: shape and numbers.
fn edit(file: &Path, tensor: &str, change: impl Fn(&[usize], &mut [f32])) {
    let mut bytes = std::fs::read(file).unwrap();
    let length = usize::try_from(u64::from_le_bytes(*bytes.first_chunk::<8>().unwrap())).unwrap();
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let numbers = |v: &Value| list(v).iter().map(|n| usize::try_from(n.as_u64().unwrap()).unwrap()).collect::<Vec<_>>();
    let (shape, at) = (numbers(&header[tensor]["shape"]), numbers(&header[tensor]["data_offsets"]));
    let data = &mut bytes[8 + length..][at[0]..at[1]];
    let mut values: Vec<f32> = data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    change(&shape, &mut values);
    data.copy_from_slice(&values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>());
    std::fs::write(file, bytes).unwrap();
}

/// A tiny model whose first two heads are equal and write opposite numbers, ten million times their size: their contributions
/// cancel, and what is left in 32 bits depends on the order of summing. It runs, and is no model to draw conclusions from.
fn cancelling(here: &Path) -> Option<PathBuf> {
    let tiny = tiny_model(here)?;
    let weights = tiny.join("model.safetensors");
    for block in 0..3 {
        let name = |piece: &str| format!("model.layers.{block}.self_attn.{piece}");
        for piece in ["q_proj.weight", "q_proj.bias"] {
            edit(&weights, &name(piece), |shape, q| {
                let head = q.len() / shape[0] * 12;
                q.copy_within(..head, head);
            });
        }
        edit(&weights, &name("o_proj.weight"), |_, o| {
            for row in o.chunks_mut(48) {
                for column in 0..12 {
                    row[column] *= 1e7;
                    row[12 + column] = -row[column];
                }
            }
        });
    }
    Some(tiny)
}

#[test]
fn every_kind_of_family_passes_against_its_own_folder() {
    for name in FAMILIES {
        let Some(model) = fixture(name) else { return };
        let here = folder();
        let path = model.to_str().unwrap();
        let text = succeeds(here.path(), &["models", "verify", path, "--against", path]);
        says(&text, &["finite states and logits", "heads sum to attention", "golden greedy_ids", "not applicable"]);
        says(&text, &["the folder holds no", &format!("{name} is as it should be: 14 checks passed, 3 not")]);
        assert!(text.lines().all(|l| l.chars().count() <= 100), "{text}");
        let written = std::fs::read_to_string(here.path().join(format!("steercheck-out/verify-{name}.json"))).unwrap();
        let json: Value = serde_json::from_str(&written).unwrap();
        assert_eq!((json["passed"].as_bool(), list(&json["checks"]).len()), (Some(true), 17), "{json}");
        assert!(!written.contains(path.rsplit_once('/').unwrap().0), "a path was written");
    }
}

#[test]
fn json_is_printed_and_is_what_the_file_holds() {
    let Some(model) = copied() else { return };
    let here = folder();
    let path = model.path().to_str().unwrap();
    let printed = succeeds(here.path(), &["models", "verify", path, "--json", "--out", "new/place.json"]);
    let printed: Value = serde_json::from_str(&printed).unwrap();
    let written = std::fs::read_to_string(here.path().join("new/place.json")).unwrap();
    assert_eq!(printed, serde_json::from_str::<Value>(&written).unwrap());
    assert_eq!((&printed["format"], &printed["tokenizer"]), (&"steercheck-conformance".into(), &Value::Null));
    assert_eq!(list(&printed["checks"]).len(), 10);
    let batch = list(&printed["checks"]).iter().find(|c| c["name"] == "batch = single").unwrap();
    assert!(batch["difference"].as_f64().unwrap() <= batch["allowed"].as_f64().unwrap());
}

#[test]
fn one_altered_golden_number_fails_with_its_kind_and_exit_code_1() {
    let Some(model) = copied() else { return };
    edit(&model.path().join("golden.safetensors"), "hidden.1", |_, x| x[5] += 0.001);
    let here = folder();
    let path = model.path().to_str().unwrap();
    let output = run(here.path(), &["models", "verify", path, "--against", path]);
    assert_eq!(output.status.code(), Some(1));
    says(&stderr(&output), &["failed 1 check: golden hidden"]);
    says(
        &stdout(&output),
        &["golden hidden", "failed", "1e-3", "1 of 14 checks failed (golden hidden)", "3 not applicable"],
    );
    let output = run(here.path(), &["models", "verify", path, "--against", path, "--json"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(serde_json::from_str::<Value>(&stdout(&output)).unwrap()["passed"], false);
}

#[test]
fn what_cannot_be_verified_is_refused_before_anything_is_written() {
    let Some(model) = copied() else { return };
    let here = folder();
    let path = model.path().to_str().unwrap();
    let other = fixture("gemma2").unwrap();
    let verify = |options: &[&str]| {
        let arguments: Vec<&str> = ["models", "verify"].iter().chain(options).copied().collect();
        refusal(here.path(), &arguments)
    };
    says(&verify(&["./nowhere"]), &["no such file or folder"]);
    says(&verify(&[path, "--against", "nowhere"]), &["golden.safetensors", "check that the path exists"]);
    says(
        &verify(&[path, "--against", other.to_str().unwrap()]),
        &["cannot be compared with this model", "attn_proj_in.0"],
    );
    std::fs::write(here.path().join("golden.safetensors"), "<html>404</html>").unwrap();
    says(&verify(&[path, "--against", "."]), &["golden.safetensors is damaged or incomplete"]);
    std::fs::create_dir(here.path().join("folder")).unwrap();
    says(&verify(&[path, "--out", "folder"]), &["--out folder is a folder; name a file"]);
    says(&verify(&[path, "--memory", "1K"]), &["raise --memory"]);
    assert!(!here.path().join("steercheck-out").exists());
    let text = refused(&run(here.path(), &["models", "verify", path, "--out", "golden.safetensors/x"]), 1, here.path());
    says(&text, &["cannot write"]);
}

#[test]
fn a_tokenizer_that_cannot_be_used_is_told_and_the_model_is_verified_without_it() {
    let Some(model) = copied() else { return };
    std::fs::write(model.path().join("tokenizer.json"), "{}").unwrap();
    let here = folder();
    let path = model.path().to_str().unwrap();
    let text = succeeds(here.path(), &["models", "verify", path, "--against", path]);
    says(
        &text,
        &["tokenizer  none", "tokenizer: tokenizer.json is", "14 checks passed", "there is no tokenizer that can"],
    );
}

#[test]
fn a_model_with_nan_weights_fails_and_the_rest_is_not_judged() {
    let Some(model) = copied() else { return };
    edit(&model.path().join("model.safetensors"), "model.layers.1.mlp.down_proj.weight", |_, w| w[7] = f32::NAN);
    let here = folder();
    let output = run(here.path(), &["models", "verify", model.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    says(
        &stdout(&output),
        &["residual 2 is the first with NaN or", "1 of 1 check failed", "states are not finite", "Trust no result"],
    );
}

#[test]
fn a_check_of_a_model_that_fails_is_refused_and_runs_when_forced() {
    let here = folder();
    if cancelling(here.path()).is_none() {
        return;
    }
    word_task(here.path(), "words.tsv", 90);
    let check = ["check", "tiny", "--tasks", "words.tsv"];
    let text = refused(&run(here.path(), &check), 1, here.path());
    says(&text, &["tiny fails", "heads sum to attention", "models verify", "--force"]);
    let output = run(here.path(), &[&check[..], &["--force"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    says(&stderr(&output), &["warning: tiny fails", "heads sum to attention", "running anyway"]);
    says(&stdout(&output), &["verified   FAILED", "heads sum to attention"]);
    let conformance = &records(here.path())[0]["results"]["conformance"];
    assert!(list(&conformance["failed"]).contains(&"heads sum to attention".into()), "{conformance}");
}

#[test]
fn a_check_says_that_the_model_passed_and_records_it() {
    let here = folder();
    if tiny_model(here.path()).is_none() {
        return;
    }
    word_task(here.path(), "words.tsv", 90);
    let text = succeeds(here.path(), &["check", "tiny", "--tasks", "words.tsv"]);
    let line = text.lines().nth(3).unwrap();
    assert!(line.starts_with("verified   7 checks passed, largest difference "), "{text}");
    let conformance = &records(here.path())[0]["results"]["conformance"];
    assert_eq!((conformance["checks"].as_u64(), list(&conformance["failed"]).len()), (Some(7), 0));
    assert!(conformance["largest_difference"].as_f64().unwrap() < 1e-3);
}

#[test]
fn the_default_model_passes_every_check_that_applies_to_it() {
    if real_model().is_none() {
        return;
    }
    let here = folder();
    let text = succeeds(here.path(), &["models", "verify", REAL]);
    says(&text, &["tokenizer round trip", "24 texts come back as they were", "no BOS, no EOS", "10 checks passed"]);
    assert!(!text.contains("not applicable") && !text.contains("failed"), "{text}");
    assert!(text.lines().all(|l| l.chars().count() <= 100), "{text}");
}

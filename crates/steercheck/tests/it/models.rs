//! `steercheck models`.

use std::path::Path;

use serde_json::Value;

use crate::common::{REAL, folder, list, real_model, refusal, refused, says, steercheck, succeeds, with_empty_cache};

#[test]
fn the_list_of_an_empty_cache_is_as_it_was() {
    let list = with_empty_cache(&["models", "list", "--memory", "19G"]);
    let study = with_empty_cache(&["models", "list", "--study", "--memory", "19G"]);
    let to_begin_with = list.strip_suffix(&study).expect("the list ends with the study's models");
    insta::assert_snapshot!("models_list", to_begin_with);
    insta::assert_snapshot!("models_list_study", study);
    assert!(list.lines().all(|line| line.chars().count() <= 100), "a line is wider than 100 columns");
}

#[test]
fn a_model_runs_from_memory_exactly_where_its_weights_in_bf16_fit() {
    let runs_from = |memory: &str| {
        let text = with_empty_cache(&["models", "list", "--study", "--json", "--memory", memory]);
        let models: Value = serde_json::from_str(&text).unwrap();
        let model = list(&models).iter().find(|m| m["name"] == "llama2-7b").unwrap();
        assert_eq!(model["bytes_in_bf16"], 13_476_831_232_u64);
        model["bf16_runs_from"].as_str().unwrap().to_string()
    };
    assert_eq!((runs_from("13476831232").as_str(), runs_from("13476831231").as_str()), ("RAM", "disk"));
}

#[test]
fn the_list_as_json_has_licence_checksum_and_size_of_every_model_and_one_default() {
    let models: Value = serde_json::from_str(&with_empty_cache(&["models", "list", "--json"])).unwrap();
    for model in list(&models).iter().filter(|m| m["study"].is_null()) {
        let text = |key: &str| model[key].as_str().unwrap_or_else(|| panic!("{key} of {model}"));
        assert!(!text("name").is_empty() && !text("licence").is_empty() && !text("family").is_empty());
        assert!(text("sha256").len() == 64 && text("sha256").bytes().all(|b| b.is_ascii_hexdigit()), "{model}");
        assert!(model["bytes"].as_u64().is_some_and(|b| b > 10_000_000), "{model}");
        assert!(model["parameters"].as_u64().is_some_and(|p| p > 10_000_000), "{model}");
        assert!(model["licence_must_be_accepted"].is_boolean() && !list(&model["sources"]).is_empty(), "{model}");
        assert_eq!(text("state"), "not downloaded");
    }
    let default: Vec<&Value> = list(&models).iter().filter(|m| m["default"] == true).collect();
    assert_eq!(default.len(), 1);
    assert_eq!(default[0]["name"], REAL);
}

#[test]
fn get_prints_the_path_of_the_file_and_nothing_else() {
    let Some(path) = real_model() else { return };
    assert!(path.is_file(), "{}", path.display());
    let printed = succeeds(Path::new("."), &["models", "get"]);
    assert_eq!(printed, format!("{}\n", path.display()), "the default is the same model");
    let models: Value = serde_json::from_str(&succeeds(Path::new("."), &["models", "list", "--json"])).unwrap();
    let model = list(&models).iter().find(|m| m["name"] == REAL).unwrap();
    assert_eq!(model["state"], "here");
    assert_eq!(model["bytes"].as_u64(), Some(path.metadata().unwrap().len()));
}

#[test]
fn get_refuses_a_wrong_name_with_the_nearest_one() {
    let here = folder();
    let output = steercheck(here.path()).args(["models", "get", "smolm2-135m"]).output().unwrap();
    says(&refused(&output, 2, here.path()), &["`smolm2-135m`", "did you mean smollm2-135m-instruct?"]);
}

#[test]
fn check_and_get_refuse_a_misspelt_model_of_the_study_with_the_nearest_ones() {
    let here = folder();
    for command in [["check", "llama2-7"], ["check", "Llama2-7"]] {
        says(&refusal(here.path(), &command), &["did you mean llama2-7b or llama2i-7b or llama2-70b?"]);
    }
    says(&refusal(here.path(), &["models", "get", "falcon3"]), &["did you mean falcon3-7b?"]);
    says(&refusal(here.path(), &["check", "qwen2-72b"]), &["Tongyi Qianwen License", "--accept-licence"]);
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_an_error_and_a_closed_pipe_is_none() {
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_steercheck"));
    let output = command.args(["models", "list"]).stdout(full).stderr(std::process::Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("error: cannot write the output"));

    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_steercheck"));
    let mut child = command.args(["models", "list"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

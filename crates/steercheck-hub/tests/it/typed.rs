//! What users type, and what they set in the environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use steercheck_hub::{HubError, Options, Source, resolve};

use crate::bench::Bench;

#[test]
fn a_path_that_holds_a_model_is_taken_as_it_is_and_named_by_its_last_component() {
    let bench = Bench::new();
    let folder = bench.folder.path().join("my-model");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("config.json"), "{}").unwrap();
    let file = folder.join("Tiny.Q4.gguf");
    fs::write(&file, "GGUF").unwrap();
    let table =
        [(folder.clone(), "my-model"), (file, "Tiny.Q4"), (folder.join("..").join("my-model").join("."), "my-model")];
    for (path, name) in table {
        let resolved = resolve(path.to_str().unwrap(), &bench.options()).unwrap();
        assert_eq!(
            (resolved.path.as_path(), resolved.name.as_str(), &resolved.source),
            (path.as_path(), name, &Source::Path)
        );
    }
}

#[test]
fn a_path_that_holds_no_model_says_what_is_there() {
    let bench = Bench::new();
    let options = bench.options();
    let error = |path: &Path| resolve(path.to_str().unwrap(), &options).unwrap_err().to_string();
    assert!(error(bench.folder.path()).contains("is a folder without config.json, not a model"));
    let file = bench.folder.path().join("model.safetensors");
    fs::write(&file, "x").unwrap();
    assert!(error(&file).contains("is a file that is not called .gguf, not a model"));
}

#[test]
fn what_looks_like_a_path_and_is_not_there_is_no_such_file() {
    let bench = Bench::new();
    for asked in ["./nothing", "/nothing/here", "a/b/c", "nothing.gguf", "models/nothing.gguf", "~/models/x"] {
        let error = resolve(asked, &bench.options()).unwrap_err();
        assert!(matches!(&error, HubError::NoSuchFile { path, .. } if path == asked), "{asked}: {error}");
    }
}

#[test]
fn an_unknown_word_is_answered_with_what_was_tried_and_the_nearest_names() {
    let bench = Bench::new();
    let error = |asked: &str| resolve(asked, &bench.options()).unwrap_err().to_string();
    assert_eq!(
        error("smolm2-135m"),
        "no model is called `smolm2-135m`: there is no such path, the catalogue has no such name \
         (did you mean smollm2-135m-instruct?), and a hub id is written org/name[@revision]"
    );
    assert!(!error("zzz").contains("did you mean"));
}

fn options_from(variables: &[(&str, &str)]) -> Options<'static> {
    let variables: BTreeMap<String, OsString> = variables.iter().map(|(k, v)| ((*k).to_owned(), v.into())).collect();
    Options::from_lookup(|name| variables.get(name).cloned()).unwrap()
}

#[test]
fn the_environment_moves_the_caches_and_the_hub() {
    let options = options_from(&[
        ("STEERCHECK_CACHE", "/c"),
        ("STEERCHECK_PIP", "/bin/pip9"),
        ("HF_HOME", "/hf"),
        ("HF_ENDPOINT", "http://mirror:8080/"),
        ("HF_TOKEN", " hf_x\n"),
    ]);
    assert_eq!(options.models_folder(), Path::new("/c/models"));
    assert_eq!(options.pip, Some("/bin/pip9".into()));
    assert_eq!(options.hub.cache, Path::new("/hf/hub"));
    assert_eq!(options.hub.endpoint.as_deref(), Some("http://mirror:8080"));
    assert_eq!(options.hub.token.as_deref(), Some("hf_x"));
    let moved = options_from(&[("STEERCHECK_CACHE", "/c"), ("HF_HOME", "/hf"), ("HF_HUB_CACHE", "/elsewhere")]);
    assert_eq!(moved.hub.cache, Path::new("/elsewhere"));
    assert_eq!(moved.hub.token, None);
    assert!(!options.accept_licence && !options.force);
}

#[test]
fn an_empty_variable_counts_as_none_and_a_stored_token_is_found() {
    let bench = Bench::new();
    let home = bench.folder.path().to_str().unwrap();
    fs::write(bench.folder.path().join("token"), "hf_stored\n").unwrap();
    let options =
        options_from(&[("STEERCHECK_CACHE", "/c"), ("HF_HOME", home), ("HF_TOKEN", ""), ("STEERCHECK_PIP", "")]);
    assert_eq!(options.hub.token.as_deref(), Some("hf_stored"));
    assert_eq!(options.pip, None);
}

//! Files of every architecture that lack a key, or have a value that is not implemented, are refused with the key's name.

use steercheck_model::{ModelError, Precision};
use steercheck_testkit::shared;

use super::common::gguf_writer::{Meta, Writer};
use super::fixtures::{CASES, converted};
use super::try_open_gguf;

/// A file of each architecture.
fn files() -> Vec<Writer> {
    let Some(shared) = shared() else { return Vec::new() };
    let mut files: Vec<Writer> = Vec::new();
    for case in CASES {
        let (.., file) = converted(&shared, case);
        let kind = |f: &Writer| (f.architecture(), f.keys().iter().any(|k| k.ends_with(".expert_count")));
        if !files.iter().any(|f| kind(f) == kind(&file)) {
            files.push(file);
        }
    }
    assert_eq!(files.len(), 25, "24 architectures, and llama with experts");
    files
}

/// What is said when a file is opened that should not be.
fn refusal(file: &Writer) -> String {
    match try_open_gguf(file, Precision::F32) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("a file of {} was opened", file.architecture()),
    }
}

/// The files that have one of these keys are spoiled, and refused with the key's name.
fn refused(files: &[Writer], keys: &[&str], spoil: impl Fn(&mut Writer, &str)) -> usize {
    let mut count = 0;
    for file in files {
        let arch = file.architecture();
        let present = keys.iter().map(|k| format!("{arch}.{k}")).find(|k| file.keys().contains(k));
        let Some(key) = present else { continue };
        let mut spoiled = file.clone();
        spoil(&mut spoiled, &key);
        match try_open_gguf(&spoiled, Precision::F32) {
            Err(ModelError::Config { key: named, .. }) => assert_eq!(named, key, "{arch}"),
            Err(other) => panic!("{arch} without a sound {key}: {other}"),
            Ok(_) => panic!("{arch} without a sound {key} was opened"),
        }
        count += 1;
    }
    count
}

#[test]
fn a_file_without_a_size_or_an_epsilon_is_refused_with_the_key_in_every_architecture() {
    let files = files();
    let all = files.len();
    for key in ["embedding_length", "block_count", "feed_forward_length", "attention.head_count"] {
        assert_eq!(refused(&files, &[key], Writer::without), all, "{key}");
        assert_eq!(refused(&files, &[key], |file, key| file.meta(key, Meta::U32(0))), all, "{key}");
        assert_eq!(refused(&files, &[key], |file, key| file.meta(key, Meta::text("4"))), all, "{key}");
    }
    // Where neither is there, the one for mean and variance is asked for.
    assert_eq!(
        refused(&files, &["attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon"], |file, key| {
            file.meta(key, Meta::F32(0.0));
        }),
        all
    );
}

#[test]
fn an_unknown_rotary_scaling_is_refused_in_every_architecture_that_rotates() {
    let files = files();
    let mut rotating = 0;
    for file in &files {
        let mut file = file.clone();
        let arch = file.architecture();
        if ["bloom", "gpt2", "mpt"].contains(&arch.as_str()) {
            continue;
        }
        let key = format!("{arch}.rope.scaling.type");
        file.meta(&key, Meta::text("ntk"));
        let error = refusal(&file);
        assert!(error.contains(&key) && error.contains("'ntk'"), "{arch}: {error}");
        rotating += 1;
    }
    assert!(rotating == 22 || files.is_empty(), "{rotating}");
}

#[test]
fn experts_without_their_numbers_are_refused_with_the_key() {
    let files = files();
    for (key, of) in [("expert_used_count", 3), ("expert_count", 3)] {
        let without = |file: &mut Writer, key: &str| {
            // Without a count, a llama is taken as one without experts, and its MLP is missed.
            if key == "llama.expert_count" { file.meta(key, Meta::U32(5000)) } else { file.without(key) }
        };
        let count = refused(&files, &[key], without);
        assert!(count == of || files.is_empty(), "{key}: {count}");
    }
}

#[test]
fn experts_in_an_architecture_that_has_none_are_refused_with_the_key() {
    for mut file in files() {
        let arch = file.architecture();
        if ["llama", "olmoe", "qwen2moe"].contains(&arch.as_str()) {
            continue;
        }
        let key = format!("{arch}.expert_count");
        file.meta(&key, Meta::U32(8));
        let error = refusal(&file);
        assert!(error.contains(&key), "{arch}: {error}");
    }
}

#[test]
fn a_longrope_without_one_of_its_lists_is_refused() {
    let Some(mut file) = files().into_iter().find(|f| f.architecture() == "phi3") else { return };
    file.without_tensor("rope_factors_long.weight");
    let error = refusal(&file);
    assert!(error.contains("phi3.rope.scaling.attn_factor"), "{error}");
    file.meta("phi3.rope.scaling.type", Meta::text("longrope"));
    let error = refusal(&file);
    assert!(error.contains("phi3.rope.scaling.type"), "{error}");
}

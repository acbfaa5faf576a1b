//! What cannot be used is refused with exit code 2 and one error that says what to do, before anything is written.

use std::path::Path;

use crate::common::{
    REAL, folder, real_model, refusal, refused, run, says, steercheck, tiny_model, word_task, word_tokenizer,
};

fn write(folder: &Path, file: &str, text: &str) {
    std::fs::write(folder.join(file), text).unwrap();
}

#[test]
fn a_path_without_a_model_is_refused_with_what_would_be_one() {
    let here = folder();
    std::fs::create_dir(here.path().join("empty")).unwrap();
    write(here.path(), "notes.txt", "no model");
    let wanted = "give a .gguf file, or a folder with config.json and weights";
    says(&refusal(here.path(), &["check", "./nowhere.gguf"]), &["no such file or folder: `./nowhere.gguf`", wanted]);
    says(&refusal(here.path(), &["check", "models/nowhere/deep"]), &["`models/nowhere/deep`", wanted]);
    says(&refusal(here.path(), &["check", "empty"]), &["`empty` is a folder without config.json", wanted]);
    says(&refusal(here.path(), &["check", "notes.txt"]), &["`notes.txt` is a file that is not called .gguf", wanted]);
    says(&refusal(here.path(), &["check", ""]), &["no model is called ``"]);
}

#[test]
fn an_unknown_name_is_refused_with_the_nearest_one() {
    let here = folder();
    says(&refusal(here.path(), &["check", "smollm2-135m-instuct"]), &["did you mean smollm2-135m-instruct?"]);
    let far = refusal(here.path(), &["check", "zzz"]);
    says(&far, &["no model is called `zzz`", "org/name[@revision]"]);
    assert!(!far.contains("did you mean"), "{far}");
}

#[test]
fn an_unknown_architecture_is_refused_with_the_nearest_known() {
    let here = folder();
    let Some(tiny) = tiny_model(here.path()) else { return };
    let config = std::fs::read_to_string(tiny.join("config.json")).unwrap();
    write(&tiny, "config.json", &config.replace("\"model_type\": \"llama\"", "\"model_type\": \"llama9\""));
    says(
        &refusal(here.path(), &["check", "tiny"]),
        &["architecture 'llama9' is not supported", "nearest known: llama"],
    );
    write(&tiny, "config.json", "{\"model_type\": ");
    says(&refusal(here.path(), &["check", "tiny"]), &["config.json", "download it again"]);
}

#[test]
fn a_tokenizer_that_is_missing_broken_or_of_another_model_is_refused() {
    let here = folder();
    let Some(tiny) = tiny_model(here.path()) else { return };
    write(&tiny, "tokenizer.json", &word_tokenizer(300).to_string());
    let text = refusal(here.path(), &["check", "tiny"]);
    says(&text, &["ids up to 305", "the model's vocabulary has 160", "belongs to another model"]);
    write(&tiny, "tokenizer.json", "{}");
    says(&refusal(here.path(), &["check", "tiny"]), &["tokenizer.json is damaged", "download it again"]);
    std::fs::remove_file(tiny.join("tokenizer.json")).unwrap();
    says(&refusal(here.path(), &["check", "tiny"]), &["no tokenizer.json", "use a GGUF file"]);
}

#[test]
fn an_unknown_task_is_refused_with_the_nearest_one_and_the_list() {
    let here = folder();
    let text = refusal(here.path(), &["check", "--tasks", "antonym,presnt-past"]);
    says(&text, &["\"presnt-past\"", "did you mean present-past?", "english-german"]);
    says(&refusal(here.path(), &["check", "--tasks", ""]), &["there is no built-in task \"\"", "country-capital"]);
    says(&refusal(here.path(), &["check", "--tasks", "mine.tsv"]), &["mine.tsv does not exist", "antonym"]);
}

#[test]
fn a_task_that_is_named_twice_is_refused() {
    let here = folder();
    write(here.path(), "Antonym.tsv", "up\tdown\n");
    for twice in ["antonym,antonym", "antonym, antonym", "antonym,Antonym.tsv"] {
        says(&refusal(here.path(), &["check", "--tasks", twice]), &["'antonym' is asked for twice", "once"]);
    }
}

#[test]
fn a_malformed_task_file_is_refused_with_file_and_place() {
    let here = folder();
    let cases: [(&str, &str, &[&str]); 7] = [
        (
            "empty.json",
            r#"[{"input": "a", "output": "b"}, {"input": "c", "output": " "}]"#,
            &["entry 2", "output is empty"],
        ),
        ("empty.tsv", "a\tb\nc\t\n", &["line 2", "output is empty", "remove the entry"]),
        ("broken.json", "[{\"input\": ", &["not valid JSON", "line 1", "correct it"]),
        ("fields.json", r#"[{"input": "a"}]"#, &["entry 1", "no \"output\""]),
        ("number.json", r#"{"a": 1}"#, &["entry 1", "a number", "double quotes"]),
        ("columns.tsv", "a\tb\na b\n", &["line 2", "1 column"]),
        ("nothing.jsonl", "\n\n", &["no items"]),
    ];
    for (file, text, parts) in cases {
        write(here.path(), file, text);
        let said = refusal(here.path(), &["check", "--tasks", file]);
        says(&said, &[file]);
        says(&said, parts);
    }
    std::fs::write(here.path().join("latin1.tsv"), b"caf\xe9\tcoffee\n").unwrap();
    says(&refusal(here.path(), &["check", "--tasks", "latin1.tsv"]), &["latin1.tsv", "not UTF-8", "offset 3"]);
}

#[test]
fn a_task_with_too_few_items_is_refused_with_both_counts() {
    let here = folder();
    if tiny_model(here.path()).is_none() {
        return;
    }
    word_task(here.path(), "few.tsv", 79);
    let text = refusal(here.path(), &["check", "tiny", "--tasks", "few.tsv"]);
    says(&text, &["'few' has 79 usable items of 79", "80 are needed (24 dev, 48 test, 8 for prompts)"]);
    word_task(here.path(), "few.tsv", 80);
    let text = refusal(here.path(), &["check", "tiny", "--tasks", "few.tsv", "--profile", "standard"]);
    says(&text, &["80 usable items", "158 are needed", "smaller profile"]);
}

#[test]
fn memory_that_does_not_suffice_is_refused_with_figures() {
    let here = folder();
    if tiny_model(here.path()).is_some() {
        word_task(here.path(), "words.tsv", 90);
        let text = refusal(here.path(), &["check", "tiny", "--tasks", "words.tsv", "--memory", "1K"]);
        says(&text, &["MB", "raise --memory"]);
    }
    if real_model().is_some() {
        says(&refusal(here.path(), &["check", REAL, "--memory", "10M"]), &["10.0 MB are allowed", "raise --memory"]);
        let text = refusal(here.path(), &["check", REAL, "--dtype", "f32", "--memory", "200M"]);
        says(&text, &["538.1 MB", "200.0 MB are allowed", "--dtype stored"]);
    }
}

#[test]
fn options_that_mean_nothing_are_refused_with_what_would() {
    let here = folder();
    let cases: [(&[&str], &[&str]); 9] = [
        (&["--memory", "nonsense"], &["'nonsense'", "--memory <SIZE>", "800M or 12G"]),
        (&["--memory", "-1G"], &["-1"]),
        (&["--seed", "-1"], &["'-1'", "--seed <N>", "whole number from 0"]),
        (&["--seed", "1.5"], &["'1.5'", "whole number from 0"]),
        (&["--seed", "18446744073709551616"], &["whole number from 0 to 18446744073709551615"]),
        (&["--dtype", "f33"], &["'f33'", "auto, stored, f32"]),
        (&["--protocol", "rigourous"], &["'rigourous'", "rigorous, study"]),
        (&["--profile", "long"], &["'long'", "quick, standard, study"]),
        (&["--temperature", "1"], &["'--temperature'", "Usage: steercheck check"]),
    ];
    for (options, parts) in cases {
        let arguments: Vec<&str> = ["check"].iter().chain(options).copied().collect();
        says(&refusal(here.path(), &arguments), parts);
    }
    says(&refusal(here.path(), &["chekc"]), &["'chekc'", "'check'"]);
    says(&refusal(here.path(), &["check", "one", "two"]), &["'two'"]);
}

#[test]
fn a_model_under_terms_is_not_fetched_before_they_are_accepted() {
    let here = folder();
    let cache = folder();
    let command = |first: &[&str]| {
        let mut command = steercheck(here.path());
        command.env("STEERCHECK_CACHE", cache.path()).env("HF_HOME", cache.path()).args(first).arg("gemma-3-270m");
        command.output().unwrap()
    };
    for first in [&["check"][..], &["models", "get"]] {
        let text = refused(&command(first), 2, here.path());
        says(&text, &["Gemma Terms of Use", "https://ai.google.dev/gemma/terms", "--accept-licence"]);
    }
    assert_eq!(std::fs::read_dir(cache.path()).unwrap().count(), 0, "something was downloaded");
}

#[test]
fn a_folder_for_records_that_cannot_be_one_is_refused_before_anything_runs() {
    let here = folder();
    write(here.path(), "file", "not a folder");
    for out in ["file", "file/below/it"] {
        // The model is not even looked for.
        let text = refused(&run(here.path(), &["check", "no-such-model", "--out", out]), 1, here.path());
        says(&text, &[&format!("cannot write {out}"), "not a directory", "choose another folder"]);
    }
    assert_eq!(std::fs::read_to_string(here.path().join("file")).unwrap(), "not a folder");
    refusal(here.path(), &["check", "no-such-model", "--out", "new/below"]);
    assert_eq!(std::fs::read_dir(here.path()).unwrap().count(), 1, "a refusal left something behind");
}

//! `steercheck vector` and `steercheck generate` on the planted model: a vector is made, shown, exported, judged again and used.

use std::path::Path;

use serde_json::Value;

use crate::common::{folder, list, refusal, run, says, stderr, succeeds, tiny_model, word_task};
use crate::planted::planted;

/// The planted model and a vector made from it.
fn prepared() -> tempfile::TempDir {
    let here = folder();
    planted(here.path(), false);
    let arguments = ["vector", "make", "planted", "--task", "pairs.tsv", "--to", "v.safetensors"];
    says(&succeeds(here.path(), &arguments), &["verified", "reliable: steering gains", "vector     v.safetensors"]);
    here
}

fn json(here: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&succeeds(here, arguments)).unwrap()
}

#[test]
fn a_function_vector_is_made_shown_and_steers_generated_text() {
    let here = prepared();
    let shown = succeeds(here.path(), &["vector", "show", "v.safetensors"]);
    says(
        &shown,
        &["function vector for pairs on planted", "heads 2", "at the last token", "verdict    reliable", "norm"],
    );
    let about = json(here.path(), &["vector", "show", "v.safetensors", "--json"])["about"].clone();
    assert_eq!((&about["method"], &about["verdict"]), (&"function-vector".into(), &"reliable".into()));
    assert_eq!(about["card"]["verdict"], "reliable");

    // Without the vector the model answers with an empty line, with it with the partner of the word.
    let prompt = "Q: qab\\nA:";
    let generate = ["generate", "planted", prompt, "--vector", "v.safetensors", "--tokens", "3", "--json"];
    let texts = json(here.path(), &generate);
    assert_eq!(texts["unsteered"]["text"].as_str().unwrap().trim(), "", "{texts}");
    assert!(texts["steered"]["text"].as_str().unwrap().starts_with(" rab"), "{texts}");
    let first = list(&texts["steered"]["first"]);
    assert!(
        first.len() == 10 && first[0]["text"] == " rab" && first[0]["log_prob"].as_f64().unwrap() > -0.1,
        "{texts}"
    );
    let fired = |texts: &Value| texts["steered"]["receipts"][0]["fired"].as_u64().unwrap();
    assert_eq!(fired(&texts), 1);
    let generated: Vec<&str> = generate.iter().copied().chain(["--where", "generated"]).collect();
    assert_eq!(fired(&json(here.path(), &generated)), 3, "the prompt's last token and two new ones that were run");

    // At ten times the strength in the other direction nothing is left of it.
    let away = ["generate", "planted", prompt, "--vector", "v.safetensors*-10", "--tokens", "1"];
    let printed = succeeds(here.path(), &away);
    says(&printed, &["unsteered (1 tokens", "steered: residual", "at the prompt's last token"]);
    assert!(!printed.contains("rab"), "{printed}");
}

#[test]
fn sampled_text_repeats_with_its_seed() {
    let here = folder();
    planted(here.path(), false);
    let sampled = |seed: &str| {
        let arguments =
            ["generate", "planted", "Q: qab\\nA:", "--temperature", "30", "--tokens", "12", "--json", "--seed", seed];
        json(here.path(), &arguments)["unsteered"]["tokens"].clone()
    };
    assert_eq!(sampled("1"), sampled("1"));
    assert_ne!(sampled("1"), sampled("2"));
    for (option, value) in [("--temperature", "0"), ("--temperature", "hot"), ("--tokens", "0")] {
        let text = refusal(here.path(), &["generate", "planted", "x", option, value]);
        says(&text, &[option, "write a"]);
    }
}

#[test]
fn a_made_vector_is_judged_again_as_a_given_one() {
    let here = prepared();
    let arguments = ["check", "planted", "--tasks", "pairs.tsv", "--vector", "v.safetensors", "--format", "json"];
    let cards = json(here.path(), &arguments);
    assert_eq!(list(&cards)[0]["verdict"], "reliable", "{cards}");
}

#[test]
fn an_exported_control_vector_is_read_back_at_the_same_place() {
    let here = prepared();
    let about = json(here.path(), &["vector", "show", "v.safetensors", "--json"]);
    let residual = about["about"]["residual"].as_u64().unwrap();
    if residual == 1 {
        let output = run(here.path(), &["vector", "export", "v.safetensors"]);
        assert_eq!(output.status.code(), Some(2));
        says(&stderr(&output), &["llama.cpp cannot add a vector to residual 1"]);
        move_to_residual_2(&here.path().join("v.safetensors"));
    }
    let said = succeeds(here.path(), &["vector", "export", "v.safetensors", "--to", "v.gguf"]);
    says(&said, &["v.gguf", "direction.1", "residual 2", "the card covered the last token of a prompt alone"]);
    let exported = json(here.path(), &["vector", "show", "v.gguf", "--json"]);
    assert_eq!((&exported["container"], &exported["model_hint"]), (&"gguf".into(), &"llama".into()));
    let norm = |shown: &Value| shown["norms"][0][1].as_f64().unwrap();
    assert_eq!(exported["norms"][0][0], 2);
    assert!((norm(&exported) - norm(&about)).abs() < 1e-9, "{exported} {about}");
    let arguments = ["check", "planted", "--tasks", "pairs.tsv", "--vector", "v.gguf", "--format", "json"];
    assert_eq!(list(&json(here.path(), &arguments))[0]["verdict"], "reliable");
}

/// The same vector one block later, where the planted model reads it just as well.
fn move_to_residual_2(file: &Path) {
    let bytes = std::fs::read(file).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = String::from_utf8(bytes[8..8 + length].to_vec()).unwrap();
    let header = header.replace("residual.1", "residual.2").replace("\\\"residual\\\":1", "\\\"residual\\\":2");
    assert_eq!(header.len(), length);
    std::fs::write(file, [&bytes[..8], header.as_bytes(), &bytes[8 + length..]].concat()).unwrap();
}

#[test]
fn a_task_vector_becomes_a_vector_with_its_caveat() {
    let here = folder();
    let Some(_) = tiny_model(here.path()) else { return };
    word_task(here.path(), "words.tsv", 220);
    succeeds(here.path(), &["vector", "make", "tiny", "--task", "words.tsv", "--method", "tv"]);
    let shown = succeeds(here.path(), &["vector", "show", "words-tv.safetensors"]);
    says(&shown, &["task vector for words on tiny", "but        it is the mean over the test items"]);
}

#[test]
fn what_is_no_vector_is_refused() {
    let here = folder();
    planted(here.path(), false);
    std::fs::write(here.path().join("notes.txt"), "not a vector").unwrap();
    says(&refusal(here.path(), &["vector", "show", "notes.txt"]), &["notes.txt"]);
    says(&refusal(here.path(), &["vector", "show", "nowhere.safetensors"]), &["nowhere.safetensors"]);
    let weights = "planted/model.safetensors";
    says(&refusal(here.path(), &["vector", "export", weights]), &["was not written by `steercheck vector make`"]);
    let to = refusal(here.path(), &["vector", "make", "planted", "--task", "pairs.tsv", "--to", "."]);
    says(&to, &["--to . is a folder; name a file"]);
    says(&refusal(here.path(), &["generate", "planted", "x", "--vector", "notes.txt@1"]), &["notes.txt"]);
    says(&refusal(here.path(), &["generate", "planted", "x", "--where", "all"]), &["--vector"]);
}

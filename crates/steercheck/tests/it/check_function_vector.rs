//! `steercheck check --methods fv` on the planted model, whose heads are known.

use std::path::Path;

use serde_json::Value;

use crate::common::{all_comparable, arm, folder, list, records, refusal, run, says, stderr, succeeds};
use crate::planted::planted;

/// Block 2, heads 0 and 1.
const KNOWN: [(usize, usize); 2] = [(1, 0), (1, 1)];

fn prepared(adds_bos: bool) -> tempfile::TempDir {
    let here = folder();
    planted(here.path(), adds_bos);
    here
}

/// The card of a check.
fn check(here: &Path, options: &[&str]) -> Value {
    let arguments = ["check", "planted", "--methods", "fv", "--tasks", "pairs.tsv", "--format", "json"];
    let arguments: Vec<&str> = arguments.iter().chain(options).copied().collect();
    let cards: Value = serde_json::from_str(&succeeds(here, &arguments)).unwrap();
    list(&cards)[0].clone()
}

/// Heads from the largest mean effect to the smallest, as (block, head), both from 0.
fn ranking(record: &Value) -> Vec<(usize, usize)> {
    let mut all = Vec::new();
    for (b, heads) in list(&record["results"]["heads"]["mean"]).iter().enumerate() {
        all.extend(list(heads).iter().enumerate().map(|(h, x)| (x.as_f64().unwrap(), (b, h))));
    }
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    all.into_iter().map(|(_, site)| site).collect()
}

#[test]
fn the_planted_heads_come_first_and_their_vector_is_reliable() {
    let here = prepared(false);
    let card = check(here.path(), &[]);
    let record = &records(here.path())[0];
    let mut first = ranking(record)[..2].to_vec();
    first.sort_unstable();
    assert_eq!(first, KNOWN, "{}", record["results"]["heads"]["mean"]);
    assert_eq!(card["verdict"], "reliable", "{card}");
    assert_eq!(record["results"]["chosen"]["setting"]["heads"], 2, "{}", record["results"]["chosen"]);
    let hits = |name: &str| arm(record, name)["hits"].as_u64().unwrap();
    assert!(hits("few-shot") >= 46 && hits("steered") >= 46 && hits("zero-shot") == 0, "{record}");
    for placebo in ["random-direction", "random-heads", "shuffled-labels", "wrong-task"] {
        assert!(hits(placebo) <= 2, "{placebo}: {}", hits(placebo));
    }
    // Wrong demonstrations teach nothing; the vector does in spite of them.
    assert!(hits("shuffled-prompt") <= 12 && hits("shuffled-prompt-steered") >= 46, "{}", hits("shuffled-prompt"));
    // The head that only reads and the one that pairs words have no effect of their own.
    let p = |b: usize, h: usize| record["results"]["heads"]["p_holm"][b][h].as_f64().unwrap();
    assert!(p(1, 0) < 0.01 && p(1, 1) < 0.01, "{}", record["results"]["heads"]);
}

#[test]
fn with_a_bos_token_the_penultimate_token_knows_nothing_and_the_last_one_all() {
    let here = prepared(true);
    let last = check(here.path(), &[]);
    assert_eq!(last["verdict"], "reliable", "{last}");
    let penultimate = check(here.path(), &["--fv-position", "penultimate"]);
    assert_eq!(penultimate["verdict"], "no-effect", "{penultimate}");
    assert!(penultimate["steered"]["point"].as_f64().unwrap() < 0.05, "{penultimate}");
}

#[test]
fn effects_on_log_probabilities_and_over_several_tasks_find_the_planted_heads_too() {
    let here = prepared(false);
    let plain = check(here.path(), &[]);
    for (option, value) in [("--fv-effects", "log-probability"), ("--fv-heads", "universal")] {
        let folder = tempfile::tempdir_in(here.path()).unwrap();
        let out = folder.path().to_str().unwrap();
        let card = check(here.path(), &[option, value, "--out", out]);
        assert_eq!(card["verdict"], "reliable", "{option}: {card}");
        assert_eq!(card["steered"], plain["steered"], "{option}");
        let records = std::fs::read_dir(folder.path().join("records")).unwrap();
        let paths: Vec<_> = records.map(|e| e.unwrap().path()).collect();
        let record: Value = serde_json::from_slice(&std::fs::read(&paths[0]).unwrap()).unwrap();
        assert_eq!(paths.len(), 1);
        assert_eq!(record["plan"]["method"]["options"][&option[5..]], value, "{}", record["plan"]["method"]);
        let of_others =
            record["results"]["artefacts"].as_object().unwrap().keys().filter(|k| k.starts_with("effects-"));
        assert_eq!(of_others.count(), if option == "--fv-heads" { 6 } else { 0 });
    }
}

#[test]
fn one_thread_and_two_give_identical_records_and_another_seed_other_prompts_of_the_same_items() {
    let here = prepared(false);
    let run = |threads: &str, options: &[&str]| {
        let mut command = crate::common::steercheck(here.path());
        let arguments = ["check", "planted", "--methods", "fv", "--tasks", "pairs.tsv"];
        let done = command.env("RAYON_NUM_THREADS", threads).args(arguments).args(options).assert().success();
        let printed = String::from_utf8(done.get_output().stdout.clone()).unwrap();
        says(&printed, &["Where it acts: causal indirect effects of heads", "reads as"]);
        assert!(printed.lines().all(|l| l.chars().count() <= 100), "{printed}");
        let records = all_comparable(here.path());
        std::fs::remove_dir_all(here.path().join("steercheck-out/records")).unwrap();
        records
    };
    let first = run("1", &[]);
    // What the first run left is taken: the numbers are the same.
    assert_eq!(first, run("2", &[]));
    std::fs::remove_dir_all(here.path().join("steercheck-out")).unwrap();
    assert_eq!(first, run("2", &[]));
    let other = run("2", &["--seed", "1"]);
    let (first, other) = (&first[0]["results"], &other[0]["results"]);
    assert_eq!(first["chosen"]["setting"], other["chosen"]["setting"]);
    assert_ne!(first["artefacts"], other["artefacts"], "other prompts");
    for part in ["dev", "test"] {
        let inputs = |r: &Value| list(&r["items"][part]).iter().map(|i| i["input"].clone()).collect::<Vec<_>>();
        assert_eq!(inputs(first), inputs(other));
    }
}

#[test]
fn a_damaged_artefact_is_named_and_nothing_is_made_of_it() {
    let here = prepared(false);
    check(here.path(), &[]);
    let folder = here.path().join("steercheck-out/artefacts");
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }
    let output = run(here.path(), &["check", "planted", "--methods", "fv", "--tasks", "pairs.tsv"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    says(&stderr(&output), &[".safetensors", "is damaged", "delete"]);
}

#[test]
fn the_study_protocol_chooses_and_reports_on_the_published_test_items() {
    let here = prepared(false);
    let card = check(here.path(), &["--protocol", "study"]);
    assert!(card["verdict"].is_null(), "{card}");
    let record = &records(here.path())[0];
    let items = &record["results"]["items"];
    assert_eq!(items["dev"], items["test"]);
    // 21 % of 120 items.
    assert_eq!(list(&items["test"]).len(), 25);
    assert!(list(&record["results"]["grid"]).iter().all(|p| p["dev"] == p["test"]));
    // λ × n × residuals, without the numbers of heads beyond the model's twelve.
    assert_eq!(list(&record["results"]["grid"]).len(), 8 * 3);
    let shots: Vec<u64> = list(&record["results"]["shots"]).iter().map(|s| s["hits"].as_u64().unwrap()).collect();
    assert!(shots.len() == 11 && shots[0] == 0 && shots[10] == 25, "{shots:?}");
    let names: Vec<&str> = list(&record["results"]["arms"]).iter().map(|a| a["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["zero-shot", "few-shot", "steered", "shuffled-prompt", "shuffled-prompt-steered"]);
}

#[test]
fn explain_says_what_each_choice_is_worth_on_the_same_items() {
    let here = prepared(true);
    let arguments = ["check", "planted", "--methods", "fv", "--tasks", "pairs.tsv", "--explain", "--format", "json"];
    let all: Value = serde_json::from_str(&succeeds(here.path(), &arguments)).unwrap();
    let moves = |name: &str| {
        let row = list(&all).iter().find(|row| row["variant"] == name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(row["n"], 48);
        row["moves"]["point"].as_f64()
    };
    // With a BOS token what matters is the token that is read, and without one, too; BOS itself does not.
    assert_eq!(moves("rigorous"), None);
    assert!(moves("penultimate token").unwrap() < -0.9, "{all}");
    assert!(moves("without BOS").unwrap().abs() < 0.1, "{all}");
    assert!(moves("without BOS, penultimate").unwrap() < -0.9, "{all}");
    assert!(moves("chosen on test items").unwrap() > -0.05, "{all}");
    assert!(moves("made of test items, too").unwrap().abs() < 0.1, "{all}");
    assert!(moves("all that the study does").unwrap() < -0.9, "{all}");
    assert!(moves("the same without BOS").unwrap().abs() < 0.1, "{all}");
    // The model has no projection bias.
    assert_eq!(list(&all).len(), 8);
    let text = succeeds(here.path(), &["check", "planted", "--methods", "fv", "--tasks", "pairs.tsv", "--explain"]);
    says(&text, &["one choice at a time", "all that the study does", "n = 48 test items, the same in every row"]);
    assert!(text.lines().all(|l| l.chars().count() <= 100), "{text}");
}

#[test]
fn choices_that_do_not_go_together_are_refused() {
    let here = prepared(false);
    let check = |options: &[&str]| {
        let arguments: Vec<&str> =
            ["check", "planted", "--tasks", "pairs.tsv"].iter().chain(options).copied().collect();
        refusal(here.path(), &arguments)
    };
    says(&check(&["--explain"]), &["--explain", "add --methods fv"]);
    says(&check(&["--explain", "--methods", "fv", "--bos", "on"]), &["--bos"]);
    says(&check(&["--bos", "on"]), &["knows no BOS token"]);
    says(&check(&["--methods", "fv,fv"]), &["asked for twice"]);
    says(&check(&["--methods", "lora"]), &["'lora'", "tv"]);
}

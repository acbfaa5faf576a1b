//! `steercheck check` on a tiny model with random weights: sizes, seeds, protocols and streams, not results.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::common::{all_comparable, arm, folder, list, records, run, stderr, stdout, succeeds, tiny_model, word_task};

/// A folder with the tiny model and a task of 220 items.
fn prepared() -> Option<TempDir> {
    let here = folder();
    tiny_model(here.path())?;
    word_task(here.path(), "words.tsv", 220);
    Some(here)
}

/// Runs a check in a folder of its own; returns its standard output and records without timings.
fn check(options: &[&str]) -> Option<(String, Vec<Value>)> {
    let here = prepared()?;
    let arguments: Vec<&str> =
        ["check", "tiny", "--methods", "tv", "--tasks", "words.tsv"].iter().chain(options).copied().collect();
    let printed = succeeds(here.path(), &arguments);
    Some((printed, all_comparable(here.path())))
}

fn texts(items: &Value) -> Vec<(&str, &str)> {
    list(items).iter().map(|i| (i["input"].as_str().unwrap(), i["answer"].as_str().unwrap())).collect()
}

#[test]
fn a_seed_repeats_a_run_and_another_seed_gives_other_demonstrations_of_the_same_items() {
    let (Some(first), Some(again), Some(other)) =
        (check(&["--seed", "5"]), check(&["--seed", "5"]), check(&["--seed", "6"]))
    else {
        return;
    };
    assert_eq!(first.1, again.1);
    let (first, other) = (&first.1[0], &other.1[0]);
    assert_eq!((first["plan"]["seed"].as_u64(), other["plan"]["seed"].as_u64()), (Some(5), Some(6)));
    assert_eq!(first["plan"]["split_seed"], other["plan"]["split_seed"]);
    for part in ["dev", "test"] {
        let (a, b) = (&first["results"]["items"][part], &other["results"]["items"][part]);
        assert_eq!(texts(a), texts(b), "{part}");
        let same = list(a).iter().zip(list(b)).filter(|(a, b)| a["demonstrations"] == b["demonstrations"]).count();
        assert!(same <= 1, "{same} items of {part} have the same demonstrations");
    }
}

#[test]
fn dev_test_and_demonstrations_are_disjoint() {
    let Some((_, records)) = check(&[]) else { return };
    let items = &records[0]["results"]["items"];
    let inputs = |part: &str| texts(&items[part]).into_iter().map(|i| i.0).collect::<BTreeSet<_>>();
    let (dev, test) = (inputs("dev"), inputs("test"));
    assert_eq!((dev.len(), test.len()), (24, 48));
    assert!(dev.is_disjoint(&test));
    for item in ["dev", "test"].iter().flat_map(|part| list(&items[part])) {
        let shown: BTreeSet<&str> = texts(&item["demonstrations"]).into_iter().map(|i| i.0).collect();
        let dummies: BTreeSet<&str> = list(&item["dummies"]).iter().map(|d| d.as_str().unwrap()).collect();
        assert_eq!((shown.len(), dummies.len()), (5, 2));
        assert!(shown.is_disjoint(&dummies) && shown.is_disjoint(&dev) && shown.is_disjoint(&test));
    }
}

#[test]
fn the_study_protocol_has_its_sizes_and_no_placebos() {
    let Some((printed, records)) = check(&["--protocol", "study"]) else { return };
    let record = &records[0];
    let names: Vec<&str> = list(&record["results"]["arms"]).iter().map(|a| a["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["zero-shot", "few-shot", "steered"]);
    assert_eq!(
        (list(&record["results"]["items"]["dev"]).len(), list(&record["results"]["items"]["test"]).len()),
        (50, 50)
    );
    assert_eq!(list(&arm(record, "zero-shot")["outcomes"]).len(), 100);
    let asked = |part: &str| texts(&record["results"]["items"][part]).into_iter().map(|i| i.0).collect::<BTreeSet<_>>();
    let others = asked("baseline");
    assert_eq!(others.len(), 100);
    assert!(others.is_disjoint(&asked("dev")) && others.is_disjoint(&asked("test")));
    assert_eq!(record["about"]["profile"], "study");
    assert!(printed.contains("(100 other items zero-shot)") && !printed.contains("Placebos"), "{printed}");
    assert!(printed.contains("words: no verdict: the protocol study has no placebos to judge by"), "{printed}");
}

#[test]
fn the_standard_profile_leaves_one_record_per_seed() {
    let Some((printed, records)) = check(&["--profile", "standard", "--seed", "7"]) else { return };
    let seeds: Vec<u64> = records.iter().map(|r| r["plan"]["seed"].as_u64().unwrap()).collect();
    assert_eq!(seeds, [7, 8, 9]);
    for record in &records {
        assert_eq!(
            (list(&record["results"]["items"]["dev"]).len(), list(&record["results"]["items"]["test"]).len()),
            (50, 100)
        );
    }
    assert!(printed.contains("profile standard, 3 seeds (7 to 9)"), "{printed}");
    assert_eq!(printed.lines().filter(|l| l.starts_with("words: ")).count(), 1, "one card for all seeds: {printed}");
    assert!(printed.lines().all(|l| l.chars().count() <= 100), "{printed}");
    assert!(printed.contains("records    3 in steercheck-out/records"), "{printed}");
}

#[test]
fn a_task_that_the_model_cannot_do_is_called_untestable() {
    let Some((printed, _)) = check(&[]) else { return };
    let sentence = printed.lines().find(|l| l.starts_with("words: ")).unwrap();
    assert!(
        sentence.starts_with("words: untestable: five examples do not reliably raise this model's accuracy"),
        "{sentence}"
    );
}

#[test]
fn one_thread_and_two_give_identical_records() {
    let with = |threads: &str| {
        let here = prepared()?;
        let mut command = crate::common::steercheck(here.path());
        command.env("RAYON_NUM_THREADS", threads).args(["check", "tiny", "--tasks", "words.tsv"]).assert().success();
        Some(all_comparable(here.path()))
    };
    assert_eq!(with("1"), with("2"));
}

#[test]
fn stored_weights_and_widened_ones_give_identical_records_but_for_their_form() {
    let (Some((_, stored)), Some((_, widened))) = (check(&["--dtype", "stored"]), check(&["--dtype", "f32"])) else {
        return;
    };
    assert_eq!(
        (&stored[0]["about"]["model"]["precision"], &widened[0]["about"]["model"]["precision"]),
        (&"stored".into(), &"f32".into())
    );
    // The fixture is stored in f32, so that nothing is rounded either way.
    let hits = |r: &Value| list(&r["results"]["arms"]).iter().map(|a| a["hits"].clone()).collect::<Vec<_>>();
    assert_eq!(hits(&stored[0]), hits(&widened[0]));
    for key in ["items", "grid", "chosen"] {
        assert_eq!(stored[0]["results"][key], widened[0]["results"][key], "{key}");
    }
}

#[test]
fn the_same_seed_writes_over_its_own_record_and_no_other() {
    let Some(here) = prepared() else { return };
    let arguments = |seed: &'static str| ["check", "tiny", "--methods", "tv", "--tasks", "words.tsv", "--seed", seed];
    succeeds(here.path(), &arguments("1"));
    succeeds(here.path(), &arguments("1"));
    assert_eq!(records(here.path()).len(), 1);
    succeeds(here.path(), &arguments("2"));
    assert_eq!(records(here.path()).len(), 2);
}

#[test]
fn json_goes_to_standard_output_alone_and_equals_the_records_on_disk() {
    let Some(here) = prepared() else { return };
    word_task(here.path(), "more.tsv", 100);
    let output = run(here.path(), &["check", "tiny", "--methods", "tv", "--tasks", "more.tsv,words.tsv", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let printed: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(list(&printed), records(here.path()));
    assert_eq!(list(&printed).len(), 2);
}

/// Runs a check whose standard output and standard error nobody reads.
fn unread(here: &Path, options: &[&str]) -> Option<i32> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_steercheck"));
    command.current_dir(here).args(["check", "tiny", "--methods", "tv", "--tasks", "words.tsv"]).args(options);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    child.wait().unwrap().code()
}

#[test]
fn pipes_that_are_closed_early_neither_stop_nor_panic_a_run() {
    let Some(here) = prepared() else { return };
    assert_eq!(unread(here.path(), &[]), Some(0));
    assert_eq!(records(here.path()).len(), 1);
    assert_eq!(unread(here.path(), &["--json"]), Some(0));
    assert_eq!(unread(here.path(), &["--seed", "x"]), Some(2));
    assert_eq!(unread(here.path(), &["--memory", "1K"]), Some(2));
}

#[test]
fn cards_come_in_five_forms_with_the_same_figures() {
    let Some(here) = prepared() else { return };
    let form = |form: &str| {
        succeeds(here.path(), &["check", "tiny", "--methods", "tv", "--tasks", "words.tsv", "--format", form])
    };
    let json: Value = serde_json::from_str(&form("json")).unwrap();
    let card = &list(&json)[0];
    assert_eq!((card["subject"]["task"].as_str(), card["verdict"].as_str()), (Some("words"), Some("untestable")));
    let csv = form("csv");
    let [head, row] = csv.lines().collect::<Vec<_>>()[..] else { panic!("{csv}") };
    let columns: Vec<&str> = head.split(',').collect();
    // Only the reason, the last column, holds commas.
    let fields: Vec<&str> = row.splitn(columns.len(), ',').collect();
    let field = |name: &str| fields[columns.iter().position(|c| *c == name).unwrap()];
    assert_eq!((field("task"), field("n"), field("verdict")), ("words", "48", "untestable"));
    assert_eq!(field("few_shot").parse::<f64>().ok(), card["few_shot"]["point"].as_f64());
    assert_eq!(field("effect_low").parse::<f64>().ok(), card["effect"]["low"].as_f64());
    let md = form("md");
    assert!(md.contains("| task | zero-shot | few-shot | steered | gain | verdict |\n| --- | ---: |"), "{md}");
    let latex = form("latex");
    assert!(latex.contains("\\toprule") && latex.contains("words & ") && !latex.contains('–'), "{latex}");
    for text in [&csv, &md, &latex] {
        assert!(text.contains("untestable"), "{text}");
    }
    assert!(form("text").contains("words: untestable: "));
}

//! `steercheck check` on the catalogue's default model: what is printed, and what the records hold.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Output;
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::common::{
    REAL, all_comparable, arm, comparable, folder, list, real_model, record_files, records, stderr, stdout, steercheck,
};

const ARMS: [&str; 7] =
    ["zero-shot", "few-shot", "steered", "zero", "random-direction", "shuffled-labels", "wrong-task"];

/// A finished check of one task.
struct Run {
    here: TempDir,
    output: Output,
}

impl Run {
    fn new(threads: &str, options: &[&str]) -> Option<Self> {
        real_model()?;
        let here = folder();
        let arguments = ["check", REAL, "--methods", "tv", "--tasks", "capitalise", "--seed", "3"];
        let mut command = steercheck(here.path());
        let output = command.env("RAYON_NUM_THREADS", threads).args(arguments).args(options).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        Some(Self { here, output })
    }

    fn record(&self) -> Value {
        let mut all = records(self.here.path());
        assert_eq!(all.len(), 1);
        all.remove(0)
    }
}

/// The run that most tests look at, on one thread.
fn plain() -> Option<&'static Run> {
    static RUN: OnceLock<Option<Run>> = OnceLock::new();
    RUN.get_or_init(|| Run::new("1", &[])).as_ref()
}

/// The same with `--json`, on two threads.
fn json() -> Option<&'static Run> {
    static RUN: OnceLock<Option<Run>> = OnceLock::new();
    RUN.get_or_init(|| Run::new("2", &["--json"])).as_ref()
}

/// The line's fields, apart by two spaces or more.
fn fields(line: &str) -> Vec<&str> {
    line.split("  ").map(str::trim).filter(|f| !f.is_empty()).collect()
}

/// The fields of the row of `capitalise` under the rule of the table with this title.
fn row<'a>(text: &'a str, title: &str) -> Vec<&'a str> {
    let lines: Vec<&str> = text.lines().collect();
    let title = lines.iter().position(|l| l.starts_with(title)).unwrap_or_else(|| panic!("no {title}: {text}"));
    let rule = title + lines[title..].iter().position(|l| l.starts_with('─')).unwrap();
    fields(lines[rule + 1])
}

/// `58 [44–71]` says what a share is, with its interval around it.
fn shows(field: &str, percent: f64, name: &str) {
    let (point, interval) = field.split_once(' ').unwrap_or_else(|| panic!("{field} of {name}"));
    assert_eq!(point, format!("{percent:.0}"), "{name}");
    let ends = interval.strip_prefix('[').and_then(|i| i.strip_suffix(']')).and_then(|i| i.split_once('–'));
    let (low, high) = ends.unwrap_or_else(|| panic!("{interval} of {name}"));
    assert!(low.parse::<f64>().unwrap() <= percent.round() && percent.round() <= high.parse::<f64>().unwrap());
}

#[test]
fn the_tables_have_every_arm_with_its_interval_and_a_verdict_follows_with_its_reason() {
    let Some(run) = plain() else { return };
    let (text, record) = (stdout(&run.output), run.record());
    let percent = |name: &str| 100.0 * arm(&record, name)["hits"].as_f64().unwrap() / 48.0;
    let verdicts = row(&text, "Task vectors: per cent right [95 % interval], protocol rigorous, profile quick, seed 3");
    assert_eq!((verdicts.len(), verdicts[0]), (6, "capitalise"));
    for (column, name) in [(1, "zero-shot"), (2, "few-shot"), (3, "steered")] {
        shows(verdicts[column], percent(name), name);
    }
    let gain = format!("{:+.0} [", percent("steered") - percent("zero-shot"));
    assert!(verdicts[4].starts_with(&gain), "{}", verdicts[4]);
    let placebos = row(&text, "Placebos on the same items");
    for (column, name) in [(1, "random-direction"), (2, "shuffled-labels"), (3, "wrong-task")] {
        shows(placebos[column], percent(name), name);
    }
    let setting = row(&text, "Setting and reliability");
    assert_eq!(setting[1], record["results"]["chosen"]["setting"]["residual"].to_string());
    assert!(text.contains("strength 0 equals the unsteered model bit for bit"), "{text}");
    let known = ["reliable", "partial", "no effect", "inconclusive", "harmful", "untestable"];
    let verdict = *verdicts.last().unwrap();
    assert!(known.contains(&verdict) && text.contains(&format!("\ncapitalise: {verdict}: ")), "{text}");
}

#[test]
fn the_report_names_the_model_its_weights_the_time_and_the_peak_memory() {
    let Some(run) = plain() else { return };
    let text = stdout(&run.output);
    let line = |name: &str| text.lines().find(|l| l.starts_with(name)).unwrap_or_else(|| panic!("no {name}: {text}"));
    assert!(line("model ").contains("smollm2-135m-instruct (llama, 30 blocks of 9 heads, 134.5 M parameters)"));
    assert!(line("weights ").contains("Q4_1 ×210, Q8_0 ×1, widened to f32"));
    assert!(line("tokenizer ").contains("49152 tokens, no BOS, no EOS"));
    assert!(line("records ").ends_with("1 in steercheck-out/records"));
    assert!(line("took ").contains(" s from opening the model file"));
    assert!(!cfg!(unix) || line("took ").contains("peak memory "));
    assert!(text.lines().all(|l| l.chars().count() <= 100), "{text}");
}

#[test]
fn output_that_is_no_terminal_has_no_escape_codes_and_progress_in_plain_lines() {
    let Some(run) = plain() else { return };
    let (text, progress) = (stdout(&run.output), stderr(&run.output));
    assert!(!(text + &progress).contains(['\u{1b}', '\r']));
    let lines: Vec<&str> = progress.lines().filter(|l| !l.starts_with("checking ")).collect();
    assert_eq!(lines.len(), 1, "{progress}");
    assert!(lines[0].starts_with("[1/1] task vectors, capitalise: ") && lines[0].ends_with(" tokens/s"), "{progress}");
}

#[test]
fn a_record_counts_what_it_lists() {
    let Some(run) = plain() else { return };
    let record = run.record();
    let names: Vec<&str> = list(&record["results"]["arms"]).iter().map(|a| a["name"].as_str().unwrap()).collect();
    assert_eq!(names, ARMS);
    for name in ARMS {
        let outcomes = list(&arm(&record, name)["outcomes"]);
        assert_eq!(outcomes.len(), 48, "{name}");
        let hits = outcomes.iter().filter(|o| o["hit"] == true).count() as u64;
        assert_eq!(arm(&record, name)["hits"].as_u64(), Some(hits), "{name}");
    }
    assert_eq!(
        (list(&record["results"]["items"]["dev"]).len(), list(&record["results"]["items"]["test"]).len()),
        (24, 48)
    );
    let grid = list(&record["results"]["grid"]);
    let curve: Vec<u64> = grid.iter().map(|p| p["dev"].as_u64().unwrap()).collect();
    assert_eq!(curve.len(), 30);
    let most = *curve.iter().max().unwrap();
    let first = 1 + curve.iter().position(|h| *h == most).unwrap();
    assert_eq!(record["results"]["chosen"]["setting"]["residual"].as_u64(), Some(first as u64));
    assert_eq!(record["results"]["chosen"]["dev_hits"].as_u64(), Some(most));
    assert_eq!(grid[first - 1]["test"], arm(&record, "steered")["hits"], "curve and arm are one measurement");
}

#[test]
fn strength_zero_equals_the_unsteered_model_outcome_by_outcome() {
    let Some(run) = plain() else { return };
    let record = run.record();
    let bare = |name: &str| {
        let mut outcomes = list(&arm(&record, name)["outcomes"]).to_vec();
        for outcome in &mut outcomes {
            outcome.as_object_mut().unwrap().remove("receipts");
        }
        outcomes
    };
    assert_eq!(bare("zero"), bare("zero-shot"));
    assert_ne!(bare("steered"), bare("zero-shot"));
}

#[test]
fn every_edit_fired_as_planned_and_arms_without_an_edit_have_no_receipts() {
    let Some(run) = plain() else { return };
    let record = run.record();
    for name in ARMS {
        for outcome in list(&arm(&record, name)["outcomes"]) {
            let receipts = outcome.get("receipts").map(list).unwrap_or_default();
            let edits = usize::from(!["zero-shot", "few-shot"].contains(&name));
            assert_eq!(receipts.len(), edits, "{name}");
            assert!(receipts.iter().all(|r| r["planned"] == 1 && r["fired"] == 1), "{name}");
        }
    }
}

#[test]
fn a_record_says_what_was_run_and_on_what() {
    let Some(run) = plain() else { return };
    let record = run.record();
    for hash in [&record["plan"]["model"]["weights"], &record["plan"]["tokenizer"]["hash"], &record["plan"]["task"]] {
        let hash = hash.as_str().unwrap();
        assert!(hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{hash}");
    }
    assert_eq!((record["plan"]["seed"].as_u64(), record["plan"]["split_seed"].as_u64()), (Some(3), Some(0)));
    assert_eq!(record["format"], "steercheck-record");
    assert_eq!(record["plan"]["protocol"]["name"], "rigorous");
    assert_eq!(record["about"]["profile"], "quick");
    assert_eq!(record["about"]["task"]["name"], "capitalise");
    let stages = record["timings"].as_object().unwrap();
    assert!(stages.len() > 3 && stages.values().all(|s| s.as_f64().is_some_and(|s| s >= 0.0)), "{stages:?}");
}

#[test]
fn no_record_holds_a_path_or_a_user_name() {
    let Some(run) = plain() else { return };
    let text = std::fs::read_to_string(&record_files(run.here.path())[0]).unwrap();
    let home = std::env::var("HOME").map(PathBuf::from).ok().filter(|h| h.components().count() > 1);
    let model = real_model().unwrap().parent().unwrap();
    let folders = [Some(run.here.path().to_path_buf()), Some(std::env::temp_dir()), Some(model.to_path_buf()), home];
    for folder in folders.into_iter().flatten() {
        assert!(!text.contains(&*folder.to_string_lossy()), "{} is in the record", folder.display());
    }
    assert!(!text.contains(&run.here.path().file_name().unwrap().to_string_lossy().into_owned()));
    // `root` is part of too many words to look for.
    for name in ["USER", "LOGNAME"].iter().filter_map(|v| std::env::var(v).ok()).filter(|n| n.len() > 4) {
        assert!(!text.contains(&name), "{name} is in the record");
    }
}

#[test]
fn runs_on_one_and_on_two_threads_give_identical_records_apart_from_timings() {
    let (Some(one), Some(two)) = (plain(), json()) else { return };
    assert_eq!(all_comparable(one.here.path()), all_comparable(two.here.path()));
}

#[test]
fn json_is_all_that_is_printed_and_equals_the_record_on_disk() {
    let Some(run) = json() else { return };
    let printed: Value = serde_json::from_str(&stdout(&run.output)).unwrap();
    assert_eq!(list(&printed), [run.record()]);
}

#[test]
fn stored_weights_give_the_same_hits_as_widened_ones() {
    let Some(widened) = plain() else { return };
    let Some(stored) = Run::new("2", &["--dtype", "stored"]) else { return };
    assert!(stdout(&stored.output).contains("kept as stored and widened to f32 while multiplying"));
    let (stored, widened) = (comparable(&stored.record()), comparable(&widened.record()));
    for name in ARMS {
        let hits = |r: &Value| list(&arm(r, name)["outcomes"]).iter().map(|o| o["hit"].clone()).collect::<Vec<_>>();
        assert_eq!(hits(&stored), hits(&widened), "{name}");
    }
    assert_eq!(stored["results"]["grid"], widened["results"]["grid"]);
    assert_eq!(
        (&stored["about"]["model"]["precision"], &widened["about"]["model"]["precision"]),
        (&"stored".into(), &"f32".into())
    );
}

#[test]
fn the_default_model_capitalises_when_it_is_shown_how_and_not_otherwise() {
    let Some(run) = plain() else { return };
    let record = run.record();
    let hits = |name: &str| arm(&record, name)["hits"].as_u64().unwrap();
    assert!(hits("few-shot") >= 43 && hits("zero-shot") <= 5, "{} and {}", hits("few-shot"), hits("zero-shot"));
    assert!(hits("steered") >= 35 && hits("random-direction") <= 5 && hits("wrong-task") <= 5);
    let answers: BTreeSet<&str> =
        list(&record["results"]["items"]["test"]).iter().map(|i| i["answer"].as_str().unwrap()).collect();
    assert_eq!(answers.len(), 48);
}

//! `steercheck study` on a tiny model: what is there is not run again, whoever runs and however a run ends.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::common::{
    comparable, folder, list, records, refusal, refused, run, says, stderr, steercheck, succeeds, tiny_model, word_task,
};

const STUDY: &str =
    "models = [\"tiny\"]\ntasks = [\"one.tsv\", \"two.tsv\"]\nseeds = 2\n[items]\ndev = 5\ntest = 8\n[tv]\n";

/// Blocks of the tiny model.
const BLOCKS: u64 = 3;

/// A folder with a tiny model, two tasks of words and a study of them; none where the fixtures are missing.
fn prepared() -> Option<tempfile::TempDir> {
    let here = folder();
    tiny_model(here.path())?;
    word_task(here.path(), "one.tsv", 60);
    word_task(here.path(), "two.tsv", 70);
    std::fs::write(here.path().join("study.toml"), STUDY).unwrap();
    Some(here)
}

/// Every record's results by key.
fn results(here: &Path, store: &str) -> BTreeMap<String, Value> {
    let all = records_of(here, store);
    all.iter().map(|record| (record["key"].as_str().unwrap().to_string(), comparable(record))).collect()
}

fn records_of(here: &Path, store: &str) -> Vec<Value> {
    let folder = here.join(store).join("records");
    if !folder.is_dir() {
        return Vec::new();
    }
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.retain(|p| !p.file_name().unwrap().to_string_lossy().starts_with('.'));
    paths.sort();
    paths.iter().map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).collect()
}

#[test]
fn a_study_is_run_once_and_an_extended_one_pays_for_what_is_new() {
    let Some(here) = prepared() else { return };
    let study = |command: &str| succeeds(here.path(), &["study", command, "study.toml", "--store", "store"]);
    says(&study("run"), &["study: 4 cells done, 0 were there"]);
    says(&study("run"), &["study: 0 cells done, 4 were there"]);
    says(&study("status"), &["tiny", "4"]);
    let before = results(here.path(), "store");
    assert_eq!(before.len(), 4);
    word_task(here.path(), "three.tsv", 80);
    std::fs::write(here.path().join("study.toml"), STUDY.replace("\"two.tsv\"", "\"two.tsv\", \"three.tsv\"")).unwrap();
    says(&study("status"), &["not looked at yet"]);
    says(&study("run"), &["study: 2 cells done, 4 were there"]);
    let after = results(here.path(), "store");
    assert!(after.len() == 6 && before.iter().all(|(key, record)| after[key] == *record));
    says(&succeeds(here.path(), &["store", "verify", "store"]), &["6 records and 6 artefacts are whole"]);
    let status: Value =
        serde_json::from_str(&succeeds(here.path(), &["study", "status", "study.toml", "--store", "store", "--json"]))
            .unwrap();
    let cells = list(&status[0]["cells"]);
    assert!(cells.len() == 6 && cells.iter().all(|cell| cell["state"] == "done"), "{status}");
}

#[test]
fn parts_and_processes_at_once_come_to_the_same_records() {
    let Some(here) = prepared() else { return };
    succeeds(here.path(), &["study", "run", "study.toml", "--store", "whole"]);
    let whole = results(here.path(), "whole");
    for part in ["1/3", "2/3", "3/3"] {
        succeeds(here.path(), &["study", "run", "study.toml", "--store", "parts", "--shard", part]);
    }
    assert_eq!(results(here.path(), "parts"), whole);
    let start = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_steercheck"));
        command.current_dir(here.path()).args(["study", "run", "study.toml", "--store", "shared"]);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null()).spawn().unwrap()
    };
    let processes: Vec<_> = (0..4).map(|_| start()).collect();
    let mut done = 0;
    for process in processes {
        let output = process.wait_with_output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{said}");
        done += said.split(": ").nth(1).unwrap().split(' ').next().unwrap().parse::<usize>().unwrap();
    }
    assert_eq!(results(here.path(), "shared"), whole);
    assert_eq!(done, 4, "no cell is computed twice");
    assert_eq!(std::fs::read_dir(here.path().join("shared/claims")).unwrap().count(), 0);
}

#[test]
fn a_killed_study_goes_on_where_it_was() {
    let Some(here) = prepared() else { return };
    succeeds(here.path(), &["study", "run", "study.toml", "--store", "whole"]);
    let whole = results(here.path(), "whole");
    for wait in [5, 20, 40, 60, 90, 120] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_steercheck"));
        command.current_dir(here.path()).args(["study", "run", "study.toml", "--store", "killed"]);
        let mut process =
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        // SIGKILL: nothing is tidied up.
        process.kill().unwrap();
        process.wait().unwrap();
        // What is there is whole, at every moment.
        let there = results(here.path(), "killed");
        assert!(there.iter().all(|(key, record)| whole[key] == *record));
    }
    succeeds(here.path(), &["study", "run", "study.toml", "--store", "killed"]);
    assert_eq!(results(here.path(), "killed"), whole);
    succeeds(here.path(), &["store", "verify", "killed"]);
}

#[test]
fn what_fails_is_told_and_the_rest_goes_on() {
    let Some(here) = prepared() else { return };
    let two = STUDY.replace("[\"tiny\"]", "[\"missing-model.gguf\", \"tiny\"]");
    std::fs::write(here.path().join("study.toml"), two).unwrap();
    let output = run(here.path(), &["study", "run", "study.toml", "--store", "store"]);
    assert_eq!(output.status.code(), Some(1));
    says(&stderr(&output), &["missing-model.gguf", "the study is not complete", "study status"]);
    assert_eq!(results(here.path(), "store").len(), 4);
    says(
        &succeeds(here.path(), &["study", "status", "study.toml", "--store", "store"]),
        &["cannot be run", "missing-model.gguf:"],
    );
    // A task too small for its cells is no failure, and is named.
    word_task(here.path(), "one.tsv", 9);
    std::fs::write(here.path().join("study.toml"), STUDY).unwrap();
    succeeds(here.path(), &["study", "run", "study.toml", "--store", "store"]);
    says(
        &succeeds(here.path(), &["study", "status", "study.toml", "--store", "store"]),
        &["no use", "task 'one' has 9"],
    );
}

#[test]
fn a_damaged_record_is_named_and_run_again() {
    let Some(here) = prepared() else { return };
    let study = || run(here.path(), &["study", "run", "study.toml", "--store", "store"]);
    assert!(study().status.success());
    let whole = results(here.path(), "store");
    let path = here.path().join("store/records").join(format!("{}.json", whole.keys().next().unwrap()));
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let output = run(here.path(), &["store", "verify", "store"]);
    assert_eq!(output.status.code(), Some(1));
    says(&String::from_utf8_lossy(&output.stdout), &["3 records", "is not a steercheck record"]);
    let again = study();
    assert!(again.status.success());
    says(&stderr(&again), &["is not a steercheck record", "the cell is run again"]);
    assert_eq!(results(here.path(), "store"), whole);
}

#[test]
fn what_is_no_study_or_store_is_refused_in_a_sentence() {
    let Some(here) = prepared() else { return };
    let says_of = |arguments: &[&str], parts: &[&str]| says(&refusal(here.path(), arguments), parts);
    says_of(&["study", "run", "missing.toml"], &["missing.toml", "check the path"]);
    std::fs::write(here.path().join("typo.toml"), STUDY.replace("seeds", "seads")).unwrap();
    says_of(&["study", "plan", "typo.toml"], &["line 3", "did you mean 'seeds'?"]);
    std::fs::write(here.path().join("data.toml"), format!("data = \"there\"\n{STUDY}")).unwrap();
    says_of(&["study", "run", "data.toml"], &["'one.tsv' is not in there", "--data FOLDER"]);
    says_of(&["study", "run", "study.toml", "--log", "nonsense=loud"], &["is no filter of logs", "debug"]);
    says_of(&["study", "status", "study.toml", "--store", "nowhere"], &["there is no store in nowhere"]);
    says_of(&["study", "run", "study.toml", "--shard", "3/2"], &["3/8"]);
    says_of(&["store", "verify", "nowhere"], &["no records in nowhere"]);
    std::fs::create_dir(here.path().join("newer")).unwrap();
    std::fs::write(here.path().join("newer/store.json"), "{\"format\":\"steercheck-store\",\"version\":9}").unwrap();
    let output = run(here.path(), &["study", "run", "study.toml", "--store", "newer"]);
    says(&refused(&output, 2, here.path()), &["version 9"]);
    let limits = format!("{STUDY}[limits]\nmemory = \"lots\"\n");
    std::fs::write(here.path().join("limits.toml"), limits).unwrap();
    says_of(&["study", "run", "limits.toml"], &["'lots' is not a size"]);
    assert!(records(here.path()).is_empty() || !here.path().join("steercheck-out").exists());
}

#[test]
fn a_plan_counts_cells_and_says_what_they_can_detect() {
    let Some(here) = prepared() else { return };
    let both_models = |models: &str| STUDY.replace("[\"tiny\"]", models);
    std::fs::write(here.path().join("tiny.toml"), STUDY).unwrap();
    std::fs::write(here.path().join("study.toml"), both_models("[\"tiny\", \"llama2-7b\"]")).unwrap();
    let plan = succeeds(here.path(), &["study", "plan", "study.toml", "--mde", "5pp"]);
    let parts = ["study: 8 cells", "llama2-7b", "≈", "taken to behave as", "of weights", "test items", "for 5 points:"];
    says(&plan, &parts);
    says(&plan, &["if 30 % of them change"]);
    assert!(plan.lines().all(|l| l.chars().count() <= 100), "{plan}");
    let json: Value = serde_json::from_str(&succeeds(here.path(), &["study", "plan", "study.toml", "--json"])).unwrap();
    let (tiny, large) = (&json["planned"][0], &json["planned"][1]);
    assert_eq!(
        (&tiny["cells"], &tiny["like"], large["like"].as_str()),
        (&4.into(), &Value::Null, Some("tiny")),
        "{json}"
    );
    // Rows × blocks as the listing of a run has them.
    succeeds(here.path(), &["study", "run", "tiny.toml", "--store", "store"]);
    let listing = std::fs::read_dir(here.path().join("store/studies")).unwrap().next().unwrap().unwrap().path();
    let listing = std::fs::read_dir(listing).unwrap().next().unwrap().unwrap().path();
    let listing: Value = serde_json::from_slice(&std::fs::read(listing).unwrap()).unwrap();
    let work: u64 = list(&listing["cells"]).iter().map(|cell| cell["work"].as_u64().unwrap()).sum();
    let tokens = tiny["tokens"].as_u64().unwrap();
    assert!(tokens > 1000 && tokens >= work / BLOCKS && tiny["seconds"].as_f64().unwrap() > 0.0, "{tokens} {work}");
    // What was stored is of the size that was planned, give or take.
    let stored: u64 = ["records", "artefacts"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(here.path().join("store").join(folder)).unwrap())
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    let planned = tiny["stored_bytes"].as_u64().unwrap();
    assert!(planned > stored / 3 && planned < 3 * stored, "{planned} planned, {stored} stored");
    let unknown = both_models("[\"tiny\", \"org/unknown\"]");
    std::fs::write(here.path().join("study.toml"), unknown).unwrap();
    let json: Value = serde_json::from_str(&succeeds(here.path(), &["study", "plan", "study.toml", "--json"])).unwrap();
    assert_eq!(json["planned"][1]["tokens"], Value::Null);
}

#[test]
fn an_array_is_written_as_a_script_that_runs_its_parts() {
    let Some(here) = prepared() else { return };
    let submit = ["study", "submit", "study.toml", "--store", "store", "--parts", "2", "--partition", "long"];
    let printed = succeeds(here.path(), &[&submit[..], &["--dry-run"]].concat());
    says(&printed, &["2 parts; not submitted"]);
    let script = std::path::PathBuf::from(printed.lines().next().unwrap());
    let text = std::fs::read_to_string(here.path().join(&script)).unwrap();
    says(&text, &["#SBATCH --array=1-2", "#SBATCH --partition=long", "--shard \"$SLURM_ARRAY_TASK_ID/2\""]);
    // What Slurm would do with it.
    for part in ["1", "2"] {
        let mut shell = std::process::Command::new("sh");
        shell.arg(here.path().join(&script)).env("SLURM_ARRAY_TASK_ID", part).current_dir("/");
        assert!(shell.output().unwrap().status.success());
    }
    assert_eq!(results(here.path(), "store").len(), 4);
    let output = steercheck(here.path()).env("PATH", "").args(submit).output().unwrap();
    says(&refused(&output, 2, here.path()), &["sbatch cannot be run", "--dry-run"]);
}

#[test]
fn logs_say_what_a_run_does_where_they_are_asked_for() {
    let Some(here) = prepared() else { return };
    let run_with = |more: &[&str]| {
        stderr(&run(here.path(), &[&["study", "run", "study.toml", "--store", "store"], more].concat()))
    };
    says(&run_with(&["--log", "info"]), &["INFO", "opening the model", "begins", "over", "written=true"]);
    assert!(!run_with(&[]).contains("INFO"));
}

#[cfg(unix)]
#[test]
fn ctrl_c_says_how_to_go_on_and_gives_the_claim_up() {
    let Some(here) = prepared() else { return };
    std::fs::write(here.path().join("study.toml"), STUDY.replace("seeds = 2", "seeds = 30")).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_steercheck"));
    command.current_dir(here.path()).args(["study", "run", "study.toml", "--store", "store"]);
    let mut process = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    // Once there is a record the run is under way.
    while records_of(here.path(), "store").is_empty() && process.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let sent = std::process::Command::new("kill").args(["-INT", &process.id().to_string()]).status().unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(sent.success() && output.status.code() == Some(130), "{output:?}");
    says(&stderr(&output), &["stopped", "run the same command to go on"]);
    assert_eq!(std::fs::read_dir(here.path().join("store/claims")).unwrap().count(), 0);
    let there = records_of(here.path(), "store").len();
    let said = succeeds(here.path(), &["study", "run", "study.toml", "--store", "store"]);
    says(&said, &[&format!("{} cells done, {there} were there", 60 - there)]);
}

//! The command, driven as a user drives it.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::{Value, json};
use steercheck_oracle::{TensorFile, Values, tensors};
use tempfile::TempDir;

const FIXTURE: &str = "llama_llama3rope";

/// What one call of the command left.
struct Ran {
    status: i32,
    out: String,
    err: String,
}

impl Ran {
    /// The entries that `--json` printed.
    fn entries(&self) -> Vec<Value> {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }

    /// The one sentence on standard error that ended the call with status 2.
    fn refusal(&self) -> &str {
        assert_eq!(self.status, 2, "{}{}", self.out, self.err);
        let lines: Vec<&str> = self.err.lines().filter_map(|line| line.strip_prefix("error: ")).collect();
        assert_eq!(lines.len(), 1, "{}", self.err);
        lines[0]
    }
}

/// A folder with job files and one for results.
struct Bench {
    folder: TempDir,
    shared: Option<PathBuf>,
}

impl Bench {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), shared: None }
    }

    /// With the fixture's job file, its golden result and what is known of that.
    fn with_fixture(jobs: &Path) -> Self {
        let bench = Self { shared: Some(jobs.join("../..")), ..Self::new() };
        for ending in ["json", "golden.json", "golden.safetensors"] {
            let name = format!("{FIXTURE}.{ending}");
            fs::write(bench.path(&name), fs::read(jobs.join(&name)).unwrap()).unwrap();
        }
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &Value) {
        fs::write(self.path(name), content.to_string()).unwrap();
    }

    fn job_file(&self) -> PathBuf {
        self.path(&format!("{FIXTURE}.json"))
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_str(&fs::read_to_string(self.path(name)).unwrap()).unwrap()
    }

    /// Changes a value of the fixture's job file.
    fn change_job(&self, pointer: &str, value: Value) {
        let name = format!("{FIXTURE}.json");
        let mut file = self.json(&name);
        *file.pointer_mut(pointer).unwrap() = value;
        self.write(&name, &file);
    }

    /// Changes the fixture's golden result.
    fn change_golden(&self, change: impl Fn(&mut TensorFile)) {
        let path = self.path(&format!("{FIXTURE}.golden.safetensors"));
        let mut golden = tensors::read(&path).unwrap();
        change(&mut golden);
        tensors::write(&path, &golden).unwrap();
    }

    /// Runs the command on these job files, results in `out`.
    fn run(&self, jobs: &[PathBuf], options: &[&str]) -> Ran {
        self.run_into(&self.path("out"), jobs, options)
    }

    fn run_into(&self, out: &Path, jobs: &[PathBuf], options: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_steercheck-oracle"));
        command.args(jobs).arg("--out").arg(out).args(options).env_remove("STEERCHECK_SHARED");
        if let Some(shared) = &self.shared {
            command.env("STEERCHECK_SHARED", shared);
        }
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { status: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    fn result(&self, name: &str) -> TensorFile {
        tensors::read(&self.path(&format!("out/{name}.safetensors"))).unwrap()
    }
}

/// Outcome by job, as `--json` has them.
fn outcomes(entry: &Value) -> Vec<(&str, &str)> {
    let jobs = entry["comparison"]["jobs"].as_array().unwrap_or_else(|| panic!("{entry}"));
    jobs.iter().map(|job| (job["job"].as_str().unwrap(), job["outcome"].as_str().unwrap())).collect()
}

/// Whether results have every tensor of these jobs that the golden result has, in the same shape and dtype.
fn assert_complete(golden: &TensorFile, result: &TensorFile, jobs: &[&str]) {
    let of_jobs = |name: &&String| jobs.contains(&name.split_once('/').unwrap().0);
    let names: Vec<_> = golden.keys().filter(of_jobs).collect();
    assert_eq!(result.keys().collect::<Vec<_>>(), names);
    for name in names {
        let (golden, result) = (&golden[name], &result[name]);
        assert_eq!((&golden.shape, golden.values.dtype()), (&result.shape, result.values.dtype()), "{name}");
    }
}

#[test]
fn jobs_on_every_fixture_that_has_some_agree() {
    let Some(jobs) = common::jobs_folder() else { return };
    let fixtures = common::GOLDEN.iter().filter(|name| **name != "smollm2");
    let files: Vec<PathBuf> = fixtures.map(|name| jobs.join(format!("{name}.json"))).collect();
    let ran = Bench::new().run(&files, &["--json"]);
    assert_eq!((ran.status, ran.entries().len()), (0, 3), "{}", ran.err);
    for entry in ran.entries() {
        let agree = outcomes(&entry).into_iter().filter(|(_, outcome)| *outcome == "agrees").count();
        assert!(agree >= 5, "{entry}");
    }
}

#[test]
fn the_fixture_agrees_with_every_job() {
    let Some(jobs) = common::jobs_folder() else { return };
    let bench = Bench::new();
    let ran = bench.run(&[jobs.join(format!("{FIXTURE}.json"))], &["--json"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    let entries = ran.entries();
    let expected = [
        ("cie", "agrees"),
        ("dola", "agrees"),
        ("fv_list", "agrees"),
        ("fv_top", "agrees"),
        ("lens", "agrees"),
        ("lens_weight", "agrees"),
        ("logits", "agrees"),
        ("mean", "agrees"),
        ("tv", "agrees"),
    ];
    assert_eq!(outcomes(&entries[0]), expected);

    let golden = tensors::read(&jobs.join(format!("{FIXTURE}.golden.safetensors"))).unwrap();
    let result = bench.result(FIXTURE);
    assert_complete(
        &golden,
        &result,
        &["cie", "dola", "fv_list", "fv_top", "lens", "lens_weight", "logits", "mean", "tv"],
    );
    for name in ["rank_lo", "rank_hi", "clean_rank_lo", "clean_rank_hi"].map(|name| format!("tv/{name}")) {
        assert_eq!(golden[&name], result[&name], "{name}");
    }
    for name in ["lens/margin", "lens_weight/margin", "tv/margin", "tv/clean_margin"] {
        let [golden, result] = [&golden, &result].map(|file| file[name].values.to_f64());
        assert!(golden.iter().zip(&result).all(|(a, b)| (a - b).abs() < 1e-5), "{name}: {golden:?}, {result:?}");
    }
    let about = bench.json(&format!("out/{FIXTURE}.json"));
    assert_eq!((about["model"].as_str(), about["info"]["family"].as_str()), (Some(FIXTURE), Some("llama")));
    assert_eq!(about["steercheck"], env!("CARGO_PKG_VERSION"));
    assert!(about["timing"]["tv"]["seconds"].as_f64().unwrap() > 0.0, "{about}");
}

#[test]
fn jobs_that_are_not_named_are_neither_run_nor_compared() {
    let Some(jobs) = common::jobs_folder() else { return };
    let bench = Bench::with_fixture(&jobs);
    let ran = bench.run(&[bench.job_file()], &["--dtype", "stored", "--only", "lens", "mean"]);
    assert_eq!(ran.status, 0, "{}", ran.err);
    assert!(ran.out.contains("2 jobs agree, 0 disagree;"), "{}", ran.out);
    let names: Vec<String> = bench.result(FIXTURE).into_keys().collect();
    assert_eq!(names, ["lens/margin", "lens/prob", "lens/top1", "lens/top_prob", "mean/mean"]);
}

#[test]
fn an_altered_golden_result_disagrees() {
    let Some(jobs) = common::jobs_folder() else { return };
    let bench = Bench::with_fixture(&jobs);
    bench.change_golden(|golden| {
        let Some(Values::F32(theta)) = golden.get_mut("tv/theta").map(|array| &mut array.values) else { panic!() };
        theta[0] += 0.01;
    });
    let ran = bench.run(&[bench.job_file()], &[]);
    assert_eq!(ran.status, 1, "{}", ran.err);
    assert!(ran.out.contains("BAD tv/theta: 1 of 288 differ") && ran.out.contains("8 jobs agree, 1 disagree"));
}

#[test]
fn a_job_with_other_ids_disagrees_and_one_without_golden_tensors_as_well() {
    let Some(jobs) = common::jobs_folder() else { return };
    let bench = Bench::with_fixture(&jobs);
    bench.change_job("/jobs/0/ids/20", json!(7));
    bench.change_golden(|golden| golden.retain(|name, _| !name.starts_with("mean/")));
    let ran = bench.run(&[bench.job_file()], &["--json"]);
    assert_eq!(ran.status, 1, "{}", ran.err);
    let entry = &ran.entries()[0];
    let disagree: Vec<&str> =
        outcomes(entry).into_iter().filter(|(_, outcome)| *outcome == "disagrees").map(|(job, _)| job).collect();
    assert_eq!(disagree, ["logits", "mean"]);
}

#[test]
fn what_a_job_asks_of_the_wrong_model_is_refused() {
    let Some(jobs) = common::jobs_folder() else { return };
    let bench = Bench::with_fixture(&jobs);
    bench.change_job("/jobs/0/ids/3", json!(160));
    let ran = bench.run(&[bench.job_file()], &[]);
    assert_eq!(ran.refusal(), format!("{FIXTURE}.json: job logits: ids has token 160, and the model has 160 tokens"));
    assert!(!bench.path(&format!("out/{FIXTURE}.safetensors")).exists());
}

#[test]
fn every_job_file_is_run_and_the_worst_status_counts() {
    let Some(jobs) = common::jobs_folder() else { return };
    let bench = Bench::with_fixture(&jobs);
    let altered = bench.path("altered.json");
    fs::copy(bench.job_file(), &altered).unwrap();
    for ending in ["json", "safetensors"] {
        let golden = |name: &str| bench.path(&format!("{name}.golden.{ending}"));
        fs::copy(golden(FIXTURE), golden("altered")).unwrap();
    }
    bench.change_golden(|golden| {
        golden.remove("lens/top1");
        let Some(Values::F32(mean)) = golden.get_mut("mean/mean").map(|array| &mut array.values) else { panic!() };
        mean.fill(0.5);
    });
    let files = [bench.job_file(), altered];
    let ran = bench.run(&files, &["--json"]);
    let statuses = |ran: &Ran| ran.entries().iter().map(|e| e["exit_status"].as_u64().unwrap()).collect::<Vec<_>>();
    assert_eq!((ran.status, statuses(&ran)), (1, vec![1, 0]), "{}", ran.out);

    let ran = bench.run(&[&files[..], &[bench.path("missing.json")]].concat(), &["--json"]);
    assert_eq!((ran.status, statuses(&ran)), (2, vec![1, 0, 2]), "{}", ran.out);
    assert!(ran.entries()[2]["error"].as_str().unwrap().starts_with("cannot read "), "{}", ran.out);

    let ran = bench.run(&files, &[]);
    assert_eq!(ran.out.matches("values compared").count(), 2, "{}", ran.out);
}

#[test]
fn a_model_can_be_named_and_lie_beside_the_job_file() {
    let Some(jobs) = common::jobs_folder() else { return };
    let model = jobs.join("../../fixtures").join(FIXTURE);
    let bench = Bench { shared: None, ..Bench::with_fixture(&jobs) };
    let options = ["--only", "logits"];
    let refusal = bench.run(&[bench.job_file()], &options);
    assert!(refusal.refusal().contains("the golden result is of the model llama_llama3rope, which is neither in"));

    let named = bench.run(&[bench.job_file()], &[&["--model", model.to_str().unwrap()], &options[..]].concat());
    assert_eq!(named.status, 0, "{}", named.err);

    let beside = bench.path(FIXTURE);
    fs::create_dir(&beside).unwrap();
    for name in ["config.json", "model.safetensors"] {
        fs::copy(model.join(name), beside.join(name)).unwrap();
    }
    let found = bench.run(&[bench.job_file()], &options);
    assert_eq!(found.status, 0, "{}", found.err);
}

#[test]
fn a_result_never_overwrites_what_it_is_made_from() {
    let Some(jobs) = common::jobs_folder() else { return };
    let bench = Bench::with_fixture(&jobs);
    let before = fs::read(bench.job_file()).unwrap();
    let ran = bench.run_into(bench.folder.path(), &[bench.job_file()], &[]);
    assert!(ran.refusal().contains("the result would overwrite"), "{}", ran.err);
    assert_eq!(fs::read(bench.job_file()).unwrap(), before);

    let golden = bench.path(&format!("out/{FIXTURE}.safetensors"));
    fs::create_dir(bench.path("out")).unwrap();
    fs::copy(bench.path(&format!("{FIXTURE}.golden.safetensors")), &golden).unwrap();
    let before = fs::read(&golden).unwrap();
    let ran = bench.run(&[bench.job_file()], &["--golden", golden.to_str().unwrap()]);
    assert!(ran.refusal().contains("the result would overwrite"), "{}", ran.err);
    assert_eq!(fs::read(&golden).unwrap(), before);
}

#[test]
fn bad_input_is_refused_with_one_sentence() {
    let bench = Bench::new();
    let file = bench.path("sample.json");
    let run = |options: &[&str]| {
        let ran = bench.run(std::slice::from_ref(&file), options);
        ran.refusal().replace(bench.folder.path().to_str().unwrap(), "FOLDER").replace('\\', "/")
    };
    fs::write(&file, "{").unwrap();
    assert!(run(&[]).starts_with("sample.json: not a job file: EOF"), "{}", run(&[]));

    let dola = json!({"name": "dola", "kind": "dola", "pairs": [], "configs": []});
    bench.write("sample.json", &json!({"format": 1, "jobs": [dola]}));
    let logits = json!({"name": "logits", "kind": "logits", "ids": [1], "positions": [0]});
    bench.write("sample.json", &json!({"format": 1, "jobs": [logits, dola]}));
    assert_eq!(run(&["--only", "tv"]), "sample.json: no job is called tv; there are logits, dola");
    let none = "sample.json: there is nothing to compare with: FOLDER/sample.golden.safetensors does not exist; \
                make it with `oracle.py run`, or name another with --golden";
    assert_eq!(run(&[]), none);

    tensors::write(&bench.path("sample.golden.safetensors"), &TensorFile::new()).unwrap();
    let which = "sample.json: cannot tell which model to run, since FOLDER/sample.golden.json does not exist; \
                 name one with --model";
    assert_eq!(run(&[]), which);
    bench.write("sample.golden.json", &json!({"model": "../../secret"}));
    assert!(run(&[]).contains("names \"../../secret\", which is not a file or folder name"));
    bench.write("sample.golden.json", &json!({"layers": 3}));
    assert!(run(&[]).contains("names none (missing field `model`"), "{}", run(&[]));
    assert!(run(&["--model", "smollm3-nowhere"]).contains("no model is called `smollm3-nowhere`"));

    fs::create_dir(bench.path("martian")).unwrap();
    bench.write("martian/config.json", &json!({"model_type": "martian"}));
    bench.write("sample.golden.json", &json!({"model": "martian"}));
    assert!(run(&[]).contains("architecture 'martian' is not supported"), "{}", run(&[]));

    let twice = bench.run(&[file.clone(), bench.path("other/sample.json")], &[]);
    assert_eq!(twice.refusal(), "two job files are called sample, so that their results would be, too");
    let both = bench.run(&[file.clone(), bench.path("other.json")], &["--golden", "x.safetensors"]);
    assert_eq!(both.refusal(), "--golden goes with a single job file");
}

#[test]
fn smollm2_agrees() {
    let Some(jobs) = common::jobs_folder() else { return };
    if steercheck_testkit::real_model("smollm2-135m-instruct").is_none() {
        return;
    }
    let bench = Bench::new();
    let ran = bench.run(&[jobs.join("smollm2.json")], &["--json"]);
    assert_eq!(ran.status, 0, "{}{}", ran.out, ran.err);
    let entries = ran.entries();
    let agree: Vec<&str> =
        outcomes(&entries[0]).into_iter().filter(|(_, outcome)| *outcome == "agrees").map(|(job, _)| job).collect();
    assert_eq!(agree, ["cie", "dola", "fv", "lens", "logits", "mean", "tv"]);
    let golden = tensors::read(&jobs.join("smollm2.golden.safetensors")).unwrap();
    assert_complete(&golden, &bench.result("smollm2"), &agree);
}

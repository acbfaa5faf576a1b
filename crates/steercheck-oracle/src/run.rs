//! From job files to reports: the engine runs the jobs, the results are written and compared with the golden ones.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;
use steercheck_model::{LoadOptions, Loaded, Model, ModelInfo};

use crate::compare::{compare_jobs, jobs_in};
use crate::jobs::{FORMAT, Job};
use crate::place::Place;
use crate::table::{self, Lines};
use crate::{Arguments, Comparison, Error, JobFile, TensorFile, Tolerances, engine, plan, tensors};

/// What became of a job file.
#[derive(Debug)]
pub struct Report {
    /// The job file, without its folder.
    pub jobs: String,
    /// What was run and compared, or why it was not.
    pub result: Result<Done, Error>,
}

/// A job file that was run.
#[derive(Debug, Serialize)]
pub struct Done {
    /// Where the results are.
    pub result: PathBuf,
    /// How they were made.
    pub about: About,
    /// Whether they agree.
    pub comparison: Comparison,
}

/// What is worth telling about results: written beside them.
#[derive(Debug, Serialize)]
pub struct About {
    /// Format of the results.
    pub format: u64,
    /// The job file, without its folder.
    pub jobs: String,
    /// File or folder name of the model.
    pub model: String,
    /// The engine's version.
    pub steercheck: &'static str,
    /// The model as the engine sees it.
    pub info: ModelInfo,
    /// Seconds that opening the model took.
    pub load_seconds: f64,
    /// By job.
    pub timing: BTreeMap<String, Timing>,
}

/// How long a job took.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Timing {
    /// Wall-clock time.
    pub seconds: f64,
}

/// Runs and compares every job file; one report each. Fails only where the arguments contradict each other. `shared` is a
/// folder with `fixtures`.
pub fn run(arguments: &Arguments, shared: Option<&Path>) -> Result<Vec<Report>, Error> {
    let places: Vec<Place> = arguments.jobs.iter().map(|jobs| Place::new(jobs, arguments)).collect();
    if arguments.golden.is_some() && places.len() > 1 {
        return Err(Error::Usage("--golden goes with a single job file".to_owned()));
    }
    let mut names = BTreeSet::new();
    if let Some(twice) = places.iter().find(|place| !names.insert(&place.name)) {
        let name = &twice.name;
        return Err(Error::Usage(format!("two job files are called {name}, so that their results would be, too")));
    }
    Ok(places.iter().map(|place| Report { jobs: jobs_name(place), result: one(place, arguments, shared) }).collect())
}

fn jobs_name(place: &Place) -> String {
    place.jobs.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn one(place: &Place, arguments: &Arguments, shared: Option<&Path>) -> Result<Done, Error> {
    let file = JobFile::read(&place.jobs)?;
    let jobs = plan::wanted(&file, &arguments.only)?;
    if !place.golden.exists() {
        return Err(Error::NoGolden { path: place.golden.clone() });
    }
    let golden = tensors::read(&place.golden)?;
    place.prepare()?;

    let path = place.model(arguments, shared)?;
    let started = Instant::now();
    let options = LoadOptions { precision: arguments.dtype.into(), ..LoadOptions::default() };
    let model = Loaded::open(&path, &options)?.model;
    let load_seconds = started.elapsed().as_secs_f64();
    file.check(model.spec.vocab_size, model.spec.depth(), model.spec.heads)?;

    let folder = place.jobs.parent().unwrap_or(Path::new(""));
    let (found, timing) = compute(&model, &jobs, folder)?;
    tensors::write(&place.result, &found)?;
    let about = About {
        format: FORMAT,
        jobs: jobs_name(place),
        model: model.info.name.clone(),
        steercheck: env!("CARGO_PKG_VERSION"),
        info: model.info,
        load_seconds,
        timing,
    };
    tensors::replace(&place.about, json_text(&about).as_bytes())?;
    Ok(Done { result: place.result.clone(), about, comparison: judge(&file, &jobs, &golden, &found) })
}

fn compute(model: &Model, jobs: &[&Job], folder: &Path) -> Result<(TensorFile, BTreeMap<String, Timing>), Error> {
    let (mut found, mut timing) = (TensorFile::new(), BTreeMap::new());
    for job in jobs {
        let started = Instant::now();
        let tensors = engine::compute(model, &job.work, &engine::Inputs { done: &found, folder })?;
        let seconds = started.elapsed().as_secs_f64();
        eprintln!("{} ({}): {seconds:.2} s", job.name, job.kind());
        found.extend(tensors.into_iter().map(|(name, array)| (format!("{}/{name}", job.name), array)));
        timing.insert(job.name.clone(), Timing { seconds });
    }
    Ok((found, timing))
}

/// Compares the jobs that were run.
fn judge(file: &JobFile, jobs: &[&Job], golden: &TensorFile, found: &TensorFile) -> Comparison {
    let ran: BTreeSet<String> = jobs.iter().map(|job| job.name.clone()).collect();
    for stray in jobs_in(golden).iter().filter(|name| file.jobs.iter().all(|job| job.name != **name)) {
        eprintln!("note: the golden result has a job {stray}, which the job file does not have");
    }
    compare_jobs(golden, found, &Tolerances::default(), &ran).with_kinds(file)
}

fn json_text<T: Serialize + ?Sized>(value: &T) -> String {
    let text = serde_json::to_string_pretty(value).expect("plain data with text keys is always JSON");
    text + "\n"
}

impl Report {
    /// 0 if everything agrees, 1 if something disagrees or the engine failed, 2 if there was nothing to run or to compare.
    pub fn exit_status(&self) -> u8 {
        match &self.result {
            Ok(done) => u8::from(!done.comparison.agrees()),
            Err(error) if error.is_engine_failure() => 1,
            Err(_) => 2,
        }
    }

    /// The table for people, or the one sentence why there is none.
    pub fn text(&self, lines: Lines) -> Result<String, String> {
        let jobs = &self.jobs;
        let Done { result, about, comparison } = self.result.as_ref().map_err(|error| format!("{jobs}: {error}"))?;
        let seconds: f64 = about.timing.values().map(|timing| timing.seconds).sum();
        let (model, load, result) = (&about.model, about.load_seconds, result.display());
        let heading = format!("{jobs} on {model}: {load:.1} s to load, {seconds:.1} s to run; results in {result}");
        Ok(format!("{heading}\n{}", table::render(comparison, lines)))
    }

    /// For machines: a list with one entry for each report.
    pub fn json(reports: &[Self]) -> String {
        #[derive(Serialize)]
        struct Entry<'a> {
            jobs: &'a str,
            exit_status: u8,
            #[serde(skip_serializing_if = "Option::is_none")]
            error: Option<String>,
            #[serde(flatten)]
            done: Option<&'a Done>,
        }
        let entries = reports.iter().map(|report| Entry {
            jobs: &report.jobs,
            exit_status: report.exit_status(),
            error: report.result.as_ref().err().map(ToString::to_string),
            done: report.result.as_ref().ok(),
        });
        json_text(&entries.collect::<Vec<_>>())
    }
}

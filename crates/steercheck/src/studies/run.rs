//! `steercheck study run`: every cell that has no record yet, model by model.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use steercheck_eval::EvalError;
use steercheck_eval::cell::{Cell, Subject};
use steercheck_eval::conformance::{Extent, Summary};
use steercheck_eval::record::check_folder;
use steercheck_eval::side_effects::{self, Acts, NeutralText, Unsteered};
use steercheck_eval::store::{Claimed, Failure, Listed, Listing, Owner, Store};
use steercheck_eval::study::{Prepared, Shard, Study, Unit, Wanted};
use steercheck_model::Model;
use tracing::{info, warn};

use super::opened::{Opened, loading};
use super::{all_units, label, plural};
use crate::arguments::StudyRunOptions;
use crate::error::CliError;
use crate::examine::Keep;
use crate::models::print;
use crate::progress::{Work, line};
use crate::{cost, verify};

/// Held while something is written: who is asked to stop waits for it.
static WRITING: Mutex<()> = Mutex::new(());
/// The claim of the cell that is being computed: given up when the process is stopped.
static CLAIMED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// What became of the cells.
#[derive(Default)]
struct Count {
    there: usize,
    done: usize,
    failed: usize,
    taken: usize,
    not_run: usize,
    models_failed: usize,
}

impl Count {
    /// Cells that need no more of this process.
    fn passed(&self) -> usize {
        self.there + self.done + self.failed + self.taken + self.not_run
    }
}

/// Runs the command.
pub(crate) fn run(options: &StudyRunOptions) -> Result<(), CliError> {
    let study = Study::load(&options.file, options.data.as_deref())?;
    // What the study says of limits is read before anything is loaded.
    loading(&study)?;
    check_folder(&options.store)?;
    let store = Store::open(&options.store)?;
    if let Some(threads) = study.limits.threads.filter(|n| *n > 0) {
        // Only the first call in a process has an effect, which is all that a command needs.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    }
    stop_between_writes();
    let shard = options.shard.unwrap_or(Shard::WHOLE);
    let units = shard.of(&all_units(&study));
    let started = Instant::now();
    let mut run = Run {
        study: &study,
        store: &store,
        owner: Owner { host: sysinfo::System::host_name().unwrap_or_default(), pid: std::process::id() },
        units: units.len(),
        count: Count::default(),
        progress: Progress { total: units.iter().map(|u| u.cost).sum(), passed: 0.0, worked: 0.0, started },
    };
    for models in units.chunk_by(|a, b| a.model == b.model) {
        run.model(&study.models[models[0].model], models)?;
    }
    let Count { there, done, failed, taken, not_run, models_failed } = run.count;
    let mut said = vec![format!("{} done, {there} were there", plural(done, "cell"))];
    let counted = |n: usize, what: &str| (n > 0).then(|| format!("{n} {what}"));
    said.extend(counted(taken, "are computed by other processes"));
    said.extend(counted(not_run, "cannot be run on their models"));
    said.extend(counted(failed, "failed"));
    said.extend(counted(
        models_failed,
        if models_failed == 1 { "model could not be run" } else { "models could not be run" },
    ));
    print(&format!("{}: {} ({:.1} s)\n", study.name, said.join(", "), started.elapsed().as_secs_f64()))?;
    if failed + models_failed > 0 {
        let file = options.file.display();
        let next = format!("`steercheck study status {file} --store {}` says why", options.store.display());
        return Err(CliError::Incomplete(format!(
            "the study is not complete: {next}; run it again when that is put right"
        )));
    }
    Ok(())
}

/// Ctrl-C ends the process, but not in the middle of a write.
fn stop_between_writes() {
    let handler = || {
        let _held = WRITING.lock();
        if let Some(path) = CLAIMED.lock().ok().and_then(|mut claimed| claimed.take()) {
            let _ = std::fs::remove_file(path);
        }
        line("stopped; what is done is in the store: run the same command to go on");
        std::process::exit(130);
    };
    // A handler that is there already does as well.
    let _ = ctrlc::set_handler(handler);
}

fn set_claimed(path: Option<PathBuf>) {
    if let Ok(mut claimed) = CLAIMED.lock() {
        *claimed = path;
    }
}

/// How far a study is, by what its cells cost beside each other.
struct Progress {
    total: f64,
    /// Cost of all cells that were passed, and of those that were computed here.
    passed: f64,
    worked: f64,
    started: Instant,
}

impl Progress {
    /// What is left, by what was computed so far.
    fn eta(&self) -> String {
        if self.worked <= 0.0 || self.passed >= self.total {
            return String::new();
        }
        let rate = self.started.elapsed().as_secs_f64() / self.worked;
        format!(", about {} left", cost::time(rate * (self.total - self.passed).max(0.0)))
    }
}

struct Run<'a> {
    study: &'a Study,
    store: &'a Store,
    owner: Owner,
    /// Cells of this process's part.
    units: usize,
    count: Count,
    progress: Progress,
}

/// A prepared cell, its key, and what it costs beside others.
struct Pending {
    cell: Cell,
    key: String,
    cost: f64,
}

impl Run<'_> {
    /// Everything that a study asks of one model. What concerns this model alone is noted, and the study goes on.
    fn model(&mut self, name: &str, units: &[Unit]) -> Result<(), CliError> {
        let cost: f64 = units.iter().map(|u| u.cost).sum();
        let before = self.progress.passed;
        info!(model = name, cells = units.len(), "opening the model");
        let outcome = Opened::open(self.study, name).and_then(|opened| self.cells(name, opened, units));
        self.progress.passed = before + cost;
        match outcome {
            Err(e) if ends_the_study(&e) => Err(e),
            Err(e) => {
                line(&format!("{name}: {e}"));
                warn!(model = name, error = %e, "the model cannot be run");
                self.count.models_failed += 1;
                let listing =
                    Listing { model: name.into(), cells: Vec::new(), not_run: Vec::new(), failed: Some(e.to_string()) };
                Ok(self.store.list(&label(self.study), &listing)?)
            }
            Ok(()) => Ok(()),
        }
    }

    fn cells(&mut self, name: &str, mut opened: Opened, units: &[Unit]) -> Result<(), CliError> {
        let subject = Subject {
            model: &opened.model,
            tokenizer: &opened.tokenizer,
            neutral: opened.neutral.as_ref(),
            kept: None,
        };
        // All cells are listed, whichever of them are this process's.
        let Prepared { cells, not_run } = self.study.design.prepare(&subject)?;
        let listed = |cell: &Cell| Listed {
            key: cell.plan().key(),
            method: cell.method().into(),
            task: cell.task_name().into(),
            seed: cell.plan().seed,
            work: cell.planned(&opened.model).work,
        };
        let listing = Listing {
            model: name.into(),
            cells: cells.iter().map(listed).collect(),
            not_run: not_run.iter().map(|n| [n.task.clone(), n.method.into(), n.reason.to_string()]).collect(),
            failed: None,
        };
        self.store.list(&label(self.study), &listing)?;
        let pending = self.pending(cells, units);
        self.count.not_run += units.iter().filter(|u| self.is_not_run(&u.wanted, &not_run)).count();
        if pending.is_empty() {
            return Ok(());
        }
        let passes = Extent::Short.passes() + pending.iter().map(|p| p.cell.passes()).sum::<f64>();
        cost::tell(&opened.model.info, opened.memory, opened.reading, passes);
        let conformance = verify::before_a_check(&opened.model, &opened.tokenizer, self.study.load.force)?;
        self.run_all(name, &mut opened, pending, &conformance)
    }

    /// The task and the method of a cell of the design, as prepared cells name them.
    fn names(&self, wanted: &Wanted) -> (&str, &str) {
        let part = &self.study.design.parts[wanted.part];
        (part.sources[wanted.source].name(), part.method.text())
    }

    fn is_not_run(&self, wanted: &Wanted, not_run: &[steercheck_eval::study::NotRun]) -> bool {
        not_run.iter().any(|n| (n.task.as_str(), n.method) == self.names(wanted))
    }

    /// The cells of this process's part that have no whole record yet.
    fn pending(&mut self, cells: Vec<Cell>, units: &[Unit]) -> Vec<Pending> {
        let mut out = Vec::new();
        for cell in cells {
            let mine = units.iter().find(|unit| {
                unit.wanted.seed == cell.plan().seed && self.names(&unit.wanted) == (cell.task_name(), cell.method())
            });
            let Some(unit) = mine else { continue };
            let key = cell.plan().key();
            match self.store.read(&key) {
                Some(Ok(_)) => {
                    self.count.there += 1;
                    self.progress.passed += unit.cost;
                }
                Some(Err(e)) => {
                    line(&format!("warning: {e}: the cell is run again"));
                    out.push(Pending { cell, key, cost: unit.cost });
                }
                None => out.push(Pending { cell, key, cost: unit.cost }),
            }
        }
        out
    }

    fn run_all(
        &mut self,
        name: &str,
        opened: &mut Opened,
        pending: Vec<Pending>,
        conformance: &Summary,
    ) -> Result<(), CliError> {
        let Opened { model, tokenizer, neutral, .. } = opened;
        let neutral = neutral.as_ref();
        let acts = pending.iter().find_map(|p| p.cell.acts());
        let aside = |acts: Acts| neutral.map_or(0, |text| side_effects::work(model, text, acts).rows);
        let planned: Vec<u64> =
            pending.iter().map(|p| p.cell.planned(model).work + p.cell.acts().map_or(0, aside)).collect();
        let work = Work::new(planned.iter().sum(), model.spec.depth());
        model.watch(Some(work.watcher()));
        let keep = Keep { conformance, out: self.store.root() };
        // The unsteered model on the neutral text, once for all cells of this model that ask for it.
        let mut unsteered: Option<Unsteered> = None;
        let mut outcome = Ok(());
        for (pending, planned) in pending.into_iter().zip(planned) {
            let title = format!("{name}: {}", pending.cell.title());
            let claim = match self.claim(&pending.key) {
                Ok(Claimed::Mine(claim)) => claim,
                Ok(Claimed::Taken(owner)) => {
                    info!(key = pending.key, ?owner, "computed by another process");
                    self.count.taken += 1;
                    self.progress.passed += pending.cost;
                    continue;
                }
                Err(e) => {
                    outcome = Err(e.into());
                    break;
                }
            };
            // Somebody else may have finished it since it was looked for.
            if matches!(self.store.read(&pending.key), Some(Ok(_))) {
                self.count.there += 1;
                self.progress.passed += pending.cost;
                set_claimed(None);
                continue;
            }
            work.begin(&format!("{title}{}", self.progress.eta()));
            info!(key = pending.key, cell = title, "begins");
            let started = Instant::now();
            let found = compute(model, tokenizer, neutral, acts, &mut unsteered, &pending.cell, self.store);
            let _writing = WRITING.lock();
            let kept = match found {
                Ok(finished) => keep.finished(finished).map(|_| {
                    self.count.done += 1;
                    self.store.forgive(&pending.key);
                }),
                Err(e) => self.failed(&title, &pending.key, &e),
            };
            set_claimed(None);
            drop(claim);
            info!(key = pending.key, seconds = started.elapsed().as_secs_f64(), written = kept.is_ok(), "over");
            self.progress.passed += pending.cost;
            self.progress.worked += pending.cost;
            if let Err(e) = kept {
                outcome = Err(e);
                break;
            }
            let told = format!("{title}{}", self.progress.eta());
            work.ended(&told, self.count.passed(), self.units, started.elapsed().as_secs_f64(), planned);
        }
        work.finish();
        model.watch(None);
        outcome
    }

    /// Claims a cell. Who is asked to stop gives it up.
    fn claim(&self, key: &str) -> Result<Claimed, EvalError> {
        let _writing = WRITING.lock();
        let claimed = self.store.claim(key, &self.owner)?;
        if let Claimed::Mine(claim) = &claimed {
            set_claimed(Some(claim.path().to_path_buf()));
        }
        Ok(claimed)
    }

    /// Notes a cell's failure. A failure to write is the study's.
    fn failed(&mut self, title: &str, key: &str, error: &EvalError) -> Result<(), CliError> {
        self.count.failed += 1;
        line(&format!("{title}: failed: {error}"));
        warn!(key, %error, "failed");
        let program = steercheck_eval::record::About::program();
        Ok(self.store.fail(key, &Failure { program, error: error.to_string() })?)
    }
}

fn compute(
    model: &Model,
    tokenizer: &steercheck_model::Tokenizer,
    neutral: Option<&NeutralText>,
    acts: Option<Acts>,
    unsteered: &mut Option<Unsteered>,
    cell: &Cell,
    store: &Store,
) -> Result<steercheck_eval::cell::Finished, EvalError> {
    if let (None, Some(text), Some(acts), Some(_)) = (unsteered.as_ref(), neutral, acts, cell.acts()) {
        *unsteered = Some(Unsteered::new(model, text, acts)?);
    }
    let subject = Subject { model, tokenizer, neutral, kept: Some(store.root()) };
    cell.run(&subject, unsteered.as_ref())
}

/// Whether an error concerns more than one model: what cannot be written for one cannot be written for the next.
fn ends_the_study(error: &CliError) -> bool {
    matches!(error, CliError::Output(_) | CliError::Eval(EvalError::Write { .. }))
}

//! `steercheck study status`: which cells have records, which are being computed, which failed and why.

use serde::Serialize;
use steercheck_eval::store::{Listed, Listing, Store};
use steercheck_eval::study::Study;

use super::label;
use super::submit::{Submitted, states, submitted_file};
use crate::arguments::StudyStatusOptions;
use crate::error::CliError;
use crate::models::print;
use crate::tables::Flush::{Left, Right};
use crate::tables::{stacked, wrapped};

/// How a cell stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
enum State {
    Done,
    Running { host: String, pid: u32 },
    Failed { error: String },
    Missing,
}

/// One cell.
#[derive(Debug, Serialize)]
struct CellStatus {
    key: String,
    method: String,
    task: String,
    seed: u64,
    #[serde(flatten)]
    state: State,
}

/// One model of the study.
#[derive(Debug, Serialize)]
struct ModelStatus {
    model: String,
    /// None before a run has looked at the model.
    cells: Option<Vec<CellStatus>>,
    /// Task, method, reason.
    not_run: Vec<[String; 3]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
}

/// Runs the command.
pub(crate) fn run(options: &StudyStatusOptions) -> Result<(), CliError> {
    let study = Study::load(&options.file, options.data.as_deref())?;
    if !options.store.is_dir() {
        let store = options.store.display();
        return Err(CliError::Usage(format!("there is no store in {store}; `steercheck study run` makes one")));
    }
    let store = Store::open(&options.store)?;
    let host = sysinfo::System::host_name().unwrap_or_default();
    let mut listings = store.listed(&label(&study));
    let per_model = study.design.wanted().len();
    let models: Vec<ModelStatus> =
        study.models.iter().map(|model| of_model(&store, &host, model, listings.remove(model))).collect();
    if options.json {
        let json = serde_json::to_string_pretty(&models).map_err(|e| CliError::Output(e.to_string()))?;
        return print(&(json + "\n"));
    }
    let submitted = std::fs::read(submitted_file(store.root(), &study)).ok();
    let submitted: Option<Submitted> = submitted.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let slurm: String = submitted.iter().flat_map(states).map(|s| wrapped(&s, 2) + "\n").collect();
    let slurm = if slurm.is_empty() { slurm } else { format!("\n{slurm}") };
    print(&(text(&study.name, per_model, &models) + &slurm))
}

fn of_model(store: &Store, host: &str, model: &str, listing: Option<Listing>) -> ModelStatus {
    let Some(Listing { cells, not_run, failed, .. }) = listing else {
        return ModelStatus { model: model.into(), cells: None, not_run: Vec::new(), failed: None };
    };
    let cells = cells.into_iter().map(|cell| of_cell(store, host, cell)).collect();
    let cells = if failed.is_some() { None } else { Some(cells) };
    ModelStatus { model: model.into(), cells, not_run, failed }
}

fn of_cell(store: &Store, host: &str, cell: Listed) -> CellStatus {
    let Listed { key, method, task, seed, .. } = cell;
    let state = if store.find(&key).is_some() {
        State::Done
    } else if let Some(owner) = store.claimed_by(&key, host) {
        State::Running { host: owner.host, pid: owner.pid }
    } else if let Some(failure) = store.failure(&key) {
        State::Failed { error: failure.error }
    } else {
        State::Missing
    };
    CellStatus { key, method, task, seed, state }
}

fn text(name: &str, per_model: usize, models: &[ModelStatus]) -> String {
    let count = |model: &ModelStatus, wanted: fn(&State) -> bool| {
        model.cells.as_ref().map_or(0, |cells| cells.iter().filter(|c| wanted(&c.state)).count())
    };
    let row = |model: &ModelStatus| {
        let done = count(model, |s| *s == State::Done);
        let running = count(model, |s| matches!(s, State::Running { .. }));
        let failed = count(model, |s| matches!(s, State::Failed { .. }));
        let missing = model.cells.as_ref().map_or(per_model, |_| count(model, |s| *s == State::Missing));
        let note = match (&model.failed, &model.cells) {
            (Some(_), _) => "cannot be run",
            (None, None) => "not looked at yet",
            (None, Some(_)) => "",
        };
        let mut row = vec![model.model.clone()];
        row.extend([done, running, failed, missing, model.not_run.len()].map(|n| n.to_string()));
        row.push(note.to_string());
        row
    };
    let head = [
        ("model", Left),
        ("done", Right),
        ("running", Right),
        ("failed", Right),
        ("missing", Right),
        ("no use", Right),
        ("", Left),
    ];
    let mut out = vec![format!("{name}: cells by state"), stacked(&head, &models.iter().map(row).collect::<Vec<_>>())];
    let mut said = Vec::new();
    for model in models {
        let name = &model.model;
        said.extend(model.failed.iter().map(|why| format!("{name}: {why}")));
        for cell in model.cells.iter().flatten() {
            let what = format!("{name}: {}, {}, seed {}", cell.method, cell.task, cell.seed);
            match &cell.state {
                State::Failed { error } => said.push(format!("{what}: failed: {error}")),
                State::Running { host, pid } => said.push(format!("{what}: running on {host} as process {pid}")),
                State::Done | State::Missing => {}
            }
        }
        said.extend(model.not_run.iter().map(|[task, method, why]| format!("{name}: {method}, {task}: no use: {why}")));
    }
    if !said.is_empty() {
        out.push(String::new());
        out.extend(said.iter().map(|s| wrapped(s, 2)));
    }
    out.join("\n") + "\n"
}

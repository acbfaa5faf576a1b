//! `steercheck study`: many models, methods and tasks into one store; and `steercheck store`.

mod estimate;
mod opened;
mod plan;
mod run;
mod status;
mod store;
mod submit;

use std::path::Path;

use steercheck_eval::study::{Study, Unit, units};
use steercheck_hub::Catalogue;

use crate::arguments::{StoreCommand, StudyCommand};
use crate::error::CliError;

/// Runs `steercheck study …`.
pub(crate) fn study(command: &StudyCommand) -> Result<(), CliError> {
    match command {
        StudyCommand::Plan(options) => plan::run(options),
        StudyCommand::Run(options) => run::run(options),
        StudyCommand::Submit(options) => submit::run(options),
        StudyCommand::Status(options) => status::run(options),
    }
}

/// Runs `steercheck store …`.
pub(crate) fn of_store(command: &StoreCommand) -> Result<(), CliError> {
    match command {
        StoreCommand::Verify(options) => store::verify(options),
        StoreCommand::Export(options) => store::export(options),
    }
}

/// What a study's listings stand under in a store: the same for the same file.
fn label(study: &Study) -> String {
    format!("{}-{}", plain_name(study), &study.hash[..12])
}

/// A study's name as it can stand in a file's name and in a script.
fn plain_name(study: &Study) -> String {
    study.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

/// Every cell of a study with what it costs beside others.
fn all_units(study: &Study) -> Vec<Unit> {
    let sizes: Vec<f64> = study.models.iter().map(|model| size(model)).collect();
    units(&study.design, &sizes)
}

/// A model's parameters where they are known without it, or what comes near: the same on every machine that sees the same files.
fn size(model: &str) -> f64 {
    let path = Path::new(model);
    if path.exists() {
        // Two bytes a parameter; shards only weigh models against each other.
        return bytes(path) as f64 / 2.0;
    }
    Catalogue::builtin().models.iter().find(|m| m.name == model).map_or(1e9, |m| m.parameters as f64)
}

fn bytes(path: &Path) -> u64 {
    if path.is_file() {
        return path.metadata().map_or(0, |m| m.len());
    }
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).filter(std::fs::Metadata::is_file).map(|m| m.len()).sum()
}

/// `1 cell`, `2 cells`.
fn plural(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

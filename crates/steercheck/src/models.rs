//! `steercheck models`.

use std::io::Write;

use steercheck_hub::{CacheState, Catalogue, Kind, Model, Options, Resolved, Role, Shape, SourceSpec, resolve};
use steercheck_model::bytes_text;

use crate::arguments::{GetOptions, ListOptions};
use crate::error::CliError;
use crate::machine::usable_memory;
use crate::progress::Downloads;
use crate::study_models::{self, Residence};
use crate::tables::{self, Flush, wrapped};

/// Finds a model by path, name or id, downloading it if it is not there.
pub(crate) fn find(asked: Option<&str>, accept_licence: bool, force: bool) -> Result<Resolved, CliError> {
    let downloads = Downloads::new();
    let options = Options { accept_licence, force, progress: &downloads, ..Options::from_env()? };
    Ok(resolve(asked.unwrap_or(&Catalogue::builtin().default), &options)?)
}

/// Prints the catalogue.
pub(crate) fn list(asked: &ListOptions) -> Result<(), CliError> {
    let options = Options::from_env()?;
    let catalogue = Catalogue::builtin();
    let memory = asked.memory.unwrap_or_else(usable_memory);
    if asked.json {
        let shown = catalogue.models.iter().filter(|model| !asked.study || model.study.is_some());
        let models = shown.map(|model| as_json(model, catalogue, memory, &options)).collect();
        return print(&format!("{}\n", serde_json::Value::Array(models)));
    }
    let here = here(catalogue, &options);
    let study = study_models::text(catalogue, memory) + &here;
    if asked.study {
        return print(&study);
    }
    print(&format!("{}\n\nThe models of the study\n\n{study}", to_begin_with(catalogue, &options)))
}

/// The models that need no hub.
fn to_begin_with(catalogue: &Catalogue, options: &Options<'_>) -> String {
    let head = [
        ("model", Flush::Left),
        ("kind", Flush::Left),
        ("parameters", Flush::Right),
        ("download", Flush::Right),
        ("licence", Flush::Left),
        ("state", Flush::Left),
    ];
    let row = |model: &Model| {
        let default = if model.name == catalogue.default { " (default)" } else { "" };
        vec![
            format!("{}{default}", model.name),
            kind(model).to_string(),
            format!("{:.0} M", model.parameters as f64 / 1e6),
            model.file.as_ref().map_or_else(String::new, |file| bytes_text(file.bytes)),
            model.licence.name.clone(),
            state(model, options).to_string(),
        ]
    };
    let rows: Vec<_> = catalogue.models.iter().filter(|model| model.study.is_none()).map(row).collect();
    tables::plain(&head, &rows)
}

/// Which of the study's models are on this machine, as a line; nothing where none is.
fn here(catalogue: &Catalogue, options: &Options<'_>) -> String {
    let is_here = |model: &&Model| model.study.is_some() && state(model, options) == "here";
    let names: Vec<&str> = catalogue.models.iter().filter(is_here).map(|model| model.name.as_str()).collect();
    if names.is_empty() { String::new() } else { wrapped(&format!("On this machine: {}", names.join(", ")), 0) + "\n" }
}

fn state(model: &Model, options: &Options<'_>) -> &'static str {
    match steercheck_hub::cache_state(model, options) {
        CacheState::Absent => "not downloaded",
        CacheState::Checked(_) => "here",
        CacheState::Unchecked(_) => "here, unchecked",
        CacheState::Damaged(_) => "damaged",
    }
}

fn kind(model: &Model) -> &'static str {
    match model.kind {
        Kind::Base => "base",
        Kind::Instruct => "instruct",
    }
}

fn source(source: &SourceSpec) -> String {
    match source {
        SourceSpec::Python { packages } => {
            let each: Vec<String> =
                packages.iter().map(|p| format!("Python package {} {}", p.name, p.version)).collect();
            each.join(" + ")
        }
        SourceSpec::Hub { id, revision, .. } => format!("hub {id}@{revision}"),
    }
}

fn as_json(model: &Model, catalogue: &Catalogue, memory: u64, options: &Options<'_>) -> serde_json::Value {
    let shape = model.shape.as_ref();
    let entry = model.study.as_ref();
    let (role, checkpoint_of) = match entry.map(|e| &e.role) {
        None => (None, None),
        Some(Role::Model) => (Some("model"), None),
        Some(Role::DolaOnly) => (Some("dola only"), None),
        Some(Role::Checkpoint { of, .. }) => (Some("checkpoint"), Some(of)),
    };
    serde_json::json!({
        "name": model.name,
        "default": model.name == catalogue.default,
        "family": model.family,
        "title": model.title,
        "kind": kind(model),
        "study": role,
        "tuned_from": entry.and_then(|e| e.tuned_from.as_ref()),
        "checkpoint_of": checkpoint_of,
        "adds_bos": entry.map(|e| e.adds_bos),
        "hub_id": study_models::hub_name(model),
        "parameters": model.parameters,
        "blocks": shape.map(|s| s.blocks),
        "heads": shape.map(|s| s.heads),
        "kv_heads": shape.map(|s| s.kv_heads),
        "head_dim": shape.map(|s| s.head_dim),
        "hidden_size": shape.map(|s| s.hidden_size),
        "intermediate_size": shape.map(|s| s.intermediate_size),
        "vocab_size": shape.map(|s| s.vocab_size),
        "tied_embeddings": shape.map(|s| s.tied),
        "bytes_in_bf16": shape.map(Shape::bytes_in_bf16),
        "bytes_at_4_bits": shape.map(Shape::bytes_at_4_bits),
        "bf16_runs_from": shape.map(|s| Residence::of(s, memory).word()),
        "bytes": model.file.as_ref().map(|file| file.bytes),
        "sha256": model.file.as_ref().map(|file| &file.sha256),
        "licence": model.licence.name,
        "licence_url": model.licence.url,
        "licence_must_be_accepted": model.licence.needs_acceptance,
        "gated": model.licence.gated,
        "sources": model.sources.iter().map(source).collect::<Vec<_>>(),
        "state": state(model, options),
    })
}

/// Downloads a model and prints where it is.
pub(crate) fn get(asked: &GetOptions) -> Result<(), CliError> {
    let found = find(asked.model.as_deref(), asked.accept_licence, asked.force)?;
    print(&format!("{}\n", found.path.display()))
}

/// Writes to standard output; a closed pipe is not an error of the command.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(e) => Err(CliError::Output(e.to_string())),
    }
}

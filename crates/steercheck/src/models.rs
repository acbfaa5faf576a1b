//! `steercheck models`.

use std::io::Write;

use steercheck_hub::{CacheState, Catalogue, Kind, Options, Resolved, SourceSpec, resolve};
use steercheck_model::bytes_text;

use crate::arguments::{GetOptions, ListOptions};
use crate::error::CliError;
use crate::progress::Downloads;
use crate::tables::{self, Flush};

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
    let mut rows = Vec::new();
    let mut json = Vec::new();
    for model in &catalogue.models {
        let state = match steercheck_hub::cache_state(model, &options) {
            CacheState::Absent => "not downloaded",
            CacheState::Checked(_) => "here",
            CacheState::Unchecked(_) => "here, unchecked",
            CacheState::Damaged(_) => "damaged",
        };
        let kind = match model.kind {
            Kind::Base => "base",
            Kind::Instruct => "instruct",
        };
        let sources: Vec<String> = model
            .sources
            .iter()
            .map(|s| match s {
                SourceSpec::Python { packages } => packages
                    .iter()
                    .map(|p| format!("Python package {} {}", p.name, p.version))
                    .collect::<Vec<_>>()
                    .join(" + "),
                SourceSpec::Hub { id, .. } => format!("hub {id}"),
            })
            .collect();
        let bytes = model.file.as_ref().map(|f| f.bytes);
        let name =
            if model.name == catalogue.default { format!("{} (default)", model.name) } else { model.name.clone() };
        rows.push(vec![
            name,
            kind.to_string(),
            format!("{:.0} M", model.parameters as f64 / 1e6),
            bytes.map_or_else(String::new, bytes_text),
            model.licence.name.clone(),
            state.to_string(),
        ]);
        json.push(serde_json::json!({
            "name": model.name,
            "default": model.name == catalogue.default,
            "family": model.family,
            "title": model.title,
            "kind": kind,
            "parameters": model.parameters,
            "bytes": bytes,
            "sha256": model.file.as_ref().map(|f| &f.sha256),
            "licence": model.licence.name,
            "licence_url": model.licence.url,
            "licence_must_be_accepted": model.licence.needs_acceptance,
            "sources": sources,
            "state": state,
        }));
    }
    if asked.json {
        return print(&format!("{}\n", serde_json::Value::Array(json)));
    }
    let head = [
        ("model", Flush::Left),
        ("kind", Flush::Left),
        ("parameters", Flush::Right),
        ("download", Flush::Right),
        ("licence", Flush::Left),
        ("state", Flush::Left),
    ];
    print(&format!("{}\n", tables::plain(&head, &rows)))
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

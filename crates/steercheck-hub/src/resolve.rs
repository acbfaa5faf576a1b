//! From what the user typed to files on this machine.

use std::path::{Path, PathBuf};

use crate::catalogue::Catalogue;
use crate::name::{Asked, HubName, is_gguf};
use crate::{HubError, Options, hub, obtain};

/// A model on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// A GGUF file, or a folder with `config.json` and safetensors.
    pub path: PathBuf,
    /// Short name for records and reports; never an absolute path.
    pub name: String,
    /// How it was found.
    pub source: Source,
}

/// How a model was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// It was a path.
    Path,
    /// By its name in the catalogue.
    Catalogue {
        /// That name.
        model: String,
        /// The commit, where it came from the hub.
        commit: Option<String>,
    },
    /// By its hub id.
    Hub {
        /// `org/name`.
        id: String,
        /// Branch, tag or commit that was asked for.
        revision: String,
        /// The commit that it stood for.
        commit: String,
    },
}

/// Finds a model in the built-in catalogue and beyond; see [`resolve_in`].
pub fn resolve(asked: &str, options: &Options<'_>) -> Result<Resolved, HubError> {
    resolve_in(Catalogue::builtin(), asked, options)
}

/// Finds a model, in this order: a path that holds one, a name of the catalogue, a hub id `org/name[@revision][:file.gguf]`.
/// What is not on this machine yet is fetched.
pub fn resolve_in(catalogue: &Catalogue, asked: &str, options: &Options<'_>) -> Result<Resolved, HubError> {
    let path = Path::new(asked);
    let what = inspect(path);
    if matches!(what, Found::Model) {
        return Ok(Resolved { path: path.to_path_buf(), name: short_name(path), source: Source::Path });
    }
    if let Some(model) = catalogue.find(asked) {
        return obtain(model, options);
    }
    if let Found::Else(what) = what {
        return Err(HubError::NotAModel { path: path.to_path_buf(), what });
    }
    let near = || catalogue.did_you_mean(asked);
    match Asked::parse(asked) {
        Asked::Hub(name) => from_hub(&name, options),
        Asked::Path => Err(HubError::NoSuchFile { path: asked.to_owned(), near: near() }),
        Asked::Word => Err(HubError::UnknownModel { asked: asked.to_owned(), near: near() }),
    }
}

fn from_hub(name: &HubName, options: &Options<'_>) -> Result<Resolved, HubError> {
    let snapshot = hub::snapshot(name, options)?;
    let source = Source::Hub { id: name.id.clone(), revision: name.revision.clone(), commit: snapshot.commit };
    Ok(Resolved { path: snapshot.path, name: name.short(), source })
}

enum Found {
    Nothing,
    Model,
    Else(&'static str),
}

fn inspect(path: &Path) -> Found {
    let named_gguf = path.to_str().is_some_and(is_gguf);
    if path.is_dir() {
        let is_model = path.join("config.json").is_file();
        if is_model { Found::Model } else { Found::Else("a folder without config.json") }
    } else if path.is_file() {
        if named_gguf { Found::Model } else { Found::Else("a file that is not called .gguf") }
    } else {
        Found::Nothing
    }
}

/// The last component without `.gguf`; the real one where the path ends in `.` or `..`.
fn short_name(path: &Path) -> String {
    let real = path.file_name().is_none().then(|| path.canonicalize().ok()).flatten();
    let name = real.as_deref().unwrap_or(path).file_name().map_or("model".into(), |name| name.to_string_lossy());
    if is_gguf(&name) && path.is_file() { name[..name.len() - ".gguf".len()].to_owned() } else { name.into_owned() }
}

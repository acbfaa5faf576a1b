//! A repository of the model hub: which of its files make a model, fetched as one commit.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::hub_file::fetch;
use crate::hub_http::Client;
use crate::hub_layout::Layout;
use crate::name::{HubName, is_gguf, is_member};
use crate::progress::Step;
use crate::{HubError, Options, digest};

/// Small files that describe a model; all but the first are fetched where they exist. The tokenizer's are read by the model crate.
const DESCRIPTION: [&str; 6] = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "generation_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
];
/// The whole weights or the index of their shards, and how the names of these end; most preferred first, as in the model crate,
/// which runs nothing of a pickle.
const WEIGHTS: [(&str, &str); 4] = [
    ("model.safetensors", "safetensors"),
    ("model.safetensors.index.json", "safetensors"),
    ("pytorch_model.bin", "bin"),
    ("pytorch_model.bin.index.json", "bin"),
];
/// The index of the largest published models is a few MB.
const LONGEST_INDEX: u64 = 64 << 20;

/// A model in the hub's cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// The folder of the commit, or the one file.
    pub(crate) path: PathBuf,
    /// The commit.
    pub(crate) commit: String,
}

/// The snapshot, if all of it is in the cache; the network is not asked, so that a branch stays at the commit it was fetched at.
pub(crate) fn cached(name: &HubName, options: &Options<'_>) -> Option<Snapshot> {
    let layout = Layout::new(name, options);
    let commit = layout.commit(&name.revision)?;
    let folder = layout.snapshot(&commit);
    let path = match &name.file {
        Some(file) => Some(folder.join(file)).filter(|path| path.is_file()),
        None => is_complete(&folder, &name.id).then_some(folder),
    };
    path.map(|path| Snapshot { path, commit })
}

/// Config, tokenizer and weights are there. A repository without tokenizer.json never passes, and is asked for again each time.
fn is_complete(folder: &Path, id: &str) -> bool {
    let has = |file: &str| folder.join(file).is_file();
    // The first that is there is what the model crate reads.
    let weights = || {
        WEIGHTS.iter().find(|(file, _)| has(file)).is_some_and(|(file, ending)| {
            !is_index(file)
                || shards(&folder.join(file), ending, id).is_ok_and(|shards| shards.iter().all(|shard| has(shard)))
        })
    };
    has("config.json") && has("tokenizer.json") && weights()
}

/// The snapshot from the cache, or else from the hub.
pub(crate) fn snapshot(name: &HubName, options: &Options<'_>) -> Result<Snapshot, HubError> {
    if !options.force
        && let Some(found) = cached(name, options)
    {
        return Ok(found);
    }
    let client = Client::new(name, options)?;
    let info = client.info()?;
    let commit = info.sha;
    let files: BTreeSet<String> = info.siblings.into_iter().map(|sibling| sibling.rfilename).collect();
    let get = |file: &str| fetch(&client, name, &commit, file, options);
    let layout = Layout::new(name, options);
    let path = if let Some(file) = &name.file {
        require(&files, file, &name.id)?;
        get(file)?
    } else {
        let (weights, ending) = choose_weights(&files, name)?;
        for file in DESCRIPTION.into_iter().filter(|file| files.contains(*file)) {
            get(file)?;
        }
        let path = get(weights)?;
        if is_index(weights) {
            for shard in shards(&path, ending, &name.id)? {
                require(&files, &shard, &name.id)?;
                get(&shard)?;
            }
        }
        layout.snapshot(&commit)
    };
    layout.note_commit(&name.revision, &commit)?;
    Ok(Snapshot { path, commit })
}

fn require(files: &BTreeSet<String>, file: &str, id: &str) -> Result<(), HubError> {
    if files.contains(file) {
        return Ok(());
    }
    let same_kind: Vec<&str> =
        files.iter().map(String::as_str).filter(|other| is_gguf(file) && is_gguf(other)).collect();
    let hint = if same_kind.is_empty() { String::new() } else { format!(" (it has {})", same_kind.join(", ")) };
    Err(HubError::NoSuchHubFile { id: id.to_owned(), file: file.to_owned(), hint })
}

fn is_index(file: &str) -> bool {
    file.ends_with(".index.json")
}

/// The file to begin with, the whole weights or the index of their shards, and how weights are called.
fn choose_weights(files: &BTreeSet<String>, name: &HubName) -> Result<(&'static str, &'static str), HubError> {
    let weights = WEIGHTS.into_iter().find(|(file, _)| files.contains(*file));
    match weights {
        Some(weights) => {
            require(files, "config.json", &name.id)?;
            Ok(weights)
        }
        None => Err(no_weights(files, name)),
    }
}

fn no_weights(files: &BTreeSet<String>, name: &HubName) -> HubError {
    let id = name.id.clone();
    if let Some(gguf) = files.iter().find(|file| is_gguf(file)) {
        let count = files.iter().filter(|file| is_gguf(file)).count();
        let one = HubName { file: Some(gguf.clone()), ..name.clone() };
        let advice = format!("name one of its GGUF files, as in {}", one.short());
        return HubError::NoWeights { id, found: format!("it has {count} GGUF files"), advice };
    }
    let pickled = files.iter().any(|file| Path::new(file).extension().is_some_and(|extension| extension == "bin"));
    let found = if pickled { "its .bin files have other names" } else { "and no GGUF" };
    let advice = "look on the model's page for a revision that has model.safetensors, and give it as org/name@revision"
        .to_owned();
    HubError::NoWeights { id, found: found.to_owned(), advice }
}

/// The shards that an index names, which must have this ending.
fn shards(index: &Path, ending: &str, id: &str) -> Result<BTreeSet<String>, HubError> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: std::collections::BTreeMap<String, String>,
    }
    let unusable = |said: String| HubError::HubAnswer { id: id.to_owned(), said };
    let called = index.file_name().unwrap_or_default().display();
    let length = fs::metadata(index).map_err(HubError::io("read", index))?.len();
    if length > LONGEST_INDEX {
        return Err(unusable(format!("{called} of {length} bytes")));
    }
    let text = fs::read(index).map_err(HubError::io("read", index))?;
    let parsed: Index = serde_json::from_slice(&text).map_err(|e| unusable(format!("{called}: {e}")))?;
    let shards: BTreeSet<String> = parsed.weight_map.into_values().collect();
    let is_shard = |file: &String| is_member(file) && Path::new(file).extension().is_some_and(|e| e == ending);
    match shards.iter().find(|file| !is_shard(file)) {
        Some(bad) => Err(unusable(format!("{called} names the shard `{}`", bad.escape_debug()))),
        None if shards.is_empty() => Err(unusable(format!("{called} names no shard"))),
        None => Ok(shards),
    }
}

/// Hashes every file of a snapshot whose blob is called by its SHA-256: the weights, and what else is large.
pub(crate) fn verify(folder: &Path, model: &str, options: &Options<'_>) -> Result<(), HubError> {
    for entry in fs::read_dir(folder).map_err(HubError::io("read", folder))?.flatten() {
        let Ok(blob) = entry.path().canonicalize() else {
            continue;
        };
        let expected = blob.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if expected.len() != 64 || !blob.is_file() {
            continue;
        }
        let length = blob.metadata().ok().map(|found| found.len());
        let step = Step::begin(options.progress, &format!("checking {}", entry.file_name().display()), length);
        let got = digest::of_file(&blob, &step)?.hex();
        if got != expected {
            let what = format!("SHA-256 {got} instead of {expected}");
            return Err(HubError::DamagedFile { path: blob, model: model.to_owned(), what });
        }
    }
    Ok(())
}

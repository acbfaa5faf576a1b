//! The models of the study that steercheck re-tests: an embedded TOML file, by family.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::catalogue::{Kind, Licence, Model, SourceSpec};
use crate::shape::Shape;

/// The file that is built in.
pub(crate) const BUILTIN: &str = include_str!("study.toml");

/// What the study has to do with a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudyEntry {
    /// The part it plays.
    pub role: Role,
    /// For a model that was tuned to follow instructions, the name of the model it was tuned from.
    pub tuned_from: Option<String>,
    /// Whether the tokenizer puts a BOS token before a text.
    pub adds_bos: bool,
}

/// The part that a model plays in the study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// One of its models.
    Model,
    /// Used for DoLa, and not counted.
    DolaOnly,
    /// An earlier state of one of its models.
    Checkpoint {
        /// The name of that model.
        of: String,
        /// Why this revision: the study publishes names only.
        note: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    shape: BTreeMap<String, Shape>,
    /// By the names of the shapes.
    parameters: BTreeMap<String, u64>,
    licence: BTreeMap<String, Licence>,
    family: Vec<Family>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Family {
    name: String,
    adds_bos: bool,
    licence: String,
    models: Vec<Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    title: String,
    id: String,
    /// To be tried in this order.
    #[serde(default = "main_revision")]
    revisions: Vec<String>,
    shape: String,
    /// Where it differs from the family's.
    licence: Option<String>,
    tuned_from: Option<String>,
    checkpoint_of: Option<String>,
    note: Option<String>,
    #[serde(default)]
    dola_only: bool,
}

fn main_revision() -> Vec<String> {
    vec!["main".to_owned()]
}

/// The models of a file, in its order.
pub(crate) fn parse(text: &str) -> Result<Vec<Model>, String> {
    let file: File = toml::from_str(text).map_err(|e| e.to_string().trim().to_owned())?;
    let rows = file.family.iter().flat_map(|family| family.models.iter().map(move |row| (family, row)));
    let models = rows.map(|(family, row)| model(&file, family, row)).collect::<Result<Vec<_>, String>>()?;
    models.iter().try_for_each(|one| check_references(one, &models))?;
    Ok(models)
}

fn model(file: &File, family: &Family, row: &Row) -> Result<Model, String> {
    let wrong = |why: &str| format!("model `{}`: {why}", row.name);
    let shape = file.shape.get(&row.shape).ok_or_else(|| wrong("its shape is not there"))?;
    let parameters = *file.parameters.get(&row.shape).ok_or_else(|| wrong("its number of parameters is not there"))?;
    let licence = row.licence.as_ref().unwrap_or(&family.licence);
    let licence = file.licence.get(licence).ok_or_else(|| wrong("its licence is not there"))?;
    let role = match (&row.checkpoint_of, &row.note, row.dola_only) {
        (Some(of), Some(note), false) => Role::Checkpoint { of: of.clone(), note: note.clone() },
        (None, None, true) => Role::DolaOnly,
        (None, None, false) => Role::Model,
        _ => return Err(wrong("a checkpoint states `checkpoint_of` and `note`, and is nothing else")),
    };
    let hub = |revision: &String| SourceSpec::Hub { id: row.id.clone(), revision: revision.clone(), file: None };
    Ok(Model {
        name: row.name.clone(),
        family: family.name.clone(),
        title: row.title.clone(),
        parameters,
        shape: Some(shape.clone()),
        kind: if row.tuned_from.is_some() { Kind::Instruct } else { Kind::Base },
        licence: licence.clone(),
        file: None,
        sources: row.revisions.iter().map(hub).collect(),
        study: Some(StudyEntry { role, tuned_from: row.tuned_from.clone(), adds_bos: family.adds_bos }),
    })
}

/// What a model was tuned from, or is a checkpoint of, is a base model of the same family and shape.
fn check_references(model: &Model, all: &[Model]) -> Result<(), String> {
    let Some(entry) = &model.study else { return Ok(()) };
    let checkpoint_of = match &entry.role {
        Role::Checkpoint { of, .. } => Some(of),
        Role::Model | Role::DolaOnly => None,
    };
    let fits = |name: &String| {
        all.iter().any(|other| {
            other.name == *name
                && other.kind == Kind::Base
                && other.study.as_ref().is_some_and(|e| e.role == Role::Model)
                && (&other.family, &other.shape) == (&model.family, &model.shape)
        })
    };
    match entry.tuned_from.iter().chain(checkpoint_of).find(|name| !fits(name)) {
        Some(name) => Err(format!("model `{}`: `{name}` is no base model of its family and shape", model.name)),
        None => Ok(()),
    }
}

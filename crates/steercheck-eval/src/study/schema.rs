//! What may stand in a study file, word by word.

use std::path::PathBuf;

use serde::Deserialize;

use super::file::{Limits, Load, Slurm};

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct File {
    pub(super) name: Option<String>,
    pub(super) models: Vec<String>,
    pub(super) data: Option<PathBuf>,
    #[serde(default)]
    pub(super) protocol: ProtocolName,
    pub(super) profile: Option<ProfileName>,
    pub(super) seeds: Option<Seeds>,
    #[serde(default)]
    pub(super) tasks: Vec<String>,
    #[serde(default)]
    pub(super) questions: Vec<String>,
    pub(super) placebos: Option<bool>,
    pub(super) side_effects: Option<bool>,
    #[serde(default)]
    pub(super) items: Counts,
    pub(super) tv: Option<TaskVectors>,
    pub(super) fv: Option<FunctionVectors>,
    pub(super) dola: Option<Dola>,
    #[serde(default)]
    pub(super) load: Load,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) slurm: Slurm,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ProtocolName {
    #[default]
    Rigorous,
    Study,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ProfileName {
    Quick,
    Standard,
    Study,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "write a number of seeds, or a list of them")]
pub(super) enum Seeds {
    Count(u64),
    List(Vec<u64>),
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct Counts {
    pub(super) dev: Option<usize>,
    pub(super) test: Option<usize>,
    pub(super) questions: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct TaskVectors {
    pub(super) tasks: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct FunctionVectors {
    pub(super) tasks: Option<Vec<String>>,
    pub(super) strengths: Option<Vec<f64>>,
    pub(super) heads: Option<Vec<usize>>,
    pub(super) residuals: Option<usize>,
    pub(super) shots: Option<Vec<usize>>,
    pub(super) position: Option<Position>,
    pub(super) bias: Option<Bias>,
    pub(super) effects: Option<Effects>,
    pub(super) heads_of: Option<HeadsOf>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Position {
    Last,
    Penultimate,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Bias {
    Kept,
    Published,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Effects {
    Probability,
    LogProbability,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(super) enum HeadsOf {
    Task,
    Universal,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Dola {
    pub(super) questions: Option<Vec<String>>,
    #[serde(default)]
    pub(super) norm: Norm,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Norm {
    #[default]
    None,
    Final,
}

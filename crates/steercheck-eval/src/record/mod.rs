//! What a cell leaves behind: one file with the plan that determines it, every item's outcome, and a digest. The format is
//! documented in `docs/records.md`.

mod artefact;
mod consistency;
mod error;
mod file;
mod plan;
mod results;
#[cfg(test)]
pub(crate) mod sample;
mod setting;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use steercheck_model::ModelInfo;

pub use artefact::Artefact;
pub use error::RecordError;
pub use file::{Written, check_folder, write_bytes};
pub(crate) use file::{clean, write_json};
pub use plan::{Counts, MethodPlan, ModelPlan, Plan, SideEffectsPlan, TokenizerInfo};
pub use results::{
    Arm, Boundary, Chosen, Dose, Fold, ItemRecord, Items, LayerUse, MaskUse, Outcome, Point, ReadOut, Results,
    ScoredItem, Shots,
};
pub use setting::{Setting, Value};

/// Everything about a cell (model × method × task × seed).
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What determines the results.
    pub plan: Plan,
    /// Names and figures for people. They determine nothing.
    pub about: About,
    /// What was found.
    pub results: Results,
    /// Wall times of the stages, in seconds: all that differs between two runs.
    pub timings: BTreeMap<String, f64>,
}

/// What people want to know of a cell besides its results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The program that wrote the record, with its version.
    pub program: String,
    /// The model.
    pub model: ModelInfo,
    /// The task.
    pub task: TaskInfo,
    /// The task whose vectors are the `wrong-task` placebo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong_task: Option<String>,
    /// The profile that set the counts: `quick`, `standard`, `study`.
    pub profile: String,
    /// What it was computed on: system, architecture, processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
}

impl About {
    /// System, architecture and, where the system tells it, the processor's name. Nothing by which one machine could be told from another
    /// of its kind.
    pub fn machine() -> String {
        static MACHINE: LazyLock<String> = LazyLock::new(|| {
            let names = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
            let named = |line: &str| Some(line.strip_prefix("model name")?.split_once(':')?.1.trim().to_string());
            let processor = names.lines().find_map(named).map_or_else(String::new, |name| format!(", {name}"));
            format!("{} {}{processor}", std::env::consts::OS, std::env::consts::ARCH)
        });
        MACHINE.clone()
    }

    /// The program and its version.
    pub fn program() -> String {
        format!("steercheck {}", env!("CARGO_PKG_VERSION"))
    }
}

/// A task as it was used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskInfo {
    /// Name.
    pub name: String,
    /// Items in the data.
    pub items: usize,
    /// Items that stay after the single-token rule.
    pub usable: usize,
    /// Whether answers follow the prompt with a space.
    pub leading_space: bool,
    /// How a prediction counts as right.
    pub matching: String,
    /// What was dropped or changed.
    pub notes: Vec<String>,
}

impl Record {
    /// The cell's key.
    pub fn key(&self) -> String {
        self.plan.key()
    }

    /// The arm of this name.
    pub fn arm(&self, name: &str) -> Option<&Arm> {
        self.results.arms.iter().find(|a| a.name == name)
    }
}

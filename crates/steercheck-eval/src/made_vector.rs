//! Vectors as files: what a cell chose, with where it comes from and what it was found to be worth.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use steercheck_model::ModelError;

use crate::card::Card;
use crate::error::EvalError;
use crate::record::{Artefact, ReadOut, Record, Setting, write_bytes};

/// The metadata's entry, and its layout.
const ENTRY: &str = "steercheck-vector";
const VERSION: u32 = 1;

/// A vector that a method made, ready to be added at strength 1.
#[derive(Debug, Clone, PartialEq)]
pub struct MadeVector {
    /// Where it comes from and what it is worth.
    pub about: VectorAbout,
    /// Of width D, the chosen strength multiplied in.
    pub vector: Vec<f32>,
}

/// What a vector's file says of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VectorAbout {
    /// The layout of this entry.
    pub version: u32,
    /// The program that made it.
    pub program: String,
    /// `function-vector` or `task-vector`.
    pub method: String,
    /// The task.
    pub task: String,
    /// The residual that it is added to.
    pub residual: usize,
    /// The strength that is multiplied in.
    pub strength: f64,
    /// The chosen setting, all axes.
    pub setting: Setting,
    /// At which tokens the card covers it: `last`.
    pub positions: String,
    /// Its Euclidean norm, strength included.
    pub norm: f64,
    /// How far it moves the residual, by the residual's norm, on the test items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relative_norm: Option<f64>,
    /// The tokens that it makes most probable through the final norm and the head.
    pub read_out: Vec<ReadOut>,
    /// The model's name.
    pub model: String,
    /// Its family, as config.json has it.
    pub family: String,
    /// Its blocks.
    pub blocks: usize,
    /// BLAKE3 of its weights.
    pub weights: String,
    /// BLAKE3 of its spec.
    pub spec: String,
    /// BLAKE3 of its tokenizer.
    pub tokenizer: String,
    /// Key of the record of the check that chose it.
    pub record: String,
    /// That check's protocol, profile and seed.
    pub protocol: String,
    /// The profile.
    pub profile: String,
    /// The seed.
    pub seed: u64,
    /// Its verdict; none under a protocol without placebos.
    pub verdict: Option<String>,
    /// The verdict's reason.
    pub reason: String,
    /// What the card does not cover; none if it covers the vector as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caveat: Option<String>,
    /// The whole card.
    pub card: serde_json::Value,
}

impl MadeVector {
    /// The vector that a record's cell chose, from the artefacts beside the record.
    pub fn of(record: &Record, card: &Card, folder: &Path) -> Result<Self, EvalError> {
        let problem = |what: &str| EvalError::from(ModelError::Plan(what.to_string()));
        let artefact = |name: &str| -> Result<Artefact, EvalError> {
            let key = record.results.artefacts.get(name).ok_or_else(|| problem("the record names no vector"))?;
            Ok(Artefact::read(&Artefact::path(folder, key))?)
        };
        let strength = match record.results.chosen.setting.0.get("strength") {
            Some(crate::record::Value::Number(strength)) => *strength,
            _ => 1.0,
        };
        let (artefact, tensor, caveat) = match record.plan.method.name.as_str() {
            "function-vector" => (artefact("vector")?, "vector", None),
            "task-vector" => (
                artefact("vectors")?,
                "move",
                Some(
                    "the mean over the test items of what the method puts in place of the residual minus that; the card judged each item's own",
                ),
            ),
            _ => return Err(problem("this method makes no vector")),
        };
        let (_, numbers) = artefact.tensors.get(tensor).ok_or_else(|| problem("the artefact holds no vector"))?;
        let vector: Vec<f32> = numbers.iter().map(|x| (f64::from(*x) * strength) as f32).collect();
        let residual = record.results.chosen.setting.at().ok_or_else(|| problem("the vector has no place"))?;
        let about = VectorAbout {
            version: VERSION,
            program: record.about.program.clone(),
            method: record.plan.method.name.clone(),
            task: record.about.task.name.clone(),
            residual,
            strength,
            setting: record.results.chosen.setting.clone(),
            positions: "last".into(),
            norm: vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt(),
            relative_norm: card.measured.heads.as_ref().and_then(|h| h.relative_norm),
            read_out: record.results.read_out.clone(),
            model: record.about.model.name.clone(),
            family: record.about.model.family.clone(),
            blocks: record.about.model.blocks,
            weights: record.plan.model.weights.clone(),
            spec: record.plan.model.spec.clone(),
            tokenizer: record.plan.tokenizer.hash.clone(),
            record: record.key(),
            protocol: record.plan.protocol.name.to_string(),
            profile: record.about.profile.clone(),
            seed: record.plan.seed,
            verdict: card.verdict.map(|v| v.text().to_string()),
            reason: card.reason.clone(),
            caveat: caveat.map(str::to_string),
            card: serde_json::to_value(card).map_err(|e| problem(&e.to_string()))?,
        };
        Ok(Self { about, vector })
    }

    /// Writes it as safetensors: one tensor `residual.B`, and what is known of it as JSON in the metadata's entry `steercheck-vector`.
    pub fn write(&self, path: &Path) -> Result<(), EvalError> {
        let failed = |reason: String| EvalError::Write { path: path.to_path_buf(), reason };
        let bytes: Vec<u8> = self.vector.iter().flat_map(|x| x.to_le_bytes()).collect();
        let view = TensorView::new(Dtype::F32, vec![self.vector.len()], &bytes).map_err(|e| failed(e.to_string()))?;
        let about = serde_json::to_string(&self.about).map_err(|e| failed(e.to_string()))?;
        let metadata = HashMap::from([(ENTRY.to_string(), about)]);
        let name = format!("residual.{}", self.about.residual);
        let file = safetensors::serialize([(name, view)], Some(metadata)).map_err(|e| failed(e.to_string()))?;
        write_bytes(path, &file)
    }

    /// Reads a vector that [`MadeVector::write`] wrote; none if the file is another safetensors file. What is damaged is an error.
    pub fn read(path: &Path) -> Result<Option<Self>, EvalError> {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let problem = |problem: String| ModelError::Vector { file: file.clone(), problem };
        let bytes = std::fs::read(path).map_err(|e| problem(format!("it cannot be read ({e}); check the path")))?;
        let Ok((_, header)) = SafeTensors::read_metadata(&bytes) else { return Ok(None) };
        let Some(about) = header.metadata().as_ref().and_then(|m| m.get(ENTRY)) else { return Ok(None) };
        let damaged = |what: String| problem(format!("what it says of itself cannot be used ({what}); make it again"));
        let about: VectorAbout = serde_json::from_str(about).map_err(|e| damaged(e.to_string()))?;
        if about.version != VERSION {
            return Err(damaged(format!("version {}; this program knows {VERSION}", about.version)).into());
        }
        let tensors = SafeTensors::deserialize(&bytes).map_err(|e| damaged(e.to_string()))?;
        let name = format!("residual.{}", about.residual);
        let view = tensors.tensor(&name).map_err(|_| damaged(format!("it has no tensor {name}")))?;
        if view.dtype() != Dtype::F32 || view.shape().len() != 1 {
            return Err(damaged(format!("its tensor {name} is not one vector of F32")).into());
        }
        let vector = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        Ok(Some(Self { about, vector }))
    }
}

//! What a study's cells come to on each model: counted where the model is on this machine, by analogy with one that is elsewhere.

use std::path::Path;

use steercheck_eval::bench::Rates;
use steercheck_eval::cell::{Cell, Planned, Subject};
use steercheck_eval::record::Plan;
use steercheck_eval::side_effects;
use steercheck_eval::study::{Method, Prepared, Source, Study};
use steercheck_hub::{CacheState, Catalogue, Options, Shape, cache_state};

use super::opened::Opened;
use crate::error::CliError;

/// What one method's cells of one model come to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Amount {
    pub(super) planned: Planned,
    pub(super) seconds: f64,
    /// Of records and artefacts.
    pub(super) stored: u64,
    pub(super) no_use: usize,
}

/// A model's amounts, in the order of the study's methods.
pub(super) struct Estimated {
    /// None where nothing is known of the model.
    pub(super) amounts: Option<Vec<Amount>>,
    /// The model that they were scaled from; none where they were counted.
    pub(super) like: Option<String>,
    /// Bytes of its weights, where they are known.
    pub(super) weights: Option<u64>,
    /// Blocks, by which rows × blocks become tokens.
    pub(super) blocks: u64,
}

/// What counted amounts are scaled by.
struct Counted {
    name: String,
    amounts: Vec<Amount>,
    rates: Rates,
    shape: Measures,
}

/// What the cost of a model follows from.
#[derive(Clone, Copy)]
struct Measures {
    parameters: f64,
    blocks: f64,
    heads: f64,
    vocabulary: f64,
    width: f64,
}

/// Every model of a study.
pub(super) fn estimates(study: &Study) -> Result<Vec<Estimated>, CliError> {
    let catalogue = Catalogue::builtin();
    let mut out = Vec::with_capacity(study.models.len());
    let mut counted: Option<Counted> = None;
    for name in &study.models {
        if is_here(name)? {
            let (found, weights) = count(study, name)?;
            let blocks = found.shape.blocks as u64;
            out.push(Estimated { amounts: Some(found.amounts.clone()), like: None, weights: Some(weights), blocks });
            counted.get_or_insert(found);
        } else {
            let shape = catalogue.find(name).and_then(|m| m.shape.as_ref());
            let weights = catalogue.find(name).and_then(of_weights);
            out.push(Estimated { amounts: None, like: None, weights, blocks: shape.map_or(0, |s| s.blocks) });
        }
    }
    if out.iter().any(|e| e.amounts.is_none()) {
        // Where the study has no model that is here, the catalogue's default may be.
        if counted.is_none() && is_here(&catalogue.default)? {
            counted = Some(count(study, &catalogue.default)?.0);
        }
        if let Some(counted) = &counted {
            for (estimated, name) in out.iter_mut().zip(&study.models).filter(|(e, _)| e.amounts.is_none()) {
                let Some(model) = catalogue.find(name) else { continue };
                let Some(shape) = &model.shape else { continue };
                estimated.amounts = Some(scaled(counted, &Measures::of(shape, model.parameters)));
                estimated.like = Some(counted.name.clone());
            }
        }
    }
    Ok(out)
}

/// Bytes of a model's weights as they are downloaded.
fn of_weights(model: &steercheck_hub::Model) -> Option<u64> {
    model.file.as_ref().map(|file| file.bytes).or_else(|| model.shape.as_ref().map(Shape::bytes_in_bf16))
}

/// Whether a model can be opened without a download.
fn is_here(model: &str) -> Result<bool, CliError> {
    if Path::new(model).exists() {
        return Ok(true);
    }
    let options = Options::from_env()?;
    let known = Catalogue::builtin().find(model);
    Ok(known.is_some_and(|m| matches!(cache_state(m, &options), CacheState::Checked(_) | CacheState::Unchecked(_))))
}

/// Opens a model, prepares its cells, and times it for a few seconds.
fn count(study: &Study, name: &str) -> Result<(Counted, u64), CliError> {
    let opened = Opened::open(study, name)?;
    let Opened { model, tokenizer, neutral, .. } = &opened;
    let subject = Subject { model, tokenizer, neutral: neutral.as_ref(), kept: None };
    let Prepared { cells, not_run } = study.design.prepare(&subject)?;
    let sets = study.design.parts.iter().flat_map(|part| &part.sources);
    let set = sets.into_iter().find_map(|source| match source {
        Source::Set(set) => Some(set),
        Source::Task(_) => None,
    });
    let rates = Rates::measure(model, tokenizer, set)?;
    let amount = |cell: &Cell| {
        let aside = cell.acts().zip(neutral.as_ref()).map(|(acts, text)| side_effects::planned(model, text, acts));
        let planned = cell.planned(model) + aside.unwrap_or_default();
        let stored = stored(cell.plan(), model.spec.depth(), model.spec.heads, model.spec.hidden_size);
        Amount { planned, seconds: rates.seconds(&planned), stored, no_use: 0 }
    };
    let of_part = |method: &Method| {
        let mine = cells.iter().filter(|cell| cell.method() == method.text());
        let mut sum = mine.map(amount).fold(Amount::default(), |sum, next| Amount {
            planned: sum.planned + next.planned,
            seconds: sum.seconds + next.seconds,
            stored: sum.stored + next.stored,
            no_use: 0,
        });
        sum.no_use = not_run.iter().filter(|n| n.method == method.text()).count();
        sum
    };
    let amounts = study.design.parts.iter().map(|part| of_part(&part.method)).collect();
    let shape = Measures {
        parameters: model.info.parameters as f64,
        blocks: model.spec.depth() as f64,
        heads: model.spec.heads as f64,
        vocabulary: model.info.vocab_size as f64,
        width: model.spec.hidden_size as f64,
    };
    Ok((Counted { name: name.to_string(), amounts, rates, shape }, model.info.file_bytes))
}

/// Bytes of a cell's record and artefacts, as records of the default model have been found to take (docs/performance-log.md).
fn stored(plan: &Plan, blocks: usize, heads: usize, width: usize) -> u64 {
    let settings: usize = if plan.grid.is_empty() { 0 } else { plan.grid.values().map(Vec::len).product() };
    let of_items = plan.counts.test * plan.arms.len() * OUTCOME + (plan.counts.dev + plan.counts.test) * ITEM;
    let of_heads = if plan.method.name == "function-vector" { blocks * heads * (HEAD + 4 * width) } else { 0 };
    let of_vectors = if plan.method.name == "task-vector" { plan.counts.test * width * 4 } else { 0 };
    (of_items + settings * SETTING + of_heads + of_vectors) as u64
}

/// Bytes of an outcome, an item, a setting and a head in a record.
const OUTCOME: usize = 260;
const ITEM: usize = 600;
const SETTING: usize = 80;
const HEAD: usize = 120;

impl Measures {
    fn of(shape: &Shape, parameters: u64) -> Self {
        Self {
            parameters: parameters as f64,
            blocks: shape.blocks as f64,
            heads: shape.heads as f64,
            vocabulary: shape.vocab_size as f64,
            width: shape.hidden_size as f64,
        }
    }

    /// Multiplications of a row through one block.
    fn block(&self) -> f64 {
        (self.parameters - self.vocabulary * self.width).max(self.parameters / 10.0) / self.blocks
    }
}

/// Amounts of a model that is not here, by those of one that is: the same tokens; rows by residual and by head; time by the multiplications of
/// a block and of the unembedding.
fn scaled(counted: &Counted, of: &Measures) -> Vec<Amount> {
    let (from, rates) = (&counted.shape, &counted.rates);
    // Heads are patched in every block, settings tried at every residual.
    let depth = of.blocks / from.blocks;
    let heads = depth * of.heads / from.heads;
    let unembedding = (of.vocabulary * of.width) / (from.vocabulary * from.width);
    let rates = Rates {
        work: rates.work * of.block() / from.block(),
        reading: rates.reading * unembedding,
        contrast: rates.contrast.map(|seconds| seconds * unembedding),
    };
    let scale = |amount: &Amount| {
        let p = &amount.planned;
        let settings = (p.rows - p.patched) as f64;
        let (patched, readings) = (p.patched as f64, p.readings as f64);
        // A row that enters at any block runs half of them.
        let (of_heads, of_settings) = (patched * (from.blocks + 1.0) / 2.0, settings * from.blocks / 2.0);
        let whole = (p.work as f64 - of_heads - of_settings).max(0.0);
        let rows = patched * heads + settings * depth;
        let planned = Planned {
            prompts: p.prompts,
            rows: rows as u64,
            patched: (patched * heads) as u64,
            work: ((of_heads * heads + of_settings * depth + whole) * depth) as u64,
            readings: (readings + rows - p.rows as f64) as u64,
            contrasts: (p.contrasts as f64 * depth) as u64,
        };
        Amount {
            planned,
            seconds: rates.seconds(&planned),
            stored: (amount.stored as f64 * heads.max(1.0).sqrt()) as u64,
            no_use: 0,
        }
    };
    counted.amounts.iter().map(scale).collect()
}

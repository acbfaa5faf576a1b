//! What each choice of a protocol is worth: one model, one task, the same test items, one choice at a time (methods.md §5).
//!
//! The published runs read head outputs one token too early where the tokenizer adds a BOS token, and found function vectors to work far less
//! there. BOS and the token that is read are therefore crossed, two by two, whatever the tokenizer does by itself.

use serde::Serialize;
use steercheck_model::{Model, Tokenizer};
use steercheck_stats::{Estimate, Method, bca_of_means, paired_score, share};
use steercheck_steer::function_vector::ProjectionBias;

use crate::card::{CardError, Evidence, LEVEL};
use crate::cell::{Choices, Pool, ReadAt, Selection};
use crate::record::{Record, Setting};

/// One way of running the method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    /// What it differs in.
    pub name: &'static str,
    /// Whether BOS stands before every prompt.
    pub bos: bool,
    /// Its choices.
    pub choices: Choices,
}

/// The variants of a model: first the rigorous protocol as the tokenizer has it, which the others are compared with. Without a BOS token
/// half of the crossing is missing, and without a projection bias its deviation.
pub fn variants(model: &Model, tokenizer: &Tokenizer) -> Result<Vec<Variant>, steercheck_model::ModelError> {
    let own = tokenizer.adds_bos();
    let base = Choices::RIGOROUS;
    let penultimate = Choices { read_at: ReadAt::Penultimate, ..base };
    let mut all = vec![Variant { name: "rigorous", bos: own, choices: base }];
    let named = |name, bos, choices| Variant { name, bos, choices };
    all.push(named("penultimate token", own, penultimate));
    if tokenizer.bos().is_some() {
        let (with, both) =
            if own { ("without BOS", "without BOS, penultimate") } else { ("with BOS", "with BOS, penultimate") };
        all.push(named(with, !own, base));
        all.push(named(both, !own, penultimate));
    }
    let mut study = Choices { selection: Selection::Test, pool: Pool::WithTest, ..base };
    if (1..=model.spec.depth()).any(|b| matches!(model.projection_bias(steercheck_model::Block(b)), Ok(Some(_)))) {
        let bias = Choices { bias: ProjectionBias::AsPublished, ..base };
        all.push(named("bias as published", own, bias));
        study.bias = ProjectionBias::AsPublished;
    }
    all.push(named("chosen on test items", own, Choices { selection: Selection::Test, ..base }));
    all.push(named("made of test items, too", own, Choices { pool: Pool::WithTest, ..base }));
    study.read_at = ReadAt::AsPublished;
    all.push(named("all that the study does", own, study));
    if tokenizer.bos().is_some() {
        let name = if own { "the same without BOS" } else { "the same with BOS" };
        all.push(named(name, !own, study));
    }
    Ok(all)
}

/// What a variant found, beside the first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explained {
    /// What it differs in.
    pub variant: String,
    /// Whether BOS stands before every prompt.
    pub bos: bool,
    /// The task.
    pub task: String,
    /// Test items, the same in every variant.
    pub n: usize,
    /// Seeds.
    pub seeds: Vec<u64>,
    /// The chosen setting of the first seed.
    pub setting: Setting,
    /// Accuracies.
    pub zero_shot: Estimate,
    /// With five demonstrations.
    pub few_shot: Estimate,
    /// With the vector.
    pub steered: Estimate,
    /// Steered by few-shot, the study's recovery; none where few-shot is never right, or steered never.
    pub recovery: Option<Estimate>,
    /// Steered here minus steered in the first variant, on each item; none for the first.
    pub moves: Option<Estimate>,
    /// The gain over zero-shot here minus that in the first variant, on each item; none for the first.
    pub moves_gain: Option<Estimate>,
}

/// Compares variants of one task: for each its records, one per seed. The first is what the others are compared with.
pub fn explain(found: &[(Variant, Vec<Record>)]) -> Result<Vec<Explained>, CardError> {
    let mut out = Vec::new();
    let mut first: Option<[Vec<f64>; 3]> = None;
    for (variant, records) in found {
        let evidence = Evidence::of(&records.iter().collect::<Vec<_>>())?;
        let failed = |reason| CardError::Statistics { task: evidence.subject.task.clone(), reason };
        let arms = ["zero-shot", "few-shot", "steered"].map(|arm| per_item(&evidence, arm));
        let [zero_shot, few_shot, steered] = &arms;
        let gains = |[zero, _, steered]: &[Vec<f64>; 3]| -> Vec<f64> {
            steered.iter().zip(zero).map(|(s, z)| f64::midpoint(s - z, 1.0)).collect()
        };
        let rows: Vec<[f64; 2]> = steered.iter().zip(few_shot).map(|(s, f)| [*s, *f]).collect();
        let bootstrap = steercheck_stats::Bootstrap { level: LEVEL, ..steercheck_stats::Bootstrap::default() };
        // Where nothing varies between resamples, resampling says nothing of the ratio.
        let recovery = bca_of_means(&rows, None, |m| m[0] / m[1], &bootstrap).ok();
        let recovery = recovery.filter(|e| e.method != Method::NoSpread);
        let moves = first.as_ref().map(|f| paired_score(steered, &f[2], None, LEVEL)).transpose().map_err(failed)?;
        // Gains lie between -1 and 1: halved and moved up they are shares, whose difference is half of that of the gains.
        let moves_gain =
            first.as_ref().map(|f| paired_score(&gains(&arms), &gains(f), None, LEVEL)).transpose().map_err(failed)?;
        let doubled = |e: Estimate| Estimate { point: 2.0 * e.point, low: 2.0 * e.low, high: 2.0 * e.high, ..e };
        out.push(Explained {
            variant: variant.name.to_string(),
            bos: variant.bos,
            task: evidence.subject.task.clone(),
            n: evidence.n,
            seeds: evidence.seeds.clone(),
            setting: evidence.settings[0].clone(),
            zero_shot: share(zero_shot, None, LEVEL).map_err(failed)?,
            few_shot: share(few_shot, None, LEVEL).map_err(failed)?,
            steered: share(steered, None, LEVEL).map_err(failed)?,
            recovery,
            moves,
            moves_gain: moves_gain.map(doubled),
        });
        first.get_or_insert(arms);
    }
    Ok(out)
}

/// Share of the seeds in which each item was right.
fn per_item(evidence: &Evidence, arm: &str) -> Vec<f64> {
    let Some(seeds) = evidence.hits.get(arm) else { return Vec::new() };
    let share = |i: usize| seeds.iter().filter(|items| items[i]).count() as f64 / seeds.len() as f64;
    (0..evidence.n).map(share).collect()
}

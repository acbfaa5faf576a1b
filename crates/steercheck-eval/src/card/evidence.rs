//! What a card is made from: the outcomes of one cell's records, seed by seed, beside each other.

use std::collections::BTreeMap;

use super::CardError;
use crate::head_map::HeadMap;
use crate::lens::LensTable;
use crate::record::{Arm, Boundary, LayerUse, MaskUse, Outcome, Plan, Point, Record, ScoredItem, Setting};
use crate::side_effects::SideEffects;

/// Outcomes of one (model, method, task), of one or more seeds on the same test items.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// What was examined.
    pub subject: Subject,
    /// The seeds, ascending.
    pub seeds: Vec<u64>,
    /// The setting of the steered arm, by seed.
    pub settings: Vec<Setting>,
    /// Test items.
    pub n: usize,
    /// Hits by arm: `[seeds][items]`.
    pub hits: BTreeMap<String, Vec<Vec<bool>>>,
    /// Whether greedy decoding gives the whole answer, by arm: `[seeds][items]`.
    pub completed: BTreeMap<String, Vec<Vec<bool>>>,
    /// Whether all arms were asked the same items.
    pub paired: bool,
    /// Log-probabilities of the answers without steering and with it, over the seeds: `[items]` each. None where the zero-shot
    /// arm was asked other items.
    /// Nor where answers are scored otherwise.
    pub answer_log_probs: Option<[Vec<f64>; 2]>,
    /// Shares of the full strength, and the answers' log-probabilities at each, over the seeds: `[items][shares]`.
    pub dose: Option<(Vec<f64>, Vec<Vec<f64>>)>,
    /// How the setting was chosen, by seed; empty where it was given.
    pub choices: Vec<Choice>,
    /// Side effects, by seed; empty where they were not measured.
    pub side_effects: Vec<SideEffects>,
    /// Effects of the heads, by seed; empty where the method has none.
    pub heads: Vec<HeadMap>,
    /// How far the steered arm moves the value that it edits, by that value's norm: the mean over the items, by seed.
    pub relative_norms: Vec<f64>,
    /// The tokens that the first seed's vector makes most probable; empty where there is no one vector.
    pub read_out: Vec<String>,
    /// The scored answers of the first seed; none where answers are not scored.
    pub scoring: Option<Scoring>,
    /// Why the run does not count; none if it does.
    pub invalid: Option<String>,
}

/// Scored answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Scoring {
    /// By arm, in the record's order.
    pub arms: Vec<(String, Vec<ScoredItem>)>,
    /// Tokens of all answers that the steered arm scores.
    pub tokens: usize,
    /// Which layers were chosen, by bucket.
    pub layer_use: Vec<LayerUse>,
    /// What each α masks.
    pub masks: Vec<MaskUse>,
    /// How answers end; none where it was not recorded.
    pub boundary: Option<Boundary>,
    /// Questions one of whose answers has a token that spans the boundary to the prompt.
    pub merged: usize,
    /// Hits at every setting.
    pub grid: Vec<Point>,
    /// What the residuals say of the answers; none where the lens was not asked.
    pub lens: Option<LensTable>,
}

/// What was examined, and how.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Subject {
    /// The model's name.
    pub model: String,
    /// BLAKE3 of its weights, tokenizer and spec: cells of one model are judged together.
    pub model_key: String,
    /// The method.
    pub method: String,
    /// The placebo that was run in its place; none for the method itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presented: Option<String>,
    /// The task.
    pub task: String,
    /// The protocol.
    pub protocol: String,
    /// The profile that set the counts.
    pub profile: String,
}

/// How one seed's setting was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Hits on dev at the chosen setting.
    pub dev_hits: usize,
    /// Dev items.
    pub dev: usize,
    /// Hits on test at the setting that is best there.
    pub oracle_hits: usize,
}

impl Evidence {
    /// Puts the records of one cell beside each other. They must differ by their seeds alone.
    pub fn of(records: &[&Record]) -> Result<Self, CardError> {
        let mut records = records.to_vec();
        records.sort_by_key(|r| r.plan.seed);
        let first = *records.first().ok_or(CardError::NoRecords)?;
        for pair in records.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            if a.plan.seed == b.plan.seed {
                return Err(CardError::SeedTwice { task: a.about.task.name.clone(), seed: a.plan.seed });
            }
            if without_seed(&a.plan) != without_seed(&b.plan) || !same_items(a, b) {
                return Err(CardError::NotOneCell { task: a.about.task.name.clone() });
            }
        }
        let paired = first.plan.counts.baseline == 0;
        let by_arm = |of: fn(&Arm) -> Vec<bool>| {
            let mut all: BTreeMap<String, Vec<Vec<bool>>> = BTreeMap::new();
            for arm in records.iter().flat_map(|r| &r.results.arms) {
                // The unsteered model goes by one name.
                let name = if arm.name == "baseline" { "zero-shot" } else { &arm.name };
                all.entry(name.to_string()).or_default().push(of(arm));
            }
            all
        };
        let scored = records.iter().flat_map(|r| &r.results.arms).any(|arm| !arm.scored.is_empty());
        let log_probs = |name: &str| over_seeds(&records, |r| r.arm(name).map(answer_log_probs));
        Ok(Self {
            subject: subject(first),
            seeds: records.iter().map(|r| r.plan.seed).collect(),
            settings: records.iter().map(|r| r.results.chosen.setting.clone()).collect(),
            n: first.plan.counts.test,
            hits: by_arm(Arm::hits),
            completed: if scored {
                BTreeMap::new()
            } else {
                by_arm(|arm| arm.outcomes.iter().map(|o| o.completed).collect())
            },
            paired,
            scoring: scoring(&records),
            answer_log_probs: if paired && !scored {
                log_probs("zero-shot").zip(log_probs("steered")).map(|(a, b)| [a, b])
            } else {
                None
            },
            dose: dose(&records),
            choices: records.iter().filter_map(|r| choice(r)).collect(),
            side_effects: records.iter().filter_map(|r| r.results.side_effects.clone()).collect(),
            heads: records.iter().filter_map(|r| r.results.heads.clone()).collect(),
            relative_norms: records.iter().filter_map(|r| relative_norm(r.arm("steered")?)).collect(),
            read_out: first.results.read_out.iter().map(|t| t.text.clone()).collect(),
            invalid: records.iter().find_map(|r| invalid(r)),
        })
    }
}

fn scoring(records: &[&Record]) -> Option<Scoring> {
    let results = &records.first()?.results;
    let arms: Vec<(String, Vec<ScoredItem>)> = results
        .arms
        .iter()
        .filter(|arm| !arm.scored.is_empty())
        .map(|arm| (arm.name.clone(), arm.scored.clone()))
        .collect();
    let tokens = results.layer_use.first().map_or(0, |u| u.tokens.iter().sum());
    (!arms.is_empty()).then(|| Scoring {
        arms,
        tokens,
        layer_use: results.layer_use.clone(),
        masks: results.masks.clone(),
        boundary: results.boundary,
        merged: results.items.test.iter().filter(|item| item.boundary_merged).count(),
        grid: results.grid.clone(),
        lens: results.lens.clone(),
    })
}

fn same_items(a: &Record, b: &Record) -> bool {
    let (a, b) = (&a.results.items.test, &b.results.items.test);
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (&a.input, &a.answer) == (&b.input, &b.answer))
}

/// A plan as it is for every seed.
pub(super) fn without_seed(plan: &Plan) -> Plan {
    Plan { seed: 0, ..plan.clone() }
}

fn subject(record: &Record) -> Subject {
    let (plan, about) = (&record.plan, &record.about);
    Subject {
        model: about.model.name.clone(),
        model_key: format!("{} {} {}", plan.model.weights, plan.model.spec, plan.tokenizer.hash),
        method: plan.method.name.clone(),
        presented: plan.method.options.get("presented").map(ToString::to_string),
        task: about.task.name.clone(),
        protocol: plan.protocol.name.to_string(),
        profile: about.profile.clone(),
    }
}

fn answer_log_probs(arm: &Arm) -> Vec<f64> {
    arm.outcomes.iter().map(|o| o.answer_log_prob).collect()
}

/// The mean of a list over the records that have it; none if one of them lacks it.
fn over_seeds(records: &[&Record], list: impl Fn(&Record) -> Option<Vec<f64>>) -> Option<Vec<f64>> {
    let lists = records.iter().map(|r| list(r)).collect::<Option<Vec<_>>>()?;
    let items = lists.first()?.len();
    Some((0..items).map(|i| lists.iter().map(|l| l[i]).sum::<f64>() / lists.len() as f64).collect())
}

/// Mean over the items of how far the edits move the value, by its norm.
fn relative_norm(arm: &Arm) -> Option<f64> {
    let shares = arm.outcomes.iter().flat_map(|o| &o.receipts).filter(|r| r.before > 0.0).map(|r| r.change / r.before);
    let shares: Vec<f64> = shares.collect();
    (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
}

fn dose(records: &[&Record]) -> Option<(Vec<f64>, Vec<Vec<f64>>)> {
    let shares = records.first()?.results.dose.as_ref()?.shares.clone();
    let flat = over_seeds(records, |r| r.results.dose.as_ref().map(|d| d.answer_log_probs.concat()))?;
    Some((shares.clone(), flat.chunks(shares.len()).map(<[f64]>::to_vec).collect()))
}

fn choice(record: &Record) -> Option<Choice> {
    let results = &record.results;
    let oracle_hits = results.grid.iter().map(|p| p.test).max()?;
    if record.plan.method.name == "dola" {
        // What the choice on all items seems to be worth, and what it is worth on items that had no part in it.
        return Some(Choice { dev_hits: oracle_hits, dev: record.plan.counts.test, oracle_hits });
    }
    Some(Choice { dev_hits: results.chosen.dev_hits?, dev: record.plan.counts.dev, oracle_hits })
}

/// Why a record does not count: an edit that did not fire as planned, strength 0 that changed something, a model that fails its
/// conformance checks.
fn invalid(record: &Record) -> Option<String> {
    if let Some(failed) = record.results.conformance.as_ref().and_then(|c| c.failed.first()) {
        return Some(format!("the model fails the conformance check '{failed}'"));
    }
    for arm in &record.results.arms {
        let missed = |o: &Outcome| o.receipts.iter().any(|r| r.fired != r.planned || !r.change.is_finite());
        if let Some(item) = arm.outcomes.iter().position(missed) {
            return Some(format!("an edit of the arm '{}' did not fire as planned on item {item}", arm.name));
        }
    }
    let (zero_shot, zero) = (record.arm("zero-shot")?, record.arm("zero")?);
    let differs = |(a, b): (&Outcome, &Outcome)| !a.same_answer(b);
    let item = zero_shot.outcomes.iter().zip(&zero.outcomes).position(differs)?;
    Some(format!("strength 0 changed the answer to item {item}"))
}

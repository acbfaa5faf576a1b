//! The verdict: the ordered table of methods.md §6 over measured cells.

use serde::Serialize;
use steercheck_stats::{Estimate, holm, items_needed, mcnemar_power, wilson};

use super::measure::{Comparison, LEVEL, Measured};
use super::{CardError, wording};

/// Two-sided level of the tests after Holm's correction. An arm that is no better than another passes as better in at most half of
/// this, 1 %, also where a cell is alone in its family: so often at most may a placebo that is presented as the method be called
/// reliable or partial.
pub const ALPHA: f64 = 0.02;
/// Power at which effects are called detectable and item counts sufficient.
pub const POWER: f64 = 0.8;
/// A few-shot prompt must gain at least this much for steering to have something to recover; an effect that is surely below it is none.
pub const LEAST_GAIN: f64 = 0.10;
/// This share of the few-shot gain makes a method reliable.
pub const ENOUGH: f64 = 0.5;

/// What the evidence says about a method on a model and a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// A receipt, the `zero` arm or the model's short conformance failed.
    Invalid,
    /// Demonstrations do not teach the model the task, so that steering has nothing to recover.
    Untestable,
    /// Worse than the unsteered model.
    Harmful,
    /// Better than the unsteered model and every placebo on every seed, with at least half of the few-shot gain.
    Reliable,
    /// Better than the unsteered model and every placebo, with less than that.
    Partial,
    /// Surely less than ten points, or no better than a placebo.
    NoEffect,
    /// Too few items to say.
    Inconclusive,
}

impl Verdict {
    /// As tables show it.
    pub fn text(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Untestable => "untestable",
            Self::Harmful => "harmful",
            Self::Reliable => "reliable",
            Self::Partial => "partial",
            Self::NoEffect => "no effect",
            Self::Inconclusive => "inconclusive",
        }
    }

    /// Whether it says that the method works, if only in part.
    pub fn is_positive(self) -> bool {
        matches!(self, Self::Reliable | Self::Partial)
    }
}

/// The reliability card of a (model, method, task).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Card {
    /// What was measured.
    #[serde(flatten)]
    pub measured: Measured,
    /// p of no difference from the unsteered model after Holm's correction over the cells of the model.
    pub p_adjusted: Option<f64>,
    /// The same for each placebo, in their order.
    pub placebo_p_adjusted: Vec<f64>,
    /// The gain that so many items detect at 80 % power, where as many change as were seen to.
    pub minimum_detectable_effect: Option<f64>,
    /// The verdict; none under a protocol without placebos.
    pub verdict: Option<Verdict>,
    /// Its reason, one sentence.
    pub reason: String,
}

impl Card {
    /// Whether steered is better than a placebo: its interval is above 0 and the test survives.
    pub fn beats(&self, placebo: usize) -> bool {
        let comparison = &self.measured.placebos[placebo];
        comparison.advantage.low > 0.0 && self.placebo_p_adjusted[placebo] <= ALPHA
    }

    /// The unbeaten placebo with the most hits.
    pub fn unbeaten(&self) -> Option<&Comparison> {
        let placebos = self.measured.placebos.iter().enumerate();
        let unbeaten = placebos.filter(|(i, _)| !self.beats(*i)).map(|(_, c)| c);
        unbeaten.max_by(|a, b| a.accuracy.point.total_cmp(&b.accuracy.point))
    }
}

/// Judges measured cells. Holm's family for each comparison (with the unsteered model, with each placebo by name) is all cells of
/// one model.
pub fn judge(measured: Vec<Measured>) -> Result<Vec<Card>, CardError> {
    let mut cards: Vec<Card> = measured.into_iter().map(unjudged).collect();
    let mut models: Vec<String> = cards.iter().map(|c| c.measured.subject.model_key.clone()).collect();
    models.sort();
    models.dedup();
    for model in models {
        let of_model: Vec<usize> = (0..cards.len()).filter(|i| cards[*i].measured.subject.model_key == model).collect();
        adjust(&mut cards, &of_model, |card| card.p_adjusted.as_mut())?;
        let mut names: Vec<String> =
            of_model.iter().flat_map(|i| cards[*i].measured.placebos.iter().map(|p| p.arm.clone())).collect();
        names.sort();
        names.dedup();
        for name in names {
            adjust(&mut cards, &of_model, |card| {
                let at = card.measured.placebos.iter().position(|p| p.arm == name)?;
                card.placebo_p_adjusted.get_mut(at)
            })?;
        }
    }
    for card in &mut cards {
        let (verdict, reason) = decide(card);
        (card.verdict, card.reason) = (verdict, reason);
    }
    Ok(cards)
}

/// A card with p-values as they are.
fn unjudged(measured: Measured) -> Card {
    Card {
        p_adjusted: measured.p,
        placebo_p_adjusted: measured.placebos.iter().map(|p| p.p).collect(),
        minimum_detectable_effect: detectable(&measured),
        verdict: None,
        reason: String::new(),
        measured,
    }
}

/// Replaces the p-values that `of` points to by Holm's.
fn adjust(cards: &mut [Card], family: &[usize], of: impl Fn(&mut Card) -> Option<&mut f64>) -> Result<(), CardError> {
    let mut p = Vec::new();
    for i in family {
        p.extend(of(&mut cards[*i]).map(|p| (*i, *p)));
    }
    let values: Vec<f64> = p.iter().map(|(_, p)| *p).collect();
    if values.is_empty() {
        return Ok(());
    }
    let task = |i: &usize| cards[*i].measured.subject.task.clone();
    let adjusted = holm(&values)
        .map_err(|reason| CardError::Statistics { task: family.first().map(task).unwrap_or_default(), reason })?;
    for ((i, _), adjusted) in p.into_iter().zip(adjusted) {
        if let Some(p) = of(&mut cards[i]) {
            *p = adjusted;
        }
    }
    Ok(())
}

/// The smallest gain that the exact test detects, to a tenth of a point.
fn detectable(measured: &Measured) -> Option<f64> {
    let changed = measured.changed?;
    let power = |gain: f64| mcnemar_power(gain, changed.max(gain).min(1.0), measured.n, ALPHA).unwrap_or(0.0);
    let (mut low, mut high) = (0.0, 1.0);
    if power(high) < POWER {
        return None;
    }
    while high - low > 1e-3 {
        let middle = f64::midpoint(low, high);
        if power(middle) < POWER { low = middle } else { high = middle }
    }
    Some(high)
}

/// Whether a method's verdict asks first that demonstrations teach the model the task.
fn recovers_demonstrations(method: &str) -> bool {
    matches!(method, "task-vector" | "function-vector")
}

/// The first row of the table that holds.
fn decide(card: &Card) -> (Option<Verdict>, String) {
    let m = &card.measured;
    if let Some(reason) = &m.invalid {
        return (Some(Verdict::Invalid), wording::invalid(reason));
    }
    let Some(p) = card.p_adjusted.filter(|_| !m.placebos.is_empty()) else {
        return (None, wording::not_judged(m));
    };
    let taught = |gain: &Estimate| gain.low >= LEAST_GAIN;
    if recovers_demonstrations(&m.subject.method) && !m.few_shot_gain.as_ref().is_some_and(taught) {
        return (Some(Verdict::Untestable), wording::untestable(m));
    }
    if m.subject.method == "dola" && card.minimum_detectable_effect.is_none_or(|least| least > LEAST_GAIN) {
        return (Some(Verdict::Untestable), wording::too_few(m, card.minimum_detectable_effect));
    }
    if m.effect.high < 0.0 && p <= ALPHA {
        return (Some(Verdict::Harmful), wording::harmful(m));
    }
    let better = m.effect.low > 0.0 && p <= ALPHA;
    if better && card.unbeaten().is_none() {
        let enough = m.few_shot_gain.as_ref().is_none_or(|few| m.effect.point >= ENOUGH * few.point);
        let every_seed = m.gains.iter().all(|gain| *gain > 0.0);
        let verdict = if enough && every_seed { Verdict::Reliable } else { Verdict::Partial };
        return (Some(verdict), wording::positive(m, enough, every_seed));
    }
    if m.effect.high < LEAST_GAIN {
        return (Some(Verdict::NoEffect), wording::small(m));
    }
    // Where no gain is shown there is nothing yet to set against the placebos.
    if let Some(placebo) = card.unbeaten().filter(|_| better) {
        return (Some(Verdict::NoEffect), wording::unbeaten(m, placebo));
    }
    (Some(Verdict::Inconclusive), wording::inconclusive(m, settling(m)))
}

/// How many items would show the gain that was seen to be one, or to be below ten points, whichever takes fewer; with as many items
/// changing as may well do, seeing how many did.
fn settling(measured: &Measured) -> Option<usize> {
    let (n, gain) = (measured.n, measured.effect.point);
    let changed = wilson((measured.changed? * n as f64).round() as usize, n, LEVEL).ok()?.high;
    let sd = (changed - gain * gain).max(0.0).sqrt();
    let distances = [gain.abs(), LEAST_GAIN - gain];
    let needed =
        distances.into_iter().filter(|d| *d > 0.0).filter_map(|d| items_needed(d, sd, ALPHA, POWER).ok()).min();
    needed.map(|needed| needed.max(n + 1))
}

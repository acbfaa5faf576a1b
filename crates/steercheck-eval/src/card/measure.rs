//! From outcomes to estimates.

use serde::Serialize;
use steercheck_stats::{
    Bootstrap, Error, Estimate, Spread, bca, bca_of_means, difference, mean, paired_score, share, sign_flip, spread,
    steerability, wilson, worst_decile,
};

use super::CardError;
use super::evidence::{Choice, Evidence, Subject};
use super::heads::{self, HeadsMeasured};
use super::quantile::percentile;
use super::scoring::{self, ScoringMeasured};
use crate::record::Setting;
use crate::side_effects::SideEffects;

/// Confidence level of every interval.
pub const LEVEL: f64 = 0.95;

/// What a cell's evidence amounts to, before it is judged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// What was examined, and how.
    pub subject: Subject,
    /// Test items.
    pub n: usize,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// The setting of the steered arm, by seed.
    pub settings: Vec<Setting>,
    /// Accuracy of the unsteered model on zero-shot prompts.
    pub zero_shot: Estimate,
    /// Accuracy with demonstrations; none where a method has no such arm.
    pub few_shot: Option<Estimate>,
    /// Accuracy of the method as its protocol reports it.
    pub steered: Estimate,
    /// Shares of the items whose whole answer greedy decoding gives, whatever counts as right; none where answers are scored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed: Option<Completed>,
    /// What scored answers amount to besides; none where answers are not scored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scoring: Option<ScoringMeasured>,
    /// The gain: steered minus zero-shot.
    pub effect: Estimate,
    /// p of no difference between steered and zero-shot; none where the two were asked different items.
    pub p: Option<f64>,
    /// What demonstrations gain: few-shot minus zero-shot.
    pub few_shot_gain: Option<Estimate>,
    /// How much of the few-shot arm steering recovers.
    pub recovery: Recovery,
    /// Steered against each placebo, in the order of the arms.
    pub placebos: Vec<Comparison>,
    /// Items whose answer is the less probable the stronger the steering (Tan et al. 2024), as a share; where there are no doses,
    /// items whose answer is less probable than without steering.
    pub anti_steerable: Option<Estimate>,
    /// Mean slope of the answer's log-probability over the strength, in nats per full strength.
    pub steerability: Option<Estimate>,
    /// Items that were right and are wrong with steering, as a share.
    pub lost: Option<Estimate>,
    /// Mean change of the answer's log-probability over the tenth of the items that it is worst for, in nats.
    pub worst_decile: Option<Estimate>,
    /// What choosing the setting was worth.
    pub optimism: Option<Optimism>,
    /// What steering does to a text that has nothing to do with the task.
    pub side_effects: Option<SideEffectsMeasured>,
    /// Where a method of heads acts; none for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heads: Option<HeadsMeasured>,
    /// The gain of each seed.
    pub gains: Vec<f64>,
    /// Their spread.
    pub spread: Option<Spread>,
    /// Share of the items whose answer steering makes right or wrong, over the seeds; none where the items differ between the arms.
    pub changed: Option<f64>,
    /// Why the run does not count; none if it does.
    pub invalid: Option<String>,
}

/// Shares of the items whose whole answer greedy decoding gives.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Completed {
    /// Without steering.
    pub zero_shot: Estimate,
    /// With demonstrations.
    pub few_shot: Option<Estimate>,
    /// Steered.
    pub steered: Estimate,
}

/// Steered against another arm, on the same items.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The other arm.
    pub arm: String,
    /// Its accuracy.
    pub accuracy: Estimate,
    /// Steered minus that.
    pub advantage: Estimate,
    /// p of no difference: exact sign-flip test over items, which is that of `McNemar` for one seed.
    pub p: f64,
}

/// Recovery in both forms.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Recovery {
    /// Accuracy by few-shot accuracy, the study's form; none where few-shot is never right.
    pub of_accuracy: Option<Estimate>,
    /// Gain by few-shot gain; none where few-shot gains nothing for sure.
    pub of_gain: Option<Estimate>,
}

/// Accuracy at the chosen setting on the items that chose it, on the items that are reported, and the best that any setting
/// reaches on the latter. Seeds are averaged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Optimism {
    /// On dev.
    pub dev: Estimate,
    /// On test.
    pub test: Estimate,
    /// The best setting on test, chosen there.
    pub oracle: Estimate,
    /// Oracle minus test: what choosing on the reported items would have added.
    pub optimism: f64,
}

/// Side effects on neutral text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SideEffectsMeasured {
    /// Mean KL divergence from the unsteered model's next-token distribution, in nats.
    pub kl: Estimate,
    /// Its 95th percentile over tokens.
    pub kl_p95: Estimate,
    /// How much less probable the text's own tokens become, in nats per token.
    pub delta_nll: Estimate,
    /// Share of repeated 4-grams in greedy continuations, steered minus unsteered.
    pub repetition: Estimate,
}

impl Measured {
    /// Estimates everything that a card shows.
    pub fn of(evidence: &Evidence) -> Result<Self, CardError> {
        let failed = |reason| CardError::Statistics { task: evidence.subject.task.clone(), reason };
        Measuring { evidence, bootstrap: Bootstrap { level: LEVEL, ..Bootstrap::default() } }.all().map_err(failed)
    }

    /// The placebo that comes closest, or gets furthest ahead: what the method does beyond it is its own.
    pub fn closest_placebo(&self) -> Option<&Comparison> {
        self.placebos.iter().min_by(|a, b| a.advantage.point.total_cmp(&b.advantage.point))
    }
}

/// Share of the seeds in which each item was so; none without seeds.
fn over_seeds(seeds: &[Vec<bool>]) -> Option<Vec<f64>> {
    let share = |i: usize| seeds.iter().filter(|items| items[i]).count() as f64 / seeds.len() as f64;
    Some((0..seeds.first()?.len()).map(share).collect())
}

pub(super) struct Measuring<'a> {
    evidence: &'a Evidence,
    bootstrap: Bootstrap,
}

impl Measuring<'_> {
    fn all(&self) -> Result<Measured, Error> {
        let e = self.evidence;
        let zero = self.per_item("zero-shot").unwrap_or_default();
        let steered = self.per_item("steered").unwrap_or_default();
        let few = self.per_item("few-shot");
        let paired = zero.len() == steered.len() && e.paired;
        let optimism = self.optimism()?;
        let zero_shot = share(&zero, None, LEVEL)?;
        let on_test = share(&steered, None, LEVEL)?;
        // A protocol that reports the items that chose the setting is shown as it reports.
        let reported = match &optimism {
            Some(optimism) if !paired => optimism.dev,
            _ => on_test,
        };
        let few_shot = few.as_ref().map(|few| share(few, None, LEVEL)).transpose()?;
        let gain = |arm: &[f64], estimate: &Estimate| {
            if paired { paired_score(arm, &zero, None, LEVEL) } else { Ok(difference(estimate, &zero_shot)) }
        };
        let few_shot_gain = match (&few, &few_shot) {
            (Some(few), Some(estimate)) => Some(gain(few, estimate)?),
            _ => None,
        };
        let gains = if paired { self.gains() } else { Vec::new() };
        Ok(Measured {
            subject: e.subject.clone(),
            n: e.n,
            seeds: e.seeds.clone(),
            settings: e.settings.clone(),
            effect: gain(&steered, &reported)?,
            p: if paired { Some(self.p("zero-shot")?) } else { None },
            recovery: self.recovery(paired, &zero, &steered, few.as_deref(), few_shot_gain.as_ref())?,
            zero_shot,
            few_shot,
            steered: reported,
            completed: self.completed()?,
            scoring: e.scoring.as_ref().map(|s| scoring::measured(s, &steered, self)).transpose()?,
            few_shot_gain,
            placebos: self.placebos(&steered)?,
            anti_steerable: self.anti_steerable()?,
            steerability: self.slopes()?.map(|s| s.mean),
            lost: if paired { Some(self.lost()?) } else { None },
            worst_decile: self.changes().map(|c| bca(&c, |v| worst_decile(v), &self.bootstrap)).transpose()?,
            optimism,
            side_effects: self.side_effects()?,
            heads: heads::measured(e),
            spread: if gains.len() > 1 { Some(spread(&gains)?) } else { None },
            gains,
            changed: paired.then(|| self.changed()),
            invalid: e.invalid.clone(),
        })
    }

    /// Share of the seeds in which each item was right.
    pub(super) fn per_item(&self, arm: &str) -> Option<Vec<f64>> {
        over_seeds(self.evidence.hits.get(arm)?)
    }

    fn completed(&self) -> Result<Option<Completed>, Error> {
        if self.evidence.completed.is_empty() {
            return Ok(None);
        }
        let of = |arm: &str| {
            let per_item = self.evidence.completed.get(arm).and_then(|seeds| over_seeds(seeds));
            per_item.map(|items| share(&items, None, LEVEL)).transpose()
        };
        let none = || share(&[], None, LEVEL);
        Ok(Some(Completed {
            zero_shot: of("zero-shot")?.map_or_else(none, Ok)?,
            few_shot: of("few-shot")?,
            steered: of("steered")?.map_or_else(none, Ok)?,
        }))
    }

    /// Two-sided p of steered against another arm on the same items.
    pub(super) fn p(&self, arm: &str) -> Result<f64, Error> {
        let hits = &self.evidence.hits;
        let (Some(a), Some(b)) = (hits.get("steered"), hits.get(arm)) else { return Ok(1.0) };
        let difference = |i: usize| a.iter().zip(b).map(|(a, b)| i64::from(a[i]) - i64::from(b[i])).sum();
        sign_flip(&(0..self.evidence.n).map(difference).collect::<Vec<i64>>())
    }

    fn placebos(&self, steered: &[f64]) -> Result<Vec<Comparison>, Error> {
        // `zero` is the unsteered model again, or the run is invalid.
        const ORDER: [&str; 6] =
            ["random-direction", "permuted", "random-heads", "shuffled-labels", "wrong-task", "random-layer"];
        let mut out = Vec::new();
        for arm in ORDER {
            let Some(placebo) = self.per_item(arm) else { continue };
            out.push(Comparison {
                arm: arm.to_string(),
                accuracy: share(&placebo, None, LEVEL)?,
                advantage: paired_score(steered, &placebo, None, LEVEL)?,
                p: self.p(arm)?,
            });
        }
        Ok(out)
    }

    fn recovery(
        &self,
        paired: bool,
        zero: &[f64],
        steered: &[f64],
        few: Option<&[f64]>,
        few_gain: Option<&Estimate>,
    ) -> Result<Recovery, Error> {
        let (true, Some(few), Some(few_gain)) = (paired, few, few_gain) else { return Ok(Recovery::default()) };
        let rows: Vec<[f64; 3]> = (0..few.len()).map(|i| [steered[i], zero[i], few[i]]).collect();
        // A ratio whose denominator may be 0 has no interval.
        let usable = |estimate: Result<Estimate, Error>| match estimate {
            Err(Error::Unstable { .. }) => Ok(None),
            other => other.map(Some),
        };
        let any = few.iter().any(|x| *x > 0.0);
        Ok(Recovery {
            of_accuracy: if any { usable(bca_of_means(&rows, None, |m| m[0] / m[2], &self.bootstrap))? } else { None },
            of_gain: if few_gain.low > 0.0 {
                usable(bca_of_means(&rows, None, |m| (m[0] - m[1]) / (m[2] - m[1]), &self.bootstrap))?
            } else {
                None
            },
        })
    }

    /// Change of each item's answer log-probability.
    fn changes(&self) -> Option<Vec<f64>> {
        let [without, with] = self.evidence.answer_log_probs.as_ref()?;
        Some(with.iter().zip(without).map(|(a, b)| a - b).collect())
    }

    fn slopes(&self) -> Result<Option<steercheck_stats::Steerability>, Error> {
        let dose = self.evidence.dose.as_ref();
        dose.map(|(shares, values)| steerability(shares, values, &self.bootstrap)).transpose()
    }

    fn anti_steerable(&self) -> Result<Option<Estimate>, Error> {
        if let Some(slopes) = self.slopes()? {
            return Ok(Some(slopes.anti_steerable));
        }
        let Some(changes) = self.changes() else { return Ok(None) };
        wilson(changes.iter().filter(|c| **c < 0.0).count(), changes.len(), LEVEL).map(Some)
    }

    /// Share of the items that were right and are wrong.
    fn lost(&self) -> Result<Estimate, Error> {
        let hits = &self.evidence.hits;
        let (Some(before), Some(after)) = (hits.get("zero-shot"), hits.get("steered")) else {
            return wilson(0, self.evidence.n, LEVEL);
        };
        let count = |i: usize| before.iter().zip(after).filter(|(b, a)| b[i] && !a[i]).count() as f64;
        let lost: Vec<f64> = (0..self.evidence.n).map(|i| count(i) / before.len() as f64).collect();
        share(&lost, None, LEVEL)
    }

    /// Share of the items, over the seeds, whose outcome differs from the unsteered model's.
    fn changed(&self) -> f64 {
        let hits = &self.evidence.hits;
        let (Some(before), Some(after)) = (hits.get("zero-shot"), hits.get("steered")) else { return 0.0 };
        let pairs = before.iter().zip(after).flat_map(|(b, a)| b.iter().zip(a));
        let (mut changed, mut all) = (0usize, 0usize);
        for (before, after) in pairs {
            changed += usize::from(before != after);
            all += 1;
        }
        changed as f64 / all.max(1) as f64
    }

    /// Side effects over all seeds, whose windows and contexts are the same and so are the clusters.
    fn side_effects(&self) -> Result<Option<SideEffectsMeasured>, Error> {
        let all = &self.evidence.side_effects;
        if all.is_empty() {
            return Ok(None);
        }
        let (mut kl, mut windows) = (Vec::new(), Vec::new());
        for (window, values) in all.iter().flat_map(|s| s.kl.iter().enumerate()) {
            kl.extend(values.iter().map(|x| f64::from(*x)));
            windows.extend(std::iter::repeat_n(window, values.len()));
        }
        let by = |list: fn(&SideEffects) -> &Vec<f64>| -> (Vec<f64>, Vec<usize>) {
            all.iter().flat_map(|s| list(s).iter().copied().enumerate()).map(|(i, x)| (x, i)).unzip()
        };
        let (with, clusters) = by(|s| &s.nll_steered);
        let (without, _) = by(|s| &s.nll_unsteered);
        let costs: Vec<f64> = with.iter().zip(&without).map(|(a, b)| a - b).collect();
        let (repeated, contexts) = by(|s| &s.repetition_steered);
        let (before, _) = by(|s| &s.repetition_unsteered);
        Ok(Some(SideEffectsMeasured {
            kl: mean(&kl, Some(&windows), &self.bootstrap)?,
            kl_p95: percentile(0.95, &kl, Some(&windows))?,
            delta_nll: mean(&costs, Some(&clusters), &self.bootstrap)?,
            repetition: paired_score(&repeated, &before, Some(&contexts), LEVEL)?,
        }))
    }

    fn gains(&self) -> Vec<f64> {
        let hits = &self.evidence.hits;
        let (Some(zero), Some(steered)) = (hits.get("zero-shot"), hits.get("steered")) else { return Vec::new() };
        let accuracy = |items: &[bool]| items.iter().filter(|h| **h).count() as f64 / items.len().max(1) as f64;
        zero.iter().zip(steered).map(|(z, s)| accuracy(s) - accuracy(z)).collect()
    }

    fn optimism(&self) -> Result<Option<Optimism>, Error> {
        let choices = &self.evidence.choices;
        let Some(first) = choices.first() else { return Ok(None) };
        let over_seeds =
            |hits: fn(&Choice) -> usize| choices.iter().map(hits).sum::<usize>() as f64 / choices.len() as f64;
        // Wilson's interval at the mean count of the seeds, to the next whole item: their items are the same, so that more seeds
        // do not make it narrower.
        let rate = |hits: f64, n: usize| {
            wilson(hits.round() as usize, n, LEVEL).map(|e| Estimate { point: hits / n as f64, ..e })
        };
        let test = self.per_item("steered").map_or(0.0, |items| items.iter().sum::<f64>());
        let n = self.evidence.n;
        let oracle = over_seeds(|c| c.oracle_hits);
        Ok(Some(Optimism {
            dev: rate(over_seeds(|c| c.dev_hits), first.dev)?,
            test: rate(test, n)?,
            oracle: rate(oracle, n)?,
            optimism: (oracle - test) / n as f64,
        }))
    }
}

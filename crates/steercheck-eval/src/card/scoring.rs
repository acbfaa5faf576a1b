//! What scored answers amount to besides right and wrong: the other metrics, the controls, the masks, the layers.

use serde::Serialize;
use steercheck_stats::{Error, Estimate, paired_score, share};

use super::evidence::Scoring;
use super::lens::LensMeasured;
use super::measure::{Comparison, LEVEL, Measuring};
use crate::record::{Boundary, LayerUse, MaskUse, Point, ScoredItem, Value};

/// Arms that show what else would have done it, besides the placebo.
const CONTROLS: [&str; 3] = ["static-layer", "length-constant", "unmasked"];

/// Figures over the scored answers of a cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoringMeasured {
    /// Mean share of the true answers in the probability of all; none for completions.
    pub mc2: Option<Metric>,
    /// Mean share of the true answers above all false ones; none for completions.
    pub mc3: Option<Metric>,
    /// Completions that score above every other; none for questions.
    pub strict: Option<Metric>,
    /// The same where a tie with the highest is right, as the published code counts; none for questions.
    pub with_ties: Option<Metric>,
    /// Items of the steered arm whose best answer ties with the highest false one.
    pub ties: usize,
    /// Items of the steered arm whose best answer has a masked token.
    pub best_masked: usize,
    /// Items of the steered arm with a masked token in some answer.
    pub any_masked: usize,
    /// Steered against a static layer, a constant per token, and itself without masks.
    pub controls: Vec<Comparison>,
    /// Which layers each bucket's tokens chose.
    pub layer_use: Vec<LayersMeasured>,
    /// What each α masks, and how many items are right under it.
    pub alphas: Vec<UnderAlpha>,
    /// Whether it matters how answers begin and end; none where it was not recorded.
    pub boundary: Option<BoundaryMeasured>,
    /// What the residuals say of the answers; none where the lens was not asked.
    pub lens: Option<LensMeasured>,
}

/// Which layers of a bucket were chosen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayersMeasured {
    /// The bucket.
    pub bucket: String,
    /// Its layers.
    pub layers: Vec<usize>,
    /// Tokens of all answers that chose each of them.
    pub tokens: Vec<usize>,
    /// Tokens whose two largest divergences are within 0.1 %, so that rounding chose.
    pub tied: usize,
    /// How often two tokens of one question chose the same layer; none where no question has two.
    pub within: Option<f64>,
    /// How often two tokens of different questions did, every pair of questions counting the same; none for one question. If it is no
    /// less, the choice has nothing to do with what is asked.
    pub between: Option<f64>,
}

/// One α.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UnderAlpha {
    /// Tokens less probable than this share of the most probable one are masked.
    pub alpha: f64,
    /// Share of the answers' tokens that are masked.
    pub masked: f64,
    /// Items whose best answer has a masked token.
    pub best_masked: usize,
    /// Per bucket the share of items that are right, with the log-softmax of the contrast and without.
    pub right: Vec<(String, f64, f64)>,
}

/// How answers begin and end.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BoundaryMeasured {
    /// Items one of whose answers has a token that spans the boundary to the prompt.
    pub merged: usize,
    /// Answers.
    pub answers: usize,
    /// Those whose last token is nothing but a period.
    pub own_period: usize,
    /// Accuracy where these periods are not scored; none where that was not run.
    pub without_period: Option<Metric>,
}

/// A mean over items without steering and with it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Metric {
    /// Of the model itself.
    pub baseline: Estimate,
    /// With the method.
    pub steered: Estimate,
    /// The latter minus the former, on each item.
    pub effect: Estimate,
}

pub(super) fn measured(scoring: &Scoring, steered: &[f64], all: &Measuring<'_>) -> Result<ScoringMeasured, Error> {
    let arm = |name: &str| scoring.arms.iter().find(|(n, _)| n == name).map_or(&[][..], |(_, items)| &items[..]);
    let (baseline, with) = (arm("baseline"), arm("steered"));
    let metric = |of: fn(&ScoredItem) -> Option<f64>| {
        let values = |items: &[ScoredItem]| items.iter().map(of).collect::<Option<Vec<f64>>>();
        let both = values(baseline).zip(values(with));
        both.map(|(without, with)| Metric::of(&without, &with)).transpose()
    };
    let completion = |right: fn(&ScoredItem) -> bool| {
        let values = |items: &[ScoredItem]| items.iter().map(|i| f64::from(u8::from(right(i)))).collect::<Vec<_>>();
        let questions = with.iter().any(|item| item.mc2.is_some());
        (!questions).then(|| Metric::of(&values(baseline), &values(with))).transpose()
    };
    let mut controls = Vec::new();
    for name in CONTROLS {
        let Some(control) = all.per_item(name) else { continue };
        controls.push(Comparison {
            arm: name.to_string(),
            accuracy: share(&control, None, LEVEL)?,
            advantage: paired_score(steered, &control, None, LEVEL)?,
            p: all.p(name)?,
        });
    }
    Ok(ScoringMeasured {
        mc2: metric(|item| item.mc2)?,
        mc3: metric(|item| item.mc3)?,
        strict: completion(|item| item.hit && !item.tied)?,
        with_ties: completion(|item| item.hit || item.tied)?,
        ties: with.iter().filter(|i| i.tied).count(),
        best_masked: with.iter().filter(|i| i.masked.first().is_some_and(|n| *n > 0)).count(),
        any_masked: with.iter().filter(|i| !i.masked.is_empty()).count(),
        controls,
        layer_use: scoring.layer_use.iter().map(layers).collect(),
        alphas: scoring.masks.iter().map(|mask| under_alpha(mask, &scoring.grid, with.len())).collect(),
        boundary: scoring.boundary.map(|b| boundary(scoring, b, all)).transpose()?,
        lens: scoring.lens.as_ref().map(LensMeasured::of).transpose()?,
    })
}

impl Metric {
    /// Of values in [0, 1], one per item.
    fn of(without: &[f64], with: &[f64]) -> Result<Self, Error> {
        Ok(Self {
            baseline: share(without, None, LEVEL)?,
            steered: share(with, None, LEVEL)?,
            effect: paired_score(with, without, None, LEVEL)?,
        })
    }
}

fn boundary(scoring: &Scoring, recorded: Boundary, all: &Measuring<'_>) -> Result<BoundaryMeasured, Error> {
    let both = all.per_item("baseline-without-period").zip(all.per_item("without-period"));
    Ok(BoundaryMeasured {
        merged: scoring.merged,
        answers: recorded.answers,
        own_period: recorded.own_period,
        without_period: both.map(|(without, with)| Metric::of(&without, &with)).transpose()?,
    })
}

fn under_alpha(mask: &MaskUse, grid: &[Point], n: usize) -> UnderAlpha {
    let text = |point: &Point, axis: &str| point.setting.0.get(axis).map(ToString::to_string).unwrap_or_default();
    let mut right: Vec<(String, f64, f64)> = Vec::new();
    let alpha = Some(&Value::Number(mask.alpha));
    for point in grid.iter().filter(|p| p.setting.0.get("alpha") == alpha) {
        let (bucket, share) = (text(point, "bucket"), point.test as f64 / n.max(1) as f64);
        let at = right.iter().position(|(name, ..)| *name == bucket).unwrap_or_else(|| {
            right.push((bucket, 0.0, 0.0));
            right.len() - 1
        });
        if text(point, "post-softmax") == "yes" { right[at].1 = share } else { right[at].2 = share }
    }
    UnderAlpha {
        alpha: mask.alpha,
        masked: mask.masked as f64 / mask.tokens.max(1) as f64,
        best_masked: mask.best,
        right,
    }
}

/// How often tokens chose the same layer as others.
fn layers(used: &LayerUse) -> LayersMeasured {
    // Two different tokens of one question.
    let same = |counts: &Vec<usize>| {
        let all: usize = counts.iter().sum();
        let pairs = |n: usize| (n * n.saturating_sub(1)) as f64;
        (all > 1).then(|| counts.iter().map(|n| pairs(*n)).sum::<f64>() / pairs(all))
    };
    let within: Vec<f64> = used.by_item.iter().filter_map(same).collect();
    // Questions as distributions over the layers: the mean product of two different ones.
    let shares = |counts: &Vec<usize>| -> Vec<f64> {
        let all = counts.iter().sum::<usize>().max(1) as f64;
        counts.iter().map(|n| *n as f64 / all).collect()
    };
    let rows: Vec<Vec<f64>> = used.by_item.iter().map(shares).collect();
    let n = rows.len() as f64;
    let square = |x: f64| x * x;
    let products: f64 = (0..used.layers.len()).map(|l| square(rows.iter().map(|row| row[l]).sum::<f64>())).sum();
    let own: f64 = rows.iter().flatten().map(|share| square(*share)).sum();
    LayersMeasured {
        bucket: used.bucket.clone(),
        layers: used.layers.clone(),
        tokens: used.tokens.clone(),
        tied: used.tied,
        within: (!within.is_empty()).then(|| within.iter().sum::<f64>() / within.len() as f64),
        between: (rows.len() > 1).then(|| (products - own) / (n * (n - 1.0))),
    }
}

#[cfg(test)]
mod tests {
    use super::layers;
    use crate::record::LayerUse;

    fn agreement(by_item: &[[usize; 2]]) -> (f64, f64) {
        let by_item: Vec<Vec<usize>> = by_item.iter().map(|row| row.to_vec()).collect();
        let tokens = (0..2).map(|l| by_item.iter().map(|row| row[l]).sum()).collect();
        let found = layers(&LayerUse { bucket: "0-1".into(), layers: vec![0, 2], tokens, tied: 0, by_item });
        (found.within.unwrap(), found.between.unwrap())
    }

    #[test]
    fn agreement_is_that_of_pairs_of_tokens() {
        let close = |found: (f64, f64), wanted: (f64, f64)| {
            assert!((found.0 - wanted.0).abs() < 1e-12 && (found.1 - wanted.1).abs() < 1e-12, "{found:?}");
        };
        // Every token the same layer; every question its own; half and half.
        close(agreement(&[[3, 0], [5, 0], [2, 0]]), (1.0, 1.0));
        close(agreement(&[[4, 0], [0, 4]]), (1.0, 0.0));
        close(agreement(&[[2, 2], [2, 2]]), (1.0 / 3.0, 0.5));
        // Pair by pair, of different questions: 1 × 1/4 + 1 × 1/2 + 1/4 × 1/2 + 3/4 × 1/2.
        close(agreement(&[[2, 0], [1, 3], [1, 1]]), ((1.0 + 0.5 + 0.0) / 3.0, (0.25 + 0.5 + 0.5) / 3.0));
    }
}

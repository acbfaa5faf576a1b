//! What scored answers amount to besides right and wrong: the other metrics, the controls, the masks, the layers.

use serde::Serialize;
use steercheck_stats::{Error, Estimate, paired_score, share};

use super::evidence::Scoring;
use super::measure::{Comparison, LEVEL, Measuring};
use crate::record::{LayerUse, ScoredItem};

/// Arms that show what else would have done it, besides the placebo.
const CONTROLS: [&str; 3] = ["static-layer", "length-constant", "unmasked"];

/// Figures over the scored answers of a cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoringMeasured {
    /// Mean share of the true answers in the probability of all; none for completions.
    pub mc2: Option<Metric>,
    /// Mean share of the true answers above all false ones; none for completions.
    pub mc3: Option<Metric>,
    /// Items of the steered arm whose best answer ties with the highest false one.
    pub ties: usize,
    /// Items of the steered arm whose best answer has a masked token.
    pub best_masked: usize,
    /// Items of the steered arm with a masked token in some answer.
    pub any_masked: usize,
    /// Steered against a static layer, a constant per token, and itself without masks.
    pub controls: Vec<Comparison>,
    /// Tokens that each bucket's layers were chosen for.
    pub layer_use: Vec<LayerUse>,
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
    let metric = |of: fn(&ScoredItem) -> Option<f64>| -> Result<Option<Metric>, Error> {
        let values = |items: &[ScoredItem]| items.iter().map(of).collect::<Option<Vec<f64>>>();
        let (Some(without), Some(with)) = (values(baseline), values(with)) else { return Ok(None) };
        Ok(Some(Metric {
            baseline: share(&without, None, LEVEL)?,
            steered: share(&with, None, LEVEL)?,
            effect: paired_score(&with, &without, None, LEVEL)?,
        }))
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
        ties: with.iter().filter(|i| i.tied).count(),
        best_masked: with.iter().filter(|i| i.masked.first().is_some_and(|n| *n > 0)).count(),
        any_masked: with.iter().filter(|i| !i.masked.is_empty()).count(),
        controls,
        layer_use: scoring.layer_use.clone(),
    })
}

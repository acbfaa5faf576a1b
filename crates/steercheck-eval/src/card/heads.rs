//! Where a method of heads acts: how few heads carry the effect, how sure that is, and how large the vector is beside the stream.

use serde::Serialize;

use super::evidence::Evidence;
use crate::head_map::HeadMap;
use crate::record::Setting;

/// Heads whose agreement between seeds is told.
pub const STRONGEST: usize = 16;

/// Figures over the head maps of a cell; means over the seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeadsMeasured {
    /// All heads of the model.
    pub all: usize,
    /// Heads that raise the answer's probability, by the sign test over prompts after Holm's correction.
    pub significant: f64,
    /// Share of all positive effects that the 2, 16 and 64 strongest heads carry.
    pub shares: Vec<Share>,
    /// Gini coefficient of the positive effects.
    pub gini: Option<f64>,
    /// Spearman's correlation of effects between two halves of the prompts.
    pub split_half: Option<f64>,
    /// Spearman's correlation of effects between seeds, the mean over pairs; none with one seed.
    pub between_seeds: Option<f64>,
    /// The chosen residual as a share of the depth.
    pub depth: Option<f64>,
    /// Norm of the vector times its strength, by the norm of the residual that it is added to, at the chosen setting.
    pub relative_norm: Option<f64>,
    /// The tokens that the first seed's vector makes most probable through the final norm and the head.
    pub read_out: Vec<String>,
}

/// What the n strongest heads carry.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    /// n.
    pub heads: usize,
    /// Of the sum of all positive effects.
    pub share: f64,
}

/// From a cell's evidence; none where the method has no heads.
pub(super) fn measured(evidence: &Evidence) -> Option<HeadsMeasured> {
    let maps = &evidence.heads;
    let first = maps.first()?;
    let all = first.flat().len();
    let mean = |values: Vec<f64>| {
        let n = values.len();
        (n > 0).then(|| values.iter().sum::<f64>() / n as f64)
    };
    let over = |of: &dyn Fn(&HeadMap) -> Option<f64>| mean(maps.iter().filter_map(of).collect());
    let share = |n: &usize| Some(Share { heads: *n, share: over(&|map| map.share(*n))? });
    let pairs = (0..maps.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
    let between = |(i, j): (usize, usize)| Some(maps[i].agreement(&maps[j], STRONGEST)?.correlation.point);
    let blocks = first.mean.len();
    let at = evidence.settings.iter().filter_map(Setting::at).map(|b| b as f64 / blocks as f64);
    Some(HeadsMeasured {
        all,
        significant: over(&|map| Some(map.significant() as f64)).unwrap_or(0.0),
        shares: crate::head_map::SHARES.iter().filter(|n| **n <= all).filter_map(share).collect(),
        gini: over(&HeadMap::gini),
        split_half: over(&|map| map.split_half),
        between_seeds: mean(pairs.filter_map(between).collect()),
        depth: mean(at.collect()),
        relative_norm: mean(evidence.relative_norms.clone()),
        read_out: evidence.read_out.clone(),
    })
}

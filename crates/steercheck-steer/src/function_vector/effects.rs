//! Causal indirect effects of all heads, as replayed rows.

use std::sync::Arc;

use steercheck_model::{
    Block, Edit, FinalNorm, Head, HeadKind, Model, ModelError, NormPlace, Operation, Positions, Result, Row, Site,
};

use super::{HeadMeans, HeadSite, ProjectionBias};
use crate::reading::read_in_batches;

/// What an effect is a difference of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scale {
    /// Probabilities of the answer's first token, as published.
    #[default]
    Probability,
    /// Their natural logarithms: comparable between prompts whose answers are likely and unlikely.
    LogProbability,
}

/// Log-probabilities of every prompt's answer, clean and with each head patched, rounded to f32: so they are kept in files, and so they
/// are the same whether they come from there or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Effects {
    blocks: usize,
    heads: usize,
    /// `[prompts]`.
    clean: Vec<f64>,
    /// `[prompts, L, H]`.
    patched: Vec<f64>,
}

impl Effects {
    /// From natural logarithms, `clean` `[prompts]` and `patched` `[prompts, L, H]`.
    pub fn new(blocks: usize, heads: usize, clean: Vec<f64>, patched: Vec<f64>) -> Result<Self> {
        if clean.is_empty() || patched.len() != clean.len() * blocks * heads {
            let (prompts, n) = (clean.len(), patched.len());
            return Err(ModelError::Plan(format!(
                "{n} patched runs do not fit {prompts} prompts, {blocks} blocks and {heads} heads"
            )));
        }
        if clean.iter().chain(&patched).any(|x| x.is_nan() || *x > 1e-6) {
            return Err(ModelError::NotFinite { at: "the log-probabilities of patched runs".into() });
        }
        let rounded = |values: Vec<f64>| values.into_iter().map(|x| f64::from(x as f32)).collect();
        Ok(Self { blocks, heads, clean: rounded(clean), patched: rounded(patched) })
    }

    /// Number of prompts.
    pub fn prompts(&self) -> usize {
        self.clean.len()
    }

    /// Log-probability of each prompt's answer without a patch, `[prompts]`.
    pub fn clean(&self) -> &[f64] {
        &self.clean
    }

    /// The same with each head patched, `[prompts, L, H]`.
    pub fn patched(&self) -> &[f64] {
        &self.patched
    }

    /// All heads, block by block: the order of [`Effects::means`].
    pub fn sites(&self) -> impl Iterator<Item = HeadSite> + use<> {
        let heads = self.heads;
        (1..=self.blocks).flat_map(move |b| (0..heads).map(move |h| (Block(b), Head(h))))
    }

    /// A head's effect in every prompt, patched minus clean.
    pub fn of(&self, (block, head): HeadSite, scale: Scale) -> Vec<f64> {
        let all = self.blocks * self.heads;
        let at = (block.0 - 1) * self.heads + head.0;
        let one = |(prompt, clean): (usize, &f64)| {
            let patched = self.patched[prompt * all + at];
            match scale {
                Scale::Probability => patched.exp() - clean.exp(),
                Scale::LogProbability => patched - clean,
            }
        };
        self.clean.iter().enumerate().map(one).collect()
    }

    /// The mean effect of every head over the prompts, `[L × H]`.
    pub fn means(&self, scale: Scale) -> Vec<f64> {
        self.sites().map(|site| self.of(site, scale).iter().sum::<f64>() / self.clean.len() as f64).collect()
    }

    /// All heads from the largest mean effect to the smallest.
    pub fn ranking(&self, scale: Scale) -> Vec<HeadSite> {
        ranked(&self.means(scale), self.heads)
    }
}

/// Heads from the largest value to the smallest, the first on ties. `values` is `[L × heads]`.
pub fn ranked(values: &[f64], heads: usize) -> Vec<HeadSite> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
    order.into_iter().map(|i| (Block(1 + i / heads), Head(i % heads))).collect()
}

/// Patches every head of every block at the last token of every prompt, one at a time. `answers` has the answer's first token
/// of each.
pub fn effects(
    model: &Model,
    means: &HeadMeans,
    prompts: &[Vec<u32>],
    answers: &[u32],
    bias: ProjectionBias,
) -> Result<Effects> {
    if prompts.len() != answers.len() {
        return Err(ModelError::Plan(format!("{} prompts have {} answers", prompts.len(), answers.len())));
    }
    let sites: Vec<HeadSite> = means.sites().collect();
    let patches = sites.iter().map(|site| patch(model, means, *site, bias)).collect::<Result<Vec<_>>>()?;
    let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
    let prefixes = model.prefill(prompts)?;
    let mut clean = Vec::with_capacity(prompts.len());
    for (prefix, answer) in prefixes.iter().zip(answers) {
        let top = prefix.residuals().narrow(0, model.spec.depth(), 1)?;
        let reading = model.read(&top, FinalNorm::Apply, HeadKind::Full, &[vec![*answer]])?;
        clean.push(reading[0].tokens[0].log_prob);
    }
    let all = sites.len();
    // Rows that change something at every position run the whole prompt.
    let suffix = if patches.iter().any(|p| p.len() > 1) { longest } else { 1 };
    let mut patched = Vec::with_capacity(prompts.len() * all);
    read_in_batches(
        model,
        prompts.len() * all,
        longest,
        suffix,
        |i| Ok((Row::edited(&prefixes[i / all], patches[i % all].clone()), vec![answers[i / all]])),
        |_, reading, _| {
            patched.push(reading.tokens[0].log_prob);
            Ok(())
        },
    )?;
    Effects::new(model.spec.depth(), model.spec.heads, clean, patched)
}

/// The edits that patch a head.
fn patch(model: &Model, means: &HeadMeans, site: HeadSite, bias: ProjectionBias) -> Result<Vec<Edit>> {
    let (block, head) = site;
    let mut edits = vec![Edit::last(Site::HeadOutput(block, head), Operation::Replace(means.at(site)?))];
    if bias == ProjectionBias::AsPublished
        && let Some(vector) = model.projection_bias(block)?
    {
        if matches!(model.spec.norms.place, NormPlace::After | NormPlace::Around) {
            let what =
                "the bias of a projection whose output is normed cannot be left out; use the `rigorous` protocol";
            return Err(ModelError::Plan(what.into()));
        }
        let operation = Operation::Add { vector: Arc::from(vector), strength: -1.0 };
        edits.push(Edit { site: Site::AttentionOutput(block), positions: Positions::All, operation });
    }
    Ok(edits)
}

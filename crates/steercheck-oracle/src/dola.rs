//! What the product makes of `dola` jobs: one pass per way of reading distributions off the residuals serves all its configurations.

use std::collections::BTreeSet;
use std::sync::Arc;

use steercheck_model::{FinalNorm, Model, ModelError};
use steercheck_steer::dola::{Choice, Config, Measure, Readout, Scorable, Scored, Scores, score};

use crate::jobs::{Divergence, Dola, DolaConfig, Norm};
use crate::{Array, Error, TensorFile, Values};

/// What a masked token counts in the published score.
const MASKED: f64 = -1000.0;

pub(crate) fn compute(model: &Model, work: &Dola) -> Result<TensorFile, Error> {
    let texts: Vec<Scorable> = work
        .pairs
        .iter()
        .map(|pair| Scorable { prompt: pair.prefix.clone(), continuation: pair.continuation.clone() })
        .collect();
    let mut read: Vec<(Readout, Scores)> = Vec::new();
    let mut out = TensorFile::new();
    let mut totals = vec![0.0; work.pairs.len() * work.configs.len() * 4];
    for (b, config) in work.configs.iter().enumerate() {
        let readout = readout(config);
        if !read.iter().any(|(r, _)| *r == readout) {
            let same = work.configs.iter().filter(|c| self::readout(c) == readout);
            let layers: BTreeSet<usize> = same.flat_map(|c| c.candidates.iter().copied()).collect();
            let layers: Vec<usize> = layers.into_iter().collect();
            read.push((readout, score(model, None, &texts, &layers, readout)?));
        }
        let Some((_, scores)) = read.iter().find(|(r, _)| *r == readout) else { continue };
        for a in 0..texts.len() {
            let found = Found::of(scores, a, config, model.spec.vocab_size)?;
            totals[(a * work.configs.len() + b) * 4..][..4].copy_from_slice(&found.totals());
            out.extend(found.tensors(config.candidates.len()).map(|(name, array)| (format!("{a}.{b}/{name}"), array)));
        }
    }
    out.insert("totals".into(), Array::new(&[work.pairs.len(), work.configs.len(), 4], Values::F64(totals)));
    Ok(out)
}

fn readout(config: &DolaConfig) -> Readout {
    let norm = match config.norm {
        Norm::None => FinalNorm::Skip,
        Norm::Final => FinalNorm::Apply,
    };
    Readout { norm, mature: config.mature_head.into(), premature: config.premature_head.into() }
}

/// One text under one configuration, token by token.
struct Found {
    chosen: Vec<Scored>,
    base: Vec<f64>,
    /// `[tokens, candidates]`.
    divergences: Vec<f64>,
    all: Vec<f64>,
}

impl Found {
    fn of(scores: &Scores, text: usize, job: &DolaConfig, vocab: usize) -> Result<Self, Error> {
        let measure = match job.divergence {
            Divergence::Paper => Measure::Paper,
            Divergence::Jsd => Measure::Jsd,
        };
        let config = |choice| Config {
            alpha: job.alpha,
            candidates: job.candidates.as_slice().into(),
            choice,
            post_softmax: job.post_softmax,
        };
        let missing = || Error::from(ModelError::Plan("a candidate was not scored".to_owned()));
        let largest = config(Choice::Largest(measure));
        let mut found = Self { chosen: Vec::new(), base: Vec::new(), divergences: Vec::new(), all: Vec::new() };
        for (index, token) in scores.tokens(text).enumerate() {
            found.chosen.push(largest.score(&token, index).ok_or_else(missing)?);
            found.base.push(token.log_p);
            for candidate in &job.candidates {
                let at = token.layer(*candidate).ok_or_else(missing)?;
                found.divergences.push(match measure {
                    Measure::Paper => at.paper / vocab as f64,
                    Measure::Jsd => at.jsd,
                });
                let fixed = config(Choice::Fixed(Arc::from([*candidate])));
                found.all.push(fixed.score(&token, index).ok_or_else(missing)?.score);
            }
        }
        Ok(found)
    }

    fn totals(&self) -> [f64; 4] {
        let masked = |s: &Scored| if s.is_masked() { MASKED } else { s.score };
        [
            self.chosen.iter().map(masked).sum(),
            self.chosen.iter().map(|s| s.score).sum(),
            self.chosen.iter().filter(|s| s.is_masked()).count() as f64,
            self.base.iter().sum(),
        ]
    }

    fn tensors(self, candidates: usize) -> [(&'static str, Array); 7] {
        let n = self.chosen.len();
        let (tokens, table) = ([n], [n, candidates]);
        let of = |f: fn(&Scored) -> f64| Values::F64(self.chosen.iter().map(f).collect());
        [
            ("layer", Array::new(&tokens, Values::I64(self.chosen.iter().map(|s| s.layer as i64).collect()))),
            ("score", Array::new(&tokens, of(|s| s.score))),
            ("masked", Array::new(&tokens, Values::U8(self.chosen.iter().map(|s| u8::from(s.is_masked())).collect()))),
            ("mask_margin", Array::new(&tokens, of(|s| s.mask_margin))),
            ("base", Array::new(&tokens, Values::F64(self.base))),
            ("div", Array::new(&table, Values::F64(self.divergences))),
            ("score_all", Array::new(&table, Values::F64(self.all))),
        ]
    }
}

//! Every layer of every scored position compared with the mature one, a tile of positions at a time.

use candle_core::{DType, Tensor};
use rayon::prelude::*;
use steercheck_model::{FinalNorm, HeadKind, Model, ModelError, Prefix, Result};

use super::row::{LayerScores, Mature, compare};

/// Bytes of logits, probabilities and scratch that a tile of positions takes at most.
const TILE_BYTES: usize = 128 << 20;

/// How distributions are read off residuals: what is shared by all configurations that are scored from one pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readout {
    /// Whether premature residuals go through the final norm.
    pub norm: FinalNorm,
    /// The mature layer's head.
    pub mature: HeadKind,
    /// The premature layers' head.
    pub premature: HeadKind,
}

/// A text that is scored: the tokens of `continuation`, each given all before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scorable {
    /// Not empty.
    pub prompt: Vec<u32>,
    /// Not empty.
    pub continuation: Vec<u32>,
}

/// What was found at one position, for every token that some text has there.
struct RowScores {
    log_p: Vec<f64>,
    base: Vec<f64>,
    most: f64,
    layers: Vec<LayerScores>,
}

/// Scores of texts under one readout.
pub struct Scores {
    layers: Vec<usize>,
    rows: Vec<RowScores>,
    /// For every text, its tokens.
    at: Vec<Vec<Place>>,
}

/// Where a token's scores are.
#[derive(Clone, Copy)]
struct Place {
    row: usize,
    /// Among the tokens that are asked for in the row.
    token: usize,
}

/// One token's scores at every layer.
pub struct TokenScores<'a> {
    /// ln p by the readout's mature head.
    pub log_p: f64,
    /// ln p as the model itself has it.
    pub base: f64,
    /// The largest ln p of the position.
    pub most: f64,
    layers: &'a [usize],
    scores: &'a [LayerScores],
    place: usize,
}

/// A layer's figures for one token.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerScore {
    /// See [`LayerScores::paper`].
    pub paper: f64,
    /// See [`LayerScores::jsd`].
    pub jsd: f64,
    /// See [`LayerScores::normaliser`].
    pub normaliser: f64,
    /// ln q of the token.
    pub log_q: f64,
}

impl TokenScores<'_> {
    /// The figures of a premature residual; none if it was not scored.
    pub fn layer(&self, layer: usize) -> Option<LayerScore> {
        let at = &self.scores[self.layers.binary_search(&layer).ok()?];
        Some(LayerScore { paper: at.paper, jsd: at.jsd, normaliser: at.normaliser, log_q: at.log_q[self.place] })
    }
}

impl Scores {
    /// The tokens of a text's continuation.
    pub fn tokens(&self, text: usize) -> impl ExactSizeIterator<Item = TokenScores<'_>> {
        self.at[text].iter().map(|place| {
            let scores = &self.rows[place.row];
            TokenScores {
                log_p: scores.log_p[place.token],
                base: scores.base[place.token],
                most: scores.most,
                layers: &self.layers,
                scores: &scores.layers,
                place: place.token,
            }
        })
    }
}

/// Scores texts, which may share beginnings with each other and with a prefix: each distinct position is run and unembedded once.
/// `layers` are the premature residuals, ascending, below L. Texts must begin with the prefix's tokens and have more prompt than that.
pub fn score(
    model: &Model,
    after: Option<&Prefix>,
    texts: &[Scorable],
    layers: &[usize],
    readout: Readout,
) -> Result<Scores> {
    let depth = model.spec.depth();
    if layers.windows(2).any(|w| w[0] >= w[1]) || layers.iter().any(|l| *l >= depth) {
        return Err(ModelError::Plan(format!("premature layers {layers:?} are not ascending numbers below {depth}")));
    }
    let before = after.map_or(&[][..], Prefix::tokens);
    let mut run = Vec::with_capacity(texts.len());
    let mut from = Vec::with_capacity(texts.len());
    for text in texts {
        let Some(own) = text.prompt.strip_prefix(before).filter(|own| !own.is_empty()) else {
            return Err(ModelError::Plan("a text does not go on from the prefix that it is scored behind".into()));
        };
        let Some((_, shown)) = text.continuation.split_last() else {
            return Err(ModelError::Plan("there is no continuation to score".into()));
        };
        // Nothing comes after the last token: it is asked for and not run.
        run.push([own, shown].concat());
        from.push(own.len() - 1);
    }
    let branches = model.branches(after, &run, &from)?;
    let (targets, at) = targets(texts, &branches.rows);
    let mut rows = Vec::with_capacity(targets.len());
    let most = (TILE_BYTES / (16 * model.spec.vocab_size)).max(1);
    let tiles = targets.len().div_ceil(most).max(1);
    for tile in 0..tiles {
        let (start, end) = (tile * targets.len() / tiles, (tile + 1) * targets.len() / tiles);
        if start < end {
            let residual = |b: usize| Ok(branches.residuals[b].narrow(0, start, end - start)?);
            rows.extend(score_tile(model, &residual, &targets[start..end], layers, readout)?);
        }
    }
    Ok(Scores { layers: layers.to_vec(), rows, at })
}

/// The distinct tokens that are asked for at every row, and where each text's are.
fn targets(texts: &[Scorable], rows: &[Vec<usize>]) -> (Vec<Vec<u32>>, Vec<Vec<Place>>) {
    let count = rows.iter().flatten().max().map_or(0, |most| most + 1);
    let mut targets: Vec<Vec<u32>> = vec![Vec::new(); count];
    let mut of = |(row, token): (&usize, &u32)| {
        let list = &mut targets[*row];
        let place = list.iter().position(|t| t == token).unwrap_or_else(|| {
            list.push(*token);
            list.len() - 1
        });
        Place { row: *row, token: place }
    };
    let at = texts.iter().zip(rows).map(|(text, rows)| rows.iter().zip(&text.continuation).map(&mut of).collect());
    let at = at.collect();
    (targets, at)
}

fn score_tile(
    model: &Model,
    residual: &impl Fn(usize) -> Result<Tensor>,
    targets: &[Vec<u32>],
    layers: &[usize],
    readout: Readout,
) -> Result<Vec<RowScores>> {
    let vocab = model.spec.vocab_size;
    let not_finite = || ModelError::NotFinite { at: "a row of logits".into() };
    let flat = |b: usize, norm: FinalNorm, head: HeadKind| -> Result<Vec<f32>> {
        let logits = model.logits(&residual(b)?, norm, head)?;
        Ok(logits.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
    };
    let depth = model.spec.depth();
    // The model's own distribution is that of the full head behind the final norm.
    let base = if readout.mature == HeadKind::Full {
        None
    } else {
        Some(model.read(&residual(depth)?, FinalNorm::Apply, HeadKind::Full, targets)?)
    };
    let logits = flat(depth, FinalNorm::Apply, readout.mature)?;
    let mature: Vec<Mature> =
        logits.par_chunks(vocab).map(|row| Mature::of_logits(row).ok_or_else(not_finite)).collect::<Result<_>>()?;
    let mut out: Vec<RowScores> = Vec::with_capacity(targets.len());
    for (i, ((mature, row), tokens)) in mature.iter().zip(logits.chunks(vocab)).zip(targets).enumerate() {
        let log_p: Vec<f64> = tokens.iter().map(|t| mature.log_p(row, *t)).collect();
        let base = match &base {
            None => log_p.clone(),
            Some(readings) => readings[i].tokens.iter().map(|t| t.log_prob).collect(),
        };
        out.push(RowScores { log_p, base, most: mature.most(), layers: Vec::with_capacity(layers.len()) });
    }
    drop(logits);
    for layer in layers {
        let logits = flat(*layer, readout.norm, readout.premature)?;
        let compared = logits
            .par_chunks(vocab)
            .zip(mature.par_iter().zip(targets))
            .map_init(
                || vec![0.0; vocab],
                |scratch, (row, (mature, tokens))| compare(mature, row, tokens, scratch).ok_or_else(not_finite),
            )
            .collect::<Result<Vec<LayerScores>>>()?;
        out.iter_mut().zip(compared).for_each(|(row, scores)| row.layers.push(scores));
    }
    Ok(out)
}

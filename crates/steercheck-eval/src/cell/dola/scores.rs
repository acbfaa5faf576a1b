//! Every answer's score under every configuration and every control, and what they amount to question by question.

use std::sync::Arc;

use rand::RngExt;
use steercheck_model::Model;
use steercheck_steer::dola::{Choice, Config};

use super::{DolaCell, missing};
use crate::error::EvalError;
use crate::record::{Boundary, LayerUse, MaskUse, ScoredItem};
use crate::sample;
use crate::scoring::grid::{Bucket, GridPoint, layers};
use crate::scoring::{AnswerScore, Completions, Kind, MultipleChoice, QuestionSet, ScoredQuestion, answer_score};

/// α of the static layers: the published default.
const STATIC_ALPHA: f64 = 0.1;
/// What is added per token to the model's own log-probability, in nats.
const LENGTH_CONSTANTS: [f64; 6] = [0.0, 0.5, 1.0, 2.0, 4.0, 8.0];

/// How scores are judged.
#[derive(Clone, Copy)]
pub(super) struct Judge {
    pub(super) kind: Kind,
    /// MC2 as the published code computes it.
    pub(super) halving: bool,
}

/// The model's own score of an answer.
struct Base {
    /// Log-probability.
    score: f64,
    tokens: usize,
    /// Log-probability of the last token.
    last: f64,
}

/// One question.
struct Row {
    /// By answer.
    base: Vec<Base>,
    /// Whether each answer ends in a token that is only a period.
    period: Vec<bool>,
    /// `[configurations][answers]`.
    points: Vec<Vec<AnswerScore>>,
    random: Vec<Vec<AnswerScore>>,
    /// `[static layers][answers]`.
    fixed: Vec<Vec<AnswerScore>>,
}

/// What the tokens of all answers chose from a bucket.
#[derive(Default)]
struct Use {
    /// Tokens that chose each layer: `[questions][layers]`.
    by_item: Vec<Vec<usize>>,
    /// Tokens whose choice is rounding's.
    tied: usize,
}

/// All questions.
pub(super) struct Table {
    rows: Vec<Row>,
    /// By bucket.
    uses: Vec<Use>,
}

impl Table {
    /// Scores all answers in one pass.
    pub(super) fn read(cell: &DolaCell, model: &Model) -> Result<Self, EvalError> {
        let grid: Vec<&Config> = cell.points.iter().map(|p| &p.config).collect();
        let layers = layers(grid.iter().copied());
        let first = grid.first().copied().ok_or_else(missing)?;
        let fixed: Vec<Config> = layers
            .iter()
            .map(|layer| Config {
                alpha: STATIC_ALPHA,
                candidates: Arc::from([*layer]),
                choice: Choice::Fixed(Arc::from([*layer])),
                post_softmax: first.post_softmax,
            })
            .collect();
        // A bucket's layers are chosen without a mask: α masks tokens, and chooses nothing.
        let of_bucket =
            |bucket: &Bucket| grid.iter().copied().find(|c| c.candidates == bucket.layers).cloned().ok_or_else(missing);
        let choosing: Vec<Config> = cell.buckets.iter().map(of_bucket).collect::<Result<_, _>>()?;
        let mut uses: Vec<Use> = cell.buckets.iter().map(|_| Use::default()).collect();
        let mut rows = Vec::with_capacity(cell.set.questions.len());
        cell.asked.score(model, &layers, cell.readout, |question| {
            for (config, used) in choosing.iter().zip(&mut uses) {
                let mut counts = vec![0; config.candidates.len()];
                for answer in 0..question.answers() {
                    for (index, token) in question.tokens(answer).enumerate() {
                        let scored = config.score(&token, index).ok_or_else(missing)?;
                        counts[config.candidates.binary_search(&scored.layer).map_err(|_| missing())?] += 1;
                        used.tied += usize::from(scored.tied);
                    }
                }
                used.by_item.push(counts);
            }
            rows.push(Row {
                base: (0..question.answers()).map(|answer| base(&question, answer)).collect(),
                period: cell.periods[question.index].clone(),
                points: all(&question, grid.iter().copied())?,
                random: random(&question, &grid, cell.plan.seed)?,
                fixed: all(&question, fixed.iter())?,
            });
            Ok(())
        })?;
        Ok(Self { rows, uses })
    }

    /// The grid, judged: `[configurations][questions]`.
    pub(super) fn judged(&self, set: &QuestionSet, judge: Judge) -> Result<Vec<Vec<ScoredItem>>, EvalError> {
        self.each(set, judge, |row| &row.points, |score, _| score.published())
    }

    /// The same without the tokens that are only the answer's final period.
    pub(super) fn without_period(&self, set: &QuestionSet, judge: Judge) -> Result<Vec<Vec<ScoredItem>>, EvalError> {
        let of = |score: &AnswerScore, period: bool| {
            if period { score.published_without_last() } else { score.published() }
        };
        self.each(set, judge, |row| &row.points, of)
    }

    /// The same without masks.
    pub(super) fn unmasked(&self, set: &QuestionSet, judge: Judge) -> Result<Vec<Vec<ScoredItem>>, EvalError> {
        self.each(set, judge, |row| &row.points, |score, _| score.all)
    }

    /// The grid with a random layer for every token.
    pub(super) fn random(&self, set: &QuestionSet, judge: Judge) -> Result<Vec<Vec<ScoredItem>>, EvalError> {
        self.each(set, judge, |row| &row.random, |score, _| score.published())
    }

    /// One layer for all tokens: `[layers][questions]`.
    pub(super) fn fixed(&self, set: &QuestionSet, judge: Judge) -> Result<Vec<Vec<ScoredItem>>, EvalError> {
        self.each(set, judge, |row| &row.fixed, |score, _| score.published())
    }

    /// The model itself.
    pub(super) fn baseline(&self, set: &QuestionSet, judge: Judge) -> Result<Vec<ScoredItem>, EvalError> {
        self.base(set, judge, |base, _| base.score)
    }

    /// The same without the tokens that are only the answer's final period.
    pub(super) fn baseline_without_period(
        &self,
        set: &QuestionSet,
        judge: Judge,
    ) -> Result<Vec<ScoredItem>, EvalError> {
        self.base(set, judge, |base, period| base.score - if period { base.last } else { 0.0 })
    }

    fn base(
        &self,
        set: &QuestionSet,
        judge: Judge,
        score: impl Fn(&Base, bool) -> f64,
    ) -> Result<Vec<ScoredItem>, EvalError> {
        let one = |(row, question): (&Row, &crate::scoring::Question)| {
            let scores = row.base.iter().zip(&row.period).map(|(base, period)| score(base, *period)).collect();
            judge.judge(scores, &[], &question.truth())
        };
        self.rows.iter().zip(&set.questions).map(one).collect()
    }

    /// The model with a constant per token: `[constants][questions]`.
    pub(super) fn longer(&self, set: &QuestionSet, judge: Judge) -> Result<Vec<Vec<ScoredItem>>, EvalError> {
        let one = |constant: f64| self.base(set, judge, |base, _| base.score + constant * base.tokens as f64);
        LENGTH_CONSTANTS.into_iter().map(one).collect()
    }

    /// Which layers each bucket's tokens chose.
    pub(super) fn layer_use(&self, buckets: &[Bucket]) -> Vec<LayerUse> {
        let one = |(bucket, used): (&Bucket, &Use)| LayerUse {
            bucket: bucket.name.clone(),
            layers: bucket.layers.to_vec(),
            tokens: (0..bucket.layers.len()).map(|l| used.by_item.iter().map(|counts| counts[l]).sum()).collect(),
            tied: used.tied,
            by_item: used.by_item.clone(),
        };
        buckets.iter().zip(&self.uses).map(one).collect()
    }

    /// What each α masks, read at the first configuration with it.
    pub(super) fn masks(&self, points: &[GridPoint], alphas: &[f64]) -> Vec<MaskUse> {
        let tokens = self.rows.iter().flat_map(|row| &row.base).map(|base| base.tokens).sum();
        let one = |alpha: &f64| {
            let at = points.iter().position(|p| p.config.alpha.total_cmp(alpha).is_eq())?;
            let masked = |row: &Row| row.points[at].iter().map(|answer| answer.masked).sum::<usize>();
            Some(MaskUse {
                alpha: *alpha,
                tokens,
                masked: self.rows.iter().map(masked).sum(),
                best: self.rows.iter().filter(|row| row.points[at].first().is_some_and(|best| best.masked > 0)).count(),
            })
        };
        alphas.iter().filter_map(one).collect()
    }

    /// How many answers there are, and how many of them end in a token that is only a period.
    pub(super) fn boundary(&self) -> Boundary {
        let all = || self.rows.iter().flat_map(|row| &row.period);
        Boundary { answers: all().count(), own_period: all().filter(|period| **period).count() }
    }

    fn each(
        &self,
        set: &QuestionSet,
        judge: Judge,
        of: fn(&Row) -> &Vec<Vec<AnswerScore>>,
        score: impl Fn(&AnswerScore, bool) -> f64,
    ) -> Result<Vec<Vec<ScoredItem>>, EvalError> {
        let count = self.rows.first().map_or(0, |row| of(row).len());
        let one = |config: usize| {
            let one = |(row, question): (&Row, &crate::scoring::Question)| {
                let answers = &of(row)[config];
                let scores = answers.iter().zip(&row.period).map(|(answer, period)| score(answer, *period)).collect();
                judge.judge(scores, answers, &question.truth())
            };
            self.rows.iter().zip(&set.questions).map(one).collect()
        };
        (0..count).map(one).collect()
    }
}

/// The model's own score of an answer.
fn base(question: &ScoredQuestion<'_>, answer: usize) -> Base {
    let mut out = Base { score: 0.0, tokens: 0, last: 0.0 };
    for token in question.tokens(answer) {
        out.score += token.base;
        out.tokens += 1;
        out.last = token.base;
    }
    out
}

/// Every answer under every configuration.
fn all<'a>(
    question: &ScoredQuestion<'_>,
    configs: impl Iterator<Item = &'a Config>,
) -> Result<Vec<Vec<AnswerScore>>, EvalError> {
    let one = |config: &Config| {
        (0..question.answers()).map(|a| answer_score(question.tokens(a), config).ok_or_else(missing)).collect()
    };
    configs.map(one).collect()
}

/// The same with a layer drawn from the configuration's for every token; α and the log-softmax draw nothing.
fn random(question: &ScoredQuestion<'_>, grid: &[&Config], seed: u64) -> Result<Vec<Vec<AnswerScore>>, EvalError> {
    let one = |config: &&Config| {
        let mut rng = sample::stream(seed, "random-layer", question.index);
        let one = |answer: usize| {
            let candidates = &config.candidates;
            let drawn: Arc<[usize]> =
                question.tokens(answer).map(|_| candidates[rng.random_range(0..candidates.len())]).collect();
            let config = Config { choice: Choice::Fixed(drawn), ..(*config).clone() };
            answer_score(question.tokens(answer), &config).ok_or_else(missing)
        };
        (0..question.answers()).map(one).collect()
    };
    grid.iter().map(one).collect()
}

impl Judge {
    fn judge(self, scores: Vec<f64>, answers: &[AnswerScore], truth: &[bool]) -> Result<ScoredItem, EvalError> {
        let masked: Vec<usize> = answers.iter().map(|a| a.masked).collect();
        let item = ScoredItem {
            hit: false,
            tied: false,
            scores,
            masked: if masked.iter().all(|n| *n == 0) { Vec::new() } else { masked },
            mc2: None,
            mc3: None,
        };
        Ok(match self.kind {
            Kind::MultipleChoice => {
                let found = MultipleChoice::of(&item.scores, truth).ok_or_else(missing)?;
                ScoredItem {
                    hit: found.mc1,
                    tied: found.tied,
                    mc2: Some(if self.halving { found.mc2_halved } else { found.mc2 }),
                    mc3: Some(found.mc3),
                    ..item
                }
            }
            Kind::Completion => {
                let found = Completions::of(&item.scores).ok_or_else(missing)?;
                // As published, a tie is right.
                ScoredItem { hit: found.strict || (self.halving && found.tied), tied: found.tied, ..item }
            }
        })
    }
}

//! Every answer's score under every configuration and every control, and what they amount to question by question.

use std::sync::Arc;

use rand::RngExt;
use steercheck_model::Model;
use steercheck_steer::dola::{Choice, Config};

use super::{DolaCell, missing};
use crate::error::EvalError;
use crate::record::{LayerUse, ScoredItem};
use crate::sample;
use crate::scoring::grid::{Bucket, layers};
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

/// One question.
struct Row {
    /// The model's own log-probability and tokens of each answer.
    base: Vec<(f64, usize)>,
    /// `[configurations][answers]`.
    points: Vec<Vec<AnswerScore>>,
    random: Vec<Vec<AnswerScore>>,
    /// `[static layers][answers]`.
    fixed: Vec<Vec<AnswerScore>>,
}

/// All questions.
pub(super) struct Table {
    rows: Vec<Row>,
    /// By bucket: tokens that chose each of its layers, and tokens whose choice is rounding's.
    uses: Vec<(Vec<usize>, usize)>,
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
        let mut uses: Vec<(Vec<usize>, usize)> = cell.buckets.iter().map(|b| (vec![0; b.layers.len()], 0)).collect();
        let mut rows = Vec::with_capacity(cell.set.questions.len());
        cell.asked.score(model, &layers, cell.readout, |question| {
            for answer in 0..question.answers() {
                for (config, (counts, tied)) in choosing.iter().zip(&mut uses) {
                    for (index, token) in question.tokens(answer).enumerate() {
                        let scored = config.score(&token, index).ok_or_else(missing)?;
                        let at = config.candidates.binary_search(&scored.layer).map_err(|_| missing())?;
                        counts[at] += 1;
                        *tied += usize::from(scored.tied);
                    }
                }
            }
            rows.push(Row {
                base: (0..question.answers())
                    .map(|a| (question.tokens(a).map(|t| t.base).sum(), question.tokens(a).len()))
                    .collect(),
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
        self.each(set, judge, |row| &row.points, AnswerScore::published)
    }

    /// The same without masks.
    pub(super) fn unmasked(&self, set: &QuestionSet, judge: Judge) -> Result<Vec<Vec<ScoredItem>>, EvalError> {
        self.each(set, judge, |row| &row.points, |score| score.all)
    }

    /// The grid with a random layer for every token.
    pub(super) fn random(&self, set: &QuestionSet, judge: Judge) -> Result<Vec<Vec<ScoredItem>>, EvalError> {
        self.each(set, judge, |row| &row.random, AnswerScore::published)
    }

    /// One layer for all tokens: `[layers][questions]`.
    pub(super) fn fixed(&self, set: &QuestionSet, judge: Judge) -> Result<Vec<Vec<ScoredItem>>, EvalError> {
        self.each(set, judge, |row| &row.fixed, AnswerScore::published)
    }

    /// The model itself.
    pub(super) fn baseline(&self, set: &QuestionSet, judge: Judge) -> Result<Vec<ScoredItem>, EvalError> {
        let one = |(row, question): (&Row, &crate::scoring::Question)| {
            judge.judge(row.base.iter().map(|(score, _)| *score).collect(), &[], &question.truth())
        };
        self.rows.iter().zip(&set.questions).map(one).collect()
    }

    /// The model with a constant per token: `[constants][questions]`.
    pub(super) fn longer(&self, set: &QuestionSet, judge: Judge) -> Result<Vec<Vec<ScoredItem>>, EvalError> {
        let one = |constant: f64| {
            let one = |(row, question): (&Row, &crate::scoring::Question)| {
                let scores = row.base.iter().map(|(score, tokens)| score + constant * *tokens as f64).collect();
                judge.judge(scores, &[], &question.truth())
            };
            self.rows.iter().zip(&set.questions).map(one).collect()
        };
        LENGTH_CONSTANTS.into_iter().map(one).collect()
    }

    /// Which layers each bucket's tokens chose.
    pub(super) fn layer_use(&self, buckets: &[Bucket]) -> Vec<LayerUse> {
        let one = |(bucket, (tokens, tied)): (&Bucket, &(Vec<usize>, usize))| LayerUse {
            bucket: bucket.name.clone(),
            layers: bucket.layers.to_vec(),
            tokens: tokens.clone(),
            tied: *tied,
        };
        buckets.iter().zip(&self.uses).map(one).collect()
    }

    fn each(
        &self,
        set: &QuestionSet,
        judge: Judge,
        of: fn(&Row) -> &Vec<Vec<AnswerScore>>,
        score: fn(&AnswerScore) -> f64,
    ) -> Result<Vec<Vec<ScoredItem>>, EvalError> {
        let count = self.rows.first().map_or(0, |row| of(row).len());
        let one = |config: usize| {
            let one = |(row, question): (&Row, &crate::scoring::Question)| {
                let answers = &of(row)[config];
                judge.judge(answers.iter().map(score).collect(), answers, &question.truth())
            };
            self.rows.iter().zip(&set.questions).map(one).collect()
        };
        (0..count).map(one).collect()
    }
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

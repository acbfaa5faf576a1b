//! Scoring a set of questions: the beginning that all share is run once, each question once, each answer's tokens once.

use steercheck_model::{Model, ModelError, Prefix, Tokenizer};
use steercheck_steer::dola::{Config, Readout, Scorable, Scores, TokenScores, score};

use super::QuestionSet;
use crate::error::EvalError;
use crate::prompt::Candidates;

/// Scored positions that go through the model together, at least.
const POSITIONS: usize = 512;

/// Questions as token ids.
pub struct Asked {
    /// What stands before all of them, as far as their ids agree; empty if they have nothing in common.
    common: Vec<u32>,
    questions: Vec<Candidates>,
    /// Which candidate each answer is: answers that are repeated are scored once.
    answers: Vec<Vec<usize>>,
}

/// What a masked token takes from a published score.
const MASKED: f64 = 1000.0;

/// What one configuration makes of one answer. [`Default`] is an answer without tokens.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct AnswerScore {
    /// Sum over all tokens, in nats.
    pub all: f64,
    /// Sum over those that are not masked.
    pub kept: f64,
    /// Masked tokens.
    pub masked: usize,
    /// Tokens whose two largest divergences are within 0.1 %.
    pub tied: usize,
    /// The last token's score, and whether it is masked.
    pub last: (f64, bool),
}

impl AnswerScore {
    /// The published score: every masked token counts -1000.
    pub fn published(&self) -> f64 {
        self.kept - MASKED * self.masked as f64
    }

    /// The same without the last token.
    pub fn published_without_last(&self) -> f64 {
        let (score, masked) = self.last;
        self.published() - if masked { -MASKED } else { score }
    }
}

/// One answer under a configuration. `None` if the configuration has a layer that was not scored.
pub fn answer_score<'a>(tokens: impl Iterator<Item = TokenScores<'a>>, config: &Config) -> Option<AnswerScore> {
    let mut out = AnswerScore::default();
    for (index, token) in tokens.enumerate() {
        let scored = config.score(&token, index)?;
        out.all += scored.score;
        if scored.is_masked() {
            out.masked += 1;
        } else {
            out.kept += scored.score;
        }
        out.tied += usize::from(scored.tied);
        out.last = (scored.score, scored.is_masked());
    }
    Some(out)
}

/// One question's answers, as they were scored.
pub struct ScoredQuestion<'a> {
    /// Its place in the set.
    pub index: usize,
    scores: &'a Scores,
    first: usize,
    answers: &'a [usize],
}

impl ScoredQuestion<'_> {
    /// How many answers there are.
    pub fn answers(&self) -> usize {
        self.answers.len()
    }

    /// How many different ones.
    pub(crate) fn distinct(&self) -> usize {
        self.answers.iter().max().map_or(0, |most| most + 1)
    }

    /// The tokens of one of these.
    pub(crate) fn candidate(&self, candidate: usize) -> impl ExactSizeIterator<Item = TokenScores<'_>> {
        self.scores.tokens(self.first + candidate)
    }

    /// The tokens of an answer.
    pub fn tokens(&self, answer: usize) -> impl ExactSizeIterator<Item = TokenScores<'_>> {
        self.scores.tokens(self.first + self.answers[answer])
    }
}

impl Asked {
    /// Tokenises every answer behind its question, and finds what all questions begin with.
    pub fn new(tokenizer: &Tokenizer, set: &QuestionSet) -> Result<Self, EvalError> {
        let (mut questions, mut answers) = (Vec::new(), Vec::new());
        for question in &set.questions {
            let mut texts: Vec<&str> = Vec::new();
            let mut place = |text| {
                texts.iter().position(|t| *t == text).unwrap_or_else(|| {
                    texts.push(text);
                    texts.len() - 1
                })
            };
            answers.push(question.answers.iter().map(|a| place(a.text.as_str())).collect());
            questions.push(Candidates::new(tokenizer, &format!("{}{}", set.primer, question.prompt), &texts)?);
        }
        Ok(Self { common: common(&questions), questions, answers })
    }

    /// Tokens of all distinct answers.
    pub(crate) fn scored_tokens(&self) -> u64 {
        self.questions.iter().flat_map(|q| &q.answers).map(|answer| answer.len() as u64).sum()
    }

    /// The questions; of answers that are repeated, one.
    pub fn questions(&self) -> &[Candidates] {
        &self.questions
    }

    /// Whether an answer of a question ends in a token that is nothing but a period, with others before it.
    pub(crate) fn ends_in_period(&self, tokenizer: &Tokenizer, question: usize) -> Result<Vec<bool>, ModelError> {
        let one = |candidate: &usize| match &self.questions[question].answers[*candidate][..] {
            [_, .., last] => Ok(tokenizer.decode(&[*last])? == "."),
            _ => Ok(false),
        };
        self.answers[question].iter().map(one).collect()
    }

    /// The questions, by their places, that fit so many tokens with each of their answers.
    pub(crate) fn fitting(&self, context: usize) -> Vec<usize> {
        let fits =
            |i: &usize| self.questions[*i].answers.iter().all(|a| self.questions[*i].prompt.len() + a.len() <= context);
        (0..self.questions.len()).filter(fits).collect()
    }

    /// Tokens that stand before all of them.
    pub fn common(&self) -> usize {
        self.common.len()
    }

    /// Tokens of the longest question with its answer.
    pub fn longest(&self) -> usize {
        let length = |c: &Candidates| c.prompt.len() + c.answers.iter().map(Vec::len).max().unwrap_or(0);
        self.questions.iter().map(length).max().unwrap_or(0)
    }

    /// Some of the questions, by their places.
    #[must_use]
    pub fn some(&self, places: &[usize]) -> Self {
        Self {
            common: self.common.clone(),
            questions: places.iter().map(|i| self.questions[*i].clone()).collect(),
            answers: places.iter().map(|i| self.answers[*i].clone()).collect(),
        }
    }

    /// Scores all answers of all questions at these layers. `keep` is given the questions in order; only some of them are in memory at
    /// once.
    pub fn score(
        &self,
        model: &Model,
        layers: &[usize],
        readout: Readout,
        mut keep: impl FnMut(ScoredQuestion<'_>) -> Result<(), EvalError>,
    ) -> Result<(), EvalError> {
        let prefix = self.prefix(model)?;
        for batch in self.batches() {
            let texts: Vec<Scorable> = batch
                .clone()
                .flat_map(|i| {
                    let Candidates { prompt, answers, .. } = &self.questions[i];
                    answers.iter().map(|a| Scorable { prompt: prompt.clone(), continuation: a.clone() })
                })
                .collect();
            let scores = score(model, prefix.as_ref(), &texts, layers, readout)?;
            let mut first = 0;
            for index in batch {
                keep(ScoredQuestion { index, scores: &scores, first, answers: &self.answers[index] })?;
                first += self.questions[index].answers.len();
            }
        }
        Ok(())
    }

    fn prefix(&self, model: &Model) -> Result<Option<Prefix>, ModelError> {
        if self.common.is_empty() {
            return Ok(None);
        }
        Ok(model.prefill(std::slice::from_ref(&self.common))?.pop())
    }

    /// Consecutive questions with about [`POSITIONS`] scored tokens each.
    pub(crate) fn batches(&self) -> Vec<std::ops::Range<usize>> {
        let mut out = Vec::new();
        let (mut start, mut positions) = (0, 0);
        for (i, question) in self.questions.iter().enumerate() {
            positions += question.answers.iter().map(Vec::len).sum::<usize>();
            if positions >= POSITIONS || i + 1 == self.questions.len() {
                out.push(start..i + 1);
                (start, positions) = (i + 1, 0);
            }
        }
        out
    }
}

/// What all prompts begin with, so that every one has a token of its own behind it. A handful of tokens is not worth a prefix.
fn common(questions: &[Candidates]) -> Vec<u32> {
    const WORTHWHILE: usize = 8;
    let Some(first) = questions.first() else { return Vec::new() };
    let shared = |q: &Candidates| {
        let same = q.prompt.iter().zip(&first.prompt).take_while(|(a, b)| a == b).count();
        same.min(q.prompt.len() - 1)
    };
    let shared = questions.iter().map(shared).min().unwrap_or(0);
    if shared < WORTHWHILE { Vec::new() } else { first.prompt[..shared].to_vec() }
}

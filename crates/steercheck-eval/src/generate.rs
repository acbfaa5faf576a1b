//! Text that a model goes on with, unsteered and steered, greedily or sampled.

use rand::RngExt;
use serde::Serialize;
use steercheck_model::{Edit, EditedPrompt, Model, Positions, Receipt, Tokenizer};
use steercheck_steer::dola::{Config, Readout, contrasted, penalise};
use steercheck_steer::given_vector::{GivenVector, Where};
use steercheck_steer::reading::most_probable;

use crate::error::EvalError;
use crate::record::ReadOut;
use crate::sample;

/// First tokens that are told.
const FIRST: usize = 10;

/// At which tokens a vector acts while text is generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Acting {
    /// At the last token of the prompt alone: what function vectors do, and what `check` measures with `--where last`.
    Last,
    /// At the last token of the prompt and every token that is generated.
    Generated,
    /// At every token, as llama.cpp applies control vectors.
    All,
}

/// How the next token is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub enum Choice {
    /// The most probable, the lowest id on ties.
    Greedy,
    /// Drawn from the most probable tokens that together reach `top_p` (Holtzman et al. 2020), at a temperature.
    Sampled {
        /// Divides the logits; above 0.
        temperature: f64,
        /// Above 0, at most 1.
        top_p: f64,
        /// Of the draws. Unsteered and steered text are drawn with the same numbers.
        seed: u64,
    },
}

/// What a prompt went on with.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Generated {
    /// The text, without special tokens.
    pub text: String,
    /// Its tokens, the end token included where there is one.
    pub tokens: Vec<u32>,
    /// Sum of the natural logarithms of their probabilities.
    pub log_prob: f64,
    /// The most probable first tokens: what was to choose from right behind the prompt.
    pub first: Vec<ReadOut>,
    /// Whether the model ended it.
    pub ended: bool,
    /// What the edits did; empty without steering.
    pub receipts: Vec<Receipt>,
}

/// Goes on with a prompt: unsteered and, where there is a vector, steered, both in one batch.
pub fn generate(
    model: &Model,
    tokenizer: &Tokenizer,
    prompt: &str,
    vector: Option<(&GivenVector, Acting)>,
    tokens: usize,
    choice: Choice,
) -> Result<Vec<Generated>, EvalError> {
    let ids = tokenizer.encode(prompt)?;
    let last = ids.len().saturating_sub(1);
    let mut prompts = vec![EditedPrompt { tokens: ids.clone(), edits: Vec::new() }];
    if let Some((vector, acting)) = vector {
        let at = |edit: Edit| match acting {
            Acting::Generated => Edit { positions: Positions::From(last), ..edit },
            Acting::Last | Acting::All => edit,
        };
        let positions = if acting == Acting::All { Where::All } else { Where::Last };
        prompts.push(EditedPrompt { tokens: ids, edits: vector.edits(positions).into_iter().map(at).collect() });
    }
    let ends = tokenizer.ends();
    let mut draws: Vec<_> = prompts.iter().map(|_| Draws::new(choice)).collect();
    let mut first: Vec<Vec<(u32, f64)>> = vec![Vec::new(); prompts.len()];
    let all = model.continue_by(&prompts, tokens, &ends, |prompt, logits| {
        if first[prompt].is_empty() {
            first[prompt] = most_probable(logits, FIRST);
        }
        draws[prompt].next(logits)
    })?;
    let one = |(c, first): (steercheck_model::Continuation, Vec<(u32, f64)>)| {
        let read = |(token, log_prob): (u32, f64)| Ok(ReadOut { token, text: tokenizer.decode(&[token])?, log_prob });
        Ok(Generated {
            text: tokenizer.decode(&c.tokens)?,
            first: first.into_iter().map(read).collect::<Result<_, EvalError>>()?,
            ended: c.tokens.last().is_some_and(|t| ends.contains(t)),
            log_prob: c.log_probs.iter().sum(),
            tokens: c.tokens,
            receipts: c.receipts,
        })
    };
    all.into_iter().zip(first).map(one).collect()
}

/// How a contrast of layers generates.
#[derive(Debug, Clone)]
pub struct Contrast {
    /// Layers and α; the layer that diverges most is chosen.
    pub config: Config,
    /// How distributions are read.
    pub readout: Readout,
    /// 1 for none.
    pub repetition_penalty: f64,
}

/// One token of a contrasted text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contrasting {
    /// The token.
    pub token: u32,
    /// Its text.
    pub text: String,
    /// The premature residual that its distribution was contrasted with.
    pub layer: usize,
    /// ln p − ln q, in nats.
    pub score: f64,
    /// Tokens that α left to choose from.
    pub kept: usize,
}

/// Goes on with a prompt by `DoLa` (Chuang et al. 2023). The log-probabilities are the model's own.
pub fn generate_contrasted(
    model: &Model,
    tokenizer: &Tokenizer,
    prompt: &str,
    contrast: &Contrast,
    tokens: usize,
    choice: Choice,
) -> Result<(Generated, Vec<Contrasting>), EvalError> {
    let ids = tokenizer.encode(prompt)?;
    let ends = tokenizer.ends();
    let mut draws = Draws::new(choice);
    let mut seen = ids.clone();
    let (mut steps, mut first, mut log_prob) = (Vec::new(), Vec::new(), 0.0);
    let chosen = model.continue_by_residuals(&ids, tokens, &ends, |residuals| {
        let found = contrasted(model, residuals, &contrast.config, contrast.readout)?;
        let mut scores = found.scores.clone();
        if (contrast.repetition_penalty - 1.0).abs() > 0.0 {
            penalise(&mut scores, &seen, contrast.repetition_penalty);
        }
        if first.is_empty() {
            first = most_probable(&scores, FIRST);
        }
        let token = draws.next(&scores);
        log_prob += f64::from(found.log_p[token as usize]);
        seen.push(token);
        steps.push((token, found.layer, f64::from(found.scores[token as usize]), found.kept));
        Ok(token)
    })?;
    let read = |(token, log_prob): (u32, f64)| Ok(ReadOut { token, text: tokenizer.decode(&[token])?, log_prob });
    let first: Vec<(u32, f64)> = first.into_iter().filter(|(_, log_prob)| log_prob.is_finite()).collect();
    let generated = Generated {
        text: tokenizer.decode(&chosen)?,
        first: first.into_iter().map(read).collect::<Result<_, EvalError>>()?,
        ended: chosen.last().is_some_and(|t| ends.contains(t)),
        log_prob,
        tokens: chosen,
        receipts: Vec::new(),
    };
    let step = |(token, layer, score, kept): (u32, usize, f64, usize)| {
        Ok(Contrasting { token, text: tokenizer.decode(&[token])?, layer, score, kept })
    };
    Ok((generated, steps.into_iter().map(step).collect::<Result<_, EvalError>>()?))
}

/// The draws of one text.
struct Draws {
    choice: Choice,
    rng: rand_chacha::ChaCha8Rng,
}

impl Draws {
    fn new(choice: Choice) -> Self {
        let seed = match choice {
            Choice::Greedy => 0,
            Choice::Sampled { seed, .. } => seed,
        };
        Self { choice, rng: sample::stream(seed, "generate", 0) }
    }

    fn next(&mut self, logits: &[f32]) -> u32 {
        match self.choice {
            Choice::Greedy => largest(logits),
            Choice::Sampled { temperature, top_p, .. } => nucleus(logits, temperature, top_p, self.rng.random()),
        }
    }
}

fn largest(logits: &[f32]) -> u32 {
    (0..logits.len()).fold(0, |best, i| if logits[i] > logits[best] { i } else { best }) as u32
}

/// The token at quantile `u` of the most probable tokens that together reach `top_p`.
fn nucleus(logits: &[f32], temperature: f64, top_p: f64, u: f64) -> u32 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |l: &f32| ((f64::from(*l) - f64::from(most)) / temperature).exp();
    let mut tokens: Vec<(usize, f64)> = logits.iter().map(weight).enumerate().collect();
    tokens.sort_by(|a, b| b.1.total_cmp(&a.1));
    let all: f64 = tokens.iter().map(|t| t.1).sum();
    let mut reached = 0.0;
    let kept = tokens.iter().take_while(|(_, w)| {
        let wanted = reached < top_p * all;
        reached += w;
        wanted
    });
    let kept: Vec<(usize, f64)> = kept.copied().collect();
    let mut rest = u * kept.iter().map(|t| t.1).sum::<f64>();
    let drawn = kept.iter().find(|(_, w)| {
        rest -= w;
        rest < 0.0
    });
    drawn.or(kept.last()).map_or(0, |(token, _)| *token as u32)
}

#[cfg(test)]
mod tests {
    use super::nucleus;

    #[test]
    fn draws_follow_the_probabilities_within_the_nucleus() {
        // Probabilities 0.5, 0.3 and 0.2.
        let logits = [0.3f32.ln(), 0.5f32.ln(), 0.2f32.ln()];
        let counts = |top_p: f64, temperature: f64| {
            let mut out = [0usize; 3];
            for i in 0..1000 {
                out[nucleus(&logits, temperature, top_p, f64::from(i) / 1000.0) as usize] += 1;
            }
            out
        };
        let near = |got: [usize; 3], want: [usize; 3]| got.iter().zip(want).all(|(g, w)| g.abs_diff(w) <= 2);
        assert!(near(counts(1.0, 1.0), [300, 500, 200]), "{:?}", counts(1.0, 1.0));
        // 0.5 alone is less than 0.7: two tokens are needed.
        assert!(near(counts(0.7, 1.0), [375, 625, 0]), "{:?}", counts(0.7, 1.0));
        assert_eq!(counts(0.5, 1.0), [0, 1000, 0]);
        assert!(counts(1.0, 0.05)[1] == 1000, "{:?}", counts(1.0, 0.05));
    }
}

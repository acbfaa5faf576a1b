//! What a cell found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use steercheck_model::Receipt;

use super::setting::Setting;
use crate::conformance;
use crate::head_map::HeadMap;
use crate::lens::LensTable;
use crate::prompt::Pair;
use crate::side_effects::SideEffects;

/// What a cell found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// What the model's short conformance checks found before the run; none where they were not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conformance: Option<conformance::Summary>,
    /// The setting of the steered arm and of its placebos.
    pub chosen: Chosen,
    /// Hits at every setting of the grid.
    pub grid: Vec<Point>,
    /// How settings were chosen fold by fold, each reported on its own items; empty where one setting is reported on all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folds: Vec<Fold>,
    /// Which premature layers were chosen, by bucket; empty for other methods than `DoLa`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layer_use: Vec<LayerUse>,
    /// How much of the answers each α masks; empty for other methods than `DoLa`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub masks: Vec<MaskUse>,
    /// Where answers end; none for other methods than `DoLa`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boundary: Option<Boundary>,
    /// What the residuals say of the answers; none where the lens was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lens: Option<LensTable>,
    /// Every arm on its items.
    pub arms: Vec<Arm>,
    /// How the answers' probabilities change with the strength, at the chosen setting; none where the method has no strength.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dose: Option<Dose>,
    /// What the chosen setting does to a text that has nothing to do with the task; none where that is not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side_effects: Option<SideEffects>,
    /// The items of dev and test with what their vectors were made of.
    pub items: Items,
    /// Hits of the unsteered model by number of demonstrations; empty where that is not asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shots: Vec<Shots>,
    /// The effect of every head; none where the method has no heads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heads: Option<HeadMap>,
    /// The tokens that the chosen vector makes most probable through the final norm and the head; empty where there is no one vector.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read_out: Vec<ReadOut>,
    /// Keys of what is kept beside the record, by name: `vectors`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub artefacts: BTreeMap<String, String>,
}

/// Items that are reported under a setting that the others chose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fold {
    /// Their places among the test items, ascending.
    pub items: Vec<usize>,
    /// The first setting of the grid with the most hits on all others.
    pub setting: Setting,
    /// These hits.
    pub hits: usize,
}

/// How often each layer of a bucket was chosen, over the tokens of all answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerUse {
    /// The bucket.
    pub bucket: String,
    /// Its layers.
    pub layers: Vec<usize>,
    /// Tokens that chose each of them.
    pub tokens: Vec<usize>,
    /// Tokens whose two largest divergences are within 0.1 %, so that rounding chose.
    pub tied: usize,
    /// By question, tokens that chose each of the layers: `[questions][layers]`.
    pub by_item: Vec<Vec<usize>>,
}

/// How answers end in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boundary {
    /// Answers.
    pub answers: usize,
    /// Those whose last token is nothing but a period.
    pub own_period: usize,
}

/// What a mask does to the answers' own tokens. Which tokens it masks depends on α alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskUse {
    /// Tokens less probable than this share of the most probable one are masked.
    pub alpha: f64,
    /// Tokens of all answers.
    pub tokens: usize,
    /// Those that are masked.
    pub masked: usize,
    /// Questions whose best answer has a masked token.
    pub best: usize,
}

/// What an arm made of a question whose answers are scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoredItem {
    /// Whether the best answer scores above all false ones, strictly unless the protocol counts ties.
    pub hit: bool,
    /// Whether it scores the same as the highest of these.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tied: bool,
    /// One per answer, the best answer first: nats, a masked token counting -1000 where the arm masks.
    pub scores: Vec<f64>,
    /// Masked tokens of each answer; empty if none is masked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub masked: Vec<usize>,
    /// Share of the true answers in the probability of all; none for completions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mc2: Option<f64>,
    /// Share of the true answers above all false ones; none for completions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mc3: Option<f64>,
}

/// Hits of the unsteered model with so many demonstrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shots {
    /// Demonstrations before the question.
    pub demonstrations: usize,
    /// Right answers to the test items.
    pub hits: usize,
}

/// A token of a vector's read-out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadOut {
    /// The token.
    pub token: u32,
    /// Its text.
    pub text: String,
    /// Natural logarithm of its probability.
    pub log_prob: f64,
}

/// The chosen setting.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    /// The setting: the first of the grid with the most hits on dev, or the one given.
    pub setting: Setting,
    /// Its hits on dev; none where nothing was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev_hits: Option<usize>,
}

/// Hits at one setting of the grid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// The setting.
    pub setting: Setting,
    /// Hits on the dev items.
    pub dev: usize,
    /// Hits on the test items: what was left on the table, never what was chosen by.
    pub test: usize,
}

/// One way of asking the items.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// `zero-shot`, `few-shot`, `steered`, or a placebo's name.
    pub name: String,
    /// Right answers.
    pub hits: usize,
    /// One per item, in the order of the items; empty where answers are scored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<Outcome>,
    /// The same where answers are scored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scored: Vec<ScoredItem>,
}

impl Arm {
    /// Counts the hits.
    pub fn new(name: &str, outcomes: Vec<Outcome>) -> Self {
        let hits = outcomes.iter().filter(|o| o.hit).count();
        Self { name: name.to_string(), hits, outcomes, scored: Vec::new() }
    }

    /// The same for scored answers.
    pub fn scored(name: &str, scored: Vec<ScoredItem>) -> Self {
        let hits = scored.iter().filter(|o| o.hit).count();
        Self { name: name.to_string(), hits, outcomes: Vec::new(), scored }
    }

    /// Whether each item was right.
    pub fn hits(&self) -> Vec<bool> {
        self.outcomes.iter().map(|o| o.hit).chain(self.scored.iter().map(|o| o.hit)).collect()
    }
}

/// What the model said to one item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// The most probable next token.
    pub token: u32,
    /// Its text, cut at the first line break and stripped.
    pub text: String,
    /// Whether that counts as right; for an item with choices, whether the right one is more probable than every other.
    pub hit: bool,
    /// Tokens more probable than the answer's first.
    pub rank: usize,
    /// Natural logarithm of the probability of the answer's first token.
    pub log_prob: f64,
    /// Sum of the natural logarithms of the probabilities of all the answer's tokens, teacher forced.
    pub answer_log_prob: f64,
    /// Whether greedy decoding begins with the whole answer: each of its tokens is the most probable one after those before.
    pub completed: bool,
    /// The same sum for every other choice of the item; empty for items without choices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<f64>,
    /// What the arm's edits did; empty for arms without one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receipts: Vec<Receipt>,
}

impl Outcome {
    /// Whether two arms gave the same, bit for bit, whatever their edits did.
    pub fn same_answer(&self, other: &Self) -> bool {
        let bits = |o: &Self| [o.log_prob.to_bits(), o.answer_log_prob.to_bits()];
        let choices = |o: &Self| o.choices.iter().map(|c| c.to_bits()).collect::<Vec<_>>();
        (self.token, self.rank, self.hit, self.completed) == (other.token, other.rank, other.hit, other.completed)
            && bits(self) == bits(other)
            && choices(self) == choices(other)
    }
}

/// The answers' probabilities by strength.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dose {
    /// Shares of the full strength, ascending from 0, the unsteered model, to 1, the steered arm.
    pub shares: Vec<f64>,
    /// Log-probability of each test item's answer at each of them: `[items][shares]`.
    pub answer_log_probs: Vec<Vec<f64>>,
    /// Right test items at each of them; empty in records of before they were counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hits: Vec<usize>,
}

/// Items by use.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Items {
    /// They chose the setting.
    pub dev: Vec<ItemRecord>,
    /// They are reported.
    pub test: Vec<ItemRecord>,
    /// Zero-shot items of a protocol that asks others than the test items.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub baseline: Vec<ItemRecord>,
}

/// One item and what its vector was made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemRecord {
    /// What is asked.
    pub input: String,
    /// What is right.
    pub answer: String,
    /// Its ids after the zero-shot prompt.
    pub answer_ids: Vec<u32>,
    /// A token spans the boundary of prompt and answer.
    pub boundary_merged: bool,
    /// What else there was to choose from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
    /// The demonstrations, first to last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub demonstrations: Vec<Pair>,
    /// The dummy queries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dummies: Vec<String>,
}

//! Tasks: pairs of an input and its answer or whole prompts, and how a prediction counts as right.
//!
//! A [`Task`] comes from the data built into the program ([`builtin`]) or from a file in one of the published formats
//! ([`load_file`]). Whatever was left out or changed on the way is said in [`Task::notes`]; nothing is dropped in silence.

mod builtin;
mod clean;
mod entry;
mod error;
mod load;
mod matching;
mod parse;
#[cfg(test)]
mod tests;

pub use builtin::{builtin, builtin_names};
pub use error::{Field, Place, TaskError};
pub use load::{LoadOptions, Quirks, load_bytes, load_file};
pub use matching::Match;

use serde::{Deserialize, Serialize};

/// One input and the answer expected for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// What stands in the query, `France`, or a whole prompt, verbatim.
    pub input: String,
    /// What the model should say, without the leading space: `Paris`.
    pub answer: String,
    /// What it may say instead, in file order: the other choices, the answer not among them. Empty where it is not to
    /// choose; then it is empty in every item of the task.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<String>,
}

impl Item {
    /// An input and its answer, without choices.
    pub fn pair(input: impl Into<String>, answer: impl Into<String>) -> Self {
        Self { input: input.into(), answer: answer.into(), choices: Vec::new() }
    }
}

/// What the inputs of a task are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Style {
    /// Inputs that a method puts into its template.
    #[default]
    Pairs,
    /// Whole prompts, which stand verbatim.
    Prompts,
}

impl Style {
    /// The name in records and hashes.
    pub fn name(self) -> &'static str {
        match self {
            Style::Pairs => "pairs",
            Style::Prompts => "prompts",
        }
    }
}

/// A set of items asked and scored in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Name on the command line and in records: a built-in name, or the file's name without its extension, in lower
    /// case and with `-` for `_`.
    pub name: String,
    /// The same for people, `English to French`.
    pub title: String,
    /// The items in the order of their source; published splits depend on it.
    pub items: Vec<Item>,
    /// How a predicted text counts as right.
    pub matching: Match,
    /// What was dropped, changed or kept against expectation, and why: one sentence each.
    pub notes: Vec<String>,
    /// Task vectors keep only the items whose answer is one token of the tokenizer at hand. False for country-capital,
    /// which is unfiltered and matched by prefix, and for prompts.
    pub single_token: bool,
    /// What the inputs are.
    #[serde(default)]
    pub style: Style,
}

impl Task {
    /// Whether the model is to choose among given answers.
    pub fn has_choices(&self) -> bool {
        self.items.iter().any(|item| !item.choices.is_empty())
    }

    /// BLAKE3 of everything that decides what is asked and what counts as right, in hexadecimal: the items in order, their
    /// choices, style, matching and single-token rule. Names, notes and the source's format do not enter, so the same data
    /// under another file name has the same hash.
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"steercheck task 2\n");
        // Each text goes in behind its length, each list behind its own: no two tasks serialise alike.
        let count = |hasher: &mut blake3::Hasher, n: usize| {
            hasher.update(&(n as u64).to_le_bytes());
        };
        let text = |hasher: &mut blake3::Hasher, text: &str| {
            count(hasher, text.len());
            hasher.update(text.as_bytes());
        };
        text(&mut hasher, self.matching.name());
        text(&mut hasher, self.style.name());
        text(&mut hasher, if self.single_token { "single token" } else { "any tokens" });
        for item in &self.items {
            text(&mut hasher, &item.input);
            text(&mut hasher, &item.answer);
            count(&mut hasher, item.choices.len());
            for choice in &item.choices {
                text(&mut hasher, choice);
            }
        }
        hasher.finalize().to_hex().to_string()
    }

    /// The task with inputs and answers exchanged: french-english from english-french. Where two inputs share an answer,
    /// the reversed task has one input with two answers; `quirks` says whether the later ones stay. Prompts have no reverse:
    /// such a task comes back as it is.
    #[must_use]
    pub fn reversed(&self, quirks: Quirks) -> Task {
        if self.style == Style::Prompts {
            return self.clone();
        }
        let swapped = self.items.iter().map(|item| Item::pair(&item.answer, &item.input));
        let (items, mut notes) = clean::unrepeated(swapped.collect(), quirks, self.style);
        notes.insert(0, format!("reversed from {}", self.name));
        Task {
            name: exchange(&self.name, "-").unwrap_or_else(|| format!("{}-reversed", self.name)),
            title: exchange(&self.title, " to ").unwrap_or_else(|| format!("{}, reversed", self.title)),
            items,
            matching: self.matching,
            notes,
            single_token: self.single_token,
            style: self.style,
        }
    }
}

/// `a-b` as `b-a`, if the separator stands there exactly once.
fn exchange(text: &str, separator: &str) -> Option<String> {
    let (left, right) = text.split_once(separator)?;
    (!right.contains(separator)).then(|| format!("{right}{separator}{left}"))
}

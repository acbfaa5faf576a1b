//! In-context tasks: pairs of an input and its answer, and how a prediction counts as right.
//!
//! A [`Task`] comes from the data built into the program ([`builtin`]) or from a file in one of the published formats
//! ([`load_file`]). Whatever was left out or changed on the way is said in [`Task::notes`]; nothing is dropped in silence.

mod builtin;
mod clean;
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
    /// What stands in the query, `France`.
    pub input: String,
    /// What the model should say, without the leading space: `Paris`.
    pub answer: String,
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
    /// which is unfiltered and matched by prefix.
    pub single_token: bool,
}

impl Task {
    /// BLAKE3 of the items, in order, and of the matching rule, in hexadecimal. Names, notes and the source's format do
    /// not enter, so the same data under another file name has the same hash.
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"steercheck task 1\n");
        // Each text goes in behind its length: no two item lists serialise alike.
        let mut text = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        text(self.matching.name());
        for item in &self.items {
            text(&item.input);
            text(&item.answer);
        }
        hasher.finalize().to_hex().to_string()
    }

    /// The task with inputs and answers exchanged: french-english from english-french. Where two inputs share an answer,
    /// the reversed task has one input with two answers; `quirks` says whether the later ones stay.
    #[must_use]
    pub fn reversed(&self, quirks: Quirks) -> Task {
        let swapped = self.items.iter().map(|item| Item { input: item.answer.clone(), answer: item.input.clone() });
        let (items, mut notes) = clean::unrepeated(swapped.collect(), quirks);
        notes.insert(0, format!("reversed from {}", self.name));
        Task {
            name: exchange(&self.name, "-").unwrap_or_else(|| format!("{}-reversed", self.name)),
            title: exchange(&self.title, " to ").unwrap_or_else(|| format!("{}, reversed", self.title)),
            items,
            matching: self.matching,
            notes,
            single_token: self.single_token,
        }
    }
}

/// `a-b` as `b-a`, if the separator stands there exactly once.
fn exchange(text: &str, separator: &str) -> Option<String> {
    let (left, right) = text.split_once(separator)?;
    (!right.contains(separator)).then(|| format!("{right}{separator}{left}"))
}

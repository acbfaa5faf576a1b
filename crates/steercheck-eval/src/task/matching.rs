use serde::{Deserialize, Serialize};

/// How a predicted text counts as right (methods.md §3). In every case the prediction is cut at its first line break and
/// stripped of whitespace at both ends; case and accents count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Match {
    /// The prediction equals the answer.
    #[default]
    Exact,
    /// Either text, not empty, is a prefix of the other: `Port` counts for `Port Louis`. The rule of country-capital,
    /// whose answers are not filtered by length.
    Prefix,
    /// The two are equal or in one set of synonyms: the rule of translation. No synonym table is shipped yet, so only
    /// equality counts; the variant keeps the records of translation tasks apart from [`Match::Exact`].
    Synonyms,
    /// The most probable token is the answer's first, by its id: the rule of function vectors, whose answers are not filtered by
    /// length. Of texts, only an answer of one token can be told apart.
    FirstToken,
}

impl Match {
    /// Whether `predicted` counts as right where `answer` is expected.
    pub fn accepts(self, predicted: &str, answer: &str) -> bool {
        let predicted = predicted.split('\n').next().unwrap_or_default().trim();
        let answer = answer.trim();
        match self {
            Match::Exact | Match::Synonyms | Match::FirstToken => predicted == answer,
            Match::Prefix => {
                !predicted.is_empty()
                    && !answer.is_empty()
                    && (predicted.starts_with(answer) || answer.starts_with(predicted))
            }
        }
    }

    /// The name in records and hashes.
    pub fn name(self) -> &'static str {
        match self {
            Match::Exact => "exact",
            Match::Prefix => "prefix",
            Match::Synonyms => "synonyms",
            Match::FirstToken => "first token",
        }
    }
}

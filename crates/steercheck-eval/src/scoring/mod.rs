//! Questions whose answers are scored as continuations: `TruthfulQA`, FACTOR, and files in their forms.

mod error;
pub mod grid;
mod load;
mod metrics;
mod run;

pub use error::ScoringError;
pub use load::{builtin_set, load_set};
pub use metrics::{Completions, MultipleChoice};
pub use run::{AnswerScore, Asked, ScoredQuestion, answer_score};

/// What counts as right, and how answers stand behind a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// True and false answers to a question (`TruthfulQA`, Lin et al. 2022): right if the best answer is more probable than every false one.
    MultipleChoice,
    /// A factual completion against others (FACTOR, Muhlgay et al. 2024): right if it is more probable than every other.
    Completion,
}

/// An answer as it follows its question, leading space and final period included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The continuation.
    pub text: String,
    /// Whether it is true.
    pub is_true: bool,
}

/// A question and its answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What people are shown: the question, or the last words of a prefix.
    pub title: String,
    /// What stands behind the primer and before an answer.
    pub prompt: String,
    /// The best answer first.
    pub answers: Vec<Answer>,
}

impl Question {
    /// Whether each answer is true, the best first.
    pub fn truth(&self) -> Vec<bool> {
        self.answers.iter().map(|answer| answer.is_true).collect()
    }
}

/// A set of questions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuestionSet {
    /// Name on the command line and in records.
    pub name: String,
    /// What counts as right.
    pub kind: Kind,
    /// What stands before every question; may be empty.
    pub primer: String,
    /// The questions, in the order of their source.
    pub questions: Vec<Question>,
    /// What was dropped or changed, one sentence each.
    pub notes: Vec<String>,
}

impl QuestionSet {
    /// Some of the questions, by their places.
    #[must_use]
    pub fn some(&self, places: &[usize]) -> Self {
        Self { questions: places.iter().map(|i| self.questions[*i].clone()).collect(), ..self.clone() }
    }

    /// BLAKE3 of everything that is asked and of what counts as right, in hexadecimal.
    pub fn hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"steercheck questions 1\n");
        let mut text = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        text(match self.kind {
            Kind::MultipleChoice => "multiple-choice",
            Kind::Completion => "completion",
        });
        text(&self.primer);
        for question in &self.questions {
            text(&question.prompt);
            text(&question.answers.len().to_string());
            for answer in &question.answers {
                text(if answer.is_true { "true" } else { "false" });
                text(&answer.text);
            }
        }
        hasher.finalize().to_hex().to_string()
    }
}

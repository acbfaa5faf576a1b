use std::path::PathBuf;

/// Why a set of questions could not be had. Each text is one sentence that ends in what to do.
#[derive(Debug, thiserror::Error)]
pub enum ScoringError {
    /// The file cannot be read.
    #[error("the question file {} cannot be read ({reason}): check the path", .path.display())]
    Unreadable {
        /// The path asked for.
        path: PathBuf,
        /// What the system says.
        reason: std::io::Error,
    },
    /// The file is not text.
    #[error("{file} is not UTF-8 text (first wrong byte at offset {offset}): save it as UTF-8")]
    NotUtf8 {
        /// The file, as given.
        file: String,
        /// Bytes before the first wrong one.
        offset: usize,
    },
    /// The first line has the columns of no known form.
    #[error(
        "{file} has no columns that are known (found: {found}): a question file is TruthfulQA's CSV (Question, Best Answer, Correct Answers, Incorrect \
         Answers), FACTOR's (full_prefix or turncated_prefixes, completion, contradiction_0 …), or JSON Lines of question, best, true, false"
    )]
    UnknownColumns {
        /// The file, as given.
        file: String,
        /// The columns of the first line.
        found: String,
    },
    /// A row cannot be read.
    #[error("{file}, {place}: {problem}; correct that row, or remove it")]
    Row {
        /// The file, as given.
        file: String,
        /// Where in it.
        place: String,
        /// What is wrong there.
        problem: String,
    },
    /// There is nothing in it.
    #[error("{file} has no questions: give one row at least")]
    Empty {
        /// The file, as given.
        file: String,
    },
}

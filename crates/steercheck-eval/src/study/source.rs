//! What a name of a task stands for.

use std::path::Path;

use crate::error::EvalError;
use crate::scoring::{QuestionSet, builtin_set, load_set};
use crate::task::{self, LoadOptions, Quirks, Task};

/// Something to ask.
#[derive(Debug, Clone)]
pub enum Source {
    /// Items behind demonstrations.
    Task(Task),
    /// Questions whose answers are scored.
    Set(QuestionSet),
}

impl Source {
    /// A task or a set of questions by its built-in name, or from a file; relative paths are taken from `folder`.
    pub fn find(name: &str, quirks: Quirks, folder: &Path) -> Result<Self, EvalError> {
        if let Some(set) = builtin_set(name) {
            return Ok(Self::Set(set?));
        }
        let path = folder.join(name);
        if !Self::is_file(name, folder) {
            return Ok(Self::Task(task::builtin(name)?));
        }
        if is_question_file(&path) {
            return Ok(Self::Set(load_set(&path)?));
        }
        Ok(Self::Task(task::load_file(&path, LoadOptions { quirks, ..LoadOptions::default() })?))
    }

    /// Whether a name is that of a file in `folder`, which need not be there, and not a built-in one.
    pub fn is_file(name: &str, folder: &Path) -> bool {
        let looks = Path::new(name).extension().is_some() || name.contains(['/', '\\']);
        builtin_set(name).is_none() && (looks || folder.join(name).is_file())
    }

    /// The task; none of a set of questions.
    pub fn task(&self) -> Option<&Task> {
        match self {
            Self::Task(task) => Some(task),
            Self::Set(_) => None,
        }
    }

    /// The name in records.
    pub fn name(&self) -> &str {
        match self {
            Self::Task(task) => &task.name,
            Self::Set(set) => &set.name,
        }
    }
}

/// Whether a file holds questions with true and false answers, or completions: CSV, or JSON Lines of `question`.
fn is_question_file(path: &Path) -> bool {
    let ends = |ending: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending));
    let first = || {
        use std::io::BufRead;
        let file = std::fs::File::open(path).ok()?;
        std::io::BufReader::new(file).lines().map_while(Result::ok).find(|line| !line.trim().is_empty())
    };
    ends("csv") || (ends("jsonl") && first().is_some_and(|line| line.contains("\"question\"")))
}

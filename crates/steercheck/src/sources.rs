//! Where tasks and sets of questions come from: names and files on the command line.

use std::path::Path;

use steercheck_eval::scoring::{QuestionSet, builtin_set, load_set};
use steercheck_eval::task::{self, LoadOptions, Quirks, Task};
use steercheck_eval::{EvalError, Protocol};

use crate::arguments::{CheckOptions, MethodName};
use crate::error::CliError;

/// The questions of a check of `DoLa` that names none.
const DEFAULT_SET: &str = "misconceptions";
/// The tasks of a check that names none.
const DEFAULT_TASKS: [&str; 4] = ["present-past", "singular-plural", "capitalise", "country-capital"];

/// What is asked: tasks with demonstrations, and sets of questions.
pub(crate) struct Asked {
    pub(crate) tasks: Vec<Task>,
    pub(crate) sets: Vec<QuestionSet>,
}

pub(crate) fn asked(options: &CheckOptions, protocol: &Protocol) -> Result<Asked, CliError> {
    let only_dola = options.methods == [MethodName::Dola];
    let names: Vec<&str> = match (options.tasks.is_empty(), &options.methods[..]) {
        (true, _) if only_dola => vec![DEFAULT_SET],
        (true, methods) if methods.contains(&MethodName::Dola) => {
            DEFAULT_TASKS.iter().copied().chain([DEFAULT_SET]).collect()
        }
        (true, _) => DEFAULT_TASKS.to_vec(),
        (false, _) => options.tasks.iter().map(|t| t.trim()).collect(),
    };
    let mut out = Asked { tasks: Vec::new(), sets: Vec::new() };
    for name in names {
        let name = match source(name, protocol.quirks)? {
            Source::Set(set) => {
                let name = set.name.clone();
                out.sets.push(set);
                name
            }
            Source::Task(task) => {
                let name = task.name.clone();
                out.tasks.push(task);
                name
            }
        };
        let all = out.tasks.iter().map(|t| &t.name).chain(out.sets.iter().map(|s| &s.name));
        if all.filter(|other| **other == name).count() > 1 {
            return Err(CliError::Usage(format!("task '{name}' is asked for twice; name each once")));
        }
    }
    let says = |what: &str| Err(CliError::Usage(what.to_string()));
    if options.methods.contains(&MethodName::Dola) && out.sets.is_empty() {
        return says(
            "DoLa scores sets of questions, and none is named; add misconceptions, or a file of TruthfulQA or FACTOR, to --tasks",
        );
    }
    if out.tasks.is_empty() && (options.vector.is_some() || options.methods.iter().any(|m| *m != MethodName::Dola)) {
        return says("sets of questions are for DoLa; name a task for the other methods, or use --methods dola");
    }
    Ok(out)
}

/// What a name stands for.
pub(crate) enum Source {
    Task(Task),
    Set(QuestionSet),
}

/// A task or a set of questions by its name, or from a file.
pub(crate) fn source(name: &str, quirks: Quirks) -> Result<Source, CliError> {
    let path = Path::new(name);
    let is_file = path.extension().is_some() || name.contains(['/', '\\']) || path.is_file();
    if let Some(set) = builtin_set(name) {
        return Ok(Source::Set(set.map_err(EvalError::from)?));
    }
    if is_file && is_question_file(path) {
        return Ok(Source::Set(load_set(path).map_err(EvalError::from)?));
    }
    Ok(Source::Task(if is_file {
        task::load_file(path, LoadOptions { quirks, ..LoadOptions::default() })?
    } else {
        task::builtin(name)?
    }))
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

//! Where tasks and sets of questions come from: names and files on the command line.

use std::path::Path;

use steercheck_eval::Protocol;
use steercheck_eval::study::Source;

use crate::arguments::{CheckOptions, MethodName};
use crate::error::CliError;

/// The questions of a check of `DoLa` that names none.
const DEFAULT_SET: &str = "misconceptions";
/// The tasks of a check that names none.
const DEFAULT_TASKS: [&str; 4] = ["present-past", "singular-plural", "capitalise", "country-capital"];

/// What is asked: tasks with demonstrations, and sets of questions.
pub(crate) struct Asked {
    pub(crate) tasks: Vec<Source>,
    pub(crate) sets: Vec<Source>,
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
        let source = Source::find(name, protocol.quirks, Path::new(""))?;
        let all = out.tasks.iter().chain(&out.sets).map(Source::name);
        if all.filter(|other| *other == source.name()).count() > 0 {
            return Err(CliError::Usage(format!("task '{}' is asked for twice; name each once", source.name())));
        }
        match source {
            Source::Set(_) => out.sets.push(source),
            Source::Task(_) => out.tasks.push(source),
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

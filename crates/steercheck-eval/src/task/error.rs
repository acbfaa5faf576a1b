use std::fmt;
use std::io;
use std::path::PathBuf;

use super::builtin::builtin_names;

/// Why a task could not be had. Each text is one sentence that ends in what to do.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// No built-in task has this name.
    #[error("there is no built-in task \"{name}\"{}; the built-in tasks are {}", did_you_mean(.suggestion.as_deref()), builtin_names().join(", "))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The nearest built-in name, if one is near.
        suggestion: Option<&'static str>,
    },
    /// The file is not there.
    #[error("the task file {} does not exist: check the path, or name a built-in task ({})", .path.display(), builtin_names().join(", "))]
    Missing {
        /// The path asked for.
        path: PathBuf,
    },
    /// The file is there but cannot be read.
    #[error("the task file {} cannot be read ({reason}): give a file that this user may read", .path.display())]
    Unreadable {
        /// The path asked for.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// The file is not text.
    #[error("{file} is not UTF-8 text (first wrong byte at offset {offset}): save it as UTF-8")]
    NotUtf8 {
        /// The file, as given.
        file: String,
        /// Bytes before the first wrong one.
        offset: usize,
    },
    /// The text is not JSON.
    #[error(
        "{file} is not valid JSON ({reason}): correct it there, or name the file .tsv if it holds tab-separated lines"
    )]
    NotJson {
        /// The file, as given.
        file: String,
        /// What the JSON reader says, with line and column.
        reason: String,
    },
    /// The JSON is neither a list nor an object.
    #[error(
        "{file} holds {found}: a task file is a list of {{\"input\", \"output\"}} objects or one object from input to output"
    )]
    WrongShape {
        /// The file, as given.
        file: String,
        /// The kind of JSON value found.
        found: &'static str,
    },
    /// An entry of a list or a line of JSON Lines is not an object.
    #[error("{file}, {place}: found {found}, write an object {{\"input\": \"...\", \"output\": \"...\"}} instead")]
    NotAnObject {
        /// The file, as given.
        file: String,
        /// Where in the file.
        place: Place,
        /// The kind of JSON value found.
        found: &'static str,
    },
    /// An entry lacks its input or its output.
    #[error("{file}, {place}: there is no \"{field}\"; add it or remove the entry")]
    NoField {
        /// The file, as given.
        file: String,
        /// Where in the file.
        place: Place,
        /// What is not there.
        field: Field,
    },
    /// An input or output is not text.
    #[error("{file}, {place}: the {field} is {found}; write it as text in double quotes")]
    WrongType {
        /// The file, as given.
        file: String,
        /// Where in the file.
        place: Place,
        /// Which of the two.
        field: Field,
        /// The kind of JSON value found.
        found: &'static str,
    },
    /// An input or output is empty or only whitespace.
    #[error("{file}, {place}: the {field} is empty; fill it in or remove the entry")]
    Empty {
        /// The file, as given.
        file: String,
        /// Where in the file.
        place: Place,
        /// Which of the two.
        field: Field,
    },
    /// A tab-separated line has not exactly two columns.
    #[error("{file}, {place}: found {found} column(s); write the input, one tab and the output")]
    Columns {
        /// The file, as given.
        file: String,
        /// Where in the file.
        place: Place,
        /// How many columns the line has.
        found: usize,
    },
    /// Nothing is left to ask.
    #[error("{file} holds no items: give at least one pair of input and output")]
    NoItems {
        /// The file, as given.
        file: String,
    },
}

/// Where in a task file, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A line of a tab-separated or JSON Lines file.
    Line(usize),
    /// An entry of a JSON list or object.
    Entry(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Line(number) => write!(out, "line {number}"),
            Place::Entry(number) => write!(out, "entry {number}"),
        }
    }
}

/// One of the two texts of an entry, by its name in the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The text of the query.
    Input,
    /// The answer; the published files call it output.
    Output,
}

impl fmt::Display for Field {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Field::Input => "input",
            Field::Output => "output",
        })
    }
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map(|name| format!(" (did you mean {name}?)")).unwrap_or_default()
}

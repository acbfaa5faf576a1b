use std::fmt;
use std::io;
use std::path::PathBuf;

use serde_json::Number;

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
        "{file} holds {found}: a task file is a list of {{\"input\", \"output\"}} or {{\"prompt\", \"answer\", \"choices\"}} objects, or one object from input to output"
    )]
    WrongShape {
        /// The file, as given.
        file: String,
        /// The kind of JSON value found.
        found: &'static str,
    },
    /// An entry of a list or a line of JSON Lines is not an object.
    #[error(
        "{file}, {place}: found {found}, write an object {{\"input\": \"...\", \"output\": \"...\"}} or {{\"prompt\": \"...\", \"answer\": \"...\"}} instead"
    )]
    NotAnObject {
        /// The file, as given.
        file: String,
        /// Where in the file.
        place: Place,
        /// The kind of JSON value found.
        found: &'static str,
    },
    /// An entry lacks one of its texts.
    #[error("{file}, {place}: there is no \"{field}\"; add it or remove the entry")]
    NoField {
        /// The file, as given.
        file: String,
        /// Where in the file.
        place: Place,
        /// What is not there.
        field: Field,
    },
    /// A text is something else.
    #[error("{file}, {place}: the {field} is {found}; write it as text in double quotes")]
    WrongType {
        /// The file, as given.
        file: String,
        /// Where in the file.
        place: Place,
        /// Which of its texts.
        field: Field,
        /// The kind of JSON value found.
        found: &'static str,
    },
    /// A text is empty or only whitespace.
    #[error("{file}, {place}: the {field} is empty; fill it in or remove the entry")]
    Empty {
        /// The file, as given.
        file: String,
        /// Where in the file.
        place: Place,
        /// Which of its texts.
        field: Field,
    },
    /// An entry has a key that means nothing here: a typo must not be passed over.
    #[error(
        "{file}, {place}: the key \"{}\" is not known{}; an entry has \"input\" and \"output\", or \"prompt\", \"answer\" and, where there are any, \"choices\": rename or remove it",
        shortened(.key), did_you_mean_key(*.suggestion)
    )]
    UnknownKey {
        /// The file, as given.
        file: String,
        /// Where in the file.
        place: Place,
        /// The key.
        key: String,
        /// The key that may be meant.
        suggestion: Option<Field>,
    },
    /// Entries of one file are laid out in different ways.
    #[error("{file}, {place}: this entry has {found} and {first} has {expected}; write all entries of a file alike")]
    Mixed {
        /// The file, as given.
        file: String,
        /// Where in the file.
        place: Place,
        /// How this entry is laid out.
        found: &'static str,
        /// The first entry.
        first: Place,
        /// How the first one is laid out.
        expected: &'static str,
    },
    /// An answer is a number and there is nothing to count.
    #[error(
        "{file}, {place}: the answer is the number {number}; write it as text in double quotes (an index, counted from 0, needs \"choices\")"
    )]
    IndexOfNothing {
        /// The file, as given.
        file: String,
        /// Where in the file.
        place: Place,
        /// The number.
        number: Number,
    },
    /// Choices are not a list.
    #[error("{file}, {place}: \"choices\" is {found}; write a list of texts, [\"...\", \"...\"]")]
    NoList {
        /// The file, as given.
        file: String,
        /// Where in the file.
        place: Place,
        /// The kind of JSON value found.
        found: &'static str,
    },
    /// Nothing can be chosen.
    #[error("{file}, {place}: found {found} choice(s); give two or more, or leave \"choices\" out")]
    TooFewChoices {
        /// The file, as given.
        file: String,
        /// Where in the file.
        place: Place,
        /// How many there are.
        found: usize,
    },
    /// Two choices are the same but for whitespace around them.
    #[error("{file}, {place}: the choice \"{}\" stands there twice; remove one", shortened(.choice))]
    EqualChoices {
        /// The file, as given.
        file: String,
        /// Where in the file.
        place: Place,
        /// The choice.
        choice: String,
    },
    /// The answer is none of the choices.
    #[error(
        "{file}, {place}: the answer \"{}\" is not among the choices{}; write one of them as it stands there ({}) or its index, a number counted from 0",
        shortened(.answer), did_you_mean_text(.suggestion.as_deref()), listed(.choices)
    )]
    NotAChoice {
        /// The file, as given.
        file: String,
        /// Where in the file.
        place: Place,
        /// The answer.
        answer: String,
        /// The choice most like it, if one is.
        suggestion: Option<String>,
        /// All choices.
        choices: Vec<String>,
    },
    /// The answer is an index of no choice.
    #[error("{file}, {place}: the answer {number} is no index of {count} choices, which count from 0 to {}", .count - 1)]
    NoSuchChoice {
        /// The file, as given.
        file: String,
        /// Where in the file.
        place: Place,
        /// The number.
        number: Number,
        /// How many choices there are.
        count: usize,
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

/// A part of an entry, by its name in the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The text of the query.
    Input,
    /// The answer; the published files call it output.
    Output,
    /// A whole prompt.
    Prompt,
    /// What should follow a prompt.
    Answer,
    /// The texts that may follow, the answer among them.
    Choices,
    /// One of the choices, counted from 1.
    Choice(usize),
}

impl fmt::Display for Field {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Field::Input => "input",
            Field::Output => "output",
            Field::Prompt => "prompt",
            Field::Answer => "answer",
            Field::Choices => "choices",
            Field::Choice(number) => return write!(out, "choice number {number}"),
        })
    }
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map(|name| format!(" (did you mean {name}?)")).unwrap_or_default()
}

fn did_you_mean_key(suggestion: Option<Field>) -> String {
    suggestion.map(|field| format!(" (did you mean \"{field}\"?)")).unwrap_or_default()
}

fn did_you_mean_text(suggestion: Option<&str>) -> String {
    suggestion.map(|text| format!(" (did you mean \"{}\"?)", shortened(text))).unwrap_or_default()
}

/// Characters of a text, and texts of a list, that a message quotes.
const QUOTED: usize = 60;
const LISTED: usize = 5;

/// A text in one line, and its beginning if it is long.
pub(super) fn shortened(text: &str) -> String {
    let beginning: String = text.chars().take(QUOTED).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(QUOTED).is_some() { beginning + "..." } else { beginning }
}

/// `"a", "b" and 3 more`.
fn listed(texts: &[String]) -> String {
    let first: Vec<String> = texts.iter().take(LISTED).map(|text| format!("\"{}\"", shortened(text))).collect();
    match texts.len() - first.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

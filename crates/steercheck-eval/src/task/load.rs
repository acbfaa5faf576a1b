//! Task files: the formats of the function-vector and task-vector data sets, JSON Lines and tab-separated lines.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::clean::cleaned;
use super::error::TaskError;
use super::matching::Match;
use super::parse::{Format, parse};
use super::{Style, Task};

/// What happens to the known faults of the published files: a header row left in as data (`"en": "fr"`), a second answer
/// for an input, and whitespace around a text. Exact repeats of a row are dropped either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quirks {
    /// They stay, as the published programs read them: the `study` protocol. In an object that repeats a key, the last
    /// value stands at the key's first place, as in a Python dictionary.
    Keep,
    /// The header goes, the first answer of an input stands, texts are trimmed: the `rigorous` protocol.
    #[default]
    Drop,
}

/// How a task file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoadOptions {
    /// What to do with the known faults of published files.
    pub quirks: Quirks,
    /// The matching rule; none: by prefix for prompts and for a file named country-capital (or `country_capital`), whose
    /// answers may have many tokens, else exact.
    pub matching: Option<Match>,
}

/// Reads a task file. The extensions `.tsv` and `.tab` are tab-separated lines of input and output, `.jsonl` and
/// `.ndjson` are JSON Lines; anything else is told by its content: a JSON list, a JSON object from input to output, or one
/// of the former.
///
/// Entries of a list and of JSON Lines are pairs or prompts, all of one file alike:
/// * `{"input": "France", "output": "Paris"}`: a method's template makes a prompt of it.
/// * `{"prompt": "The capital of France is", "answer": "Paris"}`: asked as it stands.
/// * `{"prompt": …, "answer": "Paris", "choices": ["Paris", "Rome"]}`: the model chooses. The answer is one of the choices, or
///   its index counted from 0.
///
/// Any other key is an error: nothing misspelt is passed over.
pub fn load_file(path: &Path, options: LoadOptions) -> Result<Task, TaskError> {
    let bytes = fs::read(path).map_err(|reason| match reason.kind() {
        ErrorKind::NotFound => TaskError::Missing { path: path.to_owned() },
        _ => TaskError::Unreadable { path: path.to_owned(), reason },
    })?;
    load_bytes(&path.display().to_string(), &bytes, options)
}

/// As [`load_file`], for a file already in memory; `file` gives the task's name and the format, and stands in errors.
pub fn load_bytes(file: &str, bytes: &[u8], options: LoadOptions) -> Result<Task, TaskError> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| TaskError::NotUtf8 { file: file.to_owned(), offset: error.valid_up_to() })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let path = Path::new(file);
    let parsed = parse(file, text, Format::of(path, text))?;
    let style = parsed.style;
    let (items, notes) = cleaned(file, parsed, options.quirks)?;
    let name = canonical_name(&path.file_stem().unwrap_or_default().to_string_lossy());
    let single_token = style == Style::Pairs && name != "country-capital";
    let usual = if single_token { Match::Exact } else { Match::Prefix };
    Ok(Task {
        title: name.replace('-', " "),
        name,
        items,
        matching: options.matching.unwrap_or(usual),
        notes,
        single_token,
        style,
    })
}

/// `Country_Capital` as `country-capital`.
pub(super) fn canonical_name(name: &str) -> String {
    name.trim().to_lowercase().replace(['_', ' '], "-")
}

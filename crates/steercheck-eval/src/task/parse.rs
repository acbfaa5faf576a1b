//! From the text of a task file to its rows, in file order and with nothing dropped.

use std::fmt;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::entry::{Reader, is_entry, kind};
use super::error::{Place, TaskError};
use super::{Item, Style};

/// How a task file is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    JsonLines,
    Tsv,
}

impl Format {
    pub(super) fn of(path: &Path, text: &str) -> Format {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        match extension.as_str() {
            "tsv" | "tab" => Format::Tsv,
            "jsonl" | "ndjson" => Format::JsonLines,
            "json" => Format::Json,
            _ if text.trim_start().starts_with(['[', '{']) => Format::Json,
            _ if text.lines().next().is_some_and(|line| line.contains('\t')) => Format::Tsv,
            _ => Format::Json,
        }
    }
}

/// Whether a repeated input is a second row, or the same key of one object again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Rows,
    Mapping,
}

/// The rows of a file and what had to be decided to read them.
pub(super) struct Parsed {
    pub(super) rows: Vec<(Place, Item)>,
    pub(super) shape: Shape,
    pub(super) style: Style,
    pub(super) notes: Vec<String>,
}

pub(super) fn parse(file: &str, text: &str, format: Format) -> Result<Parsed, TaskError> {
    if text.trim().is_empty() {
        return Err(TaskError::NoItems { file: file.to_owned() });
    }
    match format {
        Format::Tsv => tsv(file, text),
        Format::JsonLines => json_lines(file, text),
        Format::Json if text.trim_start().starts_with('{') => json_object(file, text),
        Format::Json => json_list(file, text),
    }
}

/// The non-blank lines with their places.
fn lines(text: &str) -> impl Iterator<Item = (Place, &str)> {
    let numbered = text.lines().enumerate().map(|(index, line)| (Place::Line(index + 1), line));
    numbered.filter(|(_, line)| !line.trim().is_empty())
}

fn tsv(file: &str, text: &str) -> Result<Parsed, TaskError> {
    let mut rows = Vec::new();
    let mut notes = Vec::new();
    for (place, line) in lines(text) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [input, answer] = columns[..] else {
            return Err(TaskError::Columns { file: file.to_owned(), place, found: columns.len() });
        };
        // Column names are no fault of a published file: those that have a header row name languages.
        if rows.is_empty() && notes.is_empty() && input == "input" && matches!(answer, "output" | "answer") {
            notes.push(format!("{place}: skipped the column names \"{input}\" and \"{answer}\""));
        } else {
            rows.push((place, Item::pair(input, answer)));
        }
    }
    Ok(Parsed { rows, shape: Shape::Rows, style: Style::Pairs, notes })
}

fn json_lines(file: &str, text: &str) -> Result<Parsed, TaskError> {
    let mut reader = Reader::new(file);
    let mut rows = Vec::new();
    for (place, line) in lines(text) {
        let value = serde_json::from_str(line)
            .map_err(|error| TaskError::NotJson { file: file.to_owned(), reason: format!("{place}: {error}") })?;
        rows.push((place, reader.entry(place, value)?));
    }
    Ok(Parsed { rows, shape: Shape::Rows, style: reader.style(), notes: reader.notes() })
}

fn json_list(file: &str, text: &str) -> Result<Parsed, TaskError> {
    let value = serde_json::from_str(text).map_err(|error| not_json(file, &error))?;
    let Value::Array(entries) = value else {
        return Err(TaskError::WrongShape { file: file.to_owned(), found: kind(&value) });
    };
    let mut reader = Reader::new(file);
    let mut rows = Vec::with_capacity(entries.len());
    for (index, entry) in entries.into_iter().enumerate() {
        let place = Place::Entry(index + 1);
        rows.push((place, reader.entry(place, entry)?));
    }
    Ok(Parsed { rows, shape: Shape::Rows, style: reader.style(), notes: reader.notes() })
}

fn json_object(file: &str, text: &str) -> Result<Parsed, TaskError> {
    let pairs = match serde_json::from_str::<Pairs>(text) {
        Ok(Pairs(pairs)) => pairs,
        // Not one object: if the first line is one by itself, the file is JSON Lines under another name.
        Err(_) if lines(text).next().is_some_and(|(_, line)| serde_json::from_str::<Pairs>(line).is_ok()) => {
            return json_lines(file, text);
        }
        Err(error) => return Err(not_json(file, &error)),
    };
    let mut reader = Reader::new(file);
    if is_entry(&pairs) {
        let place = Place::Entry(1);
        let item = reader.entry(place, Value::Object(pairs.into_iter().collect()))?;
        let rows = vec![(place, item)];
        return Ok(Parsed { rows, shape: Shape::Rows, style: reader.style(), notes: reader.notes() });
    }
    let mut rows = Vec::with_capacity(pairs.len());
    for (index, (input, output)) in pairs.into_iter().enumerate() {
        let place = Place::Entry(index + 1);
        rows.push((place, reader.pair(place, Value::String(input), output)?));
    }
    Ok(Parsed { rows, shape: Shape::Mapping, style: Style::Pairs, notes: reader.notes() })
}

fn not_json(file: &str, error: &serde_json::Error) -> TaskError {
    TaskError::NotJson { file: file.to_owned(), reason: error.to_string() }
}

/// The entries of a JSON object in file order, repeated keys included; `serde_json::Map` would keep only the last.
struct Pairs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor)
    }
}

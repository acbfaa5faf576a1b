//! From the text of a task file to its rows, in file order and with nothing dropped.

use std::fmt;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::Item;
use super::error::{Field, Place, TaskError};

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
            rows.push((place, Item { input: input.to_owned(), answer: answer.to_owned() }));
        }
    }
    Ok(Parsed { rows, shape: Shape::Rows, notes })
}

fn json_lines(file: &str, text: &str) -> Result<Parsed, TaskError> {
    let mut reader = Reader::new(file);
    let mut rows = Vec::new();
    for (place, line) in lines(text) {
        let value = serde_json::from_str(line)
            .map_err(|error| TaskError::NotJson { file: file.to_owned(), reason: format!("{place}: {error}") })?;
        rows.push((place, reader.record(place, value)?));
    }
    Ok(Parsed { rows, shape: Shape::Rows, notes: reader.notes() })
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
        rows.push((place, reader.record(place, entry)?));
    }
    Ok(Parsed { rows, shape: Shape::Rows, notes: reader.notes() })
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
    // An object with these two keys alone is one record, not the mapping of the word "input".
    if let [(first, input), (second, output)] = &pairs[..]
        && (first.as_str(), second.as_str()) == ("input", "output")
    {
        let place = Place::Entry(1);
        let item = reader.item(place, input.clone(), output.clone())?;
        return Ok(Parsed { rows: vec![(place, item)], shape: Shape::Rows, notes: reader.notes() });
    }
    let mut rows = Vec::with_capacity(pairs.len());
    for (index, (input, output)) in pairs.into_iter().enumerate() {
        let place = Place::Entry(index + 1);
        rows.push((place, reader.item(place, Value::String(input), output)?));
    }
    Ok(Parsed { rows, shape: Shape::Mapping, notes: reader.notes() })
}

/// Takes items out of JSON values and remembers which ones listed several answers.
struct Reader<'a> {
    file: &'a str,
    several: Vec<Place>,
}

impl<'a> Reader<'a> {
    fn new(file: &'a str) -> Self {
        Reader { file, several: Vec::new() }
    }

    fn record(&mut self, place: Place, value: Value) -> Result<Item, TaskError> {
        let Value::Object(mut fields) = value else {
            return Err(TaskError::NotAnObject { file: self.file.to_owned(), place, found: kind(&value) });
        };
        let mut take = |field: Field| {
            let value = fields.get_mut(&field.to_string()).map(Value::take);
            value.ok_or_else(|| TaskError::NoField { file: self.file.to_owned(), place, field })
        };
        let (input, output) = (take(Field::Input)?, take(Field::Output)?);
        self.item(place, input, output)
    }

    fn item(&mut self, place: Place, input: Value, output: Value) -> Result<Item, TaskError> {
        let output = match output {
            Value::Array(answers) => {
                if answers.len() > 1 {
                    self.several.push(place);
                }
                let first = answers.into_iter().next();
                first.ok_or_else(|| TaskError::Empty { file: self.file.to_owned(), place, field: Field::Output })?
            }
            single => single,
        };
        let text = |field: Field, value: Value| match value {
            Value::String(text) => Ok(text),
            other => Err(TaskError::WrongType { file: self.file.to_owned(), place, field, found: kind(&other) }),
        };
        Ok(Item { input: text(Field::Input, input)?, answer: text(Field::Output, output)? })
    }

    fn notes(self) -> Vec<String> {
        let count = self.several.len();
        let entries = if count == 1 { "entry lists" } else { "entries list" };
        let note = self
            .several
            .first()
            .map(|place| format!("{count} {entries} several answers, of which the first is used (first: {place})"));
        note.into_iter().collect()
    }
}

fn not_json(file: &str, error: &serde_json::Error) -> TaskError {
    TaskError::NotJson { file: file.to_owned(), reason: error.to_string() }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
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

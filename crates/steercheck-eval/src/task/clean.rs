//! From the rows of a file to items fit to ask, with a note for everything changed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use super::error::{Field, Place, TaskError, shortened};
use super::load::Quirks;
use super::parse::{Parsed, Shape};
use super::{Item, Style};

/// Languages that a header row or a file's name may speak of, by code and English name.
const LANGUAGES: [(&str, &str); 13] = [
    ("ar", "arabic"),
    ("de", "german"),
    ("en", "english"),
    ("es", "spanish"),
    ("fr", "french"),
    ("it", "italian"),
    ("ja", "japanese"),
    ("ko", "korean"),
    ("nl", "dutch"),
    ("pl", "polish"),
    ("pt", "portuguese"),
    ("ru", "russian"),
    ("zh", "chinese"),
];

/// How many cases a note quotes.
const QUOTED: usize = 3;

pub(super) fn cleaned(file: &str, parsed: Parsed, quirks: Quirks) -> Result<(Vec<Item>, Vec<String>), TaskError> {
    let Parsed { mut rows, shape, style, mut notes } = parsed;
    refuse_empty(file, &rows, style)?;
    if quirks == Quirks::Drop {
        notes.extend(trim(&mut rows, style));
    }
    match style {
        Style::Pairs => notes.extend(header(file, &mut rows, quirks)),
        Style::Prompts => notes.extend(open_ended(&rows)),
    }
    if rows.is_empty() {
        return Err(TaskError::NoItems { file: file.to_owned() });
    }
    let items = rows.into_iter().map(|(_, item)| item).collect();
    let (items, repeats) = match (shape, quirks) {
        (Shape::Mapping, Quirks::Keep) => as_python_reads(items),
        _ => unrepeated(items, quirks, style),
    };
    notes.extend(repeats);
    Ok((items, notes))
}

/// Choices were looked at when they were read.
fn refuse_empty(file: &str, rows: &[(Place, Item)], style: Style) -> Result<(), TaskError> {
    let (asked, answered) = match style {
        Style::Pairs => (Field::Input, Field::Output),
        Style::Prompts => (Field::Prompt, Field::Answer),
    };
    for (place, item) in rows {
        for (field, text) in [(asked, &item.input), (answered, &item.answer)] {
            if text.trim().is_empty() {
                return Err(TaskError::Empty { file: file.to_owned(), place: *place, field });
            }
        }
    }
    Ok(())
}

/// Prompts stand as they are: whitespace at their end is part of what the model is asked.
fn trim(rows: &mut [(Place, Item)], style: Style) -> Option<String> {
    let mut places = Vec::new();
    for (place, item) in rows {
        let input = match style {
            Style::Pairs => item.input.trim(),
            Style::Prompts => &item.input,
        };
        let choices = item.choices.iter().map(|choice| choice.trim().to_owned()).collect();
        let trimmed = Item { input: input.to_owned(), answer: item.answer.trim().to_owned(), choices };
        if trimmed != *item {
            places.push(place.to_string());
            *item = trimmed;
        }
    }
    let said = match style {
        Style::Pairs => "trimmed whitespace around the texts of",
        Style::Prompts => "trimmed whitespace around the answers and choices of",
    };
    note(said, &places)
}

fn open_ended(rows: &[(Place, Item)]) -> Option<String> {
    let open = rows.iter().filter(|(_, item)| item.input.ends_with(char::is_whitespace));
    let places: Vec<String> = open.map(|(place, _)| place.to_string()).collect();
    note("prompts that end in whitespace, which stays, so that their answers follow without a space:", &places)
}

fn header(file: &str, rows: &mut Vec<(Place, Item)>, quirks: Quirks) -> Option<String> {
    let (place, Item { input, answer, .. }) = rows.first()?;
    if !names_languages(file, input, answer) {
        return None;
    }
    let row = format!("the header row \"{input}\" to \"{answer}\" ({place})");
    match quirks {
        Quirks::Keep => Some(format!("kept {row} as an item, as published")),
        Quirks::Drop => {
            rows.remove(0);
            Some(format!("dropped {row}, which is no item"))
        }
    }
}

/// Whether a row is the names of two languages. Codes count only where the file's name speaks of the same two: "it" to
/// "es" is a header in `it_es.json` and a translation in `en_de.json`.
fn names_languages(file: &str, input: &str, answer: &str) -> bool {
    let language = |text: &str| {
        let text = text.trim().to_lowercase();
        LANGUAGES.iter().position(|&(code, name)| text == code || text == name)
    };
    let (Some(from), Some(to)) = (language(input), language(answer)) else {
        return false;
    };
    let stem = Path::new(file).file_stem().unwrap_or_default().to_string_lossy();
    let in_file: Vec<usize> = stem.split(|c: char| !c.is_alphanumeric()).filter_map(language).collect();
    let in_full = [input, answer].iter().all(|text| text.trim().len() > 2);
    from != to && (in_full || in_file.contains(&from) && in_file.contains(&to))
}

/// Exact repeats go; further answers of an input go or stay as `quirks` says, and so do further entries of a prompt.
pub(super) fn unrepeated(items: Vec<Item>, quirks: Quirks, style: Style) -> (Vec<Item>, Vec<String>) {
    let mut seen: HashMap<String, Vec<(String, Vec<String>)>> = HashMap::new();
    let mut kept = Vec::with_capacity(items.len());
    let (mut repeats, mut conflicts) = (Vec::new(), Vec::new());
    for item in items {
        let earlier = seen.entry(item.input.clone()).or_default();
        if earlier.iter().any(|(answer, choices)| *answer == item.answer && *choices == item.choices) {
            repeats.push(quoted(&item));
            continue;
        }
        let further = !earlier.is_empty();
        earlier.push((item.answer.clone(), item.choices.clone()));
        if further {
            conflicts.push(quoted(&item));
        }
        if !further || quirks == Quirks::Keep {
            kept.push(item);
        }
    }
    let said = match (quirks, style) {
        (Quirks::Keep, Style::Pairs) => "kept further answers of an input, as published:",
        (Quirks::Drop, Style::Pairs) => "dropped further answers of an input:",
        (Quirks::Keep, Style::Prompts) => "kept further entries of a prompt:",
        (Quirks::Drop, Style::Prompts) => "dropped further entries of a prompt:",
    };
    let notes = [note("dropped exact repeats:", &repeats), note(said, &conflicts)];
    (kept, notes.into_iter().flatten().collect())
}

/// A repeated key keeps its first place and takes its last value.
fn as_python_reads(items: Vec<Item>) -> (Vec<Item>, Vec<String>) {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<Item> = Vec::with_capacity(items.len());
    let (mut repeats, mut conflicts) = (Vec::new(), Vec::new());
    for item in items {
        match places.entry(item.input.clone()) {
            Entry::Vacant(free) => {
                free.insert(kept.len());
                kept.push(item);
            }
            Entry::Occupied(taken) => {
                let first = &mut kept[*taken.get()];
                let list = if *first == item { &mut repeats } else { &mut conflicts };
                list.push(quoted(&item));
                *first = item;
            }
        }
    }
    let said = "put the last answer of a repeated key in the place of the first, as the published programs read it:";
    let notes = [note("dropped exact repeats:", &repeats), note(said, &conflicts)];
    (kept, notes.into_iter().flatten().collect())
}

fn quoted(item: &Item) -> String {
    format!("\"{}\" to \"{}\"", shortened(&item.input), shortened(&item.answer))
}

/// `dropped exact repeats: 5 (a, b, c and 2 more)`; none without cases.
fn note(what: &str, cases: &[String]) -> Option<String> {
    let first = cases[..cases.len().min(QUOTED)].join(", ");
    match cases.len() {
        0 => None,
        count if count <= QUOTED => Some(format!("{what} {count} ({first})")),
        count => Some(format!("{what} {count} ({first} and {} more)", count - QUOTED)),
    }
}

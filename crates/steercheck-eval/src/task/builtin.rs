//! The tasks whose data is part of the program (`data/`, written for this project).

use super::Task;
use super::error::TaskError;
use super::load::{LoadOptions, Quirks, load_bytes};
use super::matching::Match;

struct Builtin {
    name: &'static str,
    title: &'static str,
    data: &'static str,
    direction: Direction,
    matching: Match,
}

/// Which column of the data file is the input.
enum Direction {
    AsWritten,
    Reversed,
}

use Direction::{AsWritten, Reversed};

const fn task(
    name: &'static str,
    title: &'static str,
    data: &'static str,
    direction: Direction,
    matching: Match,
) -> Builtin {
    Builtin { name, title, data, direction, matching }
}

const CAPITALS: &str = include_str!("../../data/country-capital.tsv");
const PAST: &str = include_str!("../../data/present-past.tsv");
const ANTONYMS: &str = include_str!("../../data/antonym.tsv");
const PLURALS: &str = include_str!("../../data/singular-plural.tsv");
const CAPITALISED: &str = include_str!("../../data/capitalise.tsv");
const FRENCH: &str = include_str!("../../data/english-french.tsv");
const SPANISH: &str = include_str!("../../data/english-spanish.tsv");
const GERMAN: &str = include_str!("../../data/english-german.tsv");

/// A new built-in task is one line here and its file in `data/`.
const BUILTINS: [Builtin; 11] = [
    task("country-capital", "country to capital", CAPITALS, AsWritten, Match::Prefix),
    task("present-past", "present to past", PAST, AsWritten, Match::Exact),
    task("antonym", "word to antonym", ANTONYMS, AsWritten, Match::Exact),
    task("singular-plural", "singular to plural", PLURALS, AsWritten, Match::Exact),
    task("capitalise", "word to capitalised word", CAPITALISED, AsWritten, Match::Exact),
    task("english-french", "English to French", FRENCH, AsWritten, Match::Synonyms),
    task("french-english", "French to English", FRENCH, Reversed, Match::Synonyms),
    task("english-spanish", "English to Spanish", SPANISH, AsWritten, Match::Synonyms),
    task("spanish-english", "Spanish to English", SPANISH, Reversed, Match::Synonyms),
    task("english-german", "English to German", GERMAN, AsWritten, Match::Synonyms),
    task("german-english", "German to English", GERMAN, Reversed, Match::Synonyms),
];

static NAMES: [&str; BUILTINS.len()] = {
    let mut names = [""; BUILTINS.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = BUILTINS[index].name;
        index += 1;
    }
    names
};

/// Names that [`builtin`] knows, in the order in which they are listed to people.
pub fn builtin_names() -> &'static [&'static str] {
    &NAMES
}

/// The built-in task of this name.
pub fn builtin(name: &str) -> Result<Task, TaskError> {
    let Some(entry) = BUILTINS.iter().find(|entry| entry.name == name) else {
        return Err(TaskError::Unknown { name: name.to_owned(), suggestion: nearest(name) });
    };
    let options = LoadOptions { quirks: Quirks::Drop, matching: Some(entry.matching) };
    let file = format!("{}.tsv", entry.name);
    let loaded = load_bytes(&file, entry.data.as_bytes(), options)?;
    let task = match entry.direction {
        AsWritten => loaded,
        Reversed => {
            let written = super::exchange(entry.name, "-").unwrap_or_else(|| entry.name.to_owned());
            Task { name: written, ..loaded }.reversed(Quirks::Drop)
        }
    };
    Ok(Task { name: entry.name.to_owned(), title: entry.title.to_owned(), ..task })
}

/// The built-in name most like `name`, if any is like it enough to be worth a question.
fn nearest(name: &str) -> Option<&'static str> {
    let name = super::load::canonical_name(name);
    let likeness = |known: &&str| strsim::jaro_winkler(&name, known);
    let best = NAMES.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(&best) >= 0.8).then_some(best)
}

//! From one JSON object of a task file to one item: a pair (`input`, `output`) or a prompt (`prompt`, `answer` and, where
//! the model is to choose, `choices`).

use serde_json::{Map, Value};

use super::error::{Field, Place, TaskError};
use super::{Item, Style};

/// Keys that stand in other people's files for ours, and what ours may be.
const ALIASES: [(&str, Field); 10] = [
    ("answer", Field::Output),
    ("target", Field::Output),
    ("output", Field::Answer),
    ("target", Field::Answer),
    ("label", Field::Answer),
    ("input", Field::Prompt),
    ("question", Field::Prompt),
    ("query", Field::Prompt),
    ("options", Field::Choices),
    ("candidates", Field::Choices),
];

/// How alike a key must be to one of ours to be taken for it misspelt.
const ALIKE: f64 = 0.8;

/// What an entry is made of; all entries of a file are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Pair,
    Prompt,
    Choice,
}

impl Layout {
    fn of(fields: &Map<String, Value>, first: Option<Layout>) -> Layout {
        let has = |field: Field| fields.contains_key(&field.to_string());
        if has(Field::Choices) {
            Layout::Choice
        } else if has(Field::Prompt) {
            Layout::Prompt
        } else if has(Field::Input) || has(Field::Output) {
            Layout::Pair
        } else if has(Field::Answer) {
            Layout::Prompt
        } else {
            first.unwrap_or(Layout::Pair)
        }
    }

    /// The keys of an entry. A prompt may have choices, whether or not the first one has.
    fn fields(self) -> &'static [Field] {
        match self {
            Layout::Pair => &[Field::Input, Field::Output],
            Layout::Prompt | Layout::Choice => &[Field::Prompt, Field::Answer, Field::Choices],
        }
    }

    fn described(self) -> &'static str {
        match self {
            Layout::Pair => "an input and an output",
            Layout::Prompt => "a prompt without choices",
            Layout::Choice => "a prompt with choices",
        }
    }
}

/// Whether the only object of a file is an entry and not the mapping of the words "input" or "prompt".
pub(super) fn is_entry(pairs: &[(String, Value)]) -> bool {
    let keys: Vec<&str> = pairs.iter().map(|(key, _)| key.as_str()).collect();
    keys == ["input", "output"] || keys.len() <= 3 && keys.contains(&"prompt") && keys.contains(&"answer")
}

/// Takes items out of JSON values; remembers how the first was laid out and which ones listed several answers.
pub(super) struct Reader<'a> {
    file: &'a str,
    first: Option<(Place, Layout)>,
    several: Vec<Place>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: &'a str) -> Self {
        Reader { file, first: None, several: Vec::new() }
    }

    /// The item of an entry.
    pub(super) fn entry(&mut self, place: Place, value: Value) -> Result<Item, TaskError> {
        let Value::Object(mut fields) = value else {
            return Err(TaskError::NotAnObject { file: self.file.to_owned(), place, found: kind(&value) });
        };
        let layout = Layout::of(&fields, self.first.map(|(_, layout)| layout));
        self.refuse_unknown(place, &fields, layout)?;
        let (first, expected) = *self.first.get_or_insert((place, layout));
        if layout != expected {
            let (found, expected) = (layout.described(), expected.described());
            return Err(TaskError::Mixed { file: self.file.to_owned(), place, found, first, expected });
        }
        let mut take = |field: Field| {
            let value = fields.get_mut(&field.to_string()).map(Value::take);
            value.ok_or_else(|| TaskError::NoField { file: self.file.to_owned(), place, field })
        };
        match layout {
            Layout::Pair => {
                let (input, output) = (take(Field::Input)?, take(Field::Output)?);
                self.pair(place, input, output)
            }
            Layout::Prompt => {
                let (prompt, answer) = (take(Field::Prompt)?, take(Field::Answer)?);
                if let Value::Number(number) = answer {
                    return Err(TaskError::IndexOfNothing { file: self.file.to_owned(), place, number });
                }
                let answer = self.text(place, Field::Answer, answer)?;
                Ok(Item { input: self.text(place, Field::Prompt, prompt)?, answer, choices: Vec::new() })
            }
            Layout::Choice => {
                let (prompt, answer, choices) = (take(Field::Prompt)?, take(Field::Answer)?, take(Field::Choices)?);
                let input = self.text(place, Field::Prompt, prompt)?;
                let mut choices = self.choices(place, choices)?;
                let right = self.right(place, answer, &choices)?;
                Ok(Item { input, answer: choices.remove(right), choices })
            }
        }
    }

    /// The item of an input and its output, which may be a list of answers.
    pub(super) fn pair(&mut self, place: Place, input: Value, output: Value) -> Result<Item, TaskError> {
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
        let (input, answer) = (self.text(place, Field::Input, input)?, self.text(place, Field::Output, output)?);
        Ok(Item { input, answer, choices: Vec::new() })
    }

    /// Whether the entries so far are pairs or prompts.
    pub(super) fn style(&self) -> Style {
        match self.first {
            None | Some((_, Layout::Pair)) => Style::Pairs,
            Some((_, Layout::Prompt | Layout::Choice)) => Style::Prompts,
        }
    }

    pub(super) fn notes(self) -> Vec<String> {
        let count = self.several.len();
        let entries = if count == 1 { "entry lists" } else { "entries list" };
        let note = self
            .several
            .first()
            .map(|place| format!("{count} {entries} several answers, of which the first is used (first: {place})"));
        note.into_iter().collect()
    }

    fn refuse_unknown(&self, place: Place, fields: &Map<String, Value>, layout: Layout) -> Result<(), TaskError> {
        let ours = layout.fields();
        let Some(key) = fields.keys().find(|key| ours.iter().all(|field| field.to_string() != **key)) else {
            return Ok(());
        };
        let free = |field: &&Field| !fields.contains_key(&field.to_string());
        let alias = ALIASES.iter().filter(|(foreign, _)| foreign == key).map(|(_, field)| field);
        let likeness = |field: &Field| strsim::jaro_winkler(&key.to_lowercase(), &field.to_string());
        let alike = ours.iter().filter(|field| likeness(field) >= ALIKE);
        let suggestion = alias
            .filter(|field| ours.contains(field))
            .find(free)
            .or_else(|| alike.filter(free).max_by(|a, b| likeness(a).total_cmp(&likeness(b))))
            .copied();
        Err(TaskError::UnknownKey { file: self.file.to_owned(), place, key: key.clone(), suggestion })
    }

    fn text(&self, place: Place, field: Field, value: Value) -> Result<String, TaskError> {
        match value {
            Value::String(text) => Ok(text),
            other => Err(TaskError::WrongType { file: self.file.to_owned(), place, field, found: kind(&other) }),
        }
    }

    /// At least two texts that differ by more than the whitespace around them.
    fn choices(&self, place: Place, value: Value) -> Result<Vec<String>, TaskError> {
        let file = || self.file.to_owned();
        let Value::Array(values) = value else {
            return Err(TaskError::NoList { file: file(), place, found: kind(&value) });
        };
        let numbered = values.into_iter().enumerate();
        let choices: Vec<String> = numbered
            .map(|(index, value)| self.text(place, Field::Choice(index + 1), value))
            .collect::<Result<_, _>>()?;
        if let Some(index) = choices.iter().position(|choice| choice.trim().is_empty()) {
            return Err(TaskError::Empty { file: file(), place, field: Field::Choice(index + 1) });
        }
        let mut sorted: Vec<&str> = choices.iter().map(|choice| choice.trim()).collect();
        sorted.sort_unstable();
        if let Some(twice) = sorted.windows(2).find(|two| two[0] == two[1]) {
            return Err(TaskError::EqualChoices { file: file(), place, choice: twice[0].to_owned() });
        }
        if choices.len() < 2 {
            return Err(TaskError::TooFewChoices { file: file(), place, found: choices.len() });
        }
        Ok(choices)
    }

    /// Which of the choices the answer names, by its text or by its index from 0.
    fn right(&self, place: Place, answer: Value, choices: &[String]) -> Result<usize, TaskError> {
        let file = || self.file.to_owned();
        if let Value::Number(number) = answer {
            let index = number.as_u64().and_then(|index| usize::try_from(index).ok());
            let count = choices.len();
            let index = index.filter(|index| *index < count);
            return index.ok_or_else(|| TaskError::NoSuchChoice { file: file(), place, number, count });
        }
        let answer = self.text(place, Field::Answer, answer)?;
        let found = choices.iter().position(|choice| choice.trim() == answer.trim());
        found.ok_or_else(|| {
            let likeness = |choice: &&String| strsim::jaro_winkler(&answer, choice);
            let nearest = choices.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
            let suggestion = nearest.filter(|choice| likeness(choice) >= ALIKE).cloned();
            TaskError::NotAChoice { file: file(), place, answer, suggestion, choices: choices.to_vec() }
        })
    }
}

pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

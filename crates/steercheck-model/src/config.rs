//! Typed reading of `config.json`, with errors that name the key.

use serde_json::Value;

use crate::error::{ModelError, Result};

/// Characters of a value that a message quotes.
const SHOWN: usize = 60;

/// A value as messages quote it: its beginning, if it is long.
pub(crate) fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        None => text,
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

/// A configuration, or an object inside one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Config<'a> {
    value: &'a Value,
    prefix: &'a str,
}

impl<'a> Config<'a> {
    /// The root object.
    pub(crate) fn new(value: &'a Value) -> Self {
        Self { value, prefix: "" }
    }

    /// An error about a key.
    pub(crate) fn problem(&self, key: &str, problem: impl Into<String>) -> ModelError {
        let key = if self.prefix.is_empty() { key.to_string() } else { format!("{}.{key}", self.prefix) };
        ModelError::Config { source_name: "config.json".into(), key, problem: problem.into() }
    }

    /// The value of a key; JSON `null` counts as absent.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Value> {
        self.value.get(key).filter(|v| !v.is_null())
    }

    /// Whether the key is there at all, `null` included.
    pub(crate) fn states(&self, key: &str) -> bool {
        self.value.get(key).is_some()
    }

    /// An object inside this one.
    pub(crate) fn object(&self, key: &'a str) -> Result<Option<Config<'a>>> {
        match self.get(key) {
            None => Ok(None),
            Some(v) if v.is_object() => Ok(Some(Config { value: v, prefix: key })),
            Some(_) => Err(self.problem(key, "is not an object")),
        }
    }

    /// A non-negative integer.
    pub(crate) fn int(&self, key: &str) -> Result<Option<usize>> {
        self.get(key)
            .map(|v| {
                v.as_u64()
                    .and_then(|n| usize::try_from(n).ok())
                    .ok_or_else(|| self.problem(key, format!("is {}, which is not a non-negative integer", shown(v))))
            })
            .transpose()
    }

    /// A positive integer that must be there, at most `most`.
    pub(crate) fn size(&self, key: &str, most: usize) -> Result<usize> {
        match self.int(key)? {
            None => Err(self.problem(key, "is missing and has no default")),
            Some(n) if (1..=most).contains(&n) => Ok(n),
            Some(n) => Err(self.problem(key, format!("is {n}; 1 to {most} is possible"))),
        }
    }

    /// A finite number.
    pub(crate) fn float(&self, key: &str) -> Result<Option<f64>> {
        self.get(key)
            .map(|v| {
                v.as_f64()
                    .filter(|f| f.is_finite())
                    .ok_or_else(|| self.problem(key, format!("is {}, which is not a finite number", shown(v))))
            })
            .transpose()
    }

    /// A number above zero, or the default.
    pub(crate) fn positive(&self, key: &str, default: f64) -> Result<f64> {
        match self.float(key)? {
            None => Ok(default),
            Some(f) if f > 0.0 => Ok(f),
            Some(f) => Err(self.problem(key, format!("is {f}; it must be above 0"))),
        }
    }

    /// A bound such as a soft-cap: a number above zero where it is set, none where it is null, else the default.
    pub(crate) fn cap(&self, key: &str, default: Option<f32>) -> Result<Option<f32>> {
        match self.float(key)? {
            None => Ok(default.filter(|_| !self.states(key))),
            Some(f) if f as f32 > 0.0 && (f as f32).is_finite() => Ok(Some(f as f32)),
            Some(f) => Err(self.problem(key, format!("is {f}; it must be above 0, or null for none"))),
        }
    }

    /// A boolean, or the default.
    pub(crate) fn bool(&self, key: &str, default: bool) -> Result<bool> {
        match self.get(key) {
            None => Ok(default),
            Some(v) => {
                v.as_bool().ok_or_else(|| self.problem(key, format!("is {}, which is not true or false", shown(v))))
            }
        }
    }

    /// A text.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&'a str>> {
        self.get(key)
            .map(|v| v.as_str().ok_or_else(|| self.problem(key, format!("is {}, which is not a text", shown(v)))))
            .transpose()
    }

    /// A list.
    pub(crate) fn list(&self, key: &str) -> Result<Option<&'a [Value]>> {
        self.get(key)
            .map(|v| v.as_array().map(Vec::as_slice).ok_or_else(|| self.problem(key, "is not a list")))
            .transpose()
    }

    /// Refuses a key whose value is there and is not the one that is implemented.
    pub(crate) fn only(&self, key: &str, implemented: &Value) -> Result<()> {
        match self.get(key) {
            Some(v) if v != implemented => {
                Err(self.problem(key, format!("is {}; only {implemented} is implemented", shown(v))))
            }
            _ => Ok(()),
        }
    }
}

//! A table in columns, each of one kind.

use std::sync::Arc;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Texts in UTF-8.
    Text,
    /// Whole numbers.
    Count,
    /// Numbers.
    Number,
    /// True or false.
    Flag,
}

/// One value; a row has one per column.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    None,
    /// A text.
    Text(Arc<str>),
    /// A whole number.
    Count(i64),
    /// A number.
    Number(f64),
    /// True or false.
    Flag(bool),
}

/// A table. Missing values are allowed everywhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Its name, and that of its file.
    pub name: &'static str,
    /// Its columns: name and kind.
    pub head: Vec<(&'static str, Kind)>,
    /// Its rows, one value per column.
    pub rows: Vec<Vec<Value>>,
}

impl Frame {
    /// A table without rows.
    pub fn new(name: &'static str, head: Vec<(&'static str, Kind)>) -> Self {
        Self { name, head, rows: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Panics
    ///
    /// If the values are not those of the columns: a defect of the caller.
    pub fn push(&mut self, row: Vec<Value>) {
        assert_eq!(row.len(), self.head.len(), "{}: a row has one value per column", self.name);
        for (value, (column, kind)) in row.iter().zip(&self.head) {
            let fits = value.kind().is_none_or(|k| k == *kind);
            assert!(fits, "{}: {column} holds no {value:?}", self.name);
        }
        self.rows.push(row);
    }
}

impl Value {
    /// Its kind; none of nothing.
    fn kind(&self) -> Option<Kind> {
        match self {
            Self::None => None,
            Self::Text(_) => Some(Kind::Text),
            Self::Count(_) => Some(Kind::Count),
            Self::Number(_) => Some(Kind::Number),
            Self::Flag(_) => Some(Kind::Flag),
        }
    }

    /// As a field of a CSV file: nothing is empty.
    pub fn field(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Text(text) => text.to_string(),
            Self::Count(n) => n.to_string(),
            Self::Number(x) => x.to_string(),
            Self::Flag(yes) => yes.to_string(),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.as_str().into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<&Arc<str>> for Value {
    fn from(text: &Arc<str>) -> Self {
        Self::Text(text.clone())
    }
}

impl From<usize> for Value {
    fn from(n: usize) -> Self {
        Self::Count(i64::try_from(n).unwrap_or(i64::MAX))
    }
}

impl From<u64> for Value {
    fn from(n: u64) -> Self {
        Self::Count(i64::try_from(n).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Value {
    fn from(x: f64) -> Self {
        Self::Number(x)
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self::Flag(yes)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

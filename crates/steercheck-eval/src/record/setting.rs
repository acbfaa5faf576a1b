//! One point of a method's grid.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// One point of a method's grid, by the names of its axes: `residual`, `strength`, `heads`, …
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Setting(pub BTreeMap<String, Value>);

/// Where a setting stands on one axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// A number of something, or the number of something.
    Count(usize),
    /// A strength or a threshold.
    Number(f64),
    /// A name.
    Text(String),
}

impl Setting {
    /// The setting of methods whose only choice is where they act.
    pub fn residual(residual: usize) -> Self {
        Self::default().with("residual", Value::Count(residual))
    }

    /// The same setting with one more axis.
    #[must_use]
    pub fn with(mut self, axis: &str, value: Value) -> Self {
        self.0.insert(axis.to_string(), value);
        self
    }

    /// The residual at which it acts, where it has one.
    pub fn at(&self) -> Option<usize> {
        match self.0.get("residual") {
            Some(Value::Count(residual)) => Some(*residual),
            _ => None,
        }
    }
}

/// `residual 21, strength 2`.
impl fmt::Display for Setting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (axis, value)) in self.0.iter().enumerate() {
            write!(out, "{}{axis} {value}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(n) => write!(out, "{n}"),
            Self::Number(x) => write!(out, "{x}"),
            Self::Text(text) => out.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Setting, Value};

    #[test]
    fn settings_are_told_axis_by_axis_and_survive_json() {
        let setting =
            Setting::residual(21).with("strength", Value::Number(2.0)).with("where", Value::Text("all".into()));
        assert_eq!(setting.to_string(), "residual 21, strength 2, where all");
        let json = serde_json::to_string(&setting).unwrap();
        assert_eq!(json, r#"{"residual":21,"strength":2.0,"where":"all"}"#);
        assert_eq!(serde_json::from_str::<Setting>(&json).unwrap(), setting);
        assert_eq!((setting.at(), Setting::default().at()), (Some(21), None));
    }
}

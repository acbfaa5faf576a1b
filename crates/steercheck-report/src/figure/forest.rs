//! Estimates with their intervals, a line each.

use super::scale::{Scale, tick};
use super::svg::{Anchor, Svg};
use super::width_of;

/// A forest plot.
#[derive(Debug, Clone, PartialEq)]
pub struct Forest {
    /// What is estimated, with its unit.
    pub x: String,
    /// A value to compare with, drawn upright.
    pub from: Option<f64>,
    /// The lines.
    pub rows: Vec<ForestRow>,
}

/// An estimate.
#[derive(Debug, Clone, PartialEq)]
pub struct ForestRow {
    /// What it is of.
    pub label: String,
    /// Which colour it has.
    pub group: usize,
    /// The estimate.
    pub point: f64,
    /// Its interval.
    pub interval: [f64; 2],
    /// Observations behind it.
    pub n: usize,
}

const ROW: f64 = 18.0;
const WIDTH: f64 = 420.0;

impl Forest {
    pub(super) fn draw(&self) -> (Svg, [f64; 2]) {
        let left = 16.0 + self.rows.iter().map(|row| width_of(&row.label)).fold(0.0, f64::max);
        let size = [left + WIDTH + 130.0, 12.0 + ROW * self.rows.len() as f64 + 36.0];
        let bottom = size[1] - 34.0;
        let values = self.rows.iter().flat_map(|row| [row.interval[0], row.interval[1], row.point]).chain(self.from);
        let x = Scale::around(values, [left, left + WIDTH]);
        let mut svg = Svg::default();
        for value in x.ticks() {
            let at = x.place(value);
            svg.line("grid", [at, 6.0], [at, bottom]);
            svg.text("number", [at, bottom + 14.0], Anchor::Middle, &tick(value));
        }
        if let Some(from) = self.from {
            svg.line("mark", [x.place(from), 6.0], [x.place(from), bottom]);
        }
        for (i, row) in self.rows.iter().enumerate() {
            let at = 12.0 + (i as f64 + 0.5) * ROW;
            let class = format!("s{}", row.group % 8);
            let ends = row.interval.map(|end| [x.place(end), at]);
            svg.text("number", [left - 8.0, at + 4.0], Anchor::End, &row.label);
            svg.line(&format!("whisker {class}"), ends[0], ends[1]);
            let told = format!("{} [{}, {}]", whole(row.point), whole(row.interval[0]), whole(row.interval[1]));
            svg.dot(&class, [x.place(row.point), at], 3.5, &format!("{}: {told}, n = {}", row.label, row.n));
            svg.text("number", [left + WIDTH + 8.0, at + 4.0], Anchor::Start, &format!("{told}, n = {}", row.n));
        }
        svg.text("label", [left + WIDTH / 2.0, size[1] - 4.0], Anchor::Middle, &self.x);
        (svg, size)
    }

    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        let mut out = vec![["", &self.x, "low", "high", "n"].map(str::to_string).to_vec()];
        for row in &self.rows {
            let [low, high] = row.interval.map(|x| x.to_string());
            out.push(vec![row.label.clone(), row.point.to_string(), low, high, row.n.to_string()]);
        }
        out
    }
}

/// Whole where that says enough.
fn whole(value: f64) -> String {
    if value.abs() >= 10.0 { tick(value.round()) } else { tick((value * 10.0).round() / 10.0) }
}

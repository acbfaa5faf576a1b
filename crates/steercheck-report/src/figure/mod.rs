//! Figures: what is shown, as data, and how it is drawn as SVG or written as CSV.
//!
//! An own small writer over one module of scales: a report is one file without a network, the same records give the same bytes, and nothing
//! needs JavaScript.

mod bars;
mod files;
mod forest;
mod heat;
mod lines;
pub mod scale;
pub mod svg;

pub use bars::Bars;
pub use files::FigureError;
pub use forest::{Forest, ForestRow};
pub use heat::{Heat, Shades};
pub use lines::{Lines, Mark, Panel, Point, Series};

/// Colours of a drawing that stands alone; pages have their own for light and dark.
pub const STYLE: &str = include_str!("figure.css");

/// A figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Its name as a file's and as an anchor: letters, digits, hyphens.
    pub id: String,
    /// What it shows.
    pub title: String,
    /// What the marks are, with n and intervals.
    pub caption: String,
    /// Keys of the records that it is made of.
    pub sources: Vec<String>,
    /// The drawing.
    pub plot: Plot,
}

/// Kinds of drawings.
#[derive(Debug, Clone, PartialEq)]
pub enum Plot {
    /// Curves, in one panel or several.
    Lines(Lines),
    /// A table of colours.
    Heat(Heat),
    /// Estimates with intervals, a line each.
    Forest(Forest),
    /// Counts by category.
    Bars(Bars),
}

/// Where a drawing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// In a page, which says what it looks like.
    InPage,
    /// In a file of its own.
    Alone,
}

impl Figure {
    /// The drawing as SVG.
    pub fn svg(&self, placed: Placed) -> String {
        let style = (placed == Placed::Alone).then_some(STYLE);
        let (svg, size) = match &self.plot {
            Plot::Lines(lines) => lines.draw(),
            Plot::Heat(heat) => heat.draw(),
            Plot::Forest(forest) => forest.draw(),
            Plot::Bars(bars) => bars.draw(),
        };
        svg.finish(size, &self.title, &self.caption, style)
    }

    /// Its numbers: one line of names, then values (RFC 4180).
    pub fn csv(&self) -> String {
        let rows = match &self.plot {
            Plot::Lines(lines) => lines.rows(),
            Plot::Heat(heat) => heat.rows(),
            Plot::Forest(forest) => forest.rows(),
            Plot::Bars(bars) => bars.rows(),
        };
        let field = |text: &String| {
            if text.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", text.replace('"', "\"\""))
            } else {
                text.clone()
            }
        };
        rows.iter().map(|row| row.iter().map(field).collect::<Vec<_>>().join(",") + "\n").collect()
    }
}

/// A width that a text will hardly exceed, in units of the drawing.
fn width_of(text: &str) -> f64 {
    text.chars().count() as f64 * 6.6
}

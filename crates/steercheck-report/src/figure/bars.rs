//! Shares by category.

use super::scale::{Scale, tick};
use super::svg::{Anchor, Svg};

/// A histogram.
#[derive(Debug, Clone, PartialEq)]
pub struct Bars {
    /// What the categories are.
    pub x: String,
    /// What is counted, with its unit.
    pub y: String,
    /// Category and value, from left to right.
    pub bars: Vec<(String, f64)>,
}

const HEIGHT: f64 = 150.0;
const LEFT: f64 = 46.0;

impl Bars {
    pub(super) fn draw(&self) -> (Svg, [f64; 2]) {
        let step = (560.0 / self.bars.len().max(1) as f64).clamp(10.0, 40.0);
        let size = [LEFT + step * self.bars.len() as f64 + 10.0, HEIGHT + 48.0];
        let y = Scale::around(self.bars.iter().map(|(_, value)| *value).chain([0.0]), [HEIGHT + 6.0, 6.0]);
        let mut svg = Svg::default();
        for value in y.ticks() {
            svg.line("grid", [LEFT, y.place(value)], [size[0] - 10.0, y.place(value)]);
            svg.text("number", [LEFT - 5.0, y.place(value) + 4.0], Anchor::End, &tick(value));
        }
        let named = self.bars.len().div_ceil(14);
        for (i, (name, value)) in self.bars.iter().enumerate() {
            let left = LEFT + step * i as f64;
            let says = format!("{name}: {} {}", tick(*value), self.y);
            svg.rect("s0", "", [left + 1.0, y.place(*value)], [step - 2.0, y.place(0.0) - y.place(*value)], &says);
            if i % named == 0 {
                svg.text("number", [left + step / 2.0, HEIGHT + 20.0], Anchor::Middle, name);
            }
        }
        svg.text("label", [f64::midpoint(LEFT, size[0]), size[1] - 8.0], Anchor::Middle, &self.x);
        svg.upright("label", [11.0, HEIGHT / 2.0], &self.y);
        (svg, size)
    }

    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        let mut out = vec![vec![self.x.clone(), self.y.clone()]];
        out.extend(self.bars.iter().map(|(name, value)| vec![name.clone(), value.to_string()]));
        out
    }
}

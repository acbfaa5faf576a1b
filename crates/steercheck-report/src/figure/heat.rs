//! A table of colours.

use super::scale::tick;
use super::svg::{Anchor, Svg};
use super::width_of;

/// A table of values shown as colours, with the numbers in the cells where there is room.
#[derive(Debug, Clone, PartialEq)]
pub struct Heat {
    /// What the columns are.
    pub x: String,
    /// What the rows are.
    pub y: String,
    /// What the values are, with their unit.
    pub unit: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Names of the rows.
    pub rows: Vec<String>,
    /// `[rows][columns]`; none where there is nothing.
    pub values: Vec<Vec<Option<f64>>>,
    /// How values become colours.
    pub shades: Shades,
}

/// How values become colours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shades {
    /// From white at the first value to dark at the second.
    Rising([f64; 2]),
    /// Blue below 0, red above, full at this distance.
    Around(f64),
}

/// Up to so many columns are wide, and up to so many have their names and numbers.
const WIDE: usize = 16;
const ROOMY: usize = 40;

impl Heat {
    pub(super) fn draw(&self) -> (Svg, [f64; 2]) {
        let roomy = self.columns.len() <= ROOMY;
        let (cell, row) = if self.columns.len() <= WIDE {
            (44.0, 20.0)
        } else if roomy {
            (27.0, 18.0)
        } else {
            (560.0 / self.columns.len() as f64, 11.0)
        };
        let short = |value: f64| if cell > 40.0 { short(value) } else { tick(value.round()) };
        let left = 24.0 + self.rows.iter().map(|name| width_of(name)).fold(0.0, f64::max);
        let tall = if roomy { self.columns.iter().map(|name| width_of(name)).fold(0.0, f64::max) } else { 12.0 };
        let slanted = roomy && tall > cell;
        let top = if slanted { tall + 8.0 } else { 16.0 };
        let label = format!("{} ({})", self.x, self.unit);
        let size = [
            left + (cell * self.columns.len() as f64).max(width_of(&label)) + 8.0,
            top + row * self.rows.len() as f64 + 22.0,
        ];
        let mut svg = Svg::default();
        // Where columns are many, only some are named.
        let named = if roomy { 1 } else { self.columns.len().div_ceil(12) };
        for (i, name) in self.columns.iter().enumerate().step_by(named) {
            let middle = left + (i as f64 + 0.5) * cell;
            if slanted {
                svg.upright("number", [middle + 4.0, top - 4.0 - width_of(name) / 2.0], name);
            } else {
                svg.text("number", [middle, top - 4.0], Anchor::Middle, name);
            }
        }
        for (i, name) in self.rows.iter().enumerate() {
            let at = top + i as f64 * row;
            svg.text("number", [left - 5.0, at + row / 2.0 + 4.0], Anchor::End, name);
            for (j, value) in self.values[i].iter().enumerate() {
                let place = [left + j as f64 * cell, at];
                let column = &self.columns[j];
                let Some(value) = value else {
                    svg.rect("cell none", "", place, [cell, row], &format!("{name}, {column}: –"));
                    continue;
                };
                let (colour, dark) = self.shades.of(*value);
                let says = format!("{name}, {column}: {} {}", tick(*value), self.unit);
                svg.rect("cell", &colour, place, [cell, row], &says);
                if roomy {
                    let class = if dark { "ondark" } else { "onlight" };
                    svg.text(class, [place[0] + cell / 2.0, at + row / 2.0 + 4.0], Anchor::Middle, &short(*value));
                }
            }
        }
        svg.text("label", [f64::midpoint(left, size[0]), size[1] - 5.0], Anchor::Middle, &label);
        svg.upright("label", [11.0, f64::midpoint(top, size[1])], &self.y);
        (svg, size)
    }

    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        let mut out = vec![vec![self.y.clone(), self.x.clone(), self.unit.clone()]];
        for (name, values) in self.rows.iter().zip(&self.values) {
            for (column, value) in self.columns.iter().zip(values) {
                out.push(vec![name.clone(), column.clone(), value.map_or_else(String::new, |v| v.to_string())]);
            }
        }
        out
    }
}

/// At most three digits.
fn short(value: f64) -> String {
    if value.abs() >= 10.0 { tick(value.round()) } else { tick((value * 100.0).round() / 100.0) }
}

impl Shades {
    /// A colour, and whether it is dark.
    fn of(self, value: f64) -> (String, bool) {
        let mixed = |to: [f64; 3], share: f64| {
            let share = share.clamp(0.0, 1.0);
            let [r, g, b] = to.map(|part| (255.0 + (part - 255.0) * share).round() as u8);
            (format!("#{r:02x}{g:02x}{b:02x}"), share > 0.6)
        };
        match self {
            Self::Rising([low, high]) => mixed([16.0, 78.0, 139.0], (value - low) / (high - low).max(1e-12)),
            Self::Around(most) if value < 0.0 => mixed([29.0, 91.0, 153.0], -value / most.max(1e-12)),
            Self::Around(most) => mixed([178.0, 44.0, 30.0], value / most.max(1e-12)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Shades;

    #[test]
    fn shades_begin_at_white_and_end_dark() {
        let rising = Shades::Rising([0.0, 100.0]);
        assert_eq!((rising.of(0.0), rising.of(100.0)), (("#ffffff".into(), false), ("#104e8b".into(), true)));
        assert_eq!(rising.of(250.0), rising.of(100.0));
        let around = Shades::Around(0.5);
        assert_ne!(around.of(-0.5), around.of(0.5));
        assert_eq!(around.of(0.0).0, "#ffffff");
    }
}

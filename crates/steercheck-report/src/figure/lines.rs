//! Curves over one axis, in one panel or in small multiples that share their axes.

use super::scale::{Scale, tick};
use super::svg::{Anchor, Svg};
use super::width_of;

/// Curves.
#[derive(Debug, Clone, PartialEq)]
pub struct Lines {
    /// What the horizontal axis is, with its unit.
    pub x: String,
    /// What the vertical axis is, with its unit.
    pub y: String,
    /// Values that the vertical axis covers; those of the curves if none.
    pub range: Option<[f64; 2]>,
    /// The panels, row by row.
    pub panels: Vec<Panel>,
    /// Panels in a row.
    pub columns: usize,
    /// Whether the horizontal axis holds logarithms of base 2, whose numbers are told.
    pub log2: bool,
}

/// A panel.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// What it shows; may be empty where it is alone.
    pub title: String,
    /// Its curves; the same places have the same colours in all panels.
    pub series: Vec<Series>,
    /// Horizontal lines to compare with.
    pub marks: Vec<Mark>,
}

/// A curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// What it is.
    pub name: String,
    /// Its points, from left to right.
    pub points: Vec<Point>,
}

/// A point of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Across.
    pub x: f64,
    /// Up.
    pub y: f64,
    /// Its interval.
    pub interval: Option<[f64; 2]>,
}

/// A level to compare with.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// What it is.
    pub name: String,
    /// Where.
    pub y: f64,
}

/// Drawings of more points than this have curves without dots; their numbers stand beside them.
const DOTS: usize = 400;

impl Series {
    /// Its highest point, in words.
    fn most(&self) -> String {
        let most = self.points.iter().max_by(|a, b| a.y.total_cmp(&b.y).then(b.x.total_cmp(&a.x)));
        most.map_or_else(String::new, |p| format!("{}: most {} at {}", self.name, rounded(p.y), tick(p.x)))
    }
}

/// A value with four digits or so.
fn rounded(value: f64) -> String {
    let scale = if value.abs() >= 10.0 { 10.0 } else { 1000.0 };
    tick((value * scale).round() / scale)
}

const LEFT: f64 = 46.0;
const BOTTOM: f64 = 36.0;
const GAP: f64 = 14.0;
const LEGEND: f64 = 18.0;

impl Lines {
    pub(super) fn draw(&self) -> (Svg, [f64; 2]) {
        let columns = self.columns.clamp(1, self.panels.len().max(1));
        let rows = self.panels.len().div_ceil(columns).max(1);
        let titled = self.panels.iter().any(|panel| !panel.title.is_empty());
        let above = if titled { 16.0 } else { 4.0 };
        let [width, height] = if self.panels.len() > 1 { [170.0, 110.0] } else { [580.0, 240.0] };
        let size =
            [LEFT + columns as f64 * (width + GAP) + 60.0, LEGEND + rows as f64 * (height + above + GAP) + BOTTOM];
        let points = || self.panels.iter().flat_map(|p| &p.series).flat_map(|s| &s.points);
        let levels = self.panels.iter().flat_map(|p| &p.marks).map(|mark| mark.y);
        let spread = points().flat_map(|p| p.interval.into_iter().flatten().chain([p.y]));
        let across = points().map(|p| p.x);
        let (low, high) = across.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)));
        let values = if low <= high { [low, high] } else { [0.0, 1.0] };
        let mut svg = Svg::default();
        let dotted = points().count() <= DOTS;
        self.legend(&mut svg);
        for (i, panel) in self.panels.iter().enumerate() {
            let left = LEFT + (i % columns) as f64 * (width + GAP);
            let top = LEGEND + above + (i / columns) as f64 * (height + above + GAP);
            let x = Scale::new(values, [left, left + width]);
            let places = [top + height, top];
            let y = match self.range {
                Some(range) => Scale::new(range, places),
                None => Scale::around(spread.clone().chain(levels.clone()), places),
            };
            let ends = (i + 1) % columns == 0 || i + 1 == self.panels.len();
            let outer = [i % columns == 0, i + columns >= self.panels.len()];
            frame(&mut svg, [&x, &y], [left, top, width, height], outer, self.log2);
            panel.draw(&mut svg, [&x, &y], [left, left + width], [dotted, ends]);
            svg.text("title", [left, top - 4.0], Anchor::Start, &panel.title);
        }
        let middle = [(size[0] - LEFT) / 2.0 + LEFT, (size[1] - BOTTOM) / 2.0];
        svg.text("label", [middle[0], size[1] - 4.0], Anchor::Middle, &self.x);
        svg.upright("label", [11.0, middle[1]], &self.y);
        (svg, size)
    }

    /// The names of the curves in their colours, from the first panel that has them all.
    fn legend(&self, svg: &mut Svg) {
        let names = self.panels.iter().max_by_key(|panel| panel.series.len());
        let mut left = LEFT;
        for (i, series) in names.iter().flat_map(|panel| &panel.series).enumerate() {
            svg.line(&format!("curve s{}", i % 8), [left, 9.0], [left + 14.0, 9.0]);
            svg.text("key", [left + 18.0, 13.0], Anchor::Start, &series.name);
            left += 30.0 + width_of(&series.name);
        }
    }

    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        let mut out = vec![["panel", "series", &self.x, &self.y, "low", "high"].map(str::to_string).to_vec()];
        for panel in &self.panels {
            for series in &panel.series {
                for p in &series.points {
                    let ends = p.interval.map_or([String::new(), String::new()], |ends| ends.map(|x| x.to_string()));
                    let mut row = vec![panel.title.clone(), series.name.clone(), p.x.to_string(), p.y.to_string()];
                    row.extend(ends);
                    out.push(row);
                }
            }
            for mark in &panel.marks {
                let empty = String::new;
                out.push(vec![panel.title.clone(), mark.name.clone(), empty(), mark.y.to_string(), empty(), empty()]);
            }
        }
        out
    }
}

/// Axes with their ticks; numbers only at the outer panels.
fn frame(
    svg: &mut Svg,
    [x, y]: [&Scale; 2],
    [left, top, width, height]: [f64; 4],
    [first, last]: [bool; 2],
    log2: bool,
) {
    for value in y.ticks() {
        let at = y.place(value);
        svg.line("grid", [left, at], [left + width, at]);
        if first {
            svg.text("number", [left - 5.0, at + 4.0], Anchor::End, &tick(value));
        }
    }
    for value in x.ticks().into_iter().filter(|value| !log2 || value.fract().abs() < 1e-9) {
        let at = x.place(value);
        svg.line("tick", [at, top + height], [at, top + height + 3.0]);
        if last {
            let told = if log2 { value.exp2() } else { value };
            svg.text("number", [at, top + height + 14.0], Anchor::Middle, &tick(told));
        }
    }
    svg.line("axis", [left, top + height], [left + width, top + height]);
}

impl Panel {
    fn draw(&self, svg: &mut Svg, [x, y]: [&Scale; 2], [left, right]: [f64; 2], [dotted, named]: [bool; 2]) {
        for mark in &self.marks {
            let at = y.place(mark.y);
            svg.line("mark", [left, at], [right, at]);
            // The panel to the right begins where the name would stand.
            if named {
                svg.text("number", [right + 3.0, at + 4.0], Anchor::Start, &mark.name);
            }
        }
        for (i, series) in self.series.iter().enumerate() {
            let class = format!("s{}", i % 8);
            let place = |p: &Point, value: f64| [x.place(p.x), y.place(value)];
            let ends: Vec<(&Point, [f64; 2])> = series.points.iter().filter_map(|p| Some((p, p.interval?))).collect();
            if ends.len() > 1 {
                let lower = ends.iter().map(|(p, ends)| place(p, ends[0]));
                let upper = ends.iter().rev().map(|(p, ends)| place(p, ends[1]));
                svg.area(&format!("band {class}"), &lower.chain(upper).collect::<Vec<_>>());
            }
            let points: Vec<[f64; 2]> = series.points.iter().map(|p| place(p, p.y)).collect();
            svg.path(&format!("curve {class}"), &points, &series.most());
            for p in series.points.iter().filter(|_| dotted) {
                let interval = p
                    .interval
                    .map_or_else(String::new, |[low, high]| format!(" [{}, {}]", rounded(low), rounded(high)));
                svg.dot(
                    &class,
                    place(p, p.y),
                    2.0,
                    &format!("{}, {}: {}{interval}", series.name, tick(p.x), rounded(p.y)),
                );
            }
        }
    }
}

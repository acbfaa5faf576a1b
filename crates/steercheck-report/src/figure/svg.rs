//! SVG elements as text. What they look like is said by classes, so that a page can have a light and a dark form.

use std::fmt::Write;

/// Text in which nothing is markup.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Not allowed in XML, whatever a token's text holds.
            c if (c < ' ' && !"\t\n\r".contains(c)) || c == '\u{fffe}' || c == '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// How a text stands at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

/// What an element says when it is pointed at.
fn told(says: &str) -> String {
    if says.is_empty() { String::new() } else { format!("<title>{}</title>", escaped(says)) }
}

/// A drawing that grows.
#[derive(Debug, Default)]
pub struct Svg {
    body: String,
}

/// A tenth of a unit is enough, and short.
fn n(x: f64) -> String {
    let text = format!("{x:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_string)
}

impl Svg {
    /// A line.
    pub fn line(&mut self, class: &str, [x1, y1]: [f64; 2], [x2, y2]: [f64; 2]) {
        let (x1, y1, x2, y2) = (n(x1), n(y1), n(x2), n(y2));
        let _ = write!(self.body, r#"<line class="{class}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>"#);
    }

    /// A line through points; `says` may be empty.
    pub fn path(&mut self, class: &str, points: &[[f64; 2]], says: &str) {
        let text: Vec<String> = points.iter().map(|[x, y]| format!("{},{}", n(*x), n(*y))).collect();
        let says = told(says);
        let _ = write!(self.body, r#"<polyline class="{class}" points="{}">{says}</polyline>"#, text.join(" "));
    }

    /// An area.
    pub fn area(&mut self, class: &str, points: &[[f64; 2]]) {
        let text: Vec<String> = points.iter().map(|[x, y]| format!("{},{}", n(*x), n(*y))).collect();
        let _ = write!(self.body, r#"<polygon class="{class}" points="{}"/>"#, text.join(" "));
    }

    /// A dot that tells its numbers.
    pub fn dot(&mut self, class: &str, [x, y]: [f64; 2], radius: f64, says: &str) {
        let (x, y, r) = (n(x), n(y), n(radius));
        let says = told(says);
        let _ = write!(self.body, r#"<circle class="{class}" cx="{x}" cy="{y}" r="{r}">{says}</circle>"#);
    }

    /// A rectangle that tells its numbers; `fill` may be empty, where the class has a colour.
    pub fn rect(&mut self, class: &str, fill: &str, [x, y]: [f64; 2], [width, height]: [f64; 2], says: &str) {
        let (x, y, width, height) = (n(x), n(y), n(width), n(height));
        let fill = if fill.is_empty() { String::new() } else { format!(r#" fill="{}""#, escaped(fill)) };
        let says = told(says);
        let _ = write!(
            self.body,
            r#"<rect class="{class}"{fill} x="{x}" y="{y}" width="{width}" height="{height}">{says}</rect>"#
        );
    }

    /// A text.
    pub fn text(&mut self, class: &str, [x, y]: [f64; 2], anchor: Anchor, text: &str) {
        let (x, y, text) = (n(x), n(y), escaped(text));
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let _ = write!(self.body, r#"<text class="{class}" x="{x}" y="{y}" text-anchor="{anchor}">{text}</text>"#);
    }

    /// A text that is read from below.
    pub fn upright(&mut self, class: &str, [x, y]: [f64; 2], text: &str) {
        let (x, y, text) = (n(x), n(y), escaped(text));
        let _ = write!(
            self.body,
            r#"<text class="{class}" transform="translate({x} {y}) rotate(-90)" text-anchor="middle">{text}</text>"#
        );
    }

    /// The whole drawing. `style` is what a page says otherwise.
    pub fn finish(self, [width, height]: [f64; 2], title: &str, describes: &str, style: Option<&str>) -> String {
        // In a page, a text is about as large as the page's own; narrow screens scroll rather than shrink it away.
        let scale = if style.is_none() { 1.15 } else { 1.0 };
        let size = format!(r#" width="{}" height="{}""#, n(scale * width), n(scale * height));
        let (width, height) = (n(width), n(height));
        let stop = if title.ends_with(['?', '.', '!']) { "" } else { "." };
        let (title, describes) = (escaped(title), escaped(describes));
        let style = style.map_or_else(String::new, |style| format!("<style>{style}</style>"));
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{title}{stop} {describes}" viewBox="0 0 {width} {height}"{size}>{style}{}</svg>"#,
            self.body
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{Anchor, Svg, escaped};

    #[test]
    fn text_of_strangers_is_text() {
        assert_eq!(escaped("<script>\u{1}\"&"), "&lt;script&gt;\u{fffd}&quot;&amp;");
        let mut svg = Svg::default();
        svg.text("t", [1.0, 2.25], Anchor::End, "<b>");
        svg.dot("d", [0.0, 0.0], 2.0, "a < b");
        let text = svg.finish([10.0, 20.0], "A", "B", None);
        assert!(text.contains("&lt;b&gt;") && text.contains("a &lt; b") && !text.contains("<b>"), "{text}");
    }
}

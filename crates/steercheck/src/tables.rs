//! Tables and paragraphs, for the terminal and for papers.

use clap::ValueEnum;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table as Layout};
use steercheck_eval::export::{Frame, Value};

/// Columns of the terminal that nothing printed here exceeds, unless a single word does.
pub(crate) const WIDTH: usize = 100;

/// On which side the texts of a column stand flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flush {
    Left,
    Right,
}

/// How tables are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Format {
    /// For the terminal.
    #[default]
    Text,
    /// Markdown.
    Md,
    /// Comma-separated values, one header line.
    Csv,
    /// JSON.
    Json,
    /// A LaTeX `tabular` with booktabs rules.
    Latex,
}

/// A table with a title, a head of one or two lines, and what its columns are.
pub(crate) type Table = TableOf<'static>;

/// The same where the heads are data.
#[derive(Debug, Clone)]
pub(crate) struct TableOf<'a> {
    pub(crate) title: String,
    pub(crate) head: Vec<(&'a str, Flush)>,
    pub(crate) rows: Vec<Vec<String>>,
    pub(crate) note: String,
}

impl TableOf<'_> {
    /// For the terminal: title, table, note.
    pub(crate) fn text(&self) -> String {
        let note = if self.note.is_empty() { String::new() } else { format!("\n{}", wrapped(&self.note, 0)) };
        format!("{}\n{}{note}", wrapped(&self.title, 0), stacked(&self.head, &self.rows))
    }

    /// A Markdown section: bold title, table, note.
    pub(crate) fn markdown(&self) -> String {
        let cell = |text: &str| text.replace('\n', " ").replace('|', "\\|");
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut out = format!("**{}**\n\n", self.title);
        out += &line(self.head.iter().map(|(text, _)| cell(text)).collect());
        out +=
            &line(self.head.iter().map(|(_, f)| if *f == Flush::Right { "---:" } else { "---" }.to_string()).collect());
        for row in &self.rows {
            out += &line(row.iter().map(|text| cell(text)).collect());
        }
        if self.note.is_empty() { out } else { format!("{out}\n{}\n", self.note) }
    }

    /// Comma-separated values under the heads.
    pub(crate) fn csv(&self) -> String {
        let head: Vec<String> = self.head.iter().map(|(text, _)| text.replace('\n', " ")).collect();
        csv(&head.iter().map(String::as_str).collect::<Vec<_>>(), &self.rows)
    }

    /// A LaTeX table environment: booktabs rules, title and note as its caption.
    pub(crate) fn latex(&self) -> String {
        let columns: String = self.head.iter().map(|(_, f)| if *f == Flush::Right { 'r' } else { 'l' }).collect();
        let line = |cells: Vec<String>| format!("    {} \\\\\n", cells.join(" & "));
        let caption = latex_text(&[self.title.as_str(), &self.note].join(". "));
        let mut out = format!(
            "\\begin{{table}}\n  \\centering\n  \\caption{{{caption}}}\n  \\begin{{tabular}}{{{columns}}}\n    \\toprule\n"
        );
        out += &line(self.head.iter().map(|(text, _)| latex_text(&text.replace('\n', " "))).collect());
        out += "    \\midrule\n";
        for row in &self.rows {
            out += &line(row.iter().map(|text| latex_text(text)).collect());
        }
        out + "    \\bottomrule\n  \\end{tabular}\n\\end{table}\n"
    }
}

/// A text as LaTeX prints it.
fn latex_text(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '%' | '&' | '#' | '_' | '$' | '{' | '}' => {
                out.push('\\');
                out.push(c);
            }
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '–' => out.push_str("--"),
            '−' => out.push_str("$-$"),
            'Δ' => out.push_str("$\\Delta$"),
            '×' => out.push_str("$\\times$"),
            'θ' => out.push_str("$\\theta$"),
            other => out.push(other),
        }
    }
    out
}

/// A table of values, every number in full.
pub(crate) fn csv_of(frame: &Frame) -> String {
    let head: Vec<&str> = frame.head.iter().map(|(name, _)| *name).collect();
    csv(&head, &frame.rows.iter().map(|row| row.iter().map(Value::field).collect()).collect::<Vec<Vec<String>>>())
}

/// Lines of comma-separated values, quoted where they need it (RFC 4180).
pub(crate) fn csv(head: &[&str], rows: &[Vec<String>]) -> String {
    let quoted = |text: &str| {
        if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.into() }
    };
    let line = |cells: Vec<String>| cells.join(",") + "\n";
    let mut out = line(head.iter().map(|h| quoted(h)).collect());
    for row in rows {
        out += &line(row.iter().map(|c| quoted(c)).collect());
    }
    out
}

/// A table of at most [`WIDTH`] columns of the terminal: what does not fit beside the first column follows in tables of its own, each
/// with the first column again.
pub(crate) fn stacked(head: &[(&str, Flush)], rows: &[Vec<String>]) -> String {
    let width = |i: usize| {
        let cells = rows.iter().map(|row| row[i].as_str());
        let lines = std::iter::once(head[i].0).chain(cells).flat_map(str::lines);
        lines.map(|l| l.chars().count()).max().unwrap_or(0)
    };
    let mut groups: Vec<Vec<usize>> = vec![vec![0]];
    let mut used = width(0);
    for i in 1..head.len() {
        if used + 2 + width(i) > WIDTH && groups.last().is_some_and(|g| g.len() > 1) {
            groups.push(vec![0]);
            used = width(0);
        }
        used += 2 + width(i);
        groups.last_mut().expect("there is one group to begin with").push(i);
    }
    let part = |group: &Vec<usize>| {
        let head: Vec<(&str, Flush)> = group.iter().map(|i| head[*i]).collect();
        let rows: Vec<Vec<String>> = rows.iter().map(|r| group.iter().map(|i| r[*i].clone()).collect()).collect();
        plain(&head, &rows)
    };
    groups.iter().map(part).collect::<Vec<_>>().join("\n\n")
}

/// A table with one rule, under its head; a head may have two lines.
pub(crate) fn plain(head: &[(&str, Flush)], rows: &[Vec<String>]) -> String {
    let height = head.iter().map(|(text, _)| text.lines().count()).max().unwrap_or(0).max(1);
    let mut table = Layout::new();
    // Short heads stand on the line above the rule.
    let texts = head.iter().map(|(text, _)| format!("{}{text}", "\n".repeat(height - text.lines().count().max(1))));
    table.load_style(NOTHING).set_header(texts);
    for row in rows {
        table.add_row(row);
    }
    for (i, (column, (_, flush))) in table.column_iter_mut().zip(head).enumerate() {
        column.set_padding((if i == 0 { 0 } else { 2 }, 0));
        if *flush == Flush::Right {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut lines: Vec<String> = table.lines().map(|l| l.trim_end().to_string()).collect();
    let width = lines.iter().map(|l| l.chars().count()).max().unwrap_or(0);
    lines.insert(height.min(lines.len()), "─".repeat(width));
    lines.join("\n")
}

/// A text in lines of at most [`WIDTH`] columns, all but the first indented by `hang`.
pub(crate) fn wrapped(text: &str, hang: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    // "58 %" is never cut at its space.
    for word in text.replace(" %", "\u{a0}%").split(' ') {
        let length = word.chars().count();
        if column == 0 {
            column = length;
        } else if column + 1 + length <= WIDTH {
            out.push(' ');
            column += 1 + length;
        } else {
            out.push('\n');
            out.push_str(&" ".repeat(hang));
            column = hang + length;
        }
        out.push_str(word);
    }
    out.replace('\u{a0}', " ")
}

#[cfg(test)]
mod tests {
    use super::{Flush, Table, WIDTH, csv, plain, stacked, wrapped};

    fn table() -> Table {
        Table {
            title: "Accuracy, 95 %".into(),
            head: vec![("task", Flush::Left), ("parts:\none", Flush::Right)],
            rows: vec![vec!["a_b".into(), "4 [1–14]".into()], vec!["c|d".into(), "−5".into()]],
            note: "n = 48".into(),
        }
    }

    #[test]
    fn markdown_keeps_columns_apart_and_latex_prints_every_sign() {
        let want = "**Accuracy, 95 %**\n\n| task | parts: one |\n| --- | ---: |\n| a_b | 4 [1–14] |\n| c\\|d | −5 |\n\nn = 48\n";
        assert_eq!(table().markdown(), want);
        let latex = table().latex();
        for part in [
            "\\caption{Accuracy, 95 \\%. n = 48}",
            "{lr}",
            "task & parts: one \\\\",
            "a\\_b & 4 [1--14] \\\\",
            "c|d & $-$5",
        ] {
            assert!(latex.contains(part), "{part} is not in {latex}");
        }
    }

    #[test]
    fn values_with_commas_and_quotes_are_quoted() {
        let rows = [vec!["a, b".to_string(), "say \"x\"".to_string()], vec!["c".into(), String::new()]];
        assert_eq!(csv(&["one", "two"], &rows), "one,two\n\"a, b\",\"say \"\"x\"\"\"\nc,\n");
    }

    #[test]
    fn a_table_has_its_rule_under_a_head_of_two_lines() {
        let head = [("name", Flush::Left), ("parts:\none", Flush::Right), ("two", Flush::Right)];
        let rows = [vec!["a".into(), "1 [0–3]".into(), "10".into()], vec!["bcdef".into(), "2".into(), "7".into()]];
        let want = [
            "        parts:",
            "name       one  two",
            "───────────────────",
            "a      1 [0–3]   10",
            "bcdef        2    7",
        ];
        assert_eq!(plain(&head, &rows).lines().collect::<Vec<_>>(), want);
    }

    #[test]
    fn columns_that_do_not_fit_follow_below_with_the_first_one_again() {
        let head: Vec<(&str, Flush)> =
            ["task", "a", "b", "c"].map(|t| (t, if t == "task" { Flush::Left } else { Flush::Right })).into();
        let rows = vec![vec!["one".to_string(), "x".repeat(40), "y".repeat(40), "z".repeat(40)]];
        let parts: Vec<String> = stacked(&head, &rows).split("\n\n").map(str::to_string).collect();
        assert_eq!(parts.len(), 2);
        assert!(parts.iter().all(|p| p.starts_with("task") && p.lines().all(|l| l.chars().count() <= WIDTH)));
        assert!(parts[0].contains('y') && !parts[0].contains('z') && parts[1].contains('z'), "{parts:?}");
    }

    #[test]
    fn a_paragraph_is_cut_between_words_and_indented() {
        let text = "steering recovers 63 % of it ".repeat(9);
        let out = wrapped(text.trim(), 2);
        assert_eq!(out.split_whitespace().collect::<Vec<_>>(), text.split_whitespace().collect::<Vec<_>>());
        assert!(out.lines().all(|l| l.chars().count() <= 100 && !l.trim_start().starts_with('%')), "{out}");
        assert!(out.lines().skip(1).all(|l| l.starts_with("  s") || !l.starts_with("   ")), "{out}");
        assert_eq!(wrapped("short", 2), "short");
    }
}

//! Tables and paragraphs for the terminal.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

/// Columns of the terminal that nothing printed here exceeds, unless a single word does.
pub(crate) const WIDTH: usize = 100;

/// On which side the texts of a column stand flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flush {
    Left,
    Right,
}

/// A table with one rule, under its head; a head may have two lines.
pub(crate) fn plain(head: &[(&str, Flush)], rows: &[Vec<String>]) -> String {
    let height = head.iter().map(|(text, _)| text.lines().count()).max().unwrap_or(0);
    let mut table = Table::new();
    // Short heads stand on the line above the rule.
    let texts = head.iter().map(|(text, _)| format!("{}{text}", "\n".repeat(height - text.lines().count())));
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
    use super::{Flush, plain, wrapped};

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
    fn a_paragraph_is_cut_between_words_and_indented() {
        let text = "steering recovers 63 % of it ".repeat(9);
        let out = wrapped(text.trim(), 2);
        assert_eq!(out.split_whitespace().collect::<Vec<_>>(), text.split_whitespace().collect::<Vec<_>>());
        assert!(out.lines().all(|l| l.chars().count() <= 100 && !l.trim_start().starts_with('%')), "{out}");
        assert!(out.lines().skip(1).all(|l| l.starts_with("  s") || !l.starts_with("   ")), "{out}");
        assert_eq!(wrapped("short", 2), "short");
    }
}

//! `steercheck lens`.

use steercheck_eval::lens::{LensGrid, Seen, lens};
use steercheck_model::{FinalNorm, Loaded};

use crate::arguments::LensOptions;
use crate::error::CliError;
use crate::loading;
use crate::models::{self, print};
use crate::tables::Flush::{Left, Right};
use crate::tables::{Flush, stacked, wrapped};

/// Characters of a token that a cell shows.
const SHOWN: usize = 10;

/// Runs the command.
pub(crate) fn run(options: &LensOptions) -> Result<(), CliError> {
    let found = models::find(Some(&options.model), options.loading.accept_licence, false)?;
    let memory = loading::memory(&options.loading);
    let Loaded { model, tokenizer, .. } = loading::open(&found.path, &options.loading, memory)?;
    let norm = if options.no_norm { FinalNorm::Skip } else { FinalNorm::Apply };
    let grid = lens(&model, &tokenizer?, &options.prompt.replace("\\n", "\n"), norm)?;
    if options.json {
        let json = serde_json::to_string_pretty(&grid).map_err(|e| CliError::Output(e.to_string()))?;
        return print(&format!("{json}\n"));
    }
    print(&text(&grid, options.positions))
}

/// The last positions, the top residual first: a column each.
fn text(grid: &LensGrid, positions: Option<usize>) -> String {
    let n = grid.tokens.len();
    let first = n - positions.unwrap_or(n).min(n);
    let heads: Vec<String> = (first..n).map(|i| format!("{i}\n{}", shown(&grid.texts[i]))).collect();
    let mut head: Vec<(&str, Flush)> = vec![("residual", Right)];
    head.extend(heads.iter().map(|text| (text.as_str(), Left)));
    let cell = |seen: &Seen| format!("{} {:.0}", shown(&seen.text), 100.0 * seen.probability);
    let row = |(b, seen): (usize, &Vec<Seen>)| {
        std::iter::once(b.to_string()).chain(seen[first..].iter().map(cell)).collect::<Vec<String>>()
    };
    let rows: Vec<Vec<String>> = grid.residuals.iter().enumerate().rev().map(row).collect();
    let through = if grid.final_norm {
        "through the final norm and the head"
    } else {
        "through the head alone, without the final norm"
    };
    let title = format!("The most probable next token at every position and its probability in per cent, {through}");
    format!("{}\n{}\n", wrapped(&title, 0), stacked(&head, &rows))
}

/// A token as a cell shows it: quoted, whitespace visible, cut.
fn shown(text: &str) -> String {
    let visible: String = text.chars().flat_map(char::escape_debug).take(SHOWN).collect();
    let more = if text.chars().flat_map(char::escape_debug).count() > SHOWN { "…" } else { "" };
    format!("'{visible}{more}'")
}

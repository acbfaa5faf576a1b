//! The HTML file.

mod card;
mod conclusion;
mod items;
mod matrix;
mod over_models;
mod provenance;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use sha2::{Digest, Sha256};

use crate::Report;
use crate::figure::{self, Figure, Placed};
use crate::figures;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// How much of a card stands in the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    /// The verdict and its reason.
    Verdict,
    /// Its numbers, too.
    Numbers,
    /// Its figures and items, too.
    Whole,
}

impl Depth {
    /// What a page of so many cells can be read with.
    fn of(cells: usize) -> Self {
        match cells {
            0..=80 => Self::Whole,
            81..=400 => Self::Numbers,
            _ => Self::Verdict,
        }
    }
}

/// What the page allows itself: its one style and its one script, by their hashes.
fn policy() -> String {
    let hash = |text: &str| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text.as_bytes())));
    format!(
        "default-src 'none'; style-src {}; script-src {}; img-src data:; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

/// The whole page.
pub(crate) fn html(report: &Report<'_>) -> String {
    let over_all = report.over_all();
    let depth = Depth::of(report.cells.len());
    let cards = report.cells.iter().zip(&report.groups).enumerate();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                // Nothing from anywhere: the styles and the script below are all there is.
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="color-scheme" content="light dark";
                title { "steercheck report" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a class="skip" href="#main" { "To the results" }
                header {
                    h1 { "Does steering work here?" }
                    p class="lead" { (conclusion::sentence(report)) }
                    p class="caveat" { (conclusion::caveats(report)) }
                    nav aria-label="Parts of the report" {
                        a href="#verdicts" { "Verdicts" } a href="#models" { "Over models" } a href="#figures" { "Figures" }
                        a href="#cards" { "Cards" } a href="#provenance" { "Provenance" }
                    }
                }
                main id="main" {
                    section id="verdicts" aria-labelledby="verdicts-h" {
                        h2 id="verdicts-h" { "Verdicts" }
                        (matrix::filters(report))
                        (matrix::tables(report))
                    }
                    section id="models" aria-labelledby="models-h" {
                        h2 id="models-h" { "Over models and tasks" }
                        (over_models::tables(report))
                    }
                    section id="figures" aria-labelledby="figures-h" {
                        h2 id="figures-h" { "Figures" }
                        @for figure in &over_all { (drawn(figure)) }
                    }
                    section id="cards" aria-labelledby="cards-h" {
                        h2 id="cards-h" { "Cards" }
                        @for (i, (cell, records)) in cards { (card::article(cell, records, &figures::card_id(cell, i), depth)) }
                    }
                    section id="provenance" aria-labelledby="provenance-h" {
                        h2 id="provenance-h" { "Provenance" }
                        (provenance::tables(report))
                    }
                }
                // What a figure looks like that is saved by itself.
                template id="alone" { (figure::STYLE) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// A figure with its caption, its sources and its numbers.
fn drawn(figure: &Figure) -> Markup {
    let csv = figure.csv();
    let lines = csv.lines().count();
    html! {
        figure id=(figure.id) {
            div class="drawing" tabindex="0" role="group" aria-label=(figure.title) { (PreEscaped(figure.svg(Placed::InPage))) }
            figcaption {
                b { (figure.title) @if !figure.title.ends_with('?') { "." } " " } (figure.caption)
                details {
                    summary { "Numbers and sources" }
                    p class="keys" { "records " @for key in figure.sources.iter().take(12) { code { (key[..12]) } " " }
                        @if figure.sources.len() > 12 { "and " (figure.sources.len() - 12) " more" } }
                    @if lines <= LINES { pre tabindex="0" { (csv) } }
                    @else { p { (lines) " numbers: `steercheck report STORE --out FOLDER --figures svg` writes them as CSV." } }
                }
            }
        }
    }
}

/// Lines of a figure's numbers that stand in the page.
const LINES: usize = 2000;

/// `54 [40–67]` of a share, in per cent.
fn percent(e: &steercheck_stats::Estimate) -> String {
    format!("{:.0} [{:.0}–{:.0}]", 100.0 * e.point, 100.0 * e.low, 100.0 * e.high)
}

/// `+54 [+40, +67]` of a difference of shares, in points.
fn points(e: &steercheck_stats::Estimate) -> String {
    let signed = |x: f64| match format!("{:+.0}", 100.0 * x) {
        zero if zero == "-0" => "+0".to_string(),
        other => other.replace('-', "−"),
    };
    format!("{} [{}, {}]", signed(e.point), signed(e.low), signed(e.high))
}

//! The HTML file.

mod card;
mod conclusion;
mod items;
mod matrix;
mod over_models;
mod provenance;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::Report;
use crate::figure::{Figure, Placed};
use crate::figures;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The whole page.
pub(crate) fn html(report: &Report<'_>) -> String {
    let over_all = report.over_all();
    let cards = report.cells.iter().zip(&report.groups).enumerate();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                // Nothing from anywhere: the styles and the script below are all there is.
                meta http-equiv="Content-Security-Policy"
                    content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'";
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
                        (over_models::tables(&report.summaries))
                    }
                    section id="figures" aria-labelledby="figures-h" {
                        h2 id="figures-h" { "Figures" }
                        @for figure in &over_all { (drawn(figure)) }
                    }
                    section id="cards" aria-labelledby="cards-h" {
                        h2 id="cards-h" { "Cards" }
                        @for (i, (cell, records)) in cards { (card::article(cell, records, &figures::card_id(cell, i))) }
                    }
                    section id="provenance" aria-labelledby="provenance-h" {
                        h2 id="provenance-h" { "Provenance" }
                        (provenance::tables(report))
                    }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// A figure with its caption, its sources and its numbers.
fn drawn(figure: &Figure) -> Markup {
    let csv = figure.csv();
    html! {
        figure id=(figure.id) {
            div class="drawing" tabindex="0" role="group" aria-label=(figure.title) { (PreEscaped(figure.svg(Placed::InPage))) }
            figcaption {
                b { (figure.title) @if !figure.title.ends_with('?') { "." } " " } (figure.caption)
                details {
                    summary { "Numbers and sources" }
                    p class="keys" { "records " @for key in figure.sources.iter().take(12) { code { (key[..12]) } " " }
                        @if figure.sources.len() > 12 { "and " (figure.sources.len() - 12) " more" } }
                    pre tabindex="0" { @for line in csv.lines().take(LINES + 1) { (line) "\n" }
                        @if csv.lines().count() > LINES + 1 { "… all with `steercheck report STORE --out FOLDER --figures svg`" } }
                }
            }
        }
    }
}

/// Lines of a figure's numbers that stand in the page below their names.
const LINES: usize = 40;

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

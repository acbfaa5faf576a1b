//! One card: its numbers, its figures, its items.

use maud::{Markup, html};
use steercheck_eval::Record;
use steercheck_eval::across::Cell;
use steercheck_stats::Estimate;

use super::{Depth, drawn, items, percent, points};
use crate::{figures, method_name};

/// The card's section, closed until it is asked for.
pub(super) fn article(cell: &Cell, records: &[&Record], id: &str, depth: Depth) -> Markup {
    let m = &cell.card.measured;
    let subject = &m.subject;
    let verdict = cell.card.verdict.map_or("not judged", |v| v.text());
    html! {
        article id=(id) data-model=(subject.model) data-family=(cell.family) data-method=(subject.method) data-task=(subject.task) {
            details {
                summary {
                    h3 { (subject.model) ", " (method_name(&subject.method)) ", " (subject.task) }
                    " " span class={ "verdict " (verdict.replace(' ', "-")) } { b { (verdict) } " " (points(&m.effect)) " " small { "n = " (m.n) } }
                }
                p { (cell.card.reason) }
                @if let Some(placebo) = &subject.presented { p { "In the method's place, " (placebo) " was run." } }
                @if depth >= Depth::Numbers { (numbers(cell)) }
                @if depth < Depth::Whole {
                    p class="caveat" { "Left out here, where cells are many: its figures and items. "
                        code { "steercheck report STORE --out FOLDER --models " (subject.model) " --tasks " (subject.task) } " shows them." }
                }
                @if depth == Depth::Whole { @for figure in figures::card::of_card(cell, records, id) { (drawn(&figure)) }
                (items::table(records, id)) }
            }
        }
    }
}

fn numbers(cell: &Cell) -> Markup {
    let m = &cell.card.measured;
    let share = |e: &Estimate| format!("{} % (n = {})", percent(e), e.n);
    let gain = |e: &Estimate| format!("{} points (n = {})", points(e), e.n);
    let number = |e: &Estimate| format!("{:.2} [{:.2}, {:.2}] nats (n = {})", e.point, e.low, e.high, e.n);
    let mut rows: Vec<(String, String)> = vec![("unsteered".into(), share(&m.zero_shot))];
    rows.extend(m.few_shot.as_ref().map(|e| ("with demonstrations".into(), share(e))));
    rows.push(("steered".into(), share(&m.steered)));
    rows.push(("gain: steered minus unsteered".into(), gain(&m.effect)));
    rows.extend(cell.card.p_adjusted.map(|p| ("p of no gain, after Holm".into(), format!("{p:.4} (n = {})", m.n))));
    for (i, placebo) in m.placebos.iter().enumerate() {
        let p = cell.card.placebo_p_adjusted.get(i).map_or_else(String::new, |p| format!(", p = {p:.4}"));
        let told = format!("{}; steered minus it {}{p}", share(&placebo.accuracy), gain(&placebo.advantage));
        rows.push((format!("placebo: {}", placebo.arm), told));
    }
    rows.extend(m.recovery.of_accuracy.as_ref().map(|e| ("by few-shot accuracy".into(), share(e))));
    rows.extend(m.recovery.of_gain.as_ref().map(|e| ("by few-shot gain".into(), share(e))));
    rows.extend(m.lost.as_ref().map(|e| ("right items that steering made wrong".into(), share(e))));
    rows.extend(m.anti_steerable.as_ref().map(|e| ("items that steering moves the wrong way".into(), share(e))));
    rows.extend(m.worst_decile.as_ref().map(|e| ("mean change of the worst tenth".into(), number(e))));
    if let Some(optimism) = &m.optimism {
        rows.push(("at the setting on the items that chose it".into(), share(&optimism.dev)));
        rows.push((
            "best setting on the reported items".into(),
            format!("{}, {:+.0} points beyond the chosen one", share(&optimism.oracle), 100.0 * optimism.optimism),
        ));
    }
    if let Some(side) = &m.side_effects {
        rows.push(("divergence on neutral text".into(), number(&side.kl)));
        rows.push(("what neutral text comes to cost".into(), number(&side.delta_nll)));
    }
    if let Some(gain) = cell.card.minimum_detectable_effect {
        rows.push(("gain that is detected at 80 % power".into(), format!("{:.0} points (n = {})", 100.0 * gain, m.n)));
    }
    let settings: Vec<String> = m.seeds.iter().zip(&m.settings).map(|(seed, s)| format!("seed {seed}: {s}")).collect();
    rows.push(("settings".into(), settings.join("; ")));
    html! {
        div class="wide" tabindex="0" role="group" aria-label="Numbers" {
            table class="numbers" {
                caption { "Numbers of the card, with 95 % intervals" }
                tbody { @for (name, text) in &rows { tr { th scope="row" { (name) } td { (text) } } } }
            }
        }
    }
}

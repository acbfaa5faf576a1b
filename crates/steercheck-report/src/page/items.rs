//! The items of a card, those that got worse first.

use maud::{Markup, html};
use steercheck_eval::Record;
use steercheck_eval::record::Arm;

/// Items at either end that stand in the page.
const SHOWN: usize = 20;

/// What an arm said to an item, and how probable its right answer was, in nats.
struct Said {
    text: String,
    hit: bool,
    log_prob: f64,
}

/// A table of the items of the first seed; nothing where the arms were asked different items.
pub(super) fn table(records: &[&Record], id: &str) -> Markup {
    let Some(record) = records.first().filter(|record| record.plan.counts.baseline == 0) else { return html! {} };
    let arm = |name: &str| record.arm(name);
    let (Some(without), Some(with)) = (arm("zero-shot").or(arm("baseline")), arm("steered")) else { return html! {} };
    let few = arm("few-shot");
    let change = |i: usize| said(with, i).log_prob - said(without, i).log_prob;
    let n = record.results.items.test.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| change(*a).total_cmp(&change(*b)).then(a.cmp(b)));
    let left_out = n.saturating_sub(2 * SHOWN);
    if left_out > 0 {
        order.drain(SHOWN..n - SHOWN);
    }
    html! {
        details class="items" {
            summary { "Items: what was asked and said, worst change first (n = " (n) ")" }
            label class="search" hidden { "Search " input type="search" data-search=(id); }
            div class="wide" tabindex="0" role="group" aria-label="Items" {
                table id={ (id) "-items" } {
                    caption {
                        "First seed (" (record.plan.seed) "). Change: of the right answer's log-probability, in nats."
                        @if left_out > 0 { " " (left_out) " items between the ends are left out; `steercheck store export` has all." }
                    }
                    thead { tr {
                        th scope="col" { "asked" } th scope="col" { "right" } th scope="col" { "unsteered" }
                        @if few.is_some() { th scope="col" { "with demonstrations" } }
                        th scope="col" { "steered" } th scope="col" { "change" }
                    } }
                    tbody { @for i in &order {
                        @let item = &record.results.items.test[*i];
                        tr {
                            th scope="row" { (item.input) } td { (item.answer) }
                            (cell(&said(without, *i))) @if let Some(few) = few { (cell(&said(few, *i))) } (cell(&said(with, *i)))
                            td class="number" { (format!("{:+.2}", change(*i)).replace('-', "−")) }
                        }
                    } }
                }
            }
        }
    }
}

fn cell(said: &Said) -> Markup {
    let mark = if said.hit { "✓" } else { "✗" };
    html! {
        td class=(if said.hit { "hit" } else { "miss" }) {
            (mark) " " (said.text) " " small { (format!("{:.2} nats", said.log_prob).replace('-', "−")) }
        }
    }
}

/// What an arm made of an item, whether answers are generated or scored.
fn said(arm: &Arm, i: usize) -> Said {
    if let Some(o) = arm.outcomes.get(i) {
        return Said { text: o.text.clone(), hit: o.hit, log_prob: o.answer_log_prob };
    }
    let scored = arm.scored.get(i);
    Said {
        text: String::new(),
        hit: scored.is_some_and(|o| o.hit),
        log_prob: scored.and_then(|o| o.scores.first().copied()).unwrap_or(f64::NAN),
    }
}

//! The items of a card, those that got worse first.

use maud::{Markup, html};
use steercheck_eval::Record;
use steercheck_eval::record::Arm;

/// Items at either end that stand in the page.
const SHOWN: usize = 20;

/// What an arm said to an item, and how probable the right answer was, in words.
struct Said {
    text: String,
    hit: bool,
    weight: String,
}

/// A table of the items of the first seed; nothing where the arms were asked different items.
pub(super) fn table(records: &[&Record], id: &str) -> Markup {
    let Some(record) = records.first().filter(|record| record.plan.counts.baseline == 0) else { return html! {} };
    let arm = |name: &str| record.arm(name);
    let (Some(without), Some(with)) = (arm("zero-shot").or(arm("baseline")), arm("steered")) else { return html! {} };
    let few = arm("few-shot");
    let change = |i: usize| log_prob(with, i) - log_prob(without, i);
    let n = record.results.items.test.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|a, b| change(*a).total_cmp(&change(*b)).then(a.cmp(b)));
    let scored = !with.scored.is_empty();
    let (what, what_changes) = if scored {
        ("the score of the best answer, in nats, against the highest of the false ones", "the best answer's score")
    } else {
        ("the probability of the right one", "the right answer's log-probability")
    };
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
                        "First seed (" (record.plan.seed) ")." @if let Some(template) = record.plan.method.options.get("template") {
                            " Prompts in the template " (template) "." }
                        " Below each answer: " (what) ". Change: of " (what_changes) ", in nats."
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
            (mark) " " (said.text) " " small { (said.weight) }
        }
    }
}

/// The right answer's log-probability or, where answers are scored, the best one's score.
fn log_prob(arm: &Arm, i: usize) -> f64 {
    let score = || arm.scored.get(i).and_then(|o| o.scores.first().copied());
    arm.outcomes.get(i).map(|o| o.answer_log_prob).or_else(score).unwrap_or(f64::NAN)
}

/// What an arm made of an item, whether answers are generated or scored.
fn said(arm: &Arm, i: usize) -> Said {
    if let Some(o) = arm.outcomes.get(i) {
        let weight = probability(o.answer_log_prob);
        return Said { text: o.text.clone(), hit: o.hit, weight };
    }
    let Some((hit, (best, others))) = arm.scored.get(i).and_then(|o| Some((o.hit, o.scores.split_first()?))) else {
        return Said { text: String::new(), hit: false, weight: "–".into() };
    };
    let highest = others.iter().copied().reduce(f64::max);
    let against = highest.map_or_else(String::new, |other| format!(" against {other:.2}"));
    Said { text: String::new(), hit, weight: format!("{best:.2}{against}").replace('-', "−") }
}

/// A probability with two digits.
fn probability(log_prob: f64) -> String {
    match log_prob.exp() {
        p if p >= 0.1 => format!("{:.0} %", 100.0 * p),
        p if p >= 0.001 => format!("{:.1} %", 100.0 * p),
        _ => "< 0.1 %".into(),
    }
}

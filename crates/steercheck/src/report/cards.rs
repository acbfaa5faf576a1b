//! Cards as tables: the verdict with what it rests on, the placebos, how the setting was chosen, side effects.

use steercheck_eval::Record;
use steercheck_eval::card::{Card, Completed, Measured, Verdict};
use steercheck_eval::record::Setting;
use steercheck_stats::Estimate;

use super::{heads, lens, scoring};
use crate::tables::{Flush, Table};

use Flush::{Left, Right};

/// The tables of a check, method by method; those that have nothing to show are left out.
pub(super) fn tables(records: &[Record], cards: &[Card]) -> Vec<Table> {
    let of_one_method = |a: &Card, b: &Card| a.measured.subject.method == b.measured.subject.method;
    let mut out = Vec::new();
    for cards in cards.chunk_by(of_one_method) {
        let method = &cards[0].measured.subject.method;
        let records: Vec<&Record> = records.iter().filter(|r| r.plan.method.name == *method).collect();
        let all = [
            verdicts(&records, cards),
            placebos(cards),
            scoring::metrics(cards),
            scoring::completions(cards),
            scoring::alphas(cards),
            scoring::boundaries(cards),
            scoring::layers(cards),
            lens::rises(cards),
            choices(&cards[0], cards),
            heads::table(&records, cards),
            side_effects(cards),
        ];
        out.extend(all.into_iter().flatten());
    }
    out
}

/// The method in words; none of the cards' names that is not known here.
pub(super) fn method_name(method: &str) -> &str {
    match method {
        "task-vector" => "Task vectors",
        "function-vector" => "Function vectors",
        "vector" => "Given vector",
        "dola" => "DoLa",
        other => other,
    }
}

/// `54 [40–67]`, in per cent.
pub(crate) fn percent(e: &Estimate) -> String {
    format!("{:.0} [{:.0}–{:.0}]", 100.0 * e.point, 100.0 * e.low, 100.0 * e.high)
}

/// `+54 [+40, +67]`, in points.
pub(super) fn points(e: &Estimate) -> String {
    let signed = |x: f64| match format!("{:+.0}", 100.0 * x) {
        zero if zero == "-0" => "+0".to_string(),
        other => other,
    };
    format!("{} [{}, {}]", signed(e.point), signed(e.low), signed(e.high))
}

/// `1.2 [0.8, 1.6]`.
fn number(e: &Estimate) -> String {
    format!("{e:.2}")
}

pub(super) fn or_dash<T>(value: Option<&T>, text: impl Fn(&T) -> String) -> String {
    value.map_or_else(|| "–".to_string(), text)
}

/// The method in words.
fn method(m: &Measured) -> String {
    let name = method_name(&m.subject.method);
    match (&m.subject.presented, m.settings.first()) {
        (Some(placebo), _) => format!("{name}, in whose place {placebo} was run"),
        // A setting that was given is the same for all tasks.
        (None, Some(setting)) if m.optimism.is_none() => format!("{name} ({setting})"),
        (None, _) => name.to_string(),
    }
}

fn seeds(m: &Measured) -> String {
    match m.seeds[..] {
        [seed] => format!("seed {seed}"),
        [first, .., last] => format!("{} seeds ({first} to {last})", m.seeds.len()),
        [] => String::new(),
    }
}

fn verdicts(records: &[&Record], cards: &[Card]) -> Option<Table> {
    let first = &cards.first()?.measured;
    let by_seed = cards.iter().any(|c| c.measured.spread.is_some());
    let demonstrated = !is_scored(cards);
    let rows = cards
        .iter()
        .map(|card| {
            let m = &card.measured;
            let mut row = vec![m.subject.task.clone(), percent(&m.zero_shot)];
            if demonstrated {
                row.push(or_dash(m.few_shot.as_ref(), percent));
            }
            row.extend([percent(&m.steered), points(&m.effect)]);
            if by_seed {
                row.push(or_dash(m.spread.as_ref(), |s| format!("{:+.0} to {:+.0}", 100.0 * s.least, 100.0 * s.most)));
            }
            row.push(card.verdict.map_or("–", Verdict::text).to_string());
            row
        })
        .collect();
    let mut head = if demonstrated {
        vec![("task", Left), ("zero-shot", Right), ("few-shot", Right)]
    } else {
        vec![("questions", Left), ("unsteered", Right)]
    };
    head.extend([("steered", Right), ("gain", Right)]);
    if by_seed {
        head.push(("by seed", Right));
    }
    head.push(("verdict", Left));
    let sizes = records.first().map(|r| r.plan.counts)?;
    let note = if sizes.baseline > 0 {
        format!(
            "n = {} test items ({} other items zero-shot); steered is the best setting on the {} items that chose it, as the \
             protocol reports it",
            sizes.test, sizes.baseline, sizes.dev
        )
    } else {
        format!(
            "n = {} test items, the same in every column; gain: steered minus {} on each item, in points{}",
            counts(cards),
            if demonstrated { "zero-shot" } else { "unsteered" },
            whole_answers(cards)
        )
    };
    Some(Table {
        title: format!(
            "{}: per cent right [95 % interval], protocol {}, profile {}, {}",
            method(first),
            first.subject.protocol,
            first.subject.profile,
            seeds(first)
        ),
        head,
        rows,
        note,
    })
}

/// How often greedy decoding gives the whole answer, where that is not what counts as right.
fn whole_answers(cards: &[Card]) -> String {
    let all: Vec<(&Measured, &Completed)> =
        cards.iter().filter_map(|c| Some((&c.measured, c.measured.completed.as_ref()?))).collect();
    if !all.iter().any(|(m, whole)| (whole.steered.point - m.steered.point).abs() > f64::EPSILON) {
        return String::new();
    }
    let share = |e: &Estimate| format!("{:.0}", 100.0 * e.point);
    let one = |(m, whole): &(&Measured, &Completed)| {
        let few_shot = or_dash(whole.few_shot.as_ref(), share);
        format!("{} {} / {} / {}", m.subject.task, share(&whole.zero_shot), few_shot, share(&whole.steered))
    };
    let all: Vec<String> = all.iter().map(one).collect();
    format!("; whole answers by greedy decoding, zero-shot / few-shot / steered: {}", all.join(", "))
}

/// Whether answers are scored, so that there are no demonstrations.
fn is_scored(cards: &[Card]) -> bool {
    cards.iter().all(|card| card.measured.scoring.is_some())
}

/// `48`, or `55 to 72` where tasks differ in their items.
fn counts(cards: &[Card]) -> String {
    let n = || cards.iter().map(|c| c.measured.n);
    match (n().min().unwrap_or(0), n().max().unwrap_or(0)) {
        (least, most) if least == most => least.to_string(),
        (least, most) => format!("{least} to {most}"),
    }
}

fn placebos(cards: &[Card]) -> Option<Table> {
    let names: Vec<&str> = cards.first()?.measured.placebos.iter().map(|p| p.arm.as_str()).collect();
    if names.is_empty() {
        return None;
    }
    let mut head = vec![("task", Left)];
    head.extend(names.iter().map(|name| (short(name), Right)));
    head.extend([("steered minus\nthe closest", Right), ("p after\nHolm", Right)]);
    let demonstrated = !is_scored(cards);
    if demonstrated {
        head.extend([("by few-shot\naccuracy", Right), ("by few-shot\ngain", Right)]);
    }
    let rows = cards
        .iter()
        .map(|card| {
            let (placebos, recovery) = (&card.measured.placebos, &card.measured.recovery);
            let mut row = vec![card.measured.subject.task.clone()];
            row.extend(placebos.iter().map(|p| percent(&p.accuracy)));
            let closest = card.measured.closest_placebo();
            row.push(or_dash(closest, |c| points(&c.advantage)));
            let at = closest.and_then(|c| placebos.iter().position(|p| p.arm == c.arm));
            row.push(or_dash(at.as_ref(), |i| p_value(card.placebo_p_adjusted[*i])));
            if demonstrated {
                row.extend([&recovery.of_accuracy, &recovery.of_gain].map(|r| or_dash(r.as_ref(), percent)));
            }
            row
        })
        .collect();
    Some(Table {
        title: if demonstrated {
            "Placebos on the same items, per cent right; steered beside them and beside few-shot"
        } else {
            "Placebo on the same questions, per cent right"
        }
        .into(),
        head,
        rows,
        note: if demonstrated {
            "strength 0 equals the unsteered model bit for bit; every edit fired as planned; by few-shot accuracy: steered by \
             few-shot, in per cent; by few-shot gain: gain by what few-shot gains"
        } else {
            "a layer of the chosen bucket drawn for every token"
        }
        .into(),
    })
}

/// A placebo's name as a column's head.
fn short(name: &str) -> &'static str {
    match name {
        "random-direction" => "random\ndirection",
        "permuted" => "permuted\nentries",
        "random-heads" => "random\nheads",
        "shuffled-labels" => "shuffled\nlabels",
        "wrong-task" => "wrong\ntask",
        "random-layer" => "random\nlayer",
        _ => "other",
    }
}

fn p_value(p: f64) -> String {
    if p < 0.001 { "<0.001".to_string() } else { format!("{p:.3}") }
}

fn choices(first: &Card, cards: &[Card]) -> Option<Table> {
    first.measured.changed?;
    let chosen = first.measured.optimism.is_some();
    let rows = cards
        .iter()
        .map(|card| {
            let m = &card.measured;
            let mut row = vec![m.subject.task.clone()];
            if chosen {
                row.extend([
                    settings(m),
                    or_dash(m.optimism.as_ref().map(|o| &o.dev), percent),
                    or_dash(m.optimism.as_ref(), |o| format!("{} (+{:.0})", percent(&o.oracle), 100.0 * o.optimism)),
                ]);
            }
            row.extend([
                or_dash(m.lost.as_ref(), percent),
                or_dash(m.anti_steerable.as_ref(), percent),
                or_dash(m.worst_decile.as_ref(), |e| format!("{e:.1}")),
                or_dash(card.minimum_detectable_effect.as_ref(), |x| format!("{:.0}", 100.0 * x)),
            ]);
            row
        })
        .collect();
    let mut head = vec![("task", Left)];
    if chosen {
        head.extend([("at", Right), ("dev", Right), ("best on test\n(optimism)", Right)]);
    }
    head.extend([
        ("lost", Right),
        ("anti-\nsteerable", Right),
        ("worst tenth,\nnats", Right),
        ("detect-\nable", Right),
    ]);
    let axes = match first.measured.settings.first() {
        Some(setting) if setting.0.len() > 1 => "residual, number of heads and strength λ,",
        _ => "residual",
    };
    let subject = &first.measured.subject;
    let axes = if subject.method == "dola" { "α, bucket and log-softmax" } else { axes };
    let on = match (subject.protocol.as_str(), subject.method.as_str()) {
        ("study", "dola") => "the reported questions, as the protocol does",
        (_, "dola") => "all questions (each fold's own choice, made without it, is what is reported)",
        ("study", "function-vector") => "the reported items, as the protocol does (dev is test)",
        _ => "dev",
    };
    let choosing = if chosen {
        format!("at: {axes} chosen on {on}; optimism: best on test minus steered; ")
    } else {
        String::new()
    };
    Some(Table {
        title: if chosen { "Setting and reliability, per cent" } else { "Reliability, per cent" }.into(),
        head,
        rows,
        note: format!(
            "{choosing}lost: right items that steering made wrong; anti-steerable: items whose answer is less probable the stronger \
             the steering; worst tenth: mean change of their answers' log-probability; detectable: the gain in points that n items \
             detect at 80 % power"
        ),
    })
}

/// `22`, or `22, 16, 2` where heads and strength were chosen, too.
fn place(setting: &Setting) -> String {
    let Some(residual) = setting.at() else { return setting.to_string() };
    match (setting.0.get("heads"), setting.0.get("strength")) {
        (Some(heads), Some(strength)) => format!("{residual}, {heads}, {strength}"),
        _ => residual.to_string(),
    }
}

/// The chosen settings, one per seed where they differ.
fn settings(m: &Measured) -> String {
    let mut texts: Vec<String> = m.settings.iter().map(place).collect();
    texts.dedup();
    texts.join("; ")
}

fn side_effects(cards: &[Card]) -> Option<Table> {
    let rows: Vec<Vec<String>> = cards
        .iter()
        .filter_map(|card| {
            let s = card.measured.side_effects.as_ref()?;
            let task = card.measured.subject.task.clone();
            Some(vec![task, number(&s.kl), number(&s.kl_p95), number(&s.delta_nll), points(&s.repetition)])
        })
        .collect();
    (!rows.is_empty()).then(|| Table {
        title: "Side effects on neutral text [95 % interval]".into(),
        head: vec![
            ("task", Left),
            ("KL, mean", Right),
            ("KL, 95th\npercentile", Right),
            ("ΔNLL per\ntoken", Right),
            ("repetition,\npoints", Right),
        ],
        rows,
        note: "in nats, from the unsteered model's next-token distribution; repetition: repeated 4-grams of greedy continuations, \
               steered minus unsteered"
            .into(),
    })
}

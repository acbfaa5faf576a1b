//! What scored answers amount to besides right and wrong.

use steercheck_eval::card::{Card, Comparison, Metric, ScoringMeasured, UnderAlpha};
use steercheck_eval::scoring::grid::ALPHAS;

use super::cards::{or_dash, percent, points};
use crate::tables::Flush::{Left, Right};
use crate::tables::Table;

/// The other metrics and the controls.
pub(super) fn metrics(cards: &[Card]) -> Option<Table> {
    let scored: Vec<(&Card, &ScoringMeasured)> =
        cards.iter().filter_map(|c| Some((c, c.measured.scoring.as_ref()?))).collect();
    if scored.is_empty() {
        return None;
    }
    let metric = |m: &Metric| format!("{:.0} {}", 100.0 * m.baseline.point, points(&m.effect));
    let rows = scored
        .iter()
        .map(|(card, s)| {
            let control = |name: &str| {
                let found = s.controls.iter().find(|c| c.arm == name);
                or_dash(found, |c: &Comparison| percent(&c.accuracy))
            };
            vec![
                card.measured.subject.task.clone(),
                or_dash(s.mc2.as_ref(), metric),
                or_dash(s.mc3.as_ref(), metric),
                control("static-layer"),
                control("length-constant"),
                control("unmasked"),
                format!("{} / {}", s.best_masked, s.any_masked),
                s.ties.to_string(),
            ]
        })
        .collect();
    Some(Table {
        title: "Other metrics (unsteered and change), controls (per cent right), masks".into(),
        head: vec![
            ("questions", Left),
            ("MC2", Right),
            ("MC3", Right),
            ("one static\nlayer", Right),
            ("constant\nper token", Right),
            ("without\nmasks", Right),
            ("masked\nbest / any", Right),
            ("ties", Right),
        ],
        rows,
        note: "controls: the same layer for all tokens; the model itself with a constant added per token; the chosen configuration without its \
               mask; each chosen on the other folds; masked: questions whose best answer, or any, has a masked token"
            .into(),
    })
}

/// Completions: strict wins and ties apart.
pub(super) fn completions(cards: &[Card]) -> Option<Table> {
    let one = |card: &Card| {
        let scoring = card.measured.scoring.as_ref()?;
        let (strict, with_ties) = (scoring.strict.as_ref()?, scoring.with_ties.as_ref()?);
        let (before, after) = (&strict.baseline, &strict.steered);
        let mut row = vec![card.measured.subject.task.clone(), percent(before), percent(after), points(&strict.effect)];
        row.extend([percent(&with_ties.baseline), percent(&with_ties.steered), points(&with_ties.effect)]);
        Some(row)
    };
    let rows: Vec<Vec<String>> = cards.iter().filter_map(one).collect();
    (!rows.is_empty()).then(|| Table {
        title: "Strict wins, and with ties as right as in the published code; per cent".into(),
        head: vec![
            ("questions", Left),
            ("unsteered", Right),
            ("steered", Right),
            ("gain", Right),
            ("with ties\nunsteered", Right),
            ("\nsteered", Right),
            ("\ngain", Right),
        ],
        rows,
        note: String::new(),
    })
}

/// What each α masks, and what is right under it: a column each.
pub(super) fn alphas(cards: &[Card]) -> Option<Table> {
    const HEADS: [&str; ALPHAS.len()] = ["α = 0", "0.1", "0.25", "0.5", "0.75", "0.9"];
    let share = |x: f64| format!("{:.0}", 100.0 * x);
    let mut rows = Vec::new();
    for card in cards {
        let Some(scoring) = &card.measured.scoring else { continue };
        if !scoring.alphas.iter().map(|under| under.alpha).eq(ALPHAS) {
            continue;
        }
        let mut row = |what: &str, cell: &dyn Fn(&UnderAlpha) -> String| {
            let cells = scoring.alphas.iter().map(cell);
            rows.push([card.measured.subject.task.clone(), what.to_string()].into_iter().chain(cells).collect());
        };
        row("masked tokens", &|under| share(under.masked));
        row("masked best answers", &|under| share(under.best_masked as f64 / card.measured.n.max(1) as f64));
        let buckets = scoring.alphas[0].right.iter().map(|(bucket, ..)| bucket);
        for (i, bucket) in buckets.enumerate() {
            row(&format!("right in {bucket}"), &|under| {
                let right = under.right.get(i);
                or_dash(right, |(_, with, without)| format!("{} / {}", share(*with), share(*without)))
            });
        }
    }
    let mut head = vec![("questions", Left), ("per cent", Left)];
    head.extend(HEADS.map(|alpha| (alpha, Right)));
    (!rows.is_empty()).then(|| Table {
        title: "Every bucket and α, with the log-softmax of the contrast / without".into(),
        head,
        rows,
        note: "seen on all questions, so that the best of these is not what the method is worth; masked best answers: questions whose best \
               answer has a masked token"
            .into(),
    })
}

/// Whether it matters how answers begin and end.
pub(super) fn boundaries(cards: &[Card]) -> Option<Table> {
    let one = |card: &Card| {
        let boundary = card.measured.scoring.as_ref()?.boundary.as_ref()?;
        let without = boundary.without_period.as_ref();
        Some(vec![
            card.measured.subject.task.clone(),
            boundary.merged.to_string(),
            format!("{} of {}", boundary.own_period, boundary.answers),
            or_dash(without, |m| percent(&m.baseline)),
            or_dash(without, |m| percent(&m.steered)),
            or_dash(without, |m| points(&m.effect)),
        ])
    };
    let rows: Vec<Vec<String>> = cards.iter().filter_map(one).collect();
    (!rows.is_empty()).then(|| Table {
        title: "How answers begin and end, and per cent right where their final periods are not scored".into(),
        head: vec![
            ("questions", Left),
            ("merged\nboundaries", Right),
            ("answers with a\nperiod apart", Right),
            ("unsteered", Right),
            ("steered", Right),
            ("gain", Right),
        ],
        rows,
        note: "merged boundaries: questions one of whose answers has a token that spans its beginning and the prompt's end".into(),
    })
}

/// A bar per count, the highest one for the largest; a dot where nothing is.
fn bars(counts: &[usize]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let bar = |n: &usize| if *n == 0 { '·' } else { BARS[(n * 8).div_ceil(most) - 1] };
    counts.iter().map(bar).collect()
}

/// Which layers were chosen.
pub(super) fn layers(cards: &[Card]) -> Option<Table> {
    let mut rows = Vec::new();
    for card in cards {
        let Some(scoring) = &card.measured.scoring else { continue };
        for used in &scoring.layer_use {
            let all: usize = used.tokens.iter().sum();
            let share = |n: usize| format!("{:.0}", 100.0 * n as f64 / all.max(1) as f64);
            let most = used.tokens.iter().copied().max().unwrap_or(0);
            let at = used.tokens.iter().position(|n| *n == most).unwrap_or(0);
            let edges =
                used.tokens.first().copied().unwrap_or(0) + used.tokens.iter().skip(1).last().copied().unwrap_or(0);
            rows.push(vec![
                card.measured.subject.task.clone(),
                used.bucket.clone(),
                format!("{}–{}", used.layers.first().unwrap_or(&0), used.layers.last().unwrap_or(&0)),
                bars(&used.tokens),
                format!("{} ({})", used.layers.get(at).unwrap_or(&0), share(most)),
                share(edges),
                share(used.tied),
                or_dash(used.within.as_ref(), |share| format!("{:.0}", 100.0 * share)),
                or_dash(used.between.as_ref(), |share| format!("{:.0}", 100.0 * share)),
            ]);
        }
    }
    (!rows.is_empty()).then(|| Table {
        title: "Premature layers that diverge most, per cent of all answers' tokens".into(),
        head: vec![
            ("questions", Left),
            ("bucket", Left),
            ("residuals", Right),
            ("how often", Left),
            ("most", Right),
            ("at its\nedges", Right),
            ("ties", Right),
            ("agree\nwithin", Right),
            ("agree\nbetween", Right),
        ],
        rows,
        note: "at its edges: tokens that chose the bucket's first or last layer; ties: tokens whose two largest divergences are within \
               0.1 %; agree: pairs of tokens of one question, and of different questions, that chose the same layer"
            .into(),
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn bars_are_as_high_as_counts() {
        assert_eq!(super::bars(&[0, 1, 50, 51, 100]), "·▁▄▅█");
        assert_eq!(super::bars(&[0, 0]), "··");
        assert_eq!(super::bars(&[]), "");
    }
}

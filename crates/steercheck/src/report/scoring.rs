//! What scored answers amount to besides right and wrong.

use steercheck_eval::card::{Card, Comparison, Metric, ScoringMeasured};

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
                format!("{} ({})", used.layers.get(at).unwrap_or(&0), share(most)),
                share(edges),
                share(used.tied),
            ]);
        }
    }
    (!rows.is_empty()).then(|| Table {
        title: "Premature layers that diverge most, per cent of all answers' tokens".into(),
        head: vec![
            ("questions", Left),
            ("bucket", Left),
            ("residuals", Right),
            ("most often", Right),
            ("at its edges", Right),
            ("ties", Right),
        ],
        rows,
        note: "at its edges: tokens that chose the bucket's first or last layer; ties: tokens whose two largest divergences are within 0.1 %"
            .into(),
    })
}

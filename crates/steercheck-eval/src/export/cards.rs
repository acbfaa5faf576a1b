//! A card as one line of values: everything that a spreadsheet or a data frame wants.

use steercheck_stats::Estimate;

use super::{Frame, Kind, Value};
use crate::card::{Card, Verdict};

use Kind::{Count, Number, Text};

/// The columns. An estimate takes three: its point, its lower and its upper end.
const HEAD: [(&str, Kind); 63] = [
    ("model", Text),
    ("method", Text),
    ("presented", Text),
    ("task", Text),
    ("protocol", Text),
    ("profile", Text),
    ("seeds", Text),
    ("n", Count),
    ("settings", Text),
    ("verdict", Text),
    ("zero_shot", Number),
    ("zero_shot_low", Number),
    ("zero_shot_high", Number),
    ("few_shot", Number),
    ("few_shot_low", Number),
    ("few_shot_high", Number),
    ("steered", Number),
    ("steered_low", Number),
    ("steered_high", Number),
    ("effect", Number),
    ("effect_low", Number),
    ("effect_high", Number),
    ("p", Number),
    ("p_holm", Number),
    ("few_shot_gain", Number),
    ("few_shot_gain_low", Number),
    ("few_shot_gain_high", Number),
    ("recovery_accuracy", Number),
    ("recovery_accuracy_low", Number),
    ("recovery_accuracy_high", Number),
    ("recovery_gain", Number),
    ("recovery_gain_low", Number),
    ("recovery_gain_high", Number),
    ("closest_placebo", Text),
    ("closest_placebo_accuracy", Number),
    ("beyond_placebo", Number),
    ("beyond_placebo_low", Number),
    ("beyond_placebo_high", Number),
    ("anti_steerable", Number),
    ("anti_steerable_low", Number),
    ("anti_steerable_high", Number),
    ("lost", Number),
    ("lost_low", Number),
    ("lost_high", Number),
    ("worst_decile", Number),
    ("worst_decile_low", Number),
    ("worst_decile_high", Number),
    ("dev", Number),
    ("oracle", Number),
    ("optimism", Number),
    ("seed_sd", Number),
    ("detectable", Number),
    ("kl", Number),
    ("kl_low", Number),
    ("kl_high", Number),
    ("kl_p95", Number),
    ("delta_nll", Number),
    ("delta_nll_low", Number),
    ("delta_nll_high", Number),
    ("completed_zero_shot", Number),
    ("completed_few_shot", Number),
    ("completed_steered", Number),
    ("reason", Text),
];

/// One row per card, in their order.
pub fn cards(cards: &[Card]) -> Frame {
    let mut out = Frame::new("cards", HEAD.to_vec());
    for card in cards {
        out.push(row(card));
    }
    out
}

fn row(card: &Card) -> Vec<Value> {
    let m = &card.measured;
    let mut out = vec![
        (&m.subject.model).into(),
        (&m.subject.method).into(),
        m.subject.presented.as_ref().into(),
        (&m.subject.task).into(),
        (&m.subject.protocol).into(),
        (&m.subject.profile).into(),
        m.seeds.iter().map(u64::to_string).collect::<Vec<_>>().join("; ").into(),
        m.n.into(),
        m.settings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ").into(),
        card.verdict.map(Verdict::text).into(),
    ];
    let estimate = |e: Option<Estimate>| [e.map(|e| e.point), e.map(|e| e.low), e.map(|e| e.high)].map(Value::from);
    out.extend([Some(m.zero_shot), m.few_shot, Some(m.steered), Some(m.effect)].into_iter().flat_map(estimate));
    out.extend([m.p.into(), card.p_adjusted.into()]);
    out.extend([m.few_shot_gain, m.recovery.of_accuracy, m.recovery.of_gain].into_iter().flat_map(estimate));
    let closest = m.closest_placebo();
    out.push(closest.map(|c| &c.arm).into());
    out.push(closest.map(|c| c.accuracy.point).into());
    out.extend([closest.map(|c| c.advantage), m.anti_steerable, m.lost, m.worst_decile].into_iter().flat_map(estimate));
    let optimism = m.optimism.as_ref();
    out.extend(
        [optimism.map(|o| o.dev.point), optimism.map(|o| o.oracle.point), optimism.map(|o| o.optimism)]
            .map(Value::from),
    );
    out.extend([m.spread.as_ref().map(|s| s.sd), card.minimum_detectable_effect].map(Value::from));
    let side = m.side_effects.as_ref();
    out.extend(estimate(side.map(|s| s.kl)));
    out.push(side.map(|s| s.kl_p95.point).into());
    out.extend(estimate(side.map(|s| s.delta_nll)));
    let completed = m.completed.as_ref();
    let completed = [completed.map(|c| c.zero_shot), completed.and_then(|c| c.few_shot), completed.map(|c| c.steered)];
    out.extend(completed.map(|e| Value::from(e.map(|e| e.point))));
    out.push((&card.reason).into());
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{HEAD, cards};
    use crate::card;
    use crate::record::sample::with_hits;

    #[test]
    fn no_two_columns_share_a_name() {
        assert_eq!(HEAD.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().len(), HEAD.len());
    }

    #[test]
    fn a_card_is_a_row() {
        let records = [with_hits("one", 0, 40, [1, 38, 30, 1, 0, 2])];
        let frame = cards(&card::cards(&records).unwrap());
        let at = |name: &str| HEAD.iter().position(|(column, _)| *column == name).unwrap();
        assert_eq!((&frame.rows[0][at("steered")], &frame.rows[0][at("task")]), (&0.75.into(), &"one".into()));
    }
}

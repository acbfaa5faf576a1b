//! A card as one line of values: everything that a spreadsheet or a data frame wants.

use steercheck_eval::card::Card;
use steercheck_stats::Estimate;

/// Names of the columns. An estimate takes three: its point, its lower and its upper end.
pub(super) const HEAD: [&str; 63] = [
    "model",
    "method",
    "presented",
    "task",
    "protocol",
    "profile",
    "seeds",
    "n",
    "settings",
    "verdict",
    "zero_shot",
    "zero_shot_low",
    "zero_shot_high",
    "few_shot",
    "few_shot_low",
    "few_shot_high",
    "steered",
    "steered_low",
    "steered_high",
    "effect",
    "effect_low",
    "effect_high",
    "p",
    "p_holm",
    "few_shot_gain",
    "few_shot_gain_low",
    "few_shot_gain_high",
    "recovery_accuracy",
    "recovery_accuracy_low",
    "recovery_accuracy_high",
    "recovery_gain",
    "recovery_gain_low",
    "recovery_gain_high",
    "closest_placebo",
    "closest_placebo_accuracy",
    "beyond_placebo",
    "beyond_placebo_low",
    "beyond_placebo_high",
    "anti_steerable",
    "anti_steerable_low",
    "anti_steerable_high",
    "lost",
    "lost_low",
    "lost_high",
    "worst_decile",
    "worst_decile_low",
    "worst_decile_high",
    "dev",
    "oracle",
    "optimism",
    "seed_sd",
    "detectable",
    "kl",
    "kl_low",
    "kl_high",
    "kl_p95",
    "delta_nll",
    "delta_nll_low",
    "delta_nll_high",
    "completed_zero_shot",
    "completed_few_shot",
    "completed_steered",
    "reason",
];

/// One value per column; empty where there is none.
pub(super) fn row(card: &Card) -> Vec<String> {
    let m = &card.measured;
    let joined = |texts: Vec<String>| texts.join("; ");
    let mut out = vec![
        m.subject.model.clone(),
        m.subject.method.clone(),
        m.subject.presented.clone().unwrap_or_default(),
        m.subject.task.clone(),
        m.subject.protocol.clone(),
        m.subject.profile.clone(),
        joined(m.seeds.iter().map(u64::to_string).collect()),
        m.n.to_string(),
        joined(m.settings.iter().map(ToString::to_string).collect()),
        card.verdict.map_or_else(String::new, |v| v.text().to_string()),
    ];
    let number = |x: Option<f64>| x.map_or_else(String::new, |x| x.to_string());
    let estimate = |e: Option<Estimate>| [e.map(|e| e.point), e.map(|e| e.low), e.map(|e| e.high)].map(number);
    out.extend([Some(m.zero_shot), m.few_shot, Some(m.steered), Some(m.effect)].into_iter().flat_map(estimate));
    out.extend([number(m.p), number(card.p_adjusted)]);
    out.extend([m.few_shot_gain, m.recovery.of_accuracy, m.recovery.of_gain].into_iter().flat_map(estimate));
    let closest = m.closest_placebo();
    out.push(closest.map_or_else(String::new, |c| c.arm.clone()));
    out.push(number(closest.map(|c| c.accuracy.point)));
    out.extend([closest.map(|c| c.advantage), m.anti_steerable, m.lost, m.worst_decile].into_iter().flat_map(estimate));
    let optimism = m.optimism.as_ref();
    out.extend(
        [optimism.map(|o| o.dev.point), optimism.map(|o| o.oracle.point), optimism.map(|o| o.optimism)].map(number),
    );
    out.extend([number(m.spread.as_ref().map(|s| s.sd)), number(card.minimum_detectable_effect)]);
    let side = m.side_effects.as_ref();
    out.extend(estimate(side.map(|s| s.kl)));
    out.push(number(side.map(|s| s.kl_p95.point)));
    out.extend(estimate(side.map(|s| s.delta_nll)));
    let completed = m.completed.as_ref();
    let completed = [completed.map(|c| c.zero_shot), completed.and_then(|c| c.few_shot), completed.map(|c| c.steered)];
    out.extend(completed.map(|e| number(e.map(|e| e.point))));
    out.push(card.reason.clone());
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::HEAD;

    #[test]
    fn no_two_columns_share_a_name() {
        assert_eq!(HEAD.iter().collect::<BTreeSet<_>>().len(), HEAD.len());
    }
}

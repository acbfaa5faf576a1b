//! Where function vectors act, as a table.

use steercheck_eval::Record;
use steercheck_eval::card::{Card, HeadsMeasured, STRONGEST};

use super::cards::or_dash;
use crate::tables::Flush::{Left, Right};
use crate::tables::Table;

/// Heads that carry the effect, how alike they are between tasks, and how large the vector is; none where no method has heads.
pub(super) fn table(records: &[&Record], cards: &[Card]) -> Option<Table> {
    cards.iter().find_map(|c| c.measured.heads.as_ref())?;
    let by_seed = cards.iter().any(|c| c.measured.heads.as_ref().is_some_and(|h| h.between_seeds.is_some()));
    let rows = cards
        .iter()
        .filter_map(|card| {
            let (task, heads) = (&card.measured.subject.task, card.measured.heads.as_ref()?);
            let mut row = vec![task.clone(), format!("{:.0} of {}", heads.significant, heads.all)];
            row.extend(shares(heads));
            row.push(or_dash(heads.gini.as_ref(), |x| format!("{x:.2}")));
            row.push(or_dash(heads.split_half.as_ref(), |x| format!("{x:.2}")));
            if by_seed {
                row.push(or_dash(heads.between_seeds.as_ref(), |x| format!("{x:.2}")));
            }
            row.push(or_dash(between_tasks(records, task).as_ref(), |(rho, shared)| format!("{rho:.2}, {shared:.0}")));
            row.push(or_dash(heads.relative_norm.as_ref(), |x| format!("{x:.2}")));
            row.push(heads.read_out.iter().take(3).map(|t| shown(t)).collect::<Vec<_>>().join(" "));
            Some(row)
        })
        .collect();
    let mut head = vec![
        ("task", Left),
        ("heads that\nhelp", Right),
        ("top 2", Right),
        ("top 16", Right),
        ("top 64", Right),
        ("Gini", Right),
        ("half and\nhalf", Right),
    ];
    if by_seed {
        head.push(("seeds", Right));
    }
    head.extend([("other\ntasks", Right), ("norm", Right), ("reads as", Left)]);
    let seeds = if by_seed { "seeds: the same between seeds; " } else { "" };
    Some(Table {
        title: "Where it acts: causal indirect effects of heads".into(),
        head,
        rows,
        note: format!(
            "heads that help: by the sign test over prompts, p < 0.05 after Holm; top n: share of all positive effects that the n \
             strongest heads carry, in per cent; half and half: Spearman's correlation of effects between halves of the prompts; {seeds}other \
             tasks: correlation, and how many of the {STRONGEST} strongest heads are the same, means over the other tasks; norm: of \
             the vector times λ, by the residual's; reads as: its most probable tokens through the final norm and the head"
        ),
    })
}

fn shares(heads: &HeadsMeasured) -> Vec<String> {
    let of = |n: usize| heads.shares.iter().find(|s| s.heads == n).map(|s| s.share);
    [2, 16, 64].map(|n| or_dash(of(n).as_ref(), |x| format!("{:.0}", 100.0 * x))).to_vec()
}

/// Mean correlation and overlap of this task's heads and those of the others, the first seed of each; none if there are no others.
fn between_tasks(records: &[&Record], task: &str) -> Option<(f64, f64)> {
    let map = |task: &str| records.iter().find(|r| r.about.task.name == task)?.results.heads.as_ref();
    let own = map(task)?;
    let mut others: Vec<&str> = records.iter().map(|r| r.about.task.name.as_str()).filter(|t| *t != task).collect();
    others.dedup();
    let found: Vec<_> = others.iter().filter_map(|t| own.agreement(map(t)?, STRONGEST)).collect();
    let n = found.len() as f64;
    (n > 0.0).then(|| {
        let correlation = found.iter().map(|a| a.correlation.point).sum::<f64>() / n;
        (correlation, found.iter().map(|a| a.shared as f64).sum::<f64>() / n)
    })
}

/// A token's text with its spaces and line breaks in sight.
fn shown(text: &str) -> String {
    let inner: String = text.chars().flat_map(char::escape_debug).collect();
    format!("'{inner}'")
}

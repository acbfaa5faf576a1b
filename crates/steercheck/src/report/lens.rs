//! The lens over a data set: what every residual says, and whether right answers rise later.

use steercheck_eval::card::{Card, LensMeasured, LensPoint, Rise};
use steercheck_stats::Estimate;

use super::cards::{or_dash, percent};
use crate::tables::Flush::{Left, Right};
use crate::tables::Table;

/// The curves, residual by residual.
pub(crate) fn curves(title: String, measured: &LensMeasured) -> Table {
    let with_wrong = measured.rise.is_some();
    let rank = |e: &Estimate| format!("{:.0} [{:.0}–{:.0}]", e.point, e.low, e.high);
    let row = |point: &LensPoint| {
        let mut row = vec![
            point.residual.to_string(),
            percent(&point.top),
            percent(&point.settled),
            fine(&point.right),
            rank(&point.right_rank),
        ];
        if with_wrong {
            row.extend([or_dash(point.wrong.as_ref(), fine), or_dash(point.wrong_rank.as_ref(), rank)]);
        }
        row
    };
    let mut head = vec![
        ("residual", Right),
        ("most probable\ntoken", Right),
        ("it is what the\nmodel says", Right),
        ("right\nanswer", Right),
        ("its\nrank", Right),
    ];
    if with_wrong {
        head.extend([("likeliest\nwrong one", Right), ("its\nrank", Right)]);
    }
    Table {
        title,
        head,
        rows: measured.curve.iter().rev().map(row).collect(),
        note: "probabilities in per cent, of an answer its first token's; ranks: tokens more probable, medians".into(),
    }
}

/// `5.4 [4.0–6.7]`, in per cent.
fn fine(e: &Estimate) -> String {
    format!("{:.1} [{:.1}–{:.1}]", 100.0 * e.point, 100.0 * e.low, 100.0 * e.high)
}

/// `+0.9 [+0.2, +1.6]`, in points.
fn fine_points(e: &Estimate) -> String {
    let [point, low, high] = [e.point, e.low, e.high].map(|x| (1000.0 * x).round() / 10.0 + 0.0);
    format!("{point:+.1} [{low:+.1}, {high:+.1}]")
}

/// Whether right answers rise later, in a sentence.
pub(crate) fn rise(rise: &Rise) -> String {
    let found = if rise.later.low > 0.0 {
        "right answers rise later than wrong ones"
    } else if rise.later.high < 0.0 {
        "right answers rise earlier than wrong ones"
    } else {
        "right answers are not shown to rise later than wrong ones, nor earlier"
    };
    format!(
        "{found}: the right answer's probability reaches half of its last value at {} % of the depth, the wrong ones' at {} %, {} points \
         apart (later on {}, earlier on {} of {} items)",
        fine(&rise.right),
        fine(&rise.wrong),
        fine_points(&rise.later),
        rise.later_items,
        rise.earlier_items,
        rise.n
    )
}

/// Whether right answers rise later, set by set.
pub(super) fn rises(cards: &[Card]) -> Option<Table> {
    let one = |card: &Card| {
        let rise = card.measured.scoring.as_ref()?.lens.as_ref()?.rise?;
        Some(vec![
            card.measured.subject.task.clone(),
            fine(&rise.right),
            fine(&rise.wrong),
            fine_points(&rise.later),
            format!("{} / {}", rise.later_items, rise.earlier_items),
        ])
    };
    let rows: Vec<Vec<String>> = cards.iter().filter_map(one).collect();
    (!rows.is_empty()).then(|| Table {
        title: "Does what is true rise later? Depth, in per cent, at which an answer reaches half of its last probability".into(),
        head: vec![
            ("questions", Left),
            ("best\nanswer", Right),
            ("false\nanswers", Right),
            ("difference", Right),
            ("later /\nearlier", Right),
        ],
        rows,
        note: "the logit lens on lettered multiple choice; later, earlier: questions whose best answer rises after, before its false ones"
            .into(),
    })
}

/// Heads of [`row`].
pub(crate) const HEAD: [&str; 19] = [
    "residual",
    "top",
    "top_low",
    "top_high",
    "settled",
    "settled_low",
    "settled_high",
    "right",
    "right_low",
    "right_high",
    "right_rank",
    "right_rank_low",
    "right_rank_high",
    "wrong",
    "wrong_low",
    "wrong_high",
    "wrong_rank",
    "wrong_rank_low",
    "wrong_rank_high",
];

/// Every number of a residual.
pub(crate) fn row(point: &LensPoint) -> Vec<String> {
    let LensPoint { residual, top, settled, right, right_rank, wrong, wrong_rank } = point;
    let three = |e: Option<&Estimate>| match e {
        Some(e) => [e.point, e.low, e.high].map(|x| x.to_string()),
        None => [(); 3].map(|()| String::new()),
    };
    let all = [Some(top), Some(settled), Some(right), Some(right_rank), wrong.as_ref(), wrong_rank.as_ref()];
    std::iter::once(residual.to_string()).chain(all.into_iter().flat_map(three)).collect()
}

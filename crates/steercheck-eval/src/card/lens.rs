//! What the residuals say of the answers, over items: methods.md §4, and the claim that `DoLa` rests on.

use serde::Serialize;
use steercheck_stats::{Bootstrap, Error, Estimate, mean, share};

use super::measure::LEVEL;
use super::quantile::percentile;
use crate::lens::LensTable;

/// The lens over a data set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LensMeasured {
    /// Items.
    pub n: usize,
    /// Residual by residual, residual 0 first.
    pub curve: Vec<LensPoint>,
    /// Whether the right answer rises later; none without wrong answers.
    pub rise: Option<Rise>,
}

/// One residual: means over the items with 95 % intervals (`BCa`; of shares of items, Wilson's), ranks as medians.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LensPoint {
    /// The residual.
    pub residual: usize,
    /// Probability of the most probable token.
    pub top: Estimate,
    /// Share of the items whose most probable token is the one that the model says in the end.
    pub settled: Estimate,
    /// Probability of the right answer's first token.
    pub right: Estimate,
    /// Tokens more probable than it.
    pub right_rank: Estimate,
    /// The largest probability of a wrong answer's first token; none without wrong answers.
    pub wrong: Option<Estimate>,
    /// Tokens more probable than that one.
    pub wrong_rank: Option<Estimate>,
}

/// Depths at which the answers' probabilities first reach half of what they are in the end, as shares of the model's depth. `DoLa` (Chuang
/// et al. 2023) supposes that what is true rises later.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rise {
    /// Items with a wrong answer.
    pub n: usize,
    /// The right answer's.
    pub right: Estimate,
    /// The wrong answers' mean: were they no different from the right one, the two would be the same on average.
    pub wrong: Estimate,
    /// The former minus the latter, on each item: above 0 the right answer rises later.
    pub later: Estimate,
    /// Items whose right answer rises later than its wrong ones on average.
    pub later_items: usize,
    /// Items whose right answer rises earlier.
    pub earlier_items: usize,
}

impl LensMeasured {
    /// Of a table that is whole.
    pub fn of(table: &LensTable) -> Result<Self, Error> {
        let residuals = table.top.first().map_or(0, Vec::len);
        let curve = (0..residuals).map(|b| point(table, b)).collect::<Result<_, _>>()?;
        Ok(Self { n: table.items(), curve, rise: rise(table)? })
    }
}

fn bootstrap() -> Bootstrap {
    Bootstrap { level: LEVEL, ..Bootstrap::default() }
}

fn point(table: &LensTable, b: usize) -> Result<LensPoint, Error> {
    let average = |values: Vec<f64>| mean(&values, None, &bootstrap());
    let median = |values: Vec<f64>| percentile(0.5, &values, None);
    // A probability of rounded summands may be a hair above 1.
    let probability = |x: f32| f64::from(x).min(1.0);
    let wrong = |item: usize| {
        let all = &table.probability[item];
        (1..all.len()).max_by(|i, j| all[*i][b].total_cmp(&all[*j][b]))
    };
    let rivals: Option<Vec<usize>> = (0..table.items()).map(wrong).collect();
    let of_wrong = |value: &dyn Fn(usize, usize) -> f64| -> Option<Vec<f64>> {
        rivals.as_ref().map(|rivals| rivals.iter().enumerate().map(|(item, answer)| value(item, *answer)).collect())
    };
    let rank = |item: usize, answer: usize| f64::from(table.rank[item][answer][b]);
    let wrong_probability = of_wrong(&|item, answer| probability(table.probability[item][answer][b]));
    let settled: Vec<f64> = table.settled.iter().map(|row| f64::from(u8::from(row[b]))).collect();
    Ok(LensPoint {
        residual: b,
        top: average(table.top.iter().map(|row| probability(row[b])).collect())?,
        settled: share(&settled, None, LEVEL)?,
        right: average(table.probability.iter().map(|answers| probability(answers[0][b])).collect())?,
        right_rank: median((0..table.items()).map(|item| rank(item, 0)).collect())?,
        wrong: wrong_probability.map(average).transpose()?,
        wrong_rank: of_wrong(&rank).map(median).transpose()?,
    })
}

/// The first residual at which a curve reaches half of its last value, as a share of the depth.
fn half_depth(curve: &[f32]) -> f64 {
    let last = curve.last().copied().unwrap_or(0.0);
    let first = curve.iter().position(|p| *p >= last / 2.0).unwrap_or(0);
    first as f64 / (curve.len().max(2) - 1) as f64
}

fn rise(table: &LensTable) -> Result<Option<Rise>, Error> {
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    for answers in &table.probability {
        if let [first, others @ ..] = &answers[..]
            && !others.is_empty()
        {
            right.push(half_depth(first));
            wrong.push(others.iter().map(|curve| half_depth(curve)).sum::<f64>() / others.len() as f64);
        }
    }
    if right.is_empty() {
        return Ok(None);
    }
    let later: Vec<f64> = right.iter().zip(&wrong).map(|(right, wrong)| right - wrong).collect();
    // Means of equal depths may differ in their last digits.
    let count = |sign: f64| later.iter().filter(|x| sign * **x > 1e-9).count();
    Ok(Some(Rise {
        n: right.len(),
        right: mean(&right, None, &bootstrap())?,
        wrong: mean(&wrong, None, &bootstrap())?,
        later: mean(&later, None, &bootstrap())?,
        later_items: count(1.0),
        earlier_items: count(-1.0),
    }))
}

#[cfg(test)]
mod tests {
    use super::{LensMeasured, half_depth};
    use crate::lens::LensTable;

    /// One right and two wrong answers; the right one reaches half at residual 3 of 4, the wrong ones at 1 and 2.
    fn table(items: usize) -> LensTable {
        let right = vec![0.0, 0.01, 0.1, 0.25, 0.5];
        let wrong = [vec![0.0, 0.2, 0.2, 0.3, 0.3], vec![0.0, 0.0, 0.1, 0.1, 0.2]];
        LensTable {
            top: vec![vec![0.9, 0.8, 0.7, 0.6, 0.5]; items],
            settled: vec![vec![false, false, false, true, true]; items],
            probability: vec![vec![right, wrong[0].clone(), wrong[1].clone()]; items],
            rank: vec![vec![vec![9, 8, 7, 1, 0], vec![5, 4, 3, 2, 1], vec![6, 6, 6, 6, 6]]; items],
        }
    }

    #[test]
    fn curves_are_means_and_medians() {
        let found = LensMeasured::of(&table(7)).unwrap();
        assert_eq!((found.n, found.curve.len()), (7, 5));
        let point = &found.curve[3];
        let close = |x: f64, y: f64| assert!((x - y).abs() < 1e-6, "{x} {y}");
        close(point.top.point, 0.6);
        close(point.settled.point, 1.0);
        close(point.right.point, 0.25);
        close(point.wrong.unwrap().point, 0.3);
        close(point.right_rank.point, 1.0);
        close(point.wrong_rank.unwrap().point, 2.0);
    }

    #[test]
    fn the_right_answer_that_rises_last_is_found_to() {
        let rise = LensMeasured::of(&table(40)).unwrap().rise.unwrap();
        assert!((rise.right.point - 0.75).abs() < 1e-9 && (rise.wrong.point - 0.375).abs() < 1e-9, "{rise:?}");
        assert!((rise.later.point - 0.375).abs() < 1e-9 && rise.later.low > 0.0, "{rise:?}");
        assert_eq!((rise.n, rise.later_items, rise.earlier_items), (40, 40, 0));
        // On every other item a wrong answer is the right one.
        let mut mixed = table(40);
        for item in (0..40).step_by(2) {
            mixed.probability[item].swap(0, 1);
        }
        let rise = LensMeasured::of(&mixed).unwrap().rise.unwrap();
        assert!(rise.later.low < 0.0 && rise.later.high > 0.0, "{rise:?}");
        assert_eq!((rise.later_items, rise.earlier_items), (20, 20));
    }

    #[test]
    fn without_wrong_answers_there_is_nothing_to_compare() {
        let mut table = table(5);
        for item in 0..5 {
            table.probability[item].truncate(1);
            table.rank[item].truncate(1);
        }
        assert!(table.is_whole());
        let found = LensMeasured::of(&table).unwrap();
        assert!(found.rise.is_none() && found.curve[4].wrong.is_none() && found.curve[4].wrong_rank.is_none());
    }

    #[test]
    fn half_is_reached_where_it_is_first_reached() {
        for (curve, depth) in [
            (&[0.0, 0.4, 0.1, 0.8][..], 1.0 / 3.0),
            (&[0.0, 0.0, 0.0, 0.8], 1.0),
            (&[0.5, 0.0, 0.0, 0.8], 0.0),
            (&[0.0, 0.0, 0.0, 0.0], 0.0),
        ] {
            assert!((half_depth(curve) - depth).abs() < 1e-9, "{curve:?}");
        }
    }

    #[test]
    fn a_ragged_table_is_not_whole() {
        let whole = table(3);
        assert!(whole.is_whole());
        let mut short = whole.clone();
        short.rank[1][2].pop();
        let mut beyond = whole.clone();
        beyond.top[0][0] = 1.5;
        let mut missing = whole.clone();
        missing.settled.pop();
        let mut none = whole;
        none.probability[0].clear();
        none.rank[0].clear();
        assert!([short, beyond, missing, none].iter().all(|t| !t.is_whole()));
    }
}

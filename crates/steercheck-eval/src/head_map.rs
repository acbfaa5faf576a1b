//! Where a task lives among a model's heads: the effect of each, how sure it is, and how concentrated they are.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use steercheck_stats::{Bootstrap, Error, Estimate, gini, holm, mean, sign_test, spearman};
use steercheck_steer::function_vector::{Effects, HeadSite, Scale, ranked};

/// Confidence level of intervals.
const LEVEL: f64 = 0.95;
/// Resamples of a head's interval: there are hundreds of heads, and none is judged by it.
const RESAMPLES: usize = 2000;
/// Numbers of heads whose share of the effect is told.
pub(crate) const SHARES: [usize; 3] = [2, 16, 64];

/// Causal indirect effects over prompts, every head of every block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadMap {
    /// Prompts that each effect is a mean over.
    pub prompts: usize,
    /// Mean effect on the answer's probability: `[blocks][heads]`.
    pub mean: Vec<Vec<f64>>,
    /// Lower end of its 95 % interval (`BCa` over prompts).
    pub low: Vec<Vec<f64>>,
    /// Upper end.
    pub high: Vec<Vec<f64>>,
    /// p of the exact sign test over prompts after Holm's correction over all heads.
    pub p_holm: Vec<Vec<f64>>,
    /// Mean effect on the answer's log-probability, in nats.
    pub mean_log: Vec<Vec<f64>>,
    /// Spearman's correlation of the heads' effects between every other prompt and the rest; none with fewer than four prompts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_half: Option<f64>,
}

impl HeadMap {
    /// From the effects of every prompt.
    pub fn of(effects: &Effects, heads: usize) -> Result<Self, Error> {
        let bootstrap = Bootstrap { level: LEVEL, resamples: RESAMPLES, ..Bootstrap::default() };
        let (mut means, mut lows, mut highs, mut p) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for site in effects.sites() {
            let values = effects.of(site, Scale::Probability);
            let estimate = mean(&values, None, &bootstrap)?;
            means.push(estimate.point);
            lows.push(estimate.low);
            highs.push(estimate.high);
            let count = |sign: fn(&f64) -> bool| values.iter().filter(|x| sign(x)).count();
            p.push(sign_test(count(|x| *x > 0.0), count(|x| *x < 0.0)));
        }
        let rows = |flat: Vec<f64>| flat.chunks(heads).map(<[f64]>::to_vec).collect::<Vec<_>>();
        Ok(Self {
            prompts: effects.prompts(),
            split_half: split_half(effects),
            mean_log: rows(effects.means(Scale::LogProbability)),
            mean: rows(means),
            low: rows(lows),
            high: rows(highs),
            p_holm: rows(holm(&p)?),
        })
    }

    /// Mean effects, block by block.
    pub fn flat(&self) -> Vec<f64> {
        self.mean.concat()
    }

    /// The n heads with the largest mean effects.
    pub fn top(&self, n: usize) -> Vec<HeadSite> {
        let mut all = ranked(&self.flat(), self.mean.first().map_or(1, Vec::len));
        all.truncate(n);
        all
    }

    /// Heads that raise the answer's probability, after Holm's correction at 5 %.
    pub fn significant(&self) -> usize {
        let pairs = self.mean.iter().flatten().zip(self.p_holm.iter().flatten());
        pairs.filter(|(mean, p)| **mean > 0.0 && **p <= 0.05).count()
    }

    /// Share of the sum of all positive effects that the n strongest heads carry; none where no effect is positive.
    pub fn share(&self, n: usize) -> Option<f64> {
        let mut positive: Vec<f64> = self.flat().into_iter().map(|x| x.max(0.0)).collect();
        positive.sort_by(|a, b| b.total_cmp(a));
        let all: f64 = positive.iter().sum();
        (all > 0.0).then(|| positive.iter().take(n).sum::<f64>() / all)
    }

    /// Gini coefficient of the positive effects over all heads: 0 if all carry the same, near 1 if one carries all.
    pub fn gini(&self) -> Option<f64> {
        gini(&self.flat().into_iter().map(|x| x.max(0.0)).collect::<Vec<_>>()).ok()
    }

    /// How alike two maps of one model are; none if their shapes differ.
    pub fn agreement(&self, other: &Self, n: usize) -> Option<Agreement> {
        let (a, b) = (self.flat(), other.flat());
        if a.len() != b.len() {
            return None;
        }
        let correlation = spearman(&a, &b, LEVEL).ok()?;
        let top: BTreeSet<HeadSite> = self.top(n).into_iter().collect();
        let shared = other.top(n).iter().filter(|site| top.contains(site)).count();
        Some(Agreement { correlation, shared, of: n.min(a.len()) })
    }
}

/// How alike two head maps are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Agreement {
    /// Spearman's correlation of the mean effects.
    pub correlation: Estimate,
    /// Heads among the strongest of both.
    pub shared: usize,
    /// How many of the strongest of each were looked at.
    pub of: usize,
}

fn split_half(effects: &Effects) -> Option<f64> {
    if effects.prompts() < 4 {
        return None;
    }
    let half = |first: usize| -> Vec<f64> {
        let mean = |site| {
            let values: Vec<f64> = effects.of(site, Scale::Probability).into_iter().skip(first).step_by(2).collect();
            values.iter().sum::<f64>() / values.len() as f64
        };
        effects.sites().map(mean).collect()
    };
    // Effects that are all the same have no order.
    spearman(&half(0), &half(1), LEVEL).ok().map(|estimate| estimate.point)
}

#[cfg(test)]
mod tests {
    use steercheck_model::{Block, Head};
    use steercheck_steer::function_vector::Effects;

    use super::HeadMap;

    /// Eight prompts, two blocks of three heads: block 2 head 1 always helps, block 1 head 0 always hurts, the others do nothing
    /// that lasts.
    fn map() -> HeadMap {
        let clean = vec![-2.0; 8];
        let row = |i: usize| {
            let wobble = if i % 4 < 2 { 0.01 } else { -0.01 };
            [-2.5, -2.0, -2.0 + wobble, -2.0 - wobble, -1.0 - 0.01 * i as f64, -2.0 + 2.0 * wobble]
        };
        let effects = Effects::new(2, 3, clean, (0..8).flat_map(row).collect()).unwrap();
        HeadMap::of(&effects, 3).unwrap()
    }

    #[test]
    fn the_head_that_carries_the_task_stands_out() {
        let map = map();
        assert_eq!(map.top(1), [(Block(2), Head(1))]);
        assert_eq!((map.prompts, map.significant()), (8, 1));
        // Two-sided sign test on eight of eight, times six heads for the smallest of all.
        assert!((map.p_holm[1][1] - 6.0 * 2.0 / 256.0).abs() < 1e-12, "{}", map.p_holm[1][1]);
        assert!(map.low[1][1] > 0.2 && map.high[0][0] < 0.0 && map.mean[0][1].abs() < 1e-12, "{map:?}");
        assert!((map.mean_log[0][0] + 0.5).abs() < 1e-6);
        let share = map.share(1).unwrap();
        assert!(share > 0.99 && map.share(6).unwrap() > share - 1e-12 && map.gini().unwrap() > 0.8, "{share}");
    }

    #[test]
    fn a_map_agrees_with_itself() {
        let agreement = map().agreement(&map(), 2).unwrap();
        assert!((agreement.correlation.point - 1.0).abs() < 1e-12);
        assert_eq!((agreement.shared, agreement.of), (2, 2));
        assert!(map().split_half.unwrap() > 0.5);
    }
}

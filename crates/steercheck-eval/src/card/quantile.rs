//! Percentiles with intervals.

use steercheck_stats::{Error, Estimate, quantile, share};

use super::measure::LEVEL;

/// A percentile of values, clustered or not, with the interval of Woodruff 1952 (*Journal of the American Statistical Association* 47:635): the
/// percentiles at the ends of the interval of the share of values beyond it. `p` is in (0, 1). Of values equal to the percentile so much
/// counts as beyond it that the share is 1 − p.
pub(super) fn percentile(p: f64, values: &[f64], clusters: Option<&[usize]>) -> Result<Estimate, Error> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let point = quantile(&sorted, p);
    let equal = |x: f64| (x - point).abs() <= 0.0;
    let count = |of: &dyn Fn(f64) -> bool| values.iter().filter(|x| of(**x)).count() as f64;
    let (on, above) = (count(&equal), count(&|x| x > point));
    let part = (((1.0 - p) * values.len() as f64 - above) / on.max(1.0)).clamp(0.0, 1.0);
    let weight = |x: &f64| if equal(*x) { part } else { f64::from(u8::from(*x > point)) };
    let beyond = share(&values.iter().map(weight).collect::<Vec<_>>(), clusters, LEVEL)?;
    let (low, high) = (quantile(&sorted, 1.0 - beyond.high), quantile(&sorted, 1.0 - beyond.low));
    Ok(Estimate { point, low: low.min(point), high: high.max(point), ..beyond })
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn a_median_lies_between_order_statistics_and_ties_do_not_move_it() {
        let values: Vec<f64> = (0..101).map(f64::from).collect();
        let median = percentile(0.5, &values, None).unwrap();
        // Wilson's interval of one half of 101 is [0.404, 0.596].
        assert!((median.point - 50.0).abs() < 1e-9, "{median}");
        assert!((median.low - 40.4).abs() < 0.6 && (median.high - 59.6).abs() < 0.6, "{median}");
        // Seven in ten are 0: so is the median, and its whole interval.
        let tied: Vec<f64> = (0..100).map(|i| if i < 70 { 0.0 } else { f64::from(i) }).collect();
        let median = percentile(0.5, &tied, None).unwrap();
        assert!(median.point.abs() < 1e-9 && median.low.abs() < 1e-9 && median.high.abs() < 1e-9, "{median}");
        let all = percentile(0.95, &[3.0; 20], None).unwrap();
        assert!((all.low - 3.0).abs() < 1e-9 && (all.high - 3.0).abs() < 1e-9, "{all}");
    }
}

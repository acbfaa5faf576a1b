use std::cmp::Ordering;

use crate::bootstrap::{Bootstrap, Replicates};
use crate::{Error, Estimate, check};

/// `BCa` interval of a function of the means of `K` columns.
///
/// `rows` is `[n, K]`, one row per observation; `statistic` takes the `K` means. `clusters`, where given, is `[n]`:
/// equal ids mark rows that share a question. Whole clusters are then resampled and left out by the jackknife:
/// clusters, not rows, are the independent units, although the estimate's `n` counts rows. Each resample has as many
/// clusters as there are, so that its number of rows varies where clusters have different sizes. The order of rows and
/// the numbering of the clusters have no influence on the result.
///
/// Resamples whose statistic is not finite are left out where they are at most 1 %.
///
/// Where all resamples give the same statistic (one cluster; all rows alike; a statistic that ignores what varies),
/// resampling says nothing about the uncertainty: `low` = `high` = `point`, with
/// [`Method::NoSpread`](crate::Method::NoSpread) as the mark. That is not a certain value; what n equal outcomes leave
/// open is told by [`wilson`](crate::wilson()) for proportions and by [`paired_difference`](crate::paired_difference())
/// for differences of values in [0, 1].
///
/// Method and sources: B. Efron, "Better bootstrap confidence intervals", Journal of the American Statistical
/// Association 82 (1987), 171–185; B. Efron and R. J. Tibshirani, *An Introduction to the Bootstrap* (1993), chapter
/// 14; T. J. `DiCiccio` and B. Efron, "Bootstrap confidence intervals", Statistical Science 11 (1996), 189–228.
/// Deviations: resamples equal to the point count half in the bias correction, and the interval is extended to the
/// point where it would exclude it.
///
/// # Errors
///
/// [`Error::NoObservations`], [`Error::NotFinite`] (index of the row), [`Error::Lengths`], [`Error::Level`],
/// [`Error::Resamples`]; [`Error::Undefined`] where the statistic of all rows is not finite, [`Error::Unstable`] where
/// that of more than 1 % of the resamples or of any jackknife sample is not.
pub fn bca_of_means<const K: usize>(
    rows: &[[f64; K]],
    clusters: Option<&[usize]>,
    statistic: impl Fn(&[f64; K]) -> f64,
    bootstrap: &Bootstrap,
) -> Result<Estimate, Error> {
    bootstrap.check()?;
    let groups = groups(rows, clusters)?;
    let all = groups.iter().fold(Group::EMPTY, Group::plus);
    let means = all.means();
    let scale = means.iter().fold(0.0_f64, |most, m| most.max(m.abs()));
    let mut draws = bootstrap.draws();
    let resampled = (0..bootstrap.resamples)
        .map(|_| {
            let sum = (0..groups.len()).fold(Group::EMPTY, |sum, _| sum.plus(&groups[draws.below(groups.len())]));
            statistic(&sum.means())
        })
        .collect();
    let replicates = Replicates { point: statistic(&means), resampled, scale, n: rows.len() };
    replicates.bca(bootstrap, || groups.iter().map(|g| statistic(&all.minus(g).means())).collect())
}

/// Mean of `values` (`[n]`) with a `BCa` interval, by cluster where `clusters` (`[n]`) are given: [`bca_of_means`] with
/// one column.
///
/// # Errors
///
/// Those of [`bca_of_means`].
pub fn mean(values: &[f64], clusters: Option<&[usize]>, bootstrap: &Bootstrap) -> Result<Estimate, Error> {
    let rows: Vec<[f64; 1]> = values.iter().map(|&v| [v]).collect();
    bca_of_means(&rows, clusters, |[mean]| *mean, bootstrap)
}

/// Sum of the rows of a cluster, of a resample, or of everything.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Group<const K: usize> {
    pub sum: [f64; K],
    pub rows: f64,
}

impl<const K: usize> Group<K> {
    pub(crate) const EMPTY: Self = Self { sum: [0.0; K], rows: 0.0 };

    #[inline]
    pub(crate) fn plus(mut self, other: &Self) -> Self {
        for (sum, value) in self.sum.iter_mut().zip(&other.sum) {
            *sum += value;
        }
        self.rows += other.rows;
        self
    }

    fn minus(mut self, other: &Self) -> Self {
        for (sum, value) in self.sum.iter_mut().zip(&other.sum) {
            *sum -= value;
        }
        self.rows -= other.rows;
        self
    }

    #[inline]
    pub(crate) fn means(&self) -> [f64; K] {
        self.sum.map(|sum| sum / self.rows)
    }
}

/// Sums per cluster, in an order that depends on the values alone: neither the order of the rows nor the ids of the
/// clusters can then change which cluster a draw takes.
pub(crate) fn groups<const K: usize>(rows: &[[f64; K]], clusters: Option<&[usize]>) -> Result<Vec<Group<K>>, Error> {
    if rows.is_empty() {
        return Err(Error::NoObservations);
    }
    if let Some(index) = rows.iter().position(|row| row.iter().any(|v| !v.is_finite())) {
        return Err(Error::NotFinite { index });
    }
    let mut groups = match clusters {
        None => rows.iter().map(|&sum| Group { sum, rows: 1.0 }).collect(),
        Some(ids) => {
            check::same_length(rows.len(), ids.len())?;
            let mut order: Vec<(usize, &[f64; K])> = ids.iter().copied().zip(rows).collect();
            // Rows of a cluster are summed in their own order, since sums depend on it in the last bits.
            order.sort_unstable_by(|(i, a), (j, b)| i.cmp(j).then_with(|| compare(a, b)));
            order
                .chunk_by(|(i, _), (j, _)| i == j)
                .map(|chunk| {
                    chunk.iter().fold(Group::EMPTY, |sum, &(_, &row)| sum.plus(&Group { sum: row, rows: 1.0 }))
                })
                .collect::<Vec<_>>()
        }
    };
    groups.sort_unstable_by(|a, b| a.rows.total_cmp(&b.rows).then_with(|| compare(&a.sum, &b.sum)));
    Ok(groups)
}

fn compare<const K: usize>(a: &[f64; K], b: &[f64; K]) -> Ordering {
    a.iter().zip(b).map(|(a, b)| a.total_cmp(b)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

/// Number of independent units: clusters where given, else observations.
pub(crate) fn units(n: usize, clusters: Option<&[usize]>) -> usize {
    clusters.map_or(n, |ids| {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.dedup();
        ids.len()
    })
}

//! Which configuration is reported on which question.

use crate::record::ScoredItem;
use crate::sample;

/// Folds of the rigorous protocol.
pub(super) const FOLDS: usize = 5;

/// The published choice, on the questions that are reported: the first best bucket at α = 0.1 with the log-softmax, then the first best α
/// for it. Points are the grid's in their order: buckets outermost, α innermost, those with the log-softmax first.
pub(super) fn published(hits: &[Vec<bool>], alphas: &[f64], buckets: usize) -> usize {
    let count = |point: usize| hits.get(point).map_or(0, |items| items.iter().filter(|h| **h).count());
    let first_best = |points: Vec<usize>| {
        let most = points.iter().map(|p| count(*p)).max();
        points.into_iter().find(|p| Some(count(*p)) == most).unwrap_or(0)
    };
    let default = alphas.iter().position(|a| (a - 0.1).abs() < 1e-9).unwrap_or(0);
    let bucket = first_best((0..buckets).map(|b| b * alphas.len() + default).collect()) / alphas.len();
    first_best((0..alphas.len()).map(|a| bucket * alphas.len() + a).collect())
}

/// Chooses configurations by their hits.
pub(super) struct Chooser {
    /// The questions of each fold.
    folds: Vec<Vec<usize>>,
    n: usize,
}

/// What was chosen.
pub(super) struct Chosen {
    /// The first configuration with the most hits on all questions.
    pub(super) overall: usize,
    /// By fold: its questions, the configuration, and that one's hits on all other questions. Empty where nothing is held out.
    pub(super) folds: Vec<(Vec<usize>, usize, usize)>,
    /// By question.
    by_item: Vec<usize>,
}

impl Chooser {
    /// For so many questions.
    pub(super) fn new(n: usize) -> Self {
        let order = sample::permutation(n, &mut sample::stream(super::SPLIT_SEED, "folds", 0));
        let mut folds = vec![Vec::new(); FOLDS.min(n)];
        let count = folds.len();
        for (i, item) in order.into_iter().enumerate() {
            folds[i % count].push(item);
        }
        for fold in &mut folds {
            fold.sort_unstable();
        }
        Self { folds, n }
    }

    /// By hits `[configurations][questions]`; the first of the best.
    pub(super) fn choose(&self, hits: &[Vec<bool>]) -> Chosen {
        let best = |counts: &dyn Fn(&[bool]) -> usize| -> (usize, usize) {
            let mut found = (0, 0);
            for (i, items) in hits.iter().enumerate() {
                let count = counts(items);
                if i == 0 || count > found.1 {
                    found = (i, count);
                }
            }
            found
        };
        let (overall, _) = best(&|items| items.iter().filter(|h| **h).count());
        let mut by_item = vec![overall; self.n];
        let mut folds = Vec::new();
        for fold in &self.folds {
            let rest = |items: &[bool]| {
                items.iter().enumerate().filter(|(i, hit)| **hit && fold.binary_search(i).is_err()).count()
            };
            let (point, count) = best(&rest);
            for item in fold {
                by_item[*item] = point;
            }
            folds.push((fold.clone(), point, count));
        }
        Chosen { overall, folds, by_item }
    }
}

impl Chosen {
    /// One configuration for all of n questions.
    pub(super) fn all(point: usize, n: usize) -> Self {
        Self { overall: point, folds: Vec::new(), by_item: vec![point; n] }
    }

    /// Every question under its configuration, out of `[configurations][questions]`.
    pub(super) fn pick(&self, all: &[Vec<ScoredItem>]) -> Vec<ScoredItem> {
        self.by_item.iter().enumerate().map(|(item, point)| all[*point][item].clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Chooser;

    #[test]
    fn a_question_has_no_part_in_the_choice_that_it_is_reported_under() {
        // Configuration i is right on question i alone: whatever a fold's own questions say does not count.
        let n = 10;
        let hits: Vec<Vec<bool>> = (0..n).map(|i| (0..n).map(|j| i == j).collect()).collect();
        let chosen = Chooser::new(n).choose(&hits);
        let mut seen: Vec<usize> = Vec::new();
        for (items, point, count) in &chosen.folds {
            assert!(!items.contains(point), "{items:?} {point}");
            assert_eq!(*count, 1);
            seen.extend(items);
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..n).collect::<Vec<_>>());
        assert!((0..n).all(|i| chosen.by_item[i] != i));
    }

    #[test]
    fn the_published_choice_takes_the_bucket_first_and_then_alpha() {
        let right = |n: usize| (0..10).map(|i| i < n).collect::<Vec<bool>>();
        // Two buckets, α 0 and 0.1: the best point of all is not in the bucket that is best at 0.1.
        let hits: Vec<Vec<bool>> = [9, 3, 2, 4].map(right).into();
        assert_eq!(super::published(&hits, &[0.0, 0.1], 2), 3);
        assert_eq!(super::published(&[3, 3, 5, 3].map(right), &[0.0, 0.1], 2), 0);
    }
}

//! What the published figures amount to over models and tasks.

use serde::Serialize;

use super::{FunctionVectors, TaskVectors};

/// Shares of the five-shot accuracy that are counted.
pub const RECOVERIES: [f64; 4] = [0.5, 0.75, 0.9, 1.0];

/// How many cells (model × task) recover at least so much of the five-shot accuracy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Recovered {
    /// Cells.
    pub cells: usize,
    /// Those that reach each of [`RECOVERIES`].
    pub reached: [usize; 4],
}

impl Recovered {
    /// Of pairs of accuracies, or of hits on the same items: steered and five-shot. A cell without five-shot hits recovers nothing.
    pub fn of(pairs: impl Iterator<Item = (f64, f64)>) -> Self {
        let mut out = Self { cells: 0, reached: [0; 4] };
        for (steered, five_shot) in pairs {
            out.cells += 1;
            for (least, count) in RECOVERIES.iter().zip(&mut out.reached) {
                // Shares of hits are compared as they are, and 45 of 50 by 50 of 50 is 0.9.
                *count += usize::from(five_shot > 0.0 && steered >= least * five_shot - 1e-9);
            }
        }
        out
    }

    /// Each count with its share, `12 (48 %)`.
    pub fn told(&self) -> [String; 4] {
        let shares = self.shares();
        std::array::from_fn(|i| format!("{} ({:.0} %)", self.reached[i], 100.0 * shares[i]))
    }

    /// Shares of the cells.
    pub fn shares(&self) -> [f64; 4] {
        self.reached.map(|n| n as f64 / self.cells.max(1) as f64)
    }
}

/// Function vectors, at the default settings and after the search.
pub fn function_vector_recovery(rows: &[FunctionVectors]) -> [Recovered; 2] {
    let of = |steered: fn(&FunctionVectors) -> usize| {
        Recovered::of(rows.iter().map(|row| (steered(row) as f64, row.five_shot as f64)))
    };
    [of(|row| row.default), of(|row| row.search)]
}

/// The search of models whose tokenizer adds a BOS token, and of the others.
pub fn by_bos(rows: &[FunctionVectors]) -> [Recovered; 2] {
    ["yes", "no"].map(|adds| {
        let rows = rows.iter().filter(|row| row.adds_bos == adds);
        Recovered::of(rows.map(|row| (row.search as f64, row.five_shot as f64)))
    })
}

/// Task vectors at the peak of their dev curve, as the study counts them.
pub fn task_vector_recovery(rows: &[TaskVectors]) -> Recovered {
    let peak = |row: &TaskVectors| row.curve().into_iter().reduce(f64::max);
    Recovered::of(rows.iter().filter_map(|row| peak(row).zip(row.five_shot)))
}

#[cfg(test)]
mod tests {
    use super::{by_bos, function_vector_recovery, task_vector_recovery};
    use crate::published::{FunctionVectors, function_vectors, task_vectors};

    /// The 36 models: the study's results also hold a checkpoint of another stage.
    fn of_the_study() -> Vec<FunctionVectors> {
        function_vectors().into_iter().filter(|row| row.model != "olmos-7b").collect()
    }

    fn percent(shares: [f64; 4]) -> [i64; 4] {
        shares.map(|x| (100.0 * x).round() as i64)
    }

    #[test]
    fn the_published_aggregates_come_out() {
        let [default, search] = function_vector_recovery(&of_the_study());
        assert_eq!((percent(default.shares()), percent(search.shares())), ([47, 37, 20, 12], [76, 68, 52, 29]));
        // 19 models whose tokenizer adds BOS, and 17 others, on nine tasks each: 20 % against 86 %.
        let [with, without] = by_bos(&of_the_study());
        assert_eq!((with.cells, with.reached[2], without.cells, without.reached[2]), (171, 35, 153, 132));
        // 30 at 90 % is what a division in floats says, which puts some cells of exactly 0.9 below it.
        assert_eq!(percent(task_vector_recovery(&task_vectors()).shares()), [69, 55, 31, 12]);
    }
}

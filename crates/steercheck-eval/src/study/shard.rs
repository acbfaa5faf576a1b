//! Cutting a study into parts of about the same cost, each of few models.

use super::{Design, Method, Wanted};

/// One cell of a study: which model, and which cell of the design.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unit {
    /// The model's place in the study.
    pub model: usize,
    /// The cell.
    pub wanted: Wanted,
    /// What it costs beside others, in no unit: the model's size times the method's weight.
    pub cost: f64,
}

/// Which part of a study one worker does: `index` of `count`, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which.
    pub index: usize,
    /// Of how many.
    pub count: usize,
}

impl Shard {
    /// The whole study.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// The units of this part. All parts together are the whole, and no unit is in two. Units of one model stay together as far as the
    /// costs allow: a part is a stretch of the list.
    pub fn of(self, units: &[Unit]) -> Vec<Unit> {
        let total: f64 = units.iter().map(|u| u.cost).sum();
        let mut before = 0.0;
        let mut out = Vec::new();
        for unit in units {
            let middle = before + unit.cost / 2.0;
            before += unit.cost;
            let part = (middle / total.max(f64::MIN_POSITIVE) * self.count as f64) as usize;
            if part.min(self.count - 1) == self.index {
                out.push(*unit);
            }
        }
        out
    }
}

/// Every cell of a study, model by model. `sizes` are the models' parameters or bytes, all in the same unit.
pub fn units(design: &Design, sizes: &[f64]) -> Vec<Unit> {
    let wanted = design.wanted();
    let weight = |wanted: &Wanted| match design.parts[wanted.part].method {
        // As measured on the default model (docs/performance-log.md).
        Method::TaskVector => 1.0,
        Method::FunctionVector(_) => 3.0,
        Method::Dola(_) => 8.0,
    };
    let of_model = |(model, size): (usize, &f64)| {
        let unit = |wanted: &Wanted| Unit { model, wanted: *wanted, cost: size.max(1.0) * weight(wanted) };
        wanted.iter().map(unit).collect::<Vec<Unit>>()
    };
    sizes.iter().enumerate().flat_map(of_model).collect()
}

#[cfg(test)]
mod tests {
    use super::{Shard, Unit};
    use crate::study::Wanted;

    fn units(costs: &[f64]) -> Vec<Unit> {
        let unit = |(i, cost): (usize, &f64)| Unit {
            model: i / 3,
            wanted: Wanted { part: 0, source: i, seed: 0 },
            cost: *cost,
        };
        costs.iter().enumerate().map(unit).collect()
    }

    #[test]
    fn parts_are_the_whole_and_about_as_costly_as_each_other() {
        let costs: Vec<f64> = (0..60).map(|i| f64::from(1 + (i * 7) % 5)).collect();
        let all = units(&costs);
        for count in [1, 2, 3, 7, 60, 100] {
            let parts: Vec<Vec<Unit>> = (0..count).map(|index| Shard { index, count }.of(&all)).collect();
            assert_eq!(parts.concat(), all, "{count}");
            let cost = |part: &Vec<Unit>| part.iter().map(|u| u.cost).sum::<f64>();
            let (share, most) = (costs.iter().sum::<f64>() / count as f64, 5.0);
            assert!(parts.iter().all(|part| (cost(part) - share).abs() <= most), "{count}");
        }
        assert_eq!(Shard::WHOLE.of(&all), all);
        assert!(Shard::WHOLE.of(&[]).is_empty());
    }
}

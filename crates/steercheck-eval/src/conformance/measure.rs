//! Differences between tensors, row by row, and what they may be.

use candle_core::{DType, Tensor};
use steercheck_model::{ModelError, Result};

use super::{Check, Grade};

/// What a difference may be at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// 2e-4: what golden tensors are held to, whose states are of moderate size.
    Absolute,
    /// 2e-4 times the largest value of the row, or 2e-4 if that is below 1. Two orders of summing n products in f32 differ by
    /// a few times √n · 6e-8 of the largest of them, which for the widest models is some 1e-5 and grows from block to block;
    /// a defect is rarely below 1e-3. A row's own size counts, because real models have positions and columns whose values
    /// are thousands of times those of others: against the largest of the whole tensor, defects elsewhere would hide.
    Relative,
    /// Nothing.
    Nothing,
}

/// The tolerance of [`Bound`].
pub const TOLERANCE: f32 = 2e-4;

/// The largest difference seen so far, by its share of what is allowed.
#[derive(Debug, Clone)]
pub struct Largest {
    bound: Bound,
    worst: Option<Worst>,
}

#[derive(Debug, Clone)]
struct Worst {
    difference: f32,
    allowed: f32,
    at: String,
}

impl Worst {
    /// By how much the bound is exceeded; where nothing is allowed, the difference itself.
    fn share(&self) -> f32 {
        if self.allowed > 0.0 { self.difference / self.allowed } else { self.difference }
    }
}

impl Largest {
    /// Nothing seen yet.
    pub fn new(bound: Bound) -> Self {
        Self { bound, worst: None }
    }

    /// Compares tensors of one shape, a row along the last dimension; `at` says where a row is, by its number.
    pub fn rows(&mut self, ours: &Tensor, theirs: &Tensor, at: impl Fn(usize) -> String) -> Result<()> {
        if ours.dims() != theirs.dims() {
            let shapes = (ours.dims(), theirs.dims());
            return Err(ModelError::Plan(format!("tensors of the shapes {shapes:?} cannot be compared")));
        }
        let width = ours.dims().last().copied().unwrap_or(1).max(1);
        let (ours, theirs) = (numbers(ours)?, numbers(theirs)?);
        for (row, (a, b)) in ours.chunks(width).zip(theirs.chunks(width)).enumerate() {
            // Not `max`, which passes over NaN.
            let difference = a
                .iter()
                .zip(b)
                .map(|(a, b)| (a - b).abs())
                .fold(0.0f32, |m, d| if d.is_finite() { m.max(d) } else { f32::INFINITY });
            let scale = b.iter().fold(0.0f32, |m, x| m.max(x.abs()));
            let allowed = match self.bound {
                Bound::Absolute => TOLERANCE,
                Bound::Relative => TOLERANCE * scale.max(1.0),
                Bound::Nothing => 0.0,
            };
            let allowed = if allowed.is_finite() { allowed } else { TOLERANCE };
            let here = Worst { difference, allowed, at: String::new() };
            if self.worst.as_ref().is_none_or(|worst| here.share() > worst.share()) {
                self.worst = Some(Worst { at: at(row), ..here });
            }
        }
        Ok(())
    }

    /// The check that this amounts to; `compared` says what was.
    pub fn check(self, name: &'static str, compared: &str) -> Check {
        let Some(Worst { difference, allowed, at }) = self.worst else {
            return Check::said(name, Grade::NotApplicable, "there was nothing to compare");
        };
        let grade = if difference <= allowed { Grade::Passed } else { Grade::Failed };
        let detail = match (difference.is_finite(), difference > 0.0) {
            (false, _) => format!("{compared}; NaN or infinity {at}"),
            (true, true) => format!("{compared}; largest {at}"),
            (true, false) => format!("{compared}; all equal"),
        };
        Check { name, grade, difference: Some(difference).filter(|d| d.is_finite()), allowed: Some(allowed), detail }
    }
}

fn numbers(t: &Tensor) -> Result<Vec<f32>> {
    Ok(t.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
}

/// A difference as tables show it: `3e-6`, `0`.
pub fn short(x: f32) -> String {
    if x == 0.0 { "0".to_string() } else { format!("{x:.0e}") }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::{Bound, Largest, short};
    use crate::conformance::Grade;

    fn compare(bound: Bound, ours: &[f32], theirs: &[f32]) -> super::Check {
        let tensor = |x: &[f32]| Tensor::from_slice(x, (x.len() / 2, 2), &Device::Cpu).unwrap();
        let mut largest = Largest::new(bound);
        largest.rows(&tensor(ours), &tensor(theirs), |row| format!("in row {row}")).unwrap();
        largest.check("a check", "numbers")
    }

    #[test]
    fn a_large_row_excuses_no_difference_in_another() {
        let theirs = [1e6, 0.0, 0.5, 0.5];
        assert_eq!(compare(Bound::Relative, &[1e6 + 100.0, 0.0, 0.5, 0.5], &theirs).grade, Grade::Passed);
        let failed = compare(Bound::Relative, &[1e6 + 100.0, 0.0, 0.501, 0.5], &theirs);
        assert_eq!((failed.grade, failed.detail.as_str()), (Grade::Failed, "numbers; largest in row 1"));
        assert_eq!(compare(Bound::Absolute, &[1e6 + 1.0, 0.0, 0.5, 0.5], &theirs).grade, Grade::Failed);
    }

    #[test]
    fn nan_and_infinity_fail_under_every_bound() {
        for bad in [f32::NAN, f32::INFINITY] {
            for bound in [Bound::Absolute, Bound::Relative, Bound::Nothing] {
                for (ours, theirs) in [([bad, 1.0], [1.0, 1.0]), ([1.0, 1.0], [bad, 1.0]), ([bad, 1.0], [bad, 1.0])] {
                    let check = compare(bound, &ours, &theirs);
                    assert_eq!((check.grade, check.difference), (Grade::Failed, None), "{bound:?} {ours:?} {theirs:?}");
                    assert!(check.detail.contains("NaN or infinity in row 0"), "{}", check.detail);
                }
            }
        }
    }

    #[test]
    fn where_nothing_is_allowed_the_last_bit_counts() {
        let next = f32::from_bits(1.0f32.to_bits() + 1);
        assert_eq!(compare(Bound::Nothing, &[1.0, 1.0], &[1.0, 1.0]).grade, Grade::Passed);
        assert_eq!(compare(Bound::Nothing, &[1.0, next], &[1.0, 1.0]).grade, Grade::Failed);
    }

    #[test]
    fn tensors_of_other_shapes_are_no_comparison() {
        let row = |n: usize| Tensor::zeros((1, n), candle_core::DType::F32, &Device::Cpu).unwrap();
        assert!(Largest::new(Bound::Absolute).rows(&row(2), &row(3), |_| String::new()).is_err());
    }

    #[test]
    fn differences_are_told_in_one_digit() {
        assert_eq!([0.0, 3.2e-6, 1.0, 2e-4].map(short), ["0", "3e-6", "1e0", "2e-4"]);
    }
}

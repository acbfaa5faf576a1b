//! A matrix as a model sees it, wherever and however a file holds it: outputs by inputs.

use std::ops::Range;

use candle_core::{Device, Tensor};

use super::StoredTensor;
use crate::error::Result;
use crate::kernels::{self, Matrix, Rows};
use crate::slots::Orientation;

/// Bytes of f32 that one tile is widened to.
const TILE_BYTES: usize = 8 << 20;

/// `[outputs, inputs]`, read in place: a stored tensor, or some of its rows or columns.
#[derive(Clone)]
pub(crate) struct StoredMatrix {
    pub(crate) tensor: StoredTensor,
    pub(crate) orientation: Orientation,
    /// The stored outputs that belong to it, in its order.
    pub(crate) outputs: Vec<Range<usize>>,
}

/// The parts of `runs` that are its elements `start..end`.
fn section(runs: &[Range<usize>], start: usize, end: usize) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut at = 0;
    for run in runs {
        let (from, to) = (start.max(at), end.min(at + run.len()));
        if from < to {
            out.push(run.start + from - at..run.start + to - at);
        }
        at += run.len();
    }
    out
}

fn tiles(count: usize, width: usize) -> Vec<Range<usize>> {
    let step = (TILE_BYTES / (4 * width.max(1))).max(16);
    (0..count).step_by(step).map(|s| s..(s + step).min(count)).collect()
}

impl StoredMatrix {
    /// Outputs.
    pub(crate) fn count(&self) -> usize {
        self.outputs.iter().map(Range::len).sum()
    }

    /// Inputs.
    fn inputs(&self) -> usize {
        match self.orientation {
            Orientation::OutIn => self.tensor.inner(),
            Orientation::InOut => self.tensor.rows(),
        }
    }

    /// Whether it is the whole stored tensor as it lies there.
    pub(crate) fn is_whole(&self) -> bool {
        self.orientation == Orientation::OutIn && self.outputs.len() == 1 && self.count() == self.tensor.rows()
    }

    /// The outputs of these numbers, `[outputs, inputs]`.
    pub(crate) fn widen_outputs(&self, wanted: &Range<usize>, device: &Device) -> candle_core::Result<Tensor> {
        let runs = section(&self.outputs, wanted.start, wanted.end);
        let widen = |r| match self.orientation {
            Orientation::OutIn => self.tensor.widen_rows(r, device),
            Orientation::InOut => self.tensor.widen_columns(&r, device)?.t()?.contiguous(),
        };
        let mut parts = runs.into_iter().map(widen).collect::<candle_core::Result<Vec<Tensor>>>()?;
        if parts.len() == 1 { Ok(parts.remove(0)) } else { Tensor::cat(&parts, 0) }
    }

    /// All of it in f32, `[outputs, inputs]`.
    pub(crate) fn widen(&self, device: &Device) -> Result<Tensor> {
        Ok(self.widen_outputs(&(0..self.count()), device)?)
    }

    /// [`StoredMatrix::product`] by the kernels for the CPU: numbers that lie together are read where they lie, others are
    /// widened a strip at a time.
    pub(crate) fn product_on_cpu(&self, x: &Tensor) -> Result<Tensor> {
        let widen = |outputs: Range<usize>| self.widen_outputs(&outputs, x.device());
        let together = match (self.orientation, self.outputs.as_slice()) {
            (Orientation::OutIn, [run]) => self.tensor.numbers(run),
            _ => None,
        };
        let rows = together.map_or(Rows::Widened(&widen), |(bytes, number)| Rows::Stored(bytes, number));
        Ok(kernels::multiply(x, Matrix { rows, out: self.count(), inner: self.inputs() })?)
    }

    /// `x` `[rows, inputs]` to `[rows, outputs]`, widened tile by tile.
    pub(crate) fn product(&self, x: &Tensor) -> Result<Tensor> {
        use rayon::prelude::*;
        let parts = tiles(self.count(), x.dim(1)?)
            .into_par_iter()
            .map(|outputs| Ok(x.matmul(&self.widen_outputs(&outputs, x.device())?.t()?)?))
            .collect::<Result<Vec<Tensor>>>()?;
        Ok(Tensor::cat(&parts, 1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::section;

    #[test]
    fn a_section_of_runs_is_the_runs_elements_in_order() {
        let runs = [10..13, 0..2, 7..8];
        let elements: Vec<usize> = runs.iter().cloned().flatten().collect();
        for start in 0..=6 {
            for end in start..=6 {
                let got: Vec<usize> = section(&runs, start, end).into_iter().flatten().collect();
                assert_eq!(got, elements[start..end]);
            }
        }
    }
}

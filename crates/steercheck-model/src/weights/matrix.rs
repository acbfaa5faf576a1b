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
    use std::ops::Range;
    use std::sync::Arc;

    use candle_core::{DType, Device, Tensor};
    use half::{bf16, f16};

    use super::{StoredMatrix, section};
    use crate::slots::Orientation;
    use crate::weights::{Mapping, StoredTensor, StoredType};

    const ROWS: usize = 50;
    const COLUMNS: usize = 70;

    /// Numbers that every type holds, and their bytes.
    fn stored(folder: &std::path::Path, stored: StoredType) -> (StoredTensor, Tensor) {
        let values: Vec<f32> = (0..ROWS * COLUMNS).map(|i| ((i * 37 % 64) as f32 - 31.5) / 16.0).collect();
        let bytes: Vec<u8> = match stored {
            StoredType::F16 => values.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect(),
            StoredType::Bf16 => values.iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes()).collect(),
            _ => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        };
        let path = folder.join(stored.name());
        std::fs::write(&path, &bytes).unwrap();
        let map = Arc::new(Mapping::open(&path).unwrap());
        let shape = vec![ROWS, COLUMNS];
        let tensor = StoredTensor { map, range: 0..bytes.len(), stored, shape };
        (tensor, Tensor::from_vec(values, (ROWS, COLUMNS), &Device::Cpu).unwrap())
    }

    /// Rows or columns of a tensor, in the order of the runs.
    fn cut(all: &Tensor, dim: usize, runs: &[Range<usize>]) -> Tensor {
        let parts: Vec<Tensor> = runs.iter().map(|r| all.narrow(dim, r.start, r.len()).unwrap()).collect();
        Tensor::cat(&parts, dim).unwrap()
    }

    #[test]
    fn both_products_are_that_of_the_widened_matrix_however_it_lies() {
        let folder = tempfile::TempDir::new().unwrap();
        for kind in [StoredType::F32, StoredType::F16, StoredType::Bf16] {
            let (tensor, all) = stored(folder.path(), kind);
            for orientation in [Orientation::OutIn, Orientation::InOut] {
                let (dim, count) = if orientation == Orientation::OutIn { (0, ROWS) } else { (1, COLUMNS) };
                for spans in [&[(0usize, count)] as &[(usize, usize)], &[(7, 29)], &[(40, 45), (3, 9), (9, 10)]] {
                    let outputs: Vec<Range<usize>> = spans.iter().map(|(start, end)| *start..*end).collect();
                    let mut dense = cut(&all, dim, &outputs);
                    if orientation == Orientation::InOut {
                        dense = dense.t().unwrap().contiguous().unwrap();
                    }
                    let matrix = StoredMatrix { tensor: tensor.clone(), orientation, outputs };
                    let inputs = dense.dim(1).unwrap();
                    let x: Vec<f32> = (0..3 * inputs).map(|i| (i % 11) as f32 / 5.0 - 1.0).collect();
                    let x = Tensor::from_vec(x, (3, inputs), &Device::Cpu).unwrap();
                    let want = x.matmul(&dense.t().unwrap()).unwrap();
                    let widened = matrix.widen(&Device::Cpu).unwrap();
                    assert_eq!(widened.to_vec2::<f32>().unwrap(), dense.to_vec2::<f32>().unwrap());
                    for got in [matrix.product(&x).unwrap(), matrix.product_on_cpu(&x).unwrap()] {
                        assert_eq!((got.dims(), got.dtype()), (want.dims(), DType::F32));
                        let difference = (got - &want).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap();
                        let difference = difference.to_scalar::<f32>().unwrap();
                        assert!(difference < 1e-4, "{} {orientation:?}: {difference}", kind.name());
                    }
                }
            }
        }
    }

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

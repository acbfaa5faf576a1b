//! Rows of `x` rearranged in the order in which a tile reads them.

use rayon::prelude::*;

/// Numbers that a step along a row takes: one for each partial sum.
pub(super) const STEP: usize = 16;

/// One step of one row, on a cache line of its own.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Step(pub(super) [f32; STEP]);

/// A few rows of `x`, step by step: all rows' first step, all rows' second, and so on; zeros after the last position.
pub(super) struct Panel {
    /// Index of its first row.
    pub(super) first: usize,
    pub(super) rows: usize,
    /// `[steps, rows]`.
    pub(super) steps: Vec<Step>,
}

impl Panel {
    /// `x` `[rows, inner]` in panels of near-equal height, at most `most`.
    pub(super) fn split(x: &[f32], rows: usize, inner: usize, most: usize) -> Vec<Self> {
        let count = rows.div_ceil(most);
        let panel = |i: usize| {
            let (first, end) = (i * rows / count, (i + 1) * rows / count);
            Self::new(&x[first * inner..end * inner], first, end - first, inner)
        };
        if count > 4 { (0..count).into_par_iter().map(panel).collect() } else { (0..count).map(panel).collect() }
    }

    fn new(x: &[f32], first: usize, rows: usize, inner: usize) -> Self {
        let mut steps = vec![Step([0.0; STEP]); inner.div_ceil(STEP) * rows];
        for (r, row) in x.chunks(inner).enumerate() {
            for (s, values) in row.chunks(STEP).enumerate() {
                steps[s * rows + r].0[..values.len()].copy_from_slice(values);
            }
        }
        Self { first, rows, steps }
    }
}

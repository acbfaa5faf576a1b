//! `x · Wᵀ` on the CPU, with the rows of `W` in f32, bf16 or f16 as they lie in a file and all arithmetic in f32.
//!
//! candle's product (the gemm crate) rearranges the whole of `W` before it multiplies, which costs as much as dozens of rows
//! of arithmetic, and has no way of reading bf16. Here `x` is rearranged instead, and the rows of `W` are read in place,
//! once, and widened in registers. `docs/performance-log.md` has both beside each other.
//!
//! An element of the result is a function of its row of `x`, its row of `W` and nothing else: sixteen partial sums run along
//! the row (position p belongs to sum p mod 16), each step is one fused multiply-add, and every [`BLOCK`] positions they
//! are added up in a fixed tree. So a row's result has the same bits alone and in any batch, on any number of threads,
//! with weights as stored or widened beforehand, and with every instruction set.

#![allow(clippy::inline_always, reason = "a vector operation that is a call leaves its register")]

mod op;
mod panel;
mod set;
#[cfg(test)]
mod tests;
mod tile;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use std::ops::Range;

use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

use op::{Columns, with_values};
pub(crate) use op::{dense, multiply};
use panel::Panel;
use set::Set;
use tile::Chunk;

/// Positions after which partial sums are added up; a multiple of 16.
const BLOCK: usize = 2048;
/// Panels of `x` that go over a strip of `W` together: with up to 8 rows each they stay in the level-3 cache.
const PANELS: usize = 32;
/// Rows of `W` between which these panels are gone through, in a core's level-2 cache; a multiple of every tile's width.
const CHUNK_ROWS: usize = 48;
/// Bytes in f32 of the largest strip of `W`, the share that a thread takes (and widens) at a time.
const STRIP_BYTES: usize = 8 << 20;
/// Products of fewer multiplications are not worth waking other threads for.
const SERIAL: usize = 1 << 20;

/// How the numbers of a matrix are written: little-endian, at any alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    /// IEEE single.
    F32,
    /// IEEE half.
    F16,
    /// bfloat16.
    Bf16,
}

impl Number {
    fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }
}

/// Makes rows of a matrix in f32, `[rows, in]`.
pub(crate) type Widen<'a> = dyn Fn(Range<usize>) -> Result<Tensor> + Sync + 'a;

/// Where the rows of a matrix come from.
#[derive(Clone, Copy)]
pub(crate) enum Rows<'a> {
    /// They lie one after another.
    Stored(&'a [u8], Number),
    /// They are widened to f32, a strip at a time.
    Widened(&'a Widen<'a>),
}

/// A matrix `[out, in]`.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub(crate) rows: Rows<'a>,
    pub(crate) out: usize,
    pub(crate) inner: usize,
}

/// Whether the kernels have instructions of this machine to work with. Where they have none (x86-64 before 2013), the fused
/// multiply-add is a library call and candle's product is faster.
pub(crate) fn available() -> bool {
    Set::best() != Set::Portable || cfg!(target_arch = "aarch64")
}

/// Rows of `W` in a strip: a few strips for each thread, none above [`STRIP_BYTES`].
fn strip_rows(w: &Matrix<'_>) -> usize {
    let most = (STRIP_BYTES / (4 * w.inner.max(1))).max(CHUNK_ROWS);
    let fair = w.out.div_ceil(4 * rayon::current_num_threads());
    fair.clamp(CHUNK_ROWS, most).next_multiple_of(CHUNK_ROWS)
}

/// `x` `[rows, in]` times `w` `[out, in]` transposed, into `y` `[rows, out]`.
fn product(set: Set, x: &[f32], w: &Matrix<'_>, y: &mut [f32]) -> Result<()> {
    if w.out == 0 || y.is_empty() {
        return Ok(());
    }
    let rows = y.len() / w.out;
    if y.len() != rows * w.out || x.len() != rows * w.inner {
        bail!("{} numbers times [{}, {}] into {}", x.len(), w.out, w.inner, y.len());
    }
    if let Rows::Stored(bytes, number) = w.rows
        && bytes.len() != w.out * w.inner * number.bytes()
    {
        bail!("a matrix [{}, {}] of {number:?} has {} bytes", w.out, w.inner, bytes.len());
    }
    if w.inner == 0 {
        y.fill(0.0);
        return Ok(());
    }
    let panels = Panel::split(x, rows, w.inner, set.panel_rows());
    let columns = Columns::new(y, w.out);
    let step = strip_rows(w);
    let strips: Vec<Range<usize>> = (0..w.out).step_by(step).map(|s| s..(s + step).min(w.out)).collect();
    let one = |strip: &Range<usize>| match w.rows {
        Rows::Stored(bytes, number) => {
            let row = w.inner * number.bytes();
            run(set, &panels, &bytes[strip.start * row..strip.end * row], number, w.inner, &columns, strip.start);
            Ok(())
        }
        Rows::Widened(widen) => with_values(&widen(strip.clone())?, |bytes| {
            run(set, &panels, bytes, Number::F32, w.inner, &columns, strip.start);
        }),
    };
    if rows * w.out * w.inner < SERIAL { strips.iter().try_for_each(one) } else { strips.par_iter().try_for_each(one) }
}

/// One strip of `W`: every panel of `x` against it, into the columns from `first` on.
fn run(set: Set, panels: &[Panel], weights: &[u8], number: Number, inner: usize, columns: &Columns<'_>, first: usize) {
    let mut results = Vec::new();
    for panels in panels.chunks(PANELS) {
        let (top, rows) = (panels[0].first, panels.iter().map(|p| p.rows).sum::<usize>());
        for (i, weights) in weights.chunks(CHUNK_ROWS * inner * number.bytes()).enumerate() {
            let width = weights.len() / (inner * number.bytes());
            results.resize(rows * width, 0.0);
            set.run(&mut Chunk { panels, weights, number, width, inner, out: &mut results });
            for (r, values) in results.chunks(width).enumerate() {
                // SAFETY: strips do not overlap, and each is one thread's.
                #[allow(unsafe_code)]
                unsafe {
                    columns.write(top + r, first + i * CHUNK_ROWS, values);
                }
            }
        }
    }
}

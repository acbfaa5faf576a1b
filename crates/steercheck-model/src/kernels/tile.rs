//! The kernel, written once for every instruction set: a tile of R rows of `x` by C rows of `W` whose R·C sums stay in
//! registers while both run along their rows.
#![allow(unsafe_code, reason = "a named kernel: vector loads by pointer")]

use super::panel::{Panel, STEP, Step};
use super::{BLOCK, Number};

/// Some of the sixteen partial sums, in a register.
///
/// # Safety
/// Every method needs the instruction set of the type that implements it; those that take a pointer need it to be valid
/// for `WIDTH` numbers, at any alignment.
pub(super) trait Lanes: Copy {
    /// How many: 4, 8 or 16. With fewer than 16, a tile goes along its rows once for each part.
    const WIDTH: usize;
    unsafe fn zero() -> Self;
    unsafe fn from_f32(numbers: *const u8) -> Self;
    unsafe fn from_f16(numbers: *const u8) -> Self;
    unsafe fn from_bf16(numbers: *const u8) -> Self;
    /// `self + a * b`, rounded once.
    unsafe fn plus_product(self, a: Self, b: Self) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// Asks for a cache line that will be read soon; any address will do.
    unsafe fn fetch(_line: *const u8) {}
}

/// The type of the weights, at compile time.
pub(super) trait Weight {
    const BYTES: usize;
    /// # Safety
    /// As [`Lanes`].
    unsafe fn widen<V: Lanes>(numbers: *const u8) -> V;
}

macro_rules! weight {
    ($name:ident, $bytes:literal, $widen:ident) => {
        pub(super) struct $name;
        impl Weight for $name {
            const BYTES: usize = $bytes;
            #[inline(always)]
            unsafe fn widen<V: Lanes>(numbers: *const u8) -> V {
                // SAFETY: the caller's promise is the same.
                unsafe { V::$widen(numbers) }
            }
        }
    };
}

weight!(F32, 4, from_f32);
weight!(F16, 2, from_f16);
weight!(Bf16, 2, from_bf16);

/// What a kernel is called with: panels of neighbouring rows of `x`, and a few rows of `W`.
pub(super) struct Chunk<'a> {
    pub(super) panels: &'a [Panel],
    /// `[width, inner]` of `number`.
    pub(super) weights: &'a [u8],
    pub(super) number: Number,
    pub(super) width: usize,
    pub(super) inner: usize,
    /// `[rows of all panels, width]`.
    pub(super) out: &'a mut [f32],
}

impl Chunk<'_> {
    /// What the pointers of [`tile`] rest on.
    pub(super) fn check(&self, panel_rows: usize) {
        let steps = self.inner.div_ceil(STEP);
        let rows: usize = self.panels.iter().map(|p| p.rows).sum();
        assert_eq!(self.weights.len(), self.width * self.inner * self.number.bytes(), "bytes of the weights");
        assert_eq!(self.out.len(), rows * self.width, "numbers of the result");
        assert!(self.panels.iter().all(|p| (1..=panel_rows).contains(&p.rows)), "heights of the panels");
        assert!(self.panels.iter().all(|p| p.steps.len() == steps * p.rows), "lengths of the panels");
    }

    /// Blocks along a row.
    pub(super) fn blocks(&self) -> usize {
        self.inner.div_ceil(BLOCK)
    }
}

/// One panel against all rows of a chunk, C at a time, in some of the blocks. `at` is the panel's first row in the result.
/// With `AHEAD`, each tile asks for the weights of the next one: right for the panel that sees them first.
///
/// # Safety
/// The instruction set of `V` must be there, [`Chunk::check`] must hold, and R must be the height of the panel.
#[inline(always)]
pub(super) unsafe fn strip<V: Lanes, W: Weight, const R: usize, const C: usize, const AHEAD: bool>(
    chunk: &mut Chunk<'_>,
    panel: usize,
    at: usize,
    blocks: std::ops::Range<usize>,
) {
    let row_bytes = chunk.inner * W::BYTES;
    let (x, out) = (chunk.panels[panel].steps.as_ptr(), chunk.out.as_mut_ptr());
    let mut c = 0;
    while c < chunk.width {
        let whole = c + C <= chunk.width;
        for block in blocks.clone() {
            let start = block * BLOCK;
            let positions = BLOCK.min(chunk.inner - start);
            // SAFETY: the block starts inside of the panel and of each row; rows c.. (C of them, or one) are inside of
            // the chunk, and so are R rows of the result from `at` on.
            unsafe {
                let w = chunk.weights.as_ptr().add(c * row_bytes + start * W::BYTES);
                let (x, out) = (x.add(start / STEP * R), out.add(at * chunk.width + c));
                let first = block == 0;
                if whole {
                    tile::<V, W, R, C, AHEAD>(x, w, row_bytes, positions, out, chunk.width, first);
                } else {
                    tile::<V, W, R, 1, false>(x, w, row_bytes, positions, out, chunk.width, first);
                }
            }
        }
        c += if whole { C } else { 1 };
    }
}

/// R rows of `x` by C rows of `W` over one block, into R rows of the result, `stride` numbers apart. Sets the result in the
/// first block and adds to it in the others.
///
/// # Safety
/// The instruction set of `V` must be there; `x` valid for R steps for each sixteen positions begun; each row of `W`,
/// `row_bytes` apart, for `positions` numbers; each row of `out` for C numbers.
#[inline(always)]
unsafe fn tile<V: Lanes, W: Weight, const R: usize, const C: usize, const AHEAD: bool>(
    x: *const Step,
    w: *const u8,
    row_bytes: usize,
    positions: usize,
    out: *mut f32,
    stride: usize,
    first: bool,
) {
    let (steps, tail) = (positions / STEP, positions % STEP);
    let mut sums = [[Step([0.0; STEP]); C]; R];
    // The last positions of each row, with zeros behind them.
    let mut rest = [[0u8; 4 * STEP]; C];
    if tail > 0 {
        for (c, rest) in rest.iter_mut().enumerate() {
            // SAFETY: the row holds `positions` numbers.
            let bytes =
                unsafe { std::slice::from_raw_parts(w.add(c * row_bytes + steps * STEP * W::BYTES), tail * W::BYTES) };
            rest[..bytes.len()].copy_from_slice(bytes);
        }
    }
    let mut lane = 0;
    while lane < STEP {
        // SAFETY: `s` is below the number of whole steps, the tail's step exists in the padded panel and in `rest`, and
        // `lane + WIDTH` is at most a step.
        unsafe {
            let mut acc = [[V::zero(); C]; R];
            for s in 0..steps {
                let mut ws = [V::zero(); C];
                for (c, v) in ws.iter_mut().enumerate() {
                    let numbers = w.add(c * row_bytes + (s * STEP + lane) * W::BYTES);
                    *v = W::widen::<V>(numbers);
                    if AHEAD {
                        V::fetch(numbers.wrapping_add(C * row_bytes));
                    }
                }
                add::<V, R, C>(&mut acc, x.add(s * R), lane, ws);
            }
            if tail > 0 {
                let mut ws = [V::zero(); C];
                for (rest, v) in rest.iter().zip(&mut ws) {
                    *v = W::widen::<V>(rest.as_ptr().add(lane * W::BYTES));
                }
                add::<V, R, C>(&mut acc, x.add(steps * R), lane, ws);
            }
            for (sums, acc) in sums.iter_mut().zip(acc) {
                for (sum, acc) in sums.iter_mut().zip(acc) {
                    acc.store(sum.0.as_mut_ptr().add(lane));
                }
            }
        }
        lane += V::WIDTH;
    }
    for (r, sums) in sums.iter().enumerate() {
        for (c, sum) in sums.iter().enumerate() {
            // SAFETY: row r and number c of the tile's result.
            let to = unsafe { &mut *out.add(r * stride + c) };
            let sum = added_up(&sum.0);
            *to = if first { sum } else { *to + sum };
        }
    }
}

/// # Safety
/// As [`tile`]; `x` is valid for R steps.
#[inline(always)]
unsafe fn add<V: Lanes, const R: usize, const C: usize>(
    acc: &mut [[V; C]; R],
    x: *const Step,
    lane: usize,
    ws: [V; C],
) {
    for (r, acc) in acc.iter_mut().enumerate() {
        // SAFETY: row r of the panel's step.
        unsafe {
            let x = V::from_f32(x.add(r).cast::<f32>().add(lane).cast());
            for (acc, w) in acc.iter_mut().zip(ws) {
                *acc = acc.plus_product(x, w);
            }
        }
    }
}

/// The tree: eights, fours, twos, one.
#[inline(always)]
fn added_up(lanes: &[f32; STEP]) -> f32 {
    let eight: [f32; 8] = std::array::from_fn(|i| lanes[i] + lanes[i + 8]);
    let four: [f32; 4] = std::array::from_fn(|i| eight[i] + eight[i + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}

/// Goes through a chunk with a tile's width for each height of a panel. A single panel takes whole rows of `W`, which come
/// from memory; several share each block of them from the cache.
macro_rules! by_height {
    ($chunk:ident, $lanes:ty, $weight:ty; $($rows:literal => $columns:literal),*) => {{
        let (blocks, panels) = ($chunk.blocks(), $chunk.panels.len());
        let together = if panels == 1 { blocks } else { 1 };
        for block in (0..blocks).step_by(together) {
            let mut at = 0;
            for panel in 0..panels {
                let (rows, blocks) = ($chunk.panels[panel].rows, block..block + together);
                match (rows, panel == 0) {
                    $(
                        // Eight rows at once are as many streams as the machine fetches ahead of itself.
                        ($rows, true) => strip::<$lanes, $weight, $rows, $columns, { $columns < 8 }>($chunk, panel, at, blocks),
                        ($rows, false) => strip::<$lanes, $weight, $rows, $columns, false>($chunk, panel, at, blocks),
                    )*
                    _ => unreachable!("the height was checked"),
                }
                at += rows;
            }
        }
    }};
}
pub(super) use by_height;

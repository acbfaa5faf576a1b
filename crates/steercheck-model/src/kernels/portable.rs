//! Four lanes in plain Rust: what the other kernels are tested against, and the kernel of `AArch64`, where the compiler makes
//! vector instructions of it.
#![allow(unsafe_code, reason = "a named kernel: loads by pointer")]

use half::{bf16, f16};

use super::tile::{Chunk, Lanes, Weight, by_height, strip};

pub(super) const PANEL_ROWS: usize = 8;

#[derive(Clone, Copy)]
struct Four([f32; 4]);

/// # Safety
/// `numbers` is valid for four times N bytes.
#[inline(always)]
unsafe fn read<const N: usize>(numbers: *const u8, one: impl Fn([u8; N]) -> f32) -> Four {
    // SAFETY: the caller's promise; arrays of bytes lie at any address.
    let raw = unsafe { *numbers.cast::<[[u8; N]; 4]>() };
    Four(raw.map(one))
}

impl Lanes for Four {
    const WIDTH: usize = 4;

    #[inline(always)]
    unsafe fn zero() -> Self {
        Self([0.0; 4])
    }

    #[inline(always)]
    unsafe fn from_f32(numbers: *const u8) -> Self {
        // SAFETY: the trait's promise.
        unsafe { read(numbers, f32::from_le_bytes) }
    }

    #[inline(always)]
    unsafe fn from_f16(numbers: *const u8) -> Self {
        // SAFETY: the trait's promise.
        unsafe { read(numbers, |b| f16::from_le_bytes(b).to_f32()) }
    }

    #[inline(always)]
    unsafe fn from_bf16(numbers: *const u8) -> Self {
        // SAFETY: the trait's promise.
        unsafe { read(numbers, |b| bf16::from_le_bytes(b).to_f32()) }
    }

    #[inline(always)]
    unsafe fn plus_product(self, a: Self, b: Self) -> Self {
        Self(std::array::from_fn(|i| a.0[i].mul_add(b.0[i], self.0[i])))
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the trait's promise; every caller's numbers are aligned as f32.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(self.0) }
    }
}

/// # Safety
/// The chunk was checked.
pub(super) unsafe fn run<W: Weight>(chunk: &mut Chunk<'_>) {
    // SAFETY: the caller's promise; each height is matched before its tile is called.
    unsafe { by_height!(chunk, Four, W; 1 => 8, 2 => 8, 3 => 8, 4 => 3, 5 => 3, 6 => 3, 7 => 3, 8 => 3) }
}

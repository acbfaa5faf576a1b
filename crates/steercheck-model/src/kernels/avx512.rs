//! Sixteen lanes in one AVX-512 register; 24 of the 32 registers hold sums.
#![allow(unsafe_code, reason = "a named kernel: vector instructions")]

use std::arch::x86_64::{
    __m512, _MM_HINT_T0, _mm_prefetch, _mm256_loadu_si256, _mm512_castsi512_ps, _mm512_cvtepu16_epi32, _mm512_cvtph_ps,
    _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_setzero_ps, _mm512_slli_epi32, _mm512_storeu_ps,
};

use super::tile::{Chunk, Lanes, Weight, by_height, strip};

pub(super) const PANEL_ROWS: usize = 8;

#[derive(Clone, Copy)]
struct Sixteen(__m512);

// SAFETY of every block: the trait's promise, and nothing more than AVX-512F is used.
impl Lanes for Sixteen {
    const WIDTH: usize = 16;

    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { Self(_mm512_setzero_ps()) }
    }

    #[inline(always)]
    unsafe fn from_f32(numbers: *const u8) -> Self {
        unsafe { Self(_mm512_loadu_ps(numbers.cast())) }
    }

    #[inline(always)]
    unsafe fn from_f16(numbers: *const u8) -> Self {
        unsafe { Self(_mm512_cvtph_ps(_mm256_loadu_si256(numbers.cast()))) }
    }

    #[inline(always)]
    unsafe fn from_bf16(numbers: *const u8) -> Self {
        unsafe {
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(numbers.cast()));
            Self(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide)))
        }
    }

    #[inline(always)]
    unsafe fn plus_product(self, a: Self, b: Self) -> Self {
        unsafe { Self(_mm512_fmadd_ps(a.0, b.0, self.0)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm512_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn fetch(line: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) }
    }
}

/// # Safety
/// The machine has AVX-512F, and the chunk was checked.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn run<W: Weight>(chunk: &mut Chunk<'_>) {
    // SAFETY: the caller's promise; each height is matched before its tile is called.
    unsafe { by_height!(chunk, Sixteen, W; 1 => 8, 2 => 8, 3 => 8, 4 => 3, 5 => 3, 6 => 3, 7 => 3, 8 => 3) }
}

//! Eight lanes in an AVX2 register; 12 of the 16 registers hold sums.
#![allow(unsafe_code, reason = "a named kernel: vector instructions")]

use std::arch::x86_64::{
    __m256, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm256_castsi256_ps, _mm256_cvtepu16_epi32, _mm256_cvtph_ps,
    _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_setzero_ps, _mm256_slli_epi32, _mm256_storeu_ps,
};

use super::tile::{Chunk, Lanes, Weight, by_height, strip};

pub(super) const PANEL_ROWS: usize = 4;

#[derive(Clone, Copy)]
struct Eight(__m256);

// SAFETY of every block: the trait's promise, and nothing more than AVX2, FMA and F16C is used.
impl Lanes for Eight {
    const WIDTH: usize = 8;

    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { Self(_mm256_setzero_ps()) }
    }

    #[inline(always)]
    unsafe fn from_f32(numbers: *const u8) -> Self {
        unsafe { Self(_mm256_loadu_ps(numbers.cast())) }
    }

    #[inline(always)]
    unsafe fn from_f16(numbers: *const u8) -> Self {
        unsafe { Self(_mm256_cvtph_ps(_mm_loadu_si128(numbers.cast()))) }
    }

    #[inline(always)]
    unsafe fn from_bf16(numbers: *const u8) -> Self {
        unsafe {
            let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(numbers.cast()));
            Self(_mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide)))
        }
    }

    #[inline(always)]
    unsafe fn plus_product(self, a: Self, b: Self) -> Self {
        unsafe { Self(_mm256_fmadd_ps(a.0, b.0, self.0)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm256_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn fetch(line: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) }
    }
}

/// # Safety
/// The machine has AVX2, FMA and F16C, and the chunk was checked.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) unsafe fn run<W: Weight>(chunk: &mut Chunk<'_>) {
    // SAFETY: the caller's promise; each height is matched before its tile is called.
    unsafe { by_height!(chunk, Eight, W; 1 => 8, 2 => 4, 3 => 4, 4 => 3) }
}

//! Which instructions a product uses.
#![allow(unsafe_code, reason = "the one place that calls the kernels")]

use super::tile::{Bf16, Chunk, F16, F32, Weight};
use super::{Number, portable};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};

/// The instruction sets that there is a kernel for. All give the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Set {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

impl Set {
    /// Every set, the widest first.
    pub(super) const ALL: &[Self] = &[
        #[cfg(target_arch = "x86_64")]
        Self::Avx512,
        #[cfg(target_arch = "x86_64")]
        Self::Avx2,
        Self::Portable,
    ];

    /// Whether this machine has it.
    pub(super) fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
            }
            Self::Portable => true,
        }
    }

    /// The widest that this machine has.
    pub(super) fn best() -> Self {
        Self::ALL.iter().copied().find(|s| s.is_available()).unwrap_or(Self::Portable)
    }

    /// Rows of `x` in a panel at most.
    pub(super) fn panel_rows(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::PANEL_ROWS,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::PANEL_ROWS,
            Self::Portable => portable::PANEL_ROWS,
        }
    }

    /// Panels of `x` against a few rows of `W`.
    pub(super) fn run(self, chunk: &mut Chunk<'_>) {
        assert!(self.is_available(), "{self:?} was chosen on a machine without it");
        chunk.check(self.panel_rows());
        // SAFETY: the machine has the instructions and the chunk's parts fit each other, both checked above.
        unsafe {
            match chunk.number {
                Number::F32 => self.run_typed::<F32>(chunk),
                Number::F16 => self.run_typed::<F16>(chunk),
                Number::Bf16 => self.run_typed::<Bf16>(chunk),
            }
        }
    }

    /// # Safety
    /// The machine has the set, the chunk was checked, and its weights are of this type.
    unsafe fn run_typed<W: Weight>(self, chunk: &mut Chunk<'_>) {
        match self {
            // SAFETY: the caller's promise.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => unsafe { avx512::run::<W>(chunk) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { avx2::run::<W>(chunk) },
            // SAFETY: as above; it needs no special instructions.
            Self::Portable => unsafe { portable::run::<W>(chunk) },
        }
    }
}

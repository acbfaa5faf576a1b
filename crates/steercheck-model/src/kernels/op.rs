//! The kernels as an operation on candle's tensors.
#![allow(unsafe_code, reason = "threads write to columns of one matrix; numbers are seen as bytes")]

use std::marker::PhantomData;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Storage, Tensor, bail};

use super::{Matrix, Number, Rows, Set, product};

struct Product<'a>(Matrix<'a>);

impl CustomOp1 for Product<'_> {
    fn name(&self) -> &'static str {
        "matrix-product"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, _) = layout.shape().dims2()?;
        let Some((start, end)) = layout.contiguous_offsets() else { bail!("the rows are not contiguous") };
        let x = &storage.as_slice::<f32>()?[start..end];
        let mut y = vec![0.0; rows * self.0.out];
        product(Set::best(), x, &self.0, &mut y)?;
        Ok((CpuStorage::F32(y), (rows, self.0.out).into()))
    }
}

/// `x` `[rows, in]` on the CPU, of any strides, times `w` `[out, in]` transposed: `[rows, out]`.
pub(crate) fn multiply(x: &Tensor, w: Matrix<'_>) -> Result<Tensor> {
    x.contiguous()?.apply_op1_no_bwd(&Product(w))
}

/// As [`multiply`], with a matrix of f32 in memory.
pub(crate) fn dense(x: &Tensor, w: &Tensor) -> Result<Tensor> {
    let (out, inner) = w.dims2()?;
    with_values(w, |bytes| multiply(x, Matrix { rows: Rows::Stored(bytes, Number::F32), out, inner }))?
}

/// Calls `f` with the bytes of a contiguous f32 tensor on the CPU.
pub(super) fn with_values<T>(tensor: &Tensor, f: impl FnOnce(&[u8]) -> T) -> Result<T> {
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else { bail!("the tensor is not in the CPU's memory") };
    let Some((start, end)) = layout.contiguous_offsets() else { bail!("the tensor is not contiguous") };
    let values = &storage.as_slice::<f32>()?[start..end];
    // SAFETY: the same memory, for as long; every byte of an f32 is a byte.
    let bytes = unsafe { std::slice::from_raw_parts(values.as_ptr().cast::<u8>(), size_of_val(values)) };
    Ok(f(bytes))
}

/// A matrix that threads fill side by side.
pub(super) struct Columns<'a> {
    values: *mut f32,
    len: usize,
    width: usize,
    matrix: PhantomData<&'a mut [f32]>,
}

// SAFETY: the matrix is borrowed mutably for as long as this exists, and each thread writes to columns of its own.
unsafe impl Sync for Columns<'_> {}

impl<'a> Columns<'a> {
    /// A matrix `[rows, width]`.
    pub(super) fn new(matrix: &'a mut [f32], width: usize) -> Self {
        Self { values: matrix.as_mut_ptr(), len: matrix.len(), width, matrix: PhantomData }
    }

    /// Writes the numbers of a row from a column on.
    ///
    /// # Safety
    /// No other thread writes to these columns.
    pub(super) unsafe fn write(&self, row: usize, column: usize, values: &[f32]) {
        let at = row * self.width + column;
        assert!(column + values.len() <= self.width && at + values.len() <= self.len, "columns of the matrix");
        // SAFETY: inside of the matrix, and nobody else's by the caller's promise.
        unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), self.values.add(at), values.len()) };
    }
}

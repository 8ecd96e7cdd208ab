//! Products of the rows of a tensor with a weight.

use std::marker::PhantomData;

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

use crate::{
    kernels::{
        gemm::{Matrix, Packed, rows_times, transposed_times},
        real::{Real, fused, gradient_of, slice, with_slices},
    },
    reference,
};

/// `x w` for `x` (.., in) and `w` (in, out) -> (.., out).
///
/// # Errors
/// Shapes or types that do not fit.
pub fn linear(x: &Tensor, w: &Tensor) -> Result<Tensor> {
    let (n_in, n_out) = w.dims2()?;
    let Some(&last) = x.dims().last() else {
        bail!("linear: x is a number")
    };
    if last != n_in {
        bail!("linear: x {:?} and w {:?} do not fit", x.shape(), w.shape());
    }
    fused!(x.dtype(), x.device(), T => x.contiguous()?.apply_op2(&w.contiguous()?, Linear::<T> { n_in, n_out, number: PhantomData }));
    reference::linear::linear(x, w)
}

struct Linear<T> {
    n_in: usize,
    n_out: usize,
    number: PhantomData<T>,
}

impl<T: Real> CustomOp2 for Linear<T> {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, w) = (slice::<T>(s1, l1)?, slice::<T>(s2, l2)?);
        let y = rows_times(
            x,
            &Packed::new(Matrix::rows(w, self.n_out), self.n_in, self.n_out),
        );
        let mut shape = l1.dims().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = self.n_out;
        }
        Ok((T::to_cpu_storage_owned(y.into_vec()), shape.into()))
    }

    /// `dx = dy w^T`, `dw = x^T dy`.
    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let Self { n_in, n_out, .. } = *self;
        let (dx, dw) = with_slices::<T, 3, _>([x, w, gradient], |[x, w, dy]| {
            let dx = rows_times(
                dy,
                &Packed::new(Matrix::rows(w, n_out).transposed(), n_out, n_in),
            );
            Ok((dx.into_vec(), transposed_times(x, n_in, dy, n_out)))
        })?;
        Ok((gradient_of(x, dx)?, gradient_of(w, dw)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::real::tests::check_gradients;

    #[test]
    fn every_input_gets_its_gradient() {
        check_gradients([&[2, 7, 5], &[5, 3]], |t| linear(&t[0], &t[1]));
    }
}

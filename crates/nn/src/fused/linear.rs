//! A linear layer without bias: `y = x w`, with the gradients `dx = dy w^T` and `dw = x^T dy`.

use std::marker::PhantomData;

use candle_core::{Layout, Result, Shape, Tensor, bail};

use super::operation::{OnCpu, Operation};

use crate::{
    kernels::{
        gemm::{Matrix, Packed, rows_times, transposed_times},
        real::{Real, fused, gradient_of, with_slices},
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
    fused!(x.dtype(), x.device(), T => {
        let operation = Linear::<T> {
            n_in,
            n_out,
            number: PhantomData,
        };
        x.contiguous()?
            .apply_op2(&w.contiguous()?, OnCpu::new(operation))
    });
    reference::linear::linear(x, w)
}

struct Linear<T> {
    n_in: usize,
    n_out: usize,
    number: PhantomData<T>,
}

impl<T: Real> Operation<T, 2> for Linear<T> {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn forward(&self, [x, w]: [&[T]; 2], layouts: [&Layout; 2]) -> Result<(Vec<T>, Shape)> {
        let packed = Packed::new(Matrix::rows(w, self.n_out), self.n_in, self.n_out);
        let y = rows_times(x, &packed);
        let mut shape = layouts[0].dims().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = self.n_out;
        }
        Ok((y.into_vec(), shape.into()))
    }

    fn backward(
        &self,
        [x, w]: [&Tensor; 2],
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<[Option<Tensor>; 2]> {
        let Self { n_in, n_out, .. } = *self;
        let (dx, dw) = with_slices::<T, 3, _>([x, w, gradient], |[x, w, dy]| {
            let transposed = Packed::new(Matrix::rows(w, n_out).transposed(), n_out, n_in);
            let dx = rows_times(dy, &transposed);
            Ok((dx.into_vec(), transposed_times(x, n_in, dy, n_out)))
        })?;
        Ok([gradient_of(x, dx)?, gradient_of(w, dw)?])
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

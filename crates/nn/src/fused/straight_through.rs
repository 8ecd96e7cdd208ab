//! The sign function with a straight-through gradient, for binary codes.
//!
//! The gradient is 1 where the input is in (-1, 1), else 0 (Hubara et al. 2016, arXiv 1602.02830,
//! equation 4; EcoFormer: Liu et al. 2022, arXiv 2209.09004).

use std::marker::PhantomData;

use candle_core::{Layout, Result, Shape, Tensor};

use super::operation::{OnCpu, Operation};

use crate::{
    kernels::real::{Real, fused, gradient_of, with_slices},
    reference,
};

/// 1 where `x` is at least 0, else -1, in the shape of `x`.
///
/// # Errors
/// Types that do not fit.
pub fn sign(x: &Tensor) -> Result<Tensor> {
    let x = x.contiguous()?;
    fused!(x.dtype(), x.device(), T => x.apply_op1(OnCpu::new(Sign::<T>(PhantomData))));
    reference::straight_through::sign(&x)
}

struct Sign<T>(PhantomData<T>);

impl<T: Real> Operation<T, 1> for Sign<T> {
    fn name(&self) -> &'static str {
        "sign"
    }

    fn forward(&self, [x]: [&[T]; 1], layouts: [&Layout; 1]) -> Result<(Vec<T>, Shape)> {
        let one = T::constant(1.0);
        let zero = T::default();
        let y: Vec<T> = x
            .iter()
            .map(|&x| if x < zero { zero - one } else { one })
            .collect();
        Ok((y, layouts[0].shape().clone()))
    }

    fn backward(
        &self,
        [x]: [&Tensor; 1],
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<[Option<Tensor>; 1]> {
        let dx = with_slices::<T, 2, _>([x, gradient], |[x, dy]| {
            let dx: Vec<T> = x
                .iter()
                .zip(dy)
                .map(|(&x, &dy)| if is_inside(x) { dy } else { T::default() })
                .collect();
            Ok(dx)
        })?;
        Ok([gradient_of(x, dx)?])
    }
}

/// Whether x is in (-1, 1).
fn is_inside<T: Real>(x: T) -> bool {
    let one = T::constant(1.0);
    x < one && x > T::default() - one
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::real::tests::assert_same_gradients;
    use candle_core::{Device, Var};

    #[test]
    fn the_gradient_passes_inside_the_unit_interval_only() {
        let x = Var::new(
            &[-2f64, -1.0, -0.5, 0.0, 0.5, 1.0, f64::INFINITY],
            &Device::Cpu,
        )
        .unwrap();
        for y in [
            sign(&x).unwrap(),
            reference::straight_through::sign(&x).unwrap(),
        ] {
            assert_eq!(
                y.to_vec1::<f64>().unwrap(),
                [-1.0, -1.0, -1.0, 1.0, 1.0, 1.0, 1.0]
            );
            let gradients = (y * 3.0).unwrap().sum_all().unwrap().backward().unwrap();
            assert_eq!(
                gradients.get(&x).unwrap().to_vec1::<f64>().unwrap(),
                [0.0, 0.0, 3.0, 3.0, 3.0, 0.0, 0.0]
            );
        }
    }

    #[test]
    fn the_reference_is_the_same() {
        assert_same_gradients(
            [&[4, 9]],
            |t| sign(&(&t[0] * 2.0)?),
            |t| reference::straight_through::sign(&(&t[0] * 2.0)?),
        );
    }
}

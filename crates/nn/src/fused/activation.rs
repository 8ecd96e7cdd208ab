//! The activation functions of the feed-forward layer, fused with the bias before them.
//!
//! - GELU `x Phi(x)` in its exact form, with the slope `Phi(x) + x phi(x)` (Hendrycks & Gimpel
//!   2016, arXiv 1606.08415). Phi and phi are the distribution function and the density of the
//!   standard normal distribution.
//! - ReLU `max(x, 0)`.
//! - Squared ReLU `max(x, 0)^2` (Primer: So et al. 2021, arXiv 2109.08668, section 4).

use std::marker::PhantomData;

use candle_core::{Layout, Result, Shape, Tensor, bail};

use super::operation::{OnCpu, Operation};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    ROWS_PER_TASK,
    kernels::real::{Real, add_scaled, fused, gradient_of, vectorised, with_slices},
    reference,
};

/// An activation function, applied to each number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// `x Phi(x)`.
    #[default]
    Gelu,
    /// `max(x, 0)`.
    Relu,
    /// `max(x, 0)^2`.
    SquaredRelu,
}

impl From<Activation> for candle_nn::Activation {
    fn from(activation: Activation) -> Self {
        match activation {
            Activation::Gelu => Self::Gelu,
            Activation::Relu => Self::Relu,
            Activation::SquaredRelu => Self::Relu2,
        }
    }
}

/// `activation(x + bias)` for `x` (.., width) and `bias` (width).
///
/// # Errors
/// Shapes or types that do not fit.
pub fn activation_with_bias(x: &Tensor, bias: &Tensor, activation: Activation) -> Result<Tensor> {
    if x.dims().last() != Some(&bias.elem_count()) {
        bail!(
            "activation_with_bias: x {:?} and bias {:?} do not fit",
            x.shape(),
            bias.shape()
        );
    }
    let x = x.contiguous()?;
    fused!(x.dtype(), x.device(), T => {
        let operation = ActivationWithBias::<T> {
            activation,
            number: PhantomData,
        };
        x.apply_op2(bias, OnCpu::new(operation))
    });
    reference::activation::activation_with_bias(&x, bias, activation.into())
}

struct ActivationWithBias<T> {
    activation: Activation,
    number: PhantomData<T>,
}

/// The standard normal distribution at one point.
struct Normal<T> {
    /// Phi(x), the distribution function.
    cumulative: T,
    /// phi(x), the density.
    density: T,
}

/// The standard normal distribution at x, from the approximation of erf by Abramowitz & Stegun
/// 7.1.26; the absolute error is below 1.5e-7.
///
/// `1 - Phi(|x|) = (a1 t + a2 t^2 + ... + a5 t^5) exp(-z^2) / 2` with `z = |x| / sqrt(2)` and
/// `t = 1 / (1 + 0.3275911 z)`.
#[inline(always)]
fn normal<T: Real>(x: T) -> Normal<T> {
    let one = T::constant(1.0);
    let is_negative = x < T::default();
    let magnitude = if is_negative { T::default() - x } else { x };
    let z = magnitude * T::constant(std::f64::consts::FRAC_1_SQRT_2);
    let t = one / T::constant(0.327_591_1).times_plus(z, one);
    // Horner's rule from a5 to a1, then times t.
    let series = T::constant(1.061_405_429)
        .times_plus(t, T::constant(-1.453_152_027))
        .times_plus(t, T::constant(1.421_413_741))
        .times_plus(t, T::constant(-0.284_496_736))
        .times_plus(t, T::constant(0.254_829_592))
        * t;
    let exponential = (T::default() - z * z).exp();
    let upper_tail = T::constant(0.5) * series * exponential;
    let cumulative = if is_negative {
        upper_tail
    } else {
        one - upper_tail
    };
    Normal {
        cumulative,
        // 1 / sqrt(2 pi).
        density: exponential * T::constant(0.398_942_280_401_432_7),
    }
}

/// Value and slope of an activation function.
pub(crate) trait Curve<T: Copy> {
    fn value(x: T) -> T;
    fn slope(x: T) -> T;
    #[inline(always)]
    fn value_and_slope(x: T) -> (T, T) {
        (Self::value(x), Self::slope(x))
    }
}

pub(crate) struct Gelu;
pub(crate) struct Relu;
pub(crate) struct SquaredRelu;

impl<T: Real> Curve<T> for Gelu {
    #[inline(always)]
    fn value(x: T) -> T {
        x * normal(x).cumulative
    }

    #[inline(always)]
    fn slope(x: T) -> T {
        Self::value_and_slope(x).1
    }

    #[inline(always)]
    fn value_and_slope(x: T) -> (T, T) {
        let Normal {
            cumulative,
            density,
        } = normal(x);
        (x * cumulative, x.times_plus(density, cumulative))
    }
}

impl<T: Real> Curve<T> for Relu {
    #[inline(always)]
    fn value(x: T) -> T {
        if x > T::default() { x } else { T::default() }
    }

    #[inline(always)]
    fn slope(x: T) -> T {
        if x > T::default() {
            T::constant(1.0)
        } else {
            T::default()
        }
    }
}

impl<T: Real> Curve<T> for SquaredRelu {
    #[inline(always)]
    fn value(x: T) -> T {
        let positive = Relu::value(x);
        positive * positive
    }

    #[inline(always)]
    fn slope(x: T) -> T {
        T::constant(2.0) * Relu::value(x)
    }
}

fn values<T: Real, C: Curve<T>>(x: &[T], bias: &[T]) -> Vec<T> {
    let block = bias.len() * ROWS_PER_TASK;
    let mut y = vec![T::default(); x.len()];
    y.par_chunks_mut(block)
        .zip(x.par_chunks(block))
        .for_each(|(y, x)| {
            vectorised(
                #[inline(always)]
                || {
                    for (y, x) in y
                        .chunks_exact_mut(bias.len())
                        .zip(x.chunks_exact(bias.len()))
                    {
                        for ((y, &x), &b) in y.iter_mut().zip(x).zip(bias) {
                            *y = C::value(x + b);
                        }
                    }
                },
            );
        });
    y
}

/// Gradients of x and bias.
fn gradients<T: Real, C: Curve<T>>(x: &[T], bias: &[T], dy: &[T]) -> (Vec<T>, Vec<T>) {
    let width = bias.len();
    let block = width * ROWS_PER_TASK;
    let mut dx = vec![T::default(); x.len()];
    let tasks = dx
        .par_chunks_mut(block)
        .zip(x.par_chunks(block))
        .zip(dy.par_chunks(block));
    let partial: Vec<Vec<T>> = tasks
        .map(|((dx, x), dy)| {
            vectorised(
                #[inline(always)]
                || {
                    let mut dbias = vec![T::default(); width];
                    for ((dx, x), dy) in dx
                        .chunks_exact_mut(width)
                        .zip(x.chunks_exact(width))
                        .zip(dy.chunks_exact(width))
                    {
                        for i in 0..width {
                            dx[i] = dy[i] * C::slope(x[i] + bias[i]);
                            dbias[i] += dx[i];
                        }
                    }
                    dbias
                },
            )
        })
        .collect();
    let mut dbias = vec![T::default(); width];
    for dbias_of_task in &partial {
        add_scaled(&mut dbias, T::constant(1.0), dbias_of_task);
    }
    (dx, dbias)
}

impl<T: Real> Operation<T, 2> for ActivationWithBias<T> {
    fn name(&self) -> &'static str {
        "activation-with-bias"
    }

    fn forward(&self, [x, bias]: [&[T]; 2], layouts: [&Layout; 2]) -> Result<(Vec<T>, Shape)> {
        let y = match self.activation {
            Activation::Gelu => values::<T, Gelu>(x, bias),
            Activation::Relu => values::<T, Relu>(x, bias),
            Activation::SquaredRelu => values::<T, SquaredRelu>(x, bias),
        };
        Ok((y, layouts[0].shape().clone()))
    }

    fn backward(
        &self,
        [x, bias]: [&Tensor; 2],
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<[Option<Tensor>; 2]> {
        let (dx, dbias) = with_slices::<T, 3, _>([x, bias, gradient], |[x, bias, dy]| {
            Ok(match self.activation {
                Activation::Gelu => gradients::<T, Gelu>(x, bias, dy),
                Activation::Relu => gradients::<T, Relu>(x, bias, dy),
                Activation::SquaredRelu => gradients::<T, SquaredRelu>(x, bias, dy),
            })
        })?;
        Ok([gradient_of(x, dx)?, gradient_of(bias, dbias)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::real::tests::{assert_same_gradients, check_gradients};
    use candle_core::{DType, Device};

    #[test]
    fn every_input_gets_its_gradient() {
        for activation in [Activation::Gelu, Activation::Relu, Activation::SquaredRelu] {
            check_gradients([&[3, 5, 7], &[7]], |t| {
                activation_with_bias(&t[0], &t[1], activation)
            });
        }
    }

    #[test]
    fn the_reference_is_the_same() {
        for activation in [Activation::Gelu, Activation::Relu, Activation::SquaredRelu] {
            assert_same_gradients(
                [&[3, 5, 7], &[7]],
                |t| activation_with_bias(&t[0], &t[1], activation),
                |t| reference::activation::activation_with_bias(&t[0], &t[1], activation.into()),
            );
        }
    }

    #[test]
    fn gelu_is_the_exact_form() {
        // torch.nn.functional.gelu(torch.tensor([-6., -3., -1., 0., 0.5, 2., 6.]))
        let expected = [
            -5.96e-9,
            -0.004_049_7,
            -0.158_655_25,
            0.0,
            0.345_731_23,
            1.954_499_7,
            6.0,
        ];
        let x = Tensor::new(&[[-6f32, -3., -1., 0., 0.5, 2., 6.]], &Device::Cpu).unwrap();
        let y = activation_with_bias(
            &x,
            &Tensor::zeros(7, DType::F32, &Device::Cpu).unwrap(),
            Activation::Gelu,
        )
        .unwrap();
        for (found, expected) in y.to_vec2::<f32>().unwrap()[0].iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
        }
    }
}

//! The number types the fused operations are written for: f32 to train, f64 to check their
//! gradients.

use std::cell::RefCell;

use candle_core::{CpuStorage, Layout, Result, Storage, Tensor, WithDType, bail};
use pulp::{Simd, WithSimd};

/// f32 or f64 with an exponential that vectorises.
pub(crate) trait Real:
    WithDType
    + Copy
    + Send
    + Sync
    + Default
    + PartialOrd
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::AddAssign
    + std::ops::MulAssign
{
    /// From a constant.
    fn constant(value: f64) -> Self;
    /// e to the power of `self`, to a few units in the last place; for arguments up to about 80.
    fn exp(self) -> Self;
    /// The vectors that this thread holds for [`crate::kernels::buffer::Buffer`].
    fn held<R>(f: impl FnOnce(&mut Vec<Vec<Self>>) -> R) -> R;
    /// Square root.
    fn sqrt(self) -> Self;
    /// `self b + c`, rounded once; as [`Real::exp`] to be inlined where the machine does that at
    /// once.
    fn times_plus(self, b: Self, c: Self) -> Self;
    /// A vector register of these numbers.
    type Vector<S: Simd>: Copy;
    /// Numbers in a vector.
    #[inline(always)]
    fn lanes<S: Simd>() -> usize {
        size_of::<Self::Vector<S>>() / size_of::<Self>()
    }
    /// The same number in every lane.
    fn splat<S: Simd>(simd: S, value: Self) -> Self::Vector<S>;
    /// `a + b`.
    fn plus<S: Simd>(simd: S, a: Self::Vector<S>, b: Self::Vector<S>) -> Self::Vector<S>;
    /// `a b + c`, rounded once where the machine can.
    fn mul_add<S: Simd>(
        simd: S,
        a: Self::Vector<S>,
        b: Self::Vector<S>,
        c: Self::Vector<S>,
    ) -> Self::Vector<S>;
    /// The sum of all lanes.
    fn sum_of_lanes<S: Simd>(simd: S, a: Self::Vector<S>) -> Self;
    /// The whole vectors of a slice.
    fn vectors<S: Simd>(values: &[Self]) -> &[Self::Vector<S>];
    /// The whole vectors of a slice.
    fn vectors_mut<S: Simd>(values: &mut [Self]) -> &mut [Self::Vector<S>];
}

/// The vectors of `pulp` for a number type.
macro_rules! vectors {
    ($vector:ident, $splat:ident, $add:ident, $mul_add:ident, $sum:ident, $vectors:ident, $vectors_mut:ident) => {
        type Vector<S: Simd> = S::$vector;

        #[inline(always)]
        fn splat<S: Simd>(simd: S, value: Self) -> S::$vector {
            simd.$splat(value)
        }

        #[inline(always)]
        fn plus<S: Simd>(simd: S, a: S::$vector, b: S::$vector) -> S::$vector {
            simd.$add(a, b)
        }

        #[inline(always)]
        fn mul_add<S: Simd>(simd: S, a: S::$vector, b: S::$vector, c: S::$vector) -> S::$vector {
            simd.$mul_add(a, b, c)
        }

        #[inline(always)]
        fn sum_of_lanes<S: Simd>(simd: S, a: S::$vector) -> Self {
            simd.$sum(a)
        }

        #[inline(always)]
        fn vectors<S: Simd>(values: &[Self]) -> &[S::$vector] {
            S::$vectors(values).0
        }

        #[inline(always)]
        fn vectors_mut<S: Simd>(values: &mut [Self]) -> &mut [S::$vector] {
            S::$vectors_mut(values).0
        }
    };
}

impl Real for f32 {
    vectors!(
        f32s,
        splat_f32s,
        add_f32s,
        mul_add_e_f32s,
        reduce_sum_f32s,
        as_simd_f32s,
        as_mut_simd_f32s
    );

    #[inline(always)]
    fn constant(value: f64) -> Self {
        value as f32
    }

    /// Cephes `expf`: 2^n times a polynomial on [-ln2/2, ln2/2], without branches. To be inlined
    /// where the machine is known to multiply and add at once: elsewhere `mul_add` is a
    /// function call.
    #[inline(always)]
    fn exp(self) -> Self {
        const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer in the low bits
        let x = if self < -87.0 { -87.0 } else { self };
        let x = if x > 88.0 { 88.0 } else { x };
        let shifted = f32::mul_add(x, std::f32::consts::LOG2_E, ROUND);
        let n = shifted - ROUND;
        let r = f32::mul_add(n, 2.121_944_4e-4, f32::mul_add(n, -0.693_359_4, x));
        let p = f32::mul_add(1.987_569_1e-4, r, 1.398_199_9e-3);
        let p = f32::mul_add(p, r, 8.333_452e-3);
        let p = f32::mul_add(p, r, 4.166_579_6e-2);
        let p = f32::mul_add(p, r, 1.666_666_6e-1);
        let p = f32::mul_add(p, r, 0.5);
        let y = f32::mul_add(p * r, r, r + 1.0);
        let exponent = shifted
            .to_bits()
            .wrapping_sub(ROUND.to_bits())
            .wrapping_add(127);
        y * f32::from_bits(exponent << 23)
    }

    fn held<R>(f: impl FnOnce(&mut Vec<Vec<Self>>) -> R) -> R {
        thread_local!(static HELD: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) });
        HELD.with_borrow_mut(f)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }

    #[inline(always)]
    fn times_plus(self, b: Self, c: Self) -> Self {
        f32::mul_add(self, b, c)
    }
}

impl Real for f64 {
    vectors!(
        f64s,
        splat_f64s,
        add_f64s,
        mul_add_e_f64s,
        reduce_sum_f64s,
        as_simd_f64s,
        as_mut_simd_f64s
    );

    #[inline(always)]
    fn constant(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn exp(self) -> Self {
        f64::exp(self)
    }

    fn held<R>(f: impl FnOnce(&mut Vec<Vec<Self>>) -> R) -> R {
        thread_local!(static HELD: RefCell<Vec<Vec<f64>>> = const { RefCell::new(Vec::new()) });
        HELD.with_borrow_mut(f)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }

    #[inline(always)]
    fn times_plus(self, b: Self, c: Self) -> Self {
        f64::mul_add(self, b, c)
    }
}

/// Returns the fused operation written after `=>` (with `T` the number type) where there is one:
/// for f32 and f64 on the CPU.
macro_rules! fused {
    ($dtype:expr, $device:expr, $number:ident => $operation:expr) => {
        if $device.is_cpu() {
            match $dtype {
                candle_core::DType::F32 => {
                    type $number = f32;
                    return $operation;
                }
                candle_core::DType::F64 => {
                    type $number = f64;
                    return $operation;
                }
                _ => {}
            }
        }
    };
}
pub(crate) use fused;

/// The values of a contiguous CPU tensor inside a custom operation's forward pass.
pub(crate) fn slice<'s, T: Real>(storage: &'s CpuStorage, layout: &Layout) -> Result<&'s [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&T::cpu_storage_as_slice(storage)?[start..end]),
        None => bail!("a fused operation needs contiguous tensors"),
    }
}

/// Runs `f` on the values of several contiguous CPU tensors inside a backward pass.
pub(crate) fn with_slices<T: Real, const N: usize, R>(
    tensors: [&Tensor; N],
    f: impl FnOnce([&[T]; N]) -> Result<R>,
) -> Result<R> {
    let tensors: Vec<Tensor> = tensors
        .iter()
        .map(|tensor| tensor.contiguous())
        .collect::<Result<_>>()?;
    let guards: Vec<_> = tensors.iter().map(Tensor::storage_and_layout).collect();
    let mut slices: [&[T]; N] = [&[]; N];
    for (target, (storage, layout)) in slices.iter_mut().zip(&guards) {
        let Storage::Cpu(storage) = &**storage else {
            bail!("a fused operation has only a CPU implementation")
        };
        *target = slice(storage, layout)?;
    }
    f(slices)
}

/// The gradient of a tensor, in its shape and where it lies, as candle takes it from a backward
/// pass.
pub(crate) fn gradient_of<T: Real>(tensor: &Tensor, values: Vec<T>) -> Result<Option<Tensor>> {
    Tensor::from_vec(values, tensor.shape(), tensor.device()).map(Some)
}

/// Tensors as one vector, one after the other, each row-major: an operation of candle takes at most
/// three tensors.
pub(crate) fn joined<const N: usize>(parts: [&Tensor; N]) -> Result<Tensor> {
    Tensor::cat(
        &parts
            .map(Tensor::flatten_all)
            .into_iter()
            .collect::<Result<Vec<_>>>()?,
        0,
    )
}

/// Runs a closure compiled for the widest vectors of this machine; the closure and all that it
/// calls must be inlined into it.
///
/// It takes what changes its surroundings (`FnMut`): `pulp` itself calls a closure by value,
/// through a function of the compiler's that is not inlined where it is long, and the loops are
/// then compiled without those vectors.
#[inline(always)]
pub(crate) fn vectorised<R>(f: impl FnMut() -> R) -> R {
    struct Vectorised<F>(F);

    impl<R, F: FnMut() -> R> WithSimd for Vectorised<F> {
        type Output = R;

        #[inline(always)]
        fn with_simd<S: Simd>(mut self, _: S) -> R {
            (self.0)()
        }
    }

    pulp::Arch::new().dispatch(Vectorised(f))
}

/// Dot product in eight interleaved lanes, which vectorises and does not depend on the machine.
#[inline(always)]
pub(crate) fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    let n = a.len().min(b.len());
    let a = &a[..n];
    let b = &b[..n];
    let mut lanes = [T::default(); 8];
    let whole = n - n % 8;
    for (ca, cb) in a[..whole].chunks_exact(8).zip(b[..whole].chunks_exact(8)) {
        for lane in 0..8 {
            lanes[lane] += ca[lane] * cb[lane];
        }
    }
    let mut total = T::default();
    for (&x, &y) in a[whole..].iter().zip(&b[whole..]) {
        total += x * y;
    }
    for lane in lanes {
        total += lane;
    }
    total
}

/// `y += factor * x`.
#[inline(always)]
pub(crate) fn add_scaled<T: Real>(y: &mut [T], factor: T, x: &[T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += factor * x;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use candle_core::{Device, Var};

    #[test]
    fn exp_is_accurate_over_the_whole_range() {
        for i in -8700..=8700 {
            let x = i as f32 * 0.01;
            let found = Real::exp(x);
            let expected = f64::exp(f64::from(x));
            assert!(
                (f64::from(found) / expected - 1.0).abs() < 3e-7,
                "exp({x}) = {found}, not {expected}"
            );
        }
        assert!(Real::exp(-1e4f32) < 1e-37);
    }

    /// Pseudo-random values in [-1, 1), the same everywhere.
    pub fn values(n: usize, seed: u64) -> Vec<f64> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        (0..n)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
            })
            .collect()
    }

    /// Compares values and gradients of two ways to compute the same.
    pub fn assert_same_gradients<const N: usize>(
        shapes: [&[usize]; N],
        f: impl Fn(&[Tensor]) -> Result<Tensor>,
        g: impl Fn(&[Tensor]) -> Result<Tensor>,
    ) {
        let run = |f: &dyn Fn(&[Tensor]) -> Result<Tensor>| -> Vec<Tensor> {
            let of_shape = |(i, shape): (usize, &&[usize])| {
                Var::from_vec(
                    values(shape.iter().product(), i as u64 + 1),
                    *shape,
                    &Device::Cpu,
                )
                .unwrap()
            };
            let vars: Vec<Var> = shapes.iter().enumerate().map(of_shape).collect();
            let out = f(&vars
                .iter()
                .map(|var| var.as_tensor().clone())
                .collect::<Vec<_>>())
            .unwrap();
            let weights =
                Tensor::from_vec(values(out.elem_count(), 99), out.shape(), &Device::Cpu).unwrap();
            let gradients = (&out * weights)
                .unwrap()
                .sum_all()
                .unwrap()
                .backward()
                .unwrap();
            std::iter::once(out)
                .chain(vars.iter().map(|var| gradients.get(var).unwrap().clone()))
                .collect()
        };
        for (number, (found, expected)) in run(&f).iter().zip(&run(&g)).enumerate() {
            let off = (found - expected)
                .unwrap()
                .abs()
                .unwrap()
                .max_all()
                .unwrap()
                .to_scalar::<f64>()
                .unwrap();
            assert!(
                off < 1e-6,
                "{}: {off}",
                if number == 0 {
                    "values".into()
                } else {
                    format!("gradient of input {}", number - 1)
                }
            );
        }
    }

    /// Compares the analytic gradient of `sum(weights * f(inputs))` with central differences in
    /// f64.
    pub fn check_gradients<const N: usize>(
        shapes: [&[usize]; N],
        f: impl Fn(&[Tensor]) -> Result<Tensor>,
    ) {
        let vars: Vec<Var> = shapes
            .iter()
            .enumerate()
            .map(|(i, shape)| {
                Var::from_vec(
                    values(shape.iter().product(), i as u64 + 1),
                    *shape,
                    &Device::Cpu,
                )
                .unwrap()
            })
            .collect();
        let loss = |tensors: &[Tensor]| -> Tensor {
            let out = f(tensors).unwrap();
            let weights =
                Tensor::from_vec(values(out.elem_count(), 99), out.shape(), &Device::Cpu).unwrap();
            (out * weights).unwrap().sum_all().unwrap()
        };
        let tensors: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
        let gradients = loss(&tensors).backward().unwrap();
        for (index, var) in vars.iter().enumerate() {
            let analytic: Vec<f64> = gradients
                .get(var)
                .unwrap()
                .flatten_all()
                .unwrap()
                .to_vec1()
                .unwrap();
            let base: Vec<f64> = var.flatten_all().unwrap().to_vec1().unwrap();
            for (position, found) in analytic.iter().enumerate() {
                let at = |shift: f64| -> f64 {
                    let mut moved = base.clone();
                    moved[position] += shift;
                    let mut tensors = tensors.clone();
                    tensors[index] = Tensor::from_vec(moved, var.shape(), &Device::Cpu).unwrap();
                    loss(&tensors).to_scalar().unwrap()
                };
                let expected = (at(1e-5) - at(-1e-5)) / 2e-5;
                assert!(
                    (found - expected).abs() < 1e-6 * (1.0 + expected.abs()),
                    "input {index}[{position}]: {found}, not {expected}"
                );
            }
        }
    }
}

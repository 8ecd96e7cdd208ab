//! Number types of the fused operations: f32 for training, f64 for the checks of their gradients.

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
    /// Converts a constant.
    fn constant(value: f64) -> Self;
    /// e to the power of `self`, accurate to a few units in the last place.
    ///
    /// The f32 version clamps its argument to [-87, 88].
    fn exp(self) -> Self;
    /// Runs `f` on the memory that this thread keeps for [`crate::kernels::buffer::Buffer`].
    fn with_spare_memory<R>(f: impl FnOnce(&mut Vec<Vec<Self>>) -> R) -> R;
    /// Square root.
    fn sqrt(self) -> Self;
    /// `self b + c`, rounded once.
    ///
    /// Like [`Real::exp`], call it only inside [`vectorised`] or a `pulp` dispatch: elsewhere the
    /// compiler may not assume a fused multiply-add instruction and calls a slow library function.
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
    /// The whole vectors of a slice; the remainder is omitted.
    fn vectors<S: Simd>(values: &[Self]) -> &[Self::Vector<S>];
    /// The whole vectors of a slice; the remainder is omitted.
    fn vectors_mut<S: Simd>(values: &mut [Self]) -> &mut [Self::Vector<S>];
}

/// The vectors of `pulp` for a number type.
macro_rules! vectors {
    (
        $vector:ident,
        $splat:ident,
        $add:ident,
        $mul_add:ident,
        $sum:ident,
        $vectors:ident,
        $vectors_mut:ident
    ) => {
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

    /// Cephes `expf` without branches: `exp(x) = 2^n exp(r)` with `n = round(x / ln 2)` and
    /// `r = x - n ln 2` in [-ln2/2, ln2/2].
    ///
    /// `exp(r) = 1 + r + r^2 p(r)` with a polynomial p of degree 5.
    #[inline(always)]
    fn exp(self) -> Self {
        // 1.5 * 2^23: after its addition the low bits of the sum are the rounded integer.
        const ROUND: f32 = 12_582_912.0;
        // -ln 2 in two parts, so that n ln 2 loses no bits.
        const MINUS_LN_2_HIGH: f32 = -0.693_359_4;
        const MINUS_LN_2_LOW: f32 = 2.121_944_4e-4;
        // Coefficients of p, highest power first.
        const POLYNOMIAL: [f32; 6] = [
            1.987_569_1e-4,
            1.398_199_9e-3,
            8.333_452e-3,
            4.166_579_6e-2,
            1.666_666_6e-1,
            0.5,
        ];
        // Not `clamp`: a NaN fails both comparisons and stays a NaN.
        let at_least = if self < -87.0 { -87.0 } else { self };
        let x = if at_least > 88.0 { 88.0 } else { at_least };
        let shifted = f32::mul_add(x, std::f32::consts::LOG2_E, ROUND);
        let n = shifted - ROUND;
        let r = f32::mul_add(n, MINUS_LN_2_LOW, f32::mul_add(n, MINUS_LN_2_HIGH, x));
        let [p5, p4, p3, p2, p1, p0] = POLYNOMIAL;
        let mut p = f32::mul_add(p5, r, p4);
        p = f32::mul_add(p, r, p3);
        p = f32::mul_add(p, r, p2);
        p = f32::mul_add(p, r, p1);
        p = f32::mul_add(p, r, p0);
        let exp_r = f32::mul_add(p * r, r, r + 1.0);
        // 2^n as the exponent field of a float, whose bias is 127.
        let exponent = shifted
            .to_bits()
            .wrapping_sub(ROUND.to_bits())
            .wrapping_add(127);
        exp_r * f32::from_bits(exponent << 23)
    }

    fn with_spare_memory<R>(f: impl FnOnce(&mut Vec<Vec<Self>>) -> R) -> R {
        thread_local!(static SPARE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) });
        SPARE.with_borrow_mut(f)
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

    fn with_spare_memory<R>(f: impl FnOnce(&mut Vec<Vec<Self>>) -> R) -> R {
        thread_local!(static SPARE: RefCell<Vec<Vec<f64>>> = const { RefCell::new(Vec::new()) });
        SPARE.with_borrow_mut(f)
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

/// Returns the value of the expression after `=>` from the calling function, for f32 and f64 on the
/// CPU. The expression sees the number type as `T`. Other types and devices continue after it.
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

/// A gradient with the shape and device of its tensor, in the form that candle expects from a
/// backward pass.
pub(crate) fn gradient_of<T: Real>(tensor: &Tensor, values: Vec<T>) -> Result<Option<Tensor>> {
    Tensor::from_vec(values, tensor.shape(), tensor.device()).map(Some)
}

/// Concatenates tensors into one vector, each row-major.
///
/// A custom operation of candle takes at most three tensors, so many parameters are passed as one.
pub(crate) fn joined<const N: usize>(tensors: [&Tensor; N]) -> Result<Tensor> {
    let vectors: Vec<Tensor> = tensors
        .map(Tensor::flatten_all)
        .into_iter()
        .collect::<Result<_>>()?;
    Tensor::cat(&vectors, 0)
}

/// Runs a closure compiled for the widest vectors of this machine.
///
/// The closure and all functions that it calls must be inlined. It is `FnMut` because `pulp` calls
/// an `FnOnce` through a shim of the compiler, which is not inlined for long closures: their loops
/// would then be compiled without the wide vectors.
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

/// Dot product in eight interleaved lanes.
///
/// The fixed number of lanes lets the compiler vectorise the sum and gives the same result on every
/// machine.
#[inline(always)]
pub(crate) fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    let n = a.len().min(b.len());
    let a = &a[..n];
    let b = &b[..n];
    let mut lanes = [T::default(); 8];
    let in_lanes = n - n % 8;
    for (a, b) in a[..in_lanes]
        .chunks_exact(8)
        .zip(b[..in_lanes].chunks_exact(8))
    {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let mut total = T::default();
    for (&x, &y) in a[in_lanes..].iter().zip(&b[in_lanes..]) {
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

    /// Compares the values and the gradients of two implementations.
    pub fn assert_same_gradients<const N: usize>(
        shapes: [&[usize]; N],
        f: impl Fn(&[Tensor]) -> Result<Tensor>,
        g: impl Fn(&[Tensor]) -> Result<Tensor>,
    ) {
        let from_f = output_and_gradients(&shapes, &f);
        let from_g = output_and_gradients(&shapes, &g);
        for (number, (found, expected)) in from_f.iter().zip(&from_g).enumerate() {
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

    /// The output of `f`, then the gradients of the weighted sum of its values by each input.
    fn output_and_gradients(
        shapes: &[&[usize]],
        f: &dyn Fn(&[Tensor]) -> Result<Tensor>,
    ) -> Vec<Tensor> {
        let vars = random_variables(shapes);
        let out = f(&tensors(&vars)).unwrap();
        let gradients = weighted_sum(&out).backward().unwrap();
        std::iter::once(out)
            .chain(vars.iter().map(|var| gradients.get(var).unwrap().clone()))
            .collect()
    }

    fn random_variables(shapes: &[&[usize]]) -> Vec<Var> {
        shapes
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
            .collect()
    }

    fn tensors(vars: &[Var]) -> Vec<Tensor> {
        vars.iter().map(|var| var.as_tensor().clone()).collect()
    }

    /// A scalar that depends on each value of `out` in a different way.
    fn weighted_sum(out: &Tensor) -> Tensor {
        let weights =
            Tensor::from_vec(values(out.elem_count(), 99), out.shape(), &Device::Cpu).unwrap();
        (out * weights).unwrap().sum_all().unwrap()
    }

    /// Compares the analytic gradient of `sum(weights * f(inputs))` with central differences in
    /// f64.
    pub fn check_gradients<const N: usize>(
        shapes: [&[usize]; N],
        f: impl Fn(&[Tensor]) -> Result<Tensor>,
    ) {
        let vars = random_variables(&shapes);
        let tensors = tensors(&vars);
        let gradients = weighted_sum(&f(&tensors).unwrap()).backward().unwrap();
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
                let [below, above] = [-1e-5, 1e-5].map(|shift| -> f64 {
                    let mut moved = base.clone();
                    moved[position] += shift;
                    let mut tensors = tensors.clone();
                    tensors[index] = Tensor::from_vec(moved, var.shape(), &Device::Cpu).unwrap();
                    weighted_sum(&f(&tensors).unwrap()).to_scalar().unwrap()
                });
                let expected = (above - below) / 2e-5;
                assert!(
                    (found - expected).abs() < 1e-6 * (1.0 + expected.abs()),
                    "input {index}[{position}]: {found}, not {expected}"
                );
            }
        }
    }
}

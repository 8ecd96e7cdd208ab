//! Sums over rows as wide as a model.
//!
//! Such a row is a few vector registers long. The compiler's own loops are made for longer rows, so
//! these are written with explicit vectors.

use pulp::{Simd, WithSimd};

use crate::kernels::real::Real;

/// See [`add_rows`].
struct Add<'a, T> {
    out: &'a mut [T],
    x: &'a [T],
    bias: &'a [T],
}

impl<T: Real> WithSimd for Add<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { out, x, bias } = self;
        let width = bias.len();
        let biases = T::vectors::<S>(bias);
        for (out, x) in out.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
            for ((out, &x), &bias) in T::vectors_mut::<S>(out)
                .iter_mut()
                .zip(T::vectors::<S>(x))
                .zip(biases)
            {
                *out = T::plus(simd, *out, T::plus(simd, x, bias));
            }
            for i in biases.len() * T::lanes::<S>()..width {
                out[i] += x[i] + bias[i];
            }
        }
    }
}

/// `out += x + bias` for each row.
pub(crate) fn add_rows<T: Real>(out: &mut [T], x: &[T], bias: &[T]) {
    pulp::Arch::new().dispatch(Add { out, x, bias });
}

/// See [`add_sum_of_rows`].
struct Sum<'a, T> {
    rows: &'a [T],
    sums: &'a mut [T],
}

impl<T: Real> WithSimd for Sum<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { rows, sums } = self;
        let width = sums.len();
        for row in rows.chunks_exact(width) {
            let row_vectors = T::vectors::<S>(row);
            for (sum, &value) in T::vectors_mut::<S>(sums).iter_mut().zip(row_vectors) {
                *sum = T::plus(simd, *sum, value);
            }
            for i in row_vectors.len() * T::lanes::<S>()..width {
                sums[i] += row[i];
            }
        }
    }
}

/// Adds all rows to `sums`.
pub(crate) fn add_sum_of_rows<T: Real>(rows: &[T], sums: &mut [T]) {
    pulp::Arch::new().dispatch(Sum { rows, sums });
}

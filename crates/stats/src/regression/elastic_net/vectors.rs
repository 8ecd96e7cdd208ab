//! Loops over numbers, compiled for the widest vectors of the machine at hand.

use pulp::{Simd, WithSimd};

/// Runs a closure compiled for the widest vectors of this machine.
///
/// The closure and all functions that it calls must be inlined. It is `FnMut` because `pulp` calls
/// an `FnOnce` through a shim of the compiler, which is not inlined for long closures.
#[inline(always)]
pub(super) fn vectorised<R>(f: impl FnMut() -> R) -> R {
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

/// `sums += factor * values`
#[inline(always)]
pub(super) fn add_scaled(sums: &mut [f64], factor: f64, values: &[f64]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum += factor * value;
    }
}

/// Sum of products in 32 lanes, which gives the same result on every machine.
#[inline(always)]
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 32;
    let mut lanes = [0.0; LANES];
    let (a_lanes, a_rest) = a.as_chunks::<LANES>();
    let (b_lanes, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_lanes.iter().zip(b_lanes) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f64>() + rest
}

/// Sum, in lanes.
#[inline(always)]
pub(super) fn sum(values: &[f64]) -> f64 {
    const LANES: usize = 32;
    let mut lanes = [0.0; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] += chunk[lane];
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().sum::<f64>()
}

/// Product, in lanes.
#[inline(always)]
pub(super) fn product(values: &[f64]) -> f64 {
    const LANES: usize = 32;
    let mut lanes = [1.0; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] *= chunk[lane];
        }
    }
    lanes.iter().product::<f64>() * rest.iter().product::<f64>()
}

/// `e^-|x|`, accurate to a few units in the last place; at least e^-700.
///
/// `|x| = n ln 2 - r`, and the exponential of r is its Taylor polynomial of degree 12.
#[inline(always)]
pub(super) fn exp_minus_abs(x: f64) -> f64 {
    // 1.5 * 2^52: after its addition the low bits of the sum are the rounded integer.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    // ln 2 in two parts, so that n ln 2 loses no bits.
    const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    // 1 / 12! to 1 / 0!
    const POLYNOMIAL: [f64; 13] = [
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5_040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ];
    // Not `max`: a NaN fails the comparison and stays a NaN.
    let negative = -x.abs();
    let bounded = if negative < -700.0 { -700.0 } else { negative };
    let shifted = bounded * std::f64::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (bounded - n * LN_2_HIGH) - n * LN_2_LOW;
    let mut polynomial = POLYNOMIAL[0];
    for coefficient in &POLYNOMIAL[1..] {
        polynomial = polynomial * r + coefficient;
    }
    // 2^n as the exponent field of a number, whose bias is 1023.
    let exponent = shifted
        .to_bits()
        .wrapping_sub(ROUND.to_bits())
        .wrapping_add(1_023);
    polynomial * f64::from_bits(exponent << 52)
}

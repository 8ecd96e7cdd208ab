//! Binary cross-entropy on logits.

use candle_core::{Result, Tensor};

/// Mean of `log(1 + e^z) - y z`, computed without overflow, for logits `z` and targets `y` (0 or
/// 1), both (people).
///
/// # Errors
/// Shapes that do not fit.
pub fn binary_cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    of_each(logits, targets)?.mean_all()
}

/// As [`binary_cross_entropy`], but the sum with a weight for each person, (people).
///
/// # Errors
/// Shapes that do not fit.
pub fn weighted_binary_cross_entropy(
    logits: &Tensor,
    targets: &Tensor,
    weights: &Tensor,
) -> Result<Tensor> {
    (of_each(logits, targets)? * weights)?.sum_all()
}

fn of_each(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let softplus = (logits.relu()? + ((logits.abs()?.neg()?.exp()? + 1.0)?.log()?))?;
    softplus - (logits * targets)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::real::tests::check_gradients;
    use candle_core::Device;

    #[test]
    fn large_logits_stay_finite_and_gradients_are_right() {
        let z = Tensor::new(&[1000f64, -1000.0, 0.0], &Device::Cpu).unwrap();
        let y = Tensor::new(&[1f64, 0.0, 1.0], &Device::Cpu).unwrap();
        let loss: f64 = binary_cross_entropy(&z, &y).unwrap().to_scalar().unwrap();
        assert!((loss - 2f64.ln() / 3.0).abs() < 1e-12);
        let y = Tensor::new(&[1f64, 0.0, 1.0, 1.0, 0.0], &Device::Cpu).unwrap();
        check_gradients([&[5]], |t| binary_cross_entropy(&t[0], &y));
        let weights = Tensor::new(&[1f64, 2.0, 0.5, 0.0, 3.0], &Device::Cpu).unwrap();
        check_gradients([&[5]], |t| {
            weighted_binary_cross_entropy(&t[0], &y, &weights)
        });
    }

    #[test]
    fn a_weight_of_two_is_the_person_twice() {
        let of = |z: &[f64], y: &[f64], w: &[f64]| -> f64 {
            let [z, y, w] = [z, y, w].map(|values| Tensor::new(values, &Device::Cpu).unwrap());
            weighted_binary_cross_entropy(&z, &y, &w)
                .unwrap()
                .to_scalar()
                .unwrap()
        };
        assert!(
            (of(&[0.3, -1.0], &[1.0, 0.0], &[2.0, 1.0])
                - of(&[0.3, 0.3, -1.0], &[1.0, 1.0, 0.0], &[1.0; 3]))
            .abs()
                < 1e-12
        );
    }
}

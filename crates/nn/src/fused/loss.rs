//! Binary cross-entropy on logits.

use candle_core::{Result, Tensor};

/// The mean of `log(1 + e^z) - y z` over the samples, computed without overflow.
///
/// `logits` z and `targets` y (0 or 1) are both (samples).
///
/// # Errors
/// Shapes that do not fit.
pub fn binary_cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    sample_losses(logits, targets)?.mean_all()
}

/// Like [`binary_cross_entropy`], but the weighted sum instead of the mean; `weights` is (samples).
///
/// # Errors
/// Shapes that do not fit.
pub fn weighted_binary_cross_entropy(
    logits: &Tensor,
    targets: &Tensor,
    weights: &Tensor,
) -> Result<Tensor> {
    (sample_losses(logits, targets)? * weights)?.sum_all()
}

/// `log(1 + e^z) - y z` with `log(1 + e^z) = max(z, 0) + log(1 + e^-|z|)`.
fn sample_losses(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
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
    fn a_weight_of_two_is_the_sample_twice() {
        let weighted = weighted_loss(&[0.3, -1.0], &[1.0, 0.0], &[2.0, 1.0]);
        let twice = weighted_loss(&[0.3, 0.3, -1.0], &[1.0, 1.0, 0.0], &[1.0; 3]);
        assert!((weighted - twice).abs() < 1e-12);
    }

    fn weighted_loss(z: &[f64], y: &[f64], w: &[f64]) -> f64 {
        let [z, y, w] = [z, y, w].map(|values| Tensor::new(values, &Device::Cpu).unwrap());
        weighted_binary_cross_entropy(&z, &y, &w)
            .unwrap()
            .to_scalar()
            .unwrap()
    }
}

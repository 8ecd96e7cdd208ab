//! Binary cross-entropy on logits.

use candle_core::{Result, Tensor};

/// Mean of `log(1 + e^z) - y z`, computed without overflow, for logits `z` and targets `y` (0 or 1), both (people).
///
/// # Errors
/// Shapes that do not fit.
pub fn binary_cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let softplus = (logits.relu()? + ((logits.abs()?.neg()?.exp()? + 1.0)?.log()?))?;
    (softplus - (logits * targets)?)?.mean_all()
}

#[cfg(test)]
mod tests {
    use super::{super::real::tests::check_gradients, *};
    use candle_core::Device;

    #[test]
    fn large_logits_stay_finite_and_gradients_are_right() {
        let z = Tensor::new(&[1000f64, -1000.0, 0.0], &Device::Cpu).unwrap();
        let y = Tensor::new(&[1f64, 0.0, 1.0], &Device::Cpu).unwrap();
        let loss: f64 = binary_cross_entropy(&z, &y).unwrap().to_scalar().unwrap();
        assert!((loss - 2f64.ln() / 3.0).abs() < 1e-12);
        let y = Tensor::new(&[1f64, 0.0, 1.0, 1.0, 0.0], &Device::Cpu).unwrap();
        check_gradients([&[5]], |t| binary_cross_entropy(&t[0], &y));
    }
}

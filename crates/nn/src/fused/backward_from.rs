//! A backward pass from a tensor whose gradient is already known.

use candle_core::{
    CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, backprop::GradStore, bail,
};

/// Gradients of all inputs of `x`, given the gradient of `x` itself.
///
/// # Errors
/// Shapes that differ, or a failing operation.
pub fn backward_from(x: &Tensor, gradient: Tensor) -> Result<GradStore> {
    if x.shape() != gradient.shape() {
        bail!(
            "backward_from: x {:?} and its gradient {:?} differ",
            x.shape(),
            gradient.shape()
        );
    }
    if x.device().is_cpu() {
        x.apply_op1(Start { gradient })?.backward()
    } else {
        composed(x, &gradient)?.backward()
    }
}

/// A scalar with the same gradient, for devices other than the CPU: `sum(x * gradient)`.
fn composed(x: &Tensor, gradient: &Tensor) -> Result<Tensor> {
    (x * gradient)?.sum_all()
}

/// A scalar whose gradient by `x` is `gradient`.
///
/// Its value is never used, so that the product of [`composed`] is not computed.
struct Start {
    gradient: Tensor,
}

impl CustomOp1 for Start {
    fn name(&self) -> &'static str {
        "start"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![0.0]), ().into()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, _: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(self.gradient.clone()))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn gradients_are_those_of_the_sum_of_products() {
        let x = Var::new(&[[1f32, 2.0], [3.0, -4.0]], &Device::Cpu).unwrap();
        let y = (x.sqr().unwrap() + x.as_tensor()).unwrap();
        let gradient = Tensor::new(&[[0.5f32, -1.0], [2.0, 3.0]], &Device::Cpu).unwrap();
        let gradients = [
            backward_from(&y, gradient.clone()).unwrap(),
            composed(&y, &gradient).unwrap().backward().unwrap(),
        ];
        for store in gradients {
            let found = store.get(&x).unwrap().to_vec2::<f32>().unwrap();
            assert_eq!(found, [[1.5, -5.0], [14.0, -21.0]]);
        }
        assert!(backward_from(&y, gradient.narrow(0, 0, 1).unwrap()).is_err());
    }
}

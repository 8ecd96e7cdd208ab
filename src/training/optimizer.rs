//! AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) with clipping by the global norm; its moments live in the checkpoint.

use std::collections::BTreeMap;

use candle_core::{Result, Tensor, backprop::GradStore};

use crate::nn::Parameters;

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// First and second moment of each parameter, and the number of steps they have seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moments {
    /// Steps taken.
    pub n_steps: u64,
    /// By parameter name.
    pub first: BTreeMap<String, Vec<f32>>,
    /// By parameter name.
    pub second: BTreeMap<String, Vec<f32>>,
}

/// The update rule.
#[derive(Clone, Copy, Debug)]
pub struct AdamW {
    weight_decay: f64,
    clip_norm: f64,
}

impl AdamW {
    /// With decoupled weight decay for matrices, and the gradient scaled down to `clip_norm`.
    pub fn new(weight_decay: f64, clip_norm: f64) -> Self {
        Self { weight_decay, clip_norm }
    }

    /// One step down the gradient. Parameters are visited in the order of their names, so that sums are the same every time.
    pub fn step(&self, parameters: &Parameters, gradients: &GradStore, moments: &mut Moments, learning_rate: f64) -> Result<()> {
        let mut of_parameter = Vec::new();
        let mut squares = 0.0;
        for (name, var) in parameters.iter() {
            let Some(gradient) = gradients.get(var) else { continue };
            let gradient = gradient.flatten_all()?.to_vec1::<f32>()?;
            squares += gradient.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>();
            of_parameter.push((name, var, gradient));
        }
        let norm = squares.sqrt();
        let scale = if norm > self.clip_norm { self.clip_norm / norm } else { 1.0 } as f32;
        moments.n_steps += 1;
        let correction = |beta: f64| 1.0 - beta.powf(moments.n_steps as f64);
        let step = (learning_rate / correction(BETA_1)) as f32;
        let root_correction = (1.0 / correction(BETA_2).sqrt()) as f32;
        let (b1, b2, epsilon) = (BETA_1 as f32, BETA_2 as f32, EPSILON as f32);
        // Subtracted in f64: in f32, 1 - 0.999 is off by 5e-5 of itself.
        let (new1, new2) = ((1.0 - BETA_1) as f32, (1.0 - BETA_2) as f32);
        for (name, var, gradient) in of_parameter {
            let decay = if var.rank() >= 2 { (1.0 - learning_rate * self.weight_decay) as f32 } else { 1.0 };
            let mut values = var.flatten_all()?.to_vec1::<f32>()?;
            let first = moments.first.entry(name.to_string()).or_insert_with(|| vec![0.0; gradient.len()]);
            let second = moments.second.entry(name.to_string()).or_insert_with(|| vec![0.0; gradient.len()]);
            for (((value, g), m), v) in values.iter_mut().zip(&gradient).zip(first).zip(second) {
                let g = g * scale;
                *m = b1 * *m + new1 * g;
                *v = b2 * *v + new2 * g * g;
                *value = *value * decay - step * *m / (v.sqrt() * root_correction + epsilon);
            }
            var.set(&Tensor::from_vec(values, var.shape(), var.device())?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Init;

    /// PyTorch 2.15: `torch.optim.AdamW([w], lr=0.1, weight_decay=0.01)` on `w = torch.ones(2, 1)` with the loss
    /// `(w * torch.tensor([[1.], [2.]])).pow(2).sum() / 2`, three steps.
    #[test]
    fn three_steps_equal_those_of_pytorch() {
        let mut parameters = Parameters::seeded(0);
        let w = parameters.get("w", (2, 1), Init::Constant(1.0)).unwrap();
        let factor = Tensor::new(&[[1f32], [2.0]], w.device()).unwrap();
        let mut moments = Moments::default();
        let adam = AdamW::new(0.01, 1e9);
        for _ in 0..3 {
            let loss = ((w.broadcast_mul(&factor)).unwrap().sqr().unwrap().sum_all().unwrap() / 2.0).unwrap();
            adam.step(&parameters, &loss.backward().unwrap(), &mut moments, 0.1).unwrap();
        }
        let found = parameters.iter().next().unwrap().1.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for value in found {
            assert!((value - 0.698_911_25).abs() < 1e-6, "{value}");
        }
    }

    #[test]
    fn a_clipped_gradient_moves_as_its_direction_alone() {
        let run = |size: f64| {
            let mut parameters = Parameters::seeded(0);
            let w = parameters.get("w", 3, Init::Constant(1.0)).unwrap();
            let loss = (w.sum_all().unwrap() * size).unwrap();
            let mut moments = Moments::default();
            AdamW::new(0.0, 1.0).step(&parameters, &loss.backward().unwrap(), &mut moments, 0.1).unwrap();
            moments.first["w"].clone()
        };
        let (one, other) = (run(10.0), run(1000.0));
        assert!(one.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-7));
    }
}

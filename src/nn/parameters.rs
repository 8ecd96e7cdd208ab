//! Named parameters with seeded initial values, always visited in the order of their names.

use std::collections::BTreeMap;

use candle_core::{Device, Result, Shape, Tensor, Var, bail};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How a parameter starts.
#[derive(Clone, Copy, Debug)]
pub enum Init {
    /// The same value everywhere.
    Constant(f32),
    /// Normal with mean 0 and this standard deviation.
    Normal(f64),
}

/// The parameters of a model.
#[derive(Clone, Debug)]
pub struct Parameters {
    vars: BTreeMap<String, Var>,
    source: Source,
    device: Device,
}

#[derive(Clone, Debug)]
enum Source {
    /// New values; every parameter draws from a stream of its own, so that adding one does not change the others.
    Seed(u64),
    /// Saved values, each to be taken once.
    Saved(BTreeMap<String, Tensor>),
}

impl Parameters {
    /// New parameters from a seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { vars: BTreeMap::new(), source: Source::Seed(seed), device: Device::Cpu }
    }

    /// Parameters from saved tensors.
    #[must_use]
    pub fn saved(tensors: BTreeMap<String, Tensor>) -> Self {
        Self { vars: BTreeMap::new(), source: Source::Saved(tensors), device: Device::Cpu }
    }

    /// Makes the parameters on `device`, which is the CPU otherwise. Seeded values are the same everywhere.
    #[must_use]
    pub fn on(self, device: &Device) -> Self {
        Self { device: device.clone(), ..self }
    }

    /// Makes or loads the parameter `name`.
    ///
    /// # Errors
    /// A name used twice, or absent from the saved tensors, or saved with another shape.
    pub fn get(&mut self, name: &str, shape: impl Into<Shape>, init: Init) -> Result<Tensor> {
        let shape = shape.into();
        if self.vars.contains_key(name) {
            bail!("parameter `{name}` is defined twice");
        }
        let var = match &mut self.source {
            Source::Seed(seed) => Var::from_vec(draw(*seed, name, shape.elem_count(), init), shape, &self.device)?,
            Source::Saved(tensors) => match tensors.remove(name) {
                Some(tensor) if tensor.shape() == &shape => Var::from_tensor(&tensor.to_device(&self.device)?)?,
                Some(tensor) => bail!("parameter `{name}` is saved as {:?}, the model needs {shape:?}", tensor.shape()),
                None => bail!("parameter `{name}` is not among the saved ones"),
            },
        };
        let tensor = var.as_tensor().clone();
        self.vars.insert(name.to_string(), var);
        Ok(tensor)
    }

    /// To be called when the model is built: saved tensors that no part of it asked for are an error.
    ///
    /// # Errors
    /// Names the first such tensor.
    pub fn finish(&self) -> Result<()> {
        match &self.source {
            Source::Saved(tensors) if !tensors.is_empty() => {
                bail!("the saved parameter `{}` belongs to no part of this model", tensors.keys().next().map_or("", String::as_str))
            }
            _ => Ok(()),
        }
    }

    /// Names and variables, ascending by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.vars.iter().map(|(name, var)| (name.as_str(), var))
    }

    /// Number of values over all parameters.
    #[must_use]
    pub fn n_values(&self) -> usize {
        self.vars.values().map(|var| var.elem_count()).sum()
    }
}

fn draw(seed: u64, name: &str, n: usize, init: Init) -> Vec<f32> {
    let std = match init {
        Init::Constant(value) => return vec![value; n],
        Init::Normal(std) => std,
    };
    // FNV-1a of the name chooses the stream.
    let stream = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    let mut values = Vec::with_capacity(n + 1);
    while values.len() < n {
        // Box-Muller: two normals from two uniforms.
        let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
        let radius = std * (-2.0 * u.ln()).sqrt();
        let angle = 2.0 * std::f64::consts::PI * v;
        values.push((radius * angle.cos()) as f32);
        values.push((radius * angle.sin()) as f32);
    }
    values.truncate(n);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_values_whatever_else_is_made() {
        let value = |others: &[&str]| {
            let mut parameters = Parameters::seeded(7);
            for other in others {
                parameters.get(other, 3, Init::Normal(1.0)).unwrap();
            }
            parameters.get("x", (2, 2), Init::Normal(1.0)).unwrap().to_vec2::<f32>().unwrap()
        };
        assert_eq!(value(&[]), value(&["a", "z"]));
    }

    #[test]
    fn normals_have_the_spread_asked_for() {
        let values = draw(1, "w", 100_000, Init::Normal(0.5));
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / 1e5;
        let variance = values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.01 && (variance - 0.25).abs() < 0.01, "{mean} {variance}");
    }

    #[test]
    fn saved_parameters_must_fit_both_ways() {
        let tensor = Tensor::zeros(3, candle_core::DType::F32, &Device::Cpu).unwrap();
        let saved = || Parameters::saved(BTreeMap::from([("a".to_string(), tensor.clone())]));
        assert!(saved().get("b", 3, Init::Constant(0.0)).unwrap_err().to_string().contains("`b`"));
        assert!(saved().get("a", 4, Init::Constant(0.0)).unwrap_err().to_string().contains("saved as"));
        assert!(saved().finish().unwrap_err().to_string().contains("`a`"));
        let mut exact = saved();
        exact.get("a", 3, Init::Constant(0.0)).unwrap();
        assert!(exact.finish().is_ok());
    }
}

//! Named parameters with seeded initial values, always in the order of their names.

use std::collections::BTreeMap;

use candle_core::{Device, Result, Shape, Tensor, Var, backprop::GradStore, bail};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The initial values of a parameter.
#[derive(Clone, Copy, Debug)]
pub enum Init {
    /// The same value everywhere.
    Constant(f32),
    /// Normal with mean 0 and this standard deviation.
    Normal(f64),
    /// The same value along each row, with one value given per row.
    Rows(&'static [f32]),
}

/// The parameters and the buffers of a model.
///
/// A buffer is fitted and saved, but not trained by gradient.
#[derive(Clone, Debug)]
pub struct Parameters {
    vars: BTreeMap<String, Var>,
    buffers: BTreeMap<String, Var>,
    source: Source,
    device: Device,
}

#[derive(Clone, Debug)]
enum Source {
    /// New values. Every parameter draws from its own random stream, so that a new parameter does
    /// not change the values of the existing ones.
    Seed(u64),
    /// Saved values, each of which is taken once.
    Saved(BTreeMap<String, Tensor>),
}

impl Parameters {
    /// New parameters from a seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self {
            vars: BTreeMap::new(),
            buffers: BTreeMap::new(),
            source: Source::Seed(seed),
            device: Device::Cpu,
        }
    }

    /// Parameters from saved tensors.
    #[must_use]
    pub fn saved(tensors: BTreeMap<String, Tensor>) -> Self {
        Self {
            vars: BTreeMap::new(),
            buffers: BTreeMap::new(),
            source: Source::Saved(tensors),
            device: Device::Cpu,
        }
    }

    /// Creates the parameters on `device` instead of the CPU. Seeded values are the same on every
    /// device.
    #[must_use]
    pub fn on(self, device: &Device) -> Self {
        Self {
            device: device.clone(),
            ..self
        }
    }

    /// Creates or loads the parameter `name`.
    ///
    /// # Errors
    /// A name that is used twice, is absent from the saved tensors, or is saved with another shape.
    pub fn get(&mut self, name: &str, shape: impl Into<Shape>, init: Init) -> Result<Tensor> {
        let var = self.make(name, shape.into(), init)?;
        let tensor = var.as_tensor().clone();
        self.vars.insert(name.to_string(), var);
        Ok(tensor)
    }

    /// Like [`Parameters::get`], but returns the same parameter for each request: several layers
    /// share it.
    ///
    /// # Errors
    /// See [`Parameters::get`].
    pub fn shared(&mut self, name: &str, shape: impl Into<Shape>, init: Init) -> Result<Tensor> {
        match self.vars.get(name) {
            Some(var) => Ok(var.as_tensor().clone()),
            None => self.get(name, shape, init),
        }
    }

    /// Creates or loads a buffer, which is saved with the parameters but not trained.
    ///
    /// [`refit`] sets its values.
    ///
    /// # Errors
    /// See [`Parameters::get`].
    pub fn buffer(&mut self, name: &str, shape: impl Into<Shape>, init: Init) -> Result<Tensor> {
        let var = self.make(name, shape.into(), init)?;
        let tensor = var.as_tensor().clone();
        self.buffers.insert(name.to_string(), var);
        Ok(tensor)
    }

    fn make(&mut self, name: &str, shape: Shape, init: Init) -> Result<Var> {
        if self.vars.contains_key(name) || self.buffers.contains_key(name) {
            bail!("parameter `{name}` is defined twice");
        }
        match &mut self.source {
            Source::Seed(seed) => Var::from_vec(
                draw(*seed, name, shape.elem_count(), init),
                shape,
                &self.device,
            ),
            Source::Saved(tensors) => match tensors.remove(name) {
                Some(tensor) if tensor.shape() == &shape => {
                    Var::from_tensor(&tensor.to_device(&self.device)?)
                }
                Some(tensor) => bail!(
                    "parameter `{name}` is saved with shape {:?}, but the model needs {shape:?}",
                    tensor.shape()
                ),
                None => bail!("parameter `{name}` is not among the saved parameters"),
            },
        }
    }

    /// Checks that the model has used every saved tensor. Call it after the model is built.
    ///
    /// # Errors
    /// An unused tensor; the message names the first.
    pub fn finish(&self) -> Result<()> {
        match &self.source {
            Source::Saved(tensors) if !tensors.is_empty() => {
                bail!(
                    "the saved parameter `{}` is not part of this model",
                    tensors.keys().next().map_or("", String::as_str)
                )
            }
            _ => Ok(()),
        }
    }

    /// Names and variables of the trained parameters, ascending by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.vars.iter().map(|(name, var)| (name.as_str(), var))
    }

    /// Names and variables of the buffers, ascending by name.
    pub fn buffers(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.buffers.iter().map(|(name, var)| (name.as_str(), var))
    }

    /// Adds `more` to the gradients `so_far`.
    ///
    /// Only gradients of parameters are added, and they are detached. candle also returns gradients
    /// of constants, and each keeps the whole graph of its computation alive.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn add_gradients(&self, so_far: &mut GradStore, more: &GradStore) -> Result<()> {
        for var in self.vars.values() {
            let Some(gradient) = more.get(var) else {
                continue;
            };
            let sum = match so_far.get(var) {
                Some(before) => (before + gradient)?,
                None => gradient.clone(),
            };
            so_far.insert(var, sum.detach());
        }
        Ok(())
    }

    /// Number of values in all parameters, without buffers.
    #[must_use]
    pub fn n_values(&self) -> usize {
        self.vars.values().map(|var| var.elem_count()).sum()
    }
}

/// Sets the values of a parameter or buffer. Every model with this parameter sees them.
///
/// # Errors
/// A tensor that is neither a parameter nor a buffer, or values of another shape.
pub fn refit(parameter: &Tensor, values: &Tensor) -> Result<()> {
    if !parameter.is_variable() {
        bail!("refit: the tensor is neither a parameter nor a buffer");
    }
    // `from_tensor` returns the variable itself for a variable, not a copy.
    Var::from_tensor(parameter)?.set(values)
}

/// Initial values of a parameter, a function of the seed and the name only.
fn draw(seed: u64, name: &str, n: usize, init: Init) -> Vec<f32> {
    let std = match init {
        Init::Constant(value) => return vec![value; n],
        Init::Rows(rows) => {
            return rows
                .iter()
                .flat_map(|&value| std::iter::repeat_n(value, n / rows.len()))
                .collect();
        }
        Init::Normal(std) => std,
    };
    // FNV-1a of the name chooses the stream.
    let stream = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    let mut values = Vec::with_capacity(n + 1);
    while values.len() < n {
        // Box-Muller: two normals from two uniforms.
        let u: f64 = 1.0 - rng.random::<f64>();
        let v: f64 = rng.random();
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
        assert_eq!(x_made_after(&[]), x_made_after(&["a", "z"]));
    }

    /// The values of the parameter `x`, created after other parameters.
    fn x_made_after(names: &[&str]) -> Vec<Vec<f32>> {
        let mut parameters = Parameters::seeded(7);
        for name in names {
            parameters.get(name, 3, Init::Normal(1.0)).unwrap();
        }
        parameters
            .get("x", (2, 2), Init::Normal(1.0))
            .unwrap()
            .to_vec2()
            .unwrap()
    }

    #[test]
    fn normals_have_the_spread_asked_for() {
        let values = draw(1, "w", 100_000, Init::Normal(0.5));
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / 1e5;
        let variance = values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / 1e5;
        assert!(
            mean.abs() < 0.01 && (variance - 0.25).abs() < 0.01,
            "{mean} {variance}"
        );
    }

    #[test]
    fn a_buffer_is_saved_and_can_be_fitted_but_is_not_trained() {
        let mut parameters = Parameters::seeded(1);
        let buffer = parameters.buffer("b", 2, Init::Constant(1.0)).unwrap();
        assert_eq!((parameters.iter().count(), parameters.n_values()), (0, 0));
        refit(&buffer, &Tensor::new(&[3f32, 4.0], &Device::Cpu).unwrap()).unwrap();
        assert_eq!(buffer.to_vec1::<f32>().unwrap(), [3.0, 4.0]);
        let saved = parameters
            .buffers()
            .map(|(name, var)| (name.to_string(), var.as_tensor().copy().unwrap()))
            .collect();
        let loaded = Parameters::saved(saved)
            .buffer("b", 2, Init::Constant(0.0))
            .unwrap();
        assert_eq!(loaded.to_vec1::<f32>().unwrap(), [3.0, 4.0]);
        assert!(refit(&Tensor::new(&[3f32], &Device::Cpu).unwrap(), &loaded).is_err());
    }

    #[test]
    fn rows_are_constant_each() {
        let rows = Parameters::seeded(1)
            .get("w", (2, 3), Init::Rows(&[0.5, 2.0]))
            .unwrap();
        assert_eq!(rows.to_vec2::<f32>().unwrap(), [[0.5; 3], [2.0; 3]]);
    }

    #[test]
    fn saved_parameters_must_fit_both_ways() {
        let absent = saved_a().get("b", 3, Init::Constant(0.0)).unwrap_err();
        assert!(absent.to_string().contains("`b`"));
        let misshapen = saved_a().get("a", 4, Init::Constant(0.0)).unwrap_err();
        assert!(misshapen.to_string().contains("saved with shape [3]"));
        let unused = saved_a().finish().unwrap_err();
        assert!(unused.to_string().contains("`a`"));
        let mut exact = saved_a();
        exact.get("a", 3, Init::Constant(0.0)).unwrap();
        assert!(exact.finish().is_ok());
    }

    /// A saved parameter `a` of three values.
    fn saved_a() -> Parameters {
        let tensor = Tensor::zeros(3, candle_core::DType::F32, &Device::Cpu).unwrap();
        Parameters::saved(BTreeMap::from([("a".to_string(), tensor)]))
    }
}

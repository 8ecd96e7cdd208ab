//! AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101, algorithm 2) with clipping by the global
//! norm.
//!
//! With gradient `g`, learning rate `a`, step `t` and weight decay `d` (matrices only):
//! ```text
//! g <- g min(1, clip_norm / |g|)
//! m <- b1 m + (1 - b1) g
//! v <- b2 v + (1 - b2) g^2
//! w <- w (1 - a d) - a / (1 - b1^t) m / (sqrt(v / (1 - b2^t)) + epsilon)
//! ```
//!
//! On the CPU a parameter, its gradient and its moments are read and written once, in chunks on all
//! threads. On other devices the update is a series of tensor operations. The moments are saved in
//! the checkpoint.

use std::{cell::RefCell, collections::BTreeMap};

use candle_core::{
    CpuStorage, InplaceOp1, Layout, Result, Storage, Tensor, Var, backprop::GradStore, bail,
};
use rayon::prelude::*;

use gf_nn::Parameters;

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// Values of one parallel task. The size is fixed, so that sums do not depend on the number of
/// threads.
const CHUNK: usize = 1 << 14;

/// First and second moments of each parameter, and the number of steps.
#[derive(Debug, Default)]
pub struct Moments {
    /// Steps taken.
    pub n_steps: u64,
    /// First moments by parameter name.
    pub first: BTreeMap<String, Var>,
    /// Second moments by parameter name.
    pub second: BTreeMap<String, Var>,
}

/// The update rule.
#[derive(Clone, Copy, Debug)]
pub struct AdamW {
    weight_decay: f64,
    clip_norm: f64,
}

/// Numbers of one step, the same for every parameter.
#[derive(Clone, Copy)]
struct Step {
    /// Factor of the gradient: `min(1, clip_norm / |g|)`.
    scale: f32,
    /// `a / (1 - b1^t)`.
    rate: f32,
    /// `1 / sqrt(1 - b2^t)`.
    root_correction: f32,
}

impl AdamW {
    /// An optimizer with decoupled weight decay for matrices and clipping at `clip_norm`.
    #[must_use]
    pub fn new(weight_decay: f64, clip_norm: f64) -> Self {
        Self {
            weight_decay,
            clip_norm,
        }
    }

    /// Takes one step and returns the norm of the gradient over all parameters.
    ///
    /// Nothing is changed when the norm is not finite.
    ///
    /// # Errors
    /// A tensor operation that fails.
    pub fn step(
        &self,
        parameters: &Parameters,
        gradients: &GradStore,
        moments: &mut Moments,
        learning_rate: f64,
    ) -> Result<f64> {
        let mut updates = Vec::new();
        let mut squares = 0.0;
        for (name, var) in parameters.iter() {
            let Some(gradient) = gradients.get(var) else {
                continue;
            };
            let gradient = gradient.contiguous()?;
            squares += sum_of_squares(&gradient)?;
            updates.push((name, var, gradient));
        }
        let norm = squares.sqrt();
        if !norm.is_finite() {
            return Ok(norm);
        }
        moments.n_steps += 1;
        let n_steps = moments.n_steps as f64;
        let first_correction = 1.0 - BETA_1.powf(n_steps);
        let second_correction = 1.0 - BETA_2.powf(n_steps);
        let step = Step {
            scale: if norm > self.clip_norm {
                self.clip_norm / norm
            } else {
                1.0
            } as f32,
            rate: (learning_rate / first_correction) as f32,
            root_correction: (1.0 / second_correction.sqrt()) as f32,
        };
        for (name, var, gradient) in updates {
            let decay = if var.rank() >= 2 {
                (1.0 - learning_rate * self.weight_decay) as f32
            } else {
                1.0
            };
            let first = moment(&mut moments.first, name, var)?;
            let second = moment(&mut moments.second, name, var)?;
            if var.device().is_cpu() {
                step.on_cpu(var, &gradient, first, second, decay)?;
            } else {
                step.as_tensors(var, &gradient, first, second, decay)?;
            }
        }
        Ok(norm)
    }
}

impl Step {
    fn on_cpu(
        self,
        value: &Var,
        gradient: &Tensor,
        first: &Var,
        second: &Var,
        decay: f32,
    ) -> Result<()> {
        let Self {
            scale,
            rate,
            root_correction,
        } = self;
        let b1 = BETA_1 as f32;
        let b2 = BETA_2 as f32;
        let epsilon = EPSILON as f32;
        // Subtracted in f64: in f32, 1 - 0.999 has a relative error of 5e-5.
        let new1 = (1.0 - BETA_1) as f32;
        let new2 = (1.0 - BETA_2) as f32;
        let (storage, layout) = gradient.storage_and_layout();
        let Storage::Cpu(CpuStorage::F32(gradient)) = &*storage else {
            bail!("AdamW: gradients must be f32")
        };
        let gradient = &gradient[layout.start_offset()..][..layout.shape().elem_count()];
        // A closure, so that the compiler inlines it into each instruction set of the dispatch.
        let update =
            |value: &mut [f32], first: &mut [f32], second: &mut [f32], gradient: &[f32]| {
                for (((value, g), m), v) in value.iter_mut().zip(gradient).zip(first).zip(second) {
                    let g = g * scale;
                    *m = b1 * *m + new1 * g;
                    *v = b2 * *v + new2 * g * g;
                    *value = *value * decay - rate * *m / (v.sqrt() * root_correction + epsilon);
                }
            };
        with_values(value, |value| {
            with_values(first, |first| {
                with_values(second, |second| {
                    let moments = first
                        .par_chunks_mut(CHUNK)
                        .zip(second.par_chunks_mut(CHUNK));
                    let chunks = value
                        .par_chunks_mut(CHUNK)
                        .zip(moments)
                        .zip(gradient.par_chunks(CHUNK));
                    chunks.for_each(|((value, (first, second)), gradient)| {
                        pulp::Arch::new().dispatch(
                            #[inline(always)]
                            || update(value, first, second, gradient),
                        );
                    });
                    Ok(())
                })
            })
        })
    }

    fn as_tensors(
        self,
        value: &Var,
        gradient: &Tensor,
        first: &Var,
        second: &Var,
        decay: f32,
    ) -> Result<()> {
        let scaled = gradient.affine(f64::from(self.scale), 0.0)?;
        let new_first = (first.affine(BETA_1, 0.0)? + scaled.affine(1.0 - BETA_1, 0.0)?)?;
        first.set(&new_first)?;
        let new_second =
            (second.affine(BETA_2, 0.0)? + scaled.sqr()?.affine(1.0 - BETA_2, 0.0)?)?;
        second.set(&new_second)?;
        let denominator = second
            .sqrt()?
            .affine(f64::from(self.root_correction), EPSILON)?;
        let change = (first.affine(f64::from(self.rate), 0.0)? / denominator)?;
        let new_value = (value.affine(f64::from(decay), 0.0)? - change)?;
        value.set(&new_value)
    }
}

/// The moment of a parameter; zeros in the first step.
fn moment<'m>(moments: &'m mut BTreeMap<String, Var>, name: &str, of: &Var) -> Result<&'m Var> {
    use std::collections::btree_map::Entry;
    Ok(match moments.entry(name.to_string()) {
        Entry::Occupied(entry) => entry.into_mut(),
        Entry::Vacant(entry) => entry.insert(Var::zeros(of.shape(), of.dtype(), of.device())?),
    })
}

/// Sum of squares in f64; the sums of the chunks are added in order.
fn sum_of_squares(gradient: &Tensor) -> Result<f64> {
    let (storage, layout) = gradient.storage_and_layout();
    let Storage::Cpu(CpuStorage::F32(values)) = &*storage else {
        drop(storage);
        return Ok(f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?));
    };
    let values = &values[layout.start_offset()..][..layout.shape().elem_count()];
    let sums: Vec<f64> = values.par_chunks(CHUNK).map(chunk_sum_of_squares).collect();
    Ok(sums.iter().sum())
}

/// Sum of squares of a chunk, in eight lanes so that it is vectorised.
fn chunk_sum_of_squares(chunk: &[f32]) -> f64 {
    let mut lanes = [0.0_f64; 8];
    for eight in chunk.chunks(8) {
        for (lane, &g) in lanes.iter_mut().zip(eight) {
            *lane += f64::from(g) * f64::from(g);
        }
    }
    lanes.iter().sum()
}

/// Runs `work` on the values of a variable on the CPU, in place.
fn with_values(var: &Var, work: impl FnOnce(&mut [f32]) -> Result<()>) -> Result<()> {
    struct InPlace<F>(RefCell<Option<F>>);
    impl<F: FnOnce(&mut [f32]) -> Result<()>> InplaceOp1 for InPlace<F> {
        fn name(&self) -> &'static str {
            "with_values"
        }

        fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
            match (storage, layout.contiguous_offsets(), self.0.take()) {
                (CpuStorage::F32(values), Some((start, end)), Some(work)) => {
                    work(&mut values[start..end])
                }
                _ => bail!("AdamW: parameters must be contiguous and f32"),
            }
        }
    }
    var.inplace_op1(&InPlace(RefCell::new(Some(work))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gf_nn::Init;

    fn values(var: &Var) -> Vec<f32> {
        var.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    }

    /// PyTorch 2.15: `torch.optim.AdamW([w], lr=0.1, weight_decay=0.01)` on `w = torch.ones(2, 1)`
    /// with the loss `(w * torch.tensor([[1.], [2.]])).pow(2).sum() / 2`, three steps.
    #[test]
    fn three_steps_equal_those_of_pytorch() {
        let mut parameters = Parameters::seeded(0);
        let w = parameters.get("w", (2, 1), Init::Constant(1.0)).unwrap();
        let factor = Tensor::new(&[[1f32], [2.0]], w.device()).unwrap();
        let mut moments = Moments::default();
        let adam = AdamW::new(0.01, 1e9);
        for _ in 0..3 {
            let loss = ((w.broadcast_mul(&factor))
                .unwrap()
                .sqr()
                .unwrap()
                .sum_all()
                .unwrap()
                / 2.0)
                .unwrap();
            adam.step(&parameters, &loss.backward().unwrap(), &mut moments, 0.1)
                .unwrap();
        }
        for value in values(parameters.iter().next().unwrap().1) {
            assert!((value - 0.698_911_25).abs() < 1e-6, "{value}");
        }
    }

    /// Longer than a chunk, with gradients of both signs.
    #[test]
    fn a_step_in_place_equals_one_of_tensor_operations() {
        let n = CHUNK + 77;
        let gradient = Tensor::from_vec(
            (0..n).map(|i| (i as f32 * 0.7).cos()).collect::<Vec<f32>>(),
            n,
            &candle_core::Device::Cpu,
        )
        .unwrap();
        let step = Step {
            scale: 0.3,
            rate: 0.1,
            root_correction: 1.4,
        };
        let [value_a, first_a, second_a] = value_and_moments(n);
        let [value_b, first_b, second_b] = value_and_moments(n);
        step.on_cpu(&value_a, &gradient, &first_a, &second_a, 0.99)
            .unwrap();
        step.as_tensors(&value_b, &gradient, &first_b, &second_b, 0.99)
            .unwrap();
        for (in_place, by_tensors) in [(value_a, value_b), (first_a, first_b), (second_a, second_b)]
        {
            assert!(
                values(&in_place)
                    .iter()
                    .zip(values(&by_tensors))
                    .all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs().max(1.0))
            );
        }
    }

    fn value_and_moments(n: usize) -> [Var; 3] {
        let second = Var::from_tensor(&sines(n).sqr().unwrap()).unwrap();
        [sines(n), sines(n), second]
    }

    fn sines(n: usize) -> Var {
        let values = (0..n).map(|i| (i as f32).sin()).collect();
        Var::from_vec(values, n, &candle_core::Device::Cpu).unwrap()
    }

    #[test]
    fn a_clipped_gradient_moves_as_its_direction_alone() {
        let small = first_moment_after(10.0);
        let large = first_moment_after(1000.0);
        assert!(small.iter().zip(&large).all(|(a, b)| (a - b).abs() < 1e-7));
    }

    /// First moment after one step with the gradient `(size, size, size)`, clipped to norm 1.
    fn first_moment_after(size: f64) -> Vec<f32> {
        let mut parameters = Parameters::seeded(0);
        let w = parameters.get("w", 3, Init::Constant(1.0)).unwrap();
        let loss = (w.sum_all().unwrap() * size).unwrap();
        let mut moments = Moments::default();
        let norm = AdamW::new(0.0, 1.0)
            .step(&parameters, &loss.backward().unwrap(), &mut moments, 0.1)
            .unwrap();
        assert!((norm - size * 3f64.sqrt()).abs() < 1e-3);
        values(&moments.first["w"])
    }

    #[test]
    fn a_gradient_that_is_not_finite_changes_nothing() {
        let mut parameters = Parameters::seeded(0);
        let w = parameters.get("w", 3, Init::Constant(1.0)).unwrap();
        let loss = (w.sum_all().unwrap() * f64::INFINITY).unwrap();
        let mut moments = Moments::default();
        assert!(
            !AdamW::new(0.0, 1.0)
                .step(&parameters, &loss.backward().unwrap(), &mut moments, 0.1)
                .unwrap()
                .is_finite()
        );
        assert_eq!(values(parameters.iter().next().unwrap().1), [1.0; 3]);
    }
}

//! Haplotypes through the encoder in groups, each with its own graph, so that all threads work in
//! the backward pass.
//!
//! candle walks a graph backward on one thread. While this thread adds gradients between two
//! operations, the others wait. Haplotypes do not depend on each other, so the graphs of groups
//! share only the parameters.
//!
//! The groups depend only on the number of haplotypes and slots, and their gradients are added in
//! order. The sums are therefore the same, to the last bit, for any number of threads.

use std::sync::Arc;

use candle_core::{DType, Result, Tensor, Var, backprop::GradStore, bail};
use rayon::prelude::*;

use super::encoder::Encoder;
use gf_nn::{Parameters, backward_from};

/// Slots of the haplotypes that a thread encodes at a time. The output of a layer is then still in
/// the cache of the core when the next layer reads it.
const SLOTS_AT_A_TIME: usize = 1024;
/// Each group has gradients of all weights of the layers. With more groups, most of the time would
/// be spent on adding these up.
const MAX_GROUPS: usize = 8;

/// The encoded haplotypes of one locus, with the graphs back to the parameters.
#[derive(Debug)]
pub struct Groups {
    /// Embeddings of all haplotypes, (haplotypes, slots, hidden); (0, hidden) without any
    /// haplotype.
    embedded: Tensor,
    groups: Vec<Group>,
}

#[derive(Debug)]
struct Group {
    /// The embeddings of its haplotypes, where its graph begins.
    input: Var,
    /// Encoded haplotypes, (haplotypes, hidden).
    rows: Tensor,
}

/// Gradients of one group.
struct GroupGradients {
    /// Gradient of its embeddings.
    input: Tensor,
    /// Gradients of the parameters.
    parameters: GradStore,
}

impl Group {
    fn backward(self, rows_gradient: Tensor, parameters: &Parameters) -> Result<GroupGradients> {
        let gradients = backward_from(&self.rows, rows_gradient)?;
        let Some(input_gradient) = gradients.get(&self.input) else {
            bail!("a group of haplotypes without a gradient")
        };
        let mut parameter_gradients = GradStore::default();
        parameters.add_gradients(&mut parameter_gradients, &gradients)?;
        Ok(GroupGradients {
            input: input_gradient.detach(),
            parameters: parameter_gradients,
        })
    }
}

impl Groups {
    pub(super) fn encode(
        encoder: &Encoder,
        locus: usize,
        tokens: &Tensor,
        mask: &Arc<Vec<u8>>,
    ) -> Result<Self> {
        let (batch, n) = tokens.dims2()?;
        if batch == 0 {
            let hidden = encoder.hidden();
            return Ok(Self {
                embedded: Tensor::zeros((0, hidden), DType::F32, tokens.device())?,
                groups: Vec::new(),
            });
        }
        let embedded = encoder.embed(locus, tokens, mask)?;
        let group_size = if embedded.device().is_cpu() {
            haplotypes_at_a_time(n).max(batch.div_ceil(MAX_GROUPS))
        } else {
            batch
        };
        let groups = group_starts(batch, group_size)
            .into_par_iter()
            .map(|first| {
                let n_haplotypes = group_size.min(batch - first);
                let embedded = embedded.narrow(0, first, n_haplotypes)?;
                let input = Var::from_tensor(&embedded.detach())?;
                let mask = mask_rows(mask, n, first, n_haplotypes);
                let rows = encoder.encode(locus, input.as_tensor().clone(), &mask)?;
                Ok(Group { input, rows })
            })
            .collect::<Result<_>>()?;
        Ok(Self { embedded, groups })
    }

    /// One vector per haplotype, (haplotypes, hidden), as a leaf of a new graph.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn rows(&self) -> Result<Var> {
        let rows: Vec<Tensor> = self
            .groups
            .iter()
            .map(|group| group.rows.detach())
            .collect();
        if rows.is_empty() {
            Var::from_tensor(&self.embedded)
        } else {
            Var::from_tensor(&Tensor::cat(&rows, 0)?)
        }
    }

    /// Adds the gradients of all parameters of the encoder, given the gradient of [`Self::rows`].
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn add_gradients(
        self,
        rows_gradient: &Tensor,
        parameters: &Parameters,
        gradients: &mut GradStore,
    ) -> Result<()> {
        let mut first = 0;
        let mut groups = Vec::with_capacity(self.groups.len());
        for group in self.groups {
            let n_haplotypes = group.rows.dim(0)?;
            let rows_gradient = rows_gradient.narrow(0, first, n_haplotypes)?.detach();
            first += n_haplotypes;
            groups.push((group, rows_gradient));
        }
        let gradients_of_groups = groups
            .into_par_iter()
            .map(|(group, rows_gradient)| group.backward(rows_gradient, parameters))
            .collect::<Result<Vec<GroupGradients>>>()?;
        for group in &gradients_of_groups {
            parameters.add_gradients(gradients, &group.parameters)?;
        }
        if gradients_of_groups.is_empty() {
            return Ok(());
        }
        // The embeddings have one graph for all groups.
        let input_gradients: Vec<Tensor> = gradients_of_groups
            .into_iter()
            .map(|group| group.input)
            .collect();
        let embedded_gradient = Tensor::cat(&input_gradients, 0)?;
        let embedding_gradients = backward_from(&self.embedded, embedded_gradient)?;
        parameters.add_gradients(gradients, &embedding_gradients)
    }
}

/// One vector per haplotype, (haplotypes, hidden), without graphs for gradients.
pub(super) fn encode_only(
    encoder: &Encoder,
    locus: usize,
    tokens: &Tensor,
    mask: &Arc<Vec<u8>>,
) -> Result<Tensor> {
    let (batch, n) = tokens.dims2()?;
    let group_size = if tokens.device().is_cpu() {
        haplotypes_at_a_time(n)
    } else {
        batch
    };
    let rows = group_starts(batch, group_size)
        .into_par_iter()
        .map(|first| {
            let n_haplotypes = group_size.min(batch - first);
            let tokens = tokens.narrow(0, first, n_haplotypes)?.contiguous()?;
            let mask = mask_rows(mask, n, first, n_haplotypes);
            let embedded = encoder.embed(locus, &tokens, &mask)?;
            Ok(encoder.encode_only(locus, embedded, &mask)?.detach())
        })
        .collect::<Result<Vec<Tensor>>>()?;
    Tensor::cat(&rows, 0)
}

fn haplotypes_at_a_time(n_slots: usize) -> usize {
    (SLOTS_AT_A_TIME / n_slots.max(1)).max(1)
}

/// The first haplotype of each group.
fn group_starts(batch: usize, group_size: usize) -> Vec<usize> {
    (0..batch).step_by(group_size.max(1)).collect()
}

/// The mask of haplotypes `first..first + n_haplotypes`, each of `n` slots.
fn mask_rows(mask: &[u8], n: usize, first: usize, n_haplotypes: usize) -> Arc<Vec<u8>> {
    Arc::new(mask[first * n..(first + n_haplotypes) * n].to_vec())
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::models::{Architecture, Config, LocusShape, Model, Preset};

    const N: usize = 600;
    const BATCH: usize = 5;

    /// A model and haplotypes of several lengths, each of which is a group.
    struct Example {
        model: Model,
        parameters: Parameters,
        tokens: Tensor,
        mask: Arc<Vec<u8>>,
    }

    fn example(preset: Preset) -> Example {
        let architecture = Architecture {
            hidden: 8,
            layers: 2,
            heads: 2,
            feed_forward: 16,
            projected_length: 4,
            ..preset.architecture()
        };
        let config = Config {
            architecture,
            vocab_size: 12,
            loci: vec![LocusShape {
                name: "a".into(),
                n_slots: N,
            }],
            n_covariates: 0,
        };
        let mut parameters = Parameters::seeded(3);
        let model = Model::new(&config, &mut parameters).unwrap();
        let ids = (0..BATCH * N).map(|i| {
            if is_token(i) {
                4 + (i * i % 7) as u32
            } else {
                0
            }
        });
        let tokens = Tensor::from_iter(ids, &Device::Cpu)
            .unwrap()
            .reshape((BATCH, N))
            .unwrap();
        Example {
            model,
            parameters,
            tokens,
            mask: Arc::new((0..BATCH * N).map(|i| u8::from(is_token(i))).collect()),
        }
    }

    /// Whether value i of the batch is a token: each haplotype has 70 fewer than the one before.
    fn is_token(i: usize) -> bool {
        i % N < N - 70 * (i / N)
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn groups_have_the_rows_and_the_gradients_of_one_graph() {
        for preset in Preset::ALL {
            let Example {
                model,
                parameters,
                tokens,
                mask,
            } = example(preset);
            let whole = model.encode(0, &tokens, &mask).unwrap();
            let rows_gradient = Tensor::from_iter(
                (0..whole.elem_count()).map(|i| (i as f32).sin()),
                &Device::Cpu,
            )
            .unwrap()
            .reshape(whole.shape())
            .unwrap();
            let groups = model.encode_in_groups(0, &tokens, &mask).unwrap();
            assert_eq!(groups.groups.len(), BATCH);
            assert_eq!(values(&groups.rows().unwrap()), values(&whole), "{preset}");
            assert_eq!(
                values(&model.encode_only(0, &tokens, &mask).unwrap()),
                values(&whole),
                "{preset}"
            );
            let mut found = GradStore::default();
            groups
                .add_gradients(&rows_gradient, &parameters, &mut found)
                .unwrap();
            let expected = (whole * rows_gradient)
                .unwrap()
                .sum_all()
                .unwrap()
                .backward()
                .unwrap();
            for (name, var) in parameters.iter() {
                let Some(expected) = expected.get(var) else {
                    assert!(found.get(var).is_none(), "{preset}: {name}");
                    continue;
                };
                let found = values(found.get(var).unwrap());
                let expected = values(expected);
                let scale = expected
                    .iter()
                    .fold(1e-3_f32, |scale, value| scale.max(value.abs()));
                let off = found
                    .iter()
                    .zip(&expected)
                    .map(|(a, b)| (a - b).abs())
                    .fold(0.0, f32::max);
                assert!(
                    off < 1e-5 * scale,
                    "{preset}: {name} is off by {off} of {scale}"
                );
            }
        }
    }

    #[test]
    fn no_haplotype_gives_no_row() {
        let Example {
            model,
            parameters,
            tokens,
            ..
        } = example(Preset::Linformer);
        let groups = model
            .encode_in_groups(0, &tokens.narrow(0, 0, 0).unwrap(), &Arc::new(Vec::new()))
            .unwrap();
        assert_eq!(groups.rows().unwrap().dims(), [0, 8]);
        let mut found = GradStore::default();
        groups
            .add_gradients(
                &Tensor::zeros((0, 8), DType::F32, &Device::Cpu).unwrap(),
                &parameters,
                &mut found,
            )
            .unwrap();
        assert_eq!(found.get_ids().count(), 0);
    }
}

//! Haplotypes through the encoder in groups, each with a graph of its own, so that all threads walk
//! back at once.
//!
//! candle walks a graph back on one thread, and while that one adds up gradients between two
//! operations the others wait. No haplotype sees another, so the graphs of groups meet in their
//! parameters only. Groups are made of the number of haplotypes and slots alone, and their
//! gradients are added up in order: the sums are the same, to the last bit, for any number of
//! threads.

use std::sync::Arc;

use candle_core::{DType, Result, Tensor, Var, backprop::GradStore, bail};
use rayon::prelude::*;

use super::encoder::Encoder;
use gf_nn::{Parameters, backward_from};

/// Slots of the haplotypes that a thread encodes at a time: what one layer made is still in the
/// cache of its core when the next one reads it.
const SLOTS_AT_A_TIME: usize = 1024;
/// Each group has gradients of all weights of the layers: more groups would spend their time in
/// adding these up.
const MAX_GROUPS: usize = 8;

/// The haplotypes of one locus, encoded, with the way back to the parameters.
#[derive(Debug)]
pub struct Groups {
    /// What the embeddings make of all, (haplotypes, slots, hidden); without any haplotype only
    /// (0, hidden).
    embedded: Tensor,
    groups: Vec<Group>,
}

#[derive(Debug)]
struct Group {
    /// Its part of the embedded ones, where its graph begins.
    input: Var,
    /// (haplotypes, hidden).
    rows: Tensor,
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
        let at_a_time = if embedded.device().is_cpu() {
            at_a_time(n).max(batch.div_ceil(MAX_GROUPS))
        } else {
            batch
        };
        let encode = |first: usize| {
            let here = at_a_time.min(batch - first);
            let input = Var::from_tensor(&embedded.narrow(0, first, here)?.detach())?;
            let rows = encoder.encode(
                locus,
                input.as_tensor().clone(),
                &part(mask, n, first, here),
            )?;
            Ok(Group { input, rows })
        };
        let groups = firsts(batch, at_a_time)
            .into_par_iter()
            .map(encode)
            .collect::<Result<_>>()?;
        Ok(Self { embedded, groups })
    }

    /// One vector for each haplotype, (haplotypes, hidden), as a leaf.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn rows(&self) -> Result<Var> {
        let rows: Vec<Tensor> = self
            .groups
            .iter()
            .map(|group| group.rows.detach())
            .collect();
        Var::from_tensor(&if rows.is_empty() {
            self.embedded.clone()
        } else {
            Tensor::cat(&rows, 0)?
        })
    }

    /// Adds the gradients of all parameters of the encoder, given that of [`Self::rows`].
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn add_gradients(
        self,
        of_rows: &Tensor,
        parameters: &Parameters,
        gradients: &mut GradStore,
    ) -> Result<()> {
        let mut first = 0;
        let mut parts = Vec::with_capacity(self.groups.len());
        for Group { input, rows } in self.groups {
            let of_rows = of_rows.narrow(0, first, rows.dim(0)?)?.detach();
            first += rows.dim(0)?;
            parts.push((input, rows, of_rows));
        }
        let backward = |(input, rows, of_rows): (Var, Tensor, Tensor)| {
            let found = backward_from(&rows, of_rows)?;
            let Some(of_input) = found.get(&input) else {
                bail!("a group of haplotypes without a gradient")
            };
            let mut of_group = GradStore::default();
            parameters.add_gradients(&mut of_group, &found)?;
            Ok((of_input.detach(), of_group))
        };
        let (of_inputs, of_groups): (Vec<Tensor>, Vec<GradStore>) = parts
            .into_par_iter()
            .map(backward)
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .unzip();
        for of_group in &of_groups {
            parameters.add_gradients(gradients, of_group)?;
        }
        if of_inputs.is_empty() {
            return Ok(());
        }
        let of_embedded = Tensor::cat(&of_inputs, 0)?;
        parameters.add_gradients(gradients, &backward_from(&self.embedded, of_embedded)?)
    }
}

/// One vector for each haplotype, (haplotypes, hidden), with nothing kept for gradients.
pub(super) fn encode_only(
    encoder: &Encoder,
    locus: usize,
    tokens: &Tensor,
    mask: &Arc<Vec<u8>>,
) -> Result<Tensor> {
    let (batch, n) = tokens.dims2()?;
    let at_a_time = if tokens.device().is_cpu() {
        at_a_time(n)
    } else {
        batch
    };
    let encode = |first: usize| {
        let here = at_a_time.min(batch - first);
        let tokens = tokens.narrow(0, first, here)?.contiguous()?;
        let mask = part(mask, n, first, here);
        Ok(encoder
            .encode_only(locus, encoder.embed(locus, &tokens, &mask)?, &mask)?
            .detach())
    };
    Tensor::cat(
        &firsts(batch, at_a_time)
            .into_par_iter()
            .map(encode)
            .collect::<Result<Vec<Tensor>>>()?,
        0,
    )
}

fn at_a_time(n_slots: usize) -> usize {
    (SLOTS_AT_A_TIME / n_slots.max(1)).max(1)
}

fn firsts(batch: usize, at_a_time: usize) -> Vec<usize> {
    (0..batch).step_by(at_a_time.max(1)).collect()
}

/// The mask of some haplotypes of `n` slots.
fn part(mask: &[u8], n: usize, first: usize, here: usize) -> Arc<Vec<u8>> {
    Arc::new(mask[first * n..(first + here) * n].to_vec())
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::models::{Architecture, Config, LocusShape, Model, Preset};

    const N: usize = 600;
    const BATCH: usize = 5;

    /// A model, and haplotypes of several lengths, each a group of its own.
    fn example(preset: Preset) -> (Model, Parameters, Tensor, Arc<Vec<u8>>) {
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
        let is_token = |i: usize| i % N < N - 70 * (i / N);
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
        (
            model,
            parameters,
            tokens,
            Arc::new((0..BATCH * N).map(|i| u8::from(is_token(i))).collect()),
        )
    }

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn groups_have_the_rows_and_the_gradients_of_one_graph() {
        for preset in Preset::ALL {
            let (model, parameters, tokens, mask) = example(preset);
            let whole = model.encode(0, &tokens, &mask).unwrap();
            let of_rows = Tensor::from_iter(
                (0..whole.elem_count()).map(|i| (i as f32).sin()),
                &Device::Cpu,
            )
            .unwrap();
            let of_rows = of_rows.reshape(whole.shape()).unwrap();
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
                .add_gradients(&of_rows, &parameters, &mut found)
                .unwrap();
            let expected = (whole * of_rows)
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
        let (model, parameters, tokens, _) = example(Preset::Linformer);
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

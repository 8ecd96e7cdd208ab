//! Gradients of a step within bounded memory.
//!
//! Haplotypes of a batch that do not fit into memory are encoded in parts (`GradCache`: Gao et al.
//! 2021, arXiv 2101.06983, section 3.2):
//! 1. All parts are encoded without a computation graph.
//! 2. The loss of all samples gives the gradient `u` of the encoded rows.
//! 3. Each part `f` is encoded again with a graph. The gradient of `sum(f u)`, which is `u df/dw`,
//!    is added up.
//!
//! The result is the gradient of the whole batch, for one more forward pass.

use std::ops::Range;

use candle_core::{Tensor, Var, backprop::GradStore};

use super::{Error, Ranks};
use crate::{
    dataset::{
        self, Dataset, bytes_per_haplotype, encode_in_chunks, encode_in_groups,
        haplotypes_at_a_time,
    },
    models::{Config, Groups, Model},
};
use gf_nn::{Parameters, weighted_binary_cross_entropy};

/// Division of the samples of a step into batches, and their weights.
#[derive(Clone, Copy, Debug)]
pub struct Batching {
    /// Samples whose haplotypes are encoded together.
    pub batch_size: usize,
    /// Bytes that the encoding of their haplotypes may take.
    pub bytes: usize,
    /// Weights of a case and of a control.
    pub class_weights: [f64; 2],
}

/// A loss and its gradients.
pub struct LossGradients {
    /// Weighted loss.
    pub loss: f64,
    /// Gradients of the parameters.
    pub gradients: GradStore,
}

/// Mean weighted loss of the samples of a step, and its gradients.
///
/// Both are summed over batches and ranks. They equal the loss and the gradients of one batch with
/// all samples.
///
/// # Errors
/// A model that does not fit the data.
pub fn of_step(
    model: &Model,
    parameters: &Parameters,
    data: &Dataset<'_>,
    people: &[usize],
    batching: Batching,
    ranks: &Ranks,
) -> Result<LossGradients, Error> {
    let mut loss = 0.0;
    let mut gradients = GradStore::default();
    // The sum of these weighted losses is the mean over the step.
    let class_weights = batching
        .class_weights
        .map(|weight| weight / people.len() as f64);
    for samples in ranks.part(people).chunks(batching.batch_size) {
        let weights = data.class_weights(samples, class_weights)?;
        let batch = Batch::new(model, data, samples, weights)?;
        let of_batch = batch.gradients(parameters, batching.bytes)?;
        loss += of_batch.loss;
        parameters.add_gradients(&mut gradients, &of_batch.gradients)?;
    }
    if ranks.n() == 1 {
        Ok(LossGradients { loss, gradients })
    } else {
        over_ranks(parameters, loss, &gradients, ranks)
    }
}

/// Sums loss and gradients over all ranks.
///
/// Each parameter is sent as a flag (1 with a gradient) and its values. A parameter without a
/// gradient on any rank stays without one.
fn over_ranks(
    parameters: &Parameters,
    loss: f64,
    gradients: &GradStore,
    ranks: &Ranks,
) -> Result<LossGradients, Error> {
    let summed_loss = ranks.sum(vec![loss])[0];
    let mut values = Vec::with_capacity(parameters.n_values());
    for (_, var) in parameters.iter() {
        match gradients.get(var) {
            Some(gradient) => {
                values.push(1.0);
                values.extend(gradient.flatten_all()?.to_vec1::<f32>()?);
            }
            None => values.extend(std::iter::repeat_n(0.0, 1 + var.elem_count())),
        }
    }
    let sums = ranks.sum_f32(values);
    let mut summed = GradStore::default();
    let mut remaining = sums.as_slice();
    for (_, var) in parameters.iter() {
        let (var_sums, rest) = remaining.split_at(1 + var.elem_count());
        remaining = rest;
        if var_sums[0] > 0.0 {
            let gradient = Tensor::from_slice(&var_sums[1..], var.shape(), var.device())?;
            summed.insert(var, gradient);
        }
    }
    Ok(LossGradients {
        loss: summed_loss,
        gradients: summed,
    })
}

/// The samples of a batch with their distinct haplotypes.
struct Batch<'b> {
    model: &'b Model,
    data: &'b Dataset<'b>,
    /// Distinct haplotypes of each locus.
    haplotypes: Vec<Vec<u32>>,
    /// For each locus, the rows of each sample's two haplotypes.
    pairs: Vec<[Tensor; 2]>,
    covariates: Option<Tensor>,
    targets: Tensor,
    offsets: Option<Tensor>,
    /// Weight of each sample.
    weights: Tensor,
}

impl<'b> Batch<'b> {
    fn new(
        model: &'b Model,
        data: &'b Dataset<'b>,
        samples: &[usize],
        weights: Tensor,
    ) -> Result<Self, Error> {
        let haplotypes: Vec<Vec<u32>> = (0..data.n_loci())
            .map(|locus| data.haplotypes_of(locus, samples))
            .collect();
        let pairs = (0..haplotypes.len())
            .map(|locus| data.pairs(locus, samples, &haplotypes[locus]))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            model,
            data,
            haplotypes,
            pairs,
            covariates: data.covariates(samples)?,
            targets: data.targets(samples)?,
            offsets: data.offsets(samples)?,
            weights,
        })
    }

    /// Loss and gradients, with at most about `bytes` for the encoding of haplotypes.
    fn gradients(&self, parameters: &Parameters, bytes: usize) -> Result<LossGradients, Error> {
        let parts = parts(self.model.config(), &self.haplotypes, bytes);
        // Encodings with a computation graph; none when they are made part by part.
        let groups: Vec<Groups> = match &parts {
            Some(_) => Vec::new(),
            None => (0..self.haplotypes.len())
                .map(|locus| self.encode(locus, &self.haplotypes[locus]))
                .collect::<Result<_, _>>()?,
        };
        let rows: Vec<Var> = match &parts {
            Some(_) => (0..self.haplotypes.len())
                .map(|locus| self.encode_without_graph(locus, bytes))
                .collect::<Result<_, _>>()?,
            None => groups.iter().map(Groups::rows).collect::<Result<_, _>>()?,
        };
        let loss = self.loss(&rows)?;
        let loss_gradients = loss.backward()?;
        let row_gradients: Vec<Option<Tensor>> = rows
            .iter()
            .map(|rows| loss_gradients.get(rows).map(Tensor::detach))
            .collect();
        let mut gradients = GradStore::default();
        parameters.add_gradients(&mut gradients, &loss_gradients)?;
        // Frees memory before the encoder's gradients are made.
        drop(loss_gradients);
        for (groups, row_gradient) in groups.into_iter().zip(&row_gradients) {
            if let Some(row_gradient) = row_gradient {
                groups.add_gradients(row_gradient, parameters, &mut gradients)?;
            }
        }
        for (locus, range) in parts.unwrap_or_default() {
            if let Some(row_gradient) = &row_gradients[locus] {
                let part_gradient = row_gradient.narrow(0, range.start, range.len())?;
                self.encode(locus, &self.haplotypes[locus][range])?
                    .add_gradients(&part_gradient, parameters, &mut gradients)?;
            }
        }
        Ok(LossGradients {
            loss: f64::from(loss.to_scalar::<f32>()?),
            gradients,
        })
    }

    fn encode(&self, locus: usize, haplotypes: &[u32]) -> Result<Groups, dataset::Error> {
        encode_in_groups(self.model, self.data, locus, haplotypes)
    }

    fn encode_without_graph(&self, locus: usize, bytes: usize) -> Result<Var, dataset::Error> {
        encode_in_chunks(
            self.model,
            self.data,
            locus,
            &self.haplotypes[locus],
            haplotypes_at_a_time(self.model.config(), locus, bytes),
        )
    }

    /// Weighted cross-entropy of the batch, from the encoded rows of each locus.
    fn loss(&self, rows: &[Var]) -> Result<Tensor, Error> {
        let encoded: Vec<Tensor> = rows.iter().map(|rows| rows.as_tensor().clone()).collect();
        let pairs: Vec<&[Tensor; 2]> = self.pairs.iter().collect();
        let logits = self
            .model
            .classify(&encoded, &pairs, self.covariates.as_ref())?;
        let total_logits = match &self.offsets {
            Some(offsets) => (logits + offsets)?,
            None => logits,
        };
        Ok(weighted_binary_cross_entropy(
            &total_logits,
            &self.targets,
            &self.weights,
        )?)
    }
}

/// Ranges of haplotypes that are encoded together, as (locus, range).
///
/// `None` when all haplotypes of all loci fit at once.
fn parts(
    config: &Config,
    haplotypes: &[Vec<u32>],
    bytes: usize,
) -> Option<Vec<(usize, Range<usize>)>> {
    let all: usize = haplotypes
        .iter()
        .enumerate()
        .map(|(locus, haplotypes)| haplotypes.len() * bytes_per_haplotype(config, locus))
        .sum();
    if all <= bytes {
        return None;
    }
    let mut parts = Vec::new();
    for (locus, haplotypes) in haplotypes.iter().enumerate() {
        let n = haplotypes.len();
        let at_a_time = haplotypes_at_a_time(config, locus, bytes);
        for start in (0..n).step_by(at_a_time) {
            parts.push((locus, start..n.min(start + at_a_time)));
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dataset::Standardisation,
        models::{Architecture, LocusShape, Preset},
        tokens::{LocusTokens, TokenSet},
    };
    use gf_cohort_schema::{Cohort, Person, Phenotype, Split};
    use gf_haplotypes::ABSENT_HAPLOTYPE;
    use std::collections::BTreeMap;

    const N_PEOPLE: usize = 10;

    fn locus(name: &str, n_slots: usize, n: usize) -> LocusTokens {
        LocusTokens {
            name: name.into(),
            n_slots,
            tokens: (0..n * n_slots)
                .map(|i| {
                    if i % n_slots > n_slots - 2 {
                        gf_tokenizer::PAD
                    } else {
                        4 + (i * i % 7) as u32
                    }
                })
                .collect(),
            pairs: (0..N_PEOPLE)
                .map(|person| [(person % n) as u32, ((person * 3 + 1) % n) as u32])
                .collect(),
        }
    }

    /// Two loci of 9 and 5 slots with 7 and 4 haplotypes, one absent.
    fn tokens() -> TokenSet {
        let mut loci = vec![locus("a", 9, 7), locus("b", 5, 4)];
        loci[1].pairs[3][1] = ABSENT_HAPLOTYPE;
        TokenSet {
            samples: (0..N_PEOPLE).map(|person| format!("S{person}")).collect(),
            loci,
        }
    }

    fn cohort() -> Cohort {
        Cohort {
            people: (0..N_PEOPLE).map(person).collect(),
            covariate_names: vec!["age".into()],
            ..Cohort::default()
        }
    }

    fn person(index: usize) -> Person {
        Person {
            sample_id: format!("S{index}"),
            phenotype: Some(if index.is_multiple_of(3) {
                Phenotype::Case
            } else {
                Phenotype::Control
            }),
            split: Split::Train,
            family_id: None,
            covariates: vec![index as f64],
        }
    }

    fn shape(name: &str, n_slots: usize) -> LocusShape {
        LocusShape {
            name: name.into(),
            n_slots,
        }
    }

    fn config(preset: Preset) -> Config {
        let architecture = Architecture {
            hidden: 8,
            layers: 2,
            heads: 2,
            feed_forward: 16,
            projected_length: 4,
            ..preset.architecture()
        };
        Config {
            architecture,
            vocab_size: 12,
            loci: vec![shape("a", 9), shape("b", 5)],
            n_covariates: 1,
        }
    }

    struct Computed {
        loss: f64,
        /// By the names of the parameters.
        gradients: BTreeMap<String, Vec<f32>>,
    }

    fn computed(preset: Preset, batch_size: usize, bytes: usize) -> Computed {
        let tokens = tokens();
        let cohort = cohort();
        let everyone: Vec<usize> = (0..N_PEOPLE).collect();
        let data =
            Dataset::new(&tokens, &cohort, Standardisation::fit(&cohort, &everyone)).unwrap();
        let mut parameters = Parameters::seeded(3);
        let model = Model::new(&config(preset), &mut parameters).unwrap();
        let step = of_step(
            &model,
            &parameters,
            &data,
            &everyone,
            Batching {
                batch_size,
                bytes,
                class_weights: [2.0, 0.7],
            },
            &Ranks::alone(),
        )
        .unwrap();
        let gradients = parameters
            .iter()
            .map(|(name, var)| {
                let gradient = step.gradients.get(var).unwrap().flatten_all().unwrap();
                (name.to_owned(), gradient.to_vec1::<f32>().unwrap())
            })
            .collect();
        Computed {
            loss: step.loss,
            gradients,
        }
    }

    #[test]
    fn parts_and_batches_give_the_gradients_of_the_whole() {
        for preset in Preset::ALL {
            let whole = computed(preset, N_PEOPLE, usize::MAX);
            assert!(
                whole
                    .gradients
                    .values()
                    .all(|values| values.iter().any(|value| value.abs() > 1e-6)),
                "{preset}: a parameter without a gradient"
            );
            let three = 3 * bytes_per_haplotype(&config(preset), 0);
            for (batch_size, bytes) in [
                (N_PEOPLE, three),
                (N_PEOPLE, 1),
                (3, usize::MAX),
                (4, three),
            ] {
                let other = computed(preset, batch_size, bytes);
                assert!(
                    (whole.loss - other.loss).abs() < 1e-6,
                    "{preset}: {} {}",
                    whole.loss,
                    other.loss
                );
                for (name, values) in &whole.gradients {
                    let off = values
                        .iter()
                        .zip(&other.gradients[name])
                        .map(|(a, b)| (a - b).abs())
                        .fold(0.0, f32::max);
                    assert!(
                        off < 1e-5,
                        "{preset}, batches of {batch_size}, {bytes} bytes: {name} is off by {off}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_part_has_as_many_haplotypes_as_fit() {
        let config = config(Preset::Linformer);
        let haplotypes = [(0..7).collect::<Vec<u32>>(), (0..4).collect()];
        let [long, short] = [0, 1].map(|locus| bytes_per_haplotype(&config, locus));
        assert_eq!(parts(&config, &haplotypes, 7 * long + 4 * short), None);
        let found = parts(&config, &haplotypes, 3 * long).unwrap();
        assert_eq!(found, [(0, 0..3), (0, 3..6), (0, 6..7), (1, 0..4)]);
        assert_eq!(parts(&config, &haplotypes, 1).unwrap().len(), 11);
    }
}

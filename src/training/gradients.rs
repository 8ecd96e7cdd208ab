//! Gradients of a step within a bounded memory.
//!
//! Where the distinct haplotypes of a batch do not fit, they are encoded in parts (`GradCache`: Gao
//! et al. 2021, arXiv 2101.06983, section 3.2): first without keeping the way to them; the loss of
//! all people gives the gradient u of the encoded rows; then each part f is encoded again and
//! the gradient of sum(f u), which is u df/dw, is added up. The result is that of the whole batch,
//! for one more pass forward.

use std::ops::Range;

use candle_core::{Tensor, Var, backprop::GradStore};

use super::{Error, Ranks};
use crate::{
    dataset::{
        Dataset, bytes_per_haplotype, encode_in_chunks, encode_in_groups, haplotypes_at_a_time,
    },
    models::{Config, Groups, Model},
};
use gf_nn::{Parameters, weighted_binary_cross_entropy};

/// How the people of a step are worked on.
#[derive(Clone, Copy, Debug)]
pub struct Batching {
    /// People whose haplotypes are encoded together.
    pub batch_size: usize,
    /// Bytes that the encoding of their haplotypes may take.
    pub bytes: usize,
    /// Weight of a case and of a control.
    pub class_weights: [f64; 2],
}

/// Mean weighted loss of the people of a step, and its gradients: added up over batches and over
/// ranks, equal to those of one batch of all.
///
/// # Errors
/// When the model does not fit the data.
pub fn of_step(
    model: &Model,
    parameters: &Parameters,
    data: &Dataset<'_>,
    people: &[usize],
    batching: Batching,
    ranks: &Ranks,
) -> Result<(f64, GradStore), Error> {
    let mut loss = 0.0;
    let mut gradients = GradStore::default();
    for batch in ranks.part(people).chunks(batching.batch_size) {
        let weights = data.class_weights(
            batch,
            batching
                .class_weights
                .map(|weight| weight / people.len() as f64),
        )?;
        let (of_batch, batch_gradients) =
            of_batch(model, parameters, data, batch, &weights, batching.bytes)?;
        loss += of_batch;
        parameters.add_gradients(&mut gradients, &batch_gradients)?;
    }
    if ranks.n() == 1 {
        Ok((loss, gradients))
    } else {
        over_ranks(parameters, loss, &gradients, ranks)
    }
}

/// Summed over all ranks, of which each has some people. A parameter without a gradient anywhere is
/// left without.
fn over_ranks(
    parameters: &Parameters,
    loss: f64,
    gradients: &GradStore,
    ranks: &Ranks,
) -> Result<(f64, GradStore), Error> {
    let loss = ranks.sum(vec![loss])[0];
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
    let mut rest = sums.as_slice();
    for (_, var) in parameters.iter() {
        let (of_var, others) = rest.split_at(1 + var.elem_count());
        rest = others;
        if of_var[0] > 0.0 {
            summed.insert(
                var,
                Tensor::from_slice(&of_var[1..], var.shape(), var.device())?,
            );
        }
    }
    Ok((loss, summed))
}

fn of_batch(
    model: &Model,
    parameters: &Parameters,
    data: &Dataset<'_>,
    people: &[usize],
    weights: &Tensor,
    bytes: usize,
) -> Result<(f64, GradStore), Error> {
    let haplotypes: Vec<Vec<u32>> = (0..data.n_loci())
        .map(|locus| data.haplotypes_of(locus, people))
        .collect();
    let pairs = (0..haplotypes.len())
        .map(|locus| data.pairs(locus, people, &haplotypes[locus]))
        .collect::<Result<Vec<_>, _>>()?;
    let pairs: Vec<&[Tensor; 2]> = pairs.iter().collect();
    let covariates = data.covariates(people)?;
    let targets = data.targets(people)?;
    let offsets = data.offsets(people)?;
    let loss_of = |encoded: &[Tensor]| -> Result<Tensor, Error> {
        let logits = model.classify(encoded, &pairs, covariates.as_ref())?;
        let logits = match &offsets {
            Some(offsets) => (logits + offsets)?,
            None => logits,
        };
        Ok(weighted_binary_cross_entropy(&logits, &targets, weights)?)
    };

    let in_groups =
        |locus: usize, haplotypes: &[u32]| encode_in_groups(model, data, locus, haplotypes);
    let parts = parts(model.config(), &haplotypes, bytes);
    let in_parts = |locus: usize, haplotypes: &[u32]| {
        encode_in_chunks(
            model,
            data,
            locus,
            haplotypes,
            haplotypes_at_a_time(model.config(), locus, bytes),
        )
    };
    let loci = || haplotypes.iter().enumerate();
    let mut whole: Vec<Groups> = Vec::new();
    let rows: Vec<Var> = if parts.is_some() {
        loci()
            .map(|(locus, haplotypes)| in_parts(locus, haplotypes))
            .collect::<Result<_, _>>()?
    } else {
        whole = loci()
            .map(|(locus, haplotypes)| in_groups(locus, haplotypes))
            .collect::<Result<_, _>>()?;
        whole.iter().map(Groups::rows).collect::<Result<_, _>>()?
    };
    let loss = loss_of(
        &rows
            .iter()
            .map(|rows| rows.as_tensor().clone())
            .collect::<Vec<_>>(),
    )?;
    let of_all = loss.backward()?;
    let of_rows: Vec<Option<Tensor>> = rows
        .iter()
        .map(|rows| of_all.get(rows).map(Tensor::detach))
        .collect();
    let mut gradients = GradStore::default();
    parameters.add_gradients(&mut gradients, &of_all)?;
    drop(of_all);
    for (groups, of_rows) in whole.into_iter().zip(&of_rows) {
        let Some(of_rows) = of_rows else { continue };
        groups.add_gradients(of_rows, parameters, &mut gradients)?;
    }
    for (locus, range) in parts.unwrap_or_default() {
        let Some(of_rows) = &of_rows[locus] else {
            continue;
        };
        let of_part = of_rows.narrow(0, range.start, range.len())?;
        in_groups(locus, &haplotypes[locus][range])?.add_gradients(
            &of_part,
            parameters,
            &mut gradients,
        )?;
    }
    Ok((f64::from(loss.to_scalar::<f32>()?), gradients))
}

/// Haplotypes of each locus that are encoded together; `None` where all of all loci fit at once.
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
    let of_locus = |(locus, haplotypes): (usize, &Vec<u32>)| {
        let n = haplotypes.len();
        let at_a_time = haplotypes_at_a_time(config, locus, bytes);
        (0..n)
            .step_by(at_a_time)
            .map(move |start| (locus, start..n.min(start + at_a_time)))
            .collect::<Vec<_>>()
    };
    Some(haplotypes.iter().enumerate().flat_map(of_locus).collect())
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

    /// Two loci of 9 and 5 slots with 7 and 4 haplotypes, one absent.
    fn tokens() -> TokenSet {
        let locus = |name: &str, n_slots: usize, n: usize| LocusTokens {
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
        };
        let mut loci = vec![locus("a", 9, 7), locus("b", 5, 4)];
        loci[1].pairs[3][1] = ABSENT_HAPLOTYPE;
        TokenSet {
            samples: (0..N_PEOPLE).map(|person| format!("S{person}")).collect(),
            loci,
        }
    }

    fn cohort() -> Cohort {
        let person = |index: usize| Person {
            sample_id: format!("S{index}"),
            phenotype: Some(if index.is_multiple_of(3) {
                Phenotype::Case
            } else {
                Phenotype::Control
            }),
            split: Split::Train,
            family_id: None,
            covariates: vec![index as f64],
        };
        Cohort {
            people: (0..N_PEOPLE).map(person).collect(),
            covariate_names: vec!["age".into()],
            ..Cohort::default()
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
        let shape = |name: &str, n_slots| LocusShape {
            name: name.into(),
            n_slots,
        };
        Config {
            architecture,
            vocab_size: 12,
            loci: vec![shape("a", 9), shape("b", 5)],
            n_covariates: 1,
        }
    }

    /// Loss and gradients by name.
    fn gradients(
        preset: Preset,
        batch_size: usize,
        bytes: usize,
    ) -> (f64, BTreeMap<String, Vec<f32>>) {
        let tokens = tokens();
        let cohort = cohort();
        let everyone: Vec<usize> = (0..N_PEOPLE).collect();
        let data =
            Dataset::new(&tokens, &cohort, Standardisation::fit(&cohort, &everyone)).unwrap();
        let mut parameters = Parameters::seeded(3);
        let model = Model::new(&config(preset), &mut parameters).unwrap();
        let (loss, store) = of_step(
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
        let of = |(name, var): (&str, &candle_core::Var)| {
            (
                name.to_owned(),
                store
                    .get(var)
                    .unwrap()
                    .flatten_all()
                    .unwrap()
                    .to_vec1::<f32>()
                    .unwrap(),
            )
        };
        (loss, parameters.iter().map(of).collect())
    }

    #[test]
    fn parts_and_batches_give_the_gradients_of_the_whole() {
        for preset in Preset::ALL {
            let (loss, whole) = gradients(preset, N_PEOPLE, usize::MAX);
            assert!(
                whole
                    .values()
                    .all(|values| values.iter().any(|value| value.abs() > 1e-6)),
                "{preset}: a gradient of nothing"
            );
            let three = 3 * bytes_per_haplotype(&config(preset), 0);
            for (batch_size, bytes) in [
                (N_PEOPLE, three),
                (N_PEOPLE, 1),
                (3, usize::MAX),
                (4, three),
            ] {
                let (other_loss, others) = gradients(preset, batch_size, bytes);
                assert!(
                    (loss - other_loss).abs() < 1e-6,
                    "{preset}: {loss} {other_loss}"
                );
                for (name, values) in &whole {
                    let off = values
                        .iter()
                        .zip(&others[name])
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

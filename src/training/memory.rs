//! Memory estimate of a training run, and the check that the machine has it.

use super::{DeviceChoice, Error, Options, Schedule};
use crate::{
    dataset::{HAPLOTYPES_AT_A_TIME, bytes_per_haplotype},
    models::Config,
};
use gf_cohort_schema::counted;
use gf_files::memory::available;

/// Copies of every parameter: weights, gradient and its sum, two moments, best weights, and four of
/// them in a checkpoint while it is written.
const COPIES: usize = 10;

/// Refuses a run that needs more memory than is free now.
///
/// For a run on a GPU only the host memory is checked: the model, and the weights and samples of
/// each member.
///
/// # Errors
/// Too little memory, with the options to lower.
pub fn require(config: &Config, options: &Options, n_people: usize) -> Result<(), Error> {
    let Some(free) = available() else {
        return Ok(());
    };
    let schedule = &options.schedule;
    let on_cpu = options.device == DeviceChoice::Cpu;
    let n_parameters = config.n_parameters();
    let copy_bytes = size_of::<f32>().saturating_mul(n_parameters);
    let batch = if on_cpu {
        batch_bytes(config, schedule)
    } else {
        0
    };
    let current_member = copy_bytes.saturating_mul(if on_cpu { COPIES } else { 1 });
    // Members that are trained before or after keep their weights and the list of their samples.
    let further_members = copy_bytes
        .saturating_add(size_of::<usize>() * n_people)
        .saturating_mul(schedule.n_members() - 1);
    let parameters = current_member.saturating_add(further_members);
    let needed = parameters.saturating_add(batch);
    if needed <= free {
        return Ok(());
    }
    let lower = if current_member.saturating_add(batch) <= free {
        let mut options = Vec::new();
        if schedule.ensemble > 1 {
            options.push("--ensemble");
        }
        if schedule.folds.is_some() {
            options.push("--folds");
        }
        format!(
            "{} ({})",
            options.join(" or "),
            counted(schedule.n_members(), "model", "models")
        )
    } else {
        "--memory, --batch-size or the size of the model".to_owned()
    };
    Err(Error::Memory {
        needed: gb(needed),
        free: gb(free),
        parameters: gb(parameters),
        n_parameters,
        lower,
    })
}

fn gb(bytes: usize) -> f64 {
    bytes as f64 / 1e9
}

/// Memory of the training of one member on a CPU, in bytes: parameters and batches, without tokens.
#[must_use]
pub fn memory_of(config: &Config, schedule: &Schedule) -> usize {
    COPIES
        .saturating_mul(size_of::<f32>())
        .saturating_mul(config.n_parameters())
        .saturating_add(batch_bytes(config, schedule))
}

/// Memory of the encoding of a batch, in bytes.
///
/// It is the larger of two amounts, limited by `memory` but at least one haplotype:
/// - training: all haplotypes of a batch whose samples share none;
/// - prediction: the haplotypes of a locus that are encoded at a time.
fn batch_bytes(config: &Config, schedule: &Schedule) -> usize {
    let locus_bytes: Vec<usize> = (0..config.loci.len())
        .map(|locus| bytes_per_haplotype(config, locus))
        .collect();
    let largest = locus_bytes.iter().copied().max().unwrap_or_default();
    let n_haplotypes = schedule.batch_size.saturating_mul(2);
    let training = locus_bytes
        .iter()
        .map(|bytes| bytes.saturating_mul(n_haplotypes))
        .fold(0, usize::saturating_add);
    training
        .max(largest.saturating_mul(HAPLOTYPES_AT_A_TIME))
        .min(schedule.bytes())
        .max(largest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        models::{Architecture, LocusShape},
        training::Resume,
    };
    use gf_cohort_schema::{CovariateChoice, MissingPolicies, PhenotypeCoding};

    fn config(architecture: Architecture) -> Config {
        let loci = [300, 200]
            .map(|n_slots| LocusShape {
                name: format!("locus of {n_slots}"),
                n_slots,
            })
            .into();
        Config {
            architecture,
            vocab_size: 500,
            loci,
            n_covariates: 3,
        }
    }

    fn options(schedule: Schedule) -> Options {
        Options {
            tokens: "tokens".into(),
            cohort: "cohort.csv".into(),
            phenotype_coding: PhenotypeCoding::Auto,
            covariates: CovariateChoice::Usual,
            missing: MissingPolicies::default(),
            out: "model".into(),
            name: None,
            architecture: Architecture::default(),
            additive: crate::training::AdditiveKind::None,
            deep_terms: crate::training::DeepTerms::default(),
            schedule,
            offset: None,
            init: None,
            device: DeviceChoice::Cpu,
            tensorboard: None,
            resume: Resume::No,
        }
    }

    #[test]
    fn a_model_larger_than_the_machine_is_refused_with_both_numbers() {
        let small = config(Architecture::default());
        let default = options(Schedule::default());
        require(&small, &default, 100).unwrap();
        let huge = config(Architecture {
            hidden: 1 << 20,
            feed_forward: 1 << 20,
            ..Architecture::default()
        });
        let message = require(&huge, &default, 100).unwrap_err().to_string();
        assert!(
            message.contains("training needs about")
                && message.contains("lower --memory, --batch-size"),
            "{message}"
        );
        // The memory of a batch is limited by the haplotypes that there are to encode.
        require(
            &small,
            &options(Schedule {
                memory: usize::MAX,
                ..Schedule::default()
            }),
            100,
        )
        .unwrap();
        let long = Config {
            loci: vec![LocusShape {
                name: "long".into(),
                n_slots: 1 << 28,
            }],
            ..small.clone()
        };
        assert!(
            require(&long, &default, 100).is_err(),
            "one haplotype needs more than the free memory"
        );
        // On a GPU, batches need no host memory, but the model does.
        let cpu = options(Schedule {
            memory: usize::MAX,
            batch_size: 1 << 20,
            ..Schedule::default()
        });
        assert!(require(&small, &cpu, 100).is_err());
        let gpu = Options {
            device: DeviceChoice::Cuda(0),
            ..cpu
        };
        require(&small, &gpu, 100).unwrap();
        assert!(require(&huge, &gpu, 100).is_err());
    }

    #[test]
    fn too_many_models_are_refused_by_the_options_that_ask_for_them() {
        let small = config(Architecture::default());
        for (folds, ensemble, lower) in [
            (None, 100_000_000, "lower --ensemble (100000000 models)"),
            (Some(100_000_000), 1, "lower --folds (100000000 models)"),
            (Some(10), usize::MAX, "lower --ensemble or --folds"),
        ] {
            let options = options(Schedule {
                folds,
                ensemble,
                ..Schedule::default()
            });
            let message = require(&small, &options, 100).unwrap_err().to_string();
            assert!(message.contains(lower), "{message}");
        }
    }
}

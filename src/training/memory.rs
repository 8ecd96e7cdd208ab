//! What a training run needs of the machine's memory, and whether it is there.

use super::{Error, Schedule};
use crate::{
    dataset::bytes_per_haplotype,
    models::{Architecture, AttentionKind, Config, Projection, Sharing},
};

/// Copies of every parameter: weights, gradient and its sum, two moments, best weights, and a checkpoint of four of them while it is written.
const COPIES: usize = 10;

/// Refuses a run that does not fit the memory that is free now, before anything is made.
///
/// # Errors
/// Both numbers, and what to lower.
pub fn require(config: &Config, schedule: &Schedule, n_members: usize) -> Result<(), Error> {
    let Some(free) = available() else { return Ok(()) };
    let n_parameters = n_parameters(config);
    let parameters = size_of::<f32>().saturating_mul(n_parameters).saturating_mul(COPIES + n_members - 1);
    let needed = parameters.saturating_add(of_a_batch(config, schedule));
    if needed <= free {
        return Ok(());
    }
    let gb = |bytes: usize| bytes as f64 / 1e9;
    Err(Error::Memory { needed: gb(needed), free: gb(free), parameters: gb(parameters), n_parameters })
}

/// Encoding the haplotypes of a batch of people of whom no two share one, or as many as `memory` allows.
fn of_a_batch(config: &Config, schedule: &Schedule) -> usize {
    let of_locus = |locus| bytes_per_haplotype(config, locus);
    let one = (0..config.loci.len()).map(of_locus).max().unwrap_or_default();
    let all = (0..config.loci.len()).map(|locus| of_locus(locus).saturating_mul(2 * schedule.batch_size)).fold(0, usize::saturating_add);
    all.min(schedule.bytes()).max(one)
}

/// Values of all parameters that grow with a size; of low-rank layers as if they were dense.
fn n_parameters(config: &Config) -> usize {
    let Architecture { hidden, layers, feed_forward, heads, projected_length, .. } = config.architecture;
    let product = |factors: &[usize]| factors.iter().fold(1_usize, |product, &factor| product.saturating_mul(factor));
    let slots = config.total_slots();
    let projections = match (config.architecture.attention, config.architecture.projection, config.architecture.sharing) {
        (AttentionKind::Linformer, Projection::Learned, Sharing::None) => 2 * heads * layers,
        (AttentionKind::Linformer, Projection::Learned, Sharing::Headwise) => 2 * layers,
        (AttentionKind::Linformer, Projection::Learned, Sharing::KeyValue) => layers,
        (AttentionKind::Linformer, Projection::Learned, Sharing::Layerwise) => 1,
        _ => 0,
    };
    let terms = [
        product(&[config.vocab_size + slots, hidden]),
        product(&[layers, 4, hidden, hidden]),
        product(&[layers, 2, hidden, feed_forward]),
        product(&[projections, projected_length, slots]),
        product(&[2 * config.loci.len() * hidden + config.n_covariates, hidden]),
        product(&[layers, 6 * hidden + feed_forward]),
    ];
    terms.into_iter().fold(0, usize::saturating_add)
}

/// Memory that programs can still have, in bytes, where the system tells.
fn available() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        models::{LocusShape, Model, Preset},
        nn::Parameters,
    };

    fn config(architecture: Architecture) -> Config {
        let loci = [300, 200].map(|n_slots| LocusShape { name: format!("locus of {n_slots}"), n_slots }).into();
        Config { architecture, vocab_size: 500, loci, n_covariates: 3 }
    }

    #[test]
    fn the_count_of_parameters_is_about_right() {
        for preset in Preset::ALL {
            for sharing in [Sharing::None, Sharing::Headwise, Sharing::KeyValue, Sharing::Layerwise] {
                let config = config(Architecture { rank: None, sharing, ..preset.architecture() });
                let mut parameters = Parameters::seeded(1);
                Model::new(&config, &mut parameters).unwrap();
                let ratio = n_parameters(&config) as f64 / parameters.n_values() as f64;
                assert!((0.9..1.1).contains(&ratio), "{preset}, {sharing:?}: {ratio}");
            }
        }
    }

    #[test]
    fn a_model_larger_than_the_machine_is_refused_with_both_numbers() {
        let small = config(Architecture::default());
        require(&small, &Schedule::default(), 1).unwrap();
        let huge = config(Architecture { hidden: 1 << 20, feed_forward: 1 << 20, ..Architecture::default() });
        let message = require(&huge, &Schedule::default(), 1).unwrap_err().to_string();
        assert!(message.contains("training needs about") && message.contains("lower --memory, --batch-size"), "{message}");
        // So much for a batch is only taken if there is so much to encode.
        require(&small, &Schedule { memory: usize::MAX, ..Schedule::default() }, 1).unwrap();
        let long = Config { loci: vec![LocusShape { name: "long".into(), n_slots: 1 << 28 }], ..small };
        assert!(require(&long, &Schedule::default(), 1).is_err(), "one haplotype is more than there is");
    }
}

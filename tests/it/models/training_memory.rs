//! The estimate of what encoding a haplotype takes, by which a batch is divided, against what it
//! takes.
//!
//! Input -> output: models of every preset on long sequences -> peak memory of this process while
//! gradients are computed, for few and for more haplotypes; the difference is held against
//! [`bytes_per_haplotype`]. One test, for nothing else may run in the process.

use std::{fs, process::Command, sync::Arc};

use candle_core::{Device, Tensor};
use gf_genomics::{
    dataset::bytes_per_haplotype,
    models::{Architecture, Config, LocusShape, Model, Preset, Projection, Sharing},
};
use gf_nn::{Parameters, Rank};

/// The test that a process of its own is started for.
const THIS_TEST: &str =
    "models::training_memory::the_estimate_of_memory_holds_for_every_preset_and_axis";
const N_SLOTS: usize = 2_048;

/// Set in the processes that compute and tell their peak: a configuration as JSON, and a number of
/// haplotypes.
const MEASURE: &str = "GF_GENOMICS_TEST_MEASURE";

fn config(architecture: &Architecture) -> Config {
    let architecture = Architecture {
        feed_forward: 4 * architecture.hidden,
        projected_length: 32,
        ..architecture.clone()
    };
    Config {
        architecture,
        vocab_size: 20,
        loci: vec![LocusShape {
            name: "long".into(),
            n_slots: N_SLOTS,
        }],
        n_covariates: 0,
    }
}

/// Computes the gradients of so many haplotypes; the peak memory of this process in bytes.
fn measure(config: &Config, n_haplotypes: usize) -> Option<usize> {
    let model = Model::new(config, &mut Parameters::seeded(1)).unwrap();
    let ids: Vec<u32> = (0..n_haplotypes * N_SLOTS)
        .map(|slot| 4 + (slot * slot % 11) as u32)
        .collect();
    let tokens = Tensor::from_vec(ids, (n_haplotypes, N_SLOTS), &Device::Cpu).unwrap();
    model
        .encode(0, &tokens, &Arc::new(vec![1; n_haplotypes * N_SLOTS]))
        .unwrap()
        .sum_all()
        .unwrap()
        .backward()
        .unwrap();
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(
        line.trim()
            .strip_suffix("kB")?
            .trim()
            .parse::<usize>()
            .ok()?
            * 1_024,
    )
}

/// [`measure`] in a process of its own, for memory that was given back does not lower a peak.
fn peak(config: &Config, n_haplotypes: usize) -> Option<usize> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .env(
            MEASURE,
            serde_json::to_string(&(config, n_haplotypes)).unwrap(),
        )
        .args(["--exact", THIS_TEST, "--nocapture"]);
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{text}");
    text.lines()
        .find_map(|line| line.strip_prefix("peak "))?
        .parse()
        .ok()
}

#[test]
fn the_estimate_of_memory_holds_for_every_preset_and_axis() {
    if let Ok(what) = std::env::var(MEASURE) {
        let (config, n_haplotypes): (Config, usize) = serde_json::from_str(&what).unwrap();
        if let Some(bytes) = measure(&config, n_haplotypes) {
            eprintln!("peak {bytes}");
        }
        return;
    }
    let mut architectures: Vec<Architecture> = Preset::ALL.map(Preset::architecture).into();
    architectures.push(Architecture {
        sharing: Sharing::None,
        ..Architecture::default()
    });
    architectures.push(Architecture {
        projection: Projection::Max,
        ..Architecture::default()
    });
    architectures.push(Architecture {
        rank: Some(Rank::Share(0.5)),
        convolution: true,
        ..Preset::Ecoformer.architecture()
    });
    for architecture in architectures {
        let config = config(&architecture);
        let (Some(few), Some(more)) = (peak(&config, 1), peak(&config, 4)) else {
            eprintln!("SKIPPED: this system does not tell the peak memory of a process");
            return;
        };
        let ratio = (more - few) as f64 / 3.0 / bytes_per_haplotype(&config, 0) as f64;
        assert!(
            (0.4..1.1).contains(&ratio),
            "{ratio:.2} of the estimate for {architecture:?}"
        );
    }
}

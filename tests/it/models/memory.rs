//! A training step needs memory that is linear in the length of the sequence, for every attention:
//! nothing of size n x n is ever stored.
//!
//! Each measurement is the peak of a process of its own (this test, started again), so that neither
//! other tests nor memory kept by the allocator blur it. Read from `/proc`; elsewhere the test is
//! skipped aloud.

use std::{process::Command, sync::Arc};

use candle_core::{Device, Tensor};
use gf_genomics::models::{Config, Input, LocusInput, LocusShape, Model, Preset};
use gf_nn::{Parameters, binary_cross_entropy};

/// The test that a process of its own is started for.
const THIS_TEST: &str = "models::memory::memory_grows_with_the_length_not_with_its_square";
const TASK: &str = "GF_GENOMICS_MEMORY_OF";

/// One forward and backward pass over one haplotype of `n` tokens.
fn step(preset: Preset, n: usize) {
    let loci = vec![LocusShape {
        name: "L".into(),
        n_slots: n,
    }];
    let config = Config {
        architecture: preset.architecture(),
        vocab_size: 20,
        loci,
        n_covariates: 0,
    };
    let model = Model::new(&config, &mut Parameters::seeded(1)).unwrap();
    let tokens = Tensor::from_iter(
        (0..n).map(|slot| (5 + slot * slot % 13) as u32),
        &Device::Cpu,
    )
    .unwrap()
    .reshape((1, n))
    .unwrap();
    let person = Tensor::new(&[0u32], &Device::Cpu).unwrap();
    let input = Input {
        loci: vec![LocusInput {
            tokens,
            mask: Arc::new(vec![1; n]),
            pairs: [person.clone(), person],
        }],
        covariates: None,
    };
    let target = Tensor::new(&[1f32], &Device::Cpu).unwrap();
    binary_cross_entropy(&model.forward(&input).unwrap(), &target)
        .unwrap()
        .backward()
        .unwrap();
}

/// Most memory this process ever had, in kB.
fn peak() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| {
        line.strip_prefix("VmHWM:")?
            .trim()
            .strip_suffix("kB")?
            .trim()
            .parse()
            .ok()
    })
}

#[test]
fn memory_grows_with_the_length_not_with_its_square() {
    if let Ok(task) = std::env::var(TASK) {
        let (preset, n) = task.split_once(' ').unwrap();
        step(
            serde_json::from_value(serde_json::json!(preset)).unwrap(),
            n.parse().unwrap(),
        );
        eprintln!("peak {}", peak().unwrap());
        return;
    }
    if peak().is_none() {
        eprintln!("skipped: there is no /proc/self/status here");
        return;
    }
    let peak_of = |preset: Preset, n: usize| -> f64 {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", THIS_TEST, "--nocapture"])
            .env(TASK, format!("{preset} {n}"))
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&child.stderr).into_owned();
        printed
            .lines()
            .find_map(|line| line.strip_prefix("peak ")?.parse().ok())
            .unwrap_or_else(|| panic!("{printed}"))
    };
    for (preset, n) in [
        (Preset::Transformer, 2_048),
        (Preset::Linformer, 4_096),
        (Preset::Ecoformer, 4_096),
    ] {
        let [one, two, four] = [n, 2 * n, 4 * n].map(|n| peak_of(preset, n));
        // 2 for a line, 4 for a square.
        let growth = (four - two) / (two - one);
        eprintln!(
            "{preset}: {one} kB at {n}, {two} kB at twice and {four} kB at four times that; \
             growth {growth:.2}"
        );
        assert!(
            growth < 2.5,
            "{preset}: {one}, {two} and {four} kB at {n}, {} and {} tokens",
            2 * n,
            4 * n
        );
    }
}

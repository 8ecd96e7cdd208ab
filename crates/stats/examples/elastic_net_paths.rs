//! CPU seconds of elastic-net paths on generated dosages, for a comparison with glmnet.
//!
//! ```text
//! cargo run --release -p gf-stats --example elastic_net_paths -- 12000 253 /tmp/paths
//! Rscript crates/stats/examples/elastic_net_paths.R /tmp/paths
//! ```
//!
//! Arguments: training samples, variants, and optionally a folder for the data. The R script reads
//! the data from this folder, times glmnet on the same penalties and compares the coefficients.
//!
//! Dosages: allele frequencies from 0.01 to 0.5, blocks of 20 variants in LD, 20 causal variants
//! that predict with an AUC of about 0.7. As in `prs`, a path has 40 penalties down to 0.005 times
//! the largest lambda and ends after 8 penalties without a better validation AUC.

use std::{error::Error, fs, path::Path as FilePath, time::Instant};

use gf_stats::regression::elastic_net::{Penalty, Problem};
use gf_stats::roc::auroc;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, ShapeBuilder};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const PATH: usize = 40;
const WEAKEST: f64 = 0.005;
const PATIENCE: usize = 8;
const L1_RATIOS: [f64; 3] = [0.1, 0.5, 0.9];
/// Variants in one block of linkage disequilibrium.
const BLOCK: usize = 20;
/// Correlation of neighbours in a block, on the scale of the normal variables.
const NEIGHBOUR_CORRELATION: f64 = 0.95;
const CAUSAL: usize = 20;
/// Standard deviation of the simulated log-odds; it gives an AUC of about 0.7.
const LOGIT_SD: f64 = 0.8;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [n_samples, n_variants, folder @ ..] = arguments.as_slice() else {
        return Err("usage: elastic_net_paths SAMPLES VARIANTS [FOLDER]".into());
    };
    let data = Data::generated(n_samples.parse()?, n_variants.parse()?);
    let folder = folder.first().map(FilePath::new);
    if let Some(folder) = folder {
        fs::create_dir_all(folder)?;
        write_numbers(
            &folder.join("features.f64"),
            data.training.features.t().iter(),
        )?;
        let labels = data.training.is_case.mapv(|case| f64::from(u8::from(case)));
        write_numbers(&folder.join("is_case.f64"), labels.iter())?;
    }
    println!("l1_ratio\tend\tpenalties\tdosages\tbest_auc\tcpu_s");
    for l1_ratio in L1_RATIOS {
        for patience in [PATIENCE, usize::MAX] {
            let path = fitted_path(&data, l1_ratio, patience)?;
            let end = if patience == PATIENCE {
                "patience"
            } else {
                "all"
            };
            println!(
                "{l1_ratio}\t{end}\t{}\t{}\t{:.9}\t{:.3}",
                path.lambdas.len(),
                path.n_selected,
                path.best_auroc,
                path.seconds
            );
            if let Some(folder) = folder {
                let setting = format!("{l1_ratio}-{end}.f64");
                write_numbers(
                    &folder.join(format!("lambdas-{setting}")),
                    path.lambdas.iter(),
                )?;
                write_numbers(&folder.join(format!("last-{setting}")), path.last.iter())?;
            }
        }
    }
    Ok(())
}

/// A path of fits.
struct FittedPath {
    lambdas: Vec<f64>,
    best_auroc: f64,
    /// Variants with a coefficient in the last fit.
    n_selected: usize,
    /// Intercept and coefficients of the last fit.
    last: Vec<f64>,
    /// CPU seconds of the fits.
    seconds: f64,
}

/// Fits a path as `src/baselines/elastic_net.rs` does.
fn fitted_path(data: &Data, l1_ratio: f64, patience: usize) -> Result<FittedPath, Box<dyn Error>> {
    let problem = Problem {
        features: &data.training.features,
        is_case: &data.training.is_case,
        n_penalised: data.training.features.ncols(),
        sample_weights: None,
    };
    let mut begin = cpu_seconds();
    let mut seconds = 0.0;
    let mut path = problem.path()?;
    let mut solution = path.solution();
    let largest_lambda = path.largest_lambda(l1_ratio);
    let mut lambdas = Vec::new();
    let mut best_auroc = f64::NEG_INFINITY;
    let mut n_not_better = 0;
    for step in 1..=PATH {
        let lambda = largest_lambda * WEAKEST.powf(step as f64 / PATH as f64);
        lambdas.push(lambda);
        solution = path.fit(Penalty::new(lambda, l1_ratio))?;
        seconds += cpu_seconds() - begin;
        let auroc = data.validation.auroc(&solution.coefficients)?;
        n_not_better += 1;
        if auroc > best_auroc {
            best_auroc = auroc;
            n_not_better = 0;
        }
        if n_not_better == patience {
            break;
        }
        begin = cpu_seconds();
    }
    let is_selected = |b: &&f64| **b != 0.0;
    Ok(FittedPath {
        lambdas,
        best_auroc,
        n_selected: solution.coefficients.iter().filter(is_selected).count(),
        seconds,
        last: [vec![solution.intercept], solution.coefficients].concat(),
    })
}

/// Standardised dosages, shape (samples, variants), column-major, and outcomes.
struct Samples {
    features: Array2<f64>,
    is_case: Array1<bool>,
}

impl Samples {
    fn auroc(&self, coefficients: &[f64]) -> Result<f64, Box<dyn Error>> {
        let scores = self.features.dot(&ArrayView1::from(coefficients));
        let labelled = || scores.iter().copied().zip(&self.is_case);
        let cases: Vec<f64> = labelled()
            .filter(|(_, case)| **case)
            .map(|(score, _)| score)
            .collect();
        let controls: Vec<f64> = labelled()
            .filter(|(_, case)| !**case)
            .map(|(score, _)| score)
            .collect();
        Ok(auroc(&cases, &controls)?)
    }
}

struct Data {
    training: Samples,
    validation: Samples,
}

impl Data {
    /// Training samples, and a quarter of their number for validation.
    fn generated(n_training: usize, n_variants: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let n_samples = n_training + n_training / 4;
        let dosages = standardised(dosages(&mut random, n_samples, n_variants), n_training);
        let mut logits = Array1::<f64>::zeros(n_samples);
        for index in 0..CAUSAL {
            let effect = normal(&mut random);
            logits.scaled_add(effect, &dosages.column(index * n_variants / CAUSAL));
        }
        logits *= LOGIT_SD / logits.std(0.0);
        let is_case: Array1<bool> =
            logits.mapv(|logit| random.random::<f64>() < 1.0 / (1.0 + (-logit).exp()));
        let (training, validation) = dosages.view().split_at(Axis(0), n_training);
        let (is_training_case, is_validation_case) = is_case.view().split_at(Axis(0), n_training);
        Self {
            training: Samples {
                features: column_major(training),
                is_case: is_training_case.to_owned(),
            },
            validation: Samples {
                features: column_major(validation),
                is_case: is_validation_case.to_owned(),
            },
        }
    }
}

/// Counts of the minor allele on two haplotypes.
fn dosages(random: &mut ChaCha8Rng, n_samples: usize, n_variants: usize) -> Array2<f64> {
    let thresholds: Vec<f64> = (0..n_variants)
        .map(|_| frequency_threshold(random.random_range(0.01..0.5)))
        .collect();
    let innovation = (1.0 - NEIGHBOUR_CORRELATION * NEIGHBOUR_CORRELATION).sqrt();
    let mut dosages = Array2::zeros((n_samples, n_variants).f());
    for sample in 0..n_samples {
        for _haplotype in 0..2 {
            let mut latent = 0.0;
            for variant in 0..n_variants {
                let fresh = normal(random);
                latent = if variant % BLOCK == 0 {
                    fresh
                } else {
                    NEIGHBOUR_CORRELATION * latent + innovation * fresh
                };
                if latent < thresholds[variant] {
                    dosages[(sample, variant)] += 1.0;
                }
            }
        }
    }
    dosages
}

/// The value below which a standard normal variable is with this probability, by bisection.
fn frequency_threshold(frequency: f64) -> f64 {
    let mut low = -6.0;
    let mut high = 6.0;
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if 0.5 * libm::erfc(-middle / std::f64::consts::SQRT_2) < frequency {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

fn normal(random: &mut ChaCha8Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.random::<f64>()).cos()
}

/// Columns with mean 0 and variance 1 in the training samples.
fn standardised(mut dosages: Array2<f64>, n_training: usize) -> Array2<f64> {
    for mut column in dosages.axis_iter_mut(Axis(1)) {
        let training = column.view().split_at(Axis(0), n_training).0;
        let mean = training.mean().unwrap_or(0.0);
        let sd = training.std(0.0).max(1e-9);
        column.mapv_inplace(|dosage| (dosage - mean) / sd);
    }
    dosages
}

fn column_major(matrix: ArrayView2<'_, f64>) -> Array2<f64> {
    let mut copy = Array2::zeros(matrix.raw_dim().f());
    copy.assign(&matrix);
    copy
}

/// Little-endian numbers, which R reads with `readBin`.
fn write_numbers<'a>(
    path: &FilePath,
    numbers: impl Iterator<Item = &'a f64>,
) -> std::io::Result<()> {
    let bytes: Vec<u8> = numbers.flat_map(|number| number.to_le_bytes()).collect();
    fs::write(path, bytes)
}

/// CPU seconds of this thread on Linux; elsewhere seconds since the first call.
fn cpu_seconds() -> f64 {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let wall = START.get_or_init(Instant::now).elapsed().as_secs_f64();
    fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok())
        .map_or(wall, |nanoseconds| nanoseconds * 1e-9)
}

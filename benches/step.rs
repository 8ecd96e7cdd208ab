//! One step of training, or one forward pass, of any model of the family, timed alone; the rate of
//! plain matrix products in the same process.
//!
//! ```sh
//! cargo bench --bench step -- [--preset linformer] [--batch 4] [--tokens 1024] [--hidden 256] \
//!     [--heads 8] [--layers 4] [--k 128] [--feed-forward 1024] [--mode train|infer] \
//!     [--steps 5] [--threads 2] and axes of the architecture
//! ```
//!
//! Prints one line of JSON: the least and the median milliseconds, operations and peak memory.
//! `peers/engine.py` runs it beside PyTorch.

#![allow(clippy::too_many_lines, reason = "lists of cases")]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a bench may stop

use std::{collections::HashMap, sync::Arc, time::Instant};

use candle_core::{Device, Tensor, backprop::GradStore};
use gf_genomics::{
    models::{Architecture, Config, Input, LocusInput, LocusShape, Model},
    training::{AdamW, Moments, leave_cores_to_ours},
};
use gf_nn::{Parameters, binary_cross_entropy};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    leave_cores_to_ours();
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let options = Options {
        values: arguments
            .chunks_exact(2)
            .map(|pair| (pair[0].trim_start_matches("--"), pair[1].as_str()))
            .collect(),
    };
    rayon::ThreadPoolBuilder::new()
        .num_threads(options.number("threads", 2))
        .build_global()
        .expect("threads");

    let batch = options.number("batch", 4);
    let n = options.number("tokens", 1_024);
    let hidden = options.number("hidden", 256);
    let mut axes = serde_json::json!({
        "preset": options.text("preset", "linformer"),
        "hidden": hidden,
        "layers": options.number("layers", 4),
        "heads": options.number("heads", 8),
        "projected_length": options.number("k", 128),
        "feed_forward": options.number("feed-forward", 4 * hidden),
    });
    for axis in ["attention", "activation", "sharing", "projection"] {
        if let Some(value) = options.values.get(axis) {
            axes[axis] = serde_json::json!(value);
        }
    }
    if let Some(rank) = options.values.get("rank") {
        axes["rank"] = serde_json::json!(rank.parse::<f64>().expect("a rank"));
    }
    let architecture: Architecture = serde_json::from_value(axes).expect("an architecture");
    let vocab_size = options.number("vocabulary", 1_000);
    let config = Config {
        architecture,
        vocab_size,
        loci: vec![LocusShape {
            name: "locus".into(),
            n_slots: n,
        }],
        n_covariates: 0,
    };
    let mut parameters = Parameters::seeded(1);
    let model = Model::new(&config, &mut parameters).expect("a model");
    let ids: Vec<u32> = (0..batch * n)
        .map(|i| (i * 7_919 % vocab_size) as u32)
        .collect();
    let input = Input {
        loci: vec![LocusInput {
            tokens: Tensor::from_vec(ids, (batch, n), &Device::Cpu).expect("tokens"),
            mask: Arc::new(vec![1; batch * n]),
            pairs: [0, 1].map(|shift| {
                Tensor::from_iter(
                    (0..batch as u32).map(|i| (i + shift) % batch as u32),
                    &Device::Cpu,
                )
                .expect("pairs")
            }),
        }],
        covariates: None,
    };
    let targets =
        Tensor::from_iter((0..batch).map(|i| (i % 2) as f32), &Device::Cpu).expect("targets");
    let optimizer = AdamW::new(0.05, 1.0);
    let mut moments = Moments::default();
    let training = options.text("mode", "train") == "train";
    let locus = &input.loci[0];
    let mut step = || {
        if training {
            let groups = model
                .encode_in_groups(0, &locus.tokens, &locus.mask)
                .expect("haplotypes");
            let rows = groups.rows().expect("rows");
            let logits = model
                .classify(&[rows.as_tensor().clone()], &[&locus.pairs], None)
                .expect("logits");
            let of_all = binary_cross_entropy(&logits, &targets)
                .expect("a loss")
                .backward()
                .expect("gradients");
            let mut gradients = GradStore::default();
            parameters
                .add_gradients(&mut gradients, &of_all)
                .expect("gradients");
            groups
                .add_gradients(
                    of_all.get(&rows).expect("of rows"),
                    &parameters,
                    &mut gradients,
                )
                .expect("gradients");
            optimizer
                .step(&parameters, &gradients, &mut moments, 1e-4)
                .expect("a step");
        } else {
            let encoded = model
                .encode_only(0, &locus.tokens, &locus.mask)
                .expect("haplotypes");
            let logits = model
                .classify(&[encoded], &[&locus.pairs], None)
                .expect("logits");
            logits.to_vec1::<f32>().expect("values");
        }
    };
    let n_steps = options.number("steps", 5);
    step();
    let mut milliseconds: Vec<f64> = (0..n_steps)
        .map(|_| {
            let started = Instant::now();
            step();
            started.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    milliseconds.sort_by(f64::total_cmp);
    let gflops = if options.number("matmul", 1) == 1 {
        matmul_gflops(batch * n, hidden)
    } else {
        0.0
    };
    println!(
        "{}",
        serde_json::json!({
            "milliseconds_least": milliseconds[0],
            "milliseconds_median": milliseconds[n_steps / 2],
            "matmul_gflops": gflops,
            "peak_mb": peak_mb(),
        })
    );
}

/// Options of the command line by name, without dashes.
struct Options<'a> {
    values: HashMap<&'a str, &'a str>,
}

impl Options<'_> {
    fn number(&self, name: &str, default: usize) -> usize {
        self.values
            .get(name)
            .map_or(default, |value| value.parse().expect("a number"))
    }

    fn text(&self, name: &str, default: &str) -> String {
        let value = self.values.get(name).copied();
        value.unwrap_or(default).to_owned()
    }
}

/// Rate of the feed-forward layer's product (rows x hidden) (hidden x 4 hidden) and of its two
/// gradients' in candle, best of five rounds.
fn matmul_gflops(rows: usize, hidden: usize) -> f64 {
    let [x, w, dy] = [(rows, hidden), (hidden, 4 * hidden), (rows, 4 * hidden)]
        .map(|shape| Tensor::rand(-1f32, 1.0, shape, &Device::Cpu).expect("a tensor"));
    let repeats = (200_000_000 / (rows * hidden * hidden)).max(1);
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let started = Instant::now();
        for _ in 0..repeats {
            x.matmul(&w).expect("a product");
            dy.matmul(&w.t().expect("transposed")).expect("a product");
            x.t().expect("transposed").matmul(&dy).expect("a product");
        }
        best = best.min(started.elapsed().as_secs_f64());
    }
    (3 * repeats * 2 * rows * hidden * 4 * hidden) as f64 / best / 1e9
}

/// The most memory this process had, in MB; 0 where the system does not say.
fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok())
        .map_or(0.0, |kb| kb / 1024.0)
}

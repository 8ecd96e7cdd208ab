//! Hot paths: haplotypes and tokens of a simulated cohort, and a training step's attention. `cargo
//! bench`.

// criterion generates public functions, and a benchmark may stop with a panic.
#![allow(missing_docs, clippy::expect_used)]

use std::path::Path;

use candle_core::{DType, Device, Tensor, Var};
use criterion::{Criterion, criterion_group, criterion_main};
use gf_genomics::{sequences, simulate, tokens};

fn genomes(criterion: &mut Criterion) {
    let folder = std::env::temp_dir().join("gf-genomics-bench");
    let options = simulate::Options {
        people: 2_000,
        out: folder.clone(),
        ..simulate::Options::default()
    };
    simulate::run(&options).expect("a simulated cohort");
    let file = |name: &str| folder.join(Path::new(name));
    let options = sequences::Options {
        vcf: vec![file("cohort.vcf.gz")],
        format: gf_genotypes::FormatOptions::default(),
        reference: file("reference.fa"),
        regions: gf_haplotypes::Regions::File(file("loci.bed")),
        samples: gf_haplotypes::Samples::All,
        policies: gf_haplotypes::Policies::default(),
        mask: None,
        callable: None,
        skips: None,
    };
    criterion.bench_function("haplotypes: 2,000 people, 33,000 nt", |bench| {
        bench.iter(|| sequences::run(&options).expect("haplotypes"));
    });
    let dictionary = sequences::run(&options).expect("haplotypes").dictionary;
    let training: Vec<usize> = (0..1_200).collect();
    criterion.bench_function("tokens: fit on 1,200 people, encode 2,000", |bench| {
        bench.iter(|| {
            tokens::run(&dictionary, &training, &tokens::Options::default()).expect("tokens")
        });
    });
    std::fs::remove_dir_all(folder).ok();
}

fn attention(criterion: &mut Criterion) {
    let [q, k, v] = [260, 64, 64]
        .map(|rows| Var::randn(0f32, 1f32, (64, rows, 32), &Device::Cpu).expect("a tensor"));
    criterion.bench_function(
        "attention: 64 x 260 x 32 over 64 summaries, forward and backward",
        |bench| {
            bench.iter(|| {
                gf_nn::attention(&q, &k, &v, 4, None)
                    .and_then(|out| out.sum_all())
                    .and_then(|sum| sum.backward())
                    .expect("gradients")
            });
        },
    );
    let gamma = Tensor::ones(32, DType::F32, &Device::Cpu);
    let beta = Tensor::zeros(32, DType::F32, &Device::Cpu);
    let gamma = gamma.expect("ones");
    let beta = beta.expect("zeros");
    criterion.bench_function("layer norm: 64 x 260 x 32, forward and backward", |bench| {
        bench.iter(|| {
            gf_nn::layer_norm(&q, &gamma, &beta, None)
                .and_then(|out| out.sum_all())
                .and_then(|sum| sum.backward())
                .expect("gradients")
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10);
    targets = genomes, attention
}
criterion_main!(benches);

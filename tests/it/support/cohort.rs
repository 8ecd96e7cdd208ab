//! A small simulated cohort, tokenized: all that `training::run` needs.
//!
//! Input -> output: nothing -> a temporary folder with `cohort.csv` and `tokens/`, gone when the
//! [`SmallCohort`] is dropped.

use std::path::{Path, PathBuf};

use gf_cohort_schema::{Cohort, CovariateChoice, MissingPolicies, PhenotypeCoding};
use gf_genomics::{models::Architecture, pipeline, simulate, tokens, training};
use tempfile::TempDir;

/// 120 people (72 of them in the training split) at a locus of 3,000 nt.
pub struct SmallCohort {
    folder: TempDir,
}

impl SmallCohort {
    /// Simulates and tokenizes.
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        let out = folder.path().to_path_buf();
        simulate::run(&simulate::Options {
            people: 120,
            len_nt: 3_000,
            risk: simulate::RiskKind::Null,
            out,
            ..Default::default()
        })
        .unwrap();
        let policies = gf_haplotypes::Policies::default();
        let options = gf_haplotypes::Options {
            vcf: vec![at("cohort.vcf.gz")],
            reference: at("reference.fa"),
            regions: gf_haplotypes::Regions::File(at("loci.bed")),
            samples: gf_haplotypes::Samples::All,
            policies: policies.clone(),
            mask: None,
            callable: None,
            skips: None,
        };
        let (dictionary, _, _) = gf_haplotypes::run(&options).unwrap();
        let cohort = Cohort::read(
            &at("cohort.csv"),
            PhenotypeCoding::Auto,
            &CovariateChoice::Usual,
        )
        .unwrap();
        pipeline::tokenize(
            &dictionary,
            &policies,
            &cohort,
            &tokens::Options {
                min_token_count: 1,
                ..Default::default()
            },
            None,
            &at("tokens"),
        )
        .unwrap();
        Self { folder }
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Trains a small model for a few epochs into the folder `out`.
    pub fn training_options(&self, out: &Path) -> training::Options {
        training::Options {
            tokens: self.path("tokens"),
            cohort: self.path("cohort.csv"),
            phenotype_coding: PhenotypeCoding::Auto,
            covariates: CovariateChoice::Usual,
            missing: MissingPolicies::default(),
            out: out.into(),
            name: None,
            architecture: Architecture {
                layers: 1,
                projected_length: 8,
                feed_forward: 32,
                ..Architecture::default()
            },
            additive: gf_genomics::training::AdditiveKind::None,
            deep_terms: gf_genomics::training::DeepTerms::default(),
            schedule: training::Schedule {
                epochs: 5,
                batch_size: 24,
                ..Default::default()
            },
            offset: None,
            init: None,
            device: training::DeviceChoice::Cpu,
            tensorboard: None,
            resume: training::Resume::No,
        }
    }
}

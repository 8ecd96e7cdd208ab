//! Simulated cohorts, tokenized: all that `training::run` needs.
//!
//! Input -> output: nothing -> a temporary folder with `cohort.csv` and `tokens/`, deleted when the
//! [`SmallCohort`] is dropped.

use std::path::{Path, PathBuf};

use gf_cohort_schema::{Cohort, CovariateChoice, PhenotypeCoding};
use gf_genomics::{models::Architecture, pipeline, sequences, simulate, tokens, training};
use tempfile::TempDir;

/// 120 samples (72 of them in the training split) at a locus of 3,000 nt.
pub struct SmallCohort {
    folder: TempDir,
}

impl SmallCohort {
    /// Simulates and tokenizes.
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        simulate::run(&simulate::Options {
            people: 120,
            len_nt: 3_000,
            risk: simulate::RiskKind::Null,
            out: folder.path().to_path_buf(),
            ..Default::default()
        })
        .unwrap();
        let options = tokens::Options {
            min_token_count: 1,
            ..Default::default()
        };
        tokenize(folder.path(), &options);
        Self { folder }
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Trains a small model for a few epochs into the folder `out`.
    pub fn training_options(&self, out: &Path) -> training::Options {
        training::Options {
            architecture: Architecture {
                layers: 1,
                projected_length: 8,
                feed_forward: 32,
                ..Architecture::default()
            },
            schedule: training::Schedule {
                epochs: 5,
                batch_size: 24,
                ..Default::default()
            },
            ..super::options::training(&self.path("tokens"), &self.path("cohort.csv"), out)
        }
    }
}

/// Writes `tokens/` of a simulated cohort in `folder`, at the loci of its `loci.bed`.
pub fn tokenize(folder: &Path, options: &tokens::Options) {
    let sequence_options = super::options::sequences(folder, "cohort.vcf.gz");
    let dictionary = sequences::run(&sequence_options).unwrap().dictionary;
    let cohort = read_cohort(&folder.join("cohort.csv"));
    let out = folder.join("tokens");
    pipeline::tokenize(
        &dictionary,
        &sequence_options.policies,
        &cohort,
        options,
        None,
        &out,
    )
    .unwrap();
}

/// Reads a cohort table as the commands do by default.
pub fn read_cohort(path: &Path) -> Cohort {
    Cohort::read(path, PhenotypeCoding::Auto, &CovariateChoice::Usual).unwrap()
}

/// Trains a model, which must succeed.
pub fn train(options: &training::Options) -> training::Summary {
    training::run(options, &mut |_| {}).unwrap()
}

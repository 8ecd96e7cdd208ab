//! Options of library calls, with what most tests leave at its default.

use std::path::Path;

use gf_cohort_schema::{CovariateChoice, MissingPolicies, PhenotypeCoding};
use gf_genomics::{models::Architecture, score, sequences, training};

/// Sequences of all samples of `folder/VCF` at the loci of `folder/loci.bed`.
pub fn sequences(folder: &Path, vcf: &str) -> sequences::Options {
    sequences::Options {
        vcf: vec![folder.join(vcf)],
        format: gf_genotypes::FormatOptions::default(),
        reference: folder.join("reference.fa"),
        regions: gf_haplotypes::Regions::File(folder.join("loci.bed")),
        samples: gf_haplotypes::Samples::All,
        policies: gf_haplotypes::Policies::default(),
        mask: None,
        callable: None,
        skips: None,
    }
}

/// Scores of everyone in `cohort` by the model in the folder `model`, strict about missing values.
pub fn score(
    vcf: &Path,
    reference: &Path,
    cohort: &Path,
    model: &Path,
    output: &Path,
) -> score::Options {
    score::Options {
        samples: gf_genotypes::Samples::All,
        vcf: vec![vcf.into()],
        format: gf_genotypes::FormatOptions::default(),
        reference: Some(reference.into()),
        model: model.into(),
        cohort: Some(cohort.into()),
        missing: MissingPolicies::strict(),
        min_overlap: None,
        models: None,
        allow_no_hom_ref: false,
        apply_filters: None,
        device: training::DeviceChoice::Cpu,
        output: output.into(),
    }
}

/// A pure sequence model of the default architecture and schedule, trained on the CPU into `out`.
pub fn training(tokens: &Path, cohort: &Path, out: &Path) -> training::Options {
    training::Options {
        tokens: tokens.into(),
        cohort: cohort.into(),
        phenotype_coding: PhenotypeCoding::Auto,
        covariates: CovariateChoice::Usual,
        missing: MissingPolicies::default(),
        out: out.into(),
        name: None,
        architecture: Architecture::default(),
        additive: training::AdditiveKind::None,
        deep_terms: training::DeepTerms::default(),
        schedule: training::Schedule::default(),
        offset: None,
        init: None,
        device: training::DeviceChoice::Cpu,
        tensorboard: None,
        resume: training::Resume::No,
    }
}

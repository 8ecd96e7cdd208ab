//! Stage: polygenic risk scores of the cohort, the baselines that a sequence model has to beat.
//!
//! Input: VCF/BCF, `cohort.csv`, and scoring files of the PGS Catalog. Output:
//!
//! - `predictions.csv`, with the same rows as the predictions of sequence models;
//! - `weights.csv`, `association.csv`, `match_log.csv`, `raw_scores.csv`, `scores.csv`, `apoe.csv`;
//! - `guards.csv`, and `related_pairs.csv` if there are related samples;
//! - `scoring_files/`, the learned scores in the format of the PGS Catalog;
//! - [`PrsModel`] as `prs_model.json`, to score new samples.
//!
//! Without a cohort, [`scoring::raw_scores`](crate::scoring::raw_scores()) sums published scores.
//!
//! | model | features |
//! |---|---|
//! | `prs-covariates` | the covariates of the cohort alone |
//! | `prs-apoe` | APOE e2 and e4 counts, and the covariates |
//! | `prs-pcs` | the principal components alone, to detect stratification |
//! | `prs-dosages` | all dosages with an L2 penalty, and the covariates |
//! | `prs-ct` | the score of clumping and thresholding, and the covariates |
//! | `prs-elastic-net` | the dosages that an elastic net selects, and the covariates |
//! | `prs-<id>` | a published score, and the covariates |
//! | `prs-<id>-alone` | a published score without the covariates |
//! | `..-no-apoe` | a score without the APOE region, and APOE e2 and e4 counts |
//!
//! Models are fitted on training samples only. The validation split chooses penalties, thresholds
//! and shrinkage. The test split chooses nothing.

mod apoe;
mod association;
mod clumping;
mod elastic_net;
mod error;
mod export;
mod fitting;
mod logistic;
mod model;
mod names;
mod no_fit;
mod options;
mod panel;
mod ridge;
mod selection;
mod study;
mod summary;
mod tables;

pub use self::{
    apoe::{ApoeCounts, ApoeProblem},
    error::Error,
    fitting::WithoutApoe,
    logistic::FitProblem,
    model::{
        AbsentAlleles, AlleleWeight, ApplySummary, Baseline, Feature, ModelProblem, PrsModel,
        Rewritten, Risk, SCHEMA_VERSION, Term,
    },
    names::model_names,
    no_fit::{AurocRow, NoFitSummary, run as without_fit},
    options::{BaselineSettings, LearningVariants, Options, OptionsProblem},
    selection::{Choice, Hyperparameters, Tried},
    summary::Summary,
};

use std::path::PathBuf;

use gf_cohort_schema::{
    ApoeRow, Cohort, CohortSummary, GuardRow, Prediction, Role, Split, WITHOUT_APOE, probability,
    write_predictions,
};

use self::{
    fitting::{Fitted, StudySites, fit_all},
    model::BaselineSamples,
    study::Study,
};
use crate::layout;
use crate::{
    leakage::{kinship, kinship_sites, scores as guards},
    report,
    scoring::{
        ScoreSummary, ScoringFile, build,
        dosages::{self, GenotypeTable, Request, Site},
        positions::Positions,
        published::{self, Score, Scorer, Usable},
        tables as score_tables,
    },
};
use gf_files::{memory, output};
use gf_genotypes::{DisjointRegions, Locus, Position1, VariantFile, VariantRecord, same_contig};

/// Refuses `no_fit`, which has its own entry point, and a folder with a model bundle.
fn require_usable(options: &Options) -> Result<(), Error> {
    if options.no_fit {
        return Err(OptionsProblem::NoFit.into());
    }
    // The `predictions.csv` of the bundle would be overwritten.
    if options.scoring.out.join(layout::CONFIG).exists() {
        let out = options.scoring.out.clone();
        return Err(OptionsProblem::ModelBundle { out }.into());
    }
    Ok(())
}

/// Guards of the published scores: the study that made them, and the direction of the alleles.
fn guards_of_scores(
    options: &Options,
    cohort: &Cohort,
    scores: &[Score<'_>],
) -> Result<Vec<GuardRow>, Error> {
    let study = options.study.as_deref();
    let study_guards = scores
        .iter()
        .map(|score| guards::score_study(cohort, study, score.file));
    let allele_guards = scores
        .iter()
        .filter_map(|score| guards::effect_allele(score.file, &score.frequencies));
    let offset_guards: Vec<GuardRow> = options
        .offset
        .iter()
        .map(|offset| guards::offset_study(study, offset))
        .collect::<Result<_, _>>()?;
    Ok(study_guards
        .chain(allele_guards)
        .chain(offset_guards)
        .collect())
}

/// The results from which the files of the stage are written.
struct Outputs<'o> {
    options: &'o Options,
    cohort: &'o Cohort,
    table: &'o GenotypeTable,
    scoring_files: &'o [ScoringFile],
    scored: &'o Usable<Score<'o>>,
    predictions: &'o [Prediction],
    related_pairs: &'o [kinship::Pair],
    apoe: &'o ApoeResults,
}

impl Outputs<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.options.scoring.out.join(name)
    }

    /// Summarises what was read, fitted and left out.
    fn summary(&self, fitted: &Fitted<'_>, guards: Vec<GuardRow>) -> Summary {
        let files = self.scoring_files.iter();
        let failed_scores = self.scored.failed.iter().chain(&fitted.failed);
        Summary {
            n_people: self.cohort.people.len(),
            cohort: self.cohort.summary(),
            models: fitted
                .baselines
                .iter()
                .map(|baseline| baseline.model.clone())
                .collect(),
            genotypes: self.table.counts.clone(),
            sites_without_training_calls: self.table.not_used.without_calls.len(),
            n_dosages: fitted.associations.len(),
            constant_dosages: fitted.constant_dosages,
            constant_features: fitted.constant_features.clone(),
            apoe_region: self
                .apoe
                .build
                .filter(|_| !fitted.without_apoe.is_empty())
                .map(apoe::region),
            choices: fitted.choices.clone(),
            repeated_covariates: fitted.repeated_covariates.clone(),
            without_apoe: fitted.without_apoe.clone(),
            left_out: fitted.left_out.clone(),
            guards,
            apoe: self
                .apoe
                .calls
                .as_ref()
                .ok()
                .map(|calls| ApoeCounts::count(calls)),
            apoe_left_out: self.apoe.calls.as_ref().err().map(ToString::to_string),
            scores: self.scored.scores.iter().map(ScoreSummary::new).collect(),
            failed_scores: failed_scores.cloned().collect(),
            warnings: self
                .table
                .warnings
                .iter()
                .cloned()
                .chain(self.apoe.warning.clone())
                .chain(files.flat_map(|file| file.warnings.clone()))
                .collect(),
        }
    }

    /// Writes all files of the stage.
    fn write(
        &self,
        summary: &Summary,
        associations: &[(panel::Column<'_>, association::Association)],
        baselines: Vec<Baseline>,
    ) -> Result<(), Error> {
        output::write(&self.path(layout::PREDICTIONS), |out| {
            write_predictions(out, self.predictions)
        })?;
        self.write_scores()?;
        tables::write_weights(&self.path(layout::WEIGHTS), &baselines)?;
        association::write(&self.path(layout::ASSOCIATION), associations)?;
        report::write_guards(&self.path(layout::GUARDS), &summary.guards)?;
        let pairs = self.path(layout::RELATED_PAIRS);
        kinship::write_pairs(&pairs, self.cohort, self.related_pairs)?;
        let apoe_csv = self.path(layout::APOE);
        match &self.apoe.calls {
            Ok(calls) => {
                let rows = apoe_rows(self.cohort, calls);
                crate::tables::write(&apoe_csv, rows)?;
            }
            Err(_) => output::remove_if_there(&apoe_csv)?,
        }
        self.write_models(summary, baselines)
    }

    /// Writes the tables of published scores, or removes those of an earlier run.
    fn write_scores(&self) -> Result<(), Error> {
        if self.scored.scores.is_empty() {
            [layout::RAW_SCORES, layout::SCORES, layout::MATCH_LOG]
                .iter()
                .try_for_each(|name| output::remove_if_there(&self.path(name)))?;
            return Ok(());
        }
        let scores: Vec<&Score<'_>> = self.scored.scores.iter().collect();
        score_tables::write_raw_scores(
            &self.path(layout::RAW_SCORES),
            &self.table.people,
            &scores,
        )?;
        score_tables::write_scores(&self.path(layout::SCORES), &self.scored.scores)?;
        Ok(())
    }

    /// Writes the learned scores as scoring files, and the model that `score` reads.
    fn write_models(&self, summary: &Summary, baselines: Vec<Baseline>) -> Result<(), Error> {
        let learned: Vec<&str> = summary
            .choices
            .iter()
            .map(|choice| choice.model.as_str())
            .collect();
        let origin = export::Origin {
            cohort: self.cohort,
            study: self.options.study.as_deref(),
            genome_build: self.apoe.genome_build.or(self.apoe.build),
        };
        let folder = self.path(layout::SCORING_FILES);
        export::write_scoring_files(&folder, &baselines, &learned, &origin)?;
        let model = PrsModel {
            schema_version: SCHEMA_VERSION,
            genome_build: self.apoe.genome_build,
            min_overlap: self.options.scoring.min_overlap,
            reading: self.options.scoring.matching.reading.clone(),
            filters: self.options.scoring.filters.clone().unwrap_or_default(),
            baselines,
        };
        Ok(output::shareable::write_json(
            &self.path(layout::PRS_MODEL),
            &model,
        )?)
    }
}

/// Fits every baseline and predicts all samples of the cohort.
///
/// # Errors
/// Bad input (see [`Error`]); one class only in the training or validation split; a regression that
/// does not converge.
pub fn run(options: &Options) -> Result<Summary, Error> {
    require_usable(options)?;
    let Inputs {
        cohort,
        scoring_files,
    } = Inputs::read(options)?;
    let regions_file = options.regions_file.as_deref();
    let loci = regions_file.map(gf_genotypes::read_loci).transpose()?;
    let table = read_genotypes(options, &cohort, loci.as_deref(), &scoring_files.scores)?;
    let scored = score_samples(options, &scoring_files, &table, &cohort)?;

    let apoe = ApoeResults::new(&table, options.scoring.genome_build);
    let apoe_calls = apoe.calls.clone().unwrap_or_default();
    let samples = BaselineSamples::new(&table, apoe_calls, Some(&cohort));
    let study = Study::new(&cohort, samples);
    let learned_sites: Vec<&Site> = table
        .sites
        .iter()
        .filter(|site| is_in_loci(loci.as_deref(), &site.contig, site.position))
        .collect();
    require_memory(&cohort, &learned_sites)?;
    let sites = StudySites {
        all: &table.sites,
        learned: &learned_sites,
    };
    let fitted = fit_all(&study, &sites, &scored.scores, apoe.build, options)?;
    let predictions = predict(&cohort, &study.people, &fitted.baselines)?;

    let genome_sites = kinship_sites::read(&kinship_source(options), &cohort)?;
    let kinship::GuardResult {
        rows: mut guards,
        pairs: related_pairs,
    } = kinship::guard(
        &cohort,
        &study.training,
        &table.sites,
        genome_sites.as_deref(),
        options.kinship.as_deref(),
    )?;
    guards.extend(guards_of_scores(options, &cohort, &scored.scores)?);

    let outputs = Outputs {
        options,
        cohort: &cohort,
        table: &table,
        scoring_files: &scoring_files.scores,
        scored: &scored,
        predictions: &predictions,
        related_pairs: &related_pairs,
        apoe: &apoe,
    };
    let summary = outputs.summary(&fitted, guards);
    outputs.write(&summary, &fitted.associations, fitted.baselines)?;
    Ok(summary)
}

/// APOE haplotypes of the cohort, and the genome builds.
struct ApoeResults {
    /// Build of the VCF, if it is known.
    genome_build: Option<gf_genotypes::GenomeBuild>,
    /// Haplotypes of each sample, or why there are none.
    calls: Result<Vec<Option<apoe::ApoeHaplotypes>>, apoe::ApoeProblem>,
    /// Build on which the two variants are present.
    build: Option<gf_genotypes::GenomeBuild>,
    /// Note about records on the other strand or with REF and ALT exchanged.
    warning: Option<String>,
}

impl ApoeResults {
    fn new(table: &GenotypeTable, stated_build: Option<gf_genotypes::GenomeBuild>) -> Self {
        let genome_build = stated_build.or(table.genome_build);
        Self {
            genome_build,
            calls: apoe::haplotypes(&table.sites, genome_build),
            build: apoe::build_of(&table.sites, genome_build),
            warning: apoe::written_otherwise(&table.sites, genome_build),
        }
    }
}

/// The input from which kinships are estimated.
fn kinship_source(options: &Options) -> kinship_sites::Source<'_> {
    kinship_sites::Source {
        vcf: &options.scoring.vcf,
        format: &options.scoring.format,
        reference: options.scoring.matching.reference.as_deref(),
        filters: options.scoring.filters.as_deref(),
        reading: &options.scoring.matching.reading,
        has_regions: options.regions_file.is_some(),
        has_kinships: options.kinship.is_some(),
        variants: options.kinship_variants,
    }
}

/// Checks options and scoring files before there is a cohort, and returns the ids of the files.
///
/// # Errors
/// Those of [`run`] about options and scoring files.
pub fn check_without_cohort(options: &Options) -> Result<Vec<String>, Error> {
    check_options(options)?;
    let files = published::read_scoring_files(&options.scoring, own_names())?;
    if let Some(failed) = files.failed.into_iter().next() {
        return Err(OptionsProblem::Score(failed).into());
    }
    require_files(options)?;
    Ok(files.scores.into_iter().map(|file| file.id).collect())
}

/// Refuses options that contradict each other or a fit.
fn check_options(options: &Options) -> Result<(), Error> {
    options.check()?;
    if options.scoring.matching.no_mean_imputation {
        return Err(OptionsProblem::NoMeanImputation.into());
    }
    Ok(())
}

/// Opens the files that [`run`] reads only after the genotypes.
fn require_files(options: &Options) -> Result<(), Error> {
    if let Some(bed) = &options.scoring.matching.callable {
        gf_genotypes::read_intervals(bed)?;
    }
    for path in options
        .kinship
        .iter()
        .chain(&options.scoring.matching.reference)
    {
        std::fs::File::open(path).map_err(output::at(path))?;
    }
    Ok(())
}

/// The inputs of the stage except the genotypes.
struct Inputs {
    cohort: Cohort,
    scoring_files: Usable<ScoringFile>,
}

impl Inputs {
    /// Checks the options and reads the cohort and the scoring files.
    fn read(options: &Options) -> Result<Self, Error> {
        check_options(options)?;
        if options.no_fit {
            return Ok(Self {
                cohort: no_fit::read_cohort(options)?,
                scoring_files: published::read_scoring_files(&options.scoring, Vec::new())?,
            });
        }
        Ok(Self {
            cohort: read_cohort(options)?,
            scoring_files: published::read_scoring_files(&options.scoring, own_names())?,
        })
    }
}

/// Reads the cohort, with the samples of the genotype files and the offset of the options.
fn read_cohort(options: &Options) -> Result<Cohort, Error> {
    let Options {
        cohort: path,
        phenotype_coding,
        covariates,
        missing,
        ..
    } = options;
    let mut cohort = Cohort::read_as(path, *phenotype_coding, covariates, missing)?;
    options
        .scoring
        .samples
        .retain(&mut cohort.people, |person| &person.sample_id)
        .map_err(|problem| OptionsProblem::Samples {
            cohort: options.cohort.clone(),
            problem,
        })?;
    cohort.keep_present_in(
        &gf_genotypes::samples_of_files(&options.scoring.vcf)?,
        missing.samples,
    )?;
    if let Some(offset) = &options.offset {
        offset.join(&mut cohort)?;
    }
    for split in [Split::Train, Split::Validation] {
        cohort.require_both_classes(split, &options.cohort)?;
    }
    Ok(cohort)
}

/// Checks the inputs of [`run`] without reading genotypes, including the builds of the VCF headers.
/// Returns a summary of the cohort, and the id and number of variants of each scoring file.
///
/// # Errors
/// Those of [`run`], except errors in genotypes.
pub fn check(options: &Options) -> Result<(CohortSummary, Vec<(String, usize)>), Error> {
    let Inputs {
        cohort,
        scoring_files,
    } = Inputs::read(options)?;
    if let Some(failed) = scoring_files.failed.into_iter().next() {
        return Err(OptionsProblem::Score(failed).into());
    }
    require_files(options)?;
    if let Some(kinship) = &options.kinship {
        kinship::read_pairs(kinship, &cohort)?;
    }
    let stated = published::stated_builds(&options.scoring, &scoring_files.scores);
    for path in &options.scoring.vcf {
        build::of_header(&VariantFile::open(path)?, &stated)?;
    }
    Ok((
        cohort.summary(),
        scoring_files
            .scores
            .into_iter()
            .map(|file| (file.id, file.rows.len()))
            .collect(),
    ))
}

/// Number of matrices (samples x dosages) in memory at once: those of the panel, the columns of a
/// regression, its input, and its own copy.
const MATRICES: usize = 4;

/// Refuses a fit that needs more memory than is free now.
fn require_memory(cohort: &Cohort, learned_sites: &[&Site]) -> Result<(), Error> {
    let n_dosages: usize = learned_sites
        .iter()
        .map(|site| site.counted_alts.len())
        .sum();
    let Some(free) = memory::available() else {
        return Ok(());
    };
    let n_people = [Split::Train, Split::Validation]
        .map(|split| cohort.in_split(split).count())
        .iter()
        .sum::<usize>();
    let needed = n_people
        .saturating_mul(n_dosages)
        .saturating_mul(MATRICES * size_of::<f64>());
    if needed <= free {
        return Ok(());
    }
    Err(Error::Memory {
        n_dosages,
        n_people,
        needed: needed as f64 / 1e9,
        free: free as f64 / 1e9,
    })
}

/// Names of this program's baselines without their prefix, which scoring files cannot have.
fn own_names() -> Vec<String> {
    let learned = ["dosages", "ct", "elastic-net"]
        .into_iter()
        .flat_map(|name| [name.to_owned(), format!("{name}{WITHOUT_APOE}")]);
    ["covariates", "pcs", "apoe"]
        .map(String::from)
        .into_iter()
        .chain(learned)
        .collect()
}

/// Rows of `apoe.csv`.
fn apoe_rows<'a>(
    cohort: &'a Cohort,
    calls: &'a [Option<apoe::ApoeHaplotypes>],
) -> impl Iterator<Item = ApoeRow> + 'a {
    cohort
        .people
        .iter()
        .zip(calls)
        .map(|(person, call)| ApoeRow {
            sample_id: person.sample_id.clone(),
            apoe: call.map(apoe::ApoeHaplotypes::genotype),
        })
}

/// Reads the genotypes of the cohort. Records without a call in the training samples go to
/// [`NotUsed::without_calls`](dosages::NotUsed::without_calls).
fn read_genotypes(
    options: &Options,
    cohort: &Cohort,
    loci: Option<&[Locus]>,
    scoring_files: &[ScoringFile],
) -> Result<GenotypeTable, Error> {
    let names: Vec<&str> = cohort
        .people
        .iter()
        .map(|person| person.sample_id.as_str())
        .collect();
    let published = Positions::new(published::positions_of(scoring_files).chain(apoe::positions()));
    let regions = loci.map(|loci| {
        let loci_ranges = loci
            .iter()
            .map(|locus| (locus.contig.as_str(), locus.range()));
        DisjointRegions::new(loci_ranges.chain(published.regions(usize::MAX)))
    });
    let is_published = |record: &VariantRecord| published.has(record);
    let is_wanted = |record: &VariantRecord| {
        is_in_loci(loci, &record.contig, record.position) || published.has(record)
    };
    let request = Request {
        paths: &options.scoring.vcf,
        format: Some(&options.scoring.format),
        regions: regions.as_ref(),
        people: Some(&names),
        samples: None,
        wanted: Some(&is_wanted),
        filters: options.scoring.filters.as_deref(),
        keep_unused: Some(&is_published),
        reference: options.scoring.matching.reference.as_deref(),
        builds: &published::stated_builds(&options.scoring, scoring_files),
    };
    let mut table = GenotypeTable::read_as(&request, &options.scoring.matching.reading)?;
    if table.counts.records == 0 {
        return Err(Error::NoRecords {
            vcf: options.scoring.vcf.clone(),
            regions_file: options.regions_file.clone(),
        });
    }
    let training: Vec<usize> = cohort
        .in_split(Split::Train)
        .map(|(person, _)| person)
        .collect();
    (table.sites, table.not_used.without_calls) = std::mem::take(&mut table.sites)
        .into_iter()
        .partition(|site| site.frequency(0, &training).is_some());
    let reference_calls = dosages::reference_calls(
        &table.not_used.without_alt,
        &table.sites,
        published::alleles_of(scoring_files).chain(apoe::alleles()),
    );
    table.sites.extend(reference_calls);
    Ok(table)
}

/// Whether a position is in a locus; always true without loci.
fn is_in_loci(loci: Option<&[Locus]>, contig: &str, position: Position1) -> bool {
    loci.is_none_or(|loci| {
        loci.iter().any(|locus| {
            locus.range().contains(position.to_zero_based()) && same_contig(&locus.contig, contig)
        })
    })
}

/// Matches and sums every scoring file and writes `match_log.csv`. The log is written also if too
/// few variants match, because it has the reasons.
fn score_samples<'f>(
    options: &'f Options,
    scoring_files: &'f Usable<ScoringFile>,
    table: &GenotypeTable,
    cohort: &Cohort,
) -> Result<Usable<Score<'f>>, Error> {
    let files = &scoring_files.scores;
    let not_read = scoring_files.failed.clone();
    if files.is_empty() {
        return Ok(Usable {
            scores: Vec::new(),
            failed: not_read,
        });
    }
    let training = cohort
        .in_split(Split::Train)
        .map(|(person, _)| person)
        .collect();
    let mut scorer = Scorer::new(files, &options.scoring, table.people.len(), training)?;
    scorer.add(&table.sites)?;
    let scores = scorer.finish(&table.sites, &table.not_used)?;
    let log = options.scoring.out.join(layout::MATCH_LOG);
    let logged: Vec<&Score<'_>> = scores.iter().flatten().collect();
    score_tables::write_match_log(&log, &logged, &table.sites, &options.scoring)?;
    Ok(published::usable(
        published::with_enough(scores, files, &table.not_used, &options.scoring, &log),
        not_read,
    )?)
}

/// Predicts every sample of the cohort by every baseline.
fn predict(
    cohort: &Cohort,
    people: &BaselineSamples<'_>,
    baselines: &[Baseline],
) -> Result<Vec<Prediction>, Error> {
    let mut predictions = Vec::with_capacity(baselines.len() * cohort.people.len());
    for baseline in baselines {
        for (person, logit) in cohort.people.iter().zip(baseline.logits(people)?) {
            predictions.push(Prediction {
                role: Role::of_own(&baseline.model),
                sample_id: person.sample_id.clone(),
                model: baseline.model.clone(),
                split: person.split,
                fold: None,
                phenotype: person.phenotype,
                logit,
                probability: probability(logit),
            });
        }
    }
    Ok(predictions)
}

#[cfg(test)]
mod tests;

//! Stage: what do polygenic risk scores say about the same people? The baselines that a sequence
//! model has to beat.
//!
//! Input -> output: VCF/BCF + `cohort.csv` + scoring files of the PGS Catalog -> `predictions.csv`
//! (the rows that sequence models write too), `weights.csv`, `association.csv`, `match_log.csv`,
//! `raw_scores.csv`, `scores.csv`, `apoe.csv`, `guards.csv` (with `related_pairs.csv`, where there
//! are any), `scoring_files/`, and [`PrsModel`] as `prs_model.json`, for new people.
//! Without a cohort, [`scoring::raw_scores`](crate::scoring::raw_scores()) sums published scores only.
//!
//! | model | what |
//! |---|---|
//! | `prs-covariates` | the covariates of the cohort alone |
//! | `prs-apoe` | APOE e2 and e4 counts, and the covariates |
//! | `prs-pcs` | the principal components alone: a probe for stratification |
//! | `prs-dosages` | every dosage, L2-penalised, and the covariates |
//! | `prs-ct` | the alleles that clumping and thresholding leaves, weighted by their association, and the covariates |
//! | `prs-elastic-net` | the dosages that an elastic net leaves, and the covariates |
//! | `prs-<id>` | a published score, and the covariates |
//! | `prs-<id>-alone` | the score without the covariates, where there are any |
//! | `..-no-apoe` | each of the scores but the one alone, without the APOE region, with APOE e2 and e4 counts instead |
//!
//! Only training people are fitted on; the validation split chooses penalties, thresholds and
//! shrinkage; the test split chooses nothing. Coordinates: positions are 1-based.

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
    apoe::ApoeCounts,
    association::ASSOCIATION_COLUMNS,
    error::Error,
    fitting::WithoutApoe,
    model::{
        AbsentAlleles, AlleleWeight, ApplySummary, Baseline, Feature, PrsModel, Rewritten, Risk,
        SCHEMA_VERSION, Term,
    },
    names::model_names,
    no_fit::{AREA_COLUMNS, AurocRow, NoFitSummary, run as without_fit},
    options::{BaselineSettings, LearningVariants, Options},
    selection::{Choice, Hyperparameters, Tried},
    summary::Summary,
    tables::WEIGHT_COLUMNS,
};

use std::path::PathBuf;

use gf_cohort_schema::{
    ApoeRow, Cohort, CohortSummary, GuardRow, Prediction, Role, Split, WITHOUT_APOE, probability,
    write_predictions,
};

use self::{fitting::fit_all, model::BaselineSamples, study::Study};
use crate::layout;
use crate::{
    leakage::{kinship, kinship_sites, scores as guards},
    report,
    scoring::{
        FailedScore, ScoreSummary, ScoringFile, build,
        dosages::{self, GenotypeTable, Request, Site},
        positions::Positions,
        published::{self, Score, Scorer, Usable},
        tables as score_tables,
    },
};
use gf_files::{memory, output};
use gf_genotypes::{DisjointRegions, Locus, VariantFile, VariantRecord, same_contig};

fn require_usable(options: &Options) -> Result<(), Error> {
    if options.no_fit {
        let reason = "no_fit sums published scores and fits nothing: it is a way of its own to \
                      run this stage";
        return Err(Error::Options {
            reason: reason.into(),
        });
    }
    // Its `predictions.csv` would be overwritten.
    if options.scoring.out.join(layout::CONFIG).exists() {
        let reason = format!(
            "{} holds a model bundle; choose another folder for the baselines (--out)",
            options.scoring.out.display()
        );
        return Err(Error::Options { reason });
    }
    Ok(())
}

/// Guards of the published scores: who made them, and which allele is the effect allele.
fn guards_of_scores(
    options: &Options,
    cohort: &Cohort,
    scores: &[Score<'_>],
) -> Result<Vec<GuardRow>, Error> {
    let study = options.study.as_deref();
    let of_study = scores
        .iter()
        .map(|score| guards::score_study(cohort, study, score.file));
    let of_alleles = scores
        .iter()
        .filter_map(|score| guards::effect_allele(score.file, &score.frequencies));
    let of_offset = options
        .offset
        .iter()
        .map(|offset| guards::offset_study(study, offset));
    let of_offset: Vec<GuardRow> = of_offset.collect::<Result<_, _>>()?;
    Ok(of_study.chain(of_alleles).chain(of_offset).collect())
}

/// What the files of the stage are written from.
struct Outputs<'o> {
    options: &'o Options,
    cohort: &'o Cohort,
    table: &'o GenotypeTable,
    scores: &'o [Score<'o>],
    predictions: &'o [Prediction],
    related_pairs: &'o [kinship::Pair],
    apoe: Option<&'o [Option<apoe::ApoeHaplotypes>]>,
    genome_build: Option<gf_genotypes::GenomeBuild>,
    apoe_build: Option<gf_genotypes::GenomeBuild>,
}

impl Outputs<'_> {
    fn path(&self, name: &str) -> PathBuf {
        self.options.scoring.out.join(name)
    }

    fn write(
        &self,
        summary: &Summary,
        associations: Vec<(panel::Column<'_>, association::Association)>,
        baselines: Vec<Baseline>,
    ) -> Result<(), Error> {
        output::write(&self.path(layout::PREDICTIONS), |out| {
            write_predictions(out, self.predictions)
        })?;
        self.write_scores()?;
        tables::write_weights(&self.path(layout::WEIGHTS), &baselines)?;
        let (columns, associations): (Vec<_>, Vec<_>) = associations.into_iter().unzip();
        association::write(&self.path(layout::ASSOCIATION), &columns, &associations)?;
        report::write_guards(&self.path(layout::GUARDS), &summary.guards)?;
        let pairs = self.path(layout::RELATED_PAIRS);
        kinship::write_pairs(&pairs, self.cohort, self.related_pairs)?;
        let apoe_csv = self.path(layout::APOE);
        match self.apoe {
            Some(calls) => {
                let rows = apoe_rows(self.cohort, calls);
                output::write_csv(&apoe_csv, gf_cohort_schema::columns::<ApoeRow>(), rows)?;
            }
            None => output::remove_if_there(&apoe_csv)?,
        }
        self.write_models(summary, baselines)
    }

    /// Tables of published scores; without any, those of an earlier run are removed.
    fn write_scores(&self) -> Result<(), Error> {
        if self.scores.is_empty() {
            [layout::RAW_SCORES, layout::SCORES, layout::MATCH_LOG]
                .iter()
                .try_for_each(|name| output::remove_if_there(&self.path(name)))?;
            return Ok(());
        }
        let scores: Vec<&Score<'_>> = self.scores.iter().collect();
        score_tables::write_raw_scores(
            &self.path(layout::RAW_SCORES),
            &self.table.people,
            &scores,
        )?;
        score_tables::write_scores(&self.path(layout::SCORES), self.scores)?;
        Ok(())
    }

    /// The learned scores as scoring files, and the model that `score` reads.
    fn write_models(&self, summary: &Summary, baselines: Vec<Baseline>) -> Result<(), Error> {
        let learned: Vec<&str> = summary
            .choices
            .iter()
            .map(|choice| choice.model.as_str())
            .collect();
        let origin = export::Origin {
            cohort: self.cohort,
            study: self.options.study.as_deref(),
            genome_build: self.genome_build.or(self.apoe_build),
        };
        let folder = self.path("scoring_files");
        export::write_scoring_files(&folder, &baselines, &learned, &origin)?;
        let model = PrsModel {
            schema_version: SCHEMA_VERSION,
            genome_build: self.genome_build,
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

/// Fits every baseline and predicts everyone.
///
/// # Errors
/// Bad input (see [`Error`]); one class only in the training or validation split; a regression that
/// does not converge.
pub fn run(options: &Options) -> Result<Summary, Error> {
    require_usable(options)?;
    let (cohort, read) = inputs(options)?;
    let Usable {
        scores: scoring_files,
        failed: not_read,
    } = read;
    let regions_file = options.regions_file.as_deref();
    let loci = regions_file.map(gf_genotypes::read_loci).transpose()?;
    let (table, sites_without_training_calls) =
        read_genotypes(options, &cohort, loci.as_deref(), &scoring_files)?;
    let Usable {
        scores,
        failed: not_scored,
    } = score_people(options, &scoring_files, &table, &cohort, not_read)?;

    let genome_build = options.scoring.genome_build.or(table.genome_build);
    let apoe = apoe::haplotypes(&table.sites, genome_build);
    let apoe_calls = apoe.as_ref().map_or_else(|_| Vec::new(), Clone::clone);
    let apoe_written = apoe::written_otherwise(&table.sites, genome_build);
    let apoe_build = apoe::build_of(&table.sites, genome_build);
    let study = Study::new(
        &cohort,
        BaselineSamples::new(&table, apoe_calls, Some(&cohort)),
    );
    let is_in_loci = |site: &Site| {
        loci.as_ref()
            .is_none_or(|loci| is_inside(loci, &site.contig, site.position))
    };
    require_memory(
        &cohort,
        table
            .sites
            .iter()
            .filter(|site| is_in_loci(site))
            .map(|site| site.counted_alts.len())
            .sum(),
    )?;
    let fitted = fit_all(
        &study,
        &table.sites,
        is_in_loci,
        &scores,
        apoe_build,
        options,
    )?;
    let predictions = predict(&cohort, &study.people, &fitted.baselines)?;
    let of_genome = kinship_sites::read(&kinship_source(options), &cohort)?;
    let kinship::GuardResult {
        rows: mut guards,
        pairs,
    } = kinship::guard(
        &cohort,
        &study.training,
        &table.sites,
        of_genome.as_deref(),
        options.kinship.as_deref(),
    )?;
    guards.extend(guards_of_scores(options, &cohort, &scores)?);

    let summary = Summary {
        n_people: cohort.people.len(),
        cohort: cohort.summary(),
        models: fitted
            .baselines
            .iter()
            .map(|baseline| baseline.model.clone())
            .collect(),
        genotypes: table.counts.clone(),
        sites_without_training_calls,
        n_dosages: fitted.associations.len(),
        constant_dosages: fitted.constant_dosages,
        constant_features: fitted.constant_features,
        apoe_region: apoe_build
            .filter(|_| !fitted.without_apoe.is_empty())
            .map(apoe::region),
        choices: fitted.choices,
        repeated_covariates: fitted.repeated_covariates,
        without_apoe: fitted.without_apoe,
        left_out: fitted.left_out,
        guards,
        apoe: apoe.as_ref().ok().map(|calls| ApoeCounts::count(calls)),
        apoe_left_out: apoe.as_ref().err().cloned(),
        scores: scores.iter().map(ScoreSummary::new).collect(),
        failed_scores: not_scored.into_iter().chain(fitted.failed).collect(),
        warnings: table
            .warnings
            .iter()
            .cloned()
            .chain(apoe_written)
            .chain(scoring_files.iter().flat_map(|file| file.warnings.clone()))
            .collect(),
    };
    let associations = fitted.associations;
    let baselines = fitted.baselines;
    Outputs {
        options,
        cohort: &cohort,
        table: &table,
        scores: &scores,
        predictions: &predictions,
        related_pairs: &pairs,
        apoe: apoe.as_deref().ok(),
        genome_build,
        apoe_build,
    }
    .write(&summary, associations, baselines)?;
    Ok(summary)
}

/// Where kinships are worked out from.
fn kinship_source(options: &Options) -> kinship_sites::Source<'_> {
    kinship_sites::Source {
        vcf: &options.scoring.vcf,
        filters: options.scoring.filters.as_deref(),
        reading: &options.scoring.matching.reading,
        has_regions: options.regions_file.is_some(),
        has_kinships: options.kinship.is_some(),
        variants: options.kinship_variants,
    }
}

/// Refuses options that make no sense, and scoring files that cannot be read, before there is a
/// cohort; the ids of the scoring files.
///
/// # Errors
/// As [`run`].
pub fn check_without_cohort(options: &Options) -> Result<Vec<String>, Error> {
    check_options(options)?;
    let files = published::read_scoring_files(&options.scoring, own_names())?;
    if let Some(FailedScore { reason, .. }) = files.failed.into_iter().next() {
        return Err(Error::Options { reason });
    }
    require_files(options)?;
    Ok(files.scores.into_iter().map(|file| file.id).collect())
}

fn check_options(options: &Options) -> Result<(), Error> {
    options.check()?;
    if options.scoring.matching.no_mean_imputation {
        let reason = "no_mean_imputation goes without a cohort only: a fitted baseline has to \
                      give a value to everyone";
        return Err(Error::Options {
            reason: reason.into(),
        });
    }
    Ok(())
}

/// Further files that are only read when the genotypes are there.
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

/// What is refused before genotypes are read: options, a cohort, scoring files.
fn inputs(options: &Options) -> Result<(Cohort, Usable<ScoringFile>), Error> {
    check_options(options)?;
    if options.no_fit {
        let cohort = no_fit::read_cohort(options)?;
        return Ok((
            cohort,
            published::read_scoring_files(&options.scoring, Vec::new())?,
        ));
    }
    let Options {
        cohort: path,
        phenotype_coding,
        covariates,
        missing,
        ..
    } = options;
    let mut cohort = Cohort::read_as(path, *phenotype_coding, covariates, missing)?;
    let kept = options
        .scoring
        .samples
        .retain(&mut cohort.people, |person| &person.sample_id);
    kept.map_err(|reason| Error::Options {
        reason: format!("{}: {reason}", options.cohort.display()),
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
    Ok((
        cohort,
        published::read_scoring_files(&options.scoring, own_names())?,
    ))
}

/// Refuses what [`run`] would refuse without reading genotypes, the builds of the VCF headers
/// included; says who is in the cohort and how many variants each scoring file has.
///
/// # Errors
/// As [`run`].
pub fn check(options: &Options) -> Result<(CohortSummary, Vec<(String, usize)>), Error> {
    let (
        cohort,
        Usable {
            scores: scoring_files,
            failed,
        },
    ) = inputs(options)?;
    if let Some(FailedScore { reason, .. }) = failed.into_iter().next() {
        return Err(Error::Options { reason });
    }
    require_files(options)?;
    if let Some(kinship) = &options.kinship {
        kinship::read_pairs(kinship, &cohort)?;
    }
    let stated = published::stated_builds(&options.scoring, &scoring_files);
    for path in &options.scoring.vcf {
        build::of_header(&VariantFile::open(path)?, &stated)?;
    }
    Ok((
        cohort.summary(),
        scoring_files
            .into_iter()
            .map(|file| (file.id, file.rows.len()))
            .collect(),
    ))
}

/// Matrices of people by dosages that there are at once: of the panel, a regression's columns, what
/// it is given of them, and its own copy.
const MATRICES: usize = 4;

/// Refuses a fit that does not fit the memory that is free now.
fn require_memory(cohort: &Cohort, n_dosages: usize) -> Result<(), Error> {
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
    let gb = |bytes: usize| bytes as f64 / 1e9;
    Err(Error::Memory {
        n_dosages,
        n_people,
        needed: gb(needed),
        free: gb(free),
    })
}

/// Names, without their prefix, that scoring files cannot have.
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

fn apoe_rows<'a>(
    cohort: &'a Cohort,
    calls: &'a [Option<apoe::ApoeHaplotypes>],
) -> impl Iterator<Item = ApoeRow> + 'a {
    let row =
        |(person, call): (&gf_cohort_schema::Person, &Option<apoe::ApoeHaplotypes>)| ApoeRow {
            sample_id: person.sample_id.clone(),
            apoe: call.map(apoe::ApoeHaplotypes::genotype),
        };
    cohort.people.iter().zip(calls).map(row)
}

/// Genotypes of the cohort, without records that no training person has a call at, and how many
/// those were.
fn read_genotypes(
    options: &Options,
    cohort: &Cohort,
    loci: Option<&[Locus]>,
    scoring_files: &[ScoringFile],
) -> Result<(GenotypeTable, usize), Error> {
    let people: Vec<&str> = cohort
        .people
        .iter()
        .map(|person| person.sample_id.as_str())
        .collect();
    let scored = Positions::new(published::positions_of(scoring_files));
    let published = Positions::new(scored.iter().chain(apoe::positions()));
    let regions = loci.map(|loci| {
        let of_loci = loci
            .iter()
            .map(|locus| (locus.contig.as_str(), locus.start0..locus.end0));
        DisjointRegions::new(of_loci.chain(published.regions(usize::MAX)))
    });
    let wanted = |record: &VariantRecord| {
        loci.is_none_or(|loci| is_inside(loci, &record.contig, record.position))
            || published.has(record)
    };
    let is_asked_for = |record: &VariantRecord| published.has(record);
    let request = Request {
        paths: &options.scoring.vcf,
        regions: regions.as_ref(),
        people: Some(&people),
        samples: None,
        wanted: Some(&wanted),
        filters: options.scoring.filters.as_deref(),
        keep_unused: Some(&is_asked_for),
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
    let is_called = |site: &Site| site.frequency(0, &training).is_some();
    let (called, not_called): (Vec<Site>, Vec<Site>) = std::mem::take(&mut table.sites)
        .into_iter()
        .partition(is_called);
    table.sites = called;
    let left_out = not_called.len();
    table.not_used.without_calls = not_called;
    let asked = published::alleles_of(scoring_files).chain(apoe::asked());
    let reference_calls =
        dosages::reference_calls(&table.not_used.without_alt, &table.sites, asked);
    table.sites.extend(reference_calls);
    Ok((table, left_out))
}

fn is_inside(loci: &[Locus], contig: &str, position: usize) -> bool {
    loci.iter().any(|locus| {
        (locus.start0..locus.end0).contains(&(position - 1)) && same_contig(&locus.contig, contig)
    })
}

/// Matches and sums every scoring file and writes `match_log.csv`, also when too few variants
/// match: it says why.
fn score_people<'f>(
    options: &'f Options,
    files: &'f [ScoringFile],
    table: &GenotypeTable,
    cohort: &Cohort,
    not_read: Vec<FailedScore>,
) -> Result<Usable<Score<'f>>, Error> {
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

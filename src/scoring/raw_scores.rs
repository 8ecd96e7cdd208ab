//! Raw sums of published scores, without a cohort table and without fitted models.
//!
//! Input: VCF/BCF and scoring files. Output: `raw_scores.csv` and `match_log.csv`. The VCF files
//! are read once, in batches, so that the memory for genotypes does not grow with the number of
//! variants.

use std::fmt;

use serde::Serialize;

use crate::layout;
use crate::scoring::{
    Error, Options, OptionsProblem,
    dosages::{self, GenotypeTable, ReadCounts, Request, Site},
    genotypes::Genotypes,
    positions::Positions,
    published::{self, FailedScore, Score, ScoreSummary, Scorer},
    scoring_file::ScoringFile,
    tables,
};
use gf_cohort_schema::counted;
use gf_files::output;
use gf_genotypes::{DisjointRegions, VariantRecord};

/// Bytes of genotypes in memory at once. A larger batch is slower, because its memory must be
/// cleared first.
const BATCH_BYTES: usize = 1 << 23;
/// Positions at most this far apart (nt) are read as one region, to query an index less often.
const MAX_GAP_NT: usize = 1_000;

/// Summary of the scores and of the genotypes read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RawSummary {
    /// Number of samples scored.
    pub n_people: usize,
    /// Counts of records and genotypes.
    pub genotypes: ReadCounts,
    /// Match results of each score.
    pub scores: Vec<ScoreSummary>,
    /// Scores that could not be used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed_scores: Vec<FailedScore>,
    /// Warnings about the input files.
    pub warnings: Vec<String>,
}

impl fmt::Display for RawSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.warnings
            .iter()
            .try_for_each(|warning| writeln!(f, "warning: {warning}"))?;
        let ids: Vec<&str> = self.scores.iter().map(|score| score.id.as_str()).collect();
        writeln!(
            f,
            "{} scored by {}",
            counted(self.n_people, "sample", "samples"),
            ids.join(", ")
        )?;
        self.scores
            .iter()
            .try_for_each(|score| write!(f, "{score}"))?;
        published::write_failed(f, &self.failed_scores)?;
        dosages::write_read_counts(f, &self.genotypes)
    }
}

impl RawSummary {
    /// The summary with a note that no cohort is given.
    #[must_use]
    pub fn without_cohort(&self) -> String {
        format!(
            "{self}no cohort table is given (--cohort), so there are only raw scores, without \
             covariates, baselines or predictions\n"
        )
    }
}

/// Scores all samples of the files.
///
/// # Errors
/// Bad input (see [`Error`]); no scoring file; missing genotypes without an allele frequency.
pub fn run(options: &Options) -> Result<RawSummary, Error> {
    options.check()?;
    summed(options, None, |_, _| Ok(()))
}

/// Writes `match_log.csv` and `raw_scores.csv` for the samples `people`, or for all samples. `then`
/// receives the sample names and the scores.
///
/// # Errors
/// Those of [`run`] and of `then`.
pub fn summed(
    options: &Options,
    people: Option<&[&str]>,
    then: impl FnOnce(&[String], &[Score<'_>]) -> Result<(), Error>,
) -> Result<RawSummary, Error> {
    if options.scoring_files.is_empty() {
        return Err(OptionsProblem::NoScoringFile.into());
    }
    let input = published::read_scoring_files(options, Vec::new())?;
    let files = input.scores;
    let summed = sum_scores(options, &files, people)?;
    write_tables(options, &summed)?;
    let SummedScores { table, scores, .. } = summed;
    let log = options.out.join(layout::MATCH_LOG);
    let usable = published::usable(
        published::with_enough(scores, &files, &table.not_used, options, &log),
        input.failed,
    )?;
    then(&table.people, &usable.scores)?;
    Ok(RawSummary {
        n_people: table.people.len(),
        genotypes: table.counts,
        scores: usable.scores.iter().map(ScoreSummary::new).collect(),
        failed_scores: usable.failed,
        warnings: table
            .warnings
            .into_iter()
            .chain(files.iter().flat_map(|file| file.warnings.clone()))
            .collect(),
    })
}

/// Scores of all samples, and the records they come from.
struct SummedScores<'f> {
    /// Sample names, counts, warnings and unused records; the sites were moved to `sites`.
    table: GenotypeTable,
    /// All usable sites, without genotypes.
    sites: Vec<Site>,
    /// One score per file.
    scores: Vec<Result<Score<'f>, Error>>,
}

/// Reads the genotypes in batches and sums the scores of all files.
fn sum_scores<'f>(
    options: &'f Options,
    files: &'f [ScoringFile],
    people: Option<&[&str]>,
) -> Result<SummedScores<'f>, Error> {
    let positions = Positions::new(published::positions_of(files));
    let regions = DisjointRegions::new(positions.regions(MAX_GAP_NT));
    let request = Request {
        paths: &options.vcf,
        format: Some(&options.format),
        regions: Some(&regions),
        people,
        samples: Some(&options.samples),
        wanted: Some(&|record: &VariantRecord| positions.has(record)),
        filters: options.filters.as_deref(),
        keep_unused: Some(&|_| true),
        reference: options.matching.reference.as_deref(),
        builds: &published::stated_builds(options, files),
    };
    // The scorer needs the number of samples, which the first batch has.
    let mut scorer: Option<Scorer<'_>> = None;
    let mut sites: Vec<Site> = Vec::new();
    let reading = &options.matching.reading;
    let table = GenotypeTable::in_batches(&request, reading, BATCH_BYTES, |table| {
        let scorer = match &mut scorer {
            Some(scorer) => scorer,
            none => none.insert(scorer_of_all(files, options, table.people.len())?),
        };
        scorer.add(&table.sites)?;
        // The match log needs the IDs and alleles, not the genotypes.
        sites.extend(table.sites.drain(..).map(|site| Site {
            genotypes: Genotypes::none(),
            ..site
        }));
        Ok(())
    })?;
    let mut scorer = match scorer {
        Some(scorer) => scorer,
        None => scorer_of_all(files, options, table.people.len())?,
    };
    let requested = published::alleles_of(files);
    let reference_calls = dosages::reference_calls(&table.not_used.without_alt, &sites, requested);
    if !reference_calls.is_empty() {
        scorer.add(&reference_calls)?;
        sites.extend(reference_calls);
    }
    let scores = scorer.finish(&sites, &table.not_used)?;
    Ok(SummedScores {
        table,
        sites,
        scores,
    })
}

/// A scorer that takes allele frequencies from all samples.
fn scorer_of_all<'f>(
    files: &'f [ScoringFile],
    options: &'f Options,
    n_samples: usize,
) -> Result<Scorer<'f>, Error> {
    Scorer::new(files, options, n_samples, (0..n_samples).collect())
}

/// Writes `match_log.csv` with all scores and `raw_scores.csv` with those of enough variants.
fn write_tables(options: &Options, summed: &SummedScores<'_>) -> Result<(), Error> {
    let SummedScores {
        table,
        sites,
        scores,
    } = summed;
    let log = options.out.join(layout::MATCH_LOG);
    let raw_scores = options.out.join(layout::RAW_SCORES);
    // No file of an earlier run may stay if no score has enough variants.
    output::remove_if_there(&raw_scores)?;
    let all: Vec<&Score<'_>> = scores.iter().flatten().collect();
    let with_enough: Vec<&Score<'_>> = all
        .iter()
        .copied()
        .filter(|score| published::too_few(score, &table.not_used, options, &log).is_none())
        .collect();
    let (log_result, scores_result) = rayon::join(
        || tables::write_match_log(&log, &all, sites, options),
        || {
            if with_enough.is_empty() {
                Ok(())
            } else {
                tables::write_raw_scores(&raw_scores, &table.people, &with_enough)
            }
        },
    );
    log_result?;
    scores_result?;
    Ok(())
}

#[cfg(test)]
mod tests;

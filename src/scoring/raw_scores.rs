//! Published scores of people without a cohort table: raw sums, nothing fitted.
//!
//! Input -> output: VCF/BCF + scoring files -> `raw_scores.csv` and `match_log.csv`. The files are
//! read once and in batches, so that a score of millions of variants needs no more memory than one
//! of a hundred.

use std::fmt;

use serde::Serialize;

use crate::layout;
use crate::scoring::{
    Error, Options,
    dosages::{self, GenotypeTable, ReadCounts, Request, Site},
    genotypes::Genotypes,
    positions::Positions,
    published::{self, FailedScore, Score, ScoreSummary, Scorer, Usable},
    tables,
};
use gf_cohort_schema::counted;
use gf_files::output;
use gf_genotypes::{DisjointRegions, VariantRecord};

/// Genotypes that are held at once.
const BATCH_BYTES: usize = 1 << 26;
/// Positions of scores nearer than this (nt) are read as one region: an index is not asked for each
/// of them.
const MAX_GAP_NT: usize = 1_000;

/// What was found and what was left out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RawSummary {
    /// People scored.
    pub n_people: usize,
    /// Records and genotypes.
    pub genotypes: ReadCounts,
    /// What became of each scoring file.
    pub scores: Vec<ScoreSummary>,
    /// Scores that could not be used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed_scores: Vec<FailedScore>,
    /// What was odd but could be read.
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
            counted(self.n_people, "person", "people"),
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
    /// What is said where there is no cohort.
    #[must_use]
    pub fn without_cohort(&self) -> String {
        format!(
            "{self}no cohort table (--cohort): raw scores only, without covariates, baselines or \
             predictions\n"
        )
    }
}

/// Scores everyone in the files.
///
/// # Errors
/// Bad input (see [`Error`]); no scoring file; missing genotypes that nothing can stand for.
pub fn run(options: &Options) -> Result<RawSummary, Error> {
    options.check()?;
    summed(options, None, |_, _| Ok(()))
}

/// Writes `match_log.csv` and `raw_scores.csv` of `people`, or of everyone; `then` sees who they
/// are and their scores.
///
/// # Errors
/// As [`run`], and what `then` returns.
pub fn summed(
    options: &Options,
    people: Option<&[&str]>,
    then: impl FnOnce(&[String], &[Score<'_>]) -> Result<(), Error>,
) -> Result<RawSummary, Error> {
    if options.scoring_files.is_empty() {
        let reason = "nothing to do: without a cohort (--cohort), or with --no-fit, published \
                      scores are summed, and no scoring file is given (--scoring-file)";
        return Err(Error::Options {
            reason: reason.into(),
        });
    }
    let Usable {
        scores: files,
        failed: not_read,
    } = published::read_scoring_files(options, Vec::new())?;
    let places = Positions::new(published::positions_of(&files));
    let regions = DisjointRegions::new(places.regions(MAX_GAP_NT));
    let is_published = |record: &VariantRecord| places.has(record);
    let request = Request {
        paths: &options.vcf,
        regions: Some(&regions),
        people,
        samples: Some(&options.samples),
        wanted: Some(&is_published),
        filters: options.filters.as_deref(),
        keep_unused: Some(&|_| true),
        reference: options.matching.reference.as_deref(),
        builds: &published::stated_builds(options, &files),
    };
    let mut scorer: Option<Scorer<'_>> = None;
    let mut sites: Vec<Site> = Vec::new();
    let table =
        GenotypeTable::in_batches(&request, &options.matching.reading, BATCH_BYTES, |table| {
            let n_people = table.people.len();
            let scorer = match &mut scorer {
                Some(scorer) => scorer,
                none => none.insert(Scorer::new(
                    &files,
                    options,
                    n_people,
                    (0..n_people).collect(),
                )?),
            };
            scorer.add(&table.sites)?;
            // The log needs their names.
            sites.extend(table.sites.drain(..).map(|site| Site {
                genotypes: Genotypes::none(),
                ..site
            }));
            Ok(())
        })?;
    let n_people = table.people.len();
    let everyone = || (0..n_people).collect();
    let mut scorer = match scorer {
        Some(scorer) => scorer,
        None => Scorer::new(&files, options, n_people, everyone())?,
    };
    let asked = published::alleles_of(&files);
    let reference_calls = dosages::reference_calls(&table.not_used.without_alt, &sites, asked);
    if !reference_calls.is_empty() {
        scorer.add(&reference_calls)?;
        sites.extend(reference_calls);
    }
    let scores = scorer.finish(&sites, &table.not_used)?;
    let log = options.out.join(layout::MATCH_LOG);
    let raw_scores = options.out.join(layout::RAW_SCORES);
    output::remove_if_there(&raw_scores)?;
    let all: Vec<&Score<'_>> = scores.iter().flatten().collect();
    let is_enough =
        |score: &&Score<'_>| published::too_few(score, &table.not_used, options, &log).is_none();
    let enough: Vec<&Score<'_>> = all.iter().copied().filter(is_enough).collect();
    let (logged, written) = rayon::join(
        || tables::write_match_log(&log, &all, &sites, options),
        || {
            if enough.is_empty() {
                Ok(())
            } else {
                tables::write_raw_scores(&raw_scores, &table.people, &enough)
            }
        },
    );
    logged?;
    written?;
    let Usable {
        scores,
        failed: failed_scores,
    } = published::usable(
        published::with_enough(scores, &files, &table.not_used, options, &log),
        not_read,
    )?;
    then(&table.people, &scores)?;
    Ok(RawSummary {
        n_people: table.people.len(),
        genotypes: table.counts,
        scores: scores.iter().map(ScoreSummary::new).collect(),
        failed_scores,
        warnings: table
            .warnings
            .into_iter()
            .chain(files.iter().flat_map(|file| file.warnings.clone()))
            .collect(),
    })
}

#[cfg(test)]
mod tests;

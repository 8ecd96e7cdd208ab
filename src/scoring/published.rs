//! Published scores of a set of samples: rows matched, missing genotypes imputed, effects summed.
//!
//! Input: [`ScoringFile`]s and [`Site`]s, all at once or in batches. Output: one [`Score`] per
//! file.
//! The rules are those of nimpress; sums are those of `plink2 --score`. Positions are 1-based.
//!
//! A genotype can be missing in three ways:
//!
//! - One sample has no call at a site. The frequency of the effect allele among the called samples
//!   is used if at least [`mincs`](MatchingOptions::mincs) of them are called. Otherwise the
//!   frequency of the scoring file is used. Without either, the score fails.
//! - A site is not in the VCF, but callable. Every sample is homozygous reference. This rule needs
//!   the callable regions.
//! - A site fails FILTER, has too many samples without a call, or is not callable. The frequency of
//!   the scoring file is used for every sample. Without one the row is left out and counted.
//!
//! The last two rules add the same value to every sample.

use gf_cohort_schema::arguments::one_of;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    path::{Path, PathBuf},
};

use gf_cohort_schema::{ALONE, BASELINE_PREFIX, WITHOUT_APOE};
use serde::{Deserialize, Serialize};

use crate::scoring::{
    Error, Options,
    build::Stated,
    dosages::{self, NotUsed, Reading, RequestedAllele, Site},
    genotypes::{Tally, Total, Totals},
    matching::{
        self, Candidate, ConstantSource, Exclusion, MatchCounts, MatchRules, Matches, Positions,
        Unmatched,
    },
    options::OptionsProblem,
    reasons::Reasons,
    scoring_file::{EffectColumn, ScoringFile, WeightRow},
};
use gf_cohort_schema::counted;
use gf_genotypes::{
    DisjointRegions, GenomeBuild, Position1, Range0, Reference, contig_key, read_intervals,
};

/// How genotypes are read and published scores are matched and summed: options of `prs` and keys of
/// `[baselines.scoring]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
pub struct MatchingOptions {
    /// How genotypes become dosages.
    #[command(flatten)]
    pub reading: Reading,
    /// Column of the effect allele in a scoring file with the columns A1 and A2.
    #[arg(long, value_parser = one_of::<EffectColumn>(), value_name = "A1|A2")]
    pub effect_allele_column: Option<EffectColumn>,
    /// Keep the first of several rows of a scoring file that describe the same allele. Without it,
    /// none of them is used.
    #[arg(long)]
    pub keep_first_match: bool,
    /// Leave out records with more than one ALT allele.
    #[arg(long)]
    pub exclude_multiallelic: bool,
    /// BED of the regions that were called in all samples. A variant of a score that is inside them
    /// and not in the genotype files is homozygous reference. Needs the reference.
    #[arg(long, value_name = "BED", requires = "reference")]
    pub callable: Option<PathBuf>,
    /// FASTA to compare the REF of every used record with. A swapped or shifted REF is an error.
    /// With callable regions it also decides which allele is REF.
    #[arg(long, value_name = "FASTA")]
    pub reference: Option<PathBuf>,
    /// Smallest number of called samples for a variant's own allele frequency to replace missing
    /// genotypes. With fewer, the scoring file's frequency does.
    #[arg(long, default_value_t = MatchingOptions::default().mincs, value_name = "SAMPLES")]
    pub mincs: usize,
    /// Largest fraction of samples with a missing genotype at a variant. With more, every sample
    /// has the scoring file's frequency there, or the variant is left out.
    #[arg(
        long,
        default_value_t = MatchingOptions::default().max_missing,
        value_name = "FRACTION"
    )]
    pub max_missing: f64,
    /// Missing genotypes add nothing to a raw score, and its denominator does not count their
    /// alleles. Only without a cohort, because a fitted baseline needs a value for every sample.
    #[arg(long, conflicts_with = "cohort")]
    pub no_mean_imputation: bool,
}

impl Default for MatchingOptions {
    fn default() -> Self {
        Self {
            reading: Reading::default(),
            effect_allele_column: None,
            keep_first_match: false,
            exclude_multiallelic: false,
            callable: None,
            reference: None,
            mincs: 100,
            max_missing: 0.05,
            no_mean_imputation: false,
        }
    }
}

impl MatchingOptions {
    /// Refuses values out of their range and options that need another one.
    ///
    /// # Errors
    /// The first wrong option.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.first_fault() {
            Some(fault) => Err(fault.into()),
            None => Ok(()),
        }
    }

    fn first_fault(&self) -> Option<OptionsProblem> {
        let xchr_model = self.reading.xchr_model;
        if !(1..=2).contains(&xchr_model) {
            return Some(OptionsProblem::XchrModel { xchr_model });
        }
        if !(0.0..=1.0).contains(&self.max_missing) {
            let max_missing = self.max_missing;
            return Some(OptionsProblem::MaxMissing { max_missing });
        }
        if self.callable.is_some() && self.reference.is_none() {
            return Some(OptionsProblem::CallableWithoutReference);
        }
        None
    }
}

/// One published score of a set of samples.
#[derive(Clone, Debug)]
pub struct Score<'f> {
    /// The published weights.
    pub file: &'f ScoringFile,
    /// The records that its rows match.
    pub matches: Matches,
    /// Sums, in the order of the samples.
    pub totals: Vec<Total>,
    /// Frequencies of the file compared with those among the samples.
    pub frequencies: Frequencies,
}

/// Sums scores over sites that arrive in batches.
pub struct Scorer<'f> {
    options: &'f Options,
    rules: MatchRules,
    /// Indices of the samples whose genotypes give the allele frequencies.
    frequency_samples: Vec<usize>,
    scores: Vec<PartialScore<'f>>,
    n_sites: usize,
    n_samples: usize,
}

/// One score, summed over the sites added so far.
struct PartialScore<'f> {
    file: &'f ScoringFile,
    positions: Positions<'f>,
    candidates: Vec<Candidate>,
    /// For each row, whether any record is at its position, whatever its alleles.
    has_record: Vec<bool>,
    totals: Totals,
    /// `contig:position` of rows that need an allele frequency and have none.
    without_frequency: Vec<String>,
    frequencies: Frequencies,
}

impl<'f> Scorer<'f> {
    /// Prepares the scores. Allele frequencies are those among `frequency_samples`.
    ///
    /// # Errors
    /// polars refuses a table.
    pub fn new(
        files: &'f [ScoringFile],
        options: &'f Options,
        n_samples: usize,
        frequency_samples: Vec<usize>,
    ) -> Result<Self, Error> {
        let scores = files
            .iter()
            .map(|file| PartialScore::new(file, n_samples))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            options,
            rules: MatchRules {
                keep_ambiguous: options.keep_ambiguous,
                keep_first_match: options.matching.keep_first_match,
                exclude_multiallelic: options.matching.exclude_multiallelic,
            },
            frequency_samples,
            scores,
            n_sites: 0,
            n_samples,
        })
    }

    /// Adds the next sites. A batch has all records of each of its positions.
    ///
    /// # Errors
    /// The tables cannot be joined.
    pub fn add(&mut self, sites: &[Site]) -> Result<(), Error> {
        let samples = SampleIndices {
            all: (0..self.n_samples).collect(),
            for_frequency: &self.frequency_samples,
        };
        for score in &mut self.scores {
            let mut matched = score.positions.candidates(sites, self.rules)?;
            for row in matched.rows_at_records {
                score.has_record[row] = true;
            }
            for candidate in matched
                .candidates
                .iter_mut()
                .filter(|candidate| candidate.is_matched())
            {
                let site = &sites[candidate.site];
                score.add_site(candidate, site, &samples, &self.options.matching);
            }
            // Numbers of sites count from the first batch on.
            for candidate in &mut matched.candidates {
                candidate.site += self.n_sites;
            }
            score.candidates.extend(matched.candidates);
        }
        self.n_sites += sites.len();
        Ok(())
    }

    /// Completes the scores with the rows whose sites are not among the records.
    ///
    /// `sites` are all sites added; their genotypes are not used. Each score can fail on its own:
    /// missing genotypes without a frequency, or rows that match records of two files.
    ///
    /// # Errors
    /// Callable regions or a reference that cannot be read.
    pub fn finish(
        self,
        sites: &[Site],
        not_used: &NotUsed,
    ) -> Result<Vec<Result<Score<'f>, Error>>, Error> {
        let mut absent = AbsentSites::new(self.options, self.rules, sites, not_used)?;
        let rules = self.rules;
        let mincs = self.options.matching.mincs;
        Ok(self
            .scores
            .into_iter()
            .map(|score| score.finish(sites, &mut absent, rules, mincs))
            .collect())
    }
}

/// Indices of samples.
struct SampleIndices<'s> {
    all: Vec<usize>,
    /// The samples whose genotypes give the allele frequencies.
    for_frequency: &'s [usize],
}

impl<'f> PartialScore<'f> {
    /// A score without any site.
    fn new(file: &'f ScoringFile, n_samples: usize) -> Result<Self, Error> {
        Ok(Self {
            file,
            positions: Positions::new(file)?,
            candidates: Vec::new(),
            has_record: vec![false; file.rows.len()],
            totals: Totals::new(n_samples),
            without_frequency: Vec::new(),
            frequencies: Frequencies::default(),
        })
    }

    /// Adds the effect of a matched row to the sums of all samples. Excludes the candidate if too
    /// many samples have no call.
    fn add_site(
        &mut self,
        candidate: &mut Candidate,
        site: &Site,
        samples: &SampleIndices<'_>,
        options: &MatchingOptions,
    ) {
        let row = &self.file.rows[candidate.row];
        let allele = candidate.effect_allele();
        if let Some(stated) = row.frequency {
            self.frequencies
                .add(stated, &site.tally(allele, samples.for_frequency));
        }
        if site.genotypes.is_plain() {
            site.genotypes
                .add(allele, &row.effect, None, &mut self.totals);
            return;
        }
        let tally = site.tally(allele, samples.for_frequency);
        let n_samples = samples.for_frequency.len();
        let n_missing = n_samples - tally.samples;
        if n_missing as f64 > options.max_missing * n_samples as f64 {
            candidate.exclusion = Some(Exclusion::Missing);
            return;
        }
        // A frequency among few samples is too uncertain.
        candidate.frequency = if tally.samples >= options.mincs {
            tally.frequency()
        } else {
            row.frequency
        };
        if candidate.frequency.is_none()
            && !options.no_mean_imputation
            && site.tally(allele, &samples.all).samples < samples.all.len()
        {
            self.without_frequency
                .push(format!("{}:{}", site.contig, site.position));
        }
        let frequency = candidate.frequency.filter(|_| !options.no_mean_imputation);
        site.genotypes
            .add(allele, &row.effect, frequency, &mut self.totals);
    }

    /// Adds the rows that contribute the same to every sample, and counts all rows.
    fn finish(
        mut self,
        sites: &[Site],
        absent: &mut AbsentSites<'_>,
        rules: MatchRules,
        mincs: usize,
    ) -> Result<Score<'f>, Error> {
        let file = self.file;
        if let Some(first) = self.without_frequency.first() {
            return Err(Error::NoFrequency {
                path: file.path.clone(),
                n: self.without_frequency.len(),
                first: first.clone(),
                mincs,
            });
        }
        self.mark_all_candidates(sites, rules)?;
        let candidates = self.candidates;
        let unmatched = absent.unmatched(file, &self.positions, &candidates, &self.has_record)?;
        let constant_terms = absent.constant_terms(file, &candidates, &unmatched)?;
        for (&row, term) in &constant_terms {
            self.totals.add_to_all(term.value(&file.rows[row]));
        }
        let constant_rows = constant_terms
            .into_iter()
            .map(|(row, term)| (row, term.source))
            .collect();
        let matches = Matches::new(file, candidates, constant_rows, unmatched);
        Ok(Score {
            file,
            matches,
            totals: self.totals.samples().collect(),
            frequencies: self.frequencies,
        })
    }

    /// Marks the best match and the duplicates among the candidates of all batches.
    ///
    /// # Errors
    /// A candidate that was used in its batch is no longer the best one, or the reverse. Records
    /// of one position are in one batch unless they come from two files.
    fn mark_all_candidates(&mut self, sites: &[Site], rules: MatchRules) -> Result<(), Error> {
        self.candidates.sort_by_key(|candidate| candidate.row);
        let was_matched: Vec<bool> = self.candidates.iter().map(Candidate::is_matched).collect();
        matching::mark(&mut self.candidates, rules);
        let changed = self
            .candidates
            .iter()
            .zip(was_matched)
            .find(|(candidate, was_matched)| candidate.is_matched() != *was_matched);
        match changed {
            None => Ok(()),
            Some((candidate, _)) => {
                let site = &sites[candidate.site];
                Err(Error::TwoFiles {
                    path: self.file.path.clone(),
                    contig: site.contig.clone(),
                    position: site.position,
                })
            }
        }
    }
}

/// Writes the scores that are left out, with the reasons.
pub fn write_failed(f: &mut std::fmt::Formatter<'_>, failed: &[FailedScore]) -> std::fmt::Result {
    failed
        .iter()
        .try_for_each(|score| writeln!(f, "left out: {}", score.reason))
}

/// The contribution of a row that adds the same value to every sample.
#[derive(Clone, Copy)]
struct ConstantTerm {
    source: ConstantSource,
    /// Copies of the effect allele, if they are known.
    copies: Option<f64>,
}

impl ConstantTerm {
    /// The value: the effect of the known copies, or the effect expected at the frequency that the
    /// scoring file states.
    fn value(self, row: &WeightRow) -> f64 {
        match self.copies {
            Some(copies) => row.effect.at(copies),
            None => row.effect.expected(row.frequency.unwrap_or_default(), 2, 1),
        }
    }
}

/// Sites that are not in the VCF, or that cannot be used.
struct AbsentSites<'a> {
    rules: MatchRules,
    xchr_model: u8,
    not_used: &'a NotUsed,
    /// Keys of the contigs on which the files have records.
    contigs: HashSet<&'a str>,
    /// Contig key and position of all records; empty without callable regions.
    records: HashSet<(&'a str, Position1)>,
    /// Callable regions, if they are given.
    callable: Option<DisjointRegions>,
    reference: Option<Reference>,
}

impl<'a> AbsentSites<'a> {
    /// Reads the callable regions and opens the reference, where the options name them.
    fn new(
        options: &Options,
        rules: MatchRules,
        sites: &'a [Site],
        not_used: &'a NotUsed,
    ) -> Result<Self, Error> {
        let scoring = &options.matching;
        let callable = scoring
            .callable
            .as_deref()
            .map(read_intervals)
            .transpose()?;
        let records = if callable.is_some() {
            sites
                .iter()
                .chain(&not_used.filtered)
                .chain(&not_used.without_calls)
                .map(|site| (contig_key(&site.contig), site.position))
                .collect()
        } else {
            HashSet::new()
        };
        let callable = callable.map(|intervals| {
            DisjointRegions::new(
                intervals
                    .iter()
                    .map(|interval| (interval.contig.as_str(), interval.range)),
            )
        });
        let reference = scoring.reference.as_deref().map(Reference::open);
        Ok(Self {
            rules,
            xchr_model: scoring.reading.xchr_model,
            not_used,
            contigs: not_used
                .contigs
                .iter()
                .map(|name| contig_key(name))
                .collect(),
            records,
            callable,
            reference: reference.transpose()?,
        })
    }

    /// Reason of each row without a candidate.
    fn unmatched(
        &self,
        file: &ScoringFile,
        positions: &Positions<'_>,
        candidates: &[Candidate],
        has_record: &[bool],
    ) -> Result<Vec<Option<Unmatched>>, Error> {
        let mut has_candidate = vec![false; file.rows.len()];
        for candidate in candidates {
            has_candidate[candidate.row] = true;
        }
        let mut reasons: Vec<Option<Unmatched>> = file
            .rows
            .iter()
            .enumerate()
            .map(|(index, row)| match row.unusable {
                None if !has_candidate[index] => Some(self.without_record(row, has_record[index])),
                _ => None,
            })
            .collect();
        let without_calls = positions.candidates(&self.not_used.without_calls, self.rules)?;
        let filtered = positions.candidates(&self.not_used.filtered, self.rules)?;
        let without_alt = positions.candidates(&self.not_used.without_alt, self.rules)?;
        // A later reason replaces an earlier one: the alleles say more than the position.
        for (reason, rows) in [
            (Unmatched::Alleles, filtered.rows_at_records),
            (Unmatched::NoAlt, without_alt.rows_at_records),
            (Unmatched::NoCall, rows_of(&without_calls.candidates)),
            (Unmatched::Filter, rows_of(&filtered.candidates)),
        ] {
            for row in rows {
                reasons[row] = reasons[row].map(|_| reason);
            }
        }
        Ok(reasons)
    }

    /// Reason of a row that no usable record matches.
    fn without_record(&self, row: &WeightRow, has_record: bool) -> Unmatched {
        if has_record {
            Unmatched::Alleles
        } else if self.contigs.contains(contig_key(&row.chr_name)) {
            Unmatched::Position
        } else {
            Unmatched::Contig
        }
    }

    /// The rows of a score that add the same value to every sample, by row index.
    fn constant_terms(
        &mut self,
        file: &ScoringFile,
        candidates: &[Candidate],
        unmatched: &[Option<Unmatched>],
    ) -> Result<BTreeMap<usize, ConstantTerm>, Error> {
        let exclusions: HashMap<usize, Option<Exclusion>> = candidates
            .iter()
            .filter(|candidate| candidate.is_first_best())
            .map(|candidate| (candidate.row, candidate.exclusion))
            .collect();
        let mut terms = BTreeMap::new();
        for (index, row) in file.rows.iter().enumerate() {
            if row.unusable.is_some() {
                continue;
            }
            let term = match exclusions.get(&index) {
                Some(Some(Exclusion::Missing)) => by_frequency(row, ConstantSource::Missing),
                Some(_) => None,
                None => self.without_candidate(row, unmatched[index])?,
            };
            terms.extend(term.map(|term| (index, term)));
        }
        Ok(terms)
    }

    /// The contribution of a row without a usable record; `None` if the row is left out.
    fn without_candidate(
        &mut self,
        row: &WeightRow,
        unmatched: Option<Unmatched>,
    ) -> Result<Option<ConstantTerm>, Error> {
        if unmatched == Some(Unmatched::Filter) {
            return Ok(if self.is_ambiguous(row) {
                None
            } else {
                by_frequency(row, ConstantSource::Filter)
            });
        }
        if self.callable.is_none() || self.is_present(row) {
            return Ok(None);
        }
        if self.is_callable(row) {
            self.hom_ref(row)
        } else {
            Ok(by_frequency(row, ConstantSource::NotCallable))
        }
    }

    /// Whether the alleles of a row are complements of each other, and such rows are left out.
    fn is_ambiguous(&self, row: &WeightRow) -> bool {
        let complement = matching::complement(&row.effect_allele);
        !self.rules.keep_ambiguous
            && complement.is_some()
            && complement.as_deref() == row.other_allele.as_deref()
    }

    /// Whether the files have a record at the position of a row.
    fn is_present(&self, row: &WeightRow) -> bool {
        row.chr_position.is_some_and(|position| {
            self.records
                .contains(&(contig_key(&row.chr_name), position))
        })
    }

    /// Whether one callable region contains all bases of the row's longest allele.
    fn is_callable(&self, row: &WeightRow) -> bool {
        let Some(callable) = &self.callable else {
            return false;
        };
        let Some(position) = row.chr_position else {
            return false;
        };
        let regions = callable.on(&row.chr_name);
        let bases = Range0::with_len(position.to_zero_based(), longest_allele_nt(row));
        let next = regions.partition_point(|region| region.end <= bases.start);
        regions.get(next).is_some_and(|region| region.covers(bases))
    }

    /// The contribution of a row at which every sample is homozygous reference: 2 copies if the
    /// effect allele is REF, else 0.
    ///
    /// `None` if the reference does not show which allele is REF. `None` on X too if haploid
    /// genotypes count 1, because the number of copies then depends on the unknown sex.
    fn hom_ref(&mut self, row: &WeightRow) -> Result<Option<ConstantTerm>, Error> {
        let Some(reference) = self.reference.as_mut() else {
            return Ok(None);
        };
        let Some(position) = row.chr_position else {
            return Ok(None);
        };
        if contig_key(&row.chr_name) == "X" && self.xchr_model == 1 {
            return Ok(None);
        }
        let range = Range0::with_len(position.to_zero_based(), longest_allele_nt(row));
        if reference.covering(&row.chr_name, range).is_err() {
            return Ok(None);
        }
        let bases = reference.fetch(&row.chr_name, range)?;
        let effect_is_ref = effect_is_ref(
            row,
            &String::from_utf8_lossy(&bases),
            self.rules.keep_ambiguous,
        );
        Ok(effect_is_ref.map(|is_ref| ConstantTerm {
            source: ConstantSource::HomRef,
            copies: Some(if is_ref { 2.0 } else { 0.0 }),
        }))
    }
}

/// Row indices of candidates.
fn rows_of(candidates: &[Candidate]) -> Vec<usize> {
    candidates.iter().map(|candidate| candidate.row).collect()
}

/// The contribution of a row by the frequency that the scoring file states; `None` without one.
fn by_frequency(row: &WeightRow, source: ConstantSource) -> Option<ConstantTerm> {
    row.frequency.map(|_| ConstantTerm {
        source,
        copies: None,
    })
}

/// Length of the longer allele of a row, in nt.
fn longest_allele_nt(row: &WeightRow) -> usize {
    let other_len_nt = row.other_allele.as_ref().map_or(1, |allele| allele.len());
    row.effect_allele.len().max(other_len_nt)
}

/// Whether the effect allele is the reference allele; `None` if the reference does not decide it.
/// `bases` are those of the reference from the row's position on.
fn effect_is_ref(row: &WeightRow, bases: &str, keep_ambiguous: bool) -> Option<bool> {
    let effect = row.effect_allele.as_str();
    let Some(other) = row.other_allele.as_deref() else {
        return (effect.len() == 1).then(|| bases.starts_with(effect));
    };
    let effect_complement = matching::complement(effect)?;
    let other_complement = matching::complement(other)?;
    if effect == other_complement && !keep_ambiguous {
        return None;
    }
    // The strand on which either allele fits decides.
    [(effect, other), (&effect_complement, &other_complement)]
        .into_iter()
        .map(|(effect, other)| (bases.starts_with(effect), bases.starts_with(other)))
        .find(|fits| *fits != (false, false))
        .and_then(|(is_effect, is_other)| (is_effect != is_other).then_some(is_effect))
}

/// A scoring file, or one score of it, that is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedScore {
    /// The scoring file.
    pub path: PathBuf,
    /// The error with the next action, as a row of the summary stores it.
    pub reason: String,
}

/// Scores that can be used, and those that cannot.
pub struct Usable<T> {
    /// Scores that can be used, in the order of the files.
    pub scores: Vec<T>,
    /// Scores that cannot be used.
    pub failed: Vec<FailedScore>,
}

/// Separates the scores that succeeded from those that failed. `results` have the file of each
/// score; `failed` are earlier failures.
///
/// # Errors
/// All errors, if no score succeeded.
pub fn usable<T, E: fmt::Display + From<Error>>(
    results: Vec<(PathBuf, Result<T, E>)>,
    mut failed: Vec<FailedScore>,
) -> Result<Usable<T>, E> {
    let mut scores = Vec::new();
    let mut last_error = None;
    for (path, result) in results {
        match result {
            Ok(score) => scores.push(score),
            Err(error) => {
                failed.push(FailedScore {
                    path,
                    reason: error.to_string(),
                });
                last_error = Some(error);
            }
        }
    }
    match last_error {
        Some(error) if scores.is_empty() && failed.len() == 1 => Err(error),
        Some(_) if scores.is_empty() => {
            let reasons = failed.into_iter().map(|score| score.reason).collect();
            Err(Error::NoScore { reasons }.into())
        }
        _ => Ok(Usable { scores, failed }),
    }
}

/// Reads the scoring files. A file of another genome build fails, and so does a name that is taken.
/// `names` are the names of models that exist already.
///
/// # Errors
/// The errors of all files, if no score can be used. See [`ScoringFile::read`].
pub fn read_scoring_files(
    options: &Options,
    mut names: Vec<String>,
) -> Result<Usable<ScoringFile>, Error> {
    let mut results = Vec::new();
    let mut build = options
        .genome_build
        .map(|build| (build, "--genome-build".to_owned()));
    for path in &options.scoring_files {
        match read_scoring_file(options, path) {
            Err(error) => results.push((path.clone(), Err(error))),
            Ok(files) => {
                for file in files {
                    let checked = require_build(&file, build.as_ref())
                        .and_then(|()| claim_names(&file, &mut names));
                    // The first file with a build decides the build of all.
                    if build.is_none() && checked.is_ok() {
                        build = file
                            .genome_build
                            .map(|build| (build, path.display().to_string()));
                    }
                    results.push((path.clone(), checked.map(|()| file)));
                }
            }
        }
    }
    usable(results, Vec::new())
}

/// Reads one file. An accession of the PGS Catalog instead of a path gets its own message.
fn read_scoring_file(options: &Options, path: &Path) -> Result<Vec<ScoringFile>, Error> {
    if !path.exists()
        && let Some(id) = catalog_id(path)
    {
        let build = match options.genome_build {
            Some(GenomeBuild::GRCh37) => "GRCh37",
            _ => "GRCh38",
        };
        return Err(Error::CatalogId {
            url: format!("{CATALOG}/{id}/ScoringFiles/Harmonized/{id}_hmPOS_{build}.txt.gz"),
            id,
        });
    }
    ScoringFile::read(path, options.matching.effect_allele_column)
}

/// Folder of the scoring files of the PGS Catalog.
const CATALOG: &str = "https://ftp.ebi.ac.uk/pub/databases/spot/pgs/scores";

/// The accession of the PGS Catalog, such as `PGS000001` in upper case, if a path is one.
fn catalog_id(path: &Path) -> Option<String> {
    let name = path.to_str()?.trim().to_ascii_uppercase();
    let digits = name.strip_prefix("PGS")?;
    let is_id = digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_id.then_some(name)
}

/// Refuses a file of another build than the known one, or of a build that cannot be compared with
/// it. `known` has the option or file that states the build.
fn require_build(file: &ScoringFile, known: Option<&(GenomeBuild, String)>) -> Result<(), Error> {
    let Some((expected, by)) = known else {
        return Ok(());
    };
    let path = file.path.clone();
    match (file.genome_build, &file.unknown_build) {
        (_, Some(found)) => Err(Error::UnknownBuild {
            path,
            found: found.clone(),
            expected: *expected,
        }),
        (Some(found), None) if found != *expected => Err(Error::Build {
            path,
            found,
            expected: *expected,
            by: by.clone(),
        }),
        _ => Ok(()),
    }
}

/// Adds the names of a file's models to `names`.
///
/// # Errors
/// The id is among them already.
fn claim_names(file: &ScoringFile, names: &mut Vec<String>) -> Result<(), Error> {
    if names.contains(&file.id) {
        let model = format!("{BASELINE_PREFIX}{}", file.id);
        return Err(Error::SameModel {
            path: file.path.clone(),
            model,
        });
    }
    names.extend([
        file.id.clone(),
        format!("{}{ALONE}", file.id),
        format!("{}{WITHOUT_APOE}", file.id),
    ]);
    Ok(())
}

/// The genome builds that the options and the scoring files state.
pub fn stated_builds(options: &Options, files: &[ScoringFile]) -> Vec<Stated> {
    let option_build = options.genome_build.map(|build| Stated {
        by: "--genome-build".into(),
        build: Ok(build),
    });
    option_build
        .into_iter()
        .chain(files.iter().filter_map(stated_by_file))
        .collect()
}

/// The genome build that a scoring file states, if any.
fn stated_by_file(file: &ScoringFile) -> Option<Stated> {
    let build = file
        .genome_build
        .map(Ok)
        .or_else(|| file.unknown_build.clone().map(Err))?;
    Some(Stated {
        by: file.path.display().to_string(),
        build,
    })
}

/// Contig and position of every row that has a position.
pub fn positions_of(files: &[ScoringFile]) -> impl Iterator<Item = (&str, Position1)> {
    files
        .iter()
        .flat_map(|file| &file.rows)
        .filter_map(|row| Some((row.chr_name.as_str(), row.chr_position?)))
}

/// The alleles of all rows that can be used.
pub fn alleles_of(files: &[ScoringFile]) -> impl Iterator<Item = RequestedAllele<'_>> {
    files
        .iter()
        .flat_map(|file| &file.rows)
        .filter(|row| row.unusable.is_none())
        .filter_map(|row| {
            Some(RequestedAllele {
                contig: row.chr_name.as_str(),
                position: row.chr_position?,
                allele: row.effect_allele.as_str(),
                other_allele: row.other_allele.as_deref(),
            })
        })
}

/// The error of a score with too few matched variants; `log` is the path of its match log.
#[must_use]
pub fn too_few(
    score: &Score<'_>,
    not_used: &NotUsed,
    options: &Options,
    log: &Path,
) -> Option<Error> {
    let Score { file, matches, .. } = score;
    let counts = &matches.counts;
    let matched = counts.matched + counts.hom_ref;
    let is_enough = matched > 0 && counts.overlap() >= options.min_overlap;
    (!is_enough).then(|| Error::Overlap {
        what: file.path.display().to_string(),
        matched,
        rows: counts.rows,
        min_overlap: options.min_overlap,
        build: build_text(file),
        reasons: Box::new(Reasons::of_score(score, &not_used.contigs)),
        log: format!(" All rows are listed in {}.", log.display()),
    })
}

/// Pairs each score with its file. A score with too few matched variants becomes an error.
#[must_use]
pub fn with_enough<'f>(
    scores: Vec<Result<Score<'f>, Error>>,
    files: &[ScoringFile],
    not_used: &NotUsed,
    options: &Options,
    log: &Path,
) -> Vec<(PathBuf, Result<Score<'f>, Error>)> {
    let checked = scores.into_iter().map(|score| {
        let score = score?;
        match too_few(&score, not_used, options, log) {
            Some(error) => Err(error),
            None => Ok(score),
        }
    });
    files
        .iter()
        .map(|file| file.path.clone())
        .zip(checked)
        .collect()
}

/// The build that a file states, in words.
fn build_text(file: &ScoringFile) -> String {
    match (file.genome_build, &file.unknown_build) {
        (Some(build), _) => build.to_string(),
        (None, Some(text)) => format!("`{text}`, which this program does not know"),
        (None, None) => "not stated".into(),
    }
}

/// Frequencies that a scoring file states, compared with those among the samples.
///
/// Many frequencies that fit the other allele suggest that effect and other allele are swapped in
/// the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Frequencies {
    /// Rows whose stated frequency is nearer to that of the effect allele.
    pub as_stated: usize,
    /// Rows whose stated frequency is nearer to that of the other allele.
    pub reversed: usize,
}

impl Frequencies {
    /// A frequency among fewer samples is too uncertain to compare with.
    const LEAST_SAMPLES: usize = 50;
    /// The two distances must differ by more than this: near a frequency of one half they do not.
    const LEAST_DIFFERENCE: f64 = 0.2;
    /// With fewer rows most can be reversed by chance.
    const LEAST_ROWS: usize = 5;

    /// Compares the frequency that a row states with the one among the samples.
    fn add(&mut self, stated: f64, tally: &Tally) {
        let Some(observed) = tally
            .frequency()
            .filter(|_| tally.samples >= Self::LEAST_SAMPLES)
        else {
            return;
        };
        let to_effect = (stated - observed).abs();
        let to_other = (stated - (1.0 - observed)).abs();
        self.as_stated += usize::from(to_effect + Self::LEAST_DIFFERENCE < to_other);
        self.reversed += usize::from(to_other + Self::LEAST_DIFFERENCE < to_effect);
    }

    /// Number of rows for which the comparison decides.
    #[must_use]
    pub fn compared(&self) -> usize {
        self.as_stated + self.reversed
    }

    /// Whether most frequencies are those of the other allele.
    #[must_use]
    pub fn are_reversed(&self) -> bool {
        self.reversed >= Self::LEAST_ROWS && self.reversed > self.as_stated
    }
}

impl fmt::Display for Frequencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stated = counted(
            self.compared(),
            "informative stated frequency",
            "informative stated frequencies",
        );
        write!(f, "of {stated}, {} for the effect allele", self.as_stated)?;
        if self.reversed > 0 {
            write!(f, " and {} for the other allele", self.reversed)?;
        }
        if self.are_reversed() {
            f.write_str(". Are the effect allele and the other allele swapped in the file?")
        } else {
            Ok(())
        }
    }
}

/// How one scoring file was matched and summed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScoreSummary {
    /// The scoring file.
    pub path: PathBuf,
    /// `#pgs_id` of the file, or its name.
    pub id: String,
    /// Build of the positions used, where stated.
    pub genome_build: Option<GenomeBuild>,
    /// The build that the file states, if this program does not know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown_build: Option<String>,
    /// The program that uses these column names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The positions are the harmonised ones.
    pub harmonised: bool,
    /// Numbers of rows by the result of matching.
    pub counts: MatchCounts,
    /// Fraction of the rows that are in the score.
    pub overlap: f64,
    /// Missing genotypes over all samples. They are imputed by allele frequencies, or add nothing
    /// without mean imputation.
    pub missing_genotypes: u64,
    /// Frequencies of the file compared with those among the samples.
    pub frequencies: Frequencies,
}

impl ScoreSummary {
    /// Summarises a score.
    #[must_use]
    pub fn new(score: &Score<'_>) -> Self {
        let file = score.file;
        let counts = &score.matches.counts;
        Self {
            path: file.path.clone(),
            id: file.id.clone(),
            genome_build: file.genome_build,
            unknown_build: file.unknown_build.clone(),
            format: file.format.clone(),
            harmonised: file.harmonised,
            overlap: counts.overlap(),
            counts: counts.clone(),
            missing_genotypes: score
                .totals
                .iter()
                .map(|total| u64::from(total.n_missing))
                .sum(),
            frequencies: score.frequencies,
        }
    }
}

impl fmt::Display for ScoreSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_matched(f)?;
        if self.frequencies.compared() > 0 {
            let warning = if self.frequencies.are_reversed() {
                "warning: "
            } else {
                ""
            };
            writeln!(f, "  {warning}{}", self.frequencies)?;
        }
        self.write_counts(f)
    }
}

impl ScoreSummary {
    /// Writes the fraction of matched rows, the build, the columns and the match types.
    fn write_matched(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        let build = match (self.genome_build, &self.unknown_build) {
            (Some(build), _) => build.to_string(),
            (None, Some(text)) => format!("build `{text}`, which this program does not know"),
            (None, None) => "build not stated".into(),
        };
        let n_rows = counted(counts.rows, "variant", "variants");
        writeln!(
            f,
            "prs-{}: {} of {n_rows} matched ({:.1} %), {build}",
            self.id,
            counts.matched,
            100.0 * self.overlap
        )?;
        if let Some(format) = &self.format {
            writeln!(f, "  {format}")?;
        }
        if counts.matched > 0 {
            let types: Vec<String> = counts
                .match_types
                .iter()
                .map(|(kind, count)| format!("{} {count}", kind.name()))
                .collect();
            writeln!(
                f,
                "  match types (refalt if the effect allele is REF, altref if it is ALT): {}",
                types.join(", ")
            )?;
        }
        Ok(())
    }

    /// Writes the counts that are not 0, one line each.
    fn write_counts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        let row_counts = [
            ("flipped", counts.flipped),
            ("ambiguous", counts.ambiguous),
            ("duplicate", counts.duplicates),
            ("multi-allelic", counts.multiallelic),
            ("with too many missing genotypes", counts.missing),
            (
                "homozygous reference (callable, not in the VCF)",
                counts.hom_ref,
            ),
            (
                "the same value for every sample, from the frequency in the scoring file",
                counts.by_frequency,
            ),
            ("unmatched", counts.unmatched),
        ];
        let genotype_count = (
            "missing genotypes at matched variants",
            self.missing_genotypes,
        );
        dosages::write_counts(f, &row_counts.map(|(label, count)| (label, count as u64)))?;
        dosages::write_counts(f, &[genotype_count])?;
        counts
            .unusable
            .iter()
            .try_for_each(|(reason, count)| writeln!(f, "  unusable ({reason}): {count}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_of_the_other_allele_are_told_from_those_of_the_effect_allele() {
        let stated = [
            (0.1, 0.12),
            (0.2, 0.15),
            (0.9, 0.85),
            (0.3, 0.28),
            (0.05, 0.04),
            (0.5, 0.45),
        ];
        let right = compared(&stated, 100);
        assert_eq!(
            (right.as_stated, right.reversed),
            (5, 0),
            "near one half the comparison does not decide"
        );
        let reversed = compared(
            &stated.map(|(stated, observed)| (1.0 - stated, observed)),
            100,
        );
        assert!(
            reversed.are_reversed() && reversed.to_string().contains("swapped in the file?"),
            "{reversed}"
        );
        assert!(!right.are_reversed() && !right.to_string().contains("swapped"));
        assert_eq!(
            compared(&stated, 49).compared(),
            0,
            "few people have frequencies of their own"
        );
    }

    /// Compares pairs of a stated and an observed frequency among `n_samples` samples.
    fn compared(pairs: &[(f64, f64)], n_samples: usize) -> Frequencies {
        let mut frequencies = Frequencies::default();
        for &(stated, observed) in pairs {
            let haplotypes = 2 * n_samples as u64;
            frequencies.add(
                stated,
                &Tally {
                    copies: observed * haplotypes as f64,
                    haplotypes,
                    samples: n_samples,
                },
            );
        }
        frequencies
    }
}

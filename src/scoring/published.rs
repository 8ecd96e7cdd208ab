//! Published scores of a group of people: each row matched, each missing genotype accounted for,
//! everyone's sum.
//!
//! Input -> output: [`ScoringFile`]s and [`Site`]s, all at once or in batches -> [`Score`]s. A
//! genotype can be missing in three ways:
//!
//! | missing | stands for it |
//! |---|---|
//! | one person at a called site | frequency among the people called, if these are [`mincs`](MatchingOptions::mincs) or more, else the scoring file's own, else an error |
//! | a site that is not in the VCF, but callable | homozygous reference, for everyone |
//! | a site that fails FILTER, has no call in too many people, or is not callable | the scoring file's own frequency, for everyone; without one the row is left out, and counted |
//!
//! The last two add the same to everyone. Sites that are not in the VCF are looked at only where
//! the callable regions are given. The rules are those of nimpress; sums are those of `plink2
//! --score`. Positions are 1-based.

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
    dosages::{Asked, NotUsed, Reading, Site},
    genotypes::{Tally, Total, Totals},
    matching::{
        self, Candidate, Exclusion, Found, MatchCounts, MatchRules, Matches, Positions, Stand,
        Unmatched,
    },
    reasons::Reasons,
    scoring_file::{EffectColumn, ScoringFile, WeightRow},
};
use gf_cohort_schema::counted;
use gf_genotypes::{DisjointRegions, GenomeBuild, Reference, contig_key, read_intervals};

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
    /// Largest fraction of samples with a missing genotype at a variant. With more, every sample has
    /// the scoring file's frequency there, or the variant is left out.
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
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |reason: String| Err(Error::Options { reason });
        if !(1..=2).contains(&self.reading.xchr_model) {
            return refuse(format!(
                "xchr_model is {}; one allele of a man counts 1 or 2 on X",
                self.reading.xchr_model
            ));
        }
        if !(0.0..=1.0).contains(&self.max_missing) {
            return refuse(format!(
                "max_missing is {}; it is a share between 0 and 1",
                self.max_missing
            ));
        }
        if self.callable.is_some() && self.reference.is_none() {
            return refuse(
                "callable regions (--callable) need the reference (--reference): it says which \
                 allele of a site is REF where the VCF has no record"
                    .into(),
            );
        }
        Ok(())
    }
}

/// One published score in a group of people.
#[derive(Clone, Debug)]
pub struct Score<'f> {
    /// What was published.
    pub file: &'f ScoringFile,
    /// What became of its rows.
    pub matches: Matches,
    /// Sums, in the order of the people.
    pub totals: Vec<Total>,
    /// Frequencies that the file states, beside those of the people.
    pub frequencies: Frequencies,
}

/// Sums the scores while sites come in.
pub struct Scorer<'f> {
    options: &'f Options,
    rules: MatchRules,
    /// Whose genotypes give the frequencies.
    people: Vec<usize>,
    scores: Vec<Pending<'f>>,
    n_sites: usize,
    n_people: usize,
}

struct Pending<'f> {
    file: &'f ScoringFile,
    positions: Positions<'f>,
    candidates: Vec<Candidate>,
    /// Rows with a record at their position, whatever its alleles.
    at_record: Vec<bool>,
    totals: Totals,
    /// `contig:position` of rows that need a frequency and have none.
    without_frequency: Vec<String>,
    frequencies: Frequencies,
}

impl<'f> Scorer<'f> {
    /// Nothing summed yet. Frequencies are those among `people`.
    ///
    /// # Errors
    /// When polars refuses a table.
    pub fn new(
        files: &'f [ScoringFile],
        options: &'f Options,
        n_people: usize,
        people: Vec<usize>,
    ) -> Result<Self, Error> {
        let pending = |file: &'f ScoringFile| -> Result<_, Error> {
            let positions = Positions::new(file)?;
            let totals = Totals::new(n_people);
            Ok(Pending {
                file,
                positions,
                candidates: Vec::new(),
                at_record: vec![false; file.rows.len()],
                totals,
                without_frequency: Vec::new(),
                frequencies: Frequencies::default(),
            })
        };
        let rules = MatchRules {
            keep_ambiguous: options.keep_ambiguous,
            keep_first_match: options.matching.keep_first_match,
            exclude_multiallelic: options.matching.exclude_multiallelic,
        };
        let scores = files.iter().map(pending).collect::<Result<_, _>>()?;
        Ok(Self {
            options,
            rules,
            people,
            scores,
            n_sites: 0,
            n_people,
        })
    }

    /// Adds sites: those that follow on the ones before, with everything at their positions.
    ///
    /// # Errors
    /// When the tables cannot be joined.
    pub fn add(&mut self, sites: &[Site]) -> Result<(), Error> {
        let everyone: Vec<usize> = (0..self.n_people).collect();
        let options = &self.options.matching;
        for score in &mut self.scores {
            let Found {
                mut candidates,
                rows_at_records,
            } = score.positions.candidates(sites, self.rules)?;
            for row in rows_at_records {
                score.at_record[row] = true;
            }
            for candidate in candidates
                .iter_mut()
                .filter(|candidate| candidate.is_matched())
            {
                let site = &sites[candidate.site];
                let row = &score.file.rows[candidate.row];
                let allele = candidate.effect_allele();
                if let Some(stated) = row.frequency {
                    score
                        .frequencies
                        .add(stated, &site.tally(allele, &self.people));
                }
                if site.genotypes.is_plain() {
                    site.genotypes
                        .add(allele, &row.effect, None, &mut score.totals);
                    continue;
                }
                let tally = site.tally(allele, &self.people);
                let n_missing = self.people.len() - tally.people;
                if n_missing as f64 > options.max_missing * self.people.len() as f64 {
                    candidate.exclusion = Some(Exclusion::Missing);
                    continue;
                }
                candidate.frequency = if tally.people >= options.mincs {
                    tally.frequency()
                } else {
                    row.frequency
                };
                let is_needed = || {
                    !options.no_mean_imputation
                        && site.tally(allele, &everyone).people < everyone.len()
                };
                if candidate.frequency.is_none() && is_needed() {
                    score
                        .without_frequency
                        .push(format!("{}:{}", site.contig, site.position));
                }
                let frequency = candidate.frequency.filter(|_| !options.no_mean_imputation);
                site.genotypes
                    .add(allele, &row.effect, frequency, &mut score.totals);
            }
            score
                .candidates
                .extend(candidates.into_iter().map(|mut candidate| {
                    candidate.site += self.n_sites;
                    candidate
                }));
        }
        self.n_sites += sites.len();
        Ok(())
    }

    /// The scores of the sites that came in, and of those that did not. `sites` are all of them
    /// (their genotypes are not looked at). A score may fail by itself: missing genotypes
    /// without a frequency, rows that records of two files match.
    ///
    /// # Errors
    /// Callable regions or a reference that cannot be read.
    pub fn finish(
        self,
        sites: &[Site],
        not_used: &NotUsed,
    ) -> Result<Vec<Result<Score<'f>, Error>>, Error> {
        let mut absent = Absent::new(self.options, self.rules, sites, not_used)?;
        let rules = self.rules;
        let mincs = self.options.matching.mincs;
        Ok(self
            .scores
            .into_iter()
            .map(|score| score.finish(sites, &mut absent, rules, mincs))
            .collect())
    }
}

impl<'f> Pending<'f> {
    fn finish(
        self,
        sites: &[Site],
        absent: &mut Absent<'_>,
        rules: MatchRules,
        mincs: usize,
    ) -> Result<Score<'f>, Error> {
        let Pending {
            file,
            positions,
            mut candidates,
            at_record,
            mut totals,
            without_frequency,
            frequencies,
        } = self;
        if let Some(first) = without_frequency.first() {
            let path = file.path.clone();
            let n = without_frequency.len();
            return Err(Error::NoFrequency {
                path,
                n,
                first: first.clone(),
                mincs,
            });
        }
        candidates.sort_by_key(|candidate| candidate.row);
        let used: Vec<bool> = candidates.iter().map(Candidate::is_matched).collect();
        matching::mark(&mut candidates, rules);
        if let Some((changed, _)) = candidates
            .iter()
            .zip(used)
            .find(|(candidate, used)| candidate.is_matched() != *used)
        {
            let site = &sites[changed.site];
            return Err(Error::TwoFiles {
                path: file.path.clone(),
                contig: site.contig.clone(),
                position: site.position,
            });
        }
        let unmatched = absent.unmatched(file, &positions, &candidates, &at_record)?;
        let stands = absent.stands(file, &candidates, &unmatched)?;
        for (&row, stand) in &stands {
            totals.add_to_all(stand_value(&file.rows[row], *stand));
        }
        let stands = stands
            .into_iter()
            .map(|(row, stand)| (row, stand.kind))
            .collect();
        let matches = Matches::new(file, candidates, stands, unmatched);
        Ok(Score {
            file,
            matches,
            totals: totals.people().collect(),
            frequencies,
        })
    }
}

/// Scores that are left out, and why.
pub fn write_failed(f: &mut std::fmt::Formatter<'_>, failed: &[FailedScore]) -> std::fmt::Result {
    failed
        .iter()
        .try_for_each(|score| writeln!(f, "left out: {}", score.reason))
}

/// How a row adds the same to everyone.
#[derive(Clone, Copy)]
struct Constant {
    kind: Stand,
    /// Copies of the effect allele, where they are known.
    copies: Option<f64>,
}

fn stand_value(row: &WeightRow, constant: Constant) -> f64 {
    match constant.copies {
        Some(copies) => row.effect.at(copies),
        None => row.effect.expected(row.frequency.unwrap_or_default(), 2, 1),
    }
}

/// What is known of sites that are not in the VCF, or not to be used.
struct Absent<'a> {
    rules: MatchRules,
    xchr_model: u8,
    not_used: &'a NotUsed,
    /// Keys of the contigs on which the files have records.
    contigs: HashSet<&'a str>,
    /// Contig key and position of all records.
    present: HashSet<(&'a str, usize)>,
    /// `None` when not given.
    callable: Option<DisjointRegions>,
    reference: Option<Reference>,
}

impl<'a> Absent<'a> {
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
        let present = if callable.is_some() {
            sites
                .iter()
                .chain(&not_used.filtered)
                .chain(&not_used.without_calls)
                .map(|site| (contig_key(&site.contig), site.position))
                .collect()
        } else {
            HashSet::new()
        };
        Ok(Self {
            rules,
            xchr_model: scoring.reading.xchr_model,
            not_used,
            contigs: not_used
                .contigs
                .iter()
                .map(|name| contig_key(name))
                .collect(),
            present,
            callable: callable.map(|intervals| {
                DisjointRegions::new(
                    intervals
                        .iter()
                        .map(|interval| (interval.contig.as_str(), interval.start0..interval.end0)),
                )
            }),
            reference: scoring
                .reference
                .as_deref()
                .map(Reference::open)
                .transpose()?,
        })
    }

    /// Why each row without a candidate has none.
    fn unmatched(
        &self,
        file: &ScoringFile,
        positions: &Positions<'_>,
        candidates: &[Candidate],
        at_record: &[bool],
    ) -> Result<Vec<Option<Unmatched>>, Error> {
        let mut has_candidate = vec![false; file.rows.len()];
        for candidate in candidates {
            has_candidate[candidate.row] = true;
        }
        let mut reasons: Vec<Option<Unmatched>> = file
            .rows
            .iter()
            .enumerate()
            .map(|(number, row)| match row.unusable {
                None if !has_candidate[number] => Some(self.without_record(row, at_record[number])),
                _ => None,
            })
            .collect();
        let without_calls = positions
            .candidates(&self.not_used.without_calls, self.rules)?
            .candidates;
        let filtered = positions.candidates(&self.not_used.filtered, self.rules)?;
        let without_alt = positions
            .candidates(&self.not_used.without_alt, self.rules)?
            .rows_at_records;
        let rows = |candidates: Vec<Candidate>| {
            candidates
                .into_iter()
                .map(|candidate| candidate.row)
                .collect()
        };
        for (reason, rows) in [
            (Unmatched::Alleles, filtered.rows_at_records),
            (Unmatched::NoAlt, without_alt),
            (Unmatched::NoCall, rows(without_calls)),
            (Unmatched::Filter, rows(filtered.candidates)),
        ] {
            for row in rows {
                reasons[row] = reasons[row].map(|_| reason);
            }
        }
        Ok(reasons)
    }

    fn without_record(&self, row: &WeightRow, at_record: bool) -> Unmatched {
        if at_record {
            Unmatched::Alleles
        } else if self.contigs.contains(contig_key(&row.chr_name)) {
            Unmatched::Position
        } else {
            Unmatched::Contig
        }
    }

    /// The rows of a score that add the same to everyone.
    fn stands(
        &mut self,
        file: &ScoringFile,
        candidates: &[Candidate],
        unmatched: &[Option<Unmatched>],
    ) -> Result<BTreeMap<usize, Constant>, Error> {
        let exclusions: HashMap<usize, Option<Exclusion>> = candidates
            .iter()
            .filter(|candidate| candidate.best_match && !candidate.duplicate_best_match)
            .map(|candidate| (candidate.row, candidate.exclusion))
            .collect();
        let mut stands = BTreeMap::new();
        for (index, row) in file
            .rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.unusable.is_none())
        {
            let by_frequency = |kind| {
                row.frequency
                    .is_some()
                    .then_some(Constant { kind, copies: None })
            };
            let stand = match exclusions.get(&index) {
                Some(Some(Exclusion::Missing)) => by_frequency(Stand::Missing),
                Some(_) => None,
                None if unmatched[index] == Some(Unmatched::Filter) && self.is_ambiguous(row) => {
                    None
                }
                None if unmatched[index] == Some(Unmatched::Filter) => by_frequency(Stand::Filter),
                None if self.callable.is_none() || self.is_present(row) => None,
                None if self.is_callable(row) => self.hom_ref(row)?,
                None => by_frequency(Stand::NotCallable),
            };
            stands.extend(stand.map(|stand| (index, stand)));
        }
        Ok(stands)
    }

    fn is_ambiguous(&self, row: &WeightRow) -> bool {
        let complement = matching::complement(&row.effect_allele);
        !self.rules.keep_ambiguous
            && complement.is_some()
            && complement.as_deref() == row.other_allele.as_deref()
    }

    fn is_present(&self, row: &WeightRow) -> bool {
        row.chr_position.is_some_and(|position| {
            self.present
                .contains(&(contig_key(&row.chr_name), position))
        })
    }

    fn is_callable(&self, row: &WeightRow) -> bool {
        let (Some(callable), Some(position)) = (&self.callable, row.chr_position) else {
            return false;
        };
        let regions = callable.on(&row.chr_name);
        let len_nt = row
            .effect_allele
            .len()
            .max(row.other_allele.as_ref().map_or(1, |allele| allele.len()));
        let next = regions.partition_point(|region| region.end < position);
        regions
            .get(next)
            .is_some_and(|region| region.start < position && position - 1 + len_nt <= region.end)
    }

    /// Which of the row's alleles is REF, where the reference tells them apart. Men have one copy
    /// on X, and nobody says who is one.
    fn hom_ref(&mut self, row: &WeightRow) -> Result<Option<Constant>, Error> {
        let (Some(reference), Some(position)) = (self.reference.as_mut(), row.chr_position) else {
            return Ok(None);
        };
        if contig_key(&row.chr_name) == "X" && self.xchr_model == 1 {
            return Ok(None);
        }
        let start0 = position - 1;
        let longest = row
            .effect_allele
            .len()
            .max(row.other_allele.as_ref().map_or(1, |allele| allele.len()));
        if reference
            .covering(&row.chr_name, start0, start0 + longest)
            .is_err()
        {
            return Ok(None);
        }
        let bases =
            String::from_utf8_lossy(&reference.fetch(&row.chr_name, start0, start0 + longest)?)
                .into_owned();
        Ok(
            effect_is_ref(row, &bases, self.rules.keep_ambiguous).map(|is_ref| Constant {
                kind: Stand::HomRef,
                copies: Some(if is_ref { 2.0 } else { 0.0 }),
            }),
        )
    }
}

/// Whether the effect allele is what the reference has; `None` where it does not say.
fn effect_is_ref(row: &WeightRow, bases: &str, keep_ambiguous: bool) -> Option<bool> {
    let effect = row.effect_allele.as_str();
    let Some(other) = row.other_allele.as_deref() else {
        return (effect.len() == 1).then(|| bases.starts_with(effect));
    };
    let effect_flip = matching::complement(effect)?;
    let other_flip = matching::complement(other)?;
    if effect == other_flip && !keep_ambiguous {
        return None;
    }
    [(effect, other), (&effect_flip, &other_flip)]
        .into_iter()
        .map(|(effect, other)| (bases.starts_with(effect), bases.starts_with(other)))
        .find(|fits| *fits != (false, false))
        .and_then(|(is_effect, is_other)| (is_effect != is_other).then_some(is_effect))
}

/// A scoring file, or one score of it, that is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedScore {
    /// The file.
    pub path: PathBuf,
    /// What is wrong, and what to do.
    pub reason: String,
}

/// Scores that can be used, and those that cannot.
pub struct Usable<T> {
    /// In the order of the files.
    pub scores: Vec<T>,
    /// The others.
    pub failed: Vec<FailedScore>,
}

/// Keeps what succeeded, each result with its file; some have `failed` before.
///
/// # Errors
/// All errors, where nothing succeeded.
pub fn usable<T, E: fmt::Display + From<Error>>(
    results: Vec<(PathBuf, Result<T, E>)>,
    mut failed: Vec<FailedScore>,
) -> Result<Usable<T>, E> {
    let mut scores = Vec::new();
    let mut last = None;
    for (path, result) in results {
        match result {
            Ok(score) => scores.push(score),
            Err(error) => {
                failed.push(FailedScore {
                    path,
                    reason: error.to_string(),
                });
                last = Some(error);
            }
        }
    }
    match last {
        Some(error) if scores.is_empty() && failed.len() == 1 => Err(error),
        Some(_) if scores.is_empty() => {
            let reasons = failed.into_iter().map(|score| score.reason).collect();
            Err(Error::NoScore { reasons }.into())
        }
        _ => Ok(Usable { scores, failed }),
    }
}

/// Reads the scoring files. Those of another build and with names that are there already fail.
///
/// # Errors
/// That of the first file, where none can be used. See [`ScoringFile::read`].
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
                    if let (Ok(()), None, Some(found)) = (&checked, &build, file.genome_build) {
                        build = Some((found, path.display().to_string()));
                    }
                    results.push((path.clone(), checked.map(|()| file)));
                }
            }
        }
    }
    usable(results, Vec::new())
}

fn read_scoring_file(options: &Options, path: &Path) -> Result<Vec<ScoringFile>, Error> {
    if !path.exists()
        && let Some(id) = catalog_id(path)
    {
        let builds = match options.genome_build {
            Some(GenomeBuild::GRCh37) => "GRCh37",
            _ => "GRCh38",
        };
        return Err(Error::CatalogId {
            url: format!("{CATALOG}/{id}/ScoringFiles/Harmonized/{id}_hmPOS_{builds}.txt.gz"),
            id,
        });
    }
    ScoringFile::read(path, options.matching.effect_allele_column)
}

/// Where the PGS Catalog has its files.
const CATALOG: &str = "https://ftp.ebi.ac.uk/pub/databases/spot/pgs/scores";

/// `PGS000001`, in any case.
fn catalog_id(path: &Path) -> Option<String> {
    let name = path.to_str()?.trim().to_ascii_uppercase();
    let digits = name.strip_prefix("PGS")?;
    let is_id = digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_id.then_some(name)
}

/// Refuses a file of another build than the one that is known, or of one that cannot be compared
/// with it.
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

/// What the options and the scoring files say of the build.
pub fn stated_builds(options: &Options, files: &[ScoringFile]) -> Vec<Stated> {
    let by_option = options.genome_build.map(|build| Stated {
        by: "--genome-build".into(),
        build: Ok(build),
    });
    let by_file = |file: &ScoringFile| {
        let build = file
            .genome_build
            .map(Ok)
            .or_else(|| file.unknown_build.clone().map(Err))?;
        Some(Stated {
            by: file.path.display().to_string(),
            build,
        })
    };
    by_option
        .into_iter()
        .chain(files.iter().filter_map(by_file))
        .collect()
}

/// Contig and position of each row that has one.
pub fn positions_of(files: &[ScoringFile]) -> impl Iterator<Item = (&str, usize)> {
    files
        .iter()
        .flat_map(|file| &file.rows)
        .filter_map(|row| Some((row.chr_name.as_str(), row.chr_position?)))
}

/// The alleles of all rows that can be used.
pub fn alleles_of(files: &[ScoringFile]) -> impl Iterator<Item = Asked<'_>> {
    let usable = |row: &&WeightRow| row.unusable.is_none();
    let rows = files.iter().flat_map(|file| &file.rows).filter(usable);
    rows.filter_map(|row| {
        let contig = row.chr_name.as_str();
        let other = row.other_allele.as_deref();
        Some((contig, row.chr_position?, row.effect_allele.as_str(), other))
    })
}

/// The error of a score of which too few variants match; `log` is its match log.
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
        log: format!(" Each row is in {}.", log.display()),
    })
}

/// Each score with its file; those of which too few variants match are errors.
#[must_use]
pub fn with_enough<'f>(
    scores: Vec<Result<Score<'f>, Error>>,
    files: &[ScoringFile],
    not_used: &NotUsed,
    options: &Options,
    log: &Path,
) -> Vec<(PathBuf, Result<Score<'f>, Error>)> {
    let enough = |score: Score<'f>| match too_few(&score, not_used, options, log) {
        Some(error) => Err(error),
        None => Ok(score),
    };
    let paths = files.iter().map(|file| file.path.clone());
    paths
        .zip(scores.into_iter().map(|score| score.and_then(enough)))
        .collect()
}

/// The build that a file states, as words.
fn build_text(file: &ScoringFile) -> String {
    match (file.genome_build, &file.unknown_build) {
        (Some(build), _) => build.to_string(),
        (None, Some(text)) => format!("`{text}`, which is not known here"),
        (None, None) => "not stated".into(),
    }
}

/// Frequencies of effect alleles that a scoring file states, beside those of the people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Frequencies {
    /// Nearer to the frequency of the effect allele than to that of the other.
    pub as_stated: usize,
    /// Nearer to the other allele's.
    pub reversed: usize,
}

impl Frequencies {
    /// Fewer people than this (or common alleles, near one half) tell nothing.
    const LEAST_PEOPLE: usize = 50;
    const LEAST_DIFFERENCE: f64 = 0.2;
    /// Rows from which on it is no accident that most are reversed.
    const LEAST_ROWS: usize = 5;

    fn add(&mut self, stated: f64, tally: &Tally) {
        let Some(observed) = tally
            .frequency()
            .filter(|_| tally.people >= Self::LEAST_PEOPLE)
        else {
            return;
        };
        let near = (stated - observed).abs();
        let far = (stated - (1.0 - observed)).abs();
        self.as_stated += usize::from(near + Self::LEAST_DIFFERENCE < far);
        self.reversed += usize::from(far + Self::LEAST_DIFFERENCE < near);
    }

    /// Rows of which it can be told.
    #[must_use]
    pub fn compared(&self) -> usize {
        self.as_stated + self.reversed
    }

    /// Most frequencies are those of the other allele.
    #[must_use]
    pub fn are_reversed(&self) -> bool {
        self.reversed >= Self::LEAST_ROWS && self.reversed > self.as_stated
    }
}

impl fmt::Display for Frequencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stated = counted(
            self.compared(),
            "stated frequency that tells",
            "stated frequencies that tell",
        );
        write!(f, "of {stated}, {} of the effect allele", self.as_stated)?;
        if self.reversed > 0 {
            write!(f, " and {} of the other", self.reversed)?;
        }
        if self.are_reversed() {
            f.write_str(": are effect and other allele swapped in the file?")
        } else {
            Ok(())
        }
    }
}

/// What became of one scoring file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScoreSummary {
    /// The file.
    pub path: PathBuf,
    /// Its `#pgs_id`, or name.
    pub id: String,
    /// Build of the positions used, where stated.
    pub genome_build: Option<GenomeBuild>,
    /// What the file says of the build, where it is none that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown_build: Option<String>,
    /// Which program names its columns so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The positions are the harmonised ones.
    pub harmonised: bool,
    /// Rows matched and not.
    pub counts: MatchCounts,
    /// Share of the rows that are in the score.
    pub overlap: f64,
    /// Genotypes that a frequency stands for (or nothing, without mean imputation), over all
    /// people.
    pub missing_genotypes: u64,
    /// Frequencies that the file states, beside those of the people.
    pub frequencies: Frequencies,
}

impl ScoreSummary {
    /// Of a score.
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
        let counts = &self.counts;
        let build = match (self.genome_build, &self.unknown_build) {
            (Some(build), _) => build.to_string(),
            (None, Some(text)) => format!("build `{text}`, which is not known here"),
            (None, None) => "build not stated".into(),
        };
        let rows = counted(counts.rows, "variant", "variants");
        writeln!(
            f,
            "prs-{}: {} of {rows} matched ({:.1} %), {build}",
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
                "  effect and other allele as REF and ALT (refalt), ALT and REF (altref): {}",
                types.join(", ")
            )?;
        }
        if self.frequencies.compared() > 0 {
            let warning = if self.frequencies.are_reversed() {
                "warning: "
            } else {
                ""
            };
            writeln!(f, "  {warning}{}", self.frequencies)?;
        }
        let rows = [
            ("flipped", counts.flipped),
            ("ambiguous", counts.ambiguous),
            ("duplicate", counts.duplicates),
            ("multi-allelic", counts.multiallelic),
            ("with too many missing genotypes", counts.missing),
            (
                "homozygous reference: callable, not in the VCF",
                counts.hom_ref,
            ),
            (
                "the same for everyone, by the file's own frequency",
                counts.by_frequency,
            ),
            ("unmatched", counts.unmatched),
        ];
        crate::scoring::dosages::write_counts(f, &rows.map(|(what, count)| (what, count as u64)))?;
        crate::scoring::dosages::write_counts(
            f,
            &[(
                "missing genotypes at the variants matched",
                self.missing_genotypes,
            )],
        )?;
        counts
            .unusable
            .iter()
            .try_for_each(|(reason, count)| writeln!(f, "  unusable ({reason}): {count}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(pairs: &[(f64, f64)], n_people: usize) -> Frequencies {
        let mut frequencies = Frequencies::default();
        for &(stated, observed) in pairs {
            let haplotypes = 2 * n_people as u64;
            frequencies.add(
                stated,
                &Tally {
                    copies: observed * haplotypes as f64,
                    haplotypes,
                    people: n_people,
                },
            );
        }
        frequencies
    }

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
            "near one half nothing can be told"
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
}

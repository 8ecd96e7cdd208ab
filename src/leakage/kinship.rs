//! Guards against relatives and duplicates in different splits.
//!
//! Input: genotypes ([`Site`]s) and a cohort, or a table of kinships of PLINK 2 or KING.
//! Output: rows of `guards.csv` (`kinship`, `identical-genotypes`), and the related pairs.
//!
//! The kinship coefficient is that of KING-robust (Manichaikul et al. 2010, Bioinformatics 26:2867,
//! equation 11; the same as `plink2 --make-king-table`):
//! ```text
//! phi_ij = (N_AaAa - 2 N_AAaa) / (2 min(N_Aa_i, N_Aa_j)) + 1/2
//!          - (N_Aa_i + N_Aa_j) / (4 min(N_Aa_i, N_Aa_j))
//! ```
//! - `N_AaAa`: variants at which both samples are heterozygous;
//! - `N_AAaa`: variants at which they are homozygous for different alleles;
//! - `N_Aa_i`: variants at which sample `i` is heterozygous and both have a genotype.
//!
//! Expected values are 0.5 for duplicates and twins, 0.25 for first-degree relatives, and 0 or less
//! for unrelated samples of any ancestry.
//!
//! The variants are roughly independent: autosomal, one ALT allele, allele frequency from 0.05 to
//! 0.95, and pairwise r^2 below 0.1 within 250 kb among the training samples.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
};

use gf_cohort_schema::{Cohort, GuardRow, GuardVerdict, RelatedPairRow, text};
use rayon::prelude::*;

use crate::{leakage::Error, scoring::dosages::Site, tables};
use gf_cohort_schema::counted;
use gf_files::output;
use gf_genotypes::contig_key;
use gf_stats::normal::upper_tail;

/// Smallest number of independent variants; fewer do not separate cousins from unrelated samples.
const MIN_VARIANTS: usize = 500;
/// Largest number of candidate variants; more add no information and are thinned evenly.
const MAX_CANDIDATES: usize = 20_000;
/// Smallest frequency of either allele among the training samples.
const MIN_ALLELE_FREQUENCY: f64 = 0.05;
/// Largest r^2 of two variants within [`MAX_LD_DISTANCE_NT`].
const MAX_R2: f64 = 0.1;
const MAX_LD_DISTANCE_NT: usize = 250_000;
/// Expected number of unrelated pairs with identical genotypes from which the guard does not run.
const MAX_IDENTICAL_BY_CHANCE: f64 = 0.01;

/// Expected number of unrelated pairs above the cut-off of a relation from which the relation is
/// not reported. The expectation is from the spread of all kinships.
const MAX_FALSE_PAIRS: f64 = 0.5;

/// Degree of relatedness of two samples, by the cut-offs of KING.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    SamePerson,
    FirstDegree,
    SecondDegree,
    /// The kinship is unknown, but all available genotypes are the same.
    SameGenotypes,
}

impl Relation {
    /// The closest relation whose cut-off the kinship exceeds.
    fn from_kinship(kinship: f64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|relation| kinship > relation.cut_off())
    }

    const ALL: [Self; 3] = [Self::SamePerson, Self::FirstDegree, Self::SecondDegree];

    /// Kinship above which a pair has this relation.
    fn cut_off(self) -> f64 {
        match self {
            Self::SamePerson => 0.354,
            Self::FirstDegree => 0.177,
            Self::SecondDegree => 0.0884,
            Self::SameGenotypes => f64::INFINITY,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::SamePerson => "duplicate-or-twin",
            Self::FirstDegree => "first-degree",
            Self::SecondDegree => "second-degree",
            Self::SameGenotypes => "same-genotypes",
        }
    }
}

/// Two related samples of different splits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Index of the first sample in the cohort.
    a: usize,
    /// Index of the second sample in the cohort.
    b: usize,
    /// Kinship coefficient; NaN if it is unknown.
    kinship: f64,
    relation: Relation,
}

/// Result of a guard.
pub struct GuardResult {
    /// Rows of `guards.csv`.
    pub rows: Vec<GuardRow>,
    /// Related pairs across splits.
    pub pairs: Vec<Pair>,
}

impl GuardResult {
    fn of_row(row: GuardRow, pairs: Vec<Pair>) -> Self {
        Self {
            rows: vec![row],
            pairs,
        }
    }
}

/// Runs the guards `kinship` and `identical-genotypes`.
///
/// - `sites`: genotypes of the samples of `cohort`, in its order.
/// - `of_genome`: genotypes over more of the genome, if the baselines see only a part of it.
/// - `file`: a table of kinships of PLINK 2 or KING.
///
/// # Errors
/// A table of kinships that cannot be read, lacks a column, or names no pair of the cohort.
pub fn guard(
    cohort: &Cohort,
    training: &[usize],
    sites: &[Site],
    of_genome: Option<&[Site]>,
    file: Option<&Path>,
) -> Result<GuardResult, Error> {
    // Rare variants also distinguish samples, so the larger set is the better one.
    let larger_set = of_genome
        .filter(|of_genome| of_genome.len() > sites.len())
        .unwrap_or(sites);
    let variants = independent(larger_set, training);
    let GuardResult {
        mut rows,
        mut pairs,
    } = match file {
        Some(path) => {
            let pairs = read_pairs(path, cohort)?;
            let row = kinship_row(&pairs, &format!("by {}", path.display()));
            GuardResult::of_row(row, pairs)
        }
        None => kinship_of_genotypes(cohort, &variants),
    };
    let identical = identical_genotypes(cohort, training, larger_set, &variants);
    rows.extend(identical.rows);
    let n_with_kinship = pairs.len();
    for pair in identical.pairs {
        let is_known = pairs[..n_with_kinship]
            .iter()
            .any(|known| (known.a, known.b) == (pair.a, pair.b));
        if !is_known {
            pairs.push(pair);
        }
    }
    Ok(GuardResult { rows, pairs })
}

/// The guard `kinship`, from genotypes at roughly independent variants.
fn kinship_of_genotypes(cohort: &Cohort, variants: &[Calls]) -> GuardResult {
    if variants.len() < MIN_VARIANTS {
        let finding = format!(
            "{} here, but {MIN_VARIANTS} are needed. Compute kinships on more of the genome with \
             plink2 --make-king-table or KING, and give them with --kinship FILE",
            counted(
                variants.len(),
                "roughly independent variant is",
                "roughly independent variants are"
            )
        );
        let row = GuardRow::new("kinship", GuardVerdict::NotRun, "cohort", finding);
        return GuardResult::of_row(row, Vec::new());
    }
    let related = BitPlanes::pack(variants, cohort.people.len()).related(cohort);
    let noise = if related.noisy_relations.is_empty() {
        String::new()
    } else {
        let relations = related.noisy_relations.join(" and ");
        format!(", too few to distinguish {relations} from unrelated samples")
    };
    let n_variants = counted(variants.len(), "variant", "variants");
    let row = kinship_row(&related.pairs, &format!("KING-robust, {n_variants}{noise}"));
    GuardResult::of_row(row, related.pairs)
}

/// Writes `related_pairs.csv`, the only file that names samples.
///
/// Without pairs, an existing file is removed.
///
/// # Errors
/// When the file cannot be written.
pub fn write_pairs(path: &Path, cohort: &Cohort, pairs: &[Pair]) -> Result<(), output::Error> {
    if pairs.is_empty() {
        return output::remove_if_there(path);
    }
    tables::write(path, pairs.iter().map(|pair| pair.row(cohort)))
}

impl Pair {
    fn row<'c>(&self, cohort: &'c Cohort) -> RelatedPairRow<'c> {
        let a = &cohort.people[self.a];
        let b = &cohort.people[self.b];
        RelatedPairRow {
            sample_id_1: &a.sample_id,
            split_1: a.split,
            sample_id_2: &b.sample_id,
            split_2: b.split,
            kinship: (!self.kinship.is_nan()).then_some(self.kinship),
            relation: self.relation.name(),
        }
    }
}

/// The row of the guard `kinship`; `source` describes the origin of the kinships.
fn kinship_row(pairs: &[Pair], source: &str) -> GuardRow {
    let [same, first, second] = Relation::ALL.map(|relation| {
        pairs
            .iter()
            .filter(|pair| pair.relation == relation)
            .count()
    });
    let verdict = match (same + first, second) {
        (0, 0) => GuardVerdict::Pass,
        (0, _) => GuardVerdict::Warn,
        _ => GuardVerdict::Fail,
    };
    let finding = if pairs.is_empty() {
        format!("no relatives up to the second degree in different splits ({source})")
    } else {
        format!(
            "pairs of samples in different splits, by relation: duplicates or twins {same}, first \
             degree {first}, second degree {second} ({source}). related_pairs.csv names them (keep \
             it private). Give each family one family_id and one split"
        )
    };
    GuardRow::new("kinship", verdict, "cohort", finding)
}

/// Genotype of each sample at a variant: 0, 1 or 2 copies of ALT; `None` if it is missing.
type Calls = Vec<Option<u8>>;

/// A variant of the pruned set.
struct IndependentVariant<'s> {
    site: &'s Site,
    /// Dosages of the training samples with mean 0 and variance 1.
    standardised: Vec<f64>,
    calls: Calls,
}

/// Prunes the variants by LD, in the order of contigs and positions.
///
/// A candidate is kept if its r^2 with each variant kept nearby is below [`MAX_R2`].
fn independent(sites: &[Site], training: &[usize]) -> Vec<Calls> {
    let mut candidates: Vec<&Site> = sites
        .iter()
        .filter(|site| is_candidate(site, training))
        .collect();
    candidates.sort_by(|a, b| {
        (contig_key(&a.contig), a.position).cmp(&(contig_key(&b.contig), b.position))
    });
    let step = candidates.len().div_ceil(MAX_CANDIDATES).max(1);
    let mut pruned: Vec<IndependentVariant<'_>> = Vec::new();
    for site in candidates.into_iter().step_by(step) {
        let Some(standardised) = standardised(site, training) else {
            continue;
        };
        let is_independent = pruned
            .iter()
            .rev()
            .take_while(|earlier| is_near(earlier.site, site))
            .all(|earlier| r2(&standardised, &earlier.standardised) < MAX_R2);
        if is_independent {
            pruned.push(IndependentVariant {
                site,
                standardised,
                calls: calls(site),
            });
        }
    }
    pruned.into_iter().map(|variant| variant.calls).collect()
}

/// Whether a variant is autosomal, biallelic and common among the training samples.
fn is_candidate(site: &Site, training: &[usize]) -> bool {
    if site.alt_alleles.len() != 1 || ["X", "Y", "MT"].contains(&contig_key(&site.contig)) {
        return false;
    }
    let frequency = site
        .frequency(site.counted_alts[0], training)
        .unwrap_or_default();
    (MIN_ALLELE_FREQUENCY..=1.0 - MIN_ALLELE_FREQUENCY).contains(&frequency)
}

/// Whether `earlier` is at most [`MAX_LD_DISTANCE_NT`] before `site`.
fn is_near(earlier: &Site, site: &Site) -> bool {
    contig_key(&earlier.contig) == contig_key(&site.contig)
        && earlier.position + MAX_LD_DISTANCE_NT >= site.position
}

/// Squared correlation of two standardised variants.
fn r2(a: &[f64], b: &[f64]) -> f64 {
    let correlation = a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / a.len() as f64;
    correlation.powi(2)
}

/// Dosages of the training samples with mean 0 and variance 1; `None` if they do not vary.
fn standardised(site: &Site, training: &[usize]) -> Option<Vec<f64>> {
    let alt = site.counted_alts[0];
    let frequency = site.frequency(alt, training)?;
    let dosages: Vec<f64> = training
        .iter()
        .map(|&sample| site.dosage(alt, frequency, sample))
        .collect();
    let n = dosages.len() as f64;
    let mean = dosages.iter().sum::<f64>() / n;
    let sum_of_squares = dosages
        .iter()
        .map(|dosage| (dosage - mean).powi(2))
        .sum::<f64>();
    let sd = (sum_of_squares / n).sqrt();
    (sd > 0.0).then(|| dosages.iter().map(|dosage| (dosage - mean) / sd).collect())
}

/// Genotypes of all samples at a biallelic variant.
fn calls(site: &Site) -> Calls {
    (0..site.genotypes.len())
        .map(|sample| {
            // A frequency of NaN marks missing genotypes.
            let dosage = site.dosage(site.counted_alts[0], f64::NAN, sample);
            (!dosage.is_nan()).then(|| dosage.round() as u8)
        })
        .collect()
}

/// Genotypes of each sample as bit vectors, one bit per variant.
struct BitPlanes {
    /// Words of 64 variants per sample.
    n_words: usize,
    /// Bits of 0, 1 and 2 copies of ALT, one sample after the other. A missing genotype has no bit.
    copies: [Vec<u64>; 3],
}

/// Related pairs across splits.
struct RelatedPairs {
    pairs: Vec<Pair>,
    /// Relations that cannot be distinguished from chance; their pairs are left out.
    noisy_relations: Vec<&'static str>,
}

/// Kinships of one sample with all later samples of other splits.
#[derive(Default)]
struct Comparisons {
    related: Vec<Pair>,
    unrelated: Moments,
}

/// Number, sum and sum of squares of the kinships of unrelated pairs.
#[derive(Default)]
struct Moments {
    n: f64,
    sum: f64,
    sum_of_squares: f64,
}

impl Moments {
    fn add(&mut self, kinship: f64) {
        self.n += 1.0;
        self.sum += kinship;
        self.sum_of_squares += kinship * kinship;
    }

    fn merge(&mut self, other: &Self) {
        self.n += other.n;
        self.sum += other.sum;
        self.sum_of_squares += other.sum_of_squares;
    }
}

impl BitPlanes {
    fn pack(variants: &[Calls], n_samples: usize) -> Self {
        let n_words = variants.len().div_ceil(64);
        let mut copies = [(); 3].map(|()| vec![0; n_words * n_samples]);
        for (variant, calls) in variants.iter().enumerate() {
            for (sample, call) in calls.iter().enumerate() {
                if let Some(call) = call {
                    let word = sample * n_words + variant / 64;
                    copies[usize::from((*call).min(2))][word] |= 1 << (variant % 64);
                }
            }
        }
        Self { n_words, copies }
    }

    fn words(&self, sample: usize) -> [&[u64]; 3] {
        let range = sample * self.n_words..(sample + 1) * self.n_words;
        [
            &self.copies[0][range.clone()],
            &self.copies[1][range.clone()],
            &self.copies[2][range],
        ]
    }

    /// Kinship coefficient of two samples (equation 11).
    ///
    /// Not finite if one of them has no heterozygous genotype.
    fn kinship(&self, a: usize, b: usize) -> f64 {
        let [a0, a1, a2] = self.words(a);
        let [b0, b1, b2] = self.words(b);
        let mut n_both_het = 0;
        let mut n_opposite_hom = 0;
        let mut n_het_a = 0;
        let mut n_het_b = 0;
        for word in 0..self.n_words {
            n_both_het += (a1[word] & b1[word]).count_ones();
            n_opposite_hom += ((a0[word] & b2[word]) | (a2[word] & b0[word])).count_ones();
            n_het_a += (a1[word] & (b0[word] | b1[word] | b2[word])).count_ones();
            n_het_b += (b1[word] & (a0[word] | a1[word] | a2[word])).count_ones();
        }
        let both_het = f64::from(n_both_het);
        let opposite_hom = f64::from(n_opposite_hom);
        let het_a = f64::from(n_het_a);
        let het_b = f64::from(n_het_b);
        let fewer_het = het_a.min(het_b);
        (both_het - 2.0 * opposite_hom) / (2.0 * fewer_het) + 0.5
            - (het_a + het_b) / (4.0 * fewer_het)
    }

    /// Pairs across splits whose relation can be distinguished from chance.
    ///
    /// Kinships of unrelated pairs are taken as normal. A relation is left out if more than
    /// [`MAX_FALSE_PAIRS`] unrelated pairs are expected above its cut-off.
    fn related(&self, cohort: &Cohort) -> RelatedPairs {
        let comparisons: Vec<Comparisons> = (0..cohort.people.len())
            .into_par_iter()
            .map(|sample| self.compare_with_later(sample, cohort))
            .collect();
        let mut total = Moments::default();
        for comparison in &comparisons {
            total.merge(&comparison.unrelated);
        }
        let n = total.n;
        let mean = total.sum / n.max(1.0);
        let variance = (total.sum_of_squares / n.max(1.0) - mean * mean).max(0.0);
        let sd = variance.sqrt();
        let noisy: Vec<Relation> = Relation::ALL
            .into_iter()
            .filter(|relation| {
                let false_pairs = n * upper_tail((relation.cut_off() - mean) / sd);
                n > 0.0 && sd > 0.0 && false_pairs >= MAX_FALSE_PAIRS
            })
            .collect();
        let pairs = comparisons
            .into_iter()
            .flat_map(|comparison| comparison.related)
            .filter(|pair| !noisy.contains(&pair.relation))
            .collect();
        RelatedPairs {
            pairs,
            noisy_relations: noisy.into_iter().map(Relation::name).collect(),
        }
    }

    /// Compares sample `a` with all later samples of other splits.
    fn compare_with_later(&self, a: usize, cohort: &Cohort) -> Comparisons {
        let people = &cohort.people;
        // Counting bits is one instruction on any machine of the last fifteen years, but the
        // compiler uses it only in code that is dispatched by CPU features.
        pulp::Arch::new().dispatch(|| {
            let later = (a + 1..people.len()).filter(|&b| people[a].split != people[b].split);
            let mut comparisons = Comparisons::default();
            for b in later {
                let kinship = self.kinship(a, b);
                match Relation::from_kinship(kinship) {
                    Some(relation) => comparisons.related.push(Pair {
                        a,
                        b,
                        kinship,
                        relation,
                    }),
                    None if kinship.is_finite() => comparisons.unrelated.add(kinship),
                    None => {}
                }
            }
            comparisons
        })
    }
}

/// A line of a table of kinships.
struct KinshipRow<'l> {
    /// 1-based line number.
    number: usize,
    first: &'l str,
    second: &'l str,
    kinship: &'l str,
}

/// Columns of a table of kinships.
struct KinshipTable<'p> {
    path: &'p Path,
    /// Names in upper case.
    names: Vec<String>,
    first: usize,
    second: usize,
    kinship: usize,
}

impl<'p> KinshipTable<'p> {
    /// Finds the columns in the first line.
    fn new(path: &'p Path, header: &str) -> Result<Self, Error> {
        let names: Vec<String> = text::words(header.trim_start_matches('#'))
            .into_iter()
            .map(str::to_uppercase)
            .collect();
        Ok(Self {
            first: column(path, &names, &["IID1", "ID1"])?,
            second: column(path, &names, &["IID2", "ID2"])?,
            kinship: column(path, &names, &["KINSHIP"])?,
            path,
            names,
        })
    }

    /// The ids and the kinship of a line.
    fn row<'l>(&self, line: &'l str, number: usize) -> Result<KinshipRow<'l>, Error> {
        let cells = text::words(line);
        Ok(KinshipRow {
            number,
            kinship: self.cell(&cells, self.kinship, number)?,
            first: self.cell(&cells, self.first, number)?,
            second: self.cell(&cells, self.second, number)?,
        })
    }

    /// The kinship of a row; `None` if it is missing.
    fn kinship_of(&self, row: &KinshipRow<'_>) -> Result<Option<f64>, Error> {
        let KinshipRow {
            number,
            kinship: text,
            ..
        } = row;
        if gf_cohort_schema::is_missing(text) {
            return Ok(None);
        }
        let kinship: Option<f64> = text.parse().ok();
        if kinship.is_some_and(f64::is_finite) {
            return Ok(kinship);
        }
        let reason = format!("line {number}: kinship `{text}` is not a number");
        Err(Error::kinship(self.path, reason))
    }

    /// One cell of a line; `line` is 1-based.
    fn cell<'l>(&self, cells: &[&'l str], column: usize, line: usize) -> Result<&'l str, Error> {
        cells.get(column).copied().ok_or_else(|| {
            let reason = format!(
                "line {line}: {} cells, but the first line has {}",
                cells.len(),
                self.names.len()
            );
            Error::kinship(self.path, reason)
        })
    }
}

/// Index of the first column with one of the names in `accepted`.
fn column(path: &Path, names: &[String], accepted: &[&str]) -> Result<usize, Error> {
    let index = names
        .iter()
        .position(|name| accepted.contains(&name.as_str()));
    index.ok_or_else(|| {
        let reason = format!(
            "no column {}; the first line has {}",
            accepted.join(" or "),
            names.join(", ")
        );
        Error::kinship(path, reason)
    })
}

/// Reads pairs of relatives across splits from a table of PLINK 2 or KING.
///
/// The columns are `ID1` and `ID2` (or `IID1` and `IID2`) and `KINSHIP`, separated by tabs or
/// blanks.
///
/// # Errors
/// A table that cannot be read, lacks a column, has a kinship that is no number, or names no pair
/// of the cohort.
pub fn read_pairs(path: &Path, cohort: &Cohort) -> Result<Vec<Pair>, Error> {
    let raw_text = text::read(path)?;
    let has_tabs = raw_text
        .lines()
        .next()
        .is_some_and(|line| line.contains('\t'));
    let (text, _) = text::regular(path, raw_text, has_tabs.then_some(b'\t'));
    let mut lines = (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty());
    let (_, header) = lines
        .next()
        .ok_or_else(|| Error::kinship(path, "the table is empty"))?;
    let table = KinshipTable::new(path, header)?;
    let index_of = cohort.indices();
    let mut pairs = Vec::new();
    let mut n_known = 0;
    let mut n_without_kinship = 0;
    for (number, line) in lines {
        let row = table.row(line, number)?;
        let (Some(&a), Some(&b)) = (index_of.get(row.first), index_of.get(row.second)) else {
            continue;
        };
        let Some(kinship) = table.kinship_of(&row)? else {
            n_without_kinship += 1;
            continue;
        };
        n_known += 1;
        if let Some(relation) = Relation::from_kinship(kinship)
            && cohort.people[a].split != cohort.people[b].split
        {
            pairs.push(Pair {
                a,
                b,
                kinship,
                relation,
            });
        }
    }
    gf_cohort_schema::note_pairs_without_kinship(path, n_without_kinship, n_known)?;
    if n_known == 0 {
        return Err(Error::kinship(
            path,
            "the table has no pair of samples of the cohort; check that its IDs are the sample_id \
             of cohort.csv",
        ));
    }
    Ok(pairs)
}

/// The guard `identical-genotypes`: samples of different splits with equal genotypes at all sites.
///
/// It does not run if such pairs are expected by chance, by the genotype frequencies at the
/// independent `variants`.
fn identical_genotypes(
    cohort: &Cohort,
    training: &[usize],
    sites: &[Site],
    variants: &[Calls],
) -> GuardResult {
    let by_chance = n_pairs_across_splits(cohort) as f64
        * variants
            .iter()
            .map(|calls| chance_of_the_same(calls, training))
            .product::<f64>();
    if by_chance >= MAX_IDENTICAL_BY_CHANCE {
        let n_variants = counted(
            variants.len(),
            "roughly independent variant",
            "roughly independent variants",
        );
        let digits = if by_chance < 10.0 { 2 } else { 0 };
        let finding = format!(
            "{n_variants}, so {by_chance:.digits$} unrelated pairs are expected to be identical by \
             chance"
        );
        return GuardResult::of_row(identity_row(GuardVerdict::NotRun, finding), Vec::new());
    }
    let pairs = pairs_with_equal_genotypes(cohort, sites);
    let n_sites = counted(sites.len(), "site", "sites");
    let row = match pairs.len() {
        0 => identity_row(
            GuardVerdict::Pass,
            format!("no two samples of different splits have the same genotypes at {n_sites}"),
        ),
        count => identity_row(
            GuardVerdict::Warn,
            format!(
                "{} the same genotypes at {n_sites}; {by_chance:.4} unrelated pairs are expected. \
                 They are duplicates, or relatives who share this part of the genome. \
                 related_pairs.csv names them (keep it private)",
                counted(
                    count,
                    "pair of samples in different splits has",
                    "pairs of samples in different splits have"
                )
            ),
        ),
    };
    GuardResult::of_row(row, pairs)
}

fn identity_row(verdict: GuardVerdict, finding: String) -> GuardRow {
    GuardRow::new("identical-genotypes", verdict, "cohort", finding)
}

/// Number of pairs of samples of different splits.
fn n_pairs_across_splits(cohort: &Cohort) -> usize {
    let n = cohort.people.len();
    let mut n_by_split: HashMap<_, usize> = HashMap::new();
    for person in &cohort.people {
        *n_by_split.entry(person.split).or_default() += 1;
    }
    (n * n - n_by_split.values().map(|n| n * n).sum::<usize>()) / 2
}

/// Pairs across splits whose genotypes have the same hash, sorted by their indices.
fn pairs_with_equal_genotypes(cohort: &Cohort, sites: &[Site]) -> Vec<Pair> {
    let mut hashers = vec![DefaultHasher::new(); cohort.people.len()];
    for site in sites {
        for &alt in &site.counted_alts {
            for (sample, hasher) in hashers.iter_mut().enumerate() {
                site.dosage(alt, f64::NAN, sample).to_bits().hash(hasher);
            }
        }
    }
    let mut samples_by_hash: HashMap<u64, Vec<usize>> = HashMap::new();
    for (sample, hasher) in hashers.iter().enumerate() {
        let samples = samples_by_hash.entry(hasher.finish()).or_default();
        samples.push(sample);
    }
    let mut pairs: Vec<Pair> = Vec::new();
    for samples in samples_by_hash.values() {
        for (index, &a) in samples.iter().enumerate() {
            for &b in &samples[index + 1..] {
                if cohort.people[a].split != cohort.people[b].split {
                    pairs.push(Pair {
                        a,
                        b,
                        kinship: f64::NAN,
                        relation: Relation::SameGenotypes,
                    });
                }
            }
        }
    }
    // The map has no order of its own.
    pairs.sort_unstable_by_key(|pair| (pair.a, pair.b));
    pairs
}

/// Probability that two unrelated samples have the same genotype at a variant.
///
/// It is the sum of the squared genotype frequencies among the training samples.
fn chance_of_the_same(calls: &Calls, training: &[usize]) -> f64 {
    let mut counts = [0_usize; 3];
    for copies in training.iter().filter_map(|&sample| calls[sample]) {
        counts[usize::from(copies.min(2))] += 1;
    }
    let total = counts.iter().sum::<usize>().max(1) as f64;
    counts
        .iter()
        .map(|&count| (count as f64 / total).powi(2))
        .sum()
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write, fs};

    use gf_cohort_schema::{Person, Split};
    use proptest::prelude::*;

    use super::*;
    use crate::scoring::testing::write_vcf;
    use gf_genotypes::{Genotype, Position1};

    fn cohort(splits: &[Split]) -> Cohort {
        let people = splits
            .iter()
            .enumerate()
            .map(|(index, &split)| Person {
                sample_id: format!("P{index}"),
                phenotype: None,
                split,
                family_id: None,
                covariates: Vec::new(),
            })
            .collect();
        Cohort {
            people,
            covariate_names: Vec::new(),
            ..Cohort::default()
        }
    }

    /// A number from 0 to 1 that depends on all of its arguments.
    fn draw(seed: u64, variant: usize, haplotype: usize) -> f64 {
        let mut state = seed
            ^ (variant as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
            ^ (haplotype as u64).wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
        for _ in 0..3 {
            state = (state ^ (state >> 31)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        }
        (state >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Genotypes of 60 unrelated samples and three relatives at unlinked variants.
    ///
    /// The relatives are the first sample again, a child of the first two samples, and a half
    /// sibling of the child.
    fn family(n_variants: usize) -> Vec<Site> {
        (0..n_variants).map(family_site).collect()
    }

    fn family_site(variant: usize) -> Site {
        let frequency = 0.2 + 0.5 * draw(1, variant, 0);
        let mut genotypes: Vec<[i16; 2]> = (0..60)
            .map(|sample| {
                [2 * sample, 2 * sample + 1]
                    .map(|haplotype| i16::from(draw(2, variant, haplotype) < frequency))
            })
            .collect();
        let child = [0, 1].map(|parent| inherited(&genotypes, variant, parent, 1));
        let half_sibling = [0, 2].map(|parent| inherited(&genotypes, variant, parent, 2));
        genotypes.extend([genotypes[0], child, half_sibling]);
        Site {
            contig: "1".into(),
            position: Position1::new(300_000 * (variant + 1)).unwrap(),
            id: ".".into(),
            ref_allele: "A".into(),
            alt_alleles: vec!["G".into()],
            counted_alts: vec![1],
            genotypes: genotypes
                .into_iter()
                .map(|alleles| Genotype {
                    alleles,
                    phased: true,
                })
                .collect(),
        }
    }

    /// One allele of `parent` at random.
    fn inherited(genotypes: &[[i16; 2]], variant: usize, parent: usize, child: usize) -> i16 {
        genotypes[parent][usize::from(draw(3, variant, 100 * child + parent) < 0.5)]
    }

    /// The cohort of [`family`]: the relatives are in different splits.
    fn family_cohort() -> Cohort {
        let mut splits = vec![Split::Train; 60];
        splits.extend([Split::Test, Split::Validation, Split::Train]);
        cohort(&splits)
    }

    /// Verdicts of the guards `kinship` and `identical-genotypes`.
    fn verdicts(cohort: &Cohort, training: &[usize], sites: &[Site]) -> Vec<GuardVerdict> {
        let result = guard(cohort, training, sites, None, None).unwrap();
        result.rows.iter().map(|row| row.verdict).collect()
    }

    #[test]
    fn the_same_person_a_child_and_a_half_sibling_are_found_across_splits_only() {
        let sites = family(700);
        let across_splits = family_cohort();
        let training: Vec<usize> = across_splits
            .in_split(Split::Train)
            .map(|(sample, _)| sample)
            .collect();
        let GuardResult { rows, pairs } =
            guard(&across_splits, &training, &sites, None, None).unwrap();
        let related: Vec<(usize, usize, &str)> = pairs
            .iter()
            .map(|pair| (pair.a, pair.b, pair.relation.name()))
            .collect();
        let expected = [
            (0, 60, "duplicate-or-twin"),
            (0, 61, "first-degree"),
            (1, 61, "first-degree"),
            (60, 61, "first-degree"),
            (60, 62, "first-degree"),
            (61, 62, "second-degree"),
        ];
        assert_eq!(related, expected);
        assert_eq!(rows[0].verdict, GuardVerdict::Fail);
        assert!(
            rows[0].finding.contains(
                "duplicates or twins 1, first degree 4, second degree 1 (KING-robust, 700"
            ),
            "{rows:?}"
        );
        assert_eq!(rows[1].verdict, GuardVerdict::Warn, "{rows:?}");
        assert!(
            rows.iter().all(|row| !row.finding.contains("P60")),
            "no sample is named"
        );

        let in_one_split = cohort(&[Split::Train; 63]);
        let result = guard(&in_one_split, &training, &sites, None, None).unwrap();
        assert!(result.pairs.is_empty());
        assert_eq!(
            verdicts(&in_one_split, &training, &sites),
            [GuardVerdict::Pass, GuardVerdict::Pass]
        );
        assert_eq!(
            verdicts(&across_splits, &training, &sites[..499])[0],
            GuardVerdict::NotRun
        );
        assert_eq!(
            verdicts(&across_splits, &training, &sites[..8]),
            [GuardVerdict::NotRun, GuardVerdict::NotRun]
        );
    }

    #[test]
    fn variants_of_the_whole_genome_find_relatives_that_a_locus_cannot() {
        let sites = family(700);
        let locus = &sites[..20];
        let cohort = family_cohort();
        let training = (0..60).collect::<Vec<usize>>();
        assert_eq!(verdicts(&cohort, &training, locus)[0], GuardVerdict::NotRun);
        let result = guard(&cohort, &training, locus, Some(&sites), None).unwrap();
        assert_eq!(
            (result.rows[0].verdict, result.pairs[0].relation),
            (GuardVerdict::Fail, Relation::SamePerson)
        );
    }

    #[test]
    fn neighbours_in_ld_count_once() {
        let mut sites = family(20);
        let twin = Site {
            position: sites[3].position + 10,
            ..sites[3].clone()
        };
        sites.push(twin);
        let training: Vec<usize> = (0..60).collect();
        let without = independent(&family(20), &training).len();
        assert_eq!(independent(&sites, &training).len(), without);
    }

    #[test]
    fn kinships_of_a_file_are_read_as_plink2_and_king_write_them() {
        let result = guard_by_table(
            "#IID1\tIID2\tNSNP\tHETHET\tIBS0\tKINSHIP\nP0\tP1\t9\t0\t0\t0.5\nP2\tP0\t9\t0\t0\t0.1\
             \nP2\tQ\t9\t0\t0\t0.5\n",
        )
        .unwrap();
        assert_eq!(result.rows[0].verdict, GuardVerdict::Warn);
        assert_eq!(
            (result.pairs.len(), result.pairs[0].relation),
            (1, Relation::SecondDegree)
        );
        let king = "FID1 ID1 FID2 ID2 N_SNP HetHet IBS0 Kinship\nF P1 G P3 9 0 0 0.26\n";
        let result = guard_by_table(king).unwrap();
        assert_eq!(
            (result.rows[0].verdict, result.pairs[0].relation),
            (GuardVerdict::Fail, Relation::FirstDegree)
        );
        for (text, expected) in [
            (
                "IID1 IID2 PI_HAT\n",
                "no column KINSHIP; the first line has IID1, IID2, PI_HAT",
            ),
            (
                "IID1 IID2 KINSHIP\nP0 P2 x\n",
                "line 2: kinship `x` is not a number",
            ),
            ("IID1 IID2 KINSHIP\nP0 P2\n", "line 2: 2 cells"),
            (
                "IID1 IID2 KINSHIP\nA B 0.5\n",
                "the table has no pair of samples of the cohort",
            ),
        ] {
            let message = guard_by_table(text).err().unwrap().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    /// Runs the guards on four samples with a table of kinships.
    fn guard_by_table(text: &str) -> Result<GuardResult, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.kin0");
        fs::write(&path, text).unwrap();
        let cohort = cohort(&[Split::Train, Split::Train, Split::Test, Split::Validation]);
        guard(&cohort, &[0, 1], &[], None, Some(&path))
    }

    /// `plink2 --make-king-table` on the same genotypes, with missing ones among them.
    #[test]
    fn kinships_are_those_of_plink2() {
        if std::process::Command::new("plink2")
            .arg("--version")
            .output()
            .is_err()
        {
            crate::scoring::testing::no_oracle("no plink2");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let sites = family(300);
        let output = std::process::Command::new("plink2")
            .args(["--make-king-table", "--vcf"])
            .arg(write_vcf_with_missing(folder.path(), &sites))
            .arg("--out")
            .arg(folder.path().join("plink2"))
            .output()
            .unwrap();
        assert!(output.status.success());
        let variants: Vec<Calls> = sites
            .iter()
            .enumerate()
            .map(|(variant, site)| {
                calls(site)
                    .into_iter()
                    .enumerate()
                    .map(|(sample, call)| call.filter(|_| !is_missing(variant, sample)))
                    .collect()
            })
            .collect();
        let genotypes = BitPlanes::pack(&variants, 63);
        let text = fs::read_to_string(folder.path().join("plink2.kin0")).unwrap();
        let rows: Vec<Vec<&str>> = text
            .lines()
            .skip(1)
            .map(|line| line.split('\t').collect())
            .collect();
        assert_eq!(rows.len(), 63 * 62 / 2);
        for row in rows {
            let [a, b] = [row[0], row[1]].map(|name| name[1..].parse::<usize>().unwrap());
            let kinship = genotypes.kinship(a, b);
            let expected = row[row.len() - 1].parse::<f64>().unwrap();
            assert!((kinship - expected).abs() < 1e-5, "{row:?}: {kinship}");
        }
    }

    /// Whether a genotype is missing, for 5 % of the genotypes.
    fn is_missing(variant: usize, sample: usize) -> bool {
        draw(4, variant, sample) < 0.05
    }

    /// Writes a VCF of the sites for samples P0, P1, ... and returns its path.
    fn write_vcf_with_missing(folder: &Path, sites: &[Site]) -> std::path::PathBuf {
        let n_samples = sites[0].genotypes.len();
        let mut records = Vec::new();
        for (variant, site) in sites.iter().enumerate() {
            let mut record = format!("1 {} v{variant} A G . PASS . GT", site.position);
            for sample in 0..n_samples {
                let [a, b] = site.genotypes.call(sample).alleles;
                if is_missing(variant, sample) {
                    record.push_str(" ./.");
                } else {
                    write!(record, " {a}/{b}").unwrap();
                }
            }
            records.push(record);
        }
        let names: Vec<String> = (0..n_samples).map(|sample| format!("P{sample}")).collect();
        let sample_ids: Vec<&str> = names.iter().map(String::as_str).collect();
        let lines: Vec<&str> = records.iter().map(String::as_str).collect();
        write_vcf(folder, &sample_ids, &lines)
    }

    proptest! {
        #[test]
        fn kinship_is_symmetric_and_one_half_with_oneself(
            calls in prop::collection::vec((0_u8..3, 0_u8..3), 65..200)
        ) {
            let variants: Vec<Calls> = calls
                .iter()
                .map(|&(a, b)| vec![Some(a), Some(b), Some(a)])
                .collect();
            let genotypes = BitPlanes::pack(&variants, 3);
            prop_assert!((genotypes.kinship(0, 1) - genotypes.kinship(1, 0)).abs() < 1e-12);
            prop_assert!((genotypes.kinship(0, 2) - 0.5).abs() < 1e-12);
        }
    }
}

//! Are people of different splits relatives, or the same person? Guards that look at genotypes.
//!
//! Input -> output: [`Site`]s and a cohort -> rows of `guards.csv` (`kinship`,
//! `identical-genotypes`), and the pairs found. Kinship is KING-robust's (Manichaikul et al. 2010,
//! Bioinformatics 26:2867, equation 11; `plink2 --make-king-table`) on roughly independent
//! variants: autosomal, one ALT allele, allele frequency from 0.05 to 0.95 and pairwise r2 below
//! 0.1 within 250 kb among the training people; or what a file of PLINK 2 or KING says. Twins have
//! 0.5, parents and children or full siblings 0.25, strangers of any ancestry 0 or less.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
};

use gf_cohort_schema::{Cohort, GuardRow, GuardVerdict, text};
use rayon::prelude::*;

use crate::{leakage::Error, scoring::dosages::Site};
use gf_cohort_schema::counted;
use gf_files::output;
use gf_genotypes::contig_key;
use gf_stats::normal::upper_tail;

/// Fewer independent variants tell cousins from strangers badly.
const LEAST_VARIANTS: usize = 500;
/// Candidates beyond this number are thinned evenly: more independent variants change nothing.
const MOST_CANDIDATES: usize = 20_000;
const LEAST_FREQUENCY: f64 = 0.05;
const MOST_R2: f64 = 0.1;
const DISTANCE: usize = 250_000;
/// Identical genotypes say something where fewer pairs of strangers than this are expected to have
/// them.
const BY_CHANCE: f64 = 0.01;

/// A relation counts where fewer pairs of strangers than this are expected above its cut-off, by
/// the spread of all kinships.
const FALSE_PAIRS: f64 = 0.5;

/// Columns of `related_pairs.csv`.
pub const PAIR_COLUMNS: [&str; 6] = [
    "sample_id_1",
    "split_1",
    "sample_id_2",
    "split_2",
    "kinship",
    "relation",
];

/// How closely two people are related, by KING's cut-offs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    SamePerson,
    FirstDegree,
    SecondDegree,
    /// No kinship is known, but all genotypes at hand are the same.
    SameGenotypes,
}

impl Relation {
    fn from_kinship(kinship: f64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|relation| kinship > relation.cut_off())
    }

    const ALL: [Self; 3] = [Self::SamePerson, Self::FirstDegree, Self::SecondDegree];

    /// Kinship above which it is said.
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

/// Two people of different splits, as indices into the cohort.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    a: usize,
    b: usize,
    kinship: f64,
    relation: Relation,
}

/// What the guards say, and the related pairs across splits. `sites` have the people of `cohort` in
/// its order; those `of_genome` are of more of the genome, where the baselines see a part of it;
/// `file` has kinships of pairs that somebody has worked out.
///
/// # Errors
/// A file that cannot be read, has no such columns, or names none of these people.
pub fn guard(
    cohort: &Cohort,
    training: &[usize],
    sites: &[Site],
    of_genome: Option<&[Site]>,
    file: Option<&Path>,
) -> Result<(Vec<GuardRow>, Vec<Pair>), Error> {
    // Rare variants tell people apart too, so the larger set is the better one.
    let sites = of_genome
        .filter(|of_genome| of_genome.len() > sites.len())
        .unwrap_or(sites);
    let variants = independent(sites, training);
    let (of_kinship, pairs) = match file {
        Some(path) => {
            let pairs = read_pairs(path, cohort)?;
            (finding(&pairs, &format!("by {}", path.display())), pairs)
        }
        None if variants.len() < LEAST_VARIANTS => {
            let finding = format!(
                "{} here, {LEAST_VARIANTS} are needed: give the kinships that plink2 \
                 --make-king-table or KING found on more of the genome (--kinship FILE)",
                counted(
                    variants.len(),
                    "roughly independent variant is",
                    "roughly independent variants are"
                )
            );
            (
                GuardRow::new("kinship", GuardVerdict::NotRun, "cohort", finding),
                Vec::new(),
            )
        }
        None => {
            let (pairs, noisy) = BitPlanes::pack(&variants, cohort.people.len()).related(cohort);
            let noise = if noisy.is_empty() {
                String::new()
            } else {
                format!(", too few to tell {} from strangers", noisy.join(" and "))
            };
            (
                finding(
                    &pairs,
                    &format!(
                        "KING-robust, {}{noise}",
                        counted(variants.len(), "variant", "variants")
                    ),
                ),
                pairs,
            )
        }
    };
    let (of_identity, alike) = identical(cohort, training, sites, &variants);
    let is_new = |pair: &Pair| {
        !pairs
            .iter()
            .any(|other| (other.a, other.b) == (pair.a, pair.b))
    };
    let alike: Vec<Pair> = alike.into_iter().filter(is_new).collect();
    Ok((vec![of_kinship, of_identity], [pairs, alike].concat()))
}

/// Writes `related_pairs.csv`, the only place where people are named; an old one is removed where
/// there are no pairs.
///
/// # Errors
/// When the file cannot be written.
pub fn write_pairs(path: &Path, cohort: &Cohort, pairs: &[Pair]) -> Result<(), output::Error> {
    if pairs.is_empty() {
        return output::remove_if_there(path);
    }
    let person = |index: usize| &cohort.people[index];
    let record = |pair: &Pair| {
        let a = person(pair.a);
        let b = person(pair.b);
        let kinship = if pair.kinship.is_nan() {
            String::new()
        } else {
            format!("{:.4}", pair.kinship)
        };
        [
            a.sample_id.clone(),
            a.split.to_string(),
            b.sample_id.clone(),
            b.split.to_string(),
            kinship,
            pair.relation.name().into(),
        ]
    };
    output::write_csv(path, &PAIR_COLUMNS, pairs.iter().map(record))
}

fn finding(pairs: &[Pair], source: &str) -> GuardRow {
    let count = |relation| {
        pairs
            .iter()
            .filter(|pair| pair.relation == relation)
            .count()
    };
    let [same, first, second] = [
        Relation::SamePerson,
        Relation::FirstDegree,
        Relation::SecondDegree,
    ]
    .map(count);
    let verdict = match (same + first, second) {
        (0, 0) => GuardVerdict::Pass,
        (0, _) => GuardVerdict::Warn,
        _ => GuardVerdict::Fail,
    };
    let finding = if pairs.is_empty() {
        format!("no relatives up to the second degree in different splits ({source})")
    } else {
        format!(
            "pairs of people in different splits, by relation: duplicates or twins {same}, first \
             degree {first}, second degree {second} ({source}); who they are is in \
             related_pairs.csv (keep it private): give each family one family_id and one split"
        )
    };
    GuardRow::new("kinship", verdict, "cohort", finding)
}

/// A variant's genotype in each person: 0, 1 or 2 copies of ALT; `None` where it is missing.
type Calls = Vec<Option<u8>>;

/// Candidates in the order of contigs and positions, each that has r2 below [`MOST_R2`] with those
/// kept near by.
fn independent(sites: &[Site], training: &[usize]) -> Vec<Calls> {
    let is_common = |site: &&Site| {
        let frequency = || {
            site.frequency(site.counted_alts[0], training)
                .unwrap_or_default()
        };
        site.alt_alleles.len() == 1
            && !["X", "Y", "MT"].contains(&contig_key(&site.contig))
            && (LEAST_FREQUENCY..=1.0 - LEAST_FREQUENCY).contains(&frequency())
    };
    let mut candidates: Vec<&Site> = sites.iter().filter(is_common).collect();
    candidates.sort_by(|a, b| {
        (contig_key(&a.contig), a.position).cmp(&(contig_key(&b.contig), b.position))
    });
    let step = candidates.len().div_ceil(MOST_CANDIDATES).max(1);
    let mut kept: Vec<(&Site, Vec<f64>, Calls)> = Vec::new();
    for site in candidates.into_iter().step_by(step) {
        let Some(values) = standardised(site, training) else {
            continue;
        };
        let is_near = |other: &Site| {
            contig_key(&other.contig) == contig_key(&site.contig)
                && other.position + DISTANCE >= site.position
        };
        let r2 = |other: &[f64]| {
            (values.iter().zip(other).map(|(a, b)| a * b).sum::<f64>() / values.len() as f64)
                .powi(2)
        };
        if kept
            .iter()
            .rev()
            .take_while(|(other, ..)| is_near(other))
            .all(|(_, other, _)| r2(other) < MOST_R2)
        {
            kept.push((site, values, calls(site)));
        }
    }
    kept.into_iter().map(|(_, _, calls)| calls).collect()
}

/// Dosages of the training people with mean 0 and variance 1; `None` when they are all the same.
fn standardised(site: &Site, training: &[usize]) -> Option<Vec<f64>> {
    let alt = site.counted_alts[0];
    let frequency = site.frequency(alt, training)?;
    let dosages: Vec<f64> = training
        .iter()
        .map(|&person| site.dosage(alt, frequency, person))
        .collect();
    let n = dosages.len() as f64;
    let mean = dosages.iter().sum::<f64>() / n;
    let sd = (dosages
        .iter()
        .map(|dosage| (dosage - mean).powi(2))
        .sum::<f64>()
        / n)
        .sqrt();
    (sd > 0.0).then(|| dosages.iter().map(|dosage| (dosage - mean) / sd).collect())
}

fn calls(site: &Site) -> Calls {
    let copies = |person| {
        let dosage = site.dosage(site.counted_alts[0], f64::NAN, person);
        (!dosage.is_nan()).then(|| dosage.round() as u8)
    };
    (0..site.genotypes.len()).map(copies).collect()
}

/// Genotypes of each person as bits, one a variant, 64 in a word.
struct BitPlanes {
    n_words: usize,
    /// Person after person: no copy, one copy, two copies.
    copies: [Vec<u64>; 3],
}

impl BitPlanes {
    fn pack(variants: &[Calls], n_people: usize) -> Self {
        let n_words = variants.len().div_ceil(64);
        let mut copies = [(); 3].map(|()| vec![0; n_words * n_people]);
        for (variant, calls) in variants.iter().enumerate() {
            for (person, call) in calls
                .iter()
                .enumerate()
                .filter_map(|(person, call)| Some((person, (*call)?)))
            {
                copies[usize::from(call.min(2))][person * n_words + variant / 64] |=
                    1 << (variant % 64);
            }
        }
        Self { n_words, copies }
    }

    fn words(&self, person: usize) -> [&[u64]; 3] {
        let range = person * self.n_words..(person + 1) * self.n_words;
        [
            &self.copies[0][range.clone()],
            &self.copies[1][range.clone()],
            &self.copies[2][range],
        ]
    }

    /// Equation 11; not a number where one of the two has no heterozygous genotype.
    fn kinship(&self, a: usize, b: usize) -> f64 {
        let [a0, a1, a2] = self.words(a);
        let [b0, b1, b2] = self.words(b);
        let mut both = 0;
        let mut opposite = 0;
        let mut of_a = 0;
        let mut of_b = 0;
        for word in 0..self.n_words {
            both += (a1[word] & b1[word]).count_ones();
            opposite += ((a0[word] & b2[word]) | (a2[word] & b0[word])).count_ones();
            of_a += (a1[word] & (b0[word] | b1[word] | b2[word])).count_ones();
            of_b += (b1[word] & (a0[word] | a1[word] | a2[word])).count_ones();
        }
        let both = f64::from(both);
        let opposite = f64::from(opposite);
        let of_a = f64::from(of_a);
        let of_b = f64::from(of_b);
        let fewer = of_a.min(of_b);
        (both - 2.0 * opposite) / (2.0 * fewer) + 0.5 - (of_a + of_b) / (4.0 * fewer)
    }

    /// Pairs across splits whose relation can be told from chance, and the relations that cannot.
    fn related(&self, cohort: &Cohort) -> (Vec<Pair>, Vec<&'static str>) {
        let split = |person: usize| cohort.people[person].split;
        let of_person = |a: usize| {
            // Counting bits is one instruction on any machine of the last fifteen years, but the
            // compiler has to be told that it is there.
            pulp::Arch::new().dispatch(|| {
                let others = (a + 1..cohort.people.len()).filter(|&b| split(a) != split(b));
                let mut pairs = Vec::new();
                let mut sums = [0.0; 3];
                for b in others {
                    let kinship = self.kinship(a, b);
                    match Relation::from_kinship(kinship) {
                        Some(relation) => pairs.push(Pair {
                            a,
                            b,
                            kinship,
                            relation,
                        }),
                        None if kinship.is_finite() => {
                            sums.iter_mut()
                                .zip([1.0, kinship, kinship * kinship])
                                .for_each(|(sum, x)| *sum += x);
                        }
                        None => {}
                    }
                }
                (pairs, sums)
            })
        };
        let of_people: Vec<(Vec<Pair>, [f64; 3])> = (0..cohort.people.len())
            .into_par_iter()
            .map(of_person)
            .collect();
        let [n, sum, squares] =
            [0, 1, 2].map(|moment| of_people.iter().map(|(_, sums)| sums[moment]).sum::<f64>());
        let mean = sum / n.max(1.0);
        let sd = (squares / n.max(1.0) - mean * mean).max(0.0).sqrt();
        let is_noise =
            |relation: Relation| n * upper_tail((relation.cut_off() - mean) / sd) >= FALSE_PAIRS;
        let noisy: Vec<Relation> = Relation::ALL
            .into_iter()
            .filter(|&relation| n > 0.0 && sd > 0.0 && is_noise(relation))
            .collect();
        let pairs = of_people
            .into_iter()
            .flat_map(|(pairs, _)| pairs)
            .filter(|pair| !noisy.contains(&pair.relation))
            .collect();
        (pairs, noisy.into_iter().map(Relation::name).collect())
    }
}

/// Reads pairs of relatives from a table of PLINK 2 or KING: columns `ID1`, `ID2` or `IID1`,
/// `IID2`, and `KINSHIP`, between blanks.
pub fn read_pairs(path: &Path, cohort: &Cohort) -> Result<Vec<Pair>, Error> {
    let error = |reason: String| Error::Kinship {
        path: path.into(),
        reason,
    };
    let text = text::read(path)?;
    let has_tabs = text.lines().next().is_some_and(|line| line.contains('\t'));
    let (text, _) = text::regular(path, text, has_tabs.then_some(b'\t'));
    let mut lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    let (_, header) = lines.next().ok_or_else(|| error("is empty".into()))?;
    let names: Vec<String> = text::words(header.trim_start_matches('#'))
        .into_iter()
        .map(str::to_uppercase)
        .collect();
    let column = |wanted: &[&str]| {
        let found = names
            .iter()
            .position(|name| wanted.contains(&name.as_str()));
        found.ok_or_else(|| {
            error(format!(
                "no column {}: the first line has {}",
                wanted.join(" or "),
                names.join(", ")
            ))
        })
    };
    let first = column(&["IID1", "ID1"])?;
    let second = column(&["IID2", "ID2"])?;
    let kinship = column(&["KINSHIP"])?;
    let index_of = cohort.indices();
    let mut pairs = Vec::new();
    let mut n_known = 0;
    let mut n_without_kinship = 0;
    for (number, line) in lines {
        let cells = text::words(line);
        let cell = |column: usize| {
            let missing = || {
                error(format!(
                    "line {}: {} cells where the first line has {}",
                    number + 1,
                    cells.len(),
                    names.len()
                ))
            };
            cells.get(column).copied().ok_or_else(missing)
        };
        let value = cell(kinship)?;
        let (Some(&a), Some(&b)) = (index_of.get(cell(first)?), index_of.get(cell(second)?)) else {
            continue;
        };
        if gf_cohort_schema::is_missing(value) {
            n_without_kinship += 1;
            continue;
        }
        let kinship: Option<f64> = value.parse().ok();
        let value = kinship.filter(|value| value.is_finite()).ok_or_else(|| {
            error(format!(
                "line {}: kinship `{value}` is not a number",
                number + 1
            ))
        })?;
        n_known += 1;
        if let Some(relation) = Relation::from_kinship(value)
            && cohort.people[a].split != cohort.people[b].split
        {
            pairs.push(Pair {
                a,
                b,
                kinship: value,
                relation,
            });
        }
    }
    gf_cohort_schema::note_pairs_without_kinship(path, n_without_kinship, n_known)?;
    if n_known == 0 {
        return Err(error(
            "names no pair of people of the cohort; are its ids the sample_id of cohort.csv?"
                .into(),
        ));
    }
    Ok(pairs)
}

/// People of different splits with the same genotype at every site.
fn identical(
    cohort: &Cohort,
    training: &[usize],
    sites: &[Site],
    variants: &[Calls],
) -> (GuardRow, Vec<Pair>) {
    let row =
        |verdict, finding: String| GuardRow::new("identical-genotypes", verdict, "cohort", finding);
    let split = |person: usize| cohort.people[person].split;
    let n = cohort.people.len();
    let mut of_split: HashMap<_, usize> = HashMap::new();
    (0..n).for_each(|person| *of_split.entry(split(person)).or_default() += 1);
    let n_pairs = (n * n - of_split.values().map(|n| n * n).sum::<usize>()) / 2;
    let by_chance = n_pairs as f64
        * variants
            .iter()
            .map(|calls| chance_of_the_same(calls, training))
            .product::<f64>();
    if by_chance >= BY_CHANCE {
        let found = counted(
            variants.len(),
            "roughly independent variant",
            "roughly independent variants",
        );
        let finding = format!("{found}: {by_chance:.2} pairs of strangers may be alike by chance");
        return (row(GuardVerdict::NotRun, finding), Vec::new());
    }
    let mut hashers = vec![DefaultHasher::new(); n];
    for site in sites {
        for &alt in &site.counted_alts {
            hashers.iter_mut().enumerate().for_each(|(person, hasher)| {
                site.dosage(alt, f64::NAN, person).to_bits().hash(hasher);
            });
        }
    }
    let mut alike: HashMap<u64, Vec<usize>> = HashMap::new();
    hashers
        .iter()
        .enumerate()
        .for_each(|(person, hasher)| alike.entry(hasher.finish()).or_default().push(person));
    let pairs_of = |people: &Vec<usize>| {
        let pairs = people
            .iter()
            .enumerate()
            .flat_map(|(first, &a)| people[first + 1..].iter().map(move |&b| (a, b)));
        pairs
            .filter(|&(a, b)| split(a) != split(b))
            .collect::<Vec<_>>()
    };
    let mut pairs: Vec<(usize, usize)> = alike.values().flat_map(pairs_of).collect();
    pairs.sort_unstable();
    let finding = match pairs.len() {
        0 => row(
            GuardVerdict::Pass,
            format!(
                "no two people of different splits have the same genotypes at {}",
                counted(sites.len(), "site", "sites")
            ),
        ),
        count => row(
            GuardVerdict::Warn,
            format!(
                "{} in different splits with the same genotypes at {}, where {by_chance:.4} are \
                 expected of strangers: the same person twice, or relatives who share this part \
                 of the genome; who they are is in related_pairs.csv (keep it private)",
                counted(count, "pair of people", "pairs of people"),
                counted(sites.len(), "site", "sites")
            ),
        ),
    };
    let pair = |(a, b)| Pair {
        a,
        b,
        kinship: f64::NAN,
        relation: Relation::SameGenotypes,
    };
    (finding, pairs.into_iter().map(pair).collect())
}

/// Probability that two strangers have the same genotype, by how often each is among the training
/// people.
fn chance_of_the_same(calls: &Calls, training: &[usize]) -> f64 {
    let mut counts = [0_usize; 3];
    training
        .iter()
        .filter_map(|&person| calls[person])
        .for_each(|copies| counts[usize::from(copies.min(2))] += 1);
    let total = counts.iter().sum::<usize>().max(1) as f64;
    counts
        .iter()
        .map(|&count| (count as f64 / total).powi(2))
        .sum()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use gf_cohort_schema::{Person, Split};
    use proptest::prelude::*;

    use super::*;
    use crate::scoring::testing::write_vcf;
    use gf_genotypes::Genotype;

    fn cohort(splits: &[Split]) -> Cohort {
        let person = |(index, &split): (usize, &Split)| Person {
            sample_id: format!("P{index}"),
            phenotype: None,
            split,
            family_id: None,
            covariates: Vec::new(),
        };
        Cohort {
            people: splits.iter().enumerate().map(person).collect(),
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

    /// 700 variants, one a contig of its own as far as LD is concerned. 60 strangers, then: the
    /// first again, a child of the first two, a half sibling of the child.
    fn family(n_variants: usize) -> Vec<Site> {
        (0..n_variants)
            .map(|variant| {
                let frequency = 0.2 + 0.5 * draw(1, variant, 0);
                let haplotype = |number: usize| i16::from(draw(2, variant, number) < frequency);
                let mut people: Vec<[i16; 2]> = (0..60)
                    .map(|person| [haplotype(2 * person), haplotype(2 * person + 1)])
                    .collect();
                let passed_on = |parent: usize, child: usize| {
                    people[parent][usize::from(draw(3, variant, 100 * child + parent) < 0.5)]
                };
                let child = [passed_on(0, 1), passed_on(1, 1)];
                let half = [passed_on(0, 2), passed_on(2, 2)];
                people.extend([people[0], child, half]);
                Site {
                    contig: "1".into(),
                    position: 300_000 * (variant + 1),
                    id: ".".into(),
                    ref_allele: "A".into(),
                    alt_alleles: vec!["G".into()],
                    counted_alts: vec![1],
                    genotypes: people
                        .into_iter()
                        .map(|alleles| Genotype {
                            alleles,
                            phased: true,
                        })
                        .collect(),
                }
            })
            .collect()
    }

    #[test]
    fn the_same_person_a_child_and_a_half_sibling_are_found_across_splits_only() {
        let sites = family(700);
        let mut splits = vec![Split::Train; 60];
        splits.extend([Split::Test, Split::Validation, Split::Train]);
        let cohort_ = cohort(&splits);
        let training: Vec<usize> = cohort_
            .in_split(Split::Train)
            .map(|(person, _)| person)
            .collect();
        let (rows, pairs) = guard(&cohort_, &training, &sites, None, None).unwrap();
        let found: Vec<(usize, usize, &str)> = pairs
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
        assert_eq!(found, expected);
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
            "nobody is named"
        );

        let apart = cohort(&[Split::Train; 63]);
        let (rows, pairs) = guard(&apart, &training, &sites, None, None).unwrap();
        assert!(
            pairs.is_empty() && rows.iter().all(|row| row.verdict == GuardVerdict::Pass),
            "{rows:?}"
        );
        let (rows, _) = guard(&cohort_, &training, &sites[..499], None, None).unwrap();
        assert_eq!(rows[0].verdict, GuardVerdict::NotRun);
        let (rows, _) = guard(&cohort_, &training, &sites[..8], None, None).unwrap();
        assert!(
            rows.iter().all(|row| row.verdict == GuardVerdict::NotRun),
            "{rows:?}"
        );
    }

    #[test]
    fn variants_of_the_whole_genome_find_relatives_that_a_locus_cannot() {
        let sites = family(700);
        let mut splits = vec![Split::Train; 60];
        splits.extend([Split::Test, Split::Validation, Split::Train]);
        let cohort = cohort(&splits);
        let training = (0..60).collect::<Vec<usize>>();
        let (rows, _) = guard(&cohort, &training, &sites[..20], None, None).unwrap();
        assert_eq!(rows[0].verdict, GuardVerdict::NotRun);
        let (rows, pairs) = guard(&cohort, &training, &sites[..20], Some(&sites), None).unwrap();
        assert_eq!(
            (rows[0].verdict, pairs[0].relation),
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
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.kin0");
        let cohort = cohort(&[Split::Train, Split::Train, Split::Test, Split::Validation]);
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            guard(&cohort, &[0, 1], &[], None, Some(&path))
        };
        let (rows, pairs) = read(
            "#IID1\tIID2\tNSNP\tHETHET\tIBS0\tKINSHIP\nP0\tP1\t9\t0\t0\t0.5\nP2\tP0\t9\t0\t0\t0.1\
             \nP2\tQ\t9\t0\t0\t0.5\n",
        )
        .unwrap();
        assert_eq!(
            (rows[0].verdict, pairs.len(), pairs[0].relation),
            (GuardVerdict::Warn, 1, Relation::SecondDegree)
        );
        let (rows, pairs) =
            read("FID1 ID1 FID2 ID2 N_SNP HetHet IBS0 Kinship\nF P1 G P3 9 0 0 0.26\n").unwrap();
        assert_eq!(
            (rows[0].verdict, pairs[0].relation),
            (GuardVerdict::Fail, Relation::FirstDegree)
        );
        for (text, expected) in [
            (
                "IID1 IID2 PI_HAT\n",
                "no column KINSHIP: the first line has IID1, IID2, PI_HAT",
            ),
            (
                "IID1 IID2 KINSHIP\nP0 P2 x\n",
                "line 2: kinship `x` is not a number",
            ),
            ("IID1 IID2 KINSHIP\nP0 P2\n", "line 2: 2 cells"),
            (
                "IID1 IID2 KINSHIP\nA B 0.5\n",
                "names no pair of people of the cohort",
            ),
        ] {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
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
        let folder = folder.path();
        let sites = family(300);
        let is_missing = |variant: usize, person: usize| draw(4, variant, person) < 0.05;
        let names: Vec<String> = (0..63).map(|person| format!("P{person}")).collect();
        let records: Vec<String> = sites
            .iter()
            .enumerate()
            .map(|(variant, site)| {
                let text = |(person, call): (usize, &Genotype)| match call.alleles {
                    _ if is_missing(variant, person) => " ./.".to_owned(),
                    [a, b] => format!(" {a}/{b}"),
                };
                format!(
                    "1 {} v{variant} A G . PASS . GT{}",
                    site.position,
                    (0..names.len())
                        .map(|person| text((person, &site.genotypes.call(person))))
                        .collect::<String>()
                )
            })
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let vcf = write_vcf(
            folder,
            &names,
            &records.iter().map(String::as_str).collect::<Vec<_>>(),
        );
        let done = std::process::Command::new("plink2")
            .args(["--make-king-table", "--vcf"])
            .arg(vcf)
            .arg("--out")
            .arg(folder.join("plink2"))
            .output()
            .unwrap();
        assert!(done.status.success());
        let variants: Vec<Calls> = sites
            .iter()
            .enumerate()
            .map(|(variant, site)| {
                calls(site)
                    .into_iter()
                    .enumerate()
                    .map(|(person, call)| call.filter(|_| !is_missing(variant, person)))
                    .collect()
            })
            .collect();
        let genotypes = BitPlanes::pack(&variants, 63);
        let index = |name: &str| name[1..].parse::<usize>().unwrap();
        let text = fs::read_to_string(folder.join("plink2.kin0")).unwrap();
        let rows: Vec<Vec<&str>> = text
            .lines()
            .skip(1)
            .map(|line| line.split('\t').collect())
            .collect();
        assert_eq!(rows.len(), 63 * 62 / 2);
        for row in rows {
            let found = genotypes.kinship(index(row[0]), index(row[1]));
            let expected = row[row.len() - 1].parse::<f64>().unwrap();
            assert!((found - expected).abs() < 1e-5, "{row:?}: {found}");
        }
    }

    proptest! {
        #[test]
        fn kinship_is_symmetric_and_one_half_with_oneself(calls in prop::collection::vec((0_u8..3, 0_u8..3), 65..200)) {
            let variants: Vec<Calls> = calls.iter().map(|&(a, b)| vec![Some(a), Some(b), Some(a)]).collect();
            let genotypes = BitPlanes::pack(&variants, 3);
            prop_assert!((genotypes.kinship(0, 1) - genotypes.kinship(1, 0)).abs() < 1e-12);
            prop_assert!((genotypes.kinship(0, 2) - 0.5).abs() < 1e-12);
        }
    }
}

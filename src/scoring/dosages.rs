//! Genotypes of the people of a study at every usable variant, and the dosages read off them.
//!
//! Input -> output: VCF/BCF files -> a [`GenotypeTable`], whole or in batches: one [`Site`] a
//! record, with one genotype a person. A dosage is the number of copies of one allele, REF or ALT:
//! 0..2, of imputed genotypes a fraction, of haploid ones on Y and MT 0..1 (X: see
//! [`Reading::xchr_model`]; elsewhere two equal alleles, as PLINK 2 has it). A missing one is read
//! as allele frequency times copies; the frequency comes from training people. Coordinates:
//! `position` is 1-based.

use gf_cohort_schema::arguments::{name_of, one_of};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::scoring::{
    Error,
    build::{self, Stated},
    genotypes::{Genotypes, Tally},
    scoring_file::is_bases,
};
use gf_cohort_schema::counted;
use gf_genotypes::{
    ABSENT, DisjointRegions, DosageField, GenomeBuild, Genotype, MISSING, RefAlleles, Reference,
    Samples, VariantFile, VariantRecord, admits, contig_key,
};

/// How genotypes become dosages: options of `prs` and keys of `[baselines.scoring.reading]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
pub struct Reading {
    /// FORMAT field of the dosages. `auto` takes DS, else HDS, else GT, and GP in records that have
    /// none of these.
    #[arg(
        long,
        value_parser = one_of::<DosageField>(),
        default_value = name_of(&DosageField::default()),
        value_name = "FIELD"
    )]
    pub dosage_field: DosageField,
    /// Half calls such as `./1`: refused (error), `1/1` (haploid), `./.` (missing), or `0/1`
    /// (reference), like PLINK 2.
    #[arg(
        long,
        value_parser = one_of::<HalfCalls>(),
        default_value = name_of(&HalfCalls::default()),
        value_name = "HOW"
    )]
    pub half_calls: HalfCalls,
    /// Dosage of one allele of a haploid genotype on X: 2 like PLINK 2, so that men equal
    /// homozygous women, or 1.
    #[arg(
        long,
        default_value_t = Reading::default().xchr_model,
        value_parser = clap::value_parser!(u8).range(1..=2),
        value_name = "1|2"
    )]
    pub xchr_model: u8,
    /// Accept a file of one sample without any homozygous-reference call in 1,000 records or more.
    /// Such a file usually lists variants only.
    #[arg(long)]
    pub allow_no_hom_ref: bool,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            dosage_field: DosageField::default(),
            half_calls: HalfCalls::default(),
            xchr_model: 2,
            allow_no_hom_ref: false,
        }
    }
}

/// What a genotype with one allele called and one missing (`./1`) is, named as by PLINK 2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HalfCalls {
    /// Refused.
    Error,
    /// `1/1`.
    Haploid,
    /// `./.`
    #[default]
    Missing,
    /// `0/1`.
    Reference,
}

impl HalfCalls {
    /// What is made of a call.
    #[inline]
    fn read(self, call: Genotype) -> Genotype {
        let is_half = matches!(
            call.alleles,
            [MISSING, 0..=i16::MAX] | [0..=i16::MAX, MISSING]
        );
        let alleles = match self {
            Self::Haploid if is_half => [call.alleles[0].max(call.alleles[1]); 2],
            Self::Reference if is_half => call.alleles.map(|allele| allele.max(0)),
            _ => call.alleles,
        };
        Genotype { alleles, ..call }
    }
}

/// One VCF record that has an ALT allele to count.
#[derive(Clone, Debug)]
pub struct Site {
    /// Contig as the file names it.
    pub contig: String,
    /// 1-based POS.
    pub position: usize,
    /// ID column (`.` when absent).
    pub id: String,
    /// REF, upper-case.
    pub ref_allele: String,
    /// ALT alleles, all of them, upper-case.
    pub alt_alleles: Vec<String>,
    /// Numbers (1 = first ALT) of the ALT alleles that have a dosage: not symbolic, not `*`, not
    /// on an earlier record already.
    pub counted_alts: Vec<i16>,
    /// One a person, in the order of [`GenotypeTable::people`].
    pub genotypes: Genotypes,
}

impl Site {
    /// REF (0) or an ALT (1..) allele.
    #[must_use]
    pub fn allele(&self, number: i16) -> &str {
        match usize::try_from(number) {
            Ok(alt @ 1..) => &self.alt_alleles[alt - 1],
            _ => &self.ref_allele,
        }
    }

    /// Counts of an allele among the called genotypes of `people`.
    #[must_use]
    pub fn tally(&self, allele: i16, people: &[usize]) -> Tally {
        self.genotypes.tally(allele, people)
    }

    /// Frequency of an allele among the called genotypes of `people`; `None` when none is called.
    #[must_use]
    pub fn frequency(&self, allele: i16, people: &[usize]) -> Option<f64> {
        self.tally(allele, people).frequency()
    }

    /// Copies of an allele in one person; frequency times the copies there can be where the call is
    /// missing.
    #[must_use]
    pub fn dosage(&self, allele: i16, frequency: f64, person: usize) -> f64 {
        self.genotypes.dosage(allele, frequency, person)
    }
}

/// What happened to records and genotypes on reading.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadCounts {
    /// Records read.
    pub records: u64,
    /// Records left out: by FILTER.
    pub filtered_records: u64,
    /// Of these, how many have each FILTER name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub filters: BTreeMap<String, u64>,
    /// Records without any ALT allele to count.
    pub records_without_dosage: u64,
    /// Records without GT, and without the dosages asked for: nobody is called in them.
    pub records_without_genotypes: u64,
    /// Records whose dosages are those of DS, GP or HDS.
    pub imputed_records: u64,
    /// Symbolic ALT alleles (`<DEL>`, breakends): not counted.
    pub symbolic_alleles: u64,
    /// `*` ALT alleles: not counted.
    pub star_alleles: u64,
    /// ALT alleles that an earlier record has already: left out.
    pub duplicate_variants: u64,
    /// Genotypes without a call, half calls that are read so included.
    pub missing_genotypes: u64,
    /// Genotypes with one allele called and one missing.
    pub half_calls: u64,
    /// Haploid genotypes.
    pub haploid_genotypes: u64,
    /// Records on X.
    pub x_records: u64,
    /// Haploid genotypes on X.
    pub x_haploid_genotypes: u64,
    /// Diploid genotypes with an ALT allele on the mitochondrial chromosome.
    #[serde(default)]
    pub mt_diploid_genotypes: u64,
    /// Records with the position and the REF of an earlier one: sites of several ALT alleles that
    /// were split.
    #[serde(default)]
    pub split_records: u64,
    /// Samples of the VCF that are not asked for.
    pub samples_left_out: u64,
    /// Records whose REF was not compared, as the reference has nothing there.
    pub records_beyond_reference: u64,
}

/// What is to be read.
#[derive(Clone, Copy, Default)]
pub struct Request<'a> {
    /// The files, each read once.
    pub paths: &'a [PathBuf],
    /// Regions of the files; all when `None`.
    pub regions: Option<&'a DisjointRegions>,
    /// Looked up by sample name in every file; those of the first file that `samples` chooses when
    /// `None`.
    pub people: Option<&'a [&'a str]>,
    /// Of the first file, which are read; all when `None`.
    pub samples: Option<&'a Samples>,
    /// Which of the records are kept.
    pub wanted: Option<&'a dyn Fn(&VariantRecord) -> bool>,
    /// Which of these are used, as [`Options::filters`](crate::scoring::Options::filters).
    pub filters: Option<&'a [String]>,
    /// Of those that cannot be used, which are kept in [`GenotypeTable::not_used`].
    pub keep_unused: Option<&'a dyn Fn(&VariantRecord) -> bool>,
    /// FASTA that REF of the records kept is compared with.
    pub reference: Option<&'a Path>,
    /// What is said of the build, which contig lengths in the headers must not contradict.
    pub builds: &'a [Stated],
}

/// Every usable variant with the genotypes of the people asked for.
#[derive(Clone, Debug, Default)]
pub struct GenotypeTable {
    /// Sample names.
    pub people: Vec<String>,
    /// In the order of the files.
    pub sites: Vec<Site>,
    /// Records that cannot be used.
    pub not_used: NotUsed,
    /// What was left out or odd.
    pub counts: ReadCounts,
    /// What was odd about the headers, and how X is counted.
    pub warnings: Vec<String>,
    /// Build by the contig lengths of the headers.
    pub genome_build: Option<GenomeBuild>,
}

/// Records that no dosage is of, without genotypes, as far as they are asked for; and where the
/// files have records.
#[derive(Clone, Debug, Default)]
pub struct NotUsed {
    /// Left out by FILTER.
    pub filtered: Vec<Site>,
    /// Without an ALT allele that can be counted; with genotypes where nobody carries one.
    pub without_alt: Vec<Site>,
    /// Without a call in the training people.
    pub without_calls: Vec<Site>,
    /// Contigs on which the files have records, as they name them.
    pub contigs: HashSet<String>,
}

/// A file of one person that has so many records, none of them homozygous reference, holds variants
/// only (the rule of PLINK 2).
const MANY_RECORDS: u64 = 1_000;

impl GenotypeTable {
    /// Reads `paths` once each, by the usual [`Reading`]. `people` are looked up by sample name in
    /// every file; all samples of the first file when `None`. `wanted` says which of the
    /// records are kept, and `filters` which of these are used, as
    /// [`Options::filters`](crate::scoring::Options::filters).
    ///
    /// # Errors
    /// Whatever [`VariantFile`] refuses; a person whom a file does not have.
    #[cfg(test)]
    pub fn read(
        paths: &[PathBuf],
        regions: Option<&DisjointRegions>,
        people: Option<&[&str]>,
        wanted: Option<&dyn Fn(&VariantRecord) -> bool>,
        filters: Option<&[String]>,
    ) -> Result<Self, Error> {
        Self::read_as(
            &Request {
                paths,
                regions,
                people,
                wanted,
                filters,
                ..Request::default()
            },
            &Reading::default(),
        )
    }

    /// As [`Self::read`], by any [`Reading`].
    ///
    /// # Errors
    /// As [`Self::read`]; half calls, or one person without homozygous reference, where `reading`
    /// does not allow them.
    pub fn read_as(request: &Request<'_>, reading: &Reading) -> Result<Self, Error> {
        Self::in_batches(request, reading, usize::MAX, |_| Ok(()))
    }

    /// As [`Self::read_as`], but whenever the genotypes of [`Self::sites`] are about `batch_bytes`
    /// long and a position is complete, `visit` is called, which takes them out. What it leaves
    /// is in the result.
    ///
    /// # Errors
    /// As [`Self::read_as`], and whatever `visit` returns.
    pub fn in_batches(
        request: &Request<'_>,
        reading: &Reading,
        batch_bytes: usize,
        mut visit: impl FnMut(&mut Self) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let mut files = request
            .paths
            .iter()
            .map(|path| VariantFile::open(path))
            .collect::<Result<Vec<_>, _>>()?;
        let people: Vec<String> = match (request.people, files.first()) {
            (Some(people), _) => people.iter().map(ToString::to_string).collect(),
            (None, Some(first)) => request.samples.unwrap_or(&Samples::All).select(first)?,
            (None, None) => Vec::new(),
        };
        let mut table = Self {
            people,
            ..Self::default()
        };
        let mut seen = HashSet::new();
        let mut reference = request.reference.map(Reference::open).transpose()?;
        for file in &mut files {
            table.genome_build = table
                .genome_build
                .or(build::of_header(file, request.builds)?);
            let mut ref_alleles = reference.as_mut().map(RefAlleles::new);
            table.warnings.extend_from_slice(file.warnings());
            file.select(&table.people)?;
            file.read_dosages(reading.dosage_field);
            table.counts.samples_left_out += (file.samples().len() - table.people.len()) as u64;
            let mut n_records = 0;
            let mut n_hom_ref = 0;
            let mut n_bytes = 0;
            let path = file.path().to_path_buf();
            let mut contig = String::new();
            let contigs = file.for_each_needed(request.regions, request.wanted, |record| {
                n_records += 1;
                if contig != record.contig {
                    contig.clone_from(&record.contig);
                    table.genome_build =
                        build::of_record(&path, &contig, request.builds)?.or(table.genome_build);
                }
                n_hom_ref += record.genotypes.first().map_or(0, |call| {
                    u64::from(
                        call.alleles
                            .iter()
                            .all(|&allele| allele == 0 || allele == ABSENT),
                    )
                });
                let goes_on = table.sites.last().is_some_and(|last| {
                    last.position == record.position && last.contig == record.contig
                });
                if n_bytes >= batch_bytes && !goes_on {
                    visit(&mut table)?;
                    n_bytes = 0;
                }
                if request.wanted.is_none_or(|wanted| wanted(record)) {
                    ref_alleles
                        .as_mut()
                        .map_or(Ok(()), |fasta| fasta.compare(&path, record))?;
                    let n_sites = table.sites.len();
                    table
                        .add(record, request, reading, &mut seen)
                        .map_err(|reason| gf_genotypes::Error::record(&path, record, reason))?;
                    n_bytes += table.sites[n_sites..]
                        .iter()
                        .map(|site| site.genotypes.n_bytes())
                        .sum::<usize>();
                }
                Ok::<_, Error>(())
            })?;
            table.not_used.contigs.extend(contigs);
            table.warnings.extend(file.passed_over());
            table.counts.records_beyond_reference += ref_alleles.map_or(0, |fasta| fasta.n_beyond);
            if file.samples().len() == 1
                && n_hom_ref == 0
                && n_records >= MANY_RECORDS
                && !reading.allow_no_hom_ref
            {
                return Err(Error::NoHomRef { path, n_records });
            }
        }
        let has_imputed = table.counts.imputed_records > 0
            || table.counts.records == table.counts.filtered_records;
        if !matches!(reading.dosage_field, DosageField::Gt | DosageField::Auto) && !has_imputed {
            let field = format!("{:?}", reading.dosage_field).to_uppercase();
            let reason = format!(
                "FORMAT field {field} is in no record (records: {}; --dosage-field auto takes \
                 what there is)",
                table.counts.records
            );
            return Err(Error::Options { reason });
        }
        visit(&mut table)?;
        table.warnings.extend(table.about_x(reading));
        table.warnings.extend(table.about_mt());
        if request.wanted.is_some() {
            table.warnings.extend(table.about_split_records());
        }
        Ok(table)
    }

    /// How men are counted on X, if there is one.
    fn about_mt(&self) -> Option<String> {
        let n = self.counts.mt_diploid_genotypes;
        (n > 0).then(|| {
            format!(
                "mitochondrial chromosome: {} and count 1 or 2, where haploid ones count 1; write \
                 them haploid",
                counted(
                    n,
                    "genotype with ALT is diploid",
                    "genotypes with ALT are diploid"
                )
            )
        })
    }

    /// In a record of one ALT allele REF stands for every other ALT allele too.
    fn about_split_records(&self) -> Option<String> {
        let n = self.counts.split_records;
        (n > 0).then(|| {
            format!(
                "{} the position and REF of another one: where the effect allele of a score is \
                 this REF, copies of the other ALT alleles are counted as REF; join such records \
                 (bcftools norm -m +any)",
                counted(n, "record has", "records have")
            )
        })
    }

    fn about_x(&self, reading: &Reading) -> Option<String> {
        let records = self.counts.x_records;
        let haploid = self.counts.x_haploid_genotypes;
        if records == 0 {
            return None;
        }
        let rule = match (haploid, reading.xchr_model) {
            (0, _) => {
                "none is haploid: whoever is called as diploid counts 0 to 2, men too".to_owned()
            }
            (_, 2) => format!(
                "{} 0 or 2, as two equal alleles do (--xchr-model 1: 0 or 1)",
                counted(haploid, "is haploid and counts", "are haploid and count")
            ),
            _ => format!(
                "{} 0 or 1 (--xchr-model 2: 0 or 2)",
                counted(haploid, "is haploid and counts", "are haploid and count")
            ),
        };
        Some(format!(
            "chromosome X: of the genotypes at {}, {rule}",
            counted(records, "record", "records")
        ))
    }

    fn add(
        &mut self,
        record: &VariantRecord,
        request: &Request<'_>,
        reading: &Reading,
        seen: &mut HashSet<String>,
    ) -> Result<(), String> {
        let counts = &mut self.counts;
        counts.records += 1;
        let passes = request
            .filters
            .is_none_or(|names| admits(names, &record.filters));
        if !passes {
            counts.filtered_records += 1;
            let without_filter = [".".to_owned()];
            let filters = if record.filters.is_empty() {
                &without_filter[..]
            } else {
                &record.filters
            };
            for filter in filters {
                *counts.filters.entry(filter.clone()).or_default() += 1;
            }
        }
        if !record.has_genotypes && record.dosages.is_empty() {
            counts.records_without_genotypes += 1;
            return Ok(());
        }
        let keeps_unused = || request.keep_unused.is_some_and(|keep| keep(record));
        if !passes && !keeps_unused() {
            return Ok(());
        }
        let ref_allele = text(&record.ref_allele);
        let mut counted_alts = Vec::new();
        for (number, alt) in (1..).zip(&record.alt_alleles) {
            let is_symbolic = alt.iter().any(|byte| b"<>[].".contains(byte));
            if !passes {
                // Counted as records only.
                if alt != b"*" && !is_symbolic {
                    counted_alts.push(number);
                }
            } else if alt == b"*" {
                counts.star_alleles += 1;
            } else if is_symbolic {
                counts.symbolic_alleles += 1;
            } else if !seen.insert(format!(
                "{}:{}:{ref_allele}:{}",
                contig_key(&record.contig),
                record.position,
                text(alt)
            )) {
                counts.duplicate_variants += 1;
            } else {
                counted_alts.push(number);
            }
        }
        let is_counted = !counted_alts.is_empty();
        counts.records_without_dosage += u64::from(passes && !is_counted);
        if !is_counted && !keeps_unused() {
            return Ok(());
        }
        let is_used = passes && is_counted;
        let site_key = || {
            let contig = contig_key(&record.contig);
            format!("{contig}:{}:{ref_allele}", record.position)
        };
        if is_used && !seen.insert(site_key()) {
            self.counts.split_records += 1;
        }
        let genotypes = if is_used || (passes && is_reference_call(record)) {
            self.genotypes(record, reading)?
        } else {
            Genotypes::none()
        };
        let sites = match (passes, is_counted) {
            (true, true) => &mut self.sites,
            (false, _) => &mut self.not_used.filtered,
            (true, false) => &mut self.not_used.without_alt,
        };
        sites.push(Site {
            contig: record.contig.clone(),
            position: record.position,
            id: record.id.clone(),
            ref_allele,
            alt_alleles: record.alt_alleles.iter().map(|alt| text(alt)).collect(),
            counted_alts,
            genotypes,
        });
        Ok(())
    }

    fn genotypes(
        &mut self,
        record: &VariantRecord,
        reading: &Reading,
    ) -> Result<Genotypes, String> {
        let counts = &mut self.counts;
        let is_x = contig_key(&record.contig) == "X";
        let is_mt = contig_key(&record.contig) == "MT";
        let n_alts = record.alt_alleles.len();
        let dosages_of = |person: usize| {
            record
                .dosages
                .get(n_alts * person..n_alts * (person + 1))
                .unwrap_or_default()
        };
        let mut n_haploid = 0;
        let mut n_diploid_with_alt = 0;
        for &person in &record.not_reference {
            let person = person as usize;
            let call = record.genotypes[person];
            if call.alleles[0] >= 0 && call.alleles[1] >= 0 {
                n_diploid_with_alt += 1;
                continue;
            }
            if call.is_haploid() {
                n_haploid += 1;
                let carried = dosages_of(person).iter().sum::<f32>();
                if carried > 1.02 {
                    return Err(format!(
                        "sample `{}` is haploid, but has {carried} ALT alleles by its dosages",
                        self.people[person]
                    ));
                }
            }
            if call.alleles.contains(&MISSING) {
                let is_half = call.alleles.iter().any(|&allele| allele >= 0);
                counts.half_calls += u64::from(is_half);
                if is_half && reading.half_calls == HalfCalls::Error {
                    let name = &self.people[person];
                    return Err(format!(
                        "the genotype of `{name}` is half missing; --half-calls says how such are \
                         read"
                    ));
                }
                let is_dosage = dosages_of(person)
                    .first()
                    .is_some_and(|dosage| !dosage.is_nan());
                counts.missing_genotypes += u64::from(
                    reading.half_calls.read(call).alleles.contains(&MISSING) && !is_dosage,
                );
            }
        }
        counts.haploid_genotypes += n_haploid;
        counts.mt_diploid_genotypes += n_diploid_with_alt * u64::from(is_mt);
        counts.x_records += u64::from(is_x);
        counts.x_haploid_genotypes += n_haploid * u64::from(is_x);
        let others = record.not_reference.iter().map(|&person| {
            (
                person as usize,
                reading.half_calls.read(record.genotypes[person as usize]),
            )
        });
        let haploid_copies = match contig_key(&record.contig) {
            "X" => reading.xchr_model,
            "Y" | "MT" => 1,
            // As PLINK 2 reads them: two equal alleles.
            _ => 2,
        };
        let genotypes = Genotypes::new(record.genotypes.len(), others, haploid_copies);
        if record.dosages.is_empty() {
            return Ok(genotypes);
        }
        counts.imputed_records += 1;
        Ok(genotypes.with_dosages(record.dosages.clone(), n_alts))
    }
}

/// Whether a record says that nobody has an allele other than REF: ALT is `.`, or stands for any
/// allele as in a gVCF, and is not called.
fn is_reference_call(record: &VariantRecord) -> bool {
    let is_any_allele = |alt: &Vec<u8>| matches!(&alt[..], b"<NON_REF>" | b"<*>");
    let carries_alt = |&person: &u32| {
        let call = record.genotypes[person as usize];
        call.alleles.iter().any(|&allele| allele > 0)
    };
    record.has_genotypes
        && record.alt_alleles.iter().all(is_any_allele)
        && !record.not_reference.iter().any(carries_alt)
}

/// An allele that is asked for: contig, 1-based position, the allele, and the other one if it is
/// known.
pub type Asked<'a> = (&'a str, usize, &'a str, Option<&'a str>);

/// Sites of the alleles asked for, where a file has a record of REF alone: nobody carries the other
/// allele, unless the genotype is missing. `sites` are those with an ALT of their own.
pub fn reference_calls<'a>(
    without_alt: &'a [Site],
    sites: &'a [Site],
    asked: impl Iterator<Item = Asked<'a>>,
) -> Vec<Site> {
    let is_called = |site: &&Site| site.genotypes.len() > 0;
    let of_reference: HashMap<(&str, usize), &Site> = without_alt
        .iter()
        .filter(is_called)
        .map(|site| ((contig_key(&site.contig), site.position), site))
        .collect();
    if of_reference.is_empty() {
        return Vec::new();
    }
    let is_there_too =
        |site: &&Site| of_reference.contains_key(&(contig_key(&site.contig), site.position));
    let mut known: HashSet<(&str, usize, &str)> = HashSet::new();
    for site in sites.iter().filter(is_there_too) {
        let alts = site.alt_alleles.iter();
        known.extend(alts.map(|alt| (contig_key(&site.contig), site.position, alt.as_str())));
    }
    let mut found = Vec::new();
    for (contig, position, allele, other) in asked {
        let key = (contig_key(contig), position);
        let Some(site) = of_reference.get(&key) else {
            continue;
        };
        let alt = match other {
            Some(other) if allele == site.ref_allele => other,
            _ if allele == site.ref_allele => continue,
            Some(other) if other != site.ref_allele => continue,
            _ => allele,
        };
        if is_bases(alt) && alt != site.ref_allele && known.insert((key.0, key.1, alt)) {
            found.push(Site {
                alt_alleles: vec![alt.to_owned()],
                counted_alts: vec![1],
                ..Site::clone(site)
            });
        }
    }
    found
}

/// What is said of records and genotypes.
fn read_counts(read: &ReadCounts) -> [(&'static str, u64); 11] {
    [
        (
            "records without an allele to count",
            read.records_without_dosage,
        ),
        (
            "records without GT or dosages",
            read.records_without_genotypes,
        ),
        (
            "records with dosages of DS, GP or HDS",
            read.imputed_records,
        ),
        ("symbolic alleles", read.symbolic_alleles),
        ("`*` alleles", read.star_alleles),
        ("alleles there twice", read.duplicate_variants),
        ("missing genotypes", read.missing_genotypes),
        ("half calls", read.half_calls),
        ("haploid genotypes", read.haploid_genotypes),
        ("samples not in the cohort", read.samples_left_out),
        (
            "records outside of the reference, REF not compared",
            read.records_beyond_reference,
        ),
    ]
}

/// Writes what is said of records and genotypes, a line each.
pub fn write_read_counts(f: &mut std::fmt::Formatter<'_>, read: &ReadCounts) -> std::fmt::Result {
    if read.filtered_records > 0 {
        let names: Vec<String> = read
            .filters
            .iter()
            .map(|(name, n)| format!("{name} {n}"))
            .collect();
        writeln!(
            f,
            "  records left out by FILTER: {} ({}); --apply-filters says which are used",
            read.filtered_records,
            names.join(", ")
        )?;
    }
    write_counts(f, &read_counts(read))
}

/// Writes the counts that are not 0, a line each.
pub fn write_counts(f: &mut std::fmt::Formatter<'_>, counts: &[(&str, u64)]) -> std::fmt::Result {
    counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .try_for_each(|(what, count)| writeln!(f, "  {what}: {count}"))
}

fn text(allele: &[u8]) -> String {
    String::from_utf8_lossy(allele).into_owned()
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "whole copies and halves are exact")]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scoring::testing::write_vcf;
    use gf_genotypes::pass;

    proptest! {
        #[test]
        fn dosages_of_all_alleles_add_up_to_the_ploidy(calls in prop::collection::vec((-1_i16..=2, -2_i16..=2), 2..20)) {
            let genotype = |&(a, b): &(i16, i16)| Genotype { alleles: [a, b], phased: true };
            let site = Site {
                contig: "1".into(),
                position: 1,
                id: ".".into(),
                ref_allele: "A".into(),
                alt_alleles: vec!["C".into(), "G".into()],
                counted_alts: vec![1, 2],
                genotypes: calls.iter().map(genotype).collect(),
            };
            let people: Vec<usize> = (0..calls.len()).collect();
            if let Some([a, b, c]) = [0, 1, 2].map(|allele| site.frequency(allele, &people)).into_iter().collect::<Option<Vec<f64>>>().as_deref() {
                for person in people {
                    let sum: f64 = (0..).zip([a, b, c]).map(|(allele, frequency)| site.dosage(allele, *frequency, person)).sum();
                    let ploidy = if calls[person].1 == ABSENT { 1.0 } else { 2.0 };
                    prop_assert!((sum - ploidy).abs() < 1e-12);
                }
            }
        }
    }

    fn read(records: &[&str]) -> GenotypeTable {
        let folder = tempfile::tempdir().unwrap();
        let path = write_vcf(folder.path(), &["F1", "M1", "F2", "M2"], records);
        GenotypeTable::read(&[path], None, Some(&["M2", "F1"]), None, Some(&pass())).unwrap()
    }

    #[test]
    fn diploid_calls_of_the_mitochondrial_chromosome_and_split_records_are_counted() {
        let table = read(&[
            "chrM 60 a A G . PASS . GT 0|0 1|1 1|1 0/1",
            "1 70 b A G . PASS . GT 0|0 1|1 1|0 0|1",
            "1 70 c A T . PASS . GT 0|1 0|0 0|0 0|0",
            "1 70 d AC A . PASS . GT 0|1 0|0 0|0 0|0",
        ]);
        assert_eq!(
            (
                table.counts.mt_diploid_genotypes,
                table.counts.split_records
            ),
            (1, 1),
            "of M2 and F1; F1 has no genotype with ALT"
        );
        assert!(table.warnings[0].contains("mitochondrial chromosome: 1 genotype with ALT"));
        let about = table.about_split_records().unwrap();
        assert!(
            about.contains("1 record has the position and REF of another one"),
            "{about}"
        );
    }

    #[test]
    fn people_are_in_the_order_asked_for_and_every_rule_is_counted() {
        let table = read(&[
            "1 10 a A G . PASS . GT 0|1 1|1 0|0 ./.",
            "1 20 b A G . q10 . GT 0|1 1|1 0|0 0|0",
            "1 30 c A G,*,<DEL> . . . GT 0|1 1|2 0|3 0|2",
            "1 30 d A G . . . GT 0|1 1|1 0|0 0|0",
            "1 40 e A . . . . GT 0|0 0|0 0|0 0|0",
            "X 50 f A G . . . GT .|1 1 0|0 1",
        ]);
        assert_eq!(table.people, ["M2", "F1"]);
        let expected = ReadCounts {
            records: 6,
            filtered_records: 1,
            filters: BTreeMap::from([("q10".to_owned(), 1)]),
            records_without_dosage: 2,
            records_without_genotypes: 0,
            imputed_records: 0,
            symbolic_alleles: 1,
            star_alleles: 1,
            duplicate_variants: 1,
            missing_genotypes: 2,
            half_calls: 1,
            haploid_genotypes: 1,
            x_records: 1,
            x_haploid_genotypes: 1,
            mt_diploid_genotypes: 0,
            split_records: 0,
            samples_left_out: 2,
            records_beyond_reference: 0,
        };
        assert_eq!(table.counts, expected);
        let [a, c, f] = &table.sites[..] else {
            panic!("{:?}", table.sites)
        };
        assert_eq!(
            (a.frequency(1, &[0, 1]), a.frequency(1, &[0])),
            (Some(0.5), None)
        );
        assert_eq!((a.dosage(1, 0.5, 0), a.dosage(1, 0.5, 1)), (1.0, 1.0));
        assert_eq!(
            (
                c.counted_alts.as_slice(),
                c.dosage(1, 0.0, 0),
                c.dosage(0, 0.0, 0)
            ),
            ([1].as_slice(), 0.0, 1.0)
        );
        assert_eq!(
            (f.dosage(1, 0.3, 0), f.dosage(0, 0.7, 0)),
            (2.0, 0.0),
            "a man is as two equal alleles"
        );
        assert!(
            table.warnings[0].contains("at 1 record, 1 is haploid and counts 0 or 2"),
            "{:?}",
            table.warnings
        );
        assert_eq!(
            (f.dosage(1, 0.3, 1), f.frequency(1, &[0, 1])),
            (0.6, Some(1.0))
        );
    }

    #[test]
    fn records_are_used_by_their_filter() {
        let folder = tempfile::tempdir().unwrap();
        let records = [
            "1 10 a A G . PASS . GT 0|1",
            "1 20 b A G . q10 . GT 0|1",
            "1 30 c A G . . . GT 0|1",
        ];
        let path = write_vcf(folder.path(), &["A"], &records);
        let ids = |filters: Option<&[&str]>| {
            let filters: Option<Vec<String>> =
                filters.map(|names| names.iter().map(ToString::to_string).collect());
            let table = GenotypeTable::read(
                std::slice::from_ref(&path),
                None,
                None,
                None,
                filters.as_deref(),
            )
            .unwrap();
            assert_eq!(
                table.counts.filtered_records as usize,
                3 - table.sites.len()
            );
            table
                .sites
                .into_iter()
                .map(|site| site.id)
                .collect::<String>()
        };
        assert_eq!(
            [ids(None), ids(Some(&["PASS", "."])), ids(Some(&["q10"]))],
            ["abc", "ac", "b"]
        );
    }

    #[test]
    fn a_person_without_a_column_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = write_vcf(folder.path(), &["A"], &["1 10 a A G . PASS . GT 0|1"]);
        let message =
            GenotypeTable::read(&[path], None, Some(&["A", "B", "C"]), None, Some(&pass()))
                .unwrap_err()
                .to_string();
        assert!(
            message.contains("`B`") && message.contains("2 of the 3"),
            "{message}"
        );
    }

    fn read_by(
        reading: &Reading,
        samples: &[&str],
        records: &[&str],
    ) -> Result<GenotypeTable, Error> {
        let folder = tempfile::tempdir().unwrap();
        let paths = [write_vcf(folder.path(), samples, records)];
        GenotypeTable::read_as(
            &Request {
                paths: &paths,
                ..Request::default()
            },
            reading,
        )
    }

    #[test]
    fn a_called_record_of_ref_alone_is_a_genotype_without_the_other_allele() {
        let records = [
            "1 10 . A . . PASS . GT 0/0 ./.",
            "1 20 . C <NON_REF> . PASS . GT 0/0 0/0",
            "1 30 . G <DEL> . PASS . GT 0/1 0/0",
            "1 40 . T . . PASS . GT 0/0 0/0",
        ];
        let folder = tempfile::tempdir().unwrap();
        let paths = [write_vcf(folder.path(), &["A", "B"], &records)];
        let request = Request {
            paths: &paths,
            keep_unused: Some(&|_| true),
            ..Request::default()
        };
        let table = GenotypeTable::read_as(&request, &Reading::default()).unwrap();
        let asked = [
            ("1", 10, "G", Some("A")),
            ("chr1", 20, "C", Some("T")),
            ("1", 30, "A", Some("G")),
            // Neither allele is REF; the other one is not known.
            ("1", 40, "A", Some("G")),
            ("1", 40, "T", None),
        ];
        let sites = reference_calls(&table.not_used.without_alt, &table.sites, asked.into_iter());
        let found: Vec<(usize, &str)> = sites
            .iter()
            .map(|site| (site.position, site.alt_alleles[0].as_str()))
            .collect();
        assert_eq!(found, [(10, "G"), (20, "T")]);
        assert_eq!(sites[0].tally(1, &[0, 1]).people, 1, "B is missing");
        assert_eq!(sites[1].dosage(1, 0.0, 0), 0.0);
    }

    #[test]
    fn the_number_of_values_tells_the_ploidy_where_there_is_no_gt() {
        let records = ["X 40000000 . A G . PASS . HDS 0.75 0,1"];
        let reading = |xchr_model| Reading {
            xchr_model,
            ..Reading::default()
        };
        let dosage = |xchr_model| {
            let table = read_by(&reading(xchr_model), &["M", "F"], &records).unwrap();
            [0, 1].map(|person| table.sites[0].dosage(1, 0.0, person))
        };
        assert_eq!(dosage(2), [1.5, 1.0]);
        assert_eq!(dosage(1), [0.75, 1.0]);
    }

    #[test]
    fn half_calls_are_read_as_asked() {
        let dosages = |half_calls: HalfCalls| {
            let table = read_by(
                &Reading {
                    half_calls,
                    ..Reading::default()
                },
                &["A", "B"],
                &["1 10 a A G . PASS . GT .|1 0/."],
            )?;
            assert_eq!(table.counts.half_calls, 2);
            Ok::<_, Error>([0, 1].map(|person| table.sites[0].dosage(1, 0.25, person)))
        };
        assert_eq!(dosages(HalfCalls::Missing).unwrap(), [0.5, 0.5]);
        assert_eq!(dosages(HalfCalls::Haploid).unwrap(), [2.0, 0.0]);
        assert_eq!(dosages(HalfCalls::Reference).unwrap(), [1.0, 0.0]);
        let message = dosages(HalfCalls::Error).unwrap_err().to_string();
        assert!(
            message.contains("1:10") && message.contains("`A` is half missing"),
            "{message}"
        );
    }

    #[test]
    fn dosages_come_from_the_field_asked_for_and_from_the_calls_where_there_is_none() {
        let records = [
            "1 10 a A G . PASS . GT:DS:GP 0|1:0.75:0.5,0.25,0.25 ./.:1.5:. 0|0:.:.",
            "1 20 b A G . PASS . GT 0|1 1|1 0|0",
            "1 30 c A G . PASS . HDS 0.25,1 0,0 .",
            "X 40 d A G . PASS . GT:DS 0|1:0.75 1:0.5 0|0:0",
        ];
        let dosages = |dosage_field: DosageField| {
            let records = if matches!(dosage_field, DosageField::Hds | DosageField::Auto) {
                &records[..]
            } else {
                &records[..2]
            };
            let table = read_by(
                &Reading {
                    dosage_field,
                    ..Reading::default()
                },
                &["A", "B", "C"],
                records,
            )
            .unwrap();
            let of = |site: &Site| [0, 1, 2].map(|person| site.dosage(1, 0.25, person));
            (
                table.counts.imputed_records,
                table.counts.missing_genotypes,
                table.sites.iter().map(of).collect::<Vec<_>>(),
            )
        };
        let calls = [1.0, 2.0, 0.0];
        assert_eq!(
            dosages(DosageField::Gt),
            (0, 1, vec![[1.0, 0.5, 0.0], calls])
        );
        assert_eq!(
            dosages(DosageField::Ds),
            (1, 0, vec![[0.75, 1.5, 0.0], calls])
        );
        assert_eq!(
            dosages(DosageField::Gp),
            (1, 1, vec![[0.75, 0.5, 0.0], calls])
        );
        assert_eq!(
            dosages(DosageField::Auto),
            (
                3,
                1,
                vec![[0.75, 1.5, 0.0], calls, [1.25, 0.0, 0.5], [0.75, 1.0, 0.0]]
            )
        );
        assert_eq!(dosages(DosageField::Hds).2[2], [1.25, 0.0, 0.5]);
        let message = read_by(
            &Reading {
                dosage_field: DosageField::Gp,
                ..Reading::default()
            },
            &["A", "B", "C"],
            &records[1..2],
        )
        .unwrap_err();
        assert!(
            message
                .to_string()
                .contains("FORMAT field GP is in no record (records: 1;"),
            "{message}"
        );
    }

    /// `plink2 --vcf X --update-sex ... --score S no-mean-imputation cols=+scoresums` on these
    /// genotypes, in men: sum 2 of 2 alleles on 1 and X, 1 of 1 on Y and MT.
    #[test]
    fn haploid_genotypes_count_as_plink2_has_them() {
        let records = [
            "1 10 a A G . . . GT 1 0",
            "X 10 b A G . . . GT 1 0",
            "Y 10 c A G . . . GT 1 0",
            "MT 10 d A G . . . GT 1 0",
        ];
        let table = read_by(&Reading::default(), &["A", "B"], &records).unwrap();
        let dosages: Vec<[f64; 2]> = table
            .sites
            .iter()
            .map(|site| [0, 1].map(|person| site.dosage(1, 0.0, person)))
            .collect();
        assert_eq!(dosages, [[2.0, 0.0], [2.0, 0.0], [1.0, 0.0], [1.0, 0.0]]);
    }

    #[test]
    fn one_person_who_is_nowhere_homozygous_reference_is_refused() {
        let records: Vec<String> = (1..=1_000)
            .map(|position| format!("1 {position} . A G . PASS . GT 0/1"))
            .collect();
        let mut records: Vec<&str> = records.iter().map(String::as_str).collect();
        let message = read_by(&Reading::default(), &["A"], &records)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("1000 records") && message.contains("--allow-no-hom-ref"),
            "{message}"
        );
        assert!(
            read_by(
                &Reading {
                    allow_no_hom_ref: true,
                    ..Reading::default()
                },
                &["A"],
                &records
            )
            .is_ok()
        );
        assert!(read_by(&Reading::default(), &["A"], &records[1..]).is_ok());
        records.push("2 1 . A G . PASS . GT 0/0");
        assert!(read_by(&Reading::default(), &["A"], &records).is_ok());
    }

    #[test]
    fn batches_end_where_a_position_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let records = [
            "1 10 a A G . . . GT 0|1",
            "1 10 b A T . . . GT 0|1",
            "1 20 c A G . . . GT 0|1",
            "2 20 d A G . . . GT 0|1",
        ];
        let paths = [write_vcf(folder.path(), &["A"], &records)];
        let mut batches = Vec::new();
        GenotypeTable::in_batches(
            &Request {
                paths: &paths,
                ..Request::default()
            },
            &Reading::default(),
            1,
            |table| {
                batches.push(
                    table
                        .sites
                        .drain(..)
                        .map(|site| site.id)
                        .collect::<String>(),
                );
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(batches, ["ab", "c", "d"]);
    }
}

//! Genotypes and allele dosages of a study's samples at every usable variant.
//!
//! Input: VCF/BCF files. Output: a [`GenotypeTable`], whole or in batches, with one [`Site`] per
//! record and one genotype per sample. Coordinates: `position` is 1-based.
//!
//! A dosage is the number of copies of one allele, REF or ALT:
//!
//! - 0 to 2 for a diploid genotype, a fraction if it is imputed;
//! - 0 or 1 for a haploid genotype on Y and MT;
//! - on X see [`Reading::xchr_model`];
//! - other haploid genotypes count as two equal alleles, like PLINK 2;
//! - a missing genotype is the allele frequency among the training samples times the largest
//!   possible number of copies.

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
    options::OptionsProblem,
    scoring_file::is_bases,
};
use gf_cohort_schema::counted;
use gf_genotypes::{
    ABSENT, DisjointRegions, DosageField, FormatOptions, GenomeBuild, Genotype, MISSING, Position1,
    RecordProblem, RefAlleles, Reference, Samples, VariantFile, VariantRecord, admits, contig_key,
};

/// How genotypes become dosages: options of `prs` and keys of `[baselines.scoring.reading]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
pub struct Reading {
    /// FORMAT field of the dosages. `auto` reads DS, else HDS, else GT, and GP in records that have
    /// none of these.
    #[arg(
        long,
        value_parser = one_of::<DosageField>(),
        default_value = name_of(&DosageField::default()),
        value_name = "FIELD"
    )]
    pub dosage_field: DosageField,
    /// How half calls such as `./1` are read: refused (error), `1/1` (haploid), `./.` (missing), or
    /// `0/1` (reference), like PLINK 2.
    #[arg(
        long,
        value_parser = one_of::<HalfCalls>(),
        default_value = name_of(&HalfCalls::default()),
        value_name = "HOW"
    )]
    pub half_calls: HalfCalls,
    /// Dosage of one allele of a haploid genotype on X: 2 or 1. With 2, men count like homozygous
    /// women, as in PLINK 2.
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

/// Reading of a genotype with one allele called and one missing (`./1`). The names are those of
/// PLINK 2.
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
    /// Completes a half call by this rule.
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
    /// POS.
    pub position: Position1,
    /// ID column (`.` when absent).
    pub id: String,
    /// REF, upper-case.
    pub ref_allele: String,
    /// ALT alleles, all of them, upper-case.
    pub alt_alleles: Vec<String>,
    /// Numbers (1 = first ALT) of the ALT alleles that have a dosage. Symbolic alleles, `*` and
    /// alleles of an earlier record have none.
    pub counted_alts: Vec<i16>,
    /// Genotypes in the order of [`GenotypeTable::people`].
    pub genotypes: Genotypes,
}

impl Site {
    /// Bases of an allele: REF (0) or ALT (1 or more).
    #[must_use]
    pub fn allele(&self, number: i16) -> &str {
        match usize::try_from(number) {
            Ok(alt @ 1..) => &self.alt_alleles[alt - 1],
            _ => &self.ref_allele,
        }
    }

    /// Counts an allele over the called genotypes of `samples`.
    #[must_use]
    pub fn tally(&self, allele: i16, samples: &[usize]) -> Tally {
        self.genotypes.tally(allele, samples)
    }

    /// Frequency of an allele among the called genotypes of `samples`; `None` if none is called.
    #[must_use]
    pub fn frequency(&self, allele: i16, samples: &[usize]) -> Option<f64> {
        self.tally(allele, samples).frequency()
    }

    /// Copies of an allele in one sample; see [`Genotypes::dosage`] for missing genotypes.
    #[must_use]
    pub fn dosage(&self, allele: i16, frequency: f64, sample: usize) -> f64 {
        self.genotypes.dosage(allele, frequency, sample)
    }
}

/// Counts of records, alleles and genotypes by how they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadCounts {
    /// Records read.
    pub records: u64,
    /// Records left out by FILTER.
    pub filtered_records: u64,
    /// Records left out by FILTER, by the name of the filter.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub filters: BTreeMap<String, u64>,
    /// Records without any ALT allele to count.
    pub records_without_dosage: u64,
    /// Records without GT and without the requested dosages: no sample is called in them.
    pub records_without_genotypes: u64,
    /// Records with dosages from DS, GP or HDS.
    pub imputed_records: u64,
    /// Symbolic ALT alleles (`<DEL>`, breakends): not counted.
    pub symbolic_alleles: u64,
    /// `*` ALT alleles: not counted.
    pub star_alleles: u64,
    /// ALT alleles that an earlier record has already: not counted.
    pub duplicate_variants: u64,
    /// Genotypes without a call, including half calls that are read as missing.
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
    /// Records with the position and the REF of an earlier one, because a site of several ALT
    /// alleles was split.
    #[serde(default)]
    pub split_records: u64,
    /// Samples of the VCF that are not requested.
    pub samples_left_out: u64,
    /// Records outside of the reference, whose REF was not compared.
    pub records_beyond_reference: u64,
}

/// Genotype files, and what they do not state about themselves.
#[derive(Clone, Copy, Debug)]
pub struct GenotypeFiles<'a> {
    /// The files.
    pub paths: &'a [PathBuf],
    /// What their formats leave open.
    pub format: &'a FormatOptions,
}

fn open_file(path: &Path, format: Option<&FormatOptions>) -> Result<VariantFile, Error> {
    Ok(match format {
        Some(format) => VariantFile::open_with(path, format)?,
        None => VariantFile::open(path)?,
    })
}

/// Why the call of a sample cannot be counted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CallProblem {
    /// More than one allele of a haploid sample.
    #[error(
        "sample `{sample}` is haploid, but its dosages add up to {carried} ALT alleles; correct \
         the dosages or the genotype"
    )]
    HaploidDosage {
        /// The sample.
        sample: String,
        /// Sum of its dosages.
        carried: f32,
    },
    /// A half call that the option refuses.
    #[error(
        "the genotype of sample `{sample}` is half missing; choose how to read it with --half-calls"
    )]
    HalfMissing {
        /// The sample.
        sample: String,
    },
}

/// Files, samples and records to read.
#[derive(Clone, Copy, Default)]
pub struct Request<'a> {
    /// The files, each read once.
    pub paths: &'a [PathBuf],
    /// What the files do not state about themselves.
    pub format: Option<&'a FormatOptions>,
    /// Regions of the files; all when `None`.
    pub regions: Option<&'a DisjointRegions>,
    /// Names of the samples, looked up in every file. If `None`, `samples` chooses among those of
    /// the first file.
    pub people: Option<&'a [&'a str]>,
    /// Choice among the samples of the first file; all if `None`.
    pub samples: Option<&'a Samples>,
    /// Whether a record is read; all if `None`.
    pub wanted: Option<&'a dyn Fn(&VariantRecord) -> bool>,
    /// Accepted FILTER names, as [`Options::filters`](crate::scoring::Options::filters).
    pub filters: Option<&'a [String]>,
    /// Whether a record that cannot be used is stored in [`GenotypeTable::not_used`].
    pub keep_unused: Option<&'a dyn Fn(&VariantRecord) -> bool>,
    /// FASTA with which REF of the records is compared.
    pub reference: Option<&'a Path>,
    /// Stated genome builds, which the contig lengths in the headers must not contradict.
    pub builds: &'a [Stated],
}

impl Request<'_> {
    /// Whether the FILTER column of a record is accepted.
    fn passes(&self, record: &VariantRecord) -> bool {
        self.filters
            .is_none_or(|names| admits(names, &record.filters))
    }

    /// Whether a record that cannot be used is stored.
    fn keeps_unused(&self, record: &VariantRecord) -> bool {
        self.keep_unused.is_some_and(|keep| keep(record))
    }
}

/// Every usable variant with the genotypes of the requested samples.
#[derive(Clone, Debug, Default)]
pub struct GenotypeTable {
    /// Sample names.
    pub people: Vec<String>,
    /// Usable records, in the order of the files.
    pub sites: Vec<Site>,
    /// Records that cannot be used.
    pub not_used: NotUsed,
    /// Counts of records and genotypes.
    pub counts: ReadCounts,
    /// Warnings about headers, X, the mitochondrial chromosome and split records.
    pub warnings: Vec<String>,
    /// Genome build according to the contigs.
    pub genome_build: Option<GenomeBuild>,
}

/// Records without a dosage, as far as they are requested, and the contigs of all records.
#[derive(Clone, Debug, Default)]
pub struct NotUsed {
    /// Records left out by FILTER, without genotypes.
    pub filtered: Vec<Site>,
    /// Records without an ALT allele to count. They have genotypes only if no sample carries an
    /// ALT allele.
    pub without_alt: Vec<Site>,
    /// Records without a call in the training samples.
    pub without_calls: Vec<Site>,
    /// Contigs on which the files have records, as the files name them.
    pub contigs: HashSet<String>,
}

/// A file of one sample with this many records, none of them homozygous reference, contains variant
/// records only (the rule of PLINK 2).
const MANY_RECORDS: u64 = 1_000;

impl GenotypeTable {
    /// Reads `paths` once each with the default [`Reading`]; see [`Request`] for the arguments.
    ///
    /// # Errors
    /// Files that [`VariantFile`] refuses; a requested sample that a file lacks.
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

    /// Reads all requested records at once.
    ///
    /// # Errors
    /// - Files that [`VariantFile`] refuses, and requested samples that a file lacks.
    /// - Half calls, or one sample that is nowhere homozygous reference, if `reading` refuses them.
    /// - No record with the dosage field that `reading` names.
    pub fn read_as(request: &Request<'_>, reading: &Reading) -> Result<Self, Error> {
        Self::in_batches(request, reading, usize::MAX, |_| Ok(()))
    }

    /// Reads the requested records in batches.
    ///
    /// `visit` is called when the genotypes of [`Self::sites`] need about `batch_bytes` and all
    /// records of a position are read, and once at the end. `visit` removes the sites; those that
    /// it leaves are in the result.
    ///
    /// # Errors
    /// Those of [`Self::read_as`] and of `visit`.
    pub fn in_batches(
        request: &Request<'_>,
        reading: &Reading,
        batch_bytes: usize,
        visit: impl FnMut(&mut Self) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let mut files = request
            .paths
            .iter()
            .map(|path| open_file(path, request.format))
            .collect::<Result<Vec<_>, _>>()?;
        let people: Vec<String> = match (request.people, files.first()) {
            (Some(people), _) => people.iter().map(ToString::to_string).collect(),
            (None, Some(first)) => request.samples.unwrap_or(&Samples::All).select(first)?,
            (None, None) => Vec::new(),
        };
        let mut reference = request.reference.map(Reference::open).transpose()?;
        if let Some(reference) = &mut reference {
            for file in files.iter_mut().filter(|file| file.needs_ref_order()) {
                file.decide_ref_order(reference)?;
            }
        }
        let mut reader = TableReader {
            request,
            reading,
            batch_bytes,
            visit,
            table: Self {
                people,
                ..Self::default()
            },
            seen: HashSet::new(),
        };
        for file in &mut files {
            reader.read_file(file, reference.as_mut().map(RefAlleles::new))?;
        }
        let TableReader {
            mut visit,
            mut table,
            ..
        } = reader;
        table.require_dosage_field(reading)?;
        visit(&mut table)?;
        table.warnings.extend(table.about_x(reading));
        table.warnings.extend(table.about_mt());
        if request.wanted.is_some() {
            table.warnings.extend(table.about_split_records());
        }
        Ok(table)
    }

    /// Refuses files in which no record has the FORMAT field that `reading` names.
    fn require_dosage_field(&self, reading: &Reading) -> Result<(), Error> {
        let is_optional = matches!(reading.dosage_field, DosageField::Gt | DosageField::Auto);
        let all_filtered = self.counts.records == self.counts.filtered_records;
        if is_optional || self.counts.imputed_records > 0 || all_filtered {
            return Ok(());
        }
        let field = format!("{:?}", reading.dosage_field).to_uppercase();
        let n_records = self.counts.records;
        Err(OptionsProblem::NoDosageField { field, n_records }.into())
    }

    /// Warning about diploid genotypes on the mitochondrial chromosome.
    fn about_mt(&self) -> Option<String> {
        let n = self.counts.mt_diploid_genotypes;
        (n > 0).then(|| {
            format!(
                "mitochondrial chromosome: {}, so a copy counts 1 or 2 instead of 1. Write these \
                 genotypes as haploid",
                counted(
                    n,
                    "genotype with ALT is diploid",
                    "genotypes with ALT are diploid"
                )
            )
        })
    }

    /// Warning about split sites: in a record of one ALT allele, REF also represents the ALT
    /// alleles of the other records.
    fn about_split_records(&self) -> Option<String> {
        let n = self.counts.split_records;
        (n > 0).then(|| {
            format!(
                "{} the position and REF of another record. If this REF is the effect allele of a \
                 score, copies of the other ALT alleles count as REF. Join such records (bcftools \
                 norm -m +any)",
                counted(n, "record has", "records have")
            )
        })
    }

    /// Note about the copies that haploid genotypes on X count.
    fn about_x(&self, reading: &Reading) -> Option<String> {
        let records = self.counts.x_records;
        let haploid = self.counts.x_haploid_genotypes;
        if records == 0 {
            return None;
        }
        let rule = match (haploid, reading.xchr_model) {
            (0, _) => "none is haploid, so each counts 0 to 2 copies, also in men".to_owned(),
            (_, 2) => format!(
                "{} 0 or 2 copies, like two equal alleles (--xchr-model 1 counts 0 or 1)",
                counted(haploid, "is haploid and counts", "are haploid and count")
            ),
            _ => format!(
                "{} 0 or 1 copies (--xchr-model 2 counts 0 or 2)",
                counted(haploid, "is haploid and counts", "are haploid and count")
            ),
        };
        Some(format!(
            "chromosome X: of the genotypes at {}, {rule}",
            counted(records, "record", "records")
        ))
    }

    /// Adds a record to the sites, or to the records that cannot be used. `seen` has the keys of
    /// the sites and alleles added before.
    fn add(
        &mut self,
        record: &VariantRecord,
        request: &Request<'_>,
        reading: &Reading,
        seen: &mut HashSet<String>,
    ) -> Result<(), CallProblem> {
        self.counts.records += 1;
        let passes = request.passes(record);
        if !passes {
            self.counts.add_filtered(&record.filters);
        }
        if !record.has_genotypes && record.dosages.is_empty() {
            self.counts.records_without_genotypes += 1;
            return Ok(());
        }
        if !passes && !request.keeps_unused(record) {
            return Ok(());
        }
        let ref_allele = text(&record.ref_allele);
        let counted_alts = if passes {
            self.counts.countable_alts(record, &ref_allele, seen)
        } else {
            sequence_alts(record)
        };
        let has_alt = !counted_alts.is_empty();
        self.counts.records_without_dosage += u64::from(passes && !has_alt);
        if !has_alt && !request.keeps_unused(record) {
            return Ok(());
        }
        let is_used = passes && has_alt;
        if is_used && !seen.insert(site_key(record, &ref_allele)) {
            self.counts.split_records += 1;
        }
        let genotypes = if is_used || (passes && is_reference_call(record)) {
            self.genotypes(record, reading)?
        } else {
            Genotypes::none()
        };
        let sites = match (passes, has_alt) {
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

    /// Counts and packs the genotypes of a record.
    fn genotypes(
        &mut self,
        record: &VariantRecord,
        reading: &Reading,
    ) -> Result<Genotypes, CallProblem> {
        let contig = contig_key(&record.contig);
        let is_x = contig == "X";
        let is_mt = contig == "MT";
        let calls = CallCounts::count(record, reading, &self.people)?;
        let counts = &mut self.counts;
        counts.half_calls += calls.half;
        counts.missing_genotypes += calls.missing;
        counts.haploid_genotypes += calls.haploid;
        counts.mt_diploid_genotypes += calls.diploid_with_alt * u64::from(is_mt);
        counts.x_records += u64::from(is_x);
        counts.x_haploid_genotypes += calls.haploid * u64::from(is_x);
        let not_reference = record.not_reference.iter().map(|&sample| {
            let sample = sample as usize;
            (sample, reading.half_calls.read(record.genotypes[sample]))
        });
        let haploid_copies = match contig {
            "X" => reading.xchr_model,
            "Y" | "MT" => 1,
            // Like PLINK 2: two equal alleles.
            _ => 2,
        };
        let genotypes = Genotypes::new(record.genotypes.len(), not_reference, haploid_copies);
        if record.dosages.is_empty() {
            return Ok(genotypes);
        }
        counts.imputed_records += 1;
        Ok(genotypes.with_dosages(record.dosages.clone(), record.alt_alleles.len()))
    }
}

/// Reads files into a table, in batches.
struct TableReader<'r, V> {
    request: &'r Request<'r>,
    reading: &'r Reading,
    batch_bytes: usize,
    /// Called at the end of a batch.
    visit: V,
    table: GenotypeTable,
    /// Keys of the sites and alleles read so far.
    seen: HashSet<String>,
}

/// State of a file while its records are read.
struct FileProgress<'r> {
    path: PathBuf,
    ref_alleles: Option<RefAlleles<'r>>,
    /// Contig of the previous record.
    contig: String,
    n_records: u64,
    /// Records at which the first sample is homozygous reference.
    n_hom_ref: u64,
    /// Bytes of the genotypes of the current batch.
    n_batch_bytes: usize,
}

impl<V: FnMut(&mut GenotypeTable) -> Result<(), Error>> TableReader<'_, V> {
    /// Reads the requested records of one file.
    fn read_file(
        &mut self,
        file: &mut VariantFile,
        ref_alleles: Option<RefAlleles<'_>>,
    ) -> Result<(), Error> {
        let header_build = build::of_header(file, self.request.builds)?;
        let table = &mut self.table;
        table.genome_build = table.genome_build.or(header_build);
        table.warnings.extend_from_slice(file.warnings());
        file.select(&table.people)?;
        file.read_dosages(self.reading.dosage_field);
        table.counts.samples_left_out += (file.samples().len() - table.people.len()) as u64;
        let mut progress = FileProgress {
            path: file.path().to_path_buf(),
            ref_alleles,
            contig: String::new(),
            n_records: 0,
            n_hom_ref: 0,
            n_batch_bytes: 0,
        };
        let contigs =
            file.for_each_needed(self.request.regions, self.request.wanted, |record| {
                self.read_record(record, &mut progress)
            })?;
        let table = &mut self.table;
        table.not_used.contigs.extend(contigs);
        table.warnings.extend(file.passed_over());
        table.counts.records_beyond_reference +=
            progress.ref_alleles.map_or(0, |fasta| fasta.n_beyond);
        if file.samples().len() == 1
            && progress.n_hom_ref == 0
            && progress.n_records >= MANY_RECORDS
            && !self.reading.allow_no_hom_ref
        {
            return Err(Error::NoHomRef {
                path: progress.path,
                n_records: progress.n_records,
            });
        }
        Ok(())
    }

    /// Ends the batch if it is full, then adds a record if it is requested.
    fn read_record(
        &mut self,
        record: &VariantRecord,
        progress: &mut FileProgress<'_>,
    ) -> Result<(), Error> {
        let request = self.request;
        let table = &mut self.table;
        let path = &progress.path;
        progress.n_records += 1;
        if progress.contig != record.contig {
            progress.contig.clone_from(&record.contig);
            table.genome_build =
                build::of_record(path, &progress.contig, request.builds)?.or(table.genome_build);
        }
        progress.n_hom_ref += record
            .genotypes
            .first()
            .map_or(0, |call| u64::from(is_hom_ref(*call)));
        // A batch has all records of each of its positions.
        let same_position = table
            .sites
            .last()
            .is_some_and(|last| last.position == record.position && last.contig == record.contig);
        if progress.n_batch_bytes >= self.batch_bytes && !same_position {
            (self.visit)(table)?;
            progress.n_batch_bytes = 0;
        }
        if request.wanted.is_some_and(|wanted| !wanted(record)) {
            return Ok(());
        }
        if let Some(fasta) = &mut progress.ref_alleles {
            fasta.compare(path, record)?;
        }
        let n_sites = table.sites.len();
        table
            .add(record, request, self.reading, &mut self.seen)
            .map_err(|problem| {
                gf_genotypes::Error::record(path, record, RecordProblem::of_caller(problem))
            })?;
        progress.n_batch_bytes += table.sites[n_sites..]
            .iter()
            .map(|site| site.genotypes.n_bytes())
            .sum::<usize>();
        Ok(())
    }
}

/// Whether all alleles of a call are REF.
fn is_hom_ref(call: Genotype) -> bool {
    call.alleles
        .iter()
        .all(|&allele| allele == 0 || allele == ABSENT)
}

impl ReadCounts {
    /// Counts a record that FILTER leaves out.
    fn add_filtered(&mut self, filters: &[String]) {
        self.filtered_records += 1;
        let without_filter = [".".to_owned()];
        let names = if filters.is_empty() {
            &without_filter[..]
        } else {
            filters
        };
        for name in names {
            *self.filters.entry(name.clone()).or_default() += 1;
        }
    }

    /// Numbers of the ALT alleles to count; counts the alleles that are left out.
    fn countable_alts(
        &mut self,
        record: &VariantRecord,
        ref_allele: &str,
        seen: &mut HashSet<String>,
    ) -> Vec<i16> {
        let mut numbers = Vec::new();
        for (number, alt) in (1..).zip(&record.alt_alleles) {
            if alt == b"*" {
                self.star_alleles += 1;
            } else if is_symbolic(alt) {
                self.symbolic_alleles += 1;
            } else if !seen.insert(allele_key(record, ref_allele, alt)) {
                self.duplicate_variants += 1;
            } else {
                numbers.push(number);
            }
        }
        numbers
    }
}

/// Numbers of the ALT alleles that are sequences: neither `*` nor symbolic.
fn sequence_alts(record: &VariantRecord) -> Vec<i16> {
    (1..)
        .zip(&record.alt_alleles)
        .filter(|(_, alt)| *alt != b"*" && !is_symbolic(alt))
        .map(|(number, _)| number)
        .collect()
}

/// Whether an ALT allele is symbolic (`<DEL>`), a breakend, or missing.
fn is_symbolic(alt: &[u8]) -> bool {
    alt.iter().any(|byte| b"<>[].".contains(byte))
}

/// Contig, position and REF of a record in one text.
fn site_key(record: &VariantRecord, ref_allele: &str) -> String {
    let contig = contig_key(&record.contig);
    format!("{contig}:{}:{ref_allele}", record.position)
}

/// Contig, position, REF and ALT of a record in one text.
fn allele_key(record: &VariantRecord, ref_allele: &str, alt: &[u8]) -> String {
    let contig = contig_key(&record.contig);
    format!("{contig}:{}:{ref_allele}:{}", record.position, text(alt))
}

/// Counts of the calls of one record that are not homozygous reference.
#[derive(Default)]
struct CallCounts {
    haploid: u64,
    /// Diploid calls, both alleles called, at least one of them ALT.
    diploid_with_alt: u64,
    /// Calls with one allele called and one missing.
    half: u64,
    /// Missing calls without a dosage, including half calls that are read as missing.
    missing: u64,
}

impl CallCounts {
    /// Counts the calls of a record; `names` are those of the samples.
    ///
    /// # Errors
    /// A haploid sample with a dosage above 1; a half call that `reading` refuses.
    fn count(
        record: &VariantRecord,
        reading: &Reading,
        names: &[String],
    ) -> Result<Self, CallProblem> {
        let n_alts = record.alt_alleles.len();
        let mut counts = Self::default();
        for &sample in &record.not_reference {
            let sample = sample as usize;
            let call = record.genotypes[sample];
            if call.alleles[0] >= 0 && call.alleles[1] >= 0 {
                counts.diploid_with_alt += 1;
                continue;
            }
            let dosages = record
                .dosages
                .get(n_alts * sample..n_alts * (sample + 1))
                .unwrap_or_default();
            if call.is_haploid() {
                counts.haploid += 1;
                let carried = dosages.iter().sum::<f32>();
                // Dosages are rounded: a sum may be slightly above 1.
                if carried > 1.02 {
                    return Err(CallProblem::HaploidDosage {
                        sample: names[sample].clone(),
                        carried,
                    });
                }
            }
            if call.alleles.contains(&MISSING) {
                let is_half = call.alleles.iter().any(|&allele| allele >= 0);
                counts.half += u64::from(is_half);
                if is_half && reading.half_calls == HalfCalls::Error {
                    let sample = names[sample].clone();
                    return Err(CallProblem::HalfMissing { sample });
                }
                let has_dosage = dosages.first().is_some_and(|dosage| !dosage.is_nan());
                let read_call = reading.half_calls.read(call);
                counts.missing += u64::from(read_call.alleles.contains(&MISSING) && !has_dosage);
            }
        }
        Ok(counts)
    }
}

/// Whether a record states that no sample has an allele other than REF: ALT is `.`, or represents
/// any allele as in a gVCF, and is not called.
fn is_reference_call(record: &VariantRecord) -> bool {
    record.has_genotypes
        && record
            .alt_alleles
            .iter()
            .all(|alt| matches!(&alt[..], b"<NON_REF>" | b"<*>"))
        && !record.not_reference.iter().any(|&sample| {
            let call = record.genotypes[sample as usize];
            call.alleles.iter().any(|&allele| allele > 0)
        })
}

/// An allele whose dosages a score needs.
#[derive(Clone, Copy)]
pub struct RequestedAllele<'a> {
    /// Contig in any spelling.
    pub contig: &'a str,
    /// Position.
    pub position: Position1,
    /// The allele to count.
    pub allele: &'a str,
    /// The other allele of the variant, if it is known.
    pub other_allele: Option<&'a str>,
}

impl<'a> RequestedAllele<'a> {
    /// The ALT allele at a record of this REF. `None` if neither allele is REF, or if the allele is
    /// REF and the other one is unknown.
    fn alt_allele(&self, ref_allele: &str) -> Option<&'a str> {
        match self.other_allele {
            other if self.allele == ref_allele => other,
            Some(other) if other != ref_allele => None,
            _ => Some(self.allele),
        }
    }
}

/// Sites of requested alleles at which a file has a record of REF alone.
///
/// Samples with a genotype there carry no other allele. `without_alt` are the records of REF
/// alone; `sites` are the records with an ALT allele.
pub fn reference_calls<'a>(
    without_alt: &'a [Site],
    sites: &'a [Site],
    requested: impl Iterator<Item = RequestedAllele<'a>>,
) -> Vec<Site> {
    let ref_sites: HashMap<(&str, Position1), &Site> = without_alt
        .iter()
        .filter(|site| site.genotypes.len() > 0)
        .map(|site| ((contig_key(&site.contig), site.position), site))
        .collect();
    if ref_sites.is_empty() {
        return Vec::new();
    }
    // Alleles that have a site already.
    let mut known: HashSet<(&str, Position1, &str)> = HashSet::new();
    for site in sites {
        let contig = contig_key(&site.contig);
        if ref_sites.contains_key(&(contig, site.position)) {
            let alts = site.alt_alleles.iter();
            known.extend(alts.map(|alt| (contig, site.position, alt.as_str())));
        }
    }
    let mut new_sites = Vec::new();
    for allele in requested {
        let contig = contig_key(allele.contig);
        let Some(site) = ref_sites.get(&(contig, allele.position)) else {
            continue;
        };
        let Some(alt) = allele.alt_allele(&site.ref_allele) else {
            continue;
        };
        if is_bases(alt) && alt != site.ref_allele && known.insert((contig, allele.position, alt)) {
            new_sites.push(Site {
                alt_alleles: vec![alt.to_owned()],
                counted_alts: vec![1],
                ..Site::clone(site)
            });
        }
    }
    new_sites
}

/// Labels and values of the counts that are written.
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
        ("duplicate alleles", read.duplicate_variants),
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

/// Writes the counts of records and genotypes, one line each.
pub fn write_read_counts(f: &mut std::fmt::Formatter<'_>, read: &ReadCounts) -> std::fmt::Result {
    if read.filtered_records > 0 {
        let names: Vec<String> = read
            .filters
            .iter()
            .map(|(name, n)| format!("{name} {n}"))
            .collect();
        writeln!(
            f,
            "  records left out by FILTER: {} ({}); choose the accepted filters with \
             --apply-filters",
            read.filtered_records,
            names.join(", ")
        )?;
    }
    write_counts(f, &read_counts(read))
}

/// Writes the counts that are not 0, one line each.
pub fn write_counts(f: &mut std::fmt::Formatter<'_>, counts: &[(&str, u64)]) -> std::fmt::Result {
    counts
        .iter()
        .filter(|(_, count)| *count > 0)
        .try_for_each(|(label, count)| writeln!(f, "  {label}: {count}"))
}

/// Bases as text.
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
        fn dosages_of_all_alleles_add_up_to_the_ploidy(
            calls in prop::collection::vec([-1_i16..=2, -2_i16..=2], 2..20),
        ) {
            let site = Site {
                contig: "1".into(),
                position: Position1::FIRST,
                id: ".".into(),
                ref_allele: "A".into(),
                alt_alleles: vec!["C".into(), "G".into()],
                counted_alts: vec![1, 2],
                genotypes: calls
                    .iter()
                    .map(|&alleles| Genotype { alleles, phased: true })
                    .collect(),
            };
            let samples: Vec<usize> = (0..calls.len()).collect();
            let frequencies: Option<Vec<f64>> = (0..3)
                .map(|allele| site.frequency(allele, &samples))
                .collect();
            // Without any call there are no frequencies.
            let frequencies = frequencies.unwrap_or_default();
            for sample in samples {
                let sum: f64 = (0..)
                    .zip(&frequencies)
                    .map(|(allele, &frequency)| site.dosage(allele, frequency, sample))
                    .sum();
                let ploidy = if calls[sample][1] == ABSENT { 1.0 } else { 2.0 };
                prop_assert!(frequencies.is_empty() || (sum - ploidy).abs() < 1e-12);
            }
        }
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
            about.contains("1 record has the position and REF of another record"),
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
        for (filters, expected) in [
            (None, "abc"),
            (Some(vec!["PASS".to_owned(), ".".to_owned()]), "ac"),
            (Some(vec!["q10".to_owned()]), "b"),
        ] {
            let paths = std::slice::from_ref(&path);
            let table = GenotypeTable::read(paths, None, None, None, filters.as_deref()).unwrap();
            let n_filtered = table.counts.filtered_records as usize;
            assert_eq!(n_filtered, 3 - table.sites.len());
            let ids: String = table.sites.into_iter().map(|site| site.id).collect();
            assert_eq!(ids, expected);
        }
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
        let requested = [
            ("1", 10, "G", Some("A")),
            ("chr1", 20, "C", Some("T")),
            ("1", 30, "A", Some("G")),
            // Neither allele is REF.
            ("1", 40, "A", Some("G")),
            // The other allele is not known.
            ("1", 40, "T", None),
        ]
        .map(|(contig, position, allele, other_allele)| RequestedAllele {
            contig,
            position: Position1::new(position).unwrap(),
            allele,
            other_allele,
        });
        let sites = reference_calls(
            &table.not_used.without_alt,
            &table.sites,
            requested.into_iter(),
        );
        let alts: Vec<(usize, &str)> = sites
            .iter()
            .map(|site| (site.position.get(), site.alt_alleles[0].as_str()))
            .collect();
        assert_eq!(alts, [(10, "G"), (20, "T")]);
        assert_eq!(sites[0].tally(1, &[0, 1]).samples, 1, "B is missing");
        assert_eq!(sites[1].dosage(1, 0.0, 0), 0.0);
    }

    #[test]
    fn the_number_of_values_tells_the_ploidy_where_there_is_no_gt() {
        let records = ["X 40000000 . A G . PASS . HDS 0.75 0,1"];
        for (xchr_model, expected) in [(2, [1.5, 1.0]), (1, [0.75, 1.0])] {
            let reading = Reading {
                xchr_model,
                ..Reading::default()
            };
            let table = read_by(&reading, &["M", "F"], &records).unwrap();
            let dosages = [0, 1].map(|sample| table.sites[0].dosage(1, 0.0, sample));
            assert_eq!(dosages, expected);
        }
    }

    #[test]
    fn half_calls_are_read_as_asked() {
        for (half_calls, expected) in [
            (HalfCalls::Missing, [0.5, 0.5]),
            (HalfCalls::Haploid, [2.0, 0.0]),
            (HalfCalls::Reference, [1.0, 0.0]),
        ] {
            let table = read_half_calls(half_calls).unwrap();
            assert_eq!(table.counts.half_calls, 2);
            let dosages = [0, 1].map(|sample| table.sites[0].dosage(1, 0.25, sample));
            assert_eq!(dosages, expected);
        }
        let message = read_half_calls(HalfCalls::Error).unwrap_err().to_string();
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
        let calls = [1.0, 2.0, 0.0];
        for (dosage_field, n_imputed, n_missing, expected) in [
            (DosageField::Gt, 0, 1, vec![[1.0, 0.5, 0.0], calls]),
            (DosageField::Ds, 1, 0, vec![[0.75, 1.5, 0.0], calls]),
            (DosageField::Gp, 1, 1, vec![[0.75, 0.5, 0.0], calls]),
        ] {
            let table = read_field(dosage_field, &records[..2]).unwrap();
            assert_eq!(table.counts.imputed_records, n_imputed);
            assert_eq!(table.counts.missing_genotypes, n_missing);
            assert_eq!(dosages_of_three(&table), expected);
        }
        let auto = read_field(DosageField::Auto, &records).unwrap();
        assert_eq!(auto.counts.imputed_records, 3);
        assert_eq!(auto.counts.missing_genotypes, 1);
        assert_eq!(
            dosages_of_three(&auto),
            [[0.75, 1.5, 0.0], calls, [1.25, 0.0, 0.5], [0.75, 1.0, 0.0]]
        );
        let hds = read_field(DosageField::Hds, &records).unwrap();
        assert_eq!(dosages_of_three(&hds)[2], [1.25, 0.0, 0.5]);
        let message = read_field(DosageField::Gp, &records[1..2])
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("no record has the FORMAT field GP (records read: 1);"),
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

    /// Samples M2 and F1 of the cohort F1, M1, F2, M2.
    fn read(records: &[&str]) -> GenotypeTable {
        let folder = tempfile::tempdir().unwrap();
        let path = write_vcf(folder.path(), &["F1", "M1", "F2", "M2"], records);
        GenotypeTable::read(&[path], None, Some(&["M2", "F1"]), None, Some(&pass())).unwrap()
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

    fn read_half_calls(half_calls: HalfCalls) -> Result<GenotypeTable, Error> {
        let reading = Reading {
            half_calls,
            ..Reading::default()
        };
        read_by(&reading, &["A", "B"], &["1 10 a A G . PASS . GT .|1 0/."])
    }

    /// Reads three samples with dosages from one FORMAT field.
    fn read_field(dosage_field: DosageField, records: &[&str]) -> Result<GenotypeTable, Error> {
        let reading = Reading {
            dosage_field,
            ..Reading::default()
        };
        read_by(&reading, &["A", "B", "C"], records)
    }

    /// Dosages of the first ALT allele of three samples, site by site.
    fn dosages_of_three(table: &GenotypeTable) -> Vec<[f64; 3]> {
        table
            .sites
            .iter()
            .map(|site| [0, 1, 2].map(|sample| site.dosage(1, 0.25, sample)))
            .collect()
    }
}

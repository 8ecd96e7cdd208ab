//! Both haplotypes of every sample at chosen loci, each distinct haplotype stored once.
//!
//! Input -> output: VCF/BCF + FASTA + BED -> a [`Dictionary`] and the list of all alleles that were
//! not applied ([`Skip`]). The semantics are those of `bcftools consensus -H`, with three
//! differences:
//! - REF is checked at every record;
//! - the result does not depend on the order of the records at one position;
//! - a policy decides about each genotype that is missing, haploid or unphased.
//!
//! Coordinates: 0-based, half-open ([`Position0`](gf_genotypes::Position0)), unless named
//! `position` (1-based, [`Position1`]).
//!
//! Order of operations, in one pass over each file for all samples:
//! 1. Resolve the contig and fetch the reference of a locus.
//! 2. Read the records that overlap it and check their REF.
//! 3. Apply FILTER and masks.
//! 4. For each sample and haplotype, pick the allele by the policies.
//! 5. Trim the allele to an edit and clip it to the locus.
//! 6. Apply the edits in order, without those that overlap an earlier one.
//!
//! A locus needs memory only while its records pass, and a haplotype once for all samples.

mod allele;
mod builder;
mod common_variants;
mod dictionary;
mod diploid;
mod distinct;
mod fasta;
mod fingerprint;
mod haplotype;
mod mask;
mod merge;
mod policies;
mod provenance;
mod schedule;
mod sequence_numbers;
mod skips;
mod store;
mod strand;
mod window;

pub use gf_genotypes::Samples;

pub use self::{
    common_variants::{Carried, CommonEdit},
    dictionary::{ABSENT_HAPLOTYPE, LocusHaplotypes},
    fasta::write_fasta,
    haplotype::{Edit, splice},
    mask::Masks,
    merge::{LociDifference, MergeProblem, Merged, OtherOrder, Shard, merge, require_same_order},
    policies::{
        ApplyFilters, Encoding, Haploid, Missing, OtherPolicy, Overlap, Policies, Symbolic,
        Unphased,
    },
    provenance::{GenomeDifference, JoinProblem, LocusProvenance, OtherContigLen, Provenance},
    schedule::EmptyLocus,
    skips::{Reason, SKIPS_FILE, Skip, SkipLog, SkipTable},
    store::{Dictionary, HaplotypePairRow, LOCI_FILE, PAIRS_FILE, PairProblem, StoreProblem},
    strand::reverse_complement,
    window::{RefMismatch, SiteProblem},
};

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use self::{
    schedule::{FilesRead, Schedule},
    window::{RecordAtLocus, SharedState},
};
use gf_cohort_schema::counted;
use gf_files::output;
use gf_genotypes::{
    DisjointRegions, FormatOptions, Locus, Position1, RecordLocation, RefAlleles, Reference,
    VariantFile, contig_key, loci_of_regions, read_intervals, read_loci, require_build_of_named,
    tell_different_builds,
};

/// Inputs and policies of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// VCF, VCF.gz or BCF files with the same samples. Each locus is in one file; `-` is standard
    /// input.
    pub vcf: Vec<PathBuf>,
    /// What the genotype files do not state about themselves.
    #[serde(default, skip_serializing_if = "FormatOptions::is_default")]
    pub format: FormatOptions,
    /// Reference FASTA.
    pub reference: PathBuf,
    /// Loci.
    pub regions: Regions,
    /// Samples to read.
    pub samples: Samples,
    /// Policies for genotypes.
    pub policies: Policies,
    /// BED of intervals to read as N; records that touch them are not applied.
    pub mask: Option<PathBuf>,
    /// BED of callable intervals; all other bases are read as N.
    pub callable: Option<PathBuf>,
    /// Path of `skips.csv`; not written if absent.
    pub skips: Option<PathBuf>,
}

impl Options {
    /// All input files.
    pub fn inputs(&self) -> impl Iterator<Item = &PathBuf> {
        let loci = match &self.regions {
            Regions::File(path) => Some(path),
            Regions::Text(_) => None,
        };
        self.vcf
            .iter()
            .chain([&self.reference])
            .chain(loci)
            .chain(&self.mask)
            .chain(&self.callable)
    }
}

/// Source of the loci.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Regions {
    /// A BED file.
    File(PathBuf),
    /// `chr:beg-end` (1-based, inclusive) and names of known loci, separated by commas.
    Text(String),
}

impl Regions {
    fn loci(&self) -> Result<Vec<Locus>, gf_genotypes::Error> {
        match self {
            Self::File(path) => read_loci(path),
            Self::Text(text) => loci_of_regions(text),
        }
    }
}

impl std::fmt::Display for Regions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Counts and warnings of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Samples.
    pub n_people: usize,
    /// Loci.
    pub n_loci: usize,
    /// Records that overlap a locus, counted once per locus.
    pub n_records: u64,
    /// Distinct haplotypes of each locus, by its name.
    pub n_distinct_haplotypes: BTreeMap<String, usize>,
    /// Names of the loci that no record overlaps: all samples have the reference there.
    pub loci_without_records: Vec<String>,
    /// Reference bases that are IUPAC codes, read as N.
    pub n_reference_iupac_as_n: u64,
    /// Reference bases that `--mask` and `--callable` turn to N.
    pub n_masked_nt: u64,
    /// Number of skipped alleles and records by reason.
    pub skips: BTreeMap<Reason, u64>,
    /// Missing alleles of each sample, in the order of the dictionary. Not stored: the record of a
    /// run has no data about single samples.
    #[serde(skip)]
    pub n_missing_alleles: Vec<u64>,
    /// Problems of the files that did not stop the run.
    pub warnings: Vec<String>,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        for (locus, n_distinct) in &self.n_distinct_haplotypes {
            let haplotypes = counted(*n_distinct, "distinct haplotype", "distinct haplotypes");
            writeln!(
                f,
                "{locus}: {haplotypes} of {}",
                counted(self.n_people, "sample", "samples")
            )?;
        }
        if let Some(first) = self.loci_without_records.first() {
            let loci = counted(self.loci_without_records.len(), "locus", "loci");
            writeln!(
                f,
                "{loci} without a record, read as the reference (first: {first})"
            )?;
        }
        if self.n_reference_iupac_as_n > 0 {
            writeln!(
                f,
                "{} of the reference read as N",
                counted(self.n_reference_iupac_as_n, "IUPAC code", "IUPAC codes")
            )?;
        }
        if self.n_masked_nt > 0 {
            writeln!(
                f,
                "{} read as N",
                counted(self.n_masked_nt, "masked base", "masked bases")
            )?;
        }
        self.skips
            .iter()
            .try_for_each(|(reason, count)| writeln!(f, "{reason}: {count}"))
    }
}

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An input file cannot be used.
    #[error(transparent)]
    Ingest(#[from] gf_genotypes::Error),
    /// A file could not be written or read back.
    #[error(transparent)]
    Output(#[from] output::Error),
    /// A record or a genotype is refused.
    #[error(
        "{}: {place}{contig}:{position}{}: {problem}",
        path.display(),
        sample.as_ref().map(|name| format!(": sample `{name}`")).unwrap_or_default()
    )]
    RecordAtLocus {
        /// The VCF or BCF.
        path: PathBuf,
        /// Contig as the file names it.
        contig: String,
        /// POS.
        position: Position1,
        /// Line or record number, if it is known.
        place: RecordLocation,
        /// The sample, if the genotype of one sample is refused.
        sample: Option<String>,
        /// The problem and the next action.
        problem: Box<SiteProblem>,
    },
    /// The files do not belong together.
    #[error(transparent)]
    Inputs(#[from] InputsProblem),
    /// A locus without a record.
    #[error("{}: {problem}", joined(paths))]
    EmptyLocus {
        /// The VCF or BCF files.
        paths: Vec<PathBuf>,
        /// The problem and the next action.
        problem: EmptyLocus,
    },
    /// The genome differs from that of a model.
    #[error(
        "locus `{locus}`: {difference}; use the reference and the build that the model was made \
         with"
    )]
    OtherGenome {
        /// Name of the locus.
        locus: String,
        /// The difference.
        difference: GenomeDifference,
    },
    /// A stored dictionary cannot be used.
    #[error("{}: {problem}", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: StoreProblem,
    },
    /// A block cannot be merged with the others.
    #[error("{}: {problem}", folder.display())]
    Merge {
        /// The folder of the block.
        folder: PathBuf,
        /// The problem.
        problem: Box<MergeProblem>,
    },
}

impl Error {
    /// A stored file that cannot be used.
    pub(crate) fn damaged(path: &Path, problem: impl Into<StoreProblem>) -> Self {
        Self::Store {
            path: path.into(),
            problem: problem.into(),
        }
    }
}

fn joined(paths: &[PathBuf]) -> String {
    let names: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    names.join(", ")
}

/// Why files or options do not belong together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputsProblem {
    /// No file of genotypes.
    #[error("no VCF or BCF file given")]
    NoFile,
    /// No block to merge.
    #[error("no sequences to merge")]
    NoBlock,
    /// Rules for haplotypes with genotype symbols.
    #[error(
        "strict and overlap = bcftools are rules for haplotypes; remove them with encoding = \
         diploid"
    )]
    RulesForHaplotypes,
    /// A mask that does not fit its locus.
    #[error(
        "locus `{locus}` has a masked interval outside of it; the file with the masks is damaged"
    )]
    MaskOutside {
        /// Name of the locus.
        locus: String,
    },
    /// A contig of another build.
    #[error(
        "{}: contig `{contig}` is of another genome build than `{in_reference}` of the reference; \
         use files of one build",
        path.display()
    )]
    OtherBuild {
        /// The VCF or BCF.
        path: PathBuf,
        /// Contig as it names it.
        contig: String,
        /// Contig as the reference names it.
        in_reference: String,
    },
    /// A sample that not all files have.
    #[error(
        "sample `{sample}` is in {} but not in {}; list samples that all files have with --samples",
        with.display(),
        without.display()
    )]
    SampleNotInAll {
        /// The sample.
        sample: String,
        /// A file with the sample.
        with: PathBuf,
        /// A file without it.
        without: PathBuf,
    },
    /// A locus in two files.
    #[error("locus `{locus}` has records in more than one file; merge them with `bcftools concat`")]
    LocusInTwoFiles {
        /// Name of the locus.
        locus: String,
    },
}

/// Builds the sequences of all samples.
///
/// The caller saves the table of skips together with the other files.
///
/// # Errors
/// Files that cannot be read or do not belong together, a REF that differs from the FASTA, or a
/// genotype that a policy refuses.
pub fn run(options: &Options) -> Result<(Dictionary, SkipTable, Summary), Error> {
    of_loci(&loci(options)?, options, EmptyLoci::Refuse)
}

/// Counts of a check of the inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Samples.
    pub n_people: usize,
    /// Loci.
    pub n_loci: usize,
    /// Records that overlap a locus, if records were checked.
    pub n_records: Option<u64>,
    /// Records at which the FASTA has no base to compare REF with.
    pub n_beyond_reference: u64,
    /// Records that FILTER excludes.
    pub n_filtered: u64,
    /// Problems of the files that would not stop a run.
    pub warnings: Vec<String>,
}

/// Checks the inputs of [`run`] without genotypes: files, samples, contigs and their lengths, and
/// loci. With `records` it also checks REF of every record.
///
/// # Errors
/// The errors of [`run`].
pub fn check(options: &Options, records: bool) -> Result<Checked, Error> {
    let loci = self::loci(options)?;
    let mut opened = Opened::new(&loci, options)?;
    let mut checked = Checked {
        n_people: opened.samples.len(),
        n_loci: loci.len(),
        warnings: opened.warnings,
        ..Checked::default()
    };
    if !records {
        return Ok(checked);
    }
    let regions = DisjointRegions::of_loci(loci.iter().map(|(locus, _)| locus));
    let mut n_records = 0;
    for file in &mut opened.files {
        // The position of a record does not depend on genotypes, so one column is enough.
        file.select(&opened.samples[..1])?;
        let path = file.path().to_path_buf();
        let mut ref_alleles = RefAlleles::new(&mut opened.reference);
        file.for_each(Some(&regions), |record| {
            n_records += 1;
            checked.n_filtered += u64::from(!options.policies.apply_filters.admit(&record.filters));
            ref_alleles.compare(&path, record)
        })?;
        checked.n_beyond_reference += ref_alleles.n_beyond;
        checked.warnings.extend(file.passed_over());
    }
    checked.n_records = Some(n_records);
    Ok(checked)
}

/// The loci of the options in their order, with the masks of each.
///
/// # Errors
/// BED files that cannot be read.
pub fn loci(options: &Options) -> Result<Vec<(Locus, Masks)>, Error> {
    let masked = options
        .mask
        .as_deref()
        .map(read_intervals)
        .transpose()?
        .unwrap_or_default();
    let callable = options
        .callable
        .as_deref()
        .map(read_intervals)
        .transpose()?;
    Ok(options
        .regions
        .loci()?
        .into_iter()
        .map(|locus| {
            let masks = Masks::of_locus(&locus, &masked, callable.as_deref());
            (locus, masks)
        })
        .collect())
}

/// Files that belong together, before their records are read.
struct Opened {
    reference: Reference,
    files: Vec<VariantFile>,
    samples: Vec<String>,
    contig_lens_nt: HashMap<String, usize>,
    warnings: Vec<String>,
}

impl Opened {
    fn new(loci: &[(Locus, Masks)], options: &Options) -> Result<Self, Error> {
        let mut reference = Reference::open(&options.reference)?;
        let mut files = options
            .vcf
            .iter()
            .map(|path| VariantFile::open_with(path, &options.format))
            .collect::<Result<Vec<_>, _>>()?;
        for file in files.iter_mut().filter(|file| file.needs_ref_order()) {
            file.decide_ref_order(&mut reference)?;
        }
        let first = files.first().ok_or(InputsProblem::NoFile)?;
        let samples = options.samples.select(first)?;
        if !matches!(options.samples, Samples::Only(_)) {
            require_same_samples(&files)?;
        }
        require_valid_options(loci, options)?;
        let mut warnings = Vec::new();
        for file in &mut files {
            file.select(&samples)?;
            warnings.extend_from_slice(file.warnings());
        }
        if let Regions::Text(text) = &options.regions {
            require_build_of_named(text, &reference)?;
        }
        let mut opened = Self {
            reference,
            files,
            samples,
            contig_lens_nt: HashMap::new(),
            warnings,
        };
        for (locus, _) in loci {
            opened.check_contig(locus)?;
        }
        Ok(opened)
    }

    /// Checks the contig of a locus: its name and length in all files, and that the FASTA has the
    /// bases of the locus.
    fn check_contig(&mut self, locus: &Locus) -> Result<(), Error> {
        let name_in_reference = self.reference.resolve(&locus.contig)?;
        require_one_build(&self.files, &name_in_reference)?;
        for file in &self.files {
            let Some(header_len_nt) = file.contig_len_nt(&locus.contig) else {
                continue;
            };
            let warning = self
                .reference
                .check_claim(file.path(), &locus.contig, header_len_nt)?;
            if let Some(new) = warning.filter(|warning| !self.warnings.contains(warning)) {
                self.warnings.push(new);
            }
            let largest_nt = self.contig_lens_nt.entry(locus.contig.clone()).or_default();
            *largest_nt = header_len_nt.max(*largest_nt);
        }
        self.reference.covering(&locus.contig, locus.range())?;
        Ok(())
    }
}

/// Refuses policies that contradict each other, and masks outside of their locus.
fn require_valid_options(loci: &[(Locus, Masks)], options: &Options) -> Result<(), Error> {
    if options.policies.encoding == Encoding::Diploid
        && (options.policies.strict || options.policies.overlap == Overlap::Bcftools)
    {
        return Err(InputsProblem::RulesForHaplotypes.into());
    }
    if let Some((locus, _)) = loci.iter().find(|(locus, masks)| !masks.are_inside(locus)) {
        let locus = locus.name.clone();
        return Err(InputsProblem::MaskOutside { locus }.into());
    }
    Ok(())
}

/// Refuses a VCF header with the same contig in another build than the reference. Accessions such
/// as `NC_000001.11` identify the build.
fn require_one_build(files: &[VariantFile], in_reference: &str) -> Result<(), Error> {
    for file in files {
        let of_other_build = file.contigs().find(|(name, _)| {
            contig_key(name) == contig_key(in_reference)
                && tell_different_builds(name, in_reference)
        });
        if let Some((name, _)) = of_other_build {
            let problem = InputsProblem::OtherBuild {
                path: file.path().to_path_buf(),
                contig: name.to_owned(),
                in_reference: in_reference.to_owned(),
            };
            return Err(problem.into());
        }
    }
    Ok(())
}

/// The treatment of a locus that no record overlaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyLoci {
    /// An error: in a cohort it points to another build or to a missing file.
    Refuse,
    /// The reference in all samples, if the files have other records on the contig: a single sample
    /// may have no variant there.
    AsReference,
}

/// Builds the sequences of all samples at given loci and masks, such as those of a saved model.
///
/// `options.regions` is used only in messages.
///
/// # Errors
/// The errors of [`run`].
pub fn of_loci(
    loci: &[(Locus, Masks)],
    options: &Options,
    empty_loci: EmptyLoci,
) -> Result<(Dictionary, SkipTable, Summary), Error> {
    let Opened {
        reference,
        mut files,
        samples,
        contig_lens_nt,
        warnings,
    } = Opened::new(loci, options)?;
    let mut cohort = SharedState {
        policies: &options.policies,
        samples: &samples,
        contig_lens_nt,
        log: SkipLog::create(options.skips.as_deref())?,
        n_missing: vec![0; samples.len()],
        summary: Summary {
            warnings,
            ..Summary::default()
        },
    };
    let mut schedule = Schedule::new(loci, reference);
    let contigs_with_records = read_records(&mut files, loci, &mut schedule, &mut cohort)?;
    let files_read = FilesRead {
        files: &files,
        contigs_with_records: &contigs_with_records,
    };
    let loci = schedule.finish(options, &files_read, empty_loci, &mut cohort)?;
    let skips = cohort.log.finish()?;
    let summary = Summary {
        n_people: samples.len(),
        n_loci: loci.len(),
        n_distinct_haplotypes: loci
            .iter()
            .map(|locus| (locus.locus.name.clone(), locus.haplotypes.len()))
            .collect(),
        skips: skips.counts,
        n_missing_alleles: cohort.n_missing,
        ..cohort.summary
    };
    let dictionary = Dictionary {
        encoding: options.policies.encoding,
        iupac: options.policies.unphased == Unphased::Iupac,
        samples,
        loci,
    };
    Ok((dictionary, skips.table, summary))
}

/// Reads the records of all files that overlap a locus. Returns the contigs that have records.
fn read_records(
    files: &mut [VariantFile],
    loci: &[(Locus, Masks)],
    schedule: &mut Schedule<'_>,
    cohort: &mut SharedState<'_>,
) -> Result<HashSet<String>, Error> {
    let regions = DisjointRegions::of_loci(loci.iter().map(|(locus, _)| locus));
    let mut contigs_with_records = HashSet::new();
    for (number, file) in files.iter_mut().enumerate() {
        let path = file.path().to_path_buf();
        contigs_with_records.extend(file.for_each(Some(&regions), |record| {
            let site = RecordAtLocus {
                path: &path,
                record,
            };
            schedule.record(number, site, cohort)
        })?);
        cohort.summary.warnings.extend(file.passed_over());
    }
    Ok(contigs_with_records)
}

/// Refuses files with different samples: the files of one cohort, split by contig, have the same.
fn require_same_samples(files: &[VariantFile]) -> Result<(), Error> {
    for pair in files.windows(2) {
        let a: HashSet<&String> = pair[0].samples().iter().collect();
        let b: HashSet<&String> = pair[1].samples().iter().collect();
        if let Some(&sample) = a.symmetric_difference(&b).min() {
            let [with, without] = if a.contains(sample) {
                [&pair[0], &pair[1]]
            } else {
                [&pair[1], &pair[0]]
            };
            let problem = InputsProblem::SampleNotInAll {
                sample: sample.clone(),
                with: with.path().to_path_buf(),
                without: without.path().to_path_buf(),
            };
            return Err(problem.into());
        }
    }
    Ok(())
}

//! Both haplotypes of every person over chosen loci, each distinct one kept once.
//!
//! Input -> output: VCF/BCF + FASTA + BED -> a [`Dictionary`] and the list of everything that was
//! not applied ([`Skip`]). Semantics: those of `bcftools consensus -H`, with REF checked at every
//! record, no dependence on the order of records at one position, and a policy for each genotype
//! that says too little. One pass over each file for all people. Coordinates: 0-based, half-open,
//! unless named `position` (1-based).
//!
//! Order of operations: resolve the contig and fetch the reference; read the records that overlap a
//! locus; check REF; apply FILTER and masks; per person and haplotype pick the allele by the
//! policies; trim it to an edit; walk the edits in order, leaving out what overlaps; cut at the
//! edges of the locus. A locus is held open only while its records pass, and a haplotype once
//! however many people have it.

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
    merge::{Merged, Shard, merge, require_same_order},
    policies::{ApplyFilters, Encoding, Haploid, Missing, Overlap, Policies, Symbolic, Unphased},
    provenance::{LocusProvenance, Provenance},
    skips::{Reason, Skip, SkipLog, SkipTable},
    store::Dictionary,
    strand::reverse_complement,
};

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use self::{
    schedule::Schedule,
    window::{RecordAtLocus, SharedState},
};
use gf_cohort_schema::counted;
use gf_files::output;
use gf_genotypes::{
    DisjointRegions, Locus, RecordLocation, RefAlleles, Reference, VariantFile, contig_key,
    loci_of_regions, read_intervals, read_loci, require_build_of_named, tell_different_builds,
};

/// What the stage needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// VCF, VCF.gz or BCF files, of the same people, each locus in one of them; `-` is standard
    /// input.
    pub vcf: Vec<PathBuf>,
    /// FASTA.
    pub reference: PathBuf,
    /// Where.
    pub regions: Regions,
    /// Who.
    pub samples: Samples,
    /// Policies.
    pub policies: Policies,
    /// BED of places to read as N; records that touch them are not applied.
    pub mask: Option<PathBuf>,
    /// BED outside of which everything is read as N.
    pub callable: Option<PathBuf>,
    /// Where to write `skips.csv`, if anywhere.
    pub skips: Option<PathBuf>,
}

impl Options {
    /// All files that are read.
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

/// Where the loci come from.
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

/// What the stage did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// People.
    pub n_people: usize,
    /// Loci.
    pub n_loci: usize,
    /// Records that overlap a locus, once for each of its loci.
    pub n_records: u64,
    /// Distinct haplotypes of each locus, by its name.
    pub n_distinct_haplotypes: BTreeMap<String, usize>,
    /// Names of the loci that no record overlaps: everyone has the reference there.
    pub loci_without_records: Vec<String>,
    /// Bases of the reference that are IUPAC codes, read as N.
    pub n_reference_iupac_as_n: u64,
    /// Bases of the reference read as N by `--mask` and `--callable`.
    pub n_masked_nt: u64,
    /// How often each policy acted.
    pub skips: BTreeMap<Reason, u64>,
    /// Missing alleles of each sample, in the order of the dictionary. Not stored: a record of a
    /// run names no sample.
    #[serde(skip)]
    pub n_missing_alleles: Vec<u64>,
    /// Oddities of the files that did not stop the reading.
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
                counted(self.n_people, "person", "people")
            )?;
        }
        if let Some(first) = self.loci_without_records.first() {
            let loci = counted(self.loci_without_records.len(), "locus", "loci");
            writeln!(
                f,
                "{loci} without a record, read as the reference (the first: {first})"
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

/// Why no sequences could be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is wrong.
    #[error(transparent)]
    Ingest(#[from] gf_genotypes::Error),
    /// A file could not be written or read back.
    #[error(transparent)]
    Output(#[from] output::Error),
    /// A record or a genotype is refused.
    #[error("{}: {place}{contig}:{position}{}: {reason}", path.display(), sample.as_ref().map(|name| format!(": sample `{name}`")).unwrap_or_default())]
    RecordAtLocus {
        /// The VCF or BCF.
        path: PathBuf,
        /// Contig as the file names it.
        contig: String,
        /// 1-based POS.
        position: usize,
        /// Line or record number, where it is known.
        place: RecordLocation,
        /// Whose genotype, when it is one person's.
        sample: Option<String>,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The files do not fit each other.
    #[error("{0}")]
    Inputs(String),
    /// The genome is not the one a model was made on.
    #[error(
        "locus `{locus}`: {reason}; use the reference and the build that the model was made with"
    )]
    OtherGenome {
        /// Name of the locus.
        locus: String,
        /// What differs.
        reason: String,
    },
    /// A stored dictionary cannot be used.
    #[error("{}: {reason}", path.display())]
    Store {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Builds the sequences of every person; the table of skips is the caller's to save, with the rest.
///
/// # Errors
/// Files that cannot be read or do not fit each other, a REF that is not what the FASTA has,
/// genotypes that a policy refuses.
pub fn run(options: &Options) -> Result<(Dictionary, SkipTable, Summary), Error> {
    of_loci(&loci(options)?, options, EmptyLoci::Refuse)
}

/// What was found before any sequence is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// People.
    pub n_people: usize,
    /// Loci.
    pub n_loci: usize,
    /// Records that overlap a locus, if they were looked at.
    pub n_records: Option<u64>,
    /// Of these, records where the FASTA has nothing to compare REF with.
    pub n_beyond_reference: u64,
    /// Of these, records that are left out by their FILTER.
    pub n_filtered: u64,
    /// Oddities of the files.
    pub warnings: Vec<String>,
}

/// Refuses what [`run`] would refuse without looking at genotypes: files, people, contigs and their
/// lengths, loci; and, with `records`, REF.
///
/// # Errors
/// As [`run`].
pub fn check(options: &Options, records: bool) -> Result<Checked, Error> {
    let loci = self::loci(options)?;
    let Opened {
        mut reference,
        mut files,
        samples,
        warnings,
        ..
    } = Opened::new(&loci, options)?;
    let mut checked = Checked {
        n_people: samples.len(),
        n_loci: loci.len(),
        warnings,
        ..Checked::default()
    };
    if !records {
        return Ok(checked);
    }
    let wanted = DisjointRegions::of_loci(loci.iter().map(|(locus, _)| locus));
    let mut n_records = 0;
    for file in &mut files {
        // One column is enough to know a record's place.
        file.select(&samples[..1])?;
        let path = file.path().to_path_buf();
        let mut ref_alleles = RefAlleles::new(&mut reference);
        file.for_each(Some(&wanted), |record| {
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

/// The loci of the options, in their order, and what is masked of each.
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
    let with_masks = |locus: Locus| {
        let masks = Masks::of_locus(&locus, &masked, callable.as_deref());
        (locus, masks)
    };
    Ok(options
        .regions
        .loci()?
        .into_iter()
        .map(with_masks)
        .collect())
}

/// Files that fit each other, before their records are read.
struct Opened {
    reference: Reference,
    files: Vec<VariantFile>,
    samples: Vec<String>,
    contig_lens_nt: HashMap<String, usize>,
    warnings: Vec<String>,
}

impl Opened {
    fn new(loci: &[(Locus, Masks)], options: &Options) -> Result<Self, Error> {
        let reference = Reference::open(&options.reference)?;
        let mut files = options
            .vcf
            .iter()
            .map(|path| VariantFile::open(path))
            .collect::<Result<Vec<_>, _>>()?;
        let first = files
            .first()
            .ok_or_else(|| Error::Inputs("no VCF or BCF file given".into()))?;
        let samples = options.samples.select(first)?;
        if !matches!(options.samples, Samples::Only(_)) {
            require_same_people(&files)?;
        }
        if options.policies.encoding == Encoding::Diploid
            && (options.policies.strict || options.policies.overlap == Overlap::Bcftools)
        {
            return Err(Error::Inputs(
                "strict and overlap = bcftools are rules for haplotypes: leave them out with \
                 encoding = diploid"
                    .into(),
            ));
        }
        if let Some((locus, _)) = loci.iter().find(|(locus, masks)| !masks.are_inside(locus)) {
            return Err(Error::Inputs(format!(
                "locus `{}`: a masked place lies outside of it",
                locus.name
            )));
        }
        let (mut contig_lens_nt, mut warnings): (HashMap<String, usize>, Vec<String>) =
            (HashMap::new(), Vec::new());
        for file in &mut files {
            file.select(&samples)?;
            warnings.extend_from_slice(file.warnings());
        }
        if let Regions::Text(text) = &options.regions {
            require_build_of_named(text, &reference)?;
        }
        for (locus, _) in loci {
            let in_reference = reference.resolve(&locus.contig)?;
            require_one_build(&files, &in_reference)?;
            for file in &files {
                let Some(stated_nt) = file.contig_len_nt(&locus.contig) else {
                    continue;
                };
                let warning = reference.check_claim(file.path(), &locus.contig, stated_nt)?;
                warnings.extend(warning.filter(|warning| !warnings.contains(warning)));
                let stated = contig_lens_nt.entry(locus.contig.clone()).or_default();
                *stated = stated_nt.max(*stated);
            }
            reference.covering(&locus.contig, locus.start0, locus.end0)?;
        }
        Ok(Self {
            reference,
            files,
            samples,
            contig_lens_nt,
            warnings,
        })
    }
}

/// Refuses files whose header names a contig as that of another build than the reference does.
fn require_one_build(files: &[VariantFile], in_reference: &str) -> Result<(), Error> {
    let is_other = |name: &str| {
        contig_key(name) == contig_key(in_reference) && tell_different_builds(name, in_reference)
    };
    for file in files {
        if let Some((name, _)) = file.contigs().find(|(name, _)| is_other(name)) {
            let reason = format!(
                "{}: contig `{name}` is of another build than `{in_reference}` of the reference; \
                 take files of one build",
                file.path().display()
            );
            return Err(Error::Inputs(reason));
        }
    }
    Ok(())
}

/// What to do with a locus that no record overlaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyLoci {
    /// Refuse: in a cohort it means another build, or a file that was forgotten.
    Refuse,
    /// Read everyone as the reference there, if the files have records elsewhere on the contig: one
    /// person may well have no variant.
    AsReference,
}

/// As [`run`], over loci and masks that are already known (those of a saved model, say);
/// `options.regions` is only named in messages.
///
/// # Errors
/// As [`run`].
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
    let wanted = DisjointRegions::of_loci(loci.iter().map(|(locus, _)| locus));
    let mut schedule = Schedule::new(loci, reference);
    let mut contigs_with_records = HashSet::new();
    for (number, file) in files.iter_mut().enumerate() {
        let path = file.path().to_path_buf();
        contigs_with_records.extend(file.for_each(Some(&wanted), |record| {
            schedule.record(
                number,
                RecordAtLocus {
                    path: &path,
                    record,
                },
                &mut cohort,
            )
        })?);
        cohort.summary.warnings.extend(file.passed_over());
    }
    let loci = schedule.finish(
        options,
        &files,
        empty_loci,
        &contigs_with_records,
        &mut cohort,
    )?;
    let SharedState {
        log,
        n_missing,
        mut summary,
        ..
    } = cohort;
    summary.n_missing_alleles = n_missing;
    let (counts, skips) = log.finish()?;
    summary.skips = counts;
    summary.n_people = samples.len();
    summary.n_loci = loci.len();
    summary.n_distinct_haplotypes = loci
        .iter()
        .map(|locus| (locus.locus.name.clone(), locus.haplotypes.len()))
        .collect();
    let iupac = options.policies.unphased == Unphased::Iupac;
    Ok((
        Dictionary {
            encoding: options.policies.encoding,
            iupac,
            samples,
            loci,
        },
        skips,
        summary,
    ))
}

/// Several files are those of one cohort: whoever is in one is in all.
fn require_same_people(files: &[VariantFile]) -> Result<(), Error> {
    let people_of =
        |file: &VariantFile| file.samples().iter().cloned().collect::<HashSet<String>>();
    for pair in files.windows(2) {
        let a = people_of(&pair[0]);
        let b = people_of(&pair[1]);
        if let Some(person) = a.symmetric_difference(&b).min() {
            let (with, without) = if a.contains(person) {
                (&pair[0], &pair[1])
            } else {
                (&pair[1], &pair[0])
            };
            return Err(Error::Inputs(format!(
                "sample `{person}` is in {} and not in {}; name the people wanted with --samples",
                with.path().display(),
                without.path().display()
            )));
        }
    }
    Ok(())
}

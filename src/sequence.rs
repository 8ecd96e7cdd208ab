//! Both haplotypes of every person over chosen loci, each distinct one kept once.
//!
//! Input -> output: VCF/BCF + FASTA + BED -> a [`Dictionary`] and the list of everything that was not applied ([`Skip`]).
//! Semantics: those of `bcftools consensus -H`, with REF checked at every record, no dependence on the order of records at one position, and
//! a policy for each genotype that says too little. One pass over each file for all people. Coordinates: 0-based, half-open, unless named
//! `position` (1-based).
//!
//! Order of operations: resolve the contig and fetch the reference; read the records that overlap a locus; check REF; apply FILTER; per person and
//! haplotype pick the allele by the policies; trim it to an edit; walk the edits in order, leaving out what overlaps; cut at the edges of the locus.

pub mod diploid;

mod dictionary;
mod fasta;
mod haplotype;
mod policies;
mod provenance;
mod store;

pub use self::{
    dictionary::{ABSENT_HAPLOTYPE, LocusHaplotypes},
    fasta::write_fasta,
    haplotype::{Edit, reverse_complement, splice},
    policies::{ApplyFilters, Encoding, Haploid, Missing, Policies, Symbolic, Unphased},
    provenance::{LocusProvenance, Provenance},
    store::{Dictionary, write_skips},
};

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use self::{
    dictionary::{Clash, LocusBuilder},
    haplotype::OrderedEdit,
};
use crate::{
    ingest::{self, ABSENT, Genotype, Locus, MISSING, Reference, VariantFile, VariantRecord, read_loci, same_contig},
    output,
};

/// What the stage needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// VCF, VCF.gz or BCF files, of the same people, each locus in one of them.
    pub vcf: Vec<PathBuf>,
    /// FASTA.
    pub reference: PathBuf,
    /// BED of loci.
    pub regions_file: PathBuf,
    /// People wanted, in this order; all of the files when `None`.
    pub samples: Option<Vec<String>>,
    /// Policies.
    pub policies: Policies,
}

/// Why something in the file is not in a sequence as it stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The allele overlaps one already applied to this haplotype.
    Overlap,
    /// The allele was stated twice.
    Duplicate,
    /// FILTER is neither PASS nor `.`.
    Filter,
    /// Symbolic allele or breakend.
    Symbolic,
    /// `*`: the base is deleted by another record.
    SpanningDeletion,
    /// An ALT equal to REF.
    AltIsRef,
    /// A missing allele read as the reference.
    MissingAsRef,
    /// A missing allele read as N.
    MissingAsN,
    /// An unphased heterozygote put on haplotypes in the order of GT.
    UnphasedGtOrder,
    /// An unphased heterozygote read as the reference.
    UnphasedAsRef,
    /// A haploid call: the second haplotype is absent (once a person and locus).
    HaploidAbsent,
    /// A haploid call: the second haplotype repeats the first.
    HaploidDuplicated,
    /// An IUPAC code other than ACGTN in ALT, read as N.
    AltIupacAsN,
    /// An IUPAC code or N where REF and FASTA are compatible but not equal.
    RefAmbiguous,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        serde::Serialize::serialize(self, f)
    }
}

/// One thing that was not applied as written. `sample` and `haplotype` are empty where it concerns the whole record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skip {
    /// Number of the person in [`Dictionary::samples`].
    pub sample: Option<u32>,
    /// 1 or 2.
    pub haplotype: Option<u8>,
    /// Number of the locus.
    pub locus: u32,
    /// 1-based POS.
    pub position: u32,
    /// Why.
    pub reason: Reason,
}

/// What the stage did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// People.
    pub n_people: usize,
    /// Loci.
    pub n_loci: usize,
    /// Records that overlap a locus.
    pub n_records: u64,
    /// Distinct haplotypes of each locus, by its name.
    pub n_distinct_haplotypes: BTreeMap<String, usize>,
    /// Names of the loci that no record overlaps: everyone has the reference there.
    pub loci_without_records: Vec<String>,
    /// Bases of the reference that are IUPAC codes, read as N.
    pub n_reference_iupac_as_n: u64,
    /// How often each policy acted.
    pub skips: BTreeMap<Reason, u64>,
    /// Oddities of the files that did not stop the reading.
    pub warnings: Vec<String>,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        for (locus, n_distinct) in &self.n_distinct_haplotypes {
            writeln!(f, "{locus}: {n_distinct} distinct haplotypes of {} people", self.n_people)?;
        }
        if let Some(first) = self.loci_without_records.first() {
            writeln!(f, "{} loci without a record, read as the reference (the first: {first})", self.loci_without_records.len())?;
        }
        if self.n_reference_iupac_as_n > 0 {
            writeln!(f, "{} IUPAC codes of the reference read as N", self.n_reference_iupac_as_n)?;
        }
        self.skips.iter().try_for_each(|(reason, count)| writeln!(f, "{reason}: {count}"))
    }
}

/// Why no sequences could be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is wrong.
    #[error(transparent)]
    Ingest(#[from] ingest::Error),
    /// A file could not be written or read back.
    #[error(transparent)]
    Output(#[from] output::Error),
    /// A record or a genotype is refused.
    #[error("{}: {contig}:{position}{}: {reason}", path.display(), sample.as_ref().map(|name| format!(": sample `{name}`")).unwrap_or_default())]
    Site {
        /// The VCF or BCF.
        path: PathBuf,
        /// Contig as the file names it.
        contig: String,
        /// 1-based POS.
        position: usize,
        /// Whose genotype, when it is one person's.
        sample: Option<String>,
        /// What is wrong and what to do.
        reason: String,
    },
    /// The files do not fit each other.
    #[error("{0}")]
    Inputs(String),
    /// The genome is not the one a model was made on.
    #[error("locus `{locus}`: {reason}; use the reference and the build that the model was made with")]
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

/// How far beyond a locus the FASTA is read, to check the REF of alleles that reach in from outside.
const FLANK_NT: usize = 1_000;

/// Builds the haplotypes of every person.
///
/// # Errors
/// Files that cannot be read or do not fit each other, a REF that is not what the FASTA has, genotypes that a policy refuses.
pub fn run(options: &Options) -> Result<(Dictionary, Vec<Skip>, Summary), Error> {
    of_loci(&read_loci(&options.regions_file)?, options, EmptyLoci::Refuse)
}

/// What to do with a locus that no record overlaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyLoci {
    /// Refuse: in a cohort it means another build, or a file that was forgotten.
    Refuse,
    /// Read everyone as the reference there, if the files have records elsewhere on the contig: one person may well have no variant.
    AsReference,
}

/// As [`run`], over loci that are already known (those of a saved model, say); `options.regions_file` is only named in messages.
///
/// # Errors
/// As [`run`].
pub fn of_loci(loci: &[Locus], options: &Options, empty_loci: EmptyLoci) -> Result<(Dictionary, Vec<Skip>, Summary), Error> {
    let mut reference = Reference::open(&options.reference)?;
    let files = options.vcf.iter().map(|path| VariantFile::open(path)).collect::<Result<Vec<_>, _>>()?;
    let first = files.first().ok_or_else(|| Error::Inputs("no VCF or BCF file given".into()))?;
    let samples = options.samples.clone().unwrap_or_else(|| first.samples().to_vec());

    let mut run = Run { policies: options.policies, samples: &samples, skips: Vec::new(), summary: Summary::default() };
    let mut windows = Vec::with_capacity(loci.len());
    for locus in loci {
        windows.push(Window::open(locus, &files, &mut reference, samples.len(), &mut run.summary)?);
    }
    let mut file_of_locus: Vec<Option<&Path>> = vec![None; loci.len()];
    let mut contigs_with_records = HashSet::new();
    for file in &files {
        run.summary.warnings.extend_from_slice(file.warnings());
        let columns = file.columns_of(&samples)?;
        contigs_with_records.extend(file.for_each(Some(loci), |record| {
            run.summary.n_records += 1;
            for (number, window) in windows.iter_mut().enumerate() {
                if record.start0() >= window.builder.window().end
                    || record.span_end0() <= window.builder.window().start
                    || !same_contig(&window.builder.locus().contig, &record.contig)
                {
                    continue;
                }
                if file_of_locus[number].replace(file.path()).is_some_and(|other| other != file.path()) {
                    let name = &window.builder.locus().name;
                    return Err(Error::Inputs(format!(
                        "locus `{name}` has records in more than one file; merge them with `bcftools concat`"
                    )));
                }
                run.record(window, number as u32, file.path(), record, &columns)?;
            }
            Ok::<_, Error>(())
        })?);
    }
    if run.summary.n_records == 0 && empty_loci == EmptyLoci::Refuse {
        return Err(Error::Inputs(format!(
            "{}: no record overlaps any locus of {}: is the VCF empty, or are the contig names or the build others?",
            listed(&files),
            options.regions_file.display()
        )));
    }
    for (window, _) in windows.iter().zip(&file_of_locus).filter(|(_, file)| file.is_none()) {
        let Locus { name, contig, .. } = window.builder.locus();
        let refuse = |reason: &str| Err(Error::Inputs(format!("{}: {reason}", listed(&files))));
        if !files.iter().any(|file| file.may_have_contig(contig)) {
            return refuse(&format!("no contig `{contig}` in the header, and locus `{name}` lies there; is it in another file?"));
        }
        if !contigs_with_records.iter().any(|other| same_contig(contig, other)) {
            return refuse(&format!("no record on contig `{contig}`, and locus `{name}` lies there; is it in another file?"));
        }
        if empty_loci == EmptyLoci::Refuse {
            let region = window.builder.locus().region();
            return refuse(&format!(
                "no record overlaps locus `{name}` ({region}): is it another build? If nothing varies there, take it out of {}",
                options.regions_file.display()
            ));
        }
        run.summary.loci_without_records.push(name.clone());
    }
    let loci: Vec<_> = windows.into_iter().enumerate().map(|(number, window)| run.finish(window, number as u32)).collect();
    run.summary.n_people = samples.len();
    run.summary.n_loci = loci.len();
    run.summary.n_distinct_haplotypes = loci.iter().map(|locus| (locus.locus.name.clone(), locus.haplotypes.len())).collect();
    for skip in &run.skips {
        *run.summary.skips.entry(skip.reason).or_default() += 1;
    }
    let (skips, summary) = (run.skips, run.summary);
    Ok((Dictionary { encoding: Encoding::Haplotype, samples, loci }, skips, summary))
}

/// A locus while its records are read.
struct Window {
    builder: LocusBuilder,
    /// FASTA bases around the locus, for checking REF; `flank_start0` is the first one's position.
    flanked: Vec<u8>,
    flank_start0: usize,
    /// Ploidy seen of each person so far (0 = none, 1, 2), with the POS where.
    ploidy: Vec<(u8, u32)>,
}

impl Window {
    fn open(
        locus: &Locus,
        files: &[VariantFile],
        reference: &mut Reference,
        n_people: usize,
        summary: &mut Summary,
    ) -> Result<Self, Error> {
        let in_header = files.iter().find_map(|file| file.contig_len_nt(&locus.contig));
        reference.resolve(&locus.contig, in_header)?;
        let contig_len_nt = in_header.or_else(|| reference.contig_len_nt(&locus.contig));
        let (held_start0, held_end0) = reference.covering(&locus.contig, locus.start0, locus.end0)?;
        let flank_start0 = locus.start0.saturating_sub(FLANK_NT).max(held_start0);
        let flanked = reference.fetch(&locus.contig, flank_start0, (locus.end0 + FLANK_NT).min(held_end0))?;
        let mut bases = flanked[locus.start0 - flank_start0..locus.end0 - flank_start0].to_vec();
        for base in bases.iter_mut().filter(|base| !b"ACGTN".contains(base)) {
            *base = b'N';
            summary.n_reference_iupac_as_n += 1;
        }
        let builder = LocusBuilder::new(locus.clone(), contig_len_nt, bases, n_people);
        Ok(Self { builder, flanked, flank_start0, ploidy: vec![(0, 0); n_people] })
    }
}

/// The stage's state beside the loci.
struct Run<'o> {
    policies: Policies,
    samples: &'o [String],
    skips: Vec<Skip>,
    summary: Summary,
}

/// Where a record stands, for messages and skips.
#[derive(Clone, Copy)]
struct Site<'r> {
    path: &'r Path,
    record: &'r VariantRecord,
    locus: u32,
}

impl Site<'_> {
    fn refuse(self, sample: Option<&String>, reason: impl Into<String>) -> Error {
        Error::Site {
            path: self.path.into(),
            contig: self.record.contig.clone(),
            position: self.record.position,
            sample: sample.cloned(),
            reason: reason.into(),
        }
    }

    fn skip(self, sample: Option<usize>, side: Option<usize>, reason: Reason) -> Skip {
        let (sample, haplotype) = (sample.map(|sample| sample as u32), side.map(|side| side as u8 + 1));
        Skip { sample, haplotype, locus: self.locus, position: self.record.position as u32, reason }
    }

    /// An ALT as the file writes it.
    fn alt_text(self, number: usize) -> String {
        String::from_utf8_lossy(&self.record.alt_alleles[number]).into_owned()
    }
}

/// The haplotypes (`2 * person + 0|1`) that carry each ALT of a record, and those whose allele is missing and read as N.
struct Carriers {
    of_alt: Vec<Vec<u32>>,
    of_n: Vec<u32>,
}

impl Run<'_> {
    fn record(&mut self, window: &mut Window, locus: u32, path: &Path, record: &VariantRecord, columns: &[usize]) -> Result<(), Error> {
        let site = Site { path, record, locus };
        if check_ref(window, record).map_err(|reason| site.refuse(None, reason))? {
            self.skips.push(site.skip(None, None, Reason::RefAmbiguous));
        }
        if self.policies.apply_filters == ApplyFilters::Pass && !record.passes_filters {
            self.skips.push(site.skip(None, None, Reason::Filter));
            return Ok(());
        }
        let alleles: Vec<Allele> = record.alt_alleles.iter().map(|alt| Allele::new(record, alt, &window.builder.window())).collect();
        let mut carriers = Carriers { of_alt: vec![Vec::new(); alleles.len()], of_n: Vec::new() };
        for (person, &column) in columns.iter().enumerate() {
            let genotype = record.genotypes[column];
            if genotype.alleles == [0, 0] && window.ploidy[person].0 == 2 {
                continue;
            }
            if let Some(genotype) = self.settle_genotype(window, site, person, genotype)? {
                self.alleles_of(site, person, genotype, &alleles, &mut carriers)?;
            }
        }

        window.builder.settle_before(record.start0(), &mut clash_to_skip(&mut self.skips, locus));
        let ordered = |edit: Edit, alt: &[u8]| OrderedEdit {
            edit,
            position: record.position,
            ref_allele: record.ref_allele.clone(),
            alt_allele: alt.to_vec(),
        };
        for ((allele, of_alt), alt) in alleles.into_iter().zip(&carriers.of_alt).zip(&record.alt_alleles) {
            if let Allele::Edit { edit, iupac } = allele
                && !of_alt.is_empty()
            {
                if iupac {
                    self.skips.push(site.skip(None, None, Reason::AltIupacAsN));
                }
                window.builder.add(ordered(edit, alt), of_alt);
            }
        }
        let unknown = Edit { start0: record.start0(), end0: record.end0(), alt: vec![b'N'; record.ref_allele.len()] };
        if let (false, Some(edit)) = (carriers.of_n.is_empty(), unknown.clip(&window.builder.window(), record.start0())) {
            window.builder.add(ordered(edit, b"N"), &carriers.of_n);
        }
        Ok(())
    }

    /// Applies the policies for ploidy and phase; `None` when the genotype is read as the reference.
    fn settle_genotype(&mut self, window: &mut Window, site: Site<'_>, person: usize, call: Genotype) -> Result<Option<Genotype>, Error> {
        let sample = self.samples.get(person);
        let mut genotype = call;
        let position = site.record.position as u32;
        settle_ploidy(&mut genotype, self.policies.haploid, &mut window.ploidy[person], position)
            .map_err(|reason| site.refuse(sample, reason))?;
        if genotype.is_haploid() {
            // Once a person and locus: the records after the first say nothing new.
            if window.builder.set_absent(person) {
                self.skips.push(site.skip(Some(person), Some(1), Reason::HaploidAbsent));
            }
        } else if call.is_haploid() && self.policies.haploid == Haploid::Dup {
            self.skips.push(site.skip(Some(person), Some(1), Reason::HaploidDuplicated));
        }
        if !is_unphased_heterozygote(genotype) {
            return Ok(Some(genotype));
        }
        match self.policies.unphased {
            Unphased::Error => Err(site
                .refuse(sample, "unphased heterozygote: its haplotypes are unknown; phase the file, or choose --unphased gt-order or ref")),
            Unphased::GtOrder => {
                self.skips.push(site.skip(Some(person), None, Reason::UnphasedGtOrder));
                Ok(Some(genotype))
            }
            Unphased::Ref => {
                self.skips.push(site.skip(Some(person), None, Reason::UnphasedAsRef));
                Ok(None)
            }
        }
    }

    /// Enters a person's alleles among the carriers, or says why not.
    fn alleles_of(
        &mut self,
        site: Site<'_>,
        person: usize,
        genotype: Genotype,
        alleles: &[Allele],
        carriers: &mut Carriers,
    ) -> Result<(), Error> {
        let sample = self.samples.get(person);
        for (side, &allele) in genotype.alleles.iter().enumerate() {
            let haplotype = 2 * person as u32 + side as u32;
            let reason = match allele {
                0 | ABSENT => continue,
                MISSING => match self.policies.missing {
                    Missing::Ref => Reason::MissingAsRef,
                    Missing::N => {
                        carriers.of_n.push(haplotype);
                        Reason::MissingAsN
                    }
                    Missing::Error => return Err(site.refuse(sample, "missing allele; choose --missing ref or N")),
                },
                alt => {
                    let number = alt as usize - 1;
                    match &alleles[number] {
                        Allele::Edit { .. } => {
                            carriers.of_alt[number].push(haplotype);
                            continue;
                        }
                        Allele::Outside | Allele::ReferenceBlock => continue,
                        Allele::NoOp(reason) => *reason,
                        Allele::Symbolic if self.policies.symbolic == Symbolic::Skip => Reason::Symbolic,
                        Allele::Symbolic => {
                            let text = site.alt_text(number);
                            return Err(
                                site.refuse(sample, format!("symbolic allele `{text}`; choose --symbolic skip to leave such alleles out"))
                            );
                        }
                        Allele::NotBases => return Err(site.refuse(sample, format!("ALT `{}` is not bases", site.alt_text(number)))),
                    }
                }
            };
            self.skips.push(site.skip(Some(person), Some(side), reason));
        }
        Ok(())
    }

    fn finish(&mut self, window: Window, locus: u32) -> LocusHaplotypes {
        window.builder.finish(&mut clash_to_skip(&mut self.skips, locus))
    }
}

fn clash_to_skip(skips: &mut Vec<Skip>, locus: u32) -> impl FnMut(u32, usize, Clash) {
    move |haplotype, position, clash| {
        skips.push(Skip {
            sample: Some(haplotype / 2),
            haplotype: Some((haplotype % 2) as u8 + 1),
            locus,
            position: position as u32,
            reason: match clash {
                Clash::Overlap => Reason::Overlap,
                Clash::Duplicate => Reason::Duplicate,
            },
        });
    }
}

/// What one ALT does to a carrier's sequence.
enum Allele {
    Edit {
        edit: Edit,
        iupac: bool,
    },
    /// Changes nothing inside the locus.
    Outside,
    /// `<NON_REF>` and `<*>` of gVCF: the reference.
    ReferenceBlock,
    NoOp(Reason),
    Symbolic,
    NotBases,
}

impl Allele {
    fn new(record: &VariantRecord, alt: &[u8], window: &std::ops::Range<usize>) -> Self {
        match alt {
            b"*" => return Self::NoOp(Reason::SpanningDeletion),
            b"<NON_REF>" | b"<*>" => return Self::ReferenceBlock,
            _ if alt.starts_with(b"<") || alt.iter().any(|byte| matches!(byte, b'[' | b']')) => return Self::Symbolic,
            _ => {}
        }
        if alt.is_empty() || !alt.iter().all(|base| b"ACGTNRYSWKMBDHVU".contains(base)) {
            return Self::NotBases;
        }
        let mut bases = alt.to_vec();
        let mut iupac = false;
        for base in bases.iter_mut().filter(|base| !b"ACGTN".contains(base)) {
            *base = b'N';
            iupac = true;
        }
        match Edit::canonical(record.start0(), &record.ref_allele, &bases) {
            None => Self::NoOp(Reason::AltIsRef),
            Some(edit) => edit.clip(window, record.start0()).map_or(Self::Outside, |edit| Self::Edit { edit, iupac }),
        }
    }
}

fn is_unphased_heterozygote(genotype: Genotype) -> bool {
    !genotype.phased && !genotype.is_haploid() && genotype.alleles[0] != genotype.alleles[1]
}

/// Applies the haploid policy and holds a person to one ploidy within a locus.
fn settle_ploidy(genotype: &mut Genotype, policy: Haploid, seen: &mut (u8, u32), position: u32) -> Result<(), String> {
    let haploid = genotype.is_haploid();
    if haploid {
        match policy {
            Haploid::Error => return Err("haploid call; choose --haploid absent or dup".into()),
            Haploid::Dup => genotype.alleles[1] = genotype.alleles[0],
            // `.` is how a missing call of any ploidy is often written: it says nothing about the second haplotype.
            Haploid::Absent if genotype.alleles[0] == MISSING => genotype.alleles[1] = MISSING,
            Haploid::Absent => {}
        }
    }
    let ploidy = if genotype.is_haploid() { 1 } else { 2 };
    if seen.0 != 0 && seen.0 != ploidy && genotype.alleles != [MISSING, MISSING] {
        return Err(format!(
            "ploidy {ploidy} here, but {} at position {} of the same locus; split the locus (PAR boundary?) or choose --haploid dup",
            seen.0, seen.1
        ));
    }
    if seen.0 == 0 && genotype.alleles != [MISSING, MISSING] {
        *seen = (ploidy, position);
    }
    Ok(())
}

/// Compares REF with the FASTA where the FASTA is known; `Ok(true)` when they agree only by ambiguity codes.
fn check_ref(window: &Window, record: &VariantRecord) -> Result<bool, String> {
    let mut ambiguous = false;
    for (offset, &base) in record.ref_allele.iter().enumerate() {
        let Some(index) = (record.start0() + offset).checked_sub(window.flank_start0) else { continue };
        let Some(&expected) = window.flanked.get(index) else { continue };
        if base == expected {
            continue;
        }
        if iupac_bits(base) & iupac_bits(expected) != 0 {
            ambiguous = true;
            continue;
        }
        let context = |range: std::ops::Range<usize>| String::from_utf8_lossy(window.flanked.get(range).unwrap_or_default()).into_owned();
        let end = window.flanked.len();
        return Err(format!(
            "REF is `{}` but the FASTA has `{}` at {} (FASTA around it: {}[{}]{}): the VCF was made against another reference; is it GRCh37 beside GRCh38, or are positions shifted?",
            char::from(base),
            char::from(expected),
            record.position + offset,
            context(index.saturating_sub(5)..index),
            char::from(expected),
            context((index + 1).min(end)..(index + 6).min(end)),
        ));
    }
    Ok(ambiguous)
}

/// The bases an IUPAC code stands for, as bits ACGT.
fn iupac_bits(base: u8) -> u8 {
    match base {
        b'A' => 1,
        b'C' => 2,
        b'G' => 4,
        b'T' | b'U' => 8,
        b'R' => 5,
        b'Y' => 10,
        b'S' => 6,
        b'W' => 9,
        b'K' => 12,
        b'M' => 3,
        b'B' => 14,
        b'D' => 13,
        b'H' => 11,
        b'V' => 7,
        b'N' => 15,
        _ => 0,
    }
}

fn listed(files: &[VariantFile]) -> String {
    files.iter().map(|file| file.path().display().to_string()).collect::<Vec<_>>().join(", ")
}

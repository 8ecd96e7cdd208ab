//! One open locus: checks REF, applies filters and masks, and resolves each call by the policies.
//!
//! Input -> output: the records of a VCF that overlap a locus, in file order -> edits and their
//! carriers for a [`Builder`], and a row of `skips.csv` for each allele that is not applied as
//! written. A `position` is the POS of a record.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use super::{
    Error, LocusHaplotypes, Reason, Skip, SkipLog, Summary,
    allele::{Allele, iupac_bits, iupac_of},
    builder::{Builder, Clash},
    diploid::DiploidBuilder,
    distinct::HaplotypeBuilder,
    haplotype::{Edit, OrderedEdit},
    mask::Masks,
    policies::{Encoding, Haploid, Missing, Overlap, Policies, Symbolic, Unphased},
};
use gf_genotypes::{
    ABSENT, EXCHANGED, Genotype, Locus, MISSING, OTHER_REFERENCE, Position0, Position1, Range0,
    RecordLocation, Reference, VariantRecord, builds_of_length,
};

/// Why a record, or a genotype in it, is refused.
#[derive(Debug, thiserror::Error)]
pub enum SiteProblem {
    /// A missing allele that the policy refuses.
    #[error("missing allele; choose --missing ref or N")]
    MissingAllele,
    /// A symbolic allele that the policy refuses.
    #[error("symbolic allele `{alt}`; choose --symbolic skip to leave such alleles out")]
    SymbolicAllele {
        /// The ALT allele.
        alt: String,
    },
    /// A symbolic deletion of unknown length.
    #[error("`<DEL>` has neither an INFO/END after POS nor INFO/SVLEN, so its length is unknown")]
    UnknownEnd,
    /// An ALT of other characters than bases.
    #[error("ALT `{alt}` is not bases")]
    NotBases {
        /// The ALT allele.
        alt: String,
    },
    /// Two names of one contig.
    #[error(
        "the file calls this contig `{contig}` as well; rename one with `bcftools annotate \
         --rename-chrs`"
    )]
    TwoContigNames {
        /// The other name.
        contig: String,
    },
    /// Records of a locus under two names of its contig.
    #[error(
        "locus `{locus}` has records under two names of its contig; rename one contig with \
         `bcftools annotate --rename-chrs`"
    )]
    LocusOnTwoContigs {
        /// Name of the locus.
        locus: String,
    },
    /// A heterozygote without phase that the policy refuses.
    #[error(
        "unphased heterozygote, whose haplotypes are unknown. Phase the file, or choose --unphased \
         gt-order, iupac or ref, or choose --encoding diploid, which needs no phase. A pipeline \
         file has both options as keys, and a saved model keeps its own values"
    )]
    Unphased,
    /// A haploid call that the policy refuses.
    #[error("haploid call; choose --haploid absent or dup")]
    HaploidCall,
    /// Haploid and diploid calls of one sample at one locus.
    #[error(
        "ploidy {ploidy} here, but {earlier_ploidy} at an earlier record of locus `{locus}`; split \
         the locus (PAR boundary?) or choose --haploid dup"
    )]
    TwoPloidies {
        /// Ploidy in this record.
        ploidy: u8,
        /// Ploidy in an earlier record.
        earlier_ploidy: u8,
        /// Name of the locus.
        locus: String,
    },
    /// Alleles that exclude each other, with `--strict`.
    #[error(
        "two alleles for the same bases of one haplotype; without --strict the first one is kept"
    )]
    Conflict,
    /// A REF that is longer than the contig.
    #[error(
        "REF reaches position {end}, beyond the end of the contig ({len_nt} nt). Is the VCF of \
         another genome build?"
    )]
    RefBeyondEnd {
        /// 1-based position of the last base of REF.
        end: usize,
        /// Length of the contig.
        len_nt: usize,
    },
    /// A REF that differs from the FASTA.
    #[error(transparent)]
    RefMismatch(Box<RefMismatch>),
    /// The table of skips cannot be written.
    #[error("{0}")]
    Log(Box<Error>),
}

/// A REF that differs from the FASTA.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "REF is `{found}` but the FASTA has `{expected}` at {position} (FASTA around it: \
     {bases_before}[{expected}]{bases_after}). REF `{ref_allele}` is found {}. {causes}",
    places(matches)
)]
pub struct RefMismatch {
    /// The first base of REF that differs.
    pub found: char,
    /// The base of the FASTA.
    pub expected: char,
    /// Position of this base.
    pub position: Position1,
    /// Bases of the FASTA before it.
    pub bases_before: String,
    /// Bases of the FASTA after it.
    pub bases_after: String,
    /// REF.
    pub ref_allele: String,
    /// Positions near POS at which the FASTA has the bases of REF.
    pub matches: Vec<Position1>,
    /// The probable cause.
    pub causes: &'static str,
}

/// Positions for a message.
fn places(positions: &[Position1]) -> String {
    if positions.is_empty() {
        return "nowhere nearby".to_owned();
    }
    let positions: Vec<String> = positions.iter().map(Position1::to_string).collect();
    format!("nearest at {}", positions.join(", "))
}

/// Reference bases fetched on each side of a locus. They are needed to check the REF of alleles
/// that start outside of the locus and reach into it.
const FLANK_NT: usize = 1_000;

/// State that all loci of a run share.
pub struct SharedState<'o> {
    pub policies: &'o Policies,
    pub samples: &'o [String],
    /// The largest length that a VCF header states for each contig of the loci.
    pub contig_lens_nt: HashMap<String, usize>,
    pub log: SkipLog,
    /// Missing alleles of each sample, in the order of [`Self::samples`].
    pub n_missing: Vec<u64>,
    pub summary: Summary,
}

/// One locus between its first and its last record.
pub struct Window {
    /// The VCF with the records of the locus. Empty until the first record.
    path: PathBuf,
    /// The contig as that file names it. Empty until the first record.
    contig: String,
    locus: Locus,
    contig_len_nt: Option<usize>,
    /// The largest known end of the contig. A FASTA with a slice of the contig may be shorter than
    /// the length in the VCF header.
    last_end0: Option<Position0>,
    masks: Masks,
    /// Bases of the locus, ACGTN, masked.
    bases: Vec<u8>,
    /// FASTA bases of the locus and its flanks, unmasked, for checking REF.
    flanked: Vec<u8>,
    /// Position of the first base of [`Self::flanked`].
    flank_start0: Position0,
    builder: Box<dyn Builder>,
    /// Ploidy of each sample (0 = not known yet, 1, 2).
    ploidy: Vec<u8>,
    n_without_ploidy: usize,
    any_haploid: bool,
    /// POS of the `.` calls of each sample that has no other call so far. Such a sample is haploid
    /// unless a later call is diploid.
    lone_missing: BTreeMap<usize, Vec<Position1>>,
    /// Last phase set of each sample; empty until a record has one.
    phase_sets: Vec<Option<u64>>,
}

/// The samples and haplotypes that a row of `skips.csv` is about.
#[derive(Clone, Copy)]
enum SkipScope {
    /// The whole record.
    Record,
    /// Both haplotypes of a sample.
    Sample(usize),
    /// Haplotype `side` (0 or 1) of a sample.
    Haplotype { sample: usize, side: usize },
}

impl SkipScope {
    fn sample(self) -> Option<usize> {
        match self {
            Self::Record => None,
            Self::Sample(sample) | Self::Haplotype { sample, .. } => Some(sample),
        }
    }

    /// Number of the haplotype in `skips.csv`, 1 or 2.
    fn haplotype(self) -> Option<u8> {
        match self {
            Self::Record | Self::Sample(_) => None,
            Self::Haplotype { side, .. } => Some(side as u8 + 1),
        }
    }
}

/// A record and the file it comes from.
#[derive(Clone, Copy)]
pub struct RecordAtLocus<'r> {
    pub path: &'r Path,
    pub record: &'r VariantRecord,
}

impl RecordAtLocus<'_> {
    /// The error that this record, or one sample's genotype in it, cannot be used.
    pub fn refuse(self, sample_id: Option<&String>, problem: impl Into<SiteProblem>) -> Error {
        Error::RecordAtLocus {
            path: self.path.into(),
            contig: self.record.contig.clone(),
            position: self.record.position,
            place: self.record.place,
            sample: sample_id.cloned(),
            problem: Box::new(problem.into()),
        }
    }

    /// An ALT as the file writes it; `number` is 0-based.
    fn alt_text(self, number: usize) -> String {
        String::from_utf8_lossy(&self.record.alt_alleles[number]).into_owned()
    }
}

/// Carriers of the alleles of one record.
///
/// A carrier is a haplotype, numbered `2 * sample + (0 or 1)`; each list ascends.
struct Carriers {
    /// Carriers of each ALT.
    of_alt: Vec<Vec<u32>>,
    /// Carriers of letters that a policy puts in place of REF: N for a missing allele, or IUPAC
    /// codes for an unphased heterozygote.
    of_letters: BTreeMap<Vec<u8>, Vec<u32>>,
}

impl Carriers {
    fn new(n_alts: usize) -> Self {
        Self {
            of_alt: vec![Vec::new(); n_alts],
            of_letters: BTreeMap::new(),
        }
    }
}

/// The carriers of the only ALT of a record, if no policy reads one of its calls differently: all
/// are diploid and called, and heterozygotes are phased. This is so for nearly all records.
///
/// There is no branch in the loop, because the haplotype that has the ALT is random.
fn plain_carriers(record: &VariantRecord, alleles: &[Allele]) -> Option<Vec<u32>> {
    let [Allele::Edit { .. } | Allele::Outside | Allele::Star] = alleles else {
        return None;
    };
    if !record.phase_sets.is_empty() {
        return None;
    }
    let mut carriers = vec![0; 2 * record.not_reference.len()];
    let mut n_carriers = 0;
    let mut are_plain = true;
    for &sample in &record.not_reference {
        let call = record.genotypes[sample as usize];
        let [first, second] = call.alleles;
        // Negative numbers (missing, absent) are large as `u16`.
        are_plain &= (call.phased || first == second) && (first | second) as u16 <= 1;
        carriers[n_carriers] = 2 * sample;
        n_carriers += usize::from(first == 1);
        carriers[n_carriers] = 2 * sample + 1;
        n_carriers += usize::from(second == 1);
    }
    carriers.truncate(n_carriers);
    are_plain.then_some(carriers)
}

/// The meaning of one allele of a call under the policies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Read {
    /// The reference base; with a reason if the file states another allele.
    Reference(Option<Reason>),
    /// ALT with this number (0-based), which changes bases.
    Alt(usize),
    /// ALT with this number (0-based), which is `*` and changes nothing by itself.
    Star(usize),
    /// N over the span of the record.
    Unknown,
    /// The sample has no second haplotype.
    Absent,
}

impl Read {
    /// Applies the policies for missing and symbolic alleles to one allele number of GT.
    fn classify(
        allele: i16,
        alleles: &[Allele],
        site: RecordAtLocus<'_>,
        policies: &Policies,
    ) -> Result<Self, SiteProblem> {
        // GT counts ALT alleles from 1, the record from 0.
        let number = match allele {
            0 => return Ok(Self::Reference(None)),
            ABSENT => return Ok(Self::Absent),
            MISSING => {
                return match policies.missing {
                    Missing::Ref => Ok(Self::Reference(Some(Reason::MissingAsRef))),
                    Missing::N => Ok(Self::Unknown),
                    Missing::Error => Err(SiteProblem::MissingAllele),
                };
            }
            alt => alt as usize - 1,
        };
        match &alleles[number] {
            Allele::Edit { .. } | Allele::Outside => Ok(Self::Alt(number)),
            Allele::Star => Ok(Self::Star(number)),
            Allele::ReferenceBlock => Ok(Self::Reference(None)),
            Allele::AltIsRef => Ok(Self::Reference(Some(Reason::AltIsRef))),
            Allele::Symbolic if policies.symbolic == Symbolic::Skip => {
                Ok(Self::Reference(Some(Reason::Symbolic)))
            }
            Allele::Symbolic => Err(SiteProblem::SymbolicAllele {
                alt: site.alt_text(number),
            }),
            Allele::UnknownEnd => Err(SiteProblem::UnknownEnd),
            Allele::NotBases => Err(SiteProblem::NotBases {
                alt: site.alt_text(number),
            }),
        }
    }

    /// The change of bases alone. Two alleles with the same effect need no phase.
    fn effect(self) -> Self {
        match self {
            Self::Reference(_) | Self::Star(_) => Self::Reference(None),
            other => other,
        }
    }

    fn reason(self) -> Option<Reason> {
        match self {
            Self::Reference(reason) => reason,
            Self::Unknown => Some(Reason::MissingAsN),
            _ => None,
        }
    }
}

/// N for each base that the record spans: REF, or a symbolic block or deletion.
fn unknown(record: &VariantRecord) -> Vec<u8> {
    vec![b'N'; record.span().len_nt()]
}

/// The IUPAC codes of a heterozygote over REF; `None` if an allele differs from REF in length.
fn iupac_codes(record: &VariantRecord, reads: [Read; 2]) -> Option<Vec<u8>> {
    let unknown = vec![b'N'; record.ref_allele.len()];
    let [a, b] = reads.map(|read| match read {
        Read::Alt(number) => &record.alt_alleles[number],
        Read::Unknown => &unknown,
        _ => &record.ref_allele,
    });
    iupac_of(a, b).filter(|letters| letters.len() == record.ref_allele.len())
}

impl Window {
    /// Fetches and masks the reference bases of a locus. Every sample starts as the reference.
    ///
    /// # Errors
    /// A contig or an interval that the FASTA does not contain, or a read error.
    pub fn open(
        locus: &Locus,
        masks: &Masks,
        reference: &mut Reference,
        cohort: &mut SharedState<'_>,
    ) -> Result<Self, Error> {
        let header_len_nt = cohort.contig_lens_nt.get(&locus.contig).copied();
        let fasta_len_nt = reference.contig_len_nt(&locus.contig);
        // A header may state any number. If the FASTA has only a slice of the contig, a stated
        // length counts only if it is the length of this chromosome in some genome build.
        let contig_len_nt =
            fasta_len_nt
                .or(header_len_nt
                    .filter(|&len_nt| !builds_of_length(&locus.contig, len_nt).is_empty()));
        let last_end0 =
            fasta_len_nt.map(|len_nt| Position0::new(len_nt.max(header_len_nt.unwrap_or(0))));
        let fasta_record = reference.covering(&locus.contig, locus.range())?;
        let flanks = Range0::new(locus.start0.saturating_sub(FLANK_NT), locus.end0 + FLANK_NT)
            .intersection(fasta_record);
        let flanked = reference.fetch(&locus.contig, flanks)?;
        let mut bases = flanked[locus.start0 - flanks.start..locus.end0 - flanks.start].to_vec();
        for base in bases.iter_mut().filter(|base| !b"ACGTN".contains(base)) {
            *base = b'N';
            cohort.summary.n_reference_iupac_as_n += 1;
        }
        cohort.summary.n_masked_nt += masks.apply(&mut bases, locus.start0);
        let n_samples = cohort.samples.len();
        let builder: Box<dyn Builder> = match cohort.policies.encoding {
            Encoding::Haplotype => {
                Box::new(HaplotypeBuilder::new(cohort.policies.overlap, n_samples))
            }
            Encoding::Diploid => Box::new(DiploidBuilder::new(locus.start0, n_samples)),
        };
        Ok(Self {
            path: PathBuf::new(),
            contig: String::new(),
            locus: locus.clone(),
            contig_len_nt,
            last_end0,
            masks: masks.clone(),
            bases,
            flanked,
            flank_start0: flanks.start,
            builder,
            ploidy: vec![0; n_samples],
            n_without_ploidy: n_samples,
            any_haploid: false,
            lone_missing: BTreeMap::new(),
            phase_sets: Vec::new(),
        })
    }

    /// Applies one record that overlaps the locus.
    ///
    /// # Errors
    /// A REF that differs from the FASTA, a genotype that a policy refuses, or a failed write of
    /// `skips.csv`.
    pub fn record(
        &mut self,
        site: RecordAtLocus<'_>,
        cohort: &mut SharedState<'_>,
    ) -> Result<(), Error> {
        let record = site.record;
        self.require_one_contig_name(site)?;
        let is_ambiguous = self
            .check_ref(record)
            .map_err(|problem| site.refuse(None, problem))?;
        if is_ambiguous {
            self.skip_record(cohort, record, Reason::RefAmbiguous)?;
        }
        if !record.has_genotypes {
            return self.skip_record(cohort, record, Reason::NoGenotypes);
        }
        let filter_or_mask = if cohort.policies.apply_filters.admit(&record.filters) {
            self.masks.reason(record.span())
        } else {
            Some(Reason::Filter)
        };
        if let Some(reason) = filter_or_mask {
            self.note_haploid(record, cohort)?;
            return self.skip_record(cohort, record, reason);
        }
        if record.end_contradicts_svlen {
            self.skip_record(cohort, record, Reason::EndAgainstSvlen)?;
        }
        let window = self.locus.range();
        let alleles: Vec<Allele> = (0..record.alt_alleles.len())
            .map(|number| Allele::new(record, number, window))
            .collect();
        // Counted once per ALT even without a carrier, so that the rows about records do not
        // depend on the selected samples.
        for _ in alleles
            .iter()
            .filter(|allele| matches!(allele, Allele::Edit { iupac: true, .. }))
        {
            self.skip_record(cohort, record, Reason::AltIupacAsN)?;
        }
        let carriers = self.read_calls(site, &alleles, cohort)?;
        self.settle_before(record.start0(), cohort)?;
        self.add_alleles(record, alleles, carriers.of_alt, cohort.policies.overlap);
        self.add_letters(record, carriers.of_letters);
        Ok(())
    }

    /// Refuses a second name of the contig: bcftools would treat it as another contig.
    fn require_one_contig_name(&mut self, site: RecordAtLocus<'_>) -> Result<(), Error> {
        if self.contig.is_empty() {
            self.path = site.path.into();
            self.contig.clone_from(&site.record.contig);
        } else if self.contig != site.record.contig {
            let contig = self.contig.clone();
            return Err(site.refuse(None, SiteProblem::TwoContigNames { contig }));
        }
        Ok(())
    }

    /// Resolves the calls of a record to the carriers of its alleles.
    fn read_calls(
        &mut self,
        site: RecordAtLocus<'_>,
        alleles: &[Allele],
        cohort: &mut SharedState<'_>,
    ) -> Result<Carriers, Error> {
        let mut carriers = Carriers::new(alleles.len());
        // A reference call still shows the ploidy. Once every sample is known to be diploid, only
        // calls other than the reference need a look.
        if self.n_without_ploidy > 0 || self.any_haploid {
            for sample in 0..cohort.samples.len() {
                self.read_call(site, sample, alleles, &mut carriers, cohort)?;
            }
        } else {
            if let Some(plain) = plain_carriers(site.record, alleles) {
                return Ok(Carriers {
                    of_alt: vec![plain],
                    of_letters: BTreeMap::new(),
                });
            }
            for &sample in &site.record.not_reference {
                self.read_call(site, sample as usize, alleles, &mut carriers, cohort)?;
            }
        }
        Ok(carriers)
    }

    /// Notes the haploid samples of a record that is not applied.
    fn note_haploid(
        &mut self,
        record: &VariantRecord,
        cohort: &mut SharedState<'_>,
    ) -> Result<(), Error> {
        if cohort.policies.haploid != Haploid::Absent {
            return Ok(());
        }
        for &number in &record.not_reference {
            let sample = number as usize;
            let call = record.genotypes[sample];
            if call.is_haploid() && call.alleles[0] != MISSING && self.ploidy[sample] == 0 {
                self.ploidy[sample] = 1;
                self.n_without_ploidy -= 1;
                self.absent(record.position, sample, cohort)?;
            }
        }
        Ok(())
    }

    /// Marks the second haplotype of a sample as absent. It is logged once per sample and locus.
    fn absent(
        &mut self,
        position: Position1,
        sample: usize,
        cohort: &mut SharedState<'_>,
    ) -> Result<(), Error> {
        self.any_haploid = true;
        self.lone_missing.remove(&sample);
        if self.builder.set_absent(sample) {
            let second = SkipScope::Haplotype { sample, side: 1 };
            self.skip(cohort, position, second, Reason::HaploidAbsent)?;
        }
        Ok(())
    }

    /// Passes the ALT alleles of a record to the builder; `carriers` has one list per ALT.
    fn add_alleles(
        &mut self,
        record: &VariantRecord,
        alleles: Vec<Allele>,
        carriers: Vec<Vec<u32>>,
        overlap: Overlap,
    ) {
        for ((allele, carriers_of_alt), alt) in
            alleles.into_iter().zip(carriers).zip(&record.alt_alleles)
        {
            if carriers_of_alt.is_empty() {
                continue;
            }
            match allele {
                Allele::Edit {
                    edit,
                    uncut_start0,
                    record_end0,
                    ..
                } => {
                    let ordered = OrderedEdit {
                        uncut_start0,
                        record_end0,
                        ..OrderedEdit::of_record(record, edit, alt)
                    };
                    self.builder.add(ordered, carriers_of_alt);
                }
                // By bcftools' rules it still keeps other alleles out of its REF.
                Allele::Outside if overlap == Overlap::Bcftools => {
                    let nothing = Edit {
                        start0: self.locus.start0,
                        end0: self.locus.start0,
                        alt: Vec::new(),
                    };
                    let ordered = OrderedEdit::of_record(record, nothing, alt);
                    self.builder.add(ordered, carriers_of_alt);
                }
                Allele::Star => {
                    self.builder
                        .add_stars(record.start0(), record.position, carriers_of_alt);
                }
                _ => {}
            }
        }
    }

    /// Passes the letters that a policy puts in place of REF to the builder.
    fn add_letters(&mut self, record: &VariantRecord, carriers: BTreeMap<Vec<u8>, Vec<u32>>) {
        let window = self.locus.range();
        for (letters, carriers_of_letters) in carriers {
            let end0 = record.start0() + letters.len();
            let is_unknown = letters.iter().all(|&letter| letter == b'N');
            // N is not trimmed against REF: it covers the whole span, also where REF is N itself.
            let uncut = if is_unknown {
                Some(Edit {
                    start0: record.start0(),
                    end0,
                    alt: letters.clone(),
                })
            } else {
                Edit::canonical(record.start0(), &record.ref_allele, &letters)
            };
            let Some(uncut) = uncut else { continue };
            let uncut_start0 = uncut.start0;
            if let Some(edit) = uncut.clip(window, record.start0()) {
                let by_policy = OrderedEdit {
                    uncut_start0,
                    by_policy: true,
                    record_end0: end0.max(record.end0()),
                    ..OrderedEdit::of_record(record, edit, &letters)
                };
                self.builder.add(by_policy, carriers_of_letters);
            }
        }
    }

    /// Resolves one sample's call by the policies and adds it to the carriers of its alleles.
    fn read_call(
        &mut self,
        site: RecordAtLocus<'_>,
        sample: usize,
        alleles: &[Allele],
        carriers: &mut Carriers,
        cohort: &mut SharedState<'_>,
    ) -> Result<(), Error> {
        let call = site.record.genotypes[sample];
        if call.alleles == [0, 0] && self.ploidy[sample] == 2 {
            return Ok(());
        }
        let sample_id = cohort.samples.get(sample);
        let position = site.record.position;
        let genotype = self
            .settle_ploidy(call, sample, cohort)
            .map_err(|problem| site.refuse(sample_id, problem))?;
        if genotype.is_haploid() {
            self.absent(position, sample, cohort)?;
        } else if call.is_haploid() && cohort.policies.haploid == Haploid::Dup {
            let second = SkipScope::Haplotype { sample, side: 1 };
            self.skip(cohort, position, second, Reason::HaploidDuplicated)?;
        }
        let mut reads = [Read::Absent; 2];
        for (read, &allele) in reads.iter_mut().zip(&genotype.alleles) {
            *read = Read::classify(allele, alleles, site, cohort.policies)
                .map_err(|problem| site.refuse(cohort.samples.get(sample), problem))?;
        }
        let [a, b] = reads.map(Read::effect);
        if cohort.policies.encoding == Encoding::Haplotype && b != Read::Absent && a != b {
            if genotype.phased {
                self.phase_set(site, sample, cohort)?;
            } else if !self.unphased(site, sample, reads, carriers, cohort)? {
                return Ok(());
            }
        }
        // `.` may be a haploid call. The second haplotype is logged once the ploidy is known.
        let is_lone_missing =
            call.alleles == [MISSING, ABSENT] && self.lone_missing.contains_key(&sample);
        if is_lone_missing && let Some(positions) = self.lone_missing.get_mut(&sample) {
            positions.push(position);
        }
        for (side, read) in reads.into_iter().enumerate() {
            let carrier = 2 * sample as u32 + side as u32;
            match read {
                Read::Alt(number) | Read::Star(number) => carriers.of_alt[number].push(carrier),
                Read::Unknown => carriers
                    .of_letters
                    .entry(unknown(site.record))
                    .or_default()
                    .push(carrier),
                Read::Reference(_) | Read::Absent => {}
            }
            if let Some(reason) = read.reason().filter(|_| side == 0 || !is_lone_missing) {
                let scope = SkipScope::Haplotype { sample, side };
                self.skip(cohort, position, scope, reason)?;
            }
        }
        Ok(())
    }

    /// Applies the policy for a heterozygote without phase. `true` means that its alleles are
    /// on the haplotypes in the order of GT; `false` means that nothing is left to do.
    fn unphased(
        &self,
        site: RecordAtLocus<'_>,
        sample: usize,
        reads: [Read; 2],
        carriers: &mut Carriers,
        cohort: &mut SharedState<'_>,
    ) -> Result<bool, Error> {
        let position = site.record.position;
        let reason = match cohort.policies.unphased {
            Unphased::Error => {
                return Err(site.refuse(cohort.samples.get(sample), SiteProblem::Unphased));
            }
            Unphased::GtOrder => Reason::UnphasedGtOrder,
            Unphased::Ref => Reason::UnphasedAsRef,
            Unphased::Iupac => match iupac_codes(site.record, reads) {
                // An indel has no IUPAC code.
                None => Reason::UnphasedAsRef,
                Some(letters) => {
                    carriers
                        .of_letters
                        .entry(letters)
                        .or_default()
                        .extend([2 * sample as u32, 2 * sample as u32 + 1]);
                    Reason::UnphasedAsIupac
                }
            },
        };
        self.skip(cohort, position, SkipScope::Sample(sample), reason)?;
        let applies_in_gt_order = reason == Reason::UnphasedGtOrder;
        if !applies_in_gt_order {
            for (side, read) in reads.into_iter().enumerate() {
                if let Read::Reference(Some(reason)) = read {
                    let scope = SkipScope::Haplotype { sample, side };
                    self.skip(cohort, position, scope, reason)?;
                }
            }
        }
        Ok(applies_in_gt_order)
    }

    /// Logs a phased heterozygote whose phase set differs from the sample's previous one.
    fn phase_set(
        &mut self,
        site: RecordAtLocus<'_>,
        sample: usize,
        cohort: &mut SharedState<'_>,
    ) -> Result<(), Error> {
        let Some(&Some(phase_set)) = site.record.phase_sets.get(sample) else {
            return Ok(());
        };
        if self.phase_sets.is_empty() {
            self.phase_sets = vec![None; cohort.samples.len()];
        }
        let last = self.phase_sets[sample].replace(phase_set);
        if last.is_some_and(|last| last != phase_set) {
            let scope = SkipScope::Sample(sample);
            self.skip(cohort, site.record.position, scope, Reason::PhaseSet)?;
        }
        Ok(())
    }

    /// Applies the haploid policy and refuses a second ploidy of a sample within the locus.
    fn settle_ploidy(
        &mut self,
        call: Genotype,
        sample: usize,
        cohort: &mut SharedState<'_>,
    ) -> Result<Genotype, SiteProblem> {
        let mut genotype = call;
        if call.is_haploid() {
            match cohort.policies.haploid {
                Haploid::Error => return Err(SiteProblem::HaploidCall),
                Haploid::Dup => genotype.alleles[1] = genotype.alleles[0],
                // `.` is how a missing call of any ploidy is often written.
                Haploid::Absent if call.alleles[0] == MISSING && self.ploidy[sample] != 1 => {
                    genotype.alleles[1] = MISSING;
                    if self.ploidy[sample] == 0 {
                        self.lone_missing.entry(sample).or_default();
                    }
                }
                Haploid::Absent => {}
            }
        }
        if genotype
            .alleles
            .iter()
            .all(|&allele| allele == MISSING || allele == ABSENT)
        {
            return Ok(genotype);
        }
        let ploidy = if genotype.is_haploid() { 1 } else { 2 };
        let earlier_ploidy = std::mem::replace(&mut self.ploidy[sample], ploidy);
        if earlier_ploidy == 0 {
            self.n_without_ploidy -= 1;
            if ploidy == 2 {
                self.log_second_missing(sample, cohort)
                    .map_err(|error| SiteProblem::Log(Box::new(error)))?;
            }
        } else if earlier_ploidy != ploidy {
            return Err(SiteProblem::TwoPloidies {
                ploidy,
                earlier_ploidy,
                locus: self.locus.name.clone(),
            });
        }
        Ok(genotype)
    }

    /// Logs the second haplotype of each earlier `.` call, now that the sample is known to be
    /// diploid.
    fn log_second_missing(
        &mut self,
        sample: usize,
        cohort: &mut SharedState<'_>,
    ) -> Result<(), Error> {
        let reason = if cohort.policies.missing == Missing::N {
            Reason::MissingAsN
        } else {
            Reason::MissingAsRef
        };
        let second = SkipScope::Haplotype { sample, side: 1 };
        for position in self.lone_missing.remove(&sample).unwrap_or_default() {
            self.skip(cohort, position, second, reason)?;
        }
        Ok(())
    }

    /// Applies the edits before `start0`: no later record can start before them.
    fn settle_before(
        &mut self,
        start0: Position0,
        cohort: &mut SharedState<'_>,
    ) -> Result<(), Error> {
        for Clash {
            allele,
            position,
            reason,
        } in self.builder.settle_before(start0)
        {
            let sample = allele as usize / 2;
            if reason == Reason::Conflict && cohort.policies.strict {
                return Err(Error::RecordAtLocus {
                    path: self.path.clone(),
                    contig: self.contig.clone(),
                    position,
                    place: RecordLocation::Unknown,
                    sample: cohort.samples.get(sample).cloned(),
                    problem: Box::new(SiteProblem::Conflict),
                });
            }
            let scope = match cohort.policies.encoding {
                Encoding::Haplotype => SkipScope::Haplotype {
                    sample,
                    side: allele as usize % 2,
                },
                // A genotype symbol has no haplotypes.
                Encoding::Diploid => SkipScope::Sample(sample),
            };
            self.skip(cohort, position, scope, reason)?;
        }
        Ok(())
    }

    /// The locus that is open.
    pub fn locus(&self) -> &Locus {
        &self.locus
    }

    /// Applies the pending edits after the last record and returns the sequences of the locus.
    pub fn finish(mut self, cohort: &mut SharedState<'_>) -> Result<LocusHaplotypes, Error> {
        self.settle_before(Position0::MAX, cohort)?;
        for (sample, positions) in std::mem::take(&mut self.lone_missing) {
            if cohort.policies.encoding == Encoding::Haplotype {
                let first_position = positions.first().copied().unwrap_or_default();
                self.absent(first_position, sample, cohort)?;
            } else {
                self.lone_missing.insert(sample, positions);
                self.log_second_missing(sample, cohort)?;
            }
        }
        Ok(self
            .builder
            .finish(self.locus, self.contig_len_nt, self.masks, self.bases))
    }

    /// Logs a reason that concerns a whole record.
    fn skip_record(
        &self,
        cohort: &mut SharedState<'_>,
        record: &VariantRecord,
        reason: Reason,
    ) -> Result<(), Error> {
        self.skip(cohort, record.position, SkipScope::Record, reason)
    }

    /// Logs something that is not applied as the record states it.
    fn skip(
        &self,
        cohort: &mut SharedState<'_>,
        position: Position1,
        scope: SkipScope,
        reason: Reason,
    ) -> Result<(), Error> {
        if let Some(sample) = scope.sample()
            && matches!(reason, Reason::MissingAsRef | Reason::MissingAsN)
        {
            cohort.n_missing[sample] += 1;
        }
        let sample_id = scope
            .sample()
            .and_then(|sample| cohort.samples.get(sample))
            .map_or("", String::as_str);
        cohort.log.push(Skip {
            sample_id,
            haplotype: scope.haplotype(),
            locus: &self.locus.name,
            contig: &self.locus.contig,
            position,
            reason,
        })
    }

    /// Compares REF with the FASTA bases that were fetched.
    ///
    /// `Ok(true)` means that they agree only because one of them is an ambiguity code.
    ///
    /// # Errors
    /// A mismatch, or a REF beyond the end of the contig.
    fn check_ref(&self, record: &VariantRecord) -> Result<bool, SiteProblem> {
        let last_end0 = self.last_end0.filter(|&end0| record.end0() > end0);
        if let Some(len_nt) = last_end0.map(Position0::get) {
            return Err(SiteProblem::RefBeyondEnd {
                end: record.end0().get(),
                len_nt,
            });
        }
        let mut is_ambiguous = false;
        for (offset, &base) in record.ref_allele.iter().enumerate() {
            let Some(index) = (record.start0() + offset).offset_from(self.flank_start0) else {
                continue;
            };
            let Some(&expected) = self.flanked.get(index) else {
                continue;
            };
            if base == expected {
                continue;
            }
            if iupac_bits(base) & iupac_bits(expected) == 0 {
                let mismatch = self.ref_mismatch(record, record.position + offset, base, index);
                return Err(SiteProblem::RefMismatch(Box::new(mismatch)));
            }
            is_ambiguous = true;
        }
        Ok(is_ambiguous)
    }

    /// A REF that differs from the FASTA: the bases there, the nearest places where REF would fit,
    /// and the probable cause.
    ///
    /// `position` (1-based) and `index` (into [`Self::flanked`]) are those of the first base that
    /// differs, `base` is the letter of REF.
    fn ref_mismatch(
        &self,
        record: &VariantRecord,
        position: Position1,
        base: u8,
        index: usize,
    ) -> RefMismatch {
        let end = self.flanked.len();
        let bases_before = &self.flanked[index.saturating_sub(5)..index];
        let bases_after = &self.flanked[(index + 1).min(end)..(index + 6).min(end)];
        let causes = if self.matches_an_alt(record) {
            EXCHANGED
        } else {
            OTHER_REFERENCE
        };
        RefMismatch {
            found: char::from(base),
            expected: char::from(self.flanked[index]),
            position,
            bases_before: String::from_utf8_lossy(bases_before).into_owned(),
            bases_after: String::from_utf8_lossy(bases_after).into_owned(),
            ref_allele: String::from_utf8_lossy(&record.ref_allele).into_owned(),
            matches: self.nearest_matches(record),
            causes,
        }
    }

    /// The three positions (1-based) nearest to POS at which the FASTA has the bases of REF.
    fn nearest_matches(&self, record: &VariantRecord) -> Vec<Position1> {
        let mut positions: Vec<Position1> = self
            .flanked
            .windows(record.ref_allele.len())
            .enumerate()
            .filter(|(_, bases)| *bases == record.ref_allele)
            .map(|(offset, _)| (self.flank_start0 + offset).to_one_based())
            .collect();
        positions.sort_by_key(|&position| position.abs_diff(record.position));
        positions.truncate(3);
        positions
    }

    /// Whether the FASTA has the bases of an ALT at POS, so that REF and ALT may be exchanged.
    fn matches_an_alt(&self, record: &VariantRecord) -> bool {
        let bases_from_pos = record
            .start0()
            .offset_from(self.flank_start0)
            .and_then(|start| self.flanked.get(start..))
            .unwrap_or_default();
        record
            .alt_alleles
            .iter()
            .any(|alt| !alt.is_empty() && bases_from_pos.starts_with(alt))
    }
}

//! A locus while its records are read: REF checked, filters and masks applied, each person's call
//! settled by the policies.

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
    ABSENT, EXCHANGED, Genotype, Locus, MISSING, OTHER_REFERENCE, RecordLocation, Reference,
    VariantRecord, builds_of_length,
};

/// How far beyond a locus the FASTA is read, to check the REF of alleles that reach in from
/// outside.
const FLANK_NT: usize = 1_000;

/// What all loci share.
pub struct SharedState<'o> {
    pub policies: &'o Policies,
    pub samples: &'o [String],
    /// Contigs of the loci, and the largest length that a VCF header states for each.
    pub contig_lens_nt: HashMap<String, usize>,
    pub log: SkipLog,
    /// Missing alleles of each sample, in the order of [`Self::samples`].
    pub n_missing: Vec<u64>,
    pub summary: Summary,
}

/// A locus while its records are read.
pub struct Window {
    /// The file with its records, and what it calls the contig.
    path: PathBuf,
    contig: String,
    locus: Locus,
    contig_len_nt: Option<usize>,
    /// Where the contig ends at the latest: by the FASTA, or by a header that says more, as of a
    /// FASTA with a piece of it.
    last_end0: Option<usize>,
    masks: Masks,
    /// Bases of the locus, ACGTN, masked.
    bases: Vec<u8>,
    /// FASTA bases around the locus, for checking REF; `flank_start0` is the first one's position.
    flanked: Vec<u8>,
    flank_start0: usize,
    builder: Box<dyn Builder>,
    /// Ploidy seen of each person so far (0 = none, 1, 2).
    ploidy: Vec<u8>,
    n_without_ploidy: usize,
    any_haploid: bool,
    /// People with nothing but `.` so far, and where: haploid, unless a later call says otherwise.
    lone_missing: BTreeMap<usize, Vec<usize>>,
    /// Last phase set of each person; empty until a record has one.
    phase_sets: Vec<Option<u64>>,
}

/// A record of a file, at one locus.
#[derive(Clone, Copy)]
pub struct RecordAtLocus<'r> {
    pub path: &'r Path,
    pub record: &'r VariantRecord,
}

impl RecordAtLocus<'_> {
    pub fn refuse(self, sample: Option<&String>, reason: impl Into<String>) -> Error {
        let VariantRecord {
            contig, position, ..
        } = self.record;
        let path = self.path.into();
        let contig = contig.clone();
        Error::RecordAtLocus {
            path,
            contig,
            position: *position,
            place: self.record.place,
            sample: sample.cloned(),
            reason: reason.into(),
        }
    }

    /// An ALT as the file writes it.
    fn alt_text(self, number: usize) -> String {
        String::from_utf8_lossy(&self.record.alt_alleles[number]).into_owned()
    }
}

/// Alleles (`2 * person + 0|1`, ascending) that carry something of a record.
struct Carriers {
    of_alt: Vec<Vec<u32>>,
    /// Of letters that no ALT has, over the whole REF: N for a missing allele, IUPAC codes.
    of_letters: BTreeMap<Vec<u8>, Vec<u32>>,
}

/// What an allele of a call is read as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Read {
    /// The reference; the reason where the allele is something else.
    Reference(Option<Reason>),
    /// This ALT, changed bases.
    Alt(usize),
    /// This ALT, `*`: no change by itself.
    Star(usize),
    /// N over what the record is about.
    Unknown,
    /// There is no such haplotype.
    Absent,
}

impl Read {
    fn classify(
        allele: i16,
        alleles: &[Allele],
        site: RecordAtLocus<'_>,
        policies: &Policies,
    ) -> Result<Self, String> {
        let number = match allele {
            0 => return Ok(Self::Reference(None)),
            ABSENT => return Ok(Self::Absent),
            MISSING => {
                return match policies.missing {
                    Missing::Ref => Ok(Self::Reference(Some(Reason::MissingAsRef))),
                    Missing::N => Ok(Self::Unknown),
                    Missing::Error => Err("missing allele; choose --missing ref or N".into()),
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
            Allele::Symbolic => Err(format!(
                "symbolic allele `{}`; choose --symbolic skip to leave such alleles out",
                site.alt_text(number)
            )),
            Allele::UnknownEnd => Err("`<DEL>` has neither an INFO/END behind POS nor \
                                       INFO/SVLEN: how much it deletes is unknown"
                .into()),
            Allele::NotBases => Err(format!("ALT `{}` is not bases", site.alt_text(number))),
        }
    }

    /// What it does to the bases: two alleles that do the same need no phase.
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

/// N over REF, or over all that a block or a deletion spans.
fn unknown(record: &VariantRecord) -> Vec<u8> {
    vec![b'N'; record.span_end0() - record.start0()]
}

/// The IUPAC codes of a heterozygote over REF; `None` where an allele has another length.
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
    /// Fetches the reference; nobody carries anything yet.
    pub fn open(
        locus: &Locus,
        masks: &Masks,
        reference: &mut Reference,
        cohort: &mut SharedState<'_>,
    ) -> Result<Self, Error> {
        let stated_nt = cohort.contig_lens_nt.get(&locus.contig).copied();
        let held_nt = reference.contig_len_nt(&locus.contig);
        // A header may state anything: where the FASTA has a slice, only a length that is one of
        // the genome's is kept.
        let contig_len_nt = held_nt
            .or(stated_nt.filter(|&len_nt| !builds_of_length(&locus.contig, len_nt).is_empty()));
        let last_end0 = held_nt.map(|len_nt| len_nt.max(stated_nt.unwrap_or(0)));
        let (held_start0, held_end0) =
            reference.covering(&locus.contig, locus.start0, locus.end0)?;
        let flank_start0 = locus.start0.saturating_sub(FLANK_NT).max(held_start0);
        let flanked = reference.fetch(
            &locus.contig,
            flank_start0,
            (locus.end0 + FLANK_NT).min(held_end0),
        )?;
        let mut bases = flanked[locus.start0 - flank_start0..locus.end0 - flank_start0].to_vec();
        for base in bases.iter_mut().filter(|base| !b"ACGTN".contains(base)) {
            *base = b'N';
            cohort.summary.n_reference_iupac_as_n += 1;
        }
        cohort.summary.n_masked_nt += masks.apply(&mut bases, locus.start0);
        let n_people = cohort.samples.len();
        let builder: Box<dyn Builder> = match cohort.policies.encoding {
            Encoding::Haplotype => {
                Box::new(HaplotypeBuilder::new(cohort.policies.overlap, n_people))
            }
            Encoding::Diploid => Box::new(DiploidBuilder::new(locus.start0, n_people)),
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
            flank_start0,
            builder,
            ploidy: vec![0; n_people],
            n_without_ploidy: n_people,
            any_haploid: false,
            lone_missing: BTreeMap::new(),
            phase_sets: Vec::new(),
        })
    }

    /// Takes in one record that overlaps the locus.
    pub fn record(
        &mut self,
        site: RecordAtLocus<'_>,
        cohort: &mut SharedState<'_>,
    ) -> Result<(), Error> {
        let record = site.record;
        if self.contig.is_empty() {
            (self.path, self.contig) = (site.path.into(), record.contig.clone());
        } else if self.contig != record.contig {
            let reason = format!(
                "the file calls this contig `{}` as well; rename one with `bcftools annotate \
                 --rename-chrs`",
                self.contig
            );
            return Err(site.refuse(None, reason));
        }
        if self
            .check_ref(record)
            .map_err(|reason| site.refuse(None, reason))?
        {
            self.skip(cohort, record.position, None, Reason::RefAmbiguous)?;
        }
        if !record.has_genotypes {
            return self.skip(cohort, record.position, None, Reason::NoGenotypes);
        }
        let left_out = if cohort.policies.apply_filters.admit(&record.filters) {
            self.masks.reason(record.start0(), record.span_end0())
        } else {
            Some(Reason::Filter)
        };
        if let Some(reason) = left_out {
            self.note_haploid(record, cohort)?;
            return self.skip(cohort, record.position, None, reason);
        }
        if record.end_contradicts_svlen {
            self.skip(cohort, record.position, None, Reason::EndAgainstSvlen)?;
        }
        let window = self.locus.start0..self.locus.end0;
        let alleles: Vec<Allele> = (0..record.alt_alleles.len())
            .map(|number| Allele::new(record, number, &window))
            .collect();
        // Whoever carries them: what is said of a record does not depend on the people.
        for _ in alleles
            .iter()
            .filter(|allele| matches!(allele, Allele::Edit { iupac: true, .. }))
        {
            self.skip(cohort, record.position, None, Reason::AltIupacAsN)?;
        }
        let mut carriers = Carriers {
            of_alt: vec![Vec::new(); alleles.len()],
            of_letters: BTreeMap::new(),
        };
        if self.n_without_ploidy > 0 || self.any_haploid {
            for person in 0..cohort.samples.len() {
                self.person(site, person, &alleles, &mut carriers, cohort)?;
            }
        } else {
            for &person in &record.not_reference {
                self.person(site, person as usize, &alleles, &mut carriers, cohort)?;
            }
        }
        self.settle_before(record.start0(), cohort)?;
        self.add(site, alleles, carriers, cohort.policies.overlap);
        Ok(())
    }

    /// Of a record that is not applied it still counts who is haploid.
    fn note_haploid(
        &mut self,
        record: &VariantRecord,
        cohort: &mut SharedState<'_>,
    ) -> Result<(), Error> {
        if cohort.policies.haploid != Haploid::Absent {
            return Ok(());
        }
        for &person in &record.not_reference {
            let (person, call) = (person as usize, record.genotypes[person as usize]);
            if call.is_haploid() && call.alleles[0] != MISSING && self.ploidy[person] == 0 {
                self.ploidy[person] = 1;
                self.n_without_ploidy -= 1;
                self.absent(record.position, person, cohort)?;
            }
        }
        Ok(())
    }

    /// The person's second haplotype is absent: told once a person and locus, as the records after
    /// the first say nothing new.
    fn absent(
        &mut self,
        position: usize,
        person: usize,
        cohort: &mut SharedState<'_>,
    ) -> Result<(), Error> {
        self.any_haploid = true;
        self.lone_missing.remove(&person);
        if self.builder.set_absent(person) {
            self.skip(
                cohort,
                position,
                Some((person, Some(1))),
                Reason::HaploidAbsent,
            )?;
        }
        Ok(())
    }

    /// Hands the record's alleles to the builder.
    fn add(
        &mut self,
        site: RecordAtLocus<'_>,
        alleles: Vec<Allele>,
        carriers: Carriers,
        overlap: Overlap,
    ) {
        let record = site.record;
        let ordered =
            |edit: Edit, uncut_start0: usize, record_end0: usize, alt: &[u8]| OrderedEdit {
                edit,
                uncut_start0,
                by_policy: false,
                position: record.position,
                record_end0,
                ref_allele: record.ref_allele.clone(),
                alt_allele: alt.to_vec(),
            };
        for ((allele, of_alt), alt) in alleles
            .into_iter()
            .zip(carriers.of_alt)
            .zip(&record.alt_alleles)
        {
            if of_alt.is_empty() {
                continue;
            }
            match allele {
                Allele::Edit {
                    edit,
                    uncut_start0,
                    record_end0,
                    ..
                } => {
                    self.builder
                        .add(ordered(edit, uncut_start0, record_end0, alt), of_alt);
                }
                // By bcftools' rules it still keeps other alleles out of its REF.
                Allele::Outside if overlap == Overlap::Bcftools => {
                    let nothing = Edit {
                        start0: self.locus.start0,
                        end0: self.locus.start0,
                        alt: Vec::new(),
                    };
                    self.builder.add(
                        ordered(nothing, record.start0(), record.end0(), alt),
                        of_alt,
                    );
                }
                Allele::Star => self
                    .builder
                    .add_stars(record.start0(), record.position, of_alt),
                _ => {}
            }
        }
        let window = self.locus.start0..self.locus.end0;
        for (letters, of_letters) in carriers.of_letters {
            let end0 = record.start0() + letters.len();
            let whole = || Edit {
                start0: record.start0(),
                end0,
                alt: letters.clone(),
            };
            let is_unknown = letters.iter().all(|&letter| letter == b'N');
            let edit = if is_unknown {
                Some(whole())
            } else {
                Edit::canonical(record.start0(), &record.ref_allele, &letters)
            };
            let Some(edit) = edit else { continue };
            let uncut_start0 = edit.start0;
            if let Some(edit) = edit.clip(&window, record.start0()) {
                let by_policy = OrderedEdit {
                    by_policy: true,
                    ..ordered(edit, uncut_start0, end0.max(record.end0()), &letters)
                };
                self.builder.add(by_policy, of_letters);
            }
        }
    }

    /// Settles one person's call by the policies and enters its alleles among the carriers.
    fn person(
        &mut self,
        site: RecordAtLocus<'_>,
        person: usize,
        alleles: &[Allele],
        carriers: &mut Carriers,
        cohort: &mut SharedState<'_>,
    ) -> Result<(), Error> {
        let call = site.record.genotypes[person];
        if call.alleles == [0, 0] && self.ploidy[person] == 2 {
            return Ok(());
        }
        let sample = cohort.samples.get(person);
        let position = site.record.position;
        let genotype = self
            .settle_ploidy(call, person, cohort)
            .map_err(|reason| site.refuse(sample, reason))?;
        if genotype.is_haploid() {
            self.absent(position, person, cohort)?;
        } else if call.is_haploid() && cohort.policies.haploid == Haploid::Dup {
            self.skip(
                cohort,
                position,
                Some((person, Some(1))),
                Reason::HaploidDuplicated,
            )?;
        }
        let mut reads = [Read::Absent; 2];
        for (read, &allele) in reads.iter_mut().zip(&genotype.alleles) {
            *read = Read::classify(allele, alleles, site, cohort.policies)
                .map_err(|reason| site.refuse(cohort.samples.get(person), reason))?;
        }
        let [a, b] = reads.map(Read::effect);
        if cohort.policies.encoding == Encoding::Haplotype && b != Read::Absent && a != b {
            if genotype.phased {
                self.phase_set(site, person, cohort)?;
            } else if !self.unphased(site, person, reads, carriers, cohort)? {
                return Ok(());
            }
        }
        // `.` may be a haploid call: its second haplotype is told of when the ploidy is known.
        let is_lone_missing =
            call.alleles == [MISSING, ABSENT] && self.lone_missing.contains_key(&person);
        if is_lone_missing && let Some(positions) = self.lone_missing.get_mut(&person) {
            positions.push(position);
        }
        for (side, read) in reads.into_iter().enumerate() {
            let carrier = 2 * person as u32 + side as u32;
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
                self.skip(cohort, position, Some((person, Some(side))), reason)?;
            }
        }
        Ok(())
    }

    /// Applies the policy for a heterozygote whose phase is unknown; `false` when its alleles are
    /// dealt with.
    fn unphased(
        &self,
        site: RecordAtLocus<'_>,
        person: usize,
        reads: [Read; 2],
        carriers: &mut Carriers,
        cohort: &mut SharedState<'_>,
    ) -> Result<bool, Error> {
        let position = site.record.position;
        let (reason, applies) = match cohort.policies.unphased {
            Unphased::Error => {
                return Err(site.refuse(
                    cohort.samples.get(person),
                    "unphased heterozygote: its haplotypes are unknown; phase the file, choose \
                     --unphased gt-order, iupac or ref, or --encoding diploid, which needs no \
                     phase (a pipeline file has both as keys; a saved model keeps those it was \
                     made with)",
                ));
            }
            Unphased::GtOrder => (Reason::UnphasedGtOrder, true),
            Unphased::Ref => (Reason::UnphasedAsRef, false),
            Unphased::Iupac => match iupac_codes(site.record, reads) {
                None => (Reason::UnphasedAsRef, false),
                Some(letters) => {
                    carriers
                        .of_letters
                        .entry(letters)
                        .or_default()
                        .extend([2 * person as u32, 2 * person as u32 + 1]);
                    (Reason::UnphasedAsIupac, false)
                }
            },
        };
        self.skip(cohort, position, Some((person, None)), reason)?;
        if !applies {
            for (side, read) in reads.into_iter().enumerate() {
                if let Read::Reference(Some(reason)) = read {
                    self.skip(cohort, position, Some((person, Some(side))), reason)?;
                }
            }
        }
        Ok(applies)
    }

    /// Counts a heterozygote of another phase set than the person's last one.
    fn phase_set(
        &mut self,
        site: RecordAtLocus<'_>,
        person: usize,
        cohort: &mut SharedState<'_>,
    ) -> Result<(), Error> {
        let Some(&Some(phase_set)) = site.record.phase_sets.get(person) else {
            return Ok(());
        };
        if self.phase_sets.is_empty() {
            self.phase_sets = vec![None; cohort.samples.len()];
        }
        let last = self.phase_sets[person].replace(phase_set);
        if last.is_some_and(|last| last != phase_set) {
            self.skip(
                cohort,
                site.record.position,
                Some((person, None)),
                Reason::PhaseSet,
            )?;
        }
        Ok(())
    }

    /// Applies the haploid policy and holds a person to one ploidy within the locus.
    fn settle_ploidy(
        &mut self,
        call: Genotype,
        person: usize,
        cohort: &mut SharedState<'_>,
    ) -> Result<Genotype, String> {
        let mut genotype = call;
        if call.is_haploid() {
            match cohort.policies.haploid {
                Haploid::Error => return Err("haploid call; choose --haploid absent or dup".into()),
                Haploid::Dup => genotype.alleles[1] = genotype.alleles[0],
                // `.` is how a missing call of any ploidy is often written.
                Haploid::Absent if call.alleles[0] == MISSING && self.ploidy[person] != 1 => {
                    genotype.alleles[1] = MISSING;
                    if self.ploidy[person] == 0 {
                        self.lone_missing.entry(person).or_default();
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
        let seen = std::mem::replace(&mut self.ploidy[person], ploidy);
        if seen == 0 {
            self.n_without_ploidy -= 1;
            if ploidy == 2 {
                self.tell_second_missing(person, cohort)
                    .map_err(|error| error.to_string())?;
            }
        } else if seen != ploidy {
            return Err(format!(
                "ploidy {ploidy} here, but {seen} at an earlier record of locus `{}`; split the \
                 locus (PAR boundary?) or choose --haploid dup",
                self.locus.name
            ));
        }
        Ok(genotype)
    }

    /// The person is diploid: each `.` so far was missing on the second haplotype too.
    fn tell_second_missing(
        &mut self,
        person: usize,
        cohort: &mut SharedState<'_>,
    ) -> Result<(), Error> {
        let reason = if cohort.policies.missing == Missing::N {
            Reason::MissingAsN
        } else {
            Reason::MissingAsRef
        };
        for position in self.lone_missing.remove(&person).unwrap_or_default() {
            self.skip(cohort, position, Some((person, Some(1))), reason)?;
        }
        Ok(())
    }

    /// Applies what no later record can come before.
    fn settle_before(&mut self, start0: usize, cohort: &mut SharedState<'_>) -> Result<(), Error> {
        for Clash {
            allele,
            position,
            reason,
        } in self.builder.settle_before(start0)
        {
            let person = allele as usize / 2;
            if reason == Reason::Conflict && cohort.policies.strict {
                return Err(Error::RecordAtLocus {
                    path: self.path.clone(),
                    contig: self.contig.clone(),
                    position,
                    place: RecordLocation::Unknown,
                    sample: cohort.samples.get(person).cloned(),
                    reason: "two alleles for the same bases of one haplotype; without --strict \
                             the first one stands"
                        .into(),
                });
            }
            let side =
                (cohort.policies.encoding == Encoding::Haplotype).then_some(allele as usize % 2);
            self.skip(cohort, position, Some((person, side)), reason)?;
        }
        Ok(())
    }

    /// The locus.
    pub fn locus(&self) -> &Locus {
        &self.locus
    }

    /// Applies what is pending after the last record, and closes the locus.
    pub fn finish(mut self, cohort: &mut SharedState<'_>) -> Result<LocusHaplotypes, Error> {
        self.settle_before(usize::MAX, cohort)?;
        for (person, positions) in std::mem::take(&mut self.lone_missing) {
            if cohort.policies.encoding == Encoding::Haplotype {
                self.absent(
                    positions.first().copied().unwrap_or_default(),
                    person,
                    cohort,
                )?;
            } else {
                self.lone_missing.insert(person, positions);
                self.tell_second_missing(person, cohort)?;
            }
        }
        Ok(self
            .builder
            .finish(self.locus, self.contig_len_nt, self.masks, self.bases))
    }

    fn skip(
        &self,
        cohort: &mut SharedState<'_>,
        position: usize,
        whose: Option<(usize, Option<usize>)>,
        reason: Reason,
    ) -> Result<(), Error> {
        let (sample_id, side) = match whose {
            None => ("", None),
            Some((person, side)) => (cohort.samples.get(person).map_or("", String::as_str), side),
        };
        if let Some((person, _)) = whose
            && matches!(reason, Reason::MissingAsRef | Reason::MissingAsN)
        {
            cohort.n_missing[person] += 1;
        }
        let Locus {
            name: locus,
            contig,
            ..
        } = &self.locus;
        cohort.log.push(Skip {
            sample_id,
            haplotype: side.map(|side| side as u8 + 1),
            locus,
            contig,
            position,
            reason,
        })
    }

    /// Compares REF with the FASTA where the FASTA is known; `Ok(true)` when they agree only by
    /// ambiguity codes.
    fn check_ref(&self, record: &VariantRecord) -> Result<bool, String> {
        if let Some(len_nt) = self.last_end0.filter(|&len_nt| record.end0() > len_nt) {
            return Err(format!(
                "REF reaches position {}, beyond the end of the contig ({len_nt} nt): another \
                 build?",
                record.end0()
            ));
        }
        let mut ambiguous = false;
        for (offset, &base) in record.ref_allele.iter().enumerate() {
            let Some(index) = (record.start0() + offset).checked_sub(self.flank_start0) else {
                continue;
            };
            let Some(&expected) = self.flanked.get(index) else {
                continue;
            };
            if base == expected {
                continue;
            }
            if iupac_bits(base) & iupac_bits(expected) == 0 {
                return Err(self.ref_mismatch(record, record.position + offset, base, index));
            }
            ambiguous = true;
        }
        Ok(ambiguous)
    }

    /// Says what the FASTA has, and where around it REF would fit.
    fn ref_mismatch(
        &self,
        record: &VariantRecord,
        position: usize,
        base: u8,
        index: usize,
    ) -> String {
        let context = |range: std::ops::Range<usize>| {
            String::from_utf8_lossy(self.flanked.get(range).unwrap_or_default()).into_owned()
        };
        let expected = char::from(self.flanked[index]);
        let end = self.flanked.len();
        let mut places: Vec<usize> = self
            .flanked
            .windows(record.ref_allele.len())
            .enumerate()
            .filter(|(_, bases)| *bases == record.ref_allele)
            .map(|(offset, _)| self.flank_start0 + offset + 1)
            .collect();
        places.sort_by_key(|&place| place.abs_diff(record.position));
        let from_start = record
            .start0()
            .checked_sub(self.flank_start0)
            .and_then(|start| self.flanked.get(start..))
            .unwrap_or_default();
        let is_exchanged = record
            .alt_alleles
            .iter()
            .any(|alt| !alt.is_empty() && from_start.starts_with(alt));
        let causes = if is_exchanged {
            EXCHANGED
        } else {
            OTHER_REFERENCE
        };
        let nearest: Vec<String> = places.iter().take(3).map(usize::to_string).collect();
        let nearest = if nearest.is_empty() {
            "nowhere near".to_string()
        } else {
            format!("nearest at {}", nearest.join(", "))
        };
        format!(
            "REF is `{}` but the FASTA has `{expected}` at {position} (FASTA around it: \
             {}[{expected}]{}; REF `{}` is found {nearest}): {causes}",
            char::from(base),
            context(index.saturating_sub(5)..index),
            context((index + 1).min(end)..(index + 6).min(end)),
            String::from_utf8_lossy(&record.ref_allele),
        )
    }
}

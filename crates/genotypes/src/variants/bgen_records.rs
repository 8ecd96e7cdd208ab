//! Records of BGEN files.
//!
//! BGEN does not state which allele is REF. [`RefOrder`] says it for a whole file.

use std::path::{Path, PathBuf};

use flate2::Crc;
use serde::{Deserialize, Serialize};

use super::{
    columns::Selection,
    gt,
    header::Header,
    imputed_dosages::DosageField,
    record::{RecordLocation, SymbolicLengths, VariantRecord},
    region_cursor::RegionCursor,
};
use crate::{
    ABSENT, Error, Genotype, MISSING, Position1, Range0, RecordProblem, Reference,
    bgen::{BgenFile, BgenRecord, BgenVariants},
};

/// Which allele of a BGEN file is REF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefOrder {
    /// The first allele, as in the files of UK Biobank.
    RefFirst,
    /// The last allele, as plink2 writes by default.
    RefLast,
}

/// Why the contig or the alleles of BGEN variants are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefOrderProblem {
    /// Neither a FASTA nor an option.
    #[error(
        "BGEN does not state which allele is REF: give the reference FASTA, or --ref-first (UK \
         Biobank) or --ref-last (plink2's default)"
    )]
    Unknown,
    /// A FASTA that agrees with neither order, or with both orders.
    #[error(
        "the FASTA does not decide which allele is REF: of {n_compared} single-base variants the \
         first allele matches it at {first} and the last one at {last}. Is the FASTA of the same \
         genome build? If it is, give --ref-first or --ref-last"
    )]
    Undecided {
        /// Number of compared variants.
        n_compared: usize,
        /// Variants whose first allele matches.
        first: usize,
        /// Variants whose last allele matches.
        last: usize,
    },
    /// A variant without a contig.
    #[error("the chromosome field is empty: give the chromosome with --contig")]
    NoChromosome,
    /// A variant without alleles.
    #[error("the variant has no alleles")]
    NoAlleles,
}

/// An open BGEN file with its list of variants.
pub(super) struct BgenRecords {
    file: BgenFile,
    variants: BgenVariants,
    /// Contig of variants whose chromosome field is empty.
    contig: Option<String>,
    ref_order: Option<RefOrder>,
}

impl BgenRecords {
    /// Lists the variants: from the `.bgi` index, from a list that an earlier run kept in the
    /// folder `lists`, or by a walk over the records.
    pub fn new(file: BgenFile, lists: Option<&Path>) -> Result<Self, Error> {
        let variants = match lists {
            Some(folder) if !file.has_index() => file.variants_cached(&list_path(&file, folder)),
            _ => file.variants(),
        };
        let variants = variants.map_err(Error::from)?;
        Ok(Self {
            file,
            variants,
            contig: None,
            ref_order: None,
        })
    }

    /// Samples and contigs, in the form of a VCF header.
    pub fn header(&self) -> Header {
        let mut header = Header {
            samples: self.file.samples().to_vec(),
            warnings: self.file.sample_note().into_iter().collect(),
            ..Header::default()
        };
        // Nearly always the contig of the variant before.
        let mut last = "";
        for variant in self.variants.iter() {
            let contig = self.contig_of(variant.contig, variant.rsid);
            if contig != last {
                header.add_contigs([contig]);
                last = contig;
            }
        }
        header
    }

    /// Gives the contig of variants whose chromosome field is empty.
    pub fn set_contig(&mut self, contig: String) {
        self.contig = Some(contig);
    }

    /// Whether it is known which allele is REF.
    pub fn has_ref_order(&self) -> bool {
        self.ref_order.is_some()
    }

    /// States which allele is REF.
    pub fn set_ref_order(&mut self, order: RefOrder) {
        self.ref_order = Some(order);
    }

    /// The contig of a variant. An empty chromosome field is replaced by the contig given, or by
    /// the part of an id such as `19:44908684_T_C` before its colon.
    fn contig_of<'a>(&'a self, stored: &'a str, id: &'a str) -> &'a str {
        if !stored.is_empty() {
            return stored;
        }
        self.contig
            .as_deref()
            .or_else(|| id.split_once(':').map(|(contig, _)| contig))
            .unwrap_or_default()
    }

    /// Compares the alleles of single-base variants with the reference, and decides which allele of
    /// the file is REF.
    ///
    /// # Errors
    /// Alleles that agree with neither order, or with both orders, for the whole file.
    pub fn decide_ref_order(&mut self, reference: &mut Reference) -> Result<(), Error> {
        let votes = self.count_votes(reference);
        let order = match votes {
            OrderVotes {
                first: 0, last: 0, ..
            } => None,
            OrderVotes { first, last, .. } if last * 20 <= first => Some(RefOrder::RefFirst),
            OrderVotes { first, last, .. } if first * 20 <= last => Some(RefOrder::RefLast),
            OrderVotes { .. } => None,
        };
        let Some(order) = order else {
            let problem = RefOrderProblem::Undecided {
                n_compared: votes.n_compared,
                first: votes.first,
                last: votes.last,
            };
            return Err(Error::file(self.file.path(), problem));
        };
        self.ref_order = Some(order);
        Ok(())
    }

    fn count_votes(&self, reference: &mut Reference) -> OrderVotes {
        let mut votes = OrderVotes::default();
        for variant in self.variants.iter() {
            if votes.n_compared == MOST_VOTES {
                break;
            }
            let alleles: Vec<&str> = variant.alleles().collect();
            let ([first], [last]) = (alleles[0].as_bytes(), alleles[alleles.len() - 1].as_bytes())
            else {
                continue;
            };
            let contig = self.contig_of(variant.contig, variant.rsid);
            let Some(position) = Position1::new(variant.position as usize) else {
                continue;
            };
            let base = Range0::with_len(position.to_zero_based(), 1);
            let Ok(base) = reference.fetch(contig, base) else {
                continue;
            };
            let Some(base) = base.first().map(u8::to_ascii_uppercase) else {
                continue;
            };
            votes.n_compared += 1;
            votes.first += usize::from(first.to_ascii_uppercase() == base);
            votes.last += usize::from(last.to_ascii_uppercase() == base);
        }
        votes
    }

    /// Passes every record that `cursor` wants to `visit`.
    ///
    /// # Errors
    /// It is unknown which allele is REF; a damaged record; whatever `visit` returns.
    pub fn for_each<E: From<Error>>(
        &mut self,
        selection: Selection<'_>,
        cursor: &mut RegionCursor<'_>,
        visit: &mut impl FnMut(&VariantRecord) -> Result<(), E>,
    ) -> Result<(), E> {
        let order = self.ref_order.ok_or_else(|| unknown_order(&self.file))?;
        if let Some(columns) = selection.columns.column_of_sample() {
            self.file.select(columns).map_err(Error::from)?;
        }
        self.file
            .set_calls_only(selection.dosage_field == DosageField::Gt);
        let mut stored = BgenRecord::new();
        let mut record = VariantRecord::default();
        for index in 0..self.variants.len() {
            if !self.reach(index, order, cursor, &mut record)? {
                continue;
            }
            self.file
                .read(&self.variants, index, &mut stored)
                .map_err(Error::from)?;
            cursor.passed_over.n_uncalled += stored.uncalled() as u64;
            set_genotypes(&stored, order, &mut record)?;
            set_dosages(&stored, order, selection.dosage_field, &mut record);
            visit(&record)?;
        }
        Ok(())
    }

    /// Sets everything but the genotypes of a record; `false` when it is not wanted.
    fn reach(
        &self,
        index: usize,
        order: RefOrder,
        cursor: &mut RegionCursor<'_>,
        record: &mut VariantRecord,
    ) -> Result<bool, Error> {
        let Some(variant) = self.variants.get(index) else {
            return Ok(false);
        };
        let contig = self.contig_of(variant.contig, variant.rsid);
        contig.clone_into(&mut record.contig);
        record.place = RecordLocation::Record(index as u64 + 1);
        let Some(position) = Position1::new(variant.position as usize) else {
            cursor.passed_over.n_at_zero += 1;
            return Ok(false);
        };
        record.position = position;
        if contig.is_empty() {
            return Err(cursor.error(record, RefOrderProblem::NoChromosome));
        }
        if !cursor.reach(record)? {
            return Ok(false);
        }
        variant.rsid.clone_into(&mut record.id);
        let alleles: Vec<&str> = variant.alleles().collect();
        if let Err(problem) = set_alleles(&alleles, order, record) {
            let len_nt = alleles.first().map_or(0, |allele| allele.len());
            cursor.refuse_if_wanted(record, len_nt, problem)?;
            return Ok(false);
        }
        record.set_filters(std::iter::empty());
        record.set_span(SymbolicLengths::default);
        Ok(cursor.wants(record))
    }
}

/// Where the list of a file's variants is kept. Files of one name in two folders have two lists.
fn list_path(file: &BgenFile, folder: &Path) -> PathBuf {
    let name = file.path().file_name().unwrap_or_default();
    let mut hasher = Crc::new();
    hasher.update(file.path().as_os_str().as_encoded_bytes());
    let file_name = format!("{}.{:08x}.variants", name.display(), hasher.sum());
    folder.join(file_name)
}

/// Variants whose alleles are compared with the reference, at most.
const MOST_VOTES: usize = 2_000;

/// How often each allele of single-base variants is the base of the reference.
#[derive(Clone, Copy, Debug, Default)]
struct OrderVotes {
    n_compared: usize,
    first: usize,
    last: usize,
}

fn unknown_order(file: &BgenFile) -> Error {
    Error::file(file.path(), RefOrderProblem::Unknown)
}

/// The ALT of a record without an ALT allele, which plink2 writes as an allele.
const NO_ALT: &str = ".";

fn set_alleles(
    alleles: &[&str],
    order: RefOrder,
    record: &mut VariantRecord,
) -> Result<(), RecordProblem> {
    let (ref_allele, alts) = match order {
        RefOrder::RefFirst => alleles.split_first(),
        RefOrder::RefLast => alleles.split_last(),
    }
    .ok_or(RefOrderProblem::NoAlleles)?;
    record.set_ref_allele(ref_allele.as_bytes())?;
    let alts = alts.iter().filter(|&&alt| alt != NO_ALT);
    record.set_alt_alleles(alts.map(|alt| alt.as_bytes()))?;
    Ok(())
}

/// Allele number with REF as 0, from the number in the file.
fn allele_number(stored: i16, n_alleles: usize, order: RefOrder) -> i16 {
    if stored == MISSING || stored == ABSENT || order == RefOrder::RefFirst {
        return stored;
    }
    if stored as usize + 1 == n_alleles {
        0
    } else {
        stored + 1
    }
}

fn set_genotypes(
    stored: &BgenRecord,
    order: RefOrder,
    record: &mut VariantRecord,
) -> Result<(), Error> {
    record.has_genotypes = true;
    record.phase_sets.clear();
    let n_alleles = stored.alleles().len();
    let is_phased = stored.is_phased();
    let calls = stored.calls().map_err(Error::from)?.iter();
    let are_all_known = n_alleles == record.alt_alleles.len() + 1;
    if order == RefOrder::RefFirst && is_phased && are_all_known {
        let phased = true;
        gt::set_all(record, calls.map(|&alleles| Genotype { alleles, phased }));
        return Ok(());
    }
    let highest = record.alt_alleles.len() as i16;
    gt::set_all(
        record,
        calls.map(|call| {
            let alleles = call.map(|allele| allele_number(allele, n_alleles, order));
            genotype(
                alleles.map(|allele| known_allele(allele, highest)),
                is_phased,
            )
        }),
    );
    Ok(())
}

/// Missing in place of [`NO_ALT`], which is no allele.
fn known_allele(allele: i16, highest: i16) -> i16 {
    if allele > highest { MISSING } else { allele }
}

/// A call. An unphased one is written with the smaller allele first.
fn genotype([a, b]: [i16; 2], is_phased: bool) -> Genotype {
    let phased = is_phased || a == b || b == ABSENT;
    let alleles = if phased { [a, b] } else { [a.min(b), a.max(b)] };
    Genotype { alleles, phased }
}

fn set_dosages(
    stored: &BgenRecord,
    order: RefOrder,
    field: DosageField,
    record: &mut VariantRecord,
) {
    record.dosages.clear();
    let n_alleles = stored.alleles().len();
    // A record without ALT is stored with the allele `.`, which no dosage is about.
    if field == DosageField::Gt || n_alleles != record.alt_alleles.len() + 1 || n_alleles < 2 {
        return;
    }
    for dosages in stored.dosages().chunks_exact(n_alleles) {
        let alts = match order {
            RefOrder::RefFirst => &dosages[1..],
            RefOrder::RefLast => &dosages[..n_alleles - 1],
        };
        record.dosages.extend_from_slice(alts);
    }
    if stored.smallest_ploidy() == 0 {
        remove_absent_dosages(stored, record);
    }
    if field == DosageField::Auto && are_whole(&record.dosages, &record.genotypes) {
        record.dosages.clear();
    }
}

/// Females have ploidy 0 on Y: no dosage, which is not a dosage of 0.
fn remove_absent_dosages(stored: &BgenRecord, record: &mut VariantRecord) {
    let n_alts = record.alt_alleles.len();
    for (sample, dosages) in record.dosages.chunks_exact_mut(n_alts).enumerate() {
        if stored.ploidy(sample) == Some(0) {
            dosages.fill(f32::NAN);
        }
    }
}

/// Whether the dosages of a variant with one ALT allele are the allele counts of diploid calls. The
/// calls then need less memory and time.
fn are_whole(dosages: &[f32], calls: &[Genotype]) -> bool {
    let count = |&allele: &i16| f32::from(allele);
    dosages.len() == calls.len()
        && dosages.iter().zip(calls).all(|(&dosage, call)| {
            call.alleles.iter().all(|&allele| allele >= 0)
                && dosage.to_bits() == call.alleles.iter().map(count).sum::<f32>().to_bits()
        })
}

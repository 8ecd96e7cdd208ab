//! One variant record with the genotypes of everyone wanted. Coordinates: `position` is 1-based;
//! `start0` and `end0` are 0-based, half-open.

use std::fmt;

use crate::genotypes::Genotype;

/// Where in its file a record stands, for messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordLocation {
    /// 1-based line of a text file.
    Line(u64),
    /// 1-based number of a record of a BCF file.
    Record(u64),
    /// Reached through an index, so not counted.
    #[default]
    Unknown,
}

/// `line 7: `, `record 7: `, or nothing where it is unknown: the head of a message.
impl fmt::Display for RecordLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number) => write!(f, "line {number}: "),
            Self::Record(number) => write!(f, "record {number}: "),
            Self::Unknown => Ok(()),
        }
    }
}

/// FILTER names of the records that are used unless others are given: `PASS`, or none.
#[must_use]
pub fn pass() -> Vec<String> {
    vec![".".into(), "PASS".into()]
}

/// Whether one of a record's `filters` is among `names`, as `bcftools view -f` has it; `.` names a
/// record without one.
#[must_use]
pub fn admits(names: &[String], filters: &[String]) -> bool {
    if filters.is_empty() {
        names.iter().any(|name| name == ".")
    } else {
        filters.iter().any(|filter| names.contains(filter))
    }
}

/// One record with every wanted person's genotype. Buffers are reused from record to record.
#[derive(Clone, Debug, Default)]
pub struct VariantRecord {
    /// Where in the file the record stands.
    pub place: RecordLocation,
    /// Contig as the file names it.
    pub contig: String,
    /// 1-based POS.
    pub position: usize,
    /// ID column (`.` when absent).
    pub id: String,
    /// REF, upper-case.
    pub ref_allele: Vec<u8>,
    /// ALT alleles, upper-case where they are bases; empty for `.`.
    pub alt_alleles: Vec<Vec<u8>>,
    /// The FILTER column, `PASS` included; empty for `.`.
    pub filters: Vec<String>,
    /// FILTER is `PASS` or `.`.
    pub passes_filters: bool,
    /// One a person: those selected, in their order, else all in the order of the columns.
    pub genotypes: Vec<Genotype>,
    /// Numbers of the people (into [`Self::genotypes`], ascending) whose call is anything but
    /// diploid reference (`0|0` or `0/0`): carriers of an ALT, missing and haploid calls.
    pub not_reference: Vec<u32>,
    /// FORMAT/PS of each person; empty when the record has no PS. An integer stands for itself;
    /// other text is hashed to a number above `u32::MAX`, the same text always to the same
    /// number.
    pub phase_sets: Vec<Option<u64>>,
    /// Copies of each ALT in each person (person by person, one value a ALT), from the field that
    /// [`VariantFile::read_dosages`](super::VariantFile::read_dosages) asks for: NaN where it is
    /// missing, empty where the record does not have the field.
    pub dosages: Vec<f32>,
    /// FORMAT has GT. Without it nobody is called.
    pub has_genotypes: bool,
    /// INFO/END and INFO/SVLEN say different things of a symbolic allele; which of them is read
    /// follows the version of the format.
    pub end_contradicts_svlen: bool,
    /// The call of everyone but [`Self::not_reference`], where it is one for all.
    pub(super) rest: Option<Genotype>,
    /// Of each ALT: see [`Self::symbolic_end0`]. Empty when no ALT is symbolic.
    pub(super) symbolic_ends0: Vec<Option<usize>>,
    pub(super) span_end0: usize,
}

impl VariantRecord {
    /// 0-based start of REF.
    #[must_use]
    pub fn start0(&self) -> usize {
        self.position - 1
    }

    /// 0-based end (exclusive) of REF.
    #[must_use]
    pub fn end0(&self) -> usize {
        self.start0() + self.ref_allele.len()
    }

    /// 0-based end (exclusive) of what the record is about: the end of REF, or that of the symbolic
    /// allele that reaches furthest.
    #[must_use]
    pub fn span_end0(&self) -> usize {
        self.span_end0
    }

    /// 0-based end (exclusive) of what a symbolic ALT (`<DEL>`, number 0 is the first ALT) is
    /// about: INFO/END, else POS + |SVLEN|, and the other way round from version 4.4 of the
    /// format on; an insertion (`<INS>`) without END ends where it starts, whatever its SVLEN.
    /// `None` for other alleles, and when neither is there.
    #[must_use]
    pub fn symbolic_end0(&self, alt_index: usize) -> Option<usize> {
        self.symbolic_ends0.get(alt_index).copied().flatten()
    }

    pub(super) fn has_symbolic_alt(&self) -> bool {
        self.alt_alleles.iter().any(|alt| alt.starts_with(b"<"))
    }

    pub(super) fn set_ref_allele(&mut self, bases: &[u8]) -> Result<(), String> {
        set_bases(&mut self.ref_allele, bases);
        if bases.is_empty() || !bases.iter().all(u8::is_ascii_alphabetic) {
            return Err(format!("REF `{}` is not bases", bases.escape_ascii()));
        }
        Ok(())
    }

    pub(super) fn set_alt_alleles<'a>(
        &mut self,
        alleles: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), String> {
        let mut count = 0;
        for allele in alleles {
            if count == self.alt_alleles.len() {
                self.alt_alleles.push(Vec::new());
            }
            let target = &mut self.alt_alleles[count];
            if !allele.is_empty() && allele.iter().all(u8::is_ascii_alphabetic) {
                set_bases(target, allele);
            } else if is_other_allele(allele) {
                target.clear();
                target.extend_from_slice(allele);
            } else {
                return Err(format!(
                    "ALT `{}` is neither bases nor `*`, `<...>`, or a breakend",
                    allele.escape_ascii()
                ));
            }
            count += 1;
        }
        self.alt_alleles.truncate(count);
        if count > i16::MAX as usize {
            return Err(format!("{count} ALT alleles"));
        }
        Ok(())
    }

    /// `.` is no filter at all.
    pub(super) fn set_filters<'a>(&mut self, filters: impl Iterator<Item = &'a str>) {
        let mut count = 0;
        self.passes_filters = true;
        for filter in filters.filter(|&filter| filter != ".") {
            match self.filters.get_mut(count) {
                Some(target) if target == filter => {}
                Some(target) => filter.clone_into(target),
                None => self.filters.push(filter.to_owned()),
            }
            self.passes_filters &= filter == "PASS";
            count += 1;
        }
        self.filters.truncate(count);
    }

    /// Works out what the record is about, once REF and ALT are there. `lengths` gives INFO/END and
    /// INFO/SVLEN, and is only asked for symbolic alleles.
    pub(super) fn set_span(&mut self, lengths: impl FnOnce() -> SymbolicLengths) {
        self.span_end0 = self.end0();
        self.symbolic_ends0.clear();
        self.end_contradicts_svlen = false;
        if !self.has_symbolic_alt() {
            return;
        }
        let SymbolicLengths {
            end: stated_end,
            svlen,
            svlen_first,
        } = lengths();
        // An END before POS is none.
        let end = stated_end.filter(|&end| end >= self.position);
        for (number, alt) in self.alt_alleles.iter().enumerate() {
            let is_symbol = alt.starts_with(b"<");
            let len_nt = if svlen.len() == 1 {
                svlen[0]
            } else {
                svlen.get(number).copied().flatten()
            };
            let by_svlen = len_nt
                .filter(|_| has_length(alt))
                .and_then(|len_nt| self.position.checked_add(len_nt));
            let end0 = match (end, by_svlen) {
                _ if !is_symbol => None,
                (Some(_), Some(by_svlen)) if svlen_first => Some(by_svlen),
                (Some(end), _) => Some(end),
                (None, Some(by_svlen)) => Some(by_svlen),
                (None, None) => alt.starts_with(b"<INS").then_some(self.position),
            };
            self.end_contradicts_svlen |=
                is_symbol && by_svlen.is_some() && stated_end.is_some() && stated_end != by_svlen;
            self.span_end0 = self.span_end0.max(end0.unwrap_or(0));
            self.symbolic_ends0.push(end0);
        }
    }
}

/// Whether SVLEN says how much of the reference a symbolic allele is about: not of insertions, and
/// not of the blocks of gVCF.
fn has_length(alt: &[u8]) -> bool {
    alt.starts_with(b"<") && !alt.starts_with(b"<INS") && alt != b"<*>" && alt != b"<NON_REF>"
}

/// What INFO says of the length of symbolic alleles.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SymbolicLengths {
    /// END: 1-based and inclusive, so 0-based and exclusive.
    pub end: Option<usize>,
    /// |SVLEN|, one for all ALT alleles or one for each.
    pub svlen: Vec<Option<usize>>,
    /// SVLEN goes before END, as from version 4.4 of the format on.
    pub svlen_first: bool,
}

fn set_bases(target: &mut Vec<u8>, bases: &[u8]) {
    target.clear();
    target.extend(bases.iter().map(u8::to_ascii_uppercase));
}

/// `*`, `<...>`, and breakends: `G]17:198982]`, `[17:1[T`, `.A`, `G.`.
fn is_other_allele(allele: &[u8]) -> bool {
    let is_symbol = matches!(allele, [b'<', name @ .., b'>'] if !name.is_empty() && !name.iter().any(|byte| b"<> \t".contains(byte)));
    let is_breakend = matches!(allele, [b'.', bases @ ..] | [bases @ .., b'.'] if !bases.is_empty() && bases.iter().all(u8::is_ascii_alphabetic))
        || [b'[', b']']
            .iter()
            .any(|bracket| allele.split(|byte| byte == bracket).count() == 3);
    allele == b"*" || is_symbol || is_breakend
}

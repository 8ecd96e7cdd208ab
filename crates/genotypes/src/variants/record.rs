//! One variant record with the genotypes of all selected samples.
//!
//! Coordinates: `position` is 1-based; ranges and their ends are 0-based, half-open.

use std::fmt;

use crate::{Position0, Position1, Range0, genotypes::Genotype};

/// Why the alleles of a record cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlleleProblem {
    /// A REF with other characters than letters.
    #[error("REF `{ref_allele}` is not bases")]
    Ref {
        /// REF.
        ref_allele: String,
    },
    /// An unknown form of ALT.
    #[error("ALT `{alt}` is neither bases nor `*`, `<...>`, or a breakend")]
    Alt {
        /// The ALT allele.
        alt: String,
    },
    /// More ALT alleles than can be numbered.
    #[error("{count} ALT alleles")]
    TooManyAlts {
        /// Number of ALT alleles.
        count: usize,
    },
}

/// The location of a record in its file, for messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordLocation {
    /// 1-based line of a text file.
    Line(u64),
    /// 1-based number of a record of a BCF file.
    Record(u64),
    /// Not counted, because it was reached through an index.
    #[default]
    Unknown,
}

/// The start of a message: `line 7: `, `record 7: `, or nothing if the location is unknown.
impl fmt::Display for RecordLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number) => write!(f, "line {number}: "),
            Self::Record(number) => write!(f, "record {number}: "),
            Self::Unknown => Ok(()),
        }
    }
}

/// The default FILTER values of records that are used: `PASS` and `.`.
#[must_use]
pub fn pass() -> Vec<String> {
    vec![".".into(), "PASS".into()]
}

/// Whether one of the `filters` of a record is among `names`, like `bcftools view -f`. The name `.`
/// admits a record without a filter.
#[must_use]
pub fn admits(names: &[String], filters: &[String]) -> bool {
    if filters.is_empty() {
        names.iter().any(|name| name == ".")
    } else {
        filters.iter().any(|filter| names.contains(filter))
    }
}

/// One record with the genotype of every selected sample. Buffers are reused for the next record.
#[derive(Clone, Debug, Default)]
pub struct VariantRecord {
    /// Location of the record in the file.
    pub place: RecordLocation,
    /// Contig as the file names it.
    pub contig: String,
    /// POS.
    pub position: Position1,
    /// ID column (`.` when absent).
    pub id: String,
    /// REF, upper-case.
    pub ref_allele: Vec<u8>,
    /// ALT alleles, upper-case if they are bases; empty for `.`.
    pub alt_alleles: Vec<Vec<u8>>,
    /// The FILTER column, `PASS` included; empty for `.`.
    pub filters: Vec<String>,
    /// FILTER is `PASS` or `.`.
    pub passes_filters: bool,
    /// One call per selected sample in the order of the selection, or per column without one.
    pub genotypes: Vec<Genotype>,
    /// Ascending indices into [`Self::genotypes`] of all calls other than diploid reference (`0|0`
    /// or `0/0`): carriers of an ALT, missing and haploid calls.
    pub not_reference: Vec<u32>,
    /// FORMAT/PS of each sample; empty if the record has no PS. An integer is stored as it is;
    /// other text is hashed to a number above `u32::MAX`, equal text to equal numbers.
    pub phase_sets: Vec<Option<u64>>,
    /// Dosage of each ALT in each sample (samples x ALT, row-major), from the field that
    /// [`VariantFile::read_dosages`](super::VariantFile::read_dosages) selects. A missing value is
    /// NaN; empty if the record does not have the field.
    pub dosages: Vec<f32>,
    /// FORMAT has GT. Without it all calls are missing.
    pub has_genotypes: bool,
    /// INFO/END and INFO/SVLEN of a symbolic allele contradict each other. The version of the
    /// format decides which one is used.
    pub end_contradicts_svlen: bool,
    /// The call of all samples outside of [`Self::not_reference`], if they have the same one.
    pub(super) rest: Option<Genotype>,
    /// [`Self::symbolic_end0`] of each ALT; empty if no ALT is symbolic.
    pub(super) symbolic_ends0: Vec<Option<Position0>>,
    pub(super) span_end0: Position0,
}

impl VariantRecord {
    /// Start of REF.
    #[must_use]
    pub fn start0(&self) -> Position0 {
        self.position.to_zero_based()
    }

    /// End (exclusive) of REF.
    #[must_use]
    pub fn end0(&self) -> Position0 {
        self.start0() + self.ref_allele.len()
    }

    /// The bases of REF.
    #[must_use]
    pub fn range(&self) -> Range0 {
        Range0::with_len(self.start0(), self.ref_allele.len())
    }

    /// End (exclusive) of the record: the end of REF or of the longest symbolic allele.
    #[must_use]
    pub fn span_end0(&self) -> Position0 {
        self.span_end0
    }

    /// The bases of the record: REF, or up to the end of the longest symbolic allele.
    #[must_use]
    pub fn span(&self) -> Range0 {
        Range0::new(self.start0(), self.span_end0)
    }

    /// End (exclusive) of a symbolic ALT such as `<DEL>`; index 0 is the first ALT.
    ///
    /// It is INFO/END, or POS + |SVLEN| if there is no END. In version 4.4 of the format or later,
    /// SVLEN has priority over END. An insertion (`<INS>`) without END ends where it starts,
    /// because its SVLEN counts inserted bases. `None` for other alleles, and without END and
    /// SVLEN.
    #[must_use]
    pub fn symbolic_end0(&self, alt_index: usize) -> Option<Position0> {
        self.symbolic_ends0.get(alt_index).copied().flatten()
    }

    pub(super) fn has_symbolic_alt(&self) -> bool {
        self.alt_alleles.iter().any(|alt| alt.starts_with(b"<"))
    }

    pub(super) fn set_ref_allele(&mut self, bases: &[u8]) -> Result<(), AlleleProblem> {
        set_bases(&mut self.ref_allele, bases);
        if bases.is_empty() || !bases.iter().all(u8::is_ascii_alphabetic) {
            let ref_allele = bases.escape_ascii().to_string();
            return Err(AlleleProblem::Ref { ref_allele });
        }
        Ok(())
    }

    pub(super) fn set_alt_alleles<'a>(
        &mut self,
        alleles: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), AlleleProblem> {
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
                let alt = allele.escape_ascii().to_string();
                return Err(AlleleProblem::Alt { alt });
            }
            count += 1;
        }
        self.alt_alleles.truncate(count);
        if count > i16::MAX as usize {
            return Err(AlleleProblem::TooManyAlts { count });
        }
        Ok(())
    }

    /// Sets the FILTER column; `.` means no filter.
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

    /// Computes the span from REF and ALT, which must be set. `lengths` returns INFO/END and
    /// INFO/SVLEN and is called only for symbolic alleles.
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
        // The last base, 1-based, is the 0-based end.
        let pos0 = self.position.to_end0();
        let stated_end = stated_end.map(Position0::new);
        // An END before POS is ignored.
        let end = stated_end.filter(|&end| end >= pos0);
        for (number, alt) in self.alt_alleles.iter().enumerate() {
            let is_symbol = alt.starts_with(b"<");
            let len_nt = if svlen.len() == 1 {
                svlen[0]
            } else {
                svlen.get(number).copied().flatten()
            };
            let by_svlen = len_nt
                .filter(|_| has_length(alt))
                .and_then(|len_nt| pos0.get().checked_add(len_nt))
                .map(Position0::new);
            let end0 = match (end, by_svlen) {
                _ if !is_symbol => None,
                (Some(_), Some(by_svlen)) if svlen_first => Some(by_svlen),
                (Some(end), _) => Some(end),
                (None, Some(by_svlen)) => Some(by_svlen),
                (None, None) => alt.starts_with(b"<INS").then_some(pos0),
            };
            self.end_contradicts_svlen |=
                is_symbol && by_svlen.is_some() && stated_end.is_some() && stated_end != by_svlen;
            self.span_end0 = self.span_end0.max(end0.unwrap_or_default());
            self.symbolic_ends0.push(end0);
        }
    }
}

/// Whether SVLEN is a length on the reference: not for insertions, and not for blocks of gVCF.
fn has_length(alt: &[u8]) -> bool {
    alt.starts_with(b"<") && !alt.starts_with(b"<INS") && alt != b"<*>" && alt != b"<NON_REF>"
}

/// INFO fields with the length of symbolic alleles.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SymbolicLengths {
    /// END as written: 1-based and inclusive, or 0.
    pub end: Option<usize>,
    /// |SVLEN|, one for all ALT alleles or one for each.
    pub svlen: Vec<Option<usize>>,
    /// SVLEN has priority over END (version 4.4 of the format or later).
    pub svlen_first: bool,
}

fn set_bases(target: &mut Vec<u8>, bases: &[u8]) {
    target.clear();
    target.extend(bases.iter().map(u8::to_ascii_uppercase));
}

/// Whether an allele is `*`, a symbol `<...>`, or a breakend.
fn is_other_allele(allele: &[u8]) -> bool {
    allele == b"*" || is_symbol(allele) || is_breakend(allele)
}

/// `<NAME>`, without blanks or brackets in the name.
fn is_symbol(allele: &[u8]) -> bool {
    let [b'<', name @ .., b'>'] = allele else {
        return false;
    };
    !name.is_empty() && !name.iter().any(|byte| b"<> \t".contains(byte))
}

/// `G]17:198982]` or `[17:1[T`, or a single breakend: `.A` or `G.`.
fn is_breakend(allele: &[u8]) -> bool {
    let is_single = match allele {
        [b'.', bases @ ..] | [bases @ .., b'.'] => {
            !bases.is_empty() && bases.iter().all(u8::is_ascii_alphabetic)
        }
        _ => false,
    };
    let has_two_brackets = [b'[', b']']
        .iter()
        .any(|bracket| allele.split(|byte| byte == bracket).count() == 3);
    is_single || has_two_brackets
}

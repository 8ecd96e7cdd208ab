//! Records of BCF (VCF 4.3 specification, section 6.3).
//!
//! Input -> output: typed bytes -> [`VariantRecord`]s. Of INFO only END and SVLEN are decoded, and
//! only if an ALT is symbolic; of FORMAT only GT, PS and the requested dosages.

use std::collections::HashSet;

use super::{
    columns::{Columns, Selection, UnequalColumns},
    gt::{self, FormatTwice},
    header::{Header, HeaderProblem},
    imputed_dosages::{self, DosageField},
    input::Input,
    record::{RecordLocation, SymbolicLengths, VariantRecord},
    region_cursor::RegionCursor,
    typed::{Typed, TypedVectors, read_integer},
};
use crate::{Error, Position0, RecordProblem};

/// Why the bytes of a BCF record cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BcfProblem {
    /// A length that exceeds the record.
    #[error("a field is longer than the record; the file is damaged")]
    EndsEarly,
    /// A contig without a header line.
    #[error("contig number {number} is not in the header")]
    UnknownContig {
        /// Number of the contig.
        number: i32,
    },
    /// A negative position.
    #[error("a record has no position")]
    NoPosition,
    /// An ID that is not UTF-8.
    #[error("ID is not UTF-8")]
    Id,
    /// A FILTER without a header line.
    #[error("FILTER number {number} is not in the header")]
    UnknownFilter {
        /// Number of the FILTER.
        number: i32,
    },
}

/// Numbers of the INFO and FORMAT names that are read, by the dictionary of the header.
struct FieldNumbers {
    gt: Option<usize>,
    ps: Option<usize>,
    end: Option<usize>,
    svlen: Option<usize>,
    /// Number and name of each dosage field, in order of preference.
    dosages: Vec<(usize, &'static str)>,
    /// The dosage fields after this many are read only in records without GT.
    n_with_gt: usize,
}

impl FieldNumbers {
    fn new(header: &Header, dosage_field: DosageField) -> Self {
        let mut dosages = numbered(header, dosage_field.keys());
        let n_with_gt = dosages.len();
        dosages.extend(numbered(header, dosage_field.keys_without_gt()));
        Self {
            gt: header.number_of("GT"),
            ps: header.number_of("PS"),
            end: header.number_of("END"),
            svlen: header.number_of("SVLEN"),
            dosages,
            n_with_gt,
        }
    }
}

/// Number and name of the keys that a header defines.
fn numbered(header: &Header, keys: &[&'static str]) -> Vec<(usize, &'static str)> {
    keys.iter()
        .filter_map(|&key| Some((header.number_of(key)?, key)))
        .collect()
}

/// Passes every record that `cursor` wants to `visit`.
pub(super) fn for_each<E: From<Error>>(
    mut input: Input,
    header: &Header,
    selection: Selection<'_>,
    cursor: &mut RegionCursor<'_>,
    visit: &mut impl FnMut(&VariantRecord) -> Result<(), E>,
) -> Result<(), E> {
    let reader = RecordReader {
        header,
        columns: selection.columns,
        numbers: FieldNumbers::new(header, selection.dosage_field),
    };
    let mut bytes = RecordBytes::default();
    let mut record = VariantRecord::default();
    let mut n_records = 0;
    while input.peek()?.is_some() {
        bytes.read(&mut input)?;
        n_records += 1;
        record.place = if input.is_whole() {
            RecordLocation::Record(n_records)
        } else {
            RecordLocation::Unknown
        };
        if reader.read_wanted(&bytes, cursor, &mut record)? {
            visit(&record)?;
        }
    }
    Ok(())
}

/// The bytes of one record: buffers that are reused.
#[derive(Default)]
struct RecordBytes {
    /// CHROM to INFO.
    site: Vec<u8>,
    /// FORMAT and the samples.
    samples: Vec<u8>,
}

impl RecordBytes {
    fn read(&mut self, input: &mut Input) -> Result<(), Error> {
        let mut lengths = [0; 8];
        input.read_exact(&mut lengths)?;
        if lengths.starts_with(b"BCF\x02") {
            return Err(Error::file(input.path(), HeaderProblem::SecondBcf));
        }
        let [a, b, c, d, e, f, g, h] = lengths;
        input.read_into(&mut self.site, u32::from_le_bytes([a, b, c, d]) as usize)?;
        input.read_into(&mut self.samples, u32::from_le_bytes([e, f, g, h]) as usize)
    }
}

/// Parses records by the numbers of a header.
struct RecordReader<'h> {
    header: &'h Header,
    columns: &'h Columns,
    numbers: FieldNumbers,
}

impl RecordReader<'_> {
    /// Parses a record as far as needed; `false` if it is not wanted.
    fn read_wanted(
        &self,
        bytes: &RecordBytes,
        cursor: &mut RegionCursor<'_>,
        record: &mut VariantRecord,
    ) -> Result<bool, Error> {
        let has_base = read_place(&bytes.site, self.header, record)
            .map_err(|problem| cursor.malformed(record, problem))?;
        if !has_base {
            cursor.passed_over.n_at_zero += 1;
            return Ok(false);
        }
        if !cursor.reach(record)? {
            return Ok(false);
        }
        let n_samples = match read_site(&bytes.site, self.header, &self.numbers, record) {
            Ok(n_samples) => n_samples,
            Err(problem) if cursor.may_want(record, record.ref_allele.len().max(1)) => {
                return Err(cursor.malformed(record, problem));
            }
            Err(problem) => {
                cursor.pass_over(record, &problem);
                return Ok(false);
            }
        };
        if !cursor.wants(record) {
            return Ok(false);
        }
        if n_samples != self.columns.n_columns() {
            let problem = UnequalColumns {
                n_genotypes: n_samples,
                n_samples: self.columns.n_columns(),
            };
            return Err(cursor.error(record, problem));
        }
        if let Err(problem) = self.read_samples(&bytes.samples, record) {
            if cursor.needs(record) {
                return Err(cursor.error(record, problem));
            }
            cursor.pass_over(record, &problem);
            return Ok(false);
        }
        Ok(true)
    }

    /// Finds GT, PS and the dosages among the FORMAT fields and reads them.
    fn read_samples(
        &self,
        mut bytes: &[u8],
        record: &mut VariantRecord,
    ) -> Result<(), RecordProblem> {
        let numbers = &self.numbers;
        let mut has_genotypes = false;
        let mut dosages: Option<(usize, TypedVectors<'_>)> = None;
        let mut seen = HashSet::new();
        record.phase_sets.clear();
        record.dosages.clear();
        while !bytes.is_empty() {
            let key = read_integer(&mut bytes).ok_or(BcfProblem::EndsEarly)?;
            let values = TypedVectors::read(&mut bytes, self.columns.n_columns())
                .ok_or(BcfProblem::EndsEarly)?;
            let key = usize::try_from(key).ok();
            if key.is_some() && !seen.insert(key) {
                let name = key
                    .and_then(|key| self.header.names.get(key))
                    .map_or("a key", String::as_str);
                return Err(FormatTwice { key: name.into() }.into());
            }
            if key.is_some() && key == numbers.gt {
                gt::read_bcf(&values, self.columns, record)
                    .map_err(|error| error.of_sample(self.header))?;
                has_genotypes = true;
            } else if key.is_some() && key == numbers.ps {
                gt::read_bcf_phase_sets(&values, self.columns, record);
            } else if let Some(rank) = numbers
                .dosages
                .iter()
                .position(|(number, _)| Some(*number) == key)
                && dosages.as_ref().is_none_or(|(best, _)| rank < *best)
            {
                dosages = Some((rank, values));
            }
        }
        record.has_genotypes = has_genotypes;
        if !has_genotypes {
            gt::read_nothing(self.columns, record);
        }
        // Dosages are read last, because their ploidy depends on whether there is a GT.
        if let Some((rank, values)) =
            dosages.filter(|(rank, _)| !has_genotypes || *rank < numbers.n_with_gt)
        {
            let key = numbers.dosages[rank].1;
            imputed_dosages::start(record, self.columns);
            imputed_dosages::read_bcf(&values, key, self.columns, record)
                .map_err(|error| error.of_sample(self.header))?;
        }
        Ok(())
    }
}

/// Reads contig and position; `false` at position 0, which is before the first base.
fn read_place(
    mut bytes: &[u8],
    header: &Header,
    record: &mut VariantRecord,
) -> Result<bool, RecordProblem> {
    let fixed: &[u8; 8] = take(&mut bytes).ok_or(BcfProblem::EndsEarly)?;
    let [a, b, c, d, e, f, g, h] = *fixed;
    let number = u32::from_le_bytes([a, b, c, d]);
    let contig = header
        .contigs
        .get(number as usize)
        .ok_or(BcfProblem::UnknownContig {
            number: number as i32,
        })?;
    if record.contig != contig.name {
        record.contig.clone_from(&contig.name);
    }
    let index = i32::from_le_bytes([e, f, g, h]);
    if index < -1 {
        return Err(BcfProblem::NoPosition.into());
    }
    // Stored 0-based; -1 is POS 0.
    let Ok(index) = usize::try_from(index) else {
        return Ok(false);
    };
    record.position = Position0::new(index).to_one_based();
    Ok(true)
}

/// Reads ID to INFO; returns the number of samples.
fn read_site(
    mut bytes: &[u8],
    header: &Header,
    numbers: &FieldNumbers,
    record: &mut VariantRecord,
) -> Result<usize, RecordProblem> {
    // Six little-endian words; CHROM, POS, rlen and QUAL are not needed here.
    let fixed: &[u8; 24] = take(&mut bytes).ok_or(BcfProblem::EndsEarly)?;
    let words = fixed.as_chunks::<4>().0;
    let n_alleles_and_info = u32::from_le_bytes(words[4]);
    let n_alleles = n_alleles_and_info >> 16;
    let n_info = n_alleles_and_info & 0xffff;
    let n_samples = u32::from_le_bytes(words[5]) & 0x00ff_ffff;

    let id = Typed::read(&mut bytes)
        .and_then(Typed::text)
        .ok_or(BcfProblem::EndsEarly)?;
    record.id.clear();
    record.id.push_str(if id.is_empty() {
        "."
    } else {
        std::str::from_utf8(id).map_err(|_| BcfProblem::Id)?
    });
    let ref_allele = Typed::read(&mut bytes)
        .and_then(Typed::text)
        .ok_or(BcfProblem::EndsEarly)?;
    record.set_ref_allele(ref_allele)?;
    // Two passes: the first one checks that the bytes suffice, so that the second one can be an
    // iterator without errors.
    let mut alt_bytes = bytes;
    for _ in 1..n_alleles {
        Typed::read(&mut bytes)
            .and_then(Typed::text)
            .ok_or(BcfProblem::EndsEarly)?;
    }
    let alt_alleles =
        (1..n_alleles).filter_map(|_| Typed::read(&mut alt_bytes).and_then(Typed::text));
    record.set_alt_alleles(alt_alleles.filter(|allele| *allele != b"."))?;

    let filters = Typed::read(&mut bytes).ok_or(BcfProblem::EndsEarly)?;
    if let Some(unknown) = filters
        .integers()
        .flatten()
        .find(|&number| filter_name(header, number).is_none())
    {
        return Err(BcfProblem::UnknownFilter { number: unknown }.into());
    }
    record.set_filters(
        filters
            .integers()
            .flatten()
            .filter_map(|number| filter_name(header, number)),
    );
    record.set_span(|| SymbolicLengths {
        svlen_first: header.svlen_first,
        ..symbolic_lengths(bytes, n_info, numbers)
    });
    Ok(n_samples as usize)
}

fn filter_name(header: &Header, number: i32) -> Option<&str> {
    let number = usize::try_from(number).ok()?;
    let name = header.names.get(number)?;
    (!name.is_empty()).then_some(name)
}

/// END and |SVLEN| of INFO.
fn symbolic_lengths(mut info: &[u8], n_info: u32, numbers: &FieldNumbers) -> SymbolicLengths {
    let mut lengths = SymbolicLengths::default();
    for _ in 0..n_info {
        let (Some(key), Some(values)) = (read_integer(&mut info), Typed::read(&mut info)) else {
            break;
        };
        let key = usize::try_from(key).ok();
        if key.is_none() {
        } else if key == numbers.end {
            lengths.end = values
                .integers()
                .next()
                .flatten()
                .and_then(|end| usize::try_from(end).ok());
        } else if key == numbers.svlen {
            lengths.svlen = values
                .integers()
                .map(|svlen| svlen.map(|svlen| svlen.unsigned_abs() as usize))
                .collect();
        }
    }
    lengths
}

/// Takes `N` bytes off the front.
fn take<'b, const N: usize>(bytes: &mut &'b [u8]) -> Option<&'b [u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(first)
}

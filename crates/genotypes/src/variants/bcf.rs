//! Records of BCF (VCF 4.3 specification, section 6.3).
//!
//! Input -> output: typed bytes -> [`VariantRecord`]s. INFO is decoded only where an ALT is
//! symbolic, of FORMAT only GT, PS and the dosages asked for.

use std::collections::HashSet;

use super::{
    columns::Columns,
    gt,
    header::Header,
    imputed_dosages::{self, DosageField},
    input::Input,
    record::{RecordLocation, SymbolicLengths, VariantRecord},
    region_cursor::RegionCursor,
    text::of_sample,
    typed::{Typed, TypedVectors, read_integer},
};
use crate::Error;
use gf_cohort_schema::counted;

const ENDS_EARLY: &str = "the record's bytes end early";

/// Numbers of the names that matter.
struct Numbers {
    gt: Option<usize>,
    ps: Option<usize>,
    end: Option<usize>,
    svlen: Option<usize>,
    /// Of the dosage fields, best first.
    dosages: Vec<(usize, &'static str)>,
    /// Those from here on are read only in records without GT.
    n_with_gt: usize,
}

/// Hands every record that `cursor` wants to `visit`.
pub(super) fn for_each<E: From<Error>>(
    mut input: Input,
    header: &Header,
    (columns, dosage_field): (&Columns, DosageField),
    cursor: &mut RegionCursor<'_>,
    visit: &mut impl FnMut(&VariantRecord) -> Result<(), E>,
) -> Result<(), E> {
    let numbered = |keys: &[&'static str]| {
        keys.iter()
            .filter_map(|&key| Some((header.number_of(key)?, key)))
            .collect::<Vec<_>>()
    };
    let mut dosages = numbered(dosage_field.keys());
    let n_with_gt = dosages.len();
    dosages.extend(numbered(dosage_field.keys_without_gt()));
    let numbers = Numbers {
        gt: header.number_of("GT"),
        ps: header.number_of("PS"),
        end: header.number_of("END"),
        svlen: header.number_of("SVLEN"),
        dosages,
        n_with_gt,
    };
    let mut site_bytes = Vec::new();
    let mut sample_bytes = Vec::new();
    let mut record = VariantRecord::default();
    let mut n_records = 0;
    while input.peek()?.is_some() {
        let mut lengths = [0; 8];
        input.read_exact(&mut lengths)?;
        if lengths.starts_with(b"BCF\x02") {
            let reason = "a second header: files that were joined with `cat`; join them with \
                          `bcftools concat`";
            return Err(Error::file(input.path(), reason).into());
        }
        let [a, b, c, d, e, f, g, h] = lengths;
        input.read_into(&mut site_bytes, u32::from_le_bytes([a, b, c, d]) as usize)?;
        input.read_into(&mut sample_bytes, u32::from_le_bytes([e, f, g, h]) as usize)?;
        n_records += 1;
        record.place = if input.is_whole() {
            RecordLocation::Record(n_records)
        } else {
            RecordLocation::Unknown
        };
        let has_base = read_place(&site_bytes, header, &mut record)
            .map_err(|reason| cursor.malformed(&record, &reason))?;
        if !has_base {
            cursor.passed_over.n_at_zero += 1;
            continue;
        }
        if !cursor.reach(&record)? {
            continue;
        }
        let n_samples = match read_site(&site_bytes, header, &numbers, &mut record) {
            Ok(n_samples) => n_samples,
            Err(reason) if cursor.may_want(&record, record.ref_allele.len().max(1)) => {
                return Err(cursor.malformed(&record, &reason).into());
            }
            Err(reason) => {
                cursor.pass_over(&record, &reason);
                continue;
            }
        };
        if !cursor.wants(&record) {
            continue;
        }
        if n_samples != columns.n_columns() {
            return Err(cursor
                .error(
                    &record,
                    format!(
                        "{} for {}",
                        counted(n_samples, "genotype", "genotypes"),
                        counted(columns.n_columns(), "sample", "samples")
                    ),
                )
                .into());
        }
        if let Err(reason) = read_samples(&sample_bytes, header, &numbers, columns, &mut record) {
            if cursor.needs(&record) {
                return Err(cursor.error(&record, reason).into());
            }
            cursor.pass_over(&record, &reason);
            continue;
        }
        visit(&record)?;
    }
    Ok(())
}

/// Reads contig and position; false where the position is 0, before the first base.
fn read_place(
    mut bytes: &[u8],
    header: &Header,
    record: &mut VariantRecord,
) -> Result<bool, String> {
    let fixed: &[u8; 8] = take(&mut bytes).ok_or(ENDS_EARLY)?;
    let [a, b, c, d, e, f, g, h] = *fixed;
    let number = u32::from_le_bytes([a, b, c, d]);
    let contig = header
        .contigs
        .get(number as usize)
        .ok_or_else(|| format!("contig number {} is not in the header", number as i32))?;
    if record.contig != contig.name {
        record.contig.clone_from(&contig.name);
    }
    let index = i32::from_le_bytes([e, f, g, h]);
    if index < -1 {
        return Err("a record has no position".into());
    }
    record.position =
        usize::try_from(i64::from(index) + 1).map_err(|_| "a record has no position")?;
    Ok(record.position > 0)
}

/// Reads everything but the place and the genotypes; the number of samples.
fn read_site(
    mut bytes: &[u8],
    header: &Header,
    numbers: &Numbers,
    record: &mut VariantRecord,
) -> Result<usize, String> {
    let fixed: &[u8; 24] = take(&mut bytes).ok_or(ENDS_EARLY)?;
    let word = |index: usize| {
        u32::from_le_bytes([
            fixed[4 * index],
            fixed[4 * index + 1],
            fixed[4 * index + 2],
            fixed[4 * index + 3],
        ])
    };
    let n_alleles = word(4) >> 16;
    let n_info = word(4) & 0xffff;
    let n_samples = word(5) & 0x00ff_ffff;

    let id = Typed::read(&mut bytes)
        .and_then(Typed::text)
        .ok_or(ENDS_EARLY)?;
    record.id.clear();
    record.id.push_str(if id.is_empty() {
        "."
    } else {
        std::str::from_utf8(id).map_err(|_| "ID is not UTF-8")?
    });
    let ref_allele = Typed::read(&mut bytes)
        .and_then(Typed::text)
        .ok_or(ENDS_EARLY)?;
    record.set_ref_allele(ref_allele)?;
    let mut alt_alleles = bytes;
    for _ in 1..n_alleles {
        Typed::read(&mut bytes)
            .and_then(Typed::text)
            .ok_or(ENDS_EARLY)?;
    }
    let alt_alleles =
        (1..n_alleles).filter_map(|_| Typed::read(&mut alt_alleles).and_then(Typed::text));
    record.set_alt_alleles(alt_alleles.filter(|allele| *allele != b"."))?;

    let filters = Typed::read(&mut bytes).ok_or(ENDS_EARLY)?;
    let name = |number: i32| {
        usize::try_from(number)
            .ok()
            .and_then(|number| header.names.get(number))
            .filter(|name| !name.is_empty())
    };
    if let Some(unknown) = filters
        .integers()
        .flatten()
        .find(|&number| name(number).is_none())
    {
        return Err(format!("FILTER number {unknown} is not in the header"));
    }
    record.set_filters(
        filters
            .integers()
            .flatten()
            .filter_map(name)
            .map(String::as_str),
    );
    record.set_span(|| SymbolicLengths {
        svlen_first: header.svlen_first,
        ..symbolic_lengths(bytes, n_info, numbers)
    });
    Ok(n_samples as usize)
}

fn symbolic_lengths(mut info: &[u8], n_info: u32, numbers: &Numbers) -> SymbolicLengths {
    let mut lengths = SymbolicLengths::default();
    let length = |value: Option<i32>| value.map(|value| value.unsigned_abs() as usize);
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
            lengths.svlen = values.integers().map(length).collect();
        }
    }
    lengths
}

/// Finds GT, PS and the dosages among the FORMAT fields and reads them.
fn read_samples(
    mut bytes: &[u8],
    header: &Header,
    numbers: &Numbers,
    columns: &Columns,
    record: &mut VariantRecord,
) -> Result<(), String> {
    let mut has_genotypes = false;
    let mut dosages: Option<(usize, TypedVectors<'_>)> = None;
    let mut seen = HashSet::new();
    record.phase_sets.clear();
    record.dosages.clear();
    while !bytes.is_empty() {
        let key = read_integer(&mut bytes).ok_or(ENDS_EARLY)?;
        let values = TypedVectors::read(&mut bytes, columns.n_columns()).ok_or(ENDS_EARLY)?;
        let key = usize::try_from(key).ok();
        if key.is_some() && !seen.insert(key) {
            let name = key
                .and_then(|key| header.names.get(key))
                .map_or("a key", String::as_str);
            return Err(format!("FORMAT has `{name}` twice; keep one"));
        }
        if key.is_some() && key == numbers.gt {
            gt::read_bcf(&values, columns, record)
                .map_err(|(column, reason)| of_sample(header, column, &reason))?;
            has_genotypes = true;
        } else if key.is_some() && key == numbers.ps {
            gt::read_bcf_phase_sets(&values, columns, record);
        } else if let Some(rank) = numbers
            .dosages
            .iter()
            .position(|(number, _)| Some(*number) == key)
            && dosages.as_ref().is_none_or(|(other, _)| rank < *other)
        {
            dosages = Some((rank, values));
        }
    }
    record.has_genotypes = has_genotypes;
    if !has_genotypes {
        gt::read_nothing(columns, record);
    }
    if let Some((rank, values)) =
        dosages.filter(|(rank, _)| !has_genotypes || *rank < numbers.n_with_gt)
    {
        imputed_dosages::start(record, columns);
        imputed_dosages::read_bcf(&values, numbers.dosages[rank].1, columns, record)
            .map_err(|(column, reason)| of_sample(header, column, &reason))?;
    }
    Ok(())
}

fn take<'b, const N: usize>(bytes: &mut &'b [u8]) -> Option<&'b [u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(first)
}

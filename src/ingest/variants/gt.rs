//! Genotypes of all wanted people at one record, from VCF text or BCF vectors.
//!
//! Nearly everyone is `0|0` at nearly every record: eight such cells of text, or sixteen pairs of bytes, are passed over in one comparison,
//! and only the others are parsed.

use std::hash::{DefaultHasher, Hash, Hasher};

use memchr::memchr;

use super::{columns::Columns, record::VariantRecord, typed::TypedVectors};
use crate::ingest::genotypes::{Genotype, REFERENCE, UNPHASED_REFERENCE, parse_bcf, parse_text};

/// Where GT and PS stand in a FORMAT column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keys {
    gt: usize,
    ps: Option<usize>,
    /// There is nothing but GT.
    gt_only: bool,
}

impl Keys {
    /// `None` when there is no GT.
    pub fn of(format: &[u8]) -> Option<Self> {
        if format == b"GT" {
            return Some(Self { gt: 0, ps: None, gt_only: true });
        }
        let index_of = |wanted: &[u8]| format.split(|&byte| byte == b':').position(|key| key == wanted);
        Some(Self { gt: index_of(b"GT")?, ps: index_of(b"PS"), gt_only: false })
    }
}

/// Reads the sample columns of a VCF line, which are separated by tabs; how many there are.
///
/// # Errors
/// The column of a GT that cannot be read, and why.
pub(super) fn read_text(cells: &[u8], keys: Keys, columns: &Columns, record: &mut VariantRecord) -> Result<usize, (usize, String)> {
    // What most cells are is told by the first one.
    let (reference, eight_references): (_, &[u8; 32]) = if cells.starts_with(b"0/0") {
        (UNPHASED_REFERENCE, b"0/0\t0/0\t0/0\t0/0\t0/0\t0/0\t0/0\t0/0\t")
    } else {
        (REFERENCE, b"0|0\t0|0\t0|0\t0|0\t0|0\t0|0\t0|0\t0|0\t")
    };
    start(record, columns, reference);
    if keys.ps.is_some() {
        record.phase_sets.resize(columns.n_people(), None);
    }
    let mut column = 0;
    let mut rest = Some(cells);
    'cells: while let Some(mut text) = rest {
        if keys.gt_only {
            while let Some((block, after)) = text.split_first_chunk()
                && block == eight_references
            {
                column += 8;
                text = after;
            }
        }
        for _ in 0..8 {
            let (cell, after) = next_cell(text);
            if let Some(person) = columns.person(column) {
                read_cell(cell, keys, person, reference, record).map_err(|reason| (column, reason))?;
            }
            column += 1;
            rest = after;
            match after {
                Some(after) => text = after,
                None => break 'cells,
            }
        }
    }
    finish(record, columns);
    Ok(column)
}

/// A cell, and what stands behind its tab.
#[inline]
fn next_cell(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    if let [a, b, c, b'\t', after @ ..] = text
        && *a != b'\t'
        && *b != b'\t'
        && *c != b'\t'
    {
        return (&text[..3], Some(after));
    }
    memchr(b'\t', text).map_or((text, None), |tab| (&text[..tab], Some(&text[tab + 1..])))
}

#[inline]
fn read_cell(cell: &[u8], keys: Keys, person: usize, reference: Genotype, record: &mut VariantRecord) -> Result<(), String> {
    let value = |index: usize| cell.split(|&byte| byte == b':').nth(index).unwrap_or(b".");
    let gt = if keys.gt_only { cell } else { value(keys.gt) };
    let genotype = parse_text(gt, record.alt_alleles.len() as i16)?;
    set(record, person, genotype, reference);
    if let Some(index) = keys.ps {
        record.phase_sets[person] = phase_set(value(index));
    }
    Ok(())
}

/// Reads the GT vectors of a BCF record.
///
/// # Errors
/// The column of a GT that cannot be read, and why.
pub(super) fn read_bcf(vectors: &TypedVectors<'_>, columns: &Columns, record: &mut VariantRecord) -> Result<(), (usize, String)> {
    if !vectors.is_integer() && vectors.stride > 0 {
        return Err((0, "GT is not written as integers".into()));
    }
    let reference = if vectors.bytes.starts_with(&[2, 2]) { UNPHASED_REFERENCE } else { REFERENCE };
    start(record, columns, reference);
    let max_allele = record.alt_alleles.len() as i16;
    let mut read_one = |person: usize, column: usize| {
        let genotype = parse_bcf(vectors.integers(column), max_allele).map_err(|reason| (column, reason))?;
        set(record, person, genotype, reference);
        Ok(())
    };
    if let Some(of_people) = columns.of_people() {
        return of_people.iter().enumerate().try_for_each(|(person, &column)| read_one(person, column));
    }
    if !vectors.is_byte_pairs() {
        return (0..columns.n_columns()).try_for_each(|column| read_one(column, column));
    }
    let sixteen_references = if reference.phased { [[2, 3]; 16] } else { [[2, 2]; 16] };
    let (pairs, _) = vectors.bytes.as_chunks::<2>();
    for (block, pairs) in pairs.chunks(16).enumerate() {
        if pairs != sixteen_references {
            for (index, pair) in pairs.iter().enumerate().filter(|(_, pair)| **pair != sixteen_references[0]) {
                let column = 16 * block + index;
                match fast_pair(*pair, max_allele) {
                    Some(genotype) => set(record, column, genotype, reference),
                    None => {
                        let genotype = parse_bcf(vectors.integers(column), max_allele).map_err(|reason| (column, reason))?;
                        set(record, column, genotype, reference);
                    }
                }
            }
        }
    }
    Ok(())
}

/// A diploid call without missing alleles.
#[inline]
fn fast_pair(pair: [u8; 2], max_allele: i16) -> Option<Genotype> {
    let alleles = pair.map(|byte| i16::from(byte >> 1) - 1);
    let is_called = pair.iter().all(|&byte| (2..128).contains(&byte)) && alleles.iter().all(|&allele| allele <= max_allele);
    is_called.then_some(Genotype { alleles, phased: pair[1] & 1 == 1 })
}

/// Reads the PS vectors of a BCF record.
pub(super) fn read_bcf_phase_sets(vectors: &TypedVectors<'_>, columns: &Columns, record: &mut VariantRecord) {
    let of_column = |column: usize| match vectors.text(column) {
        Some(text) => phase_set(text),
        None => match vectors.integers(column).next().flatten() {
            Some(value) => u64::try_from(value).ok().or_else(|| phase_set(value.to_string().as_bytes())),
            None => None,
        },
    };
    record.phase_sets.clear();
    match columns.of_people() {
        Some(of_people) => record.phase_sets.extend(of_people.iter().copied().map(of_column)),
        None => record.phase_sets.extend((0..columns.n_columns()).map(of_column)),
    }
}

/// An integer stands for itself; other text is hashed to a number that no integer has.
fn phase_set(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text == b"." {
        return None;
    }
    let number = std::str::from_utf8(text).ok().filter(|text| !text.starts_with('+')).and_then(|text| text.parse::<u32>().ok());
    Some(number.map_or_else(
        || {
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            hasher.finish() | 1 << 63
        },
        u64::from,
    ))
}

/// Everyone is `reference` until something else is read.
fn start(record: &mut VariantRecord, columns: &Columns, reference: Genotype) {
    record.genotypes.clear();
    record.genotypes.resize(columns.n_people(), reference);
    record.not_reference.clear();
    record.phase_sets.clear();
}

#[inline]
fn set(record: &mut VariantRecord, person: usize, genotype: Genotype, reference: Genotype) {
    if genotype != reference {
        record.genotypes[person] = genotype;
        if genotype.alleles != [0, 0] {
            record.not_reference.push(person as u32);
        }
    }
}

fn finish(record: &mut VariantRecord, columns: &Columns) {
    if !columns.in_order() {
        record.not_reference.sort_unstable();
    }
}

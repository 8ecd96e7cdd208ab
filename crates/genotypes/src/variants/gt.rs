//! Genotypes of all selected samples at one record, from VCF text or BCF vectors.
//!
//! Nearly every call has two one-digit alleles and the same phase sign: four bytes of text with the
//! tab, or two bytes of BCF. Such calls are read in blocks without branches, because a branch
//! predictor cannot guess the carriers of a common variant. Calls of any other shape are parsed one
//! by one.

use std::hash::{DefaultHasher, Hash, Hasher};

use memchr::memchr;

use super::{
    columns::{ColumnError, Columns},
    imputed_dosages::{self, DosageField, DosageProblem},
    record::VariantRecord,
    typed::TypedVectors,
};
use crate::genotypes::{
    Genotype, GenotypeProblem, MISSING, REFERENCE, UNPHASED_REFERENCE, parse_bcf, parse_text,
};

/// Why the value of a sample cannot be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CellProblem {
    /// GT.
    #[error(transparent)]
    Genotype(#[from] GenotypeProblem),
    /// A dosage.
    #[error(transparent)]
    Dosage(#[from] DosageProblem),
    /// GT of a BCF record as numbers with decimals or as text.
    #[error("GT is not written as integers")]
    NotIntegers,
}

/// A FORMAT with a repeated key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("FORMAT has `{key}` twice; keep one")]
pub struct FormatTwice {
    /// The key.
    pub key: String,
}

/// Positions of GT, PS and the dosages in a FORMAT column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keys {
    /// `None` in a record without calls.
    gt: Option<usize>,
    ps: Option<usize>,
    dosage: Option<(usize, &'static str)>,
    /// GT is the only key, so that a cell is a call.
    gt_only: bool,
}

impl Keys {
    /// Finds the keys in a FORMAT column.
    ///
    /// # Errors
    /// A repeated key: it is unknown which of its values counts.
    pub fn parse(format: &[u8], dosage_field: DosageField) -> Result<Self, FormatTwice> {
        if format == b"GT" {
            return Ok(Self {
                gt: Some(0),
                ps: None,
                dosage: None,
                gt_only: true,
            });
        }
        if let Some(key) = repeated_key(format) {
            let key = key.escape_ascii().to_string();
            return Err(FormatTwice { key });
        }
        let gt = key_index(format, "GT");
        let mut dosage = first_key(format, dosage_field.keys());
        if dosage.is_none() && gt.is_none() {
            dosage = first_key(format, dosage_field.keys_without_gt());
        }
        Ok(Self {
            gt,
            ps: key_index(format, "PS"),
            dosage,
            gt_only: false,
        })
    }

    /// Whether FORMAT has GT.
    pub fn has_gt(&self) -> bool {
        self.gt.is_some()
    }
}

/// A key that FORMAT has more than once.
fn repeated_key(format: &[u8]) -> Option<&[u8]> {
    let keys = format.split(|&byte| byte == b':');
    keys.clone()
        .enumerate()
        .find(|(index, key)| keys.clone().take(*index).any(|earlier| earlier == *key))
        .map(|(_, key)| key)
}

fn key_index(format: &[u8], key: &str) -> Option<usize> {
    format
        .split(|&byte| byte == b':')
        .position(|present| present == key.as_bytes())
}

/// The first of `keys` that FORMAT has, with its index there.
fn first_key(format: &[u8], keys: &[&'static str]) -> Option<(usize, &'static str)> {
    keys.iter()
        .find_map(|&key| Some((key_index(format, key)?, key)))
}

/// Reads the sample columns of a VCF line; returns their number.
///
/// # Errors
/// A GT or dosage that cannot be read, with its column.
pub(super) fn read_text(
    cells: &[u8],
    keys: Keys,
    columns: &Columns,
    record: &mut VariantRecord,
) -> Result<usize, ColumnError> {
    // The phase sign of the first cell is probably that of most cells.
    let is_unphased = cells.starts_with(b"0/0");
    let reference = if is_unphased {
        UNPHASED_REFERENCE
    } else {
        REFERENCE
    };
    let reference_cell = if is_unphased { *b"0/0\t" } else { *b"0|0\t" };
    let reference_cells = [reference_cell; BLOCK];
    let reference_bytes = reference_cells.as_flattened();
    start(record, columns, reference);
    record.phase_sets.clear();
    if keys.ps.is_some() {
        record.phase_sets.resize(columns.n_samples(), None);
    }
    record.dosages.clear();
    if keys.dosage.is_some() {
        imputed_dosages::start(record, columns);
    }
    let max_allele = record.alt_alleles.len().min(9) as u8;
    let mut column = 0;
    let mut rest = Some(cells);
    'cells: while let Some(mut text) = rest {
        if keys.gt_only {
            while let Some((bytes, after)) = text.split_first_chunk::<{ 4 * BLOCK }>() {
                if bytes != reference_bytes {
                    let Some(block) = text_block(bytes, reference.phased, max_allele) else {
                        break;
                    };
                    set_block(&block, column, columns, record);
                }
                column += BLOCK;
                text = after;
            }
        }
        for _ in 0..BLOCK {
            let (cell, after) = next_cell(text);
            if let Some(sample) = columns.sample(column) {
                read_cell(cell, keys, sample, reference, record)
                    .map_err(|problem| ColumnError { column, problem })?;
            }
            column += 1;
            rest = after;
            match after {
                Some(after) => text = after,
                None => break 'cells,
            }
        }
    }
    if !columns.in_order() {
        record.not_reference.sort_unstable();
    }
    Ok(column)
}

/// The first cell, and the text after its tab; `None` after the last cell.
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
fn read_cell(
    cell: &[u8],
    keys: Keys,
    sample: usize,
    reference: Genotype,
    record: &mut VariantRecord,
) -> Result<(), CellProblem> {
    let genotype = match keys.gt {
        _ if keys.gt_only => parse_text(cell, record.alt_alleles.len() as i16)?,
        Some(index) => parse_text(value(cell, index), record.alt_alleles.len() as i16)?,
        None => NOT_CALLED,
    };
    set(record, sample, genotype, reference);
    if let Some((index, key)) = keys.dosage {
        imputed_dosages::read_text(value(cell, index), key, sample, record)?;
    }
    if let Some(index) = keys.ps {
        record.phase_sets[sample] = phase_set(value(cell, index));
    }
    Ok(())
}

/// A value of a cell. VCF allows trailing values to be omitted, so a missing one is `.`.
#[inline]
fn value(cell: &[u8], index: usize) -> &[u8] {
    cell.split(|&byte| byte == b':').nth(index).unwrap_or(b".")
}

/// Reads the GT vectors of a BCF record.
///
/// # Errors
/// A GT that cannot be read, with its column.
pub(super) fn read_bcf(
    vectors: &TypedVectors<'_>,
    columns: &Columns,
    record: &mut VariantRecord,
) -> Result<(), ColumnError> {
    if !vectors.is_integer() && vectors.stride > 0 {
        return Err(ColumnError {
            column: 0,
            problem: CellProblem::NotIntegers,
        });
    }
    // The phase bits of the first pair are probably those of most pairs.
    let reference_pair = match vectors.bytes {
        &[a @ 2..=3, b @ 2..=3, ..] => [a, b],
        _ => [2, 3],
    };
    let reference = if reference_pair[1] & 1 == 1 {
        REFERENCE
    } else {
        UNPHASED_REFERENCE
    };
    start(record, columns, reference);
    let max_allele = record.alt_alleles.len() as i16;
    let pairs = if vectors.is_byte_pairs() {
        vectors.bytes.as_chunks::<2>().0
    } else {
        &[]
    };
    let calls = BcfCalls {
        vectors,
        max_allele,
        reference,
    };
    if let Some(column_of_sample) = columns.column_of_sample() {
        for (sample, &column) in column_of_sample.iter().enumerate() {
            if pairs.get(column) != Some(&reference_pair) {
                calls.read_one(column, sample, record)?;
            }
        }
        return Ok(());
    }
    let blocks = pairs.as_chunks::<BLOCK>().0;
    for (number, pairs) in blocks
        .iter()
        .enumerate()
        .filter(|(_, pairs)| **pairs != [reference_pair; BLOCK])
    {
        let first_column = number * BLOCK;
        // A byte can store allele numbers up to 62.
        match bcf_block(pairs, reference_pair, max_allele.min(62) as u8) {
            Some(block) => set_block(&block, first_column, columns, record),
            None => {
                for column in first_column..first_column + BLOCK {
                    calls.read_one(column, column, record)?;
                }
            }
        }
    }
    for column in blocks.len() * BLOCK..columns.n_columns() {
        calls.read_one(column, column, record)?;
    }
    Ok(())
}

/// GT vectors whose calls are parsed one by one.
struct BcfCalls<'v, 'b> {
    vectors: &'v TypedVectors<'b>,
    max_allele: i16,
    /// The call that [`start`] gave to all samples.
    reference: Genotype,
}

impl BcfCalls<'_, '_> {
    #[inline]
    fn read_one(
        &self,
        column: usize,
        sample: usize,
        record: &mut VariantRecord,
    ) -> Result<(), ColumnError> {
        let genotype =
            parse_bcf(self.vectors.integers(column), self.max_allele).map_err(|problem| {
                ColumnError {
                    column,
                    problem: problem.into(),
                }
            })?;
        set(record, sample, genotype, self.reference);
        Ok(())
    }
}

/// Reads the PS vectors of a BCF record.
pub(super) fn read_bcf_phase_sets(
    vectors: &TypedVectors<'_>,
    columns: &Columns,
    record: &mut VariantRecord,
) {
    record.phase_sets.clear();
    match columns.column_of_sample() {
        Some(column_of_sample) => record.phase_sets.extend(
            column_of_sample
                .iter()
                .map(|&column| bcf_phase_set(vectors, column)),
        ),
        None => record
            .phase_sets
            .extend((0..columns.n_columns()).map(|column| bcf_phase_set(vectors, column))),
    }
}

fn bcf_phase_set(vectors: &TypedVectors<'_>, column: usize) -> Option<u64> {
    if let Some(text) = vectors.text(column) {
        return phase_set(text);
    }
    let value = vectors.integers(column).next().flatten()?;
    // A negative number is not a phase set of VCF; like in text, it is hashed.
    u64::try_from(value)
        .ok()
        .or_else(|| phase_set(value.to_string().as_bytes()))
}

/// The number of a phase set: an integer is itself; other text is hashed to a number above
/// `u32::MAX`.
fn phase_set(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text == b"." {
        return None;
    }
    let number = std::str::from_utf8(text)
        .ok()
        .filter(|text| !text.starts_with('+'))
        .and_then(|text| text.parse::<u32>().ok());
    Some(number.map_or_else(
        || {
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            hasher.finish() | 1 << 63
        },
        u64::from,
    ))
}

/// Number of calls that are read at once.
const BLOCK: usize = 8;

/// The two alleles of each call of a block.
type Block = [[u8; 2]; BLOCK];

/// Reads a block of cells such as `0|1`, with their tabs; `None` if a cell has another shape or
/// phase sign.
#[inline]
fn text_block(bytes: &[u8; 4 * BLOCK], phased: bool, max_allele: u8) -> Option<Block> {
    let sign = if phased { b'|' } else { b'/' };
    let mut block = Block::default();
    // Differences are collected without a branch, so that the compiler can vectorise the loop.
    let mut wrong = 0;
    for (alleles, [a, found_sign, b, tab]) in block.iter_mut().zip(bytes.as_chunks().0) {
        *alleles = [a.wrapping_sub(b'0'), b.wrapping_sub(b'0')];
        wrong |= (found_sign ^ sign)
            | (tab ^ b'\t')
            | u8::from(alleles[0] > max_allele)
            | u8::from(alleles[1] > max_allele);
    }
    (wrong == 0).then_some(block)
}

/// Reads a block of pairs of `(allele + 1) << 1 | phased`; `None` if a pair has other phase bits
/// than `reference`.
#[inline]
fn bcf_block(pairs: &[[u8; 2]; BLOCK], reference: [u8; 2], max_allele: u8) -> Option<Block> {
    let mut block = Block::default();
    let mut wrong = 0;
    for (alleles, [a, b]) in block.iter_mut().zip(pairs) {
        let twice = [a.wrapping_sub(reference[0]), b.wrapping_sub(reference[1])];
        *alleles = twice.map(|allele| allele >> 1);
        wrong |= (twice[0] | twice[1]) & 1
            | u8::from(alleles[0] > max_allele)
            | u8::from(alleles[1] > max_allele);
    }
    (wrong == 0).then_some(block)
}

/// Stores the calls of a block that starts at `column`. They have the phase of the reference call
/// that [`start`] gave to all samples, so only alleles are stored.
#[inline]
fn set_block(block: &Block, column: usize, columns: &Columns, record: &mut VariantRecord) {
    if columns.column_of_sample().is_some() {
        for (column, alleles) in (column..)
            .zip(block)
            .filter(|(_, alleles)| **alleles != [0, 0])
        {
            if let Some(sample) = columns.sample(column) {
                record.genotypes[sample].alleles = alleles.map(i16::from);
                record.not_reference.push(sample as u32);
            }
        }
        return;
    }
    // Columns past the last sample are refused when all are counted.
    let Some(genotypes) = record.genotypes.get_mut(column..column + BLOCK) else {
        return;
    };
    // Every sample is written to the next free element. Only a sample with an ALT moves that
    // element on; any other one is overwritten. This needs no branch.
    let not_reference = &mut record.not_reference;
    let len = not_reference.len();
    not_reference.resize(len + BLOCK, 0);
    let mut n_added = 0;
    if let Some(added) = not_reference[len..].first_chunk_mut::<BLOCK>() {
        for ((sample, genotype), alleles) in (column as u32..).zip(genotypes).zip(block) {
            genotype.alleles = alleles.map(i16::from);
            added[n_added % BLOCK] = sample;
            n_added += usize::from(*alleles != [0, 0]);
        }
    }
    not_reference.truncate(len + n_added);
}

/// Gives the call `reference` to all samples. If the last record had the same one, only the samples
/// that differed are reset.
pub(super) fn start(record: &mut VariantRecord, columns: &Columns, reference: Genotype) {
    if record.rest == Some(reference) && record.genotypes.len() == columns.n_samples() {
        for &sample in &record.not_reference {
            record.genotypes[sample as usize] = reference;
        }
    } else {
        record.genotypes.clear();
        record.genotypes.resize(columns.n_samples(), reference);
    }
    record.rest = Some(reference);
    record.not_reference.clear();
}

/// The call of all samples at a record without GT.
const NOT_CALLED: Genotype = Genotype {
    alleles: [MISSING, MISSING],
    phased: false,
};

/// Stores a missing call for all samples.
pub(super) fn read_nothing(columns: &Columns, record: &mut VariantRecord) {
    start(record, columns, REFERENCE);
    for sample in 0..columns.n_samples() {
        set(record, sample, NOT_CALLED, REFERENCE);
    }
}

/// Stores a call; `reference` is the call that [`start`] gave to all samples.
#[inline]
pub(super) fn set(
    record: &mut VariantRecord,
    sample: usize,
    genotype: Genotype,
    reference: Genotype,
) {
    if genotype != reference {
        record.genotypes[sample] = genotype;
        if genotype.alleles == [0, 0] {
            record.rest = None;
        } else {
            record.not_reference.push(sample as u32);
        }
    }
}

/// Stores the calls of all samples, where every call `0/0` is [`REFERENCE`]. Without a branch for
/// each sample, for carriers of common alleles come in any order.
pub(super) fn set_all(record: &mut VariantRecord, calls: impl Iterator<Item = Genotype>) {
    record.genotypes.clear();
    record.genotypes.extend(calls);
    record.rest = Some(REFERENCE);
    let mut n_carriers = 0;
    record.not_reference.resize(record.genotypes.len(), 0);
    for (sample, genotype) in record.genotypes.iter().enumerate() {
        record.not_reference[n_carriers] = sample as u32;
        n_carriers += usize::from(genotype.alleles != [0, 0]);
    }
    record.not_reference.truncate(n_carriers);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::genotypes::ABSENT;

    /// The calls of a record.
    #[derive(Debug, PartialEq)]
    struct Calls {
        n_columns: usize,
        genotypes: Vec<Genotype>,
        not_reference: Vec<u32>,
    }

    /// The calls, or the first column that cannot be read.
    type Read = Result<Calls, usize>;

    fn record(n_alts: usize) -> VariantRecord {
        // The state of an earlier record must not leak into the next one.
        VariantRecord {
            alt_alleles: vec![b"C".to_vec(); n_alts],
            not_reference: vec![7; 40],
            genotypes: vec![UNPHASED_REFERENCE; 3],
            ..Default::default()
        }
    }

    fn columns(n: usize, chosen: Option<&[usize]>) -> Columns {
        let names: Vec<String> = (0..n).map(|column| column.to_string()).collect();
        let Some(chosen) = chosen else {
            return Columns::all(n);
        };
        Columns::select(
            &chosen.iter().map(ToString::to_string).collect::<Vec<_>>(),
            &names,
        )
        .unwrap()
    }

    /// The expected calls: columns parsed one by one, in the order of the selected samples.
    fn slowly(cells: Vec<Result<Genotype, GenotypeProblem>>, columns: &Columns) -> Read {
        let mut of_sample = vec![None; columns.n_samples()];
        let n_columns = cells.len();
        for (column, cell) in cells.into_iter().enumerate() {
            if let Some(sample) = columns.sample(column) {
                of_sample[sample] = Some(cell.map_err(|_| column)?);
            }
        }
        let genotypes: Vec<Genotype> = of_sample.into_iter().flatten().collect();
        let not_reference = (0..)
            .zip(&genotypes)
            .filter(|(_, genotype)| genotype.alleles != [0, 0])
            .map(|(sample, _)| sample)
            .collect();
        Ok(Calls {
            n_columns,
            genotypes,
            not_reference,
        })
    }

    fn parse_cells<'c>(
        cells: impl Iterator<Item = &'c str>,
        n_alts: usize,
    ) -> Vec<Result<Genotype, GenotypeProblem>> {
        cells
            .map(|cell| parse_text(cell.as_bytes(), n_alts as i16))
            .collect()
    }

    fn text_read(cells: &[String], n_alts: usize, columns: &Columns, format: &[u8]) -> Read {
        let mut record = record(n_alts);
        let n_columns = read_text(
            cells.join("\t").as_bytes(),
            Keys::parse(format, DosageField::Gt).unwrap(),
            columns,
            &mut record,
        )
        .map_err(|error| error.column)?;
        Ok(Calls {
            n_columns,
            genotypes: record.genotypes,
            not_reference: record.not_reference,
        })
    }

    /// GT vectors of one integer type, as BCF writes them: samples with fewer alleles are padded
    /// with the end-of-vector value.
    fn bcf_vectors(samples: &[Vec<i32>], width: usize) -> Vec<u8> {
        let len = samples.iter().map(Vec::len).max().unwrap_or(0);
        let mut bytes = vec![(len as u8) << 4 | [1, 1, 2, 3, 3][width]];
        for sample in samples {
            let least = [0, -128, -32_768, 0, i32::MIN][width];
            for value in sample
                .iter()
                .copied()
                .chain(std::iter::repeat(least + 1))
                .take(len)
            {
                bytes.extend_from_slice(&value.to_le_bytes()[..width]);
            }
        }
        bytes
    }

    fn bcf_read(bytes: &[u8], n_alts: usize, columns: &Columns) -> Read {
        let mut record = record(n_alts);
        let vectors = TypedVectors::read(&mut &bytes[..], columns.n_columns()).unwrap();
        read_bcf(&vectors, columns, &mut record).map_err(|error| error.column)?;
        Ok(Calls {
            n_columns: columns.n_columns(),
            genotypes: record.genotypes,
            not_reference: record.not_reference,
        })
    }

    /// The integers of a GT, as BCF writes them.
    fn bcf_values(genotype: Genotype) -> Vec<i32> {
        match genotype.alleles {
            [a, ABSENT] => vec![bcf_value(a, false)],
            [a, b] => vec![bcf_value(a, false), bcf_value(b, genotype.phased)],
        }
    }

    fn bcf_value(allele: i16, phased: bool) -> i32 {
        (i32::from(allele) + 1) << 1 | i32::from(phased)
    }

    const COMMON_CALLS: [&str; 5] = ["0|1", "1|0", "1|1", "0|2", "2|1"];
    const RARE_CALLS: [&str; 9] = ["0/0", "0/1", "./.", ".|1", ".", "0", "1", "10|3", "12/11"];

    fn some_call() -> impl Strategy<Value = String> {
        prop_oneof![
            30 => Just("0|0".to_owned()),
            4 => prop::sample::select(&COMMON_CALLS[..]).prop_map(str::to_owned),
            2 => prop::sample::select(&RARE_CALLS[..]).prop_map(str::to_owned),
        ]
    }

    fn any_cell() -> impl Strategy<Value = String> {
        prop_oneof![
            60 => some_call(),
            3 => Just("0/0".to_owned()),
            1 => "[0-9.|/:x -]{0,6}",
        ]
    }

    /// Pairs that are mostly valid calls of one byte per allele.
    fn any_pair() -> impl Strategy<Value = [u8; 2]> {
        prop_oneof![
            9 => prop::sample::select(vec![[2_u8, 3], [2, 2], [4, 3], [2, 5], [3, 3]]),
            1 => any::<[u8; 2]>(),
        ]
    }

    fn drawn_order() -> impl Strategy<Value = Vec<prop::sample::Index>> {
        prop::collection::vec(any::<prop::sample::Index>(), 0..20)
    }

    /// Distinct columns in a drawn order; `None` selects all.
    fn chosen_columns(n: usize, order: &[prop::sample::Index], all: bool) -> Option<Vec<usize>> {
        let mut chosen: Vec<usize> = Vec::new();
        for index in order {
            let column = index.index(n);
            if !chosen.contains(&column) {
                chosen.push(column);
            }
        }
        (!all).then_some(chosen)
    }

    proptest! {
        #[test]
        fn text_read_in_blocks_is_text_read_one_by_one(
            cells in prop::collection::vec(any_cell(), 1..70),
            n_alts in 0_usize..13,
            order in drawn_order(),
            all: bool,
        ) {
            let chosen = chosen_columns(cells.len(), &order, all);
            let columns = columns(cells.len(), chosen.as_deref());
            let whole_cells = parse_cells(cells.iter().map(String::as_str), n_alts);
            prop_assert_eq!(
                text_read(&cells, n_alts, &columns, b"GT"),
                slowly(whole_cells, &columns)
            );
            let first_values = parse_cells(
                cells.iter().map(|cell| cell.split(':').next().unwrap_or_default()),
                n_alts,
            );
            prop_assert_eq!(
                text_read(&cells, n_alts, &columns, b"GT:DP"),
                slowly(first_values, &columns)
            );
        }

        #[test]
        fn any_bytes_are_refused_or_read_but_never_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            n in 1_usize..20,
            n_alts in 0_usize..300,
        ) {
            let with_phase_sets = Keys::parse(b"GT:PS", DosageField::Gt).unwrap();
            let gt_only = Keys::parse(b"GT", DosageField::Gt).unwrap();
            let all = columns(n, None);
            let last = columns(n, Some(&[n - 1]));
            let _ = read_text(&bytes, with_phase_sets, &all, &mut record(n_alts));
            let _ = read_text(&bytes, gt_only, &last, &mut record(n_alts));
            if let Some(vectors) = TypedVectors::read(&mut &bytes[..], n) {
                let _ = read_bcf(&vectors, &all, &mut record(n_alts));
                read_bcf_phase_sets(&vectors, &all, &mut record(n_alts));
            }
        }

        #[test]
        fn bcf_read_in_blocks_is_bcf_read_one_by_one(
            pairs in prop::collection::vec(any_pair(), 1..70),
            n_alts in 0_usize..130,
            order in drawn_order(),
            all: bool,
        ) {
            let chosen = chosen_columns(pairs.len(), &order, all);
            let columns = columns(pairs.len(), chosen.as_deref());
            let bytes = [&[0x21][..], pairs.as_flattened()].concat();
            let vectors = TypedVectors::read(&mut &bytes[..], pairs.len()).unwrap();
            let one_by_one = (0..pairs.len())
                .map(|column| parse_bcf(vectors.integers(column), n_alts as i16))
                .collect();
            // With a selection, the first bad column is that of the first selected sample.
            match (bcf_read(&bytes, n_alts, &columns), slowly(one_by_one, &columns)) {
                (Err(_), Err(_)) => {}
                (fast, slow) => prop_assert_eq!(fast, slow),
            }
        }

        #[test]
        fn text_and_bcf_of_every_width_agree(
            calls in prop::collection::vec(some_call(), 1..70),
            order in drawn_order(),
            all: bool,
        ) {
            let chosen = chosen_columns(calls.len(), &order, all);
            let columns = columns(calls.len(), chosen.as_deref());
            let text = text_read(&calls, 12, &columns, b"GT");
            let samples: Vec<Vec<i32>> = calls
                .iter()
                .map(|call| bcf_values(parse_text(call.as_bytes(), 12).unwrap()))
                .collect();
            for width in [1, 2, 4] {
                prop_assert_eq!(&bcf_read(&bcf_vectors(&samples, width), 12, &columns), &text);
            }
        }
    }

    #[test]
    fn phase_sets_are_numbers_or_tell_texts_apart() {
        assert_eq!(
            (phase_set(b"17"), phase_set(b"."), phase_set(b"")),
            (Some(17), None, None)
        );
        let texts: [&[u8]; 6] = [b"-1", b"+17", b"a", b"b", b"4294967296", b"017x"];
        let sets: std::collections::HashSet<_> = texts.iter().map(|text| phase_set(text)).collect();
        assert!(
            sets.len() == texts.len() && sets.iter().all(|&set| set > Some(u64::from(u32::MAX)))
        );
    }
}

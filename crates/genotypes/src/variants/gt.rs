//! Genotypes of all wanted people at one record, from VCF text or BCF vectors.
//!
//! Nearly every call is two one-digit alleles with the same sign between them, four bytes of text
//! with the tab or two of BCF. Such calls are read in blocks and without branches: whether somebody
//! carries a common variant is not for a branch predictor to know. All other shapes are parsed one
//! by one.

use std::hash::{DefaultHasher, Hash, Hasher};

use memchr::memchr;

use super::{
    columns::Columns,
    imputed_dosages::{self, DosageField},
    record::VariantRecord,
    typed::TypedVectors,
};
use crate::genotypes::{Genotype, MISSING, REFERENCE, UNPHASED_REFERENCE, parse_bcf, parse_text};

/// Where GT, PS and the dosages stand in a FORMAT column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keys {
    /// `None` in a record that has dosages only, or nothing that is read.
    gt: Option<usize>,
    ps: Option<usize>,
    dosage: Option<(usize, &'static str)>,
    /// There is nothing but GT.
    gt_only: bool,
}

impl Keys {
    /// Finds them.
    ///
    /// # Errors
    /// A key that is there twice: which of its values is meant is unknown.
    pub fn parse(format: &[u8], dosage_field: DosageField) -> Result<Self, String> {
        if format == b"GT" {
            return Ok(Self {
                gt: Some(0),
                ps: None,
                dosage: None,
                gt_only: true,
            });
        }
        let keys = || format.split(|&byte| byte == b':');
        if let Some((_, twice)) = keys()
            .enumerate()
            .find(|(index, key)| keys().take(*index).any(|other| other == *key))
        {
            return Err(format!(
                "FORMAT has `{}` twice; keep one",
                twice.escape_ascii()
            ));
        }
        let index_of = |wanted: &str| keys().position(|key| key == wanted.as_bytes());
        let find =
            |wanted: &[&'static str]| wanted.iter().find_map(|&key| Some((index_of(key)?, key)));
        let gt = index_of("GT");
        let ps = index_of("PS");
        let without_gt = || {
            if gt.is_none() {
                find(dosage_field.keys_without_gt())
            } else {
                None
            }
        };
        let dosage = find(dosage_field.keys()).or_else(without_gt);
        Ok(Self {
            gt,
            ps,
            dosage,
            gt_only: false,
        })
    }

    /// There is a GT.
    pub fn has_gt(&self) -> bool {
        self.gt.is_some()
    }
}

/// Reads the sample columns of a VCF line, which are separated by tabs; how many there are.
///
/// # Errors
/// The column of a GT that cannot be read, and why.
pub(super) fn read_text(
    cells: &[u8],
    keys: Keys,
    columns: &Columns,
    record: &mut VariantRecord,
) -> Result<usize, (usize, String)> {
    // The sign that most cells have is told by the first one.
    let (reference, references) = if cells.starts_with(b"0/0") {
        (UNPHASED_REFERENCE, [*b"0/0\t"; BLOCK])
    } else {
        (REFERENCE, [*b"0|0\t"; BLOCK])
    };
    let references = references.as_flattened();
    start(record, columns, reference);
    record.phase_sets.clear();
    if keys.ps.is_some() {
        record.phase_sets.resize(columns.n_people(), None);
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
                if bytes != references {
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
            if let Some(person) = columns.person(column) {
                read_cell(cell, keys, person, reference, record)
                    .map_err(|reason| (column, reason))?;
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
fn read_cell(
    cell: &[u8],
    keys: Keys,
    person: usize,
    reference: Genotype,
    record: &mut VariantRecord,
) -> Result<(), String> {
    let value = |index: usize| cell.split(|&byte| byte == b':').nth(index).unwrap_or(b".");
    let genotype = match keys.gt {
        _ if keys.gt_only => parse_text(cell, record.alt_alleles.len() as i16)?,
        Some(index) => parse_text(value(index), record.alt_alleles.len() as i16)?,
        None => NOT_CALLED,
    };
    set(record, person, genotype, reference);
    if let Some((index, key)) = keys.dosage {
        imputed_dosages::read_text(value(index), key, person, record)?;
    }
    if let Some(index) = keys.ps {
        record.phase_sets[person] = phase_set(value(index));
    }
    Ok(())
}

/// Reads the GT vectors of a BCF record.
///
/// # Errors
/// The column of a GT that cannot be read, and why.
pub(super) fn read_bcf(
    vectors: &TypedVectors<'_>,
    columns: &Columns,
    record: &mut VariantRecord,
) -> Result<(), (usize, String)> {
    if !vectors.is_integer() && vectors.stride > 0 {
        return Err((0, "GT is not written as integers".into()));
    }
    // The phase bits that most pairs have are told by the first one.
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
    let read_one = |record: &mut VariantRecord, person: usize, column: usize| {
        let genotype =
            parse_bcf(vectors.integers(column), max_allele).map_err(|reason| (column, reason))?;
        set(record, person, genotype, reference);
        Ok(())
    };
    if let Some(of_people) = columns.of_people() {
        let is_reference = |column: usize| pairs.get(column) == Some(&reference_pair);
        let mut others = of_people
            .iter()
            .enumerate()
            .filter(|&(_, &column)| !is_reference(column));
        return others.try_for_each(|(person, &column)| read_one(record, person, column));
    }
    let (blocks, _) = pairs.as_chunks::<BLOCK>();
    for (number, pairs) in blocks
        .iter()
        .enumerate()
        .filter(|(_, pairs)| **pairs != [reference_pair; BLOCK])
    {
        match bcf_block(pairs, reference_pair, max_allele.min(62) as u8) {
            Some(block) => set_block(&block, number * BLOCK, columns, record),
            None => (number * BLOCK..)
                .take(BLOCK)
                .try_for_each(|column| read_one(record, column, column))?,
        }
    }
    (blocks.len() * BLOCK..columns.n_columns())
        .try_for_each(|column| read_one(record, column, column))
}

/// Reads the PS vectors of a BCF record.
pub(super) fn read_bcf_phase_sets(
    vectors: &TypedVectors<'_>,
    columns: &Columns,
    record: &mut VariantRecord,
) {
    let of_column = |column: usize| match vectors.text(column) {
        Some(text) => phase_set(text),
        None => match vectors.integers(column).next().flatten() {
            Some(value) => u64::try_from(value)
                .ok()
                .or_else(|| phase_set(value.to_string().as_bytes())),
            None => None,
        },
    };
    record.phase_sets.clear();
    match columns.of_people() {
        Some(of_people) => record
            .phase_sets
            .extend(of_people.iter().copied().map(of_column)),
        None => record
            .phase_sets
            .extend((0..columns.n_columns()).map(of_column)),
    }
}

/// An integer stands for itself; other text is hashed to a number that no integer has.
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

/// Calls that are read at once.
const BLOCK: usize = 8;

/// Two alleles of each call.
type Block = [[u8; 2]; BLOCK];

/// Reads cells such as `0|1`, all with the same sign, with their tabs; `None` when some cell is not
/// like that.
#[inline]
fn text_block(bytes: &[u8; 4 * BLOCK], phased: bool, max_allele: u8) -> Option<Block> {
    let sign = if phased { b'|' } else { b'/' };
    let mut block = Block::default();
    let mut wrong = 0;
    for (alleles, [a, found, b, tab]) in block.iter_mut().zip(bytes.as_chunks().0) {
        *alleles = [a.wrapping_sub(b'0'), b.wrapping_sub(b'0')];
        wrong |= (found ^ sign)
            | (tab ^ b'\t')
            | u8::from(alleles[0] > max_allele)
            | u8::from(alleles[1] > max_allele);
    }
    (wrong == 0).then_some(block)
}

/// Reads pairs of `(allele + 1) << 1 | phased`, all with the phase bits of `reference`; `None` when
/// some pair is not like that.
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

/// Enters the calls of the columns from `column` on, which have the sign of the reference calls
/// that everyone was given.
#[inline]
fn set_block(block: &Block, column: usize, columns: &Columns, record: &mut VariantRecord) {
    if columns.of_people().is_some() {
        for (column, alleles) in (column..)
            .zip(block)
            .filter(|(_, alleles)| **alleles != [0, 0])
        {
            if let Some(person) = columns.person(column) {
                record.genotypes[person].alleles = alleles.map(i16::from);
                record.not_reference.push(person as u32);
            }
        }
        return;
    }
    // Columns past the last sample are refused when all are counted.
    let Some(genotypes) = record.genotypes.get_mut(column..column + BLOCK) else {
        return;
    };
    // Each is written where the next one of the others goes, and stays there only if it is one of
    // them.
    let others = &mut record.not_reference;
    let len = others.len();
    others.resize(len + BLOCK, 0);
    let mut n_others = 0;
    if let Some(places) = others[len..].first_chunk_mut::<BLOCK>() {
        for ((person, genotype), alleles) in (column as u32..).zip(genotypes).zip(block) {
            genotype.alleles = alleles.map(i16::from);
            places[n_others % BLOCK] = person;
            n_others += usize::from(*alleles != [0, 0]);
        }
    }
    others.truncate(len + n_others);
}

/// Everyone is `reference` until something else is read. Where it was so before, only the others
/// are set back.
fn start(record: &mut VariantRecord, columns: &Columns, reference: Genotype) {
    if record.rest == Some(reference) && record.genotypes.len() == columns.n_people() {
        for &person in &record.not_reference {
            record.genotypes[person as usize] = reference;
        }
    } else {
        record.genotypes.clear();
        record.genotypes.resize(columns.n_people(), reference);
    }
    record.rest = Some(reference);
    record.not_reference.clear();
}

/// The call of everyone at a record that has no GT.
const NOT_CALLED: Genotype = Genotype {
    alleles: [MISSING, MISSING],
    phased: false,
};

/// Enters for everyone that nothing was called.
pub(super) fn read_nothing(columns: &Columns, record: &mut VariantRecord) {
    start(record, columns, REFERENCE);
    (0..columns.n_people()).for_each(|person| set(record, person, NOT_CALLED, REFERENCE));
}

#[inline]
fn set(record: &mut VariantRecord, person: usize, genotype: Genotype, reference: Genotype) {
    if genotype != reference {
        record.genotypes[person] = genotype;
        if genotype.alleles == [0, 0] {
            record.rest = None;
        } else {
            record.not_reference.push(person as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::genotypes::ABSENT;

    /// People, genotypes and those who are not reference; or the column that is wrong.
    type Read = Result<(usize, Vec<Genotype>, Vec<u32>), usize>;

    fn record(n_alts: usize) -> VariantRecord {
        // What an earlier record left behind must not show.
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

    /// The genotypes of columns read one by one, slowly, put in the order of the people.
    fn slowly(cells: Vec<Result<Genotype, String>>, columns: &Columns) -> Read {
        let mut genotypes = vec![None; columns.n_people()];
        let n = cells.len();
        for (column, cell) in cells.into_iter().enumerate() {
            if let Some(person) = columns.person(column) {
                genotypes[person] = Some(cell.map_err(|_| column)?);
            }
        }
        let genotypes: Vec<Genotype> = genotypes.into_iter().flatten().collect();
        let others = (0..)
            .zip(&genotypes)
            .filter(|(_, genotype)| genotype.alleles != [0, 0])
            .map(|(person, _)| person)
            .collect();
        Ok((n, genotypes, others))
    }

    fn text_read(cells: &[String], n_alts: usize, columns: &Columns, format: &[u8]) -> Read {
        let mut record = record(n_alts);
        let n = read_text(
            cells.join("\t").as_bytes(),
            Keys::parse(format, DosageField::Gt).unwrap(),
            columns,
            &mut record,
        )
        .map_err(|(column, _)| column)?;
        Ok((n, record.genotypes, record.not_reference))
    }

    /// One type of integer for GT, as BCF writes it: samples of fewer alleles are padded with the
    /// end of a vector.
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
        read_bcf(&vectors, columns, &mut record).map_err(|(column, _)| column)?;
        Ok((columns.n_columns(), record.genotypes, record.not_reference))
    }

    /// The integers of a GT that text can hold.
    fn bcf_values(genotype: Genotype) -> Vec<i32> {
        let value = |allele: i16, phased: bool| (i32::from(allele) + 1) << 1 | i32::from(phased);
        match genotype.alleles {
            [a, ABSENT] => vec![value(a, false)],
            [a, b] => vec![value(a, false), value(b, genotype.phased)],
        }
    }

    fn some_call() -> impl Strategy<Value = String> {
        prop_oneof![
            30 => Just("0|0".to_owned()),
            4 => prop::sample::select(vec!["0|1", "1|0", "1|1", "0|2", "2|1"]).prop_map(str::to_owned),
            2 => prop::sample::select(vec!["0/0", "0/1", "./.", ".|1", ".", "0", "1", "10|3", "12/11"]).prop_map(str::to_owned),
        ]
    }

    fn any_cell() -> impl Strategy<Value = String> {
        prop_oneof![
            60 => some_call(),
            3 => Just("0/0".to_owned()),
            1 => "[0-9.|/:x -]{0,6}",
        ]
    }

    fn some_people(n: usize, order: &[prop::sample::Index], all: bool) -> Option<Vec<usize>> {
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
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
            all: bool,
        ) {
            let columns = columns(cells.len(), some_people(cells.len(), &order, all).as_deref());
            let parsed = |cells: &mut dyn Iterator<Item = &str>| cells.map(|cell| parse_text(cell.as_bytes(), n_alts as i16)).collect();
            let whole = parsed(&mut cells.iter().map(String::as_str));
            prop_assert_eq!(text_read(&cells, n_alts, &columns, b"GT"), slowly(whole, &columns));
            let first = parsed(&mut cells.iter().map(|cell| cell.split(':').next().unwrap_or_default()));
            prop_assert_eq!(text_read(&cells, n_alts, &columns, b"GT:DP"), slowly(first, &columns));
        }

        #[test]
        fn any_bytes_are_refused_or_read_but_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), n in 1_usize..20, n_alts in 0_usize..300) {
            let _ = read_text(&bytes, Keys::parse(b"GT:PS", DosageField::Gt).unwrap(), &columns(n, None), &mut record(n_alts));
            let _ = read_text(&bytes, Keys::parse(b"GT", DosageField::Gt).unwrap(), &columns(n, Some(&[n - 1])), &mut record(n_alts));
            if let Some(vectors) = TypedVectors::read(&mut &bytes[..], n) {
                let _ = read_bcf(&vectors, &columns(n, None), &mut record(n_alts));
                read_bcf_phase_sets(&vectors, &columns(n, None), &mut record(n_alts));
            }
        }

        #[test]
        fn bcf_read_in_blocks_is_bcf_read_one_by_one(
            pairs in prop::collection::vec(prop_oneof![9 => prop::sample::select(vec![[2_u8, 3], [2, 2], [4, 3], [2, 5], [3, 3]]), 1 => any::<[u8; 2]>()], 1..70),
            n_alts in 0_usize..130,
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
            all: bool,
        ) {
            let columns = columns(pairs.len(), some_people(pairs.len(), &order, all).as_deref());
            let bytes = [&[0x21][..], pairs.as_flattened()].concat();
            let vectors = TypedVectors::read(&mut &bytes[..], pairs.len()).unwrap();
            let one_by_one = (0..pairs.len()).map(|column| parse_bcf(vectors.integers(column), n_alts as i16)).collect();
            // Wrong columns are met in the order of the people, where some are chosen.
            match (bcf_read(&bytes, n_alts, &columns), slowly(one_by_one, &columns)) {
                (Err(_), Err(_)) => {}
                (fast, slow) => prop_assert_eq!(fast, slow),
            }
        }

        #[test]
        fn text_and_bcf_of_every_width_agree(calls in prop::collection::vec(some_call(), 1..70), order in prop::collection::vec(any::<prop::sample::Index>(), 0..20), all: bool) {
            let columns = columns(calls.len(), some_people(calls.len(), &order, all).as_deref());
            let text = text_read(&calls, 12, &columns, b"GT");
            let samples: Vec<Vec<i32>> = calls.iter().map(|call| bcf_values(parse_text(call.as_bytes(), 12).unwrap())).collect();
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

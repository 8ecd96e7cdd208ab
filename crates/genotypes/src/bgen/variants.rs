//! The list of the variants of a BGEN file, without their genotypes.

use std::{collections::HashMap, io::Read, ops::Range};

use super::{error::BgenProblem, fields::Fields};

/// The largest total length of a variant's alleles that is read.
const MAX_ALLELES_LEN: u64 = 1 << 28;

/// The fields of a variant before its genotype data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct VariantFields {
    pub(super) id: String,
    pub(super) rsid: String,
    pub(super) contig: String,
    /// 1-based.
    pub(super) position: u32,
    pub(super) alleles: Vec<String>,
}

impl VariantFields {
    /// Reads the fields of one variant, from its first byte.
    pub(super) fn read<R: Read>(fields: &mut Fields<R>) -> Result<Self, BgenProblem> {
        let id = short_text(fields, "the variant identifier")?;
        let rsid = short_text(fields, "the rsid")?;
        let contig = short_text(fields, "the contig")?;
        let position = fields.u32("the position")?;
        let n_alleles = fields.u16("the number of alleles")?;
        if n_alleles == 0 {
            return Err(BgenProblem::NoAlleles);
        }
        // Each allele has a length of four bytes.
        fields.require("the alleles", 4 * u64::from(n_alleles))?;
        let mut alleles = Vec::with_capacity(usize::from(n_alleles));
        let mut total_len = 0;
        for _ in 0..n_alleles {
            let len = u64::from(fields.u32("the length of an allele")?);
            total_len += len;
            require_alleles_len(total_len)?;
            alleles.push(fields.text("an allele", len)?);
        }
        Ok(Self {
            id,
            rsid,
            contig,
            position,
            alleles,
        })
    }
}

const fn require_alleles_len(total_len: u64) -> Result<(), BgenProblem> {
    if total_len > MAX_ALLELES_LEN {
        return Err(BgenProblem::TooLarge {
            what: "the length of the alleles",
            found: total_len,
            limit: MAX_ALLELES_LEN,
        });
    }
    Ok(())
}

fn short_text<R: Read>(fields: &mut Fields<R>, what: &'static str) -> Result<String, BgenProblem> {
    let len = fields.u16(what)?;
    fields.text(what, u64::from(len))
}

/// One variant of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BgenVariant<'a> {
    /// 0-based offset of the variant's first byte in the file.
    pub offset: u64,
    /// Variant identifier; `None` when the list comes from a `.bgi` index, which has none.
    pub id: Option<&'a str>,
    /// The rsid field, often the variant's name.
    pub rsid: &'a str,
    /// Contig as the file names it; may be empty (UK Biobank has files of one chromosome).
    pub contig: &'a str,
    /// 1-based position; 0 means unknown.
    pub position: u32,
    /// Alleles with tabs between them.
    alleles: &'a str,
}

impl<'a> BgenVariant<'a> {
    /// The alleles in the order of the file. Which of them is REF is not stored.
    pub fn alleles(&self) -> impl Iterator<Item = &'a str> {
        self.alleles.split('\t')
    }

    /// The number of alleles.
    #[must_use]
    pub fn n_alleles(&self) -> usize {
        self.alleles().count()
    }
}

/// Where a variant is, and where its text is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// 0-based offset of the first byte in the file.
    pub(super) start: u64,
    pub(super) text_start: u64,
    pub(super) text_len: u32,
    /// 1-based.
    pub(super) position: u32,
    /// Number of the contig in the list of names.
    pub(super) contig: u32,
}

/// The variants of a BGEN file in the order of the file: 32 bytes each, and one text buffer.
///
/// The records follow each other without gaps: a record ends where the next one starts.
#[derive(Clone, Debug, Default)]
pub struct BgenVariants {
    pub(super) entries: Vec<Entry>,
    pub(super) contigs: Vec<String>,
    /// For each variant: identifier (where `has_ids`), rsid and alleles, separated by tabs.
    pub(super) text: String,
    pub(super) has_ids: bool,
    /// Offset after the last record.
    pub(super) end: u64,
}

impl BgenVariants {
    /// The number of variants.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the file has no variant.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The variant with this 0-based index.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<BgenVariant<'_>> {
        let entry = self.entries.get(index)?;
        let text_end = entry.text_start + u64::from(entry.text_len);
        let mut text = self
            .text
            .get(entry.text_start as usize..text_end as usize)?;
        let mut id = None;
        if self.has_ids {
            let id_and_rest = text.split_once('\t')?;
            id = Some(id_and_rest.0);
            text = id_and_rest.1;
        }
        let (rsid, alleles) = text.split_once('\t')?;
        Some(BgenVariant {
            offset: entry.start,
            id,
            rsid,
            contig: self.contigs.get(entry.contig as usize)?,
            position: entry.position,
            alleles,
        })
    }

    /// The variants in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = BgenVariant<'_>> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// The bytes of the variant's record in the file.
    pub(super) fn bytes(&self, index: usize) -> Option<Range<u64>> {
        let start = self.entries.get(index)?.start;
        let end = self
            .entries
            .get(index + 1)
            .map_or(self.end, |next| next.start);
        Some(start..end)
    }
}

/// Makes a [`BgenVariants`].
#[derive(Debug, Default)]
pub(super) struct VariantsBuilder {
    variants: BgenVariants,
    contig_numbers: HashMap<String, u32>,
}

impl VariantsBuilder {
    pub(super) fn new(has_ids: bool) -> Self {
        let mut builder = Self::default();
        builder.variants.has_ids = has_ids;
        builder
    }

    /// Adds a variant that starts at this offset.
    pub(super) fn push(&mut self, start: u64, fields: &VariantFields) {
        let contig = self.contig_number(&fields.contig);
        let text = &mut self.variants.text;
        let text_start = text.len();
        if self.variants.has_ids {
            text.push_str(&fields.id);
            text.push('\t');
        }
        text.push_str(&fields.rsid);
        for allele in &fields.alleles {
            text.push('\t');
            text.push_str(allele);
        }
        let text_len = (text.len() - text_start) as u32;
        self.variants.entries.push(Entry {
            start,
            text_start: text_start as u64,
            text_len,
            position: fields.position,
            contig,
        });
    }

    fn contig_number(&mut self, contig: &str) -> u32 {
        if let Some(&number) = self.contig_numbers.get(contig) {
            return number;
        }
        let number = self.variants.contigs.len() as u32;
        self.variants.contigs.push(contig.to_owned());
        self.contig_numbers.insert(contig.to_owned(), number);
        number
    }

    /// The list in the order of the file; `end` is the offset after the last record.
    pub(super) fn finish(mut self, end: u64) -> BgenVariants {
        self.variants.entries.sort_by_key(|entry| entry.start);
        self.variants.entries.shrink_to_fit();
        self.variants.text.shrink_to_fit();
        self.variants.end = end;
        self.variants
    }
}

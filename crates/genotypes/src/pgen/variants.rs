//! Variants of a PVAR or BIM file, few bytes for each: a table of numbers and one text.

use std::path::Path;

use super::{
    error::{LineFault, PgenError},
    text::{Lines, column, fields},
};

/// Allele numbers are `i16`.
const MAX_ALT_ALLELES: usize = i16::MAX as usize;
/// A PGEN file counts its variants in 32 bits.
const MAX_VARIANTS: usize = u32::MAX as usize;
const ABSENT_FIELD: &str = ".";

/// The variants of a fileset, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct PgenVariants {
    /// `##contig` lines of a PVAR file.
    contig_lines: Vec<String>,
    contigs: Vec<String>,
    contig_of: Vec<u32>,
    positions: Vec<u32>,
    /// Where the text of each variant ends.
    text_ends: Vec<usize>,
    /// `ID REF ALT FILTER`, with tabs, of one variant after the other; for symbolic ALT alleles
    /// also INFO, which states their length.
    text: String,
    provisional_ref: Flags,
    are_of_bim: bool,
}

/// One variant of a fileset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PgenVariant<'a> {
    /// Contig as the file names it.
    pub contig: &'a str,
    /// 1-based POS; 0 for a variant without a position.
    pub position: u32,
    /// ID, `.` if absent.
    pub id: &'a str,
    /// REF.
    pub reference: &'a str,
    /// FILTER; `None` where the file has no such column, or for `.`.
    pub filter: Option<&'a str>,
    /// INFO of a variant with a symbolic ALT allele such as `<DEL>`; empty for any other variant.
    pub symbolic_info: &'a str,
    /// REF may be either allele: the fileset came from PLINK 1 data, or INFO has the flag PR.
    pub has_provisional_ref: bool,
    alts: &'a str,
}

impl<'a> PgenVariant<'a> {
    /// ALT alleles in the order of their numbers; empty if ALT is `.`.
    pub fn alts(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let alts = if self.alts == ABSENT_FIELD {
            ""
        } else {
            self.alts
        };
        alts.split(',').filter(|alt| !alt.is_empty())
    }

    /// Number of alleles, REF included; an absent ALT counts as one.
    #[must_use]
    pub fn allele_count(&self) -> usize {
        2 + self.alts.bytes().filter(|&byte| byte == b',').count()
    }
}

impl PgenVariants {
    /// Number of variants.
    #[must_use]
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// No variants.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// Names of the contigs, in the order of their first variants.
    #[must_use]
    pub fn contigs(&self) -> &[String] {
        &self.contigs
    }

    /// The `##contig` lines of a PVAR file, which may state the length of each contig.
    #[must_use]
    pub fn contig_lines(&self) -> &[String] {
        &self.contig_lines
    }

    /// Number of variants whose REF may be either allele.
    #[must_use]
    pub fn n_with_provisional_ref(&self) -> usize {
        self.provisional_ref.count()
    }

    /// The variant with this 0-based index.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<PgenVariant<'_>> {
        let position = *self.positions.get(index)?;
        let start = match index {
            0 => 0,
            _ => self.text_ends[index - 1],
        };
        let mut texts = self.text[start..self.text_ends[index]].split('\t');
        Some(PgenVariant {
            contig: &self.contigs[self.contig_of[index] as usize],
            position,
            id: texts.next()?,
            reference: texts.next()?,
            alts: texts.next()?,
            filter: texts.next().filter(|&filter| filter != ABSENT_FIELD),
            symbolic_info: texts.next().unwrap_or_default(),
            has_provisional_ref: self.provisional_ref.get(index),
        })
    }

    /// All variants.
    pub fn iter(&self) -> impl Iterator<Item = PgenVariant<'_>> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    pub(super) fn set_provisional_ref(&mut self, index: usize) {
        self.provisional_ref.set(index);
    }

    /// A BIM file cannot state which allele is REF.
    pub(super) const fn are_of_bim(&self) -> bool {
        self.are_of_bim
    }

    pub(super) fn read(path: &Path) -> Result<Self, PgenError> {
        let mut lines = Lines::open(path)?;
        let mut builder = Builder::default();
        while let Some(line) = lines.next_line()? {
            let result = builder.read_line(line);
            result.map_err(|fault| lines.fault(fault))?;
        }
        builder.variants.text.shrink_to_fit();
        Ok(builder.variants)
    }

    fn push(&mut self, line: &str, columns: &Columns) -> Result<(), LineFault> {
        let row = columns.row(line)?;
        let position = row.position.parse().map_err(|_| LineFault::Position {
            found: row.position.to_owned(),
        })?;
        let alt_count = 1 + row.alts.bytes().filter(|&byte| byte == b',').count();
        if alt_count > MAX_ALT_ALLELES {
            return Err(LineFault::Alleles {
                found: alt_count,
                limit: MAX_ALT_ALLELES,
            });
        }
        if self.len() == MAX_VARIANTS {
            return Err(LineFault::Lines {
                limit: MAX_VARIANTS,
            });
        }
        if row.has_provisional_ref {
            self.provisional_ref.set(self.len());
        }
        let contig = self.contig_number(row.contig);
        self.contig_of.push(contig);
        self.positions.push(position);
        for (index, text) in [row.id, row.reference, row.alts, row.filter]
            .into_iter()
            .enumerate()
        {
            if index > 0 {
                self.text.push('\t');
            }
            self.text.push_str(text);
        }
        if row.alts.contains('<') {
            self.text.push('\t');
            self.text.push_str(row.info);
        }
        self.text_ends.push(self.text.len());
        Ok(())
    }

    fn contig_number(&mut self, contig: &str) -> u32 {
        // Nearly always the contig of the variant before.
        if let Some(&last) = self.contig_of.last()
            && self.contigs[last as usize] == contig
        {
            return last;
        }
        let number = self.contigs.iter().position(|known| known == contig);
        let number = number.unwrap_or_else(|| {
            self.contigs.push(contig.to_owned());
            self.contigs.len() - 1
        });
        number as u32
    }
}

/// The variants of the lines read so far.
#[derive(Default)]
struct Builder {
    variants: PgenVariants,
    columns: Option<Columns>,
    has_header: bool,
}

impl Builder {
    fn read_line(&mut self, line: &str) -> Result<(), LineFault> {
        if line.starts_with('#') && self.variants.is_empty() {
            self.has_header = true;
            if fields(line).next() == Some("#CHROM") {
                self.columns = Some(Columns::of_header(line)?);
            }
            if line.starts_with("##contig") {
                self.variants.contig_lines.push(line.to_owned());
            }
            return Ok(());
        }
        if self.columns.is_none() && self.has_header {
            return Err(LineFault::Column { column: "#CHROM" });
        }
        self.variants.are_of_bim = !self.has_header;
        let columns = self
            .columns
            .get_or_insert_with(|| Columns::without_header(line));
        self.variants.push(line, columns)
    }
}

/// One bit for each variant, as many as needed; a bit beyond the end is unset.
#[derive(Clone, Debug, Default)]
struct Flags {
    words: Vec<u64>,
}

impl Flags {
    fn set(&mut self, index: usize) {
        let word = index / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (index % 64);
    }

    fn count(&self) -> usize {
        self.words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    fn get(&self, index: usize) -> bool {
        let word = self.words.get(index / 64).copied().unwrap_or(0);
        word >> (index % 64) & 1 == 1
    }
}

/// The fields of one line that are used.
struct Row<'a> {
    contig: &'a str,
    position: &'a str,
    id: &'a str,
    reference: &'a str,
    alts: &'a str,
    filter: &'a str,
    info: &'a str,
    has_provisional_ref: bool,
}

/// Where the columns are that are used.
struct Columns {
    contig: usize,
    position: usize,
    id: usize,
    reference: usize,
    alts: usize,
    filter: Option<usize>,
    info: Option<usize>,
    /// Number of fields up to the last one that is used.
    width: usize,
}

impl Columns {
    /// `CHROM ID CM POS ALT REF`, or without CM where there are only five.
    fn without_header(line: &str) -> Self {
        let width = fields(line).count().min(6);
        Self {
            contig: 0,
            id: 1,
            position: width.saturating_sub(3),
            alts: width.saturating_sub(2),
            reference: width.saturating_sub(1),
            filter: None,
            info: None,
            width: width.max(5),
        }
    }

    fn of_header(line: &str) -> Result<Self, LineFault> {
        // FORMAT and the samples of a VCF file do not count.
        let names: Vec<&str> = fields(line).take_while(|&name| name != "FORMAT").collect();
        let mut columns = Self {
            contig: 0,
            position: required_column(&names, "POS")?,
            id: required_column(&names, "ID")?,
            reference: required_column(&names, "REF")?,
            alts: required_column(&names, "ALT")?,
            filter: column(&names, "FILTER"),
            info: column(&names, "INFO"),
            width: 0,
        };
        let used = [
            Some(columns.position),
            Some(columns.id),
            Some(columns.reference),
            Some(columns.alts),
            columns.filter,
            columns.info,
        ];
        columns.width = 1 + used.into_iter().flatten().max().unwrap_or(0);
        Ok(columns)
    }

    fn row<'a>(&self, line: &'a str) -> Result<Row<'a>, LineFault> {
        // A line of a VCF file may go on with thousands of samples.
        let mut values = [""; MAX_COLUMNS];
        let width = self.width.min(MAX_COLUMNS);
        let mut found = 0;
        for (value, field) in values[..width].iter_mut().zip(fields(line)) {
            *value = field;
            found += 1;
        }
        if found < self.width {
            return Err(LineFault::Fields {
                expected: self.width,
                found,
            });
        }
        let info = self.info.map_or("", |index| values[index]);
        Ok(Row {
            contig: values[self.contig],
            position: values[self.position],
            id: values[self.id],
            reference: values[self.reference],
            alts: values[self.alts],
            filter: self.filter.map_or(ABSENT_FIELD, |index| values[index]),
            info,
            has_provisional_ref: info.split(';').any(|entry| entry == "PR"),
        })
    }
}

fn required_column(names: &[&str], name: &'static str) -> Result<usize, LineFault> {
    column(names, name).ok_or(LineFault::Column { column: name })
}

/// CHROM, POS, ID, REF, ALT, QUAL, FILTER, INFO and CM; a few more are harmless.
const MAX_COLUMNS: usize = 16;

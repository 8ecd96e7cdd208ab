//! Records of VCF text.
//!
//! Input -> output: tab-separated lines -> [`VariantRecord`]s. INFO is parsed only where an ALT is symbolic.

use memchr::memchr;

use super::{
    columns::Columns,
    course::Course,
    gt::{self, Keys},
    header::Header,
    input::Input,
    record::{SymbolicLengths, VariantRecord},
    soft::DosageField,
};
use crate::ingest::Error;
use crate::words::counted;

/// Hands every record that `course` wants to `visit`.
pub(super) fn for_each<E: From<Error>>(
    mut input: Input,
    header: &Header,
    (columns, dosage_field): (&Columns, DosageField),
    course: &mut Course<'_>,
    visit: &mut impl FnMut(&VariantRecord) -> Result<(), E>,
) -> Result<(), E> {
    let mut line = Vec::new();
    let mut record = VariantRecord::default();
    while input.read_line(&mut line)? {
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        record.place = input.place();
        let site = Site::split(&line).and_then(|site| site.read(&mut record).map(|()| site));
        let site = site.map_err(|reason| course.malformed(&record, &format!("`{}`: {reason}", excerpt(&line))))?;
        let is_wanted = course.wants(&record)?;
        // A file that was cut may end in any line, whoever wants it.
        if !is_wanted && input.line_has_end() {
            continue;
        }
        site.genotypes(columns, dosage_field, header, &mut record).map_err(|reason| course.error(&record, reason))?;
        if is_wanted {
            visit(&record)?;
        }
    }
    Ok(())
}

/// The columns of one line.
struct Site<'l> {
    columns: [&'l [u8]; 8],
    /// FORMAT and the samples.
    samples: &'l [u8],
}

impl<'l> Site<'l> {
    fn split(line: &'l [u8]) -> Result<Self, String> {
        let mut rest = Some(line);
        let mut columns: [&[u8]; 8] = [&[]; 8];
        for column in &mut columns {
            let Some(text) = rest else {
                let by_spaces = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count() >= columns.len();
                let hint = if by_spaces { "; here they are separated by spaces" } else { "" };
                return Err(format!("a record needs at least 8 columns with tabs between them{hint}"));
            };
            (*column, rest) = next_column(text);
        }
        Ok(Self { columns, samples: rest.unwrap_or_default() })
    }

    /// Everything but the genotypes.
    fn read(&self, record: &mut VariantRecord) -> Result<(), String> {
        let [contig, position, id, ref_allele, alt_alleles, _, filter, info] = self.columns;
        if record.contig.as_bytes() != contig {
            if contig.is_empty() || contig.iter().any(u8::is_ascii_whitespace) {
                return Err("CHROM is empty or has a space in it".into());
            }
            record.contig.clear();
            record.contig.push_str(std::str::from_utf8(contig).map_err(|_| "CHROM is not UTF-8")?);
        }
        record.position = number(position)
            .filter(|&position| position >= 1 && i32::try_from(position).is_ok())
            .ok_or_else(|| format!("POS `{}` is not a position", position.escape_ascii()))?;
        record.id.clear();
        record.id.push_str(&String::from_utf8_lossy(id));
        record.set_ref_allele(ref_allele)?;
        let alt_alleles = if alt_alleles == b"." { None } else { Some(alt_alleles) };
        record.set_alt_alleles(alt_alleles.into_iter().flat_map(|all| all.split(|&byte| byte == b',')))?;
        record.set_filters(std::str::from_utf8(filter).map_err(|_| "FILTER is not UTF-8")?.split(';'));
        record.set_span(|| symbolic_lengths(info));
        Ok(())
    }

    fn genotypes(&self, columns: &Columns, dosage_field: DosageField, header: &Header, record: &mut VariantRecord) -> Result<(), String> {
        let (format, cells) = next_column(self.samples);
        let keys = Keys::of(format, dosage_field).ok_or("FORMAT has no GT")?;
        let n_cells = match cells {
            Some(cells) => gt::read_text(cells, keys, columns, record).map_err(|(column, reason)| of_sample(header, column, &reason))?,
            None => 0,
        };
        if n_cells != columns.n_columns() {
            let samples = counted(columns.n_columns(), "sample", "samples");
            return Err(format!("{} for {samples}", counted(n_cells, "genotype", "genotypes")));
        }
        Ok(())
    }
}

/// A message about the sample of a column.
pub(super) fn of_sample(header: &Header, column: usize, reason: &str) -> String {
    header.samples.get(column).map_or_else(|| format!("past the last sample: {reason}"), |name| format!("sample `{name}`: {reason}"))
}

fn symbolic_lengths(info: &[u8]) -> SymbolicLengths {
    let mut lengths = SymbolicLengths::default();
    for field in info.split(|&byte| byte == b';') {
        if let Some(end) = field.strip_prefix(b"END=") {
            lengths.end = number(end);
        } else if let Some(svlen) = field.strip_prefix(b"SVLEN=") {
            lengths.svlen = svlen.split(|&byte| byte == b',').map(|len| number(len.strip_prefix(b"-").unwrap_or(len))).collect();
        }
    }
    lengths
}

fn number(digits: &[u8]) -> Option<usize> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn next_column(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    memchr(b'\t', text).map_or((text, None), |tab| (&text[..tab], Some(&text[tab + 1..])))
}

fn excerpt(line: &[u8]) -> String {
    line.iter().take(60).map(|&byte| if byte == b'\t' { b' ' } else { byte }).collect::<Vec<_>>().escape_ascii().to_string()
}

//! Records of VCF text.
//!
//! Input -> output: tab-separated lines -> [`VariantRecord`]s. INFO is parsed only where an ALT is
//! symbolic.

use memchr::memchr;

use super::{
    columns::Columns,
    gt::{self, Keys},
    header::Header,
    imputed_dosages::DosageField,
    input::Input,
    record::{RecordLocation, SymbolicLengths, VariantRecord},
    region_cursor::RegionCursor,
};
use crate::Error;
use gf_cohort_schema::counted;

/// Hands every record that `cursor` wants to `visit`.
pub(super) fn for_each<E: From<Error>>(
    mut input: Input,
    header: &Header,
    (columns, dosage_field): (&Columns, DosageField),
    cursor: &mut RegionCursor<'_>,
    visit: &mut impl FnMut(&VariantRecord) -> Result<(), E>,
) -> Result<(), E> {
    let mut line = Vec::new();
    let mut record = VariantRecord::default();
    while input.read_line(&mut line)? {
        record.place = input.place();
        if line.is_empty() {
            continue;
        }
        if line.starts_with(b"#") {
            require_same_header(&input, header, &line)?;
            continue;
        }
        // A file that was cut may end in any line, whoever wants it.
        let may_be_cut = !input.line_has_end();
        let malformed = |cursor: &RegionCursor<'_>, record: &VariantRecord, reason: &str| {
            cursor.malformed(record, &format!("`{}`: {reason}", excerpt(&line)))
        };
        let site =
            VcfFields::split(&line).and_then(|site| site.read_contig(&mut record).map(|()| site));
        let site = site.map_err(|reason| malformed(cursor, &record, &reason))?;
        match site.read_position(&mut record) {
            Ok(Position::Base) => {}
            Ok(Position::Telomere) => {
                cursor.passed_over.n_at_zero += 1;
                continue;
            }
            Err(reason) => {
                if cursor.may_have(&record.contig) || may_be_cut {
                    return Err(malformed(cursor, &record, &reason).into());
                }
                cursor.pass_over(&record, &reason);
                continue;
            }
        }
        if !cursor.reach(&record)? && !may_be_cut {
            continue;
        }
        if let Err(reason) = site.read_alleles(header, &mut record) {
            if cursor.may_want(&record, site.ref_len()) || may_be_cut {
                return Err(malformed(cursor, &record, &reason).into());
            }
            cursor.pass_over(&record, &reason);
            continue;
        }
        let is_wanted = cursor.wants(&record);
        if !is_wanted && !may_be_cut {
            continue;
        }
        if may_be_cut && site.last_call_is_shorter() {
            let reason = "the last line of the file ends in a call of one allele and without a \
                          line break, so the file may be cut: copy it again, or end the last line \
                          with a line break if the file is complete";
            return Err(cursor.error(&record, reason.into()).into());
        }
        if let Err(reason) = site.genotypes(columns, dosage_field, header, &mut record) {
            if cursor.needs(&record) || may_be_cut {
                return Err(cursor.error(&record, reason).into());
            }
            cursor.pass_over(&record, &reason);
            continue;
        }
        if is_wanted {
            visit(&record)?;
        }
    }
    Ok(())
}

/// A `#` line below the header is one of a second header; those of the first one are passed over.
fn require_same_header(input: &Input, header: &Header, line: &[u8]) -> Result<(), Error> {
    let path = input.path();
    let (number, is_first) = match input.place() {
        RecordLocation::Line(number) => (number, number <= header.n_lines),
        _ => (0, false),
    };
    if is_first {
        return Ok(());
    }
    header
        .require_same(path, line)
        .map_err(|reason| match number {
            0 => Error::file(path, reason),
            _ => Error::Line {
                path: path.into(),
                line: number,
                reason,
            },
        })
}

/// What POS says.
enum Position {
    Base,
    /// POS 0: before the first base, as the format has it for telomeres.
    Telomere,
}

/// The columns of one line.
struct VcfFields<'l> {
    columns: [&'l [u8]; 8],
    /// FORMAT and the samples.
    samples: &'l [u8],
}

impl<'l> VcfFields<'l> {
    fn split(line: &'l [u8]) -> Result<Self, String> {
        let mut rest = Some(line);
        let mut columns: [&[u8]; 8] = [&[]; 8];
        for column in &mut columns {
            let Some(text) = rest else {
                let by_spaces = line
                    .split(u8::is_ascii_whitespace)
                    .filter(|word| !word.is_empty())
                    .count()
                    >= columns.len();
                let hint = if by_spaces {
                    "; here they are separated by spaces"
                } else {
                    ""
                };
                return Err(format!(
                    "a record needs at least 8 columns with tabs between them{hint}"
                ));
            };
            (*column, rest) = next_column(text);
        }
        Ok(Self {
            columns,
            samples: rest.unwrap_or_default(),
        })
    }

    fn read_contig(&self, record: &mut VariantRecord) -> Result<(), String> {
        let contig = self.columns[0];
        if record.contig.as_bytes() == contig {
            return Ok(());
        }
        if contig.is_empty() || contig.iter().any(u8::is_ascii_whitespace) {
            return Err("CHROM is empty or has a space in it".into());
        }
        if contig.starts_with(b"\"") {
            return Err(
                "CHROM begins with a quotation mark: a spreadsheet saved this file; take the \
                 original"
                    .into(),
            );
        }
        record.contig.clear();
        record
            .contig
            .push_str(std::str::from_utf8(contig).map_err(|_| "CHROM is not UTF-8")?);
        Ok(())
    }

    fn read_position(&self, record: &mut VariantRecord) -> Result<Position, String> {
        let position = self.columns[1];
        let found = number(position).filter(|&position| i32::try_from(position).is_ok());
        record.position =
            found.ok_or_else(|| format!("POS `{}` is not a position", position.escape_ascii()))?;
        Ok(if record.position == 0 {
            Position::Telomere
        } else {
            Position::Base
        })
    }

    /// Whether the last sample has a call of one allele where the one before it has two, as a line
    /// has that was cut behind `0` of `0|1`.
    fn last_call_is_shorter(&self) -> bool {
        let is_diploid = |call: &[u8]| {
            let alleles = call.split(|&byte| byte == b':').next().unwrap_or_default();
            alleles.iter().any(|byte| matches!(byte, b'/' | b'|'))
        };
        let mut from_the_last = self.samples.rsplit(|&byte| byte == b'\t');
        let last = from_the_last.next().unwrap_or_default();
        let before = from_the_last.next().unwrap_or_default();
        is_diploid(before) && !is_diploid(last)
    }

    /// Length of REF, whatever it is.
    fn ref_len(&self) -> usize {
        self.columns[3].len()
    }

    /// Everything from ID to INFO.
    fn read_alleles(&self, header: &Header, record: &mut VariantRecord) -> Result<(), String> {
        let [_, _, id, ref_allele, alt_alleles, _, filter, info] = self.columns;
        record.id.clear();
        record.id.push_str(&String::from_utf8_lossy(id));
        record.set_ref_allele(ref_allele)?;
        let alt_alleles = if alt_alleles == b"." {
            None
        } else {
            Some(alt_alleles)
        };
        record.set_alt_alleles(
            alt_alleles
                .into_iter()
                .flat_map(|all| all.split(|&byte| byte == b',')),
        )?;
        record.set_filters(
            std::str::from_utf8(filter)
                .map_err(|_| "FILTER is not UTF-8")?
                .split(';'),
        );
        record.set_span(|| SymbolicLengths {
            svlen_first: header.svlen_first,
            ..symbolic_lengths(info)
        });
        Ok(())
    }

    fn genotypes(
        &self,
        columns: &Columns,
        dosage_field: DosageField,
        header: &Header,
        record: &mut VariantRecord,
    ) -> Result<(), String> {
        let (format, cells) = next_column(self.samples);
        let keys = Keys::parse(format, dosage_field)?;
        record.has_genotypes = keys.has_gt();
        let n_cells = match cells {
            Some(cells) => gt::read_text(cells, keys, columns, record)
                .map_err(|(column, reason)| of_sample(header, column, &reason))?,
            None => 0,
        };
        if n_cells != columns.n_columns() {
            let samples = counted(columns.n_columns(), "sample", "samples");
            return Err(format!(
                "{} for {samples}",
                counted(n_cells, "genotype", "genotypes")
            ));
        }
        Ok(())
    }
}

/// A message about the sample of a column.
pub(super) fn of_sample(header: &Header, column: usize, reason: &str) -> String {
    header.samples.get(column).map_or_else(
        || format!("past the last sample: {reason}"),
        |name| format!("sample `{name}`: {reason}"),
    )
}

fn symbolic_lengths(info: &[u8]) -> SymbolicLengths {
    let mut lengths = SymbolicLengths::default();
    for field in info.split(|&byte| byte == b';') {
        if let Some(end) = field.strip_prefix(b"END=") {
            lengths.end = number(end);
        } else if let Some(svlen) = field.strip_prefix(b"SVLEN=") {
            lengths.svlen = svlen
                .split(|&byte| byte == b',')
                .map(|len| number(len.strip_prefix(b"-").unwrap_or(len)))
                .collect();
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
    line.iter()
        .take(60)
        .map(|&byte| if byte == b'\t' { b' ' } else { byte })
        .collect::<Vec<_>>()
        .escape_ascii()
        .to_string()
}

//! Records of VCF text.
//!
//! Input -> output: tab-separated lines -> [`VariantRecord`]s. INFO is parsed only if an ALT is
//! symbolic.

use memchr::memchr;

use super::{
    columns::{Selection, UnequalColumns},
    gt::{self, Keys},
    header::Header,
    input::Input,
    record::{RecordLocation, SymbolicLengths, VariantRecord},
    region_cursor::RegionCursor,
};
use crate::{Error, Position1, RecordProblem};

/// Why a line of VCF text cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VcfProblem {
    /// A line of fewer than 8 columns.
    #[error("a record needs at least 8 columns with tabs between them")]
    TooFewColumns,
    /// A line with spaces in place of tabs.
    #[error(
        "a record needs at least 8 columns with tabs between them; here they are separated by \
         spaces"
    )]
    Spaces,
    /// No contig, or one with a space.
    #[error("CHROM is empty or contains a space")]
    Chrom,
    /// A contig in quotation marks.
    #[error(
        "CHROM begins with a quotation mark, so a spreadsheet saved this file; use the original \
         file"
    )]
    QuotedChrom,
    /// A contig that is not UTF-8.
    #[error("CHROM is not UTF-8")]
    ChromNotUtf8,
    /// A position that is not a number.
    #[error("POS `{pos}` is not a position")]
    Pos {
        /// POS.
        pos: String,
    },
    /// A FILTER that is not UTF-8.
    #[error("FILTER is not UTF-8")]
    FilterNotUtf8,
}

/// A last line without a line break, whose last call is shorter than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the last line of the file ends in a call of one allele and has no line break, so the file may \
     be truncated. Copy it again, or add the line break if the file is complete"
)]
pub struct Cut;

/// Passes every record that `cursor` wants to `visit`.
pub(super) fn for_each<E: From<Error>>(
    mut input: Input,
    header: &Header,
    selection: Selection<'_>,
    cursor: &mut RegionCursor<'_>,
    visit: &mut impl FnMut(&VariantRecord) -> Result<(), E>,
) -> Result<(), E> {
    let reader = LineReader { header, selection };
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
        // The last line of a truncated file must be checked even if its record is not wanted.
        let may_be_cut = !input.line_has_end();
        if reader.read_wanted(&line, may_be_cut, cursor, &mut record)? {
            visit(&record)?;
        }
    }
    Ok(())
}

/// Parses the lines of a file.
struct LineReader<'h> {
    header: &'h Header,
    selection: Selection<'h>,
}

impl LineReader<'_> {
    /// Parses a line as far as needed; `false` if its record is not wanted.
    fn read_wanted(
        &self,
        line: &[u8],
        may_be_cut: bool,
        cursor: &mut RegionCursor<'_>,
        record: &mut VariantRecord,
    ) -> Result<bool, Error> {
        let fields = VcfFields::split(line)
            .and_then(|fields| fields.read_contig(record).map(|()| fields))
            .map_err(|problem| malformed(cursor, record, line, problem.into()))?;
        match fields.position() {
            Ok(Some(position)) => record.position = position,
            Ok(None) => {
                cursor.passed_over.n_at_zero += 1;
                return Ok(false);
            }
            Err(problem) if cursor.may_have(&record.contig) || may_be_cut => {
                return Err(malformed(cursor, record, line, problem.into()));
            }
            Err(problem) => {
                cursor.pass_over(record, &problem.into());
                return Ok(false);
            }
        }
        if !cursor.reach(record)? && !may_be_cut {
            return Ok(false);
        }
        if let Err(problem) = fields.read_alleles(self.header, record) {
            if cursor.may_want(record, fields.ref_len()) || may_be_cut {
                return Err(malformed(cursor, record, line, problem));
            }
            cursor.pass_over(record, &problem);
            return Ok(false);
        }
        let is_wanted = cursor.wants(record);
        if !is_wanted && !may_be_cut {
            return Ok(false);
        }
        if may_be_cut && fields.last_call_is_shorter() {
            return Err(cursor.error(record, Cut));
        }
        if let Err(problem) = fields.read_genotypes(self.selection, self.header, record) {
            if cursor.needs(record) || may_be_cut {
                return Err(cursor.error(record, problem));
            }
            cursor.pass_over(record, &problem);
            return Ok(false);
        }
        Ok(is_wanted)
    }
}

/// An error at a line, with the start of the line.
fn malformed(
    cursor: &RegionCursor<'_>,
    record: &VariantRecord,
    line: &[u8],
    problem: RecordProblem,
) -> Error {
    let problem = RecordProblem::Line {
        excerpt: excerpt(line),
        problem: Box::new(problem),
    };
    cursor.malformed(record, problem)
}

/// Compares a `#` line below the header with the header: it belongs to a second header, after
/// `cat` of two files. The lines of the first header, read again, are skipped.
fn require_same_header(input: &Input, header: &Header, line: &[u8]) -> Result<(), Error> {
    let path = input.path();
    match input.place() {
        RecordLocation::Line(number) if number <= header.n_lines => Ok(()),
        RecordLocation::Line(number) => header
            .require_same(path, line)
            .map_err(|problem| Error::line(path, number, problem)),
        _ => header
            .require_same(path, line)
            .map_err(|problem| Error::file(path, problem)),
    }
}

/// The columns of one line.
struct VcfFields<'l> {
    columns: [&'l [u8]; 8],
    /// FORMAT and the samples.
    samples: &'l [u8],
}

impl<'l> VcfFields<'l> {
    fn split(line: &'l [u8]) -> Result<Self, VcfProblem> {
        let mut rest = Some(line);
        let mut columns: [&[u8]; 8] = [&[]; 8];
        for column in &mut columns {
            let text = rest.ok_or_else(|| too_few_columns(line))?;
            (*column, rest) = next_column(text);
        }
        Ok(Self {
            columns,
            samples: rest.unwrap_or_default(),
        })
    }

    fn read_contig(&self, record: &mut VariantRecord) -> Result<(), VcfProblem> {
        let contig = self.columns[0];
        if record.contig.as_bytes() == contig {
            return Ok(());
        }
        if contig.is_empty() || contig.iter().any(u8::is_ascii_whitespace) {
            return Err(VcfProblem::Chrom);
        }
        if contig.starts_with(b"\"") {
            return Err(VcfProblem::QuotedChrom);
        }
        record.contig.clear();
        record
            .contig
            .push_str(std::str::from_utf8(contig).map_err(|_| VcfProblem::ChromNotUtf8)?);
        Ok(())
    }

    /// POS; `None` for 0, before the first base. The specification uses it for telomeres.
    fn position(&self) -> Result<Option<Position1>, VcfProblem> {
        let position = self.columns[1];
        number(position)
            .filter(|&position| i32::try_from(position).is_ok())
            .map(Position1::new)
            .ok_or_else(|| VcfProblem::Pos {
                pos: position.escape_ascii().to_string(),
            })
    }

    /// Whether the last sample has one allele and the sample before it has two. A line that was cut
    /// after `0` of `0|1` looks like this.
    fn last_call_is_shorter(&self) -> bool {
        let mut cells_from_last = self.samples.rsplit(|&byte| byte == b'\t');
        let last = cells_from_last.next().unwrap_or_default();
        let before_last = cells_from_last.next().unwrap_or_default();
        is_diploid(before_last) && !is_diploid(last)
    }

    /// Length of the REF column, even if it is malformed.
    fn ref_len(&self) -> usize {
        self.columns[3].len()
    }

    /// Reads ID to INFO.
    fn read_alleles(
        &self,
        header: &Header,
        record: &mut VariantRecord,
    ) -> Result<(), RecordProblem> {
        let [_, _, id, ref_allele, alt, _, filter, info] = self.columns;
        record.id.clear();
        record.id.push_str(&String::from_utf8_lossy(id));
        record.set_ref_allele(ref_allele)?;
        let alt_column = (alt != b".").then_some(alt);
        record.set_alt_alleles(
            alt_column
                .into_iter()
                .flat_map(|alleles| alleles.split(|&byte| byte == b',')),
        )?;
        record.set_filters(
            std::str::from_utf8(filter)
                .map_err(|_| VcfProblem::FilterNotUtf8)?
                .split(';'),
        );
        record.set_span(|| SymbolicLengths {
            svlen_first: header.svlen_first,
            ..symbolic_lengths(info)
        });
        Ok(())
    }

    /// Reads FORMAT and the sample columns.
    fn read_genotypes(
        &self,
        selection: Selection<'_>,
        header: &Header,
        record: &mut VariantRecord,
    ) -> Result<(), RecordProblem> {
        let (format, cells) = next_column(self.samples);
        let keys = Keys::parse(format, selection.dosage_field)?;
        record.has_genotypes = keys.has_gt();
        let n_cells = match cells {
            Some(cells) => gt::read_text(cells, keys, selection.columns, record)
                .map_err(|error| error.of_sample(header))?,
            None => 0,
        };
        let n_columns = selection.columns.n_columns();
        if n_cells != n_columns {
            let problem = UnequalColumns {
                n_genotypes: n_cells,
                n_samples: n_columns,
            };
            return Err(problem.into());
        }
        Ok(())
    }
}

fn too_few_columns(line: &[u8]) -> VcfProblem {
    let n_words = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .count();
    if n_words >= 8 {
        VcfProblem::Spaces
    } else {
        VcfProblem::TooFewColumns
    }
}

/// Whether a cell has a call of two alleles.
fn is_diploid(cell: &[u8]) -> bool {
    let call = cell.split(|&byte| byte == b':').next().unwrap_or_default();
    call.iter().any(|byte| matches!(byte, b'/' | b'|'))
}

/// END and |SVLEN| of INFO.
pub(super) fn symbolic_lengths(info: &[u8]) -> SymbolicLengths {
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

/// A number of digits only: no sign, no blanks.
fn number(digits: &[u8]) -> Option<usize> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The first column, and the text after its tab; `None` after the last column.
fn next_column(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    memchr(b'\t', text).map_or((text, None), |tab| (&text[..tab], Some(&text[tab + 1..])))
}

/// The first 60 bytes of a line, for messages.
fn excerpt(line: &[u8]) -> String {
    line.iter()
        .take(60)
        .map(|&byte| if byte == b'\t' { b' ' } else { byte })
        .collect::<Vec<_>>()
        .escape_ascii()
        .to_string()
}

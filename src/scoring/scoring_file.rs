//! Published scoring files: PGS Catalog (version 2, original or harmonised) and plain tables.
//!
//! Input: a table with column names, plain, gzip or BGZF, optionally below `#key=value` lines.
//! Output: [`ScoringFile`]s with one [`WeightRow`] per line. A file is one score, or one score per
//! `accession`. A row that is not the weight of one allele at one position stays in the score and
//! carries the reason.
//!
//! Cells are separated by tabs, commas, semicolons or blanks. Columns are named as in the PGS
//! Catalog, as in the GWAS Catalog, or as one of the programs of [`dialect`] names them.
//! Coordinates: `chr_position` and `hm_pos` are 1-based.
//! Format: <https://www.pgscatalog.org/downloads/#dl_ftp_scoring>.

mod cells;
mod columns;
mod dialect;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    io::Cursor,
    path::{Path, PathBuf},
};

use gf_cohort_schema::text;
use polars::{
    error::PolarsError,
    prelude::{CsvReadOptions, DataFrame, PlSmallStr, SerReader},
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::{cells::is_missing, columns::Columns};
pub use self::{
    cells::{CellProblem, is_bases},
    columns::{ColumnsProblem, NoColumn},
};
use crate::scoring::{Error, effect::Effect};
use gf_cohort_schema::counted;
use gf_genotypes::{GenomeBuild, Position1, contig_build};

/// Why a row of a scoring file cannot be used as the weight of one allele.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unusable {
    /// The weight belongs to a haplotype or diplotype.
    Haplotype,
    /// The weight belongs to a combination of variants.
    Interaction,
    /// The weight belongs to an HLA type or amino acid.
    Hla,
    /// The effect type is unknown, or the row is both dominant and recessive.
    EffectType,
    /// The cell of the weight is empty, for example because a regression failed.
    NoWeight,
    /// No chromosome or position; harmonisation leaves both empty for variants it cannot place.
    NoPosition,
    /// An allele is not written in A, C, G, T (amino acids, `I`/`D`).
    Allele,
}

/// Why a scoring file as a whole cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScoringFileProblem {
    /// A header only.
    #[error("no table below the `#` lines")]
    NoTable,
    /// Column names only.
    #[error("no rows below the line of column names")]
    NoRows,
    /// A VCF in place of a table.
    #[error("this is a VCF, but a scoring file is a table of weights; give VCF files with --vcf")]
    Vcf,
    /// Two columns of one name.
    #[error("column `{name}` occurs twice; remove or rename one")]
    ColumnTwice {
        /// Name of the columns.
        name: String,
    },
    /// A line that is neither the first header nor a row.
    #[error("line {line} {kind}. Give joined files one by one, and remove comments")]
    SecondHeader {
        /// 1-based line number.
        line: usize,
        /// The kind of the line.
        kind: SecondHeader,
    },
    /// A row that is longer than the header.
    #[error(
        "line {line}: {n_cells} cells, but the header has {n_names}{}",
        text::why_one_more(*n_cells, *n_names)
    )]
    RaggedLine {
        /// 1-based line number.
        line: usize,
        /// Cells of the row.
        n_cells: usize,
        /// Cells of the header.
        n_names: usize,
    },
    /// A text that polars cannot split.
    #[error("not a table with one header line: {0}")]
    NotTable(PolarsError),
    /// Columns that are missing or ambiguous.
    #[error(transparent)]
    Columns(#[from] ColumnsProblem),
    /// Rows about other effects only.
    #[error("no row has the effect of an allele (TEST is ADD, DOM or REC)")]
    NoAlleleRow,
    /// Two genome builds, one by the header.
    #[error(
        "the header states {stated}, but the chromosome names belong to {by_contigs}; correct \
         one of them"
    )]
    BuildOfNames {
        /// Build of the header.
        stated: GenomeBuild,
        /// Build of the chromosome names.
        by_contigs: GenomeBuild,
    },
    /// Two genome builds by chromosome names.
    #[error(
        "chromosome `{first}` is on {first_build}, but `{second}` is on {second_build}; give a \
         score on one build"
    )]
    TwoBuilds {
        /// A chromosome.
        first: String,
        /// Its build.
        first_build: GenomeBuild,
        /// Another chromosome.
        second: String,
        /// Its build.
        second_build: GenomeBuild,
    },
    /// Rows without the weight of one allele at one position.
    #[error(
        "none of the {n_rows} rows of {id}, starting at line {first_line}, can be used \
         ({reasons}). Give weights of alleles with positions, as in the harmonised files of the \
         PGS Catalog"
    )]
    NoUsableRow {
        /// Number of rows.
        n_rows: usize,
        /// The score.
        id: String,
        /// 1-based line of the first row.
        first_line: usize,
        /// Number of rows by reason.
        reasons: String,
    },
}

/// A line below the column names that is not a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecondHeader {
    /// A comment.
    #[error("begins with `#` below the column names")]
    Comment,
    /// The column names again.
    #[error("repeats the column names")]
    ColumnNames,
}

impl Unusable {
    /// The value in the column `reason` of the match log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Haplotype => "haplotype",
            Self::Interaction => "interaction",
            Self::Hla => "hla",
            Self::EffectType => "effect-type",
            Self::NoWeight => "no-weight",
            Self::NoPosition => "no-position",
            Self::Allele => "allele",
        }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// One row of a scoring file.
///
/// A file may have millions of rows. [`PlSmallStr`] stores short names and alleles inline, without
/// an allocation for each.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightRow {
    /// Chromosome as the file names it.
    pub chr_name: PlSmallStr,
    /// Position.
    pub chr_position: Option<Position1>,
    /// The allele whose copies are weighted, in upper case.
    pub effect_allele: PlSmallStr,
    /// The other allele, in upper case, if the file gives it.
    pub other_allele: Option<PlSmallStr>,
    /// Effect of the copies of the effect allele.
    pub effect: Effect,
    /// Frequency of the effect allele in the samples of the study, if the file gives it.
    pub frequency: Option<f64>,
    /// Why the row cannot be used, if so.
    pub unusable: Option<Unusable>,
}

/// A published score.
#[derive(Clone, Debug)]
pub struct ScoringFile {
    /// The file that contains the score.
    pub path: PathBuf,
    /// `#pgs_id` (or `#omicspred_id`), else the accession of its rows, else the name of the file.
    pub id: String,
    /// `#pgs_name`.
    pub name: Option<String>,
    /// `#trait_reported`.
    pub trait_reported: Option<String>,
    /// The study that made it: `#citation`, else `#pgp_id`.
    pub study: Option<String>,
    /// Build of the positions used, `None` for `NR` or when not given.
    pub genome_build: Option<GenomeBuild>,
    /// The build that the header states, if this program does not know it.
    pub unknown_build: Option<String>,
    /// The program that uses these column names, and its effect allele, in words.
    pub format: Option<String>,
    /// The positions are those of `hm_chr` and `hm_pos`.
    pub harmonised: bool,
    /// The `#` lines above the table, byte for byte.
    pub header: String,
    /// Rows in the order of the file.
    pub rows: Vec<WeightRow>,
    /// Oddities that do not prevent reading.
    pub warnings: Vec<String>,
}

/// The column of the effect allele in a table with `A1` and `A2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EffectColumn {
    /// As PLINK, `PRSice` and `LDpred` write it.
    A1,
    /// As `MungeSumstats` writes it.
    A2,
}

impl ScoringFile {
    /// Reads the scores of a file, most often one.
    ///
    /// Positions are taken from `hm_chr` and `hm_pos` if the file is harmonised. A table with `A1`
    /// and `A2` does not name its effect allele; `effect_column` then has to.
    ///
    /// # Errors
    /// - A file that cannot be read.
    /// - No columns of the effect allele, weight or position (for example files with rsIDs only).
    /// - A weight or position that is not a number; the message has the line number.
    /// - A score without any row that can be used.
    pub fn read(path: &Path, effect_column: Option<EffectColumn>) -> Result<Vec<Self>, Error> {
        let text = read_text(path)?;
        let sections = Sections::of(&text);
        sections
            .require_weight_table()
            .map_err(|problem| Error::scoring_file(path, problem))?;
        let table = WeightTable::read(&sections, effect_column)
            .map_err(|problem| Error::scoring_file(path, problem))?;
        let rows = read_rows(path, &table)?;
        let mut scores = split_into_scores(path, &sections, &table, rows)?;
        let is_one_score = scores.len() == 1;
        scores[0].warnings = warnings(&sections.header, &table, is_one_score)
            .into_iter()
            .map(|warning| format!("{}: {warning}", path.display()))
            .collect();
        scores
            .iter()
            .try_for_each(|score| require_usable(path, score, table.first_line))?;
        Ok(scores)
    }
}

/// Reads a file as text with one byte between cells, a name for every column and decimal points.
fn read_text(path: &Path) -> Result<String, Error> {
    let text = text::read(path)?;
    let sections = Sections::of(&text);
    let mut changed_table = None;
    let separator = separator(sections.first_line()).unwrap_or_else(|| {
        // Cells are aligned with blanks: polars needs one separator between two cells.
        let lines: Vec<String> = sections
            .table
            .trim_end()
            .lines()
            .map(text::blanks_as_tabs)
            .collect();
        changed_table = Some(lines.join("\n"));
        b'\t'
    });
    for change in [text::named_row_numbers, text::with_decimal_points] {
        let table = changed_table.as_deref().unwrap_or(sections.table);
        changed_table = change(path, table, separator).or(changed_table);
    }
    match changed_table {
        Some(table) => Ok([sections.above, &table].concat()),
        None => Ok(text),
    }
}

/// The text of a file, divided into the `#` lines and the table.
struct Sections<'t> {
    header: Header<'t>,
    /// Everything above the table, byte for byte.
    above: &'t str,
    /// Number of lines above the table.
    n_lines_above: usize,
    /// The line of column names and the rows; PRS-CS writes rows only.
    table: &'t str,
    /// The table is one of PRS-CS, without column names.
    is_prs_cs: bool,
}

impl<'t> Sections<'t> {
    /// Divides a text. The line of column names may start with `#`, as in `#CHROM<tab>POS`.
    fn of(text: &'t str) -> Self {
        let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut header = HashMap::new();
        let mut n_lines_above = 0;
        while rest.starts_with('#') {
            let (line, next_lines) = rest.split_once('\n').unwrap_or((rest, ""));
            if let Some((key, value)) = line.trim_start_matches('#').split_once('=') {
                header.insert(header_key(key), value.trim());
            } else if !line.starts_with("##") && line.trim().contains('\t') {
                rest = &rest[1..];
                break;
            }
            rest = next_lines;
            n_lines_above += 1;
        }
        Self {
            header: Header(header),
            above: &text[..text.len() - rest.len()],
            n_lines_above,
            table: rest,
            is_prs_cs: dialect::is_prs_cs(rest.lines().next().unwrap_or_default()),
        }
    }

    /// The first line of the table; empty without a table.
    fn first_line(&self) -> &'t str {
        self.table.lines().next().unwrap_or_default()
    }

    /// Checks that the text is one table of weights: column names, then at least one row.
    fn require_weight_table(&self) -> Result<(), ScoringFileProblem> {
        if self.table.trim().is_empty() {
            return Err(ScoringFileProblem::NoTable);
        }
        if !self.is_prs_cs
            && let Some(name) = repeated_column(self.first_line())
        {
            return Err(ScoringFileProblem::ColumnTwice { name });
        }
        if let Some((line, kind)) = second_header(self.table) {
            let line = self.n_lines_above + line;
            return Err(ScoringFileProblem::SecondHeader { line, kind });
        }
        if self.above.starts_with("##fileformat=VCF") {
            return Err(ScoringFileProblem::Vcf);
        }
        let n_lines = self.table.trim_end().lines().count();
        if !self.is_prs_cs && n_lines == 1 {
            return Err(ScoringFileProblem::NoRows);
        }
        Ok(())
    }
}

/// The `#key=value` lines.
struct Header<'t>(HashMap<String, &'t str>);

impl Header<'_> {
    /// The value of a key; `None` if it is absent or empty.
    fn value(&self, key: &str) -> Option<String> {
        self.0
            .get(key)
            .filter(|value| !value.is_empty())
            .map(|value| (*value).to_owned())
    }

    /// The build of the positions used, or the text that names an unknown build.
    fn genome_build(&self, is_harmonised: bool) -> Option<Result<GenomeBuild, String>> {
        let key = if is_harmonised {
            "hmpos_build"
        } else {
            "genome_build"
        };
        let text = self
            .value(key)
            .filter(|text| !is_missing(text) && !text.eq_ignore_ascii_case("not reported"))?;
        Some(text.parse().map_err(|_| text))
    }
}

/// A header key as in version 2 of the PGS Catalog format, in lower case. Version 1 has different
/// names and blanks, as in `# Original Genome Build = hg19`.
fn header_key(key: &str) -> String {
    let key = key.trim().to_ascii_lowercase().replace([' ', '-'], "_");
    match key.as_str() {
        "original_genome_build" => "genome_build".to_owned(),
        "number_of_variants" => "variants_number".to_owned(),
        "reported_trait" => "trait_reported".to_owned(),
        _ => key,
    }
}

/// The used columns of a table.
struct WeightTable {
    columns: Columns,
    n_rows: usize,
    /// 1-based line number of the first row in the file.
    first_line: usize,
    is_prs_cs: bool,
}

impl WeightTable {
    /// Parses the table and finds its columns.
    fn read(
        sections: &Sections<'_>,
        effect_column: Option<EffectColumn>,
    ) -> Result<Self, ScoringFileProblem> {
        let is_prs_cs = sections.is_prs_cs;
        let frame = if is_prs_cs {
            parse_table(&[dialect::PRS_CS_HEADER, sections.table].concat())
        } else {
            parse_table(sections.table)
        };
        let frame = frame.map_err(|error| {
            ragged_line(sections).unwrap_or(ScoringFileProblem::NotTable(error))
        })?;
        // `Columns` has copies of the columns, so the frame's memory is free for the rows.
        let columns = Columns::find(&frame, effect_column)?;
        let n_name_lines = usize::from(!is_prs_cs);
        Ok(Self {
            columns,
            n_rows: frame.height(),
            first_line: sections.n_lines_above + n_name_lines + 1,
            is_prs_cs,
        })
    }

    /// Row numbers, without the rows of an association study that test no allele.
    fn allele_rows(&self) -> impl Iterator<Item = usize> {
        (0..self.n_rows).filter(|&row| self.columns.other_test(row).is_none())
    }

    /// The program that uses these column names, and its effect allele, in words.
    fn format(&self) -> Option<String> {
        if self.is_prs_cs {
            Some("columns of PRS-CS: the fourth is the effect allele".into())
        } else {
            self.columns.format()
        }
    }
}

/// Parses a table with every column as text.
///
/// [`Columns`] decides column by column what is a number, because it knows the line number for the
/// message.
fn parse_table(table: &str) -> polars::prelude::PolarsResult<DataFrame> {
    let table = table.trim_end();
    let names = table.lines().next().unwrap_or_default();
    let separator = separator(names);
    // In a table with tabs a quotation mark may be part of a name; a spreadsheet puts them around
    // whole cells.
    let is_quoted = separator != Some(b'\t')
        || table
            .lines()
            .any(|line| line.starts_with('"') || line.contains("\t\""));
    let quote = is_quoted.then_some(b'"');
    CsvReadOptions::default()
        .with_has_header(true)
        // No schema inference: all columns are text.
        .with_infer_schema_length(Some(0))
        .map_parse_options(|options| {
            options
                .with_separator(separator.unwrap_or(b'\t'))
                .with_quote_char(quote)
        })
        .into_reader_with_file_handle(Cursor::new(table.as_bytes()))
        .finish()
}

/// Reads the rows that are effects of alleles, in parallel. Of several errors the first one in the
/// file is returned.
fn read_rows(path: &Path, table: &WeightTable) -> Result<Vec<WeightRow>, Error> {
    let rows: Vec<Result<WeightRow, Error>> = (0..table.n_rows)
        .into_par_iter()
        .filter(|&row| table.columns.other_test(row).is_none())
        .map(|row| {
            let line = (table.first_line + row) as u64;
            table
                .columns
                .row(row)
                .map_err(|problem| Error::scoring_line(path, line, problem))
        })
        .collect();
    rows.into_iter().collect()
}

/// Divides the rows of a file into scores: one score, or one for each accession.
fn split_into_scores(
    path: &Path,
    sections: &Sections<'_>,
    table: &WeightTable,
    rows: Vec<WeightRow>,
) -> Result<Vec<ScoringFile>, Error> {
    let columns = &table.columns;
    let metadata = FileMetadata::new(path, sections, table, &rows)?;
    if rows.is_empty() {
        return Err(Error::scoring_file(path, ScoringFileProblem::NoAlleleRow));
    }
    let header = &sections.header;
    let id = header
        .value("pgs_id")
        .or_else(|| header.value("omicspred_id"));
    if let Some(id) = id {
        return Ok(vec![metadata.score(id, rows)]);
    }
    if !columns.has_accessions() {
        return Ok(vec![metadata.score(file_stem(path), rows)]);
    }
    let mut rows_by_accession: Vec<(&str, Vec<WeightRow>)> = Vec::new();
    let accessions = table.allele_rows().map(|row| columns.accession(row));
    for (row, accession) in rows.into_iter().zip(accessions) {
        // Rows of one accession are adjacent as a rule: the search begins with the latest.
        match rows_by_accession
            .iter_mut()
            .rev()
            .find(|(name, _)| *name == accession)
        {
            Some((_, rows)) => rows.push(row),
            None => rows_by_accession.push((accession, vec![row])),
        }
    }
    let scores = rows_by_accession.into_iter().map(|(accession, rows)| {
        let id = if accession.is_empty() {
            file_stem(path)
        } else {
            accession.to_owned()
        };
        metadata.score(id, rows)
    });
    Ok(scores.collect())
}

/// Metadata that all scores of one file share.
struct FileMetadata<'f> {
    path: &'f Path,
    sections: &'f Sections<'f>,
    /// From the header, else from the names of the contigs.
    genome_build: Option<GenomeBuild>,
    unknown_build: Option<String>,
    harmonised: bool,
    format: Option<String>,
}

impl<'f> FileMetadata<'f> {
    /// Reads the header.
    ///
    /// # Errors
    /// The header and the names of the contigs disagree about the genome build.
    fn new(
        path: &'f Path,
        sections: &'f Sections<'f>,
        table: &WeightTable,
        rows: &[WeightRow],
    ) -> Result<Self, Error> {
        let harmonised = table.columns.harmonised;
        let stated_build = sections.header.genome_build(harmonised);
        let contigs_build = build_of_contigs(path, rows)?;
        if let Some(by_contigs) = contigs_build
            && let Some(Ok(stated)) = stated_build
            && by_contigs != stated
        {
            let problem = ScoringFileProblem::BuildOfNames { stated, by_contigs };
            return Err(Error::scoring_file(path, problem));
        }
        Ok(Self {
            path,
            sections,
            genome_build: stated_build
                .as_ref()
                .and_then(|stated| stated.clone().ok())
                .or(contigs_build),
            unknown_build: stated_build.and_then(Result::err),
            harmonised,
            format: table.format(),
        })
    }

    /// A score of this file, without warnings.
    fn score(&self, id: String, rows: Vec<WeightRow>) -> ScoringFile {
        let header = &self.sections.header;
        ScoringFile {
            path: self.path.into(),
            id,
            name: header.value("pgs_name"),
            trait_reported: header.value("trait_reported"),
            study: header.value("citation").or_else(|| header.value("pgp_id")),
            genome_build: self.genome_build,
            unknown_build: self.unknown_build.clone(),
            format: self.format.clone(),
            harmonised: self.harmonised,
            header: self.sections.above.to_owned(),
            rows,
            warnings: Vec::new(),
        }
    }
}

/// The genome build of a score whose chromosomes are named by NCBI accessions.
fn build_of_contigs(path: &Path, rows: &[WeightRow]) -> Result<Option<GenomeBuild>, Error> {
    let mut first_build: Option<(GenomeBuild, &str)> = None;
    for contig_rows in rows.chunk_by(|a, b| a.chr_name == b.chr_name) {
        let name = contig_rows[0].chr_name.as_str();
        let Some(build) = contig_build(name) else {
            continue;
        };
        match first_build {
            Some((earlier_build, earlier_name)) if earlier_build != build => {
                let problem = ScoringFileProblem::TwoBuilds {
                    first: earlier_name.to_string(),
                    first_build: earlier_build,
                    second: name.to_string(),
                    second_build: build,
                };
                return Err(Error::scoring_file(path, problem));
            }
            _ => first_build = Some((build, name)),
        }
    }
    Ok(first_build.map(|(build, _)| build))
}

/// Warnings about oddities that do not prevent reading.
fn warnings(header: &Header<'_>, table: &WeightTable, is_one_score: bool) -> Vec<String> {
    let columns = &table.columns;
    let n_rows = table.n_rows;
    let mut warnings = Vec::new();
    let stated_n_rows: Option<usize> = header
        .value("variants_number")
        .and_then(|text| text.parse().ok());
    if let Some(n) = stated_n_rows.filter(|n| is_one_score && *n != n_rows) {
        warnings.push(format!(
            "#variants_number is {n}, but the file has {}: is the file complete?",
            counted(n_rows, "row", "rows")
        ));
    }
    let weight_type = header.value("weight_type");
    if let Some(kind) = weight_type.filter(|kind| is_ratio(kind)) {
        warnings.push(format!(
            "#weight_type is {kind}; the weights are used unchanged"
        ));
    }
    warnings.extend(columns.several_weights());
    let n_reverse = (0..n_rows).filter(|&row| columns.is_reverse(row)).count();
    if n_reverse > 0 {
        warnings.push(format!(
            "the alleles of {} are converted to the forward strand, because the column `strand` \
             states the reverse strand",
            counted(n_reverse, "row", "rows")
        ));
    }
    warnings.extend(other_tests(columns, n_rows));
    let unknown_flags = columns
        .unknown_flags()
        .map(|column| format!("the column `{column}` is unknown and is not read"));
    warnings.extend(unknown_flags);
    warnings
}

/// Whether a weight type is an odds or hazard ratio, not its logarithm.
fn is_ratio(weight_type: &str) -> bool {
    weight_type.eq_ignore_ascii_case("or") || weight_type.eq_ignore_ascii_case("hr")
}

/// Warning about rows that test no allele, such as covariates in a table of PLINK 2.
fn other_tests(columns: &Columns, n_rows: usize) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for test in (0..n_rows).filter_map(|row| columns.other_test(row)) {
        *counts.entry(test).or_default() += 1;
    }
    let n: usize = counts.values().sum();
    let names: Vec<&str> = counts.into_keys().take(5).collect();
    (n > 0).then(|| {
        format!(
            "{n} rows are left out, because their TEST is not an effect of an allele ({})",
            names.join(", ")
        )
    })
}

/// Refuses a score without any row that can be used.
fn require_usable(path: &Path, score: &ScoringFile, first_line: usize) -> Result<(), Error> {
    if score.rows.iter().any(|row| row.unusable.is_none()) {
        return Ok(());
    }
    let mut counts: BTreeMap<Unusable, usize> = BTreeMap::new();
    for reason in score.rows.iter().filter_map(|row| row.unusable) {
        *counts.entry(reason).or_default() += 1;
    }
    let reasons: Vec<String> = counts
        .iter()
        .map(|(reason, n)| format!("{reason} {n}"))
        .collect();
    let problem = ScoringFileProblem::NoUsableRow {
        n_rows: score.rows.len(),
        id: score.id.clone(),
        first_line,
        reasons: reasons.join(", "),
    };
    Err(Error::scoring_file(path, problem))
}

/// A comment, or the column names again, below the column names: the 1-based number of the line in
/// the table, and its kind.
fn second_header(table: &str) -> Option<(usize, SecondHeader)> {
    let mut lines = table.lines();
    let names = lines.next()?;
    lines.enumerate().find_map(|(index, line)| {
        // `#N/A` is a missing cell of a spreadsheet, not a comment.
        let is_missing_cell = line.starts_with("#N");
        let finding = if line.starts_with('#') && !is_missing_cell {
            SecondHeader::Comment
        } else if line == names {
            SecondHeader::ColumnNames
        } else {
            return None;
        };
        Some((index + 2, finding))
    })
}

/// The first column name that occurs twice, compared and returned in lower case.
fn repeated_column(names_line: &str) -> Option<String> {
    let names: Vec<String> = match separator(names_line) {
        Some(byte) => names_line
            .split(char::from(byte))
            .map(|name| text::unquoted(name).to_lowercase())
            .collect(),
        None => names_line
            .split_whitespace()
            .map(str::to_lowercase)
            .collect(),
    };
    names
        .iter()
        .enumerate()
        .find(|(index, name)| !name.is_empty() && names[..*index].contains(name))
        .map(|(_, name)| name.clone())
}

/// The byte between the cells; `None` if they are separated by blanks.
fn separator(names_line: &str) -> Option<u8> {
    [b'\t', b',', b';']
        .into_iter()
        .find(|&separator| names_line.as_bytes().contains(&separator))
}

/// Describes the first line with more cells than column names. PRS-CS has no column names to
/// compare with.
fn ragged_line(sections: &Sections<'_>) -> Option<ScoringFileProblem> {
    if sections.is_prs_cs {
        return None;
    }
    let table = sections.table.trim_end();
    let names_line = table.lines().next()?;
    let separator = separator(names_line)?;
    let n_names = count_cells(names_line, separator);
    let (index, n_cells) = table
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| (index, count_cells(line, separator)))
        .find(|(_, n_cells)| *n_cells > n_names)?;
    Some(ScoringFileProblem::RaggedLine {
        line: sections.n_lines_above + index + 1,
        n_cells,
        n_names,
    })
}

/// Number of cells of a line, which may end with a carriage return.
fn count_cells(line: &str, separator: u8) -> usize {
    text::count_cells(line.trim_end_matches('\r'), separator).0
}

/// Name of a file without its extension and without `.gz`.
fn file_stem(path: &Path) -> String {
    let file_name = path.file_name().unwrap_or_default().to_string_lossy();
    let uncompressed = file_name.strip_suffix(".gz").unwrap_or(&file_name);
    uncompressed
        .rsplit_once('.')
        .map_or(uncompressed, |(stem, _)| stem)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use super::*;
    use crate::scoring::testing::shared_data;
    use gf_genotypes::contig_key;

    const TABLE: &str = "#pgs_id=PGS1\n#genome_build=hg19\nchr_name\tchr_position\teffect_allele\
                         \tother_allele\teffect_weight\n";

    #[test]
    fn tables_without_rows_or_with_a_cell_too_many_are_refused_with_the_line() {
        let names = "chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n";
        let header = format!("#pgs_id=X\n{names}");
        let no_rows = refusal(&header);
        assert!(
            no_rows.contains("no rows below the line of column names"),
            "{no_rows}"
        );
        let ragged = refusal(&format!("{header}1\t5\tA\tG\t0.1\n1\t6\tA\tG\t0.1\t7\n"));
        assert!(
            ragged.contains("line 4: 6 cells, but the header has 5"),
            "{ragged}"
        );
        let joined = refusal(&format!(
            "{header}1\t5\tA\tG\t0.1\n#pgs_id=Y\n1\t6\tA\tG\t0.1\n"
        ));
        assert!(joined.contains("line 4 begins with `#`"), "{joined}");
        let joined = refusal(&format!(
            "{header}1\t5\tA\tG\t0.1\n{names}1\t6\tA\tG\t0.1\n"
        ));
        assert!(
            joined.contains("line 4 repeats the column names"),
            "{joined}"
        );
    }

    #[test]
    fn alleles_of_the_reverse_strand_are_read_from_the_other_one() {
        let table = "chr\tpos\teffect_allele\tother_allele\teffect_weight\tstrand\teaf\n\
                     1\t5\tA\tT\t0.5\t-\t#NA\n1\t6\tA\tC\t0.5\t-\t0.1\n1\t7\tA\tC\t1\t+\t0.1\n";
        let file = read("s.txt", table).unwrap();
        let alleles: Vec<String> = file
            .rows
            .iter()
            .map(|row| {
                format!(
                    "{}{}",
                    row.effect_allele,
                    row.other_allele.as_deref().unwrap_or("")
                )
            })
            .collect();
        assert_eq!(alleles, ["TA", "TG", "AC"]);
        assert!(
            file.warnings[0].contains("alleles of 2 rows"),
            "{:?}",
            file.warnings
        );
    }

    #[test]
    fn row_names_of_r_are_no_column_of_a_score() {
        let names = "\"chr\" \"pos\" \"A1\" \"A2\" \"beta\"\n";
        let rows = "\"1\" 1 5 \"A\" \"G\" 0.5\n\"2\" 1 9 \"C\" \"T\" -1\n";
        let file = one(read_r_table(&format!("{names}{rows}")).unwrap());
        let alleles: Vec<(Option<Position1>, &str)> = file
            .rows
            .iter()
            .map(|row| (row.chr_position, row.effect_allele.as_str()))
            .collect();
        assert_eq!(
            alleles,
            [(Position1::new(5), "A"), (Position1::new(9), "C")]
        );
        let rows_named_by_variant = rows.replace("\"2\"", "\"rs2\"");
        let message = read_r_table(&format!("{names}{rows_named_by_variant}"))
            .unwrap_err()
            .to_string();
        assert!(message.contains("row.names=FALSE"), "{message}");
    }

    #[test]
    fn the_header_of_version_1_says_the_same_as_that_of_version_2() {
        let rows = "chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n\
                    1\t5\tA\tG\t0.5\n";
        let header = "# PGS ID = PGS000001\n# Reported Trait = AD\n\
                      # Original Genome Build = hg19\n# Number of Variants = 60\n";
        let score = read("s.txt", &format!("{header}{rows}")).unwrap();
        assert_eq!(
            (score.id.as_str(), score.trait_reported.as_deref()),
            ("PGS000001", Some("AD"))
        );
        assert_eq!(score.genome_build, Some(GenomeBuild::GRCh37));
        assert!(
            score.warnings[0].contains("#variants_number is 60"),
            "{:?}",
            score.warnings
        );
    }

    #[test]
    fn a_table_with_effects_before_and_after_shrinkage_asks_which_are_the_weights() {
        let text = "chr pos a0 a1 beta beta_se n_eff beta_inf beta_auto\n\
                    1 5 G A 0.7 0.1 1000 0.2 0.1\n";
        let message = read("s.txt", text).unwrap_err().to_string();
        assert!(
            message.contains("`beta`, `beta_inf`, `beta_auto`"),
            "{message}"
        );
        assert!(message.contains("effect_weight"), "{message}");
    }

    #[test]
    fn harmonised_files_of_the_gwas_catalog_are_read_by_their_harmonised_columns() {
        let text = "hm_chrom\thm_pos\thm_other_allele\thm_effect_allele\thm_beta\tchromosome\t\
                    base_pair_location\teffect_allele\tother_allele\tbeta\n\
                    1\t12\tG\tA\t0.5\t1\t5\tG\tA\t-0.5\n";
        let score = read("s.tsv", text).unwrap();
        let row = &score.rows[0];
        assert!(score.harmonised);
        assert_eq!(
            (row.chr_position, row.effect_allele.as_str()),
            (Position1::new(12), "A")
        );
        let Effect::Additive(weight) = row.effect else {
            panic!("{:?}", row.effect)
        };
        assert!((weight - 0.5).abs() < 1e-12);
    }

    #[test]
    fn of_two_columns_of_weights_the_one_that_is_read_is_named() {
        let text =
            "chr_name,chr_position,effect_allele,other_allele,weight,beta\n1,5,A,G,0.5,0.25\n";
        let score = read("s.csv", text).unwrap();
        let Effect::Additive(weight) = score.rows[0].effect else {
            panic!("{:?}", score.rows[0].effect)
        };
        assert!((weight - 0.25).abs() < 1e-12);
        assert!(
            score.warnings[0]
                .contains("weights are read from the column `beta`, and not from weight"),
            "{:?}",
            score.warnings
        );
    }

    #[test]
    fn header_and_rows_are_read_and_windows_line_ends_do_not_matter() {
        let file = read(
            "a.txt",
            &format!("{TABLE}19\t45411941\tc\tT\t-1.5e-1\n").replace('\n', "\r\n"),
        )
        .unwrap();
        assert_eq!(
            (file.id.as_str(), file.genome_build, file.harmonised),
            ("PGS1", Some(GenomeBuild::GRCh37), false)
        );
        let row = &file.rows[0];
        assert_eq!(
            (row.chr_name.as_str(), row.chr_position, row.effect),
            ("19", Position1::new(45_411_941), Effect::Additive(-0.15))
        );
        assert_eq!(
            (
                row.effect_allele.as_str(),
                row.other_allele.as_deref(),
                row.unusable
            ),
            ("C", Some("T"), None)
        );
    }

    #[test]
    fn gzip_of_several_members_is_read_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("score.x.txt.gz");
        let mut bytes = Vec::new();
        for part in [TABLE, "1\t5\tA\tG\t1\n", "1\t6\tA\tG\t1\n"] {
            let mut member = flate2::write::GzEncoder::new(&mut bytes, flate2::Compression::fast());
            member.write_all(part.as_bytes()).unwrap();
            member.finish().unwrap();
        }
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(one(ScoringFile::read(&path, None).unwrap()).rows.len(), 2);
        assert_eq!(file_stem(&path), "score.x");
    }

    #[test]
    fn a_column_that_is_there_twice_is_refused() {
        for names in [
            "chr_name\tchr_position\teffect_allele\tBETA\tbeta",
            "chr_name,chr_position,effect_allele,\"beta\",beta",
        ] {
            let message = read("a.txt", &format!("{names}\n"))
                .unwrap_err()
                .to_string();
            assert!(message.contains("column `beta` occurs twice"), "{message}");
        }
    }

    #[test]
    fn a_bad_weight_or_position_is_named_with_its_line() {
        let message = read("a.txt", &format!("{TABLE}1\t5\tA\tG\t1\n1\t6\tA\tG\tx\n"))
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("line 5") && message.contains("effect_weight `x`"),
            "{message}"
        );
        let message = read("a.txt", &format!("{TABLE}1\t5k\tA\tG\t1\n"))
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("line 4") && message.contains("`5k`"),
            "{message}"
        );
    }

    #[test]
    fn files_that_cannot_be_used_say_why() {
        for (text, expected) in [
            ("#pgs_id=X\n", "no table"),
            (
                "rsID\teffect_allele\teffect_weight\nrs1\tA\t1\n",
                "harmonised",
            ),
            (
                "chr_name\tchr_position\teffect_allele\tdosage_1_weight\n1\t5\tA\t1\n",
                "no column `effect_weight`",
            ),
            ("CHR BP A1 A2 BETA\n1 5 A C 1\n", "--effect-allele-column"),
            ("chr,pos,effect_allele,or\n1,5,A,-1\n", "odds ratio -1 is"),
            (
                "chr,pos,effect_allele,beta,eaf\n1,5,A,1,1.5\n",
                "between 0 and 1",
            ),
            (
                "chr_name\tchr_position\teffect_allele\n1\t5\tA\n",
                "no column `effect_weight`",
            ),
            (
                "chr_name\tchr_position\teffect_allele\teffect_weight\teffect_type\n1\t5\tA\t1\
                 \todd\n",
                "none of the 1 rows of a, starting at line 2, can be used (effect-type 1)",
            ),
        ] {
            let message = read("a.txt", text).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn files_of_the_pgs_catalog_are_read() {
        let Some(folder) = shared_data("pgs-catalog") else {
            return;
        };
        for expected in CATALOG_FILES {
            let name = expected.name;
            let file = one(ScoringFile::read(&folder.join(name), None).unwrap());
            assert_eq!(file.rows.len(), expected.n_rows, "{name}");
            assert_eq!(usable(&file), expected.n_usable, "{name}");
            assert_eq!(file.id, expected.id, "{name}");
            assert_eq!(file.genome_build, expected.build, "{name}");
        }
    }

    #[test]
    fn broken_files_of_the_pgs_catalog_are_refused() {
        let Some(folder) = shared_data("pgs-catalog") else {
            return;
        };
        for (name, expected) in [
            ("core/PGS000001.txt.gz", "harmonised"),
            ("core/PGS000002.txt.gz", "harmonised"),
            ("core/bad_harmonised.txt", "no-position"),
            ("core/invalid_scorefile.txt", "no column `chr_position`"),
            (
                "core/complex_variants_PGS000021.txt",
                "no column `chr_position`",
            ),
        ] {
            let message = ScoringFile::read(&folder.join(name), None)
                .unwrap_err()
                .to_string();
            assert!(message.contains(expected), "{name}: {message}");
        }
    }

    #[test]
    fn alzheimer_scores_are_read() {
        let Some(folder) = shared_data("ad-scores") else {
            return;
        };
        // Rows: grep -vc '^#' FILE, less the header.
        for (name, rows) in [
            ("AD_Bellenguez2022_GRS83.grch38.txt", 83),
            ("AD_Bellenguez2022_lead.grch37.txt", 84),
            ("AD_Bellenguez2022_lead.grch38.txt", 84),
            ("AD_Jansen2019_lead.grch37.txt", 29),
            ("AD_Kunkle2019_lead.grch37.txt", 26),
            ("AD_Lambert2013_lead.grch37.txt", 19),
        ] {
            let file = one(ScoringFile::read(&folder.join(name), None).unwrap());
            assert_eq!((file.rows.len(), usable(&file)), (rows, rows), "{name}");
            assert!(file.genome_build.is_some() && file.id.starts_with("CUSTOM_"));
            assert!(file.study.is_some() && file.rows.iter().all(|row| row.frequency.is_some()));
        }
        // The same studies as plain tables, with A1 and A2: the option names the effect allele.
        for (name, rows, n_usable) in [
            ("bellenguez_clean_loci.grch38.csv", 84, 84),
            ("bellenguez_loci.csv", 84, 84),
            ("jansen_loci.csv", 29, 29),
            ("kunkle_loci.csv", 26, 26),
            ("lambert_loci.csv", 19, 19),
            ("marioni_loci.csv", 26, 26),
            ("wightman_loci.csv", 38, 38),
            // Five APOE genotypes.
            ("other_loci.csv", 6, 1),
        ] {
            let path = folder.join("ADGenetics").join(name);
            assert!(
                ScoringFile::read(&path, None)
                    .unwrap_err()
                    .to_string()
                    .contains("--effect-allele-column")
            );
            let file = one(ScoringFile::read(&path, Some(EffectColumn::A2)).unwrap());
            assert_eq!((file.rows.len(), usable(&file)), (rows, n_usable), "{name}");
        }
        let plain_path = folder.join("ADGenetics/kunkle_loci.csv");
        let plain = one(ScoringFile::read(&plain_path, Some(EffectColumn::A2)).unwrap());
        let catalog_path = folder.join("AD_Kunkle2019_lead.grch37.txt");
        let catalog = one(ScoringFile::read(&catalog_path, None).unwrap());
        for (plain_row, catalog_row) in plain.rows.iter().zip(&catalog.rows) {
            assert_eq!(variant(plain_row), variant(catalog_row));
        }
    }

    #[test]
    fn dominant_recessive_and_dosage_weights_are_effects() {
        let table = "chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\
                     \tis_dominant\tis_recessive\n";
        let file = read(
            "a.txt",
            &format!(
                "{table}1\t5\tA\tG\t2\tTrue\tFalse\n1\t6\tA\tG\t2\tFALSE\tTRUE\n1\t7\tA\tG\t2\
                 \tTrue\tTrue\n"
            ),
        )
        .unwrap();
        assert_eq!(
            [file.rows[0].effect, file.rows[1].effect],
            [Effect::Dominant(2.0), Effect::Recessive(2.0)]
        );
        assert_eq!(
            file.rows.iter().map(|row| row.unusable).collect::<Vec<_>>(),
            [None, None, Some(Unusable::EffectType)]
        );
        let table = "chr_name\tchr_position\teffect_allele\tdosage_0_weight\tdosage_1_weight\
                     \tdosage_2_weight\n1\t5\tA\t-1\t0\t3\n";
        assert_eq!(
            read("a.txt", table).unwrap().rows[0].effect,
            Effect::PerDosage([-1.0, 0.0, 3.0])
        );
    }

    #[test]
    fn tables_of_other_dialects_are_read() {
        let expected = WeightRow {
            chr_name: "1".into(),
            chr_position: Position1::new(5),
            effect_allele: "A".into(),
            other_allele: Some("G".into()),
            effect: Effect::Additive(0.5),
            frequency: Some(0.25),
            unusable: None,
        };
        for text in [
            "chromosome\tbase_pair_location\teffect_allele\tother_allele\tbeta\
             \teffect_allele_frequency\n1\t5\tA\tG\t0.5\t0.25\n",
            "#CHROM\tPOS\tEA\tNEA\tBETA\tEAF\n1\t5\ta\tg\t0.5\t0.25\n",
            "  CHR   BP  EA NEA  BETA  EAF\n    1    5   A   G   0.5 0.25\n",
            "gene,chr,pos,effect_allele,other_allele,weight,eaf\n\"a, b\",1,5,A,G,0.5,0.25\n",
        ] {
            assert_eq!(
                read("a.txt", text).unwrap().rows,
                std::slice::from_ref(&expected),
                "{text}"
            );
        }
        let ratio = read("a.txt", "chr,pos,effect_allele,OR\n1,5,A,1.5\n").unwrap();
        assert_eq!(ratio.rows[0].effect, Effect::Additive(1.5_f64.ln()));
    }

    /// The same three variants in the table of each program: G of 1:100 (0.5), T of 1:200
    /// (-0.25) and C of X:300 (1).
    #[test]
    fn tables_of_every_program_are_read_without_renaming_columns() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/scoring-files");
        let mut n_files = 0;
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let file =
                one(ScoringFile::read(&path, None).unwrap_or_else(|error| panic!("{error}")));
            let expected = [
                ("1", 100, "G", "A", 0.5, 0.25),
                ("1", 200, "T", "C", -0.25, 0.5),
                ("X", 300, "C", "A", 1.0, 0.125),
            ];
            assert_eq!((file.rows.len(), usable(&file)), (3, 3), "{name}");
            for (row, (contig, position, effect, other, weight, frequency)) in
                file.rows.iter().zip(expected)
            {
                let alleles = (row.effect_allele.as_str(), row.other_allele.as_deref());
                assert_eq!(
                    (contig_key(&row.chr_name), row.chr_position),
                    (contig, Position1::new(position)),
                    "{name}"
                );
                assert_eq!(alleles, (effect, Some(other)), "{name}");
                assert!(
                    (row.effect.weights()[1] - weight).abs() < 1e-9,
                    "{name}: {:?}",
                    row.effect
                );
                assert!(
                    row.frequency
                        .is_none_or(|stated| (stated - frequency).abs() < 1e-9),
                    "{name}"
                );
            }
            let has_catalog_names = name.starts_with("pgs-catalog") || name.starts_with("gwas-ssf");
            assert_eq!(
                file.format.is_none(),
                has_catalog_names,
                "{name}: {:?}",
                file.format
            );
            n_files += 1;
        }
        assert!(n_files >= 19, "{n_files}");
    }

    #[test]
    fn an_option_overrules_what_a_table_looks_like() {
        let text = "MarkerName\tChr\tPos\tAllele1\tAllele2\tEffect\nrs1\t1\t5\ta\tg\t1\n";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        fs::write(&path, text).unwrap();
        for (column, expected) in [
            (None, "A"),
            (Some(EffectColumn::A1), "A"),
            (Some(EffectColumn::A2), "G"),
        ] {
            let file = one(ScoringFile::read(&path, column).unwrap());
            assert_eq!(file.rows[0].effect_allele, expected);
        }
    }

    #[test]
    fn the_other_allele_is_inferred_row_by_row() {
        let table = "chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\thm_chr\
                     \thm_pos\thm_inferOtherAllele\n";
        let rows = "1\t1\tG\tA\t1\t1\t5\tT\n1\t1\tG\t\t1\t1\t6\tGA\n1\t1\tG\tNA\t1\t1\t7\tA/C\n";
        let file = read("a.txt", &format!("#HmPOS_build=GRCh38\n{table}{rows}")).unwrap();
        let others: Vec<Option<&str>> = file
            .rows
            .iter()
            .map(|row| row.other_allele.as_deref())
            .collect();
        assert_eq!(others, [Some("A"), Some("GA"), None]);
    }

    #[test]
    fn weights_are_found_row_by_row_and_rows_without_one_are_counted() {
        let text = "chr_name\tchr_position\teffect_allele\teffect_weight\tdosage_0_weight\
                    \tdosage_1_weight\tdosage_2_weight\n1\t5\tA\t0.5\t\t\t\n1\t6\tA\t\t0\t1\t3\n1\
                    \t7\tA\tNA\t\t\t\n";
        let file = read("a.txt", text).unwrap();
        assert_eq!(file.rows[1].effect, Effect::PerDosage([0.0, 1.0, 3.0]));
        let unusable: Vec<_> = file.rows.iter().map(|row| row.unusable).collect();
        assert_eq!(unusable, [None, None, Some(Unusable::NoWeight)]);
    }

    #[test]
    fn flags_are_read_in_any_spelling_or_refused_with_their_line() {
        let table =
            "chr_name\tchr_position\teffect_allele\teffect_weight\tis_dominant\tis_interaction\n";
        for cell in ["True", "1", "T", "yes", "1.0"] {
            let file = read(
                "a.txt",
                &format!("{table}1\t5\tA\t2\t{cell}\tFalse\n1\t6\tA\t2\t0\t{cell}\n"),
            )
            .unwrap();
            assert_eq!(
                (file.rows[0].effect, file.rows[1].unusable),
                (Effect::Dominant(2.0), Some(Unusable::Interaction)),
                "{cell}"
            );
        }
        let message = read("a.txt", &format!("{table}1\t5\tA\t2\tperhaps\t0\n"))
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("line 2") && message.contains("is_dominant `perhaps`"),
            "{message}"
        );
    }

    #[test]
    fn builds_are_understood_in_the_header_and_in_names_of_chromosomes() {
        assert_eq!(
            header_build("GRCh37.p13"),
            (Some(GenomeBuild::GRCh37), None)
        );
        assert_eq!(
            header_build("NCBI36/hg18"),
            (Some(GenomeBuild::NCBI36), None)
        );
        assert_eq!(header_build("NR"), (None, None));
        assert_eq!(header_build("hg17"), (None, Some("hg17".into())));
        assert_eq!(
            read("a.txt", &table_on("NC_000001.10"))
                .unwrap()
                .genome_build,
            Some(GenomeBuild::GRCh37)
        );
        let message = read(
            "a.txt",
            &format!("#genome_build=GRCh38\n{}", table_on("NC_000001.10")),
        )
        .unwrap_err()
        .to_string();
        assert!(
            message.contains("header states GRCh38") && message.contains("GRCh37"),
            "{message}"
        );
    }

    #[test]
    fn columns_named_twice_and_counts_of_samples_as_weights_are_refused() {
        for (text, expected) in [
            (
                "chr_name\tchr_position\teffect_allele\tbeta\tbeta\n1\t5\tA\t1\t2\n",
                "column `beta` occurs twice",
            ),
            (
                "chr_name\tchr_position\teffect_allele\tBETA\tbeta\n1\t5\tA\t1\t2\n",
                "column `beta` occurs twice",
            ),
            (
                "Chromosome\tPosition\tMarkerName\tAllele1\tAllele2\tWeight\tZscore\n1\t5\trs1\ta\
                 \tg\t900\t3\n",
                "sample-size scheme",
            ),
        ] {
            let message = read("a.txt", text).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn each_accession_of_a_combined_file_is_a_score() {
        let Some(folder) = shared_data("pgs-catalog") else {
            return;
        };
        let scores = ScoringFile::read(&folder.join("core/combined.txt.gz"), None).unwrap();
        let found: Vec<(&str, usize)> = scores
            .iter()
            .map(|score| (score.id.as_str(), score.rows.len()))
            .collect();
        assert_eq!(found, [("PGS000002", 77), ("PGS000001", 77)]);
    }

    #[test]
    fn a_file_that_ends_early_and_odds_ratios_are_said_aloud() {
        let file = read(
            "a.txt",
            &format!("#variants_number=3\n#weight_type=OR\n{TABLE}1\t5\tA\tG\t1\n"),
        )
        .unwrap();
        assert!(
            file.warnings[0].contains("is 3, but the file has 1 row:")
                && file.warnings[1].contains("weight_type is OR")
        );
    }

    /// The only score of a file with this text.
    fn read(name: &str, text: &str) -> Result<ScoringFile, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        ScoringFile::read(&path, None).map(one)
    }

    fn one(mut scores: Vec<ScoringFile>) -> ScoringFile {
        assert_eq!(scores.len(), 1);
        scores.remove(0)
    }

    /// Number of rows that can be used.
    fn usable(file: &ScoringFile) -> usize {
        file.rows
            .iter()
            .filter(|row| row.unusable.is_none())
            .count()
    }

    /// The message with which a file of this text is refused.
    fn refusal(text: &str) -> String {
        read("s.txt", text).unwrap_err().to_string()
    }

    /// Reads a table of R with `A1` as the effect allele.
    fn read_r_table(text: &str) -> Result<Vec<ScoringFile>, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.txt");
        fs::write(&path, text).unwrap();
        ScoringFile::read(&path, Some(EffectColumn::A1))
    }

    /// A file of the PGS Catalog and what has to be read from it.
    struct CatalogFile {
        name: &'static str,
        n_rows: usize,
        n_usable: usize,
        id: &'static str,
        build: Option<GenomeBuild>,
    }

    const fn catalog_file(
        name: &'static str,
        n_rows: usize,
        n_usable: usize,
        id: &'static str,
        build: Option<GenomeBuild>,
    ) -> CatalogFile {
        CatalogFile {
            name,
            n_rows,
            n_usable,
            id,
            build,
        }
    }

    const GRCH37: Option<GenomeBuild> = Some(GenomeBuild::GRCh37);
    const GRCH38: Option<GenomeBuild> = Some(GenomeBuild::GRCh38);

    const CATALOG_FILES: [CatalogFile; 15] = [
        catalog_file(
            "core/PGS000001_hmPOS_GRCh37.txt",
            77,
            77,
            "PGS000001",
            GRCH37,
        ),
        catalog_file(
            "core/PGS000001_hmPOS_GRCh38.txt",
            77,
            77,
            "PGS000001",
            GRCH38,
        ),
        catalog_file(
            "core/PGS000002_hmPOS_GRCh38.txt.gz",
            77,
            77,
            "PGS000002",
            GRCH38,
        ),
        catalog_file("core/lift_to_grch37.txt", 77, 77, "PGS000001", GRCH38),
        catalog_file("core/custom.txt", 1, 1, "test", GRCH37),
        catalog_file("core/custom_no_oa.txt", 1, 1, "test2", GRCH37),
        catalog_file("core/OPGS002493.txt.gz", 23, 23, "OPGS002493", GRCH37),
        catalog_file(
            "core/complex_variants_PGS004239.txt",
            14,
            5,
            "complex_variants_PGS004239",
            None,
        ),
        catalog_file(
            "core/PGS000802_hmPOS_GRCh37.txt",
            19,
            19,
            "PGS000802",
            GRCH37,
        ),
        catalog_file(
            "core/PGS004255_hmPOS_GRCh38.txt.gz",
            30,
            30,
            "PGS004255",
            GRCH38,
        ),
        catalog_file(
            "core/PGS000002_hmPOS_GRCh37.txt.gz",
            77,
            77,
            "PGS000002",
            GRCH37,
        ),
        catalog_file("core/OPGS019828.txt", 1, 1, "OPGS019828", GRCH37),
        catalog_file("core/lift_to_grch38.txt", 77, 77, "PGS000001", GRCH37),
        catalog_file(
            "calc/PGS001229_hmPOS_GRCh38.txt.gz",
            51_209,
            51_183,
            "PGS001229",
            None,
        ),
        catalog_file(
            "calc/PGS000001_hmPOS_GRCh38.txt.gz",
            77,
            77,
            "PGS000001",
            None,
        ),
    ];

    /// The variant of a row: chromosome, position, effect allele, other allele and effect.
    fn variant(row: &WeightRow) -> (&str, Option<usize>, &str, Option<&str>, Effect) {
        (
            row.chr_name.as_str(),
            row.chr_position.map(Position1::get),
            row.effect_allele.as_str(),
            row.other_allele.as_deref(),
            row.effect,
        )
    }

    /// The build that is read from a value of `#genome_build`: known, or unknown.
    fn header_build(value: &str) -> (Option<GenomeBuild>, Option<String>) {
        let rows = "chr_name\tchr_position\teffect_allele\teffect_weight\n1\t5\tA\t2\n";
        let file = read("a.txt", &format!("#genome_build={value}\n{rows}")).unwrap();
        (file.genome_build, file.unknown_build)
    }

    /// A table of one row on a chromosome of this name.
    fn table_on(chromosome: &str) -> String {
        format!("chr_name\tchr_position\teffect_allele\teffect_weight\n{chromosome}\t5\tA\t2\n")
    }
}

//! Published scoring files: those of the PGS Catalog (version 2), original or harmonised, and plain
//! tables with a header.
//!
//! Input -> output: a table, plain or gzipped (also BGZF), perhaps below a `#key=value` header ->
//! [`ScoringFile`]s with one [`WeightRow`] a line: one score, or one for each `accession`. Rows
//! that are no weight of one allele at one position stay in, marked with the reason. Tables have
//! tabs, commas, semicolons or spaces between their cells, and name their columns as the PGS
//! Catalog, the GWAS Catalog or one of the programs of [`dialect`] does.
//! Coordinates: `chr_position` and `hm_pos` are 1-based. Format: <https://www.pgscatalog.org/downloads/#dl_ftp_scoring>.

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
use polars::prelude::{CsvReadOptions, DataFrame, PlSmallStr, SerReader};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use self::cells::is_bases;
use self::{cells::is_missing, columns::Columns};
use crate::scoring::{Error, effect::Effect};
use gf_cohort_schema::counted;
use gf_genotypes::{GenomeBuild, contig_build};

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
    /// The effect type is none that is known, or dominant and recessive at once.
    EffectType,
    /// There is no weight, as where a regression failed.
    NoWeight,
    /// No chromosome or position; harmonisation leaves both empty for variants it cannot place.
    NoPosition,
    /// An allele is not written in A, C, G, T (amino acids, `I`/`D`).
    Allele,
}

impl Unusable {
    /// As in the column `reason` of the log.
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

/// One row of a scoring file. There may be millions: names and alleles, nearly all of them short,
/// lie in it.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightRow {
    /// Chromosome as the file names it.
    pub chr_name: PlSmallStr,
    /// 1-based.
    pub chr_position: Option<usize>,
    /// The allele whose copies are weighted, upper-case.
    pub effect_allele: PlSmallStr,
    /// The other one, upper-case, where it is given.
    pub other_allele: Option<PlSmallStr>,
    /// What the copies add.
    pub effect: Effect,
    /// Frequency of the effect allele in the people of the study, where it is given.
    pub frequency: Option<f64>,
    /// Why the row cannot be used, if so.
    pub unusable: Option<Unusable>,
}

/// A published score.
#[derive(Clone, Debug)]
pub struct ScoringFile {
    /// Where it was read from.
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
    /// What the header says of the build, where it is none that is known.
    pub unknown_build: Option<String>,
    /// Which program names its columns so, and what the effect allele is then.
    pub format: Option<String>,
    /// The positions are those of `hm_chr` and `hm_pos`.
    pub harmonised: bool,
    /// The `#` lines above the table, as they are.
    pub header: String,
    /// In the order of the file.
    pub rows: Vec<WeightRow>,
    /// What was odd but could be read.
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
    /// Reads the scores of a file, most often one. Positions are taken from `hm_chr`, `hm_pos`
    /// where the file is harmonised; `effect_column` is asked for where a table has `A1` and
    /// `A2`.
    ///
    /// # Errors
    /// A file that cannot be read; no effect allele, weight or position columns (rsID-only files);
    /// a weight or position that is not a number (named with its line); a score without any row
    /// that can be used.
    pub fn read(path: &Path, effect_column: Option<EffectColumn>) -> Result<Vec<Self>, Error> {
        let text = read_text(path)?;
        let (header, body, header_lines) = split_header(&text);
        let file_error = |reason: String| Error::ScoringFile {
            path: path.into(),
            reason,
        };
        if body.trim().is_empty() {
            return Err(file_error("no table below the `#` lines".into()));
        }
        let is_prs_cs = dialect::is_prs_cs(body.lines().next().unwrap_or_default());
        if let Some(twice) =
            column_twice(body.lines().next().unwrap_or_default()).filter(|_| !is_prs_cs)
        {
            return Err(file_error(format!(
                "column `{twice}` is there twice; remove or rename one"
            )));
        }
        if let Some((line, found)) = second_header(body) {
            let advice = "are two files joined here? Give them one by one; remove a comment";
            return Err(file_error(format!(
                "line {} {found}: {advice}",
                header_lines + line
            )));
        }
        if text.starts_with("##fileformat=VCF") {
            return Err(file_error(
                "this is a VCF; a scoring file is a table of weights".into(),
            ));
        }
        let with_names = if is_prs_cs {
            [dialect::PRS_CS_HEADER, body].concat()
        } else {
            String::new()
        };
        let body_lines = body.trim_end().lines().count();
        if !is_prs_cs && body_lines == 1 {
            return Err(file_error(
                "no rows below the line with the names of the columns".into(),
            ));
        }
        let table = read_table(if is_prs_cs { &with_names } else { body }).map_err(|error| {
            let ragged = ragged_line(body, header_lines).filter(|_| !is_prs_cs);
            file_error(
                ragged.unwrap_or_else(|| format!("not a table with one header line: {error}")),
            )
        })?;
        let columns = Columns::find(&table, effect_column).map_err(file_error)?;
        let n_rows = table.height();
        // Its columns are copied: that memory serves for the rows.
        drop(table);
        let first_line = header_lines + if is_prs_cs { 1 } else { 2 };
        let rows = read_rows(path, &columns, n_rows, first_line)?;
        let said = Header(&header);
        let mut scores = divided(path, &said, &columns, rows, n_rows)?;
        for score in &mut scores {
            text[..text.len() - body.len()].clone_into(&mut score.header);
            score.format = if is_prs_cs {
                Some("columns of PRS-CS: the fourth is the effect allele".into())
            } else {
                columns.format()
            };
        }
        let is_one = scores.len() == 1;
        let warnings = warnings(&said, &columns, n_rows, is_one);
        scores[0].warnings = warnings
            .into_iter()
            .map(|warning| format!("{}: {warning}", path.display()))
            .collect();
        scores
            .iter()
            .try_for_each(|score| require_usable(path, score, first_line))?;
        Ok(scores)
    }
}

/// What is odd about a file but can be read.
fn warnings(said: &Header<'_>, columns: &Columns, n_rows: usize, is_one: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    let stated: Option<usize> = said.value("variants_number").and_then(|n| n.parse().ok());
    if let Some(n) = stated.filter(|n| is_one && *n != n_rows) {
        warnings.push(format!(
            "#variants_number is {n}, but the file has {}: is it whole?",
            counted(n_rows, "row", "rows")
        ));
    }
    let is_ratio = |kind: &str| kind.eq_ignore_ascii_case("or") || kind.eq_ignore_ascii_case("hr");
    if let Some(kind) = said.value("weight_type").filter(|kind| is_ratio(kind)) {
        warnings.push(format!(
            "#weight_type is {kind}; the weights are used as they stand"
        ));
    }
    warnings.extend(columns.several_weights());
    let n_reverse = (0..n_rows).filter(|&row| columns.is_reverse(row)).count();
    if n_reverse > 0 {
        warnings.push(format!(
            "alleles of {} are read from the other strand, as the column `strand` states",
            counted(n_reverse, "row", "rows")
        ));
    }
    warnings.extend(other_tests(columns, n_rows));
    let unknown = columns
        .unknown_flags()
        .map(|column| format!("the column `{column}` is not known here and not read"));
    warnings.extend(unknown);
    warnings
}

/// The `#key=value` lines.
struct Header<'h>(&'h HashMap<String, &'h str>);

impl Header<'_> {
    fn value(&self, key: &str) -> Option<String> {
        self.0
            .get(key)
            .filter(|value| !value.is_empty())
            .map(|value| (*value).to_owned())
    }
}

/// All rows but those of other tests, with their accessions. Of several errors the first in the
/// file is returned.
fn read_rows(
    path: &Path,
    columns: &Columns,
    n_rows: usize,
    first_line: usize,
) -> Result<Vec<WeightRow>, Error> {
    let of_allele = |row: &usize| columns.other_test(*row).is_none();
    let read = |row: usize| {
        let line = (first_line + row) as u64;
        columns.row(row).map_err(|reason| Error::ScoringLine {
            path: path.into(),
            line,
            reason,
        })
    };
    let rows: Vec<Result<WeightRow, Error>> = (0..n_rows)
        .into_par_iter()
        .filter(of_allele)
        .map(read)
        .collect();
    rows.into_iter().collect()
}

/// What is said of rows that test no allele, such as covariates in a table of PLINK 2.
fn other_tests(columns: &Columns, n_rows: usize) -> Option<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for test in (0..n_rows).filter_map(|row| columns.other_test(row)) {
        *counts.entry(test).or_default() += 1;
    }
    let n: usize = counts.values().sum();
    let names: Vec<&str> = counts.into_keys().take(5).collect();
    (n > 0).then(|| {
        format!(
            "{n} rows of other tests than ADD left out (TEST: {})",
            names.join(", ")
        )
    })
}

/// One score, or one for each accession.
fn divided(
    path: &Path,
    said: &Header<'_>,
    columns: &Columns,
    rows: Vec<WeightRow>,
    n_rows: usize,
) -> Result<Vec<ScoringFile>, Error> {
    let build = if columns.harmonised {
        said.value("hmpos_build")
    } else {
        said.value("genome_build")
    };
    let build =
        build.filter(|build| !is_missing(build) && !build.eq_ignore_ascii_case("not reported"));
    let stated: Option<Result<GenomeBuild, String>> =
        build.map(|build| build.parse().map_err(|_| build));
    let by_contigs = build_of_contigs(path, &rows)?;
    if let (Some(by_contigs), Some(Ok(stated))) = (by_contigs, &stated)
        && by_contigs != *stated
    {
        let reason = format!(
            "its header says {stated}, but its chromosomes are named as those of {by_contigs}: \
             which is right?"
        );
        return Err(Error::ScoringFile {
            path: path.into(),
            reason,
        });
    }
    if rows.is_empty() {
        let reason = "no row of the effect of an allele (TEST is ADD, DOM or REC)";
        return Err(Error::ScoringFile {
            path: path.into(),
            reason: reason.into(),
        });
    }
    let id = said.value("pgs_id").or_else(|| said.value("omicspred_id"));
    let score = |id: String, rows: Vec<WeightRow>| ScoringFile {
        path: path.into(),
        id,
        name: said.value("pgs_name"),
        trait_reported: said.value("trait_reported"),
        study: said.value("citation").or_else(|| said.value("pgp_id")),
        genome_build: stated
            .as_ref()
            .and_then(|stated| stated.clone().ok())
            .or(by_contigs),
        unknown_build: stated.as_ref().and_then(|stated| stated.clone().err()),
        format: None,
        harmonised: columns.harmonised,
        header: String::new(),
        rows,
        warnings: Vec::new(),
    };
    if let Some(id) = id {
        return Ok(vec![score(id, rows)]);
    }
    if !columns.has_accessions() {
        return Ok(vec![score(file_stem(path), rows)]);
    }
    let mut of_accession: Vec<(&str, Vec<WeightRow>)> = Vec::new();
    let accessions = (0..n_rows)
        .filter(|&row| columns.other_test(row).is_none())
        .map(|row| columns.accession(row));
    for (row, accession) in rows.into_iter().zip(accessions) {
        match of_accession
            .iter_mut()
            .rev()
            .find(|(other, _)| *other == accession)
        {
            Some((_, rows)) => rows.push(row),
            None => of_accession.push((accession, vec![row])),
        }
    }
    let named = |id: &str| {
        if id.is_empty() {
            file_stem(path)
        } else {
            id.to_owned()
        }
    };
    Ok(of_accession
        .into_iter()
        .map(|(id, rows)| score(named(id), rows))
        .collect())
}

/// The build that accessions as names of chromosomes tell.
fn build_of_contigs(path: &Path, rows: &[WeightRow]) -> Result<Option<GenomeBuild>, Error> {
    let mut found: Option<(GenomeBuild, &str)> = None;
    for of_contig in rows.chunk_by(|a, b| a.chr_name == b.chr_name) {
        let name = of_contig[0].chr_name.as_str();
        let Some(build) = contig_build(name) else {
            continue;
        };
        match found {
            Some((other, first)) if other != build => {
                let reason = format!(
                    "chromosome `{first}` is of {other} and `{name}` of {build}: a score is of \
                     one build"
                );
                return Err(Error::ScoringFile {
                    path: path.into(),
                    reason,
                });
            }
            _ => found = Some((build, name)),
        }
    }
    Ok(found.map(|(build, _)| build))
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
    let n = score.rows.len();
    let id = &score.id;
    let advice = "only weights of alleles with a position can, as in the harmonised files of the \
                  PGS Catalog";
    let reason = format!(
        "none of the {n} rows of {id}, from line {first_line} on, can be used ({}); {advice}",
        reasons.join(", ")
    );
    Err(Error::ScoringFile {
        path: path.into(),
        reason,
    })
}

/// A file as text, with one byte between cells, a name for every column and decimal points.
fn read_text(path: &Path) -> Result<String, Error> {
    let text = text::read(path)?;
    let (_, body, _) = split_header(&text);
    let above = &text[..text.len() - body.len()];
    let mut changed = None;
    let separator = separator(body.lines().next().unwrap_or_default()).unwrap_or_else(|| {
        let lines: Vec<String> = body.trim_end().lines().map(text::blanks_as_tabs).collect();
        changed = Some(lines.join("\n"));
        b'\t'
    });
    for change in [text::named_row_numbers, text::with_decimal_points] {
        let body = changed.as_deref().unwrap_or(body);
        changed = change(path, body, separator).or(changed);
    }
    match changed {
        Some(body) => Ok([above, &body].concat()),
        None => Ok(text),
    }
}

/// A comment or the column names again below the column names: the number of the line in the table,
/// and what it is.
fn second_header(body: &str) -> Option<(usize, &'static str)> {
    let mut lines = body.lines();
    let names = lines.next()?;
    let what_of = |line: &str| {
        let is_missing_cell = line.starts_with("#N");
        if line.starts_with('#') && !is_missing_cell {
            Some("begins with `#` below the column names")
        } else if line == names {
            Some("has the column names again")
        } else {
            None
        }
    };
    lines
        .enumerate()
        .find_map(|(index, line)| Some((index + 2, what_of(line)?)))
}

/// A column name that is there twice, in upper or lower case.
fn column_twice(names: &str) -> Option<String> {
    let names: Vec<String> = match separator(names) {
        Some(byte) => names
            .split(char::from(byte))
            .map(|name| text::unquoted(name).to_lowercase())
            .collect(),
        None => names.split_whitespace().map(str::to_lowercase).collect(),
    };
    let is_twice =
        |&(index, name): &(usize, &String)| !name.is_empty() && names[..index].contains(name);
    names
        .iter()
        .enumerate()
        .find(is_twice)
        .map(|(_, name)| name.clone())
}

/// What is between the cells, where that is one byte.
fn separator(names: &str) -> Option<u8> {
    [b'\t', b',', b';']
        .into_iter()
        .find(|&separator| names.as_bytes().contains(&separator))
}

/// The `#key=value` lines, the table below them, and how many lines stand above the table. The line
/// of column names may start with `#`.
fn split_header(text: &str) -> (HashMap<String, &str>, &str, usize) {
    let mut body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut header = HashMap::new();
    let mut lines = 0;
    while body.starts_with('#') {
        let (line, rest) = body.split_once('\n').unwrap_or((body, ""));
        match line.trim_start_matches('#').split_once('=') {
            Some((key, value)) => header.insert(header_key(key), value.trim()),
            None if !line.starts_with("##") && line.trim().contains('\t') => {
                return (header, &body[1..], lines);
            }
            None => None,
        };
        body = rest;
        lines += 1;
    }
    (header, body, lines)
}

/// A key of the header, as version 2 of the PGS Catalog's format writes it, in lower case. Version 1
/// has other names and blanks, as in `# Original Genome Build = hg19`.
fn header_key(key: &str) -> String {
    let key = key.trim().to_ascii_lowercase().replace([' ', '-'], "_");
    match key.as_str() {
        "original_genome_build" => "genome_build".to_owned(),
        "number_of_variants" => "variants_number".to_owned(),
        "reported_trait" => "trait_reported".to_owned(),
        _ => key,
    }
}

/// Every column as text: what is a number is decided column by column, with the line at hand for
/// the message.
fn read_table(body: &str) -> polars::prelude::PolarsResult<DataFrame> {
    let body = body.trim_end();
    let names = body.lines().next().unwrap_or_default();
    let separator = separator(names);
    // In a table with tabs a quotation mark may be part of a name; a spreadsheet puts them around
    // whole cells.
    let is_quoted = separator != Some(b'\t')
        || body
            .lines()
            .any(|line| line.starts_with('"') || line.contains("\t\""));
    let quote = is_quoted.then_some(b'"');
    CsvReadOptions::default()
        .with_has_header(true)
        .with_infer_schema_length(Some(0))
        .map_parse_options(|options| {
            options
                .with_separator(separator.unwrap_or(b'\t'))
                .with_quote_char(quote)
        })
        .into_reader_with_file_handle(Cursor::new(body.as_bytes()))
        .finish()
}

/// The first line with more cells than the first one, in words.
fn ragged_line(body: &str, lines_before: usize) -> Option<String> {
    let body = body.trim_end();
    let separator = separator(body.lines().next()?)?;
    let n_cells = |line: &str| text::count_cells(line.trim_end_matches('\r'), separator).0;
    let n_names = n_cells(body.lines().next()?);
    let is_ragged = |(_, line): &(usize, &str)| !line.trim().is_empty() && n_cells(line) > n_names;
    let (index, line) = body.lines().enumerate().find(is_ragged)?;
    let line_number = lines_before + index + 1;
    let n_found = n_cells(line);
    Some(format!(
        "line {line_number}: {n_found} cells where the header has {n_names}{}",
        text::why_one_more(n_found, n_names)
    ))
}

fn file_stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.rsplit_once('.')
        .map_or(name, |(stem, _)| stem)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use super::*;
    use crate::scoring::testing::shared_data;
    use gf_genotypes::contig_key;

    fn read(name: &str, text: &str) -> Result<ScoringFile, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        ScoringFile::read(&path, None).map(one)
    }

    fn one(mut scores: Vec<ScoringFile>) -> ScoringFile {
        assert_eq!(scores.len(), 1);
        scores.remove(0)
    }

    fn usable(file: &ScoringFile) -> usize {
        file.rows
            .iter()
            .filter(|row| row.unusable.is_none())
            .count()
    }

    const TABLE: &str = "#pgs_id=PGS1\n#genome_build=hg19\nchr_name\tchr_position\teffect_allele\
                         \tother_allele\teffect_weight\n";

    #[test]
    fn tables_without_rows_or_with_a_cell_too_many_are_refused_with_the_line() {
        let names = "chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n";
        let of = |rows: &str| {
            read("s.txt", &format!("#pgs_id=X\n{names}{rows}"))
                .unwrap_err()
                .to_string()
        };
        assert!(
            of("").contains("no rows below the line with the names of the columns"),
            "{}",
            of("")
        );
        let ragged = of("1\t5\tA\tG\t0.1\n1\t6\tA\tG\t0.1\t7\n");
        assert!(
            ragged.contains("line 4: 6 cells where the header has 5"),
            "{ragged}"
        );
        let joined = of("1\t5\tA\tG\t0.1\n#pgs_id=Y\n1\t6\tA\tG\t0.1\n");
        assert!(joined.contains("line 4 begins with `#`"), "{joined}");
        let joined = of(&format!("1\t5\tA\tG\t0.1\n{names}1\t6\tA\tG\t0.1\n"));
        assert!(
            joined.contains("line 4 has the column names again"),
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
        let read = |text: &str| {
            let path = tempfile::tempdir().unwrap();
            let path = path.path().join("r.txt");
            std::fs::write(&path, text).unwrap();
            ScoringFile::read(&path, Some(EffectColumn::A1))
        };
        let found = one(read(&format!("{names}{rows}")).unwrap());
        let alleles: Vec<(Option<usize>, &str)> = found
            .rows
            .iter()
            .map(|row| (row.chr_position, row.effect_allele.as_str()))
            .collect();
        assert_eq!(alleles, [(Some(5), "A"), (Some(9), "C")]);
        let message = read(&format!("{names}{}", rows.replace("\"2\"", "\"rs2\"")))
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
            (Some(12), "A")
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
                .contains("the weights are those of the column `beta`; not read: weight"),
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
            ("19", Some(45_411_941), Effect::Additive(-0.15))
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
            assert!(
                message.contains("column `beta` is there twice"),
                "{message}"
            );
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
                "none of the 1 rows of a, from line 2 on, can be used (effect-type 1)",
            ),
        ] {
            let message = read("a.txt", text).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    #[allow(clippy::too_many_lines, reason = "a list of cases")]
    fn files_of_the_pgs_catalog_are_read() {
        let Some(folder) = shared_data("pgs-catalog") else {
            return;
        };
        let read = |name: &str| ScoringFile::read(&folder.join(name), None);
        // (file, rows, usable rows, id, build)
        for (name, rows, n_usable, id, build) in [
            (
                "core/PGS000001_hmPOS_GRCh37.txt",
                77,
                77,
                "PGS000001",
                Some(GenomeBuild::GRCh37),
            ),
            (
                "core/PGS000001_hmPOS_GRCh38.txt",
                77,
                77,
                "PGS000001",
                Some(GenomeBuild::GRCh38),
            ),
            (
                "core/PGS000002_hmPOS_GRCh38.txt.gz",
                77,
                77,
                "PGS000002",
                Some(GenomeBuild::GRCh38),
            ),
            (
                "core/lift_to_grch37.txt",
                77,
                77,
                "PGS000001",
                Some(GenomeBuild::GRCh38),
            ),
            ("core/custom.txt", 1, 1, "test", Some(GenomeBuild::GRCh37)),
            (
                "core/custom_no_oa.txt",
                1,
                1,
                "test2",
                Some(GenomeBuild::GRCh37),
            ),
            (
                "core/OPGS002493.txt.gz",
                23,
                23,
                "OPGS002493",
                Some(GenomeBuild::GRCh37),
            ),
            (
                "core/complex_variants_PGS004239.txt",
                14,
                5,
                "complex_variants_PGS004239",
                None,
            ),
            (
                "core/PGS000802_hmPOS_GRCh37.txt",
                19,
                19,
                "PGS000802",
                Some(GenomeBuild::GRCh37),
            ),
            (
                "core/PGS004255_hmPOS_GRCh38.txt.gz",
                30,
                30,
                "PGS004255",
                Some(GenomeBuild::GRCh38),
            ),
            (
                "core/PGS000002_hmPOS_GRCh37.txt.gz",
                77,
                77,
                "PGS000002",
                Some(GenomeBuild::GRCh37),
            ),
            (
                "core/OPGS019828.txt",
                1,
                1,
                "OPGS019828",
                Some(GenomeBuild::GRCh37),
            ),
            (
                "core/lift_to_grch38.txt",
                77,
                77,
                "PGS000001",
                Some(GenomeBuild::GRCh37),
            ),
            (
                "calc/PGS001229_hmPOS_GRCh38.txt.gz",
                51_209,
                51_183,
                "PGS001229",
                None,
            ),
            (
                "calc/PGS000001_hmPOS_GRCh38.txt.gz",
                77,
                77,
                "PGS000001",
                None,
            ),
        ] {
            let file = one(read(name).unwrap());
            assert_eq!(
                (
                    file.rows.len(),
                    usable(&file),
                    file.id.as_str(),
                    file.genome_build
                ),
                (rows, n_usable, id, build),
                "{name}"
            );
        }
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
            let message = read(name).unwrap_err().to_string();
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
        // The same studies as plain tables, with A1 and A2: the effect allele has to be said.
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
        let read = |name: &str, column| one(ScoringFile::read(&folder.join(name), column).unwrap());
        let table = read("ADGenetics/kunkle_loci.csv", Some(EffectColumn::A2));
        let typed = read("AD_Kunkle2019_lead.grch37.txt", None);
        for (row, typed) in table.rows.iter().zip(&typed.rows) {
            let same = (
                &row.chr_name,
                row.chr_position,
                &row.effect_allele,
                &row.other_allele,
                row.effect,
            );
            assert_eq!(
                same,
                (
                    &typed.chr_name,
                    typed.chr_position,
                    &typed.effect_allele,
                    &typed.other_allele,
                    typed.effect
                )
            );
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
            chr_position: Some(5),
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

    /// A table as each program writes it, of the same three variants: G of 1:100 (0.5), T of 1:200
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
                    (contig, Some(position)),
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
                        .is_none_or(|found| (found - frequency).abs() < 1e-9),
                    "{name}"
                );
            }
            let of_catalog = name.starts_with("pgs-catalog") || name.starts_with("gwas-ssf");
            assert_eq!(
                file.format.is_none(),
                of_catalog,
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
        let effect = |column| {
            one(ScoringFile::read(&path, column).unwrap()).rows[0]
                .effect_allele
                .to_string()
        };
        assert_eq!(
            [None, Some(EffectColumn::A1), Some(EffectColumn::A2)].map(effect),
            ["A", "A", "G"]
        );
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
        let rows = "chr_name\tchr_position\teffect_allele\teffect_weight\n1\t5\tA\t2\n";
        let build = |text: &str| {
            let file = read("a.txt", &format!("#genome_build={text}\n{rows}")).unwrap();
            (file.genome_build, file.unknown_build)
        };
        assert_eq!(build("GRCh37.p13"), (Some(GenomeBuild::GRCh37), None));
        assert_eq!(build("NCBI36/hg18"), (Some(GenomeBuild::NCBI36), None));
        assert_eq!(build("NR"), (None, None));
        assert_eq!(build("hg17"), (None, Some("hg17".into())));
        let named = |name: &str| {
            format!("chr_name\tchr_position\teffect_allele\teffect_weight\n{name}\t5\tA\t2\n")
        };
        assert_eq!(
            read("a.txt", &named("NC_000001.10")).unwrap().genome_build,
            Some(GenomeBuild::GRCh37)
        );
        let message = read(
            "a.txt",
            &format!("#genome_build=GRCh38\n{}", named("NC_000001.10")),
        )
        .unwrap_err()
        .to_string();
        assert!(
            message.contains("header says GRCh38") && message.contains("GRCh37"),
            "{message}"
        );
    }

    #[test]
    fn columns_named_twice_and_counts_of_samples_as_weights_are_refused() {
        for (text, expected) in [
            (
                "chr_name\tchr_position\teffect_allele\tbeta\tbeta\n1\t5\tA\t1\t2\n",
                "column `beta` is there twice",
            ),
            (
                "chr_name\tchr_position\teffect_allele\tBETA\tbeta\n1\t5\tA\t1\t2\n",
                "column `beta` is there twice",
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
}

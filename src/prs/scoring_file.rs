//! Published scoring files: those of the PGS Catalog (version 2), original or harmonised, and plain tables with a header.
//!
//! Input -> output: a table, plain or gzipped (also BGZF), perhaps below a `#key=value` header -> [`ScoringFile`]s with one [`WeightRow`] a
//! line: one score, or one for each `accession`. Rows that are no weight of one allele at one position stay in, marked with the reason.
//! Tables have tabs, commas or spaces between their cells, and name their columns as in [`Columns::find`].
//! Coordinates: `chr_position` and `hm_pos` are 1-based. Format: <https://www.pgscatalog.org/downloads/#dl_ftp_scoring>.

use std::{
    collections::{BTreeSet, HashMap},
    fmt, fs,
    io::{Cursor, Read},
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;
use polars::prelude::{CsvReadOptions, DataFrame, PlSmallStr, SerReader, StringChunked};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Error, GenomeBuild, effect::Effect};
use crate::words::counted;

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

/// One row of a scoring file. There may be millions: names and alleles, nearly all of them short, lie in it.
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
    /// Reads the scores of a file, most often one. Positions are taken from `hm_chr`, `hm_pos` where the file is harmonised;
    /// `effect_column` is asked for where a table has `A1` and `A2`.
    ///
    /// # Errors
    /// A file that cannot be read; no effect allele, weight or position columns (rsID-only files); a weight or position that is not a
    /// number (named with its line); a score without any row that can be used.
    pub fn read(path: &Path, effect_column: Option<EffectColumn>) -> Result<Vec<Self>, Error> {
        let text = read_text(path)?;
        let (header, body, header_lines) = split_header(&text);
        let file_error = |reason: String| Error::ScoringFile { path: path.into(), reason };
        if body.trim().is_empty() {
            return Err(file_error("no table below the `#` lines".into()));
        }
        let table = read_table(body).map_err(|error| file_error(format!("not a table with one header line: {error}")))?;
        let columns = Columns::find(&table, effect_column).map_err(file_error)?;
        let n_rows = table.height();
        // Its columns are copied: that memory serves for the rows.
        drop(table);
        let rows = (0..n_rows).into_par_iter().map(|row| {
            let line = (header_lines + 2 + row) as u64;
            columns.row(row).map_err(|reason| Error::ScoringLine { path: path.into(), line, reason })
        });
        // All rows before any error, of which the first in the file is told.
        let rows: Vec<Result<WeightRow, Error>> = rows.collect();
        let rows: Vec<WeightRow> = rows.into_iter().collect::<Result<_, _>>()?;
        let said = |key: &str| header.get(key).filter(|value| !value.is_empty()).map(|value| (*value).to_owned());
        let id = said("pgs_id").or_else(|| said("omicspred_id"));
        let build = if columns.harmonised { said("HmPOS_build") } else { said("genome_build") };
        let score = |id: String, rows: Vec<WeightRow>| Self {
            path: path.into(),
            id,
            name: said("pgs_name"),
            trait_reported: said("trait_reported"),
            study: said("citation").or_else(|| said("pgp_id")),
            genome_build: build.as_ref().and_then(|build| build.parse().ok()),
            harmonised: columns.harmonised,
            header: text[..text.len() - body.len()].to_owned(),
            rows,
            warnings: Vec::new(),
        };
        let named = |id: &str| if id.is_empty() { file_stem(path) } else { id.to_owned() };
        let first = columns.accession.as_ref().and_then(|accessions| accessions.get(0)).unwrap_or_default();
        let mut scores: Vec<Self> = match (id, &columns.accession) {
            (Some(id), _) => vec![score(id, rows)],
            (None, Some(accessions)) if accessions.iter().any(|other| other.unwrap_or_default() != first) => {
                let mut of_accession: Vec<(&str, Vec<WeightRow>)> = Vec::new();
                for (row, accession) in rows.into_iter().zip(accessions.iter()) {
                    let accession = accession.unwrap_or_default();
                    match of_accession.iter_mut().rev().find(|(other, _)| *other == accession) {
                        Some((_, rows)) => rows.push(row),
                        None => of_accession.push((accession, vec![row])),
                    }
                }
                of_accession.into_iter().map(|(id, rows)| score(named(id), rows)).collect()
            }
            (None, _) => vec![score(named(first), rows)],
        };
        if let (Some(n), [score]) = (said("variants_number").and_then(|n| n.parse::<usize>().ok()), scores.as_mut_slice())
            && n != score.rows.len()
        {
            let rows = counted(score.rows.len(), "row", "rows");
            let reason = format!("{}: #variants_number is {n}, but the file has {rows}: is it whole?", path.display());
            score.warnings.push(reason);
        }
        if let Some(kind) = said("weight_type").filter(|kind| kind.eq_ignore_ascii_case("or") || kind.eq_ignore_ascii_case("hr")) {
            scores[0].warnings.push(format!("{}: #weight_type is {kind}; the weights are used as they stand", path.display()));
        }
        if let Some(score) = scores.iter().find(|score| score.rows.iter().all(|row| row.unusable.is_some())) {
            let reasons: BTreeSet<_> = score.rows.iter().filter_map(|row| row.unusable).map(|why| why.to_string()).collect();
            return Err(file_error(format!(
                "none of the {} rows of {} can be used ({}); only weights of alleles with a position can, as in the harmonised files of the PGS Catalog",
                score.rows.len(),
                score.id,
                reasons.into_iter().collect::<Vec<_>>().join(", ")
            )));
        }
        Ok(scores)
    }
}

fn read_text(path: &Path) -> Result<String, Error> {
    let io = |source| Error::ScoringFile { path: path.into(), reason: format!("cannot be read: {source}") };
    let mut bytes = fs::read(path).map_err(io)?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        // Tables become four times as long as a rule.
        let mut plain = Vec::with_capacity(5 * bytes.len());
        MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).map_err(io)?;
        bytes = plain;
    }
    // Names of genes and authors may be in another encoding; nothing that is used is.
    Ok(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// The `#key=value` lines, the table below them, and how many lines stand above the table. The line of column names may start with `#`.
fn split_header(text: &str) -> (HashMap<&str, &str>, &str, usize) {
    let mut body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut header = HashMap::new();
    let mut lines = 0;
    while body.starts_with('#') {
        let (line, rest) = body.split_once('\n').unwrap_or((body, ""));
        match line.trim_start_matches('#').split_once('=') {
            Some((key, value)) => header.insert(key.trim(), value.trim()),
            None if !line.starts_with("##") && line.trim().contains('\t') => return (header, &body[1..], lines),
            None => None,
        };
        body = rest;
        lines += 1;
    }
    (header, body, lines)
}

/// Every column as text: what is a number is decided column by column, with the line at hand for the message.
fn read_table(body: &str) -> polars::prelude::PolarsResult<DataFrame> {
    let body = body.trim_end();
    let names = body.lines().next().unwrap_or_default();
    let separator = [b'\t', b','].into_iter().find(|&separator| names.as_bytes().contains(&separator));
    // Columns that are set apart by any number of spaces, as PLINK 1 writes them.
    let respaced;
    let body = if separator.is_some() {
        body
    } else {
        respaced = body.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join("\t")).collect::<Vec<_>>().join("\n");
        &respaced
    };
    let quote = (separator == Some(b',')).then_some(b'"');
    CsvReadOptions::default()
        .with_has_header(true)
        .with_infer_schema_length(Some(0))
        .map_parse_options(|options| options.with_separator(separator.unwrap_or(b'\t')).with_quote_char(quote))
        .into_reader_with_file_handle(Cursor::new(body.as_bytes()))
        .finish()
}

fn file_stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned()
}

/// The columns that are used, as text.
struct Columns {
    harmonised: bool,
    chr_name: StringChunked,
    chr_position: StringChunked,
    effect_allele: StringChunked,
    other_allele: Option<StringChunked>,
    weights: Weights,
    effect_type: Option<StringChunked>,
    frequency: Option<StringChunked>,
    variant_type: Option<StringChunked>,
    accession: Option<StringChunked>,
    is_dominant: Option<StringChunked>,
    is_recessive: Option<StringChunked>,
    flags: Vec<(Unusable, StringChunked)>,
}

/// How the weights are written.
enum Weights {
    /// One a row.
    Effect(StringChunked),
    /// Odds ratios: their logarithm is the weight.
    OddsRatio(StringChunked),
    /// For 0, 1 and 2 copies.
    PerDosage([StringChunked; 3]),
}

const CHROMOSOME: [&str; 5] = ["chr_name", "chrom", "chr", "chromosome", "contig"];
const POSITION: [&str; 6] = ["chr_position", "pos", "bp", "position", "base_pair_location", "ps"];
const EFFECT_ALLELE: [&str; 3] = ["effect_allele", "ea", "risk_allele"];
const OTHER_ALLELE: [&str; 5] = ["other_allele", "reference_allele", "nea", "non_effect_allele", "hm_inferotherallele"];
const WEIGHT: [&str; 5] = ["effect_weight", "beta", "weight", "log_or", "effect"];
const ODDS_RATIO: [&str; 2] = ["or", "odds_ratio"];
/// Of the effect allele: `FRQ` or `MAF` beside `A1` and `A2` are of one or of the other.
const FREQUENCY: [&str; 3] = ["allelefrequency_effect", "effect_allele_frequency", "eaf"];

impl Columns {
    /// Finds the columns by the names of the PGS Catalog, else by those of other tables (GWAS Catalog, PLINK, METAL), in upper or lower case.
    fn find(table: &DataFrame, effect_column: Option<EffectColumn>) -> Result<Self, String> {
        let names: Vec<String> = table.get_column_names().iter().map(|name| name.trim().to_owned()).collect();
        let lower: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        let find = |name: &str| lower.iter().position(|other| other == name).and_then(|index| text_column(table, index));
        let first = |of: &[&str]| of.iter().find_map(|name| find(name));
        let found = || format!("; it has {}", names.join(", "));
        let required = |of: &[&str]| first(of).ok_or_else(|| format!("no column `{}`{}", of[0], found()));

        let harmonised = find("hm_chr").is_some() && find("hm_pos").is_some();
        let (chr_name, chr_position): (&[&str], &[&str]) = if harmonised { (&["hm_chr"], &["hm_pos"]) } else { (&CHROMOSOME, &POSITION) };
        if first(chr_position).is_none() {
            let advice = "variants are matched by position: take the harmonised file (`_hmPOS_`) of your build from the PGS Catalog";
            return Err(format!("no column `{}`{}; {advice}", chr_position[0], found()));
        }
        let (effect_allele, other_allele) = match (first(&EFFECT_ALLELE), find("a1"), find("a2"), effect_column) {
            (Some(effect_allele), ..) => (effect_allele, first(&OTHER_ALLELE)),
            (None, Some(a1), a2, Some(EffectColumn::A1)) => (a1, a2),
            (None, Some(a1), Some(a2), Some(EffectColumn::A2)) => (a2, Some(a1)),
            (None, Some(_), Some(_), None) => {
                let advice = "programs differ in which of them is the effect allele (PLINK: A1, MungeSumstats: A2)";
                return Err(format!("columns A1 and A2, but no `effect_allele`: {advice}; say it with --effect-allele-column"));
            }
            _ => return Err(format!("no column `effect_allele`{}", found())),
        };
        let per_dosage = ["dosage_0_weight", "dosage_1_weight", "dosage_2_weight"].map(find);
        let weights = if let Some(weights) = first(&WEIGHT) {
            Weights::Effect(weights)
        } else if let [Some(none), Some(one), Some(two)] = per_dosage {
            Weights::PerDosage([none, one, two])
        } else {
            Weights::OddsRatio(first(&ODDS_RATIO).ok_or_else(|| format!("no column `{}`{}", WEIGHT[0], found()))?)
        };
        let flag = |reason, name: &str| find(name).map(|cells| (reason, cells));
        Ok(Self {
            harmonised,
            chr_name: required(chr_name)?,
            chr_position: required(chr_position)?,
            effect_allele,
            other_allele,
            weights,
            effect_type: find("effect_type"),
            frequency: first(&FREQUENCY),
            variant_type: find("variant_type"),
            accession: find("accession"),
            is_dominant: find("is_dominant"),
            is_recessive: find("is_recessive"),
            flags: [
                flag(Unusable::Haplotype, "is_haplotype"),
                flag(Unusable::Haplotype, "is_diplotype"),
                flag(Unusable::Interaction, "is_interaction"),
            ]
            .into_iter()
            .flatten()
            .collect(),
        })
    }

    fn row(&self, row: usize) -> Result<WeightRow, String> {
        let chr_name = PlSmallStr::from_str(cell(&self.chr_name, row));
        let chr_position = match cell(&self.chr_position, row) {
            "" => None,
            text => Some(
                text.parse().ok().filter(|&position| position > 0).ok_or_else(|| format!("position `{text}` is not a number from 1 on"))?,
            ),
        };
        let allele = |cells| {
            let mut allele = PlSmallStr::from_str(cell(cells, row));
            allele.make_ascii_uppercase();
            allele
        };
        let effect_allele = allele(&self.effect_allele);
        let other_allele = self.other_allele.as_ref().map(allele);
        let other_allele = other_allele.filter(|allele| !matches!(allele.as_str(), "" | "." | "NA") && !allele.contains('/'));
        let frequency = self.frequency.as_ref().map_or("", |cells| cell(cells, row));
        let frequency = match frequency {
            "" | "NA" | "NR" | "." => None,
            _ => Some(number(frequency, "allelefrequency_effect")?),
        };
        if frequency.is_some_and(|frequency| !(0.0..=1.0).contains(&frequency)) {
            return Err(format!("allelefrequency_effect {frequency:?} is not between 0 and 1"));
        }
        let is_hla =
            effect_allele.starts_with("HLA") || self.variant_type.as_ref().is_some_and(|cells| cell(cells, row).starts_with("HLA"));
        let (effect, is_known) = self.effect(row)?;
        let unusable = self
            .flags
            .iter()
            .find(|(_, cells)| is_true(cells, row))
            .map(|(reason, _)| *reason)
            .or_else(|| is_hla.then_some(Unusable::Hla))
            .or_else(|| (!is_known).then_some(Unusable::EffectType))
            .or_else(|| {
                let bases = is_bases(&effect_allele) && other_allele.as_deref().is_none_or(is_bases);
                (!bases).then_some(Unusable::Allele)
            })
            .or_else(|| (chr_name.is_empty() || chr_position.is_none()).then_some(Unusable::NoPosition));
        Ok(WeightRow { chr_name, chr_position, effect_allele, other_allele, effect, frequency, unusable })
    }

    /// The effect, and whether its type is one that is known.
    fn effect(&self, row: usize) -> Result<(Effect, bool), String> {
        let weight = match &self.weights {
            Weights::Effect(weights) => number(cell(weights, row), "effect_weight")?,
            Weights::OddsRatio(ratios) => {
                let ratio = number(cell(ratios, row), "odds ratio")?;
                if ratio <= 0.0 {
                    return Err(format!("odds ratio {ratio} is not positive"));
                }
                ratio.ln()
            }
            Weights::PerDosage(weights) => {
                let [none, one, two] = weights.each_ref().map(|cells| number(cell(cells, row), "dosage weight"));
                return Ok((Effect::PerDosage([none?, one?, two?]), true));
            }
        };
        let is = |cells: &Option<StringChunked>| cells.as_ref().is_some_and(|cells| is_true(cells, row));
        let effect_type = self.effect_type.as_ref().map_or(String::new(), |cells| cell(cells, row).to_ascii_lowercase());
        let is_dominant = is(&self.is_dominant) || effect_type == "dominant";
        let is_recessive = is(&self.is_recessive) || effect_type == "recessive";
        Ok(match (is_dominant, is_recessive) {
            (true, true) => (Effect::Additive(weight), false),
            (true, false) => (Effect::Dominant(weight), true),
            (false, true) => (Effect::Recessive(weight), true),
            (false, false) => (Effect::Additive(weight), matches!(effect_type.as_str(), "" | "additive")),
        })
    }
}

fn text_column(table: &DataFrame, index: usize) -> Option<StringChunked> {
    Some(table.columns()[index].as_materialized_series().str().ok()?.rechunk().into_owned())
}

fn cell(cells: &StringChunked, row: usize) -> &str {
    cells.get(row).unwrap_or_default().trim()
}

fn is_true(cells: &StringChunked, row: usize) -> bool {
    cell(cells, row).eq_ignore_ascii_case("true")
}

fn number(text: &str, what: &str) -> Result<f64, String> {
    text.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| format!("{what} `{text}` is not a finite number"))
}

fn is_bases(allele: &str) -> bool {
    !allele.is_empty() && allele.bytes().all(|base| matches!(base, b'A' | b'C' | b'G' | b'T'))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::prs::tests::shared_data;

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
        file.rows.iter().filter(|row| row.unusable.is_none()).count()
    }

    const TABLE: &str = "#pgs_id=PGS1\n#genome_build=hg19\nchr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n";

    #[test]
    fn header_and_rows_are_read_and_windows_line_ends_do_not_matter() {
        let file = read("a.txt", &format!("{TABLE}19\t45411941\tc\tT\t-1.5e-1\n").replace('\n', "\r\n")).unwrap();
        assert_eq!((file.id.as_str(), file.genome_build, file.harmonised), ("PGS1", Some(GenomeBuild::GRCh37), false));
        let row = &file.rows[0];
        assert_eq!((row.chr_name.as_str(), row.chr_position, row.effect), ("19", Some(45_411_941), Effect::Additive(-0.15)));
        assert_eq!((row.effect_allele.as_str(), row.other_allele.as_deref(), row.unusable), ("C", Some("T"), None));
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
    fn a_bad_weight_or_position_is_named_with_its_line() {
        let message = read("a.txt", &format!("{TABLE}1\t5\tA\tG\t1\n1\t6\tA\tG\tx\n")).unwrap_err().to_string();
        assert!(message.contains("line 5") && message.contains("effect_weight `x`"), "{message}");
        let message = read("a.txt", &format!("{TABLE}1\t5k\tA\tG\t1\n")).unwrap_err().to_string();
        assert!(message.contains("line 4") && message.contains("`5k`"), "{message}");
    }

    #[test]
    fn files_that_cannot_be_used_say_why() {
        for (text, expected) in [
            ("#pgs_id=X\n", "no table"),
            ("rsID\teffect_allele\teffect_weight\nrs1\tA\t1\n", "harmonised"),
            ("chr_name\tchr_position\teffect_allele\tdosage_1_weight\n1\t5\tA\t1\n", "no column `effect_weight`"),
            ("CHR BP A1 A2 BETA\n1 5 A C 1\n", "--effect-allele-column"),
            ("chr,pos,effect_allele,or\n1,5,A,-1\n", "odds ratio -1"),
            ("chr,pos,effect_allele,beta,eaf\n1,5,A,1,1.5\n", "between 0 and 1"),
            ("chr_name\tchr_position\teffect_allele\n1\t5\tA\n", "no column `effect_weight`"),
            (
                "chr_name\tchr_position\teffect_allele\teffect_weight\teffect_type\n1\t5\tA\t1\todd\n",
                "none of the 1 rows of a can be used (effect-type)",
            ),
        ] {
            let message = read("a.txt", text).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn files_of_the_pgs_catalog_are_read() {
        let Some(folder) = shared_data("pgs-catalog") else { return };
        let read = |name: &str| ScoringFile::read(&folder.join(name), None);
        // (file, rows, usable rows, id, build)
        for (name, rows, n_usable, id, build) in [
            ("core/PGS000001_hmPOS_GRCh37.txt", 77, 77, "PGS000001", Some(GenomeBuild::GRCh37)),
            ("core/PGS000001_hmPOS_GRCh38.txt", 77, 77, "PGS000001", Some(GenomeBuild::GRCh38)),
            ("core/PGS000002_hmPOS_GRCh38.txt.gz", 77, 77, "PGS000002", Some(GenomeBuild::GRCh38)),
            ("core/lift_to_grch37.txt", 77, 77, "PGS000001", Some(GenomeBuild::GRCh38)),
            ("core/custom.txt", 1, 1, "test", Some(GenomeBuild::GRCh37)),
            ("core/custom_no_oa.txt", 1, 1, "test2", Some(GenomeBuild::GRCh37)),
            ("core/OPGS002493.txt.gz", 23, 23, "OPGS002493", Some(GenomeBuild::GRCh37)),
            ("core/complex_variants_PGS004239.txt", 14, 5, "complex_variants_PGS004239", None),
            ("core/PGS000802_hmPOS_GRCh37.txt", 19, 19, "PGS000802", Some(GenomeBuild::GRCh37)),
            ("core/PGS004255_hmPOS_GRCh38.txt.gz", 30, 30, "PGS004255", Some(GenomeBuild::GRCh38)),
            ("core/PGS000002_hmPOS_GRCh37.txt.gz", 77, 77, "PGS000002", Some(GenomeBuild::GRCh37)),
            ("core/OPGS019828.txt", 1, 1, "OPGS019828", Some(GenomeBuild::GRCh37)),
            ("core/lift_to_grch38.txt", 77, 77, "PGS000001", Some(GenomeBuild::GRCh37)),
            ("calc/PGS001229_hmPOS_GRCh38.txt.gz", 51_209, 51_183, "PGS001229", None),
            ("calc/PGS000001_hmPOS_GRCh38.txt.gz", 77, 77, "PGS000001", None),
        ] {
            let file = one(read(name).unwrap());
            assert_eq!((file.rows.len(), usable(&file), file.id.as_str(), file.genome_build), (rows, n_usable, id, build), "{name}");
        }
        for (name, expected) in [
            ("core/PGS000001.txt.gz", "harmonised"),
            ("core/PGS000002.txt.gz", "harmonised"),
            ("core/bad_harmonised.txt", "no-position"),
            ("core/invalid_scorefile.txt", "no column `chr_position`"),
            ("core/complex_variants_PGS000021.txt", "no column `chr_position`"),
        ] {
            let message = read(name).unwrap_err().to_string();
            assert!(message.contains(expected), "{name}: {message}");
        }
    }

    #[test]
    fn alzheimer_scores_are_read() {
        let Some(folder) = shared_data("ad-scores") else { return };
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
            assert!(ScoringFile::read(&path, None).unwrap_err().to_string().contains("--effect-allele-column"));
            let file = one(ScoringFile::read(&path, Some(EffectColumn::A2)).unwrap());
            assert_eq!((file.rows.len(), usable(&file)), (rows, n_usable), "{name}");
        }
        let read = |name: &str, column| one(ScoringFile::read(&folder.join(name), column).unwrap());
        let (table, typed) = (read("ADGenetics/kunkle_loci.csv", Some(EffectColumn::A2)), read("AD_Kunkle2019_lead.grch37.txt", None));
        for (row, typed) in table.rows.iter().zip(&typed.rows) {
            let same = (&row.chr_name, row.chr_position, &row.effect_allele, &row.other_allele, row.effect);
            assert_eq!(same, (&typed.chr_name, typed.chr_position, &typed.effect_allele, &typed.other_allele, typed.effect));
        }
    }

    #[test]
    fn dominant_recessive_and_dosage_weights_are_effects() {
        let table = "chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\tis_dominant\tis_recessive\n";
        let file =
            read("a.txt", &format!("{table}1\t5\tA\tG\t2\tTrue\tFalse\n1\t6\tA\tG\t2\tFALSE\tTRUE\n1\t7\tA\tG\t2\tTrue\tTrue\n")).unwrap();
        assert_eq!([file.rows[0].effect, file.rows[1].effect], [Effect::Dominant(2.0), Effect::Recessive(2.0)]);
        assert_eq!(file.rows.iter().map(|row| row.unusable).collect::<Vec<_>>(), [None, None, Some(Unusable::EffectType)]);
        let table = "chr_name\tchr_position\teffect_allele\tdosage_0_weight\tdosage_1_weight\tdosage_2_weight\n1\t5\tA\t-1\t0\t3\n";
        assert_eq!(read("a.txt", table).unwrap().rows[0].effect, Effect::PerDosage([-1.0, 0.0, 3.0]));
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
            "chromosome\tbase_pair_location\teffect_allele\tother_allele\tbeta\teffect_allele_frequency\n1\t5\tA\tG\t0.5\t0.25\n",
            "#CHROM\tPOS\tEA\tNEA\tBETA\tEAF\n1\t5\ta\tg\t0.5\t0.25\n",
            "  CHR   BP  EA NEA  BETA  EAF\n    1    5   A   G   0.5 0.25\n",
            "gene,chr,pos,effect_allele,other_allele,weight,eaf\n\"a, b\",1,5,A,G,0.5,0.25\n",
        ] {
            assert_eq!(read("a.txt", text).unwrap().rows, std::slice::from_ref(&expected), "{text}");
        }
        let ratio = read("a.txt", "chr,pos,effect_allele,OR\n1,5,A,1.5\n").unwrap();
        assert_eq!(ratio.rows[0].effect, Effect::Additive(1.5_f64.ln()));
    }

    #[test]
    fn each_accession_of_a_combined_file_is_a_score() {
        let Some(folder) = shared_data("pgs-catalog") else { return };
        let scores = ScoringFile::read(&folder.join("core/combined.txt.gz"), None).unwrap();
        let found: Vec<(&str, usize)> = scores.iter().map(|score| (score.id.as_str(), score.rows.len())).collect();
        assert_eq!(found, [("PGS000002", 77), ("PGS000001", 77)]);
    }

    #[test]
    fn a_file_that_ends_early_and_odds_ratios_are_said_aloud() {
        let file = read("a.txt", &format!("#variants_number=3\n#weight_type=OR\n{TABLE}1\t5\tA\tG\t1\n")).unwrap();
        assert!(file.warnings[0].contains("is 3, but the file has 1 row:") && file.warnings[1].contains("weight_type is OR"));
    }
}

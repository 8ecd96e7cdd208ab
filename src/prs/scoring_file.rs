//! Published scoring files in the format of the PGS Catalog (version 2), original or harmonised.
//!
//! Input -> output: a tab-separated file, plain or gzipped (also BGZF), with a `#key=value` header -> a [`ScoringFile`] with one
//! [`ScoreRow`] a line. Rows that are no additive weight of one allele at one position stay in, marked with the reason.
//! Coordinates: `chr_position` and `hm_pos` are 1-based. Format: <https://www.pgscatalog.org/downloads/#dl_ftp_scoring>.

use std::{
    collections::HashMap,
    fmt,
    fs::File,
    io::{BufReader, Cursor, Read},
    path::{Path, PathBuf},
    str::FromStr,
};

use flate2::read::MultiGzDecoder;
use polars::prelude::{AnyValue, CsvReadOptions, DataFrame, SerReader};
use serde::{Deserialize, Serialize};

use super::Error;

/// The two builds of the human genome in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum GenomeBuild {
    /// Also hg19 and b37.
    GRCh37,
    /// Also hg38.
    GRCh38,
}

impl fmt::Display for GenomeBuild {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::GRCh37 => "GRCh37",
            Self::GRCh38 => "GRCh38",
        })
    }
}

/// A text that names no [`GenomeBuild`].
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not a genome build; write GRCh37 or GRCh38")]
pub struct UnknownBuild(String);

impl FromStr for GenomeBuild {
    type Err = UnknownBuild;

    fn from_str(text: &str) -> Result<Self, UnknownBuild> {
        match text.to_ascii_lowercase().as_str() {
            "grch37" | "hg19" | "b37" | "hs37d5" => Ok(Self::GRCh37),
            "grch38" | "hg38" => Ok(Self::GRCh38),
            _ => Err(UnknownBuild(text.into())),
        }
    }
}

/// Why a row of a scoring file cannot be used as an additive weight of one allele.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unusable {
    /// The weight belongs to a haplotype or diplotype.
    Haplotype,
    /// The weight belongs to a combination of variants.
    Interaction,
    /// The weight counts once for one or two copies.
    Dominant,
    /// The weight counts for two copies only.
    Recessive,
    /// The effect type is none that is known.
    EffectType,
    /// No chromosome or position; harmonisation leaves both empty for variants it cannot place.
    NoPosition,
    /// An allele is not written in A, C, G, T (HLA types, amino acids, `I`/`D`).
    Allele,
}

impl fmt::Display for Unusable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Haplotype => "haplotype",
            Self::Interaction => "interaction",
            Self::Dominant => "dominant",
            Self::Recessive => "recessive",
            Self::EffectType => "effect-type",
            Self::NoPosition => "no-position",
            Self::Allele => "allele",
        })
    }
}

/// One line of a scoring file.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoreRow {
    /// Chromosome as the file writes it; empty when not given.
    pub chr_name: String,
    /// 1-based position.
    pub chr_position: Option<usize>,
    /// The allele whose copies are counted, upper-case.
    pub effect_allele: String,
    /// The allele it is compared with, upper-case.
    pub other_allele: Option<String>,
    /// Weight per copy of the effect allele.
    pub effect_weight: f64,
    /// Why the row cannot be used.
    pub unusable: Option<Unusable>,
}

/// A scoring file, read and checked.
#[derive(Clone, Debug)]
pub struct ScoringFile {
    /// The file.
    pub path: PathBuf,
    /// `#pgs_id`, or the file's name without its extensions.
    pub id: String,
    /// Build of the positions: `#HmPOS_build` of a harmonised file, else `#genome_build`; `None` for `NR` or when not given.
    pub genome_build: Option<GenomeBuild>,
    /// The positions are those of `hm_chr` and `hm_pos`.
    pub harmonised: bool,
    /// The `#` lines above the table, as they are.
    pub header: String,
    /// In the order of the file.
    pub rows: Vec<ScoreRow>,
}

impl ScoringFile {
    /// Reads a scoring file. Positions are taken from `hm_chr`, `hm_pos` where the file is harmonised.
    ///
    /// # Errors
    /// A file that cannot be read; no `effect_allele`, `effect_weight` or position columns (rsID-only files, per-dosage weights); a
    /// weight or position that is not a number (named with its line); no row that can be used.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = read_text(path)?;
        let (header, body, header_lines) = split_header(&text);
        let file_error = |reason: String| Error::ScoringFile { path: path.into(), reason };
        if body.trim().is_empty() {
            return Err(file_error("no table below the `#` lines".into()));
        }
        let table = read_table(body).map_err(|error| file_error(format!("not a tab-separated table: {error}")))?;
        let columns = Columns::find(&table).map_err(file_error)?;
        let rows: Vec<ScoreRow> = (0..table.height())
            .map(|row| {
                let line = (header_lines + 2 + row) as u64;
                columns.row(row).map_err(|reason| Error::ScoringLine { path: path.into(), line, reason })
            })
            .collect::<Result<_, _>>()?;
        if rows.iter().all(|row| row.unusable.is_some()) {
            let reasons: std::collections::BTreeSet<_> = rows.iter().filter_map(|row| row.unusable).map(|why| why.to_string()).collect();
            return Err(file_error(format!(
                "none of its {} rows can be used ({}); only additive weights of alleles with a position can, as in the harmonised files of the PGS Catalog",
                rows.len(),
                reasons.into_iter().collect::<Vec<_>>().join(", ")
            )));
        }
        let build = if columns.harmonised { header.get("HmPOS_build") } else { header.get("genome_build") };
        Ok(Self {
            path: path.into(),
            id: header.get("pgs_id").filter(|id| !id.is_empty()).map_or_else(|| file_stem(path), |id| (*id).to_owned()),
            genome_build: build.and_then(|build| build.parse().ok()),
            harmonised: columns.harmonised,
            header: text[..text.len() - body.len()].to_owned(),
            rows,
        })
    }
}

fn read_text(path: &Path) -> Result<String, Error> {
    let io = |source| Error::ScoringFile { path: path.into(), reason: format!("cannot be read: {source}") };
    let mut bytes = Vec::new();
    BufReader::new(File::open(path).map_err(io)?).read_to_end(&mut bytes).map_err(io)?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut plain = Vec::new();
        MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).map_err(io)?;
        bytes = plain;
    }
    // Names of genes and authors may be in another encoding; nothing that is used is.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The `#key=value` lines, the table below them, and how many lines stand above the table.
fn split_header(text: &str) -> (HashMap<&str, &str>, &str, usize) {
    let mut body = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut header = HashMap::new();
    let mut lines = 0;
    while body.starts_with('#') {
        let (line, rest) = body.split_once('\n').unwrap_or((body, ""));
        if let Some((key, value)) = line.trim_start_matches('#').split_once('=') {
            header.insert(key.trim(), value.trim());
        }
        body = rest;
        lines += 1;
    }
    (header, body, lines)
}

/// Every column as text: what is a number is decided column by column, with the line at hand for the message.
fn read_table(body: &str) -> polars::prelude::PolarsResult<DataFrame> {
    CsvReadOptions::default()
        .with_has_header(true)
        .with_infer_schema_length(Some(0))
        .map_parse_options(|options| options.with_separator(b'\t').with_quote_char(None))
        .into_reader_with_file_handle(Cursor::new(body.trim_end().as_bytes()))
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
    chr_name: Vec<String>,
    chr_position: Vec<String>,
    effect_allele: Vec<String>,
    effect_weight: Vec<String>,
    other_allele: Option<Vec<String>>,
    effect_type: Option<Vec<String>>,
    flags: Vec<(Unusable, Vec<String>)>,
}

impl Columns {
    fn find(table: &DataFrame) -> Result<Self, String> {
        let names: Vec<String> = table.get_column_names().iter().map(|name| name.trim().to_owned()).collect();
        let find = |name: &str| names.iter().position(|other| other == name).map(|index| text_column(table, index));
        let found = || format!("; it has {}", names.join(", "));
        let required = |name: &str| find(name).ok_or_else(|| format!("no column `{name}`{}", found()));
        if find("effect_weight").is_none() && find("dosage_1_weight").is_some() {
            return Err("has a weight per dosage (dosage_0_weight, dosage_1_weight, dosage_2_weight); only additive weights (effect_weight) can be used".into());
        }
        let harmonised = find("hm_chr").is_some() && find("hm_pos").is_some();
        let (chr_name, chr_position) = if harmonised { ("hm_chr", "hm_pos") } else { ("chr_name", "chr_position") };
        if find(chr_position).is_none() {
            let advice = "variants are matched by position: take the harmonised file (`_hmPOS_`) of your build from the PGS Catalog";
            return Err(format!("no column `{chr_position}`{}; {advice}", found()));
        }
        let flag = |reason, name: &str| find(name).map(|cells| (reason, cells));
        Ok(Self {
            harmonised,
            chr_name: required(chr_name)?,
            chr_position: required(chr_position)?,
            effect_allele: required("effect_allele")?,
            effect_weight: required("effect_weight")?,
            other_allele: find("other_allele").or_else(|| find("reference_allele")),
            effect_type: find("effect_type"),
            flags: [
                flag(Unusable::Haplotype, "is_haplotype"),
                flag(Unusable::Haplotype, "is_diplotype"),
                flag(Unusable::Interaction, "is_interaction"),
                flag(Unusable::Dominant, "is_dominant"),
                flag(Unusable::Recessive, "is_recessive"),
            ]
            .into_iter()
            .flatten()
            .collect(),
        })
    }

    fn row(&self, row: usize) -> Result<ScoreRow, String> {
        let chr_name = self.chr_name[row].clone();
        let chr_position = match self.chr_position[row].as_str() {
            "" => None,
            text => Some(
                text.parse().ok().filter(|&position| position > 0).ok_or_else(|| format!("position `{text}` is not a number from 1 on"))?,
            ),
        };
        let weight = &self.effect_weight[row];
        let effect_weight: f64 = weight
            .parse()
            .ok()
            .filter(|weight: &f64| weight.is_finite())
            .ok_or_else(|| format!("effect_weight `{weight}` is not a finite number"))?;
        let effect_allele = self.effect_allele[row].to_ascii_uppercase();
        let other_allele = self.other_allele.as_ref().map(|cells| cells[row].to_ascii_uppercase()).filter(|allele| !allele.is_empty());
        let unusable = self
            .flags
            .iter()
            .find(|(_, cells)| cells[row].eq_ignore_ascii_case("true"))
            .map(|(reason, _)| *reason)
            .or_else(|| self.effect_type.as_ref().and_then(|cells| unusable_effect_type(&cells[row])))
            .or_else(|| {
                let bases = is_bases(&effect_allele) && other_allele.as_deref().is_none_or(is_bases);
                (!bases).then_some(Unusable::Allele)
            })
            .or_else(|| (chr_name.is_empty() || chr_position.is_none()).then_some(Unusable::NoPosition));
        Ok(ScoreRow { chr_name, chr_position, effect_allele, other_allele, effect_weight, unusable })
    }
}

fn text_column(table: &DataFrame, index: usize) -> Vec<String> {
    let column = &table.columns()[index];
    column
        .as_materialized_series()
        .iter()
        .map(|value| match value {
            AnyValue::Null => String::new(),
            AnyValue::String(text) => text.trim().to_owned(),
            other => other.to_string(),
        })
        .collect()
}

fn unusable_effect_type(effect_type: &str) -> Option<Unusable> {
    match effect_type.to_ascii_lowercase().as_str() {
        "" | "additive" => None,
        "dominant" => Some(Unusable::Dominant),
        "recessive" => Some(Unusable::Recessive),
        _ => Some(Unusable::EffectType),
    }
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
        ScoringFile::read(&path)
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
        assert_eq!((row.chr_name.as_str(), row.chr_position, row.effect_weight), ("19", Some(45_411_941), -0.15));
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
        assert_eq!(ScoringFile::read(&path).unwrap().rows.len(), 2);
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
            ("chr_name\tchr_position\teffect_allele\tdosage_1_weight\n1\t5\tA\t1\n", "per dosage"),
            ("chr_name\tchr_position\teffect_allele\n1\t5\tA\n", "no column `effect_weight`"),
            (
                "chr_name\tchr_position\teffect_allele\teffect_weight\teffect_type\n1\t5\tA\t1\trecessive\n",
                "none of its 1 rows can be used (recessive)",
            ),
        ] {
            let message = read("a.txt", text).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn files_of_the_pgs_catalog_are_read() {
        let Some(folder) = shared_data("pgs-catalog") else { return };
        let read = |name: &str| ScoringFile::read(&folder.join(name));
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
            ("core/PGS000802_hmPOS_GRCh37.txt", 19, 5, "PGS000802", Some(GenomeBuild::GRCh37)),
            ("calc/PGS000001_hmPOS_GRCh38.txt.gz", 77, 77, "PGS000001_hmPOS_GRCh38", None),
        ] {
            let file = read(name).unwrap();
            assert_eq!((file.rows.len(), usable(&file), file.id.as_str(), file.genome_build), (rows, n_usable, id, build), "{name}");
        }
        for (name, expected) in [
            ("core/PGS000001.txt.gz", "harmonised"),
            ("core/PGS004255_hmPOS_GRCh38.txt.gz", "per dosage"),
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
            let file = ScoringFile::read(&folder.join(name)).unwrap();
            assert_eq!((file.rows.len(), usable(&file)), (rows, rows), "{name}");
            assert!(file.genome_build.is_some() && file.id.starts_with("CUSTOM_"));
        }
    }
}

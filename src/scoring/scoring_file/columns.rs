//! Columns of a scoring file, found by name, and the conversion of its rows.
//!
//! Input: a table with all columns as text. Output: [`Columns`], and one [`WeightRow`] per row.
//! If several columns can have a value, the first cell with a value is used.

use polars::{
    error::PolarsError,
    prelude::{DataFrame, PlSmallStr, StringChunked},
};

use super::{
    EffectColumn, Unusable, WeightRow,
    cells::{self, CellProblem, flag, is_bases, is_missing, number},
    dialect::Dialect,
};
use crate::scoring::{effect::Effect, matching::complement};
use gf_genotypes::{Position1, chromosome_key};

/// Names of the column of chromosomes.
const CHROMOSOME: [&str; 6] = [
    "chr_name",
    "chrom",
    "chr",
    "chromosome",
    "contig",
    "chromosome_name",
];
/// Names of the column of positions.
const POSITION: [&str; 9] = [
    "chr_position",
    "pos",
    "bp",
    "position",
    "base_pair_location",
    "ps",
    "physical.pos",
    "base_pair_position",
    "genpos",
];
/// Names of the column of variant IDs. Some programs write positions there (`1:100:A:G`).
const ID: [&str; 9] = [
    "markername",
    "snp",
    "id",
    "rsid",
    "variant_id",
    "snpid",
    "markerid",
    "marker.id",
    "variant",
];
/// Names of the column of the effect allele.
const EFFECT_ALLELE: [&str; 6] = [
    "effect_allele",
    "ea",
    "risk_allele",
    "effectallele",
    "tested_allele",
    "coded_allele",
];
/// Names of the columns of the other allele.
const OTHER_ALLELE: [&str; 7] = [
    "other_allele",
    "reference_allele",
    "nea",
    "non_effect_allele",
    "hm_inferotherallele",
    "otherallele",
    "noncoded_allele",
];
/// Names of the column of weights.
const WEIGHT: [&str; 9] = [
    "effect_weight",
    "beta",
    "weight",
    "log_or",
    "logor",
    "log(or)",
    "log_odds",
    "effect",
    "b",
];
/// Columns of the weights of 0, 1 and 2 copies.
const PER_DOSAGE: [&str; 3] = ["dosage_0_weight", "dosage_1_weight", "dosage_2_weight"];
/// Names of the column of odds ratios.
const ODDS_RATIO: [&str; 2] = ["or", "odds_ratio"];
/// Names of the column of the effect allele's frequency. `FRQ` and `MAF` are not among them,
/// because they can belong to either allele.
const FREQUENCY: [&str; 3] = ["allelefrequency_effect", "effect_allele_frequency", "eaf"];
/// Columns that are true for rows that are not the weight of one allele.
const FLAGS: [(&str, Unusable); 3] = [
    ("is_haplotype", Unusable::Haplotype),
    ("is_diplotype", Unusable::Haplotype),
    ("is_interaction", Unusable::Interaction),
];

/// A column that a table does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no column `{name}` among {}", among.join(", "))]
pub struct NoColumn {
    /// Name of the column.
    pub name: String,
    /// Names of the columns that exist.
    pub among: Vec<String>,
}

/// Why the columns of a scoring file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ColumnsProblem {
    /// A column is missing.
    #[error(transparent)]
    Missing(#[from] NoColumn),
    /// No position.
    #[error(
        "{0}; variants are matched by position, so use the harmonised file (`_hmPOS_`) for your \
         build from the PGS Catalog"
    )]
    NoPosition(NoColumn),
    /// No effect allele, but a column that may be it.
    #[error("{0}; if `A1` is the effect allele, use --effect-allele-column A1")]
    PerhapsA1(NoColumn),
    /// Two alleles, and either may be the effect allele.
    #[error(
        "columns {first} and {second}, but no `effect_allele`; the effect allele depends on the \
         program (A1 in PLINK and PRSice, A2 in MungeSumstats), so name it with \
         --effect-allele-column"
    )]
    UnknownEffectAllele {
        /// The first column.
        first: String,
        /// The second column.
        second: String,
    },
    /// Two columns of one name.
    #[error("two columns are named `{first}` and `{second}`; keep one")]
    Twice {
        /// The first column.
        first: String,
        /// The second column.
        second: String,
    },
    /// A column that polars does not read as text.
    #[error("column `{name}`: {source}")]
    NotText {
        /// Name of the column.
        name: String,
        /// The error of polars.
        source: PolarsError,
    },
    /// Effects next to weights that are derived from them.
    #[error(
        "columns `{column}`, `{}` have the effects of an association study and weights derived \
         from them; rename the intended column to `effect_weight`",
        shrunk.join("`, `")
    )]
    ShrunkEffects {
        /// The effects.
        column: String,
        /// The derived weights.
        shrunk: Vec<String>,
    },
    /// Numbers of samples in place of weights.
    #[error(
        "`Zscore` and `Weight` come from METAL's sample-size scheme, where `Weight` counts samples \
         and no column has effects. Run METAL with SCHEME STDERR, or give a table with effects"
    )]
    MetalSampleSizes,
}

/// A column of text.
struct Column {
    /// Name as the file writes it.
    name: String,
    cells: StringChunked,
}

impl Column {
    /// A cell without surrounding blanks.
    fn cell(&self, row: usize) -> &str {
        self.cells.get(row).unwrap_or_default().trim()
    }

    /// A cell; `None` if it is a code for a missing value.
    fn value(&self, row: usize) -> Option<&str> {
        Some(self.cell(row)).filter(|cell| !is_missing(cell))
    }

    /// The flag in a cell.
    fn flag(&self, row: usize) -> Result<bool, CellProblem> {
        flag(self.cell(row), &self.name)
    }
}

/// A table and the names of its columns.
struct Table<'t> {
    frame: &'t DataFrame,
    /// Names as the file writes them.
    names: Vec<String>,
    /// Names by which columns are found, in lower case.
    lower: Vec<String>,
}

impl<'t> Table<'t> {
    fn new(table: &'t DataFrame) -> Self {
        let names: Vec<String> = table
            .get_column_names()
            .iter()
            .map(|name| original_name(name.trim()))
            .collect();
        let mut lower: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        let is_harmonised_gwas = ["hm_chrom", "hm_effect_allele"]
            .iter()
            .all(|marker| lower.iter().any(|name| name == marker));
        if is_harmonised_gwas {
            lower = lower
                .iter()
                .map(|name| gwas_catalog_name(name, &lower))
                .collect();
        }
        Self {
            frame: table,
            names,
            lower,
        }
    }

    /// The column of a lower-case name.
    ///
    /// # Errors
    /// Two columns have the name.
    fn find(&self, name: &str) -> Result<Option<Column>, ColumnsProblem> {
        let mut indices = (0..self.lower.len()).filter(|&index| self.lower[index] == name);
        let Some(index) = indices.next() else {
            return Ok(None);
        };
        if let Some(second_index) = indices.next() {
            return Err(ColumnsProblem::Twice {
                first: self.names[index].clone(),
                second: self.names[second_index].clone(),
            });
        }
        let series = self.frame.columns()[index].as_materialized_series();
        let cells = series.str().map_err(|source| ColumnsProblem::NotText {
            name: name.to_owned(),
            source,
        })?;
        Ok(Some(Column {
            name: self.names[index].clone(),
            cells: cells.rechunk().into_owned(),
        }))
    }

    /// The columns of these names that exist, in the order of the names.
    fn all(&self, names: &[&str]) -> Result<Vec<Column>, ColumnsProblem> {
        names
            .iter()
            .filter_map(|name| self.find(name).transpose())
            .collect()
    }

    /// The first of these names that exists.
    fn first(&self, names: &[&str]) -> Result<Option<Column>, ColumnsProblem> {
        Ok(self.all(names)?.into_iter().next())
    }

    fn has(&self, name: &str) -> bool {
        self.lower.iter().any(|existing| existing == name)
    }

    /// The names of columns `is_...` that this program does not know.
    fn unknown_flags(&self) -> Vec<&str> {
        let known: Vec<&str> = FLAGS
            .iter()
            .map(|(name, _)| *name)
            .chain(["is_dominant", "is_recessive"])
            .collect();
        self.lower
            .iter()
            .map(String::as_str)
            .filter(|name| name.starts_with("is_") && !known.contains(name))
            .collect()
    }

    /// A missing column.
    fn missing(&self, name: &str) -> NoColumn {
        NoColumn {
            name: name.to_owned(),
            among: self.names.clone(),
        }
    }
}

/// Name of a column in a harmonised file of the GWAS Catalog, translated to the usual names.
///
/// `hm_beta` is the effect and becomes `beta`. The submitted `beta` is not read and gets a name
/// that no other rule finds.
fn gwas_catalog_name(name: &str, all: &[String]) -> String {
    match name.strip_prefix("hm_") {
        Some("chrom") => "hm_chr".to_owned(),
        Some("pos") => name.to_owned(),
        Some(harmonised) => harmonised.to_owned(),
        None if all.contains(&format!("hm_{name}")) => format!("submitted {name}"),
        None => name.to_owned(),
    }
}

/// A name without the suffix that polars appends to repeated names.
fn original_name(name: &str) -> String {
    match name.rsplit_once("_duplicated_") {
        Some((original, number)) if is_number(number) => original.to_owned(),
        _ => name.to_owned(),
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit())
}

/// An allele on the other strand; an allele that is not bases stays as it is.
fn on_other_strand(allele: &PlSmallStr) -> PlSmallStr {
    complement(allele).map_or_else(|| allele.clone(), Into::into)
}

/// Columns of chromosome and position.
enum PositionColumns {
    Separate {
        chromosome: Column,
        position: Column,
    },
    /// IDs with both, such as `1:100:A:G`.
    Ids(Column),
}

/// Columns of the two alleles.
struct AlleleColumns {
    effect: Column,
    /// The first with a value is the other allele.
    others: Vec<Column>,
    /// REF and ALT: the other allele is the one that is not the effect allele.
    ref_alt: Option<(Column, Column)>,
    /// Program that uses these column names.
    dialect: Option<&'static Dialect>,
}

impl AlleleColumns {
    /// Columns that do not belong to one program.
    fn plain(effect: Column, others: Vec<Column>) -> Self {
        Self {
            effect,
            others,
            ref_alt: None,
            dialect: None,
        }
    }
}

/// Columns of one way to write a weight.
enum WeightColumns {
    /// The weight of each copy.
    Effect(Column),
    /// The weights of 0, 1 and 2 copies.
    PerDosage([Column; 3]),
    /// The logarithm is the weight of each copy.
    OddsRatio(Column),
}

/// The used columns of a scoring file.
pub struct Columns {
    /// The positions are those of `hm_chr` and `hm_pos`.
    pub harmonised: bool,
    /// Accession of each row's score.
    accession: Option<Column>,
    positions: PositionColumns,
    alleles: AlleleColumns,
    /// The first with a value is used.
    weights: Vec<WeightColumns>,
    /// Names of further columns of weights, which are not read.
    unread_weights: Vec<String>,
    frequencies: Vec<Column>,
    effect_type: Option<Column>,
    variant_type: Option<Column>,
    /// The tested effect of a row of an association study, such as `ADD`.
    test: Option<Column>,
    is_dominant: Option<Column>,
    is_recessive: Option<Column>,
    /// Strand of the alleles of each row.
    strand: Option<Column>,
    flags: Vec<(Unusable, Column)>,
    /// Columns `is_...` that this program does not know.
    unknown_flags: Vec<Column>,
}

impl Columns {
    /// Finds the columns by the names of the PGS Catalog, else by those of other programs. Names
    /// are compared without case.
    ///
    /// # Errors
    /// The missing columns and the next action.
    pub fn find(
        table: &DataFrame,
        effect_column: Option<EffectColumn>,
    ) -> Result<Self, ColumnsProblem> {
        let table = Table::new(table);
        let harmonised = table.has("hm_chr") && table.has("hm_pos");
        let alleles = allele_columns(&table, effect_column)?;
        let frequencies = match alleles.dialect.and_then(|dialect| dialect.frequency) {
            Some(name) => table.all(&[name])?,
            None => table.all(&FREQUENCY)?,
        };
        let mut flags = Vec::new();
        for (name, reason) in FLAGS {
            flags.extend(table.find(name)?.map(|column| (reason, column)));
        }
        Ok(Self {
            harmonised,
            accession: table.find("accession")?,
            positions: position_columns(&table, harmonised)?,
            weights: weight_columns(&table, alleles.dialect)?,
            unread_weights: unread_weights(&table, alleles.dialect)?,
            frequencies,
            effect_type: table.find("effect_type")?,
            variant_type: table.find("variant_type")?,
            test: table.find("test")?,
            is_dominant: table.find("is_dominant")?,
            is_recessive: table.find("is_recessive")?,
            strand: table.find("strand")?,
            flags,
            unknown_flags: table.all(&table.unknown_flags())?,
            alleles,
        })
    }

    /// Whether rows have accessions.
    pub fn has_accessions(&self) -> bool {
        self.accession.is_some()
    }

    /// Accession of a row; empty if the row has none.
    pub fn accession(&self, row: usize) -> &str {
        self.accession
            .as_ref()
            .map_or("", |column| column.cell(row))
    }

    /// The program that uses these column names, and its effect allele, in words.
    pub fn format(&self) -> Option<String> {
        let dialect = self.alleles.dialect?;
        Some(format!(
            "columns of {}: the effect allele is `{}`",
            dialect.name, self.alleles.effect.name
        ))
    }

    /// Warning about further columns of weights, which are not read.
    pub fn several_weights(&self) -> Option<String> {
        let Some(WeightColumns::Effect(column)) = self.weights.first() else {
            return None;
        };
        if self.unread_weights.is_empty() {
            return None;
        }
        let unread = self.unread_weights.join(", ");
        Some(format!(
            "weights are read from the column `{}`, and not from {unread}",
            column.name
        ))
    }

    /// Names of columns `is_...` that this program does not know. They may mark rows that are not
    /// the weight of one allele.
    pub fn unknown_flags(&self) -> impl Iterator<Item = &str> {
        self.unknown_flags.iter().map(|column| column.name.as_str())
    }

    /// The test of a row that is not the effect of an allele.
    pub fn other_test(&self, row: usize) -> Option<&str> {
        let test = self.test.as_ref()?.value(row)?;
        let is_allele_effect = ["ADD", "DOM", "REC"]
            .iter()
            .any(|name| name.eq_ignore_ascii_case(test));
        (!is_allele_effect).then_some(test)
    }

    /// Converts a row.
    ///
    /// # Errors
    /// A cell that is not a value of its column.
    pub fn row(&self, row: usize) -> Result<WeightRow, CellProblem> {
        let (chr_name, chr_position) = self.position(row)?;
        let mut effect_allele = upper(self.alleles.effect.cell(row));
        let mut other_allele = self.alleles.other(row, &effect_allele);
        if self.is_reverse(row) {
            effect_allele = on_other_strand(&effect_allele);
            other_allele = other_allele.as_ref().map(on_other_strand);
        }
        let frequency = self.frequency(row)?;
        let is_hla = effect_allele.starts_with("HLA") || self.has_hla_type(row);
        let effect = self.effect(row)?;
        let has_bases = is_bases(&effect_allele) && other_allele.as_deref().is_none_or(is_bases);
        let has_position = !chr_name.is_empty() && chr_position.is_some();
        let flagged = self.flagged(row)?;
        // The most specific reason comes first.
        let unusable = flagged
            .or_else(|| is_hla.then_some(Unusable::Hla))
            .or_else(|| effect.err())
            .or_else(|| (!has_bases).then_some(Unusable::Allele))
            .or_else(|| (!has_position).then_some(Unusable::NoPosition));
        Ok(WeightRow {
            chr_name,
            chr_position,
            effect_allele,
            other_allele,
            effect: effect.unwrap_or(Effect::Additive(0.0)),
            frequency,
            unusable,
        })
    }

    /// Whether the variant type of a row begins with `HLA`.
    fn has_hla_type(&self, row: usize) -> bool {
        self.variant_type
            .as_ref()
            .and_then(|column| column.cell(row).get(..3))
            .is_some_and(|prefix| prefix.eq_ignore_ascii_case("HLA"))
    }

    /// Whether the alleles of a row are on the reverse strand.
    pub fn is_reverse(&self, row: usize) -> bool {
        let strand = self.strand.as_ref().and_then(|column| column.value(row));
        strand.is_some_and(|strand| matches!(strand, "-" | "-1" | "minus" | "reverse"))
    }

    /// The first flag that marks a row as unusable.
    fn flagged(&self, row: usize) -> Result<Option<Unusable>, CellProblem> {
        for (reason, column) in &self.flags {
            if column.flag(row)? {
                return Ok(Some(*reason));
            }
        }
        Ok(None)
    }

    /// Chromosome (empty if missing) and position of a row.
    fn position(&self, row: usize) -> Result<(PlSmallStr, Option<Position1>), CellProblem> {
        match &self.positions {
            PositionColumns::Separate {
                chromosome,
                position,
            } => {
                // PLINK writes 0 for an unplaced variant.
                let name = chromosome
                    .value(row)
                    .filter(|name| *name != "0")
                    .unwrap_or_default();
                let position = cells::position(position.cell(row))?;
                Ok((PlSmallStr::from_str(name), position))
            }
            PositionColumns::Ids(ids) => Ok(match position_of_id(ids.cell(row)) {
                Some((chromosome, position)) => (chromosome.into(), Some(position)),
                None => (PlSmallStr::EMPTY, None),
            }),
        }
    }

    /// Frequency of the effect allele in a row.
    fn frequency(&self, row: usize) -> Result<Option<f64>, CellProblem> {
        let Some((column, cell)) = self
            .frequencies
            .iter()
            .find_map(|column| Some((column, column.value(row)?)))
        else {
            return Ok(None);
        };
        let frequency = number(cell, &column.name)?;
        if (0.0..=1.0).contains(&frequency) {
            Ok(Some(frequency))
        } else {
            Err(CellProblem::NotFrequency {
                column: column.name.clone(),
                cell: cell.to_owned(),
            })
        }
    }

    /// The effect of a row, or why it has none.
    fn effect(&self, row: usize) -> Result<Result<Effect, Unusable>, CellProblem> {
        let effect = match self.weights.iter().find_map(|columns| columns.effect(row)) {
            None => return Ok(Err(Unusable::NoWeight)),
            Some(effect) => effect?,
        };
        let Effect::Additive(weight) = effect else {
            return Ok(Ok(effect));
        };
        let effect_type = lower_case(self.effect_type.as_ref(), row);
        let test = lower_case(self.test.as_ref(), row);
        let is_dominant =
            is_true(self.is_dominant.as_ref(), row)? || effect_type == "dominant" || test == "dom";
        let is_recessive = is_true(self.is_recessive.as_ref(), row)?
            || effect_type == "recessive"
            || test == "rec";
        let is_known = matches!(
            effect_type.as_str(),
            "" | "additive" | "dominant" | "recessive"
        );
        Ok(match (is_dominant, is_recessive) {
            _ if !is_known => Err(Unusable::EffectType),
            (true, true) => Err(Unusable::EffectType),
            (true, false) => Ok(Effect::Dominant(weight)),
            (false, true) => Ok(Effect::Recessive(weight)),
            (false, false) => Ok(Effect::Additive(weight)),
        })
    }
}

/// The flag of an optional column; false without the column.
fn is_true(column: Option<&Column>, row: usize) -> Result<bool, CellProblem> {
    column.map_or(Ok(false), |column| column.flag(row))
}

/// The cell of an optional column in lower case; empty if it is missing.
fn lower_case(column: Option<&Column>, row: usize) -> String {
    column
        .and_then(|column| column.value(row))
        .unwrap_or_default()
        .to_ascii_lowercase()
}

impl AlleleColumns {
    /// The other allele of a row.
    fn other(&self, row: usize, effect_allele: &str) -> Option<PlSmallStr> {
        // Harmonisation may infer several alleles, separated by `/`. Such a cell has no value.
        let given = self
            .others
            .iter()
            .filter_map(|column| column.value(row))
            .find(|cell| !cell.contains(['/', ',']));
        if let Some(given) = given {
            return Some(upper(given));
        }
        let (ref_alleles, alt_alleles) = self.ref_alt.as_ref()?;
        let ref_allele = upper(ref_alleles.cell(row));
        let alt_allele = upper(alt_alleles.cell(row));
        let other = if effect_allele == ref_allele {
            alt_allele
        } else {
            ref_allele
        };
        Some(other).filter(|allele| is_bases(allele))
    }
}

impl WeightColumns {
    /// The effect of a row; `None` if the cell is missing.
    fn effect(&self, row: usize) -> Option<Result<Effect, CellProblem>> {
        match self {
            Self::Effect(column) => {
                Some(number(column.value(row)?, &column.name).map(Effect::Additive))
            }
            Self::OddsRatio(column) => {
                Some(log_odds(column.value(row)?, &column.name).map(Effect::Additive))
            }
            Self::PerDosage(columns) => {
                columns.iter().find_map(|column| column.value(row))?;
                Some(dosage_weights(columns, row).map(Effect::PerDosage))
            }
        }
    }
}

/// The weights of 0, 1 and 2 copies.
fn dosage_weights(columns: &[Column; 3], row: usize) -> Result<[f64; 3], CellProblem> {
    let mut weights = [0.0; 3];
    for (weight, column) in weights.iter_mut().zip(columns) {
        *weight = number(column.cell(row), &column.name)?;
    }
    Ok(weights)
}

/// Logarithm of the odds ratio in a cell.
fn log_odds(cell: &str, column: &str) -> Result<f64, CellProblem> {
    let ratio = number(cell, column)?;
    if ratio > 0.0 {
        Ok(ratio.ln())
    } else {
        Err(CellProblem::OddsRatio { cell: cell.into() })
    }
}

/// An allele in upper case.
fn upper(cell: &str) -> PlSmallStr {
    let mut allele = PlSmallStr::from_str(cell);
    allele.make_ascii_uppercase();
    allele
}

/// Chromosome and position of an ID such as `1:100`, `chr1:100:A:G` or `1_100_A_G`.
fn position_of_id(id: &str) -> Option<(&str, Position1)> {
    let separator = if id.contains(':') { ':' } else { '_' };
    let mut fields = id.split(separator);
    let chromosome = fields.next()?;
    let position = fields.next()?;
    chromosome_key(chromosome)?;
    Some((chromosome, position.parse().ok()?))
}

/// Finds the columns of chromosome and position, or of IDs that have both.
fn position_columns(
    table: &Table<'_>,
    harmonised: bool,
) -> Result<PositionColumns, ColumnsProblem> {
    let chromosome_names: &[&str] = if harmonised { &["hm_chr"] } else { &CHROMOSOME };
    let position_names: &[&str] = if harmonised { &["hm_pos"] } else { &POSITION };
    let chromosome = table.first(chromosome_names)?;
    if let Some(position) = table.first(position_names)? {
        let chromosome = chromosome.ok_or_else(|| table.missing(chromosome_names[0]))?;
        return Ok(PositionColumns::Separate {
            chromosome,
            position,
        });
    }
    let n_rows = table.frame.height();
    let ids = table.all(&ID)?.into_iter().find(|column| {
        // rsIDs have no positions.
        (0..n_rows).any(|row| position_of_id(column.cell(row)).is_some())
    });
    match ids {
        Some(ids) => Ok(PositionColumns::Ids(ids)),
        None => Err(ColumnsProblem::NoPosition(table.missing(position_names[0]))),
    }
}

/// Finds the columns of the alleles: by name, by the option, or by the dialect of a program.
fn allele_columns(
    table: &Table<'_>,
    effect_column: Option<EffectColumn>,
) -> Result<AlleleColumns, ColumnsProblem> {
    if let Some(effect) = table.first(&EFFECT_ALLELE)? {
        let others = table.all(&OTHER_ALLELE)?;
        return Ok(AlleleColumns::plain(effect, others));
    }
    let mut a1 = table.find("a1")?;
    let mut a2 = table.find("a2")?;
    if a1.is_none() {
        a1 = table.find("allele1")?;
        a2 = table.find("allele2")?;
    }
    let effect_and_other = match effect_column {
        Some(EffectColumn::A1) => a1.map(|effect| (effect, a2)),
        Some(EffectColumn::A2) => a2.map(|effect| (effect, a1)),
        None => None,
    };
    match effect_and_other {
        Some((effect, other)) => Ok(AlleleColumns::plain(effect, other.into_iter().collect())),
        None => alleles_by_dialect(table),
    }
}

/// Finds the columns of the alleles by the dialect of a program.
///
/// # Errors
/// The names do not decide which allele is the effect allele.
fn alleles_by_dialect(table: &Table<'_>) -> Result<AlleleColumns, ColumnsProblem> {
    if let Some(dialect) = Dialect::detect(&table.lower) {
        let effect = table
            .find(dialect.effect)?
            .ok_or_else(|| table.missing(dialect.effect))?;
        let others = table.all(dialect.other)?;
        // PLINK 2 may write A1, REF and ALT only.
        let needs_ref_alt = dialect.effect == "a1" && others.is_empty();
        let ref_alt = if needs_ref_alt {
            table.find("ref")?.zip(table.find("alt")?)
        } else {
            None
        };
        return Ok(AlleleColumns {
            effect,
            others,
            ref_alt,
            dialect: Some(dialect),
        });
    }
    for (first, second) in [("a1", "a2"), ("allele1", "allele2")] {
        if table.has(first) && table.has(second) {
            let first = first.to_uppercase();
            let second = second.to_uppercase();
            return Err(ColumnsProblem::UnknownEffectAllele { first, second });
        }
    }
    let missing = table.missing("effect_allele");
    Err(if table.has("a1") {
        ColumnsProblem::PerhapsA1(missing)
    } else {
        ColumnsProblem::Missing(missing)
    })
}

/// Names of the column of weights; the first that exists is read.
fn weight_names(dialect: Option<&Dialect>) -> Vec<&str> {
    let dialect_name = dialect.and_then(|dialect| dialect.weight);
    dialect_name
        .into_iter()
        .chain(
            WEIGHT
                .into_iter()
                .filter(|name| dialect_name != Some(*name)),
        )
        .collect()
}

/// Names of the columns of effects after shrinkage, which users of bigsnpr write next to the
/// effects of the association study.
fn shrunk_effects(table: &Table<'_>) -> Vec<String> {
    let shrunk_names = [
        "beta_inf",
        "beta_auto",
        "beta_grid",
        "beta_lassosum",
        "beta_lassosum2",
    ];
    table
        .names
        .iter()
        .zip(&table.lower)
        .filter(|(_, lower)| shrunk_names.contains(&lower.as_str()))
        .map(|(name, _)| name.clone())
        .collect()
}

/// Names of the columns of weights after the first, which is read.
fn unread_weights(
    table: &Table<'_>,
    dialect: Option<&Dialect>,
) -> Result<Vec<String>, ColumnsProblem> {
    let columns = table.all(&weight_names(dialect))?;
    Ok(columns
        .into_iter()
        .skip(1)
        .map(|column| column.name)
        .collect())
}

/// Finds the columns of weights: of each copy, per dosage, and odds ratios.
///
/// # Errors
/// No such column; a column of weights that may be something else.
fn weight_columns(
    table: &Table<'_>,
    dialect: Option<&Dialect>,
) -> Result<Vec<WeightColumns>, ColumnsProblem> {
    let mut weights = Vec::new();
    if let Some(column) = table.first(&weight_names(dialect))? {
        require_weight(&column, table, dialect)?;
        weights.push(WeightColumns::Effect(column));
    }
    let per_dosage = [
        table.find(PER_DOSAGE[0])?,
        table.find(PER_DOSAGE[1])?,
        table.find(PER_DOSAGE[2])?,
    ];
    if let [Some(zero), Some(one), Some(two)] = per_dosage {
        weights.push(WeightColumns::PerDosage([zero, one, two]));
    }
    weights.extend(table.first(&ODDS_RATIO)?.map(WeightColumns::OddsRatio));
    if weights.is_empty() {
        Err(table.missing(WEIGHT[0]).into())
    } else {
        Ok(weights)
    }
}

/// Refuses a column that may not be the weights: effects next to shrunk effects, or numbers of
/// samples.
fn require_weight(
    column: &Column,
    table: &Table<'_>,
    dialect: Option<&Dialect>,
) -> Result<(), ColumnsProblem> {
    let shrunk = shrunk_effects(table);
    if column.name.eq_ignore_ascii_case("beta") && !shrunk.is_empty() {
        return Err(ColumnsProblem::ShrunkEffects {
            column: column.name.clone(),
            shrunk,
        });
    }
    if column.name.eq_ignore_ascii_case("weight")
        && table.has("zscore")
        && dialect.is_some_and(|dialect| dialect.name == "METAL")
    {
        return Err(ColumnsProblem::MetalSampleSizes);
    }
    Ok(())
}

//! The columns of a scoring file that are used, and a row of it.
//!
//! Input -> output: a table of text -> [`Columns`], found by name -> one [`WeightRow`] a row. Where
//! two columns may have a value, the choice is made cell by cell.

use polars::prelude::{DataFrame, PlSmallStr, StringChunked};

use super::{
    EffectColumn, Unusable, WeightRow,
    cells::{flag, is_bases, is_missing, number, position},
    dialect::Dialect,
};
use crate::scoring::{effect::Effect, matching::complement};
use gf_genotypes::chromosome_key;

const CHROMOSOME: [&str; 6] = [
    "chr_name",
    "chrom",
    "chr",
    "chromosome",
    "contig",
    "chromosome_name",
];
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
/// Of the variant; some are a position (`1:100:A:G`).
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
const EFFECT_ALLELE: [&str; 6] = [
    "effect_allele",
    "ea",
    "risk_allele",
    "effectallele",
    "tested_allele",
    "coded_allele",
];
const OTHER_ALLELE: [&str; 7] = [
    "other_allele",
    "reference_allele",
    "nea",
    "non_effect_allele",
    "hm_inferotherallele",
    "otherallele",
    "noncoded_allele",
];
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
const PER_DOSAGE: [&str; 3] = ["dosage_0_weight", "dosage_1_weight", "dosage_2_weight"];
const ODDS_RATIO: [&str; 2] = ["or", "odds_ratio"];
/// Of the effect allele: `FRQ` or `MAF` beside `A1` and `A2` are of one or of the other.
const FREQUENCY: [&str; 3] = ["allelefrequency_effect", "effect_allele_frequency", "eaf"];
/// True for rows that are no weight of one allele.
const FLAGS: [(&str, Unusable); 3] = [
    ("is_haplotype", Unusable::Haplotype),
    ("is_diplotype", Unusable::Haplotype),
    ("is_interaction", Unusable::Interaction),
];

const HARMONISED_ADVICE: &str = "variants are matched by position: take the harmonised file \
                                 (`_hmPOS_`) of your build from the PGS Catalog";
const EFFECT_ALLELE_ADVICE: &str = "programs differ in which of them is the effect allele (PLINK, \
                                    PRSice: A1; MungeSumstats: A2); say it with \
                                    --effect-allele-column";

/// A column of text.
struct Column {
    /// As the file writes it.
    name: String,
    cells: StringChunked,
}

impl Column {
    fn cell(&self, row: usize) -> &str {
        self.cells.get(row).unwrap_or_default().trim()
    }

    fn value(&self, row: usize) -> Option<&str> {
        Some(self.cell(row)).filter(|cell| !is_missing(cell))
    }
}

/// A table and its names.
struct Table<'t> {
    frame: &'t DataFrame,
    names: Vec<String>,
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
        if ["hm_chrom", "hm_effect_allele"]
            .iter()
            .all(|name| lower.iter().any(|has| has == name))
        {
            lower = lower
                .iter()
                .map(|name| of_gwas_catalog(name, &lower))
                .collect();
        }
        Self {
            frame: table,
            names,
            lower,
        }
    }

    /// The column of a lower-case name.
    fn find(&self, name: &str) -> Result<Option<Column>, String> {
        let mut places = (0..self.lower.len()).filter(|&place| self.lower[place] == name);
        let Some(place) = places.next() else {
            return Ok(None);
        };
        if let Some(second) = places.next() {
            let one = &self.names[place];
            let other = &self.names[second];
            return Err(format!(
                "two columns are named `{one}` and `{other}`; keep one"
            ));
        }
        let series = self.frame.columns()[place].as_materialized_series();
        let cells = series
            .str()
            .map_err(|error| format!("column `{name}`: {error}"))?;
        Ok(Some(Column {
            name: self.names[place].clone(),
            cells: cells.rechunk().into_owned(),
        }))
    }

    fn all(&self, names: &[&str]) -> Result<Vec<Column>, String> {
        names
            .iter()
            .filter_map(|name| self.find(name).transpose())
            .collect()
    }

    fn first(&self, names: &[&str]) -> Result<Option<Column>, String> {
        Ok(self.all(names)?.into_iter().next())
    }

    fn has(&self, name: &str) -> bool {
        self.lower.iter().any(|other| other == name)
    }

    fn missing(&self, name: &str) -> String {
        format!("no column `{name}`; it has {}", self.names.join(", "))
    }
}

/// What a column of a harmonised file of the GWAS Catalog is: `hm_beta` is the effect, and `beta`,
/// of the file as it was submitted, is not read.
fn of_gwas_catalog(name: &str, all: &[String]) -> String {
    match name.strip_prefix("hm_") {
        Some("chrom") => "hm_chr".to_owned(),
        Some("pos") => name.to_owned(),
        Some(harmonised) => harmonised.to_owned(),
        None if all.contains(&format!("hm_{name}")) => format!("submitted {name}"),
        None => name.to_owned(),
    }
}

/// Without the suffix by which polars tells columns of one name apart.
fn original_name(name: &str) -> String {
    let is_number =
        |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    match name.rsplit_once("_duplicated_") {
        Some((original, number)) if is_number(number) => original.to_owned(),
        _ => name.to_owned(),
    }
}

/// Bases as the other strand has them; anything else as it is.
fn on_other_strand(allele: &PlSmallStr) -> PlSmallStr {
    complement(allele).map_or_else(|| allele.clone(), Into::into)
}

/// Where the variants are.
enum VariantColumns {
    Columns(Column, Column),
    /// `1:100:A:G`
    Ids(Column),
}

/// The two alleles.
struct Alleles {
    effect: Column,
    /// The first with a value is the other allele.
    others: Vec<Column>,
    /// REF and ALT: the other allele is the one that is not the effect allele.
    ref_alt: Option<(Column, Column)>,
    /// Program that names its columns so.
    dialect: Option<&'static Dialect>,
}

/// One way to write a weight.
enum Weight {
    Effect(Column),
    /// For 0, 1 and 2 copies.
    PerDosage([Column; 3]),
    /// The logarithm is the weight.
    OddsRatio(Column),
}

/// The columns that are used, as text.
pub struct Columns {
    /// The positions are those of `hm_chr` and `hm_pos`.
    pub harmonised: bool,
    /// Accession of the score of each row.
    accession: Option<Column>,
    places: VariantColumns,
    alleles: Alleles,
    /// The first with a value is used.
    weights: Vec<Weight>,
    /// Further columns that are named as a weight, which are not read.
    unread_weights: Vec<String>,
    frequencies: Vec<Column>,
    effect_type: Option<Column>,
    variant_type: Option<Column>,
    /// What a row of an association study tests.
    test: Option<Column>,
    is_dominant: Option<Column>,
    is_recessive: Option<Column>,
    /// Strand of the alleles of each row.
    strand: Option<Column>,
    flags: Vec<(Unusable, Column)>,
    /// Columns `is_...` that are not known here.
    unknown_flags: Vec<Column>,
}

impl Columns {
    /// Finds the columns by the names of the PGS Catalog, else by those of other programs, in upper
    /// or lower case.
    ///
    /// # Errors
    /// The columns that are missing, and what to do.
    pub fn find(table: &DataFrame, effect_column: Option<EffectColumn>) -> Result<Self, String> {
        let table = Table::new(table);
        let harmonised = table.has("hm_chr") && table.has("hm_pos");
        let alleles = alleles(&table, effect_column)?;
        let frequencies = match alleles.dialect.and_then(|dialect| dialect.frequency) {
            Some(name) => table.all(&[name])?,
            None => table.all(&FREQUENCY)?,
        };
        let mut flags = Vec::new();
        for (name, reason) in FLAGS {
            flags.extend(table.find(name)?.map(|column| (reason, column)));
        }
        let known: Vec<&str> = FLAGS
            .iter()
            .map(|(name, _)| *name)
            .chain(["is_dominant", "is_recessive"])
            .collect();
        let is_unknown =
            |name: &&String| name.starts_with("is_") && !known.contains(&name.as_str());
        let unknown: Vec<&str> = table
            .lower
            .iter()
            .filter(is_unknown)
            .map(String::as_str)
            .collect();
        Ok(Self {
            harmonised,
            accession: table.find("accession")?,
            places: places(&table, harmonised)?,
            weights: weights(&table, alleles.dialect)?,
            unread_weights: unread_weights(&table, alleles.dialect)?,
            frequencies,
            effect_type: table.find("effect_type")?,
            variant_type: table.find("variant_type")?,
            test: table.find("test")?,
            is_dominant: table.find("is_dominant")?,
            is_recessive: table.find("is_recessive")?,
            strand: table.find("strand")?,
            flags,
            unknown_flags: table.all(&unknown)?,
            alleles,
        })
    }

    /// Whether rows have accessions.
    pub fn has_accessions(&self) -> bool {
        self.accession.is_some()
    }

    /// Accession of a row; empty without any.
    pub fn accession(&self, row: usize) -> &str {
        self.accession
            .as_ref()
            .map_or("", |column| column.cell(row))
    }

    /// Which program names its columns so, and the effect allele.
    pub fn format(&self) -> Option<String> {
        let dialect = self.alleles.dialect?;
        Some(format!(
            "columns of {}: the effect allele is `{}`",
            dialect.name, self.alleles.effect.name
        ))
    }

    /// The column of weights and further ones that are named as a weight, in words, where there are
    /// any.
    pub fn several_weights(&self) -> Option<String> {
        let Some(Weight::Effect(read)) = self
            .weights
            .first()
            .filter(|_| !self.unread_weights.is_empty())
        else {
            return None;
        };
        let unread = self.unread_weights.join(", ");
        Some(format!(
            "the weights are those of the column `{}`; not read: {unread}",
            read.name
        ))
    }

    /// Columns that look as if they said that a row is no plain weight, but are not known here.
    pub fn unknown_flags(&self) -> impl Iterator<Item = &str> {
        self.unknown_flags.iter().map(|column| column.name.as_str())
    }

    /// What a row tests, where that is not the effect of an allele.
    pub fn other_test(&self, row: usize) -> Option<&str> {
        let test = self.test.as_ref()?.value(row)?;
        let is_of_allele = ["ADD", "DOM", "REC"]
            .iter()
            .any(|name| name.eq_ignore_ascii_case(test));
        (!is_of_allele).then_some(test)
    }

    /// A row.
    ///
    /// # Errors
    /// A cell that is not what its column holds.
    pub fn row(&self, row: usize) -> Result<WeightRow, String> {
        let (chr_name, chr_position) = self.place(row)?;
        let mut effect_allele = upper(self.alleles.effect.cell(row));
        let mut other_allele = self.alleles.other(row, &effect_allele);
        if self.is_reverse(row) {
            effect_allele = on_other_strand(&effect_allele);
            other_allele = other_allele.as_ref().map(on_other_strand);
        }
        let frequency = self.frequency(row)?;
        let of_type = |column: &Column| {
            column
                .cell(row)
                .get(..3)
                .is_some_and(|head| head.eq_ignore_ascii_case("HLA"))
        };
        let is_hla =
            effect_allele.starts_with("HLA") || self.variant_type.as_ref().is_some_and(of_type);
        let effect = self.effect(row)?;
        let is_allele = is_bases(&effect_allele) && other_allele.as_deref().is_none_or(is_bases);
        let flagged = self.flagged(row)?;
        let unusable = flagged
            .or_else(|| is_hla.then_some(Unusable::Hla))
            .or_else(|| effect.err())
            .or_else(|| (!is_allele).then_some(Unusable::Allele))
            .or_else(|| {
                (chr_name.is_empty() || chr_position.is_none()).then_some(Unusable::NoPosition)
            });
        let effect = effect.unwrap_or(Effect::Additive(0.0));
        Ok(WeightRow {
            chr_name,
            chr_position,
            effect_allele,
            other_allele,
            effect,
            frequency,
            unusable,
        })
    }

    /// Whether the alleles of a row are those of the reverse strand.
    pub fn is_reverse(&self, row: usize) -> bool {
        let strand = self.strand.as_ref().and_then(|column| column.value(row));
        strand.is_some_and(|strand| matches!(strand, "-" | "-1" | "minus" | "reverse"))
    }

    fn flagged(&self, row: usize) -> Result<Option<Unusable>, String> {
        for (reason, column) in &self.flags {
            if flag(column.cell(row), &column.name)? {
                return Ok(Some(*reason));
            }
        }
        Ok(None)
    }

    fn place(&self, row: usize) -> Result<(PlSmallStr, Option<usize>), String> {
        match &self.places {
            VariantColumns::Columns(chromosomes, positions) => {
                // PLINK writes 0 for a variant without a place.
                let chromosome = chromosomes
                    .value(row)
                    .filter(|name| *name != "0")
                    .unwrap_or_default();
                Ok((
                    PlSmallStr::from_str(chromosome),
                    position(positions.cell(row))?,
                ))
            }
            VariantColumns::Ids(ids) => {
                let place = place_of_id(ids.cell(row));
                Ok(
                    place.map_or((PlSmallStr::EMPTY, None), |(chromosome, position)| {
                        (chromosome.into(), Some(position))
                    }),
                )
            }
        }
    }

    fn frequency(&self, row: usize) -> Result<Option<f64>, String> {
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
            Err(format!("{} {cell} is not between 0 and 1", column.name))
        }
    }

    /// The effect, or why there is none.
    fn effect(&self, row: usize) -> Result<Result<Effect, Unusable>, String> {
        let weight = match self.weights.iter().find_map(|weight| weight.effect(row)) {
            None => return Ok(Err(Unusable::NoWeight)),
            Some(weight) => weight?,
        };
        let Effect::Additive(weight) = weight else {
            return Ok(Ok(weight));
        };
        let is_true = |column: &Option<Column>| {
            column
                .as_ref()
                .map_or(Ok(false), |column| flag(column.cell(row), &column.name))
        };
        let text = |column: &Option<Column>| {
            column
                .as_ref()
                .and_then(|column| column.value(row))
                .unwrap_or_default()
                .to_ascii_lowercase()
        };
        let effect_type = text(&self.effect_type);
        let test = text(&self.test);
        let is_dominant = is_true(&self.is_dominant)? || effect_type == "dominant" || test == "dom";
        let is_recessive =
            is_true(&self.is_recessive)? || effect_type == "recessive" || test == "rec";
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

impl Alleles {
    fn other(&self, row: usize, effect_allele: &str) -> Option<PlSmallStr> {
        // Several, as harmonisation infers them, are none.
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

impl Weight {
    /// `None` where the cell is missing.
    fn effect(&self, row: usize) -> Option<Result<Effect, String>> {
        match self {
            Self::Effect(column) => {
                Some(number(column.value(row)?, &column.name).map(Effect::Additive))
            }
            Self::OddsRatio(column) => {
                Some(log_odds(column.value(row)?, &column.name).map(Effect::Additive))
            }
            Self::PerDosage(columns) => {
                columns.iter().find_map(|column| column.value(row))?;
                let [none, one, two] = columns
                    .each_ref()
                    .map(|column| number(column.cell(row), &column.name));
                let weights =
                    none.and_then(|none| one.and_then(|one| two.map(|two| [none, one, two])));
                Some(weights.map(Effect::PerDosage))
            }
        }
    }
}

fn log_odds(cell: &str, column: &str) -> Result<f64, String> {
    let ratio = number(cell, column)?;
    if ratio > 0.0 {
        Ok(ratio.ln())
    } else {
        Err(format!("odds ratio {cell} is not positive"))
    }
}

fn upper(cell: &str) -> PlSmallStr {
    let mut allele = PlSmallStr::from_str(cell);
    allele.make_ascii_uppercase();
    allele
}

/// `1:100`, `chr1:100:A:G` and `1_100_A_G`.
fn place_of_id(id: &str) -> Option<(&str, usize)> {
    let separator = if id.contains(':') { ':' } else { '_' };
    let mut parts = id.split(separator);
    let chromosome = parts.next()?;
    let position = parts.next()?;
    chromosome_key(chromosome)?;
    Some((
        chromosome,
        position.parse().ok().filter(|position| *position > 0)?,
    ))
}

fn places(table: &Table<'_>, harmonised: bool) -> Result<VariantColumns, String> {
    let (chromosomes, positions): (&[&str], &[&str]) = if harmonised {
        (&["hm_chr"], &["hm_pos"])
    } else {
        (&CHROMOSOME, &POSITION)
    };
    match (table.first(chromosomes)?, table.first(positions)?) {
        (Some(chromosome), Some(position)) => {
            return Ok(VariantColumns::Columns(chromosome, position));
        }
        (None, Some(_)) => return Err(table.missing(chromosomes[0])),
        (_, None) => {}
    }
    let n_rows = table.frame.height();
    let is_place = |column: &Column| (0..n_rows).any(|row| place_of_id(column.cell(row)).is_some());
    match table.all(&ID)?.into_iter().find(is_place) {
        Some(ids) => Ok(VariantColumns::Ids(ids)),
        None => Err(format!(
            "{}; {HARMONISED_ADVICE}",
            table.missing(positions[0])
        )),
    }
}

fn alleles(table: &Table<'_>, effect_column: Option<EffectColumn>) -> Result<Alleles, String> {
    if let Some(effect) = table.first(&EFFECT_ALLELE)? {
        let others = table.all(&OTHER_ALLELE)?;
        return Ok(Alleles {
            effect,
            others,
            ref_alt: None,
            dialect: None,
        });
    }
    let pair = |first: &str, second: &str| -> Result<_, String> {
        Ok((table.find(first)?, table.find(second)?))
    };
    let (a1, a2) = match pair("a1", "a2")? {
        (None, _) => pair("allele1", "allele2")?,
        pair => pair,
    };
    let chosen = match effect_column {
        Some(EffectColumn::A1) => a1.map(|effect| (effect, a2)),
        Some(EffectColumn::A2) => a2.map(|effect| (effect, a1)),
        None => return by_dialect(table),
    };
    match chosen {
        Some((effect, other)) => {
            let others = other.into_iter().collect();
            Ok(Alleles {
                effect,
                others,
                ref_alt: None,
                dialect: None,
            })
        }
        None => by_dialect(table),
    }
}

fn by_dialect(table: &Table<'_>) -> Result<Alleles, String> {
    if let Some(dialect) = Dialect::detect(&table.lower) {
        let effect = table
            .find(dialect.effect)?
            .ok_or_else(|| table.missing(dialect.effect))?;
        let others = table.all(dialect.other)?;
        let is_said = dialect.effect != "a1" || !others.is_empty();
        let ref_alt = if is_said {
            None
        } else {
            table.find("ref")?.zip(table.find("alt")?)
        };
        return Ok(Alleles {
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
            return Err(format!(
                "columns {first} and {second}, but no `effect_allele`: {EFFECT_ALLELE_ADVICE}"
            ));
        }
    }
    let advice = if table.has("a1") {
        "; if `A1` is the effect allele, say it with --effect-allele-column A1"
    } else {
        ""
    };
    Err(format!("{}{advice}", table.missing("effect_allele")))
}

/// Names of the column of weights, the first that is there.
fn weight_names(dialect: Option<&Dialect>) -> Vec<&str> {
    let of_dialect = dialect.and_then(|dialect| dialect.weight);
    of_dialect
        .into_iter()
        .chain(WEIGHT.into_iter().filter(|name| of_dialect != Some(*name)))
        .collect()
}

/// Columns of weights next to the effects that they were made of, as bigsnpr's users write them.
fn shrunk_effects(table: &Table<'_>) -> Vec<String> {
    let of_method = [
        "beta_inf",
        "beta_auto",
        "beta_grid",
        "beta_lassosum",
        "beta_lassosum2",
    ];
    let is_one = |(place, _): &(usize, &String)| of_method.contains(&table.lower[*place].as_str());
    let named = table.names.iter().enumerate().filter(is_one);
    named.map(|(_, name)| name.clone()).collect()
}

fn unread_weights(table: &Table<'_>, dialect: Option<&Dialect>) -> Result<Vec<String>, String> {
    let columns = table.all(&weight_names(dialect))?;
    Ok(columns
        .into_iter()
        .skip(1)
        .map(|column| column.name)
        .collect())
}

fn weights(table: &Table<'_>, dialect: Option<&Dialect>) -> Result<Vec<Weight>, String> {
    let mut weights: Vec<Weight> = table
        .first(&weight_names(dialect))?
        .map(Weight::Effect)
        .into_iter()
        .collect();
    let shrunk = shrunk_effects(table);
    if let [Weight::Effect(column)] = weights.as_slice()
        && column.name.eq_ignore_ascii_case("beta")
        && !shrunk.is_empty()
    {
        return Err(format!(
            "`{}`, `{}`: the effects of an association study, and weights that were made of them; \
             name the column that is meant `effect_weight`",
            column.name,
            shrunk.join("`, `")
        ));
    }
    if let [Weight::Effect(column)] = weights.as_slice()
        && column.name.eq_ignore_ascii_case("weight")
        && table.has("zscore")
        && dialect.is_some_and(|dialect| dialect.name == "METAL")
    {
        let reason = "`Zscore` and `Weight` are those of METAL's sample-size scheme, in which \
                      `Weight` counts samples: there is no effect size; run METAL with SCHEME \
                      STDERR, or give a table with effects";
        return Err(reason.into());
    }
    let per_dosage = [
        table.find(PER_DOSAGE[0])?,
        table.find(PER_DOSAGE[1])?,
        table.find(PER_DOSAGE[2])?,
    ];
    if let [Some(none), Some(one), Some(two)] = per_dosage {
        weights.push(Weight::PerDosage([none, one, two]));
    }
    weights.extend(table.first(&ODDS_RATIO)?.map(Weight::OddsRatio));
    if weights.is_empty() {
        Err(table.missing(WEIGHT[0]))
    } else {
        Ok(weights)
    }
}

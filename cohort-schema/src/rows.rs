//! Tables from row types: the fields of a row are the columns, in their order, and serde attributes
//! define how numbers are written. JSON Schema and the book describe the same fields.

use std::io::{self, Write};

use serde::{
    Deserializer, Serialize, Serializer,
    de::{self, DeserializeOwned, Visitor, value},
    forward_to_deserialize_any,
};

use crate::nine_significant_digits;

/// Names of the columns of a table, in their order.
#[must_use]
pub fn columns<R: DeserializeOwned>() -> &'static [&'static str] {
    serde_names::<R>()
}

/// Serialized names of the fields of a struct, or of the variants of an enum (each alias after its
/// name).
#[must_use]
pub fn serde_names<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // serde passes the names to the deserializer before it requests a value.
    let _ = T::deserialize(NamesOnly(&mut names));
    names
}

/// Writes a table: the header, then one line per row. The header is written for no rows too.
///
/// # Errors
/// When `out` cannot be written.
pub fn write_rows<'r, R: Serialize + DeserializeOwned + 'r>(
    out: impl Write,
    rows: impl IntoIterator<Item = &'r R>,
) -> io::Result<()> {
    let mut table = csv::WriterBuilder::new()
        .has_headers(false)
        .from_writer(out);
    table.write_record(columns::<R>())?;
    for row in rows {
        table.serialize(row)?;
    }
    table.flush()
}

/// A deserializer that records the names of a struct or an enum and then fails.
struct NamesOnly<'n>(&'n mut &'static [&'static str]);

impl<'de> Deserializer<'de> for NamesOnly<'_> {
    type Error = value::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        Err(de::Error::custom("only the names are wanted"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = variants;
        Err(de::Error::custom("only the names are wanted"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::custom("neither a struct nor an enum"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map identifier ignored_any
    }
}

/// A number that may be absent.
pub(crate) trait Number {
    fn value(&self) -> Option<f64>;
}

impl Number for f64 {
    fn value(&self) -> Option<f64> {
        Some(*self)
    }
}

impl Number for Option<f64> {
    fn value(&self) -> Option<f64> {
        *self
    }
}

/// Serializes a number as the text of `write`, or an absent one as an empty cell.
fn text<S: Serializer>(
    number: &impl Number,
    serializer: S,
    write: impl Fn(f64) -> String,
) -> Result<S::Ok, S::Error> {
    match number.value() {
        Some(value) => serializer.serialize_str(&write(value)),
        None => serializer.serialize_none(),
    }
}

/// Six decimals, never `-0.000000`.
pub(crate) fn six_decimals<S: Serializer>(
    number: &impl Number,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    text(number, serializer, |value| {
        format!("{:.6}", (value * 1e6).round() / 1e6 + 0.0)
    })
}

/// One decimal.
pub(crate) fn one_decimal<S: Serializer>(
    number: &impl Number,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    text(number, serializer, |value| format!("{value:.1}"))
}

/// Three significant digits, as `1.23e-4`.
pub(crate) fn p_value<S: Serializer>(
    number: &impl Number,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    text(number, serializer, |value| format!("{value:.2e}"))
}

/// Nine significant digits, enough to distinguish any two `f32`.
pub(crate) fn nine_digits<S: Serializer>(
    number: &impl Number,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    text(number, serializer, nine_significant_digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ApoeRow, AucRow, CalibrationRow, CostRow, DecileRow, DistributionRow, EffectRow, FoldRow,
        GuardRow, PairRow, Prediction, RocPoint, ScoreRow, StratumRow,
    };

    type Contract = (&'static [&'static str], &'static str);

    fn models() -> Vec<Contract> {
        vec![
            (
                columns::<Prediction>(),
                "sample_id,model,split,fold,phenotype,logit,probability,role",
            ),
            (
                columns::<CostRow>(),
                "model,parameters,multiplications,additions,energy_pj,bytes",
            ),
            (
                columns::<ScoreRow>(),
                "model,accession,name,trait_reported,genome_build,harmonised,n_variants,n_matched,\
                 match_rate,study",
            ),
            (
                columns::<AucRow>(),
                "model,split,n_cases,n_controls,auroc,ci_low,ci_high,compared_to,delta_auroc,\
                 delta_ci_low,delta_ci_high,p_value,reason,parameters,multiplications,additions,\
                 energy_pj,bytes,row,auprc,or_per_sd,or_ci_low,or_ci_high,nagelkerke_r2,\
                 liability_r2,brier,calibration_slope,calibration_intercept,match_rate,\
                 incremental_r2",
            ),
            (
                columns::<RocPoint>(),
                "model,split,threshold,false_positive_rate,true_positive_rate",
            ),
        ]
    }

    fn evaluations_and_explanations() -> Vec<Contract> {
        vec![
            (
                columns::<StratumRow>(),
                "stratum,level,model,split,n_cases,n_controls,auroc,ci_low,ci_high,compared_to,\
                 delta_auroc,delta_ci_low,delta_ci_high,p_value,reason",
            ),
            (
                columns::<CalibrationRow>(),
                "model,split,bin,n,mean_probability,mean_recalibrated,observed,ci_low,ci_high",
            ),
            (
                columns::<DecileRow>(),
                "model,split,decile,n_cases,n_controls,odds_ratio,ci_low,ci_high",
            ),
            (
                columns::<DistributionRow>(),
                "model,split,logit_low,logit_high,n_cases,n_controls",
            ),
            (
                columns::<FoldRow>(),
                "model,repeat,fold,n_cases,n_controls,auroc,compared_to,delta_auroc",
            ),
            (columns::<GuardRow>(), "guard,verdict,subject,finding"),
            (columns::<ApoeRow>(), "sample_id,apoe"),
            (
                columns::<EffectRow>(),
                "locus,contig,position,ref_allele,alt_allele,frequency,n_haplotypes,\
                 n_approximated,effect,additive_effect,ci_low,ci_high,effect_rms,logit_sd,rank",
            ),
            (
                columns::<PairRow>(),
                "locus,contig,first_position,first_ref_allele,first_alt_allele,second_position,\
                 second_ref_allele,second_alt_allele,r2,n_haplotypes,n_approximated,joint_effect,\
                 interaction,ci_low,ci_high,logit_sd,rank",
            ),
        ]
    }

    /// Scripts of users depend on names and order, so new columns come last.
    #[test]
    fn names_and_order_of_columns_are_a_contract() {
        let tables = [models(), evaluations_and_explanations()].concat();
        for (found, expected) in tables {
            assert_eq!(found.join(","), expected);
        }
    }
}

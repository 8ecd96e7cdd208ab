//! Tables from row types: the fields of a row are the columns, in their order, and serde attributes
//! define how numbers are written. JSON Schema and the book describe the same fields.

use std::{
    borrow::Borrow,
    io::{self, Write},
};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor, value},
    forward_to_deserialize_any,
};

use crate::nine_significant_digits;

/// Names of the columns of a table, in their order.
#[must_use]
pub fn columns<'de, R: Deserialize<'de>>() -> &'static [&'static str] {
    serde_names::<R>()
}

/// Serialized names of the fields of a struct, or of the variants of an enum (each alias after its
/// name).
#[must_use]
pub fn serde_names<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // serde passes the names to the deserializer before it requests a value.
    let _ = T::deserialize(NamesOnly(&mut names));
    names
}

/// Writes a table: the header, then one line per row. The header is written for no rows too.
///
/// # Errors
/// When `out` cannot be written.
pub fn write_rows<'de, R: Serialize + Deserialize<'de>>(
    out: impl Write,
    rows: impl IntoIterator<Item: Borrow<R>>,
) -> io::Result<()> {
    let mut table = csv::WriterBuilder::new()
        .has_headers(false)
        .from_writer(out);
    table.write_record(columns::<R>())?;
    for row in rows {
        table.serialize(row.borrow())?;
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

/// Four decimals.
pub(crate) fn four_decimals<S: Serializer>(
    number: &impl Number,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    text(number, serializer, |value| format!("{value:.4}"))
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

/// Nine significant digits in scientific notation, as `1.23456789e-4`; `-0` as `0`.
pub(crate) fn nine_digits_scientific<S: Serializer>(
    number: &impl Number,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    text(number, serializer, |value| format!("{:.8e}", value + 0.0))
}

/// A whole number without decimals, any other number with nine significant digits.
pub(crate) fn whole_or_nine_digits<S: Serializer>(
    number: &impl Number,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    text(number, serializer, |value| {
        if value.fract() == 0.0 {
            format!("{value:.0}")
        } else {
            nine_significant_digits(value)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ApoeRow, AssociationRow, AucRow, CalibrationRow, CoefficientRow, CostRow, DecileRow,
        DistributionRow, DroppedSampleRow, EffectRow, FoldRow, GuardRow, MatchRow, NonAdditiveRow,
        PairRow, Prediction, RawScoreRow, RelatedPairRow, RiskRow, RocPoint, ScoreAucRow, ScoreRow,
        StackedRow, StratumRow, TokenMeasureRow, TrainingLogRow, TruthRow,
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

    fn baselines() -> Vec<Contract> {
        vec![
            (
                columns::<CoefficientRow<'_>>(),
                "model,term,name,chrom,position,ref_allele,alt_allele,effect_allele,weight,\
                 frequency,mean,sd",
            ),
            (
                columns::<AssociationRow<'_>>(),
                "contig,position,id,ref_allele,alt_allele,effect_allele,frequency,n,beta,se,\
                 p_value,test",
            ),
            (
                columns::<RawScoreRow<'_>>(),
                "sample_id,accession,sum,denominator,average,n_missing",
            ),
            (
                columns::<MatchRow<'_>>(),
                "row_nr,accession,chr_name,chr_position,effect_allele,other_allele,effect_weight,\
                 effect_type,ID,REF,ALT,matched_effect_allele,match_type,is_multiallelic,\
                 ambiguous,match_flipped,best_match,exclude,duplicate_best_match,duplicate_ID,\
                 match_IDs,match_status,dataset,reason",
            ),
            (
                columns::<ScoreAucRow<'_>>(),
                "model,split,n_cases,n_controls,auroc,ci_low,ci_high",
            ),
            (
                columns::<RelatedPairRow<'_>>(),
                "sample_id_1,split_1,sample_id_2,split_2,kinship,relation",
            ),
        ]
    }

    fn training_and_risks() -> Vec<Contract> {
        vec![
            (
                columns::<StackedRow<'_>>(),
                "term,coefficient,standard_error,n_validation",
            ),
            (
                columns::<NonAdditiveRow<'_>>(),
                "model,compared_to,split,auroc,delta_auroc,delta_ci_low,delta_ci_high,p_value",
            ),
            (
                columns::<TrainingLogRow>(),
                "member,term,epoch,train_loss,validation_auroc,validation_loss,learning_rate,\
                 seconds,people_per_second",
            ),
            (
                columns::<RiskRow<'_>>(),
                "sample_id,model,logit,probability",
            ),
            (
                columns::<TruthRow<'_>>(),
                "sample_id,logit,probability,phenotype,split",
            ),
            (columns::<TokenMeasureRow<'_>>(), "measure,value"),
            (columns::<DroppedSampleRow<'_>>(), "sample_id,reason"),
        ]
    }

    /// Scripts of users depend on names and order, so new columns come last.
    #[test]
    fn names_and_order_of_columns_are_a_contract() {
        let tables = [
            models(),
            evaluations_and_explanations(),
            baselines(),
            training_and_risks(),
        ]
        .concat();
        for (found, expected) in tables {
            assert_eq!(found.join(","), expected);
        }
    }

    /// The cells of the named columns, in the precision of the table.
    #[test]
    fn rows_of_baselines_are_written_in_their_precision() {
        let row = CoefficientRow {
            model: "prs-dosages",
            term: "apoe",
            name: Some("e4"),
            chrom: None,
            position: None,
            ref_allele: None,
            alt_allele: None,
            effect_allele: None,
            weight: -0.0,
            frequency: None,
            mean: Some(0.25),
            sd: Some(1.0 / 3.0),
        };
        assert_eq!(
            written(row),
            "prs-dosages,apoe,e4,,,,,,0.00000000e0,,2.50000000e-1,3.33333333e-1"
        );
        let pair = RelatedPairRow {
            sample_id_1: "A",
            split_1: crate::Split::Train,
            sample_id_2: "B",
            split_2: crate::Split::Test,
            kinship: Some(0.25),
            relation: "first-degree",
        };
        assert_eq!(written(pair), "A,train,B,test,0.2500,first-degree");
    }

    #[test]
    fn counts_of_a_token_report_have_no_decimals() {
        let values = [Some(12.0), Some(0.5), None];
        let measure = "m";
        assert_eq!(
            values.map(|value| written(TokenMeasureRow { measure, value })),
            ["m,12", "m,0.500000000", "m,"]
        );
    }

    /// The line of a row.
    fn written<'de, R: Serialize + Deserialize<'de>>(row: R) -> String {
        let mut text = Vec::new();
        write_rows::<R>(&mut text, [row]).unwrap();
        let text = String::from_utf8(text).unwrap();
        text.lines().last().unwrap().to_owned()
    }
}

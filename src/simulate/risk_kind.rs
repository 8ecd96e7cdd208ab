//! How the simulated risk depends on the two haplotypes of a sample.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Error;
use super::options::OptionsProblem;

/// How the simulated risk depends on the two haplotypes of a sample, through a number x.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RiskKind {
    /// x is the sum of the dosages of three alleles.
    Additive,
    /// x is the number of haplotypes that carry both of two alleles, or neither of them.
    ///
    /// The risk depends on a pair of alleles on one haplotype, as for APOE e2, e3 and e4. Neither
    /// allele alone predicts it. A risk of carrying both alleles only would be nearly additive: no
    /// method can then beat a regression on dosages by more than 0.03 AUC.
    #[default]
    Cis,
    /// x is 1 when one haplotype carries the first allele and the other haplotype the second one.
    Trans,
    /// All samples have the same risk.
    Null,
}

impl RiskKind {
    /// All kinds of risk.
    pub const ALL: [Self; 4] = [Self::Additive, Self::Cis, Self::Trans, Self::Null];
}

impl fmt::Display for RiskKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Additive => "additive",
            Self::Cis => "cis",
            Self::Trans => "trans",
            Self::Null => "null",
        })
    }
}

impl FromStr for RiskKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.to_string() == text)
            .ok_or_else(|| {
                let text = text.to_owned();
                OptionsProblem::UnknownRisk { text }.into()
            })
    }
}

/// Meaning of x for a kind of risk, as `truth.json` states it.
pub(super) fn meaning_of_x(kind: RiskKind) -> &'static str {
    match kind {
        RiskKind::Additive => {
            "sum of the dosages of the effect alleles at the causal sites (0 to 6)"
        }
        RiskKind::Cis => {
            "number of haplotypes of a sample that carry both effect alleles or neither (0, 1, 2)"
        }
        RiskKind::Trans => {
            "1 if one haplotype carries the first effect allele and the other haplotype the second \
             one, else 0"
        }
        RiskKind::Null => "0 for all samples",
    }
}

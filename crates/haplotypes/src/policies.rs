//! Policies for genotypes that do not determine the haplotypes of a sample. Where a policy would
//! invent haplotypes, the default is an error; every use of a policy is counted.

use std::{convert::Infallible, fmt, str::FromStr};

#[cfg(feature = "clap")]
use gf_cohort_schema::arguments::{name_of, one_of};
use serde::{Deserialize, Serialize};

use gf_genotypes::{admits, pass};

/// Encoding of a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Two haplotypes of bases, which need phase.
    #[default]
    Haplotype,
    /// One sequence with one genotype symbol per reference position, which needs no phase. The
    /// second haplotype is absent.
    Diploid,
}

/// Treatment of a heterozygous genotype without phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unphased {
    /// Stop with an error, because the haplotypes are unknown.
    #[default]
    Error,
    /// First allele on the first haplotype, like `bcftools consensus -H`.
    GtOrder,
    /// IUPAC code of both alleles on both haplotypes. Alleles that differ from REF in length have
    /// no code and are read as the reference.
    Iupac,
    /// Reference on both haplotypes.
    Ref,
}

/// Treatment of a missing allele.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// Read as the reference.
    #[default]
    Ref,
    /// Read as `N` over the whole REF.
    #[serde(rename = "N", alias = "n")]
    N,
    /// Stop with an error.
    Error,
}

/// Treatment of a haploid genotype.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Haploid {
    /// The second haplotype is absent and is masked. A sample with haploid and diploid genotypes in
    /// one locus is an error.
    #[default]
    Absent,
    /// The second haplotype repeats the first.
    Dup,
    /// Stop with an error.
    Error,
}

/// Treatment of breakends and of symbolic alleles other than `<DEL>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Symbolic {
    /// Ignore and count them.
    #[default]
    Skip,
    /// Stop with an error.
    Error,
}

/// Choice between two alleles that cannot both be on one haplotype.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// The first by position, independent of the order of records at one position.
    #[default]
    Canonical,
    /// The first in the file, by the rules of `bcftools consensus`.
    Bcftools,
}

/// Values of FILTER whose records are applied: `all`, or a list of names such as `.,PASS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplyFilters {
    /// Every record.
    All,
    /// Records with one of these values, like `bcftools view -f`; `.` is a record without a filter.
    Named(Vec<String>),
}

impl Default for ApplyFilters {
    fn default() -> Self {
        Self::Named(pass())
    }
}

impl ApplyFilters {
    /// The names; `None` for every record.
    #[must_use]
    pub fn names(&self) -> Option<Vec<String>> {
        match self {
            Self::All => None,
            Self::Named(names) => Some(names.clone()),
        }
    }

    /// Whether a record with these filters is applied.
    #[must_use]
    pub fn admit(&self, filters: &[String]) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => admits(names, filters),
        }
    }
}

impl fmt::Display for ApplyFilters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Named(names) => f.write_str(&names.join(",")),
        }
    }
}

impl FromStr for ApplyFilters {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "all" => Self::All,
            "pass" => Self::default(),
            names => Self::Named(names.split(',').map(str::to_string).collect()),
        })
    }
}

impl Serialize for ApplyFilters {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ApplyFilters {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(String::deserialize(deserializer)?
            .parse()
            .unwrap_or_default())
    }
}

/// Policies that turn genotypes into sequences. Every use of a policy is counted.
///
/// They are the keys of `[sequences]` in a pipeline file and, with the feature `clap`, options of
/// every command that reads haplotypes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::Args))]
#[serde(default, deny_unknown_fields)]
pub struct Policies {
    /// Encoding of a sample: two haplotypes of bases, or one sequence of genotype symbols. Genotype
    /// symbols need no phase and ignore --unphased.
    #[cfg_attr(feature = "clap", arg(
        long,
        value_parser = one_of::<Encoding>(),
        default_value = name_of(&Encoding::default()),
    ))]
    pub encoding: Encoding,
    /// Unphased heterozygous genotypes: stop with an error, use the order of GT, write the IUPAC
    /// code, or keep the reference.
    #[cfg_attr(feature = "clap", arg(
        long,
        value_parser = one_of::<Unphased>(),
        default_value = name_of(&Unphased::default()),
    ))]
    pub unphased: Unphased,
    /// Missing alleles: keep the reference, write N over the whole REF, or stop with an error.
    #[cfg_attr(feature = "clap", arg(
        long,
        value_parser = one_of::<Missing>(),
        default_value = name_of(&Missing::default()),
    ))]
    pub missing: Missing,
    /// Haploid genotypes: omit the second haplotype, repeat the first one, or stop with an error.
    #[cfg_attr(feature = "clap", arg(
        long,
        value_parser = one_of::<Haploid>(),
        default_value = name_of(&Haploid::default()),
    ))]
    pub haploid: Haploid,
    /// Breakends and symbolic alleles except `<DEL>`: ignore and count them, or stop with an error.
    #[cfg_attr(feature = "clap", arg(
        long,
        value_parser = one_of::<Symbolic>(),
        default_value = name_of(&Symbolic::default()),
    ))]
    pub symbolic: Symbolic,
    /// Values of FILTER whose records are applied: a list of names (`.` is a record without
    /// filters), or `all`.
    #[cfg_attr(
        feature = "clap",
        arg(long, default_value_t = ApplyFilters::default(), value_name = "LIST")
    )]
    pub apply_filters: ApplyFilters,
    /// Two alleles that overlap on one haplotype: keep the first by position, or the first in the
    /// file like bcftools. Results differ from bcftools only at the edges of a locus, because
    /// bcftools cuts alleles there before it compares them.
    #[cfg_attr(feature = "clap", arg(
        long,
        value_parser = one_of::<Overlap>(),
        default_value = name_of(&Overlap::default()),
    ))]
    pub overlap: Overlap,
    /// Stop with an error at two different alleles for the same bases of one haplotype. Other
    /// overlaps are only counted.
    #[cfg_attr(feature = "clap", arg(long))]
    pub strict: bool,
}

/// A block that was made with another policy than the others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "made with {name} {found}, but the other blocks with {expected}; use the same value for all \
     blocks"
)]
pub struct OtherPolicy {
    /// Name of the policy.
    pub name: String,
    /// Its value in the block.
    pub found: serde_json::Value,
    /// Its value in the other blocks.
    pub expected: serde_json::Value,
}

impl Policies {
    /// Refuses different policies.
    ///
    /// # Errors
    /// The first policy that differs.
    pub fn require_same(&self, found: &Self) -> Result<(), OtherPolicy> {
        if self == found {
            return Ok(());
        }
        let [expected, found] =
            [self, found].map(|policies| serde_json::to_value(policies).unwrap_or_default());
        let mut names = expected
            .as_object()
            .into_iter()
            .flat_map(|policies| policies.keys());
        let name = names
            .find(|name| expected[*name] != found[*name])
            .map(String::as_str)
            .unwrap_or_default();
        Err(OtherPolicy {
            name: name.to_owned(),
            found: found[name].clone(),
            expected: expected[name].clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_applied_when_a_filter_of_it_is_named() {
        let admit = |list: &str, filters: &[&str]| {
            let filters: Vec<String> = filters.iter().map(ToString::to_string).collect();
            list.parse::<ApplyFilters>().unwrap().admit(&filters)
        };
        assert!(admit(".,PASS", &[]) && admit(".,PASS", &["PASS"]) && !admit(".,PASS", &["LowQ"]));
        assert!(
            admit("PASS,LowQ", &["LowQ"])
                && admit("PASS,LowQ", &["LowQ", "q10"])
                && !admit("PASS", &["LowQ"])
                && !admit("PASS", &[])
        );
        assert!(admit("all", &["LowQ"]));
        assert_eq!("pass".parse(), Ok(ApplyFilters::default()));
    }
}

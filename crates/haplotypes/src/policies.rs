//! How a person's genotypes become sequences where they leave a choice. The refusing choice is the
//! default where haplotypes would be invented; every policy that acts is counted.

use std::{convert::Infallible, fmt, str::FromStr};

#[cfg(feature = "clap")]
use gf_cohort_schema::arguments::{name_of, one_of};
use serde::{Deserialize, Serialize};

use gf_genotypes::{admits, pass};

/// How a person becomes sequences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Two haplotypes of bases; needs phase.
    #[default]
    Haplotype,
    /// One sequence of genotype symbols, one a reference position; needs no phase. The person's
    /// second haplotype is absent.
    Diploid,
}

/// What to do with a heterozygous call whose phase is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unphased {
    /// Refuse: the haplotypes would be invented.
    #[default]
    Error,
    /// First allele on the first haplotype, as `bcftools consensus -H` does.
    GtOrder,
    /// The IUPAC code of both alleles on both haplotypes; alleles of another length than REF have
    /// none and are read as the reference.
    Iupac,
    /// Both haplotypes keep the reference.
    Ref,
}

/// What to do with a missing allele.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// Keep the reference.
    #[default]
    Ref,
    /// `N` over the whole REF.
    #[serde(rename = "N", alias = "n")]
    N,
    /// Refuse.
    Error,
}

/// What to do with a haploid call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Haploid {
    /// The second haplotype does not exist and is masked. A person with haploid and diploid calls
    /// in one locus is refused.
    #[default]
    Absent,
    /// The second haplotype repeats the first.
    Dup,
    /// Refuse.
    Error,
}

/// What to do with symbolic alleles other than `<DEL>`, and with breakends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Symbolic {
    /// Leave them out and count them.
    #[default]
    Skip,
    /// Refuse.
    Error,
}

/// Which of two alleles stands that cannot both be on one haplotype.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overlap {
    /// The first by place, whatever the order of records at one position.
    #[default]
    Canonical,
    /// The first in the file, by the rules of `bcftools consensus`.
    Bcftools,
}

/// Which records are applied by their FILTER: `all`, or a list of names such as `.,PASS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplyFilters {
    /// Every record.
    All,
    /// Records with a filter that is named here, as `bcftools view -f` has it; `.` is a record
    /// without one.
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

/// How genotypes become sequences. Every policy that acts is counted.
///
/// The keys of `[sequences]` in a pipeline file, and with the feature `clap` the options of every
/// command that reads haplotypes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::Args))]
#[serde(default, deny_unknown_fields)]
pub struct Policies {
    /// Encoding of a sample: two haplotypes of bases, or one sequence of genotype symbols. The
    /// second needs no phase and ignores --unphased.
    #[cfg_attr(feature = "clap", arg(
        long,
        value_parser = one_of::<Encoding>(),
        default_value = name_of(&Encoding::default()),
    ))]
    pub encoding: Encoding,
    /// Unphased heterozygous genotypes: refuse them, trust the order of GT, write the IUPAC code,
    /// or keep the reference.
    #[cfg_attr(feature = "clap", arg(
        long,
        value_parser = one_of::<Unphased>(),
        default_value = name_of(&Unphased::default()),
    ))]
    pub unphased: Unphased,
    /// Missing alleles: keep the reference, write N over the whole REF, or refuse them.
    #[cfg_attr(feature = "clap", arg(
        long,
        value_parser = one_of::<Missing>(),
        default_value = name_of(&Missing::default()),
    ))]
    pub missing: Missing,
    /// Haploid genotypes: the second haplotype is absent, repeats the first, or is refused.
    #[cfg_attr(feature = "clap", arg(
        long,
        value_parser = one_of::<Haploid>(),
        default_value = name_of(&Haploid::default()),
    ))]
    pub haploid: Haploid,
    /// Symbolic alleles except <DEL>, and breakends: leave them out and count them, or refuse them.
    #[cfg_attr(feature = "clap", arg(
        long,
        value_parser = one_of::<Symbolic>(),
        default_value = name_of(&Symbolic::default()),
    ))]
    pub symbolic: Symbolic,
    /// Apply only records with one of these values of FILTER: a list of names (`.` is a record
    /// without filters), or `all`.
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
    /// Refuse two different alleles for exactly the same bases of one haplotype. Other overlaps are
    /// only counted.
    #[cfg_attr(feature = "clap", arg(long))]
    pub strict: bool,
}

impl Policies {
    /// Refuses others.
    ///
    /// # Errors
    /// Names the first policy that `found` has another of.
    pub fn require_same(&self, found: &Self) -> Result<(), String> {
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
        Err(format!(
            "made with {name} {}, but the other blocks with {}; use the same value for all blocks",
            found[name], expected[name]
        ))
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

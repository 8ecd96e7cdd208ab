//! What to do with genotypes that do not say which bases a haplotype has. The refusing choice is the default where haplotypes
//! would be invented; every policy that acts is counted.

use serde::{Deserialize, Serialize};

/// How a person becomes sequences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Two haplotypes of bases; needs phase.
    #[default]
    Haplotype,
    /// One sequence of genotype symbols, one a reference position; needs no phase. The person's second haplotype is absent.
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
    /// The second haplotype does not exist and is masked. A person with haploid and diploid calls in one locus is refused.
    #[default]
    Absent,
    /// The second haplotype repeats the first.
    Dup,
    /// Refuse.
    Error,
}

/// What to do with symbolic alleles and breakends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Symbolic {
    /// Leave them out and count them.
    #[default]
    Skip,
    /// Refuse.
    Error,
}

/// Which records are applied by their FILTER.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApplyFilters {
    /// `PASS` and `.`; the others are counted.
    #[default]
    Pass,
    /// Every record.
    All,
}

/// How genotypes become haplotypes. Every policy that acts is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policies {
    /// Unphased heterozygotes.
    pub unphased: Unphased,
    /// Missing alleles.
    pub missing: Missing,
    /// Haploid calls.
    pub haploid: Haploid,
    /// Symbolic alleles and breakends.
    pub symbolic: Symbolic,
    /// FILTER.
    pub apply_filters: ApplyFilters,
}

//! What a genotype file does not state about itself.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::bgen_records::RefOrder;

/// What a genotype file does not state about itself: options of every command that reads variants,
/// and keys of `[data]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "clap", derive(clap::Args))]
#[serde(default)]
pub struct FormatOptions {
    /// BGEN: the first allele of every variant is REF, as in the files of UK Biobank [default:
    /// decided by the reference FASTA].
    #[cfg_attr(feature = "clap", arg(long, conflicts_with = "ref_last"))]
    pub ref_first: bool,
    /// BGEN: the last allele of every variant is REF, as plink2 writes by default [default: decided
    /// by the reference FASTA].
    #[cfg_attr(feature = "clap", arg(long))]
    pub ref_last: bool,
    /// BGEN: chromosome of variants whose chromosome field is empty, as in some files of UK Biobank
    /// [default: the part of the variant id before its first colon].
    #[cfg_attr(feature = "clap", arg(long, value_name = "NAME"))]
    pub contig: Option<String>,
    /// Folder in which the list of variants of each BGEN file without a `.bgi` index is kept, so
    /// that the file is searched for its records only once. The result does not depend on it.
    #[cfg_attr(feature = "clap", arg(skip))]
    #[serde(skip)]
    pub bgen_lists: Option<PathBuf>,
}

impl FormatOptions {
    /// Which allele of a BGEN file is REF; `None` where that is not given.
    #[must_use]
    pub fn ref_order(&self) -> Option<RefOrder> {
        match (self.ref_first, self.ref_last) {
            (true, _) => Some(RefOrder::RefFirst),
            (false, true) => Some(RefOrder::RefLast),
            (false, false) => None,
        }
    }

    /// Nothing is given that the result depends on.
    #[must_use]
    pub fn is_default(&self) -> bool {
        let Self {
            ref_first,
            ref_last,
            contig,
            bgen_lists: _,
        } = self;
        !ref_first && !ref_last && contig.is_none()
    }
}

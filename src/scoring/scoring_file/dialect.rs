//! Column names of the programs that write tables of weights.
//!
//! Input: the column names of a table. Output: the [`Dialect`] of the program that uses them, which
//! has the column of the effect allele. The effect allele is `Allele1` for METAL, `Allele2` for
//! SAIGE, `A1` for PLINK.

use super::cells::is_bases;

/// Column names of one program, in lower case.
#[derive(Debug)]
pub struct Dialect {
    /// Name of the program.
    pub name: &'static str,
    /// Columns by which the dialect is recognised.
    marks: &'static [&'static str],
    /// Columns that rule the dialect out.
    without: &'static [&'static str],
    /// Column of the effect allele.
    pub effect: &'static str,
    /// Columns of the other allele; the first with a value is used.
    pub other: &'static [&'static str],
    /// Column of the frequency of the effect allele.
    pub frequency: Option<&'static str>,
    /// Column of the weight, if only this program uses its name.
    pub weight: Option<&'static str>,
}

/// Defaults of the optional fields.
const PLAIN: Dialect = Dialect {
    name: "",
    marks: &[],
    without: &[],
    effect: "",
    other: &[],
    frequency: None,
    weight: None,
};

/// Known dialects; the first that fits is used.
const DIALECTS: [Dialect; 15] = [
    Dialect {
        name: "METAL",
        marks: &["markername", "allele1", "allele2"],
        effect: "allele1",
        other: &["allele2"],
        frequency: Some("freq1"),
        ..PLAIN
    },
    Dialect {
        name: "SAIGE",
        marks: &["allele1", "allele2", "af_allele2"],
        effect: "allele2",
        other: &["allele1"],
        frequency: Some("af_allele2"),
        ..PLAIN
    },
    Dialect {
        name: "BOLT-LMM or REGENIE",
        marks: &["allele1", "allele0", "a1freq"],
        effect: "allele1",
        other: &["allele0"],
        frequency: Some("a1freq"),
        ..PLAIN
    },
    Dialect {
        name: "GEMMA",
        marks: &["allele1", "allele0"],
        effect: "allele1",
        other: &["allele0"],
        frequency: Some("af"),
        ..PLAIN
    },
    Dialect {
        name: "bigsnpr",
        marks: &["a1", "a0"],
        effect: "a1",
        other: &["a0"],
        ..PLAIN
    },
    Dialect {
        name: "bigsnpr",
        marks: &["marker.id", "allele1", "allele2"],
        effect: "allele1",
        other: &["allele2"],
        ..PLAIN
    },
    // The effect allele is `a1`, which can be REF or ALT. `omitted` and `ax` are the other allele.
    Dialect {
        name: "PLINK 2",
        marks: &["a1", "ref", "alt"],
        effect: "a1",
        other: &["omitted", "ax"],
        frequency: Some("a1_freq"),
        ..PLAIN
    },
    Dialect {
        name: "PLINK 2",
        marks: &["a1", "test", "obs_ct"],
        effect: "a1",
        other: &["omitted", "ax", "a2"],
        frequency: Some("a1_freq"),
        ..PLAIN
    },
    Dialect {
        name: "PLINK",
        marks: &["a1", "a2", "f_a", "f_u"],
        effect: "a1",
        other: &["a2"],
        ..PLAIN
    },
    Dialect {
        name: "PLINK",
        marks: &["a1", "test", "nmiss"],
        effect: "a1",
        other: &["a2"],
        ..PLAIN
    },
    Dialect {
        name: "fastGWA",
        marks: &["a1", "a2", "af1"],
        effect: "a1",
        other: &["a2"],
        frequency: Some("af1"),
        ..PLAIN
    },
    Dialect {
        name: "SBayesR",
        marks: &["a1", "a2", "a1effect"],
        effect: "a1",
        other: &["a2"],
        frequency: Some("a1frq"),
        weight: Some("a1effect"),
        ..PLAIN
    },
    // MungeSumstats has the same columns but FRQ instead of MAF, and its effect allele is A2.
    Dialect {
        name: "PRSice",
        marks: &["a1", "a2", "maf"],
        without: &["frq"],
        effect: "a1",
        other: &["a2"],
        ..PLAIN
    },
    Dialect {
        name: "LDpred",
        marks: &["nt1", "nt2", "ldpred_beta"],
        effect: "nt1",
        other: &["nt2"],
        weight: Some("ldpred_beta"),
        ..PLAIN
    },
    Dialect {
        name: "FinnGen",
        marks: &["ref", "alt", "af_alt"],
        effect: "alt",
        other: &["ref"],
        frequency: Some("af_alt"),
        ..PLAIN
    },
];

impl Dialect {
    /// The dialect of a table with these columns.
    #[must_use]
    pub fn detect(columns: &[String]) -> Option<&'static Self> {
        DIALECTS.iter().find(|dialect| {
            dialect.marks.iter().all(|name| has(columns, name))
                && !dialect.without.iter().any(|name| has(columns, name))
        })
    }
}

fn has(columns: &[String], name: &str) -> bool {
    columns.iter().any(|column| column == name)
}

/// Column names for a table of PRS-CS, which has no line of names.
pub const PRS_CS_HEADER: &str =
    "chr_name\trsid\tchr_position\teffect_allele\tother_allele\teffect_weight\n";

/// Whether the first line of a table is a row of PRS-CS: chromosome, rsID, position, A1 (the effect
/// allele), A2 and posterior effect.
#[must_use]
pub fn is_prs_cs(first_line: &str) -> bool {
    let cells: Vec<&str> = first_line.split_whitespace().collect();
    let [chromosome, id, position, a1, a2, effect] = cells[..] else {
        return false;
    };
    gf_genotypes::chromosome_key(chromosome).is_some()
        && !id.is_empty()
        && position.parse::<usize>().is_ok()
        && is_bases(&a1.to_ascii_uppercase())
        && is_bases(&a2.to_ascii_uppercase())
        && effect.parse::<f64>().is_ok()
}

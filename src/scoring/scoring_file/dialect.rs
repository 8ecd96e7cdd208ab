//! Which program wrote a table, and so which column has the effect allele.
//!
//! Input -> output: names of columns -> a [`Dialect`], where they are those of one program.
//! Programs differ: METAL weights `Allele1`, SAIGE `Allele2`, PLINK `A1`.

/// How one program names its columns. All names are lower-case.
#[derive(Debug)]
pub struct Dialect {
    /// The program.
    pub name: &'static str,
    /// Columns that are there.
    marks: &'static [&'static str],
    /// Columns that are not there.
    without: &'static [&'static str],
    /// The effect allele.
    pub effect: &'static str,
    /// The other allele: the first of these columns with a value.
    pub other: &'static [&'static str],
    /// Frequency of the effect allele.
    pub frequency: Option<&'static str>,
    /// The weight, where the name is its own.
    pub weight: Option<&'static str>,
}

const PLAIN: Dialect = Dialect {
    name: "",
    marks: &[],
    without: &[],
    effect: "",
    other: &[],
    frequency: None,
    weight: None,
};

/// The first that fits is taken.
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
    // ALT is the effect allele only where A1 says so: `omitted` and `ax` are the other one.
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
    // MungeSumstats, whose effect allele is A2, writes FRQ instead of MAF.
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
        let has = |name: &&str| columns.iter().any(|column| column == name);
        DIALECTS
            .iter()
            .find(|dialect| dialect.marks.iter().all(has) && !dialect.without.iter().any(has))
    }
}

/// Column names of PRS-CS, which writes none.
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
    let is_allele = |allele: &str| super::cells::is_bases(&allele.to_ascii_uppercase());
    gf_genotypes::chromosome_key(chromosome).is_some()
        && !id.is_empty()
        && position.parse::<usize>().is_ok()
        && is_allele(a1)
        && is_allele(a2)
        && effect.parse::<f64>().is_ok()
}

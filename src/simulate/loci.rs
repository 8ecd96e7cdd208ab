//! The loci of a simulation: a BED file, and for each locus its kind of risk and relative effect.
//!
//! Input: `--loci BED` (0-based, half-open) and `--loci-risks CSV`.
//! Output: disjoint [`RiskyLocus`]es, sorted by contig (in the order of the BED) and position.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use gf_cohort_schema::text::{self, Separator};
use serde::Deserialize;

use super::{Error, RiskKind};
use gf_genotypes::{Locus, contig_key, read_loci};

/// A locus and the risk that is simulated on it.
#[derive(Clone, Debug, PartialEq)]
pub struct RiskyLocus {
    /// Name and position of the locus.
    pub locus: Locus,
    /// How its risk depends on haplotypes.
    pub risk: LocusRisk,
}

/// Kind and size of the risk of a locus.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LocusRisk {
    /// How the risk depends on haplotypes.
    pub kind: RiskKind,
    /// Standard deviation of the locus's part of the logit, relative to the other loci.
    pub relative_effect: f64,
}

impl LocusRisk {
    /// A risk of relative size 1.
    pub fn of_kind(kind: RiskKind) -> Self {
        Self {
            kind,
            relative_effect: 1.0,
        }
    }
}

/// A row of the table of risks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RiskRow {
    /// Name of the locus: BED column 4, or `contig:beg-end`.
    locus: String,
    /// Kind of risk; that of `--risk` when empty.
    risk: Option<String>,
    /// Relative size; 1 when empty.
    effect: Option<f64>,
}

/// Reads loci and, if given, the table of their risks.
///
/// A locus without a row in the table has the risk `default`.
///
/// # Errors
/// A file that cannot be read; loci that overlap; a row for an unknown locus, with an unknown kind
/// of risk or with a size that is not positive.
pub fn read(bed: &Path, risks: Option<&Path>, default: RiskKind) -> Result<Vec<RiskyLocus>, Error> {
    let loci = sorted(read_loci(bed)?);
    require_disjoint(bed, &loci)?;
    let mut risks_by_name = match risks {
        Some(path) => read_risks(path, default)?,
        None => HashMap::new(),
    };
    let mut risky = Vec::with_capacity(loci.len());
    for locus in loci {
        let risk = match risks_by_name.remove(&locus.name) {
            Some(row) => row.risk,
            None => LocusRisk::of_kind(default),
        };
        risky.push(RiskyLocus { locus, risk });
    }
    // The first row whose name is no locus of the BED.
    let unknown = risks_by_name.into_iter().min_by_key(|(_, row)| row.line);
    match (unknown, risks) {
        (Some((name, row)), Some(path)) => {
            let problem = RisksProblem::NoLocus {
                name,
                bed: bed.to_path_buf(),
            };
            Err(Error::risks_line(path, row.line, problem))
        }
        _ => Ok(risky),
    }
}

/// Sorts loci by contig, in the order in which the contigs first occur, and by position.
pub fn sorted(mut loci: Vec<Locus>) -> Vec<Locus> {
    let mut contigs: Vec<String> = Vec::new();
    for locus in &loci {
        let contig = contig_key(&locus.contig);
        if !contigs.iter().any(|earlier| earlier == contig) {
            contigs.push(contig.to_owned());
        }
    }
    loci.sort_by_key(|locus| {
        let contig = contig_key(&locus.contig);
        let contig_rank = contigs.iter().position(|earlier| earlier == contig);
        (contig_rank, locus.start0, locus.end0)
    });
    loci
}

/// Refuses sorted loci that overlap: a record is written once, so it must belong to one locus.
fn require_disjoint(bed: &Path, loci: &[Locus]) -> Result<(), Error> {
    let overlap = loci.windows(2).find(|pair| {
        let same_contig = contig_key(&pair[0].contig) == contig_key(&pair[1].contig);
        same_contig && pair[1].start0 < pair[0].end0
    });
    let Some([first, second]) = overlap else {
        return Ok(());
    };
    Err(Error::OverlappingLoci {
        path: bed.into(),
        first: format!("{} ({})", first.name, first.region()),
        second: format!("{} ({})", second.name, second.region()),
    })
}

/// Why a row of the table of risks cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RisksProblem {
    /// A row that is not CSV, or has other columns.
    #[error("{0}; expected the columns locus,risk,effect")]
    Csv(csv::Error),
    /// A locus that the BED does not have.
    #[error("no locus `{name}` in {}; use the names of its column 4", bed.display())]
    NoLocus {
        /// The name.
        name: String,
        /// The BED.
        bed: PathBuf,
    },
    /// A locus in two rows.
    #[error("locus `{name}` has an earlier row; keep one of them")]
    Twice {
        /// The name.
        name: String,
    },
    /// An unknown risk.
    #[error("{0}")]
    Risk(Error),
    /// An effect that is not positive.
    #[error(
        "effect {relative_effect} is not a valid size; write a number above 0, or the risk `null`"
    )]
    Effect {
        /// The effect.
        relative_effect: f64,
    },
}

/// A risk with the line of the table that states it.
struct TableRisk {
    /// 1-based line number.
    line: u64,
    risk: LocusRisk,
}

/// Reads the table of risks, by name of the locus.
fn read_risks(path: &Path, default: RiskKind) -> Result<HashMap<String, TableRisk>, Error> {
    let raw_text = text::read(path).map_err(|error| Error::Ingest(error.into()))?;
    let delimiter = match Separator::guess(raw_text.lines().next().unwrap_or_default()) {
        Separator::Byte(byte) => byte,
        Separator::Blanks => b' ',
    };
    let text = text::with_decimal_points(path, &raw_text, delimiter).unwrap_or(raw_text);
    let mut table = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .delimiter(delimiter)
        .from_reader(text.as_bytes());
    let mut risks = HashMap::new();
    for (index, row) in table.deserialize().enumerate() {
        let line = index as u64 + 2;
        let row: RiskRow =
            row.map_err(|error| Error::risks_line(path, line, RisksProblem::Csv(error)))?;
        let name = row.locus.clone();
        let risk =
            risk_of(row, default).map_err(|problem| Error::risks_line(path, line, problem))?;
        if risks
            .insert(name.clone(), TableRisk { line, risk })
            .is_some()
        {
            return Err(Error::risks_line(path, line, RisksProblem::Twice { name }));
        }
    }
    Ok(risks)
}

/// The risk that a row states; empty cells have defaults.
fn risk_of(row: RiskRow, default: RiskKind) -> Result<LocusRisk, RisksProblem> {
    let kind = match row.risk.filter(|text| !text.is_empty()) {
        Some(text) => text.parse().map_err(RisksProblem::Risk)?,
        None => default,
    };
    let relative_effect = row.effect.unwrap_or(1.0);
    if !(relative_effect > 0.0 && relative_effect.is_finite()) {
        return Err(RisksProblem::Effect { relative_effect });
    }
    Ok(LocusRisk {
        kind,
        relative_effect,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read_text(bed: &str, risks: &str) -> Result<Vec<RiskyLocus>, String> {
        let folder = tempfile::tempdir().unwrap();
        let bed_path = folder.path().join("l.bed");
        let risks_path = folder.path().join("r.csv");
        fs::write(&bed_path, bed).unwrap();
        fs::write(&risks_path, risks).unwrap();
        let loci = read(&bed_path, Some(&risks_path), RiskKind::Additive);
        loci.map_err(|error| error.to_string())
    }

    #[test]
    fn loci_are_sorted_by_contig_of_the_bed_and_position() {
        let bed = "2\t50\t60\td\n1\t7\t9\tb\n2\t10\t20\tc\nchr1\t1\t5\ta\n";
        let loci = read_text(bed, "locus,risk,effect\n").unwrap();
        let names: Vec<&str> = loci.iter().map(|locus| locus.locus.name.as_str()).collect();
        assert_eq!(names, ["c", "d", "a", "b"]);
    }

    #[test]
    fn a_table_gives_kind_and_size_and_the_rest_has_the_default() {
        let risks = "locus,risk,effect\nb,cis,2.5\nc,,3\nd,null,\n";
        let loci = read_text("1\t0\t5\ta\n1\t5\t9\tb\n1\t9\t12\tc\n1\t20\t22\td\n", risks).unwrap();
        let risks: Vec<(RiskKind, f64)> = loci
            .iter()
            .map(|locus| (locus.risk.kind, locus.risk.relative_effect))
            .collect();
        let additive = RiskKind::Additive;
        let cis = RiskKind::Cis;
        let null = RiskKind::Null;
        assert_eq!(
            risks,
            [(additive, 1.0), (cis, 2.5), (additive, 3.0), (null, 1.0)]
        );
    }

    #[test]
    fn what_cannot_be_used_is_named_with_its_line_and_what_to_do() {
        let bed = "1\t0\t5\ta\n1\t5\t9\tb\n";
        for (risks, expected) in [
            (
                "locus,risk,effect\nx,cis,1\n",
                ["line 2", "no locus `x`", "column 4"],
            ),
            (
                "locus,risk,effect\na,cis,1\na,cis,2\n",
                ["line 3", "earlier row", "keep one"],
            ),
            (
                "locus,risk,effect\na,magic,1\n",
                ["line 2", "`magic` is not", "write additive"],
            ),
            (
                "locus,risk,effect\na,cis,-1\n",
                ["line 2", "effect -1", "above 0"],
            ),
            (
                "name,risk\na,cis\n",
                ["line 2", "name", "locus,risk,effect"],
            ),
        ] {
            let message = read_text(bed, risks).unwrap_err();
            assert!(
                expected.iter().all(|part| message.contains(part)),
                "{message}"
            );
        }
        let message = read_text("1\t0\t5\ta\nchr1\t4\t9\tb\n", "locus\n").unwrap_err();
        assert!(
            message.contains("a (1:1-5)") && message.contains("b (chr1:5-9)"),
            "{message}"
        );
    }
}

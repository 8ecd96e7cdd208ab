//! Related pairs from a table of kinships, and the samples to drop so that no related pair is in
//! two splits.
//!
//! Tables: `related_pairs.csv` of `prs`, `.kin0` and `.kin` of KING, `plink2 --make-king-table`,
//! and PLINK 1.9's `.genome`, where kinship is half of `PI_HAT`.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

use gf_cohort_schema::{Phenotype, Split, is_missing};

use super::{
    Error, SampleId,
    table::{TableLine, plain, records},
};

/// Why a table of kinships cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelatedProblem {
    /// A table without a line.
    #[error("the file is empty")]
    Empty,
    /// A table of other samples.
    #[error("no sample of the cohort is in this table; check that both use the same sample IDs")]
    NoSample,
    /// A missing column.
    #[error("no column {accepted}; the first line has {found}")]
    NoColumn {
        /// Names of the column.
        accepted: String,
        /// Names in the first line.
        found: String,
    },
    /// A line that is shorter than the first one.
    #[error("{found} cells, but the first line has {expected}")]
    TooFewCells {
        /// Cells of the line.
        found: usize,
        /// Cells of the first line.
        expected: usize,
    },
    /// A kinship that is not a number.
    #[error("kinship `{text}` is not a number")]
    NotNumber {
        /// The cell.
        text: String,
    },
}

/// Names of the id columns, reduced to letters and digits.
const FIRST: [&str; 3] = ["iid1", "id1", "sampleid1"];
const SECOND: [&str; 3] = ["iid2", "id2", "sampleid2"];
/// Value of the column `relation` of `related_pairs.csv` for pairs without a known kinship.
const SAME: &str = "same-genotypes";
const KINSHIP: [&str; 1] = ["kinship"];
const PI_HAT: &str = "pihat";

/// Two samples, as indices into the cohort.
pub type Pair = (usize, usize);

/// Related pairs of a table.
#[derive(Clone, Debug, Default)]
pub struct Related {
    /// Related pairs whose samples are both in the cohort.
    pub pairs: Vec<Pair>,
    /// Number of pairs of the cohort with a known relation, related or not.
    pub n_known: usize,
}

/// Reads the pairs of samples with a kinship of `cutoff` or more.
///
/// `samples` are the indices of the samples of the cohort.
///
/// # Errors
/// A table that lacks a column, a kinship that is no number, or a table without any sample of the
/// cohort.
pub fn read(
    path: &Path,
    samples: &HashMap<&str, usize>,
    sample_id: SampleId,
    cutoff: f64,
) -> Result<Related, Error> {
    let mut records = records(path)?.into_iter();
    let Some(TableLine { cells: header, .. }) = records.next() else {
        return Err(Error::file(path, RelatedProblem::Empty));
    };
    let columns = PairColumns::find(path, &header, sample_id)?;
    let mut related = Related::default();
    let mut has_sample_of_cohort = false;
    let mut n_without_kinship = 0;
    for record in records {
        let line = PairLine {
            path,
            record: &record,
            columns: &columns,
        };
        let indices = [
            samples.get(line.id(columns.first)?.as_str()),
            samples.get(line.id(columns.second)?.as_str()),
        ];
        has_sample_of_cohort |= indices.iter().any(Option::is_some);
        let [Some(&a), Some(&b)] = indices else {
            continue;
        };
        let is_related = match line.relation(cutoff)? {
            Relation::Unknown => {
                n_without_kinship += 1;
                continue;
            }
            Relation::Unrelated => false,
            // A sample is not its own relative.
            Relation::Related => a != b,
            Relation::SameGenotypes => true,
        };
        related.n_known += 1;
        if is_related {
            related.pairs.push((a, b));
        }
    }
    gf_cohort_schema::note_pairs_without_kinship(path, n_without_kinship, related.n_known)?;
    if has_sample_of_cohort {
        Ok(related)
    } else {
        Err(Error::file(path, RelatedProblem::NoSample))
    }
}

/// Relation of a pair.
enum Relation {
    /// The table has no kinship of the pair.
    Unknown,
    /// The kinship is below the cut-off.
    Unrelated,
    /// The kinship is the cut-off or more.
    Related,
    /// The kinship is unknown, but all genotypes are the same.
    SameGenotypes,
}

/// Columns of a sample id.
#[derive(Clone, Copy)]
struct IdColumns {
    sample: usize,
    /// Column of the FID, if it is part of the sample id.
    family: Option<usize>,
}

/// Columns of a table of kinships.
struct PairColumns {
    n_columns: usize,
    first: IdColumns,
    second: IdColumns,
    kinship: usize,
    /// Kinship per unit of the column `kinship`.
    factor: f64,
    relation: Option<usize>,
}

impl PairColumns {
    /// Finds the columns in the first line.
    fn find(path: &Path, header: &[String], sample_id: SampleId) -> Result<Self, Error> {
        let names: Vec<String> = header.iter().map(|name| plain(name)).collect();
        let kinship_column = position(&names, &KINSHIP);
        let pi_hat_column = position(&names, &[PI_HAT]);
        let with_family = sample_id == SampleId::FidIid;
        let first = IdColumns {
            sample: required_column(path, header, &names, &FIRST)?,
            family: position(&names, &["fid1", "fid"]).filter(|_| with_family),
        };
        let second = IdColumns {
            sample: required_column(path, header, &names, &SECOND)?,
            family: position(&names, &["fid2", "fid"]).filter(|_| with_family),
        };
        let kinship = match kinship_column.or(pi_hat_column) {
            Some(column) => column,
            None => required_column(path, header, &names, &KINSHIP)?,
        };
        let is_pi_hat = kinship_column.is_none();
        Ok(Self {
            n_columns: names.len(),
            first,
            second,
            kinship,
            // PI_HAT is the proportion of the genome that is identical by descent.
            factor: if is_pi_hat { 0.5 } else { 1.0 },
            relation: position(&names, &["relation"]),
        })
    }
}

fn position(names: &[String], accepted: &[&str]) -> Option<usize> {
    names
        .iter()
        .position(|name| accepted.contains(&name.as_str()))
}

fn required_column(
    path: &Path,
    header: &[String],
    names: &[String],
    accepted: &[&str],
) -> Result<usize, Error> {
    position(names, accepted).ok_or_else(|| {
        let problem = RelatedProblem::NoColumn {
            accepted: accepted.join(" or "),
            found: header.join(", "),
        };
        Error::file(path, problem)
    })
}

/// A line of a table of kinships.
struct PairLine<'l> {
    path: &'l Path,
    record: &'l TableLine,
    columns: &'l PairColumns,
}

impl<'l> PairLine<'l> {
    fn cell(&self, column: usize) -> Result<&'l str, Error> {
        let TableLine { line, cells } = self.record;
        cells.get(column).map(String::as_str).ok_or_else(|| {
            let problem = RelatedProblem::TooFewCells {
                found: cells.len(),
                expected: self.columns.n_columns,
            };
            Error::line(self.path, *line, problem)
        })
    }

    /// The name of a sample in the genotypes.
    fn id(&self, columns: IdColumns) -> Result<String, Error> {
        match columns.family {
            Some(family) => Ok(format!(
                "{}_{}",
                self.cell(family)?,
                self.cell(columns.sample)?
            )),
            None => Ok(self.cell(columns.sample)?.to_owned()),
        }
    }

    /// The relation of the pair, by its kinship or its genotypes.
    fn relation(&self, cutoff: f64) -> Result<Relation, Error> {
        let text = self.cell(self.columns.kinship)?;
        if is_missing(text) {
            // `prs` writes no kinship for pairs that it found by identical genotypes.
            let relation = self
                .columns
                .relation
                .map(|column| self.cell(column))
                .transpose()?;
            return Ok(if relation == Some(SAME) {
                Relation::SameGenotypes
            } else {
                Relation::Unknown
            });
        }
        let number: Option<f64> = text.parse().ok();
        let value = number.filter(|value| value.is_finite()).ok_or_else(|| {
            let text = text.to_owned();
            Error::line(
                self.path,
                self.record.line,
                RelatedProblem::NotNumber { text },
            )
        })?;
        if value * self.columns.factor >= cutoff {
            Ok(Relation::Related)
        } else {
            Ok(Relation::Unrelated)
        }
    }
}

/// Chooses the samples to drop so that no related pair is in two splits.
///
/// The sample with the most relatives in other splits is dropped first, until no pair is left. The
/// order among equals is: unknown phenotype, control, training split, last in the table.
pub fn to_remove(
    pairs: &[Pair],
    splits: &[Split],
    phenotypes: &[Option<Phenotype>],
) -> BTreeSet<usize> {
    let mut relatives: HashMap<usize, BTreeSet<usize>> = HashMap::new();
    for &(a, b) in pairs.iter().filter(|(a, b)| splits[*a] != splits[*b]) {
        relatives.entry(a).or_default().insert(b);
        relatives.entry(b).or_default().insert(a);
    }
    let mut removed = BTreeSet::new();
    while let Some((&sample, _)) = relatives.iter().max_by_key(|(sample, relatives)| {
        let dispensability = dispensability(phenotypes[**sample]);
        let is_training = splits[**sample] == Split::Train;
        (relatives.len(), dispensability, is_training, **sample)
    }) {
        removed.insert(sample);
        for relative in relatives.remove(&sample).unwrap_or_default() {
            if let Some(remaining) = relatives.get_mut(&relative) {
                remaining.remove(&sample);
                if remaining.is_empty() {
                    relatives.remove(&relative);
                }
            }
        }
    }
    removed
}

/// Higher for samples whose loss costs less power.
fn dispensability(phenotype: Option<Phenotype>) -> u8 {
    match phenotype {
        None => 2,
        Some(Phenotype::Control) => 1,
        Some(Phenotype::Case) => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read_text(text: &str, sample_id: SampleId) -> Result<Related, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.kin0");
        fs::write(&path, text).unwrap();
        let names = if sample_id == SampleId::Iid {
            ["A", "B", "C"]
        } else {
            ["F_A", "F_B", "G_C"]
        };
        let samples = names.into_iter().zip(0..).collect();
        read(&path, &samples, sample_id, 0.0884).map_err(|error| error.to_string())
    }

    #[test]
    fn every_table_of_kinships_is_read() {
        let king = "FID1\tID1\tFID2\tID2\tN_SNP\tHetHet\tIBS0\tKinship\nF\tA\tF\tB\t9\t0\t0\t0.25\
                    \nF\tA\tG\tC\t9\t0\t0\t0.01\n";
        let within =
            "FID ID1 ID2 N_SNP Z0 Phi HetHet IBS0 Kinship Error\nF A B 9 0 0.25 0 0 0.25 0\n";
        let plink2 =
            "#IID1\tIID2\tNSNP\tHETHET\tIBS0\tKINSHIP\nA\tB\t9\t0\t0\t0.25\nB\tC\t9\t0\t0\tnan\n";
        let ours = "sample_id_1,split_1,sample_id_2,split_2,kinship,relation\nA,train,B,test,0.25,\
                    first-degree\nB,train,C,test,,same-genotypes\n";
        let genome = " FID1 IID1 FID2 IID2 RT EZ Z0 Z1 Z2 PI_HAT\n F A F B UN NA 0 1 0 0.5\n F A \
                      G C UN NA 1 0 0 0.1\n";
        assert_eq!(
            read_text(ours, SampleId::Iid).unwrap().pairs,
            [(0, 1), (1, 2)]
        );
        for text in [king, within, plink2, genome] {
            assert_eq!(
                read_text(text, SampleId::Iid).unwrap().pairs,
                [(0, 1)],
                "{text}"
            );
        }
        assert_eq!(read_text(king, SampleId::FidIid).unwrap().pairs, [(0, 1)]);
        assert!(
            read_text("IID1 IID2 R2\nA B 1\n", SampleId::Iid)
                .unwrap_err()
                .contains("no column kinship")
        );
        assert!(
            read_text("IID1 IID2 KINSHIP\nA B x\n", SampleId::Iid)
                .unwrap_err()
                .contains("line 2: kinship `x`")
        );
        assert!(
            read_text("IID1 IID2 KINSHIP\nX Y 0.5\n", SampleId::Iid)
                .unwrap_err()
                .contains("no sample of the cohort")
        );
    }

    #[test]
    fn one_of_each_pair_across_splits_leaves_and_pairs_within_a_split_stay() {
        let splits = [
            Split::Train,
            Split::Train,
            Split::Test,
            Split::Test,
            Split::Validation,
        ];
        let phenotypes = [
            Some(Phenotype::Case),
            Some(Phenotype::Control),
            Some(Phenotype::Case),
            None,
            Some(Phenotype::Case),
        ];
        for (pairs, expected, why) in [
            (&[(0, 1), (2, 3)][..], &[][..], "pairs within a split stay"),
            (&[(1, 2)], &[1], "a control rather than a case"),
            (&[(1, 3)], &[3], "an unknown phenotype first"),
            (&[(0, 2)], &[0], "of the training split"),
            (
                &[(2, 0), (2, 1), (2, 4)],
                &[2],
                "one with many relatives rather than each of them",
            ),
        ] {
            let removed: Vec<usize> = to_remove(pairs, &splits, &phenotypes).into_iter().collect();
            assert_eq!(removed, expected, "{why}");
        }
    }

    #[test]
    fn pairs_without_a_kinship_are_not_taken_for_strangers() {
        let message = read_rows("A B nan\n").err().unwrap();
        assert!(message.contains("none of 1 pairs"), "{message}");
        assert_eq!(read_rows("A B nan\nB A 0.25\n").unwrap().n_known, 1);
        let message = read_rows("A B inf\n").err().unwrap();
        assert!(message.contains("not a number"), "{message}");
    }

    fn read_rows(rows: &str) -> Result<Related, String> {
        read_text(&format!("IID1 IID2 KINSHIP\n{rows}"), SampleId::Iid)
    }
}

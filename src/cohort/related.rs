//! Pairs of relatives from a kinship table, and who has to leave so that no pair is in two splits.
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

/// Names of the columns, without anything but letters and digits.
const FIRST: [&str; 3] = ["iid1", "id1", "sampleid1"];
const SECOND: [&str; 3] = ["iid2", "id2", "sampleid2"];
/// In the column `relation` of `related_pairs.csv`: the same person twice.
const SAME: &str = "same-genotypes";
const KINSHIP: [&str; 1] = ["kinship"];
const PI_HAT: &str = "pihat";

/// Two samples, as indices into the cohort.
pub type Pair = (usize, usize);

/// Related pairs of a table, and how many of its pairs are of the cohort.
#[derive(Clone, Debug, Default)]
pub struct Related {
    pub pairs: Vec<Pair>,
    pub n_known: usize,
}

/// Reads the pairs of samples with a kinship of `cutoff` or more.
///
/// # Errors
/// A table without these columns, a cell that is no number, or a table with no sample of the
/// cohort.
pub fn read(
    path: &Path,
    samples: &HashMap<&str, usize>,
    sample_id: SampleId,
    cutoff: f64,
) -> Result<Related, Error> {
    let mut records = records(path)?.into_iter();
    let Some(TableLine { cells: header, .. }) = records.next() else {
        return Err(Error::file(path, "the file is empty"));
    };
    let names: Vec<String> = header.iter().map(|name| plain(name)).collect();
    let column = |wanted: &[&str]| {
        names
            .iter()
            .position(|name| wanted.contains(&name.as_str()))
    };
    let required = |wanted: &[&str]| {
        let absent = || {
            Error::file(
                path,
                format!(
                    "no column {}; the first line has {}",
                    wanted.join(" or "),
                    header.join(", ")
                ),
            )
        };
        column(wanted).ok_or_else(absent)
    };
    let first = required(&FIRST)?;
    let second = required(&SECOND)?;
    let (kinship, factor) = match (column(&KINSHIP), column(&[PI_HAT])) {
        (Some(kinship), _) => (kinship, 1.0),
        (None, Some(pi_hat)) => (pi_hat, 0.5),
        (None, None) => (required(&KINSHIP)?, 1.0),
    };
    let families = [column(&["fid1", "fid"]), column(&["fid2", "fid"])];
    let relation = column(&["relation"]);
    let mut related = Related::default();
    let mut is_met = false;
    let mut n_without_kinship = 0;
    for TableLine { line, cells } in records {
        let cell = |column: usize| {
            let found = format!(
                "{} cells where the first line has {}",
                cells.len(),
                names.len()
            );
            cells
                .get(column)
                .map(String::as_str)
                .ok_or_else(|| Error::line(path, line, found))
        };
        let id = |column: usize, family: Option<usize>| match (sample_id, family) {
            (SampleId::FidIid, Some(family)) => {
                Ok::<String, Error>(format!("{}_{}", cell(family)?, cell(column)?))
            }
            _ => Ok(cell(column)?.to_owned()),
        };
        let a = id(first, families[0])?;
        let b = id(second, families[1])?;
        let found = [samples.get(a.as_str()), samples.get(b.as_str())];
        is_met |= found.iter().any(Option::is_some);
        let [Some(&a), Some(&b)] = found else {
            continue;
        };
        let text = cell(kinship)?;
        if is_missing(text) {
            // Pairs that `prs` found to have the same genotypes have no kinship.
            let relation = relation.map(cell).transpose()?;
            if relation == Some(SAME) {
                related.n_known += 1;
                related.pairs.push((a, b));
            } else {
                n_without_kinship += 1;
            }
            continue;
        }
        related.n_known += 1;
        let number: Option<f64> = text.parse().ok();
        let value = number
            .filter(|value| value.is_finite())
            .ok_or_else(|| Error::line(path, line, format!("kinship `{text}` is not a number")))?;
        if a != b && value * factor >= cutoff {
            related.pairs.push((a, b));
        }
    }
    gf_cohort_schema::note_pairs_without_kinship(path, n_without_kinship, related.n_known)?;
    if is_met {
        Ok(related)
    } else {
        Err(Error::file(
            path,
            "no sample of the cohort is in it; are its ids those of the cohort?",
        ))
    }
}

/// Who leaves so that no related pair is in two splits. One after the other, the sample with most
/// relatives in other splits leaves; of equals the one of unknown phenotype, then a control, then
/// one of the training split, then the last.
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
    let rank = |person: usize, n_relatives: usize| {
        let loss = match phenotypes[person] {
            None => 2,
            Some(Phenotype::Control) => 1,
            Some(Phenotype::Case) => 0,
        };
        (n_relatives, loss, splits[person] == Split::Train, person)
    };
    while let Some((&person, _)) = relatives
        .iter()
        .max_by_key(|(person, others)| rank(**person, others.len()))
    {
        removed.insert(person);
        for other in relatives.remove(&person).unwrap_or_default() {
            if let Some(others) = relatives.get_mut(&other) {
                others.remove(&person);
                if others.is_empty() {
                    relatives.remove(&other);
                }
            }
        }
    }
    removed
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
        let removed = |pairs: &[Pair]| {
            to_remove(pairs, &splits, &phenotypes)
                .into_iter()
                .collect::<Vec<_>>()
        };
        assert_eq!(removed(&[(0, 1), (2, 3)]), [0; 0]);
        assert_eq!(removed(&[(1, 2)]), [1], "a control rather than a case");
        assert_eq!(removed(&[(1, 3)]), [3], "an unknown phenotype first");
        assert_eq!(removed(&[(0, 2)]), [0], "of the training split");
        assert_eq!(
            removed(&[(2, 0), (2, 1), (2, 4)]),
            [2],
            "one with many relatives rather than each of them"
        );
    }

    #[test]
    fn pairs_without_a_kinship_are_not_taken_for_strangers() {
        let read = |rows: &str| read_text(&format!("IID1 IID2 KINSHIP\n{rows}"), SampleId::Iid);
        let message = read("A B nan\n").err().unwrap();
        assert!(message.contains("none of 1 pairs"), "{message}");
        assert_eq!(read("A B nan\nB A 0.25\n").unwrap().n_known, 1);
        assert!(read("A B inf\n").err().unwrap().contains("not a number"));
    }
}

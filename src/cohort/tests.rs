use std::{fs, path::PathBuf};

use gf_cohort_schema::{Cohort, CovariateChoice, PhenotypeCoding};
use tempfile::TempDir;

use super::*;

/// A folder with files by name.
fn folder(files: &[(&str, String)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// Lines for samples 0 to `n`.
fn lines(header: &str, n: usize, line: impl Fn(usize) -> String) -> String {
    let header = if header.is_empty() {
        String::new()
    } else {
        format!("{header}\n")
    };
    let rows: String = (0..n).map(|index| line(index) + "\n").collect();
    header + &rows
}

/// 60 samples in a `.fam`: half of them cases, as PLINK writes it.
fn fam() -> String {
    lines("", 60, |index| {
        format!("F{index} S{index} 0 0 {} {}", 1 + index % 2, 1 + index / 30)
    })
}

/// Result of a run.
#[derive(Debug)]
struct Output {
    prepared: Prepared,
    summary: Summary,
}

/// Runs on tables of a folder; messages are without the path of the folder.
fn run_in(
    folder: &TempDir,
    tables: &[&str],
    change: impl FnOnce(&mut Options),
) -> Result<Output, String> {
    let mut options = Options {
        tables: tables.iter().map(|name| folder.path().join(name)).collect(),
        ..Options::default()
    };
    change(&mut options);
    match run(&options) {
        Ok((prepared, summary)) => Ok(Output { prepared, summary }),
        Err(error) => {
            let message = error.to_string();
            Err(message.replace(&format!("{}/", folder.path().display()), ""))
        }
    }
}

#[test]
fn sex_0_of_a_fam_file_is_unknown_even_where_no_2_is() {
    let fam = lines("", 60, |index| {
        format!("0 S{index} 0 0 {} {}", index % 2, 1 + index / 30)
    });
    let Output { prepared, .. } = run_files(&[("men.fam", fam)], |_| {}).unwrap();
    assert_eq!(
        (cell(&prepared, "S0", "sex"), cell(&prepared, "S1", "sex")),
        ("", "male")
    );
}

#[test]
fn tables_are_opened_like_every_other_text_file() {
    let utf_16: Vec<u8> = [0xfeff]
        .into_iter()
        .chain(fam().encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut gzip, fam().as_bytes()).unwrap();
    let folder = folder(&[("plain.fam", fam())]);
    fs::write(folder.path().join("utf-16.fam"), utf_16).unwrap();
    fs::write(
        folder.path().join("compressed.fam.gz"),
        gzip.finish().unwrap(),
    )
    .unwrap();
    let plain = run_in(&folder, &["plain.fam"], |_| {}).unwrap().prepared;
    for name in ["utf-16.fam", "compressed.fam.gz"] {
        let table = run_in(&folder, &[name], |_| {}).unwrap().prepared;
        assert_eq!(table.samples, plain.samples, "{name}");
    }
}

fn run_files(
    files: &[(&str, String)],
    change: impl FnOnce(&mut Options),
) -> Result<Output, String> {
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    run_in(&folder(files), &names, change)
}

/// The table as the other commands read it.
fn read_back(prepared: &Prepared) -> Cohort {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("cohort.csv");
    let mut bytes = Vec::new();
    prepared.write(&mut bytes).unwrap();
    fs::write(&path, bytes).unwrap();
    Cohort::read(&path, PhenotypeCoding::Auto, &CovariateChoice::Usual).unwrap()
}

fn cell<'p>(prepared: &'p Prepared, sample: &str, column: &str) -> &'p str {
    let column = prepared
        .columns
        .iter()
        .position(|name| name == column)
        .unwrap();
    let sample = prepared
        .samples
        .iter()
        .find(|row| row.sample_id == sample)
        .unwrap();
    &sample.cells[column]
}

#[test]
fn files_of_plink_are_joined_into_a_table_that_every_command_reads() {
    let files = [
        ("study.fam", fam()),
        (
            "study.cov",
            lines("FID IID age bmi", 60, |index| {
                format!("F{index} S{index} {} {}.5", 50 + index % 29, 20 + index % 9)
            }),
        ),
        (
            "pca.eigenvec",
            lines("#FID\tIID\tPC1\tPC2", 60, |index| {
                format!(
                    "F{index}\tS{index}\t0.{:02}\t-0.{:02}",
                    index % 7,
                    index % 5
                )
            }),
        ),
    ];
    let Output { prepared, summary } = run_files(&files, |_| {}).unwrap();
    assert_eq!(prepared.columns, ["sex", "age", "bmi", "PC1", "PC2"]);
    assert_eq!(
        (
            cell(&prepared, "S0", "sex"),
            cell(&prepared, "S1", "sex"),
            cell(&prepared, "S7", "PC2")
        ),
        ("male", "female", "-0.02")
    );
    assert_eq!(
        (
            summary.mapping.cases.as_str(),
            summary.mapping.controls.as_str()
        ),
        ("2", "1")
    );
    assert_eq!(
        summary
            .counts
            .iter()
            .map(|(_, counts)| *counts)
            .collect::<Vec<_>>(),
        [[18, 18, 0], [6, 6, 0], [6, 6, 0]]
    );
    let cohort = read_back(&prepared);
    assert_eq!(
        (cohort.people.len(), &cohort.covariate_names[..]),
        (60, &["sex", "age", "PC1", "PC2"].map(String::from)[..])
    );
    assert!(
        cohort.people[59].phenotype.unwrap().is_case()
            && !cohort.people[0].phenotype.unwrap().is_case()
    );
    let printed = summary.to_string();
    assert!(
        printed.contains("60,20,20 %, seed 1, stratified by phenotype")
            && printed.contains("further columns: bmi"),
        "{printed}"
    );
}

#[test]
fn every_way_to_write_a_table_gives_the_same_columns() {
    let base = (
        "a.csv",
        lines("sample_id,phenotype,age", 60, |index| {
            format!("S{index},{},{}", index % 2, 50 + index)
        }),
    );
    for (name, text) in tables_of_components() {
        let Output { prepared, .. } = run_files(&[base.clone(), (name, text.clone())], |_| {})
            .unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(
            (cell(&prepared, "S7", "PC1"), cell(&prepared, "S59", "PC2")),
            ("0.007", "0.5"),
            "{name}"
        );
        assert_eq!(
            read_back(&prepared).covariate_names,
            ["age", "PC1", "PC2"],
            "{text}"
        );
    }
}

/// Tables with two components in every supported format.
fn tables_of_components() -> Vec<(&'static str, String)> {
    vec![
        (
            "x.eigenvec",
            lines("", 60, |index| {
                format!("S{index} S{index} {} 0.5", pc(index))
            }),
        ),
        (
            "x.eigenvec",
            lines("#IID\tPC1\tPC2", 60, |index| {
                format!("S{index}\t{}\t0.5", pc(index))
            }),
        ),
        (
            "x.evec",
            lines("           #eigvals:     2.1     1.3", 60, |index| {
                format!("  S{index}  {}  0.5  EUR", pc(index))
            }),
        ),
        (
            "x.evec",
            lines("#eigvals: 2.1 1.3", 60, |index| {
                format!("F{index}:S{index}  {}  0.5  EUR", pc(index))
            }),
        ),
        (
            "x.tsv",
            lines("IID\tpc1\tpc2", 60, |index| {
                format!("S{index}\t{}\t0.5", pc(index))
            }),
        ),
        (
            "x.csv",
            lines("\"\",\"Sample ID\",\"PC1\",\"PC2\"", 60, |index| {
                format!("\"{index}\",\"S{index}\",{},0.5", pc(index))
            }),
        ),
        (
            "x.csv",
            lines("id;PC1;PC2", 60, |index| {
                format!("S{index};{};0.5", pc(index))
            }),
        ),
        (
            "x.covar",
            lines("FID IID PC1 PC2", 60, |index| {
                format!("S{index} S{index} {} 0.5", pc(index))
            }),
        ),
        (
            "x.psam",
            lines("##source\n#IID\tSEX\tPC1\tPC2", 60, |index| {
                format!("S{index}\tNA\t{}\t0.5", pc(index))
            }),
        ),
    ]
}

/// The first component of a sample.
fn pc(index: usize) -> String {
    format!("0.0{index:02}")
}

#[test]
fn a_psam_with_phenotypes_in_its_header_and_one_without_a_header_are_read() {
    let psam = lines("#FID\tIID\tPAT\tMAT\tSEX\tAD", 60, |index| {
        format!("0\tS{index}\t0\t0\t2\t{}", 1 + index % 2)
    });
    let Output { prepared, summary } = run_files(&[("a.psam", psam)], |options| {
        options.phenotype = Some("ad".into());
    })
    .unwrap();
    assert_eq!(
        (
            prepared.samples.len(),
            summary.mapping.column.as_str(),
            cell(&prepared, "S3", "sex")
        ),
        (60, "AD", "female")
    );
    let Output { prepared, .. } = run_files(&[("b.psam", fam())], |_| {}).unwrap();
    assert_eq!(prepared.samples[59].phenotype, Some(Phenotype::Case));
}

#[test]
fn a_phenotype_file_takes_the_place_of_an_empty_column_of_the_fam() {
    let empty = lines("", 60, |index| format!("F{index} S{index} 0 0 1 -9"));
    let pheno = lines("", 60, |index| {
        format!(
            "F{index} S{index} {}",
            if index < 5 {
                "-9".into()
            } else {
                (1 + index % 2).to_string()
            }
        )
    });
    let Output { prepared, summary } =
        run_files(&[("a.fam", empty), ("a.pheno", pheno)], |_| {}).unwrap();
    assert_eq!(summary.mapping.column, "PHENO1");
    assert_eq!(
        prepared
            .samples
            .iter()
            .filter(|sample| sample.phenotype.is_none())
            .count(),
        5,
        "-9 is unknown"
    );
    assert_eq!(prepared.columns, ["sex"]);
}

#[test]
fn a_phenotype_with_a_name_of_its_own_has_the_codes_of_plink() {
    let text = lines("IID AD", 60, |index| {
        format!("S{index} {}", ["1", "2", "0", "-9"][index % 4])
    });
    for phenotype in [None, Some("AD".to_owned())] {
        let Output { prepared, .. } = run_files(&[("a.pheno", text.clone())], |options| {
            options.phenotype.clone_from(&phenotype);
        })
        .unwrap();
        assert_eq!(
            prepared
                .samples
                .iter()
                .filter(|sample| sample.phenotype.is_none())
                .count(),
            30
        );
    }
    let named = run_files(&[("a.txt", text)], |options| {
        options.phenotype = Some("AD".into());
    });
    assert!(named.is_ok());
    let with_header = "FID IID PAT MAT SEX PHENOTYPE\n".to_owned() + &fam();
    assert_eq!(
        run_files(&[("a.fam", with_header)], |_| {})
            .unwrap()
            .prepared
            .samples
            .len(),
        60
    );
}

#[test]
fn labels_are_mapped_and_others_are_dropped_with_a_count() {
    let table = lines("IID,diagnosis", 100, |index| {
        let label = ["AD", "CN", "cn", "MCI", "NA"][index % 5];
        format!("S{index},{label}")
    });
    let Output { prepared, summary } =
        run_files(&[("a.csv", table.clone())], set_ad_and_cn).unwrap();
    assert_eq!(
        (prepared.samples.len(), summary.dropped.clone()),
        (
            80,
            [("phenotype `MCI`, neither case nor control".into(), 20)].into()
        )
    );
    assert_eq!(summary.counts[0].1, [12, 24, 12]);
    let mut dropped = Vec::new();
    prepared.write_dropped(&mut dropped).unwrap();
    assert!(
        String::from_utf8(dropped)
            .unwrap()
            .starts_with("sample_id,reason\nS3,\"phenotype `MCI`, neither")
    );
    let Output { prepared, .. } = run_files(&[("a.csv", table.clone())], |options| {
        set_ad_and_cn(options);
        options.drop_unknown = true;
    })
    .unwrap();
    assert_eq!(prepared.samples.len(), 60);

    let message = run_files(&[("a.csv", table.clone())], |_| {}).unwrap_err();
    assert!(
        message.contains("its values are ad (20), cn (40), mci (20). Name the values")
            && message.contains("--case AD"),
        "{message}"
    );
    let message = run_files(&[("a.csv", table)], |options| {
        set_ad_and_cn(options);
        options.case = vec!["PD".into()];
    })
    .unwrap_err();
    assert!(
        message.contains("no sample has the value `pd`"),
        "{message}"
    );
}

fn set_ad_and_cn(options: &mut Options) {
    options.case = vec!["ad".into()];
    options.control = vec!["CN".into()];
}

#[test]
fn values_that_do_not_say_who_is_a_case_are_refused() {
    let pedigree = lines("", 60, |index| {
        format!("F{index} S{index} 0 0 1 {}", index % 2)
    });
    let message = run_files(&[("a.fam", pedigree)], |_| {}).unwrap_err();
    assert!(message.contains("give --case 1 --control 0"), "{message}");
    for (values, expected) in [
        (["1", "1"], "its values are 1 (60)"),
        (["2", "0"], "no control among the values"),
        (
            ["-9", "NA"],
            "no column with values is named like a phenotype",
        ),
    ] {
        let message = run_with_phenotypes(values).unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
    for values in [
        ["1.0", "0.0"],
        ["case", "Control"],
        ["yes", "no"],
        ["2", "1"],
    ] {
        let Output { prepared, .. } = run_with_phenotypes(values).unwrap();
        assert_eq!(
            prepared.samples[0].phenotype,
            Some(Phenotype::Case),
            "{values:?}"
        );
    }
    let two = lines("IID,phenotype,diagnosis", 60, |index| {
        format!("S{index},{0},{0}", index % 2)
    });
    assert!(
        run_files(&[("a.csv", two)], |_| {})
            .unwrap_err()
            .contains("(phenotype, diagnosis); name one with --phenotype")
    );
}

/// Runs on a table whose samples have two phenotypes in turn.
fn run_with_phenotypes(values: [&str; 2]) -> Result<Output, String> {
    let text = lines("IID,phenotype", 60, |index| {
        format!("S{index},{}", values[index % 2])
    });
    run_files(&[("a.csv", text)], |_| {})
}

#[test]
fn samples_that_are_in_one_table_only_are_counted() {
    let files = [
        ("a.fam", fam()),
        (
            "b.csv",
            lines("sample_id,age", 60, |index| {
                format!("S{},{}", index + 10, 50 + index)
            }),
        ),
    ];
    let Output { prepared, summary } = run_files(&files, |_| {}).unwrap();
    assert_eq!(
        (
            summary.overlaps[1].n_not_in_first,
            summary.overlaps[1].n_absent
        ),
        (10, 10)
    );
    assert_eq!(cell(&prepared, "S3", "age"), "");
    let printed = summary.to_string();
    assert!(
        printed.contains("b.csv: 60 samples, 10 of them not in ")
            && printed.contains(", 10 samples of ")
            && printed.contains(" missing here\n"),
        "{printed}"
    );
    let strangers = [
        ("a.fam", fam()),
        (
            "b.csv",
            lines("sample_id,age", 9, |index| format!("F{index}_S{index},60")),
        ),
    ];
    let message = run_files(&strangers, |_| {}).unwrap_err();
    assert!(
        message.contains(
            "b.csv: none of its samples is in a.fam. Sample IDs here look like `F0_S0`, and there \
             like `S0`"
        ),
        "{message}"
    );
    let table = Options {
        sample_id: SampleId::FidIid,
        ..Options::default()
    };
    assert!(
        run_files(&strangers, |options| *options = Options {
            tables: options.tables.clone(),
            ..table
        })
        .is_ok()
    );
}

#[test]
fn tables_that_contradict_each_other_or_name_someone_twice_are_refused_with_their_lines() {
    assert!(
        refusal_of_second_table("IID,sex\nS0,F\n")
            .contains("b.csv: line 2, column `sex`: `female` for sample `S0`, but `male` in ")
    );
    assert!(
        refusal_of_second_table("IID,age\nS0,50\nS1,60\nS0,50\n")
            .contains("b.csv: line 4: sample `S0` is listed twice (lines 2 and 4)")
    );
    assert!(
        refusal_of_second_table("IID,age,Age\nS0,50,50\n")
            .contains("b.csv: line 1: column `Age` occurs twice (columns 2 and 3)")
    );
    assert!(
        refusal_of_second_table("IID,age\nS0,50,1\n")
            .contains("b.csv: line 2: 3 cells, but there are 2 columns (IID, age)")
    );
    assert!(
        refusal_of_second_table("IID,age\nNA,50\n")
            .contains("b.csv: line 2: `NA` is not a sample ID")
    );
    assert!(
        refusal_of_second_table("person,age\nS0,50\n")
            .contains("no column of sample IDs among person, age; name it with --id-column")
    );
    assert!(refusal_of_second_table("").contains("b.csv: the file is empty"));
    let bmi = refusal_of_second_table("IID,bmi\nS0,27.5\nS1,31.25\nS2,-9\n");
    assert!(
        bmi.contains("b.csv: line 4, column `bmi`: `-9` may be") && bmi.contains("--missing-value"),
        "{bmi}"
    );
    let sexes = [
        ("a.fam", fam()),
        ("b.csv", "IID,sex\nS0,M\nS1,2\n".to_owned()),
    ];
    assert!(
        run_files(&sexes, |_| {}).is_ok(),
        "the same sex in other words"
    );
}

/// The message that refuses a second table.
fn refusal_of_second_table(rows: &str) -> String {
    let files = [("a.fam", fam()), ("b.csv", rows.to_owned())];
    run_files(&files, |_| {}).unwrap_err()
}

#[test]
fn families_of_the_pedigree_are_in_one_split_and_get_one_id() {
    let fam = lines("", 90, |index| {
        // Families of three: father, mother, child.
        let family = index / 3;
        let place = index % 3;
        let parents = if place == 2 {
            format!("S{} S{}", index - 2, index - 1)
        } else {
            "0 0".into()
        };
        format!("F{family} S{index} {parents} 0 {}", 1 + family % 2)
    });
    let Output { prepared, summary } = run_files(&[("a.fam", fam.clone())], |_| {}).unwrap();
    assert_eq!(summary.n_families, 30);
    assert!(
        prepared
            .samples
            .chunks(3)
            .all(|family| family.iter().all(|sample| sample.split == family[0].split))
    );
    assert_eq!(prepared.samples[4].family_id.as_deref(), Some("F1"));
    assert_eq!(read_back(&prepared).people.len(), 90);
    let Output { prepared, summary } =
        run_files(&[("a.fam", fam)], |options| options.ignore_families = true).unwrap();
    assert!(
        summary.n_families == 0
            && prepared
                .samples
                .iter()
                .all(|sample| sample.family_id.is_none())
    );
    let one_fid = lines("", 60, |index| {
        format!("STUDY S{index} 0 0 1 {}", 1 + index % 2)
    });
    let message = run_files(&[("a.fam", one_fid)], |_| {}).unwrap_err();
    assert!(
        message.contains("60 of 60 samples are in family `STUDY`")
            && message.contains("--ignore-families"),
        "{message}"
    );
}

#[test]
fn a_column_split_is_kept_unless_a_new_one_is_asked_for() {
    let table = lines("sample_id,phenotype,split,family_id", 60, |index| {
        format!(
            "S{index},{},{},{}",
            index % 2,
            ["train", "train", "validation", "test"][index / 15],
            if index < 2 { "F" } else { "0" }
        )
    });
    let Output { prepared, summary } = run_files(&[("a.csv", table.clone())], |_| {}).unwrap();
    assert_eq!(
        (prepared.samples[20].split, prepared.samples[50].split),
        (Split::Train, Split::Test)
    );
    assert!(summary.to_string().contains("split (column `split` of "));
    let Output { summary, .. } = run_files(&[("a.csv", table.clone())], |options| {
        options.split = Some("0,0,100".parse().unwrap());
    })
    .unwrap();
    assert_eq!(summary.counts[2].1, [30, 30, 0]);
    let torn = table.replace("S1,1,train", "S1,1,test");
    let message = run_files(&[("a.csv", torn)], |_| {}).unwrap_err();
    assert!(
        message.contains("family `F` is in two splits (sample `S0` in train, `S1` in test)"),
        "{message}"
    );
    let message = run_files(
        &[("a.csv", table.replace("S1,1,train", "S1,1,training"))],
        |_| {},
    )
    .unwrap_err();
    assert!(
        message.contains("sample `S1`: `training` is not a split"),
        "{message}"
    );
}

#[test]
fn one_of_each_related_pair_across_splits_is_dropped() {
    let king = lines("#IID1\tIID2\tKINSHIP", 59, |index| {
        format!(
            "S{index}\tS{}\t{}",
            index + 1,
            if index % 10 == 0 { 0.25 } else { 0.02 }
        )
    });
    let folder = folder(&[("a.fam", fam()), ("king.kin0", king)]);
    let table = folder.path().join("king.kin0");
    let Output { prepared, summary } = run_in(&folder, &["a.fam"], |options| {
        options.unrelated = Some(table);
    })
    .unwrap();
    for first in (0..60).step_by(10) {
        let pair = [
            split_of(&prepared, &format!("S{first}")),
            split_of(&prepared, &format!("S{}", first + 1)),
        ];
        assert!(pair.contains(&None) || pair[0] == pair[1], "{pair:?}");
    }
    let n_dropped: usize = summary.dropped.values().sum();
    let KinshipPairs {
        known,
        related,
        within_split,
    } = summary.kinships.unwrap();
    assert_eq!((known, related, n_dropped + within_split), (59, 6, 6));
    assert!(
        n_dropped > 0
            && summary
                .to_string()
                .contains("related to a sample in another split (kinship of 0.0884 or more)")
    );
}

/// The split of a sample; `None` if it was dropped.
fn split_of(prepared: &Prepared, sample_id: &str) -> Option<Split> {
    prepared
        .samples
        .iter()
        .find(|sample| sample.sample_id == sample_id)
        .map(|sample| sample.split)
}

#[test]
fn strata_have_the_same_share_of_every_split_and_samples_without_genotypes_are_dropped() {
    let vcf = "##fileformat=VCFv4.2\n##contig=<ID=1>\n##FORMAT=<ID=GT,Number=1,Type=String,\
               Description=\"GT\">\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT";
    let samples = (0..200)
        .map(|index| format!("\tS{index}"))
        .collect::<Vec<_>>()
        .concat();
    let table = lines("sample_id,phenotype,site", 210, |index| {
        format!("S{index},{},{}", index % 2, ["Lyon", "Oslo"][index / 2 % 2])
    });
    let folder = folder(&[("a.csv", table), ("a.vcf", format!("{vcf}{samples}\n"))]);
    let path = folder.path().join("a.vcf");
    let Output { prepared, summary } = run_in(&folder, &["a.csv"], |options| {
        options.vcf = vec![path];
        options.stratify_by = vec!["site".into()];
    })
    .unwrap();
    assert_eq!(
        (
            prepared.samples.len(),
            summary.dropped.values().sum::<usize>()
        ),
        (200, 10)
    );
    for site in ["Lyon", "Oslo"] {
        let counts = Split::ALL.map(|split| {
            prepared
                .samples
                .iter()
                .filter(|sample| sample.split == split && sample.cells[0] == site)
                .count()
        });
        assert_eq!(counts, [60, 20, 20], "{site}");
    }
    let message = run_in(&folder, &["a.csv"], |options| {
        options.stratify_by = vec!["centre".into()];
    })
    .unwrap_err();
    assert!(
        message.contains("--stratify-by: no column `centre`; the columns are phenotype, site"),
        "{message}"
    );
}

//! Laws of the haplotypes on random records, and damaged files of every kind: an error or
//! haplotypes, never a panic.
//!
//! `tests/robustness/damage.rs` says how cases are made and run.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
};

use crate::damage::{damage, for_each_case};
use gf_cohort_schema::{Cohort, CovariateChoice, PhenotypeCoding};
use gf_haplotypes::{
    ABSENT_HAPLOTYPE, ApplyFilters, Dictionary, Encoding, Haploid, Missing, Options, Overlap,
    Policies, Regions, Samples, Summary, Symbolic, Unphased,
};
use gf_tokenizer::{Kind, Tokenizer, VocabSize};
use noodles::{bcf, bgzf, csi, tabix, vcf, vcf::variant::io::Write as _};
use rand::{
    Rng, SeedableRng,
    seq::{IndexedRandom, SliceRandom},
};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

fn random_bases(rng: &mut ChaCha8Rng, len_nt: usize) -> String {
    (0..len_nt)
        .map(|_| char::from(*b"ACGT".choose(rng).unwrap()))
        .collect()
}

fn options(folder: &Path, vcf: &str, policies: Policies) -> Options {
    Options {
        vcf: vec![folder.join(vcf)],
        reference: folder.join("reference.fa"),
        regions: Regions::File(folder.join("loci.bed")),
        samples: Samples::All,
        policies,
        mask: None,
        callable: None,
        skips: None,
    }
}

/// Runs the stage, `skips.csv` included.
fn build(options: &Options) -> Result<(Dictionary, Summary), gf_haplotypes::Error> {
    let (dictionary, skips, summary) = gf_haplotypes::run(options)?;
    skips.save()?;
    Ok((dictionary, summary))
}

/// Bases by person and haplotype of one locus.
fn haplotypes(dictionary: &Dictionary, locus: usize) -> BTreeMap<(String, usize), String> {
    let locus = &dictionary.loci[locus];
    let people = dictionary.samples.iter().zip(&locus.pairs);
    people
        .flat_map(|(sample, pair)| {
            pair.iter()
                .enumerate()
                .map(move |(side, &haplotype)| (sample, side + 1, haplotype))
        })
        .filter(|(.., haplotype)| *haplotype != ABSENT_HAPLOTYPE)
        .map(|(sample, side, haplotype)| {
            (
                (sample.clone(), side),
                String::from_utf8(locus.bases(haplotype)).unwrap(),
            )
        })
        .collect()
}

// Laws

const CONTIG_NT: usize = 60;
const PEOPLE: [&str; 3] = ["S1", "S2", "S3"];

#[derive(Clone)]
struct Record {
    position: usize,
    ref_allele: String,
    alt_alleles: Vec<String>,
    /// Two allele numbers a person, -1 for a missing one.
    genotypes: Vec<[i32; 2]>,
}

/// Records that crowd and overlap, some of them at one position, some of them the same.
fn random_records(rng: &mut ChaCha8Rng, bases: &str) -> Vec<Record> {
    let mut records: Vec<Record> = (0..rng.random_range(1..=10))
        .map(|_| {
            let position = rng.random_range(1..=CONTIG_NT - 5);
            let ref_allele =
                bases[position - 1..][..[1, 1, 2, 3, 5].choose(rng).copied().unwrap()].to_owned();
            let alt_alleles: Vec<String> = (0..rng.random_range(1..=2))
                .map(|_| {
                    let len_nt = rng.random_range(1..=4);
                    let new = random_bases(rng, len_nt);
                    // As indels are written, as substitutions are, or anyhow.
                    match rng.random_range(0..3) {
                        0 => ref_allele[..1].to_owned(),
                        1 => format!("{}{new}", &ref_allele[..1]),
                        _ => new,
                    }
                })
                .collect();
            let genotypes = PEOPLE.map(|_| {
                [0; 2].map(|_| {
                    if rng.random_bool(0.1) {
                        -1
                    } else {
                        rng.random_range(0..=alt_alleles.len() as i32)
                    }
                })
            });
            Record {
                position,
                ref_allele,
                alt_alleles,
                genotypes: genotypes.to_vec(),
            }
        })
        .collect();
    if rng.random_bool(0.3) {
        records.push(records[0].clone());
    }
    records.sort_by_key(|record| record.position);
    records
}

fn vcf_of(records: &[Record]) -> String {
    let mut text = format!("##fileformat=VCFv4.2\n##contig=<ID=chr1,length={CONTIG_NT}>\n");
    writeln!(
        text,
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{}",
        PEOPLE.join("\t")
    )
    .unwrap();
    for Record {
        position,
        ref_allele,
        alt_alleles,
        genotypes,
    } in records
    {
        let allele = |number: i32| {
            if number < 0 {
                ".".to_owned()
            } else {
                number.to_string()
            }
        };
        let genotypes: Vec<String> = genotypes
            .iter()
            .map(|[a, b]| format!("{}|{}", allele(*a), allele(*b)))
            .collect();
        writeln!(
            text,
            "chr1\t{position}\t.\t{ref_allele}\t{}\t.\tPASS\t.\tGT\t{}",
            alt_alleles.join(","),
            genotypes.join("\t")
        )
        .unwrap();
    }
    text
}

/// Reasons for which an allele that a person carries is not in the sequence.
const NOT_APPLIED: [&str; 4] = ["overlap", "duplicate", "conflict", "alt_is_ref"];

/// Number of alleles of each person, haplotype and position that were not applied.
fn not_applied(folder: &Path) -> BTreeMap<(String, String, usize), usize> {
    let mut counts = BTreeMap::new();
    for row in crate::support::rows(&folder.join("skips.csv")) {
        if NOT_APPLIED.contains(&row["reason"].as_str()) {
            let key = (
                row["sample_id"].clone(),
                row["haplotype"].clone(),
                row["position"].parse().unwrap(),
            );
            *counts.entry(key).or_default() += 1;
        }
    }
    counts
}

/// Every sum of `n_applied` of `changes`.
fn sums(changes: &[i64], n_applied: usize) -> BTreeSet<i64> {
    let subsets =
        (0..1_u32 << changes.len()).filter(|subset| subset.count_ones() as usize == n_applied);
    subsets
        .map(|subset| {
            changes
                .iter()
                .enumerate()
                .filter(|(index, _)| subset >> index & 1 == 1)
                .map(|(_, change)| change)
                .sum()
        })
        .collect()
}

/// The length of a haplotype is that of the reference and of what was applied; what was not applied
/// is in the skips.
fn assert_lengths(folder: &Path, records: &[Record], dictionary: &Dictionary, missing_as_n: bool) {
    let skipped = not_applied(folder);
    for ((sample, side), bases) in haplotypes(dictionary, 0) {
        let person = PEOPLE.iter().position(|name| *name == sample).unwrap();
        let mut at: BTreeMap<usize, Vec<i64>> = BTreeMap::new();
        for record in records {
            let change = match record.genotypes[person][side - 1] {
                0 => continue,
                -1 if !missing_as_n => continue,
                -1 => 0,
                alt => {
                    record.alt_alleles[alt as usize - 1].len() as i64
                        - record.ref_allele.len() as i64
                }
            };
            at.entry(record.position).or_default().push(change);
        }
        let mut possible = BTreeSet::from([CONTIG_NT as i64]);
        for (position, changes) in at {
            let n_skipped = skipped
                .get(&(sample.clone(), side.to_string(), position))
                .copied()
                .unwrap_or(0);
            assert!(
                n_skipped <= changes.len(),
                "{sample} {side}: {n_skipped} skips of {} alleles at {position}",
                changes.len()
            );
            let sums = sums(&changes, changes.len() - n_skipped);
            possible = possible
                .iter()
                .flat_map(|len_nt| sums.iter().map(move |sum| len_nt + sum))
                .collect();
        }
        assert!(
            possible.contains(&(bases.len() as i64)),
            "{sample} {side}: {} nt, by the records {possible:?}",
            bases.len()
        );
    }
}

#[test]
fn laws_of_haplotypes() {
    let folder = crate::damage::folder();
    let folder = folder.path();
    fs::write(
        folder.join("loci.bed"),
        format!("chr1\t0\t{CONTIG_NT}\tLOCUS\n"),
    )
    .unwrap();
    for_each_case("haplotypes", 1_000, |rng, input| {
        let bases = random_bases(rng, CONTIG_NT);
        let mut records = random_records(rng, &bases);
        let overlap = *[Overlap::Canonical, Overlap::Canonical, Overlap::Bcftools]
            .choose(rng)
            .unwrap();
        let missing = *[Missing::Ref, Missing::N].choose(rng).unwrap();
        let policies = Policies {
            overlap,
            missing,
            ..Policies::default()
        };
        fs::write(folder.join("reference.fa"), format!(">chr1\n{bases}\n")).unwrap();
        *input = format!("{overlap:?} {missing:?}\n{bases}\n{}", vcf_of(&records)).into_bytes();
        fs::write(folder.join("cohort.vcf"), vcf_of(&records)).unwrap();
        let mut options = options(folder, "cohort.vcf", policies);
        options.skips = Some(folder.join("skips.csv"));
        let (dictionary, summary) = build(&options).unwrap();
        options.skips = None;
        let skips = crate::support::rows(&folder.join("skips.csv"));
        assert_eq!(summary.skips.values().sum::<u64>(), skips.len() as u64);
        assert_lengths(folder, &records, &dictionary, missing == Missing::N);

        // Distinct haplotypes are distinct, and each is somebody's.
        let locus = &dictionary.loci[0];
        let distinct: BTreeSet<Vec<u8>> = (0..locus.haplotypes.len())
            .map(|number| locus.bases(number as u32))
            .collect();
        assert_eq!(distinct.len(), locus.haplotypes.len());
        let used: BTreeSet<u32> = locus.pairs.iter().flatten().copied().collect();
        assert!(used.into_iter().eq(0..locus.haplotypes.len() as u32));

        // A person alone is as in the cohort.
        let everyone = haplotypes(&dictionary, 0);
        let alone = *PEOPLE.choose(rng).unwrap();
        let (dictionary, _) = build(&Options {
            samples: Samples::Only(vec![alone.to_owned()]),
            ..options.clone()
        })
        .unwrap();
        assert!(
            haplotypes(&dictionary, 0).into_iter().eq(everyone
                .clone()
                .into_iter()
                .filter(|((sample, _), _)| sample == alone))
        );

        // The order of records at one position counts for bcftools only.
        if overlap == Overlap::Canonical {
            records.shuffle(rng);
            records.sort_by_key(|record| record.position);
            fs::write(folder.join("cohort.vcf"), vcf_of(&records)).unwrap();
            let (dictionary, shuffled) = build(&options).unwrap();
            assert_eq!(
                haplotypes(&dictionary, 0),
                everyone,
                "in another order:\n{}",
                vcf_of(&records)
            );
            assert_eq!(
                shuffled.skips,
                summary.skips,
                "in another order:\n{}",
                vcf_of(&records)
            );
        }
    });
}

// Damage

const LEN_NT: usize = 200;

/// A small study with something of everything: `reference.fa`, `loci.bed`, `mask.bed`,
/// `cohort.csv`, and `cohort.vcf`.
fn study() -> TempDir {
    let folder = crate::damage::folder();
    let at = |name: &str| folder.path().join(name);
    let mut rng = ChaCha8Rng::seed_from_u64(42);
    let bases = random_bases(&mut rng, LEN_NT);
    let base = |position: usize, len_nt: usize| &bases[position - 1..][..len_nt];
    let other = |position: usize| if base(position, 1) == "A" { "G" } else { "A" };
    let mut reference = String::from(">chr1 a comment\n");
    for line in bases.as_bytes().chunks(50) {
        writeln!(reference, "{}", std::str::from_utf8(line).unwrap()).unwrap();
    }
    writeln!(reference, ">X\n{}", bases[..50].to_lowercase()).unwrap();
    fs::write(at("reference.fa"), reference).unwrap();
    fs::write(
        at("loci.bed"),
        "chr1\t0\t200\tONE\t0\t+\nchr1\t30\t75\tTWO\t0\t-\nX\t10\t50\n",
    )
    .unwrap();
    fs::write(at("mask.bed"), "chr1\t24\t30\nchr1\t150\t151\n").unwrap();
    fs::write(
        at("cohort.csv"),
        "sample_id,phenotype,split,age,family_id\nS1,case,train,60.5,F1\nS2,control,validation,,\
         F1\nS3,,test,70,F2\n",
    )
    .unwrap();
    let mut text = "##fileformat=VCFv4.3\n##FILTER=<ID=LowQ,Description=\"Low \
                    quality\">\n##INFO=<ID=END,Number=1,Type=Integer,Description=\"End\">\n##\
                    INFO=<ID=SVLEN,Number=.,Type=Integer,Description=\"Length\">\n##\
                    INFO=<ID=SVTYPE,Number=1,Type=String,Description=\"Type\">\n##ALT=<ID=DEL,\
                    Description=\"Deletion\">\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"\
                    Genotype\">\n##FORMAT=<ID=PS,Number=1,Type=Integer,Description=\"Phase \
                    set\">\n##FORMAT=<ID=DP,Number=1,Type=Integer,Description=\"Depth\">\n##\
                    contig=<ID=chr1,length=200>\n##contig=<ID=X,length=50>\n#CHROM\tPOS\tID\tREF\
                    \tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\tS2\tS3\n"
        .to_owned();
    let mut record = |contig: &str,
                      position: usize,
                      ref_len: usize,
                      alt: &str,
                      filter: &str,
                      info: &str,
                      calls: &str| {
        let format = if calls.contains(':') {
            "GT:PS:DP"
        } else {
            "GT"
        };
        let calls = calls.replace(' ', "\t");
        writeln!(
            text,
            "{contig}\t{position}\trs{position}\t{}\t{alt}\t50\t{filter}\t{info}\t{format}\
             \t{calls}",
            base(position, ref_len)
        )
        .unwrap();
    };
    record("chr1", 5, 1, other(5), "PASS", "SVTYPE=SNP", "0|1 1|1 .|0");
    record(
        "chr1",
        10,
        1,
        &format!("{}TTGA,{}", base(10, 1), other(10)),
        "PASS",
        ".",
        "1|2 0|0 2|0",
    );
    record("chr1", 20, 6, base(20, 1), "PASS", ".", "1|0 0|1 0|0");
    record(
        "chr1",
        22,
        1,
        &format!("{},*", other(22)),
        "PASS",
        ".",
        "2|1 0|2 1|1",
    );
    record(
        "chr1",
        40,
        3,
        "GATTACA",
        ".",
        ".",
        "0|1:40:7 1|0:40:9 0|0:.:.",
    );
    record(
        "chr1",
        48,
        1,
        other(48),
        "PASS",
        ".",
        "1|0:48:7 0|1:40:9 0|1:48:3",
    );
    record(
        "chr1",
        60,
        1,
        "<DEL>",
        "PASS",
        "SVTYPE=DEL;END=70;SVLEN=-10",
        "0|1 0|0 1|0",
    );
    record(
        "chr1",
        64,
        1,
        &format!("{},<NON_REF>", other(64)),
        "PASS",
        "END=64",
        "0|1 1|2 0|0",
    );
    record(
        "chr1",
        80,
        1,
        &format!("{}[X:20[", base(80, 1)),
        "PASS",
        "SVTYPE=BND",
        "0|0 0|1 0|0",
    );
    record(
        "chr1",
        90,
        1,
        "<DUP>",
        "PASS",
        "SVTYPE=DUP;END=99",
        "1|0 0|0 0|0",
    );
    record("chr1", 100, 1, "N", "PASS", ".", "1|1 ./. .");
    record("chr1", 110, 1, other(110), "LowQ", ".", "1|1 0|0 1|0");
    record(
        "chr1",
        120,
        2,
        &format!("{}R", base(120, 1)),
        "PASS",
        ".",
        "0|1 0|0 0|0",
    );
    record("chr1", 130, 1, other(130), "PASS", ".", "0|1 0|0 0|0");
    record("chr1", 130, 1, other(130), "PASS", ".", "0|1 0|0 0|0");
    record("chr1", 151, 1, other(151), "PASS", ".", "1|0 1|0 1|0");
    record(
        "chr1",
        200,
        1,
        &format!("{}CC", base(200, 1)),
        "PASS",
        ".",
        "1|0 0|1 0|0",
    );
    record("X", 20, 1, other(20), "PASS", ".", "1|0 0 1");
    record("X", 30, 4, base(30, 1), "PASS", ".", "0|0 1 0");
    fs::write(at("cohort.vcf"), text).unwrap();
    folder
}

/// Any policies; those that refuse seldom, so that damage is not hidden behind them.
fn random_policies(rng: &mut ChaCha8Rng) -> Policies {
    let mut refuses = || rng.random_bool(0.05);
    let phase = refuses();
    let missing = refuses();
    let haploid = refuses();
    let symbolic = refuses();
    let strict = refuses();
    Policies {
        encoding: *[Encoding::Haplotype, Encoding::Haplotype, Encoding::Diploid]
            .choose(rng)
            .unwrap(),
        unphased: if phase {
            Unphased::Error
        } else {
            *[Unphased::GtOrder, Unphased::Iupac, Unphased::Ref]
                .choose(rng)
                .unwrap()
        },
        missing: if missing {
            Missing::Error
        } else {
            *[Missing::Ref, Missing::N].choose(rng).unwrap()
        },
        haploid: if haploid {
            Haploid::Error
        } else {
            *[Haploid::Absent, Haploid::Dup].choose(rng).unwrap()
        },
        symbolic: if symbolic {
            Symbolic::Error
        } else {
            Symbolic::Skip
        },
        apply_filters: [ApplyFilters::All, ApplyFilters::default()]
            .choose(rng)
            .unwrap()
            .clone(),
        overlap: *[Overlap::Canonical, Overlap::Bcftools].choose(rng).unwrap(),
        strict,
    }
}

fn random_options(rng: &mut ChaCha8Rng, folder: &Path, vcf: &str) -> Options {
    let mut options = options(folder, vcf, random_policies(rng));
    if rng.random_bool(0.3) {
        options.mask = Some(folder.join("mask.bed"));
    }
    if rng.random_bool(0.2) {
        options.callable = Some(folder.join("mask.bed"));
    }
    match rng.random_range(0..4) {
        0 => options.samples = Samples::Only(vec!["S3".into(), "S1".into()]),
        1 => options.samples = Samples::Except(vec!["S2".into()]),
        _ => {}
    }
    options
}

/// What comes of a damaged study, if anything: letters of the alphabet, and people who point at
/// haplotypes that are there.
fn run(options: &Options) -> Option<Dictionary> {
    let (dictionary, summary) = build(options)
        .inspect_err(|error| assert!(!error.to_string().is_empty()))
        .ok()?;
    assert!(!summary.to_string().is_empty());
    let alphabet = dictionary.alphabet();
    for locus in &dictionary.loci {
        assert!((0..locus.haplotypes.len()).all(|number| {
            locus
                .bases(number as u32)
                .iter()
                .all(|letter| alphabet.contains(letter))
        }));
        assert_eq!(locus.pairs.len(), dictionary.samples.len());
        let mut numbers = locus
            .pairs
            .iter()
            .flatten()
            .filter(|&&haplotype| haplotype != ABSENT_HAPLOTYPE);
        assert!(numbers.all(|&haplotype| (haplotype as usize) < locus.haplotypes.len()));
    }
    Some(dictionary)
}

/// Damages one file of the study in every case, and tells how many cases still went.
fn damage_file(
    name: &'static str,
    vcf: &str,
    default: u64,
    folder: &Path,
    whole: &[u8],
    wrap: impl Fn(&[u8]) -> Vec<u8>,
) {
    fs::write(folder.join(name), wrap(whole)).unwrap();
    let mut n_went = 0_u64;
    let mut n = 0_u64;
    for_each_case(name, default, |rng, input| {
        input.extend_from_slice(whole);
        damage(rng, input);
        fs::write(folder.join(name), wrap(input)).unwrap();
        n += 1;
        n_went += u64::from(run(&random_options(rng, folder, vcf)).is_some());
    });
    eprintln!("{name}: {n} cases, {n_went} of them still gave haplotypes");
    // An index that does not fit its FASTA is refused.
    let least = if name == "reference.fa.fai" {
        n / 1_000
    } else {
        n / 100
    };
    assert!(
        n < 200 || n_went > least,
        "{name}: only {n_went} of {n} damaged files went: the cases say little"
    );
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).unwrap()
}

fn bgzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = bgzf::io::Writer::new(Vec::new());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

#[test]
fn the_study_that_the_tests_damage_is_right() {
    let study = study();
    let policies = Policies {
        unphased: Unphased::GtOrder,
        ..Policies::default()
    };
    let (dictionary, summary) = build(&options(study.path(), "cohort.vcf", policies)).unwrap();
    assert_eq!(dictionary.loci.len(), 3);
    // `.` in the midst of diploid calls, deletions over `*`, and the rest: something of everything.
    assert!(summary.skips.len() >= 8, "{:?}", summary.skips);
}

#[test]
fn a_damaged_vcf_gives_an_error_or_haplotypes() {
    let study = study();
    damage_file(
        "cohort.vcf",
        "cohort.vcf",
        3_000,
        study.path(),
        &read(study.path(), "cohort.vcf"),
        <[u8]>::to_vec,
    );
}

/// The bytes of a BCF before they are compressed.
fn bcf_of(text: &[u8]) -> Vec<u8> {
    let mut reader = vcf::io::Reader::new(text);
    let header = reader.read_header().unwrap();
    let mut writer = bcf::io::Writer::from(Vec::new());
    writer.write_header(&header).unwrap();
    for record in reader.record_bufs(&header) {
        writer
            .write_variant_record(&header, &record.unwrap())
            .unwrap();
    }
    writer.into_inner()
}

#[test]
fn a_damaged_bcf_gives_an_error_or_haplotypes() {
    let study = study();
    let text = String::from_utf8(read(study.path(), "cohort.vcf")).unwrap();
    // noodles cannot write a call of `.`.
    let text = text.replace("\t./.\t.\n", "\t./.\t./.\n");
    damage_file(
        "cohort.bcf",
        "cohort.bcf",
        3_000,
        study.path(),
        &bcf_of(text.as_bytes()),
        bgzip,
    );
}

/// What is compressed has checksums: damage is noticed, or changes nothing. The same of the index
/// beside it, and of files cut at every byte.
#[test]
fn a_damaged_or_cut_compressed_vcf_or_index_gives_an_error_or_the_same() {
    let study = study();
    let folder = study.path();
    let mut writer = bgzf::io::Writer::new(Vec::new());
    for block in read(folder, "cohort.vcf").chunks(300) {
        writer.write_all(block).unwrap();
        writer.flush().unwrap();
    }
    let whole = writer.finish().unwrap();
    for (name, indexed) in [("cohort.vcf.gz", false), ("indexed.vcf.gz", true)] {
        let path = folder.join(name);
        fs::write(&path, &whole).unwrap();
        let (damaged, whole) = if indexed {
            let index = folder.join(format!("{name}.tbi"));
            let vcf::Index::Tabix(tabix) = vcf::fs::index(&path).unwrap() else {
                panic!("{name}: not small enough for tabix")
            };
            tabix::fs::write(&index, &tabix).unwrap();
            (index.clone(), fs::read(&index).unwrap())
        } else {
            (path, whole.clone())
        };
        for_each_case(
            if indexed {
                "cohort.vcf.gz.tbi"
            } else {
                "cohort.vcf.gz"
            },
            500,
            |rng, input| {
                let options = random_options(rng, folder, name);
                fs::write(&damaged, &whole).unwrap();
                let expected = run(&options);
                input.extend_from_slice(&whole);
                damage(rng, input);
                fs::write(&damaged, &input).unwrap();
                let found = run(&options);
                assert!(
                    found.is_none() || found == expected,
                    "the damage was not noticed"
                );
            },
        );
        let options = options(
            folder,
            name,
            Policies {
                unphased: Unphased::GtOrder,
                haploid: Haploid::Dup,
                ..Policies::default()
            },
        );
        fs::write(&damaged, &whole).unwrap();
        let expected = run(&options);
        assert!(expected.is_some());
        for end in 0..whole.len() {
            fs::write(&damaged, &whole[..end]).unwrap();
            let found = run(&options);
            // An index that lacks nothing but its end-of-file block is whole.
            assert!(
                found.is_none() || indexed && found == expected,
                "{name}: cut after {end} bytes, and nobody noticed"
            );
        }
    }
}

/// Inside an index no checksum notices damage: counts, numbers of bins and offsets that are not so.
/// The records it leads to may be others, or none.
#[test]
fn damage_inside_an_index_gives_an_error_or_haplotypes() {
    let study = study();
    let folder = study.path();
    let text = String::from_utf8(read(folder, "cohort.vcf"))
        .unwrap()
        .replace("\t./.\t.\n", "\t./.\t./.\n");
    fs::write(folder.join("cohort.vcf.gz"), bgzip(text.as_bytes())).unwrap();
    fs::write(folder.join("cohort.bcf"), bgzip(&bcf_of(text.as_bytes()))).unwrap();
    let vcf::Index::Tabix(tabix) = vcf::fs::index(folder.join("cohort.vcf.gz")).unwrap() else {
        panic!("not small enough for tabix")
    };
    tabix::fs::write(folder.join("cohort.vcf.gz.tbi"), &tabix).unwrap();
    csi::fs::write(
        folder.join("cohort.bcf.csi"),
        &bcf::fs::index(folder.join("cohort.bcf")).unwrap(),
    )
    .unwrap();
    for (name, vcf) in [
        ("cohort.vcf.gz.tbi", "cohort.vcf.gz"),
        ("cohort.bcf.csi", "cohort.bcf"),
    ] {
        let mut whole = Vec::new();
        bgzf::io::Reader::new(&read(folder, name)[..])
            .read_to_end(&mut whole)
            .unwrap();
        damage_file(name, vcf, 500, folder, &whole, bgzip);
        for end in 0..whole.len() {
            fs::write(folder.join(name), bgzip(&whole[..end])).unwrap();
            run(&options(folder, vcf, Policies::default()));
        }
    }
}

#[test]
fn a_damaged_reference_gives_an_error_or_haplotypes() {
    let study = study();
    damage_file(
        "reference.fa",
        "cohort.vcf",
        1_000,
        study.path(),
        &read(study.path(), "reference.fa"),
        <[u8]>::to_vec,
    );
}

#[test]
fn a_damaged_index_of_the_reference_gives_an_error_or_haplotypes() {
    let study = study();
    let index = b"chr1\t200\t16\t50\t51\nX\t50\t223\t50\t51\n";
    damage_file(
        "reference.fa.fai",
        "cohort.vcf",
        1_000,
        study.path(),
        index,
        <[u8]>::to_vec,
    );
}

#[test]
fn a_damaged_index_of_a_compressed_reference_gives_an_error_or_haplotypes() {
    let study = study();
    let folder = study.path();
    let mut writer = bgzf::io::Writer::new(Vec::new());
    let mut ends = Vec::new();
    let mut position = 0;
    for block in read(folder, "reference.fa").chunks(64) {
        writer.write_all(block).unwrap();
        writer.flush().unwrap();
        position += block.len() as u64;
        ends.push((writer.get_ref().len() as u64, position));
    }
    fs::write(folder.join("reference.fa.gz"), writer.finish().unwrap()).unwrap();
    fs::write(
        folder.join("reference.fa.gz.fai"),
        "chr1\t200\t16\t50\t51\nX\t50\t223\t50\t51\n",
    )
    .unwrap();
    ends.pop();
    let offsets = ends
        .iter()
        .flat_map(|(compressed, position)| [compressed.to_le_bytes(), position.to_le_bytes()])
        .flatten();
    let whole: Vec<u8> = (ends.len() as u64)
        .to_le_bytes()
        .into_iter()
        .chain(offsets)
        .collect();
    let name = "reference.fa.gz.gzi";
    let options = Options {
        reference: folder.join("reference.fa.gz"),
        ..options(folder, "cohort.vcf", Policies::default())
    };
    let with = |bytes: &[u8], policies: Policies| {
        fs::write(folder.join(name), bytes).unwrap();
        run(&Options {
            policies,
            ..options.clone()
        })
    };
    let policies = Policies {
        unphased: Unphased::GtOrder,
        haploid: Haploid::Dup,
        ..Policies::default()
    };
    let expected = with(&whole, policies.clone());
    assert!(expected.is_some());
    for_each_case("reference.fa.gz.gzi", 1_000, |rng, input| {
        input.extend_from_slice(&whole);
        damage(rng, input);
        let found = with(input, policies.clone());
        assert!(
            found.is_none() || found == expected,
            "other bases by an index that is not right"
        );
    });
    for end in 0..whole.len() {
        assert!(
            with(&whole[..end], policies.clone()).is_none(),
            "cut after {end} bytes, and nobody noticed"
        );
    }
}

#[test]
fn damaged_loci_and_masks_give_an_error_or_haplotypes() {
    let study = study();
    damage_file(
        "loci.bed",
        "cohort.vcf",
        1_000,
        study.path(),
        &read(study.path(), "loci.bed"),
        <[u8]>::to_vec,
    );
    let study = self::study();
    damage_file(
        "mask.bed",
        "cohort.vcf",
        1_000,
        study.path(),
        &read(study.path(), "mask.bed"),
        <[u8]>::to_vec,
    );
}

#[test]
fn a_damaged_cohort_table_gives_an_error_or_people() {
    let study = study();
    let whole = read(study.path(), "cohort.csv");
    let path: PathBuf = study.path().join("cohort.csv");
    for_each_case("cohort.csv", 3_000, |rng, input| {
        input.extend_from_slice(&whole);
        damage(rng, input);
        fs::write(&path, &input).unwrap();
        match Cohort::read(&path, PhenotypeCoding::Auto, &CovariateChoice::Usual) {
            Ok(cohort) => assert!(
                cohort
                    .people
                    .iter()
                    .all(|person| cohort.index_of(&person.sample_id).is_some())
            ),
            Err(error) => assert!(error.to_string().contains("cohort.csv")),
        }
    });
}

/// What a tokenizer takes it gives back: tokens joined are the input, whatever the file says.
#[test]
fn a_damaged_tokenizer_file_gives_an_error_or_loses_nothing() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let segments: Vec<(Vec<u8>, u64)> = (0..20)
        .map(|_| (random_bases(&mut rng, 40).into_bytes(), 1))
        .collect();
    let kind = Kind::Bpe {
        vocab_size: VocabSize::AtMost(40),
        max_token_len_nt: None,
    };
    let whole = Tokenizer::train(&kind, b"ACGNT", &segments)
        .unwrap()
        .json()
        .to_owned();
    let mut n_went = 0;
    for_each_case("tokenizer.json", 2_000, |rng, input| {
        input.extend_from_slice(whole.as_bytes());
        damage(rng, input);
        let Ok(text) = std::str::from_utf8(input) else {
            return;
        };
        let Ok(tokenizer) = Tokenizer::from_json(text) else {
            return;
        };
        let segment = random_bases(rng, 30);
        if let Ok(ids) = tokenizer.encode(segment.as_bytes()) {
            assert!(ids.iter().all(|&id| (id as usize) < tokenizer.vocab_len()));
            assert_eq!(tokenizer.decode(&ids).as_deref(), Some(segment.as_str()));
            n_went += 1;
        }
    });
    eprintln!("tokenizer.json: {n_went} damaged files still gave tokens");
}

//! Properties of the haplotypes of random records, and damaged files of every kind: an error or
//! haplotypes, never a panic.
//!
//! `tests/robustness/damage.rs` makes and runs the cases.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use crate::{
    damage::{damage, for_each_case},
    support::{
        compression::{Bgzf, bgzip, bgzip_with_gzi, write_tabix},
        options as usual, random_bases, rows,
    },
};
use gf_cohort_schema::{Cohort, CovariateChoice, PhenotypeCoding};
use gf_genomics::sequences::{self, Options};
use gf_haplotypes::{
    ABSENT_HAPLOTYPE, ApplyFilters, Dictionary, Encoding, Haploid, Missing, Overlap, Policies,
    Samples, Summary, Symbolic, Unphased,
};
use gf_tokenizer::{Kind, Tokenizer, VocabSize};
use noodles::{bcf, bgzf, csi, vcf, vcf::variant::io::Write as _};
use rand::{
    Rng, SeedableRng,
    seq::{IndexedRandom, SliceRandom},
};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

fn options(folder: &Path, vcf: &str, policies: Policies) -> Options {
    Options {
        policies,
        ..usual::sequences(folder, vcf)
    }
}

/// Runs the stage, `skips.csv` included.
fn build(options: &Options) -> Result<(Dictionary, Summary), gf_haplotypes::Error> {
    let built = sequences::run(options)?;
    built.skips.save()?;
    Ok((built.dictionary, built.summary))
}

/// Bases of one locus by sample and haplotype (1 or 2), without absent haplotypes.
fn haplotypes(dictionary: &Dictionary, locus: usize) -> BTreeMap<(String, usize), String> {
    let locus = &dictionary.loci[locus];
    let mut haplotypes = BTreeMap::new();
    for (sample, pair) in dictionary.samples.iter().zip(&locus.pairs) {
        for (side, &haplotype) in pair.iter().enumerate() {
            if haplotype != ABSENT_HAPLOTYPE {
                let bases = String::from_utf8(locus.bases(haplotype)).unwrap();
                haplotypes.insert((sample.clone(), side + 1), bases);
            }
        }
    }
    haplotypes
}

// Properties

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
        let genotypes: Vec<String> = genotypes
            .iter()
            .map(|[first, second]| format!("{}|{}", gt_allele(*first), gt_allele(*second)))
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

/// An allele number as GT writes it; -1 is a missing one.
fn gt_allele(number: i32) -> String {
    if number < 0 {
        ".".to_owned()
    } else {
        number.to_string()
    }
}

/// Reasons why an allele that a sample carries is not in the sequence.
const NOT_APPLIED: [&str; 4] = ["overlap", "duplicate", "conflict", "alt_is_ref"];

/// Number of alleles of each person, haplotype and position that were not applied.
fn not_applied(folder: &Path) -> BTreeMap<(String, String, usize), usize> {
    let mut counts = BTreeMap::new();
    for row in rows(&folder.join("skips.csv")) {
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

/// The length of a haplotype is that of the reference plus the length changes of its applied
/// alleles. Alleles that were not applied are counted in the skips.
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
        let skips = rows(&folder.join("skips.csv"));
        assert_eq!(summary.skips.values().sum::<u64>(), skips.len() as u64);
        assert_lengths(folder, &records, &dictionary, missing == Missing::N);

        // The haplotypes of the dictionary are distinct, and each belongs to a sample.
        let locus = &dictionary.loci[0];
        let distinct: BTreeSet<Vec<u8>> = (0..locus.haplotypes.len())
            .map(|number| locus.bases(number as u32))
            .collect();
        assert_eq!(distinct.len(), locus.haplotypes.len());
        let used: BTreeSet<u32> = locus.pairs.iter().flatten().copied().collect();
        assert!(used.into_iter().eq(0..locus.haplotypes.len() as u32));

        // One sample alone has the haplotypes that it has in the cohort.
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

        // Only `--overlap bcftools` depends on the order of records at one position.
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

/// Records of [`study`]: contig, POS, length of REF (nt), ALT, FILTER, INFO, calls. In ALT, `=` is
/// the reference base at POS, and `!` another base.
const RECORDS: [(&str, usize, usize, &str, &str, &str, &str); 19] = [
    ("chr1", 5, 1, "!", "PASS", "SVTYPE=SNP", "0|1 1|1 .|0"),
    ("chr1", 10, 1, "=TTGA,!", "PASS", ".", "1|2 0|0 2|0"),
    ("chr1", 20, 6, "=", "PASS", ".", "1|0 0|1 0|0"),
    ("chr1", 22, 1, "!,*", "PASS", ".", "2|1 0|2 1|1"),
    (
        "chr1",
        40,
        3,
        "GATTACA",
        ".",
        ".",
        "0|1:40:7 1|0:40:9 0|0:.:.",
    ),
    (
        "chr1",
        48,
        1,
        "!",
        "PASS",
        ".",
        "1|0:48:7 0|1:40:9 0|1:48:3",
    ),
    (
        "chr1",
        60,
        1,
        "<DEL>",
        "PASS",
        "SVTYPE=DEL;END=70;SVLEN=-10",
        "0|1 0|0 1|0",
    ),
    (
        "chr1",
        64,
        1,
        "!,<NON_REF>",
        "PASS",
        "END=64",
        "0|1 1|2 0|0",
    ),
    (
        "chr1",
        80,
        1,
        "=[X:20[",
        "PASS",
        "SVTYPE=BND",
        "0|0 0|1 0|0",
    ),
    (
        "chr1",
        90,
        1,
        "<DUP>",
        "PASS",
        "SVTYPE=DUP;END=99",
        "1|0 0|0 0|0",
    ),
    ("chr1", 100, 1, "N", "PASS", ".", "1|1 ./. ."),
    ("chr1", 110, 1, "!", "LowQ", ".", "1|1 0|0 1|0"),
    ("chr1", 120, 2, "=R", "PASS", ".", "0|1 0|0 0|0"),
    ("chr1", 130, 1, "!", "PASS", ".", "0|1 0|0 0|0"),
    ("chr1", 130, 1, "!", "PASS", ".", "0|1 0|0 0|0"),
    ("chr1", 151, 1, "!", "PASS", ".", "1|0 1|0 1|0"),
    ("chr1", 200, 1, "=CC", "PASS", ".", "1|0 0|1 0|0"),
    ("X", 20, 1, "!", "PASS", ".", "1|0 0 1"),
    ("X", 30, 4, "=", "PASS", ".", "0|0 1 0"),
];

/// A small study with records of every kind: `reference.fa`, `loci.bed`, `mask.bed`, `cohort.csv`,
/// and `cohort.vcf`.
fn study() -> TempDir {
    let study = crate::damage::folder();
    let folder = study.path();
    let mut rng = ChaCha8Rng::seed_from_u64(42);
    let bases = random_bases(&mut rng, LEN_NT);
    let mut reference = String::from(">chr1 a comment\n");
    for line in bases.as_bytes().chunks(50) {
        writeln!(reference, "{}", std::str::from_utf8(line).unwrap()).unwrap();
    }
    writeln!(reference, ">X\n{}", bases[..50].to_lowercase()).unwrap();
    fs::write(folder.join("reference.fa"), reference).unwrap();
    fs::write(
        folder.join("loci.bed"),
        "chr1\t0\t200\tONE\t0\t+\nchr1\t30\t75\tTWO\t0\t-\nX\t10\t50\n",
    )
    .unwrap();
    fs::write(folder.join("mask.bed"), "chr1\t24\t30\nchr1\t150\t151\n").unwrap();
    fs::write(
        folder.join("cohort.csv"),
        "sample_id,phenotype,split,age,family_id\nS1,case,train,60.5,F1\nS2,control,validation,,\
         F1\nS3,,test,70,F2\n",
    )
    .unwrap();
    fs::write(folder.join("cohort.vcf"), study_vcf(&bases)).unwrap();
    study
}

/// A VCF of [`RECORDS`]; both contigs begin with the same bases.
fn study_vcf(bases: &str) -> String {
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
    for (contig, position, ref_len, alt, filter, info, calls) in RECORDS {
        let ref_allele = &bases[position - 1..][..ref_len];
        let base = &ref_allele[..1];
        let other_base = if base == "A" { "G" } else { "A" };
        let alt = alt.replace('=', base).replace('!', other_base);
        let format = if calls.contains(':') {
            "GT:PS:DP"
        } else {
            "GT"
        };
        let calls = calls.replace(' ', "\t");
        writeln!(
            text,
            "{contig}\t{position}\trs{position}\t{ref_allele}\t{alt}\t50\t{filter}\t{info}\
             \t{format}\t{calls}"
        )
        .unwrap();
    }
    text
}

/// Any policies; policies that refuse genotypes are rare, so that they do not hide the damage.
fn random_policies(rng: &mut ChaCha8Rng) -> Policies {
    let [phase, missing, haploid, symbolic, strict] = [(); 5].map(|()| rng.random_bool(0.05));
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

/// The dictionary of a damaged study, if there is one. Its sequences must be of its alphabet, and
/// its samples must have haplotypes that exist.
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

/// Damages one file of the study in every case; at least 1 % of the cases must give haplotypes.
fn damage_file(
    name: &'static str,
    vcf: &str,
    default: u64,
    folder: &Path,
    whole: &[u8],
    wrap: impl Fn(&[u8]) -> Vec<u8>,
) {
    fs::write(folder.join(name), wrap(whole)).unwrap();
    let mut n_with_result = 0_u64;
    let mut n = 0_u64;
    for_each_case(name, default, |rng, input| {
        input.extend_from_slice(whole);
        damage(rng, input);
        fs::write(folder.join(name), wrap(input)).unwrap();
        n += 1;
        n_with_result += u64::from(run(&random_options(rng, folder, vcf)).is_some());
    });
    eprintln!("{name}: {n} cases, {n_with_result} of them still gave haplotypes");
    // An index that does not fit its FASTA is refused.
    let least = if name == "reference.fa.fai" {
        n / 1_000
    } else {
        n / 100
    };
    assert!(
        n < 200 || n_with_result > least,
        "{name}: only {n_with_result} of {n} damaged files went: the cases say little"
    );
}

fn read(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join(name)).unwrap()
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
    // Every kind of record that can be skipped is there.
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

/// Compressed files have checksums: damage is noticed, or changes nothing. The same holds for the
/// index of the file, and for files cut at every byte.
#[test]
fn a_damaged_or_cut_compressed_vcf_or_index_gives_an_error_or_the_same() {
    let study = study();
    let folder = study.path();
    let whole = Bgzf::of_blocks(read(folder, "cohort.vcf").chunks(300)).bytes;
    for (name, is_indexed) in [("cohort.vcf.gz", false), ("indexed.vcf.gz", true)] {
        let path = folder.join(name);
        fs::write(&path, &whole).unwrap();
        if is_indexed {
            write_tabix(&path);
            let index = folder.join(format!("{name}.tbi"));
            assert_damage_is_noticed("cohort.vcf.gz.tbi", folder, name, &index);
            assert_cuts_are_noticed(folder, name, &index, is_indexed);
        } else {
            assert_damage_is_noticed("cohort.vcf.gz", folder, name, &path);
            assert_cuts_are_noticed(folder, name, &path, is_indexed);
        }
    }
}

/// A damaged `file` gives an error, or the haplotypes of the undamaged one.
fn assert_damage_is_noticed(test: &'static str, folder: &Path, vcf: &str, file: &Path) {
    let whole = fs::read(file).unwrap();
    for_each_case(test, 500, |rng, input| {
        let options = random_options(rng, folder, vcf);
        fs::write(file, &whole).unwrap();
        let expected = run(&options);
        input.extend_from_slice(&whole);
        damage(rng, input);
        fs::write(file, &input).unwrap();
        let found = run(&options);
        assert!(
            found.is_none() || found == expected,
            "the damage was not noticed"
        );
    });
    fs::write(file, whole).unwrap();
}

/// A cut `file` gives an error. An index may also give the right haplotypes, because it is complete
/// without its end-of-file block.
fn assert_cuts_are_noticed(folder: &Path, vcf: &str, file: &Path, is_index: bool) {
    let whole = fs::read(file).unwrap();
    let options = options(folder, vcf, lenient_policies());
    let expected = run(&options);
    assert!(expected.is_some());
    for end in 0..whole.len() {
        fs::write(file, &whole[..end]).unwrap();
        let found = run(&options);
        assert!(
            found.is_none() || is_index && found == expected,
            "{vcf}: cut after {end} bytes, and nobody noticed"
        );
    }
}

/// Policies that accept every record of the study.
fn lenient_policies() -> Policies {
    Policies {
        unphased: Unphased::GtOrder,
        haploid: Haploid::Dup,
        ..Policies::default()
    }
}

/// Damage inside of the compression of an index, which no checksum notices: wrong counts, numbers
/// of bins and offsets. Such an index may lead to other records, or to none.
#[test]
fn damage_inside_an_index_gives_an_error_or_haplotypes() {
    let study = study();
    let folder = study.path();
    let text = String::from_utf8(read(folder, "cohort.vcf"))
        .unwrap()
        .replace("\t./.\t.\n", "\t./.\t./.\n");
    fs::write(folder.join("cohort.vcf.gz"), bgzip(text.as_bytes())).unwrap();
    fs::write(folder.join("cohort.bcf"), bgzip(&bcf_of(text.as_bytes()))).unwrap();
    write_tabix(&folder.join("cohort.vcf.gz"));
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
    let reference = read(folder, "reference.fa");
    let blocks: Vec<&[u8]> = reference.chunks(64).collect();
    let (compressed, whole) = bgzip_with_gzi(&blocks);
    fs::write(folder.join("reference.fa.gz"), compressed).unwrap();
    fs::write(
        folder.join("reference.fa.gz.fai"),
        "chr1\t200\t16\t50\t51\nX\t50\t223\t50\t51\n",
    )
    .unwrap();
    let expected = run_with_gzi(folder, &whole);
    assert!(expected.is_some());
    for_each_case("reference.fa.gz.gzi", 1_000, |rng, input| {
        input.extend_from_slice(&whole);
        damage(rng, input);
        let found = run_with_gzi(folder, input);
        assert!(
            found.is_none() || found == expected,
            "other bases by an index that is not right"
        );
    });
    for end in 0..whole.len() {
        assert!(
            run_with_gzi(folder, &whole[..end]).is_none(),
            "cut after {end} bytes, and nobody noticed"
        );
    }
}

/// Haplotypes with `reference.fa.gz` and these bytes as its `.gzi` index.
fn run_with_gzi(folder: &Path, gzi: &[u8]) -> Option<Dictionary> {
    fs::write(folder.join("reference.fa.gz.gzi"), gzi).unwrap();
    run(&Options {
        reference: folder.join("reference.fa.gz"),
        ..options(folder, "cohort.vcf", lenient_policies())
    })
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

/// Decoded tokens are the encoded input, whatever the tokenizer file has.
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

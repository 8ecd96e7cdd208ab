//! One run as many jobs: what was divided and put together again is, byte for byte, what one run
//! gives; also where jobs run twice, are killed, or a workflow engine does them.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write as _,
    fs,
    io::Write as _,
    ops::Range,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::support::{command, files, files_without_times, refuse, run, stderr, succeed};
use gf_cohort_schema::{Cohort as CohortTable, CovariateChoice, PhenotypeCoding, Split};
use gf_genomics::{
    pipeline,
    tokens::{self, Anchor, Folder, Slots, TokenizerKind},
};
use gf_haplotypes::{
    Dictionary, Encoding, Missing, Options, Overlap, Policies, Regions, Samples, Shard, Summary,
    Unphased, merge,
};
use gf_tokenizer::VocabSize;
use noodles::{bgzf, tabix, vcf};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

// ---- Sequences
// ----------------------------------------------------------------------------------------------------------------------------------

const CONTIG_NT: usize = 120;
/// Two of them overlap, one is on another contig.
const LOCI: &str = "1\t10\t60\ta\n1\t50\t110\tb\n2\t0\t120\tc\n2\t30\t80\td\t0\t-\n";

/// Two contigs with records of every kind and people of every kind: phased and not, haploid, with
/// missing calls.
fn random_genomes(folder: &Path, seed: u64, n_people: usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let base = |rng: &mut ChaCha8Rng| char::from(b"ACGT"[rng.random_range(0..4)]);
    let haploid: Vec<bool> = (0..n_people).map(|_| rng.random_bool(0.15)).collect();
    let mut header = "##fileformat=VCFv4.2\n##FILTER=<ID=bad,Description=\"x\">\n".to_owned();
    let mut fasta = String::new();
    let mut records = String::new();
    for contig in ["1", "2"] {
        writeln!(header, "##contig=<ID={contig},length={CONTIG_NT}>").unwrap();
        let bases: String = (0..CONTIG_NT).map(|_| base(&mut rng)).collect();
        writeln!(fasta, ">{contig}\n{bases}").unwrap();
        let mut position = 1;
        while position + 6 < CONTIG_NT {
            let len = rng.random_range(1..=5);
            let r = &bases[position - 1..][..len];
            let mut alts = BTreeSet::new();
            for _ in 0..rng.random_range(1..=2) {
                let alt = match rng.random_range(0..10) {
                    0..=5 => (0..rng.random_range(1..=4))
                        .map(|_| base(&mut rng))
                        .collect(),
                    6 => format!("{r}{}", base(&mut rng)),
                    7 => r[..1].to_owned(),
                    8 => "R".to_owned(),
                    _ => "*".to_owned(),
                };
                alts.insert(alt);
            }
            let n_alleles = alts.len();
            let alts = alts.into_iter().collect::<Vec<_>>().join(",");
            let filter = if rng.random_bool(0.1) { "bad" } else { "PASS" };
            write!(
                records,
                "{contig}\t{position}\t.\t{r}\t{alts}\t.\t{filter}\t.\tGT"
            )
            .unwrap();
            for &is_haploid in &haploid {
                let allele = |rng: &mut ChaCha8Rng| match rng.random_range(0..20) {
                    0 => ".".to_owned(),
                    1..=7 => rng.random_range(1..=n_alleles).to_string(),
                    _ => "0".to_owned(),
                };
                let a = allele(&mut rng);
                let b = allele(&mut rng);
                let sign = if rng.random_bool(0.1) { '/' } else { '|' };
                if is_haploid {
                    write!(records, "\t{a}")
                } else {
                    write!(records, "\t{a}{sign}{b}")
                }
                .unwrap();
            }
            records.push('\n');
            position += rng.random_range(0..=7);
        }
    }
    let names: Vec<String> = people(n_people);
    let text = format!(
        "{header}##FORMAT=<ID=GT,Number=1,Type=String,Description=\"x\">\n#CHROM\tPOS\tID\tREF\
         \tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{}\n{records}",
        names.join("\t")
    );
    fs::write(folder.join("people.vcf"), text).unwrap();
    fs::write(folder.join("reference.fa"), fasta).unwrap();
    fs::write(folder.join("loci.bed"), LOCI).unwrap();
}

fn people(n: usize) -> Vec<String> {
    (1..=n).map(|number| format!("P{number}")).collect()
}

/// Makes the sequences of some people at some loci into a folder; `None` where a policy refuses a
/// genotype.
fn build(
    folder: &Path,
    out: &Path,
    policies: &Policies,
    people: &[String],
    loci: Range<usize>,
) -> Option<Summary> {
    let options = Options {
        vcf: vec![folder.join("people.vcf")],
        reference: folder.join("reference.fa"),
        regions: Regions::File(folder.join("loci.bed")),
        samples: Samples::Only(people.to_vec()),
        policies: policies.clone(),
        mask: None,
        callable: None,
        skips: Some(out.join("skips.csv")),
    };
    let all = gf_haplotypes::loci(&options).unwrap();
    let (dictionary, skips, mut summary) =
        gf_haplotypes::of_loci(&all[loci], &options, gf_haplotypes::EmptyLoci::Refuse).ok()?;
    dictionary.save(out).unwrap();
    skips.save().unwrap();
    // Counted in memory only, and not stored.
    summary.n_missing_alleles.clear();
    Some(summary)
}

fn sorted_lines(path: &Path) -> Vec<String> {
    let mut lines: Vec<String> = fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(String::from)
        .collect();
    lines.sort();
    lines
}

/// Ranges that begin at these places.
fn ranges(n: usize, cuts: &[usize]) -> Vec<Range<usize>> {
    let mut places: BTreeSet<usize> = cuts.iter().map(|cut| cut % n).collect();
    places.extend([0, n]);
    places
        .iter()
        .zip(places.iter().skip(1))
        .map(|(&start, &end)| start..end)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_division_into_blocks_gives_the_sequences_of_one_pass(
        seed in any::<u64>(), n_people in 1usize..12,
        people_cuts in proptest::collection::vec(0usize..100, 0..4), loci_cuts in proptest::collection::vec(0usize..100, 0..3),
        diploid in any::<bool>(), bcftools in any::<bool>(), as_n in any::<bool>(), unphased in 0usize..3, everyone_has_two in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        random_genomes(folder, seed, n_people);
        let policies = Policies {
            encoding: if diploid { Encoding::Diploid } else { Encoding::Haplotype },
            overlap: if bcftools && !diploid { Overlap::Bcftools } else { Overlap::Canonical },
            missing: if as_n { Missing::N } else { Missing::Ref },
            unphased: [Unphased::GtOrder, Unphased::Iupac, Unphased::Ref][unphased],
            haploid: if everyone_has_two { gf_haplotypes::Haploid::Dup } else { gf_haplotypes::Haploid::Absent },
            ..Policies::default()
        };
        let people = people(n_people);
        let whole = build(folder, &folder.join("whole"), &policies, &people, 0..4);
        prop_assume!(whole.is_some());
        let mut shards = Vec::new();
        for loci in ranges(4, &loci_cuts) {
            for block in ranges(n_people, &people_cuts) {
                let out = folder.join(format!("shard-{}", shards.len()));
                let summary = build(folder, &out, &policies, &people[block], loci.clone());
                shards.push(Shard { folder: out, summary: summary.unwrap() });
            }
        }
        let merged = folder.join("merged");
        let (files, summary) = merge(&shards, &merged).unwrap();
        files.save().unwrap();
        prop_assert_eq!(Some(&summary), whole.as_ref());
        // In two steps, as the jobs do it: over people, then over loci.
        let n_blocks = ranges(n_people, &people_cuts).len();
        let of_loci = shards.chunks(n_blocks).enumerate().map(|(number, shards)| {
            let out = folder.join(format!("loci-{number}"));
            let (files, summary) = merge(shards, &out).unwrap();
            files.save().unwrap();
            Shard { folder: out, summary }
        });
        let of_loci: Vec<Shard> = of_loci.collect();
        let (files, in_two_steps) = merge(&of_loci, &folder.join("two-steps")).unwrap();
        files.save().unwrap();
        prop_assert_eq!(in_two_steps, summary);
        for name in ["loci.json", "pairs.csv", "skips.csv"] {
            let text = |of: &str| fs::read_to_string(folder.join(of).join(name)).unwrap();
            prop_assert_eq!(text("two-steps"), text("merged"));
        }
        for name in ["loci.json", "pairs.csv"] {
            let text = |of: &str| fs::read_to_string(folder.join(of).join(name)).unwrap();
            prop_assert_eq!(text("merged"), text("whole"));
        }
        prop_assert_eq!(sorted_lines(&merged.join("skips.csv")), sorted_lines(&folder.join("whole/skips.csv")));
    }
}

#[test]
fn blocks_that_do_not_belong_together_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    random_genomes(folder, 5, 6);
    let files = "--vcf people.vcf --reference reference.fa --unphased gt-order --haploid dup";
    let block = |out: &str, people: &str, more: &str| {
        let loci = if more.is_empty() {
            "--regions 1:11-60"
        } else {
            more
        };
        succeed(
            folder,
            &format!("sequences {files} {loci} --samples {people} --out {out}"),
        );
    };
    block("whole", "P1,P2,P3", "");
    block("one", "P1,P2", "");
    block("two", "P3", "");
    block("other-people", "P4,P5", "--regions 2:1-50");
    block("other-policy", "P4", "--regions 1:11-60 --missing N");
    succeed(folder, "merge --sequences one two --out merged");
    for name in ["loci.json", "pairs.csv"] {
        assert!(
            fs::read(folder.join("merged").join(name)).unwrap()
                == fs::read(folder.join("whole").join(name)).unwrap(),
            "{name}"
        );
    }
    refuse(
        folder,
        "merge --sequences one one --out x",
        &["one: ", "sample `P1` is in an earlier block as well"],
    );
    refuse(
        folder,
        "merge --sequences one other-people --out x",
        &[
            "other-people: sample `P4` stands where",
            "`P1`",
            "the same people",
        ],
    );
    refuse(
        folder,
        "merge --sequences one other-policy --out x",
        &["other-policy: made with missing \"N\", the other blocks with \"ref\""],
    );
    refuse(
        folder,
        "merge --sequences one nowhere --out x",
        &["nowhere/run.json"],
    );
    assert_eq!(
        run(folder, "merge --sequences one two").status.code(),
        Some(2),
        "--out is needed"
    );
}

/// A file for each contig, compressed and indexed, as large cohorts have them.
#[test]
fn a_block_of_loci_reads_no_record_of_files_that_hold_none_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    random_genomes(folder, 7, 5);
    let text = fs::read_to_string(folder.join("people.vcf")).unwrap();
    let (header, records): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.starts_with('#'));
    let mut end_of_header = 0;
    for contig in ["1", "2"] {
        let mut writer = bgzf::io::Writer::new(Vec::new());
        writeln!(writer, "{}", header.join("\n")).unwrap();
        writer.flush().unwrap();
        end_of_header = writer.get_ref().len();
        records
            .iter()
            .filter(|line| line.starts_with(&format!("{contig}\t")))
            .for_each(|line| writeln!(writer, "{line}").unwrap());
        let path = folder.join(format!("{contig}.vcf.gz"));
        fs::write(&path, writer.finish().unwrap()).unwrap();
        let vcf::Index::Tabix(index) = vcf::fs::index(&path).unwrap() else {
            panic!("not a tabix index")
        };
        tabix::fs::write(folder.join(format!("{contig}.vcf.gz.tbi")), &index).unwrap();
    }
    let of_loci = |loci: Range<usize>| {
        let options = Options {
            vcf: vec![folder.join("1.vcf.gz"), folder.join("2.vcf.gz")],
            reference: folder.join("reference.fa"),
            regions: Regions::File(folder.join("loci.bed")),
            samples: Samples::All,
            policies: Policies {
                unphased: Unphased::GtOrder,
                haploid: gf_haplotypes::Haploid::Dup,
                ..Policies::default()
            },
            mask: None,
            callable: None,
            skips: None,
        };
        gf_haplotypes::of_loci(
            &gf_haplotypes::loci(&options).unwrap()[loci],
            &options,
            gf_haplotypes::EmptyLoci::Refuse,
        )
        .map(|(dictionary, ..)| dictionary)
    };
    let before = of_loci(0..2).unwrap();
    of_loci(2..4).unwrap();
    // Nobody who reads a record of contig 2 can miss this.
    let path = folder.join("2.vcf.gz");
    let mut bytes = fs::read(&path).unwrap();
    bytes[end_of_header + 18..][..40].fill(0xff);
    fs::write(&path, bytes).unwrap();
    assert_eq!(of_loci(0..2).unwrap(), before);
    assert!(
        of_loci(2..4)
            .unwrap_err()
            .to_string()
            .contains("2.vcf.gz: the compressed data are damaged")
    );
}

// ---- Tokens
// -------------------------------------------------------------------------------------------------------------------------------------

/// Writes `cohort.csv` of these people, and reads it.
fn cohort_table(folder: &Path, splits: &[Split]) -> CohortTable {
    let rows = people(splits.len())
        .into_iter()
        .zip(splits)
        .zip(["case", "control"].into_iter().cycle());
    let rows: Vec<String> = rows
        .map(|((person, split), phenotype)| format!("{person},{phenotype},{split}\n"))
        .collect();
    fs::write(
        folder.join("cohort.csv"),
        format!("sample_id,phenotype,split\n{}", rows.concat()),
    )
    .unwrap();
    CohortTable::read(
        &folder.join("cohort.csv"),
        PhenotypeCoding::Auto,
        &CovariateChoice::Usual,
    )
    .unwrap()
}

/// Tokens by blocks of loci, as the jobs make them: the tokenizer is fitted first, where one is to
/// be learnt.
fn by_blocks(
    folder: &Path,
    blocks: &[Dictionary],
    cohort: &CohortTable,
    policies: &Policies,
    options: &tokens::Options,
) -> tokens::Summary {
    let mut options = options.clone();
    if options.learns_tokenizer() {
        let training: Vec<usize> = cohort.in_split(Split::Train).map(|(row, _)| row).collect();
        let mut words = tokens::Words::default();
        for block in blocks {
            words.add(block, &training, &options);
        }
        let tokenizer = words.fit(blocks[0].alphabet(), &options).unwrap();
        fs::write(folder.join("fitted.json"), tokenizer.json()).unwrap();
        options = options.with_tokenizer(folder.join("fitted.json"));
    }
    let shard = |(number, block): (usize, &Dictionary)| {
        let out = folder.join(format!("tokens-{number}"));
        let (summary, _) =
            pipeline::tokenize(block, policies, cohort, &options, None, &out).unwrap();
        tokens::Shard {
            folder: out,
            summary,
        }
    };
    let shards: Vec<tokens::Shard> = blocks.iter().enumerate().map(shard).collect();
    tokens::merge(&shards, &folder.join("merged")).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_division_of_loci_gives_the_tokens_of_one_pass(
        seed in any::<u64>(), splits in proptest::collection::vec(0usize..4, 1..12), loci_cuts in proptest::collection::vec(0usize..100, 0..4),
        diploid in any::<bool>(), iupac in any::<bool>(), as_n in any::<bool>(), kind in 0usize..7, is_anchored in any::<bool>(),
        segment_length in 4usize..40, min_token_count in 1usize..4,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let n_people = splits.len() + 1;
        random_genomes(folder, seed, n_people);
        let splits = splits.iter().map(|split| [Split::Train, Split::Train, Split::Validation, Split::Test][*split]);
        let cohort = cohort_table(folder, &std::iter::once(Split::Train).chain(splits).collect::<Vec<_>>());
        let policies = Policies {
            encoding: if diploid { Encoding::Diploid } else { Encoding::Haplotype },
            missing: if as_n { Missing::N } else { Missing::Ref },
            unphased: if iupac { Unphased::Iupac } else { Unphased::GtOrder },
            haploid: if diploid { gf_haplotypes::Haploid::Dup } else { gf_haplotypes::Haploid::Absent },
            ..Policies::default()
        };
        let people = people(n_people);
        let dictionary = |name: &str, loci: Range<usize>| {
            build(folder, &folder.join(name), &policies, &people, loci).map(|_| Dictionary::load(&folder.join(name)).unwrap())
        };
        let whole = dictionary("whole", 0..4);
        prop_assume!(whole.is_some());
        let whole = whole.unwrap();
        let blocks = ranges(4, &loci_cuts).into_iter().enumerate();
        let blocks: Vec<Dictionary> = blocks.map(|(number, loci)| dictionary(&format!("loci-{number}"), loci).unwrap()).collect();
        let base = tokens::Options {
            segment_length,
            min_token_count,
            anchor: if is_anchored { Anchor::Reference } else { Anchor::Haplotype },
            ..tokens::Options::default()
        };
        let of = |tokenizer| tokens::Options { tokenizer: Some(tokenizer), ..base.clone() };
        let limited = tokens::Options { vocab_size: Some(VocabSize::AtMost(80)), ..of(TokenizerKind::Bpe) };
        let options = match kind {
            0 => base.clone(),
            1 => limited.clone(),
            2 => tokens::Options { max_token_length: Some(5), ..of(TokenizerKind::Bpe) },
            3 => tokens::Options { kmer_length: Some(3), ..of(TokenizerKind::Kmer) },
            4 => tokens::Options { kmer_length: Some(4), kmer_overlapping: true, ..of(TokenizerKind::Kmer) },
            5 => of(TokenizerKind::Nucleotide),
            _ => {
                let all = tokens::Options { slots: Some(Slots::All), ..limited.clone() };
                pipeline::tokenize(&whole, &policies, &cohort, &all, None, &folder.join("other")).unwrap();
                base.with_tokenizer(folder.join("other/tokenizer.json"))
            }
        };
        let tokenized = pipeline::tokenize(&whole, &policies, &cohort, &options, None, &folder.join("one"));
        // Nothing to learn from, in one pass and by blocks.
        prop_assume!(!tokenized.as_ref().is_err_and(|error| error.to_string().contains("no place of the loci varies")));
        let (summary, _) = tokenized.unwrap();
        let merged = by_blocks(folder, &blocks, &cohort, &policies, &options);
        prop_assert_eq!(&merged, &summary);
        prop_assert_eq!(merged.nt_per_token.to_bits(), summary.nt_per_token.to_bits());
        let one = files(&folder.join("one"));
        let merged = files(&folder.join("merged"));
        prop_assert_eq!(one.keys().collect::<Vec<_>>(), merged.keys().collect::<Vec<_>>());
        for (name, bytes) in &one {
            prop_assert!(merged[name] == *bytes, "{}", name.display());
        }
        prop_assert_eq!(Folder::load(&folder.join("merged")).unwrap().tokens.loci.len(), 4);
    }
}

#[test]
fn tokens_of_blocks_of_loci_made_by_hand_are_those_of_one_command_and_what_does_not_belong_together_is_refused()
 {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    random_genomes(folder, 11, 8);
    cohort_table(
        folder,
        &[Split::Train; 6]
            .into_iter()
            .chain([Split::Validation, Split::Test])
            .collect::<Vec<_>>(),
    );
    let bed: Vec<&str> = LOCI.lines().collect();
    fs::write(folder.join("a.bed"), bed[..1].join("\n")).unwrap();
    fs::write(folder.join("bcd.bed"), bed[1..].join("\n")).unwrap();
    let files = "--vcf people.vcf --reference reference.fa --unphased gt-order --haploid dup";
    let tokenize = |loci: &str, out: &str, more: &str| {
        // A given option is said once.
        let or = |option: &str, default: &str| {
            if more.contains(option) {
                String::new()
            } else {
                format!("{option} {default}")
            }
        };
        let rest = [
            or("--segment-length", "16"),
            or("--cohort", "cohort.csv"),
            or("--min-token-count", "1"),
        ]
        .join(" ");
        succeed(
            folder,
            &format!("tokenize {files} --regions-file {loci}.bed {rest} {more} --out {out}"),
        );
    };
    tokenize("loci", "fitted", "--vocab-size 60");
    let given = "--tokenizer-file fitted/tokenizer.json";
    tokenize("loci", "whole", given);
    tokenize("a", "a", given);
    tokenize("bcd", "bcd", given);
    succeed(folder, "merge --tokens a bcd --out merged");
    let whole = crate::support::files(&folder.join("whole"));
    let merged = crate::support::files(&folder.join("merged"));
    assert_eq!(
        whole.keys().collect::<Vec<_>>(),
        merged.keys().collect::<Vec<_>>()
    );
    for (name, bytes) in whole
        .iter()
        .filter(|(name, _)| !name.ends_with("run.json") && !name.ends_with("skips.csv"))
    {
        assert!(merged[name] == *bytes, "{}", name.display());
    }
    assert_eq!(
        sorted_lines(&folder.join("whole/skips.csv")),
        sorted_lines(&folder.join("merged/skips.csv"))
    );
    let summary = |of: &str| {
        serde_json::from_slice::<Value>(&fs::read(folder.join(of).join("run.json")).unwrap())
            .unwrap()["summary"]
            .clone()
    };
    assert_eq!(summary("merged"), summary("whole"));
    // What is merged can be merged again; the order of the loci is that of the folders.
    succeed(folder, "merge --tokens merged --out again");
    assert!(
        fs::read(folder.join("again/tokens.safetensors")).unwrap()
            == whole[Path::new("tokens.safetensors")]
    );

    let rows = fs::read_to_string(folder.join("cohort.csv")).unwrap();
    let lines: Vec<&str> = rows.lines().collect();
    fs::write(folder.join("fewer.csv"), lines[..8].join("\n")).unwrap();
    fs::write(
        folder.join("turned.csv"),
        [&lines[..1], &[lines[2], lines[1]], &lines[3..]]
            .concat()
            .join("\n"),
    )
    .unwrap();
    fs::write(
        folder.join("split.csv"),
        rows.replace("P7,case,validation", "P7,case,train"),
    )
    .unwrap();
    let refused = |more: &str, expected: &[&str]| {
        let _ = fs::remove_dir_all(folder.join("other"));
        tokenize("bcd", "other", more);
        refuse(folder, "merge --tokens a other --out x", expected);
    };
    refused(
        "--vocab-size 60",
        &[
            "other: made with a tokenizer.json of SHA-256",
            "make all with one --tokenizer-file",
        ],
    );
    refused(
        &format!("{given} --segment-length 12"),
        &["other: made with segment_length 12, the other blocks with 16"],
    );
    refused(
        &format!("{given} --anchor haplotype"),
        &["other: made with anchor haplotype, the other blocks with reference"],
    );
    refused(
        &format!("{given} --min-token-count 2"),
        &["other: made with min_token_count 2, the other blocks with 1"],
    );
    refused(
        &format!("{given} --missing N"),
        &["other: made with missing \"N\", the other blocks with \"ref\""],
    );
    refused(
        &format!("{given} --cohort fewer.csv"),
        &[
            "other: 7 people, where the other loci have 8",
            "the same people, in the same order",
        ],
    );
    refused(
        &format!("{given} --cohort turned.csv"),
        &["other: sample `P2` stands where the other loci have `P1`"],
    );
    refused(
        &format!("{given} --cohort split.csv"),
        &["other: fitted on 7 people, the other blocks on 6; sample `P7`"],
    );
    refuse(
        folder,
        "merge --tokens a a --out x",
        &["a: sample `P1` is in an earlier block as well"],
    );
    refuse(
        folder,
        "merge --tokens bcd whole --out x",
        &["whole: locus `b` is in a block of other loci as well"],
    );
    refuse(
        folder,
        "merge --tokens a nowhere --out x",
        &["nowhere/run.json"],
    );
    refuse(
        folder,
        "merge --sequences a --out x",
        &["a/run.json: not of `gf-genomics sequences --out`"],
    );
    assert_eq!(
        run(folder, "merge --tokens a bcd").status.code(),
        Some(2),
        "--out is needed"
    );
    assert_eq!(
        run(folder, "merge --tokens a --sequences a --out x")
            .status
            .code(),
        Some(2),
        "one or the other"
    );

    // Another build: contig 1 is longer.
    let longer = |name: &str, from: &str, to: &str| {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        fs::write(folder.join(name), text.replacen(from, to, 1)).unwrap();
    };
    longer("people.vcf", "<ID=1,length=120>", "<ID=1,length=121>");
    longer("reference.fa", "\n>2", "A\n>2");
    refused(
        given,
        &["other: contig `1` has 121 nt, where the other loci have it with 120: another build"],
    );
    let shard = |name: &str| tokens::Shard {
        folder: folder.join(name),
        summary: serde_json::from_value(summary(name)["tokens"].clone()).unwrap(),
    };
    let message = tokens::merge(&[shard("a"), shard("other")], &folder.join("x"))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("other: contig `1` has 121 nt"),
        "{message}"
    );
    let message = tokens::merge(&[shard("bcd"), shard("whole")], &folder.join("x"))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("whole: locus `b` is in a block of other loci as well"),
        "{message}"
    );
    assert!(!folder.join("x").exists());
}

// ---- Scores
// -------------------------------------------------------------------------------------------------------------------------------------

#[test]
fn scores_of_blocks_of_people_are_those_of_all_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("pipeline.toml"), crate::support::TINY_PIPELINE).unwrap();
    succeed(folder, "run pipeline.toml --out out");
    let cohort = fs::read_to_string(folder.join("out/0-cohort/cohort.csv")).unwrap();
    let (header, rows) = cohort.split_once('\n').unwrap();
    let rows: Vec<&str> = rows.lines().collect();
    for model in ["3-models/tiny", "4-baselines"] {
        let score = |cohort: &str, output: &str| {
            succeed(
                folder,
                &format!(
                    "score --vcf out/0-cohort/cohort.vcf.gz --reference out/0-cohort/reference.fa \
                     --model out/{model} --cohort {cohort} -o {output}"
                ),
            );
        };
        score("out/0-cohort/cohort.csv", "all.csv");
        let mut tables = Vec::new();
        for (number, block) in [&rows[..1], &rows[1..3], &rows[3..80], &rows[80..]]
            .into_iter()
            .enumerate()
        {
            fs::write(
                folder.join("block.csv"),
                format!("{header}\n{}\n", block.join("\n")),
            )
            .unwrap();
            tables.push(format!("{number}.csv"));
            score("block.csv", &tables[number]);
        }
        succeed(
            folder,
            &format!("merge --predictions {} -o merged.csv", tables.join(" ")),
        );
        let all = sorted_lines(&folder.join("all.csv"));
        let merged = sorted_lines(&folder.join("merged.csv"));
        assert_eq!(all, merged, "{model}");
        // A model of several scores writes them one after the other.
        assert!(
            model == "4-baselines"
                || fs::read(folder.join("all.csv")).unwrap()
                    == fs::read(folder.join("merged.csv")).unwrap()
        );
    }
    refuse(
        folder,
        "merge --predictions 0.csv 1.csv 0.csv -o x.csv",
        &["0.csv: line 2: person `", "already"],
    );
    refuse(
        folder,
        "merge --predictions 0.csv out/3-models/tiny/predictions.csv -o x.csv",
        &["predictions.csv: its columns are sample_id,model,split"],
    );
    assert!(
        succeed(folder, "merge --predictions 0.csv 1.csv")
            .starts_with("sample_id,model,logit,probability\n")
    );
}

// ---- Jobs ---------------------------------------------------------------------------------------------------------------------------------------

/// Two models, one of them in folds, of 150 people at two loci.
const MODELS: &str = "
[tokens]
segment_length = 128
[[models]]
additive = 'none'
name = \"tiny\"
tensorboard = true
[models.architecture]
hidden = 8
layers = 1
heads = 2
projected_length = 8
feed_forward = 8
[models.schedule]
epochs = EPOCHS
patience = EPOCHS
batch_size = 16
folds = 3
[[models]]
name = \"eco\"
[models.architecture]
preset = \"ecoformer\"
hidden = 8
layers = 1
heads = 2
feed_forward = 8
[models.schedule]
epochs = 2
batch_size = 16
ensemble = 2
";

/// A folder with a cohort at two loci of 2,000 nt, its pipeline file, and what `run` makes of them
/// in `one`; `divided` are the options of the jobs.
struct Cohort {
    folder: tempfile::TempDir,
}

const DIVIDED: &str = "--block-people 60 --block-loci 1";

impl Cohort {
    fn new(epochs: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        succeed(
            folder.path(),
            "simulate --people 150 --len-nt 4000 --risk additive --seed 3 --out data",
        );
        let bed = fs::read_to_string(folder.path().join("data/loci.bed")).unwrap();
        let mut columns = bed.trim_end().split('\t');
        let contig = columns.next().unwrap();
        let start0 = columns.next().unwrap().parse::<usize>().unwrap();
        let middle = start0 + 2_000;
        fs::write(
            folder.path().join("data/loci.bed"),
            format!(
                "{contig}\t{start0}\t{middle}\ta\n{contig}\t{middle}\t{}\tb\n",
                middle + 2_000
            ),
        )
        .unwrap();
        let data = "seed = 3\n[data]\nvcf = [\"data/cohort.vcf.gz\"]\nreference = \
                    \"data/reference.fa\"\nregions_file = \"data/loci.bed\"\ncohort = \
                    \"data/cohort.csv\"\n";
        let models = MODELS.replace("EPOCHS", &epochs.to_string());
        fs::write(
            folder.path().join("pipeline.toml"),
            format!("{data}{models}"),
        )
        .unwrap();
        succeed(folder.path(), "run pipeline.toml --out one");
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn plan(&self, out: &str) -> Value {
        serde_json::from_str(&succeed(
            self.folder.path(),
            &format!("plan pipeline.toml --out {out} {DIVIDED} --json"),
        ))
        .unwrap()
    }

    /// What differs between the results of jobs in `out` and those of `run`.
    fn different(&self, out: &str) -> Vec<String> {
        let results = |out: &str| -> BTreeMap<PathBuf, Vec<u8>> {
            let of_jobs = |path: &Path| {
                path.starts_with("shards")
                    || path.starts_with("jobs")
                    || path.starts_with(".snakemake")
            };
            // The report tells what was taken over, and event files have times in them; rows of
            // skips stand block by block.
            let other = |path: &Path| {
                path.ends_with("report.html")
                    || path.iter().any(|part| part == "tensorboard")
                    || path.ends_with("skips.csv")
            };
            files_without_times(&self.path(out))
                .into_iter()
                .filter(|(path, _)| !of_jobs(path) && !other(path))
                .collect()
        };
        let one = results("one");
        let jobs = results(out);
        assert!(
            one.contains_key(Path::new("5-report/auc.csv")) && one.len() > 40,
            "{:?}",
            one.keys()
        );
        let names: BTreeSet<&PathBuf> = one.keys().chain(jobs.keys()).collect();
        names
            .into_iter()
            .filter(|name| one.get(*name) != jobs.get(*name))
            .map(|name| name.display().to_string())
            .collect()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// The program with the arguments of a job.
fn job_command(folder: &Path, job: &Value) -> Command {
    let words: Vec<&str> = job["command"]
        .as_array()
        .unwrap()
        .iter()
        .map(text)
        .collect();
    assert_eq!(words[0], "gf-genomics");
    let mut command = command(folder, &words[1..].join(" "));
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn do_job(folder: &Path, job: &Value) -> String {
    let output = job_command(folder, job).output().unwrap();
    assert!(
        output.status.success(),
        "{}: {}",
        job["name"],
        stderr(&output)
    );
    stderr(&output)
}

#[test]
fn plan_lists_the_jobs_with_what_each_takes_and_writes_nothing() {
    let cohort = Cohort::new(2);
    let before = files(cohort.folder.path());
    let plan = cohort.plan("many");
    let jobs = plan["jobs"].as_array().unwrap();
    let mut seen = BTreeSet::new();
    for job in jobs {
        assert!(
            job["needs"]
                .as_array()
                .unwrap()
                .iter()
                .all(|need| seen.contains(text(need))),
            "after what it needs: {job:#}"
        );
        assert!(seen.insert(text(&job["name"])), "once: {job:#}");
        assert!(
            job["memory_mb"].as_u64() > Some(0)
                && job["core_minutes"].as_f64() > Some(0.0)
                && job["gpus"] == 0,
            "{job:#}"
        );
        assert!(
            job["inputs"]
                .as_array()
                .unwrap()
                .iter()
                .all(|input| cohort.path(text(input)).is_file()),
            "{job:#}"
        );
    }
    let count = |rule: &str| jobs.iter().filter(|job| job["rule"] == rule).count();
    let rules = [
        "sequences",
        "merge",
        "fit",
        "tokenize",
        "terms",
        "train",
        "predict",
        "bundle",
        "prs",
        "evaluate",
    ];
    assert_eq!(
        rules.map(count),
        [3 * 2, 2 + 1 + 1, 1, 2, 2 * 2, 3 + 2, 2 * 3, 2, 1, 1]
    );
    let table = succeed(
        cohort.folder.path(),
        &format!("plan pipeline.toml --out many {DIVIDED}"),
    );
    assert!(
        jobs.iter().all(|job| table
            .lines()
            .any(|line| line.starts_with(text(&job["name"])))),
        "{table}"
    );
    assert!(
        table.contains("32 jobs: ") && table.contains("core-hours") && !table.contains("GPU-hours"),
        "{table}"
    );
    // A division into one block is none; a GPU is asked for where the file says so.
    let path = cohort.path("pipeline.toml");
    let on_gpu = fs::read_to_string(&path)
        .unwrap()
        .replace("name = \"tiny\"", "name = \"tiny\"\ndevice = \"cuda:0\"");
    fs::write(cohort.path("gpu.toml"), on_gpu).unwrap();
    let plan: Value =
        serde_json::from_str(&succeed(cohort.folder.path(), "plan gpu.toml --json")).unwrap();
    let gpus = |of: &str| {
        plan["jobs"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|job| text(&job["name"]).contains(of))
            .map(|job| job["gpus"].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!(
        (
            gpus("3-models/tiny"),
            gpus("3-models/eco"),
            gpus("-sequences")
        ),
        (3 + 1, 0, 0)
    );
    assert!(succeed(cohort.folder.path(), "plan gpu.toml").contains("GPU-hours"));
    fs::remove_file(cohort.path("gpu.toml")).unwrap();
    assert!(files(cohort.folder.path()) == before, "nothing is written");
    refuse(
        cohort.folder.path(),
        "run pipeline.toml --out many --job 2-tokens",
        &["1-sequences is not done in many"],
    );
    refuse(
        cohort.folder.path(),
        &format!("run pipeline.toml --out many {DIVIDED} --job 2-tokens"),
        &["2-tokens/loci-1 is not done in many"],
    );
    refuse(
        cohort.folder.path(),
        &format!("run pipeline.toml --out many {DIVIDED} --job 2-tokens/loci-2"),
        &["1-sequences/loci-2 is not done"],
    );
    refuse(
        cohort.folder.path(),
        "run pipeline.toml --out many --job 9-x",
        &["no job `9-x`", "2-tokens"],
    );
    refuse(
        cohort.folder.path(),
        "plan pipeline.toml --block-people 0",
        &["at least one"],
    );
}

#[test]
fn jobs_done_one_by_one_twice_and_at_once_give_what_one_run_gives() {
    let cohort = Cohort::new(2);
    let folder = cohort.folder.path();
    let plan = cohort.plan("many");
    for job in plan["jobs"].as_array().unwrap() {
        // Two at once: neither is in the other's way.
        let twins: Vec<Child> = (0..2)
            .map(|_| job_command(folder, job).spawn().unwrap())
            .collect();
        for twin in twins {
            let output = twin.wait_with_output().unwrap();
            assert!(
                output.status.success(),
                "{}: {}",
                job["name"],
                stderr(&output)
            );
        }
        assert!(cohort.path(text(&job["output"])).is_file(), "{job:#}");
        if !["terms", "train"].contains(&text(&job["rule"])) {
            let again = do_job(folder, job);
            assert!(
                again.contains("done before"),
                "a finished one is not done again: {again}"
            );
        }
    }
    assert_eq!(cohort.different("many"), [""; 0]);
    // All is there for `run`, and nobody needs the shards any more.
    fs::remove_dir_all(cohort.path("many/shards")).unwrap();
    let output = run(folder, "run pipeline.toml --out many");
    assert_eq!(
        stderr(&output).matches("done before").count(),
        6,
        "{}",
        stderr(&output)
    );
    assert_eq!(
        fs::read_to_string(cohort.path("many/5-report/auc.csv")).unwrap(),
        fs::read_to_string(cohort.path("one/5-report/auc.csv")).unwrap()
    );
}

#[test]
fn tokens_of_every_kind_by_jobs_are_those_of_one_job_and_a_tokenizer_is_fitted_only_where_one_is_learnt()
 {
    let cohort = Cohort::new(1);
    let folder = cohort.folder.path();
    let data = fs::read_to_string(cohort.path("pipeline.toml")).unwrap();
    let kinds = [
        "",
        "vocab_size = 200",
        "tokenizer = \"kmer\"",
        "tokenizer = \"nucleotide\"",
        "tokenizer_file = \"one/2-tokens/tokenizer.json\"",
    ];
    for (number, kind) in kinds.into_iter().enumerate() {
        let tokens = format!("[tokens]\n{kind}\nmin_token_count = 3\nanchor = \"haplotype\"\n");
        fs::write(
            cohort.path("tokens.toml"),
            data.replace("[tokens]\n", &tokens),
        )
        .unwrap();
        let made = ["", DIVIDED].map(|division| {
            let out = format!("tokens-{number}-{}", division.len());
            let plan: Value = serde_json::from_str(&succeed(
                folder,
                &format!("plan tokens.toml --out {out} {division} --json"),
            ))
            .unwrap();
            let jobs = plan["jobs"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|job| text(&job["name"]).starts_with(['1', '2']));
            let jobs: Vec<&Value> = jobs.inspect(|job| _ = do_job(folder, job)).collect();
            let summary: Value = serde_json::from_slice(
                &fs::read(cohort.path(&out).join("2-tokens/stage.json")).unwrap(),
            )
            .unwrap();
            let n_fitted = jobs.iter().filter(|job| job["rule"] == "fit").count();
            (
                files_without_times(&cohort.path(&out).join("2-tokens")),
                summary["summary"].clone(),
                n_fitted,
            )
        });
        let [
            (one, summary, none_fitted),
            (many, summary_of_many, n_fitted),
        ] = made;
        assert!(
            one == many && one.len() == 4 && summary == summary_of_many,
            "{kind}"
        );
        assert_eq!(
            (none_fitted, n_fitted),
            (0, usize::from(number < 3)),
            "{kind}"
        );
    }
}

#[test]
fn jobs_that_are_killed_go_on_and_a_changed_file_does_what_it_changes_again() {
    let cohort = Cohort::new(30);
    let folder = cohort.folder.path();
    let plan = cohort.plan("many");
    for job in plan["jobs"].as_array().unwrap() {
        let is_long = text(&job["name"]) == "3-models/tiny/member-2";
        let checkpoint = cohort.path("many/shards/3-models/tiny/checkpoint-2.safetensors");
        for pause_ms in if is_long { [0, 0] } else { [3, 15] } {
            let mut child = job_command(folder, job)
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let started = Instant::now();
            let before = fs::read(&checkpoint).ok();
            while is_long && fs::read(&checkpoint).ok() == before {
                assert!(
                    started.elapsed() < Duration::from_secs(60)
                        && child.try_wait().unwrap().is_none(),
                    "no checkpoint was written"
                );
                sleep(Duration::from_millis(1));
            }
            sleep(Duration::from_millis(pause_ms));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        do_job(folder, job);
    }
    assert_eq!(cohort.different("many"), [""; 0]);
    let log = fs::read_to_string(cohort.path("many/3-models/tiny/training_log.csv")).unwrap();
    assert_eq!(log.lines().count(), 1 + 3 * 30);

    // The baselines' file is not the models': only they and the report are done again.
    let path = cohort.path("pipeline.toml");
    fs::write(
        &path,
        format!(
            "{}[baselines]\nclump_r2 = 0.2\n",
            fs::read_to_string(&path).unwrap()
        ),
    )
    .unwrap();
    let (redone, kept): (Vec<&Value>, Vec<&Value>) = plan["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|job| !["terms", "train"].contains(&text(&job["rule"])))
        .partition(|job| ["4-baselines", "5-report"].contains(&text(&job["name"])));
    assert!(
        kept.iter()
            .all(|job| do_job(folder, job).contains("done before"))
    );
    let output = run(
        folder,
        &format!("run pipeline.toml --out many {DIVIDED} --job 5-report"),
    );
    assert!(
        !output.status.success() && stderr(&output).contains("4-baselines is not done in many"),
        "{}",
        stderr(&output)
    );
    assert!(
        redone
            .iter()
            .all(|job| !do_job(folder, job)
                .contains(&format!("{}: done before", text(&job["name"]))))
    );
}

// ---- Workflow engine
// ----------------------------------------------------------------------------------------------------------------------------

/// Snakemake with a profile, told where by `GF_SNAKEMAKE`; none, and a word about it, where it is
/// not there.
fn snakemake() -> Option<PathBuf> {
    let found = env::var_os("GF_SNAKEMAKE")
        .map(PathBuf::from)
        .filter(|path| path.is_file());
    if found.is_none() {
        crate::support::no_oracle("GF_SNAKEMAKE names no snakemake");
    }
    found
}

fn snakemake_command(snakemake: &Path, cohort: &Cohort, out: &str, profile: &Path) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/cluster");
    let beside = |program: &Path| program.parent().unwrap().to_path_buf();
    let path = env::join_paths(
        [
            beside(Path::new(env!("CARGO_BIN_EXE_gf-genomics"))),
            beside(snakemake),
        ]
        .into_iter()
        .chain(env::split_paths(&env::var_os("PATH").unwrap())),
    )
    .unwrap();
    let mut command = Command::new(snakemake);
    command
        .current_dir(cohort.folder.path())
        .env("PATH", path)
        .env("XDG_CACHE_HOME", cohort.path("cache"));
    command
        .arg("-s")
        .arg(root.join("Snakefile"))
        .arg("--profile")
        .arg(profile);
    command.args([
        "--config",
        "pipeline=pipeline.toml",
        &format!("out={out}"),
        "block_people=60",
        "block_loci=1",
    ]);
    command
}

#[test]
fn snakemake_on_one_machine_gives_what_one_run_gives() {
    let Some(snakemake) = snakemake() else { return };
    let cohort = Cohort::new(2);
    let profile = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/cluster/profiles/local");
    let run = || {
        let output = snakemake_command(&snakemake, &cohort, "many", &profile)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stderr(&output)
    };
    run();
    assert_eq!(cohort.different("many"), [""; 0]);
    for name in [
        "5-report",
        "3-models/tiny/member-2",
        "1-sequences/people-1-loci-2",
    ] {
        assert!(
            cohort.path(&format!("many/jobs/log/{name}.txt")).is_file()
                && cohort
                    .path(&format!("many/jobs/benchmark/{name}.tsv"))
                    .is_file()
        );
    }
    assert!(run().contains("Nothing to be done"));
    // A file that was touched has Snakemake do everything again, and the program knows better.
    fs::write(
        cohort.path("pipeline.toml"),
        fs::read(cohort.path("pipeline.toml")).unwrap(),
    )
    .unwrap();
    let before = fs::metadata(cohort.path("many/5-report/auc.csv"))
        .unwrap()
        .modified()
        .unwrap();
    run();
    assert_eq!(
        fs::metadata(cohort.path("many/5-report/auc.csv"))
            .unwrap()
            .modified()
            .unwrap(),
        before
    );
}

/// On Slurm with two nodes, of which one is lost while a model is trained and one while people are
/// predicted.
#[test]
fn a_node_that_is_lost_in_training_and_one_in_scoring_change_nothing() {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/tools/slurm-local.sh");
    if env::var_os("GF_SLURM").is_none() || !tool.exists() {
        eprintln!("SKIPPED: GF_SLURM is not set, or no {}", tool.display());
        return;
    }
    let Some(snakemake) = snakemake() else { return };
    let cohort = Cohort::new(400);
    let cluster = Cluster::start(&tool);
    let profile = cohort.path("profile");
    fs::create_dir(&profile).unwrap();
    fs::write(profile.join("config.yaml"), SLURM_PROFILE).unwrap();
    let mut command = snakemake_command(&snakemake, &cohort, "many", &profile);
    cluster.environment(&mut command);
    let log = fs::File::create(cohort.path("snakemake.txt")).unwrap();
    let mut child = command
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let started = Instant::now();
    let mut wait_until = |what: &dyn Fn() -> bool| {
        while !what() {
            let said = || fs::read_to_string(cohort.path("snakemake.txt")).unwrap();
            assert!(
                child.try_wait().unwrap().is_none() && started.elapsed() < Duration::from_secs(900),
                "{}",
                said()
            );
            sleep(Duration::from_millis(20));
        }
    };
    let log_of = |name: &str| cohort.path(&format!("many/jobs/log/{name}.txt"));
    wait_until(&|| {
        cohort
            .path("many/shards/3-models/tiny/checkpoint-2.safetensors")
            .exists()
    });
    let lost = cluster.node_of("tiny/member-2");
    cluster.call(&["kill-node", &lost, "now"]);
    eprintln!(
        "{:.0} s: lost {lost} in training",
        started.elapsed().as_secs_f64()
    );
    sleep(Duration::from_secs(3));
    cluster.call(&["start-node", &lost]);
    wait_until(&|| log_of("3-models/tiny/people-1").exists());
    let lost = cluster.any_busy_node();
    cluster.call(&["kill-node", &lost, "now"]);
    eprintln!(
        "{:.0} s: lost {lost} in scoring",
        started.elapsed().as_secs_f64()
    );
    sleep(Duration::from_secs(3));
    cluster.call(&["start-node", &lost]);
    let status = child.wait().unwrap();
    assert!(
        status.success(),
        "{}",
        fs::read_to_string(cohort.path("snakemake.txt")).unwrap()
    );
    eprintln!("{:.0} s: done", started.elapsed().as_secs_f64());
    assert_eq!(cohort.different("many"), [""; 0]);
}

const SLURM_PROFILE: &str = "\
executor: slurm
jobs: 8
retries: 3
rerun-incomplete: true
latency-wait: 10
slurm-status-command: squeue
slurm-init-seconds-before-status-checks: 10
slurm-status-attempts: 30
slurm-no-account: true
default-resources:
  slurm_partition: main
set-threads:
  sequences: 1
  fit: 1
  tokenize: 1
  train: 1
  predict: 1
  bundle: 1
  prs: 1
  evaluate: 1
";

/// A private Slurm of two nodes, which ends with this.
struct Cluster {
    tool: PathBuf,
    folder: tempfile::TempDir,
}

impl Cluster {
    fn start(tool: &Path) -> Self {
        let cluster = Self {
            tool: tool.into(),
            folder: tempfile::tempdir().unwrap(),
        };
        cluster.call(&["start"]);
        cluster
    }

    /// `slurm-local.sh COMMAND DIR REST`; what it prints.
    fn call(&self, words: &[&str]) -> String {
        let output = Command::new("bash")
            .arg(&self.tool)
            .arg(words[0])
            .arg(self.folder.path())
            .args(&words[1..])
            .output()
            .unwrap();
        assert!(output.status.success(), "{words:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn environment(&self, command: &mut Command) {
        let folder = self.folder.path();
        let settings = self.call(&["env"]);
        let path = command
            .get_envs()
            .find_map(|(name, value)| (name == "PATH").then_some(value?))
            .map_or_else(
                || env::var("PATH").unwrap(),
                |path| path.to_string_lossy().into_owned(),
            );
        let script = format!(
            "export PATH='{path}'; {settings}\nprintf '%s\\n%s\\n' \"$SLURM_CONF\" \"$PATH\""
        );
        let output = Command::new("bash")
            .arg("-c")
            .arg(script)
            .current_dir(folder)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (conf, path) = text.trim_end().split_once('\n').unwrap();
        command.env("SLURM_CONF", conf).env("PATH", path);
    }

    fn squeue(&self) -> String {
        let mut command = Command::new("squeue");
        self.environment(&mut command);
        let output = command
            .args(["-h", "-t", "R", "-o", "%N %j %k"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    fn any_busy_node(&self) -> String {
        let text = self.squeue();
        text.split_whitespace().next().unwrap_or("node1").to_owned()
    }

    /// Of a running job whose comment names it.
    fn node_of(&self, job: &str) -> String {
        let text = self.squeue();
        let found = text
            .lines()
            .find(|line| line.contains(job) || line.contains(&job.replace('/', "-")));
        found
            .and_then(|line| line.split_whitespace().next())
            .map_or_else(|| self.any_busy_node(), str::to_owned)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = Command::new("bash")
            .arg(&self.tool)
            .arg("stop")
            .arg(self.folder.path())
            .output();
    }
}

//! One run divided into jobs: the merged results equal those of one run byte for byte, also where
//! jobs run twice, are killed, or are run by a workflow engine.

use std::{
    collections::BTreeSet,
    env,
    fmt::Write as _,
    fs,
    ops::Range,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::support::{
    command,
    compression::{Bgzf, write_tabix},
    different_files, files, files_without_times, json, no_oracle, options,
    pipelines::{data_table, folder_with_pipeline},
    processes::{kill, path_with_program, wait_for_new_checkpoint},
    refuse, replace_in, repository, run, sorted_lines, stderr, succeed,
};
use gf_cohort_schema::{Cohort as CohortTable, Split};
use gf_genomics::{
    pipeline,
    sequences::{self, Options, Sequences},
    tokens::{self, Anchor, Folder, Slots, TokenizerKind},
};
use gf_haplotypes::{
    Dictionary, Encoding, Haploid, Missing, Overlap, Policies, Samples, Shard, Summary, Unphased,
    merge,
};
use gf_tokenizer::VocabSize;
use proptest::{collection::vec, prelude::*};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

// ---- Sequences

const CONTIG_NT: usize = 120;
/// BED of four loci: two overlap, and the third is on another contig.
const LOCI: &str = "1\t10\t60\ta\n1\t50\t110\tb\n2\t0\t120\tc\n2\t30\t80\td\t0\t-\n";
const N_LOCI: usize = 4;

/// Writes `people.vcf`, `reference.fa` and `loci.bed`: two contigs with records of every kind, and
/// samples with phased, unphased, haploid and missing calls.
fn random_genomes(folder: &Path, seed: u64, n_people: usize) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let is_haploid: Vec<bool> = (0..n_people).map(|_| rng.random_bool(0.15)).collect();
    let mut header = "##fileformat=VCFv4.2\n##FILTER=<ID=bad,Description=\"x\">\n".to_owned();
    let mut fasta = String::new();
    let mut records = String::new();
    for contig in ["1", "2"] {
        writeln!(header, "##contig=<ID={contig},length={CONTIG_NT}>").unwrap();
        let bases: String = (0..CONTIG_NT).map(|_| random_base(&mut rng)).collect();
        writeln!(fasta, ">{contig}\n{bases}").unwrap();
        let mut position = 1;
        while position + 6 < CONTIG_NT {
            let len = rng.random_range(1..=5);
            let ref_allele = &bases[position - 1..][..len];
            write_record(
                &mut records,
                &mut rng,
                (contig, position),
                ref_allele,
                &is_haploid,
            );
            position += rng.random_range(0..=7);
        }
    }
    let text = format!(
        "{header}##FORMAT=<ID=GT,Number=1,Type=String,Description=\"x\">\n#CHROM\tPOS\tID\tREF\
         \tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{}\n{records}",
        sample_names(n_people).join("\t")
    );
    fs::write(folder.join("people.vcf"), text).unwrap();
    fs::write(folder.join("reference.fa"), fasta).unwrap();
    fs::write(folder.join("loci.bed"), LOCI).unwrap();
}

/// Adds a record at a 1-based position with random ALT alleles, FILTER and genotypes.
fn write_record(
    records: &mut String,
    rng: &mut ChaCha8Rng,
    (contig, position): (&str, usize),
    ref_allele: &str,
    is_haploid: &[bool],
) {
    let mut alt_alleles = BTreeSet::new();
    for _ in 0..rng.random_range(1..=2) {
        alt_alleles.insert(random_alt(rng, ref_allele));
    }
    let n_alleles = alt_alleles.len();
    let alt = alt_alleles.into_iter().collect::<Vec<_>>().join(",");
    let filter = if rng.random_bool(0.1) { "bad" } else { "PASS" };
    write!(
        records,
        "{contig}\t{position}\t.\t{ref_allele}\t{alt}\t.\t{filter}\t.\tGT"
    )
    .unwrap();
    for &is_haploid in is_haploid {
        let first = random_allele(rng, n_alleles);
        let second = random_allele(rng, n_alleles);
        let separator = if rng.random_bool(0.1) { '/' } else { '|' };
        if is_haploid {
            write!(records, "\t{first}").unwrap();
        } else {
            write!(records, "\t{first}{separator}{second}").unwrap();
        }
    }
    records.push('\n');
}

fn random_base(rng: &mut ChaCha8Rng) -> char {
    char::from(b"ACGT"[rng.random_range(0..4)])
}

/// Other bases, an insertion, a deletion, an IUPAC code, or the allele of a spanning deletion.
fn random_alt(rng: &mut ChaCha8Rng, ref_allele: &str) -> String {
    match rng.random_range(0..10) {
        0..=5 => (0..rng.random_range(1..=4))
            .map(|_| random_base(rng))
            .collect(),
        6 => format!("{ref_allele}{}", random_base(rng)),
        7 => ref_allele[..1].to_owned(),
        8 => "R".to_owned(),
        _ => "*".to_owned(),
    }
}

/// An allele number of GT, or `.` for a missing one.
fn random_allele(rng: &mut ChaCha8Rng, n_alleles: usize) -> String {
    match rng.random_range(0..20) {
        0 => ".".to_owned(),
        1..=7 => rng.random_range(1..=n_alleles).to_string(),
        _ => "0".to_owned(),
    }
}

fn sample_names(n: usize) -> Vec<String> {
    (1..=n).map(|number| format!("P{number}")).collect()
}

/// Writes the sequences of some samples at some loci into the folder `out`; `None` where a policy
/// refuses a genotype.
fn build(
    folder: &Path,
    out: &Path,
    policies: &Policies,
    samples: &[String],
    loci: Range<usize>,
) -> Option<Summary> {
    let options = Options {
        samples: Samples::Only(samples.to_vec()),
        policies: policies.clone(),
        skips: Some(out.join("skips.csv")),
        ..options::sequences(folder, "people.vcf")
    };
    let Sequences {
        dictionary,
        skips,
        mut summary,
    } = sequences::run_block(&options, loci).ok()?;
    dictionary.save(out).unwrap();
    skips.save().unwrap();
    // Only a command that builds all loci at once has these counts.
    summary.n_missing_alleles.clear();
    Some(summary)
}

/// The ranges of `0..n` between these cuts, which are taken modulo `n`.
fn ranges(n: usize, cuts: &[usize]) -> Vec<Range<usize>> {
    let mut bounds: BTreeSet<usize> = cuts.iter().map(|cut| cut % n).collect();
    bounds.extend([0, n]);
    bounds
        .iter()
        .zip(bounds.iter().skip(1))
        .map(|(&start, &end)| start..end)
        .collect()
}

/// Merges blocks of sequences into a folder.
fn merge_sequences(shards: &[Shard], out: PathBuf) -> Shard {
    let (files, summary) = merge(shards, &out).unwrap();
    files.save().unwrap();
    Shard {
        folder: out,
        summary,
    }
}

fn encoding(is_diploid: bool) -> Encoding {
    if is_diploid {
        Encoding::Diploid
    } else {
        Encoding::Haplotype
    }
}

fn missing(as_n: bool) -> Missing {
    if as_n { Missing::N } else { Missing::Ref }
}

fn haploid(is_duplicated: bool) -> Haploid {
    if is_duplicated {
        Haploid::Dup
    } else {
        Haploid::Absent
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_division_into_blocks_gives_the_sequences_of_one_pass(
        seed in any::<u64>(),
        n_people in 1usize..12,
        people_cuts in vec(0usize..100, 0..4),
        loci_cuts in vec(0usize..100, 0..3),
        is_diploid in any::<bool>(),
        like_bcftools in any::<bool>(),
        as_n in any::<bool>(),
        unphased in 0usize..3,
        is_duplicated in any::<bool>(),
    ) {
        let policies = Policies {
            encoding: encoding(is_diploid),
            overlap: if like_bcftools && !is_diploid {
                Overlap::Bcftools
            } else {
                Overlap::Canonical
            },
            missing: missing(as_n),
            unphased: [Unphased::GtOrder, Unphased::Iupac, Unphased::Ref][unphased],
            haploid: haploid(is_duplicated),
            ..Policies::default()
        };
        let folder = tempfile::tempdir().unwrap();
        random_genomes(folder.path(), seed, n_people);
        assert_sequences_of_blocks(
            folder.path(),
            &policies,
            &sample_names(n_people),
            &people_cuts,
            &loci_cuts,
        )?;
    }
}

/// Blocks merged at once, and merged in two steps, give the files of one pass over all samples and
/// loci.
fn assert_sequences_of_blocks(
    folder: &Path,
    policies: &Policies,
    samples: &[String],
    people_cuts: &[usize],
    loci_cuts: &[usize],
) -> Result<(), TestCaseError> {
    let whole = build(folder, &folder.join("whole"), policies, samples, 0..N_LOCI);
    prop_assume!(whole.is_some());
    let mut shards = Vec::new();
    for loci in ranges(N_LOCI, loci_cuts) {
        for block in ranges(samples.len(), people_cuts) {
            let out = folder.join(format!("shard-{}", shards.len()));
            let summary = build(folder, &out, policies, &samples[block], loci.clone()).unwrap();
            shards.push(Shard {
                folder: out,
                summary,
            });
        }
    }
    let merged = merge_sequences(&shards, folder.join("merged"));
    prop_assert_eq!(Some(&merged.summary), whole.as_ref());
    // The jobs of a pipeline merge the blocks of samples of each locus first, and then the loci.
    let n_blocks = ranges(samples.len(), people_cuts).len();
    let by_loci: Vec<Shard> = shards
        .chunks(n_blocks)
        .enumerate()
        .map(|(number, shards)| merge_sequences(shards, folder.join(format!("loci-{number}"))))
        .collect();
    let in_two_steps = merge_sequences(&by_loci, folder.join("two-steps"));
    prop_assert_eq!(in_two_steps.summary, merged.summary);
    for name in ["loci.json", "pairs.csv", "skips.csv"] {
        prop_assert_eq!(
            fs::read_to_string(in_two_steps.folder.join(name)).unwrap(),
            fs::read_to_string(merged.folder.join(name)).unwrap()
        );
    }
    for name in ["loci.json", "pairs.csv"] {
        prop_assert_eq!(
            fs::read_to_string(merged.folder.join(name)).unwrap(),
            fs::read_to_string(folder.join("whole").join(name)).unwrap()
        );
    }
    // Blocks report their skips one after the other.
    prop_assert_eq!(
        sorted_lines(&merged.folder.join("skips.csv")),
        sorted_lines(&folder.join("whole/skips.csv"))
    );
    Ok(())
}

#[test]
fn blocks_that_do_not_belong_together_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    random_genomes(folder, 5, 6);
    let files = "--vcf people.vcf --reference reference.fa --unphased gt-order --haploid dup";
    for (out, samples, options) in [
        ("whole", "P1,P2,P3", "--regions 1:11-60"),
        ("one", "P1,P2", "--regions 1:11-60"),
        ("two", "P3", "--regions 1:11-60"),
        ("other-people", "P4,P5", "--regions 2:1-50"),
        ("other-policy", "P4", "--regions 1:11-60 --missing N"),
    ] {
        succeed(
            folder,
            &format!("sequences {files} {options} --samples {samples} --out {out}"),
        );
    }
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
        &["one: ", "sample `P1` is also in an earlier block"],
    );
    refuse(
        folder,
        "merge --sequences one other-people --out x",
        &[
            "other-people: sample `P4` is in the place of",
            "`P1`",
            "the same samples",
        ],
    );
    refuse(
        folder,
        "merge --sequences one other-policy --out x",
        &["other-policy: made with missing \"N\", but the other blocks with \"ref\""],
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

/// Large cohorts have one file per contig, compressed and indexed.
#[test]
fn a_block_of_loci_reads_no_record_of_files_that_hold_none_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    random_genomes(folder, 7, 5);
    let end_of_header = write_files_by_contig(folder);
    let before = sequences_by_contig(folder, 0..2).unwrap();
    sequences_by_contig(folder, 2..4).unwrap();
    // Records of contig 2 become unreadable: 40 bytes behind the 18 bytes of their block's header.
    let path = folder.join("2.vcf.gz");
    let mut bytes = fs::read(&path).unwrap();
    bytes[end_of_header + 18..][..40].fill(0xff);
    fs::write(&path, bytes).unwrap();
    assert_eq!(sequences_by_contig(folder, 0..2).unwrap(), before);
    assert!(
        sequences_by_contig(folder, 2..4)
            .unwrap_err()
            .to_string()
            .contains("2.vcf.gz: the compressed data are damaged")
    );
}

/// Divides `people.vcf` into `1.vcf.gz` and `2.vcf.gz` with indexes; returns the offset of the
/// first record in the compressed files, whose headers are the same.
fn write_files_by_contig(folder: &Path) -> usize {
    let text = fs::read_to_string(folder.join("people.vcf")).unwrap();
    let (header, records): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| line.starts_with('#'));
    let header = header.join("\n") + "\n";
    let mut end_of_header = 0;
    for contig in ["1", "2"] {
        let mut of_contig = String::new();
        for record in &records {
            if record.starts_with(&format!("{contig}\t")) {
                writeln!(of_contig, "{record}").unwrap();
            }
        }
        let compressed = Bgzf::of_blocks([&header, &of_contig]);
        end_of_header = compressed.block_ends[0];
        let path = folder.join(format!("{contig}.vcf.gz"));
        fs::write(&path, compressed.bytes).unwrap();
        write_tabix(&path);
    }
    end_of_header
}

/// Sequences of all samples at some loci from the files of [`write_files_by_contig`].
fn sequences_by_contig(
    folder: &Path,
    loci: Range<usize>,
) -> Result<Dictionary, gf_haplotypes::Error> {
    let options = Options {
        vcf: vec![folder.join("1.vcf.gz"), folder.join("2.vcf.gz")],
        policies: Policies {
            unphased: Unphased::GtOrder,
            haploid: Haploid::Dup,
            ..Policies::default()
        },
        ..options::sequences(folder, "people.vcf")
    };
    Ok(sequences::run_block(&options, loci)?.dictionary)
}

// ---- Tokens

/// Writes and reads `cohort.csv`; sample N has the N-th split, and phenotypes alternate.
fn cohort_table(folder: &Path, splits: &[Split]) -> CohortTable {
    let mut table = "sample_id,phenotype,split\n".to_owned();
    for (index, split) in splits.iter().enumerate() {
        let phenotype = ["case", "control"][index % 2];
        writeln!(table, "P{},{phenotype},{split}", index + 1).unwrap();
    }
    fs::write(folder.join("cohort.csv"), table).unwrap();
    crate::support::cohort::read_cohort(&folder.join("cohort.csv"))
}

/// Tokens by blocks of loci, as the jobs make them: a tokenizer that is learnt is fitted first, on
/// all blocks.
fn tokenize_by_blocks(
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
    let mut shards = Vec::new();
    for (number, block) in blocks.iter().enumerate() {
        let out = folder.join(format!("tokens-{number}"));
        let (summary, _) =
            pipeline::tokenize(block, policies, cohort, &options, None, &out).unwrap();
        shards.push(tokens::Shard {
            folder: out,
            summary,
        });
    }
    tokens::merge(&shards, &folder.join("merged")).unwrap()
}

/// Options of the tokenizer of one `kind` (0 to 6) out of all that can be chosen.
fn tokenizer_options(kind: usize, base: tokens::Options) -> tokens::Options {
    let (tokenizer, base) = match kind {
        0 => return base,
        1 => (TokenizerKind::Bpe, with_at_most_80_tokens(base)),
        2 => (
            TokenizerKind::Bpe,
            tokens::Options {
                max_token_length: Some(5),
                ..base
            },
        ),
        3 => (TokenizerKind::Kmer, with_kmers(base, 3, false)),
        4 => (TokenizerKind::Kmer, with_kmers(base, 4, true)),
        _ => (TokenizerKind::Nucleotide, base),
    };
    tokens::Options {
        tokenizer: Some(tokenizer),
        ..base
    }
}

fn with_at_most_80_tokens(base: tokens::Options) -> tokens::Options {
    tokens::Options {
        vocab_size: Some(VocabSize::AtMost(80)),
        ..base
    }
}

fn with_kmers(base: tokens::Options, length: usize, are_overlapping: bool) -> tokens::Options {
    tokens::Options {
        kmer_length: Some(length),
        kmer_overlapping: are_overlapping,
        ..base
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_division_of_loci_gives_the_tokens_of_one_pass(
        seed in any::<u64>(),
        splits in vec(0usize..4, 1..12),
        loci_cuts in vec(0usize..100, 0..4),
        is_diploid in any::<bool>(),
        iupac in any::<bool>(),
        as_n in any::<bool>(),
        kind in 0usize..7,
        is_anchored in any::<bool>(),
        segment_length in 4usize..40,
        min_token_count in 1usize..4,
    ) {
        let policies = Policies {
            encoding: encoding(is_diploid),
            missing: missing(as_n),
            unphased: if iupac { Unphased::Iupac } else { Unphased::GtOrder },
            haploid: haploid(is_diploid),
            ..Policies::default()
        };
        let base = tokens::Options {
            segment_length,
            min_token_count,
            anchor: if is_anchored { Anchor::Reference } else { Anchor::Haplotype },
            ..tokens::Options::default()
        };
        let folder = tempfile::tempdir().unwrap();
        random_genomes(folder.path(), seed, splits.len() + 1);
        // The first sample is for training, so that there is always one to fit on.
        let choices = [Split::Train, Split::Train, Split::Validation, Split::Test];
        let splits: Vec<Split> = std::iter::once(Split::Train)
            .chain(splits.into_iter().map(|split| choices[split]))
            .collect();
        assert_tokens_of_blocks(folder.path(), &policies, &splits, &loci_cuts, kind, base)?;
    }
}

/// Tokens of blocks of loci, merged, are the files of one pass over all loci.
fn assert_tokens_of_blocks(
    folder: &Path,
    policies: &Policies,
    splits: &[Split],
    loci_cuts: &[usize],
    kind: usize,
    base: tokens::Options,
) -> Result<(), TestCaseError> {
    let cohort = cohort_table(folder, splits);
    let samples = sample_names(splits.len());
    let whole = folder.join("whole");
    prop_assume!(build(folder, &whole, policies, &samples, 0..N_LOCI).is_some());
    let whole = Dictionary::load(&whole).unwrap();
    let mut blocks = Vec::new();
    for (number, loci) in ranges(N_LOCI, loci_cuts).into_iter().enumerate() {
        let out = folder.join(format!("loci-{number}"));
        build(folder, &out, policies, &samples, loci).unwrap();
        blocks.push(Dictionary::load(&out).unwrap());
    }
    let options = if kind < 6 {
        tokenizer_options(kind, base)
    } else {
        // A tokenizer that was learnt from every slot of the loci.
        let all_slots = tokens::Options {
            slots: Some(Slots::All),
            ..tokenizer_options(1, base.clone())
        };
        let out = folder.join("other");
        pipeline::tokenize(&whole, policies, &cohort, &all_slots, None, &out).unwrap();
        base.with_tokenizer(out.join("tokenizer.json"))
    };
    let one = folder.join("one");
    let tokenized = pipeline::tokenize(&whole, policies, &cohort, &options, None, &one);
    // Random loci without a variant have nothing to learn from, in one pass and by blocks.
    prop_assume!(
        !tokenized
            .as_ref()
            .is_err_and(|error| error.to_string().contains("no segment of the loci varies"))
    );
    let (summary, _) = tokenized.unwrap();
    let merged = tokenize_by_blocks(folder, &blocks, &cohort, policies, &options);
    prop_assert_eq!(&merged, &summary);
    prop_assert_eq!(
        merged.nt_per_token.to_bits(),
        summary.nt_per_token.to_bits()
    );
    let files_of_one = files(&one);
    let files_of_merged = files(&folder.join("merged"));
    let different = different_files(&files_of_one, &files_of_merged);
    prop_assert!(different.is_empty(), "{:?}", different);
    let tokens = Folder::load(&folder.join("merged")).unwrap().tokens;
    prop_assert_eq!(tokens.loci.len(), N_LOCI);
    Ok(())
}

/// A folder with random genomes of eight samples, and the BED of one locus and of the other three.
struct TokenBlocks {
    folder: tempfile::TempDir,
}

impl TokenBlocks {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        random_genomes(folder.path(), 11, 8);
        let mut splits = vec![Split::Train; 6];
        splits.extend([Split::Validation, Split::Test]);
        cohort_table(folder.path(), &splits);
        let bed: Vec<&str> = LOCI.lines().collect();
        fs::write(folder.path().join("a.bed"), bed[..1].join("\n")).unwrap();
        fs::write(folder.path().join("bcd.bed"), bed[1..].join("\n")).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Tokenizes the loci of `LOCI.bed` into `out`. `options` replace the usual ones.
    fn tokenize(&self, loci: &str, out: &str, options: &str) {
        let mut arguments = format!(
            "tokenize --vcf people.vcf --reference reference.fa --unphased gt-order --haploid dup \
             --regions-file {loci}.bed {options} --out {out}"
        );
        for (option, value) in [
            ("--segment-length", "16"),
            ("--cohort", "cohort.csv"),
            ("--min-token-count", "1"),
        ] {
            if !options.contains(option) {
                write!(arguments, " {option} {value}").unwrap();
            }
        }
        succeed(self.folder.path(), &arguments);
    }

    /// Tokens of three loci made with these options cannot be merged with those of the first locus.
    fn assert_refused(&self, options: &str, expected: &[&str]) {
        let _ = fs::remove_dir_all(self.path("other"));
        self.tokenize("bcd", "other", options);
        refuse(
            self.folder.path(),
            "merge --tokens a other --out x",
            expected,
        );
    }

    fn summary(&self, out: &str) -> Value {
        json(&self.path(out).join("run.json"))["summary"].clone()
    }

    fn shard(&self, out: &str) -> tokens::Shard {
        tokens::Shard {
            folder: self.path(out),
            summary: serde_json::from_value(self.summary(out)["tokens"].clone()).unwrap(),
        }
    }

    /// The library refuses to merge these two folders too, and writes nothing.
    fn assert_library_refuses(&self, shards: [&str; 2], expected: &str) {
        let shards = shards.map(|out| self.shard(out));
        let message = tokens::merge(&shards, &self.path("x"))
            .unwrap_err()
            .to_string();
        assert!(message.contains(expected), "{message}");
        assert!(!self.path("x").exists());
    }
}

/// All blocks use the tokenizer of the first run, as one command does with one tokenizer.
const ONE_TOKENIZER: &str = "--tokenizer-file fitted/tokenizer.json";

#[test]
fn tokens_of_blocks_made_by_hand_are_those_of_one_command_and_strange_blocks_are_refused() {
    let blocks = TokenBlocks::new();
    let folder = blocks.folder.path();
    blocks.tokenize("loci", "fitted", "--vocab-size 60");
    blocks.tokenize("loci", "whole", ONE_TOKENIZER);
    blocks.tokenize("a", "a", ONE_TOKENIZER);
    blocks.tokenize("bcd", "bcd", ONE_TOKENIZER);
    succeed(folder, "merge --tokens a bcd --out merged");
    let whole = files(&blocks.path("whole"));
    let merged = files(&blocks.path("merged"));
    assert!(whole.keys().eq(merged.keys()), "{:?}", merged.keys());
    for name in different_files(&whole, &merged) {
        assert!(
            name.ends_with("run.json") || name.ends_with("skips.csv"),
            "{}",
            name.display()
        );
    }
    assert_eq!(
        sorted_lines(&blocks.path("whole/skips.csv")),
        sorted_lines(&blocks.path("merged/skips.csv"))
    );
    assert_eq!(blocks.summary("merged"), blocks.summary("whole"));
    // Merged tokens can be merged again; the order of the loci is that of the folders.
    succeed(folder, "merge --tokens merged --out again");
    assert!(
        fs::read(blocks.path("again/tokens.safetensors")).unwrap()
            == whole[Path::new("tokens.safetensors")]
    );
    write_other_cohorts(folder);
    assert_other_options_are_refused(&blocks);
    assert_other_people_are_refused(&blocks);
    assert_wrong_folders_are_refused(folder);
    assert_another_build_is_refused(&blocks);
}

/// Writes `fewer.csv` (one sample fewer), `turned.csv` (the first two samples exchanged) and
/// `split.csv` (sample P7 in the training split).
fn write_other_cohorts(folder: &Path) {
    let table = fs::read_to_string(folder.join("cohort.csv")).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    fs::write(folder.join("fewer.csv"), lines[..8].join("\n")).unwrap();
    let turned = [&lines[..1], &[lines[2], lines[1]], &lines[3..]].concat();
    fs::write(folder.join("turned.csv"), turned.join("\n")).unwrap();
    let other_split = table.replace("P7,case,validation", "P7,case,train");
    fs::write(folder.join("split.csv"), other_split).unwrap();
}

fn assert_other_options_are_refused(blocks: &TokenBlocks) {
    blocks.assert_refused(
        "--vocab-size 60",
        &[
            "other: made with a tokenizer.json of SHA-256",
            "make all blocks with one --tokenizer-file",
        ],
    );
    for (options, expected) in [
        (
            "--segment-length 12",
            "other: made with segment_length 12, the other blocks with 16",
        ),
        (
            "--anchor haplotype",
            "other: made with anchor haplotype, the other blocks with reference",
        ),
        (
            "--min-token-count 2",
            "other: made with min_token_count 2, the other blocks with 1",
        ),
        (
            "--missing N",
            "other: made with missing \"N\", but the other blocks with \"ref\"",
        ),
    ] {
        blocks.assert_refused(&format!("{ONE_TOKENIZER} {options}"), &[expected]);
    }
}

fn assert_other_people_are_refused(blocks: &TokenBlocks) {
    blocks.assert_refused(
        &format!("{ONE_TOKENIZER} --cohort fewer.csv"),
        &[
            "other: 7 samples, but 8 at the other loci",
            "the same samples, in the same order",
        ],
    );
    blocks.assert_refused(
        &format!("{ONE_TOKENIZER} --cohort turned.csv"),
        &["other: sample `P2` is in the place of `P1` of the other loci"],
    );
    blocks.assert_refused(
        &format!("{ONE_TOKENIZER} --cohort split.csv"),
        &["other: fitted on 7 samples, the other blocks on 6; sample `P7`"],
    );
}

fn assert_wrong_folders_are_refused(folder: &Path) {
    for (arguments, expected) in [
        (
            "merge --tokens a a --out x",
            "a: sample `P1` is also in an earlier block",
        ),
        (
            "merge --tokens bcd whole --out x",
            "whole: locus `b` is also in a block of other loci",
        ),
        ("merge --tokens a nowhere --out x", "nowhere/run.json"),
        (
            "merge --sequences a --out x",
            "a/run.json: not written by `gf-genomics sequences --out`",
        ),
    ] {
        refuse(folder, arguments, &[expected]);
    }
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
}

/// Contig 1 becomes longer by one base, as in another build of the genome.
fn assert_another_build_is_refused(blocks: &TokenBlocks) {
    let vcf = blocks.path("people.vcf");
    replace_in(&vcf, "<ID=1,length=120>", "<ID=1,length=121>");
    replace_in(&blocks.path("reference.fa"), "\n>2", "A\n>2");
    blocks.assert_refused(
        ONE_TOKENIZER,
        &[
            "other: contig `1` has 121 nt here, but 120 nt at the other loci, so the genome \
             builds differ",
        ],
    );
    blocks.assert_library_refuses(["a", "other"], "other: contig `1` has 121 nt");
    blocks.assert_library_refuses(
        ["bcd", "whole"],
        "whole: locus `b` is also in a block of other loci",
    );
}

// ---- Scores

#[test]
fn scores_of_blocks_of_people_are_those_of_all_at_once() {
    let folder = folder_with_pipeline(crate::support::pipelines::TINY_PIPELINE);
    let folder = folder.path();
    succeed(folder, "run pipeline.toml --out out");
    for model in ["3-models/tiny", "4-baselines"] {
        assert_scores_of_blocks(folder, model);
    }
    refuse(
        folder,
        "merge --predictions 0.csv 1.csv 0.csv -o x.csv",
        &["0.csv: line 2: sample `", "already"],
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

/// Scores everyone into `all.csv`, and four blocks of samples into `0.csv` to `3.csv`, merged into
/// `merged.csv`.
fn assert_scores_of_blocks(folder: &Path, model: &str) {
    let cohort = fs::read_to_string(folder.join("out/0-cohort/cohort.csv")).unwrap();
    let (header, rows) = cohort.split_once('\n').unwrap();
    let rows: Vec<&str> = rows.lines().collect();
    score(folder, model, "out/0-cohort/cohort.csv", "all.csv");
    let blocks = [&rows[..1], &rows[1..3], &rows[3..80], &rows[80..]];
    for (number, block) in blocks.into_iter().enumerate() {
        let table = format!("{header}\n{}\n", block.join("\n"));
        fs::write(folder.join("block.csv"), table).unwrap();
        score(folder, model, "block.csv", &format!("{number}.csv"));
    }
    succeed(
        folder,
        "merge --predictions 0.csv 1.csv 2.csv 3.csv -o merged.csv",
    );
    let all = folder.join("all.csv");
    let merged = folder.join("merged.csv");
    assert_eq!(sorted_lines(&all), sorted_lines(&merged), "{model}");
    // The baselines are several scores, which `score` writes one after the other.
    assert!(model == "4-baselines" || fs::read(all).unwrap() == fs::read(merged).unwrap());
}

fn score(folder: &Path, model: &str, cohort: &str, output: &str) {
    succeed(
        folder,
        &format!(
            "score --vcf out/0-cohort/cohort.vcf.gz --reference out/0-cohort/reference.fa --model \
             out/{model} --cohort {cohort} -o {output}"
        ),
    );
}

// ---- Jobs

/// Two models, one of them in folds, of 150 samples at two loci.
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

/// Options of `plan` and `run` that divide the run into jobs.
const DIVIDED: &str = "--block-people 60 --block-loci 1";

/// A folder with a cohort at two loci of 2,000 nt in `data`, a pipeline file, and the results of
/// one `run` of it in `one`.
struct Cohort {
    folder: tempfile::TempDir,
}

impl Cohort {
    fn new(epochs: usize) -> Self {
        let models = MODELS.replace("EPOCHS", &epochs.to_string());
        let pipeline = format!("seed = 3\n{}{models}", data_table("data/"));
        let cohort = Self {
            folder: folder_with_pipeline(&pipeline),
        };
        let folder = cohort.folder.path();
        succeed(
            folder,
            "simulate --people 150 --len-nt 4000 --risk additive --seed 3 --out data",
        );
        divide_locus(&cohort.path("data/loci.bed"));
        succeed(folder, "run pipeline.toml --out one");
        cohort
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `plan --json` of the run divided into jobs.
    fn plan(&self, out: &str) -> Value {
        plan(
            self.folder.path(),
            &format!("pipeline.toml --out {out} {DIVIDED}"),
        )
    }

    /// Paths of results that differ between jobs in `out` and `run` in `one`.
    fn different(&self, out: &str) -> Vec<String> {
        let mut one = files_without_times(&self.path("one"));
        let mut jobs = files_without_times(&self.path(out));
        one.retain(|path, _| is_comparable_result(path));
        jobs.retain(|path, _| is_comparable_result(path));
        assert!(
            one.contains_key(Path::new("5-report/auc.csv")) && one.len() > 40,
            "{:?}",
            one.keys()
        );
        different_files(&one, &jobs)
            .into_iter()
            .map(|path| path.display().to_string())
            .collect()
    }
}

/// Replaces the one locus of a BED file by two of 2,000 nt next to each other.
fn divide_locus(bed: &Path) {
    let text = fs::read_to_string(bed).unwrap();
    let columns: Vec<&str> = text.trim_end().split('\t').collect();
    let contig = columns[0];
    let start0: usize = columns[1].parse().unwrap();
    let middle = start0 + 2_000;
    let end0 = middle + 2_000;
    let loci = format!("{contig}\t{start0}\t{middle}\ta\n{contig}\t{middle}\t{end0}\tb\n");
    fs::write(bed, loci).unwrap();
}

/// Whether a file of a run is the same however the run is divided. These are not:
/// - the files of the jobs themselves;
/// - the report, which lists the stages that were done before;
/// - TensorBoard's event files, which contain times;
/// - `skips.csv`, whose rows are in the order of the blocks.
fn is_comparable_result(path: &Path) -> bool {
    let is_of_jobs = ["shards", "jobs", ".snakemake"]
        .iter()
        .any(|folder| path.starts_with(folder));
    let depends_on_jobs = path.ends_with("report.html")
        || path.ends_with("skips.csv")
        || path.iter().any(|part| part == "tensorboard");
    !is_of_jobs && !depends_on_jobs
}

/// `gf-genomics plan ARGUMENTS --json`.
fn plan(folder: &Path, arguments: &str) -> Value {
    serde_json::from_str(&succeed(folder, &format!("plan {arguments} --json"))).unwrap()
}

fn jobs_of(plan: &Value) -> &[Value] {
    plan["jobs"].as_array().unwrap()
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

/// Runs a job, which must succeed, and returns its standard error.
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

/// Jobs whose results are taken over by a later job that does not run them again.
fn is_always_done(job: &Value) -> bool {
    ["terms", "train"].contains(&text(&job["rule"]))
}

#[test]
fn plan_lists_the_jobs_with_what_each_takes_and_writes_nothing() {
    let cohort = Cohort::new(2);
    let folder = cohort.folder.path();
    let before = files(folder);
    let plan = cohort.plan("many");
    assert_jobs_are_complete(&cohort, jobs_of(&plan));
    assert_rules_are_counted(jobs_of(&plan));
    let table = succeed(folder, &format!("plan pipeline.toml --out many {DIVIDED}"));
    for job in jobs_of(&plan) {
        let name = text(&job["name"]);
        assert!(
            table.lines().any(|line| line.starts_with(name)),
            "no {name} in {table}"
        );
    }
    assert!(
        table.contains("32 jobs: ") && table.contains("core-hours") && !table.contains("GPU-hours"),
        "{table}"
    );
    assert_gpus_are_planned(&cohort);
    assert!(files(folder) == before, "nothing is written");
    for (arguments, expected) in [
        (
            "run pipeline.toml --out many --job 2-tokens".to_owned(),
            &["1-sequences is not done in many"][..],
        ),
        (
            format!("run pipeline.toml --out many {DIVIDED} --job 2-tokens"),
            &["2-tokens/loci-1 is not done in many"],
        ),
        (
            format!("run pipeline.toml --out many {DIVIDED} --job 2-tokens/loci-2"),
            &["1-sequences/loci-2 is not done"],
        ),
        (
            "run pipeline.toml --out many --job 9-x".to_owned(),
            &["no job `9-x`", "2-tokens"],
        ),
        (
            "plan pipeline.toml --block-people 0".to_owned(),
            &["at least one"],
        ),
    ] {
        refuse(folder, &arguments, expected);
    }
}

/// Every job has a name of its own, comes after the jobs it needs, estimates its costs, and takes
/// input files that are there.
fn assert_jobs_are_complete(cohort: &Cohort, jobs: &[Value]) {
    let mut names = BTreeSet::new();
    for job in jobs {
        let needs = job["needs"].as_array().unwrap();
        assert!(
            needs.iter().all(|need| names.contains(text(need))),
            "after what it needs: {job:#}"
        );
        assert!(names.insert(text(&job["name"])), "once: {job:#}");
        assert!(
            job["memory_mb"].as_u64() > Some(0)
                && job["core_minutes"].as_f64() > Some(0.0)
                && job["gpus"] == 0,
            "{job:#}"
        );
        let inputs = job["inputs"].as_array().unwrap();
        assert!(
            inputs
                .iter()
                .all(|input| cohort.path(text(input)).is_file()),
            "{job:#}"
        );
    }
}

/// Three blocks of samples and two of loci; a model of three folds and one of two members.
fn assert_rules_are_counted(jobs: &[Value]) {
    for (rule, expected) in [
        ("sequences", 3 * 2),
        ("merge", 2 + 1 + 1),
        ("fit", 1),
        ("tokenize", 2),
        ("terms", 2 * 2),
        ("train", 3 + 2),
        ("predict", 2 * 3),
        ("bundle", 2),
        ("prs", 1),
        ("evaluate", 1),
    ] {
        let n_jobs = jobs.iter().filter(|job| job["rule"] == rule).count();
        assert_eq!(n_jobs, expected, "{rule}");
    }
}

/// A GPU is asked for only by jobs of the model whose `device` is one. Without blocks each stage is
/// one job.
fn assert_gpus_are_planned(cohort: &Cohort) {
    let folder = cohort.folder.path();
    let on_gpu = fs::read_to_string(cohort.path("pipeline.toml"))
        .unwrap()
        .replace("name = \"tiny\"", "name = \"tiny\"\ndevice = \"cuda:0\"");
    fs::write(cohort.path("gpu.toml"), on_gpu).unwrap();
    let plan = plan(folder, "gpu.toml");
    for (part, expected) in [
        ("3-models/tiny", 3 + 1),
        ("3-models/eco", 0),
        ("-sequences", 0),
    ] {
        let n_gpus: u64 = jobs_of(&plan)
            .iter()
            .filter(|job| text(&job["name"]).contains(part))
            .map(|job| job["gpus"].as_u64().unwrap())
            .sum();
        assert_eq!(n_gpus, expected, "{part}");
    }
    assert!(succeed(folder, "plan gpu.toml").contains("GPU-hours"));
    fs::remove_file(cohort.path("gpu.toml")).unwrap();
}

#[test]
fn jobs_done_one_by_one_twice_and_at_once_give_what_one_run_gives() {
    let cohort = Cohort::new(2);
    let folder = cohort.folder.path();
    let plan = cohort.plan("many");
    for job in jobs_of(&plan) {
        // The same job twice at the same time: neither may harm the other.
        let same_jobs: Vec<Child> = (0..2)
            .map(|_| job_command(folder, job).spawn().unwrap())
            .collect();
        for same_job in same_jobs {
            let output = same_job.wait_with_output().unwrap();
            assert!(
                output.status.success(),
                "{}: {}",
                job["name"],
                stderr(&output)
            );
        }
        assert!(cohort.path(text(&job["output"])).is_file(), "{job:#}");
        if !is_always_done(job) {
            let again = do_job(folder, job);
            assert!(
                again.contains("already done"),
                "a finished one is not done again: {again}"
            );
        }
    }
    assert_eq!(cohort.different("many"), [""; 0]);
    // `run` finds all stages done, and needs no files of the jobs.
    fs::remove_dir_all(cohort.path("many/shards")).unwrap();
    let output = run(folder, "run pipeline.toml --out many");
    assert_eq!(
        stderr(&output).matches("already done").count(),
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
fn tokens_of_every_kind_by_jobs_are_those_of_one_job_and_fitting_is_only_where_one_is_learnt() {
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
        let n_fits = do_token_jobs(folder, &format!("one-{number}"), "");
        let n_fits_divided = do_token_jobs(folder, &format!("many-{number}"), DIVIDED);
        let one = cohort.path(&format!("one-{number}/2-tokens"));
        let many = cohort.path(&format!("many-{number}/2-tokens"));
        let files_of_one = files_without_times(&one);
        assert!(
            files_of_one == files_without_times(&many) && files_of_one.len() == 4,
            "{kind}"
        );
        assert_eq!(
            json(&one.join("stage.json"))["summary"],
            json(&many.join("stage.json"))["summary"],
            "{kind}"
        );
        assert_eq!(n_fits, 0, "{kind}");
        assert_eq!(n_fits_divided, usize::from(number < 3), "{kind}");
    }
}

/// Runs the jobs of the sequences and of the tokens; returns how many of them fit a tokenizer.
fn do_token_jobs(folder: &Path, out: &str, division: &str) -> usize {
    let plan = plan(folder, &format!("tokens.toml --out {out} {division}"));
    let mut n_fits = 0;
    for job in jobs_of(&plan) {
        if text(&job["name"]).starts_with(['1', '2']) {
            do_job(folder, job);
            n_fits += usize::from(job["rule"] == "fit");
        }
    }
    n_fits
}

#[test]
fn jobs_that_are_killed_go_on_and_a_changed_file_does_what_it_changes_again() {
    let cohort = Cohort::new(30);
    let folder = cohort.folder.path();
    let plan = cohort.plan("many");
    for job in jobs_of(&plan) {
        kill_twice(&cohort, job);
        do_job(folder, job);
    }
    assert_eq!(cohort.different("many"), [""; 0]);
    let log = fs::read_to_string(cohort.path("many/3-models/tiny/training_log.csv")).unwrap();
    assert_eq!(log.lines().count(), 1 + 3 * 30);
    assert_only_baselines_and_report_are_redone(&cohort, jobs_of(&plan));
}

/// Starts a job and kills it, twice: one training after a checkpoint each, the other jobs after a
/// few milliseconds.
fn kill_twice(cohort: &Cohort, job: &Value) {
    let is_long = text(&job["name"]) == "3-models/tiny/member-2";
    let checkpoint = cohort.path("many/shards/3-models/tiny/checkpoint-2.safetensors");
    for pause_ms in [3, 15] {
        let mut child = job_command(cohort.folder.path(), job)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        if is_long {
            let before = fs::read(&checkpoint).ok();
            wait_for_new_checkpoint(&checkpoint, before.as_ref(), &mut child);
        } else {
            sleep(Duration::from_millis(pause_ms));
        }
        kill(&mut child);
    }
}

/// A changed option of the baselines does not concern the models: only the baselines and the report
/// are done again.
fn assert_only_baselines_and_report_are_redone(cohort: &Cohort, jobs: &[Value]) {
    let folder = cohort.folder.path();
    let path = cohort.path("pipeline.toml");
    let pipeline = fs::read_to_string(&path).unwrap();
    fs::write(&path, pipeline + "[baselines]\nclump_r2 = 0.2\n").unwrap();
    let (redone, unchanged): (Vec<&Value>, Vec<&Value>) = jobs
        .iter()
        .filter(|job| !is_always_done(job))
        .partition(|job| ["4-baselines", "5-report"].contains(&text(&job["name"])));
    for job in unchanged {
        assert!(do_job(folder, job).contains("already done"), "{job:#}");
    }
    let output = run(
        folder,
        &format!("run pipeline.toml --out many {DIVIDED} --job 5-report"),
    );
    assert!(
        !output.status.success() && stderr(&output).contains("4-baselines is not done in many"),
        "{}",
        stderr(&output)
    );
    for job in redone {
        let done_before = format!("{}: already done", text(&job["name"]));
        assert!(!do_job(folder, job).contains(&done_before), "{job:#}");
    }
}

// ---- Workflow engine

/// The Snakemake that `GF_SNAKEMAKE` names; `None`, with a message, where that is no file.
fn snakemake() -> Option<PathBuf> {
    let program = env::var_os("GF_SNAKEMAKE")
        .map(PathBuf::from)
        .filter(|path| path.is_file());
    if program.is_none() {
        no_oracle("GF_SNAKEMAKE names no snakemake");
    }
    program
}

/// Snakemake on the pipeline of a cohort, divided into jobs as by [`DIVIDED`].
fn snakemake_command(snakemake: &Path, cohort: &Cohort, out: &str, profile: &Path) -> Command {
    let path = path_with_program(&[snakemake.parent().unwrap()]);
    let mut command = Command::new(snakemake);
    command
        .current_dir(cohort.folder.path())
        .env("PATH", path)
        .env("XDG_CACHE_HOME", cohort.path("cache"))
        .arg("-s")
        .arg(repository("pipelines/cluster/Snakefile"))
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
    run_snakemake(&snakemake, &cohort);
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
    assert!(run_snakemake(&snakemake, &cohort).contains("Nothing to be done"));
    // Snakemake runs every job again after a file was touched. The program compares contents, and
    // writes no result again.
    let pipeline = cohort.path("pipeline.toml");
    fs::write(&pipeline, fs::read(&pipeline).unwrap()).unwrap();
    let result = cohort.path("many/5-report/auc.csv");
    let before = fs::metadata(&result).unwrap().modified().unwrap();
    run_snakemake(&snakemake, &cohort);
    assert_eq!(fs::metadata(&result).unwrap().modified().unwrap(), before);
}

/// Runs the jobs on this machine into `many`; returns what Snakemake prints on standard error.
fn run_snakemake(snakemake: &Path, cohort: &Cohort) -> String {
    let profile = repository("pipelines/cluster/profiles/local");
    let output = snakemake_command(snakemake, cohort, "many", &profile)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    stderr(&output)
}

/// A run of Snakemake on Slurm that goes on in the background.
struct SlurmRun<'c> {
    cohort: &'c Cohort,
    cluster: Cluster,
    snakemake: Child,
    started: Instant,
}

impl<'c> SlurmRun<'c> {
    fn start(cohort: &'c Cohort, cluster: Cluster, mut command: Command) -> Self {
        cluster.set_environment(&mut command);
        let log = fs::File::create(cohort.path("snakemake.txt")).unwrap();
        let snakemake = command
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self {
            cohort,
            cluster,
            snakemake,
            started: Instant::now(),
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.cohort.path("snakemake.txt")).unwrap()
    }

    /// Waits, at most 15 minutes after the start, until a file of the run exists.
    fn wait_for(&mut self, name: &str) {
        while !self.cohort.path(name).exists() {
            assert!(
                self.snakemake.try_wait().unwrap().is_none()
                    && self.started.elapsed() < Duration::from_secs(900),
                "{}",
                self.log()
            );
            sleep(Duration::from_millis(20));
        }
    }

    /// Takes a node away for three seconds; its jobs are lost.
    fn lose_node(&self, node: &str, moment: &str) {
        self.cluster.call(&["kill-node", node, "now"]);
        eprintln!(
            "{:.0} s: lost {node} in {moment}",
            self.started.elapsed().as_secs_f64()
        );
        sleep(Duration::from_secs(3));
        self.cluster.call(&["start-node", node]);
    }
}

/// On Slurm with two nodes. One is lost while a model is trained, and one while samples are scored.
#[test]
fn a_node_that_is_lost_in_training_and_one_in_scoring_change_nothing() {
    let tool = repository("../shared/tools/slurm-local.sh");
    if env::var_os("GF_SLURM").is_none() || !tool.exists() {
        eprintln!("SKIPPED: GF_SLURM is not set, or no {}", tool.display());
        return;
    }
    let Some(snakemake) = snakemake() else { return };
    let cohort = Cohort::new(400);
    let profile = cohort.path("profile");
    fs::create_dir(&profile).unwrap();
    fs::write(profile.join("config.yaml"), SLURM_PROFILE).unwrap();
    let command = snakemake_command(&snakemake, &cohort, "many", &profile);
    let mut run = SlurmRun::start(&cohort, Cluster::start(&tool), command);
    run.wait_for("many/shards/3-models/tiny/checkpoint-2.safetensors");
    run.lose_node(&run.cluster.node_of("tiny/member-2"), "training");
    run.wait_for("many/jobs/log/3-models/tiny/people-1.txt");
    run.lose_node(&run.cluster.any_busy_node(), "scoring");
    let status = run.snakemake.wait().unwrap();
    assert!(status.success(), "{}", run.log());
    eprintln!("{:.0} s: done", run.started.elapsed().as_secs_f64());
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

/// A private Slurm of two nodes, which is stopped when this is dropped.
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

    /// Runs `slurm-local.sh COMMAND DIR REST` and returns what it prints.
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

    /// Sets `PATH` and `SLURM_CONF` of a command to those of this Slurm. `slurm-local.sh env`
    /// prints shell code, so that a shell evaluates it.
    fn set_environment(&self, command: &mut Command) {
        let folder = self.folder.path();
        let settings = self.call(&["env"]);
        let own_path = command
            .get_envs()
            .find_map(|(name, value)| (name == "PATH").then_some(value?));
        let path = own_path.map_or_else(
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

    /// One line per running job: node, name, comment.
    fn squeue(&self) -> String {
        let mut command = Command::new("squeue");
        self.set_environment(&mut command);
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

    /// The node that runs a job of the pipeline, whose name is in Slurm's name or comment.
    fn node_of(&self, job: &str) -> String {
        let text = self.squeue();
        let line = text
            .lines()
            .find(|line| line.contains(job) || line.contains(&job.replace('/', "-")));
        line.and_then(|line| line.split_whitespace().next())
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

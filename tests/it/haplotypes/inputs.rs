//! What `sequences` reads and writes apart from the alleles themselves: several files, standard
//! input, regions, choices of samples, strands, names of contigs, compressed references, and
//! tables.
//!
//! The alleles are in `cases.rs`. POS is 1-based, BED is 0-based and half-open.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::support::{
    command,
    compression::{Bgzf, bgzip, bgzip_with_gzi, gunzipped, gzip},
    fasta, file_names, json, logits_by_sample, no_oracle,
    processes::closed_pipe,
    refusal, refuse, rows, run, stderr, succeed,
};
use gf_genomics::tokens::Folder;
use gf_haplotypes::Dictionary;
use tempfile::TempDir;

const CHR1: &str = "ACGTACGTACGTACGTACGTACGTACGTAC";
const X: &str = "TTTTTGGGGGCCCCCAAAAATTTTTGGGGG";
const SEQUENCES: &str = "sequences --vcf cohort.vcf --reference reference.fa";
const PEOPLE: [&str; 3] = ["S1", "S2", "S3"];

/// A VCF; a record is `CONTIG POS REF ALT GT ...`.
fn vcf(contigs: &[(&str, usize)], people: &[&str], records: &[&str]) -> String {
    let mut text = "##fileformat=VCFv4.2\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"\
                    Genotype\">\n"
        .to_owned();
    for (name, len_nt) in contigs {
        writeln!(text, "##contig=<ID={name},length={len_nt}>").unwrap();
    }
    writeln!(
        text,
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{}",
        people.join("\t")
    )
    .unwrap();
    for record in records {
        let cells: Vec<&str> = record.split(' ').collect();
        let [contig, position, ref_allele, alt_allele, genotypes @ ..] = &cells[..] else {
            panic!("{record}")
        };
        writeln!(
            text,
            "{contig}\t{position}\t.\t{ref_allele}\t{alt_allele}\t.\tPASS\t.\tGT\t{}",
            genotypes.join("\t")
        )
        .unwrap();
    }
    text
}

const CONTIGS: [(&str, usize); 2] = [("chr1", 30), ("X", 30)];
const ON_CHR1: [&str; 2] = ["chr1 5 A G 0|1 1|1 0|0", "chr1 9 ACG A 1|0 0|0 0|1"];
const ON_X: [&str; 1] = ["X 6 G A 0|1 1|0 1|1"];

/// Three samples on two contigs, and a locus on each.
fn study() -> TempDir {
    let records = [&ON_CHR1[..], &ON_X].concat();
    folder_with_files(&[
        ("reference.fa", &format!(">chr1\n{CHR1}\n>X\n{X}\n")),
        ("loci.bed", "chr1\t0\t30\tONE\nX\t0\t30\tTWO\n"),
        ("cohort.vcf", &vcf(&CONTIGS, &PEOPLE, &records)),
    ])
}

/// A temporary folder with these files, as (name, text).
fn folder_with_files(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        write(folder.path(), name, text);
    }
    folder
}

fn write(folder: &Path, name: &str, contents: impl AsRef<[u8]>) {
    fs::write(folder.join(name), contents).unwrap();
}

/// Records of a FASTA as [`fasta`] returns them.
fn records(records: &[(&str, &str)]) -> BTreeMap<String, String> {
    records
        .iter()
        .map(|(name, bases)| ((*name).to_owned(), (*bases).to_owned()))
        .collect()
}

/// Sequences of the whole study, written by hand.
fn expected() -> BTreeMap<String, String> {
    records(&[
        ("S1 ONE 1", "ACGTACGTATACGTACGTACGTACGTAC"),
        ("S1 ONE 2", "ACGTGCGTACGTACGTACGTACGTACGTAC"),
        ("S2 ONE 1", "ACGTGCGTACGTACGTACGTACGTACGTAC"),
        ("S2 ONE 2", "ACGTGCGTACGTACGTACGTACGTACGTAC"),
        ("S3 ONE 1", "ACGTACGTACGTACGTACGTACGTACGTAC"),
        ("S3 ONE 2", "ACGTACGTATACGTACGTACGTACGTAC"),
        ("S1 TWO 1", "TTTTTGGGGGCCCCCAAAAATTTTTGGGGG"),
        ("S1 TWO 2", "TTTTTAGGGGCCCCCAAAAATTTTTGGGGG"),
        ("S2 TWO 1", "TTTTTAGGGGCCCCCAAAAATTTTTGGGGG"),
        ("S2 TWO 2", "TTTTTGGGGGCCCCCAAAAATTTTTGGGGG"),
        ("S3 TWO 1", "TTTTTAGGGGCCCCCAAAAATTTTTGGGGG"),
        ("S3 TWO 2", "TTTTTAGGGGCCCCCAAAAATTTTTGGGGG"),
    ])
}

/// The records of [`expected`] whose names contain `text`.
fn expected_of(text: &str) -> BTreeMap<String, String> {
    let mut records = expected();
    records.retain(|name, _| name.contains(text));
    records
}

/// A VCF of the sample `S1`; records are lines of the file with spaces for tabs.
fn one_sample(version: &str, header: &str, records: &[&str]) -> String {
    let mut text = format!(
        "##fileformat=VCFv{version}\n{header}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\
         \tFORMAT\tS1\n"
    );
    for record in records {
        text.push_str(&record.replace(' ', "\t"));
        text.push('\n');
    }
    text
}

/// What `sequences` prints about one sample at one locus.
struct Printed {
    /// Bases of both haplotypes; empty where there is none.
    haplotypes: [String; 2],
    stderr: String,
}

impl Printed {
    fn run(folder: &Path, arguments: &str) -> Self {
        let output = run(folder, arguments);
        let stderr = stderr(&output);
        assert!(output.status.success(), "`{arguments}`: {stderr}");
        let records = fasta(&String::from_utf8(output.stdout).unwrap());
        let haplotypes = [" 1", " 2"].map(|suffix| {
            let mut bases = records.iter().filter(|(name, _)| name.ends_with(suffix));
            bases
                .next()
                .map_or(String::new(), |(_, bases)| bases.clone())
        });
        Self { haplotypes, stderr }
    }
}

fn sequences(folder: &Path, options: &str) -> BTreeMap<String, String> {
    fasta(&succeed(folder, &format!("{SEQUENCES} {options}")))
}

#[test]
fn fasta_has_a_record_for_each_person_locus_and_haplotype() {
    let study = study();
    let text = succeed(
        study.path(),
        &format!("{SEQUENCES} --regions-file loci.bed"),
    );
    assert_eq!(fasta(&text), expected());
    assert!(
        text.starts_with(">S1 ONE 1\nACGTACGTATACGTACGTACGTACGTAC\n>S1 ONE 2\n"),
        "{text}"
    );
    succeed(
        study.path(),
        &format!("{SEQUENCES} --regions-file loci.bed -o out.fa"),
    );
    assert_eq!(
        fs::read_to_string(study.path().join("out.fa")).unwrap(),
        text
    );
}

#[test]
fn sequences_are_wrapped_at_60_bases() {
    let folder = tempfile::tempdir().unwrap();
    let bases = CHR1.repeat(5);
    fs::write(
        folder.path().join("reference.fa"),
        format!(">chr1\n{bases}\n"),
    )
    .unwrap();
    fs::write(
        folder.path().join("cohort.vcf"),
        vcf(&[("chr1", 150)], &["S1"], &["chr1 5 A G 0|0"]),
    )
    .unwrap();
    let text = succeed(folder.path(), &format!("{SEQUENCES} --regions chr1:1-150"));
    let widths: Vec<usize> = text
        .lines()
        .filter(|line| !line.starts_with('>'))
        .map(str::len)
        .collect();
    assert_eq!(widths, [60, 60, 30, 60, 60, 30]);
}

#[test]
fn regions_on_the_command_line_are_one_based_and_named_by_their_text() {
    let study = study();
    assert_eq!(
        sequences(study.path(), "--regions chr1:5-12,X:6-6 --samples S1"),
        records(&[
            ("S1 chr1:5-12 1", "ACGTAT"),
            ("S1 chr1:5-12 2", "GCGTACGT"),
            ("S1 X:6-6 1", "G"),
            ("S1 X:6-6 2", "A"),
        ])
    );
    refuse(
        study.path(),
        &format!("{SEQUENCES} --regions chr1:20-31"),
        &["chr1:20-31", "30"],
    );
    for regions in ["chr1:9-5", "chr1:0-5", "chr1:x-5"] {
        let output = run(study.path(), &format!("{SEQUENCES} --regions {regions}"));
        assert!(
            !output.status.success() && stderr(&output).contains(regions),
            "{regions}: {}",
            stderr(&output)
        );
    }
    for arguments in [
        SEQUENCES.to_owned(),
        format!("{SEQUENCES} --regions chr1:5-12 --regions-file loci.bed"),
    ] {
        assert_eq!(
            run(study.path(), &arguments).status.code(),
            Some(2),
            "{arguments}"
        );
    }
}

#[test]
fn people_are_chosen_by_name_or_by_exclusion() {
    let study = study();
    fs::write(study.path().join("one.txt"), "S2\n").unwrap();
    fs::write(study.path().join("two.txt"), "S1\nS3\n").unwrap();
    for (options, people) in [
        ("--samples S1,S3", "S1 S3"),
        ("--samples S2", "S2"),
        ("--samples ^S2", "S1 S3"),
        ("--samples ^S1,S3", "S2"),
        ("--samples-file one.txt", "S2"),
        ("--samples-file two.txt", "S1 S3"),
        ("--samples-file ^one.txt", "S1 S3"),
        ("--samples-file ^two.txt", "S2"),
    ] {
        let expected = people.split(' ').flat_map(expected_of).collect();
        assert_eq!(
            sequences(study.path(), &format!("--regions-file loci.bed {options}")),
            expected,
            "{options}"
        );
    }
    for options in ["--samples S1,Nobody", "--samples ^Nobody"] {
        refuse(
            study.path(),
            &format!("{SEQUENCES} --regions-file loci.bed {options}"),
            &["cohort.vcf", "`Nobody`"],
        );
    }
    let nobody = run(
        study.path(),
        &format!("{SEQUENCES} --regions-file loci.bed --samples ^S1,S2,S3"),
    );
    assert_eq!(nobody.status.code(), Some(1), "{}", stderr(&nobody));
}

/// The policies are applied to the chosen samples only, not to all samples of the file.
#[test]
fn people_who_are_not_chosen_cannot_stop_a_run() {
    let study = study();
    fs::write(
        study.path().join("cohort.vcf"),
        vcf(
            &CONTIGS,
            &PEOPLE,
            &["chr1 5 A G 0|1 0/1 1", "X 6 G A 0|0 0|0 0|0"],
        ),
    )
    .unwrap();
    refuse(
        study.path(),
        &format!("{SEQUENCES} --regions-file loci.bed"),
        &["chr1:5", "sample `S2`"],
    );
    assert_eq!(
        sequences(study.path(), "--regions-file loci.bed --samples S1").len(),
        4
    );
}

#[test]
fn several_files_with_one_contig_each_are_read_as_one() {
    let study = study();
    let on_chr1 = vcf(&CONTIGS, &PEOPLE, &ON_CHR1);
    write(study.path(), "chr1.vcf", on_chr1);
    // The same samples, in another order of columns.
    let on_x = vcf(&CONTIGS, &["S3", "S1", "S2"], &["X 6 G A 1|1 0|1 1|0"]);
    write(study.path(), "x.vcf", on_x);
    let options = "--reference reference.fa --regions-file loci.bed";
    for files in ["chr1.vcf x.vcf", "x.vcf chr1.vcf"] {
        let arguments = format!("sequences --vcf {files} {options}");
        assert_eq!(fasta(&succeed(study.path(), &arguments)), expected());
    }
    // A file without one of the samples.
    let without_s2 = vcf(&CONTIGS, &["S3", "S1"], &["X 6 G A 1|1 0|1"]);
    write(study.path(), "x.vcf", without_s2);
    refuse(
        study.path(),
        &format!("sequences --vcf chr1.vcf x.vcf {options}"),
        &["x.vcf", "`S2`"],
    );
    // A locus where no file has a record.
    refuse(
        study.path(),
        &format!("sequences --vcf chr1.vcf {options}"),
        &["chr1.vcf", "TWO"],
    );
}

/// Runs `sequences --vcf -` with bytes on standard input.
fn from_stdin(folder: &Path, bytes: &[u8]) -> Output {
    let arguments = "sequences --vcf - --reference reference.fa --regions-file loci.bed";
    let mut child = command(folder, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The program may end before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(bytes);
    child.wait_with_output().unwrap()
}

#[test]
fn standard_input_is_a_file_like_others() {
    let study = study();
    let plain = fs::read(study.path().join("cohort.vcf")).unwrap();
    let (first_half, second_half) = plain.split_at(plain.len() / 2);
    let bgzipped = Bgzf::of_blocks([first_half, second_half]).bytes;
    for bytes in [&plain, &gzip(&plain), &bgzipped] {
        let output = from_stdin(study.path(), bytes);
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(
            fasta(&String::from_utf8(output.stdout).unwrap()),
            expected()
        );
    }
    for bytes in [
        &b""[..],
        b"##fileformat=VCFv4.2\n",
        &bgzipped[..bgzipped.len() - 40],
        CHR1.as_bytes(),
    ] {
        let output = from_stdin(study.path(), bytes);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_locus_on_the_reverse_strand_is_the_reverse_complement() {
    let study = study();
    fs::write(
        study.path().join("loci.bed"),
        "chr1\t4\t12\tFORWARD\t0\t+\nchr1\t4\t12\tREVERSE\t0\t-\nX\t0\t8\tTWO\t.\t.\n",
    )
    .unwrap();
    assert_eq!(
        sequences(study.path(), "--regions-file loci.bed --samples S1"),
        records(&[
            ("S1 FORWARD 1", "ACGTAT"),
            ("S1 FORWARD 2", "GCGTACGT"),
            ("S1 REVERSE 1", "ATACGT"),
            ("S1 REVERSE 2", "ACGTACGC"),
            ("S1 TWO 1", "TTTTTGGG"),
            ("S1 TWO 2", "TTTTTAGG"),
        ])
    );
}

/// A folder where FASTA, VCF and BED use these names for one contig; the VCF has its length only
/// where `has_length`.
fn study_with_names([in_fasta, in_vcf, in_bed]: [&str; 3], has_length: bool) -> TempDir {
    let record = format!("{in_vcf} 5 A G 0|1");
    let text = if has_length {
        vcf(&[(in_vcf, 30)], &["S1"], &[&record])
    } else {
        let contig = format!("##contig=<ID={in_vcf}>\n#CHROM");
        vcf(&[], &["S1"], &[&record]).replace("#CHROM", &contig)
    };
    folder_with_files(&[
        ("reference.fa", &format!(">{in_fasta}\n{CHR1}\n")),
        ("loci.bed", &format!("{in_bed}\t0\t30\tONE\n")),
        ("cohort.vcf", &text),
    ])
}

#[test]
fn contigs_are_known_by_either_name() {
    for (in_vcf, in_fasta, in_bed) in [
        ("1", "chr1", "chr1"),
        ("chr1", "1", "chr1"),
        ("1", "chr1", "1"),
        ("chr1", "1", "1"),
        ("MT", "chrM", "chrM"),
        ("chrM", "MT", "MT"),
        ("chrM", "MT", "chrMT"),
        ("chrX", "X", "X"),
    ] {
        let study = study_with_names([in_fasta, in_vcf, in_bed], true);
        let sequences = sequences(study.path(), "--regions-file loci.bed");
        assert_eq!(
            sequences["S1 ONE 2"], "ACGTGCGTACGTACGTACGTACGTACGTAC",
            "{in_vcf} {in_fasta} {in_bed}"
        );
    }
}

#[test]
fn a_chromosome_is_one_under_all_its_names_but_not_in_two_builds() {
    for names in [
        ["NC_000001.11", "chr1", "1"],
        ["CHR1", "01", "NC_000001.11"],
        ["chrX", "23", "x"],
        ["X", "PAR1", "XY"],
        ["MT", "26", "chrM"],
        ["NC_000024.10", "24", "chrY"],
    ] {
        let study = study_with_names(names, false);
        let sequences = sequences(study.path(), "--regions-file loci.bed");
        assert_eq!(
            sequences["S1 ONE 2"], "ACGTGCGTACGTACGTACGTACGTACGTAC",
            "{names:?}"
        );
    }
    for names in [
        ["NC_000001.11", "NC_000001.10", "1"],
        ["NC_000001.11", "1", "NC_000001.10"],
    ] {
        let study = study_with_names(names, false);
        refuse(
            study.path(),
            &format!("{SEQUENCES} --regions-file loci.bed"),
            &["NC_000001.10", "NC_000001.11", "another genome build"],
        );
    }
}

#[test]
fn records_with_ref_and_alt_exchanged_are_refused_by_that_name() {
    let study = study();
    fs::write(
        study.path().join("cohort.vcf"),
        vcf(&CONTIGS, &["S1"], &["chr1 13 C A 1|0", "X 6 G A 0|0"]),
    )
    .unwrap();
    refuse(
        study.path(),
        &format!("{SEQUENCES} --regions-file loci.bed"),
        &["chr1:13: ", "Are REF and ALT swapped", "--ref-from-fa"],
    );
}

#[test]
fn a_ref_mismatch_names_the_nearest_places_where_it_would_fit() {
    let study = study();
    fs::write(
        study.path().join("cohort.vcf"),
        vcf(&CONTIGS, &["S1"], &["chr1 13 GTACG G 1|0", "X 6 G A 0|0"]),
    )
    .unwrap();
    let message = refusal(
        study.path(),
        &format!("{SEQUENCES} --regions-file loci.bed"),
        &["chr1:13: ", "GRCh37"],
    );
    let numbers: Vec<&str> = message.split(|c: char| !c.is_ascii_digit()).collect();
    // GTACG is at 3, 7, 11, 15, 19 and 23.
    for position in ["11", "15"] {
        assert!(numbers.contains(&position), "no {position} in: {message}");
    }
    assert!(!numbers.contains(&"23"), "{message}");
}

#[test]
fn a_bgzipped_reference_is_read_with_and_without_its_indexes() {
    let study = study();
    let folder = study.path();
    let plain = fs::read(folder.join("reference.fa")).unwrap();
    // Blocks end in the middle of the sequences.
    let (compressed, gzi) = bgzip_with_gzi(&[&plain[..16], &plain[16..45], &plain[45..]]);
    write(folder, "reference.fa.gz", compressed);
    let arguments =
        "sequences --vcf cohort.vcf --reference reference.fa.gz --regions-file loci.bed";
    assert_eq!(fasta(&succeed(folder, arguments)), expected());
    // Name, length (nt), offset of the first base, bases per line, bytes per line.
    let fai = "chr1\t30\t6\t30\t31\nX\t30\t40\t30\t31\n";
    write(folder, "reference.fa.gz.fai", fai);
    write(folder, "reference.fa.gz.gzi", gzi);
    assert_eq!(fasta(&succeed(folder, arguments)), expected());
    write(folder, "reference.fa.fai", fai);
    assert_eq!(sequences(folder, "--regions-file loci.bed"), expected());
}

/// A haplotype without a base is written like any other: a record of the FASTA, a row of the
/// dictionary, and `[CLS][SEP]` in the tokens.
#[test]
fn an_empty_haplotype_is_written_and_tokenized() {
    let study = study();
    let folder = study.path();
    let record = "chr1 4 TACGTACGTACGT T 1|0 1|1 0|0";
    let text = vcf(&CONTIGS, &PEOPLE, &[record, ON_X[0]]);
    write(folder, "cohort.vcf", text);
    write(folder, "loci.bed", "chr1\t4\t12\tGONE\nX\t0\t30\tTWO\n");
    let text = succeed(folder, &format!("{SEQUENCES} --regions-file loci.bed"));
    assert!(
        text.contains(
            ">S1 GONE 1\n>S1 GONE 2\nACGTACGT\n>S2 GONE 1\n>S2 GONE 2\n>S3 GONE 1\nACGTACGT\n"
        ),
        "{text}"
    );

    fs::write(
        folder.join("cohort.csv"),
        "sample_id,phenotype,split\nS1,case,train\nS2,control,train\nS3,case,test\n",
    )
    .unwrap();
    succeed(
        folder,
        "tokenize --vcf cohort.vcf --reference reference.fa --regions-file loci.bed --cohort \
         cohort.csv --covariates none --out tokens",
    );
    let tokens = Folder::load(&folder.join("tokens")).unwrap().tokens;
    let locus = tokens
        .loci
        .iter()
        .find(|locus| locus.name == "GONE")
        .unwrap();
    let special: BTreeMap<String, u32> = special_tokens(&folder.join("tokens/tokenizer.json"));
    let [empty, reference] = locus.pairs[0];
    let [tokens_of_empty, tokens_of_reference] = [empty, reference].map(|haplotype| {
        let mut tokens = locus.row(haplotype).to_vec();
        tokens.retain(|token| *token != special["[PAD]"]);
        tokens
    });
    assert_eq!(tokens_of_empty, [special["[CLS]"], special["[SEP]"]]);
    assert!(tokens_of_reference.len() > 2);
    assert_eq!(locus.pairs[1], [empty, empty]);
}

/// Ids of `[CLS]`, `[SEP]`, `[PAD]` and the other special tokens.
fn special_tokens(tokenizer: &Path) -> BTreeMap<String, u32> {
    let json = json(tokenizer);
    let tokens = json["added_tokens"].as_array().unwrap().iter();
    tokens
        .map(|token| {
            (
                token["content"].as_str().unwrap().to_owned(),
                token["id"].as_u64().unwrap() as u32,
            )
        })
        .collect()
}

#[test]
fn the_dictionary_holds_the_same_haplotypes_as_the_fasta() {
    let study = study();
    let printed = sequences(study.path(), "--regions-file loci.bed --out dictionary");
    let written = file_names(&study.path().join("dictionary"));
    for name in ["loci.json", "pairs.csv", "skips.csv"] {
        assert!(
            written.iter().any(|path| path == Path::new(name)),
            "no {name} in {written:?}"
        );
    }
    let dictionary = Dictionary::load(&study.path().join("dictionary")).unwrap();
    let mut of_dictionary = BTreeMap::new();
    for locus in &dictionary.loci {
        for (sample, pair) in dictionary.samples.iter().zip(&locus.pairs) {
            for (side, &haplotype) in pair.iter().enumerate() {
                let bases = String::from_utf8(locus.bases(haplotype)).unwrap();
                of_dictionary.insert(format!("{sample} {} {}", locus.locus.name, side + 1), bases);
            }
        }
    }
    assert_eq!(of_dictionary, expected());
    // FASTA goes to standard output only when it is asked for, or when nothing else is.
    assert!(printed.is_empty() || printed == expected());
}

#[test]
fn skips_are_named_with_person_haplotype_locus_place_and_reason() {
    let study = study();
    let records = [
        "chr1 5 ACG A 1|0 0|1 0|0",
        "chr1 6 C T 1|0 0|0 0|1",
        "chr1 9 A G .|1 0|0 0|0",
        "chr1 13 A G 0|0 1|1 0|0",
        "chr1 13 A G 0|0 1|0 0|0",
        "X 6 G A,* 0|1 2|0 1",
    ];
    fs::write(
        study.path().join("cohort.vcf"),
        vcf(&CONTIGS, &PEOPLE, &records),
    )
    .unwrap();
    let output = run(
        study.path(),
        &format!("{SEQUENCES} --regions-file loci.bed -o out.fa --skips skips.csv"),
    );
    assert!(output.status.success(), "{}", stderr(&output));
    let text = fs::read_to_string(study.path().join("skips.csv")).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines.remove(0),
        "sample_id,haplotype,locus,contig,position,reason"
    );
    lines.sort_unstable();
    let expected = [
        "S1,1,ONE,chr1,6,overlap",
        "S1,1,ONE,chr1,9,missing_as_ref",
        "S2,1,ONE,chr1,13,duplicate",
        "S2,1,TWO,X,6,star_without_deletion",
        "S3,2,TWO,X,6,haploid_absent",
    ];
    assert_eq!(lines, expected);
    for line in expected {
        let reason = line.rsplit(',').next().unwrap();
        assert!(
            stderr(&output)
                .lines()
                .any(|line| line == format!("{reason}: 1")),
            "{reason}: {}",
            stderr(&output)
        );
    }
    assert_eq!(rows(&study.path().join("skips.csv")).len(), 5);
    assert!(
        !fs::read_to_string(study.path().join("out.fa"))
            .unwrap()
            .contains(">S3 TWO 2")
    );
}

/// A VCF with its genotypes unphased, and the alleles of every other sample exchanged.
fn without_phase(text: &str) -> String {
    let mut unphased = String::new();
    for line in text.lines() {
        if line.starts_with('#') {
            unphased.push_str(line);
        } else {
            let cells: Vec<String> = line
                .split('\t')
                .enumerate()
                .map(|(column, cell)| unphased_genotype(cell, column % 2 == 0))
                .collect();
            unphased.push_str(&cells.join("\t"));
        }
        unphased.push('\n');
    }
    unphased
}

/// `0|1` as `0/1`, or as `1/0` where its alleles are exchanged; other cells as they are.
fn unphased_genotype(cell: &str, is_exchanged: bool) -> String {
    match cell.split_once('|') {
        Some((first, second)) if is_exchanged => format!("{second}/{first}"),
        Some((first, second)) => format!("{first}/{second}"),
        None => cell.to_owned(),
    }
}

#[test]
fn a_cohort_without_phase_is_refused_as_haplotypes_and_the_same_as_with_phase_as_genotype_symbols()
{
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    succeed(
        folder,
        "simulate --people 60 --len-nt 3000 --risk null --out .",
    );
    let phased = gunzipped(&folder.join("cohort.vcf.gz"));
    write(folder, "unphased.vcf", without_phase(&phased));

    let tokenize =
        "tokenize --reference reference.fa --regions-file loci.bed --cohort cohort.csv --vcf";
    refuse(
        folder,
        &format!("{tokenize} unphased.vcf --out refused"),
        &["unphased heterozygote", "--encoding diploid"],
    );
    succeed(
        folder,
        &format!("{tokenize} cohort.vcf.gz --encoding diploid --out phased"),
    );
    succeed(
        folder,
        &format!("{tokenize} unphased.vcf --encoding diploid --out unphased"),
    );
    for name in [
        "tokenizer.json",
        "grid.json",
        "tokens.safetensors",
        "genome.json",
        "loci.json",
        "pairs.csv",
    ] {
        assert_eq!(
            fs::read(folder.join("phased").join(name)).unwrap(),
            fs::read(folder.join("unphased").join(name)).unwrap(),
            "{name}"
        );
    }

    succeed(
        folder,
        "train --tokens phased --cohort cohort.csv --epochs 1 --layers 1 --projected-length 8 \
         --out model",
    );
    succeed(
        folder,
        "score --vcf unphased.vcf --reference reference.fa --model model --cohort cohort.csv -o \
         risk.csv",
    );
    let predicted = logits_by_sample(&folder.join("model/predictions.csv"));
    let scored = logits_by_sample(&folder.join("risk.csv"));
    assert_eq!(scored.len(), 60);
    for (person, logit) in predicted {
        assert!(
            (logit - scored[&person]).abs() <= 1e-5,
            "{person}: {logit} and {}",
            scored[&person]
        );
    }
}

// Joined files, lengths that a header states, records outside of the regions

/// Two VCF files joined as text, as gzip and as BGZF. The second has these samples.
fn joined_files(samples_of_second: &[&str]) -> [(&'static str, Vec<u8>); 3] {
    let first = vcf(&CONTIGS[..1], &["S1", "S2"], &["chr1 5 A G 1|0 0|0"]).into_bytes();
    let second = vcf(&CONTIGS[1..], samples_of_second, &["X 6 G A 1|0 0|0"]).into_bytes();
    [
        ("a.vcf", [&first[..], &second].concat()),
        ("b.vcf.gz", [gzip(&first), gzip(&second)].concat()),
        ("c.vcf.gz", [bgzip(&first), bgzip(&second)].concat()),
    ]
}

#[test]
fn a_second_header_with_other_samples_or_another_order_is_refused() {
    let folder = folder_with_files(&[
        ("reference.fa", &format!(">chr1\n{CHR1}\n>X\n{X}\n")),
        ("loci.bed", "X\t0\t30\tTWO\n"),
    ]);
    for (name, bytes) in joined_files(&["S2", "S1"]) {
        write(folder.path(), name, bytes);
        let arguments =
            format!("sequences --vcf {name} --reference reference.fa --regions-file loci.bed");
        refuse(
            folder.path(),
            &arguments,
            &[
                &format!("{name}: line 9"),
                "a second header",
                "sample `S2` where the first header has `S1`",
            ],
        );
    }
    for (name, bytes) in joined_files(&["S1", "S2"]) {
        write(folder.path(), name, bytes);
        let arguments =
            format!("sequences --vcf {name} --reference reference.fa --regions-file loci.bed");
        assert_eq!(
            fasta(&succeed(folder.path(), &arguments))["S1 TWO 1"],
            X.replacen("GGGGG", "AGGGG", 1)
        );
    }
}

#[test]
fn a_second_header_is_found_through_an_index_too() {
    if Command::new("tabix").arg("--version").output().is_err() {
        no_oracle("no tabix on this machine");
        return;
    }
    let folder = folder_with_files(&[
        ("reference.fa", &format!(">chr1\n{CHR1}\n>X\n{X}\n")),
        ("loci.bed", "X\t20\t30\tTWO\n"),
    ]);
    let first = vcf(&CONTIGS[..1], &["S1", "S2"], &["chr1 5 A G 1|0 0|0"]);
    let second = vcf(
        &CONTIGS[1..],
        &["S2", "S1"],
        &["X 6 G A 1|0 0|0", "X 25 T A 1|0 0|0"],
    );
    let joined_as_compressed = [bgzip(first.as_bytes()), bgzip(second.as_bytes())].concat();
    let joined_as_text = bgzip([first, second].concat().as_bytes());
    for bytes in [joined_as_compressed, joined_as_text] {
        write(folder.path(), "a.vcf.gz", bytes);
        let indexed = Command::new("tabix")
            .args(["-f", "a.vcf.gz"])
            .current_dir(folder.path())
            .status()
            .unwrap();
        assert!(indexed.success());
        let arguments = "sequences --vcf a.vcf.gz --reference reference.fa --regions-file loci.bed";
        refuse(
            folder.path(),
            arguments,
            &[
                "a.vcf.gz: a second header",
                "sample `S2` where the first header has `S1`",
            ],
        );
    }
}

#[test]
fn a_stated_contig_length_is_a_claim() {
    let folder = folder_with_files(&[("reference.fa", &format!(">chr1\n{CHR1}\n"))]);
    let records = [
        "chr1 5 . A G . PASS . GT 1|0",
        "chr1 29 . AC A . PASS . GT 0|0",
    ];
    for len_nt in [6, 5, 2_147_483_647, 248_956_422] {
        let header = format!("##contig=<ID=chr1,length={len_nt}>\n");
        let text = one_sample("4.2", &header, &records);
        write(folder.path(), "cohort.vcf", text);
        let printed = Printed::run(folder.path(), &format!("{SEQUENCES} --regions chr1:5-12"));
        assert_eq!(printed.haplotypes, ["GCGTACGT", "ACGTACGT"]);
        let warning = format!(
            "warning: cohort.vcf: contig `chr1` has {len_nt} nt in the header, but 30 nt in \
             reference.fa"
        );
        assert!(printed.stderr.contains(&warning), "{}", printed.stderr);
    }
    let header = "##contig=<ID=chr1,length=30>\n##contig=<ID=chr1,length=31>\n";
    let text = one_sample("4.2", header, &records[..1]);
    write(folder.path(), "cohort.vcf", text);
    refuse(
        folder.path(),
        &format!("{SEQUENCES} --regions chr1:5-12"),
        &["cohort.vcf: line 3: contig `chr1` has 31 nt here and 30 nt"],
    );
}

#[test]
fn a_record_that_nobody_asked_for_stops_nothing() {
    let reference = format!(">chr1\n{CHR1}\n>chr2\n{CHR1}\n");
    let folder = folder_with_files(&[("reference.fa", &reference)]);
    let header = "##contig=<ID=chr1,length=30>\n##contig=<ID=chr2,length=10>\n";
    let good = "chr1 5 . A G . PASS . GT 1|0";
    for (odd, expected) in [
        ("chr2 0 sv N ]chr1:5]A . PASS . GT 0|0", "1 record at POS 0"),
        ("chr2 11 sv N ]chr1:5]A . PASS . GT 0|0", ""),
        (
            "chr2 six . A G . PASS . GT 0|0",
            "skipped 1 record that could not be read, none of them needed",
        ),
        ("chr2 6 . . G . PASS . GT 0|0", ""),
        ("chr2 6 . A G . PASS . GT 0|1|1", ""),
        ("chr2 6 . A G . PASS . DP 7", ""),
        (
            "chr2 9 . A G . PASS . GT 0|0\nchr2 6 . A G . PASS . GT 0|0",
            "",
        ),
        ("chr1 7 cnv G T . PASS . GQ 0", "no_genotypes: 1"),
        (
            "chr1 29 . 7 G . PASS . GT 0|0",
            "skipped 1 record that could not be read, none of them needed (first: line 6: \
             chr1:29: REF `7` is not bases)",
        ),
        ("chr1 30 . C G . PASS . GT 1", ""),
    ] {
        let text = one_sample("4.2", header, &[good, odd]);
        write(folder.path(), "cohort.vcf", text);
        let printed = Printed::run(folder.path(), &format!("{SEQUENCES} --regions chr1:5-12"));
        assert_eq!(printed.haplotypes, ["GCGTACGT", "ACGTACGT"], "{odd}");
        assert!(
            printed.stderr.contains(expected),
            "{odd}: {}",
            printed.stderr
        );
    }
    // Inside the region such a record is an error.
    let in_region = "chr1 8 . 7 G . PASS . GT 0|0";
    let text = one_sample("4.2", header, &[good, in_region]);
    write(folder.path(), "cohort.vcf", text);
    refuse(
        folder.path(),
        &format!("{SEQUENCES} --regions chr1:5-12"),
        &["cohort.vcf: line 6", "REF `7` is not bases"],
    );
}

#[test]
fn end_and_svlen_follow_the_version_of_the_format() {
    let folder = folder_with_files(&[("reference.fa", &format!(">chr1\n{CHR1}\n"))]);
    // INFO, bases deleted by VCF 4.2 (END) and by 4.4 (SVLEN), whether the two contradict each
    // other.
    for (info, by_end, by_svlen, is_contradiction) in [
        ("END=8;SVLEN=-3", 3, 3, false),
        ("END=8;SVLEN=3", 3, 3, false),
        ("END=7;SVLEN=-3", 2, 3, true),
        ("SVLEN=3;END=9", 4, 3, true),
        ("END=5;SVLEN=-3", 0, 3, true),
        ("END=4;SVLEN=-3", 3, 3, true),
        ("SVLEN=-3", 3, 3, false),
        ("SVLEN=3,.", 3, 3, false),
        ("END=8;SVLEN=.", 3, 3, false),
        ("END=.;SVLEN=3", 3, 3, false),
    ] {
        for (version, n_deleted) in [
            ("4.2", by_end),
            ("4.3", by_end),
            ("4.4", by_svlen),
            ("4.5", by_svlen),
        ] {
            let record = format!("chr1 5 . A <DEL> . PASS SVTYPE=DEL;{info} GT 1|0");
            let text = one_sample(version, "##contig=<ID=chr1,length=30>\n", &[&record]);
            write(folder.path(), "cohort.vcf", text);
            let printed = Printed::run(folder.path(), &format!("{SEQUENCES} --regions chr1:1-12"));
            let expected = format!("{}{}", &CHR1[..5], &CHR1[5 + n_deleted..12]);
            assert_eq!(printed.haplotypes[0], expected, "{version} {info}");
            assert_eq!(
                printed.stderr.contains("end_against_svlen: 1"),
                is_contradiction,
                "{version} {info}: {}",
                printed.stderr
            );
        }
    }
}

/// Names of the files of [`plain_files`].
const FILES: [&str; 4] = ["cohort.vcf", "reference.fa", "l.bed", "s.txt"];
/// Reads all of [`FILES`].
const READ_FILES: &str = "sequences --vcf cohort.vcf --reference reference.fa --regions-file \
                          l.bed --samples-file s.txt";

/// A VCF, a FASTA, a BED and a list of samples, in the order of [`FILES`].
fn plain_files() -> [String; 4] {
    [
        one_sample(
            "4.2",
            "##contig=<ID=chr1>\n",
            &["chr1 5 . A G . PASS . GT 1|0"],
        ),
        format!(">chr1\n{CHR1}\n"),
        "chr1\t4\t12\tL\n".to_owned(),
        "S1\n".to_owned(),
    ]
}

fn write_all_files(folder: &Path, texts: &[String; 4]) {
    for (name, text) in FILES.iter().zip(texts) {
        write(folder, name, text);
    }
}

#[test]
fn files_of_windows_and_spreadsheets_are_read_and_those_of_other_formats_named() {
    let folder = tempfile::tempdir().unwrap();
    let with_byte_order_mark = plain_files().map(|text| format!("\u{feff}{text}"));
    let mut with_windows_lines = plain_files().map(|text| text.replace('\n', "\r\n"));
    with_windows_lines[3] = "#FID\tIID\r\nF\tS1\r\n".to_owned();
    let mut quoted = plain_files();
    quoted[2] = "\"chr1\"\t4\t12\t\"L\"\n".to_owned();
    quoted[3] = "\"S1\"\r".to_owned();
    for texts in [with_byte_order_mark, with_windows_lines, quoted] {
        write_all_files(folder.path(), &texts);
        assert_eq!(
            Printed::run(folder.path(), READ_FILES).haplotypes,
            ["GCGTACGT", "ACGTACGT"]
        );
    }
    for (name, bytes, expected) in [
        ("cohort.vcf", &b"\x6c\x1b\x10\x01\0\0\0"[..], ".psam"),
        ("cohort.vcf", b"<!DOCTYPE html>\n<html>", "a web page"),
        ("cohort.vcf", b"CRAM\x03\x00", "a CRAM file"),
        ("cohort.vcf", b"\xff\xfe#\0#\0f\0", "UTF-16"),
        (
            "cohort.vcf",
            b"##fileformat=VCFv4.2\r#CHROM\tPOS\r",
            "carriage returns alone",
        ),
        (
            "cohort.vcf",
            b"\"##fileformat=VCFv4.2\"\n",
            "a spreadsheet saved this VCF file",
        ),
        ("cohort.vcf", b">chr1\nACGT\n", "but a FASTA file"),
        (
            "reference.fa",
            b"##fileformat=VCFv4.2\n",
            "this is a VCF file",
        ),
        ("reference.fa", b"PK\x03\x04xxxx", "a zip archive"),
        ("l.bed", b"\x6c\x1b\x01\x03\0", "plink2 --bfile"),
        ("s.txt", b"", "s.txt: the file is empty"),
    ] {
        write_all_files(folder.path(), &plain_files());
        write(folder.path(), name, bytes);
        refuse(folder.path(), READ_FILES, &[name, expected]);
    }
}

#[test]
fn loci_are_known_by_name_on_their_build_only() {
    let bases = CHR1.repeat(200);
    let slice = &bases[..5_001];
    let ref_allele = &slice[44_908_684 - 44_905_000..][..1];
    let alt_allele = if ref_allele == "T" { "C" } else { "T" };
    let record = format!("19 44908684 rs429358 {ref_allele} {alt_allele} . PASS . GT 0|1");
    let folder = folder_with_files(&[
        (
            "reference.fa",
            &format!(">chr19:44905000-44910000\n{slice}\n"),
        ),
        (
            "cohort.vcf",
            &one_sample("4.2", "##contig=<ID=19>\n", &[&record]),
        ),
    ]);
    let sequences = sequences(folder.path(), "--regions apoe");
    assert_eq!(sequences["S1 APOE 1"].len(), 44_909_393 - 44_905_754 + 1);
    assert_ne!(sequences["S1 APOE 1"], sequences["S1 APOE 2"]);
    let table = succeed(folder.path(), "regions");
    assert!(
        table.starts_with("name\tbuild\tregion\tlead_variants\tsource\n"),
        "{table}"
    );
    assert!(
        table.contains("\nAPOE\tGRCh38\tchr19:44905754-44909393\trs429358,rs7412\t"),
        "{table}"
    );
    refuse(
        folder.path(),
        &format!("{SEQUENCES} --regions APOF"),
        &["region `APOF`", "not a known locus", "gf-genomics regions"],
    );
}

#[test]
fn a_reader_of_messages_that_goes_away_ends_no_run() {
    let study = study();
    let expected = succeed(
        study.path(),
        &format!("{SEQUENCES} --regions-file loci.bed"),
    );
    let full_device = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .map_or_else(|_| Stdio::null(), Stdio::from);
    for lost in [full_device, closed_pipe()] {
        let output = command(
            study.path(),
            &format!("{SEQUENCES} --regions-file loci.bed"),
        )
        .stderr(lost)
        .output()
        .unwrap();
        assert!(output.status.success(), "{:?}", output.status);
        assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    }
    let refused = command(
        study.path(),
        "sequences --vcf none.vcf --reference reference.fa --regions X:1-9",
    )
    .stderr(closed_pipe())
    .output()
    .unwrap();
    assert_eq!(refused.status.code(), Some(1));
}

#[test]
fn results_of_other_work_are_not_overwritten() {
    let study = study();
    let run = format!("{SEQUENCES} --out d --regions");
    succeed(study.path(), &format!("{run} chr1:1-30"));
    succeed(study.path(), &format!("{run} chr1:1-30"));
    refuse(
        study.path(),
        &format!("{run} X:1-30"),
        &[
            "d: the folder has results of the same command with a different `regions`",
            "--force",
        ],
    );
    refuse(
        study.path(),
        &format!("{run} chr1:1-30 --samples S1"),
        &["a different `samples`", "--out", "--force"],
    );
    succeed(study.path(), &format!("{run} X:1-30 --force"));
    fs::write(
        study.path().join("reference.fa"),
        format!(">chr1\n{CHR1}\n>X\n{X}\n>Y\nA\n"),
    )
    .unwrap();
    refuse(
        study.path(),
        &format!("{run} X:1-30"),
        &["with a different content of reference.fa"],
    );
}

#[test]
fn lists_take_values_commas_or_both_and_zero_threads_are_all_cores() {
    let study = study();
    let whole = expected();
    write(study.path(), "a.vcf", vcf(&CONTIGS, &PEOPLE, &ON_CHR1));
    write(study.path(), "b.vcf", vcf(&CONTIGS, &PEOPLE, &ON_X));
    for files in ["a.vcf b.vcf", "a.vcf,b.vcf", "a.vcf --vcf b.vcf"] {
        let arguments = format!(
            "sequences --vcf {files} --reference reference.fa --regions-file loci.bed --threads 0"
        );
        assert_eq!(fasta(&succeed(study.path(), &arguments)), whole, "{files}");
    }
    for people in ["S1,S3", "S1 S3", "S1, S3", "^S2"] {
        let sequences = sequences(
            study.path(),
            &format!("--regions-file loci.bed --samples {people}"),
        );
        assert_eq!(sequences.len(), 8, "{people}");
    }
    for regions in ["chr1:1-30,X:1-30", "chr1:1-30 X:1-30"] {
        assert_eq!(
            sequences(study.path(), &format!("--regions {regions}")).len(),
            12,
            "{regions}"
        );
    }
}

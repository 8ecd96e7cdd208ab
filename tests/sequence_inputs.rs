//! What `sequences` reads and writes beside the alleles themselves: several files, standard input, regions, choices of people, strands,
//! names of contigs, compressed references, and the tables. The alleles are in `haplotype_cases.rs`.

// Helpers of tests may panic as tests do; clippy knows only the functions marked #[test].
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::Path,
    process::{Output, Stdio},
};

use flate2::{Compression, write::GzEncoder};
use gf_genomics::{sequence::Dictionary, tokenization::Folder};
use noodles::bgzf;
use support::{command, fasta, files, refuse, rows, run, stderr, succeed};
use tempfile::TempDir;

const CHR1: &str = "ACGTACGTACGTACGTACGTACGTACGTAC";
const X: &str = "TTTTTGGGGGCCCCCAAAAATTTTTGGGGG";
const SEQUENCES: &str = "sequences --vcf cohort.vcf --reference reference.fa";
const PEOPLE: [&str; 3] = ["S1", "S2", "S3"];

fn vcf(contigs: &[(&str, usize)], people: &[&str], records: &[&str]) -> String {
    let mut text = "##fileformat=VCFv4.2\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">\n".to_owned();
    for (name, len_nt) in contigs {
        writeln!(text, "##contig=<ID={name},length={len_nt}>").unwrap();
    }
    writeln!(text, "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{}", people.join("\t")).unwrap();
    for record in records {
        let cells: Vec<&str> = record.split(' ').collect();
        let [contig, position, ref_allele, alt_allele, genotypes @ ..] = &cells[..] else { panic!("{record}") };
        writeln!(text, "{contig}\t{position}\t.\t{ref_allele}\t{alt_allele}\t.\tPASS\t.\tGT\t{}", genotypes.join("\t")).unwrap();
    }
    text
}

const CONTIGS: [(&str, usize); 2] = [("chr1", 30), ("X", 30)];
const ON_CHR1: [&str; 2] = ["chr1 5 A G 0|1 1|1 0|0", "chr1 9 ACG A 1|0 0|0 0|1"];
const ON_X: [&str; 1] = ["X 6 G A 0|1 1|0 1|1"];

/// Three people on two contigs, and a locus on each.
fn study() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("reference.fa"), format!(">chr1\n{CHR1}\n>X\n{X}\n")).unwrap();
    fs::write(at("loci.bed"), "chr1\t0\t30\tONE\nX\t0\t30\tTWO\n").unwrap();
    fs::write(at("cohort.vcf"), vcf(&CONTIGS, &PEOPLE, &[&ON_CHR1[..], &ON_X].concat())).unwrap();
    folder
}

/// What the whole study gives, written by hand.
fn expected() -> BTreeMap<String, String> {
    let bases = [
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
    ];
    bases.map(|(name, bases)| (name.to_owned(), bases.to_owned())).into_iter().collect()
}

/// The part of [`expected`] whose names hold `text`.
fn expected_of(text: &str) -> BTreeMap<String, String> {
    expected().into_iter().filter(|(name, _)| name.contains(text)).collect()
}

fn sequences(folder: &Path, options: &str) -> BTreeMap<String, String> {
    fasta(&succeed(folder, &format!("{SEQUENCES} {options}")))
}

fn bgzip(blocks: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
    let mut writer = bgzf::io::Writer::new(Vec::new());
    let (mut offsets, mut n_bytes) = (Vec::new(), 0_u64);
    for block in blocks {
        writer.write_all(block).unwrap();
        writer.flush().unwrap();
        n_bytes += block.len() as u64;
        offsets.push([writer.get_ref().len() as u64, n_bytes]);
    }
    // A `.gzi` file: the number of blocks but the first, then where each begins in the compressed and in the plain file.
    offsets.pop();
    let numbers = std::iter::once(offsets.len() as u64).chain(offsets.into_iter().flatten());
    (writer.finish().unwrap(), numbers.flat_map(u64::to_le_bytes).collect())
}

#[test]
fn fasta_has_a_record_for_each_person_locus_and_haplotype() {
    let study = study();
    let text = succeed(study.path(), &format!("{SEQUENCES} --regions-file loci.bed"));
    assert_eq!(fasta(&text), expected());
    assert!(text.starts_with(">S1 ONE 1\nACGTACGTATACGTACGTACGTACGTAC\n>S1 ONE 2\n"), "{text}");
    succeed(study.path(), &format!("{SEQUENCES} --regions-file loci.bed -o out.fa"));
    assert_eq!(fs::read_to_string(study.path().join("out.fa")).unwrap(), text);
}

#[test]
fn sequences_are_wrapped_at_60_bases() {
    let folder = tempfile::tempdir().unwrap();
    let bases = CHR1.repeat(5);
    fs::write(folder.path().join("reference.fa"), format!(">chr1\n{bases}\n")).unwrap();
    fs::write(folder.path().join("cohort.vcf"), vcf(&[("chr1", 150)], &["S1"], &["chr1 5 A G 0|0"])).unwrap();
    let text = succeed(folder.path(), &format!("{SEQUENCES} --regions chr1:1-150"));
    let widths: Vec<usize> = text.lines().filter(|line| !line.starts_with('>')).map(str::len).collect();
    assert_eq!(widths, [60, 60, 30, 60, 60, 30]);
}

#[test]
fn regions_on_the_command_line_are_one_based_and_named_by_their_text() {
    let study = study();
    let found = sequences(study.path(), "--regions chr1:5-12,X:6-6 --samples S1");
    let expected = [("S1 chr1:5-12 1", "ACGTAT"), ("S1 chr1:5-12 2", "GCGTACGT"), ("S1 X:6-6 1", "G"), ("S1 X:6-6 2", "A")];
    assert_eq!(found, expected.map(|(name, bases)| (name.to_owned(), bases.to_owned())).into_iter().collect());
    refuse(study.path(), &format!("{SEQUENCES} --regions chr1:20-31"), &["chr1:20-31", "30"]);
    for regions in ["chr1:9-5", "chr1:0-5", "chr1:x-5"] {
        let output = run(study.path(), &format!("{SEQUENCES} --regions {regions}"));
        assert!(!output.status.success() && stderr(&output).contains(regions), "{regions}: {}", stderr(&output));
    }
    for arguments in [SEQUENCES.to_owned(), format!("{SEQUENCES} --regions chr1:5-12 --regions-file loci.bed")] {
        assert_eq!(run(study.path(), &arguments).status.code(), Some(2), "{arguments}");
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
        assert_eq!(sequences(study.path(), &format!("--regions-file loci.bed {options}")), expected, "{options}");
    }
    for options in ["--samples S1,Nobody", "--samples ^Nobody"] {
        refuse(study.path(), &format!("{SEQUENCES} --regions-file loci.bed {options}"), &["cohort.vcf", "`Nobody`"]);
    }
    let nobody = run(study.path(), &format!("{SEQUENCES} --regions-file loci.bed --samples ^S1,S2,S3"));
    assert_eq!(nobody.status.code(), Some(1), "{}", stderr(&nobody));
}

/// The policies look at the people chosen, not at the others of the file.
#[test]
fn people_who_are_not_chosen_cannot_stop_a_run() {
    let study = study();
    fs::write(study.path().join("cohort.vcf"), vcf(&CONTIGS, &PEOPLE, &["chr1 5 A G 0|1 0/1 1", "X 6 G A 0|0 0|0 0|0"])).unwrap();
    refuse(study.path(), &format!("{SEQUENCES} --regions-file loci.bed"), &["chr1:5", "sample `S2`"]);
    assert_eq!(sequences(study.path(), "--regions-file loci.bed --samples S1").len(), 4);
}

#[test]
fn several_files_with_one_contig_each_are_read_as_one() {
    let study = study();
    let at = |name: &str| study.path().join(name);
    fs::write(at("chr1.vcf"), vcf(&CONTIGS, &PEOPLE, &ON_CHR1)).unwrap();
    // The same people, in another order of columns.
    fs::write(at("x.vcf"), vcf(&CONTIGS, &["S3", "S1", "S2"], &["X 6 G A 1|1 0|1 1|0"])).unwrap();
    let options = "--reference reference.fa --regions-file loci.bed";
    let found = fasta(&succeed(study.path(), &format!("sequences --vcf chr1.vcf x.vcf {options}")));
    assert_eq!(found, expected());
    assert_eq!(fasta(&succeed(study.path(), &format!("sequences --vcf x.vcf chr1.vcf {options}"))), expected());
    // A file without one of the people.
    fs::write(at("x.vcf"), vcf(&CONTIGS, &["S3", "S1"], &["X 6 G A 1|1 0|1"])).unwrap();
    refuse(study.path(), &format!("sequences --vcf chr1.vcf x.vcf {options}"), &["x.vcf", "`S2`"]);
    // A locus of which no file has a record.
    refuse(study.path(), &format!("sequences --vcf chr1.vcf {options}"), &["chr1.vcf", "TWO"]);
}

/// Runs `sequences --vcf -` with bytes on standard input.
fn from_stdin(folder: &Path, bytes: &[u8]) -> Output {
    let arguments = "sequences --vcf - --reference reference.fa --regions-file loci.bed";
    let mut child = command(folder, arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The program may end before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(bytes);
    child.wait_with_output().unwrap()
}

#[test]
fn standard_input_is_a_file_like_others() {
    let study = study();
    let plain = fs::read(study.path().join("cohort.vcf")).unwrap();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&plain).unwrap();
    let halves = plain.split_at(plain.len() / 2);
    let bgzipped = bgzip(&[halves.0, halves.1]).0;
    for bytes in [&plain, &gzip.finish().unwrap(), &bgzipped] {
        let output = from_stdin(study.path(), bytes);
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(fasta(&String::from_utf8(output.stdout).unwrap()), expected());
    }
    for bytes in [&b""[..], b"##fileformat=VCFv4.2\n", &bgzipped[..bgzipped.len() - 40], CHR1.as_bytes()] {
        let output = from_stdin(study.path(), bytes);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_locus_on_the_reverse_strand_is_the_reverse_complement() {
    let study = study();
    fs::write(study.path().join("loci.bed"), "chr1\t4\t12\tFORWARD\t0\t+\nchr1\t4\t12\tREVERSE\t0\t-\nX\t0\t8\tTWO\t.\t.\n").unwrap();
    let found = sequences(study.path(), "--regions-file loci.bed --samples S1");
    let expected = [
        ("S1 FORWARD 1", "ACGTAT"),
        ("S1 FORWARD 2", "GCGTACGT"),
        ("S1 REVERSE 1", "ATACGT"),
        ("S1 REVERSE 2", "ACGTACGC"),
        ("S1 TWO 1", "TTTTTGGG"),
        ("S1 TWO 2", "TTTTTAGG"),
    ];
    assert_eq!(found, expected.map(|(name, bases)| (name.to_owned(), bases.to_owned())).into_iter().collect());
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
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("reference.fa"), format!(">{in_fasta}\n{CHR1}\n")).unwrap();
        fs::write(at("loci.bed"), format!("{in_bed}\t0\t30\tONE\n")).unwrap();
        fs::write(at("cohort.vcf"), vcf(&[(in_vcf, 30)], &["S1"], &[&format!("{in_vcf} 5 A G 0|1")])).unwrap();
        let found = sequences(folder.path(), "--regions-file loci.bed");
        assert_eq!(found["S1 ONE 2"], "ACGTGCGTACGTACGTACGTACGTACGTAC", "{in_vcf} {in_fasta} {in_bed}");
        // Of another length it is another build.
        fs::write(at("cohort.vcf"), vcf(&[(in_vcf, 31)], &["S1"], &[&format!("{in_vcf} 5 A G 0|1")])).unwrap();
        refuse(folder.path(), &format!("{SEQUENCES} --regions-file loci.bed"), &["reference.fa", "30 nt", "31 nt", "build"]);
    }
}

#[test]
fn a_chromosome_is_one_under_all_its_names_but_not_in_two_builds() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let write = |in_fasta: &str, in_vcf: &str, in_bed: &str| {
        fs::write(at("reference.fa"), format!(">{in_fasta}\n{CHR1}\n")).unwrap();
        fs::write(at("loci.bed"), format!("{in_bed}\t0\t30\tONE\n")).unwrap();
        let contig = format!("##contig=<ID={in_vcf}>\n#CHROM");
        let text = vcf(&[], &["S1"], &[&format!("{in_vcf} 5 A G 0|1")]).replace("#CHROM", &contig);
        fs::write(at("cohort.vcf"), text).unwrap();
    };
    let names = [
        ("NC_000001.11", "chr1", "1"),
        ("CHR1", "01", "NC_000001.11"),
        ("chrX", "23", "x"),
        ("X", "PAR1", "XY"),
        ("MT", "26", "chrM"),
        ("NC_000024.10", "24", "chrY"),
    ];
    for (in_fasta, in_vcf, in_bed) in names {
        write(in_fasta, in_vcf, in_bed);
        let found = sequences(folder.path(), "--regions-file loci.bed");
        assert_eq!(found["S1 ONE 2"], "ACGTGCGTACGTACGTACGTACGTACGTAC", "{in_fasta} {in_vcf} {in_bed}");
    }
    for (in_fasta, in_vcf, in_bed) in [("NC_000001.11", "NC_000001.10", "1"), ("NC_000001.11", "1", "NC_000001.10")] {
        write(in_fasta, in_vcf, in_bed);
        refuse(folder.path(), &format!("{SEQUENCES} --regions-file loci.bed"), &["NC_000001.10", "NC_000001.11", "another build"]);
    }
}

#[test]
fn records_with_ref_and_alt_exchanged_are_refused_by_that_name() {
    let study = study();
    fs::write(study.path().join("cohort.vcf"), vcf(&CONTIGS, &["S1"], &["chr1 13 C A 1|0", "X 6 G A 0|0"])).unwrap();
    refuse(study.path(), &format!("{SEQUENCES} --regions-file loci.bed"), &["chr1:13: ", "are REF and ALT swapped", "--ref-from-fa"]);
}

#[test]
fn a_ref_mismatch_names_the_nearest_places_where_it_would_fit() {
    let study = study();
    fs::write(study.path().join("cohort.vcf"), vcf(&CONTIGS, &["S1"], &["chr1 13 GTACG G 1|0", "X 6 G A 0|0"])).unwrap();
    let message = support::refusal(study.path(), &format!("{SEQUENCES} --regions-file loci.bed"), &["chr1:13: ", "GRCh37"]);
    let numbers: Vec<&str> = message.split(|c: char| !c.is_ascii_digit()).collect();
    // GTACG stands at 3, 7, 11, 15, 19 and 23.
    for place in ["11", "15"] {
        assert!(numbers.contains(&place), "no {place} in: {message}");
    }
    assert!(!numbers.contains(&"23"), "{message}");
}

#[test]
fn a_bgzipped_reference_is_read_with_and_without_its_indexes() {
    let study = study();
    let plain = fs::read(study.path().join("reference.fa")).unwrap();
    let at = |name: &str| study.path().join(name);
    // Blocks end in the middle of the sequences.
    let (compressed, gzi) = bgzip(&[&plain[..16], &plain[16..45], &plain[45..]]);
    fs::write(at("reference.fa.gz"), compressed).unwrap();
    let arguments = "sequences --vcf cohort.vcf --reference reference.fa.gz --regions-file loci.bed";
    assert_eq!(fasta(&succeed(study.path(), arguments)), expected());
    // Name, length, offset, bases and bytes a line.
    fs::write(at("reference.fa.gz.fai"), "chr1\t30\t6\t30\t31\nX\t30\t40\t30\t31\n").unwrap();
    fs::write(at("reference.fa.gz.gzi"), gzi).unwrap();
    assert_eq!(fasta(&succeed(study.path(), arguments)), expected());
    fs::write(at("reference.fa.fai"), "chr1\t30\t6\t30\t31\nX\t30\t40\t30\t31\n").unwrap();
    assert_eq!(sequences(study.path(), "--regions-file loci.bed"), expected());
}

/// Haplotypes without a base are rows like others: in FASTA, in the dictionary, and as `[CLS][SEP]` in the tokens.
#[test]
fn an_empty_haplotype_is_written_and_tokenized() {
    let study = study();
    let folder = study.path();
    let record = "chr1 4 TACGTACGTACGT T 1|0 1|1 0|0";
    fs::write(folder.join("cohort.vcf"), vcf(&CONTIGS, &PEOPLE, &[record, ON_X[0]])).unwrap();
    fs::write(folder.join("loci.bed"), "chr1\t4\t12\tGONE\nX\t0\t30\tTWO\n").unwrap();
    let text = succeed(folder, &format!("{SEQUENCES} --regions-file loci.bed"));
    assert!(text.contains(">S1 GONE 1\n>S1 GONE 2\nACGTACGT\n>S2 GONE 1\n>S2 GONE 2\n>S3 GONE 1\nACGTACGT\n"), "{text}");

    fs::write(folder.join("cohort.csv"), "sample_id,phenotype,split\nS1,case,train\nS2,control,train\nS3,case,test\n").unwrap();
    succeed(
        folder,
        "tokenize --vcf cohort.vcf --reference reference.fa --regions-file loci.bed --cohort cohort.csv --covariates none --out tokens",
    );
    let tokens = Folder::load(&folder.join("tokens")).unwrap().tokens;
    let locus = tokens.loci.iter().find(|locus| locus.name == "GONE").unwrap();
    let special: BTreeMap<String, u32> = special_tokens(&folder.join("tokens/tokenizer.json"));
    let [empty, reference] = locus.pairs[0];
    let letters =
        |haplotype: u32| -> Vec<u32> { locus.row(haplotype).iter().copied().filter(|token| *token != special["[PAD]"]).collect() };
    assert_eq!(letters(empty), [special["[CLS]"], special["[SEP]"]]);
    assert!(letters(reference).len() > 2);
    assert_eq!(locus.pairs[1], [empty, empty]);
}

fn special_tokens(tokenizer: &Path) -> BTreeMap<String, u32> {
    let json: serde_json::Value = serde_json::from_slice(&fs::read(tokenizer).unwrap()).unwrap();
    let tokens = json["added_tokens"].as_array().unwrap().iter();
    tokens.map(|token| (token["content"].as_str().unwrap().to_owned(), token["id"].as_u64().unwrap() as u32)).collect()
}

#[test]
fn the_dictionary_holds_the_same_haplotypes_as_the_fasta() {
    let study = study();
    let found = sequences(study.path(), "--regions-file loci.bed --out dictionary");
    let made: Vec<String> = files(&study.path().join("dictionary")).into_keys().map(|path| path.display().to_string()).collect();
    for name in ["loci.json", "pairs.csv", "skips.csv"] {
        assert!(made.iter().any(|path| path == name), "no {name} in {made:?}");
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
    assert!(found.is_empty() || found == expected());
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
    fs::write(study.path().join("cohort.vcf"), vcf(&CONTIGS, &PEOPLE, &records)).unwrap();
    let output = run(study.path(), &format!("{SEQUENCES} --regions-file loci.bed -o out.fa --skips skips.csv"));
    assert!(output.status.success(), "{}", stderr(&output));
    let text = fs::read_to_string(study.path().join("skips.csv")).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.remove(0), "sample_id,haplotype,locus,contig,position,reason");
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
        assert!(stderr(&output).lines().any(|line| line == format!("{reason}: 1")), "{reason}: {}", stderr(&output));
    }
    assert_eq!(rows(&study.path().join("skips.csv")).len(), 5);
    assert!(!fs::read_to_string(study.path().join("out.fa")).unwrap().contains(">S3 TWO 2"));
}

/// The genotypes of a VCF without phase, with the alleles of every other person turned round.
fn without_phase(text: &str) -> String {
    let turned = |(column, cell): (usize, &str)| match cell.split_once('|') {
        Some((a, b)) if column % 2 == 0 => format!("{b}/{a}"),
        Some((a, b)) => format!("{a}/{b}"),
        None => cell.to_owned(),
    };
    let line = |line: &str| {
        if line.starts_with('#') {
            return line.to_owned();
        }
        line.split('\t').enumerate().map(turned).collect::<Vec<_>>().join("\t")
    };
    text.lines().flat_map(|text| [line(text), "\n".to_owned()]).collect()
}

#[test]
fn a_cohort_without_phase_is_refused_as_haplotypes_and_the_same_as_with_phase_as_genotype_symbols() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    succeed(folder, "simulate --people 60 --len-nt 3000 --risk null --out .");
    let mut phased = String::new();
    let compressed = fs::File::open(folder.join("cohort.vcf.gz")).unwrap();
    std::io::Read::read_to_string(&mut bgzf::io::Reader::new(compressed), &mut phased).unwrap();
    fs::write(folder.join("unphased.vcf"), without_phase(&phased)).unwrap();

    let tokenize = |vcf: &str| format!("tokenize --vcf {vcf} --reference reference.fa --regions-file loci.bed --cohort cohort.csv");
    refuse(folder, &format!("{} --out refused", tokenize("unphased.vcf")), &["unphased heterozygote", "--encoding diploid"]);
    succeed(folder, &format!("{} --encoding diploid --out phased", tokenize("cohort.vcf.gz")));
    succeed(folder, &format!("{} --encoding diploid --out unphased", tokenize("unphased.vcf")));
    for name in ["tokenizer.json", "grid.json", "tokens.safetensors", "genome.json", "loci.json", "pairs.csv"] {
        assert_eq!(fs::read(folder.join("phased").join(name)).unwrap(), fs::read(folder.join("unphased").join(name)).unwrap(), "{name}");
    }

    succeed(folder, "train --tokens phased --cohort cohort.csv --epochs 1 --layers 1 --projected-length 8 --out model");
    succeed(folder, "score --vcf unphased.vcf --reference reference.fa --model model --cohort cohort.csv -o risk.csv");
    let logits = |table: &str| -> BTreeMap<String, f64> {
        rows(&folder.join(table)).into_iter().map(|row| (row["sample_id"].clone(), row["logit"].parse().unwrap())).collect()
    };
    let (predicted, scored) = (logits("model/predictions.csv"), logits("risk.csv"));
    assert_eq!(scored.len(), 60);
    for (person, logit) in predicted {
        assert!((logit - scored[&person]).abs() <= 1e-5, "{person}: {logit} and {}", scored[&person]);
    }
}

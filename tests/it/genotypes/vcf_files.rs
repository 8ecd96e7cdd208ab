//! VCF and BCF files: conformance files and real ones compared with bcftools, and files that are
//! cut or damaged, read as a file, through an index and from a pipe. Every file gives the whole
//! right table or an error, never a panic.

use std::{
    fmt::Write as _,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use crate::support::{
    command,
    compression::{Bgzf, bgzip, write_tabix},
    no_oracle, paths_with, real_data, stderr,
};
use gf_genotypes::{
    ABSENT, DisjointRegions, Error, Genotype, Locus, MISSING, Position0, Strand, VariantFile,
    VariantRecord,
};
use noodles::{bcf, csi, vcf};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Contig, position, REF, ALT and the genotypes, as `bcftools query` prints them.
type Table = Vec<String>;

fn gt(genotype: Genotype) -> String {
    let separator = if genotype.phased { '|' } else { '/' };
    match genotype.alleles {
        [first, ABSENT] => gt_allele(first),
        [first, second] => format!("{}{separator}{}", gt_allele(first), gt_allele(second)),
    }
}

fn gt_allele(allele: i16) -> String {
    if allele == MISSING {
        ".".to_owned()
    } else {
        allele.to_string()
    }
}

fn row(record: &VariantRecord) -> String {
    let alt = record
        .alt_alleles
        .iter()
        .map(|alt| String::from_utf8_lossy(alt))
        .collect::<Vec<_>>()
        .join(",");
    let mut row = format!(
        "{}\t{}\t{}\t",
        record.contig,
        record.position,
        String::from_utf8_lossy(&record.ref_allele)
    );
    row.push_str(if alt.is_empty() { "." } else { &alt });
    for genotype in &record.genotypes {
        let text = if record.has_genotypes {
            gt(*genotype)
        } else {
            ".".to_owned()
        };
        write!(row, "\t{text}").unwrap();
    }
    row
}

/// The table of a file, or of its records that overlap loci; checks `not_reference` as well.
fn table(path: &Path, loci: Option<&[Locus]>) -> Result<Table, Error> {
    let mut rows = Table::new();
    let regions = loci.map(DisjointRegions::of_loci);
    VariantFile::open(path)?.for_each(regions.as_ref(), |record| {
        let others = (0..)
            .zip(&record.genotypes)
            .filter(|(_, genotype)| genotype.alleles != [0, 0])
            .map(|(person, _)| person);
        assert!(
            others.eq(record.not_reference.iter().copied()),
            "{}",
            row(record)
        );
        rows.push(row(record));
        Ok::<_, Error>(())
    })?;
    Ok(rows)
}

fn files_of(folder: &str) -> Vec<PathBuf> {
    real_data(folder).map_or(Vec::new(), |folder| paths_with(&folder, ".vcf"))
}

fn name_of(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

/// A refusal is one line, and names the file.
fn assert_is_clear(path: &Path, error: &Error) -> String {
    let message = error.to_string();
    assert!(
        message.contains(name_of(path)) && !message.contains('\n'),
        "{}: {message}",
        path.display()
    );
    message
}

// Conformance files (hts-specs) and real ones

/// Valid files that are refused, each with a part of the message.
const RIGHT_BUT_REFUSED: [(&str, &str); 6] = [
    // `<1>` is a contig of an assembly file; `1` comes back after it.
    (
        "complexfile_passed_000.vcf",
        "line 50: 1:30923: this record comes after <1>:10611",
    ),
    // GT names an allele of a record whose ALT is `.`.
    (
        "passed_body_alt.vcf",
        "names allele 1, but the record has only 0 ALT",
    ),
    // Three alleles in one person.
    ("passed_ploidy_000.vcf", "`0|0|1` has more than two alleles"),
    ("passed_ploidy_001.vcf", "`0|1|1` has more than two alleles"),
    // No samples at all.
    ("passed_fileformat_header_000.vcf", "no sample columns"),
    ("passed_meta_", "no sample columns"),
];

#[test]
fn right_files_are_read_or_it_is_known_why_not() {
    for path in files_of("vcf-conformance/4.2/passed") {
        let refused = RIGHT_BUT_REFUSED
            .iter()
            .find(|(name, _)| name_of(&path).starts_with(name));
        match (table(&path, None), refused) {
            (Ok(_), None) => {}
            (Ok(_), Some(_)) => {
                panic!("{} is read after all: take it off the list", path.display())
            }
            (Err(error), None) => panic!("{}: {error}", path.display()),
            (Err(error), Some((_, expected))) => {
                let message = assert_is_clear(&path, &error);
                assert!(message.contains(expected), "{message}");
            }
        }
    }
}

/// Invalid files that are read, because their errors do not concern genotypes, by the beginning of
/// their names.
const WRONG_BUT_READ: [&str; 20] = [
    // IUPAC codes in REF and ALT (compared with the FASTA, and read as N, by `sequences`); a
    // breakend without a base.
    "failed_body_ref_001",
    "failed_body_alt_000",
    "failed_body_alt_005",
    // Contig names with `<`, `:` or a comma: they are only compared with those of FASTA and BED.
    "failed_body_chrom_000",
    "failed_body_chrom_001",
    "failed_body_chrom_003",
    // The same variant twice: `sequences` applies it once and counts it.
    "failed_body_duplicated_",
    // Columns that are not read, or only as names: ID, QUAL, FILTER, INFO.
    "failed_body_id_",
    "failed_body_qual_",
    "failed_body_filter_",
    "failed_body_info_",
    // FORMAT keys beside GT, and their values.
    "failed_body_format_000",
    "failed_body_format_001",
    "failed_body_format_003",
    "failed_body_sample_003",
    "failed_body_sample_004",
    "failed_body_sample_005",
    "failed_body_sample_006",
    // (007 to 010 are the like of 004 to 006.)
    "failed_body_sample_0",
    // As many PL as the ploidy does not ask for.
    "failed_body_samples_ploidy_",
];

/// Files with errors in the genotypes or in the columns that are needed to read them; they must be
/// refused even where [`WRONG_BUT_READ`] has the beginning of their name.
const WRONG_AND_REFUSED: [&str; 5] = [
    "failed_body_sample_000",
    "failed_body_sample_001",
    "failed_body_sample_002",
    "failed_body_sample_011",
    "failed_body_unsorted_000",
];

#[test]
fn wrong_files_are_refused_unless_genotypes_can_be_read_all_the_same() {
    for path in files_of("vcf-conformance/4.2/failed") {
        let may_be_read =
            starts_with_any(&path, &WRONG_BUT_READ) && !starts_with_any(&path, &WRONG_AND_REFUSED);
        match table(&path, None) {
            Ok(_) => assert!(may_be_read, "{} is read", path.display()),
            Err(error) => {
                let message = assert_is_clear(&path, &error);
                assert!(!may_be_read, "{message}: take it off the list");
            }
        }
    }
}

fn starts_with_any(path: &Path, names: &[&str]) -> bool {
    names.iter().any(|name| name_of(path).starts_with(name))
}

#[test]
fn odd_files_are_read_or_refused_for_what_they_are() {
    for path in files_of("vcf-various") {
        // Cut from a pangenome: positions of the genome on a contig of 97,395 nt.
        let beyond = [
            "vcflib_10158243.vcf",
            "vcflib_test-dup.vcf",
            "vcflib_test-multi.vcf",
        ]
        .contains(&name_of(&path));
        let mut file = VariantFile::open(&path).unwrap();
        file.for_each(None, |_| Ok::<_, Error>(())).unwrap();
        let warnings = file.passed_over().join("\n");
        assert_eq!(
            warnings.contains("beyond the contig length in the header (`grch38#chr4`"),
            beyond,
            "{warnings}"
        );
    }
}

#[test]
fn what_bcftools_reads_too_it_reads_alike() {
    let mut n_compared = 0;
    for path in [
        "vcf-conformance/4.2/passed",
        "vcf-conformance/4.2/failed",
        "vcf-various",
        "chr20",
        "apoe",
    ]
    .map(files_of)
    .concat()
    {
        if path.extension().is_some_and(|extension| extension == "tbi") {
            continue;
        }
        let Ok(ours) = table(&path, None) else {
            continue;
        };
        let format = "%CHROM\\t%POS\\t%REF\\t%ALT[\\t%GT]\\n";
        let Ok(theirs) = Command::new("bcftools")
            .args(["query", "-f", format])
            .arg(&path)
            .output()
        else {
            no_oracle("no bcftools on this machine");
            return;
        };
        // bcftools prints `[E::...]` and ends with exit code 0 where it skips a record.
        if !theirs.status.success() || String::from_utf8_lossy(&theirs.stderr).contains("[E::") {
            continue;
        }
        let theirs = String::from_utf8_lossy(&theirs.stdout).into_owned();
        // Records of telomeres, at POS 0, are skipped here.
        let theirs: Table = theirs
            .lines()
            .filter(|row| row.split('\t').nth(1) != Some("0"))
            .map(upper_case_alleles)
            .collect();
        assert!(
            ours == theirs,
            "{}: {:?}",
            path.display(),
            ours.iter().zip(&theirs).find(|(a, b)| a != b)
        );
        n_compared += 1;
    }
    eprintln!("{n_compared} files as bcftools reads them");
}

/// REF and ALT in upper case where they are bases, as they are read here.
fn upper_case_alleles(row: &str) -> String {
    let mut columns: Vec<String> = row.split('\t').map(str::to_owned).collect();
    for column in &mut columns[2..4] {
        let alleles = column.split(',').map(|allele| {
            if allele.bytes().all(|byte| byte.is_ascii_alphabetic()) {
                allele.to_ascii_uppercase()
            } else {
                allele.to_owned()
            }
        });
        *column = alleles.collect::<Vec<_>>().join(",");
    }
    columns.join("\t")
}

// Cut and damaged files

const N_PEOPLE: usize = 30;
const CONTIG_NT: usize = 5_000;

fn everything() -> Vec<Locus> {
    vec![Locus {
        name: "all".into(),
        contig: "7".into(),
        start0: Position0::FIRST,
        end0: Position0::new(CONTIG_NT),
        strand: Strand::Forward,
    }]
}

/// The lines of a VCF file with records of every kind that reads quickly or slowly.
fn vcf_lines(rng: &mut ChaCha8Rng) -> Vec<String> {
    let names: Vec<String> = (1..=N_PEOPLE)
        .map(|person| format!("S{person:02}"))
        .collect();
    let mut lines: Vec<String> = [
        "##fileformat=VCFv4.2",
        "##contig=<ID=6,length=10>",
        "##contig=<ID=7,length=5000>",
        "##FILTER=<ID=q10,Description=\"Low\">",
        "##INFO=<ID=END,Number=1,Type=Integer,Description=\"End\">",
        "##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">",
        "##FORMAT=<ID=PS,Number=1,Type=Integer,Description=\"Phase set\">",
    ]
    .map(str::to_owned)
    .to_vec();
    lines.push(format!(
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{}",
        names.join("\t")
    ));
    for number in 0..100 {
        let position = 10 + 40 * number;
        let (ref_allele, alt, info) = [
            ("A", "C", "."),
            ("A", "C,G", "."),
            ("ACG", "A", "."),
            ("A", "<DEL>", "END=4100"),
        ][number % 4];
        let format = if number % 10 == 9 { "GT:PS" } else { "GT" };
        let mut line = format!("7\t{position}\t.\t{ref_allele}\t{alt}\t.\tPASS\t{info}\t{format}");
        for _ in 0..N_PEOPLE {
            let call = match rng.random_range(0..40) {
                0 => "./.",
                1 => "0/1",
                2 => "1/1",
                3..10 => "0|1",
                10..14 => "1|0",
                _ => "0|0",
            };
            write!(
                line,
                "\t{call}{}",
                if format == "GT" {
                    String::new()
                } else {
                    format!(":{position}")
                }
            )
            .unwrap();
        }
        lines.push(line);
    }
    lines
}

/// A compressed file made for one test, with its index.
struct Sample {
    _folder: tempfile::TempDir,
    path: PathBuf,
    compressed: Bgzf,
    /// The table of the undamaged file.
    table: Table,
}

impl Sample {
    /// Writes the file with its index.
    fn new(name: &str, blocks: &[Vec<u8>]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        let compressed = Bgzf::of_blocks(blocks);
        fs::write(&path, &compressed.bytes).unwrap();
        if path.extension().is_some_and(|extension| extension == "bcf") {
            let index = bcf::fs::index(&path).unwrap();
            csi::fs::write(folder.path().join(format!("{name}.csi")), &index).unwrap();
        } else {
            write_tabix(&path);
        }
        let table = table(&path, None).unwrap();
        assert_eq!(table.len(), 100);
        Self {
            _folder: folder,
            path,
            compressed,
            table,
        }
    }

    fn vcf() -> Self {
        let lines = vcf_lines(&mut ChaCha8Rng::seed_from_u64(3));
        let blocks: Vec<Vec<u8>> = lines
            .chunks(8)
            .map(|lines| (lines.join("\n") + "\n").into_bytes())
            .collect();
        Self::new("cohort.vcf.gz", &blocks)
    }

    fn bcf() -> Self {
        let bytes = bcf_bytes(&vcf_lines(&mut ChaCha8Rng::seed_from_u64(3)));
        let blocks: Vec<Vec<u8>> = bytes.chunks(700).map(<[u8]>::to_vec).collect();
        Self::new("cohort.bcf", &blocks)
    }

    /// Reads `bytes` in place of the file, by its index, as a stream and from a pipe. Each must
    /// give the whole table or a clear error; returns how many gave the table.
    fn survives(&self, bytes: &[u8], what: &str) -> usize {
        fs::write(&self.path, bytes).unwrap();
        let mut n_read = 0;
        for (way, result) in [
            ("with its index", table(&self.path, Some(&everything()))),
            ("as a stream", table(&self.path, None)),
            ("from a pipe", through_a_pipe(&self.path, bytes)),
        ] {
            match result {
                Ok(table) => {
                    assert!(
                        table == self.table,
                        "{what}, {way}: {} rows, another table, and no error",
                        table.len()
                    );
                    n_read += 1;
                }
                Err(error) => {
                    assert_is_clear(&self.path, &error);
                }
            }
        }
        n_read
    }
}

/// A VCF as uncompressed BCF.
fn bcf_bytes(lines: &[String]) -> Vec<u8> {
    let text = lines.join("\n") + "\n";
    let mut reader = vcf::io::Reader::new(text.as_bytes());
    let header = reader.read_header().unwrap();
    let mut writer = bcf::io::Writer::from(Vec::new());
    writer.write_header(&header).unwrap();
    for record in reader.records() {
        vcf::variant::io::Write::write_variant_record(&mut writer, &header, &record.unwrap())
            .unwrap();
    }
    writer.into_inner()
}

/// Reads bytes from a named pipe, which is standard input to the reader.
fn through_a_pipe(path: &Path, bytes: &[u8]) -> Result<Table, Error> {
    let pipe = path.with_file_name(format!("pipe.{}", name_of(path)));
    if !pipe.exists() {
        assert!(
            Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
    }
    thread::scope(|scope| {
        scope.spawn(|| {
            // The reader may close the pipe before the end.
            let _ = fs::OpenOptions::new()
                .write(true)
                .open(&pipe)
                .unwrap()
                .write_all(bytes);
        });
        table(&pipe, None)
    })
}

/// A file cut at the end of a block, or anywhere, is refused in every way of reading it.
fn assert_cuts_are_told(sample: &Sample) {
    let Bgzf { bytes, block_ends } = &sample.compressed;
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut ends = block_ends.clone();
    for _ in 0..200 {
        ends.push(rng.random_range(0..bytes.len()));
    }
    for end in ends {
        assert_eq!(
            sample.survives(&bytes[..end], &format!("cut at {end}")),
            0,
            "cut at {end} and read"
        );
    }
    assert_eq!(sample.survives(bytes, "whole"), 3);
}

fn assert_damage_is_told(sample: &Sample) {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    for _ in 0..200 {
        let mut bytes = sample.compressed.bytes.clone();
        let offset = rng.random_range(0..bytes.len());
        let flip = rng.random_range(1..=255_u8);
        bytes[offset] ^= flip;
        sample.survives(&bytes, &format!("byte {offset} ^ {flip}"));
    }
}

#[test]
fn a_vcf_cut_anywhere_is_refused() {
    assert_cuts_are_told(&Sample::vcf());
}

#[test]
fn a_bcf_cut_anywhere_is_refused() {
    assert_cuts_are_told(&Sample::bcf());
}

#[test]
fn a_vcf_with_a_wrong_byte_is_read_right_or_refused() {
    assert_damage_is_told(&Sample::vcf());
}

#[test]
fn a_bcf_with_a_wrong_byte_is_read_right_or_refused() {
    assert_damage_is_told(&Sample::bcf());
}

#[test]
fn text_and_bcf_hold_the_same() {
    let text = Sample::vcf();
    let binary = Sample::bcf();
    assert_eq!(text.table, binary.table);
    if let Ok(bcftools) = Command::new("bcftools")
        .args(["view", "-Ob", "-o"])
        .arg(text.path.with_extension("bcf"))
        .arg(&text.path)
        .status()
    {
        assert!(bcftools.success());
        assert_eq!(
            table(&text.path.with_extension("bcf"), None).unwrap(),
            text.table
        );
    }
}

#[test]
fn wrong_bytes_under_the_compression_are_never_a_panic() {
    let lines = vcf_lines(&mut ChaCha8Rng::seed_from_u64(3));
    let folder = tempfile::tempdir().unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(13);
    for (name, whole) in [
        ("x.vcf", (lines.join("\n") + "\n").into_bytes()),
        ("x.bcf", bcf_bytes(&lines)),
    ] {
        let path = folder.path().join(name);
        for _ in 0..1_500 {
            let mut bytes = whole.clone();
            for _ in 0..rng.random_range(1..4) {
                let place = rng.random_range(0..bytes.len());
                match rng.random_range(0..4) {
                    0 => bytes[place] = rng.random(),
                    1 => bytes[place] ^= 1 << rng.random_range(0..8),
                    2 => drop(bytes.remove(place)),
                    _ => bytes.insert(
                        place,
                        *b"\t\n0|/.:1,\0\xff".get(rng.random_range(0..11)).unwrap(),
                    ),
                }
            }
            fs::write(&path, &bytes).unwrap();
            if let Err(error) = table(&path, None) {
                assert_is_clear(&path, &error);
            }
        }
    }
}

// Indexes

#[test]
fn a_damaged_index_and_one_of_another_file_are_told() {
    let sample = Sample::vcf();
    let index = sample.path.with_file_name("cohort.vcf.gz.tbi");
    let whole = fs::read(&index).unwrap();
    for damaged in [&whole[..whole.len() / 2], b"", b"TBI\x01 not an index"] {
        fs::write(&index, damaged).unwrap();
        assert_index_is_refused(&sample, "the index is damaged");
    }
    for place in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x40;
        fs::write(&index, bytes).unwrap();
        match table(&sample.path, Some(&everything())) {
            Ok(table) => assert_eq!(table, sample.table, "byte {place}"),
            Err(error) => assert!(error.to_string().contains("tabix -f"), "{error}"),
        }
    }
    // The file has one record more than when it was indexed.
    fs::write(&index, &whole).unwrap();
    let mut lines = vcf_lines(&mut ChaCha8Rng::seed_from_u64(3));
    lines.insert(8, lines[8].replacen("7\t10\t", "7\t9\t", 1));
    let text = lines.join("\n") + "\n";
    fs::write(&sample.path, bgzip(text.as_bytes())).unwrap();
    assert_index_is_refused(&sample, "the index belongs to another file");
}

fn assert_index_is_refused(sample: &Sample, expected: &str) {
    let message = table(&sample.path, Some(&everything()))
        .unwrap_err()
        .to_string();
    for part in [
        "cohort.vcf.gz.tbi: ",
        expected,
        "make it again with `tabix -f cohort.vcf.gz`",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn an_index_older_than_its_file_is_warned_of() {
    let sample = Sample::vcf();
    let index = fs::File::options()
        .append(true)
        .open(sample.path.with_file_name("cohort.vcf.gz.tbi"))
        .unwrap();
    assert_eq!(VariantFile::open(&sample.path).unwrap().warnings(), [""; 0]);
    index
        .set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(100))
        .unwrap();
    let warnings = VariantFile::open(&sample.path).unwrap().warnings().to_vec();
    assert!(
        warnings.len() == 1
            && warnings[0].contains("cohort.vcf.gz.tbi: the index is older than its file"),
        "{warnings:?}"
    );
    assert_eq!(
        table(&sample.path, Some(&everything())).unwrap(),
        sample.table
    );
}

#[test]
fn by_the_index_exactly_what_overlaps_is_read() {
    let lines = vcf_lines(&mut ChaCha8Rng::seed_from_u64(3));
    for sample in [Sample::vcf(), Sample::bcf()] {
        let plain = sample.path.with_file_name("plain.vcf");
        fs::write(&plain, lines.join("\n")).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(14);
        for _ in 0..200 {
            let n_loci = rng.random_range(1..4);
            let loci: Vec<Locus> = (0..n_loci)
                .map(|number| {
                    let start0 = rng.random_range(0..CONTIG_NT - 1);
                    let end0 = (start0 + rng.random_range(1..200)).min(CONTIG_NT);
                    Locus {
                        name: number.to_string(),
                        contig: ["7", "chr7", "6"][number % 3].into(),
                        start0: Position0::new(start0),
                        end0: Position0::new(end0),
                        strand: Strand::Forward,
                    }
                })
                .collect();
            let expected = table(&plain, Some(&loci)).unwrap();
            assert_eq!(
                table(&sample.path, Some(&loci)).unwrap(),
                expected,
                "{loci:?}"
            );
        }
    }
}

// Standard input, people, and the shapes of text

#[test]
fn standard_input_is_read_once_in_every_format() {
    let text = Sample::vcf();
    let binary = Sample::bcf();
    let folder = text.path.parent().unwrap();
    write_reference(folder);
    fs::write(folder.join("loci.bed"), format!("7\t0\t{CONTIG_NT}\tall\n")).unwrap();
    let plain = (vcf_lines(&mut ChaCha8Rng::seed_from_u64(3)).join("\n") + "\n").into_bytes();
    let raw_bcf = bcf_bytes(&vcf_lines(&mut ChaCha8Rng::seed_from_u64(3)));
    let expected = sequences(folder, "cohort.vcf.gz", b"").unwrap();
    let bgzf_vcf = text.compressed;
    let bgzf_bcf = binary.compressed;
    for input in [&bgzf_vcf.bytes, &bgzf_bcf.bytes, &plain, &raw_bcf] {
        assert!(sequences(folder, "-", input) == Ok(expected.clone()));
    }
    for (input, expected) in [
        (&bgzf_vcf.bytes[..bgzf_vcf.block_ends[9]], "truncated"),
        (&bgzf_bcf.bytes[..bgzf_bcf.block_ends[9]], "truncated"),
        (&bgzf_vcf.bytes[..bgzf_vcf.bytes.len() - 1], "truncated"),
        (&raw_bcf[..raw_bcf.len() - 1], "truncated"),
        (b"", "the file is empty"),
        (b"not a VCF file at all", "this is not a VCF file"),
    ] {
        let message = sequences(folder, "-", input).unwrap_err();
        assert!(
            message.contains("error: -: ") && message.contains(expected),
            "{message}"
        );
    }
}

/// Writes `reference.fa` with the REF bases of [`vcf_lines`], A or ACG, at their positions.
fn write_reference(folder: &Path) {
    let mut bases: Vec<u8> = (0..CONTIG_NT)
        .map(|index| b"ACGT"[index * index % 7 % 4])
        .collect();
    for number in 0..100 {
        bases[9 + 40 * number..12 + 40 * number].copy_from_slice(b"ACG");
    }
    let fasta = [b">7\n", &bases[..], b"\n"].concat();
    fs::write(folder.join("reference.fa"), fasta).unwrap();
}

/// FASTA of `sequences --vcf VCF` with this standard input, or its standard error.
fn sequences(folder: &Path, vcf: &str, input: &[u8]) -> Result<String, String> {
    let arguments = format!(
        "sequences --vcf {vcf} --reference reference.fa --regions-file loci.bed --unphased \
         gt-order -o out.fa"
    );
    let mut child = command(folder, &arguments)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The program may stop reading before the end.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    if output.status.success() {
        Ok(fs::read_to_string(folder.join("out.fa")).unwrap())
    } else {
        Err(stderr(&output))
    }
}

#[test]
fn a_stream_is_not_read_twice() {
    let sample = Sample::vcf();
    let pipe = sample.path.with_file_name("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    thread::scope(|scope| {
        scope.spawn(|| fs::write(&pipe, &sample.compressed.bytes).unwrap());
        let mut file = VariantFile::open(&pipe).unwrap();
        let mut n_records = 0;
        file.for_each::<Error>(None, |_| {
            n_records += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(n_records, 100);
        let message = file
            .for_each::<Error>(None, |_| Ok(()))
            .unwrap_err()
            .to_string();
        assert!(message.contains("can be read only once"), "{message}");
    });
}

#[test]
fn chosen_people_have_the_genotypes_they_have_among_all() {
    let people = ["S30", "S01", "S17", "S18", "S02"].map(str::to_owned);
    for sample in [Sample::vcf(), Sample::bcf()] {
        let mut file = VariantFile::open(&sample.path).unwrap();
        file.select(&people).unwrap();
        let mut number = 0;
        file.for_each::<Error>(None, |record| {
            let all: Vec<&str> = sample.table[number].split('\t').skip(4).collect();
            let expected: Vec<&str> = [30, 1, 17, 18, 2]
                .iter()
                .map(|column| all[column - 1])
                .collect();
            assert_eq!(
                record.genotypes.iter().copied().map(gt).collect::<Vec<_>>(),
                expected
            );
            let others =
                (0..5).filter(|&person| record.genotypes[person as usize].alleles != [0, 0]);
            assert!(others.eq(record.not_reference.iter().copied()));
            assert_eq!(
                record.phase_sets.len(),
                if number % 10 == 9 { 5 } else { 0 }
            );
            assert!(
                record
                    .phase_sets
                    .iter()
                    .all(|&set| set == Some(record.position.get() as u64))
            );
            number += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!(number, 100);
        let message = file
            .select(&["S01".into(), "nobody".into()])
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("no sample `nobody`; 1 of the 2 samples requested"),
            "{message}"
        );
        assert!(
            file.select(&["S01".into(), "S01".into()])
                .unwrap_err()
                .to_string()
                .contains("`S01` is requested twice")
        );
    }
}

/// Reads a VCF of two people, a and b.
fn small(records: &str, mut visit: impl FnMut(&VariantRecord)) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.vcf");
    let head = "##fileformat=VCFv4.4\n##contig=<ID=chr1,length=30>\n##INFO=<ID=SVLEN,Number=1,\
                Type=Float,Description=\"x\">\n##INFO=<ID=END,Number=1,Type=Integer,Description=\"\
                x\">\n##FORMAT=<ID=PS,Number=1,Type=String,Description=\"x\">\n##FORMAT=<ID=GT,\
                Number=1,Type=String,Description=\"x\">\n##FILTER=<ID=q10,Description=\"x\">\n##\
                FILTER=<ID=s50,Description=\"x\">\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\
                \tFORMAT\ta\tb\n";
    fs::write(&path, format!("{head}{records}")).unwrap();
    let mut file = VariantFile::open(&path).unwrap();
    let warnings = file.warnings().to_vec();
    let read = file.for_each::<Error>(None, |record| {
        visit(record);
        Ok(())
    });
    read.map(|_| warnings).map_err(|error| error.to_string())
}

#[test]
fn a_header_that_a_strict_reader_refuses_is_read_with_a_warning_in_vcf_and_bcf() {
    let warnings = small("chr1\t5\t.\tA\tG\t.\t.\t.\tGT\t0|1\t0|0\n", |_| {}).unwrap();
    assert!(
        warnings
            .iter()
            .any(|warning| warning.contains("small.vcf: header line 3 (INFO SVLEN) is malformed")),
        "{warnings:?}"
    );

    let mut lines = vcf_lines(&mut ChaCha8Rng::seed_from_u64(3));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bcf");
    let plain = bcf_bytes(&lines);
    fs::write(&path, &plain).unwrap();
    let expected = table(&path, None).unwrap();
    // The same file with a header of version 4.4, in which PS must be what it is not here.
    let end = 9 + u32::from_le_bytes([plain[5], plain[6], plain[7], plain[8]]) as usize;
    lines[0] = "##fileformat=VCFv4.4".into();
    lines[6] = "##FORMAT=<ID=PS,Number=.,Type=Float,Description=\"Phase set\">".into();
    let text = lines[..8].join("\n") + "\n\0";
    let bytes = [
        &plain[..5],
        &(text.len() as u32).to_le_bytes(),
        text.as_bytes(),
        &plain[end..],
    ]
    .concat();
    fs::write(&path, bytes).unwrap();
    assert_eq!(table(&path, None).unwrap(), expected);
    let warnings = VariantFile::open(&path).unwrap().warnings().to_vec();
    assert!(
        warnings.len() == 1
            && warnings[0].contains("x.bcf: header line 7 (FORMAT PS) is malformed"),
        "{warnings:?}"
    );
}

#[test]
fn symbolic_alleles_say_how_far_they_reach() {
    let mut ends = Vec::new();
    let records = "chr1\t2\t.\tC\t<DEL>\t.\t.\tEND=6\tGT\t0|1\t0|0\nchr1\t3\t.\tC\t<DEL>\t.\t.\
                   \tSVLEN=-4\tGT\t0|1\t0|0\nchr1\t4\t.\tC\t<DEL>,T,<DUP>\t.\t.\tSVLEN=-4,.,9;\
                   SVTYPE=X\tGT\t0|1\t0|0\nchr1\t5\t.\tC\t<DEL>\t.\t.\tCIEND=0,9\tGT\t0|1\t0|0\
                   \nchr1\t6\t.\tC\t<INS>\t.\t.\tSVLEN=500\tGT\t0|1\t0|0\nchr1\t7\t.\tCGT\tC\t.\t.\
                   \tEND=20\tGT\t0|1\t0|0\n";
    small(records, |record| {
        let of_alts: Vec<Option<usize>> = (0..record.alt_alleles.len())
            .map(|alt| record.symbolic_end0(alt).map(Position0::get))
            .collect();
        ends.push((record.span_end0().get(), of_alts));
    })
    .unwrap();
    let expected = [
        (6, vec![Some(6)]),
        (7, vec![Some(7)]),
        (13, vec![Some(8), None, Some(13)]),
        (5, vec![None]),
        (6, vec![Some(6)]),
        (9, vec![None]),
    ];
    assert_eq!(ends, expected);
}

#[test]
fn filters_and_phase_sets_are_told() {
    let mut found = Vec::new();
    let records = "chr1\t1\t.\tC\tA\t.\t.\t.\tGT\t0|1\t0|0\nchr1\t2\t.\tC\tA\t.\tPASS\t.\tGT:PS\
                   \t0|1:17\t0|0\nchr1\t3\t.\tC\tA\t.\tq10;s50\t.\tPS:GT\tx_1:0|1\tx_2:0|0\nchr1\
                   \t4\t.\tC\tA\t.\tq10\t.\tGT:PS\t0|1:x_1\t0|0:.\n";
    small(records, |record| {
        found.push((
            record.filters.clone(),
            record.passes_filters,
            record.phase_sets.clone(),
        ));
    })
    .unwrap();
    let [plain, integer, text, again] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!((plain.0.len(), plain.1, plain.2.len()), (0, true, 0));
    assert_eq!(
        (integer.0.as_slice(), integer.1, integer.2.as_slice()),
        (
            ["PASS".to_owned()].as_slice(),
            true,
            [Some(17), None].as_slice()
        )
    );
    assert_eq!(
        (text.0.as_slice(), text.1),
        (["q10".to_owned(), "s50".to_owned()].as_slice(), false)
    );
    assert!(text.2[0] != text.2[1] && text.2[0] > Some(u64::from(u32::MAX)));
    assert_eq!(
        (again.0.len(), again.2.as_slice()),
        (1, [text.2[0], None].as_slice())
    );
}

#[test]
fn errors_name_the_line_as_well_as_the_place() {
    let good = "chr1\t5\t.\tA\tG\t.\t.\t.\tGT\t0|1\t0|0\n";
    for (line, expected) in [
        (
            "chr1\t4\t.\tA\tG\t.\t.\t.\tGT\t0|1\t0|0",
            "small.vcf: line 11: chr1:4: this record comes after chr1:5, so the file is not sorted",
        ),
        (
            "chr1\t6\t.\tA\tG\t.\t.\t.\tGT\t0|1\t0|x",
            "small.vcf: line 11: chr1:6: sample `b`: genotype `0|x` is not a GT value",
        ),
        (
            "chr1\t6\t.\tA\tG\t.\t.\t.\tGT\t0|1",
            "small.vcf: line 11: chr1:6: 1 genotype for 2 samples",
        ),
        (
            "chr1\t6\t.\tA\tG\t.\t.\t.\tGT\t0|1\t0|0\t0|0",
            "small.vcf: line 11: chr1:6: 3 genotypes for 2 samples",
        ),
        (
            "chr1\t6\t.\tA\tG\t.\t.\t.\tGT:DP:GT\t0|1:3:1|1\t0|0:2:0|0",
            "small.vcf: line 11: chr1:6: FORMAT has `GT` twice",
        ),
        (
            "chr1 6 . A G . . . GT 0|1 0|0",
            "small.vcf: line 11: `chr1 6 . A G . . . GT 0|1 0|0`: a record needs at least 8 \
             columns with tabs between them; here they are separated by spaces",
        ),
        (
            "chr1\tsix\t.\tA\tG\t.\t.\t.\tGT\t0|1\t0|0",
            "small.vcf: line 11: ",
        ),
    ] {
        let message = small(&format!("{good}{line}\n"), |_| {}).unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
    let lines = vcf_lines(&mut ChaCha8Rng::seed_from_u64(3));
    let unsorted: Vec<String> = [&lines[..20], &lines[10..11]].concat();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.bcf");
    fs::write(&path, bcf_bytes(&unsorted)).unwrap();
    let message = table(&path, None).unwrap_err().to_string();
    assert!(
        message.contains("x.bcf: record 13: 7:90: this record comes after 7:450"),
        "{message}"
    );
}

#[test]
fn line_ends_of_windows_and_a_missing_last_one_change_nothing() {
    let lines = vcf_lines(&mut ChaCha8Rng::seed_from_u64(3));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.vcf");
    let [expected, of_windows, without_last] = [
        lines.join("\n") + "\n",
        lines.join("\r\n") + "\r\n",
        lines.join("\n"),
    ]
    .map(|text| {
        fs::write(&path, text).unwrap();
        table(&path, None).unwrap()
    });
    assert_eq!(of_windows, expected);
    assert_eq!(without_last, expected);
}

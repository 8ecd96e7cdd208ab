//! Genotypes compared with those that plink2 exports from the same files.
//!
//! A test is skipped with a message where plink2 or the data is absent. With `GF_REQUIRE_ORACLES`,
//! a missing plink2 is a failure.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failure here fails the test"
)]

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use gf_genotypes::{
    MISSING,
    pgen::{PgenFile, PgenRecord, PgenVariant, StorageMode},
};
use tempfile::TempDir;

fn skipped(what: &str) {
    assert!(
        std::env::var_os("GF_REQUIRE_ORACLES").is_none(),
        "{what}; GF_REQUIRE_ORACLES is set, so this is a failure"
    );
    eprintln!("SKIPPED: {what}");
}

/// A folder in which plink2 can run.
fn plink2_folder() -> Option<TempDir> {
    if Command::new("plink2").arg("--version").output().is_err() {
        skipped("no plink2 on this machine");
        return None;
    }
    Some(tempfile::tempdir().unwrap())
}

/// Runs plink2 in a folder; its output files start with `out`.
fn plink2(folder: &Path, arguments: &str, out: &str) {
    let output = Command::new("plink2")
        .current_dir(folder)
        .args(arguments.split_whitespace())
        .args(["--threads", "1", "--memory", "700", "--out", out])
        .output()
        .unwrap();
    let messages = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{arguments}: {}",
        String::from_utf8_lossy(&messages)
    );
}

/// Pseudo-random numbers of a fixed sequence.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) % limit
    }

    fn happens(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }
}

/// What the samples of a VCF file have.
#[derive(Clone, Copy)]
struct Cohort {
    samples: usize,
    variants: usize,
    max_alts: u64,
    /// Of 1000 calls: missing ones.
    missing: u64,
    /// Of 1000 variants: those with phase, and of 1000 calls in half of those: phased ones.
    phased: u64,
    /// `GT`, `GT:DS` or `GT:DS:HDS`.
    format: &'static str,
}

const PLAIN: Cohort = Cohort {
    samples: 600,
    variants: 200,
    max_alts: 1,
    missing: 5,
    phased: 0,
    format: "GT",
};

const VCF_HEAD: &str = "##fileformat=VCFv4.2\n\
    ##contig=<ID=1>\n##contig=<ID=X>\n##contig=<ID=MT>\n\
    ##FILTER=<ID=low,Description=\"x\">\n\
    ##FORMAT=<ID=GT,Number=1,Type=String,Description=\"x\">\n\
    ##FORMAT=<ID=DS,Number=A,Type=Float,Description=\"x\">\n\
    ##FORMAT=<ID=HDS,Number=.,Type=Float,Description=\"x\">\n\
    #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT";

impl Cohort {
    /// Writes a VCF file. Runs of variants in linkage alternate with independent ones.
    fn write(&self, path: &Path) {
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ self.samples as u64);
        let mut text = VCF_HEAD.to_owned();
        for sample in 0..self.samples {
            write!(text, "\tS{sample}").unwrap();
        }
        let mut haplotypes = Vec::new();
        let mut alt_count = 1;
        for variant in 0..self.variants {
            if variant % 80 == 0 || variant / 80 % 2 == 1 {
                alt_count = 1 + random.below(self.max_alts);
                let rate = [1, 10, 100, 400, 900, 995][random.below(6) as usize];
                haplotypes = self.independent(&mut random, alt_count, rate);
            } else {
                change_few(&mut random, alt_count, &mut haplotypes);
            }
            let alts: Vec<String> = (1..=alt_count).map(|n| "C".repeat(n as usize)).collect();
            let filter = ["PASS", "low", "."][variant % 3];
            let position = 10 * (variant + 1);
            let alts = alts.join(",");
            let format = self.format;
            write!(
                text,
                "\n1\t{position}\tv{variant}\tA\t{alts}\t.\t{filter}\t.\t{format}"
            )
            .unwrap();
            self.write_calls(&mut random, &haplotypes, &mut text);
        }
        text.push('\n');
        fs::write(path, text).unwrap();
    }

    fn independent(&self, random: &mut Random, alt_count: u64, rate: u64) -> Vec<[u64; 2]> {
        let mut haplotypes = vec![[0; 2]; self.samples];
        for allele in haplotypes.as_flattened_mut() {
            if random.happens(rate) {
                *allele = 1 + random.below(alt_count);
            }
        }
        haplotypes
    }

    fn write_calls(&self, random: &mut Random, haplotypes: &[[u64; 2]], text: &mut String) {
        let is_mostly_missing = random.happens(20);
        let phased = if random.happens(self.phased) {
            [500, 1000][random.below(2) as usize]
        } else {
            0
        };
        for &[first, second] in haplotypes {
            let missing = if is_mostly_missing { 990 } else { self.missing };
            if random.happens(missing) {
                text.push_str("\t./.");
                continue;
            }
            if random.happens(phased) {
                write!(text, "\t{first}|{second}").unwrap();
            } else {
                let [low, high] = [first.min(second), first.max(second)];
                write!(text, "\t{low}/{high}").unwrap();
            }
            if self.format != "GT" && random.happens(300) {
                let doses = [first, second].map(|allele| blurred(allele, random));
                write!(text, ":{:.4}", doses[0] + doses[1]).unwrap();
                if self.format == "GT:DS:HDS" {
                    write!(text, ":{:.4},{:.4}", doses[0], doses[1]).unwrap();
                }
            }
        }
    }
}

fn change_few(random: &mut Random, alt_count: u64, haplotypes: &mut [[u64; 2]]) {
    let is_inverted = alt_count == 1 && random.happens(300);
    for alleles in haplotypes.iter_mut() {
        if is_inverted {
            *alleles = alleles.map(|allele| 1 - allele);
        }
        if random.happens(10) {
            alleles[random.below(2) as usize] = random.below(alt_count + 1);
        }
    }
}

/// A dosage near an allele of 0 or 1; one in three is exact.
fn blurred(allele: u64, random: &mut Random) -> f64 {
    let exact = allele as f64;
    let distance = [0.0, 0.1, 0.4][random.below(3) as usize] * random.below(1000) as f64 / 1000.0;
    (exact - distance).abs()
}

/// Exports a fileset with plink2 and compares every variant and every call.
fn compare(folder: &Path, file: &mut PgenFile, input: &str) {
    plink2(
        folder,
        &format!("{input} --allow-extra-chr --export vcf vcf-dosage=HDS id-paste=iid"),
        "exported",
    );
    compare_with_vcf(file, &folder.join("exported.vcf"));
}

fn compare_with_vcf(file: &mut PgenFile, path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("##"))
        .collect();
    let names: Vec<&str> = lines[0].split('\t').skip(9).collect();
    assert_eq!(file.samples().ids(), names);
    assert_eq!(file.variants().len(), lines.len() - 1);
    let mut record = PgenRecord::new();
    for (index, line) in lines[1..].iter().enumerate() {
        let columns: Vec<&str> = line.split('\t').collect();
        compare_variant(&file.variants().get(index).unwrap(), &columns);
        file.read(index, &mut record).unwrap();
        assert_eq!(record.len(), columns.len() - 9);
        for (sample, call) in columns[9..].iter().enumerate() {
            compare_call(&record, sample, call, columns[8], &columns[..5]);
        }
        if let Some(carriers) = record.carriers() {
            let alleles = record.alleles().iter().zip(0_u32..);
            let found = alleles.filter(|&(alleles, _)| *alleles != [0, 0]);
            assert!(found.map(|(_, sample)| sample).eq(carriers.iter().copied()));
        }
    }
}

fn compare_variant(variant: &PgenVariant<'_>, columns: &[&str]) {
    // plink2 exports pseudo-autosomal regions as X.
    if !variant.contig.starts_with("PAR") {
        assert_eq!(variant.contig, columns[0]);
    }
    assert_eq!(variant.position.to_string(), columns[1]);
    assert_eq!(variant.id, columns[2]);
    assert_eq!(variant.reference, columns[3]);
    let alts: Vec<&str> = variant.alts().collect();
    let exported = if columns[4] == "." { "" } else { columns[4] };
    assert_eq!(alts.join(","), exported);
    assert_eq!(variant.filter.unwrap_or("."), columns[6]);
    let is_provisional = columns[7].split(';').any(|entry| entry == "PR");
    assert_eq!(variant.has_provisional_ref, is_provisional, "{columns:?}");
}

/// `call` is GT, DS and HDS as far as the sample has them. plink2 exports a haploid call with one
/// allele, which the file stores as two equal ones.
fn compare_call(record: &PgenRecord, sample: usize, call: &str, format: &str, place: &[&str]) {
    let values: Vec<&str> = call.split(':').collect();
    let fields: Vec<&str> = format.split(':').collect();
    let exported: Vec<i16> = values[0]
        .split(['|', '/'])
        .map(|allele| allele.parse().unwrap_or(MISSING))
        .collect();
    let found = record.genotype(sample);
    let [first, last] = [exported[0], exported[exported.len() - 1]];
    assert_eq!(
        found.alleles,
        [first, last],
        "{place:?} sample {sample} {call}"
    );
    let is_known = first == last || values[0].contains('|');
    assert_eq!(found.phased, is_known, "{place:?} sample {sample} {call}");
    let columns = fields.into_iter().zip(values.iter().copied());
    let value: HashMap<&str, &str> = columns.collect();
    compare_dosage(record, sample, &value);
}

/// `value` has GT, DS and HDS as far as the sample has them. Without DS, the dosage is that of the
/// call.
fn compare_dosage(record: &PgenRecord, sample: usize, value: &HashMap<&str, &str>) {
    let [first, second] = record.alleles()[sample];
    let call = value["GT"];
    if let Some(dosages) = record.dosages() {
        let expected = match value.get("DS") {
            Some(dosage) => dosage.parse().unwrap_or(f32::NAN),
            None if first == MISSING => f32::NAN,
            None => f32::from(first + second),
        };
        assert_close(dosages[sample], expected, call);
    } else {
        assert!(!value.contains_key("DS"), "sample {sample}");
    }
    if let Some(exported) = value.get("HDS") {
        let haplotypes = record.haplotype_dosages().unwrap()[sample];
        for (found, exported) in haplotypes.into_iter().zip(exported.split(',')) {
            assert_close(found, exported.parse().unwrap_or(f32::NAN), call);
        }
    } else if let (Some(haplotypes), Some(_)) = (record.haplotype_dosages(), value.get("DS")) {
        let [first, second] = haplotypes[sample];
        assert!(
            first.is_nan() || [0.0, 2.0].contains(&(first + second)),
            "{call}"
        );
    }
}

fn assert_close(found: f32, expected: f32, call: &str) {
    let are_equal = (found - expected).abs() < 2e-4 || found.is_nan() && expected.is_nan();
    assert!(are_equal, "{found} is not {expected} of {call}");
}

/// Writes the cohort, converts it, and compares.
fn check(cohort: Cohort) -> Option<(TempDir, PathBuf)> {
    let folder = plink2_folder()?;
    cohort.write(&folder.path().join("in.vcf"));
    let dosage = match cohort.format {
        "GT" => "",
        "GT:DS" => "dosage=DS",
        _ => "dosage=HDS",
    };
    plink2(
        folder.path(),
        &format!("--vcf in.vcf {dosage} --make-pgen"),
        "set",
    );
    let path = folder.path().join("set.pgen");
    let mut file = PgenFile::open(&path).unwrap();
    assert_eq!(file.storage_mode(), StorageMode::Standard);
    if cohort.format == "GT" {
        compare_with_vcf(&mut file, &folder.path().join("in.vcf"));
    }
    // plink2 2.00a3.5 exports wrong phase of multiallelic variants: other than that of the VCF file
    // which it read, and other than pgenlib finds in the PGEN file.
    if cohort.max_alts == 1 || cohort.phased == 0 {
        compare(folder.path(), &mut file, "--pfile set");
    }
    Some((folder, path))
}

/// Low three bits of all record types of a file with one block.
fn main_forms(path: &Path) -> BTreeSet<u8> {
    let bytes = fs::read(path).unwrap();
    let variants = u32::from_le_bytes(bytes[3..7].try_into().unwrap()) as usize;
    let types = &bytes[20..];
    (0..variants)
        .map(|variant| match bytes[11] & 4 {
            0 => types[variant / 2] >> (variant % 2 * 4) & 7,
            _ => types[variant] & 7,
        })
        .collect()
}

#[test]
fn unphased_calls_and_all_main_tracks() {
    let Some((_folder, path)) = check(PLAIN) else {
        return;
    };
    let rare = Cohort {
        samples: 5000,
        ..PLAIN
    };
    let (_folder, rare_path) = check(rare).unwrap();
    let forms = &main_forms(&path) | &main_forms(&rare_path);
    assert_eq!(forms.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 6, 7]);
}

#[test]
fn phased_and_partly_phased_calls() {
    check(Cohort {
        phased: 700,
        ..PLAIN
    });
}

#[test]
fn multiallelic_calls() {
    for (samples, max_alts) in [(600, 5), (90, 40), (256, 2)] {
        for phased in [0, 600] {
            check(Cohort {
                samples,
                max_alts,
                phased,
                missing: 20,
                ..PLAIN
            });
        }
    }
}

#[test]
fn few_samples() {
    for samples in [1, 2, 3, 4, 5, 8, 63, 64, 65, 255, 256, 257] {
        check(Cohort {
            samples,
            max_alts: 4,
            phased: 500,
            variants: 90,
            ..PLAIN
        });
    }
}

#[test]
fn dosages_and_phased_dosages() {
    for (samples, format) in [
        (7, "GT:DS"),
        (600, "GT:DS"),
        (7, "GT:DS:HDS"),
        (600, "GT:DS:HDS"),
    ] {
        check(Cohort {
            samples,
            format,
            phased: 600,
            ..PLAIN
        });
    }
}

#[test]
fn plink1_filesets_and_fixed_width() {
    let Some((folder, path)) = check(PLAIN) else {
        return;
    };
    let folder = folder.path();
    plink2(folder, "--pfile set --make-bed", "old");
    let mut file = PgenFile::open(&folder.join("old.bed")).unwrap();
    compare(folder, &mut file, "--bfile old");
    plink2(folder, "--bfile old --make-pgen", "new");
    let mut file = PgenFile::open(&folder.join("new.pgen")).unwrap();
    compare(folder, &mut file, "--pfile new");
    plink2(folder, "--pfile set --make-pgen format=2", "fixed");
    let mut file = PgenFile::open(&folder.join("fixed.pgen")).unwrap();
    assert_eq!(file.storage_mode(), StorageMode::FixedHardcalls);
    compare(folder, &mut file, "--pfile fixed");
    plink2(folder, "--pfile set --make-bpgen vzs", "both");
    let mut file = PgenFile::open(&folder.join("both.pgen")).unwrap();
    compare(folder, &mut file, "--bpfile both vzs");
    plink2(folder, "--pfile set --make-pgen vzs", "packed");
    let mut file = PgenFile::open(&folder.join("packed.pgen")).unwrap();
    compare(folder, &mut file, "--pfile packed vzs");
    drop(path);
}

#[test]
fn random_access_and_selections_agree_with_reading_in_order() {
    let cohort = Cohort {
        max_alts: 3,
        phased: 500,
        ..PLAIN
    };
    let Some((_folder, path)) = check(cohort) else {
        return;
    };
    let mut in_order = PgenFile::open(&path).unwrap();
    let mut selected = in_order.another_reader().unwrap();
    let samples = [599, 3, 400, 0, 64];
    selected.select(&samples).unwrap();
    let mut random = Random(7);
    let [mut whole, mut record] = [PgenRecord::new(), PgenRecord::new()];
    for _ in 0..500 {
        let variant = random.below(cohort.variants as u64) as usize;
        let mut at_random = in_order.another_reader().unwrap();
        selected.read(variant, &mut record).unwrap();
        at_random.read(variant, &mut whole).unwrap();
        for (slot, sample) in samples.into_iter().enumerate() {
            assert_eq!(record.genotype(slot), whole.genotype(sample));
        }
        in_order.read(variant, &mut record).unwrap();
        assert_eq!(record.alleles(), whole.alleles());
        assert_eq!(record.phased(), whole.phased());
    }
}

#[test]
fn haploid_calls_of_x_and_mt() {
    let Some(folder) = plink2_folder() else {
        return;
    };
    let folder = folder.path();
    let body = "\tM1\tM2\tM3\tF1\tF2\n\
        X\t5000000\ta\tA\tC,G\t.\tPASS\t.\tGT\t0\t1\t.\t1|0\t1/2\n\
        X\t5000001\tb\tA\tC\t.\tlow\t.\tGT\t1\t1\t0\t./.\t0|1\n\
        MT\t10\tc\tA\tC,G,T\t.\t.\t.\tGT\t0\t3\t1\t2\t.\n";
    fs::write(folder.join("in.vcf"), format!("{VCF_HEAD}{body}")).unwrap();
    let sexes = "#IID\tSEX\nM1\t1\nM2\t1\nM3\t1\nF1\t2\nF2\t2\n";
    fs::write(folder.join("in.psam"), sexes).unwrap();
    plink2(folder, "--vcf in.vcf --psam in.psam --make-pgen", "set");
    let mut file = PgenFile::open(&folder.join("set.pgen")).unwrap();
    compare(folder, &mut file, "--pfile set");
    let mut record = PgenRecord::new();
    file.read(2, &mut record).unwrap();
    let expected = [[0, 0], [3, 3], [1, 1], [2, 2], [MISSING; 2]];
    assert_eq!(record.alleles(), expected);
}

/// The folder of `GF_GOLDEN_DIR`, with plink2's three filesets in it and a folder for each of the
/// projects happler, haptools, regenie and bed-reader.
fn golden_folder() -> Option<PathBuf> {
    let folder = std::env::var_os("GF_GOLDEN_DIR").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("SKIPPED: GF_GOLDEN_DIR is not set");
    }
    folder
}

/// A file of the golden folder, or a message.
fn golden(folder: &Path, name: &str) -> Option<PathBuf> {
    let path = folder.join(name);
    if !path.is_file() {
        eprintln!("SKIPPED: no {}", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn files_of_plink2s_own_tests() {
    let Some(golden) = golden_folder() else {
        return;
    };
    let Some(folder) = plink2_folder() else {
        return;
    };
    for name in ["mt_mixed_phase", "all_ploidy", "chr21_phase3_start"] {
        let stem = golden.join(name);
        let mut file = PgenFile::open(&stem.with_extension("pgen")).unwrap();
        let input = format!("--pfile {} vzs", stem.display());
        compare(folder.path(), &mut file, &input);
    }
}

#[test]
fn pgen_files_of_happler_haptools_and_regenie() {
    let Some(golden_folder) = golden_folder() else {
        return;
    };
    let Some(folder) = plink2_folder() else {
        return;
    };
    for name in [
        "happler/15_38177344-39177344_1000G",
        "happler/19_45401409-46401409_1000G",
        "haptools/outvcf_test",
        "haptools/simple",
        "haptools/simple-dupvarIDs",
        "regenie/example",
    ] {
        let Some(path) = golden(&golden_folder, &format!("{name}.pgen")) else {
            continue;
        };
        let stem = path.with_extension("");
        let mut file = PgenFile::open(&path).unwrap();
        compare(
            folder.path(),
            &mut file,
            &format!("--pfile {}", stem.display()),
        );
        eprintln!("EQUAL: {name}");
    }
    // plink2 2.00a3.5 exports wrong phase of multiallelic variants, so the VCF of the project is
    // compared.
    for name in ["simple", "simple-multiallelic", "simple-tr"] {
        let Some(path) = golden(&golden_folder, &format!("haptools/{name}.pgen")) else {
            continue;
        };
        let text = fs::read_to_string(path.with_extension("vcf")).unwrap();
        let vcf = folder.path().join("without-half-calls.vcf");
        let lines: String = text.lines().map(without_half_calls).collect();
        fs::write(&vcf, lines).unwrap();
        let mut file = PgenFile::open(&path).unwrap();
        compare_with_vcf(&mut file, &vcf);
        eprintln!("EQUAL: haptools/{name}, its VCF");
    }
}

/// A line of a VCF without half calls such as `4|.`, which are missing in a PGEN file.
fn without_half_calls(line: &str) -> String {
    let columns = line
        .split('\t')
        .map(|column| match column.split_once(['|', '/']) {
            Some((".", _) | (_, ".")) => "./.",
            _ => column,
        });
    columns.collect::<Vec<_>>().join("\t") + "\n"
}

#[test]
fn bed_files_of_bed_reader_and_regenie() {
    let Some(golden_folder) = golden_folder() else {
        return;
    };
    let Some(folder) = plink2_folder() else {
        return;
    };
    for name in [
        "bed-reader/plink_sim_10s_100v_10pmiss",
        "bed-reader/small",
        "bed-reader/some_missing",
        "bed-reader/sparse",
        "bed-reader/toydata.5chrom",
        "regenie/example",
        "regenie/example_3chr",
        "regenie/example_3chr_masks",
    ] {
        let Some(path) = golden(&golden_folder, &format!("{name}.bed")) else {
            continue;
        };
        let mut file = PgenFile::open(&path).unwrap();
        assert_eq!(file.storage_mode(), StorageMode::Bed);
        copy_bed(&path, &file, folder.path());
        file = PgenFile::open(&folder.path().join("golden.bed")).unwrap();
        compare(folder.path(), &mut file, "--bfile golden");
        eprintln!("EQUAL: {name}");
    }
}

/// Copies a BED fileset to `golden.bed`, with other sample names, because plink2 refuses the name
/// 0.
fn copy_bed(path: &Path, file: &PgenFile, folder: &Path) {
    let stem = path.display().to_string();
    let stem = stem.strip_suffix(".bed").unwrap();
    fs::copy(path, folder.join("golden.bed")).unwrap();
    fs::copy(format!("{stem}.bim"), folder.join("golden.bim")).unwrap();
    let names = file.samples().ids().iter();
    let rows = names.map(|name| format!("0\tS{name}\t0\t0\t0\t0\n"));
    fs::write(folder.join("golden.fam"), rows.collect::<String>()).unwrap();
}

#[test]
fn damaged_bed_files_of_bed_reader_are_refused() {
    let Some(golden_folder) = golden_folder() else {
        return;
    };
    for (name, reason) in [
        ("badfile", "badfile.fam"),
        ("empty", "empty.fam"),
        ("small_no_bim", "small_no_bim.bim"),
        ("small_no_fam", "small_no_fam.fam"),
        ("small_too_short", "need 7 bytes, but the file has 6"),
        ("smallmode0", "sample-major BED"),
        ("smallmodebad", "smallmodebad.fam"),
    ] {
        let Some(path) = golden(&golden_folder, &format!("bed-reader/{name}.bed")) else {
            continue;
        };
        let Err(error) = PgenFile::open(&path) else {
            panic!("{name} is accepted");
        };
        let message = error.to_string();
        assert!(message.contains(reason), "{name}: {message}");
        eprintln!("REFUSED: {message}");
    }
}

#[test]
fn real_panels() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let files = [
        "apoe/apoe_gene.776.grch38.vcf.gz",
        "apoe/haptools_apoe_exon4.2504.grch37.vcf.gz",
        "chr20/win33k_A.300.grch37.vcf.gz",
        "chr20/shapeit4_scaffold.203.chr20_1-4Mb.grch37.vcf.gz",
        "vcf-various/1kg-phase3.chr22_16-16.5Mb.2504.grch37.vcf.gz",
    ];
    for name in files {
        let path = data.join(name);
        if !path.is_file() {
            eprintln!("SKIPPED: no {}", path.display());
            continue;
        }
        let Some(folder) = plink2_folder() else {
            return;
        };
        let input = format!("--vcf {} --make-pgen --allow-extra-chr", path.display());
        plink2(folder.path(), &input, "set");
        let mut file = PgenFile::open(&folder.path().join("set.pgen")).unwrap();
        compare(folder.path(), &mut file, "--pfile set");
    }
}

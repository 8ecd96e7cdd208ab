//! VCF files that others collected: the conformance files of hts-specs (VCF 4.2), odd ones of
//! vcflib, and 1000 Genomes.
//!
//! None has a FASTA, so one is made of the REF alleles with N between them. A file is refused with
//! one line that names it, or gives haplotypes; where bcftools reads the same file, they are its
//! haplotypes. The files are not part of the repository: without them each test says so.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File},
    io::{Read, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{bcftools_version, fasta, real_data, run, stderr};
use noodles::bgzf;
use tempfile::TempDir;

/// Everything is applied that can be, in the order of the file, as bcftools does.
const LENIENT: &str = "--unphased gt-order --haploid dup --apply-filters all --overlap bcftools";

fn text_of(path: &Path) -> Vec<u8> {
    let mut bytes = fs::read(path).unwrap();
    if path.extension().is_some_and(|extension| extension == "gz") {
        bytes.clear();
        bgzf::io::Reader::new(File::open(path).unwrap())
            .read_to_end(&mut bytes)
            .unwrap();
    }
    bytes
}

/// A slice of each contig that has records, as wide as their REF alleles.
fn reference_of(text: &[u8]) -> BTreeMap<String, (usize, Vec<u8>)> {
    let text = String::from_utf8_lossy(text);
    let mut slices: BTreeMap<String, (usize, Vec<u8>)> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [contig, position, _, ref_allele, ..] = columns[..] else {
            continue;
        };
        let Some(start0) = position
            .parse::<usize>()
            .ok()
            .and_then(|position| position.checked_sub(1))
        else {
            continue;
        };
        let is_bases = ref_allele
            .bytes()
            .all(|base| b"ACGTN".contains(&base.to_ascii_uppercase()));
        let (first, bases) = slices
            .entry(contig.to_owned())
            .or_insert_with(|| (start0, Vec::new()));
        let Some(offset) = start0
            .checked_sub(*first)
            .filter(|offset| *offset < 1_000_000 && is_bases)
        else {
            continue;
        };
        bases.resize(bases.len().max(offset + ref_allele.len()), b'N');
        bases[offset..offset + ref_allele.len()]
            .copy_from_slice(ref_allele.to_ascii_uppercase().as_bytes());
    }
    slices.retain(|contig, (_, bases)| !bases.is_empty() && !contig.is_empty());
    slices
}

/// Writes `reference.fa` and `loci.bed`; `false` when the file has no record that could have a
/// place.
fn write_reference(folder: &Path, text: &[u8]) -> bool {
    let mut reference = String::new();
    let mut bed = String::new();
    let slices = reference_of(text);
    for (contig, (start0, bases)) in &slices {
        let end0 = start0 + bases.len();
        writeln!(
            reference,
            ">{contig}:{}-{end0}\n{}",
            start0 + 1,
            std::str::from_utf8(bases).unwrap()
        )
        .unwrap();
        writeln!(
            bed,
            "{contig}\t{start0}\t{end0}\t{contig}:{}-{end0}",
            start0 + 1
        )
        .unwrap();
    }
    fs::write(folder.join("reference.fa"), reference).unwrap();
    fs::write(folder.join("loci.bed"), bed).unwrap();
    !slices.is_empty()
}

/// Our haplotypes of `cohort.vcf` in a folder, or why there are none.
fn ours(folder: &Path) -> Result<BTreeMap<String, String>, String> {
    let arguments = format!(
        "sequences --vcf cohort.vcf --reference reference.fa --regions-file loci.bed -o out.fa \
         {LENIENT}"
    );
    let output = run(folder, &arguments);
    if output.status.success() {
        return Ok(fasta(&fs::read_to_string(folder.join("out.fa")).unwrap()));
    }
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let message = text
        .lines()
        .last()
        .and_then(|line| line.strip_prefix("error: "))
        .unwrap_or_else(|| panic!("{text}"));
    assert!(
        ["cohort.vcf", "loci.bed", "reference.fa"]
            .iter()
            .any(|name| message.contains(name)),
        "{message}"
    );
    Err(message.to_owned())
}

/// What bcftools gives, `None` where it refuses.
fn theirs(folder: &Path, arguments: &str) -> Option<String> {
    let output = Command::new("bcftools")
        .current_dir(folder)
        .args(arguments.split(' '))
        .output()
        .unwrap();
    output
        .status
        .success()
        .then(|| String::from_utf8(output.stdout).unwrap())
}

/// Compares the haplotypes of every person with bcftools, where it reads the file; how many.
fn compare(folder: &Path, ours: &BTreeMap<String, String>, haploid: bool) -> Result<usize, String> {
    let readable = theirs(folder, "view -Oz -o cohort.vcf.gz cohort.vcf").is_some()
        && theirs(folder, "index -f cohort.vcf.gz").is_some();
    let Some(samples) = readable
        .then(|| theirs(folder, "query -l cohort.vcf.gz"))
        .flatten()
    else {
        return Ok(0);
    };
    let mut n_compared = 0;
    for sample in samples.lines() {
        for haplotype in [1, 2] {
            // The second haplotype of a haploid call is repeated here, and the reference there.
            if haploid && haplotype == 2 {
                continue;
            }
            let arguments =
                format!("consensus -f reference.fa -H {haplotype} -s {sample} cohort.vcf.gz");
            for (locus, theirs) in fasta(&theirs(folder, &arguments).unwrap_or_default()) {
                // It cuts contig names at the first colon, and writes breakends and IUPAC codes as
                // they are.
                if locus.matches(':').count() > 1
                    || !theirs.bytes().all(|base| b"ACGTN".contains(&base))
                {
                    continue;
                }
                let ours = &ours[&format!("{sample} {locus} {haplotype}")];
                if *ours != theirs {
                    return Err(format!(
                        "{sample} {locus} {haplotype}: {ours}, bcftools {theirs}"
                    ));
                }
                n_compared += 1;
            }
        }
    }
    Ok(n_compared)
}

fn vcf_files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.retain(|path| path.to_string_lossy().contains(".vcf"));
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

#[test]
fn files_of_others_give_the_haplotypes_of_bcftools_or_an_error() {
    let (Some(conformance), Some(various)) =
        (real_data("vcf-conformance/4.2"), real_data("vcf-various"))
    else {
        return;
    };
    let has_bcftools = bcftools_version().is_some();
    let mut n_haplotypes = 0;
    let mut wrong = Vec::new();
    for (folder, least) in [
        (conformance.join("passed"), 7),
        (conformance.join("failed"), 0),
        (various, 3),
    ] {
        let paths = vcf_files(&folder);
        let mut refused = Vec::new();
        let mut n_went = 0;
        for path in paths
            .iter()
            .filter(|path| path.metadata().unwrap().len() < 100_000)
        {
            let study = TempDir::new().unwrap();
            let text = text_of(path);
            fs::write(study.path().join("cohort.vcf"), &text).unwrap();
            let name = path.file_name().unwrap().to_string_lossy();
            if !write_reference(study.path(), &text) {
                fs::write(study.path().join("loci.bed"), "1\t0\t10\n").unwrap();
                fs::write(study.path().join("reference.fa"), ">1\nACGTACGTAC\n").unwrap();
            }
            match ours(study.path()) {
                Ok(ours) => {
                    n_went += 1;
                    let haploid = String::from_utf8_lossy(&text)
                        .lines()
                        .any(|line| !line.starts_with('#') && has_haploid_call(line));
                    match if has_bcftools {
                        compare(study.path(), &ours, haploid)
                    } else {
                        Ok(0)
                    } {
                        Ok(n_compared) => n_haplotypes += n_compared,
                        Err(difference) => wrong.push(format!("{name}: {difference}")),
                    }
                }
                Err(message) => refused.push(format!("    {name}: {message}")),
            }
        }
        let folder = folder.file_name().unwrap().to_string_lossy();
        eprintln!(
            "{folder}: {n_went} of {} files gave haplotypes; refused:\n{}",
            paths.len(),
            refused.join("\n")
        );
        assert!(n_went >= least, "{folder}: only {n_went} files went");
    }
    eprintln!("{n_haplotypes} haplotypes compared with bcftools");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn has_haploid_call(line: &str) -> bool {
    line.split('\t')
        .skip(9)
        .any(|call| !call.split(':').next().unwrap().contains(['|', '/']))
}

/// 2,504 people over half a megabase of chromosome 22; a few of them beside bcftools.
#[test]
fn people_of_1000_genomes_have_the_haplotypes_of_bcftools() {
    let Some(path) = real_data("vcf-various/1kg-phase3.chr22_16-16.5Mb.2504.grch37.vcf.gz") else {
        return;
    };
    if bcftools_version().is_none() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let text = text_of(&path);
    File::create(folder.join("cohort.vcf"))
        .unwrap()
        .write_all(&text)
        .unwrap();
    assert!(write_reference(folder, &text));
    let people = "HG00096,HG01879,NA18525,NA20845,NA21144";
    let arguments = format!(
        "sequences --vcf cohort.vcf --reference reference.fa --regions-file loci.bed --samples \
         {people} -o out.fa"
    );
    let output = run(folder, &arguments);
    assert!(output.status.success(), "{}", stderr(&output));
    let ours = fasta(&fs::read_to_string(folder.join("out.fa")).unwrap());
    theirs(folder, "view -Oz -o cohort.vcf.gz cohort.vcf")
        .and_then(|_| theirs(folder, "index cohort.vcf.gz"))
        .unwrap();
    let mut n_compared = 0;
    for sample in people.split(',') {
        for haplotype in [1, 2] {
            // Symbolic alleles other than <DEL> are left out here and refused there.
            let arguments = [
                "consensus",
                "-f",
                "reference.fa",
                "-s",
                sample,
                "-e",
                "ALT~\"<[^D]\" || ALT~\"<D[^E]\"",
                "-H",
            ];
            let output = Command::new("bcftools")
                .current_dir(folder)
                .args(arguments)
                .args([&haplotype.to_string(), "cohort.vcf.gz"])
                .output();
            let output = output.unwrap();
            assert!(output.status.success(), "{}", stderr(&output));
            for (locus, theirs) in fasta(&String::from_utf8(output.stdout).unwrap()) {
                let ours = &ours[&format!("{sample} {locus} {haplotype}")];
                let at = ours
                    .bytes()
                    .zip(theirs.bytes())
                    .take_while(|(a, b)| a == b)
                    .count();
                assert!(
                    *ours == theirs,
                    "{sample} {locus} {haplotype}: {} and {} nt, the same up to base {at}",
                    ours.len(),
                    theirs.len()
                );
                n_compared += 1;
            }
        }
    }
    assert_eq!(n_compared, 10);
}

//! Simulated genotypes in other formats than VCF: the same haplotypes, and the same results.

use std::{fmt::Write as _, fs, path::Path};

use crate::support::{
    bcftools, bcftools_version, file_names, pipelines::tiny_pipeline_with, run, stderr, succeed,
};

/// The FASTA of both haplotypes of every sample.
fn haplotypes(folder: &Path, genotypes: &str) -> Vec<u8> {
    let cohort = Path::new(genotypes).parent().unwrap().display();
    let arguments = format!(
        "sequences --genotypes {genotypes} --reference {cohort}/reference.fa --regions-file \
         {cohort}/loci.bed -o -"
    );
    let output = run(folder, &arguments);
    assert!(output.status.success(), "{genotypes}: {}", stderr(&output));
    assert!(output.stdout.starts_with(b">"), "{genotypes}");
    output.stdout
}

/// Writes a panel of two contigs with multiallelic variants, indels and a variant without ALT.
fn write_panel(folder: &Path) {
    let bases = "ACGTACGGTCATTGCA".repeat(40);
    fs::write(
        folder.join("panel.fa"),
        format!(">a\n{bases}\n>b\n{bases}\n"),
    )
    .unwrap();
    let mut vcf = "##fileformat=VCFv4.2\n##contig=<ID=a>\n##contig=<ID=b>\n\
                   ##FORMAT=<ID=GT,Number=1,Type=String,Description=\"x\">\n\
                   #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT"
        .to_owned();
    let n_samples = 24;
    for sample in 0..n_samples {
        write!(vcf, "\tF{sample}").unwrap();
    }
    for contig in ["a", "b"] {
        for index in 0..30_usize {
            let start0 = 16 * index + 3;
            let base = &bases[start0..=start0];
            let alts = ["A", "C", "G", "T"].map(|alt| if alt == base { "AAA" } else { alt });
            let n_alts = 1 + index % 4;
            let position = start0 + 1;
            let is_without_alt = index == 7;
            let alts = if is_without_alt {
                ".".to_owned()
            } else {
                alts[..n_alts].join(",")
            };
            let site = format!("{contig}\t{position}\t.\t{base}\t{alts}");
            write!(vcf, "\n{site}\t.\tPASS\t.\tGT").unwrap();
            for sample in 0..n_samples {
                let n_alleles = if is_without_alt { 1 } else { n_alts + 1 };
                let [first, second] = [0, 3].map(|shift| (sample * 7 + shift + index) % n_alleles);
                write!(vcf, "\t{first}|{second}").unwrap();
            }
        }
    }
    fs::write(folder.join("panel.vcf"), vcf + "\n").unwrap();
    fs::write(folder.join("loci.bed"), "a\t0\t480\tA\nb\t0\t480\tB\n").unwrap();
}

#[test]
fn every_format_has_the_haplotypes_of_the_vcf() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_panel(folder);
    let panel = "--panel panel.vcf --reference panel.fa --loci loci.bed --risk null --people 40";
    for (options, name) in [("--len-nt 6000 --people 150", "one"), (panel, "many")] {
        for format in ["vcf", "bcf", "pgen", "bgen"] {
            let arguments = format!("simulate {options} --format {format} --out {name}-{format}");
            succeed(folder, &arguments);
        }
        let expected = haplotypes(folder, &format!("{name}-vcf/cohort.vcf.gz"));
        for genotypes in ["bcf/cohort.bcf", "pgen/cohort.pgen", "bgen/cohort.bgen"] {
            let genotypes = format!("{name}-{genotypes}");
            assert!(haplotypes(folder, &genotypes) == expected, "{genotypes}");
        }
        for file in ["cohort.csv", "truth.csv", "truth.json", "reference.fa"] {
            let of_vcf = fs::read(folder.join(format!("{name}-vcf")).join(file)).unwrap();
            for format in ["pgen", "bgen"] {
                let folder = folder.join(format!("{name}-{format}"));
                assert!(
                    fs::read(folder.join(file)).unwrap() == of_vcf,
                    "{format} {file}"
                );
            }
        }
    }
    for format in ["pgen", "bgen"] {
        let names = file_names(&folder.join(format!("one-{format}")));
        assert!(
            names
                .iter()
                .all(|name| !name.to_string_lossy().contains("vcf"))
        );
    }
}

#[test]
fn bcftools_reads_the_bcf_as_the_vcf() {
    if bcftools_version().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_panel(folder);
    let options = "--panel panel.vcf --reference panel.fa --loci loci.bed --risk null --people 40";
    for format in ["vcf", "bcf"] {
        succeed(
            folder,
            &format!("simulate {options} --format {format} --out {format}"),
        );
    }
    let expected = bcftools(folder, "view --no-version vcf/cohort.vcf.gz");
    assert!(bcftools(folder, "view --no-version bcf/cohort.bcf") == expected);
    let expected = bcftools(folder, "view -H -r b:100-300 vcf/cohort.vcf.gz");
    assert!(!expected.is_empty());
    assert!(bcftools(folder, "view -H -r b:100-300 bcf/cohort.bcf") == expected);
}

#[test]
fn an_unknown_format_is_refused_with_those_that_exist() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), "simulate --format bed --out x");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("[possible values: vcf, bcf, pgen, bgen]"));
}

#[test]
fn a_pipeline_over_a_simulated_pgen_or_bgen_gives_the_tokens_and_scores_of_the_vcf() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for format in ["vcf", "pgen", "bgen"] {
        let key = format!("[simulate]\nformat = \"{format}\"");
        let pipeline = tiny_pipeline_with(&[("[simulate]", &key)]);
        fs::write(folder.join(format!("{format}.toml")), pipeline).unwrap();
        succeed(folder, &format!("run {format}.toml --out {format}"));
    }
    for file in [
        "1-sequences/pairs.csv",
        "2-tokens/tokens.safetensors",
        "4-baselines/predictions.csv",
        "5-report/auc.csv",
    ] {
        let of_vcf = fs::read(folder.join("vcf").join(file)).unwrap();
        for format in ["pgen", "bgen"] {
            let found = fs::read(folder.join(format).join(file)).unwrap();
            assert!(found == of_vcf, "{format} {file}");
        }
    }
    assert!(folder.join("pgen/0-cohort/cohort.psam").is_file());
    assert!(folder.join("bgen/0-cohort/cohort.bgen").is_file());
}

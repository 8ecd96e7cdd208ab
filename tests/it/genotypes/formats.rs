//! PGEN, BGEN and BED files that plink2 makes of a VCF give the results of the VCF.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::support::{
    no_oracle,
    pipelines::{data_table, tiny_pipeline_from_tokens},
    real_data, refuse, rows, run, stderr, succeed,
};

/// A VCF with its reference, a region of it, and a folder for converted files.
struct Study {
    folder: TempDir,
    vcf: PathBuf,
    reference: PathBuf,
    region: &'static str,
}

impl Study {
    /// The APOE gene of 776 samples; `None` without the data or plink2.
    fn apoe() -> Option<Self> {
        Self::new(
            "apoe/apoe_gene.776.grch38.vcf.gz",
            "apoe/apoe_grch38.fa",
            "chr19:44905754-44909681",
        )
    }

    /// 33,000 nt of chromosome 20 of 300 samples, with indels.
    fn chr20() -> Option<Self> {
        Self::new(
            "chr20/win33k_A.300.grch37.vcf.gz",
            "chr20/win33k_A.grch37.fa",
            "20:1497501-1530500",
        )
    }

    fn new(vcf: &str, reference: &str, region: &'static str) -> Option<Self> {
        let vcf = real_data(vcf)?;
        let reference = real_data(reference)?;
        if Command::new("plink2").arg("--version").output().is_err() {
            no_oracle("no plink2 on this machine");
            return None;
        }
        Some(Self {
            folder: TempDir::new().unwrap(),
            vcf,
            reference,
            region,
        })
    }

    /// Records of two contigs of 60 bases, all A: samples S1 to S3 of which S2 is female. `None`
    /// without plink2.
    fn synthetic(region: &'static str, records: &str) -> Option<Self> {
        if Command::new("plink2").arg("--version").output().is_err() {
            no_oracle("no plink2 on this machine");
            return None;
        }
        let folder = TempDir::new().unwrap();
        let path = folder.path();
        let contig = region.split(':').next().unwrap();
        let header = format!(
            "##fileformat=VCFv4.2\n##contig=<ID={contig},length=60>\n\
             ##INFO=<ID=END,Number=1,Type=Integer,Description=\"End\">\n\
             ##ALT=<ID=DEL,Description=\"Deletion\">\n\
             ##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Call\">\n\
             #CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\tS2\tS3\n"
        );
        let records: String = records
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join("\t") + "\n")
            .collect();
        let vcf = path.join("cohort.vcf");
        fs::write(&vcf, header + &records).unwrap();
        let reference = path.join("reference.fa");
        fs::write(&reference, format!(">{contig}\n{}\n", "A".repeat(60))).unwrap();
        fs::write(path.join("sex.psam"), "#IID\tSEX\nS1\t1\nS2\t2\nS3\t1\n").unwrap();
        Some(Self {
            folder,
            vcf,
            reference,
            region,
        })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Converts the VCF: `plink2 --vcf VCF ARGUMENTS --out NAME`.
    fn convert(&self, arguments: &str, name: &str) {
        let output = Command::new("plink2")
            .current_dir(self.path())
            .arg("--vcf")
            .arg(&self.vcf)
            .args(arguments.split_whitespace())
            .args(["--out", name])
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments}: {}", stderr(&output));
    }

    /// The FASTA of both haplotypes of every sample.
    fn haplotypes(&self, genotypes: &str) -> Vec<u8> {
        let arguments = format!(
            "sequences --genotypes {genotypes} --reference {} --regions {} -o -",
            self.reference.display(),
            self.region
        );
        let output = run(self.path(), &arguments);
        assert!(output.status.success(), "{genotypes}: {}", stderr(&output));
        assert!(output.stdout.starts_with(b">"), "{genotypes}");
        output.stdout
    }

    /// Rows of `raw_scores.csv` for a score of the first variants of the VCF.
    fn raw_scores(&self, genotypes: &str, out: &str) -> Vec<(String, f64)> {
        let arguments = format!(
            "prs --genotypes {genotypes} --reference {} --scoring-file score.txt --keep-ambiguous \
             --max-missing 1 --no-mean-imputation --out {out}",
            self.reference.display()
        );
        succeed(self.path(), &arguments);
        rows(&self.path().join(out).join("raw_scores.csv"))
            .into_iter()
            .map(|row| (row["sample_id"].clone(), row["sum"].parse().unwrap()))
            .collect()
    }

    /// Writes `score.txt` with a weight for every variant of `NAME.pvar`.
    fn write_score(&self, name: &str) {
        let pvar = fs::read_to_string(self.path().join(name).with_extension("pvar")).unwrap();
        let mut score =
            "chr_name\tchr_position\teffect_allele\tother_allele\teffect_weight\n".to_owned();
        for (index, line) in pvar
            .lines()
            .filter(|line| !line.starts_with('#'))
            .enumerate()
        {
            let fields: Vec<&str> = line.split('\t').collect();
            let weight = 0.1 + 0.01 * (index % 17) as f64;
            let alleles = format!("{}\t{}", fields[4], fields[3]);
            writeln!(score, "{}\t{}\t{alleles}\t{weight}", fields[0], fields[1]).unwrap();
        }
        fs::write(self.path().join("score.txt"), score).unwrap();
    }
}

#[test]
fn haplotypes_of_pgen_and_phased_bgen_are_those_of_the_vcf() {
    for study in [Study::apoe(), Study::chr20()].into_iter().flatten() {
        study.convert("--make-pgen", "p");
        study.convert("--make-pgen vzs", "z");
        study.convert("--export bgen-1.2 bits=8", "last");
        study.convert("--export bgen-1.2 ref-first bits=8", "first");
        study.convert("--export bgen-1.3 ref-first bits=16", "zstd");
        let expected = study.haplotypes(&study.vcf.display().to_string());
        for file in ["p.pgen", "z.pgen", "last.bgen", "first.bgen", "zstd.bgen"] {
            assert!(
                study.haplotypes(file) == expected,
                "{file}, {}",
                study.region
            );
        }
    }
}

#[test]
fn raw_scores_of_every_format_are_those_of_the_vcf() {
    let Some(study) = Study::chr20() else {
        return;
    };
    study.convert("--make-pgen", "p");
    study.convert("--make-bed", "b");
    study.convert("--export bgen-1.2 bits=16", "last");
    study.write_score("p");
    let expected = study.raw_scores(&study.vcf.display().to_string(), "of-vcf");
    assert_eq!(expected.len(), 300);
    for (file, out) in [
        ("p.pgen", "of-pgen"),
        ("b.bed", "of-bed"),
        ("last.bgen", "of-bgen"),
    ] {
        let found = study.raw_scores(file, out);
        for ((sample, sum), (expected_sample, expected_sum)) in found.iter().zip(&expected) {
            assert_eq!(sample, expected_sample, "{file}");
            assert!((sum - expected_sum).abs() < 1e-4, "{file}: {sample}: {sum}");
        }
        assert_eq!(found.len(), expected.len(), "{file}");
    }
}

#[test]
fn the_ref_allele_of_bgen_is_decided_or_asked_for_never_guessed() {
    let Some(study) = Study::apoe() else {
        return;
    };
    study.convert("--export bgen-1.2 bits=8", "last");
    study.convert("--make-pgen", "p");
    study.write_score("p");
    let without_reference =
        "prs --genotypes last.bgen --scoring-file score.txt --keep-ambiguous --out x";
    refuse(
        study.path(),
        without_reference,
        &[
            "last.bgen",
            "which allele is REF",
            "--ref-first",
            "--ref-last",
        ],
    );
    succeed(study.path(), &format!("{without_reference} --ref-last"));
    // The given order goes before the FASTA, and haplotypes check REF at every record.
    let arguments = format!(
        "sequences --genotypes last.bgen --ref-first --reference {} --regions {} -o -",
        study.reference.display(),
        study.region
    );
    refuse(study.path(), &arguments, &["last.bgen", "REF"]);
    let output = run(
        study.path(),
        "prs --vcf last.bgen --ref-first --ref-last --scoring-file score.txt --out y",
    );
    assert_eq!(
        output.status.code(),
        Some(2),
        "the two orders exclude each other"
    );
}

#[test]
fn unphased_bed_needs_no_phase_for_scores_and_is_refused_for_haplotypes() {
    let Some(study) = Study::chr20() else {
        return;
    };
    study.convert("--make-bed", "b");
    let haplotypes = format!(
        "sequences --genotypes b.bed --reference {} --regions {} -o -",
        study.reference.display(),
        study.region
    );
    refuse(study.path(), &haplotypes, &["b.bed", "unphased"]);
    let diploid = run(study.path(), &format!("{haplotypes} --encoding diploid"));
    assert!(diploid.status.success(), "{}", stderr(&diploid));
}

#[test]
fn a_file_without_its_companions_is_refused_by_their_names() {
    let Some(study) = Study::apoe() else {
        return;
    };
    study.convert("--make-pgen", "p");
    fs::remove_file(study.path().join("p.psam")).unwrap();
    let arguments = format!(
        "sequences --genotypes p.pgen --reference {} --regions {} -o -",
        study.reference.display(),
        study.region
    );
    refuse(study.path(), &arguments, &["p.pgen", ".psam"]);
}

#[test]
fn an_allele_of_the_mitochondrion_counts_once_in_every_format() {
    let records = "MT 10 m1 A C . PASS . GT 1 0 1\nMT 20 m2 A G . PASS . GT 0 1 .";
    let Some(study) = Study::synthetic("MT:1-60", records) else {
        return;
    };
    study.convert("--make-pgen", "p");
    study.convert("--make-bed", "b");
    study.convert("--export bgen-1.2 ref-first bits=8", "g");
    study.write_score("p");
    let expected = study.raw_scores("cohort.vcf", "of-vcf");
    assert!((expected[0].1 - 0.1).abs() < 1e-9, "{expected:?}");
    for (file, out) in [
        ("p.pgen", "of-pgen"),
        ("b.bed", "of-bed"),
        ("g.bgen", "of-bgen"),
    ] {
        assert_eq!(study.raw_scores(file, out), expected, "{file}");
    }
    let haplotypes = study.haplotypes("cohort.vcf");
    assert_eq!(study.haplotypes("p.pgen"), haplotypes);
}

#[test]
fn females_are_missing_on_y_in_every_format() {
    let records = "Y 10 y1 A C . PASS . GT 1 . 0\nY 20 y2 A G . PASS . GT 1 . 1";
    let Some(study) = Study::synthetic("Y:1-60", records) else {
        return;
    };
    study.convert("--psam sex.psam --make-pgen", "p");
    study.convert("--psam sex.psam --export bgen-1.2 ref-first bits=8", "g");
    study.write_score("p");
    let expected = study.raw_scores("cohort.vcf", "of-vcf");
    assert_eq!(study.raw_scores("p.pgen", "of-pgen"), expected);
    assert_eq!(study.raw_scores("g.bgen", "of-bgen"), expected);
}

#[test]
fn a_record_without_alt_is_read_from_bgen_as_from_vcf() {
    let records = "1 10 r1 A . . PASS . GT 0|0 0|0 0|0\n1 20 r2 A G . PASS . GT 0|1 1|0 1|1";
    let Some(study) = Study::synthetic("1:1-60", records) else {
        return;
    };
    study.convert("--export bgen-1.2 ref-first bits=8", "g");
    let expected = study.haplotypes("cohort.vcf");
    assert_eq!(study.haplotypes("g.bgen"), expected);
}

#[test]
fn the_end_of_a_symbolic_deletion_is_read_from_the_pvar() {
    let records = "1 10 d1 A <DEL> . PASS END=15 GT 0|1 1|0 1|1";
    let Some(study) = Study::synthetic("1:1-60", records) else {
        return;
    };
    study.convert("--make-pgen", "p");
    let expected = study.haplotypes("cohort.vcf");
    assert_eq!(study.haplotypes("p.pgen"), expected);
}

#[test]
fn a_variant_with_allele_codes_stops_only_those_who_need_it() {
    let records = "1 10 s1 A C . PASS . GT 0/1 1/1 0/0\n1 20 s2 A G . PASS . GT 0/1 0/1 0/0";
    let Some(study) = Study::synthetic("1:1-60", records) else {
        return;
    };
    study.convert("--make-pgen", "p");
    study.convert("--make-bed", "b");
    study.write_score("p");
    let expected = study.raw_scores("cohort.vcf", "of-vcf");
    let bim = study.path().join("b.bim");
    let codes = fs::read_to_string(&bim).unwrap() + "1\tcodes\t0\t30\t2\t1\n";
    fs::write(&bim, codes).unwrap();
    let bed = study.path().join("b.bed");
    let mut bytes = fs::read(&bed).unwrap();
    bytes.push(0);
    fs::write(&bed, bytes).unwrap();
    assert_eq!(study.raw_scores("b.bed", "of-bed"), expected);
    let diploid = format!(
        "sequences --genotypes b.bed --reference {} --regions 1:1-60 --encoding diploid -o -",
        study.reference.display()
    );
    refuse(study.path(), &diploid, &["b.bed", "1:30"]);
}

#[test]
fn run_searches_a_bgen_file_without_an_index_once() {
    let folder = TempDir::new().unwrap();
    succeed(
        folder.path(),
        "simulate --people 150 --len-nt 4000 --risk additive --format bgen --out own",
    );
    let data = data_table("own/").replace("cohort.vcf.gz", "cohort.bgen");
    let pipeline = data + tiny_pipeline_from_tokens();
    fs::write(folder.path().join("pipeline.toml"), pipeline).unwrap();
    succeed(folder.path(), "run pipeline.toml --out run");
    let lists = fs::read_dir(folder.path().join("run/bgen-lists")).unwrap();
    let names: Vec<String> = lists
        .map(|list| list.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(names[0].starts_with("cohort.bgen."), "{names:?}");
}

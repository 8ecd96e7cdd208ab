//! A length that a file states and does not hold is refused before anything of that size is
//! allocated; indexes, BCF, FASTA, scoring files. (Those of models are in `fuzz_folders.rs`.)
//!
//! `tests/robustness/damage.rs` measures the memory.

use std::{fs, io::Write, path::Path};

use crate::damage::{folder, in_proportion};
use flate2::{Compression, write::GzEncoder};
use gf_genomics::scoring;
use gf_haplotypes::{Options, Policies, Regions, Samples};
use noodles::bgzf;
use tempfile::TempDir;

const VCF: &str = "##fileformat=VCFv4.2\n##contig=<ID=1,length=200>\n##FORMAT=<ID=GT,Number=1,\
                   Type=String,Description=\"Genotype\">\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\
                   \tINFO\tFORMAT\tS1\n1\t50\t.\tA\tG\t.\tPASS\t.\tGT\t0|1\n";

fn bgzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = bgzf::io::Writer::new(Vec::new());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

/// One person, one locus of 100 nt, one variant, compressed.
fn study() -> TempDir {
    let study = folder();
    let at = |name: &str| study.path().join(name);
    fs::write(at("reference.fa"), format!(">1\n{}\n", "A".repeat(200))).unwrap();
    fs::write(at("loci.bed"), "1\t0\t100\tL\n").unwrap();
    fs::write(at("cohort.vcf.gz"), bgzip(VCF.as_bytes())).unwrap();
    study
}

/// What the stage says of the study, with memory in proportion.
fn refusal(folder: &Path, vcf: &str, len: usize) -> String {
    let options = Options {
        vcf: vec![folder.join(vcf)],
        reference: folder.join("reference.fa"),
        regions: Regions::File(folder.join("loci.bed")),
        samples: Samples::All,
        policies: Policies::default(),
        mask: None,
        callable: None,
        skips: None,
    };
    in_proportion(vcf, len, || gf_haplotypes::run(&options))
        .unwrap_err()
        .to_string()
}

/// A tabix index of one contig, up to the count of its bins.
fn tabix_head() -> Vec<u8> {
    let words = [1_i32, 2, 1, 2, 0, i32::from(b'#'), 0, 2];
    [
        &b"TBI\x01"[..],
        &words
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect::<Vec<u8>>(),
        b"1\0",
    ]
    .concat()
}

/// Such a count was an abort: room was made for two thousand million bins.
#[test]
fn an_index_that_states_bins_it_does_not_have_is_refused() {
    let study = study();
    for count in [i32::MAX, 1 << 20, -1] {
        let index = bgzip(&[&tabix_head()[..], &count.to_le_bytes()].concat());
        fs::write(study.path().join("cohort.vcf.gz.tbi"), &index).unwrap();
        assert!(
            refusal(study.path(), "cohort.vcf.gz", index.len()).contains("the index is damaged")
        );
    }
}

#[test]
fn a_csi_index_that_states_bins_or_names_it_does_not_have_is_refused() {
    let study = study();
    // Smallest bin of 2^14 nt, five levels, no names, one contig; or more bytes of names than there
    // are.
    for words in [
        [14, 5, 0, 1, i32::MAX],
        [14, 5, i32::MAX, 1, 0],
        [14, 30, 0, 1, 0],
        [14, 5, 0, i32::MAX, i32::MAX],
    ] {
        let index = bgzip(
            &[
                &b"CSI\x01"[..],
                &words
                    .iter()
                    .flat_map(|word| word.to_le_bytes())
                    .collect::<Vec<u8>>(),
            ]
            .concat(),
        );
        fs::write(study.path().join("cohort.vcf.gz.csi"), &index).unwrap();
        assert!(
            refusal(study.path(), "cohort.vcf.gz", index.len()).contains("the index is damaged")
        );
    }
}

/// Such a number was a panic: bins are looked up in a table of as many as the scheme has.
#[test]
fn a_bin_that_the_scheme_does_not_have_is_refused() {
    let study = study();
    for bin in [37_449_u32, 1 << 20, u32::MAX] {
        let words = [1_u32, bin, 0, 0];
        let index = bgzip(
            &[
                &tabix_head()[..],
                &words
                    .iter()
                    .flat_map(|word| word.to_le_bytes())
                    .collect::<Vec<u8>>(),
            ]
            .concat(),
        );
        fs::write(study.path().join("cohort.vcf.gz.tbi"), &index).unwrap();
        assert!(
            refusal(study.path(), "cohort.vcf.gz", index.len())
                .contains(&format!("bin {bin} where there are 37449"))
        );
    }
}

#[test]
fn a_bcf_that_states_lengths_it_does_not_have_is_refused() {
    let study = study();
    let header = "##fileformat=VCFv4.2\n##contig=<ID=1,length=200>\n#CHROM\tPOS\tID\tREF\tALT\
                  \tQUAL\tFILTER\tINFO\tFORMAT\tS1\n\0";
    let head = |len: u32| [&b"BCF\x02\x02"[..], &len.to_le_bytes(), header.as_bytes()].concat();
    let lengths = |site: u32, samples: u32| [site.to_le_bytes(), samples.to_le_bytes()].concat();
    let whole = head(header.len() as u32);
    for bytes in [
        head(u32::MAX),
        [&whole[..], &lengths(u32::MAX, 0)].concat(),
        [
            &whole[..],
            &lengths(24, u32::MAX),
            &[0; 20],
            &u32::MAX.to_le_bytes(),
        ]
        .concat(),
    ] {
        let file = bgzip(&bytes);
        fs::write(study.path().join("cohort.bcf"), &file).unwrap();
        assert!(refusal(study.path(), "cohort.bcf", file.len()).contains("cohort.bcf"));
    }
}

#[test]
fn an_index_of_a_reference_that_states_bases_it_does_not_have_is_refused() {
    let study = study();
    fs::write(
        study.path().join("reference.fa.fai"),
        "1\t1000000000000000\t3\t200\t201\n",
    )
    .unwrap();
    fs::write(study.path().join("loci.bed"), "1\t0\t900000000000000\tL\n").unwrap();
    fs::write(
        study.path().join("cohort.vcf"),
        VCF.replace("length=200", "length=1000000000000000"),
    )
    .unwrap();
    assert!(
        refusal(study.path(), "cohort.vcf", 200)
            .contains("reference.fa.fai: the index does not fit")
    );
}

/// A gzipped table is held whole: zeros that are a thousandth of their size on disk are read, but
/// nothing more than a few copies of them.
#[test]
fn a_scoring_file_that_unpacks_to_much_costs_a_few_copies_of_it() {
    let study = study();
    let text = format!(
        "chr_name\tchr_position\teffect_allele\teffect_weight\n1\t50\tG\t0.1\n1\t51\tG\t0.{}\n",
        "0".repeat(16 << 20)
    );
    let mut writer = GzEncoder::new(Vec::new(), Compression::best());
    writer.write_all(text.as_bytes()).unwrap();
    let packed = writer.finish().unwrap();
    fs::write(study.path().join("score.txt.gz"), &packed).unwrap();
    let options = scoring::Options {
        vcf: vec![study.path().join("cohort.vcf.gz")],
        scoring_files: vec![study.path().join("score.txt.gz")],
        min_overlap: 0.0,
        out: study.path().join("out"),
        ..scoring::Options::default()
    };
    in_proportion("score.txt.gz", 10 * packed.len(), || {
        scoring::raw_scores(&options).map_err(|error| error.to_string())
    })
    .ok();
}

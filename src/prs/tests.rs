//! The stage as a whole, and scores against PLINK 2.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use gf_cohort_schema::read_predictions;

use super::*;

/// A folder of the shared real data, or `None`, said aloud, where it is not there.
pub(super) fn shared_data(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no real data at {}", folder.display());
    None
}

/// Writes a VCF; records have spaces for tabs and leave INFO out (`CHROM POS ID REF ALT QUAL FILTER INFO FORMAT genotypes...`).
pub(super) fn write_vcf(folder: &Path, samples: &[&str], records: &[&str]) -> PathBuf {
    let path = folder.join("cohort.vcf");
    let mut text = String::from("##fileformat=VCFv4.2\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"Genotype\">\n");
    text += &format!("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{}\n", samples.join("\t"));
    for record in records {
        text += &record.replacen(" GT ", " . GT ", usize::from(record.split(' ').nth(8) != Some("GT"))).replace(' ', "\t");
        text.push('\n');
    }
    fs::write(&path, text).unwrap();
    path
}

fn scores(file: &ScoringFile, table: &GenotypeTable, keep_ambiguous: bool, frequency: impl Fn(&dosages::Site, i16) -> f64) -> Vec<f64> {
    let matches = match_rows(file, &table.sites, keep_ambiguous).unwrap();
    let alleles = matches.matched().map(|candidate| {
        let site = &table.sites[candidate.site];
        AlleleWeight {
            chrom: site.contig.clone(),
            position: site.position,
            ref_allele: site.ref_allele.clone(),
            alt_allele: site.allele(candidate.alt).into(),
            effect_is_ref: candidate.effect_allele() == 0,
            weight: file.rows[candidate.row].effect_weight,
            frequency: frequency(site, candidate.effect_allele()),
            mean: 0.0,
            sd: 1.0,
        }
    });
    let feature = Feature::AlleleScore { alleles: alleles.collect() };
    People::new(table, Vec::new(), None).values(&feature, 0.0).unwrap()
}

/// PLINK 2 (v2.00a3.5) `--score` on this file, `--xchr-model 1`: M1 is haploid on X. With `no-mean-imputation` the sums are 111111,
/// 122202, 200020, 10100; with mean imputation (`--bad-freqs`) M2 has 10101.
#[test]
fn sums_are_those_of_plink2_with_and_without_mean_imputation() {
    let folder = tempfile::tempdir().unwrap();
    let vcf = write_vcf(
        folder.path(),
        &["F1", "M1", "F2", "M2"],
        &[
            "1 1 a A G . PASS . GT 0|1 1|1 0|0 ./.",
            "1 2 b A G . PASS . GT 0/1 1/1 0/0 1/1",
            "1 3 c A T . PASS . GT 0|1 1|1 0|0 0|1",
            "1 4 d A G,T . PASS . GT 1|2 2|2 0|1 0|0",
            "1 5 e AC A . PASS . GT 0|1 1|1 0|0 0|1",
            "X 6 x A G . PASS . GT 0|1 1 1|1 0",
        ],
    );
    let path = folder.path().join("score.txt");
    let rows = ["1 1 G A 1", "1 2 A G 10", "1 3 T A 100", "1 4 T A 1000", "1 5 A AC 10000", "X 6 G A 100000"];
    fs::write(&path, format!("chr_name chr_position effect_allele other_allele effect_weight\n{}\n", rows.join("\n")).replace(' ', "\t"))
        .unwrap();
    let table = GenotypeTable::read(&[vcf], None, None, None).unwrap();
    let file = ScoringFile::read(&path).unwrap();
    let everyone = [0, 1, 2, 3];
    assert_eq!(scores(&file, &table, true, |_, _| 0.0), [111_111.0, 122_202.0, 200_020.0, 10_100.0]);
    let imputed = scores(&file, &table, true, |site, allele| site.frequency(allele, &everyone).unwrap());
    assert_eq!(imputed, [111_111.0, 122_202.0, 200_020.0, 10_101.0]);
    // c and d (A/T) are strand-ambiguous.
    assert_eq!(scores(&file, &table, false, |_, _| 0.0), [110_011.0, 120_002.0, 200_020.0, 10_000.0]);
}

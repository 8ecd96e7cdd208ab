//! Genotypes of the people of a study at every usable variant, and the dosages read off them.
//!
//! Input -> output: VCF/BCF files -> a [`GenotypeTable`]: one [`Site`] a record, with one genotype a person. A dosage is the number of
//! copies of one allele, REF or ALT: 0..2, or 0..1 on a haploid chromosome. A missing one is read as allele frequency times ploidy; the
//! frequency always comes from training people. Coordinates: `position` is 1-based.

use std::{collections::HashSet, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::Error;
use crate::ingest::{Genotype, Locus, MISSING, VariantFile, VariantRecord, admits, contig_key};

/// One VCF record that has an ALT allele to count.
#[derive(Clone, Debug)]
pub struct Site {
    /// Contig as the file names it.
    pub contig: String,
    /// 1-based POS.
    pub position: usize,
    /// ID column (`.` when absent).
    pub id: String,
    /// REF, upper-case.
    pub ref_allele: String,
    /// ALT alleles, all of them, upper-case.
    pub alt_alleles: Vec<String>,
    /// Numbers (1 = first ALT) of the ALT alleles that have a dosage: not symbolic, not `*`, not on an earlier record already.
    pub counted_alts: Vec<i16>,
    /// One a person, in the order of [`GenotypeTable::people`].
    pub genotypes: Vec<Genotype>,
}

impl Site {
    /// REF (0) or an ALT (1..) allele.
    #[must_use]
    pub fn allele(&self, number: i16) -> &str {
        match usize::try_from(number) {
            Ok(alt @ 1..) => &self.alt_alleles[alt - 1],
            _ => &self.ref_allele,
        }
    }

    /// Frequency of an allele among the called genotypes of `people`; `None` when none is called.
    #[must_use]
    pub fn frequency(&self, allele: i16, people: &[usize]) -> Option<f64> {
        let (mut copies, mut haplotypes) = (0_u64, 0_u64);
        for genotype in people.iter().map(|&person| self.genotypes[person]) {
            if let Some(dosage) = genotype.dosage(allele) {
                copies += u64::from(dosage);
                haplotypes += ploidy(genotype);
            }
        }
        (haplotypes > 0).then(|| copies as f64 / haplotypes as f64)
    }

    /// Copies of an allele in one person; frequency times ploidy where the call is missing.
    #[must_use]
    pub fn dosage(&self, allele: i16, frequency: f64, person: usize) -> f64 {
        let genotype = self.genotypes[person];
        genotype.dosage(allele).map_or_else(|| frequency * ploidy(genotype) as f64, f64::from)
    }
}

fn ploidy(genotype: Genotype) -> u64 {
    if genotype.is_haploid() { 1 } else { 2 }
}

/// What happened to records and genotypes on reading.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadCounts {
    /// Records read.
    pub records: u64,
    /// Records left out: by FILTER.
    pub filtered_records: u64,
    /// Records without any ALT allele to count.
    pub records_without_dosage: u64,
    /// Symbolic ALT alleles (`<DEL>`, breakends): not counted.
    pub symbolic_alleles: u64,
    /// `*` ALT alleles: not counted.
    pub star_alleles: u64,
    /// ALT alleles that an earlier record has already: left out.
    pub duplicate_variants: u64,
    /// Genotypes without a call, half calls included.
    pub missing_genotypes: u64,
    /// Genotypes with one allele called and one missing: read as missing.
    pub half_calls: u64,
    /// Haploid genotypes: dosage 0..1.
    pub haploid_genotypes: u64,
    /// Samples of the VCF that are not asked for.
    pub samples_left_out: u64,
}

/// Every usable variant with the genotypes of the people asked for.
#[derive(Clone, Debug, Default)]
pub struct GenotypeTable {
    /// Sample names.
    pub people: Vec<String>,
    /// In the order of the files.
    pub sites: Vec<Site>,
    /// What was left out or odd.
    pub counts: ReadCounts,
    /// What was odd about the headers but could be read.
    pub warnings: Vec<String>,
}

impl GenotypeTable {
    /// Reads `paths` once each. `people` are looked up by sample name in every file; all samples of the first file when `None`.
    /// `wanted` says which of the records are kept, and `filters` which of these are used, as [`Options::filters`](super::Options::filters).
    ///
    /// # Errors
    /// Whatever [`VariantFile`] refuses; a person whom a file does not have.
    pub fn read(
        paths: &[PathBuf],
        loci: Option<&[Locus]>,
        people: Option<&[&str]>,
        wanted: Option<&dyn Fn(&VariantRecord) -> bool>,
        filters: Option<&[String]>,
    ) -> Result<Self, Error> {
        let mut files = paths.iter().map(|path| VariantFile::open(path)).collect::<Result<Vec<_>, _>>()?;
        let people: Vec<String> = match (people, files.first()) {
            (Some(people), _) => people.iter().map(ToString::to_string).collect(),
            (None, Some(first)) => first.samples().to_vec(),
            (None, None) => Vec::new(),
        };
        let mut table = Self { people, ..Self::default() };
        let mut seen = HashSet::new();
        for file in &mut files {
            table.warnings.extend_from_slice(file.warnings());
            file.select(&table.people)?;
            table.counts.samples_left_out += (file.samples().len() - table.people.len()) as u64;
            file.for_each(loci, |record| {
                if wanted.is_none_or(|wanted| wanted(record)) {
                    table.add(record, filters, &mut seen);
                }
                Ok::<_, Error>(())
            })?;
        }
        Ok(table)
    }

    fn add(&mut self, record: &VariantRecord, filters: Option<&[String]>, seen: &mut HashSet<String>) {
        let counts = &mut self.counts;
        counts.records += 1;
        if !filters.is_none_or(|names| admits(names, &record.filters)) {
            counts.filtered_records += 1;
            return;
        }
        let ref_allele = text(&record.ref_allele);
        let mut counted_alts = Vec::new();
        for (number, alt) in (1..).zip(&record.alt_alleles) {
            if alt == b"*" {
                counts.star_alleles += 1;
            } else if alt.iter().any(|byte| b"<>[].".contains(byte)) {
                counts.symbolic_alleles += 1;
            } else if !seen.insert(format!("{}:{}:{ref_allele}:{}", contig_key(&record.contig), record.position, text(alt))) {
                counts.duplicate_variants += 1;
            } else {
                counted_alts.push(number);
            }
        }
        if counted_alts.is_empty() {
            counts.records_without_dosage += 1;
            return;
        }
        for genotype in record.not_reference.iter().map(|&person| record.genotypes[person as usize]) {
            counts.haploid_genotypes += u64::from(genotype.is_haploid());
            if genotype.alleles.contains(&MISSING) {
                counts.missing_genotypes += 1;
                counts.half_calls += u64::from(genotype.alleles.iter().any(|&allele| allele >= 0));
            }
        }
        self.sites.push(Site {
            contig: record.contig.clone(),
            position: record.position,
            id: record.id.clone(),
            ref_allele,
            alt_alleles: record.alt_alleles.iter().map(|alt| text(alt)).collect(),
            counted_alts,
            genotypes: record.genotypes.clone(),
        });
    }
}

fn text(allele: &[u8]) -> String {
    String::from_utf8_lossy(allele).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        ingest::{ABSENT, pass},
        prs::tests::write_vcf,
    };

    proptest! {
        #[test]
        fn dosages_of_all_alleles_add_up_to_the_ploidy(calls in prop::collection::vec((-1_i16..=2, -2_i16..=2), 2..20)) {
            let genotype = |&(a, b): &(i16, i16)| Genotype { alleles: [a, b], phased: true };
            let site = Site {
                contig: "1".into(),
                position: 1,
                id: ".".into(),
                ref_allele: "A".into(),
                alt_alleles: vec!["C".into(), "G".into()],
                counted_alts: vec![1, 2],
                genotypes: calls.iter().map(genotype).collect(),
            };
            let people: Vec<usize> = (0..calls.len()).collect();
            if let Some([a, b, c]) = [0, 1, 2].map(|allele| site.frequency(allele, &people)).into_iter().collect::<Option<Vec<f64>>>().as_deref() {
                for person in people {
                    let sum: f64 = (0..).zip([a, b, c]).map(|(allele, frequency)| site.dosage(allele, *frequency, person)).sum();
                    let ploidy = if calls[person].1 == ABSENT { 1.0 } else { 2.0 };
                    prop_assert!((sum - ploidy).abs() < 1e-12);
                }
            }
        }
    }

    fn read(records: &[&str]) -> GenotypeTable {
        let folder = tempfile::tempdir().unwrap();
        let path = write_vcf(folder.path(), &["F1", "M1", "F2", "M2"], records);
        GenotypeTable::read(&[path], None, Some(&["M2", "F1"]), None, Some(&pass())).unwrap()
    }

    #[test]
    fn people_are_in_the_order_asked_for_and_every_rule_is_counted() {
        let table = read(&[
            "1 10 a A G . PASS . GT 0|1 1|1 0|0 ./.",
            "1 20 b A G . q10 . GT 0|1 1|1 0|0 0|0",
            "1 30 c A G,*,<DEL> . . . GT 0|1 1|2 0|3 0|2",
            "1 30 d A G . . . GT 0|1 1|1 0|0 0|0",
            "1 40 e A . . . . GT 0|0 0|0 0|0 0|0",
            "X 50 f A G . . . GT .|1 1 0|0 1",
        ]);
        assert_eq!(table.people, ["M2", "F1"]);
        let expected = ReadCounts {
            records: 6,
            filtered_records: 1,
            records_without_dosage: 2,
            symbolic_alleles: 1,
            star_alleles: 1,
            duplicate_variants: 1,
            missing_genotypes: 2,
            half_calls: 1,
            haploid_genotypes: 1,
            samples_left_out: 2,
        };
        assert_eq!(table.counts, expected);
        let [a, c, f] = &table.sites[..] else { panic!("{:?}", table.sites) };
        assert_eq!((a.frequency(1, &[0, 1]), a.frequency(1, &[0])), (Some(0.5), None));
        assert_eq!((a.dosage(1, 0.5, 0), a.dosage(1, 0.5, 1)), (1.0, 1.0));
        assert_eq!((c.counted_alts.as_slice(), c.dosage(1, 0.0, 0), c.dosage(0, 0.0, 0)), ([1].as_slice(), 0.0, 1.0));
        assert_eq!((f.dosage(1, 0.3, 0), f.dosage(0, 0.7, 0)), (1.0, 0.0));
        assert_eq!((f.dosage(1, 0.3, 1), f.frequency(1, &[0, 1])), (0.6, Some(1.0)));
    }

    #[test]
    fn records_are_used_by_their_filter() {
        let folder = tempfile::tempdir().unwrap();
        let records = ["1 10 a A G . PASS . GT 0|1", "1 20 b A G . q10 . GT 0|1", "1 30 c A G . . . GT 0|1"];
        let path = write_vcf(folder.path(), &["A"], &records);
        let ids = |filters: Option<&[&str]>| {
            let filters: Option<Vec<String>> = filters.map(|names| names.iter().map(ToString::to_string).collect());
            let table = GenotypeTable::read(std::slice::from_ref(&path), None, None, None, filters.as_deref()).unwrap();
            assert_eq!(table.counts.filtered_records as usize, 3 - table.sites.len());
            table.sites.into_iter().map(|site| site.id).collect::<String>()
        };
        assert_eq!([ids(None), ids(Some(&["PASS", "."])), ids(Some(&["q10"]))], ["abc", "ac", "b"]);
    }

    #[test]
    fn a_person_without_a_column_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = write_vcf(folder.path(), &["A"], &["1 10 a A G . PASS . GT 0|1"]);
        let message = GenotypeTable::read(&[path], None, Some(&["A", "B", "C"]), None, Some(&pass())).unwrap_err().to_string();
        assert!(message.contains("`B`") && message.contains("2 of the 3"), "{message}");
    }
}

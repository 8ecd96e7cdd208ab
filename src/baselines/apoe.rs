//! APOE haplotypes e1 to e4 from rs429358 (T>C) and rs7412 (C>T) on chromosome 19.
//!
//! Input: the two [`Site`]s. Output: each sample's number of haplotypes of each kind. The alleles
//! of one haplotype at (rs429358, rs7412) are T-T for e2, T-C for e3, C-C for e4, C-T for e1.
//! Positions on GRCh38 and GRCh37 come from dbSNP 156.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::scoring::{
    dosages::{RequestedAllele, Site},
    matching::MatchType,
};
use gf_genotypes::{ABSENT, GenomeBuild, Position1, contig_key};

/// Positions of both variants on one genome build.
#[derive(Clone, Copy)]
struct ApoePositions {
    build: GenomeBuild,
    rs429358: Position1,
    rs7412: Position1,
}

const POSITIONS: [ApoePositions; 2] = [
    ApoePositions {
        build: GenomeBuild::GRCh38,
        rs429358: Position1::at::<44_908_684>(),
        rs7412: Position1::at::<44_908_822>(),
    },
    ApoePositions {
        build: GenomeBuild::GRCh37,
        rs429358: Position1::at::<45_411_941>(),
        rs7412: Position1::at::<45_412_079>(),
    },
];

/// The region around APOE that a score without APOE leaves out, by build: chr19:44.4-46.5 Mb, as in
/// studies of Alzheimer's disease (PMC12096521).
///
/// These studies do not state the build. It is taken as GRCh37, where the centre (45.45 Mb) is
/// APOE. On GRCh38 both ends are shifted by the distance of rs429358 (503,257 nt) instead of being
/// lifted over, so that the region has the same extent around APOE.
const REGION: [(GenomeBuild, RangeInclusive<Position1>); 2] = [
    (
        GenomeBuild::GRCh37,
        Position1::at::<44_400_000>()..=Position1::at::<46_500_000>(),
    ),
    (
        GenomeBuild::GRCh38,
        Position1::at::<43_896_743>()..=Position1::at::<45_996_743>(),
    ),
];

/// Whether a position is in the region that a score without APOE leaves out.
#[must_use]
pub fn is_in_region(build: GenomeBuild, contig: &str, position: Position1) -> bool {
    contig_key(contig) == "19"
        && REGION
            .iter()
            .any(|(region_build, region)| *region_build == build && region.contains(&position))
}

/// The region of [`is_in_region`] as text; empty on an unknown build.
#[must_use]
pub fn region(build: GenomeBuild) -> String {
    REGION
        .iter()
        .find(|(region_build, _)| *region_build == build)
        .map_or_else(String::new, |(build, region)| {
            format!("chr19:{}-{} on {build}", region.start(), region.end())
        })
}

/// Chromosome and position of both variants, on every build.
pub fn positions<'a>() -> impl Iterator<Item = (&'a str, Position1)> {
    POSITIONS
        .into_iter()
        .flat_map(|positions| [positions.rs429358, positions.rs7412])
        .map(|position| ("19", position))
}

/// The ALT alleles of both variants, on every build.
pub fn alleles<'a>() -> impl Iterator<Item = RequestedAllele<'a>> {
    POSITIONS.into_iter().flat_map(|positions| {
        [
            RequestedAllele {
                contig: "19",
                position: positions.rs429358,
                allele: "C",
                other_allele: Some("T"),
            },
            RequestedAllele {
                contig: "19",
                position: positions.rs7412,
                allele: "T",
                other_allele: Some("C"),
            },
        ]
    })
}

/// The APOE haplotypes of one sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ApoeHaplotypes {
    /// Copies of e1, e2, e3, e4.
    pub copies: [u8; 4],
    /// Heterozygous at both variants without phase: read as e2/e4, because e1/e3 is very rare.
    pub by_convention: bool,
}

impl ApoeHaplotypes {
    /// The genotype in ascending order, such as `e3/e4`; one haplotype for a haploid call.
    #[must_use]
    pub fn genotype(self) -> String {
        let names: Vec<String> = (1..)
            .zip(self.copies)
            .flat_map(|(number, copies)| vec![format!("e{number}"); usize::from(copies)])
            .collect();
        names.join("/")
    }

    /// Copies of e2.
    #[must_use]
    pub fn e2(self) -> u8 {
        self.copies[1]
    }

    /// Copies of e4.
    #[must_use]
    pub fn e4(self) -> u8 {
        self.copies[3]
    }
}

/// Counts of APOE haplotypes over a cohort.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApoeCounts {
    /// C-T haplotypes.
    pub e1: u64,
    /// T-T haplotypes.
    pub e2: u64,
    /// T-C haplotypes.
    pub e3: u64,
    /// C-C haplotypes.
    pub e4: u64,
    /// Samples heterozygous at both variants without phase, counted as e2/e4.
    pub unphased_double_heterozygotes: u64,
    /// Samples without a call at one of the variants, or with a third allele. Baselines use the
    /// training mean for them.
    pub people_without_call: u64,
}

impl ApoeCounts {
    /// Counts the haplotypes of all samples.
    #[must_use]
    pub fn count(samples: &[Option<ApoeHaplotypes>]) -> Self {
        let mut counts = Self::default();
        for sample in samples {
            let Some(haplotypes) = sample else {
                counts.people_without_call += 1;
                continue;
            };
            let [e1, e2, e3, e4] = haplotypes.copies.map(u64::from);
            counts.e1 += e1;
            counts.e2 += e2;
            counts.e3 += e3;
            counts.e4 += e4;
            counts.unphased_double_heterozygotes += u64::from(haplotypes.by_convention);
        }
        counts
    }
}

/// Why there are no APOE haplotypes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApoeProblem {
    /// A build on which the two variants are not known.
    #[error("this program does not know the positions of rs429358 and rs7412 on {build}")]
    UnknownBuild {
        /// The build.
        build: GenomeBuild,
    },
    /// One or both variants are missing.
    #[error(
        "the genotype files do not contain both rs429358 and rs7412 (expected {})",
        expected.join(", or ")
    )]
    NoVariants {
        /// The two variants on each build.
        expected: Vec<String>,
    },
}

/// APOE haplotypes of each sample; `None` for samples without a call.
///
/// # Errors
/// The two variants are not both present on one build with their alleles.
pub fn haplotypes(
    sites: &[Site],
    build: Option<GenomeBuild>,
) -> Result<Vec<Option<ApoeHaplotypes>>, ApoeProblem> {
    let Some(records) = ApoeRecords::find(sites, build) else {
        if let Some(build) = build
            && positions_on(Some(build)).next().is_none()
        {
            return Err(ApoeProblem::UnknownBuild { build });
        }
        let expected: Vec<String> = positions_on(build)
            .map(|positions| {
                format!(
                    "19:{} T>C and 19:{} C>T on {}",
                    positions.rs429358, positions.rs7412, positions.build
                )
            })
            .collect();
        return Err(ApoeProblem::NoVariants { expected });
    };
    Ok((0..records.rs429358.site.genotypes.len())
        .map(|sample| records.haplotypes(sample))
        .collect())
}

/// The build on which both variants are present.
#[must_use]
pub fn build_of(sites: &[Site], build: Option<GenomeBuild>) -> Option<GenomeBuild> {
    ApoeRecords::find(sites, build).map(|records| records.build)
}

/// Note about records on the other strand or with REF and ALT exchanged. Their alleles are still
/// identified by their bases.
#[must_use]
pub fn written_otherwise(sites: &[Site], build: Option<GenomeBuild>) -> Option<String> {
    let records = ApoeRecords::find(sites, build)?;
    let notes: Vec<String> = [("rs429358", records.rs429358), ("rs7412", records.rs7412)]
        .into_iter()
        .filter_map(|(name, record)| {
            let difference = match record.match_type {
                MatchType::Altref => return None,
                MatchType::AltrefFlip => "on the other strand",
                MatchType::RefaltFlip => "on the other strand, with REF and ALT exchanged",
                _ => "with REF and ALT exchanged",
            };
            Some(format!("{name} {difference}"))
        })
        .collect();
    (!notes.is_empty()).then(|| format!("APOE is read from {}", notes.join(" and ")))
}

/// Positions on one build, or on every build if it is not known.
fn positions_on(build: Option<GenomeBuild>) -> impl Iterator<Item = ApoePositions> {
    POSITIONS
        .into_iter()
        .filter(move |positions| build.is_none_or(|build| build == positions.build))
}

/// The records of both variants.
struct ApoeRecords<'a> {
    build: GenomeBuild,
    rs429358: ApoeRecord<'a>,
    rs7412: ApoeRecord<'a>,
}

/// The record of one variant, with the numbers of its two alleles.
#[derive(Clone, Copy)]
struct ApoeRecord<'a> {
    site: &'a Site,
    /// Number of the allele T of rs429358 or C of rs7412.
    ancestral: i16,
    /// Number of the allele C of rs429358 or T of rs7412.
    derived: i16,
    match_type: MatchType,
}

impl<'a> ApoeRecord<'a> {
    /// Finds the record with these alleles. Either can be REF, on either strand: T and C are not
    /// complements, so the bases identify the strand.
    fn find(
        sites: &'a [Site],
        position: Position1,
        ancestral: &str,
        derived: &str,
    ) -> Option<Self> {
        sites
            .iter()
            .filter(|site| site.position == position && contig_key(&site.contig) == "19")
            .flat_map(|site| site.counted_alts.iter().map(move |&alt| (site, alt)))
            .filter_map(|(site, alt)| Self::of_alt(site, alt, ancestral, derived))
            .min_by_key(|record| record.match_type.is_flipped())
    }

    /// A record if REF and this ALT are the two alleles.
    fn of_alt(site: &'a Site, alt: i16, ancestral: &str, derived: &str) -> Option<Self> {
        let alleles = (derived, Some(ancestral));
        let match_type = MatchType::between(alleles, &site.ref_allele, site.allele(alt))?;
        let derived_is_ref = match_type.effect_is_ref();
        Some(Self {
            site,
            ancestral: if derived_is_ref { alt } else { 0 },
            derived: if derived_is_ref { 0 } else { alt },
            match_type,
        })
    }

    /// Whether an allele is the derived one; `None` for missing and third alleles.
    fn is_derived(&self, allele: i16) -> Option<bool> {
        if allele == self.ancestral {
            Some(false)
        } else if allele == self.derived {
            Some(true)
        } else {
            None
        }
    }

    fn is_one_of_each(&self, alleles: [i16; 2]) -> bool {
        alleles == [self.ancestral, self.derived] || alleles == [self.derived, self.ancestral]
    }
}

impl<'a> ApoeRecords<'a> {
    /// Finds both records on one build.
    fn find(sites: &'a [Site], build: Option<GenomeBuild>) -> Option<Self> {
        positions_on(build).find_map(|positions| {
            Some(Self {
                build: positions.build,
                rs429358: ApoeRecord::find(sites, positions.rs429358, "T", "C")?,
                rs7412: ApoeRecord::find(sites, positions.rs7412, "C", "T")?,
            })
        })
    }

    /// APOE haplotypes of one sample; `None` with a missing or third allele.
    fn haplotypes(&self, sample: usize) -> Option<ApoeHaplotypes> {
        let rs429358_call = self.rs429358.site.genotypes.call(sample);
        let rs7412_call = self.rs7412.site.genotypes.call(sample);
        if rs429358_call.is_heterozygous()
            && rs7412_call.is_heterozygous()
            && !rs429358_call.is_haploid()
            && !rs7412_call.is_haploid()
            && !(rs429358_call.phased && rs7412_call.phased)
        {
            let has_known_alleles = self.rs429358.is_one_of_each(rs429358_call.alleles)
                && self.rs7412.is_one_of_each(rs7412_call.alleles);
            return has_known_alleles.then_some(ApoeHaplotypes {
                copies: [0, 1, 0, 1],
                by_convention: true,
            });
        }
        // Unless both variants are heterozygous, the order of the alleles does not matter.
        let mut haplotypes = ApoeHaplotypes::default();
        let alleles = rs429358_call.alleles.into_iter().zip(rs7412_call.alleles);
        for (rs429358, rs7412) in alleles {
            if rs429358 == ABSENT && rs7412 == ABSENT {
                continue;
            }
            let rs429358_is_c = self.rs429358.is_derived(rs429358)?;
            let rs7412_is_t = self.rs7412.is_derived(rs7412)?;
            // Index in `copies`: e1, e2, e3, e4.
            let kind = match (rs429358_is_c, rs7412_is_t) {
                (true, true) => 0,
                (false, true) => 1,
                (false, false) => 2,
                (true, false) => 3,
            };
            haplotypes.copies[kind] += 1;
        }
        Some(haplotypes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoring::{
        dosages::GenotypeTable,
        testing::{shared_data, write_vcf},
    };
    use gf_genotypes::pass;

    fn table(records: &[&str], samples: &[&str]) -> GenotypeTable {
        let folder = tempfile::tempdir().unwrap();
        GenotypeTable::read(
            &[write_vcf(folder.path(), samples, records)],
            None,
            None,
            None,
            Some(&pass()),
        )
        .unwrap()
    }

    #[test]
    fn haplotypes_are_read_off_the_phase_and_by_convention_without_it() {
        let samples = [
            "e3e3",
            "e2e4",
            "e1e3",
            "convention",
            "missing",
            "third",
            "half_phased",
        ];
        let table = table(
            &[
                "chr19 44908684 . T C,G . PASS . GT 0|0 0|1 0|1 0/1 ./. 0|2 0|1",
                "chr19 44908822 . C T . PASS . GT 0|0 1|0 0|1 0/1 0|0 0|0 1/0",
            ],
            &samples,
        );
        let people = haplotypes(&table.sites, None).unwrap();
        let copies: Vec<Option<[u8; 4]>> = people
            .iter()
            .map(|person| person.map(|haplotypes| haplotypes.copies))
            .collect();
        let e2e4 = Some([0, 1, 0, 1]);
        assert_eq!(
            copies,
            [
                Some([0, 0, 2, 0]),
                e2e4,
                Some([1, 0, 1, 0]),
                e2e4,
                None,
                None,
                e2e4
            ]
        );
        let expected = ApoeCounts {
            e1: 1,
            e2: 3,
            e3: 3,
            e4: 3,
            unphased_double_heterozygotes: 2,
            people_without_call: 2,
        };
        assert_eq!(ApoeCounts::count(&people), expected);
        let genotypes: Vec<String> = people
            .iter()
            .map(|person| person.map_or_else(String::new, ApoeHaplotypes::genotype))
            .collect();
        assert_eq!(
            genotypes,
            ["e3/e3", "e2/e4", "e1/e3", "e2/e4", "", "", "e2/e4"]
        );
    }

    #[test]
    fn exchanged_and_flipped_records_have_the_same_haplotypes_under_any_name_of_the_contig() {
        let samples = ["e3e3", "e2e4", "e4e4", "missing"];
        let as_usual = [
            "chr19 44908684 . T C . PASS . GT 0|0 0|1 1|1 .|.",
            "chr19 44908822 . C T . PASS . GT 0|0 1|0 0|0 0|0",
        ];
        let exchanged = [
            "19 44908684 . C T . PASS . GT 1|1 1|0 0|0 .|.",
            "19 44908822 . C T . PASS . GT 0|0 1|0 0|0 0|0",
        ];
        let flipped = [
            "NC_000019.10 44908684 . A G . PASS . GT 0|0 0|1 1|1 .|.",
            "NC_000019.10 44908822 . A G . PASS . GT 1|1 0|1 1|1 1|1",
        ];
        let expected = table(&as_usual, &samples);
        assert_eq!(written_otherwise(&expected.sites, None), None);
        let expected = haplotypes(&expected.sites, None).unwrap();
        for (records, how) in [
            (exchanged, "rs429358 with REF and ALT exchanged"),
            (flipped, "rs7412 on the other strand, with REF"),
        ] {
            let sites = table(&records, &samples).sites;
            assert_eq!(haplotypes(&sites, None).unwrap(), expected, "{records:?}");
            assert!(written_otherwise(&sites, None).unwrap().contains(how));
        }
    }

    #[test]
    fn the_region_lies_the_same_about_apoe_on_both_builds() {
        for ApoePositions {
            build, rs429358, ..
        } in POSITIONS
        {
            assert!(is_in_region(build, "chr19", rs429358) && !is_in_region(build, "18", rs429358));
            assert!(
                is_in_region(build, "19", rs429358 + 1_088_059)
                    && !is_in_region(build, "19", rs429358 + 1_088_060)
            );
            let [first, before_first] = [1_011_941, 1_011_942]
                .map(|left_nt| (rs429358.to_zero_based() - left_nt).to_one_based());
            assert!(is_in_region(build, "19", first) && !is_in_region(build, "19", before_first));
        }
        assert_eq!(
            region(GenomeBuild::GRCh38),
            "chr19:43896743-45996743 on GRCh38"
        );
    }

    #[test]
    fn both_sites_with_their_alleles_on_one_build_are_needed() {
        let one_build_each = [
            "19 44908684 . T C . PASS . GT 0|0",
            "19 45412079 . C T . PASS . GT 0|0",
        ];
        assert!(
            haplotypes(&table(&one_build_each, &["A"]).sites, None)
                .unwrap_err()
                .to_string()
                .contains("GRCh37")
        );
        let other_alleles = [
            "19 44908684 . T G . PASS . GT 0|0",
            "19 44908822 . C T . PASS . GT 0|0",
        ];
        assert!(haplotypes(&table(&other_alleles, &["A"]).sites, None).is_err());
        let message = haplotypes(
            &table(&other_alleles, &["A"]).sites,
            Some(GenomeBuild::CHM13),
        )
        .unwrap_err()
        .to_string();
        assert!(
            message.contains("does not know the positions of rs429358 and rs7412 on T2T-CHM13"),
            "{message}"
        );
        let grch37 = [
            "19 45411941 . T C . PASS . GT 0|0",
            "19 45412079 . C T . PASS . GT 0|0",
        ];
        let sites = table(&grch37, &["A"]).sites;
        assert!(
            haplotypes(&sites, Some(GenomeBuild::GRCh37)).is_ok()
                && haplotypes(&sites, Some(GenomeBuild::GRCh38)).is_err()
        );
    }

    /// bcftools query -f '[%GT\t]\n' -i 'ID="rs429358"||ID="rs7412"' FILE, then for each column:
    /// allele 1 (2) of the first line with allele 1 (2) of the second, counted
    /// (tests/oracles/apoe.sh).
    #[test]
    fn real_haplotypes_are_counted_as_bcftools_and_awk_count_them() {
        let Some(folder) = shared_data("apoe") else {
            return;
        };
        for (name, [e1, e2, e3, e4]) in [
            (
                "haptools_apoe_exon4.2504.grch37.vcf.gz",
                [1, 375, 3_879, 753],
            ),
            ("apoe_gene.776.grch38.vcf.gz", [0, 123, 1_228, 201]),
        ] {
            let table =
                GenotypeTable::read(&[folder.join(name)], None, None, None, Some(&pass())).unwrap();
            let counts = ApoeCounts::count(&haplotypes(&table.sites, None).unwrap());
            assert_eq!(
                counts,
                ApoeCounts {
                    e1,
                    e2,
                    e3,
                    e4,
                    ..ApoeCounts::default()
                },
                "{name}"
            );
        }
    }
}

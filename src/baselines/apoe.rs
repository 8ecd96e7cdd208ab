//! APOE e2, e3 and e4 from rs429358 (T>C) and rs7412 (C>T) on chromosome 19.
//!
//! Input -> output: the two [`Site`]s -> how many haplotypes of each kind a person has. On one
//! haplotype (rs429358, rs7412): T-T = e2, T-C = e3, C-C = e4, C-T = e1. Positions are 1-based, on
//! GRCh38 and GRCh37 (dbSNP 156).

use serde::{Deserialize, Serialize};

use crate::scoring::{
    dosages::{Asked, Site},
    matching::MatchType,
};
use gf_genotypes::{ABSENT, GenomeBuild, contig_key};

/// (build, position of rs429358, position of rs7412)
const POSITIONS: [(GenomeBuild, usize, usize); 2] = [
    (GenomeBuild::GRCh38, 44_908_684, 44_908_822),
    (GenomeBuild::GRCh37, 45_411_941, 45_412_079),
];

/// The region about APOE that a score without APOE leaves out, by build: chr19:44.4-46.5 Mb, as
/// studies of Alzheimer's disease have it (PMC12096521). They do not say on which build; it is read
/// as GRCh37, where its middle (45.45 Mb) is APOE. On GRCh38 both ends are moved by as
/// much as rs429358 is (503,257), not lifted base by base, so that the region lies the same about
/// APOE.
const REGION: [(GenomeBuild, std::ops::RangeInclusive<usize>); 2] = [
    (GenomeBuild::GRCh37, 44_400_000..=46_500_000),
    (GenomeBuild::GRCh38, 43_896_743..=45_996_743),
];

/// Whether a place is in the region that a score without APOE leaves out.
#[must_use]
pub fn is_in_region(build: GenomeBuild, contig: &str, position: usize) -> bool {
    contig_key(contig) == "19"
        && REGION
            .iter()
            .any(|(of, region)| *of == build && region.contains(&position))
}

/// As [`is_in_region`] has it, for people.
#[must_use]
pub fn region(build: GenomeBuild) -> String {
    let of_build = REGION.iter().find(|(of, _)| *of == build);
    of_build.map_or_else(String::new, |(build, region)| {
        format!("chr19:{}-{} on {build}", region.start(), region.end())
    })
}

/// The (chromosome, position) pairs to look at, on either build.
pub fn positions<'a>() -> impl Iterator<Item = (&'a str, usize)> {
    POSITIONS
        .into_iter()
        .flat_map(|(_, rs429358, rs7412)| [rs429358, rs7412])
        .map(|position| ("19", position))
}

/// The ALT alleles of both sites, on either build.
pub fn asked<'a>() -> impl Iterator<Item = Asked<'a>> {
    POSITIONS.into_iter().flat_map(|(_, rs429358, rs7412)| {
        [
            ("19", rs429358, "C", Some("T")),
            ("19", rs7412, "T", Some("C")),
        ]
    })
}

/// How many haplotypes of each kind one person has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ApoeHaplotypes {
    /// Copies of e1, e2, e3, e4.
    pub copies: [u8; 4],
    /// Heterozygous at both sites without phase: e2/e4 rather than the rare e1/e3.
    pub by_convention: bool,
}

impl ApoeHaplotypes {
    /// Both alleles in their order, such as `e3/e4`; one of a haploid call.
    #[must_use]
    pub fn genotype(self) -> String {
        let alleles = (1..)
            .zip(self.copies)
            .flat_map(|(number, copies)| vec![format!("e{number}"); usize::from(copies)]);
        alleles.collect::<Vec<_>>().join("/")
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

/// Haplotypes of a cohort.
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
    /// People heterozygous at both sites without phase, counted as e2/e4.
    pub unphased_double_heterozygotes: u64,
    /// People without a call at one of the sites, or with a third allele there: read as the
    /// training mean.
    pub people_without_call: u64,
}

impl ApoeCounts {
    /// Sums up.
    #[must_use]
    pub fn count(people: &[Option<ApoeHaplotypes>]) -> Self {
        let mut counts = Self::default();
        for person in people {
            let Some(haplotypes) = person else {
                counts.people_without_call += 1;
                continue;
            };
            let totals = [
                &mut counts.e1,
                &mut counts.e2,
                &mut counts.e3,
                &mut counts.e4,
            ];
            totals
                .into_iter()
                .zip(haplotypes.copies)
                .for_each(|(total, copies)| *total += u64::from(copies));
            counts.unphased_double_heterozygotes += u64::from(haplotypes.by_convention);
        }
        counts
    }
}

/// Haplotypes of each person; `None` for people without a call.
///
/// # Errors
/// What is missing, where the two sites are not both there on one build with their alleles.
pub fn haplotypes(
    sites: &[Site],
    build: Option<GenomeBuild>,
) -> Result<Vec<Option<ApoeHaplotypes>>, String> {
    let Some((_, rs429358, rs7412)) = locate(sites, build) else {
        if let Some(build) = build.filter(|build| builds(Some(*build)).next().is_none()) {
            return Err(format!(
                "the positions of rs429358 and rs7412 on {build} are not known here"
            ));
        }
        let places: Vec<String> = builds(build)
            .map(|(build, a, b)| format!("19:{a} T>C and 19:{b} C>T on {build}"))
            .collect();
        return Err(format!(
            "rs429358 and rs7412 are not both there ({})",
            places.join(", or ")
        ));
    };
    Ok((0..rs429358.site.genotypes.len())
        .map(|person| call(rs429358, rs7412, person))
        .collect())
}

/// The build on which the two sites are found.
#[must_use]
pub fn build_of(sites: &[Site], build: Option<GenomeBuild>) -> Option<GenomeBuild> {
    locate(sites, build).map(|(build, ..)| build)
}

fn builds(build: Option<GenomeBuild>) -> impl Iterator<Item = (GenomeBuild, usize, usize)> {
    POSITIONS
        .into_iter()
        .filter(move |(of, ..)| build.is_none_or(|build| build == *of))
}

/// A record of one of the two sites, and which of its alleles are meant.
#[derive(Clone, Copy)]
struct Found<'a> {
    site: &'a Site,
    /// Number of T of rs429358, of C of rs7412.
    ancestral: i16,
    /// Number of C of rs429358, of T of rs7412.
    derived: i16,
    match_type: MatchType,
}

impl Found<'_> {
    fn is_derived(&self, allele: i16) -> Option<bool> {
        match allele {
            _ if allele == self.ancestral => Some(false),
            _ if allele == self.derived => Some(true),
            _ => None,
        }
    }

    fn is_one_of_each(&self, alleles: [i16; 2]) -> bool {
        alleles == [self.ancestral, self.derived] || alleles == [self.derived, self.ancestral]
    }
}

/// What is odd about how the records are written; their alleles are known by their bases.
#[must_use]
pub fn written_otherwise(sites: &[Site], build: Option<GenomeBuild>) -> Option<String> {
    let (_, rs429358, rs7412) = locate(sites, build)?;
    let odd: Vec<String> = [("rs429358", rs429358), ("rs7412", rs7412)]
        .into_iter()
        .filter_map(|(name, found)| {
            let how = match found.match_type {
                MatchType::Altref => return None,
                MatchType::AltrefFlip => "on the other strand",
                MatchType::RefaltFlip => "on the other strand, with REF and ALT exchanged",
                _ => "with REF and ALT exchanged",
            };
            Some(format!("{name} {how}"))
        })
        .collect();
    (!odd.is_empty()).then(|| format!("APOE is read from {}", odd.join(" and ")))
}

fn locate(
    sites: &[Site],
    build: Option<GenomeBuild>,
) -> Option<(GenomeBuild, Found<'_>, Found<'_>)> {
    builds(build).find_map(|(build, rs429358, rs7412)| {
        Some((
            build,
            find(sites, rs429358, "T", "C")?,
            find(sites, rs7412, "C", "T")?,
        ))
    })
}

/// The record with these alleles, whichever is REF, on either strand: T and C are no complements.
fn find<'a>(
    sites: &'a [Site],
    position: usize,
    ancestral: &str,
    derived: &str,
) -> Option<Found<'a>> {
    let is_there = |site: &&Site| site.position == position && contig_key(&site.contig) == "19";
    let of_site = |site: &'a Site| {
        let of_alt = move |&alt: &i16| {
            let match_type = MatchType::between(
                (derived, Some(ancestral)),
                &site.ref_allele,
                site.allele(alt),
            )?;
            let (ancestral, derived) = if match_type.effect_is_ref() {
                (alt, 0)
            } else {
                (0, alt)
            };
            Some(Found {
                site,
                ancestral,
                derived,
                match_type,
            })
        };
        site.counted_alts
            .iter()
            .filter_map(of_alt)
            .collect::<Vec<_>>()
    };
    sites
        .iter()
        .filter(is_there)
        .flat_map(of_site)
        .min_by_key(|found| found.match_type.is_flipped())
}

fn call(rs429358: Found<'_>, rs7412: Found<'_>, person: usize) -> Option<ApoeHaplotypes> {
    let a = rs429358.site.genotypes.call(person);
    let b = rs7412.site.genotypes.call(person);
    if a.is_heterozygous()
        && b.is_heterozygous()
        && !a.is_haploid()
        && !b.is_haploid()
        && !(a.phased && b.phased)
    {
        let is_expected = rs429358.is_one_of_each(a.alleles) && rs7412.is_one_of_each(b.alleles);
        return is_expected.then_some(ApoeHaplotypes {
            copies: [0, 1, 0, 1],
            by_convention: true,
        });
    }
    // Without two heterozygous sites the order of the alleles does not matter.
    let mut haplotypes = ApoeHaplotypes::default();
    for (a, b) in a.alleles.into_iter().zip(b.alleles) {
        if a == ABSENT && b == ABSENT {
            continue;
        }
        let kind = match (rs429358.is_derived(a)?, rs7412.is_derived(b)?) {
            (true, true) => 0,
            (false, true) => 1,
            (false, false) => 2,
            (true, false) => 3,
        };
        haplotypes.copies[kind] += 1;
    }
    Some(haplotypes)
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
        for (build, rs429358, _) in POSITIONS {
            assert!(is_in_region(build, "chr19", rs429358) && !is_in_region(build, "18", rs429358));
            assert!(
                is_in_region(build, "19", rs429358 + 1_088_059)
                    && !is_in_region(build, "19", rs429358 + 1_088_060)
            );
            assert!(
                is_in_region(build, "19", rs429358 - 1_011_941)
                    && !is_in_region(build, "19", rs429358 - 1_011_942)
            );
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
                .contains("GRCh37")
        );
        let other_alleles = [
            "19 44908684 . T G . PASS . GT 0|0",
            "19 44908822 . C T . PASS . GT 0|0",
        ];
        assert!(haplotypes(&table(&other_alleles, &["A"]).sites, None).is_err());
        let of_t2t = haplotypes(
            &table(&other_alleles, &["A"]).sites,
            Some(GenomeBuild::CHM13),
        )
        .unwrap_err();
        assert!(of_t2t.contains("T2T-CHM13 are not known here"), "{of_t2t}");
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

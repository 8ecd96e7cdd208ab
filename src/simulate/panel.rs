//! Founder haplotypes over one locus, read from a phased VCF or BCF.
//!
//! Input: VCF or BCF, FASTA, and optionally a region or loci.
//! Output: a [`Panel`] per locus, and a [`PanelSummary`] of the records that were left out or read
//! by a policy. Without a panel, [`super::founders`] simulates the haplotypes instead.
//!
//! Coordinates: `position` is 1-based as in the VCF. `start0` and `end0` are 0-based, half-open.

use std::path::Path;

use serde::Serialize;

use super::{Error, OptionsProblem};
use gf_genotypes::{
    ABSENT, DisjointRegions, Locus, MISSING, Position0, Position1, Range0, RecordProblem,
    Reference, Samples, Strand, VariantFile, VariantRecord, parse_region, same_contig,
};

/// Why a panel cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PanelProblem {
    /// No record at a locus.
    #[error(
        "no usable variant record in {region}. Check that the reference has the same genome build. \
         If it has, choose a longer region, or remove the locus from the BED"
    )]
    NoRecord {
        /// The locus as a region.
        region: String,
    },
    /// No record at the loci of a preset.
    #[error(
        "no record near a variant of the preset; check that the panel has GRCh38 positions and the \
         chromosomes of the preset"
    )]
    NoPresetRecord,
    /// No two haplotypes to combine.
    #[error("fewer than two haplotypes, but mosaics need at least two; choose more founders")]
    TooFewHaplotypes,
}

/// Why a record of a panel cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PanelRecordProblem {
    /// A REF that differs from the FASTA.
    #[error(
        "REF is {found}, but the FASTA has {expected}. Check that the panel and the reference have \
         the same genome build"
    )]
    OtherRef {
        /// REF.
        found: String,
        /// Bases of the FASTA.
        expected: String,
    },
    /// An allele number above 255.
    #[error(
        "allele number {number}, but a record may have at most 255 ALT alleles; split the record"
    )]
    AlleleNumber {
        /// The number.
        number: i16,
    },
}

/// One variant record without its genotypes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PanelSite {
    /// POS.
    pub position: Position1,
    /// ID column, `.` when absent.
    pub id: String,
    /// REF, upper-case bases.
    pub ref_allele: Vec<u8>,
    /// ALT alleles, upper-case bases.
    pub alt_alleles: Vec<Vec<u8>>,
}

impl PanelSite {
    /// Start of REF.
    pub fn start0(&self) -> Position0 {
        self.position.to_zero_based()
    }

    /// End of REF (exclusive).
    pub fn end0(&self) -> Position0 {
        self.range().end
    }

    /// The bases of REF.
    pub fn range(&self) -> Range0 {
        Range0::with_len(self.start0(), self.ref_allele.len())
    }

    /// Whether REF and the only ALT allele are one base each.
    pub fn is_biallelic_snv(&self) -> bool {
        self.ref_allele.len() == 1 && matches!(&self.alt_alleles[..], [alt] if alt.len() == 1)
    }

    /// Whether the length of at least one ALT allele differs from that of REF.
    pub fn is_indel(&self) -> bool {
        self.alt_alleles
            .iter()
            .any(|alt| alt.len() != self.ref_allele.len())
    }
}

/// Allele numbers (0 = REF, 1 or more = ALT) of many haplotypes at the same sites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PanelHaplotypes {
    n_sites: usize,
    /// Shape `[haplotype][site]`, flattened.
    alleles: Vec<u8>,
}

impl PanelHaplotypes {
    /// Creates an empty set of haplotypes over `n_sites` sites (at least one).
    #[cfg(test)]
    pub fn new(n_sites: usize) -> Self {
        Self {
            n_sites,
            alleles: Vec::new(),
        }
    }

    /// Transposes alleles listed site by site (`by_site[site][haplotype]`) into haplotypes.
    ///
    /// Only haplotypes for which `keep` is true are included.
    pub fn from_sites(by_site: &[Vec<u8>], keep: impl Fn(usize) -> bool) -> Self {
        let n_haplotypes = by_site.first().map_or(0, Vec::len);
        let alleles = (0..n_haplotypes)
            .filter(|&haplotype| keep(haplotype))
            .flat_map(|haplotype| by_site.iter().map(move |alleles| alleles[haplotype]))
            .collect();
        Self {
            n_sites: by_site.len(),
            alleles,
        }
    }

    /// Continues the last haplotype, or starts a new one when the last is complete.
    #[cfg(test)]
    pub fn extend(&mut self, alleles: &[u8]) {
        self.alleles.extend_from_slice(alleles);
    }

    /// Number of haplotypes.
    pub fn len(&self) -> usize {
        self.alleles.len() / self.n_sites
    }

    /// The alleles of one haplotype, in site order.
    pub fn get(&self, haplotype: usize) -> &[u8] {
        &self.alleles[haplotype * self.n_sites..][..self.n_sites]
    }

    /// All haplotypes in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.alleles.chunks_exact(self.n_sites)
    }
}

/// Founder haplotypes of one locus, with its reference bases.
#[derive(Clone, Debug)]
pub struct Panel {
    /// Position of the locus, with the VCF's name of the contig.
    pub locus: Locus,
    /// Length of the whole contig if a file states it.
    pub contig_len_nt: Option<usize>,
    /// Reference bases of the locus.
    pub bases: Vec<u8>,
    /// Sorted by position, all within the locus.
    pub sites: Vec<PanelSite>,
    /// The founders' alleles at `sites`.
    pub haplotypes: PanelHaplotypes,
}

impl Panel {
    /// For each site, whether a mosaic haplotype may switch to another founder there.
    ///
    /// A switch inside the REF of an earlier record is not allowed, so overlapping records are
    /// always copied from the same founder.
    pub fn may_switch_at(&self) -> Vec<bool> {
        let mut end_of_earlier_refs0 = Position0::FIRST;
        let mut may_switch_at = Vec::with_capacity(self.sites.len());
        for site in &self.sites {
            may_switch_at.push(site.start0() >= end_of_earlier_refs0);
            end_of_earlier_refs0 = end_of_earlier_refs0.max(site.end0());
        }
        may_switch_at
    }
}

/// Counts of records and calls that were left out of a panel or read by a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PanelSummary {
    /// Records with a symbolic ALT (`<DEL>`, `*`, a breakend): skipped.
    pub symbolic_records_skipped: usize,
    /// Records that extend past an end of the region: skipped.
    pub records_across_region_ends_skipped: usize,
    /// Records whose FILTER is neither `PASS` nor `.`: skipped.
    pub filtered_records_skipped: usize,
    /// Missing calls of one haplotype: read as the reference allele.
    pub missing_alleles_as_reference: usize,
    /// Unphased heterozygous calls: their alleles taken in GT order.
    pub unphased_heterozygotes_in_gt_order: usize,
    /// Second haplotypes that haploid calls do not have: not used as founders.
    pub absent_haplotypes_left_out: usize,
    /// Faults of the header that did not stop the reader.
    pub header_warnings: Vec<String>,
}

/// Policy for a locus without a usable record in the panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmptyLoci {
    /// An error: the user asked for this locus.
    Refuse,
    /// Left out: the locus comes from a list that no panel has to cover.
    LeaveOut,
}

/// Opens the VCF or BCF of a panel and selects the founder samples.
///
/// # Errors
/// A file that cannot be read, or founders that the file does not have.
pub fn open(panel: &Path, founders: &Samples) -> Result<VariantFile, Error> {
    let mut variants = VariantFile::open(panel)?;
    variants.select(&founders.select(&variants)?)?;
    Ok(variants)
}

/// The panels of some loci, with the counts of the records that were left out.
pub struct LoadedPanels {
    /// One panel per locus.
    pub panels: Vec<Panel>,
    /// Counts over all loci.
    pub counts: PanelSummary,
}

impl Panel {
    /// Reads the phased haplotypes of the selected samples of a VCF or BCF over one region.
    ///
    /// `region` is `contig:beg-end` (1-based, inclusive); `None` is the FASTA's only record.
    ///
    /// # Errors
    /// Files that cannot be read, a region outside the FASTA, a REF that differs from the FASTA,
    /// fewer than two haplotypes, no record.
    pub fn read(
        variants: &mut VariantFile,
        reference: &Path,
        region: Option<&str>,
    ) -> Result<LoadedPanels, Error> {
        let mut reference = Reference::open(reference)?;
        let loci = vec![chosen_locus(&reference, region)?];
        Self::read_loci(variants, &mut reference, loci, EmptyLoci::Refuse)
    }

    /// Reads the phased haplotypes of a VCF or BCF over disjoint loci, in one pass.
    ///
    /// The panels are in the order of `loci`.
    ///
    /// # Errors
    /// The same as [`Panel::read`].
    pub fn read_loci(
        variants: &mut VariantFile,
        reference: &mut Reference,
        loci: Vec<Locus>,
        empty: EmptyLoci,
    ) -> Result<LoadedPanels, Error> {
        let mut builders = Vec::with_capacity(loci.len());
        for locus in loci {
            builders.push(PanelBuilder::new(locus, variants, reference)?);
        }
        let regions = DisjointRegions::of_loci(builders.iter().map(|builder| &builder.locus));
        let mut counts = PanelSummary {
            header_warnings: variants.warnings().to_vec(),
            ..PanelSummary::default()
        };
        let path = &variants.path().to_path_buf();
        variants.for_each(Some(&regions), |record| {
            match builder_of_record(&mut builders, record) {
                Some(builder) => builder.add(record, &mut counts).map_err(|problem| {
                    let problem = RecordProblem::of_caller(problem);
                    gf_genotypes::Error::record(path, record, problem)
                }),
                None => Ok(()),
            }
        })?;
        if empty == EmptyLoci::LeaveOut {
            builders.retain(|builder| !builder.sites.is_empty());
        }
        let mut panels = Vec::with_capacity(builders.len());
        for builder in builders {
            panels.push(builder.finish(path, &mut counts)?);
        }
        Ok(LoadedPanels { panels, counts })
    }
}

/// The locus of `region`, or of the only record of the reference.
fn chosen_locus(reference: &Reference, region: Option<&str>) -> Result<Locus, Error> {
    let (contig, range) = if let Some(text) = region {
        parse_region(text).ok_or_else(|| {
            let region = text.to_owned();
            OptionsProblem::Region { region }
        })?
    } else {
        let mut records = reference.intervals();
        let (Some((contig, range)), None) = (records.next(), records.next()) else {
            let fasta = reference.path().to_path_buf();
            return Err(OptionsProblem::SeveralRecords { fasta }.into());
        };
        (contig.to_string(), range)
    };
    Ok(Locus {
        name: super::LOCUS_NAME.into(),
        contig,
        start0: range.start,
        end0: range.end,
        strand: Strand::Forward,
    })
}

/// The locus in which a record begins, else the first locus that it overlaps.
fn builder_of_record<'a>(
    builders: &'a mut [PanelBuilder],
    record: &VariantRecord,
) -> Option<&'a mut PanelBuilder> {
    let index = builders
        .iter()
        .position(|builder| builder.contains_start_of(record))
        .or_else(|| builders.iter().position(|builder| builder.overlaps(record)))?;
    Some(&mut builders[index])
}

/// The panel of one locus while its records are read.
struct PanelBuilder {
    locus: Locus,
    contig_len_nt: Option<usize>,
    /// Reference bases of the locus.
    bases: Vec<u8>,
    /// Name of the contig in the VCF; it may differ from that of the locus by `chr`.
    contig: String,
    sites: Vec<PanelSite>,
    /// Allele numbers, shape `[site][haplotype]`.
    by_site: Vec<Vec<u8>>,
    /// For each haplotype, whether any call lacks it (a haploid call).
    absent: Vec<bool>,
}

impl PanelBuilder {
    /// Fetches the reference of a locus and checks its contig against the VCF header.
    fn new(locus: Locus, variants: &VariantFile, reference: &mut Reference) -> Result<Self, Error> {
        reference.resolve(&locus.contig)?;
        let header_len_nt = variants.contig_len_nt(&locus.contig);
        if let Some(header_len_nt) = header_len_nt {
            reference
                .check_claim(variants.path(), &locus.contig, header_len_nt)?
                .into_iter()
                .for_each(gf_cohort_schema::text::note);
        }
        let contig_len_nt = header_len_nt.or(reference.contig_len_nt(&locus.contig));
        let bases = reference.fetch(&locus.contig, locus.range())?;
        Ok(Self {
            contig: locus.contig.clone(),
            locus,
            contig_len_nt,
            bases,
            sites: Vec::new(),
            by_site: Vec::new(),
            absent: vec![false; 2 * variants.n_selected()],
        })
    }

    /// Whether the first base of REF is in the locus.
    fn contains_start_of(&self, record: &VariantRecord) -> bool {
        same_contig(&self.locus.contig, &record.contig)
            && self.locus.range().contains(record.start0())
    }

    /// Whether any base of REF is in the locus.
    fn overlaps(&self, record: &VariantRecord) -> bool {
        same_contig(&self.locus.contig, &record.contig)
            && self.locus.range().overlaps(record.range())
    }

    /// Adds a record, or counts the reason why it is skipped.
    ///
    /// # Errors
    /// A REF that differs from the FASTA, or more than 255 ALT alleles.
    fn add(
        &mut self,
        record: &VariantRecord,
        counts: &mut PanelSummary,
    ) -> Result<(), PanelRecordProblem> {
        let locus = &self.locus;
        if !locus.range().covers(record.range()) {
            counts.records_across_region_ends_skipped += 1;
            return Ok(());
        }
        let expected = &self.bases[record.start0() - locus.start0..record.end0() - locus.start0];
        if record.ref_allele != expected {
            return Err(PanelRecordProblem::OtherRef {
                found: String::from_utf8_lossy(&record.ref_allele).into_owned(),
                expected: String::from_utf8_lossy(expected).into_owned(),
            });
        }
        if !record.passes_filters {
            counts.filtered_records_skipped += 1;
            return Ok(());
        }
        if record
            .alt_alleles
            .iter()
            .any(|alt| !alt.iter().all(u8::is_ascii_alphabetic))
        {
            counts.symbolic_records_skipped += 1;
            return Ok(());
        }
        let alleles = self.alleles_of(record, counts)?;
        self.contig.clone_from(&record.contig);
        self.by_site.push(alleles);
        self.sites.push(PanelSite {
            position: record.position,
            id: record.id.clone(),
            ref_allele: record.ref_allele.clone(),
            alt_alleles: record.alt_alleles.clone(),
        });
        Ok(())
    }

    /// Allele number of each haplotype; missing and absent alleles are read as REF.
    fn alleles_of(
        &mut self,
        record: &VariantRecord,
        counts: &mut PanelSummary,
    ) -> Result<Vec<u8>, PanelRecordProblem> {
        let mut alleles = Vec::with_capacity(self.absent.len());
        for genotype in &record.genotypes {
            counts.unphased_heterozygotes_in_gt_order +=
                usize::from(genotype.is_heterozygous() && !genotype.phased);
            for allele in genotype.alleles {
                counts.missing_alleles_as_reference += usize::from(allele == MISSING);
                self.absent[alleles.len()] |= allele == ABSENT;
                let number = if allele == MISSING || allele == ABSENT {
                    0
                } else {
                    allele
                };
                alleles.push(
                    u8::try_from(number)
                        .map_err(|_| PanelRecordProblem::AlleleNumber { number })?,
                );
            }
        }
        Ok(alleles)
    }

    /// Completes the panel of this locus from the haplotypes that every call has.
    fn finish(self, path: &Path, counts: &mut PanelSummary) -> Result<Panel, Error> {
        let Self {
            mut locus,
            contig_len_nt,
            bases,
            contig,
            sites,
            by_site,
            absent,
        } = self;
        if sites.is_empty() {
            let region = locus.region();
            return Err(Error::Panel {
                path: path.into(),
                problem: PanelProblem::NoRecord { region },
            });
        }
        counts.absent_haplotypes_left_out += absent.iter().filter(|&&absent| absent).count();
        let haplotypes = PanelHaplotypes::from_sites(&by_site, |haplotype| !absent[haplotype]);
        if haplotypes.len() < 2 {
            return Err(Error::Panel {
                path: path.into(),
                problem: PanelProblem::TooFewHaplotypes,
            });
        }
        locus.contig = contig;
        Ok(Panel {
            locus,
            contig_len_nt,
            bases,
            sites,
            haplotypes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "##fileformat=VCFv4.2\n##contig=<ID=1,length=12>\n##ALT=<ID=DEL,\
                          Description=\"x\">\n##FORMAT=<ID=GT,Number=1,Type=String,Description=\"\
                          x\">\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\n";

    fn read(records: &str) -> Result<LoadedPanels, Error> {
        let folder = tempfile::tempdir().unwrap();
        let vcf = folder.path().join("panel.vcf");
        let fasta = folder.path().join("reference.fa");
        std::fs::write(&vcf, format!("{HEADER}{records}")).unwrap();
        std::fs::write(&fasta, ">chr1\nACGTACGTACGT\n").unwrap();
        Panel::read(&mut VariantFile::open(&vcf)?, &fasta, Some("chr1:2-10"))
    }

    #[test]
    fn missing_unphased_symbolic_filtered_and_overhanging_records_are_counted() {
        let loaded = read(
            "1\t1\tleft\tAC\tA\t.\t.\t.\tGT\t0|1\t0|0\n1\t3\tsnv\tG\tA,T\t.\tPASS\t.\tGT\t0/2\t.\
             |1\n1\t5\tdel\tA\t<DEL>\t.\t.\t.\tGT\t0|1\t0|0\n1\t6\tlow\tC\tT\t.\tq10\t.\tGT\t0|1\
             \t0|0\n1\t7\tins\tG\tGA\t.\t.\t.\tGT\t1|1\t0|0\n",
        )
        .unwrap();
        let expected = PanelSummary {
            symbolic_records_skipped: 1,
            records_across_region_ends_skipped: 1,
            filtered_records_skipped: 1,
            missing_alleles_as_reference: 1,
            unphased_heterozygotes_in_gt_order: 1,
            ..PanelSummary::default()
        };
        assert_eq!(loaded.counts, expected);
        assert_eq!(
            loaded.panels[0].haplotypes.iter().collect::<Vec<_>>(),
            [[0, 1], [2, 1], [0, 0], [1, 0]]
        );
        assert_eq!(
            (
                loaded.panels[0].locus.region().as_str(),
                loaded.panels[0].contig_len_nt
            ),
            ("1:2-10", Some(12))
        );
    }

    #[test]
    fn a_haploid_person_gives_one_founder() {
        let loaded = read("1\t3\t.\tG\tA\t.\t.\t.\tGT\t1\t0|1\n").unwrap();
        assert_eq!(
            (
                loaded.panels[0].haplotypes.len(),
                loaded.counts.absent_haplotypes_left_out
            ),
            (3, 1)
        );
    }

    #[test]
    fn a_ref_that_differs_from_the_fasta_is_named_with_both_bases() {
        let error = read("1\t3\t.\tC\tA\t.\t.\t.\tGT\t1|0\t0|1\n")
            .err()
            .unwrap();
        let message = error.to_string();
        assert!(
            message.contains("1:3")
                && message.contains("REF is C")
                && message.contains("FASTA has G"),
            "{message}"
        );
    }

    #[test]
    fn a_switch_never_falls_inside_a_deletion() {
        let loaded = read(
            "1\t3\t.\tGTA\tG\t.\t.\t.\tGT\t1|0\t0|1\n1\t5\t.\tA\tT\t.\t.\t.\tGT\t0|1\t0|0\n1\t6\t.\
             \tC\tT\t.\t.\t.\tGT\t0|1\t0|0\n",
        )
        .unwrap();
        assert_eq!(loaded.panels[0].may_switch_at(), [true, false, true]);
    }
}

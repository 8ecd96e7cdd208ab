//! The effects of the variants of one locus, and of pairs of its top variants.

use gf_cohort_schema::{EffectRow, PairRow};
use gf_genotypes::Locus;
use gf_genotypes::same_contig;
use gf_haplotypes::LocusHaplotypes;

use super::{
    Error, Options, Summary,
    measure::{EFFECT, INTERACTION, JOINT_EFFECT, Measured, Measurements, Moments, ScoredSamples},
    variants::{Carriers, LocusVariants, Variant},
};

/// Largest r^2 between two variants whose pairs are measured; above it they tag each other.
const MAX_R2: f64 = 0.8;

/// The measured variants of a locus.
pub(super) struct LocusEffects<'d> {
    /// Number of the locus in the dictionary.
    pub(super) number: usize,
    pub(super) locus: &'d LocusHaplotypes,
    pub(super) carriers: Carriers,
    /// Haplotypes in which alleles are switched.
    pub(super) haplotypes: Vec<u32>,
    /// Variants with at least one switch.
    pub(super) variants: Vec<(Variant, Measured)>,
}

impl<'d> LocusEffects<'d> {
    pub(super) fn new(
        number: usize,
        locus: &'d LocusHaplotypes,
        options: &Options,
        regions: Option<&[Locus]>,
        people: &ScoredSamples<'_>,
        summary: &mut Summary,
    ) -> Result<Self, Error> {
        let carriers = Carriers::new(locus);
        let LocusVariants {
            mut variants,
            n_no_alleles,
        } = LocusVariants::new(locus, &carriers);
        summary.n_no_alleles += n_no_alleles;
        if let Some(regions) = regions {
            let n_variants = variants.len();
            variants.retain(|variant| {
                regions
                    .iter()
                    .any(|region| is_within(variant, &locus.locus.contig, region))
            });
            summary.n_elsewhere += n_variants - variants.len();
        }
        let mut haplotypes = carriers.commonest();
        summary.n_haplotypes[1] += haplotypes.len();
        summary.n_copies[1] += carriers.n_copies;
        haplotypes.truncate(options.haplotypes.unwrap_or(usize::MAX));
        // Similar haplotypes are neighbours in the order of the dictionary, so that one pass has
        // many equal rows.
        haplotypes.sort_unstable();
        let switches: Vec<[u32; 1]> = variants.iter().map(|variant| [variant.edit]).collect();
        let Measurements {
            measured,
            n_encoded,
        } = people.measure(number, &carriers, &haplotypes, &switches, &[EFFECT])?;
        summary.n_encoded += n_encoded;
        summary.n_haplotypes[0] += haplotypes.len();
        summary.n_copies[0] += haplotypes
            .iter()
            .map(|&haplotype| carriers.copies[haplotype as usize].len())
            .sum::<usize>();
        for measured in &measured {
            summary.add_variant(measured);
        }
        let switched_variants: Vec<_> = variants
            .into_iter()
            .zip(measured)
            .filter(|(_, measured)| measured.n_haplotypes > 0)
            .collect();
        summary.n_variants += switched_variants.len();
        Ok(Self {
            number,
            locus,
            carriers,
            haplotypes,
            variants: switched_variants,
        })
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = EffectRow> {
        self.variants.iter().map(|(variant, measured)| {
            let moments = &measured.contrasts[0];
            let [ci_low, ci_high] = interval_ends(moments);
            EffectRow {
                locus: self.locus.locus.name.clone(),
                contig: self.locus.locus.contig.clone(),
                position: variant.position.get(),
                ref_allele: variant.ref_allele.clone(),
                alt_allele: variant.alt_allele.clone(),
                frequency: variant.frequency,
                n_haplotypes: measured.n_haplotypes,
                n_approximated: measured.n_approximated,
                effect: moments.mean(),
                additive_effect: measured.additive.mean_if_any(),
                ci_low,
                ci_high,
                effect_rms: effect_rms(measured),
                logit_sd: effect_rms(measured) * allele_sd(variant),
                rank: 0,
            }
        })
    }

    /// Measures the pairs of the top variants, none of which tags another.
    pub(super) fn pairs(
        &self,
        n_top: usize,
        people: &ScoredSamples<'_>,
        summary: &mut Summary,
    ) -> Result<Vec<PairRow>, Error> {
        let top = self.top_variants(n_top);
        let pairs: Vec<[&Variant; 2]> = top
            .iter()
            .enumerate()
            .flat_map(|(index, first)| top[index + 1..].iter().map(move |second| [*first, *second]))
            .collect();
        let switches: Vec<[u32; 2]> = pairs
            .iter()
            .map(|pair| pair.map(|variant| variant.edit))
            .collect();
        let Measurements {
            measured,
            n_encoded,
        } = people.measure(
            self.number,
            &self.carriers,
            &self.haplotypes,
            &switches,
            &[JOINT_EFFECT, INTERACTION],
        )?;
        summary.n_encoded += n_encoded;
        Ok(pairs
            .into_iter()
            .zip(measured)
            .filter_map(|(pair, measured)| self.pair_row(pair, &measured))
            .collect())
    }

    /// The variants with the largest effects that the model reads, in the order of their edits.
    ///
    /// A variant in linkage disequilibrium (r2 above [`MAX_R2`]) with a higher one is left out.
    pub(super) fn top_variants(&self, n_top: usize) -> Vec<&Variant> {
        let mut ranked: Vec<&(Variant, Measured)> = self
            .variants
            .iter()
            .filter(|(_, measured)| measured.n_approximated < measured.n_haplotypes)
            .collect();
        ranked.sort_by(|a, b| effect_rms(&b.1).total_cmp(&effect_rms(&a.1)));
        let mut top: Vec<&Variant> = Vec::new();
        for (variant, _) in ranked {
            if top.len() < n_top && top.iter().all(|higher| self.r2(higher, variant) <= MAX_R2) {
                top.push(variant);
            }
        }
        top.sort_by_key(|variant| variant.edit);
        top
    }

    pub(super) fn r2(&self, first: &Variant, second: &Variant) -> f64 {
        self.carriers
            .r2(self.locus, [first.edit, second.edit])
            .unwrap_or_default()
    }

    /// A row of `pairs.csv`; `None` for a pair without a switch.
    pub(super) fn pair_row(
        &self,
        [first, second]: [&Variant; 2],
        measured: &Measured,
    ) -> Option<PairRow> {
        let [joint, interaction] = &measured.contrasts[..] else {
            return None;
        };
        if measured.n_haplotypes == 0 {
            return None;
        }
        let [ci_low, ci_high] = interval_ends(interaction);
        Some(PairRow {
            locus: self.locus.locus.name.clone(),
            contig: self.locus.locus.contig.clone(),
            first_position: first.position.get(),
            first_ref_allele: first.ref_allele.clone(),
            first_alt_allele: first.alt_allele.clone(),
            second_position: second.position.get(),
            second_ref_allele: second.ref_allele.clone(),
            second_alt_allele: second.alt_allele.clone(),
            r2: self.carriers.r2(self.locus, [first.edit, second.edit]),
            n_haplotypes: measured.n_haplotypes,
            n_approximated: measured.n_approximated,
            joint_effect: joint.mean(),
            interaction: interaction.mean(),
            ci_low,
            ci_high,
            logit_sd: interaction.root_mean_square() * allele_sd(first) * allele_sd(second),
            rank: 0,
        })
    }
}

/// Whether a variant of a contig is in a region.
fn is_within(variant: &Variant, contig: &str, region: &Locus) -> bool {
    same_contig(&region.contig, contig) && region.range().contains(variant.position.to_zero_based())
}

fn interval_ends(moments: &Moments) -> [Option<f64>; 2] {
    moments.interval().map_or([None; 2], |ends| ends.map(Some))
}

/// Standard deviation of an allele (0 or 1) among haplotypes: `sqrt(p (1 - p))`.
fn allele_sd(variant: &Variant) -> f64 {
    (variant.frequency * (1.0 - variant.frequency)).sqrt()
}

/// Root mean square effect on the logit, by which variants are ranked.
fn effect_rms(measured: &Measured) -> f64 {
    measured.contrasts[0].root_mean_square()
}

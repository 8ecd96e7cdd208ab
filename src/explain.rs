//! Stage `explain`: the effect of each variant on the logit of a model, by in-silico mutagenesis.
//!
//! Input: a model bundle, and VCF/BCF and FASTA of some samples. Output: `explain.csv` (one row per
//! variant), `pairs.csv` (one row per pair of top variants) and `LOCUS.svg`. One allele at a time
//! is switched in each distinct haplotype: from ALT to REF in carriers, otherwise from REF to ALT.
//! The switched haplotype is cut, tokenized on the bundle's slots and encoded again.
//!
//! # Effects
//! - A haplotype has a logit only in a sample. The change is measured in the samples that carry the
//!   haplotype. Their other haplotype, other loci and covariates stay unchanged. A homozygote has
//!   one copy switched. More than 256 copies of a haplotype are sampled at even distances.
//! - The effect is the mean over copies of ALT minus REF: the effect of one more ALT in a copy
//!   drawn at random from the cohort.
//! - Effects of opposite sign on different haplotypes cancel in the mean, for example with a `cis`
//!   risk. Variants are therefore ranked by the root mean square of the change.
//! - The interaction of a pair is within a haplotype (cis):
//!   `f(both) - f(first) - f(second) + f(neither)`.
//! - Pairs are ranked by the standard deviation that the interaction adds to the logit: its root
//!   mean square times the standard deviations of both alleles. Rare versions, of which the model
//!   has seen few, thus have a small weight.
//!
//! # Limits
//! An interval is over the models of an ensemble, by Student's t. It measures the agreement of
//! retrained models, not the sampling of individuals. A segment that training did not have is read
//! as the nearest known segment if it does not fit its slots, like in `score`. A switch that makes
//! such a segment measures another segment. It counts only for a variant without any exact switch.

mod measure;
mod plot;
mod switches;
mod variants;

use gf_genotypes::FormatOptions;
use std::{collections::BTreeSet, path::PathBuf};

use gf_cohort_schema::{EffectRow, MissingPolicies, PairRow};
use serde::{Deserialize, Serialize};

use self::{
    measure::{EFFECT, INTERACTION, JOINT_EFFECT, Measured, Measurements, Moments, ScoredSamples},
    variants::{Carriers, LocusVariants, Variant},
};
use crate::layout;
use crate::{
    dataset::{self, Dataset},
    report, score,
    tokens::{self, encode},
    training::{self, Bundle, DeviceChoice},
};
use gf_cohort_schema::counted;
use gf_files::output;
use gf_genotypes::{
    Locus, Reference, Samples, loci_of_regions, require_build_of_named, same_contig,
};
use gf_haplotypes::{ApplyFilters, Dictionary, Encoding, LocusHaplotypes};

/// Largest r^2 between two variants whose pairs are measured; above it they tag each other.
const MAX_R2: f64 = 0.8;

/// Options of the stage `explain`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// VCF, VCF.gz or BCF files of the samples.
    pub vcf: Vec<PathBuf>,
    /// What the genotype files do not state about themselves.
    #[serde(default, skip_serializing_if = "FormatOptions::is_default")]
    pub format: FormatOptions,
    /// Samples to read: those of the table with covariates, or of the files without a table.
    #[serde(skip)]
    pub samples: Samples,
    /// FASTA of the model's build.
    pub reference: PathBuf,
    /// Folder of a model bundle.
    pub model: PathBuf,
    /// Table with the covariates of the samples, for models that need them. Only its samples are
    /// used.
    pub cohort: Option<PathBuf>,
    /// Regions of the variants, as `chr:beg-end` (1-based, inclusive) separated by commas; all loci
    /// of the model when absent.
    pub regions: Option<String>,
    /// Number of the commonest distinct haplotypes of a locus in which alleles are switched; all
    /// when absent.
    pub haplotypes: Option<usize>,
    /// Number of variants of each locus that are named in its plot.
    pub top: usize,
    /// Number of top variants of each locus whose pairs are switched.
    pub pairs: usize,
    /// FILTER values of the records that are used; those of the training samples when `None`.
    pub apply_filters: Option<ApplyFilters>,
    /// Device of the computation.
    pub device: DeviceChoice,
    /// Folder for the tables and plots.
    pub out: PathBuf,
}

/// Summary of an explain run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Samples whose haplotypes were switched.
    pub n_people: usize,
    /// Models of the bundle.
    pub n_models: usize,
    /// Variants measured.
    pub n_variants: usize,
    /// Pairs measured.
    pub n_pairs: usize,
    /// Summary of the sequences.
    pub sequences: gf_haplotypes::Summary,
    /// Distinct haplotypes in which alleles were switched, and all distinct haplotypes.
    pub n_haplotypes: [usize; 2],
    /// Copies of the switched haplotypes, and of all haplotypes.
    pub n_copies: [usize; 2],
    /// Switches of single variants.
    pub n_switches: usize,
    /// Switches of single variants that are read as the nearest training segment.
    pub n_approximated: usize,
    /// Distinct rows of tokens that each model encoded for variants and pairs.
    pub n_encoded: usize,
    /// Switches that were not made, because the allele overlaps another one of the haplotype.
    pub n_overlaps: usize,
    /// Variants for which no switch can be made.
    pub n_never_switched: usize,
    /// Variants that the model never reads exactly, because every switch is read as the nearest
    /// known segment.
    pub n_never_read: usize,
    /// Edits to N or IUPAC codes, which the model's policies insert.
    pub n_no_alleles: usize,
    /// Variants outside of the requested regions.
    pub n_elsewhere: usize,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.sequences)?;
        self.fmt_left_out(f)?;
        let [n_haplotypes, n_all_haplotypes] = self.n_haplotypes;
        let [n_copies, n_all_copies] = self.n_copies;
        writeln!(
            f,
            "alleles switched in {n_haplotypes} of {n_all_haplotypes} distinct haplotypes, {:.1} % \
             of the copies",
            100.0 * n_copies as f64 / n_all_copies as f64
        )?;
        writeln!(
            f,
            "{} made and {} encoded; {} read as the nearest known segment",
            counted(self.n_switches, "switch", "switches"),
            counted(self.n_encoded, "distinct row", "distinct rows"),
            counted(self.n_approximated, "switch", "switches")
        )?;
        writeln!(
            f,
            "{} and {} measured in {} with {}",
            counted(self.n_variants, "variant", "variants"),
            counted(self.n_pairs, "pair", "pairs"),
            counted(self.n_people, "sample", "samples"),
            counted(self.n_models, "model", "models")
        )
    }
}

impl Summary {
    /// Reports the variants and switches that are left out or ranked last.
    fn fmt_left_out(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.n_elsewhere > 0 {
            let variants = counted(self.n_elsewhere, "variant is", "variants are");
            writeln!(f, "{variants} outside of the requested regions")?;
        }
        if self.n_no_alleles > 0 {
            let edits = counted(self.n_no_alleles, "edit is", "edits are");
            writeln!(f, "{edits} read as N or an IUPAC code and not switched")?;
        }
        if self.n_never_read > 0 {
            let variants = counted(self.n_never_read, "variant is", "variants are");
            writeln!(
                f,
                "{variants} ranked last and in no pair, because every switch is read as the \
                 nearest known segment"
            )?;
        }
        if self.n_never_switched > 0 {
            let variants = counted(self.n_never_switched, "variant is", "variants are");
            writeln!(
                f,
                "{variants} left out, because another allele overlaps in every selected haplotype"
            )?;
        }
        if self.n_overlaps > 0 {
            let switches = counted(self.n_overlaps, "switch is", "switches are");
            writeln!(
                f,
                "{switches} not made, because the allele overlaps another allele of the haplotype"
            )?;
        }
        Ok(())
    }
}

/// An error of `explain`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder has no sequence model.
    #[error(
        "{}: no model bundle (config.json); give the folder of a sequence model. The effects of a \
         polygenic score are its weights",
        .0.display()
    )]
    NoModel(PathBuf),
    /// A model of genotype symbols has one sequence per sample and no alleles to switch.
    #[error(
        "the model reads genotype symbols (--encoding diploid), in which no allele can be \
         switched; give a model of haplotypes"
    )]
    Diploid,
    /// A region overlaps no locus of the model.
    #[error(
        "region {region} is outside of the model's loci {loci}; choose a region that overlaps one"
    )]
    NoLocus {
        /// The region as given.
        region: String,
        /// Regions of the loci.
        loci: String,
    },
    /// No sample has a variant that can be switched.
    #[error(
        "no sample has a variant at {0} that can be switched; check that the VCF contains the loci \
         of the model"
    )]
    NoVariants(String),
    /// Invalid options.
    #[error("{0}")]
    Options(String),
    /// The regions are wrong.
    #[error(transparent)]
    Regions(#[from] gf_genotypes::Error),
    /// The bundle is wrong.
    #[error(transparent)]
    Bundle(#[from] training::Error),
    /// The samples cannot be read for the bundle.
    #[error(transparent)]
    People(Box<score::Error>),
    /// The sequences cannot be tokenized.
    #[error(transparent)]
    Tokens(#[from] tokens::Error),
    /// Samples and tokens do not fit each other.
    #[error(transparent)]
    Dataset(#[from] dataset::Error),
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
    /// A file could not be written.
    #[error(transparent)]
    Output(#[from] output::Error),
}

impl From<score::Error> for Error {
    fn from(error: score::Error) -> Self {
        Self::People(Box::new(error))
    }
}

/// The measured variants of a locus.
struct LocusEffects<'d> {
    /// Number of the locus in the dictionary.
    number: usize,
    locus: &'d LocusHaplotypes,
    carriers: Carriers,
    /// Haplotypes in which alleles are switched.
    haplotypes: Vec<u32>,
    /// Variants with at least one switch.
    variants: Vec<(Variant, Measured)>,
}

/// Measures the effect of every variant that the samples carry at the model's loci.
///
/// # Errors
/// A bundle that cannot be used, samples that do not fit it, or no variant to switch.
pub fn run(options: &Options) -> Result<Summary, Error> {
    let bundle = load_bundle(options)?;
    let genome = &bundle.config.genome;
    let regions = options
        .regions
        .as_deref()
        .map(|text| regions_in(text, genome.loci.iter().map(|locus| &locus.locus)))
        .transpose()?;
    let device = options.device.open()?;
    if let Some(text) = &options.regions {
        require_build_of_named(text, &Reference::open(&options.reference)?)?;
    }
    let source = score::Source {
        vcf: &options.vcf,
        format: &options.format,
        samples: &options.samples,
        reference: Some(&options.reference),
        cohort: options.cohort.as_deref(),
        missing: &MissingPolicies::strict(),
        apply_filters: options.apply_filters.as_ref(),
        min_overlap: score::MIN_OVERLAP,
    };
    let score::NewSamples {
        dictionary,
        cohort,
        sequences,
    } = score::people_of(&options.model, &bundle, &source)?;
    let tokens = encode(&dictionary, &bundle.tokenizer, &bundle.grid)?.0;
    let data = Dataset::new(&tokens, &cohort, bundle.config.covariates.clone())?.on(&device);
    let samples = ScoredSamples::new(&bundle, &dictionary, &data)?;
    let mut summary = Summary {
        n_people: cohort.people.len(),
        n_models: bundle.members.len(),
        sequences,
        ..Summary::default()
    };
    let mut loci = Vec::with_capacity(dictionary.loci.len());
    for (number, locus) in dictionary.loci.iter().enumerate() {
        loci.push(LocusEffects::new(
            number,
            locus,
            options,
            regions.as_deref(),
            &samples,
            &mut summary,
        )?);
    }
    if summary.n_variants == 0 {
        return Err(Error::no_variants(&dictionary));
    }
    let mut pairs = Vec::new();
    for locus in &loci {
        pairs.extend(locus.pairs(options.pairs, &samples, &mut summary)?);
    }
    summary.n_pairs = pairs.len();
    write_tables_and_plots(options, &loci, pairs)?;
    Ok(summary)
}

impl Error {
    fn no_variants(dictionary: &Dictionary) -> Self {
        let names: Vec<&str> = dictionary
            .loci
            .iter()
            .map(|locus| locus.locus.name.as_str())
            .collect();
        Self::NoVariants(names.join(", "))
    }
}

/// Loads the bundle, and refuses options and models that cannot be explained.
fn load_bundle(options: &Options) -> Result<Bundle, Error> {
    if options.haplotypes == Some(0) {
        return Err(Error::Options(
            "--haplotypes is 0, but at least one haplotype of a locus is needed".into(),
        ));
    }
    if !options.model.join(layout::CONFIG).exists() {
        return Err(Error::NoModel(options.model.clone()));
    }
    let bundle = Bundle::load(&options.model)?;
    if bundle.config.genome.policies.encoding == Encoding::Diploid {
        return Err(Error::Diploid);
    }
    Ok(bundle)
}

/// Ranks variants and pairs, and writes a plot per locus, `pairs.csv` and `explain.csv`.
fn write_tables_and_plots(
    options: &Options,
    loci: &[LocusEffects<'_>],
    mut pairs: Vec<PairRow>,
) -> Result<(), Error> {
    rank(
        &mut pairs,
        |row| (row.n_approximated < row.n_haplotypes, row.logit_sd),
        |row, rank| row.rank = rank,
    );
    let mut effects: Vec<EffectRow> = loci.iter().flat_map(LocusEffects::rows).collect();
    rank(
        &mut effects,
        |row| (row.n_approximated < row.n_haplotypes, row.effect_rms),
        |row, rank| row.rank = rank,
    );
    let mut taken_names = BTreeSet::new();
    for locus in loci.iter().map(|locus| &locus.locus.locus) {
        let locus_effects: Vec<EffectRow> = effects
            .iter()
            .filter(|row| row.locus == locus.name)
            .cloned()
            .collect();
        let path = options.out.join(plot_name(&locus.name, &mut taken_names));
        let svg = plot::draw(locus, &locus_effects, options.top)
            .map_err(|failed| output::at(&path)(std::io::Error::other(failed)))?;
        output::shareable::write(&path, |out| out.write_all(svg.as_bytes()))?;
    }
    report::write_pairs(&options.out.join(layout::PAIRS), &pairs)?;
    report::write_effects(&options.out.join(layout::EXPLAIN), &effects)?;
    Ok(())
}

/// Parses regions, each of which must overlap a locus.
fn regions_in<'l>(text: &str, loci: impl Iterator<Item = &'l Locus>) -> Result<Vec<Locus>, Error> {
    let regions = loci_of_regions(text)?;
    let loci = loci.collect::<Vec<_>>();
    let elsewhere = regions
        .iter()
        .find(|region| !loci.iter().any(|locus| overlap(region, locus)));
    match elsewhere {
        None => Ok(regions),
        Some(region) => {
            let locus_regions: Vec<String> = loci.iter().map(|locus| locus.region()).collect();
            Err(Error::NoLocus {
                region: region.name.clone(),
                loci: locus_regions.join(", "),
            })
        }
    }
}

fn overlap(region: &Locus, locus: &Locus) -> bool {
    same_contig(&region.contig, &locus.contig) && region.range().overlaps(locus.range())
}

impl<'d> LocusEffects<'d> {
    fn new(
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

    fn rows(&self) -> impl Iterator<Item = EffectRow> {
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
    fn pairs(
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
    fn top_variants(&self, n_top: usize) -> Vec<&Variant> {
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

    fn r2(&self, first: &Variant, second: &Variant) -> f64 {
        self.carriers
            .r2(self.locus, [first.edit, second.edit])
            .unwrap_or_default()
    }

    /// A row of `pairs.csv`; `None` for a pair without a switch.
    fn pair_row(&self, [first, second]: [&Variant; 2], measured: &Measured) -> Option<PairRow> {
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

impl Summary {
    fn add_variant(&mut self, measured: &Measured) {
        self.n_switches += measured.n_haplotypes;
        self.n_approximated += measured.n_approximated;
        self.n_overlaps += measured.n_overlaps;
        self.n_never_switched += usize::from(measured.n_haplotypes == 0);
        self.n_never_read += usize::from(
            measured.n_haplotypes > 0 && measured.n_approximated == measured.n_haplotypes,
        );
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

/// Sorts rows by a value, the largest first, and numbers them from 1; the sort is stable.
///
/// `value` returns whether the model reads the variant exactly in some haplotype, and the value.
/// Rows that are never read exactly come last, for their effect belongs to another segment.
fn rank<R>(rows: &mut [R], value: impl Fn(&R) -> (bool, f64), set: impl Fn(&mut R, usize)) {
    rows.sort_by(|a, b| {
        let key_a = value(a);
        let key_b = value(b);
        key_b.0.cmp(&key_a.0).then(key_b.1.total_cmp(&key_a.1))
    });
    for (index, row) in rows.iter_mut().enumerate() {
        set(row, index + 1);
    }
}

/// File name of a plot: `LOCUS.svg`, with `_` for unsafe characters.
///
/// A second locus with the same file name gets a number.
fn plot_name(locus: &str, taken: &mut BTreeSet<String>) -> String {
    let name: String = locus
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '-' => c,
            _ => '_',
        })
        .collect();
    let mut file = format!("{name}.svg");
    let mut number = 1;
    while !taken.insert(file.clone()) {
        number += 1;
        file = format!("{name}-{number}.svg");
    }
    file
}

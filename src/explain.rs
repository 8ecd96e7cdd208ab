//! Stage: what each variant of a model's loci does to its logit, by in-silico mutagenesis.
//!
//! Input -> output: a model bundle, VCF/BCF and FASTA of people -> `explain.csv` (a row a variant),
//! `pairs.csv` (a row a pair of the top ones) and `LOCUS.svg`. In each distinct haplotype of the
//! people an allele is switched, carriers to REF and others to ALT, all else left as it is; the
//! haplotype is cut, tokenized on the bundle's slots and encoded again.
//!
//! # What is measured
//! A haplotype has a logit only in a person. The change is that of the logits of the people who
//! have the haplotype, with their other haplotype, other loci and covariates as they are; a
//! homozygote has one copy switched. Of more than 256 copies of one haplotype so many at
//! even distances stand for all. The effect is the mean over copies, ALT minus REF: that of one
//! more ALT in a copy drawn at random from the cohort. Effects of opposite sign on different
//! haplotypes cancel in it (a `cis` risk is like that), so variants are ranked by the root mean
//! square of the change. The interaction of a pair is within a haplotype (cis):
//! `f(both) - f(first) - f(second) + f(neither)`. Pairs are ranked by how much the logit spreads
//! with it, its root mean square times the standard deviations of both alleles: versions that
//! hardly anybody has, and of which the model has seen little, weigh little.
//!
//! An interval is over the models of an ensemble, by Student's t: how far retrained models agree.
//! It says nothing of other people. Segments that no training person has are read by the model as
//! the nearest known segment where they do not fit their slots, as `score` does. A switch that
//! makes such a segment says something of another one: it counts only for a variant of which no
//! switch is read as it is.

mod measure;
mod plot;
mod switches;
mod variants;

use std::{collections::BTreeSet, path::PathBuf};

use gf_cohort_schema::{EffectRow, MissingPolicies, PairRow};
use serde::{Deserialize, Serialize};

use self::{
    measure::{EFFECT, INTERACTION, JOINT_EFFECT, Measured, Moments, ScoredSamples},
    variants::{Carriers, Variant, variants},
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
use gf_haplotypes::{ApplyFilters, Encoding, LocusHaplotypes};

/// Of the variants whose pairs are looked at, no two are correlated more (r^2): they would be one
/// and the same twice.
const MAX_R2: f64 = 0.8;

/// What the stage needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Options {
    /// VCF, VCF.gz or BCF files of the people.
    pub vcf: Vec<PathBuf>,
    /// Whose genotypes are read: of the table with covariates, or of the files without one.
    #[serde(skip)]
    pub samples: Samples,
    /// FASTA of the model's build.
    pub reference: PathBuf,
    /// Folder of a model bundle.
    pub model: PathBuf,
    /// Table with the covariates of the people, for models that need them; only the people in it
    /// are looked at.
    pub cohort: Option<PathBuf>,
    /// `chr:beg-end` (1-based, inclusive), separated by commas: only variants there; all of the
    /// model's loci when absent.
    pub regions: Option<String>,
    /// Switch only in so many of the commonest distinct haplotypes of a locus; in all when absent.
    pub haplotypes: Option<usize>,
    /// Variants of each locus that are named in its plot.
    pub top: usize,
    /// Top variants of each locus whose pairs are switched.
    pub pairs: usize,
    /// Records that are used by their FILTER; as for the training samples when `None`.
    pub apply_filters: Option<ApplyFilters>,
    /// Where the model is computed.
    pub device: DeviceChoice,
    /// Folder for the tables and plots.
    pub out: PathBuf,
}

/// What the stage did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// People whose haplotypes were switched.
    pub n_people: usize,
    /// Models of the bundle.
    pub n_models: usize,
    /// Variants measured.
    pub n_variants: usize,
    /// Pairs measured.
    pub n_pairs: usize,
    /// Of the sequences.
    pub sequences: gf_haplotypes::Summary,
    /// Distinct haplotypes in which alleles were switched, and of how many.
    pub n_haplotypes: [usize; 2],
    /// Copies of these haplotypes, and of all.
    pub n_copies: [usize; 2],
    /// Switches of single variants made.
    pub n_switches: usize,
    /// Of these, read as the nearest segment of training.
    pub n_approximated: usize,
    /// Distinct rows of tokens encoded for switches and pairs, by each model.
    pub n_encoded: usize,
    /// Switches that were not made, as the allele overlaps another one of the haplotype.
    pub n_overlaps: usize,
    /// Variants without a switch that could be made.
    pub n_never_switched: usize,
    /// Variants that the model knows in no haplotype: all their switches are read as the nearest
    /// known segment.
    pub n_never_read: usize,
    /// Edits that are N or IUPAC codes, put there by the model's policies.
    pub n_no_alleles: usize,
    /// Variants outside of the regions asked for.
    pub n_elsewhere: usize,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.sequences)?;
        let variants = |n| counted(n, "variant is", "variants are");
        for (count, said) in [
            (
                self.n_elsewhere,
                format!(
                    "{} outside of the regions asked for",
                    variants(self.n_elsewhere)
                ),
            ),
            (
                self.n_no_alleles,
                format!(
                    "{} read as N or an IUPAC code and not switched",
                    counted(self.n_no_alleles, "place is", "places are")
                ),
            ),
            (
                self.n_never_read,
                format!(
                    "{} read as the nearest known segment wherever switched: ranked last, and in \
                     no pair",
                    variants(self.n_never_read)
                ),
            ),
            (
                self.n_never_switched,
                format!(
                    "{} left out: another allele overlaps in every haplotype looked at",
                    variants(self.n_never_switched)
                ),
            ),
            (
                self.n_overlaps,
                format!(
                    "{} not made: the allele overlaps another one of the haplotype",
                    counted(self.n_overlaps, "switch is", "switches are")
                ),
            ),
        ] {
            if count > 0 {
                writeln!(f, "{said}")?;
            }
        }
        let [n_haplotypes, of_haplotypes] = self.n_haplotypes;
        let [n_copies, of_copies] = self.n_copies;
        writeln!(
            f,
            "{n_haplotypes} of {of_haplotypes} distinct haplotypes, {:.1} % of the copies",
            100.0 * n_copies as f64 / of_copies as f64
        )?;
        writeln!(
            f,
            "{}, {} encoded; {} read as the nearest known segment",
            counted(self.n_switches, "switch", "switches"),
            counted(self.n_encoded, "distinct row", "distinct rows"),
            counted(self.n_approximated, "switch", "switches")
        )?;
        let [variants, pairs] = [
            counted(self.n_variants, "variant", "variants"),
            counted(self.n_pairs, "pair", "pairs"),
        ];
        let [people, models] = [
            counted(self.n_people, "person", "people"),
            counted(self.n_models, "model", "models"),
        ];
        writeln!(f, "{variants} and {pairs} in {people} by {models}")
    }
}

/// Why nothing was explained.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder holds no sequence model.
    #[error("{}: no model bundle (config.json); effects of a polygenic score are its weights", .0.display())]
    NoModel(PathBuf),
    /// One sequence a person has no alleles to switch.
    #[error(
        "the model reads genotype symbols (--encoding diploid), not haplotypes: there is no \
         allele to switch in one"
    )]
    Diploid,
    /// A region has nothing of the model's loci.
    #[error("region {region} is outside of the model's loci {loci}")]
    NoLocus {
        /// As given.
        region: String,
        /// Regions of the loci.
        loci: String,
    },
    /// Everybody is as the reference.
    #[error(
        "nobody here has a variant of {0} that can be switched: are the files those of the \
         model's loci and people?"
    )]
    NoVariants(String),
    /// Options make no sense.
    #[error("{0}")]
    Options(String),
    /// The regions are wrong.
    #[error(transparent)]
    Regions(#[from] gf_genotypes::Error),
    /// The bundle is wrong.
    #[error(transparent)]
    Bundle(#[from] training::Error),
    /// People cannot be read as the bundle needs them.
    #[error(transparent)]
    People(Box<score::Error>),
    /// The sequences cannot be tokenized.
    #[error(transparent)]
    Tokens(#[from] tokens::Error),
    /// People and tokens do not fit.
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

/// A locus with the variants that were measured in it.
struct LocusEffects<'d> {
    number: usize,
    locus: &'d LocusHaplotypes,
    carriers: Carriers,
    /// Where alleles are switched.
    haplotypes: Vec<u32>,
    variants: Vec<(Variant, Measured)>,
}

/// Measures every variant that the people carry at the model's loci.
///
/// # Errors
/// A bundle that cannot be used, people that do not fit it, no variant to switch.
pub fn run(options: &Options) -> Result<Summary, Error> {
    if options.haplotypes == Some(0) {
        return Err(Error::Options(
            "--haplotypes 0: at least one haplotype of a locus is needed".into(),
        ));
    }
    if !options.model.join(layout::CONFIG).exists() {
        return Err(Error::NoModel(options.model.clone()));
    }
    let bundle = Bundle::load(&options.model)?;
    let genome = &bundle.config.genome;
    if genome.policies.encoding == Encoding::Diploid {
        return Err(Error::Diploid);
    }
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
    let (tokens, _) = encode(&dictionary, &bundle.tokenizer, &bundle.grid)?;
    let data = Dataset::new(&tokens, &cohort, bundle.config.covariates.clone())?.on(&device);
    let people = ScoredSamples::new(&bundle, &dictionary, &data)?;
    let n_people = cohort.people.len();
    let n_models = bundle.members.len();
    let mut summary = Summary {
        n_people,
        n_models,
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
            &people,
            &mut summary,
        )?);
    }
    if summary.n_variants == 0 {
        let names: Vec<&str> = dictionary
            .loci
            .iter()
            .map(|locus| locus.locus.name.as_str())
            .collect();
        return Err(Error::NoVariants(names.join(", ")));
    }
    let mut pairs = Vec::new();
    for locus in &loci {
        pairs.extend(locus.pairs(options.pairs, &people, &mut summary)?);
    }
    rank(
        &mut pairs,
        |row| (row.n_approximated < row.n_haplotypes, row.logit_sd),
        |row, rank| row.rank = rank,
    );
    summary.n_pairs = pairs.len();
    let mut rows: Vec<EffectRow> = loci.iter().flat_map(LocusEffects::rows).collect();
    rank(
        &mut rows,
        |row| (row.n_approximated < row.n_haplotypes, row.effect_rms),
        |row, rank| row.rank = rank,
    );

    let mut names = BTreeSet::new();
    for locus in &loci {
        let of_locus: Vec<EffectRow> = rows
            .iter()
            .filter(|row| row.locus == locus.locus.locus.name)
            .cloned()
            .collect();
        let path = options
            .out
            .join(plot_name(&locus.locus.locus.name, &mut names));
        let failed = |reason| output::at(&path)(std::io::Error::other(reason));
        let svg = plot::draw(&locus.locus.locus, &of_locus, options.top).map_err(failed)?;
        output::shareable::write(&path, |out| out.write_all(svg.as_bytes()))?;
    }
    report::write_pairs(&options.out.join(layout::PAIRS), &pairs)?;
    report::write_effects(&options.out.join(layout::EXPLAIN), &rows)?;
    Ok(summary)
}

/// The regions of a text, each of which must touch a locus.
fn regions_in<'l>(text: &str, loci: impl Iterator<Item = &'l Locus>) -> Result<Vec<Locus>, Error> {
    let regions = loci_of_regions(text)?;
    let loci = loci.collect::<Vec<_>>();
    let touches = |region: &Locus, locus: &Locus| {
        same_contig(&region.contig, &locus.contig)
            && region.start0 < locus.end0
            && locus.start0 < region.end0
    };
    match regions
        .iter()
        .find(|region| !loci.iter().any(|locus| touches(region, locus)))
    {
        None => Ok(regions),
        Some(region) => {
            let loci: Vec<String> = loci.iter().map(|locus| locus.region()).collect();
            Err(Error::NoLocus {
                region: region.name.clone(),
                loci: loci.join(", "),
            })
        }
    }
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
        let (mut variants, n_no_alleles) = variants(locus, &carriers);
        let n_variants = variants.len();
        if let Some(regions) = regions {
            let holds = |region: &Locus, variant: &Variant| {
                region.contig == locus.locus.contig
                    && (region.start0 + 1..=region.end0).contains(&variant.position)
            };
            variants.retain(|variant| regions.iter().any(|region| holds(region, variant)));
        }
        let mut haplotypes = carriers.commonest();
        let n_haplotypes = haplotypes.len();
        haplotypes.truncate(options.haplotypes.unwrap_or(usize::MAX));
        // In the order of the dictionary those that are alike are near each other, in one pass.
        haplotypes.sort_unstable();
        let switches: Vec<[u32; 1]> = variants.iter().map(|variant| [variant.edit]).collect();
        let (measured, n_encoded) =
            people.measure(number, &carriers, &haplotypes, &switches, &[EFFECT])?;
        summary.n_no_alleles += n_no_alleles;
        summary.n_elsewhere += n_variants - variants.len();
        summary.n_encoded += n_encoded;
        summary.n_haplotypes[0] += haplotypes.len();
        summary.n_haplotypes[1] += n_haplotypes;
        summary.n_copies[0] += haplotypes
            .iter()
            .map(|&haplotype| carriers.of_haplotype[haplotype as usize].len())
            .sum::<usize>();
        summary.n_copies[1] += carriers.n_copies;
        for measured in &measured {
            summary.n_switches += measured.n_haplotypes;
            summary.n_approximated += measured.n_approximated;
            summary.n_overlaps += measured.n_overlaps;
            summary.n_never_switched += usize::from(measured.n_haplotypes == 0);
            summary.n_never_read += usize::from(
                measured.n_haplotypes > 0 && measured.n_approximated == measured.n_haplotypes,
            );
        }
        let variants: Vec<_> = variants
            .into_iter()
            .zip(measured)
            .filter(|(_, measured)| measured.n_haplotypes > 0)
            .collect();
        summary.n_variants += variants.len();
        Ok(Self {
            number,
            locus,
            carriers,
            haplotypes,
            variants,
        })
    }

    fn rows(&self) -> impl Iterator<Item = EffectRow> {
        self.variants.iter().map(|(variant, measured)| {
            let moments = &measured.contrasts[0];
            let [ci_low, ci_high] = ends(moments);
            EffectRow {
                locus: self.locus.locus.name.clone(),
                contig: self.locus.locus.contig.clone(),
                position: variant.position,
                ref_allele: variant.ref_allele.clone(),
                alt_allele: variant.alt_allele.clone(),
                frequency: variant.frequency,
                n_haplotypes: measured.n_haplotypes,
                n_approximated: measured.n_approximated,
                effect: moments.mean(),
                additive_effect: measured.additive.mean_if_any(),
                ci_low,
                ci_high,
                effect_rms: change(measured),
                logit_sd: change(measured) * allele_sd(variant),
                rank: 0,
            }
        })
    }

    /// The pairs of the top variants, none of which tags another.
    fn pairs(
        &self,
        n_top: usize,
        people: &ScoredSamples<'_>,
        summary: &mut Summary,
    ) -> Result<Vec<PairRow>, Error> {
        let is_read =
            |(_, measured): &&(Variant, Measured)| measured.n_approximated < measured.n_haplotypes;
        let mut ranked: Vec<&(Variant, Measured)> = self.variants.iter().filter(is_read).collect();
        ranked.sort_by(|a, b| change(&b.1).total_cmp(&change(&a.1)));
        let mut top: Vec<&Variant> = Vec::new();
        for (variant, _) in ranked {
            let r2 = |other: &&Variant| {
                self.carriers
                    .r2(self.locus, [other.edit, variant.edit])
                    .unwrap_or_default()
            };
            if top.len() < n_top && top.iter().all(|other| r2(other) <= MAX_R2) {
                top.push(variant);
            }
        }
        top.sort_by_key(|variant| variant.edit);
        let pairs: Vec<[&Variant; 2]> = top
            .iter()
            .enumerate()
            .flat_map(|(index, first)| top[index + 1..].iter().map(move |second| [*first, *second]))
            .collect();
        let switches: Vec<[u32; 2]> = pairs
            .iter()
            .map(|pair| pair.map(|variant| variant.edit))
            .collect();
        let (measured, n_encoded) = people.measure(
            self.number,
            &self.carriers,
            &self.haplotypes,
            &switches,
            &[JOINT_EFFECT, INTERACTION],
        )?;
        summary.n_encoded += n_encoded;
        let row = |([first, second], measured): ([&Variant; 2], Measured)| {
            let [joint, interaction] = &measured.contrasts[..] else {
                return None;
            };
            let [ci_low, ci_high] = ends(interaction);
            (measured.n_haplotypes > 0).then(|| PairRow {
                locus: self.locus.locus.name.clone(),
                contig: self.locus.locus.contig.clone(),
                first_position: first.position,
                first_ref_allele: first.ref_allele.clone(),
                first_alt_allele: first.alt_allele.clone(),
                second_position: second.position,
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
        };
        Ok(pairs.into_iter().zip(measured).filter_map(row).collect())
    }
}

fn ends(moments: &Moments) -> [Option<f64>; 2] {
    moments.interval().map_or([None; 2], |ends| ends.map(Some))
}

/// Standard deviation of an allele (0 or 1) among haplotypes.
fn allele_sd(variant: &Variant) -> f64 {
    (variant.frequency * (1.0 - variant.frequency)).sqrt()
}

/// What variants are ranked by.
fn change(measured: &Measured) -> f64 {
    measured.contrasts[0].root_mean_square()
}

/// Sorts and ranks rows by a value, the largest first; of equals the first. Last come those that
/// the model has read in no haplotype as they are: what was measured is another segment's.
fn rank<R>(rows: &mut [R], value: impl Fn(&R) -> (bool, f64), set: impl Fn(&mut R, usize)) {
    rows.sort_by(|a, b| {
        let (a_is_read, a) = value(a);
        let (b_is_read, b) = value(b);
        b_is_read.cmp(&a_is_read).then(b.total_cmp(&a))
    });
    rows.iter_mut()
        .enumerate()
        .for_each(|(index, row)| set(row, index + 1));
}

/// `LOCUS.svg`, with `_` for what a file name may not hold, and a number where two loci would have
/// one name.
fn plot_name(locus: &str, taken: &mut BTreeSet<String>) -> String {
    let safe = |sign: char| {
        if sign.is_ascii_alphanumeric() || "._-".contains(sign) {
            sign
        } else {
            '_'
        }
    };
    let name: String = locus.chars().map(safe).collect();
    let mut file = format!("{name}.svg");
    let mut number = 1;
    while !taken.insert(file.clone()) {
        number += 1;
        file = format!("{name}-{number}.svg");
    }
    file
}

//! How much a switch changes the logit: people classified with every version of one of their
//! haplotypes.
//!
//! Input -> output: a bundle, people, and [`Switch`]es of a locus -> [`Measured`] contrasts between
//! versions, weighted by the copies of each distinct haplotype. Everything else of a person (the
//! other haplotype, other loci, covariates) stays as it is.

use candle_core::{Device, Tensor};
use gf_tokenizer::Tokenizer;

use super::{
    Error,
    switches::{Pass, Switch, Versions},
    variants::{Carriers, Copy},
};
use crate::{
    dataset::{
        BYTES, Dataset, HAPLOTYPES_AT_A_TIME, encode_in_chunks, encode_rows, haplotypes_at_a_time,
    },
    models::{Predictor, RiskModel},
    tokens::{Grid, LocusTokens},
    training::Bundle,
};
use gf_haplotypes::{ABSENT_HAPLOTYPE, Dictionary};

/// Copies of one haplotype in whose carriers it is switched, at most; of more, so many at even
/// distances. All the same haplotype, they differ only in what is beside it.
pub const MAX_COPIES: usize = 256;
/// Tokens and vectors of the versions that are in memory at a time, about.
const PASS_BYTES: usize = 1 << 28;
/// People classified at a time, about.
const PEOPLE_AT_A_TIME: usize = 16_384;

/// Factors of the versions of a switch, by their index (see [`Versions::rows`]), whose sum is what
/// is asked for.
pub type Contrast<'c> = &'c [f64];
/// ALT in place of REF.
pub const EFFECT: Contrast<'static> = &[-1.0, 1.0];
/// Both ALT in place of both REF.
pub const JOINT_EFFECT: Contrast<'static> = &[-1.0, 0.0, 0.0, 1.0];
/// What both ALT do beyond the sum of what each does alone.
pub const INTERACTION: Contrast<'static> = &[1.0, -1.0, -1.0, 1.0];

/// What a switch does, over all haplotypes in which it can be made.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Distinct haplotypes in which the alleles were switched.
    pub n_haplotypes: usize,
    /// Distinct haplotypes in which one overlaps another allele.
    pub n_overlaps: usize,
    /// Switches that the model does not read as they are.
    pub n_approximated: usize,
    /// Of each contrast, over the switches that the model reads as they are; over all where it
    /// reads none so.
    pub contrasts: Vec<Moments>,
    /// The part of the first contrast that is of the additive term, where the models have one.
    pub additive: Moments,
}

impl Measured {
    /// Counts a further switch; whether it belongs into the contrasts. What a model reads as
    /// another segment may differ from that in more than the allele.
    fn takes(&mut self, approximated: bool) -> bool {
        let none_read_so_far = self.n_approximated == self.n_haplotypes;
        self.n_haplotypes += 1;
        self.n_approximated += usize::from(approximated);
        if none_read_so_far && !approximated {
            self.contrasts.fill(Moments::default());
            self.additive = Moments::default();
        }
        none_read_so_far || !approximated
    }
}

/// A contrast over all copies.
#[derive(Clone, Debug, Default)]
pub struct Moments {
    weight: f64,
    /// Sum over the copies, of each model.
    sums: Vec<f64>,
    /// Sum of the squared mean over models.
    squares: f64,
}

impl Moments {
    fn add(&mut self, weight: f64, of_models: &[f64]) {
        self.weight += weight;
        self.sums.resize(of_models.len(), 0.0);
        self.sums
            .iter_mut()
            .zip(of_models)
            .for_each(|(sum, value)| *sum += weight * value);
        self.squares += weight * mean(of_models).powi(2);
    }

    /// As [`Self::mean`]; `None` where nothing was added.
    pub fn mean_if_any(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.mean())
    }

    /// Mean over copies and models.
    pub fn mean(&self) -> f64 {
        mean(&self.sums) / self.weight
    }

    /// Root of the mean square over copies, of the mean over models.
    pub fn root_mean_square(&self) -> f64 {
        (self.squares / self.weight).sqrt()
    }

    /// 95 % interval of the mean over models; `None` for a single one.
    pub fn interval(&self) -> Option<[f64; 2]> {
        let means: Vec<f64> = self.sums.iter().map(|sum| sum / self.weight).collect();
        t_interval(&means)
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// 95 % interval of the mean of normally distributed values.
fn t_interval(values: &[f64]) -> Option<[f64; 2]> {
    let degrees_of_freedom = values.len().checked_sub(1).filter(|degrees| *degrees > 0)?;
    let mean = mean(values);
    let variance = values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>()
        / degrees_of_freedom as f64;
    let half = t_quantile(degrees_of_freedom) * (variance / values.len() as f64).sqrt();
    Some([mean - half, mean + half])
}

/// 97.5 % quantile of Student's t with so many degrees of freedom.
fn t_quantile(degrees_of_freedom: usize) -> f64 {
    // P(|T| < t) in closed form, with t = tan(angle) sqrt(degrees of freedom): Abramowitz and
    // Stegun 26.7.3 and 26.7.4.
    let within = |angle: f64| {
        let is_odd = degrees_of_freedom % 2 == 1;
        let mut term = if is_odd { angle.cos() } else { 1.0 };
        let mut sum = 0.0;
        for number in 1..=degrees_of_freedom / 2 {
            sum += term;
            let n = 2.0 * number as f64;
            term *= angle.cos().powi(2) * if is_odd { n / (n + 1.0) } else { (n - 1.0) / n };
        }
        let sum = angle.sin() * sum;
        if is_odd {
            (angle + sum) / std::f64::consts::FRAC_PI_2
        } else {
            sum
        }
    };
    let mut low = 0.0;
    let mut high = std::f64::consts::FRAC_PI_2;
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        *(if within(middle) < 0.95 {
            &mut low
        } else {
            &mut high
        }) = middle;
    }
    low.tan() * (degrees_of_freedom as f64).sqrt()
}

/// People and the models that read them.
pub struct ScoredSamples<'p> {
    models: Vec<RiskModel>,
    tokenizer: &'p Tokenizer,
    grid: &'p Grid,
    dictionary: &'p Dictionary,
    data: &'p Dataset<'p>,
    /// Of each model, of each locus: (haplotypes + 1, hidden), in the order of the dictionary; the
    /// last row is that of an absent one.
    encoded: Vec<Vec<Tensor>>,
}

impl<'p> ScoredSamples<'p> {
    /// Encodes every haplotype; the people of `data` are those of the dictionary in the same order.
    pub fn new(
        bundle: &'p Bundle,
        dictionary: &'p Dictionary,
        data: &'p Dataset<'p>,
    ) -> Result<Self, Error> {
        let models = bundle
            .models(data.device())
            .collect::<Result<Vec<_>, _>>()?;
        let mut encoded = Vec::with_capacity(models.len());
        for model in &models {
            let mut of_loci = Vec::with_capacity(dictionary.loci.len());
            for (number, locus) in dictionary.loci.iter().enumerate() {
                let all: Vec<u32> = (0..locus.haplotypes.len() as u32).collect();
                let rows = encode_in_chunks(model, data, number, &all, at_a_time(model, number))?
                    .as_detached_tensor();
                of_loci.push(Tensor::cat(
                    &[
                        &rows,
                        &Tensor::zeros((1, rows.dim(1)?), rows.dtype(), rows.device())?,
                    ],
                    0,
                )?);
            }
            encoded.push(of_loci);
        }
        Ok(Self {
            models,
            tokenizer: &bundle.tokenizer,
            grid: &bundle.grid,
            dictionary,
            data,
            encoded,
        })
    }

    /// Makes `switches` of locus number `locus` in each of `haplotypes`; what was measured of each,
    /// and how many haplotypes were encoded.
    pub fn measure<const N: usize>(
        &self,
        locus: usize,
        carriers: &Carriers,
        haplotypes: &[u32],
        switches: &[Switch<N>],
        contrasts: &[Contrast<'_>],
    ) -> Result<(Vec<Measured>, usize), Error> {
        let nothing = Measured {
            contrasts: vec![Moments::default(); contrasts.len()],
            ..Measured::default()
        };
        let mut measured = vec![nothing; switches.len()];
        let mut n_encoded = 0;
        let of_locus = &self.dictionary.loci[locus];
        for haplotypes in haplotypes.chunks(self.haplotypes_in_a_pass(locus, switches.len() << N)) {
            let pass = Pass::new(
                of_locus,
                locus,
                haplotypes,
                switches,
                self.tokenizer,
                self.grid,
            )?;
            n_encoded += pass.tokens.n_haplotypes();
            let rows = self
                .models
                .iter()
                .map(|model| encode_all(model, locus, &pass.tokens, self.data.device()));
            let rows = rows.collect::<Result<Vec<_>, _>>()?;
            for (&haplotype, versions) in haplotypes.iter().zip(&pass.versions) {
                let all = &carriers.of_haplotype[haplotype as usize];
                let n = all.len().min(MAX_COPIES);
                let copies: Vec<Copy> = (0..n).map(|number| all[number * all.len() / n]).collect();
                let logits = Logits::new(self, locus, &copies, &rows, versions)?;
                let weight = all.len() as f64 / n as f64;
                for (measured, versions) in measured.iter_mut().zip(versions) {
                    match versions {
                        None => measured.n_overlaps += 1,
                        Some(versions) => logits.contrast(versions, weight, contrasts, measured),
                    }
                }
            }
        }
        Ok((measured, n_encoded))
    }

    fn haplotypes_in_a_pass(&self, locus: usize, versions: usize) -> usize {
        let widths: usize = self.models.iter().map(|model| model.width(locus)).sum();
        let bytes = size_of::<f32>() * (self.grid.loci[locus].n_slots() + widths);
        (PASS_BYTES / (bytes * versions).max(1)).max(1)
    }

    /// Logits of the people of `copies` with each of `versions` (rows, hidden) of model number
    /// `model` in place of their haplotype of `locus`: versions x copies.
    fn logits(
        &self,
        model: usize,
        locus: usize,
        copies: &[Copy],
        versions: &Tensor,
    ) -> Result<Vec<f32>, Error> {
        let n_copies = copies.len();
        let n_versions = versions.dim(0)?;
        let mut logits = Vec::with_capacity(n_versions * n_copies);
        let at_a_time = (PEOPLE_AT_A_TIME / n_copies).max(1);
        for first in (0..n_versions).step_by(at_a_time) {
            let n = at_a_time.min(n_versions - first);
            let tiled = |of_copy: &dyn Fn(u32) -> u32| -> Result<Tensor, candle_core::Error> {
                let one: Vec<u32> = (0..n_copies as u32).map(of_copy).collect();
                Tensor::new(one.repeat(n), self.data.device())
            };
            let mut encoded = Vec::new();
            let mut pairs = Vec::new();
            for (number, of_locus) in self.dictionary.loci.iter().enumerate() {
                let rows = &self.encoded[model][number];
                let absent = of_locus.haplotypes.len() as u32;
                let select = |haplotypes: &mut dyn Iterator<Item = u32>| {
                    let numbers: Vec<u32> = haplotypes
                        .map(|number| {
                            if number == ABSENT_HAPLOTYPE {
                                absent
                            } else {
                                number
                            }
                        })
                        .collect();
                    rows.index_select(&Tensor::new(numbers, self.data.device())?, 0)
                };
                if number == locus {
                    let partners = select(&mut copies.iter().map(|copy| copy.partner))?;
                    encoded.push(Tensor::cat(
                        &[&versions.narrow(0, first, n)?, &partners],
                        0,
                    )?);
                    let mine: Vec<u32> = (0..n as u32)
                        .flat_map(|version| std::iter::repeat_n(version, n_copies))
                        .collect();
                    pairs.push([
                        Tensor::new(mine, self.data.device())?,
                        tiled(&|copy| n as u32 + copy)?,
                    ]);
                } else {
                    encoded.push(select(
                        &mut copies.iter().flat_map(|copy| of_locus.pairs[copy.person]),
                    )?);
                    pairs.push([tiled(&|copy| 2 * copy)?, tiled(&|copy| 2 * copy + 1)?]);
                }
            }
            let people: Vec<usize> = copies.iter().map(|copy| copy.person).collect();
            let covariates = self.data.covariates(&people.repeat(n))?;
            let classified = self.models[model].classify(
                &encoded,
                &pairs.iter().collect::<Vec<_>>(),
                covariates.as_ref(),
            )?;
            logits.extend(classified.to_vec1::<f32>()?);
        }
        Ok(logits)
    }
}

/// Logits of the carriers of one haplotype with every version of it.
struct Logits {
    n_copies: usize,
    /// Rows of the pass that are versions of this haplotype, ascending.
    rows: Vec<u32>,
    /// Of each model, rows x copies.
    of_models: Vec<Vec<f32>>,
    /// Of each model with an additive term, the score of each row.
    additive: Vec<Vec<f32>>,
}

impl Logits {
    fn new(
        people: &ScoredSamples<'_>,
        locus: usize,
        copies: &[Copy],
        encoded: &[Tensor],
        versions: &[Option<Versions>],
    ) -> Result<Self, Error> {
        let mut rows: Vec<u32> = versions
            .iter()
            .flatten()
            .flat_map(|versions| versions.rows.iter().copied())
            .collect();
        rows.sort_unstable();
        rows.dedup();
        let mut of_models = Vec::with_capacity(encoded.len());
        let mut additive = Vec::new();
        if !rows.is_empty() {
            let wanted = Tensor::new(rows.as_slice(), people.data.device())?;
            for (model, encoded) in encoded.iter().enumerate() {
                let versions = encoded.index_select(&wanted, 0)?;
                of_models.push(people.logits(model, locus, copies, &versions)?);
                if people.models[model].has_additive() {
                    additive.push(versions.narrow(1, 0, 1)?.flatten_all()?.to_vec1::<f32>()?);
                }
            }
        }
        Ok(Self {
            n_copies: copies.len(),
            rows,
            of_models,
            additive,
        })
    }

    /// Adds the contrasts of one switch, each copy with this weight.
    fn contrast(
        &self,
        versions: &Versions,
        weight: f64,
        contrasts: &[Contrast<'_>],
        measured: &mut Measured,
    ) {
        if !measured.takes(versions.approximated) {
            return;
        }
        let places: Vec<usize> = versions
            .rows
            .iter()
            .map(|&row| self.rows.partition_point(|&other| other < row))
            .collect();
        let starts: Vec<usize> = places.iter().map(|place| place * self.n_copies).collect();
        if !self.additive.is_empty() {
            let of_model = |scores: &Vec<f32>| {
                places
                    .iter()
                    .zip(contrasts[0])
                    .map(|(&place, factor)| factor * f64::from(scores[place]))
                    .sum()
            };
            let of_models: Vec<f64> = self.additive.iter().map(of_model).collect();
            measured
                .additive
                .add(weight * self.n_copies as f64, &of_models);
        }
        let mut of_models = vec![0.0; self.of_models.len()];
        for (contrast, moments) in contrasts.iter().zip(&mut measured.contrasts) {
            for copy in 0..self.n_copies {
                for (value, logits) in of_models.iter_mut().zip(&self.of_models) {
                    *value = starts
                        .iter()
                        .zip(*contrast)
                        .map(|(start, factor)| factor * f64::from(logits[start + copy]))
                        .sum();
                }
                moments.add(weight, &of_models);
            }
        }
    }
}

fn at_a_time(model: &RiskModel, locus: usize) -> usize {
    haplotypes_at_a_time(model.config(), locus, BYTES).min(HAPLOTYPES_AT_A_TIME)
}

/// (rows, hidden) of every row of tokens; none where no switch could be made.
fn encode_all(
    model: &RiskModel,
    locus: usize,
    tokens: &LocusTokens,
    device: &Device,
) -> Result<Tensor, Error> {
    let rows: Vec<u32> = (0..tokens.n_haplotypes() as u32).collect();
    let mut parts = vec![encode_rows(model, locus, tokens, &[], device)?];
    for rows in rows.chunks(at_a_time(model, locus)) {
        parts.push(encode_rows(model, locus, tokens, rows, device)?);
    }
    Ok(Tensor::cat(&parts, 0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_student() {
        assert_eq!(t_interval(&[1.0]), None);
        // R: qt(0.975, c(1, 2, 3, 4, 9, 30))
        for (degrees, expected) in [
            (1, 12.706_205),
            (2, 4.302_653),
            (3, 3.182_446),
            (4, 2.776_445),
            (9, 2.262_157),
            (30, 2.042_272),
        ] {
            assert!(
                (t_quantile(degrees) - expected).abs() < 1e-6,
                "{degrees}: {}",
                t_quantile(degrees)
            );
        }
        // R: t.test(c(1, 2, 4))$conf.int, t.test(c(0, 1))$conf.int
        let near =
            |[a, b]: [f64; 2], [c, d]: [f64; 2]| (a - c).abs() < 1e-6 && (b - d).abs() < 1e-6;
        assert!(
            near(
                t_interval(&[1.0, 2.0, 4.0]).unwrap(),
                [-1.461_250, 6.127_916]
            ),
            "{:?}",
            t_interval(&[1.0, 2.0, 4.0])
        );
        assert!(
            near(t_interval(&[0.0, 1.0]).unwrap(), [-5.853_102, 6.853_102]),
            "{:?}",
            t_interval(&[0.0, 1.0])
        );
    }

    #[test]
    fn switches_that_are_read_as_others_count_only_where_none_is_read_as_it_is() {
        let after = |switches: &[(bool, f64)]| {
            let mut measured = Measured {
                contrasts: vec![Moments::default()],
                ..Measured::default()
            };
            for &(approximated, value) in switches {
                if measured.takes(approximated) {
                    measured.contrasts[0].add(1.0, &[value]);
                }
            }
            (
                measured.n_haplotypes,
                measured.n_approximated,
                measured.contrasts[0].mean(),
            )
        };
        assert_eq!(
            after(&[(true, 8.0), (false, 1.0), (true, 8.0), (false, 3.0)]),
            (4, 2, 2.0)
        );
        assert_eq!(after(&[(false, 1.0), (true, 8.0)]), (2, 1, 1.0));
        assert_eq!(after(&[(true, 8.0), (true, 2.0)]), (2, 2, 5.0));
    }

    #[test]
    fn moments_are_weighted_by_copies() {
        let mut moments = Moments::default();
        moments.add(3.0, &[1.0, 3.0]);
        moments.add(1.0, &[-2.0, -2.0]);
        assert!((moments.mean() - 1.0).abs() < 1e-12);
        assert!((moments.root_mean_square() - 2.0).abs() < 1e-12);
    }
}

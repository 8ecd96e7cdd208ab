//! Effect of a switch on the logit: samples are classified with every version of a haplotype.
//!
//! Input: a bundle, samples, and [`Switch`]es of a locus. Output: [`Measured`] contrasts between
//! versions, weighted by the copies of each distinct haplotype. The other haplotype of a sample,
//! its other loci and its covariates stay unchanged.

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

/// Largest number of copies of a haplotype in which it is switched.
///
/// More copies are sampled at even distances. Copies of one haplotype differ only in the rest of
/// the sample.
pub const MAX_COPIES: usize = 256;
/// Approximate memory of the tokens and vectors of the versions of a pass, in bytes.
const PASS_BYTES: usize = 1 << 28;
/// Approximate number of samples that are classified at a time.
const SAMPLES_AT_A_TIME: usize = 16_384;

/// Factors of the versions of a switch, by their index (see [`Versions::rows`]). The contrast is
/// the sum of factor times logit.
pub type Contrast<'c> = &'c [f64];
/// ALT minus REF.
pub const EFFECT: Contrast<'static> = &[-1.0, 1.0];
/// Both ALT minus both REF.
pub const JOINT_EFFECT: Contrast<'static> = &[-1.0, 0.0, 0.0, 1.0];
/// Effect of both ALT beyond the sum of their single effects.
pub const INTERACTION: Contrast<'static> = &[1.0, -1.0, -1.0, 1.0];

/// Measured effect of a switch, over all haplotypes in which it can be made.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Distinct haplotypes in which the alleles were switched.
    pub n_haplotypes: usize,
    /// Distinct haplotypes in which a switched allele overlaps another allele.
    pub n_overlaps: usize,
    /// Switches that the model does not read exactly.
    pub n_approximated: usize,
    /// Moments of each contrast, over the switches that the model reads exactly. If there is none,
    /// over all switches.
    pub contrasts: Vec<Moments>,
    /// Part of the additive term in the first contrast; empty for models without one.
    pub additive: Moments,
}

impl Measured {
    /// Counts a further switch, and returns whether it belongs into the contrasts.
    ///
    /// A switch that is read as another segment may differ from it in more than the allele. The
    /// first exact switch therefore discards all approximated ones.
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

/// Weighted moments of a contrast over copies.
#[derive(Clone, Debug, Default)]
pub struct Moments {
    /// Sum of the weights.
    weight: f64,
    /// For each model, weighted sum over the copies.
    sums: Vec<f64>,
    /// Weighted sum of the squared mean over models.
    squares: f64,
}

impl Moments {
    /// Adds a copy with the value of each model.
    fn add(&mut self, weight: f64, model_values: &[f64]) {
        self.weight += weight;
        self.sums.resize(model_values.len(), 0.0);
        for (sum, value) in self.sums.iter_mut().zip(model_values) {
            *sum += weight * value;
        }
        self.squares += weight * mean(model_values).powi(2);
    }

    /// [`Self::mean`]; `None` when no copy was added.
    pub fn mean_if_any(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.mean())
    }

    /// Mean over copies and models.
    pub fn mean(&self) -> f64 {
        mean(&self.sums) / self.weight
    }

    /// Root mean square over copies of the mean over models.
    pub fn root_mean_square(&self) -> f64 {
        (self.squares / self.weight).sqrt()
    }

    /// 95 % interval of the mean over models; `None` for a single model.
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

/// 97.5 % quantile of Student's t, by bisection of the angle (see [`t_probability`]).
fn t_quantile(degrees_of_freedom: usize) -> f64 {
    let mut low = 0.0;
    let mut high = std::f64::consts::FRAC_PI_2;
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if t_probability(middle, degrees_of_freedom) < 0.95 {
            low = middle;
        } else {
            high = middle;
        }
    }
    low.tan() * (degrees_of_freedom as f64).sqrt()
}

/// `P(|T| < t)` of Student's t with `t = tan(angle) sqrt(degrees of freedom)`.
///
/// Closed form: Abramowitz and Stegun 26.7.3 (odd) and 26.7.4 (even degrees of freedom).
fn t_probability(angle: f64, degrees_of_freedom: usize) -> f64 {
    let is_odd = degrees_of_freedom % 2 == 1;
    let mut term = if is_odd { angle.cos() } else { 1.0 };
    let mut sum = 0.0;
    for number in 1..=degrees_of_freedom / 2 {
        sum += term;
        let n = 2.0 * number as f64;
        let ratio = if is_odd { n / (n + 1.0) } else { (n - 1.0) / n };
        term *= angle.cos().powi(2) * ratio;
    }
    let series = angle.sin() * sum;
    if is_odd {
        (angle + series) / std::f64::consts::FRAC_PI_2
    } else {
        series
    }
}

/// Measured effects of the switches of a locus.
pub struct Measurements {
    /// One per switch.
    pub measured: Vec<Measured>,
    /// Distinct rows of tokens that each model encoded.
    pub n_encoded: usize,
}

/// Samples and the models that classify them.
pub struct ScoredSamples<'p> {
    models: Vec<RiskModel>,
    tokenizer: &'p Tokenizer,
    grid: &'p Grid,
    dictionary: &'p Dictionary,
    data: &'p Dataset<'p>,
    /// Encoded haplotypes, models x loci: (haplotypes + 1, hidden), in the order of the dictionary.
    /// The last row is zeros for an absent haplotype.
    encoded: Vec<Vec<Tensor>>,
}

impl<'p> ScoredSamples<'p> {
    /// Encodes every haplotype. `data` and the dictionary must have the same samples in the same
    /// order.
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
            let mut encoded_loci = Vec::with_capacity(dictionary.loci.len());
            for (number, locus) in dictionary.loci.iter().enumerate() {
                let all: Vec<u32> = (0..locus.haplotypes.len() as u32).collect();
                let rows = encode_in_chunks(model, data, number, &all, at_a_time(model, number))?
                    .as_detached_tensor();
                let absent = Tensor::zeros((1, rows.dim(1)?), rows.dtype(), rows.device())?;
                encoded_loci.push(Tensor::cat(&[&rows, &absent], 0)?);
            }
            encoded.push(encoded_loci);
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

    /// Makes each of `switches` of locus number `locus` in each of `haplotypes`.
    pub fn measure<const N: usize>(
        &self,
        locus: usize,
        carriers: &Carriers,
        haplotypes: &[u32],
        switches: &[Switch<N>],
        contrasts: &[Contrast<'_>],
    ) -> Result<Measurements, Error> {
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
                .map(|model| encode_all(model, locus, &pass.tokens, self.data.device()))
                .collect::<Result<Vec<_>, _>>()?;
            for (&haplotype, versions) in haplotypes.iter().zip(&pass.versions) {
                let all = &carriers.copies[haplotype as usize];
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
        Ok(Measurements {
            measured,
            n_encoded,
        })
    }

    fn haplotypes_in_a_pass(&self, locus: usize, versions: usize) -> usize {
        let widths: usize = self.models.iter().map(|model| model.width(locus)).sum();
        let bytes = size_of::<f32>() * (self.grid.loci[locus].n_slots() + widths);
        (PASS_BYTES / (bytes * versions).max(1)).max(1)
    }

    /// Logits of the samples of `copies` with each version in place of their haplotype of `locus`.
    ///
    /// `versions` is (rows, hidden) of model number `model`. The result is versions x copies.
    fn logits(
        &self,
        model: usize,
        locus: usize,
        copies: &[Copy],
        versions: &Tensor,
    ) -> Result<Vec<f32>, Error> {
        let n_versions = versions.dim(0)?;
        let mut logits = Vec::with_capacity(n_versions * copies.len());
        let at_a_time = (SAMPLES_AT_A_TIME / copies.len()).max(1);
        for first in (0..n_versions).step_by(at_a_time) {
            let n = at_a_time.min(n_versions - first);
            let chunk = versions.narrow(0, first, n)?;
            logits.extend(self.logits_of_chunk(model, locus, copies, &chunk)?);
        }
        Ok(logits)
    }

    /// [`Self::logits`] for versions that are classified at once.
    fn logits_of_chunk(
        &self,
        model: usize,
        locus: usize,
        copies: &[Copy],
        versions: &Tensor,
    ) -> Result<Vec<f32>, Error> {
        let device = self.data.device();
        let n_copies = copies.len() as u32;
        let n_versions = versions.dim(0)? as u32;
        let mut encoded = Vec::new();
        let mut pairs = Vec::new();
        for (number, locus_haplotypes) in self.dictionary.loci.iter().enumerate() {
            if number == locus {
                // Rows: the versions, then the partner of each copy.
                let partners = copies.iter().map(|copy| copy.partner);
                let partner_rows = self.rows_of(model, number, partners)?;
                encoded.push(Tensor::cat(&[versions, &partner_rows], 0)?);
                let version_index: Vec<u32> = (0..n_versions)
                    .flat_map(|version| std::iter::repeat_n(version, copies.len()))
                    .collect();
                let partner_index: Vec<u32> = (0..n_copies).map(|copy| n_versions + copy).collect();
                pairs.push([
                    Tensor::new(version_index, device)?,
                    Tensor::new(partner_index.repeat(n_versions as usize), device)?,
                ]);
            } else {
                // Rows: both haplotypes of each copy's sample.
                let haplotypes = copies
                    .iter()
                    .flat_map(|copy| locus_haplotypes.pairs[copy.person]);
                encoded.push(self.rows_of(model, number, haplotypes)?);
                let first: Vec<u32> = (0..n_copies).map(|copy| 2 * copy).collect();
                let second: Vec<u32> = (0..n_copies).map(|copy| 2 * copy + 1).collect();
                pairs.push([
                    Tensor::new(first.repeat(n_versions as usize), device)?,
                    Tensor::new(second.repeat(n_versions as usize), device)?,
                ]);
            }
        }
        let samples: Vec<usize> = copies.iter().map(|copy| copy.person).collect();
        let covariates = self.data.covariates(&samples.repeat(n_versions as usize))?;
        let logits = self.models[model].classify(
            &encoded,
            &pairs.iter().collect::<Vec<_>>(),
            covariates.as_ref(),
        )?;
        Ok(logits.to_vec1::<f32>()?)
    }

    /// Encoded rows of haplotypes of a locus; an absent haplotype has the last row.
    fn rows_of(
        &self,
        model: usize,
        locus: usize,
        haplotypes: impl Iterator<Item = u32>,
    ) -> candle_core::Result<Tensor> {
        let absent_row = self.dictionary.loci[locus].haplotypes.len() as u32;
        let row_numbers: Vec<u32> = haplotypes
            .map(|haplotype| match haplotype {
                ABSENT_HAPLOTYPE => absent_row,
                present => present,
            })
            .collect();
        let index = Tensor::new(row_numbers, self.data.device())?;
        self.encoded[model][locus].index_select(&index, 0)
    }
}

/// Logits of the carriers of one haplotype with every version of it.
struct Logits {
    n_copies: usize,
    /// Rows of the pass that are versions of this haplotype, ascending.
    rows: Vec<u32>,
    /// Logits of each model, rows x copies.
    by_model: Vec<Vec<f32>>,
    /// For each model with an additive term, the additive score of each row.
    additive_scores: Vec<Vec<f32>>,
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
        let mut model_logits = Vec::with_capacity(encoded.len());
        let mut additive_scores = Vec::new();
        if !rows.is_empty() {
            let index = Tensor::new(rows.as_slice(), people.data.device())?;
            for (model, encoded) in encoded.iter().enumerate() {
                let versions = encoded.index_select(&index, 0)?;
                model_logits.push(people.logits(model, locus, copies, &versions)?);
                if people.models[model].has_additive() {
                    // The first component of a row is its additive score.
                    let scores = versions.narrow(1, 0, 1)?.flatten_all()?;
                    additive_scores.push(scores.to_vec1::<f32>()?);
                }
            }
        }
        Ok(Self {
            n_copies: copies.len(),
            rows,
            by_model: model_logits,
            additive_scores,
        })
    }

    /// Adds the contrasts of one switch; each copy has this weight.
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
        // Index of each version into `self.rows`.
        let version_rows: Vec<usize> = versions
            .rows
            .iter()
            .map(|&row| self.rows.partition_point(|&smaller| smaller < row))
            .collect();
        if !self.additive_scores.is_empty() {
            let additive_effects: Vec<f64> = self
                .additive_scores
                .iter()
                .map(|scores| {
                    version_rows
                        .iter()
                        .zip(contrasts[0])
                        .map(|(&row, factor)| factor * f64::from(scores[row]))
                        .sum()
                })
                .collect();
            // The additive part is the same in all copies.
            measured
                .additive
                .add(weight * self.n_copies as f64, &additive_effects);
        }
        let starts: Vec<usize> = version_rows.iter().map(|row| row * self.n_copies).collect();
        let mut model_values = vec![0.0; self.by_model.len()];
        for (contrast, moments) in contrasts.iter().zip(&mut measured.contrasts) {
            for copy in 0..self.n_copies {
                for (value, logits) in model_values.iter_mut().zip(&self.by_model) {
                    *value = starts
                        .iter()
                        .zip(*contrast)
                        .map(|(start, factor)| factor * f64::from(logits[start + copy]))
                        .sum();
                }
                moments.add(weight, &model_values);
            }
        }
    }
}

fn at_a_time(model: &RiskModel, locus: usize) -> usize {
    haplotypes_at_a_time(model.config(), locus, BYTES).min(HAPLOTYPES_AT_A_TIME)
}

/// Encodes every row of tokens: (rows, hidden). There are no rows when no switch could be made.
fn encode_all(
    model: &RiskModel,
    locus: usize,
    tokens: &LocusTokens,
    device: &Device,
) -> Result<Tensor, Error> {
    let rows: Vec<u32> = (0..tokens.n_haplotypes() as u32).collect();
    // An empty chunk gives the shape when there is no row.
    let mut chunks = vec![encode_rows(model, locus, tokens, &[], device)?];
    for rows in rows.chunks(at_a_time(model, locus)) {
        chunks.push(encode_rows(model, locus, tokens, rows, device)?);
    }
    Ok(Tensor::cat(&chunks, 0)?)
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
        for (values, expected) in [
            (vec![1.0, 2.0, 4.0], [-1.461_250, 6.127_916]),
            (vec![0.0, 1.0], [-5.853_102, 6.853_102]),
        ] {
            let interval = t_interval(&values).unwrap();
            assert!(
                (interval[0] - expected[0]).abs() < 1e-6
                    && (interval[1] - expected[1]).abs() < 1e-6,
                "{interval:?}"
            );
        }
    }

    #[test]
    fn approximated_switches_count_only_where_no_switch_is_exact() {
        assert_eq!(
            counts_and_mean(&[(true, 8.0), (false, 1.0), (true, 8.0), (false, 3.0)]),
            (4, 2, 2.0)
        );
        assert_eq!(counts_and_mean(&[(false, 1.0), (true, 8.0)]), (2, 1, 1.0));
        assert_eq!(counts_and_mean(&[(true, 8.0), (true, 2.0)]), (2, 2, 5.0));
    }

    /// Haplotypes, approximated switches and mean after switches (approximated, effect).
    fn counts_and_mean(switches: &[(bool, f64)]) -> (usize, usize, f64) {
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

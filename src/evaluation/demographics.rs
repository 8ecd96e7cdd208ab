//! Characteristics of the samples of each split, as counts and densities of groups.
//!
//! Input -> output: scores and the cohort table -> age, sex, ancestry and APOE by split, and the
//! density of scores by ancestry. Nothing here is about fewer than five samples, because the report
//! contains no individual-level data.

use std::f64::consts::PI;

use gf_cohort_schema::Split;
use serde::Serialize;

use super::strata::Stratum;
use crate::predictions::{Column, Known, Scores};

/// Smallest count above zero that is reported, and fewest samples of a mean.
const MIN_COUNT: usize = 5;
/// Fewest samples of a density.
const MIN_OF_DENSITY: usize = 20;
/// Bins that scores are counted in before they are smoothed.
const N_BINS: usize = 240;
/// Points of a density.
const N_POINTS: usize = 61;
/// Densities are computed up to this many standard deviations from the mean.
const MAX_SDS: f64 = 4.0;

/// Age and groups of the samples of one split.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SplitCharacteristics {
    /// The split.
    pub split: Split,
    /// `None` where no table has ages, or fewer than five samples have one.
    pub age: Option<AgeSummary>,
    /// Sex, ancestry and APOE genotype, as far as they are known.
    pub groups: Vec<GroupCount>,
}

/// Mean and standard deviation of age.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AgeSummary {
    /// Mean in years.
    pub mean: f64,
    /// Standard deviation in years, with n - 1 in the denominator.
    pub sd: f64,
    /// Samples with a known age.
    pub n: usize,
}

/// Samples with one value of a characteristic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GroupCount {
    /// `sex`, `apoe` or the name of the ancestry column.
    pub characteristic: String,
    /// The value.
    pub level: String,
    /// Number of samples.
    pub n: GroupSize,
}

/// Number of samples of a group, as far as it may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum GroupSize {
    /// 0, or at least 5.
    Exact(usize),
    /// 1 to 4.
    BelowFive,
    /// At least 5. The exact number would reveal that of the only group below 5, by subtraction
    /// from all samples.
    Withheld,
}

/// Density of the scores of one model among the samples of one ancestry.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScoreDensity {
    /// The ancestry.
    pub ancestry: String,
    /// The model.
    pub model: String,
    /// The split.
    pub split: Split,
    /// Samples of this ancestry, at least 20.
    pub n: usize,
    /// Score in standard deviations from the mean of the split, and density.
    pub points: Vec<(f64, f64)>,
}

/// Characteristics of each split with predictions.
pub(super) fn by_split(scores: &Scores, known: &Known) -> Vec<SplitCharacteristics> {
    let ages = ages(known);
    let strata: Vec<Stratum> = ["sex"]
        .into_iter()
        .chain(known.ancestry())
        .chain(["apoe"])
        .filter_map(|name| Stratum::by_column(name, known))
        .collect();
    Split::ALL
        .into_iter()
        .filter(|split| scores.people.iter().any(|person| person.split == *split))
        .map(|split| SplitCharacteristics {
            split,
            age: ages
                .as_ref()
                .and_then(|ages| age_summary(ages, split, scores)),
            groups: strata
                .iter()
                .flat_map(|stratum| group_counts(stratum, split, scores))
                .collect(),
        })
        .collect()
}

/// Age by sample; `None` without a column `age`.
fn ages(known: &Known) -> Option<Vec<Option<f64>>> {
    let cells = known.cells("age")?;
    let ages = cells.into_iter().map(|cell| {
        let age = cell?.parse::<f64>().ok()?;
        (age.is_finite() && age >= 0.0).then_some(age)
    });
    Some(ages.collect())
}

fn age_summary(ages: &[Option<f64>], split: Split, scores: &Scores) -> Option<AgeSummary> {
    let known: Vec<f64> = scores
        .people
        .iter()
        .zip(ages)
        .filter(|(person, _)| person.split == split)
        .filter_map(|(_, age)| *age)
        .collect();
    if known.len() < MIN_COUNT {
        return None;
    }
    let mean = known.iter().sum::<f64>() / known.len() as f64;
    let squares: f64 = known.iter().map(|age| (age - mean).powi(2)).sum();
    Some(AgeSummary {
        mean,
        sd: (squares / (known.len() - 1) as f64).sqrt(),
        n: known.len(),
    })
}

fn group_counts(stratum: &Stratum, split: Split, scores: &Scores) -> Vec<GroupCount> {
    let mut counts = vec![0; stratum.levels.len()];
    for (person, &level) in scores.people.iter().zip(&stratum.level_of) {
        if person.split == split {
            counts[level] += 1;
        }
    }
    stratum
        .levels
        .iter()
        .zip(group_sizes(&counts))
        .map(|(level, n)| GroupCount {
            characteristic: stratum.name.clone(),
            level: level.clone(),
            n,
        })
        .collect()
}

/// Sizes of all groups of a characteristic. If one group only is below [`MIN_COUNT`], the smallest
/// of the others is withheld too.
fn group_sizes(counts: &[usize]) -> Vec<GroupSize> {
    let mut sizes: Vec<GroupSize> = counts
        .iter()
        .map(|&n| match n {
            0 | MIN_COUNT.. => GroupSize::Exact(n),
            _ => GroupSize::BelowFive,
        })
        .collect();
    let n_small = sizes
        .iter()
        .filter(|size| **size == GroupSize::BelowFive)
        .count();
    let smallest_other = (0..counts.len())
        .filter(|&group| counts[group] >= MIN_COUNT)
        .min_by_key(|&group| counts[group]);
    if let Some(group) = smallest_other.filter(|_| n_small == 1) {
        sizes[group] = GroupSize::Withheld;
    }
    sizes
}

/// Densities of every model on the last split, by ancestry; empty where no ancestry is known.
pub(super) fn densities(scores: &Scores, known: &Known) -> Vec<ScoreDensity> {
    let ancestry = known
        .ancestry()
        .and_then(|name| Stratum::by_column(name, known));
    let Some((ancestry, split)) = ancestry.zip(scores.last_split()) else {
        return Vec::new();
    };
    scores
        .in_split(split)
        .iter()
        .flat_map(|column| densities_of(column, &ancestry))
        .collect()
}

fn densities_of(column: &Column, ancestry: &Stratum) -> Vec<ScoreDensity> {
    let n = column.logits.len() as f64;
    let mean = column.logits.iter().sum::<f64>() / n;
    let squares: f64 = column
        .logits
        .iter()
        .map(|logit| (logit - mean).powi(2))
        .sum();
    let sd = (squares / n).sqrt();
    // False for a constant score and for no score at all.
    if !(sd.is_finite() && sd > 0.0) {
        return Vec::new();
    }
    let mut histograms = vec![Histogram::default(); ancestry.levels.len()];
    for (&person, logit) in column.people.iter().zip(&column.logits) {
        histograms[ancestry.level_of[person as usize]].add((logit - mean) / sd);
    }
    histograms
        .iter()
        .zip(&ancestry.levels)
        .filter(|(histogram, _)| histogram.n >= MIN_OF_DENSITY)
        .map(|(histogram, level)| ScoreDensity {
            ancestry: level.clone(),
            model: column.model.clone(),
            split: column.split,
            n: histogram.n,
            points: histogram.smoothed(),
        })
        .collect()
}

/// Scores counted in bins between -[`MAX_SDS`] and [`MAX_SDS`].
#[derive(Clone)]
struct Histogram {
    counts: Vec<f64>,
    n: usize,
    sum: f64,
    sum_of_squares: f64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0.0; N_BINS],
            n: 0,
            sum: 0.0,
            sum_of_squares: 0.0,
        }
    }
}

impl Histogram {
    /// Counts a score. One outside of the bins is in the first or the last bin.
    fn add(&mut self, score: f64) {
        let position = (score + MAX_SDS) / (2.0 * MAX_SDS) * N_BINS as f64;
        self.counts[(position.max(0.0) as usize).min(N_BINS - 1)] += 1.0;
        self.n += 1;
        self.sum += score;
        self.sum_of_squares += score * score;
    }

    /// Gaussian kernel density with Silverman's bandwidth, 1.06 SD n^(-1/5).
    fn smoothed(&self) -> Vec<(f64, f64)> {
        let n = self.n as f64;
        let mean = self.sum / n;
        let sd = (self.sum_of_squares / n - mean * mean).max(0.0).sqrt();
        let bin_width = 2.0 * MAX_SDS / N_BINS as f64;
        let bandwidth = (1.06 * sd * n.powf(-0.2)).max(bin_width);
        let height = 1.0 / (n * bandwidth * (2.0 * PI).sqrt());
        (0..N_POINTS)
            .map(|point| {
                let x = -MAX_SDS + 2.0 * MAX_SDS * point as f64 / (N_POINTS - 1) as f64;
                (x, height * self.kernel_sum(x, bandwidth))
            })
            .collect()
    }

    fn kernel_sum(&self, x: f64, bandwidth: f64) -> f64 {
        let bin_width = 2.0 * MAX_SDS / N_BINS as f64;
        self.counts
            .iter()
            .enumerate()
            .map(|(bin, count)| {
                let centre = -MAX_SDS + bin_width * (bin as f64 + 0.5);
                count * (-0.5 * ((x - centre) / bandwidth).powi(2)).exp()
            })
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_group_cannot_be_found_by_subtraction() {
        use GroupSize::{BelowFive, Exact, Withheld};
        assert_eq!(
            group_sizes(&[238, 3, 718]),
            [Withheld, BelowFive, Exact(718)]
        );
        assert_eq!(
            group_sizes(&[3, 4, 718]),
            [BelowFive, BelowFive, Exact(718)]
        );
        assert_eq!(group_sizes(&[0, 5, 718]), [Exact(0), Exact(5), Exact(718)]);
    }

    #[test]
    fn a_density_integrates_to_one_and_has_the_mode_of_its_samples() {
        let mut histogram = Histogram::default();
        for sample in 0..200_u32 {
            histogram.add(0.5 + 0.4 * (f64::from(sample) / 100.0 - 1.0));
        }
        let points = histogram.smoothed();
        let area: f64 =
            points.iter().map(|point| point.1).sum::<f64>() * 2.0 * MAX_SDS / (N_POINTS - 1) as f64;
        let mode = points.iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap().0;
        assert!((area - 1.0).abs() < 0.01, "area {area}");
        assert!((mode - 0.5).abs() < 0.2, "mode {mode}");
    }
}

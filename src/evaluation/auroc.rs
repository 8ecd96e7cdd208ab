//! AUROC of every model on the same samples, with its interval and its difference to a reference
//! model.
//!
//! Input -> output: columns of scores of one split, or of one stratum of it -> one
//! [`AurocEstimate`] per column. Intervals and tests are those of DeLong, or percentiles of a
//! bootstrap over families.

use gf_cohort_schema::counted;
use gf_stats::{
    delong::{Interval, Placements},
    roc::OneClass,
};

use super::bootstrap::{Bootstrap, Resampled};
use crate::predictions::Column;

/// AUROC of one model, and its difference to the reference model.
#[derive(Clone, Debug)]
pub struct AurocEstimate {
    pub auroc: f64,
    /// 95 % interval.
    pub interval: Option<Interval>,
    /// `None` without a reference model, and for the reference model itself.
    pub difference: Option<Difference>,
    /// Why a value is undefined or needs care.
    pub reasons: Vec<String>,
}

/// AUROC of a model minus that of the reference model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    pub delta: f64,
    /// 95 % interval, and the two-sided p-value of a difference of zero.
    pub inference: Option<(Interval, f64)>,
}

/// The AUROC of each column, in their order. A column is compared to `compared_to` if both have the
/// same samples.
pub fn aurocs(
    columns: &[&Column],
    compared_to: Option<&str>,
    bootstrap: Option<&Bootstrap<'_>>,
) -> Vec<Result<AurocEstimate, OneClass>> {
    let estimator = Estimator {
        columns,
        compared_to,
        reference: compared_to
            .and_then(|model| columns.iter().position(|column| column.model == model)),
        placements: columns.iter().map(|column| column.placements()).collect(),
        resampled: bootstrap.map(|bootstrap| bootstrap.resample(columns)),
    };
    (0..columns.len())
        .map(|index| estimator.estimate(index))
        .collect()
}

/// Shared by the estimates of all columns.
struct Estimator<'a> {
    columns: &'a [&'a Column],
    /// Name of the reference model, even where it has no column.
    compared_to: Option<&'a str>,
    /// Index of the reference model.
    reference: Option<usize>,
    placements: Vec<Result<Placements, OneClass>>,
    resampled: Option<Resampled>,
}

impl Estimator<'_> {
    fn estimate(&self, index: usize) -> Result<AurocEstimate, OneClass> {
        let own = self.placements[index]
            .as_ref()
            .map_err(|undefined| *undefined)?;
        let mut estimate = match &self.resampled {
            None => AurocEstimate::by_delong(own),
            Some(resampled) => AurocEstimate::by_bootstrap(own.auroc(), index, resampled),
        };
        if let Some(reference) = self.compared_to
            && reference != self.columns[index].model
        {
            self.compare(index, own, reference, &mut estimate);
        }
        Ok(estimate)
    }

    /// Adds the difference to the reference model, or the reason why there is none.
    fn compare(
        &self,
        index: usize,
        own: &Placements,
        reference: &str,
        estimate: &mut AurocEstimate,
    ) {
        let Some((reference_index, of_reference)) = self.comparable(index) else {
            estimate.reasons.push(format!(
                "not compared because {reference} has no predictions on this split"
            ));
            return;
        };
        let test = own.paired_test(of_reference);
        let inference = match &self.resampled {
            None => test.inference,
            Some(resampled) => resampled.difference(index, reference_index),
        };
        if inference.is_none() {
            estimate.reasons.push(format!(
                "no test because the variance of the difference to {reference} is zero or \
                 undefined"
            ));
        }
        estimate.difference = Some(Difference {
            delta: test.delta,
            inference,
        });
    }

    /// Index and placements of the reference model, if it has the samples of this column.
    fn comparable(&self, index: usize) -> Option<(usize, &Placements)> {
        let reference = self.reference?;
        if self.columns[reference].people != self.columns[index].people {
            return None;
        }
        Some((reference, self.placements[reference].as_ref().ok()?))
    }
}

impl AurocEstimate {
    fn by_delong(own: &Placements) -> Self {
        let reason = match own.variance() {
            None => Some("interval undefined with fewer than two samples in a class"),
            Some(0.0) => Some(
                "the interval has no width because DeLong's variance is zero (perfect separation, \
                 or all logits tied)",
            ),
            Some(_) => None,
        };
        Self {
            auroc: own.auroc(),
            interval: own.interval(),
            difference: None,
            reasons: reason.map(str::to_owned).into_iter().collect(),
        }
    }

    fn by_bootstrap(auroc: f64, index: usize, resampled: &Resampled) -> Self {
        let n_without_a_class = resampled.n_without_a_class(index);
        let interval = resampled.interval(index);
        let reason = match interval {
            None => Some("interval undefined because no resample has both classes".to_owned()),
            Some(interval) if interval.low >= interval.high => {
                Some("the interval has no width because all resamples have the same AUC".to_owned())
            }
            Some(_) if n_without_a_class > 0 => {
                let resamples = counted(resampled.n_replicates(), "resample", "resamples");
                Some(format!(
                    "{n_without_a_class} of {resamples} lack one class and are left out"
                ))
            }
            Some(_) => None,
        };
        Self {
            auroc,
            interval,
            difference: None,
            reasons: reason.into_iter().collect(),
        }
    }
}

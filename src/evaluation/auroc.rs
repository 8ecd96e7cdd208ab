//! The AUROC of every model on the same people, with intervals, and the difference of each to one
//! of them: of a split, or of a stratum of it.
//!
//! Input -> output: columns of scores -> an [`AurocEstimate`] each, by DeLong, or by resampling families
//! (percentile intervals).

use super::{
    bootstrap::{Bootstrap, Resampled},
    delong::{Interval, Placements},
    roc::OneClass,
    scores::Column,
};
use gf_cohort_schema::counted;

/// What is known of one model's area.
#[derive(Clone, Debug)]
pub struct AurocEstimate {
    pub auroc: f64,
    pub interval: Option<Interval>,
    /// `None` where there is nothing to compare to, or it is the model itself.
    pub difference: Option<Difference>,
    /// Why something is undefined or needs care.
    pub reasons: Vec<String>,
}

/// Of the area to that of the model compared to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    pub delta: f64,
    /// 95 % interval, and the two-sided p-value of its being zero.
    pub inference: Option<(Interval, f64)>,
}

/// The areas of `columns`, in their order; those with the same people as `compared_to` are compared
/// to it.
pub fn aurocs(
    columns: &[&Column],
    compared_to: Option<&str>,
    bootstrap: Option<&Bootstrap<'_>>,
) -> Vec<Result<AurocEstimate, OneClass>> {
    let placements: Vec<Result<Placements, OneClass>> =
        columns.iter().map(|column| placements(column)).collect();
    let resampled = bootstrap.map(|bootstrap| bootstrap.resample(columns));
    let other =
        compared_to.and_then(|model| columns.iter().position(|column| column.model == model));
    let area_of = |index: usize| {
        let own = placements[index].as_ref().map_err(|undefined| *undefined)?;
        let mut area = AurocEstimate {
            auroc: own.auroc(),
            interval: None,
            difference: None,
            reasons: Vec::new(),
        };
        match &resampled {
            None => area.by_delong(own),
            Some(resampled) => area.by_bootstrap(index, resampled),
        }
        let (Some(model), true) = (
            compared_to,
            compared_to != Some(columns[index].model.as_str()),
        ) else {
            return Ok(area);
        };
        let comparable = other.filter(|&other| columns[other].people == columns[index].people);
        match comparable.and_then(|other| Some((other, placements[other].as_ref().ok()?))) {
            None => area.reasons.push(format!(
                "not compared: {model} has no predictions on this split"
            )),
            Some((other, others)) => {
                let test = own.paired_test(others);
                let inference = match &resampled {
                    None => test.inference,
                    Some(resampled) => resampled.difference(index, other),
                };
                if inference.is_none() {
                    area.reasons.push(format!(
                        "no test: the variance of the difference to {model} is zero or undefined"
                    ));
                }
                area.difference = Some(Difference {
                    delta: test.delta,
                    inference,
                });
            }
        }
        Ok(area)
    };
    (0..columns.len()).map(area_of).collect()
}

/// The placements of the people of a column.
pub fn placements(column: &Column) -> Result<Placements, OneClass> {
    Placements::new(&column.logits, &column.is_case, &column.order)
}

impl AurocEstimate {
    fn by_delong(&mut self, own: &Placements) {
        self.interval = own.interval();
        let reason = match own.variance() {
            None => Some("interval undefined with fewer than two people in a class"),
            Some(0.0) => Some(
                "interval of no width: DeLong's variance is zero (perfect separation, or all \
                 logits tied)",
            ),
            Some(_) => None,
        };
        self.reasons.extend(reason.map(str::to_owned));
    }

    fn by_bootstrap(&mut self, index: usize, resampled: &Resampled) {
        self.interval = resampled.interval(index);
        if self.interval.is_none() {
            self.reasons
                .push("interval undefined: no resample has both classes".to_owned());
        } else if self
            .interval
            .is_some_and(|interval| interval.low >= interval.high)
        {
            self.reasons
                .push("interval of no width: all resamples have the same area".to_owned());
        } else if resampled.n_without_a_class(index) > 0 {
            let without = resampled.n_without_a_class(index);
            let n = resampled.n_replicates();
            let n = counted(n, "resample", "resamples");
            self.reasons.push(format!(
                "of {n} those without both classes are left out: {without}"
            ));
        }
    }
}

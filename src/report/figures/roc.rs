//! ROC curves.

use gf_cohort_schema::{AucRow, RocPoint};
use gf_stats::normal::wilson;

use super::{
    super::figure::{Arrangement, Axis, Figure, FigurePanel, Point, Series, Shape},
    Shown,
};

/// Most corners of a ROC curve. More cannot be seen, and would reveal the order of the samples.
const MAX_CORNERS: usize = 200;

impl Shown<'_> {
    /// Curves of the headline model and of the reference; the others are switched off at first.
    pub(super) fn roc(&self) -> Figure {
        let mut series = vec![Series::guide((0.0, 0.0), (1.0, 1.0))];
        series.extend(self.by_importance().into_iter().map(|row| self.curve(row)));
        // With neither a headline model nor a reference, all curves would be off.
        if series.iter().skip(1).all(|curve| curve.is_hidden) {
            for curve in &mut series {
                curve.is_hidden = false;
            }
        }
        Figure {
            id: "roc".to_owned(),
            title: format!("ROC curves on the {} split", self.split),
            caption:
                "The AUC is in brackets. Bands are pointwise 95 % Wilson intervals of the true \
                 positive rate, of the headline model and of the reference. The dotted line is a \
                 score without information (AUC 0.5)."
                    .to_owned(),
            x: Axis::share("False positive rate (1 - specificity)"),
            y: Axis::share("True positive rate (sensitivity)"),
            panels: vec![FigurePanel {
                title: String::new(),
                series,
            }],
            arrangement: Arrangement::Square,
        }
    }

    /// The curve of one model. Only the headline model and the reference have a band, because more
    /// bands would hide each other.
    fn curve(&self, row: &AucRow) -> Series {
        let corners: Vec<&RocPoint> = self
            .verdict
            .roc
            .iter()
            .filter(|point| point.split == self.split && point.model == row.model)
            .collect();
        let has_band = !self.is_further(row);
        let n_cases = row.n_cases as f64;
        let points = thinned(&corners).into_iter().map(|corner| Point {
            x: corner.false_positive_rate,
            y: corner.true_positive_rate,
            interval: has_band.then(|| wilson(corner.true_positive_rate, n_cases)),
        });
        let name = match row.auroc {
            Some(auroc) => format!("{} ({auroc:.3})", row.model),
            None => row.model.clone(),
        };
        Series {
            name,
            style: self.style(row),
            shape: Shape::Line,
            points: points.collect(),
            is_hidden: self.is_further(row),
        }
    }
}

/// At most [`MAX_CORNERS`] corners, evenly spaced along the curve, with both ends.
fn thinned<'a>(corners: &[&'a RocPoint]) -> Vec<&'a RocPoint> {
    if corners.len() <= MAX_CORNERS {
        return corners.to_vec();
    }
    // The curve rises from (0, 0) to (1, 1), so its length in steps of x and y is 2.
    let spacing = 2.0 / (MAX_CORNERS - 2) as f64;
    let mut kept: Vec<&RocPoint> = Vec::new();
    let mut next = 0.0;
    for (index, corner) in corners.iter().enumerate() {
        let distance = corner.false_positive_rate + corner.true_positive_rate;
        let is_last = index + 1 == corners.len();
        if is_last || distance >= next {
            kept.push(corner);
            next = distance + spacing;
        }
    }
    kept
}

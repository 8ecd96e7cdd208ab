//! Forest plots: AUC of every model, and differences to the reference.

use gf_cohort_schema::AucRow;

use super::{
    super::{
        figure::{
            Arrangement, Axis, Figure, FigurePanel, GREY, Marker, Point, Series, Shape, Style, Tick,
        },
        table::{interval, signed_interval},
    },
    HEADLINE_STYLE, REFERENCE_STYLE, Shown,
};

/// A number of a row, with its 95 % CI where there is one.
struct Estimate {
    value: f64,
    interval: Option<(f64, f64)>,
}

/// The estimate of a row; `None` where it is undefined.
type EstimateOf = fn(&AucRow) -> Option<Estimate>;

impl Shown<'_> {
    /// AUC of every model.
    pub(super) fn auc(&self) -> Figure {
        let reference = self.rows.iter().find(|row| self.is_reference(row));
        let guide = reference.and_then(|row| row.auroc);
        Figure {
            id: "forest".to_owned(),
            title: format!("AUC on the {} split", self.split),
            caption: format!(
                "AUC with 95 % CI.{}",
                guide.map_or("", |_| " The dotted line is the AUC of the reference.")
            ),
            x: Axis::labelled("AUC"),
            y: self.row_axis(|row| interval(row.auroc, row.ci_low, row.ci_high, 3)),
            panels: self.forest(guide, |row| {
                Some(Estimate {
                    value: row.auroc?,
                    interval: row.ci_low.zip(row.ci_high),
                })
            }),
            arrangement: Arrangement::Forest,
        }
    }

    /// Difference of every model to the reference; without panels where there is none.
    pub(super) fn difference(&self) -> Figure {
        let reference = self.reference.unwrap_or_default();
        let panels = if self.rows.iter().any(|row| row.delta_auroc.is_some()) {
            self.forest(Some(0.0), |row| {
                Some(Estimate {
                    value: row.delta_auroc?,
                    interval: row.delta_ci_low.zip(row.delta_ci_high),
                })
            })
        } else {
            Vec::new()
        };
        Figure {
            id: "difference".to_owned(),
            title: "Difference in AUC to the reference".to_owned(),
            caption: format!(
                "AUC minus the AUC of {reference} on the same samples, with 95 % CI. Intervals \
                 are not corrected for the number of models."
            ),
            x: Axis::labelled("Difference in AUC"),
            y: self.row_axis(|row| {
                signed_interval(row.delta_auroc, row.delta_ci_low, row.delta_ci_high)
            }),
            panels,
            arrangement: Arrangement::Forest,
        }
    }

    /// A row per model, the first one at the top, with the estimate as its note.
    fn row_axis(&self, note: fn(&AucRow) -> String) -> Axis {
        let ticks = self.rows.iter().zip(0_u32..).map(|(row, place)| Tick {
            value: f64::from(place),
            label: row.model.clone(),
            note: if self.is_reference(row) && row.delta_auroc.is_none() && note(row).is_empty() {
                "reference".to_owned()
            } else {
                note(row)
            },
        });
        Axis {
            range: Some((self.rows.len() as f64 - 0.5, -0.5)),
            ticks: ticks.collect(),
            ..Axis::labelled("")
        }
    }

    /// Headline model, reference and further models as three series, with a vertical guide line.
    fn forest(&self, guide: Option<f64>, estimate: EstimateOf) -> Vec<FigurePanel> {
        let last = self.rows.len() as f64 - 0.5;
        let guides = guide.map(|value| Series::guide((value, -0.5), (value, last)));
        let further = Style {
            colour: GREY,
            ..Style::nth(HEADLINE_STYLE)
        };
        let reference = Style {
            marker: Marker::Diamond,
            ..Style::nth(REFERENCE_STYLE)
        };
        let series = [
            self.rows_of("further models", further, Self::is_further, estimate),
            self.rows_of("reference", reference, Self::is_reference, estimate),
            self.rows_of(
                "headline model",
                Style::nth(HEADLINE_STYLE),
                Self::is_headline,
                estimate,
            ),
        ];
        vec![FigurePanel {
            title: String::new(),
            series: guides
                .into_iter()
                .chain(series)
                .filter(|series| !series.points.is_empty())
                .collect(),
        }]
    }

    fn rows_of(
        &self,
        name: &str,
        style: Style,
        belongs: fn(&Self, &AucRow) -> bool,
        estimate: EstimateOf,
    ) -> Series {
        let rows = self.rows.iter().zip(0_u32..);
        let points = rows
            .filter(|(row, _)| belongs(self, row))
            .filter_map(|(row, place)| {
                let Estimate { value, interval } = estimate(row)?;
                Some(Point {
                    x: value,
                    y: f64::from(place),
                    interval,
                })
            });
        Series {
            name: name.to_owned(),
            style,
            shape: Shape::Rows,
            points: points.collect(),
            is_hidden: false,
        }
    }
}

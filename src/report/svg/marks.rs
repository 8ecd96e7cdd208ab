//! Lines, bands, markers and bars of a series.

use super::{Area, Frame, canvas::Canvas};
use crate::report::figure::{Dash, Marker, Point, Series, Shape};

/// Opacity of bands.
const BAND: f64 = 0.2;
/// Opacity of bars.
const BAR: f64 = 0.4;

impl Frame<'_> {
    pub(super) fn series(&self, canvas: &mut Canvas, area: Area, series: &Series) {
        let points: Vec<&Point> = series
            .points
            .iter()
            .filter(|point| self.figure.x.can_show(point.x) && self.figure.y.can_show(point.y))
            .collect();
        match series.shape {
            Shape::Line => self.line(canvas, area, series, &points),
            Shape::Points | Shape::Rows => self.points(canvas, area, series, &points),
            Shape::Bars(width) => self.bars(canvas, area, series, &points, width),
        }
    }

    /// A line, above the band of its intervals.
    fn line(&self, canvas: &mut Canvas, area: Area, series: &Series, points: &[&Point]) {
        let outline = self.band(area, points);
        if !outline.is_empty() {
            canvas.polygon(&outline, series.style.colour, BAND);
        }
        let line: Vec<(f64, f64)> = points
            .iter()
            .map(|point| self.pixels(area, point.x, point.y))
            .collect();
        canvas.polyline(&line, series.style.colour, series.style.dash);
    }

    /// Lower ends of the intervals from left to right, then upper ends back to the left; empty with
    /// fewer than two intervals.
    fn band(&self, area: Area, points: &[&Point]) -> Vec<(f64, f64)> {
        let intervals: Vec<(f64, f64, f64)> = points
            .iter()
            .filter_map(|point| point.interval.map(|(low, high)| (point.x, low, high)))
            .collect();
        if intervals.len() < 2 {
            return Vec::new();
        }
        let lower = intervals
            .iter()
            .map(|&(x, low, _)| self.pixels(area, x, low));
        let upper = intervals
            .iter()
            .rev()
            .map(|&(x, _, high)| self.pixels(area, x, high));
        lower.chain(upper).collect()
    }

    /// Markers, above the whiskers of their intervals.
    fn points(&self, canvas: &mut Canvas, area: Area, series: &Series, points: &[&Point]) {
        for point in points {
            let Some((low, high)) = point.interval else {
                continue;
            };
            let ends = match series.shape {
                Shape::Rows => [(low, point.y), (high, point.y)],
                _ => [(point.x, low), (point.x, high)],
            };
            let ends = ends.map(|(x, y)| self.pixels(area, x, y));
            canvas.polyline(&ends, series.style.colour, Dash::Solid);
        }
        for point in points {
            marker(canvas, series, self.pixels(area, point.x, point.y));
        }
    }

    /// Bars from 0.
    fn bars(
        &self,
        canvas: &mut Canvas,
        area: Area,
        series: &Series,
        points: &[&Point],
        width: f64,
    ) {
        for point in points.iter().filter(|point| point.y != 0.0) {
            let low = self.pixels(area, point.x - width / 2.0, 0.0);
            let high = self.pixels(area, point.x + width / 2.0, point.y);
            canvas.polygon(&rectangle(low, high), series.style.colour, BAR);
        }
    }
}

fn rectangle(low: (f64, f64), high: (f64, f64)) -> [(f64, f64); 4] {
    [low, (low.0, high.1), high, (high.0, low.1)]
}

fn marker(canvas: &mut Canvas, series: &Series, (x, y): (f64, f64)) {
    let colour = series.style.colour;
    match series.style.marker {
        Marker::Circle => canvas.circle((x, y), 4.0, colour),
        Marker::Triangle => {
            let corners = [(x, y - 5.0), (x - 5.0, y + 4.0), (x + 5.0, y + 4.0)];
            canvas.polygon(&corners, colour, 1.0);
        }
        Marker::Diamond => {
            let corners = [(x, y - 6.0), (x - 6.0, y), (x, y + 6.0), (x + 6.0, y)];
            canvas.polygon(&corners, colour, 1.0);
        }
        Marker::Cross => {
            let strokes = [
                [(x - 4.0, y - 4.0), (x + 4.0, y + 4.0)],
                [(x - 4.0, y + 4.0), (x + 4.0, y - 4.0)],
            ];
            for stroke in strokes {
                canvas.polyline(&stroke, colour, Dash::Solid);
            }
        }
    }
}

/// The mark of a series in the legend.
pub fn key(canvas: &mut Canvas, series: &Series, (x, y): (f64, f64), length: f64) {
    match series.shape {
        Shape::Line => {
            let ends = [(x, y), (x + length, y)];
            canvas.polyline(&ends, series.style.colour, series.style.dash);
        }
        Shape::Points | Shape::Rows => marker(canvas, series, (x + length / 2.0, y)),
        Shape::Bars(_) => {
            let corners = rectangle((x + 5.0, y + 6.0), (x + length - 5.0, y - 6.0));
            canvas.polygon(&corners, series.style.colour, BAR);
        }
    }
}

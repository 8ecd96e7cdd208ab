//! A figure as SVG, for papers, for print and for browsers without scripts.
//!
//! Input -> output: a [`Figure`] -> the text of an SVG file, with generic fonts only. The same
//! figure gives the same bytes.

mod canvas;
mod marks;

use self::canvas::{Anchor, Canvas, INK, text_width};
use super::figure::{Arrangement, Axis, Figure, FigurePanel, Series, shortened};

/// Width and height in pixels of the plot area of a square figure.
const SQUARE: (f64, f64) = (460.0, 460.0);
/// Width and height in pixels of each of several panels, axes and title included.
const PANEL: (f64, f64) = (350.0, 300.0);
/// Most panels next to each other.
const MAX_COLUMNS: usize = 3;
/// Width in pixels of the plot area of a forest plot.
const FOREST_WIDTH: f64 = 320.0;
/// Height in pixels of a row of a forest plot.
const ROW_HEIGHT: f64 = 24.0;
/// Space in pixels to the left of a panel for the ticks and the label of its axis.
const LEFT: f64 = 58.0;
/// Space in pixels below a panel.
const BELOW: f64 = 48.0;
/// Height in pixels of a line of the legend.
const LEGEND_LINE: f64 = 18.0;
/// Length in pixels of a line in the legend.
const KEY_LENGTH: f64 = 28.0;
const MARGIN: f64 = 12.0;

/// Plot area of a panel in pixels.
#[derive(Clone, Copy)]
struct Area {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

/// Draws a figure.
#[must_use]
pub fn svg(figure: &Figure) -> String {
    let Some([x_range, y_range]) = figure.ranges() else {
        let mut canvas = Canvas::default();
        canvas.text((20.0, 20.0), "No data", 14, Anchor::Start);
        return canvas.into_svg((200.0, 40.0), &figure.title);
    };
    let frame = Frame {
        figure,
        x_range,
        y_range,
    };
    match figure.arrangement {
        Arrangement::Square => frame.square(),
        Arrangement::Panels => frame.panels(),
        Arrangement::Forest => frame.forest(),
    }
}

/// A figure and the ranges of its axes in drawn coordinates.
struct Frame<'f> {
    figure: &'f Figure,
    x_range: (f64, f64),
    y_range: (f64, f64),
}

impl Frame<'_> {
    /// One square panel with the legend to its right. Series that are switched off are left out.
    fn square(&self) -> String {
        let mut canvas = Canvas::default();
        let area = Area {
            left: LEFT,
            top: MARGIN,
            width: SQUARE.0,
            height: SQUARE.1,
        };
        for panel in &self.figure.panels {
            self.panel(&mut canvas, area, panel);
        }
        let x = LEFT + SQUARE.0 + 2.0 * MARGIN;
        let shown: Vec<&Series> = self
            .figure
            .legend()
            .into_iter()
            .filter(|series| !series.is_hidden)
            .collect();
        for (line, series) in shown.iter().enumerate() {
            key(
                &mut canvas,
                series,
                (x, MARGIN + 8.0 + LEGEND_LINE * line as f64),
            );
        }
        let legend_width = widest(shown.iter().map(|series| series.name.as_str()));
        let size = (
            x + KEY_LENGTH + 8.0 + legend_width + MARGIN,
            MARGIN + SQUARE.1 + BELOW,
        );
        canvas.into_svg(size, &self.figure.title)
    }

    /// Panels of the same size in up to [`MAX_COLUMNS`] columns, below one legend.
    fn panels(&self) -> String {
        let mut canvas = Canvas::default();
        let n_panels = self.figure.panels.len();
        let n_columns = n_panels.clamp(1, MAX_COLUMNS);
        let n_rows = n_panels.div_ceil(n_columns);
        let legend = self.figure.legend();
        let mut x = MARGIN;
        for series in &legend {
            key(&mut canvas, series, (x, MARGIN + 4.0));
            x += KEY_LENGTH + 30.0 + text_width(&series.name, 12);
        }
        let top = if legend.is_empty() { 0.0 } else { LEGEND_LINE };
        for (index, panel) in self.figure.panels.iter().enumerate() {
            let left = PANEL.0 * (index % n_columns) as f64;
            let y = top + MARGIN + PANEL.1 * (index / n_columns) as f64;
            canvas.text(
                (left + MARGIN, y + 10.0),
                &shortened(&panel.title),
                14,
                Anchor::Start,
            );
            let area = Area {
                left: left + LEFT,
                top: y + 24.0,
                width: PANEL.0 - LEFT - MARGIN,
                height: PANEL.1 - 24.0 - BELOW - MARGIN,
            };
            self.panel(&mut canvas, area, panel);
        }
        let width = (PANEL.0 * n_columns as f64).max(x);
        let size = (width, top + MARGIN + PANEL.1 * n_rows as f64);
        canvas.into_svg(size, &self.figure.title)
    }

    /// A row per model: name, interval, estimate.
    fn forest(&self) -> String {
        let mut canvas = Canvas::default();
        let ticks = &self.figure.y.ticks;
        let names: Vec<String> = ticks.iter().map(|tick| shortened(&tick.label)).collect();
        let left = MARGIN + widest(names.iter().map(String::as_str)) + MARGIN;
        let area = Area {
            left,
            top: MARGIN,
            width: FOREST_WIDTH,
            height: ROW_HEIGHT * ticks.len() as f64,
        };
        for panel in &self.figure.panels {
            self.panel(&mut canvas, area, panel);
        }
        let notes = widest(ticks.iter().map(|tick| tick.note.as_str()));
        for (tick, name) in ticks.iter().zip(&names) {
            let y = self.y_pixel(area, tick.value);
            canvas.text((left - 8.0, y), name, 12, Anchor::End);
            let right = area.left + area.width + 10.0;
            canvas.text((right, y), &tick.note, 12, Anchor::Start);
        }
        let size = (
            area.left + area.width + 10.0 + notes + MARGIN,
            area.top + area.height + BELOW,
        );
        canvas.into_svg(size, &self.figure.title)
    }

    /// Grid, axes, series and labels of one panel.
    fn panel(&self, canvas: &mut Canvas, area: Area, panel: &FigurePanel) {
        let Frame { figure, .. } = self;
        let bottom = area.top + area.height;
        let right = area.left + area.width;
        for tick in figure.x.ticks_in(self.x_range) {
            let x = self.x_pixel(area, tick.value);
            canvas.grid_line((x, area.top), (x, bottom));
            canvas.text((x, bottom + 13.0), &tick.label, 12, Anchor::Middle);
        }
        for tick in figure.y.ticks_in(self.y_range) {
            let y = self.y_pixel(area, tick.value);
            canvas.grid_line((area.left, y), (right, y));
            if figure.arrangement != Arrangement::Forest {
                canvas.text((area.left - 6.0, y), &tick.label, 12, Anchor::End);
            }
        }
        for series in panel.series.iter().filter(|series| !series.is_hidden) {
            self.series(canvas, area, series);
        }
        canvas.line((area.left, area.top), (area.left, bottom), INK);
        canvas.line((area.left, bottom), (right, bottom), INK);
        let middle = area.left + area.width / 2.0;
        canvas.text((middle, bottom + 34.0), &figure.x.label, 13, Anchor::Middle);
        if !figure.y.label.is_empty() {
            let at = (area.left - 44.0, area.top + area.height / 2.0);
            canvas.vertical_text(at, &figure.y.label, 13);
        }
    }

    /// Pixels of a value, moved to the edge of the panel if it is outside.
    fn pixels(&self, area: Area, x: f64, y: f64) -> (f64, f64) {
        (self.x_pixel(area, x), self.y_pixel(area, y))
    }

    fn x_pixel(&self, area: Area, value: f64) -> f64 {
        area.left + area.width * fraction(&self.figure.x, self.x_range, value)
    }

    fn y_pixel(&self, area: Area, value: f64) -> f64 {
        area.top + area.height * (1.0 - fraction(&self.figure.y, self.y_range, value))
    }
}

/// Position of a value within a range, 0 to 1.
fn fraction(axis: &Axis, (low, high): (f64, f64), value: f64) -> f64 {
    ((axis.scaled(value) - low) / (high - low)).clamp(0.0, 1.0)
}

/// A line of the legend: the mark, then the name. `x` and `y` are its left end and its middle.
fn key(canvas: &mut Canvas, series: &Series, (x, y): (f64, f64)) {
    marks::key(canvas, series, (x, y), KEY_LENGTH);
    canvas.text(
        (x + KEY_LENGTH + 8.0, y),
        &shortened(&series.name),
        12,
        Anchor::Start,
    );
}

fn widest<'a>(texts: impl Iterator<Item = &'a str>) -> f64 {
    texts
        .map(|text| text_width(&shortened(text), 12))
        .fold(0.0, f64::max)
}

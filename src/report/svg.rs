//! A figure as SVG, for papers, for print and for browsers without scripts.
//!
//! Input -> output: a [`Figure`] -> the text of an SVG file, with generic fonts only. The same
//! figure gives the same bytes.

use std::{fmt::Display, io};

use plotters::{
    coord::{Shift, types::RangedCoordf64},
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use super::figure::{Axis, Colour, Dash, Figure, FigurePanel, Marker, Point, Series, Shape};

const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
const GRID: RGBColor = RGBColor(0xE4, 0xE4, 0xE4);
/// Opacity of bands; bars have twice as much.
const OPACITY: f64 = 0.2;
/// Width and height in pixels of the panel of a figure with one panel.
const SINGLE: (u32, u32) = (680, 560);
/// Width and height in pixels of each of several panels.
const SMALL: (u32, u32) = (340, 300);
/// Length in pixels of a line in the legend.
const KEY_LENGTH: i32 = 30;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), io::Error>;

/// Draws a figure with its panels in up to three columns.
///
/// # Errors
/// When a panel is too small for its axes. Nothing else can fail, because the figure is drawn into
/// memory.
pub fn svg(figure: &Figure) -> io::Result<String> {
    let n_columns = figure.panels.len().clamp(1, 3);
    let n_rows = figure.panels.len().div_ceil(n_columns).max(1);
    let panel = if figure.panels.len() <= 1 {
        SINGLE
    } else {
        SMALL
    };
    let mut text = String::new();
    {
        let size = (panel.0 * n_columns as u32, panel.1 * n_rows as u32);
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        area.fill(&WHITE).map_err(failed)?;
        if let Some(ranges) = figure.ranges() {
            for (area, panel) in area
                .split_evenly((n_rows, n_columns))
                .iter()
                .zip(&figure.panels)
            {
                draw(area, figure, panel, ranges)?;
            }
        } else {
            area.draw_text("No data", &label(16), (20, 20))
                .map_err(failed)?;
        }
        area.present().map_err(failed)?;
    }
    let title = escaped(&figure.title);
    Ok(text.replacen(
        "<svg ",
        &format!("<svg role=\"img\" aria-label=\"{title}\" "),
        1,
    ))
}

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Axes of a figure and their ranges in drawn coordinates.
struct Frame<'f> {
    figure: &'f Figure,
    x_range: (f64, f64),
    y_range: (f64, f64),
}

impl Frame<'_> {
    /// Drawn coordinates of a value, moved to the edge of the panel if it is outside.
    fn place(&self, x: f64, y: f64) -> (f64, f64) {
        let drawn_x = self.figure.x.scaled(x);
        let drawn_y = self.figure.y.scaled(y);
        (
            drawn_x.clamp(self.x_range.0, self.x_range.1),
            drawn_y.clamp(self.y_range.0, self.y_range.1),
        )
    }

    fn has(&self, point: &Point) -> bool {
        self.figure.x.can_show(point.x) && self.figure.y.can_show(point.y)
    }
}

fn draw(
    area: &Area<'_>,
    figure: &Figure,
    panel: &FigurePanel,
    [x_range, y_range]: [(f64, f64); 2],
) -> Drawn {
    let frame = Frame {
        figure,
        x_range,
        y_range,
    };
    let legend: Vec<&Series> = panel
        .series
        .iter()
        .filter(|series| panel.has_legend() && !series.name.is_empty())
        .collect();
    let is_single = figure.panels.len() <= 1;
    // A single panel has room for the legend inside; small panels have it above.
    let n_above = if is_single { 0 } else { legend.len() };
    let top = i32::from(!panel.title.is_empty()) * 22 + 16 * n_above as i32;
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(56)
        .margin_top(12 + top)
        .build_cartesian_2d(x_range.0..x_range.1, y_range.0..y_range.1)
        .map_err(failed)?;
    draw_mesh(&mut chart, &frame)?;
    for series in &panel.series {
        let points: Vec<&Point> = series
            .points
            .iter()
            .filter(|point| frame.has(point))
            .collect();
        match series.shape {
            Shape::Line => draw_line(&mut chart, &frame, series, &points)?,
            Shape::Points => draw_points(&mut chart, &frame, series, &points)?,
            Shape::Bars(width) => draw_bars(&mut chart, &frame, series, &points, width)?,
        }
    }
    if !panel.title.is_empty() {
        area.draw_text(&panel.title, &label(15), (12, 10))
            .map_err(failed)?;
    }
    draw_legend(area, panel, &legend, is_single)
}

fn draw_mesh(chart: &mut Chart<'_, '_>, frame: &Frame<'_>) -> Drawn {
    let Frame {
        figure,
        x_range,
        y_range,
    } = *frame;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(INK)
        .label_style(label(12))
        .axis_desc_style(label(13))
        .x_desc(&figure.x.label)
        .y_desc(&figure.y.label)
        .x_labels(n_ticks(&figure.x, x_range))
        .y_labels(n_ticks(&figure.y, y_range))
        .x_label_formatter(&|value| tick(&figure.x, x_range, *value))
        .y_label_formatter(&|value| tick(&figure.y, y_range, *value))
        .draw()
        .map_err(failed)
}

/// The text of a tick.
fn tick(axis: &Axis, range: (f64, f64), value: f64) -> String {
    let decimals = decimals(range);
    if axis.is_log {
        short(10_f64.powf(value))
    } else {
        format!("{value:.decimals$}")
    }
}

fn n_ticks(axis: &Axis, (low, high): (f64, f64)) -> usize {
    axis.step
        .map_or(6, |step| ((high - low) / step).round() as usize + 1)
}

/// A line, above the band of its intervals.
fn draw_line(
    chart: &mut Chart<'_, '_>,
    frame: &Frame<'_>,
    series: &Series,
    points: &[&Point],
) -> Drawn {
    let colour = rgb(series.style.colour);
    let outline = band_outline(frame, points);
    if !outline.is_empty() {
        chart
            .draw_series([Polygon::new(outline, colour.mix(OPACITY).filled())])
            .map_err(failed)?;
    }
    let line: Vec<(f64, f64)> = points
        .iter()
        .map(|point| frame.place(point.x, point.y))
        .collect();
    let style = colour.stroke_width(2);
    match dashes(series.style.dash) {
        None => {
            _ = chart
                .draw_series(LineSeries::new(line, style))
                .map_err(failed)?;
        }
        Some(DashLengths { dash, gap }) => {
            _ = chart
                .draw_series(DashedLineSeries::new(line, dash, gap, style))
                .map_err(failed)?;
        }
    }
    Ok(())
}

/// Lower ends of the intervals from left to right, then upper ends back to the left; empty with
/// fewer than two intervals.
fn band_outline(frame: &Frame<'_>, points: &[&Point]) -> Vec<(f64, f64)> {
    let intervals: Vec<(f64, f64, f64)> = points
        .iter()
        .filter_map(|point| point.interval.map(|(low, high)| (point.x, low, high)))
        .collect();
    if intervals.len() < 2 {
        return Vec::new();
    }
    let lower = intervals.iter().map(|&(x, low, _)| frame.place(x, low));
    let upper = intervals
        .iter()
        .rev()
        .map(|&(x, _, high)| frame.place(x, high));
    lower.chain(upper).collect()
}

/// Markers, above the whiskers of their intervals.
fn draw_points(
    chart: &mut Chart<'_, '_>,
    frame: &Frame<'_>,
    series: &Series,
    points: &[&Point],
) -> Drawn {
    let colour = rgb(series.style.colour);
    let whiskers = points.iter().filter_map(|point| {
        let (low, high) = point.interval?;
        let ends = vec![frame.place(point.x, low), frame.place(point.x, high)];
        Some(PathElement::new(ends, colour.stroke_width(2)))
    });
    chart.draw_series(whiskers).map_err(failed)?;
    let places = points.iter().map(|point| frame.place(point.x, point.y));
    match series.style.marker {
        Marker::Circle => {
            _ = chart
                .draw_series(places.map(|at| Circle::new(at, 4, colour.filled())))
                .map_err(failed)?;
        }
        Marker::Triangle => {
            _ = chart
                .draw_series(places.map(|at| TriangleMarker::new(at, 5, colour.filled())))
                .map_err(failed)?;
        }
        Marker::Cross => {
            _ = chart
                .draw_series(places.map(|at| Cross::new(at, 4, colour.stroke_width(2))))
                .map_err(failed)?;
        }
    }
    Ok(())
}

/// Bars from 0, filled and then outlined.
fn draw_bars(
    chart: &mut Chart<'_, '_>,
    frame: &Frame<'_>,
    series: &Series,
    points: &[&Point],
    width: f64,
) -> Drawn {
    let colour = rgb(series.style.colour);
    for style in [colour.mix(2.0 * OPACITY).filled(), colour.stroke_width(1)] {
        let bars = points.iter().map(|point| {
            let corners = [
                frame.place(point.x - width / 2.0, 0.0),
                frame.place(point.x + width / 2.0, point.y),
            ];
            Rectangle::new(corners, style)
        });
        chart.draw_series(bars).map_err(failed)?;
    }
    Ok(())
}

fn draw_legend(area: &Area<'_>, panel: &FigurePanel, legend: &[&Series], is_single: bool) -> Drawn {
    let corner = if is_single {
        lower_right_corner(area, legend)
    } else {
        (14, i32::from(!panel.title.is_empty()) * 20 + 10)
    };
    let line_height = if is_single { 18 } else { 16 };
    for (line, series) in legend.iter().enumerate() {
        let y = corner.1 + line_height * line as i32;
        draw_key(area, series, (corner.0, y))?;
    }
    Ok(())
}

/// Upper left corner in pixels of a legend in the lower right corner of a panel. A character is
/// about 7 pixels wide.
fn lower_right_corner(area: &Area<'_>, legend: &[&Series]) -> (i32, i32) {
    let (width, height) = area.dim_in_pixel();
    let longest_name = legend
        .iter()
        .map(|series| series.name.chars().count())
        .max()
        .unwrap_or(0) as i32;
    let x = width as i32 - 70 - 7 * longest_name;
    let y = height as i32 - 72 - 18 * legend.len() as i32;
    (x.max(60), y.max(10))
}

/// A line of the legend: the mark, then the name.
fn draw_key(area: &Area<'_>, series: &Series, (x, y): (i32, i32)) -> Drawn {
    let colour = rgb(series.style.colour);
    let middle = y + 7;
    match series.shape {
        Shape::Line => {
            let lengths = dashes(series.style.dash).unwrap_or(DashLengths {
                dash: KEY_LENGTH,
                gap: 0,
            });
            let mut from = 0;
            while from < KEY_LENGTH {
                let to = (from + lengths.dash).min(KEY_LENGTH);
                let ends = vec![(x + from, middle), (x + to, middle)];
                area.draw(&PathElement::new(ends, colour.stroke_width(2)))
                    .map_err(failed)?;
                from += lengths.dash + lengths.gap;
            }
        }
        Shape::Points => {
            let at = (x + 15, middle);
            match series.style.marker {
                Marker::Circle => area.draw(&Circle::new(at, 4, colour.filled())),
                Marker::Triangle => area.draw(&TriangleMarker::new(at, 5, colour.filled())),
                Marker::Cross => area.draw(&Cross::new(at, 4, colour.stroke_width(2))),
            }
            .map_err(failed)?;
        }
        Shape::Bars(_) => {
            let corners = [(x + 6, middle - 6), (x + 24, middle + 6)];
            area.draw(&Rectangle::new(corners, colour.mix(2.0 * OPACITY).filled()))
                .map_err(failed)?;
            area.draw(&Rectangle::new(corners, colour.stroke_width(1)))
                .map_err(failed)?;
        }
    }
    let style = label(12).pos(Pos::new(HPos::Left, VPos::Center));
    area.draw_text(&series.name, &style, (x + 36, middle))
        .map_err(failed)
}

/// Lengths of dashes and gaps in pixels.
struct DashLengths {
    dash: i32,
    gap: i32,
}

/// `None` for a solid line.
fn dashes(dash: Dash) -> Option<DashLengths> {
    match dash {
        Dash::Solid => None,
        Dash::Dashed => Some(DashLengths { dash: 8, gap: 4 }),
        Dash::Dotted => Some(DashLengths { dash: 2, gap: 4 }),
    }
}

fn label(size: u32) -> TextStyle<'static> {
    (FONT, size).into_font().color(&INK)
}

fn rgb(Colour(red, green, blue): Colour) -> RGBColor {
    RGBColor(red, green, blue)
}

/// Decimals that give six ticks distinct texts.
fn decimals((low, high): (f64, f64)) -> usize {
    (1.0 - ((high - low) / 6.0).log10().floor()).clamp(1.0, 7.0) as usize - 1
}

/// Two significant digits.
fn short(value: f64) -> String {
    let decimals = (1.0 - value.abs().log10().floor()).clamp(0.0, 6.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

fn failed(error: impl Display) -> io::Error {
    io::Error::other(error.to_string())
}

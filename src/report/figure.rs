//! A figure as data: panels of series over shared axes.
//!
//! It is drawn twice: interactive (`interactive.rs`) and as SVG ([`svg`](super::svg())).

/// Colours that are distinct for any kind of colour vision (Okabe & Ito 2008), without the yellow,
/// which is too pale on white, and the black, which is invisible in dark mode.
const PALETTE: [Colour; 6] = [
    Colour(0x00, 0x72, 0xB2),
    Colour(0xD5, 0x5E, 0x00),
    Colour(0x00, 0x9E, 0x73),
    Colour(0xCC, 0x79, 0xA7),
    Colour(0xE6, 0x9F, 0x00),
    Colour(0x56, 0xB4, 0xE9),
];

/// Most ticks of a logarithmic axis. With more, only powers of ten have a tick.
const MAX_LOG_TICKS: usize = 12;
/// Most characters of a name in a figure. The tables have the whole name.
const MAX_NAME: usize = 32;
/// Intended number of intervals between the ticks of a linear axis.
const N_INTERVALS: f64 = 5.0;

/// Red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour(pub u8, pub u8, pub u8);

impl Colour {
    /// `#0072b2`.
    pub(super) fn css(self) -> String {
        let Self(red, green, blue) = self;
        format!("#{red:02x}{green:02x}{blue:02x}")
    }
}

/// Colour of guide lines.
pub const GREY: Colour = Colour(0x70, 0x70, 0x70);

/// Dash pattern of a line, which identifies it without its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dash {
    /// Unbroken.
    Solid,
    /// Long dashes.
    Dashed,
    /// Short dashes.
    Dotted,
}

/// Marker of a point, which identifies its series without its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// A disc.
    Circle,
    /// Two strokes.
    Cross,
    /// A triangle.
    Triangle,
    /// A square that stands on a corner.
    Diamond,
}

/// Colour, dash pattern and marker of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Colour of lines, points and bars.
    pub colour: Colour,
    /// Dash pattern of lines.
    pub dash: Dash,
    /// Marker of points.
    pub marker: Marker,
}

impl Style {
    /// Style of the `index`-th series. The first 18 styles are distinct.
    #[must_use]
    pub fn nth(index: usize) -> Self {
        let round = index / PALETTE.len();
        Self {
            colour: PALETTE[index % PALETTE.len()],
            dash: [Dash::Solid, Dash::Dashed, Dash::Dotted][round % 3],
            marker: [Marker::Circle, Marker::Cross, Marker::Triangle][index % 3],
        }
    }

    /// Style of a guide line.
    #[must_use]
    pub fn guide() -> Self {
        Self {
            colour: GREY,
            dash: Dash::Dotted,
            marker: Marker::Circle,
        }
    }
}

/// A data point, with the interval of `y` (of `x` in [`Shape::Rows`]) if it has one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Value on the horizontal axis.
    pub x: f64,
    /// Value on the vertical axis.
    pub y: f64,
    /// Ends of the interval.
    pub interval: Option<(f64, f64)>,
}

impl Point {
    /// A point without an interval.
    pub(super) fn plain(x: f64, y: f64) -> Self {
        Self {
            x,
            y,
            interval: None,
        }
    }
}

/// Geometry that points are drawn with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// A line through the points; intervals make a band.
    Line,
    /// Markers; intervals are vertical whiskers.
    Points,
    /// Markers, one per row of a forest plot; intervals are horizontal whiskers.
    Rows,
    /// Bars from 0, with this width on the horizontal axis.
    Bars(f64),
}

/// Points with one style.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Name in the legend; empty for a guide line.
    pub name: String,
    /// Colour, dash pattern and marker.
    pub style: Style,
    /// Geometry.
    pub shape: Shape,
    /// Sorted by `x`; by `y` in [`Shape::Rows`].
    pub points: Vec<Point>,
    /// Switched off at first. A click in the legend of the page switches it on.
    pub is_hidden: bool,
}

impl Series {
    /// A guide line: dotted, grey and without a name.
    #[must_use]
    pub fn guide(from: (f64, f64), to: (f64, f64)) -> Self {
        Self {
            name: String::new(),
            style: Style::guide(),
            shape: Shape::Line,
            points: [from, to].map(|(x, y)| Point::plain(x, y)).to_vec(),
            is_hidden: false,
        }
    }
}

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Quantity, with its unit.
    pub label: String,
    /// Logarithmic; values of 0 and below are left out.
    pub is_log: bool,
    /// First and last value; by default the range of the points.
    pub range: Option<(f64, f64)>,
    /// Ticks; by default they are chosen from the range.
    pub ticks: Vec<Tick>,
}

/// A tick of an axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tick {
    /// Position on the axis.
    pub value: f64,
    /// Text next to the axis.
    pub label: String,
    /// Text on the opposite side of the panel, such as the estimate of a row; may be empty.
    pub note: String,
}

impl Tick {
    /// A tick without a note.
    pub(super) fn plain(value: f64, label: String) -> Self {
        Self {
            value,
            label,
            note: String::new(),
        }
    }
}

impl Axis {
    /// An axis with the range of the points.
    #[must_use]
    pub fn labelled(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            is_log: false,
            range: None,
            ticks: Vec::new(),
        }
    }

    /// An axis from 0 to 1.
    #[must_use]
    pub fn share(label: &str) -> Self {
        Self {
            range: Some((0.0, 1.0)),
            ..Self::labelled(label)
        }
    }

    /// The drawn coordinate of a value: its decimal logarithm on a logarithmic axis.
    pub(super) fn scaled(&self, value: f64) -> f64 {
        if self.is_log {
            value.max(f64::MIN_POSITIVE).log10()
        } else {
            value
        }
    }

    /// The ticks of an axis with this range in drawn coordinates.
    pub(super) fn ticks_in(&self, (low, high): (f64, f64)) -> Vec<Tick> {
        if !self.ticks.is_empty() {
            self.ticks.clone()
        } else if self.is_log {
            log_ticks(10_f64.powf(low), 10_f64.powf(high))
        } else {
            linear_ticks(low, high)
        }
    }

    pub(super) fn can_show(&self, value: f64) -> bool {
        value.is_finite() && (!self.is_log || value > 0.0)
    }
}

/// One pair of axes with its series.
#[derive(Clone, Debug, PartialEq)]
pub struct FigurePanel {
    /// Title above the panel; may be empty where the figure has one panel.
    pub title: String,
    /// Series from back to front.
    pub series: Vec<Series>,
}

impl FigurePanel {
    /// Number of series with a name.
    fn n_named(&self) -> usize {
        self.series
            .iter()
            .filter(|series| !series.name.is_empty())
            .count()
    }
}

/// Arrangement of the panels of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrangement {
    /// One square panel, with its legend next to it.
    Square,
    /// Small panels of the same size, with one legend for all.
    Panels,
    /// One panel with a row of text and mark per model (a forest plot).
    Forest,
}

/// A figure: panels that share the quantities and the ranges of their axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Name of its file and its element in the page: lower-case letters.
    pub id: String,
    /// Heading.
    pub title: String,
    /// Description of the content and of the intervals.
    pub caption: String,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// At least one.
    pub panels: Vec<FigurePanel>,
    /// Arrangement of the panels.
    pub arrangement: Arrangement,
}

impl Figure {
    /// Whether some series are switched off at first.
    pub(super) fn has_hidden(&self) -> bool {
        self.panels
            .iter()
            .flat_map(|panel| &panel.series)
            .any(|series| series.is_hidden)
    }

    /// The legend of all panels: the named series of the panel that has most; empty with one name.
    pub(super) fn legend(&self) -> Vec<&Series> {
        let panel = self
            .panels
            .iter()
            .max_by_key(|panel| panel.n_named())
            .filter(|panel| panel.n_named() > 1);
        panel
            .into_iter()
            .flat_map(|panel| &panel.series)
            .filter(|series| !series.name.is_empty())
            .collect()
    }

    /// Ranges of the horizontal and the vertical axis in drawn coordinates; `None` without points.
    pub(super) fn ranges(&self) -> Option<[(f64, f64); 2]> {
        let mut xs = Vec::new();
        let mut ys = Vec::new();
        for series in self.panels.iter().flat_map(|panel| &panel.series) {
            for point in &series.points {
                xs.extend(series.extent_in_x(point));
                ys.extend(series.extent_in_y(point));
            }
        }
        Some([range(&self.x, &xs)?, range(&self.y, &ys)?])
    }
}

impl Series {
    /// Class of its mark in the legend of the page.
    pub(super) fn key_class(&self) -> &'static str {
        match (self.shape, self.style.dash, self.style.marker) {
            (Shape::Line, Dash::Solid, _) => "line",
            (Shape::Line, _, _) => "line dashed",
            (Shape::Bars(_), _, _) => "bar",
            (_, _, Marker::Diamond) => "diamond",
            (_, _, Marker::Cross) => "cross",
            (_, _, _) => "point",
        }
    }

    /// Values on the horizontal axis that a mark and its interval reach.
    fn extent_in_x(&self, point: &Point) -> [f64; 2] {
        match (self.shape, point.interval) {
            (Shape::Bars(width), _) => [point.x - width / 2.0, point.x + width / 2.0],
            (Shape::Rows, Some((low, high))) => [low, high],
            _ => [point.x; 2],
        }
    }

    /// Values on the vertical axis that a mark and its interval reach. A bar begins at 0.
    fn extent_in_y(&self, point: &Point) -> [f64; 3] {
        match (self.shape, point.interval) {
            (Shape::Bars(_), _) => [point.y, 0.0, 0.0],
            (Shape::Line | Shape::Points, Some((low, high))) => [point.y, low, high],
            _ => [point.y; 3],
        }
    }
}

/// A name for a figure, with at most [`MAX_NAME`] characters. The middle is left out, because names
/// of similar models differ at their ends.
pub fn shortened(name: &str) -> String {
    let n_letters = name.chars().count();
    if n_letters <= MAX_NAME {
        return name.to_owned();
    }
    let start: String = name.chars().take(MAX_NAME / 2).collect();
    let n_skipped = n_letters - (MAX_NAME - MAX_NAME / 2 - 1);
    let end: String = name.chars().skip(n_skipped).collect();
    format!("{start}\u{2026}{end}")
}

/// Ticks at 1, 2 and 5 times the powers of ten between two values above 0.
fn log_ticks(low: f64, high: f64) -> Vec<Tick> {
    let exponents = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let all = exponents.flat_map(|exponent| [1, 2, 5].map(|digit| (digit, exponent)));
    let inside: Vec<(i32, i32)> = all
        .filter(|&(digit, exponent)| (low..=high).contains(&decimal(digit, exponent)))
        .collect();
    let only_powers = inside.len() > MAX_LOG_TICKS;
    inside
        .into_iter()
        .filter(|&(digit, _)| !only_powers || digit == 1)
        .map(|(digit, exponent)| {
            let value = decimal(digit, exponent);
            Tick::plain(value, value.to_string())
        })
        .collect()
}

/// `digit` times ten to the power of `exponent`, without rounding errors.
fn decimal(digit: i32, exponent: i32) -> f64 {
    format!("{digit}e{exponent}").parse().unwrap_or(f64::NAN)
}

/// About six ticks at multiples of 1, 2 or 5 times a power of ten.
fn linear_ticks(low: f64, high: f64) -> Vec<Tick> {
    let spacing = (high - low) / N_INTERVALS;
    if !(spacing.is_finite() && spacing > 0.0) {
        return Vec::new();
    }
    let exponent = spacing.log10().floor() as i32;
    let step = [1, 2, 5, 10]
        .into_iter()
        .map(|digit| decimal(digit, exponent))
        .find(|step| *step >= 0.999 * spacing)
        .unwrap_or(spacing);
    let decimals = usize::try_from(-step.log10().floor() as i32).unwrap_or(0);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last)
        .map(|multiple| {
            let value = multiple as f64 * step;
            Tick::plain(value, format!("{value:.decimals$}"))
        })
        .collect()
}

/// Range of an axis in drawn coordinates. Without a range of its own it has a margin of 4 %.
fn range(axis: &Axis, values: &[f64]) -> Option<(f64, f64)> {
    let mut low = f64::INFINITY;
    let mut high = f64::NEG_INFINITY;
    for value in values.iter().filter(|value| axis.can_show(**value)) {
        low = low.min(axis.scaled(*value));
        high = high.max(axis.scaled(*value));
    }
    if low > high {
        return None;
    }
    if let Some((from, to)) = axis.range {
        return Some((axis.scaled(from), axis.scaled(to)));
    }
    let margin = if high > low { 0.04 * (high - low) } else { 0.5 };
    Some((low - margin, high + margin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis, range: (f64, f64)) -> Vec<String> {
        let ticks = axis.ticks_in(range);
        ticks.into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn ticks_of_odds_ratios_are_values_and_not_logarithms() {
        let axis = Axis {
            is_log: true,
            ..Axis::labelled("Odds ratio")
        };
        let drawn = (0.15_f64.log10(), 11.0_f64.log10());
        assert_eq!(labels(&axis, drawn), ["0.2", "0.5", "1", "2", "5", "10"]);
        assert_eq!(
            labels(&axis, (-4.0, 2.0)),
            ["0.0001", "0.001", "0.01", "0.1", "1", "10", "100"]
        );
    }

    #[test]
    fn linear_ticks_have_the_decimals_that_they_need() {
        let axis = Axis::labelled("x");
        assert_eq!(
            labels(&axis, (0.0, 1.0)),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        assert_eq!(
            labels(&axis, (-13.0, 212.0)),
            ["0", "50", "100", "150", "200"]
        );
        assert_eq!(labels(&axis, (-0.02, 0.09)), ["0.00", "0.05"]);
        assert!(labels(&axis, (1.0, 1.0)).is_empty());
    }
}

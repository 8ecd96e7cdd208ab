//! A figure as data: panels of series over shared axes.
//!
//! It is drawn twice: interactive (`interactive.rs`) and as SVG ([`svg`](super::svg())).

/// Colours that are distinct for any kind of colour vision (Okabe & Ito 2008), without the yellow
/// that is too pale for lines on white.
const PALETTE: [Colour; 7] = [
    Colour(0x00, 0x72, 0xB2),
    Colour(0xD5, 0x5E, 0x00),
    Colour(0x00, 0x9E, 0x73),
    Colour(0xCC, 0x79, 0xA7),
    Colour(0xE6, 0x9F, 0x00),
    Colour(0x56, 0xB4, 0xE9),
    Colour(0x00, 0x00, 0x00),
];

/// Red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour(pub u8, pub u8, pub u8);

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
    /// Style of the `index`-th series. The first 21 styles are distinct.
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

/// A data point, with the interval of `y` if it has one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Value on the horizontal axis.
    pub x: f64,
    /// Value on the vertical axis.
    pub y: f64,
    /// Ends of the interval of `y`.
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
    /// Markers; intervals are whiskers.
    Points,
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
    /// Sorted by `x`.
    pub points: Vec<Point>,
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
    /// Distance of ticks; by default the renderer chooses it.
    pub step: Option<f64>,
}

impl Axis {
    /// An axis with the range of the points.
    #[must_use]
    pub fn labelled(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            is_log: false,
            range: None,
            step: None,
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
    /// Whether several series have names.
    pub(super) fn has_legend(&self) -> bool {
        self.series
            .iter()
            .filter(|series| !series.name.is_empty())
            .count()
            > 1
    }
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
}

impl Figure {
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
    /// Values on the horizontal axis that a mark reaches.
    fn extent_in_x(&self, point: &Point) -> [f64; 2] {
        match self.shape {
            Shape::Bars(width) => [point.x - width / 2.0, point.x + width / 2.0],
            Shape::Line | Shape::Points => [point.x; 2],
        }
    }

    /// Values on the vertical axis that a mark and its interval reach. A bar begins at 0.
    fn extent_in_y(&self, point: &Point) -> [f64; 4] {
        let (low, high) = point.interval.unwrap_or((point.y, point.y));
        let base = match self.shape {
            Shape::Bars(_) => 0.0,
            Shape::Line | Shape::Points => point.y,
        };
        [point.y, low, high, base]
    }
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

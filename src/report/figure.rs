//! A figure as data: panels of series over shared axes. It is drawn twice, interactive
//! (`interactive.rs`) and as SVG ([`svg`](super::svg())).

/// Colours that people with any kind of colour vision tell apart (Okabe & Ito 2008), without the
/// yellow that is too pale for lines on white.
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

/// Of lines that only guide the eye.
pub const GREY: Colour = Colour(0x70, 0x70, 0x70);

/// How a line is broken, so that it is known without its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dash {
    /// Unbroken.
    Solid,
    /// Long pieces.
    Dashed,
    /// Short pieces.
    Dotted,
}

/// What a point looks like, so that it is known without its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// A disc.
    Circle,
    /// Two strokes.
    Cross,
    /// A triangle.
    Triangle,
}

/// How a series looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Of lines, points and bars.
    pub colour: Colour,
    /// Of lines.
    pub dash: Dash,
    /// Of points.
    pub marker: Marker,
}

impl Style {
    /// The style of the `index`-th series: no two of the first 21 are alike.
    #[must_use]
    pub fn nth(index: usize) -> Self {
        let round = index / PALETTE.len();
        Self {
            colour: PALETTE[index % PALETTE.len()],
            dash: [Dash::Solid, Dash::Dashed, Dash::Dotted][round % 3],
            marker: [Marker::Circle, Marker::Cross, Marker::Triangle][index % 3],
        }
    }

    /// A line that only guides the eye.
    #[must_use]
    pub fn guide() -> Self {
        Self {
            colour: GREY,
            dash: Dash::Dotted,
            marker: Marker::Circle,
        }
    }
}

/// A value at a place, with its interval where there is one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// Along the horizontal axis.
    pub x: f64,
    /// Along the vertical axis.
    pub y: f64,
    /// Ends of the interval of `y`.
    pub interval: Option<(f64, f64)>,
}

/// How points become marks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// Joined by a line; intervals make a band.
    Line,
    /// Markers; intervals are whiskers.
    Points,
    /// Bars from 0, of this width along the horizontal axis.
    Bars(f64),
}

/// Points that belong together.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What the legend says; nothing for a guide.
    pub name: String,
    /// How it looks.
    pub style: Style,
    /// How points become marks.
    pub shape: Shape,
    /// In order of `x`.
    pub points: Vec<Point>,
}

impl Series {
    /// A dotted grey line without a name.
    #[must_use]
    pub fn guide(from: (f64, f64), to: (f64, f64)) -> Self {
        let points = [from, to]
            .map(|(x, y)| Point {
                x,
                y,
                interval: None,
            })
            .to_vec();
        Self {
            name: String::new(),
            style: Style::guide(),
            shape: Shape::Line,
            points,
        }
    }
}

/// One axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What it measures, with the unit.
    pub label: String,
    /// Drawn by logarithm; values of 0 and below are left out.
    pub is_log: bool,
    /// From, to; as far as the points reach when absent.
    pub range: Option<(f64, f64)>,
    /// From tick to tick; chosen by what draws when absent.
    pub step: Option<f64>,
}

impl Axis {
    /// As far as the points reach.
    #[must_use]
    pub fn labelled(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            is_log: false,
            range: None,
            step: None,
        }
    }

    /// From 0 to 1.
    #[must_use]
    pub fn share(label: &str) -> Self {
        Self {
            range: Some((0.0, 1.0)),
            ..Self::labelled(label)
        }
    }

    /// The value as it is drawn.
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

/// One pair of axes with what is drawn in it.
#[derive(Clone, Debug, PartialEq)]
pub struct FigurePanel {
    /// Above it; may be empty where the figure has one panel.
    pub title: String,
    /// From back to front.
    pub series: Vec<Series>,
}

impl FigurePanel {
    /// Names are needed to tell series apart.
    pub(super) fn has_legend(&self) -> bool {
        self.series
            .iter()
            .filter(|series| !series.name.is_empty())
            .count()
            > 1
    }
}

/// A figure: panels beside each other that share the meaning and range of their axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Name of its file and in the page: lower-case letters.
    pub id: String,
    /// Heading.
    pub title: String,
    /// What is seen, and how intervals were made.
    pub caption: String,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// At least one.
    pub panels: Vec<FigurePanel>,
}

impl Figure {
    /// Ranges of both axes as they are drawn (by logarithm where an axis is), with a little room
    /// where none was asked for; `None` without points.
    pub(super) fn ranges(&self) -> Option<[(f64, f64); 2]> {
        let points = || {
            self.panels
                .iter()
                .flat_map(|panel| &panel.series)
                .flat_map(|series| series.points.iter().map(move |point| (series, point)))
        };
        let xs = points().flat_map(|(series, point)| match series.shape {
            Shape::Bars(width) => vec![point.x - width / 2.0, point.x + width / 2.0],
            _ => vec![point.x],
        });
        let ys = points().flat_map(|(series, point)| {
            let (low, high) = point.interval.unwrap_or((point.y, point.y));
            let zero = if matches!(series.shape, Shape::Bars(_)) {
                0.0
            } else {
                point.y
            };
            [point.y, low, high, zero]
        });
        Some([range(&self.x, xs)?, range(&self.y, ys)?])
    }
}

fn range(axis: &Axis, values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (low, high) = values
        .filter(|&value| axis.can_show(value))
        .map(|value| axis.scaled(value))
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    if low > high {
        return None;
    }
    if let Some((from, to)) = axis.range {
        return Some((axis.scaled(from), axis.scaled(to)));
    }
    let room = if high > low { 0.04 * (high - low) } else { 0.5 };
    Some((low - room, high + room))
}

//! Elements of an SVG file. Coordinates have one decimal.

use std::fmt::Write;

use super::super::figure::{Colour, Dash};

/// Colour of axes and text.
pub const INK: &str = "#222222";
const GRID: &str = "#e4e4e4";

/// Alignment of a text relative to its position.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The text begins at the position.
    Start,
    /// The text is centred.
    Middle,
    /// The text ends at the position.
    End,
}

impl Anchor {
    fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// Approximate width in pixels of a text.
pub fn text_width(text: &str, size: u32) -> f64 {
    0.56 * f64::from(size) * text.chars().count() as f64
}

/// The elements drawn so far.
#[derive(Default)]
pub struct Canvas {
    elements: String,
}

impl Canvas {
    /// The whole file.
    pub fn into_svg(self, (width, height): (f64, f64), title: &str) -> String {
        let title = escaped(title);
        let width = width.ceil();
        let height = height.ceil();
        format!(
            "<svg role=\"img\" aria-label=\"{title}\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" xmlns=\"http://www.w3.org/2000/svg\" \
             font-family=\"sans-serif\" fill=\"{INK}\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n{}</svg>\n",
            self.elements
        )
    }

    /// A text whose middle is at the height of its position.
    pub fn text(&mut self, (x, y): (f64, f64), text: &str, size: u32, anchor: Anchor) {
        let baseline = y + 0.35 * f64::from(size);
        let anchor = anchor.name();
        let text = escaped(text);
        self.push(&format!(
            "<text x=\"{x:.1}\" y=\"{baseline:.1}\" font-size=\"{size}\" \
             text-anchor=\"{anchor}\">{text}</text>"
        ));
    }

    /// A centred text that runs upwards.
    pub fn vertical_text(&mut self, (x, y): (f64, f64), text: &str, size: u32) {
        let text = escaped(text);
        self.push(&format!(
            "<text transform=\"translate({x:.1} {y:.1}) rotate(-90)\" font-size=\"{size}\" \
             text-anchor=\"middle\">{text}</text>"
        ));
    }

    pub fn grid_line(&mut self, from: (f64, f64), to: (f64, f64)) {
        self.line(from, to, GRID);
    }

    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str) {
        self.push(&format!(
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\"/>",
            from.0, from.1, to.0, to.1
        ));
    }

    /// A line of two pixels through several points.
    pub fn polyline(&mut self, points: &[(f64, f64)], colour: Colour, dash: Dash) {
        let dashes = match dash {
            Dash::Solid => "",
            Dash::Dashed => " stroke-dasharray=\"8 4\"",
            Dash::Dotted => " stroke-dasharray=\"2 4\"",
        };
        self.push(&format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"{dashes}/>",
            listed(points),
            colour.css()
        ));
    }

    /// A filled outline.
    pub fn polygon(&mut self, points: &[(f64, f64)], colour: Colour, opacity: f64) {
        self.push(&format!(
            "<polygon points=\"{}\" fill=\"{}\" fill-opacity=\"{opacity}\"/>",
            listed(points),
            colour.css()
        ));
    }

    pub fn circle(&mut self, (x, y): (f64, f64), radius: f64, colour: Colour) {
        self.push(&format!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{}\"/>",
            colour.css()
        ));
    }

    fn push(&mut self, element: &str) {
        self.elements.push_str(element);
        self.elements.push('\n');
    }
}

fn listed(points: &[(f64, f64)]) -> String {
    let mut text = String::new();
    for (index, (x, y)) in points.iter().enumerate() {
        let space = if index == 0 { "" } else { " " };
        // Writing into a string cannot fail.
        _ = write!(text, "{space}{x:.1},{y:.1}");
    }
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

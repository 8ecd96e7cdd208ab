//! A panel of a figure for plotly.js.
//!
//! Input -> output: a [`Figure`] and one of its panels -> the JSON that `Plotly.newPlot` takes.
//! `page.js` adds what depends on the screen: colours of text and grid, and the toolbar.

use serde_json::{Value, json};

use super::figure::{
    Arrangement, Axis, Colour, Dash, Figure, FigurePanel, Marker, Point, Series, Shape, shortened,
};

/// Source of plotly.js with the traces used here; see `plotly/README.md`.
pub const LIBRARY: &str = include_str!("plotly/plotly-basic.min.js");

/// Height in pixels of a row of a forest plot.
const ROW_HEIGHT: usize = 26;
/// Space in pixels for the estimates to the right of a forest plot.
const NOTES_WIDTH: usize = 190;

/// Data, layout and configuration of a panel.
pub fn plotly(figure: &Figure, panel: &FigurePanel) -> Value {
    let traces: Vec<Value> = panel
        .series
        .iter()
        .flat_map(|series| Traces::new(figure, series).json(series))
        .collect();
    json!({
        "data": traces,
        "layout": layout(figure, panel),
        "config": {
            "responsive": true,
            "displaylogo": false,
            // A button of plotly.js would send the data of the figure to a server.
            "showSendToCloud": false,
            "plotlyServerURL": "",
            "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d"],
            "toImageButtonOptions": { "format": "svg", "filename": figure.id },
        },
    })
}

/// Height in pixels of a panel.
pub fn height(figure: &Figure) -> usize {
    match figure.arrangement {
        Arrangement::Square => 560,
        Arrangement::Panels => 300,
        Arrangement::Forest => 80 + ROW_HEIGHT * figure.y.ticks.len(),
    }
}

fn layout(figure: &Figure, panel: &FigurePanel) -> Value {
    let [x_range, y_range] = figure.ranges().unwrap_or_default();
    let mut layout = json!({
        "font": { "family": "system-ui, sans-serif", "size": 12 },
        "margin": { "l": 58, "r": 12, "t": 14, "b": 48 },
        "showlegend": false,
        "barmode": "overlay",
        "hovermode": "closest",
        "xaxis": axis(&figure.x, x_range),
        "yaxis": axis(&figure.y, y_range),
    });
    match figure.arrangement {
        Arrangement::Panels => {
            layout["margin"]["t"] = json!(40);
            layout["title"] = title(&panel.title);
        }
        Arrangement::Square => {
            layout["showlegend"] = json!(panel.series.len() > 1);
            layout["legend"] = json!({ "x": 1.02, "y": 1, "font": { "size": 12 } });
            layout["xaxis"]["constrain"] = json!("domain");
            layout["yaxis"]["constrain"] = json!("domain");
            layout["yaxis"]["scaleanchor"] = json!("x");
        }
        Arrangement::Forest => {
            layout["margin"]["r"] = json!(NOTES_WIDTH);
            layout["yaxis"]["automargin"] = json!(true);
            layout["annotations"] = notes(figure);
        }
    }
    layout
}

fn title(text: &str) -> Value {
    json!({
        "text": escaped(&shortened(text)),
        "font": { "size": 13 },
        "x": 0.02,
        "xanchor": "left",
    })
}

/// Estimates to the right of a forest plot.
fn notes(figure: &Figure) -> Value {
    let notes = figure
        .y
        .ticks
        .iter()
        .filter(|tick| !tick.note.is_empty())
        .map(|tick| {
            json!({
                "xref": "paper", "x": 1, "xanchor": "left", "xshift": 8,
                "yref": "y", "y": tick.value, "yanchor": "middle",
                "text": escaped(&tick.note), "showarrow": false, "font": { "size": 12 },
            })
        });
    Value::Array(notes.collect())
}

/// An axis with its range in drawn coordinates.
fn axis(axis: &Axis, (low, high): (f64, f64)) -> Value {
    let mut json = json!({
        "title": { "text": escaped(&axis.label), "standoff": 8 },
        "type": if axis.is_log { "log" } else { "linear" },
        "range": [rounded(low), rounded(high)],
        "zeroline": false,
    });
    // Elsewhere plotly.js chooses ticks, so that they follow a zoom.
    if axis.is_log || !axis.ticks.is_empty() {
        let ticks = axis.ticks_in((low, high));
        let values: Vec<f64> = ticks.iter().map(|tick| tick.value).collect();
        let texts: Vec<String> = ticks
            .iter()
            .map(|tick| escaped(&shortened(&tick.label)))
            .collect();
        json["tickmode"] = json!("array");
        json["tickvals"] = json!(values);
        json["ticktext"] = json!(texts);
    }
    json
}

/// Traces of one series.
struct Traces<'a> {
    /// The points that the axes can show.
    points: Vec<&'a Point>,
    xs: Vec<f64>,
    ys: Vec<f64>,
    colour: String,
    /// The colour of a band.
    translucent: String,
    /// The whole name, which joins a line and its band.
    name: String,
    short_name: String,
    is_hidden: bool,
    /// Texts under the pointer; empty for the default text.
    texts: Vec<String>,
}

impl<'a> Traces<'a> {
    fn new(figure: &Figure, series: &'a Series) -> Self {
        let points: Vec<&Point> = series
            .points
            .iter()
            .filter(|point| figure.x.can_show(point.x) && figure.y.can_show(point.y))
            .collect();
        let Colour(red, green, blue) = series.style.colour;
        let texts = if series.shape == Shape::Rows {
            points
                .iter()
                .map(|point| row_text(&figure.y, point))
                .collect()
        } else {
            Vec::new()
        };
        Self {
            xs: points.iter().map(|point| rounded(point.x)).collect(),
            ys: points.iter().map(|point| rounded(point.y)).collect(),
            points,
            colour: format!("rgb({red},{green},{blue})"),
            translucent: format!("rgba({red},{green},{blue},0.2)"),
            name: escaped(&series.name),
            short_name: escaped(&shortened(&series.name)),
            is_hidden: series.is_hidden,
            texts,
        }
    }

    fn json(&self, series: &Series) -> Vec<Value> {
        match series.shape {
            // The band comes first, so that it is behind its line.
            Shape::Line => self
                .band()
                .into_iter()
                .chain([self.line(series.style.dash)])
                .collect(),
            Shape::Points => vec![self.markers(series.style.marker, "error_y")],
            Shape::Rows => vec![self.markers(series.style.marker, "error_x")],
            Shape::Bars(width) => vec![self.bars(width)],
        }
    }

    fn line(&self, dash: Dash) -> Value {
        let dash = match dash {
            Dash::Solid => "solid",
            Dash::Dashed => "dash",
            Dash::Dotted => "dot",
        };
        self.named(json!({
            "type": "scatter",
            "mode": "lines",
            "x": self.xs,
            "y": self.ys,
            "line": { "color": self.colour, "dash": dash, "width": 2 },
        }))
    }

    /// The intervals of a line, as a closed outline; `None` with fewer than two intervals.
    fn band(&self) -> Option<Value> {
        let intervals: Vec<(f64, f64, f64)> = self
            .points
            .iter()
            .filter_map(|point| point.interval.map(|(low, high)| (point.x, low, high)))
            .collect();
        if intervals.len() < 2 {
            return None;
        }
        let lower = intervals.iter().map(|&(x, low, _)| (x, low));
        let upper = intervals.iter().rev().map(|&(x, _, high)| (x, high));
        let (xs, ys): (Vec<f64>, Vec<f64>) = lower
            .chain(upper)
            .map(|(x, y)| (rounded(x), rounded(y)))
            .unzip();
        let mut band = json!({
            "type": "scatter",
            "mode": "lines",
            "x": xs,
            "y": ys,
            "line": { "width": 0 },
            "fill": "toself",
            "fillcolor": self.translucent,
            "hoverinfo": "skip",
            "showlegend": false,
            "legendgroup": self.name,
        });
        self.hide(&mut band);
        Some(band)
    }

    /// Markers, with whiskers where a point has an interval. `whiskers` is the name of their key.
    fn markers(&self, marker: Marker, whiskers: &str) -> Value {
        let symbol = match marker {
            Marker::Circle => "circle",
            Marker::Cross => "x",
            Marker::Triangle => "triangle-up",
            Marker::Diamond => "diamond",
        };
        let mut trace = json!({
            "type": "scatter",
            "mode": "markers",
            "x": self.xs,
            "y": self.ys,
            "marker": { "color": self.colour, "symbol": symbol, "size": 9 },
        });
        if self.points.iter().any(|point| point.interval.is_some()) {
            trace[whiskers] = self.whiskers(whiskers == "error_x");
        }
        if !self.texts.is_empty() {
            trace["text"] = json!(self.texts);
            trace["hovertemplate"] = json!("%{text}<extra></extra>");
        }
        self.named(trace)
    }

    /// Lengths of the whiskers on both sides of each point.
    fn whiskers(&self, is_horizontal: bool) -> Value {
        let mut above = Vec::new();
        let mut below = Vec::new();
        for point in &self.points {
            let centre = if is_horizontal { point.x } else { point.y };
            let (low, high) = point.interval.unwrap_or((centre, centre));
            above.push(rounded(high - centre));
            below.push(rounded(centre - low));
        }
        json!({
            "type": "data",
            "symmetric": false,
            "array": above,
            "arrayminus": below,
            "color": self.colour,
            "width": 3,
        })
    }

    fn bars(&self, width: f64) -> Value {
        self.named(json!({
            "type": "bar",
            "x": self.xs,
            "y": self.ys,
            "width": rounded(width),
            "marker": { "color": self.colour, "line": { "color": self.colour, "width": 1 } },
            "opacity": 0.5,
        }))
    }

    /// Adds the name for the legend. A guide line has no name, and no text under the pointer.
    fn named(&self, mut trace: Value) -> Value {
        trace["name"] = json!(self.short_name);
        trace["legendgroup"] = json!(self.name);
        trace["showlegend"] = json!(!self.name.is_empty());
        if self.name.is_empty() {
            trace["hoverinfo"] = json!("skip");
        }
        self.hide(&mut trace);
        trace
    }

    /// A hidden trace is in the legend only.
    fn hide(&self, trace: &mut Value) {
        if self.is_hidden {
            trace["visible"] = json!("legendonly");
        }
    }
}

/// Name and estimate of the row of a point.
fn row_text(axis: &Axis, point: &Point) -> String {
    axis.ticks
        .iter()
        .find(|tick| (tick.value - point.y).abs() < 0.5)
        .map_or(String::new(), |tick| {
            escaped(&format!("{}: {}", tick.label, tick.note))
        })
}

/// Escapes text, because plotly.js interprets tags in its texts as markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// Four significant digits. More cannot be seen, and would reveal the values of samples.
fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

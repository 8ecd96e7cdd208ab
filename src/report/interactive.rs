//! A panel of a figure for plotly.js.
//!
//! Input -> output: a [`Figure`] and one of its panels -> the JSON that `Plotly.newPlot` takes.

use serde_json::{Value, json};

use super::figure::{Axis, Colour, Dash, Figure, FigurePanel, Marker, Point, Series, Shape};

/// Source of plotly.js: the first of the two scripts that the crate `plotly` ships. The other one
/// typesets formulas.
pub fn library() -> String {
    let scripts = plotly::Plot::offline_js_sources();
    let start = scripts.find('>').map_or(0, |end| end + 1);
    let end = scripts.find("</script>").unwrap_or(scripts.len());
    scripts[start..end].to_owned()
}

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
            "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d"],
            "toImageButtonOptions": { "format": "svg", "filename": figure.id },
        },
    })
}

fn layout(figure: &Figure, panel: &FigurePanel) -> Value {
    let [x_range, y_range] = figure.ranges().unwrap_or_default();
    let margin_top = if panel.title.is_empty() { 12 } else { 40 };
    json!({
        "title": {
            "text": escaped(&panel.title),
            "font": { "size": 14 },
            "x": 0.02,
            "xanchor": "left",
        },
        "font": { "family": "system-ui, sans-serif", "size": 12, "color": "#222222" },
        "margin": { "l": 56, "r": 12, "t": margin_top, "b": 48 },
        "legend": {
            "orientation": "h",
            "y": -0.22,
            "yanchor": "top",
            "x": 0,
            "font": { "size": 11 },
        },
        "showlegend": panel.has_legend(),
        "barmode": "overlay",
        "hovermode": "closest",
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "xaxis": axis(&figure.x, x_range),
        "yaxis": axis(&figure.y, y_range),
    })
}

fn axis(axis: &Axis, (low, high): (f64, f64)) -> Value {
    json!({
        "title": { "text": escaped(&axis.label), "standoff": 8 },
        "dtick": axis.step,
        "type": if axis.is_log { "log" } else { "linear" },
        "range": [rounded(low), rounded(high)],
        "gridcolor": "#e4e4e4",
        "linecolor": "#222222",
        "zeroline": false,
        "automargin": true,
    })
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
    name: String,
}

impl<'a> Traces<'a> {
    fn new(figure: &Figure, series: &'a Series) -> Self {
        let points: Vec<&Point> = series
            .points
            .iter()
            .filter(|point| figure.x.can_show(point.x) && figure.y.can_show(point.y))
            .collect();
        let Colour(red, green, blue) = series.style.colour;
        Self {
            xs: points.iter().map(|point| rounded(point.x)).collect(),
            ys: points.iter().map(|point| rounded(point.y)).collect(),
            points,
            colour: format!("rgb({red},{green},{blue})"),
            translucent: format!("rgba({red},{green},{blue},0.2)"),
            name: escaped(&series.name),
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
            Shape::Points => vec![self.markers(series.style.marker)],
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
        Some(json!({
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
        }))
    }

    /// Markers, with whiskers where a point has an interval.
    fn markers(&self, marker: Marker) -> Value {
        let symbol = match marker {
            Marker::Circle => "circle",
            Marker::Cross => "x",
            Marker::Triangle => "triangle-up",
        };
        let mut trace = json!({
            "type": "scatter",
            "mode": "markers",
            "x": self.xs,
            "y": self.ys,
            "marker": { "color": self.colour, "symbol": symbol, "size": 8 },
        });
        if self.points.iter().any(|point| point.interval.is_some()) {
            trace["error_y"] = self.whiskers();
        }
        self.named(trace)
    }

    /// Lengths of the whiskers above and below each point.
    fn whiskers(&self) -> Value {
        let above: Vec<f64> = self
            .points
            .iter()
            .map(|point| rounded(point.interval.map_or(0.0, |(_, high)| high - point.y)))
            .collect();
        let below: Vec<f64> = self
            .points
            .iter()
            .map(|point| rounded(point.interval.map_or(0.0, |(low, _)| point.y - low)))
            .collect();
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
        trace["name"] = json!(self.name);
        trace["legendgroup"] = json!(self.name);
        trace["showlegend"] = json!(!self.name.is_empty());
        if self.name.is_empty() {
            trace["hoverinfo"] = json!("skip");
        }
        trace
    }
}

/// Escapes text, because plotly.js interprets tags in its texts as markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// Four significant digits. More cannot be seen, and would reveal the values of samples.
fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

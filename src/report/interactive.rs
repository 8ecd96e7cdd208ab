//! A panel as plotly.js draws it.
//!
//! Input -> output: a [`Figure`] and one of its panels -> the JSON that `Plotly.newPlot` takes.

use serde_json::{Value, json};

use super::figure::{Axis, Colour, Dash, Figure, FigurePanel, Marker, Series, Shape};

/// plotly.js, as the crate `plotly` ships it: the first of the two scripts, the other one sets
/// formulas.
pub fn library() -> String {
    let scripts = plotly::Plot::offline_js_sources();
    let start = scripts.find('>').map_or(0, |end| end + 1);
    let end = scripts.find("</script>").unwrap_or(scripts.len());
    scripts[start..end].to_owned()
}

/// Data, layout and options.
pub fn plotly(figure: &Figure, panel: &FigurePanel) -> Value {
    let traces: Vec<Value> = panel
        .series
        .iter()
        .flat_map(|series| traces(figure, series))
        .collect();
    let [x, y] = figure.ranges().unwrap_or_default();
    json!({
        "data": traces,
        "layout": {
            "title": { "text": escaped(&panel.title), "font": { "size": 14 }, "x": 0.02, "xanchor": "left" },
            "font": { "family": "system-ui, sans-serif", "size": 12, "color": "#222222" },
            "margin": { "l": 56, "r": 12, "t": if panel.title.is_empty() { 12 } else { 40 }, "b": 48 },
            "legend": { "orientation": "h", "y": -0.22, "yanchor": "top", "x": 0, "font": { "size": 11 } },
            "showlegend": panel.has_legend(),
            "barmode": "overlay",
            "hovermode": "closest",
            "paper_bgcolor": "#ffffff",
            "plot_bgcolor": "#ffffff",
            "xaxis": axis(&figure.x, x),
            "yaxis": axis(&figure.y, y),
        },
        "config": {
            "responsive": true,
            "displaylogo": false,
            "modeBarButtonsToRemove": ["lasso2d", "select2d", "autoScale2d"],
            "toImageButtonOptions": { "format": "svg", "filename": figure.id },
        },
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

/// A band comes before its line, so that it lies behind it.
fn traces(figure: &Figure, series: &Series) -> Vec<Value> {
    let points: Vec<_> = series
        .points
        .iter()
        .filter(|point| figure.x.can_show(point.x) && figure.y.can_show(point.y))
        .collect();
    let xs: Vec<f64> = points.iter().map(|point| rounded(point.x)).collect();
    let ys: Vec<f64> = points.iter().map(|point| rounded(point.y)).collect();
    let Colour(red, green, blue) = series.style.colour;
    let colour = format!("rgb({red},{green},{blue})");
    let name = escaped(&series.name);
    let shared = |mut trace: Value| {
        trace["name"] = json!(name);
        trace["legendgroup"] = json!(name);
        trace["showlegend"] = json!(!name.is_empty());
        if name.is_empty() {
            trace["hoverinfo"] = json!("skip");
        }
        trace
    };
    match series.shape {
        Shape::Line => {
            let dash = match series.style.dash {
                Dash::Solid => "solid",
                Dash::Dashed => "dash",
                Dash::Dotted => "dot",
            };
            let line = shared(json!({
                "type": "scatter", "mode": "lines", "x": xs, "y": ys, "line": { "color": colour, "dash": dash, "width": 2 },
            }));
            let banded: Vec<_> = points
                .iter()
                .filter_map(|point| point.interval.map(|(low, high)| (point.x, low, high)))
                .collect();
            if banded.len() < 2 {
                return vec![line];
            }
            let around = banded
                .iter()
                .map(|&(x, low, _)| (x, low))
                .chain(banded.iter().rev().map(|&(x, _, high)| (x, high)));
            let (xs, ys): (Vec<f64>, Vec<f64>) =
                around.map(|(x, y)| (rounded(x), rounded(y))).unzip();
            let band = json!({
                "type": "scatter", "mode": "lines", "x": xs, "y": ys, "line": { "width": 0 }, "fill": "toself",
                "fillcolor": format!("rgba({red},{green},{blue},0.2)"), "hoverinfo": "skip", "showlegend": false, "legendgroup": name,
            });
            vec![band, line]
        }
        Shape::Points => {
            let symbol = match series.style.marker {
                Marker::Circle => "circle",
                Marker::Cross => "x",
                Marker::Triangle => "triangle-up",
            };
            let mut trace = json!({
                "type": "scatter", "mode": "markers", "x": xs, "y": ys, "marker": { "color": colour, "symbol": symbol, "size": 8 },
            });
            if points.iter().any(|point| point.interval.is_some()) {
                let above: Vec<f64> = points
                    .iter()
                    .map(|point| rounded(point.interval.map_or(0.0, |(_, high)| high - point.y)))
                    .collect();
                let below: Vec<f64> = points
                    .iter()
                    .map(|point| rounded(point.interval.map_or(0.0, |(low, _)| point.y - low)))
                    .collect();
                trace["error_y"] = json!({ "type": "data", "symmetric": false, "array": above, "arrayminus": below, "color": colour, "width": 3 });
            }
            vec![shared(trace)]
        }
        Shape::Bars(width) => vec![shared(json!({
            "type": "bar", "x": xs, "y": ys, "width": rounded(width), "marker": { "color": colour, "line": { "color": colour, "width": 1 } },
            "opacity": 0.5,
        }))],
    }
}

/// plotly.js takes tags in its texts for markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// Four significant digits: more cannot be seen, and no one's value is told.
fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

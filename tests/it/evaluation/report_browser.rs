//! `report.html` in headless Chromium: every figure is drawn, nothing is fetched, no error is
//! printed, and the report contains no individual-level data.
//!
//! Skipped, with a message, where there is no `chromium`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{
    no_oracle, pipelines::tiny_pipeline_with, processes::succeeds, refuse, rows, succeed,
};
use serde_json::Value;

const FIGURES: [&str; 5] = ["roc", "calibration", "deciles", "distribution", "training"];

/// A folder with `out/`, the results of a small pipeline.
fn results() -> tempfile::TempDir {
    let pipeline = tiny_pipeline_with(&[
        ("people = 150", "people = 300"),
        ("[[models]]", "[report]\nguards = \"warn\"\n\n[[models]]"),
        ("epochs = 2", "epochs = 3"),
        ("batch_size = 16", "batch_size = 32"),
    ]);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("study.toml"), pipeline).unwrap();
    succeed(folder.path(), "run study.toml --out out");
    folder
}

/// Page, figures and JSON files of a report, without its CSV tables.
fn shown(report: &Path) -> Vec<(PathBuf, String)> {
    let mut paths: Vec<PathBuf> = fs::read_dir(report)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    // The record of the stage is not a part of the report, and contains its duration.
    paths.retain(|path| {
        let extension = path.extension().unwrap_or_default();
        ["html", "svg", "json"]
            .iter()
            .any(|shown| extension == *shown)
            && !path.ends_with("stage.json")
    });
    let found: Vec<_> = paths
        .into_iter()
        .map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect();
    assert!(
        found.len() >= 10,
        "page, figures and files for MultiQC: {found:?}"
    );
    found
}

#[test]
fn no_ones_data_are_in_the_report() {
    let folder = results();
    let out = folder.path().join("out");
    let predictions = [
        "3-models/tiny/predictions.csv",
        "4-baselines/predictions.csv",
    ]
    .map(|path| rows(&out.join(path)))
    .concat();
    let ids: BTreeSet<&str> = predictions
        .iter()
        .map(|row| row["sample_id"].as_str())
        .collect();
    // Few digits are found anywhere.
    let values: BTreeSet<&str> = predictions
        .iter()
        .flat_map(|row| [row["logit"].as_str(), row["probability"].as_str()])
        .filter(|value| value.len() > 8)
        .collect();
    assert!(
        ids.len() == 300 && values.len() > 300,
        "{} people, {} values",
        ids.len(),
        values.len()
    );
    for (path, text) in shown(&out.join("5-report")) {
        // plotly.js holds any short text.
        let own = text.split("<script>/**").next().unwrap();
        let words: BTreeSet<&str> = own
            .split(|sign: char| !(sign.is_alphanumeric() || "_-.".contains(sign)))
            .collect();
        let told: Vec<&&str> = ids
            .iter()
            .chain(&values)
            .filter(|secret| words.contains(**secret))
            .collect();
        assert!(told.is_empty(), "{}: {told:?}", path.display());
    }
}

#[test]
fn the_report_is_the_same_wherever_it_is_made_and_evaluate_alone_says_what_it_lacks() {
    let a = results();
    let b = results();
    let [in_a, in_b] = [&a, &b].map(|folder| shown(&folder.path().join("out/5-report")));
    let different: Vec<_> = in_a
        .iter()
        .zip(&in_b)
        .filter(|(a, b)| a.1 != b.1)
        .map(|(a, _)| &a.0)
        .collect();
    assert!(
        in_a.len() == in_b.len() && different.is_empty(),
        "{different:?}"
    );
    let predictions = "out/3-models/tiny/predictions.csv out/4-baselines/predictions.csv";
    succeed(
        a.path(),
        &format!("evaluate --predictions {predictions} --out alone --guards warn"),
    );
    let alone = fs::read_to_string(a.path().join("alone/report.html")).unwrap();
    assert!(
        alone.contains("they are in run.json of a pipeline: give it with --run")
            && alone.contains("missing: ")
    );
    succeed(
        a.path(),
        &format!(
            "evaluate --predictions {predictions} --out told --guards warn --run out/run.json"
        ),
    );
    let told = fs::read_to_string(a.path().join("told/report.html")).unwrap();
    assert!(told.contains("n records") && !told.contains("give it with --run"));
    let other =
        format!("evaluate --predictions {predictions} --out refused --run out/0-cohort/truth.json");
    refuse(
        a.path(),
        &other,
        &[
            "truth.json: not the run.json of a pipeline",
            "Give the run.json in the folder that `run` wrote",
        ],
    );
}

/// The Chromium of this machine; `None`, with a message, where there is none.
fn chromium() -> Option<&'static str> {
    let program = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| succeeds(Command::new(name).arg("--version")));
    if program.is_none() {
        no_oracle("no chromium on this machine");
    }
    program
}

/// Opens a page without a network; the document after its scripts, and what the console said.
fn open(chromium: &str, page: &Path) -> (String, String) {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(chromium)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--enable-logging=stderr",
            "--v=0",
        ])
        .args([
            "--virtual-time-budget=20000",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg("--window-size=1400,1000")
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[test]
fn every_figure_is_drawn_at_both_widths_without_a_network_and_without_an_error() {
    let Some(chromium) = chromium() else { return };
    let folder = results();
    let report = folder.path().join("out/5-report");
    // The page says of itself how wide it is and what each plot holds; a frame makes it narrower
    // than Chromium's window can be.
    let probe = "<script>addEventListener('load', () => setTimeout(() => { const points = (plot) \
                 => plot.data.reduce((n, trace) => n + trace.x.length, 0); const drawn = (plot) \
                 => plot.querySelectorAll('.scatterlayer .trace, .barlayer .trace').length; \
                 parent.postMessage(JSON.stringify({ width: innerWidth, overflow: \
                 document.documentElement.scrollWidth - innerWidth, plots: \
                 Array.from(document.querySelectorAll('.plot'), (plot) => \
                 [plot.closest('figure').id, points(plot), drawn(plot)]), fetched: \
                 performance.getEntriesByType('resource').map((entry) => \
                 entry.name).filter((name) => !name.startsWith('data:')) }), '*'); }, \
                 3000));</script></body>";
    let html = fs::read_to_string(report.join("report.html")).unwrap();
    assert!(!loads_from_elsewhere(&html), "a resource from elsewhere");
    fs::write(
        report.join("probed.html"),
        html.replacen("</body>\n</html>", &format!("{probe}\n</html>"), 1),
    )
    .unwrap();
    for width in [1280, 400] {
        let frame = format!(
            "<!DOCTYPE html><body><script>onmessage = (event) => {{ document.body.dataset.probe = \
             event.data; }};</script><iframe src=\"probed.html\" style=\"width: {width}px; \
             height: 900px; border: 0\"></iframe></body>"
        );
        let page = report.join(format!("frame-{width}.html"));
        fs::write(&page, frame).unwrap();
        let (document, console) = open(chromium, &page);
        let said: Vec<&str> = console
            .lines()
            .filter(|line| line.contains("CONSOLE"))
            .collect();
        assert!(said.is_empty(), "{width} px: {said:?}");
        let found = document
            .split("data-probe=\"")
            .nth(1)
            .unwrap_or_else(|| panic!("{width} px: the scripts did not run"));
        let probe: Value =
            serde_json::from_str(&found.split('"').next().unwrap().replace("&quot;", "\""))
                .unwrap();
        let plots = probe["plots"].as_array().unwrap();
        for figure in FIGURES {
            let of_figure: Vec<&Value> = plots.iter().filter(|plot| plot[0] == figure).collect();
            assert!(!of_figure.is_empty(), "{width} px: no {figure}");
            assert!(
                of_figure
                    .iter()
                    .all(|plot| plot[1].as_u64() > Some(2) && plot[2].as_u64() > Some(0)),
                "{width} px: {of_figure:?}"
            );
        }
        assert_eq!(probe["width"], width);
        assert!(
            probe["overflow"].as_i64() <= Some(0),
            "{width} px: wider than the window, {probe}"
        );
        assert_eq!(probe["fetched"], serde_json::json!([]));
    }
}

/// Whether an element outside of scripts loads something from elsewhere: links for people to follow
/// do not.
fn loads_from_elsewhere(html: &str) -> bool {
    let own: String = html
        .split("<script>")
        .map(|part| part.split("</script>").last().unwrap())
        .collect();
    let mut tags = own
        .split_inclusive('>')
        .filter_map(|part| part.rfind('<').map(|start| &part[start..]));
    tags.any(|tag| is_loading_tag(tag) && (tag.contains("http") || tag.contains("=\"//")))
        || own.contains("@import")
        || own.contains("url(")
}

/// Whether a tag loads a resource when the page is opened.
fn is_loading_tag(tag: &str) -> bool {
    [
        "<script", "<link", "<img", "<iframe", "<object", "<embed", "<use", "<image",
    ]
    .iter()
    .any(|name| tag.starts_with(name))
}

//! `report.html` in headless Chromium: every figure is drawn, nothing is fetched, the console has
//! no error, no text is clipped, and the page has no individual-level data.
//!
//! Skipped with a message where there is no `chromium`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::support::{pipelines::tiny_pipeline_with, refuse, rows, succeed};
use serde_json::Value;

const FIGURES: [&str; 8] = [
    "figure-forest",
    "figure-difference",
    "figure-roc",
    "figure-calibration",
    "figure-deciles",
    "figure-distribution",
    "figure-training",
    "figure-validation_auc",
];

/// Sends the parent frame what a reader sees: widths, points and marks of each plot, texts that are
/// cut, the order of the models table before and after a click, and fetched resources.
const PROBE: &str = r##"<script>addEventListener("load", () => setTimeout(() => {
  const points = (plot) => plot.data.reduce((n, trace) => n + trace.x.length, 0);
  const drawn = (plot) =>
    plot.querySelectorAll(".scatterlayer .trace, .barlayer .trace").length;
  const own = (element) => Array.from(element.childNodes)
    .some((node) => node.nodeType === 3 && node.textContent.trim());
  const cut = [];
  for (const element of document.querySelectorAll("header *, main *, footer *")) {
    const box = element.getBoundingClientRect();
    if (!own(element) || box.width === 0 || element.closest(".scroll, .still, script")) continue;
    const plot = element.closest(".plot");
    const edge = plot ? plot.getBoundingClientRect() : { left: 0, right: innerWidth };
    const hidden = getComputedStyle(element).overflowX === "hidden"
      && element.scrollWidth > element.clientWidth + 1;
    if (hidden || box.left < edge.left - 2 || box.right > edge.right + 2) {
      cut.push(element.textContent.trim().slice(0, 60));
    }
  }
  const table = document.querySelector("#models table.sortable");
  const names = () => Array.from(table.tBodies[0].rows, (row) => row.cells[0].textContent);
  const before = names();
  const aurocs = () => Array.from(table.tBodies[0].rows, (row) => +row.cells[2].dataset.sort);
  table.tHead.rows[0].cells[2].querySelector("button").click();
  const rising = aurocs();
  parent.postMessage(JSON.stringify({
    width: innerWidth,
    overflow: document.documentElement.scrollWidth - innerWidth,
    plots: Array.from(document.querySelectorAll(".plot"), (plot) =>
      [plot.closest("figure").id, points(plot), drawn(plot)]),
    cut,
    can_upload: Array.from(document.querySelectorAll(".plot"))
      .some((plot) => plot._context.showSendToCloud),
    n_models: before.length,
    is_sorted: rising.every((value, index) => index === 0 || value >= rising[index - 1]),
    fetched: performance.getEntriesByType("resource").map((entry) => entry.name)
      .filter((name) => !name.startsWith("data:")),
  }), "*");
}, 3000));</script></body>"##;

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

/// Files of a report that are no CSV tables.
fn shown(report: &Path) -> Vec<(PathBuf, String)> {
    let wanted = |path: &Path| {
        path.extension().is_some_and(|extension| {
            ["html", "svg", "json"]
                .iter()
                .any(|wanted| extension == *wanted)
        })
    };
    let mut paths: Vec<PathBuf> = fs::read_dir(report)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    // The record of the stage has its run time and is not part of the report.
    paths.retain(|path| wanted(path) && !path.ends_with("stage.json"));
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
fn the_report_has_no_individual_level_data() {
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
        // plotly.js contains any short text.
        let own = text.split("<script>/**").next().unwrap();
        let words: BTreeSet<&str> = own
            .split(|sign: char| !(sign.is_alphanumeric() || "_-.".contains(sign)))
            .collect();
        let revealed: Vec<&&str> = ids
            .iter()
            .chain(&values)
            .filter(|secret| words.contains(**secret))
            .collect();
        assert!(revealed.is_empty(), "{}: {revealed:?}", path.display());
    }
}

#[test]
fn the_report_is_the_same_in_every_folder_and_evaluate_alone_states_what_it_lacks() {
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
        alone.contains("are in the run.json of a pipeline. Give it with --run.")
            && alone.contains("to add: ")
    );
    succeed(
        a.path(),
        &format!(
            "evaluate --predictions {predictions} --out full --guards warn --run out/run.json"
        ),
    );
    let full = fs::read_to_string(a.path().join("full/report.html")).unwrap();
    assert!(full.contains("Variant records read") && !full.contains("Give it with --run"));
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

/// Name of the program of Chromium, if it is installed.
fn chromium() -> Option<&'static str> {
    let runs = |name: &&str| {
        Command::new(name)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    let found = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(runs);
    if found.is_none() {
        crate::support::no_oracle("no chromium on this machine");
    }
    found
}

/// Opens a page without a network; the document after its scripts, and the output of the console.
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
    let html = fs::read_to_string(report.join("report.html")).unwrap();
    assert!(!loads_from_elsewhere(&html), "a resource of another site");
    fs::write(
        report.join("probed.html"),
        html.replacen("</body>\n</html>", &format!("{PROBE}\n</html>"), 1),
    )
    .unwrap();
    // A frame can be narrower than Chromium's window.
    for width in [1280, 400] {
        let frame = format!(
            "<!DOCTYPE html><body><script>onmessage = (event) => {{ document.body.dataset.probe = \
             event.data; }};</script><iframe src=\"probed.html\" style=\"width: {width}px; \
             height: 900px; border: 0\"></iframe></body>"
        );
        let page = report.join(format!("frame-{width}.html"));
        fs::write(&page, frame).unwrap();
        let (document, console) = open(chromium, &page);
        let errors: Vec<&str> = console
            .lines()
            .filter(|line| line.contains("CONSOLE"))
            .collect();
        assert!(errors.is_empty(), "{width} px: {errors:?}");
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
        assert_eq!(probe["cut"], serde_json::json!([]), "{width} px");
        assert_eq!(probe["can_upload"], false, "{width} px");
        assert!(
            probe["n_models"].as_u64() > Some(2) && probe["is_sorted"] == true,
            "{width} px: {probe}"
        );
    }
}

/// Whether an element outside of scripts loads a resource of another site. Links to follow do not.
fn loads_from_elsewhere(html: &str) -> bool {
    let own: String = html
        .split("<script>")
        .map(|part| part.split("</script>").last().unwrap())
        .collect();
    let loads = |tag: &str| {
        [
            "<script", "<link", "<img", "<iframe", "<object", "<embed", "<use", "<image",
        ]
        .iter()
        .any(|name| tag.starts_with(name))
    };
    own.split_inclusive('>')
        .filter_map(|part| part.rfind('<').map(|start| &part[start..]))
        .any(|tag| loads(tag) && (tag.contains("http") || tag.contains("=\"//")))
        || own.contains("@import")
        || own.contains("url(")
}

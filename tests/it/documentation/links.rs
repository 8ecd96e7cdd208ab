//! Links lead to files that are there, and to headings that are in them.

use std::{fs, path::Path};

use crate::support::repository;

/// A file of the repository, as it is linked to from the book: readers of the built pages have no
/// checkout beside them.
const ON_THE_WEB: [&str; 2] = ["/blob/main/", "/tree/main/"];

/// Checks the links of one Markdown file.
pub fn check(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    for target in targets(&text) {
        let shown = path.display();
        let (file, heading) = target.split_once('#').unwrap_or((target, ""));
        let linked = if file.contains("://") {
            let Some(inside) = file.strip_prefix(env!("CARGO_PKG_REPOSITORY")) else {
                continue;
            };
            let Some(inside) = ON_THE_WEB
                .iter()
                .find_map(|prefix| inside.strip_prefix(prefix))
            else {
                continue;
            };
            repository(inside)
        } else if file.is_empty() {
            path.to_owned()
        } else {
            path.with_file_name(file)
        };
        assert!(
            linked.exists(),
            "{shown}: the link to {target} leads nowhere"
        );
        if !heading.is_empty() {
            let there = headings(&fs::read_to_string(&linked).unwrap());
            assert!(
                there.iter().any(|name| name == heading),
                "{shown}: no heading of {target}; there are {there:?}"
            );
        }
    }
}

/// What stands behind `](` outside of code.
fn targets(text: &str) -> Vec<&str> {
    let prose = outside_of_blocks(text).flat_map(|line| line.split('`').step_by(2));
    prose
        .flat_map(|part| {
            part.split("](")
                .skip(1)
                .filter_map(|rest| rest.split(')').next())
        })
        .collect()
}

/// Names of the headings, as mdBook and the web pages of repositories make them.
fn headings(text: &str) -> Vec<String> {
    let titles = outside_of_blocks(text).filter_map(|line| {
        line.strip_prefix('#')
            .map(|rest| rest.trim_start_matches('#').trim())
    });
    titles
        .map(|title| {
            title
                .to_lowercase()
                .chars()
                .filter(|letter| letter.is_alphanumeric() || "-_ ".contains(*letter))
                .collect::<String>()
                .replace(' ', "-")
        })
        .collect()
}

fn outside_of_blocks(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

#[test]
fn links_and_headings_are_found() {
    let text = "# A title, `with` code\n[x](a.md#b) and `[y](no)` [z](c.png)\n```text\n[w](no)\n# \
                no\n```\n## Next\n";
    // A link whose words are code is one: the parts around the code hold `](`.
    assert_eq!(targets(text), ["a.md#b", "c.png"]);
    assert_eq!(targets("[`code`](d.md)"), ["d.md"]);
    assert_eq!(headings(text), ["a-title-with-code", "next"]);
}

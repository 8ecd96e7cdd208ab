//! The figures of the results pages and of README.md come from files in `docs/results/`.

use std::{io::ErrorKind, process::Command};

use crate::{documentation::repository, support};

#[test]
fn results_pages_are_made_from_the_results_files() {
    let made = Command::new("python3")
        .args(["docs/results/make_pages.py", "--check"])
        .current_dir(repository(""))
        .output();
    let checked = match made {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return support::no_oracle("python3 is not on this machine");
        }
        made => made.unwrap(),
    };
    assert!(
        checked.status.success(),
        "python3 docs/results/make_pages.py --check ({}):\n{}{}",
        checked.status,
        String::from_utf8_lossy(&checked.stdout),
        String::from_utf8_lossy(&checked.stderr)
    );
}

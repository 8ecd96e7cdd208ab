//! The command line as a whole: the same option means the same everywhere, every command has an
//! example, typos are met with a suggestion, shells and `man` get what they need.

use std::{collections::BTreeMap, fs, process::Command};

use crate::support::{run, stderr, succeed};
use clap::{Arg, CommandFactory};
use gf_genomics::cli::Cli;

/// Commands that take no genomes, people or models.
const OF_THE_PROGRAM: [&str; 3] = ["completions", "help", "man"];

fn commands() -> Vec<clap::Command> {
    let mut program = Cli::command();
    program.build();
    program
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
        .cloned()
        .collect()
}

/// How an option is written in a help: its letter and the name of its value.
fn written(option: &Arg) -> String {
    let letter = option
        .get_short()
        .map_or(String::new(), |letter| format!("-{letter} "));
    let value = option
        .get_value_names()
        .filter(|_| option.get_action().takes_values())
        .map_or(String::new(), |names| names.join(" "));
    format!("{letter}{value}")
}

#[test]
fn an_option_is_written_alike_in_every_command() {
    let mut seen: BTreeMap<String, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for command in commands() {
        for option in command.get_opts() {
            let name = option.get_long().unwrap_or_default().to_owned();
            seen.entry(name)
                .or_default()
                .entry(written(option))
                .or_default()
                .push(command.get_name().to_owned());
        }
    }
    // The file is of another kind in each.
    seen.remove("output");
    let otherwise: Vec<_> = seen.iter().filter(|(_, ways)| ways.len() > 1).collect();
    assert!(otherwise.is_empty(), "{otherwise:#?}");
    assert!(seen.len() > 60, "{} options", seen.len());
}

#[test]
fn every_command_and_option_is_explained_and_every_command_has_an_example() {
    for command in commands() {
        let name = command.get_name();
        assert!(
            command.get_about().is_some(),
            "{name} says nothing of itself"
        );
        let after = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(
            after.contains(&format!("gf-genomics {name} ")),
            "{name} has no example: {after}"
        );
        for option in command.get_arguments() {
            assert!(
                option.get_help().is_some(),
                "{name} does not say what {} is",
                option.get_id()
            );
        }
    }
}

/// Examples in a help, a command each, lines that are continued put together.
fn examples(command: &clap::Command) -> Vec<String> {
    let after = command
        .get_after_help()
        .map(ToString::to_string)
        .unwrap_or_default()
        .replace("\\\n", " ");
    let lines = after
        .lines()
        .filter_map(|line| line.trim().strip_prefix("gf-genomics ").map(str::to_owned));
    lines
        .map(|line| {
            line.split(['>', '|', '&', '#'])
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned()
        })
        .collect()
}

#[test]
fn the_examples_are_commands_that_the_program_understands() {
    for command in commands() {
        for example in examples(&command) {
            let arguments = ["gf-genomics"]
                .into_iter()
                .chain(example.split_whitespace());
            if let Err(error) = Cli::command().try_get_matches_from(arguments) {
                panic!("{}: `{example}`: {error}", command.get_name());
            }
        }
    }
}

#[test]
fn a_value_of_another_form_is_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), "simulate --out new --split 0.5,0.5");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("three fractions"));
}

#[test]
fn a_typo_is_met_with_what_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    for (typed, meant) in [
        ("tokenise", "tokenize"),
        ("prs --scoring-flie x", "--scoring-file"),
        ("train --epoch 3", "--epochs"),
    ] {
        let output = run(folder.path(), typed);
        assert_eq!(output.status.code(), Some(2), "{typed}");
        let said = stderr(&output);
        assert!(
            said.contains("similar") && said.contains(&format!("'{meant}'")),
            "{typed}: {said}"
        );
    }
}

/// Where the shell is there it reads the script itself.
#[test]
fn completions_name_every_command() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = succeed(folder.path(), &format!("completions {shell}"));
        for command in commands() {
            assert!(
                script.contains(command.get_name()),
                "{shell}: {}",
                command.get_name()
            );
        }
        let path = folder.path().join(shell);
        fs::write(&path, script).unwrap();
        match Command::new(shell).arg("-n").arg(&path).output() {
            Ok(output) => assert!(output.status.success(), "{shell}: {}", stderr(&output)),
            Err(_) => eprintln!("SKIPPED: no {shell} on this machine"),
        }
    }
    // What bash offers for a command that is begun.
    let complete = "source ./bash; COMP_WORDS=(gf-genomics tok); COMP_CWORD=1; $(complete -p \
                    gf-genomics | sed 's/.* -F //; s/ .*//') gf-genomics tok gf-genomics; echo \
                    \"${COMPREPLY[@]}\"";
    if let Ok(output) = Command::new("bash")
        .arg("-c")
        .arg(complete)
        .current_dir(folder.path())
        .output()
    {
        assert_eq!(
            String::from_utf8(output.stdout).unwrap().trim(),
            "tokenize",
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn nobody_who_stops_reading_makes_a_command_panic() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        "completions bash",
        "regions",
        "--help",
        "prs --help",
        "prs",
        "regions --nothing",
    ] {
        let pipes = [std::io::pipe().unwrap(), std::io::pipe().unwrap()];
        let [out, err] = pipes.map(|(reader, writer)| {
            drop(reader);
            writer
        });
        let status = crate::support::command(folder.path(), arguments)
            .stdout(out)
            .stderr(err)
            .status()
            .unwrap();
        assert!(
            status.code().is_some_and(|code| code <= 2),
            "{arguments}: {status}"
        );
    }
}

#[test]
fn every_command_has_a_manual_page_with_its_options_and_example() {
    let folder = tempfile::tempdir().unwrap();
    succeed(folder.path(), "man --out pages");
    for command in commands() {
        let name = command.get_name();
        let page =
            fs::read_to_string(folder.path().join(format!("pages/gf-genomics-{name}.1"))).unwrap();
        assert!(
            page.starts_with(".ie") || page.contains(".TH"),
            "{name}: {page}"
        );
        for option in command.get_opts() {
            let long = option.get_long().unwrap_or_default().replace('-', "\\-");
            assert!(page.contains(&format!("\\-\\-{long}")), "{name}: no {long}");
        }
        if !OF_THE_PROGRAM.contains(&name) {
            assert!(
                page.replace('\\', "")
                    .contains(&format!("gf-genomics {name} ")),
                "{name}: no example"
            );
        }
    }
    assert!(folder.path().join("pages/gf-genomics.1").is_file());
}

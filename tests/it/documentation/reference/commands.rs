//! `commands.md`: every command with its options, as clap knows them.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory};
use gf_genomics::cli::Cli;

use super::{escaped, head};

pub fn page() -> String {
    let mut program = Cli::command();
    program.build();
    let commands: Vec<&Command> = program
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
        .collect();
    let mut page = head(
        "Commands and options",
        "This page has the text of `gf-genomics COMMAND --help`. Regions are 1-based and \
         inclusive (`chr:beg-end`); BED is 0-based. Data go to standard output or to `-o`, and \
         messages to standard error. Every command accepts `--threads N` (default: all cores), \
         `--help` and `--version`.\n",
    );
    for command in &commands {
        let name = command.get_name();
        writeln!(
            page,
            "- [`{name}`](#gf-genomics-{name}): {}",
            sentence(command)
        )
        .unwrap();
    }
    for command in commands {
        describe(&mut page, command);
    }
    page
}

fn sentence(command: &Command) -> String {
    escaped(&command.get_about().unwrap().to_string())
}

fn describe(page: &mut String, command: &Command) {
    let about = command
        .get_long_about()
        .or(command.get_about())
        .unwrap()
        .to_string();
    writeln!(
        page,
        "\n## gf-genomics {}\n\n{}\n",
        command.get_name(),
        escaped(&about)
    )
    .unwrap();
    let examples = command.get_after_help().unwrap().to_string();
    let examples = examples
        .lines()
        .skip(1)
        .map(|line| line.strip_prefix("  ").unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n");
    writeln!(page, "```text\n{examples}\n```\n").unwrap();
    let mut heading = None;
    for option in command
        .get_arguments()
        .filter(|option| !["help", "version", "threads"].contains(&option.get_id().as_str()))
    {
        if option.get_help_heading() != heading {
            heading = option.get_help_heading();
            writeln!(page, "\n**{}**\n", heading.unwrap_or("Other")).unwrap();
        }
        writeln!(page, "- {}", line(option)).unwrap();
    }
}

/// An option in one line: how it is written, what it does, what may stand behind it, and what
/// stands there when nothing is said.
fn line(option: &Arg) -> String {
    let mut line = format!("`{option}`");
    if option.is_required_set() {
        line.push_str(" (required)");
    }
    let help = option
        .get_long_help()
        .or(option.get_help())
        .unwrap()
        .to_string();
    // Help ends with a point or not, as clap leaves it.
    let help = help.replace('\n', " ");
    write!(line, ": {}", escaped(help.trim_end_matches('.'))).unwrap();
    let takes_value = option.get_action().takes_values();
    let values = option.get_possible_values();
    if takes_value && !values.is_empty() {
        let values: Vec<String> = values
            .iter()
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        write!(line, ". One of {}", values.join(", ")).unwrap();
    }
    let defaults: Vec<String> = option
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy().into_owned())
        .collect();
    if takes_value && !defaults.is_empty() {
        write!(line, ". Default: `{}`", defaults.join(" ")).unwrap();
    }
    line + "."
}

//! `gf-genomics completions`: scripts for a shell that complete commands, options and values.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::Cli;

/// Completions of commands and options for a shell, to be put where the shell looks for them
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gf-genomics completions bash > \
                        ~/.local/share/bash-completion/completions/gf-genomics\n  gf-genomics \
                        completions zsh > \"${fpath[1]}/_gf-genomics\"\n  gf-genomics \
                        completions fish > ~/.config/fish/completions/gf-genomics.fish")]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Writes the script to standard output.
///
/// # Errors
/// Standard output that cannot be written.
pub fn run(args: &Args) -> anyhow::Result<()> {
    // The generator panics where it cannot write.
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "gf-genomics", &mut script);
    Ok(io::stdout().lock().write_all(&script)?)
}

//! `gf-genomics completions`: scripts for a shell that complete commands, options and values.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::Cli;

/// Print shell completions of commands and options. Save them where the shell looks for
/// completions.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  gf-genomics completions bash > \
                        ~/.local/share/bash-completion/completions/gf-genomics\n  gf-genomics \
                        completions zsh > \"${fpath[1]}/_gf-genomics\"\n  gf-genomics \
                        completions fish > ~/.config/fish/completions/gf-genomics.fish")]
pub struct Args {
    /// Shell to print completions for.
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

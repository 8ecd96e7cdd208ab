//! `gf-genomics man`: the help of every command as manual pages.

use std::path::PathBuf;

use clap::CommandFactory;
use clap_mangen::Man;
use gf_files::output;

use super::Cli;

/// Write manual pages of the program and of all commands.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  gf-genomics man --out ~/.local/share/man/man1 && man \
                  gf-genomics-train"
)]
pub struct Args {
    /// Folder for gf-genomics.1 and one page per command, such as gf-genomics-train.1.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Writes the pages.
///
/// # Errors
/// A page that cannot be written.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut program = Cli::command();
    program.build();
    let mut pages = vec![program.clone()];
    for command in program.get_subcommands() {
        if command.get_name() != "help" {
            let name = format!("gf-genomics-{}", command.get_name());
            pages.push(command.clone().display_name(name));
        }
    }
    for page in pages {
        let man = Man::new(page);
        let path = args.out.join(man.get_filename());
        output::shareable::write(&path, |mut out| man.render(&mut out))?;
    }
    Ok(())
}

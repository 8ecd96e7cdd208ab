//! `gf-genomics man`: the help of every command as manual pages.

use std::path::PathBuf;

use clap::CommandFactory;
use clap_mangen::Man;

use super::Cli;
use gf_files::output;

/// Manual pages of the program and of every command
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  gf-genomics man --out ~/.local/share/man/man1 && man \
                  gf-genomics-train"
)]
pub struct Args {
    /// Folder for gf-genomics.1 and a page of each command, such as gf-genomics-train.1
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Writes the pages.
///
/// # Errors
/// When one cannot be written.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let mut program = Cli::command();
    program.build();
    let commands = program
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
        .cloned();
    let pages: Vec<clap::Command> = commands
        .map(|command| {
            let name = format!("gf-genomics-{}", command.get_name());
            command.display_name(name)
        })
        .collect();
    for page in [program].into_iter().chain(pages) {
        let man = Man::new(page);
        output::shareable::write(&args.out.join(man.get_filename()), |mut out| {
            man.render(&mut out)
        })?;
    }
    Ok(())
}

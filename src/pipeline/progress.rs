//! Training as it runs: a bar on a terminal, a line an epoch everywhere.

use indicatif::{ProgressBar, ProgressStyle};

use crate::training::Progress;

/// Shows the loop: a bar on a terminal, a line an epoch everywhere.
pub fn progress() -> impl FnMut(Progress<'_>) {
    // Hidden by indicatif itself where standard error is not a terminal.
    let bar = ProgressBar::no_length();
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    move |event| match event {
        Progress::Step { epoch: (epoch, n_epochs), step: (step, n_steps), loss } => {
            bar.set_length(n_steps as u64);
            bar.set_position(step as u64);
            bar.set_prefix(format!("epoch {epoch}/{n_epochs}"));
            bar.set_message(format!("loss {loss:.4}"));
        }
        Progress::Epoch(log) => bar.suspend(|| {
            eprintln!("epoch {}: loss {:.4}, validation AUC {:.4}, {:.1} s", log.epoch, log.train_loss, log.validation_auroc, log.seconds);
        }),
    }
}

//! Training as it runs: a bar on a terminal, a line an epoch everywhere; and whether it is to go
//! on.

use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use crate::{interrupt, training::Progress};

/// Shows the loop, unless another process speaks: a bar on a terminal, a line an epoch everywhere.
/// Stops it after a step when the user wants the program to end.
pub fn progress(speaks: bool) -> impl FnMut(Progress<'_>) {
    // Hidden by indicatif itself where standard error is not a terminal.
    let bar = if speaks {
        ProgressBar::no_length()
    } else {
        ProgressBar::hidden()
    };
    let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut running = (0, None);
    let mut n_epochs = 0;
    let mut of_members = String::new();
    let mut member_started = Instant::now();
    // Of a resumed member, epochs that took no time now.
    let mut epochs_before = 0;
    move |event| match event {
        Progress::Step {
            member: (number, n_members),
            term,
            epoch: (epoch, n),
            step: (step, n_steps),
            loss,
            stop,
        } => {
            stop.set(interrupt::signal().is_some());
            if (number, term) != running {
                (running, epochs_before) = ((number, term), epoch - 1);
                member_started = Instant::now();
                of_members = if n_members > 1 {
                    format!("model {number}/{n_members}, ")
                } else {
                    String::new()
                };
                if let Some((term, n_terms)) = term.filter(|(_, n_terms)| *n_terms > 1) {
                    of_members = format!("{of_members}deep term {term}/{n_terms}, ");
                }
            }
            n_epochs = n;
            bar.set_length(n_steps as u64);
            bar.set_position(step as u64);
            bar.set_prefix(format!("{of_members}epoch {epoch}/{n}"));
            bar.set_message(format!("loss {loss:.4}"));
        }
        Progress::Epoch(_) if !speaks => {}
        Progress::Epoch(log) => bar.suspend(|| {
            let an_epoch =
                member_started.elapsed().as_secs_f64() / (log.epoch - epochs_before).max(1) as f64;
            let left = Duration::from_secs_f64(an_epoch * (n_epochs - log.epoch) as f64);
            gf_files::message!(
                "{of_members}epoch {}/{n_epochs}: loss {:.4}, validation loss {:.4}, AUC {:.4}; \
                 {:.1} people/s, at most {} left",
                log.epoch,
                log.train_loss,
                log.validation_loss,
                log.validation_auroc,
                log.people_per_second,
                HumanDuration(left)
            );
        }),
    }
}

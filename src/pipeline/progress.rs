//! Progress of a training: a bar on a terminal, and one line per epoch in any case.
//!
//! The same callback tells the training to stop when the user interrupts the program.

use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use crate::{
    interrupt,
    training::{EpochLog, Progress},
};

/// Returns a callback that shows the progress of a training, and stops it after a step when the
/// user interrupts the program.
///
/// With `shows` false it only stops: another process shows the progress.
pub fn progress(shows: bool) -> impl FnMut(Progress<'_>) {
    let mut display = Display::new(shows);
    move |event| match event {
        Progress::Step {
            member: (number, n_members),
            term,
            fold,
            epoch: (epoch, n_epochs),
            step: (step, n_steps),
            loss,
            stop,
        } => {
            stop.set(interrupt::signal().is_some());
            let network = Network { number, term, fold };
            display.begin_if_new(network, n_members, epoch);
            display.n_epochs = n_epochs;
            display.step(epoch, step, n_steps, loss);
        }
        Progress::Epoch(log) => {
            if shows {
                display.epoch(log);
            }
        }
    }
}

/// A network of a model. All numbers are 1-based.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Network {
    /// Number of the member.
    number: usize,
    /// Deep term of the member, and the number of terms.
    term: Option<(usize, usize)>,
    /// Fold of the training samples that it does not see, and the number of folds.
    fold: Option<(usize, usize)>,
}

impl Network {
    /// Name of the network in messages; empty for the only network of a model.
    fn label(self, n_members: usize) -> String {
        let member = (n_members > 1).then(|| format!("model {}/{n_members}, ", self.number));
        let several_terms = self.term.filter(|&(_, n_terms)| n_terms > 1);
        let term = several_terms.map(|(term, n_terms)| format!("deep term {term}/{n_terms}, "));
        let fold = self
            .fold
            .map(|(fold, n_folds)| format!("without fold {fold}/{n_folds}, "));
        [member, term, fold].into_iter().flatten().collect()
    }
}

/// Display of the networks of a model, which are trained one after the other.
struct Display {
    bar: ProgressBar,
    /// The network in training.
    network: Network,
    /// Name of the network, where there are several.
    label: String,
    n_epochs: usize,
    started: Instant,
    /// Epochs that an earlier run has done. They took no time in this run.
    epochs_before: usize,
}

impl Display {
    fn new(shows: bool) -> Self {
        // Indicatif hides the bar by itself where standard error is not a terminal.
        let bar = if shows {
            ProgressBar::no_length()
        } else {
            ProgressBar::hidden()
        };
        let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg} {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self {
            bar,
            network: Network::default(),
            label: String::new(),
            n_epochs: 0,
            started: Instant::now(),
            epochs_before: 0,
        }
    }

    /// Starts the clock and sets the label at the first step of a network.
    fn begin_if_new(&mut self, network: Network, n_members: usize, epoch: usize) {
        if network == self.network {
            return;
        }
        self.network = network;
        self.epochs_before = epoch - 1;
        self.started = Instant::now();
        self.label = network.label(n_members);
    }

    fn step(&self, epoch: usize, step: usize, n_steps: usize, loss: f64) {
        self.bar.set_length(n_steps as u64);
        self.bar.set_position(step as u64);
        let label = &self.label;
        let n = self.n_epochs;
        self.bar.set_prefix(format!("{label}epoch {epoch}/{n}"));
        self.bar.set_message(format!("loss {loss:.4}"));
    }

    fn epoch(&self, log: &EpochLog) {
        let n_epochs_timed = (log.epoch - self.epochs_before).max(1) as f64;
        let epoch_seconds = self.started.elapsed().as_secs_f64() / n_epochs_timed;
        let n_epochs_left = (self.n_epochs - log.epoch) as f64;
        // Early stopping may end the training before the last epoch, so this is an upper bound.
        let left = Duration::from_secs_f64(epoch_seconds * n_epochs_left);
        self.bar.suspend(|| {
            gf_files::message!(
                "{}epoch {}/{}: loss {:.4}, validation loss {:.4}, AUC {:.4}; \
                 {:.1} samples/s, at most {} left",
                self.label,
                log.epoch,
                self.n_epochs,
                log.train_loss,
                log.validation_loss,
                log.validation_auroc,
                log.people_per_second,
                HumanDuration(left)
            );
        });
    }
}

//! A bar on the terminal for what takes longer than a second: bytes done of bytes to do, and the time left.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What is shorter is over before a bar helps.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks at the counter.
const STEP: Duration = Duration::from_millis(100);

/// Counts bytes, and shows them after a second if a person looks at standard error. Dropping it takes the bar away.
#[derive(Debug)]
pub(crate) struct Progress {
    done: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    painter: Option<JoinHandle<()>>,
}

impl Progress {
    /// Begins to count towards `total` bytes. `what` stands before the bar, such as `verify`.
    pub(crate) fn start(what: &'static str, total: u64, quiet: bool) -> Self {
        let (done, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let painter = (!quiet && io::stderr().is_terminal()).then(|| {
            let (done, stop) = (Arc::clone(&done), Arc::clone(&stop));
            thread::spawn(move || paint(what, total, &done, &stop))
        });
        Self { done, stop, painter }
    }

    /// The counter, to be raised by whoever reads.
    pub(crate) fn counter(&self) -> &AtomicU64 {
        &self.done
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(painter) = self.painter.take() {
            painter.thread().unpark();
            let _ = painter.join();
        }
    }
}

fn paint(what: &'static str, total: u64, done: &AtomicU64, stop: &AtomicBool) {
    thread::park_timeout(PATIENCE);
    if stop.load(Ordering::Relaxed) {
        return;
    }
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    let template = "{prefix} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta} left";
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_prefix(what);
    while !stop.load(Ordering::Relaxed) {
        bar.set_position(done.load(Ordering::Relaxed).min(total));
        thread::park_timeout(STEP);
    }
    bar.finish_and_clear();
}

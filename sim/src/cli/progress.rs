//! How far a long work has come, on standard error: a bar on a terminal, a line per second elsewhere. It decides nothing.

use std::io::IsTerminal as _;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const LINE_EVERY: Duration = Duration::from_secs(1);

/// Progress of work with a known number of steps.
pub struct Progress {
    what: &'static str,
    steps: &'static str,
    total: u64,
    bar: Option<ProgressBar>,
    began: Instant,
    lines: u32,
}

impl Progress {
    /// `total` runs of `what` are to come.
    pub fn new(what: &'static str, total: u64) -> Self {
        Self::of(what, "runs", total)
    }

    /// `total` steps of `what` are to come, by their name.
    pub fn of(what: &'static str, steps: &'static str, total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{msg} [{bar:30}] {pos}/{len}  {per_sec}  {eta} left");
            let style = style.expect("the template is a constant").progress_chars("=> ");
            ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr())
                .with_style(style)
                .with_message(what)
        });
        Self { what, steps, total, bar, began: Instant::now(), lines: 0 }
    }

    /// `done` steps are done, of which `failed` failed.
    pub fn at(&mut self, done: u64, failed: u64) {
        if let Some(bar) = &self.bar {
            if failed > 0 {
                bar.set_message(format!("{}, {failed} failed", self.what));
            }
            bar.set_position(done);
        } else if self.began.elapsed() >= LINE_EVERY * (self.lines + 1) {
            let seconds = self.began.elapsed().as_secs();
            self.lines = u32::try_from(seconds).unwrap_or(u32::MAX);
            tell!("{}: {done}/{} {} in {seconds} s, {failed} failed", self.what, self.total, self.steps);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Shows that one long step goes on, until it is dropped.
pub struct Going {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    bar: Option<ProgressBar>,
}

impl Going {
    /// `what` has begun.
    pub fn on(what: String) -> Self {
        if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new_spinner().with_message(what);
            bar.set_style(ProgressStyle::with_template("{spinner} {msg}  {elapsed}").expect("a constant"));
            bar.enable_steady_tick(Duration::from_millis(100));
            return Self { stop: None, thread: None, bar: Some(bar) };
        }
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            let mut seconds = 0;
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(LINE_EVERY) {
                seconds += 1;
                tell!("{what}: {seconds} s");
            }
        });
        Self { stop: Some(stop), thread: Some(thread), bar: None }
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It only prints; if that failed, nothing is lost.
            let _ = thread.join();
        }
    }
}

//! How far the needs have come, and telling people about it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use swarm_core::id::{NeedId, TaskName};
use swarm_core::plan::TaskState;
use swarm_core::register::{Ending, Event};
use swarm_core::slot::{Phase, Record};

/// What the requester believes of its needs.
#[derive(Debug, Default)]
pub struct Tally {
    /// Needs that were taken up.
    pub opened: BTreeSet<NeedId>,
    /// Results that are final.
    pub finals: BTreeSet<(NeedId, TaskName)>,
    /// Needs that are over.
    pub ended: BTreeMap<NeedId, Ending>,
}

impl Tally {
    /// What a need's record says after a restart.
    pub fn resume(&mut self, need: NeedId, record: &Record) {
        if record.phase != Phase::Absent {
            self.opened.insert(need);
        }
        if let Phase::Over(ending) = record.phase {
            self.ended.insert(need, ending);
        }
        let done = |state| matches!(state, TaskState::Final | TaskState::Settled | TaskState::Paid);
        let done = record.tasks.iter().filter(|(_, task)| done(task.state));
        self.finals.extend(done.map(|(name, _)| (need, name.clone())));
    }

    /// What became believed.
    pub fn fold(&mut self, need: NeedId, event: &Event) {
        match event {
            Event::Opening { .. } => drop(self.opened.insert(need)),
            Event::Final { record } => drop(self.finals.insert((need, record.task.clone()))),
            Event::Over { ending } => drop(self.ended.insert(need, *ending)),
            _ => {}
        }
    }
}

/// A bar on a terminal, a line per second elsewhere; on standard error, so that the summary stands alone.
pub struct Progress {
    bar: Option<ProgressBar>,
    needs: usize,
    tasks: u64,
    started: Instant,
    said: Instant,
}

impl Progress {
    /// For so many needs of so many tasks.
    pub fn start(needs: usize, tasks: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{elapsed_precise} {bar:30} {pos}/{len} tasks final, {msg}");
            ProgressBar::new(tasks).with_style(style.expect("the template is sound"))
        });
        Self { bar, needs, tasks, started: Instant::now(), said: Instant::now() }
    }

    /// Shows where it stands, not more often than people can read.
    pub fn show(&mut self, tally: &Tally) {
        let pause = Duration::from_millis(if self.bar.is_some() { 100 } else { 1_000 });
        if self.said.elapsed() < pause {
            return;
        }
        self.said = Instant::now();
        let ended = format!("{} of {} needs over", tally.ended.len(), self.needs);
        match &self.bar {
            Some(bar) => {
                bar.set_message(ended);
                bar.set_position(tally.finals.len() as u64);
            }
            None => {
                let seconds = self.started.elapsed().as_secs();
                tell!("{seconds} s: {} of {} tasks final, {ended}", tally.finals.len(), self.tasks);
            }
        }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

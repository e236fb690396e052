//! What happened to each need of one run, for people; from the history, in which every step has its time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, Color};
use swarm_core::id::{NeedId, TaskName};
use swarm_core::wire::ReleaseReason;

use super::human::{Style, number, section, short};
use super::span;
use crate::history::{Event, NeedEnd, NodeNo, Record, TaskEnd};

/// Whether [`needs`] reads events like this one: the rest of a history need not be kept for it.
pub fn reads(event: &Event) -> bool {
    need_of(event).is_some()
}

/// The need that an event is about, of those that the story is told from.
fn need_of(event: &Event) -> Option<&NeedId> {
    match event {
        Event::NeedPosted { need, .. }
        | Event::NeedOpened { need }
        | Event::Decided { need, .. }
        | Event::LeaseEnded { need, .. }
        | Event::Finalized { need, .. }
        | Event::TaskEnded { need, .. }
        | Event::NeedEnded { need, .. } => Some(need),
        _ => None,
    }
}

/// What is known of a need, by the first node that believed it.
#[derive(Default)]
struct Story {
    posted: u64,
    opened: Option<u64>,
    decided: bool,
    finals: BTreeSet<TaskName>,
    /// Tasks that failed, and how often each was given back, by reason, as each node tells it: who came late knows less.
    failed: BTreeSet<TaskName>,
    given_back: BTreeMap<TaskName, BTreeMap<NodeNo, BTreeMap<ReleaseReason, u64>>>,
    end: Option<(u64, NeedEnd)>,
}

impl Story {
    fn hear(&mut self, node: NodeNo, at: u64, event: &Event) {
        match event {
            Event::NeedOpened { .. } => self.opened = self.opened.or(Some(at)),
            Event::Decided { .. } => self.decided = true,
            Event::Finalized { task, .. } => drop(self.finals.insert(task.clone())),
            Event::LeaseEnded { reason, task, .. } => {
                let told = self.given_back.entry(task.clone()).or_default().entry(node).or_default();
                *told.entry(*reason).or_default() += 1;
            }
            Event::TaskEnded { how: TaskEnd::Failed, task, .. } => drop(self.failed.insert(task.clone())),
            Event::NeedEnded { how, .. } => self.end = self.end.or(Some((at, *how))),
            _ => {}
        }
    }

    /// Why it failed, as far as what was told says.
    fn why(&self) -> String {
        if self.opened.is_none() {
            return "it was never opened: refused, or its budget could not be had".to_owned();
        }
        if !self.decided {
            return "no plan was decided".to_owned();
        }
        let mut told = Vec::new();
        for task in &self.failed {
            let by_node = self.given_back.get(task).into_iter().flat_map(BTreeMap::values);
            told.push(match by_node.max_by_key(|reasons| reasons.values().sum::<u64>()) {
                Some(reasons) => {
                    let reasons = reasons.iter().map(|(reason, n)| match n {
                        1 => word(*reason).to_owned(),
                        _ => format!("{} {n} times", word(*reason)),
                    });
                    format!("{task} was given up ({})", reasons.collect::<Vec<_>>().join(", "))
                }
                None => format!("{task} rests on what failed"),
            });
        }
        if told.is_empty() { "what it wanted was not done".to_owned() } else { told.join("; ") }
    }
}

/// A reason for which a task is open again, in words.
fn word(reason: ReleaseReason) -> &'static str {
    match reason {
        ReleaseReason::Expired => "lease ran out",
        ReleaseReason::Yielded => "holder yielded",
        ReleaseReason::Failed => "result failed",
        ReleaseReason::Unseated => "no committee",
        ReleaseReason::Unbonded => "no bond",
        ReleaseReason::Unbid => "nobody bid",
        ReleaseReason::Voided => "what it rests on was void",
        ReleaseReason::Unruled => "nobody ruled on its dispute",
    }
}

/// What happened to each need, from the history: by the first node that believed it. Below the table, why those failed that did.
pub fn needs(history: &[Record], style: Style) -> String {
    let mut order: Vec<NeedId> = Vec::new();
    let mut stories: BTreeMap<NeedId, Story> = BTreeMap::new();
    for Record { at, event, node, .. } in history {
        if let Event::NeedPosted { need, .. } = event {
            order.push(*need);
            stories.insert(*need, Story { posted: *at, ..Story::default() });
        }
        if let Some(story) = need_of(event).and_then(|need| stories.get_mut(need)) {
            story.hear(*node, *at, event);
        }
    }
    let mut out = String::new();
    let mut table = style.table(&["need", "posted", "opened", "tasks final", "end", "after"]);
    let when = |at: Option<u64>| at.map_or_else(|| "never".to_owned(), span);
    let mut failures = String::new();
    for need in &order {
        let (name, story) = (short(&need.to_string()), &stories[need]);
        let (word, color) = match story.end {
            Some((_, NeedEnd::Closed)) => ("closed", Color::Green),
            Some((_, NeedEnd::Failed)) => ("failed", Color::Yellow),
            Some((_, NeedEnd::Cancelled)) => ("cancelled", Color::Yellow),
            Some((_, NeedEnd::Decoy)) => ("decoy", Color::Green),
            None => ("unfinished", Color::Yellow),
        };
        if word == "failed" {
            let _ = writeln!(failures, "\n{name} failed: {}", story.why());
        }
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        table.add_row([
            Cell::new(name),
            right(span(story.posted)),
            right(when(story.opened)),
            number(story.finals.len() as u64),
            Cell::new(word).fg(color),
            right(when(story.end.map(|(at, _)| at))),
        ]);
    }
    if !order.is_empty() {
        section(&mut out, &table);
    }
    out + &failures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::fixture;

    #[test]
    fn a_need_from_word_to_end() {
        let mut run = fixture::good();
        let text = needs(&run.records, Style::default());
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[1].starts_with("need") && lines[2].contains("closed"), "{text}");
        run.drop_all(|e| matches!(e, Event::NeedEnded { .. } | Event::NeedOpened { .. }));
        let text = needs(&run.records, Style::default());
        assert!(text.contains("unfinished") && text.matches("never").count() == 2, "{text}");
        assert_eq!(needs(&[], Style::default()), "");
    }

    #[test]
    fn a_need_that_failed_says_why() {
        let mut run = fixture::good();
        let (need, task, fence) = (fixture::need(), fixture::task(), swarm_core::id::Fence(2));
        run.edit_all(|event| match event {
            Event::NeedEnded { how, .. } => *how = NeedEnd::Failed,
            Event::TaskEnded { how, .. } => *how = TaskEnd::Failed,
            _ => {}
        });
        let told = |run: &fixture::Run| needs(&run.records, Style::default()).lines().last().unwrap_or("").to_owned();
        let why = format!("failed: {task} was given up (lease ran out)");
        assert!(told(&run).ends_with(&why), "{}", told(&run));
        // Whoever came late knows less; what one node tells twice happened twice.
        for node in [0, 0, 1] {
            run.tell(node, Event::LeaseEnded { fence, need, reason: ReleaseReason::Unbid, task: task.clone() });
        }
        let why = format!("failed: {task} was given up (lease ran out, nobody bid 2 times)");
        assert!(told(&run).ends_with(&why), "{}", told(&run));
        run.drop_all(|e| matches!(e, Event::LeaseEnded { .. }));
        assert!(told(&run).ends_with(&format!("failed: {task} rests on what failed")), "{}", told(&run));
        run.drop_all(|e| matches!(e, Event::Decided { .. }));
        assert!(told(&run).ends_with("failed: no plan was decided"), "{}", told(&run));
        run.drop_all(|e| matches!(e, Event::NeedOpened { .. }));
        assert!(told(&run).ends_with("failed: it was never opened: refused, or its budget could not be had"));
    }
}

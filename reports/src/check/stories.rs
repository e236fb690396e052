//! What became of each need, told from the history by the first node that believed it; judges nothing.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use swarm_core::id::{NeedId, TaskName};
use swarm_core::wire::ReleaseReason;

use crate::history::{Event, NeedEnd, NodeNo, Record, TaskEnd};
use crate::wide::Wide;

/// Tasks named where a need says why it failed or did not end.
const TASKS_NAMED_MAX: usize = 6;

/// Needs by what became of them. Every need posted is settled, failed, cancelled or unfinished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NeedCounts {
    /// Said by a requester.
    pub posted: u64,
    /// Their escrow was reserved.
    pub opened: u64,
    /// All their tasks are final.
    pub finalized: u64,
    /// Closed: every task ended and was paid.
    pub settled: u64,
    /// Taken back by their requester.
    pub cancelled: u64,
    /// Ended because they could not be served.
    pub failed: u64,
    /// Came to no end.
    pub unfinished: u64,
}

/// What became of one need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NeedStory {
    /// Its name.
    pub need: String,
    /// When it was posted, nanoseconds from the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posted_ns: Option<Wide>,
    /// When its escrow was reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened_ns: Option<Wide>,
    /// Tasks of the plan that was decided, if one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<u64>,
    /// Tasks with a final result.
    pub tasks_final: u64,
    /// How it ended, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<NeedEnd>,
    /// When it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ns: Option<Wide>,
    /// Why it failed, or how far it came if it did not end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl NeedStory {
    /// How it ended, in a word.
    pub fn end(&self) -> &'static str {
        self.end.map_or("unfinished", NeedEnd::as_str)
    }
}

/// Follows every need that was posted, opened or ended.
#[derive(Debug, Default)]
pub(crate) struct Stories {
    /// In the order in which they were first heard of.
    order: Vec<NeedId>,
    stories: BTreeMap<NeedId, Story>,
}

/// What is known of a need.
#[derive(Debug, Default)]
struct Story {
    posted: Option<u64>,
    opened: Option<u64>,
    decided: bool,
    tasks: Option<BTreeSet<TaskName>>,
    finals: BTreeSet<TaskName>,
    /// Tasks that failed, and how often each was given back, by reason, as each node tells it: who came late knows less.
    failed: BTreeSet<TaskName>,
    given_back: BTreeMap<TaskName, BTreeMap<NodeNo, BTreeMap<ReleaseReason, u64>>>,
    end: Option<(u64, NeedEnd)>,
}

impl Stories {
    pub fn see(&mut self, record: &Record) {
        let (at, node) = (record.at, record.node);
        match &record.event {
            Event::NeedPosted { need, .. } => {
                let story = self.begun(need);
                story.posted = story.posted.or(Some(at));
            }
            Event::NeedOpened { need } => {
                let story = self.begun(need);
                story.opened = story.opened.or(Some(at));
            }
            Event::NeedEnded { how, need } => {
                let story = self.begun(need);
                story.end = story.end.or(Some((at, *how)));
            }
            Event::Decided { need, .. } => self.told(need, |story| story.decided = true),
            Event::Planned { need, tasks, .. } => {
                self.told(need, |story| story.tasks = Some(tasks.iter().cloned().collect()));
            }
            Event::Finalized { need, task, .. } => self.told(need, |story| _ = story.finals.insert(task.clone())),
            Event::LeaseEnded { need, reason, task, .. } => self.told(need, |story| {
                let told = story.given_back.entry(task.clone()).or_default().entry(node).or_default();
                *told.entry(*reason).or_default() += 1;
            }),
            Event::TaskEnded { how: TaskEnd::Failed, need, task } => {
                self.told(need, |story| _ = story.failed.insert(task.clone()));
            }
            _ => {}
        }
    }

    fn begun(&mut self, need: &NeedId) -> &mut Story {
        self.stories.entry(*need).or_insert_with(|| {
            self.order.push(*need);
            Story::default()
        })
    }

    fn told(&mut self, need: &NeedId, hear: impl FnOnce(&mut Story)) {
        if let Some(story) = self.stories.get_mut(need) {
            hear(story);
        }
    }

    pub fn counts(&self) -> NeedCounts {
        let count = |of: &dyn Fn(&Story) -> bool| self.stories.values().filter(|story| of(story)).count() as u64;
        let ended = |end| count(&|story| story.end.map(|(_, how)| how) == end);
        NeedCounts {
            posted: self.stories.len() as u64,
            opened: count(&|story| story.opened.is_some()),
            finalized: count(&Story::all_final),
            settled: ended(Some(NeedEnd::Closed)),
            cancelled: ended(Some(NeedEnd::Cancelled)),
            failed: ended(Some(NeedEnd::Failed)),
            unfinished: ended(None),
        }
    }

    pub fn all(&self) -> Vec<NeedStory> {
        let story = |need| self.stories[need].tell(need);
        self.order.iter().map(story).collect()
    }
}

impl Story {
    /// A need that closed has no task that is not final, even where nobody told how many there are.
    fn all_final(&self) -> bool {
        self.end.is_some_and(|(_, how)| how == NeedEnd::Closed)
            || self.tasks.as_ref().is_some_and(|tasks| self.finals.len() >= tasks.len())
    }

    fn tell(&self, need: &NeedId) -> NeedStory {
        NeedStory {
            need: need.to_string(),
            posted_ns: self.posted.map(Wide),
            opened_ns: self.opened.map(Wide),
            tasks: self.tasks.as_ref().map(|tasks| tasks.len() as u64),
            tasks_final: self.finals.len() as u64,
            end: self.end.map(|(_, how)| how),
            ended_ns: self.end.map(|(at, _)| Wide(at)),
            why: match self.end {
                Some((_, NeedEnd::Failed)) => Some(self.why_it_failed()),
                Some(_) => None,
                None => Some(self.how_far_it_came()),
            },
        }
    }

    fn why_it_failed(&self) -> String {
        if self.opened.is_none() {
            return "it was never opened: refused, or its budget could not be had".to_owned();
        }
        if !self.decided {
            return "no plan was decided".to_owned();
        }
        let told = self.failed.iter().map(|task| match self.given_back(task) {
            Some(reasons) => format!("{task} was given up ({reasons})"),
            None => format!("{task} rests on what failed"),
        });
        few(told).unwrap_or_else(|| "what it wanted was not done".to_owned())
    }

    fn how_far_it_came(&self) -> String {
        if self.opened.is_none() {
            return "it was never opened".to_owned();
        }
        if !self.decided {
            return "no plan was decided".to_owned();
        }
        let open = self.tasks.iter().flatten().filter(|task| !self.finals.contains(*task));
        let told = open.map(|task| match self.given_back(task) {
            Some(reasons) => format!("{task} is not final ({reasons})"),
            None => format!("{task} is not final"),
        });
        few(told).unwrap_or_else(|| "what it wanted is done, and was not settled".to_owned())
    }

    /// Why a task was given back, and how often, as whoever knows most tells it.
    fn given_back(&self, task: &TaskName) -> Option<String> {
        let by_node = self.given_back.get(task)?.values();
        let reasons = by_node.max_by_key(|reasons| reasons.values().sum::<u64>())?.iter();
        let told = reasons.map(|(reason, n)| match n {
            1 => word(*reason).to_owned(),
            _ => format!("{} {n} times", word(*reason)),
        });
        Some(told.collect::<Vec<_>>().join(", "))
    }
}

/// These in one line, or nothing if there are none.
fn few(told: impl Iterator<Item = String>) -> Option<String> {
    let mut told: Vec<_> = told.collect();
    let more = told.len().saturating_sub(TASKS_NAMED_MAX);
    told.truncate(TASKS_NAMED_MAX);
    if more > 0 {
        told.push(format!("and so {more} more"));
    }
    (!told.is_empty()).then(|| told.join("; "))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::fixture::{self, good, need};

    fn stories(run: &fixture::Run) -> Stories {
        let mut stories = Stories::default();
        run.records.iter().for_each(|record| stories.see(record));
        stories
    }

    fn planned(tasks: &[&str]) -> Event {
        let tasks = tasks.iter().map(|name| swarm_core::id::label(name)).collect();
        Event::Planned { need: need(), tasks, wanted: [].into() }
    }

    #[test]
    fn a_need_is_finalized_when_all_its_tasks_are_final() {
        let mut run = good();
        run.drop_all(|e| matches!(e, Event::NeedEnded { .. }));
        let finalized = |tasks: &[&str]| {
            let mut run = run.clone();
            run.tell(0, planned(tasks));
            stories(&run).counts().finalized
        };
        assert_eq!((finalized(&["t"]), finalized(&["t", "u"])), (1, 0));
    }

    #[test]
    fn a_need_that_failed_says_why() {
        let mut run = good();
        let (need, task, fence) = (need(), fixture::task(), swarm_core::id::Fence(2));
        run.edit_all(|event| match event {
            Event::NeedEnded { how, .. } => *how = NeedEnd::Failed,
            Event::TaskEnded { how, .. } => *how = TaskEnd::Failed,
            _ => {}
        });
        let why = |run: &fixture::Run| stories(run).all()[0].why.clone().unwrap();
        assert_eq!(why(&run), format!("{task} was given up (lease ran out)"));
        // Whoever came late knows less; what one node tells twice happened twice.
        for node in [0, 0, 1] {
            run.tell(node, Event::LeaseEnded { fence, need, reason: ReleaseReason::Unbid, task: task.clone() });
        }
        assert_eq!(why(&run), format!("{task} was given up (lease ran out, nobody bid 2 times)"));
        run.drop_all(|e| matches!(e, Event::LeaseEnded { .. }));
        assert_eq!(why(&run), format!("{task} rests on what failed"));
        run.drop_all(|e| matches!(e, Event::Decided { .. }));
        assert_eq!(why(&run), "no plan was decided");
        run.drop_all(|e| matches!(e, Event::NeedOpened { .. }));
        assert_eq!(why(&run), "it was never opened: refused, or its budget could not be had");
    }

    #[test]
    fn a_need_without_end_says_how_far_it_came() {
        let mut run = good();
        let task = fixture::task();
        assert_eq!(stories(&run).all()[0].why, None);
        run.drop_all(|e| matches!(e, Event::NeedEnded { .. }));
        run.tell(0, planned(&[task.as_str()]));
        let why = |run: &fixture::Run| stories(run).all()[0].why.clone().unwrap();
        assert_eq!(why(&run), "what it wanted is done, and was not settled");
        run.drop_all(|e| matches!(e, Event::Finalized { .. }));
        assert_eq!(why(&run), format!("{task} is not final (lease ran out)"));
        run.tell(0, planned(&["a", "b", "c", "d", "e", "f", "g", "h"]));
        assert!(why(&run).ends_with("; f is not final; and so 2 more"), "{}", why(&run));
        run.drop_all(|e| matches!(e, Event::Decided { .. }));
        assert_eq!(why(&run), "no plan was decided");
        run.drop_all(|e| matches!(e, Event::NeedOpened { .. }));
        assert_eq!(why(&run), "it was never opened");
    }
}

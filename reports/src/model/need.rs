//! One need, as the model keeps it: what each command may do, by PROTOCOL 5 to 8.
//!
//! A command is judged by one function that either says why not (`None`) or does it, and writes down what happened in the
//! words of the history, to be held against what was told. What follows from it is in `follow`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use swarm_core::bids::Bid;
use swarm_core::config::Params;
use swarm_core::id::{AgentId, Cid, Digest, Epoch, Fence, NeedId, Segment, Seq, TaskName, Thread};
use swarm_core::members::Mandate;
use swarm_core::register::{Answer, Ask, Command, Counted, Ending, Event as Did, Proof, Says};
use swarm_core::slot::Waiting;
use swarm_core::time::Span;
use swarm_core::wire::{Body, Envelope, Evidence, Expires, FinalizeRecord, Need as Text, Role, SnapshotRef, Windows};

use super::decoy::Wrong;
use super::dispute::Dispute;
use super::plan::Planned;

/// What is registered of an agent.
#[derive(Clone, Debug)]
pub struct Standing {
    pub manifest: Cid,
    pub org: String,
    pub reputation_bp: u32,
    pub roles: Vec<Role>,
    pub can: Vec<swarm_core::id::Label>,
    /// Credits at hand.
    pub free: u64,
}

/// What a need looks up elsewhere.
pub trait Elsewhere {
    fn params(&self) -> &Params;
    /// How many seats the register has, and whether `agent` was given one by the genesis.
    fn members(&self) -> usize;
    /// How many of them have to see a wait through: those that do not lie are then a majority of all that do not.
    fn through(&self) -> usize {
        (self.members() + self.params().liars_max as usize) / 2 + 1
    }
    /// Whether there is anybody who has the last word.
    fn has_arbiters(&self) -> bool;
    fn is_founder(&self, agent: &AgentId) -> bool;
    fn standing(&self, snapshot: u32, agent: &AgentId) -> Option<&Standing>;
    /// What the system thread told as event `at` of its entry `seq`.
    fn told(&self, seq: Seq, at: u32) -> Option<&Did>;
}

/// Where a need stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    #[default]
    Absent,
    Opening,
    Open,
    Decided,
    Over,
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    #[default]
    Idle,
    Granting,
    Leased,
    Drawing,
    Verifying,
    Final,
    Settled,
    Paid,
    Failed,
    Cancelled,
}

impl Stage {
    pub fn has_result(self) -> bool {
        matches!(self, Self::Final | Self::Settled | Self::Paid)
    }

    pub fn is_over(self) -> bool {
        matches!(self, Self::Paid | Self::Failed | Self::Cancelled)
    }
}

/// The winner of a task, and what was carved for it.
#[derive(Clone, Debug)]
pub struct Winner {
    pub bid: Bid,
    pub fees: u64,
    pub org: String,
    /// How long it may hold the task in all, and what of that follows when the running segment is over; milliseconds.
    pub granted_ms: u64,
    pub rest_ms: u32,
}

#[derive(Clone, Debug, Default)]
pub struct Task {
    pub stage: Stage,
    pub fence: Fence,
    pub attempts: u32,
    /// Bid windows in a row without a grant, and draws without a committee.
    pub dry: u32,
    pub draws: u32,
    pub best: Option<Bid>,
    pub offers: BTreeMap<AgentId, u32>,
    pub barred: BTreeSet<AgentId>,
    pub winner: Option<Winner>,
    /// The grants of its parents when it was granted.
    pub began_on: Vec<Fence>,
    pub commit: Option<Arc<Envelope>>,
    pub seats: Vec<AgentId>,
    pub k: u32,
    pub snapshot: SnapshotRef,
    pub result: Option<Arc<FinalizeRecord>>,
    pub unchallenged: bool,
    pub dispute: Option<Dispute>,
    /// Who asked to be heard against the result, and who was; how many of the task's results were void.
    pub asked: BTreeMap<AgentId, u32>,
    pub challengers: BTreeSet<AgentId>,
    /// It was found wrong after it was settled.
    pub found_late: bool,
    /// What was said against it and not found so, by how far up that was taken: what people differ about.
    pub heard: Vec<(Evidence, usize)>,
    /// Who passed the result with a proof of work that was not ruled false.
    pub proven: BTreeSet<AgentId>,
    pub voided: u32,
    /// Its last result, if that was found wrong, until the task is granted again.
    pub wrong: Option<Wrong>,
}

/// A running wait.
#[derive(Clone, Debug)]
pub struct Watch {
    pub segment: Segment,
    pub total: Span,
    pub seen: BTreeMap<AgentId, Span>,
}

#[derive(Clone, Debug)]
pub struct Decision {
    pub proposal: Arc<Envelope>,
    pub digest: Digest,
    pub plan: BTreeMap<TaskName, Planned>,
    pub counted: Vec<Counted>,
}

/// One need.
#[derive(Clone, Debug)]
pub struct Need {
    pub id: NeedId,
    pub seq: Seq,
    pub phase: Phase,
    pub text: Option<Arc<Envelope>>,
    pub epoch: Epoch,
    pub snapshot: SnapshotRef,
    pub k: u32,
    pub voters: Vec<AgentId>,
    pub proposals: BTreeMap<Cid, (Arc<Envelope>, u32)>,
    pub candidates: Vec<Cid>,
    pub decision: Option<Decision>,
    pub tasks: BTreeMap<TaskName, Task>,
    pub waits: BTreeMap<Waiting, Watch>,
    pub segment: Segment,
    pub asked: u32,
    /// Asks that wait for their answer, by where they stand.
    pub open_asks: BTreeMap<(Seq, u32), Option<TaskName>>,
    pub budget: u64,
    pub fees: u64,
    pub acts: BTreeSet<Cid>,
    /// Seats of the register that changed hands: who held it, who holds it.
    pub handed: Vec<(AgentId, AgentId)>,
    /// How often the register was restored, and whether that wants another epoch.
    pub generation: u32,
    /// The generation in which the register was last founded anew.
    pub founded: u32,
    /// The last mandate that took effect.
    pub mandated: Digest,
    pub owes_epoch: bool,
    pub winners: Vec<String>,
    /// What the present entry did so far.
    pub out: Vec<Did>,
}

/// What a command comes to.
pub enum Said {
    Does(Vec<Did>),
    Refused,
    /// It rests on something that this model does not keep.
    CannotTell,
}

impl Need {
    pub fn new(id: NeedId) -> Self {
        Self {
            id,
            seq: Seq(0),
            phase: Phase::Absent,
            text: None,
            epoch: Epoch(0),
            snapshot: SnapshotRef::default(),
            k: 0,
            voters: Vec::new(),
            proposals: BTreeMap::new(),
            candidates: Vec::new(),
            decision: None,
            tasks: BTreeMap::new(),
            waits: BTreeMap::new(),
            segment: Segment(0),
            asked: 0,
            open_asks: BTreeMap::new(),
            budget: 0,
            fees: 0,
            acts: BTreeSet::new(),
            handed: Vec::new(),
            generation: 0,
            founded: 0,
            mandated: Digest::default(),
            owes_epoch: false,
            winners: Vec::new(),
            out: Vec::new(),
        }
    }

    /// Applies the command of the next entry.
    pub fn apply(&mut self, command: &Command, elsewhere: &impl Elsewhere) -> Said {
        self.seq = self.seq.next();
        self.out.clear();
        let evidence: Vec<&Arc<Envelope>> = match command {
            Command::Act(envelope) => vec![envelope],
            Command::Count(votes) => votes.iter().collect(),
            Command::Word(_) | Command::Relay(_) | Command::Mandate(_) => Vec::new(),
            _ => return Said::CannotTell,
        };
        if let Command::Act(envelope) = command
            && self.acts.contains(&envelope.id())
        {
            return Said::Refused;
        }
        for envelope in &evidence {
            match envelope.expires {
                Some(Expires::Lamport(_)) => return Said::CannotTell,
                Some(Expires::Register(last)) if self.seq > last => return Said::Refused,
                _ => {}
            }
        }
        let engine = self.text.as_ref().map(|need| need.policy.engine);
        let governed = |e: &Envelope| engine.is_none_or(|engine| engine == e.policy.engine);
        let fits =
            self.phase != Phase::Over && evidence.iter().all(|e| e.thread == Thread::Need(self.id) && governed(e));
        let done = match command {
            _ if !fits => None,
            Command::Act(envelope) => self.act(envelope, elsewhere),
            Command::Count(votes) => self.count(votes, elsewhere),
            Command::Relay(proof) => match self.answered(proof, elsewhere) {
                Some(true) => Some(()),
                Some(false) => None,
                None => return Said::CannotTell,
            },
            Command::Word(word) => match word.says {
                Says::Elapsed { elapsed, segment } if word.thread == Thread::Need(self.id) => {
                    self.elapsed(word.by, elapsed, segment, elsewhere)
                }
                _ => None,
            },
            Command::Mandate(mandate) => self.replace(mandate, elsewhere),
            _ => None,
        };
        if done.is_none() {
            return Said::Refused;
        }
        if let Command::Act(envelope) = command {
            self.acts.insert(envelope.id());
        }
        while self.phase != Phase::Over
            && (self.rise(elsewhere) || self.end_a_wait(elsewhere) || self.move_a_task(elsewhere))
        {}
        Said::Does(std::mem::take(&mut self.out))
    }

    pub fn text(&self) -> Option<&Text> {
        match &self.text.as_ref()?.body {
            Body::Need(text) => Some(text),
            _ => None,
        }
    }

    pub fn windows(&self) -> Windows {
        self.text().expect("asked of open needs only").windows
    }

    pub fn did(&mut self, event: Did) {
        self.out.push(event);
    }

    pub fn ask(&mut self, ask: Ask) {
        self.asked += 1;
        let about = match &ask {
            Ask::Grant { task, .. } | Ask::Seats { task, .. } | Ask::Contest { task, .. } | Ask::Mask { task, .. } => {
                Some(Some(task.clone()))
            }
            Ask::Escrow { .. } | Ask::Voters { .. } => Some(None),
            _ => None,
        };
        if let Some(about) = about {
            self.open_asks.insert((self.seq, self.out.len() as u32), about);
        }
        self.did(Did::Asked { ask, number: self.asked });
    }

    pub fn wait(&mut self, waiting: Waiting, ms: u32) {
        self.wait_span(waiting, Span::from_ms(u64::from(ms)));
    }

    pub fn wait_span(&mut self, waiting: Waiting, total: Span) {
        self.segment = Segment(self.segment.0 + 1);
        let segment = self.segment;
        self.waits.insert(waiting.clone(), Watch { segment, total, seen: BTreeMap::new() });
        self.did(Did::WaitOpened { segment, total, waiting });
    }

    pub fn stop(&mut self, waiting: Waiting) {
        if self.waits.remove(&waiting).is_some() {
            self.did(Did::WaitClosed { waiting });
        }
    }

    /// A proved answer: `Some(true)` if it is taken.
    fn answered(&mut self, proof: &Proof, elsewhere: &impl Elsewhere) -> Option<bool> {
        let (Thread::System, Some(claim @ Did::Answered { answer, at, need, seq })) = (proof.thread, proof.claim())
        else {
            return Some(false);
        };
        if *need != self.id || !self.open_asks.contains_key(&(*seq, *at)) {
            return Some(false);
        }
        // Whether enough vouched for it is not recounted: what the system thread did is known here.
        if elsewhere.told(proof.entry.seq, proof.at)? != claim {
            return Some(false);
        }
        self.take_answer(answer, (*seq, *at), elsewhere);
        Some(true)
    }

    /// Whether `agent` holds a seat of the register, as far as this need was told.
    fn speaks(&self, agent: &AgentId, elsewhere: &impl Elsewhere) -> bool {
        let left = self.handed.iter().any(|(old, _)| old == agent);
        let came = self.handed.iter().any(|(_, new)| new == agent);
        !left && (came || elsewhere.is_founder(agent))
    }

    /// A seat changes hands.
    fn replace(&mut self, mandate: &Arc<Mandate>, elsewhere: &impl Elsewhere) -> Option<()> {
        if mandate.after != self.mandated {
            return None;
        }
        if !mandate.handovers().all(|handover| self.speaks(&handover.old, elsewhere)) {
            return None;
        }
        if let Some(generation) = mandate.generation() {
            if self.phase == Phase::Absent || generation <= self.generation {
                return None;
            }
            (self.generation, self.owes_epoch) = (generation, matches!(self.phase, Phase::Opening | Phase::Open));
        }
        self.founded = mandate.founding().unwrap_or(self.founded);
        self.mandated = mandate.id();
        for handover in mandate.handovers() {
            self.handed.push((handover.old, handover.new));
            self.waits.values_mut().for_each(|watch| {
                watch.seen.remove(&handover.old);
            });
        }
        let mandate = Arc::clone(mandate);
        self.did(match mandate.generation() {
            Some(_) => Did::Restored { mandate },
            None => Did::Replaced { mandate },
        });
        Some(())
    }

    fn elapsed(&mut self, by: AgentId, elapsed: Span, segment: Segment, elsewhere: &impl Elsewhere) -> Option<()> {
        let watch = self.waits.values().find(|watch| watch.segment == segment)?;
        let capped = elapsed.min(watch.total);
        let heard = watch.seen.get(&by).is_some_and(|seen| *seen >= capped);
        if heard || !self.speaks(&by, elsewhere) {
            return None;
        }
        let watch = self.waits.values_mut().find(|watch| watch.segment == segment)?;
        watch.seen.insert(by, capped);
        self.did(Did::Reported { by, elapsed, segment });
        Some(())
    }
}

impl Need {
    pub fn take_answer(&mut self, answer: &Answer, place: (Seq, u32), elsewhere: &impl Elsewhere) {
        let task = self.open_asks.remove(&place).flatten();
        self.did(Did::Answered { answer: answer.clone(), at: place.1, need: self.id, seq: place.0 });
        match (answer, task) {
            (Answer::Escrowed { k_plan, snapshot, voters } | Answer::Voters { k_plan, snapshot, voters }, None) => {
                (self.phase, self.k, self.snapshot) = (Phase::Open, *k_plan, *snapshot);
                self.voters.clone_from(voters);
                let (epoch, k_plan, snapshot) = (self.epoch, *k_plan, *snapshot);
                self.did(Did::Opened { epoch, k_plan, snapshot, voters: voters.clone() });
                let windows = self.windows();
                if self.candidates.is_empty() {
                    self.wait(Waiting::Proposals, windows.proposals_ms);
                } else {
                    self.wait(Waiting::Decision, windows.decision_ms);
                }
            }
            (Answer::Denied(_), None) if self.phase == Phase::Open => self.close(Ending::Failed),
            (Answer::Denied(_), None) => self.over(Ending::Failed),
            (answer, Some(task)) if self.tasks.get(&task).is_some_and(Task::is_being_unmasked) => {
                self.take_mask(answer, &task, elsewhere);
            }
            (answer, Some(task)) => self.take_task_answer(answer, &task, elsewhere),
            _ => {}
        }
    }
}

//! What the hosts saw, told as a history and judged as it comes.
//!
//! A node's notes say what it believes; the recorder puts them into the history's words, one record per node and belief. It
//! knows no rule of the protocol: where a word of the history needs something told earlier (who proposed what), it looks it
//! up in what the same node told before.
//!
//! A node that restarts may be handed an entry again which it told before it crashed. It tells the link again, which must be
//! the same; what the entry did is told once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use swarm_core::form::Form;
use swarm_core::id::{AgentId, Cid, Digest, Epoch, Fence, Label, NeedId, Segment, Seq, TaskName, Thread};
use swarm_core::ledger::{Booking, Ledger};
use swarm_core::node::{Note, Pool, proof_key};
use swarm_core::plan::Fact;
use swarm_core::register::{Applied, Ask, Bench, Chain, Command, Ending, Event as Did, Outcome, Says, Word};
use swarm_core::reject::Reject;
use swarm_core::wire::{
    Attest, Body, Challenge, Envelope, Evidence, FinalizeRecord, Need, ReleaseReason, SnapshotRef, Verdict, canonical,
};
use swarm_reports::check::{End, Judge, Judgement};
use swarm_reports::history::{
    AlarmKind, Claim, Event, NeedEnd, NodeNo, PoolMember, PoolSnapshot, Record, TaskEnd, WORLD,
};

use crate::policies;
use crate::world::books;
use crate::world::void::{About, Void};

/// What one node told of one need so far.
#[derive(Default)]
struct Told {
    epoch: Epoch,
    k_plan: u32,
    snapshot: SnapshotRef,
    /// What it asks for, and how long a lease of it is.
    produces: Vec<Label>,
    forms: BTreeMap<Label, Form>,
    lease_ms: u32,
    proposals: BTreeMap<Cid, Arc<Envelope>>,
    tasks: BTreeMap<TaskName, TaskTold>,
    renewals: u64,
}

#[derive(Default)]
struct TaskTold {
    fence: Fence,
    worker: AgentId,
    eta_ms: u32,
    commit: Cid,
    /// The COMMIT itself.
    committed: Option<Arc<Envelope>>,
    /// What is disputed, if it is told apart: the mark of its being upheld.
    disputed: Option<(Cid, &'static str)>,
    /// The proofs in the verdicts that counted.
    proofs: BTreeMap<AgentId, Digest>,
    /// The result that stands.
    record: Option<Arc<FinalizeRecord>>,
    k_result: u32,
    /// What its result was masked by, as its requester says.
    mask: Digest,
    /// A bid is kept in the open window.
    bid: bool,
    workers: BTreeSet<AgentId>,
}

/// What a challenge of a COMMIT, or of a verdict on it, calls untrue.
fn disputed(challenge: &Envelope, committed: &Envelope, of: &TaskTold, forms: &BTreeMap<Label, Form>) -> Claim {
    let (Body::Challenge(said), Body::Commit(commit)) = (&challenge.body, &committed.body) else {
        return Claim::Lawful;
    };
    match &said.evidence {
        Evidence::OutputMismatch { label } => {
            Claim::Output(commit.outputs.keys().take_while(|output| *output != label).count() as u32)
        }
        Evidence::StretchMismatch { stretch } => {
            Claim::Stretch { at: *stretch, states: commit.states.as_slice().into() }
        }
        Evidence::PolicyBreach { rule, .. } if rule.as_str() == "telemetry" => Claim::Took(commit.telemetry),
        Evidence::PolicyBreach { .. } => Claim::Lawful,
        Evidence::SchemaViolation { label, pointer, .. } => {
            let schema = forms.get(label).and_then(|form| form.schema.clone()).unwrap_or_default();
            let artifact = commit.outputs.get(label).copied().unwrap_or_default();
            Claim::Form { artifact, pointer: pointer.clone(), schema: Box::new(schema) }
        }
        Evidence::MissingCitation { label, pointer } => {
            Claim::Cited { artifact: commit.outputs.get(label).copied().unwrap_or_default(), pointer: pointer.clone() }
        }
        Evidence::SemanticContradiction { .. } => Claim::Sense,
        Evidence::FalseProof { verifier } => Claim::Proof {
            by: *verifier,
            key: proof_key(verifier, &committed.id(), of.fence),
            said: of.proofs.get(verifier).copied().unwrap_or_default(),
        },
    }
}

/// What a coordinator's node was at when its clock was looked at.
pub enum Shown<'a> {
    /// It took an entry in.
    Took(Thread, Seq),
    /// It gave its word.
    Says(&'a Word),
    /// It did the last thing that its disk holds of a boot.
    Kept,
}

/// Gathers a history and judges it.
pub struct Recorder {
    judge: Judge,
    /// Where the register may be founded anew: what is told is judged at the end.
    void: Option<Void>,
    /// The entry that is being told of.
    about: Option<About>,
    /// The entry of the system thread that was applied last, and by whom.
    took: Option<(u32, About)>,
    /// What is told is known already.
    muted: bool,
    /// Records of the present instant, not stamped yet.
    fresh: Vec<(NodeNo, Event, Option<About>)>,
    told: BTreeMap<(u32, NeedId), Told>,
    /// The last entry that each node told as believed, and the last whose bookings it told.
    believed: BTreeMap<(u32, Thread), Seq>,
    booked: BTreeMap<u32, Seq>,
    /// Those who lie: what they tell is no evidence.
    liars: BTreeSet<NodeNo>,
    honest: BTreeSet<AgentId>,
    /// The last entry of each thread that was told whole, by whoever applied it first of those that do not lie.
    ordered: BTreeMap<(bool, Thread), Seq>,
    /// The history, if somebody wants to keep it.
    pub kept: Vec<Record>,
    keep: bool,
    pub envelopes: u64,
    seen: BTreeSet<Cid>,
    /// Needs in which somebody commits to what is wrong on purpose, and who; and those COMMITs.
    planted: BTreeMap<NeedId, AgentId>,
    decoys: BTreeSet<Cid>,
    /// Honest verifiers that said something against a result, and which COMMITs those are.
    objected: BTreeSet<(AgentId, Cid)>,
    /// Needs in the order posted, with how they ended where the requester knows.
    pub posted: Vec<NeedId>,
    pub over: BTreeMap<NeedId, Ending>,
}

impl Recorder {
    pub fn new(keep: bool) -> Self {
        Self {
            judge: Judge::new(policies::library()),
            void: None,
            about: None,
            took: None,
            muted: false,
            fresh: Vec::new(),
            told: BTreeMap::new(),
            believed: BTreeMap::new(),
            booked: BTreeMap::new(),
            ordered: BTreeMap::new(),
            liars: BTreeSet::new(),
            honest: BTreeSet::new(),
            kept: Vec::new(),
            keep,
            envelopes: 0,
            seen: BTreeSet::new(),
            planted: BTreeMap::new(),
            decoys: BTreeSet::new(),
            objected: BTreeSet::new(),
            posted: Vec::new(),
            over: BTreeMap::new(),
        }
    }

    /// The register of these coordinators may be founded anew.
    pub fn expect_void(&mut self, coordinators: u32) {
        self.void = Some(Void::new(coordinators));
    }

    /// It was, on this base; the hosts from `first` on are its members.
    pub fn founded_anew(&mut self, first: u32, base: BTreeMap<Thread, Chain>) {
        if let Some(void) = &mut self.void {
            void.founded(first, base);
        }
        self.mark("register-founded-anew");
    }

    pub fn world(&mut self, event: Event) {
        if let Event::Genesis { parties, .. } = &event {
            self.liars = parties.iter().filter(|party| !party.honest).map(|party| party.node).collect();
            self.honest = parties.iter().filter(|party| party.honest).map(|party| party.agent).collect();
        }
        self.fresh.push((WORLD, event, None));
    }

    pub fn mark(&mut self, mark: &'static str) {
        self.world(Event::mark(mark));
    }

    pub fn tell(&mut self, no: u32, event: Event) {
        if !self.muted {
            self.fresh.push((NodeNo(no), event, self.about));
        }
    }

    /// Everything told since the last call happened at `at`.
    pub fn stamp(&mut self, at: u64) {
        for (node, event, about) in self.fresh.drain(..) {
            let record = Record { at, event, node };
            match &mut self.void {
                Some(void) => void.see(record.clone(), about),
                None => self.judge.see(&record),
            }
            if self.keep {
                self.kept.push(record);
            }
        }
    }

    pub fn finish(&mut self, end: &End) -> Judgement {
        match &self.void {
            Some(void) => void.judge(end),
            None => self.judge.finish(end),
        }
    }

    /// This takes effect: those who are honest have signed what is shown in their names.
    fn signed(&mut self, command: &Command) {
        let shown = match command {
            Command::Act(act) => std::slice::from_ref(act),
            Command::Count(votes) => votes.as_slice(),
            _ => &[],
        };
        for envelope in shown {
            let (id, sender) = (envelope.id(), envelope.sender);
            if self.honest.contains(&sender) && !self.seen.contains(&id) {
                self.world(Event::Forged { envelope: id, sender });
            }
        }
    }

    /// A host signed this.
    pub fn published(&mut self, no: u32, envelope: &Envelope) {
        if !self.seen.insert(envelope.id()) {
            return;
        }
        self.envelopes += 1;
        match (&envelope.body, envelope.thread) {
            (Body::Need(body), Thread::Need(need)) => {
                self.need_posted(no, need, body, envelope.sender);
            }
            // What is said of a result is held against what is believed of it.
            (Body::Finalize(record), Thread::Need(need)) => {
                let (fence, task, bytes) = (record.fence, record.task.clone(), canonical::to_vec(record));
                self.tell(no, Event::Announced { fence, need, record: bytes.into(), task });
            }
            (Body::Attest(said), thread) => {
                self.attested(envelope);
                if let Thread::Need(need) = thread
                    && !self.liars.contains(&NodeNo(no))
                {
                    self.failed(no, need, said, envelope);
                }
            }
            (Body::Commit(_), Thread::Need(need)) if self.planted.get(&need) == Some(&envelope.sender) => {
                self.decoys.insert(envelope.id());
            }
            (Body::Challenge(said), Thread::Need(need)) if !self.liars.contains(&NodeNo(no)) => {
                self.objected(no, need, said, envelope);
            }
            (Body::Yield(_), _) => self.mark("task-yielded"),
            (Body::Refuse(_), _) => self.mark("task-refused"),
            _ => {}
        }
    }

    /// An honest worker does as its need's requester asked: what it commits to from here on is wrong on purpose.
    pub fn planted(&mut self, need: NeedId, requester: AgentId, worker: AgentId, task: TaskName, outputs: Arc<[Cid]>) {
        self.planted.insert(need, worker);
        self.world(Event::Planted { need, outputs, requester, task, worker });
    }

    /// A verifier signed this verdict, whatever its node knows of it.
    pub fn attested(&mut self, verdict: &Envelope) {
        if let (Body::Attest(attest), Thread::Need(need)) = (&verdict.body, verdict.thread)
            && attest.verdict == Verdict::Pass
            && self.decoys.contains(&attest.commit)
        {
            self.world(Event::Betrayed { commit: attest.commit, need, verifier: verdict.sender });
        }
    }

    /// An honest verifier fails a result because it got another.
    fn failed(&mut self, no: u32, need: NeedId, said: &Attest, verdict: &Envelope) {
        let is_other = said.reasons.iter().any(|reason| reason.as_str() == "output-mismatch");
        if let Some(fence) = verdict.fence.filter(|_| said.verdict == Verdict::Fail && is_other) {
            let (challenge, challenger, claim) = (verdict.id(), verdict.sender, Claim::Whole);
            let (commit, task) = (said.commit, said.task.clone());
            self.tell(no, Event::Objected { challenge, challenger, claim, commit, fence, need, task });
        }
    }

    /// An honest verifier says what is wrong with a result, for the first time or again.
    fn objected(&mut self, no: u32, need: NeedId, said: &Challenge, challenge: &Envelope) {
        if !self.objected.insert((challenge.sender, said.commit)) {
            return self.mark("objection-repeated");
        }
        let Some(told) = self.told.get(&(no, need)) else { return };
        let Some(of) = told.tasks.get(&said.task).filter(|of| of.commit == said.commit) else { return };
        let Some(committed) = &of.committed else { return };
        // Whoever is slow may speak of an attempt that is over.
        let (claim, fence) = (disputed(challenge, committed, of, &told.forms), challenge.fence.unwrap_or(of.fence));
        let (challenge, challenger) = (challenge.id(), challenge.sender);
        let (commit, task) = (said.commit, said.task.clone());
        self.tell(no, Event::Objected { challenge, challenger, claim, commit, fence, need, task });
    }

    fn need_posted(&mut self, no: u32, need: NeedId, asked: &Need, requester: AgentId) {
        self.posted.push(need);
        let event = Event::NeedPosted {
            budget: asked.budget,
            fee: asked.fee,
            fees: asked.fees,
            k_plan: asked.k_plan,
            k_result: asked.k_result,
            need,
            requester,
        };
        self.tell(no, event);
    }

    /// A coordinator's node took this entry in, or submitted this, when its own clock showed so much.
    pub fn clock(&mut self, no: u32, agent: AgentId, (boot, mono_ns): (u32, u64), shown: Shown<'_>) {
        let event = match shown {
            Shown::Took(thread, seq) => {
                self.about = Some((thread, seq));
                Event::Took { agent, boot, mono_ns, seq, thread }
            }
            Shown::Says(word) => match word.says {
                Says::Elapsed { elapsed, segment } => {
                    Event::Timed { agent, boot, elapsed, mono_ns, segment, thread: word.thread }
                }
                Says::Anchor { .. } | Says::Reveal { .. } => return,
            },
            Shown::Kept => Event::Kept { agent, boot, mono_ns },
        };
        self.tell(no, event);
        self.about = None;
    }

    /// A node told something.
    pub fn note(&mut self, no: u32, note: Note) {
        match &note {
            Note::Believed { entry, thread, .. } => self.about = Some((*thread, entry.seq)),
            Note::Applied { entry, thread, .. } => self.about = Some((*thread, entry.seq)),
            Note::Booked { seq, .. } => self.about = Some((Thread::System, *seq)),
            // A snapshot follows the entry that took it.
            Note::Pool(_) => self.about = self.took.filter(|(by, _)| *by == no).map(|(_, about)| about),
            _ => self.about = None,
        }
        if let (Note::Applied { thread: Thread::System, .. }, Some(about)) = (&note, self.about) {
            self.took = Some((no, about));
        }
        self.tell_of(no, note);
        self.about = None;
    }

    fn tell_of(&mut self, no: u32, note: Note) {
        match note {
            Note::Believed { entry, link, thread } => {
                self.tell(no, Event::Believed { link, seq: entry.seq, thread });
                if advances(self.believed.entry((no, thread)).or_default(), entry.seq) {
                    self.believed(no, thread, &entry);
                }
            }
            Note::Applied { command, entry, link, thread } => {
                self.tell(no, Event::Applied { link, seq: entry.seq, thread });
                let mut anew = false;
                if let Some(void) = &mut self.void {
                    void.applied(no, thread, &entry);
                    // What it is founded on is of the lost one: mostly told by a member of that, or else by the first to find it on
                    // a disk whose owner never came to apply it.
                    anew = void.is_new(no) && entry.seq > void.kept(thread);
                }
                if !self.liars.contains(&NodeNo(no))
                    && advances(self.ordered.entry((anew, thread)).or_default(), entry.seq)
                {
                    if matches!(entry.outcome, Outcome::Did(_)) {
                        self.signed(&command);
                    }
                    self.tell(no, Event::Ordered { command, entry, thread });
                }
            }
            Note::Refused { reject, .. } => self.tell(no, Event::Refused { reason: reject }),
            // It came to an end before anyone heard of it: one that nobody tells of would never be missed.
            Note::NeedRefused { asked, need, reject, requester } => {
                self.need_posted(no, need, &asked, requester);
                if reject == Reject::PolicyDenied {
                    self.mark("need-refused");
                }
                self.tell(no, Event::Refused { reason: reject });
                self.over.insert(need, Ending::Failed);
                self.tell(no, Event::NeedEnded { how: NeedEnd::Failed, need });
            }
            Note::Disagreed { engine, need, votes } => {
                self.mark("policy-disagreed");
                self.tell(no, Event::Disagreed { engine, need, votes });
            }
            Note::Diverged { thread, entry } => {
                let what = format!("what is believed at {} of {thread} is not what was applied", entry.seq);
                self.tell(no, Event::Alarm { kind: AlarmKind::Internal, what });
            }
            Note::Booked { bookings, seq } => self.booked(no, &bookings, seq),
            Note::Pool(pool) => self.tell(no, Event::SnapshotTaken(Arc::new(told_pool(&pool)))),
            Note::Reconciled { kept, need, orphaned, .. } => {
                self.fold_anew(no, need, kept);
                if let Some((epoch, proposal)) = orphaned {
                    self.tell(no, Event::Voided { epoch, need, proposal });
                }
                self.mark("belief-voided");
            }
            Note::Retired { .. } => self.mark("member-retired"),
            Note::Mark(mark) => self.tell(no, Event::Mark(mark)),
        }
    }

    /// A node forgot what it believed of a need beyond `kept`, and tells from there on.
    fn fold_anew(&mut self, no: u32, need: NeedId, kept: Seq) {
        self.believed.insert((no, Thread::Need(need)), kept);
        self.told.remove(&(no, need));
        self.over.remove(&need);
        if let Some(void) = &mut self.void {
            void.forgot(no, need, self.fresh.len());
        }
        let prefix = self.void.as_ref().map(|void| void.prefix(need, kept)).unwrap_or_default();
        self.muted = true;
        for entry in prefix {
            self.believed(no, Thread::Need(need), &entry);
        }
        self.muted = false;
    }

    /// The books, as the entry at `seq` of the system thread changed them; what a node tells again, it told.
    fn booked(&mut self, no: u32, bookings: &[Booking], seq: Seq) {
        // The genesis is booked at zero.
        if !advances(self.booked.entry(no).or_default(), seq.next()) {
            return;
        }
        for event in books::told(bookings) {
            self.tell(no, Event::Ledger(event));
        }
    }

    /// The results that stand, by need: as those of `nodes` say who believe most of it and do not lie. Who died on the way may
    /// hold one that was made void since.
    pub fn results(&self, nodes: &BTreeSet<NodeNo>) -> BTreeMap<NeedId, Vec<Arc<FinalizeRecord>>> {
        let mut best: BTreeMap<NeedId, (Seq, &Told)> = BTreeMap::new();
        for ((no, need), told) in &self.told {
            let believed = self.believed.get(&(*no, Thread::Need(*need))).copied().unwrap_or_default();
            let counts = nodes.contains(&NodeNo(*no)) && !self.liars.contains(&NodeNo(*no));
            if counts && best.get(need).is_none_or(|(most, _)| believed > *most) {
                best.insert(*need, (believed, told));
            }
        }
        let standing = |told: &Told| told.tasks.values().filter_map(|task| task.record.clone()).collect();
        best.into_iter().map(|(need, (_, told))| (need, standing(told))).collect()
    }

    /// A coordinator's books at the end.
    pub fn books(&mut self, no: u32, books: &Ledger) {
        self.tell(no, Event::Ledger(books::whole(books)));
    }

    fn believed(&mut self, no: u32, thread: Thread, entry: &Applied) {
        for event in entry.outcome.events() {
            match thread {
                Thread::System => self.believed_system(no, event),
                Thread::Need(need) => self.believed_need(no, need, event),
            }
        }
    }

    /// Liens are booked and ended in the system thread's entries.
    fn believed_system(&mut self, no: u32, did: &Did) {
        match did {
            Did::Registered { .. } => self.mark("agent-joined"),
            Did::Governed { .. } => self.mark("policy-changed"),
            Did::Replaced { .. } => self.mark("member-replaced"),
            Did::Restored { .. } => self.mark("register-restored"),
            Did::Answered { at, need, seq, .. } | Did::Told { at, need, seq } => {
                self.tell(no, Event::Discharged { at: *at, need: *need, seq: *seq });
            }
            _ => {}
        }
    }

    fn believed_need(&mut self, no: u32, need: NeedId, did: &Did) {
        let told = self.told.entry((no, need)).or_default();
        let event = match did {
            Did::Opening { need: text } => {
                if let Body::Need(text) = &text.body {
                    (told.produces, told.lease_ms) = (text.produces.clone(), text.windows.lease_ms);
                    told.forms.clone_from(&text.forms);
                }
                return;
            }
            Did::Opened { epoch, k_plan, snapshot, voters } => {
                let first = told.k_plan == 0;
                (told.epoch, told.k_plan, told.snapshot) = (*epoch, *k_plan, *snapshot);
                let event =
                    Event::Voters { epoch: *epoch, need, snapshot: *snapshot, voters: voters.as_slice().into() };
                self.tell(no, event);
                if !first {
                    return self.mark("epoch-advanced");
                }
                Event::NeedOpened { need }
            }
            Did::Proposed { proposal, .. } => {
                told.proposals.insert(proposal.id(), Arc::clone(proposal));
                return;
            }
            Did::Decided { counted, proposal } => {
                // The others are over.
                let envelope = std::mem::take(&mut told.proposals).remove(proposal);
                let planner = envelope.as_ref().map(|plan| plan.sender).unwrap_or_default();
                let (tasks, wanted) = envelope.map(|plan| planned(&plan, &told.produces)).unwrap_or_default();
                let decided = Event::Decided {
                    approvals: counted.iter().map(|c| c.verifier).collect(),
                    epoch: told.epoch,
                    k: told.k_plan,
                    need,
                    planner,
                    proposal: *proposal,
                    snapshot: told.snapshot,
                };
                self.tell(no, decided);
                Event::Planned { need, tasks, wanted }
            }
            Did::Granting { bid, task, .. } => {
                let task = told.tasks.entry(task.clone()).or_default();
                (task.worker, task.eta_ms) = (bid.agent, bid.eta_ms);
                return;
            }
            Did::Bidding { task } => {
                told.tasks.entry(task.clone()).or_default().bid = false;
                return;
            }
            Did::Bid { task, .. } => {
                if core::mem::replace(&mut told.tasks.entry(task.clone()).or_default().bid, true) {
                    self.mark("bid-beaten");
                }
                return;
            }
            Did::Leased { fence, task } => {
                let (epoch, lease_ms) = (told.epoch, told.lease_ms);
                let of = told.tasks.entry(task.clone()).or_default();
                of.fence = *fence;
                let (worker, eta_ms) = (of.worker, of.eta_ms);
                let again = !of.workers.is_empty() && !of.workers.contains(&worker);
                of.workers.insert(worker);
                let (fence, task) = (*fence, task.clone());
                self.tell(no, Event::Granted { epoch, eta_ms, fence, lease_ms, need, task, worker });
                if again {
                    self.mark("task-reassigned");
                }
                return;
            }
            Did::Renewed { fence, more_ms, task } => {
                told.renewals += 1;
                let segment = Segment(told.renewals);
                Event::Renewed { fence: *fence, more_ms: *more_ms, need, segment, task: task.clone() }
            }
            Did::Released { fence, reason, task } => {
                // A bid window without a grant ends no lease.
                if matches!(reason, ReleaseReason::Unbid | ReleaseReason::Unbonded) {
                    return;
                }
                let event = Event::LeaseEnded { fence: *fence, need, reason: *reason, task: task.clone() };
                if *reason == ReleaseReason::Expired {
                    self.mark("lease-expired");
                }
                event
            }
            Did::Accepted { commit, fence, task } => {
                let of = told.tasks.entry(task.clone()).or_default();
                of.commit = commit.id();
                of.committed = Some(Arc::clone(commit));
                Event::Accepted { commit: of.commit, fence: *fence, need, task: task.clone(), worker: commit.sender }
            }
            Did::Seated { k_result, seats, seed, snapshot, task } => {
                let of = told.tasks.entry(task.clone()).or_default();
                of.k_result = *k_result;
                let (commit, snapshot) = (of.commit, *snapshot);
                Event::Seated {
                    commit,
                    need,
                    seats: seats.as_slice().into(),
                    seed: *seed,
                    snapshot,
                    task: task.clone(),
                }
            }
            Did::Judged { counted, task, verdict } => {
                let of = told.tasks.entry(task.clone()).or_default();
                of.proofs = counted.iter().filter_map(|c| Some((c.verifier, c.proof?))).collect();
                Event::Tallied {
                    commit: of.commit,
                    counted: counted.iter().map(|c| c.verifier).collect(),
                    k: of.k_result,
                    need,
                    task: task.clone(),
                    verdict: *verdict,
                }
            }
            Did::Final { record } => {
                let bytes: Arc<[u8]> = canonical::to_vec(&**record).into();
                told.tasks.entry(record.task.clone()).or_default().record = Some(Arc::clone(record));
                Event::Finalized { fence: record.fence, need, record: bytes, task: record.task.clone() }
            }
            Did::Challenged { challenge, task, .. } => {
                let of = told.tasks.entry(task.clone()).or_default();
                let (commit, fence) = (of.commit, of.fence);
                let claim =
                    of.committed.as_ref().map_or(Claim::Lawful, |commit| disputed(challenge, commit, of, &told.forms));
                of.disputed = match claim {
                    Claim::Stretch { .. } => Some((challenge.id(), "stretch-upheld")),
                    Claim::Output(_) => Some((challenge.id(), "output-upheld")),
                    _ => None,
                };
                self.mark("result-challenged");
                Event::Challenged {
                    challenge: challenge.id(),
                    challenger: challenge.sender,
                    claim,
                    commit,
                    fence,
                    need,
                    task: task.clone(),
                }
            }
            Did::Asked { ask: Ask::Contest { bench: Bench::Larger | Bench::Arbiters, .. }, .. } => {
                return self.mark("challenge-escalated");
            }
            Did::Asked { ask: Ask::Rule { bench: Bench::Arbiters, ruling: Some(_), .. }, .. } => {
                return self.mark("arbiters-ruled");
            }
            Did::Ruled { challenge, counted, ruling, task } => {
                let of = told.tasks.get(task).and_then(|of| of.disputed);
                if let Some((_, mark)) = of.filter(|(id, _)| *ruling == Some(true) && id == challenge) {
                    self.mark(mark);
                }
                self.mark(match ruling {
                    Some(true) => "challenge-upheld",
                    Some(false) => "challenge-dismissed",
                    None => "challenge-unruled",
                });
                let panel = counted.iter().map(|c| c.verifier).collect();
                Event::Ruled { challenge: *challenge, need, panel, ruling: *ruling, task: task.clone() }
            }
            Did::Invalidated { commit, offenders, task, .. } => {
                let of = told.tasks.entry(task.clone()).or_default();
                of.record = None;
                let fence = of.fence;
                let (commit, offenders) = (*commit, offenders.as_slice().into());
                self.tell(no, Event::Invalidated { commit, fence, need, offenders, task: task.clone() });
                Event::LeaseEnded { fence, need, reason: ReleaseReason::Failed, task: task.clone() }
            }
            Did::Unmasking { task, unmask } => {
                if let Body::Unmask(said) = &unmask.body {
                    told.tasks.entry(task.clone()).or_default().mask = said.mask;
                }
                return;
            }
            Did::Unmasked { decoy, task } => {
                let of = told.tasks.entry(task.clone()).or_default();
                let (commit, mask) = (of.commit, of.mask);
                if *decoy {
                    self.mark("decoy-revealed");
                }
                Event::Unmasked { commit, decoy: *decoy, mask, need, task: task.clone() }
            }
            Did::Asked { ask: Ask::Expose { caught, passed, price, task, worker, .. }, .. } => {
                if !caught.is_empty() {
                    self.mark("decoy-caught");
                }
                if !passed.is_empty() {
                    self.mark("decoy-passed-slashed");
                }
                let (caught, passed) = (caught.as_slice().into(), passed.as_slice().into());
                Event::Exposed { caught, need, passed, price: *price, task: task.clone(), worker: *worker }
            }
            Did::Settled { payouts, task } => {
                Event::Settled { need, payouts: payouts.as_slice().into(), task: task.clone() }
            }
            Did::Paid { task } => {
                self.tell(no, Event::Paid { need, task: task.clone() });
                Event::TaskEnded { how: TaskEnd::Paid, need, task: task.clone() }
            }
            Did::TaskEnded { ending, task } => {
                let how = match ending {
                    Ending::Cancelled => TaskEnd::Cancelled,
                    Ending::Decoy => TaskEnd::Decoy,
                    Ending::Closed | Ending::Failed => TaskEnd::Failed,
                };
                Event::TaskEnded { how, need, task: task.clone() }
            }
            Did::Over { ending } => {
                if self.over.insert(need, *ending).is_none() {
                    self.mark(match ending {
                        Ending::Closed => "need-settled",
                        Ending::Failed => "need-failed",
                        Ending::Cancelled => "need-cancelled",
                        Ending::Decoy => "need-was-decoy",
                    });
                }
                let how = match ending {
                    Ending::Closed => NeedEnd::Closed,
                    Ending::Failed => NeedEnd::Failed,
                    Ending::Cancelled => NeedEnd::Cancelled,
                    Ending::Decoy => NeedEnd::Decoy,
                };
                Event::NeedEnded { how, need }
            }
            _ => return,
        };
        self.tell(no, event);
    }
}

/// The tasks of a proposal, and those among them that make what the need asks for.
fn planned(proposal: &Envelope, produces: &[Label]) -> (Arc<[TaskName]>, Arc<[TaskName]>) {
    let facts = match &proposal.body {
        Body::Propose(plan) => plan.patch.as_slice(),
        _ => &[],
    };
    let makes = |fact: &Fact| match fact {
        Fact::AddTask { produces, task, .. } => Some((task.clone(), produces.clone())),
        Fact::Produces { label, task } => Some((task.clone(), vec![label.clone()])),
        _ => None,
    };
    let makers: Vec<_> = facts.iter().filter_map(makes).collect();
    let tasks: BTreeSet<_> = makers.iter().map(|(task, _)| task.clone()).collect();
    let wanted = makers.into_iter().filter(|(_, labels)| labels.iter().any(|label| produces.contains(label)));
    let wanted: BTreeSet<_> = wanted.map(|(task, _)| task).collect();
    (tasks.into_iter().collect(), wanted.into_iter().collect())
}

/// Whether `seq` is beyond `last`, which it then becomes.
fn advances(last: &mut Seq, seq: Seq) -> bool {
    let beyond = seq > *last;
    *last = seq.max(*last);
    beyond
}

fn told_pool(pool: &Pool) -> PoolSnapshot {
    let members = pool.snapshot.seats().iter().zip(&pool.standing).map(|(seat, (stake, reputation_bp))| PoolMember {
        agent: seat.identity.agent,
        asn: seat.identity.asn.clone(),
        org: seat.identity.org.clone(),
        region: seat.identity.region.clone(),
        reputation_bp: *reputation_bp,
        stake: *stake,
        weight: seat.weight.0,
    });
    PoolSnapshot {
        active: pool.snapshot.active(),
        bootstrap: pool.snapshot.bootstrap(),
        members: members.collect(),
        snapshot: pool.snapshot.reference(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use swarm_core::id::{Lamport, Nonce, label};
    use swarm_core::identity::Keys;
    use swarm_core::time::WallTime;
    use swarm_core::wire::{CapabilityRef, Commit, Content, Draft, PolicyRef, trace_of};

    /// What `keys` say in `thread` under this fence.
    fn said(keys: &Keys, thread: Thread, fence: u64, body: Body) -> Envelope {
        let capability = CapabilityRef { manifest: Cid::default(), name: label("verify") };
        keys.sign(Draft::new(Content {
            body,
            capability,
            epoch: Some(Epoch(1)),
            expires: None,
            fence: Some(Fence(fence)),
            lamport: Lamport(1),
            nonce: Nonce(1),
            policy: PolicyRef::default(),
            refs: Vec::new(),
            sender: keys.agent(),
            target: None,
            thread,
            time: WallTime(0),
            trace: trace_of(thread, None),
        }))
    }

    /// A challenge is of the attempt that it names, also where the node that says it has since heard of the next one.
    #[test]
    fn a_late_word_is_of_the_attempt_that_it_was_said_about() {
        let keys = [1, 2].map(|n| Keys::from_seed(&Digest([n; 32])));
        let (need, task) = (NeedId::of(&keys[0].agent(), Nonce(1)), label("cut"));
        let thread = Thread::Need(need);
        let body = Commit {
            outputs: [(label("words"), Cid::of(b"x"))].into(),
            states: Vec::new(),
            task: task.clone(),
            telemetry: Default::default(),
        };
        let committed = Arc::new(said(&keys[0], thread, 1, Body::Commit(body)));
        let commit = committed.id();
        let mut recorder = Recorder::new(true);
        let of = TaskTold { commit, committed: Some(committed), fence: Fence(2), ..TaskTold::default() };
        recorder.told.insert((0, need), Told { tasks: [(task.clone(), of)].into(), ..Told::default() });
        let evidence = Evidence::OutputMismatch { label: label("words") };
        let challenge = said(&keys[1], thread, 1, Body::Challenge(Challenge { commit, evidence, task }));
        recorder.published(0, &challenge);
        recorder.stamp(1);
        let fences: Vec<Fence> = (recorder.kept.iter())
            .filter_map(|record| match record.event {
                Event::Objected { fence, .. } => Some(fence),
                _ => None,
            })
            .collect();
        assert_eq!(fences, [Fence(1)]);
    }
}

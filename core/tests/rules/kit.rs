//! A stage for one need: real signed envelopes, the need's slot, the system slot, and a follower that folds the events.
//!
//! A case reads like text: `stage.act("w1", "claim count 5")` is an envelope of agent `w1`; what comes back are the names of
//! the events, or the refusal.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use swarm_core::config::{Params, ms};
use swarm_core::genesis::{Genesis, Holding, Member};
use swarm_core::id::*;
use swarm_core::identity::Keys;
use swarm_core::members::{Act, Mandate, Succession};
use swarm_core::plan::{Fact, TaskState};
use swarm_core::register::{Applied, Chain, Command, Event, Outcome, Proof, Says, Word};
use swarm_core::reject::Reject;
use swarm_core::reveal;
use swarm_core::slot::{Phase, Record, Waiting};
use swarm_core::system::System;
use swarm_core::time::{Span, WallTime};
use swarm_core::wire::*;

/// What a step did: names of its events.
pub type Told = Result<String, Reject>;

pub const LINKS: u32 = 64;

pub fn keys(name: &str) -> Keys {
    Keys::from_seed(&Digest::sha256(name.as_bytes()))
}

pub fn id_of(name: &str) -> AgentId {
    keys(name).agent()
}

/// A coordinator's word.
pub fn word(by: &str, thread: Thread, says: Says) -> Command {
    let keys = keys(by);
    Command::Word(Word { by: keys.agent(), says, thread }.sign(keys.signing()))
}

/// What a coordinator's stopwatch shows.
pub fn timed(by: &str, thread: Thread, elapsed: Span, segment: Segment) -> Command {
    word(by, thread, Says::Elapsed { elapsed, segment })
}

/// An event's name, with the wait or the task that it is about where there is one.
pub fn name(event: &Event) -> String {
    let text = format!("{event:?}");
    text.split([' ', '{', '(']).next().unwrap_or_default().to_string()
}

fn labels(text: &str) -> Vec<Label> {
    text.split_whitespace().map(label).collect()
}

pub fn task(name: &str, requires: &str, produces: &str) -> Fact {
    Fact::AddTask { job: label("job"), produces: labels(produces), requires: labels(requires), task: label(name) }
}

/// Cut, then finish: the second task needs what the first makes.
pub fn two_steps() -> Vec<Fact> {
    vec![task("cut", "text", "part"), task("join", "part", "total")]
}

/// `n` tasks that need nothing of each other.
pub fn side_by_side(n: usize) -> Vec<Fact> {
    let mut plan = vec![task("t0", "text", "total")];
    plan.extend((1..n).map(|n| task(&format!("t{n}"), "text", &format!("o{n}"))));
    plan
}

/// A deployment of `coordinators` with twelve verifiers, three workers, two planners and a requester.
pub fn genesis(coordinators: usize, edit: impl FnOnce(&mut Params)) -> (Genesis, BTreeMap<String, Keys>) {
    let mut params = Params { reveals: LINKS, ..Params::default() };
    edit(&mut params);
    let mut people = BTreeMap::new();
    let mut manifests = Vec::new();
    let mut holdings = BTreeMap::new();
    let roles = [
        ("c", coordinators, vec![Role::Coordinator]),
        ("v", 12, vec![Role::Verifier]),
        ("w", 3, vec![Role::Worker]),
        ("p", 2, vec![Role::Planner]),
        ("r", 1, vec![Role::Requester]),
    ];
    for (letter, count, roles) in roles {
        for n in 1..=count {
            let name = format!("{letter}{n}");
            let keys = keys(&name);
            manifests.push(manifest_envelope(&name, roles.clone()));
            holdings.insert(keys.agent(), Holding { balance: Credits(1_000_000), stake: Credits(10_000) });
            people.insert(name, keys);
        }
    }
    let mut members: Vec<Member> = (1..=coordinators)
        .map(|n| Member {
            agent: people[&format!("c{n}")].agent(),
            anchor: chains(&format!("c{n}"), &params).anchor(0),
        })
        .collect();
    members.sort_by_key(|m| m.agent);
    let genesis = Genesis {
        arbiters: Vec::new(),
        capsule: Cid::default(),
        coordinators: members,
        engine: Digest::default(),
        holdings,
        manifests,
        mints: vec![],
        params,
        policy_keys: Vec::new(),
        recovery: recovery().iter().map(Keys::agent).collect(),
    };
    (genesis, people)
}

/// The recovery keys, rising.
pub fn recovery() -> Vec<Keys> {
    let mut all: Vec<Keys> = (1..=3).map(|n| keys(&format!("recovery{n}"))).collect();
    all.sort_by_key(Keys::agent);
    all
}

/// The MANIFEST of `name`, signed.
pub fn manifest_envelope(name: &str, roles: Vec<Role>) -> Arc<Envelope> {
    let keys = keys(name);
    let content = content_of(&keys, Thread::System, Body::Manifest(manifest_of(name, roles)), Cid::default());
    Arc::new(keys.sign(Draft::new(content)))
}

/// What gives the seat of `old` to `new`.
pub fn replace(old: &str, new: &str) -> Act {
    let manifest = manifest_envelope(new, vec![Role::Coordinator]);
    let anchor = chains(new, &Params { reveals: LINKS, ..Params::default() }).anchor(0);
    Act::Replace(Succession { manifest, new: Member { agent: id_of(new), anchor }, old: id_of(old) })
}

/// A mandate that two of the three recovery keys signed.
pub fn mandate(genesis: &Genesis, old: &str, new: &str, after: Digest) -> Arc<Mandate> {
    Arc::new(Mandate::sign(replace(old, new), after, &genesis.digest(), &recovery()[..2]))
}

pub fn chains(name: &str, params: &Params) -> reveal::Chains {
    reveal::Chains::new(Digest::sha256(name.as_bytes()), params.reveals)
}

/// What coordinator `name` reveals in `round` of its founding chain.
pub fn value(name: &str, round: u32) -> Digest {
    let params = Params { reveals: LINKS, ..Params::default() };
    chains(name, &params).value(0, round).expect("the chain is long enough")
}

pub fn manifest_of(name: &str, roles: Vec<Role>) -> Manifest {
    let capability =
        Capability { input: String::new(), name: label("job"), output: String::new(), tags: vec![], version: 1 };
    Manifest {
        agent: id_of(name),
        asn: format!("asn-{name}"),
        capabilities: vec![capability],
        constraints: vec![],
        org: format!("org-{name}"),
        price_floor: Credits(1),
        region: format!("region-{name}"),
        roles,
        sealing: Digest::default(),
        stake_account: id_of(name),
        tier: 0,
        zones: vec![],
    }
}

pub fn content_of(keys: &Keys, thread: Thread, body: Body, manifest: Cid) -> Content {
    Content {
        body,
        capability: CapabilityRef { manifest, name: label("job") },
        epoch: None,
        expires: None,
        fence: None,
        lamport: Lamport(1),
        nonce: Nonce(1),
        policy: PolicyRef::default(),
        refs: vec![],
        sender: keys.agent(),
        target: None,
        thread,
        time: WallTime(0),
        trace: trace_of(thread, None),
    }
}

/// Vouches for links in the name of the first `voices` coordinators.
pub fn vouchers(names: &[String], thread: Thread, entry: &Applied) -> Vec<Arc<Envelope>> {
    names.iter().map(|name| entry_batch(name, thread, entry.seq, &[entry.link(thread)], Digest::default())).collect()
}

/// An ENTRY of coordinator `name`.
pub fn entry_batch(name: &str, thread: Thread, first: Seq, links: &[Digest], prev: Digest) -> Arc<Envelope> {
    let mut chain = Chain { head: prev, seq: Seq(first.0 - 1) };
    links.iter().for_each(|link| chain.push(link));
    let keys = keys(name);
    let body = Body::Entry(EntryBatch { first, head: chain.head, links: links.to_vec(), prev });
    Arc::new(keys.sign(Draft::new(content_of(&keys, thread, body, Cid::default()))))
}

/// One need on its way, and everything it needs.
pub struct Stage {
    pub people: BTreeMap<String, Keys>,
    pub genesis: Arc<Genesis>,
    pub system: System,
    pub system_seq: Seq,
    pub need: NeedId,
    pub record: Record,
    pub follower: Record,
    pub seq: Seq,
    /// Entries of either thread whose asks and answers were not carried yet.
    pub mail: VecDeque<(Thread, Applied)>,
    pub body: Need,
    pub coordinators: Vec<String>,
    pub believe_at: usize,
    nonce: u64,
    fences: BTreeMap<TaskName, Fence>,
    /// All events so far.
    pub log: Vec<Event>,
}

impl Stage {
    /// Three coordinators, default parameters, a need that can pay.
    pub fn new() -> Self {
        Self::with(3, |_| {}, |_| {})
    }

    pub fn with(coordinators: usize, params: impl FnOnce(&mut Params), need: impl FnOnce(&mut Need)) -> Self {
        Self::under(&[], coordinators, params, need)
    }

    /// With these verifiers as arbiters.
    pub fn under(
        arbiters: &[&str],
        coordinators: usize,
        params: impl FnOnce(&mut Params),
        need: impl FnOnce(&mut Need),
    ) -> Self {
        let (mut genesis, people) = genesis(coordinators, params);
        genesis.arbiters = arbiters.iter().map(|name| id_of(name)).collect::<BTreeSet<_>>().into_iter().collect();
        genesis.check().expect("the stage's genesis is sound");
        let genesis = Arc::new(genesis);
        let mut body = Need {
            budget: Credits(100),
            class: Class::Simple,
            deadline_ms: 600_000,
            fee: Credits(2),
            fees: Credits(60),
            forms: [].into(),
            k_plan: 3,
            k_result: 3,
            produces: labels("total"),
            recipe: label("job"),
            requires: [(label("text"), Cid::of(b"text"))].into(),
            supersedes: None,
            windows: Windows {
                bids_ms: 30_000,
                challenge_ms: 100_000,
                decision_ms: 60_000,
                lease_ms: 60_000,
                proposals_ms: 30_000,
                verify_ms: 60_000,
            },
        };
        need(&mut body);
        let id = NeedId::of(&id_of("r1"), Nonce(1));
        let believe_at = genesis.params.believe_at(coordinators);
        Self {
            people,
            system: System::new(Arc::clone(&genesis)),
            system_seq: Seq(0),
            need: id,
            record: Record::new(id),
            follower: Record::new(id),
            seq: Seq(0),
            mail: VecDeque::new(),
            body,
            coordinators: (1..=coordinators).map(|n| format!("c{n}")).collect(),
            believe_at,
            nonce: 1,
            fences: BTreeMap::new(),
            genesis,
            log: Vec::new(),
        }
    }

    pub fn thread(&self) -> Thread {
        Thread::Need(self.need)
    }

    /// An envelope of `who`, under the epoch and fence that are the record's now where the verb needs them.
    pub fn say(&mut self, who: &str, body: Body) -> Arc<Envelope> {
        self.say_with(who, body, |_| {})
    }

    pub fn say_with(&mut self, who: &str, body: Body, edit: impl FnOnce(&mut Content)) -> Arc<Envelope> {
        let manifest = self.genesis.manifest(&id_of(who)).map_or_else(Cid::default, |(e, _)| e.id());
        let (kind, epoch, fence) = body.verb().fields();
        let thread = if kind == ThreadKind::System { Thread::System } else { self.thread() };
        let named = match &body {
            Body::Claim(b) => Some(&b.task),
            Body::Heartbeat(b) => Some(&b.task),
            Body::Yield(b) => Some(&b.task),
            Body::Commit(b) => Some(&b.task),
            Body::Attest(b) => Some(&b.task),
            Body::Challenge(b) => Some(&b.task),
            Body::Verdict(b) => Some(&b.task),
            Body::Unmask(b) => Some(&b.task),
            _ => None,
        };
        let held = named.and_then(|t| self.record.tasks.get(t)).map(|t| t.fence);
        let first = body.verb() == Verb::Need;
        let keys = keys(who);
        let mut content = content_of(&keys, thread, body, manifest);
        if epoch == Field::Needed {
            content.epoch = Some(self.record.epoch);
        }
        if fence != Field::Barred {
            content.fence =
                held.filter(|f| fence == Field::Needed || f.0 > 0).or((fence == Field::Needed).then_some(Fence(0)));
        }
        if !first {
            self.nonce += 1;
        }
        content.nonce = Nonce(if first { 1 } else { self.nonce });
        content.lamport = Lamport(self.nonce);
        edit(&mut content);
        Arc::new(keys.sign(Draft::new(content)))
    }

    /// Applies a command to the need, holding everything that must hold after any step.
    pub fn submit(&mut self, command: Command) -> Told {
        let before = format!("{:?}", self.record);
        let seq = self.seq.next();
        self.seq = seq;
        let checked = self.record.check(seq, &command, &self.system);
        let outcome = self.record.apply(seq, &command, &self.system);
        match &outcome {
            Err(reject) => {
                assert_eq!(format!("{:?}", self.record), before, "a refusal changes nothing");
                assert_eq!(checked, Err(*reject), "check knows it");
            }
            Ok(events) => {
                assert_eq!(checked, Ok(()), "check knows it");
                for (event, at) in events.iter().zip(0..) {
                    if let Event::Granting { fence, task, .. } = event {
                        assert!(self.fences.get(task).is_none_or(|last| fence > last), "every grant has a fresh fence");
                    }
                    self.follower.fold(seq, at, event);
                }
                self.log.extend(events.iter().cloned());
            }
        }
        self.hold();
        let outcome = Outcome::from(outcome);
        let told = match &outcome {
            Outcome::Did(events) => Ok(events.iter().map(name).collect::<Vec<_>>().join(" ")),
            Outcome::Refused(reject) => Err(*reject),
        };
        self.mail.push_back((self.thread(), Applied::new(command.id(), outcome, seq)));
        told
    }

    /// Applies a command to the system thread.
    pub fn submit_system(&mut self, command: Command) -> Told {
        self.system_seq = self.system_seq.next();
        let seq = self.system_seq;
        let before = self.system.ledger().digest();
        let outcome = Outcome::from(self.system.apply(seq, &command));
        self.system.ledger().check_full();
        let told = match &outcome {
            Outcome::Did(events) => Ok(events.iter().map(name).collect::<Vec<_>>().join(" ")),
            Outcome::Refused(reject) => {
                assert_eq!(self.system.ledger().digest(), before, "a refusal moves nothing");
                Err(*reject)
            }
        };
        self.hold();
        self.mail.push_back((Thread::System, Applied::new(command.id(), outcome, seq)));
        told
    }

    /// What must hold at any time.
    fn hold(&mut self) {
        assert_eq!(shared(&self.record), shared(&self.follower), "who folds the events holds the same record");
        let params = &self.genesis.params;
        for (name, task) in &self.record.tasks {
            let last = self.fences.entry(name.clone()).or_default();
            assert!(task.fence >= *last, "fences never fall");
            *last = task.fence;
            assert!(task.attempts <= params.attempts_max, "attempts are bounded");
            assert_eq!(
                task.lease.is_some(),
                !matches!(task.state, TaskState::Idle | TaskState::Failed | TaskState::Cancelled),
                "a lease is held from Granting on: {:?}",
                task.state
            );
        }
        if self.record.is_over() {
            assert!(self.record.waits.is_empty(), "who has ended waits for nothing");
        }
        // What the slot thinks is left and what its escrow holds differ by what attempts on their way hold.
        let carved: u64 = (self.record.tasks.values())
            .filter(|t| !matches!(t.state, TaskState::Paid))
            .filter_map(|t| t.lease.as_ref())
            .map(|l| l.bid.cost.0 + l.fees.0)
            .sum();
        if self.record.need.is_some() {
            let left = self.record.budget.0 + self.record.fees.0 + carved;
            assert!(left <= self.body.budget.0 + self.body.fees.0, "the slot made credits");
        }
    }

    /// A coordinator's proof of the `at`-th event of an entry.
    pub fn proof(&self, thread: Thread, entry: &Applied, at: usize) -> Proof {
        let names = &self.coordinators[..self.believe_at];
        Proof { at: at as u32, entry: entry.clone(), thread, vouchers: vouchers(names, thread, entry) }
    }

    /// Commands that carry what was asked and answered and not carried yet.
    pub fn letters(&mut self) -> Vec<(Thread, Command)> {
        let mut letters = Vec::new();
        while let Some((thread, entry)) = self.mail.pop_front() {
            for (at, event) in entry.outcome.events().iter().enumerate() {
                let to = match (thread, event) {
                    (Thread::Need(_), Event::Asked { .. }) => Thread::System,
                    (Thread::System, Event::Answered { need, .. }) => Thread::Need(*need),
                    _ => continue,
                };
                letters.push((to, Command::Relay(self.proof(thread, &entry, at))));
            }
        }
        letters
    }

    /// Carries everything asked and answered until nothing is on its way. Says what the need was told.
    pub fn relay(&mut self) -> String {
        let mut told = Vec::new();
        loop {
            let letters = self.letters();
            if letters.is_empty() {
                return told.join(" ");
            }
            for (to, command) in letters {
                if to == Thread::System {
                    self.submit_system(command).expect("asks are carried in order");
                } else if let Ok(events) = self.submit(command) {
                    told.push(events);
                }
            }
        }
    }

    /// `who` says `words` to the need: see `parse`.
    pub fn act(&mut self, who: &str, words: &str) -> Told {
        let body = self.parse(words);
        let envelope = self.say(who, body);
        self.submit(Command::Act(envelope))
    }

    pub fn parse(&self, words: &str) -> Body {
        let words: Vec<&str> = words.split_whitespace().collect();
        let of = |at: usize| label(words[at]);
        let number = |at: usize| words.get(at).map_or(1, |w| w.parse().unwrap());
        match words[0] {
            "need" => Body::Need(self.body.clone()),
            "propose" => Body::Propose(propose(two_steps(), number(1) as u32)),
            "claim" => Body::Claim(Claim { cost: Credits(number(2)), eta_ms: 120_000, task: of(1) }),
            "heartbeat" => Body::Heartbeat(Heartbeat { progress_bp: 0, task: of(1) }),
            "yield" => Body::Yield(Yield { reason: String::new(), task: of(1) }),
            "cancel" => Body::Cancel(Cancel { reason: String::new(), task: words.get(1).map(|w| label(w)) }),
            "commit" => {
                let plan = self.record.decision.as_ref().map(|d| &d.plan);
                let produces = plan.and_then(|p| p.task(&of(1))).map_or(vec![], |t| t.produces.clone());
                let outputs = produces.into_iter().map(|l| (l.clone(), Cid::of(l.as_str().as_bytes()))).collect();
                Body::Commit(Commit { outputs, states: vec![], task: of(1), telemetry: Telemetry::default() })
            }
            "pass" | "fail" => {
                let commit = self.record.tasks.get(&of(1)).and_then(|t| t.commit.as_ref()).map(|c| c.id());
                Body::Attest(Attest {
                    commit: commit.unwrap_or_default(),
                    policy: Digest::default(),
                    proof: Digest([1; 32]),
                    reasons: vec![],
                    task: of(1),
                    verdict: if words[0] == "pass" { Verdict::Pass } else { Verdict::Fail },
                })
            }
            "challenge" => {
                let commit = self.record.tasks.get(&of(1)).and_then(|t| t.commit.as_ref()).map(|c| c.id());
                let output = self.record.tasks.get(&of(1)).and_then(|t| t.committed()?.outputs.keys().next().cloned());
                let evidence = Evidence::OutputMismatch { label: output.unwrap_or_else(|| label("none")) };
                Body::Challenge(Challenge { commit: commit.unwrap_or_default(), evidence, task: of(1) })
            }
            "uphold" | "dismiss" => {
                let dispute = self.record.tasks.get(&of(1)).and_then(|t| t.dispute.as_ref());
                Body::Verdict(Ruling {
                    challenge: dispute.map_or_else(Cid::default, |d| d.challenge.id()),
                    gas: Count(1),
                    seen: Digest::default(),
                    task: of(1),
                    upheld: words[0] == "uphold",
                })
            }
            other => panic!("{other}?"),
        }
    }

    /// The name of an agent.
    pub fn who(&self, agent: &AgentId) -> String {
        let found = self.people.iter().find(|(_, keys)| keys.agent() == *agent);
        found.map(|(name, _)| name.clone()).expect("everyone has a name")
    }

    /// Plan votes of `voters` (by place among the drawn) for `proposal`, by rising id.
    pub fn approvals(&mut self, voters: &[usize], proposal: Option<Cid>) -> Vec<Arc<Envelope>> {
        let names: Vec<String> = voters.iter().map(|at| self.who(&self.record.voters[*at])).collect();
        let body = Body::AttestPlan(AttestPlan { policy: Digest::default(), proposal });
        sorted(names.iter().map(|name| self.say(name, body.clone())).collect())
    }

    /// Verdicts (`pass` or `fail`) of the committee's members at `seats`, by rising id.
    pub fn verdicts(&mut self, words: &str, seats: &[usize]) -> Vec<Arc<Envelope>> {
        let task = label(words.split_whitespace().nth(1).unwrap());
        let names: Vec<String> = seats.iter().map(|at| self.who(&self.record.tasks[&task].seats[*at])).collect();
        let body = self.parse(words);
        sorted(names.iter().map(|name| self.say(name, body.clone())).collect())
    }

    /// How the wait is named.
    pub fn waiting(words: &str) -> Waiting {
        let words: Vec<&str> = words.split_whitespace().collect();
        let task = || label(words[1]);
        match words[0] {
            "proposals" => Waiting::Proposals,
            "decision" => Waiting::Decision,
            "bids" => Waiting::Bids(task()),
            "lease" => Waiting::Lease(task()),
            "verdicts" => Waiting::Verdicts(task()),
            "redraw" => Waiting::Redraw(task()),
            "challenge" => Waiting::Challenge(task()),
            "late" => Waiting::Late(task()),
            "ruling" => Waiting::Ruling(task()),
            other => panic!("{other}?"),
        }
    }

    /// Coordinator `by` reports that `elapsed` of a wait has passed.
    pub fn report(&mut self, by: &str, wait: &str, elapsed: Span) -> Told {
        let segment = self.record.waits.get(&Self::waiting(wait)).map_or(Segment(9_999), |w| w.segment);
        self.submit(timed(by, self.thread(), elapsed, segment))
    }

    /// As many coordinators as it takes see a wait through; what followed.
    pub fn elapse(&mut self, wait: &str) -> Told {
        let enough = self.believe_at;
        let total = self.record.waits.get(&Self::waiting(wait)).ok_or(Reject::NoSuchThing)?.total;
        let segment = self.record.waits[&Self::waiting(wait)].segment;
        let mut told = Err(Reject::NoSuchThing);
        for by in self.coordinators.clone().iter().take(enough) {
            told = self.submit(timed(by, self.thread(), total, segment));
            told.as_ref().map_err(|r| *r)?;
        }
        told
    }

    /// All coordinators reveal for the open round.
    pub fn reveal(&mut self) {
        let Some(round) = self.system.open_round() else { return };
        for name in self.coordinators.clone() {
            let value = value(&name, round);
            self.submit_system(word(&name, Thread::System, Says::Reveal { round, value }))
                .expect("a due value is taken");
        }
    }

    /// Opens the need and has it proposed and decided.
    pub fn decide(&mut self, plan: Vec<Fact>) {
        self.open();
        let proposal = self.say("p1", Body::Propose(propose(plan, 1)));
        self.submit(Command::Act(Arc::clone(&proposal))).unwrap();
        self.elapse("proposals").unwrap();
        let k = self.record.k_plan as usize;
        let votes = self.approvals(&(0..k).collect::<Vec<_>>(), Some(proposal.id()));
        self.submit(Command::Count(votes)).unwrap();
    }

    /// Opens the need.
    pub fn open(&mut self) {
        self.act("r1", "need").unwrap();
        self.relay();
        assert_eq!(self.record.phase, Phase::Open);
    }

    /// Has `who` win and hold `task`.
    pub fn lease(&mut self, who: &str, task: &str) {
        self.act(who, &format!("claim {task} 10")).unwrap();
        self.elapse(&format!("bids {task}")).unwrap();
        self.relay();
        assert_eq!(self.record.tasks[&label(task)].state, TaskState::Leased);
    }

    /// Has `who` commit `task` and a committee seated.
    pub fn commit(&mut self, who: &str, task: &str) {
        self.act(who, &format!("commit {task}")).unwrap();
        self.relay();
        self.reveal();
        self.relay();
        assert_eq!(self.record.tasks[&label(task)].state, TaskState::Verifying);
    }

    /// Has K members say `pass` or `fail`.
    pub fn judge(&mut self, words: &str) -> Told {
        let task = label(words.split_whitespace().nth(1).unwrap());
        let k = self.record.tasks[&task].k_result as usize;
        let votes = self.verdicts(words, &(0..k).collect::<Vec<_>>());
        self.submit(Command::Count(votes))
    }

    /// `who` disputes `task`, and a committee sits.
    pub fn challenge(&mut self, who: &str, task: &str) {
        self.act(who, &format!("challenge {task}")).unwrap();
        self.relay();
        self.reveal();
        self.relay();
    }

    /// Rulings (`uphold` or `dismiss`) of as many of the committee as it takes.
    pub fn rule(&mut self, words: &str) -> Told {
        let task = label(words.split_whitespace().nth(1).unwrap());
        let dispute = self.record.tasks[&task].dispute.clone().expect("disputed");
        let sits: Vec<String> = dispute.seats.iter().take(dispute.k_ruling as usize).map(|a| self.who(a)).collect();
        let body = self.parse(words);
        let votes = sorted(sits.iter().map(|name| self.say(name, body.clone())).collect());
        self.submit(Command::Count(votes))
    }

    /// Everything about a task up to a final result.
    pub fn finish(&mut self, who: &str, task: &str) {
        self.lease(who, task);
        self.commit(who, task);
        self.judge(&format!("pass {task}")).unwrap();
        self.relay();
    }

    /// Escrows and bonds that have not ended.
    pub fn open_pots(&self) -> usize {
        self.system.ledger().open_pots().count()
    }

    pub fn state(&self, task: &str) -> TaskState {
        self.record.tasks[&label(task)].state
    }

    pub fn task_states(&self) -> BTreeSet<TaskState> {
        self.record.tasks.values().map(|t| t.state).collect()
    }

    pub fn available(&self, who: &str) -> u64 {
        self.system.ledger().balance(&id_of(who)).unwrap().available.0
    }
}

/// A record as everyone holds it: what only coordinators need to judge the next command is left out.
pub fn shared(record: &Record) -> String {
    let mut record = record.clone();
    record.lamport = Lamport(0);
    record.acts.clear();
    format!("{record:?}")
}

pub fn sorted(mut votes: Vec<Arc<Envelope>>) -> Vec<Arc<Envelope>> {
    votes.sort_by_key(|vote| vote.id());
    votes
}

/// A proposal in which every task may cost 20.
pub fn propose(patch: Vec<Fact>, ballot: u32) -> Propose {
    let cost_caps = (patch.iter())
        .filter_map(|fact| match fact {
            Fact::AddTask { task, .. } => Some((task.clone(), Credits(20))),
            _ => None,
        })
        .collect();
    Propose { ballot, cost_caps, eta_ms: 1_000, patch }
}

/// A whole second.
pub fn secs(n: u32) -> Span {
    ms(n * 1_000)
}

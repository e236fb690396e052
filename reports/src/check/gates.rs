//! The gates: what takes effect is what its policy lets pass, a need is judged by one policy from its opening to its end, and those
//! who judge by one engine come to one answer (PROTOCOL 10).
//!
//! Every command that took effect is judged again here, by the rules of the engine that it names, whoever let it pass before.

use std::collections::BTreeMap;
use std::sync::Arc;

use swarm_core::id::{AgentId, Cid, Digest, NeedId, Thread};
use swarm_core::policy::{Engines, Gate, PolicyInput};
use swarm_core::register::{Answer, Applied, Command, Event as Did};
use swarm_core::wire::{Body, Envelope, Role};

use super::{Checker, End, Finding, Liars, Notes};
use crate::history::{Event, Record};

const NAME: &str = "policy";

/// The oracle of the gates.
#[derive(Default)]
pub struct PolicyGates {
    liars: Liars,
    notes: Notes,
    /// Where the rules are found; without them only engines are compared.
    engines: Option<Arc<dyn Engines>>,
    /// Who says what is so.
    honest: BTreeMap<AgentId, bool>,
    /// The policy of the system thread: its number and engine. Nothing where it was not told what it began with.
    policy: Option<(u32, Digest)>,
    /// The engine of each need, by its NEED.
    needs: BTreeMap<NeedId, Digest>,
    /// The roles of each MANIFEST.
    roles: BTreeMap<Cid, Vec<Role>>,
}

impl PolicyGates {
    /// With rules found there.
    pub fn new(engines: Arc<dyn Engines>) -> Self {
        Self { engines: Some(engines), ..Self::default() }
    }

    fn learn(&mut self, envelope: &Envelope) {
        if let Body::Manifest(manifest) = &envelope.body {
            self.roles.insert(envelope.id(), manifest.roles.clone());
        }
    }

    fn ordered(&mut self, command: &Command, entry: &Applied, thread: Thread, record: &Record) {
        let events = entry.outcome.events();
        if events.is_empty() {
            return;
        }
        match (thread, command) {
            (Thread::System, Command::Act(envelope)) => {
                match &envelope.body {
                    Body::Capsule(new) => {
                        if let Some((before, _)) = self.policy {
                            self.notes.checked();
                            if new.number != before + 1 {
                                let what = format!("policy {} takes over from policy {before}", new.number);
                                self.notes.contradict(NAME, what, &[record]);
                            }
                        }
                        self.policy = Some((new.number, new.engine));
                    }
                    _ => self.judge(envelope, self.policy.map(|(_, engine)| engine), record),
                }
                self.learn(envelope);
            }
            (Thread::System, Command::Relay(_)) => {
                for event in events {
                    if let Did::Answered { answer: Answer::Escrowed { .. }, need, .. } = event
                        && let (Some(own), Some((_, engine))) = (self.needs.get(need), self.policy)
                    {
                        self.notes.checked();
                        if *own != engine {
                            let what = "a need is opened under another policy than the one that counts";
                            self.notes.contradict(NAME, what, &[record]);
                        }
                    }
                }
            }
            (Thread::Need(need), Command::Act(envelope)) => {
                let own = *self.needs.entry(need).or_insert(envelope.policy.engine);
                self.judge(envelope, Some(own), record);
            }
            (Thread::Need(need), Command::Count(votes)) => {
                let own = self.needs.get(&need).copied();
                let counted = events.iter().flat_map(|event| match event {
                    Did::Decided { counted, .. } | Did::Judged { counted, .. } | Did::Ruled { counted, .. } => {
                        counted.as_slice()
                    }
                    _ => &[],
                });
                for counted in counted {
                    if let Some(vote) = votes.iter().find(|vote| vote.id() == counted.attest) {
                        self.judge(vote, own, record);
                    }
                }
            }
            _ => {}
        }
    }

    /// Judges what took effect again; `own` is the engine that it has to be judged by.
    fn judge(&mut self, envelope: &Envelope, own: Option<Digest>, record: &Record) {
        self.notes.checked();
        let (engine, verb) = (envelope.policy.engine, envelope.verb().as_str());
        if own.is_some_and(|own| own != engine) {
            let what = format!("a {verb} takes effect that was judged by another engine than its thread's");
            return self.notes.contradict(NAME, what, &[record]);
        }
        let Some(engines) = &self.engines else { return };
        let Some(rules) = engines.find(&engine) else {
            return self.notes.unknown(format!("the rules of engine {engine} are not at hand"));
        };
        // A newcomer's own MANIFEST is judged by what it says.
        let roles = match &envelope.body {
            Body::Manifest(manifest) => &manifest.roles,
            _ => match self.roles.get(&envelope.capability.manifest) {
                Some(roles) => roles,
                None => return self.notes.unknown(format!("a {verb} cites a MANIFEST that was never registered")),
            },
        };
        if !rules.allows(Gate::Ingress, &PolicyInput::received(envelope, roles)) {
            self.notes.contradict(NAME, format!("a {verb} takes effect that its policy does not let pass"), &[record]);
        }
    }
}

impl Checker for PolicyGates {
    fn name(&self) -> &'static str {
        NAME
    }

    fn see(&mut self, record: &Record) {
        self.liars.see(record);
        if self.liars.told(record) {
            return;
        }
        match &record.event {
            Event::Genesis { parties, .. } => {
                self.honest = parties.iter().map(|party| (party.agent, party.honest)).collect();
            }
            Event::Founded { genesis } => {
                self.policy = Some((0, genesis.engine));
                genesis.manifests.iter().for_each(|manifest| self.learn(manifest));
            }
            Event::Ordered { command, entry, thread } => self.ordered(command, entry, *thread, record),
            Event::Disagreed { votes, .. } => {
                self.notes.checked();
                if votes.iter().all(|(by, _)| self.honest.get(by).is_some_and(|honest| *honest)) {
                    let what = "two honest verifiers judged one thing by one engine and came to different answers";
                    self.notes.contradict(NAME, what, &[record]);
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, _: &End) -> Finding {
        self.notes.finding.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Verdict;
    use crate::check::fixture::{agent, genesis, need};
    use crate::history::{NodeNo, Party, WORLD};
    use swarm_core::id::{Credits, Lamport, Nonce, Seq, label};
    use swarm_core::identity::Keys;
    use swarm_core::policy::{BaseRules, Evaluator as _, Limits, Only};
    use swarm_core::register::{Counted, Outcome};
    use swarm_core::time::WallTime;
    use swarm_core::wire::{Amount, Attest, CapabilityRef, Content, Draft, NewPolicy, PolicyRef, trace_of};

    /// A deployment that goes by the native rules, and what is told of it.
    struct Told {
        gates: PolicyGates,
        keys: Keys,
        engine: Digest,
    }

    impl Told {
        fn new() -> Self {
            let rules = BaseRules::new(Limits { bytes_max: 5_000, ..Limits::default() });
            let engine = rules.engine();
            let mut gates = PolicyGates::new(Arc::new(Only(Arc::new(rules))));
            gates.roles.insert(Cid::default(), vec![Role::Verifier]);
            let genesis = swarm_core::genesis::Genesis { engine, ..genesis() };
            gates.see(&Record::new(0, WORLD, Event::Founded { genesis: genesis.into() }));
            Self { gates, keys: Keys::from_seed(&Digest([1; 32])), engine }
        }

        fn said(&self, thread: Thread, body: Body, engine: Digest) -> Arc<Envelope> {
            let content = Content {
                body,
                capability: CapabilityRef { manifest: Cid::default(), name: label("x") },
                epoch: None,
                expires: None,
                fence: None,
                lamport: Lamport(1),
                nonce: Nonce(1),
                policy: PolicyRef { capsule: Cid::default(), digest: Digest::default(), engine },
                refs: Vec::new(),
                sender: self.keys.agent(),
                target: None,
                thread,
                time: WallTime(0),
                trace: trace_of(thread, None),
            };
            Arc::new(self.keys.sign(Draft::new(content)))
        }

        fn ordered(&mut self, thread: Thread, command: Command, did: Did) -> Finding {
            let entry = Applied::new(command.id(), Outcome::Did(vec![did]), Seq(1)).into();
            let event = Event::Ordered { command: command.into(), entry, thread };
            self.gates.see(&Record::new(1, NodeNo(0), event));
            self.gates.finish(&End::default())
        }

        fn stake(&mut self, engine: Digest) -> Finding {
            let act = self.said(Thread::System, Body::Stake(Amount { amount: Credits(1) }), engine);
            let did = Did::Booked { envelope: act.id() };
            self.ordered(Thread::System, Command::Act(act), did)
        }
    }

    #[test]
    fn an_act_takes_effect_under_the_engine_that_counts_and_no_other() {
        let mut told = Told::new();
        let own = told.engine;
        let found = told.stake(own);
        assert_eq!((found.verdict, found.checked), (Verdict::Holds, 1));
        assert_eq!(told.stake(Digest([9; 32])).violations, 1);
        // Another policy takes over, and then the old one does not count any more.
        let new = |number| {
            Body::Capsule(NewPolicy { capsule: Cid::default(), engine: Digest([9; 32]), number, sigs: [].into() })
        };
        let capsule = told.said(Thread::System, new(1), own);
        let did = Did::Booked { envelope: capsule.id() };
        assert_eq!(told.ordered(Thread::System, Command::Act(capsule), did).violations, 1);
        assert_eq!(told.stake(own).violations, 2);
        let capsule = told.said(Thread::System, new(3), own);
        let did = Did::Booked { envelope: capsule.id() };
        assert_eq!(told.ordered(Thread::System, Command::Act(capsule), did).violations, 3, "2 was left out");
    }

    #[test]
    fn what_its_policy_denies_takes_no_effect_and_a_vote_counts_under_its_needs_engine() {
        let mut told = Told::new();
        let own = told.engine;
        // A MINT wants a role that the manifest does not give.
        let mint = Body::Mint(swarm_core::wire::AmountTo { amount: Credits(1), to: agent(1) });
        let mint = told.said(Thread::System, mint, own);
        let did = Did::Booked { envelope: mint.id() };
        assert_eq!(told.ordered(Thread::System, Command::Act(mint), did).violations, 1);
        told.gates.needs.insert(need(), own);
        let body = |policy| {
            Body::Attest(Attest {
                commit: Cid::default(),
                policy,
                proof: Digest::default(),
                reasons: Vec::new(),
                task: label("t"),
                verdict: swarm_core::wire::Verdict::Pass,
            })
        };
        let vote = |told: &Told, engine| told.said(Thread::Need(need()), body(Digest::default()), engine);
        let judged = |vote: &Envelope| Did::Judged {
            counted: vec![Counted { attest: vote.id(), engine: own, proof: None, verifier: vote.sender }],
            task: label("t"),
            verdict: swarm_core::wire::Verdict::Pass,
        };
        for (engine, violations) in [(own, 1), (Digest([9; 32]), 2)] {
            let vote = vote(&told, engine);
            let did = judged(&vote);
            let found = told.ordered(Thread::Need(need()), Command::Count(vec![vote]), did);
            assert_eq!(found.violations, violations);
        }
    }

    #[test]
    fn a_need_is_opened_under_the_policy_that_counts() {
        use swarm_core::register::Proof;
        use swarm_core::wire::SnapshotRef;
        let mut told = Told::new();
        let answer = Answer::Escrowed { k_plan: 1, snapshot: SnapshotRef::default(), voters: Vec::new() };
        let did = Did::Answered { answer, at: 0, need: need(), seq: Seq(1) };
        let asked = Applied::new(Digest::default(), Outcome::Did(Vec::new()), Seq(1));
        let relay = || {
            Command::Relay(Proof { at: 0, entry: asked.clone(), thread: Thread::Need(need()), vouchers: Vec::new() })
        };
        for (engine, violations) in [(told.engine, 0), (Digest([9; 32]), 1)] {
            told.gates.needs.insert(need(), engine);
            assert_eq!(told.ordered(Thread::System, relay(), did.clone()).violations, violations);
        }
    }

    #[test]
    fn two_that_do_not_lie_never_come_to_different_answers() {
        let party = |no: u8, honest| Party {
            agent: agent(no),
            asn: "".into(),
            coordinator: false,
            honest,
            node: NodeNo(no.into()),
            org: "".into(),
            part: None,
            region: "".into(),
        };
        let rules = crate::check::fixture::rules().into();
        let parties = [party(1, true), party(2, true), party(3, false)].into();
        let mut gates = PolicyGates::default();
        gates.see(&Record::new(0, WORLD, Event::Genesis { parties, rules }));
        for (pair, violations) in [([1, 3], 0), ([1, 2], 1)] {
            let votes = pair.map(|of| (agent(of), Cid::of(&[of])));
            let event = Event::Disagreed { engine: Digest::default(), need: need(), votes };
            gates.see(&Record::new(1, NodeNo(0), event));
            assert_eq!(gates.finish(&End::default()).violations, violations);
        }
    }
}

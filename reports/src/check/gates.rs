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
    /// The policy of the system thread: its number and engine.
    policy: (u32, Digest),
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
                        self.notes.checked();
                        if new.number != self.policy.0 + 1 {
                            let what = format!("policy {} takes over from policy {}", new.number, self.policy.0);
                            self.notes.contradict(NAME, what, &[record]);
                        }
                        self.policy = (new.number, new.engine);
                    }
                    _ => self.judge(envelope, Some(self.policy.1), record),
                }
                self.learn(envelope);
            }
            (Thread::System, Command::Relay(_)) => {
                for event in events {
                    if let Did::Answered { answer: Answer::Escrowed { .. }, need, .. } = event
                        && let Some(engine) = self.needs.get(need)
                    {
                        self.notes.checked();
                        if *engine != self.policy.1 {
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
                self.policy = (0, genesis.engine);
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

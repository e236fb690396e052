//! Writes an audit log, line by line.
//!
//! A signature costs more than everything else a line does, so not every line has one: the head is signed every
//! [`SEAL_EVERY`] lines, with each FINALIZE that the node publishes (what others will build on), and when it stops. What
//! is not yet sealed is chained all the same; only its newest part could be rewritten by someone who holds the file.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use ed25519_dalek::Signer as _;

use crate::audit::line::{Line, LineBody, Number, Opening, Record, Seal};
use crate::id::{AgentId, Digest, OpId, Thread};
use crate::identity::Keys;
use crate::node::{Act, Effect, Input, Setup};
use crate::time::Now;
use crate::wire::{Body, Envelope, Signature, canonical};

/// Most lines between two seals.
pub const SEAL_EVERY: u64 = 256;

/// Lines by the digest of their bytes, line end excepted: for a reader that need not read them again.
pub type Memory = BTreeMap<Digest, Line>;

/// Where a log stands.
#[derive(Clone, Debug)]
pub struct Writer {
    me: AgentId,
    /// Number of the next line.
    next: Number,
    /// Digest of the last line.
    head: Digest,
    /// Lines since the last seal.
    unsealed: u64,
    /// A FINALIZE went out since the last seal.
    finalized: bool,
    /// The thread of every operation that has no answer yet, so that the answer can name it.
    asked: BTreeMap<OpId, Thread>,
    /// What it wrote, if somebody wants to know.
    memory: Option<Memory>,
}

impl Writer {
    /// Begins the log of the node that `setup` makes. Like all lines, the first ends with a line end.
    pub fn open(setup: &Setup) -> (Self, String) {
        let mut writer = Self {
            me: setup.me,
            next: Number(0),
            head: Digest::default(),
            unsealed: 0,
            finalized: false,
            asked: BTreeMap::new(),
            memory: None,
        };
        let line = writer.line(Thread::System, LineBody::Open(Opening::of(setup)));
        (writer, line)
    }

    /// Before the node handles it: the line of an input.
    pub fn input(&mut self, now: Now, input: &Input) -> String {
        let thread = self.thread_of(input);
        self.line(thread, LineBody::Input { input: input.clone(), now })
    }

    /// Takes over the line of `input` that was read at this place and has this digest. What a canonical line says depends on its
    /// bytes alone, so it is not written again; all that reading could not check is the thread, which must be this one.
    pub(super) fn adopt(&mut self, input: &Input, hash: Digest) -> Thread {
        self.stands(hash);
        self.thread_of(input)
    }

    fn thread_of(&mut self, input: &Input) -> Thread {
        match input {
            Input::Message(message) => message.envelope.thread,
            Input::Applied(entry) => entry.thread,
            Input::Done { op, .. } => self.asked.remove(op).unwrap_or(Thread::System),
            Input::Act(act) => match **act {
                Act::Cancel(need) | Act::Refuse(need) => Thread::Need(need),
                _ => Thread::System,
            },
            Input::Wake => Thread::System,
            Input::Boot => {
                // Nothing asked before has an answer.
                self.asked.clear();
                Thread::System
            }
        }
    }

    /// Before it is carried out: the line of an effect, if it has one. `signed` is the envelope made from a publish's draft.
    ///
    /// # Panics
    /// If a publish comes without its envelope.
    pub fn effect(&mut self, effect: &Effect, signed: Option<&Arc<Envelope>>) -> Option<String> {
        let (thread, record) = Record::of(effect, signed)?;
        if let Some(op) = record.op() {
            self.asked.insert(op, thread);
        }
        self.finalized |= matches!(effect, Effect::Publish { draft, .. } if matches!(draft.body, Body::Finalize(_)));
        Some(self.line(thread, LineBody::Record(record)))
    }

    /// Whether the log should be sealed now. Asked after an input's last effect: a seal never stands between an input and
    /// its records.
    pub fn is_seal_due(&self) -> bool {
        self.finalized || self.unsealed >= SEAL_EVERY
    }

    /// Signs the log so far. `closing` says that the node is being stopped.
    ///
    /// # Panics
    /// If the keys are not the node's.
    pub fn seal(&mut self, keys: &Keys, closing: bool) -> String {
        assert_eq!(keys.agent(), self.me, "a log is sealed with the node's own key");
        let covers = Seal::covers(&self.me, self.next, &self.head, closing);
        let sig = Signature(keys.signing().sign(&covers.0).to_bytes());
        self.sealed(Seal { closing, sig })
    }

    /// The line of a seal that was made, now or in an earlier life.
    pub(super) fn sealed(&mut self, seal: Seal) -> String {
        let line = self.line(Thread::System, LineBody::Seal(seal));
        (self.unsealed, self.finalized) = (0, false);
        line
    }

    /// From now on remembers every line it writes.
    pub fn remember(&mut self) {
        self.memory = Some(Memory::default());
    }

    /// What it remembers, and no longer does.
    pub fn forget(&mut self) -> Memory {
        self.memory.take().unwrap_or_default()
    }

    fn line(&mut self, thread: Thread, body: LineBody) -> String {
        let line = Line { body, number: self.next, prev: self.head, thread };
        let mut bytes = canonical::to_vec(&line);
        self.stands(Digest::sha256(&bytes));
        if let Some(memory) = &mut self.memory {
            memory.insert(self.head, line);
        }
        bytes.push(b'\n');
        String::from_utf8(bytes).expect("JSON is UTF-8")
    }

    /// A line of this digest stands at the end.
    fn stands(&mut self, hash: Digest) {
        self.head = hash;
        self.next.0 += 1;
        self.unsealed += 1;
    }
}

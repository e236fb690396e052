//! Reads an audit log: is it whole and in order, did this node write it, and does feeding it to a fresh node give it again?
//!
//! Twice over the log. First everything that needs no node: shape, numbers, chain, signatures; then the inputs go into a
//! fresh node, and a writer of its own must write the very same lines. Nothing of an unchecked log ever reaches a node.
//! Keys come from manifests, never from the line that is checked (T04).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use ed25519_dalek::VerifyingKey;
use serde::Deserialize;

use crate::audit::line::{FORMAT, Line, LineBody, Opening, Record, Seal};
use crate::audit::writer::{Memory, Writer};
use crate::id::{AgentId, Cid, Digest, Fence, NeedId, Seq, TaskName, Thread};
use crate::members::{self, Mandate};
use crate::node::{Effect, Input, Node, Note, Outcome, Setup};
use crate::policy::Engines;
use crate::register::{Applied, Event};
use crate::reject::Reject;
use crate::time::Instant;
use crate::wire::{Body, Draft, Envelope, canonical};

/// The first bad line of a log, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLog {
    /// Which line, counted from 1 as editors do.
    pub line: u64,
    /// What is wrong.
    pub why: Why,
}

/// What can be wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The log does not begin with an opening.
    NoOpening,
    /// Another version wrote it.
    WrongVersion {
        /// The format it names.
        found: u32,
    },
    /// It has no end: the log was cut inside it.
    Torn,
    /// It is no line of an audit log.
    Malformed {
        /// What the parser says.
        what: String,
    },
    /// It says something in another spelling than the one this format has.
    NotCanonical,
    /// An envelope in it does not verify.
    BadEnvelope {
        /// Which check fails.
        reject: Reject,
    },
    /// Its number is not that of its place: lines before it are missing or doubled, or it was moved.
    OutOfPlace {
        /// The number of this place.
        expected: u64,
        /// Its number.
        found: u64,
    },
    /// It was changed, or the digest of the line before it was: the chain does not hold here.
    BrokenChain,
    /// The node's key did not sign this.
    BadSeal,
    /// No manifest in the log says that the node exists.
    UnknownSigner,
    /// The genesis is not a possible one.
    BadGenesis {
        /// Why not.
        what: String,
    },
    /// It began with a mandate that is none.
    BadMandate {
        /// What is wrong with it.
        reject: Reject,
    },
    /// The node judged by rules that are not at hand here.
    NoSuchEngine {
        /// Their engine hash.
        engine: Digest,
    },
    /// The node's clock went back without a boot.
    ClockWentBack,
    /// The register handed entries over with a gap.
    EntryGap,
    /// The node's replay says something else here.
    Diverged {
        /// What the log says.
        expected: String,
        /// What the replay says.
        got: String,
    },
    /// By the rules at hand the node comes to another decision than it said.
    OtherDecision {
        /// The envelope.
        envelope: Cid,
        /// The engine that both name.
        engine: Digest,
    },
    /// The log ends before all that the last input brought about is recorded.
    Truncated,
}

impl fmt::Display for BadLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoOpening => write!(f, "an audit log begins with an opening, and this is none"),
            Self::WrongVersion { found } => {
                write!(f, "format {found}; this version reads format {FORMAT}: use the version that wrote it")
            }
            Self::Torn => write!(f, "the log is cut inside this line"),
            Self::Malformed { what } => write!(f, "not a line of an audit log: {what}"),
            Self::NotCanonical => write!(f, "not in canonical form: it was not written by a node"),
            Self::BadEnvelope { reject } => write!(f, "something signed in it was tampered with: {reject}"),
            Self::OutOfPlace { expected, found } => {
                write!(f, "number {found} in the place of {expected}: lines are missing, doubled or moved from here on")
            }
            Self::BrokenChain => write!(f, "it was changed after it was written: the chain does not hold"),
            Self::BadSeal => write!(f, "the seal is not by the node's key"),
            Self::UnknownSigner => write!(f, "the seal's signer has no manifest in this log"),
            Self::BadGenesis { what } => write!(f, "its genesis is not a possible one: {what}"),
            Self::BadMandate { reject } => write!(f, "a mandate in the opening does not hold: {reject}"),
            Self::NoSuchEngine { engine } => write!(
                f,
                "it was judged by the rules of engine {engine}, which are not here: give their capsule, or use the version that wrote it"
            ),
            Self::ClockWentBack => write!(f, "the node's clock went back without a boot"),
            Self::EntryGap => write!(f, "an entry of the register before this one is missing"),
            Self::Diverged { expected, got } => write!(f, "the log says {expected}, the replay says {got}"),
            Self::OtherDecision { envelope, engine } => write!(
                f,
                "envelope {envelope} says that engine {engine} came to another decision than it comes to here: it was judged by other rules than it names"
            ),
            Self::Truncated => write!(f, "the log ends here, before all that the last input brought about is recorded"),
        }
    }
}

impl core::error::Error for BadLog {}

/// What a replay gave.
#[derive(Clone)]
pub struct Replayed {
    /// The node as it was at the log's end.
    pub node: Node,
    /// Which deployment it is of.
    pub genesis: Digest,
    /// Lines in all.
    pub lines: u64,
    /// Every result that the node believed or applied as final.
    pub finals: BTreeMap<(NeedId, TaskName, Fence), Final>,
    /// Envelopes it refused.
    pub refused: u64,
    /// Times it was started.
    pub boots: u64,
    /// Times its agent wanted something of it.
    pub acts: u64,
    /// Needs it follows.
    pub following: BTreeSet<NeedId>,
    /// How far the register's entries went in, per thread.
    pub applied: BTreeMap<Thread, Seq>,
    /// Lines that the last seal vouches for, the seal itself included.
    pub sealed_to: u64,
    /// Whether the log ends with the seal of a node that was stopped on purpose. If not, the node still runs, was killed, or
    /// lines were cut off the end: nothing but what other nodes hold can tell which.
    pub closed: bool,
}

/// A result as a node was told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Final {
    /// The canonical bytes of its FINALIZE record.
    pub record: Vec<u8>,
    /// The generation of the register that said so. What lies beyond the base of a later one is void.
    pub generation: u32,
    /// The entry of its need that made it final.
    pub seq: Seq,
    /// Whether a challenge to it was upheld: then another result may become final under a higher fence, or none.
    pub invalidated: bool,
}

/// A node to go on with.
#[derive(Clone)]
pub struct Restored {
    /// What the log gave.
    pub replayed: Replayed,
    /// Writes the next line.
    pub writer: Writer,
    /// Bytes of the log to keep; what follows was never acted upon, and is to be cut away.
    pub keep: usize,
}

/// Replays a whole log. The rules that the node judged by must be at hand.
///
/// # Errors
/// The first bad line.
pub fn replay(log: &[u8], engines: Arc<dyn Engines>) -> Result<Replayed, BadLog> {
    let read = read(whole(log), &*engines, &mut Memory::default())?;
    if whole(log).len() < log.len() {
        return Err(BadLog { line: read.len() as u64 + 1, why: Why::Torn });
    }
    let mut run = Run::new(&read, engines)?;
    while run.step()? {}
    Ok(run.replayed)
}

/// Makes a node again from what a crash left of its log. The next input must be [`Input::Boot`].
///
/// A torn last line, and a last input of which not every record is there, were not durable when the process died; then
/// nothing they brought about had left the node, and they are dropped. `None` if not even the opening is whole.
///
/// # Errors
/// The first bad line: damage that no crash can do.
pub fn restore(log: &[u8], engines: Arc<dyn Engines>) -> Result<Option<Restored>, BadLog> {
    restore_with(log, engines, &mut Memory::default())
}

/// As [`restore`], without reading again what `memory` knows: what a line says depends on its bytes alone.
///
/// # Errors
/// As [`restore`].
pub fn restore_with(log: &[u8], engines: Arc<dyn Engines>, memory: &mut Memory) -> Result<Option<Restored>, BadLog> {
    if whole(log).is_empty() {
        return Ok(None);
    }
    let read = read(whole(log), &*engines, memory)?;
    let mut run = Run::new(&read, engines)?;
    let last = read.iter().rposition(|read| matches!(read.line.body, LineBody::Input { .. }));
    let mut before = None;
    loop {
        if Some(run.at) == last {
            before = Some((run.replayed.clone(), run.writer.clone(), run.at));
        }
        match (run.step(), before.take()) {
            (Ok(true), kept) => before = kept,
            (Err(BadLog { why: Why::Truncated, .. }), Some((replayed, writer, at))) => {
                (run.replayed, run.writer, run.at) = (replayed, writer, at);
                break;
            }
            (Ok(false), _) => break,
            (Err(bad), _) => return Err(bad),
        }
    }
    let keep = read[..run.at].iter().map(|read| read.bytes.len() + 1).sum();
    Ok(Some(Restored { replayed: run.replayed, writer: run.writer, keep }))
}

/// The log as far as its lines are whole.
fn whole(log: &[u8]) -> &[u8] {
    &log[..log.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1)]
}

/// A line that was read.
struct Read<'a> {
    bytes: &'a [u8],
    hash: Digest,
    line: Line,
}

/// Checks everything that needs no node.
fn read<'a>(log: &'a [u8], engines: &dyn Engines, memory: &mut Memory) -> Result<Vec<Read<'a>>, BadLog> {
    let bad = |at: usize, why| BadLog { line: at as u64 + 1, why };
    // It grows as lines prove to be some: what is kept of a line takes far more room than the newline that claims to end one.
    let mut read: Vec<Read<'a>> = Vec::with_capacity(memory.len());
    let mut rest =
        log.split_inclusive(|byte| *byte == b'\n').map(|line| &line[..line.len() - 1]).enumerate().peekable();
    let mut before = Digest::default();
    while let Some((at, bytes)) = rest.next() {
        if at == 0 {
            version(bytes).map_err(|why| bad(0, why))?;
        }
        let hash = Digest::sha256(bytes);
        let line = match memory.remove(&hash) {
            Some(line) => line,
            None => parse(bytes).map_err(|why| bad(at, why))?,
        };
        debug_assert_eq!(parse(bytes).as_ref(), Ok(&line), "memory says what the bytes say");
        if line.number.0 != at as u64 {
            return Err(bad(at, Why::OutOfPlace { expected: at as u64, found: line.number.0 }));
        }
        if line.prev != before {
            // Either line may be the changed one. If somebody vouches for this one, it is the other.
            let next = rest.peek().and_then(|(_, next)| parse(next).ok());
            let opening = opening_of(read.first().map(|read| &read.line));
            let vouched = next.is_some_and(|next| next.prev == hash)
                || matches!((&line.body, opening), (LineBody::Seal(_), Some(o)) if sealed(&o.me, &line).is_ok());
            return Err(bad(if vouched && at > 0 { at - 1 } else { at }, Why::BrokenChain));
        }
        before = hash;
        read.push(Read { bytes, hash, line });
    }
    let Some(opening) = opening_of(read.first().map(|read| &read.line)) else { return Err(bad(0, Why::NoOpening)) };
    opening.genesis.check().map_err(|out| bad(0, Why::BadGenesis { what: out.0 }))?;
    let missing = |engine: &Digest| engines.find(engine).is_none().then_some(Why::NoSuchEngine { engine: *engine });
    if let Some(why) = missing(&opening.genesis.engine) {
        return Err(bad(0, why));
    }
    if let Some(reject) = opening.mandates.iter().find_map(|mandate| mandate.vet(&opening.genesis).err()) {
        return Err(bad(0, Why::BadMandate { reject }));
    }
    let lacks = |mandate: &Arc<Mandate>| mandate.base().is_some() && mandate.find_base(&opening.bases).is_none();
    if opening.mandates.iter().any(lacks) {
        return Err(bad(0, Why::BadMandate { reject: Reject::NoEvidence }));
    }
    let founded = members::manifest_of(&opening.genesis, &opening.mandates, &opening.me).is_some();
    let is_known = founded || read.iter().any(|read| manifest_of(&read.line, &opening.me));
    let mut clock = Instant(0);
    let mut applied: BTreeMap<Thread, Seq> = BTreeMap::new();
    for (at, Read { line, .. }) in read.iter().enumerate() {
        match &line.body {
            LineBody::Open(_) if at > 0 => return Err(bad(at, Why::NoOpening)),
            LineBody::Seal(_) if !is_known => return Err(bad(at, Why::UnknownSigner)),
            LineBody::Seal(_) => sealed(&opening.me, line).map_err(|why| bad(at, why))?,
            LineBody::Input { input, now } => {
                if now.mono < clock && *input != Input::Boot {
                    return Err(bad(at, Why::ClockWentBack));
                }
                clock = now.mono;
                if let Input::Done { outcome: Outcome::Loaded(engine), .. } = input
                    && let Some(why) = missing(engine)
                {
                    return Err(bad(at, why));
                }
                if let Input::Applied(entry) = input {
                    let last = applied.entry(entry.thread).or_default();
                    if entry.seq.0 > last.0 + 1 {
                        return Err(bad(at, Why::EntryGap));
                    }
                    *last = entry.seq.max(*last);
                }
            }
            LineBody::Open(_) | LineBody::Record(_) => {}
        }
    }
    Ok(read)
}

fn opening_of(line: Option<&Line>) -> Option<&Opening> {
    match &line?.body {
        LineBody::Open(opening) => Some(opening),
        _ => None,
    }
}

/// Another version may have another shape: all that is asked of it is to name itself.
fn version(bytes: &[u8]) -> Result<(), Why> {
    #[derive(Deserialize)]
    struct Peek {
        body: PeekBody,
    }
    #[derive(Deserialize)]
    struct PeekBody {
        open: PeekOpen,
    }
    #[derive(Deserialize)]
    struct PeekOpen {
        format: u32,
    }
    match serde_json::from_slice::<Peek>(bytes) {
        Ok(peek) if peek.body.open.format == FORMAT => Ok(()),
        Ok(peek) => Err(Why::WrongVersion { found: peek.body.open.format }),
        Err(_) => Err(Why::NoOpening),
    }
}

fn parse(bytes: &[u8]) -> Result<Line, Why> {
    let line: Line = serde_json::from_slice(bytes).map_err(|error| {
        let what = error.to_string();
        let first = what.split(" at line ").next().unwrap_or_default();
        match Reject::ALL.iter().find(|reject| reject.as_str() == first) {
            Some(reject) => Why::BadEnvelope { reject: *reject },
            // It is the only line that serde saw, and not line 1 of the log.
            None => Why::Malformed { what: first.into() },
        }
    })?;
    if canonical::to_vec(&line) == bytes { Ok(line) } else { Err(Why::NotCanonical) }
}

/// Whether a line holds a MANIFEST of `me`, by its own signature.
fn manifest_of(line: &Line, me: &AgentId) -> bool {
    let is = |envelope: &Envelope| envelope.sender == *me && matches!(envelope.body, Body::Manifest(_));
    match &line.body {
        LineBody::Input { input: Input::Message(message), .. } => is(&message.envelope),
        LineBody::Record(Record::Publish { envelope, .. }) => is(envelope),
        _ => false,
    }
}

fn sealed(me: &AgentId, line: &Line) -> Result<(), Why> {
    let LineBody::Seal(seal) = &line.body else { return Err(Why::BadSeal) };
    let covers = Seal::covers(me, line.number, &line.prev, seal.closing);
    let key = VerifyingKey::from_bytes(&me.0).map_err(|_| Why::BadSeal)?;
    let sig = ed25519_dalek::Signature::from_bytes(&seal.sig.0);
    key.verify_strict(&covers.0, &sig).map_err(|_| Why::BadSeal)
}

/// The second time over the log.
struct Run<'a> {
    lines: &'a [Read<'a>],
    at: usize,
    writer: Writer,
    replayed: Replayed,
}

/// Whether the two are alike in all but how the policy answered.
fn same_but_for_decision(envelope: &Envelope, draft: &Draft) -> bool {
    let mut content = (**draft).clone();
    content.policy.digest = envelope.policy.digest;
    Draft::new(content).id() == envelope.id()
}

impl<'a> Run<'a> {
    fn new(lines: &'a [Read<'a>], engines: Arc<dyn Engines>) -> Result<Self, BadLog> {
        let opening =
            opening_of(lines.first().map(|read| &read.line)).ok_or(BadLog { line: 1, why: Why::NoOpening })?;
        let setup = Setup {
            me: opening.me,
            bases: opening.bases.clone(),
            genesis: Arc::clone(&opening.genesis),
            local: opening.local.clone(),
            mandates: opening.mandates.clone(),
            stream: opening.stream,
            engines,
        };
        let (writer, _) = Writer::open(&setup);
        let replayed = Replayed {
            genesis: setup.genesis.digest(),
            node: Node::new(setup),
            lines: 1,
            finals: BTreeMap::new(),
            refused: 0,
            boots: 0,
            acts: 0,
            following: BTreeSet::new(),
            applied: BTreeMap::new(),
            sealed_to: 0,
            closed: false,
        };
        Ok(Self { lines, at: 1, writer, replayed })
    }

    /// One input with all its records, or a seal. `false` at the log's end.
    fn step(&mut self) -> Result<bool, BadLog> {
        let Some(Read { hash, line, .. }) = self.lines.get(self.at) else { return Ok(false) };
        match &line.body {
            LineBody::Input { input, now } => {
                let thread = self.writer.adopt(input, *hash);
                if line.thread != thread {
                    let got = canonical::to_vec(&Line { thread, ..line.clone() });
                    let got = String::from_utf8_lossy(&got).into_owned();
                    return Err(self.bad(Why::Diverged { expected: self.said(), got }));
                }
                self.came();
                match input {
                    Input::Boot => self.replayed.boots += 1,
                    Input::Act(_) => self.replayed.acts += 1,
                    Input::Applied(entry) => {
                        let last = self.replayed.applied.entry(entry.thread).or_default();
                        *last = entry.seq.max(*last);
                    }
                    _ => {}
                }
                self.replayed.closed = false;
                self.replayed.node.handle(*now, input.clone());
                while let Some(effect) = self.replayed.node.poll_effect() {
                    self.came_out(&effect)?;
                }
            }
            LineBody::Seal(seal) => {
                let again = self.writer.sealed(seal.clone());
                self.expect(&again)?;
                (self.replayed.sealed_to, self.replayed.closed) = (self.at as u64, seal.closing);
            }
            LineBody::Record(_) | LineBody::Open(_) => {
                return Err(self.bad(Why::Diverged { expected: self.said(), got: "nothing".to_string() }));
            }
        }
        Ok(true)
    }

    /// The next line must be the record of `effect`, if it has one.
    fn came_out(&mut self, effect: &Effect) -> Result<(), BadLog> {
        let there = match self.lines.get(self.at).map(|read| &read.line.body) {
            Some(LineBody::Record(record)) => Some(record),
            _ => None,
        };
        let mut signed = None;
        if let Effect::Publish { draft, .. } = effect {
            signed = match there {
                Some(Record::Publish { envelope, .. }) if envelope.id() == draft.id() => Some(envelope),
                _ if self.at == self.lines.len() => return Err(self.bad(Why::Truncated)),
                Some(Record::Publish { envelope, .. }) if same_but_for_decision(envelope, draft) => {
                    return Err(self.bad(Why::OtherDecision { envelope: envelope.id(), engine: draft.policy.engine }));
                }
                _ => {
                    let got = String::from_utf8_lossy(&draft.unsigned_bytes()).into_owned();
                    return Err(self.bad(Why::Diverged { expected: self.said(), got }));
                }
            };
        }
        let Some(line) = self.writer.effect(effect, signed) else { return Ok(()) };
        self.expect(&line)?;
        let Some(record) = there else { unreachable!("the line was the record's") };
        match record {
            Record::Refused { .. } => self.replayed.refused += 1,
            Record::Follow(need) => drop(self.replayed.following.insert(*need)),
            Record::Unfollow(need) => drop(self.replayed.following.remove(need)),
            _ => {}
        }
        match effect {
            Effect::Emit(Note::Believed { entry, thread, .. } | Note::Applied { entry, thread, .. }) => {
                if let Thread::Need(need) = thread {
                    self.told(*need, entry);
                }
            }
            Effect::Emit(Note::Reconciled { kept, need, .. }) => {
                self.replayed.finals.retain(|(of, ..), result| of != need || result.seq <= *kept);
            }
            _ => {}
        }
        Ok(())
    }

    /// Results come and go with an entry of `need`. A coordinator may be told of it twice: as applied, and as believed.
    fn told(&mut self, need: NeedId, entry: &Applied) {
        let (generation, seq) = (self.replayed.node.generation(), entry.seq);
        let finals = &mut self.replayed.finals;
        for event in entry.outcome.events() {
            match event {
                Event::Final { record } => {
                    let name = (need, record.task.clone(), record.fence);
                    let known = finals.get(&name).is_some_and(|of| (of.generation, of.seq) == (generation, seq));
                    if !known {
                        let record = canonical::to_vec(&**record);
                        finals.insert(name, Final { record, generation, seq, invalidated: false });
                    }
                }
                Event::Invalidated { task, .. } => {
                    let to = (need, task.clone(), Fence(u64::MAX));
                    let last = finals.range_mut((need, task.clone(), Fence(0))..=to).next_back();
                    if let Some((_, of)) = last.filter(|(_, of)| of.seq < seq) {
                        of.invalidated = true;
                    }
                }
                _ => {}
            }
        }
    }

    /// The next line must be `again`.
    fn expect(&mut self, again: &str) -> Result<(), BadLog> {
        match self.lines.get(self.at) {
            None => Err(self.bad(Why::Truncated)),
            Some(read) if again.as_bytes().strip_suffix(b"\n") == Some(read.bytes) => {
                self.came();
                Ok(())
            }
            Some(_) => Err(self.bad(Why::Diverged { expected: self.said(), got: again.trim_end().to_string() })),
        }
    }

    fn came(&mut self) {
        self.at += 1;
        self.replayed.lines = self.at as u64;
    }

    fn said(&self) -> String {
        self.lines.get(self.at).map_or_else(String::new, |read| String::from_utf8_lossy(read.bytes).into_owned())
    }

    fn bad(&self, why: Why) -> BadLog {
        BadLog { line: self.at as u64 + 1, why }
    }
}

//! The signed envelope: every message of the protocol (PROTOCOL 2).
//!
//! An [`Envelope`] exists only if its bytes were canonical, its id matched, its signature verified and its fields are what
//! its verb asks for, or if it was signed here from a [`Draft`]. Holding one is the proof; nobody has to remember to check.
//! What this must never allow: two byte strings for one envelope, or a second envelope made from one by someone else.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use core::fmt;
use core::ops::Deref;
use core::str::FromStr;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::id::{AgentId, BadName, Cid, Digest, Epoch, Fence, Label, Lamport, Nonce, Seq, Thread, hex};
use crate::reject::Reject;
use crate::time::WallTime;
use crate::wire::{Body, Verb, canonical};

/// The protocol version spoken here.
pub const VERSION: u32 = 1;

/// The longest envelope, in bytes.
pub const ENVELOPE_BYTES_MAX: usize = 64 * 1024;

/// What the id takes of an envelope: `,"id":"..."` with 59 digits.
const ID_BYTES: usize = 67;

/// What the signature takes of an envelope: `,"sig":"..."` with 86 digits.
const SIG_BYTES: usize = 95;

/// The manifest entry acted under.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapabilityRef {
    /// Id of the MANIFEST envelope. A MANIFEST itself, which cannot cite its own id, cites the zero address.
    pub manifest: Cid,
    /// Name of the capability in it.
    pub name: Label,
}

/// When an envelope stops counting, in terms every replica shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Expires {
    /// Above this Lamport value of the entries it is judged by.
    Lamport(Lamport),
    /// After this entry of its thread.
    Register(Seq),
}

impl Expires {
    /// Whether an envelope that expires so is void as evidence for the entry at `seq`, where `lamport` is the highest value
    /// among the evidence applied before in that thread.
    pub fn is_over(self, seq: Seq, lamport: Lamport) -> bool {
        match self {
            Self::Register(last) => seq > last,
            Self::Lamport(last) => lamport > last,
        }
    }
}

/// The policy evaluation that let an envelope out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyRef {
    /// Address of the capsule.
    pub capsule: Cid,
    /// Digest of the preflight evaluation.
    pub digest: Digest,
    /// Engine hash.
    pub engine: Digest,
}

/// An Ed25519 signature, base64url without padding.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 86];
        let length = URL_SAFE_NO_PAD.encode_slice(self.0, &mut text).expect("64 bytes are 86 digits");
        f.write_str(core::str::from_utf8(&text[..length]).expect("base64 is ASCII"))
    }
}

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl FromStr for Signature {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        // The decoder wants room for whole groups of three bytes, and refuses stray bits in the last digit.
        let mut bytes = [0; 66];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(64) => Ok(Self(core::array::from_fn(|at| bytes[at]))),
            _ => Err(BadName("a signature is 86 digits of unpadded base64url")),
        }
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        crate::id::parsed(d)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

/// Everything an envelope says, without its id and signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The verb's payload.
    pub body: Body,
    /// The manifest entry acted under.
    pub capability: CapabilityRef,
    /// Epoch acted in, where the verb needs one.
    pub epoch: Option<Epoch>,
    /// When it stops counting.
    pub expires: Option<Expires>,
    /// Fencing token acted under, where the verb needs one.
    pub fence: Option<Fence>,
    /// The sender's logical clock.
    pub lamport: Lamport,
    /// Used once by this sender.
    pub nonce: Nonce,
    /// The evaluation that let it out.
    pub policy: PolicyRef,
    /// Artifacts it refers to.
    pub refs: Vec<Cid>,
    /// Who says it.
    pub sender: AgentId,
    /// Whom it is for, if one.
    pub target: Option<AgentId>,
    /// The conversation.
    pub thread: Thread,
    /// The sender's wall clock; advisory.
    pub time: WallTime,
    /// W3C trace context, a function of thread and cause.
    pub trace: String,
}

/// The trace that all envelopes of `thread` belong to.
pub(super) fn trace_id(thread: Thread) -> [u8; 16] {
    let digest = match thread {
        Thread::Need(need) => need.0.0,
        Thread::System => return *b"swarm/system/trc",
    };
    core::array::from_fn(|at| digest.0[at])
}

/// The trace context of what `cause` brought about in `thread`.
pub fn trace_of(thread: Thread, cause: Option<&Cid>) -> String {
    let trace = trace_id(thread);
    let span: [u8; 8] = match cause {
        Some(cid) => core::array::from_fn(|at| cid.0.0[16 + at]),
        None => core::array::from_fn(|at| trace[8 + at]),
    };
    format!("00-{}-{}-01", hex(&trace), hex(&span))
}

/// The fields of an envelope in canonical order, in the three stretches that id and signature are set between. Every
/// stretch has at least one field, so that joining them needs no special case.
#[derive(Serialize)]
struct BeforeId<'a> {
    body: &'a Body,
    capability: &'a CapabilityRef,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<Epoch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Expires>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fence: Option<Fence>,
}

#[derive(Serialize)]
struct BeforeSig<'a> {
    lamport: Lamport,
    nonce: Nonce,
    policy: &'a PolicyRef,
    refs: &'a [Cid],
    sender: &'a str,
}

#[derive(Serialize)]
struct AfterSig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    thread: Thread,
    time: WallTime,
    trace: &'a str,
    v: u32,
    verb: Verb,
}

/// The canonical bytes of a content, and where id and signature belong in them. Written once per envelope: what the id
/// covers, what the signature covers and what travels differ only in these two insertions.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Written {
    bytes: Vec<u8>,
    id_at: usize,
    sig_at: usize,
}

impl Written {
    fn of(content: &Content) -> Self {
        let target = content.target.map(|target| target.to_string());
        Self::with_names(content, &content.sender.to_string(), target.as_deref())
    }

    /// As [`Written::of`], where the agents' ids are at hand as text. Base58 is the dearest thing in an envelope to write,
    /// and an id that was parsed has exactly the spelling it was parsed from.
    fn with_names(content: &Content, sender: &str, target: Option<&str>) -> Self {
        let mut bytes = Vec::with_capacity(2_048);
        canonical::write(
            &mut bytes,
            &BeforeId {
                body: &content.body,
                capability: &content.capability,
                epoch: content.epoch,
                expires: content.expires,
                fence: content.fence,
            },
        );
        let id_at = canonical::join(
            &mut bytes,
            &BeforeSig {
                lamport: content.lamport,
                nonce: content.nonce,
                policy: &content.policy,
                refs: &content.refs,
                sender,
            },
        );
        let sig_at = canonical::join(
            &mut bytes,
            &AfterSig {
                target,
                thread: content.thread,
                time: content.time,
                trace: &content.trace,
                v: VERSION,
                verb: content.body.verb(),
            },
        );
        Self { bytes, id_at, sig_at }
    }

    fn id(&self) -> Cid {
        Cid::of(&self.bytes)
    }

    /// The stretches of the envelope in order, `id` and `sig` in their places.
    fn stretches<'a>(&'a self, id: &'a str, sig: &'a str) -> [&'a [u8]; 9] {
        let mark = |text: &str, mark: &'static [u8]| if text.is_empty() { &b""[..] } else { mark };
        [
            &self.bytes[..self.id_at],
            mark(id, b",\"id\":\""),
            id.as_bytes(),
            mark(id, b"\""),
            &self.bytes[self.id_at..self.sig_at],
            mark(sig, b",\"sig\":\""),
            sig.as_bytes(),
            mark(sig, b"\""),
            &self.bytes[self.sig_at..],
        ]
    }

    /// What a signature covers.
    fn unsigned(&self, id: &Cid) -> Vec<u8> {
        self.stretches(&id.to_string(), "").concat()
    }

    fn signed(&self, id: &Cid, sig: &Signature) -> Vec<u8> {
        self.stretches(&id.to_string(), &sig.to_string()).concat()
    }

    /// Whether `bytes` are this content with `id` and `sig`.
    fn is(&self, bytes: &[u8], id: &Cid, sig: &Signature) -> bool {
        let mut rest = bytes;
        let same = self
            .stretches(&id.to_string(), &sig.to_string())
            .into_iter()
            .all(|stretch| rest.strip_prefix(stretch).map(|after| rest = after).is_some());
        same && rest.is_empty()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read<'a> {
    #[serde(borrow)]
    body: &'a RawValue,
    capability: CapabilityRef,
    #[serde(default)]
    epoch: Option<Epoch>,
    #[serde(default)]
    expires: Option<Expires>,
    #[serde(default)]
    fence: Option<Fence>,
    id: Cid,
    lamport: Lamport,
    nonce: Nonce,
    policy: PolicyRef,
    refs: Vec<Cid>,
    sender: &'a str,
    #[serde(borrow)]
    sig: &'a RawValue,
    #[serde(borrow, default)]
    target: Option<&'a str>,
    thread: Thread,
    time: WallTime,
    trace: String,
    v: u32,
    #[serde(borrow)]
    verb: Cow<'a, str>,
}

impl Read<'_> {
    fn content(self, body: Body, sender: AgentId, target: Option<AgentId>) -> Content {
        Content {
            body,
            capability: self.capability,
            epoch: self.epoch,
            expires: self.expires,
            fence: self.fence,
            lamport: self.lamport,
            nonce: self.nonce,
            policy: self.policy,
            refs: self.refs,
            sender,
            target,
            thread: self.thread,
            time: self.time,
            trace: self.trace,
        }
    }
}

/// An envelope before its signature. Knows its id, because the id does not cover the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    content: Content,
    id: Cid,
    written: Written,
}

impl Draft {
    /// Fixes `content` and computes its id. Whether others will take it is [`Content::check`]'s to say, at the preflight
    /// gate at the latest.
    pub fn new(content: Content) -> Self {
        let written = Written::of(&content);
        Self { id: written.id(), content, written }
    }

    /// The id the envelope will have.
    pub fn id(&self) -> Cid {
        self.id
    }

    /// What was fixed, to be changed and fixed again.
    pub fn into_content(self) -> Content {
        self.content
    }

    /// Length of the envelope once it is signed, in bytes.
    pub fn signed_len(&self) -> usize {
        self.written.bytes.len() + ID_BYTES + SIG_BYTES
    }

    /// The bytes a signature covers: everything but the signature.
    pub fn unsigned_bytes(&self) -> Vec<u8> {
        self.written.unsigned(&self.id)
    }

    /// Signs with the sender's key.
    ///
    /// # Panics
    /// If `key` is not the sender's: a host hands each node's drafts to that node's key.
    pub fn sign(self, key: &SigningKey) -> Envelope {
        assert_eq!(key.verifying_key().to_bytes(), self.content.sender.0, "a host signs with the sender's own key");
        let sig = Signature(key.sign(&self.unsigned_bytes()).to_bytes());
        let bytes = self.written.signed(&self.id, &sig).into();
        Envelope { content: self.content, id: self.id, sig, bytes }
    }
}

impl Deref for Draft {
    type Target = Content;
    fn deref(&self) -> &Content {
        &self.content
    }
}

/// A refusal of received bytes, and whom it may be told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The first check that failed.
    pub reject: Reject,
    /// Id and sender of what was refused, if the sender's signature was found good before. Only such a sender gets a DENY
    /// (PROTOCOL 2): anyone can write anyone's name on junk.
    pub signed: Option<(Cid, AgentId)>,
}

impl From<Reject> for Refusal {
    fn from(reject: Reject) -> Self {
        Self { reject, signed: None }
    }
}

/// Answers for an envelope inside another one: the verb it must have and its bytes. Lets a host use what it remembers.
pub type Nested<'a> = &'a mut dyn FnMut(Verb, &[u8]) -> Result<Arc<Envelope>, Reject>;

/// A canonical envelope whose id and signature have been checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    content: Content,
    id: Cid,
    sig: Signature,
    bytes: Arc<[u8]>,
}

impl Envelope {
    /// Reads an envelope from untrusted bytes: everything that can be said without any context. Pure; a host may remember
    /// the answer per content.
    ///
    /// # Errors
    /// The first check that fails, by name.
    pub fn verify(bytes: &[u8]) -> Result<Self, Reject> {
        Self::receive(bytes).map_err(|refusal| refusal.reject)
    }

    /// As [`Envelope::verify`], and says whom a refusal may be told to.
    ///
    /// # Errors
    /// The first check that fails, by name.
    pub fn receive(bytes: &[u8]) -> Result<Self, Refusal> {
        Self::receive_with(bytes, &mut |verb, bytes| Self::only(verb, bytes).map(Arc::new))
    }

    /// As [`Envelope::receive`], asking `nested` for the envelopes inside (of DECIDE and MEMBER).
    ///
    /// # Errors
    /// The first check that fails, by name.
    pub fn receive_with(bytes: &[u8], nested: Nested<'_>) -> Result<Self, Refusal> {
        Self::examine(bytes, None, nested)
    }

    /// An envelope of exactly this verb; another one is refused before its body is looked at, so that envelopes cannot be
    /// stacked into each other.
    fn only(verb: Verb, bytes: &[u8]) -> Result<Self, Reject> {
        Self::examine(bytes, Some(verb), &mut |_, _| Err(Reject::NoEvidence)).map_err(|refusal| refusal.reject)
    }

    fn examine(bytes: &[u8], only: Option<Verb>, nested: Nested<'_>) -> Result<Self, Refusal> {
        if bytes.len() > ENVELOPE_BYTES_MAX {
            return Err(Reject::Oversize.into());
        }
        let read: Read<'_> = match serde_json::from_slice(bytes) {
            Ok(read) => read,
            Err(_) => return Err(shapeless(bytes).into()),
        };
        if read.v != VERSION {
            return Err(Reject::UnknownVersion.into());
        }
        let verb = Verb::parse(&read.verb).ok_or(Reject::UnknownVerb)?;
        if only.is_some_and(|only| only != verb) {
            return Err(Reject::NoEvidence.into());
        }
        // Text is ASCII, escapes included: two letters that look alike are one letter to a reader and two to a hash.
        if !bytes.is_ascii() {
            return Err(Reject::NonCanonical.into());
        }
        let sig: Signature = serde_json::from_str(read.sig.get()).map_err(|_| Reject::Malformed)?;
        let (id, sender_text, target_text) = (read.id, read.sender, read.target);
        let name = |text: &str| text.parse::<AgentId>().map_err(|_| Reject::Malformed);
        let (sender, target) = (name(sender_text)?, target_text.map(name).transpose()?);
        let mut signed = None;
        if verb.nests() {
            // A stranger must not make everyone check the dozens of signatures inside for free: the outer one comes
            // first, over the bytes as they came. The check below for the one canonical form covers where it was cut.
            verify_signature(&sender, &cut_sig(bytes, read.sig).ok_or(Reject::NonCanonical)?, &sig)?;
            signed = Some((id, sender));
        }
        let body = Body::parse(verb, read.body.get(), nested).map_err(|reject| Refusal { reject, signed })?;
        let content = read.content(body, sender, target);
        let written = Written::with_names(&content, sender_text, target_text);
        if !written.is(bytes, &id, &sig) {
            return Err(Refusal { reject: Reject::NonCanonical, signed });
        }
        if written.id() != id {
            return Err(Refusal { reject: Reject::WrongId, signed });
        }
        if signed.is_none() {
            verify_signature(&content.sender, &written.unsigned(&id), &sig)?;
            signed = Some((id, content.sender));
        }
        content.check().map_err(|reject| Refusal { reject, signed })?;
        Ok(Self { content, id, sig, bytes: bytes.into() })
    }

    /// Its id, the address of everything but itself and the signature.
    pub fn id(&self) -> Cid {
        self.id
    }

    /// Its verb.
    pub fn verb(&self) -> Verb {
        self.content.body.verb()
    }

    /// Its signature.
    pub fn sig(&self) -> Signature {
        self.sig
    }

    /// Its canonical bytes, signature included.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }
}

/// Names what is wrong with bytes that do not have an envelope's shape. Another version may have another shape.
fn shapeless(bytes: &[u8]) -> Reject {
    #[derive(Deserialize)]
    struct Peek {
        v: u32,
    }
    match serde_json::from_slice::<Peek>(bytes) {
        Ok(peek) if peek.v != VERSION => Reject::UnknownVersion,
        _ => Reject::Malformed,
    }
}

/// `bytes` without `,"sig":"..."`, given the part of them that is the signature's value.
fn cut_sig(bytes: &[u8], sig: &RawValue) -> Option<Vec<u8>> {
    let value_at = (sig.get().as_ptr() as usize).checked_sub(bytes.as_ptr() as usize)?;
    let (head, tail) = (bytes.get(..value_at)?, bytes.get(value_at + sig.get().len()..)?);
    Some([head.strip_suffix(b",\"sig\":")?, tail].concat())
}

/// Strict verification: one signature per message and key, and no key that signs everything.
pub(crate) fn verify_signature(sender: &AgentId, unsigned: &[u8], sig: &Signature) -> Result<(), Reject> {
    // A second spelling of a point (its y not reduced) would be a second id of the same key.
    let [low, middle @ .., high] = &sender.0;
    if *low >= 0xed && high & 0x7f == 0x7f && middle.iter().all(|byte| *byte == 0xff) {
        return Err(Reject::BadKey);
    }
    let key = VerifyingKey::from_bytes(&sender.0).map_err(|_| Reject::BadKey)?;
    if key.is_weak() {
        return Err(Reject::BadKey);
    }
    let sig = ed25519_dalek::Signature::from_bytes(&sig.0);
    key.verify_strict(unsigned, &sig).map_err(|_| Reject::BadSignature)
}

impl Deref for Envelope {
    type Target = Content;
    fn deref(&self) -> &Content {
        &self.content
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} by {}", self.verb().as_str(), self.id, self.sender)
    }
}

impl Serialize for Envelope {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let text = core::str::from_utf8(&self.bytes).expect("canonical JSON is UTF-8");
        let raw: &RawValue = serde_json::from_str(text).expect("canonical JSON is JSON");
        raw.serialize(s)
    }
}

impl<'de> Deserialize<'de> for Envelope {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let raw: &'de RawValue = Deserialize::deserialize(d)?;
        Self::verify(raw.get().as_bytes()).map_err(serde::de::Error::custom)
    }
}

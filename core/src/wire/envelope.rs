//! The signed envelope: every message of the protocol (PROTOCOL 2).
//!
//! An [`Envelope`] exists only if its bytes were canonical, its id matched and its signature verified, or if it was signed
//! here from a [`Draft`]. Holding one is the proof; nobody has to remember to check.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use core::fmt;
use core::ops::Deref;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::id::{AgentId, Cid, Digest, Epoch, Fence, Label, Lamport, Nonce, Seq, Thread, hex};
use crate::reject::Reject;
use crate::time::WallTime;
use crate::wire::{Body, Verb, canonical};

/// The protocol version spoken here.
pub const VERSION: u32 = 1;

/// The longest envelope, in bytes.
pub const ENVELOPE_BYTES_MAX: usize = 64 * 1024;

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

/// The policy evaluation that let an envelope out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

impl Serialize for Signature {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut text = [0; 86];
        let length = URL_SAFE_NO_PAD.encode_slice(self.0, &mut text).expect("64 bytes are 86 digits");
        s.serialize_str(core::str::from_utf8(&text[..length]).expect("base64 is ASCII"))
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text: Cow<'de, str> = Deserialize::deserialize(d)?;
        let mut bytes = [0; 64];
        match URL_SAFE_NO_PAD.decode_slice_unchecked(text.get(..86).filter(|t| t.len() == text.len()).unwrap_or(""), &mut bytes) {
            Ok(64) => Ok(Self(bytes)),
            _ => Err(serde::de::Error::custom("a signature is 86 digits of unpadded base64url")),
        }
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

/// The trace context of what `cause` brought about in `thread`.
pub fn trace_of(thread: Thread, cause: Option<&Cid>) -> String {
    let trace = match thread {
        Thread::Need(need) => need.0.0,
        Thread::System => Digest::of("swarm/trace", &[b"system"]),
    };
    let span = cause.map_or(trace, |cid| cid.0);
    format!("00-{}-{}-01", hex(&trace.0[..16]), hex(&span.0[16..24]))
}

/// The one field list of an envelope, in canonical order. Borrowed when written, owned when read.
#[derive(Serialize)]
struct Fields<'a> {
    body: &'a Body,
    capability: &'a CapabilityRef,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: &'a Option<Epoch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: &'a Option<Expires>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fence: &'a Option<Fence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a Cid>,
    lamport: Lamport,
    nonce: Nonce,
    policy: &'a PolicyRef,
    refs: &'a [Cid],
    sender: &'a AgentId,
    #[serde(skip_serializing_if = "Option::is_none")]
    sig: Option<&'a Signature>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: &'a Option<AgentId>,
    thread: Thread,
    time: WallTime,
    trace: &'a str,
    v: u32,
    verb: Verb,
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
    sender: AgentId,
    sig: Signature,
    #[serde(default)]
    target: Option<AgentId>,
    thread: Thread,
    time: WallTime,
    trace: String,
    v: u32,
    #[serde(borrow)]
    verb: Cow<'a, str>,
}

impl Content {
    fn bytes(&self, id: Option<&Cid>, sig: Option<&Signature>) -> Vec<u8> {
        canonical::to_vec(&Fields {
            body: &self.body,
            capability: &self.capability,
            epoch: &self.epoch,
            expires: &self.expires,
            fence: &self.fence,
            id,
            lamport: self.lamport,
            nonce: self.nonce,
            policy: &self.policy,
            refs: &self.refs,
            sender: &self.sender,
            sig,
            target: &self.target,
            thread: self.thread,
            time: self.time,
            trace: &self.trace,
            v: VERSION,
            verb: self.body.verb(),
        })
    }
}

/// An envelope before its signature. Knows its id, because the id does not cover the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    content: Content,
    id: Cid,
}

impl Draft {
    /// Fixes `content` and computes its id.
    pub fn new(content: Content) -> Self {
        let id = Cid::of(&content.bytes(None, None));
        Self { content, id }
    }

    /// The id the envelope will have.
    pub fn id(&self) -> Cid {
        self.id
    }

    /// The bytes a signature covers: everything but the signature.
    pub fn unsigned_bytes(&self) -> Vec<u8> {
        self.content.bytes(Some(&self.id), None)
    }

    /// Signs with the sender's key.
    ///
    /// # Panics
    /// If `key` is not the sender's: a host hands each node's drafts to that node's key.
    pub fn sign(self, key: &SigningKey) -> Envelope {
        assert_eq!(key.verifying_key().to_bytes(), self.content.sender.0, "a host signs with the sender's own key");
        let sig = Signature(key.sign(&self.unsigned_bytes()).to_bytes());
        self.with_signature(sig)
    }

    fn with_signature(self, sig: Signature) -> Envelope {
        let bytes = self.content.bytes(Some(&self.id), Some(&sig)).into();
        Envelope { content: self.content, id: self.id, sig, bytes }
    }
}

impl Deref for Draft {
    type Target = Content;
    fn deref(&self) -> &Content {
        &self.content
    }
}

/// A canonical envelope whose id and signature have been checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Envelope {
    content: Content,
    id: Cid,
    sig: Signature,
    bytes: Arc<[u8]>,
}

impl Envelope {
    /// Reads an envelope from untrusted bytes. Pure; a host may remember the answer per content.
    ///
    /// # Errors
    /// The first check that fails, by name.
    pub fn verify(bytes: &[u8]) -> Result<Self, Reject> {
        if bytes.len() > ENVELOPE_BYTES_MAX {
            return Err(Reject::Oversize);
        }
        let read: Read<'_> = serde_json::from_slice(bytes).map_err(|_| Reject::Malformed)?;
        if read.v != VERSION {
            return Err(Reject::UnknownVersion);
        }
        let verb = Verb::parse(&read.verb).ok_or(Reject::UnknownVerb)?;
        let body = Body::parse(verb, read.body.get()).map_err(|_| Reject::Malformed)?;
        let content = Content {
            body,
            capability: read.capability,
            epoch: read.epoch,
            expires: read.expires,
            fence: read.fence,
            lamport: read.lamport,
            nonce: read.nonce,
            policy: read.policy,
            refs: read.refs,
            sender: read.sender,
            target: read.target,
            thread: read.thread,
            time: read.time,
            trace: read.trace,
        };
        let draft = Draft::new(content);
        let unsigned = draft.unsigned_bytes();
        if draft.content.bytes(Some(&read.id), Some(&read.sig)) != bytes {
            return Err(Reject::NonCanonical);
        }
        if draft.id != read.id {
            return Err(Reject::WrongId);
        }
        let key = VerifyingKey::from_bytes(&draft.sender.0).map_err(|_| Reject::BadKey)?;
        if key.is_weak() {
            return Err(Reject::BadKey);
        }
        let sig = ed25519_dalek::Signature::from_bytes(&read.sig.0);
        key.verify_strict(&unsigned, &sig).map_err(|_| Reject::BadSignature)?;
        Ok(Self { content: draft.content, id: read.id, sig: read.sig, bytes: bytes.into() })
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

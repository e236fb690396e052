//! The signed envelope: every message of the protocol (PROTOCOL 2).
//!
//! An [`Envelope`] exists only if its bytes were canonical, its id matched, its signature verified and its fields are what
//! its verb asks for, or if it was signed here from a [`Draft`]. Holding one is the proof; nobody has to remember to check.
//! What this must never allow: two byte strings for one envelope, or a second envelope made from one by someone else.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::ops::Deref;
use ed25519_dalek::{Signer as _, SigningKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::id::{AgentId, Cid, Digest, Epoch, Fence, Lamport, Nonce, Thread};
use crate::reject::Reject;
use crate::time::WallTime;
use crate::wire::content::{CapabilityRef, Content, Expires, PolicyRef};
use crate::wire::signature::{Ring, Signature, verify_signature};
use crate::wire::written::Written;
use crate::wire::{Body, Verb};

/// The protocol version spoken here.
pub const VERSION: u32 = 1;

/// The longest envelope, in bytes.
pub const ENVELOPE_BYTES_MAX: usize = 64 * 1024;

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

    /// The same under another policy digest, which the id covers.
    pub fn judged(mut self, digest: Digest) -> Self {
        self.written.judged(&self.content.policy.digest, &digest);
        self.content.policy.digest = digest;
        self.id = self.written.id();
        debug_assert_eq!(
            self,
            Self::new(self.content.clone()),
            "what is changed in place is what would be written anew"
        );
        self
    }

    /// Length of the envelope once it is signed, in bytes.
    pub fn signed_len(&self) -> usize {
        self.written.signed_len()
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

    /// As [`Envelope::verify`], with the keys that `ring` remembers.
    ///
    /// # Errors
    /// As [`Envelope::verify`].
    pub fn verify_with(bytes: &[u8], ring: &RefCell<Ring>) -> Result<Self, Reject> {
        let mut nested = |verb, bytes: &[u8]| Self::only(verb, bytes, Some(ring)).map(Arc::new);
        Self::examine(bytes, None, &mut nested, Some(ring)).map_err(|refusal| refusal.reject)
    }

    /// As [`Envelope::verify`], and says whom a refusal may be told to.
    ///
    /// # Errors
    /// The first check that fails, by name.
    pub fn receive(bytes: &[u8]) -> Result<Self, Refusal> {
        Self::receive_with(bytes, &mut |verb, bytes| Self::only(verb, bytes, None).map(Arc::new))
    }

    /// As [`Envelope::receive`], asking `nested` for the envelopes inside (of DECIDE and MEMBER).
    ///
    /// # Errors
    /// The first check that fails, by name.
    pub fn receive_with(bytes: &[u8], nested: Nested<'_>) -> Result<Self, Refusal> {
        Self::examine(bytes, None, nested, None)
    }

    /// An envelope of exactly this verb; another one is refused before its body is looked at, so that envelopes cannot be
    /// stacked into each other.
    fn only(verb: Verb, bytes: &[u8], ring: Option<&RefCell<Ring>>) -> Result<Self, Reject> {
        Self::examine(bytes, Some(verb), &mut |_, _| Err(Reject::NoEvidence), ring).map_err(|refusal| refusal.reject)
    }

    fn examine(
        bytes: &[u8],
        only: Option<Verb>,
        nested: Nested<'_>,
        ring: Option<&RefCell<Ring>>,
    ) -> Result<Self, Refusal> {
        let verify = |sender: &AgentId, unsigned: &[u8], sig: &Signature| match ring {
            Some(ring) => ring.borrow_mut().verify(sender, unsigned, sig),
            None => verify_signature(sender, unsigned, sig),
        };
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
            verify(&sender, &cut_sig(bytes, read.sig).ok_or(Reject::NonCanonical)?, &sig)?;
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
            verify(&content.sender, &written.unsigned(&id), &sig)?;
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

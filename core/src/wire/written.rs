//! The canonical bytes of an envelope, written once: what the id covers, what the signature covers and what travels differ
//! only in two insertions.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use serde::Serialize;

use crate::id::{Cid, Digest, Epoch, Fence, Lamport, Nonce, Thread};
use crate::time::WallTime;
use crate::wire::content::{CapabilityRef, Content, Expires, PolicyRef};
use crate::wire::{Body, Signature, VERSION, Verb, canonical};

/// What the id takes of an envelope: `,"id":"..."` with 59 digits.
const ID_BYTES: usize = 67;

/// What the signature takes of an envelope: `,"sig":"..."` with 86 digits.
const SIG_BYTES: usize = 95;

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
pub(super) struct Written {
    bytes: Vec<u8>,
    id_at: usize,
    sig_at: usize,
}

impl Written {
    pub fn of(content: &Content) -> Self {
        let target = content.target.map(|target| target.to_string());
        Self::with_names(content, &content.sender.to_string(), target.as_deref())
    }

    /// As [`Written::of`], where the agents' ids are at hand as text. Base58 is the dearest thing in an envelope to write,
    /// and an id that was parsed has exactly the spelling it was parsed from.
    pub fn with_names(content: &Content, sender: &str, target: Option<&str>) -> Self {
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

    /// Puts the policy digest `new` in the place of `old`. It is of one length, and what follows the id begins with the clock,
    /// the nonce and the policy, none of which can hold a digest by chance.
    pub fn judged(&mut self, old: &Digest, new: &Digest) {
        let (old, new) = (policy_digest(old), policy_digest(new));
        let rest = &mut self.bytes[self.id_at..];
        let at = rest.windows(old.len()).position(|bytes| bytes == old.as_bytes());
        let at = at.expect("a content names the digest of its policy");
        rest[at..at + new.len()].copy_from_slice(new.as_bytes());
    }

    /// The length of the envelope, signature included.
    pub fn signed_len(&self) -> usize {
        self.bytes.len() + ID_BYTES + SIG_BYTES
    }

    pub fn id(&self) -> Cid {
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
    pub fn unsigned(&self, id: &Cid) -> Vec<u8> {
        self.stretches(&id.to_string(), "").concat()
    }

    pub fn signed(&self, id: &Cid, sig: &Signature) -> Vec<u8> {
        self.stretches(&id.to_string(), &sig.to_string()).concat()
    }

    /// Whether `bytes` are this content with `id` and `sig`.
    pub fn is(&self, bytes: &[u8], id: &Cid, sig: &Signature) -> bool {
        let mut rest = bytes;
        let same = self
            .stretches(&id.to_string(), &sig.to_string())
            .into_iter()
            .all(|stretch| rest.strip_prefix(stretch).map(|after| rest = after).is_some());
        same && rest.is_empty()
    }
}

/// How a policy's digest stands in an envelope.
fn policy_digest(digest: &Digest) -> String {
    format!(",\"digest\":\"{digest}\"")
}

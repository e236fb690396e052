//! Small signed envelopes for the unit tests of this crate.

use alloc::vec::Vec;
use ed25519_dalek::SigningKey;

use crate::id::{AgentId, Cid, Credits, Digest, Lamport, Nonce, Thread, label};
use crate::time::WallTime;
use crate::wire::{Amount, Body, CapabilityRef, Content, Draft, Envelope, PolicyRef, trace_of};

pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

pub(crate) fn agent(seed: u8) -> AgentId {
    AgentId(key(seed).verifying_key().to_bytes())
}

/// A content that says `body` in the system thread.
pub(crate) fn content(seed: u8, body: Body) -> Content {
    Content {
        body,
        capability: CapabilityRef { manifest: Cid::default(), name: label("any") },
        epoch: None,
        expires: None,
        fence: None,
        lamport: Lamport(1),
        nonce: Nonce(1),
        policy: PolicyRef { capsule: Cid::default(), digest: Digest::default(), engine: Digest::default() },
        refs: Vec::new(),
        sender: agent(seed),
        target: None,
        thread: Thread::System,
        time: WallTime(0),
        trace: trace_of(Thread::System, None),
    }
}

/// A STAKE of one credit, edited before it is signed.
pub(crate) fn stake(seed: u8, edit: impl FnOnce(&mut Content)) -> Envelope {
    let mut content = content(seed, Body::Stake(Amount { amount: Credits(1) }));
    edit(&mut content);
    Draft::new(content).sign(&key(seed))
}

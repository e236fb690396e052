//! A coordinator's own word: what its stopwatch shows, and the hash chains whose values it reveals.
//!
//! Nothing but its signature makes it one. Must never allow: one coordinator's word brought in by another that it did not give, or
//! its word on one thread taken for one on another.

use core::ops::Deref;
use ed25519_dalek::{Signer as _, SigningKey};
use serde::{Deserialize, Serialize};

use crate::id::{AgentId, Digest, Segment, Thread};
use crate::reject::Reject;
use crate::time::Span;
use crate::wire::{Signature, verify_signature};

/// What a coordinator says for itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Says {
    /// It promises its next hash chain (system thread).
    Anchor {
        /// The chain's end.
        anchor: Digest,
        /// Its first value is for the round after this one.
        since: u32,
    },
    /// It has seen `elapsed` of a segment pass.
    Elapsed {
        /// How much has passed since it applied the entry that opened the segment.
        elapsed: Span,
        /// The segment.
        segment: Segment,
    },
    /// Its next hash-chain value for a round of draws (system thread).
    Reveal {
        /// The round.
        round: u32,
        /// The value.
        value: Digest,
    },
}

/// A word before its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The coordinator.
    pub by: AgentId,
    /// What it says.
    pub says: Says,
    /// Where it says so.
    pub thread: Thread,
}

impl Word {
    /// The id of the command that it is.
    pub fn id(&self) -> Digest {
        let by = &self.by.0;
        match &self.says {
            Says::Anchor { anchor, since } => Digest::of("swarm/anchor", &[&anchor.0, by, &since.to_be_bytes()]),
            Says::Elapsed { elapsed, segment } => {
                Digest::of("swarm/elapsed", &[by, &elapsed.0.to_be_bytes(), &segment.0.to_be_bytes()])
            }
            Says::Reveal { round, value } => Digest::of("swarm/reveal", &[by, &round.to_be_bytes(), &value.0]),
        }
    }

    /// What a signature covers.
    fn covered(&self) -> Digest {
        let thread = match &self.thread {
            Thread::System => &[][..],
            Thread::Need(need) => &need.0.0.0[..],
        };
        Digest::of("swarm/word", &[thread, &self.id().0])
    }

    /// Signs with the coordinator's key.
    ///
    /// # Panics
    /// If `key` is another's: a host signs for its own node alone.
    pub fn sign(self, key: &SigningKey) -> Given {
        assert_eq!(key.verifying_key().to_bytes(), self.by.0, "a host signs with the coordinator's own key");
        let sig = Signature(key.sign(&self.covered().0).to_bytes());
        Given { word: self, sig }
    }
}

/// A word that was given: its signature was checked, or made here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub struct Given {
    word: Word,
    sig: Signature,
}

impl Deref for Given {
    type Target = Word;
    fn deref(&self) -> &Word {
        &self.word
    }
}

/// How it is written. In alphabetical order: it travels as canonical JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    by: AgentId,
    says: Says,
    sig: Signature,
    thread: Thread,
}

impl From<Given> for Written {
    fn from(Given { word: Word { by, says, thread }, sig }: Given) -> Self {
        Self { by, says, sig, thread }
    }
}

impl TryFrom<Written> for Given {
    type Error = Reject;

    fn try_from(Written { by, says, sig, thread }: Written) -> Result<Self, Reject> {
        let word = Word { by, says, thread };
        verify_signature(&by, &word.covered().0, &sig)?;
        Ok(Self { word, sig })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{NeedId, Nonce};
    use crate::identity::Keys;
    use alloc::string::ToString as _;
    use alloc::vec::Vec;
    use serde_json::Value;

    /// Everything that a word says is under its signature, and so is who says it and where.
    #[test]
    fn a_word_changed_in_any_part_is_none() {
        let keys = [1, 2].map(|n| Keys::from_seed(&Digest([n; 32])));
        let by = keys[0].agent();
        let need = Thread::Need(NeedId::of(&by, Nonce(1)));
        let all = [
            (Says::Elapsed { elapsed: Span::from_secs(3), segment: Segment(4) }, need),
            (Says::Anchor { anchor: Digest([5; 32]), since: 6 }, Thread::System),
            (Says::Reveal { round: 7, value: Digest([8; 32]) }, Thread::System),
        ];
        for (says, thread) in all {
            let given = Word { by, says, thread }.sign(keys[0].signing());
            let text = serde_json::to_string(&given).unwrap();
            assert_eq!(serde_json::from_str::<Given>(&text).unwrap(), given);

            let change = |at: &str, to: Value| {
                let mut value: Value = serde_json::from_str(&text).unwrap();
                let old = value.pointer_mut(at).expect("it is there");
                assert_ne!(*old, to, "a change that changes nothing proves nothing");
                *old = to;
                serde_json::from_value::<Given>(value).unwrap_err().to_string()
            };
            let other = if thread == need { Thread::System } else { need };
            let mut changes: Vec<(&str, Value)> = alloc::vec![
                ("/by", serde_json::to_value(keys[1].agent()).unwrap()),
                ("/thread", serde_json::to_value(other).unwrap()),
                ("/sig", serde_json::to_value(Signature([0; 64])).unwrap()),
            ];
            match &given.says {
                Says::Anchor { .. } => {
                    changes.push(("/says/anchor/anchor", serde_json::to_value(Digest([9; 32])).unwrap()));
                    changes.push(("/says/anchor/since", 7.into()));
                }
                Says::Elapsed { .. } => {
                    changes.push(("/says/elapsed/elapsed", serde_json::to_value(Span::from_secs(4)).unwrap()));
                    changes.push(("/says/elapsed/segment", serde_json::to_value(Segment(5)).unwrap()));
                }
                Says::Reveal { .. } => {
                    changes.push(("/says/reveal/round", 8.into()));
                    changes.push(("/says/reveal/value", serde_json::to_value(Digest([9; 32])).unwrap()));
                }
            }
            for (at, to) in changes {
                let why = change(at, to);
                assert!(why.contains(Reject::BadSignature.as_str()), "{at}: {why}");
            }
        }
    }
}

//! Every way to refuse what someone else sent, by name (PROTOCOL 2).
//!
//! A reject is a peer's mistake: it is returned, counted and audited, and never a panic.

use core::fmt;

macro_rules! rejects {
    ($($(#[$doc:meta])* $name:ident $text:literal),* $(,)?) => {
        /// Why an envelope, an entry or a command is refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reject { $($(#[$doc])* $name,)* }

        impl Reject {
            /// Every reject there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name in logs, counters and DENY bodies.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

rejects! {
    /// Not JSON of an envelope's shape.
    Malformed "malformed",
    /// Over 64 KiB, or a list over its bound.
    Oversize "oversize",
    /// Another protocol version.
    UnknownVersion "unknown-version",
    /// No such verb.
    UnknownVerb "unknown-verb",
    /// The bytes are not the canonical form of what they say.
    NonCanonical "non-canonical",
    /// The id is not the address of the content.
    WrongId "wrong-id",
    /// The signature does not verify, strictly.
    BadSignature "bad-signature",
    /// The sender is not a usable public key.
    BadKey "bad-key",
    /// The signer is not whom the content names.
    NotTheSender "not-the-sender",
    /// This (sender, nonce) was accepted before, or lies below the window's floor.
    Replay "replay",
    /// A Lamport value beyond the end of the range, or too far ahead with no room to wait for the clock.
    LamportAhead "lamport-ahead",
    /// It rests on something that has not come, and there is no room to wait for it; or no room for one more sender.
    NoRoom "no-room",
    /// The capability cited is not in the manifest cited.
    NotInManifest "not-in-manifest",
    /// The manifest gives no role that may say this verb.
    WrongRole "wrong-role",
    /// Another engine hash than the thread's.
    EngineMismatch "engine-mismatch",
    /// A capsule that is not the one that was announced, or does not prove itself.
    BadCapsule "bad-capsule",
    /// The policy said no.
    PolicyDenied "policy-denied",
    /// Another epoch than the slot's.
    StaleEpoch "stale-epoch",
    /// Another fence than the task's.
    StaleFence "stale-fence",
    /// The envelope has expired in its own terms.
    Expired "expired",
    /// A field that the verb needs is missing, or one it must not have is there.
    WrongFields "wrong-fields",
    /// No such thread, task, proposal or commit.
    NoSuchThing "no-such-thing",
    /// The slot or task is in another phase.
    WrongPhase "wrong-phase",
    /// The sender is not the one entitled here (holder, requester, seat, voter).
    NotEntitled "not-entitled",
    /// A second vote, bid or act where one is allowed.
    Duplicate "duplicate",
    /// The evidence a command must carry is missing or does not prove it.
    NoEvidence "no-evidence",
    /// Fewer valid distinct votes than needed.
    NoQuorum "no-quorum",
    /// A report for another segment.
    WrongSegment "wrong-segment",
    /// Not better than what is kept.
    NotBetter "not-better",
    /// A number out of its bounds.
    OutOfBounds "out-of-bounds",
    /// The plan in it does not hold together.
    BadPlan "bad-plan",
    /// Not enough credits.
    NotEnough "not-enough",
    /// An account that does not exist.
    NoSuchAccount "no-such-account",
    /// Only the authority may do this.
    NotTheAuthority "not-the-authority",
    /// Above the supply cap.
    OverTheCap "over-the-cap",
    /// Stake that backs a lien.
    Encumbered "encumbered",
    /// A reveal that does not hash to the registered value.
    WrongReveal "wrong-reveal",
    /// A link that the signed chain does not contain.
    WrongLink "wrong-link",
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl core::error::Error for Reject {}

impl serde::Serialize for Reject {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for Reject {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = alloc::string::String::deserialize(d)?;
        Self::ALL.iter().copied().find(|r| r.as_str() == text).ok_or_else(|| serde::de::Error::custom("unknown reject"))
    }
}

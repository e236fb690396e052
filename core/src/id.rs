//! Names of things: digests, content addresses, agents, threads, tasks and the counters of the protocol.
//!
//! Everything wider than 32 bits is a decimal string in JSON (PROTOCOL 2); every name has exactly one spelling, and a
//! second spelling of the same name is refused when it is parsed.

use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use core::fmt;
use core::marker::PhantomData;
use core::str::FromStr;
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// Gives u64 newtypes their one JSON form: a decimal string without sign or leading zeros.
macro_rules! decimal {
    ($($t:ty),*) => { $(
        impl ::core::fmt::Display for $t {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::Display::fmt(&self.0, f)
            }
        }
        impl ::serde::Serialize for $t {
            fn serialize<S: ::serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                $crate::id::spell_u64(self.0, |text| s.serialize_str(text))
            }
        }
        impl<'de> ::serde::Deserialize<'de> for $t {
            fn deserialize<D: ::serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                $crate::id::decimal_u64(d).map(Self)
            }
        }
    )* };
}
pub(crate) use decimal;

/// Hands on the decimal digits of `value`. Numbers and names are most of what is ever written, and Rust's own formatting takes
/// several times as long.
pub(crate) fn spell_u64<R>(value: u64, then: impl FnOnce(&str) -> R) -> R {
    let (mut text, mut at, mut rest) = ([0; 20], 20, value);
    loop {
        at -= 1;
        text[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            return then(core::str::from_utf8(&text[at..]).expect("digits are ASCII"));
        }
    }
}

/// Reads a u64 from its only accepted spelling.
pub(crate) fn decimal_u64<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    parsed::<Decimal, D>(d).map(|decimal| decimal.0)
}

/// A u64 in its only accepted spelling.
struct Decimal(u64);

impl FromStr for Decimal {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) || (text.len() > 1 && text.starts_with('0')) {
            return Err(BadName("not a decimal string without sign or leading zeros"));
        }
        text.parse().map(Self).map_err(|_| BadName("decimal string does not fit 64 bits"))
    }
}

/// Reads a string and parses it, without copying it first: names are most of what an envelope is made of.
pub(crate) fn parsed<'de, T: FromStr<Err: fmt::Display>, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
    struct Text<T>(PhantomData<T>);
    impl<T: FromStr<Err: fmt::Display>> serde::de::Visitor<'_> for Text<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            text.parse().map_err(E::custom)
        }
    }
    d.deserialize_str(Text(PhantomData))
}

/// Shows and serializes by `spell`, which hands on the text, and parses by `FromStr`.
macro_rules! by_text {
    ($($t:ty),*) => { $(
        impl fmt::Display for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.spell(|text| f.write_str(text))
            }
        }
        impl Serialize for $t {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                self.spell(|text| s.serialize_str(text))
            }
        }
        impl<'de> Deserialize<'de> for $t {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                parsed(d)
            }
        }
        impl fmt::Debug for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )* };
}

/// A text that is not the name it claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadName(pub &'static str);

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A SHA-256 digest, written as 64 lower-case hex digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Digest of `parts`, each preceded by its length so that no two lists of parts collide, under a `domain`.
    pub fn of(domain: &str, parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in core::iter::once(&domain.as_bytes()).chain(parts) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// Plain SHA-256 of `bytes`.
    pub fn sha256(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Digest of the canonical JSON of `value` under a `domain`.
    pub fn of_json<T: Serialize + ?Sized>(domain: &str, value: &T) -> Self {
        Self::of(domain, &[&crate::wire::canonical::to_vec(value)])
    }

    fn spell<R>(&self, then: impl FnOnce(&str) -> R) -> R {
        then(data_encoding::HEXLOWER.encode_mut_str(&self.0, &mut [0; 64]))
    }

    /// The first eight bytes, big-endian.
    pub fn prefix(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

/// `bytes` as lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

impl FromStr for Digest {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        let bad = BadName("a digest is 64 lower-case hex digits");
        let text: &[u8; 64] = text.as_bytes().try_into().map_err(|_| bad)?;
        let mut out = [0; 32];
        data_encoding::HEXLOWER.decode_mut(text, &mut out).map_err(|_| bad)?;
        Ok(Self(out))
    }
}

/// A content address: CIDv1, codec raw, multihash sha2-256, written in base32 (`bafkrei...`).
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cid(pub Digest);

/// CIDv1, raw, sha2-256, 32 bytes: what every address here starts with.
const CID_PREFIX: [u8; 4] = [0x01, 0x55, 0x12, 0x20];

impl Cid {
    /// The address of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Digest::sha256(bytes))
    }

    fn spell<R>(&self, then: impl FnOnce(&str) -> R) -> R {
        let mut bytes = [0; 36];
        bytes[..4].copy_from_slice(&CID_PREFIX);
        bytes[4..].copy_from_slice(&self.0.0);
        let mut text = [0; 59];
        text[0] = b'b';
        data_encoding::BASE32_NOPAD.encode_mut(&bytes, &mut text[1..]);
        text.make_ascii_lowercase();
        then(core::str::from_utf8(&text).expect("base32 is ASCII"))
    }
}

impl FromStr for Cid {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        let bad = BadName("a content address is a CIDv1 (raw, sha2-256) in lower-case base32");
        let text: &[u8; 59] = text.as_bytes().try_into().map_err(|_| bad)?;
        if text[0] != b'b' || text.iter().any(u8::is_ascii_uppercase) {
            return Err(bad);
        }
        let mut bytes = [0; 36];
        data_encoding::BASE32_NOPAD_NOCASE.decode_mut(&text[1..], &mut bytes).map_err(|_| bad)?;
        match bytes.strip_prefix(&CID_PREFIX) {
            Some(digest) => Ok(Self(Digest(digest.try_into().map_err(|_| bad)?))),
            None => Err(bad),
        }
    }
}

/// An agent: its Ed25519 public key, written as `did:key:z6Mk...`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentId(pub [u8; 32]);

/// Multicodec `ed25519-pub` as a varint, what precedes the key in a `did:key`.
const ED25519_PUB: [u8; 2] = [0xed, 0x01];

/// The digits of base58, as Bitcoin orders them.
const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// Base58 digits of a prefixed key: the prefix fixes their number.
const DID_DIGITS: usize = 47;

/// Writes a prefixed key's digits, five at a time. A crate reads them; writing is so frequent (every digest of an entry names
/// agents) that the crate's digit-by-digit division was a seventh of a whole simulated run.
fn base58(bytes: &[u8; 34], text: &mut [u8; DID_DIGITS]) {
    const FIVE: u64 = 58 * 58 * 58 * 58 * 58;
    let mut limbs = [0u32; 9];
    limbs[0] = u32::from(u16::from_be_bytes([bytes[0], bytes[1]]));
    for (limb, chunk) in limbs[1..].iter_mut().zip(bytes[2..].chunks_exact(4)) {
        *limb = u32::from_be_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
    }
    for digits in text.rchunks_mut(5) {
        let mut rest = 0;
        for limb in &mut limbs {
            let value = rest << 32 | u64::from(*limb);
            *limb = (value / FIVE) as u32;
            rest = value % FIVE;
        }
        for digit in digits.iter_mut().rev() {
            *digit = BASE58[(rest % 58) as usize];
            rest /= 58;
        }
    }
}

/// What every did:key of a base58 key starts with.
const DID_PREFIX: &str = "did:key:z";

impl AgentId {
    fn spell<R>(&self, then: impl FnOnce(&str) -> R) -> R {
        let mut bytes = [0; 34];
        bytes[..2].copy_from_slice(&ED25519_PUB);
        bytes[2..].copy_from_slice(&self.0);
        let mut text = [0; DID_PREFIX.len() + DID_DIGITS];
        let (prefix, digits) = text.split_at_mut(DID_PREFIX.len());
        prefix.copy_from_slice(DID_PREFIX.as_bytes());
        base58(&bytes, digits.try_into().expect("the rest is the digits"));
        then(core::str::from_utf8(&text).expect("base58 is ASCII"))
    }
}

impl FromStr for AgentId {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        let bad = BadName("an agent id is a did:key of an Ed25519 public key");
        let text = text.strip_prefix(DID_PREFIX).filter(|t| t.len() <= 64).ok_or(bad)?;
        let mut bytes = [0; 34];
        if bs58::decode(text).onto(&mut bytes[..]) != Ok(34) {
            return Err(bad);
        }
        let key = bytes.strip_prefix(&ED25519_PUB).ok_or(bad)?;
        Ok(Self(key.try_into().map_err(|_| bad)?))
    }
}

/// A need and the conversation about it. The address of the canonical JSON of its requester and nonce, hence known
/// before the NEED is signed and the same for two NEEDs that one requester made under one nonce.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NeedId(pub Cid);

impl NeedId {
    /// The need that `requester` opens under `nonce`.
    pub fn of(requester: &AgentId, nonce: Nonce) -> Self {
        #[derive(serde::Serialize)]
        struct Key<'a> {
            nonce: Nonce,
            requester: &'a AgentId,
        }
        Self(Cid::of(&crate::wire::canonical::to_vec(&Key { nonce, requester })))
    }

    /// The register bucket of this need, of `buckets` (T17: the one bucket function).
    pub fn bucket(&self, buckets: u16) -> u16 {
        (self.0.0.prefix() % u64::from(buckets.max(1))) as u16
    }

    fn spell<R>(&self, then: impl FnOnce(&str) -> R) -> R {
        self.0.spell(then)
    }
}

impl FromStr for NeedId {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        text.parse().map(Self)
    }
}

/// A conversation with a register slot behind it: one per need, and one for what is global.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Thread {
    /// Membership, ledger, pools, draws.
    System,
    /// Everything about one need.
    Need(NeedId),
}

impl Thread {
    fn spell<R>(&self, then: impl FnOnce(&str) -> R) -> R {
        match self {
            Self::System => then("system"),
            Self::Need(need) => need.spell(then),
        }
    }
}

impl FromStr for Thread {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        if text == "system" { Ok(Self::System) } else { text.parse().map(Self::Need) }
    }
}

/// A short name inside a plan or a manifest (task, data label, capability): 1 to 64 of `a-z 0-9 . _ / -`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(String);

/// A task, named within its need.
pub type TaskName = Label;

impl Label {
    /// The label's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn spell<R>(&self, then: impl FnOnce(&str) -> R) -> R {
        then(&self.0)
    }
}

impl FromStr for Label {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        let fits = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'/' | b'-');
        if text.is_empty() || text.len() > 64 || !text.bytes().all(fits) {
            return Err(BadName("a label is 1 to 64 characters of a-z 0-9 . _ / -"));
        }
        Ok(Self(text.to_owned()))
    }
}

by_text!(Digest, Cid, AgentId, NeedId, Thread, Label);

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);
        decimal!($name);
    )* };
}

counters! {
    /// An amount of credits, the only unit of money. Always checked, never negative.
    Credits,
    /// A round of decision in a need's slot: generation in the upper 32 bits, counter in the lower (PROTOCOL 5).
    Epoch,
    /// A task's fencing token: fresh with every grant, never reused.
    Fence,
    /// A sender's logical clock.
    Lamport,
    /// A number a sender uses once.
    Nonce,
    /// Position of an applied entry in its thread, from 1.
    Seq,
    /// A stretch of a wait, opened by an applied entry (PROTOCOL 5: stopwatches).
    Segment,
    /// Names an effect that has an answer.
    OpId,
}

impl Credits {
    /// A share of it in basis points, rounded down. Whatever the amount: the product is wider than what it is made of.
    pub fn share(self, bp: u32) -> Self {
        let part = u128::from(self.0) * u128::from(bp) / 10_000;
        Self(u64::try_from(part).unwrap_or(u64::MAX))
    }
}

impl Epoch {
    /// The first epoch of the first generation.
    pub const FIRST: Self = Self(1);

    /// The first epoch of `generation`.
    pub const fn first_of(generation: u32) -> Self {
        Self((generation as u64) << 32 | 1)
    }

    /// How often the register had been restored when it began.
    pub const fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The how many-th of its generation it is.
    pub const fn counter(self) -> u32 {
        self.0 as u32
    }

    /// The epoch after this one, in the same generation.
    pub fn next(self) -> Self {
        assert!(
            self.0 & 0xffff_ffff != 0xffff_ffff,
            "an epoch's counter is bounded by epochs_max long before it wraps"
        );
        Self(self.0 + 1)
    }
}

impl Fence {
    /// Of a task that was never granted. A fresh one comes from the slot machine alone.
    pub const NONE: Self = Self(0);
}

impl Seq {
    /// The position after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// `text` as a label; for names written in the code, which are known to be well formed.
pub fn label(text: &str) -> Label {
    text.parse().unwrap_or_else(|_| panic!("{:?} is not a label", text.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_number_is_written_as_rust_writes_it(value: u64, shift in 0u32..64) {
            let value = value >> shift;
            prop_assert_eq!(spell_u64(value, ToString::to_string), value.to_string());
        }

        #[test]
        fn an_agent_is_written_as_the_crate_writes_it_and_read_back(key: [u8; 32]) {
            let mut bytes = ED25519_PUB.to_vec();
            bytes.extend(key);
            let text = AgentId(key).to_string();
            prop_assert_eq!(&text, &alloc::format!("did:key:z{}", bs58::encode(bytes).into_string()));
            prop_assert_eq!(text.parse(), Ok(AgentId(key)));
        }
    }

    #[test]
    fn the_extreme_keys_have_as_many_digits() {
        for key in [[0; 32], [255; 32]] {
            assert_eq!(AgentId(key).to_string().parse(), Ok(AgentId(key)));
        }
    }
}

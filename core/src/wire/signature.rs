//! Ed25519 signatures and the one way they are checked.
//!
//! What this must never allow: two spellings of one signature or of one key, a key that signs everything.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use core::fmt;
use core::str::FromStr;
use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{AgentId, BadName, hex};
use crate::reject::Reject;

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

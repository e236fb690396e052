//! Ed25519 signatures and the one way they are checked.
//!
//! What this must never allow: two spellings of one signature or of one key, a key that signs everything.

use alloc::collections::BTreeMap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use core::fmt;
use core::str::FromStr;
use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{AgentId, BadName, hex};
use crate::mutant::{Mutant, planted};
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

/// Keys that a ring holds. Anyone can make keys; those of a swarm's members come first and come often.
const RING_MAX: usize = 4_096;

/// Keys that were found good before, for a host that hears the same agents over and over: unpacking a key is a tenth of
/// verifying a signature. It remembers nothing about any signature.
#[derive(Clone, Debug, Default)]
pub struct Ring(BTreeMap<AgentId, VerifyingKey>);

impl Ring {
    fn key(&mut self, sender: &AgentId) -> Result<VerifyingKey, Reject> {
        if let Some(key) = self.0.get(sender) {
            return Ok(*key);
        }
        let key = good_key(sender)?;
        if self.0.len() < RING_MAX {
            self.0.insert(*sender, key);
        }
        Ok(key)
    }

    /// As [`verify_signature`].
    pub(super) fn verify(&mut self, sender: &AgentId, unsigned: &[u8], sig: &Signature) -> Result<(), Reject> {
        verify_by(&self.key(sender)?, unsigned, sig)
    }
}

/// Strict verification: one signature per message and key, and no key that signs everything.
///
/// # Errors
/// [`Reject::BadKey`], [`Reject::BadSignature`].
pub fn verify_signature(sender: &AgentId, unsigned: &[u8], sig: &Signature) -> Result<(), Reject> {
    verify_by(&good_key(sender)?, unsigned, sig)
}

fn good_key(sender: &AgentId) -> Result<VerifyingKey, Reject> {
    // A second spelling of a point (its y not reduced) would be a second id of the same key.
    let [low, middle @ .., high] = &sender.0;
    if *low >= 0xed && high & 0x7f == 0x7f && middle.iter().all(|byte| *byte == 0xff) {
        return Err(Reject::BadKey);
    }
    let key = VerifyingKey::from_bytes(&sender.0).map_err(|_| Reject::BadKey)?;
    if key.is_weak() {
        return Err(Reject::BadKey);
    }
    Ok(key)
}

fn verify_by(key: &VerifyingKey, unsigned: &[u8], sig: &Signature) -> Result<(), Reject> {
    if planted(Mutant::SignatureUnchecked) {
        return Ok(());
    }
    let sig = ed25519_dalek::Signature::from_bytes(&sig.0);
    key.verify_strict(unsigned, &sig).map_err(|_| Reject::BadSignature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing;
    use ed25519_dalek::hazmat::ExpandedSecretKey;
    use ed25519_dalek::{Signer as _, Verifier as _};
    use sha2::Digest as _;

    /// A signer can choose R of small order: with R the neutral element, S is k times its secret. Plain verification takes it.
    #[test]
    fn an_r_of_small_order_is_refused() {
        let key = testing::key(1);
        let point = key.verifying_key();
        let mut r = [0; 32];
        r[0] = 1;
        let k = sha2::Sha512::new().chain_update(r).chain_update(point.as_bytes()).chain_update(b"said").finalize();
        let s = ExpandedSecretKey::from(&key.to_bytes()).scalar
            * curve25519_dalek::Scalar::from_bytes_mod_order_wide(&k.into());
        let mut sig = [0; 64];
        sig[..32].copy_from_slice(&r);
        sig[32..].copy_from_slice(s.as_bytes());
        let dalek = ed25519_dalek::Signature::from_bytes(&sig);
        assert!(point.verify(b"said", &dalek).is_ok(), "the forgery is well made");
        assert_eq!(verify_by(&point, b"said", &Signature(sig)), Err(Reject::BadSignature));
    }

    #[test]
    fn a_key_that_is_known_makes_no_signature_good() {
        let key = testing::key(1);
        let (sender, good) = (testing::agent(1), Signature(key.sign(b"said").to_bytes()));
        let mut ring = Ring::default();
        for _ in 0..2 {
            assert_eq!(ring.verify(&sender, b"said", &good), Ok(()));
            assert_eq!(ring.verify(&sender, b"not said", &good), Err(Reject::BadSignature));
            assert_eq!(ring.verify(&testing::agent(2), b"said", &good), Err(Reject::BadSignature));
            // The neutral element, which signs everything; it is never taken in.
            let mut weak = AgentId([0; 32]);
            weak.0[0] = 1;
            assert_eq!(ring.verify(&weak, b"said", &good), Err(Reject::BadKey));
        }
        assert_eq!(ring.0.len(), 2);
    }

    #[test]
    fn a_full_ring_still_verifies() {
        let mut ring = Ring::default();
        for n in 0..RING_MAX as u64 {
            let mut name = AgentId([0xee; 32]);
            name.0[..8].copy_from_slice(&n.to_be_bytes());
            ring.0.insert(name, testing::key(1).verifying_key());
        }
        let good = Signature(testing::key(3).sign(b"said").to_bytes());
        assert_eq!(ring.verify(&testing::agent(3), b"said", &good), Ok(()));
        assert_eq!(ring.verify(&testing::agent(3), b"not said", &good), Err(Reject::BadSignature));
        assert_eq!(ring.0.len(), RING_MAX);
    }
}

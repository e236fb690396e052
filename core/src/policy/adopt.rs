//! Which policy a deployment goes by: the one of its genesis, and then those that its policy keys announce, one after the other.

use alloc::collections::BTreeMap;
use ed25519_dalek::Signer as _;

use crate::config::majority;
use crate::genesis::Genesis;
use crate::id::{AgentId, Cid, Digest};
use crate::identity::Keys;
use crate::reject::Reject;
use crate::wire::{NewPolicy, Signature, verify_signature};

impl NewPolicy {
    /// Policy `number` of the deployment of this genesis digest, signed by `keys`.
    pub fn sign<'a>(
        (capsule, engine): (Cid, Digest),
        number: u32,
        genesis: &Digest,
        keys: impl IntoIterator<Item = &'a Keys>,
    ) -> Self {
        let mut new = Self { capsule, engine, number, sigs: BTreeMap::new() };
        let covered = new.covered(genesis);
        let sign = |key: &'a Keys| (key.agent(), Signature(key.signing().sign(&covered.0).to_bytes()));
        new.sigs = keys.into_iter().map(sign).collect();
        new
    }

    /// What a signature covers: the number too, so that nobody can bring back a policy that was replaced.
    fn covered(&self, genesis: &Digest) -> Digest {
        Digest::of("swarm/new-policy", &[&genesis.0, &self.number.to_be_bytes(), &self.capsule.0.0, &self.engine.0])
    }

    /// Whether a majority of the policy keys signed it, and nobody else.
    ///
    /// # Errors
    /// [`Reject::NotTheAuthority`], [`Reject::NoQuorum`], or what is wrong with a signature.
    pub fn vet(&self, genesis: &Genesis) -> Result<(), Reject> {
        let is_key = |key: &AgentId| genesis.policy_keys.contains(key);
        if genesis.policy_keys.is_empty() || !self.sigs.keys().all(is_key) {
            return Err(Reject::NotTheAuthority);
        }
        if self.sigs.len() < majority(genesis.policy_keys.len()) {
            return Err(Reject::NoQuorum);
        }
        let covered = self.covered(&genesis.digest());
        self.sigs.iter().try_for_each(|(key, sig)| verify_signature(key, &covered.0, sig))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::genesis_of_nobody;
    use alloc::vec::Vec;

    fn keys(of: impl Iterator<Item = u8>) -> Vec<Keys> {
        let mut keys: Vec<Keys> = of.map(|no| Keys::from_seed(&Digest([no; 32]))).collect();
        keys.sort_by_key(Keys::agent);
        keys
    }

    #[test]
    fn a_majority_of_the_policy_keys_speaks_and_nobody_else() {
        let (keys, strangers) = (keys(1..=3), keys(4..=4));
        let genesis = Genesis { policy_keys: keys.iter().map(Keys::agent).collect(), ..genesis_of_nobody() };
        let digest = genesis.digest();
        let policy = (Cid::of(b"capsule"), Digest([7; 32]));
        let new = |keys: &[Keys]| NewPolicy::sign(policy, 1, &digest, keys);
        assert_eq!(new(&keys[..2]).vet(&genesis), Ok(()));
        assert_eq!(new(&keys[..1]).vet(&genesis), Err(Reject::NoQuorum));
        assert_eq!(new(&strangers).vet(&genesis), Err(Reject::NotTheAuthority));
        let nobodys = genesis_of_nobody();
        assert_eq!(NewPolicy::sign(policy, 1, &nobodys.digest(), []).vet(&nobodys), Err(Reject::NotTheAuthority));
        let signed = new(&keys);
        let altered: [fn(&mut NewPolicy); 3] =
            [|new| new.number = 2, |new| new.engine = Digest([8; 32]), |new| new.capsule = Cid::of(b"another")];
        for alter in altered {
            let mut other = signed.clone();
            alter(&mut other);
            assert_eq!(other.vet(&genesis), Err(Reject::BadSignature), "{other:?}");
        }
        let elsewhere = Genesis { recovery: Vec::from([keys[0].agent()]), ..genesis.clone() };
        assert_eq!(signed.vet(&elsewhere), Err(Reject::BadSignature), "it is for one deployment");
    }
}

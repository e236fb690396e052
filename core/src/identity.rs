//! Whose word it is: an agent's keys (on the host's side), its manifests, and what they entitle it to (PROTOCOL 1 and 2).
//!
//! Judged by the manifest an envelope *cites*, never by the newest one held: replicas that hold different ones would differ.
//! Must never print a secret, nor let an agent act under someone else's manifest.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use crypto_box::aead::rand_core as rand_core_06;
use ed25519_dalek::SigningKey;
use zeroize::Zeroize as _;

use crate::id::{AgentId, Cid, Digest, Lamport};
use crate::reject::Reject;
use crate::rng::{Seed, Stream};
use crate::wire::{Body, Content, Draft, Envelope, Manifest, Role, Verb};

/// An agent's secrets. Held by the host; a node never sees them. Wiped when dropped.
pub struct Keys {
    signing: SigningKey,
    sealing: crypto_box::SecretKey,
}

impl Keys {
    /// The keys of `seed`: it is the Ed25519 secret itself, and the sealing key is a hash of it under its own domain.
    pub fn from_seed(seed: &Seed) -> Self {
        let mut secret = Digest::of("swarm/sealing-key", &[&seed.0]).0;
        let sealing = crypto_box::SecretKey::from_bytes(secret);
        secret.zeroize();
        Self { signing: SigningKey::from_bytes(&seed.0), sealing }
    }

    /// Whose keys these are.
    pub fn agent(&self) -> AgentId {
        AgentId(self.signing.verifying_key().to_bytes())
    }

    /// The signing key.
    pub fn signing(&self) -> &SigningKey {
        &self.signing
    }

    /// The public key others seal to (X25519), for the manifest.
    pub fn sealing(&self) -> [u8; 32] {
        *self.sealing.public_key().as_bytes()
    }

    /// Signs a draft.
    ///
    /// # Panics
    /// If it is another agent's draft.
    pub fn sign(&self, draft: Draft) -> Envelope {
        draft.sign(&self.signing)
    }

    /// Opens a box that was sealed to [`Keys::sealing`].
    ///
    /// # Errors
    /// [`SealError::NotForUs`] if it was sealed to another key, or changed.
    pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        self.sealing.unseal(sealed).map_err(|_| SealError::NotForUs)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys of {}", self.agent())
    }
}

/// Why a box cannot be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealError {
    /// Sealed to another key, or changed on the way.
    NotForUs,
    /// The plaintext is too long to be sealed.
    TooLong,
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotForUs => "the box was sealed to another key, or changed",
            Self::TooLong => "too long to be sealed",
        })
    }
}

impl core::error::Error for SealError {}

/// Seals `plaintext` to the holder of the key `to`, as libsodium's `crypto_box_seal` does. The box's one-time key is the next
/// 32 bytes of `stream`, which must therefore be secret and never be used for anything else.
///
/// # Errors
/// [`SealError::TooLong`].
pub fn seal(to: &[u8; 32], plaintext: &[u8], stream: &mut Stream) -> Result<Vec<u8>, SealError> {
    crypto_box::PublicKey::from_bytes(*to).seal(&mut OneTime(stream), plaintext).map_err(|_| SealError::TooLong)
}

/// Hands a stream to a crate that knows an older trait for it.
struct OneTime<'a>(&'a mut Stream);

impl rand_core_06::RngCore for OneTime<'_> {
    fn next_u32(&mut self) -> u32 {
        rand_core_06::impls::next_u32_via_fill(self)
    }
    fn next_u64(&mut self) -> u64 {
        rand_core_06::impls::next_u64_via_fill(self)
    }
    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core_06::Error> {
        self.0.fill(bytes);
        Ok(())
    }
}

impl rand_core_06::CryptoRng for OneTime<'_> {}

/// Manifests kept per agent. Further ones are refused and none is ever given up: an envelope that cites one must be judged
/// alike before and after, or replicas that heard it at other times would differ (T75).
pub const MANIFESTS_MAX: usize = 16;

/// What ingress does with an envelope that it does not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ingress {
    /// Keep it until the artifact or envelope of this address is known.
    Park(Cid),
    /// Refuse it.
    Refuse(Reject),
}

/// The MANIFEST envelopes that are known, by address.
#[derive(Clone, Debug, Default)]
pub struct Manifests {
    known: BTreeMap<Cid, Arc<Envelope>>,
    /// Each agent's, by rising Lamport value.
    of_agent: BTreeMap<AgentId, Vec<(Lamport, Cid)>>,
    of_role: BTreeMap<Role, usize>,
}

impl Manifests {
    /// Takes a MANIFEST in; it may be known.
    ///
    /// # Errors
    /// [`Reject::WrongFields`] if it is no MANIFEST, or not about its sender; [`Reject::NotInManifest`] if it cites one;
    /// [`Reject::NoRoom`] if its agent has [`MANIFESTS_MAX`] others.
    pub fn learn(&mut self, envelope: Arc<Envelope>) -> Result<(), Reject> {
        let Body::Manifest(manifest) = &envelope.body else {
            return Err(Reject::WrongFields);
        };
        if manifest.agent != envelope.sender {
            return Err(Reject::WrongFields);
        }
        if envelope.capability.manifest != Cid::default() {
            return Err(Reject::NotInManifest);
        }
        let (id, lamport) = (envelope.id(), envelope.lamport);
        let own = self.of_agent.get(&envelope.sender).map_or(&[][..], Vec::as_slice);
        let Err(at) = own.binary_search(&(lamport, id)) else { return Ok(()) };
        if own.len() >= MANIFESTS_MAX {
            return Err(Reject::NoRoom);
        }
        let had = |role: &Role| own.iter().any(|(_, id)| self.get(id).is_some_and(|m| m.roles.contains(role)));
        for role in manifest.roles.iter().filter(|role| !had(role)).copied().collect::<BTreeSet<_>>() {
            *self.of_role.entry(role).or_default() += 1;
        }
        self.of_agent.entry(envelope.sender).or_default().insert(at, (lamport, id));
        self.known.insert(id, envelope);
        Ok(())
    }

    /// The manifest of this address.
    pub fn get(&self, id: &Cid) -> Option<&Manifest> {
        match &self.known.get(id)?.body {
            Body::Manifest(manifest) => Some(manifest),
            _ => unreachable!("only manifests are taken in"),
        }
    }

    /// How many agents ever said that they have this role. A hint: saying so costs nothing.
    pub fn count(&self, role: Role) -> usize {
        self.of_role.get(&role).copied().unwrap_or(0)
    }

    /// The agent's manifest with the highest Lamport value. For finding people and for one's own acts; never to judge others'
    /// envelopes by.
    pub fn latest(&self, agent: &AgentId) -> Option<(Cid, &Manifest)> {
        let (_, id) = self.of_agent.get(agent)?.last()?;
        Some((*id, self.get(id)?))
    }

    /// The roles that `content` is said in: those of the manifest it cites. None where that is unknown.
    pub fn roles(&self, content: &Content) -> &[Role] {
        match self.get(&content.capability.manifest) {
            Some(manifest) if manifest.agent == content.sender => &manifest.roles,
            _ => &[],
        }
    }

    /// Whether the sender may say this: the cited manifest is its own, has the cited capability, and gives a role that may
    /// say the verb. A MANIFEST, which cannot cite its own id, cites the zero address and needs no role.
    ///
    /// # Errors
    /// [`Ingress::Park`] until the cited manifest is known, else the refusal.
    pub fn entitled(&self, content: &Content) -> Result<(), Ingress> {
        let cited = content.capability.manifest;
        let verb = content.body.verb();
        if (verb == Verb::Manifest) != (cited == Cid::default()) {
            return Err(Ingress::Refuse(Reject::NotInManifest));
        }
        if verb == Verb::Manifest {
            return Ok(());
        }
        let manifest = self.get(&cited).ok_or(Ingress::Park(cited))?;
        if manifest.agent != content.sender {
            return Err(Ingress::Refuse(Reject::NotTheSender));
        }
        if !manifest.capabilities.iter().any(|capability| capability.name == content.capability.name) {
            return Err(Ingress::Refuse(Reject::NotInManifest));
        }
        if !verb.allowed(&manifest.roles) {
            return Err(Ingress::Refuse(Reject::WrongRole));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Credits, NeedId, Nonce, Thread, label};
    use crate::wire::{Amount, Capability, Claim, testing, trace_of};
    use alloc::{format, string::String, vec};

    fn keys(seed: u8) -> Keys {
        Keys::from_seed(&Digest([seed; 32]))
    }

    fn unhex(text: &str) -> Vec<u8> {
        data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
    }

    /// Made by libsodium (PyNaCl 1.6.2, `bindings.crypto_box` with the one-time key below and the nonce
    /// BLAKE2b-24(one-time public key, public key)), and opened there by `crypto_box_seal_open`.
    #[test]
    fn sealed_boxes_are_libsodiums() {
        let keys = keys(7);
        assert_eq!(keys.sealing()[..], unhex(SEALING)[..]);
        assert_eq!(keys.open(&unhex(SEALED)).unwrap(), b"only for you");
        let sealed = seal(&keys.sealing(), b"only for you", &mut Stream::new(&Digest([9; 32]))).unwrap();
        assert_eq!(crate::id::hex(&sealed), SEALED);
    }
    const SEALING: &str = "3104a2c3667f0d513e56a569cde005333a2f3dd64bd4eb356bf46c7992bfc173";
    const SEALED: &str = "179bc9425beca3334a6aefb2cf8939f0fd0cae8b3816087ee1dd42fd0ba56a78bf53a62b7ccfbd3e64cf86e8d60d0b21913e59035e1af7c665d6676b";

    #[test]
    fn a_box_opens_for_its_holder_unchanged_only() {
        let mut stream = Stream::new(&Digest([1; 32]));
        let sealed = seal(&keys(1).sealing(), b"", &mut stream).unwrap();
        assert_eq!(keys(1).open(&sealed).unwrap(), b"");
        assert_eq!(keys(2).open(&sealed), Err(SealError::NotForUs));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(keys(1).open(&changed), Err(SealError::NotForUs), "{at}");
            assert_eq!(keys(1).open(&sealed[..at]), Err(SealError::NotForUs), "{at}");
        }
        assert_ne!(seal(&keys(1).sealing(), b"", &mut stream).unwrap(), sealed, "each box has its own key");
    }

    #[test]
    fn t53_keys_do_not_print_themselves() {
        let keys = keys(0xab);
        let shown = format!("{keys:?} {keys:#?}");
        assert_eq!(shown, format!("Keys of {0} Keys of {0}", keys.agent()));
        for secret in [crate::id::hex(&[0xab; 8]), "171, 171".into(), crate::id::hex(&keys.sealing.to_bytes()[..8])] {
            assert!(!shown.contains(&secret));
        }
    }

    fn manifest(seed: u8, roles: &[Role], lamport: u64) -> Arc<Envelope> {
        let capability = Capability {
            input: String::new(),
            name: label("count"),
            output: String::new(),
            tags: Vec::new(),
            version: 1,
        };
        let body = Manifest {
            agent: testing::agent(seed),
            asn: String::new(),
            capabilities: vec![capability],
            constraints: Vec::new(),
            org: String::new(),
            price_floor: Credits(0),
            region: String::new(),
            roles: roles.to_vec(),
            sealing: Digest::default(),
            stake_account: testing::agent(seed),
            tier: 0,
            zones: Vec::new(),
        };
        let mut content = testing::content(seed, Body::Manifest(body));
        content.lamport = Lamport(lamport);
        Arc::new(Draft::new(content).sign(&testing::key(seed)))
    }

    fn claim(seed: u8, manifest: Cid, capability: &str) -> Content {
        let mut content =
            testing::content(seed, Body::Claim(Claim { cost: Credits(1), eta_ms: 1, task: label("count/0") }));
        content.thread = Thread::Need(NeedId::of(&testing::agent(9), Nonce(1)));
        content.trace = trace_of(content.thread, None);
        content.capability = crate::wire::CapabilityRef { manifest, name: label(capability) };
        content
    }

    #[test]
    fn entitled_by_the_manifest_that_is_cited() {
        let (worker, verifier) = (manifest(1, &[Role::Worker], 1), manifest(1, &[Role::Verifier], 2));
        let mut manifests = Manifests::default();
        let say = |manifests: &Manifests, content: &Content| manifests.entitled(content);
        let refused = |reject| Err(Ingress::Refuse(reject));

        assert_eq!(say(&manifests, &worker), Ok(()), "a manifest needs none");
        assert_eq!(say(&manifests, &claim(1, worker.id(), "count")), Err(Ingress::Park(worker.id())));
        manifests.learn(worker.clone()).unwrap();
        manifests.learn(verifier.clone()).unwrap();
        assert_eq!(say(&manifests, &claim(1, worker.id(), "count")), Ok(()), "though a newer one says otherwise");
        assert_eq!(say(&manifests, &claim(1, verifier.id(), "count")), refused(Reject::WrongRole));
        assert_eq!(say(&manifests, &claim(1, worker.id(), "sort")), refused(Reject::NotInManifest));
        assert_eq!(say(&manifests, &claim(2, worker.id(), "count")), refused(Reject::NotTheSender));
        assert_eq!(say(&manifests, &claim(1, Cid::default(), "count")), refused(Reject::NotInManifest));
        assert_eq!(manifests.roles(&claim(1, worker.id(), "count")), [Role::Worker]);
        assert_eq!(manifests.roles(&claim(2, worker.id(), "count")), []);
        assert_eq!(manifests.latest(&testing::agent(1)).unwrap().0, verifier.id());

        let mut citing = (**worker).clone();
        citing.capability.manifest = verifier.id();
        assert_eq!(say(&manifests, &citing), refused(Reject::NotInManifest));
    }

    #[test]
    fn t75_manifests_are_bounded_and_none_is_given_up_for_another() {
        let mut manifests = Manifests::default();
        let all: Vec<_> = (0..=MANIFESTS_MAX as u64).map(|lamport| manifest(1, &[], lamport)).collect();
        for manifest in &all[..MANIFESTS_MAX] {
            manifests.learn(manifest.clone()).unwrap();
        }
        assert_eq!(manifests.learn(all[MANIFESTS_MAX].clone()), Err(Reject::NoRoom));
        assert_eq!(manifests.learn(all[0].clone()), Ok(()), "one that is known stays known");
        assert!(all[..MANIFESTS_MAX].iter().all(|manifest| manifests.get(&manifest.id()).is_some()));
        assert_eq!(manifests.latest(&testing::agent(1)).unwrap().0, all[MANIFESTS_MAX - 1].id());
        let stake = testing::stake(1, |content| content.body = Body::Stake(Amount { amount: Credits(2) }));
        assert_eq!(manifests.learn(Arc::new(stake)), Err(Reject::WrongFields));
        let mut others = (**all[0]).clone();
        others.sender = testing::agent(2);
        let others = Arc::new(Draft::new(others).sign(&testing::key(2)));
        assert_eq!(manifests.learn(others), Err(Reject::WrongFields));
    }
}

//! Hash chains: randomness that is promised before anyone can know what it will be good for (PROTOCOL 6: Draw).
//!
//! A coordinator registers the end of a chain and later reveals it link by link, backwards. Each reveal hashes to the one
//! before, so a value can neither be chosen when it is due nor differ between two listeners; all that its holder can do is
//! stay silent, and be named for it. A chain ends; before it does, the end of the next one is registered, for rounds that
//! begin later. Only [`check_after`] is part of the protocol; [`Chains`] hold the secret and live with the host.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::id::Digest;
use crate::reject::Reject;

/// The most reveals that a chain may be good for; also how many steps a register will go for a value.
pub const LENGTH: u32 = 4_096;

/// Links kept by a chain are this far apart: what is between them is recomputed, so no more hashes than this per reveal.
const STRIDE: u32 = 64;

fn link(value: &Digest) -> Digest {
    Digest::of("swarm/reveal", &[&value.0])
}

/// Whether `value` is what may be revealed after `prev`: the previous reveal or, before the first, the anchor.
///
/// # Errors
/// [`Reject::WrongReveal`].
pub fn check(prev: &Digest, value: &Digest) -> Result<(), Reject> {
    if link(value) == *prev { Ok(()) } else { Err(Reject::WrongReveal) }
}

/// Whether `value` is the one that may be revealed `steps` after `prev`: whoever was silent in between skips those values.
///
/// # Errors
/// [`Reject::WrongReveal`]; also for no step at all, or more steps than a chain has.
pub fn check_after(prev: &Digest, value: &Digest, steps: u32) -> Result<(), Reject> {
    if steps == 0 || steps > LENGTH {
        return Err(Reject::WrongReveal);
    }
    check(prev, &(1..steps).fold(*value, |value, _| link(&value)))
}

/// A chain with its secret. No `Debug`, no serialization: whoever sees a link before its time can steer a draw.
#[derive(Clone)]
pub struct Chain {
    /// The reveals at indices `length`, `length - STRIDE`, `length - 2 * STRIDE` ..., and so on.
    kept: Vec<Digest>,
    length: u32,
}

impl Chain {
    /// The chain of `length` reveals grown from `secret`.
    pub fn new(secret: &Digest, length: u32) -> Self {
        let mut value = Digest::of("swarm/reveal-root", &[&secret.0]);
        let mut kept = Vec::new();
        for depth in 0..=length {
            if depth % STRIDE == 0 {
                kept.push(value);
            }
            value = link(&value);
        }
        Self { kept, length }
    }

    /// What is registered beforehand. Equal to the reveal of index 0.
    pub fn anchor(&self) -> Digest {
        self.value(0).expect("every chain has an anchor")
    }

    /// The `index`-th reveal, from 1. `None` when the chain is used up: a new one must be registered.
    pub fn value(&self, index: u32) -> Option<Digest> {
        let depth = self.length.checked_sub(index)?;
        let start = self.kept[(depth / STRIDE) as usize];
        Some((0..depth % STRIDE).fold(start, |value, _| link(&value)))
    }
}

/// One coordinator's chains, each named by the round it counts from: the founding one counts from round 0. All grow from
/// one secret, so whoever holds that needs to store nothing else.
#[derive(Clone)]
pub struct Chains {
    secret: Digest,
    length: u32,
    /// The chains last asked for.
    grown: BTreeMap<u32, Chain>,
}

impl Chains {
    /// Chains of `length` reveals each (`Params::reveals`).
    pub fn new(secret: Digest, length: u32) -> Self {
        Self { secret, length, grown: BTreeMap::new() }
    }

    fn chain(&mut self, since: u32) -> &Chain {
        if !self.grown.contains_key(&since) && self.grown.len() >= 2 {
            self.grown.pop_first();
        }
        self.grown.entry(since).or_insert_with(|| {
            Chain::new(&Digest::of("swarm/reveal-chain", &[&self.secret.0, &since.to_be_bytes()]), self.length)
        })
    }

    /// What is registered of the chain that counts from round `since`.
    pub fn anchor(&mut self, since: u32) -> Digest {
        self.chain(since).anchor()
    }

    /// The value that it reveals in `round`. `None` before its first round and after its last.
    pub fn value(&mut self, since: u32, round: u32) -> Option<Digest> {
        let index = round.checked_sub(since).filter(|index| *index > 0)?;
        self.chain(since).value(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_skips_values_but_never_goes_back() {
        let chain = Chain::new(&Digest::sha256(b"secret"), 100);
        let (third, fifth) = (chain.value(3).unwrap(), chain.value(5).unwrap());
        assert_eq!(check_after(&third, &fifth, 2), Ok(()));
        assert_eq!(check_after(&chain.anchor(), &fifth, 5), Ok(()));
        for (prev, value, steps) in [(third, fifth, 1), (third, fifth, 3), (third, third, 0), (fifth, third, 2)] {
            assert_eq!(check_after(&prev, &value, steps), Err(Reject::WrongReveal));
        }
    }

    #[test]
    fn chains_of_one_secret_are_apart() {
        let mut chains = Chains::new(Digest::sha256(b"secret"), 8);
        for since in [0, 8, 20, 8] {
            let anchor = chains.anchor(since);
            let value = chains.value(since, since + 3).unwrap();
            assert_eq!(check_after(&anchor, &value, 3), Ok(()));
            assert_eq!((chains.value(since, since), chains.value(since, since + 9)), (None, None));
            assert_eq!(check_after(&chains.anchor(since + 1), &value, 3), Err(Reject::WrongReveal));
        }
    }

    #[test]
    fn every_reveal_hashes_to_the_one_before() {
        for length in [0, 1, 63, 64, 65, 300] {
            let chain = Chain::new(&Digest::sha256(b"secret"), length);
            for index in 1..=length {
                let (prev, value) = (chain.value(index - 1).unwrap(), chain.value(index).unwrap());
                assert_eq!(check(&prev, &value), Ok(()), "{index} of {length}");
            }
            assert_eq!(chain.value(length + 1), None);
        }
    }

    #[test]
    fn nothing_else_passes() {
        let chain = Chain::new(&Digest::sha256(b"secret"), 100);
        let other = Chain::new(&Digest::sha256(b"other"), 100);
        let wrong = Err(Reject::WrongReveal);
        assert_eq!(check(&chain.anchor(), &other.value(1).unwrap()), wrong);
        assert_eq!(check(&chain.anchor(), &chain.anchor()), wrong);
        assert_eq!(check(&chain.anchor(), &chain.value(2).unwrap()), wrong, "one may not be skipped");
        assert_eq!(check(&chain.value(2).unwrap(), &chain.value(1).unwrap()), wrong, "nor repeated");
    }
}

//! Who the register's members are: a fixed number of seats, each held by one coordinator at a time (PROTOCOL 5: Members).
//!
//! A coordinator that lost its disk never comes back as itself: it has forgotten whom it voted for and what it acknowledged,
//! and would vote twice (T71). A majority of the recovery keys gives its seat to a new agent under a new member id. The table
//! is a fold over the system thread's entries, so that every member has the same one at the same place.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::base::{self, Base, PIECES_MAX, Root};
use crate::config::majority;
use crate::genesis::{Genesis, Member};
use crate::id::{AgentId, Cid, Digest, Seq, Thread};
use crate::identity::Keys;
use crate::mutant::{Mutant, planted};
use crate::register::{Chain, Command};
use crate::reject::Reject;
use crate::wire::{Body, Envelope, Manifest, Role, Signature, canonical, verify_signature};

/// Longest MANIFEST of a newcomer, in bytes: a MEMBER has to carry it.
pub const MANIFEST_BYTES_MAX: usize = 16 * 1024;

/// A member's number in the groups of the register, from 1; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub u64);
crate::id::decimal!(MemberId);

/// A seat of the register and who holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Its holder's number.
    pub id: MemberId,
    /// Its holder, with the end of its hash chain.
    pub member: Member,
}

/// Who takes whose seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Succession {
    /// The newcomer's MANIFEST, which says that it is a coordinator.
    pub manifest: Arc<Envelope>,
    /// The newcomer: an agent that never held a seat.
    pub new: Member,
    /// Who holds the seat now.
    pub old: AgentId,
}

/// What the recovery keys can order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Act {
    /// A seat changes hands.
    Replace(Succession),
    /// The register's data were lost and are restored from what its members remember: from here on a higher generation counts.
    Restore {
        /// The generation, higher than every one before.
        generation: u32,
    },
    /// The register is lost with a majority of its members, or lives on out of reach: it is founded anew on what survived. Every
    /// seat changes hands, and behind the base only those speak whom this act seats. It is the first entry behind the base
    /// in every thread that is kept, and in the system thread.
    Refound {
        /// Where each thread that is kept ends. A thread that is not in the base begins anew.
        base: Root,
        /// The generation, higher than every one before.
        generation: u32,
        /// Who takes the seats, in their founding order.
        seats: Vec<Succession>,
    },
}

/// An act with the signatures that make it one. Mandates form a chain: each names the one before it, so that whoever hears of
/// some of them cannot take them in another order than everyone else, and two that are signed at once cannot both count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mandate {
    /// The act.
    pub act: Act,
    /// [`Mandate::id`] of the mandate before it; zero in the first.
    pub after: Digest,
    /// Signatures of recovery keys over the deployment and all the rest.
    pub sigs: BTreeMap<AgentId, Signature>,
}

impl Mandate {
    /// `act` after the mandate `after` (none: zero), signed by `keys` for the deployment of this genesis digest.
    pub fn sign<'a>(act: Act, after: Digest, genesis: &Digest, keys: impl IntoIterator<Item = &'a Keys>) -> Self {
        use ed25519_dalek::Signer as _;
        let mut mandate = Self { act, after, sigs: BTreeMap::new() };
        let covered = mandate.covered(genesis);
        let sign = |key: &'a Keys| (key.agent(), Signature(key.signing().sign(&covered.0).to_bytes()));
        mandate.sigs = keys.into_iter().map(sign).collect();
        mandate
    }

    /// Names it, whoever of those who may have signed it.
    pub fn id(&self) -> Digest {
        Digest::of("swarm/mandate-id", &[&self.after.0, &canonical::to_vec(&self.act)])
    }

    /// What a signature covers.
    fn covered(&self, genesis: &Digest) -> Digest {
        Digest::of("swarm/mandate", &[&genesis.0, &self.id().0])
    }

    /// Who takes whose seat by it.
    pub fn successions(&self) -> &[Succession] {
        match &self.act {
            Act::Replace(one) => core::slice::from_ref(one),
            Act::Restore { .. } => &[],
            Act::Refound { seats, .. } => seats,
        }
    }

    /// The handovers it orders.
    pub fn handovers(&self) -> impl Iterator<Item = Handover> + '_ {
        let founding = self.founding();
        self.successions().iter().map(move |s| Handover { founding, new: s.new.agent, old: s.old })
    }

    /// The newcomers' MANIFESTs.
    pub fn manifests(&self) -> impl Iterator<Item = &Arc<Envelope>> {
        self.successions().iter().map(|succession| &succession.manifest)
    }

    /// What names the base of the generation that it founds, if it founds one.
    pub fn base(&self) -> Option<&Root> {
        match &self.act {
            Act::Refound { base, .. } => Some(base),
            Act::Replace(_) | Act::Restore { .. } => None,
        }
    }

    /// The generation that it founds, if it founds one.
    pub fn founding(&self) -> Option<u32> {
        self.base().and_then(|_| self.generation())
    }

    /// Of these bases the one that it names.
    pub fn find_base<'a>(&self, bases: &'a [Arc<Base>]) -> Option<&'a Arc<Base>> {
        let (founding, root) = (self.founding()?, self.base()?);
        bases.iter().find(|base| base.generation == founding && base.root() == *root)
    }

    /// What a refusal of it names: the first newcomer's MANIFEST, or nothing.
    pub fn named(&self) -> Cid {
        self.manifests().next().map(|manifest| manifest.id()).unwrap_or_default()
    }

    /// The generation it begins, if it does.
    pub fn generation(&self) -> Option<u32> {
        match self.act {
            Act::Replace(_) => None,
            Act::Restore { generation } | Act::Refound { generation, .. } => Some(generation),
        }
    }

    /// Whether it may take effect in a thread of this deployment in which `handovers` have, which is of `generation`, and where
    /// the last mandate was `last`.
    ///
    /// # Errors
    /// [`Reject::Duplicate`] if the newcomer has held a seat, [`Reject::NoSuchThing`] if the one that is to go holds none,
    /// [`Reject::StaleEpoch`] if the generation is no higher, [`Reject::WrongLink`] if another mandate has to come before it, or
    /// has come, or why it is no mandate at all ([`Mandate::vet`]).
    pub fn stands(
        &self,
        genesis: &Genesis,
        handovers: &[Handover],
        generation: u32,
        last: &Digest,
    ) -> Result<(), Reject> {
        self.follows(genesis, handovers, generation, last)?;
        self.vet(genesis)
    }

    /// As [`Mandate::stands`], of one that was vetted before: whether its place in the thread is still free.
    ///
    /// # Errors
    /// As [`Mandate::stands`].
    pub fn follows(
        &self,
        genesis: &Genesis,
        handovers: &[Handover],
        generation: u32,
        last: &Digest,
    ) -> Result<(), Reject> {
        let voices = Voices::new(&genesis.coordinators, handovers);
        for Handover { new, old, .. } in self.handovers() {
            if voices.seat(&new).is_some() {
                return Err(Reject::Duplicate);
            }
            if !voices.holds(&old) {
                return Err(Reject::NoSuchThing);
            }
        }
        if self.generation().is_some_and(|own| own <= generation) {
            return Err(Reject::StaleEpoch);
        }
        if self.after != *last {
            return Err(Reject::WrongLink);
        }
        Ok(())
    }

    /// Whether it is a mandate of this deployment, wherever it may take effect.
    ///
    /// # Errors
    /// What is wrong with the manifest or the signatures, by name.
    pub fn vet(&self, genesis: &Genesis) -> Result<(), Reject> {
        if let Act::Refound { base, seats, .. } = &self.act {
            let distinct = |who: fn(&Succession) -> AgentId| seats.iter().map(who).collect::<BTreeSet<_>>().len();
            if base.pieces > PIECES_MAX {
                return Err(Reject::Oversize);
            }
            // A seat that stays with one who served the lost generation would speak for both.
            if distinct(|s| s.old) != genesis.coordinators.len()
                || distinct(|s| s.new.agent) != genesis.coordinators.len()
                || seats.len() != genesis.coordinators.len()
            {
                return Err(Reject::NoQuorum);
            }
        }
        for Succession { manifest, new, .. } in self.successions() {
            let Body::Manifest(says) = &manifest.body else { return Err(Reject::WrongFields) };
            if manifest.sender != new.agent || says.agent != new.agent {
                return Err(Reject::NotTheSender);
            }
            if manifest.capability.manifest != Cid::default() {
                return Err(Reject::NotInManifest);
            }
            if manifest.bytes().len() > MANIFEST_BYTES_MAX {
                return Err(Reject::Oversize);
            }
            if !says.roles.contains(&Role::Coordinator) {
                return Err(Reject::WrongRole);
            }
        }
        self.check(&genesis.digest(), &genesis.recovery)
    }

    /// Whether a majority of `recovery` signed it, and nobody else.
    ///
    /// # Errors
    /// [`Reject::NotEntitled`], [`Reject::NoQuorum`], or what is wrong with a signature.
    pub fn check(&self, genesis: &Digest, recovery: &[AgentId]) -> Result<(), Reject> {
        if !self.sigs.keys().all(|key| recovery.contains(key)) {
            return Err(Reject::NotEntitled);
        }
        if self.sigs.len() < majority(recovery.len()) {
            return Err(Reject::NoQuorum);
        }
        let covered = self.covered(genesis);
        self.sigs.iter().try_for_each(|(key, sig)| verify_signature(key, &covered.0, sig))
    }
}

/// The MANIFEST that `agent` acts under from the start: of the foundation, or of the mandate that made it a member.
pub fn manifest_of<'a>(
    genesis: &'a Genesis,
    mandates: &'a [Arc<Mandate>],
    agent: &AgentId,
) -> Option<(&'a Arc<Envelope>, &'a Manifest)> {
    let mandated =
        mandates.iter().rev().flat_map(|mandate| mandate.manifests()).find_map(|envelope| match &envelope.body {
            Body::Manifest(manifest) if manifest.agent == *agent => Some((envelope, manifest)),
            _ => None,
        });
    mandated.or_else(|| genesis.manifest(agent))
}

/// A seat changed hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Handover {
    /// The generation that began with it, if the register was founded anew.
    pub founding: Option<u32>,
    /// Who holds it.
    pub new: AgentId,
    /// Who held it.
    pub old: AgentId,
}

/// Whose word counts for which seat, where these handovers took effect.
#[derive(Clone, Copy, Debug)]
pub struct Voices<'a> {
    founders: &'a [Member],
    handovers: &'a [Handover],
    bases: &'a [Arc<Base>],
}

impl<'a> Voices<'a> {
    /// The seats of `founders` after `handovers`.
    pub fn new(founders: &'a [Member], handovers: &'a [Handover]) -> Self {
        Self { founders, handovers, bases: &[] }
    }

    /// The same where the register was founded anew, on these bases: of those only the ones count whose act took effect.
    pub fn on(self, bases: &'a [Arc<Base>]) -> Self {
        Self { bases, ..self }
    }

    /// The generation whose word counts at `seq` of `thread`, if it is not everyone's. What lies behind a base is told by those
    /// whom its act seated, and those who took over from them: whoever served the lost generation may not know that it is lost (T18).
    fn begun(&self, thread: Thread, seq: Seq) -> Option<u32> {
        let founded = self.handovers.iter().filter_map(|handover| handover.founding);
        founded.filter(|generation| base::kept(self.bases, *generation, thread) < seq).max()
    }

    /// Whether the word of `agent` counts at `seq` of `thread`.
    pub fn speaks(&self, agent: &AgentId, thread: Thread, seq: Seq) -> bool {
        let begun = self.begun(thread, seq);
        begun.is_none_or(|begun| self.founded(agent) >= begun) || planted(Mutant::LostGenerationHeard)
    }

    /// The generation that `agent` speaks for.
    pub fn founded(&self, agent: &AgentId) -> u32 {
        let mut agent = *agent;
        for _ in 0..=self.handovers.len() {
            let Some(handover) = self.handovers.iter().find(|handover| handover.new == agent) else { return 0 };
            if let Some(generation) = handover.founding {
                return generation;
            }
            agent = handover.old;
        }
        0
    }

    /// Whether a chain of `thread` that ends like this may be the one that was kept.
    pub fn admits(&self, thread: Thread, chain: &Chain) -> bool {
        let kept = self.bases.iter().map(|base| base.of(thread));
        kept.filter(|kept| kept.seq == chain.seq).all(|kept| kept.head == chain.head)
    }

    /// How many seats have spoken at `seq` of `thread` if these agents have.
    pub fn count_at<'b>(&self, thread: Thread, seq: Seq, agents: impl IntoIterator<Item = &'b AgentId>) -> usize {
        self.count(agents.into_iter().filter(|agent| self.speaks(agent, thread, seq)))
    }

    /// How many seats there are.
    pub fn seats(&self) -> usize {
        self.founders.len()
    }

    /// The place, in founding order, of the seat that `agent` holds or held.
    pub fn seat(&self, agent: &AgentId) -> Option<usize> {
        let mut agent = *agent;
        // A ring of handovers leads to no founder.
        for _ in 0..=self.handovers.len() {
            if let Some(seat) = self.founders.iter().position(|founder| founder.agent == agent) {
                return Some(seat);
            }
            agent = self.handovers.iter().find(|handover| handover.new == agent)?.old;
        }
        None
    }

    /// Whether `agent` holds a seat now.
    pub fn holds(&self, agent: &AgentId) -> bool {
        self.seat(agent).is_some() && self.handovers.iter().all(|handover| handover.old != *agent)
    }

    /// Who holds a seat now, in founding order. The handovers must stand in the order in which they took effect.
    pub fn holders(&self) -> impl Iterator<Item = AgentId> + use<'a> {
        let Self { founders, handovers, .. } = *self;
        founders.iter().map(move |founder| {
            handovers.iter().fold(founder.agent, |at, handover| if handover.old == at { handover.new } else { at })
        })
    }

    /// How many seats have spoken if these agents have.
    pub fn count<'b>(&self, agents: impl IntoIterator<Item = &'b AgentId>) -> usize {
        let spoken = agents.into_iter().filter_map(|agent| Some((self.seat(agent)?, agent)));
        if planted(Mutant::SeatCountsTwice) {
            return spoken.map(|(_, agent)| agent).collect::<BTreeSet<_>>().len();
        }
        spoken.map(|(seat, _)| seat).collect::<BTreeSet<_>>().len()
    }
}

/// What a command did to the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The group of this bucket starts, with the members as they are now.
    Started(u32),
    /// A seat changed hands.
    Replaced {
        /// Who held it.
        old: Seat,
        /// Who holds it.
        new: Seat,
    },
    /// The register was restored, and this generation counts.
    Restored(u32),
    /// The register was founded anew: each seat changed hands.
    Refounded,
}

/// The table of members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    genesis: Arc<Genesis>,
    /// What the mandates did, in the same order.
    handovers: Vec<Handover>,
    /// Every mandate that took effect, in order: what convinces one that knows only the genesis.
    mandates: Vec<Arc<Mandate>>,
    /// Who held a seat once.
    past: BTreeMap<MemberId, AgentId>,
    /// Seats in founding order.
    seats: Vec<Seat>,
    started: BTreeSet<u32>,
    generation: u32,
}

impl Members {
    /// The founding members, numbered in the order of their ids.
    pub fn new(genesis: &Arc<Genesis>) -> Self {
        let seat = |(member, id): (&Member, u64)| Seat { id: MemberId(id), member: member.clone() };
        Self {
            genesis: Arc::clone(genesis),
            handovers: Vec::new(),
            mandates: Vec::new(),
            past: BTreeMap::new(),
            seats: genesis.coordinators.iter().zip(1..).map(seat).collect(),
            started: BTreeSet::new(),
            generation: 0,
        }
    }

    /// The seats in founding order.
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// The seat that `agent` holds.
    pub fn seat_of(&self, agent: &AgentId) -> Option<&Seat> {
        self.seats.iter().find(|seat| seat.member.agent == *agent)
    }

    /// Whether `agent` once held a seat and does no more.
    pub fn is_past(&self, agent: &AgentId) -> bool {
        self.past.values().any(|past| past == agent) && self.seat_of(agent).is_none()
    }

    /// The agent behind a number, also a past one.
    pub fn agent(&self, id: MemberId) -> Option<AgentId> {
        let seat = self.seats.iter().find(|seat| seat.id == id).map(|seat| seat.member.agent);
        seat.or_else(|| self.past.get(&id).copied())
    }

    /// The numbers of those who hold a seat, rising.
    pub fn ids(&self) -> Vec<u64> {
        let mut ids: Vec<u64> = self.seats.iter().map(|seat| seat.id.0).collect();
        ids.sort_unstable();
        ids
    }

    /// Buckets whose group was started.
    pub fn started(&self) -> &BTreeSet<u32> {
        &self.started
    }

    /// How often the register was restored, as far as mandates say.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// What the mandates so far did, in order.
    pub fn handovers(&self) -> &[Handover] {
        &self.handovers
    }

    /// Whose word counts for which seat.
    pub fn voices(&self) -> Voices<'_> {
        Voices::new(&self.genesis.coordinators, &self.handovers)
    }

    /// The mandates that took effect, in order.
    pub fn mandates(&self) -> &[Arc<Mandate>] {
        &self.mandates
    }

    /// Whether the mandates of `earlier` are the first of these.
    pub fn goes_on_from(&self, earlier: &Self) -> bool {
        let same = self.mandates.iter().zip(&earlier.mandates).all(|(own, its)| own.id() == its.id());
        same && self.mandates.len() >= earlier.mandates.len()
    }

    /// The last of them; zero if there is none.
    pub fn last_mandate(&self) -> Digest {
        self.mandates.last().map(|mandate| mandate.id()).unwrap_or_default()
    }

    /// Whether `holder` is the one that stands for election first in the group of `bucket`: work is spread over the seats.
    pub fn is_first(&self, bucket: u32, holder: MemberId) -> bool {
        self.seats.get(bucket as usize % self.seats.len().max(1)).is_some_and(|seat| seat.id == holder)
    }

    /// Applies an entry of the system thread; a refusal changes nothing.
    ///
    /// # Errors
    /// Why it has no effect. A command that is not about members is [`Reject::WrongFields`].
    pub fn apply(&mut self, command: &Command) -> Result<Change, Reject> {
        match command {
            Command::Start { bucket } => {
                if *bucket >= self.genesis.params.buckets {
                    return Err(Reject::OutOfBounds);
                }
                if !self.started.insert(*bucket) {
                    return Err(Reject::Duplicate);
                }
                Ok(Change::Started(*bucket))
            }
            Command::Mandate(mandate) => self.mandate(mandate),
            _ => Err(Reject::WrongFields),
        }
    }

    /// Applies a mandate.
    ///
    /// # Errors
    /// Why it has no effect.
    pub fn mandate(&mut self, mandate: &Arc<Mandate>) -> Result<Change, Reject> {
        mandate.stands(&self.genesis, &self.handovers, self.generation, &self.last_mandate())?;
        self.mandates.push(Arc::clone(mandate));
        self.generation = mandate.generation().unwrap_or(self.generation);
        let seats = mandate.successions().iter().map(|succession| self.seat(succession)).collect::<Vec<_>>();
        self.handovers.extend(mandate.handovers());
        Ok(match &mandate.act {
            Act::Replace(_) => {
                let (old, new) = seats.into_iter().next().expect("a replacement is one succession");
                Change::Replaced { old, new }
            }
            Act::Restore { generation } => Change::Restored(*generation),
            Act::Refound { .. } => Change::Refounded,
        })
    }

    /// Gives a seat away that is held; says who held it and who does.
    fn seat(&mut self, succession: &Succession) -> (Seat, Seat) {
        let held = |seat: &Seat| seat.member.agent == succession.old;
        let at = self.seats.iter().position(held).expect("a mandate that stands names holders");
        let highest = self.seats.iter().map(|seat| seat.id.0).chain(self.past.keys().map(|id| id.0)).max();
        let fresh = MemberId(highest.unwrap_or(0) + 1);
        let id = if planted(Mutant::WipedKeepsId) { self.seats[at].id } else { fresh };
        let new = Seat { id, member: succession.new.clone() };
        let old = core::mem::replace(&mut self.seats[at], new.clone());
        self.past.insert(old.id, old.member.agent);
        (old, new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One seat that changed hands: its old and its new holder say the same.
    fn one_seat_speaks_once() {
        let agent = |n: u8| AgentId([n; 32]);
        let founders = [1, 2, 3].map(|n| Member { agent: agent(n), anchor: Digest::default() });
        let handovers = [Handover { founding: None, old: agent(1), new: agent(9) }];
        let voices = Voices::new(&founders, &handovers);
        assert_eq!(voices.count(&[agent(1), agent(9)]), 1);
        assert_eq!(voices.count(&[agent(1), agent(2), agent(9)]), 2);
    }

    /// Behind a base those speak whom its act seated, and who took over from them; up to it everyone who ever held the seat.
    fn behind_a_base_the_lost_generation_is_silent() {
        let agent = |n: u8| AgentId([n; 32]);
        let founders = [1, 2].map(|n| Member { agent: agent(n), anchor: Digest::default() });
        let handovers = [
            Handover { founding: None, old: agent(1), new: agent(3) },
            Handover { founding: Some(1), old: agent(3), new: agent(11) },
            Handover { founding: Some(1), old: agent(2), new: agent(12) },
            Handover { founding: None, old: agent(12), new: agent(13) },
        ];
        let kept = Chain { head: Digest([7; 32]), seq: Seq(5) };
        let bases = [Arc::new(Base { generation: 1, heads: [(Thread::System, kept)].into() })];
        let voices = Voices::new(&founders, &handovers).on(&bases);
        let speak = |seq: u64| [1, 2, 3, 11, 12, 13].map(|n| voices.speaks(&agent(n), Thread::System, Seq(seq)));
        assert_eq!(speak(5), [true; 6]);
        assert_eq!(speak(6), [false, false, false, true, true, true]);
        let other = Thread::Need(crate::id::NeedId::of(&agent(1), crate::id::Nonce(1)));
        assert!(!voices.speaks(&agent(1), other, Seq(1)) && voices.speaks(&agent(11), other, Seq(1)), "it begins anew");
        assert!(voices.admits(Thread::System, &kept));
        assert!(!voices.admits(Thread::System, &Chain { head: Digest([8; 32]), seq: Seq(5) }), "another past");
        let unknown = voices.on(&[]);
        assert!(!unknown.speaks(&agent(1), Thread::System, Seq(5)), "nobody knows yet how far it was kept");
        assert!(
            Voices::new(&founders, &handovers[..1]).on(&bases).speaks(&agent(1), Thread::System, Seq(6)),
            "not here"
        );
    }

    #[test]
    fn t18_behind_a_base_the_lost_generation_is_silent() {
        behind_a_base_the_lost_generation_is_silent();
    }

    #[test]
    fn t71_a_seat_that_changed_hands_has_one_voice() {
        one_seat_speaks_once();
    }

    #[test]
    #[cfg(swarm_mutants)]
    fn planted_bugs_are_caught() {
        use crate::mutant::plant;
        let rules: [(Mutant, fn()); 2] = [
            (Mutant::SeatCountsTwice, one_seat_speaks_once),
            (Mutant::LostGenerationHeard, behind_a_base_the_lost_generation_is_silent),
        ];
        for (mutant, rule) in rules {
            plant(Some(mutant));
            let caught = std::panic::catch_unwind(rule).is_err();
            plant(None);
            assert!(caught, "{}", mutant.name());
        }
    }
}

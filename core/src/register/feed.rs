//! Belief: an entry is believed when enough coordinators vouched for it (PROTOCOL 5: ENTRY feed).
//!
//! With n coordinators of which f may lie, floor((n + f) / 2) + 1 signatures are needed. With a bare majority, one liar
//! that vouches on both sides of a split would give each side its three of five. Voices are counted per seat: whoever lost
//! its disk and whoever took its seat over are one.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::id::{AgentId, Digest, Seq, Thread};
use crate::members::Voices;
use crate::mutant::{Mutant, planted};
use crate::register::{Applied, Chain, Event};
use crate::reject::Reject;
use crate::wire::{Body, Envelope};

/// Proof that an entry was applied in another thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// Which of the entry's events is meant.
    pub at: u32,
    /// The entry.
    pub entry: Applied,
    /// Its thread.
    pub thread: Thread,
    /// ENTRY envelopes that contain its link, of distinct coordinators.
    pub vouchers: Vec<Arc<Envelope>>,
}

impl Proof {
    /// The event it is about, if the entry is what it is said to be: good enough to see that it is not wanted any more.
    pub fn claim(&self) -> Option<&Event> {
        self.entry.outcome.events().get(self.at as usize)
    }

    /// The proved event.
    ///
    /// # Errors
    /// `NoEvidence` unless at least `believe_at` distinct seats vouch for exactly this entry.
    pub fn check(&self, voices: Voices<'_>, believe_at: usize) -> Result<&Event, Reject> {
        let link = self.entry.link(self.thread);
        let vouches =
            |envelope: &Envelope| envelope.thread == self.thread && vouched(envelope, self.entry.seq) == Some(link);
        let who: BTreeSet<AgentId> = self.vouchers.iter().filter(|e| vouches(e)).map(|e| e.sender).collect();
        if voices.count_at(self.thread, self.entry.seq, &who) < believe_at {
            return Err(Reject::NoEvidence);
        }
        self.entry.outcome.events().get(self.at as usize).ok_or(Reject::NoEvidence)
    }
}

/// The link that an ENTRY states for `seq`.
fn vouched(envelope: &Envelope, seq: Seq) -> Option<Digest> {
    let Body::Entry(batch) = &envelope.body else { return None };
    batch.links.get(usize::try_from(seq.0.checked_sub(batch.first.0)?).ok()?).copied()
}

/// An entry that has become believed.
#[derive(Clone, Debug)]
pub struct Believed {
    /// The entry.
    pub entry: Arc<Applied>,
    /// Its link.
    pub link: Digest,
    /// The ENTRY envelopes that vouch for it.
    pub vouchers: Vec<Arc<Envelope>>,
}

/// Most entries that a feed keeps of one seat past the others. A newcomer hears a thread's whole past before it applies any of
/// it, and the bus tells nothing twice: what seats say alike is kept however far it reaches, and one alone fills no memory. Nor does one that is honest speak
/// further ahead of what is believed: what it said would be lost.
pub(crate) const ALONE_MAX: u64 = 4_096;

/// One coordinator's word on one place.
#[derive(Clone, Debug)]
struct Vouch {
    link: Digest,
    by: AgentId,
    envelope: Arc<Envelope>,
}

/// One thread's entries on their way to being believed.
#[derive(Clone, Debug)]
pub struct Feed {
    thread: Thread,
    chain: Chain,
    /// How far each seat's word reaches that was heard here.
    heard: BTreeMap<usize, Seq>,
    /// Who vouched for which link, per place not yet believed; in the order of links, and of those who vouched. As few as there
    /// are coordinators.
    vouches: BTreeMap<Seq, Vec<Vouch>>,
    /// What the links stand for, as far as it is known.
    contents: BTreeMap<(Seq, Digest), Arc<Applied>>,
}

impl Feed {
    /// An empty feed of `thread`.
    pub fn new(thread: Thread) -> Self {
        let chain = Chain::default();
        Self { thread, chain, heard: BTreeMap::new(), vouches: BTreeMap::new(), contents: BTreeMap::new() }
    }

    /// How far belief has come.
    pub fn chain(&self) -> Chain {
        self.chain
    }

    /// The last place at which a word is kept: not far beyond what so many seats have come to that nothing is believed without
    /// one of them.
    fn reach(&self, voices: Voices<'_>, believe_at: usize) -> Seq {
        let mut heard: Vec<Seq> = self.heard.values().copied().collect();
        heard.sort_unstable();
        let come = heard.iter().nth_back(voices.seats().saturating_sub(believe_at));
        Seq(come.copied().unwrap_or_default().max(self.chain.seq).0.saturating_add(ALONE_MAX))
    }

    /// Takes the content of an entry that this node applied itself.
    pub fn applied(&mut self, link: Digest, entry: Arc<Applied>) {
        if entry.seq > self.chain.seq {
            self.contents.insert((entry.seq, link), entry);
        }
    }

    /// Takes a coordinator's ENTRY and whatever entries came beside it.
    ///
    /// # Errors
    /// `WrongLink` if an entry beside it is not the one that the envelope vouches for; `NoRoom` if it vouches for places that
    /// too few other seats are near: of those, nothing is kept.
    pub fn vouch(
        &mut self,
        voices: Voices<'_>,
        believe_at: usize,
        envelope: &Arc<Envelope>,
        entries: &[Arc<Applied>],
    ) -> Result<(), Reject> {
        let Body::Entry(batch) = &envelope.body else { return Err(Reject::WrongFields) };
        let last = Seq(batch.first.0.saturating_add(batch.links.len() as u64).saturating_sub(1));
        if let Some(seat) = voices.seat(&envelope.sender) {
            let heard = self.heard.entry(seat).or_default();
            *heard = last.max(*heard);
        }
        let (believed, reach) = (self.chain.seq, self.reach(voices, believe_at));
        let kept = |seq: Seq| seq > believed && seq <= reach;
        let mut fresh = Vec::new();
        for entry in entries {
            let link = vouched(envelope, entry.seq).ok_or(Reject::WrongLink)?;
            if !kept(entry.seq) || self.contents.contains_key(&(entry.seq, link)) {
                continue;
            }
            if entry.link(self.thread) != link {
                return Err(Reject::WrongLink);
            }
            fresh.push(((entry.seq, link), Arc::clone(entry)));
        }
        for (link, seq) in batch.links.iter().zip(batch.first.0..) {
            if kept(Seq(seq)) {
                self.note(Seq(seq), *link, envelope);
            }
        }
        fresh.retain(|((seq, link), _)| self.has_voice(*seq, link, &envelope.sender));
        self.contents.extend(fresh);
        if last > reach { Err(Reject::NoRoom) } else { Ok(()) }
    }

    /// A coordinator's first word on a place stands: whoever says another one lies, and could fill the memory of all.
    fn note(&mut self, seq: Seq, link: Digest, envelope: &Arc<Envelope>) {
        let said = self.vouches.entry(seq).or_default();
        let by = envelope.sender;
        if said.iter().all(|vouch| vouch.by != by) {
            let at = said.partition_point(|vouch| (vouch.link, vouch.by) < (link, by));
            said.insert(at, Vouch { link, by, envelope: Arc::clone(envelope) });
        }
    }

    fn has_voice(&self, seq: Seq, link: &Digest, sender: &AgentId) -> bool {
        let said = self.vouches.get(&seq);
        said.is_some_and(|said| said.iter().any(|vouch| vouch.link == *link && vouch.by == *sender))
    }

    /// The next entry that has become believed; call until there is none.
    pub fn poll(&mut self, voices: Voices<'_>, believe_at: usize) -> Option<Believed> {
        let believe_at = if planted(Mutant::BeliefOfOne) { 1 } else { believe_at };
        let next = self.chain.seq.next();
        let said = self.vouches.get(&next)?.chunk_by(|one, other| one.link == other.link);
        let mut alike = said.filter(|alike| alike.len() >= believe_at);
        let speak = |alike: &&[Vouch]| voices.count_at(self.thread, next, alike.iter().map(|vouch| &vouch.by));
        let enough = alike.find(|alike| speak(alike) >= believe_at)?;
        let (link, vouchers) = (enough[0].link, enough.iter().map(|vouch| Arc::clone(&vouch.envelope)).collect());
        let mut chain = self.chain;
        chain.push(&link);
        if !voices.admits(self.thread, &chain) {
            return None;
        }
        let entry = self.contents.remove(&(next, link))?;
        self.chain = chain;
        self.vouches.remove(&next);
        self.contents = self.contents.split_off(&(next.next(), Digest([0; 32])));
        Some(Believed { entry, link, vouchers })
    }
}

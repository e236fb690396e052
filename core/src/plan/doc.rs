//! The plan document of a thread: an Automerge op-log whose every change is one signed patch (PROTOCOL 4).
//!
//! A change puts the bytes of one PROPOSE or UPDATE_PLAN envelope into the root map, under the envelope's id. It is a pure
//! function of that envelope: the actor is the id's digest (so no actor lives twice), there are no dependencies, no time,
//! no message, nothing random. Hence replicas with the same patches have the same heads, whatever order they came in.
//!
//! Untrusted bytes are never decoded as Automerge. The envelope inside is found and verified, the change it makes is built
//! anew, and the received bytes must be exactly those. That refuses deletions, overwrites, foreign keys and unsigned facts
//! (T23) in one comparison, and keeps run-length bombs and a decoder that may panic away from the node.
//!
//! The log is not materialised: every value of Automerge's document type draws an actor from the operating system, and
//! nothing here would read it. [`Document::save`] is a file that any Automerge loads.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::collections::btree_map::{BTreeMap, Entry};
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use automerge::legacy::{Key, ObjectId, Op, OpType, SortedVec};
use automerge::{ActorId, Change, ExpandedChange, ScalarValue};
use core::num::NonZeroU64;
use once_cell::race::OnceBox;
use serde_json::value::RawValue;

use super::facts_of;
use crate::id::{AgentId, Cid, Digest, Lamport, Thread};
use crate::reject::Reject;
use crate::wire::{Envelope, Verb};

/// The most bytes [`Document::merge`] takes at once. A larger document travels in several pieces.
pub const MERGE_BYTES_MAX: usize = 1024 * 1024;

/// UPDATE_PLANs of one author that a document keeps: one for each lease of every task of the largest plan.
pub const UPDATES_EACH: usize = 256;

/// UPDATE_PLANs that a document keeps in all.
pub const UPDATES_MAX: usize = 1_024;

/// The longest UPDATE_PLAN, in bytes.
pub const UPDATE_BYTES_MAX: usize = 8 * 1_024;

/// How a canonical envelope begins.
const ENVELOPE_START: &[u8] = b"{\"body\":";

/// A change's header, actor, key and column list fit this many bytes before the envelope starts.
const CHANGE_HEAD_BYTES_MAX: usize = 512;

/// A patch, and the head it makes, hashed when first asked for.
#[derive(Debug)]
struct Patch {
    envelope: Arc<Envelope>,
    head: OnceBox<Digest>,
}

impl Patch {
    fn head(&self) -> Digest {
        *self.head.get_or_init(|| Box::new(head_of(&change_of(&self.envelope))))
    }
}

/// The change that `envelope` makes.
fn change_of(envelope: &Envelope) -> Change {
    let put = Op {
        action: OpType::Put(ScalarValue::Bytes(envelope.bytes().to_vec())),
        obj: ObjectId::Root,
        key: Key::Map(envelope.id().to_string().into()),
        pred: SortedVec::new(),
        insert: false,
    };
    Change::from(ExpandedChange {
        operations: vec![put],
        actor_id: ActorId::from(envelope.id().0.0),
        hash: None,
        seq: 1,
        start_op: NonZeroU64::MIN,
        time: 0,
        message: None,
        deps: Vec::new(),
        extra_bytes: Vec::new(),
        author: None,
    })
}

fn head_of(change: &Change) -> Digest {
    Digest(change.hash().0)
}

/// How many UPDATE_PLANs a document has room for. Which of them it keeps depends on all that ever came and not on their order:
/// of each author the earliest by (Lamport, id), and of those again the earliest.
#[derive(Clone, Copy, Debug)]
struct Room {
    each: usize,
    all: usize,
}

/// What became of a patch that is sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was here.
    Known,
    /// It is kept.
    New,
    /// It is kept in place of this one.
    Instead(Arc<Envelope>),
}

/// The op-log of one thread. Cheap to clone; clones share their patches.
#[derive(Clone, Debug)]
pub struct Document {
    thread: Thread,
    patches: BTreeMap<Cid, Arc<Patch>>,
    room: Room,
    /// The UPDATE_PLANs among them, earliest first.
    updates: BTreeSet<(Lamport, Cid)>,
    /// The same by author.
    of: BTreeMap<AgentId, BTreeSet<(Lamport, Cid)>>,
}

impl Document {
    /// The empty document of `thread`.
    pub fn new(thread: Thread) -> Self {
        Self::with(thread, Room { each: UPDATES_EACH, all: UPDATES_MAX })
    }

    fn with(thread: Thread, room: Room) -> Self {
        Self { thread, patches: BTreeMap::new(), room, updates: BTreeSet::new(), of: BTreeMap::new() }
    }

    /// Takes a patch in, on form alone. Proposals are as many as the register keeps; there is room for so many UPDATE_PLANs, and
    /// replicas that heard the same keep the same, whatever order they came in. Who dates its own back can so crowd out what
    /// others add beside the plan, on all replicas alike: nothing rests on that.
    ///
    /// # Errors
    /// [`Reject::NoSuchThing`] if it belongs to another thread; [`Reject::Oversize`] if it is an UPDATE_PLAN above
    /// [`UPDATE_BYTES_MAX`]; [`Reject::NoRoom`] if there are enough earlier ones; those of [`facts_of`].
    pub fn insert(&mut self, envelope: &Arc<Envelope>) -> Result<Taken, Reject> {
        self.check(envelope)?;
        self.keep(envelope, OnceBox::new())
    }

    /// An author can sign one patch twice, with different signatures. Of those the lower is kept, whichever came first: or two
    /// replicas would send each other theirs for ever.
    fn keep(&mut self, envelope: &Arc<Envelope>, head: OnceBox<Digest>) -> Result<Taken, Reject> {
        let patch = Arc::new(Patch { envelope: Arc::clone(envelope), head });
        match self.patches.entry(envelope.id()) {
            Entry::Vacant(entry) => {
                entry.insert(patch);
            }
            Entry::Occupied(mut entry) => {
                if envelope.sig().0 < entry.get().envelope.sig().0 {
                    entry.insert(patch);
                }
                return Ok(Taken::Known);
            }
        }
        if envelope.verb() != Verb::UpdatePlan {
            return Ok(Taken::New);
        }
        let place = (envelope.lamport, envelope.id());
        let own = self.of.entry(envelope.sender).or_default();
        own.insert(place);
        self.updates.insert(place);
        let last = if own.len() > self.room.each { own.last() } else { self.updates.last() };
        let last = last.copied().filter(|_| own.len() > self.room.each || self.updates.len() > self.room.all);
        match last.and_then(|last| self.drop(last)) {
            None => Ok(Taken::New),
            Some(lost) if lost.id() == envelope.id() => Err(Reject::NoRoom),
            Some(lost) => Ok(Taken::Instead(lost)),
        }
    }

    /// Gives up the UPDATE_PLAN at this place.
    fn drop(&mut self, place: (Lamport, Cid)) -> Option<Arc<Envelope>> {
        self.updates.remove(&place);
        let lost = Arc::clone(&self.patches.remove(&place.1)?.envelope);
        if let Some(own) = self.of.get_mut(&lost.sender) {
            own.remove(&place);
            if own.is_empty() {
                self.of.remove(&lost.sender);
            }
        }
        Some(lost)
    }

    fn check(&self, envelope: &Envelope) -> Result<(), Reject> {
        if envelope.thread != self.thread {
            return Err(Reject::NoSuchThing);
        }
        if envelope.verb() == Verb::UpdatePlan && envelope.bytes().len() > UPDATE_BYTES_MAX {
            return Err(Reject::Oversize);
        }
        facts_of(envelope).map(drop)
    }

    /// Takes in another replica's patches: what its [`Document::save`] or [`Document::missing`] gave, untrusted. All or
    /// nothing, but for what there is no room for. `verify` makes an envelope of bytes (a host may remember its verdicts). Returns
    /// the patches that are new.
    ///
    /// # Errors
    /// [`Reject::Oversize`] above [`MERGE_BYTES_MAX`]; [`Reject::Malformed`] if no envelope is found where one should be;
    /// [`Reject::NonCanonical`] if a change is not exactly the one its envelope makes (it deletes, overwrites, writes
    /// elsewhere, or has another actor); those of `verify` and of [`Document::insert`].
    pub fn merge(
        &mut self,
        mut bytes: &[u8],
        mut verify: impl FnMut(&[u8]) -> Result<Arc<Envelope>, Reject>,
    ) -> Result<Vec<Arc<Envelope>>, Reject> {
        if bytes.len() > MERGE_BYTES_MAX {
            return Err(Reject::Oversize);
        }
        let mut taken = Vec::new();
        while !bytes.is_empty() {
            let envelope = verify(find_envelope(bytes)?)?;
            self.check(&envelope)?;
            let change = change_of(&envelope);
            bytes = bytes.strip_prefix(change.raw_bytes()).ok_or(Reject::NonCanonical)?;
            taken.push((envelope, head_of(&change)));
        }
        let mut new = Vec::new();
        for (envelope, head) in taken {
            match self.keep(&envelope, OnceBox::with_value(Box::new(head))) {
                Ok(Taken::New | Taken::Instead(_)) => new.push(envelope),
                Ok(Taken::Known) | Err(_) => {}
            }
        }
        new.retain(|envelope: &Arc<Envelope>| self.patches.contains_key(&envelope.id()));
        Ok(new)
    }

    /// Everything, as an Automerge file. Equal documents save equal bytes.
    pub fn save(&self) -> Vec<u8> {
        self.patches.values().flat_map(|patch| change_of(&patch.envelope).raw_bytes().to_vec()).collect()
    }

    /// What a replica with the heads `theirs` lacks, at most [`MERGE_BYTES_MAX`] of it: asked again with its new heads, the
    /// rest. Empty when it lacks nothing.
    pub fn missing(&self, theirs: &BTreeSet<Digest>) -> Vec<u8> {
        let mut out = Vec::new();
        for patch in self.patches.values().filter(|patch| !theirs.contains(&patch.head())) {
            let change = change_of(&patch.envelope);
            if out.len() + change.raw_bytes().len() > MERGE_BYTES_MAX {
                break;
            }
            out.extend_from_slice(change.raw_bytes());
        }
        out
    }

    /// Its heads in Automerge's sense. No change depends on another, so every change is one.
    pub fn heads(&self) -> BTreeSet<Digest> {
        self.patches.values().map(|patch| patch.head()).collect()
    }

    /// Identity of its state: equal exactly if the patches are. A patch is what its id addresses, whichever of its author's
    /// signatures came with it: the actors of the changes, not the changes.
    pub fn heads_digest(&self) -> Digest {
        let parts: Vec<&[u8]> = self.patches.keys().map(|id| id.0.0.as_slice()).collect();
        Digest::of("swarm/heads", &parts)
    }

    /// How many patches a replica with the heads `theirs` has that this one lacks.
    pub fn sync_lag(&self, theirs: &BTreeSet<Digest>) -> usize {
        theirs.difference(&self.heads()).count()
    }

    /// The thread.
    pub fn thread(&self) -> Thread {
        self.thread
    }

    /// The patch with this envelope id.
    pub fn get(&self, id: &Cid) -> Option<&Arc<Envelope>> {
        self.patches.get(id).map(|patch| &patch.envelope)
    }

    /// Every patch, by envelope id.
    pub fn patches(&self) -> impl ExactSizeIterator<Item = &Arc<Envelope>> {
        self.patches.values().map(|patch| &patch.envelope)
    }
}

/// The bytes of the envelope in the change that `bytes` begin with. A guess: only the comparison with the rebuilt change
/// makes it true.
fn find_envelope(bytes: &[u8]) -> Result<&[u8], Reject> {
    let head = &bytes[..bytes.len().min(CHANGE_HEAD_BYTES_MAX)];
    let start =
        head.windows(ENVELOPE_START.len()).position(|window| window == ENVELOPE_START).ok_or(Reject::Malformed)?;
    let mut values = serde_json::Deserializer::from_slice(&bytes[start..]).into_iter::<&RawValue>();
    match values.next() {
        Some(Ok(value)) => Ok(value.get().as_bytes()),
        _ => Err(Reject::Malformed),
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        reason = "tests measure, and hold the log against Automerge's own document"
    )]

    use super::*;
    use crate::id::{Epoch, label};
    use crate::plan::View;
    use crate::plan::testkit::{add, note, planner, thread, update};
    use proptest::prelude::*;

    fn verify(bytes: &[u8]) -> Result<Arc<Envelope>, Reject> {
        Envelope::verify(bytes).map(Arc::new)
    }

    fn filled(count: u64) -> Document {
        let mut doc = Document::new(thread());
        for lamport in 1..=count {
            assert_eq!(doc.insert(&update(1, lamport, vec![note("a", "k", &lamport.to_string())])), Ok(Taken::New));
        }
        doc
    }

    /// What a real Automerge makes of the saved bytes.
    fn automerge(doc: &Document) -> automerge::Automerge {
        automerge::Automerge::load(&doc.save())
            .expect("saved bytes are an Automerge file")
            .with_actor(ActorId::from([0; 32]))
    }

    #[test]
    fn automerge_agrees_on_heads_entries_and_merges() {
        use automerge::ReadDoc as _;
        let doc = filled(9);
        let theirs = automerge(&doc);
        assert_eq!(theirs.get_heads().iter().map(|hash| Digest(hash.0)).collect::<BTreeSet<_>>(), doc.heads());
        for patch in doc.patches() {
            let (value, _) = theirs.get(automerge::ROOT, patch.id().to_string()).unwrap().unwrap();
            assert_eq!(value.as_bytes(), Some(&patch.bytes()[..]));
        }
        let mut left = Document::new(thread());
        let mut right = Document::new(thread());
        for (n, patch) in doc.patches().enumerate() {
            if n % 2 == 0 {
                left.insert(patch).unwrap()
            } else {
                right.insert(patch).unwrap()
            };
        }
        let mut merged = automerge(&left);
        merged.merge(&mut automerge(&right)).unwrap();
        assert_eq!(merged.get_heads(), theirs.get_heads());
    }

    #[test]
    fn replicas_sync_by_missing_heads() {
        let full = filled(6);
        let mut late = filled(2);
        assert_eq!(late.sync_lag(&full.heads()), 4);
        let new = late.merge(&full.missing(&late.heads()), verify).unwrap();
        assert_eq!((new.len(), late.sync_lag(&full.heads())), (4, 0));
        assert_eq!((late.heads_digest(), late.save()), (full.heads_digest(), full.save()));
        assert!(full.missing(&late.heads()).is_empty());
        assert_eq!(late.merge(&full.save(), verify), Ok(vec![]), "what is known is not new");
    }

    #[test]
    fn a_large_document_travels_in_pieces() {
        let mut full = Document::new(thread());
        for lamport in 0..200 {
            let facts = (0..7).map(|n| note("a", &alloc::format!("k{n}"), &"x".repeat(1_000))).collect();
            full.insert(&update(1, lamport, facts)).unwrap();
        }
        assert_eq!(Document::new(thread()).merge(&full.save(), verify), Err(Reject::Oversize));
        let mut late = Document::new(thread());
        let mut pieces = 0;
        while late.sync_lag(&full.heads()) > 0 {
            late.merge(&full.missing(&late.heads()), verify).unwrap();
            pieces += 1;
        }
        assert_eq!((pieces, late.heads()), (2, full.heads()));
    }

    #[test]
    fn only_patches_of_this_thread_enter() {
        let mut other = Document::new(Thread::System);
        assert_eq!(other.insert(&update(1, 1, vec![note("a", "k", "v")])), Err(Reject::NoSuchThing));
        assert_eq!(other.merge(&filled(1).save(), verify), Err(Reject::NoSuchThing));
        let mut doc = Document::new(thread());
        assert_eq!(doc.insert(&update(1, 1, vec![])), Err(Reject::WrongFields));
        let claim = crate::plan::Fact::Claim { envelope: Cid::default(), task: label("a") };
        assert_eq!(doc.insert(&planner(1, vec![claim])), Err(Reject::BadPlan));
        assert_eq!(doc.patches().len(), 0);
    }

    /// The honest change of a patch, after `edit`.
    fn edited(edit: impl FnOnce(&mut ExpandedChange)) -> Vec<u8> {
        let mut change = change_of(&update(1, 1, vec![note("a", "k", "v")])).decode();
        edit(&mut change);
        Change::from(change).raw_bytes().to_vec()
    }

    #[test]
    fn t23_a_change_is_exactly_one_put_of_a_signed_patch() {
        let check = |bytes: &[u8]| Document::new(thread()).merge(bytes, verify).map(|new| new.len());
        assert_eq!(check(&edited(|_| ())), Ok(1), "the honest one");
        let refused = [
            ("another actor", edited(|c| c.actor_id = ActorId::from([7; 32]))),
            ("a second sequence number", edited(|c| c.seq = 2)),
            ("a later first op", edited(|c| c.start_op = NonZeroU64::new(9).unwrap())),
            ("a time", edited(|c| c.time = 1)),
            ("a message", edited(|c| c.message = Some("hi".into()))),
            ("a dependency", edited(|c| c.deps = vec![automerge::ChangeHash([1; 32])])),
            ("extra bytes", edited(|c| c.extra_bytes = vec![1])),
            ("another key", edited(|c| c.operations[0].key = Key::Map("x".into()))),
            ("the put twice", edited(|c| c.operations.push(c.operations[0].clone()))),
            (
                "an overwrite",
                edited(|c| {
                    let other = automerge::legacy::OpId::new(1, &ActorId::from([7; 32]));
                    c.operations[0].pred = vec![other].into();
                }),
            ),
            (
                "a put and a deletion",
                edited(|c| {
                    let mut delete = c.operations[0].clone();
                    delete.action = OpType::Delete;
                    delete.pred = vec![automerge::legacy::OpId::new(1, &ActorId::from([7; 32]))].into();
                    c.operations.push(delete);
                }),
            ),
        ];
        for (what, bytes) in refused {
            assert_eq!(check(&bytes), Err(Reject::NonCanonical), "{what}");
        }
        assert_eq!(
            check(&edited(|c| c.operations[0].action = OpType::Delete)),
            Err(Reject::Malformed),
            "a deletion alone"
        );
        assert_eq!(check(&edited(|c| c.operations.clear())), Err(Reject::Malformed), "nothing");
    }

    #[test]
    fn t23_a_patch_without_its_authors_signature_is_refused_in_sync() {
        let honest = update(1, 1, vec![note("a", "k", "v")]);
        let other = update(1, 2, vec![note("a", "k", "w")]);
        let text = core::str::from_utf8(honest.bytes()).unwrap();
        let sig = |envelope: &Envelope| serde_json::to_string(&envelope.sig()).unwrap();
        let stolen = text.replace(&sig(&honest), &sig(&other));
        let mut change = change_of(&honest).decode();
        change.operations[0].action = OpType::Put(ScalarValue::Bytes(stolen.into_bytes()));
        let mut doc = Document::new(thread());
        let mut bytes = filled(3).save();
        bytes.extend_from_slice(Change::from(change).raw_bytes());
        assert_eq!(doc.merge(&bytes, verify), Err(Reject::BadSignature));
        assert_eq!(doc.patches().len(), 0, "all or nothing");
    }

    /// `envelope` with another good signature of its author: one by another nonce than the standard's.
    fn signed_again(envelope: &Envelope, key: &ed25519_dalek::SigningKey) -> Arc<Envelope> {
        use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
        let text = core::str::from_utf8(envelope.bytes()).unwrap();
        let old = serde_json::to_string(&envelope.sig()).unwrap();
        let unsigned = text.replace(&alloc::format!(",\"sig\":{old}"), "");
        let mut secret = ExpandedSecretKey::from(&key.to_bytes());
        secret.hash_prefix = [7; 32];
        let sig = raw_sign::<sha2::Sha512>(&secret, unsigned.as_bytes(), &key.verifying_key());
        let new = serde_json::to_string(&crate::wire::Signature(sig.to_bytes())).unwrap();
        assert_ne!(old, new);
        verify(text.replace(&old, &new).as_bytes()).unwrap()
    }

    #[test]
    fn t23_a_patch_signed_twice_is_one_patch_whichever_signature_came_first() {
        let key = ed25519_dalek::SigningKey::from_bytes(&[2; 32]);
        let one = update(1, 1, vec![note("a", "k", "v")]);
        let two = signed_again(&one, &key);
        assert_eq!((one.id(), one.sender), (two.id(), two.sender));
        let [mut left, mut right] = [Document::new(thread()), Document::new(thread())];
        assert_eq!((left.insert(&one), right.insert(&two)), (Ok(Taken::New), Ok(Taken::New)));
        assert_eq!(left.heads_digest(), right.heads_digest(), "replicas that heard one each agree");
        assert_eq!((left.insert(&two), right.insert(&one)), (Ok(Taken::Known), Ok(Taken::Known)));
        assert_eq!(left.save(), right.save(), "and have nothing to send each other once they heard both");
        let mut late = Document::new(thread());
        let higher = if one.sig().0 < two.sig().0 { &two } else { &one };
        late.insert(higher).unwrap();
        assert_eq!(late.merge(&left.missing(&late.heads()), verify), Ok(vec![]), "it is no new patch");
        assert!(late.sync_lag(&left.heads()) == 0 && left.missing(&late.heads()).is_empty());
    }

    #[test]
    fn an_author_and_a_thread_have_so_much_room_and_no_more() {
        let mut doc = Document::with(thread(), Room { each: 2, all: 3 });
        let say = |by, lamport| update(by, lamport, vec![note("a", "k", &lamport.to_string())]);
        assert_eq!((doc.insert(&say(1, 5)), doc.insert(&say(1, 7))), (Ok(Taken::New), Ok(Taken::New)));
        assert_eq!(doc.insert(&say(1, 9)), Err(Reject::NoRoom), "it has its part");
        assert_eq!(doc.insert(&say(2, 8)), Ok(Taken::New));
        assert_eq!(doc.insert(&say(3, 9)), Err(Reject::NoRoom), "the thread is full");
        assert_eq!(doc.insert(&say(1, 6)), Ok(Taken::Instead(say(1, 7))), "its author said it earlier");
        assert_eq!(doc.insert(&say(3, 1)), Ok(Taken::Instead(say(2, 8))), "somebody else did");
        assert_eq!(doc.insert(&planner(4, vec![add("a", "job", "text", "total")])), Ok(Taken::New), "plans are apart");
        assert_eq!((doc.patches().len(), doc.updates.len(), doc.of.len()), (4, 3, 2));
        let long = update(5, 0, (0..8).map(|n| note("a", &alloc::format!("k{n}"), &"x".repeat(1_000))).collect());
        assert_eq!(doc.insert(&long), Err(Reject::Oversize));
    }

    #[test]
    fn t23_merges_create_no_random_ids() {
        let [a, b] = [filled(4), filled(4)];
        assert_eq!(a.save(), b.save());
        let mut merged = filled(2);
        merged.merge(&a.save(), verify).unwrap();
        assert_eq!(merged.save(), a.save());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn hostile_bytes_never_panic(noise in prop::collection::vec(any::<u8>(), 0..600)) {
            let mut doc = Document::new(thread());
            prop_assert_eq!(doc.merge(&noise, verify).is_ok(), noise.is_empty());
            let mut led = ENVELOPE_START.to_vec();
            led.extend_from_slice(&noise);
            prop_assert!(doc.merge(&led, verify).is_err());
        }

        #[test]
        fn damaged_bytes_are_refused_and_change_nothing(at in any::<prop::sample::Index>(), flip in 1u8.., cut in any::<bool>()) {
            let honest = filled(2).save();
            let at = at.index(honest.len());
            let mut bytes = honest.clone();
            if cut { bytes.truncate(at) } else { bytes[at] ^= flip }
            let mut doc = Document::new(thread());
            let outcome = doc.merge(&bytes, verify);
            // Cut between its two changes, the log is still one of whole changes.
            let whole = cut && (at == 0 || honest.len() == 2 * at || outcome.is_ok() && doc.save() == bytes);
            prop_assert_eq!(outcome.is_ok(), whole);
            prop_assert!(whole || doc.patches().len() == 0);
        }

        /// What is kept where there is little room is the same too, however it was split, merged and repeated.
        #[test]
        fn what_is_kept_of_too_much_does_not_depend_on_the_order(
            said in prop::collection::vec((0u8..4, 0u64..6), 1..24),
            turn in 0usize..24,
            cut in 0usize..24,
        ) {
            let patches: Vec<_> =
                (0..).zip(&said).map(|(n, (by, at))| update(*by, *at, vec![note("a", "k", &i32::to_string(&n))])).collect();
            let empty = || Document::with(thread(), Room { each: 3, all: 5 });
            let fill = |doc: &mut Document, patches: &[Arc<Envelope>]| {
                for patch in patches {
                    let _kept_or_not = doc.insert(patch);
                }
            };
            let (mut all, mut turned, mut left, mut right) = (empty(), empty(), empty(), empty());
            fill(&mut all, &patches);
            let (turn, cut) = (turn % patches.len(), cut % patches.len());
            fill(&mut turned, &patches[turn..]);
            fill(&mut turned, &patches[..turn]);
            fill(&mut left, &patches[..cut]);
            fill(&mut right, &patches[cut..]);
            let theirs = right.save();
            right.merge(&left.save(), verify).unwrap();
            left.merge(&theirs, verify).unwrap();
            for doc in [&turned, &left, &right] {
                prop_assert_eq!(doc.heads_digest(), all.heads_digest());
                prop_assert_eq!(&doc.updates, &all.updates);
                prop_assert_eq!(&doc.of, &all.of);
            }
        }

        #[test]
        fn heads_are_equal_for_all_arrival_orders(order in Just((1..=7u64).collect::<Vec<_>>()).prop_shuffle(), cut in 0usize..7) {
            let patches: Vec<_> = order.iter().map(|n| update((n % 3) as u8, *n, vec![note("a", "k", &n.to_string())])).collect();
            let mut one = Document::new(thread());
            let [mut left, mut right] = [Document::new(thread()), Document::new(thread())];
            for (n, patch) in patches.iter().enumerate() {
                one.insert(patch).unwrap();
                if n < cut { left.insert(patch).unwrap() } else { right.insert(patch).unwrap() };
            }
            left.merge(&right.save(), verify).unwrap();
            right.merge(&left.save(), verify).unwrap();
            let mut sorted = Document::new(thread());
            for n in 1..=7u64 {
                sorted.insert(&update((n % 3) as u8, n, vec![note("a", "k", &n.to_string())])).unwrap();
            }
            for doc in [&one, &left, &right] {
                prop_assert_eq!(doc.heads_digest(), sorted.heads_digest());
                prop_assert_eq!(doc.save(), sorted.save());
            }
        }
    }

    #[test]
    fn deep_nesting_is_refused_without_deep_recursion() {
        let mut bytes = ENVELOPE_START.to_vec();
        bytes.resize(MERGE_BYTES_MAX, b'[');
        assert_eq!(Document::new(thread()).merge(&bytes, verify), Err(Reject::Malformed));
    }

    /// Prints what twelve replicas of ten patches of ten facts cost: `cargo test --release figures -- --nocapture`.
    #[test]
    fn figures_of_twelve_replicas() {
        let patches: Vec<_> = (0..10)
            .map(|n| (n, (0..10).map(|k| note("a", &alloc::format!("k{k}"), "some remark")).collect()))
            .map(|(n, facts)| if n == 0 { planner(n, facts) } else { update(n, 1, facts) })
            .collect();
        let timed = |what: &str, run: &mut dyn FnMut()| {
            let start = std::time::Instant::now();
            run();
            std::println!("{what}: {:?}", start.elapsed());
        };
        let mut docs = vec![Document::new(thread()); 12];
        timed("insert 10 x 10 facts into 12 replicas", &mut || {
            for doc in &mut docs {
                for patch in &patches {
                    doc.insert(patch).unwrap();
                }
            }
        });
        timed("heads of 12 replicas", &mut || {
            assert!(docs.iter().all(|doc| doc.heads_digest() == docs[0].heads_digest()))
        });
        timed("heads of 12 replicas again", &mut || assert!(docs.iter().all(|doc| doc.heads().len() == 10)));
        let changes: Vec<_> = patches.iter().map(|patch| change_of(patch)).collect();
        timed("for comparison, 12 Automerge values fed in one batch each", &mut || {
            for doc in &docs {
                let mut theirs = automerge::Automerge::new().with_actor(ActorId::from([0; 32]));
                theirs.apply_changes(changes.iter().cloned()).unwrap();
                assert_eq!(theirs.get_heads().len(), doc.heads().len());
            }
        });
        let mut views = vec![View::new(); 12];
        timed("views of 12 replicas, one proposal decided, all entitled", &mut || {
            for view in &mut views {
                view.decided(patches[0].id(), Epoch::FIRST);
                for patch in &patches {
                    view.entitle(patch.sender);
                    view.add_patch(patch).unwrap();
                }
            }
        });
        timed("digests of 12 views", &mut || assert!(views.iter().all(|view| view.digest() == views[0].digest())));
        let saved = docs[0].save();
        timed("merge of 10 patches, signatures verified", &mut || {
            assert_eq!(Document::new(thread()).merge(&saved, verify).unwrap().len(), 10);
        });
        std::println!("saved: {} bytes", saved.len());
    }
}

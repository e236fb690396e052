//! A model of what etcd keeps, for simulators and tests: keys with every revision of theirs, transactions over them, leases, and a way back from a backup.
//!
//! A value without clock or chance. Its rules are etcd's: one revision per transaction that writes, guards judged before
//! anything is written, history gone up to what was compacted while the present stays.

use std::collections::BTreeMap;

use super::{Guard, Header, Key, Kv, Op, Range, Txn};

/// One write of a key; no value is a deletion.
#[derive(Clone, Debug)]
struct Version<V> {
    modified: u64,
    created: u64,
    value: Option<V>,
    lease: Option<LeaseId>,
}

/// Names a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeaseId(pub u64);

#[derive(Clone, Copy, Debug)]
struct Lease {
    ttl_ns: u64,
    ends: u64,
}

/// What a transaction came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran<V> {
    /// Its guards held.
    pub held: bool,
    /// What each step read.
    pub read: Vec<Vec<Kv<V>>>,
    /// It wrote; the header's revision is its own.
    pub wrote: bool,
}

/// History that was asked for is compacted away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// The first revision that is still there.
    pub first: u64,
}

/// The state of one cluster.
#[derive(Clone, Debug)]
pub struct Store<V> {
    cluster: u64,
    revision: u64,
    compacted: u64,
    keys: BTreeMap<Key, Vec<Version<V>>>,
    /// Keys written, by revision.
    history: BTreeMap<u64, Vec<Key>>,
    leases: BTreeMap<LeaseId, Lease>,
}

impl<V: Clone> Store<V> {
    /// An empty cluster of that id.
    pub fn new(cluster: u64) -> Self {
        Self {
            cluster,
            // A new etcd stands at 1.
            revision: 1,
            compacted: 0,
            keys: BTreeMap::new(),
            history: BTreeMap::new(),
            leases: BTreeMap::new(),
        }
    }

    /// What an answer given now begins with.
    pub fn header(&self) -> Header {
        Header { cluster: self.cluster, revision: self.revision }
    }

    fn latest(&self, key: &Key) -> Option<&Version<V>> {
        self.keys.get(key)?.last().filter(|version| version.value.is_some())
    }

    fn holds(&self, guard: &Guard) -> bool {
        match guard {
            Guard::Absent(key) => self.latest(key).is_none(),
            Guard::At(key, revision) => self.latest(key).is_some_and(|version| version.modified == *revision),
        }
    }

    /// Runs a transaction at one revision.
    pub fn run(&mut self, txn: &Txn<V>) -> Ran<V> {
        let held = txn.guards.iter().all(|guard| self.holds(guard));
        let mut ran = Ran { held, read: Vec::new(), wrote: false };
        for op in if held { &txn.then } else { &txn.otherwise } {
            let read = match op {
                Op::Get(range) => self.get(range, self.revision).unwrap_or_default(),
                Op::Put(key, value) => {
                    if !std::mem::replace(&mut ran.wrote, true) {
                        self.revision += 1;
                    }
                    self.put(key, Some(value.clone()), None);
                    Vec::new()
                }
            };
            ran.read.push(read);
        }
        ran
    }

    fn put(&mut self, key: &Key, value: Option<V>, lease: Option<LeaseId>) {
        let modified = self.revision;
        let created = self.latest(key).map_or(modified, |version| version.created);
        self.keys.entry(key.clone()).or_default().push(Version { modified, created, value, lease });
        self.history.entry(modified).or_default().push(key.clone());
    }

    /// What `range` held at `revision`. At the present revision this is a linearizable read; a serializable one may be
    /// given any earlier revision, as a member that lags behind gives it.
    ///
    /// # Errors
    /// The revision is compacted.
    pub fn get(&self, range: &Range, revision: u64) -> Result<Vec<Kv<V>>, Compacted> {
        if revision < self.compacted {
            return Err(Compacted { first: self.compacted });
        }
        let keys = self.keys.range(range.from.clone()..range.to.clone());
        let found = keys.filter_map(|(_, versions)| {
            let version = versions.iter().rev().find(|version| version.modified <= revision)?;
            version.value.clone().map(|value| Kv { modified: version.modified, value })
        });
        Ok(found.take(range.limit).collect())
    }

    /// Every write from revision `from` on, by revision.
    ///
    /// # Errors
    /// The revision is compacted.
    pub fn since(&self, from: u64) -> Result<Vec<Vec<Kv<V>>>, Compacted> {
        // Compacting at a revision removes what was before it; the revision itself can still be told.
        if from < self.compacted {
            return Err(Compacted { first: self.compacted });
        }
        let tell = |(revision, keys): (&u64, &Vec<Key>)| {
            let of = |key: &Key| self.keys[key].iter().find(|version| version.modified == *revision)?.value.clone();
            keys.iter().filter_map(|key| of(key).map(|value| Kv { modified: *revision, value })).collect()
        };
        Ok(self.history.range(from..).map(tell).collect())
    }

    /// Forgets history before the present.
    pub fn compact(&mut self) {
        self.compacted = self.revision;
    }

    /// Back to what a backup taken at `revision` holds, as a new cluster; gives how many revisions are lost.
    pub fn restore(&mut self, revision: u64) -> u64 {
        let lost = self.revision.saturating_sub(revision);
        for versions in self.keys.values_mut() {
            versions.retain(|version| version.modified <= revision);
        }
        self.keys.retain(|_, versions| !versions.is_empty());
        self.history.split_off(&(revision + 1));
        self.revision = self.revision.min(revision);
        self.compacted = self.compacted.min(revision);
        self.cluster = self.cluster.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
        lost
    }

    /// A lease for at least `ttl_ns` from `now`.
    pub fn grant(&mut self, id: LeaseId, ttl_ns: u64, now: u64) {
        self.leases.insert(id, Lease { ttl_ns, ends: now + ttl_ns });
    }

    /// Prolongs a lease; false if it is gone.
    pub fn keep_alive(&mut self, id: LeaseId, now: u64) -> bool {
        self.leases.get_mut(&id).map(|lease| lease.ends = now + lease.ttl_ns).is_some()
    }

    /// Writes a key that goes when its lease does; false if the lease is gone.
    pub fn put_leased(&mut self, key: &Key, value: V, lease: LeaseId) -> bool {
        if !self.leases.contains_key(&lease) {
            return false;
        }
        self.revision += 1;
        self.put(key, Some(value), Some(lease));
        true
    }

    /// Ends what has ended by `now`. An old leader that wakes from a pause with a clock ahead calls this too early.
    pub fn expire(&mut self, now: u64) -> usize {
        let over: Vec<LeaseId> = self.leases.iter().filter(|(_, l)| l.ends <= now).map(|(id, _)| *id).collect();
        for id in &over {
            self.leases.remove(id);
            let bound = |(key, versions): (&Key, &Vec<Version<V>>)| {
                let version = versions.last()?;
                (version.lease == Some(*id) && version.value.is_some()).then(|| key.clone())
            };
            let keys: Vec<Key> = self.keys.iter().filter_map(bound).collect();
            if !keys.is_empty() {
                self.revision += 1;
            }
            keys.iter().for_each(|key| self.put(key, None, None));
        }
        over.len()
    }

    /// A new leader knows no clock but its own: every lease begins anew.
    pub fn lead(&mut self, now: u64) {
        self.leases.values_mut().for_each(|lease| lease.ends = now + lease.ttl_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str, value: u32) -> Op<u32> {
        Op::Put(key.to_owned(), value)
    }

    fn get(store: &Store<u32>, key: &str) -> Option<(u64, u32)> {
        let found = store.get(&Range::one(key.to_owned()), store.revision).expect("the present is never compacted");
        found.first().map(|kv| (kv.modified, kv.value))
    }

    fn txn(guards: Vec<Guard>, then: Vec<Op<u32>>) -> Txn<u32> {
        Txn { guards, then, otherwise: vec![Op::Get(Range::one("a".to_owned()))] }
    }

    #[test]
    fn a_transaction_has_one_revision_and_takes_one_branch() {
        let mut store = Store::new(7);
        let absent = || Guard::Absent("a".to_owned());
        assert!(store.run(&txn(vec![absent()], vec![put("a", 1), put("b", 2)])).held);
        assert_eq!((get(&store, "a"), get(&store, "b"), store.revision), (Some((2, 1)), Some((2, 2)), 2));
        let lost = store.run(&txn(vec![absent()], vec![put("a", 9)]));
        assert_eq!((lost.held, lost.wrote, lost.read[0][0].value), (false, false, 1));
        assert!(!store.run(&txn(vec![Guard::At("a".to_owned(), 1)], vec![put("a", 9)])).held);
        assert!(store.run(&txn(vec![Guard::At("a".to_owned(), 2)], vec![put("a", 3)])).held);
        assert_eq!((get(&store, "a"), store.revision), (Some((3, 3)), 3));
    }

    #[test]
    fn e6_history_is_told_from_a_revision_until_it_is_compacted() {
        let mut store = Store::new(7);
        (1..5).for_each(|n| drop(store.run(&txn(vec![], vec![put("a", n)]))));
        let told: Vec<u32> = store.since(3).expect("kept").into_iter().flatten().map(|kv| kv.value).collect();
        assert_eq!(told, [2, 3, 4]);
        let stale = store.get(&Range::one("a".to_owned()), 3).expect("kept");
        assert_eq!(stale[0].value, 2, "a member that lags gives what was");
        store.compact();
        assert_eq!(store.since(4), Err(Compacted { first: 5 }));
        assert_eq!(store.since(5).expect("the last is kept").len(), 1);
        assert_eq!(get(&store, "a"), Some((5, 4)), "the present stays");
    }

    #[test]
    fn e4_a_lease_outlives_its_ttl_when_the_leader_changes() {
        let mut store = Store::new(7);
        store.grant(LeaseId(1), 10, 0);
        assert!(store.put_leased(&"a".to_owned(), 1, LeaseId(1)));
        store.lead(9);
        assert_eq!(store.expire(18), 0, "granted at 0 for 10, and it still stands at 18");
        assert_eq!((store.expire(19), get(&store, "a")), (1, None));
        assert!(!store.keep_alive(LeaseId(1), 19) && !store.put_leased(&"a".to_owned(), 2, LeaseId(1)));
    }

    #[test]
    fn e4_an_old_leader_that_slept_ends_a_lease_before_its_time() {
        let mut store = Store::new(7);
        store.grant(LeaseId(1), 10, 0);
        assert!(store.put_leased(&"a".to_owned(), 1, LeaseId(1)) && store.keep_alive(LeaseId(1), 8));
        // At 9 an old leader goes on whose clock says 20: the holder was promised 18, and is not asked.
        assert_eq!((store.expire(20), get(&store, "a")), (1, None));
        assert!(!store.keep_alive(LeaseId(1), 9));
    }

    #[test]
    fn e7_a_lock_that_ended_does_not_stop_its_holder_but_a_guard_does() {
        let mut store = Store::new(7);
        store.grant(LeaseId(1), 10, 0);
        assert!(store.put_leased(&"lock".to_owned(), 1, LeaseId(1)));
        store.expire(10);
        // The first holder was asleep; a second one takes the lock, both believe that they hold it.
        assert!(store.run(&txn(vec![Guard::Absent("lock".to_owned())], vec![put("lock", 2)])).held);
        assert!(store.run(&txn(vec![], vec![put("a", 1)])).held, "the lock guards nothing by itself");
        assert!(!store.run(&txn(vec![Guard::At("lock".to_owned(), 2)], vec![put("a", 1)])).held);
    }

    #[test]
    fn e2_a_restored_cluster_counts_its_revisions_anew() {
        let mut store = Store::new(7);
        (1..5).for_each(|n| drop(store.run(&txn(vec![], vec![put("a", n)]))));
        let before = store.header();
        assert_eq!(store.restore(3), 2);
        assert_eq!(get(&store, "a"), Some((3, 2)));
        assert_ne!(store.header().cluster, before.cluster);
        (7..9).for_each(|n| drop(store.run(&txn(vec![], vec![put("a", n)]))));
        assert_eq!(store.header().revision, before.revision, "the same token for another value");
        assert_eq!(get(&store, "a"), Some((5, 8)));
    }
}

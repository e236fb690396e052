//! The log of one group as the raft crate sees it, in memory. What of it is safe on a disk is none of its business: writes are
//! records that the host makes durable, and what must wait for them waits (see `group`).

use alloc::vec::Vec;
use raft::eraftpb::{Entry, HardState, Snapshot};
use raft::{Error, GetEntriesContext, RaftState, Storage, StorageError, util};

/// A log behind a snapshot.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    hard: HardState,
    entries: Vec<Entry>,
    /// Its metadata say where the log begins and who the members are there; its data is the mark of the history.
    snapshot: Snapshot,
}

impl Store {
    /// What a disk gave back.
    pub fn restored(hard: HardState, snapshot: Snapshot, entries: Vec<Entry>) -> Self {
        let mut store = Self { hard, entries, snapshot };
        store.hard.commit = store.hard.commit.clamp(store.base(), store.last());
        store
    }

    /// Says who voted first, if nothing was folded yet.
    pub fn found(&mut self, voters: Vec<u64>) {
        if self.base() == 0 {
            self.snapshot.mut_metadata().mut_conf_state().set_voters(voters);
        }
    }

    /// Index of the last entry that is folded into the history.
    pub fn base(&self) -> u64 {
        self.snapshot.get_metadata().index
    }

    pub fn last(&self) -> u64 {
        self.base() + self.entries.len() as u64
    }

    pub fn hard(&self) -> &HardState {
        &self.hard
    }

    /// Takes entries, in the place of whatever stood at the first of them or after it.
    pub fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        let keep = first.index.checked_sub(self.base() + 1).expect("what is folded is never written again");
        assert!(keep <= self.entries.len() as u64, "a log has no gaps");
        self.entries.truncate(keep as usize);
        self.entries.extend_from_slice(entries);
    }

    /// Drops the log up to where `snapshot` stands.
    pub fn fold(&mut self, snapshot: Snapshot) {
        let gone = snapshot.get_metadata().index - self.base();
        self.entries.drain(..gone as usize);
        self.snapshot = snapshot;
    }

    /// Puts `snapshot` in the place of everything.
    pub fn install(&mut self, snapshot: Snapshot) {
        self.entries.clear();
        self.snapshot = snapshot;
    }
}

impl Storage for Store {
    fn initial_state(&self) -> raft::Result<RaftState> {
        Ok(RaftState {
            hard_state: self.hard.clone(),
            conf_state: self.snapshot.get_metadata().get_conf_state().clone(),
        })
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        let base = self.base();
        if low <= base {
            return Err(Error::Store(StorageError::Compacted));
        }
        if high > self.last() + 1 {
            return Err(Error::Store(StorageError::Unavailable));
        }
        let mut entries = self.entries[(low - base - 1) as usize..(high - base - 1) as usize].to_vec();
        util::limit_size(&mut entries, max_size.into());
        Ok(entries)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        let base = self.snapshot.get_metadata();
        match index.checked_sub(base.index) {
            None => Err(Error::Store(StorageError::Compacted)),
            Some(0) => Ok(base.term),
            Some(at) => match self.entries.get(at as usize - 1) {
                Some(entry) => Ok(entry.term),
                None => Err(Error::Store(StorageError::Unavailable)),
            },
        }
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.base() + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last())
    }

    fn snapshot(&self, _: u64, _: u64) -> raft::Result<Snapshot> {
        if self.base() == 0 {
            return Err(Error::Store(StorageError::SnapshotTemporarilyUnavailable));
        }
        Ok(self.snapshot.clone())
    }
}

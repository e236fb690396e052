//! The disk that a member of a register starts on which was founded anew: what survived of the lost one, folded, under the
//! members whom the act seats. Nothing of it is taken on trust: the protocol half holds every chain against the act.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use bytes::Bytes;
use raft::eraftpb::{HardState, Snapshot};

use super::history::Mark;
use super::{Codec, GroupId, Proposal, Record};
use crate::register::{Command, Entry};
use crate::wire::canonical;

/// The records of a member's first disk: `entries` of each thread in order, the act behind them among them; `voters` are the
/// numbers of all members. The same for every member.
pub fn foundation(entries: &[Entry], voters: &[u64], buckets: u16, codec: &dyn Codec) -> Vec<Record> {
    let mut groups: BTreeMap<GroupId, Vec<Bytes>> = BTreeMap::new();
    for entry in entries {
        let data = codec.encode(Proposal { command: entry.command.clone(), thread: entry.thread });
        groups.entry(GroupId::of(&entry.thread, buckets)).or_default().push(data);
        if let Command::Start { bucket } = *entry.command
            && bucket < u32::from(buckets)
        {
            groups.entry(GroupId(bucket + 1)).or_default();
        }
    }
    let mut records = Vec::new();
    for (group, mut pieces) in groups {
        // A group that was started and of which nothing survived has other members now, too: they stand behind one empty entry.
        if pieces.is_empty() {
            pieces.push(Bytes::new());
        }
        let mark = Mark::default().after(&pieces);
        records.extend((0..).zip(pieces).map(|(at, data)| Record::Piece(group, at, data)));
        let mut snapshot = Snapshot::default();
        snapshot.set_data(canonical::to_vec(&mark).into());
        let meta = snapshot.mut_metadata();
        (meta.index, meta.term) = (mark.count, 1);
        meta.mut_conf_state().set_voters(voters.to_vec());
        records.push(Record::Installed(group, snapshot));
        let mut hard = HardState::default();
        (hard.term, hard.commit) = (1, mark.count);
        records.push(Record::Hard(group, hard));
    }
    records
}

//! What a log gives back after whatever can become of its bytes.

use alloc::vec::Vec;
use raft::eraftpb::{Entry as LogEntry, HardState, Snapshot};
use std::ops::Range;
use std::time::{Duration, Instant};
use std::vec;

use crate::id::{AgentId, Digest};
use crate::raft::{Found, GroupId, HEADER, Record, Wal, WalError, decode};

const GENESIS: Digest = Digest([3; 32]);
const ME: AgentId = AgentId([1; 32]);
const SALT: Digest = Digest([9; 32]);

fn entry(index: u64, data: Vec<u8>) -> Record {
    let mut entry = LogEntry::default();
    (entry.index, entry.term, entry.data) = (index, 1, data.into());
    Record::Log(GroupId(1), entry)
}

fn writes() -> Vec<Vec<Record>> {
    vec![
        vec![Record::Hard(GroupId(1), HardState::default()), entry(1, vec![b'x'; 40])],
        vec![entry(2, vec![b'y'; 30]), Record::Piece(GroupId(2), 0, vec![b'p'; 30].into())],
        vec![entry(3, vec![])],
        vec![Record::Folded(GroupId(1), Snapshot::default())],
    ]
}

/// A log of these writes, of which the first `synced` became durable one by one, and where each frame stands.
fn log(writes: &[Vec<Record>], synced: usize) -> (Vec<u8>, Vec<Range<usize>>) {
    let (mut wal, mut bytes) = Wal::create(&GENESIS, &ME, SALT);
    let mut places = Vec::new();
    for (n, records) in writes.iter().enumerate() {
        let start = bytes.len();
        bytes.extend(wal.frame(records));
        places.push(start..bytes.len());
        if n < synced {
            wal.synced();
        }
    }
    (bytes, places)
}

fn found(bytes: &[u8]) -> Result<Found, WalError> {
    decode(bytes, &GENESIS, &ME)
}

#[test]
fn t08_a_log_cut_at_any_byte_recovers_and_goes_on() {
    let writes = writes();
    for synced in [0, writes.len()] {
        let (bytes, places) = log(&writes, synced);
        for cut in 0..=bytes.len() {
            let found = found(&bytes[..cut]).expect("a torn tail is no damage");
            let whole = places.iter().filter(|place| place.end <= cut).count();
            assert_eq!(found.records, writes[..whole].concat(), "{cut}");
            let Some(mut wal) = found.wal else {
                assert!(cut < HEADER && found.holds == 0, "{cut}");
                continue;
            };
            assert_eq!(found.holds, whole.checked_sub(1).map_or(HEADER, |last| places[last].end), "{cut}");
            let more = [&bytes[..found.holds], &wal.frame(&writes[0])].concat();
            let again = decode(&more, &GENESIS, &ME).expect("it goes on");
            assert_eq!((again.records.len(), again.holds), (found.records.len() + 2, more.len()), "{cut}");
        }
    }
}

#[test]
fn t71_a_changed_byte_of_what_was_durable_is_refused_by_place() {
    let (bytes, places) = log(&writes(), 4);
    let last = places[3].start;
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 0x10;
        let expected = match at {
            0..8 => Some(WalError::NotAWal),
            8..12 => Some(WalError::OtherVersion(u32::from_be_bytes([bad[8], bad[9], bad[10], bad[11]]))),
            12..44 => Some(WalError::OtherOwner),
            // With another salt nothing can be read, not even that something was there.
            44..HEADER => None,
            _ if at < last => {
                places.iter().find(|place| place.contains(&at)).map(|place| WalError::Damaged(place.start))
            }
            _ => None,
        };
        assert_eq!(found(&bad).err(), expected, "{at}");
    }
    assert_eq!(decode(&bytes, &GENESIS, &AgentId([2; 32])).err(), Some(WalError::OtherOwner));
}

#[test]
fn a_frame_that_is_missing_doubled_or_moved_is_refused() {
    let (bytes, places) = log(&writes(), 4);
    for order in [vec![1, 2, 3], vec![0, 2, 3], vec![0, 0, 1, 2], vec![1, 0, 2, 3]] {
        let frames: Vec<u8> = order.iter().flat_map(|n| bytes[places[*n].clone()].to_vec()).collect();
        assert!(matches!(found(&[&bytes[..HEADER], &frames].concat()), Err(WalError::Damaged(_))), "{order:?}");
    }
}

/// Pages of writes that were not durable reach the disk in any order: the middle may be lost and the end be there.
#[test]
fn what_was_not_durable_may_be_lost_in_its_middle() {
    let writes = writes();
    for synced in 0..=2 {
        let (mut bytes, places) = log(&writes, synced);
        bytes[places[2].clone()].fill(0);
        let found = found(&bytes).expect("nothing of it was promised");
        assert_eq!((found.records, found.holds), (writes[..2].concat(), places[1].end));
    }
    let (mut bytes, places) = log(&writes, 3);
    bytes[places[2].clone()].fill(0);
    assert_eq!(found(&bytes).err(), Some(WalError::Damaged(places[2].start)), "the last frame knows of it");
}

/// A leader says what stands in an entry. A log of its own in there proves nothing about ours.
#[test]
fn a_frame_within_an_entry_is_none() {
    let (mut wal, _) = Wal::create(&GENESIS, &ME, Digest([8; 32]));
    let mut forged = Vec::new();
    for n in 0..4 {
        forged.extend(wal.frame(&[entry(n, vec![])]));
        wal.synced();
    }
    let (bytes, places) = log(&[vec![entry(1, forged)]], 0);
    for cut in places[0].clone() {
        assert_eq!(found(&bytes[..cut]).expect("a torn tail").holds, HEADER);
    }
    let mut headless = bytes.clone();
    headless[HEADER..HEADER + 30].fill(0);
    assert_eq!(found(&headless).expect("a lost page").holds, HEADER);
}

/// However an entry looks, it is gone through in the time that its length takes.
#[test]
fn a_torn_tail_costs_what_its_length_costs() {
    let patterns = [vec![0, 4], vec![0, 0, 0, 0, 0, 0, 0, 1], vec![0; 8], vec![1; 8]];
    for pattern in patterns {
        let (bytes, _) = log(&[vec![entry(1, pattern.repeat((1 << 20) / pattern.len()))]], 0);
        let clock = Instant::now();
        assert_eq!(found(&bytes[..bytes.len() - 1]).expect("a torn tail").holds, HEADER);
        assert!(clock.elapsed() < Duration::from_secs(20), "{pattern:?}: {:?}", clock.elapsed());
    }
}

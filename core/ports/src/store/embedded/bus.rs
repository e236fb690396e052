//! The embedded bus: one file, one process, every message in memory too.
//!
//! A message is handed out only after it is on the disk. Acknowledgements ride with the next write (or [`LocalBus::flush`]):
//! losing some in a crash only brings their messages again, which every consumer must bear anyway.

use std::path::Path;

use super::super::memory::MemoryBus;
use super::super::{Answer, Bus, Bytes, Delivery, Filter, Position, StoreError, Subject};
use super::journal::{Failed, Journal, Recovered, put_field, take_field};

const VERSION: u32 = 1;

/// Acknowledgements that wait for a write at most.
const PENDING_MAX: usize = 256;

/// The kinds of record in the file.
const MESSAGE: &[u8] = b"m";
const GROUP: &[u8] = b"g";
const ACK: &[u8] = b"a";

/// A bus kept in one append-only file.
#[derive(Debug)]
pub struct LocalBus {
    journal: Journal,
    held: MemoryBus,
    /// Records of acknowledgements not yet written, and how many.
    pending: (Vec<u8>, usize),
}

fn record(out: &mut Vec<u8>, kind: &[u8], first: &[u8], second: &[u8]) {
    for field in [kind, first, second] {
        put_field(out, field);
    }
}

/// Takes one record off `frame` into `held`.
fn replay(held: &mut MemoryBus, frame: &mut &[u8]) -> Option<()> {
    let (kind, first, second) = (take_field(frame)?, take_field(frame)?, take_field(frame)?);
    let first = std::str::from_utf8(first).ok()?;
    match kind {
        MESSAGE => drop(held.push(first.parse().ok()?, second)),
        GROUP => {
            let filter: Filter = std::str::from_utf8(second).ok()?.parse().ok()?;
            if !held.is_new(first, &filter).ok()? {
                return None;
            }
            held.add_group(first, filter);
        }
        ACK => {
            if !held.settle(first, u64::from_le_bytes(second.try_into().ok()?)) {
                return None;
            }
        }
        _ => return None,
    }
    Some(())
}

impl LocalBus {
    /// Opens the bus in the file at `path`, creating it and its folder.
    ///
    /// # Errors
    /// [`StoreError`]: not writable, held by another process, of another version, or damaged.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut held = MemoryBus::default();
        let journal = Journal::open(path, "bus", VERSION, |mut frame| {
            while !frame.is_empty() {
                replay(&mut held, &mut frame).ok_or("not a record of a bus")?;
            }
            Ok(())
        })?;
        Ok(Self { journal, held, pending: (Vec::new(), 0) })
    }

    /// What was found at opening.
    pub fn recovered(&self) -> Recovered {
        self.journal.recovered()
    }

    /// What was ever published, in order, whoever has had it: for holding the bus against what its users remember.
    pub fn payloads(&self) -> impl Iterator<Item = &Bytes> {
        self.held.payloads()
    }

    /// Makes every acknowledgement so far durable.
    ///
    /// # Errors
    /// Why it could not be written; they stay pending.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        if self.pending.1 == 0 {
            return Ok(());
        }
        self.append(Vec::new()).map_err(|(Failed::NotWritten(error) | Failed::Unknown(error))| error)
    }

    /// Writes the pending acknowledgements and `records`, in one frame.
    fn append(&mut self, records: Vec<u8>) -> Result<(), Failed> {
        let frame = [&self.pending.0[..], &records].concat();
        self.journal.append(&frame)?;
        self.pending = (Vec::new(), 0);
        Ok(())
    }
}

impl Bus for LocalBus {
    fn publish_all(&mut self, messages: &[(Subject, &[u8])]) -> Answer<Vec<Position>> {
        if let Err(error) = MemoryBus::check(messages) {
            return Answer::NotCommitted(error);
        }
        let mut records = Vec::new();
        for (subject, payload) in messages {
            record(&mut records, MESSAGE, subject.as_str().as_bytes(), payload);
        }
        if !records.is_empty() {
            match self.append(records) {
                Ok(()) => {}
                Err(Failed::NotWritten(error)) => return Answer::NotCommitted(error),
                Err(Failed::Unknown(error)) => return Answer::Unknown(error),
            }
        }
        self.held.publish_all(messages)
    }

    fn subscribe(&mut self, group: &str, filter: &Filter) -> Result<(), StoreError> {
        if self.held.is_new(group, filter)? {
            let mut records = Vec::new();
            record(&mut records, GROUP, group.as_bytes(), filter.as_str().as_bytes());
            self.append(records).map_err(|(Failed::NotWritten(error) | Failed::Unknown(error))| error)?;
            self.held.add_group(group, filter.clone());
        }
        Ok(())
    }

    fn fetch(&mut self, group: &str, member: &str, max: usize) -> Result<Vec<Delivery>, StoreError> {
        self.held.fetch(group, member, max)
    }

    fn ack(&mut self, group: &str, position: Position) -> Result<(), StoreError> {
        if self.held.end(group, position)? {
            record(&mut self.pending.0, ACK, group.as_bytes(), &position.0.to_le_bytes());
            self.pending.1 += 1;
            if self.pending.1 >= PENDING_MAX {
                return self.flush();
            }
        }
        Ok(())
    }

    fn give_back(&mut self, group: &str, member: &str) -> Result<usize, StoreError> {
        self.held.give_back(group, member)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::conformance;
    use super::*;

    #[test]
    fn it_conforms() {
        let dir = tempfile::tempdir().unwrap();
        conformance::bus(&mut LocalBus::open(&dir.path().join("new/bus")).unwrap());
        conformance::bus_survive(|| LocalBus::open(&dir.path().join("again")).unwrap(), |bus| bus.flush().unwrap());
    }

    #[test]
    fn t08_killed_at_any_byte_every_acknowledged_publish_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bus");
        let topic: Subject = "a.b".parse().unwrap();
        // Length of the file after each publish, with all before it acknowledged by then.
        let mut lengths = Vec::new();
        let mut bus = LocalBus::open(&path).unwrap();
        bus.subscribe("g", &">".parse().unwrap()).unwrap();
        for i in 0..4u8 {
            assert!(bus.publish(&topic, &[i]).committed().is_some());
            lengths.push(std::fs::metadata(&path).unwrap().len() as usize);
            let got = bus.fetch("g", "m", 9).unwrap();
            bus.ack("g", got[0].position).unwrap();
        }
        drop(bus);
        let whole = std::fs::read(&path).unwrap();
        for cut in lengths[0]..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let mut bus = LocalBus::open(&path).unwrap();
            let sent = lengths.iter().filter(|l| **l <= cut).count();
            let got = bus.fetch("g", "m", 9).unwrap();
            // The acknowledgement of the last whole publish was still pending: that message alone comes again.
            assert_eq!(got.iter().map(|d| d.payload[0] as usize).collect::<Vec<_>>(), [sent - 1], "cut at {cut}");
        }
    }

    #[test]
    fn pending_acknowledgements_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bus");
        let mut bus = LocalBus::open(&path).unwrap();
        bus.subscribe("g", &">".parse().unwrap()).unwrap();
        let batch: Vec<(Subject, &[u8])> = vec![("a".parse().unwrap(), b"x"); PENDING_MAX + 10];
        assert!(bus.publish_all(&batch).committed().is_some());
        for delivery in bus.fetch("g", "m", usize::MAX).unwrap() {
            bus.ack("g", delivery.position).unwrap();
        }
        drop(bus);
        let mut bus = LocalBus::open(&path).unwrap();
        assert_eq!(bus.fetch("g", "m", usize::MAX).unwrap().len(), 10);
    }
}

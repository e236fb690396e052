//! The contracts at their plainest: what the embedded stores keep on disk, and what others are compared with.
//!
//! Every change is split in two: a check that changes nothing, and the change itself, which cannot fail. So whoever makes
//! it durable in between never writes what is then refused, nor applies what was not written.

use std::collections::{BTreeMap, BTreeSet};

use swarm_core::id::{Cid, Digest, Seq, Thread};

use super::{
    ARTIFACT_BYTES_MAX, Answer, Artifacts, Bus, Bytes, Delivery, Filter, IN_FLIGHT_MAX, PAYLOAD_BYTES_MAX, Position,
    Register, StoreError, Subject, bounded,
};

/// An artifact store that ends with its process.
#[derive(Clone, Debug, Default)]
pub struct MemoryArtifacts {
    held: BTreeMap<Cid, Bytes>,
}

impl Artifacts for MemoryArtifacts {
    fn put(&mut self, bytes: &[u8]) -> Answer<Cid> {
        if let Err(error) = bounded(bytes, ARTIFACT_BYTES_MAX) {
            return Answer::NotCommitted(error);
        }
        let cid = Cid::of(bytes);
        self.held.entry(cid).or_insert_with(|| bytes.into());
        Answer::Committed(cid)
    }

    fn get(&self, cid: &Cid) -> Result<Option<Bytes>, StoreError> {
        Ok(self.held.get(cid).cloned())
    }
}

/// One thread's log.
#[derive(Clone, Debug, Default)]
struct Log {
    entries: Vec<Bytes>,
    positions: BTreeMap<Digest, Seq>,
}

/// A register that ends with its process.
#[derive(Clone, Debug, Default)]
pub struct MemoryRegister {
    logs: BTreeMap<Thread, Log>,
}

impl MemoryRegister {
    /// Holds `commands` against the bounds.
    pub(super) fn check(commands: &[(Thread, &[u8])]) -> Result<(), StoreError> {
        commands.iter().try_for_each(|(_, command)| bounded(command, PAYLOAD_BYTES_MAX))
    }

    /// Where `command` stands, if it was ordered already.
    pub(super) fn position(&self, thread: &Thread, command: &[u8]) -> Option<Seq> {
        self.logs.get(thread)?.positions.get(&Digest::sha256(command)).copied()
    }

    /// Orders `command` after all others, unless it was ordered before.
    pub(super) fn push(&mut self, thread: Thread, command: &[u8]) -> Seq {
        let log = self.logs.entry(thread).or_default();
        let next = Seq(log.entries.len() as u64 + 1);
        let seq = *log.positions.entry(Digest::sha256(command)).or_insert(next);
        if seq == next {
            log.entries.push(command.into());
        }
        seq
    }
}

impl Register for MemoryRegister {
    fn submit_all(&mut self, commands: &[(Thread, &[u8])]) -> Answer<Vec<Seq>> {
        match Self::check(commands) {
            Ok(()) => Answer::Committed(commands.iter().map(|(thread, command)| self.push(*thread, command)).collect()),
            Err(error) => Answer::NotCommitted(error),
        }
    }

    fn read(&self, thread: &Thread, from: Seq, max: usize) -> Result<Vec<(Seq, Bytes)>, StoreError> {
        let entries = self.logs.get(thread).map_or(&[][..], |log| &log.entries);
        let skipped = usize::try_from(from.0.saturating_sub(1)).unwrap_or(usize::MAX);
        let numbered = entries.iter().enumerate().skip(skipped).take(max);
        Ok(numbered.map(|(i, entry)| (Seq(i as u64 + 1), entry.clone())).collect())
    }

    fn last(&self, thread: &Thread) -> Result<Seq, StoreError> {
        Ok(Seq(self.logs.get(thread).map_or(0, |log| log.entries.len() as u64)))
    }

    fn threads(&self) -> Result<Vec<Thread>, StoreError> {
        Ok(self.logs.keys().copied().collect())
    }
}

/// A delivery that was not acknowledged.
#[derive(Clone, Debug)]
struct InFlight {
    /// Who has it; nobody once it was given back.
    member: Option<String>,
    attempts: u32,
}

/// A consumer group.
#[derive(Clone, Debug)]
struct Group {
    filter: Filter,
    /// Every position below was delivered or does not concern this group.
    next: u64,
    in_flight: BTreeMap<u64, InFlight>,
    /// Acknowledged before this bus was opened, at or above `next`.
    settled: BTreeSet<u64>,
}

/// A bus that ends with its process.
#[derive(Clone, Debug, Default)]
pub struct MemoryBus {
    messages: Vec<(Subject, Bytes)>,
    groups: BTreeMap<String, Group>,
}

impl MemoryBus {
    /// Holds `messages` against the bounds.
    pub(super) fn check(messages: &[(Subject, &[u8])]) -> Result<(), StoreError> {
        messages.iter().try_for_each(|(_, payload)| bounded(payload, PAYLOAD_BYTES_MAX))
    }

    /// Appends a message.
    pub(super) fn push(&mut self, subject: Subject, payload: &[u8]) -> Position {
        self.messages.push((subject, payload.into()));
        Position(self.messages.len() as u64)
    }

    /// What was published, in order.
    pub(super) fn payloads(&self) -> impl Iterator<Item = &Bytes> {
        self.messages.iter().map(|(_, payload)| payload)
    }

    /// Whether `group` would be new with `filter`.
    pub(super) fn is_new(&self, group: &str, filter: &Filter) -> Result<bool, StoreError> {
        match self.groups.get(group) {
            None => Ok(true),
            Some(has) if has.filter == *filter => Ok(false),
            Some(has) => Err(StoreError::OtherFilter {
                group: group.to_owned(),
                has: has.filter.clone(),
                wanted: filter.clone(),
            }),
        }
    }

    /// Adds a group that [`Self::is_new`].
    pub(super) fn add_group(&mut self, group: &str, filter: Filter) {
        let new = Group { filter, next: 1, in_flight: BTreeMap::new(), settled: BTreeSet::new() };
        assert!(self.groups.insert(group.to_owned(), new).is_none(), "a group is added once");
    }

    /// Notes an acknowledgement made before this bus was opened; false if it names no message.
    pub(super) fn settle(&mut self, group: &str, position: u64) -> bool {
        let sent = (1..=self.messages.len() as u64).contains(&position);
        match self.groups.get_mut(group) {
            Some(group) if sent => group.settled.insert(position),
            _ => false,
        }
    }

    /// Ends a delivery; false if it was not in flight.
    pub(super) fn end(&mut self, group: &str, position: Position) -> Result<bool, StoreError> {
        Ok(self.group(group)?.in_flight.remove(&position.0).is_some())
    }

    fn group(&mut self, group: &str) -> Result<&mut Group, StoreError> {
        self.groups.get_mut(group).ok_or_else(|| StoreError::NoGroup { group: group.to_owned() })
    }
}

impl Bus for MemoryBus {
    fn publish_all(&mut self, messages: &[(Subject, &[u8])]) -> Answer<Vec<Position>> {
        match Self::check(messages) {
            Ok(()) => Answer::Committed(messages.iter().map(|(s, payload)| self.push(s.clone(), payload)).collect()),
            Err(error) => Answer::NotCommitted(error),
        }
    }

    fn subscribe(&mut self, group: &str, filter: &Filter) -> Result<(), StoreError> {
        if self.is_new(group, filter)? {
            self.add_group(group, filter.clone());
        }
        Ok(())
    }

    fn fetch(&mut self, group: &str, member: &str, max: usize) -> Result<Vec<Delivery>, StoreError> {
        self.group(group)?;
        let (messages, group) = (&self.messages, self.groups.get_mut(group).expect("just found"));
        let mut handed = Vec::new();
        for (position, flight) in group.in_flight.iter_mut().filter(|(_, f)| f.member.is_none()).take(max) {
            flight.member = Some(member.to_owned());
            flight.attempts = flight.attempts.saturating_add(1);
            handed.push((*position, flight.attempts));
        }
        while handed.len() < max && group.in_flight.len() < IN_FLIGHT_MAX {
            let Some((subject, _)) = messages.get(group.next as usize - 1) else { break };
            let position = group.next;
            group.next += 1;
            if !group.settled.remove(&position) && group.filter.matches(subject) {
                group.in_flight.insert(position, InFlight { member: Some(member.to_owned()), attempts: 1 });
                handed.push((position, 1));
            }
        }
        let delivery = |(position, attempt)| {
            let (subject, payload) = messages[position as usize - 1].clone();
            Delivery { position: Position(position), subject, payload, attempt }
        };
        Ok(handed.into_iter().map(delivery).collect())
    }

    fn ack(&mut self, group: &str, position: Position) -> Result<(), StoreError> {
        self.end(group, position).map(drop)
    }

    fn give_back(&mut self, group: &str, member: &str) -> Result<usize, StoreError> {
        let held = self.group(group)?.in_flight.values_mut().filter(|f| f.member.as_deref() == Some(member));
        Ok(held.map(|flight| flight.member = None).count())
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance;
    use super::*;

    #[test]
    fn the_reference_conforms() {
        conformance::artifacts(&mut MemoryArtifacts::default());
        conformance::register(&mut MemoryRegister::default());
        conformance::bus(&mut MemoryBus::default());
    }
}

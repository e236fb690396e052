//! The embedded register: one sequencer, one file, any number of coordinators.
//!
//! A command gets its position in memory only after it is on the disk: nobody ever acts on an order that a crash undoes.

use std::path::Path;

use swarm_core::id::{Seq, Thread};

use super::super::memory::MemoryRegister;
use super::super::{Answer, Bytes, Register, StoreError};
use super::journal::{Failed, Journal, Recovered, put_field, take_field};

const VERSION: u32 = 1;

/// A register kept in one append-only file, its commands in memory too.
#[derive(Debug)]
pub struct FileRegister {
    journal: Journal,
    held: MemoryRegister,
}

impl FileRegister {
    /// Opens the register in the file at `path`, creating it and its folder.
    ///
    /// # Errors
    /// [`StoreError`]: not writable, held by another process, of another version, or damaged.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut held = MemoryRegister::default();
        let journal = Journal::open(path, "register", VERSION, |mut batch| {
            let bad = "not a batch of commands";
            while !batch.is_empty() {
                let thread = take_field(&mut batch).and_then(|t| std::str::from_utf8(t).ok()?.parse::<Thread>().ok());
                held.push(thread.ok_or(bad)?, take_field(&mut batch).ok_or(bad)?);
            }
            Ok(())
        })?;
        Ok(Self { journal, held })
    }

    /// What was found at opening. Cut bytes were never acknowledged, unless the disk lost what it had flushed: whoever has
    /// seen a later entry than the file holds must raise an alarm instead of going on.
    pub fn recovered(&self) -> Recovered {
        self.journal.recovered()
    }
}

impl Register for FileRegister {
    fn submit_all(&mut self, commands: &[(Thread, &[u8])]) -> Answer<Vec<Seq>> {
        if let Err(error) = MemoryRegister::check(commands) {
            return Answer::NotCommitted(error);
        }
        let mut batch = Vec::new();
        for (thread, command) in commands {
            if self.held.position(thread, command).is_none() {
                put_field(&mut batch, thread.to_string().as_bytes());
                put_field(&mut batch, command);
            }
        }
        if !batch.is_empty() {
            match self.journal.append(&batch) {
                Ok(()) => {}
                Err(Failed::NotWritten(error)) => return Answer::NotCommitted(error),
                Err(Failed::Unknown(error)) => return Answer::Unknown(error),
            }
        }
        self.held.submit_all(commands)
    }

    fn read(&self, thread: &Thread, from: Seq, max: usize) -> Result<Vec<(Seq, Bytes)>, StoreError> {
        self.held.read(thread, from, max)
    }

    fn last(&self, thread: &Thread) -> Result<Seq, StoreError> {
        self.held.last(thread)
    }

    fn threads(&self) -> Result<Vec<Thread>, StoreError> {
        self.held.threads()
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::conformance;
    use super::*;

    #[test]
    fn it_conforms() {
        let dir = tempfile::tempdir().unwrap();
        conformance::register(&mut FileRegister::open(&dir.path().join("new/folder/register")).unwrap());
        conformance::register_survive(|| FileRegister::open(&dir.path().join("again")).unwrap());
    }

    #[test]
    fn t08_killed_inside_a_batch_all_of_it_or_none_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("register");
        let mut register = FileRegister::open(&path).unwrap();
        let system = Thread::System;
        assert!(register.submit(system, b"kept").committed().is_some());
        let before = std::fs::metadata(&path).unwrap().len() as usize;
        assert!(register.submit_all(&[(system, b"x"), (system, b"y")]).committed().is_some());
        drop(register);
        let whole = std::fs::read(&path).unwrap();
        for cut in before..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let mut register = FileRegister::open(&path).unwrap();
            let there = if cut == whole.len() { 3 } else { 1 };
            assert_eq!(register.last(&system).unwrap(), Seq(there), "cut at {cut}");
            assert_eq!(register.recovered().torn_bytes as usize, if there == 3 { 0 } else { cut - before });
            assert_eq!(register.submit(system, b"y").committed(), Some(Seq(if there == 3 { 3 } else { 2 })));
        }
    }

    #[test]
    fn t20_an_unknown_submit_is_found_out_by_submitting_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("register");
        let mut register = FileRegister::open(&path).unwrap();
        register.journal.break_file();
        assert!(matches!(register.submit(Thread::System, b"c"), Answer::Unknown(_)));
        assert_eq!(register.last(&Thread::System).unwrap(), Seq(0), "nobody acts on it meanwhile");
        assert!(matches!(register.submit(Thread::System, b"c"), Answer::NotCommitted(StoreError::Closed { .. })));
        drop(register);
        let mut register = FileRegister::open(&path).unwrap();
        assert_eq!(register.submit(Thread::System, b"c").committed(), Some(Seq(1)));
    }

    #[test]
    fn a_bus_is_no_register() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bus");
        drop(super::super::LocalBus::open(&path).unwrap());
        assert!(matches!(FileRegister::open(&path), Err(StoreError::WrongVersion { .. })));
    }
}

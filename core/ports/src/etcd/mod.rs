//! The register on etcd: the client half, as a value. It decides what a coordinator asks of etcd and what it believes of
//! the answers; whoever holds it carries the questions (the simulator's model, a real cluster).
//!
//! The rules it keeps:
//! - **One transaction per batch.** It compares the thread's head record and writes the head and each command under an
//!   index of its own, so that no applied entry is known only to a dead writer. The head's `mod_revision` guards the write
//!   and means nothing else: a restored cluster counts it anew, so no token is ever made from it.
//! - **No blind retry.** After silence or an error it reads linearizably and looks for its own nonce. What it then writes
//!   again is guarded by the same head, so of two tries at most one can ever take effect.
//! - **A watch is a hint.** Entries count in the order of their index; a gap, a compaction or a long silence is mended by
//!   reading from the last applied index on.
//! - **A command is known by its digest** within its thread: it gets one index, whoever else submits it too.
//! - **What was acknowledged and is gone is an alarm**, not a state to go on from: another cluster id, a revision or a head
//!   that went back, another entry where one was applied. The client then stops for good. It knows from its deployment which
//!   cluster that is, and from its coordinator's log what was applied before it began: else whoever starts again, or anew,
//!   beside a restored cluster would go on as if nothing had happened.
//!
//! Leases and the Lock service are not used: neither keeps two holders apart.

mod api;
mod client;
mod lane;
pub mod model;
mod output;
#[cfg(test)]
mod tests;

pub use api::{Event, Guard, Header, Key, Kv, Nonce, Op, Range, Request, RequestId, Response, Txn, Value};
pub use client::{Client, Kept};
pub use output::{Answer, Loss, Output, Ticket};

/// What the client may take its time for; all in nanoseconds of the host's monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// How long a request may go unanswered before it counts as unknown.
    pub request_ns: u64,
    /// The first pause after a lost race or an error; doubled each time, drawn from 1 up to it.
    pub pause_ns: u64,
    /// The longest such pause.
    pub pause_max_ns: u64,
    /// How often a command is tried before its submitter is told.
    pub tries_max: u32,
    /// How soon after something happened the client looks whether its watch missed anything.
    pub poll_ns: u64,
    /// Doubled while nothing is found, up to this.
    pub poll_max_ns: u64,
    /// Commands of one thread in one transaction (etcd allows 128 operations by default).
    pub batch_max: usize,
    /// Records read at once.
    pub page: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            request_ns: 2_000_000_000,
            pause_ns: 5_000_000,
            pause_max_ns: 1_000_000_000,
            tries_max: 24,
            poll_ns: 2_000_000_000,
            poll_max_ns: 300_000_000_000,
            batch_max: 32,
            page: 256,
        }
    }
}

/// Whether a server of this version (`major.minor.patch`) may keep a register. 3.5.0 to 3.5.2 could come out of a crash
/// with a revision that differs from member to member.
pub fn is_sound(version: &str) -> bool {
    let mut parts = version.split(['.', '-', '+']).map(str::parse::<u32>);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(Ok(3)), Some(Ok(5)), Some(Ok(patch))) => patch > 2,
        (Some(Ok(major)), Some(Ok(minor)), Some(Ok(_))) => (major, minor) >= (3, 4),
        _ => false,
    }
}

#[cfg(test)]
mod version_tests {
    use super::is_sound;

    #[test]
    fn a_version_known_to_lose_its_revision_is_refused() {
        for good in ["3.4.23", "3.5.3", "3.5.17", "3.6.0-rc.1"] {
            assert!(is_sound(good), "{good}");
        }
        for bad in ["3.5.0", "3.5.2", "3.3.27", "", "3.5", "latest"] {
            assert!(!is_sound(bad), "{bad}");
        }
    }
}
